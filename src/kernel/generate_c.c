// Portable kernel to C for libtcc: `fm_kernel_main` (host_entry.h) with the translated body inside its loops.
// libtcc has no optimizer, so what runs per work-item is the body, one or two additions and a compare: the body stands in the
// innermost loop, where its `return` is a `continue`. Only a body with a `return` in a loop of its own becomes a function, at twice
// the cost. A body with barrier() becomes a function, too: the host backend runs it once per work-item, each on a stack of its own
// (backend/host/fibre.h). There are no labels: libtcc keeps those of a compile that failed and trips over them in the next.
#include "kernel/generate.h"

#include "base/error.h"

static const char *const element_types[] = {
    [FM_DTYPE_F32] = "float",           [FM_DTYPE_F16] = "unsigned short", [FM_DTYPE_I32] = "int",
    [FM_DTYPE_U32] = "unsigned",        [FM_DTYPE_I8] = "signed char",     [FM_DTYPE_U8] = "unsigned char",
    [FM_DTYPE_BF16] = "unsigned short", [FM_DTYPE_I64] = "long long",      [FM_DTYPE_U64] = "unsigned long long",
    [FM_DTYPE_F64] = "double",
};

// The functions that host_symbols.c gives, then what is worth compiling in place. `min` and the like follow GLSL for NaN.
// clang-format off
static const char declarations[] =
    "#line 1 \"generated\"\n"
    "struct fm_args {\n"
    "    void *const *bindings; const void *constants; unsigned long long first, last; unsigned group_count[3];\n"
    "};\n"
    "struct fm_uint3 { unsigned x, y, z; };\n"
    "struct fm_state;\n"
    "int fm_run_group(void (*)(struct fm_state *, unsigned), struct fm_state *, unsigned); void fm_barrier_at(unsigned);\n"
    "float fmaf(float, float, float); float sqrtf(float); float fm_rsqrt(float); float expf(float);\n"
    "float exp2f(float); float logf(float); float log2f(float); float powf(float, float); float sinf(float);\n"
    "float cosf(float); float tanf(float); float tanhf(float); float floorf(float); float ceilf(float);\n"
    "float asinf(float); float acosf(float); float atanf(float); float rintf(float); float truncf(float);\n"
    "float roundf(float); float fmodf(float, float); float fm_exp10(float); float sinhf(float); float coshf(float);\n"
    "float erff(float); float atan2f(float, float); float fm_min_nan(float, float); float fm_max_nan(float, float);\n"
    "unsigned fm_clz_u(unsigned); unsigned fm_ctz_u(unsigned); unsigned fm_clz_m(unsigned long long);\n"
    "unsigned fm_ctz_m(unsigned long long); int fm_int_sat(float); unsigned fm_uint_sat(float); long long fm_long_sat(float);\n"
    "unsigned long long fm_ulong_sat(float);\n"
    "float fm_half_to_float(unsigned short); unsigned short fm_float_to_half(float);\n"
    "#define FM_ATOMICS(t, n) \\\n"
    "    t fm_atomic_add_##n(t *, t); t fm_atomic_min_##n(t *, t); t fm_atomic_max_##n(t *, t); \\\n"
    "    t fm_atomic_and_##n(t *, t); t fm_atomic_or_##n(t *, t); t fm_atomic_xor_##n(t *, t); \\\n"
    "    t fm_atomic_exchange_##n(t *, t); t fm_atomic_compare_exchange_##n(t *, t, t);\n"
    "FM_ATOMICS(int, i32)\n"
    "FM_ATOMICS(unsigned, u32)\n"
    "FM_ATOMICS(long long, i64)\n"
    "FM_ATOMICS(unsigned long long, u64)\n"
    "float fm_atomic_add_f32(float *, float);\n"
    "#undef FM_ATOMICS\n";
