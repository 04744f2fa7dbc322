// Kernel variants: one name has many, the cache keeps a bounded number, and what a list has bound runs whatever the cache lets go meanwhile
// (KEY-1 to KEY-6). Values are compared, because the failure is a wrong number.
#include "groups.h"
#include "threads.h"

// A second device with these settings, which ct_teardown closes.
static fm_device *open_device(ct_fixture *f, uint32_t variant_limit)
{
    assert_null(f->other);
    CT_OK(fm_device_open(ct_device_name(), &(fm_device_info){.variant_limit = variant_limit, .log = ct_log_nothing},
                         &f->other));
    return f->other;
}

static fm_device_stats stats_of(fm_device *device)
{
    fm_device_stats stats;
    CT_OK(fm_device_get_stats(device, &stats));
    return stats;
}

// A kernel named "one_name" that sets x[i] = i * factor; every factor is another source.
static fm_status create_times(fm_device *device, uint32_t factor, fm_kernel *out)
{
    char body[96];
    snprintf(body, sizeof body, "x[global_id.x] = global_id.x * %uu;", factor);
    return fm_kernel_create(device,
                            &(fm_kernel_info){.name = "one_name",
                                              .code = body,
                                              .params = &(fm_kernel_param){"x", FM_DTYPE_U32, FM_ACCESS_WRITE},
                                              .param_count = 1},
                            out);
}

static fm_status dispatch_on(fm_commands *commands, fm_kernel kernel, fm_buffer buffer, fm_dtype dtype)
{
    fm_binding binding = {.buffer = buffer, .dtype = dtype};
    fm_dispatch_info info = ct_dispatch_info(kernel, 1, &binding, 1, NULL, 0);
    return fm_dispatch(commands, &info);
}

typedef struct naming {
    fm_device *device;
    fm_stream stream;
} naming;

static void use_one_name(ct_worker *worker)
{
    const naming *n = worker->shared;
    for (uint32_t round = 0; round < 4; round++) {
        uint32_t words[64];
        fm_kernel kernel;
        fm_buffer buffer;
        fm_commands *commands;
        CT_WORKER_OK(worker, create_times(n->device, worker->index + 1, &kernel));
        CT_WORKER_OK(worker, fm_buffer_create(n->device, &(fm_buffer_info){.size_bytes = sizeof words}, &buffer));
        CT_WORKER_OK(worker, fm_commands_begin(n->device, NULL, &commands));
        CT_WORKER_OK(worker, dispatch_on(commands, kernel, buffer, FM_DTYPE_NONE));
        CT_WORKER_OK(worker, fm_read(commands, buffer, 0, sizeof words, words));
        fm_point point;
        CT_WORKER_OK(worker, fm_commit(&commands, &(fm_commit_info){.stream = n->stream}, &point));
        CT_WORKER_OK(worker, fm_kernel_destroy(n->device, kernel));
        CT_WORKER_OK(worker, fm_buffer_destroy(n->device, buffer));
        CT_WORKER_OK(worker, fm_point_wait(n->device, point, CT_TIMEOUT_NS));
        for (uint32_t i = 0; i < 64; i++) CT_WORKER_TRUE(worker, words[i] == i * (worker->index + 1));
    }
}

static void variants_of_one_name_from_sixteen_threads_differ_key_1(void **state)
{
    ct_fixture *f = *state;
    uint64_t before = ct_stats(f).kernels_compiled;
    naming n = {f->device, f->stream};
    ct_run_workers(f, 16, use_one_name, &n);
    assert_int_equal(ct_stats(f).kernels_compiled - before, 16); // the later rounds found them
}

static void variants_of_one_name_differ_where_one_fits_the_cache_key_3(void **state)
{
    ct_fixture *f = *state;
    naming n = {.device = open_device(f, 1)};
    CT_OK(fm_stream_create(n.device, NULL, &n.stream));
    ct_run_workers(f, 8, use_one_name, &n);
    assert_int_equal(stats_of(n.device).variants_cached, 1);
}

static void variant_of_an_equal_kernel_is_found_key_2(void **state)
{
    ct_fixture *f = *state;
    fm_kernel first, second;
    CT_OK(create_times(f->device, 77, &first));
    fm_device_stats before = ct_stats(f);
    CT_OK(fm_kernel_destroy(f->device, first));
    CT_OK(create_times(f->device, 77, &second));
    fm_device_stats after = ct_stats(f);
    assert_int_equal(after.kernels_compiled, before.kernels_compiled);
    assert_int_equal(after.variant_hits, before.variant_hits + 1);
    assert_int_equal(after.variants_cached, before.variants_cached);
    assert_true(after.compile_ns > 0 && after.variant_bytes_cached > 0);
}

