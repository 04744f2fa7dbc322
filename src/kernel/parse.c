// The grammar's upper half: what a header holds, and statements. See grammar.h and parser.h.
// Both texts are read once, from front to back; a name means what was declared before it. A helper that gives something must come to a `return`
// on every path, because C would give what happens to lie in a register.
#include "kernel/parser.h"

#include <stdlib.h>

// How a statement ends.
struct flow {
    bool leaves; // what stands behind it is never reached
    bool breaks; // a `break` of it ends the loop around it
};

static fm_status parse_statement(fmi_parser *parser, struct flow *out);

bool fmi_parser_is(const fmi_parser *parser, const char *text)
{
    return fmi_token_is(parser->tokens, parser->at, text);
}

const fmi_token *fmi_parser_token(const fmi_parser *parser)
{
    return &parser->tokens->list[parser->at];
}

void fmi_parser_skip(fmi_parser *parser)
{
    if (parser->at < parser->tokens->count) {
        parser->at = fmi_token_next(parser->tokens, parser->at);
    }
}

bool fmi_parser_take(fmi_parser *parser, const char *text)
{
    bool is = fmi_parser_is(parser, text);
    if (is) {
        fmi_parser_skip(parser);
    }
    return is;
}

fm_status fmi_parser_expect(fmi_parser *parser, const char *text)
{
    if (fmi_parser_take(parser, text)) {
        return FM_OK;
    }
    const fmi_token *token = fmi_parser_token(parser);
    if (token->kind == FMI_TOKEN_END) {
        return fmi_token_fail(parser->tokens, parser->at, "'%s' is missing at the end", text);
    }
    return fmi_token_fail(parser->tokens, parser->at, "'%s' is missing before '%.*s'", text,
                          (int)(token->length < 40 ? token->length : 40), token->start);
}

fmi_type fmi_parser_peek_type(const fmi_parser *parser)
{
    const fmi_token *token = fmi_parser_token(parser);
    return token->kind == FMI_TOKEN_NAME ? fmi_type_find(token->start, token->length) : FMI_TYPE_COUNT;
}

// Statements up to a `}` or the text's end.
static fm_status parse_statements(fmi_parser *parser, struct flow *out)
{
    fm_status status = FM_OK;
    *out = (struct flow){0};
    while (status == FM_OK && fmi_parser_token(parser)->kind != FMI_TOKEN_END && !fmi_parser_is(parser, "}")) {
        struct flow flow = {0};
        status = parse_statement(parser, &flow);
        out->leaves |= flow.leaves;
        out->breaks |= flow.breaks;
    }
    return status;
}

// `{ … }` in the scope that is open.
static fm_status parse_block(fmi_parser *parser, struct flow *out)
{
    fm_status status = fmi_parser_expect(parser, "{");
    if (status == FM_OK) {
        status = parse_statements(parser, out);
    }
    return status == FM_OK ? fmi_parser_expect(parser, "}") : status;
}

// What an `if` or a loop governs, in a scope of its own unless its head has opened one.
static fm_status parse_governed(fmi_parser *parser, bool has_scope, struct flow *out)
{
    uint32_t symbols = parser->symbol_count;
    if (fmi_parse_is_declaration(parser)) {
        return fmi_token_fail(parser->tokens, parser->at, "a declaration stands in a block: { … }");
    }
    parser->scope += !has_scope;
    fm_status status =
        has_scope && fmi_parser_is(parser, "{") ? parse_block(parser, out) : parse_statement(parser, out);
    parser->scope -= !has_scope;
    if (!has_scope) {
        fmi_scope_close(parser, symbols);
    }
    return status;
}

// `( condition )`; what is known of it.
static fm_status parse_condition(fmi_parser *parser, bool *out_is_always)
{
    fmi_value value;
    fmi_parse_begin_expression(parser);
    fm_status status = fmi_parser_expect(parser, "(");
    if (status == FM_OK) {
        status = fmi_parse_expression(parser, &value);
    }
    if (status == FM_OK) {
        status = fmi_parse_check_fits(parser, &value, FMI_TYPE_BOOL, "the condition");
        *out_is_always = value.is_known && value.number;
    }
    return status == FM_OK ? fmi_parser_expect(parser, ")") : status;
}

