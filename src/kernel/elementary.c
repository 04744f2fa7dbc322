// The texts. See elementary.h.
// `precise` keeps a driver from changing the order of operations; NaN and infinities are looked for in the bits. Bounds are of the texts as
// they stand, for every float; where an operation of the driver is part of them (exp2, log2), its error comes on top.
// tests/conformance/elementary.c holds every device to them.
#include "kernel/elementary.h"

#include "kernel/words.h"

#include <string.h>

// clang-format off

// sin and cos are within 1.2e-7 of the value for every finite number, and within 2.3 ulp for sin up to 12800. An angle is the nearest multiple of
// pi / 2 and a rest. Below 12800 the multiple has 13 bits and the parts of pi / 2 ten each but the last, so that no product is rounded,
// whether the driver's fma has one rounding or two. Above, the mantissa is multiplied by the 64 bits of 2 / pi / 4 that count at its exponent.
static const char angles_text[] =
    "float fm_reduce_large(uint b, out uint q) {\n"
    "    uint m = (b & 0x7fffffu) | 0x800000u, s = (b >> 23 & 0xffu) - 120u;\n"
    "    bool low = s < 64u, mid = s < 128u;\n"
    "    uint k0 = low ? 0u : mid ? 0x4e441529u : 0xf534ddc0u, k1 = low ? 0xa2f9836eu : mid ? 0xfc2757d1u : 0xdb629599u;\n"
    "    uint k2 = low ? 0x4e441529u : mid ? 0xf534ddc0u : 0x3c439041u, k3 = low ? 0xfc2757d1u : mid ? 0xdb629599u : 0u;\n"
    "    bool odd = (s & 32u) != 0u;\n"
    "    k0 = odd ? k1 : k0;\n"
    "    k1 = odd ? k2 : k1;\n"
    "    k2 = odd ? k3 : k2;\n"
    "    s &= 31u;\n"
    "    uint high, unused;\n"
    "    umulExtended(m, k1 << s | (k2 >> 1) >> (31u - s), high, unused);\n"
    "    uint t = m * (k0 << s | (k1 >> 1) >> (31u - s)) + high;\n"
    "    t = b >> 31 != 0u ? 0u - t : t;\n"
    "    q = (t + 0x20000000u) >> 30;\n"
    "    return float(int(t - (q << 30))) * 1.46291808e-9;\n"
    "}\n"
    "float fm_reduce(float v, out uint q) {\n"
    "    uint b = floatBitsToUint(v);\n"
    "    if ((b & 0x7fffffffu) >= 0x46480000u) return fm_reduce_large(b, q);\n"
    "    precise float k = roundEven(v * 0.636619772);\n"
    "    precise float r = fma(-k, 6.07710063e-11, fma(-k, 3.13855708e-7, fma(-k, 4.83512878e-4, fma(-k, 1.5703125, v))));\n"
    "    q = uint(int(k));\n"
    "    return r;\n"
    "}\n"
    "float fm_sin_near_0(float r) {\n"
    "    precise float z = r * r;\n"
    "    precise float s = r + r * z * (-1.6666654611e-1 + z * (8.3321608736e-3 + z * -1.9515295891e-4));\n"
    "    return s;\n"
    "}\n"
    "float fm_cos_near_0(float r) {\n"
    "    precise float z = r * r;\n"
    "    precise float c = (1.0 - 0.5 * z) + z * z * (4.166664568e-2 + z * (-1.388731625e-3 + z * 2.443315712e-5));\n"
    "    return c;\n"
    "}\n"
    "bool fm_has_angle(float v) { return (floatBitsToUint(v) & 0x7fffffffu) < 0x7f800000u; }\n"
    "float fm_turn(float v, uint quarter) {\n"
    "    uint q;\n"
    "    float r = fm_reduce(v, q);\n"
    "    q += quarter;\n"
    "    float s = (q & 1u) != 0u ? fm_cos_near_0(r) : fm_sin_near_0(r);\n"
    "    return fm_has_angle(v) ? uintBitsToFloat(floatBitsToUint(s) ^ (q & 2u) << 30) : uintBitsToFloat(0x7fc00000u);\n"
    "}\n"
    "float fm_sin(float v) { return fm_turn(v, 0u); }\n"
    "float fm_cos(float v) { return fm_turn(v, 1u); }\n"
    "float fm_tan(float v) {\n"
    "    uint q;\n"
    "    float r = fm_reduce(v, q), s = fm_sin_near_0(r), c = fm_cos_near_0(r);\n"
    "    float t = (q & 1u) != 0u ? -c / s : s / c;\n"
    "    return fm_has_angle(v) ? t : uintBitsToFloat(0x7fc00000u);\n"
    "}\n";

