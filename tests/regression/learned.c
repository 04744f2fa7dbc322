// The failures seen in peers (LEARNED-*), each as an exact order of calls on the manual device: what a real device does late, the test does
// late. No clocks: time-outs here are those of a device that will never be done. What needs a real driver or real threads is in the
// conformance suite's group `learned`; docs/requirements.md has the table of both.
#include <fermata/testing.h>

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { WORDS = 64, BYTES = WORDS * 4, ALL = 1 << 20 };
#define MILLISECOND UINT64_C(1000000)
#define SECOND UINT64_C(1000000000)
#define OK(call) assert_int_equal((call), FM_OK)

typedef struct fixture {
    fm_device *device;
    fm_stream a, b;
} fixture;

static void reopen(fixture *f, const fm_device_info *info)
{
    if (f->device) OK(fm_device_close(&f->device, SECOND));
    OK(fm_device_open("manual", info, &f->device));
    OK(fm_stream_create(f->device, &(fm_stream_info){.label = "a"}, &f->a));
    OK(fm_stream_create(f->device, &(fm_stream_info){.label = "b"}, &f->b));
}

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    reopen(f, &(fm_device_info){.batches_in_flight = 2});
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    uint64_t violations = 1;
    OK(fm_testing_step_in_waits(f->device, 1));
    OK(fm_testing_step(f->device, ALL, NULL));
    OK(fm_testing_violations(f->device, &violations));
    OK(fm_device_close(&f->device, SECOND));
    free(f);
    assert_int_equal(violations, 0);
    return 0;
}

static fm_buffer create(fixture *f, uint64_t size_bytes, uint32_t flags)
{
    fm_buffer buffer;
    OK(fm_buffer_create(f->device, &(fm_buffer_info){.size_bytes = size_bytes, .flags = flags}, &buffer));
    return buffer;
}

static fm_commands *begin(fixture *f, uint32_t flags)
{
    fm_commands *commands;
    OK(fm_commands_begin(f->device, &(fm_commands_info){.flags = flags}, &commands));
    return commands;
}

static fm_point commit(fm_commands *commands, fm_stream stream)
{
    fm_point point;
    OK(fm_commit(&commands, &(fm_commit_info){.stream = stream}, &point));
    return point;
}

static fm_point commit_fill(fixture *f, fm_stream stream, fm_buffer buffer, uint32_t value)
{
    fm_commands *commands = begin(f, 0);
    OK(fm_fill(commands, buffer, 0, FM_WHOLE_SIZE, value));
    return commit(commands, stream);
}

static void step(fixture *f, uint32_t most)
{
    OK(fm_testing_step(f->device, most, NULL));
}

static fm_device_stats stats_of(fixture *f)
{
    fm_device_stats stats;
    OK(fm_device_get_stats(f->device, &stats));
    return stats;
}

static void expect_words(const uint32_t *words, uint32_t count, uint32_t value)
{
    for (uint32_t i = 0; i < count; i++) assert_int_equal(words[i], value);
}

// LEARNED-2: N is done, N + 1 has not begun and never will while anybody waits. A wait for N is over at once.
static void learned_2_wait_for_n_is_over_while_n_plus_1_never_runs(void **state)
{
    fixture *f = *state;
    fm_buffer buffer = create(f, BYTES, 0);
    fm_point first = commit_fill(f, f->a, buffer, 1);
    fm_point second = commit_fill(f, f->a, buffer, 2);
    step(f, 1);
    OK(fm_point_wait(f->device, first, 0));
    assert_int_equal(fm_point_wait(f->device, second, MILLISECOND), FM_TIMEOUT);
    assert_int_equal(fm_point_poll(f->device, second), FM_NOT_READY);
    OK(fm_point_poll(f->device, first));
}

