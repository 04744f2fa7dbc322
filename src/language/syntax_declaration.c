// Declarations: variables, arrays and their first values; the constants and tables of a header. See syntax.h.
// An array's size is a number by now, and its list of values has exactly as many: C would take fewer, and sizes that
// are not known.
#include "language/syntax.h"

enum { MAX_SIZE = 1 << 20 };

bool fmi_syntax_is_declaration(const fmi_parser *parser)
{
    return fmi_syntax_keyword(parser->at) == FMI_KEYWORD_CONST ||
           (fmi_syntax_type(parser->at) != FMI_VT_COUNT && parser->at[1].op != '(');
}

// `[size]`, as often as there are dimensions; only the first may be left to the list of values.
static void parse_sizes(fmi_parser *parser, fmi_symbol *symbol)
{
    for (const fmi_tok *open = parser->at; fmi_syntax_take(parser, '['); open = parser->at) {
        if (symbol->dim_count == FMI_MAX_DIMS) {
            fmi_syntax_fail(parser, open, "an array has at most %d dimensions", (int)FMI_MAX_DIMS);
            return;
        }
        uint32_t *dim = &symbol->dims[symbol->dim_count++];
        if (symbol->dim_count == 1 && fmi_syntax_take(parser, ']')) {
            continue;
        }
        fmi_syntax_begin_expression(parser);
        fmi_value size;
        fmi_syntax_expression(parser, &size);
        fmi_vtype type = (fmi_vtype)size.node->type;
        bool is_known = size.is_known && fmi_vtype_is_integer(type) && !fmi_vtype_is_64_bit(type);
        if (!is_known || size.number < 1 || size.number > MAX_SIZE) {
            fmi_syntax_fail(parser, size.first,
                            "an array's size is a number from 1 to %d that is known when the kernel is compiled, of "
                            "literals and specialisation values",
                            (int)MAX_SIZE);
        }
        fmi_syntax_expect(parser, ']');
        *dim = (uint32_t)size.number;
    }
}

// One value of a declaration.
static fmi_value parse_first_value(fmi_parser *parser, const fmi_symbol *symbol)
{
    uint32_t uses = parser->use_count;
    parser->operator_count = 0;
    fmi_value value;
    fmi_syntax_assignment(parser, &value);
    fmi_value_fit(parser, &value, (fmi_vtype)symbol->type, "what is stored here");
    fmi_value_check_order(parser, 0, uses);
    if (parser->scope == 0 && !value.is_fixed) {
        fmi_syntax_fail(parser, value.first,
                        "a constant of the header is made of literals, specialisation values, operators and casts "
                        "alone");
    }
    return value;
}

// `{ … }` for the dimensions from `dim` on.
static fmi_node *parse_list(fmi_parser *parser, fmi_symbol *symbol, uint32_t dim)
{
    const fmi_tok *token = parser->at;
    uint32_t count = 0;
    fmi_node *node = fmi_syntax_make(parser, FMI_NODE_LIST, token), **end = &node->a;
    fmi_syntax_expect(parser, '{');
    do {
        bool is_list = dim + 1 < symbol->dim_count && dim + 1 < FMI_MAX_DIMS; // the second for a compiler that unrolls
        fmi_syntax_append(&end, is_list ? parse_list(parser, symbol, dim + 1) : parse_first_value(parser, symbol).node);
        count++;
    } while (fmi_syntax_take(parser, ','));
    fmi_syntax_expect(parser, '}');
    symbol->dims[dim] = symbol->dims[dim] ? symbol->dims[dim] : count;
    if (symbol->dims[dim] != count) {
        fmi_syntax_fail(parser, token, "this list has %u values for %u elements", count, symbol->dims[dim]);
    }
    return node;
}

