// Values of an expression: which types operators take, what is known of them, and in which order they change variables.
// See syntax.h.
// Operands are computed in any order by a target, so an expression that changes a variable and names it once more is
// refused, unless `&&`, `||`, `?` or a comma stands between.
#include "language/syntax.h"

#include <stdlib.h>

fmi_value fmi_value_make(fmi_parser *parser, fmi_node_kind kind, fmi_vtype type, const fmi_tok *token)
{
    fmi_node *node = fmi_syntax_make(parser, kind, token);
    node->type = (uint8_t)type;
    return (fmi_value){.node = node, .first = token, .use = UINT32_MAX, .uses = parser->use_count};
}

fmi_node *fmi_value_wrap(fmi_parser *parser, fmi_value *value, fmi_node_kind kind, fmi_vtype type, const fmi_tok *token)
{
    fmi_node *node = fmi_syntax_make(parser, kind, token);
    node->type = (uint8_t)type;
    node->op = token->op;
    node->a = value->node;
    value->node = node;
    value->use = UINT32_MAX;
    value->is_lvalue = value->is_const = false;
    return node;
}

static void check_access(fmi_parser *parser, const fmi_node *node, bool reads, bool writes)
{
    const fmi_declared *declared = node->kind == FMI_NODE_ELEMENT ? node->declared : NULL;
    if (!declared || declared->kind != FMI_DECLARED_BUFFER) {
        return;
    }
    if (writes && !(declared->access & FM_ACCESS_WRITE)) {
        fmi_syntax_fail(parser, node->token, "'%s' is stored to, but its access is FM_ACCESS_READ", declared->name);
    }
    if (reads && !(declared->access & FM_ACCESS_READ)) {
        fmi_syntax_fail(parser, node->token, "'%s' is read, but its access is FM_ACCESS_WRITE", declared->name);
    }
}

static void check_single(fmi_parser *parser, const fmi_value *value)
{
    if (value->node->type == FMI_VT_VOID) {
        fmi_syntax_fail(parser, value->first, "this function gives nothing, so it has no value");
    }
    if (value->dims) {
        fmi_syntax_fail(parser, value->first, "this is an array: only its elements have values");
    }
}

void fmi_value_take(fmi_parser *parser, const fmi_value *value)
{
    check_single(parser, value);
    check_access(parser, value->node, true, false);
}

void fmi_value_fit(fmi_parser *parser, const fmi_value *value, fmi_vtype type, const char *what)
{
    fmi_vtype own = (fmi_vtype)value->node->type;
    fmi_value_take(parser, value);
    if (fmi_vtype_fits(own, type)) {
        return;
    }
    if (type == FMI_VT_BOOL) {
        fmi_syntax_fail(parser, value->first, "%s is a bool, and this is %s: compare it, as in 'n != 0'", what,
                        fmi_vtype_phrase(own));
    }
    fmi_syntax_fail(parser, value->first, "%s is %s, and this is %s: cast it with %s(…)", what, fmi_vtype_phrase(type),
                    fmi_vtype_phrase(own), fmi_vtype_name(type));
}

// What cannot be changed, named by the token that stands before an operator that would.
static void refuse_target(fmi_parser *parser, const fmi_tok *last, const fmi_tok *op)
{
    const fmi_tok *id = last - parser->reading->text->list >= 2 && last[-1].op == '.' ? last - 2 : NULL;
    const fmi_declared *declared = last->kind == FMI_TOK_NAME ? fmi_symbols_find_declared(parser, last) : NULL;
    if (id) {
        fmi_syntax_fail(parser, id, "'@' cannot be changed");
    } else if (declared && (declared->kind == FMI_DECLARED_CONSTANT || declared->kind == FMI_DECLARED_SPECIAL)) {
        fmi_syntax_fail(parser, last, "'%s' is a %s and cannot be changed", declared->name,
                        declared->kind == FMI_DECLARED_CONSTANT ? "constant" : "specialisation value");
    }
    fmi_syntax_fail(parser, op, "nothing can be stored to what stands beside '@'");
}

// The index of a compound store to converted elements is written out twice, so that it must not change anything.
static void check_repeatable(fmi_parser *parser, const fmi_node *element, const fmi_tok *op)
{
    for (const fmi_tok *token = element->token; token < op; token++) {
        if (fmi_tok_stores(token) || fmi_tok_steps(token) || fmi_syntax_term(token) == FMI_TERM_ATOMIC) {
            fmi_syntax_fail(parser, token,
                            "the index of a compound store to '%s', whose elements are %s, must have no side effect",
                            element->declared->name, fmi_dtype_get((fm_dtype)element->declared->dtype)->name);
        }
    }
}

