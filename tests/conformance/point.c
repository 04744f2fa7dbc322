// Points: polling, waiting with a timeout, and completion callbacks.
#include "groups.h"
#include "threads.h"

static void point_null_is_complete(void **state)
{
    ct_fixture *f = *state;
    const fm_point null = {{0}, 0};
    CT_OK(fm_point_poll(f->device, null));
    CT_OK(fm_point_wait(f->device, null, 0));
    CT_OK(fm_point_wait(f->device, null, FM_FOREVER));
    ct_calls calls;
    ct_calls_init(&calls);
    CT_OK(fm_point_on_complete(f->device, null, ct_calls_record, &calls));
    assert_true(ct_calls_reach(&calls, 1));
    assert_int_equal(calls.statuses[0], FM_OK);
    CT_OK(fm_device_close(&f->device, CT_TIMEOUT_NS));
    assert_int_equal(ct_calls_count(&calls), 1);
    ct_calls_destroy(&calls);
}

static void expect_point(ct_fixture *f, fm_point point, fm_status expected)
{
    CT_STATUS(fm_point_poll(f->device, point), expected);
    CT_STATUS(fm_point_wait(f->device, point, 0), expected);
    CT_STATUS(fm_point_wait(f->device, point, CT_TIMEOUT_NS), expected);
    ct_calls calls;
    ct_calls_init(&calls);
    CT_STATUS(fm_point_on_complete(f->device, point, ct_calls_record, &calls), expected);
    assert_int_equal(ct_calls_count(&calls), 0); // a refused callback is never called
    ct_calls_destroy(&calls);
}

static void point_that_no_commit_returned_is_invalid(void **state)
{
    ct_fixture *f = *state;
    expect_point(f, (fm_point){f->stream, 1}, FM_ERROR_INVALID_ARGUMENT);
    fm_commands *commands = ct_begin(f);
    fm_point point = ct_commit(&commands, f->stream);
    expect_point(f, (fm_point){f->stream, point.value + 1}, FM_ERROR_INVALID_ARGUMENT);
    expect_point(f, (fm_point){f->stream, UINT64_MAX}, FM_ERROR_INVALID_ARGUMENT);
    CT_OK(fm_point_wait(f->device, point, CT_TIMEOUT_NS));
}

static void point_of_a_bad_stream_is_refused(void **state)
{
    ct_fixture *f = *state;
    fm_stream stream;
    CT_OK(fm_stream_create(f->device, NULL, &stream));
    fm_commands *commands = ct_begin(f);
    fm_point point = ct_commit(&commands, stream);
    CT_OK(fm_stream_destroy(f->device, stream));
    expect_point(f, point, FM_ERROR_STALE_HANDLE);
    CT_OK(fm_stream_create(ct_other_device(f), NULL, &stream));
    CT_OK(fm_commands_begin(f->other, NULL, &commands));
    point = ct_commit(&commands, stream);
    expect_point(f, point, FM_ERROR_FOREIGN_HANDLE);
    CT_REFUSED(fm_point_poll(f->device, (fm_point){{UINT64_MAX}, 1}));
}

// LEARNED-3: a time-out never implies completion.
static void point_in_flight_is_not_ready_and_times_out(void **state)
{
    ct_fixture *f = *state;
    if (!ct_gate_is_exact(f)) return; // nothing else is certain to be in flight
    fm_buffer buffer = ct_buffer(f, 64);
    fm_point gate = ct_commit_gate(f, f->stream, buffer);
    fm_commands *commands = ct_begin(f);
    CT_OK(fm_fill(commands, buffer, 0, FM_WHOLE_SIZE, 1));
    fm_point behind = ct_commit(&commands, f->stream);
    for (uint32_t i = 0; i < 100; i++) {
        CT_STATUS(fm_point_poll(f->device, gate), FM_NOT_READY);
        CT_STATUS(fm_point_poll(f->device, behind), FM_NOT_READY);
        CT_STATUS(fm_point_wait(f->device, behind, 0), FM_TIMEOUT);
        CT_STATUS(fm_point_wait(f->device, gate, i * UINT64_C(1000)), FM_TIMEOUT);
    }
    ct_gate_open(f);
    CT_OK(fm_point_wait(f->device, behind, FM_FOREVER));
    CT_OK(fm_point_poll(f->device, gate));
    CT_OK(fm_point_poll(f->device, behind));
    CT_OK(fm_point_wait(f->device, gate, 0));
}

