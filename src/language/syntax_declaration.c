// Declarations: variables, arrays and their first values; the constants and tables of a header. See syntax.h.
// An array's size is a number by now, and its list of values has exactly as many: C would take fewer, and sizes that are not known.
#include "language/syntax.h"

enum { MAX_SIZE = 1 << 20 };

bool fmi_syntax_is_declaration(const fmi_parser *parser)
{
    return fmi_syntax_keyword(parser->at) == FMI_KEYWORD_CONST ||
           (fmi_syntax_type(parser->at) != FMI_VT_COUNT && parser->at[1].op != '(');
}

// `[size]`, as often as there are dimensions; only the first may be left to the list of values.
static fm_status parse_sizes(fmi_parser *parser, fmi_symbol *symbol)
{
    while (fmi_syntax_is(parser, '[')) {
        const fmi_tok *token = parser->at;
        fmi_syntax_skip(parser);
        if (symbol->dim_count == FMI_MAX_DIMS) {
            return fmi_tok_fail(parser->tokens, token, "an array has at most %d dimensions", (int)FMI_MAX_DIMS);
        }
        if (symbol->dim_count == 0 && fmi_syntax_take(parser, ']')) {
            symbol->dims[symbol->dim_count++] = 0;
            continue;
        }
        fmi_value size;
        fmi_syntax_begin_expression(parser);
        fm_status status = fmi_syntax_expression(parser, &size);
        if (status == FM_OK &&
            !(size.is_known && fmi_vtype_is_integer((fmi_vtype)size.node->type) &&
              !fmi_vtype_is_64_bit((fmi_vtype)size.node->type) && size.number >= 1 && size.number <= MAX_SIZE)) {
            status = fmi_tok_fail(parser->tokens, size.first,
                                  "an array's size is a number from 1 to %d that is known when the kernel is "
                                  "compiled, of literals and specialisation values",
                                  (int)MAX_SIZE);
        }
        if (status == FM_OK) {
            status = fmi_syntax_expect(parser, ']');
        }
        if (status != FM_OK) {
            return status;
        }
        symbol->dims[symbol->dim_count++] = (uint32_t)size.number;
    }
    return FM_OK;
}

// One value of a declaration.
static fm_status parse_first_value(fmi_parser *parser, const fmi_symbol *symbol, fmi_value *out)
{
    uint32_t uses = parser->use_count;
    parser->operator_count = 0;
    fm_status status = fmi_syntax_assignment(parser, out);
    if (status == FM_OK) {
        status = fmi_value_fit(parser, out, (fmi_vtype)symbol->type, "what is stored here");
    }
    if (status == FM_OK) {
        status = fmi_value_check_order(parser, 0, uses);
    }
    if (status == FM_OK && parser->scope == 0 && !out->is_fixed) {
        status = fmi_tok_fail(parser->tokens, out->first,
                              "a constant of the header is made of literals, specialisation values, operators and "
                              "casts alone");
    }
    return status;
}

// `{ … }` for the dimensions from `dim` on.
static fm_status parse_list(fmi_parser *parser, fmi_symbol *symbol, uint32_t dim, fmi_node **out)
{
    const fmi_tok *token = parser->at;
    uint32_t count = 0;
    fm_status status = fmi_syntax_expect(parser, '{');
    *out = status == FM_OK ? fmi_syntax_make(parser, FMI_NODE_LIST, token) : NULL;
    if (!*out) {
        return status == FM_OK ? FM_ERROR_OUT_OF_HOST_MEMORY : status;
    }
    fmi_node **end = &(*out)->a;
    do {
        fmi_value value;
        fmi_node *node = NULL;
        if (dim + 1 < symbol->dim_count &&
            dim + 1 < FMI_MAX_DIMS) { // (the second for a compiler that unrolls the calls)
            status = parse_list(parser, symbol, dim + 1, &node);
        } else {
            status = parse_first_value(parser, symbol, &value);
            node = value.node;
        }
        if (status == FM_OK) {
            fmi_syntax_append(&end, node);
            count++;
        }
    } while (status == FM_OK && fmi_syntax_take(parser, ','));
    if (status == FM_OK) {
        status = fmi_syntax_expect(parser, '}');
    }
    if (status == FM_OK && symbol->dims[dim] == 0) {
        symbol->dims[dim] = count;
    }
    if (status == FM_OK && symbol->dims[dim] != count) {
        status =
            fmi_tok_fail(parser->tokens, token, "this list has %u values for %u elements", count, symbol->dims[dim]);
    }
    return status;
}

