// The table of the language's words. See words.h.
// Words of C and GLSL that the language lacks stand in two more lists: a body that used them would run on one target only.
// Searched from front to back: a body has a few hundred names at most.
#include "kernel/words.h"

#include <string.h>

// clang-format off
#define SAME(word) {word, NULL, NULL, 0, FMI_WORD_KEYWORD, 0, 0}
#define PLAIN(word, glsl, c, feature, kind) {word, glsl, c, feature, kind, 0, 0}
#define FUNCTION(word, glsl, c, shape, arity) {word, glsl, c, 0, FMI_WORD_FUNCTION, arity, shape}
#define HELPED(word, c, shape, arity) {word, "fm_" word, c, FMI_USES_MATH, FMI_WORD_FUNCTION, arity, shape}
#define WRITTEN(word, c, feature, shape, arity) {word, "fm_" word, c, FMI_USES_##feature, FMI_WORD_FUNCTION, arity, shape}
#define VALUE(word, glsl, c, feature, shape) {word, glsl, c, feature, FMI_WORD_VALUE, 0, shape}
#define ELEMENTARY(word, c, feature, arity) {word, "fm_" word, c, FMI_USES_##feature, FMI_WORD_FUNCTION, arity, 'f'}
#define ATOMIC(word, glsl, arity) {word, glsl, "fm_" word, 0, FMI_WORD_ATOMIC, arity, 0}

