// The four printers: what elements, words, literals and stores become in each target, and what goes around them.
// What the texts compute is tested by the conformance suite; here it is looked at.
#include "language_fixture.h"

#include <stdlib.h>

static fm_status (*const printers[FMI_DIALECT_COUNT])(fmi_print *) = {
    [FMI_GLSL] = fmi_print_glsl, [FMI_C] = fmi_print_c, [FMI_CUDA] = fmi_print_cuda, [FMI_MSL] = fmi_print_msl};

static void print_text(const char *header, const char *body, fmi_dialect_kind dialect, fmi_print *out)
{
    fmi_kernel_text text = make_text(header, body);
    fmi_tree tree;
    read_tree(&text, &tree);
    *out = (fmi_print){.tree = &tree, .binding_mode = FM_BINDING_ADDRESSES, .max_push_constants_bytes = 128};
    assert_int_equal(printers[dialect](out), FM_OK);
    out->tree = NULL;
    fmi_tree_free(&tree);
}

// Each target's text holds its `part`; NULL: it is not looked at.
static void expect(const char *header, const char *body, const char *const parts[FMI_DIALECT_COUNT])
{
    for (int dialect = 0; dialect < FMI_DIALECT_COUNT; dialect++) {
        fmi_print print;
        print_text(header, body, (fmi_dialect_kind)dialect, &print);
        if (parts[dialect] && !strstr(fmi_text_get(&print.text), parts[dialect])) {
            fail_msg("'%s' as %d lacks '%s':\n%s", body, dialect, parts[dialect], fmi_text_get(&print.text));
        }
        fmi_text_free(&print.text);
    }
}

// The same in all targets but for what stands before a name in C.
#define EXPECT(body, glsl, c, cuda, msl) expect(NULL, body, (const char *const[]){glsl, c, cuda, msl})

static void print_of_an_element_that_is_a_value_is_the_element(void **state)
{
    (void)state;
    EXPECT("x[0] = r[1];", "    fm_b_x.v[0] = fm_b_r.v[1];\n", "        fm_state.fm_b_x[0] = fm_state.fm_b_r[1];\n",
           "    fm_b_x[0] = fm_b_r[1];\n", "    fm_b_x[0] = fm_b_r[1];\n");
    EXPECT("x[k[0]] += a * x[0];", "fm_b_x.v[fm_b_k.v[0]] += fm_c_a * fm_b_x.v[0];",
           "fm_state.fm_b_x[fm_state.fm_b_k[0]] += fm_state.fm_c_a * fm_state.fm_b_x[0];",
           "fm_b_x[fm_b_k[0]] += fm_c_a * fm_b_x[0];", "fm_b_x[fm_b_k[0]] += fm_c_a * fm_b_x[0];");
    EXPECT("(x[0])++; --k[1]; s[2] = s[3];", "(fm_b_x.v[0])++;\n    --fm_b_k.v[1];\n    fm_s_s[2] = fm_s_s[3];\n",
           "(fm_state.fm_b_x[0])++;\n        --fm_state.fm_b_k[1];\n        fm_state.fm_s_s[2] = fm_state.fm_s_s[3];\n",
           "(fm_b_x[0])++;\n    --fm_b_k[1];\n    fm_s_s[2] = fm_s_s[3];\n",
           "(fm_b_x[0])++;\n    --fm_b_k[1];\n    fm_s_s[2] = fm_s_s[3];\n");
}

// NVIDIA's compilers round what lies half-way up.
static void print_of_a_float_between_two_is_the_even_one_for_cuda(void **state)
{
    (void)state;
    EXPECT("x[0] = 16777217.0;", "= 16777217.0f;", "= 16777217.0f;", "= (1.6777216000000000e+07f);", "= 16777217.0f;");
    EXPECT("x[0] = 3.75e9; x[1] = 0.1;", "= 3.75e9f;\n    fm_b_x.v[1] = 0.1f;", "= 3.75e9f;",
           "= (3.7500001280000000e+09f);\n    fm_b_x[1] = 0.1f;", "= 3.75e9f;\n    fm_b_x[1] = 0.1f;");
    EXPECT("x[0] = 16777219.5f;", "= 16777219.5f;", "= 16777219.5f;", "= 16777219.5f;", "= 16777219.5f;");
}

