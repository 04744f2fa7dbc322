// Macros and grammar below the devices: what expansion makes of a text, which bounds hostile texts meet, and that no text does harm.
// What the language takes and refuses is tested on every device (tests/conformance/language.c).
#include "base/text.h"
#include "kernel/grammar.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const fmi_name names[] = {
    {"x", FMI_NAME_BUFFER, FM_DTYPE_F32, FM_ACCESS_READ_WRITE, 0, 0},
    {"t", FMI_NAME_BUFFER, FM_DTYPE_NONE, FM_ACCESS_READ_WRITE, 0, 0},
    {"n", FMI_NAME_CONSTANT, FM_DTYPE_U32, 0, 0, 0},
    {"s", FMI_NAME_SHARED, FM_DTYPE_U32, 0, 0, 8},
    {"FIVE", FMI_NAME_SPECIAL, FM_DTYPE_U32, 0, 5, 0},
};

static fm_status read_unit(const char *header, const char *body, fmi_unit *out)
{
    const fmi_unit_input input = {.header = header,
                                  .header_length = header ? strlen(header) : 0,
                                  .body = body,
                                  .body_length = strlen(body),
                                  .names = names,
                                  .name_count = sizeof names / sizeof names[0],
                                  .special_count = 1};
    return fmi_unit_read(&input, out);
}

static fm_status check_text(const char *header, const char *body)
{
    const fmi_grammar_input input = {
        .names = names, .name_count = sizeof names / sizeof names[0], .special_count = 1, .group_size = {64, 1, 1}};
    fmi_unit unit;
    fm_status status = read_unit(header, body, &unit);
    if (status == FM_OK) {
        status = fmi_grammar_check(&input, &unit);
        fmi_unit_free(&unit);
    }
    return status;
}

static void refuse(const char *header, const char *body, const char *part)
{
    fm_status status = check_text(header, body);
    if (status != FM_ERROR_COMPILE || !strstr(fm_last_error(), part)) {
        fail_msg("'%.60s' gave %s, not '%s': %s", body, fm_status_name(status), part, fm_last_error());
    }
}

// What macros make of the body, each run of spaces as one blank.
static void expect_expansion(const char *header, const char *body, const char *wanted)
{
    fmi_unit unit;
    if (read_unit(header, body, &unit) != FM_OK) {
        fail_msg("'%s': %s", body, fm_last_error());
    }
    fmi_text text = {0};
    for (uint32_t i = 0; i < unit.body.count; i++) {
        const fmi_token *token = &unit.body.list[i];
        bool is_space = token->kind == FMI_TOKEN_SPACE;
        if (!is_space) {
            fmi_text_append(&text, token->start, token->length);
        } else if (text.length && text.data[text.length - 1] != ' ' &&
                   fmi_token_next(&unit.body, i) < unit.body.count) {
            fmi_text_append(&text, " ", 1);
        }
    }
    assert_string_equal(fmi_text_get(&text), wanted);
    fmi_text_free(&text);
    fmi_unit_free(&unit);
}

static void macro_text_stands_where_its_name_was(void **state)
{
    (void)state;
    expect_expansion("#define A 1 + \\\n 2\n", "v = A;", "v = 1 + 2 ;");
    expect_expansion("#define A -1\n", "v-A", "v- -1");
    expect_expansion("#define F(a, b) a*b\n", "F(1, (2, 3)) F (x[1],)", "1* (2, 3) x[1]*");
    expect_expansion("#define F(a) a G\n#define G F(2)\n", "F(1)", "1 F(2)"); // none expands in its own text
    expect_expansion("#define F(a) [a]\n", "F(F(F(1))) F", "[ [ [1] ] ] F");
    expect_expansion("#define F() 1\n#define G (a)\n#define A(x) y\n", "F() G(2) A(\n)", "1 (a) (2) y");
    expect_expansion("#define A B\n#define B A\n", "A B", "A B");
    expect_expansion("#define A 1\n#undef A\n#undef A\n", "A", "A");
    expect_expansion("#define A /* no\n more */ 1 // end\n", "A;", "1 ;");
    expect_expansion("#define F(a) a\n", "F(FIVE) F(n)", "FIVE n");
}

