// Variants asked for ahead of time: fm_kernel_prepare, fm_kernel_poll and fm_kernel_wait, and kernels that compile nothing at creation.
#include "groups.h"
#include "threads.h"

static const fm_kernel_param untyped = {"x", FM_DTYPE_NONE, FM_ACCESS_WRITE};

static void prepare_variant_is_there_for_the_dispatch(void **state)
{
    ct_fixture *f = *state;
    fm_kernel kernel = ct_kernel(f, "x[global_id.x] = 7u;", &untyped, 1, NULL, 0);
    uint64_t before = ct_stats(f).kernels_compiled;
    const fm_dtype dtype = FM_DTYPE_U32;
    CT_STATUS(fm_kernel_poll(f->device, kernel, &dtype, 1), FM_ERROR_INVALID_ARGUMENT);
    CT_OK(fm_kernel_prepare(f->device, kernel, &dtype, 1));
    CT_OK(fm_kernel_wait(f->device, kernel, &dtype, 1, CT_TIMEOUT_NS));
    CT_OK(fm_kernel_poll(f->device, kernel, &dtype, 1));
    assert_int_equal(ct_stats(f).kernels_compiled, before + 1);
    fm_buffer buffer = ct_buffer(f, 256);
    fm_commands *commands = ct_begin(f);
    fm_dispatch_info info =
        ct_dispatch_info(kernel, 1, CT_BINDINGS({.buffer = buffer, .dtype = FM_DTYPE_U32}), NULL, 0);
    CT_OK(fm_dispatch(commands, &info));
    ct_finish(f, commands);
    ct_expect_words(f, buffer, 64, 7);
    assert_int_equal(ct_stats(f).kernels_compiled, before + 1);
}

static void prepare_with_wrong_arguments_is_refused(void **state)
{
    ct_fixture *f = *state;
    fm_kernel kernel = ct_kernel(f, "x[global_id.x] = 7;", &untyped, 1, NULL, 0), dead = kernel;
    const fm_dtype good[2] = {FM_DTYPE_U32, FM_DTYPE_U32};
    const fm_dtype bad[] = {FM_DTYPE_NONE, (fm_dtype)15, (fm_dtype)1000, (fm_dtype)-1};
    CT_STATUS(fm_kernel_prepare(NULL, kernel, good, 1), FM_ERROR_INVALID_ARGUMENT);
    CT_STATUS(fm_kernel_prepare(f->device, (fm_kernel){0}, good, 1), FM_ERROR_NULL_HANDLE);
    CT_STATUS(fm_kernel_prepare(f->device, kernel, NULL, 1), FM_ERROR_INVALID_ARGUMENT);
    CT_STATUS(fm_kernel_prepare(f->device, kernel, good, 2), FM_ERROR_INVALID_ARGUMENT);
    CT_STATUS(fm_kernel_prepare(f->device, kernel, NULL, 0), FM_ERROR_INVALID_ARGUMENT);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        CT_STATUS(fm_kernel_prepare(f->device, kernel, &bad[i], 1), FM_ERROR_INVALID_ARGUMENT);
        CT_STATUS(fm_kernel_poll(f->device, kernel, &bad[i], 1), FM_ERROR_INVALID_ARGUMENT);
        CT_STATUS(fm_kernel_wait(f->device, kernel, &bad[i], 1, 0), FM_ERROR_INVALID_ARGUMENT);
    }
    CT_OK(fm_kernel_destroy(f->device, kernel));
    CT_STATUS(fm_kernel_prepare(f->device, dead, good, 1), FM_ERROR_STALE_HANDLE);
    CT_STATUS(fm_kernel_wait(f->device, dead, good, 1, 0), FM_ERROR_STALE_HANDLE);
    fm_kernel fixed = ct_kernel_set(f); // u32
    const fm_dtype other = FM_DTYPE_F32;
    CT_STATUS(fm_kernel_prepare(f->device, fixed, &other, 1), FM_ERROR_INVALID_ARGUMENT);
    CT_OK(fm_kernel_prepare(f->device, fixed, good, 1));
    CT_OK(fm_kernel_poll(f->device, fixed, NULL, 0)); // made at its creation
}

static void prepare_of_what_does_not_compile_tells_who_waits(void **state)
{
    ct_fixture *f = *state;
    fm_kernel kernel = ct_kernel(f, "x[global_id.x] = 1.5;", &untyped, 1, NULL, 0);
    const fm_dtype dtype = FM_DTYPE_U32;
    for (int i = 0; i < 2; i++) {
        CT_OK(fm_kernel_prepare(f->device, kernel, &dtype, 1));
        CT_STATUS(fm_kernel_wait(f->device, kernel, &dtype, 1, CT_TIMEOUT_NS), FM_ERROR_COMPILE);
        assert_non_null(strstr(fm_last_error(), "column 18: what is stored here is a uint"));
        CT_STATUS(fm_kernel_poll(f->device, kernel, &dtype, 1), FM_ERROR_COMPILE);
    }
}

