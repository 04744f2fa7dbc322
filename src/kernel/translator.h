// What body.c and element.c share while they translate one text.
// Private to these two files; a translator lives on the stack of fmi_body_translate, so nothing here is locked. Recursion is
// bounded by `depth`, because the text is the user's.
#ifndef FMI_KERNEL_TRANSLATOR_H
#define FMI_KERNEL_TRANSLATOR_H

#include "kernel/body.h"
#include "kernel/edits.h"
#include "kernel/tokens.h"

typedef struct fmi_translator {
    const fmi_body_input *input;
    const fmi_tokens *tokens; // the input's
    fmi_text *out;            // borrowed
    fmi_body_use *use;
    uint32_t depth; // of ranges inside ranges, bounded because each is a call
    uint32_t
        closed_from; // of notes that end before token `closed_at`, those that begin here or later have been written
    uint32_t closed_at;
    bool is_flat; // inside a repeated index: line ends and comments were there the first time
} fmi_translator;

// Appends text to the output; does nothing when only checking.
void fmi_translator_emit(fmi_translator *translator, const char *format, ...) __attribute__((format(printf, 2, 3)));

void fmi_translator_emit_number(fmi_translator *translator, const fmi_number *number);

// Writes what the notes that begin at token `from` or later have before token `at`, once for all.
void fmi_translator_close(fmi_translator *translator, uint32_t from, uint32_t at);

// Writes a part of an operation's note.
void fmi_translator_emit_edit(fmi_translator *translator, const fmi_operation_place *place, fmi_edit_kind part);

// Translates tokens [begin, end).
fm_status fmi_translate_range(fmi_translator *translator, uint32_t begin, uint32_t end);

// Translates an access to the element `name[index]` whose name is token `*at`; leaves `*at` at its last token.
fm_status fmi_translate_element(fmi_translator *translator, const fmi_name *name, uint32_t *at);

// Translates an atomic function up to its first argument, an element; `*at` is the function's name, then the element's last token.
fm_status fmi_translate_atomic(fmi_translator *translator, const fmi_word *word, uint32_t *at);

// The declared name that token `index` is; NULL if it is none.
const fmi_name *fmi_translator_find(const fmi_translator *translator, uint32_t index);

#endif
