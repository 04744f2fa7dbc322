// What the signatures of all targets share. See dialect.h.
// The arrangement of arguments is the same wherever they travel in one block, so that one piece of code above fills it for every device.
#include "language/dialect.h"

#include "base/error.h"

#include <string.h>

fmi_name_range fmi_print_range(const fmi_tree *tree, fmi_declared_kind kind)
{
    const fmi_kernel_text *source = tree->source;
    fmi_name_range range = {0, 0};
    while (range.first < source->name_count && source->names[range.first].kind < kind) {
        range.first++;
    }
    while (range.first + range.count < source->name_count && source->names[range.first + range.count].kind == kind) {
        range.count++;
    }
    return range;
}

const fmi_dtype_row *fmi_print_row(const fmi_tree *tree, uint32_t index)
{
    return fmi_dtype_get((fm_dtype)tree->source->names[index].dtype);
}

bool fmi_print_has_dtype(const fmi_tree *tree, fm_dtype dtype)
{
    const fmi_name_range buffers = fmi_print_range(tree, FMI_DECLARED_BUFFER);
    for (uint32_t i = 0; i < buffers.count; i++) {
        if (tree->source->names[i].dtype == dtype) {
            return true;
        }
    }
    return false;
}

uint32_t fmi_print_constants_size(const fmi_tree *tree)
{
    const fmi_name_range constants = fmi_print_range(tree, FMI_DECLARED_CONSTANT);
    uint32_t size_bytes = 0, alignment = 1;
    for (uint32_t i = 0; i < constants.count; i++) {
        uint32_t size = fmi_print_row(tree, constants.first + i)->size_bytes;
        fmi_dtype_place((fm_dtype)tree->source->names[constants.first + i].dtype, &size_bytes);
        alignment = size > alignment ? size : alignment;
    }
    return (size_bytes + alignment - 1) / alignment * alignment;
}

void fmi_print_name(fmi_text *out, const fmi_declared *declared)
{
    const char prefix[] = {'f', 'm', '_', "bcs"[declared->kind], '_'};
    fmi_text_append(out, prefix, sizeof prefix);
    fmi_text_append(out, declared->name, strlen(declared->name));
}

void fmi_print_note_wants(fmi_print *print)
{
    print->wants_group_count = (print->tree->features & FMI_NEEDS_GROUP_COUNT) != 0;
    print->wants_group_base = (print->tree->features & (FMI_NEEDS_GLOBAL_ID | FMI_NEEDS_GROUP_ID)) != 0;
}

uint32_t fmi_print_members(const fmi_print *print, fmi_dialect_kind dialect, fmi_text *out)
{
    const fmi_name_range constants = fmi_print_range(print->tree, FMI_DECLARED_CONSTANT);
    uint32_t size_bytes = fmi_print_constants_size(print->tree), at_bytes = 0;
    const char *uint = fmi_vtype_word(FMI_VT_UINT, dialect);
    for (uint32_t i = 0; i < constants.count; i++) {
        fmi_text_format(out, "    %s c%u;\n", fmi_print_row(print->tree, constants.first + i)->words[dialect].element,
                        i);
        fmi_dtype_place((fm_dtype)print->tree->source->names[constants.first + i].dtype, &at_bytes);
    }
    if (at_bytes < size_bytes) {
        fmi_text_format(out, "    %s fm_pad;\n", uint); // what follows does not lie in the constants' struct
    }
    if (print->wants_group_count) {
        fmi_text_format(out, "    %s g0, g1, g2;\n", uint);
        size_bytes += 12;
    }
    if (print->wants_group_base) {
        fmi_text_format(out, "    %s o0, o1, o2;\n", uint);
        size_bytes += 12;
    }
    return size_bytes;
}

void fmi_print_constants(const fmi_print *print, fmi_dialect_kind dialect, fmi_text *out)
{
    const fmi_name_range constants = fmi_print_range(print->tree, FMI_DECLARED_CONSTANT);
    for (uint32_t i = 0; i < constants.count; i++) {
        fmi_text_format(out, "    const %s fm_c_%s = fm_args.c%u;\n",
                        fmi_print_row(print->tree, constants.first + i)->words[dialect].element,
                        print->tree->source->names[constants.first + i].name, i);
    }
}

static const char *access_of(const fmi_declared *name)
{
    return name->access == FM_ACCESS_READ ? "const " : "";
}

uint32_t fmi_print_block(const fmi_print *print, const fmi_dialect *dialect, fmi_text *out)
{
    const fmi_name_range buffers = fmi_print_range(print->tree, FMI_DECLARED_BUFFER);
    fmi_text_format(out, "struct fm_block {\n");
    for (uint32_t i = 0; i < buffers.count; i++) {
        fmi_text_format(out, "    %s%s%s *b%u;\n", dialect->pointed, access_of(&print->tree->source->names[i]),
                        fmi_print_row(print->tree, i)->words[dialect->kind].element, i);
    }
    uint32_t size_bytes = 8 * buffers.count + fmi_print_members(print, dialect->kind, out);
    fmi_text_format(out, "};\n");
    return size_bytes;
}

void fmi_print_names(const fmi_print *print, const fmi_dialect *dialect, fmi_text *out)
{
    const fmi_tree *tree = print->tree;
    for (uint32_t i = 0; i < tree->source->name_count; i++) {
        const fmi_declared *name = &tree->source->names[i];
        const char *element = fmi_print_row(tree, i)->words[dialect->kind].element;
        if (name->kind == FMI_DECLARED_BUFFER) {
            fmi_text_format(out, "    %s%s%s *fm_b_%s = fm_args.b%u;\n", dialect->pointed, access_of(name), element,
                            name->name, i);
        } else if (name->kind == FMI_DECLARED_SHARED) {
            fmi_text_format(out, "    %s%s fm_s_%s[%u];\n", dialect->shared, element, name->name, name->count);
        }
    }
    fmi_print_constants(print, dialect->kind, out);
}

fm_status fmi_print_end(const fmi_print *print)
{
    return print->text.failed ? fmi_fail(FM_ERROR_OUT_OF_HOST_MEMORY, "no host memory to generate the kernel") : FM_OK;
}