// LEARNED-3: a time-out completes nothing: what the list holds stays, its read-back is not there, and it still comes.
static void learned_3_time_out_completes_nothing(void **state)
{
    fixture *f = *state;
    fm_buffer buffer = create(f, 1 << 20, 0);
    uint32_t words[WORDS], read_now[WORDS];
    memset(words, 0xA5, sizeof words);
    memset(read_now, 0xA5, sizeof read_now);
    fm_commands *commands = begin(f, 0);
    OK(fm_fill(commands, buffer, 0, FM_WHOLE_SIZE, 7));
    OK(fm_read(commands, buffer, 0, sizeof words, words));
    fm_point point = commit(commands, f->a);
    const uint64_t held = stats_of(f).bytes_in_use;
    for (uint32_t i = 0; i < 10; i++) {
        assert_int_equal(fm_point_wait(f->device, point, i * MILLISECOND / 10), FM_TIMEOUT);
    }
    assert_int_equal(fm_buffer_read(f->device, f->a, buffer, 0, sizeof read_now, read_now, MILLISECOND), FM_TIMEOUT);
    OK(fm_buffer_destroy(f->device, buffer));
    assert_true(stats_of(f).bytes_in_use >= held);
    expect_words(words, WORDS, 0xA5A5A5A5);
    step(f, ALL);
    OK(fm_point_wait(f->device, point, 0));
    expect_words(words, WORDS, 7);
    step(f, ALL);
    OK(fm_testing_step_in_waits(f->device, 1));
    OK(fm_stream_reset(f->device, f->a, SECOND)); // all that was committed is retired
    expect_words(read_now, WORDS, 0xA5A5A5A5);    // its read gave up, so nothing is written there later
}

// --- LEARNED-4: a reader that waits is in nobody's way ----------------------------------------------------------------

typedef struct reader {
    fixture *f;
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
    r->status = fm_buffer_read(r->f->device, r->f->a, r->buffer, 0, sizeof r->words, r->words, 60 * SECOND);
    atomic_store(&r->done, true);
    return NULL;
}

static void learned_4_reader_that_waits_stops_no_other_call(void **state)
{
    fixture *f = *state;
    reader r = {.f = f, .buffer = create(f, BYTES, 0)};
    commit_fill(f, f->a, r.buffer, 5);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, read_slowly, &r), 0);
    while (!atomic_load(&r.started)) sched_yield(); // from here on it waits, or is about to: nothing runs what it reads
    fm_point last = {{0}, 0};
    for (uint32_t i = 0; i < 200; i++) {
        fm_buffer other = create(f, BYTES, 0);
        fm_commands *commands = begin(f, 0);
        OK(fm_upload(commands, other, 0, sizeof i, &i));
        last = commit(commands, i % 2 ? f->a : f->b);
        assert_int_equal(fm_point_poll(f->device, last), FM_NOT_READY);
        OK(fm_buffer_destroy(f->device, other));
    }
    assert_false(atomic_load(&r.done));
    while (!atomic_load(&r.done)) {
        step(f, ALL);
        fm_point_poll(f->device, last);
    }
    pthread_join(thread, NULL);
    OK(r.status);
    expect_words(r.words, WORDS, 5);
}

// LEARNED-5: stream a still has to write what was just destroyed; stream b gets new memory and is done with it first. No hazard
// is looked at in untracked lists, and the device runs the later list first: only the pool keeps them apart.
static void learned_5_memory_that_a_stream_still_writes_goes_to_no_other(void **state)
{
    fixture *f = *state;
    OK(fm_testing_set_order(f->device, 1));
    fm_buffer door = create(f, BYTES, 0);
    commit_fill(f, f->a, door, 0); // two batches in flight, so that what follows goes to the device as one
    commit_fill(f, f->a, door, 0);
    fm_buffer old = create(f, BYTES, FM_BUFFER_UNINITIALIZED);
    fm_commands *commands = begin(f, FM_COMMANDS_UNTRACKED);
    OK(fm_fill(commands, old, 0, FM_WHOLE_SIZE, 0xDEAD));
    OK(fm_buffer_destroy(f->device, old));
    commit(commands, f->a);
    fm_buffer fresh = create(f, BYTES, FM_BUFFER_UNINITIALIZED);
    uint32_t words[WORDS];
    commands = begin(f, FM_COMMANDS_UNTRACKED);
    OK(fm_fill(commands, fresh, 0, FM_WHOLE_SIZE, 0x600D));
    OK(fm_barrier(commands));
    OK(fm_read(commands, fresh, 0, sizeof words, words));
    fm_point point = commit(commands, f->b);
    OK(fm_testing_step_in_waits(f->device, 1));
    OK(fm_point_wait(f->device, point, SECOND));
    expect_words(words, WORDS, 0x600D);
}

