// Calls: of the language's functions, of atomics, of the header's helpers. See parser.h.
// A helper is called by its own name only behind its text, so none can call itself, directly or through another.
#include "kernel/parser.h"

#include <string.h>

enum { MAX_ARGUMENTS = FMI_MAX_HELPER_PARAMS };

// An argument's type and its tokens: calls stand within calls, so little is kept.
struct argument {
    uint32_t at;
    uint32_t end;
    uint8_t type; // fmi_type
    bool is_known;
};

struct call {
    uint32_t at; // the function's name
    uint32_t count;
    struct argument arguments[MAX_ARGUMENTS];
};

static fm_status fail_count(const fmi_parser *parser, const struct call *call, uint32_t wanted)
{
    const fmi_token *name = &parser->tokens->list[call->at];
    return fmi_token_fail(parser->tokens, call->at, "'%.*s' takes %u argument%s, not %u", (int)name->length,
                          name->start, wanted, wanted == 1 ? "" : "s", call->count);
}

// Reads `( a, b )`. No argument may change what another names.
static fm_status parse_arguments(fmi_parser *parser, struct call *call)
{
    uint32_t uses = parser->use_count;
    fmi_parser_skip(parser); // the name
    fmi_parser_skip(parser); // the parenthesis
    if (fmi_parser_take(parser, ")")) {
        return FM_OK;
    }
    fm_status status = FM_OK;
    do {
        if (call->count == MAX_ARGUMENTS) {
            return fmi_token_fail(parser->tokens, parser->at, "there are more than %d arguments", (int)MAX_ARGUMENTS);
        }
        uint32_t middle = parser->use_count;
        fmi_value argument = {0};
        status = fmi_parse_assignment(parser, &argument);
        if (status == FM_OK) {
            status = fmi_parse_check_value(parser, &argument);
        }
        call->arguments[call->count++] = (struct argument){argument.at, parser->at, argument.type, argument.is_known};
        if (status == FM_OK) {
            status = fmi_parse_check_order(parser, uses, middle, parser->use_count);
        }
    } while (status == FM_OK && fmi_parser_take(parser, ","));
    return status == FM_OK ? fmi_parser_expect(parser, ")") : status;
}

static fm_status check_one(fmi_parser *parser, const struct argument *argument, fmi_type type)
{
    const fmi_value value = {.type = (uint8_t)argument->type, .at = argument->at};
    return fmi_parse_check_fits(parser, &value, type, "this argument");
}

static fm_status check_all(fmi_parser *parser, const struct call *call, uint32_t first, fmi_type type)
{
    fm_status status = FM_OK;
    for (uint32_t i = first; i < call->count && status == FM_OK; i++) {
        status = check_one(parser, &call->arguments[i], type);
    }
    return status;
}

// `min` and the like: one function for each type of number.
static fm_status check_one_type(fmi_parser *parser, const struct call *call, fmi_type *out)
{
    fmi_type type = FMI_TYPE_ANY;
    for (uint32_t i = 0; i < call->count; i++) {
        const struct argument *argument = &call->arguments[i];
        fmi_type own = (fmi_type)argument->type;
        if (!fmi_type_is_number(own)) {
            return fmi_token_fail(parser->tokens, argument->at, "this argument is %s and no number",
                                  fmi_type_phrase(own));
        }
        if (type != FMI_TYPE_ANY && own != FMI_TYPE_ANY && own != type) {
            const fmi_token *name = &parser->tokens->list[call->at];
            bool is_double = type == FMI_TYPE_DOUBLE || own == FMI_TYPE_DOUBLE;
            bool is_float = type == FMI_TYPE_FLOAT || own == FMI_TYPE_FLOAT;
            bool is_uint = type == FMI_TYPE_UINT || own == FMI_TYPE_UINT;
            return fmi_token_fail(parser->tokens, argument->at,
                                  "the arguments of '%.*s' have one type, and these are %s and %s: cast one%s",
                                  (int)name->length, name->start, fmi_type_phrase(type), fmi_type_phrase(own),
                                  is_double  ? ", or write 3.0lf for 3.0"
                                  : is_float ? ", or write 3.0 for 3"
                                  : is_uint  ? ", or write 3u for 3"
                                             : ", or write 3l for 3");
        }
        type = own == FMI_TYPE_ANY ? type : own;
    }
    *out = type;
    return FM_OK;
}