static fm_status parse_if(fmi_parser *parser, struct flow *out)
{
    bool is_always;
    struct flow no = {0};
    fmi_parser_skip(parser);
    fm_status status = parse_condition(parser, &is_always);
    if (status == FM_OK) {
        status = parse_governed(parser, false, out);
    }
    if (status == FM_OK && fmi_parser_take(parser, "else")) {
        status = parse_governed(parser, false, &no);
    }
    out->leaves &= no.leaves;
    out->breaks |= no.breaks;
    return status;
}

static fm_status parse_while(fmi_parser *parser, struct flow *out)
{
    bool is_always = false;
    fmi_parser_skip(parser);
    fm_status status = parse_condition(parser, &is_always);
    parser->loops++;
    if (status == FM_OK) {
        status = parse_governed(parser, false, out);
    }
    parser->loops--;
    *out = (struct flow){.leaves = is_always && !out->breaks};
    return status;
}

static fm_status parse_do(fmi_parser *parser, struct flow *out)
{
    bool is_always = false;
    fmi_parser_skip(parser);
    parser->loops++;
    fm_status status = parse_governed(parser, false, out);
    parser->loops--;
    if (status == FM_OK) {
        status = fmi_parser_expect(parser, "while");
    }
    if (status == FM_OK) {
        status = parse_condition(parser, &is_always);
    }
    *out = (struct flow){.leaves = is_always && !out->breaks};
    return status == FM_OK ? fmi_parser_expect(parser, ";") : status;
}

// `( first; condition; step )`.
static fm_status parse_for_head(fmi_parser *parser, bool *out_is_always)
{
    fm_status status = fmi_parser_expect(parser, "(");
    if (status == FM_OK && fmi_parse_is_declaration(parser)) {
        status = fmi_parse_declaration(parser);
    } else if (status == FM_OK && !fmi_parser_take(parser, ";")) {
        status = fmi_parse_effect(parser);
        status = status == FM_OK ? fmi_parser_expect(parser, ";") : status;
    }
    *out_is_always = status == FM_OK && fmi_parser_is(parser, ";");
    if (status == FM_OK && !*out_is_always) {
        fmi_value value;
        fmi_parse_begin_expression(parser);
        status = fmi_parse_expression(parser, &value);
        status = status == FM_OK ? fmi_parse_check_fits(parser, &value, FMI_TYPE_BOOL, "the condition") : status;
        *out_is_always = status == FM_OK && value.is_known && value.number;
    }
    if (status == FM_OK) {
        status = fmi_parser_expect(parser, ";");
    }
    if (status == FM_OK && !fmi_parser_is(parser, ")")) {
        status = fmi_parse_effect(parser);
    }
    return status == FM_OK ? fmi_parser_expect(parser, ")") : status;
}

// The head's variables and those of a block behind it are of one scope in GLSL, so they are here.
static fm_status parse_for(fmi_parser *parser, struct flow *out)
{
    uint32_t symbols = parser->symbol_count;
    bool is_always = false;
    fmi_parser_skip(parser);
    parser->scope++;
    fm_status status = parse_for_head(parser, &is_always);
    parser->loops++;
    if (status == FM_OK) {
        status = parse_governed(parser, true, out);
    }
    parser->loops--;
    parser->scope--;
    fmi_scope_close(parser, symbols);
    *out = (struct flow){.leaves = is_always && !out->breaks};
    return status;
}

static fm_status parse_return(fmi_parser *parser)
{
    uint32_t at = parser->at;
    fmi_parser_skip(parser);
    if (parser->result == FMI_TYPE_VOID || fmi_parser_is(parser, ";")) {
        if (parser->result != FMI_TYPE_VOID || !fmi_parser_is(parser, ";")) {
            return fmi_token_fail(parser->tokens, at,
                                  parser->result == FMI_TYPE_VOID
                                      ? "a void function returns nothing: write 'return;'"
                                      : "this function returns a value, and none stands here");
        }
        return fmi_parser_expect(parser, ";");
    }
    fmi_value value;
    fmi_parse_begin_expression(parser);
    fm_status status = fmi_parse_expression(parser, &value);
    if (status == FM_OK) {
        status = fmi_parse_check_fits(parser, &value, (fmi_type)parser->result, "what this function returns");
    }
    return status == FM_OK ? fmi_parser_expect(parser, ";") : status;
}