static void print_of_a_converted_element_converts_at_loads_and_stores(void **state)
{
    (void)state;
    EXPECT("x[0] = h[1];", "fm_b_x.v[0] = float(fm_b_h.v[1]);", "= fm_half_to_float(fm_state.fm_b_h[1]);",
           "fm_b_x[0] = fm_half_to_float(fm_b_h[1]);", "fm_b_x[0] = float(fm_b_h[1]);");
    EXPECT("k[0] = b[u[b[1]]];", "fm_b_k.v[0] = int(fm_b_b.v[uint(fm_b_u.v[int(fm_b_b.v[1])])]);",
           "= ((int)fm_state.fm_b_b[((unsigned)fm_state.fm_b_u[((int)fm_state.fm_b_b[1])])]);",
           "fm_b_k[0] = ((int)fm_b_b[((unsigned)fm_b_u[((int)fm_b_b[1])])]);",
           "fm_b_k[0] = int(fm_b_b[uint(fm_b_u[int(fm_b_b[1])])]);");
    EXPECT("h[0] = 1;", "fm_b_h.v[0] = float16_t(float(1));", "= fm_float_to_half((float)(1));",
           "fm_b_h[0] = fm_float_to_half((float)(1));", "fm_b_h[0] = half(float(1));");
    EXPECT("u[0] <<= 1u;", "fm_b_u.v[0] = uint8_t(uint(fm_b_u.v[0]) << (1u));",
           "fm_state.fm_b_u[0] = (unsigned char)(((unsigned)fm_state.fm_b_u[0]) << (1u));",
           "fm_b_u[0] = (unsigned char)(((unsigned)fm_b_u[0]) << (1u));",
           "fm_b_u[0] = uchar(uint(fm_b_u[0]) << (1u));");
    EXPECT("bf[0] = bf[1];", "fm_b_bf.v[0] = uint16_t(fm_float_to_bf16(uintBitsToFloat(uint(fm_b_bf.v[1]) << 16)));",
           "= fm_float_to_bf16(fm_bf16_to_float(fm_state.fm_b_bf[1]));",
           "fm_b_bf[0] = fm_float_to_bf16(fm_bf16_to_float(fm_b_bf[1]));",
           "fm_b_bf[0] = fm_float_to_bf16(fm_bf16_to_float(fm_b_bf[1]));");
}

static void print_of_a_store_whose_value_is_used_gives_what_was_stored(void **state)
{
    (void)state;
    EXPECT("x[0] = h[1] = 0.1f;", "fm_b_x.v[0] = float((fm_b_h.v[1] = float16_t(0.1f)));",
           "= fm_half_to_float((fm_state.fm_b_h[1] = fm_float_to_half(0.1f)));",
           "fm_b_x[0] = fm_half_to_float((fm_b_h[1] = fm_float_to_half(0.1f)));",
           "fm_b_x[0] = float((fm_b_h[1] = half(0.1f)));");
    EXPECT("h[0] = 1.0, h[1] = 2.0;", "    fm_b_h.v[0] = float16_t(1.0f), fm_b_h.v[1] = float16_t(2.0f);", NULL, NULL,
           NULL); // nobody takes either value
}

