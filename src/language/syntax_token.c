// What the parser does with single tokens: expecting one, and refusing one that has no place. See syntax.h.
// A token that means nothing anywhere is named for what it is, wherever the parser comes upon it: a word of another language, a pointer, a member.
#include "language/syntax.h"

#include "base/error.h"
#include "language/hints.h"

#include <stdarg.h>
#include <stdio.h>

fmi_node *fmi_syntax_make(fmi_parser *parser, fmi_node_kind kind, const fmi_tok *token)
{
    fmi_node *node = fmi_arena_alloc(&parser->tree->arena, sizeof *node);
    if (!node) {
        fmi_fail_memory();
        return NULL;
    }
    *node = (fmi_node){.kind = (uint8_t)kind, .token = token};
    return node;
}

// `point` is a `.` that no built-in id owns.
static fm_status refuse_member(const fmi_parser *parser, const fmi_tok *point)
{
    const fmi_tok *owner = point > parser->tokens->list ? point - 1 : NULL;
    if (!owner || owner->kind != FMI_TOK_NAME) {
        return fmi_tok_fail(parser->tokens, point,
                            "only built-in ids have members: there are no structs and no vectors");
    }
    int length = (int)owner->length;
    char hint[FMI_MAX_HINT];
    fmi_hint_find(owner->start, owner->length, hint);
    if (!hint[0]) {
        fmi_hint_find_id(owner->start, owner->length, hint);
    }
    if (hint[0]) {
        return fmi_tok_fail(parser->tokens, owner, "'%.*s' is no built-in id%s", length, owner->start, hint);
    }
    return fmi_tok_fail(parser->tokens, point,
                        "only built-in ids have members, and '%.*s' is none: there are no structs and no vectors",
                        length, owner->start);
}

static fm_status refuse_colon(const fmi_parser *parser, const fmi_tok *colon)
{
    return fmi_tok_fail(parser->tokens, colon, "':' belongs to no '?'"); // there are no labels
}

fm_status fmi_syntax_check_token(const fmi_parser *parser, const fmi_tok *token)
{
    int length = (int)token->length;
    char hint[FMI_MAX_HINT];
    if (token->kind == FMI_TOK_NAME && !fmi_term_is_free(token->start, token->length)) {
        fmi_hint_find(token->start, token->length, hint);
        return fmi_tok_fail(parser->tokens, token, "names that start with fm_ or gl_ are reserved%s", hint);
    }
    if (token->kind == FMI_TOK_NAME && token[1].op == '.' && fmi_syntax_term(token) != FMI_TERM_ID) {
        return refuse_member(parser, token + 1);
    }
    if (token->kind == FMI_TOK_NAME && token[1].op == ':' && !parser->questions && !token->name->term.is_of_c) {
        return refuse_colon(parser, token + 1);
    }
    if (fmi_syntax_term(token) == FMI_TERM_FOREIGN && !fmi_symbols_find_declared(parser, token)) {
        fmi_hint_find(token->start, token->length, hint);
        return fmi_tok_fail(parser->tokens, token, "'%.*s' is no word of the portable language%s", length, token->start,
                            hint);
    }
    switch (token->op) {
    case '*':
    case '&':
        return fmi_tok_fail(parser->tokens, token, "there are no pointers: no value is at the left of '%c'", token->op);
    case '.': return refuse_member(parser, token);
    case ':': return parser->questions ? FM_OK : refuse_colon(parser, token);
    default: return FM_OK;
    }
}

fm_status fmi_syntax_refuse(const fmi_parser *parser, const char *format, ...)
{
    fm_status status = fmi_syntax_check_token(parser, parser->at);
    if (status != FM_OK) {
        return status;
    }
    char sentence[400];
    va_list args;
    va_start(args, format);
    vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    return fmi_tok_fail(parser->tokens, parser->at, "%s", sentence);
}

fm_status fmi_syntax_miss(const fmi_parser *parser, const char *text)
{
    const fmi_tok *token = parser->at;
    if (token->kind == FMI_TOK_END) {
        return fmi_tok_fail(parser->tokens, token, "'%s' is missing at the end", text);
    }
    return fmi_syntax_refuse(parser, "'%s' is missing before '%.*s'", text,
                             (int)(token->length < 40 ? token->length : 40), token->start);
}

fm_status fmi_syntax_expect(fmi_parser *parser, char op)
{
    const char text[] = {op, 0};
    return fmi_syntax_take(parser, (uint8_t)op) ? FM_OK : fmi_syntax_miss(parser, text);
}
