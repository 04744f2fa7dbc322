// The portable language: every built-in function, the ids, control flow and atomics, each against plain C on the CPU.
// Tolerances are those that Vulkan asks of a GPU, so that a correct device passes and a wrong function does not.
#include "groups.h"
#include "support.h"

#include <math.h>

enum { SAMPLES = 512 };

// One float built-in of up to three arguments.
typedef struct float_case {
    const char *expression;
    double (*reference)(double a, double b, double c);
    float low; // arguments are drawn from [low, high]
    float high;
    double relative; // allowed error, relative to the result
    double absolute; // allowed error besides
} float_case;

#define REFERENCE(name, expression)                                                                                    \
    static double name(double a, double b, double c)                                                                   \
    {                                                                                                                  \
        (void)a, (void)b, (void)c;                                                                                     \
        return expression;                                                                                             \
    }
REFERENCE(ref_abs, fabs(a))
REFERENCE(ref_min, fmin(a, b))
REFERENCE(ref_max, fmax(a, b))
REFERENCE(ref_clamp, fmin(fmax(a, fmin(b, c)), fmax(b, c)))
REFERENCE(ref_fma, a *b + c)
REFERENCE(ref_sqrt, sqrt(a))
REFERENCE(ref_rsqrt, 1.0 / sqrt(a))
REFERENCE(ref_exp, exp(a))
REFERENCE(ref_exp2, exp2(a))
REFERENCE(ref_log, log(a))
REFERENCE(ref_log2, log2(a))
REFERENCE(ref_pow, pow(a, b))
REFERENCE(ref_sin, sin(a))
REFERENCE(ref_cos, cos(a))
REFERENCE(ref_tan, tan(a))
REFERENCE(ref_tanh, tanh(a))
REFERENCE(ref_asin, asin(a))
REFERENCE(ref_acos, acos(a))
REFERENCE(ref_atan, atan(a))
REFERENCE(ref_rint, rint(a))
REFERENCE(ref_fract, a - floor(a))
REFERENCE(ref_sign, (a > 0) - (a < 0))
REFERENCE(ref_mix, a + (b - a) * c)
REFERENCE(ref_floor, floor(a))
REFERENCE(ref_ceil, ceil(a))
REFERENCE(ref_trunc, trunc(a))
REFERENCE(ref_divide, a / b)
REFERENCE(ref_int, trunc(a))
REFERENCE(ref_ternary, a < b ? c : a)
REFERENCE(ref_bits, -fabs(a))

static const float_case float_cases[] = {
    {"abs(a)", ref_abs, -100, 100, 0, 0},
    {"min(a, b)", ref_min, -100, 100, 0, 0},
    {"max(a, b)", ref_max, -100, 100, 0, 0},
    {"clamp(a, min(b, c), max(b, c))", ref_clamp, -100, 100, 0, 0},
    {"fma(a, b, c)", ref_fma, -100, 100, 0, 2e-3},
    {"sqrt(a)", ref_sqrt, 0.001f, 10000, 1e-6, 0},
    {"rsqrt(a)", ref_rsqrt, 0.001f, 10000, 1e-6, 0},
    {"exp(a)", ref_exp, -20, 20, 1e-5, 0},
    {"exp2(a)", ref_exp2, -20, 20, 1e-5, 0},
    {"log(a)", ref_log, 0.001f, 10000, 1e-6, 1e-6},
    {"log2(a)", ref_log2, 0.001f, 10000, 1e-6, 1e-6},
    {"pow(a, b)", ref_pow, 0.25f, 4, 2e-5, 0},
    {"sin(a)", ref_sin, -3.14f, 3.14f, 0, 1e-3},
    {"cos(a)", ref_cos, -3.14f, 3.14f, 0, 1e-3},
    {"tan(a)", ref_tan, -1, 1, 4e-3, 1e-3},
    {"tanh(a)", ref_tanh, -8, 8, 1e-4, 1e-4},
    {"asin(a)", ref_asin, -1, 1, 1e-3, 1e-3},
    {"acos(a)", ref_acos, -1, 1, 1e-3, 1e-3},
    {"atan(a)", ref_atan, -100, 100, 1e-3, 1e-6},
    {"rint(a)", ref_rint, -100, 100, 0, 0},
    {"fract(a)", ref_fract, -100, 100, 0, 0},
    {"sign(a)", ref_sign, -100, 100, 0, 0},
    {"mix(a, b, c)", ref_mix, -10, 10, 1e-5, 1e-4},
    {"floor(a)", ref_floor, -100, 100, 0, 0},
    {"ceil(a)", ref_ceil, -100, 100, 0, 0},
    {"trunc(a)", ref_trunc, -100, 100, 0, 0},
    {"a / b", ref_divide, 0.5f, 100, 1e-6, 0},
    {"float(int(a))", ref_int, -100, 100, 0, 0},
    {"a < b ? c : a", ref_ternary, -100, 100, 0, 0},
    {"as_float(as_uint(a) | 0x80000000u)", ref_bits, -100, 100, 0, 0},
    {"as_float(uint(as_int(abs(a)) ^ int(0x80000000u)))", ref_bits, -100, 100, 0, 0},
};

