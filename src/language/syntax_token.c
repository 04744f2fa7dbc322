// What the parser does with single tokens: expecting one, refusing one that has no place, and stopping at the first
// error. See syntax.h.
// A token that means nothing anywhere is named for what it is, wherever the parser comes upon it: a word of another
// language, a pointer, a member.
#include "language/syntax.h"

#include "language/hints.h"

#include <stdarg.h>
#include <stdio.h>

// What follows an error is read as an empty text.
static void stop(fmi_parser *parser)
{
    const fmi_toks *text = parser->reading->text;
    parser->at = &text->list[text->count];
}

const fmi_value *fmi_syntax_fail(fmi_parser *parser, const fmi_tok *token, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fmi_tok_fail_with(parser->reading, token, format, args);
    va_end(args);
    stop(parser);
    return fmi_syntax_none(parser, token);
}

const fmi_value *fmi_syntax_none(fmi_parser *parser, const fmi_tok *token)
{
    parser->no_node = (fmi_node){.kind = FMI_NODE_EMPTY, .type = FMI_VT_ANY, .token = token};
    parser->no_value =
        (fmi_value){.node = &parser->no_node, .first = token, .use = UINT32_MAX, .uses = parser->use_count};
    return &parser->no_value;
}

void fmi_syntax_fail_memory(fmi_parser *parser)
{
    fmi_reading_fail_memory(parser->reading);
    stop(parser);
}

fmi_node *fmi_syntax_make(fmi_parser *parser, fmi_node_kind kind, const fmi_tok *token)
{
    fmi_node *node = fmi_arena_alloc(parser->reading->names.arena, sizeof *node);
    if (!node) {
        fmi_syntax_fail_memory(parser);
        node = &parser->no_node;
        kind = FMI_NODE_EMPTY;
    }
    *node = (fmi_node){.kind = (uint8_t)kind, .token = token};
    return node;
}

// `point` is a `.` that no built-in id owns.
static void refuse_member(fmi_parser *parser, const fmi_tok *point)
{
    const fmi_tok *owner = point > parser->reading->text->list ? point - 1 : NULL;
    if (!owner || owner->kind != FMI_TOK_NAME) {
        fmi_syntax_fail(parser, point, "only built-in ids have members: there are no structs and no vectors");
        return;
    }
    int length = (int)owner->length;
    char hint[FMI_MAX_HINT];
    fmi_hint_find(owner->start, owner->length, hint);
    if (!hint[0]) {
        fmi_hint_find_id(owner->start, owner->length, hint);
    }
    if (hint[0]) {
        fmi_syntax_fail(parser, owner, "'@' is no built-in id%s", hint);
    }
    fmi_syntax_fail(parser, point,
                    "only built-in ids have members, and '%.*s' is none: there are no structs and no vectors", length,
                    owner->start);
}

static void check_name(fmi_parser *parser, const fmi_tok *name)
{
    fmi_term term = name->name->term;
    char hint[FMI_MAX_HINT];
    if (!fmi_term_is_free(name->start, name->length)) {
        fmi_hint_find(name->start, name->length, hint);
        fmi_syntax_fail(parser, name, "names that start with fm_ or gl_ are reserved%s", hint);
    }
    if (name[1].op == '.' && term.kind != FMI_TERM_ID) {
        refuse_member(parser, name + 1);
    }
    if (name[1].op == ':' && !term.is_of_c) {
        fmi_syntax_check_token(parser, name + 1);
    }
    if (term.kind == FMI_TERM_FOREIGN && !fmi_symbols_find_declared(parser, name)) {
        fmi_hint_find(name->start, name->length, hint);
        fmi_syntax_fail(parser, name, "'@' is no word of the portable language%s", hint);
    }
}

void fmi_syntax_check_token(fmi_parser *parser, const fmi_tok *token)
{
    if (token->kind == FMI_TOK_NAME) {
        check_name(parser, token);
    } else if (token->op == '*' || token->op == '&') {
        fmi_syntax_fail(parser, token, "there are no pointers: no value is at the left of '%c'", token->op);
    } else if (token->op == '.') {
        refuse_member(parser, token);
    } else if (token->op == ':' && !parser->questions) {
        fmi_syntax_fail(parser, token, "':' belongs to no '?'"); // there are no labels
    }
}

const fmi_value *fmi_syntax_refuse(fmi_parser *parser, const char *format, ...)
{
    const fmi_tok *token = parser->at;
    char sentence[400];
    va_list args;
    va_start(args, format);
    vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    fmi_syntax_check_token(parser, token);
    return fmi_syntax_fail(parser, token, "%s", sentence);
}

void fmi_syntax_miss(fmi_parser *parser, const char *text)
{
    const fmi_tok *token = parser->at;
    if (token->kind == FMI_TOK_END) {
        fmi_syntax_fail(parser, token, "'%s' is missing at the end", text);
    } else {
        fmi_syntax_refuse(parser, "'%s' is missing before '%.*s'", text, (int)(token->length < 40 ? token->length : 40),
                          token->start);
    }
}

void fmi_syntax_expect(fmi_parser *parser, char op)
{
    const char text[] = {op, 0};
    if (!fmi_syntax_take(parser, (uint8_t)op)) {
        fmi_syntax_miss(parser, text);
    }
}
