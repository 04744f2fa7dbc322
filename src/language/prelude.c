// Helper functions in the words of each target: what a target lacks, or leaves open. See dialect.h.
// C, CUDA and MSL share their texts: FM_FN stands before a function, FM_LONG is 64 bits wide, FM_BOOL a truth value, and fm_as_uint and fm_as_float
// cast bits. A part is written where a function or dtype of the tree needs it.
#include "language/dialect.h"
#include "language/prelude_glsl.h"

#include <string.h>

struct piece {
    uint32_t bits;  // of fmi_piece; one that has two is there for who needs both
    uint32_t needs; // parts that it builds on, which stand before it
    const char *texts[FMI_DIALECT_COUNT];
};

// clang-format off
#define C_FAMILY(text) [FMI_C] = text, [FMI_CUDA] = text, [FMI_MSL] = text

#define GLSL_DIVISION(type, unsigned_type, s) \
    type " fm_divide_" s "(" type " n, " type " d) {\n" \
    "    bool h = " unsigned_type "(d) + 1u <= 1u;\n" \
    "    " type " q = n / (h ? " type "(1) : d);\n" \
    "    return h ? (d == 0 ? " type "(-1) : 0 - n) : q;\n" \
    "}\n" \
    type " fm_rest_" s "(" type " n, " type " d) {\n" \
    "    " type " e = " unsigned_type "(d) + 1u <= 1u ? " type "(1) : d;\n" \
    "    " type " r = n - e * (n / e);\n" \
    "    return d == 0 ? n : r;\n" \
    "}\n" GLSL_DIVISION_INTO(type, s)
#define GLSL_UNSIGNED_DIVISION(type, s) \
    type " fm_divide_" s "(" type " n, " type " d) {\n" \
    "    " type " q = n / (d == 0 ? " type "(1) : d);\n" \
    "    return d == 0 ? ~" type "(0) : q;\n" \
    "}\n" \
    type " fm_rest_" s "(" type " n, " type " d) {\n" \
    "    " type " r = n % (d == 0 ? " type "(1) : d);\n" \
    "    return d == 0 ? n : r;\n" \
    "}\n" GLSL_DIVISION_INTO(type, s)
#define GLSL_DIVISION_INTO(type, s) \
    type " fm_divide_into_" s "(inout " type " n, " type " d) { return n = fm_divide_" s "(n, d); }\n" \
    type " fm_rest_into_" s "(inout " type " n, " type " d) { return n = fm_rest_" s "(n, d); }\n"
// C++ has functions for what C writes where it stands; a store needs one for each address space.
#define DIVISION_FUNCTIONS(stores) \
    "#define FM_DIVISION(t, n) \\\n" \
    "    FM_FN t fm_divide_##n(t fm_n, t fm_d) { return FM_DIVIDE_##n; } \\\n" \
    "    FM_FN t fm_rest_##n(t fm_n, t fm_d) { return FM_REST_##n; } \\\n" \
    "    " stores "\n" \
    "#define FM_DIVISION_INTO(s, t, n) \\\n" \
    "    FM_FN t fm_divide_into_##n(s t &fm_p, t fm_d) { t fm_n = fm_p; return fm_p = FM_DIVIDE_##n; } \\\n" \
    "    FM_FN t fm_rest_into_##n(s t &fm_p, t fm_d) { t fm_n = fm_p; return fm_p = FM_REST_##n; }\n"

#define GLSL_LANES(type) \
    type " fm_subgroup_add(" type " v) { return subgroupAdd(v); }\n" \
    type " fm_subgroup_min(" type " v) { return subgroupMin(v); }\n" \
    type " fm_subgroup_max(" type " v) { return subgroupMax(v); }\n" \
    type " fm_subgroup_broadcast(" type " v, uint lane) { return subgroupBroadcast(v, lane); }\n"
#define GLSL_ALONE(type) \
    type " fm_subgroup_add(" type " v) { return v; }\n" \
    type " fm_subgroup_min(" type " v) { return v; }\n" \
    type " fm_subgroup_max(" type " v) { return v; }\n" \
    type " fm_subgroup_broadcast(" type " v, uint lane) { return v; }\n"
