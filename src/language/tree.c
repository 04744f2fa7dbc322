// From a kernel's texts to a tree. See tree.h.
// The order is that of the text: the header's directives are carried out first, and the body sees the macros that are left at its end.
#include "language/tree.h"

#include "language/preprocessor.h"
#include "language/syntax.h"

#include <string.h>

void fmi_tree_free(fmi_tree *tree)
{
    fmi_toks_free(&tree->header_raw);
    fmi_toks_free(&tree->header);
    fmi_toks_free(&tree->body_raw);
    fmi_toks_free(&tree->body);
    fmi_arena_free(&tree->arena);
}

// Makes each name that the kernel declares known by its spelling.
static fm_status declare(const fmi_kernel_text *text, fmi_names *names)
{
    for (uint32_t i = 0; i < text->name_count; i++) {
        fmi_name_entry *entry = fmi_names_intern(names, text->names[i].name, strlen(text->names[i].name));
        if (!entry) {
            return fmi_fail_memory();
        }
        entry->declared = &text->names[i];
    }
    return FM_OK;
}

static fm_status cut_texts(const fmi_kernel_text *text, fmi_names *names, fmi_tree *out)
{
    fmi_preprocessor preprocessor = {.arena = &out->arena};
    fm_status status = fmi_toks_cut(text->header ? text->header : "", text->header ? text->header_length : 0, true,
                                    names, &out->header_raw);
    if (status == FM_OK) {
        status = fmi_preprocess_header(&preprocessor, &out->header_raw, &out->header);
    }
    if (status == FM_OK) {
        status = fmi_toks_match(&out->header);
    }
    if (status == FM_OK) {
        status = fmi_toks_cut(text->body, text->body_length, false, names, &out->body_raw);
    }
    if (status == FM_OK) {
        status = fmi_preprocess_body(&preprocessor, &out->body_raw, &out->body);
    }
    return status == FM_OK ? fmi_toks_match(&out->body) : status;
}

fm_status fmi_tree_read(const fmi_kernel_text *text, fmi_tree *out)
{
    *out = (fmi_tree){.source = text};
    fmi_names names = {.arena = &out->arena};
    fm_status status = declare(text, &names);
    if (status == FM_OK) {
        status = cut_texts(text, &names, out);
    }
    if (status == FM_OK) {
        fmi_parser parser = {.tree = out};
        status = fmi_syntax_read(&parser);
    }
    if (status != FM_OK) {
        fmi_tree_free(out);
    }
    return status;
}
