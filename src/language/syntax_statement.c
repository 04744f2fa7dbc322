// The parser's upper half: what a header holds, and statements. See syntax.h.
// Both texts are read once, from front to back; a name means what was declared before it. A helper that gives something
// must come to a `return` on every path, because C would give what happens to lie in a register.
#include "language/syntax.h"

#include <stdlib.h>

// How a statement ends.
struct flow {
    bool leaves; // what stands behind it is never reached
    bool breaks; // a `break` of it ends the loop around it
};

static fmi_node *parse_statement(fmi_parser *parser, struct flow *flow);

// Statements up to a `}` or the text's end.
static fmi_node *parse_statements(fmi_parser *parser, struct flow *out)
{
    fmi_node *list = NULL, **end = &list;
    *out = (struct flow){0};
    while (parser->at->kind != FMI_TOK_END && !fmi_syntax_is(parser, '}')) {
        struct flow flow;
        fmi_syntax_append(&end, parse_statement(parser, &flow));
        out->leaves |= flow.leaves;
        out->breaks |= flow.breaks;
    }
    return list;
}

// `{ … }` in the scope that is open.
static fmi_node *parse_block(fmi_parser *parser, struct flow *flow)
{
    fmi_node *node = fmi_syntax_make(parser, FMI_NODE_BLOCK, parser->at);
    fmi_syntax_expect(parser, '{');
    node->a = parse_statements(parser, flow);
    fmi_syntax_expect(parser, '}');
    return node;
}

// What an `if` or a loop governs, in a scope of its own.
static fmi_node *parse_governed(fmi_parser *parser, struct flow *flow)
{
    const fmi_symbol *symbols = parser->symbols;
    if (fmi_syntax_is_declaration(parser)) {
        fmi_syntax_fail(parser, parser->at, "a declaration stands in a block: { … }");
    }
    parser->scope++;
    fmi_node *node = parse_statement(parser, flow);
    parser->scope--;
    fmi_symbols_close(parser, symbols);
    return node;
}

static fmi_node *parse_loop(fmi_parser *parser, struct flow *out)
{
    parser->loops++;
    fmi_node *node = parse_governed(parser, out);
    parser->loops--;
    return node;
}

// What stands behind a loop is never reached if its condition always holds and nothing breaks it.
static struct flow end_loop(struct flow inner, bool is_always)
{
    return (struct flow){.leaves = is_always && !inner.breaks};
}

// A bool; whether it is known to hold.
static fmi_node *parse_test(fmi_parser *parser, bool *out_is_always)
{
    fmi_syntax_begin_expression(parser);
    fmi_value value;
    fmi_syntax_expression(parser, &value);
    fmi_value_fit(parser, &value, FMI_VT_BOOL, "the condition");
    *out_is_always = value.is_known && value.number;
    return value.node;
}

static fmi_node *parse_condition(fmi_parser *parser, bool *out_is_always)
{
    fmi_syntax_expect(parser, '(');
    fmi_node *node = parse_test(parser, out_is_always);
    fmi_syntax_expect(parser, ')');
    return node;
}

static void parse_if(fmi_parser *parser, fmi_node *node, struct flow *out)
{
    bool is_always;
    struct flow no = {0};
    node->a = parse_condition(parser, &is_always);
    node->b = parse_governed(parser, out);
    if (fmi_syntax_keyword(parser->at) == FMI_KEYWORD_ELSE) {
        fmi_syntax_skip(parser);
        node->c = parse_governed(parser, &no);
    }
    out->leaves &= no.leaves;
    out->breaks |= no.breaks;
}

static void parse_while(fmi_parser *parser, fmi_node *node, struct flow *out)
{
    bool is_always;
    node->a = parse_condition(parser, &is_always);
    node->b = parse_loop(parser, out);
    *out = end_loop(*out, is_always);
}

static void parse_do(fmi_parser *parser, fmi_node *node, struct flow *out)
{
    bool is_always;
    node->a = parse_loop(parser, out);
    if (fmi_syntax_keyword(parser->at) != FMI_KEYWORD_WHILE) {
        fmi_syntax_miss(parser, "while");
    }
    fmi_syntax_skip(parser);
    node->b = parse_condition(parser, &is_always);
    *out = end_loop(*out, is_always);
    fmi_syntax_expect(parser, ';');
}