// LEARNED-6: a list is recorded, then the memory around its buffers is freed, trimmed, and taken in other sizes. The list still
// reaches the same bytes.
static void learned_6_recorded_commands_reach_their_memory_when_all_around_changes(void **state)
{
    fixture *f = *state;
    enum { COUNT = 32 };
    reopen(f, &(fm_device_info){.block_size_bytes = 1 << 16});
    fm_buffer kept[COUNT], gone[COUNT];
    for (uint32_t i = 0; i < COUNT; i++) {
        kept[i] = create(f, 1024, 0);
        gone[i] = create(f, 3072, 0);
    }
    fm_commands *commands = begin(f, 0);
    for (uint32_t i = 0; i < COUNT; i++) OK(fm_fill(commands, kept[i], 0, 512, i + 1));
    for (uint32_t i = 0; i < COUNT; i++) OK(fm_buffer_destroy(f->device, gone[i]));
    for (uint32_t i = 0; i < COUNT; i++) { // in the gaps and beyond
        fm_buffer other = create(f, 1024 * (i % 7 + 1), 0);
        commit_fill(f, f->b, other, 0xFFFFFFFF);
        if (i % 2) OK(fm_buffer_destroy(f->device, other));
    }
    step(f, ALL);
    fm_point point = commit(commands, f->a);
    uint32_t words[COUNT][256];
    OK(fm_testing_step_in_waits(f->device, 1));
    OK(fm_point_wait(f->device, point, SECOND));
    for (uint32_t i = 0; i < COUNT; i++) {
        OK(fm_buffer_read(f->device, f->a, kept[i], 0, 1024, words[i], SECOND));
        expect_words(words[i], 128, i + 1);
        expect_words(words[i] + 128, 128, 0);
    }
}

// LEARNED-8: a commit that is refused a thousand times costs nothing, holds nothing more, and the list runs in the end.
static void learned_8_refused_commits_leak_nothing(void **state)
{
    fixture *f = *state;
    reopen(f, &(fm_device_info){.lists_in_flight = 1, .commit_timeout_ns = 1000});
    fm_buffer buffer = create(f, BYTES, 0);
    commit_fill(f, f->a, buffer, 1);
    fm_commands *commands = begin(f, 0);
    uint32_t words[WORDS];
    OK(fm_fill(commands, buffer, 0, FM_WHOLE_SIZE, 2));
    OK(fm_read(commands, buffer, 0, sizeof words, words));
    const fm_device_stats before = stats_of(f);
    for (uint32_t i = 0; i < 1000; i++) {
        fm_commit_info info = {.stream = i % 2 ? f->a : f->b, .no_wait = i % 4 < 2};
        assert_int_equal(fm_commit(&commands, &info, NULL), info.no_wait ? FM_WOULD_BLOCK : FM_TIMEOUT);
        assert_non_null(commands);
    }
    const fm_device_stats after = stats_of(f);
    assert_int_equal(after.commits, before.commits);
    assert_int_equal(after.lists_in_flight, before.lists_in_flight);
    assert_int_equal(after.bytes_in_use, before.bytes_in_use);
    step(f, ALL);
    OK(fm_point_poll(f->device, (fm_point){f->a, 1}));
    fm_point point = commit(commands, f->a);
    assert_int_equal(point.value, 2); // no refused commit took one
    step(f, ALL);
    OK(fm_point_poll(f->device, point));
    expect_words(words, WORDS, 2);
}

