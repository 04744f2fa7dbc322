// What a kernel says of itself, in every language that the device takes, and dispatches that bind by the names it says.
#include "groups.h"
#include "support.h"

static fm_kernel_properties properties_of(ct_fixture *f, fm_kernel kernel)
{
    fm_kernel_properties p;
    memset(&p, CT_POISON, sizeof p);
    CT_OK(fm_kernel_get_properties(f->device, kernel, &p));
    return p;
}

static void expect_param(const fm_kernel_properties *p, uint32_t i, fm_kernel_param_properties expected)
{
    assert_true(i < p->param_count);
    const fm_kernel_param_properties *is = &p->params[i];
    assert_string_equal(is->name, expected.name);
    assert_int_equal(is->dtype, expected.dtype);
    assert_int_equal(is->access, expected.access);
    assert_int_equal(is->binding_number, expected.binding_number);
    assert_int_equal(is->least_size_bytes, expected.least_size_bytes);
}

static fm_kernel create(ct_fixture *f, const fm_kernel_info *info)
{
    fm_kernel kernel = {0};
    CT_OK(fm_kernel_create(f->device, info, &kernel));
    return kernel;
}

static void properties_of_a_portable_kernel_are_what_was_given(void **state)
{
    ct_fixture *f = *state;
    const fm_kernel_param params[] = {{"source", FM_DTYPE_U32, FM_ACCESS_READ},
                                      {"any", FM_DTYPE_NONE, FM_ACCESS_WRITE},
                                      {"both", FM_DTYPE_F32, FM_ACCESS_READ_WRITE}};
    const fm_kernel_constant constants[] = {{"n", FM_DTYPE_U32}, {"scale", FM_DTYPE_F32}, {"last", FM_DTYPE_I32}};
    const fm_kernel_shared shared[] = {{"s", FM_DTYPE_F32, 20}, {"t", FM_DTYPE_U32, 5}};
    fm_kernel_info info = {.name = "told",
                           .code = "s[0] = scale; t[0] = n; any[0] = source[0]; both[0] = s[0] + float(last) + "
                                   "float(t[0]);",
                           .params = params,
                           .param_count = 3,
                           .constants = constants,
                           .constant_count = 3,
                           .shared = shared,
                           .shared_count = 2,
                           .group_size = {8, 4, 2}};
    fm_kernel kernel = create(f, &info);
    fm_kernel_properties p = properties_of(f, kernel);
    assert_string_equal(p.name, "told");
    assert_int_equal(p.language, FM_KERNEL_PORTABLE);
    assert_int_equal(p.param_count, 3);
    expect_param(&p, 0, (fm_kernel_param_properties){"source", FM_DTYPE_U32, FM_ACCESS_READ, 0, 0});
    expect_param(&p, 1, (fm_kernel_param_properties){"any", FM_DTYPE_NONE, FM_ACCESS_WRITE, 1, 0});
    expect_param(&p, 2, (fm_kernel_param_properties){"both", FM_DTYPE_F32, FM_ACCESS_READ_WRITE, 2, 0});
    assert_int_equal(p.constant_count, 3);
    assert_int_equal(p.constants_size_bytes, 12);
    assert_int_equal(p.group_size[0], 8);
    assert_int_equal(p.group_size[1], 4);
    assert_int_equal(p.group_size[2], 2);
    assert_int_equal(p.shared_size_bytes, 100);
    assert_int_equal(p.variant_count, 0); // its dtypes come with each dispatch
    info = (fm_kernel_info){.name = "none", .code = ";"};
    p = properties_of(f, create(f, &info));
    assert_int_equal(p.param_count + p.constant_count + p.constants_size_bytes + p.shared_size_bytes, 0);
    assert_int_equal(p.group_size[0], 64);
    assert_int_equal(p.group_size[1] * p.group_size[2], 1);
    assert_int_equal(p.variant_count, 1); // made at creation
}

