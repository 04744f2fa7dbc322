// Random kernels: what is right is taken and printed for all targets, and the C text compiles and runs; what somebody broke is taken or refused with a
// place in it. What texts compute is tested by the conformance suite.
#include "language_fixture.h"

#include "backend/host/entry.h"
#include "backend/host/symbols.h"
#include "kernel_fixture.h"

#ifdef FMI_HAVE_HOST
#include <libtcc.h>
#endif

#include <stdio.h>
#include <stdlib.h>

// A generator of texts: what it writes has right types, as long as `mistakes` is 0.
struct writer {
    fmi_text text;
    uint32_t random;
    uint32_t depth;
    uint32_t variables[3]; // declared so far: ints, uints, floats
};

static uint32_t draw(struct writer *writer, uint32_t below)
{
    writer->random = writer->random * 1664525u + 1013904223u;
    return (writer->random >> 8) % below;
}

enum { INT, UINT, FLOAT };
static const char letters[] = "iuf";
static const char *const words[] = {"int", "uint", "float"};

static void write_value(struct writer *writer, int type);

static void write_leaf(struct writer *writer, int type)
{
    static const char *const elements[] = {"k", "s", "x"};
    switch (draw(writer, 6)) {
    case 0:
        if (writer->variables[type]) {
            fmi_text_format(&writer->text, "%c%u", letters[type], draw(writer, writer->variables[type]));
            return;
        }
        break;
    case 1: fmi_text_format(&writer->text, "%s[%uu]", elements[type], draw(writer, 8)); return;
    case 2: fmi_text_format(&writer->text, "%s", type == INT ? "b[2]" : type == UINT ? "u[3]" : "h[1]"); return;
    case 3: fmi_text_format(&writer->text, "%s", type == INT ? "LESS" : type == UINT ? "n" : "a"); return;
    case 4:
        fmi_text_format(&writer->text, "%s", type == INT ? "int(local_id.x)" : type == UINT ? "FIVE" : "HALF");
        return;
    default: break;
    }
    fmi_text_format(&writer->text, type == INT ? "%u" : type == UINT ? "%uu" : "%u.5", draw(writer, 40));
}

static void write_condition(struct writer *writer)
{
    static const char *const operators[] = {"<", ">", "<=", ">=", "==", "!="};
    int type = (int)draw(writer, 3);
    fmi_text_format(&writer->text, draw(writer, 4) ? "((" : "(!(");
    write_value(writer, type);
    fmi_text_format(&writer->text, " %s ", operators[draw(writer, 6)]);
    write_value(writer, type);
    fmi_text_format(&writer->text, "))");
}

static void write_operation(struct writer *writer, int type)
{
    static const char *const whole[] = {"+", "-", "*", "&", "|", "^"};
    static const char *const real[] = {"+", "-", "*", "/"};
    fmi_text_format(&writer->text, draw(writer, 2) ? "(" : "(-");
    write_value(writer, type);
    fmi_text_format(&writer->text, " %s ", type == FLOAT ? real[draw(writer, 4)] : whole[draw(writer, 6)]);
    write_value(writer, type);
    fmi_text_format(&writer->text, draw(writer, 3) || type == FLOAT ? ")" : " << 3u)");
}

static void write_value(struct writer *writer, int type)
{
    if (writer->depth > 3) {
        write_leaf(writer, type);
        return;
    }
    writer->depth++;
    switch (draw(writer, 8)) {
    case 0:
    case 1: write_operation(writer, type); break;
    case 2:
        fmi_text_format(&writer->text, "(");
        write_condition(writer);
        fmi_text_format(&writer->text, " ? ");
        write_value(writer, type);
        fmi_text_format(&writer->text, " : ");
        write_value(writer, type);
        fmi_text_format(&writer->text, ")");
        break;
    case 3:
        fmi_text_format(&writer->text, draw(writer, 2) ? "min(" : "max(");
        write_value(writer, type);
        fmi_text_format(&writer->text, ", ");
        write_value(writer, type);
        fmi_text_format(&writer->text, ")");
        break;
    case 4:
        fmi_text_format(&writer->text, "%s(", type == FLOAT ? "helper" : words[type]);
        write_value(writer, type == FLOAT ? FLOAT : UINT - type);
        fmi_text_format(&writer->text, ")");
        break;
    default: write_leaf(writer, type); break;
    }
    writer->depth--;
}

static void write_store(struct writer *writer)
{
    static const char *const targets[] = {"k[", "s[", "x[", "b[", "u[", "h["};
    static const char *const stores[] = {"=", "+=", "-=", "*="};
    uint32_t target = draw(writer, 6);
    fmi_text_format(&writer->text, "%s%u] %s ", targets[target], draw(writer, 8), stores[draw(writer, 4)]);
    write_value(writer, (int)(target % 3));
    fmi_text_format(&writer->text, ";\n");
}