static fm_status count_bytes(fmi_parser *parser, const fmi_tok *name, const fmi_symbol *symbol)
{
    bool is_wide = fmi_vtype_is_64_bit((fmi_vtype)symbol->type) || symbol->type == FMI_VT_DOUBLE;
    uint64_t bytes = is_wide ? 8 : 4;
    for (uint32_t i = 0; i < symbol->dim_count && bytes <= FMI_MAX_VARIABLE_BYTES; i++) {
        bytes *= symbol->dims[i];
    }
    uint64_t *sum = parser->scope == 0 ? &parser->table_bytes : &parser->local_bytes;
    *sum += bytes;
    if (*sum > FMI_MAX_VARIABLE_BYTES) {
        return fmi_tok_fail(parser->tokens, name, "%s have more than %d bytes in all",
                            parser->scope == 0 ? "the header's tables" : "the variables of body and helper functions",
                            (int)FMI_MAX_VARIABLE_BYTES);
    }
    return FM_OK;
}

static fm_status parse_initialiser(fmi_parser *parser, fmi_symbol *symbol, fmi_node **out)
{
    fmi_value value;
    fmi_syntax_begin_expression(parser);
    if (symbol->dim_count) {
        return fmi_syntax_is(parser, '{')
                   ? parse_list(parser, symbol, 0, out)
                   : fmi_tok_fail(parser->tokens, parser->at, "an array's values stand in a list: { … }");
    }
    fm_status status = parse_first_value(parser, symbol, &value);
    if (status == FM_OK && symbol->is_const && value.is_known) {
        fmi_known_convert(&value, (fmi_vtype)value.node->type, (fmi_vtype)symbol->type);
        symbol->is_known = value.is_known;
        symbol->number = value.number;
        symbol->real = value.real;
    }
    if (status == FM_OK) {
        *out = value.node;
    }
    return status;
}

// What follows a name in a declaration of `symbol`: sizes and first value.
static fm_status parse_declarator(fmi_parser *parser, const fmi_tok *name, fmi_symbol *symbol, fmi_node *node)
{
    fm_status status = parse_sizes(parser, symbol);
    bool has_value = status == FM_OK && fmi_syntax_take(parser, '=');
    if (has_value) {
        parser->declaring = name->name;
        status = parse_initialiser(parser, symbol, &node->a);
        parser->declaring = NULL;
    } else if (status == FM_OK && (symbol->is_const || (symbol->dim_count && symbol->dims[0] == 0))) {
        status = fmi_tok_fail(parser->tokens, name,
                              symbol->is_const ? "what is const needs its value here"
                                               : "an array without a size needs its values here");
    }
    if (status == FM_OK) {
        status = count_bytes(parser, name, symbol);
    }
    fmi_symbol *declared = NULL;
    if (status == FM_OK) {
        status = fmi_symbols_declare(parser, name, symbol, &declared);
    }
    node->symbol = declared;
    return status;
}

static fm_status parse_one(fmi_parser *parser, fmi_vtype type, bool is_const, fmi_node ***end)
{
    const fmi_tok *name = parser->at;
    if (name->kind != FMI_TOK_NAME) {
        return fmi_syntax_refuse(parser, "the name of a variable is missing here");
    }
    fmi_syntax_skip(parser);
    if (fmi_syntax_is(parser, '(')) {
        return fmi_tok_fail(parser->tokens, name, "functions stand in the header, not within others");
    }
    fmi_node *node = fmi_syntax_make(parser, FMI_NODE_DECLARATOR, name);
    if (!node) {
        return FM_ERROR_OUT_OF_HOST_MEMORY;
    }
    fmi_syntax_append(end, node);
    fmi_symbol symbol = {.kind = FMI_SYMBOL_VARIABLE, .type = (uint8_t)type, .is_const = is_const};
    return parse_declarator(parser, name, &symbol, node);
}

fm_status fmi_syntax_declaration(fmi_parser *parser, fmi_node **out)
{
    const fmi_tok *token = parser->at;
    bool is_const = fmi_syntax_keyword(token) == FMI_KEYWORD_CONST;
    parser->at += is_const;
    fmi_vtype type = fmi_syntax_type(parser->at);
    if (type == FMI_VT_COUNT || type == FMI_VT_VOID) {
        return fmi_syntax_refuse(parser, "%s",
                                 type == FMI_VT_VOID ? "nothing is a variable of type void; a kernel's code is its "
                                                       "body alone, the signature is made from its parameters"
                                                     : "the type of a variable is missing here");
    }
    fmi_syntax_skip(parser);
    fmi_syntax_note_type(parser, type);
    *out = fmi_syntax_make(parser, FMI_NODE_DECLARATION, token);
    if (!*out) {
        return FM_ERROR_OUT_OF_HOST_MEMORY;
    }
    (*out)->type = (uint8_t)type;
    fmi_node **end = &(*out)->a;
    fm_status status;
    do {
        status = parse_one(parser, type, is_const, &end);
    } while (status == FM_OK && fmi_syntax_take(parser, ','));
    return status == FM_OK ? fmi_syntax_expect(parser, ';') : status;
}
