// The parser's upper half: what a header holds, and statements. See syntax.h.
// Both texts are read once, from front to back; a name means what was declared before it. A helper that gives something must come to a `return`
// on every path, because C would give what happens to lie in a register.
#include "language/syntax.h"

#include <stdlib.h>

// How a statement ends.
struct flow {
    bool leaves; // what stands behind it is never reached
    bool breaks; // a `break` of it ends the loop around it
};

static fm_status parse_statement(fmi_parser *parser, fmi_node **out, struct flow *flow);

// Statements up to a `}` or the text's end.
static fm_status parse_statements(fmi_parser *parser, fmi_node **list, struct flow *out)
{
    fm_status status = FM_OK;
    *out = (struct flow){0};
    while (status == FM_OK && parser->at->kind != FMI_TOK_END && !fmi_syntax_is(parser, '}')) {
        struct flow flow = {0};
        fmi_node *node = NULL;
        status = parse_statement(parser, &node, &flow);
        if (status == FM_OK) {
            fmi_syntax_append(&list, node);
        }
        out->leaves |= flow.leaves;
        out->breaks |= flow.breaks;
    }
    return status;
}

// `{ … }` in the scope that is open.
static fm_status parse_block(fmi_parser *parser, fmi_node **out, struct flow *flow)
{
    const fmi_tok *token = parser->at;
    fm_status status = fmi_syntax_expect(parser, '{');
    *out = status == FM_OK ? fmi_syntax_make(parser, FMI_NODE_BLOCK, token) : NULL;
    if (!*out) {
        return status == FM_OK ? FM_ERROR_OUT_OF_HOST_MEMORY : status;
    }
    status = parse_statements(parser, &(*out)->a, flow);
    return status == FM_OK ? fmi_syntax_expect(parser, '}') : status;
}

// What an `if` or a loop governs, in a scope of its own unless its head has opened one.
static fm_status parse_governed(fmi_parser *parser, bool has_scope, fmi_node **out, struct flow *flow)
{
    fmi_symbol *symbols = parser->symbols;
    if (fmi_syntax_is_declaration(parser)) {
        return fmi_tok_fail(parser->tokens, parser->at, "a declaration stands in a block: { … }");
    }
    parser->scope += !has_scope;
    fm_status status =
        has_scope && fmi_syntax_is(parser, '{') ? parse_block(parser, out, flow) : parse_statement(parser, out, flow);
    parser->scope -= !has_scope;
    if (!has_scope) {
        fmi_symbols_close(parser, symbols);
    }
    return status;
}

// A bool; what is known of it.
static fm_status parse_test(fmi_parser *parser, fmi_node **out, bool *out_is_always)
{
    fmi_value value;
    fmi_syntax_begin_expression(parser);
    fm_status status = fmi_syntax_expression(parser, &value);
    if (status == FM_OK) {
        status = fmi_value_fit(parser, &value, FMI_VT_BOOL, "the condition");
    }
    if (status == FM_OK) {
        *out = value.node;
        *out_is_always = value.is_known && value.number;
    }
    return status;
}

static fm_status parse_condition(fmi_parser *parser, fmi_node **out, bool *out_is_always)
{
    fm_status status = fmi_syntax_expect(parser, '(');
    if (status == FM_OK) {
        status = parse_test(parser, out, out_is_always);
    }
    return status == FM_OK ? fmi_syntax_expect(parser, ')') : status;
}

static fm_status parse_if(fmi_parser *parser, fmi_node *node, struct flow *out)
{
    bool is_always;
    struct flow no = {0};
    fm_status status = parse_condition(parser, &node->a, &is_always);
    if (status == FM_OK) {
        status = parse_governed(parser, false, &node->b, out);
    }
    if (status == FM_OK && fmi_syntax_keyword(parser->at) == FMI_KEYWORD_ELSE) {
        fmi_syntax_skip(parser);
        status = parse_governed(parser, false, &node->c, &no);
    }
    out->leaves &= no.leaves;
    out->breaks |= no.breaks;
    return status;
}

static fm_status parse_while(fmi_parser *parser, fmi_node *node, struct flow *out)
{
    bool is_always = false;
    fm_status status = parse_condition(parser, &node->a, &is_always);
    parser->loops++;
    if (status == FM_OK) {
        status = parse_governed(parser, false, &node->b, out);
    }
    parser->loops--;
    *out = (struct flow){.leaves = is_always && !out->breaks};
    return status;
}

static fm_status parse_do(fmi_parser *parser, fmi_node *node, struct flow *out)
{
    bool is_always = false;
    parser->loops++;
    fm_status status = parse_governed(parser, false, &node->a, out);
    parser->loops--;
    if (status == FM_OK && fmi_syntax_keyword(parser->at) != FMI_KEYWORD_WHILE) {
        return fmi_syntax_miss(parser, "while");
    }
    if (status == FM_OK) {
        fmi_syntax_skip(parser);
        status = parse_condition(parser, &node->b, &is_always);
    }
    *out = (struct flow){.leaves = is_always && !out->breaks};
    return status == FM_OK ? fmi_syntax_expect(parser, ';') : status;
}

