// Kernels: creating and destroying them, what is refused, and variants that live side by side (KEY-*).
// GLSL, host functions, built-ins and dtypes have groups of their own.
#include "groups.h"
#include "threads.h"

static const fm_kernel_param one_param = {"x", FM_DTYPE_U32, FM_ACCESS_READ_WRITE};

// A portable kernel that is right in everything, to be spoilt in one place.
static fm_kernel_info good_info(void)
{
    return (fm_kernel_info){.name = "good",
                            .code = "x[global_id.x] = 1u;",
                            .params = &one_param,
                            .param_count = 1,
                            .group_size = {64, 1, 1}};
}

static void expect_create(ct_fixture *f, const fm_kernel_info *info, fm_status expected)
{
    fm_kernel kernel = {UINT64_MAX};
    CT_STATUS(fm_kernel_create(f->device, info, &kernel), expected);
    assert_true((kernel.id != 0) == (expected == FM_OK));
}

static void kernel_create_without_an_argument_is_invalid(void **state)
{
    ct_fixture *f = *state;
    fm_kernel_info info = good_info();
    CT_STATUS(fm_kernel_create(f->device, &info, NULL), FM_ERROR_INVALID_ARGUMENT);
    expect_create(f, NULL, FM_ERROR_INVALID_ARGUMENT);
    info.name = NULL;
    expect_create(f, &info, FM_ERROR_INVALID_ARGUMENT);
    info.name = "";
    expect_create(f, &info, FM_ERROR_INVALID_ARGUMENT);
    info = good_info();
    info.code = NULL;
    expect_create(f, &info, FM_ERROR_INVALID_ARGUMENT);
    info = good_info();
    info.params = NULL;
    expect_create(f, &info, FM_ERROR_INVALID_ARGUMENT);
    info = good_info();
    info.constant_count = 1;
    expect_create(f, &info, FM_ERROR_INVALID_ARGUMENT);
    info = good_info();
    expect_create(f, &info, FM_OK);
}

static void kernel_create_in_an_unknown_language_is_refused(void **state)
{
    ct_fixture *f = *state;
    fm_kernel_info info = good_info();
    info.language = (fm_kernel_language)4;
    expect_create(f, &info, FM_ERROR_INVALID_ARGUMENT);
    info.language = (fm_kernel_language)-1;
    expect_create(f, &info, FM_ERROR_INVALID_ARGUMENT);
}

static void kernel_create_with_unused_fields_set_is_invalid(void **state)
{
    ct_fixture *f = *state;
    fm_kernel_info info = good_info();
    info.host_function = (fm_host_function)(uintptr_t)1;
    expect_create(f, &info, FM_ERROR_INVALID_ARGUMENT);
    info = good_info();
    info.constants_size_bytes = 4;
    expect_create(f, &info, FM_ERROR_INVALID_ARGUMENT);
}

static void kernel_create_with_bad_names_is_invalid(void **state)
{
    ct_fixture *f = *state;
    static const char *const names[] = {"", "2x", "a b", "a-b", "x;", "fm_x", "gl_x", "x\n", NULL};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        fm_kernel_param param = {names[i], FM_DTYPE_U32, FM_ACCESS_READ_WRITE};
        fm_kernel_info info = good_info();
        info.code = ";";
        info.params = &param;
        expect_create(f, &info, FM_ERROR_INVALID_ARGUMENT);
        fm_kernel_constant constant = {names[i], FM_DTYPE_U32};
        info = good_info();
        info.constants = &constant;
        info.constant_count = 1;
        expect_create(f, &info, FM_ERROR_INVALID_ARGUMENT);
    }
}

static void kernel_create_with_a_name_twice_is_invalid(void **state)
{
    ct_fixture *f = *state;
    const fm_kernel_param params[2] = {one_param, one_param};
    fm_kernel_info info = good_info();
    info.params = params;
    info.param_count = 2;
    expect_create(f, &info, FM_ERROR_INVALID_ARGUMENT);
    const fm_kernel_constant constants[2] = {{"n", FM_DTYPE_U32}, {"x", FM_DTYPE_U32}};
    info = good_info();
    info.constants = constants;
    info.constant_count = 2;
    expect_create(f, &info, FM_ERROR_INVALID_ARGUMENT); // the second is the parameter's name
}

