// The failures seen in peers (LEARNED-*), each as an exact order of calls on the manual device: what a real device does late, the test does
// late. No clocks: time-outs here are those of a device that will never be done. What needs a real driver or real threads is in the
// conformance suite's group `learned`; docs/requirements.md has the table of both.
#include "manual_fixture.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

enum { WORDS = 64, BYTES = WORDS * 4 };

static int set_up(void **state)
{
    *state = md_new(sizeof(md_fixture), &(fm_device_info){.batches_in_flight = 2});
    return 0;
}

static fm_buffer create(md_fixture *f, uint64_t size_bytes, uint32_t flags)
{
    return md_buffer_with(f, &(fm_buffer_info){.size_bytes = size_bytes, .flags = flags});
}

// LEARNED-2: N is done, N + 1 has not begun and never will while anybody waits. A wait for N is over at once.
static void learned_2_wait_for_n_is_over_while_n_plus_1_never_runs(void **state)
{
    md_fixture *f = *state;
    fm_buffer buffer = md_buffer(f, BYTES);
    fm_point first = md_commit_fill(f, f->a, buffer, 1);
    fm_point second = md_commit_fill(f, f->a, buffer, 2);
    md_step(f, 1);
    OK(fm_point_wait(f->device, first, 0));
    assert_int_equal(fm_point_wait(f->device, second, MD_MILLISECOND), FM_TIMEOUT);
    assert_int_equal(fm_point_poll(f->device, second), FM_NOT_READY);
    OK(fm_point_poll(f->device, first));
}

// LEARNED-3: a time-out completes nothing: what the list holds stays, its read-back is not there, and it still comes.
static void learned_3_time_out_completes_nothing(void **state)
{
    md_fixture *f = *state;
    fm_buffer buffer = md_buffer(f, 1 << 20);
    uint32_t words[WORDS], read_now[WORDS];
    memset(words, 0xA5, sizeof words);
    memset(read_now, 0xA5, sizeof read_now);
    fm_commands *commands = md_begin(f, 0);
    OK(fm_fill(commands, buffer, 0, FM_WHOLE_SIZE, 7));
    OK(fm_read(commands, buffer, 0, sizeof words, words));
    fm_point point = md_commit(commands, f->a);
    const uint64_t held = md_stats(f).bytes_in_use;
    for (uint32_t i = 0; i < 10; i++) {
        assert_int_equal(fm_point_wait(f->device, point, i * MD_MILLISECOND / 10), FM_TIMEOUT);
    }
    assert_int_equal(fm_buffer_read(f->device, f->a, buffer, 0, sizeof read_now, read_now, MD_MILLISECOND), FM_TIMEOUT);
    OK(fm_buffer_destroy(f->device, buffer));
    assert_true(md_stats(f).bytes_in_use >= held);
    md_expect_words(words, WORDS, 0xA5A5A5A5);
    md_step(f, MD_ALL);
    OK(fm_point_wait(f->device, point, 0));
    md_expect_words(words, WORDS, 7);
    md_step(f, MD_ALL);
    OK(fm_testing_step_in_waits(f->device, 1));
    OK(fm_stream_reset(f->device, f->a, MD_SECOND)); // all that was committed is retired
    md_expect_words(read_now, WORDS, 0xA5A5A5A5);    // its read gave up, so nothing is written there later
}

// --- LEARNED-4: a reader that waits is in nobody's way ----------------------------------------------------------------

typedef struct reader {
    md_fixture *f;
    fm_buffer buffer;
    uint32_t words[WORDS];
    fm_status status;
    atomic_bool started;
    atomic_bool done;
} reader;

static void *read_slowly(void *context)
{
    reader *r = context;
    atomic_store(&r->started, true);
    r->status = fm_buffer_read(r->f->device, r->f->a, r->buffer, 0, sizeof r->words, r->words, 60 * MD_SECOND);
    atomic_store(&r->done, true);
    return NULL;
}

