// Operands: literals, names, elements and casts, with the operators that take one of them. See syntax.h.
// A name is the kernel's, a word of the language, or declared before it; there is nothing else that a text could reach.
#include "language/syntax.h"

#include "language/numbers.h"

#include <math.h>

enum { MAX_LITERAL = 128 };

// `*out` becomes a value with a node of its own; nothing is known of it.
static fm_status make_value(fmi_parser *parser, fmi_node_kind kind, fmi_vtype type, const fmi_tok *token,
                            fmi_value *out)
{
    *out = (fmi_value){
        .node = fmi_syntax_make(parser, kind, token), .first = token, .use = UINT32_MAX, .uses = parser->use_count};
    if (!out->node) {
        return FM_ERROR_OUT_OF_HOST_MEMORY;
    }
    out->node->type = (uint8_t)type;
    return FM_OK;
}

// A number or bool as it stands in the text.
static fm_status parse_literal(fmi_parser *parser, fmi_vtype type, int64_t number, fmi_value *out)
{
    fm_status status = make_value(parser, FMI_NODE_NUMBER, type, parser->at, out);
    if (status == FM_OK) {
        out->is_fixed = out->is_known = true;
        out->number = out->node->number = number;
        fmi_syntax_skip(parser);
    }
    return status;
}

static fm_status parse_integer(fmi_parser *parser, fmi_value *out)
{
    fmi_vtype type;
    uint64_t number = fmi_number_read_integer(parser->at->start, parser->at->start + parser->at->length, &type);
    fmi_syntax_note_type(parser, type);
    return parse_literal(parser, type, (int64_t)number, out);
}

// Of a double nothing is known: it is the target's compiler that computes with it.
static fm_status parse_real(fmi_parser *parser, fmi_value *out)
{
    const fmi_tok *token = parser->at;
    bool is_double = fmi_tok_is_double(token);
    if (token->length > MAX_LITERAL) {
        return fmi_tok_fail(parser->tokens, token, "this number has more than %d characters", (int)MAX_LITERAL);
    }
    float real;
    double wide;
    if (!fmi_number_read_real(token->start, token->start + token->length, &real, &wide)) {
        return fmi_fail_memory();
    }
    if (is_double ? isinf(wide) : isinf(real)) {
        return fmi_tok_fail(parser->tokens, token, "this is over the largest %s",
                            is_double ? "double, 1.7976931348623157e308" : "float, 3.4028234e38");
    }
    fmi_syntax_note_type(parser, is_double ? FMI_VT_DOUBLE : FMI_VT_FLOAT);
    fm_status status = parse_literal(parser, is_double ? FMI_VT_DOUBLE : FMI_VT_FLOAT, 0, out);
    out->is_known = !is_double;
    out->real = real;
    // Where a float may become a double, a target's compiler must not take more digits for it than a float has.
    bool is_same = is_double || (parser->has_doubles ? (double)real == wide : real == (float)wide);
    return status == FM_OK && !is_same ? fmi_known_fold(parser, out, FMI_VT_FLOAT, token) : status;
}

// INFINITY and the like.
static fm_status parse_word_value(fmi_parser *parser, fmi_value *out)
{
    const fmi_tok *token = parser->at;
    fmi_word_value value = (fmi_word_value)token->name->term.code;
    bool is_lane = value == FMI_VALUE_SUBGROUP_SIZE || value == FMI_VALUE_SUBGROUP_LANE;
    fm_status status = make_value(parser, FMI_NODE_LANE, FMI_VT_UINT, token, out);
    fmi_syntax_skip(parser);
    if (status == FM_OK && is_lane) {
        out->node->op = (uint8_t)value;
        parser->tree->features |= FMI_NEEDS_SUBGROUPS;
        parser->tree->pieces |= FMI_PIECE_LANES;
        return FM_OK;
    }
    out->is_fixed = out->is_known = true;
    out->real = value == FMI_VALUE_INFINITY ? (float)INFINITY : (float)NAN;
    return status == FM_OK ? fmi_known_fold(parser, out, FMI_VT_FLOAT, token) : status;
}

