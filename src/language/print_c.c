// A tree as C for the host: `fm_kernel_main`, which runs a range of workgroups, with the body inside its loops. See print.h.
// The compiler there has no optimizer, so what runs per work-item is the body, one or two additions and a compare: the body stands in the innermost
// loop, where its `return` is a `continue`. Only a body with a `return` in a loop of its own becomes a function, at twice the cost. A body with
// barrier() becomes a function, too: it is run once per work-item, each on a stack of its own. There are no labels: libtcc keeps those of a compile
// that failed and trips over them in the next.
#include "language/dialect.h"

static const fmi_dialect dialect = {
    .kind = FMI_C,
    .casts_as_c = true,
    .has_long_long = true,
    .cuts_shifts = true, // the processors that libtcc writes code for do
    .truth = {"0", "1"},
    .ids = {"global_id", "local_id", "group_id", "group_count"},
    .address = "&",
    .function = "",
    .table = "const ",
    .array = "",
};

// clang-format off
static const char start[] =
    "struct fm_args {\n"
    "    void *const *bindings; const void *constants; unsigned long long first, last; unsigned group_count[3];\n"
    "};\n"
    "struct fm_uint3 { unsigned x, y, z; };\n"
    "struct fm_state;\n"
    "int fm_run_group(void (*)(struct fm_state *, unsigned), struct fm_state *, unsigned); void fm_barrier_at(unsigned);\n";
static const char step[] =
    "    if (++fm_state.group_id.x == fm_state.group_count.x) {\n"
    "        fm_state.group_id.x = 0;\n"
    "        if (++fm_state.group_id.y == fm_state.group_count.y) {\n"
    "            fm_state.group_id.y = 0;\n"
    "            ++fm_state.group_id.z;\n"
    "        }\n"
    "    }\n"
    "    }\n"
    "    return 0;\n"
    "}\n";
// clang-format on

static bool has_barrier(const fmi_tree *tree)
{
    return (tree->features & FMI_NEEDS_BARRIER) != 0;
}

static const char *element_of(const fmi_tree *tree, uint32_t index)
{
    return fmi_print_row(tree, index)->words[FMI_C].element;
}

// A declaration of each buffer, constant and shared array: as members of `struct fm_state`, or as locals that are loaded from it.
static void put_names(const fmi_tree *tree, bool is_local, fmi_text *text)
{
    for (uint32_t i = 0; i < tree->source->name_count; i++) {
        const fmi_declared *declared = &tree->source->names[i];
        bool is_shared = declared->kind == FMI_DECLARED_SHARED;
        bool is_pointer = declared->kind == FMI_DECLARED_BUFFER || (is_shared && is_local);
        if (declared->kind == FMI_DECLARED_SPECIAL) {
            continue;
        }
        fmi_text_format(text, "    %s %s", element_of(tree, i), is_pointer ? "*" : "");
        fmi_print_name(text, declared);
        if (is_local) {
            fmi_text_format(text, " = fm_self->");
            fmi_print_name(text, declared);
        } else if (is_shared) {
            fmi_text_format(text, "[%u]", declared->count);
        }
        fmi_text_format(text, ";\n");
    }
}

static void put_state(const fmi_tree *tree, fmi_text *text)
{
    fmi_text_format(text, "struct fm_state {\n    struct fm_uint3 group_count, group_id, local_id, global_id;\n");
    put_names(tree, false, text);
    fmi_text_format(text, "};\n");
}

// The body as a function for one work-item on its own stack: its ids are its own, and what it names are locals, because libtcc
// would load a member through two pointers at each use. Visible, so that the host backend can look at its frame.
static void put_item(fmi_printer *printer)
{
    fmi_text *text = printer->out;
    const uint32_t *size = printer->tree->source->group_size;
    fmi_text_format(text, "void fm_item(struct fm_state *fm_self, unsigned fm_number)\n{\n");
    put_names(printer->tree, true, text);
    fmi_text_format(text,
                    "    struct fm_uint3 group_id = fm_self->group_id, group_count = fm_self->group_count;\n"
                    "    struct fm_uint3 local_id, global_id;\n"
                    "    local_id.x = fm_number %% %uu;\n"
                    "    local_id.y = fm_number / %uu %% %uu;\n"
                    "    local_id.z = fm_number / %uu;\n",
                    size[0], size[0], size[1], size[0] * size[1]);
    for (int axis = 0; axis < 3; axis++) {
        fmi_text_format(text, "    global_id.%c = group_id.%c * %uu + local_id.%c;\n", "xyz"[axis], "xyz"[axis],
                        size[axis], "xyz"[axis]);
    }
    printer->access = "";
    fmi_put_statements(printer, printer->tree->body_list);
    fmi_put(printer, "}\n");
}

