// Statements, declarations and helpers of a tree in the words of a target. See dialect.h.
// Each statement begins a line; what an `if` or a loop governs stands behind it, further in.
#include "language/dialect.h"

static void put_statement(fmi_printer *printer, const fmi_node *node);

static void begin_line(fmi_printer *printer)
{
    static const char blanks[] = "                                                                ";
    size_t width = 4 * (size_t)printer->indent;
    fmi_put_bytes(printer, blanks, width < sizeof blanks - 1 ? width : sizeof blanks - 1);
}

// `constant` stands before what is const.
static void put_type(fmi_printer *printer, const fmi_symbol *symbol, const char *constant)
{
    fmi_put(printer, symbol->is_const ? constant : "");
    fmi_put(printer, fmi_vtype_word((fmi_vtype)symbol->type, printer->dialect->kind));
    fmi_put(printer, " ");
}

static void put_declarator(fmi_printer *printer, const fmi_node *node)
{
    fmi_put_symbol(printer, node->symbol);
    for (uint32_t i = 0; i < node->symbol->dim_count; i++) {
        fmi_text_format(printer->out, "[%u]", node->symbol->dims[i]);
    }
    if (node->a) {
        fmi_put_form(printer, " = @", node->a);
    }
}

// With its semicolon.
static void put_declaration(fmi_printer *printer, const fmi_node *node)
{
    put_type(printer, node->a->symbol,
             printer->is_header && node->a->symbol->scope == 0 ? printer->dialect->table : "const ");
    for (const fmi_node *one = node->a; one; one = one->next) {
        fmi_put(printer, one == node->a ? "" : ", ");
        put_declarator(printer, one);
    }
    fmi_put(printer, ";");
}

static void put_governed(fmi_printer *printer, const fmi_node *node)
{
    bool is_block = node->kind == FMI_NODE_BLOCK;
    fmi_put(printer, "\n");
    printer->indent += !is_block;
    put_statement(printer, node);
    printer->indent -= !is_block;
}

static void put_block(fmi_printer *printer, const fmi_node *node)
{
    begin_line(printer);
    fmi_put(printer, "{\n");
    printer->indent++;
    fmi_put_statements(printer, node->a);
    printer->indent--;
    begin_line(printer);
    fmi_put(printer, "}\n");
}

static void put_if(fmi_printer *printer, const fmi_node *node)
{
    fmi_put_form(printer, "if (@)", node->a);
    put_governed(printer, node->b);
    if (node->c) {
        begin_line(printer);
        fmi_put(printer, "else");
        put_governed(printer, node->c);
    }
}

static void put_do(fmi_printer *printer, const fmi_node *node)
{
    fmi_put(printer, "do");
    put_governed(printer, node->a);
    begin_line(printer);
    fmi_put_form(printer, "while (@);\n", node->b);
}

static void put_for(fmi_printer *printer, const fmi_node *node)
{
    fmi_put(printer, "for (");
    if (node->a && node->a->kind == FMI_NODE_DECLARATION) {
        put_declaration(printer, node->a);
    } else {
        fmi_put_form(printer, "@;", node->a);
    }
    fmi_put_form(printer, " @; @)", node->b, node->c);
    put_governed(printer, node->d);
}

static void put_statement(fmi_printer *printer, const fmi_node *node)
{
    if (node->kind == FMI_NODE_BLOCK) {
        put_block(printer, node);
        return;
    }
    begin_line(printer);
    switch ((fmi_node_kind)node->kind) {
    case FMI_NODE_IF: put_if(printer, node); break;
    case FMI_NODE_WHILE:
        fmi_put_form(printer, "while (@)", node->a);
        put_governed(printer, node->b);
        break;
    case FMI_NODE_DO: put_do(printer, node); break;
    case FMI_NODE_FOR: put_for(printer, node); break;
    case FMI_NODE_RETURN:
        fmi_put(printer, printer->is_header ? "return" : printer->leave);
        fmi_put_form(printer, node->a ? " @;\n" : ";\n", node->a);
        break;
    case FMI_NODE_BREAK: fmi_put(printer, "break;\n"); break;
    case FMI_NODE_CONTINUE: fmi_put(printer, "continue;\n"); break;
    case FMI_NODE_EXPRESSION: fmi_put_form(printer, "@;\n", node->a); break;
    case FMI_NODE_DECLARATION:
        put_declaration(printer, node);
        fmi_put(printer, "\n");
        break;
    default: fmi_put(printer, ";\n"); break; // an empty one
    }
}

void fmi_put_statements(fmi_printer *printer, const fmi_node *list)
{
    for (const fmi_node *node = list; node; node = node->next) {
        put_statement(printer, node);
    }
}

static void put_helper(fmi_printer *printer, const fmi_node *node)
{
    fmi_put(printer, printer->dialect->function);
    put_type(printer, node->symbol, "");
    fmi_put_symbol(printer, node->symbol);
    fmi_put(printer, "(");
    for (const fmi_node *param = node->a; param; param = param->next) {
        fmi_put(printer, param == node->a ? "" : ", ");
        put_type(printer, param->symbol, "const ");
        fmi_put_symbol(printer, param->symbol);
    }
    fmi_put(printer, node->a || !printer->dialect->casts_as_c ? ")\n" : "void)\n");
    put_block(printer, node->b);
}

void fmi_put_header(fmi_printer *printer)
{
    uint32_t indent = printer->indent;
    printer->indent = 0;
    printer->is_header = true;
    for (const fmi_node *node = printer->tree->header_list; node; node = node->next) {
        if (node->kind == FMI_NODE_HELPER) {
            put_helper(printer, node);
        } else {
            put_declaration(printer, node);
            fmi_put(printer, "\n");
        }
    }
    printer->is_header = false;
    printer->indent = indent;
}
