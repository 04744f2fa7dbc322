// Portable kernel to GLSL: the argument block, the buffers, the shared arrays and `main` around the translated body.
// The arrangement of arguments is the one that fmi_kernel_code describes; bindings may alias, so nothing is `restrict`.
// One function a part of the shader, in the order in which they appear in it.
#include "kernel/generate.h"

#include "backend/backend.h"
#include "base/error.h"
#include "kernel/elementary.h"
#include "kernel/prelude.h"

#define INT64_EXTENSION "GL_EXT_shader_explicit_arithmetic_types_int64"

// A dtype's element in GLSL, and the extension that lets it stand in a buffer.
static const struct {
    const char *type;
    const char *extension;
} elements[] = {
    [FM_DTYPE_F32] = {"float", NULL},
    [FM_DTYPE_F16] = {"float16_t", "GL_EXT_shader_16bit_storage"},
    [FM_DTYPE_I32] = {"int", NULL},
    [FM_DTYPE_U32] = {"uint", NULL},
    [FM_DTYPE_I8] = {"int8_t", "GL_EXT_shader_8bit_storage"},
    [FM_DTYPE_U8] = {"uint8_t", "GL_EXT_shader_8bit_storage"},
    [FM_DTYPE_BF16] = {"uint16_t", "GL_EXT_shader_16bit_storage"},
    [FM_DTYPE_I64] = {"int64_t", INT64_EXTENSION},
    [FM_DTYPE_U64] = {"uint64_t", INT64_EXTENSION},
    [FM_DTYPE_F64] = {"double", NULL},
};

static const char *const access_words[] = {
    [FM_ACCESS_READ] = "readonly ",
    [FM_ACCESS_WRITE] = "writeonly ",
    [FM_ACCESS_READ_WRITE] = "",
};

static bool has_dtype(const fmi_generated *generated, fm_dtype dtype)
{
    for (uint32_t i = 0; i < generated->param_count; i++) {
        if (fmi_key_dtype(generated->dtypes, i) == dtype) {
            return true;
        }
    }
    return false;
}

// True if the text or anything that it names has 64 bits.
static bool uses_int64(const fmi_generated *generated)
{
    const fmi_kernel_source *source = generated->source;
    bool is = (generated->features & FMI_USES_INT64) || has_dtype(generated, FM_DTYPE_I64) ||
              has_dtype(generated, FM_DTYPE_U64);
    for (uint32_t i = generated->param_count; i < source->name_count; i++) {
        is |= source->names[i].dtype == FM_DTYPE_I64 || source->names[i].dtype == FM_DTYPE_U64;
    }
    return is;
}

static bool uses_float64(const fmi_generated *generated)
{
    const fmi_kernel_source *source = generated->source;
    bool is = (generated->features & FMI_USES_FLOAT64) || has_dtype(generated, FM_DTYPE_F64);
    for (uint32_t i = generated->param_count; i < source->name_count; i++) {
        is |= source->names[i].dtype == FM_DTYPE_F64;
    }
    return is;
}

static void write_start(const fmi_generated *generated, fmi_text *text)
{
    fmi_text_format(text, "#version 460\n");
    if (generated->binding_mode == FM_BINDING_ADDRESSES) {
        fmi_text_format(text, "#extension GL_EXT_buffer_reference : require\n"
                              "#extension GL_EXT_buffer_reference_uvec2 : require\n");
    }
    for (uint32_t i = 0; i < generated->param_count; i++) {
        const char *extension = elements[fmi_key_dtype(generated->dtypes, i)].extension;
        if (extension) {
            fmi_text_format(text, "#extension %s : require\n", extension);
        }
    }
    if (uses_int64(generated)) {
        fmi_text_format(text, "#extension " INT64_EXTENSION " : require\n");
    }
    if (generated->features & FMI_USES_ATOMIC * (FMI_ATOMIC_INT64 | FMI_ATOMIC_SHARED_INT64)) {
        fmi_text_format(text, "#extension GL_EXT_shader_atomic_int64 : require\n");
    }
    if (generated->features & FMI_USES_ATOMIC * (FMI_ATOMIC_FLOAT | FMI_ATOMIC_SHARED_FLOAT)) {
        fmi_text_format(text, "#extension GL_EXT_shader_atomic_float : require\n");
    }
    if (generated->has_subgroups && (generated->features & FMI_USES_SUBGROUPS)) {
        fmi_text_format(text, "#extension GL_KHR_shader_subgroup_arithmetic : require\n"
                              "#extension GL_KHR_shader_subgroup_ballot : require\n");
    }
    const uint32_t *size = generated->source->group_size;
    fmi_text_format(text, "layout(local_size_x = %u, local_size_y = %u, local_size_z = %u) in;\n", size[0], size[1],
                    size[2]);
}

