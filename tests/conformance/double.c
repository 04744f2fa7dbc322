// 64-bit floats: elements, constants, shared arrays, specialisations, literals, and every operation that the language has on double, against C.
#include "groups.h"
#include "support.h"

#include <float.h>
#include <math.h>

enum { SAMPLES = 1024, PARTS = 3 };

static bool has_double(const ct_fixture *f)
{
    return (f->properties.dtype_mask >> FM_DTYPE_F64 & 1) != 0;
}

static double samples[PARTS * SAMPLES];
static uint64_t results[SAMPLES];

// Triples of numbers of every-day size, of halves, and of edges.
static void fill_samples(void)
{
    static const double edges[] = {0.0,    -0.0,     1.0,       -1.0,    0.5,
                                   1e300,  -1e300,   1e-300,    DBL_MAX, DBL_MIN,
                                   5e-324, INFINITY, -INFINITY, NAN,     4503599627370497.5,
                                   -2.5,   1.0 / 3,  3e9};
    enum { EDGES = sizeof edges / sizeof edges[0] };
    ct_random random = {12};
    for (uint32_t i = 0; i < PARTS * SAMPLES; i++) {
        double unit = (double)(ct_random_next(&random) >> 11) * 0x1p-53;
        bool is_edge = i / PARTS < EDGES * EDGES;
        uint32_t edge = i % PARTS == 0   ? i / PARTS % EDGES
                        : i % PARTS == 1 ? i / PARTS / EDGES % EDGES
                                         : ct_random_below(&random, EDGES);
        samples[i] = is_edge ? edges[edge] : (unit - 0.5) * (i % 2 ? 2000 : 3);
    }
    const uint64_t least_nan = UINT64_C(0x7FF0000000000001);
    memcpy(&samples[PARTS * (SAMPLES - 1)], &least_nan, sizeof least_nan);
}

// `y[i] = expression` of the doubles a, b and c; elements of y are of `dtype`.
static void run_samples(ct_fixture *f, const char *expression, fm_dtype dtype)
{
    char body[512];
    uint32_t count = SAMPLES, size = dtype == FM_DTYPE_F64 || dtype == FM_DTYPE_I64 ? 8 : 4;
    snprintf(body, sizeof body,
             "uint i = global_id.x; if (i < n) { double a = x[3u * i]; double b = x[3u * i + 1u]; double c = x[3u * i "
             "+ "
             "2u]; y[i] = %s; }",
             expression);
    const fm_kernel_param params[] = {{"x", FM_DTYPE_F64, FM_ACCESS_READ}, {"y", dtype, FM_ACCESS_WRITE}};
    const fm_kernel_constant constant = {"n", FM_DTYPE_U32};
    fm_kernel_info create = {.name = "double",
                             .header = "double widen(double v) { return v; }",
                             .code = body,
                             .params = params,
                             .param_count = 2,
                             .constants = &constant,
                             .constant_count = 1};
    fm_kernel kernel = {0};
    CT_OK(fm_kernel_create(f->device, &create, &kernel));
    fm_buffer in = ct_buffer_of(f, samples, sizeof samples), out = ct_buffer(f, (uint64_t)size * SAMPLES);
    fm_commands *commands = ct_begin(f);
    fm_dispatch_info info =
        ct_dispatch_info(kernel, SAMPLES / 64, CT_BINDINGS({.buffer = in}, {.buffer = out}), &count, sizeof count);
    CT_OK(fm_dispatch(commands, &info));
    ct_finish(f, commands);
    ct_read(f, out, 0, (uint64_t)size * SAMPLES, results);
    CT_OK(fm_buffer_destroy(f->device, in));
    CT_OK(fm_buffer_destroy(f->device, out));
    CT_OK(fm_kernel_destroy(f->device, kernel));
}

typedef struct double_case {
    const char *expression;
    double (*reference)(double a, double b, double c);
    double relative; // allowed error
    bool is_finite;  // finite arguments alone: a device may do what it likes with others
} double_case;

#define REFERENCE(name, expression)                                                                                    \
    static double name(double a, double b, double c)                                                                   \
    {                                                                                                                  \
        (void)a, (void)b, (void)c;                                                                                     \
        return expression;                                                                                             \
    }