// Dispatches `y[i] = expression` over `count` triples of `dtype` and returns the results.
static void run_triples(ct_fixture *f, const char *expression, const char *type, fm_dtype dtype, const void *triples,
                        void *results, uint32_t count)
{
    char body[512];
    snprintf(body, sizeof body,
             "uint i = global_id.x; if (i < n) { %s a = x[3u * i]; %s b = x[3u * i + 1u]; %s c = x[3u * i + 2u]; y[i] "
             "= %s; }",
             type, type, type, expression);
    fm_kernel kernel = ct_kernel(f, body, CT_PARAMS({"x", dtype, FM_ACCESS_READ}, {"y", dtype, FM_ACCESS_WRITE}),
                                 CT_CONSTANTS({"n", FM_DTYPE_U32}));
    fm_buffer in = ct_buffer_of(f, triples, 12 * (uint64_t)count);
    fm_buffer out = ct_buffer(f, 4 * (uint64_t)count);
    fm_commands *commands = ct_begin(f);
    CT_OK(fm_fill(commands, out, 0, FM_WHOLE_SIZE, 0xA5A5A5A5));
    fm_dispatch_info info =
        ct_dispatch_info(kernel, (count + 63) / 64, CT_BINDINGS({.buffer = in}, {.buffer = out}), &count, sizeof count);
    CT_OK(fm_dispatch(commands, &info));
    ct_finish(f, commands);
    ct_read(f, out, 0, 4 * (uint64_t)count, results);
    CT_OK(fm_buffer_destroy(f->device, in));
    CT_OK(fm_buffer_destroy(f->device, out));
    CT_OK(fm_kernel_destroy(f->device, kernel));
}

static void builtin_float_functions_match_the_reference(void **state)
{
    ct_fixture *f = *state;
    static float triples[3 * SAMPLES];
    static float results[SAMPLES];
    ct_random random = {5};
    for (size_t k = 0; k < sizeof float_cases / sizeof float_cases[0]; k++) {
        const float_case *test = &float_cases[k];
        for (uint32_t i = 0; i < 3 * SAMPLES; i++) {
            float unit = (float)ct_random_below(&random, 1u << 24) / (float)(1u << 24);
            triples[i] = test->low + unit * (test->high - test->low);
        }
        triples[0] = test->low;
        triples[3] = test->high;
        run_triples(f, test->expression, "float", FM_DTYPE_F32, triples, results, SAMPLES);
        for (uint32_t i = 0; i < SAMPLES; i++) {
            const float *t = &triples[3 * i];
            double wanted = test->reference((double)t[0], (double)t[1], (double)t[2]);
            double error = fabs((double)results[i] - wanted);
            if (!(error <= test->absolute + test->relative * fabs(wanted))) {
                fail_msg("%s of (%.9g, %.9g, %.9g) is %.9g, expected %.9g", test->expression, (double)t[0],
                         (double)t[1], (double)t[2], (double)results[i], wanted);
            }
        }
    }
}

// One integer expression; int and uint share a table because the bits are compared.
typedef struct int_case {
    const char *expression;
    uint32_t (*reference)(uint32_t a, uint32_t b, uint32_t c);
} int_case;

#define INT_REFERENCE(name, expression)                                                                                \
    static uint32_t name(uint32_t ua, uint32_t ub, uint32_t uc)                                                        \
    {                                                                                                                  \
        int32_t a = (int32_t)ua, b = (int32_t)ub, c = (int32_t)uc;                                                     \
        (void)a, (void)b, (void)c;                                                                                     \
        return (uint32_t)(expression);                                                                                 \
    }