// What recorders find for themselves counts, once their list has ended, from whichever thread.
static void variant_hits_count_dispatches(void **state)
{
    enum { DISPATCHES = 5 };
    ct_fixture *f = *state;
    fm_kernel step = ct_kernel_step(f);
    fm_buffer buffer = ct_buffer(f, 256);
    fm_device_stats before = ct_stats(f);
    fm_commands *commands = ct_begin(f);
    for (uint32_t i = 0; i < DISPATCHES; i++) CT_OK(ct_record_set(commands, step, buffer, 64, i));
    ct_finish(f, commands);
    assert_int_equal(ct_stats(f).variant_hits, before.variant_hits + DISPATCHES);
}

static void variant_evicted_while_32_lists_hold_it_runs_key_3(void **state)
{
    enum { LISTS = 32, OTHERS = 5 };
    ct_fixture *f = *state;
    fm_device *device = open_device(f, 1);
    fm_stream stream;
    fm_kernel held, others[OTHERS];
    fm_buffer buffers[LISTS];
    fm_commands *lists[LISTS];
    static uint32_t words[LISTS][64];
    CT_OK(fm_stream_create(device, NULL, &stream));
    CT_OK(create_times(device, 3, &held));
    for (uint32_t i = 0; i < LISTS; i++) {
        CT_OK(fm_buffer_create(device, &(fm_buffer_info){.size_bytes = 256}, &buffers[i]));
        CT_OK(fm_commands_begin(device, NULL, &lists[i]));
        CT_OK(dispatch_on(lists[i], held, buffers[i], FM_DTYPE_NONE));
        CT_OK(fm_read(lists[i], buffers[i], 0, 256, words[i]));
    }
    for (uint32_t i = 0; i < OTHERS; i++)
        CT_OK(create_times(device, 100 + i, &others[i])); // the first of them evicts it
    assert_int_equal(stats_of(device).variants_cached, 1);
    assert_int_equal(stats_of(device).variant_evictions, OTHERS);
    CT_OK(dispatch_on(lists[0], held, buffers[0], FM_DTYPE_NONE)); // held by this list, so it is not made again
    assert_int_equal(stats_of(device).kernels_compiled, 1 + OTHERS);
    CT_OK(fm_kernel_destroy(device, held));
    fm_point point;
    for (uint32_t i = 0; i < LISTS; i++) CT_OK(fm_commit(&lists[i], &(fm_commit_info){.stream = stream}, &point));
    CT_OK(fm_point_wait(device, point, CT_TIMEOUT_NS));
    for (uint32_t i = 0; i < LISTS; i++) {
        for (uint32_t e = 0; e < 64; e++) assert_int_equal(words[i][e], 3 * e);
    }
    // What was let go is made anew when somebody asks.
    fm_commands *commands;
    CT_OK(fm_commands_begin(device, NULL, &commands));
    CT_OK(dispatch_on(commands, others[0], buffers[0], FM_DTYPE_NONE));
    CT_OK(fm_commands_cancel(&commands));
    assert_int_equal(stats_of(device).kernels_compiled, 2 + OTHERS);
}

// A dispatch that is refused after its variant was found leaves nothing held, and the next one works.
static void variant_of_a_refused_dispatch_is_let_go(void **state)
{
    ct_fixture *f = *state;
    fm_kernel_param param = {"x", FM_DTYPE_NONE, FM_ACCESS_WRITE};
    fm_kernel kernel = ct_kernel(f, "x[global_id.x] = 9;", &param, 1, NULL, 0);
    fm_buffer good = ct_buffer(f, 256), dead = ct_buffer(f, 256);
    CT_OK(fm_buffer_destroy(f->device, dead));
    fm_commands *commands = ct_begin(f);
    const fm_dtype dtypes[] = {FM_DTYPE_I32, FM_DTYPE_U32, FM_DTYPE_F32};
    for (size_t i = 0; i < sizeof dtypes / sizeof dtypes[0]; i++) {
        CT_STATUS(dispatch_on(commands, kernel, dead, dtypes[i]), FM_ERROR_STALE_HANDLE);
    }
    CT_OK(dispatch_on(commands, kernel, good, FM_DTYPE_U32));
    CT_STATUS(dispatch_on(commands, kernel, dead, FM_DTYPE_U32), FM_ERROR_STALE_HANDLE);
    CT_OK(dispatch_on(commands, kernel, good, FM_DTYPE_U32));
    ct_finish(f, commands);
    ct_expect_words(f, good, 64, 9);
}

