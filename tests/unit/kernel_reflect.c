// SPIR-V modules: what is read from good ones, what is said about wrong ones, and that no bytes whatever do harm.
// Good modules come from glslang; wrong ones are cut short, renamed, or mutated at random with a fixed seed.
#ifdef FMI_HAVE_GLSLANG

#include "base/text.h"
#include "kernel/spirv/compile.h"
#include "kernel/spirv/reflect.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define START "#version 460\nlayout(local_size_x = 8, local_size_y = 4) in;\n"

struct module {
    uint32_t *words;
    size_t size_bytes;
};

static struct module compile(const char *glsl)
{
    struct module module = {0};
    fmi_text log = {0};
    if (fmi_spirv_compile(glsl, &log, &module.words, &module.size_bytes) != FM_OK) {
        fail_msg("%s", fmi_text_get(&log));
    }
    fmi_text_free(&log);
    return module;
}

static fm_status read_module(const char *glsl, fmi_reflection *out)
{
    struct module module = compile(glsl);
    if (fmi_spirv_check(module.words, module.size_bytes) != FM_OK) {
        fail_msg("%s", fm_last_error());
    }
    fm_status status = fmi_spirv_reflect(module.words, module.size_bytes, out);
    free(module.words);
    return status;
}

static void expect(const char *glsl, fmi_reflection *out)
{
    if (read_module(glsl, out) != FM_OK) {
        fail_msg("%s", fm_last_error());
    }
}

static void refuse(const char *glsl, fm_status status, const char *part)
{
    fmi_reflection reflection;
    assert_int_equal(read_module(glsl, &reflection), status);
    if (!strstr(fm_last_error(), part)) {
        fail_msg("%s", fm_last_error());
    }
}

static void reflect_bindings_come_in_rising_order_with_their_access(void **state)
{
    (void)state;
    fmi_reflection r;
    expect(START "layout(set = 0, binding = 7) writeonly buffer A { float a[]; };\n"
                 "layout(set = 0, binding = 2) readonly buffer B { float b[]; };\n"
                 "layout(set = 0, binding = 4) buffer C { readonly float c; readonly float d[]; };\n"
                 "layout(set = 0, binding = 9) buffer D { readonly float e; float f[]; };\n"
                 "layout(push_constant) uniform P { uint n; float s; vec3 v; } p;\n"
                 "void main() { a[p.n] = b[0] * p.s + c + d[1] + e; f[0] = 1.0; }",
           &r);
    assert_int_equal(r.binding_count, 4);
    const uint32_t numbers[] = {2, 4, 7, 9};
    const uint8_t access[] = {FM_ACCESS_READ, FM_ACCESS_READ, FM_ACCESS_WRITE, FM_ACCESS_READ_WRITE};
    assert_memory_equal(r.binding_numbers, numbers, sizeof numbers);
    assert_memory_equal(r.access, access, sizeof access);
    assert_int_equal(r.push_constants_bytes, 28);
    assert_int_equal(r.group_size[0], 8);
    assert_int_equal(r.group_size[1], 4);
    assert_int_equal(r.group_size[2], 1);
}

static void reflect_blocks_tell_their_dtype_and_least_size(void **state)
{
    (void)state;
    fmi_reflection r;
    expect(START "layout(binding = 0) buffer A { float a[]; };\n"
                 "layout(binding = 1) buffer B { uint b[10]; };\n"
                 "layout(binding = 2) buffer C { uint n; int c[]; };\n"
                 "layout(binding = 3) buffer D { vec4 d[]; };\n"
                 "layout(binding = 4) buffer E { int e[]; };\n"
                 "layout(binding = 5) buffer F { int f; };\n"
                 "layout(binding = 6) buffer G { float g[]; };\n"
                 "layout(binding = 6) buffer H { uint h[20]; };\n"
                 "layout(binding = 7) buffer I { mat2 i[3]; vec3 j; };\n"
                 "void main() { a[0] = d[0].x; b[0] = n; e[0] = c[0] + f; g[0] = float(h[0]); i[0][0].x = j.x; }",
           &r);
    const uint32_t dtypes[] = {FM_DTYPE_F32, FM_DTYPE_U32, 0, 0, FM_DTYPE_I32, 0, 0, 0};
    const uint32_t least[] = {0, 40, 4, 0, 0, 4, 80, 60};
    assert_int_equal(r.binding_count, 8);
    for (int i = 0; i < 8; i++) {
        assert_int_equal(r.dtype[i], dtypes[i]);
        assert_int_equal(r.least_bytes[i], least[i]);
    }
}