static const char functions[] =
    "#define FM_ORDER(t, n) \\\n"
    "    static inline t fm_min_##n(t a, t b) { return b < a ? b : a; } \\\n"
    "    static inline t fm_max_##n(t a, t b) { return a < b ? b : a; } \\\n"
    "    static inline t fm_clamp_##n(t v, t a, t b) { v = v < a ? a : v; return b < v ? b : v; }\n"
    "FM_ORDER(float, f)\n"
    "FM_ORDER(double, d)\n"
    "FM_ORDER(int, i)\n"
    "FM_ORDER(unsigned, u)\n"
    "FM_ORDER(long long, l)\n"
    "FM_ORDER(unsigned long long, m)\n"
    "#undef FM_ORDER\n"
    "double fma(double, double, double); double sqrt(double); double floor(double); double ceil(double); double trunc(double);\n"
    "#define FM_ALONE(t, n) \\\n"
    "    static inline t fm_subgroup_add_##n(t v) { return v; } static inline t fm_subgroup_min_##n(t v) { return v; } \\\n"
    "    static inline t fm_subgroup_max_##n(t v) { return v; } \\\n"
    "    static inline t fm_subgroup_broadcast_##n(t v, unsigned lane) { (void)lane; return v; }\n"
    "FM_ALONE(float, f)\n"
    "FM_ALONE(int, i)\n"
    "FM_ALONE(unsigned, u)\n"
    "#undef FM_ALONE\n"
    "union fm_bits { float f; int i; unsigned u; };\n"
    "union fm_wide_bits { double d; unsigned long long m; };\n"
    "static inline double fm_abs_d(double v) { union fm_wide_bits p; p.d = v; p.m = p.m << 1 >> 1; return p.d; }\n"
    "static inline _Bool fm_isnan_d(double v) { union fm_wide_bits p; p.d = v; return p.m << 1 > 0xffe0000000000000ull; }\n"
    "static inline _Bool fm_isinf_d(double v) { union fm_wide_bits p; p.d = v; return p.m << 1 == 0xffe0000000000000ull; }\n"
    "static inline float fm_abs_f(float v) { union fm_bits p; p.f = v; p.u &= 0x7fffffffu; return p.f; }\n"
    "static inline int fm_abs_i(int v) { return v < 0 ? (int)(0u - (unsigned)v) : v; }\n"
    "static inline unsigned fm_abs_u(unsigned v) { return v; }\n"
    "static inline long long fm_abs_l(long long v) { return v < 0 ? (long long)(0ull - (unsigned long long)v) : v; }\n"
    "static inline unsigned long long fm_abs_m(unsigned long long v) { return v; }\n"
    "static inline unsigned fm_as_uint(float v) { union fm_bits p; p.f = v; return p.u; }\n"
    "static inline int fm_as_int(float v) { union fm_bits p; p.f = v; return p.i; }\n"
    "static inline float fm_as_float(unsigned v) { union fm_bits p; p.u = v; return p.f; }\n"
    "static inline float fm_bf16_to_float(unsigned short v) { union fm_bits p; p.u = (unsigned)v << 16; return p.f; }\n"
    "static inline unsigned short fm_float_to_bf16(float v) {\n"
    "    union fm_bits p; p.f = v;\n"
    "    if ((p.u & 0x7fffffffu) > 0x7f800000u) return (unsigned short)(p.u >> 16 | 64u);\n"
    "    return (unsigned short)((p.u + 0x7fffu + (p.u >> 16 & 1u)) >> 16);\n"
    "}\n"
    "static inline float fm_fract(float v) { return v - floorf(v); }\n"
    "static inline float fm_sign(float v) { return (float)((v > 0.0f) - (v < 0.0f)); }\n"
    "static inline float fm_mix(float a, float b, float t) { return a * (1.0f - t) + b * t; }\n"
    "static inline _Bool fm_isnan(float v) { return (fm_as_uint(v) & 0x7fffffffu) > 0x7f800000u; }\n"
    "static inline _Bool fm_isinf(float v) { return (fm_as_uint(v) & 0x7fffffffu) == 0x7f800000u; }\n"
    "static inline unsigned fm_popcount(unsigned v) {\n"
    "    v = v - (v >> 1 & 0x55555555u); v = (v & 0x33333333u) + (v >> 2 & 0x33333333u);\n"
    "    return ((v + (v >> 4)) & 0x0f0f0f0fu) * 0x01010101u >> 24;\n"
    "}\n";
// clang-format on

// What the body can name: arguments, ids and shared arrays, each a member of `struct fm_state`.
static void write_state(const fmi_generated *generated, fmi_text *text)
{
    const fmi_kernel_source *source = generated->source;
    const fmi_name *names = source->names;
    uint32_t count = generated->param_count + source->constant_count;
    fmi_text_format(text, "struct fm_state { struct fm_uint3 group_count, group_id, local_id, global_id;\n");
    for (uint32_t i = 0; i < count; i++) {
        bool is_buffer = i < generated->param_count;
        fm_dtype dtype = is_buffer ? fmi_key_dtype(generated->dtypes, i) : (fm_dtype)names[i].dtype;
        fmi_text_format(text, "    %s %sm%u;\n", element_types[dtype], is_buffer ? "*" : "", i);
    }
    for (uint32_t i = 0; i < source->shared_count; i++) {
        fmi_text_format(text, "    %s m%u[%u];\n", element_types[names[count + i].dtype], count + i,
                        source->shared_sizes[i]);
    }
    fmi_text_format(text, "};\n");
}