// LEARNED-2: a wait for N does not wait for N + 1.
static void point_wait_does_not_wait_for_later_work(void **state)
{
    ct_fixture *f = *state;
    fm_buffer buffer = ct_buffer(f, 64);
    fm_commands *commands = ct_begin(f);
    CT_OK(fm_fill(commands, buffer, 0, FM_WHOLE_SIZE, 1));
    fm_point first = ct_commit(&commands, f->stream);
    fm_point gate = ct_commit_gate(f, f->stream, buffer);
    CT_OK(fm_point_wait(f->device, first, CT_TIMEOUT_NS / 2)); // the gate is still shut
    if (ct_gate_is_exact(f)) CT_STATUS(fm_point_poll(f->device, gate), FM_NOT_READY);
    ct_gate_open(f);
    CT_OK(fm_point_wait(f->device, gate, CT_TIMEOUT_NS));
}

static void point_callback_without_a_function_is_invalid(void **state)
{
    ct_fixture *f = *state;
    fm_commands *commands = ct_begin(f);
    fm_point point = ct_commit(&commands, f->stream);
    CT_STATUS(fm_point_on_complete(f->device, point, NULL, NULL), FM_ERROR_INVALID_ARGUMENT);
}

static void point_callbacks_come_once_each_in_order_of_completion(void **state)
{
    ct_fixture *f = *state;
    ct_calls calls;
    ct_calls_init(&calls);
    fm_buffer buffer = ct_buffer(f, 64);
    fm_point points[60];
    points[0] = ct_commit_gate(f, f->stream, buffer);
    CT_OK(fm_point_on_complete(f->device, points[0], ct_calls_record, &calls));
    for (uint32_t i = 1; i < 60; i++) {
        fm_commands *commands = ct_begin(f);
        if (i % 2) CT_OK(fm_fill(commands, buffer, 0, FM_WHOLE_SIZE, i));
        points[i] = ct_commit(&commands, f->stream);
        CT_OK(fm_point_on_complete(f->device, points[i], ct_calls_record, &calls));
    }
    if (ct_gate_is_exact(f)) assert_int_equal(ct_calls_count(&calls), 0);
    ct_gate_open(f);
    assert_true(ct_calls_reach(&calls, 60)); // nobody waits for a point: the keeper completes them
    CT_OK(fm_device_close(&f->device, CT_TIMEOUT_NS));
    assert_int_equal(ct_calls_count(&calls), 60);
    for (uint32_t i = 0; i < 60; i++) {
        assert_int_equal(calls.statuses[i], FM_OK);
        assert_int_equal(calls.points[i].value, i + 1);
        assert_true(calls.points[i].stream.id == f->stream.id);
    }
    ct_calls_destroy(&calls);
}

static void point_callback_on_a_complete_point_comes_too(void **state)
{
    ct_fixture *f = *state;
    ct_calls calls;
    ct_calls_init(&calls);
    fm_commands *commands = ct_begin(f);
    fm_point point = ct_commit(&commands, f->stream);
    CT_OK(fm_point_wait(f->device, point, CT_TIMEOUT_NS));
    for (uint32_t i = 0; i < 10; i++) CT_OK(fm_point_on_complete(f->device, point, ct_calls_record, &calls));
    assert_true(ct_calls_reach(&calls, 10));
    CT_OK(fm_device_close(&f->device, CT_TIMEOUT_NS));
    assert_int_equal(ct_calls_count(&calls), 10);
    for (uint32_t i = 0; i < 10; i++) assert_int_equal(calls.statuses[i], FM_OK);
    ct_calls_destroy(&calls);
}