static const fmi_word words[] = {
    SAME("if"), SAME("else"), SAME("for"), SAME("while"), SAME("do"), SAME("break"), SAME("continue"), SAME("const"),
    SAME("void"),
    PLAIN("return", NULL, NULL, 0, FMI_WORD_RETURN),
    PLAIN("float", NULL, "float", 0, FMI_WORD_TYPE),
    PLAIN("int", NULL, "int", 0, FMI_WORD_TYPE),
    PLAIN("uint", NULL, "unsigned", 0, FMI_WORD_TYPE),
    PLAIN("long", "int64_t", "long long", FMI_USES_INT64, FMI_WORD_TYPE),
    PLAIN("ulong", "uint64_t", "unsigned long long", FMI_USES_INT64, FMI_WORD_TYPE),
    PLAIN("double", NULL, "double", FMI_USES_FLOAT64, FMI_WORD_TYPE),
    PLAIN("bool", NULL, "_Bool", 0, FMI_WORD_TYPE),
    PLAIN("true", NULL, "1", 0, FMI_WORD_LITERAL),
    PLAIN("false", NULL, "0", 0, FMI_WORD_LITERAL),
    PLAIN("global_id", "fm_global_id", "fm_global_id", FMI_USES_GLOBAL_ID, FMI_WORD_ID),
    PLAIN("local_id", "gl_LocalInvocationID", "fm_local_id", FMI_USES_LOCAL_ID, FMI_WORD_ID),
    PLAIN("group_id", "fm_group_id", "fm_group_id", FMI_USES_GROUP_ID, FMI_WORD_ID),
    PLAIN("group_count", "fm_group_count", "fm_group_count", FMI_USES_GROUP_COUNT, FMI_WORD_ID),
    PLAIN("group_size", NULL, NULL, 0, FMI_WORD_ID), // becomes a number
    PLAIN("barrier", NULL, "fm_barrier_at", FMI_USES_BARRIER, FMI_WORD_BARRIER),
    {"abs", "fm_abs", "fm_abs", FMI_USES_ABS, FMI_WORD_FUNCTION, 1, 'n'},
    FUNCTION("min", NULL, "fm_min", 'n', 2), FUNCTION("max", NULL, "fm_max", 'n', 2),
    FUNCTION("clamp", NULL, "fm_clamp", 'n', 3),
    FUNCTION("fma", NULL, "fmaf", 'g', 3), FUNCTION("sqrt", NULL, "sqrtf", 'g', 1),
    FUNCTION("rsqrt", "inversesqrt", "fm_rsqrt", 'f', 1),
    ELEMENTARY("exp", "expf", POWERS, 1), ELEMENTARY("exp2", "exp2f", POWERS, 1), ELEMENTARY("log", "logf", POWERS, 1),
    ELEMENTARY("log2", "log2f", POWERS, 1), ELEMENTARY("pow", "powf", POWERS, 2),
    ELEMENTARY("sin", "sinf", ANGLES, 1), ELEMENTARY("cos", "cosf", ANGLES, 1), ELEMENTARY("tan", "tanf", ANGLES, 1),
    ELEMENTARY("asin", "asinf", ARCS, 1), ELEMENTARY("acos", "acosf", ARCS, 1), ELEMENTARY("atan", "atanf", ARCS, 1),
    ELEMENTARY("tanh", "tanhf", TANH, 1),
    FUNCTION("floor", NULL, "floorf", 'g', 1), FUNCTION("ceil", NULL, "ceilf", 'g', 1),
    FUNCTION("trunc", NULL, "truncf", 'g', 1), FUNCTION("rint", "roundEven", "rintf", 'f', 1),
    HELPED("fract", "fm_fract", 'f', 1), HELPED("sign", "fm_sign", 'f', 1), HELPED("mix", "fm_mix", 'f', 3),
    HELPED("isnan", "fm_isnan", 'b', 1), HELPED("isinf", "fm_isinf", 'b', 1),
    HELPED("popcount", "fm_popcount", 'c', 1),
    WRITTEN("round", "roundf", ROUNDING, 'f', 1), WRITTEN("fmod", "fmodf", ROUNDING, 'f', 2),
    WRITTEN("exp10", "fm_exp10", EXPONENTIAL, 'f', 1), WRITTEN("sinh", "sinhf", EXPONENTIAL, 'f', 1),
    WRITTEN("cosh", "coshf", EXPONENTIAL, 'f', 1), WRITTEN("erf", "erff", EXPONENTIAL, 'f', 1),
    WRITTEN("atan2", "atan2f", ATAN2, 'f', 2),
    WRITTEN("clz", "fm_clz", BITS, 'z', 1), WRITTEN("ctz", "fm_ctz", BITS, 'z', 1),
    WRITTEN("min_nan", "fm_min_nan", LIMITS, 'f', 2), WRITTEN("max_nan", "fm_max_nan", LIMITS, 'f', 2),
    WRITTEN("int_sat", "fm_int_sat", LIMITS, 'I', 1), WRITTEN("uint_sat", "fm_uint_sat", LIMITS, 'U', 1),
    WRITTEN("long_sat", "fm_long_sat", LIMITS | FMI_USES_INT64, 'L', 1),
    WRITTEN("ulong_sat", "fm_ulong_sat", LIMITS | FMI_USES_INT64, 'M', 1),
    VALUE("INFINITY", "(1.0 / 0.0)", "((float)1e300)", 0, 'f'), VALUE("NAN", "(0.0 / 0.0)", "(0.0f / 0.0f)", 0, 'f'),
    WRITTEN("subgroup_add", "fm_subgroup_add", SUBGROUPS, 'w', 1), WRITTEN("subgroup_min", "fm_subgroup_min", SUBGROUPS, 'w', 1),
    WRITTEN("subgroup_max", "fm_subgroup_max", SUBGROUPS, 'w', 1),
    WRITTEN("subgroup_broadcast", "fm_subgroup_broadcast", SUBGROUPS, 'W', 2),
    VALUE("subgroup_size", "fm_subgroup_size", "1u", FMI_USES_SUBGROUPS, 'u'),
    VALUE("subgroup_lane", "fm_subgroup_lane", "0u", FMI_USES_SUBGROUPS, 'u'),
    FUNCTION("as_uint", "floatBitsToUint", "fm_as_uint", 'u', 1),
    FUNCTION("as_int", "floatBitsToInt", "fm_as_int", 'i', 1),
    FUNCTION("as_float", "uintBitsToFloat", "fm_as_float", 'v', 1),
    ATOMIC("atomic_add", "atomicAdd", 2), ATOMIC("atomic_min", "atomicMin", 2), ATOMIC("atomic_max", "atomicMax", 2),
    ATOMIC("atomic_and", "atomicAnd", 2), ATOMIC("atomic_or", "atomicOr", 2), ATOMIC("atomic_xor", "atomicXor", 2),
    ATOMIC("atomic_exchange", "atomicExchange", 2), ATOMIC("atomic_compare_exchange", "atomicCompSwap", 3),
};

