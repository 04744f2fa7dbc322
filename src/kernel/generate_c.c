// Portable kernel to C for libtcc: `fm_kernel_main` (host_entry.h) with the translated body inside its loops.
// libtcc has no optimizer, so what runs per work-item is the body, one or two additions and a compare: bases and constants are
// locals, loops are gotos (so that a stray `break` of the body is an error), and `return` is a goto to the next item.
#include "kernel/generate.h"

#include "base/error.h"

static const char *const element_types[] = {
    [FM_DTYPE_F32] = "float",    [FM_DTYPE_F16] = "unsigned short", [FM_DTYPE_I32] = "int",
    [FM_DTYPE_U32] = "unsigned", [FM_DTYPE_I8] = "signed char",     [FM_DTYPE_U8] = "unsigned char",
};

// The functions that host_symbols.c gives, and what is worth compiling in place. `min` and the like follow GLSL for NaN.
static const char prelude[] =
    "#line 1 \"generated\"\n"
    "struct fm_args { void *const *bindings; const void *constants; unsigned long long first, last; unsigned "
    "group_count[3]; };\n"
    "struct fm_uint3 { unsigned x, y, z; };\n"
    "float fmaf(float, float, float); float sqrtf(float); float fm_rsqrt(float); float expf(float); float "
    "exp2f(float);\n"
    "float logf(float); float log2f(float); float powf(float, float); float sinf(float); float cosf(float); float "
    "tanf(float);\n"
    "float tanhf(float); float floorf(float); float ceilf(float); float truncf(float);\n"
    "float fm_half_to_float(unsigned short); unsigned short fm_float_to_half(float);\n"
    "#define FM_ATOMICS(t, n) t fm_atomic_add_##n(t *, t); t fm_atomic_min_##n(t *, t); t fm_atomic_max_##n(t *, t); "
    "\\\n"
    "    t fm_atomic_and_##n(t *, t); t fm_atomic_or_##n(t *, t); t fm_atomic_xor_##n(t *, t); \\\n"
    "    t fm_atomic_exchange_##n(t *, t); t fm_atomic_compare_exchange_##n(t *, t, t);\n"
    "FM_ATOMICS(int, i32)\n"
    "FM_ATOMICS(unsigned, u32)\n"
    "#undef FM_ATOMICS\n"
    "#define FM_ORDER(t, n) \\\n"
    "    static inline t fm_min_##n(t a, t b) { return b < a ? b : a; } \\\n"
    "    static inline t fm_max_##n(t a, t b) { return a < b ? b : a; } \\\n"
    "    static inline t fm_clamp_##n(t v, t a, t b) { v = v < a ? a : v; return b < v ? b : v; }\n"
    "FM_ORDER(float, f)\n"
    "FM_ORDER(int, i)\n"
    "FM_ORDER(unsigned, u)\n"
    "#undef FM_ORDER\n"
    "static inline float fm_abs_f(float v) { union { float f; unsigned u; } p; p.f = v; p.u &= 0x7fffffffu; return "
    "p.f; }\n"
    "static inline int fm_abs_i(int v) { return v < 0 ? (int)(0u - (unsigned)v) : v; }\n"
    "static inline unsigned fm_abs_u(unsigned v) { return v; }\n"
    "static inline unsigned fm_as_uint(float v) { union { float f; unsigned u; } p; p.f = v; return p.u; }\n"
    "static inline int fm_as_int(float v) { union { float f; int i; } p; p.f = v; return p.i; }\n"
    "static inline float fm_as_float(unsigned v) { union { float f; unsigned u; } p; p.u = v; return p.f; }\n"
    "#define fm_abs(a) _Generic((a), float: fm_abs_f, int: fm_abs_i, unsigned: fm_abs_u)(a)\n"
    "#define fm_min(a, b) _Generic((a) + (b), float: fm_min_f, int: fm_min_i, unsigned: fm_min_u)(a, b)\n"
    "#define fm_max(a, b) _Generic((a) + (b), float: fm_max_f, int: fm_max_i, unsigned: fm_max_u)(a, b)\n"
    "#define fm_clamp(v, a, b) _Generic((v) + (a) + (b), float: fm_clamp_f, int: fm_clamp_i, unsigned: fm_clamp_u)(v, "
    "a, b)\n";

