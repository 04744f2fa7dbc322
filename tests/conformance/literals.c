// What is known when a kernel is compiled is computed in single precision, as everything else, whoever does it: literals, tables of the
// header, specialisation values, functions of them. Each text gives a float, compared bit by bit with what C computes in float.
#include "groups.h"
#include "support.h"

#include <math.h>

typedef struct literal {
    const char *text;
    float wanted;
} literal;

static uint32_t bits_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return (bits & 0x7fffffff) > 0x7f800000 ? 0x7fc00000 : bits; // all NaN alike
}

// y[0] = the text, and the same again from the variable that the header's function keeps.
static void check(ct_fixture *f, const char *header, const literal *cases, size_t count)
{
    static const fm_kernel_special specials[] = {
        {"BIG", FM_DTYPE_F32, 16777216.0}, {"TENTH", FM_DTYPE_F32, 0.1}, {"SEVEN", FM_DTYPE_I32, 7}};
    for (size_t i = 0; i < count; i++) {
        char body[512];
        snprintf(body, sizeof body, "float v = %s; y[0] = v; z[0] = %s;", cases[i].text, cases[i].text);
        fm_kernel_info info = {.name = "literals",
                               .code = body,
                               .header = header,
                               .params = (const fm_kernel_param[]){{"y", FM_DTYPE_F32, FM_ACCESS_READ_WRITE},
                                                                   {"z", FM_DTYPE_F32, FM_ACCESS_WRITE}},
                               .param_count = 2,
                               .specials = specials,
                               .special_count = 3,
                               .group_size = {1, 1, 1}};
        fm_kernel kernel = {0};
        CT_OK(fm_kernel_create(f->device, &info, &kernel));
        fm_buffer y = ct_buffer(f, 64), z = ct_buffer(f, 64);
        fm_commands *commands = ct_begin(f);
        fm_dispatch_info dispatch = ct_dispatch_info(kernel, 1, CT_BINDINGS({.buffer = y}, {.buffer = z}), NULL, 0);
        CT_OK(fm_dispatch(commands, &dispatch));
        ct_finish(f, commands);
        float got[2];
        ct_read(f, y, 0, 4, &got[0]);
        ct_read(f, z, 0, 4, &got[1]);
        if (bits_of(got[0]) != bits_of(cases[i].wanted) || bits_of(got[1]) != bits_of(cases[i].wanted)) {
            fail_msg("%s is %.9g and %.9g, expected %.9g", cases[i].text, (double)got[0], (double)got[1],
                     (double)cases[i].wanted);
        }
        CT_OK(fm_kernel_destroy(f->device, kernel));
        CT_OK(fm_buffer_destroy(f->device, y));
        CT_OK(fm_buffer_destroy(f->device, z));
    }
}

#define CHECK(header, cases) check(*state, header, cases, sizeof cases / sizeof cases[0])

static void literals_are_computed_in_single_precision(void **state)
{
    const float tenth = 0.1f, huge = 1e30f, third = 1.0f / 3.0f;
    const literal cases[] = {
        {"16777216.0 + 1.0 - 16777216.0", 0.0f},
        {"-16777216.0 - 1.0 + 16777216.0", 0.0f},
        {"(16777216.0 + 1.0) - 16777216.0", 0.0f},
        {"1e30 * 1e30 / 1e30", huge * huge / huge},
        {"0.0 / 0.0", NAN},
        {"-(1.0 / 0.0)", -INFINITY},
        {"1.0 / 3.0 * 3.0 - 1.0 / 3.0", third * 3.0f - third},
        {"0.1 * 0.1 * 0.1 * 0.1", tenth * tenth * tenth * tenth},
        {"0.1 == 0.1000000001 ? 1.0 : 2.0", 1.0f},
        {"16777217.0 > 16777216.0 ? 1.0 : 2.0", 2.0f},
        {"float(16777217) - 16777216.0", 0.0f},
        {"16777217 - 16777216.0", 0.0f},
        {"float(4294967295u) - 4294967296.0", 0.0f},
        {"float(int(2.75) * 3 + int(-2.75))", 4.0f},
        {"float(int(1e20) == 2147483647 && uint(-5.0) == 0u && int(-1e20) < 0)", 1.0f},
        {"bool(0.1 - 0.1) ? 1.0 : 2.0", 2.0f},
        {"(true ? 0.1 : 1.0) * 0.1 * 0.1", tenth * tenth * tenth},
        {"1.00000005960464477539062500000000000000000000001", 1.0f + 0x1p-23f}, // above half way, a double is half way
        {"1.00000017881393432617187499999999999999999", 1.0f + 0x1p-23f},
        {"0.1f", 0.1f},
    };
    CHECK(NULL, cases);
}

static void specialisation_values_are_computed_in_single_precision(void **state)
{
    const float tenth = 0.1f;
    const literal cases[] = {
        {"BIG + 1.0 - BIG", 0.0f},
        {"BIG + y[1] + 1.0 - BIG", 0.0f},
        {"TENTH * TENTH * TENTH * 0.1", tenth * tenth * tenth * tenth},
        {"TENTH * float(SEVEN) * TENTH", tenth * 7.0f * tenth},
        {"TENTH == 0.1 ? 1.0 : 2.0", 1.0f},
    };
    CHECK(NULL, cases);
}

static void constants_are_computed_in_single_precision(void **state)
{
    const float tenth = 0.1f;
    const literal cases[] = {
        {"T[0]", 0.0f},
        {"T[1] * 3.0 > 0.3 ? 1.0 : 2.0",
         2.0f}, // one operation at a time: a driver may put more of them in another order
        {"T[int(y[1]) + 1] * 3.0 > 0.3 ? 1.0 : 2.0", 2.0f},
        {"T[3]", INFINITY},
        {"T[4]", NAN},
        {"S * S * S * S", tenth * tenth * tenth * tenth},
        {"float(W[0]) > 16777216.0 ? 1.0 : 2.0", 2.0f},
        {"kept()", tenth * tenth * tenth * tenth},
    };
    CHECK("const float T[5] = {16777216.0 + 1.0 - 16777216.0, 0.1, 0.1, 1e30 * 1e30, -0.0 / 0.0};\n"
          "const int W[1] = {16777217};\nconst float S = 0.1;\n"
          "float kept() { const float k = 0.1; const float t[2] = {k * k, k}; return t[0] * t[1] * k; }",
          cases);
}

static void functions_of_literals_are_computed_in_single_precision(void **state)
{
    const literal cases[] = {
        {"sqrt(0.01) * 3.0 > 0.3 ? 1.0 : 2.0", 2.0f},
        {"min(0.1, 3.0) * 3.0 > 0.3 ? 1.0 : 2.0", 2.0f},
        {"as_float(0x3dcccccdu) * 3.0 > 0.3 ? 1.0 : 2.0", 2.0f},
        {"abs(-0.1) * 3.0 > 0.3 ? 1.0 : 2.0", 2.0f},
        {"max(16777217.0, 1.0) > 16777216.0 ? 1.0 : 2.0", 2.0f},
        {"float(min(16777217, 20000000)) > 16777216.0 ? 1.0 : 2.0", 2.0f},
    };
    CHECK(NULL, cases);
}

int ct_group_literals(void)
{
    const struct CMUnitTest tests[] = {
        CT_TEST(literals_are_computed_in_single_precision),
        CT_TEST(specialisation_values_are_computed_in_single_precision),
        CT_TEST(constants_are_computed_in_single_precision),
        CT_TEST(functions_of_literals_are_computed_in_single_precision),
    };
    return cmocka_run_group_tests_name("literals", tests, NULL, NULL);
}
