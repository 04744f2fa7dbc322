// Calls: of the language's functions, of atomics, of the header's helpers. See syntax.h.
// A helper is called by its own name only behind its text, so none can call itself, directly or through another.
#include "language/syntax.h"

#include <string.h>

static const char float_advice[] = ": cast it with float(…), or write 2.0 for 2";

// Reads `( a, b )` behind the name into the call's list; how many they are, and whether all are known. No argument may
// change what another names.
static uint32_t parse_arguments(fmi_parser *parser, fmi_node *call, bool *out_are_known)
{
    uint32_t uses = parser->use_count, count = 0;
    fmi_node **end = &call->a;
    *out_are_known = true;
    fmi_syntax_skip(parser); // the name
    fmi_syntax_skip(parser); // the parenthesis
    if (fmi_syntax_take(parser, ')')) {
        return 0;
    }
    do {
        if (count++ == FMI_MAX_ARGUMENTS) {
            fmi_syntax_fail(parser, parser->at, "there are more than %d arguments", (int)FMI_MAX_ARGUMENTS);
        }
        uint32_t middle = parser->use_count;
        fmi_value argument;
        fmi_syntax_assignment(parser, &argument);
        fmi_value_take(parser, &argument);
        fmi_value_check_order(parser, uses, middle);
        argument.node->argument = argument.first;
        *out_are_known &= argument.is_known;
        fmi_syntax_append(&end, argument.node);
    } while (fmi_syntax_take(parser, ','));
    fmi_syntax_expect(parser, ')');
    return count;
}

static void check_count(fmi_parser *parser, const fmi_tok *name, uint32_t wanted, uint32_t count)
{
    if (count != wanted) {
        fmi_syntax_fail(parser, name, "'@' takes %u argument%s, not %u", wanted, wanted == 1 ? "" : "s", count);
    }
}

static void fit_argument(fmi_parser *parser, fmi_node *argument, fmi_vtype type)
{
    const fmi_value value = {.node = argument, .first = argument->argument};
    fmi_value_fit(parser, &value, type, "this argument");
}

static void fit_arguments(fmi_parser *parser, fmi_node *first, fmi_vtype type)
{
    for (fmi_node *argument = first; argument; argument = argument->next) {
        fit_argument(parser, argument, type);
    }
}

static bool is_float(fmi_vtype type)
{
    return type == FMI_VT_FLOAT || type == FMI_VT_ANY;
}

static bool is_of_lanes(fmi_vtype type)
{
    return is_float(type) || type == FMI_VT_INT || type == FMI_VT_UINT;
}

// Looks at the types of the arguments before `end`; `wanted` and `advice` are for the sentence.
static void check_types(fmi_parser *parser, const fmi_node *call, const fmi_node *end, bool (*takes)(fmi_vtype type),
                        const char *wanted, const char *advice)
{
    for (const fmi_node *argument = call->a; argument != end; argument = argument->next) {
        fmi_vtype type = (fmi_vtype)argument->type;
        if (!takes(type)) {
            fmi_syntax_fail(parser, argument->argument, "'%s' takes %s, and this is %s%s", call->builtin->name, wanted,
                            fmi_vtype_phrase(type), advice);
        }
    }
}