#define UINT_REFERENCE(name, expression)                                                                               \
    static uint32_t name(uint32_t a, uint32_t b, uint32_t c)                                                           \
    {                                                                                                                  \
        (void)a, (void)b, (void)c;                                                                                     \
        return (uint32_t)(expression);                                                                                 \
    }
INT_REFERENCE(int_abs, a < 0 ? -a : a)
INT_REFERENCE(int_min, a < b ? a : b)
INT_REFERENCE(int_max, a > b ? a : b)
INT_REFERENCE(int_clamp, a<-50 ? -50 : a> 60 ? 60 : a)
INT_REFERENCE(int_arithmetic, (a + b) * 3 - c)
INT_REFERENCE(int_shift, (a & 1023) >> 2)
INT_REFERENCE(int_float, (int32_t)((float)a * 0.5f))
INT_REFERENCE(int_bool, (a > b) == (b > c) ? 1 : 0)
UINT_REFERENCE(uint_min, a < b ? a : b)
UINT_REFERENCE(uint_max, a > b ? a : b)
UINT_REFERENCE(uint_clamp, a<50u ? 50u : a> 4000000000u ? 4000000000u : a)
UINT_REFERENCE(uint_abs, a)
UINT_REFERENCE(uint_arithmetic, (a * 2654435761u + b) ^ (c >> 5))
UINT_REFERENCE(uint_divide, a / (b | 1u) + a % (c | 1u))
UINT_REFERENCE(uint_float, (uint32_t)((float)(a >> 12) * 2.0f))

static const int_case int_cases[] = {
    {"abs(a)", int_abs},
    {"min(a, b)", int_min},
    {"max(a, b)", int_max},
    {"clamp(a, -50, 60)", int_clamp},
    {"(a + b) * 3 - c", int_arithmetic},
    {"(a & 1023) >> 2", int_shift},
    {"int(float(a) * 0.5f)", int_float},
    {"int(bool((a > b) == (b > c)))", int_bool},
};

static const int_case uint_cases[] = {
    {"min(a, b)", uint_min},
    {"max(a, b)", uint_max},
    {"clamp(a, 50u, 4000000000u)", uint_clamp},
    {"abs(a)", uint_abs},
    {"(a * 2654435761u + b) ^ (c >> 5)", uint_arithmetic},
    {"a / (b | 1u) + a % (c | 1u)", uint_divide},
    {"uint(float(a >> 12) * 2.0f)", uint_float},
};

static void run_int_case(ct_fixture *f, const int_case *test, const char *type, fm_dtype dtype, const uint32_t *triples)
{
    static uint32_t results[SAMPLES];
    run_triples(f, test->expression, type, dtype, triples, results, SAMPLES);
    for (uint32_t i = 0; i < SAMPLES; i++) {
        const uint32_t *t = &triples[3 * i];
        uint32_t wanted = test->reference(t[0], t[1], t[2]);
        if (results[i] != wanted) {
            fail_msg("%s on %s of (0x%x, 0x%x, 0x%x) is 0x%x, expected 0x%x", test->expression, type, t[0], t[1], t[2],
                     results[i], wanted);
        }
    }
}

static void builtin_int_functions_match_the_reference(void **state)
{
    static uint32_t triples[3 * SAMPLES];
    ct_random random = {6};
    for (uint32_t i = 0; i < 3 * SAMPLES; i++) triples[i] = ct_random_below(&random, 2001) - 1000u;
    for (size_t k = 0; k < sizeof int_cases / sizeof int_cases[0]; k++) {
        run_int_case(*state, &int_cases[k], "int", FM_DTYPE_I32, triples);
    }
}

static void builtin_uint_functions_match_the_reference(void **state)
{
    static uint32_t triples[3 * SAMPLES];
    ct_random random = {7};
    for (uint32_t i = 0; i < 3 * SAMPLES; i++) triples[i] = (uint32_t)ct_random_next(&random);
    for (size_t k = 0; k < sizeof uint_cases / sizeof uint_cases[0]; k++) {
        run_int_case(*state, &uint_cases[k], "uint", FM_DTYPE_U32, triples);
    }
}