static void kernel_create_with_bad_types_is_invalid(void **state)
{
    ct_fixture *f = *state;
    const fm_kernel_param params[] = {
        {"x", (fm_dtype)11, FM_ACCESS_READ},
        {"x", (fm_dtype)-1, FM_ACCESS_READ},
        {"x", FM_DTYPE_U32, (fm_access)0},
        {"x", FM_DTYPE_U32, (fm_access)4},
    };
    for (size_t i = 0; i < sizeof params / sizeof params[0]; i++) {
        fm_kernel_info info = good_info();
        info.code = ";";
        info.params = &params[i];
        expect_create(f, &info, FM_ERROR_INVALID_ARGUMENT);
    }
    const fm_dtype dtypes[] = {FM_DTYPE_NONE, FM_DTYPE_F16, FM_DTYPE_I8, FM_DTYPE_U8, (fm_dtype)11};
    for (size_t i = 0; i < sizeof dtypes / sizeof dtypes[0]; i++) {
        fm_kernel_constant constant = {"n", dtypes[i]};
        fm_kernel_info info = good_info();
        info.constants = &constant;
        info.constant_count = 1;
        expect_create(f, &info, FM_ERROR_INVALID_ARGUMENT);
    }
}

static void kernel_create_over_a_limit_is_invalid(void **state)
{
    ct_fixture *f = *state;
    fm_kernel_param params[FM_MAX_BINDINGS + 1];
    char names[FM_MAX_BINDINGS + 1][8];
    for (uint32_t i = 0; i <= FM_MAX_BINDINGS; i++) {
        snprintf(names[i], sizeof names[i], "p%u", i);
        params[i] = (fm_kernel_param){names[i], FM_DTYPE_U32, FM_ACCESS_READ};
    }
    fm_kernel_info info = good_info();
    info.code = ";";
    info.params = params;
    info.param_count = FM_MAX_BINDINGS + 1;
    expect_create(f, &info, FM_ERROR_INVALID_ARGUMENT);
    info = good_info();
    info.group_size[0] = f->properties.max_group_size[0] + 1;
    expect_create(f, &info, FM_ERROR_INVALID_ARGUMENT);
    info.group_size[0] = 64;
    info.group_size[1] = 0; // only {0} as a whole is a default
    expect_create(f, &info, FM_ERROR_INVALID_ARGUMENT);
    info.group_size[0] = f->properties.max_group_invocations;
    info.group_size[1] = 2;
    expect_create(f, &info, FM_ERROR_INVALID_ARGUMENT);
}

static void kernel_create_with_too_many_constants_is_invalid(void **state)
{
    ct_fixture *f = *state;
    uint32_t most = f->properties.max_constants_bytes / 4;
    if (most > 100000) return; // no limit that text of this size could reach
    fm_kernel_constant *constants = calloc(most + 1, sizeof *constants);
    char(*names)[12] = calloc(most + 1, sizeof *names);
    assert_true(constants && names);
    for (uint32_t i = 0; i <= most; i++) {
        snprintf(names[i], sizeof names[i], "c%u", i);
        constants[i] = (fm_kernel_constant){names[i], FM_DTYPE_U32};
    }
    fm_kernel_info info = good_info();
    info.constants = constants;
    info.constant_count = most + 1;
    expect_create(f, &info, FM_ERROR_INVALID_ARGUMENT);
    info.constant_count = most;
    expect_create(f, &info, FM_OK);
    free(constants);
    free(names);
}

static void kernel_create_from_text_that_does_not_compile_is_a_compile_error(void **state)
{
    ct_fixture *f = *state;
    static const char *const bodies[] = {"x[global_id.x] = 1u", "x[0] = nothing_of_this_name;", "if (", "x[0] = 1u; }",
                                         "x[0] = unknown_function(1u);"};
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        fm_kernel_info info = good_info();
        info.code = bodies[i];
        expect_create(f, &info, FM_ERROR_COMPILE);
    }
    fm_kernel_info info = good_info();
    info.header = "float broken(float a { return a; }";
    expect_create(f, &info, FM_ERROR_COMPILE);
}