static void learned_4_reader_that_waits_stops_no_other_call(void **state)
{
    md_fixture *f = *state;
    reader r = {.f = f, .buffer = md_buffer(f, BYTES)};
    md_commit_fill(f, f->a, r.buffer, 5);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, read_slowly, &r), 0);
    while (!atomic_load(&r.started)) sched_yield(); // from here on it waits, or is about to: nothing runs what it reads
    fm_point last = {{0}, 0};
    for (uint32_t i = 0; i < 200; i++) {
        fm_buffer other = md_buffer(f, BYTES);
        fm_commands *commands = md_begin(f, 0);
        OK(fm_upload(commands, other, 0, sizeof i, &i));
        last = md_commit(commands, i % 2 ? f->a : f->b);
        assert_int_equal(fm_point_poll(f->device, last), FM_NOT_READY);
        OK(fm_buffer_destroy(f->device, other));
    }
    assert_false(atomic_load(&r.done));
    while (!atomic_load(&r.done)) {
        md_step(f, MD_ALL);
        fm_point_poll(f->device, last);
    }
    pthread_join(thread, NULL);
    OK(r.status);
    md_expect_words(r.words, WORDS, 5);
}

// LEARNED-5: stream a still has to write what was just destroyed; stream b gets new memory and is done with it first. No hazard
// is looked at in untracked lists, and the device runs the later list first: only the pool keeps them apart.
static void learned_5_memory_that_a_stream_still_writes_goes_to_no_other(void **state)
{
    md_fixture *f = *state;
    OK(fm_testing_set_order(f->device, 1));
    fm_buffer door = md_buffer(f, BYTES);
    md_commit_fill(f, f->a, door, 0); // two batches in flight, so that what follows goes to the device as one
    md_commit_fill(f, f->a, door, 0);
    fm_buffer old = create(f, BYTES, FM_BUFFER_UNINITIALIZED);
    fm_commands *commands = md_begin(f, FM_COMMANDS_UNTRACKED);
    OK(fm_fill(commands, old, 0, FM_WHOLE_SIZE, 0xDEAD));
    OK(fm_buffer_destroy(f->device, old));
    md_commit(commands, f->a);
    fm_buffer fresh = create(f, BYTES, FM_BUFFER_UNINITIALIZED);
    uint32_t words[WORDS];
    commands = md_begin(f, FM_COMMANDS_UNTRACKED);
    OK(fm_fill(commands, fresh, 0, FM_WHOLE_SIZE, 0x600D));
    OK(fm_barrier(commands));
    OK(fm_read(commands, fresh, 0, sizeof words, words));
    fm_point point = md_commit(commands, f->b);
    OK(fm_testing_step_in_waits(f->device, 1));
    OK(fm_point_wait(f->device, point, MD_SECOND));
    md_expect_words(words, WORDS, 0x600D);
}

// LEARNED-6: a list is recorded, then the memory around its buffers is freed, trimmed, and taken in other sizes. The list still
// reaches the same bytes.
static void learned_6_recorded_commands_reach_their_memory_when_all_around_changes(void **state)
{
    md_fixture *f = *state;
    enum { COUNT = 32 };
    md_reopen(f, &(fm_device_info){.block_size_bytes = 1 << 16});
    fm_buffer kept[COUNT], gone[COUNT];
    for (uint32_t i = 0; i < COUNT; i++) {
        kept[i] = md_buffer(f, 1024);
        gone[i] = md_buffer(f, 3072);
    }
    fm_commands *commands = md_begin(f, 0);
    for (uint32_t i = 0; i < COUNT; i++) OK(fm_fill(commands, kept[i], 0, 512, i + 1));
    for (uint32_t i = 0; i < COUNT; i++) OK(fm_buffer_destroy(f->device, gone[i]));
    for (uint32_t i = 0; i < COUNT; i++) { // in the gaps and beyond
        fm_buffer other = md_buffer(f, 1024 * (i % 7 + 1));
        md_commit_fill(f, f->b, other, 0xFFFFFFFF);
        if (i % 2) OK(fm_buffer_destroy(f->device, other));
    }
    md_step(f, MD_ALL);
    fm_point point = md_commit(commands, f->a);
    uint32_t words[COUNT][256];
    OK(fm_testing_step_in_waits(f->device, 1));
    OK(fm_point_wait(f->device, point, MD_SECOND));
    for (uint32_t i = 0; i < COUNT; i++) {
        OK(fm_buffer_read(f->device, f->a, kept[i], 0, 1024, words[i], MD_SECOND));
        md_expect_words(words[i], 128, i + 1);
        md_expect_words(words[i] + 128, 128, 0);
    }
}