// `break` and `continue`.
static fm_status parse_jump(fmi_parser *parser, struct flow *out)
{
    const fmi_token *token = fmi_parser_token(parser);
    if (parser->loops == 0) {
        return fmi_token_fail(parser->tokens, parser->at, "'%.*s' is in no loop", (int)token->length, token->start);
    }
    *out = (struct flow){.leaves = true, .breaks = fmi_parser_is(parser, "break")};
    fmi_parser_skip(parser);
    return fmi_parser_expect(parser, ";");
}

static fm_status parse_any(fmi_parser *parser, struct flow *out)
{
    if (fmi_parser_is(parser, "{")) {
        uint32_t symbols = parser->symbol_count;
        parser->scope++;
        fm_status status = parse_block(parser, out);
        parser->scope--;
        fmi_scope_close(parser, symbols);
        return status;
    }
    if (fmi_parser_is(parser, "if")) {
        return parse_if(parser, out);
    }
    if (fmi_parser_is(parser, "while")) {
        return parse_while(parser, out);
    }
    if (fmi_parser_is(parser, "do")) {
        return parse_do(parser, out);
    }
    if (fmi_parser_is(parser, "for")) {
        return parse_for(parser, out);
    }
    if (fmi_parser_is(parser, "return")) {
        out->leaves = true;
        return parse_return(parser);
    }
    if (fmi_parser_is(parser, "break") || fmi_parser_is(parser, "continue")) {
        return parse_jump(parser, out);
    }
    if (fmi_parser_is(parser, "else")) {
        return fmi_token_fail(parser->tokens, parser->at, "this 'else' belongs to no 'if'");
    }
    if (fmi_parser_take(parser, ";")) {
        return FM_OK;
    }
    if (fmi_parse_is_declaration(parser)) {
        return fmi_parse_declaration(parser);
    }
    fm_status status = fmi_parse_effect(parser);
    return status == FM_OK ? fmi_parser_expect(parser, ";") : status;
}

static fm_status parse_statement(fmi_parser *parser, struct flow *out)
{
    *out = (struct flow){0};
    if (parser->depth >= FMI_MAX_NESTED) {
        return fmi_token_fail(parser->tokens, parser->at, "statements are nested more than %d deep",
                              (int)FMI_MAX_NESTED);
    }
    parser->depth++;
    fm_status status = parse_any(parser, out);
    parser->depth--;
    return status;
}

// One parameter of a helper.
static fm_status parse_param(fmi_parser *parser, uint32_t helper)
{
    bool is_const = fmi_parser_take(parser, "const");
    fmi_type type = fmi_parser_peek_type(parser);
    if (type == FMI_TYPE_COUNT || type == FMI_TYPE_VOID) {
        return fmi_token_fail(parser->tokens, parser->at, "the type of a parameter is missing here");
    }
    fmi_parser_skip(parser);
    uint32_t at = parser->at;
    if (fmi_parser_token(parser)->kind != FMI_TOKEN_NAME) {
        return fmi_token_fail(parser->tokens, at, "the name of a parameter is missing here");
    }
    fmi_parser_skip(parser);
    if (fmi_parser_is(parser, "[")) {
        return fmi_token_fail(parser->tokens, at,
                              "a parameter is no array: one device would give the array itself, another a copy");
    }
    fmi_symbol *symbol = &parser->symbols[helper];
    if (symbol->param_count == FMI_MAX_HELPER_PARAMS) {
        return fmi_token_fail(parser->tokens, at, "a function has at most %d parameters", (int)FMI_MAX_HELPER_PARAMS);
    }
    symbol->params[symbol->param_count++] = (uint8_t)type;
    return fmi_scope_declare(parser, at,
                             &(fmi_symbol){.kind = FMI_SYMBOL_VARIABLE, .type = (uint8_t)type, .is_const = is_const});
}

static fm_status parse_params(fmi_parser *parser, uint32_t helper)
{
    fmi_parser_skip(parser); // the parenthesis
    if (fmi_parser_is(parser, "void") &&
        fmi_token_is(parser->tokens, fmi_token_next(parser->tokens, parser->at), ")")) {
        fmi_parser_skip(parser);
    }
    if (fmi_parser_take(parser, ")")) {
        return FM_OK;
    }
    fm_status status = FM_OK;
    do {
        status = parse_param(parser, helper);
    } while (status == FM_OK && fmi_parser_take(parser, ","));
    return status == FM_OK ? fmi_parser_expect(parser, ")") : status;
}

