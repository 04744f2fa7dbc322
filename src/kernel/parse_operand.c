// Operands: literals, names, elements, casts and calls, with the operators that take one of them. See parser.h.
// A name is the kernel's, a word of the language, or declared before it; there is nothing else that a text could reach.
#include "kernel/parser.h"

#include "base/error.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_LITERAL = 128 };

static fmi_value make_value(const fmi_parser *parser, fmi_type type, uint32_t at)
{
    return (fmi_value){.type = (uint8_t)type, .at = at, .variable = UINT32_MAX, .uses = parser->use_count};
}

static void parse_integer(fmi_parser *parser, fmi_value *out)
{
    const fmi_token *token = fmi_parser_token(parser);
    const char *p = token->start, *end = p + token->length;
    bool is_long = (end[-1] | 32) == 'l';
    end -= is_long;
    bool is_unsigned = end > p && (end[-1] | 32) == 'u';
    end -= is_unsigned;
    bool is_hex = end - p > 2 && (p[1] | 32) == 'x';
    uint64_t base = is_hex ? 16 : *p == '0' ? 8 : 10, number = 0;
    for (p += is_hex ? 2 : 0; p < end; p++) {
        number = number * base + (uint64_t)(*p <= '9' ? *p - '0' : (*p | 32) - 'a' + 10);
    }
    fmi_type type =
        is_long ? (is_unsigned ? FMI_TYPE_ULONG : FMI_TYPE_LONG) : (is_unsigned ? FMI_TYPE_UINT : FMI_TYPE_INT);
    *out = make_value(parser, type, parser->at);
    out->is_fixed = out->is_known = true;
    out->number = (int64_t)number;
    fmi_parser_skip(parser);
}

// The numbers that the literal gives at once and by way of a double, as a target's compiler may read it. No locale has a say in it.
static bool read_real(const fmi_token *token, float *out_float, double *out_double)
{
    char text[MAX_LITERAL + 1];
    size_t suffix = fmi_token_is_double(token) ? 2 : (token->start[token->length - 1] | 32) == 'f';
    memcpy(text, token->start, token->length - suffix);
    text[token->length - suffix] = 0;
    locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (!plain) {
        return false;
    }
    *out_float = strtof_l(text, NULL, plain);
    *out_double = strtod_l(text, NULL, plain);
    freelocale(plain);
    return true;
}

static fm_status parse_float(fmi_parser *parser, fmi_value *out)
{
    const fmi_token *token = fmi_parser_token(parser);
    bool is_double = fmi_token_is_double(token);
    if (token->length > MAX_LITERAL) {
        return fmi_token_fail(parser->tokens, parser->at, "this number has more than %d characters", (int)MAX_LITERAL);
    }
    float real;
    double wide;
    if (!read_real(token, &real, &wide)) {
        return fmi_fail(FM_ERROR_OUT_OF_HOST_MEMORY, "no host memory to read the kernel's text");
    }
    if (is_double ? isinf(wide) : isinf(real)) {
        return fmi_token_fail(parser->tokens, parser->at, "this is over the largest %s",
                              is_double ? "double, 1.7976931348623157e308" : "float, 3.4028234e38");
    }
    *out = make_value(parser, is_double ? FMI_TYPE_DOUBLE : FMI_TYPE_FLOAT, parser->at);
    out->is_fixed = true;
    out->is_known = !is_double;
    out->real = real;
    fmi_parser_skip(parser);
    // Where a float may become a double, a target's compiler must not take more digits for it than a float has.
    bool is_same = is_double || (parser->has_doubles ? (double)real == wide : real == (float)wide);
    return is_same ? FM_OK : fmi_parse_note_number(parser, out);
}

// `type(value)`.
static fm_status parse_cast(fmi_parser *parser, fmi_value *out)
{
    uint32_t at = parser->at;
    fmi_type type = fmi_parser_peek_type(parser);
    fmi_parser_skip(parser);
    fm_status status = fmi_parser_expect(parser, "(");
    if (status == FM_OK) {
        status = fmi_parse_assignment(parser, out);
    }
    if (status == FM_OK) {
        status = fmi_parse_check_value(parser, out);
    }
    if (status == FM_OK) {
        status = fmi_parser_expect(parser, ")");
    }
    if (status == FM_OK) {
        bool is_of_float = out->type == FMI_TYPE_FLOAT || type == FMI_TYPE_FLOAT;
        out->is_lvalue = false;
        out->variable = UINT32_MAX;
        out->at = at;
        fmi_parse_convert(out, type);
        status = out->is_known && is_of_float ? fmi_parse_note_number(parser, out) : FM_OK;
    }
    return status;
}

