// A tree as MSL: `fm_kernel_main`, whose argument block is a constant at buffer index 0: addresses, constants, counts. See print.h.
// Each pointer says its address space. A compiler that has no `threadgroup` variables in functions may define FM_SHARED as what it has instead.
#include "language/dialect.h"

static const fmi_dialect dialect = {
    .kind = FMI_MSL,
    .truth = {"false", "true"},
    .ids = {"fm_global_id", "fm_local_id", "fm_group_id", "fm_group_count"},
    .address = "&",
    .function = "static ",
    .table = "constant ",
    .barrier = "threadgroup_barrier(mem_flags::mem_threadgroup)",
    .array = "",
    .pointed = "device ",
    .shared = "FM_SHARED ",
};

static const char start[] = "#include <metal_stdlib>\n"
                            "using namespace metal;\n"
                            "#ifndef FM_SHARED\n"
                            "#define FM_SHARED threadgroup\n"
                            "#endif\n";

static void put_locals(const fmi_print *print, fmi_text *text)
{
    const uint32_t *size = print->tree->source->group_size;
    fmi_print_names(print, &dialect, text);
    if (print->wants_group_count) {
        // Zeros: only the device knows them, and the dispatch is not one part of several.
        fmi_text_format(text,
                        "    const uint3 fm_group_count =\n"
                        "        fm_args.g0 != 0u ? uint3(fm_args.g0, fm_args.g1, fm_args.g2) : fm_part_count;\n");
    }
    if (print->wants_group_base) {
        fmi_text_format(text,
                        "    const uint3 fm_group_id = fm_part_id + uint3(fm_args.o0, fm_args.o1, fm_args.o2);\n"
                        "    const uint3 fm_global_id = fm_group_id * uint3(%u, %u, %u) + fm_local_id;\n",
                        size[0], size[1], size[2]);
    }
}

fm_status fmi_print_msl(fmi_print *print)
{
    fmi_text *text = &print->text;
    const uint32_t *size = print->tree->source->group_size;
    fmi_printer printer = {
        .dialect = &dialect, .tree = print->tree, .out = text, .access = "", .leave = "return", .indent = 1};
    fmi_print_note_wants(print);
    fmi_text_append(text, start, sizeof start - 1);
    fmi_prelude_write(print, FMI_MSL, text);
    fmi_put_header(&printer);
    uint32_t size_bytes = fmi_print_block(print, &dialect, text);
    fmi_text_format(text,
                    "[[max_total_threads_per_threadgroup(%u)]] kernel void fm_kernel_main(\n"
                    "    %suint3 fm_local_id [[thread_position_in_threadgroup]],\n"
                    "    uint3 fm_part_id [[threadgroup_position_in_grid]],\n"
                    "    uint3 fm_part_count [[threadgroups_per_grid]])\n{\n",
                    size[0] * size[1] * size[2], size_bytes ? "constant fm_block &fm_args [[buffer(0)]],\n    " : "");
    put_locals(print, text);
    fmi_put_statements(&printer, print->tree->body_list);
    fmi_put(&printer, "}\n");
    return fmi_print_end(print);
}
