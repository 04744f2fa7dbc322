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
