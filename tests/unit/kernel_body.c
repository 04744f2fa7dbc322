// The body translator: what element accesses, words and literals become, that lines stay, and which mistakes it names.
// Every case runs for both targets; every mistake also for the check that knows no dtypes yet. Random text must never crash it.
#include "base/text.h"
#include "kernel/unit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const fmi_name names[] = {
    {"x", FMI_NAME_BUFFER, FM_DTYPE_F32, FM_ACCESS_READ_WRITE, 0, 0},
    {"h", FMI_NAME_BUFFER, FM_DTYPE_F16, FM_ACCESS_READ_WRITE, 0, 0},
    {"b", FMI_NAME_BUFFER, FM_DTYPE_I8, FM_ACCESS_READ_WRITE, 0, 0},
    {"u", FMI_NAME_BUFFER, FM_DTYPE_U8, FM_ACCESS_READ_WRITE, 0, 0},
    {"k", FMI_NAME_BUFFER, FM_DTYPE_I32, FM_ACCESS_READ_WRITE, 0, 0},
    {"r", FMI_NAME_BUFFER, FM_DTYPE_F32, FM_ACCESS_READ, 0, 0},
    {"w", FMI_NAME_BUFFER, FM_DTYPE_F32, FM_ACCESS_WRITE, 0, 0},
    {"hr", FMI_NAME_BUFFER, FM_DTYPE_F16, FM_ACCESS_READ, 0, 0},
    {"hw", FMI_NAME_BUFFER, FM_DTYPE_F16, FM_ACCESS_WRITE, 0, 0},
    {"a", FMI_NAME_CONSTANT, FM_DTYPE_F32, 0, 0, 0},
    {"n", FMI_NAME_CONSTANT, FM_DTYPE_U32, 0, 0, 0},
    {"s", FMI_NAME_SHARED, FM_DTYPE_U32, 0, 0, 0},
};

static fm_status translate(const char *text, fmi_body_target target, bool is_header, fmi_text *out, fmi_body_use *use)
{
    const char *header = is_header ? text : NULL, *body = is_header ? "" : text;
    const fmi_unit_input read = {.header = header,
                                 .header_length = header ? strlen(header) : 0,
                                 .body = body,
                                 .body_length = strlen(body),
                                 .names = names,
                                 .name_count = sizeof names / sizeof names[0]};
    fmi_unit unit;
    fm_status status = fmi_unit_read(&read, &unit);
    if (status != FM_OK) {
        return status;
    }
    const fmi_body_input input = {.tokens = is_header ? &unit.header : &unit.body,
                                  .is_header = is_header,
                                  .names = is_header ? NULL : names,
                                  .name_count = is_header ? 0 : sizeof names / sizeof names[0],
                                  .group_size = {64, 2, 1},
                                  .target = target};
    status = fmi_body_translate(&input, out, use);
    fmi_unit_free(&unit);
    return status;
}

static void expect(const char *text, const char *glsl, const char *c)
{
    const char *wanted[] = {glsl, c};
    for (int i = 0; i < 2; i++) {
        fmi_text out = {0};
        fmi_body_use use = {0};
        fm_status status = translate(text, i ? FMI_BODY_C : FMI_BODY_GLSL, false, &out, &use);
        if (status != FM_OK) {
            fail_msg("'%s': %s", text, fm_last_error());
        }
        assert_string_equal(fmi_text_get(&out), wanted[i]);
        fmi_text_free(&out);
        assert_int_equal(translate(text, FMI_BODY_CHECK, false, NULL, &use), FM_OK);
    }
}

// In C a literal without a suffix is a double.
static void body_literals_have_the_suffixes_of_the_target(void **state)
{
    (void)state;
    expect("k[0] = 1ul + 2l;", "fm_b_k.v[0] = 1ul + 2l;", "fm_b_k[0] = 1ull + 2ll;");
    expect("x[0] = 1. + .5f + 2e3LF;", "fm_b_x.v[0] = 1.f + .5f + 2e3lf;", "fm_b_x[0] = 1.f + .5f + 2e3;");
}

