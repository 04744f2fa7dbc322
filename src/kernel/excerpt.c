// A line with a caret. See excerpt.h.
// The text is the user's: nothing is assumed of it. Control characters are shown as spaces, and a character of several bytes counts as
// one, so that the caret stands where a terminal shows the byte.
#include "kernel/excerpt.h"

#include <string.h>

enum { BEFORE = 70, SHOWN = 100 }; // bytes shown of a long line: before the column, and in all

static bool is_continuation(char c)
{
    return ((unsigned char)c & 0xC0) == 0x80;
}

void fmi_excerpt_append(fmi_text *out, const char *text, size_t length, uint32_t line, uint32_t column)
{
    const char *start = text, *end = text + length;
    uint32_t number = 1;
    for (const char *p = text; p < end && number < line; p++) {
        if (*p == '\n') {
            start = p + 1;
            number++;
        }
    }
    const char *line_end = memchr(start, '\n', (size_t)(end - start));
    line_end = line_end ? line_end : end;
    size_t offset = column > 0 ? column - 1 : 0;
    size_t most = (size_t)(line_end - start);
    const char *place = start + (offset < most ? offset : most);
    const char *first = place - start > BEFORE ? place - BEFORE : start;
    while (first < place && is_continuation(*first)) {
        first++;
    }
    const char *last = line_end - first > SHOWN ? first + SHOWN : line_end;
    fmi_text_format(out, "\n%5u | ", number);
    for (const char *p = first; p < last; p++) {
        char c = (unsigned char)*p < ' ' ? ' ' : *p;
        fmi_text_append(out, &c, 1);
    }
    fmi_text_format(out, "\n      | ");
    for (const char *p = first; p < place; p++) {
        if (!is_continuation(*p)) {
            fmi_text_append(out, " ", 1);
        }
    }
    fmi_text_append(out, "^", 1);
}