static void print_of_words_and_literals_is_the_target_s(void **state)
{
    (void)state;
    EXPECT("uint i = global_id.x + group_size . y;", "uint fm_v_i = fm_global_id.x + 2u;",
           "unsigned fm_v_i = fm_state.global_id.x + 2u;", "unsigned fm_v_i = fm_global_id.x + 2u;",
           "uint fm_v_i = fm_global_id.x + 2u;");
    EXPECT("x[0] = float(n) * .5 + 1e3 + 2.f;", "float(fm_c_n) * .5f + 1e3f + 2.f;",
           "(float)(fm_state.fm_c_n) * .5f + 1e3f + 2.f;", "(float)(fm_c_n) * .5f + 1e3f + 2.f;",
           "float(fm_c_n) * .5f + 1e3f + 2.f;");
    EXPECT("bool t = true; long v = l[0] + 0x1FL; ulong q = 07ul;",
           "bool fm_v_t = true;\n    int64_t fm_v_v = fm_b_l.v[0] + 0x1Fl;",
           "_Bool fm_v_t = 1;\n        long long fm_v_v = fm_state.fm_b_l[0] + 0x1Fll;",
           "unsigned long long fm_v_q = 07ull;", "ulong fm_v_q = 07ul;");
    EXPECT("k[0] = LESS + k[1]; x[0] = HALF;", "(-2 - 1) + fm_b_k.v[1];", "(-2 - 1) + fm_state.fm_b_k[1];",
           "fm_b_x[0] = (5.0000000000000000e-01f);", "fm_b_x[0] = (5.0000000000000000e-01f);");
    EXPECT("k[0] = - -k[1] - -(-k[2]);", "- -fm_b_k.v[1] - -(-fm_b_k.v[2]);", NULL, "- -fm_b_k[1] - -(-fm_b_k[2]);",
           NULL);
    EXPECT("x[0] = min(a, 2.0) + abs(a); k[0] = clamp(k[1], 0, abs(k[2]));", "fm_min_f(fm_c_a, 2.0f) + abs(fm_c_a)",
           "fm_clamp_i(fm_state.fm_b_k[1], 0, fm_abs_i(fm_state.fm_b_k[2]))",
           "fm_min_f(fm_c_a, 2.0f) + fm_abs_f(fm_c_a)", "fm_clamp_i(fm_b_k[1], 0, fm_abs_i(fm_b_k[2]))");
    EXPECT("s[0] = abs(n) + as_uint(rsqrt(a)) + popcount(n);",
           "(fm_c_n) + floatBitsToUint(inversesqrt(fm_c_a)) + fm_popcount(fm_c_n)",
           "(fm_state.fm_c_n) + fm_as_uint(fm_rsqrt(fm_state.fm_c_a)) + fm_popcount(fm_state.fm_c_n)",
           "(fm_c_n) + __float_as_uint(rsqrtf(fm_c_a)) + __popc(fm_c_n)",
           "(fm_c_n) + as_type<uint>(rsqrt(fm_c_a)) + popcount(fm_c_n)");
    EXPECT("k[1] = atomic_add(k[0], 2) + int(atomic_min(s[1], n));",
           "atomicAdd(fm_b_k.v[0], 2) + int(atomicMin(fm_s_s[1], fm_c_n))",
           "fm_atomic_add_i32(&fm_state.fm_b_k[0], 2) + (int)(fm_atomic_min_u32(&fm_state.fm_s_s[1], fm_state.fm_c_n))",
           "atomicAdd(&fm_b_k[0], 2) + (int)(atomicMin(&fm_s_s[1], fm_c_n))",
           "fm_atomic_add(&fm_b_k[0], 2) + int(fm_atomic_min(&fm_s_s[1], fm_c_n))");
}