static void write_locals(const fmi_generated *generated, fmi_text *text)
{
    const fmi_name *names = generated->source->names;
    for (uint32_t i = 0; i < generated->param_count; i++) {
        const char *type = element_types[fmi_key_dtype(generated->dtypes, i)];
        fmi_text_format(text, "    %s *fm_b_%s = fm_args->bindings[%u];\n", type, names[i].name, i);
    }
    const fmi_name *constants = names + generated->param_count;
    for (uint32_t i = 0; i < generated->source->constant_count; i++) {
        const char *type = element_types[constants[i].dtype];
        fmi_text_format(text, "    %s fm_c_%s = ((const %s *)fm_args->constants)[%u];\n", type, constants[i].name, type,
                        i);
    }
    fmi_text_format(text, "    unsigned long long fm_group = fm_args->first;\n"
                          "    unsigned long long fm_last = fm_args->last;\n"
                          "    struct fm_uint3 fm_group_count, fm_group_id, fm_local_id, fm_global_id;\n"
                          "    fm_group_count.x = fm_args->group_count[0];\n"
                          "    fm_group_count.y = fm_args->group_count[1];\n"
                          "    fm_group_count.z = fm_args->group_count[2];\n"
                          "    if (fm_group >= fm_last) return;\n"
                          "    fm_group_id.x = (unsigned)(fm_group %% fm_group_count.x);\n"
                          "    fm_group_id.y = (unsigned)(fm_group / fm_group_count.x %% fm_group_count.y);\n"
                          "    fm_group_id.z = (unsigned)(fm_group / fm_group_count.x / fm_group_count.y);\n");
}

// Down to the innermost loop; axes of one work-item have no loop.
static void write_loop_starts(const fmi_generated *generated, uint32_t features, fmi_text *text)
{
    const uint32_t *size = generated->source->group_size;
    bool wants_global = (features & FMI_USES_GLOBAL_ID) != 0;
    fmi_text_format(text, "fm_next_group:\n    fm_local_id.z = 0;\n%s", size[2] > 1 ? "fm_next_z:\n" : "");
    if (wants_global) {
        fmi_text_format(text, "    fm_global_id.z = fm_group_id.z * %uu + fm_local_id.z;\n", size[2]);
    }
    fmi_text_format(text, "    fm_local_id.y = 0;\n%s", size[1] > 1 ? "fm_next_y:\n" : "");
    if (wants_global) {
        fmi_text_format(text, "    fm_global_id.y = fm_group_id.y * %uu + fm_local_id.y;\n", size[1]);
        fmi_text_format(text, "    fm_global_id.x = fm_group_id.x * %uu;\n", size[0]);
    }
    fmi_text_format(text, "    fm_local_id.x = 0;\n%s", size[0] > 1 ? "fm_next_x:\n" : "");
}

static void write_loop_ends(const fmi_generated *generated, uint32_t features, fmi_text *text)
{
    const uint32_t *size = generated->source->group_size;
    fmi_text_format(text, "%s", features & FMI_USES_RETURN ? "fm_next:\n" : "");
    if (size[0] > 1) {
        fmi_text_format(text, "%s", features & FMI_USES_GLOBAL_ID ? "    ++fm_global_id.x;\n" : "");
        fmi_text_format(text, "    if (++fm_local_id.x != %uu) goto fm_next_x;\n", size[0]);
    }
    if (size[1] > 1) {
        fmi_text_format(text, "    if (++fm_local_id.y != %uu) goto fm_next_y;\n", size[1]);
    }
    if (size[2] > 1) {
        fmi_text_format(text, "    if (++fm_local_id.z != %uu) goto fm_next_z;\n", size[2]);
    }
    fmi_text_format(text, "    if (++fm_group == fm_last) return;\n"
                          "    if (++fm_group_id.x == fm_group_count.x) {\n"
                          "        fm_group_id.x = 0;\n"
                          "        if (++fm_group_id.y == fm_group_count.y) {\n"
                          "            fm_group_id.y = 0;\n"
                          "            ++fm_group_id.z;\n"
                          "        }\n"
                          "    }\n"
                          "    goto fm_next_group;\n");
}

fm_status fmi_generate_c(fmi_generated *generated)
{
    fmi_text header = {0};
    fmi_text body = {0};
    fmi_text *text = &generated->text;
    fmi_body_use use = {0};
    fm_status status = fmi_generate_texts(generated, FMI_BODY_C, &header, &body, &use);
    if (status == FM_OK) {
        generated->features = use.features;
        fmi_text_append(text, prelude, sizeof prelude - 1);
        fmi_text_format(text, "#line 1 \"header\"\n");
        fmi_text_append(text, fmi_text_get(&header), header.length);
        fmi_text_format(text, "\n#line 1 \"generated\"\nvoid fm_kernel_main(const struct fm_args *fm_args)\n{\n");
        write_locals(generated, text);
        write_loop_starts(generated, use.features, text);
        fmi_text_format(text, "    {\n#line 1 \"body\"\n");
        fmi_text_append(text, fmi_text_get(&body), body.length);
        fmi_text_format(text, "\n#line 1 \"generated\"\n    }\n");
        write_loop_ends(generated, use.features, text);
        fmi_text_format(text, "}\n");
        if (text->failed) {
            status = fmi_fail(FM_ERROR_OUT_OF_HOST_MEMORY, "no host memory to generate the kernel");
        }
    }
    fmi_text_free(&header);
    fmi_text_free(&body);
    return status;
}
