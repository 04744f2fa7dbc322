// Operators of two values: what they take and give, and which of them a target leaves open. See syntax.h.
// What is known to go wrong is refused here.
#include "language/syntax.h"

enum takes { NUMBERS, EQUALS, INTEGERS, SHIFTED, BOOLS };

// By their tokens' `op`, without FMI_OP_STORES.
static const struct {
    uint8_t rank;  // how tightly it binds; 0: no operator of two values
    uint8_t takes; // enum takes
    bool gives_bool;
} operators[FMI_OP_STORES] = {
    [FMI_OP_OR] = {1, BOOLS, true},
    [FMI_OP_AND] = {2, BOOLS, true},
    ['|'] = {3, INTEGERS, false},
    ['^'] = {4, INTEGERS, false},
    ['&'] = {5, INTEGERS, false},
    [FMI_OP_EQUAL] = {6, EQUALS, true},
    [FMI_OP_UNEQUAL] = {6, EQUALS, true},
    ['<'] = {7, NUMBERS, true},
    ['>'] = {7, NUMBERS, true},
    [FMI_OP_AT_MOST] = {7, NUMBERS, true},
    [FMI_OP_AT_LEAST] = {7, NUMBERS, true},
    [FMI_OP_SHIFT_LEFT] = {8, SHIFTED, false},
    [FMI_OP_SHIFT_RIGHT] = {8, SHIFTED, false},
    ['+'] = {9, NUMBERS, false},
    ['-'] = {9, NUMBERS, false},
    ['*'] = {10, NUMBERS, false},
    ['/'] = {10, NUMBERS, false},
    ['%'] = {10, INTEGERS, false},
};

int fmi_syntax_rank(uint8_t op)
{
    return op < FMI_OP_STORES ? operators[op].rank : 0;
}

bool fmi_syntax_gives_bool(uint8_t op)
{
    return operators[op].gives_bool;
}

static uint8_t operator_of(const fmi_tok *token)
{
    return token->op & (uint8_t)~FMI_OP_STORES;
}

fmi_vtype fmi_value_find_type(fmi_parser *parser, const fmi_tok *token, const fmi_value *left, const fmi_value *right)
{
    uint8_t takes = operators[operator_of(token)].takes;
    fmi_vtype type = (fmi_vtype)left->node->type, a = type, b = (fmi_vtype)right->node->type;
    bool are_bools = a == FMI_VT_BOOL && b == FMI_VT_BOOL, is_right;
    if (takes == BOOLS) {
        is_right = fmi_vtype_fits(a, FMI_VT_BOOL) && fmi_vtype_fits(b, FMI_VT_BOOL);
        type = FMI_VT_BOOL;
    } else if (takes == SHIFTED) {
        is_right = fmi_vtype_is_integer(a) && fmi_vtype_is_integer(b) && !fmi_vtype_is_64_bit(b);
    } else if (takes == EQUALS && are_bools) {
        is_right = true;
    } else {
        is_right =
            fmi_vtype_join(a, b, &type) && (takes == INTEGERS ? fmi_vtype_is_integer(type) : fmi_vtype_is_number(type));
    }
    if (!is_right) {
        const char *hint = takes == BOOLS      ? "; it takes bools"
                           : takes == SHIFTED  ? "; it takes an integer, and an int or uint behind it"
                           : takes == INTEGERS ? "; it takes integers"
                           : a == FMI_VT_BOOL || b == FMI_VT_BOOL ? "; it takes numbers"
                                                                  : "; cast one of them";
        fmi_syntax_fail(parser, token, "'@' does not take %s and %s%s", fmi_vtype_phrase(a), fmi_vtype_phrase(b), hint);
    }
    return type;
}

void fmi_value_check_known(fmi_parser *parser, const fmi_tok *token, fmi_vtype type, const fmi_value *right)
{
    uint8_t op = operator_of(token);
    if (!right->is_known || !fmi_vtype_is_integer(type)) {
        return;
    }
    if ((op == '/' || op == '%') && right->number == 0) {
        fmi_syntax_fail(parser, right->first, "this divides by zero");
    }
    int64_t bits = fmi_vtype_is_64_bit(type) ? 64 : 32;
    if (operators[op].takes == SHIFTED && type != FMI_VT_ANY && (right->number < 0 || right->number >= bits)) {
        fmi_syntax_fail(parser, right->first, "%s is shifted by 0 to %d bits", fmi_vtype_phrase(type), (int)bits - 1);
    }
}

fmi_check fmi_value_check_of(const fmi_tok *token, fmi_vtype type, const fmi_value *right)
{
    uint8_t op = operator_of(token);
    bool is_shift = operators[op].takes == SHIFTED, is_signed = type == FMI_VT_INT || type == FMI_VT_LONG;
    if (type == FMI_VT_ANY || !fmi_vtype_is_integer(type) || !(is_shift || op == '/' || op == '%')) {
        return FMI_CHECK_NONE;
    }
    if (!right->is_known || (!is_shift && is_signed && right->number == -1)) {
        return FMI_CHECK_ALL;
    }
    return op == '%' && is_signed ? FMI_CHECK_SIGN : FMI_CHECK_NONE;
}
