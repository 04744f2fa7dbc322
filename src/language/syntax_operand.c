// Operands: literals, names, elements and casts, with the operators that take one of them. See syntax.h.
// A name is the kernel's, a word of the language, or declared before it; there is nothing else that a text could reach.
#include "language/syntax.h"

#include "language/numbers.h"

#include <math.h>

enum { MAX_LITERAL = 128 };

// A number or bool as it stands in the text.
static fmi_value parse_literal(fmi_parser *parser, fmi_vtype type, int64_t number)
{
    fmi_value value = fmi_value_make(parser, FMI_NODE_NUMBER, type, parser->at);
    value.is_fixed = value.is_known = true;
    value.number = value.node->number = number;
    fmi_syntax_note_type(parser, type);
    fmi_syntax_skip(parser);
    return value;
}

// Of a double nothing is known: it is the target's compiler that computes with it.
static fmi_value parse_real(fmi_parser *parser)
{
    const fmi_tok *token = parser->at;
    bool is_double = token->type == FMI_VT_DOUBLE;
    float real = 0;
    double wide = 0;
    if (token->length > MAX_LITERAL) {
        return *fmi_syntax_fail(parser, token, "this number has more than %d characters", (int)MAX_LITERAL);
    }
    if (!fmi_number_read_real(token->start, token->start + token->length, &real, &wide)) {
        fmi_syntax_fail_memory(parser);
    }
    if (is_double ? isinf(wide) : isinf(real)) {
        return *fmi_syntax_fail(parser, token, "this is over the largest %s",
                                is_double ? "double, 1.7976931348623157e308" : "float, 3.4028234e38");
    }
    fmi_value value = parse_literal(parser, (fmi_vtype)token->type, 0);
    value.is_known = !is_double;
    value.real = real;
    // Where a float may become a double, a target's compiler must not take more digits for it than a float has.
    if (parser->has_doubles ? (double)real != wide : real != (float)wide) {
        fmi_known_fold(parser, &value, FMI_VT_FLOAT, token);
    }
    return value;
}

// INFINITY and the like.
static fmi_value parse_word_value(fmi_parser *parser)
{
    const fmi_tok *token = parser->at;
    fmi_word_value word = (fmi_word_value)token->name->term.code;
    fmi_value value = fmi_value_make(parser, FMI_NODE_LANE, FMI_VT_UINT, token);
    fmi_syntax_skip(parser);
    if (word == FMI_VALUE_SUBGROUP_SIZE || word == FMI_VALUE_SUBGROUP_LANE) {
        value.node->op = (uint8_t)word;
        parser->tree->features |= FMI_NEEDS_SUBGROUPS;
        parser->tree->pieces |= FMI_PIECE_LANES;
        return value;
    }
    value.is_fixed = value.is_known = true;
    value.real = word == FMI_VALUE_INFINITY ? (float)INFINITY : (float)NAN;
    fmi_known_fold(parser, &value, FMI_VT_FLOAT, token);
    return value;
}

// `type(value)`.
static fmi_value parse_cast(fmi_parser *parser)
{
    const fmi_tok *token = parser->at;
    fmi_vtype type = fmi_syntax_type(token);
    fmi_syntax_skip(parser);
    fmi_syntax_expect(parser, '(');
    fmi_value value;
    fmi_syntax_assignment(parser, &value);
    fmi_value_take(parser, &value);
    fmi_syntax_expect(parser, ')');
    fmi_syntax_note_type(parser, type);
    fmi_syntax_note_cast(parser, (fmi_vtype)value.node->type, type);
    fmi_known_convert(&value, (fmi_vtype)value.node->type, type);
    fmi_value_wrap(parser, &value, FMI_NODE_CAST, type, token);
    fmi_known_fold(parser, &value, type, token);
    value.first = token;
    return value;
}