// What GLSL leaves to the driver for NaN, infinities, zeros and halves is the same on every device here (KEY-6).
static void builtin_special_values_have_one_answer(void **state)
{
    static const struct {
        const char *expression; // of the bits a
        uint32_t argument;
        uint32_t wanted;
    } cases[] = {
        {"isnan(as_float(a)) ? 1u : 0u", 0x7FC00000, 1},
        {"isnan(as_float(a)) ? 1u : 0u", 0xFF800001, 1},
        {"isnan(as_float(a)) ? 1u : 0u", 0x7F800000, 0},
        {"isnan(as_float(a)) ? 1u : 0u", 0x3F800000, 0},
        {"isinf(as_float(a)) ? 1u : 0u", 0x7F800000, 1},
        {"isinf(as_float(a)) ? 1u : 0u", 0xFF800000, 1},
        {"isinf(as_float(a)) ? 1u : 0u", 0x7F800001, 0},
        {"isinf(as_float(a)) ? 1u : 0u", 0x7F7FFFFF, 0},
        {"as_uint(sign(as_float(a)))", 0x00000000, 0},
        {"as_uint(sign(as_float(a)))", 0x80000000, 0},
        {"as_uint(sign(as_float(a)))", 0x7FC00000, 0},
        {"as_uint(sign(as_float(a)))", 0xFF800000, 0xBF800000},
        {"as_uint(sign(as_float(a)))", 0x7F800000, 0x3F800000},
        {"as_uint(rint(as_float(a)))", 0x3F000000, 0},          // 0.5
        {"as_uint(rint(as_float(a)))", 0x3FC00000, 0x40000000}, // 1.5
        {"as_uint(rint(as_float(a)))", 0x40200000, 0x40000000}, // 2.5
        {"as_uint(rint(as_float(a)))", 0xC0600000, 0xC0800000}, // -3.5
        {"as_uint(rint(as_float(a)))", 0x7F800000, 0x7F800000},
        {"as_uint(fract(as_float(a)))", 0xBE800000, 0x3F400000}, // -0.25
        {"as_uint(mix(as_float(a), 4.0, 1.0))", 0x3F800000, 0x40800000},
        {"as_uint(mix(as_float(a), 4.0, 0.0))", 0x3F800000, 0x3F800000},
        {"popcount(a)", 0, 0},
        {"popcount(a)", 0xFFFFFFFF, 32},
        {"popcount(a)", 0x80000001, 2},
        {"popcount(a)", 0x12345678, 13},
    };
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        const uint32_t triple[3] = {cases[k].argument};
        uint32_t result;
        run_triples(*state, cases[k].expression, "uint", FM_DTYPE_U32, triple, &result, 1);
        if (result != cases[k].wanted) {
            fail_msg("%s of 0x%08x is 0x%08x, expected 0x%08x", cases[k].expression, cases[k].argument, result,
                     cases[k].wanted);
        }
    }
}

static void builtin_ids_count_every_axis(void **state)
{
    ct_fixture *f = *state;
    enum { ITEMS = 3 * 5 * 7 * 4 * 2 * 2, FIELDS = 15 };
    static const char body[] = "uint group = (group_id.z * group_count.y + group_id.y) * group_count.x + group_id.x;"
                               "uint local = (local_id.z * group_size.y + local_id.y) * group_size.x + local_id.x;"
                               "uint at = 15u * (group * group_size.x * group_size.y * group_size.z + local);"
                               "x[at] = global_id.x; x[at + 1u] = global_id.y; x[at + 2u] = global_id.z;"
                               "x[at + 3u] = local_id.x; x[at + 4u] = local_id.y; x[at + 5u] = local_id.z;"
                               "x[at + 6u] = group_id.x; x[at + 7u] = group_id.y; x[at + 8u] = group_id.z;"
                               "x[at + 9u] = group_count.x; x[at + 10u] = group_count.y; x[at + 11u] = group_count.z;"
                               "x[at + 12u] = group_size.x; x[at + 13u] = group_size.y; x[at + 14u] = group_size.z;";
    fm_kernel_param param = {"x", FM_DTYPE_U32, FM_ACCESS_WRITE};
    fm_kernel_info create = {.name = "ids", .code = body, .params = &param, .param_count = 1, .group_size = {4, 2, 2}};
    fm_kernel kernel = {0};
    CT_OK(fm_kernel_create(f->device, &create, &kernel));
    fm_buffer buffer = ct_buffer(f, sizeof(uint32_t) * FIELDS * ITEMS);
    fm_dispatch_info info = ct_dispatch_info(kernel, 3, CT_BINDINGS({.buffer = buffer}), NULL, 0);
    info.group_count[1] = 5;
    info.group_count[2] = 7;
    fm_commands *commands = ct_begin(f);
    CT_OK(fm_dispatch(commands, &info));
    ct_finish(f, commands);
    static uint32_t words[FIELDS * ITEMS];
    ct_read(f, buffer, 0, sizeof words, words);
    for (uint32_t i = 0; i < ITEMS; i++) {
        uint32_t group = i / 16, local = i % 16;
        uint32_t gx = group % 3, gy = group / 3 % 5, gz = group / 15;
        uint32_t lx = local % 4, ly = local / 4 % 2, lz = local / 8;
        const uint32_t wanted[FIELDS] = {4 * gx + lx, 2 * gy + ly, 2 * gz + lz, lx, ly, lz, gx, gy,
                                         gz,          3,           5,           7,  4,  2,  2};
        assert_memory_equal(&words[FIELDS * i], wanted, sizeof wanted);
    }
}

