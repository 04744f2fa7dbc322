// Generated GLSL: every dtype, mode and arrangement of arguments compiles to a valid module that binds what it should.
// Also the shortening of compiler messages. What the shaders compute is for the conformance suite, which has devices.
#include "kernel_fixture.h"

#include "kernel/message.h"

#ifdef FMI_HAVE_GLSLANG
#include "kernel/spirv/compile.h"
#include "kernel/spirv/decorate.h"
#include "kernel/spirv/reflect.h"
#endif

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef FMI_HAVE_GLSLANG

static void compile_glsl(const fmi_generated *generated, uint32_t **out_words, size_t *out_size_bytes)
{
    fmi_text log = {0};
    if (fmi_spirv_compile(fmi_text_get(&generated->text), &log, out_words, out_size_bytes) != FM_OK) {
        fail_msg("%s\n%s", fmi_text_get(&log), fmi_text_get(&generated->text));
    }
    fmi_text_free(&log);
    assert_int_equal(fmi_spirv_decorate(out_words, out_size_bytes), FM_OK);
    if (fmi_spirv_check(*out_words, *out_size_bytes) != FM_OK) {
        fail_msg("%s\n%s", fm_last_error(), fmi_text_get(&generated->text));
    }
}

static void check_module(const fmi_generated *generated, const fm_kernel_param *params, uint32_t block_bytes)
{
    uint32_t *words = NULL;
    size_t size_bytes = 0;
    compile_glsl(generated, &words, &size_bytes);
    fmi_reflection reflection;
    if (fmi_spirv_reflect(words, size_bytes, &reflection) != FM_OK) {
        fail_msg("%s", fm_last_error());
    }
    bool has_descriptors = generated->binding_mode == FM_BINDING_DESCRIPTORS;
    uint32_t bindings = has_descriptors ? generated->param_count + generated->indirect_arguments : 0;
    uint32_t push_bytes = !generated->indirect_arguments ? block_bytes : has_descriptors ? 0 : 8;
    assert_int_equal(reflection.binding_count, bindings);
    assert_int_equal(reflection.push_constants_bytes, push_bytes);
    for (uint32_t i = 0; i < bindings; i++) {
        assert_int_equal(reflection.binding_numbers[i], i);
        assert_int_equal(reflection.access[i], i < generated->param_count ? params[i].access : FM_ACCESS_READ);
    }
    for (int axis = 0; axis < 3; axis++) {
        assert_int_equal(reflection.group_size[axis], generated->source->group_size[axis]);
    }
    free(words);
}

static void glsl_of_every_dtype_mode_and_arrangement_is_a_valid_module(void **state)
{
    (void)state;
    const fm_kernel_constant constants[] = {{"a", FM_DTYPE_F32}, {"n", FM_DTYPE_U32}, {"d", FM_DTYPE_I32}};
    for (fm_dtype dtype = FM_DTYPE_F32; dtype <= FM_DTYPE_F64; dtype++) {
        for (int choice = 0; choice < 8; choice++) {
            const fm_kernel_param params[] = {
                {"in", dtype, FM_ACCESS_READ}, {"out", dtype, FM_ACCESS_WRITE}, {"sum", dtype, FM_ACCESS_READ_WRITE}};
            char body[256];
            snprintf(body, sizeof body,
                     "uint i = global_id.x;\nif (i < n) {\n  out[i] = sum[i] = %s(a * float(in[i])) + sum[i];\n  "
                     "sum[i] += %s(d%s);\n}\n",
                     get_cast(dtype), get_cast(dtype), choice & 1 ? " + int(group_count.y)" : "");
            fm_kernel_info info = {.name = "k",
                                   .code = body,
                                   .params = params,
                                   .param_count = 3,
                                   .constants = constants,
                                   .constant_count = 3};
            fmi_generated generated = prepare(&info, dtype | dtype << 4 | dtype << 8);
            generated.binding_mode = choice & 2 ? FM_BINDING_ADDRESSES : FM_BINDING_DESCRIPTORS;
            generated.max_push_constants_bytes = choice & 4 ? 8 : 128;
            assert_int_equal(fmi_generate(&generated, fmi_print_glsl), FM_OK);
            assert_int_equal(generated.indirect_arguments, (choice & 4) != 0);
            assert_int_equal(generated.wants_group_count, (choice & 1) != 0);
            assert_true(generated.wants_group_base);
            check_module(&generated, params, (choice & 2 ? 24u : 0) + 24 + (choice & 1 ? 12u : 0));
            release(&generated);
        }
    }
}

