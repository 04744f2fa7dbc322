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
};

static const char start[] = "#include <metal_stdlib>\n"
                            "using namespace metal;\n"
                            "#ifndef FM_SHARED\n"
                            "#define FM_SHARED threadgroup\n"
                            "#endif\n";

static void put_pointer(const fmi_tree *tree, uint32_t index, fmi_text *text)
{
    fmi_text_format(text, "    device %s%s *", tree->source->names[index].access == FM_ACCESS_READ ? "const " : "",
                    fmi_print_row(tree, index)->words[FMI_MSL].element);
}

// Returns the block's bytes.
static uint32_t put_block(const fmi_print *print, fmi_text *text)
{
    const fmi_name_range buffers = fmi_print_range(print->tree, FMI_DECLARED_BUFFER);
    fmi_text_format(text, "struct fm_block {\n");
    for (uint32_t i = 0; i < buffers.count; i++) {
        put_pointer(print->tree, i, text);
        fmi_text_format(text, "b%u;\n", i);
    }
    uint32_t size_bytes = 8 * buffers.count + fmi_print_members(print, FMI_MSL, text);
    fmi_text_format(text, "};\n");
    return size_bytes;
}

static void put_locals(const fmi_print *print, fmi_text *text)
{
    const fmi_tree *tree = print->tree;
    const uint32_t *size = tree->source->group_size;
    for (uint32_t i = 0; i < tree->source->name_count; i++) {
        const fmi_declared *name = &tree->source->names[i];
        if (name->kind == FMI_DECLARED_BUFFER) {
            put_pointer(tree, i, text);
            fmi_text_format(text, "fm_b_%s = fm_args.b%u;\n", name->name, i);
        } else if (name->kind == FMI_DECLARED_SHARED) {
            fmi_text_format(text, "    FM_SHARED %s fm_s_%s[%u];\n", fmi_print_row(tree, i)->words[FMI_MSL].element,
                            name->name, name->count);
        }
    }
    fmi_print_constants(print, FMI_MSL, text);
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
    uint32_t size_bytes = put_block(print, text);
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