// LEARNED-11: on a device that will never be done, every call that may wait comes back.
static void learned_11_every_wait_on_a_hung_device_ends(void **state)
{
    fixture *f = *state;
    reopen(f, &(fm_device_info){.lists_in_flight = 3,
                                .commit_timeout_ns = MILLISECOND,
                                .memory_limit_bytes = 1 << 20,
                                .block_size_bytes = 1 << 18});
    fm_buffer buffer = create(f, 1 << 18, 0), big;
    fm_point point = commit_fill(f, f->a, buffer, 1);
    uint32_t word = 0;
    assert_int_equal(fm_point_wait(f->device, point, MILLISECOND), FM_TIMEOUT);
    assert_int_equal(fm_buffer_read(f->device, f->a, buffer, 0, 4, &word, MILLISECOND), FM_TIMEOUT);
    assert_int_equal(fm_buffer_write(f->device, f->a, buffer, 0, 4, &word, MILLISECOND), FM_TIMEOUT);
    assert_int_equal(fm_stream_reset(f->device, f->a, MILLISECOND), FM_TIMEOUT);
    fm_status status = FM_OK;
    while (status == FM_OK) { // up to the limit
        fm_commands *commands = begin(f, 0);
        status = fm_commit(&commands, &(fm_commit_info){.stream = f->b}, NULL);
        OK(fm_commands_cancel(&commands));
    }
    assert_int_equal(status, FM_TIMEOUT);
    assert_int_equal(fm_buffer_create(f->device, &(fm_buffer_info){.size_bytes = 2 << 20}, &big),
                     FM_ERROR_OUT_OF_MEMORY);
    OK(fm_buffer_destroy(f->device, buffer));
    assert_int_equal(fm_device_close(&f->device, MILLISECOND), FM_TIMEOUT);
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
    fixture *f = *state;
    static const fm_kernel_param param = {"x", FM_DTYPE_U32, FM_ACCESS_READ_WRITE};
    const fm_kernel_info info = {.name = "step",
                                 .language = FM_KERNEL_HOST_FUNCTION,
                                 .params = &param,
                                 .param_count = 1,
                                 .host_function = run_step};
    fm_kernel kernel;
    OK(fm_kernel_create(f->device, &info, &kernel));
    fm_buffer buffer = create(f, BYTES, 0);
    uint32_t words[WORDS];
    fm_binding binding = {.buffer = buffer};
    fm_dispatch_info dispatch = {.kernel = kernel, .group_count = {1, 1, 1}, .bindings = &binding, .binding_count = 1};
    fm_commands *commands = begin(f, 0);
    for (uint32_t i = 0; i < 5; i++) OK(fm_dispatch(commands, &dispatch));
    OK(fm_read(commands, buffer, 0, sizeof words, words));
    commit(commands, f->a);
    OK(fm_buffer_destroy(f->device, buffer));
    OK(fm_kernel_destroy(f->device, kernel));
    OK(fm_stream_destroy(f->device, f->a));
    for (uint32_t i = 0; i < 16; i++) create(f, BYTES, 0); // whoever comes next gets other memory
    fm_point other = commit_fill(f, f->b, create(f, BYTES, 0), 0);
    step(f, ALL);
    OK(fm_point_poll(f->device, other)); // whoever looks collects for all
    expect_words(words, WORDS, 31);
}

// LEARNED-15: 80 operations, each on an array of 512 x 512 that is dropped at once, with 1,000 bytes allowed in flight. Each is far
// larger than the limit, so they go one at a time; none waits for ever, and none is refused.
static void learned_15_operations_larger_than_the_limit_in_flight_go_one_at_a_time(void **state)
{
    fixture *f = *state;
    enum { SIDE = 512, OPERATIONS = 80 };
    reopen(f, &(fm_device_info){.in_flight_bytes = 1000});
    OK(fm_testing_step_in_waits(f->device, 1));
    fm_buffer results = create(f, 4 * OPERATIONS, 0);
    fm_point last = {{0}, 0};
    for (uint32_t i = 0; i < OPERATIONS; i++) {
        fm_buffer array = create(f, SIDE * SIDE * 4, 0);
        fm_commands *commands = begin(f, 0);
        OK(fm_fill(commands, array, 0, FM_WHOLE_SIZE, i + 1));
        OK(fm_copy(commands, array, SIDE * SIDE * 4 - 4, results, 4 * i, 4));
        OK(fm_buffer_destroy(f->device, array));
        last = commit(commands, f->a);
        assert_true(stats_of(f).lists_in_flight <= 2);
    }
    OK(fm_point_wait(f->device, last, SECOND));
    assert_true(stats_of(f).limit_waits > 0);
    uint32_t words[OPERATIONS];
    OK(fm_buffer_read(f->device, f->a, results, 0, sizeof words, words, SECOND));
    for (uint32_t i = 0; i < OPERATIONS; i++) assert_int_equal(words[i], i + 1);
}