// Every target names the same mistake, and the sentence holds `part`.
static void refuse(const char *text, const char *part)
{
    for (int target = FMI_BODY_CHECK; target <= FMI_BODY_C; target++) {
        fmi_text out = {0};
        fmi_body_use use = {0};
        fm_status status = translate(text, (fmi_body_target)target, false, target ? &out : NULL, &use);
        if (status != FM_ERROR_COMPILE || !strstr(fm_last_error(), part)) {
            fail_msg("'%s' gave %s: %s", text, fm_status_name(status), fm_last_error());
        }
        fmi_text_free(&out);
    }
}

static void body_element_of_32_bits_stays_an_lvalue(void **state)
{
    (void)state;
    expect("x[0] = r[1];", "fm_b_x.v[0] = fm_b_r.v[1];", "fm_b_x[0] = fm_b_r[1];");
    expect("x[k[0]] += a * x[0];", "fm_b_x.v[fm_b_k.v[0]] += fm_c_a * fm_b_x.v[0];",
           "fm_b_x[fm_b_k[0]] += fm_c_a * fm_b_x[0];");
    expect("x[0]++; --k[1];", "fm_b_x.v[0]++; --fm_b_k.v[1];", "fm_b_x[0]++; --fm_b_k[1];");
    expect("x[0] = w[1] = 0.0f;", "fm_b_x.v[0] = fm_b_w.v[1] = 0.0f;", "fm_b_x[0] = fm_b_w[1] = 0.0f;");
    expect("(x[0]) = 1.0f;", "(fm_b_x.v[0]) = 1.0f;", "(fm_b_x[0]) = 1.0f;");
    expect("s[0] = s[1];", "fm_s_s[0] = fm_s_s[1];", "fm_s_s[0] = fm_s_s[1];");
}

static void body_element_of_storage_dtype_is_converted_at_loads(void **state)
{
    (void)state;
    expect("x[0] = h[1];", "fm_b_x.v[0] = float(fm_b_h.v[1]);", "fm_b_x[0] = fm_half_to_float(fm_b_h[1]);");
    expect("x[0] = (hr[1]);", "fm_b_x.v[0] = (float(fm_b_hr.v[1]));", "fm_b_x[0] = (fm_half_to_float(fm_b_hr[1]));");
    expect("k[0] = b[1];", "fm_b_k.v[0] = int(fm_b_b.v[1]);", "fm_b_k[0] = ((int)fm_b_b[1]);");
    expect("k[0] = b[u[b[1]]];", "fm_b_k.v[0] = int(fm_b_b.v[uint(fm_b_u.v[int(fm_b_b.v[1])])]);",
           "fm_b_k[0] = ((int)fm_b_b[((unsigned)fm_b_u[((int)fm_b_b[1])])]);");
    expect("if (h[0]==h[1]) return;", "if (float(fm_b_h.v[0])==float(fm_b_h.v[1])) return;",
           "if (fm_half_to_float(fm_b_h[0])==fm_half_to_float(fm_b_h[1])) continue;");
}

