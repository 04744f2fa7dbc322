// Lifetime: handles die at once, what lists use lives until they are complete, and then it is let go (HOLD-*,
// RETIRE-*).
#include "groups.h"
#include "threads.h"

#include <stdatomic.h>

static void lifetime_of_a_buffer_destroyed_before_commit_reaches_the_end(void **state)
{
    ct_fixture *f = *state;
    fm_kernel add = ct_kernel_add(f);
    fm_buffer source = ct_buffer(f, 4096);
    fm_buffer middle = ct_buffer(f, 4096);
    fm_buffer target = ct_buffer(f, 4096);
    fm_commands *commands = ct_begin(f);
    CT_OK(fm_fill(commands, source, 0, FM_WHOLE_SIZE, 40));
    CT_OK(ct_record_add(commands, add, source, middle, 1024, 1));
    CT_OK(fm_buffer_destroy(f->device, source));
    CT_OK(ct_record_add(commands, add, middle, target, 1024, 1));
    CT_OK(fm_buffer_destroy(f->device, middle));
    CT_STATUS(ct_record_add(commands, add, middle, target, 1024, 1), FM_ERROR_STALE_HANDLE);
    CT_OK(fm_kernel_destroy(f->device, add));
    ct_finish(f, commands);
    ct_expect_words(f, target, 1024, 42);
}

// HOLD-8: temporaries destroyed in flight while others of the same size are created and written. A memory that came
// back too early would show the others' values.
static void lifetime_of_temporaries_survives_new_ones_of_the_same_size(void **state)
{
    ct_fixture *f = *state;
    enum { WORDS = 1 << 14, ROUNDS = 60 };
    fm_kernel add = ct_kernel_add(f);
    fm_buffer results[ROUNDS];
    fm_stream second;
    CT_OK(fm_stream_create(f->device, NULL, &second));
    for (uint32_t i = 0; i < ROUNDS; i++) results[i] = ct_buffer(f, 4 * WORDS);
    fm_point last[2] = {{{0}, 0}, {{0}, 0}};
    for (uint32_t i = 0; i < ROUNDS; i++) {
        fm_buffer first = ct_buffer(f, 4 * WORDS);
        fm_buffer then = ct_buffer(f, 4 * WORDS);
        fm_commands *commands = ct_begin(f);
        CT_OK(fm_fill(commands, first, 0, FM_WHOLE_SIZE, i * 10));
        CT_OK(ct_record_add(commands, add, first, then, WORDS, 1));
        CT_OK(ct_record_add(commands, add, then, results[i], WORDS, 1));
        last[i % 2] = ct_commit(&commands, i % 2 ? second : f->stream);
        CT_OK(fm_buffer_destroy(f->device, first));
        CT_OK(fm_buffer_destroy(f->device, then));
    }
    for (uint32_t i = 0; i < 2; i++) CT_OK(fm_point_wait(f->device, last[i], CT_TIMEOUT_NS));
    for (uint32_t i = 0; i < ROUNDS; i++) ct_expect_words(f, results[i], WORDS, i * 10 + 2);
}

static void lifetime_of_a_kernel_destroyed_after_dispatch_reaches_the_end(void **state)
{
    ct_fixture *f = *state;
    fm_buffer buffer = ct_buffer(f, 256);
    uint32_t expected = 0;
    for (uint32_t i = 0; i < 10; i++) {
        char body[64];
        snprintf(body, sizeof body, "x[global_id.x] = 3u * x[global_id.x] + %uu;", i);
        fm_kernel kernel = ct_kernel(f, body, CT_PARAMS({"x", FM_DTYPE_U32, FM_ACCESS_READ_WRITE}), NULL, 0);
        fm_commands *commands = ct_begin(f);
        fm_dispatch_info info = ct_dispatch_info(kernel, 1, CT_BINDINGS({.buffer = buffer}), NULL, 0);
        CT_OK(fm_dispatch(commands, &info));
        CT_OK(fm_kernel_destroy(f->device, kernel));
        CT_STATUS(fm_dispatch(commands, &info), FM_ERROR_STALE_HANDLE);
        ct_commit(&commands, f->stream);
        expected = 3 * expected + i;
    }
    ct_expect_words(f, buffer, 64, expected);
}

