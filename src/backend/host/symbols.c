// The functions behind the table that compiled C kernels link to. See symbols.h.
// Float math is single precision throughout (libm's …f functions). libtcc has neither atomics nor a runtime library
// here: what its code calls stands in the table, compiled by our own compiler.
#include "backend/host/symbols.h"

#include <math.h>
#include <string.h>

static float bits_to_float(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static uint32_t float_to_bits(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

float fmi_half_to_float(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000u) << 16;
    uint32_t magnitude = (uint32_t)(half & 0x7fffu) << 13;
    uint32_t exponent = magnitude & 0x0f800000u;
    if (exponent == 0x0f800000u) { // infinity or NaN
        return bits_to_float(sign | (magnitude + ((255u - 31u) << 23)));
    }
    if (exponent == 0) { // zero or subnormal: 1.m × 2^-14 less 1 × 2^-14
        float value = bits_to_float(magnitude + (113u << 23)) - bits_to_float(113u << 23);
        return bits_to_float(sign | float_to_bits(value));
    }
    return bits_to_float(sign | (magnitude + ((127u - 15u) << 23)));
}

uint16_t fmi_float_to_half(float value)
{
    uint32_t bits = float_to_bits(value);
    uint32_t sign = bits >> 16 & 0x8000u;
    uint32_t magnitude = bits & 0x7fffffffu;
    if (magnitude > 0x7f800000u) { // NaN: kept quiet, with the upper bits of its payload
        return (uint16_t)(sign | 0x7e00u | (magnitude >> 13 & 0x1ffu));
    }
    if (magnitude >= 0x477ff000u) { // 65520 and above round to infinity
        return (uint16_t)(sign | 0x7c00u);
    }
    if (magnitude < 0x38800000u) { // under 2^-14: adding 0.5 leaves the subnormal's bits, rounded, at the lower end
        float shifted = bits_to_float(magnitude) + 0.5f;
        return (uint16_t)(sign | (float_to_bits(shifted) - 0x3f000000u));
    }
    uint32_t odd = magnitude >> 13 & 1u;
    return (uint16_t)(sign | ((magnitude - (112u << 23) + 0xfffu + odd) >> 13));
}

static float reciprocal_sqrt(float value)
{
    return 1.0f / sqrtf(value);
}

static float power_of_10(float value)
{
    return (float)pow(10.0, (double)value);
}

static uint32_t count_leading(uint32_t value)
{
    return value ? (uint32_t)__builtin_clz(value) : 32;
}

static uint32_t count_trailing(uint32_t value)
{
    return value ? (uint32_t)__builtin_ctz(value) : 32;
}

static uint32_t count_leading_64(uint64_t value)
{
    return value ? (uint32_t)__builtin_clzll(value) : 64;
}

static uint32_t count_trailing_64(uint64_t value)
{
    return value ? (uint32_t)__builtin_ctzll(value) : 64;
}

static float min_nan(float a, float b)
{
    return a != a || b != b ? NAN : b < a ? b : a;
}

static float max_nan(float a, float b)
{
    return a != a || b != b ? NAN : a < b ? b : a;
}

// A number, where the other is not.
static float min_float(float a, float b)
{
    return a < b || b != b ? a : b;
}

static float max_float(float a, float b)
{
    return a > b || b != b ? a : b;
}

static float clamp_float(float v, float a, float b)
{
    return min_float(max_float(v, a), b);
}

static double min_double(double a, double b)
{
    return a < b || b != b ? a : b;
}

static double max_double(double a, double b)
{
    return a > b || b != b ? a : b;
}

static double clamp_double(double v, double a, double b)
{
    return min_double(max_double(v, a), b);
}

// Casts that saturate: no conversion is undefined, because the range is looked at first.
static int32_t float_to_int_sat(float v)
{
    return v != v ? 0 : v >= 0x1p31f ? INT32_MAX : v <= -0x1p31f ? INT32_MIN : (int32_t)v;
}

static uint32_t float_to_uint_sat(float v)
{
    return !(v > 0) ? 0 : v >= 0x1p32f ? UINT32_MAX : (uint32_t)v;
}

static int64_t float_to_long_sat(float v)
{
    return v != v ? 0 : v >= 0x1p63f ? INT64_MAX : v <= -0x1p63f ? INT64_MIN : (int64_t)v;
}

static uint64_t float_to_ulong_sat(float v)
{
    return !(v > 0) ? 0 : v >= 0x1p64f ? UINT64_MAX : (uint64_t)v;
}

static int32_t double_to_int_sat(double v)
{
    return v != v ? 0 : v >= 0x1p31 ? INT32_MAX : v <= -0x1p31 ? INT32_MIN : (int32_t)v;
}

static uint32_t double_to_uint_sat(double v)
{
    return !(v > 0) ? 0 : v >= 0x1p32 ? UINT32_MAX : (uint32_t)v;
}

static int64_t double_to_long_sat(double v)
{
    return v != v ? 0 : v >= 0x1p63 ? INT64_MAX : v <= -0x1p63 ? INT64_MIN : (int64_t)v;
}

static uint64_t double_to_ulong_sat(double v)
{
    return !(v > 0) ? 0 : v >= 0x1p64 ? UINT64_MAX : (uint64_t)v;
}

// Atomics on elements. Relaxed, as on a GPU: what orders memory between commands is the batch's waves.
#define ATOMICS(type, suffix)                                                                                          \
    static type add_##suffix(type *element, type value)                                                                \
    {                                                                                                                  \
        return __atomic_fetch_add(element, value, __ATOMIC_RELAXED);                                                   \
    }                                                                                                                  \
    static type and_##suffix(type *element, type value)                                                                \
    {                                                                                                                  \
        return __atomic_fetch_and(element, value, __ATOMIC_RELAXED);                                                   \
    }                                                                                                                  \
    static type or_##suffix(type *element, type value)                                                                 \
    {                                                                                                                  \
        return __atomic_fetch_or(element, value, __ATOMIC_RELAXED);                                                    \
    }                                                                                                                  \
    static type xor_##suffix(type *element, type value)                                                                \
    {                                                                                                                  \
        return __atomic_fetch_xor(element, value, __ATOMIC_RELAXED);                                                   \
    }                                                                                                                  \
    static type exchange_##suffix(type *element, type value)                                                           \
    {                                                                                                                  \
        return __atomic_exchange_n(element, value, __ATOMIC_RELAXED);                                                  \
    }                                                                                                                  \
    static type compare_exchange_##suffix(type *element, type expected, type desired)                                  \
    {                                                                                                                  \
        __atomic_compare_exchange_n(element, &expected, desired, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED);               \
        return expected;                                                                                               \
    }                                                                                                                  \
    static type min_##suffix(type *element, type value)                                                                \
    {                                                                                                                  \
        type old = __atomic_load_n(element, __ATOMIC_RELAXED);                                                         \
        while (value < old &&                                                                                          \
               !__atomic_compare_exchange_n(element, &old, value, 1, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {            \
        }                                                                                                              \
        return old;                                                                                                    \
    }                                                                                                                  \
    static type max_##suffix(type *element, type value)                                                                \
    {                                                                                                                  \
        type old = __atomic_load_n(element, __ATOMIC_RELAXED);                                                         \
        while (value > old &&                                                                                          \
               !__atomic_compare_exchange_n(element, &old, value, 1, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {            \
        }                                                                                                              \
        return old;                                                                                                    \
    }

ATOMICS(int32_t, i32)
ATOMICS(uint32_t, u32)
ATOMICS(int64_t, i64)
ATOMICS(uint64_t, u64)

static float add_f32(float *element, float value)
{
    uint32_t *bits = (uint32_t *)(void *)element;
    uint32_t old = __atomic_load_n(bits, __ATOMIC_RELAXED);
    while (!__atomic_compare_exchange_n(bits, &old, float_to_bits(bits_to_float(old) + value), 1, __ATOMIC_RELAXED,
                                        __ATOMIC_RELAXED)) {
    }
    return bits_to_float(old);
}

// What libtcc's code calls instead of instructions: conversions between floats and unsigned 64-bit integers (on
// x86-64).
static uint64_t float_to_uint64(float value)
{
    return (uint64_t)value;
}

static uint64_t double_to_uint64(double value)
{
    return (uint64_t)value;
}

static float uint64_to_float(uint64_t value)
{
    return (float)value;
}

static double uint64_to_double(uint64_t value)
{
    return (double)value;
}

#define SYMBOL(name, function)                                                                                         \
    {                                                                                                                  \
        name, (const void *)(uintptr_t)(function)                                                                      \
    }
#define MATH(function) SYMBOL(#function, function)
#define ATOMIC_SYMBOLS(suffix)                                                                                         \
    SYMBOL("fm_atomic_add_" #suffix, add_##suffix), SYMBOL("fm_atomic_min_" #suffix, min_##suffix),                    \
        SYMBOL("fm_atomic_max_" #suffix, max_##suffix), SYMBOL("fm_atomic_and_" #suffix, and_##suffix),                \
        SYMBOL("fm_atomic_or_" #suffix, or_##suffix), SYMBOL("fm_atomic_xor_" #suffix, xor_##suffix),                  \
        SYMBOL("fm_atomic_exchange_" #suffix, exchange_##suffix),                                                      \
        SYMBOL("fm_atomic_compare_exchange_" #suffix, compare_exchange_##suffix)

const fmi_host_symbol fmi_host_symbols[] = {
    MATH(fmaf),
    MATH(sqrtf),
    MATH(expf),
    MATH(exp2f),
    MATH(logf),
    MATH(log2f),
    MATH(powf),
    MATH(sinf),
    MATH(cosf),
    MATH(tanf),
    MATH(asinf),
    MATH(acosf),
    MATH(atanf),
    MATH(tanhf),
    MATH(floorf),
    MATH(ceilf),
    MATH(truncf),
    MATH(rintf),
    SYMBOL("fm_rsqrt", reciprocal_sqrt),
    MATH(fma),
    MATH(sqrt),
    MATH(floor),
    MATH(ceil),
    MATH(trunc),
    MATH(roundf),
    MATH(fmodf),
    MATH(sinhf),
    MATH(coshf),
    MATH(erff),
    MATH(atan2f),
    SYMBOL("fm_exp10", power_of_10),
    SYMBOL("fm_clz_u", count_leading),
    SYMBOL("fm_ctz_u", count_trailing),
    SYMBOL("fm_clz_m", count_leading_64),
    SYMBOL("fm_ctz_m", count_trailing_64),
    SYMBOL("fm_min_nan", min_nan),
    SYMBOL("fm_max_nan", max_nan),
    SYMBOL("fm_min_f", min_float),
    SYMBOL("fm_max_f", max_float),
    SYMBOL("fm_clamp_f", clamp_float),
    SYMBOL("fm_min_d", min_double),
    SYMBOL("fm_max_d", max_double),
    SYMBOL("fm_clamp_d", clamp_double),
    SYMBOL("fm_int_sat_d", double_to_int_sat),
    SYMBOL("fm_uint_sat_d", double_to_uint_sat),
    SYMBOL("fm_long_sat_d", double_to_long_sat),
    SYMBOL("fm_ulong_sat_d", double_to_ulong_sat),
    SYMBOL("fm_int_sat", float_to_int_sat),
    SYMBOL("fm_uint_sat", float_to_uint_sat),
    SYMBOL("fm_long_sat", float_to_long_sat),
    SYMBOL("fm_ulong_sat", float_to_ulong_sat),
    SYMBOL("fm_half_to_float", fmi_half_to_float),
    SYMBOL("fm_float_to_half", fmi_float_to_half),
    ATOMIC_SYMBOLS(i32),
    ATOMIC_SYMBOLS(u32),
    ATOMIC_SYMBOLS(i64),
    ATOMIC_SYMBOLS(u64),
    SYMBOL("fm_atomic_add_f32", add_f32),
    SYMBOL("memset", memset), // initialisers of arrays
    SYMBOL("memcpy", memcpy),
    SYMBOL("memmove", memmove),
    SYMBOL("__fixunssfdi", float_to_uint64),
    SYMBOL("__fixunsdfdi", double_to_uint64),
    SYMBOL("__floatundisf", uint64_to_float),
    SYMBOL("__floatundidf", uint64_to_double),
};

const size_t fmi_host_symbol_count = sizeof fmi_host_symbols / sizeof fmi_host_symbols[0];