static void write_buffers(const fmi_generated *generated, fmi_text *text)
{
    for (uint32_t i = 0; i < generated->param_count; i++) {
        const fmi_name *name = &generated->source->names[i];
        fm_dtype dtype = fmi_key_dtype(generated->dtypes, i);
        if (generated->binding_mode == FM_BINDING_ADDRESSES) {
            fmi_text_format(text,
                            "layout(buffer_reference, std430, buffer_reference_align = %u) %sbuffer fm_buffer_%u { %s "
                            "v[]; };\n",
                            fmi_dtype_size(dtype), access_words[name->access], i, elements[dtype].type);
        } else {
            fmi_text_format(text, "layout(set = 0, binding = %u, std430) %sbuffer fm_buffer_%u { %s v[]; } fm_b_%s;\n",
                            i, access_words[name->access], i, elements[dtype].type, name->name);
        }
    }
}

// The members of the argument block: addresses, constants, group counts, and where a part of a split dispatch begins.
static uint32_t write_members(const fmi_generated *generated, fmi_text *text)
{
    uint32_t size_bytes = 0;
    if (generated->binding_mode == FM_BINDING_ADDRESSES) {
        for (uint32_t i = 0; i < generated->param_count; i++) {
            // As words: glslang 12 loads a reference from an argument block in memory with too small an alignment.
            fmi_text_format(text, "    uvec2 b%u;\n", i);
            size_bytes += 8;
        }
    }
    const fmi_name *constants = generated->source->names + generated->param_count;
    uint32_t constants_bytes = 0;
    for (uint32_t i = 0; i < generated->source->constant_count; i++) {
        fmi_text_format(text, "    %s c%u;\n", elements[constants[i].dtype].type, i);
        fmi_constants_place((fm_dtype)constants[i].dtype, &constants_bytes);
    }
    if (constants_bytes < generated->source->constants_size_bytes) {
        fmi_text_format(text, "    uint fm_pad;\n"); // what follows does not lie in the constants' struct
    }
    size_bytes += generated->source->constants_size_bytes;
    if (generated->wants_group_count) {
        fmi_text_format(text, "    uint g0; uint g1; uint g2;\n");
        size_bytes += 12;
    }
    if (generated->wants_group_base) {
        fmi_text_format(text, "    uint o0; uint o1; uint o2;\n");
        size_bytes += 12;
    }
    return size_bytes;
}

static void write_arguments(fmi_generated *generated, fmi_text *text)
{
    fmi_text members = {0};
    uint32_t size_bytes = write_members(generated, &members);
    generated->indirect_arguments = size_bytes > generated->max_push_constants_bytes;
    if (members.failed) {
        text->failed = true;
    } else if (size_bytes == 0) {
        // nothing travels
    } else if (!generated->indirect_arguments) {
        fmi_text_format(text, "layout(push_constant, std430) uniform fm_block {\n%s} fm_args;\n",
                        fmi_text_get(&members));
    } else if (generated->binding_mode == FM_BINDING_ADDRESSES) {
        fmi_text_format(text,
                        "layout(buffer_reference, std430, buffer_reference_align = 8) readonly buffer fm_block "
                        "{\n%s};\n",
                        fmi_text_get(&members));
        fmi_text_format(text, "layout(push_constant, std430) uniform fm_push { fm_block fm_args; };\n");
    } else {
        fmi_text_format(text, "layout(set = 0, binding = %u, std430) readonly buffer fm_block {\n%s} fm_args;\n",
                        generated->param_count, fmi_text_get(&members));
    }
    fmi_text_free(&members);
}

// What GLSL leaves to the driver (NaN, the sign of 0) or lacks, in the words that C has for it (generate_c.c).
// clang-format off
static const char math[] =
    "float fm_fract(float v) { return v - floor(v); }\n"
    "float fm_sign(float v) { return float(int(v > 0.0) - int(v < 0.0)); }\n"
    "float fm_mix(float a, float b, float t) { return a * (1.0 - t) + b * t; }\n"
    "bool fm_isnan(float v) { return (floatBitsToUint(v) & 0x7fffffffu) > 0x7f800000u; }\n"
    "bool fm_isinf(float v) { return (floatBitsToUint(v) & 0x7fffffffu) == 0x7f800000u; }\n"
    "uint fm_popcount(uint v) { return uint(bitCount(v)); }\n";
