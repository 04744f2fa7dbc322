// Numbers that are known when the kernel is compiled, and what the grammar notes about operations (edits.h). See parser.h.
// Compilers of targets compute with literals, too, and some do it in double precision: so every float that is known is computed here, and
// stands in the generated text as the number that it is. What a compiler could know beyond that goes through a function that it does not look into.
#include "kernel/parser.h"

#include <math.h>

// The nearest number of the type; 0 for NaN.
static int64_t fit(float value, fmi_type type)
{
    const float least = type == FMI_TYPE_INT ? -0x1p31f : type == FMI_TYPE_LONG ? -0x1p63f : 0;
    const float beyond = type == FMI_TYPE_INT    ? 0x1p31f
                         : type == FMI_TYPE_UINT ? 0x1p32f
                         : type == FMI_TYPE_LONG ? 0x1p63f
                                                 : 0x1p64f;
    if (isnan(value)) {
        return 0;
    }
    if (value < least) {
        return type == FMI_TYPE_INT ? INT32_MIN : type == FMI_TYPE_LONG ? INT64_MIN : 0;
    }
    if (value >= beyond) {
        return type == FMI_TYPE_INT    ? INT32_MAX
               : type == FMI_TYPE_UINT ? UINT32_MAX
               : type == FMI_TYPE_LONG ? INT64_MAX
                                       : -1; // all bits
    }
    return type == FMI_TYPE_ULONG ? (int64_t)(uint64_t)value : (int64_t)value;
}

void fmi_parse_convert(fmi_value *value, fmi_type type)
{
    fmi_type from = (fmi_type)value->type;
    value->type = (uint8_t)type;
    if (!value->is_known) {
        return;
    }
    if (from == FMI_TYPE_FLOAT && type != FMI_TYPE_FLOAT && type != FMI_TYPE_DOUBLE) {
        value->number = type == FMI_TYPE_BOOL ? value->real != 0 : fit(value->real, type);
    }
    switch (type) {
    case FMI_TYPE_BOOL: value->number = value->number != 0; break;
    case FMI_TYPE_INT: value->number = (int32_t)(uint32_t)(uint64_t)value->number; break;
    case FMI_TYPE_UINT: value->number = (uint32_t)(uint64_t)value->number; break;
    case FMI_TYPE_LONG:
    case FMI_TYPE_ULONG: break;
    case FMI_TYPE_FLOAT:
        value->real = from == FMI_TYPE_FLOAT   ? value->real
                      : from == FMI_TYPE_ULONG ? (float)(uint64_t)value->number
                                               : (float)value->number;
        break;
    default: value->is_known = false; break;
    }
}

static int64_t divide(fmi_type type, bool gives_rest, int64_t a, int64_t b)
{
    if (type == FMI_TYPE_ULONG || type == FMI_TYPE_UINT) {
        return (int64_t)(gives_rest ? (uint64_t)a % (uint64_t)b : (uint64_t)a / (uint64_t)b);
    }
    if (b == -1) {
        return gives_rest ? 0 : (int64_t)(0 - (uint64_t)a);
    }
    return gives_rest ? a % b : a / b;
}

// Of two numbers that are no floats.
static int64_t compute_whole(const char *op, fmi_type type, int64_t a, int64_t b)
{
    uint64_t x = (uint64_t)a, y = (uint64_t)b;
    bool is_unsigned = type == FMI_TYPE_ULONG;
    bool is_less = is_unsigned ? x < y : a < b;
    switch (op[0]) {
    case '|': return op[1] == '|' ? a || b : a | b;
    case '&': return op[1] == '&' ? a && b : a & b;
    case '^': return a ^ b;
    case '=': return a == b;
    case '!': return a != b;
    case '<': return op[1] == '<' ? (int64_t)(x << (y & 63)) : op[1] ? is_less || a == b : is_less;
    case '>':
        return op[1] == '>' ? (is_unsigned ? (int64_t)(x >> (y & 63)) : a >> (y & 63))
               : op[1]      ? !is_less
                            : !is_less && a != b;
    case '+': return (int64_t)(x + y);
    case '-': return (int64_t)(x - y);
    case '*': return (int64_t)(x * y);
    default: return divide(type, op[0] == '%', a, b);
    }
}

void fmi_parse_compute(const char *op, fmi_type type, const fmi_value *left, const fmi_value *right, fmi_value *out)
{
    if (type != FMI_TYPE_FLOAT) {
        out->number = compute_whole(op, type, left->number, right->number);
        return;
    }
    float a = left->real, b = right->real;
    switch (op[0]) {
    case '+': out->real = a + b; break;
    case '-': out->real = a - b; break;
    case '*': out->real = a * b; break;
    case '/': out->real = a / b; break;
    case '<': out->number = op[1] ? a <= b : a < b; break;
    case '>': out->number = op[1] ? a >= b : a > b; break;
    case '=': out->number = a == b; break;
    default: out->number = a != b; break;
    }
}

fm_status fmi_parse_note_number(fmi_parser *parser, const fmi_value *value)
{
    const fmi_number number = {.type = (fmi_type)value->type, .whole = value->number, .real = value->real};
    return fmi_edits_add_number(parser->tokens, value->at, parser->at, &number);
}

fm_status fmi_parse_note_operation(fmi_parser *parser, uint32_t op, fmi_type type, const fmi_value *left,
                                   const fmi_value *right, bool stores)
{
    const char *text = parser->tokens->list[op].start;
    bool is_shift = (text[0] == '<' || text[0] == '>') && text[1] == text[0], is_rest = text[0] == '%';
    if (!fmi_type_is_integer(type) || type == FMI_TYPE_ANY || !(is_shift || is_rest || text[0] == '/')) {
        return FM_OK;
    }
    bool is_signed = type == FMI_TYPE_INT || type == FMI_TYPE_LONG;
    bool is_harmless = right->is_known && (is_shift || right->number != (is_signed ? -1 : 0));
    const fmi_operation_place place = {.operation = is_shift  ? FMI_OPERATION_SHIFT
                                                    : is_rest ? FMI_OPERATION_REST
                                                              : FMI_OPERATION_DIVIDE,
                                       .type = type,
                                       .stores = stores,
                                       .is_storage = stores && left->is_storage && !is_shift,
                                       .needs_check = !is_harmless,
                                       .first = is_shift ? right->at : left->at,
                                       .middle = op,
                                       .end = parser->at};
    return is_harmless && !(is_rest && is_signed) ? FM_OK : fmi_edits_add_operation(parser->tokens, &place);
}

fm_status fmi_parse_note_opaque(fmi_parser *parser, uint32_t first, uint32_t end, fmi_type type)
{
    if (!fmi_type_is_number(type) || type == FMI_TYPE_ANY || type == FMI_TYPE_DOUBLE) {
        return FM_OK;
    }
    const fmi_operation_place place = {
        .operation = FMI_OPERATION_OPAQUE, .type = type, .first = first, .middle = first, .end = end};
    return fmi_edits_add_operation(parser->tokens, &place);
}