REFERENCE(ref_same, a)
REFERENCE(ref_sum, a + b)
REFERENCE(ref_product, a *b)
REFERENCE(ref_difference, a - c)
REFERENCE(ref_quotient, a / b)
REFERENCE(ref_negative, -a)
REFERENCE(ref_abs, fabs(a))
REFERENCE(ref_min, b < a ? b : a)
REFERENCE(ref_max, a < b ? b : a)
REFERENCE(ref_clamp, fmin(fmax(a, -2), 1.5))
REFERENCE(ref_sqrt, sqrt(fabs(a)))
REFERENCE(ref_fma, fma(a, 0.5, b))
REFERENCE(ref_floor, floor(a))
REFERENCE(ref_ceil, ceil(a))
REFERENCE(ref_trunc, trunc(a))
REFERENCE(ref_mixed, a + 3 + 4 + (double)2.5f)
REFERENCE(ref_literals, a + 0.1 + 1e-10 + 12345678.9)
REFERENCE(ref_float, (double)(float)b)
REFERENCE(ref_narrow, (double)0.1f + (double)(0.1f + 0.2f) + (double)(float)0.7 - a)

static const double_case double_cases[] = {
    {"a", ref_same, 0, false},
    {"a + b", ref_sum, 0, false},
    {"a * b", ref_product, 0, false},
    {"a - c", ref_difference, 0, false},
    {"a / b", ref_quotient, 0x1p-51, false},
    {"-a", ref_negative, 0, false},
    {"abs(a)", ref_abs, 0, false},
    {"min(a, b)", ref_min, 0, true},
    {"max(a, b)", ref_max, 0, true},
    {"clamp(a, -2.0lf, 1.5LF)", ref_clamp, 0, true},
    {"sqrt(abs(a))", ref_sqrt, 0x1p-51, false},
    {"fma(a, 0.5lf, b)", ref_fma, 0x1p-50, true},
    {"floor(a)", ref_floor, 0, false},
    {"ceil(a)", ref_ceil, 0, false},
    {"trunc(a)", ref_trunc, 0, false},
    {"a + 3 + 4u + 2.5", ref_mixed, 0x1p-51, true},
    {"a + 0.1lf + 1.e-10lf + 12345678.9lf", ref_literals, 0x1p-50, true},
    {"double(float(b))", ref_float, 0, true},
    {"0.1 + double(0.1 + 0.2) + widen(0.7) - a", ref_narrow, 0x1p-51, true}, // floats become doubles as they are
};

static void double_operations_match_the_reference(void **state)
{
    ct_fixture *f = *state;
    if (!has_double(f)) skip();
    fill_samples();
    for (size_t k = 0; k < sizeof double_cases / sizeof double_cases[0]; k++) {
        run_samples(f, double_cases[k].expression, FM_DTYPE_F64);
        for (uint32_t i = 0; i < SAMPLES; i++) {
            const double *t = &samples[PARTS * i];
            double got, wanted = double_cases[k].reference(t[0], t[1], t[2]);
            memcpy(&got, &results[i], sizeof got);
            if (double_cases[k].is_finite &&
                !(isfinite(t[0]) && isfinite(t[1]) && fabs(t[1]) < 1e38 && fabs(t[0]) < 1e38))
                continue;
            double size = isfinite(wanted) ? fabs(t[0]) + fabs(t[1]) + fabs(wanted) : 0;
            bool is_near = isfinite(got) && fabs(got - wanted) <= double_cases[k].relative * size + DBL_MIN;
            bool is_right = isnan(wanted) ? isnan(got) : got == wanted || (is_near && double_cases[k].relative > 0);
            if (!is_right) {
                fail_msg("%s of (%.17g, %.17g, %.17g) is %.17g, expected %.17g", double_cases[k].expression, t[0], t[1],
                         t[2], got, wanted);
            }
        }
    }
}

