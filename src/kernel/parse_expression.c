// Expressions: operators, their types, and what they do to variables. See parser.h.
// Operands are computed in any order by a target, so an expression that changes a variable and names it once more is refused, unless `&&`, `||`,
// `?` or a comma stands between.
#include "kernel/parser.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

static fm_status parse_conditional(fmi_parser *parser, fmi_value *out);

void fmi_parse_begin_expression(fmi_parser *parser)
{
    parser->use_count = 0;
    parser->change_count = 0;
    parser->operator_count = 0;
}

// One operator or comma more, at the parser's place.
static fm_status count_operator(fmi_parser *parser)
{
    if (++parser->operator_count > FMI_MAX_OPERATORS) {
        return fmi_token_fail(parser->tokens, parser->at, "one expression has more than %d operators",
                              (int)FMI_MAX_OPERATORS);
    }
    return FM_OK;
}

fm_status fmi_parse_add_use(fmi_parser *parser, uint32_t symbol, uint32_t at, uint32_t *out_use)
{
    if (parser->use_count == parser->use_capacity) {
        uint32_t capacity = parser->use_capacity ? 2 * parser->use_capacity : 64;
        fmi_use *list = realloc(parser->uses, capacity * sizeof *list);
        if (!list) {
            return fmi_fail(FM_ERROR_OUT_OF_HOST_MEMORY, "no host memory to read the kernel's text");
        }
        parser->uses = list;
        parser->use_capacity = capacity;
    }
    *out_use = parser->use_count++;
    parser->uses[*out_use] = (fmi_use){.symbol = symbol, .at = at};
    return FM_OK;
}

static const fmi_use *find_clash(const fmi_parser *parser, const fmi_use *change, uint32_t begin, uint32_t end)
{
    for (uint32_t i = begin; i < end; i++) {
        if (parser->uses[i].symbol == change->symbol && change->changes) {
            return &parser->uses[i];
        }
    }
    return NULL;
}

fm_status fmi_parse_check_order(fmi_parser *parser, uint32_t first, uint32_t middle, uint32_t end)
{
    const fmi_use *clash = NULL;
    for (uint32_t i = first; i < end && parser->change_count && !clash; i++) {
        const fmi_use *use = &parser->uses[i];
        if (use->changes) {
            clash = i < middle ? find_clash(parser, use, middle, end) : find_clash(parser, use, first, middle);
            clash = clash && clash->at < use->at ? use : clash;
        }
    }
    if (clash) {
        const fmi_token *name = &parser->tokens->list[clash->at];
        return fmi_token_fail(parser->tokens, clash->at,
                              "'%.*s' is changed and used again in one expression, whose parts have no order",
                              (int)name->length, name->start);
    }
    return FM_OK;
}

fm_status fmi_parse_check_value(fmi_parser *parser, const fmi_value *value)
{
    if (value->type == FMI_TYPE_VOID) {
        return fmi_token_fail(parser->tokens, value->at, "this function gives nothing, so it has no value");
    }
    if (value->dims) {
        return fmi_token_fail(parser->tokens, value->at, "this is an array: only its elements have values");
    }
    return FM_OK;
}

fm_status fmi_parse_check_fits(fmi_parser *parser, const fmi_value *value, fmi_type type, const char *what)
{
    fm_status status = fmi_parse_check_value(parser, value);
    if (status == FM_OK && !fmi_type_fits((fmi_type)value->type, type)) {
        if (type == FMI_TYPE_BOOL) {
            return fmi_token_fail(parser->tokens, value->at, "%s is a bool, and this is %s: compare it, as in 'n != 0'",
                                  what, fmi_type_phrase((fmi_type)value->type));
        }
        return fmi_token_fail(parser->tokens, value->at, "%s is %s, and this is %s: cast it with %s(…)", what,
                              fmi_type_phrase(type), fmi_type_phrase((fmi_type)value->type), fmi_type_name(type));
    }
    return status;
}

struct operator
{
    char text[3];
    char kind; // 'a' arithmetic, 'i' of integers, 's' shift, 'c' comparison, 'e' equality, 'l' logic
    uint8_t rank;
};