static void properties_count_the_variants_that_are_made(void **state)
{
    ct_fixture *f = *state;
    static const fm_dtype dtypes[] = {FM_DTYPE_F32, FM_DTYPE_U32, FM_DTYPE_F32, FM_DTYPE_I32};
    static const uint32_t expected[] = {1, 2, 2, 3};
    fm_kernel kernel = ct_kernel(f, "x[0] = x[0];", CT_PARAMS({"x", FM_DTYPE_NONE, FM_ACCESS_READ_WRITE}), NULL, 0);
    fm_buffer buffer = ct_buffer(f, 64);
    assert_int_equal(properties_of(f, kernel).variant_count, 0);
    fm_commands *commands = ct_begin(f);
    for (size_t i = 0; i < sizeof dtypes / sizeof dtypes[0]; i++) {
        fm_dispatch_info info =
            ct_dispatch_info(kernel, 1, CT_BINDINGS({.buffer = buffer, .dtype = dtypes[i]}), NULL, 0);
        CT_OK(fm_dispatch(commands, &info));
        assert_int_equal(properties_of(f, kernel).variant_count, expected[i]);
    }
    ct_finish(f, commands);
}

static void constants_are_told_with_their_offsets(void **state)
{
    ct_fixture *f = *state;
    bool wide = (f->properties.dtype_mask & 1u << FM_DTYPE_I64) != 0;
    const fm_kernel_constant constants[] = {
        {"n", FM_DTYPE_U32}, {"big", wide ? FM_DTYPE_I64 : FM_DTYPE_I32}, {"f", FM_DTYPE_F32}};
    fm_kernel kernel = ct_kernel(f, ";", NULL, 0, constants, 3);
    uint32_t count = 77;
    CT_OK(fm_kernel_get_constants(f->device, kernel, NULL, &count));
    assert_int_equal(count, 3);
    assert_int_equal(properties_of(f, kernel).constants_size_bytes, wide ? 24 : 12);
    fm_kernel_constant_properties told[4];
    memset(told, CT_POISON, sizeof told);
    count = 2;
    CT_OK(fm_kernel_get_constants(f->device, kernel, told, &count));
    assert_int_equal(count, 3);
    const uint32_t offsets[] = {0, wide ? 8 : 4, wide ? 16 : 8};
    assert_true((uint8_t)told[2].name[0] == CT_POISON); // there was no room for it
    count = 4;
    CT_OK(fm_kernel_get_constants(f->device, kernel, told, &count));
    assert_int_equal(count, 3);
    for (uint32_t i = 0; i < 3; i++) {
        assert_string_equal(told[i].name, constants[i].name);
        assert_int_equal(told[i].dtype, constants[i].dtype);
        assert_int_equal(told[i].offset_bytes, offsets[i]);
    }
    CT_STATUS(fm_kernel_get_constants(f->device, kernel, told, NULL), FM_ERROR_INVALID_ARGUMENT);
}

static const char given[] = "#version 450\n"
                            "layout(local_size_x = 16, local_size_y = 2) in;\n"
                            "layout(binding = 7) writeonly buffer Result { uint value[]; };\n"
                            "layout(binding = 2) readonly buffer Source { uint value[]; } source;\n"
                            "layout(binding = 4) buffer Head { uint count; float rest[3]; uint tail[]; } head;\n"
                            "layout(push_constant) uniform Push { uint add; uint unused; };\n"
                            "void main() { if (gl_LocalInvocationIndex == 0u) value[0] = source.value[0] + head.count "
                            "+ head.tail[0] + add; }\n";

