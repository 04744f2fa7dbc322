// What a portable kernel is made of beside its body: specialisation values, and header text with functions and macros.
// Values are compared bit by bit with what C makes of the same text.
#include "groups.h"
#include "support.h"

#include <float.h>
#include <math.h>

static fm_kernel_info make_info(const char *code, const fm_kernel_special *specials, uint32_t count)
{
    static const fm_kernel_param param = {"x", FM_DTYPE_U32, FM_ACCESS_WRITE};
    return (fm_kernel_info){.name = "template",
                            .code = code,
                            .params = &param,
                            .param_count = 1,
                            .specials = specials,
                            .special_count = count};
}

// Runs one workgroup of 64 over x and returns its words.
static void run(ct_fixture *f, const fm_kernel_info *info, uint32_t *words)
{
    fm_kernel kernel = {0};
    CT_OK(fm_kernel_create(f->device, info, &kernel));
    fm_buffer buffer = ct_buffer(f, 256);
    fm_commands *commands = ct_begin(f);
    CT_OK(fm_fill(commands, buffer, 0, FM_WHOLE_SIZE, 0xA5A5A5A5));
    fm_dispatch_info dispatch = ct_dispatch_info(kernel, 1, CT_BINDINGS({.buffer = buffer}), NULL, 0);
    CT_OK(fm_dispatch(commands, &dispatch));
    ct_finish(f, commands);
    ct_read(f, buffer, 0, 256, words);
    CT_OK(fm_buffer_destroy(f->device, buffer));
    CT_OK(fm_kernel_destroy(f->device, kernel));
}

static void special_values_reach_the_body_exactly(void **state)
{
    ct_fixture *f = *state;
    const double values[] = {0,     1,       7,        -1,       0.1,          -2.5,      1e-38,
                             1e-45, FLT_MAX, -FLT_MAX, 16777217, 4294967295.0, INT32_MIN, INT32_MAX};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        double v = values[i];
        const fm_kernel_special f32 = {"V", FM_DTYPE_F32, v}, i32 = {"V", FM_DTYPE_I32, v},
                                u32 = {"V", FM_DTYPE_U32, v};
        uint32_t words[64];
        fm_kernel_info info = make_info("x[global_id.x] = as_uint(V);", &f32, 1);
        run(f, &info, words);
        float rounded = (float)v;
        uint32_t bits;
        memcpy(&bits, &rounded, 4);
        // A device may take a subnormal for zero.
        bool is_small = fabs(v) < (double)FLT_MIN;
        if (words[63] != bits && !(is_small && (words[63] & 0x7FFFFFFF) == 0)) {
            fail_msg("%g is 0x%08x, expected 0x%08x", v, words[63], bits);
        }
        if (v == floor(v) && v >= INT32_MIN && v <= INT32_MAX) {
            info = make_info("x[global_id.x] = uint(V - 1 + 1);", &i32, 1);
            run(f, &info, words);
            assert_int_equal((int32_t)words[5], (int32_t)v);
        }
        if (v == floor(v) && v >= 0 && v <= UINT32_MAX) {
            info = make_info("x[global_id.x] = 2u * V;", &u32, 1);
            run(f, &info, words);
            assert_int_equal(words[5], 2 * (uint32_t)v);
        }
    }
}

static void special_value_is_a_constant_of_the_language(void **state)
{
    ct_fixture *f = *state;
    const fm_kernel_special specials[] = {{"COUNT", FM_DTYPE_U32, 5}, {"BASE", FM_DTYPE_I32, -3}};
    fm_kernel_info info = make_info("uint a[COUNT]; for (uint i = 0u; i < COUNT; i++) a[i] = scaled(i);\n"
                                    "uint sum = 0u; for (uint i = 0u; i < COUNT; i++) sum += a[i] * (WIDE ? 2u : 1u);\n"
                                    "x[global_id.x] = sum + uint(BASE) + TWICE(COUNT);\n",
                                    specials, 2);
    info.header = "// helpers\n"
                  "#if COUNT > 4 && \\\n"
                  "    COUNT < 6\n"
                  "#define WIDE true\n"
                  "#else\n"
                  "#define WIDE false\n"
                  "#endif\n"
                  "#define TWICE(v) ((v) + \\\n"
                  "                  (v))\n"
                  "uint scaled(uint i) { return i * COUNT; }\n";
    uint32_t words[64];
    run(f, &info, words);
    for (uint32_t i = 0; i < 64; i++) assert_int_equal(words[i], 2 * 5 * (0 + 1 + 2 + 3 + 4) - 3 + 10);
}