#define LIMITS \
    "FM_FN float fm_min_nan(float a, float b) {\n" \
    "    return fm_isnan(a) || fm_isnan(b) ? fm_as_float(0x7fc00000u) : b < a ? b : a;\n" \
    "}\n" \
    "FM_FN float fm_max_nan(float a, float b) {\n" \
    "    return fm_isnan(a) || fm_isnan(b) ? fm_as_float(0x7fc00000u) : a < b ? b : a;\n" \
    "}\n"
// Casts of `t`, whose names end in `end`.
#define CASTS(t, end) \
    "FM_FN int fm_int_sat" end "(" t " v) {\n" \
    "    return fm_isnan" end "(v) ? 0 : v >= (" t ")2147483648.0f ? 0x7fffffff : v > (" t ")-2147483649.0 ? (int)v : -0x7fffffff - 1;\n" \
    "}\n" \
    "FM_FN unsigned fm_uint_sat" end "(" t " v) {\n" \
    "    return v >= (" t ")4294967296.0f ? 0xffffffffu : v > (" t ")0.0f ? (unsigned)v : 0u;\n" \
    "}\n"
#define LONG_CASTS(t, end) \
    "FM_FN FM_LONG fm_long_sat" end "(" t " v) {\n" \
    "    const FM_LONG most = (FM_LONG)(~(unsigned FM_LONG)0 >> 1);\n" \
    "    return fm_isnan" end "(v) ? 0 : v >= (" t ")9223372036854775808.0f ? most\n" \
    "        : v > (" t ")-9223372036854775808.0f ? (FM_LONG)v : -most - 1;\n" \
    "}\n" \
    "FM_FN unsigned FM_LONG fm_ulong_sat" end "(" t " v) {\n" \
    "    return v >= (" t ")18446744073709551616.0f ? ~(unsigned FM_LONG)0 : v > (" t ")0.0f ? (unsigned FM_LONG)v : 0;\n" \
    "}\n"

#define ORDER \
    "#define FM_ORDER(t, n) \\\n" \
    "    FM_FN t fm_min_##n(t a, t b) { return b < a ? b : a; } \\\n" \
    "    FM_FN t fm_max_##n(t a, t b) { return a < b ? b : a; } \\\n" \
    "    FM_FN t fm_clamp_##n(t v, t a, t b) { v = v < a ? a : v; return b < v ? b : v; }\n" \
    "FM_ORDER(int, i)\n" \
    "FM_ORDER(unsigned, u)\n" \
    "FM_ORDER(FM_LONG, l)\n" \
    "FM_ORDER(unsigned FM_LONG, m)\n"
#define REAL_ORDER(t, n, least, most) \
    "FM_FN " t " fm_min_" n "(" t " a, " t " b) { return " least "(a, b); }\n" \
    "FM_FN " t " fm_max_" n "(" t " a, " t " b) { return " most "(a, b); }\n" \
    "FM_FN " t " fm_clamp_" n "(" t " v, " t " a, " t " b) { return " least "(" most "(v, a), b); }\n"