static void properties_of_glsl_are_reflected(void **state)
{
    ct_fixture *f = *state;
    fm_kernel_info info = {.name = "given", .language = FM_KERNEL_GLSL, .code = given};
    if (!f->properties.runs_glsl) {
        ct_expect_unsupported(f, &info);
        return;
    }
    fm_kernel kernel = create(f, &info);
    fm_kernel_properties p = properties_of(f, kernel);
    assert_string_equal(p.name, "given");
    assert_int_equal(p.language, FM_KERNEL_GLSL);
    assert_int_equal(p.param_count, 3);
    expect_param(&p, 0, (fm_kernel_param_properties){"source", FM_DTYPE_U32, FM_ACCESS_READ, 2, 0});
    expect_param(&p, 1, (fm_kernel_param_properties){"head", FM_DTYPE_NONE, FM_ACCESS_READ_WRITE, 4, 16});
    expect_param(&p, 2, (fm_kernel_param_properties){"Result", FM_DTYPE_U32, FM_ACCESS_WRITE, 7, 0});
    assert_int_equal(p.constant_count, 0);
    assert_int_equal(p.constants_size_bytes, 8);
    assert_int_equal(p.group_size[0], 16);
    assert_int_equal(p.group_size[1], 2);
    assert_int_equal(p.group_size[2], 1);
    assert_int_equal(p.variant_count, 1);
    // Names of a module bind as well, and are in sentences.
    const uint32_t words[8] = {5, 0, 0, 0, 30}, push[2] = {100, 0};
    fm_buffer source = ct_buffer_of(f, words, sizeof words), head = ct_buffer_of(f, words, sizeof words);
    fm_buffer result = ct_buffer(f, 64);
    fm_dispatch_info dispatch =
        ct_dispatch_info(kernel, 1,
                         CT_BINDINGS({.buffer = head, .param_name = "head"}, {.buffer = result, .param_name = "Result"},
                                     {.buffer = source, .param_name = "source"}),
                         push, sizeof push);
    fm_commands *commands = ct_begin(f);
    CT_OK(fm_dispatch(commands, &dispatch));
    CT_OK(fm_buffer_destroy(f->device, head));
    dispatch.bindings = (const fm_binding[]){{.buffer = source}, {.buffer = head}, {.buffer = result}};
    CT_STATUS(fm_dispatch(commands, &dispatch), FM_ERROR_STALE_HANDLE);
    assert_non_null(strstr(fm_last_error(), "binding 1 'head' of kernel 'given'"));
    ct_finish(f, commands);
    ct_expect_words(f, result, 1, 5 + 5 + 30 + 100);
}

static fm_status do_nothing(const fm_host_call *call)
{
    (void)call;
    return FM_OK;
}

static void properties_of_a_host_function_are_what_was_given(void **state)
{
    ct_fixture *f = *state;
    const fm_kernel_param params[] = {{"a", FM_DTYPE_I8, FM_ACCESS_READ}, {"b", FM_DTYPE_NONE, FM_ACCESS_WRITE}};
    fm_kernel_info info = {.name = "called",
                           .language = FM_KERNEL_HOST_FUNCTION,
                           .params = params,
                           .param_count = 2,
                           .constants_size_bytes = 13,
                           .host_function = do_nothing};
    if (!f->properties.runs_host_functions) {
        ct_expect_unsupported(f, &info);
        return;
    }
    fm_kernel_properties p = properties_of(f, create(f, &info));
    assert_int_equal(p.language, FM_KERNEL_HOST_FUNCTION);
    assert_int_equal(p.param_count, 2);
    expect_param(&p, 0, (fm_kernel_param_properties){"a", FM_DTYPE_I8, FM_ACCESS_READ, 0, 0});
    expect_param(&p, 1, (fm_kernel_param_properties){"b", FM_DTYPE_NONE, FM_ACCESS_WRITE, 1, 0});
    assert_int_equal(p.constants_size_bytes, 13);
    assert_int_equal(p.group_size[0] * p.group_size[1] * p.group_size[2], 1);
    assert_int_equal(p.variant_count, 1);
}

static void properties_of_bad_handles_are_refused(void **state)
{
    ct_fixture *f = *state;
    fm_kernel_properties p;
    uint32_t n = 0;
    fm_kernel kernel = ct_kernel_add(f), foreign;
    CT_OK(fm_kernel_create(ct_other_device(f), &(fm_kernel_info){.name = "foreign", .code = ";"}, &foreign));
    CT_STATUS(fm_kernel_get_properties(f->device, kernel, NULL), FM_ERROR_INVALID_ARGUMENT);
    CT_STATUS(fm_kernel_find_param(f->device, kernel, NULL, &n), FM_ERROR_INVALID_ARGUMENT);
    CT_STATUS(fm_kernel_find_param(f->device, kernel, "x", NULL), FM_ERROR_INVALID_ARGUMENT);
    CT_OK(fm_kernel_destroy(f->device, kernel));
    const fm_kernel bad[] = {{0}, kernel, foreign};
    const fm_status why[] = {FM_ERROR_NULL_HANDLE, FM_ERROR_STALE_HANDLE, FM_ERROR_FOREIGN_HANDLE};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        CT_STATUS(fm_kernel_get_properties(f->device, bad[i], &p), why[i]);
        CT_STATUS(fm_kernel_get_constants(f->device, bad[i], NULL, &n), why[i]);
        CT_STATUS(fm_kernel_find_param(f->device, bad[i], "x", &n), why[i]);
    }
    CT_STATUS(fm_kernel_get_properties(NULL, kernel, &p), FM_ERROR_INVALID_ARGUMENT);
}