// A helper's name is the next token, a parenthesis follows it.
static fm_status parse_helper(fmi_parser *parser, fmi_type type)
{
    uint32_t at = parser->at, helper = parser->symbol_count;
    struct flow flow = {0};
    fm_status status =
        fmi_scope_declare(parser, at, &(fmi_symbol){.kind = FMI_SYMBOL_HELPER, .type = (uint8_t)type, .is_open = true});
    if (status != FM_OK) {
        return status;
    }
    parser->scope = 1;
    parser->inlined = 0;
    parser->result = (uint8_t)type;
    fmi_parser_skip(parser);
    status = parse_params(parser, helper);
    if (status == FM_OK && fmi_parser_is(parser, ";")) {
        status = fmi_token_fail(parser->tokens, at,
                                "a helper function is defined where it is declared, before its first use");
    }
    if (status == FM_OK) {
        status = parse_block(parser, &flow);
    }
    if (status == FM_OK && type != FMI_TYPE_VOID && !flow.leaves) {
        const fmi_token *name = &parser->tokens->list[at];
        status = fmi_token_fail(parser->tokens, at, "'%.*s' gives %s, but not every path through it ends in a return",
                                (int)name->length, name->start, fmi_type_phrase(type));
    }
    parser->scope = 0;
    fmi_scope_close(parser, helper + 1);
    parser->symbols[helper].is_open = false;
    parser->symbols[helper].inlined = parser->inlined;
    parser->inlined = 0;
    return status;
}

static fm_status parse_header_part(fmi_parser *parser)
{
    if (fmi_parser_is(parser, "const")) {
        return fmi_parse_declaration(parser);
    }
    fmi_type type = fmi_parser_peek_type(parser);
    if (type == FMI_TYPE_COUNT) {
        return fmi_token_fail(parser->tokens, parser->at,
                              "a header holds helper functions, const values and macros, and this is none");
    }
    fmi_parser_skip(parser);
    if (fmi_parser_token(parser)->kind != FMI_TOKEN_NAME) {
        return fmi_token_fail(parser->tokens, parser->at, "the name of a helper function is missing here");
    }
    if (!fmi_token_is(parser->tokens, fmi_token_next(parser->tokens, parser->at), "(")) {
        return fmi_token_fail(parser->tokens, parser->at,
                              "a variable of the header is const: another would be one for all work-items on one "
                              "device, and one for each on another");
    }
    return parse_helper(parser, type);
}

static uint32_t find_first(const fmi_tokens *tokens)
{
    return tokens->count && tokens->list[0].kind == FMI_TOKEN_SPACE ? fmi_token_next(tokens, 0) : 0;
}

// True if the kernel or a text of it names doubles.
static bool find_doubles(const fmi_grammar_input *input, const fmi_unit *unit)
{
    for (uint32_t i = 0; i < input->name_count; i++) {
        if (input->names[i].dtype == FM_DTYPE_F64) {
            return true;
        }
    }
    const fmi_tokens *texts[] = {&unit->header, &unit->body};
    for (int k = 0; k < 2; k++) {
        for (uint32_t i = 0; i < texts[k]->count; i++) {
            if (fmi_token_is_double(&texts[k]->list[i]) || fmi_token_is(texts[k], i, "double")) {
                return true;
            }
        }
    }
    return false;
}

fm_status fmi_grammar_check(const fmi_grammar_input *input, fmi_unit *unit)
{
    fmi_parser parser = {.input = input,
                         .tokens = &unit->header,
                         .is_header = true,
                         .has_doubles = find_doubles(input, unit),
                         .at = find_first(&unit->header),
                         .declaring = UINT32_MAX,
                         .index = {.steps = &unit->steps}};
    fm_status status = FM_OK;
    while (status == FM_OK && fmi_parser_token(&parser)->kind != FMI_TOKEN_END) {
        status = parse_header_part(&parser);
    }
    if (status == FM_OK) {
        struct flow flow;
        parser.tokens = &unit->body;
        parser.is_header = false;
        parser.at = find_first(&unit->body);
        parser.scope = 1;
        parser.result = FMI_TYPE_VOID;
        status = parse_statements(&parser, &flow);
    }
    if (status == FM_OK && fmi_parser_token(&parser)->kind != FMI_TOKEN_END) {
        status = fmi_token_fail(parser.tokens, parser.at, "'}' closes nothing");
    }
    fmi_edits_sort(&unit->header);
    fmi_edits_sort(&unit->body);
    fmi_index_free(&parser.index);
    free(parser.symbols);
    free(parser.uses);
    return status;
}