// `type(value)`.
static fm_status parse_cast(fmi_parser *parser, fmi_value *out)
{
    const fmi_tok *token = parser->at;
    fmi_vtype type = fmi_syntax_type(token);
    fmi_syntax_skip(parser);
    fm_status status = fmi_syntax_expect(parser, '(');
    if (status == FM_OK) {
        status = fmi_syntax_assignment(parser, out);
    }
    if (status == FM_OK) {
        status = fmi_value_take(parser, out);
    }
    if (status == FM_OK) {
        status = fmi_syntax_expect(parser, ')');
    }
    fmi_node *node = status == FM_OK ? fmi_syntax_make(parser, FMI_NODE_CAST, token) : NULL;
    if (!node) {
        return status == FM_OK ? FM_ERROR_OUT_OF_HOST_MEMORY : status;
    }
    node->type = (uint8_t)type;
    node->a = out->node;
    fmi_syntax_note_type(parser, type);
    fmi_known_convert(out, (fmi_vtype)out->node->type, type);
    out->node = node;
    if (out->is_known) {
        status = fmi_known_fold(parser, out, type, token);
    }
    out->first = token;
    out->is_lvalue = out->is_const = false;
    out->use = UINT32_MAX;
    return status;
}

// One `[index]` behind `out`; `size` 0: not known. `*is_known` stays if the index is known.
static fm_status parse_index(fmi_parser *parser, uint32_t size, fmi_node **out, bool *is_known)
{
    fmi_value index;
    fmi_syntax_skip(parser);
    fm_status status = fmi_syntax_expression(parser, &index);
    if (status == FM_OK) {
        status = fmi_value_take(parser, &index);
    }
    if (status != FM_OK) {
        return status;
    }
    fmi_vtype type = (fmi_vtype)index.node->type;
    if (!fmi_vtype_is_integer(type) || fmi_vtype_is_64_bit(type)) {
        return fmi_tok_fail(parser->tokens, index.first, "an index is an int or a uint, and this is %s",
                            fmi_vtype_phrase(type));
    }
    if (index.is_known && (index.number < 0 || (size && index.number >= size))) {
        return size ? fmi_tok_fail(parser->tokens, index.first, "the index %lld is not within 0 to %u",
                                   (long long)index.number, size - 1)
                    : fmi_tok_fail(parser->tokens, index.first, "the index %lld is below 0", (long long)index.number);
    }
    *out = index.node;
    *is_known &= index.is_known;
    return fmi_syntax_expect(parser, ']');
}

fm_status fmi_syntax_indexes(fmi_parser *parser, fmi_value *value)
{
    fm_status status = FM_OK;
    bool is_known = value->is_const && value->dims; // an element of a table, if all indexes are known
    while (status == FM_OK && fmi_syntax_is(parser, '[')) {
        if (value->dims == 0) {
            return fmi_tok_fail(parser->tokens, parser->at, "this is no array, so it has no elements");
        }
        fmi_node *node = fmi_syntax_make(parser, FMI_NODE_INDEX, value->node->token);
        if (!node) {
            return FM_ERROR_OUT_OF_HOST_MEMORY;
        }
        node->type = value->node->type;
        node->a = value->node;
        status = parse_index(parser, value->sizes ? *value->sizes : 0, &node->b, &is_known);
        value->node = node;
        value->sizes += value->sizes != NULL;
        value->dims--;
        value->use = UINT32_MAX;
        node->is_constant = is_known && value->dims == 0 && node->type != FMI_VT_BOOL && node->type != FMI_VT_DOUBLE;
        fmi_syntax_note_constant(parser, node);
    }
    return status;
}

