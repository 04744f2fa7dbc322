// Values of a tree in the words of a target: operands, operators, calls, elements and their conversions. See dialect.h.
// Parentheses are those of the text: all targets bind operators as the language does. A chain of operators is printed in a loop.
#include "language/dialect.h"

#include "base/barrier.h"

#include <stdarg.h>
#include <string.h>

void fmi_put(fmi_printer *printer, const char *text)
{
    fmi_text_append(printer->out, text, strlen(text));
}

void fmi_put_form(fmi_printer *printer, const char *form, ...)
{
    va_list values;
    va_start(values, form);
    for (const char *mark = strchr(form, '@'); mark; mark = strchr(form, '@')) {
        const fmi_node *value = va_arg(values, const fmi_node *);
        fmi_put_bytes(printer, form, (size_t)(mark - form));
        if (value) {
            fmi_put_value(printer, value);
        }
        form = mark + 1;
    }
    fmi_put(printer, form);
    va_end(values);
}

void fmi_put_symbol(fmi_printer *printer, const fmi_symbol *symbol)
{
    fmi_put(printer, "fm_v_");
    fmi_put_bytes(printer, symbol->name->text, symbol->name->length);
}

static void put_token(fmi_printer *printer, const fmi_tok *token)
{
    fmi_put_bytes(printer, token->start, token->length);
}

static const char *word_of(const fmi_printer *printer, fmi_vtype type)
{
    return fmi_vtype_word(type, printer->dialect->kind);
}

static void put_named(fmi_printer *printer, const fmi_declared *declared)
{
    fmi_put(printer, printer->access);
    fmi_print_name(printer->out, declared);
}

static void put_id(fmi_printer *printer, const fmi_node *node)
{
    const char axis[] = {'.', (char)('x' + node->number), 0};
    fmi_put(printer, printer->access);
    fmi_put(printer, printer->dialect->ids[node->op]);
    fmi_put(printer, axis);
}

// The element itself, which can be stored to.
static void put_element(fmi_printer *printer, const fmi_node *node)
{
    put_named(printer, node->declared);
    fmi_put(printer, node->declared->kind == FMI_DECLARED_BUFFER ? printer->dialect->array : "");
    fmi_put(printer, "[");
    fmi_put_value(printer, node->a);
    fmi_put(printer, "]");
}

static const fmi_dtype_words *words_of(const fmi_printer *printer, const fmi_node *element)
{
    return &fmi_dtype_get((fm_dtype)element->declared->dtype)->words[printer->dialect->kind];
}

static const char *put_before(fmi_printer *printer, const char *conversion)
{
    const char *mark = strchr(conversion, '@');
    fmi_put_bytes(printer, conversion, (size_t)(mark - conversion));
    return mark + 1;
}

static void put_load(fmi_printer *printer, const fmi_node *element)
{
    const char *load = words_of(printer, element)->load;
    const char *behind = load ? put_before(printer, load) : "";
    put_element(printer, element);
    fmi_put(printer, behind);
}

// `value` as one of the type; only conversions that a target would not make by itself, or not in one step, are written.
static void put_as(fmi_printer *printer, const fmi_node *value, fmi_vtype type)
{
    bool is_float = type == FMI_VT_FLOAT && value->type != FMI_VT_FLOAT;
    fmi_put(printer, is_float ? (printer->dialect->casts_as_c ? "(float)(" : "float(") : "");
    fmi_put_value(printer, value);
    fmi_put(printer, is_float ? ")" : "");
}

static void begin_operation(fmi_printer *printer, const fmi_node *node)
{
    if (fmi_division_is_own(printer, node)) {
        fmi_division_begin(printer, node);
    }
}

static void end_operation(fmi_printer *printer, const fmi_node *node)
{
    if (fmi_division_is_own(printer, node)) {
        fmi_division_end(printer, node);
    }
}

// The right side of an operator: of a shift its low bits, where a target does not take them by itself.
static void put_right(fmi_printer *printer, const fmi_node *node)
{
    bool is_shift = node->op == FMI_OP_SHIFT_LEFT || node->op == FMI_OP_SHIFT_RIGHT;
    bool is_cut = is_shift && node->check == FMI_CHECK_ALL && !printer->dialect->cuts_shifts;
    fmi_put(printer, is_cut ? "((" : "");
    fmi_put_value(printer, node->b);
    fmi_put(printer, !is_cut ? "" : fmi_vtype_is_64_bit((fmi_vtype)node->operand) ? ") & 63)" : ") & 31)");
}

// Operator and right side, without the `=` of a store; `open` stands before the right side.
static void put_operator(fmi_printer *printer, const fmi_node *node, const char *open)
{
    if (fmi_division_is_own(printer, node)) {
        fmi_division_separate(printer, node);
    } else {
        fmi_put(printer, node->op == ',' ? "" : " ");
        fmi_put_bytes(printer, node->token->start, node->token->length - (node->kind == FMI_NODE_STORE));
        fmi_put(printer, " ");
    }
    fmi_put(printer, open);
    put_right(printer, node);
}