static void reflect_module_that_binds_nothing_is_fine(void **state)
{
    (void)state;
    fmi_reflection r;
    expect(START "void main() { }", &r);
    assert_int_equal(r.binding_count, 0);
    assert_int_equal(r.push_constants_bytes, 0);
}

static void reflect_two_views_of_one_binding_are_one_binding(void **state)
{
    (void)state;
    fmi_reflection r;
    expect(
        START
        "layout(binding = 1) readonly buffer A { float a[]; };\nlayout(binding = 1) readonly buffer B { uint b[]; };\n"
        "layout(binding = 0) readonly buffer C { float c[]; };\nlayout(binding = 0) writeonly buffer D { uint d[]; };\n"
        "void main() { d[0] = b[0] + uint(a[0] + c[0]); }",
        &r);
    assert_int_equal(r.binding_count, 2);
    assert_int_equal(r.access[0], FM_ACCESS_READ_WRITE);
    assert_int_equal(r.access[1], FM_ACCESS_READ);
}

static void reflect_group_size_of_specialisation_constants_is_the_default(void **state)
{
    (void)state;
    fmi_reflection r;
    expect("#version 460\nlayout(local_size_x_id = 3, local_size_y = 2, local_size_z_id = 4) in;\nlayout(local_size_x "
           "= 32, local_size_z = 5) in;\n"
           "layout(binding = 0) buffer A { uint a[]; };\nvoid main() { a[gl_WorkGroupSize.x] = 1u; }",
           &r);
    assert_int_equal(r.group_size[0], 32);
    assert_int_equal(r.group_size[1], 2);
    assert_int_equal(r.group_size[2], 5);
}

static void reflect_what_cannot_be_bound_is_refused_by_kind(void **state)
{
    (void)state;
    refuse(START "layout(binding = 0) uniform U { float u; };\nlayout(binding = 1) buffer A { float a[]; };\nvoid "
                 "main() { a[0] = u; }",
           FM_ERROR_UNSUPPORTED, "a uniform buffer");
    refuse(START "layout(binding = 0, r32f) uniform image2D i;\nvoid main() { imageStore(i, ivec2(0), vec4(1)); }",
           FM_ERROR_UNSUPPORTED, "a storage image, 'i'");
    refuse(START "layout(binding = 0) uniform sampler2D s;\nlayout(binding = 1) buffer A { vec4 a[]; };\nvoid main() { "
                 "a[0] = textureLod(s, vec2(0), 0.0); }",
           FM_ERROR_UNSUPPORTED, "a sampled image, 's'");
    refuse(START "layout(set = 1, binding = 0) buffer A { float a[]; } b;\nvoid main() { b.a[0] = 1.0; }",
           FM_ERROR_UNSUPPORTED, "descriptor set 1");
    refuse(START "layout(binding = 0) buffer A { float a[]; } b[3];\nvoid main() { b[1].a[0] = 1.0; }",
           FM_ERROR_UNSUPPORTED, "an array of storage buffers");
}

static void reflect_more_bindings_than_a_dispatch_has_are_refused(void **state)
{
    (void)state;
    for (int count = FM_MAX_BINDINGS; count <= FM_MAX_BINDINGS + 1; count++) {
        fmi_text glsl = {0};
        fmi_text_format(&glsl, START);
        for (int i = count; i-- > 0;) {
            fmi_text_format(&glsl, "layout(binding = %d) buffer A%d { float a%d[]; };\n", i, i, i);
        }
        fmi_text_format(&glsl, "void main() { }\n");
        fmi_reflection r;
        assert_int_equal(read_module(fmi_text_get(&glsl), &r), count == FM_MAX_BINDINGS ? FM_OK : FM_ERROR_UNSUPPORTED);
        fmi_text_free(&glsl);
    }
}

static const char full_glsl[] = START
    "layout(binding = 2) readonly buffer A { float a[]; };\nlayout(binding = 1) buffer B { uint n; float b[]; };\n"
    "layout(push_constant) uniform P { uint n; float s[3]; } p;\nshared float t[32];\nlayout(constant_id = 1) const "
    "uint K = 3u;\n"
    "float f(float x) { return x > 1.0 ? sin(x) : x * 2.0; }\n"
    "void main() { uint i = gl_GlobalInvocationID.x; t[gl_LocalInvocationIndex] = f(a[i]); barrier();\n"
    "for (uint q = 0u; q < K; q++) { if (q == p.n) continue; b[i] += t[q] * p.s[q]; } atomicAdd(n, "
    "gl_NumWorkGroups.y); }";