static void body_element_of_storage_dtype_is_converted_at_stores(void **state)
{
    (void)state;
    expect("h[0] = r[1];", "fm_b_h.v[0] = float16_t(fm_float( fm_b_r.v[1]));",
           "fm_b_h[0] = fm_float_to_half( fm_b_r[1]);");
    expect("b[k[0]] = 1 + k[1], k[2] = 3;",
           "fm_b_b.v[fm_b_k.v[0]] = int8_t(fm_int( 1 + fm_b_k.v[1])), fm_b_k.v[2] = 3;",
           "fm_b_b[fm_b_k[0]] = (signed char)(int)( 1 + fm_b_k[1]), fm_b_k[2] = 3;");
    expect("u[0] <<= 1u;", "fm_b_u.v[0] = uint8_t(fm_uint(uint(fm_b_u.v[0]) << ( 1u)));",
           "fm_b_u[0] = (unsigned char)(unsigned)(((unsigned)fm_b_u[0]) << ( 1u));");
    expect("h[b[0]] *= c ? 2.0f : 3.0f;",
           "fm_b_h.v[int(fm_b_b.v[0])] = float16_t(fm_float(float(fm_b_h.v[int(fm_b_b.v[0])]) * ( fm_v_c ? 2.0f : "
           "3.0f)));",
           "fm_b_h[((int)fm_b_b[0])] = fm_float_to_half(fm_half_to_float(fm_b_h[((int)fm_b_b[0])]) * ( fm_v_c ? 2.0f : "
           "3.0f));");
}

static void body_chained_store_gives_the_converted_value(void **state)
{
    (void)state;
    expect("x[0] = h[1] = 0.1f;", "fm_b_x.v[0] = float((fm_b_h.v[1] = float16_t(fm_float( 0.1f))));",
           "fm_b_x[0] = fm_half_to_float((fm_b_h[1] = fm_float_to_half( 0.1f)));");
    expect("h[0] = hw[1] = a;",
           "fm_b_h.v[0] = float16_t(fm_float( float((fm_b_hw.v[1] = float16_t(fm_float( fm_c_a))))));",
           "fm_b_h[0] = fm_float_to_half( fm_half_to_float((fm_b_hw[1] = fm_float_to_half( fm_c_a))));");
    expect("c ? b[0] = 1 : (u[0] = 2u);",
           "fm_v_c ? int((fm_b_b.v[0] = int8_t(fm_int( 1 )))): (uint((fm_b_u.v[0] = uint8_t(fm_uint( 2u)))));",
           "fm_v_c ? ((int)(fm_b_b[0] = (signed char)(int)( 1 ))): (((unsigned)(fm_b_u[0] = (unsigned char)(unsigned)( "
           "2u))));");
}

static void body_words_become_the_target_s(void **state)
{
    (void)state;
    expect("uint i = global_id.x + group_size . y;", "uint fm_v_i = fm_global_id.x + 2u  ;",
           "unsigned fm_v_i = fm_global_id.x + 2u  ;");
    expect("float f = float(n) * .5 + 1e3 + 2.f;", "float fm_v_f = float(fm_c_n) * .5f + 1e3f + 2.f;",
           "float fm_v_f = (float)(fm_c_n) * .5f + 1e3f + 2.f;");
    expect("bool t = true; int j = int(min(a, 2.0));", "bool fm_v_t = true; int fm_v_j = int(min(fm_c_a, 2.0f));",
           "_Bool fm_v_t = 1; int fm_v_j = (int)(fm_min(fm_c_a, 2.0f));");
    expect("f = rsqrt(a) + as_float(as_uint(a)) + abs(a);",
           "fm_v_f = inversesqrt(fm_c_a) + uintBitsToFloat(floatBitsToUint(fm_c_a)) + fm_abs(fm_c_a);",
           "fm_v_f = fm_rsqrt(fm_c_a) + fm_as_float(fm_as_uint(fm_c_a)) + fm_abs(fm_c_a);");
    expect("float exp = 1.0f; exp = exp (exp);", "float fm_v_exp = 1.0f; fm_v_exp = exp (fm_v_exp);",
           "float fm_v_exp = 1.0f; fm_v_exp = expf (fm_v_exp);");
    expect("long v = 5l + 0x1FUL + 07ul;", "int64_t fm_v_v = 5l + 0x1Ful + 07ul;",
           "long long fm_v_v = 5ll + 0x1Full + 07ull;");
    expect("k[1] = atomic_add(k[0], 2) + int(atomic_min(s[1], n));",
           "fm_b_k.v[1] = atomicAdd(fm_b_k.v[0], 2) + int(atomicMin(fm_s_s[1], fm_c_n));",
           "fm_b_k[1] = fm_atomic_add_i32(&fm_b_k[0], 2) + (int)(fm_atomic_min_u32(&fm_s_s[1], fm_c_n));");
}

