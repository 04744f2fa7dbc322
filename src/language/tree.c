// From a kernel's texts to a tree. See tree.h.
// The order is that of the text: the header's directives are carried out first, and the body sees the macros that are
// left at its end.
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
static void declare(fmi_reading *reading, const fmi_kernel_text *text)
{
    for (uint32_t i = 0; i < text->name_count; i++) {
        fmi_name_entry *entry = fmi_names_intern(&reading->names, text->names[i].name, strlen(text->names[i].name));
        if (!entry) {
            fmi_reading_fail_memory(reading);
            return;
        }
        entry->declared = &text->names[i];
    }
}

fm_status fmi_tree_read(const fmi_kernel_text *text, fmi_tree *out)
{
    *out = (fmi_tree){.source = text};
    fmi_reading reading = {.names.arena = &out->arena};
    declare(&reading, text);
    fmi_toks_cut(&reading, text->header ? text->header : "", text->header ? text->header_length : 0, true,
                 &out->header_raw);
    fmi_preprocess_header(&reading, &out->header_raw, &out->header);
    fmi_toks_match(&reading, &out->header);
    fmi_toks_cut(&reading, text->body, text->body_length, false, &out->body_raw);
    fmi_preprocess_body(&reading, &out->body_raw, &out->body);
    fmi_toks_match(&reading, &out->body);
    if (reading.status == FM_OK) {
        fmi_syntax_read(&reading, out);
    }
    if (reading.status != FM_OK) {
        fmi_tree_free(out);
    }
    return reading.status;
}
