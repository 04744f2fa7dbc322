// Expressions: operators of two and three values, stores and steps, as they bind. See syntax.h.
// A chain of operators is read in a loop and makes a tree that leans to the left; each left operand knows the operation that it belongs to, so that
// a printer needs no recursion along the chain either.
#include "language/syntax.h"

static bool gives_bool(uint8_t op)
{
    int rank = fmi_syntax_rank(op);
    return rank == 1 || rank == 2 || rank == 6 || rank == 7;
}

void fmi_syntax_begin_expression(fmi_parser *parser)
{
    parser->expression++;
    parser->use_count = 0;
    parser->change_count = 0;
    parser->operator_count = 0;
}

// What the operation's own words need of the text before the kernel's.
static void note_check(fmi_parser *parser, const fmi_node *node)
{
    bool divides = node->op == '/' || node->op == '%';
    if (node->check != FMI_CHECK_NONE && divides) {
        bool is_long = fmi_vtype_is_64_bit((fmi_vtype)node->operand);
        parser->tree->pieces |= is_long ? FMI_PIECE_LONG_DIVISION : FMI_PIECE_DIVISION;
    }
}

// One operator or comma more, at the parser's place.
static fm_status count_operator(fmi_parser *parser)
{
    if (++parser->operator_count > FMI_MAX_OPERATORS) {
        return fmi_tok_fail(parser->tokens, parser->at, "one expression has more than %d operators",
                            (int)FMI_MAX_OPERATORS);
    }
    return FM_OK;
}

// `*left` becomes the node of an operator, with both as its operands.
static fm_status join(fmi_parser *parser, const fmi_tok *token, fmi_vtype type, fmi_value *left, const fmi_value *right)
{
    fmi_node *node = fmi_syntax_make(parser, FMI_NODE_BINARY, token);
    if (!node) {
        return FM_ERROR_OUT_OF_HOST_MEMORY;
    }
    node->op = token->op;
    node->type = gives_bool(token->op) ? FMI_VT_BOOL : (uint8_t)type;
    node->operand = (uint8_t)type;
    node->check = (uint8_t)fmi_value_check_of(token, type, right);
    node->a = left->node;
    node->a->next = node;
    node->b = right->node;
    left->node = node;
    note_check(parser, node);
    return FM_OK;
}

// Both are known, and so is what they give.
static fm_status compute(fmi_parser *parser, const fmi_tok *token, fmi_vtype type, fmi_value *left, fmi_value *right)
{
    bool is_shift = token->op == FMI_OP_SHIFT_LEFT || token->op == FMI_OP_SHIFT_RIGHT;
    fmi_vtype result = gives_bool(token->op) ? FMI_VT_BOOL : type;
    fmi_known_convert(left, (fmi_vtype)left->node->type, type);
    if (!is_shift) {
        fmi_known_convert(right, (fmi_vtype)right->node->type, type);
    }
    fmi_known_compute(token->op, type, left, right);
    fmi_known_convert(left, result, result); // cuts what ran over
    return fmi_known_fold(parser, left, result, token);
}

static fm_status combine(fmi_parser *parser, const fmi_tok *token, fmi_value *left, fmi_value *right)
{
    fmi_vtype type = FMI_VT_VOID;
    fm_status status = fmi_value_take(parser, left);
    if (status == FM_OK) {
        status = fmi_value_take(parser, right);
    }
    if (status == FM_OK) {
        status = fmi_value_find_type(parser, token, left, right, &type);
    }
    if (status == FM_OK) {
        status = fmi_value_check_known(parser, token, type, right);
    }
    if (status == FM_OK && token->op != FMI_OP_AND && token->op != FMI_OP_OR) {
        status = fmi_value_check_order(parser, left->uses, right->uses);
    }
    if (status == FM_OK) {
        left->is_known = left->is_known && right->is_known && type != FMI_VT_ANY && type != FMI_VT_DOUBLE;
        status = left->is_known ? compute(parser, token, type, left, right) : join(parser, token, type, left, right);
    }
    left->is_fixed = left->is_fixed && right->is_fixed;
    left->is_lvalue = left->is_const = false;
    left->use = UINT32_MAX;
    return status;
}

