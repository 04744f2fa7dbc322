// Closing a device: what keeps it open, what it runs and frees, and what the old pointer and handles answer afterwards.
#include "groups.h"
#include "threads.h"

#include <time.h>

static void close_of_a_pointer_to_null_does_nothing(void **state)
{
    (void)state;
    fm_device *device = NULL;
    CT_OK(fm_device_close(&device, 0));
    assert_null(device);
}

static void close_nulls_the_pointer(void **state)
{
    ct_fixture *f = *state;
    ct_buffer(f, 1000); // lives until the device is closed
    CT_OK(fm_device_close(&f->device, CT_TIMEOUT_NS));
    assert_null(f->device);
}

static void close_while_a_list_is_recorded_is_busy_and_then_works(void **state)
{
    ct_fixture *f = *state;
    fm_device *kept = f->device;
    fm_buffer buffer = ct_buffer(f, 64);
    fm_commands *first = ct_begin(f);
    fm_commands *second = ct_begin(f);
    CT_OK(fm_fill(first, buffer, 0, FM_WHOLE_SIZE, 9));
    CT_STATUS(fm_device_close(&f->device, CT_TIMEOUT_NS), FM_ERROR_BUSY);
    assert_ptr_equal(f->device, kept);
    ct_finish(f, first);
    ct_expect_words(f, buffer, 16, 9); // the device is as open as before
    CT_STATUS(fm_device_close(&f->device, CT_TIMEOUT_NS), FM_ERROR_BUSY);
    CT_OK(fm_commands_cancel(&second));
    CT_OK(fm_device_close(&f->device, CT_TIMEOUT_NS));
    assert_null(f->device);
}

static void begin_and_leave(ct_worker *w)
{
    CT_WORKER_OK(w, fm_commands_begin(w->fixture->device, &(fm_commands_info){.label = "lost list"}, w->shared));
}