static void count_bytes(fmi_parser *parser, const fmi_tok *name, const fmi_symbol *symbol)
{
    bool is_wide = fmi_vtype_is_64_bit((fmi_vtype)symbol->type) || symbol->type == FMI_VT_DOUBLE;
    uint64_t bytes = is_wide ? 8 : 4;
    for (uint32_t i = 0; i < symbol->dim_count && bytes <= FMI_MAX_VARIABLE_BYTES; i++) {
        bytes *= symbol->dims[i];
    }
    uint64_t *sum = parser->scope == 0 ? &parser->table_bytes : &parser->local_bytes;
    *sum += bytes;
    if (*sum > FMI_MAX_VARIABLE_BYTES) {
        fmi_syntax_fail(parser, name, "%s have more than %d bytes in all",
                        parser->scope == 0 ? "the header's tables" : "the variables of body and helper functions",
                        (int)FMI_MAX_VARIABLE_BYTES);
    }
}

static fmi_node *parse_initialiser(fmi_parser *parser, fmi_symbol *symbol)
{
    fmi_syntax_begin_expression(parser);
    if (symbol->dim_count) {
        return fmi_syntax_is(parser, '{')
                   ? parse_list(parser, symbol, 0)
                   : fmi_syntax_fail(parser, parser->at, "an array's values stand in a list: { … }")->node;
    }
    fmi_value value = parse_first_value(parser, symbol);
    if (symbol->is_const && value.is_known) {
        fmi_known_convert(&value, (fmi_vtype)value.node->type, (fmi_vtype)symbol->type);
        symbol->is_known = value.is_known;
        symbol->number = value.number;
        symbol->real = value.real;
    }
    return value.node;
}

// A name with what follows it in a declaration: sizes and first value.
static fmi_node *parse_declarator(fmi_parser *parser, fmi_vtype type, bool is_const)
{
    const fmi_tok *name = parser->at;
    if (name->kind != FMI_TOK_NAME) {
        return fmi_syntax_refuse(parser, "the name of a variable is missing here")->node;
    }
    fmi_syntax_skip(parser);
    if (fmi_syntax_is(parser, '(')) {
        fmi_syntax_fail(parser, name, "functions stand in the header, not within others");
    }
    fmi_node *node = fmi_syntax_make(parser, FMI_NODE_DECLARATOR, name);
    fmi_symbol symbol = {.kind = FMI_SYMBOL_VARIABLE, .type = (uint8_t)type, .is_const = is_const};
    parse_sizes(parser, &symbol);
    if (fmi_syntax_take(parser, '=')) {
        parser->declaring = name->name;
        node->a = parse_initialiser(parser, &symbol);
        parser->declaring = NULL;
    } else if (is_const || (symbol.dim_count && symbol.dims[0] == 0)) {
        fmi_syntax_fail(parser, name,
                        is_const ? "what is const needs its value here"
                                 : "an array without a size needs its values here");
    }
    count_bytes(parser, name, &symbol);
    node->symbol = fmi_symbols_declare(parser, name, &symbol);
    return node;
}

fmi_node *fmi_syntax_declaration(fmi_parser *parser)
{
    fmi_node *node = fmi_syntax_make(parser, FMI_NODE_DECLARATION, parser->at), **end = &node->a;
    bool is_const = fmi_syntax_take_const(parser);
    fmi_vtype type = fmi_syntax_type(parser->at);
    if (type == FMI_VT_COUNT || type == FMI_VT_VOID) {
        return fmi_syntax_refuse(parser, "%s",
                                 type == FMI_VT_VOID ? "nothing is a variable of type void; a kernel's code is its "
                                                       "body alone, the signature is made from its parameters"
                                                     : "the type of a variable is missing here")
            ->node;
    }
    fmi_syntax_skip(parser);
    fmi_syntax_note_type(parser, type);
    node->type = (uint8_t)type;
    do {
        fmi_syntax_append(&end, parse_declarator(parser, type, is_const));
    } while (fmi_syntax_take(parser, ','));
    fmi_syntax_expect(parser, ';');
    return node;
}
