// Built-in functions that GLSL lacks or leaves to the driver, written out in it. See prelude.c, which puts them before a kernel that calls them.
// Each is right for every argument: NaN and infinities are looked for in the bits, which no driver's float mode changes. Subnormal numbers may
// count as 0 but in fmod, clz and ctz, which count in integers. Where a form is an approximation, its error stands beside it, and
// tests/conformance/functions.c holds every device to it. `precise` keeps a driver from changing the order of operations.
#ifndef FMI_LANGUAGE_PRELUDE_GLSL_H
#define FMI_LANGUAGE_PRELUDE_GLSL_H

// clang-format off

static const char fmi_glsl_rounding_text[] =
    "float fm_round(float v) {\n"
    "    precise float t = trunc(v);\n"
    "    return abs(v - t) >= 0.5 ? t + (v < 0.0 ? -1.0 : 1.0) : t;\n"
    "}\n"
    // Long division of the mantissas, eight bits a step: no quotient is rounded.
    "float fm_fmod(float a, float b) {\n"
    "    uint sign = floatBitsToUint(a) & 0x80000000u;\n"
    "    uint x = floatBitsToUint(a) & 0x7fffffffu, y = floatBitsToUint(b) & 0x7fffffffu;\n"
    "    if (x >= 0x7f800000u || y > 0x7f800000u || y == 0u) return uintBitsToFloat(0x7fc00000u);\n"
    "    if (x < y) return a;\n"
    "    uint left = max(x >> 23, 1u), e = max(y >> 23, 1u);\n"
    "    uint m = (x & 0x7fffffu) | (x >> 23 != 0u ? 0x800000u : 0u), d = (y & 0x7fffffu) | (y >> 23 != 0u ? 0x800000u : 0u);\n"
    "    m %= d;\n"
    "    for (left -= e; left > 0u && m != 0u;) {\n"
    "        uint n = min(left, 8u);\n"
    "        m = (m << n) % d;\n"
    "        left -= n;\n"
    "    }\n"
    "    if (m == 0u) return uintBitsToFloat(sign);\n"
    "    uint shift = min(23u - uint(findMSB(m)), e - 1u);\n"
    "    m <<= shift;\n"
    "    return uintBitsToFloat(sign | (m >= 0x800000u ? (e - shift) << 23 | (m & 0x7fffffu) : m));\n"
    "}\n";

// exp(r) for |r| <= 0.3466 is within 3e-9 but for the rounding; the rest is exact scaling. The functions are within 4 ulp.
static const char fmi_glsl_exponential_text[] =
    "bool fm_is_nan(float v) { return (floatBitsToUint(v) & 0x7fffffffu) > 0x7f800000u; }\n"
    "float fm_power_of_2(int n) { return uintBitsToFloat(uint(n + 127) << 23); }\n"
    "float fm_scale(float v, int n) { return v * fm_power_of_2(n >> 1) * fm_power_of_2(n - (n >> 1)); }\n"
    "float fm_exp_near_0(float r) {\n"
    "    precise float p = 4.999999341e-1 + r * (1.666652011e-1 + r * (4.166839426e-2 + r * (8.368780622e-3 + r * 1.381446475e-3)));\n"
    "    precise float e = 1.0 + (r + r * r * p);\n"
    "    return e;\n"
    "}\n"
    // exp(v) times 2^n for |v| up to 130.
    "float fm_exp_scaled(float v, int n) {\n"
    "    precise float k = floor(v * 1.44269504 + 0.5);\n"
    "    precise float r = (v - k * 0.693359375) + k * 2.12194440e-4;\n"
    "    return fm_scale(fm_exp_near_0(r), int(k) + n);\n"
    "}\n"
    "float fm_exp10(float v) {\n"
    "    if (fm_is_nan(v)) return v;\n"
    "    v = clamp(v, -60.0, 60.0);\n"
    "    precise float k = floor(v * 3.32192809 + 0.5);\n"
    "    precise float r = ((v - k * 0.301025390625) - k * 4.60503898e-6) * 2.30258509;\n"
    "    return fm_scale(fm_exp_near_0(r), int(k));\n"
    "}\n"
    "float fm_sinh(float v) {\n"
    "    if (fm_is_nan(v)) return v;\n"
    "    precise float a = min(abs(v), 100.0), z = a * a;\n"
    "    precise float near = v + v * z * (1.666666643e-1 + z * (8.333352583e-3 + z * (1.983581373e-4 + z * 2.818518166e-6)));\n"
    "    if (a < 1.0) return near;\n"
    "    precise float h = fm_exp_scaled(a, -1);\n"
    "    precise float s = h - 0.25 / h;\n"
    "    return v < 0.0 ? -s : s;\n"
    "}\n"
    "float fm_cosh(float v) {\n"
    "    if (fm_is_nan(v)) return v;\n"
    "    precise float h = fm_exp_scaled(min(abs(v), 100.0), -1);\n"
    "    precise float c = h + 0.25 / h;\n"
    "    return c;\n"
    "}\n"
    "float fm_erf(float v) {\n"
    "    if (fm_is_nan(v)) return v;\n"
    "    precise float a = min(abs(v), 4.0), z = a * a;\n"
    "    precise float near = 1.128379166 + z * (-3.761263162e-1 + z * (1.128366407e-1 + z * (-2.685770796e-2 + z * (5.196957308e-3\n"
    "        + z * (-8.097749281e-4 + z * 8.185248588e-5)))));\n"
    "    if (a < 0.9) return v * near;\n"
    "    precise float l = 1.664390837e-4 + a * (1.127797281 + a * (6.369760132e-1 + a * (1.041137455e-1 + a * (-2.231524801e-2\n"
    "        + a * (3.065499813e-3 + a * -1.982207062e-4)))));\n"
    "    precise float e = 1.0 - fm_exp_scaled(-l, 0);\n"
    "    return v < 0.0 ? -e : e;\n"
    "}\n";

