// A tree as CUDA C++: `fm_kernel_main`, which takes the argument block by value: addresses, constants, counts. See print.h.
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
    if (print->wants_group_count) {
        // Zeros: only the device knows them, and the dispatch is not one part of several.
        fmi_text_format(text, "    const bool fm_counted = fm_args.g0 != 0u;\n"
                              "    const uint3 fm_group_count = {fm_counted ? fm_args.g0 : gridDim.x,\n"
                              "        fm_counted ? fm_args.g1 : gridDim.y, fm_counted ? fm_args.g2 : gridDim.z};\n");
    }
    if (print->wants_group_base) {
        fmi_text_format(text,
                        "    const uint3 fm_group_id = {blockIdx.x + fm_args.o0, blockIdx.y + fm_args.o1, blockIdx.z + "
                        "fm_args.o2};\n"
                        "    const uint3 fm_global_id = {fm_group_id.x * %uu + threadIdx.x, fm_group_id.y * %uu + "
                        "threadIdx.y, fm_group_id.z * %uu + threadIdx.z};\n",
                        size[0], size[1], size[2]);
    }
}

fm_status fmi_print_cuda(fmi_print *print)
{
    fmi_text *text = &print->text;
    const uint32_t *size = print->tree->source->group_size;
    fmi_printer printer = {
        .dialect = &dialect, .tree = print->tree, .out = text, .access = "", .leave = "return", .indent = 1};
    fmi_print_note_wants(print);
    fmi_prelude_write(print, FMI_CUDA, text);
    fmi_put_header(&printer);
    uint32_t size_bytes = fmi_print_block(print, &dialect, text);
    fmi_text_format(text, "extern \"C\" __global__ void __launch_bounds__(%u) fm_kernel_main(%s)\n{\n",
                    size[0] * size[1] * size[2], size_bytes ? "const fm_block fm_args" : "");
    put_locals(print, text);
    fmi_put_statements(&printer, print->tree->body_list);
    fmi_put(&printer, "}\n");
    return fmi_print_end(print);
}
