// Built-in functions that devices lack or answer differently, over the whole range of their arguments: written out for a device, they are held
// to what docs/kernel-language.md promises, against a reference in double. Exact ones are compared bit by bit (KEY-6).
#include "groups.h"
#include "support.h"

#include <float.h>
#include <math.h>

enum { SAMPLES = 4096 };

static uint32_t bits_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static float float_of(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static const uint32_t edges[] = {
    0x00000000, 0x80000000, 0x00000001, 0x80000001,
    0x007FFFFF, 0x807FFFFF, 0x00800000, 0x80800000, // zeros to the least normal
    0x3F800000, 0xBF800000, 0x3F000000, 0xBF000000,
    0x3EFFFFFF, 0xBEFFFFFF, 0x3F000001, 0xBF000001, // 1, 0.5 and around
    0x3FC00000, 0xBFC00000, 0x40200000, 0xC0200000,
    0x4AFFFFFF, 0xCAFFFFFF, 0x4B000001, 0x4B7FFFFF, // 1.5, 2.5, and halves that end
    0x40490FDB, 0xC0490FDB, 0x40800000, 0xC0800000,
    0x3F666666, 0x3F666667, 0xBF666666, 0x407FFFFF, // pi, 4 and 0.9: where forms change
    0x42B17218, 0xC2B17218, 0x42B2D4FC, 0xC2B2D4FC,
    0x42B2D4FD, 0x42C80000, 0xC2C80000, 0x421A209B, // 88.7, 89.4, 100, 38.5
    0xC21A209B, 0xC2180000, 0xC2380000, 0x42700000,
    0xC2700000, 0x4EFFFFFF, 0x4F000000, 0xCF000000, // -38, -46, 60, 2^31
    0xCF000001, 0x4F7FFFFF, 0x4F800000, 0x5EFFFFFF,
    0x5F000000, 0xDF000000, 0xDF000001, 0x5F7FFFFF, // 2^32, 2^63
    0x5F800000, 0x7149F2CA, 0x0D1B7176, 0x7F7FFFFF,
    0xFF7FFFFF, 0x7F800000, 0xFF800000, 0x7FC00000, // 1e30, 5e-31, to NaN
    0xFFC00000, 0x7F800001, 0xFFFFFFFF, 0x3A83126F,
    0xBA83126F, 0x33D6BF95, 0xB3D6BF95, 0x7E967699,
};

enum { EDGES = sizeof edges / sizeof edges[0] };

// Pairs of floats: every edge with every edge, then random bits, then random numbers of every-day size.
static uint32_t fill_pairs(float *pairs, uint32_t limit)
{
    uint32_t count = 0;
    ct_random random = {11};
    for (uint32_t i = 0; i < EDGES; i++) {
        for (uint32_t k = 0; k < EDGES; k++, count++) {
            pairs[2 * count] = float_of(edges[i]);
            pairs[2 * count + 1] = float_of(edges[k]);
        }
    }
    for (; count < limit; count++) {
        for (int k = 0; k < 2; k++) {
            float every_day =
                ((float)ct_random_below(&random, 1u << 24) / (float)(1u << 23) - 1.0f) * (count % 3 == 1 ? 100 : 6);
            pairs[2 * count + (uint32_t)k] = count % 3 == 0 ? float_of((uint32_t)ct_random_next(&random)) : every_day;
        }
    }
    return count;
}

enum { PAIRS = EDGES * EDGES + SAMPLES };
static float pairs[2 * PAIRS];
static uint32_t results[2 * PAIRS];

// `y[i] = expression` of the floats a and b for all pairs; elements of y are of `dtype`.
static void run_pairs(ct_fixture *f, const char *expression, fm_dtype dtype)
{
    char body[512];
    uint32_t count = fill_pairs(pairs, PAIRS), size = dtype == FM_DTYPE_I64 || dtype == FM_DTYPE_U64 ? 8 : 4;
    snprintf(body, sizeof body,
             "uint i = global_id.x; if (i < n) { float a = x[2u * i]; float b = x[2u * i + 1u]; y[i] = %s; }",
             expression);
    fm_kernel kernel = ct_kernel(f, body, CT_PARAMS({"x", FM_DTYPE_F32, FM_ACCESS_READ}, {"y", dtype, FM_ACCESS_WRITE}),
                                 CT_CONSTANTS({"n", FM_DTYPE_U32}));
    fm_buffer in = ct_buffer_of(f, pairs, sizeof pairs), out = ct_buffer(f, (uint64_t)size * PAIRS);
    fm_commands *commands = ct_begin(f);
    fm_dispatch_info info =
        ct_dispatch_info(kernel, (count + 63) / 64, CT_BINDINGS({.buffer = in}, {.buffer = out}), &count, sizeof count);
    CT_OK(fm_dispatch(commands, &info));
    ct_finish(f, commands);
    ct_read(f, out, 0, (uint64_t)size * PAIRS, results);
    CT_OK(fm_buffer_destroy(f->device, in));
    CT_OK(fm_buffer_destroy(f->device, out));
    CT_OK(fm_kernel_destroy(f->device, kernel));
}

static bool is_subnormal(float v)
{
    return v != 0 && fabsf(v) < FLT_MIN;
}

// True if `got` is `wanted` to `relative` of it. What is too large for a float is an infinity; below the least normal one 0 is right, too.
static bool is_near(float got, double wanted, double relative)
{
    if (isnan(wanted)) return isnan(got);
    if (fabs(wanted) > (double)FLT_MAX * (1 + relative)) return isinf(got) && (got > 0) == (wanted > 0);
    if (isinf(got)) return fabs(wanted) >= (double)FLT_MAX * (1 - relative) && (got > 0) == (wanted > 0);
    double least = fabs(wanted) < (double)FLT_MIN * (1 + relative) ? (double)FLT_MIN * 1.001 : 0;
    return fabs((double)got - wanted) <= least + relative * fabs(wanted);
}

typedef struct near_case {
    const char *expression;
    double (*reference)(double a, double b);
    double relative;
} near_case;

#define REFERENCE(name, expression)                                                                                    \
    static double name(double a, double b)                                                                             \
    {                                                                                                                  \
        (void)b;                                                                                                       \
        return expression;                                                                                             \
    }
REFERENCE(ref_atan2, atan2(a, b))
REFERENCE(ref_erf, erf(a))
REFERENCE(ref_sinh, sinh(a))
REFERENCE(ref_cosh, cosh(a))
REFERENCE(ref_exp10, pow(10, a))
REFERENCE(ref_round, round(a))

// The bounds of docs/kernel-language.md: 8 ulp, 2^-24 each.
static const near_case near_cases[] = {
    {"atan2(a, b)", ref_atan2, 8 * 0x1p-24}, {"erf(a)", ref_erf, 8 * 0x1p-24},     {"sinh(a)", ref_sinh, 8 * 0x1p-24},
    {"cosh(a)", ref_cosh, 8 * 0x1p-24},      {"exp10(a)", ref_exp10, 8 * 0x1p-24}, {"round(a)", ref_round, 0},
};

// A device may take a subnormal argument for 0.
static bool is_right(const near_case *test, float a, float b, float got)
{
    bool is = is_near(got, test->reference((double)a, (double)b), test->relative);
    float flat_a = is_subnormal(a) ? copysignf(0, a) : a, flat_b = is_subnormal(b) ? copysignf(0, b) : b;
    return is || is_near(got, test->reference((double)flat_a, (double)flat_b), test->relative);
}

static void function_is_near_for_every_argument(void **state)
{
    for (size_t k = 0; k < sizeof near_cases / sizeof near_cases[0]; k++) {
        run_pairs(*state, near_cases[k].expression, FM_DTYPE_F32);
        for (uint32_t i = 0; i < PAIRS; i++) {
            float a = pairs[2 * i], b = pairs[2 * i + 1], got = float_of(results[i]);
            if (!is_right(&near_cases[k], a, b, got)) {
                fail_msg("%s of (%.9g, %.9g) is %.9g, expected %.9g", near_cases[k].expression, (double)a, (double)b,
                         (double)got, near_cases[k].reference((double)a, (double)b));
            }
        }
    }
}

// Which zero or which half turn: the sign bits of both arguments count.
static void atan2_looks_at_the_signs_of_zeros(void **state)
{
    run_pairs(*state, "atan2(a, b)", FM_DTYPE_F32);
    for (uint32_t i = 0; i < PAIRS; i++) {
        float a = pairs[2 * i], b = pairs[2 * i + 1], got = float_of(results[i]);
        if (isnan(a) || isnan(b)) continue;
        assert_int_equal(signbit(got) != 0, signbit(a) != 0);
        if (a == 0) assert_true(is_near(fabsf(got), signbit(b) ? acos(-1) : 0, 8 * 0x1p-24));
    }
}

static void expect_bits(const char *expression, uint32_t i, uint32_t wanted)
{
    if (results[i] != wanted) {
        fail_msg("%s of (%.9g, %.9g) is 0x%08x, expected 0x%08x", expression, (double)pairs[2 * i],
                 (double)pairs[2 * i + 1], results[i], wanted);
    }
}

static void fmod_is_exact(void **state)
{
    run_pairs(*state, "fmod(a, b)", FM_DTYPE_F32);
    for (uint32_t i = 0; i < PAIRS; i++) {
        float wanted = fmodf(pairs[2 * i], pairs[2 * i + 1]);
        if (isnan(wanted)) {
            assert_true(isnan(float_of(results[i])));
        } else {
            expect_bits("fmod(a, b)", i, bits_of(wanted));
        }
    }
}

// NaN if either is NaN; else the lesser or the greater one, where -0 and 0 are equal.
static void min_nan_and_max_nan_keep_nan(void **state)
{
    for (int is_max = 0; is_max < 2; is_max++) {
        run_pairs(*state, is_max ? "max_nan(a, b)" : "min_nan(a, b)", FM_DTYPE_F32);
        for (uint32_t i = 0; i < PAIRS; i++) {
            float a = pairs[2 * i], b = pairs[2 * i + 1], got = float_of(results[i]);
            if (is_subnormal(a) || is_subnormal(b)) continue; // which may be equal to 0
            if (isnan(a) || isnan(b)) {
                assert_true(isnan(got));
            } else if (got != (is_max ? fmaxf(a, b) : fminf(a, b))) {
                fail_msg("%s_nan(%g, %g) is %g", is_max ? "max" : "min", (double)a, (double)b, (double)got);
            }
        }
    }
}

// What the cast gives, NaN apart, if the type had no end, and then the nearest that it has.
static uint64_t saturate(float v, double least, double most, uint64_t least_bits, uint64_t most_bits)
{
    double whole = trunc((double)v);
    return isnan(v)         ? 0
           : whole <= least ? least_bits
           : whole >= most  ? most_bits
           : least < 0      ? (uint64_t)(int64_t)whole
                            : (uint64_t)whole;
}

static void saturating_cast_is_exact(void **state)
{
    static const struct {
        const char *expression;
        fm_dtype dtype;
        double least, most;
        uint64_t least_bits, most_bits;
    } cases[] = {
        {"int_sat(a)", FM_DTYPE_I32, -0x1p31, 0x1p31 - 1, 0x80000000, 0x7FFFFFFF},
        {"uint_sat(a)", FM_DTYPE_U32, 0, 0x1p32 - 1, 0, 0xFFFFFFFF},
        {"long_sat(a)", FM_DTYPE_I64, -0x1p63, 0x1p63, UINT64_C(1) << 63, INT64_MAX},
        {"ulong_sat(a)", FM_DTYPE_U64, 0, 0x1p64, 0, UINT64_MAX},
    };
    ct_fixture *f = *state;
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        bool is_wide = cases[k].dtype >= FM_DTYPE_I64;
        if (is_wide && !(f->properties.dtype_mask & 1u << FM_DTYPE_I64)) continue;
        run_pairs(f, cases[k].expression, cases[k].dtype);
        for (uint32_t i = 0; i < PAIRS; i++) {
            uint64_t got = is_wide ? results[2 * i] | (uint64_t)results[2 * i + 1] << 32 : results[i];
            uint64_t wanted =
                saturate(pairs[2 * i], cases[k].least, cases[k].most, cases[k].least_bits, cases[k].most_bits);
            wanted &= is_wide ? UINT64_MAX : UINT32_MAX;
            if (got != wanted) {
                fail_msg("%s of %.9g is 0x%llx, expected 0x%llx", cases[k].expression, (double)pairs[2 * i],
                         (unsigned long long)got, (unsigned long long)wanted);
            }
        }
    }
}