static const char *const c_words[] = {
    "auto", "case", "char", "default", "enum", "extern", "goto", "inline", "register", "restrict", "short", "signed", "sizeof",
    "static", "struct", "switch", "typedef", "union", "unsigned", "volatile", "asm", "typeof", "_Alignas", "_Alignof", "_Atomic", "_Bool",
    "_Complex", "_Generic", "_Imaginary", "_Noreturn", "_Static_assert", "_Thread_local", "__asm__", "__asm", "__attribute__",
    "__attribute", "__typeof__", "__typeof", "__extension__", "__builtin_va_list", "__label__",
};

static const char *const glsl_words[] = {
    "active", "atomic_uint", "attribute", "buffer", "cast", "centroid", "class", "coherent", "common", "demote", "discard",
    "external", "filter", "fixed", "flat", "float16_t", "float32_t", "float64_t", "half", "highp", "hvec2", "hvec3", "hvec4", "image1D",
    "image2D", "image3D", "in", "inout", "input", "int16_t", "int32_t", "int64_t", "int8_t", "interface", "invariant", "layout",
    "lowp", "mediump", "namespace", "noinline", "noperspective", "nonuniformEXT", "out", "output", "partition", "patch", "precise",
    "precision", "public", "readonly", "resource", "sample", "sampler", "sampler1D", "sampler2D", "sampler3D", "shared", "smooth",
    "subpassInput", "subroutine", "superp", "template", "texture1D", "texture2D", "texture3D", "this", "uint16_t", "uint32_t",
    "uint64_t", "uint8_t", "uniform", "using", "varying", "workgroupcoherent", "writeonly", "vec2", "vec3", "vec4", "ivec2",
    "ivec3", "ivec4", "uvec2", "uvec3", "uvec4", "bvec2", "bvec3", "bvec4", "dvec2", "dvec3", "dvec4", "mat2", "mat3", "mat4",
    "mat2x2", "mat2x3", "mat2x4", "mat3x2", "mat3x3", "mat3x4", "mat4x2", "mat4x3", "mat4x4", "dmat2", "dmat3", "dmat4",
};
// clang-format on

static bool is_same(const char *word, const char *name, size_t length)
{
    return word[0] == name[0] && strncmp(word, name, length) == 0 &&
           word[length] == 0; // most differ in the first letter
}

static bool is_in(const char *const *list, size_t count, const char *name, size_t length)
{
    for (size_t i = 0; i < count; i++) {
        if (is_same(list[i], name, length)) {
            return true;
        }
    }
    return false;
}

const fmi_word *fmi_word_find(const char *name, size_t length)
{
    static const fmi_word c_word = {.kind = FMI_WORD_C};
    static const fmi_word glsl_word = {.kind = FMI_WORD_GLSL};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (is_same(words[i].name, name, length)) {
            return &words[i];
        }
    }
    if (is_in(c_words, sizeof c_words / sizeof c_words[0], name, length)) {
        return &c_word;
    }
    if (is_in(glsl_words, sizeof glsl_words / sizeof glsl_words[0], name, length)) {
        return &glsl_word;
    }
    return NULL;
}

const fmi_word *fmi_word_at(size_t index)
{
    return index < sizeof words / sizeof words[0] ? &words[index] : NULL;
}

const char *fmi_word_of_target(const char *name, size_t length)
{
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        const fmi_word *word = &words[i];
        bool is_translated =
            word->kind == FMI_WORD_FUNCTION || word->kind == FMI_WORD_ATOMIC || word->kind == FMI_WORD_TYPE;
        if (is_translated &&
            ((word->glsl && is_same(word->glsl, name, length)) || (word->c && is_same(word->c, name, length)))) {
            return word->name;
        }
    }
    return NULL;
}

bool fmi_word_has_free_prefix(const char *name, size_t length)
{
    return length < 3 || (strncmp(name, "fm_", 3) != 0 && strncmp(name, "gl_", 3) != 0);
}