// One `[index]`; `size` 0: not known. `*is_known` stays if the index is known.
static fmi_node *parse_index(fmi_parser *parser, uint32_t size, bool *is_known)
{
    fmi_syntax_skip(parser);
    fmi_value index;
    fmi_syntax_expression(parser, &index);
    fmi_value_take(parser, &index);
    fmi_vtype type = (fmi_vtype)index.node->type;
    if (!fmi_vtype_is_integer(type) || fmi_vtype_is_64_bit(type)) {
        fmi_syntax_fail(parser, index.first, "an index is an int or a uint, and this is %s", fmi_vtype_phrase(type));
    }
    if (index.is_known && size && (index.number < 0 || index.number >= size)) {
        fmi_syntax_fail(parser, index.first, "the index %lld is not within 0 to %u", (long long)index.number, size - 1);
    } else if (index.is_known && index.number < 0) {
        fmi_syntax_fail(parser, index.first, "the index %lld is below 0", (long long)index.number);
    }
    *is_known &= index.is_known;
    fmi_syntax_expect(parser, ']');
    return index.node;
}

// Indexes behind an array.
static void parse_indexes(fmi_parser *parser, fmi_value *value)
{
    bool is_known = value->is_const && value->dims; // an element of a table, if all indexes are known
    while (fmi_syntax_is(parser, '[')) {
        if (value->dims == 0) {
            fmi_syntax_fail(parser, parser->at, "this is no array, so it has no elements");
            return;
        }
        fmi_node *node = fmi_syntax_make(parser, FMI_NODE_INDEX, value->node->token);
        node->type = value->node->type;
        node->a = value->node;
        node->b = parse_index(parser, value->sizes ? *value->sizes : 0, &is_known);
        value->node = node;
        value->sizes += value->sizes != NULL;
        value->dims--;
        value->use = UINT32_MAX;
        node->is_constant = is_known && value->dims == 0 && node->type != FMI_VT_BOOL && node->type != FMI_VT_DOUBLE;
        fmi_syntax_note_constant(parser, node);
    }
}

// An element of a buffer or shared array.
static fmi_value parse_element(fmi_parser *parser, const fmi_declared *declared)
{
    const fmi_tok *token = parser->at;
    bool is_shared = declared->kind == FMI_DECLARED_SHARED, is_known = true;
    if (token[1].op != '[') {
        return *fmi_syntax_fail(parser, token, "'%s' is a %s and is used only as %s[index]", declared->name,
                                is_shared ? "shared array" : "buffer", declared->name);
    }
    if (token[2].op == ']') {
        return *fmi_syntax_fail(parser, token, "'%s[]' has no index", declared->name);
    }
    fmi_syntax_skip(parser);
    fmi_value value = fmi_value_make(parser, FMI_NODE_ELEMENT, fmi_dtype_get((fm_dtype)declared->dtype)->vtype, token);
    value.node->declared = declared;
    value.node->a = parse_index(parser, declared->count, &is_known);
    value.is_lvalue = true;
    parser->tree->features |= is_shared ? FMI_NEEDS_SHARED : 0;
    return value;
}

static fmi_value parse_constant(fmi_parser *parser, const fmi_declared *declared)
{
    fmi_vtype type = fmi_dtype_get((fm_dtype)declared->dtype)->vtype;
    fmi_value value = fmi_value_make(parser, FMI_NODE_CONSTANT, type, parser->at);
    value.node->declared = declared;
    fmi_syntax_skip(parser);
    return value;
}

// A specialisation is its number.
static fmi_value parse_special(fmi_parser *parser, const fmi_declared *special)
{
    fmi_vtype type = fmi_dtype_get((fm_dtype)special->dtype)->vtype;
    fmi_value value = fmi_value_make(parser, FMI_NODE_KNOWN, type, parser->at);
    value.is_fixed = true;
    value.is_known = type != FMI_VT_DOUBLE;
    if (type == FMI_VT_DOUBLE) {
        value.node->wide = special->value;
    } else if (type == FMI_VT_FLOAT) {
        value.node->real = value.real = (float)special->value;
    } else {
        value.number = type == FMI_VT_ULONG ? (int64_t)(uint64_t)special->value : (int64_t)special->value;
        value.node->number = value.number;
    }
    fmi_syntax_note_type(parser, type);
    fmi_syntax_skip(parser);
    return value;
}

