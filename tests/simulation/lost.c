// A lost device, above the waist: every point that is pending fails once with its cause, later calls are told, nothing is freed while the
// device may still be running, and close ends (LEARNED-9, LEARNED-11, READ-5).
#include "manual_fixture.h"

enum { WORDS = 64, LISTS = 3 };

typedef struct fixture {
    md_fixture m; // first
    fm_stream streams[2];
    fm_kernel copy;
    fm_buffer x, y;
    fm_point points[2][LISTS]; // of the streams
    uint32_t out[WORDS];
    fm_status answers[2][LISTS]; // what the callbacks were told
    int calls[2][LISTS];
    int violations;
    int ran; // commands
} fixture;

typedef struct answer {
    fm_status *status;
    int *calls;
} answer;

static fm_status run_copy(const fm_host_call *call)
{
    memcpy(call->bindings[1], call->bindings[0], (size_t)call->size_bytes[1]);
    return FM_OK;
}

static void observe(void *user, fm_testing_event event, const char *text)
{
    fixture *f = user;
    (void)text;
    f->violations += event == FM_TESTING_VIOLATED;
    f->ran += event == FM_TESTING_RAN;
}

static int set_up(void **state)
{
    fixture *f = md_new(sizeof *f, &(fm_device_info){.batches_in_flight = 2, .block_size_bytes = 65536});
    OK(fm_testing_observe(f->m.device, observe, f));
    f->streams[0] = f->m.a;
    f->streams[1] = f->m.b;
    f->copy = md_host_kernel(&f->m, "copy", 2, run_copy, NULL);
    f->x = md_buffer(&f->m, sizeof f->out);
    f->y = md_buffer(&f->m, sizeof f->out);
    memset(f->out, 0xA5, sizeof f->out);
    *state = f;
    return 0;
}

// The device may be closed or lost: the observer has counted to the end.
static int tear_down(void **state)
{
    fixture *f = *state;
    if (f->m.device) OK(fm_device_close(&f->m.device, MD_SECOND));
    assert_int_equal(f->violations, 0);
    return md_delete(state);
}

static fm_commands *record(fixture *f)
{
    fm_commands *commands = md_begin(&f->m, 0);
    fm_binding bindings[] = {{.buffer = f->x}, {.buffer = f->y}};
    OK(fm_dispatch(commands,
                   &(fm_dispatch_info){
                       .kernel = f->copy, .group_count = {1, 1, 1}, .bindings = bindings, .binding_count = 2}));
    OK(fm_read(commands, f->y, 0, sizeof f->out, f->out));
    return commands;
}

// Three lists on each of two streams: some on the device, some still waiting for it; all of it named by nothing but the lists.
static void commit_all(fixture *f)
{
    for (int i = 0; i < LISTS; i++) {
        for (int s = 0; s < 2; s++) {
            fm_commands *commands = record(f);
            OK(fm_commit(&commands, &(fm_commit_info){.stream = f->streams[s]}, &f->points[s][i]));
        }
    }
}

static void drop_handles(fixture *f)
{
    OK(fm_buffer_destroy(f->m.device, f->x));
    OK(fm_buffer_destroy(f->m.device, f->y));
    OK(fm_kernel_destroy(f->m.device, f->copy));
}

static void note(void *user, fm_point point, fm_status status)
{
    answer *a = user;
    (void)point;
    *a->status = status;
    ++*a->calls;
    free(a);
}

static void ask_for_calls(fixture *f)
{
    for (int s = 0; s < 2; s++) {
        for (int i = 0; i < LISTS; i++) {
            answer *a = malloc(sizeof *a);
            assert_non_null(a);
            *a = (answer){&f->answers[s][i], &f->calls[s][i]};
            OK(fm_point_on_complete(f->m.device, f->points[s][i], note, a));
        }
    }
}

// Whatever the order of asking, each point answers the loss, again and again, and each callback is called once.
static void lost_device_fails_every_pending_point_once_with_the_cause(void **state)
{
    fixture *f = *state;
    commit_all(f);
    ask_for_calls(f);
    OK(fm_testing_lose_device(f->m.device));
    for (int round = 0; round < 3; round++) {
        for (int s = 1; s >= 0; s--) {
            for (int i = LISTS - 1; i >= 0; i--) {
                // Work that was lost before it was submitted fails with the next look.
                fm_status status = fm_point_wait(f->m.device, f->points[s][i], MD_SECOND);
                assert_int_equal(status, FM_ERROR_DEVICE_LOST);
                assert_non_null(strstr(fm_last_error(), "lost"));
            }
        }
        OK(fm_testing_run_callbacks(f->m.device));
    }
    for (int s = 0; s < 2; s++) {
        for (int i = 0; i < LISTS; i++) {
            assert_int_equal(f->calls[s][i], 1);
            assert_int_equal(f->answers[s][i], FM_ERROR_DEVICE_LOST);
        }
    }
    for (int i = 0; i < WORDS; i++) {
        assert_int_equal(f->out[i], 0xA5A5A5A5u); // nothing was read
    }
}