// What targets leave open has the language's own words; what is harmless, the targets'.
static void print_of_operations_that_targets_leave_open_is_the_language_s(void **state)
{
    (void)state;
    EXPECT("k[0] = k[1] / k[2] / 3;", "fm_b_k.v[0] = fm_divide_i(fm_b_k.v[1], fm_b_k.v[2]) / 3;",
           "({ int fm_n = fm_state.fm_b_k[1]; int fm_d = fm_state.fm_b_k[2]; FM_DIVIDE_i; }) / 3;",
           "fm_b_k[0] = fm_divide_i(fm_b_k[1], fm_b_k[2]) / 3;", "fm_b_k[0] = fm_divide_i(fm_b_k[1], fm_b_k[2]) / 3;");
    EXPECT("k[0] = k[1] % 3 + k[2] % -1;", "fm_rest_i(fm_b_k.v[1], 3) + fm_rest_i(fm_b_k.v[2], (-0 - 1));", NULL,
           "fm_b_k[0] = fm_b_k[1] % 3 + fm_rest_i(fm_b_k[2], (-0 - 1));", NULL);
    EXPECT("s[0] /= n; l[0] %= l[1];",
           "fm_divide_into_u(fm_s_s[0], fm_c_n);\n    fm_rest_into_l(fm_b_l.v[0], fm_b_l.v[1]);",
           "({ unsigned *fm_p = &(fm_state.fm_s_s[0]); unsigned fm_d = fm_state.fm_c_n; unsigned fm_n = *fm_p; *fm_p = "
           "FM_DIVIDE_u; });",
           "fm_divide_into_u(fm_s_s[0], fm_c_n);", "fm_rest_into_l(fm_b_l[0], fm_b_l[1]);");
    EXPECT("k[0] = int(a) + int(uint(x[0]));", "fm_int_sat(fm_c_a) + int(fm_uint_sat(fm_b_x.v[0]))",
           "fm_int_sat(fm_state.fm_c_a) + (int)(fm_uint_sat(fm_state.fm_b_x[0]))",
           "fm_int_sat(fm_c_a) + (int)(fm_uint_sat(fm_b_x[0]))", "fm_int_sat(fm_c_a) + int(fm_uint_sat(fm_b_x[0]))");
    EXPECT("b[0] /= k[0];", "fm_b_b.v[0] = int8_t(fm_divide_i(int(fm_b_b.v[0]), (fm_b_k.v[0])));", NULL,
           "fm_b_b[0] = (signed char)(fm_divide_i(((int)fm_b_b[0]), (fm_b_k[0])));", NULL);
    EXPECT("k[0] = k[1] << k[2] >> 3; l[0] <<= k[3];",
           "fm_b_k.v[1] << ((fm_b_k.v[2]) & 31) >> 3;\n    fm_b_l.v[0] <<= ((fm_b_k.v[3]) & 63);",
           "fm_state.fm_b_k[1] << fm_state.fm_b_k[2] >> 3;", "fm_b_k[1] << ((fm_b_k[2]) & 31) >> 3;", NULL);
    EXPECT("x[0] = 16777216.0 + 1.0 - 16777216.0 + HALF;", "fm_b_x.v[0] = (5.0000000000000000e-01f);", NULL, NULL,
           NULL);
    expect("const float T[2] = {1.0, 2.0};", "x[0] = sqrt(2.0) + T[1] + as_float(1u) + min(3, 4);",
           (const char *const[]){
               "sqrt(fm_float(2.0f)) + fm_float(fm_v_T[1]) + uintBitsToFloat(fm_uint(1u)) + fm_min_i(fm_int(3), 4);",
               NULL, "sqrtf(2.0f) + fm_v_T[1] + __uint_as_float(1u)", NULL});
}

static void print_of_statements_keeps_their_shape(void **state)
{
    (void)state;
    EXPECT("if (n > 0u) x[0] = 1.0; else { return; }",
           "    if (fm_c_n > 0u)\n        fm_b_x.v[0] = 1.0f;\n    else\n    {\n        return;\n    }\n",
           "            continue;\n", "        return;\n", "        return;\n");
    EXPECT("for (int i = 0, j = 1; i < j; i++) { do ; while (false); }",
           "    for (int fm_v_i = 0, fm_v_j = 1; fm_v_i < fm_v_j; fm_v_i++)\n    {\n        do\n            ;\n        "
           "while "
           "(false);\n    }\n",
           "while (0);", "while (false);", NULL);
    expect("const float T[] = {1, 2}; float f(const int i) { return T[i]; }", "x[0] = f(1);",
           (const char *const[]){"const float fm_v_T[2] = {1, 2};\nfloat fm_v_f(const int fm_v_i)\n{\n    return "
                                 "fm_v_T[fm_v_i];\n}\n",
                                 "const float fm_v_T[2] = {1, 2};\nfloat fm_v_f(const int fm_v_i)\n{\n",
                                 "static __device__ const float fm_v_T[2] = {1, 2};\nstatic __device__ float fm_v_f(",
                                 "constant float fm_v_T[2] = {1, 2};\nstatic float fm_v_f(const int fm_v_i)\n"});
}