static void check_storage(fmi_parser *parser, const fmi_node *node, const fmi_tok *op)
{
    const fmi_dtype_row *row = fmi_dtype_get((fm_dtype)node->declared->dtype);
    const char *name = node->declared->name;
    if (row->is_storage && (node->is_wrapped || fmi_tok_steps(op))) {
        fmi_syntax_fail(parser, node->token,
                        "a store to '%s', whose elements are %s, is written %s[index] = value, without ++, -- or "
                        "parentheses",
                        name, row->name, name);
    } else if (row->is_storage && op->op != '=') {
        check_repeatable(parser, node, op);
    }
}

void fmi_value_check_target(fmi_parser *parser, const fmi_value *target, const fmi_tok *op)
{
    bool is_behind = op < target->first;
    check_single(parser, target);
    if (!target->is_lvalue) {
        refuse_target(parser, is_behind ? parser->at - 1 : op - 1, op);
    } else if (target->is_const) {
        fmi_syntax_fail(parser, target->first, "this is const and cannot be changed");
    } else if (target->node->kind == FMI_NODE_ELEMENT) {
        check_access(parser, target->node, op->op != '=', true);
        check_storage(parser, target->node, op);
    }
}

uint32_t fmi_value_add_use(fmi_parser *parser, fmi_symbol *symbol, const fmi_tok *token)
{
    if (parser->use_count == parser->use_capacity) {
        uint32_t capacity = parser->use_capacity ? 2 * parser->use_capacity : 64;
        fmi_use *list = realloc(parser->uses, capacity * sizeof *list);
        if (!list) {
            fmi_syntax_fail_memory(parser);
            return UINT32_MAX;
        }
        parser->uses = list;
        parser->use_capacity = capacity;
    }
    if (symbol->expression != parser->expression) {
        symbol->expression = parser->expression;
        symbol->last_use = symbol->last_change = UINT32_MAX;
    }
    uint32_t use = parser->use_count++;
    parser->uses[use] = (fmi_use){.symbol = symbol, .token = token, .before = symbol->last_use};
    symbol->last_use = use;
    return use;
}

void fmi_value_note_change(fmi_parser *parser, const fmi_value *target)
{
    if (target->use == UINT32_MAX) {
        return;
    }
    fmi_use *use = &parser->uses[target->use];
    use->changes = true;
    if (use->symbol->last_change == UINT32_MAX || use->symbol->last_change < target->use) {
        use->symbol->last_change = target->use;
    }
    if (++parser->change_count > FMI_MAX_CHANGES) {
        fmi_syntax_fail(parser, target->first, "one expression changes more than %d variables", (int)FMI_MAX_CHANGES);
    }
}

// True if a variable that one of the two parts changes is named in the other. Each use of the second part learns which
// of its variable is the last before that part: so a part is looked at once for each operator around it, and the first
// one never.
static bool has_clash(fmi_parser *parser, uint32_t first, uint32_t middle)
{
    bool has = false;
    for (uint32_t i = middle; i < parser->use_count; i++) {
        fmi_use *use = &parser->uses[i];
        if (use->before != UINT32_MAX && use->before >= middle) {
            use->before = parser->uses[use->before].before;
        }
        bool is_before = use->before != UINT32_MAX && use->before >= first;
        uint32_t change = use->symbol->last_change;
        has |= is_before && (use->changes || (change != UINT32_MAX && change >= first && change < middle));
    }
    return has;
}

// The use to blame, once there is a clash: that which comes second in the text.
static const fmi_use *find_clash(const fmi_parser *parser, uint32_t first, uint32_t middle)
{
    for (uint32_t i = first; i < parser->use_count; i++) {
        const fmi_use *use = &parser->uses[i];
        uint32_t k = i < middle ? middle : first, end = i < middle ? parser->use_count : middle;
        for (; use->changes && k < end; k++) {
            const fmi_use *other = &parser->uses[k];
            if (other->symbol == use->symbol) {
                return other->token < use->token ? use : other;
            }
        }
    }
    return &parser->uses[first];
}

void fmi_value_check_order(fmi_parser *parser, uint32_t first, uint32_t middle)
{
    if (parser->change_count == 0 || !has_clash(parser, first, middle)) {
        return;
    }
    const fmi_use *clash = find_clash(parser, first, middle);
    fmi_syntax_fail(parser, clash->token, "'@' is changed and used again in one expression, whose parts have no order");
}
