// Elementary functions against references in double precision: over all magnitudes, at the edges of their ranges, and for what is no number. The bounds
// are those of docs/kernel-language.md, "Numbers", on every device.
#include "groups.h"
#include "support.h"

#include <float.h>
#include <math.h>

enum { COUNT = 64 * 512 };

// What a function may differ by: the sum of the three. Subnormal numbers may count as 0, in and out.
typedef struct function {
    const char *text; // of a and b
    double (*reference)(double a, double b);
    double relative; // times 2^-24 of the value
    double absolute;
    double slope; // times 2^-24 of what `grows` gives
    double (*grows)(double a, double b);
    float least, most; // of random arguments; 0, 0: of any bits
} function;

static double sin_of(double a, double b)
{
    (void)b;
    return sin(a);
}
static double cos_of(double a, double b)
{
    (void)b;
    return cos(a);
}
static double tan_of(double a, double b)
{
    (void)b;
    return tan(a);
}
static double tan_slope(double a, double b)
{
    (void)b;
    return 1 + tan(a) * tan(a);
}
static double exp_of(double a, double b)
{
    (void)b;
    return exp(a);
}
static double exp_slope(double a, double b)
{
    (void)b;
    return fabs(a) * exp(a);
}
static double exp2_of(double a, double b)
{
    (void)b;
    return exp2(a);
}
static double exp2_slope(double a, double b)
{
    (void)b;
    return fabs(a) * exp2(a);
}
static double log_of(double a, double b)
{
    (void)b;
    return log(a);
}
static double log2_of(double a, double b)
{
    (void)b;
    return log2(a);
}
static double pow_slope(double a, double b)
{
    return fabs(b * log2(fabs(a))) * fabs(pow(a, b));
}
static double tanh_of(double a, double b)
{
    (void)b;
    return tanh(a);
}
static double asin_of(double a, double b)
{
    (void)b;
    return asin(a);
}
static double acos_of(double a, double b)
{
    (void)b;
    return acos(a);
}
static double atan_of(double a, double b)
{
    (void)b;
    return atan(a);
}

static const function functions[] = {
    {"sin(a)", sin_of, 0, 0x1p-23, 0, NULL, 0, 0},        {"sin(a)", sin_of, 5, 0, 0, NULL, -3.0f, 3.0f},
    {"sin(a)", sin_of, 0, 0x1p-23, 0, NULL, -2e6f, 2e6f}, {"cos(a)", cos_of, 0, 0x1p-23, 0, NULL, 0, 0},
    {"cos(a)", cos_of, 0, 0x1p-23, 0, NULL, -2e6f, 2e6f}, {"tan(a)", tan_of, 8, 0, 3, tan_slope, -1e4f, 1e4f},
    {"tan(a)", tan_of, 8, 0, 3, tan_slope, 0, 0},         {"exp(a)", exp_of, 8, 0, 4, exp_slope, -90, 90},
    {"exp(a)", exp_of, 8, 0, 4, exp_slope, 0, 0},         {"exp2(a)", exp2_of, 8, 0, 4, exp2_slope, -130, 130},
    {"exp2(a)", exp2_of, 8, 0, 4, exp2_slope, 0, 0},      {"log(a)", log_of, 6, 0, 0, NULL, 0, 0},
    {"log(a)", log_of, 6, 0, 0, NULL, 0.5f, 2},           {"log2(a)", log2_of, 6, 0, 0, NULL, 0, 0},
    {"log2(a)", log2_of, 6, 0, 0, NULL, 0.5f, 2},         {"pow(a, b)", pow, 8, 0, 8, pow_slope, 0, 0},
    {"pow(a, b)", pow, 8, 0, 8, pow_slope, -40, 40},      {"tanh(a)", tanh_of, 12, 0, 0, NULL, 0, 0},
    {"tanh(a)", tanh_of, 12, 0, 0, NULL, -4, 4},          {"asin(a)", asin_of, 12, 0, 0, NULL, -1, 1},
    {"asin(a)", asin_of, 12, 0, 0, NULL, 0, 0},           {"acos(a)", acos_of, 12, 0, 0, NULL, -1, 1},
    {"acos(a)", acos_of, 12, 0, 0, NULL, 0, 0},           {"atan(a)", atan_of, 12, 0, 0, NULL, -10, 10},
    {"atan(a)", atan_of, 12, 0, 0, NULL, 0, 0},
};