// LEARNED-8: a commit that is refused a thousand times costs nothing, holds nothing more, and the list runs in the end.
static void learned_8_refused_commits_leak_nothing(void **state)
{
    md_fixture *f = *state;
    md_reopen(f, &(fm_device_info){.lists_in_flight = 1, .commit_timeout_ns = 1000});
    fm_buffer buffer = md_buffer(f, BYTES);
    md_commit_fill(f, f->a, buffer, 1);
    fm_commands *commands = md_begin(f, 0);
    uint32_t words[WORDS];
    OK(fm_fill(commands, buffer, 0, FM_WHOLE_SIZE, 2));
    OK(fm_read(commands, buffer, 0, sizeof words, words));
    const fm_device_stats before = md_stats(f);
    for (uint32_t i = 0; i < 1000; i++) {
        fm_commit_info info = {.stream = i % 2 ? f->a : f->b, .no_wait = i % 4 < 2};
        assert_int_equal(fm_commit(&commands, &info, NULL), info.no_wait ? FM_WOULD_BLOCK : FM_TIMEOUT);
        assert_non_null(commands);
    }
    const fm_device_stats after = md_stats(f);
    assert_int_equal(after.commits, before.commits);
    assert_int_equal(after.lists_in_flight, before.lists_in_flight);
    assert_int_equal(after.bytes_in_use, before.bytes_in_use);
    md_step(f, MD_ALL);
    OK(fm_point_poll(f->device, (fm_point){f->a, 1}));
    fm_point point = md_commit(commands, f->a);
    assert_int_equal(point.value, 2); // no refused commit took one
    md_step(f, MD_ALL);
    OK(fm_point_poll(f->device, point));
    md_expect_words(words, WORDS, 2);
}

// LEARNED-11: on a device that will never be done, every call that may wait comes back.
static void learned_11_every_wait_on_a_hung_device_ends(void **state)
{
    md_fixture *f = *state;
    md_reopen(f, &(fm_device_info){.lists_in_flight = 3,
                                   .commit_timeout_ns = MD_MILLISECOND,
                                   .memory_limit_bytes = 1 << 20,
                                   .block_size_bytes = 1 << 18});
    fm_buffer buffer = md_buffer(f, 1 << 18), big;
    fm_point point = md_commit_fill(f, f->a, buffer, 1);
    uint32_t word = 0;
    assert_int_equal(fm_point_wait(f->device, point, MD_MILLISECOND), FM_TIMEOUT);
    assert_int_equal(fm_buffer_read(f->device, f->a, buffer, 0, 4, &word, MD_MILLISECOND), FM_TIMEOUT);
    assert_int_equal(fm_buffer_write(f->device, f->a, buffer, 0, 4, &word, MD_MILLISECOND), FM_TIMEOUT);
    assert_int_equal(fm_stream_reset(f->device, f->a, MD_MILLISECOND), FM_TIMEOUT);
    fm_status status = FM_OK;
    while (status == FM_OK) { // up to the limit
        fm_commands *commands = md_begin(f, 0);
        status = fm_commit(&commands, &(fm_commit_info){.stream = f->b}, NULL);
        OK(fm_commands_cancel(&commands));
    }
    assert_int_equal(status, FM_TIMEOUT);
    assert_int_equal(fm_buffer_create(f->device, &(fm_buffer_info){.size_bytes = 2 << 20}, &big),
                     FM_ERROR_OUT_OF_MEMORY);
    OK(fm_buffer_destroy(f->device, buffer));
    assert_int_equal(fm_device_close(&f->device, MD_MILLISECOND), FM_TIMEOUT);
    assert_non_null(f->device);
}

static fm_status run_step(const fm_host_call *call)
{
    uint32_t *x = call->bindings[0];
    for (uint32_t i = 0; i < WORDS; i++) x[i] = 2 * x[i] + 1;
    return FM_OK;
}