// x[i] = v, or x[i] op= v as x[i] = x[i] op (v), for converted elements; wrapped in a load where the store's own value is used.
static void put_converted_store(fmi_printer *printer, const fmi_node *node)
{
    const fmi_dtype_words *words = words_of(printer, node->a);
    const char *behind_load = node->is_statement ? "" : put_before(printer, words->load);
    fmi_put(printer, node->is_statement ? "" : "(");
    put_element(printer, node->a);
    fmi_put(printer, " = ");
    const char *behind = put_before(printer, words->store);
    if (node->op == '=') {
        put_as(printer, node->b, (fmi_vtype)node->type);
    } else {
        begin_operation(printer, node);
        put_load(printer, node->a);
        put_operator(printer, node, "(");
        fmi_put(printer, ")");
        end_operation(printer, node);
    }
    fmi_put(printer, behind);
    fmi_put(printer, node->is_statement ? "" : ")");
    fmi_put(printer, behind_load);
}

static void put_target(fmi_printer *printer, const fmi_node *node)
{
    if (node->kind == FMI_NODE_ELEMENT) {
        fmi_put(printer, node->is_wrapped ? "(" : "");
        put_element(printer, node);
        fmi_put(printer, node->is_wrapped ? ")" : "");
    } else {
        fmi_put_value(printer, node);
    }
}

static void put_store(fmi_printer *printer, const fmi_node *node)
{
    if (node->a->kind == FMI_NODE_ELEMENT && words_of(printer, node->a)->store) {
        put_converted_store(printer, node);
        return;
    }
    if (fmi_division_is_own(printer, node)) {
        fmi_division_begin_store(printer, node);
        put_target(printer, node->a);
        fmi_division_end_store(printer, node);
        return;
    }
    put_target(printer, node->a);
    fmi_put(printer, " ");
    put_token(printer, node->token);
    fmi_put(printer, " ");
    put_right(printer, node);
}

static void put_step(fmi_printer *printer, const fmi_node *node)
{
    if (node->is_prefix) {
        put_token(printer, node->token);
    }
    put_target(printer, node->a);
    if (!node->is_prefix) {
        put_token(printer, node->token);
    }
}

// Two signs that follow each other stay two.
static void put_unary(fmi_printer *printer, const fmi_node *node)
{
    bool is_signed = !node->a->is_wrapped && (node->a->kind == FMI_NODE_UNARY || node->a->kind == FMI_NODE_STEP);
    put_token(printer, node->token);
    fmi_put(printer, is_signed ? " " : "");
    fmi_put_value(printer, node->a);
}

// From the innermost left operand outward, along the links that lead there.
static void put_chain(fmi_printer *printer, const fmi_node *node)
{
    const fmi_node *first = node;
    begin_operation(printer, first);
    while (first->a->kind == FMI_NODE_BINARY && !first->a->is_wrapped) {
        first = first->a;
        begin_operation(printer, first);
    }
    fmi_put_value(printer, first->a);
    for (;; first = first->next) {
        put_operator(printer, first, "");
        end_operation(printer, first);
        if (first == node) {
            break;
        }
    }
}

static void put_conditional(fmi_printer *printer, const fmi_node *node)
{
    fmi_put_value(printer, node->a);
    fmi_put(printer, " ? ");
    fmi_put_value(printer, node->b);
    fmi_put(printer, " : ");
    fmi_put_value(printer, node->c);
}

// What all targets leave open for some floats, the cast to an integer, is a function of ours.
static void put_cast(fmi_printer *printer, const fmi_node *node)
{
    bool is_of_c = printer->dialect->casts_as_c;
    fmi_vtype from = (fmi_vtype)node->a->type, to = (fmi_vtype)node->type;
    if (fmi_vtype_is_real(from) && fmi_vtype_is_integer(to)) {
        fmi_text_format(printer->out, "fm_%s_sat%s(", fmi_vtype_name(to), from == FMI_VT_DOUBLE && is_of_c ? "_d" : "");
    } else {
        fmi_put(printer, is_of_c ? "(" : "");
        fmi_put(printer, word_of(printer, to));
        fmi_put(printer, is_of_c ? ")(" : "(");
    }
    fmi_put_value(printer, node->a);
    fmi_put(printer, ")");
}

static void put_list(fmi_printer *printer, const fmi_node *list, const char *end)
{
    for (const fmi_node *value = list; value; value = value->next) {
        fmi_put(printer, value == list ? "" : ", ");
        fmi_put_value(printer, value);
    }
    fmi_put(printer, end);
}