// `min` and the like: one function for each type of number.
static void check_one_type(fmi_parser *parser, fmi_node *call)
{
    fmi_vtype type = FMI_VT_ANY;
    for (const fmi_node *argument = call->a; argument; argument = argument->next) {
        fmi_vtype own = (fmi_vtype)argument->type;
        if (!fmi_vtype_is_number(own)) {
            fmi_syntax_fail(parser, argument->argument, "this argument is %s and no number", fmi_vtype_phrase(own));
        }
        if (type != FMI_VT_ANY && own != FMI_VT_ANY && own != type) {
            bool is_double = type == FMI_VT_DOUBLE || own == FMI_VT_DOUBLE;
            bool is_real = type == FMI_VT_FLOAT || own == FMI_VT_FLOAT;
            bool is_uint = type == FMI_VT_UINT || own == FMI_VT_UINT;
            fmi_syntax_fail(parser, argument->argument,
                            "the arguments of '%s' have one type, and these are %s and %s: cast one, or write %s",
                            call->builtin->name, fmi_vtype_phrase(type), fmi_vtype_phrase(own),
                            is_double ? "3.0lf for 3.0"
                            : is_real ? "3.0 for 3"
                            : is_uint ? "3u for 3"
                                      : "3l for 3");
        }
        type = own == FMI_VT_ANY ? type : own;
    }
    call->type = call->operand = (uint8_t)type;
    parser->tree->pieces |= type == FMI_VT_DOUBLE ? FMI_PIECE_DOUBLE : 0;
}

// What is there for float and for double, but not for both at once.
static void check_reals(fmi_parser *parser, fmi_node *call)
{
    check_one_type(parser, call);
    check_types(parser, call, NULL, fmi_vtype_is_real, "floats or doubles", float_advice);
}

// GLSL chooses an atomic by all its arguments, so beside those of 32-bit integers none is converted.
static void check_atomic(fmi_parser *parser, fmi_node *call)
{
    fmi_vtype type = (fmi_vtype)call->a->type;
    bool converts = type == FMI_VT_INT || type == FMI_VT_UINT || type == FMI_VT_ANY;
    for (const fmi_node *argument = call->a->next; argument && !converts; argument = argument->next) {
        if (argument->type != type && argument->type != FMI_VT_ANY) {
            fmi_syntax_fail(parser, argument->argument,
                            "the element is %s, and this is %s: cast it with %s(…), or write %s",
                            fmi_vtype_phrase(type), fmi_vtype_phrase((fmi_vtype)argument->type), fmi_vtype_name(type),
                            type == FMI_VT_FLOAT  ? "3.0 for 3"
                            : type == FMI_VT_LONG ? "3l for 3"
                                                  : "3ul for 3");
        }
    }
    fit_arguments(parser, call->a->next, type);
    call->type = (uint8_t)type;
}

static void check_builtin(fmi_parser *parser, fmi_node *call)
{
    static const uint8_t results[] = {
        [FMI_SHAPE_FLOATS] = FMI_VT_FLOAT,         [FMI_SHAPE_REAL_TO_BOOL] = FMI_VT_BOOL,
        [FMI_SHAPE_FLOAT_TO_UINT] = FMI_VT_UINT,   [FMI_SHAPE_FLOAT_TO_INT] = FMI_VT_INT,
        [FMI_SHAPE_FLOAT_TO_LONG] = FMI_VT_LONG,   [FMI_SHAPE_FLOAT_TO_ULONG] = FMI_VT_ULONG,
        [FMI_SHAPE_INTEGER_TO_UINT] = FMI_VT_UINT, [FMI_SHAPE_UINT_TO_FLOAT] = FMI_VT_FLOAT,
        [FMI_SHAPE_UINT_TO_UINT] = FMI_VT_UINT};
    fmi_vtype first = (fmi_vtype)call->a->type;
    fmi_shape shape = (fmi_shape)call->builtin->shape;
    parser->tree->pieces |= call->builtin->pieces;
    switch (shape) {
    case FMI_SHAPE_NUMBERS: check_one_type(parser, call); return;
    case FMI_SHAPE_ATOMIC: check_atomic(parser, call); return;
    case FMI_SHAPE_LANES: // of numbers of 32 bits
        check_types(parser, call, call->a->next, is_of_lanes, "a float, an int or a uint", "");
        fit_arguments(parser, call->a->next, FMI_VT_UINT);
        call->type = call->operand = (uint8_t)first;
        parser->tree->features |= FMI_NEEDS_SUBGROUPS;
        return;
    case FMI_SHAPE_REALS: check_reals(parser, call); return;
    case FMI_SHAPE_REAL_TO_BOOL: check_reals(parser, call); break;
    case FMI_SHAPE_INTEGER_TO_UINT: // two functions: for 32 bits and for 64
        check_types(parser, call, NULL, fmi_vtype_is_integer, "an integer", "");
        call->operand = fmi_vtype_is_64_bit(first) ? FMI_VT_ULONG : FMI_VT_UINT;
        parser->tree->pieces |= fmi_vtype_is_64_bit(first) ? FMI_PIECE_LONG_COUNT : 0;
        break;
    case FMI_SHAPE_UINT_TO_FLOAT:
    case FMI_SHAPE_UINT_TO_UINT: fit_arguments(parser, call->a, FMI_VT_UINT); break;
    case FMI_SHAPE_FLOATS: // GLSL has most of these for several sizes of float, and does not choose one for an integer
    case FMI_SHAPE_FLOAT_TO_UINT:
    case FMI_SHAPE_FLOAT_TO_INT:
    case FMI_SHAPE_FLOAT_TO_LONG:
    case FMI_SHAPE_FLOAT_TO_ULONG: check_types(parser, call, NULL, is_float, "floats", float_advice); break;
    }
    call->type = results[shape];
    fmi_syntax_note_type(parser, (fmi_vtype)call->type);
}