static void body_members_are_no_names(void **state)
{
    (void)state;
    expect("uint x2 = local_id.x;", "uint fm_v_x2 = gl_LocalInvocationID.x;", "unsigned fm_v_x2 = fm_local_id.x;");
    refuse("v.x = 1.0f;", "line 1, column 2: only built-in ids have members, and 'v' is none");
    refuse("uint i = globl_id.x;", "line 1, column 10: 'globl_id' is no built-in id; do you mean 'global_id'?");
    refuse("uint i = table.x;", "line 1, column 15: only built-in ids have members, and 'table' is none");
    refuse("uint i = (1u).x;", "line 1, column 14: only built-in ids have members: there are");
}

static uint32_t count_lines(const char *text)
{
    uint32_t lines = 0;
    for (; *text; text++) {
        lines += *text == '\n';
    }
    return lines;
}

static void body_lines_stay_where_they_are(void **state)
{
    (void)state;
    const char *body = "// h[0] = 1\nh // why\n[\n0 /* x[\n */ ] // then\n += // so\n b[\n1]\n ;\nk[0] =\n global_id "
                       "// i\n . // dot\nx;\n";
    for (int target = FMI_BODY_GLSL; target <= FMI_BODY_C; target++) {
        fmi_text out = {0};
        fmi_body_use use = {0};
        assert_int_equal(translate(body, (fmi_body_target)target, false, &out, &use), FM_OK);
        assert_int_equal(count_lines(fmi_text_get(&out)), count_lines(body));
        const char *last = strstr(fmi_text_get(&out), "fm_b_k");
        assert_non_null(last);
        assert_int_equal(count_lines(fmi_text_get(&out)) - count_lines(last), 9);
        fmi_text_free(&out);
    }
}

static void body_use_is_reported(void **state)
{
    (void)state;
    fmi_body_use use = {0};
    assert_int_equal(translate("if (group_count.x > 1u) return; s[0] = 1u; barrier();", FMI_BODY_CHECK, false, NULL,
                               &use),
                     FM_OK);
    assert_int_equal(use.features, FMI_USES_GROUP_COUNT | FMI_USES_SHARED | FMI_USES_BARRIER);
}

