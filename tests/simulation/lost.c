// A lost device, above the waist: every point that is pending fails once with its cause, later calls are told, nothing is freed while the
// device may still be running, and close ends (LEARNED-9, LEARNED-11, READ-5).
#include <fermata/testing.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { WORDS = 64, LISTS = 3 };
#define SECOND UINT64_C(1000000000)

typedef struct fixture {
    fm_device *device;
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

static fm_buffer make_buffer(fixture *f)
{
    fm_buffer buffer;
    assert_int_equal(fm_buffer_create(f->device, &(fm_buffer_info){.size_bytes = sizeof f->out}, &buffer), FM_OK);
    return buffer;
}

static int set_up(void **state)
{
    static const fm_kernel_param params[] = {{"x", FM_DTYPE_U32, FM_ACCESS_READ}, {"y", FM_DTYPE_U32, FM_ACCESS_WRITE}};
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    fm_device_info info = {.batches_in_flight = 2, .block_size_bytes = 65536};
    assert_int_equal(fm_device_open("manual", &info, &f->device), FM_OK);
    assert_int_equal(fm_testing_observe(f->device, observe, f), FM_OK);
    for (int s = 0; s < 2; s++) {
        assert_int_equal(fm_stream_create(f->device, NULL, &f->streams[s]), FM_OK);
    }
    fm_kernel_info kernel = {.name = "copy",
                             .language = FM_KERNEL_HOST_FUNCTION,
                             .params = params,
                             .param_count = 2,
                             .host_function = run_copy};
    assert_int_equal(fm_kernel_create(f->device, &kernel, &f->copy), FM_OK);
    f->x = make_buffer(f);
    f->y = make_buffer(f);
    memset(f->out, 0xA5, sizeof f->out);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    if (f->device) {
        assert_int_equal(fm_device_close(&f->device, SECOND), FM_OK);
    }
    assert_int_equal(f->violations, 0);
    free(f);
    return 0;
}

static fm_commands *record(fixture *f)
{
    fm_commands *commands;
    fm_binding bindings[] = {{.buffer = f->x}, {.buffer = f->y}};
    assert_int_equal(fm_commands_begin(f->device, &(fm_commands_info){.label = "work"}, &commands), FM_OK);
    assert_int_equal(fm_dispatch(commands, &(fm_dispatch_info){.kernel = f->copy,
                                                               .group_count = {1, 1, 1},
                                                               .bindings = bindings,
                                                               .binding_count = 2}),
                     FM_OK);
    assert_int_equal(fm_read(commands, f->y, 0, sizeof f->out, f->out), FM_OK);
    return commands;
}

// Three lists on each of two streams: some on the device, some still waiting for it; all of it named by nothing but the lists.
static void commit_all(fixture *f)
{
    for (int i = 0; i < LISTS; i++) {
        for (int s = 0; s < 2; s++) {
            fm_commands *commands = record(f);
            assert_int_equal(fm_commit(&commands, &(fm_commit_info){.stream = f->streams[s]}, &f->points[s][i]), FM_OK);
        }
    }
}

static void drop_handles(fixture *f)
{
    assert_int_equal(fm_buffer_destroy(f->device, f->x), FM_OK);
    assert_int_equal(fm_buffer_destroy(f->device, f->y), FM_OK);
    assert_int_equal(fm_kernel_destroy(f->device, f->copy), FM_OK);
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
            assert_int_equal(fm_point_on_complete(f->device, f->points[s][i], note, a), FM_OK);
        }
    }
}