// Who still records is named, and so is a thread that can no longer.
static void close_names_the_lists_that_are_recorded(void **state)
{
    ct_fixture *f = *state;
    fm_commands *own = NULL, *lost = NULL;
    ct_worker worker;
    CT_OK(fm_commands_begin(f->device, &(fm_commands_info){.label = "prefill"}, &own));
    CT_STATUS(fm_device_close(&f->device, 0), FM_ERROR_BUSY);
    assert_non_null(strstr(fm_last_error(),
                           "1 command list is being recorded (list 'prefill' begun by this thread); "));
    ct_start_worker(f, &worker, begin_and_leave, &lost);
    ct_join_worker(&worker);
    const char *ended = NULL;
    for (int i = 0; i < 10000 && !ended;
         i++) { // who joins a thread may be told of its end before the system has taken its number back
        CT_STATUS(fm_device_close(&f->device, 0), FM_ERROR_BUSY);
        assert_non_null(strstr(fm_last_error(), "2 command lists are being recorded ("));
        assert_non_null(strstr(fm_last_error(), "list 'prefill' begun by this thread"));
        const char *said = strstr(fm_last_error(), "list 'lost list' begun by thread ");
        assert_non_null(said);
        ended = strstr(said, ", which has ended");
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    assert_non_null(ended);
    fm_commands *more[5];
    for (int i = 0; i < 5; i++) more[i] = ct_begin(f);
    CT_STATUS(fm_device_close(&f->device, 0), FM_ERROR_BUSY);
    assert_non_null(strstr(fm_last_error(), "7 command lists are being recorded (an unlabelled list begun by this"));
    assert_non_null(strstr(fm_last_error(), " and others); "));
    for (int i = 0; i < 5; i++) CT_OK(fm_commands_cancel(&more[i]));
    CT_OK(fm_commands_cancel(&lost)); // any thread may
    CT_OK(fm_commands_cancel(&own));
    CT_OK(fm_device_close(&f->device, CT_TIMEOUT_NS));
}

static void close_by_force_gives_up_what_is_recorded(void **state)
{
    ct_fixture *f = *state;
    fm_device *device = f->device;
    fm_commands *own = NULL, *lost = NULL, *reusable = NULL;
    ct_worker worker;
    fm_kernel kernel = ct_kernel_set(f);
    fm_buffer buffer = ct_buffer(f, 4096);
    uint32_t words[1024] = {0};
    ct_start_worker(f, &worker, begin_and_leave, &lost);
    ct_join_worker(&worker);
    CT_OK(fm_commands_begin(f->device, &(fm_commands_info){.label = "prefill"}, &own));
    CT_OK(fm_upload(own, buffer, 0, sizeof words, words));
    CT_OK(ct_record_set(own, kernel, buffer, 1024, 1));
    CT_OK(fm_read(own, buffer, 0, sizeof words, words));
    CT_OK(fm_commands_begin(f->device, &(fm_commands_info){.flags = FM_COMMANDS_REUSABLE}, &reusable));
    CT_OK(ct_record_set(reusable, kernel, buffer, 1024, 2));
    CT_OK(fm_commit(&reusable, &(fm_commit_info){.stream = f->stream}, NULL));
    CT_OK(fm_buffer_destroy(f->device, buffer));
    CT_STATUS(fm_device_close(&f->device, CT_TIMEOUT_NS), FM_ERROR_BUSY);
    CT_OK(fm_device_close_force(&f->device, CT_TIMEOUT_NS));
    assert_null(f->device);
    CT_STATUS(fm_barrier(lost), FM_ERROR_INVALID_ARGUMENT);
    CT_STATUS(fm_fill(own, buffer, 0, 4, 0), FM_ERROR_INVALID_ARGUMENT);
    CT_STATUS(fm_commit(&own, &(fm_commit_info){.stream = f->stream}, NULL), FM_ERROR_INVALID_ARGUMENT);
    CT_STATUS(fm_commands_cancel(&reusable), FM_ERROR_INVALID_ARGUMENT);
    CT_STATUS(fm_device_close_force(&device, 0), FM_ERROR_CLOSED);
    CT_OK(fm_device_close_force(&f->device, 0)); // NULL: nothing to close
    CT_STATUS(fm_device_close_force(NULL, 0), FM_ERROR_INVALID_ARGUMENT);
}

// What waits for the program's points is not on the device: it fails, calls back, and lets go.
static void close_by_force_cancels_what_waits_for_the_program(void **state)
{
    ct_fixture *f = *state;
    ct_calls calls;
    ct_calls_init(&calls);
    fm_point ready = {{0}, 0}, called = {{0}, 0}, points[3];
    fm_buffer buffer = ct_buffer(f, 64);
    uint32_t word = 0xA5A5A5A5;
    CT_OK(fm_point_create(f->device, NULL, &ready));
    CT_OK(fm_point_create(f->device, NULL, &called));
    for (int i = 0; i < 3; i++) {
        fm_commands *commands = ct_begin(f);
        CT_OK(fm_fill(commands, buffer, 0, FM_WHOLE_SIZE, 1));
        CT_OK(fm_read(commands, buffer, 0, 4, &word));
        CT_OK(fm_commit(&commands, &(fm_commit_info){.stream = f->stream, .after = &ready, .after_count = i == 0},
                        &points[i]));
        CT_OK(fm_point_on_complete(f->device, points[i], ct_calls_record, &calls));
    }
    CT_OK(fm_point_on_complete(f->device, called, ct_calls_record, &calls));
    CT_STATUS(fm_device_close(&f->device, 1000000), FM_TIMEOUT);
    CT_OK(fm_device_close_force(&f->device, CT_TIMEOUT_NS));
    assert_null(f->device);
    assert_int_equal(ct_calls_count(&calls), 4);
    for (int i = 0; i < 4; i++) assert_int_equal(calls.statuses[i], FM_ERROR_CANCELLED);
    assert_int_equal(word, 0xA5A5A5A5);
    ct_calls_destroy(&calls);
}

// What is on the device cannot be given up: its memory is the device's until then.
static void close_by_force_waits_for_what_runs(void **state)
{
    ct_fixture *f = *state;
    ct_calls calls;
    ct_calls_init(&calls);
    if (!ct_gate_is_exact(f)) return; // elsewhere nothing is certain to be still running
    fm_device *kept = f->device;
    fm_buffer door = ct_buffer(f, 64), buffer = ct_buffer(f, 64);
    fm_point gate = ct_commit_gate(f, f->stream, door);
    CT_OK(fm_point_on_complete(f->device, gate, ct_calls_record, &calls));
    CT_STATUS(fm_device_close_force(&f->device, 1000000), FM_TIMEOUT);
    assert_ptr_equal(f->device, kept);
    fm_commands *commands = ct_begin(f); // it is open again
    CT_OK(fm_fill(commands, buffer, 0, FM_WHOLE_SIZE, 5));
    CT_OK(fm_commands_cancel(&commands));
    ct_gate_open(f);
    CT_OK(fm_device_close_force(&f->device, CT_TIMEOUT_NS));
    assert_int_equal(ct_calls_count(&calls), 1);
    assert_int_equal(calls.statuses[0], FM_OK);
    ct_calls_destroy(&calls);
}

enum { RECORDERS = 4, LISTS_EACH = 20 };

// What one thread records into.
typedef struct recorded {
    fm_buffer buffer;
    fm_commands *lists[LISTS_EACH];
} recorded;

// Records into one list after the other, and cancels it or leaves it, until told that it cannot go on. Never begins one or commits, as the
// contract has it.
static void record_until_refused(ct_worker *w)
{
    recorded *r = w->shared;
    fm_status status = FM_OK;
    uint32_t word = 0;
    for (uint32_t i = 0; i < LISTS_EACH && status == FM_OK; i++) {
        uint32_t most = i + 1 < LISTS_EACH ? 8 * i : UINT32_MAX;
        for (uint32_t k = 0; k < most && status == FM_OK; k++, word++) {
            status = fm_upload(r->lists[i], r->buffer, 0, 4, &word);
            if (status == FM_OK) status = fm_fill(r->lists[i], r->buffer, 0, FM_WHOLE_SIZE, word);
        }
        if (status == FM_OK && i % 2) status = fm_commands_cancel(&r->lists[i]);
    }
    CT_WORKER_TRUE(w, status == FM_ERROR_INVALID_ARGUMENT || status == FM_ERROR_BUSY);
}

static void close_by_force_beside_threads_that_record_ends_them_with_an_error(void **state)
{
    ct_fixture *f = *state;
    for (uint32_t round = 0; round < ct_scaled(15); round++) {
        ct_worker workers[RECORDERS];
        recorded r[RECORDERS];
        CT_OK(fm_buffer_create(ct_other_device(f), &(fm_buffer_info){.size_bytes = 256}, &r[0].buffer));
        for (uint32_t i = 0; i < RECORDERS; i++) {
            r[i].buffer = r[0].buffer;
            for (uint32_t k = 0; k < LISTS_EACH; k++) CT_OK(fm_commands_begin(f->other, NULL, &r[i].lists[k]));
        }
        for (uint32_t i = 0; i < RECORDERS; i++) ct_start_worker(f, &workers[i], record_until_refused, &r[i]);
        uint64_t size = 0; // they are at it, or not yet, by the time that this has come and gone
        for (uint32_t i = 0; i < round * 2000; i++) CT_OK(fm_buffer_get_size(f->other, r[0].buffer, &size));
        CT_OK(fm_device_close_force(&f->other, CT_TIMEOUT_NS));
        for (uint32_t i = 0; i < RECORDERS; i++) ct_join_worker(&workers[i]);
    }
}

static void close_with_work_in_flight_finishes_it(void **state)
{
    ct_fixture *f = *state;
    ct_calls calls;
    ct_calls_init(&calls);
    fm_buffer buffer = ct_buffer(f, 4096);
    fm_kernel kernel = ct_kernel_step(f);
    uint32_t words[1024];
    memset(words, CT_POISON, sizeof words);
    for (uint32_t i = 0; i < 20; i++) {
        fm_commands *commands = ct_begin(f);
        CT_OK(ct_record_set(commands, kernel, buffer, 1024, 1));
        if (i == 19) CT_OK(fm_read(commands, buffer, 0, sizeof words, words));
        fm_point point = ct_commit(&commands, f->stream);
        CT_OK(fm_point_on_complete(f->device, point, ct_calls_record, &calls));
    }
    CT_OK(fm_device_close(&f->device, CT_TIMEOUT_NS));
    assert_int_equal(ct_calls_count(&calls), 20); // callbacks that are due run before close returns
    for (uint32_t i = 0; i < 20; i++) {
        assert_int_equal(calls.statuses[i], FM_OK);
        assert_int_equal(calls.points[i].value, i + 1);
    }
    for (uint32_t i = 0; i < 1024; i++) assert_int_equal(words[i], (1u << 20) - 1);
    ct_calls_destroy(&calls);
}

static void close_before_work_is_done_times_out_and_stays_open(void **state)
{
    ct_fixture *f = *state;
    if (!ct_gate_is_exact(f)) return; // elsewhere nothing is certain to be still running
    fm_device *kept = f->device;
    fm_buffer buffer = ct_buffer(f, 64);
    fm_point point = ct_commit_gate(f, f->stream, buffer);
    CT_STATUS(fm_device_close(&f->device, 0), FM_TIMEOUT);
    assert_ptr_equal(f->device, kept);
    CT_STATUS(fm_device_close(&f->device, 1000000), FM_TIMEOUT);
    assert_ptr_equal(f->device, kept);
    CT_STATUS(fm_point_poll(f->device, point), FM_NOT_READY);
    ct_gate_open(f);
    CT_OK(fm_point_wait(f->device, point, CT_TIMEOUT_NS));
    fm_commands *commands = ct_begin(f);
    CT_OK(fm_fill(commands, buffer, 0, FM_WHOLE_SIZE, 5));
    ct_finish(f, commands);
    ct_expect_words(f, buffer, 16, 5);
    CT_OK(fm_device_close(&f->device, CT_TIMEOUT_NS));
}

// A callback that tries to close the device it runs on.
typedef struct closer {
    fm_device *device;
    fm_status answer;
    ct_calls calls;
} closer;

static void close_in_callback(void *user, fm_point point, fm_status status)
{
    closer *c = user;
    c->answer = fm_device_close(&c->device, CT_TIMEOUT_NS);
    if (c->answer == FM_ERROR_BUSY) c->answer = fm_device_close_force(&c->device, CT_TIMEOUT_NS);
    ct_calls_record(&c->calls, point, status);
}

static void close_from_a_callback_is_busy(void **state)
{
    ct_fixture *f = *state;
    closer c = {.device = f->device, .answer = FM_OK};
    ct_calls_init(&c.calls);
    fm_commands *commands = ct_begin(f);
    fm_point point = ct_commit(&commands, f->stream);
    CT_OK(fm_point_wait(f->device, point, CT_TIMEOUT_NS));
    CT_OK(fm_point_on_complete(f->device, point, close_in_callback, &c));
    assert_true(ct_calls_reach(&c.calls, 1));
    assert_int_equal(c.answer, FM_ERROR_BUSY);
    assert_ptr_equal(c.device, f->device);
    CT_OK(fm_device_close(&f->device, CT_TIMEOUT_NS));
    ct_calls_destroy(&c.calls);
}

// What a device owned, kept beyond its life.
typedef struct remains {
    fm_device *device;
    fm_buffer buffer;
    fm_kernel kernel;
    fm_stream stream;
    fm_point point;
} remains;

static remains close_and_keep(ct_fixture *f)
{
    remains r = {.device = f->device, .stream = f->stream};
    r.buffer = ct_buffer(f, 64);
    r.kernel = ct_kernel_set(f);
    fm_commands *commands = ct_begin(f);
    r.point = ct_commit(&commands, f->stream);
    CT_OK(fm_device_close(&f->device, CT_TIMEOUT_NS));
    return r;
}

static void closed_device_answers_closed_to_every_call(void **state)
{
    remains r = close_and_keep(*state);
    fm_device_properties properties;
    fm_device_stats stats;
    fm_device *device = r.device;
    uint64_t word = 0;
    CT_STATUS(fm_device_get_properties(r.device, &properties), FM_ERROR_CLOSED);
    CT_STATUS(fm_device_get_stats(r.device, &stats), FM_ERROR_CLOSED);
    CT_STATUS(fm_device_close(&device, 0), FM_ERROR_CLOSED);
    fm_buffer buffer = {UINT64_MAX};
    CT_STATUS(fm_buffer_create(r.device, &(fm_buffer_info){.size_bytes = 4}, &buffer), FM_ERROR_CLOSED);
    assert_true(buffer.id == 0);
    CT_STATUS(fm_buffer_destroy(r.device, r.buffer), FM_ERROR_CLOSED);
    CT_STATUS(fm_buffer_get_size(r.device, r.buffer, &word), FM_ERROR_CLOSED);
    CT_STATUS(fm_buffer_write(r.device, r.stream, r.buffer, 0, 4, &word, 0), FM_ERROR_CLOSED);
    CT_STATUS(fm_buffer_read(r.device, r.stream, r.buffer, 0, 4, &word, 0), FM_ERROR_CLOSED);
    fm_kernel kernel = {UINT64_MAX};
    fm_kernel_info info = {.name = "empty", .code = ";"};
    CT_STATUS(fm_kernel_create(r.device, &info, &kernel), FM_ERROR_CLOSED);
    assert_true(kernel.id == 0);
    CT_STATUS(fm_kernel_destroy(r.device, r.kernel), FM_ERROR_CLOSED);
    fm_stream stream = {UINT64_MAX};
    CT_STATUS(fm_stream_create(r.device, NULL, &stream), FM_ERROR_CLOSED);
    assert_true(stream.id == 0);
    CT_STATUS(fm_stream_destroy(r.device, r.stream), FM_ERROR_CLOSED);
    CT_STATUS(fm_stream_get_newest(r.device, r.stream, &r.point), FM_ERROR_CLOSED);
    CT_STATUS(fm_stream_reset(r.device, r.stream, 0), FM_ERROR_CLOSED);
    CT_STATUS(fm_point_poll(r.device, r.point), FM_ERROR_CLOSED);
    CT_STATUS(fm_point_wait(r.device, r.point, 0), FM_ERROR_CLOSED);
    CT_STATUS(fm_point_on_complete(r.device, r.point, ct_calls_record, NULL), FM_ERROR_CLOSED);
    fm_commands *commands = (fm_commands *)&word;
    CT_STATUS(fm_commands_begin(r.device, NULL, &commands), FM_ERROR_CLOSED);
    assert_null(commands);
}

static void closed_devices_handles_are_dead_on_another_device(void **state)
{
    ct_fixture *f = *state;
    fm_device *other = ct_other_device(f);
    remains r = close_and_keep(f);
    uint64_t size = 0;
    CT_EITHER(fm_buffer_get_size(other, r.buffer, &size), FM_ERROR_FOREIGN_HANDLE, FM_ERROR_STALE_HANDLE);
    CT_EITHER(fm_buffer_destroy(other, r.buffer), FM_ERROR_FOREIGN_HANDLE, FM_ERROR_STALE_HANDLE);
    CT_EITHER(fm_kernel_destroy(other, r.kernel), FM_ERROR_FOREIGN_HANDLE, FM_ERROR_STALE_HANDLE);
    CT_EITHER(fm_stream_destroy(other, r.stream), FM_ERROR_FOREIGN_HANDLE, FM_ERROR_STALE_HANDLE);
    CT_EITHER(fm_point_poll(other, r.point), FM_ERROR_FOREIGN_HANDLE, FM_ERROR_STALE_HANDLE);
}

// A device that opens after another closed may get its memory, but never honours its handles.
static void closed_devices_handles_are_dead_on_the_next_device(void **state)
{
    ct_fixture *f = *state;
    remains r = close_and_keep(f);
    fm_device *other = ct_other_device(f);
    fm_buffer buffer;
    fm_stream stream;
    CT_OK(fm_buffer_create(other, &(fm_buffer_info){.size_bytes = 64}, &buffer));
    CT_OK(fm_stream_create(other, NULL, &stream));
    uint64_t size = 0;
    CT_EITHER(fm_buffer_get_size(other, r.buffer, &size), FM_ERROR_FOREIGN_HANDLE, FM_ERROR_STALE_HANDLE);
    CT_EITHER(fm_stream_destroy(other, r.stream), FM_ERROR_FOREIGN_HANDLE, FM_ERROR_STALE_HANDLE);
    CT_EITHER(fm_kernel_destroy(other, r.kernel), FM_ERROR_FOREIGN_HANDLE, FM_ERROR_STALE_HANDLE);
    CT_OK(fm_buffer_get_size(other, buffer, &size));
    assert_int_equal(size, 64);
}

static void close_and_open_many_times_leaves_each_device_sound(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 20; i++) {
        fm_device *device = NULL;
        CT_OK(fm_device_open(ct_device_name(), &(fm_device_info){.log = ct_log_nothing}, &device));
        fm_buffer buffer;
        fm_stream stream;
        CT_OK(fm_buffer_create(device, &(fm_buffer_info){.size_bytes = 100 + i}, &buffer));
        CT_OK(fm_stream_create(device, NULL, &stream));
        fm_commands *commands = NULL;
        CT_OK(fm_commands_begin(device, NULL, &commands));
        CT_OK(fm_fill(commands, buffer, 0, FM_WHOLE_SIZE, 0x01010101u * i));
        CT_OK(fm_commit(&commands, &(fm_commit_info){.stream = stream}, NULL));
        uint8_t last = CT_POISON;
        CT_OK(fm_buffer_read(device, stream, buffer, 99 + i, 1, &last, CT_TIMEOUT_NS));
        assert_int_equal(last, i);
        CT_OK(fm_device_close(&device, CT_TIMEOUT_NS));
    }
}

int ct_group_close(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(close_of_a_pointer_to_null_does_nothing),
        CT_TEST(close_nulls_the_pointer),
        CT_TEST(close_while_a_list_is_recorded_is_busy_and_then_works),
        CT_TEST(close_names_the_lists_that_are_recorded),
        CT_TEST(close_by_force_gives_up_what_is_recorded),
        CT_TEST(close_by_force_cancels_what_waits_for_the_program),
        CT_TEST(close_by_force_waits_for_what_runs),
        CT_TEST(close_by_force_beside_threads_that_record_ends_them_with_an_error),
        CT_TEST(close_with_work_in_flight_finishes_it),
        CT_TEST(close_before_work_is_done_times_out_and_stays_open),
        CT_TEST(close_from_a_callback_is_busy),
        CT_TEST(closed_device_answers_closed_to_every_call),
        CT_TEST(closed_devices_handles_are_dead_on_another_device),
        CT_TEST(closed_devices_handles_are_dead_on_the_next_device),
        cmocka_unit_test(close_and_open_many_times_leaves_each_device_sound),
    };
    return cmocka_run_group_tests_name("close", tests, NULL, NULL);
}