// What the body names is not declared then, and the reason is not in the body.
static void kernel_create_with_a_list_but_no_count_says_so(void **state)
{
    ct_fixture *f = *state;
    const fm_kernel_param params[] = {{"x", FM_DTYPE_F32, FM_ACCESS_WRITE}};
    const fm_kernel_constant constants[] = {{"c", FM_DTYPE_F32}};
    const fm_kernel_shared shared[] = {{"s", FM_DTYPE_F32, 64}};
    const fm_kernel_special specials[] = {{"N", FM_DTYPE_U32, 4}};
    const fm_kernel_info right = {.name = "forgetful",
                                  .code = "if (local_id.x < N) { s[local_id.x] = c; x[local_id.x] = s[local_id.x]; }",
                                  .params = params,
                                  .param_count = 1,
                                  .constants = constants,
                                  .constant_count = 1,
                                  .shared = shared,
                                  .shared_count = 1,
                                  .specials = specials,
                                  .special_count = 1};
    static const char *const lists[] = {"params", "constants", "shared", "specials"};
    static const char *const counts[] = {"param_count", "constant_count", "shared_count", "special_count"};
    fm_kernel kernel;
    CT_OK(fm_kernel_create(f->device, &right, &kernel));
    for (int forgotten = 0; forgotten < 4; forgotten++) {
        for (int list = 0; list < 2; list++) { // the list without its count, then the count without its list
            fm_kernel_info info = right;
            if (forgotten == 0) list ? (void)(info.params = NULL) : (void)(info.param_count = 0);
            if (forgotten == 1) list ? (void)(info.constants = NULL) : (void)(info.constant_count = 0);
            if (forgotten == 2) list ? (void)(info.shared = NULL) : (void)(info.shared_count = 0);
            if (forgotten == 3) list ? (void)(info.specials = NULL) : (void)(info.special_count = 0);
            char sentence[80];
            snprintf(sentence, sizeof sentence, list ? "%s is NULL, but %s is 1" : "%s is given, but %s is 0",
                     lists[forgotten], counts[forgotten]);
            expect_create(f, &info, list ? FM_ERROR_INVALID_ARGUMENT : FM_ERROR_COMPILE);
            if (!strstr(fm_last_error(), sentence)) fail_msg("\"%s\" is not in: %s", sentence, fm_last_error());
        }
    }
    // An empty list may have an address.
    CT_OK(fm_kernel_create(f->device,
                           &(fm_kernel_info){.name = "none",
                                             .code = "uint i = 0u;",
                                             .params = params,
                                             .constants = constants,
                                             .shared = shared,
                                             .specials = specials},
                           &kernel));
}

static void kernel_destroy_of_bad_handles_is_an_answer(void **state)
{
    ct_fixture *f = *state;
    fm_kernel kernel = ct_kernel_set(f);
    CT_OK(fm_kernel_destroy(f->device, (fm_kernel){0}));
    CT_STATUS(fm_kernel_destroy(ct_other_device(f), kernel), FM_ERROR_FOREIGN_HANDLE);
    CT_OK(fm_kernel_destroy(f->device, kernel));
    CT_STATUS(fm_kernel_destroy(f->device, kernel), FM_ERROR_STALE_HANDLE);
    CT_REFUSED(fm_kernel_destroy(f->device, (fm_kernel){UINT64_MAX}));
}