static fmi_value parse_id(fmi_parser *parser)
{
    static const uint32_t features[] = {[FMI_ID_GLOBAL] = FMI_NEEDS_GLOBAL_ID,
                                        [FMI_ID_LOCAL] = FMI_NEEDS_LOCAL_ID,
                                        [FMI_ID_GROUP] = FMI_NEEDS_GROUP_ID,
                                        [FMI_ID_COUNT] = FMI_NEEDS_GROUP_COUNT,
                                        [FMI_ID_SIZE] = 0};
    const fmi_tok *id = parser->at, *axis = id + 2;
    if (parser->is_header) {
        return *fmi_syntax_fail(parser, id, "a helper function does not see '@'; give it as an argument");
    }
    if (id[1].op != '.' || axis->kind != FMI_TOK_NAME || axis->length != 1 || *axis->start < 'x' ||
        *axis->start > 'z') {
        return *fmi_syntax_fail(parser, id, "'@' is used only as @.x, @.y or @.z");
    }
    parser->at += 3;
    fmi_value value = fmi_value_make(parser, FMI_NODE_ID, FMI_VT_UINT, id);
    value.node->op = id->name->term.code;
    value.node->number = *axis->start - 'x';
    parser->tree->features |= features[id->name->term.code];
    if (id->name->term.code == FMI_ID_SIZE) {
        value.is_known = true;
        value.number = parser->tree->source->group_size[*axis->start - 'x'];
        fmi_known_fold(parser, &value, FMI_VT_UINT, id);
    }
    return value;
}

static fmi_value parse_variable(fmi_parser *parser)
{
    const fmi_tok *token = parser->at;
    fmi_symbol *symbol = token->name->symbol;
    if (token->name == parser->declaring) {
        return *fmi_syntax_fail(parser, token, "'@' is used in its own first value");
    }
    if (!symbol) {
        return *fmi_symbols_refuse(parser, token, false);
    }
    if (symbol->kind == FMI_SYMBOL_HELPER) {
        return *fmi_syntax_fail(parser, token, "'@' is a helper function and is called with parentheses");
    }
    fmi_value value = fmi_value_make(parser, FMI_NODE_VARIABLE, (fmi_vtype)symbol->type, token);
    value.node->symbol = symbol;
    value.is_lvalue = true;
    value.is_const = symbol->is_const;
    value.dims = symbol->dim_count;
    value.sizes = symbol->dims;
    value.is_known = symbol->is_known;
    value.number = symbol->number;
    value.real = symbol->real;
    fmi_syntax_skip(parser);
    if (!symbol->is_const) {
        value.use = fmi_value_add_use(parser, symbol, token);
    }
    if (value.dims) {
        parse_indexes(parser, &value);
    }
    return value;
}

static fmi_value parse_type(fmi_parser *parser)
{
    const fmi_tok *token = parser->at;
    if (token[1].op == '(') {
        return parse_cast(parser);
    }
    if (token[1].op == '*' || token[1].op == '&') {
        fmi_syntax_check_token(parser, token + 1);
    }
    return *fmi_syntax_fail(parser, token,
                            "a type stands here where a value is wanted; a declaration is a statement of its own");
}

static fmi_value parse_declared(fmi_parser *parser, const fmi_declared *declared)
{
    switch ((fmi_declared_kind)declared->kind) {
    case FMI_DECLARED_CONSTANT: return parse_constant(parser, declared);
    case FMI_DECLARED_SPECIAL: return parse_special(parser, declared);
    case FMI_DECLARED_BUFFER:
    case FMI_DECLARED_SHARED: break;
    }
    return parse_element(parser, declared);
}

static fmi_value parse_name(fmi_parser *parser)
{
    const fmi_tok *name = parser->at;
    const fmi_declared *declared = fmi_symbols_find_declared(parser, name);
    fmi_syntax_check_token(parser, name);
    if (fmi_syntax_failed(parser)) {
        return *fmi_syntax_none(parser, name);
    }
    if (declared) {
        return parse_declared(parser, declared);
    }
    switch (fmi_syntax_term(name)) {
    case FMI_TERM_TYPE: return parse_type(parser);
    case FMI_TERM_LITERAL: return parse_literal(parser, FMI_VT_BOOL, name->name->term.code);
    case FMI_TERM_ID: return parse_id(parser);
    case FMI_TERM_BARRIER:
    case FMI_TERM_ATOMIC: return fmi_syntax_call(parser);
    case FMI_TERM_VALUE:
        if (!name->name->symbol) {
            return parse_word_value(parser);
        }
        break;
    case FMI_TERM_NONE:
    case FMI_TERM_FUNCTION: break;
    case FMI_TERM_KEYWORD:
    case FMI_TERM_FOREIGN: return *fmi_syntax_fail(parser, name, "'@' stands where a value is wanted");
    }
    return name[1].op == '(' ? fmi_syntax_call(parser) : parse_variable(parser);
}