// exp and exp2 are the driver's, but NaN stays NaN. log is within 3 ulp for every normal number: the fraction's
// logarithm is a polynomial, so that numbers near 1 lose nothing.
static const char powers_text[] =
    "uint fm_magnitude(float v) { return floatBitsToUint(v) & 0x7fffffffu; }\n"
    "float fm_exp(float v) { return fm_magnitude(v) > 0x7f800000u ? v : exp(v); }\n"
    "float fm_exp2(float v) { return fm_magnitude(v) > 0x7f800000u ? v : exp2(v); }\n"
    // The exponent, and the logarithm of a fraction from 0.707 to 1.414.
    "float fm_log_parts(float v, out float e) {\n"
    "    bool small = v < 1.17549435e-38;\n"
    "    uint b = floatBitsToUint(small ? v * 8388608.0 : v) - 0x3f3504f3u;\n"
    "    e = float((int(b) >> 23) - (small ? 23 : 0));\n"
    "    precise float f = uintBitsToFloat((b & 0x7fffffu) + 0x3f3504f3u) - 1.0;\n"
    "    precise float z = f * f;\n"
    "    precise float p = 3.3333331174e-1 + f * (-2.4999993993e-1 + f * (2.0000714765e-1 + f * (-1.6668057665e-1 + f * (1.4249322787e-1\n"
    "        + f * (-1.2420140846e-1 + f * (1.1676998740e-1 + f * (-1.1514610310e-1 + f * 7.0376836292e-2)))))));\n"
    "    precise float l = f + (f * z * p - 0.5 * z);\n"
    "    return l;\n"
    "}\n"
    "float fm_log_edges(float v, float l) {\n"
    "    l = v == 0.0 ? uintBitsToFloat(0xff800000u) : floatBitsToUint(v) == 0x7f800000u ? v : l;\n"
    "    return v < 0.0 || fm_magnitude(v) > 0x7f800000u ? uintBitsToFloat(0x7fc00000u) : l;\n"
    "}\n"
    "float fm_log(float v) {\n"
    "    float e, l = fm_log_parts(v, e);\n"
    "    precise float s = (l + e * -2.12194440e-4) + e * 0.693359375;\n"
    "    return fm_log_edges(v, s);\n"
    "}\n"
    "float fm_log2(float v) {\n"
    "    float e, l = fm_log_parts(v, e);\n"
    "    precise float s = l * 1.44269504 + e;\n"
    "    return fm_log_edges(v, s);\n"
    "}\n"
    // Every number from 2^23 on is whole, every one from 2^24 on even.
    "float fm_pow(float x, float y) {\n"
    "    float a = abs(x), e, l = fm_log_parts(a, e);\n"
    "    bool whole = floor(y) == y, odd = whole && floor(y * 0.5) * 2.0 != y;\n"
    "    float p = fm_exp2(y * (l * 1.44269504 + e)), infinity = uintBitsToFloat(0x7f800000u);\n"
    "    bool zero = a == 0.0, endless = fm_magnitude(x) == 0x7f800000u;\n"
    "    p = zero || endless ? (zero == y > 0.0 ? 0.0 : infinity) : x < 0.0 && !whole ? uintBitsToFloat(0x7fc00000u) : p;\n"
    "    p = fm_magnitude(y) == 0x7f800000u ? (a == 1.0 ? 1.0 : a > 1.0 == y > 0.0 ? infinity : 0.0) : p;\n"
    "    p = odd && floatBitsToUint(x) >> 31 != 0u ? -p : p;\n"
    "    p = max(fm_magnitude(x), fm_magnitude(y)) > 0x7f800000u ? uintBitsToFloat(0x7fc00000u) : p;\n"
    "    return y == 0.0 || x == 1.0 ? 1.0 : p;\n"
    "}\n";