static uint32_t control_flow(uint32_t i)
{
    uint32_t sum = 0;
    for (uint32_t k = 0; k < i; k++) {
        if (k % 3 == 0) continue;
        if (k > 40) break;
        sum += k;
    }
    uint32_t n = i;
    while (n > 1) {
        n = n % 2 == 0 ? n / 2 : 3 * n + 1;
        sum++;
    }
    do {
        sum += 1000;
        n++;
    } while (n < 4);
    return sum;
}

static void language_control_flow_does_what_c_does(void **state)
{
    ct_fixture *f = *state;
    fm_kernel kernel = ct_kernel(f,
                                 "uint i = global_id.x;\n"
                                 "uint sum = 0u;\n"
                                 "for (uint k = 0u; k < i; k++) {\n"
                                 "    if (k % 3u == 0u) continue;\n"
                                 "    if (k > 40u) break;\n"
                                 "    sum += k;\n"
                                 "}\n"
                                 "uint n = i;\n"
                                 "while (n > 1u) {\n"
                                 "    n = n % 2u == 0u ? n / 2u : 3u * n + 1u;\n"
                                 "    sum++;\n"
                                 "}\n"
                                 "do { sum += 1000u; n++; } while (n < 4u);\n"
                                 "bool odd = i % 2u == 1u;\n"
                                 "x[i] = sum;\n"
                                 "if (odd && i > 5u) return;\n"
                                 "x[i] += 1u;\n",
                                 CT_PARAMS({"x", FM_DTYPE_U32, FM_ACCESS_READ_WRITE}), NULL, 0);
    fm_buffer buffer = ct_buffer(f, 256);
    fm_commands *commands = ct_begin(f);
    fm_dispatch_info info = ct_dispatch_info(kernel, 1, CT_BINDINGS({.buffer = buffer}), NULL, 0);
    CT_OK(fm_dispatch(commands, &info));
    ct_finish(f, commands);
    uint32_t words[64];
    ct_read(f, buffer, 0, sizeof words, words);
    for (uint32_t i = 0; i < 64; i++) {
        assert_int_equal(words[i], control_flow(i) + (i % 2 == 1 && i > 5 ? 0 : 1));
    }
}

// One dispatch of 100 workgroups over x (atomics) and y (old values).
static void run_atomic(ct_fixture *f, const char *body, fm_dtype dtype, uint32_t start, uint32_t *after, uint32_t *old)
{
    fm_kernel kernel =
        ct_kernel(f, body, CT_PARAMS({"x", dtype, FM_ACCESS_READ_WRITE}, {"y", dtype, FM_ACCESS_WRITE}), NULL, 0);
    const uint32_t words[2] = {start, 0};
    fm_buffer x = ct_buffer_of(f, words, sizeof words);
    fm_buffer y = ct_buffer(f, 6400 * 4);
    fm_commands *commands = ct_begin(f);
    fm_dispatch_info info = ct_dispatch_info(kernel, 100, CT_BINDINGS({.buffer = x}, {.buffer = y}), NULL, 0);
    CT_OK(fm_dispatch(commands, &info));
    ct_finish(f, commands);
    ct_read(f, x, 0, 4, after);
    ct_read(f, y, 0, 6400 * 4, old);
    CT_OK(fm_buffer_destroy(f->device, x));
    CT_OK(fm_buffer_destroy(f->device, y));
    CT_OK(fm_kernel_destroy(f->device, kernel));
}

