// Kernels given as GLSL or SPIR-V: what they bind is read from their code, and hazards follow readonly and writeonly.
// On devices that do not run them, the documented FM_ERROR_UNSUPPORTED is the test.
#include "add_spv.h"
#include "groups.h"
#include "support.h"

static const char copy_text[] = "#version 450\n"
                                "layout(local_size_x = 64) in;\n"
                                "layout(set = 0, binding = 4) writeonly buffer Target { uint y[]; };\n"
                                "layout(set = 0, binding = 1) readonly buffer Source { uint x[]; };\n"
                                "layout(push_constant) uniform Constants { uint count; uint factor; };\n"
                                "void main() {\n"
                                "    uint i = gl_GlobalInvocationID.x;\n"
                                "    if (i < count) y[i] = x[i] * factor;\n"
                                "}\n";

static fm_kernel_info glsl_info(const char *text)
{
    return (fm_kernel_info){.name = "glsl", .language = FM_KERNEL_GLSL, .code = text};
}

// The kernel, or the null handle on a device that rightly refuses it.
static fm_kernel glsl_kernel(ct_fixture *f, const char *text)
{
    fm_kernel_info info = glsl_info(text);
    fm_kernel kernel = {0};
    if (f->properties.runs_glsl) {
        CT_OK(fm_kernel_create(f->device, &info, &kernel));
    } else {
        ct_expect_unsupported(f, &info);
    }
    return kernel;
}

static fm_status record_copy(fm_commands *commands, fm_kernel kernel, fm_buffer source, fm_buffer target,
                             uint32_t factor)
{
    const uint32_t constants[2] = {1024, factor};
    fm_dispatch_info info =
        ct_dispatch_info(kernel, 16, CT_BINDINGS({.buffer = source}, {.buffer = target}), constants, sizeof constants);
    return fm_dispatch(commands, &info);
}

static void glsl_bindings_are_taken_by_rising_number(void **state)
{
    ct_fixture *f = *state;
    fm_kernel kernel = glsl_kernel(f, copy_text);
    if (kernel.id == 0) return;
    uint32_t words[1024];
    for (uint32_t i = 0; i < 1024; i++) words[i] = i;
    fm_buffer source = ct_buffer_of(f, words, sizeof words);
    fm_buffer target = ct_buffer(f, sizeof words);
    fm_commands *commands = ct_begin(f);
    CT_OK(record_copy(commands, kernel, source, target, 3));
    ct_finish(f, commands);
    ct_expect_content(f, source, words, sizeof words);
    for (uint32_t i = 0; i < 1024; i++) words[i] = 3 * i;
    ct_expect_content(f, target, words, sizeof words);
}

// LEARNED-13: what one dispatch writes, the next reads, back and forth in one list.
static void glsl_chain_in_one_list_is_ordered(void **state)
{
    ct_fixture *f = *state;
    fm_kernel kernel = glsl_kernel(f, copy_text);
    if (kernel.id == 0) return;
    fm_buffer one = ct_buffer(f, 4096);
    fm_buffer two = ct_buffer(f, 4096);
    fm_commands *commands = ct_begin(f);
    CT_OK(fm_fill(commands, one, 0, FM_WHOLE_SIZE, 1));
    uint32_t expected = 1;
    for (uint32_t i = 0; i < 40; i++) {
        CT_OK(record_copy(commands, kernel, i % 2 ? two : one, i % 2 ? one : two, 3));
        expected *= 3;
    }
    ct_finish(f, commands);
    ct_expect_words(f, one, 1024, expected);
}