static fm_status parse_binary(fmi_parser *parser, int least, fmi_value *out)
{
    fm_status status = fmi_syntax_operand(parser, out);
    while (status == FM_OK) {
        const fmi_tok *token = parser->at;
        int rank = fmi_syntax_rank(token->op);
        if (rank <= least) {
            return FM_OK;
        }
        fmi_value right;
        status = count_operator(parser);
        fmi_syntax_skip(parser);
        status = status == FM_OK ? parse_binary(parser, rank, &right) : status;
        if (status == FM_OK) {
            status = combine(parser, token, out, &right);
        }
    }
    return status;
}

// `out` is what stands before the `?`, and becomes the whole.
static fm_status choose(fmi_parser *parser, const fmi_tok *token, fmi_value *out, fmi_value *yes, fmi_value *no)
{
    fmi_vtype type = FMI_VT_BOOL, a = (fmi_vtype)yes->node->type, b = (fmi_vtype)no->node->type;
    fm_status status = fmi_value_take(parser, yes);
    if (status == FM_OK) {
        status = fmi_value_take(parser, no);
    }
    if (status == FM_OK && !fmi_vtype_join(a, b, &type)) {
        status = fmi_tok_fail(parser->tokens, token, "the two values of '?' are %s and %s: cast one of them",
                              fmi_vtype_phrase(a), fmi_vtype_phrase(b));
    }
    fmi_value *chosen = out->number ? yes : no;
    fmi_node *node = status == FM_OK ? fmi_syntax_make(parser, FMI_NODE_CONDITIONAL, token) : NULL;
    if (!node) {
        return status == FM_OK ? FM_ERROR_OUT_OF_HOST_MEMORY : status;
    }
    node->type = node->operand = (uint8_t)type;
    node->a = out->node;
    node->b = yes->node;
    node->c = no->node;
    fmi_known_convert(chosen, (fmi_vtype)chosen->node->type, type);
    out->is_fixed = out->is_fixed && yes->is_fixed && no->is_fixed;
    out->is_known = out->is_known && chosen->is_known;
    out->number = chosen->number;
    out->real = chosen->real;
    out->node = node;
    out->use = UINT32_MAX;
    out->is_lvalue = out->is_const = false;
    return out->is_known ? fmi_known_fold(parser, out, type, token) : FM_OK;
}

static fm_status parse_conditional(fmi_parser *parser, fmi_value *out)
{
    fm_status status = parse_binary(parser, 0, out);
    if (status != FM_OK || !fmi_syntax_is(parser, '?')) {
        return status;
    }
    const fmi_tok *token = parser->at;
    fmi_value yes, no;
    status = fmi_value_fit(parser, out, FMI_VT_BOOL, "what stands before '?'");
    fmi_syntax_skip(parser);
    if (++parser->depth > FMI_MAX_NESTED && status == FM_OK) {
        status = fmi_tok_fail(parser->tokens, token, "this is nested more than %d deep", (int)FMI_MAX_NESTED);
    }
    parser->questions++;
    if (status == FM_OK) {
        status = fmi_syntax_expression(parser, &yes);
    }
    if (status == FM_OK) {
        status = fmi_syntax_expect(parser, ':');
    }
    parser->questions--;
    if (status == FM_OK) {
        status = parse_conditional(parser, &no);
    }
    parser->depth--;
    return status == FM_OK ? choose(parser, token, out, &yes, &no) : status;
}

// `++` and `--`, on either side.
fm_status fmi_syntax_step(fmi_parser *parser, fmi_value *target, const fmi_tok *op, bool is_prefix)
{
    fm_status status = fmi_value_check_target(parser, target, op);
    if (status == FM_OK && !fmi_vtype_is_number((fmi_vtype)target->node->type)) {
        status = fmi_tok_fail(parser->tokens, op, "'%.*s' takes a number, not a bool", (int)op->length, op->start);
    }
    if (status == FM_OK) {
        status = fmi_value_note_change(parser, target);
    }
    fmi_node *node = status == FM_OK ? fmi_syntax_make(parser, FMI_NODE_STEP, op) : NULL;
    if (!node) {
        return status == FM_OK ? FM_ERROR_OUT_OF_HOST_MEMORY : status;
    }
    node->op = op->op;
    node->type = target->node->type;
    node->is_prefix = is_prefix;
    node->a = target->node;
    target->node = node;
    target->is_lvalue = target->is_known = target->is_fixed = false;
    target->use = UINT32_MAX;
    return FM_OK;
}