static void param_is_found_by_its_name(void **state)
{
    ct_fixture *f = *state;
    fm_kernel kernel = ct_kernel_add(f);
    uint32_t at = 77;
    CT_OK(fm_kernel_find_param(f->device, kernel, "y", &at));
    assert_int_equal(at, 1);
    CT_OK(fm_kernel_find_param(f->device, kernel, "x", &at));
    assert_int_equal(at, 0);
    at = 77;
    CT_STATUS(fm_kernel_find_param(f->device, kernel, "z", &at), FM_ERROR_INVALID_ARGUMENT);
    assert_non_null(strstr(fm_last_error(), "no parameter 'z'; it has 'x', 'y'"));
    CT_STATUS(fm_kernel_find_param(f->device, kernel, "", &at), FM_ERROR_INVALID_ARGUMENT);
    assert_int_equal(at, 77);
}

// add: y = x + value. By name the order is free, with and without flags.
static void bindings_by_name_go_to_their_parameters(void **state)
{
    ct_fixture *f = *state;
    fm_kernel add = ct_kernel_add(f);
    fm_buffer x = ct_buffer(f, 256), y = ct_buffer(f, 256);
    const ct_set_constants constants = {64, 9};
    for (uint32_t flags = 0; flags < 4; flags++) {
        for (uint32_t swapped = 0; swapped < 2; swapped++) {
            fm_binding bindings[2];
            bindings[swapped] = (fm_binding){.buffer = x, .param_name = "x"};
            bindings[!swapped] = (fm_binding){.buffer = y, .param_name = "y"};
            fm_dispatch_info info = ct_dispatch_info(add, 1, bindings, 2, &constants, sizeof constants);
            info.flags = flags;
            fm_commands *commands = ct_begin(f);
            CT_OK(fm_fill(commands, y, 0, FM_WHOLE_SIZE, 0));
            CT_OK(fm_dispatch(commands, &info));
            ct_finish(f, commands);
            ct_expect_words(f, x, 64, 0);
            ct_expect_words(f, y, 64, 9);
        }
    }
}

// Ranges and dtypes go with the name.
static void bindings_by_name_take_their_dtype_along(void **state)
{
    ct_fixture *f = *state;
    fm_kernel kernel =
        ct_kernel(f, "if (global_id.x < 4u) out_[global_id.x] = float(in_[global_id.x]);",
                  CT_PARAMS({"in_", FM_DTYPE_NONE, FM_ACCESS_READ}, {"out_", FM_DTYPE_NONE, FM_ACCESS_WRITE}), NULL, 0);
    const uint32_t align = f->properties.binding_alignment_bytes;
    const int32_t words[4] = {-3, 5, 0, 8};
    const float expected[4] = {-3.0f, 5.0f, 0.0f, 8.0f};
    fm_buffer in = ct_buffer_of(f, words, sizeof words), out = ct_buffer(f, align + sizeof expected);
    fm_dispatch_info info = ct_dispatch_info(kernel, 1,
                                             CT_BINDINGS({.buffer = out,
                                                          .offset_bytes = align,
                                                          .dtype = FM_DTYPE_F32,
                                                          .param_name = "out_"},
                                                         {.buffer = in, .dtype = FM_DTYPE_I32, .param_name = "in_"}),
                                             NULL, 0);
    fm_commands *commands = ct_begin(f);
    CT_OK(fm_dispatch(commands, &info));
    ct_finish(f, commands);
    float got[4];
    ct_read(f, out, align, sizeof got, got);
    assert_memory_equal(got, expected, sizeof got);
    // The other way round would have asked for another variant.
    assert_int_equal(properties_of(f, kernel).variant_count, 1);
}

