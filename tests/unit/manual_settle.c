// Settling, at the device: calls that take memory or say what is in use let go of what complete work still holds, before anything else, and a
// commit does after it. On the manual device, which has no keeper that would.
#include "device/device.h"

#include <fermata/testing.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { BYTES = 1 << 20, SPIN_NS = 100000 };
#define SECOND UINT64_C(1000000000)
#define OK(call) assert_int_equal((call), FM_OK)

typedef struct fixture {
    fm_device *device;
    fm_stream stream;
} fixture;

// Waits are without a pause, as on a GPU beside spare processors; but for one that lets the device run.
static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    OK(fm_device_open("manual", &(fm_device_info){.spin_ns = SPIN_NS}, &f->device));
    f->device->retirement.waiting.most_spinners = 2; // wherever the test runs
    OK(fm_testing_step_in_waits(f->device, 1));
    OK(fm_stream_create(f->device, NULL, &f->stream));
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    OK(fm_device_close(&f->device, SECOND));
    free(f);
    return 0;
}

static fm_buffer make(fixture *f)
{
    fm_buffer buffer;
    fm_buffer_info info = {.size_bytes = BYTES, .flags = FM_BUFFER_UNINITIALIZED, .stream = f->stream};
    OK(fm_buffer_create(f->device, &info, &buffer));
    return buffer;
}

static fm_point fill(fixture *f, fm_buffer buffer)
{
    fm_commands *commands;
    fm_point point;
    OK(fm_commands_begin(f->device, NULL, &commands));
    OK(fm_fill(commands, buffer, 0, FM_WHOLE_SIZE, 1));
    OK(fm_commit(&commands, &(fm_commit_info){.stream = f->stream}, &point));
    return point;
}

// A list that ran, destroyed its buffer, and was waited for; what it held is still held.
static void leave_unsettled(fixture *f)
{
    fm_buffer buffer = make(f);
    fm_point point = fill(f, buffer);
    OK(fm_buffer_destroy(f->device, buffer));
    OK(fm_point_wait(f->device, point, SECOND));
    assert_non_null(atomic_load(&f->device->retirement.unsettled));
}

static bool is_settled(const fixture *f)
{
    return !atomic_load(&f->device->retirement.unsettled);
}

// The stream is idle: its memory is free, and nothing is taken over from work in flight.
static void settle_comes_before_memory_is_taken_over(void **state)
{
    fixture *f = *state;
    for (int i = 0; i < 5; i++) {
        leave_unsettled(f);
    }
    assert_int_equal(atomic_load(&f->device->pool.reuses), 0);
}

static void settle_comes_before_any_memory_is_taken(void **state)
{
    fixture *f = *state;
    leave_unsettled(f);
    fmi_memory *memory;
    OK(fmi_pool_alloc(&f->device->pool, FM_MEMORY_DEVICE, BYTES, &memory));
    assert_true(is_settled(f));
    fmi_pool_release(&f->device->pool, memory);
}

static void settle_comes_before_statistics(void **state)
{
    fixture *f = *state;
    fm_device_stats before, after;
    OK(fm_device_get_stats(f->device, &before));
    leave_unsettled(f);
    OK(fm_device_get_stats(f->device, &after));
    assert_int_equal(after.bytes_in_use, before.bytes_in_use);
    assert_int_equal(after.lists_in_flight, 0);
}

static void settle_comes_after_a_commit(void **state)
{
    fixture *f = *state;
    fm_buffer buffer = make(f);
    leave_unsettled(f);
    fm_point point = fill(f, buffer);
    assert_true(is_settled(f));
    OK(fm_point_wait(f->device, point, SECOND));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(settle_comes_before_memory_is_taken_over),
        TEST(settle_comes_before_any_memory_is_taken),
        TEST(settle_comes_before_statistics),
        TEST(settle_comes_after_a_commit),
    };
    return cmocka_run_group_tests_name("manual_settle", tests, NULL, NULL);
}
