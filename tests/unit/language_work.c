// Reading and printing a text takes work that grows with its length, whatever there is much of: the program holds the language room compiled once more, so
// that each step of it (a basic block) is counted. Steps are the same in every run, on any machine.
// Ablations: a hash of all spellings that is 0 (names.c), or a walk over the parser's symbols where a spelling knows its own (syntax_operand.c).
#include "language_fixture.h"

#include <stdio.h>

static uint64_t steps;

void __sanitizer_cov_trace_pc(void);
void __sanitizer_cov_trace_pc(void)
{
    steps++;
}

// A kind of text of which there can be any number of pieces; `%u` in a piece is its number.
struct kind {
    const char *name;
    const char *header; // a piece; NULL: none
    const char *body;
    const char *end; // of the body
};

static const struct kind kinds[] = {
    {"variables", NULL, "int variable_%u = 1; variable_%u += k[0];\n", "k[0] = variable_0;"},
    {"uses of one variable", NULL, "v = v + %u * v;\n", ""},
    {"blocks that use the same name", NULL, "{ int v = %u; { int v = 2; k[0] = v; } k[1] = v; }\n", ""},
    {"constants", "const int constant_%u = %u;\n", "k[0] = constant_%u;\n", ""},
    {"macros", "#define MACRO_%u(a) ((a) + %u)\n", "k[0] = MACRO_%u(2);\n", ""},
    {"functions", "int helper_%u(int a) { int b = a; return b; }\n", "if (k[0] == %u) k[0] = helper_%u(2);\n", ""},
    {"conditions", "#if %u > 2\n#define A_%u\n#endif\n", "k[0] = 1;", ""},
    {"misspelt names", NULL, "int variable_%u = 1;\n", "k[0] = variabel_0;"},
};

// Appends a piece `count` times, each with its number.
static void put_pieces(fmi_text *text, const char *piece, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        for (const char *at = piece, *mark; at && *at; at = *mark ? mark + 2 : mark) {
            mark = at + strcspn(at, "%");
            fmi_text_append(text, at, (size_t)(mark - at));
            if (*mark) {
                fmi_text_format(text, "%u", i);
            }
        }
    }
}

static uint64_t count_steps(const struct kind *kind, uint32_t count)
{
    static fm_status (*const printers[])(fmi_print *) = {fmi_print_glsl, fmi_print_c, fmi_print_cuda, fmi_print_msl};
    fmi_text header = {0}, body = {0};
    put_pieces(&header, kind->header, count);
    fmi_text_format(&body, "int v = 0;\n");
    put_pieces(&body, kind->body, count);
    fmi_text_format(&body, "%s", kind->end);
    fmi_kernel_text text = make_text(fmi_text_get(&header), fmi_text_get(&body));
    fmi_tree tree;
    steps = 0;
    fm_status status = fmi_tree_read(&text, &tree);
    for (size_t i = 0; i < COUNT(printers) && status == FM_OK; i++) {
        fmi_print print = {.tree = &tree, .binding_mode = FM_BINDING_ADDRESSES, .max_push_constants_bytes = 256};
        assert_int_equal(printers[i](&print), FM_OK);
        fmi_text_free(&print.text);
    }
    bool is_mistake = strcmp(kind->name, "misspelt names") == 0;
    if (is_mistake != (status == FM_ERROR_COMPILE)) {
        fail_msg("%s: %s", kind->name, fm_last_error());
    }
    if (status == FM_OK) {
        fmi_tree_free(&tree);
    }
    fmi_text_free(&header);
    fmi_text_free(&body);
    return steps;
}

// Numbers have more digits and the table of spellings doubles, so twice the text is a little more than twice the work; were a look-up a search, it
// would be nearly four times.
static void twice_the_text_is_twice_the_work(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(kinds); i++) {
        uint64_t once = count_steps(&kinds[i], 2000), twice = count_steps(&kinds[i], 4000);
        if (once < 2000 * 50 || twice > once * 21 / 10) {
            fail_msg("%s: 2000 take %llu steps and 4000 take %llu", kinds[i].name, (unsigned long long)once,
                     (unsigned long long)twice);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(twice_the_text_is_twice_the_work),
    };
    return cmocka_run_group_tests_name("language_work", tests, NULL, NULL);
}