// The form of the C text follows the body: in the loops, a function, a function on stacks of its own.
static void print_of_c_has_the_form_that_the_body_needs(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        const char *part;
        const char *other; // does not occur
    } cases[] = {
        {"if (n > 1u) return; x[0] = 1.0;", "            continue;\n", "fm_item"},
        {"while (true) return;", "static void fm_item(struct fm_state *fm_self)", "continue"},
        {"s[local_id.x] = 1u; barrier(); return;", "void fm_item(struct fm_state *fm_self, unsigned fm_number)",
         "continue"},
        {"s[local_id.x] = 1u;\n  barrier();", "    fm_barrier_at(4099u);\n", "continue"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        fmi_print print;
        print_text(NULL, cases[i].body, FMI_C, &print);
        const char *text = fmi_text_get(&print.text);
        if (!strstr(text, cases[i].part) || strstr(text, cases[i].other)) {
            fail_msg("%s", text);
        }
        fmi_text_free(&print.text);
    }
}

static void print_says_how_arguments_travel(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        uint32_t max_bytes;
        bool is_indirect, wants_count, wants_base;
    } cases[] = {{"x[0] = 1.0;", 96, false, false, false},
                 {"x[0] = 1.0;", 92, true, false, false},
                 {"x[group_id.x] = 1.0;", 108, false, false, true},
                 {"x[group_count.x] = 1.0;", 104, true, true, false}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        fmi_kernel_text text = make_text(NULL, cases[i].body);
        fmi_tree tree;
        read_tree(&text, &tree);
        fmi_print print = {
            .tree = &tree, .binding_mode = FM_BINDING_ADDRESSES, .max_push_constants_bytes = cases[i].max_bytes};
        assert_int_equal(fmi_print_glsl(&print), FM_OK);
        assert_int_equal(print.indirect_arguments, cases[i].is_indirect);
        assert_int_equal(print.wants_group_count, cases[i].wants_count);
        assert_int_equal(print.wants_group_base, cases[i].wants_base);
        fmi_text_free(&print.text);
        fmi_tree_free(&tree);
    }
}

// A chain as long as is allowed is printed without a call for each of its operators.
static void print_of_a_long_chain_is_as_long(void **state)
{
    (void)state;
    fmi_text body = {0};
    fmi_text_format(&body, "x[0] = x[1]");
    for (int i = 0; i < 2000; i++) {
        fmi_text_format(&body, i % 2 ? " + a" : " * a");
    }
    fmi_text_format(&body, ";");
    fmi_print print;
    print_text(NULL, fmi_text_get(&body), FMI_GLSL, &print);
    uint32_t count = 0;
    for (const char *p = fmi_text_get(&print.text); (p = strstr(p, "fm_c_a")); p++) {
        count++;
    }
    assert_int_equal(count, 2001); // and once where it is declared;
    fmi_text_free(&print.text);
    fmi_text_free(&body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(print_of_an_element_that_is_a_value_is_the_element),
        cmocka_unit_test(print_of_a_float_between_two_is_the_even_one_for_cuda),
        cmocka_unit_test(print_of_a_converted_element_converts_at_loads_and_stores),
        cmocka_unit_test(print_of_a_store_whose_value_is_used_gives_what_was_stored),
        cmocka_unit_test(print_of_words_and_literals_is_the_target_s),
        cmocka_unit_test(print_of_operations_that_targets_leave_open_is_the_language_s),
        cmocka_unit_test(print_of_statements_keeps_their_shape),
        cmocka_unit_test(print_of_c_has_the_form_that_the_body_needs),
        cmocka_unit_test(print_says_how_arguments_travel),
        cmocka_unit_test(print_of_a_long_chain_is_as_long),
    };
    return cmocka_run_group_tests_name("language_print", tests, NULL, NULL);
}