// KEY-1: one name, other values: other kernels, side by side in one list.
static void special_values_of_one_name_live_side_by_side(void **state)
{
    ct_fixture *f = *state;
    fm_buffer buffers[8];
    fm_commands *commands = ct_begin(f);
    for (uint32_t i = 0; i < 8; i++) {
        const fm_kernel_special special = {"V", FM_DTYPE_U32, i};
        fm_kernel_info info = make_info("x[global_id.x] = V * 1000u + global_id.x;", &special, 1);
        fm_kernel kernel;
        CT_OK(fm_kernel_create(f->device, &info, &kernel));
        buffers[i] = ct_buffer(f, 256);
        fm_dispatch_info dispatch = ct_dispatch_info(kernel, 1, CT_BINDINGS({.buffer = buffers[i]}), NULL, 0);
        CT_OK(fm_dispatch(commands, &dispatch));
        CT_OK(fm_kernel_destroy(f->device, kernel));
    }
    ct_finish(f, commands);
    for (uint32_t i = 0; i < 8; i++) {
        uint32_t words[64];
        ct_read(f, buffers[i], 0, 256, words);
        for (uint32_t k = 0; k < 64; k++) assert_int_equal(words[k], i * 1000 + k);
    }
}

static void special_value_with_bad_fields_is_refused(void **state)
{
    ct_fixture *f = *state;
    const fm_kernel_special bad[] = {
        {NULL, FM_DTYPE_U32, 1},
        {"2", FM_DTYPE_U32, 1},
        {"x", FM_DTYPE_U32, 1},
        {"float", FM_DTYPE_U32, 1},
        {"V", FM_DTYPE_F16, 1},
        {"V", FM_DTYPE_NONE, 1},
        {"V", FM_DTYPE_U32, -1},
        {"V", FM_DTYPE_U32, 0.5},
        {"V", FM_DTYPE_U32, 4294967296.0},
        {"V", FM_DTYPE_I32, 2147483648.0},
        {"V", FM_DTYPE_I32, -2147483649.0},
        {"V", FM_DTYPE_F32, (double)NAN},
        {"V", FM_DTYPE_F32, (double)INFINITY},
        {"V", FM_DTYPE_F32, 1e39},
        {"V", FM_DTYPE_U32, (double)NAN},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        fm_kernel_info info = make_info("x[0] = 1u;", &bad[i], 1);
        fm_kernel kernel = {UINT64_MAX};
        CT_STATUS(fm_kernel_create(f->device, &info, &kernel), FM_ERROR_INVALID_ARGUMENT);
        assert_true(kernel.id == 0);
    }
    const fm_kernel_special good = {"V", FM_DTYPE_U32, 1};
    fm_kernel kernel;
    fm_kernel_info info = make_info("V = 2u;", &good, 1);
    CT_STATUS(fm_kernel_create(f->device, &info, &kernel), FM_ERROR_COMPILE);
    info = make_info("x[0] = 1u;", NULL, 1);
    CT_STATUS(fm_kernel_create(f->device, &info, &kernel), FM_ERROR_INVALID_ARGUMENT);
    fm_kernel_info host = {.name = "h", .language = FM_KERNEL_HOST_FUNCTION, .specials = &good, .special_count = 1};
    CT_STATUS(fm_kernel_create(f->device, &host, &kernel), FM_ERROR_INVALID_ARGUMENT);
}

static void header_functions_see_what_the_language_says(void **state)
{
    ct_fixture *f = *state;
    uint32_t words[64];
    fm_kernel_info info = make_info("x[global_id.x] = as_uint(mix(float(global_id.x), 3.0));", NULL, 0);
    info.header =
        "float square(float v) { return v * v; }\n"
        "float mix(float a, float b) { float s = 0.0; for (int i = 0; i < 2; i++) s += square(a) + b; return s; }\n";
    run(f, &info, words);
    for (uint32_t i = 0; i < 64; i++) {
        float wanted = 2 * ((float)(i * i) + 3.0f);
        assert_memory_equal(&words[i], &wanted, 4);
    }
    static const char *const bad[] = {
        "uint f() { return global_id.x; }", // ids and parameters are the body's
        "uint f() { return x[0]; }",
        "#include <stdio.h>\n",
        "uint f() { return 1ul; }",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        info.header = bad[i];
        info.code = "x[0] = f();";
        fm_kernel kernel;
        CT_STATUS(fm_kernel_create(f->device, &info, &kernel), FM_ERROR_COMPILE);
    }
}

int ct_group_template(void)
{
    const struct CMUnitTest tests[] = {
        CT_TEST(special_values_reach_the_body_exactly),        CT_TEST(special_value_is_a_constant_of_the_language),
        CT_TEST(special_values_of_one_name_live_side_by_side), CT_TEST(special_value_with_bad_fields_is_refused),
        CT_TEST(header_functions_see_what_the_language_says),
    };
    return cmocka_run_group_tests_name("template", tests, NULL, NULL);
}