// A macro for each member that the body can name. `access` is what stands before the member.
static void write_macros(const fmi_generated *generated, const char *access, fmi_text *text)
{
    const fmi_kernel_source *source = generated->source;
    uint32_t constants = generated->param_count, shared = constants + source->constant_count;
    for (uint32_t i = 0; i < shared + source->shared_count; i++) {
        fmi_text_format(text, "#define fm_%c_%s %sm%u\n",
                        i < constants ? 'b'
                        : i < shared  ? 'c'
                                      : 's',
                        source->names[i].name, access, i);
    }
    fmi_text_format(text,
                    "#define fm_group_count %sgroup_count\n#define fm_group_id %sgroup_id\n"
                    "#define fm_local_id %slocal_id\n#define fm_global_id %sglobal_id\n",
                    access, access, access, access);
}

static void write_body(const fmi_text *body, fmi_text *text)
{
    fmi_text_format(text, "{\n#line 1 \"body\"\n");
    fmi_text_append(text, fmi_text_get(body), body->length);
    // The brace comes first: libtcc reads one token ahead before it says where an error is.
    fmi_text_format(text, "\n}\n#line 1 \"generated\"\n");
}

// The body as a function for one work-item on its own stack: its ids are its own, and what it names are locals, because libtcc
// would load a member through two pointers at each use. Visible, so that the host backend can look at its frame.
static void write_item(const fmi_generated *generated, const fmi_text *body, fmi_text *text)
{
    const fmi_kernel_source *source = generated->source;
    const uint32_t *size = source->group_size;
    uint32_t constants = generated->param_count, shared = constants + source->constant_count;
    fmi_text_format(text, "void fm_item(struct fm_state *fm_self, unsigned fm_number)\n{\n");
    for (uint32_t i = 0; i < shared + source->shared_count; i++) {
        bool is_buffer = i < constants;
        fm_dtype dtype = is_buffer ? fmi_key_dtype(generated->dtypes, i) : (fm_dtype)source->names[i].dtype;
        fmi_text_format(text, "    %s %sfm_%c_%s = fm_self->m%u;\n", element_types[dtype],
                        i < constants || i >= shared ? "*" : "",
                        i < constants ? 'b'
                        : i < shared  ? 'c'
                                      : 's',
                        source->names[i].name, i);
    }
    fmi_text_format(text,
                    "    struct fm_uint3 fm_group_id = fm_self->group_id, fm_group_count = fm_self->group_count;\n"
                    "    struct fm_uint3 fm_local_id, fm_global_id;\n"
                    "    fm_local_id.x = fm_number %% %uu;\n"
                    "    fm_local_id.y = fm_number / %uu %% %uu;\n"
                    "    fm_local_id.z = fm_number / %uu;\n",
                    size[0], size[0], size[1], size[0] * size[1]);
    for (int axis = 0; axis < 3; axis++) {
        fmi_text_format(text, "    fm_global_id.%c = fm_group_id.%c * %uu + fm_local_id.%c;\n", "xyz"[axis],
                        "xyz"[axis], size[axis], "xyz"[axis]);
    }
    write_body(body, text);
    fmi_text_format(text, "}\n");
}

static void write_arguments(const fmi_generated *generated, fmi_text *text)
{
    uint32_t count = generated->param_count + generated->source->constant_count;
    for (uint32_t i = 0; i < generated->param_count; i++) {
        fmi_text_format(text, "    fm_state.m%u = fm_args->bindings[%u];\n", i, i);
    }
    uint32_t at = 0;
    for (uint32_t i = generated->param_count; i < count; i++) {
        fm_dtype dtype = (fm_dtype)generated->source->names[i].dtype;
        fmi_text_format(text, "    fm_state.m%u = *(const %s *)((const char *)fm_args->constants + %u);\n", i,
                        element_types[dtype], fmi_constants_place(dtype, &at));
    }
}