static void atomic_results_are_those_of_some_order(void **state)
{
    ct_fixture *f = *state;
    static uint32_t old[6400];
    uint32_t after = 0;
    run_atomic(f, "uint i = global_id.x; y[i] = atomic_add(x[0], 1u);", FM_DTYPE_U32, 10, &after, old);
    assert_int_equal(after, 6410);
    static uint8_t taken[6400];
    memset(taken, 0, sizeof taken);
    for (uint32_t i = 0; i < 6400; i++) {
        assert_in_range(old[i], 10, 6409);
        assert_int_equal(taken[old[i] - 10]++, 0); // each old value exactly once
    }
    run_atomic(f, "int i = int(global_id.x); y[i] = atomic_add(x[0], -i);", FM_DTYPE_I32, 5, &after, old);
    assert_int_equal((int32_t)after, 5 - 6399 * 6400 / 2);
    run_atomic(f, "uint i = global_id.x; y[i] = atomic_exchange(x[0], i + 1u);", FM_DTYPE_U32, 0, &after, old);
    uint64_t sum = after;
    for (uint32_t i = 0; i < 6400; i++) sum += old[i];
    assert_int_equal(sum, UINT64_C(6400) * 6401 / 2);
    run_atomic(f, "uint i = global_id.x; y[i] = atomic_compare_exchange(x[0], 7u, i + 100u);", FM_DTYPE_U32, 7, &after,
               old);
    uint32_t winners = 0;
    for (uint32_t i = 0; i < 6400; i++) {
        if (old[i] == 7) {
            winners++;
            assert_int_equal(after, i + 100);
        } else {
            assert_int_equal(old[i], after);
        }
    }
    assert_int_equal(winners, 1);
}

static void atomic_min_max_and_bits_match_the_reference(void **state)
{
    ct_fixture *f = *state;
    static uint32_t old[6400];
    uint32_t after = 0;
    run_atomic(f, "uint i = global_id.x; y[i] = atomic_min(x[0], 4294967295u - i);", FM_DTYPE_U32, UINT32_MAX, &after,
               old);
    assert_int_equal(after, UINT32_MAX - 6399);
    run_atomic(f, "uint i = global_id.x; y[i] = atomic_max(x[0], i * 3u);", FM_DTYPE_U32, 0, &after, old);
    assert_int_equal(after, 6399 * 3);
    run_atomic(f, "int i = int(global_id.x); y[i] = atomic_min(x[0], -i);", FM_DTYPE_I32, 9, &after, old);
    assert_int_equal((int32_t)after, -6399);
    run_atomic(f, "int i = int(global_id.x); y[i] = atomic_max(x[0], i - 100);", FM_DTYPE_I32, (uint32_t)-200, &after,
               old);
    assert_int_equal((int32_t)after, 6299);
    run_atomic(f, "uint i = global_id.x; y[i] = atomic_or(x[0], 1u << (i % 32u));", FM_DTYPE_U32, 0, &after, old);
    assert_int_equal(after, UINT32_MAX);
    run_atomic(f, "uint i = global_id.x; y[i] = atomic_and(x[0], ~(1u << (i % 31u)));", FM_DTYPE_U32, UINT32_MAX,
               &after, old);
    assert_int_equal(after, 0x80000000u);
    run_atomic(f, "uint i = global_id.x; y[i] = atomic_xor(x[0], i);", FM_DTYPE_U32, 1, &after, old);
    uint32_t wanted = 1;
    for (uint32_t i = 0; i < 6400; i++) wanted ^= i;
    assert_int_equal(after, wanted);
}

int ct_group_builtins(void)
{
    const struct CMUnitTest tests[] = {
        CT_TEST(builtin_float_functions_match_the_reference),
        CT_TEST(builtin_int_functions_match_the_reference),
        CT_TEST(builtin_uint_functions_match_the_reference),
        CT_TEST(builtin_special_values_have_one_answer),
        CT_TEST(builtin_ids_count_every_axis),
        CT_TEST(language_control_flow_does_what_c_does),
        CT_TEST(atomic_results_are_those_of_some_order),
        CT_TEST(atomic_min_max_and_bits_match_the_reference),
    };
    return cmocka_run_group_tests_name("builtins", tests, NULL, NULL);
}
