// Memory that passes from one buffer to the next while the device still uses it, and the limits of what is in flight, as exact orders of calls
// on the manual device (HOLD-6, LEARNED-5, RETIRE-4). Each test fails with its guard taken out of the source; none has a clock.
#include "manual_fixture.h"

#include <pthread.h>
#include <sched.h>

enum { WORDS = 256, BYTES = WORDS * 4 };

static int set_up(void **state)
{
    *state = md_new(sizeof(md_fixture), &(fm_device_info){.batches_in_flight = 1});
    return 0;
}

static fm_buffer create(md_fixture *f, uint64_t size_bytes, fm_stream stream)
{
    return md_buffer_with(f, &(fm_buffer_info){.size_bytes = size_bytes, .stream = stream});
}

// The old use stands in stream a's queue, behind more than a turn's commands; stream b's list would be taken first.
static void handover_another_stream_waits_for_the_old_use_and_the_fill(void **state)
{
    md_fixture *f = *state;
    fm_buffer x = md_buffer(f, BYTES), other = md_buffer(f, BYTES);
    md_commit_fill(f, f->a, other, 1); // in flight: everything below waits in the backlog
    fm_commands *commands = md_begin(f, 0);
    for (int i = 0; i < 100; i++) OK(fm_fill(commands, other, 0, FM_WHOLE_SIZE, 2));
    OK(fm_fill(commands, x, 0, FM_WHOLE_SIZE, 3));
    md_commit(commands, f->a);
    OK(fm_buffer_destroy(f->device, x));
    fm_buffer fresh = create(f, BYTES, f->a);
    assert_int_equal(md_stats(f).memory_reuses, 1);
    fm_point written = md_commit_fill(f, f->b, fresh, 7), last = md_commit_fill(f, f->a, other, 4);
    md_run(f);
    OK(fm_point_wait(f->device, written, MD_SECOND));
    OK(fm_point_wait(f->device, last, MD_SECOND)); // behind the fill
    md_expect(f, f->b, fresh, WORDS, 7);           // neither 3, of the old use, nor 0, of the new buffer's own fill
}

// A chunk of staging memory that a recorder has filled: its list is in flight, untracked by the planner.
static void handover_never_takes_staging_memory(void **state)
{
    md_fixture *f = *state;
    enum { PART = 60000, CHUNK = 256 << 10 };
    static uint8_t source[PART], got[PART];
    memset(source, 0x5A, sizeof source);
    OK(fm_testing_set_order(f->device, 1)); // of one wave, the last first
    fm_buffer target = md_buffer(f, 6 * PART);
    fm_commands *commands = md_begin(f, 0);
    for (uint64_t i = 0; i < 4; i++) OK(fm_upload(commands, target, i * PART, PART, source));
    OK(fm_upload(commands, target, 4 * PART, 4096, source));
    OK(fm_upload(commands, target, 5 * PART, PART, source)); // the chunk is full: a new one
    md_commit(commands, f->a);
    uint64_t reuses = md_stats(f).memory_reuses;
    fm_buffer fresh = {0};
    fm_buffer_info info = {
        .size_bytes = CHUNK, .memory = FM_MEMORY_HOST, .flags = FM_BUFFER_UNINITIALIZED, .stream = f->a};
    OK(fm_buffer_create(f->device, &info, &fresh));
    assert_int_equal(md_stats(f).memory_reuses, reuses);
    md_commit_fill(f, f->a, fresh, 0);
    md_run(f);
    for (uint64_t i = 0; i < 4; i++) {
        OK(fm_buffer_read(f->device, f->a, target, i * PART, PART, got, MD_SECOND));
        assert_memory_equal(got, source, PART);
    }
}

// Each fill of memory that was taken over is a list, and has its place under the limit.
static void handover_fills_stay_under_the_limit_of_lists(void **state)
{
    md_fixture *f = *state;
    md_reopen(f, &(fm_device_info){.batches_in_flight = 1, .lists_in_flight = 4});
    fm_buffer x = create(f, BYTES, f->a);
    md_commit_fill(f, f->a, x, 1);
    for (int i = 0; i < 50; i++) {
        OK(fm_buffer_destroy(f->device, x));
        x = create(f, BYTES, f->a);
        assert_true(md_stats(f).lists_in_flight <= 4);
    }
    md_run(f);
    md_expect(f, f->a, x, WORDS, 0);
}

// A synchronous call's time counts at the limit, too, and says what became of it.
static void limit_of_lists_ends_synchronous_calls_in_time(void **state)
{
    md_fixture *f = *state;
    md_reopen(f, &(fm_device_info){.batches_in_flight = 1, .lists_in_flight = 1});
    fm_buffer x = md_buffer(f, BYTES), y = md_buffer(f, BYTES);
    md_commit_fill(f, f->a, y, 1);
    uint32_t word = 0x1234;
    assert_int_equal(fm_buffer_write(f->device, f->b, x, 0, 4, &word, 0), FM_WOULD_BLOCK);
    assert_int_equal(fm_buffer_read(f->device, f->b, y, 0, 4, &word, 0), FM_TIMEOUT);
    md_run(f);
    md_expect(f, f->b, x, WORDS, 0); // nothing of it happened, and nothing will
}