// One `[index]`; `size` 0: not known.
static fm_status parse_index(fmi_parser *parser, uint32_t size, bool *out_is_known)
{
    fmi_value index;
    fmi_parser_skip(parser);
    fm_status status = fmi_parse_expression(parser, &index);
    if (status == FM_OK) {
        status = fmi_parse_check_value(parser, &index);
    }
    if (status != FM_OK) {
        return status;
    }
    if (!fmi_type_is_integer((fmi_type)index.type) || fmi_type_is_64_bit((fmi_type)index.type)) {
        return fmi_token_fail(parser->tokens, index.at, "an index is an int or a uint, and this is %s",
                              fmi_type_phrase((fmi_type)index.type));
    }
    if (index.is_known && (index.number < 0 || (size && index.number >= size))) {
        return size ? fmi_token_fail(parser->tokens, index.at, "the index %lld is not within 0 to %u",
                                     (long long)index.number, size - 1)
                    : fmi_token_fail(parser->tokens, index.at, "the index %lld is below 0", (long long)index.number);
    }
    *out_is_known = index.is_known;
    return fmi_parser_expect(parser, "]");
}

// Indexes behind an array.
static fm_status parse_indexes(fmi_parser *parser, fmi_value *value)
{
    fm_status status = FM_OK;
    while (status == FM_OK && fmi_parser_is(parser, "[")) {
        if (value->dims == 0) {
            return fmi_token_fail(parser->tokens, parser->at, "this is no array, so it has no elements");
        }
        bool is_known = false;
        status = parse_index(parser, value->sizes ? *value->sizes : 0, &is_known);
        value->is_element = value->is_element && is_known;
        value->sizes += value->sizes != NULL;
        value->dims--;
        value->variable = UINT32_MAX;
    }
    return status;
}

static fm_status parse_kernel_name(fmi_parser *parser, const fmi_name *name, fmi_value *out)
{
    uint32_t at = parser->at;
    *out = make_value(parser, fmi_type_of_dtype((fm_dtype)name->dtype), at);
    fmi_parser_skip(parser);
    if (name->kind == FMI_NAME_SPECIAL) {
        out->is_fixed = true;
        out->is_known = name->dtype != FM_DTYPE_F64;
        if (name->dtype == FM_DTYPE_F32) {
            out->real = (float)name->value;
        } else if (out->is_known) {
            out->number = name->dtype == FM_DTYPE_U64 ? (int64_t)(uint64_t)name->value : (int64_t)name->value;
        }
        return FM_OK;
    }
    if (name->kind == FMI_NAME_CONSTANT) {
        return FM_OK;
    }
    out->is_lvalue = true;
    out->is_storage = name->kind == FMI_NAME_BUFFER && fmi_dtype_is_storage((fm_dtype)name->dtype);
    out->dims = 1;
    uint32_t size = name->count;
    out->sizes = size ? &name->count : NULL;
    return parse_indexes(parser, out);
}

static fm_status parse_id(fmi_parser *parser, fmi_value *out)
{
    const fmi_token *id = fmi_parser_token(parser);
    bool is_size = fmi_token_equals(id, "group_size");
    *out = make_value(parser, FMI_TYPE_UINT, parser->at);
    fmi_parser_skip(parser);
    fm_status status = fmi_parser_expect(parser, ".");
    const fmi_token *axis = fmi_parser_token(parser);
    if (status == FM_OK && (axis->length != 1 || *axis->start < 'x' || *axis->start > 'z')) {
        status = fmi_token_fail(parser->tokens, parser->at, "a built-in id has the members x, y and z");
    }
    if (status == FM_OK && is_size) {
        out->is_known = true;
        out->number = parser->input->group_size[*axis->start - 'x'];
    }
    fmi_parser_skip(parser);
    return status;
}