// `( first; condition; step )`.
static void parse_for_head(fmi_parser *parser, fmi_node *node, bool *out_is_always)
{
    fmi_syntax_expect(parser, '(');
    if (fmi_syntax_is_declaration(parser)) {
        node->a = fmi_syntax_declaration(parser);
    } else if (!fmi_syntax_take(parser, ';')) {
        node->a = fmi_syntax_effect(parser);
        fmi_syntax_expect(parser, ';');
    }
    *out_is_always = true;
    if (!fmi_syntax_is(parser, ';')) {
        node->b = parse_test(parser, out_is_always);
    }
    fmi_syntax_expect(parser, ';');
    if (!fmi_syntax_is(parser, ')')) {
        node->c = fmi_syntax_effect(parser);
    }
    fmi_syntax_expect(parser, ')');
}

// The head's variables and those of a block behind it are of one scope in GLSL, so they are here.
static void parse_for(fmi_parser *parser, fmi_node *node, struct flow *out)
{
    const fmi_symbol *symbols = parser->symbols;
    bool is_always;
    parser->scope++;
    parse_for_head(parser, node, &is_always);
    parser->loops++;
    node->d = fmi_syntax_is(parser, '{') ? parse_block(parser, out) : parse_governed(parser, out);
    parser->loops--;
    parser->scope--;
    fmi_symbols_close(parser, symbols);
    *out = end_loop(*out, is_always);
}

static void parse_return(fmi_parser *parser, fmi_node *node, struct flow *out)
{
    bool is_void = parser->result == FMI_VT_VOID, is_empty = fmi_syntax_is(parser, ';');
    out->leaves = true;
    if (is_void != is_empty) {
        fmi_syntax_fail(parser, node->token,
                        !is_void            ? "this function returns a value, and none stands here"
                        : parser->is_header ? "a void function returns nothing: write 'return;'"
                                            : "a body returns nothing: write 'return;'");
    }
    if (!is_void) {
        fmi_syntax_begin_expression(parser);
        fmi_value value;
        fmi_syntax_expression(parser, &value);
        fmi_value_fit(parser, &value, (fmi_vtype)parser->result, "what this function returns");
        node->a = value.node;
    }
    bool is_early = !parser->is_header && parser->loops > 0;
    parser->tree->features |= is_early ? FMI_NEEDS_EARLY_RETURN : 0;
    fmi_syntax_expect(parser, ';');
}

// `break` and `continue`.
static void parse_jump(fmi_parser *parser, const fmi_node *node, struct flow *out)
{
    if (parser->loops == 0) {
        fmi_syntax_fail(parser, node->token, "'@' is in no loop");
    }
    *out = (struct flow){.leaves = true, .breaks = node->kind == FMI_NODE_BREAK};
    fmi_syntax_expect(parser, ';');
}

// A statement that begins with a keyword.
static fmi_node *parse_keyword(fmi_parser *parser, fmi_keyword keyword, struct flow *flow)
{
    static const uint8_t kinds[] = {[FMI_KEYWORD_IF] = FMI_NODE_IF,        [FMI_KEYWORD_WHILE] = FMI_NODE_WHILE,
                                    [FMI_KEYWORD_DO] = FMI_NODE_DO,        [FMI_KEYWORD_FOR] = FMI_NODE_FOR,
                                    [FMI_KEYWORD_BREAK] = FMI_NODE_BREAK,  [FMI_KEYWORD_CONTINUE] = FMI_NODE_CONTINUE,
                                    [FMI_KEYWORD_RETURN] = FMI_NODE_RETURN};
    if (keyword == FMI_KEYWORD_ELSE) {
        return fmi_syntax_fail(parser, parser->at, "this 'else' belongs to no 'if'")->node;
    }
    fmi_node *node = fmi_syntax_make(parser, (fmi_node_kind)kinds[keyword], parser->at);
    bool is_loop = keyword == FMI_KEYWORD_WHILE || keyword == FMI_KEYWORD_DO || keyword == FMI_KEYWORD_FOR;
    parser->tree->features |= is_loop ? FMI_NEEDS_LOOPS : 0;
    fmi_syntax_skip(parser);
    switch (keyword) {
    case FMI_KEYWORD_IF: parse_if(parser, node, flow); break;
    case FMI_KEYWORD_WHILE: parse_while(parser, node, flow); break;
    case FMI_KEYWORD_DO: parse_do(parser, node, flow); break;
    case FMI_KEYWORD_FOR: parse_for(parser, node, flow); break;
    case FMI_KEYWORD_RETURN: parse_return(parser, node, flow); break;
    case FMI_KEYWORD_BREAK:
    case FMI_KEYWORD_CONTINUE: parse_jump(parser, node, flow); break;
    case FMI_KEYWORD_NONE:
    case FMI_KEYWORD_ELSE:
    case FMI_KEYWORD_CONST: break;
    }
    return node;
}