// Within 5 ulp: small arguments by a polynomial, others by the driver's exp, which cannot run over.
static const char tanh_text[] =
    "float fm_tanh(float v) {\n"
    "    precise float a = min(abs(v), 10.0), z = a * a;\n"
    "    precise float near = v + v * z * (-3.33332819422e-1 + z * (1.33314422036e-1 + z * (-5.37397155531e-2\n"
    "        + z * (2.06390887954e-2 + z * -5.70498872745e-3))));\n"
    "    precise float far = 1.0 - 2.0 / (exp(2.0 * a) + 1.0);\n"
    "    float t = a < 0.625 ? near : v < 0.0 ? -far : far;\n"
    "    return (floatBitsToUint(v) & 0x7fffffffu) > 0x7f800000u ? v : t;\n"
    "}\n";

// The angle of a point of the first quarter; atan(q) for q of 0 to 1 is within 1.6e-8, the functions within 5 ulp or 3e-7.
static const char arcs_text[] =
    "float fm_angle(float y, float x) {\n"
    "    precise float q = min(x, y) / max(x, y), z = q * q;\n"
    "    precise float v = q + q * z * (-3.333307365e-1 + z * (1.999262360e-1 + z * (-1.420367089e-1 + z * (1.064102191e-1\n"
    "        + z * (-7.504460340e-2 + z * (4.269330075e-2 + z * (-1.606964473e-2 + z * 2.850128136e-3)))))));\n"
    "    return y > x ? 1.57079633 - v : v;\n"
    "}\n"
    "float fm_arc(float v, float angle, float limit) {\n"
    "    return !(abs(v) <= limit) || (floatBitsToUint(v) & 0x7fffffffu) > 0x7f800000u ? uintBitsToFloat(0x7fc00000u) : angle;\n"
    "}\n"
    "float fm_atan(float v) {\n"
    "    float a = abs(v), t = a > 1e30 ? 1.57079633 : fm_angle(a, 1.0);\n"
    "    return fm_arc(v, v < 0.0 ? -t : t, uintBitsToFloat(0x7f800000u));\n"
    "}\n"
    "float fm_asin(float v) {\n"
    "    precise float a = abs(v), c = (1.0 - a) * (1.0 + a);\n"
    "    float t = fm_angle(a, sqrt(c));\n"
    "    return fm_arc(v, v < 0.0 ? -t : t, 1.0);\n"
    "}\n"
    "float fm_acos(float v) {\n"
    "    precise float a = abs(v), c = (1.0 - a) * (1.0 + a);\n"
    "    float t = fm_angle(sqrt(c), a);\n"
    "    return fm_arc(v, v < 0.0 ? 3.14159265 - t : t, 1.0);\n"
    "}\n";
// clang-format on

static const struct {
    uint32_t feature;
    const char *text;
} parts[] = {
    {FMI_USES_ANGLES, angles_text},
    {FMI_USES_POWERS, powers_text},
    {FMI_USES_TANH, tanh_text},
    {FMI_USES_ARCS, arcs_text},
};

void fmi_elementary_append(uint32_t features, fmi_text *out)
{
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (features & parts[i].feature) {
            fmi_text_append(out, parts[i].text, strlen(parts[i].text));
        }
    }
}