fm_status fmi_parse_fail_unknown(const fmi_parser *parser, uint32_t at, bool is_function)
{
    const fmi_token *name = &parser->tokens->list[at];
    int length = (int)name->length;
    char hint[FMI_MAX_HINT];
    if (is_function && fmi_scope_find(parser, name)) {
        return fmi_token_fail(parser->tokens, at, "'%.*s' is a variable and no function", length, name->start);
    }
    fmi_scope_suggest(parser, name, is_function, hint);
    if (is_function) {
        return fmi_token_fail(parser->tokens, at,
                              "there is no function '%.*s' in the language or before this in the "
                              "header%s",
                              length, name->start, hint);
    }
    if (parser->is_header && fmi_scope_find_kernel_name(parser, name)) {
        return fmi_token_fail(parser->tokens, at, "a helper function does not see '%.*s'; give it as an argument",
                              length, name->start);
    }
    return fmi_token_fail(parser->tokens, at, "'%.*s' is not declared%s", length, name->start, hint);
}

static fm_status parse_variable(fmi_parser *parser, fmi_value *out)
{
    uint32_t at = parser->at;
    const fmi_token *name = fmi_parser_token(parser);
    const fmi_symbol *symbol = fmi_scope_find(parser, name);
    if (parser->declaring != UINT32_MAX && name->length == parser->tokens->list[parser->declaring].length &&
        memcmp(name->start, parser->tokens->list[parser->declaring].start, name->length) == 0) {
        return fmi_token_fail(parser->tokens, at, "'%.*s' is used in its own first value", (int)name->length,
                              name->start);
    }
    if (!symbol) {
        return fmi_parse_fail_unknown(parser, at, false);
    }
    if (symbol->kind == FMI_SYMBOL_HELPER) {
        return fmi_token_fail(parser->tokens, at, "'%.*s' is a helper function and is called with parentheses",
                              (int)name->length, name->start);
    }
    parser->tokens->list[at].note = FMI_NOTE_OWN;
    *out = make_value(parser, (fmi_type)symbol->type, at);
    out->is_lvalue = true;
    out->is_const = symbol->is_const;
    out->is_known = symbol->is_known;
    out->number = symbol->number;
    out->real = symbol->real;
    out->dims = symbol->dim_count;
    out->is_element = symbol->is_const && symbol->dim_count;
    fmi_parser_skip(parser);
    fm_status status = FM_OK;
    if (!symbol->is_const) {
        status = fmi_parse_add_use(parser, (uint32_t)(symbol - parser->symbols), at, &out->variable);
    }
    uint32_t sizes[FMI_MAX_DIMS];
    memcpy(sizes, symbol->dims, sizeof sizes);
    out->sizes = sizes;
    status = status == FM_OK ? parse_indexes(parser, out) : status;
    out->sizes = NULL;
    if (status == FM_OK && out->is_element && out->dims == 0) {
        status = fmi_parse_note_opaque(parser, at, parser->at, (fmi_type)symbol->type);
    }
    return status;
}

static fm_status parse_name(fmi_parser *parser, fmi_value *out)
{
    const fmi_token *name = fmi_parser_token(parser);
    const fmi_word *word = fmi_word_find(name->start, name->length);
    const fmi_name *own = fmi_scope_find_kernel_name(parser, name);
    bool is_call = fmi_token_is(parser->tokens, fmi_token_next(parser->tokens, parser->at), "(");
    if (own && (!parser->is_header || own->kind == FMI_NAME_SPECIAL)) {
        return parse_kernel_name(parser, own, out);
    }
    if (word && word->kind == FMI_WORD_TYPE) {
        return is_call ? parse_cast(parser, out)
                       : fmi_token_fail(parser->tokens, parser->at,
                                        "a type stands here where a value is wanted; a declaration is a statement of "
                                        "its own");
    }
    if (word && word->kind == FMI_WORD_LITERAL) {
        *out = make_value(parser, FMI_TYPE_BOOL, parser->at);
        out->is_fixed = out->is_known = true;
        out->number = *name->start == 't';
        fmi_parser_skip(parser);
        return FM_OK;
    }
    if (word && word->kind == FMI_WORD_VALUE && !fmi_scope_find(parser, name)) {
        *out = make_value(parser, word->shape == 'u' ? FMI_TYPE_UINT : FMI_TYPE_FLOAT, parser->at);
        out->is_fixed = word->shape == 'f';
        fmi_parser_skip(parser);
        return FM_OK;
    }
    if (word && word->kind == FMI_WORD_ID) {
        return parse_id(parser, out);
    }
    if (word && word->kind != FMI_WORD_FUNCTION && word->kind != FMI_WORD_ATOMIC && word->kind != FMI_WORD_BARRIER &&
        word->kind != FMI_WORD_VALUE) {
        return fmi_token_fail(parser->tokens, parser->at, "'%.*s' stands where a value is wanted", (int)name->length,
                              name->start);
    }
    return is_call ? fmi_parse_call(parser, out) : parse_variable(parser, out);
}