static const struct piece pieces[] = {
    {FMI_PIECE_MATH, 0, {[FMI_C] =
        "float fmaf(float, float, float); float sqrtf(float); float fm_rsqrt(float); float expf(float);\n"
        "float exp2f(float); float logf(float); float log2f(float); float powf(float, float); float sinf(float);\n"
        "float cosf(float); float tanf(float); float tanhf(float); float floorf(float); float ceilf(float);\n"
        "float asinf(float); float acosf(float); float atanf(float); float rintf(float); float truncf(float);\n"
        "float roundf(float); float fmodf(float, float); float fm_exp10(float); float sinhf(float); float coshf(float);\n"
        "float erff(float); float atan2f(float, float);\n"}},
    {FMI_PIECE_BITS, 0, {
        [FMI_C] =
            "union fm_bits { float f; int i; unsigned u; };\n"
            "FM_FN unsigned fm_as_uint(float v) { union fm_bits p; p.f = v; return p.u; }\n"
            "FM_FN int fm_as_int(float v) { union fm_bits p; p.f = v; return p.i; }\n"
            "FM_FN float fm_as_float(unsigned v) { union fm_bits p; p.u = v; return p.f; }\n",
        [FMI_CUDA] = "#define fm_as_uint __float_as_uint\n#define fm_as_float __uint_as_float\n",
        [FMI_MSL] = "#define fm_as_uint as_type<uint>\n#define fm_as_float as_type<float>\n"}},
    {FMI_PIECE_ORDER, 0, {
        [FMI_GLSL] = fmi_glsl_order_text,
        [FMI_C] =
            "float fm_min_f(float, float); float fm_max_f(float, float); float fm_clamp_f(float, float, float);\n" ORDER,
        [FMI_CUDA] = REAL_ORDER("float", "f", "fminf", "fmaxf") ORDER,
        [FMI_MSL] = REAL_ORDER("float", "f", "fmin", "fmax") ORDER}},
    {FMI_PIECE_ABS, FMI_PIECE_BITS, {C_FAMILY(
        "FM_FN float fm_abs_f(float v) { return fm_as_float(fm_as_uint(v) & 0x7fffffffu); }\n"
        "FM_FN int fm_abs_i(int v) { return v < 0 ? (int)(0u - (unsigned)v) : v; }\n"
        "FM_FN FM_LONG fm_abs_l(FM_LONG v) { return v < 0 ? (FM_LONG)(0u - (unsigned FM_LONG)v) : v; }\n")}},
    {FMI_PIECE_SAME, 0, {[FMI_GLSL] =
        "float fm_float(float v) { return v; }\nint fm_int(int v) { return v; }\nuint fm_uint(uint v) { return v; }\n"}},
    {FMI_PIECE_LONG_SAME, 0, {[FMI_GLSL] =
        "int64_t fm_long(int64_t v) { return v; }\nuint64_t fm_ulong(uint64_t v) { return v; }\n"}},
    {FMI_PIECE_DIVISION, 0, {
        [FMI_GLSL] = GLSL_DIVISION("int", "uint", "i") GLSL_UNSIGNED_DIVISION("uint", "u"),
        C_FAMILY(
            "#define FM_DIVIDE_i ((unsigned)fm_d + 1u > 1u ? fm_n / fm_d : fm_d ? (int)(0u - (unsigned)fm_n) : -1)\n"
            "#define FM_REST_i ((unsigned)fm_d + 1u > 1u ? fm_n % fm_d : fm_d ? 0 : fm_n)\n"
            "#define FM_DIVIDE_u (fm_d ? fm_n / fm_d : ~0u)\n"
            "#define FM_REST_u (fm_d ? fm_n % fm_d : fm_n)\n"
            "#ifdef FM_DIVISION\n"
            "FM_DIVISION(int, i)\nFM_DIVISION(unsigned, u)\n"
            "#endif\n")}},
    {FMI_PIECE_LONG_DIVISION, 0, {
        [FMI_GLSL] = GLSL_DIVISION("int64_t", "uint64_t", "l") GLSL_UNSIGNED_DIVISION("uint64_t", "m"),
        C_FAMILY(
            "#define FM_DIVIDE_l ((unsigned FM_LONG)fm_d + 1u > 1u ? fm_n / fm_d \\\n"
            "    : fm_d ? (FM_LONG)((unsigned FM_LONG)0 - (unsigned FM_LONG)fm_n) : (FM_LONG)-1)\n"
            "#define FM_REST_l ((unsigned FM_LONG)fm_d + 1u > 1u ? fm_n % fm_d : fm_d ? (FM_LONG)0 : fm_n)\n"
            "#define FM_DIVIDE_m (fm_d ? fm_n / fm_d : ~(unsigned FM_LONG)0)\n"
            "#define FM_REST_m (fm_d ? fm_n % fm_d : fm_n)\n"
            "#ifdef FM_DIVISION\n"
            "FM_DIVISION(FM_LONG, l)\nFM_DIVISION(unsigned FM_LONG, m)\n"
            "#endif\n")}},
    {FMI_PIECE_FRACT, FMI_PIECE_MATH, {
        [FMI_GLSL] = "float fm_fract(float v) { return v - floor(v); }\n",
        [FMI_C] = "FM_FN float fm_fract(float v) { return v - floorf(v); }\n",
        [FMI_CUDA] = "FM_FN float fm_fract(float v) { return v - floorf(v); }\n",
        [FMI_MSL] = "FM_FN float fm_fract(float v) { return v - floor(v); }\n"}},
    {FMI_PIECE_SIGN, 0, {
        [FMI_GLSL] = "float fm_sign(float v) { return float(int(v > 0.0) - int(v < 0.0)); }\n",
        C_FAMILY("FM_FN float fm_sign(float v) { return (float)((v > 0.0f) - (v < 0.0f)); }\n")}},
    {FMI_PIECE_MIX, 0, {
        [FMI_GLSL] = "float fm_mix(float a, float b, float t) { return a * (1.0 - t) + b * t; }\n",
        C_FAMILY("FM_FN float fm_mix(float a, float b, float t) { return a * (1.0f - t) + b * t; }\n")}},
    {FMI_PIECE_CLASS, FMI_PIECE_BITS, {
        [FMI_GLSL] =
            "bool fm_isnan(float v) { return (floatBitsToUint(v) & 0x7fffffffu) > 0x7f800000u; }\n"
            "bool fm_isinf(float v) { return (floatBitsToUint(v) & 0x7fffffffu) == 0x7f800000u; }\n",
        C_FAMILY(
            "FM_FN FM_BOOL fm_isnan(float v) { return (fm_as_uint(v) & 0x7fffffffu) > 0x7f800000u; }\n"
            "FM_FN FM_BOOL fm_isinf(float v) { return (fm_as_uint(v) & 0x7fffffffu) == 0x7f800000u; }\n")}},
    {FMI_PIECE_POPCOUNT, 0, {
        [FMI_GLSL] = "uint fm_popcount(uint v) { return uint(bitCount(v)); }\n",
        [FMI_C] =
            "FM_FN unsigned fm_popcount(unsigned v) {\n"
            "    v = v - (v >> 1 & 0x55555555u); v = (v & 0x33333333u) + (v >> 2 & 0x33333333u);\n"
            "    return ((v + (v >> 4)) & 0x0f0f0f0fu) * 0x01010101u >> 24;\n"
            "}\n"}},
    {FMI_PIECE_ATOMICS, 0, {
        [FMI_C] =
            "#define FM_ATOMICS(t, n) \\\n"
            "    t fm_atomic_add_##n(t *, t); t fm_atomic_min_##n(t *, t); t fm_atomic_max_##n(t *, t); \\\n"
            "    t fm_atomic_and_##n(t *, t); t fm_atomic_or_##n(t *, t); t fm_atomic_xor_##n(t *, t); \\\n"
            "    t fm_atomic_exchange_##n(t *, t); t fm_atomic_compare_exchange_##n(t *, t, t);\n"
            "FM_ATOMICS(int, i32)\n"
            "FM_ATOMICS(unsigned, u32)\n"
        "FM_ATOMICS(long long, i64)\n"
        "FM_ATOMICS(unsigned long long, u64)\n"
        "float fm_atomic_add_f32(float *, float);\n",
        [FMI_MSL] =
            "#define FM_ATOMIC(s, t, a, name, call) \\\n"
            "    FM_FN t name(s t *p, t v) { return call((s a *)p, v, memory_order_relaxed); }\n"
            "#define FM_ATOMICS(s, t, a) \\\n"
            "    FM_ATOMIC(s, t, a, fm_atomic_add, atomic_fetch_add_explicit) \\\n"
            "    FM_ATOMIC(s, t, a, fm_atomic_min, atomic_fetch_min_explicit) \\\n"
            "    FM_ATOMIC(s, t, a, fm_atomic_max, atomic_fetch_max_explicit) \\\n"
            "    FM_ATOMIC(s, t, a, fm_atomic_and, atomic_fetch_and_explicit) \\\n"
            "    FM_ATOMIC(s, t, a, fm_atomic_or, atomic_fetch_or_explicit) \\\n"
            "    FM_ATOMIC(s, t, a, fm_atomic_xor, atomic_fetch_xor_explicit) \\\n"
            "    FM_ATOMIC(s, t, a, fm_atomic_exchange, atomic_exchange_explicit) \\\n"
            "    FM_FN t fm_atomic_compare_exchange(s t *p, t expected, t v) { \\\n"
            "        t old = expected; \\\n"
            "        while (!atomic_compare_exchange_weak_explicit((s a *)p, &old, v, memory_order_relaxed, \\\n"
            "                                                      memory_order_relaxed) && old == expected) { \\\n"
            "        } \\\n"
            "        return old; \\\n"
            "    }\n"
            "FM_ATOMICS(device, int, atomic_int)\n"
            "FM_ATOMICS(device, uint, atomic_uint)\n"
            "FM_ATOMICS(threadgroup, int, atomic_int)\n"
            "FM_ATOMICS(threadgroup, uint, atomic_uint)\n"
            "FM_ATOMIC(device, float, atomic_float, fm_atomic_add, atomic_fetch_add_explicit)\n"
            "FM_ATOMIC(threadgroup, float, atomic_float, fm_atomic_add, atomic_fetch_add_explicit)\n"}},
    {FMI_PIECE_LONG_ATOMICS, 0, {[FMI_CUDA] =
        "#define FM_ATOMIC(name, call) \\\n"
        "    FM_FN long long fm_atomic_##name(long long *p, long long v) { \\\n"
        "        return (long long)call((unsigned long long *)p, (unsigned long long)v); \\\n"
        "    }\n"
        "FM_ATOMIC(add, atomicAdd) FM_ATOMIC(and, atomicAnd) FM_ATOMIC(or, atomicOr) FM_ATOMIC(xor, atomicXor)\n"
        "FM_ATOMIC(exchange, atomicExch)\n"
        "FM_FN long long fm_atomic_min(long long *p, long long v) { return atomicMin(p, v); }\n"
        "FM_FN long long fm_atomic_max(long long *p, long long v) { return atomicMax(p, v); }\n"
        "FM_FN long long fm_atomic_compare_exchange(long long *p, long long e, long long v) {\n"
        "    return (long long)atomicCAS((unsigned long long *)p, (unsigned long long)e, (unsigned long long)v);\n"
        "}\n"}},
    {FMI_PIECE_DOUBLE, 0, {
        [FMI_GLSL] =
            "bool fm_isnan(double v) {\n"
            "    uvec2 b = unpackDouble2x32(v) & uvec2(0xffffffffu, 0x7fffffffu);\n"
            "    return b.y > 0x7ff00000u || (b.y == 0x7ff00000u && b.x != 0u);\n"
            "}\n"
            "bool fm_isinf(double v) {\n"
            "    uvec2 b = unpackDouble2x32(v) & uvec2(0xffffffffu, 0x7fffffffu);\n"
            "    return b.y == 0x7ff00000u && b.x == 0u;\n"
            "}\n"
            "int fm_int_sat(double v) {\n"
            "    return v >= 2147483648.0lf ? 0x7fffffff : v > -2147483649.0lf ? int(v) : v < 0.0lf ? int(0x80000000u) : 0;\n"
            "}\n"
            "uint fm_uint_sat(double v) { return v >= 4294967296.0lf ? 0xffffffffu : v > 0.0lf ? uint(v) : 0u; }\n",
        [FMI_C] =
            "double fma(double, double, double); double sqrt(double); double floor(double); double ceil(double);\n"
            "double trunc(double); int fm_int_sat_d(double); unsigned fm_uint_sat_d(double); long long fm_long_sat_d(double);\n"
            "unsigned long long fm_ulong_sat_d(double);\n"
            "union fm_wide_bits { double d; unsigned long long m; };\n"
            "FM_FN unsigned long long fm_wide(double v) { union fm_wide_bits p; p.d = v; return p.m << 1; }\n"
            "FM_FN double fm_abs_d(double v) { union fm_wide_bits p; p.m = fm_wide(v) >> 1; return p.d; }\n"
            "FM_FN _Bool fm_isnan_d(double v) { return fm_wide(v) > 0xffe0000000000000ull; }\n"
            "FM_FN _Bool fm_isinf_d(double v) { return fm_wide(v) == 0xffe0000000000000ull; }\n",
        [FMI_CUDA] =
            "FM_FN unsigned long long fm_wide(double v) { return (unsigned long long)__double_as_longlong(v) << 1; }\n"
            "FM_FN double fm_abs_d(double v) { return fabs(v); }\n"
            "FM_FN bool fm_isnan_d(double v) { return fm_wide(v) > 0xffe0000000000000ull; }\n"
            "FM_FN bool fm_isinf_d(double v) { return fm_wide(v) == 0xffe0000000000000ull; }\n" CASTS("double", "_d")}},
    {FMI_PIECE_ROUND, 0, {[FMI_GLSL] = fmi_glsl_rounding_text}},
    {FMI_PIECE_EXP, FMI_PIECE_CLASS, {
        [FMI_GLSL] = fmi_glsl_exponential_text,
        [FMI_MSL] =
            "FM_FN float fm_erf(float v) {\n"
            "    if (fm_isnan(v)) return v;\n"
            "    float a = fabs(v) < 4.0f ? fabs(v) : 4.0f, z = a * a;\n"
            "    float n = 1.128379166f + z * (-3.761263162e-1f + z * (1.128366407e-1f + z * (-2.685770796e-2f\n"
            "        + z * (5.196957308e-3f + z * (-8.097749281e-4f + z * 8.185248588e-5f)))));\n"
            "    if (a < 0.9f) return v * n;\n"
            "    float l = 1.664390837e-4f + a * (1.127797281f + a * (6.369760132e-1f + a * (1.041137455e-1f\n"
            "        + a * (-2.231524801e-2f + a * (3.065499813e-3f + a * -1.982207062e-4f)))));\n"
            "    return v < 0.0f ? exp(-l) - 1.0f : 1.0f - exp(-l);\n"
            "}\n"}},
    {FMI_PIECE_ANGLES, 0, {[FMI_GLSL] = fmi_glsl_angles_text}},
    {FMI_PIECE_POWERS, 0, {[FMI_GLSL] = fmi_glsl_powers_text}},
    {FMI_PIECE_TANH, 0, {[FMI_GLSL] = fmi_glsl_tanh_text}},
    {FMI_PIECE_ARCS, 0, {[FMI_GLSL] = fmi_glsl_atan2_text}},
    {FMI_PIECE_ARCS, 0, {[FMI_GLSL] = fmi_glsl_arcs_text}},
    {FMI_PIECE_COUNT, 0, {
        [FMI_GLSL] = fmi_glsl_bits_text,
        [FMI_C] =
            "unsigned fm_clz_u(unsigned); unsigned fm_ctz_u(unsigned);\n"
            "unsigned fm_clz_m(unsigned long long); unsigned fm_ctz_m(unsigned long long);\n",
        [FMI_CUDA] =
            "FM_FN unsigned fm_clz_u(unsigned v) { return (unsigned)__clz((int)v); }\n"
            "FM_FN unsigned fm_ctz_u(unsigned v) { return v ? (unsigned)__ffs((int)v) - 1u : 32u; }\n"
            "FM_FN unsigned fm_clz_m(unsigned long long v) { return (unsigned)__clzll((long long)v); }\n"
            "FM_FN unsigned fm_ctz_m(unsigned long long v) { return v ? (unsigned)__ffsll((long long)v) - 1u : 64u; }\n",
        [FMI_MSL] =
            "FM_FN uint fm_clz_u(uint v) { return clz(v); }\n"
            "FM_FN uint fm_ctz_u(uint v) { return ctz(v); }\n"
            "FM_FN uint fm_clz_m(ulong v) { return uint(clz(v)); }\n"
            "FM_FN uint fm_ctz_m(ulong v) { return uint(ctz(v)); }\n"}},
    {FMI_PIECE_LONG_COUNT, 0, {[FMI_GLSL] = fmi_glsl_wide_bits_text}},
    {FMI_PIECE_LIMITS, FMI_PIECE_CLASS, {
        [FMI_GLSL] = fmi_glsl_limits_text,
        [FMI_C] =
            "float fm_min_nan(float, float); float fm_max_nan(float, float); int fm_int_sat(float);\n"
            "unsigned fm_uint_sat(float); long long fm_long_sat(float); unsigned long long fm_ulong_sat(float);\n",
        [FMI_CUDA] = LIMITS CASTS("float", ""), [FMI_MSL] = LIMITS CASTS("float", "")}},
    {FMI_PIECE_LONG_LIMITS, FMI_PIECE_LIMITS, {
        [FMI_GLSL] = fmi_glsl_wide_limits_text, [FMI_CUDA] = LONG_CASTS("float", ""), [FMI_MSL] = LONG_CASTS("float", "")}},
    {FMI_PIECE_LONG_LIMITS | FMI_PIECE_DOUBLE, 0, {
        [FMI_GLSL] = fmi_glsl_wide_double_limits_text, [FMI_CUDA] = LONG_CASTS("double", "_d")}},
    {FMI_PIECE_ORDER | FMI_PIECE_DOUBLE, 0, {
        [FMI_GLSL] = fmi_glsl_double_order_text,
        [FMI_C] =
            "double fm_min_d(double, double); double fm_max_d(double, double); double fm_clamp_d(double, double, double);\n",
        [FMI_CUDA] = REAL_ORDER("double", "d", "fmin", "fmax")}},
    {FMI_PIECE_LANES, 0, {
        [FMI_C] =
            "#define fm_subgroup_size 1u\n#define fm_subgroup_lane 0u\n"
            "#define FM_ALONE(t, n) \\\n"
            "    FM_FN t fm_subgroup_add_##n(t v) { return v; } FM_FN t fm_subgroup_min_##n(t v) { return v; } \\\n"
            "    FM_FN t fm_subgroup_max_##n(t v) { return v; } \\\n"
            "    FM_FN t fm_subgroup_broadcast_##n(t v, unsigned lane) { (void)lane; return v; }\n"
            "FM_ALONE(float, f)\nFM_ALONE(int, i)\nFM_ALONE(unsigned, u)\n",
        [FMI_CUDA] =
            "#define fm_subgroup_size 32u\n"
            "FM_FN unsigned fm_lane() { unsigned v; asm(\"mov.u32 %0, %%laneid;\" : \"=r\"(v)); return v; }\n"
            "#define fm_subgroup_lane fm_lane()\n"
            "#define FM_LANES(t, name, expression) \\\n"
            "    FM_FN t fm_subgroup_##name(t v) { \\\n"
            "        unsigned all = __activemask(), rest = all & (all - 1u); \\\n"
            "        t a = __shfl_sync(all, v, __ffs((int)all) - 1); \\\n"
            "        for (; rest; rest &= rest - 1u) { \\\n"
            "            t b = __shfl_sync(all, v, __ffs((int)rest) - 1); a = expression; \\\n"
            "        } \\\n"
            "        return a; \\\n"
            "    }\n"
            "#define FM_LANES_OF(t) \\\n"
            "    FM_LANES(t, add, a + b) FM_LANES(t, min, b < a ? b : a) FM_LANES(t, max, a < b ? b : a) \\\n"
            "    FM_FN t fm_subgroup_broadcast(t v, unsigned l) { return __shfl_sync(__activemask(), v, (int)l); }\n"
            "FM_LANES_OF(float)\nFM_LANES_OF(int)\nFM_LANES_OF(unsigned)\n",
        [FMI_MSL] = // those that come to it are counted: MSL gives the size to kernels alone, and helpers may ask, too
            "#define fm_subgroup_size simd_sum(1u)\n#define fm_subgroup_lane simd_prefix_exclusive_sum(1u)\n"
            "#define FM_LANES_OF(t) \\\n"
            "    FM_FN t fm_subgroup_add(t v) { return simd_sum(v); } \\\n"
            "    FM_FN t fm_subgroup_min(t v) { return simd_min(v); } \\\n"
            "    FM_FN t fm_subgroup_max(t v) { return simd_max(v); } \\\n"
            "    FM_FN t fm_subgroup_broadcast(t v, uint l) { return simd_broadcast(v, ushort(l)); }\n"
            "FM_LANES_OF(float)\nFM_LANES_OF(int)\nFM_LANES_OF(uint)\n"}},
    {FMI_PIECE_LANES_TOGETHER, 0, {[FMI_GLSL] =
        GLSL_LANES("float") GLSL_LANES("int") GLSL_LANES("uint")
        "#define fm_subgroup_size gl_SubgroupSize\n#define fm_subgroup_lane gl_SubgroupInvocationID\n"}},
    {FMI_PIECE_LANES_ALONE, 0, {[FMI_GLSL] =
        GLSL_ALONE("float") GLSL_ALONE("int") GLSL_ALONE("uint")
        "#define fm_subgroup_size 1u\n#define fm_subgroup_lane 0u\n"}},
    {FMI_PIECE_HALF, 0, {
        [FMI_C] = "float fm_half_to_float(unsigned short); unsigned short fm_float_to_half(float);\n",
        [FMI_CUDA] =
            "FM_FN float fm_half_to_float(unsigned short v) {\n"
            "    float f; asm(\"cvt.f32.f16 %0, %1;\" : \"=f\"(f) : \"h\"(v)); return f;\n"
            "}\n"
            "FM_FN unsigned short fm_float_to_half(float v) {\n"
            "    unsigned short h; asm(\"cvt.rn.f16.f32 %0, %1;\" : \"=h\"(h) : \"f\"(v)); return h;\n"
            "}\n"}},
    {FMI_PIECE_BF16, FMI_PIECE_BITS, {
        [FMI_GLSL] =
            "uint fm_float_to_bf16(float v) {\n"
            "    uint b = floatBitsToUint(v);\n"
            "    if ((b & 0x7fffffffu) > 0x7f800000u) return b >> 16 | 64u;\n"
            "    return (b + 0x7fffu + (b >> 16 & 1u)) >> 16;\n"
            "}\n",
        C_FAMILY(
            "FM_FN float fm_bf16_to_float(unsigned short v) { return fm_as_float((unsigned)v << 16); }\n"
            "FM_FN unsigned short fm_float_to_bf16(float v) {\n"
            "    unsigned b = fm_as_uint(v);\n"
            "    if ((b & 0x7fffffffu) > 0x7f800000u) return (unsigned short)(b >> 16 | 64u);\n"
            "    return (unsigned short)((b + 0x7fffu + (b >> 16 & 1u)) >> 16);\n"
            "}\n")}},
};