// A device without operations of subgroups is given a text that asks for none.
static void glsl_of_subgroups_is_valid_with_and_without_them(void **state)
{
    (void)state;
    const fm_kernel_param params[] = {{"x", FM_DTYPE_F32, FM_ACCESS_READ_WRITE},
                                      {"u", FM_DTYPE_U32, FM_ACCESS_READ_WRITE}};
    const fm_kernel_info info = {.name = "k",
                                 .code = "x[0] = subgroup_add(x[1]) + subgroup_min(x[2]); int k = subgroup_max(-3); "
                                         "u[0] = subgroup_broadcast(u[1], 0u);\n"
                                         "u[1] = subgroup_size + subgroup_lane + uint(k);",
                                 .params = params,
                                 .param_count = 2};
    for (int has = 0; has < 2; has++) {
        fmi_generated generated = prepare(&info, FM_DTYPE_F32 | FM_DTYPE_U32 << 4);
        generated.binding_mode = FM_BINDING_DESCRIPTORS;
        generated.has_subgroups = has;
        assert_int_equal(fmi_generate(&generated, fmi_print_glsl), FM_OK);
        assert_int_equal(strstr(fmi_text_get(&generated.text), "GL_KHR_shader_subgroup") != NULL, has);
        assert_int_equal(strstr(fmi_text_get(&generated.text), "gl_Subgroup") != NULL, has);
        check_module(&generated, params, 0);
        release(&generated);
    }
}

static void glsl_of_every_word_is_a_valid_module(void **state)
{
    (void)state;
    const fm_kernel_param params[] = {{"x", FM_DTYPE_F32, FM_ACCESS_READ_WRITE},
                                      {"k", FM_DTYPE_I32, FM_ACCESS_READ_WRITE},
                                      {"u", FM_DTYPE_U32, FM_ACCESS_READ_WRITE}};
    const fm_kernel_shared shared[] = {{"s", FM_DTYPE_F32, 64}, {"t", FM_DTYPE_U32, 1}};
    static const char body[] =
        "uint i = global_id.x + local_id.y + group_id.z * group_count.x + group_size.x;\n"
        "float f = x[i]; int j = k[i]; bool b = true && !false;\n"
        "f = abs(f) + min(f, 1.0) + max(f, .5f) + clamp(f, 0.0f, 1.f) + fma(f, f, f) + sqrt(f) + rsqrt(f) + exp(f) + "
        "exp2(f) + log(f);\n"
        "f += log2(f) + pow(f, f) + sin(f) + cos(f) + tan(f) + tanh(f) + floor(f) + ceil(f) + trunc(f);\n"
        "j = abs(j) + min(j, 1) + max(j, 2) + clamp(j, 0, 3); i = abs(i) + min(i, 1u) + max(i, 2u) + clamp(i, 0u, "
        "3u);\n"
        "f += as_float(as_uint(f) + uint(as_int(f)));\n"
        "j += atomic_add(k[0], 1) + atomic_min(k[0], 1) + atomic_max(k[0], 1) + atomic_and(k[0], 1) + atomic_or(k[0], "
        "1);\n"
        "i += atomic_xor(u[0], 1u) + atomic_exchange(u[0], 1u) + atomic_compare_exchange(u[0], 1u, 2u) + "
        "atomic_add(t[0], 1u);\n"
        "s[local_id.x] = helper(f); barrier(); f = s[0];\n"
        "for (uint q = 0u; q < 4u; q++) { if (q == 1u) continue; if (q == 2u) break; f *= 2.0; }\n"
        "do { j--; } while (j > 0);\n"
        "x[i] = f; k[i] = j; u[i] = i; return;";
    fm_kernel_info info = {.name = "k",
                           .code = body,
                           .header = "#define TWO 2.0\nfloat helper(float v) { return v * TWO; }",
                           .params = params,
                           .param_count = 3,
                           .shared = shared,
                           .shared_count = 2};
    for (int mode = FM_BINDING_ADDRESSES; mode <= FM_BINDING_DESCRIPTORS; mode++) {
        fmi_generated generated = prepare(&info, FM_DTYPE_F32 | FM_DTYPE_I32 << 4 | FM_DTYPE_U32 << 8);
        generated.binding_mode = (fm_binding_mode)mode;
        assert_int_equal(fmi_generate(&generated, fmi_print_glsl), FM_OK);
        check_module(&generated, params, (mode == FM_BINDING_ADDRESSES ? 24u : 0) + 24);
        release(&generated);
    }
}

