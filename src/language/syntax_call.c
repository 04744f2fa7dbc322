// Calls: of the language's functions, of atomics, of the header's helpers. See syntax.h.
// A helper is called by its own name only behind its text, so none can call itself, directly or through another.
#include "language/syntax.h"

#include <string.h>

static fm_status refuse_count(const fmi_parser *parser, const fmi_node *call, uint32_t wanted, uint32_t count)
{
    return fmi_tok_fail(parser->tokens, call->token, "'%.*s' takes %u argument%s, not %u", (int)call->token->length,
                        call->token->start, wanted, wanted == 1 ? "" : "s", count);
}

// Reads `( a, b )` behind the name into the call's list; whether all of them are known. No argument may change what another names.
static fm_status parse_arguments(fmi_parser *parser, fmi_node *call, uint32_t *out_count, bool *out_is_known)
{
    uint32_t uses = parser->use_count;
    fmi_node **end = &call->a;
    *out_count = 0;
    *out_is_known = true;
    parser->at += 2; // the name and the parenthesis
    if (fmi_syntax_take(parser, ')')) {
        return FM_OK;
    }
    fm_status status;
    do {
        if (*out_count == FMI_MAX_ARGUMENTS) {
            return fmi_tok_fail(parser->tokens, parser->at, "there are more than %d arguments", (int)FMI_MAX_ARGUMENTS);
        }
        uint32_t middle = parser->use_count;
        fmi_value argument;
        status = fmi_syntax_assignment(parser, &argument);
        if (status == FM_OK) {
            status = fmi_value_take(parser, &argument);
        }
        if (status == FM_OK) {
            status = fmi_value_check_order(parser, uses, middle);
            argument.node->argument = argument.first;
            *out_is_known &= argument.is_known;
            fmi_syntax_append(&end, argument.node);
            ++*out_count;
        }
    } while (status == FM_OK && fmi_syntax_take(parser, ','));
    return status == FM_OK ? fmi_syntax_expect(parser, ')') : status;
}

static fm_status check_one(fmi_parser *parser, fmi_node *argument, fmi_vtype type)
{
    const fmi_value value = {.node = argument, .first = argument->argument};
    return fmi_value_fit(parser, &value, type, "this argument");
}

static fm_status check_all(fmi_parser *parser, fmi_node *first, fmi_vtype type)
{
    fm_status status = FM_OK;
    for (fmi_node *argument = first; argument && status == FM_OK; argument = argument->next) {
        status = check_one(parser, argument, type);
    }
    return status;
}

// `min` and the like: one function for each type of number.
static fm_status check_one_type(fmi_parser *parser, fmi_node *call)
{
    fmi_vtype type = FMI_VT_ANY;
    for (const fmi_node *argument = call->a; argument; argument = argument->next) {
        fmi_vtype own = (fmi_vtype)argument->type;
        if (!fmi_vtype_is_number(own)) {
            return fmi_tok_fail(parser->tokens, argument->argument, "this argument is %s and no number",
                                fmi_vtype_phrase(own));
        }
        if (type != FMI_VT_ANY && own != FMI_VT_ANY && own != type) {
            bool is_double = type == FMI_VT_DOUBLE || own == FMI_VT_DOUBLE;
            bool is_float = type == FMI_VT_FLOAT || own == FMI_VT_FLOAT;
            bool is_uint = type == FMI_VT_UINT || own == FMI_VT_UINT;
            return fmi_tok_fail(parser->tokens, argument->argument,
                                "the arguments of '%s' have one type, and these are %s and %s: cast one, or write %s",
                                call->builtin->name, fmi_vtype_phrase(type), fmi_vtype_phrase(own),
                                is_double  ? "3.0lf for 3.0"
                                : is_float ? "3.0 for 3"
                                : is_uint  ? "3u for 3"
                                           : "3l for 3");
        }
        type = own == FMI_VT_ANY ? type : own;
    }
    call->type = call->operand = (uint8_t)type;
    return FM_OK;
}

// GLSL has most of these for several sizes of float, and does not choose one for an integer.
static fm_status check_floats(fmi_parser *parser, const fmi_node *call)
{
    for (const fmi_node *argument = call->a; argument; argument = argument->next) {
        if (argument->type != FMI_VT_FLOAT && argument->type != FMI_VT_ANY) {
            return fmi_tok_fail(parser->tokens, argument->argument,
                                "'%s' takes floats, and this is %s: cast it with float(…), or write 2.0 for 2",
                                call->builtin->name, fmi_vtype_phrase((fmi_vtype)argument->type));
        }
    }
    return FM_OK;
}