static fmi_node *parse_any(fmi_parser *parser, struct flow *flow)
{
    fmi_keyword keyword = fmi_syntax_keyword(parser->at);
    if (fmi_syntax_is(parser, '{')) {
        const fmi_symbol *symbols = parser->symbols;
        parser->scope++;
        fmi_node *block = parse_block(parser, flow);
        parser->scope--;
        fmi_symbols_close(parser, symbols);
        return block;
    }
    if (keyword != FMI_KEYWORD_NONE && keyword != FMI_KEYWORD_CONST) {
        return parse_keyword(parser, keyword, flow);
    }
    if (fmi_syntax_is_declaration(parser)) {
        return fmi_syntax_declaration(parser);
    }
    bool is_empty = fmi_syntax_is(parser, ';');
    fmi_node *node = fmi_syntax_make(parser, is_empty ? FMI_NODE_EMPTY : FMI_NODE_EXPRESSION, parser->at);
    node->a = is_empty ? NULL : fmi_syntax_effect(parser);
    fmi_syntax_expect(parser, ';');
    return node;
}

static fmi_node *parse_statement(fmi_parser *parser, struct flow *flow)
{
    *flow = (struct flow){0};
    fmi_syntax_nest(parser, parser->at, "statements are");
    fmi_node *node = parse_any(parser, flow);
    fmi_syntax_rise(parser);
    return node;
}

// One parameter of a helper.
static fmi_node *parse_param(fmi_parser *parser)
{
    bool is_const = fmi_syntax_take_const(parser);
    fmi_vtype type = fmi_syntax_type(parser->at);
    if (type == FMI_VT_COUNT || type == FMI_VT_VOID) {
        return fmi_syntax_refuse(parser, "the type of a parameter is missing here")->node;
    }
    fmi_syntax_skip(parser);
    const fmi_tok *name = parser->at;
    if (name->kind != FMI_TOK_NAME) {
        return fmi_syntax_refuse(parser, "the name of a parameter is missing here")->node;
    }
    fmi_syntax_skip(parser);
    if (fmi_syntax_is(parser, '[')) {
        fmi_syntax_fail(parser, name,
                        "a parameter is no array: one device would give the array itself, another a copy");
    }
    fmi_syntax_note_type(parser, type);
    const fmi_symbol symbol = {.kind = FMI_SYMBOL_VARIABLE, .type = (uint8_t)type, .is_const = is_const};
    fmi_node *node = fmi_syntax_make(parser, FMI_NODE_DECLARATOR, name);
    node->symbol = fmi_symbols_declare(parser, name, &symbol);
    return node;
}

static fmi_node *parse_params(fmi_parser *parser, fmi_symbol *helper)
{
    fmi_node *list = NULL, **end = &list;
    fmi_syntax_skip(parser); // the parenthesis
    if (fmi_syntax_type(parser->at) == FMI_VT_VOID && parser->at[1].op == ')') {
        fmi_syntax_skip(parser);
    }
    if (fmi_syntax_take(parser, ')')) {
        return NULL;
    }
    do {
        if (helper->param_count++ == FMI_MAX_ARGUMENTS) {
            fmi_syntax_fail(parser, parser->at, "a function has at most %d parameters", (int)FMI_MAX_ARGUMENTS);
        }
        fmi_syntax_append(&end, parse_param(parser));
    } while (fmi_syntax_take(parser, ','));
    fmi_syntax_expect(parser, ')');
    return list;
}