// Readers of one buffer need no order between them: a wave for the fill, one for all readers.
static void glsl_readonly_bindings_share_a_wave(void **state)
{
    ct_fixture *f = *state;
    fm_kernel kernel = glsl_kernel(f, copy_text);
    if (kernel.id == 0) return;
    fm_buffer source = ct_buffer(f, 4096);
    fm_buffer targets[8];
    for (uint32_t i = 0; i < 8; i++) targets[i] = ct_buffer(f, 4096);
    fm_commands *commands = ct_begin(f);
    for (uint32_t i = 0; i < 8; i++) CT_OK(fm_fill(commands, targets[i], 0, FM_WHOLE_SIZE, 9));
    CT_OK(fm_fill(commands, source, 0, FM_WHOLE_SIZE, 5));
    ct_finish(f, commands);
    ct_wait_idle(f);
    uint64_t before = ct_stats(f).waves;
    commands = ct_begin(f);
    CT_OK(fm_fill(commands, source, 0, FM_WHOLE_SIZE, 7));
    for (uint32_t i = 0; i < 8; i++) CT_OK(record_copy(commands, kernel, source, targets[i], i));
    ct_finish(f, commands);
    ct_wait_idle(f);
    assert_int_equal(ct_stats(f).waves - before, 2);
    for (uint32_t i = 0; i < 8; i++) ct_expect_words(f, targets[i], 1024, 7 * i);
}

static void glsl_sub_ranges_are_bound_from_their_offset(void **state)
{
    ct_fixture *f = *state;
    fm_kernel kernel = glsl_kernel(f, copy_text);
    if (kernel.id == 0) return;
    uint32_t step = f->properties.binding_alignment_bytes;
    uint64_t size = 4096 + 8 * (uint64_t)step;
    uint32_t *words = calloc(1, size);
    assert_non_null(words);
    for (uint32_t i = 0; i < size / 4; i++) words[i] = i + 1;
    fm_buffer source = ct_buffer_of(f, words, size);
    fm_buffer target = ct_buffer(f, size);
    const uint32_t constants[2] = {8, 1};
    const fm_binding bindings[2] = {{.buffer = source, .offset_bytes = 3 * (uint64_t)step, .size_bytes = 32},
                                    {.buffer = target, .offset_bytes = 5 * (uint64_t)step, .size_bytes = 32}};
    fm_commands *commands = ct_begin(f);
    fm_dispatch_info info = ct_dispatch_info(kernel, 1, bindings, 2, constants, sizeof constants);
    CT_OK(fm_dispatch(commands, &info));
    ct_finish(f, commands);
    uint32_t *expected = calloc(1, size);
    assert_non_null(expected);
    memcpy((uint8_t *)expected + 5 * step, (const uint8_t *)words + 3 * step, 32);
    ct_expect_content(f, target, expected, size);
    free(words);
    free(expected);
}

static void glsl_dispatch_with_wrong_counts_is_invalid(void **state)
{
    ct_fixture *f = *state;
    fm_kernel kernel = glsl_kernel(f, copy_text);
    if (kernel.id == 0) return;
    fm_buffer buffer = ct_buffer(f, 4096);
    const fm_binding bindings[3] = {{.buffer = buffer}, {.buffer = buffer}, {.buffer = buffer}};
    const uint32_t constants[4] = {1, 1, 1, 1};
    fm_commands *commands = ct_begin(f);
    fm_dispatch_info info = ct_dispatch_info(kernel, 1, bindings, 1, constants, 8);
    CT_STATUS(fm_dispatch(commands, &info), FM_ERROR_INVALID_ARGUMENT);
    info.binding_count = 3;
    CT_STATUS(fm_dispatch(commands, &info), FM_ERROR_INVALID_ARGUMENT);
    info.binding_count = 2;
    info.constants_size_bytes = 4;
    CT_STATUS(fm_dispatch(commands, &info), FM_ERROR_INVALID_ARGUMENT);
    info.constants_size_bytes = 16;
    CT_STATUS(fm_dispatch(commands, &info), FM_ERROR_INVALID_ARGUMENT);
    CT_OK(fm_commands_cancel(&commands));
}