// `( first; condition; step )`.
static fm_status parse_for_head(fmi_parser *parser, fmi_node *node, bool *out_is_always)
{
    fm_status status = fmi_syntax_expect(parser, '(');
    if (status == FM_OK && fmi_syntax_is_declaration(parser)) {
        status = fmi_syntax_declaration(parser, &node->a);
    } else if (status == FM_OK && !fmi_syntax_take(parser, ';')) {
        status = fmi_syntax_effect(parser, &node->a);
        status = status == FM_OK ? fmi_syntax_expect(parser, ';') : status;
    }
    *out_is_always = status == FM_OK && fmi_syntax_is(parser, ';');
    if (status == FM_OK && !*out_is_always) {
        status = parse_test(parser, &node->b, out_is_always);
    }
    if (status == FM_OK) {
        status = fmi_syntax_expect(parser, ';');
    }
    if (status == FM_OK && !fmi_syntax_is(parser, ')')) {
        status = fmi_syntax_effect(parser, &node->c);
    }
    return status == FM_OK ? fmi_syntax_expect(parser, ')') : status;
}

// The head's variables and those of a block behind it are of one scope in GLSL, so they are here.
static fm_status parse_for(fmi_parser *parser, fmi_node *node, struct flow *out)
{
    fmi_symbol *symbols = parser->symbols;
    bool is_always = false;
    parser->scope++;
    fm_status status = parse_for_head(parser, node, &is_always);
    parser->loops++;
    if (status == FM_OK) {
        status = parse_governed(parser, true, &node->d, out);
    }
    parser->loops--;
    parser->scope--;
    fmi_symbols_close(parser, symbols);
    *out = (struct flow){.leaves = is_always && !out->breaks};
    return status;
}

static fm_status parse_return(fmi_parser *parser, fmi_node *node, struct flow *out)
{
    bool is_void = parser->result == FMI_VT_VOID, is_empty = fmi_syntax_is(parser, ';');
    out->leaves = true;
    if (is_void != is_empty) {
        return fmi_tok_fail(parser->tokens, node->token,
                            !is_void            ? "this function returns a value, and none stands here"
                            : parser->is_header ? "a void function returns nothing: write 'return;'"
                                                : "a body returns nothing: write 'return;'");
    }
    fm_status status = FM_OK;
    if (!is_void) {
        fmi_value value;
        fmi_syntax_begin_expression(parser);
        status = fmi_syntax_expression(parser, &value);
        if (status == FM_OK) {
            status = fmi_value_fit(parser, &value, (fmi_vtype)parser->result, "what this function returns");
            node->a = value.node;
        }
    }
    bool is_early = !parser->is_header && parser->loops > 0;
    parser->tree->features |= is_early ? FMI_NEEDS_EARLY_RETURN : 0;
    return status == FM_OK ? fmi_syntax_expect(parser, ';') : status;
}

// `break` and `continue`.
static fm_status parse_jump(fmi_parser *parser, const fmi_node *node, struct flow *out)
{
    if (parser->loops == 0) {
        return fmi_tok_fail(parser->tokens, node->token, "'%.*s' is in no loop", (int)node->token->length,
                            node->token->start);
    }
    *out = (struct flow){.leaves = true, .breaks = node->kind == FMI_NODE_BREAK};
    return fmi_syntax_expect(parser, ';');
}

// A statement that begins with a keyword.
static fm_status parse_keyword(fmi_parser *parser, fmi_keyword keyword, fmi_node **out, struct flow *flow)
{
    static const uint8_t kinds[] = {[FMI_KEYWORD_IF] = FMI_NODE_IF,        [FMI_KEYWORD_WHILE] = FMI_NODE_WHILE,
                                    [FMI_KEYWORD_DO] = FMI_NODE_DO,        [FMI_KEYWORD_FOR] = FMI_NODE_FOR,
                                    [FMI_KEYWORD_BREAK] = FMI_NODE_BREAK,  [FMI_KEYWORD_CONTINUE] = FMI_NODE_CONTINUE,
                                    [FMI_KEYWORD_RETURN] = FMI_NODE_RETURN};
    if (keyword == FMI_KEYWORD_ELSE) {
        return fmi_tok_fail(parser->tokens, parser->at, "this 'else' belongs to no 'if'");
    }
    *out = fmi_syntax_make(parser, (fmi_node_kind)kinds[keyword], parser->at);
    if (!*out) {
        return FM_ERROR_OUT_OF_HOST_MEMORY;
    }
    fmi_syntax_skip(parser);
    switch (keyword) {
    case FMI_KEYWORD_IF: return parse_if(parser, *out, flow);
    case FMI_KEYWORD_WHILE: return parse_while(parser, *out, flow);
    case FMI_KEYWORD_DO: return parse_do(parser, *out, flow);
    case FMI_KEYWORD_FOR: return parse_for(parser, *out, flow);
    case FMI_KEYWORD_RETURN: return parse_return(parser, *out, flow);
    case FMI_KEYWORD_NONE:
    case FMI_KEYWORD_ELSE:
    case FMI_KEYWORD_CONST:
    case FMI_KEYWORD_BREAK:
    case FMI_KEYWORD_CONTINUE: break;
    }
    return parse_jump(parser, *out, flow);
}