// All that the info points to is copied.
static void kernel_create_copies_its_texts(void **state)
{
    ct_fixture *f = *state;
    char name[] = "copied";
    char code[] = "uint i = global_id.x; if (i < n) data[i] = twice(data[i]) + n;GARBAGE";
    char header[] = "uint twice(uint a) { return a + a; }";
    char param_name[] = "data";
    char constant_name[] = "n";
    fm_kernel_param param = {param_name, FM_DTYPE_NONE, FM_ACCESS_READ_WRITE}; // compiled at the dispatch
    fm_kernel_constant constant = {constant_name, FM_DTYPE_U32};
    fm_kernel_info info = {.name = name,
                           .code = code,
                           .code_size_bytes = strlen(code) - strlen("GARBAGE"),
                           .header = header,
                           .params = &param,
                           .param_count = 1,
                           .constants = &constant,
                           .constant_count = 1};
    fm_kernel kernel = {0};
    CT_OK(fm_kernel_create(f->device, &info, &kernel));
    memset(name, 'x', sizeof name);
    memset(code, 'x', sizeof code);
    memset(header, 'x', sizeof header);
    memset(param_name, 'x', sizeof param_name);
    memset(constant_name, 'x', sizeof constant_name);
    memset(&info, CT_POISON, sizeof info);
    memset(&param, CT_POISON, sizeof param);
    uint32_t words[64];
    for (uint32_t i = 0; i < 64; i++) words[i] = i;
    fm_buffer buffer = ct_buffer_of(f, words, sizeof words);
    uint32_t n = 50;
    fm_commands *commands = ct_begin(f);
    fm_dispatch_info dispatch =
        ct_dispatch_info(kernel, 1, CT_BINDINGS({.buffer = buffer, .dtype = FM_DTYPE_U32}), &n, sizeof n);
    CT_OK(fm_dispatch(commands, &dispatch));
    ct_finish(f, commands);
    ct_read(f, buffer, 0, sizeof words, words);
    for (uint32_t i = 0; i < 64; i++) assert_int_equal(words[i], i < 50 ? 2 * i + 50 : i);
}

// KEY-1, KEY-6: two kernels of one name are two kernels.
static void kernel_of_the_same_name_is_another_kernel(void **state)
{
    ct_fixture *f = *state;
    fm_kernel first = ct_kernel(f, "x[global_id.x] = 1u;", &one_param, 1, NULL, 0);
    fm_kernel second = ct_kernel(f, "x[global_id.x] = 2u;", &one_param, 1, NULL, 0);
    fm_buffer one = ct_buffer(f, 256);
    fm_buffer two = ct_buffer(f, 256);
    fm_commands *commands = ct_begin(f);
    fm_dispatch_info info = ct_dispatch_info(first, 1, CT_BINDINGS({.buffer = one}), NULL, 0);
    CT_OK(fm_dispatch(commands, &info));
    info = ct_dispatch_info(second, 1, CT_BINDINGS({.buffer = two}), NULL, 0);
    CT_OK(fm_dispatch(commands, &info));
    ct_finish(f, commands);
    ct_expect_words(f, one, 64, 1);
    ct_expect_words(f, two, 64, 2);
}

static void kernel_without_parameters_runs(void **state)
{
    ct_fixture *f = *state;
    fm_kernel kernel = ct_kernel(f, "uint i = global_id.x; if (i > 7u) i = 7u;", NULL, 0, NULL, 0);
    fm_commands *commands = ct_begin(f);
    fm_dispatch_info info = ct_dispatch_info(kernel, 3, NULL, 0, NULL, 0);
    CT_OK(fm_dispatch(commands, &info));
    ct_finish(f, commands);
}

// KEY-4: many threads that want one new variant get it, compiled once.
typedef struct variant_race {
    fm_kernel kernel;
    fm_buffer buffers[8];
} variant_race;

static void dispatch_new_variant(ct_worker *worker)
{
    variant_race *race = worker->shared;
    fm_device *device = worker->fixture->device;
    fm_stream stream;
    fm_commands *commands = NULL;
    uint32_t words[64];
    memset(words, CT_POISON, sizeof words);
    CT_WORKER_OK(worker, fm_stream_create(device, NULL, &stream));
    CT_WORKER_OK(worker, fm_commands_begin(device, NULL, &commands));
    fm_binding binding = {.buffer = race->buffers[worker->index], .dtype = FM_DTYPE_U32};
    fm_dispatch_info info = ct_dispatch_info(race->kernel, 1, &binding, 1, NULL, 0);
    CT_WORKER_OK(worker, fm_dispatch(commands, &info));
    CT_WORKER_OK(worker, fm_read(commands, binding.buffer, 0, sizeof words, words));
    fm_point point;
    CT_WORKER_OK(worker, fm_commit(&commands, &(fm_commit_info){.stream = stream}, &point));
    CT_WORKER_OK(worker, fm_point_wait(device, point, CT_TIMEOUT_NS));
    for (uint32_t i = 0; i < 64; i++) CT_WORKER_TRUE(worker, words[i] == 3 * i);
}