// A target's compiler computes a function of numbers that it knows in double precision, and goes on with that; so it is
// not shown one of them.
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
static void check_atomic_dtype(fmi_parser *parser, const fmi_builtin *builtin, const fmi_declared *declared,
                               const fmi_tok *name)
{
    bool is_add = strcmp(builtin->name, "atomic_add") == 0, is_shared = declared->kind == FMI_DECLARED_SHARED;
    const fmi_dtype_row *row = fmi_dtype_get((fm_dtype)declared->dtype);
    bool is_single = declared->dtype == FM_DTYPE_F32, is_long = fmi_vtype_is_64_bit(row->vtype);
    if (row->is_storage || row->vtype == FMI_VT_DOUBLE) {
        fmi_syntax_fail(parser, name, "%s works on int, uint, long and ulong elements%s; those of '%s' are %s",
                        builtin->name, is_add ? ", and on float" : "", declared->name, row->name);
    } else if (is_single && !is_add) {
        fmi_syntax_fail(parser, name, "of float elements there is atomic_add alone; those of '%s' are float",
                        declared->name);
    }
    parser->tree->pieces |= is_long ? FMI_PIECE_LONG_ATOMICS : 0;
    parser->tree->features |= is_single ? (is_shared ? FMI_NEEDS_ATOMIC_SHARED_FLOAT : FMI_NEEDS_ATOMIC_FLOAT)
                              : is_long ? (is_shared ? FMI_NEEDS_ATOMIC_SHARED_INT64 : FMI_NEEDS_ATOMIC_INT64)
                                        : 0;
}

// The first argument of an atomic is an element by itself: looks at its name before it is read, and at what was read.
static void begin_atomic(fmi_parser *parser, const fmi_builtin *builtin)
{
    const fmi_tok *name = parser->at, *first = name + 2;
    const fmi_declared *declared =
        name[1].op == '(' && first->kind == FMI_TOK_NAME ? fmi_symbols_find_declared(parser, first) : NULL;
    if (!declared || declared->kind == FMI_DECLARED_CONSTANT || declared->kind == FMI_DECLARED_SPECIAL) {
        fmi_syntax_fail(parser, name, "the first argument of %s is an element, such as x[i]", builtin->name);
    } else {
        check_atomic_dtype(parser, builtin, declared, first);
    }
}