static void glsl_dispatch_with_wrong_sizes_or_types_is_refused(void **state)
{
    ct_fixture *f = *state;
    fm_kernel kernel = glsl_kernel(f, "#version 460\nlayout(local_size_x = 64) in;\n"
                                      "layout(binding = 0) readonly buffer A { uint factor; uint offset; uint a[]; };\n"
                                      "layout(binding = 1) writeonly buffer B { uint b[64]; };\n"
                                      "layout(binding = 2) writeonly buffer C { float c[]; };\n"
                                      "void main() { uint i = gl_GlobalInvocationID.x; b[i] = factor * i + offset; "
                                      "c[i] = float(i); }");
    if (kernel.id == 0) return;
    const uint32_t head[3] = {3, 4, 0};
    fm_buffer a = ct_buffer_of(f, head, sizeof head), b = ct_buffer(f, 512), c = ct_buffer(f, 512);
    fm_commands *commands = ct_begin(f);
    fm_binding bindings[3] = {{.buffer = a}, {.buffer = b, .size_bytes = 255}, {.buffer = c}};
    fm_dispatch_info info = ct_dispatch_info(kernel, 1, bindings, 3, NULL, 0);
    CT_STATUS(fm_dispatch(commands, &info), FM_ERROR_OUT_OF_RANGE);
    bindings[1].size_bytes = 256;
    bindings[0].size_bytes = 7;
    CT_STATUS(fm_dispatch(commands, &info), FM_ERROR_OUT_OF_RANGE);
    bindings[0].size_bytes = 8;
    bindings[2].dtype = FM_DTYPE_U32;
    CT_STATUS(fm_dispatch(commands, &info), FM_ERROR_INVALID_ARGUMENT);
    bindings[2].dtype = (fm_dtype)1000;
    CT_STATUS(fm_dispatch(commands, &info), FM_ERROR_INVALID_ARGUMENT);
    bindings[2].dtype = FM_DTYPE_F32;
    bindings[1].dtype = FM_DTYPE_U32;
    CT_OK(fm_dispatch(commands, &info));
    ct_finish(f, commands);
    uint32_t words[64];
    ct_read(f, b, 0, sizeof words, words);
    for (uint32_t i = 0; i < 64; i++) assert_int_equal(words[i], 3 * i + 4);
}

static void glsl_that_does_not_compile_is_a_compile_error(void **state)
{
    ct_fixture *f = *state;
    fm_kernel_info info = glsl_info("#version 450\nlayout(local_size_x = 64) in;\nvoid main() { nothing(); }\n");
    fm_kernel kernel = {UINT64_MAX};
    fm_status wanted = f->properties.runs_glsl ? FM_ERROR_COMPILE : FM_ERROR_UNSUPPORTED;
    CT_STATUS(fm_kernel_create(f->device, &info, &kernel), wanted);
    assert_true(kernel.id == 0);
    info.code = "this is no GLSL";
    CT_STATUS(fm_kernel_create(f->device, &info, &kernel), wanted);
}

static void glsl_with_portable_fields_set_is_invalid(void **state)
{
    ct_fixture *f = *state;
    if (!f->properties.runs_glsl) return;
    fm_kernel_param param = {"x", FM_DTYPE_U32, FM_ACCESS_READ};
    fm_kernel_info info = glsl_info(copy_text);
    info.params = &param;
    info.param_count = 1;
    fm_kernel kernel = {UINT64_MAX};
    CT_STATUS(fm_kernel_create(f->device, &info, &kernel), FM_ERROR_INVALID_ARGUMENT);
    assert_true(kernel.id == 0);
    info = glsl_info(copy_text);
    info.group_size[0] = 64;
    CT_STATUS(fm_kernel_create(f->device, &info, &kernel), FM_ERROR_INVALID_ARGUMENT);
}

static void glsl_with_more_push_constants_than_fit_is_refused(void **state)
{
    ct_fixture *f = *state;
    if (!f->properties.runs_glsl) return;
    char text[512];
    snprintf(text, sizeof text,
             "#version 450\nlayout(local_size_x = 1) in;\n"
             "layout(set = 0, binding = 0) buffer B { uint x[]; };\n"
             "layout(push_constant) uniform P { uint c[%u]; };\nvoid main() { x[0] = c[%u]; }\n",
             f->properties.max_push_constants_bytes / 4 + 1, f->properties.max_push_constants_bytes / 4);
    fm_kernel_info info = glsl_info(text);
    fm_kernel kernel = {UINT64_MAX};
    CT_EITHER(fm_kernel_create(f->device, &info, &kernel), FM_ERROR_INVALID_ARGUMENT, FM_ERROR_UNSUPPORTED);
    assert_true(kernel.id == 0);
}

