// Failures on the manual device, where the order of every event is the test's: what depends on failed work never runs, what does not goes on,
// and each is told its own cause (READ-5, LEARNED-7).
#include <fermata/testing.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ALL = 1 << 20 };
#define SECOND UINT64_C(1000000000)

typedef struct fixture {
    fm_device *device;
    fm_stream a, b;
    fm_kernel broken, counting;
    fm_point last[2]; // of a and of the others
    int count;        // runs of `counting`
} fixture;

static fm_status run_broken(const fm_host_call *call)
{
    (void)call;
    return FM_ERROR_KERNEL_FAILED;
}

static fm_status run_counting(const fm_host_call *call)
{
    ++*(int *)call->user;
    return FM_OK;
}

static fm_kernel make_kernel(fixture *f, const char *name, fm_host_function function)
{
    fm_kernel kernel;
    fm_kernel_info info = {
        .name = name, .language = FM_KERNEL_HOST_FUNCTION, .host_function = function, .user = &f->count};
    assert_int_equal(fm_kernel_create(f->device, &info, &kernel), FM_OK);
    return kernel;
}

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    assert_int_equal(fm_device_open("manual", &(fm_device_info){.batches_in_flight = 1}, &f->device), FM_OK);
    assert_int_equal(fm_stream_create(f->device, &(fm_stream_info){.label = "a"}, &f->a), FM_OK);
    assert_int_equal(fm_stream_create(f->device, &(fm_stream_info){.label = "b"}, &f->b), FM_OK);
    f->broken = make_kernel(f, "broken", run_broken);
    f->counting = make_kernel(f, "counting", run_counting);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    assert_int_equal(fm_testing_step_in_waits(f->device, 1), FM_OK);
    assert_int_equal(fm_device_close(&f->device, SECOND), FM_OK);
    free(f);
    return 0;
}

static fm_point commit(fixture *f, fm_stream stream, fm_kernel kernel, const fm_point *after)
{
    fm_commands *commands;
    fm_point point;
    assert_int_equal(fm_commands_begin(f->device, &(fm_commands_info){.label = "list"}, &commands), FM_OK);
    assert_int_equal(fm_dispatch(commands, &(fm_dispatch_info){.kernel = kernel, .group_count = {1, 1, 1}}), FM_OK);
    fm_commit_info info = {.stream = stream, .after = after, .after_count = after ? 1 : 0};
    assert_int_equal(fm_commit(&commands, &info, &point), FM_OK);
    f->last[stream.id != f->a.id] = point;
    return point;
}

// Lets everything finish and be collected.
static void settle(fixture *f)
{
    assert_int_equal(fm_testing_step_in_waits(f->device, 1), FM_OK);
    for (int i = 0; i < 2; i++) {
        assert_int_not_equal(fm_point_wait(f->device, f->last[i], SECOND), FM_TIMEOUT);
    }
    assert_int_equal(fm_testing_step_in_waits(f->device, 0), FM_OK);
}

// One list of the batch is skipped because its stream failed before; what waits for it in the same batch must not run, either.
static void failure_found_when_planning_stops_what_waits_in_the_same_batch(void **state)
{
    fixture *f = *state;
    fm_point first = commit(f, f->a, f->broken, NULL);    // alone on the device: one batch in flight
    fm_point second = commit(f, f->a, f->counting, NULL); // these three wait together
    fm_point dependent = commit(f, f->b, f->counting, &second);
    fm_point later = commit(f, f->b, f->counting, NULL);
    settle(f);
    assert_int_equal(fm_point_poll(f->device, first), FM_ERROR_KERNEL_FAILED);
    assert_int_equal(fm_point_poll(f->device, second), FM_ERROR_DEPENDENCY);
    assert_int_equal(fm_point_poll(f->device, dependent), FM_ERROR_DEPENDENCY);
    assert_non_null(strstr(fm_last_error(), "host function")); // names the root
    assert_int_equal(fm_point_poll(f->device, later), FM_ERROR_DEPENDENCY);
    assert_int_equal(f->count, 0); // none of the three ran
}

// A list of the batch is skipped, and another waits for the one before it on that stream: that one runs, so what waits for it runs, too.
static void failure_found_when_planning_spares_what_waits_for_earlier_work(void **state)
{
    fixture *f = *state;
    fm_stream c;
    assert_int_equal(fm_stream_create(f->device, NULL, &c), FM_OK);
    fm_point bad = commit(f, c, f->broken, NULL);       // alone on the device: one batch in flight
    fm_point good = commit(f, f->a, f->counting, NULL); // these three wait together
    fm_point skipped = commit(f, f->a, f->counting, &bad);
    fm_point dependent = commit(f, f->b, f->counting, &good);
    settle(f);
    assert_int_equal(fm_point_poll(f->device, skipped), FM_ERROR_DEPENDENCY);
    assert_int_equal(fm_point_poll(f->device, good), FM_OK);
    assert_int_equal(fm_point_poll(f->device, dependent), FM_OK);
    assert_int_equal(f->count, 2);
}