static void end_atomic(fmi_parser *parser, const fmi_node *call)
{
    if (call->a->kind != FMI_NODE_ELEMENT) {
        fmi_syntax_fail(parser, call->token, "the first argument of %s is an element, such as x[i]",
                        call->builtin->name);
        return;
    }
    const fmi_declared *declared = call->a->declared;
    if (declared->kind == FMI_DECLARED_BUFFER && !(declared->access & FM_ACCESS_WRITE)) {
        fmi_syntax_fail(parser, call->a->token, "'%s' is stored to, but its access is FM_ACCESS_READ", declared->name);
    }
}

static void parse_builtin_call(fmi_parser *parser, fmi_node *call, const fmi_builtin *builtin)
{
    bool is_atomic = builtin->shape == FMI_SHAPE_ATOMIC, are_known;
    call->builtin = builtin;
    if (is_atomic) {
        begin_atomic(parser, builtin);
    }
    uint32_t count = parse_arguments(parser, call, &are_known);
    if (is_atomic && !fmi_syntax_failed(parser)) {
        end_atomic(parser, call);
    }
    check_count(parser, call->token, builtin->arity, count);
    if (fmi_syntax_failed(parser)) {
        return;
    }
    check_builtin(parser, call);
    if (are_known && !is_atomic) {
        hide_argument(parser, call);
    }
}

static void parse_helper_call(fmi_parser *parser, fmi_node *call, const fmi_symbol *helper)
{
    const fmi_tok *name = call->token;
    bool are_known;
    call->symbol = helper;
    call->type = helper->type;
    uint32_t count = parse_arguments(parser, call, &are_known);
    if (helper->is_open) {
        fmi_syntax_fail(parser, name, "'@' calls itself: there is no recursion");
    }
    check_count(parser, name, helper->param_count, count);
    if (fmi_syntax_failed(parser)) {
        return;
    }
    const fmi_node *param = helper->params;
    for (fmi_node *argument = call->a; argument; argument = argument->next, param = param->next) {
        fit_argument(parser, argument, (fmi_vtype)param->symbol->type);
    }
    parser->inlined += 1 + helper->inlined; // both are bounded
    if (parser->inlined > FMI_MAX_INLINED) {
        fmi_syntax_fail(parser, name,
                        "with this call of '@' more than %d helpers would be put in the places of their calls: keep "
                        "what a helper gives in a variable",
                        (int)FMI_MAX_INLINED);
    }
}

// A call without arguments; nothing but its place is kept of it.
static void parse_barrier(fmi_parser *parser)
{
    const fmi_tok *name = parser->at;
    if (name[1].op != '(' || name[2].op != ')') {
        fmi_syntax_fail(parser, name, "barrier is called without arguments: write 'barrier();'");
        return;
    }
    parser->at += 3;
    parser->tree->features |= FMI_NEEDS_BARRIER;
}

fmi_value fmi_syntax_call(fmi_parser *parser)
{
    const fmi_tok *name = parser->at;
    const fmi_symbol *symbol = name->name->symbol;
    bool is_helper = symbol && symbol->kind == FMI_SYMBOL_HELPER;
    fmi_term term = name->name->term;
    if (!is_helper && term.kind == FMI_TERM_NONE) {
        return *fmi_symbols_refuse(parser, name, true);
    }
    fmi_node_kind kind = is_helper                       ? FMI_NODE_CALL
                         : term.kind == FMI_TERM_BARRIER ? FMI_NODE_BARRIER
                         : term.kind == FMI_TERM_ATOMIC  ? FMI_NODE_ATOMIC
                                                         : FMI_NODE_BUILTIN;
    fmi_value value = fmi_value_make(parser, kind, FMI_VT_VOID, name);
    if (fmi_syntax_failed(parser)) {
        return value;
    }
    if (is_helper) {
        parse_helper_call(parser, value.node, symbol);
    } else if (kind == FMI_NODE_BARRIER) {
        parse_barrier(parser);
    } else {
        parse_builtin_call(parser, value.node, term.builtin);
    }
    return value;
}
