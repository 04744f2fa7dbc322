// Memory that passes from one buffer to the next while the device still uses it, and the limits of what is in flight, as exact orders of calls
// on the manual device (HOLD-6, LEARNED-5, RETIRE-4). Each test fails with its guard taken out of the source; none has a clock.
#include <fermata/testing.h>

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { WORDS = 256, BYTES = WORDS * 4, ALL = 1 << 20 };
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
    reopen(f, &(fm_device_info){.batches_in_flight = 1});
    *state = f;
    return 0;
}

static void run_everything(fixture *f)
{
    OK(fm_testing_step_in_waits(f->device, 1));
    OK(fm_testing_step(f->device, ALL, NULL));
}

static int tear_down(void **state)
{
    fixture *f = *state;
    uint64_t violations = 1;
    run_everything(f);
    OK(fm_testing_violations(f->device, &violations));
    OK(fm_device_close(&f->device, SECOND));
    free(f);
    assert_int_equal(violations, 0);
    return 0;
}

static fm_buffer create(fixture *f, uint64_t size_bytes, fm_stream stream)
{
    fm_buffer buffer = {0};
    OK(fm_buffer_create(f->device, &(fm_buffer_info){.size_bytes = size_bytes, .stream = stream}, &buffer));
    return buffer;
}

static fm_commands *begin(fixture *f, uint32_t flags)
{
    fm_commands *commands = NULL;
    OK(fm_commands_begin(f->device, &(fm_commands_info){.flags = flags}, &commands));
    return commands;
}

static fm_point commit(fm_commands **commands, fm_stream stream)
{
    fm_point point = {{0}, 0};
    OK(fm_commit(commands, &(fm_commit_info){.stream = stream}, &point));
    return point;
}

static fm_point commit_fill(fixture *f, fm_buffer buffer, uint32_t value, fm_stream stream)
{
    fm_commands *commands = begin(f, 0);
    OK(fm_fill(commands, buffer, 0, FM_WHOLE_SIZE, value));
    return commit(&commands, stream);
}

static fm_device_stats stats_of(fixture *f)
{
    fm_device_stats stats;
    OK(fm_device_get_stats(f->device, &stats));
    return stats;
}

static void expect(fixture *f, fm_stream stream, fm_buffer buffer, uint32_t value)
{
    uint32_t words[WORDS];
    OK(fm_buffer_read(f->device, stream, buffer, 0, sizeof words, words, SECOND));
    for (int i = 0; i < WORDS; i++) assert_int_equal(words[i], value);
}

// The old use stands in stream a's queue, behind more than a turn's commands; stream b's list would be taken first.
static void handover_another_stream_waits_for_the_old_use_and_the_fill(void **state)
{
    fixture *f = *state;
    fm_buffer x = create(f, BYTES, (fm_stream){0}), other = create(f, BYTES, (fm_stream){0});
    commit_fill(f, other, 1, f->a); // in flight: everything below waits in the backlog
    fm_commands *commands = begin(f, 0);
    for (int i = 0; i < 100; i++) OK(fm_fill(commands, other, 0, FM_WHOLE_SIZE, 2));
    OK(fm_fill(commands, x, 0, FM_WHOLE_SIZE, 3));
    commit(&commands, f->a);
    OK(fm_buffer_destroy(f->device, x));
    fm_buffer fresh = create(f, BYTES, f->a);
    assert_int_equal(stats_of(f).memory_reuses, 1);
    fm_point written = commit_fill(f, fresh, 7, f->b), last = commit_fill(f, other, 4, f->a);
    run_everything(f);
    OK(fm_point_wait(f->device, written, SECOND));
    OK(fm_point_wait(f->device, last, SECOND)); // behind the fill
    expect(f, f->b, fresh, 7);                  // neither 3, of the old use, nor 0, of the new buffer's own fill
}

// A chunk of staging memory that a recorder has filled: its list is in flight, untracked by the planner.
static void handover_never_takes_staging_memory(void **state)
{
    fixture *f = *state;
    enum { PART = 60000, CHUNK = 256 << 10 };
    static uint8_t source[PART], got[PART];
    memset(source, 0x5A, sizeof source);
    OK(fm_testing_set_order(f->device, 1)); // of one wave, the last first
    fm_buffer target = create(f, 6 * PART, (fm_stream){0});
    fm_commands *commands = begin(f, 0);
    for (uint64_t i = 0; i < 4; i++) OK(fm_upload(commands, target, i * PART, PART, source));
    OK(fm_upload(commands, target, 4 * PART, 4096, source));
    OK(fm_upload(commands, target, 5 * PART, PART, source)); // the chunk is full: a new one
    commit(&commands, f->a);
    uint64_t reuses = stats_of(f).memory_reuses;
    fm_buffer fresh = {0};
    fm_buffer_info info = {
        .size_bytes = CHUNK, .memory = FM_MEMORY_HOST, .flags = FM_BUFFER_UNINITIALIZED, .stream = f->a};
    OK(fm_buffer_create(f->device, &info, &fresh));
    assert_int_equal(stats_of(f).memory_reuses, reuses);
    commit_fill(f, fresh, 0, f->a);
    run_everything(f);
    for (uint64_t i = 0; i < 4; i++) {
        OK(fm_buffer_read(f->device, f->a, target, i * PART, PART, got, SECOND));
        assert_memory_equal(got, source, PART);
    }
}

