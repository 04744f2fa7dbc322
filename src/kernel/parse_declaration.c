// Declarations: variables, arrays and their first values; the constants and tables of a header. See parser.h.
// An array's size is a number by now, and its list of values has exactly as many: C would take fewer, and sizes that are not known.
#include "kernel/parser.h"

#include <string.h>

enum { MAX_SIZE = 1 << 20 };

bool fmi_parse_is_declaration(const fmi_parser *parser)
{
    bool is_type = fmi_parser_peek_type(parser) != FMI_TYPE_COUNT;
    return fmi_parser_is(parser, "const") ||
           (is_type && !fmi_token_is(parser->tokens, fmi_token_next(parser->tokens, parser->at), "("));
}

// `[size]`, as often as there are dimensions; only the first may be left to the list of values.
static fm_status parse_sizes(fmi_parser *parser, fmi_symbol *symbol)
{
    while (fmi_parser_is(parser, "[")) {
        uint32_t at = parser->at;
        fmi_parser_skip(parser);
        if (symbol->dim_count == FMI_MAX_DIMS) {
            return fmi_token_fail(parser->tokens, at, "an array has at most %d dimensions", (int)FMI_MAX_DIMS);
        }
        if (symbol->dim_count == 0 && fmi_parser_take(parser, "]")) {
            symbol->dims[symbol->dim_count++] = 0;
            continue;
        }
        fmi_value size;
        fmi_parse_begin_expression(parser);
        fm_status status = fmi_parse_expression(parser, &size);
        if (status == FM_OK &&
            !(size.is_known && fmi_type_is_integer((fmi_type)size.type) && !fmi_type_is_64_bit((fmi_type)size.type) &&
              size.number >= 1 && size.number <= MAX_SIZE)) {
            status = fmi_token_fail(parser->tokens, size.at,
                                    "an array's size is a number from 1 to %d that is known when the kernel is "
                                    "compiled, of literals and specialisation values",
                                    (int)MAX_SIZE);
        }
        if (status == FM_OK) {
            status = fmi_parser_expect(parser, "]");
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
    fm_status status = fmi_parse_assignment(parser, out);
    if (status == FM_OK) {
        status = fmi_parse_check_fits(parser, out, (fmi_type)symbol->type, "what is stored here");
    }
    if (status == FM_OK) {
        status = fmi_parse_check_order(parser, 0, uses, parser->use_count);
    }
    if (status == FM_OK && parser->scope == 0 && !out->is_fixed) {
        status = fmi_token_fail(parser->tokens, out->at,
                                "a constant of the header is made of literals, specialisation values, operators and "
                                "casts alone");
    }
    return status;
}

// `{ … }` for the dimensions from `dim` on.
static fm_status parse_list(fmi_parser *parser, fmi_symbol *symbol, uint32_t dim)
{
    uint32_t at = parser->at, count = 0;
    fmi_value value;
    fm_status status = fmi_parser_expect(parser, "{");
    while (status == FM_OK) {
        status = dim + 1 < symbol->dim_count ? parse_list(parser, symbol, dim + 1)
                                             : parse_first_value(parser, symbol, &value);
        count++;
        if (status != FM_OK || !fmi_parser_take(parser, ",")) {
            break;
        }
    }
    if (status == FM_OK) {
        status = fmi_parser_expect(parser, "}");
    }
    uint32_t *size =
        &symbol->dims[dim < FMI_MAX_DIMS ? dim : FMI_MAX_DIMS - 1]; // a symbol has no more; compilers cannot know
    if (status == FM_OK && *size == 0) {
        *size = count;
    }
    if (status == FM_OK && *size != count) {
        status = fmi_token_fail(parser->tokens, at, "this list has %u values for %u elements", count, *size);
    }
    return status;
}

static fm_status count_bytes(fmi_parser *parser, uint32_t at, const fmi_symbol *symbol)
{
    uint64_t bytes = fmi_type_size((fmi_type)symbol->type);
    for (uint32_t i = 0; i < symbol->dim_count && bytes <= FMI_MAX_LOCAL_BYTES; i++) {
        bytes *= symbol->dims[i];
    }
    uint64_t *sum = parser->scope == 0 ? &parser->table_bytes : &parser->local_bytes;
    *sum += bytes;
    if (*sum > FMI_MAX_LOCAL_BYTES) {
        return fmi_token_fail(parser->tokens, at, "%s have more than %d bytes in all",
                              parser->scope == 0 ? "the header's tables" : "the variables of body and helper functions",
                              (int)FMI_MAX_LOCAL_BYTES);
    }
    return FM_OK;
}

static fm_status parse_initialiser(fmi_parser *parser, fmi_symbol *symbol)
{
    fmi_value value;
    fmi_parse_begin_expression(parser);
    if (symbol->dim_count) {
        if (!fmi_parser_is(parser, "{")) {
            return fmi_token_fail(parser->tokens, parser->at, "an array's values stand in a list: { … }");
        }
        return parse_list(parser, symbol, 0);
    }
    fm_status status = parse_first_value(parser, symbol, &value);
    if (status == FM_OK && symbol->is_const && value.is_known) {
        fmi_parse_convert(&value, (fmi_type)symbol->type);
        symbol->is_known = value.is_known;
        symbol->number = value.number;
        symbol->real = value.real;
    }
    return status;
}

fm_status fmi_parse_declarator(fmi_parser *parser, uint32_t at, fmi_symbol *symbol)
{
    fm_status status = parse_sizes(parser, symbol);
    bool has_value = status == FM_OK && fmi_parser_take(parser, "=");
    if (has_value) {
        parser->declaring = at;
        status = parse_initialiser(parser, symbol);
        parser->declaring = UINT32_MAX;
    } else if (status == FM_OK && (symbol->is_const || (symbol->dim_count && symbol->dims[0] == 0))) {
        status = fmi_token_fail(parser->tokens, at,
                                symbol->is_const ? "what is const needs its value here"
                                                 : "an array without a size needs its values here");
    }
    if (status == FM_OK) {
        status = count_bytes(parser, at, symbol);
    }
    return status == FM_OK ? fmi_scope_declare(parser, at, symbol) : status;
}

fm_status fmi_parse_declaration(fmi_parser *parser)
{
    bool is_const = fmi_parser_take(parser, "const");
    fmi_type type = fmi_parser_peek_type(parser);
    if (type == FMI_TYPE_COUNT || type == FMI_TYPE_VOID) {
        return fmi_token_fail(parser->tokens, parser->at,
                              type == FMI_TYPE_VOID ? "nothing is a variable of type void; a kernel's code is its body "
                                                      "alone, the signature is made from its parameters"
                                                    : "the type of a variable is missing here");
    }
    fmi_parser_skip(parser);
    do {
        uint32_t at = parser->at;
        const fmi_token *name = fmi_parser_token(parser);
        if (name->kind != FMI_TOKEN_NAME) {
            return fmi_token_fail(parser->tokens, at, "the name of a variable is missing here");
        }
        fmi_parser_skip(parser);
        if (fmi_parser_is(parser, "(")) {
            return fmi_token_fail(parser->tokens, at, "functions stand in the header, not within others");
        }
        fmi_symbol symbol = {.kind = FMI_SYMBOL_VARIABLE, .type = (uint8_t)type, .is_const = is_const};
        fm_status status = fmi_parse_declarator(parser, at, &symbol);
        if (status != FM_OK) {
            return status;
        }
    } while (fmi_parser_take(parser, ","));
    return fmi_parser_expect(parser, ";");
}