static void put_arguments(const fmi_tree *tree, fmi_text *text)
{
    uint32_t at_bytes = 0;
    for (uint32_t i = 0; i < tree->source->name_count; i++) {
        const fmi_declared *declared = &tree->source->names[i];
        if (declared->kind == FMI_DECLARED_BUFFER) {
            fmi_text_format(text, "    fm_state.fm_b_%s = fm_args->bindings[%u];\n", declared->name, i);
        } else if (declared->kind == FMI_DECLARED_CONSTANT) {
            fmi_text_format(text, "    fm_state.fm_c_%s = *(const %s *)((const char *)fm_args->constants + %u);\n",
                            declared->name, element_of(tree, i), fmi_dtype_place((fm_dtype)declared->dtype, &at_bytes));
        }
    }
}

// The loops from the group down to the work-item. Nothing steps twice: a body's `continue` lands in the innermost loop.
static void put_items(fmi_printer *printer)
{
    fmi_text *text = printer->out;
    const uint32_t *size = printer->tree->source->group_size;
    uint32_t features = printer->tree->features;
    for (int axis = 2; axis > 0; axis--) {
        char c = "xyz"[axis];
        fmi_text_format(text,
                        "    for (fm_state.local_id.%c = 0; fm_state.local_id.%c != %uu; ++fm_state.local_id.%c) {\n"
                        "    fm_state.global_id.%c = fm_state.group_id.%c * %uu + fm_state.local_id.%c;\n",
                        c, c, size[axis], c, c, c, size[axis], c);
    }
    fmi_text_format(text,
                    "    fm_state.global_id.x = fm_state.group_id.x * %uu;\n"
                    "    for (fm_state.local_id.x = 0; fm_state.local_id.x != %uu; ++fm_state.local_id.x%s)\n    {\n",
                    size[0], size[0], features & FMI_NEEDS_GLOBAL_ID ? ", ++fm_state.global_id.x" : "");
    if (features & FMI_NEEDS_EARLY_RETURN) {
        fmi_put(printer, "        fm_item(&fm_state);\n");
    } else {
        printer->access = "fm_state.";
        printer->leave = "continue";
        printer->indent = 2;
        fmi_put_statements(printer, printer->tree->body_list);
    }
    fmi_put(printer, "    }\n    }\n    }\n");
}

static void put_main(fmi_printer *printer)
{
    fmi_text *text = printer->out;
    const uint32_t *size = printer->tree->source->group_size;
    fmi_text_format(text, "unsigned long long fm_kernel_main(const struct fm_args *fm_args)\n{\n"
                          "    struct fm_state fm_state;\n"
                          "    unsigned long long fm_group = fm_args->first, fm_last = fm_args->last;\n"
                          "    if (fm_group >= fm_last) return 0;\n");
    put_arguments(printer->tree, text);
    for (int axis = 0; axis < 3; axis++) {
        fmi_text_format(text, "    fm_state.group_count.%c = fm_args->group_count[%d];\n", "xyz"[axis], axis);
    }
    fmi_text_format(
        text, "    fm_state.group_id.x = (unsigned)(fm_group %% fm_state.group_count.x);\n"
              "    fm_state.group_id.y = (unsigned)(fm_group / fm_state.group_count.x %% fm_state.group_count.y);\n"
              "    fm_state.group_id.z = (unsigned)(fm_group / fm_state.group_count.x / fm_state.group_count.y);\n"
              "    for (; fm_group != fm_last; ++fm_group) {\n");
    if (has_barrier(printer->tree)) {
        fmi_text_format(text, "    if (fm_run_group(fm_item, &fm_state, %uu)) return fm_group + 1;\n",
                        size[0] * size[1] * size[2]);
    } else {
        put_items(printer);
    }
    fmi_text_append(text, step, sizeof step - 1);
}

fm_status fmi_print_c(fmi_print *print)
{
    fmi_printer printer = {
        .dialect = &dialect, .tree = print->tree, .out = &print->text, .leave = "return", .indent = 1};
    fmi_text_append(&print->text, start, sizeof start - 1);
    fmi_prelude_write(print, FMI_C, &print->text);
    fmi_put_header(&printer);
    put_state(print->tree, &print->text);
    if (has_barrier(print->tree)) {
        put_item(&printer);
    } else if (print->tree->features & FMI_NEEDS_EARLY_RETURN) {
        printer.access = "fm_self->";
        fmi_put(&printer, "static void fm_item(struct fm_state *fm_self)\n{\n");
        fmi_put_statements(&printer, print->tree->body_list);
        fmi_put(&printer, "}\n");
    }
    put_main(&printer);
    return fmi_print_end(print);
}