// The word of a function, with a letter for its type where the target has one for each.
static void put_builtin(fmi_printer *printer, const fmi_node *node)
{
    static const char *const letters[] = {[FMI_VT_INT] = "i",   [FMI_VT_UINT] = "u",  [FMI_VT_LONG] = "l",
                                          [FMI_VT_ULONG] = "m", [FMI_VT_FLOAT] = "f", [FMI_VT_DOUBLE] = "d"};
    bool is_unsigned = node->operand == FMI_VT_UINT || node->operand == FMI_VT_ULONG;
    const char *word = fmi_builtin_word(node->builtin, printer->dialect->kind);
    bool is_wide = node->operand == FMI_VT_DOUBLE && printer->dialect->casts_as_c;
    word = is_wide && node->builtin->shape == FMI_SHAPE_REALS ? node->builtin->name : word; // as in C
    if (!(is_unsigned && node->builtin->is_same_if_unsigned)) {
        fmi_put(printer, word);
        fmi_put(printer, word[strlen(word) - 1] == '_' ? letters[node->operand] : "");
        fmi_put(printer, is_wide && node->builtin->shape == FMI_SHAPE_REAL_TO_BOOL ? "_d" : "");
    }
    fmi_put(printer, "(");
    put_list(printer, node->a, ")");
}

static void put_atomic(fmi_printer *printer, const fmi_node *node)
{
    static const char *const endings[] = {[FMI_VT_INT] = "i32",
                                          [FMI_VT_UINT] = "u32",
                                          [FMI_VT_LONG] = "i64",
                                          [FMI_VT_ULONG] = "u64",
                                          [FMI_VT_FLOAT] = "f32"};
    const char *word = fmi_builtin_word(node->builtin, printer->dialect->kind);
    if (printer->dialect->kind == FMI_CUDA &&
        node->type == FMI_VT_LONG) { // some of CUDA's are of unsigned numbers alone
        fmi_put(printer, "fm_");
        word = node->builtin->name;
    }
    fmi_put(printer, word);
    fmi_put(printer, word[strlen(word) - 1] == '_' ? endings[node->type] : "");
    fmi_put(printer, "(");
    fmi_put(printer, printer->dialect->address);
    put_element(printer, node->a);
    fmi_put(printer, ", ");
    put_list(printer, node->a->next, ")");
}

static void put_barrier(fmi_printer *printer, const fmi_tok *token)
{
    if (printer->dialect->barrier) {
        fmi_put(printer, printer->dialect->barrier);
        return;
    }
    fmi_text_format(printer->out, "fm_barrier_at(%uu)",
                    FMI_BARRIER_PLACE(printer->is_header, token->line, token->column));
}

static void put_open(fmi_printer *printer, const fmi_node *node)
{
    switch ((fmi_node_kind)node->kind) {
    case FMI_NODE_NUMBER: fmi_put_number(printer, node); break;
    case FMI_NODE_KNOWN: fmi_put_known(printer, node); break;
    case FMI_NODE_CONSTANT: put_named(printer, node->declared); break;
    case FMI_NODE_VARIABLE: fmi_put_symbol(printer, node->symbol); break;
    case FMI_NODE_ELEMENT: put_load(printer, node); break;
    case FMI_NODE_INDEX: fmi_put_form(printer, "@[@]", node->a, node->b); break;
    case FMI_NODE_ID: put_id(printer, node); break;
    case FMI_NODE_LANE:
        fmi_put(printer, node->op == FMI_VALUE_SUBGROUP_SIZE ? "fm_subgroup_size" : "fm_subgroup_lane");
        break;
    case FMI_NODE_UNARY: put_unary(printer, node); break;
    case FMI_NODE_BINARY: put_chain(printer, node); break;
    case FMI_NODE_CONDITIONAL: put_conditional(printer, node); break;
    case FMI_NODE_STORE: put_store(printer, node); break;
    case FMI_NODE_STEP: put_step(printer, node); break;
    case FMI_NODE_CAST: put_cast(printer, node); break;
    case FMI_NODE_CALL:
        fmi_put_symbol(printer, node->symbol);
        fmi_put(printer, "(");
        put_list(printer, node->a, ")");
        break;
    case FMI_NODE_BUILTIN: put_builtin(printer, node); break;
    case FMI_NODE_ATOMIC: put_atomic(printer, node); break;
    case FMI_NODE_BARRIER: put_barrier(printer, node->token); break;
    case FMI_NODE_LIST:
        fmi_put(printer, "{");
        put_list(printer, node->a, "}");
        break;
    default: break; // statements.c prints the others
    }
}

void fmi_put_value(fmi_printer *printer, const fmi_node *node)
{
    bool is_hidden = node->is_constant && printer->dialect->kind == FMI_GLSL;
    if (is_hidden) {
        fmi_put(printer, "fm_");
        fmi_put(printer, fmi_vtype_name((fmi_vtype)node->type));
    }
    fmi_put(printer, node->is_wrapped || is_hidden ? "(" : "");
    put_open(printer, node);
    fmi_put(printer, node->is_wrapped || is_hidden ? ")" : "");
}