// The loops from the group down to the work-item. Nothing steps twice: a body's `continue` lands in the innermost loop.
static void write_items(const fmi_generated *generated, const fmi_text *body, fmi_text *text)
{
    const uint32_t *size = generated->source->group_size;
    fmi_text_format(text,
                    "    for (fm_state.local_id.z = 0; fm_state.local_id.z != %uu; ++fm_state.local_id.z) {\n"
                    "    fm_state.global_id.z = fm_state.group_id.z * %uu + fm_state.local_id.z;\n",
                    size[2], size[2]);
    fmi_text_format(text,
                    "    for (fm_state.local_id.y = 0; fm_state.local_id.y != %uu; ++fm_state.local_id.y) {\n"
                    "    fm_state.global_id.y = fm_state.group_id.y * %uu + fm_state.local_id.y;\n",
                    size[1], size[1]);
    fmi_text_format(text,
                    "    fm_state.global_id.x = fm_state.group_id.x * %uu;\n"
                    "    for (fm_state.local_id.x = 0; fm_state.local_id.x != %uu; ++fm_state.local_id.x%s)\n",
                    size[0], size[0], generated->features & FMI_USES_GLOBAL_ID ? ", ++fm_state.global_id.x" : "");
    if (generated->features & FMI_USES_HIDDEN_FLOW) {
        fmi_text_format(text, "        fm_item(&fm_state);\n");
    } else {
        write_body(body, text);
    }
    fmi_text_format(text, "    }\n    }\n");
}

static void write_main(const fmi_generated *generated, const fmi_text *body, fmi_text *text)
{
    const uint32_t *size = generated->source->group_size;
    fmi_text_format(text, "unsigned long long fm_kernel_main(const struct fm_args *fm_args)\n{\n"
                          "    struct fm_state fm_state;\n"
                          "    unsigned long long fm_group = fm_args->first;\n"
                          "    unsigned long long fm_last = fm_args->last;\n"
                          "    if (fm_group >= fm_last) return 0;\n");
    write_arguments(generated, text);
    for (int axis = 0; axis < 3; axis++) {
        fmi_text_format(text, "    fm_state.group_count.%c = fm_args->group_count[%d];\n", "xyz"[axis], axis);
    }
    fmi_text_format(
        text, "    fm_state.group_id.x = (unsigned)(fm_group %% fm_state.group_count.x);\n"
              "    fm_state.group_id.y = (unsigned)(fm_group / fm_state.group_count.x %% fm_state.group_count.y);\n"
              "    fm_state.group_id.z = (unsigned)(fm_group / fm_state.group_count.x / fm_state.group_count.y);\n"
              "    for (; fm_group != fm_last; ++fm_group) {\n");
    if (generated->features & FMI_USES_BARRIER) {
        fmi_text_format(text, "    if (fm_run_group(fm_item, &fm_state, %uu)) return fm_group + 1;\n",
                        size[0] * size[1] * size[2]);
    } else {
        write_items(generated, body, text);
    }
    fmi_text_format(text, "    if (++fm_state.group_id.x == fm_state.group_count.x) {\n"
                          "        fm_state.group_id.x = 0;\n"
                          "        if (++fm_state.group_id.y == fm_state.group_count.y) {\n"
                          "            fm_state.group_id.y = 0;\n"
                          "            ++fm_state.group_id.z;\n"
                          "        }\n"
                          "    }\n"
                          "    }\n"
                          "    return 0;\n"
                          "}\n");
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
        fmi_text_append(text, declarations, sizeof declarations - 1);
        fmi_text_append(text, functions, sizeof functions - 1);
        fmi_text_format(text, "#line 1 \"header\"\n");
        fmi_text_append(text, fmi_text_get(&header), header.length);
        fmi_text_format(text, "\n#line 1 \"generated\"\n");
        write_state(generated, text);
        if (use.features & FMI_USES_BARRIER) {
            write_item(generated, &body, text);
        } else if (use.features & FMI_USES_HIDDEN_FLOW) {
            write_macros(generated, "fm_self->", text);
            fmi_text_format(text, "static void fm_item(struct fm_state *fm_self)\n");
            write_body(&body, text);
        } else {
            write_macros(generated, "fm_state.", text);
        }
        write_main(generated, &body, text);
        if (text->failed) {
            status = fmi_fail(FM_ERROR_OUT_OF_HOST_MEMORY, "no host memory to generate the kernel");
        }
    }
    fmi_text_free(&header);
    fmi_text_free(&body);
    return status;
}
