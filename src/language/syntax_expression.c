// Expressions: operators of two and three values, stores and steps, as they bind. See syntax.h.
// A chain of operators is read in a loop and makes a tree that leans to the left; each left operand knows the operation
// that it belongs to, so that a printer needs no recursion along the chain either.
#include "language/syntax.h"

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
static void take_operator(fmi_parser *parser)
{
    if (++parser->operator_count > FMI_MAX_OPERATORS) {
        fmi_syntax_fail(parser, parser->at, "one expression has more than %d operators", (int)FMI_MAX_OPERATORS);
    }
    fmi_syntax_skip(parser);
}

// `*left` becomes the node of an operator, with both as its operands.
static void join(fmi_parser *parser, const fmi_tok *token, fmi_vtype type, fmi_value *left, const fmi_value *right)
{
    fmi_vtype result = fmi_syntax_gives_bool(token->op) ? FMI_VT_BOOL : type;
    fmi_node *node = fmi_value_wrap(parser, left, FMI_NODE_BINARY, result, token);
    node->operand = (uint8_t)type;
    node->check = (uint8_t)fmi_value_check_of(token, type, right);
    node->a->next = node;
    node->b = right->node;
    note_check(parser, node);
}

// Both are known, and so is what they give.
static void compute(fmi_parser *parser, const fmi_tok *token, fmi_vtype type, fmi_value *left, fmi_value *right)
{
    bool is_shift = token->op == FMI_OP_SHIFT_LEFT || token->op == FMI_OP_SHIFT_RIGHT;
    fmi_vtype result = fmi_syntax_gives_bool(token->op) ? FMI_VT_BOOL : type;
    fmi_known_convert(left, (fmi_vtype)left->node->type, type);
    if (!is_shift) {
        fmi_known_convert(right, (fmi_vtype)right->node->type, type);
    }
    fmi_known_compute(token->op, type, left, right);
    fmi_known_convert(left, result, result); // cuts what ran over
    fmi_known_fold(parser, left, result, token);
}

static void combine(fmi_parser *parser, const fmi_tok *token, fmi_value *left, fmi_value *right)
{
    fmi_value_take(parser, left);
    fmi_value_take(parser, right);
    fmi_vtype type = fmi_value_find_type(parser, token, left, right);
    fmi_value_check_known(parser, token, type, right);
    if (token->op != FMI_OP_AND && token->op != FMI_OP_OR) {
        fmi_value_check_order(parser, left->uses, right->uses);
    }
    left->is_fixed = left->is_fixed && right->is_fixed;
    left->is_known = left->is_known && right->is_known && type != FMI_VT_ANY && type != FMI_VT_DOUBLE;
    if (!left->is_known) {
        join(parser, token, type, left, right);
    } else if (!fmi_syntax_failed(parser)) {
        compute(parser, token, type, left, right);
    }
}

static void parse_binary(fmi_parser *parser, int least, fmi_value *out)
{
    fmi_syntax_operand(parser, out);
    for (const fmi_tok *token = parser->at; fmi_syntax_rank(token->op) > least; token = parser->at) {
        fmi_value right;
        take_operator(parser);
        parse_binary(parser, fmi_syntax_rank(token->op), &right);
        combine(parser, token, out, &right);
    }
}

// `out` is what stands before the `?`, and becomes the whole.
static void choose(fmi_parser *parser, const fmi_tok *token, fmi_value *out, fmi_value *yes, fmi_value *no)
{
    fmi_vtype type, a = (fmi_vtype)yes->node->type, b = (fmi_vtype)no->node->type;
    fmi_value_take(parser, yes);
    fmi_value_take(parser, no);
    if (!fmi_vtype_join(a, b, &type)) {
        fmi_syntax_fail(parser, token, "the two values of '?' are %s and %s: cast one of them", fmi_vtype_phrase(a),
                        fmi_vtype_phrase(b));
    }
    fmi_value *chosen = out->number ? yes : no;
    fmi_node *node = fmi_value_wrap(parser, out, FMI_NODE_CONDITIONAL, type, token);
    node->operand = (uint8_t)type;
    node->b = yes->node;
    node->c = no->node;
    fmi_known_convert(chosen, (fmi_vtype)chosen->node->type, type);
    out->is_fixed = out->is_fixed && yes->is_fixed && no->is_fixed;
    out->is_known = out->is_known && chosen->is_known;
    out->number = chosen->number;
    out->real = chosen->real;
    fmi_known_fold(parser, out, type, token);
}