static void double_comparisons_and_casts_match_the_reference(void **state)
{
    ct_fixture *f = *state;
    if (!has_double(f)) skip();
    fill_samples();
    run_samples(f,
                "(a < b ? 1u : 0u) | (a <= b ? 2u : 0u) | (a == b ? 4u : 0u) | (a != b ? 8u : 0u) | (isnan(a) ? 16u : "
                "0u) | "
                "(isinf(b) ? 32u : 0u) | (bool(abs(a) > 1.0) ? 64u : 0u)",
                FM_DTYPE_U32);
    for (uint32_t i = 0; i < SAMPLES; i++) {
        double a = samples[PARTS * i], b = samples[PARTS * i + 1];
        uint32_t wanted = (a < b ? 1u : 0) | (a <= b ? 2u : 0) | (a == b ? 4u : 0) | (a != b ? 8u : 0) |
                          (isnan(a) ? 16u : 0) | (isinf(b) ? 32u : 0) | (fabs(a) > 1 ? 64u : 0);
        uint32_t got = ((const uint32_t *)results)[i];
        if (got != wanted) fail_msg("comparisons of %.17g and %.17g give %u, expected %u", a, b, got, wanted);
    }
    run_samples(f, "int(clamp(a, -1e9lf, 1e9lf))", FM_DTYPE_I32);
    for (uint32_t i = 0; i < SAMPLES; i++) {
        double a = samples[PARTS * i];
        if (isfinite(a)) assert_int_equal(((const int32_t *)results)[i], (int32_t)fmin(fmax(a, -1e9), 1e9));
    }
    if (!(f->properties.dtype_mask >> FM_DTYPE_I64 & 1)) return;
    run_samples(f, "long(clamp(a, -1e15lf, 1e15lf)) + long(double(7l) + double(8ul))", FM_DTYPE_I64);
    for (uint32_t i = 0; i < SAMPLES; i++) {
        double a = samples[PARTS * i];
        if (isfinite(a)) assert_int_equal((int64_t)results[i], (int64_t)fmin(fmax(a, -1e15), 1e15) + 15);
    }
}

// Constants, shared arrays, specialisations, tables and helper functions.
static void double_values_stand_wherever_floats_do(void **state)
{
    ct_fixture *f = *state;
    if (!has_double(f)) skip();
    const struct {
        uint32_t n;
        double a;
        float b;
    } constants = {3, 1e-200, 2.5f};
    const fm_kernel_param param = {"y", FM_DTYPE_F64, FM_ACCESS_READ_WRITE};
    const fm_kernel_constant names[] = {{"n", FM_DTYPE_U32}, {"a", FM_DTYPE_F64}, {"b", FM_DTYPE_F32}};
    const fm_kernel_shared shared = {"s", FM_DTYPE_F64, 64};
    const fm_kernel_special specials[] = {{"TENTH", FM_DTYPE_F64, 0.1}, {"HUGE", FM_DTYPE_F64, -DBL_MAX}};
    fm_kernel_info info = {
        .name = "double",
        .header = "const double TABLE[2] = {0.1lf, -1e300lf};\ndouble twice(double v) { return v + v; }\n",
        .code = "uint i = local_id.x; s[i] = double(i) * TENTH; barrier();\n"
                "if (i > 0u) return; double t[2]; t[1] = TABLE[1]; y[0] = s[63]; y[1] = a * 1e200lf; y[2] = HUGE; y[3] "
                "= t[i + 1u];\n"
                "y[4] = twice(b) + twice(n); y[5] = TABLE[i]; y[5] += 1; y[5] *= TENTH; y[6] = group_count.x; y[7]++;",
        .params = &param,
        .param_count = 1,
        .constants = names,
        .constant_count = 3,
        .shared = &shared,
        .shared_count = 1,
        .specials = specials,
        .special_count = 2};
    fm_kernel kernel = {0};
    CT_OK(fm_kernel_create(f->device, &info, &kernel));
    fm_buffer buffer = ct_buffer(f, 64);
    fm_dispatch_info dispatch =
        ct_dispatch_info(kernel, 1, CT_BINDINGS({.buffer = buffer}), &constants, sizeof constants);
    fm_commands *commands = ct_begin(f);
    CT_OK(fm_dispatch(commands, &dispatch));
    ct_finish(f, commands);
    double got[8];
    ct_read(f, buffer, 0, sizeof got, got);
    const double wanted[8] = {63 * 0.1, 1e-200 * 1e200, -DBL_MAX, -1e300, 11, (0.1 + 1) * 0.1, 1, 1};
    for (int i = 0; i < 8; i++) {
        if (got[i] != wanted[i]) fail_msg("number %d is %.17g, expected %.17g", i, got[i], wanted[i]);
    }
}