static void failure_of_one_stream_leaves_others_alone(void **state)
{
    fixture *f = *state;
    fm_point bad = commit(f, f->a, f->broken, NULL);
    fm_point good = commit(f, f->b, f->counting, NULL);
    settle(f);
    assert_int_equal(fm_point_poll(f->device, bad), FM_ERROR_KERNEL_FAILED);
    assert_int_equal(fm_point_poll(f->device, good), FM_OK);
    assert_int_equal(f->count, 1);
}

static void failure_reset_lets_the_stream_run_again_and_keeps_the_record(void **state)
{
    fixture *f = *state;
    fm_point bad[20];
    for (int i = 0; i < 20; i++) {
        bad[i] = commit(f, f->a, f->broken, NULL);
        settle(f);
        assert_int_equal(fm_stream_reset(f->device, f->a, 0), FM_OK);
        fm_point good = commit(f, f->a, f->counting, NULL);
        settle(f);
        assert_int_equal(fm_point_poll(f->device, good), FM_OK);
    }
    for (int i = 0; i < 20; i++) {
        assert_int_equal(fm_point_poll(f->device, bad[i]), FM_ERROR_KERNEL_FAILED);
    }
    assert_int_equal(f->count, 20);
}

static void failure_reset_waits_for_earlier_work(void **state)
{
    fixture *f = *state;
    commit(f, f->a, f->broken, NULL); // not done, and nobody steps: it may fail yet
    assert_int_equal(fm_stream_reset(f->device, f->a, 0), FM_TIMEOUT);
    assert_int_equal(fm_testing_step(f->device, ALL, NULL), FM_OK);
    assert_int_equal(fm_stream_reset(f->device, f->a, 0), FM_OK);
    commit(f, f->a, f->counting, NULL);
    settle(f);
}

static void failure_named_as_an_after_point_is_a_dependency(void **state)
{
    fixture *f = *state;
    fm_point bad = commit(f, f->a, f->broken, NULL);
    settle(f);
    fm_commands *commands;
    assert_int_equal(fm_commands_begin(f->device, NULL, &commands), FM_OK);
    fm_commit_info info = {.stream = f->b, .after = &bad, .after_count = 1};
    assert_int_equal(fm_commit(&commands, &info, NULL), FM_ERROR_DEPENDENCY);
    assert_non_null(commands); // still ours (LEARNED-8)
    assert_int_equal(fm_commands_cancel(&commands), FM_OK);
}

// A call that succeeds leaves the thread's last error as it was, whatever it did for others meanwhile.
static void last_error_survives_successful_calls(void **state)
{
    fixture *f = *state;
    assert_int_equal(fm_buffer_destroy(f->device, (fm_buffer){1}), FM_ERROR_FOREIGN_HANDLE);
    char before[256];
    snprintf(before, sizeof before, "%s", fm_last_error());
    fm_point bad = commit(f, f->a, f->broken, NULL);
    fm_point waiting = commit(f, f->b, f->counting, NULL);
    commit(f, f->a, f->counting, &waiting); // an after point that is not complete
    assert_int_equal(fm_testing_step(f->device, ALL, NULL), FM_OK);
    fm_stream c;
    assert_int_equal(fm_stream_create(f->device, NULL, &c), FM_OK);
    assert_int_equal(fm_point_poll(f->device, (fm_point){{0}, 0}), FM_OK);
    commit(f, c, f->counting, NULL); // retires the failure on the way
    assert_string_equal(fm_last_error(), before);
    settle(f);
    assert_int_equal(fm_point_poll(f->device, bad), FM_ERROR_KERNEL_FAILED);
}

static void note_status(void *user, fm_point point, fm_status status)
{
    (void)point;
    *(fm_status *)user = status;
}

static void callback_of_a_failure_gets_its_cause(void **state)
{
    fixture *f = *state;
    fm_point bad = commit(f, f->a, f->broken, NULL);
    fm_point next = commit(f, f->a, f->counting, NULL);
    fm_status first = FM_OK, second = FM_OK;
    assert_int_equal(fm_point_on_complete(f->device, next, note_status, &second), FM_OK);
    assert_int_equal(fm_point_on_complete(f->device, bad, note_status, &first), FM_OK);
    settle(f);
    assert_int_equal(first, FM_OK); // nobody has run them yet
    assert_int_equal(fm_testing_run_callbacks(f->device), FM_OK);
    assert_int_equal(first, FM_ERROR_KERNEL_FAILED);
    assert_int_equal(second, FM_ERROR_DEPENDENCY);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(failure_found_when_planning_stops_what_waits_in_the_same_batch),
        TEST(failure_found_when_planning_spares_what_waits_for_earlier_work),
        TEST(failure_of_one_stream_leaves_others_alone),
        TEST(failure_reset_lets_the_stream_run_again_and_keeps_the_record),
        TEST(failure_reset_waits_for_earlier_work),
        TEST(failure_named_as_an_after_point_is_a_dependency),
        TEST(last_error_survives_successful_calls),
        TEST(callback_of_a_failure_gets_its_cause),
    };
    return cmocka_run_group_tests_name("failures", tests, NULL, NULL);
}