fm_status fmi_syntax_element(fmi_parser *parser, const fmi_declared *declared, fmi_value *out)
{
    const fmi_tok *token = parser->at;
    const char *kind = declared->kind == FMI_DECLARED_BUFFER ? "buffer" : "shared array";
    fmi_vtype type = fmi_dtype_get((fm_dtype)declared->dtype)->vtype;
    if (token[1].op != '[') {
        return fmi_tok_fail(parser->tokens, token, "'%s' is a %s and is used only as %s[index]", declared->name, kind,
                            declared->name);
    }
    if (token[2].op == ']') {
        return fmi_tok_fail(parser->tokens, token, "'%s[]' has no index", declared->name);
    }
    fm_status status = make_value(parser, FMI_NODE_ELEMENT, type, token, out);
    if (status != FM_OK) {
        return status;
    }
    fmi_syntax_skip(parser);
    fmi_node *node = out->node;
    node->declared = declared;
    out->is_lvalue = true;
    bool is_known = true;
    status = parse_index(parser, declared->count, &node->a, &is_known);
    bool is_shared = declared->kind == FMI_DECLARED_SHARED;
    parser->tree->features |= is_shared ? FMI_NEEDS_SHARED : 0;
    if (status == FM_OK && fmi_syntax_is(parser, '[')) {
        return fmi_syntax_indexes(parser, out); // which fails: the element has none
    }
    return status;
}

static fm_status parse_constant(fmi_parser *parser, const fmi_declared *declared, fmi_value *out)
{
    fmi_vtype type = fmi_dtype_get((fm_dtype)declared->dtype)->vtype;
    fm_status status = make_value(parser, FMI_NODE_CONSTANT, type, parser->at, out);
    if (status == FM_OK) {
        out->node->declared = declared;
        fmi_syntax_skip(parser);
    }
    return status;
}

// A specialisation is its number.
static fm_status parse_special(fmi_parser *parser, const fmi_declared *special, fmi_value *out)
{
    fmi_vtype type = fmi_dtype_get((fm_dtype)special->dtype)->vtype;
    *out = (fmi_value){.first = parser->at,
                       .use = UINT32_MAX,
                       .uses = parser->use_count,
                       .is_fixed = true,
                       .is_known = type != FMI_VT_DOUBLE,
                       .real = type == FMI_VT_FLOAT ? (float)special->value : 0};
    if (type != FMI_VT_FLOAT && type != FMI_VT_DOUBLE) {
        out->number = type == FMI_VT_ULONG ? (int64_t)(uint64_t)special->value : (int64_t)special->value;
    }
    fmi_syntax_note_type(parser, type);
    fmi_syntax_skip(parser);
    fm_status status = fmi_known_fold(parser, out, type, out->first);
    if (status == FM_OK && type == FMI_VT_DOUBLE) {
        out->node->wide = special->value;
    }
    return status;
}

static fm_status parse_id(fmi_parser *parser, fmi_value *out)
{
    static const uint32_t features[] = {[FMI_ID_GLOBAL] = FMI_NEEDS_GLOBAL_ID,
                                        [FMI_ID_LOCAL] = FMI_NEEDS_LOCAL_ID,
                                        [FMI_ID_GROUP] = FMI_NEEDS_GROUP_ID,
                                        [FMI_ID_COUNT] = FMI_NEEDS_GROUP_COUNT,
                                        [FMI_ID_SIZE] = 0};
    const fmi_tok *id = parser->at, *axis = id + 2;
    int length = (int)id->length;
    if (parser->is_header) {
        return fmi_tok_fail(parser->tokens, id, "a helper function does not see '%.*s'; give it as an argument", length,
                            id->start);
    }
    if (id[1].op != '.' || axis->kind != FMI_TOK_NAME || axis->length != 1 || *axis->start < 'x' ||
        *axis->start > 'z') {
        return fmi_tok_fail(parser->tokens, id, "'%.*s' is used only as %.*s.x, %.*s.y or %.*s.z", length, id->start,
                            length, id->start, length, id->start, length, id->start);
    }
    fm_status status = make_value(parser, FMI_NODE_ID, FMI_VT_UINT, id, out);
    if (status != FM_OK) {
        return status;
    }
    parser->at += 3;
    out->node->op = id->name->term.code;
    out->node->number = *axis->start - 'x';
    parser->tree->features |= features[out->node->op];
    if (out->node->op == FMI_ID_SIZE) {
        out->is_known = true;
        out->number = parser->tree->source->group_size[out->node->number];
        status = fmi_known_fold(parser, out, FMI_VT_UINT, id);
    }
    return status;
}