// What is there for float and for double, but not for both at once.
static fm_status check_reals(fmi_parser *parser, fmi_node *call)
{
    fm_status status = check_one_type(parser, call);
    for (const fmi_node *argument = call->a; argument && status == FM_OK; argument = argument->next) {
        if (!fmi_vtype_is_real((fmi_vtype)argument->type)) {
            return fmi_tok_fail(parser->tokens, argument->argument,
                                "'%s' takes floats or doubles, and this is %s: cast it with float(…), or write 2.0 for "
                                "2",
                                call->builtin->name, fmi_vtype_phrase((fmi_vtype)argument->type));
        }
    }
    parser->tree->pieces |= call->operand == FMI_VT_DOUBLE ? FMI_PIECE_DOUBLE : 0;
    return status;
}

// Functions of an integer's bits, of which there are two: for 32 and for 64.
static fm_status check_bits(fmi_parser *parser, fmi_node *call)
{
    fmi_vtype type = (fmi_vtype)call->a->type;
    if (!fmi_vtype_is_integer(type)) {
        return fmi_tok_fail(parser->tokens, call->a->argument, "'%s' takes an integer, and this is %s",
                            call->builtin->name, fmi_vtype_phrase(type));
    }
    call->operand = fmi_vtype_is_64_bit(type) ? FMI_VT_ULONG : FMI_VT_UINT;
    parser->tree->pieces |= fmi_vtype_is_64_bit(type) ? FMI_PIECE_LONG_COUNT : 0;
    return FM_OK;
}

// Functions of all work-items of a subgroup, of numbers of 32 bits.
static fm_status check_lanes(fmi_parser *parser, fmi_node *call)
{
    fmi_vtype type = (fmi_vtype)call->a->type;
    if (type != FMI_VT_FLOAT && type != FMI_VT_INT && type != FMI_VT_UINT && type != FMI_VT_ANY) {
        return fmi_tok_fail(parser->tokens, call->a->argument, "'%s' takes a float, an int or a uint, and this is %s",
                            call->builtin->name, fmi_vtype_phrase(type));
    }
    call->type = call->operand = (uint8_t)type;
    parser->tree->features |= FMI_NEEDS_SUBGROUPS;
    return check_all(parser, call->a->next, FMI_VT_UINT);
}

// GLSL chooses an atomic by all its arguments, so beside those of 32-bit integers none is converted.
static fm_status check_atomic(fmi_parser *parser, fmi_node *call)
{
    fmi_vtype type = (fmi_vtype)call->a->type;
    bool converts = type == FMI_VT_INT || type == FMI_VT_UINT || type == FMI_VT_ANY;
    for (const fmi_node *argument = call->a->next; argument && !converts; argument = argument->next) {
        if (argument->type != type && argument->type != FMI_VT_ANY) {
            return fmi_tok_fail(parser->tokens, argument->argument,
                                "the element is %s, and this is %s: cast it with %s(…), or write %s",
                                fmi_vtype_phrase(type), fmi_vtype_phrase((fmi_vtype)argument->type),
                                fmi_vtype_name(type),
                                type == FMI_VT_FLOAT  ? "3.0 for 3"
                                : type == FMI_VT_LONG ? "3l for 3"
                                                      : "3ul for 3");
        }
    }
    return check_all(parser, call->a->next, type);
}