static fm_status parse_any(fmi_parser *parser, fmi_node **out, struct flow *flow)
{
    fmi_keyword keyword = fmi_syntax_keyword(parser->at);
    if (fmi_syntax_is(parser, '{')) {
        fmi_symbol *symbols = parser->symbols;
        parser->scope++;
        fm_status status = parse_block(parser, out, flow);
        parser->scope--;
        fmi_symbols_close(parser, symbols);
        return status;
    }
    if (keyword != FMI_KEYWORD_NONE && keyword != FMI_KEYWORD_CONST) {
        return parse_keyword(parser, keyword, out, flow);
    }
    if (fmi_syntax_is_declaration(parser)) {
        return fmi_syntax_declaration(parser, out);
    }
    bool is_empty = fmi_syntax_is(parser, ';');
    *out = fmi_syntax_make(parser, is_empty ? FMI_NODE_EMPTY : FMI_NODE_EXPRESSION, parser->at);
    if (!*out) {
        return FM_ERROR_OUT_OF_HOST_MEMORY;
    }
    fm_status status = is_empty ? FM_OK : fmi_syntax_effect(parser, &(*out)->a);
    return status == FM_OK ? fmi_syntax_expect(parser, ';') : status;
}

static fm_status parse_statement(fmi_parser *parser, fmi_node **out, struct flow *flow)
{
    *flow = (struct flow){0};
    if (parser->depth >= FMI_MAX_NESTED) {
        return fmi_tok_fail(parser->tokens, parser->at, "statements are nested more than %d deep", (int)FMI_MAX_NESTED);
    }
    parser->depth++;
    fm_status status = parse_any(parser, out, flow);
    parser->depth--;
    return status;
}

// One parameter of a helper; its type goes to `type`.
static fm_status parse_param(fmi_parser *parser, uint8_t *out_type, fmi_node ***end)
{
    bool is_const = fmi_syntax_keyword(parser->at) == FMI_KEYWORD_CONST;
    parser->at += is_const;
    fmi_vtype type = fmi_syntax_type(parser->at);
    if (type == FMI_VT_COUNT || type == FMI_VT_VOID) {
        return fmi_syntax_refuse(parser, "the type of a parameter is missing here");
    }
    fmi_syntax_skip(parser);
    const fmi_tok *name = parser->at;
    if (name->kind != FMI_TOK_NAME) {
        return fmi_syntax_refuse(parser, "the name of a parameter is missing here");
    }
    fmi_syntax_skip(parser);
    if (fmi_syntax_is(parser, '[')) {
        return fmi_tok_fail(parser->tokens, name,
                            "a parameter is no array: one device would give the array itself, another a copy");
    }
    *out_type = (uint8_t)type;
    fmi_syntax_note_type(parser, type);
    fmi_node *node = fmi_syntax_make(parser, FMI_NODE_DECLARATOR, name);
    if (!node) {
        return FM_ERROR_OUT_OF_HOST_MEMORY;
    }
    fmi_syntax_append(end, node);
    fmi_symbol *declared = NULL;
    const fmi_symbol symbol = {.kind = FMI_SYMBOL_VARIABLE, .type = (uint8_t)type, .is_const = is_const};
    fm_status status = fmi_symbols_declare(parser, name, &symbol, &declared);
    node->symbol = declared;
    return status;
}

static fm_status parse_params(fmi_parser *parser, fmi_symbol *helper, fmi_node **list)
{
    fmi_syntax_skip(parser); // the parenthesis
    if (fmi_syntax_type(parser->at) == FMI_VT_VOID && parser->at[1].op == ')') {
        fmi_syntax_skip(parser);
    }
    if (fmi_syntax_take(parser, ')')) {
        return FM_OK;
    }
    uint8_t types[FMI_MAX_ARGUMENTS];
    fm_status status;
    do {
        if (helper->param_count == FMI_MAX_ARGUMENTS) {
            return fmi_tok_fail(parser->tokens, parser->at, "a function has at most %d parameters",
                                (int)FMI_MAX_ARGUMENTS);
        }
        status = parse_param(parser, &types[helper->param_count], &list);
        helper->param_count++;
    } while (status == FM_OK && fmi_syntax_take(parser, ','));
    if (status == FM_OK) {
        helper->params =
            (const uint8_t *)fmi_arena_text(&parser->tree->arena, (const char *)types, helper->param_count);
        status = helper->params ? FM_OK : fmi_fail_memory();
    }
    return status == FM_OK ? fmi_syntax_expect(parser, ')') : status;
}