static void prepare_serves_kernels_that_compile_later(void **state)
{
    ct_fixture *f = *state;
    fm_kernel kernels[6];
    uint64_t before = ct_stats(f).kernels_compiled;
    for (uint32_t k = 0; k < 6; k++) {
        char body[64];
        snprintf(body, sizeof body, "x[global_id.x] = %uu;", 900 + k);
        CT_OK(fm_kernel_create(f->device,
                               &(fm_kernel_info){.name = "later",
                                                 .code = body,
                                                 .params = &(fm_kernel_param){"x", FM_DTYPE_U32, FM_ACCESS_WRITE},
                                                 .param_count = 1,
                                                 .flags = FM_KERNEL_COMPILE_LATER},
                               &kernels[k]));
    }
    assert_int_equal(ct_stats(f).kernels_compiled, before);
    for (uint32_t k = 0; k < 5; k++)
        CT_OK(fm_kernel_prepare(f->device, kernels[k], NULL, 0)); // the last is left to its dispatch
    for (uint32_t k = 0; k < 6; k++) {
        fm_buffer buffer = ct_buffer(f, 256);
        fm_commands *commands = ct_begin(f);
        fm_dispatch_info info = ct_dispatch_info(kernels[k], 1, CT_BINDINGS({.buffer = buffer}), NULL, 0);
        CT_OK(fm_dispatch(commands, &info)); // waits, where it has to, for this one
        ct_finish(f, commands);
        ct_expect_words(f, buffer, 64, 900 + k);
    }
    assert_int_equal(ct_stats(f).kernels_compiled, before + 6);
    fm_kernel kernel;
    CT_STATUS(fm_kernel_create(f->device,
                               &(fm_kernel_info){.name = "later",
                                                 .code = "x[0] = 1u;",
                                                 .params = &(fm_kernel_param){"x", FM_DTYPE_U32, FM_ACCESS_WRITE},
                                                 .param_count = 1,
                                                 .flags = 2},
                               &kernel),
              FM_ERROR_INVALID_ARGUMENT);
}

typedef struct race {
    fm_kernel kernel;
    fm_dtype dtypes[3];
} race;

static void prepare_and_dispatch(ct_worker *worker)
{
    race *r = worker->shared;
    fm_device *device = worker->fixture->device;
    for (uint32_t i = 0; i < 3; i++) {
        const fm_dtype *dtype = &r->dtypes[(i + worker->index) % 3];
        uint32_t words[64];
        fm_buffer buffer;
        fm_commands *commands;
        fm_point point;
        if (worker->index % 2) CT_WORKER_OK(worker, fm_kernel_prepare(device, r->kernel, dtype, 1));
        CT_WORKER_OK(worker, fm_buffer_create(device, &(fm_buffer_info){.size_bytes = 256}, &buffer));
        CT_WORKER_OK(worker, fm_commands_begin(device, NULL, &commands));
        fm_binding binding = {.buffer = buffer, .dtype = *dtype};
        fm_dispatch_info info = ct_dispatch_info(r->kernel, 1, &binding, 1, NULL, 0);
        CT_WORKER_OK(worker, fm_dispatch(commands, &info));
        CT_WORKER_OK(worker, fm_read(commands, buffer, 0, sizeof words, words));
        CT_WORKER_OK(worker, fm_commit(&commands, &(fm_commit_info){.stream = worker->fixture->stream}, &point));
        CT_WORKER_OK(worker, fm_point_wait(device, point, CT_TIMEOUT_NS));
        for (int e = 0; e < 64; e++) CT_WORKER_TRUE(worker, words[e] == (*dtype == FM_DTYPE_F32 ? 0x41100000u : 9u));
        if (worker->index % 2) CT_WORKER_OK(worker, fm_kernel_wait(device, r->kernel, dtype, 1, CT_TIMEOUT_NS));
    }
}

static void prepare_racing_dispatches_compiles_once_key_4(void **state)
{
    ct_fixture *f = *state;
    race r = {.kernel = ct_kernel(f, "x[global_id.x] = 9;", &untyped, 1, NULL, 0),
              .dtypes = {FM_DTYPE_F32, FM_DTYPE_I32, FM_DTYPE_U32}};
    uint64_t before = ct_stats(f).kernels_compiled;
    ct_run_workers(f, 8, prepare_and_dispatch, &r);
    uint64_t made = ct_stats(f).kernels_compiled - before;
    assert_int_equal(made, 3);
}

static void prepare_of_a_kernel_that_is_destroyed_at_once_is_legal(void **state)
{
    ct_fixture *f = *state;
    const fm_dtype dtypes[] = {FM_DTYPE_F32, FM_DTYPE_I32, FM_DTYPE_U32};
    for (int i = 0; i < 8; i++) {
        char body[64];
        snprintf(body, sizeof body, "x[global_id.x] = %d;", i);
        fm_kernel kernel = ct_kernel(f, body, &untyped, 1, NULL, 0);
        for (int d = 0; d < 3; d++) CT_OK(fm_kernel_prepare(f->device, kernel, &dtypes[d], 1));
        CT_OK(fm_kernel_destroy(f->device, kernel));
    } // the teardown closes the device with some in the queue
}

int ct_group_prepare(void)
{
    const struct CMUnitTest tests[] = {
        CT_TEST(prepare_variant_is_there_for_the_dispatch),
        CT_TEST(prepare_with_wrong_arguments_is_refused),
        CT_TEST(prepare_of_what_does_not_compile_tells_who_waits),
        CT_TEST(prepare_serves_kernels_that_compile_later),
        CT_TEST(prepare_racing_dispatches_compiles_once_key_4),
        CT_TEST(prepare_of_a_kernel_that_is_destroyed_at_once_is_legal),
    };
    return cmocka_run_group_tests_name("prepare", tests, NULL, NULL);
}