// What nobody has committed is not in flight: a reusable list at rest, and a list that is being recorded, keep nobody back.
static void limit_of_bytes_counts_committed_lists_alone(void **state)
{
    md_fixture *f = *state;
    enum { LARGE = 300 << 10 };
    static uint8_t source[LARGE];
    md_reopen(f, &(fm_device_info){.batches_in_flight = 1, .in_flight_bytes = 1000});
    fm_buffer target = md_buffer(f, LARGE), x = md_buffer(f, BYTES);
    fm_commands *resting = md_begin(f, FM_COMMANDS_REUSABLE), *open = md_begin(f, 0);
    OK(fm_upload(resting, target, 0, LARGE, source));
    OK(fm_upload(open, target, 0, LARGE, source));
    fm_buffer gone = md_buffer(f, LARGE);
    OK(fm_fill(open, gone, 0, FM_WHOLE_SIZE, 0));
    OK(fm_buffer_destroy(f->device, gone));
    assert_int_equal(md_stats(f).bytes_in_flight, 0);
    for (int i = 0; i < 3; i++) {
        fm_commands *commands = md_begin(f, 0);
        OK(fm_fill(commands, x, 0, FM_WHOLE_SIZE, 1));
        OK(fm_commit(&commands, &(fm_commit_info){.stream = f->a, .no_wait = 1}, NULL));
    }
    md_commit(open, f->b);
    assert_true(md_stats(f).bytes_in_flight >= 2 * LARGE);
    fm_commands *commands = md_begin(f, 0);
    OK(fm_fill(commands, x, 0, FM_WHOLE_SIZE, 1));
    assert_int_equal(fm_commit(&commands, &(fm_commit_info){.stream = f->a, .no_wait = 1}, NULL), FM_WOULD_BLOCK);
    OK(fm_testing_step_in_waits(f->device, 1));
    md_commit(commands, f->a); // waits until enough has retired
    assert_int_equal(md_stats(f).bytes_in_flight, 0);
    OK(fm_commands_cancel(&resting));
}

typedef struct waiter {
    md_fixture *f;
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
    md_fixture *f = *state;
    md_reopen(f, &(fm_device_info){.lists_in_flight = 1, .commit_timeout_ns = 600 * MD_SECOND});
    waiter w = {.f = f, .buffer = md_buffer(f, BYTES)};
    fm_point point = md_commit_fill(f, f->a, w.buffer, 1);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, commit_at_the_limit, &w), 0);
    while (md_stats(f).limit_waits == 0) sched_yield();
    OK(fm_testing_lose_device(f->device));
    assert_int_equal(fm_point_wait(f->device, point, 60 * MD_SECOND), FM_ERROR_DEVICE_LOST);
    pthread_join(thread, NULL);
    assert_int_equal(w.status, FM_ERROR_DEVICE_LOST);
}

// Staging memory is waited for no longer than the call may take, however long the work in flight keeps what is missing.
static void staging_memory_is_waited_for_until_the_calls_time_is_over(void **state)
{
    md_fixture *f = *state;
    enum { LARGE = 450 << 10 };
    static uint8_t bytes[LARGE];
    md_reopen(f, &(fm_device_info){.batches_in_flight = 1, .block_size_bytes = 1 << 18});
    OK(fm_testing_limit_memory(f->device,
                               5 << 18)); // of the driver: staging memory is outside of the library's own limit
    fm_buffer shared = md_buffer(f, LARGE), gone = md_buffer(f, LARGE);
    md_commit_fill(f, f->a, shared, 0x01010101);
    md_commit_fill(f, f->b, shared, 0x02020202); // of two streams: a read has to copy it
    md_run(f);
    md_expect(f, f->a, shared, 1, 0x02020202);
    OK(fm_testing_step_in_waits(f->device, 0));
    md_commit_fill(f, f->a, gone, 3);
    OK(fm_buffer_destroy(f->device, gone)); // in flight, and nothing runs it
    OK(fm_device_trim(f->device, NULL));
    STATUS(fm_buffer_read(f->device, f->a, shared, 0, LARGE, bytes, 0), FM_TIMEOUT);
    assert_non_null(strstr(fm_last_error(), "staging memory"));
    STATUS(fm_buffer_read(f->device, f->a, shared, 0, LARGE, bytes, MD_MILLISECOND), FM_TIMEOUT);
    STATUS(fm_buffer_write(f->device, f->b, shared, 0, LARGE, bytes, 0), FM_WOULD_BLOCK);
    OK(fm_testing_step_in_waits(f->device, 1));
    OK(fm_buffer_read(f->device, f->a, shared, 0, LARGE, bytes, MD_SECOND)); // waits for the work, and finds the memory
    for (size_t i = 0; i < LARGE; i++) assert_int_equal(bytes[i], 2);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, md_delete)
    const struct CMUnitTest tests[] = {
        TEST(handover_another_stream_waits_for_the_old_use_and_the_fill),
        TEST(handover_never_takes_staging_memory),
        TEST(handover_fills_stay_under_the_limit_of_lists),
        TEST(limit_of_lists_ends_synchronous_calls_in_time),
        TEST(limit_of_bytes_counts_committed_lists_alone),
        TEST(limit_of_lists_lets_waiters_go_when_the_device_is_lost),
        TEST(staging_memory_is_waited_for_until_the_calls_time_is_over),
    };
    return cmocka_run_group_tests_name("handover", tests, NULL, NULL);
}