static const struct operator operators[] = {
    {"||", 'l', 1}, {"&&", 'l', 2}, {"|", 'i', 3}, {"^", 'i', 4},  {"&", 'i', 5},  {"==", 'e', 6},
    {"!=", 'e', 6}, {"<", 'c', 7},  {">", 'c', 7}, {"<=", 'c', 7}, {">=", 'c', 7}, {"<<", 's', 8},
    {">>", 's', 8}, {"+", 'a', 9},  {"-", 'a', 9}, {"*", 'a', 10}, {"/", 'a', 10}, {"%", 'i', 10},
};

static const struct operator* find_operator(const fmi_token *token, size_t length)
{
    for (size_t i = 0; i < sizeof operators / sizeof operators[0]; i++) {
        if (strlen(operators[i].text) == length && memcmp(operators[i].text, token->start, length) == 0) {
            return &operators[i];
        }
    }
    return NULL;
}

// What is known to go wrong: a division by zero, a shift by more bits than there are.
static fm_status check_known(fmi_parser *parser, const struct operator* op, fmi_type type, const fmi_value *right)
{
    if (!right->is_known || !fmi_type_is_integer(type)) {
        return FM_OK;
    }
    if ((op->text[0] == '/' || op->text[0] == '%') && right->number == 0) {
        return fmi_token_fail(parser->tokens, right->at, "this divides by zero");
    }
    int64_t bits = fmi_type_is_64_bit(type) ? 64 : 32;
    if (op->kind == 's' && type != FMI_TYPE_ANY && (right->number < 0 || right->number >= bits)) {
        return fmi_token_fail(parser->tokens, right->at, "%s is shifted by 0 to %d bits", fmi_type_phrase(type),
                              (int)bits - 1);
    }
    return FM_OK;
}

// The type of `left op right` as it is computed; the operands become it, but for the right one of a shift.
static fm_status find_type(fmi_parser *parser, const struct operator* op, uint32_t at, const fmi_value *left,
                           const fmi_value *right, fmi_type *out)
{
    fmi_type a = (fmi_type)left->type, b = (fmi_type)right->type;
    bool is_right = true;
    *out = a;
    if (op->kind == 'l') {
        is_right = fmi_type_fits(a, FMI_TYPE_BOOL) && fmi_type_fits(b, FMI_TYPE_BOOL);
        *out = FMI_TYPE_BOOL;
    } else if (op->kind == 's') {
        is_right = fmi_type_is_integer(a) && fmi_type_is_integer(b) && !fmi_type_is_64_bit(b);
    } else if (op->kind == 'e' && a == FMI_TYPE_BOOL && b == FMI_TYPE_BOOL) {
        *out = FMI_TYPE_BOOL;
    } else {
        is_right = fmi_type_join(a, b, out) && (op->kind == 'i' ? fmi_type_is_integer(*out) : fmi_type_is_number(*out));
    }
    if (is_right) {
        return FM_OK;
    }
    int length = (int)parser->tokens->list[at].length;
    const char *start = parser->tokens->list[at].start;
    const char *hint = op->kind == 'l'   ? "; it takes bools"
                       : op->kind == 's' ? "; it takes an integer, and an int or uint behind it"
                       : op->kind == 'i' ? "; it takes integers"
                       : a == FMI_TYPE_BOOL || b == FMI_TYPE_BOOL ? "; it takes numbers"
                                                                  : "; cast one of them";
    return fmi_token_fail(parser->tokens, at, "'%.*s' does not take %s and %s%s", length, start, fmi_type_phrase(a),
                          fmi_type_phrase(b), hint);
}