static void write_statement(struct writer *writer)
{
    writer->depth++;
    uint32_t kind = draw(writer, writer->depth > 4 ? 3 : 6);
    uint32_t before[3];
    memcpy(before, writer->variables, sizeof before);
    int type = (int)draw(writer, 3);
    switch (kind) {
    case 0:
    case 1: write_store(writer); break;
    case 2:
        if (writer->variables[type]) {
            fmi_text_format(&writer->text, "%c%u = ", letters[type], draw(writer, writer->variables[type]));
            write_value(writer, type);
            fmi_text_format(&writer->text, ";\n");
        }
        break;
    case 3:
        fmi_text_format(&writer->text, "if ");
        write_condition(writer);
        fmi_text_format(&writer->text, " {\n");
        write_statement(writer);
        fmi_text_format(&writer->text, "} else\n");
        write_store(writer);
        memcpy(writer->variables, before, sizeof before);
        break;
    case 4:
        fmi_text_format(&writer->text, "for (int q%u = 0; q%u < %u; q%u++) {\n", writer->depth, writer->depth,
                        1 + draw(writer, 3), writer->depth);
        write_statement(writer);
        fmi_text_format(&writer->text, "if (q%u == 1) continue;\n", writer->depth);
        write_statement(writer);
        fmi_text_format(&writer->text, "}\n");
        memcpy(writer->variables, before, sizeof before);
        break;
    default:
        fmi_text_format(&writer->text, "{ ");
        write_store(writer);
        write_statement(writer);
        fmi_text_format(&writer->text, "}\n");
        memcpy(writer->variables, before, sizeof before);
        break;
    }
    writer->depth--;
}

static void write_body(struct writer *writer)
{
    writer->text.length = 0;
    memset(writer->variables, 0, sizeof writer->variables);
    fmi_text_format(&writer->text, "for (int z = 0; z < 8; z++) s[z] = uint(z) * 77u;\n");
    for (int i = 0; i < 6; i++) {
        int type = (int)draw(writer, 3);
        fmi_text_format(&writer->text, "%s %c%u = ", words[type], letters[type], writer->variables[type]);
        write_value(writer, type);
        fmi_text_format(&writer->text, ";\n");
        writer->variables[type]++;
        write_statement(writer);
    }
}

static const char header[] = "#define TWICE(v) ((v) + (v))\nconst float T[3] = {1.0, 2.0, 0.5};\n"
                             "float helper(float v) { if (v > 2.0) return TWICE(v) * T[1]; return v * T[2]; }\n";

static const fm_kernel_param params[] = {
    {"x", FM_DTYPE_F32, FM_ACCESS_READ_WRITE}, {"h", FM_DTYPE_F16, FM_ACCESS_READ_WRITE},
    {"b", FM_DTYPE_I8, FM_ACCESS_READ_WRITE},  {"u", FM_DTYPE_U8, FM_ACCESS_READ_WRITE},
    {"k", FM_DTYPE_I32, FM_ACCESS_READ_WRITE},
};
static const fm_kernel_constant constants[] = {{"a", FM_DTYPE_F32}, {"n", FM_DTYPE_U32}};
static const fm_kernel_shared shared[] = {{"s", FM_DTYPE_U32, 8}};
static const fm_kernel_special specials[] = {
    {"FIVE", FM_DTYPE_U32, 5}, {"LESS", FM_DTYPE_I32, -3}, {"HALF", FM_DTYPE_F32, 0.5}};
static const uint64_t dtypes =
    FM_DTYPE_F32 | FM_DTYPE_F16 << 4 | FM_DTYPE_I8 << 8 | FM_DTYPE_U8 << 12 | FM_DTYPE_I32 << 16;

static fm_kernel_info make_info(const char *body)
{
    return (fm_kernel_info){.name = "random",
                            .code = body,
                            .header = header,
                            .params = params,
                            .param_count = COUNT(params),
                            .constants = constants,
                            .constant_count = COUNT(constants),
                            .shared = shared,
                            .shared_count = COUNT(shared),
                            .specials = specials,
                            .special_count = COUNT(specials),
                            .group_size = {2, 1, 1}};
}

#ifdef FMI_HAVE_HOST

struct memory {
    float x[8];
    uint16_t h[8];
    int8_t b[8];
    uint8_t u[8];
    int32_t k[8];
};

static void note(void *log, const char *message)
{
    fmi_text_format(log, "%s\n", message);
}