// atan(q) for q of 0 to 1 is within 1.6e-8, the function within 5 ulp: the driver's division may have 2.5 of them.
static const char fmi_glsl_atan2_text[] =
    "float fm_atan2(float y, float x) {\n"
    "    uint b = floatBitsToUint(y) & 0x7fffffffu, a = floatBitsToUint(x) & 0x7fffffffu;\n"
    "    if (max(a, b) > 0x7f800000u) return uintBitsToFloat(0x7fc00000u);\n"
    "    float hi = uintBitsToFloat(max(a, b)), lo = uintBitsToFloat(min(a, b));\n"
    "    float scale = hi > 1e30 ? 9.094947e-13 : hi < 1e-24 ? 1.1529215e18 : 1.0;\n"
    "    precise float q = (lo * scale) / (hi * scale);\n"
    "    q = hi == 0.0 || (max(a, b) == 0x7f800000u && a != b) ? 0.0 : a == b ? 1.0 : q;\n"
    "    precise float z = q * q;\n"
    "    precise float v = q + q * z * (-3.333307365e-1 + z * (1.999262360e-1 + z * (-1.420367089e-1 + z * (1.064102191e-1\n"
    "        + z * (-7.504460340e-2 + z * (4.269330075e-2 + z * (-1.606964473e-2 + z * 2.850128136e-3)))))));\n"
    "    v = b > a ? 1.57079633 - v : v;\n"
    "    v = floatBitsToUint(x) >> 31 != 0u ? 3.14159265 - v : v;\n"
    "    return uintBitsToFloat(floatBitsToUint(v) | (floatBitsToUint(y) & 0x80000000u));\n"
    "}\n";

static const char fmi_glsl_bits_text[] =
    "uint fm_clz_u(uint v) { return uint(31 - findMSB(v)); }\n"
    "uint fm_ctz_u(uint v) { return v == 0u ? 32u : uint(findLSB(v)); }\n";

static const char fmi_glsl_wide_bits_text[] =
    "uint fm_clz_m(uint64_t v) { return v >> 32 != 0ul ? fm_clz_u(uint(v >> 32)) : 32u + fm_clz_u(uint(v)); }\n"
    "uint fm_ctz_m(uint64_t v) { return uint(v) != 0u ? fm_ctz_u(uint(v)) : 32u + fm_ctz_u(uint(v >> 32)); }\n";

// NMin and NMax of SPIR-V's functions: what is a number, where the other is not.
static const char fmi_glsl_order_text[] =
    "spirv_instruction(set = \"GLSL.std.450\", id = 79) float fm_min_f(float a, float b);\n"
    "spirv_instruction(set = \"GLSL.std.450\", id = 80) float fm_max_f(float a, float b);\n"
    "float fm_clamp_f(float v, float a, float b) { return fm_min_f(fm_max_f(v, a), b); }\n"
    "#define fm_min_i min\n#define fm_max_i max\n#define fm_clamp_i clamp\n"
    "#define fm_min_u min\n#define fm_max_u max\n#define fm_clamp_u clamp\n"
    "#define fm_min_l min\n#define fm_max_l max\n#define fm_clamp_l clamp\n"
    "#define fm_min_m min\n#define fm_max_m max\n#define fm_clamp_m clamp\n";

