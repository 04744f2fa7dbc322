// Operators of two values: what they take and give, and which of them a target leaves open. See syntax.h.
// What is known to go wrong is refused here.
#include "language/syntax.h"

int fmi_syntax_rank(uint8_t op)
{
    switch (op) {
    case FMI_OP_OR: return 1;
    case FMI_OP_AND: return 2;
    case '|': return 3;
    case '^': return 4;
    case '&': return 5;
    case FMI_OP_EQUAL:
    case FMI_OP_UNEQUAL: return 6;
    case '<':
    case '>':
    case FMI_OP_AT_MOST:
    case FMI_OP_AT_LEAST: return 7;
    case FMI_OP_SHIFT_LEFT:
    case FMI_OP_SHIFT_RIGHT: return 8;
    case '+':
    case '-': return 9;
    case '*':
    case '/':
    case '%': return 10;
    default: return 0;
    }
}

static bool is_logic(uint8_t op)
{
    return op == FMI_OP_AND || op == FMI_OP_OR;
}

static bool is_shift(uint8_t op)
{
    return op == FMI_OP_SHIFT_LEFT || op == FMI_OP_SHIFT_RIGHT;
}

// Those that take integers alone, both of one type.
static bool is_of_integers(uint8_t op)
{
    return op == '|' || op == '^' || op == '&' || op == '%';
}

static fm_status refuse(fmi_parser *parser, const fmi_tok *token, uint8_t op, fmi_vtype a, fmi_vtype b)
{
    const char *hint = is_logic(op)                           ? "; it takes bools"
                       : is_shift(op)                         ? "; it takes an integer, and an int or uint behind it"
                       : is_of_integers(op)                   ? "; it takes integers"
                       : a == FMI_VT_BOOL || b == FMI_VT_BOOL ? "; it takes numbers"
                                                              : "; cast one of them";
    return fmi_tok_fail(parser->tokens, token, "'%.*s' does not take %s and %s%s", (int)token->length, token->start,
                        fmi_vtype_phrase(a), fmi_vtype_phrase(b), hint);
}

fm_status fmi_value_find_type(fmi_parser *parser, const fmi_tok *token, const fmi_value *left, const fmi_value *right,
                              fmi_vtype *out)
{
    uint8_t op = token->op & (uint8_t)~FMI_OP_STORES;
    fmi_vtype a = (fmi_vtype)left->node->type, b = (fmi_vtype)right->node->type;
    bool is_equality = op == FMI_OP_EQUAL || op == FMI_OP_UNEQUAL;
    bool is_right;
    *out = a;
    if (is_logic(op)) {
        is_right = fmi_vtype_fits(a, FMI_VT_BOOL) && fmi_vtype_fits(b, FMI_VT_BOOL);
        *out = FMI_VT_BOOL;
    } else if (is_shift(op)) {
        is_right = fmi_vtype_is_integer(a) && fmi_vtype_is_integer(b) && !fmi_vtype_is_64_bit(b);
    } else if (is_equality && a == FMI_VT_BOOL && b == FMI_VT_BOOL) {
        is_right = true;
    } else {
        is_right =
            fmi_vtype_join(a, b, out) && (is_of_integers(op) ? fmi_vtype_is_integer(*out) : fmi_vtype_is_number(*out));
    }
    return is_right ? FM_OK : refuse(parser, token, op, a, b);
}

fm_status fmi_value_check_known(fmi_parser *parser, const fmi_tok *token, fmi_vtype type, const fmi_value *right)
{
    uint8_t op = token->op & (uint8_t)~FMI_OP_STORES;
    if (!right->is_known || !fmi_vtype_is_integer(type)) {
        return FM_OK;
    }
    if ((op == '/' || op == '%') && right->number == 0) {
        return fmi_tok_fail(parser->tokens, right->first, "this divides by zero");
    }
    int64_t bits = fmi_vtype_is_64_bit(type) ? 64 : 32;
    if (is_shift(op) && type != FMI_VT_ANY && (right->number < 0 || right->number >= bits)) {
        return fmi_tok_fail(parser->tokens, right->first, "%s is shifted by 0 to %d bits", fmi_vtype_phrase(type),
                            (int)bits - 1);
    }
    return FM_OK;
}

fmi_check fmi_value_check_of(const fmi_tok *token, fmi_vtype type, const fmi_value *right)
{
    uint8_t op = token->op & (uint8_t)~FMI_OP_STORES;
    bool is_signed = type == FMI_VT_INT || type == FMI_VT_LONG;
    if (type == FMI_VT_ANY || !fmi_vtype_is_integer(type) || !(is_shift(op) || op == '/' || op == '%')) {
        return FMI_CHECK_NONE;
    }
    if (!right->is_known || (!is_shift(op) && is_signed && right->number == -1)) {
        return FMI_CHECK_ALL;
    }
    return op == '%' && is_signed ? FMI_CHECK_SIGN : FMI_CHECK_NONE;
}