// Compiles and runs one group.
static void run_c(const char *text, struct memory *memory)
{
    TCCState *tcc = tcc_new();
    fmi_text log = {0};
    tcc_set_error_func(tcc, &log, note);
    tcc_set_options(tcc, "-nostdlib -nostdinc");
    tcc_set_output_type(tcc, TCC_OUTPUT_MEMORY);
    for (size_t i = 0; i < fmi_host_symbol_count; i++) {
        tcc_add_symbol(tcc, fmi_host_symbols[i].name, fmi_host_symbols[i].address);
    }
    if (tcc_compile_string(tcc, text) != 0 || tcc_relocate(tcc, TCC_RELOCATE_AUTO) < 0 || log.length) {
        fail_msg("%s\n%s", fmi_text_get(&log), text);
    }
    void *symbol = tcc_get_symbol(tcc, "fm_kernel_main");
    fmi_host_entry entry;
    memcpy(&entry, &symbol, sizeof entry);
    void *bindings[] = {memory->x, memory->h, memory->b, memory->u, memory->k};
    const struct {
        float a;
        uint32_t n;
    } values = {1.25f, 7};
    const fmi_host_entry_args args = {bindings, &values, 0, 1, {1, 1, 1}};
    entry(&args);
    tcc_delete(tcc);
    fmi_text_free(&log);
}

static void run_text(const char *text)
{
    struct memory memory = {.x = {1.0f, 2.0f, -3.5f}, .k = {1, 2, 3}};
    run_c(text, &memory);
}

#else
static void run_text(const char *text)
{
    (void)text;
}
#endif

static void random_bodies_are_taken_printed_and_run(void **state)
{
    (void)state;
    struct writer writer = {.random = 11};
    for (int round = 0; round < 300; round++) {
        write_body(&writer);
        fm_kernel_info info = make_info(fmi_text_get(&writer.text));
        fmi_generated generated = prepare(&info, dtypes);
        if (fmi_generate(&generated, fmi_print_c) != FM_OK) {
            fail_msg("%s: %s", (const char *)info.code, fm_last_error());
        }
        run_text(fmi_text_get(&generated.text));
        fmi_kernel_text text = make_text(header, info.code);
        text.names = generated.source->names;
        text.name_count = generated.source->name_count;
        fmi_tree tree;
        read_tree(&text, &tree);
        fm_status (*const printers[])(fmi_print *) = {fmi_print_glsl, fmi_print_cuda, fmi_print_msl};
        for (size_t i = 0; i < COUNT(printers); i++) {
            fmi_print print = {.tree = &tree, .binding_mode = FM_BINDING_ADDRESSES, .max_push_constants_bytes = 128};
            assert_int_equal(printers[i](&print), FM_OK);
            assert_non_null(strstr(fmi_text_get(&print.text), "fm_b_x"));
            fmi_text_free(&print.text);
        }
        fmi_tree_free(&tree);
        release(&generated);
    }
    fmi_text_free(&writer.text);
}

// Something is put between two words of a right text, or in the place of one.
static void mistake_in_a_random_body_has_a_place(void **state)
{
    (void)state;
    static const char *const pieces[] = {"x[0]", "q", "(",   ")",        "{",    "}",   ";",   ",",     "=",
                                         "+",    "*", "<",   "?",        "int",  "1.5", "2u",  "break", "if",
                                         "n",    "a", "min", "sin(1.0)", "half", ".x",  "else"};
    struct writer writer = {.random = 5};
    uint32_t taken = 0, rounds = 6000;
    for (uint32_t round = 0; round < rounds; round++) {
        if (round % 20 == 0) {
            write_body(&writer);
        }
        const char *body = fmi_text_get(&writer.text);
        uint32_t at = draw(&writer, (uint32_t)writer.text.length);
        at += (uint32_t)strcspn(body + at, " \n");
        uint32_t word = (uint32_t)strcspn(body + at + 1, " \n");
        bool replaces = draw(&writer, 2);
        fmi_text changed = {0};
        fmi_text_append(&changed, body, at);
        fmi_text_format(&changed, " %s %s", pieces[draw(&writer, COUNT(pieces))],
                        body + at + (replaces ? 1 + word : 0));
        fm_kernel_info info = make_info(fmi_text_get(&changed));
        fmi_generated generated = prepare(&info, dtypes);
        fm_status status = fmi_generate(&generated, fmi_print_c);
        if (status != FM_OK && (status != FM_ERROR_COMPILE || !strstr(fm_last_error(), "column "))) {
            fail_msg("%s: %s", (const char *)info.code, fm_last_error());
        }
        taken += status == FM_OK;
        release(&generated);
        fmi_text_free(&changed);
    }
    fmi_text_free(&writer.text);
    assert_in_range(taken, rounds / 100, rounds / 2); // a few changes are none that counts
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_bodies_are_taken_printed_and_run),
        cmocka_unit_test(mistake_in_a_random_body_has_a_place),
    };
    return cmocka_run_group_tests_name("language_random", tests, NULL, NULL);
}