static void bindings_by_wrong_names_are_refused_with_those_there_are(void **state)
{
    ct_fixture *f = *state;
    fm_kernel add = ct_kernel_add(f);
    fm_buffer x = ct_buffer(f, 256), y = ct_buffer(f, 256), stale = ct_buffer(f, 256);
    CT_OK(fm_buffer_destroy(f->device, stale));
    static const struct {
        const char *first, *second, *sentence;
    } cases[] = {
        {"x", "z", "fm_dispatch: binding 1: kernel '"},
        {"w", "x", "no parameter 'w'; it has 'x', 'y'"},
        {"", "x", "no parameter ''"},
        {"y", "y", "bindings 0 and 1 are both of parameter 'y'"},
        {"x", NULL, "binding 1 of kernel"},
        {NULL, "y", "binding 0 of kernel"},
    };
    const ct_set_constants constants = {64, 1};
    fm_commands *commands = ct_begin(f);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        fm_dispatch_info info = ct_dispatch_info(add, 1,
                                                 CT_BINDINGS({.buffer = x, .param_name = cases[i].first},
                                                             {.buffer = y, .param_name = cases[i].second}),
                                                 &constants, sizeof constants);
        CT_STATUS(fm_dispatch(commands, &info), FM_ERROR_INVALID_ARGUMENT);
        if (!strstr(fm_last_error(), cases[i].sentence)) fail_msg("\"%s\": %s", cases[i].sentence, fm_last_error());
    }
    // What is wrong with a buffer is said of the parameter that it was meant for.
    fm_dispatch_info info =
        ct_dispatch_info(add, 1, CT_BINDINGS({.buffer = stale, .param_name = "y"}, {.buffer = x, .param_name = "x"}),
                         &constants, sizeof constants);
    CT_STATUS(fm_dispatch(commands, &info), FM_ERROR_STALE_HANDLE);
    assert_non_null(strstr(fm_last_error(), "'y' of kernel"));
    info.binding_count = 1;
    CT_STATUS(fm_dispatch(commands, &info), FM_ERROR_INVALID_ARGUMENT);
    assert_non_null(strstr(fm_last_error(), "takes 2 bindings ('x', 'y'), not 1"));
    ct_finish(f, commands);
    ct_expect_words(f, y, 64, 0);
}

static void bindings_by_name_are_patched_by_name(void **state)
{
    ct_fixture *f = *state;
    fm_kernel add = ct_kernel_add(f);
    fm_buffer x = ct_buffer(f, 256), y = ct_buffer(f, 256), z = ct_buffer(f, 256);
    const ct_set_constants constants = {64, 3};
    fm_binding bindings[2] = {{.buffer = y, .param_name = "y"}, {.buffer = x, .param_name = "x"}};
    fm_dispatch_info info = ct_dispatch_info(add, 1, bindings, 2, &constants, sizeof constants);
    fm_commands *commands = NULL;
    CT_OK(fm_commands_begin(f->device, &(fm_commands_info){.flags = FM_COMMANDS_REUSABLE}, &commands));
    CT_OK(fm_dispatch(commands, &info));
    fm_point point;
    CT_OK(fm_commit(&commands, &(fm_commit_info){.stream = f->stream}, &point));
    bindings[0] = (fm_binding){.buffer = y, .param_name = "x"};
    bindings[1] = (fm_binding){.buffer = z, .param_name = "y"};
    CT_OK(fm_patch(commands, 0, &info));
    CT_OK(fm_commit(&commands, &(fm_commit_info){.stream = f->stream}, &point));
    bindings[1].param_name = "x";
    CT_STATUS(fm_patch(commands, 0, &info), FM_ERROR_INVALID_ARGUMENT);
    CT_OK(fm_point_wait(f->device, point, CT_TIMEOUT_NS));
    ct_expect_words(f, x, 64, 0);
    ct_expect_words(f, y, 64, 3);
    ct_expect_words(f, z, 64, 6);
    CT_OK(fm_commands_cancel(&commands));
}

int ct_group_properties(void)
{
    const struct CMUnitTest tests[] = {
        CT_TEST(properties_of_a_portable_kernel_are_what_was_given),
        CT_TEST(properties_count_the_variants_that_are_made),
        CT_TEST(constants_are_told_with_their_offsets),
        CT_TEST(properties_of_glsl_are_reflected),
        CT_TEST(properties_of_a_host_function_are_what_was_given),
        CT_TEST(properties_of_bad_handles_are_refused),
        CT_TEST(param_is_found_by_its_name),
        CT_TEST(bindings_by_name_go_to_their_parameters),
        CT_TEST(bindings_by_name_take_their_dtype_along),
        CT_TEST(bindings_by_wrong_names_are_refused_with_those_there_are),
        CT_TEST(bindings_by_name_are_patched_by_name),
    };
    return cmocka_run_group_tests_name("properties", tests, NULL, NULL);
}