static uint32_t leading(uint64_t v, uint32_t bits)
{
    uint32_t count = 0;
    for (; count < bits && !(v >> (bits - 1 - count) & 1); count++) {
    }
    return count;
}

static uint32_t trailing(uint64_t v, uint32_t bits)
{
    uint32_t count = 0;
    for (; count < bits && !(v >> count & 1); count++) {
    }
    return count;
}

// Of every width; an int and a long count as the unsigned number of the same bits.
static void clz_and_ctz_count_all_bits(void **state)
{
    static const struct {
        const char *expression;
        uint32_t bits;
        bool is_leading;
    } cases[] = {
        {"clz(as_uint(a))", 32, true},
        {"ctz(as_uint(a))", 32, false},
        {"clz(as_int(a))", 32, true},
        {"ctz(as_int(a))", 32, false},
        {"clz(ulong(as_uint(a)) << 32 | ulong(as_uint(b)))", 64, true},
        {"ctz(ulong(as_uint(a)) << 32 | ulong(as_uint(b)))", 64, false},
        {"clz(long(as_uint(a)) << 32 | long(as_uint(b)))", 64, true},
    };
    ct_fixture *f = *state;
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        if (cases[k].bits == 64 && !(f->properties.dtype_mask & 1u << FM_DTYPE_I64)) continue;
        run_pairs(f, cases[k].expression, FM_DTYPE_U32);
        for (uint32_t i = 0; i < PAIRS; i++) {
            uint64_t high = bits_of(pairs[2 * i]), low = bits_of(pairs[2 * i + 1]);
            uint64_t v = cases[k].bits == 64 ? high << 32 | low : high;
            expect_bits(cases[k].expression, i,
                        cases[k].is_leading ? leading(v, cases[k].bits) : trailing(v, cases[k].bits));
        }
    }
}