static void double_mistakes_are_refused_by_name(void **state)
{
    ct_fixture *f = *state;
    static const struct {
        const char *code;
        const char *sentence;
    } cases[] = {
        {"float v = y[0];", "column 11: what is stored here is a float, and this is a double: cast it with float(…)"},
        {"y[0] = sin(y[0]);", "column 12: 'sin' takes floats, and this is a double: cast it with float(…)"},
        {"y[0] = fma(y[0], 1.0, 2.0lf);", "the arguments of 'fma' have one type, and these are a double and a float"},
        {"y[0] = min(y[0], 1.0);", "the arguments of 'min' have one type, and these are a double and a float"},
        {"y[0] = sqrt(2);", "column 13: 'sqrt' takes floats or doubles, and this is an int"},
        {"y[0] = 1l;", "what is stored here is a double, and this is a long: cast it with double(…)"},
        {"y[0] = 1lf;", "column 8: a number is neither an int"},
        {"y[0] = 1.0d;", "column 8: a number is neither an int, a uint (1u), a long (1l), a ulong (1ul), a float "
                         "(1.0f) nor a double (1.0lf)"},
        {"y[0] = 1e309lf;", "column 8: this is over the largest double"},
        {"y[uint(y[0])] = y[1.0lf];", "column 19: an index is an int or a uint, and this is a double"},
        {"y[0] = y[0] % 2.0lf;", "'%' does not take a double and a double; it takes integers"},
        {"atomic_add(y[0], 1.0lf);", "atomic_add"},
    };
    const fm_kernel_param param = {"y", FM_DTYPE_F64, FM_ACCESS_READ_WRITE};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        fm_kernel_info info = {.name = "double", .code = cases[i].code, .params = &param, .param_count = 1};
        fm_kernel kernel = {UINT64_MAX};
        CT_STATUS(fm_kernel_create(f->device, &info, &kernel), has_double(f) ? FM_ERROR_COMPILE : FM_ERROR_UNSUPPORTED);
        if (has_double(f) && !strstr(fm_last_error(), cases[i].sentence)) {
            fail_msg("'%s' gave '%s', not '%s'", cases[i].code, fm_last_error(), cases[i].sentence);
        }
    }
    const fm_kernel_special bad = {"V", FM_DTYPE_F64, (double)INFINITY};
    fm_kernel_info info = {.name = "double", .code = ";", .specials = &bad, .special_count = 1};
    fm_kernel kernel = {0};
    CT_STATUS(fm_kernel_create(f->device, &info, &kernel),
              has_double(f) ? FM_ERROR_INVALID_ARGUMENT : FM_ERROR_UNSUPPORTED);
}

// Of a device without them, the text's own doubles are named as well as its dtypes.
static void double_in_a_text_runs_or_is_unsupported(void **state)
{
    ct_fixture *f = *state;
    static const char *const texts[] = {"double d = 1.0; x[0] = float(d);", "x[0] = float(0.5lf);"};
    const fm_kernel_param param = {"x", FM_DTYPE_F32, FM_ACCESS_READ_WRITE};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        fm_kernel_info info = {.name = "double", .code = texts[i], .params = &param, .param_count = 1};
        fm_kernel kernel = {0};
        CT_STATUS(fm_kernel_create(f->device, &info, &kernel), has_double(f) ? FM_OK : FM_ERROR_UNSUPPORTED);
        if (!has_double(f)) assert_non_null(strstr(fm_last_error(), "double"));
    }
}

int ct_group_double(void)
{
    const struct CMUnitTest tests[] = {
        CT_TEST(double_operations_match_the_reference),   CT_TEST(double_comparisons_and_casts_match_the_reference),
        CT_TEST(double_values_stand_wherever_floats_do),  CT_TEST(double_mistakes_are_refused_by_name),
        CT_TEST(double_in_a_text_runs_or_is_unsupported),
    };
    return cmocka_run_group_tests_name("double", tests, NULL, NULL);
}