static fm_status check_builtin(fmi_parser *parser, fmi_node *call)
{
    static const uint8_t results[] = {
        [FMI_SHAPE_FLOATS] = FMI_VT_FLOAT,         [FMI_SHAPE_REAL_TO_BOOL] = FMI_VT_BOOL,
        [FMI_SHAPE_FLOAT_TO_UINT] = FMI_VT_UINT,   [FMI_SHAPE_FLOAT_TO_INT] = FMI_VT_INT,
        [FMI_SHAPE_FLOAT_TO_LONG] = FMI_VT_LONG,   [FMI_SHAPE_FLOAT_TO_ULONG] = FMI_VT_ULONG,
        [FMI_SHAPE_INTEGER_TO_UINT] = FMI_VT_UINT, [FMI_SHAPE_UINT_TO_FLOAT] = FMI_VT_FLOAT,
        [FMI_SHAPE_UINT_TO_UINT] = FMI_VT_UINT,    [FMI_SHAPE_ATOMIC] = FMI_VT_COUNT};
    fmi_shape shape = (fmi_shape)call->builtin->shape;
    fm_status status;
    parser->tree->pieces |= call->builtin->pieces;
    switch (shape) {
    case FMI_SHAPE_NUMBERS:
    case FMI_SHAPE_REALS:
        status = shape == FMI_SHAPE_NUMBERS ? check_one_type(parser, call) : check_reals(parser, call);
        parser->tree->pieces |= call->operand == FMI_VT_DOUBLE ? FMI_PIECE_DOUBLE : 0;
        return status;
    case FMI_SHAPE_LANES: return check_lanes(parser, call);
    case FMI_SHAPE_ATOMIC: call->type = call->a->type; return check_atomic(parser, call);
    case FMI_SHAPE_REAL_TO_BOOL: status = check_reals(parser, call); break;
    case FMI_SHAPE_INTEGER_TO_UINT: status = check_bits(parser, call); break;
    case FMI_SHAPE_UINT_TO_FLOAT:
    case FMI_SHAPE_UINT_TO_UINT: status = check_all(parser, call->a, FMI_VT_UINT); break;
    default: status = check_floats(parser, call); break;
    }
    call->type = results[shape];
    fmi_syntax_note_type(parser, (fmi_vtype)call->type);
    return status;
}

// A target's compiler computes a function of numbers that it knows in double precision, and goes on with that; so it is not shown one of them.
static void hide_argument(fmi_parser *parser, const fmi_node *call)
{
    fmi_node *hidden = call->a;
    for (fmi_node *argument = call->a; argument && hidden->type != FMI_VT_FLOAT; argument = argument->next) {
        hidden = argument->type == FMI_VT_FLOAT ? argument : hidden;
    }
    hidden->is_constant = hidden->type != FMI_VT_DOUBLE;
    fmi_syntax_note_constant(parser, hidden);
}

// Of which elements there are atomics, and whether the device must have them for this.
static fm_status check_atomic_dtype(fmi_parser *parser, const fmi_builtin *builtin, const fmi_declared *declared,
                                    const fmi_tok *name)
{
    bool is_add = strcmp(builtin->name, "atomic_add") == 0, is_shared = declared->kind == FMI_DECLARED_SHARED;
    const fmi_dtype_row *row = fmi_dtype_get((fm_dtype)declared->dtype);
    bool is_float = declared->dtype == FM_DTYPE_F32, is_long = fmi_vtype_is_64_bit(row->vtype);
    if (row->is_storage || row->vtype == FMI_VT_DOUBLE) {
        return fmi_tok_fail(parser->tokens, name,
                            "%s works on int, uint, long and ulong elements%s; those of '%s' are %s", builtin->name,
                            is_add ? ", and on float" : "", declared->name, row->name);
    }
    if (is_float && !is_add) {
        return fmi_tok_fail(parser->tokens, name,
                            "of float elements there is atomic_add alone; those of '%s' are float", declared->name);
    }
    parser->tree->pieces |= is_long ? FMI_PIECE_LONG_ATOMICS : 0;
    parser->tree->features |= is_float  ? (is_shared ? FMI_NEEDS_ATOMIC_SHARED_FLOAT : FMI_NEEDS_ATOMIC_FLOAT)
                              : is_long ? (is_shared ? FMI_NEEDS_ATOMIC_SHARED_INT64 : FMI_NEEDS_ATOMIC_INT64)
                                        : 0;
    return FM_OK;
}

// Looks at the first argument of an atomic before it is read: an element by itself.
static fm_status check_element(fmi_parser *parser, const fmi_builtin *builtin)
{
    const fmi_tok *name = parser->at, *first = name + 2;
    const fmi_declared *declared =
        name[1].op == '(' && first->kind == FMI_TOK_NAME ? fmi_symbols_find_declared(parser, first) : NULL;
    if (!declared || declared->kind == FMI_DECLARED_CONSTANT || declared->kind == FMI_DECLARED_SPECIAL) {
        return fmi_tok_fail(parser->tokens, name, "the first argument of %s is an element, such as x[i]",
                            builtin->name);
    }
    return check_atomic_dtype(parser, builtin, declared, first);
}