static fm_status parse_variable(fmi_parser *parser, fmi_value *out)
{
    const fmi_tok *token = parser->at;
    fmi_symbol *symbol = token->name->symbol;
    int length = (int)token->length;
    if (token->name == parser->declaring) {
        return fmi_tok_fail(parser->tokens, token, "'%.*s' is used in its own first value", length, token->start);
    }
    if (!symbol) {
        return fmi_symbols_refuse(parser, token, false);
    }
    if (symbol->kind == FMI_SYMBOL_HELPER) {
        return fmi_tok_fail(parser->tokens, token, "'%.*s' is a helper function and is called with parentheses", length,
                            token->start);
    }
    fm_status status = make_value(parser, FMI_NODE_VARIABLE, (fmi_vtype)symbol->type, token, out);
    if (status != FM_OK) {
        return status;
    }
    out->node->symbol = symbol;
    out->is_lvalue = true;
    out->is_const = symbol->is_const;
    out->dims = symbol->dim_count;
    out->sizes = symbol->dims;
    out->is_known = symbol->is_known;
    out->number = symbol->number;
    out->real = symbol->real;
    fmi_syntax_skip(parser);
    if (!symbol->is_const) {
        status = fmi_value_add_use(parser, symbol, token, &out->use);
    }
    return status == FM_OK ? fmi_syntax_indexes(parser, out) : status;
}

static fm_status parse_type(fmi_parser *parser, fmi_value *out)
{
    if (parser->at[1].op == '(') {
        return parse_cast(parser, out);
    }
    fm_status status =
        parser->at[1].op == '*' || parser->at[1].op == '&' ? fmi_syntax_check_token(parser, parser->at + 1) : FM_OK;
    return status == FM_OK ? fmi_tok_fail(parser->tokens, parser->at,
                                          "a type stands here where a value is wanted; a declaration is a statement of "
                                          "its own")
                           : status;
}

static fm_status parse_name(fmi_parser *parser, fmi_value *out)
{
    const fmi_tok *name = parser->at;
    const fmi_declared *declared = fmi_symbols_find_declared(parser, name);
    fm_status status = fmi_syntax_check_token(parser, name);
    if (status != FM_OK) {
        return status;
    }
    if (declared) {
        return declared->kind == FMI_DECLARED_CONSTANT  ? parse_constant(parser, declared, out)
               : declared->kind == FMI_DECLARED_SPECIAL ? parse_special(parser, declared, out)
                                                        : fmi_syntax_element(parser, declared, out);
    }
    switch (fmi_syntax_term(name)) {
    case FMI_TERM_TYPE: return parse_type(parser, out);
    case FMI_TERM_LITERAL: return parse_literal(parser, FMI_VT_BOOL, name->name->term.code, out);
    case FMI_TERM_ID: return parse_id(parser, out);
    case FMI_TERM_BARRIER:
    case FMI_TERM_ATOMIC: return fmi_syntax_call(parser, out);
    case FMI_TERM_VALUE:
        if (!name->name->symbol) {
            return parse_word_value(parser, out);
        }
        return name[1].op == '(' ? fmi_syntax_call(parser, out) : parse_variable(parser, out);
    case FMI_TERM_NONE:
    case FMI_TERM_FUNCTION: return name[1].op == '(' ? fmi_syntax_call(parser, out) : parse_variable(parser, out);
    case FMI_TERM_KEYWORD:
    case FMI_TERM_FOREIGN: break;
    }
    return fmi_tok_fail(parser->tokens, name, "'%.*s' stands where a value is wanted", (int)name->length, name->start);
}

static fm_status parse_parentheses(fmi_parser *parser, fmi_value *out)
{
    const fmi_tok *open = parser->at;
    fmi_syntax_skip(parser);
    fmi_vtype type = fmi_syntax_type(parser->at);
    if (type != FMI_VT_COUNT && parser->at[1].op == ')') {
        return fmi_tok_fail(parser->tokens, parser->at, "a cast is written %s(value)", fmi_vtype_name(type));
    }
    fm_status status = fmi_syntax_expression(parser, out);
    if (status == FM_OK && out->dims) {
        status = fmi_value_take(parser, out);
    }
    if (status == FM_OK) {
        out->first = open;
        out->node->is_wrapped = true;
        status = fmi_syntax_expect(parser, ')');
    }
    return status;
}