static fm_status combine(fmi_parser *parser, const struct operator* op, uint32_t at, fmi_value *left, fmi_value *right)
{
    fmi_type type = FMI_TYPE_VOID;
    fm_status status = fmi_parse_check_value(parser, left);
    if (status == FM_OK) {
        status = fmi_parse_check_value(parser, right);
    }
    if (status == FM_OK) {
        status = find_type(parser, op, at, left, right, &type);
    }
    if (status == FM_OK) {
        status = check_known(parser, op, type, right);
    }
    if (status == FM_OK && op->kind != 'l') {
        status = fmi_parse_check_order(parser, left->uses, right->uses, parser->use_count);
    }
    if (status != FM_OK) {
        return status;
    }
    fmi_parse_convert(left, type);
    if (op->kind != 's') {
        fmi_parse_convert(right, type);
    }
    bool gives_bool = strchr("cel", op->kind) != NULL;
    fmi_value value = {.type = gives_bool ? FMI_TYPE_BOOL : (uint8_t)type,
                       .is_fixed = left->is_fixed && right->is_fixed,
                       .is_known = left->is_known && right->is_known,
                       .at = left->at,
                       .variable = UINT32_MAX,
                       .uses = left->uses};
    if (!value.is_known) {
        status = fmi_parse_note_operation(parser, at, type, left, right, false);
    } else {
        fmi_parse_compute(op->text, type, left, right, &value);
        fmi_parse_convert(&value, (fmi_type)value.type); // cuts what ran over
        bool is_division = op->text[0] == '/' || op->text[0] == '%';
        if (type == FMI_TYPE_FLOAT || (is_division && right->number == -1)) {
            status = fmi_parse_note_number(parser, &value);
        }
    }
    *left = value;
    return status;
}

static fm_status parse_binary(fmi_parser *parser, int least, fmi_value *out)
{
    fm_status status = fmi_parse_operand(parser, out);
    while (status == FM_OK) {
        const fmi_token *token = fmi_parser_token(parser);
        const struct operator* op = token->kind == FMI_TOKEN_OPERATOR ? find_operator(token, token->length) : NULL;
        if (!op || op->rank <= least) {
            return FM_OK;
        }
        uint32_t at = parser->at;
        fmi_value right;
        status = count_operator(parser);
        fmi_parser_skip(parser);
        status = status == FM_OK ? parse_binary(parser, op->rank, &right) : status;
        if (status == FM_OK) {
            status = combine(parser, op, at, out, &right);
        }
    }
    return status;
}

static fm_status parse_conditional(fmi_parser *parser, fmi_value *out)
{
    fm_status status = parse_binary(parser, 0, out);
    if (status != FM_OK || !fmi_parser_is(parser, "?")) {
        return status;
    }
    uint32_t at = parser->at;
    fmi_value yes, no;
    fmi_type type = FMI_TYPE_BOOL;
    status = fmi_parse_check_fits(parser, out, FMI_TYPE_BOOL, "what stands before '?'");
    fmi_parser_skip(parser);
    if (++parser->depth > FMI_MAX_NESTED && status == FM_OK) {
        status = fmi_token_fail(parser->tokens, at, "this is nested more than %d deep", (int)FMI_MAX_NESTED);
    }
    if (status == FM_OK) {
        status = fmi_parse_expression(parser, &yes);
    }
    if (status == FM_OK) {
        status = fmi_parser_expect(parser, ":");
    }
    if (status == FM_OK) {
        status = parse_conditional(parser, &no);
    }
    parser->depth--;
    if (status == FM_OK) {
        status = fmi_parse_check_value(parser, &yes);
    }
    if (status == FM_OK) {
        status = fmi_parse_check_value(parser, &no);
    }
    if (status == FM_OK && !fmi_type_join((fmi_type)yes.type, (fmi_type)no.type, &type)) {
        status = fmi_token_fail(parser->tokens, at, "the two values of '?' are %s and %s: cast one of them",
                                fmi_type_phrase((fmi_type)yes.type), fmi_type_phrase((fmi_type)no.type));
    }
    if (status == FM_OK) {
        fmi_value *chosen = out->number ? &yes : &no;
        fmi_parse_convert(chosen, type);
        bool is_known = out->is_known && chosen->is_known;
        *out = (fmi_value){.type = (uint8_t)type,
                           .is_fixed = out->is_fixed && yes.is_fixed && no.is_fixed,
                           .is_known = is_known,
                           .at = out->at,
                           .variable = UINT32_MAX,
                           .uses = out->uses,
                           .number = is_known ? chosen->number : 0,
                           .real = is_known ? chosen->real : 0};
    }
    return status;
}

// Notes that the variable is changed; elements have no name of their own.
static fm_status note_change(fmi_parser *parser, const fmi_value *target)
{
    if (target->variable == UINT32_MAX) {
        return FM_OK;
    }
    parser->uses[target->variable].changes = true;
    if (++parser->change_count > FMI_MAX_CHANGES) {
        return fmi_token_fail(parser->tokens, target->at, "one expression changes more than %d variables",
                              (int)FMI_MAX_CHANGES);
    }
    return FM_OK;
}