// The driver has given up, the work has not: it runs on into memory that must still be its own. After the close it is over.
static void lost_device_frees_nothing_before_it_is_quiet(void **state)
{
    fixture *f = *state;
    commit_all(f);
    drop_handles(f);
    fm_device_stats before, after;
    OK(fm_device_get_stats(f->m.device, &before));
    OK(fm_testing_lose_device(f->m.device));
    for (int s = 0; s < 2; s++) {
        for (int i = 0; i < LISTS; i++) {
            assert_int_equal(fm_point_wait(f->m.device, f->points[s][i], MD_SECOND), FM_ERROR_DEVICE_LOST);
        }
    }
    OK(fm_device_trim(f->m.device, NULL));
    OK(fm_device_get_stats(f->m.device, &after));
    assert_int_equal(after.lists_in_flight, 0);
    assert_true(after.bytes_in_use >=
                2 * sizeof f->out); // both buffers, though no handle and no pending list names them
    uint32_t count;
    OK(fm_testing_step(f->m.device, 1, &count)); // on it runs
    assert_int_equal(count, 1);
    assert_int_equal(f->ran, 1);
    assert_int_equal(f->violations, 0);
    OK(fm_device_close(&f->m.device, MD_SECOND));
}

static void lost_device_refuses_later_calls_with_a_sentence(void **state)
{
    fixture *f = *state;
    commit_all(f);
    fm_commands *commands = record(f);
    OK(fm_testing_lose_device(f->m.device));
    assert_int_equal(fm_point_wait(f->m.device, f->points[0][0], MD_SECOND), FM_ERROR_DEVICE_LOST);
    fm_buffer buffer;
    assert_int_equal(fm_commit(&commands, &(fm_commit_info){.stream = f->streams[0]}, NULL), FM_ERROR_DEVICE_LOST);
    assert_non_null(strstr(fm_last_error(), "lost"));
    assert_non_null(commands); // still ours (LEARNED-8)
    OK(fm_commands_cancel(&commands));
    assert_int_equal(fm_buffer_create(f->m.device, &(fm_buffer_info){.size_bytes = 64}, &buffer), FM_ERROR_DEVICE_LOST);
    assert_non_null(strstr(fm_last_error(), "lost"));
    assert_int_equal(buffer.id, 0);
    assert_int_equal(fm_buffer_read(f->m.device, f->streams[1], f->y, 0, sizeof f->out, f->out, MD_SECOND),
                     FM_ERROR_DEVICE_LOST);
    assert_non_null(strstr(fm_last_error(), "lost"));
    assert_int_equal(fm_stream_reset(f->m.device, f->streams[0], MD_SECOND), FM_ERROR_DEVICE_LOST);
    assert_non_null(strstr(fm_last_error(), "lost"));
}

// Nobody asked for any point, and nothing will ever complete.
static void lost_device_closes_at_once(void **state)
{
    fixture *f = *state;
    commit_all(f);
    ask_for_calls(f);
    drop_handles(f);
    OK(fm_testing_lose_device(f->m.device));
    OK(fm_device_close(&f->m.device, MD_SECOND));
    assert_null(f->m.device);
    for (int s = 0; s < 2; s++) {
        for (int i = 0; i < LISTS; i++) {
            assert_int_equal(f->calls[s][i], 1); // at the latest inside the close
            assert_int_equal(f->answers[s][i], FM_ERROR_DEVICE_LOST);
        }
    }
}

// What was complete before the loss stays complete, read or not.
static void lost_device_keeps_what_was_complete(void **state)
{
    fixture *f = *state;
    fm_commands *commands = record(f);
    fm_point done;
    OK(fm_commit(&commands, &(fm_commit_info){.stream = f->streams[0]}, &done));
    OK(fm_testing_step(f->m.device, 16, NULL));
    OK(fm_testing_lose_device(f->m.device));
    OK(fm_point_poll(f->m.device, done));
    for (int i = 0; i < WORDS; i++) {
        assert_int_equal(f->out[i], 0);
    }
}

// A batch that is refused because memory ran out, or for another cause, is no loss: its lists fail, the next ones run, nothing leaks.
static void refused_batch_fails_its_own_lists_alone(void **state)
{
    fixture *f = *state;
    OK(fm_testing_refuse_submits(f->m.device, 1, FM_ERROR_OUT_OF_MEMORY));
    fm_commands *commands = record(f);
    fm_point bad, good;
    OK(fm_commit(&commands, &(fm_commit_info){.stream = f->streams[0]}, &bad));
    commands = record(f);
    OK(fm_commit(&commands, &(fm_commit_info){.stream = f->streams[1]}, &good));
    OK(fm_testing_step(f->m.device, 16, NULL));
    assert_int_equal(fm_point_poll(f->m.device, bad), FM_ERROR_OUT_OF_MEMORY);
    OK(fm_point_poll(f->m.device, good));
    drop_handles(f);
    fm_device_stats stats;
    OK(fm_device_trim(f->m.device, NULL));
    OK(fm_device_get_stats(f->m.device, &stats));
    assert_int_equal(stats.bytes_in_use, 0);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(lost_device_fails_every_pending_point_once_with_the_cause),
        TEST(lost_device_frees_nothing_before_it_is_quiet),
        TEST(lost_device_refuses_later_calls_with_a_sentence),
        TEST(lost_device_closes_at_once),
        TEST(lost_device_keeps_what_was_complete),
        TEST(refused_batch_fails_its_own_lists_alone),
    };
    return cmocka_run_group_tests_name("lost", tests, NULL, NULL);
}