static const char *const words[] = {
    [FMI_GLSL] = "",
    [FMI_C] = "#define FM_FN static inline\n#define FM_LONG long long\n#define FM_BOOL _Bool\n",
    [FMI_CUDA] =
        "#define FM_FN static __device__ __forceinline__\n#define FM_LONG long long\n#define FM_BOOL bool\n"
        DIVISION_FUNCTIONS("FM_DIVISION_INTO(, t, n)"),
    [FMI_MSL] =
        "#define FM_FN static inline\n#define FM_LONG long\n#define FM_BOOL bool\n#define FM_NO_DOUBLE\n"
        DIVISION_FUNCTIONS(
            "FM_DIVISION_INTO(device, t, n) FM_DIVISION_INTO(threadgroup, t, n) FM_DIVISION_INTO(thread, t, n)"),
};
// clang-format on

void fmi_prelude_write(const fmi_print *print, fmi_dialect_kind dialect, fmi_text *out)
{
    const fmi_tree *tree = print->tree;
    uint32_t needed = tree->pieces;
    needed |= !(needed & FMI_PIECE_LANES) ? 0 : print->has_subgroups ? FMI_PIECE_LANES_TOGETHER : FMI_PIECE_LANES_ALONE;
    needed |= fmi_print_has_dtype(tree, FM_DTYPE_F16) ? FMI_PIECE_HALF : 0;
    needed |= fmi_print_has_dtype(tree, FM_DTYPE_BF16) ? FMI_PIECE_BF16 : 0;
    for (size_t i = sizeof pieces / sizeof pieces[0]; i-- > 0;) { // from the last, whose needs stand before it
        needed |= (needed & pieces[i].bits) == pieces[i].bits ? pieces[i].needs : 0;
    }
    fmi_text_append(out, words[dialect], needed ? strlen(words[dialect]) : 0);
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        const char *text = (needed & pieces[i].bits) == pieces[i].bits ? pieces[i].texts[dialect] : NULL;
        if (text) {
            fmi_text_append(out, text, strlen(text));
        }
    }
}