static const char fmi_glsl_double_order_text[] =
    "spirv_instruction(set = \"GLSL.std.450\", id = 79) double fm_min_d(double a, double b);\n"
    "spirv_instruction(set = \"GLSL.std.450\", id = 80) double fm_max_d(double a, double b);\n"
    "double fm_clamp_d(double v, double a, double b) { return fm_min_d(fm_max_d(v, a), b); }\n";

static const char fmi_glsl_wide_double_limits_text[] =
    "int64_t fm_long_sat(double v) {\n"
    "    int64_t least = int64_t(1ul << 63);\n"
    "    return v >= 9223372036854775808.0lf ? ~least : v >= -9223372036854775808.0lf ? int64_t(v) : v < 0.0lf ? least : 0l;\n"
    "}\n"
    "uint64_t fm_ulong_sat(double v) { return v >= 18446744073709551616.0lf ? ~0ul : v > 0.0lf ? uint64_t(v) : 0ul; }\n";

static const char fmi_glsl_limits_text[] =
    "bool fm_has_nan(float a, float b) {\n"
    "    return max(floatBitsToUint(a) & 0x7fffffffu, floatBitsToUint(b) & 0x7fffffffu) > 0x7f800000u;\n"
    "}\n"
    "float fm_min_nan(float a, float b) { return fm_has_nan(a, b) ? uintBitsToFloat(0x7fc00000u) : min(a, b); }\n"
    "float fm_max_nan(float a, float b) { return fm_has_nan(a, b) ? uintBitsToFloat(0x7fc00000u) : max(a, b); }\n"
    "int fm_int_sat(float v) {\n"
    "    uint m = floatBitsToUint(v) & 0x7fffffffu;\n"
    "    return m > 0x7f800000u ? 0 : m < 0x4f000000u ? int(v) : v < 0.0 ? int(0x80000000u) : 0x7fffffff;\n"
    "}\n"
    "uint fm_uint_sat(float v) {\n"
    "    uint m = floatBitsToUint(v);\n"
    "    return m < 0x4f800000u ? uint(v) : m <= 0x7f800000u ? 0xffffffffu : 0u;\n"
    "}\n";

static const char fmi_glsl_wide_limits_text[] =
    "int64_t fm_long_sat(float v) {\n"
    "    uint m = floatBitsToUint(v) & 0x7fffffffu;\n"
    "    return m > 0x7f800000u ? 0l : m < 0x5f000000u ? int64_t(v) : v < 0.0 ? int64_t(1ul << 63) : int64_t(~0ul >> 1);\n"
    "}\n"
    "uint64_t fm_ulong_sat(float v) {\n"
    "    uint m = floatBitsToUint(v);\n"
    "    return m < 0x5f800000u ? uint64_t(v) : m <= 0x7f800000u ? ~0ul : 0ul;\n"
    "}\n";
// Elementary functions that drivers give too roughly, or with wrong values at the edges. Bounds are of the texts as they stand, for every float; where
// an operation of the driver is part of them (exp2, log2), its error comes on top. tests/conformance/elementary.c holds every device to them.

// sin and cos are within 1.2e-7 of the value for every finite number, and within 2.3 ulp for sin up to 12800. An angle is the nearest multiple of
// pi / 2 and a rest. Below 12800 the multiple has 13 bits and the parts of pi / 2 ten each but the last, so that no product is rounded,
// whether the driver's fma has one rounding or two. Above, the mantissa is multiplied by the 64 bits of 2 / pi / 4 that count at its exponent.
static const char fmi_glsl_angles_text[] =
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
static const char fmi_glsl_powers_text[] =
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
static const char fmi_glsl_tanh_text[] =
    "float fm_tanh(float v) {\n"
    "    precise float a = min(abs(v), 10.0), z = a * a;\n"
    "    precise float near = v + v * z * (-3.33332819422e-1 + z * (1.33314422036e-1 + z * (-5.37397155531e-2\n"
    "        + z * (2.06390887954e-2 + z * -5.70498872745e-3))));\n"
    "    precise float far = 1.0 - 2.0 / (exp(2.0 * a) + 1.0);\n"
    "    float t = a < 0.625 ? near : v < 0.0 ? -far : far;\n"
    "    return (floatBitsToUint(v) & 0x7fffffffu) > 0x7f800000u ? v : t;\n"
    "}\n";

// The angle of a point of the first quarter; atan(q) for q of 0 to 1 is within 1.6e-8, the functions within 5 ulp or 3e-7.
static const char fmi_glsl_arcs_text[] =
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

#endif
