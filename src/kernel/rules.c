// The language's prohibitions. See rules.h.
// They are found by what stands before a token, without a grammar: the rest is grammar.h's.
#include "kernel/rules.h"

#include "kernel/words.h"
#include "language/hints.h"

static const fmi_word *word_at(const fmi_tokens *tokens, uint32_t index)
{
    if (index >= tokens->count || tokens->list[index].kind != FMI_TOKEN_NAME) {
        return NULL;
    }
    return fmi_word_find(tokens->list[index].start, tokens->list[index].length);
}

bool fmi_rules_is_value_end(const fmi_tokens *tokens, uint32_t index)
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

// `owner` is what stands at the left of the point; NULL: nothing does.
static fm_status refuse_member(const fmi_tokens *tokens, uint32_t index, const fmi_token *owner)
{
    if (!owner || owner->kind != FMI_TOKEN_NAME) {
        return fmi_token_fail(tokens, index, "only built-in ids have members: there are no structs and no vectors");
    }
    int length = (int)owner->length;
    char hint[FMI_MAX_HINT];
    fmi_hint_find(owner->start, owner->length, hint);
    if (!hint[0]) {
        fmi_hint_find_id(owner->start, owner->length, hint);
    }
    if (hint[0]) {
        return fmi_token_fail(tokens, fmi_token_previous(tokens, index), "'%.*s' is no built-in id%s", length,
                              owner->start, hint);
    }
    return fmi_token_fail(tokens, index,
                          "only built-in ids have members, and '%.*s' is none: there are no structs and no vectors",
                          length, owner->start);
}

fm_status fmi_rules_refuse_word(const fmi_tokens *tokens, uint32_t index)
{
    const fmi_token *word = &tokens->list[index];
    char hint[FMI_MAX_HINT];
    fmi_hint_find(word->start, word->length, hint);
    return fmi_token_fail(tokens, index, "'%.*s' is no word of the portable language%s", (int)word->length, word->start,
                          hint);
}

static fm_status check_operator(const fmi_tokens *tokens, uint32_t index)
{
    uint32_t before = fmi_token_previous(tokens, index);
    if ((fmi_token_is(tokens, index, "*") || fmi_token_is(tokens, index, "&")) &&
        !fmi_rules_is_value_end(tokens, before)) {
        return fmi_token_fail(tokens, index, "there are no pointers: no value is at the left of '%.1s'",
                              tokens->list[index].start);
    }
    if (fmi_token_is(tokens, index, ".")) {
        const fmi_token *owner = before == UINT32_MAX ? NULL : &tokens->list[before];
        const fmi_word *word = owner ? word_at(tokens, before) : NULL;
        bool is_reserved = owner && !fmi_word_has_free_prefix(owner->start, owner->length); // the translator refuses it
        if ((!word || word->kind != FMI_WORD_ID) && !is_reserved) {
            return refuse_member(tokens, index, owner);
        }
    }
    return FM_OK;
}

// A colon belongs to a `?`. There are no labels, and none may reach libtcc: after an error behind one it reads freed memory.
static fm_status check_colons(const fmi_tokens *tokens)
{
    uint32_t questions = 0;
    for (uint32_t i = 0; i < tokens->count; i++) {
        if (fmi_token_is(tokens, i, "?")) {
            questions++;
        } else if (fmi_token_is(tokens, i, ":") && questions-- == 0) {
            return fmi_token_fail(tokens, i, "':' belongs to no '?'");
        } else if (fmi_token_is(tokens, i, ";") || fmi_token_is(tokens, i, "{") || fmi_token_is(tokens, i, "}")) {
            questions = 0;
        }
    }
    return FM_OK;
}

fm_status fmi_rules_check(const fmi_tokens *tokens)
{
    for (uint32_t i = 0; i < tokens->count; i++) {
        const fmi_word *word = word_at(tokens, i);
        fm_status status = tokens->list[i].kind == FMI_TOKEN_OPERATOR ? check_operator(tokens, i)
                           : word && word->kind == FMI_WORD_C         ? fmi_rules_refuse_word(tokens, i)
                                                                      : FM_OK;
        if (status != FM_OK) {
            return status;
        }
    }
    return check_colons(tokens);
}
