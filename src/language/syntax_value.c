// Values of an expression: which types operators take, what is known of them, and in which order they change variables. See syntax.h.
// Operands are computed in any order by a target, so an expression that changes a variable and names it once more is refused, unless `&&`, `||`,
// `?` or a comma stands between.
#include "language/syntax.h"

#include <stdlib.h>
#include <string.h>

static fm_status check_access(fmi_parser *parser, const fmi_node *node, bool reads, bool writes)
{
    const fmi_declared *declared = node->kind == FMI_NODE_ELEMENT ? node->declared : NULL;
    if (!declared || declared->kind != FMI_DECLARED_BUFFER) {
        return FM_OK;
    }
    if (writes && !(declared->access & FM_ACCESS_WRITE)) {
        return fmi_tok_fail(parser->tokens, node->token, "'%s' is stored to, but its access is FM_ACCESS_READ",
                            declared->name);
    }
    if (reads && !(declared->access & FM_ACCESS_READ)) {
        return fmi_tok_fail(parser->tokens, node->token, "'%s' is read, but its access is FM_ACCESS_WRITE",
                            declared->name);
    }
    return FM_OK;
}

static fm_status check_single(fmi_parser *parser, const fmi_value *value)
{
    if (value->node->type == FMI_VT_VOID) {
        return fmi_tok_fail(parser->tokens, value->first, "this function gives nothing, so it has no value");
    }
    if (value->dims) {
        return fmi_tok_fail(parser->tokens, value->first, "this is an array: only its elements have values");
    }
    return FM_OK;
}

fm_status fmi_value_take(fmi_parser *parser, const fmi_value *value)
{
    fm_status status = check_single(parser, value);
    return status == FM_OK ? check_access(parser, value->node, true, false) : status;
}

fm_status fmi_value_fit(fmi_parser *parser, const fmi_value *value, fmi_vtype type, const char *what)
{
    fm_status status = fmi_value_take(parser, value);
    fmi_vtype own = (fmi_vtype)value->node->type;
    if (status == FM_OK && !fmi_vtype_fits(own, type)) {
        if (type == FMI_VT_BOOL) {
            return fmi_tok_fail(parser->tokens, value->first,
                                "%s is a bool, and this is %s: compare it, as in 'n != 0'", what,
                                fmi_vtype_phrase(own));
        }
        return fmi_tok_fail(parser->tokens, value->first, "%s is %s, and this is %s: cast it with %s(…)", what,
                            fmi_vtype_phrase(type), fmi_vtype_phrase(own), fmi_vtype_name(type));
    }
    return status;
}

// What cannot be changed, named by the token that stands before an operator that would.
static fm_status refuse_target(fmi_parser *parser, const fmi_tok *last, const fmi_tok *op)
{
    const fmi_tok *id = last - parser->tokens->list >= 2 && last[-1].op == '.' ? last - 2 : NULL;
    const fmi_declared *declared = last->kind == FMI_TOK_NAME ? fmi_symbols_find_declared(parser, last) : NULL;
    if (id) {
        return fmi_tok_fail(parser->tokens, id, "'%.*s' cannot be changed", (int)id->length, id->start);
    }
    if (declared && declared->kind == FMI_DECLARED_CONSTANT) {
        return fmi_tok_fail(parser->tokens, last, "'%s' is a constant and cannot be changed", declared->name);
    }
    if (declared && declared->kind == FMI_DECLARED_SPECIAL) {
        return fmi_tok_fail(parser->tokens, last, "'%s' is a specialisation value and cannot be changed",
                            declared->name);
    }
    return fmi_tok_fail(parser->tokens, op, "nothing can be stored to what stands beside '%.*s'", (int)op->length,
                        op->start);
}

