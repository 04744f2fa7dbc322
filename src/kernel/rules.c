// The language's prohibitions. See rules.h.
// They are found by what stands before a token, without a grammar: text that fits none of them is left to the compiler to judge.
#include "kernel/rules.h"

#include "kernel/words.h"

static const fmi_word *word_at(const fmi_tokens *tokens, uint32_t index)
{
    if (index >= tokens->count || tokens->list[index].kind != FMI_TOKEN_NAME) {
        return NULL;
    }
    return fmi_word_find(tokens->list[index].start, tokens->list[index].length);
}

// True if an operator behind token `index` has a value to its left, so that `*` and `&` are operators of two values.
static bool is_value_end(const fmi_tokens *tokens, uint32_t index)
{
    if (index == UINT32_MAX) {
        return false;
    }
    const fmi_word *word = word_at(tokens, index);
    switch (tokens->list[index].kind) {
    case FMI_TOKEN_INTEGER:
    case FMI_TOKEN_FLOAT: return true;
    case FMI_TOKEN_NAME:
        return !word ||
               (word->kind != FMI_WORD_TYPE && word->kind != FMI_WORD_KEYWORD && word->kind != FMI_WORD_RETURN);
    default:
        return fmi_token_is(tokens, index, ")") || fmi_token_is(tokens, index, "]") ||
               fmi_token_is(tokens, index, "++") || fmi_token_is(tokens, index, "--");
    }
}

static fm_status check_operator(const fmi_tokens *tokens, uint32_t index)
{
    uint32_t before = fmi_token_previous(tokens, index);
    if ((fmi_token_is(tokens, index, "*") || fmi_token_is(tokens, index, "&")) && !is_value_end(tokens, before)) {
        return fmi_token_fail(tokens, index, "there are no pointers: no value is at the left of '%.1s'",
                              tokens->list[index].start);
    }
    if (fmi_token_is(tokens, index, ".")) {
        const fmi_token *owner = before == UINT32_MAX ? NULL : &tokens->list[before];
        const fmi_word *word = owner ? word_at(tokens, before) : NULL;
        bool is_reserved = owner && !fmi_word_has_free_prefix(owner->start, owner->length); // the translator refuses it
        if ((!word || word->kind != FMI_WORD_ID) && !is_reserved) {
            return fmi_token_fail(tokens, index, "only built-in ids have members: there are no structs and no vectors");
        }
    }
    return FM_OK;
}

// The name of the function whose body the brace at `open` begins; UINT32_MAX if it begins another block.
static uint32_t find_function(const fmi_tokens *tokens, uint32_t open)
{
    uint32_t close = fmi_token_previous(tokens, open);
    uint32_t depth = 0, i = close;
    if (close == UINT32_MAX || !fmi_token_is(tokens, close, ")")) {
        return UINT32_MAX;
    }
    for (; i != UINT32_MAX; i = fmi_token_previous(tokens, i)) {
        depth += fmi_token_is(tokens, i, ")");
        depth -= fmi_token_is(tokens, i, "(");
        if (depth == 0) {
            break;
        }
    }
    uint32_t name = i == UINT32_MAX ? i : fmi_token_previous(tokens, i);
    bool is_name = name != UINT32_MAX && tokens->list[name].kind == FMI_TOKEN_NAME && !word_at(tokens, name);
    return is_name ? name : UINT32_MAX;
}

static bool is_same(const fmi_tokens *tokens, uint32_t a, uint32_t b)
{
    const fmi_token *x = &tokens->list[a], *y = &tokens->list[b];
    if (x->kind != FMI_TOKEN_NAME || y->kind != FMI_TOKEN_NAME || x->length != y->length) {
        return false;
    }
    for (uint32_t i = 0; i < x->length; i++) {
        if (x->start[i] != y->start[i]) {
            return false;
        }
    }
    return true;
}

// A function of the header that calls itself. One that is declared before it is defined could go round through another.
static fm_status check_functions(const fmi_tokens *tokens)
{
    uint32_t depth = 0, function = UINT32_MAX;
    for (uint32_t i = 0; i < tokens->count; i++) {
        if (fmi_token_is(tokens, i, "{")) {
            function = depth++ == 0 ? find_function(tokens, i) : function;
        } else if (fmi_token_is(tokens, i, "}")) {
            depth -= depth > 0;
        } else if (depth > 0 && function != UINT32_MAX && is_same(tokens, i, function) &&
                   fmi_token_is(tokens, fmi_token_next(tokens, i), "(")) {
            return fmi_token_fail(tokens, i, "'%.*s' calls itself: there is no recursion", (int)tokens->list[i].length,
                                  tokens->list[i].start);
        } else if (depth == 0 && fmi_token_is(tokens, i, ";") && find_function(tokens, i) != UINT32_MAX) {
            return fmi_token_fail(tokens, find_function(tokens, i),
                                  "a helper function is defined where it is declared, before its first use");
        }
    }
    return FM_OK;
}

fm_status fmi_rules_check(const fmi_tokens *tokens, bool is_header)
{
    bool is_directive = false;
    uint32_t line = 0;
    for (uint32_t i = 0; i < tokens->count; i++) {
        const fmi_token *token = &tokens->list[i];
        if (token->kind != FMI_TOKEN_OPERATOR) {
            continue;
        }
        // A macro's text is judged where it is used, by the compiler: here it has no left side.
        if (is_header && *token->start == '#') {
            is_directive = true;
            line = token->line;
        }
        is_directive = is_directive && token->line == line;
        fm_status status = is_directive ? FM_OK : check_operator(tokens, i);
        if (status != FM_OK) {
            return status;
        }
    }
    return is_header ? check_functions(tokens) : FM_OK;
}
