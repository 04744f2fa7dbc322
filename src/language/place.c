// Sentences with places. See place.h.
// The text is the user's: nothing is assumed of it. Control characters are shown as spaces, and a character of several bytes counts as
// one, so that the caret stands where a terminal shows the byte.
#include "language/place.h"

#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { BEFORE = 70, SHOWN = 100 }; // bytes shown of a long line: before the column, and in all

static bool is_continuation(char c)
{
    return ((unsigned char)c & 0xC0) == 0x80;
}

void fmi_place_excerpt(fmi_text *out, const char *text, size_t length, uint32_t line, uint32_t column)
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

fm_status fmi_place_fail(const fmi_toks *tokens, uint32_t line, uint32_t column, const char *sentence)
{
    fmi_text excerpt = {0};
    fmi_place_excerpt(&excerpt, tokens->text, tokens->length, line, column);
    fm_status status = fmi_fail(FM_ERROR_COMPILE, "%sline %u, column %u: %s%s", tokens->place, line, column, sentence,
                                fmi_text_get(&excerpt));
    fmi_text_free(&excerpt);
    return status;
}

fm_status fmi_tok_fail(const fmi_toks *tokens, const fmi_tok *token, const char *format, ...)
{
    char sentence[512];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(sentence, sizeof sentence - 80, format, args);
    va_end(args);
    uint32_t column = token->column;
    if (token->kind == FMI_TOK_END && tokens->count) {
        token = &tokens->list[tokens->count - 1];
        column = token->column + (token->macro ? 0 : token->length);
    }
    if (token->macro && length >= 0) {
        size_t at = strlen(sentence);
        snprintf(sentence + at, sizeof sentence - at, " (in macro '%.*s')",
                 (int)(token->macro->length < 48 ? token->macro->length : 48), token->macro->text);
    }
    return fmi_place_fail(tokens, token->line, column, sentence);
}

fm_status fmi_fail_memory(void)
{
    return fmi_fail(FM_ERROR_OUT_OF_HOST_MEMORY, "no host memory to read the kernel's text");
}