static fm_status parse_atomic(fmi_parser *parser, fmi_node *call, uint32_t *out_count, bool *out_is_known)
{
    fm_status status = check_element(parser, call->builtin);
    if (status == FM_OK) {
        status = parse_arguments(parser, call, out_count, out_is_known);
    }
    if (status == FM_OK && call->a->kind != FMI_NODE_ELEMENT) {
        return fmi_tok_fail(parser->tokens, call->token, "the first argument of %s is an element, such as x[i]",
                            call->builtin->name);
    }
    const fmi_declared *declared = status == FM_OK ? call->a->declared : NULL;
    if (declared && declared->kind == FMI_DECLARED_BUFFER && !(declared->access & FM_ACCESS_WRITE)) {
        return fmi_tok_fail(parser->tokens, call->a->token, "'%s' is stored to, but its access is FM_ACCESS_READ",
                            declared->name);
    }
    return status;
}

static fm_status check_helper(fmi_parser *parser, fmi_node *call)
{
    const fmi_symbol *helper = call->symbol;
    uint32_t i = 0;
    fm_status status = FM_OK;
    for (fmi_node *argument = call->a; argument && status == FM_OK; argument = argument->next) {
        status = check_one(parser, argument, (fmi_vtype)helper->params[i++]);
    }
    parser->inlined += 1 + helper->inlined; // both are bounded
    if (status == FM_OK && parser->inlined > FMI_MAX_INLINED) {
        return fmi_tok_fail(parser->tokens, call->token,
                            "with this call of '%.*s' more than %d helpers would be put in the places of their calls: "
                            "keep what a helper gives in a variable",
                            (int)call->token->length, call->token->start, (int)FMI_MAX_INLINED);
    }
    call->type = helper->type;
    return status;
}

// A call without arguments; nothing but its place is kept of it.
static fm_status parse_barrier(fmi_parser *parser, fmi_node *call)
{
    const fmi_tok *name = parser->at;
    if (name[1].op != '(' || name[2].op != ')') {
        return fmi_tok_fail(parser->tokens, name, "barrier is called without arguments: write 'barrier();'");
    }
    parser->at += 3;
    parser->tree->features |= FMI_NEEDS_BARRIER;
    call->type = FMI_VT_VOID;
    return FM_OK;
}

static fm_status parse_helper_call(fmi_parser *parser, fmi_node *call, uint32_t *out_count)
{
    bool is_known;
    fm_status status = parse_arguments(parser, call, out_count, &is_known);
    if (status == FM_OK && call->symbol->is_open) {
        status = fmi_tok_fail(parser->tokens, call->token, "'%.*s' calls itself: there is no recursion",
                              (int)call->token->length, call->token->start);
    }
    if (status == FM_OK && *out_count != call->symbol->param_count) {
        status = refuse_count(parser, call, call->symbol->param_count, *out_count);
    }
    return status == FM_OK ? check_helper(parser, call) : status;
}

fm_status fmi_syntax_call(fmi_parser *parser, fmi_value *out)
{
    const fmi_tok *name = parser->at;
    const fmi_symbol *symbol = name->name->symbol;
    bool is_helper = symbol && symbol->kind == FMI_SYMBOL_HELPER;
    fmi_term term = name->name->term;
    if (!is_helper && term.kind == FMI_TERM_NONE) {
        return fmi_symbols_refuse(parser, name, true);
    }
    fmi_node_kind kind = is_helper                       ? FMI_NODE_CALL
                         : term.kind == FMI_TERM_BARRIER ? FMI_NODE_BARRIER
                         : term.kind == FMI_TERM_ATOMIC  ? FMI_NODE_ATOMIC
                                                         : FMI_NODE_BUILTIN;
    *out = (fmi_value){
        .node = fmi_syntax_make(parser, kind, name), .first = name, .use = UINT32_MAX, .uses = parser->use_count};
    if (!out->node) {
        return FM_ERROR_OUT_OF_HOST_MEMORY;
    }
    if (kind == FMI_NODE_BARRIER) {
        return parse_barrier(parser, out->node);
    }
    uint32_t count = 0;
    if (is_helper) {
        out->node->symbol = symbol;
        return parse_helper_call(parser, out->node, &count);
    }
    out->node->builtin = term.builtin;
    bool is_known = false;
    fm_status status = kind == FMI_NODE_ATOMIC ? parse_atomic(parser, out->node, &count, &is_known)
                                               : parse_arguments(parser, out->node, &count, &is_known);
    if (status == FM_OK && count != term.builtin->arity) {
        status = refuse_count(parser, out->node, term.builtin->arity, count);
    }
    if (status == FM_OK) {
        status = check_builtin(parser, out->node);
    }
    if (status == FM_OK && is_known && kind == FMI_NODE_BUILTIN) {
        hide_argument(parser, out->node);
    }
    return status;
}
