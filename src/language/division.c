// Integer division by a divisor that is not known, in the words of each target. See dialect.h; docs/kernel-language.md, "Numbers", says what it gives.
// In C it stands in a statement expression with variables of its own, because libtcc puts no function in the place of its call; elsewhere it is a call
// of a function of prelude.c, which every compiler puts there.
#include "language/dialect.h"

static const char *letter_of(const fmi_node *node)
{
    switch ((fmi_vtype)node->operand) {
    case FMI_VT_INT: return "i";
    case FMI_VT_UINT: return "u";
    case FMI_VT_LONG: return "l";
    default: return "m";
    }
}

bool fmi_division_is_own(const fmi_printer *printer, const fmi_node *node)
{
    bool divides = node->op == '/' || node->op == '%';
    return divides &&
           (node->check == FMI_CHECK_ALL || (node->check == FMI_CHECK_SIGN && printer->dialect->kind == FMI_GLSL));
}

static void put_function(fmi_printer *printer, const fmi_node *node, const char *middle)
{
    fmi_text_format(printer->out, "fm_%s%s_%s(", node->op == '%' ? "rest" : "divide", middle, letter_of(node));
}

static const char *type_of(const fmi_node *node)
{
    return fmi_vtype_word((fmi_vtype)node->operand, FMI_C);
}

void fmi_division_begin(fmi_printer *printer, const fmi_node *node)
{
    if (printer->dialect->kind == FMI_C) {
        fmi_text_format(printer->out, "({ %s fm_n = ", type_of(node));
    } else {
        put_function(printer, node, "");
    }
}

void fmi_division_separate(fmi_printer *printer, const fmi_node *node)
{
    if (printer->dialect->kind == FMI_C) {
        fmi_text_format(printer->out, "; %s fm_d = ", type_of(node));
    } else {
        fmi_put(printer, ", ");
    }
}

void fmi_division_end(fmi_printer *printer, const fmi_node *node)
{
    if (printer->dialect->kind == FMI_C) {
        fmi_text_format(printer->out, "; FM_%s_%s; })", node->op == '%' ? "REST" : "DIVIDE", letter_of(node));
    } else {
        fmi_put(printer, ")");
    }
}

void fmi_division_begin_store(fmi_printer *printer, const fmi_node *node)
{
    if (printer->dialect->kind == FMI_C) {
        fmi_text_format(printer->out, "({ %s *fm_p = &(", type_of(node));
    } else {
        put_function(printer, node, "_into");
    }
}

void fmi_division_end_store(fmi_printer *printer, const fmi_node *node)
{
    if (printer->dialect->kind == FMI_C) {
        fmi_put(printer, ")");
    }
    fmi_division_separate(printer, node);
    fmi_put_value(printer, node->b);
    if (printer->dialect->kind == FMI_C) {
        fmi_text_format(printer->out, "; %s fm_n = *fm_p; *fm_p = FM_%s_%s; })", type_of(node),
                        node->op == '%' ? "REST" : "DIVIDE", letter_of(node));
    } else {
        fmi_put(printer, ")");
    }
}