// Parameters and block of a helper, whose name was declared and is the next token.
static fm_status parse_helper_text(fmi_parser *parser, fmi_symbol *helper, fmi_node *node)
{
    struct flow flow = {0};
    fmi_syntax_skip(parser);
    fm_status status = parse_params(parser, helper, &node->a);
    if (status == FM_OK && fmi_syntax_is(parser, ';')) {
        status = fmi_tok_fail(parser->tokens, node->token,
                              "a helper function is defined where it is declared, before its first use");
    }
    if (status == FM_OK) {
        status = parse_block(parser, &node->b, &flow);
    }
    if (status == FM_OK && helper->type != FMI_VT_VOID && !flow.leaves) {
        status =
            fmi_tok_fail(parser->tokens, node->token, "'%.*s' gives %s, but not every path through it ends in a return",
                         (int)node->token->length, node->token->start, fmi_vtype_phrase((fmi_vtype)helper->type));
    }
    return status;
}

// A helper's name is the next token, a parenthesis follows it.
static fm_status parse_helper(fmi_parser *parser, fmi_vtype type, fmi_node **out)
{
    fmi_symbol *helper = NULL;
    const fmi_symbol symbol = {.kind = FMI_SYMBOL_HELPER, .type = (uint8_t)type, .is_open = true};
    fm_status status = fmi_symbols_declare(parser, parser->at, &symbol, &helper);
    *out = status == FM_OK ? fmi_syntax_make(parser, FMI_NODE_HELPER, parser->at) : NULL;
    if (!*out) {
        return status == FM_OK ? FM_ERROR_OUT_OF_HOST_MEMORY : status;
    }
    (*out)->symbol = helper;
    parser->scope = 1;
    parser->inlined = 0;
    parser->result = (uint8_t)type;
    fmi_syntax_note_type(parser, type);
    status = parse_helper_text(parser, helper, *out);
    parser->scope = 0;
    fmi_symbols_close(parser, helper);
    helper->is_open = false;
    helper->inlined = parser->inlined;
    parser->inlined = 0;
    return status;
}

static fm_status parse_header_part(fmi_parser *parser, fmi_node **out)
{
    if (fmi_syntax_keyword(parser->at) == FMI_KEYWORD_CONST) {
        return fmi_syntax_declaration(parser, out);
    }
    fmi_vtype type = fmi_syntax_type(parser->at);
    if (type == FMI_VT_COUNT) {
        return fmi_syntax_refuse(parser, "a header holds helper functions, const values and macros, and this is none");
    }
    fmi_syntax_skip(parser);
    if (parser->at->kind != FMI_TOK_NAME) {
        return fmi_syntax_refuse(parser, "the name of a helper function is missing here");
    }
    if (parser->at[1].op != '(') {
        return fmi_syntax_refuse(parser, "a variable of the header is const: another would be one for all work-items "
                                         "on one device, and one for each on another");
    }
    return parse_helper(parser, type, out);
}

static fm_status parse_header(fmi_parser *parser)
{
    fmi_node **end = &parser->tree->header_list;
    fm_status status = FM_OK;
    parser->tokens = &parser->tree->header;
    parser->at = parser->tokens->list;
    parser->is_header = true;
    while (status == FM_OK && parser->at->kind != FMI_TOK_END) {
        fmi_node *node = NULL;
        status = parse_header_part(parser, &node);
        if (status == FM_OK) {
            fmi_syntax_append(&end, node);
        }
    }
    return status;
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
            if (fmi_tok_is_double(&texts[k]->list[i]) || fmi_syntax_type(&texts[k]->list[i]) == FMI_VT_DOUBLE) {
                return true;
            }
        }
    }
    return false;
}

static fm_status parse_body(fmi_parser *parser)
{
    struct flow flow;
    parser->tokens = &parser->tree->body;
    parser->at = parser->tokens->list;
    parser->is_header = false;
    parser->scope = 1;
    parser->result = FMI_VT_VOID;
    return parse_statements(parser, &parser->tree->body_list, &flow);
}

fm_status fmi_syntax_read(fmi_parser *parser)
{
    parser->has_doubles = find_doubles(parser->tree);
    fm_status status = parse_header(parser);
    status = status == FM_OK ? parse_body(parser) : status;
    free(parser->uses);
    return status;
}