// GLSL has most of these for several sizes of float, and does not choose one for an integer.
static fm_status check_floats(fmi_parser *parser, const struct call *call)
{
    for (uint32_t i = 0; i < call->count; i++) {
        fmi_type type = (fmi_type)call->arguments[i].type;
        if (type != FMI_TYPE_FLOAT && type != FMI_TYPE_ANY) {
            const fmi_token *name = &parser->tokens->list[call->at];
            return fmi_token_fail(parser->tokens, call->arguments[i].at,
                                  "'%.*s' takes floats, and this is %s: cast it with float(…), or write 2.0 for 2",
                                  (int)name->length, name->start, fmi_type_phrase(type));
        }
    }
    return FM_OK;
}

// A target's compiler computes a function of literals in double precision, and goes on with that.
static fm_status note_known_arguments(fmi_parser *parser, const struct call *call, fmi_type type)
{
    const struct argument *first_float = NULL;
    for (uint32_t i = 0; i < call->count; i++) {
        if (!call->arguments[i].is_known) {
            return FM_OK;
        }
        first_float = !first_float && call->arguments[i].type == FMI_TYPE_FLOAT ? &call->arguments[i] : first_float;
    }
    return first_float ? fmi_parse_note_opaque(parser, first_float->at, first_float->end, FMI_TYPE_FLOAT)
                       : fmi_parse_note_opaque(parser, call->at, parser->at, type);
}

// Functions of an integer's bits, of which there are two: for 32 and for 64.
static fm_status check_bits(fmi_parser *parser, const struct call *call, fmi_type *out)
{
    const struct argument *argument = &call->arguments[0];
    fmi_type type = (fmi_type)argument->type;
    *out = FMI_TYPE_UINT;
    if (!fmi_type_is_integer(type)) {
        const fmi_token *name = &parser->tokens->list[call->at];
        return fmi_token_fail(parser->tokens, argument->at, "'%.*s' takes an integer, and this is %s",
                              (int)name->length, name->start, fmi_type_phrase(type));
    }
    parser->tokens->list[call->at].note = fmi_type_is_64_bit(type) ? FMI_TYPE_ULONG : FMI_TYPE_UINT;
    return FM_OK;
}

// Functions of all work-items of a subgroup: of numbers of 32 bits, and with 'W' of a lane, too.
static fm_status check_lanes(fmi_parser *parser, const fmi_word *word, const struct call *call, fmi_type *out)
{
    const struct argument *argument = &call->arguments[0];
    *out = (fmi_type)argument->type;
    if (*out != FMI_TYPE_FLOAT && *out != FMI_TYPE_INT && *out != FMI_TYPE_UINT && *out != FMI_TYPE_ANY) {
        return fmi_token_fail(parser->tokens, argument->at, "'%s' takes a float, an int or a uint, and this is %s",
                              word->name, fmi_type_phrase(*out));
    }
    parser->tokens->list[call->at].note = (uint8_t)*out;
    return check_all(parser, call, 1, FMI_TYPE_UINT);
}

// What is there for float and for double, but not for both at once.
static fm_status check_reals(fmi_parser *parser, const struct call *call, fmi_type *out)
{
    fm_status status = check_one_type(parser, call, out);
    for (uint32_t i = 0; i < call->count && status == FM_OK; i++) {
        fmi_type type = (fmi_type)call->arguments[i].type;
        if (!fmi_type_is_real(type)) {
            const fmi_token *name = &parser->tokens->list[call->at];
            return fmi_token_fail(parser->tokens, call->arguments[i].at,
                                  "'%.*s' takes floats or doubles, and this is %s: cast it with float(…), or write 2.0 "
                                  "for 2",
                                  (int)name->length, name->start, fmi_type_phrase(type));
        }
    }
    parser->tokens->list[call->at].note = (uint8_t)*out;
    return status;
}

static fm_status check_function(fmi_parser *parser, const fmi_word *word, const struct call *call, fmi_type *out)
{
    if (call->count != word->arity) {
        return fail_count(parser, call, word->arity);
    }
    fm_status status = FM_OK;
    switch (word->shape) {
    case 'n':
        status = check_one_type(parser, call, out);
        parser->tokens->list[call->at].note = (uint8_t)*out;
        return status;
    case 'w':
    case 'W': return check_lanes(parser, word, call, out);
    case 'z': return check_bits(parser, call, out);
    case 'g': return check_reals(parser, call, out);
    case 'b':
        status = check_reals(parser, call, out);
        *out = FMI_TYPE_BOOL;
        return status;
    case 'c':
    case 'v':
        *out = word->shape == 'c' ? FMI_TYPE_UINT : FMI_TYPE_FLOAT;
        return check_all(parser, call, 0, FMI_TYPE_UINT);
    default:
        *out = word->shape == 'u' || word->shape == 'U'   ? FMI_TYPE_UINT
               : word->shape == 'i' || word->shape == 'I' ? FMI_TYPE_INT
               : word->shape == 'L'                       ? FMI_TYPE_LONG
               : word->shape == 'M'                       ? FMI_TYPE_ULONG
                                                          : FMI_TYPE_FLOAT;
        return check_floats(parser, call);
    }
}