// Words of a decoration in a module: [operator, target, decoration, …].
static int count_decorations(const uint32_t *words, size_t size_bytes, uint32_t decoration)
{
    int found = 0;
    for (size_t at = 5; at < size_bytes / 4; at += words[at] >> 16) {
        found += (words[at] & 0xffff) == 71 && words[at + 2] == decoration;
    }
    return found;
}

static void glsl_stores_to_half_round_to_even_and_buffers_may_alias(void **state)
{
    (void)state;
    const fm_kernel_param params[] = {{"x", FM_DTYPE_F16, FM_ACCESS_READ_WRITE},
                                      {"y", FM_DTYPE_F16, FM_ACCESS_READ_WRITE}};
    fm_kernel_info info = {
        .name = "k", .code = "x[0] = y[0]; y[1] = x[2] * 3.0; x[3] = y[3] = x[4];", .params = params, .param_count = 2};
    fmi_generated generated = prepare(&info, FM_DTYPE_F16 | FM_DTYPE_F16 << 4);
    generated.binding_mode = FM_BINDING_DESCRIPTORS;
    assert_int_equal(fmi_generate(&generated, fmi_print_glsl), FM_OK);
    uint32_t *words = NULL;
    size_t size_bytes = 0;
    compile_glsl(&generated, &words, &size_bytes);
    assert_int_equal(count_decorations(words, size_bytes, 39),
                     3); // FPRoundingMode; the inner store of the chain has a value
    assert_int_equal(count_decorations(words, size_bytes, 20), 2); // Aliased
    free(words);
    release(&generated);
}

static void *compile_many(void *user)
{
    const fmi_generated *generated = user;
    for (int i = 0; i < 20; i++) {
        uint32_t *words = NULL;
        size_t size_bytes = 0;
        fmi_text log = {0};
        if (fmi_spirv_compile(fmi_text_get(&generated->text), &log, &words, &size_bytes) != FM_OK) {
            return user;
        }
        free(words);
        fmi_text_free(&log);
    }
    return NULL;
}

static void glsl_compiles_on_several_threads_at_once(void **state)
{
    (void)state;
    const fm_kernel_param params[] = {{"x", FM_DTYPE_F16, FM_ACCESS_READ_WRITE}};
    fm_kernel_info info = {.name = "k", .code = "x[global_id.x] *= sin(x[0]);", .params = params, .param_count = 1};
    fmi_generated generated = prepare(&info, FM_DTYPE_F16);
    generated.binding_mode = FM_BINDING_ADDRESSES;
    assert_int_equal(fmi_generate(&generated, fmi_print_glsl), FM_OK);
    pthread_t threads[4];
    for (size_t i = 0; i < COUNT(threads); i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, compile_many, &generated), 0);
    }
    for (size_t i = 0; i < COUNT(threads); i++) {
        void *failed = NULL;
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    release(&generated);
}

#endif

static void message_of_unknown_shape_gives_no_reason(void **state)
{
    (void)state;
    static const char *const logs[] = {"", "\n\n", "something\n", "ERROR: 1 compilation errors.  No code generated.\n",
                                       "body:3: warning: odd"};
    for (size_t i = 0; i < COUNT(logs); i++) {
        fmi_text message = {0};
        fmi_message_shorten(logs[i], &message);
        assert_string_equal(fmi_text_get(&message), "the compiler gives no reason");
        fmi_text_free(&message);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(message_of_unknown_shape_gives_no_reason),
#ifdef FMI_HAVE_GLSLANG
        cmocka_unit_test(glsl_of_every_dtype_mode_and_arrangement_is_a_valid_module),
        cmocka_unit_test(glsl_of_every_word_is_a_valid_module),
        cmocka_unit_test(glsl_of_subgroups_is_valid_with_and_without_them),
        cmocka_unit_test(glsl_stores_to_half_round_to_even_and_buffers_may_alias),
        cmocka_unit_test(glsl_compiles_on_several_threads_at_once),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
