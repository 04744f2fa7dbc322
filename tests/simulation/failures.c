// Failures on the manual device, where the order of every event is the test's: what depends on failed work never runs, what does not goes on,
// and each is told its own cause (READ-5, LEARNED-7).
#include "manual_fixture.h"

#include <stdio.h>

typedef struct fixture {
    md_fixture m; // first
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

static int set_up(void **state)
{
    fixture *f = md_new(sizeof *f, &(fm_device_info){.batches_in_flight = 1});
    f->broken = md_host_kernel(&f->m, "broken", 0, run_broken, NULL);
    f->counting = md_host_kernel(&f->m, "counting", 0, run_counting, &f->count);
    *state = f;
    return 0;
}

static fm_point commit(fixture *f, fm_stream stream, fm_kernel kernel, const fm_point *after)
{
    fm_commands *commands = md_begin(&f->m, 0);
    fm_point point;
    OK(fm_dispatch(commands, &(fm_dispatch_info){.kernel = kernel, .group_count = {1, 1, 1}}));
    fm_commit_info info = {.stream = stream, .after = after, .after_count = after ? 1 : 0};
    OK(fm_commit(&commands, &info, &point));
    f->last[stream.id != f->m.a.id] = point;
    return point;
}

// Lets everything finish and be collected.
static void settle(fixture *f)
{
    OK(fm_testing_step_in_waits(f->m.device, 1));
    for (int i = 0; i < 2; i++) {
        assert_int_not_equal(fm_point_wait(f->m.device, f->last[i], MD_SECOND), FM_TIMEOUT);
    }
    OK(fm_testing_step_in_waits(f->m.device, 0));
}

// One list of the batch is skipped because its stream failed before; what waits for it in the same batch must not run, either.
static void failure_found_when_planning_stops_what_waits_in_the_same_batch(void **state)
{
    fixture *f = *state;
    fm_point first = commit(f, f->m.a, f->broken, NULL);    // alone on the device: one batch in flight
    fm_point second = commit(f, f->m.a, f->counting, NULL); // these three wait together
    fm_point dependent = commit(f, f->m.b, f->counting, &second);
    fm_point later = commit(f, f->m.b, f->counting, NULL);
    settle(f);
    assert_int_equal(fm_point_poll(f->m.device, first), FM_ERROR_KERNEL_FAILED);
    assert_int_equal(fm_point_poll(f->m.device, second), FM_ERROR_DEPENDENCY);
    assert_int_equal(fm_point_poll(f->m.device, dependent), FM_ERROR_DEPENDENCY);
    assert_non_null(strstr(fm_last_error(), "host function")); // names the root
    assert_int_equal(fm_point_poll(f->m.device, later), FM_ERROR_DEPENDENCY);
    assert_int_equal(f->count, 0); // none of the three ran
}

// A list of the batch is skipped, and another waits for the one before it on that stream: that one runs, so what waits for it runs, too.
static void failure_found_when_planning_spares_what_waits_for_earlier_work(void **state)
{
    fixture *f = *state;
    fm_stream c;
    OK(fm_stream_create(f->m.device, NULL, &c));
    fm_point bad = commit(f, c, f->broken, NULL);         // alone on the device: one batch in flight
    fm_point good = commit(f, f->m.a, f->counting, NULL); // these three wait together
    fm_point skipped = commit(f, f->m.a, f->counting, &bad);
    fm_point dependent = commit(f, f->m.b, f->counting, &good);
    settle(f);
    assert_int_equal(fm_point_poll(f->m.device, skipped), FM_ERROR_DEPENDENCY);
    OK(fm_point_poll(f->m.device, good));
    OK(fm_point_poll(f->m.device, dependent));
    assert_int_equal(f->count, 2);
}

static void failure_of_one_stream_leaves_others_alone(void **state)
{
    fixture *f = *state;
    fm_point bad = commit(f, f->m.a, f->broken, NULL);
    fm_point good = commit(f, f->m.b, f->counting, NULL);
    settle(f);
    assert_int_equal(fm_point_poll(f->m.device, bad), FM_ERROR_KERNEL_FAILED);
    OK(fm_point_poll(f->m.device, good));
    assert_int_equal(f->count, 1);
}

static void failure_reset_lets_the_stream_run_again_and_keeps_the_record(void **state)
{
    fixture *f = *state;
    fm_point bad[20];
    for (int i = 0; i < 20; i++) {
        bad[i] = commit(f, f->m.a, f->broken, NULL);
        settle(f);
        OK(fm_stream_reset(f->m.device, f->m.a, 0));
        fm_point good = commit(f, f->m.a, f->counting, NULL);
        settle(f);
        OK(fm_point_poll(f->m.device, good));
    }
    for (int i = 0; i < 20; i++) {
        assert_int_equal(fm_point_poll(f->m.device, bad[i]), FM_ERROR_KERNEL_FAILED);
    }
    assert_int_equal(f->count, 20);
}

static void failure_reset_waits_for_earlier_work(void **state)
{
    fixture *f = *state;
    commit(f, f->m.a, f->broken, NULL); // not done, and nobody steps: it may fail yet
    assert_int_equal(fm_stream_reset(f->m.device, f->m.a, 0), FM_TIMEOUT);
    OK(fm_testing_step(f->m.device, MD_ALL, NULL));
    OK(fm_stream_reset(f->m.device, f->m.a, 0));
    commit(f, f->m.a, f->counting, NULL);
    settle(f);
}

static void failure_named_as_an_after_point_is_a_dependency(void **state)
{
    fixture *f = *state;
    fm_point bad = commit(f, f->m.a, f->broken, NULL);
    settle(f);
    fm_commands *commands;
    OK(fm_commands_begin(f->m.device, NULL, &commands));
    fm_commit_info info = {.stream = f->m.b, .after = &bad, .after_count = 1};
    assert_int_equal(fm_commit(&commands, &info, NULL), FM_ERROR_DEPENDENCY);
    assert_non_null(commands); // still ours (LEARNED-8)
    OK(fm_commands_cancel(&commands));
}

// A call that succeeds leaves the thread's last error as it was, whatever it did for others meanwhile.
static void last_error_survives_successful_calls(void **state)
{
    fixture *f = *state;
    assert_int_equal(fm_buffer_destroy(f->m.device, (fm_buffer){1}), FM_ERROR_FOREIGN_HANDLE);
    char before[256];
    snprintf(before, sizeof before, "%s", fm_last_error());
    fm_point bad = commit(f, f->m.a, f->broken, NULL);
    fm_point waiting = commit(f, f->m.b, f->counting, NULL);
    commit(f, f->m.a, f->counting, &waiting); // an after point that is not complete
    OK(fm_testing_step(f->m.device, MD_ALL, NULL));
    fm_stream c;
    OK(fm_stream_create(f->m.device, NULL, &c));
    OK(fm_point_poll(f->m.device, (fm_point){{0}, 0}));
    commit(f, c, f->counting, NULL); // retires the failure on the way
    assert_string_equal(fm_last_error(), before);
    settle(f);
    assert_int_equal(fm_point_poll(f->m.device, bad), FM_ERROR_KERNEL_FAILED);
}

static void note_status(void *user, fm_point point, fm_status status)
{
    (void)point;
    *(fm_status *)user = status;
}

static void callback_of_a_failure_gets_its_cause(void **state)
{
    fixture *f = *state;
    fm_point bad = commit(f, f->m.a, f->broken, NULL);
    fm_point next = commit(f, f->m.a, f->counting, NULL);
    fm_status first = FM_OK, second = FM_OK;
    OK(fm_point_on_complete(f->m.device, next, note_status, &second));
    OK(fm_point_on_complete(f->m.device, bad, note_status, &first));
    settle(f);
    assert_int_equal(first, FM_OK); // nobody has run them yet
    OK(fm_testing_run_callbacks(f->m.device));
    assert_int_equal(first, FM_ERROR_KERNEL_FAILED);
    assert_int_equal(second, FM_ERROR_DEPENDENCY);
}

static fm_status run_odd(const fm_host_call *call)
{
    (void)call;
    return (fm_status)4711;
}

static void record_dispatch(fm_commands *commands, fm_kernel kernel)
{
    OK(fm_dispatch(commands, &(fm_dispatch_info){.kernel = kernel, .group_count = {1, 1, 1}}));
}

// A list of three groups, of which the inner one's command fails.
static fm_point commit_groups(fixture *f, fm_kernel failing)
{
    fm_commands *commands = md_begin(&f->m, 0);
    OK(fm_label_push(commands, "layer 3"));
    record_dispatch(commands, f->counting);
    OK(fm_barrier(commands));
    OK(fm_label_push(commands, "attention"));
    record_dispatch(commands, failing);
    OK(fm_label_pop(commands));
    OK(fm_label_pop(commands));
    OK(fm_label_push(commands, "sampling"));
    record_dispatch(commands, f->counting);
    return md_commit(commands, f->m.a);
}

// The record and the sentence name what failed: the groups around the command, the host function, and the status that it returned.
static void failure_names_the_group_the_function_and_its_status(void **state)
{
    fixture *f = *state;
    fm_failure failure;
    fm_point point = commit_groups(f, f->broken);
    md_step(&f->m, MD_ALL);
    STATUS(fm_point_poll(f->m.device, point), FM_ERROR_KERNEL_FAILED);
    assert_string_equal(fm_last_error(), "fm_point_poll: stream 'a', value 1: list 'list', group 'layer 3/attention': "
                                         "host function 'broken' returned FM_ERROR_KERNEL_FAILED");
    OK(fm_device_take_failure(f->m.device, &failure));
    assert_string_equal(failure.groups, "layer 3/attention");
    assert_string_equal(failure.list_label, "list");
    assert_non_null(strstr(failure.cause, "host function 'broken' returned FM_ERROR_KERNEL_FAILED"));
    OK(fm_stream_reset(f->m.device, f->m.a, 0));
    point = commit_groups(f, md_host_kernel(&f->m, "odd", 0, run_odd, NULL));
    md_step(&f->m, MD_ALL);
    STATUS(fm_point_poll(f->m.device, point), FM_ERROR_KERNEL_FAILED);
    assert_non_null(strstr(fm_last_error(), "host function 'odd' returned a value that is no status"));
    OK(fm_stream_reset(f->m.device, f->m.a, 0));
}

// What failed as a whole names all its groups.
static void failure_of_a_whole_list_names_all_its_groups(void **state)
{
    fixture *f = *state;
    fm_failure failure;
    OK(fm_testing_refuse_submits(f->m.device, 1, FM_ERROR_OUT_OF_MEMORY));
    fm_point point = commit_groups(f, f->counting);
    STATUS(fm_point_poll(f->m.device, point), FM_ERROR_OUT_OF_MEMORY);
    OK(fm_device_take_failure(f->m.device, &failure));
    assert_string_equal(failure.groups, "layer 3, layer 3/attention, sampling");
    OK(fm_stream_reset(f->m.device, f->m.a, 0));
    fm_commands *commands = md_begin(&f->m, 0);
    for (int i = 0; i < 100; i++) {
        char label[32];
        snprintf(label, sizeof label, "group %d", i);
        OK(fm_label_push(commands, label));
        record_dispatch(commands, f->counting);
        OK(fm_label_pop(commands));
    }
    OK(fm_testing_refuse_submits(f->m.device, 1, FM_ERROR_OUT_OF_MEMORY));
    point = md_commit(commands, f->m.a);
    STATUS(fm_point_poll(f->m.device, point), FM_ERROR_OUT_OF_MEMORY);
    OK(fm_device_take_failure(f->m.device, &failure));
    assert_non_null(strstr(failure.groups, "group 0, group 1, "));
    uint32_t more = 0;
    assert_int_equal(sscanf(strstr(failure.groups, " and "), " and %u more", &more), 1);
    assert_in_range(more, 1, 99);
    OK(fm_stream_reset(f->m.device, f->m.a, 0));
}

// Of an object whose handle is dead the sentence says what is still known.
static void stale_handle_is_refused_with_what_is_known_of_it(void **state)
{
    fixture *f = *state;
    uint64_t size;
    fm_buffer buffer = md_buffer_with(&f->m, &(fm_buffer_info){.size_bytes = 64, .label = "keys"});
    char never[64], gone[64];
    snprintf(never, sizeof never, "slot %u", (uint32_t)(buffer.id >> 32) & 0xffffffu);
    snprintf(gone, sizeof gone, "generation %u) has been destroyed", (uint32_t)buffer.id);
    md_commit_fill(&f->m, f->m.a, buffer, 1);
    OK(fm_buffer_destroy(f->m.device, buffer));
    STATUS(fm_buffer_get_size(f->m.device, buffer, &size), FM_ERROR_STALE_HANDLE);
    assert_non_null(strstr(fm_last_error(), "buffer 'keys' (handle ")); // a list in flight holds it
    assert_non_null(strstr(fm_last_error(), gone));
    md_step(&f->m, MD_ALL);
    OK(fm_point_poll(f->m.device, (fm_point){f->m.a, 1}));
    STATUS(fm_buffer_get_size(f->m.device, buffer, &size), FM_ERROR_STALE_HANDLE);
    assert_non_null(strstr(fm_last_error(), "buffer 'keys' (handle ")); // nothing of it is left but that
    assert_non_null(strstr(fm_last_error(), never));
    assert_non_null(strstr(fm_last_error(), gone));
    fm_buffer next = md_buffer_with(&f->m, &(fm_buffer_info){.size_bytes = 64, .label = "values"});
    assert_int_equal((uint32_t)(next.id >> 32), (uint32_t)(buffer.id >> 32)); // in the same slot
    STATUS(fm_buffer_get_size(f->m.device, buffer, &size), FM_ERROR_STALE_HANDLE);
    assert_null(strstr(fm_last_error(), "values"));
    assert_non_null(strstr(fm_last_error(), gone));
    buffer.id += 64; // of a generation that is still to come
    STATUS(fm_buffer_get_size(f->m.device, buffer, &size), FM_ERROR_STALE_HANDLE);
    assert_non_null(strstr(fm_last_error(), "was never created"));
    buffer.id += UINT64_C(1) << 52; // and of a slot that there is not
    STATUS(fm_buffer_get_size(f->m.device, buffer, &size), FM_ERROR_STALE_HANDLE);
    assert_non_null(strstr(fm_last_error(), "was never created"));
    OK(fm_stream_destroy(f->m.device, f->m.b));
    STATUS(fm_point_poll(f->m.device, (fm_point){f->m.b, 1}), FM_ERROR_STALE_HANDLE);
}

static void memory_that_is_not_there_is_refused_with_the_buffers_label(void **state)
{
    fixture *f = *state;
    fm_buffer buffer;
    fm_buffer_info info = {.size_bytes = UINT64_C(1) << 50, .label = "weights"};
    STATUS(fm_buffer_create(f->m.device, &info, &buffer), FM_ERROR_OUT_OF_MEMORY);
    assert_non_null(strstr(fm_last_error(), "fm_buffer_create: buffer 'weights': "));
    static uint8_t bytes[600 << 10];
    buffer = md_buffer_with(&f->m, &(fm_buffer_info){.size_bytes = sizeof bytes, .label = "values"});
    OK(fm_testing_limit_memory(f->m.device, 1)); // nothing more
    fm_commands *commands = md_begin(&f->m, 0);
    STATUS(fm_upload(commands, buffer, 0, FM_WHOLE_SIZE, bytes), FM_ERROR_OUT_OF_MEMORY);
    assert_non_null(strstr(fm_last_error(), "fm_upload: staging memory for buffer 'values': "));
    STATUS(fm_read(commands, buffer, 0, FM_WHOLE_SIZE, bytes), FM_ERROR_OUT_OF_MEMORY);
    assert_non_null(strstr(fm_last_error(), "fm_read: staging memory for buffer 'values': "));
    OK(fm_commands_cancel(&commands));
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, md_delete)
    const struct CMUnitTest tests[] = {
        TEST(failure_found_when_planning_stops_what_waits_in_the_same_batch),
        TEST(failure_found_when_planning_spares_what_waits_for_earlier_work),
        TEST(failure_of_one_stream_leaves_others_alone),
        TEST(failure_reset_lets_the_stream_run_again_and_keeps_the_record),
        TEST(failure_reset_waits_for_earlier_work),
        TEST(failure_named_as_an_after_point_is_a_dependency),
        TEST(last_error_survives_successful_calls),
        TEST(callback_of_a_failure_gets_its_cause),
        TEST(failure_names_the_group_the_function_and_its_status),
        TEST(failure_of_a_whole_list_names_all_its_groups),
        TEST(stale_handle_is_refused_with_what_is_known_of_it),
        TEST(memory_that_is_not_there_is_refused_with_the_buffers_label),
    };
    return cmocka_run_group_tests_name("failures", tests, NULL, NULL);
}
