// Sentences about a place in a kernel's text: "line L, column C: …", and the line itself with a caret below it.
// No state; any thread.
#ifndef FMI_LANGUAGE_PLACE_H
#define FMI_LANGUAGE_PLACE_H

#include "base/text.h"
#include "language/tokens.h"

// Appends a line end, the line of `text` with its number, and a line with a caret below `column`, both from 1.
void fmi_place_excerpt(fmi_text *out, const char *text, size_t length, uint32_t line, uint32_t column);

// Sets the last error, FM_ERROR_COMPILE, for a place in the tokens' text.
fm_status fmi_place_fail(const fmi_toks *tokens, uint32_t line, uint32_t column, const char *sentence)
    __attribute__((cold));

#endif