// RETIRE-2: exactly what a list held is let go when it is complete; what later lists hold stays.
static void lifetime_ends_list_by_list(void **state)
{
    ct_fixture *f = *state;
    if (!ct_gate_is_exact(f)) return; // only a door keeps the second list in flight for certain
    uint64_t before = ct_stats(f).bytes_in_use;
    fm_buffer first = ct_buffer(f, 1 << 20);
    fm_buffer second = ct_buffer(f, 1 << 20);
    fm_commands *commands = ct_begin(f);
    CT_OK(fm_fill(commands, first, 0, FM_WHOLE_SIZE, 1));
    CT_OK(fm_buffer_destroy(f->device, first));
    fm_point first_point = ct_commit(&commands, f->stream);
    CT_OK(fm_point_wait(f->device, first_point, CT_TIMEOUT_NS));
    ct_wait_idle(f);
    fm_point second_point = ct_commit_gate(f, f->stream, second);
    CT_OK(fm_buffer_destroy(f->device, second));
    uint64_t between = ct_stats(f).bytes_in_use;
    assert_true(between >= before + (1 << 20) && between < before + (2 << 20));
    CT_STATUS(fm_point_poll(f->device, second_point), FM_NOT_READY);
    assert_int_equal(ct_stats(f).bytes_in_use, between); // RETIRE-1: submitted is not done
    ct_gate_open(f);
    CT_OK(fm_point_wait(f->device, second_point, CT_TIMEOUT_NS));
    ct_wait_idle(f);
    assert_true(ct_stats(f).bytes_in_use < before + (1 << 20));
}

// HOLD-3: thousands of distinct buffers in one list, each destroyed as soon as it is recorded.
static void lifetime_of_8192_buffers_in_one_list_is_held(void **state)
{
    ct_fixture *f = *state;
    enum { COUNT = 8192 };
    uint64_t before = ct_stats(f).bytes_in_use;
    fm_buffer result = ct_buffer(f, 4 * COUNT);
    fm_commands *commands = ct_begin(f);
    for (uint32_t i = 0; i < COUNT; i++) {
        fm_buffer buffer = ct_buffer(f, 16);
        CT_OK(fm_fill(commands, buffer, 0, FM_WHOLE_SIZE, i * 7 + 1));
        CT_OK(fm_copy(commands, buffer, 12, result, 4 * (uint64_t)i, 4));
        CT_OK(fm_buffer_destroy(f->device, buffer));
    }
    ct_finish(f, commands);
    static uint32_t words[COUNT];
    ct_read(f, result, 0, sizeof words, words);
    for (uint32_t i = 0; i < COUNT; i++) assert_int_equal(words[i], i * 7 + 1);
    CT_OK(fm_buffer_destroy(f->device, result));
    ct_wait_idle(f);
    CT_OK(fm_device_trim(f->device, NULL)); // what idle recorders keep for their next list
    assert_true(ct_stats(f).bytes_in_use < before + 16 * (uint64_t)COUNT);
}

// HOLD-3: bound ten thousand times, held once, let go once.
static void lifetime_of_a_buffer_bound_often_is_held_once(void **state)
{
    ct_fixture *f = *state;
    fm_kernel step = ct_kernel_step(f);
    fm_buffer result = ct_buffer(f, 256);
    uint64_t before = ct_stats(f).bytes_in_use;
    fm_buffer buffer = ct_buffer(f, 1 << 20);
    uint64_t once = ct_stats(f).bytes_in_use;
    fm_commands *commands = ct_begin(f);
    CT_OK(fm_fill(commands, buffer, 0, 256, 0));
    for (uint32_t i = 0; i < ct_scaled(2000); i++) CT_OK(ct_record_set(commands, step, buffer, 64, 0));
    CT_OK(fm_copy(commands, buffer, 0, result, 0, 256));
    CT_OK(fm_buffer_destroy(f->device, buffer));
    assert_int_equal(ct_stats(f).bytes_in_use, once);
    ct_finish(f, commands);
    ct_wait_idle(f);
    assert_true(ct_stats(f).bytes_in_use < before + (1 << 20));
    ct_expect_words(f, result, 64, 0);
}

