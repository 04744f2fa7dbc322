// What the stages that read a kernel's texts share: the spellings, and the first error with its place, "line L, column
// C: …" with the line and a caret.
// An error stays: what fails later says nothing, and whoever reads comes to the end of its tokens without looking. Only
// what would do harm, such as a loop that makes more, looks at `status`.
// Lives on the stack of fmi_tree_read; nothing is locked.
#ifndef FMI_LANGUAGE_READING_H
#define FMI_LANGUAGE_READING_H

#include "language/names.h"

#include <fermata/status.h>

#include <stdarg.h>

struct fmi_tok;
struct fmi_toks;

typedef struct fmi_reading {
    fm_status status;            // of the first error, which is the last error's sentence; FM_OK: none
    const struct fmi_toks *text; // what is being read: lines and columns count in it
    fmi_names names;             // their arena holds all that is made
    uint32_t made;               // tokens that macros have made, in all
} fmi_reading;

// FM_ERROR_COMPILE: "line L, column C: " before the sentence, in which `@` is the token's own text, and the line with a
// caret behind it. The END token's place is behind the last token.
// `token` may stand in another list that counts its place in the same text.
void fmi_tok_fail(fmi_reading *reading, const struct fmi_tok *token, const char *format, ...)
    __attribute__((format(printf, 3, 4), cold));
void fmi_tok_fail_with(fmi_reading *reading, const struct fmi_tok *token, const char *format, va_list args)
    __attribute__((format(printf, 3, 0), cold));

void fmi_reading_fail_memory(fmi_reading *reading) __attribute__((cold)); // FM_ERROR_OUT_OF_HOST_MEMORY

#endif
