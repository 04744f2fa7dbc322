// The tables of words. See vocabulary.h.
// Searched from front to back, once for each spelling of a text (names.h); most words differ in the first letter.
#include "language/vocabulary.h"

#include <string.h>

// clang-format off
static const struct {
    const char *name;
    uint8_t kind;
    uint8_t code;
} words[] = {
    {"if", FMI_TERM_KEYWORD, FMI_KEYWORD_IF}, {"else", FMI_TERM_KEYWORD, FMI_KEYWORD_ELSE},
    {"for", FMI_TERM_KEYWORD, FMI_KEYWORD_FOR}, {"while", FMI_TERM_KEYWORD, FMI_KEYWORD_WHILE},
    {"do", FMI_TERM_KEYWORD, FMI_KEYWORD_DO}, {"break", FMI_TERM_KEYWORD, FMI_KEYWORD_BREAK},
    {"continue", FMI_TERM_KEYWORD, FMI_KEYWORD_CONTINUE}, {"return", FMI_TERM_KEYWORD, FMI_KEYWORD_RETURN},
    {"const", FMI_TERM_KEYWORD, FMI_KEYWORD_CONST},
    {"void", FMI_TERM_TYPE, FMI_VT_VOID}, {"float", FMI_TERM_TYPE, FMI_VT_FLOAT}, {"int", FMI_TERM_TYPE, FMI_VT_INT},
    {"uint", FMI_TERM_TYPE, FMI_VT_UINT}, {"long", FMI_TERM_TYPE, FMI_VT_LONG},
    {"ulong", FMI_TERM_TYPE, FMI_VT_ULONG}, {"bool", FMI_TERM_TYPE, FMI_VT_BOOL},
    {"double", FMI_TERM_TYPE, FMI_VT_DOUBLE},
    {"INFINITY", FMI_TERM_VALUE, FMI_VALUE_INFINITY}, {"NAN", FMI_TERM_VALUE, FMI_VALUE_NAN},
    {"subgroup_size", FMI_TERM_VALUE, FMI_VALUE_SUBGROUP_SIZE},
    {"subgroup_lane", FMI_TERM_VALUE, FMI_VALUE_SUBGROUP_LANE},
    {"true", FMI_TERM_LITERAL, 1}, {"false", FMI_TERM_LITERAL, 0},
    {"global_id", FMI_TERM_ID, FMI_ID_GLOBAL}, {"local_id", FMI_TERM_ID, FMI_ID_LOCAL},
    {"group_id", FMI_TERM_ID, FMI_ID_GROUP}, {"group_count", FMI_TERM_ID, FMI_ID_COUNT},
    {"group_size", FMI_TERM_ID, FMI_ID_SIZE},
    {"barrier", FMI_TERM_BARRIER, 0},
};

static const char *const c_words[] = {
    "auto", "case", "char", "default", "enum", "extern", "goto", "inline", "register", "restrict", "short",
    "signed", "sizeof", "static", "struct", "switch", "typedef", "union", "unsigned", "volatile", "asm", "typeof",
    "_Alignas", "_Alignof", "_Atomic", "_Bool", "_Complex", "_Generic", "_Imaginary", "_Noreturn", "_Static_assert",
    "_Thread_local", "__asm__", "__asm", "__attribute__", "__attribute", "__typeof__", "__typeof", "__extension__",
    "__builtin_va_list", "__label__",
};

static const char *const glsl_words[] = {
    "active", "atomic_uint", "attribute", "buffer", "cast", "centroid", "class", "coherent", "common", "demote",
    "discard", "external", "filter", "fixed", "flat", "float16_t", "float32_t", "float64_t", "half", "highp",
    "hvec2", "hvec3", "hvec4", "image1D", "image2D", "image3D", "in", "inout", "input", "int16_t", "int32_t",
    "int64_t", "int8_t", "interface", "invariant", "layout", "lowp", "mediump", "namespace", "noinline",
    "noperspective", "nonuniformEXT", "out", "output", "partition", "patch", "precise", "precision", "public",
    "readonly", "resource", "sample", "sampler", "sampler1D", "sampler2D", "sampler3D", "shared", "smooth",
    "subpassInput", "subroutine", "superp", "template", "texture1D", "texture2D", "texture3D", "this", "uint16_t",
    "uint32_t", "uint64_t", "uint8_t", "uniform", "using", "varying", "workgroupcoherent", "writeonly", "vec2",
    "vec3", "vec4", "ivec2", "ivec3", "ivec4", "uvec2", "uvec3", "uvec4", "bvec2", "bvec3", "bvec4", "dvec2",
    "dvec3", "dvec4", "mat2", "mat3", "mat4", "mat2x2", "mat2x3", "mat2x4", "mat3x2", "mat3x3", "mat3x4", "mat4x2",
    "mat4x3", "mat4x4", "dmat2", "dmat3", "dmat4",
};
// clang-format on

static bool is_same(const char *word, const char *name, size_t length)
{
    return word[0] == name[0] && strncmp(word, name, length) == 0 && word[length] == 0;
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

fmi_term fmi_term_find(const char *name, size_t length)
{
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (is_same(words[i].name, name, length)) {
            return (fmi_term){.kind = words[i].kind, .code = words[i].code};
        }
    }
    for (size_t i = 0; fmi_builtin_get(i); i++) {
        const fmi_builtin *builtin = fmi_builtin_get(i);
        if (is_same(builtin->name, name, length)) {
            bool is_atomic = builtin->shape == FMI_SHAPE_ATOMIC;
            return (fmi_term){.kind = is_atomic ? FMI_TERM_ATOMIC : FMI_TERM_FUNCTION, .builtin = builtin};
        }
    }
    bool is_of_c = is_in(c_words, sizeof c_words / sizeof c_words[0], name, length);
    bool is_foreign = is_of_c || is_in(glsl_words, sizeof glsl_words / sizeof glsl_words[0], name, length);
    return (fmi_term){.kind = is_foreign ? FMI_TERM_FOREIGN : FMI_TERM_NONE, .is_of_c = is_of_c};
}

const char *fmi_id_name(fmi_id id)
{
    static const char *const names[] = {[FMI_ID_GLOBAL] = "global_id",
                                        [FMI_ID_LOCAL] = "local_id",
                                        [FMI_ID_GROUP] = "group_id",
                                        [FMI_ID_COUNT] = "group_count",
                                        [FMI_ID_SIZE] = "group_size"};
    return names[id];
}

const char *fmi_term_of_target(const char *name, size_t length)
{
    for (size_t i = 0; fmi_builtin_get(i); i++) {
        const fmi_builtin *builtin = fmi_builtin_get(i);
        for (int dialect = 0; dialect < FMI_DIALECT_COUNT; dialect++) {
            if (builtin->words[dialect] && is_same(builtin->words[dialect], name, length)) {
                return builtin->name;
            }
        }
    }
    for (fmi_vtype type = FMI_VT_BOOL; type < FMI_VT_COUNT; type++) {
        for (int dialect = 0; dialect < FMI_DIALECT_COUNT; dialect++) {
            const char *word = fmi_vtype_word(type, (fmi_dialect_kind)dialect);
            if (is_same(word, name, length) && strcmp(word, fmi_vtype_name(type)) != 0) {
                return fmi_vtype_name(type);
            }
        }
    }
    return NULL;
}

bool fmi_term_is_free(const char *name, size_t length)
{
    return length < 3 || (strncmp(name, "fm_", 3) != 0 && strncmp(name, "gl_", 3) != 0);
}