// RETIRE-6: ten thousand commits and not one wait. Memory stays bounded by what may be in flight.
static void lifetime_of_10000_commits_without_a_wait_is_bounded(void **state)
{
    ct_fixture *f = *state;
    enum { LISTS = 64, BYTES = 4096 };
    CT_OK(fm_device_close(&f->device, CT_TIMEOUT_NS));
    fm_device_info open = {.lists_in_flight = LISTS, .log = ct_log_nothing};
    CT_OK(fm_device_open(f->device_name, &open, &f->device));
    CT_OK(fm_stream_create(f->device, NULL, &f->stream));
    fm_kernel step = ct_kernel_step(f);
    fm_buffer total = ct_buffer(f, 256);
    uint32_t commits = ct_scaled(10000);
    uint32_t expected = 0;
    for (uint32_t i = 0; i < commits; i++) {
        fm_buffer temporary = ct_buffer(f, BYTES);
        fm_commands *commands = ct_begin(f);
        CT_OK(ct_record_set(commands, step, temporary, 64, i));
        CT_OK(fm_copy(commands, temporary, 0, total, 0, 128)); // a new buffer is zero, so this gives i
        CT_OK(ct_record_set(commands, step, total, 64, 1));
        CT_OK(fm_buffer_destroy(f->device, temporary));
        ct_commit(&commands, f->stream);
        expected = 2 * i + 1;
    }
    fm_device_stats stats = ct_stats(f);
    assert_int_equal(stats.commits, commits);
    assert_true(stats.lists_in_flight <= LISTS);
    assert_true(stats.bytes_in_use_peak <= UINT64_C(4) * LISTS * BYTES);
    ct_expect_words(f, total, 32, expected); // the words that were copied
    ct_wait_idle(f);
    CT_OK(fm_device_trim(f->device, NULL)); // what idle recorders keep for their next list
    assert_true(ct_stats(f).bytes_in_use <= 4 * BYTES);
}

// RETIRE-7: the same across two streams that wait for each other on the device alone.
static void lifetime_of_chained_streams_without_a_wait_is_bounded(void **state)
{
    ct_fixture *f = *state;
    enum { BYTES = 4096 };
    fm_kernel add = ct_kernel_add(f);
    fm_stream streams[2] = {f->stream, {0}};
    CT_OK(fm_stream_create(f->device, NULL, &streams[1]));
    fm_buffer carried = ct_buffer(f, BYTES);
    fm_point last = {{0}, 0};
    uint32_t commits = ct_scaled(2000);
    for (uint32_t i = 0; i < commits; i++) {
        fm_buffer next = ct_buffer(f, BYTES);
        fm_commands *commands = ct_begin(f);
        CT_OK(ct_record_add(commands, add, carried, next, BYTES / 4, 1));
        CT_OK(fm_buffer_destroy(f->device, carried));
        carried = next;
        fm_commit_info info = {.stream = streams[i % 2], .after = &last, .after_count = 1};
        CT_OK(fm_commit(&commands, &info, &last));
    }
    CT_OK(fm_point_wait(f->device, last, CT_TIMEOUT_NS));
    ct_expect_words(f, carried, BYTES / 4, commits);
    assert_true(ct_stats(f).bytes_in_use_peak <= UINT64_C(2) * (4096 + 16) * BYTES);
}