static fm_status parse_primary(fmi_parser *parser, fmi_value *out)
{
    const fmi_tok *token = parser->at;
    switch (token->kind) {
    case FMI_TOK_INTEGER: return parse_integer(parser, out);
    case FMI_TOK_FLOAT: return parse_real(parser, out);
    case FMI_TOK_NAME: return parse_name(parser, out);
    case FMI_TOK_END: return fmi_tok_fail(parser->tokens, token, "the text ends where a value is wanted");
    default: break;
    }
    return token->op == '('
               ? parse_parentheses(parser, out)
               : fmi_syntax_refuse(parser, "'%.*s' stands where a value is wanted", (int)token->length, token->start);
}

// `-v`, `+v`, `~v`, `!v`.
static fm_status apply_unary(fmi_parser *parser, const fmi_tok *token, fmi_value *value)
{
    uint8_t op = token->op;
    fm_status status = fmi_value_take(parser, value);
    fmi_vtype type = (fmi_vtype)value->node->type;
    bool is_right = op == '!'   ? type == FMI_VT_BOOL || type == FMI_VT_ANY
                    : op == '~' ? fmi_vtype_is_integer(type)
                                : fmi_vtype_is_number(type);
    if (status == FM_OK && !is_right) {
        status = fmi_tok_fail(parser->tokens, token, "'%c' does not take %s; it takes %s", op, fmi_vtype_phrase(type),
                              op == '!'   ? "a bool"
                              : op == '~' ? "an integer"
                                          : "a number");
    }
    fmi_node *node = status == FM_OK ? fmi_syntax_make(parser, FMI_NODE_UNARY, token) : NULL;
    if (!node) {
        return status == FM_OK ? FM_ERROR_OUT_OF_HOST_MEMORY : status;
    }
    node->op = op;
    node->type = node->operand = (uint8_t)type;
    node->a = value->node;
    value->node = node;
    value->number = op == '!'   ? !value->number
                    : op == '~' ? ~value->number
                    : op == '-' ? (int64_t)(0 - (uint64_t)value->number)
                                : value->number;
    value->real = op == '-' ? -value->real : value->real;
    value->first = token;
    value->is_lvalue = value->is_const = false;
    value->use = UINT32_MAX;
    fmi_known_convert(value, type, type);
    return value->is_known ? fmi_known_fold(parser, value, type, token) : FM_OK;
}

static fm_status parse_unary(fmi_parser *parser, fmi_value *out)
{
    const fmi_tok *token = parser->at;
    if (fmi_tok_steps(token)) {
        fmi_syntax_skip(parser);
        fm_status status = fmi_syntax_operand(parser, out);
        status = status == FM_OK ? fmi_syntax_step(parser, out, token, true) : status;
        out->first = token;
        return status;
    }
    if (token->op == '+' || token->op == '-' || token->op == '!' || token->op == '~') {
        fmi_syntax_skip(parser);
        fm_status status = fmi_syntax_operand(parser, out);
        return status == FM_OK ? apply_unary(parser, token, out) : status;
    }
    fm_status status = parse_primary(parser, out);
    if (status == FM_OK && fmi_tok_steps(parser->at)) {
        status = fmi_syntax_step(parser, out, parser->at, false);
        fmi_syntax_skip(parser);
    }
    if (status == FM_OK && fmi_syntax_is(parser, '[')) {
        status = fmi_syntax_indexes(parser, out); // which fails: what has elements has taken its indexes
    }
    return status;
}

fm_status fmi_syntax_operand(fmi_parser *parser, fmi_value *out)
{
    if (parser->depth >= FMI_MAX_NESTED) {
        return fmi_tok_fail(parser->tokens, parser->at, "this is nested more than %d deep", (int)FMI_MAX_NESTED);
    }
    parser->depth++;
    fm_status status = parse_unary(parser, out);
    parser->depth--;
    return status;
}
