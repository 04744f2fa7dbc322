// The walk over a body's statements. See flow.h.
// It follows the language's grammar for statements; an expression is skipped to its semicolon. What fits no rule is left to the
// compiler to judge; it only makes the flow count as not simple.
#include "kernel/flow.h"

enum { MAX_DEPTH = 200 };

struct walk {
    const fmi_tokens *tokens;
    bool is_simple;
};

static fm_status walk_statement(struct walk *walk, uint32_t *at, uint32_t end, uint32_t loops, uint32_t depth);

// The first token at or after `at` that is no space.
static uint32_t skip_space(const fmi_tokens *tokens, uint32_t at)
{
    return at < tokens->count && tokens->list[at].kind == FMI_TOKEN_SPACE ? fmi_token_next(tokens, at) : at;
}

static fm_status walk_block(struct walk *walk, uint32_t begin, uint32_t end, uint32_t loops, uint32_t depth)
{
    fm_status status = FM_OK;
    uint32_t at = skip_space(walk->tokens, begin);
    while (at < end && status == FM_OK) {
        status = walk_statement(walk, &at, end, loops, depth + 1);
        at = skip_space(walk->tokens, at);
    }
    return status;
}

static bool is_keyword(const fmi_tokens *tokens, uint32_t at)
{
    static const char *const keywords[] = {"if", "else", "for", "while", "do", "break", "continue", "return"};
    for (size_t i = 0; i < sizeof keywords / sizeof keywords[0]; i++) {
        if (fmi_token_is(tokens, at, keywords[i])) {
            return true;
        }
    }
    return false;
}

// Moves past an expression or declaration and its `;`. Braces and keywords in it can only come from a macro of the header.
static fm_status walk_expression(struct walk *walk, uint32_t *at, uint32_t end, uint32_t depth)
{
    const fmi_tokens *tokens = walk->tokens;
    uint32_t first = *at;
    for (uint32_t i = first; i < end; i++) {
        if (fmi_token_is(tokens, i, ";")) {
            *at = i + 1;
            return FM_OK;
        }
        if (fmi_token_is(tokens, i, "(") || fmi_token_is(tokens, i, "[")) {
            i = tokens->list[i].match;
        } else if (fmi_token_is(tokens, i, "{")) {
            walk->is_simple = false;
            fm_status status = walk_block(walk, i + 1, tokens->list[i].match, 1, depth);
            if (status != FM_OK) {
                return status;
            }
            i = tokens->list[i].match;
        } else if (i > first && is_keyword(tokens, i)) {
            walk->is_simple = false;
        }
    }
    *at = end;
    return FM_OK;
}

// Moves past `word ( … )`.
static void skip_head(const struct walk *walk, uint32_t *at, uint32_t end)
{
    uint32_t open = fmi_token_next(walk->tokens, *at);
    *at = fmi_token_is(walk->tokens, open, "(") ? fmi_token_next(walk->tokens, walk->tokens->list[open].match) : open;
    *at = *at < end ? *at : end;
}

static fm_status walk_do(struct walk *walk, uint32_t *at, uint32_t end, uint32_t loops, uint32_t depth)
{
    *at = fmi_token_next(walk->tokens, *at);
    fm_status status = walk_statement(walk, at, end, loops + 1, depth + 1);
    *at = skip_space(walk->tokens, *at);
    if (status == FM_OK && fmi_token_is(walk->tokens, *at, "while")) {
        skip_head(walk, at, end);
        *at += fmi_token_is(walk->tokens, *at, ";");
    }
    return status;
}

// A jump: checked against the loops around it.
static fm_status walk_jump(struct walk *walk, uint32_t at, uint32_t loops)
{
    const fmi_tokens *tokens = walk->tokens;
    if (fmi_token_is(tokens, at, "return")) {
        walk->is_simple &= loops == 0;
    } else if (loops == 0 && (fmi_token_is(tokens, at, "break") || fmi_token_is(tokens, at, "continue"))) {
        return fmi_token_fail(tokens, at, "'%.*s' is in no loop", (int)tokens->list[at].length, tokens->list[at].start);
    } else if (fmi_token_is(tokens, at, "else")) {
        walk->is_simple = false; // its `if` is not to be seen
    }
    return FM_OK;
}

static fm_status walk_statement(struct walk *walk, uint32_t *at, uint32_t end, uint32_t loops, uint32_t depth)
{
    const fmi_tokens *tokens = walk->tokens;
    if (*at >= end) {
        return FM_OK;
    }
    if (depth > MAX_DEPTH) {
        return fmi_token_fail(tokens, *at, "statements are nested more than %d deep", (int)MAX_DEPTH);
    }
    for (;;) {
        if (fmi_token_is(tokens, *at, "{")) {
            uint32_t begin = *at + 1;
            *at = tokens->list[*at].match + 1;
            return walk_block(walk, begin, *at - 1, loops, depth);
        }
        if (fmi_token_is(tokens, *at, "do")) {
            return walk_do(walk, at, end, loops, depth);
        }
        if (fmi_token_is(tokens, *at, "for") || fmi_token_is(tokens, *at, "while")) {
            loops++;
            skip_head(walk, at, end);
        } else if (fmi_token_is(tokens, *at, "if")) {
            skip_head(walk, at, end);
            fm_status status = walk_statement(walk, at, end, loops, depth + 1);
            uint32_t next = skip_space(tokens, *at);
            if (status != FM_OK || next >= end || !fmi_token_is(tokens, next, "else")) {
                return status;
            }
            *at = fmi_token_next(tokens, next);
        } else {
            fm_status status = walk_jump(walk, *at, loops);
            return status == FM_OK ? walk_expression(walk, at, end, depth) : status;
        }
        if (*at >= end) {
            return FM_OK;
        }
    }
}

fm_status fmi_flow_check(const fmi_tokens *tokens, bool *out_is_simple)
{
    struct walk walk = {.tokens = tokens, .is_simple = true};
    fm_status status = walk_block(&walk, 0, tokens->count, 0, 0);
    *out_is_simple = walk.is_simple;
    return status;
}
