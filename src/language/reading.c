// Sentences with places. See reading.h.
// The text is the user's: nothing is assumed of it. Control characters are shown as spaces, and a character of several
// bytes counts as one, so that the caret stands where a terminal shows the byte.
#include "language/reading.h"

#include "base/error.h"
#include "base/text.h"
#include "language/tokens.h"

#include <stdio.h>
#include <string.h>

enum { BEFORE = 70, SHOWN = 100 }; // bytes shown of a long line: before the column, and in all

static bool is_continuation(char c)
{
    return ((unsigned char)c & 0xC0) == 0x80;
}

// Appends a line end, the line of `text` with its number, and a line with a caret below `column`, both from 1.
static void put_excerpt(fmi_text *out, const char *text, size_t length, uint32_t line, uint32_t column)
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

// Puts the token's own text in the place of each `@`.
static void put_sentence(fmi_text *out, const char *sentence, const fmi_tok *token)
{
    for (const char *at = sentence, *mark; *at; at = *mark ? mark + 1 : mark) {
        mark = at + strcspn(at, "@");
        fmi_text_append(out, at, (size_t)(mark - at));
        if (*mark) {
            fmi_text_append(out, token->start, token->length);
        }
    }
}

// The macro that a token comes from is named behind the sentence.
void fmi_tok_fail_with(fmi_reading *reading, const fmi_tok *token, const char *format, va_list args)
{
    enum { MAX_SENTENCE = 431 };
    const fmi_toks *tokens = reading->text;
    char sentence[MAX_SENTENCE + 1];
    fmi_text text = {0};
    if (reading->status != FM_OK) {
        return;
    }
    vsnprintf(sentence, sizeof sentence, format, args);
    put_sentence(&text, sentence, token);
    text.length = text.length < MAX_SENTENCE ? text.length : MAX_SENTENCE;
    uint32_t column = token->column;
    if (token->kind == FMI_TOK_END && tokens->count) {
        token = &tokens->list[tokens->count - 1];
        column = token->column + (token->macro ? 0 : token->length);
    }
    if (token->macro) {
        uint32_t length = token->macro->length < 48 ? token->macro->length : 48;
        fmi_text_format(&text, " (in macro '%.*s')", (int)length, token->macro->text);
    }
    put_excerpt(&text, tokens->text, tokens->length, token->line, column);
    reading->status =
        fmi_fail(FM_ERROR_COMPILE, "%sline %u, column %u: %s", tokens->place, token->line, column, fmi_text_get(&text));
    fmi_text_free(&text);
}

void fmi_tok_fail(fmi_reading *reading, const fmi_tok *token, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fmi_tok_fail_with(reading, token, format, args);
    va_end(args);
}

void fmi_reading_fail_memory(fmi_reading *reading)
{
    if (reading->status == FM_OK) {
        reading->status = fmi_fail(FM_ERROR_OUT_OF_HOST_MEMORY, "no host memory to read the kernel's text");
    }
}
