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
// clang-format on

#endif