// A callback that uses the device: it commits the next list of a chain and registers itself again.
typedef struct relay {
    ct_fixture *fixture;
    fm_buffer buffer;
    uint32_t left;
    fm_status trouble; // the first answer that was not FM_OK
    uint32_t got;      // what the last list read
    ct_calls calls;
} relay;

static void relay_next(void *user, fm_point point, fm_status status)
{
    relay *r = user;
    fm_device *device = r->fixture->device;
    fm_commands *commands = NULL;
    fm_point next = {{0}, 0};
    if (status == FM_OK && r->left > 0) {
        status = fm_point_poll(device, point);
        if (status == FM_OK) status = fm_commands_begin(device, NULL, &commands);
        if (status == FM_OK) status = fm_fill(commands, r->buffer, 0, 4, r->left);
        if (status == FM_OK) status = fm_read(commands, r->buffer, 0, 4, &r->got);
        if (status == FM_OK) status = fm_commit(&commands, &(fm_commit_info){.stream = point.stream}, &next);
        r->left--;
        if (status == FM_OK) status = fm_point_on_complete(device, next, relay_next, r);
    }
    if (status != FM_OK) r->trouble = status;
    ct_calls_record(&r->calls, point, status);
}

static void point_callback_may_use_the_device(void **state)
{
    ct_fixture *f = *state;
    relay r = {.fixture = f, .buffer = ct_buffer(f, 64), .left = 50};
    ct_calls_init(&r.calls);
    fm_commands *commands = ct_begin(f);
    fm_point point = ct_commit(&commands, f->stream);
    CT_OK(fm_point_on_complete(f->device, point, relay_next, &r));
    assert_true(ct_calls_reach(&r.calls, 51));
    assert_int_equal(r.trouble, FM_OK);
    assert_int_equal(r.got, 1);
    ct_calls_destroy(&r.calls);
}

// RETIRE-1, RETIRE-5: fire and forget. Nobody polls or waits, and still what the lists held is let go.
static void point_nobody_waits_for_is_retired_all_the_same(void **state)
{
    ct_fixture *f = *state;
    ct_calls calls;
    ct_calls_init(&calls);
    uint64_t before = ct_stats(f).bytes_in_use;
    fm_buffer buffer = ct_buffer(f, 1 << 20);
    fm_commands *commands = ct_begin(f);
    CT_OK(fm_fill(commands, buffer, 0, FM_WHOLE_SIZE, 1));
    CT_OK(fm_buffer_destroy(f->device, buffer));
    fm_point point = ct_commit(&commands, f->stream);
    CT_OK(fm_point_on_complete(f->device, point, ct_calls_record, &calls));
    assert_true(ct_calls_reach(&calls, 1));
    ct_wait_idle(f); // reads counters alone
    assert_true(ct_stats(f).bytes_in_use < before + (1 << 20));
    ct_calls_destroy(&calls);
}

int ct_group_point(void)
{
    const struct CMUnitTest tests[] = {
        CT_TEST(point_null_is_complete),
        CT_TEST(point_that_no_commit_returned_is_invalid),
        CT_TEST(point_of_a_bad_stream_is_refused),
        CT_TEST(point_in_flight_is_not_ready_and_times_out),
        CT_TEST(point_wait_does_not_wait_for_later_work),
        CT_TEST(point_callback_without_a_function_is_invalid),
        CT_TEST(point_callbacks_come_once_each_in_order_of_completion),
        CT_TEST(point_callback_on_a_complete_point_comes_too),
        CT_TEST(point_callback_may_use_the_device),
        CT_TEST(point_nobody_waits_for_is_retired_all_the_same),
    };
    return cmocka_run_group_tests_name("point", tests, NULL, NULL);
}