static void parse_conditional(fmi_parser *parser, fmi_value *out)
{
    parse_binary(parser, 0, out);
    const fmi_tok *token = parser->at;
    if (!fmi_syntax_take(parser, '?')) {
        return;
    }
    fmi_value yes, no;
    fmi_value_fit(parser, out, FMI_VT_BOOL, "what stands before '?'");
    fmi_syntax_nest(parser, token, "this is");
    parser->questions++;
    fmi_syntax_expression(parser, &yes);
    fmi_syntax_expect(parser, ':');
    parser->questions--;
    parse_conditional(parser, &no);
    fmi_syntax_rise(parser);
    choose(parser, token, out, &yes, &no);
}

void fmi_syntax_step(fmi_parser *parser, fmi_value *target, const fmi_tok *op, bool is_prefix)
{
    fmi_vtype type = (fmi_vtype)target->node->type;
    fmi_value_check_target(parser, target, op);
    if (!fmi_vtype_is_number(type)) {
        fmi_syntax_fail(parser, op, "'@' takes a number, not a bool");
    }
    fmi_value_note_change(parser, target);
    fmi_node *node = fmi_value_wrap(parser, target, FMI_NODE_STEP, type, op);
    node->is_prefix = is_prefix;
    target->is_known = target->is_fixed = false;
}

static void store(fmi_parser *parser, const fmi_tok *op, fmi_value *target, const fmi_value *value)
{
    fmi_vtype type = (fmi_vtype)target->node->type, operand = type;
    bool is_plain = op->op == '=';
    bool is_shift = op->op == (FMI_OP_SHIFT_LEFT | FMI_OP_STORES) || op->op == (FMI_OP_SHIFT_RIGHT | FMI_OP_STORES);
    fmi_value_check_target(parser, target, op);
    if (!is_plain) {
        fmi_value_take(parser, value);
        operand = fmi_value_find_type(parser, op, target, value);
        fmi_value_check_known(parser, op, operand, value);
    }
    if (!is_shift) {
        fmi_value_fit(parser, value, type, "what is stored here");
    }
    // What stores computes the value first, but neither's own changes have an order.
    fmi_value_check_order(parser, target->uses, value->uses);
    fmi_value_note_change(parser, target);
    fmi_node *node = fmi_value_wrap(parser, target, FMI_NODE_STORE, type, op);
    node->op &= (uint8_t)~FMI_OP_STORES;
    node->operand = (uint8_t)operand;
    node->check = (uint8_t)(is_plain ? FMI_CHECK_NONE : fmi_value_check_of(op, operand, value));
    node->b = value->node;
    note_check(parser, node);
    target->is_known = target->is_fixed = false;
}

void fmi_syntax_assignment(fmi_parser *parser, fmi_value *out)
{
    parse_conditional(parser, out);
    const fmi_tok *op = parser->at;
    if (!fmi_tok_stores(op)) {
        return;
    }
    fmi_value value;
    fmi_syntax_skip(parser);
    fmi_syntax_nest(parser, op, "this is");
    fmi_syntax_assignment(parser, &value);
    fmi_syntax_rise(parser);
    store(parser, op, out, &value);
}

void fmi_syntax_expression(fmi_parser *parser, fmi_value *out)
{
    fmi_syntax_assignment(parser, out);
    while (fmi_syntax_is(parser, ',')) {
        const fmi_tok *comma = parser->at;
        fmi_value right;
        fmi_value_take(parser, out);
        take_operator(parser);
        fmi_syntax_assignment(parser, &right);
        join(parser, comma, (fmi_vtype)right.node->type, out, &right);
        out->first = right.first;
        out->dims = right.dims;
        out->sizes = right.sizes;
        out->is_fixed = out->is_known = false;
    }
}

// Nobody takes the values of these stores.
static void mark_statements(fmi_node *node)
{
    for (; node->kind == FMI_NODE_BINARY && node->op == ',' && !node->is_wrapped; node = node->a) {
        node->b->is_statement = node->b->kind == FMI_NODE_STORE && !node->b->is_wrapped;
    }
    node->is_statement = node->kind == FMI_NODE_STORE && !node->is_wrapped;
}

fmi_node *fmi_syntax_effect(fmi_parser *parser)
{
    fmi_syntax_begin_expression(parser);
    fmi_value value;
    fmi_syntax_expression(parser, &value);
    if (value.dims || value.node->type != FMI_VT_VOID) {
        fmi_value_take(parser, &value);
    }
    mark_statements(value.node);
    return value.node;
}