static void parse_parentheses(fmi_parser *parser, fmi_value *out)
{
    const fmi_tok *open = parser->at;
    fmi_syntax_skip(parser);
    fmi_vtype type = fmi_syntax_type(parser->at);
    if (type != FMI_VT_COUNT && parser->at[1].op == ')') {
        fmi_syntax_fail(parser, parser->at, "a cast is written %s(value)", fmi_vtype_name(type));
    }
    fmi_syntax_expression(parser, out);
    if (out->dims) {
        fmi_value_take(parser, out);
    }
    out->first = open;
    out->node->is_wrapped = true;
    fmi_syntax_expect(parser, ')');
}

// What is one token, or begins with a name.
static fmi_value parse_primary(fmi_parser *parser)
{
    const fmi_tok *token = parser->at;
    switch ((fmi_tok_kind)token->kind) {
    case FMI_TOK_INTEGER: return parse_literal(parser, (fmi_vtype)token->type, (int64_t)token->number);
    case FMI_TOK_FLOAT: return parse_real(parser);
    case FMI_TOK_NAME: return parse_name(parser);
    case FMI_TOK_END: return *fmi_syntax_fail(parser, token, "the text ends where a value is wanted");
    case FMI_TOK_OPERATOR:
    case FMI_TOK_BAD: break;
    }
    return *fmi_syntax_refuse(parser, "'@' stands where a value is wanted");
}

// `-v`, `+v`, `~v`, `!v`, by the token.
static void apply_sign(fmi_parser *parser, const fmi_tok *token, fmi_value *value)
{
    uint8_t op = token->op;
    fmi_vtype type = (fmi_vtype)value->node->type;
    bool is_right = op == '!'   ? type == FMI_VT_BOOL || type == FMI_VT_ANY
                    : op == '~' ? fmi_vtype_is_integer(type)
                                : fmi_vtype_is_number(type);
    fmi_value_take(parser, value);
    if (!is_right) {
        const char *wanted = op == '!' ? "a bool" : op == '~' ? "an integer" : "a number";
        fmi_syntax_fail(parser, token, "'%c' does not take %s; it takes %s", op, fmi_vtype_phrase(type), wanted);
    }
    fmi_node *node = fmi_value_wrap(parser, value, FMI_NODE_UNARY, type, token);
    node->operand = (uint8_t)type;
    value->number = op == '!'   ? !value->number
                    : op == '~' ? ~value->number
                    : op == '-' ? (int64_t)(0 - (uint64_t)value->number)
                                : value->number;
    value->real = op == '-' ? -value->real : value->real;
    fmi_known_convert(value, type, type);
    fmi_known_fold(parser, value, type, token);
}

static void parse_unary(fmi_parser *parser, fmi_value *out)
{
    const fmi_tok *token = parser->at;
    if (fmi_tok_steps(token)) {
        fmi_syntax_skip(parser);
        fmi_syntax_operand(parser, out);
        fmi_syntax_step(parser, out, token, true);
        out->first = token;
        return;
    }
    if (token->op == '+' || token->op == '-' || token->op == '!' || token->op == '~') {
        fmi_syntax_skip(parser);
        fmi_syntax_operand(parser, out);
        apply_sign(parser, token, out);
        out->first = token;
        return;
    }
    if (token->op == '(') {
        parse_parentheses(parser, out);
    } else {
        *out = parse_primary(parser);
    }
    if (fmi_tok_steps(parser->at)) {
        fmi_syntax_step(parser, out, parser->at, false);
        fmi_syntax_skip(parser);
    }
    if (fmi_syntax_is(parser, '[')) {
        parse_indexes(parser, out); // which fails: what has elements has taken its indexes
    }
}

void fmi_syntax_operand(fmi_parser *parser, fmi_value *out)
{
    fmi_syntax_nest(parser, parser->at, "this is");
    parse_unary(parser, out);
    fmi_syntax_rise(parser);
}
