// Elements of every dtype as doubles. See numbers.h.
#include "numbers.h"

#include <math.h>

const fm_dtype numbers_floats[NUMBERS_FLOATS] = {FM_DTYPE_F32, FM_DTYPE_F16, FM_DTYPE_BF16};

// A float format of 16 bits: bits of its fraction, and the exponent of its smallest normal number.
typedef struct narrow {
    int fraction_bits;
    int least;
} narrow;

static const narrow half = {10, -14}, brain = {7, -126};

uint32_t numbers_size(fm_dtype dtype)
{
    switch (dtype) {
    case FM_DTYPE_I8:
    case FM_DTYPE_U8: return 1;
    case FM_DTYPE_F16:
    case FM_DTYPE_BF16: return 2;
    case FM_DTYPE_I64:
    case FM_DTYPE_U64:
    case FM_DTYPE_F64: return 8;
    default: return 4;
    }
}

const char *numbers_name(fm_dtype dtype)
{
    static const char *const names[] = {"none", "f32", "f16", "i32", "u32", "i8", "u8", "bf16", "i64", "u64", "f64"};
    return names[dtype];
}

static uint16_t narrow_bits(const narrow *format, double value)
{
    int exponent_bits = 15 - format->fraction_bits;
    uint32_t infinity = ((1u << exponent_bits) - 1) << format->fraction_bits;
    uint32_t sign = signbit(value) ? 0x8000 : 0;
    double magnitude = fabs(value);
    if (isnan(value)) return (uint16_t)(sign | infinity | 1u << (format->fraction_bits - 1));
    int exponent = format->least;
    if (magnitude >= ldexp(1, format->least) && !isinf(magnitude)) frexp(magnitude, &exponent), exponent--;
    double steps = nearbyint(ldexp(magnitude, format->fraction_bits - exponent)); // to nearest even
    double bits =
        ldexp((double)(exponent - format->least), format->fraction_bits) + steps; // a carry runs into the exponent
    return (uint16_t)(sign | (bits >= infinity ? infinity : (uint32_t)bits));
}

static double narrow_value(const narrow *format, uint16_t bits)
{
    int exponent_bits = 15 - format->fraction_bits;
    int exponent = bits >> format->fraction_bits & ((1 << exponent_bits) - 1);
    int fraction = bits & ((1 << format->fraction_bits) - 1), one = 1 << format->fraction_bits;
    double magnitude = exponent == 0 ? ldexp(fraction, format->least - format->fraction_bits)
                                     : ldexp(fraction + one, format->least + exponent - 1 - format->fraction_bits);
    if (exponent == (1 << exponent_bits) - 1) magnitude = fraction ? (double)NAN : (double)INFINITY;
    return bits & 0x8000 ? -magnitude : magnitude;
}

void numbers_store(fm_dtype dtype, void *element, double value)
{
    const float single = (float)value;
    uint16_t narrowed = dtype == FM_DTYPE_F16    ? narrow_bits(&half, value)
                        : dtype == FM_DTYPE_BF16 ? narrow_bits(&brain, value)
                                                 : 0;
    uint64_t whole = dtype == FM_DTYPE_U64                                        ? (uint64_t)value
                     : dtype == FM_DTYPE_F32 || dtype == FM_DTYPE_F64 || narrowed ? 0
                     : isnan(value)                                               ? 0
                                                                                  : (uint64_t)(int64_t)value;
    const void *from = dtype == FM_DTYPE_F32                             ? (const void *)&single
                       : dtype == FM_DTYPE_F64                           ? (const void *)&value
                       : dtype == FM_DTYPE_F16 || dtype == FM_DTYPE_BF16 ? (const void *)&narrowed
                                                                         : (const void *)&whole; // little-endian
    memcpy(element, from, numbers_size(dtype));
}

double numbers_load(fm_dtype dtype, const void *element)
{
    union {
        float f32;
        uint16_t u16;
        int32_t i32;
        uint32_t u32;
        int8_t i8;
        uint8_t u8;
        double f64;
        int64_t i64;
        uint64_t u64;
    } bits = {.u64 = 0};
    memcpy(&bits, element, numbers_size(dtype));
    switch (dtype) {
    case FM_DTYPE_F32: return (double)bits.f32;
    case FM_DTYPE_F16: return narrow_value(&half, bits.u16);
    case FM_DTYPE_BF16: return narrow_value(&brain, bits.u16);
    case FM_DTYPE_I32: return bits.i32;
    case FM_DTYPE_U32: return bits.u32;
    case FM_DTYPE_I8: return bits.i8;
    case FM_DTYPE_U8: return bits.u8;
    case FM_DTYPE_F64: return bits.f64;
    case FM_DTYPE_I64: return (double)bits.i64;
    default: return (double)bits.u64;
    }
}

double numbers_round(fm_dtype dtype, double value)
{
    uint8_t element[8];
    numbers_store(dtype, element, value);
    return numbers_load(dtype, element);
}

double numbers_step(fm_dtype dtype, double value)
{
    if (dtype != FM_DTYPE_F16 && dtype != FM_DTYPE_BF16) return 0;
    const narrow *format = dtype == FM_DTYPE_F16 ? &half : &brain;
    int exponent = format->least;
    if (fabs(value) >= ldexp(1, format->least)) frexp(value, &exponent), exponent--;
    return ldexp(1, exponent - format->fraction_bits);
}