static void kernel_variant_wanted_by_eight_threads_is_compiled_once(void **state)
{
    ct_fixture *f = *state;
    fm_kernel_param param = {"x", FM_DTYPE_NONE, FM_ACCESS_WRITE};
    variant_race race = {.kernel = ct_kernel(f, "x[global_id.x] = 3u * global_id.x;", &param, 1, NULL, 0)};
    for (uint32_t i = 0; i < 8; i++) race.buffers[i] = ct_buffer(f, 256);
    uint64_t before = ct_stats(f).kernels_compiled;
    ct_run_workers(f, 8, dispatch_new_variant, &race);
    assert_int_equal(ct_stats(f).kernels_compiled - before, 1);
}

static void kernel_with_shared_memory_is_supported_or_unsupported(void **state)
{
    ct_fixture *f = *state;
    fm_kernel_shared shared = {"tile", FM_DTYPE_U32, 64};
    fm_kernel_info info = good_info();
    info.code = "tile[local_id.x] = global_id.x; barrier(); x[global_id.x] = tile[63u - local_id.x];";
    info.shared = &shared;
    info.shared_count = 1;
    if (!f->properties.runs_shared_memory) {
        ct_expect_unsupported(f, &info);
        return;
    }
    fm_kernel kernel = {0};
    CT_OK(fm_kernel_create(f->device, &info, &kernel));
    fm_buffer buffer = ct_buffer(f, 100 * 256);
    fm_commands *commands = ct_begin(f);
    fm_dispatch_info dispatch = ct_dispatch_info(kernel, 100, CT_BINDINGS({.buffer = buffer}), NULL, 0);
    CT_OK(fm_dispatch(commands, &dispatch));
    ct_finish(f, commands);
    uint32_t words[6400];
    ct_read(f, buffer, 0, sizeof words, words);
    for (uint32_t i = 0; i < 6400; i++) assert_int_equal(words[i], i / 64 * 64 + 63 - i % 64);
}

static void kernel_shared_array_with_bad_fields_is_refused(void **state)
{
    ct_fixture *f = *state;
    const fm_kernel_shared shared[] = {
        {"tile", FM_DTYPE_U32, 0}, {"tile", FM_DTYPE_F16, 4}, {"tile", FM_DTYPE_NONE, 4},
        {"x", FM_DTYPE_U32, 4},    {NULL, FM_DTYPE_U32, 4},   {"2", FM_DTYPE_U32, 4},
    };
    for (size_t i = 0; i < sizeof shared / sizeof shared[0]; i++) {
        fm_kernel_info info = good_info();
        info.shared = &shared[i];
        info.shared_count = 1;
        fm_kernel kernel = {UINT64_MAX};
        CT_EITHER(fm_kernel_create(f->device, &info, &kernel), FM_ERROR_INVALID_ARGUMENT,
                  f->properties.runs_shared_memory ? FM_ERROR_INVALID_ARGUMENT : FM_ERROR_UNSUPPORTED);
        assert_true(kernel.id == 0);
    }
}

int ct_group_kernel(void)
{
    const struct CMUnitTest tests[] = {
        CT_TEST(kernel_create_without_an_argument_is_invalid),
        CT_TEST(kernel_create_in_an_unknown_language_is_refused),
        CT_TEST(kernel_create_with_unused_fields_set_is_invalid),
        CT_TEST(kernel_create_with_bad_names_is_invalid),
        CT_TEST(kernel_create_with_a_name_twice_is_invalid),
        CT_TEST(kernel_create_with_bad_types_is_invalid),
        CT_TEST(kernel_create_over_a_limit_is_invalid),
        CT_TEST(kernel_create_with_too_many_constants_is_invalid),
        CT_TEST(kernel_create_from_text_that_does_not_compile_is_a_compile_error),
        CT_TEST(kernel_create_with_a_list_but_no_count_says_so),
        CT_TEST(kernel_destroy_of_bad_handles_is_an_answer),
        CT_TEST(kernel_create_copies_its_texts),
        CT_TEST(kernel_of_the_same_name_is_another_kernel),
        CT_TEST(kernel_without_parameters_runs),
        CT_TEST(kernel_variant_wanted_by_eight_threads_is_compiled_once),
        CT_TEST(kernel_with_shared_memory_is_supported_or_unsupported),
        CT_TEST(kernel_shared_array_with_bad_fields_is_refused),
    };
    return cmocka_run_group_tests_name("kernel", tests, NULL, NULL);
}
