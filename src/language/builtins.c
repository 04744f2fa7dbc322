// The table of built-in functions. See builtins.h.
// A row stands on one line, so that a function is added by adding one.
#include "language/builtins.h"

// clang-format off
#define REALS(name, arity) ROW(name, REALS, arity, FMI_PIECE_MATH, NULL, name "f", name "f", NULL)
#define ROW(name, shape, arity, pieces, glsl, c, cuda, msl) {name, FMI_SHAPE_##shape, arity, false, pieces, {glsl, c, cuda, msl}}
#define MATH(name, arity, glsl, cuda_and_c) ROW(name, FLOATS, arity, FMI_PIECE_MATH, glsl, cuda_and_c, cuda_and_c, NULL)
#define ELEMENTARY(name, arity, piece, cuda_and_c) ROW(name, FLOATS, arity, FMI_PIECE_MATH | piece, "fm_" name, cuda_and_c, cuda_and_c, NULL)
#define ATOMIC(name, glsl, arity, cuda) ROW(name, ATOMIC, arity, FMI_PIECE_ATOMICS, glsl, "fm_" name "_", cuda, "fm_" name)
#define LANES(name, arity) ROW(name, LANES, arity, FMI_PIECE_LANES, "fm_" name, "fm_" name "_", "fm_" name, "fm_" name)
#define HELPER(name, shape, arity, pieces) ROW(name, shape, arity, pieces, "fm_" name, "fm_" name, "fm_" name, "fm_" name)