// LEARNED-16: the caller overwrites its source after each step on the way of an upload.
static void learned_16_upload_carries_the_bytes_of_the_call(void **state)
{
    fixture *f = *state;
    fm_buffer buffer = create(f, BYTES, 0);
    uint32_t source[WORDS], words[WORDS];
    for (uint32_t i = 0; i < WORDS; i++) source[i] = 0x1234;
    fm_commands *commands = begin(f, 0);
    OK(fm_upload(commands, buffer, 0, sizeof source, source));
    memset(source, 0xEE, sizeof source);
    OK(fm_read(commands, buffer, 0, sizeof words, words));
    fm_point point = commit(commands, f->a);
    memset(source, 0xDD, sizeof source);
    step(f, ALL);
    OK(fm_point_poll(f->device, point));
    expect_words(words, WORDS, 0x1234);
    for (uint32_t i = 0; i < WORDS; i++) source[i] = 0x4321;
    assert_int_equal(fm_buffer_write(f->device, f->a, buffer, 0, sizeof source, source, 0), FM_TIMEOUT);
    memset(source, 0xCC, sizeof source); // ours again, though the write is still to come
    OK(fm_testing_step_in_waits(f->device, 1));
    OK(fm_buffer_read(f->device, f->a, buffer, 0, sizeof words, words, SECOND));
    expect_words(words, WORDS, 0x4321);
}

// The walk of five launches of Quadrants #538's review, exact: K1 is flushed, K2 is read back, and K1's batch is free in that same call.
static void learned_retire_5_walk_frees_the_first_batch_at_the_readback(void **state)
{
    fixture *f = *state;
    fm_buffer out = create(f, BYTES, 0);
    const uint64_t before = stats_of(f).bytes_in_use;
    fm_buffer heap = create(f, 1 << 20, 0);
    commit_fill(f, f->a, heap, 1); // K1
    OK(fm_buffer_destroy(f->device, heap));
    assert_true(stats_of(f).bytes_in_use >= before + (1 << 20)); // RETIRE-1
    commit_fill(f, f->a, out, 2);                                // K2
    uint32_t words[WORDS];
    OK(fm_testing_step_in_waits(f->device, 1));
    OK(fm_buffer_read(f->device, f->a, out, 0, sizeof words, words, SECOND));
    expect_words(words, WORDS, 2);
    assert_int_equal(stats_of(f).bytes_in_use, before);
    OK(fm_testing_step_in_waits(f->device, 0));
    fm_point points[6];
    for (uint32_t k = 3; k <= 5; k++) { // K3 to K5 are flushed and not waited for: each holds its own
        heap = create(f, 1 << 20, FM_BUFFER_UNINITIALIZED);
        points[k] = commit_fill(f, k % 2 ? f->a : f->b, heap, k); // on two streams: one could take its own memory over
        OK(fm_buffer_destroy(f->device, heap));
        assert_in_range(stats_of(f).bytes_in_use - before, (k - 2) << 20, ((k - 2) << 20) + 4096);
    }
    for (uint32_t k = 3; k <= 5; k++) { // and is let go alone, when it is done
        step(f, 1);
        OK(fm_point_poll(f->device, points[k]));
        assert_true(stats_of(f).bytes_in_use - before <= ((5 - k) << 20) + 4096);
    }
}

// RETIRE-6 exact: the device keeps up, so that none of 10,000 commits may stall, whatever the limit.
static void learned_retire_6_commits_that_the_device_keeps_up_with_never_stall(void **state)
{
    fixture *f = *state;
    reopen(f, &(fm_device_info){.lists_in_flight = 8});
    fm_buffer out = create(f, BYTES, 0);
    const uint64_t before = stats_of(f).bytes_in_use;
    for (uint32_t i = 0; i < 10000; i++) {
        fm_buffer temporary = create(f, BYTES, 0);
        fm_commands *commands = begin(f, 0);
        OK(fm_fill(commands, temporary, 0, FM_WHOLE_SIZE, i));
        OK(fm_copy(commands, temporary, 0, out, 0, BYTES));
        OK(fm_buffer_destroy(f->device, temporary));
        commit(commands, f->a);
        if (i % 3 == 2) step(f, ALL);
    }
    fm_device_stats stats = stats_of(f);
    assert_int_equal(stats.limit_waits, 0);
    assert_true(stats.bytes_in_use_peak <= before + 9 * BYTES);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
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
    return cmocka_run_group_tests_name("learned", tests, NULL, NULL);
}