// Lines that a backslash continues, whichever line ends an editor writes, and comments wherever a blank may stand.
static void line_goes_on_behind_a_backslash(void **state)
{
    (void)state;
    expect_expansion("#define A 1 + \\\r\n 2\r\n#define B \\\r\n\\\r\n 3\r\n", "v = A * B;", "v = 1 + 2 * 3 ;");
    expect_expansion("#define A 1 // one \\\n 2\n", "A", "1");
    expect_expansion("#define A 1 // one \\\r\n #define B 2\r\n", "A B", "1 B");
    expect_expansion("", "a // no \\\n b\n c \\\r\n d", "a c d");
    expect_expansion("# /* x */ define /* y */ A /* z */ 1\n /* w */ # \\\n ifdef A\n#define B 2\n#endif\n", "A B",
                     "1 2");
    expect_expansion("#define A /* over\n lines */ 1\n", "A", "1");
    refuse("#define A 1 \\ \n", "x[0] = 1.0;", "header line 1, column 13: a backslash continues its line only as");
    refuse("#define A 1 \\", "x[0] = 1.0;", "header line 1, column 13: a backslash continues its line only as");
    refuse("\n\n#define A 1 \\\r\n /* open", "x[0] = 1.0;", "header line 4, column 2: a comment has no end");
}

// What an `#if` leaves out may be no code at all; what counts is refused where it stands.
static void text_that_a_condition_leaves_out_may_be_anything(void **state)
{
    (void)state;
    static const char junk[] =
        "it's \"not\" code @ $ ` 0b11 08 1.2.3 #\n#pragma once\n#include <math.h>\n#define Q '\n";
    fmi_text header = {0};
    fmi_text_format(&header, "#if 0\n%s#elif 0\n%s#else\n#define A 1\n#endif\n#if 1\n#else\n%s#endif\n", junk, junk,
                    junk);
    expect_expansion(fmi_text_get(&header), "A Q", "1 Q");
    fmi_text_free(&header);
    refuse("#if 0\n'\n#else\n  @\n#endif\n", "x[0] = 1.0;", "header line 4, column 3: this character has no meaning");
    refuse("#if 1\n 'a'\n#endif\n", "x[0] = 1.0;", "header line 2, column 2: there are no strings");
    refuse("#if FIVE > '0'\n#endif\n", "x[0] = 1.0;", "header line 1, column 12: there are no strings");
    refuse("#if 0\n#elif 0b1\n#endif\n", "x[0] = 1.0;", "header line 2, column 7: there are no binary numbers");
    refuse("#define A 1.0h\n", "x[0] = 1.0;", "header line 1, column 11: there are no half numbers");
    refuse("float f() { return 1.0; }\n#pragma once\n", "x[0] = 1.0;", "header line 2, column 1: there are no pragmas");
    refuse("#include <math.h>\n", "x[0] = 1.0;", "header line 1, column 1: there is no #include");
}

// Names that look-ups come by while a text of `count` pieces is read.
static uint64_t count_steps(const char *piece, bool is_header, int count)
{
    fmi_text text = {0};
    for (int i = 0; i < count; i++) {
        char number[16];
        snprintf(number, sizeof number, "%d", i);
        for (const char *p = piece; *p; p++) {
            fmi_text_append(&text, *p == '@' ? number : p, *p == '@' ? strlen(number) : 1);
        }
    }
    fmi_unit unit;
    const fmi_grammar_input input = {.names = names, .name_count = sizeof names / sizeof names[0], .special_count = 1};
    assert_int_equal(read_unit(is_header ? fmi_text_get(&text) : NULL, is_header ? "x[0] = 1.0;" : fmi_text_get(&text),
                               &unit),
                     FM_OK);
    assert_int_equal(fmi_grammar_check(&input, &unit), FM_OK);
    uint64_t steps = unit.steps;
    fmi_unit_free(&unit);
    fmi_text_free(&text);
    return steps;
}

// A look-up takes the same number of steps however many names there are.
static void look_ups_grow_with_the_text_alone(void **state)
{
    (void)state;
    static const struct {
        const char *piece;
        bool is_header;
    } cases[] = {{"float v@ = 1.0; v@ += 1.0;\n", false},
                 {"{ float v@ = 1.0; float w = v@; }\n", false},
                 {"#define M@ 1.0\n#undef M@\n#define M@ 2.0\n", true},
                 {"#define N@ 1.0\nconst float c@ = N@;\n", true},
                 {"float f@(float v) { return v; }\n", true}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint64_t few = count_steps(cases[i].piece, cases[i].is_header, 2000);
        uint64_t many = count_steps(cases[i].piece, cases[i].is_header, 16000);
        assert_true(few >= 2000);
        if (many > 10 * few)
            fail_msg("'%s': %d times takes %llu steps, 8 times as often %llu", cases[i].piece, 2000,
                     (unsigned long long)few, (unsigned long long)many);
    }
}