static fm_status parse_parentheses(fmi_parser *parser, fmi_value *out)
{
    uint32_t at = parser->at;
    fmi_parser_skip(parser);
    fmi_type type = fmi_parser_peek_type(parser);
    if (type != FMI_TYPE_COUNT && fmi_token_is(parser->tokens, fmi_token_next(parser->tokens, parser->at), ")")) {
        return fmi_token_fail(parser->tokens, parser->at, "a cast is written %s(value)", fmi_type_name(type));
    }
    fm_status status = fmi_parse_expression(parser, out);
    if (status == FM_OK && out->dims) {
        status = fmi_parse_check_value(parser, out);
    }
    out->at = at;
    return status == FM_OK ? fmi_parser_expect(parser, ")") : status;
}

static fm_status parse_primary(fmi_parser *parser, fmi_value *out)
{
    const fmi_token *token = fmi_parser_token(parser);
    switch (token->kind) {
    case FMI_TOKEN_INTEGER: parse_integer(parser, out); return FM_OK;
    case FMI_TOKEN_FLOAT: return parse_float(parser, out);
    case FMI_TOKEN_NAME: return parse_name(parser, out);
    case FMI_TOKEN_END: return fmi_token_fail(parser->tokens, parser->at, "the text ends where a value is wanted");
    default: break;
    }
    if (fmi_parser_is(parser, "(")) {
        return parse_parentheses(parser, out);
    }
    return fmi_token_fail(parser->tokens, parser->at, "'%.*s' stands where a value is wanted", (int)token->length,
                          token->start);
}

// `-v`, `+v`, `~v`, `!v`.
static fm_status apply_unary(fmi_parser *parser, uint32_t at, fmi_value *value)
{
    char op = *parser->tokens->list[at].start;
    fmi_type type = (fmi_type)value->type;
    fm_status status = fmi_parse_check_value(parser, value);
    bool is_right = op == '!'   ? type == FMI_TYPE_BOOL || type == FMI_TYPE_ANY
                    : op == '~' ? fmi_type_is_integer(type)
                                : fmi_type_is_number(type);
    if (status == FM_OK && !is_right) {
        status = fmi_token_fail(parser->tokens, at, "'%c' does not take %s; it takes %s", op, fmi_type_phrase(type),
                                op == '!'   ? "a bool"
                                : op == '~' ? "an integer"
                                            : "a number");
    }
    value->number = op == '!'   ? !value->number
                    : op == '~' ? ~value->number
                    : op == '-' ? (int64_t)(0 - (uint64_t)value->number)
                                : value->number;
    value->real = op == '-' ? -value->real : value->real;
    value->at = at;
    value->is_lvalue = false;
    value->variable = UINT32_MAX;
    fmi_parse_convert(value, type);
    return status;
}

static fm_status parse_unary(fmi_parser *parser, fmi_value *out)
{
    uint32_t at = parser->at;
    if (fmi_token_is_step(parser->tokens, at)) {
        fmi_parser_skip(parser);
        fm_status status = fmi_parse_operand(parser, out);
        status = status == FM_OK ? fmi_parse_step(parser, out, at) : status;
        out->at = at;
        return status;
    }
    const fmi_token *token = fmi_parser_token(parser);
    if (token->kind == FMI_TOKEN_OPERATOR && token->length == 1 && strchr("+-!~", *token->start)) {
        fmi_parser_skip(parser);
        fm_status status = fmi_parse_operand(parser, out);
        return status == FM_OK ? apply_unary(parser, at, out) : status;
    }
    fm_status status = parse_primary(parser, out);
    if (status == FM_OK && fmi_token_is_step(parser->tokens, parser->at)) {
        status = fmi_parse_step(parser, out, parser->at);
        fmi_parser_skip(parser);
    }
    if (status == FM_OK && fmi_parser_is(parser, "[")) {
        status = parse_indexes(parser, out); // which fails: what has elements has taken its indexes
    }
    return status;
}

fm_status fmi_parse_operand(fmi_parser *parser, fmi_value *out)
{
    if (parser->depth >= FMI_MAX_NESTED) {
        return fmi_token_fail(parser->tokens, parser->at, "this is nested more than %d deep", (int)FMI_MAX_NESTED);
    }
    parser->depth++;
    fm_status status = parse_unary(parser, out);
    parser->depth--;
    return status;
}
