// The table of dtypes. See dtype.h.
// Rows are laid out as a table, one dtype after the other, and a line for each target.
#include "language/dtype.h"

#define INT64_EXTENSION "GL_EXT_shader_explicit_arithmetic_types_int64"

// clang-format off
#define SAME(glsl, c, cuda, msl) {{glsl, NULL, NULL}, {c, NULL, NULL}, {cuda, NULL, NULL}, {msl, NULL, NULL}}
static const fmi_dtype_row rows[] = {
    [FM_DTYPE_NONE] = {.vtype = FMI_VT_ANY},
    [FM_DTYPE_F32] = {"float", 4, FMI_VT_FLOAT, false, NULL, SAME("float", "float", "float", "float")},
    [FM_DTYPE_F16] = {"half", 2, FMI_VT_FLOAT, true, "GL_EXT_shader_16bit_storage", {
        [FMI_GLSL] = {"float16_t", "float(@)", "float16_t(@)"},
        [FMI_C] = {"unsigned short", "fm_half_to_float(@)", "fm_float_to_half(@)"},
        [FMI_CUDA] = {"unsigned short", "fm_half_to_float(@)", "fm_float_to_half(@)"},
        [FMI_MSL] = {"half", "float(@)", "half(@)"}}},
    [FM_DTYPE_I32] = {"int", 4, FMI_VT_INT, false, NULL, SAME("int", "int", "int", "int")},
    [FM_DTYPE_U32] = {"uint", 4, FMI_VT_UINT, false, NULL, SAME("uint", "unsigned", "unsigned", "uint")},
    [FM_DTYPE_I8] = {"int8", 1, FMI_VT_INT, true, "GL_EXT_shader_8bit_storage", {
        [FMI_GLSL] = {"int8_t", "int(@)", "int8_t(@)"},
        [FMI_C] = {"signed char", "((int)@)", "(signed char)(@)"},
        [FMI_CUDA] = {"signed char", "((int)@)", "(signed char)(@)"},
        [FMI_MSL] = {"char", "int(@)", "char(@)"}}},
    [FM_DTYPE_U8] = {"uint8", 1, FMI_VT_UINT, true, "GL_EXT_shader_8bit_storage", {
        [FMI_GLSL] = {"uint8_t", "uint(@)", "uint8_t(@)"},
        [FMI_C] = {"unsigned char", "((unsigned)@)", "(unsigned char)(@)"},
        [FMI_CUDA] = {"unsigned char", "((unsigned)@)", "(unsigned char)(@)"},
        [FMI_MSL] = {"uchar", "uint(@)", "uchar(@)"}}},
    [FM_DTYPE_BF16] = {"bfloat16", 2, FMI_VT_FLOAT, true, "GL_EXT_shader_16bit_storage", {
        [FMI_GLSL] = {"uint16_t", "uintBitsToFloat(uint(@) << 16)", "uint16_t(fm_float_to_bf16(@))"},
        [FMI_C] = {"unsigned short", "fm_bf16_to_float(@)", "fm_float_to_bf16(@)"},
        [FMI_CUDA] = {"unsigned short", "fm_bf16_to_float(@)", "fm_float_to_bf16(@)"},
        [FMI_MSL] = {"ushort", "fm_bf16_to_float(@)", "fm_float_to_bf16(@)"}}},
    [FM_DTYPE_I64] = {"long", 8, FMI_VT_LONG, false, INT64_EXTENSION, SAME("int64_t", "long long", "long long", "long")},
    [FM_DTYPE_F64] = {"double", 8, FMI_VT_DOUBLE, false, NULL, SAME("double", "double", "double", "double")},
    [FM_DTYPE_U64] = {"ulong", 8, FMI_VT_ULONG, false, INT64_EXTENSION,
                      SAME("uint64_t", "unsigned long long", "unsigned long long", "ulong")},
};
// clang-format on

const fmi_dtype_row *fmi_dtype_get(fm_dtype dtype)
{
    return &rows[(unsigned)dtype < sizeof rows / sizeof rows[0] ? dtype : FM_DTYPE_NONE];
}

uint32_t fmi_dtype_place(fm_dtype dtype, uint32_t *at_bytes)
{
    uint32_t size = fmi_dtype_get(dtype)->size_bytes;
    uint32_t offset = (*at_bytes + size - 1) / size * size;
    *at_bytes = offset + size;
    return offset;
}
