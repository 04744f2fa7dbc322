// The dtypes of elements, one row each: what the library knows about one stands in its row.
// A new dtype is a row here, its enumerator, and, where a target has no word for the conversion, a function in prelude.c. No state; any thread.
#ifndef FMI_LANGUAGE_DTYPE_H
#define FMI_LANGUAGE_DTYPE_H

#include "language/vtype.h"

#include <fermata/device.h>

#include <stdint.h>

// A dtype in the words of one target. `@` in a conversion is what is converted; NULL: the element is the value.
typedef struct fmi_dtype_words {
    const char *element; // the type that lies in memory
    const char *load;    // element to value
    const char *store;   // value to element
} fmi_dtype_words;

typedef struct fmi_dtype_row {
    const char *name; // in sentences
    uint32_t size_bytes;
    fmi_vtype vtype;            // what the body sees
    bool is_storage;            // elements are converted at each load and store
    const char *glsl_extension; // NULL: needs none
    fmi_dtype_words words[FMI_DIALECT_COUNT];
} fmi_dtype_row;

// The table: a row a dtype, in the order of the enumerators, with a line for each target.
#define FMI_INT64_EXTENSION "GL_EXT_shader_explicit_arithmetic_types_int64"

// clang-format off
#define FMI_SAME_WORDS(glsl, c, cuda, msl) {{glsl, NULL, NULL}, {c, NULL, NULL}, {cuda, NULL, NULL}, {msl, NULL, NULL}}
#define FMI_DTYPES(ROW) \
    ROW(F32, "float", 4, FMI_VT_FLOAT, false, NULL, FMI_SAME_WORDS("float", "float", "float", "float")) \
    ROW(F16, "half", 2, FMI_VT_FLOAT, true, "GL_EXT_shader_16bit_storage", { \
        [FMI_GLSL] = {"float16_t", "float(@)", "float16_t(@)"}, \
        [FMI_C] = {"unsigned short", "fm_half_to_float(@)", "fm_float_to_half(@)"}, \
        [FMI_CUDA] = {"unsigned short", "fm_half_to_float(@)", "fm_float_to_half(@)"}, \
        [FMI_MSL] = {"half", "float(@)", "half(@)"}}) \
    ROW(I32, "int", 4, FMI_VT_INT, false, NULL, FMI_SAME_WORDS("int", "int", "int", "int")) \
    ROW(U32, "uint", 4, FMI_VT_UINT, false, NULL, FMI_SAME_WORDS("uint", "unsigned", "unsigned", "uint")) \
    ROW(I8, "int8", 1, FMI_VT_INT, true, "GL_EXT_shader_8bit_storage", { \
        [FMI_GLSL] = {"int8_t", "int(@)", "int8_t(@)"}, \
        [FMI_C] = {"signed char", "((int)@)", "(signed char)(@)"}, \
        [FMI_CUDA] = {"signed char", "((int)@)", "(signed char)(@)"}, \
        [FMI_MSL] = {"char", "int(@)", "char(@)"}}) \
    ROW(U8, "uint8", 1, FMI_VT_UINT, true, "GL_EXT_shader_8bit_storage", { \
        [FMI_GLSL] = {"uint8_t", "uint(@)", "uint8_t(@)"}, \
        [FMI_C] = {"unsigned char", "((unsigned)@)", "(unsigned char)(@)"}, \
        [FMI_CUDA] = {"unsigned char", "((unsigned)@)", "(unsigned char)(@)"}, \
        [FMI_MSL] = {"uchar", "uint(@)", "uchar(@)"}}) \
    ROW(BF16, "bfloat16", 2, FMI_VT_FLOAT, true, "GL_EXT_shader_16bit_storage", { \
        [FMI_GLSL] = {"uint16_t", "uintBitsToFloat(uint(@) << 16)", "uint16_t(fm_float_to_bf16(@))"}, \
        [FMI_C] = {"unsigned short", "fm_bf16_to_float(@)", "fm_float_to_bf16(@)"}, \
        [FMI_CUDA] = {"unsigned short", "fm_bf16_to_float(@)", "fm_float_to_bf16(@)"}, \
        [FMI_MSL] = {"ushort", "fm_bf16_to_float(@)", "fm_float_to_bf16(@)"}}) \
    ROW(I64, "long", 8, FMI_VT_LONG, false, FMI_INT64_EXTENSION, \
        FMI_SAME_WORDS("int64_t", "long long", "long long", "long")) \
    ROW(U64, "ulong", 8, FMI_VT_ULONG, false, FMI_INT64_EXTENSION, \
        FMI_SAME_WORDS("uint64_t", "unsigned long long", "unsigned long long", "ulong")) \
    ROW(F64, "double", 8, FMI_VT_DOUBLE, false, NULL, FMI_SAME_WORDS("double", "double", "double", "double"))
// clang-format on

// The numbers of dtypes as the rows count them, and one more than the last.
#define FMI_PLACE_OF(dtype, ...) FMI_PLACE_OF_##dtype,
enum { FMI_PLACE_OF_NONE, FMI_DTYPES(FMI_PLACE_OF) FMI_DTYPE_END };
#undef FMI_PLACE_OF

#define FMI_DTYPE_MASK ((1u << FMI_DTYPE_END) - 2) // a bit (1 << fm_dtype) each

// The row of a dtype; of FM_DTYPE_NONE, and of a number that is no dtype, one without a name, of FMI_VT_ANY.
const fmi_dtype_row *fmi_dtype_get(fm_dtype dtype);

// Places one more constant as a C struct does: returns its offset and moves `*at_bytes` behind it.
uint32_t fmi_dtype_place(fm_dtype dtype, uint32_t *at_bytes);

#endif