static const char wide_math[] =
    "bool fm_isnan(double v) {\n"
    "    uvec2 b = unpackDouble2x32(v) & uvec2(0xffffffffu, 0x7fffffffu);\n"
    "    return b.y > 0x7ff00000u || (b.y == 0x7ff00000u && b.x != 0u);\n"
    "}\n"
    "bool fm_isinf(double v) {\n"
    "    uvec2 b = unpackDouble2x32(v) & uvec2(0xffffffffu, 0x7fffffffu);\n"
    "    return b.y == 0x7ff00000u && b.x == 0u;\n"
    "}\n";
// clang-format on

// Integer division with a value for every divisor; what GLSL leaves open is never computed. See docs/kernel-language.md, "Numbers".
// clang-format off
#define DIVISION(type, unsigned_type, s) \
    type " fm_divide_" s "(" type " n, " type " d) {\n" \
    "    bool h = " unsigned_type "(d) + 1u <= 1u;\n" \
    "    " type " q = n / (h ? " type "(1) : d);\n" \
    "    return h ? (d == 0 ? " type "(-1) : 0 - n) : q;\n" \
    "}\n" \
    type " fm_rest_" s "(" type " n, " type " d) {\n" \
    "    " type " e = " unsigned_type "(d) + 1u <= 1u ? " type "(1) : d;\n" \
    "    " type " r = n - e * (n / e);\n" \
    "    return d == 0 ? n : r;\n" \
    "}\n"
#define UNSIGNED_DIVISION(type, s) \
    type " fm_divide_" s "(" type " n, " type " d) {\n" \
    "    " type " q = n / (d == 0 ? " type "(1) : d);\n" \
    "    return d == 0 ? ~" type "(0) : q;\n" \
    "}\n" \
    type " fm_rest_" s "(" type " n, " type " d) {\n" \
    "    " type " r = n % (d == 0 ? " type "(1) : d);\n" \
    "    return d == 0 ? n : r;\n" \
    "}\n"
#define DIVISION_INTO(type, s) \
    type " fm_divide_into_" s "(inout " type " n, " type " d) { return n = fm_divide_" s "(n, d); }\n" \
    type " fm_rest_into_" s "(inout " type " n, " type " d) { return n = fm_rest_" s "(n, d); }\n"
static const char division[] =
    DIVISION("int", "uint", "i") UNSIGNED_DIVISION("uint", "u") DIVISION_INTO("int", "i") DIVISION_INTO("uint", "u");
static const char wide_division[] =
    DIVISION("int64_t", "uint64_t", "l") UNSIGNED_DIVISION("uint64_t", "m") DIVISION_INTO("int64_t", "l")
    DIVISION_INTO("uint64_t", "m");
// clang-format on

static void write_helpers(const fmi_generated *generated, fmi_text *text)
{
    const fmi_kernel_source *source = generated->source;
    const fmi_name *shared = source->names + generated->param_count + source->constant_count;
    for (uint32_t i = 0; i < source->shared_count; i++) {
        fmi_text_format(text, "shared %s fm_s_%s[%u];\n", elements[shared[i].dtype].type, shared[i].name,
                        source->shared_sizes[i]);
    }
    // What a store of a storage dtype converts through.
    fmi_text_format(text, "float fm_float(float v) { return v; }\nint fm_int(int v) { return v; }\nuint fm_uint(uint "
                          "v) { return v; }\n");
    if (uses_int64(generated)) {
        fmi_text_format(text,
                        "int64_t fm_long(int64_t v) { return v; }\nuint64_t fm_ulong(uint64_t v) { return v; }\n");
    }
    if (generated->features & FMI_USES_DIVISION) {
        fmi_text_append(text, division, sizeof division - 1);
        if (uses_int64(generated)) {
            fmi_text_append(text, wide_division, sizeof wide_division - 1);
        }
    }
    if (has_dtype(generated, FM_DTYPE_BF16)) {
        fmi_text_format(text, "uint fm_bf16(float v) {\n"
                              "    uint b = floatBitsToUint(v);\n"
                              "    if ((b & 0x7fffffffu) > 0x7f800000u) return b >> 16 | 64u;\n"
                              "    return (b + 0x7fffu + (b >> 16 & 1u)) >> 16;\n"
                              "}\n");
    }
    if (generated->features & FMI_USES_ABS) {
        fmi_text_format(text, "float fm_abs(float v) { return abs(v); }\nint fm_abs(int v) { return abs(v); }\nuint "
                              "fm_abs(uint v) { return v; }\n");
        if (uses_int64(generated)) {
            fmi_text_format(text,
                            "int64_t fm_abs(int64_t v) { return abs(v); }\nuint64_t fm_abs(uint64_t v) { return v; "
                            "}\n");
        }
    }
    if ((generated->features & FMI_USES_ABS) && uses_float64(generated)) {
        fmi_text_format(text, "double fm_abs(double v) { return abs(v); }\n");
    }
    if (generated->features & FMI_USES_MATH) {
        fmi_text_append(text, math, sizeof math - 1);
        fmi_text_append(text, wide_math, uses_float64(generated) ? sizeof wide_math - 1 : 0);
    }
    if (generated->features & FMI_USES_SUBGROUPS) {
        fmi_prelude_append_subgroups(generated->has_subgroups, text);
    }
    fmi_prelude_append(generated->features | (uses_int64(generated) ? FMI_USES_INT64 : 0), text);
    fmi_elementary_append(generated->features, text);
}