static void condition_counts_as_its_line_says(void **state)
{
    (void)state;
    static const struct {
        const char *condition;
        bool is_true;
    } cases[] = {{"1", true},
                 {"0", false},
                 {"FIVE == 5 && FIVE % 2 == 1", true},
                 {"1 + 2 * 3 == 7 && (1 + 2) * 3 == 9", true},
                 {"-7 / 2 == -3 && -7 % 2 == -1", true},
                 {"1 << 40 > 0xffffffffu", true},
                 {"(6 & 3 | 8 ^ 1) == 11", true},
                 {"!defined(A) || A > 100", true},
                 {"defined B && B == 4", true},
                 {"defined(FIVE)", true},
                 {"0 && (1 / 0 || what)", false},
                 {"1 || what", true},
                 {"~0 == -1 && +1 >= 1 && 2 <= 1", false},
                 {"TWICE(2) != B", false}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char header[256];
        snprintf(header, sizeof header, "#define B 4\n#define TWICE(a) (2 * (a))\n#if %s\n#define R yes\n#endif\n",
                 cases[i].condition);
        expect_expansion(header, "R", cases[i].is_true ? "yes" : "R");
    }
}

static void text_that_would_grow_without_end_is_refused(void **state)
{
    (void)state;
    fmi_text header = {0};
    fmi_text_format(&header, "#define A0 1 + 1\n");
    for (int i = 1; i < 40; i++) {
        fmi_text_format(&header, "#define A%d A%d + A%d\n", i, i - 1, i - 1);
    }
    refuse(fmi_text_get(&header), "x[0] = A39;", "macros make more than 1048576 tokens");
    fmi_text_free(&header);
    for (int i = 0; i < 100; i++) {
        fmi_text_format(&header, "#define A%d A%d\n", i, i + 1);
    }
    refuse(fmi_text_get(&header), "x[0] = A0;", "macros are nested more than 64 deep");
    fmi_text_free(&header);
}

static void repeat(fmi_text *text, const char *piece, int count)
{
    for (int i = 0; i < count; i++) {
        fmi_text_append(text, piece, strlen(piece));
    }
}

