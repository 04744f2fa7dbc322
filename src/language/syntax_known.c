// Numbers that are known when the kernel is compiled: operators and casts of literals and specialisation values. See
// syntax.h.
// Compilers of targets compute with literals, too, and some do it in double precision: so all that is known is computed
// here, and stands in the tree as the number that it is.
#include "language/syntax.h"

#include <math.h>

// The nearest number of the type; 0 for NaN.
static int64_t fit(float value, fmi_vtype type)
{
    const float least = type == FMI_VT_INT ? -0x1p31f : type == FMI_VT_LONG ? -0x1p63f : 0;
    const float beyond = type == FMI_VT_INT    ? 0x1p31f
                         : type == FMI_VT_UINT ? 0x1p32f
                         : type == FMI_VT_LONG ? 0x1p63f
                                               : 0x1p64f;
    if (isnan(value)) {
        return 0;
    }
    if (value < least) {
        return type == FMI_VT_INT ? INT32_MIN : type == FMI_VT_LONG ? INT64_MIN : 0;
    }
    if (value >= beyond) {
        return type == FMI_VT_INT ? INT32_MAX : type == FMI_VT_UINT ? UINT32_MAX : type == FMI_VT_LONG ? INT64_MAX : -1;
    }
    return type == FMI_VT_ULONG ? (int64_t)(uint64_t)value : (int64_t)value;
}

void fmi_known_convert(fmi_value *value, fmi_vtype from, fmi_vtype type)
{
    if (!value->is_known) {
        return;
    }
    if (from == FMI_VT_FLOAT && type != FMI_VT_FLOAT && type != FMI_VT_DOUBLE) {
        value->number = type == FMI_VT_BOOL ? value->real != 0 : fit(value->real, type);
    }
    switch (type) {
    case FMI_VT_BOOL: value->number = value->number != 0; break;
    case FMI_VT_INT: value->number = (int32_t)(uint32_t)(uint64_t)value->number; break;
    case FMI_VT_UINT: value->number = (uint32_t)(uint64_t)value->number; break;
    case FMI_VT_LONG:
    case FMI_VT_ULONG: break;
    case FMI_VT_FLOAT:
        value->real = from == FMI_VT_FLOAT   ? value->real
                      : from == FMI_VT_ULONG ? (float)(uint64_t)value->number
                                             : (float)value->number;
        break;
    case FMI_VT_VOID:
    case FMI_VT_ANY:
    case FMI_VT_DOUBLE:
    case FMI_VT_COUNT: value->is_known = false; break;
    }
}

static int64_t divide(fmi_vtype type, bool gives_rest, int64_t a, int64_t b)
{
    if (type == FMI_VT_ULONG || type == FMI_VT_UINT) {
        return (int64_t)(gives_rest ? (uint64_t)a % (uint64_t)b : (uint64_t)a / (uint64_t)b);
    }
    if (b == -1) {
        return gives_rest ? 0 : (int64_t)(0 - (uint64_t)a);
    }
    return gives_rest ? a % b : a / b;
}

int64_t fmi_known_compute_whole(uint8_t op, fmi_vtype type, int64_t a, int64_t b)
{
    uint64_t x = (uint64_t)a, y = (uint64_t)b;
    bool is_unsigned = type == FMI_VT_ULONG;
    bool is_less = is_unsigned ? x < y : a < b;
    switch (op) {
    case FMI_OP_OR: return a || b;
    case FMI_OP_AND: return a && b;
    case '|': return a | b;
    case '&': return a & b;
    case '^': return a ^ b;
    case FMI_OP_EQUAL: return a == b;
    case FMI_OP_UNEQUAL: return a != b;
    case '<': return is_less;
    case FMI_OP_AT_MOST: return is_less || a == b;
    case '>': return !is_less && a != b;
    case FMI_OP_AT_LEAST: return !is_less;
    case FMI_OP_SHIFT_LEFT: return (int64_t)(x << (y & 63));
    case FMI_OP_SHIFT_RIGHT: return is_unsigned ? (int64_t)(x >> (y & 63)) : a >> (b & 63);
    case '+': return (int64_t)(x + y);
    case '-': return (int64_t)(x - y);
    case '*': return (int64_t)(x * y);
    default: return divide(type, op == '%', a, b);
    }
}

void fmi_known_compute(uint8_t op, fmi_vtype type, fmi_value *left, const fmi_value *right)
{
    if (type != FMI_VT_FLOAT) {
        left->number = fmi_known_compute_whole(op, type, left->number, right->number);
        return;
    }
    float a = left->real, b = right->real;
    switch (op) {
    case '+': left->real = a + b; break;
    case '-': left->real = a - b; break;
    case '*': left->real = a * b; break;
    case '/': left->real = a / b; break;
    case '<': left->number = a < b; break;
    case '>': left->number = a > b; break;
    case FMI_OP_AT_MOST: left->number = a <= b; break;
    case FMI_OP_AT_LEAST: left->number = a >= b; break;
    case FMI_OP_EQUAL: left->number = a == b; break;
    default: left->number = a != b; break;
    }
}

void fmi_known_fold(fmi_parser *parser, fmi_value *value, fmi_vtype type, const fmi_tok *token)
{
    if (!value->is_known) {
        return;
    }
    value->node = fmi_syntax_make(parser, FMI_NODE_KNOWN, token);
    value->node->type = (uint8_t)type;
    value->use = UINT32_MAX;
    value->is_lvalue = value->is_const = false;
    if (type == FMI_VT_FLOAT) {
        value->node->real = value->real;
    } else {
        value->node->number = value->number;
    }
}