// The same where one variant fits: what the refused dispatch let go of is gone by the next, which has it made again.
static void variant_of_a_refused_dispatch_is_not_taken_for_held_key_3(void **state)
{
    ct_fixture *f = *state;
    fm_device *device = open_device(f, 1);
    fm_kernel kernel, other;
    fm_buffer good, dead;
    fm_commands *commands;
    CT_OK(create_times(device, 3, &kernel));
    CT_OK(fm_buffer_create(device, &(fm_buffer_info){.size_bytes = 256}, &good));
    CT_OK(fm_buffer_create(device, &(fm_buffer_info){.size_bytes = 256}, &dead));
    CT_OK(fm_buffer_destroy(device, dead));
    CT_OK(fm_commands_begin(device, NULL, &commands));
    CT_STATUS(dispatch_on(commands, kernel, dead, FM_DTYPE_NONE), FM_ERROR_STALE_HANDLE);
    CT_OK(create_times(device, 4, &other));
    CT_OK(dispatch_on(commands, kernel, good, FM_DTYPE_NONE));
    assert_int_equal(stats_of(device).kernels_compiled, 3);
    CT_OK(fm_commands_cancel(&commands));
}

enum { MANY_PARAMS = 4 };

// Two choices for each of four parameters: 16 variants of one kernel, told apart by what they write.
static void dispatch_random_variants(ct_worker *worker)
{
    const naming *n = worker->shared;
    fm_kernel_param params[MANY_PARAMS] = {{"a", FM_DTYPE_NONE, FM_ACCESS_WRITE},
                                           {"b", FM_DTYPE_NONE, FM_ACCESS_WRITE},
                                           {"c", FM_DTYPE_NONE, FM_ACCESS_WRITE},
                                           {"d", FM_DTYPE_NONE, FM_ACCESS_WRITE}};
    fm_kernel kernel;
    CT_WORKER_OK(worker, fm_kernel_create(n->device,
                                          &(fm_kernel_info){.name = "many",
                                                            .code = "uint i = global_id.x; uint v = 5u + i; "
                                                                    "a[i] = v; b[i] = v; c[i] = v; d[i] = v;",
                                                            .params = params,
                                                            .param_count = MANY_PARAMS},
                                          &kernel));
    fm_buffer buffers[MANY_PARAMS];
    for (int p = 0; p < MANY_PARAMS; p++) {
        CT_WORKER_OK(worker, fm_buffer_create(n->device, &(fm_buffer_info){.size_bytes = 256}, &buffers[p]));
    }
    ct_random random = {worker->index + 1};
    for (int round = 0; round < 12; round++) {
        fm_commands *commands;
        CT_WORKER_OK(worker, fm_commands_begin(n->device, NULL, &commands));
        uint32_t choice = ct_random_below(&random, 16);
        fm_binding bindings[MANY_PARAMS];
        uint32_t words[MANY_PARAMS][64];
        for (int p = 0; p < MANY_PARAMS; p++) {
            bindings[p] = (fm_binding){.buffer = buffers[p], .dtype = choice >> p & 1 ? FM_DTYPE_F32 : FM_DTYPE_U32};
        }
        fm_dispatch_info info = ct_dispatch_info(kernel, 1, bindings, MANY_PARAMS, NULL, 0);
        CT_WORKER_OK(worker, fm_dispatch(commands, &info));
        for (int p = 0; p < MANY_PARAMS; p++) CT_WORKER_OK(worker, fm_read(commands, buffers[p], 0, 256, words[p]));
        fm_point point;
        CT_WORKER_OK(worker, fm_commit(&commands, &(fm_commit_info){.stream = n->stream}, &point));
        CT_WORKER_OK(worker, fm_point_wait(n->device, point, CT_TIMEOUT_NS));
        for (uint32_t i = 0; i < MANY_PARAMS * 64; i++) {
            uint32_t expected = 5 + i % 64;
            float value = (float)expected;
            if (choice >> (i / 64) & 1) memcpy(&expected, &value, sizeof expected);
            CT_WORKER_TRUE(worker, words[i / 64][i % 64] == expected);
        }
    }
}

static void variants_chosen_at_random_by_threads_have_right_values_key_6(void **state)
{
    ct_fixture *f = *state;
    naming n = {.device = open_device(f, 2)};
    CT_OK(fm_stream_create(n.device, NULL, &n.stream));
    ct_run_workers(f, 6, dispatch_random_variants, &n);
    fm_device_stats stats = stats_of(n.device);
    assert_int_equal(stats.variants_cached, 2);
    assert_true(stats.variant_misses >= stats.kernels_compiled);
}

int ct_group_variants(void)
{
    const struct CMUnitTest tests[] = {
        CT_TEST(variants_of_one_name_from_sixteen_threads_differ_key_1),
        CT_TEST(variants_of_one_name_differ_where_one_fits_the_cache_key_3),
        CT_TEST(variant_of_an_equal_kernel_is_found_key_2),
        CT_TEST(variant_hits_count_dispatches),
        CT_TEST(variant_evicted_while_32_lists_hold_it_runs_key_3),
        CT_TEST(variant_of_a_refused_dispatch_is_let_go),
        CT_TEST(variant_of_a_refused_dispatch_is_not_taken_for_held_key_3),
        CT_TEST(variants_chosen_at_random_by_threads_have_right_values_key_6),
    };
    return cmocka_run_group_tests_name("variants", tests, NULL, NULL);
}