// Whatever the order of asking, each point answers the loss, again and again, and each callback is called once.
static void lost_device_fails_every_pending_point_once_with_the_cause(void **state)
{
    fixture *f = *state;
    commit_all(f);
    ask_for_calls(f);
    assert_int_equal(fm_testing_lose_device(f->device), FM_OK);
    for (int round = 0; round < 3; round++) {
        for (int s = 1; s >= 0; s--) {
            for (int i = LISTS - 1; i >= 0; i--) {
                // Work that was lost before it was submitted fails with the next look.
                fm_status status = fm_point_wait(f->device, f->points[s][i], SECOND);
                assert_int_equal(status, FM_ERROR_DEVICE_LOST);
                assert_non_null(strstr(fm_last_error(), "lost"));
            }
        }
        assert_int_equal(fm_testing_run_callbacks(f->device), FM_OK);
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
    assert_int_equal(fm_device_get_stats(f->device, &before), FM_OK);
    assert_int_equal(fm_testing_lose_device(f->device), FM_OK);
    for (int s = 0; s < 2; s++) {
        for (int i = 0; i < LISTS; i++) {
            assert_int_equal(fm_point_wait(f->device, f->points[s][i], SECOND), FM_ERROR_DEVICE_LOST);
        }
    }
    assert_int_equal(fm_device_trim(f->device, NULL), FM_OK);
    assert_int_equal(fm_device_get_stats(f->device, &after), FM_OK);
    assert_int_equal(after.lists_in_flight, 0);
    assert_true(after.bytes_in_use >=
                2 * sizeof f->out); // both buffers, though no handle and no pending list names them
    uint32_t count;
    assert_int_equal(fm_testing_step(f->device, 1, &count), FM_OK); // on it runs
    assert_int_equal(count, 1);
    assert_int_equal(f->ran, 1);
    assert_int_equal(f->violations, 0);
    assert_int_equal(fm_device_close(&f->device, SECOND), FM_OK);
}

static void lost_device_refuses_later_calls_with_a_sentence(void **state)
{
    fixture *f = *state;
    commit_all(f);
    fm_commands *commands = record(f);
    assert_int_equal(fm_testing_lose_device(f->device), FM_OK);
    assert_int_equal(fm_point_wait(f->device, f->points[0][0], SECOND), FM_ERROR_DEVICE_LOST);
    fm_buffer buffer;
    assert_int_equal(fm_commit(&commands, &(fm_commit_info){.stream = f->streams[0]}, NULL), FM_ERROR_DEVICE_LOST);
    assert_non_null(strstr(fm_last_error(), "lost"));
    assert_non_null(commands); // still ours (LEARNED-8)
    assert_int_equal(fm_commands_cancel(&commands), FM_OK);
    assert_int_equal(fm_buffer_create(f->device, &(fm_buffer_info){.size_bytes = 64}, &buffer), FM_ERROR_DEVICE_LOST);
    assert_non_null(strstr(fm_last_error(), "lost"));
    assert_int_equal(buffer.id, 0);
    assert_int_equal(fm_buffer_read(f->device, f->streams[1], f->y, 0, sizeof f->out, f->out, SECOND),
                     FM_ERROR_DEVICE_LOST);
    assert_non_null(strstr(fm_last_error(), "lost"));
    assert_int_equal(fm_stream_reset(f->device, f->streams[0], SECOND), FM_ERROR_DEVICE_LOST);
    assert_non_null(strstr(fm_last_error(), "lost"));
}

// Nobody asked for any point, and nothing will ever complete.
static void lost_device_closes_at_once(void **state)
{
    fixture *f = *state;
    commit_all(f);
    ask_for_calls(f);
    drop_handles(f);
    assert_int_equal(fm_testing_lose_device(f->device), FM_OK);
    assert_int_equal(fm_device_close(&f->device, SECOND), FM_OK);
    assert_null(f->device);
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
    assert_int_equal(fm_commit(&commands, &(fm_commit_info){.stream = f->streams[0]}, &done), FM_OK);
    assert_int_equal(fm_testing_step(f->device, 16, NULL), FM_OK);
    assert_int_equal(fm_testing_lose_device(f->device), FM_OK);
    assert_int_equal(fm_point_poll(f->device, done), FM_OK);
    for (int i = 0; i < WORDS; i++) {
        assert_int_equal(f->out[i], 0);
    }
}

// A batch that is refused because memory ran out, or for another cause, is no loss: its lists fail, the next ones run, nothing leaks.
static void refused_batch_fails_its_own_lists_alone(void **state)
{
    fixture *f = *state;
    assert_int_equal(fm_testing_refuse_submits(f->device, 1, FM_ERROR_OUT_OF_MEMORY), FM_OK);
    fm_commands *commands = record(f);
    fm_point bad, good;
    assert_int_equal(fm_commit(&commands, &(fm_commit_info){.stream = f->streams[0]}, &bad), FM_OK);
    commands = record(f);
    assert_int_equal(fm_commit(&commands, &(fm_commit_info){.stream = f->streams[1]}, &good), FM_OK);
    assert_int_equal(fm_testing_step(f->device, 16, NULL), FM_OK);
    assert_int_equal(fm_point_poll(f->device, bad), FM_ERROR_OUT_OF_MEMORY);
    assert_int_equal(fm_point_poll(f->device, good), FM_OK);
    drop_handles(f);
    fm_device_stats stats;
    assert_int_equal(fm_device_trim(f->device, NULL), FM_OK);
    assert_int_equal(fm_device_get_stats(f->device, &stats), FM_OK);
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
