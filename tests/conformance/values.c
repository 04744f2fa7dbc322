// What targets leave open has one value here, on every device (docs/kernel-language.md, "Numbers"): casts of floats that do not fit, NaN in min, max,
// clamp, comparisons and `?:`, integers that run over, integers that no float has. Each form is run over all pairs of edges, and compared with C that
// is written without what C leaves open.
#include "groups.h"
#include "support.h"

#include <float.h>
#include <math.h>

enum { EDGES = 40, PAIRS = EDGES * EDGES };

// A type of the language, its elements, and its edges as 64-bit patterns.
typedef struct type {
    const char *name;
    fm_dtype dtype;
    uint32_t size_bytes;
    uint64_t edges[EDGES];
} type;

static uint64_t inputs[2 * PAIRS];
static uint64_t outputs[PAIRS];

static bool has(const ct_fixture *f, fm_dtype dtype)
{
    return (f->properties.dtype_mask >> dtype & 1) != 0;
}

static float float_of(uint64_t pattern)
{
    uint32_t bits = (uint32_t)pattern;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static double double_of(uint64_t pattern)
{
    double value;
    memcpy(&value, &pattern, sizeof value);
    return value;
}

static uint64_t pattern_of(double value)
{
    uint64_t pattern;
    memcpy(&pattern, &value, sizeof pattern);
    return pattern;
}

// The number in a pattern of a float or double.
static double number_of(const type *t, uint64_t pattern)
{
    return t->size_bytes == 8 ? double_of(pattern) : (double)float_of(pattern);
}

static type float_type(void)
{
    static const uint32_t patterns[EDGES] = {
        0x00000000, 0x80000000, 0x3F000000, 0xBF000000, 0x3F7FFFFF, 0xBF7FFFFF, 0x3F800000, 0xBF800000, // 0, 0.5, 1
        0x3FC00000, 0xBFC00000, 0x40200000, 0xC0200000, 0x4B000001, 0x4EFFFFFF, 0xCEFFFFFF, 0x4F000000, // to 2^31
        0xCF000000, 0x4F000001, 0xCF000001, 0x4F7FFFFF, 0xCF7FFFFF, 0x4F800000, 0xCF800000, 0x5EFFFFFF, // to 2^63
        0xDEFFFFFF, 0x5F000000, 0xDF000000, 0xDF000001, 0x5F7FFFFF, 0x5F800000, 0xDF800000, 0x60AD78EC, // to 1e20
        0xE0AD78EC, 0x7F7FFFFF, 0xFF7FFFFF, 0x7F800000, 0xFF800000, 0x7FC00000, 0xFFC00000, 0xFFFFFFFF, // to NaN
    };
    type t = {.name = "float", .dtype = FM_DTYPE_F32, .size_bytes = 4};
    for (int i = 0; i < EDGES; i++) t.edges[i] = patterns[i];
    return t;
}

static type double_type(void)
{
    static const double values[EDGES] = {0,
                                         -0.0,
                                         0.5,
                                         -0.5,
                                         1,
                                         -1,
                                         1.5,
                                         -1.5,
                                         2.5,
                                         -2.5,
                                         2147483647,
                                         -2147483647.5,
                                         2147483647.5,
                                         2147483648.0,
                                         -2147483648.0,
                                         -2147483648.5,
                                         -2147483649.0,
                                         4294967295.0,
                                         4294967295.5,
                                         4294967296.0,
                                         -4294967296.0,
                                         0x1.fffffffffffffp62,
                                         -0x1.fffffffffffffp62,
                                         0x1p63,
                                         -0x1p63,
                                         -0x1.0000000000001p63,
                                         0x1.fffffffffffffp63,
                                         0x1p64,
                                         -0x1p64,
                                         1e20,
                                         -1e20,
                                         1e300,
                                         -1e300,
                                         DBL_MAX,
                                         -DBL_MAX,
                                         (double)INFINITY,
                                         -(double)INFINITY,
                                         (double)NAN,
                                         -(double)NAN,
                                         0.1};
    type t = {.name = "double", .dtype = FM_DTYPE_F64, .size_bytes = 8};
    for (int i = 0; i < EDGES; i++) t.edges[i] = pattern_of(values[i]);
    return t;
}

// Zeros, ones, powers of two and what stands beside them, and numbers that a float rounds.
static type integer_type(const char *name, fm_dtype dtype, uint32_t size_bytes)
{
    type t = {.name = name, .dtype = dtype, .size_bytes = size_bytes};
    static const uint8_t powers[] = {0, 7, 24, 25, 26, 30, 31, 32, 53, 54, 62, 63};
    uint32_t count = 0;
    for (size_t i = 0; i < sizeof powers; i++) {
        for (uint64_t k = 0; k < 3; k++) t.edges[count++] = (UINT64_C(1) << powers[i]) + k - 1;
    }
    t.edges[count++] = UINT64_MAX;
    t.edges[count++] = UINT64_MAX - 2;
    t.edges[count++] = UINT64_C(0x80000080FFFFFF80);
    t.edges[count++] = UINT64_C(0x0123456789ABCDEF);
    assert_int_equal(count, EDGES);
    for (uint32_t i = 0; i < EDGES && size_bytes == 4; i++) t.edges[i] &= UINT32_MAX;
    return t;
}

// `TO v; statement; y[i] = v;` for all pairs a, b of the edges of `from`.
static void run(ct_fixture *f, const type *from, const char *to, fm_dtype to_dtype, uint32_t to_size,
                const char *statement)
{
    static uint8_t elements[sizeof inputs];
    char body[512];
    for (uint32_t i = 0; i < PAIRS; i++) {
        inputs[2 * i] = from->edges[i % EDGES];
        inputs[2 * i + 1] = from->edges[i / EDGES];
    }
    for (uint32_t i = 0; i < 2 * PAIRS; i++) memcpy(elements + i * from->size_bytes, &inputs[i], from->size_bytes);
    snprintf(body, sizeof body, "uint i = global_id.x; %s a = x[2u * i], b = x[2u * i + 1u]; %s v;\n%s\ny[i] = v;",
             from->name, to, statement);
    fm_kernel kernel =
        ct_kernel(f, body, CT_PARAMS({"x", from->dtype, FM_ACCESS_READ}, {"y", to_dtype, FM_ACCESS_WRITE}), NULL, 0);
    fm_buffer in = ct_buffer_of(f, elements, 2 * (uint64_t)PAIRS * from->size_bytes);
    fm_buffer out = ct_buffer(f, (uint64_t)PAIRS * to_size);
    fm_commands *commands = ct_begin(f);
    fm_dispatch_info info = ct_dispatch_info(kernel, PAIRS / 64, CT_BINDINGS({.buffer = in}, {.buffer = out}), NULL, 0);
    CT_OK(fm_dispatch(commands, &info));
    ct_finish(f, commands);
    ct_read(f, out, 0, (uint64_t)PAIRS * to_size, elements);
    for (uint32_t i = 0; i < PAIRS; i++) {
        outputs[i] = 0;
        memcpy(&outputs[i], elements + i * to_size, to_size);
    }
    CT_OK(fm_buffer_destroy(f->device, in));
    CT_OK(fm_buffer_destroy(f->device, out));
    CT_OK(fm_kernel_destroy(f->device, kernel));
}

static void expect(const type *from, const char *statement, uint32_t i, uint64_t got, uint64_t wanted)
{
    if (got != wanted) {
        fail_msg("'%s' of %s a = 0x%llx, b = 0x%llx is 0x%llx, expected 0x%llx", statement, from->name,
                 (unsigned long long)inputs[2 * i], (unsigned long long)inputs[2 * i + 1], (unsigned long long)got,
                 (unsigned long long)wanted);
    }
}

// --- casts ----------------------------------------------------------------------------------------------------------

static const struct target {
    const char *name;
    fm_dtype dtype;
    uint32_t size_bytes;
    double least; // the type's numbers are from here on
    double limit; // and below this
} targets[] = {
    {"int", FM_DTYPE_I32, 4, -0x1p31, 0x1p31},
    {"uint", FM_DTYPE_U32, 4, 0, 0x1p32},
    {"long", FM_DTYPE_I64, 8, -0x1p63, 0x1p63},
    {"ulong", FM_DTYPE_U64, 8, 0, 0x1p64},
};

// Towards zero; the nearest number of the type for what does not fit, and 0 for NaN.
static uint64_t cast(const struct target *to, double v)
{
    uint64_t mask = to->size_bytes == 8 ? UINT64_MAX : UINT32_MAX;
    if (isnan(v)) return 0;
    if (v >= to->limit) return to->least < 0 ? mask >> 1 : mask;
    if (v <= to->least) return (uint64_t)(int64_t)to->least & mask;
    return (v < 0 ? 0 - (uint64_t)-v : (uint64_t)v) & mask;
}

static void check_casts(ct_fixture *f, const type *from)
{
    static const char *const forms[] = {"v = %s(a);", "v = %s(-b); v ^= v; v += %s(a);"};
    for (size_t t = 0; t < sizeof targets / sizeof targets[0]; t++) {
        if (!has(f, targets[t].dtype)) continue;
        for (size_t k = 0; k < sizeof forms / sizeof forms[0]; k++) {
            char statement[64];
            snprintf(statement, sizeof statement, forms[k], targets[t].name, targets[t].name);
            run(f, from, targets[t].name, targets[t].dtype, targets[t].size_bytes, statement);
            for (uint32_t i = 0; i < PAIRS; i++) {
                expect(from, statement, i, outputs[i], cast(&targets[t], number_of(from, inputs[2 * i])));
            }
        }
    }
}

static void value_of_a_cast_float_is_the_nearest_that_fits(void **state)
{
    const type from = float_type();
    check_casts(*state, &from);
}

static void value_of_a_cast_double_is_the_nearest_that_fits(void **state)
{
    const type from = double_type();
    if (!has(*state, FM_DTYPE_F64)) skip();
    check_casts(*state, &from);
}

// Integers that lie between two floats become the nearer one, the even one from the middle.
static void value_of_a_cast_integer_is_the_nearest_float(void **state)
{
    ct_fixture *f = *state;
    for (size_t t = 0; t < sizeof targets / sizeof targets[0]; t++) {
        if (!has(f, targets[t].dtype)) continue;
        const type from = integer_type(targets[t].name, targets[t].dtype, targets[t].size_bytes);
        bool is_signed = targets[t].least < 0;
        run(f, &from, "float", FM_DTYPE_F32, 4, "v = float(a);");
        for (uint32_t i = 0; i < PAIRS; i++) {
            uint64_t a = inputs[2 * i];
            float wanted = !is_signed ? (float)a : from.size_bytes == 4 ? (float)(int32_t)a : (float)(int64_t)a;
            if (float_of(outputs[i]) != wanted) {
                fail_msg("float(%s 0x%llx) is %.9g, expected %.9g", from.name, (unsigned long long)a,
                         (double)float_of(outputs[i]), (double)wanted);
            }
        }
    }
}

// --- NaN ------------------------------------------------------------------------------------------------------------

typedef struct nan_form {
    const char *statement;
    double (*model)(double a, double b);
    bool is_exact; // also the sign of a zero
} nan_form;

#define MODEL(name, expression)                                                                                        \
    static double name(double a, double b)                                                                             \
    {                                                                                                                  \
        (void)a, (void)b;                                                                                              \
        return expression;                                                                                             \
    }
MODEL(model_min, isnan(a) ? b : isnan(b) || a < b ? a : b)
MODEL(model_max, isnan(a) ? b : isnan(b) || a > b ? a : b)
MODEL(model_clamp, isnan(a) ? -1.5 : a<-1.5 ? -1.5 : a> 4e9 ? 4e9 : a)
MODEL(model_below, a < b ? a : b)
MODEL(model_not_below, a < b ? b : a)
MODEL(model_above, a > b ? a : b)
MODEL(model_at_most, a <= b ? a : b)
MODEL(model_at_least, a >= b ? a : b)
MODEL(model_equal, a == b ? a : b)
MODEL(model_kept, isnan(a) ? b : a)
MODEL(model_zero, a < 0 ? 0 : a)
MODEL(model_unit, a<0 ? 0 : a> 1 ? 1 : a)
MODEL(model_size, a < 0 ? -a : a)
MODEL(model_bits, (a < b) + 2 * (a <= b) + 4 * (a == b) + 8 * (a != b) + 16 * (a >= b) + 32 * (a > b) + 64 * !(a < b))
MODEL(model_truth, isnan(a) || a != 0)

static const nan_form nan_forms[] = {
    {"v = min(a, b);", model_min, false},
    {"v = max(a, b);", model_max, false},
    {"v = clamp(a, -1.5$, 4e9$);", model_clamp, false},
    {"v = clamp(b, a, a);", model_kept, false}, // a bound that is NaN is none; v is b where a is NaN
    {"v = a < b ? a : b;", model_below, true},
    {"v = b > a ? a : b;", model_below, true},
    {"v = b; if (a < v) v = a;", model_below, true},
    {"v = !(a < b) ? b : a;", model_below, true},
    {"v = a < b ? b : a;", model_not_below, true},
    {"v = a; if (v < b) { v = b; }", model_not_below, true},
    {"v = a > b ? a : b;", model_above, true},
    {"v = a <= b ? a : b;", model_at_most, true},
    {"v = a >= b ? a : b;", model_at_least, true},
    {"v = a == b ? a : b;", model_equal, true},
    {"v = a != a ? b : a;", model_kept, true},
    {"v = a == a ? a : b;", model_kept, true},
    {"v = !(a <= INFINITY) ? b : a;", model_kept, true},
    {"v = isnan(a) ? b : a;", model_kept, true},
    {"v = a < 0.0$ ? 0.0$ : a;", model_zero, true},
    {"v = a < 0.0$ ? 0.0$ : a > 1.0$ ? 1.0$ : a;", model_unit, true},
    {"v = a < 0.0$ ? -a : a;", model_size, true},
    {"v = $$(int(a < b) + 2 * int(a <= b) + 4 * int(a == b) + 8 * int(a != b) + 16 * int(a >= b) + 32 * int(a > b)"
     " + 64 * int(!(a < b)));",
     model_bits, true},
    {"v = $$(int(bool(a)));", model_truth, true},
};

// `$` becomes the suffix of the type's literals, `$$` its name.
static void write_form(const type *t, const char *text, char *out)
{
    for (; *text; text++) {
        if (*text != '$') {
            *out++ = *text;
        } else if (text[1] == '$') {
            out += sprintf(out, "%s", t->name);
            text++;
        } else {
            out += sprintf(out, "%s", t->size_bytes == 8 ? "lf" : "");
        }
    }
    *out = 0;
}

static void check_nan_forms(ct_fixture *f, const type *t)
{
    for (size_t k = 0; k < sizeof nan_forms / sizeof nan_forms[0]; k++) {
        char statement[256];
        write_form(t, nan_forms[k].statement, statement);
        run(f, t, t->name, t->dtype, t->size_bytes, statement);
        for (uint32_t i = 0; i < PAIRS; i++) {
            double wanted = nan_forms[k].model(number_of(t, inputs[2 * i]), number_of(t, inputs[2 * i + 1]));
            double got = number_of(t, outputs[i]);
            bool is_same = isnan(wanted) ? isnan(got)
                                         : got == wanted && (!nan_forms[k].is_exact || signbit(got) == signbit(wanted));
            if (!is_same) {
                fail_msg("'%s' of %s a = %g, b = %g is %g, expected %g", statement, t->name,
                         number_of(t, inputs[2 * i]), number_of(t, inputs[2 * i + 1]), got, wanted);
            }
        }
    }
}

static void value_of_nan_is_the_same_in_floats(void **state)
{
    const type t = float_type();
    check_nan_forms(*state, &t);
}

static void value_of_nan_is_the_same_in_doubles(void **state)
{
    const type t = double_type();
    if (!has(*state, FM_DTYPE_F64)) skip();
    check_nan_forms(*state, &t);
}

// --- integers -------------------------------------------------------------------------------------------------------

typedef struct wrap_form {
    const char *statement;
    uint64_t (*model)(uint64_t a, uint64_t b, uint32_t bits);
} wrap_form;

#define WRAP(name, expression)                                                                                         \
    static uint64_t name(uint64_t a, uint64_t b, uint32_t bits)                                                        \
    {                                                                                                                  \
        (void)a, (void)b, (void)bits;                                                                                  \
        return expression;                                                                                             \
    }
WRAP(wrap_add, a + b)
WRAP(wrap_subtract, a - b)
WRAP(wrap_multiply, a *b)
WRAP(wrap_negate, 0 - a)
WRAP(wrap_abs, a >> (bits - 1) & 1 ? 0 - a : a)
WRAP(wrap_step, a + 1)
WRAP(wrap_back, b - 2)
WRAP(wrap_shift, a << 3)
WRAP(wrap_mixed, a *a + b * 3 - a * b)
WRAP(wrap_over, a != (bits == 64 ? INT64_MAX : INT32_MAX))

static const wrap_form wrap_forms[] = {
    {"v = a + b;", wrap_add},
    {"v = a; v += b;", wrap_add},
    {"v = a - b;", wrap_subtract},
    {"v = a; v -= b;", wrap_subtract},
    {"v = a * b;", wrap_multiply},
    {"v = a; v *= b;", wrap_multiply},
    {"v = -a;", wrap_negate},
    {"v = abs(a);", wrap_abs},
    {"v = a; v++;", wrap_step},
    {"v = a; ++v;", wrap_step},
    {"v = b; v--; --v;", wrap_back},
    {"v = a << 3;", wrap_shift},
    {"v = a * a + b * 3 - a * b;", wrap_mixed},
    {"v = a + 1 > a ? 1 : 0;", wrap_over}, // a compiler that takes for granted that nothing runs over says 1
};

static void value_of_an_integer_that_runs_over_is_its_low_bits(void **state)
{
    ct_fixture *f = *state;
    for (size_t t = 0; t < sizeof targets / sizeof targets[0]; t += 2) { // the signed ones
        if (!has(f, targets[t].dtype)) continue;
        const type from = integer_type(targets[t].name, targets[t].dtype, targets[t].size_bytes);
        uint64_t mask = from.size_bytes == 8 ? UINT64_MAX : UINT32_MAX;
        for (size_t k = 0; k < sizeof wrap_forms / sizeof wrap_forms[0]; k++) {
            run(f, &from, from.name, from.dtype, from.size_bytes, wrap_forms[k].statement);
            for (uint32_t i = 0; i < PAIRS; i++) {
                uint64_t wanted = wrap_forms[k].model(inputs[2 * i], inputs[2 * i + 1], 8 * from.size_bytes) & mask;
                expect(&from, wrap_forms[k].statement, i, outputs[i], wanted);
            }
        }
    }
}

static float subnormal_sum(float a, float b)
{
    return a + b;
}

static float subnormal_half(float a, float b)
{
    (void)b;
    return a * 0.5f;
}

static float subnormal_difference(float a, float b)
{
    return a - b;
}

static float subnormal_order(float a, float b)
{
    return a < b ? 1 : a == b ? 2 : a != 0 ? 3 : 4;
}

// Where the property says that they are kept: as what is loaded, computed, compared and stored.
static void value_of_a_subnormal_float_is_kept_where_it_says_so(void **state)
{
    ct_fixture *f = *state;
    if (!f->properties.keeps_subnormals) skip(); // to keep them is the device's to offer
    type t = float_type();
    static const uint32_t patterns[] = {1, 0x80000001, 0x7FFFFF, 0x807FFFFF, 0x800000, 0x800001, 0x400000, 0x3F800000};
    for (uint32_t i = 0; i < EDGES; i++) t.edges[i] = patterns[i % 8];
    static const struct {
        const char *statement;
        float (*model)(float a, float b);
    } forms[] = {{"v = a + b;", subnormal_sum},
                 {"v = a * 0.5;", subnormal_half},
                 {"v = a - b;", subnormal_difference},
                 {"v = a < b ? 1.0 : a == b ? 2.0 : a != 0.0 ? 3.0 : 4.0;", subnormal_order}};
    for (size_t k = 0; k < sizeof forms / sizeof forms[0]; k++) {
        run(f, &t, "float", FM_DTYPE_F32, 4, forms[k].statement);
        for (uint32_t i = 0; i < PAIRS; i++) {
            float wanted = forms[k].model(float_of(inputs[2 * i]), float_of(inputs[2 * i + 1]));
            uint32_t bits;
            memcpy(&bits, &wanted, sizeof bits);
            expect(&t, forms[k].statement, i, outputs[i], bits);
        }
    }
}

int ct_group_values(void)
{
    const struct CMUnitTest tests[] = {
        CT_TEST(value_of_a_cast_float_is_the_nearest_that_fits),
        CT_TEST(value_of_a_cast_double_is_the_nearest_that_fits),
        CT_TEST(value_of_a_cast_integer_is_the_nearest_float),
        CT_TEST(value_of_nan_is_the_same_in_floats),
        CT_TEST(value_of_nan_is_the_same_in_doubles),
        CT_TEST(value_of_an_integer_that_runs_over_is_its_low_bits),
        CT_TEST(value_of_a_subnormal_float_is_kept_where_it_says_so),
    };
    return cmocka_run_group_tests_name("values", tests, NULL, NULL);
}