// Copies of the arguments, so that an argument block in memory is read once, whatever the body stores.
static void write_locals(const fmi_generated *generated, fmi_text *text)
{
    const fmi_name *names = generated->source->names;
    if (generated->binding_mode == FM_BINDING_ADDRESSES) {
        for (uint32_t i = 0; i < generated->param_count; i++) {
            fmi_text_format(text, "    fm_buffer_%u fm_b_%s = fm_buffer_%u(fm_args.b%u);\n", i, names[i].name, i, i);
        }
    }
    const fmi_name *constants = names + generated->param_count;
    for (uint32_t i = 0; i < generated->source->constant_count; i++) {
        fmi_text_format(text, "    const %s fm_c_%s = fm_args.c%u;\n", elements[constants[i].dtype].type,
                        constants[i].name, i);
    }
    if (generated->wants_group_count) {
        // Zeros: only the device knows them, and the dispatch is not one part of several.
        fmi_text_format(text,
                        "    const uvec3 fm_group_count =\n"
                        "        fm_args.g0 != 0u ? uvec3(fm_args.g0, fm_args.g1, fm_args.g2) : gl_NumWorkGroups;\n");
    }
    if (generated->wants_group_base) {
        fmi_text_format(text,
                        "    const uvec3 fm_group_base = uvec3(fm_args.o0, fm_args.o1, fm_args.o2);\n"
                        "    const uvec3 fm_group_id = gl_WorkGroupID + fm_group_base;\n"
                        "    const uvec3 fm_global_id = gl_GlobalInvocationID + fm_group_base * gl_WorkGroupSize;\n");
    }
}

fm_status fmi_generate_glsl(fmi_generated *generated)
{
    fmi_text header = {0};
    fmi_text body = {0};
    fmi_text *text = &generated->text;
    fmi_body_use use = {0};
    fm_status status = fmi_generate_texts(generated, FMI_BODY_GLSL, &header, &body, &use);
    if (status == FM_OK) {
        generated->features = use.features;
        generated->wants_group_count = (use.features & FMI_USES_GROUP_COUNT) != 0;
        generated->wants_group_base = (use.features & (FMI_USES_GLOBAL_ID | FMI_USES_GROUP_ID)) != 0;
        write_start(generated, text);
        write_buffers(generated, text);
        write_arguments(generated, text);
        write_helpers(generated, text);
        // Source 0 is the body, 1 the header, 2 our own text: what compiler messages name.
        fmi_text_format(text, "#line 1 1\n");
        fmi_text_append(text, fmi_text_get(&header), header.length);
        fmi_text_format(text, "\n#line 1 2\nvoid main()\n{\n");
        write_locals(generated, text);
        fmi_text_format(text, "#line 1 0\n");
        fmi_text_append(text, fmi_text_get(&body), body.length);
        fmi_text_format(text, "\n}\n");
        if (text->failed) {
            status = fmi_fail(FM_ERROR_OUT_OF_HOST_MEMORY, "no host memory to generate the kernel");
        }
    }
    fmi_text_free(&header);
    fmi_text_free(&body);
    return status;
}