// Each of these would end the stack of the thread that creates the kernel.
static void nesting_is_bounded(void **state)
{
    (void)state;
    static const struct {
        const char *start;
        const char *piece;
        const char *end;
        const char *closing;
    } cases[] = {{"x[0] = ", "(", "1.0", ")"},
                 {"x[0] = ", "-", "1.0", ""},
                 {"x[0] = ", "sin(", "1.0", ")"},
                 {"x[0] = ", "true ? 1.0 : ", "1.0", ""},
                 {"x[0] = ", "true ? ", "1.0", " : 2.0"},
                 {"", "{", "", "}"},
                 {"", "if (true) ", "", ""},
                 {"", "for (;;) ", "break;", ""},
                 {"int v; ", "v = ", "1", ""},
                 {"", "do ", "", " while (false);"},
                 {"x[0] = ", "float(", "1", ")"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        fmi_text text = {0};
        repeat(&text, cases[i].start, 1);
        repeat(&text, cases[i].piece, 20000);
        repeat(&text, cases[i].end, 1);
        repeat(&text, cases[i].closing, 20000);
        repeat(&text, ";", 1);
        refuse(NULL, fmi_text_get(&text), "nested more than");
        fmi_text_free(&text);
    }
}

// A target's compiler recurses along a chain: some ten thousand operators end the stack of glslang's thread.
static void chain_is_bounded(void **state)
{
    (void)state;
    static const char *const pieces[] = {" + 1.0", ", x[0] = 1.0"};
    for (size_t i = 0; i < 2; i++) {
        for (int count = 2000; count <= 2001; count++) {
            fmi_text text = {0};
            repeat(&text, "x[0] = 1.0", 1);
            repeat(&text, pieces[i], count);
            repeat(&text, ";", 1);
            if (count == 2000) {
                assert_int_equal(check_text(NULL, fmi_text_get(&text)), FM_OK);
            } else {
                refuse(NULL, fmi_text_get(&text), "one expression has more than 2000 operators");
            }
            fmi_text_free(&text);
        }
    }
    fmi_text table = {0}; // of which each value is an expression
    repeat(&table, "const float table[] = {1.0 / 3.0", 1);
    repeat(&table, ", 1.0 / 3.0", 2500);
    repeat(&table, "};", 1);
    assert_int_equal(check_text(fmi_text_get(&table), "x[0] = table[1];"), FM_OK);
    fmi_text_free(&table);
}

static void expression_with_many_changes_is_refused(void **state)
{
    (void)state;
    fmi_text text = {0};
    for (int i = 0; i < 300; i++) {
        fmi_text_format(&text, "int v%d = 0;", i);
    }
    repeat(&text, "v0", 1);
    for (int i = 1; i < 300; i++) {
        fmi_text_format(&text, " + v%d++", i);
    }
    repeat(&text, ";", 1);
    refuse(NULL, fmi_text_get(&text), "one expression changes more than 256 variables");
    fmi_text_free(&text);
}

// Of a parameter whose dtype comes with the dispatch nothing is refused that one dtype would allow.
static void element_without_a_dtype_fits_everywhere(void **state)
{
    (void)state;
    assert_int_equal(check_text(NULL, "t[0] = t[1] % 2; t[0] = 1.5; x[0] = sqrt(t[0]); t[0]++; t[0] <<= 1; t[0] = "
                                      "min(t[0], 1);"),
                     FM_OK);
    assert_int_equal(check_text("float f(float v) { return v; }", "x[0] = f(t[0]) + t[1]; bool b = t[0] < t[1];"),
                     FM_OK);
    refuse(NULL, "t[0] = nothing;", "'nothing' is not declared");
    refuse(NULL, "t = 1;", "this is an array");
}

static void random_text_never_does_harm(void **state)
{
    (void)state;
    static const char *const pieces[] = {
        "x[0]",   "t[",     "]",         "n",           "s[1]",    "FIVE",     "(",       ")",        "{",
        "}",      ";",      ",",         "=",           "+=",      "++",       "+",       "-",        "/",
        "%",      "<<",     "<",         "&&",          "?",       ":",        "!",       "int ",     "float ",
        "bool ",  "const ", "void ",     "v",           "w",       "f",        "f(",      "min(",     "1",
        "0",      "2.5",    "3u",        "4l",          "if (",    "else ",    "for (",   "while",    "do ",
        "return", "break",  "true",      "#if ",        "#else\n", "#endif\n", "\n",      "#define ", "M",
        "M(",     "N",      "barrier()", "global_id.x", " ",       "\\\n",     "defined", "#undef ",  "atomic_add(",
        "/* ",    "*/",     "//",        "\\\r\n",      "'",       "0b1",      "#pragma "};
    uint32_t random = 7;
    uint32_t taken = 0;
    for (int round = 0; round < 40000; round++) {
        fmi_text texts[2] = {{0}, {0}};
        for (int i = 0; i < 30; i++) {
            random = random * 1664525u + 1013904223u;
            const char *piece = pieces[(random >> 12) % (sizeof pieces / sizeof pieces[0])];
            fmi_text_append(&texts[(random >> 28) & 1], piece, strlen(piece));
        }
        taken += check_text(fmi_text_get(&texts[0]), fmi_text_get(&texts[1])) == FM_OK;
        taken += check_text("#define M (v)\n#define N(a) a;\nint f(int v) { return v; }\n", fmi_text_get(&texts[1])) ==
                 FM_OK;
        fmi_text_free(&texts[0]);
        fmi_text_free(&texts[1]);
    }
    assert_true(taken < 80000); // most is nonsense; what counts is to come here
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(macro_text_stands_where_its_name_was),
        cmocka_unit_test(line_goes_on_behind_a_backslash),
        cmocka_unit_test(text_that_a_condition_leaves_out_may_be_anything),
        cmocka_unit_test(look_ups_grow_with_the_text_alone),
        cmocka_unit_test(condition_counts_as_its_line_says),
        cmocka_unit_test(text_that_would_grow_without_end_is_refused),
        cmocka_unit_test(nesting_is_bounded),
        cmocka_unit_test(chain_is_bounded),
        cmocka_unit_test(expression_with_many_changes_is_refused),
        cmocka_unit_test(element_without_a_dtype_fits_everywhere),
        cmocka_unit_test(random_text_never_does_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
