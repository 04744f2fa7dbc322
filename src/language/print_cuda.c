// A tree as CUDA C++: `fm_kernel_main`, which takes the argument block by value: addresses, constants, counts; and `fm_kernel_indirect`, whose
// workgroups take turns at those that counts in memory ask for. See print.h.
// It includes nothing, so that a compiler at run time needs no headers. Bindings may alias, so nothing is `__restrict__`.
#include "language/dialect.h"

static const fmi_dialect dialect = {
    .kind = FMI_CUDA,
    .casts_as_c = true,
    .has_long_long = true,
    .truth = {"false", "true"},
    .ids = {"fm_global_id", "threadIdx", "fm_group_id", "fm_group_count"},
    .address = "&",
    .function = "static __device__ ",
    .table = "static __device__ const ",
    .barrier = "__syncthreads()",
    .array = "",
    .pointed = "",
    .shared = "__shared__ ",
};

static void put_locals(const fmi_print *print, fmi_text *text)
{
    const uint32_t *size = print->tree->source->group_size;
    fmi_print_names(print, &dialect, text);
    if (print->wants_group_base) {
        fmi_text_format(text,
                        "    const uint3 fm_global_id = {fm_group_id.x * %uu + threadIdx.x, fm_group_id.y * %uu + "
                        "threadIdx.y, fm_group_id.z * %uu + threadIdx.z};\n",
                        size[0], size[1], size[2]);
    }
}

// The two entries around the body, which is inlined into both.
static void put_entries(const fmi_print *print, bool has_block, fmi_text *text)
{
    const uint32_t *size = print->tree->source->group_size;
    const uint32_t items = size[0] * size[1] * size[2];
    const char *argument = has_block ? "fm_args, " : "";
    fmi_text_format(text, "extern \"C\" __global__ void __launch_bounds__(%u) fm_kernel_main(%s)\n{\n", items,
                    has_block ? "const fm_block fm_args" : "");
    fmi_text_format(text, "    fm_body(%s%s, %s);\n}\n", argument,
                    print->wants_group_base
                        ? "uint3{blockIdx.x + fm_args.o0, blockIdx.y + fm_args.o1, blockIdx.z + fm_args.o2}"
                        : "uint3{}",
                    print->wants_group_count ? "uint3{fm_args.g0, fm_args.g1, fm_args.g2}" : "uint3{}");
    // Counts of which one is 0 run nothing; those over a limit (of CUDA, FM_MAX_ITEMS, FM_MAX_GROUPS) neither, and are noted.
    fmi_text_format(
        text,
        "extern \"C\" __global__ void __launch_bounds__(%u) fm_kernel_indirect(const unsigned *fm_counts, "
        "unsigned *fm_refused%s)\n{\n"
        "    const uint3 fm_n = {fm_counts[0], fm_counts[1], fm_counts[2]};\n"
        "    const unsigned long long fm_plane = (unsigned long long)fm_n.x * fm_n.y, fm_most = 1ull << 32;\n"
        "    if (fm_plane == 0 || fm_n.z == 0) return;\n"
        "    if (fm_n.x > 0x7fffffffu || fm_n.y > 0xffffu || fm_n.z > 0xffffu || fm_n.x * %uull > fm_most ||\n"
        "        fm_n.y * %uull > fm_most || fm_n.z * %uull > fm_most || fm_plane > fm_most ||\n"
        "        fm_plane * fm_n.z > fm_most) {\n"
        "        if (blockIdx.x == 0 && threadIdx.x == 0 && threadIdx.y == 0 && threadIdx.z == 0) {\n"
        "            fm_refused[0] = fm_n.x; fm_refused[1] = fm_n.y; fm_refused[2] = fm_n.z;\n"
        "        }\n"
        "        return;\n"
        "    }\n"
        "    for (unsigned long long g = blockIdx.x; g < fm_plane * fm_n.z; g += gridDim.x) {\n"
        "        const unsigned rest = (unsigned)(g %% fm_plane);\n"
        "        fm_body(%suint3{rest %% fm_n.x, rest / fm_n.x, (unsigned)(g / fm_plane)}, fm_n);\n"
        "        __syncthreads(); // the next one has the same shared arrays\n"
        "    }\n"
        "}\n",
        items, has_block ? ", const fm_block fm_args" : "", size[0], size[1], size[2], argument);
}

fm_status fmi_print_cuda(fmi_print *print)
{
    fmi_text *text = &print->text;
    fmi_printer printer = {
        .dialect = &dialect, .tree = print->tree, .out = text, .access = "", .leave = "return", .indent = 1};
    fmi_print_note_wants(print);
    fmi_prelude_write(print, FMI_CUDA, text);
    fmi_put_header(&printer);
    uint32_t size_bytes = fmi_print_block(print, &dialect, text);
    fmi_text_format(text,
                    "static __device__ __forceinline__ void fm_body(%sconst uint3 fm_group_id, const uint3 "
                    "fm_group_count)\n{\n",
                    size_bytes ? "const fm_block &fm_args, " : "");
    put_locals(print, text);
    fmi_put_statements(&printer, print->tree->body_list);
    fmi_put(&printer, "}\n");
    put_entries(print, size_bytes > 0, text);
    return fmi_print_end(print);
}