static const float edges[] = {
    0.0f,      -0.0f,      1.0f,       -1.0f,       0.5f,       -0.5f,        2.0f,        -2.0f,      3.0f,
    -3.0f,     1e-9f,      -1e-9f,     1.5f,        2.5f,       -2.5f,        10.0f,       -10.0f,     13.5f,
    88.7f,     88.8f,      89.0f,      -87.3f,      -104.0f,    127.9f,       128.0f,      -126.0f,    -150.0f,
    710.0f,    1000.0f,    4096.0f,    12799.9f,    12800.0f,   65504.0f,     1000003.0f,  8388607.5f, 8388609.0f,
    16777215,  16777216,   1e10f,      -1e10f,      1e30f,      FLT_MAX,      -FLT_MAX,    FLT_MIN,    INFINITY,
    -INFINITY, NAN,        -NAN,       0.99999994f, 1.0000001f, -0.99999994f, -1.0000001f, 3.1415927f, 1.5707963f,
    0.625f,    0.7071068f, 1.4142135f, 0.70710677f};

enum { EDGES = sizeof edges / sizeof edges[0] };

// Edges with each other, then random numbers.
static void fill(const function *one, float *a, float *b)
{
    ct_random random = {7};
    for (uint32_t i = 0; i < COUNT; i++) {
        if (i < EDGES * EDGES) {
            a[i] = edges[i % EDGES];
            b[i] = edges[i / EDGES];
        } else if (one->least == one->most) {
            uint64_t bits = ct_random_next(&random);
            memcpy(&a[i], &bits, 4);
            memcpy(&b[i], (const char *)&bits + 4, 4);
        } else {
            double span = (double)one->most - (double)one->least;
            a[i] = (float)((double)one->least + span * (double)(ct_random_next(&random) >> 11) * 0x1p-53);
            b[i] = (float)((double)one->least + span * (double)(ct_random_next(&random) >> 11) * 0x1p-53);
        }
    }
}

// True if `got` is near enough to what the reference says of these arguments.
static bool is_near(const function *one, float a, float b, float got)
{
    double value = one->reference((double)a, (double)b);
    float wanted = (float)value;
    if (isnan(wanted)) return isnan(got);
    double allowed = one->relative * 0x1p-24 * fabs(value) + one->absolute + (double)FLT_MIN;
    double grown = one->grows ? one->slope * 0x1p-24 * one->grows((double)a, (double)b) : 0;
    allowed += isfinite(grown) ? grown : 0;
    if (isinf(wanted) || isinf(got))
        return got == wanted || (fabs(value) + allowed >= (double)FLT_MAX && got * wanted > 0 && !isinf(value));
    return fabs((double)got - value) <= allowed;
}

static bool is_right(const function *one, float a, float b, float got)
{
    if (is_near(one, a, b, got)) return true;
    float flat_a = fabsf(a) < FLT_MIN ? copysignf(0, a) : a, flat_b = fabsf(b) < FLT_MIN ? copysignf(0, b) : b;
    return (flat_a != a || flat_b != b) && is_near(one, flat_a, flat_b, got);
}

static void elementary_functions_are_within_their_bounds(void **state)
{
    ct_fixture *f = *state;
    static float a[COUNT], b[COUNT], got[COUNT];
    for (size_t k = 0; k < sizeof functions / sizeof functions[0]; k++) {
        char body[256];
        snprintf(body, sizeof body, "uint i = global_id.x; float a = x[i]; float b = y[i]; z[i] = %s;",
                 functions[k].text);
        fm_kernel kernel = ct_kernel(f, body,
                                     CT_PARAMS({"x", FM_DTYPE_F32, FM_ACCESS_READ}, {"y", FM_DTYPE_F32, FM_ACCESS_READ},
                                               {"z", FM_DTYPE_F32, FM_ACCESS_WRITE}),
                                     NULL, 0);
        fill(&functions[k], a, b);
        fm_buffer x = ct_buffer_of(f, a, sizeof a), y = ct_buffer_of(f, b, sizeof b), z = ct_buffer(f, sizeof got);
        fm_commands *commands = ct_begin(f);
        fm_dispatch_info info =
            ct_dispatch_info(kernel, COUNT / 64, CT_BINDINGS({.buffer = x}, {.buffer = y}, {.buffer = z}), NULL, 0);
        CT_OK(fm_dispatch(commands, &info));
        ct_finish(f, commands);
        ct_read(f, z, 0, sizeof got, got);
        for (uint32_t i = 0; i < COUNT; i++) {
            if (!is_right(&functions[k], a[i], b[i], got[i])) {
                fail_msg("%s of a = %.9g, b = %.9g is %.9g, expected %.9g", functions[k].text, (double)a[i],
                         (double)b[i], (double)got[i], functions[k].reference((double)a[i], (double)b[i]));
            }
        }
        CT_OK(fm_kernel_destroy(f->device, kernel));
        CT_OK(fm_buffer_destroy(f->device, x));
        CT_OK(fm_buffer_destroy(f->device, y));
        CT_OK(fm_buffer_destroy(f->device, z));
    }
}

int ct_group_elementary(void)
{
    const struct CMUnitTest tests[] = {
        CT_TEST(elementary_functions_are_within_their_bounds),
    };
    return cmocka_run_group_tests_name("elementary", tests, NULL, NULL);
}