// The first argument is an element, as the translator has seen (element.c).
static fm_status check_atomic(fmi_parser *parser, const fmi_word *word, const struct call *call, fmi_type *out)
{
    if (call->count != word->arity) {
        return fail_count(parser, call, word->arity);
    }
    *out = (fmi_type)call->arguments[0].type;
    // GLSL chooses an atomic by all its arguments, so beside those of 32-bit integers none is converted.
    bool converts = *out == FMI_TYPE_INT || *out == FMI_TYPE_UINT || *out == FMI_TYPE_ANY;
    for (uint32_t i = 1; i < call->count && !converts; i++) {
        fmi_type own = (fmi_type)call->arguments[i].type;
        if (own != *out && own != FMI_TYPE_ANY) {
            return fmi_token_fail(parser->tokens, call->arguments[i].at,
                                  "the element is %s, and this is %s: cast it with %s(…), or write %s",
                                  fmi_type_phrase(*out), fmi_type_phrase(own), fmi_type_name(*out),
                                  *out == FMI_TYPE_FLOAT  ? "3.0 for 3"
                                  : *out == FMI_TYPE_LONG ? "3l for 3"
                                                          : "3ul for 3");
        }
    }
    return check_all(parser, call, 1, *out);
}

static fm_status check_helper(fmi_parser *parser, const fmi_symbol *helper, struct call *call, fmi_type *out)
{
    const fmi_token *name = &parser->tokens->list[call->at];
    if (helper->is_open) {
        return fmi_token_fail(parser->tokens, call->at, "'%.*s' calls itself: there is no recursion", (int)name->length,
                              name->start);
    }
    if (call->count != helper->param_count) {
        return fail_count(parser, call, helper->param_count);
    }
    fm_status status = FM_OK;
    for (uint32_t i = 0; i < call->count && status == FM_OK; i++) {
        status = check_one(parser, &call->arguments[i], (fmi_type)helper->params[i]);
    }
    parser->inlined += 1 + helper->inlined; // both are bounded
    if (status == FM_OK && parser->inlined > FMI_MAX_INLINED) {
        return fmi_token_fail(parser->tokens, call->at,
                              "with this call of '%.*s' more than %d helpers would be put in the places of their "
                              "calls: "
                              "keep what a helper gives in a variable",
                              (int)name->length, name->start, (int)FMI_MAX_INLINED);
    }
    parser->tokens->list[call->at].note = FMI_NOTE_OWN;
    *out = (fmi_type)helper->type;
    return status;
}

fm_status fmi_parse_call(fmi_parser *parser, fmi_value *out)
{
    struct call call = {.at = parser->at};
    const fmi_token *name = &parser->tokens->list[call.at];
    const fmi_symbol *helper = fmi_scope_find(parser, name);
    const fmi_word *word = fmi_word_find(name->start, name->length);
    bool is_helper = helper && helper->kind == FMI_SYMBOL_HELPER;
    if (!is_helper && !word) {
        return fmi_parse_fail_unknown(parser, call.at, true);
    }
    uint32_t uses = parser->use_count;
    fmi_type type = FMI_TYPE_VOID;
    fm_status status = parse_arguments(parser, &call);
    if (status != FM_OK) {
        return status;
    }
    if (is_helper) {
        status = check_helper(parser, helper, &call, &type);
    } else if (word->kind == FMI_WORD_FUNCTION) {
        status = check_function(parser, word, &call, &type);
        status = status == FM_OK ? note_known_arguments(parser, &call, type) : status;
    } else if (word->kind == FMI_WORD_ATOMIC) {
        status = check_atomic(parser, word, &call, &type);
    } else if (call.count) {
        status = fail_count(parser, &call, 0); // barrier
    }
    *out = (fmi_value){.type = (uint8_t)type, .at = call.at, .variable = UINT32_MAX, .uses = uses};
    return status;
}