static void body_mistake_is_named_with_line_and_column(void **state)
{
    (void)state;
    refuse("\n  x = 1.0f;", "line 2, column 3: 'x' is a buffer and is used only as x[index]");
    refuse("f(s);", "'s' is a shared array");
    refuse("x[];", "no index");
    refuse("float x = 1.0f;", "a variable needs another name");
    refuse("h[0]++;", "'h', whose elements are half");
    refuse("--b[0];", "'b', whose elements are int8");
    refuse("(u[0]) = 1u;", "'u', whose elements are uint8");
    refuse("h[k[0]++] += 1.0f;", "must have no side effect");
    refuse("h[atomic_add(k[0], 1)] += 1.0f;", "must have no side effect");
    refuse("r[0] = 1.0f;", "'r' is stored to, but its access is FM_ACCESS_READ");
    refuse("hr[0] += 1.0f;", "'hr' is stored to");
    refuse("x[0] = w[0];", "'w' is read, but its access is FM_ACCESS_WRITE");
    refuse("w[0] += 1.0f;", "'w' is read");
    refuse("(r[0])++;", "'r' is stored to");
    refuse("hw[0] *= 2.0f;", "'hw' is read");
    refuse("n = 1u;", "'n' is a constant");
    refuse("++n;", "'n' is a constant");
    refuse("float a = 1.0f;", "'a' is a constant");
    refuse("global_id.x = 1u;", "'global_id' cannot be changed");
    refuse("f(global_id);", "global_id.x, global_id.y or global_id.z");
    refuse("global_id.w;", "'global_id' is used only as");
    refuse("return 1;", "write 'return;'");
    refuse("fm_next = 1;", "reserved");
    refuse("again: ;", "':' belongs to no '?'");
    refuse("n > 1u ? n : n : n;", "':' belongs to no '?'");
    refuse("switch (n) { }", "'switch' is no word");
    refuse("{ break; }", "line 1, column 3: 'break' is in no loop");
    refuse("for (;;) if (n > 1u) break; else continue; continue;", "column 44: 'continue' is in no loop");
    refuse("do { break; } while (true); if (true) break;", "column 39: 'break' is in no loop");
    refuse("gl_NumWorkGroups.x;", "reserved");
    refuse("float *p;", "line 1, column 7: there are no pointers");
    refuse("int j = &k[0];", "column 9: there are no pointers");
    refuse("v = 2 * *q;", "column 9: there are no pointers");
    refuse("float k = 1.0f;", "'k' is a parameter of the kernel: a variable needs another name");
    refuse("uint s[3];", "'s' is a shared array of the kernel: a variable needs another name");
    refuse("barrier(1);", "without arguments");
    refuse("struct d;", "'struct' is no word");
    refuse("vec2 v;", "'vec2' is no word");
    refuse("atomic_min(x[0], 1.0f);", "of float elements there is atomic_add alone");
    refuse("atomic_add(u[0], 1u);", "those of 'u' are uint8");
    refuse("atomic_add(v, 1);", "an element, such as x[i]");
    refuse("atomic_add(k[0] + 1, 1);", "an element, such as x[i]");
    refuse("atomic_add", "an element, such as x[i]");
    refuse("h[0] = 1.0f", "no ';'");
}

static void body_text_that_is_no_code_is_refused(void **state)
{
    (void)state;
    refuse("if (n > 0u) {", "line 1, column 13: '{' is never closed");
    refuse("} void f() {", "'}' closes nothing");
    refuse("x[(0]);", "']' closes nothing");
    refuse("#define A 1\n", "no preprocessor lines");
    refuse("/* ", "a comment has no end");
    refuse("k[0] = 1; \\ k[1] = 1;",
           "line 1, column 11: a backslash continues its line only as the last character of it");
    refuse("k[0] = 08;", "line 1, column 8: a number that begins with 0 is octal: its digits are 0 to 7");
    refuse("\"s\"", "no strings");
    refuse("k[0] = 'c';", "no strings");
    refuse("k[0] = 2147483648;", "does not fit 32 bits");
    refuse("k[0] = 0xffffffff;", "does not fit 32 bits");
    refuse("k[0] = 4294967296u;", "does not fit 32 bits");
    refuse("k[0] = 1ll;", "neither an int");
    refuse("k[0] = 1lu;", "neither an int");
    refuse("k[0] = 9223372036854775808l;", "does not fit 64 bits");
    refuse("k[0] = 18446744073709551616ul;", "does not fit 64 bits");
    refuse("x[0] = 1.0d;", "neither an int");
    refuse("x[0] = 1.5e;", "no digits");
    refuse("x[0] = 1.2.3;", "neither an int");
    refuse("k[0] = 1 \\ 2;", "line 1, column 10: a backslash continues its line only as the last character of it");
    refuse("\xc3\xa9", "no meaning");
    refuse("@", "no meaning");
}

static void body_deep_nesting_is_refused_without_harm(void **state)
{
    (void)state;
    enum { DEPTH = 50000 };
    char *text = malloc(3 * DEPTH + 1);
    assert_non_null(text);
    for (size_t i = 0; i < DEPTH; i++) {
        memcpy(text + 2 * i, "k[", 2);
        text[2 * DEPTH + i] = ']';
    }
    text[3 * DEPTH] = 0;
    refuse(text, "nested more than");
    free(text);
}