// A helper, whose name is the next token; a parenthesis follows it.
static fmi_node *parse_helper(fmi_parser *parser, fmi_vtype type)
{
    const fmi_tok *name = parser->at;
    const fmi_symbol symbol = {.kind = FMI_SYMBOL_HELPER, .type = (uint8_t)type, .is_open = true};
    fmi_node *node = fmi_syntax_make(parser, FMI_NODE_HELPER, name);
    fmi_symbol *helper = fmi_symbols_declare(parser, name, &symbol);
    const fmi_symbol *symbols = parser->symbols;
    struct flow flow;
    node->symbol = helper;
    parser->scope = 1;
    parser->inlined = 0;
    parser->result = (uint8_t)type;
    fmi_syntax_note_type(parser, type);
    fmi_syntax_skip(parser);
    helper->params = node->a = parse_params(parser, helper);
    if (fmi_syntax_is(parser, ';')) {
        fmi_syntax_fail(parser, name, "a helper function is defined where it is declared, before its first use");
    }
    node->b = parse_block(parser, &flow);
    if (type != FMI_VT_VOID && !flow.leaves) {
        fmi_syntax_fail(parser, name, "'@' gives %s, but not every path through it ends in a return",
                        fmi_vtype_phrase(type));
    }
    parser->scope = 0;
    fmi_symbols_close(parser, symbols);
    helper->is_open = false;
    helper->inlined = parser->inlined;
    parser->inlined = 0;
    return node;
}

static fmi_node *parse_header_part(fmi_parser *parser)
{
    if (fmi_syntax_keyword(parser->at) == FMI_KEYWORD_CONST) {
        return fmi_syntax_declaration(parser);
    }
    fmi_vtype type = fmi_syntax_type(parser->at);
    if (type == FMI_VT_COUNT) {
        return fmi_syntax_refuse(parser, "a header holds helper functions, const values and macros, and this is none")
            ->node;
    }
    fmi_syntax_skip(parser);
    if (parser->at->kind != FMI_TOK_NAME) {
        return fmi_syntax_refuse(parser, "the name of a helper function is missing here")->node;
    }
    if (parser->at[1].op != '(') {
        return fmi_syntax_refuse(parser, "a variable of the header is const: another would be one for all work-items "
                                         "on one device, and one for each on another")
            ->node;
    }
    return parse_helper(parser, type);
}

static void begin_text(fmi_parser *parser, const fmi_toks *text)
{
    parser->reading->text = text;
    parser->at = text->list;
}

static void parse_header(fmi_parser *parser)
{
    fmi_node **end = &parser->tree->header_list;
    parser->is_header = true;
    begin_text(parser, &parser->tree->header);
    while (parser->at->kind != FMI_TOK_END) {
        fmi_syntax_append(&end, parse_header_part(parser));
    }
    parser->is_header = false;
}

// True if the kernel or a text of it names doubles.
static bool find_doubles(const fmi_tree *tree)
{
    const fmi_toks *const texts[] = {&tree->header, &tree->body};
    for (uint32_t i = 0; i < tree->source->name_count; i++) {
        if (tree->source->names[i].dtype == FM_DTYPE_F64) {
            return true;
        }
    }
    for (int k = 0; k < 2; k++) {
        for (uint32_t i = 0; i < texts[k]->count; i++) {
            const fmi_tok *token = &texts[k]->list[i];
            bool is_number = token->kind == FMI_TOK_FLOAT && token->type == FMI_VT_DOUBLE;
            if (is_number || fmi_syntax_type(token) == FMI_VT_DOUBLE) {
                return true;
            }
        }
    }
    return false;
}

static void parse_body(fmi_parser *parser)
{
    struct flow flow;
    parser->scope = 1;
    parser->result = FMI_VT_VOID;
    begin_text(parser, &parser->tree->body);
    parser->tree->body_list = parse_statements(parser, &flow);
}

void fmi_syntax_read(fmi_reading *reading, fmi_tree *tree)
{
    fmi_parser parser = {.reading = reading, .tree = tree, .has_doubles = find_doubles(tree)};
    parse_header(&parser);
    if (!fmi_syntax_failed(&parser)) {
        parse_body(&parser);
    }
    free(parser.uses);
}
