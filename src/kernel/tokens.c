// Lists of tokens: growing, brackets, looking around, and sentences that name a place. See tokens.h.
// Knows nothing of characters: cut.c makes the tokens.
#include "kernel/tokens.h"

#include "base/error.h"
#include "kernel/excerpt.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static fm_status fail_with_excerpt(const fmi_tokens *tokens, uint32_t line, uint32_t column, const char *sentence)
{
    fmi_text excerpt = {0};
    fmi_excerpt_append(&excerpt, tokens->text, tokens->length, line, column);
    fm_status status = fmi_fail(FM_ERROR_COMPILE, "%sline %u, column %u: %s%s", tokens->place, line, column, sentence,
                                fmi_text_get(&excerpt));
    fmi_text_free(&excerpt);
    return status;
}

fm_status fmi_tokens_push(fmi_tokens *tokens, const fmi_token *token)
{
    if (tokens->count + 1 >= tokens->capacity) {
        uint32_t capacity = tokens->capacity ? tokens->capacity * 2 : 256;
        fmi_token *list = realloc(tokens->list, capacity * sizeof *list);
        if (!list) {
            return fmi_fail(FM_ERROR_OUT_OF_HOST_MEMORY, "no host memory to read the kernel's text");
        }
        tokens->list = list;
        tokens->capacity = capacity;
    }
    tokens->list[tokens->count++] = *token;
    return FM_OK;
}

fm_status fmi_tokens_end(fmi_tokens *tokens)
{
    const fmi_token *last = tokens->count ? &tokens->list[tokens->count - 1] : NULL;
    const fmi_token end = {.start = tokens->text ? tokens->text + tokens->length : "",
                           .line = last ? last->line : 1,
                           .column = last ? last->column + last->length : 1,
                           .kind = FMI_TOKEN_END};
    fm_status status = fmi_tokens_push(tokens, &end);
    tokens->count -= status == FM_OK;
    return status;
}

static char partner(char c)
{
    return (char)(c == ')' ? '(' : c == ']' ? '[' : c == '}' ? '{' : 0);
}

// Finds each bracket's partner. Open brackets are chained through `match` until their partner comes.
fm_status fmi_tokens_match(const fmi_tokens *tokens)
{
    uint32_t open = UINT32_MAX;
    for (uint32_t i = 0; i < tokens->count; i++) {
        fmi_token *token = &tokens->list[i];
        if (token->kind != FMI_TOKEN_OPERATOR || token->length != 1) {
            continue;
        }
        char c = *token->start;
        if (c == '(' || c == '[' || c == '{') {
            token->match = open;
            open = i;
        } else if (partner(c)) {
            if (open == UINT32_MAX || *tokens->list[open].start != partner(c)) {
                return fmi_token_fail(tokens, i, "'%c' closes nothing", c);
            }
            uint32_t outer = tokens->list[open].match;
            tokens->list[open].match = i;
            token->match = open;
            open = outer;
        }
    }
    if (open != UINT32_MAX) {
        return fmi_token_fail(tokens, open, "'%c' is never closed", *tokens->list[open].start);
    }
    return FM_OK;
}

void fmi_tokens_free(fmi_tokens *tokens)
{
    free(tokens->list);
    free(tokens->edits);
    *tokens = (fmi_tokens){0};
}

bool fmi_token_is_double(const fmi_token *token)
{
    return token->kind == FMI_TOKEN_FLOAT && token->length > 2 && (token->start[token->length - 2] | 32) == 'l';
}

bool fmi_token_is(const fmi_tokens *tokens, uint32_t index, const char *text)
{
    size_t length = strlen(text);
    return index < tokens->count && tokens->list[index].length == length &&
           memcmp(tokens->list[index].start, text, length) == 0;
}

bool fmi_token_is_assignment(const fmi_tokens *tokens, uint32_t index)
{
    if (index >= tokens->count || tokens->list[index].kind != FMI_TOKEN_OPERATOR) {
        return false;
    }
    const fmi_token *token = &tokens->list[index];
    if (token->start[token->length - 1] != '=') {
        return false;
    }
    return !fmi_token_is(tokens, index, "==") && !fmi_token_is(tokens, index, "!=") &&
           !fmi_token_is(tokens, index, "<=") && !fmi_token_is(tokens, index, ">=");
}

bool fmi_token_is_step(const fmi_tokens *tokens, uint32_t index)
{
    return fmi_token_is(tokens, index, "++") || fmi_token_is(tokens, index, "--");
}

uint32_t fmi_token_next(const fmi_tokens *tokens, uint32_t index)
{
    do {
        index++;
    } while (index < tokens->count && tokens->list[index].kind == FMI_TOKEN_SPACE);
    return index < tokens->count ? index : tokens->count;
}

uint32_t fmi_token_previous(const fmi_tokens *tokens, uint32_t index)
{
    while (index > 0) {
        index--;
        if (tokens->list[index].kind != FMI_TOKEN_SPACE) {
            return index;
        }
    }
    return UINT32_MAX;
}

static fm_status fail_with(const fmi_tokens *tokens, const fmi_token *token, uint32_t column, const char *format,
                           va_list args)
{
    char sentence[512];
    int length = vsnprintf(sentence, sizeof sentence - 80, format, args);
    if (token->macro && length >= 0) {
        size_t at = strlen(sentence);
        snprintf(sentence + at, sizeof sentence - at, " (in macro '%.*s')",
                 (int)(token->macro_length < 48 ? token->macro_length : 48), token->macro);
    }
    return fail_with_excerpt(tokens, token->line, column, sentence);
}

fm_status fmi_token_fail_at(const fmi_tokens *tokens, const fmi_token *token, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fm_status status = fail_with(tokens, token, token->column, format, args);
    va_end(args);
    return status;
}

fm_status fmi_token_fail(const fmi_tokens *tokens, uint32_t index, const char *format, ...)
{
    const fmi_token *token = &tokens->list[index];
    uint32_t column = token->column;
    uint32_t last = index == tokens->count ? fmi_token_previous(tokens, index) : UINT32_MAX;
    if (last != UINT32_MAX) {
        token = &tokens->list[last];
        column = token->column + (token->macro ? 0 : token->length);
    }
    va_list args;
    va_start(args, format);
    fm_status status = fail_with(tokens, token, column, format, args);
    va_end(args);
    return status;
}
