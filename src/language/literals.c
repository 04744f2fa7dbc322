// Numbers in the words of a target: those that the text has, and those that were computed when it was read. See dialect.h.
// No state; any thread.
#include "language/dialect.h"
#include "language/numbers.h"

#include <inttypes.h>
#include <math.h>

static const char *suffix_of(const fmi_printer *printer, fmi_vtype type)
{
    bool is_longer = printer->dialect->has_long_long;
    return type == FMI_VT_UINT    ? "u"
           : type == FMI_VT_LONG  ? (is_longer ? "ll" : "l")
           : type == FMI_VT_ULONG ? (is_longer ? "ull" : "ul")
                                  : "";
}

// A finite number with all its digits: it may become a double.
static void put_real(fmi_printer *printer, double value, const char *suffix)
{
    fmi_put(printer, "(");
    fmi_text_append_real(printer->out, value);
    fmi_put(printer, suffix);
    fmi_put(printer, ")");
}

// NVIDIA's compilers round a number half-way between two floats up instead of to the even one (16777217.0f becomes 16777218). True: it was one,
// and is printed as the float that it is.
static bool put_halfway_float(fmi_printer *printer, const fmi_tok *token)
{
    float value = 0.0f;
    double wide = 0.0;
    if (printer->dialect->kind != FMI_CUDA ||
        !fmi_number_read_real(token->start, token->start + token->length, &value, &wide)) {
        return false;
    }
    double other = (double)nextafterf(value, wide > (double)value ? INFINITY : -INFINITY);
    bool is_halfway = isfinite(value) && fabs(wide - (double)value) == fabs(wide - other);
    if (is_halfway) {
        put_real(printer, (double)value, "f");
    }
    return is_halfway;
}

// A literal: without its `f` a float would be a double in C, where doubles have no suffix and long ones have another.
void fmi_put_number(fmi_printer *printer, const fmi_node *node)
{
    const fmi_tok *token = node->token;
    uint32_t length = token->length;
    if (node->type == FMI_VT_BOOL) {
        fmi_put(printer, printer->dialect->truth[node->number != 0]);
        return;
    }
    if (node->type == FMI_VT_FLOAT) {
        if (put_halfway_float(printer, token)) {
            return;
        }
        fmi_put_bytes(printer, token->start, token->length);
        fmi_put(printer, (token->start[length - 1] | 32) == 'f' ? "" : "f");
        return;
    }
    if (node->type == FMI_VT_DOUBLE) {
        fmi_put_bytes(printer, token->start, length - 2);
        fmi_put(printer, printer->dialect->kind == FMI_GLSL ? "lf" : "");
        return;
    }
    while ((token->start[length - 1] | 32) == 'u' || (token->start[length - 1] | 32) == 'l') {
        length--;
    }
    fmi_put_bytes(printer, token->start, length);
    fmi_put(printer, suffix_of(printer, (fmi_vtype)node->type));
}

static void put_known_real(fmi_printer *printer, const fmi_node *node)
{
    bool is_double = node->type == FMI_VT_DOUBLE;
    double value = is_double ? node->wide : (double)node->real;
    if (isfinite(value)) {
        put_real(printer, value, !is_double ? "f" : printer->dialect->kind == FMI_GLSL ? "lf" : "");
    } else if (printer->dialect->kind == FMI_C && !isnan(value)) { // libtcc divides no constants by 0
        fmi_put(printer, value > 0 ? "((float)1e300)" : "((float)-1e300)");
    } else {
        fmi_put(printer, isnan(value) ? "(0.0f / 0.0f)" : value > 0 ? "(1.0f / 0.0f)" : "(-1.0f / 0.0f)");
    }
}

// A number that was computed. The least number of a type has no literal of its own.
void fmi_put_known(fmi_printer *printer, const fmi_node *node)
{
    fmi_vtype type = (fmi_vtype)node->type;
    const char *suffix = suffix_of(printer, type);
    if (type == FMI_VT_BOOL) {
        fmi_put(printer, printer->dialect->truth[node->number != 0]);
    } else if (fmi_vtype_is_real(type)) {
        put_known_real(printer, node);
    } else if (type == FMI_VT_UINT || type == FMI_VT_ULONG) {
        fmi_text_format(printer->out, "%" PRIu64 "%s", (uint64_t)node->number, suffix);
    } else if (node->number < 0) {
        fmi_text_format(printer->out, "(-%" PRId64 "%s - 1%s)", -(node->number + 1), suffix, suffix);
    } else {
        fmi_text_format(printer->out, "%" PRId64 "%s", node->number, suffix);
    }
}