// Each fill of memory that was taken over is a list, and has its place under the limit.
static void handover_fills_stay_under_the_limit_of_lists(void **state)
{
    fixture *f = *state;
    reopen(f, &(fm_device_info){.batches_in_flight = 1, .lists_in_flight = 4});
    fm_buffer x = create(f, BYTES, f->a);
    commit_fill(f, x, 1, f->a);
    for (int i = 0; i < 50; i++) {
        OK(fm_buffer_destroy(f->device, x));
        x = create(f, BYTES, f->a);
        assert_true(stats_of(f).lists_in_flight <= 4);
    }
    run_everything(f);
    expect(f, f->a, x, 0);
}

// A synchronous call's time counts at the limit, too, and says what became of it.
static void limit_of_lists_ends_synchronous_calls_in_time(void **state)
{
    fixture *f = *state;
    reopen(f, &(fm_device_info){.batches_in_flight = 1, .lists_in_flight = 1});
    fm_buffer x = create(f, BYTES, (fm_stream){0}), y = create(f, BYTES, (fm_stream){0});
    commit_fill(f, y, 1, f->a);
    uint32_t word = 0x1234;
    assert_int_equal(fm_buffer_write(f->device, f->b, x, 0, 4, &word, 0), FM_WOULD_BLOCK);
    assert_int_equal(fm_buffer_read(f->device, f->b, y, 0, 4, &word, 0), FM_TIMEOUT);
    run_everything(f);
    expect(f, f->b, x, 0); // nothing of it happened, and nothing will
}

// What nobody has committed is not in flight: a reusable list at rest, and a list that is being recorded, keep nobody back.
static void limit_of_bytes_counts_committed_lists_alone(void **state)
{
    fixture *f = *state;
    enum { LARGE = 300 << 10 };
    static uint8_t source[LARGE];
    reopen(f, &(fm_device_info){.batches_in_flight = 1, .in_flight_bytes = 1000});
    fm_buffer target = create(f, LARGE, (fm_stream){0}), x = create(f, BYTES, (fm_stream){0});
    fm_commands *resting = begin(f, FM_COMMANDS_REUSABLE), *open = begin(f, 0);
    OK(fm_upload(resting, target, 0, LARGE, source));
    OK(fm_upload(open, target, 0, LARGE, source));
    fm_buffer gone = create(f, LARGE, (fm_stream){0});
    OK(fm_fill(open, gone, 0, FM_WHOLE_SIZE, 0));
    OK(fm_buffer_destroy(f->device, gone));
    assert_int_equal(stats_of(f).bytes_in_flight, 0);
    for (int i = 0; i < 3; i++) {
        fm_commands *commands = begin(f, 0);
        OK(fm_fill(commands, x, 0, FM_WHOLE_SIZE, 1));
        OK(fm_commit(&commands, &(fm_commit_info){.stream = f->a, .no_wait = 1}, NULL));
    }
    commit(&open, f->b);
    assert_true(stats_of(f).bytes_in_flight >= 2 * LARGE);
    fm_commands *commands = begin(f, 0);
    OK(fm_fill(commands, x, 0, FM_WHOLE_SIZE, 1));
    assert_int_equal(fm_commit(&commands, &(fm_commit_info){.stream = f->a, .no_wait = 1}, NULL), FM_WOULD_BLOCK);
    OK(fm_testing_step_in_waits(f->device, 1));
    commit(&commands, f->a); // waits until enough has retired
    assert_int_equal(stats_of(f).bytes_in_flight, 0);
    OK(fm_commands_cancel(&resting));
}

typedef struct waiter {
    fixture *f;
    fm_buffer buffer;
    fm_status status;
} waiter;

static void *commit_at_the_limit(void *context)
{
    waiter *w = context;
    fm_commands *commands = NULL;
    w->status = fm_commands_begin(w->f->device, NULL, &commands);
    if (w->status == FM_OK) w->status = fm_fill(commands, w->buffer, 0, FM_WHOLE_SIZE, 2);
    if (w->status == FM_OK) w->status = fm_commit(&commands, &(fm_commit_info){.stream = w->f->b}, NULL);
    fm_commands_cancel(&commands);
    return NULL;
}

// A commit that waits for a place learns of the loss when the lists in flight are told, not at the end of its patience.
static void limit_of_lists_lets_waiters_go_when_the_device_is_lost(void **state)
{
    fixture *f = *state;
    reopen(f, &(fm_device_info){.lists_in_flight = 1, .commit_timeout_ns = 600 * SECOND});
    waiter w = {.f = f, .buffer = create(f, BYTES, (fm_stream){0})};
    fm_point point = commit_fill(f, w.buffer, 1, f->a);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, commit_at_the_limit, &w), 0);
    while (stats_of(f).limit_waits == 0) sched_yield();
    OK(fm_testing_lose_device(f->device));
    assert_int_equal(fm_point_wait(f->device, point, 60 * SECOND), FM_ERROR_DEVICE_LOST);
    pthread_join(thread, NULL);
    assert_int_equal(w.status, FM_ERROR_DEVICE_LOST);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(handover_another_stream_waits_for_the_old_use_and_the_fill),
        TEST(handover_never_takes_staging_memory),
        TEST(handover_fills_stay_under_the_limit_of_lists),
        TEST(limit_of_lists_ends_synchronous_calls_in_time),
        TEST(limit_of_bytes_counts_committed_lists_alone),
        TEST(limit_of_lists_lets_waiters_go_when_the_device_is_lost),
    };
    return cmocka_run_group_tests_name("handover", tests, NULL, NULL);
}