// INFINITY and NAN are values, also of a header's constant, unless the text gives the name away.
static void infinity_and_nan_are_words(void **state)
{
    ct_fixture *f = *state;
    static const struct {
        const char *header;
        const char *expression;
        uint32_t wanted;
    } cases[] = {
        {NULL, "as_uint(INFINITY)", 0x7F800000},
        {NULL, "as_uint(-INFINITY)", 0xFF800000},
        {NULL, "isnan(NAN) ? 1u : 0u", 1},
        {"const float LOW[2] = {-INFINITY, NAN};", "as_uint(LOW[n & 1u]) ^ (isnan(LOW[(n + 1u) & 1u]) ? 1u : 0u)",
         0xFF800001},
        {"float most() { return INFINITY; }", "as_uint(most())", 0x7F800000},
        {"#define INFINITY 2.0\n", "uint(INFINITY)", 2},
        {"const float NAN = 3.0;\nfloat get() { return NAN; }", "uint(get() + NAN)", 6},
        {"float f(float INFINITY) { return INFINITY + 1.0; }", "uint(f(1.0))", 2},
        {"float clz(float v) { return v + 1.0; }", "uint(clz(2.0))", 3}, // as a function of one's own
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char body[256];
        snprintf(body, sizeof body, "uint n = round[0]; y[0] = %s;", cases[i].expression);
        const fm_kernel_param params[] = {{"round", FM_DTYPE_U32, FM_ACCESS_READ},
                                          {"y", FM_DTYPE_U32, FM_ACCESS_WRITE}};
        fm_kernel_info info = {.name = "value",
                               .code = body,
                               .header = cases[i].header,
                               .params = params,
                               .param_count = 2,
                               .group_size = {1, 1, 1}};
        fm_kernel kernel = {0};
        CT_OK(fm_kernel_create(f->device, &info, &kernel));
        fm_buffer in = ct_buffer(f, 4), out = ct_buffer(f, 4);
        fm_commands *commands = ct_begin(f);
        fm_dispatch_info dispatch = ct_dispatch_info(kernel, 1, CT_BINDINGS({.buffer = in}, {.buffer = out}), NULL, 0);
        CT_OK(fm_dispatch(commands, &dispatch));
        ct_finish(f, commands);
        uint32_t got;
        ct_read(f, out, 0, 4, &got);
        if (got != cases[i].wanted)
            fail_msg("'%s' is 0x%08x, expected 0x%08x", cases[i].expression, got, cases[i].wanted);
        CT_OK(fm_buffer_destroy(f->device, in));
        CT_OK(fm_buffer_destroy(f->device, out));
        CT_OK(fm_kernel_destroy(f->device, kernel));
    }
}

int ct_group_functions(void)
{
    const struct CMUnitTest tests[] = {
        CT_TEST(function_is_near_for_every_argument),
        CT_TEST(atan2_looks_at_the_signs_of_zeros),
        CT_TEST(fmod_is_exact),
        CT_TEST(min_nan_and_max_nan_keep_nan),
        CT_TEST(saturating_cast_is_exact),
        CT_TEST(clz_and_ctz_count_all_bits),
        CT_TEST(infinity_and_nan_are_words),
    };
    return cmocka_run_group_tests_name("functions", tests, NULL, NULL);
}
