// Errors in kernel texts: template name, line, column, the line itself and a caret below the column, on every backend; and the generated
// source on request. What a compiler says differs between backends, where it points to does not.
#include "groups.h"
#include "support.h"

static fm_kernel_info make_info(const char *header, const char *code)
{
    static const fm_kernel_param params[] = {{"x", FM_DTYPE_F32, FM_ACCESS_READ_WRITE}};
    static const fm_kernel_constant constants[] = {{"n", FM_DTYPE_U32}};
    return (fm_kernel_info){.name = "broken",
                            .code = code,
                            .header = header,
                            .params = params,
                            .param_count = 1,
                            .constants = constants,
                            .constant_count = 1};
}

// `place` is "line L, column C: ", and `pointed` the text from the caret on to the end of its line.
static void expect_error(ct_fixture *f, const char *header, const char *code, const char *place, const char *pointed)
{
    fm_kernel_info info = make_info(header, code);
    fm_kernel kernel = {UINT64_MAX};
    CT_STATUS(fm_kernel_create(f->device, &info, &kernel), FM_ERROR_COMPILE);
    assert_true(kernel.id == 0);
    const char *said = fm_last_error();
    const char *caret = strrchr(said, '^');
    const char *below = caret;
    while (below && below > said && *below != '\n') below--;
    const char *above = below; // the line that is shown
    while (above && above > said && *--above != '\n') {
    }
    bool is_right = strstr(said, "fm_kernel_create: kernel 'broken'") && strstr(said, place) && above && above > said &&
                    strlen(pointed) <= (size_t)(below - above) &&
                    strncmp(above + (caret - below), pointed, strlen(pointed)) == 0;
    if (!is_right) fail_msg("'%s' does not point to '%s' at %s", said, pointed, place);
    static const char *const leaks[] = {"temp ",     "highp",  "fm_b_",       "fm_c_", "RIGHT_",
                                        "SEMICOLON", "std430", "inversesqrt", "sqrtf"};
    for (size_t i = 0; i < sizeof leaks / sizeof leaks[0]; i++) {
        if (strstr(said, leaks[i])) fail_msg("'%s' leaks '%s'", said, leaks[i]);
    }
}