// LEARNED-12: streams, kernels and buffers all dropped at once, in every order, while their work is in flight.
static void lifetime_of_everything_dropped_in_flight_reaches_the_end(void **state)
{
    ct_fixture *f = *state;
    ct_calls calls;
    ct_calls_init(&calls);
    uint32_t got[24];
    memset(got, CT_POISON, sizeof got);
    fm_buffer door = ct_buffer(f, 4);
    for (uint32_t i = 0; i < 24; i++) {
        fm_stream stream;
        CT_OK(fm_stream_create(f->device, NULL, &stream));
        fm_kernel kernel = ct_kernel_step(f);
        fm_buffer buffer = ct_buffer(f, 4096);
        if (i == 0) ct_commit_gate(f, stream, door);
        fm_commands *commands = ct_begin(f);
        CT_OK(fm_fill(commands, buffer, 0, FM_WHOLE_SIZE, i));
        for (uint32_t k = 0; k < 5; k++) CT_OK(ct_record_set(commands, kernel, buffer, 1024, 1));
        CT_OK(fm_read(commands, buffer, 4092, 4, &got[i]));
        fm_point point = ct_commit(&commands, stream);
        CT_OK(fm_point_on_complete(f->device, point, ct_calls_record, &calls));
        for (uint32_t k = 0; k < 3; k++) {
            if ((i + k) % 3 == 0) CT_OK(fm_stream_destroy(f->device, stream));
            if ((i + k) % 3 == 1) CT_OK(fm_kernel_destroy(f->device, kernel));
            if ((i + k) % 3 == 2) CT_OK(fm_buffer_destroy(f->device, buffer));
        }
    }
    ct_gate_open(f);
    assert_true(ct_calls_reach(&calls, 24));
    for (uint32_t i = 0; i < 24; i++) assert_int_equal(got[i], 32 * i + 31);
    CT_OK(fm_device_close(&f->device, CT_TIMEOUT_NS));
    assert_int_equal(ct_calls_count(&calls), 24);
    ct_calls_destroy(&calls);
}

// Closing a device frees what its owner forgot: streams, kernels and buffers, some of them in flight.
static void lifetime_of_what_was_forgotten_ends_with_the_device(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 5; i++) {
        void *other = NULL;
        assert_int_equal(ct_setup(&other), 0);
        ct_fixture *f = other;
        fm_kernel kernel = ct_kernel_step(f);
        for (uint32_t k = 0; k < 20; k++) {
            fm_stream stream;
            CT_OK(fm_stream_create(f->device, NULL, &stream));
            fm_buffer buffer = ct_buffer(f, 10000);
            fm_commands *commands = ct_begin(f);
            CT_OK(ct_record_set(commands, kernel, buffer, 2500, 1));
            ct_commit(&commands, stream);
        }
        assert_int_equal(ct_teardown(&other), 0);
    }
}

int ct_group_lifetime(void)
{
    const struct CMUnitTest tests[] = {
        CT_TEST(lifetime_of_a_buffer_destroyed_before_commit_reaches_the_end),
        CT_TEST(lifetime_of_temporaries_survives_new_ones_of_the_same_size),
        CT_TEST(lifetime_of_a_kernel_destroyed_after_dispatch_reaches_the_end),
        CT_TEST(lifetime_ends_list_by_list),
        CT_TEST(lifetime_of_8192_buffers_in_one_list_is_held),
        CT_TEST(lifetime_of_a_buffer_bound_often_is_held_once),
        CT_TEST(lifetime_of_10000_commits_without_a_wait_is_bounded),
        CT_TEST(lifetime_of_chained_streams_without_a_wait_is_bounded),
        CT_TEST(lifetime_of_everything_dropped_in_flight_reaches_the_end),
        cmocka_unit_test(lifetime_of_what_was_forgotten_ends_with_the_device),
    };
    return cmocka_run_group_tests_name("lifetime", tests, NULL, NULL);
}