// LEARNED-12: the sequence, its kernel and its buffers are all dropped before the device has done anything.
static void learned_12_everything_dropped_before_it_runs_runs_all_the_same(void **state)
{
    md_fixture *f = *state;
    fm_kernel kernel = md_host_kernel(f, "step", 1, run_step, NULL);
    fm_buffer buffer = md_buffer(f, BYTES);
    uint32_t words[WORDS];
    fm_binding binding = {.buffer = buffer};
    fm_dispatch_info dispatch = {.kernel = kernel, .group_count = {1, 1, 1}, .bindings = &binding, .binding_count = 1};
    fm_commands *commands = md_begin(f, 0);
    for (uint32_t i = 0; i < 5; i++) OK(fm_dispatch(commands, &dispatch));
    OK(fm_read(commands, buffer, 0, sizeof words, words));
    md_commit(commands, f->a);
    OK(fm_buffer_destroy(f->device, buffer));
    OK(fm_kernel_destroy(f->device, kernel));
    OK(fm_stream_destroy(f->device, f->a));
    for (uint32_t i = 0; i < 16; i++) md_buffer(f, BYTES); // whoever comes next gets other memory
    fm_point other = md_commit_fill(f, f->b, md_buffer(f, BYTES), 0);
    md_step(f, MD_ALL);
    OK(fm_point_poll(f->device, other)); // whoever looks collects for all
    md_expect_words(words, WORDS, 31);
}

// LEARNED-15: 80 operations, each on an array of 512 x 512 that is dropped at once, with 1,000 bytes allowed in flight. Each is far
// larger than the limit, so they go one at a time; none waits for ever, and none is refused.
static void learned_15_operations_larger_than_the_limit_in_flight_go_one_at_a_time(void **state)
{
    md_fixture *f = *state;
    enum { SIDE = 512, OPERATIONS = 80 };
    md_reopen(f, &(fm_device_info){.in_flight_bytes = 1000});
    OK(fm_testing_step_in_waits(f->device, 1));
    fm_buffer results = md_buffer(f, 4 * OPERATIONS);
    fm_point last = {{0}, 0};
    for (uint32_t i = 0; i < OPERATIONS; i++) {
        fm_buffer array = md_buffer(f, SIDE * SIDE * 4);
        fm_commands *commands = md_begin(f, 0);
        OK(fm_fill(commands, array, 0, FM_WHOLE_SIZE, i + 1));
        OK(fm_copy(commands, array, SIDE * SIDE * 4 - 4, results, 4 * i, 4));
        OK(fm_buffer_destroy(f->device, array));
        last = md_commit(commands, f->a);
        assert_true(md_stats(f).lists_in_flight <= 2);
    }
    OK(fm_point_wait(f->device, last, MD_SECOND));
    assert_true(md_stats(f).limit_waits > 0);
    uint32_t words[OPERATIONS];
    OK(fm_buffer_read(f->device, f->a, results, 0, sizeof words, words, MD_SECOND));
    for (uint32_t i = 0; i < OPERATIONS; i++) assert_int_equal(words[i], i + 1);
}

// LEARNED-16: the caller overwrites its source after each step on the way of an upload.
static void learned_16_upload_carries_the_bytes_of_the_call(void **state)
{
    md_fixture *f = *state;
    fm_buffer buffer = md_buffer(f, BYTES);
    uint32_t source[WORDS], words[WORDS];
    for (uint32_t i = 0; i < WORDS; i++) source[i] = 0x1234;
    fm_commands *commands = md_begin(f, 0);
    OK(fm_upload(commands, buffer, 0, sizeof source, source));
    memset(source, 0xEE, sizeof source);
    OK(fm_read(commands, buffer, 0, sizeof words, words));
    fm_point point = md_commit(commands, f->a);
    memset(source, 0xDD, sizeof source);
    md_step(f, MD_ALL);
    OK(fm_point_poll(f->device, point));
    md_expect_words(words, WORDS, 0x1234);
    for (uint32_t i = 0; i < WORDS; i++) source[i] = 0x4321;
    assert_int_equal(fm_buffer_write(f->device, f->a, buffer, 0, sizeof source, source, 0), FM_TIMEOUT);
    memset(source, 0xCC, sizeof source); // ours again, though the write is still to come
    OK(fm_testing_step_in_waits(f->device, 1));
    OK(fm_buffer_read(f->device, f->a, buffer, 0, sizeof words, words, MD_SECOND));
    md_expect_words(words, WORDS, 0x4321);
}