static void glsl_three_axes_and_shared_memory_run(void **state)
{
    ct_fixture *f = *state;
    fm_kernel kernel =
        glsl_kernel(f,
                    "#version 450\n"
                    "layout(local_size_x = 4, local_size_y = 2, local_size_z = 2) in;\n"
                    "layout(set = 0, binding = 0) buffer B { uint x[]; };\n"
                    "shared uint tile[16];\n"
                    "void main() {\n"
                    "    tile[gl_LocalInvocationIndex] = gl_LocalInvocationIndex;\n"
                    "    barrier();\n"
                    "    uvec3 n = gl_NumWorkGroups;\n"
                    "    uint group = (gl_WorkGroupID.z * n.y + gl_WorkGroupID.y) * n.x + gl_WorkGroupID.x;\n"
                    "    x[group * 16 + gl_LocalInvocationIndex] = group * 100 + tile[15 - gl_LocalInvocationIndex];\n"
                    "}\n");
    if (kernel.id == 0) return;
    fm_buffer buffer = ct_buffer(f, 30 * 16 * 4);
    fm_dispatch_info info = ct_dispatch_info(kernel, 2, CT_BINDINGS({.buffer = buffer}), NULL, 0);
    info.group_count[1] = 3;
    info.group_count[2] = 5;
    fm_commands *commands = ct_begin(f);
    CT_OK(fm_dispatch(commands, &info));
    ct_finish(f, commands);
    uint32_t words[480];
    ct_read(f, buffer, 0, sizeof words, words);
    for (uint32_t i = 0; i < 480; i++) assert_int_equal(words[i], i / 16 * 100 + 15 - i % 16);
}

// The counts that a device reports are those that it takes: what is within is recorded, one past it is refused. Nothing is run.
static void glsl_group_counts_end_where_the_device_says(void **state)
{
    ct_fixture *f = *state;
    fm_kernel kernel = glsl_kernel(f, "#version 450\n"
                                      "layout(local_size_x = 1) in;\n"
                                      "layout(set = 0, binding = 0) buffer B { uint x[]; };\n"
                                      "void main() { x[0] = 1u; }\n");
    if (kernel.id == 0) return;
    fm_buffer buffer = ct_buffer(f, 4);
    fm_commands *commands = ct_begin(f);
    for (int axis = 0; axis < 3; axis++) {
        fm_dispatch_info info = ct_dispatch_info(kernel, 1, CT_BINDINGS({.buffer = buffer}), NULL, 0);
        info.group_count[axis] = f->properties.max_group_count[axis];
        CT_OK(fm_dispatch(commands, &info));
        if (++info.group_count[axis] == 0) continue; // no count is over it
        CT_STATUS(fm_dispatch(commands, &info), FM_ERROR_UNSUPPORTED);
    }
    CT_OK(fm_commands_cancel(&commands));
}

// A shader that asks for the number of workgroups itself cannot be split, so a device may refuse what it cannot run whole.
static void glsl_that_counts_its_workgroups_runs_whole_or_is_refused(void **state)
{
    ct_fixture *f = *state;
    fm_kernel kernel = glsl_kernel(f, "#version 450\n"
                                      "layout(local_size_x = 1) in;\n"
                                      "layout(set = 0, binding = 0) buffer B { uint x[]; };\n"
                                      "void main() { x[gl_WorkGroupID.x] = gl_NumWorkGroups.x + gl_WorkGroupID.x; }\n");
    if (kernel.id == 0) return;
    const uint32_t counts[2] = {1000, 70000};
    for (uint32_t i = 0; i < 2; i++) {
        fm_buffer buffer = ct_buffer(f, 4 * (uint64_t)counts[i]);
        fm_commands *commands = ct_begin(f);
        fm_dispatch_info info = ct_dispatch_info(kernel, counts[i], CT_BINDINGS({.buffer = buffer}), NULL, 0);
        fm_status status = fm_dispatch(commands, &info);
        CT_EITHER(status, FM_OK, i ? FM_ERROR_UNSUPPORTED : FM_OK);
        ct_finish(f, commands);
        uint32_t last = 0xA5A5A5A5;
        ct_read(f, buffer, 4 * (uint64_t)(counts[i] - 1), 4, &last);
        assert_int_equal(last, status == FM_OK ? 2 * counts[i] - 1 : 0);
    }
}