static void body_random_text_never_crashes(void **state)
{
    (void)state;
    static const char *const pieces[] = {"x",         "h",  "b[", "]",    "(",    ")",    "=",          "+=", "++",
                                         "global_id", ".",  "x",  ";",    "{",    "}",    "atomic_add", ",",  "1.0",
                                         "0x",        "\n", "//", "/*",   "*/",   " ",    "?",          ":",  "a",
                                         "return",    "s[", "[",  "k[0]", "uint", "\\\n", "#"};
    uint32_t random = 1;
    for (int round = 0; round < 20000; round++) {
        fmi_text text = {0};
        for (int i = 0; i < 24; i++) {
            random = random * 1664525u + 1013904223u;
            const char *piece = pieces[(random >> 16) % (sizeof pieces / sizeof pieces[0])];
            fmi_text_append(&text, piece, strlen(piece));
        }
        for (int target = FMI_BODY_CHECK; target <= FMI_BODY_C; target++) {
            fmi_text out = {0};
            fmi_body_use use = {0};
            translate(fmi_text_get(&text), (fmi_body_target)target, (round & 1) != 0, &out, &use);
            fmi_text_free(&out);
        }
        fmi_text_free(&text);
    }
}

static void header_keeps_lines_and_takes_directives(void **state)
{
    (void)state;
    fmi_text out = {0};
    fmi_body_use use = {0};
    const char *header = "#define PI 3.14159 \\\n + 0.0\n#ifdef PI\nfloat f(float x) { return x * PI; }\n#endif\nuint "
                         "g(uint n) { return uint(sqrt(n)); }\n";
    assert_int_equal(translate(header, FMI_BODY_C, true, &out, &use), FM_OK);
    // Macros are put in their places; each line stays where it was.
    assert_string_equal(fmi_text_get(&out),
                        "\n\n\nfloat fm_v_f(float fm_v_x) { return fm_v_x *  3.14159f + 0.0f ; }\n\n"
                        "unsigned fm_v_g(unsigned fm_v_n) { return (unsigned)(sqrtf(fm_v_n)); }\n");
    fmi_text_free(&out);
    static const struct {
        const char *text;
        const char *part;
    } wrong[] = {{"\n#include <stdio.h>\n", "header line 2, column 1"},
                 {"#version 450", "the only directives"},
                 {"uint f() { return global_id.x; }", "does not see"},
                 {"int f() { return atomic_add(k[0], 1); }", "an element"},
                 {"float fm_f() { return 1.0f; }", "reserved"},
                 {"a # b", "no meaning"}};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_int_equal(translate(wrong[i].text, FMI_BODY_GLSL, true, &out, &use), FM_ERROR_COMPILE);
        assert_non_null(strstr(fm_last_error(), wrong[i].part));
        fmi_text_free(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(body_literals_have_the_suffixes_of_the_target),
        cmocka_unit_test(body_element_of_32_bits_stays_an_lvalue),
        cmocka_unit_test(body_element_of_storage_dtype_is_converted_at_loads),
        cmocka_unit_test(body_element_of_storage_dtype_is_converted_at_stores),
        cmocka_unit_test(body_chained_store_gives_the_converted_value),
        cmocka_unit_test(body_words_become_the_target_s),
        cmocka_unit_test(body_members_are_no_names),
        cmocka_unit_test(body_lines_stay_where_they_are),
        cmocka_unit_test(body_use_is_reported),
        cmocka_unit_test(body_mistake_is_named_with_line_and_column),
        cmocka_unit_test(body_text_that_is_no_code_is_refused),
        cmocka_unit_test(body_deep_nesting_is_refused_without_harm),
        cmocka_unit_test(body_random_text_never_crashes),
        cmocka_unit_test(header_keeps_lines_and_takes_directives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