// The walk of five launches of Quadrants #538's review, exact: K1 is flushed, K2 is read back, and K1's batch is free in that same call.
static void learned_retire_5_walk_frees_the_first_batch_at_the_readback(void **state)
{
    md_fixture *f = *state;
    fm_buffer out = md_buffer(f, BYTES);
    const uint64_t before = md_stats(f).bytes_in_use;
    fm_buffer heap = md_buffer(f, 1 << 20);
    md_commit_fill(f, f->a, heap, 1); // K1
    OK(fm_buffer_destroy(f->device, heap));
    assert_true(md_stats(f).bytes_in_use >= before + (1 << 20)); // RETIRE-1
    md_commit_fill(f, f->a, out, 2);                             // K2
    uint32_t words[WORDS];
    OK(fm_testing_step_in_waits(f->device, 1));
    OK(fm_buffer_read(f->device, f->a, out, 0, sizeof words, words, MD_SECOND));
    md_expect_words(words, WORDS, 2);
    assert_int_equal(md_stats(f).bytes_in_use, before);
    OK(fm_testing_step_in_waits(f->device, 0));
    fm_point points[6];
    for (uint32_t k = 3; k <= 5; k++) { // K3 to K5 are flushed and not waited for: each holds its own
        heap = create(f, 1 << 20, FM_BUFFER_UNINITIALIZED);
        points[k] =
            md_commit_fill(f, k % 2 ? f->a : f->b, heap, k); // on two streams: one could take its own memory over
        OK(fm_buffer_destroy(f->device, heap));
        assert_in_range(md_stats(f).bytes_in_use - before, (k - 2) << 20, ((k - 2) << 20) + 4096);
    }
    for (uint32_t k = 3; k <= 5; k++) { // and is let go alone, when it is done
        md_step(f, 1);
        OK(fm_point_poll(f->device, points[k]));
        assert_true(md_stats(f).bytes_in_use - before <= ((5 - k) << 20) + 4096);
    }
}

// RETIRE-6 exact: the device keeps up, so that none of 10,000 commits may stall, whatever the limit.
static void learned_retire_6_commits_that_the_device_keeps_up_with_never_stall(void **state)
{
    md_fixture *f = *state;
    md_reopen(f, &(fm_device_info){.lists_in_flight = 8});
    fm_buffer out = md_buffer(f, BYTES);
    const uint64_t before = md_stats(f).bytes_in_use;
    for (uint32_t i = 0; i < 10000; i++) {
        fm_buffer temporary = md_buffer(f, BYTES);
        fm_commands *commands = md_begin(f, 0);
        OK(fm_fill(commands, temporary, 0, FM_WHOLE_SIZE, i));
        OK(fm_copy(commands, temporary, 0, out, 0, BYTES));
        OK(fm_buffer_destroy(f->device, temporary));
        md_commit(commands, f->a);
        if (i % 3 == 2) md_step(f, MD_ALL);
    }
    fm_device_stats stats = md_stats(f);
    assert_int_equal(stats.limit_waits, 0);
    assert_true(stats.bytes_in_use_peak <= before + 9 * BYTES);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, md_delete)
    const struct CMUnitTest tests[] = {
        TEST(learned_2_wait_for_n_is_over_while_n_plus_1_never_runs),
        TEST(learned_3_time_out_completes_nothing),
        TEST(learned_4_reader_that_waits_stops_no_other_call),
        TEST(learned_5_memory_that_a_stream_still_writes_goes_to_no_other),
        TEST(learned_6_recorded_commands_reach_their_memory_when_all_around_changes),
        TEST(learned_8_refused_commits_leak_nothing),
        TEST(learned_11_every_wait_on_a_hung_device_ends),
        TEST(learned_12_everything_dropped_before_it_runs_runs_all_the_same),
        TEST(learned_15_operations_larger_than_the_limit_in_flight_go_one_at_a_time),
        TEST(learned_16_upload_carries_the_bytes_of_the_call),
        TEST(learned_retire_5_walk_frees_the_first_batch_at_the_readback),
        TEST(learned_retire_6_commits_that_the_device_keeps_up_with_never_stall),
    };
    return cmocka_run_group_tests_name("exact", tests, NULL, NULL);
}