static const fmi_builtin rows[] = {
    {"abs", FMI_SHAPE_NUMBERS, 1, true, FMI_PIECE_ABS, {NULL, "fm_abs_", "fm_abs_", "fm_abs_"}},
    ROW("min", NUMBERS, 2, FMI_PIECE_ORDER, "fm_min_", "fm_min_", "fm_min_", "fm_min_"),
    ROW("max", NUMBERS, 2, FMI_PIECE_ORDER, "fm_max_", "fm_max_", "fm_max_", "fm_max_"),
    ROW("clamp", NUMBERS, 3, FMI_PIECE_ORDER, "fm_clamp_", "fm_clamp_", "fm_clamp_", "fm_clamp_"),
    REALS("fma", 3),
    REALS("sqrt", 1),
    ROW("rsqrt", FLOATS, 1, FMI_PIECE_MATH, "inversesqrt", "fm_rsqrt", "rsqrtf", NULL),
    ELEMENTARY("exp", 1, FMI_PIECE_POWERS, "expf"),
    ELEMENTARY("exp2", 1, FMI_PIECE_POWERS, "exp2f"),
    ELEMENTARY("log", 1, FMI_PIECE_POWERS, "logf"),
    ELEMENTARY("log2", 1, FMI_PIECE_POWERS, "log2f"),
    ELEMENTARY("pow", 2, FMI_PIECE_POWERS, "powf"),
    ELEMENTARY("sin", 1, FMI_PIECE_ANGLES, "sinf"),
    ELEMENTARY("cos", 1, FMI_PIECE_ANGLES, "cosf"),
    ELEMENTARY("tan", 1, FMI_PIECE_ANGLES, "tanf"),
    ELEMENTARY("asin", 1, FMI_PIECE_ARCS, "asinf"),
    ELEMENTARY("acos", 1, FMI_PIECE_ARCS, "acosf"),
    ELEMENTARY("atan", 1, FMI_PIECE_ARCS, "atanf"),
    ELEMENTARY("tanh", 1, FMI_PIECE_TANH, "tanhf"),
    REALS("floor", 1),
    REALS("ceil", 1),
    REALS("trunc", 1),
    MATH("rint", 1, "roundEven", "rintf"),
    HELPER("fract", FLOATS, 1, FMI_PIECE_FRACT),
    HELPER("sign", FLOATS, 1, FMI_PIECE_SIGN),
    HELPER("mix", FLOATS, 3, FMI_PIECE_MIX),
    HELPER("isnan", REAL_TO_BOOL, 1, FMI_PIECE_CLASS),
    HELPER("isinf", REAL_TO_BOOL, 1, FMI_PIECE_CLASS),
    ROW("round", FLOATS, 1, FMI_PIECE_MATH | FMI_PIECE_ROUND, "fm_round", "roundf", "roundf", NULL),
    ROW("fmod", FLOATS, 2, FMI_PIECE_MATH | FMI_PIECE_ROUND, "fm_fmod", "fmodf", "fmodf", NULL),
    ROW("exp10", FLOATS, 1, FMI_PIECE_MATH | FMI_PIECE_EXP, "fm_exp10", "fm_exp10", "exp10f", NULL),
    ROW("sinh", FLOATS, 1, FMI_PIECE_MATH | FMI_PIECE_EXP, "fm_sinh", "sinhf", "sinhf", NULL),
    ROW("cosh", FLOATS, 1, FMI_PIECE_MATH | FMI_PIECE_EXP, "fm_cosh", "coshf", "coshf", NULL),
    ROW("erf", FLOATS, 1, FMI_PIECE_MATH | FMI_PIECE_EXP, "fm_erf", "erff", "erff", "fm_erf"),
    ROW("atan2", FLOATS, 2, FMI_PIECE_MATH | FMI_PIECE_ARCS, "fm_atan2", "atan2f", "atan2f", NULL),
    ROW("clz", INTEGER_TO_UINT, 1, FMI_PIECE_COUNT, "fm_clz_", "fm_clz_", "fm_clz_", "fm_clz_"),
    ROW("ctz", INTEGER_TO_UINT, 1, FMI_PIECE_COUNT, "fm_ctz_", "fm_ctz_", "fm_ctz_", "fm_ctz_"),
    HELPER("min_nan", FLOATS, 2, FMI_PIECE_LIMITS),
    HELPER("max_nan", FLOATS, 2, FMI_PIECE_LIMITS),
    HELPER("int_sat", FLOAT_TO_INT, 1, FMI_PIECE_LIMITS),
    HELPER("uint_sat", FLOAT_TO_UINT, 1, FMI_PIECE_LIMITS),
    HELPER("long_sat", FLOAT_TO_LONG, 1, FMI_PIECE_LIMITS | FMI_PIECE_LONG_LIMITS),
    HELPER("ulong_sat", FLOAT_TO_ULONG, 1, FMI_PIECE_LIMITS | FMI_PIECE_LONG_LIMITS),
    ROW("popcount", UINT_TO_UINT, 1, FMI_PIECE_POPCOUNT, "fm_popcount", "fm_popcount", "__popc", NULL),
    ROW("as_uint", FLOAT_TO_UINT, 1, FMI_PIECE_BITS, "floatBitsToUint", "fm_as_uint", "__float_as_uint", "as_type<uint>"),
    ROW("as_int", FLOAT_TO_INT, 1, FMI_PIECE_BITS, "floatBitsToInt", "fm_as_int", "__float_as_int", "as_type<int>"),
    ROW("as_float", UINT_TO_FLOAT, 1, FMI_PIECE_BITS, "uintBitsToFloat", "fm_as_float", "__uint_as_float", "as_type<float>"),
    LANES("subgroup_add", 1),
    LANES("subgroup_min", 1),
    LANES("subgroup_max", 1),
    LANES("subgroup_broadcast", 2),
    ATOMIC("atomic_add", "atomicAdd", 2, "atomicAdd"),
    ATOMIC("atomic_min", "atomicMin", 2, "atomicMin"),
    ATOMIC("atomic_max", "atomicMax", 2, "atomicMax"),
    ATOMIC("atomic_and", "atomicAnd", 2, "atomicAnd"),
    ATOMIC("atomic_or", "atomicOr", 2, "atomicOr"),
    ATOMIC("atomic_xor", "atomicXor", 2, "atomicXor"),
    ATOMIC("atomic_exchange", "atomicExchange", 2, "atomicExch"),
    ATOMIC("atomic_compare_exchange", "atomicCompSwap", 3, "atomicCAS"),
};
// clang-format on

const fmi_builtin *fmi_builtin_get(size_t index)
{
    return index < sizeof rows / sizeof rows[0] ? &rows[index] : NULL;
}

const char *fmi_builtin_word(const fmi_builtin *builtin, fmi_dialect_kind dialect)
{
    return builtin->words[dialect] ? builtin->words[dialect] : builtin->name;
}