static void check_entry_point_of_another_name_is_refused(void **state)
{
    (void)state;
    struct module module = compile(full_glsl);
    uint32_t entry = 0;
    for (size_t at = 5; at < module.size_bytes / 4 && !entry; at += module.words[at] >> 16) {
        entry = (module.words[at] & 0xffff) == 15 ? (uint32_t)at : 0;
    }
    memcpy(&module.words[entry + 3], "mine", 4);
    fmi_reflection r;
    assert_int_equal(fmi_spirv_check(module.words, module.size_bytes), FM_OK);
    assert_int_equal(fmi_spirv_reflect(module.words, module.size_bytes, &r), FM_ERROR_COMPILE);
    assert_non_null(strstr(fm_last_error(), "no compute entry point 'main'"));
    free(module.words);
}

static void check_bytes_that_are_no_module_are_refused(void **state)
{
    (void)state;
    struct module module = compile(full_glsl);
    assert_int_equal(fmi_spirv_check(module.words, 0), FM_ERROR_COMPILE);
    assert_int_equal(fmi_spirv_check(module.words, module.size_bytes - 1), FM_ERROR_COMPILE);
    assert_non_null(strstr(fm_last_error(), "multiple of 4"));
    for (size_t size = 4; size < module.size_bytes; size += 4) {
        // A copy of its own, so that reading past the end shows under a sanitizer.
        uint32_t *part = malloc(size);
        assert_non_null(part);
        memcpy(part, module.words, size);
        assert_int_equal(fmi_spirv_check(part, size), FM_ERROR_COMPILE);
        free(part);
    }
    module.words[3] = 0x7fffffff;
    assert_int_equal(fmi_spirv_check(module.words, module.size_bytes), FM_ERROR_COMPILE);
    module.words[0] = 0x03022307; // the other byte order
    assert_int_equal(fmi_spirv_check(module.words, module.size_bytes), FM_ERROR_COMPILE);
    assert_non_null(strstr(fm_last_error(), "starts with 0x07230203"));
    free(module.words);
}

static void check_mutated_modules_do_no_harm(void **state)
{
    (void)state;
    struct module module = compile(full_glsl);
    uint8_t *bytes = malloc(module.size_bytes);
    assert_non_null(bytes);
    uint32_t random = 12345;
    int valid = 0;
    for (int round = 0; round < 6000; round++) {
        memcpy(bytes, module.words, module.size_bytes);
        for (int changes = 1 + round % 3; changes > 0; changes--) {
            random = random * 1664525u + 1013904223u;
            size_t at = (size_t)(random >> 4) % module.size_bytes;
            random = random * 1664525u + 1013904223u;
            // Small changes give plausible ids and literals, large ones nonsense.
            bytes[at] = (uint8_t)(random & 1u << 20 ? bytes[at] + (random >> 28) + 1 : random >> 24);
        }
        fmi_reflection r;
        if (fmi_spirv_check((uint32_t *)(void *)bytes, module.size_bytes) == FM_OK) {
            valid++;
            (void)fmi_spirv_reflect((uint32_t *)(void *)bytes, module.size_bytes, &r);
        }
    }
    assert_true(valid > 0 && valid < 6000);
    free(bytes);
    free(module.words);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reflect_bindings_come_in_rising_order_with_their_access),
        cmocka_unit_test(reflect_blocks_tell_their_dtype_and_least_size),
        cmocka_unit_test(reflect_module_that_binds_nothing_is_fine),
        cmocka_unit_test(reflect_two_views_of_one_binding_are_one_binding),
        cmocka_unit_test(reflect_group_size_of_specialisation_constants_is_the_default),
        cmocka_unit_test(reflect_what_cannot_be_bound_is_refused_by_kind),
        cmocka_unit_test(reflect_more_bindings_than_a_dispatch_has_are_refused),
        cmocka_unit_test(check_entry_point_of_another_name_is_refused),
        cmocka_unit_test(check_bytes_that_are_no_module_are_refused),
        cmocka_unit_test(check_mutated_modules_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void)
{
    return 77; // no Vulkan backend in this build
}

#endif