static fm_status check_target(fmi_parser *parser, const fmi_value *target, uint32_t at)
{
    fm_status status = fmi_parse_check_value(parser, target);
    if (status == FM_OK && !target->is_lvalue) {
        return fmi_token_fail(parser->tokens, at, "nothing can be stored to what stands beside '%.*s'",
                              (int)parser->tokens->list[at].length, parser->tokens->list[at].start);
    }
    if (status == FM_OK && target->is_const) {
        return fmi_token_fail(parser->tokens, target->at, "this is const and cannot be changed");
    }
    return status;
}

// `++` and `--`, on either side.
fm_status fmi_parse_step(fmi_parser *parser, fmi_value *target, uint32_t at)
{
    fm_status status = check_target(parser, target, at);
    if (status == FM_OK && !fmi_type_is_number((fmi_type)target->type)) {
        status = fmi_token_fail(parser->tokens, at, "'%.*s' takes a number, not a bool",
                                (int)parser->tokens->list[at].length, parser->tokens->list[at].start);
    }
    if (status == FM_OK) {
        status = note_change(parser, target);
    }
    target->is_lvalue = target->is_known = target->is_fixed = false;
    target->variable = UINT32_MAX;
    return status;
}

static fm_status assign(fmi_parser *parser, uint32_t at, fmi_value *target, fmi_value *value)
{
    const fmi_token *token = &parser->tokens->list[at];
    const struct operator* op = token->length> 1 ? find_operator(token, token->length - 1) : NULL;
    fm_status status = check_target(parser, target, at);
    fmi_type type = (fmi_type)target->type;
    if (status == FM_OK && op) {
        fmi_type computed;
        status = find_type(parser, op, at, target, value, &computed);
        if (status == FM_OK) {
            status = check_known(parser, op, computed, value);
        }
    }
    if (status == FM_OK && !(op && op->kind == 's')) {
        status = fmi_parse_check_fits(parser, value, type, "what is stored here");
    }
    if (status == FM_OK) { // what stores computes the value first, but neither's own changes have an order
        status = fmi_parse_check_order(parser, target->uses, value->uses, parser->use_count);
    }
    if (status == FM_OK) {
        status = note_change(parser, target);
    }
    if (status == FM_OK && op) {
        status = fmi_parse_note_operation(parser, at, type, target, value, true);
    }
    *target = (fmi_value){.type = (uint8_t)type, .at = target->at, .variable = UINT32_MAX, .uses = target->uses};
    return status;
}

fm_status fmi_parse_assignment(fmi_parser *parser, fmi_value *out)
{
    fm_status status = parse_conditional(parser, out);
    if (status != FM_OK || !fmi_token_is_assignment(parser->tokens, parser->at)) {
        return status;
    }
    uint32_t at = parser->at;
    fmi_value value;
    fmi_parser_skip(parser);
    if (++parser->depth > FMI_MAX_NESTED) {
        return fmi_token_fail(parser->tokens, at, "this is nested more than %d deep", (int)FMI_MAX_NESTED);
    }
    status = fmi_parse_assignment(parser, &value);
    parser->depth--;
    return status == FM_OK ? assign(parser, at, out, &value) : status;
}

fm_status fmi_parse_expression(fmi_parser *parser, fmi_value *out)
{
    uint32_t uses = parser->use_count;
    fm_status status = fmi_parse_assignment(parser, out);
    while (status == FM_OK && fmi_parser_is(parser, ",")) {
        status = fmi_parse_check_value(parser, out);
        status = status == FM_OK ? count_operator(parser) : status;
        fmi_parser_skip(parser);
        if (status == FM_OK) {
            status = fmi_parse_assignment(parser, out);
        }
        out->uses = uses;
        out->is_lvalue = out->is_fixed = out->is_known = false;
        out->variable = UINT32_MAX;
    }
    return status;
}

fm_status fmi_parse_effect(fmi_parser *parser)
{
    fmi_value value;
    fmi_parse_begin_expression(parser);
    fm_status status = fmi_parse_expression(parser, &value);
    if (status == FM_OK && value.dims) {
        status = fmi_parse_check_value(parser, &value);
    }
    return status;
}