static void spirv_module_runs(void **state)
{
    ct_fixture *f = *state;
    uint32_t words[sizeof add_spv / 4];
    memcpy(words, add_spv, sizeof words);
    fm_kernel_info create = {
        .name = "spirv", .language = FM_KERNEL_SPIRV, .code = words, .code_size_bytes = sizeof words};
    if (!f->properties.runs_glsl) {
        ct_expect_unsupported(f, &create);
        return;
    }
    fm_kernel kernel = {0};
    CT_OK(fm_kernel_create(f->device, &create, &kernel));
    memset(words, CT_POISON, sizeof words); // copied at the call
    fm_buffer source = ct_buffer(f, 256);
    fm_buffer target = ct_buffer(f, 256);
    fm_commands *commands = ct_begin(f);
    CT_OK(fm_fill(commands, source, 0, FM_WHOLE_SIZE, 40));
    for (uint32_t k = 1; k <= 3; k++) {
        fm_dispatch_info info =
            ct_dispatch_info(kernel, 1, CT_BINDINGS({.buffer = source}, {.buffer = target}), &k, sizeof k);
        CT_OK(fm_dispatch(commands, &info));
        CT_OK(fm_copy(commands, target, 0, source, 0, 256)); // so each sees the one before
    }
    ct_finish(f, commands);
    ct_expect_words(f, target, 64, 46);
}

static void spirv_that_is_no_spirv_is_refused(void **state)
{
    ct_fixture *f = *state;
    static const uint32_t noise[8] = {0x12345678, 2, 3, 4, 5, 6, 7, 8};
    static const uint32_t header_only[5] = {0x07230203, 0x00010000, 0, 1, 0};
    static const uint32_t cut_off[8] = {0x07230203, 0x00010000, 0, 8, 0, 0x00020011, 1, 0x00FF000F};
    const struct {
        const void *words;
        size_t size_bytes;
    } cases[] = {
        {noise, sizeof noise},         {header_only, sizeof header_only}, {cut_off, sizeof cut_off}, {noise, 3},
        {add_spv, sizeof add_spv - 4}, {add_spv, sizeof add_spv / 2},     {header_only, 18},         {header_only, 4}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        fm_kernel_info info = {.name = "spirv",
                               .language = FM_KERNEL_SPIRV,
                               .code = cases[i].words,
                               .code_size_bytes = cases[i].size_bytes};
        fm_kernel kernel = {UINT64_MAX};
        fm_status status = fm_kernel_create(f->device, &info, &kernel);
        if (f->properties.runs_glsl) CT_EITHER(status, FM_ERROR_COMPILE, FM_ERROR_INVALID_ARGUMENT);
        if (!f->properties.runs_glsl) CT_STATUS(status, FM_ERROR_UNSUPPORTED);
        assert_true(kernel.id == 0);
    }
    if (!f->properties.runs_glsl) return;
    fm_kernel kernel = {UINT64_MAX};
    fm_kernel_info info = {.name = "spirv", .language = FM_KERNEL_SPIRV, .code = noise};
    CT_STATUS(fm_kernel_create(f->device, &info, &kernel), FM_ERROR_INVALID_ARGUMENT); // words have no end of their own
}

int ct_group_glsl(void)
{
    const struct CMUnitTest tests[] = {
        CT_TEST(glsl_bindings_are_taken_by_rising_number),
        CT_TEST(glsl_chain_in_one_list_is_ordered),
        CT_TEST(glsl_readonly_bindings_share_a_wave),
        CT_TEST(glsl_sub_ranges_are_bound_from_their_offset),
        CT_TEST(glsl_dispatch_with_wrong_counts_is_invalid),
        CT_TEST(glsl_dispatch_with_wrong_sizes_or_types_is_refused),
        CT_TEST(glsl_that_does_not_compile_is_a_compile_error),
        CT_TEST(glsl_with_portable_fields_set_is_invalid),
        CT_TEST(glsl_with_more_push_constants_than_fit_is_refused),
        CT_TEST(glsl_three_axes_and_shared_memory_run),
        CT_TEST(glsl_group_counts_end_where_the_device_says),
        CT_TEST(glsl_that_counts_its_workgroups_runs_whole_or_is_refused),
        CT_TEST(spirv_module_runs),
        CT_TEST(spirv_that_is_no_spirv_is_refused),
    };
    return cmocka_run_group_tests_name("glsl", tests, NULL, NULL);
}