static void compile_error_points_into_the_body(void **state)
{
    static const struct {
        const char *code;
        const char *place;
        const char *pointed;
    } cases[] = {
        {"uint i = global_id.x;\nx[i] = foo + 1.0f;", "line 2, column 8: ", "foo + 1.0f;"},
        {"uint i = 0u;\n\n   i = i + bar(i) * 2u;\n", "line 3, column 12: ", "bar(i) * 2u;"},
        {"for (int i = 0; i < 3; i++) { x[i] = q; }\nfloat r = 1.0f;", "line 1, column 38: ", "q; }"},
        {"uint i = n;\n\tif (i > 1u) {\n\t\tx[i] = float(i) + what;\n\t}", "line 3, column 21: ", "what;"},
        {"/* one\ntwo */ x[0] = 1.0f; x[1] = nothing;", "line 2, column 28: ", "nothing;"},
        {"float v = x[x_of]; x[n] += v;", "line 1, column 13: ", "x_of]"},
        {"x[0] = 1.0f", "line 1, column 12: ", ""},                   // what is missing belongs to the end
        {"\nx[0] = 1.0f \n\n\n // end\n", "line 2, column 12: ", ""}, // of the code, not of the text
        {"x[0] = TWICE(zzz);", "line 1, column 14: ", "zzz);"},       // inside of a macro's argument
        {"float a = x[0] % 2.0f;", "line 1, column ", ""},            // operand or operator, as the compiler sees it
        {"n = 2u;", "line 1, column 1: ", "n = 2u;"},
        {"float y = 0.5;\n{ x[0] = y;", "line 2, column 1: ", "{ x[0]"},
        {"float \xC3\xA4 = 1.0f;", "line 1, column 7: ", "\xC3\xA4"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        expect_error(*state, "#define TWICE(a) ((a) + (a))\n", cases[i].code, cases[i].place, cases[i].pointed);
    }
}

static void compile_error_points_into_the_header(void **state)
{
    expect_error(*state, "float f(float v)\n{\n  return v * nothing;\n}\n", "x[0] = f(1.0f);",
                 "header line 3, column 14: ", "nothing;");
    expect_error(*state, "#define A 1\n#if A\nfloat f(float v) { return lost; }\n#endif\n", "x[0] = f(1.0f);",
                 "header line 3, column 27: ", "lost; }");
    expect_error(*state, "float f(float v)\n{ return half(v); }", "x[0] = f(1.0f);",
                 "header line 2, column 10: ", "half(v)");
}

// A helper that stands below its use: C would take it for one that gives an int, and 3.5 for 3 (KEY-6).
static void helper_used_before_it_stands_there_is_a_compile_error(void **state)
{
    ct_fixture *f = *state;
    fm_kernel kernel = {0};
    fm_kernel_info info = make_info("float g(float v) { return f(v) + 1.0f; }\nfloat f(float v) { return v * 2.5f; }\n",
                                    "x[0] = g(3.0f);");
    CT_STATUS(fm_kernel_create(f->device, &info, &kernel), FM_ERROR_COMPILE);
    assert_non_null(strstr(fm_last_error(), "header line 1"));
}

// A long line is cut around the place.
static void compile_error_in_a_long_line_shows_its_part(void **state)
{
    char code[2000] = "x[0] = 1.0f";
    for (int i = 0; i < 60; i++) strcat(code, " + 1.0f * 2.0f");
    size_t column = strlen(code) + 4;
    strcat(code, " + missing");
    for (int i = 0; i < 40; i++) strcat(code, " + 3.0f");
    strcat(code, ";");
    char place[40];
    snprintf(place, sizeof place, "line 1, column %zu: ", column);
    expect_error(*state, NULL, code, place, "missing");
    assert_true(strlen(fm_last_error()) < 700);
}

// Each helper calls the one before it twice, so compilers would see twice as many of them: 8,191 are made, 16,383 are refused at once.
static void helpers_that_multiply_are_bounded(void **state)
{
    ct_fixture *f = *state;
    char header[2048];
    int used = snprintf(header, sizeof header, "float f1(float v) { return v + 1.0f; }\n");
    for (int i = 2; i <= 14; i++) {
        if (i == 14) {
            fm_kernel_info info = make_info(header, "x[0] = f13(x[0]) + f1(x[0]);");
            fm_kernel kernel;
            CT_OK(fm_kernel_create(f->device, &info, &kernel));
            CT_OK(fm_kernel_destroy(f->device, kernel));
        }
        used += snprintf(header + used, sizeof header - (size_t)used,
                         "float f%d(float v) { return f%d(v) + f%d(v + 1.0f); }\n", i, i - 1, i - 1);
    }
    expect_error(f, header, "x[0] = f14(x[0]);",
                 "header line 14, column 38: with this call of 'f13' more than 10000 helpers", "f13(v + 1.0f)");
}

// One clear sentence for what one target would take and another would not.
static void forbidden_text_is_named_with_its_place(void **state)
{
    static const struct {
        const char *header;
        const char *code;
        const char *place;
        const char *pointed;
    } cases[] = {
        {NULL, "float *p;", "column 7: there are no pointers", "*p;"},
        {NULL, "float y = *x;", "column 11: there are no pointers", "*x;"},
        {NULL, "int y = 1; y = 3 + &y;", "column 20: there are no pointers", "&y;"},
        {NULL, "uint i = 1u; i.x = 3u;", "column 15: only built-in ids have members", ".x"},
        {NULL, "float x = 1.0f;", "column 7: 'x' is a parameter of the kernel: a variable needs another name", "x = "},
        {NULL, "uint i = threadIdx.x;", "column 10: 'threadIdx' is no built-in id; here it is called 'local_id'",
         "threadIdx"},
        {NULL, "uint i = get_global_id(0);",
         "column 10: there is no function 'get_global_id' in the language or before this in the header; here it is "
         "called "
         "'global_id'",
         "get_global_id"},
        {NULL, "uint i = gl_GlobalInvocationID.x;",
         "column 10: names that start with fm_ or gl_ are reserved; here it is called 'global_id'", "gl_Global"},
        {NULL, "__syncthreads();",
         "column 1: there is no function '__syncthreads' in the language or before this in the header; here it is "
         "called "
         "'barrier'",
         "__sync"},
        {NULL, "struct s;", "column 1: 'struct' is no word of the portable language", "struct"},
        {NULL, "global_id.x = 1u;", "column 1: 'global_id' cannot be changed", "global_id"},
        {NULL, "x = 1.0f;", "column 1: 'x' is a buffer and is used only as x[index]", "x ="},
        {NULL, "return 1;", "column 1: a body returns nothing", "return"},
        {NULL, "if (n > 1u) break;", "column 13: 'break' is in no loop", "break"},
        {NULL, "barrier(n);", "column 1: barrier is called without arguments", "barrier"},
        {NULL, "x[0] = 1e400000 + 4294967296;", "column 19: an integer does not fit", "4294967296"},
        {NULL, "#define A 1\n", "column 1: a body has no preprocessor lines", "#define"},
        {NULL, "x[0] = \"a\";", "column 8: there are no strings", "\"a\""},
        {"uint f(uint v) { return v == 0u ? 0u : f(v - 1u); }", "x[0] = float(f(n));",
         "header line 1, column 40: 'f' calls itself: there is no recursion", "f(v"},
        {"uint f(uint v);\nuint f(uint v) { return v; }", "x[0] = 1.0f;",
         "header line 1, column 6: a helper function is defined where it is declared", "f(uint"},
        {"uint f() { return local_id.x; }", "x[0] = 1.0f;",
         "header line 1, column 19: a helper function does not see 'local_id'", "local_id"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        expect_error(*state, cases[i].header, cases[i].code, cases[i].place, cases[i].pointed);
    }
}

// What the rules above must leave alone.
static void allowed_text_that_looks_forbidden_compiles(void **state)
{
    ct_fixture *f = *state;
    fm_kernel_info info = make_info("#define NEGATED(v) (-(v)) * 1\n#define BITS & 3u\n"
                                    "uint f(uint v) { return v * 2u; }\nuint g(uint v) { return f(v) + f(v & 1u); }\n",
                                    "uint i = global_id.x & 63u; int j = -1 * int(i); bool b = !(i > 3u) && j < 0;\n"
                                    "uint c[3] = {1u, 2u, 3u}; i++; uint k = c[i % 3u] * (i) & ~i; k = k BITS;\n"
                                    "if (b) k = k * g(k); else k = f(k) * 2u;\n"
                                    "for (int q = 0; q < 3; ++q, j--) k += uint(NEGATED(j));\n"
                                    "x[i - 1u] = float(k) * .5f * float(f(1u));");
    fm_kernel kernel = {0};
    CT_OK(fm_kernel_create(f->device, &info, &kernel));
}

static void source_of_a_kernel_is_written_on_request(void **state)
{
    ct_fixture *f = *state;
    fm_kernel_info info = make_info("float twice(float v) { return v + v; }",
                                    "float good = 1.0; x[global_id.x] = twice(good) * float(n);");
    size_t size = 0;
    CT_OK(fm_kernel_get_source(f->device, &info, NULL, &size));
    assert_true(size > 100);
    char *text = malloc(size), *part = malloc(size);
    assert_true(text && part);
    size_t room = size;
    CT_OK(fm_kernel_get_source(f->device, &info, text, &room));
    assert_int_equal(room, size);
    assert_int_equal(strlen(text) + 1, size);
    assert_non_null(strstr(text, "twice(fm_v_good)"));
    assert_non_null(strstr(text, f->properties.runs_glsl ? "void main()" : "fm_kernel_main("));
    memset(part, CT_POISON, size);
    room = 50;
    CT_OK(fm_kernel_get_source(f->device, &info, part, &room));
    assert_int_equal(room, size);
    assert_int_equal(strlen(part), 49);
    assert_memory_equal(part, text, 49);
    assert_int_equal((uint8_t)part[50], CT_POISON);
    free(text);
    free(part);
    CT_STATUS(fm_kernel_get_source(f->device, NULL, NULL, &size), FM_ERROR_INVALID_ARGUMENT);
    CT_STATUS(fm_kernel_get_source(f->device, &info, NULL, NULL), FM_ERROR_INVALID_ARGUMENT);
    info.params = &(const fm_kernel_param){"x", FM_DTYPE_NONE, FM_ACCESS_READ_WRITE};
    CT_STATUS(fm_kernel_get_source(f->device, &info, NULL, &size), FM_ERROR_INVALID_ARGUMENT);
    info = make_info(NULL, "x[0] = oops;"); // of what is refused nothing is generated
    CT_STATUS(fm_kernel_get_source(f->device, &info, NULL, &size), FM_ERROR_COMPILE);
    assert_non_null(strstr(fm_last_error(), "line 1, column 8: 'oops' is not declared"));
}

int ct_group_messages(void)
{
    const struct CMUnitTest tests[] = {
        CT_TEST(compile_error_points_into_the_body),
        CT_TEST(compile_error_points_into_the_header),
        CT_TEST(helper_used_before_it_stands_there_is_a_compile_error),
        CT_TEST(compile_error_in_a_long_line_shows_its_part),
        CT_TEST(helpers_that_multiply_are_bounded),
        CT_TEST(forbidden_text_is_named_with_its_place),
        CT_TEST(allowed_text_that_looks_forbidden_compiles),
        CT_TEST(source_of_a_kernel_is_written_on_request),
    };
    return cmocka_run_group_tests_name("messages", tests, NULL, NULL);
}