// The index of a compound store to converted elements is written out twice, so that it must not change anything.
static fm_status check_repeatable(fmi_parser *parser, const fmi_node *element, const fmi_tok *op)
{
    for (const fmi_tok *token = element->token; token < op; token++) {
        if (fmi_tok_stores(token) || fmi_tok_steps(token) || fmi_syntax_term(token) == FMI_TERM_ATOMIC) {
            return fmi_tok_fail(parser->tokens, token,
                                "the index of a compound store to '%s', whose elements are %s, must have no side "
                                "effect",
                                element->declared->name, fmi_dtype_get((fm_dtype)element->declared->dtype)->name);
        }
    }
    return FM_OK;
}

static fm_status check_storage(fmi_parser *parser, const fmi_node *node, const fmi_tok *op)
{
    const fmi_dtype_row *row =
        node->kind == FMI_NODE_ELEMENT ? fmi_dtype_get((fm_dtype)node->declared->dtype) : fmi_dtype_get(FM_DTYPE_NONE);
    if (!row->is_storage) {
        return FM_OK;
    }
    if (node->is_wrapped || fmi_tok_steps(op)) {
        const char *name = node->declared->name;
        return fmi_tok_fail(parser->tokens, node->token,
                            "a store to '%s', whose elements are %s, is written %s[index] = value, without ++, -- or "
                            "parentheses",
                            name, row->name, name);
    }
    return op->op == '=' ? FM_OK : check_repeatable(parser, node, op);
}

fm_status fmi_value_check_target(fmi_parser *parser, const fmi_value *target, const fmi_tok *op)
{
    bool is_behind = op < target->first;
    fm_status status = check_single(parser, target);
    if (status == FM_OK && !target->is_lvalue) {
        return refuse_target(parser, is_behind ? parser->at - 1 : op - 1, op);
    }
    if (status == FM_OK && target->is_const) {
        return fmi_tok_fail(parser->tokens, target->first, "this is const and cannot be changed");
    }
    if (status == FM_OK) {
        status = check_access(parser, target->node, op->op != '=', true);
    }
    return status == FM_OK ? check_storage(parser, target->node, op) : status;
}

fm_status fmi_value_add_use(fmi_parser *parser, fmi_symbol *symbol, const fmi_tok *token, uint32_t *out_use)
{
    if (parser->use_count == parser->use_capacity) {
        uint32_t capacity = parser->use_capacity ? 2 * parser->use_capacity : 64;
        fmi_use *list = realloc(parser->uses, capacity * sizeof *list);
        if (!list) {
            return fmi_fail_memory();
        }
        parser->uses = list;
        parser->use_capacity = capacity;
    }
    if (symbol->expression != parser->expression) {
        symbol->expression = parser->expression;
        symbol->last_use = symbol->last_change = UINT32_MAX;
    }
    *out_use = parser->use_count++;
    parser->uses[*out_use] = (fmi_use){.symbol = symbol, .token = token, .before = symbol->last_use};
    symbol->last_use = *out_use;
    return FM_OK;
}

fm_status fmi_value_note_change(fmi_parser *parser, const fmi_value *target)
{
    if (target->use == UINT32_MAX) {
        return FM_OK;
    }
    fmi_use *use = &parser->uses[target->use];
    use->changes = true;
    if (use->symbol->last_change == UINT32_MAX || use->symbol->last_change < target->use) {
        use->symbol->last_change = target->use;
    }
    if (++parser->change_count > FMI_MAX_CHANGES) {
        return fmi_tok_fail(parser->tokens, target->first, "one expression changes more than %d variables",
                            (int)FMI_MAX_CHANGES);
    }
    return FM_OK;
}

// True if a variable that one of the two parts changes is named in the other. Each use of the second part learns which of its variable is the last
// before that part: so a part is looked at once for each operator around it, and the first one never.
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

fm_status fmi_value_check_order(fmi_parser *parser, uint32_t first, uint32_t middle)
{
    if (parser->change_count == 0 || !has_clash(parser, first, middle)) {
        return FM_OK;
    }
    const fmi_use *clash = find_clash(parser, first, middle);
    return fmi_tok_fail(parser->tokens, clash->token,
                        "'%.*s' is changed and used again in one expression, whose parts have no order",
                        (int)clash->token->length, clash->token->start);
}
