// The line of the user's text that a sentence is about, with a caret under the place. Text only; no state; any thread.
// Errors of the translator (tokens.c) and of compilers (inspect.c) end with one.
#ifndef FMI_KERNEL_EXCERPT_H
#define FMI_KERNEL_EXCERPT_H

#include "base/text.h"

#include <stdint.h>

// Appends two lines: line `line` (from 1) of `text`, cut to what stands around byte `column` (from 1), and a caret below that byte. A line or
// column behind the end is taken for the end.
void fmi_excerpt_append(fmi_text *out, const char *text, size_t length, uint32_t line, uint32_t column);

#endif