static fm_status store(fmi_parser *parser, const fmi_tok *op, fmi_value *target, fmi_value *value)
{
    fm_status status = fmi_value_check_target(parser, target, op);
    fmi_vtype type = (fmi_vtype)target->node->type, operand = type;
    bool is_shift = op->op == (FMI_OP_SHIFT_LEFT | FMI_OP_STORES) || op->op == (FMI_OP_SHIFT_RIGHT | FMI_OP_STORES);
    if (status == FM_OK && op->op != '=') {
        status = fmi_value_take(parser, value);
        status = status == FM_OK ? fmi_value_find_type(parser, op, target, value, &operand) : status;
        status = status == FM_OK ? fmi_value_check_known(parser, op, operand, value) : status;
    }
    if (status == FM_OK && !is_shift) {
        status = fmi_value_fit(parser, value, type, "what is stored here");
    }
    if (status == FM_OK) { // what stores computes the value first, but neither's own changes have an order
        status = fmi_value_check_order(parser, target->uses, value->uses);
    }
    if (status == FM_OK) {
        status = fmi_value_note_change(parser, target);
    }
    fmi_node *node = status == FM_OK ? fmi_syntax_make(parser, FMI_NODE_STORE, op) : NULL;
    if (!node) {
        return status == FM_OK ? FM_ERROR_OUT_OF_HOST_MEMORY : status;
    }
    node->op = op->op & (uint8_t)~FMI_OP_STORES;
    node->type = (uint8_t)type;
    node->operand = (uint8_t)operand;
    node->check = (uint8_t)(op->op == '=' ? FMI_CHECK_NONE : fmi_value_check_of(op, operand, value));
    node->a = target->node;
    node->b = value->node;
    note_check(parser, node);
    *target = (fmi_value){.node = node, .first = target->first, .use = UINT32_MAX, .uses = target->uses};
    return FM_OK;
}

fm_status fmi_syntax_assignment(fmi_parser *parser, fmi_value *out)
{
    fm_status status = parse_conditional(parser, out);
    if (status != FM_OK || !fmi_tok_stores(parser->at)) {
        return status;
    }
    const fmi_tok *op = parser->at;
    fmi_value value;
    fmi_syntax_skip(parser);
    if (++parser->depth > FMI_MAX_NESTED) {
        return fmi_tok_fail(parser->tokens, op, "this is nested more than %d deep", (int)FMI_MAX_NESTED);
    }
    status = fmi_syntax_assignment(parser, &value);
    parser->depth--;
    return status == FM_OK ? store(parser, op, out, &value) : status;
}

fm_status fmi_syntax_expression(fmi_parser *parser, fmi_value *out)
{
    fm_status status = fmi_syntax_assignment(parser, out);
    while (status == FM_OK && fmi_syntax_is(parser, ',')) {
        const fmi_tok *comma = parser->at;
        fmi_value right;
        status = fmi_value_take(parser, out);
        status = status == FM_OK ? count_operator(parser) : status;
        fmi_syntax_skip(parser);
        if (status == FM_OK) {
            status = fmi_syntax_assignment(parser, &right);
        }
        if (status == FM_OK) {
            status = join(parser, comma, (fmi_vtype)right.node->type, out, &right);
            right.node = out->node;
            right.uses = out->uses;
            *out = right;
        }
        out->is_fixed = out->is_known = out->is_lvalue = out->is_const = false;
        out->use = UINT32_MAX;
    }
    return status;
}

// Nobody takes the values of these stores.
static void mark_statements(fmi_node *node)
{
    for (; node->kind == FMI_NODE_BINARY && node->op == ',' && !node->is_wrapped; node = node->a) {
        node->b->is_statement = node->b->kind == FMI_NODE_STORE && !node->b->is_wrapped;
    }
    node->is_statement = node->kind == FMI_NODE_STORE && !node->is_wrapped;
}

fm_status fmi_syntax_effect(fmi_parser *parser, fmi_node **out)
{
    fmi_value value;
    fmi_syntax_begin_expression(parser);
    fm_status status = fmi_syntax_expression(parser, &value);
    if (status == FM_OK && (value.dims || value.node->type != FMI_VT_VOID)) {
        status = fmi_value_take(parser, &value);
    }
    if (status == FM_OK) {
        mark_statements(value.node);
        *out = value.node;
    }
    return status;
}
