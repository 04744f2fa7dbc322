// Cancelling what was committed: what has not been given to the device does not run, what has runs as if nobody had asked, and the answer
// says which. A point that the program has not signalled keeps a list off every device for as long as a test wants.
#include "groups.h"
#include "threads.h"

static const fm_point nothing = {{0}, 0};

static fm_point host_point(ct_fixture *f)
{
    fm_point point = {{0}, 0};
    CT_OK(fm_point_create(f->device, &(fm_point_info){.label = "ready"}, &point));
    return point;
}

static fm_stream stream_of(ct_fixture *f)
{
    fm_stream stream = {0};
    CT_OK(fm_stream_create(f->device, NULL, &stream));
    return stream;
}

static fm_point commit_fill(ct_fixture *f, fm_stream stream, fm_point after, fm_buffer buffer, uint32_t value)
{
    fm_commands *commands = NULL;
    fm_point point = {{0}, 0};
    CT_OK(fm_commands_begin(f->device, &(fm_commands_info){.label = "token 9"}, &commands));
    CT_OK(fm_fill(commands, buffer, 0, FM_WHOLE_SIZE, value));
    CT_OK(fm_commit(&commands, &(fm_commit_info){.stream = stream, .after = &after, .after_count = 1}, &point));
    return point;
}

static void expect_said(const char *words)
{
    if (!strstr(fm_last_error(), words)) fail_msg("'%s' does not say '%s'", fm_last_error(), words);
}

static void cancelled_list_does_not_run_and_fails_what_builds_on_it(void **state)
{
    ct_fixture *f = *state;
    fm_buffer buffer = ct_buffer(f, 64), beside = ct_buffer(f, 64);
    fm_stream other = stream_of(f), third = stream_of(f);
    fm_point ready = host_point(f);
    fm_point before = commit_fill(f, f->stream, nothing, buffer, 3);
    uint32_t words[16];
    memset(words, CT_POISON, sizeof words);
    fm_commands *commands = NULL;
    fm_point point = nothing;
    CT_OK(fm_commands_begin(f->device, &(fm_commands_info){.label = "token 9"}, &commands));
    CT_OK(fm_fill(commands, buffer, 0, FM_WHOLE_SIZE, 4));
    CT_OK(fm_read(commands, buffer, 0, sizeof words, words));
    CT_OK(fm_commit(&commands, &(fm_commit_info){.stream = f->stream, .after = &ready, .after_count = 1}, &point));
    fm_point later = commit_fill(f, f->stream, nothing, buffer, 5);
    fm_point across = commit_fill(f, other, point, beside, 6);
    CT_OK(fm_point_cancel(f->device, point));
    CT_STATUS(fm_point_wait(f->device, point, CT_TIMEOUT_NS), FM_ERROR_CANCELLED); // though `ready` never comes
    expect_said("list 'token 9' was cancelled before it ran");
    CT_STATUS(fm_point_wait(f->device, later, CT_TIMEOUT_NS), FM_ERROR_DEPENDENCY);
    expect_said("list 'token 9' was cancelled before it ran");
    CT_STATUS(fm_point_wait(f->device, across, CT_TIMEOUT_NS), FM_ERROR_DEPENDENCY);
    expect_said("list 'token 9' was cancelled before it ran");
    CT_OK(fm_point_wait(f->device, before, CT_TIMEOUT_NS));
    CT_OK(fm_point_cancel(f->device, point)); // again: it is as it was
    CT_OK(fm_stream_reset(f->device, f->stream, CT_TIMEOUT_NS));
    ct_expect_words(f, buffer, 16, 3);
    assert_int_equal(words[0], 0xA5A5A5A5);
    CT_OK(fm_point_signal(f->device, ready));
    fm_point further = commit_fill(f, f->stream, ready, buffer, 8);
    CT_OK(fm_point_wait(f->device, further, CT_TIMEOUT_NS));
    CT_OK(fm_point_wait(f->device, commit_fill(f, third, nothing, beside, 9), CT_TIMEOUT_NS));
    ct_expect_words(f, buffer, 16, 8);
    CT_STATUS(fm_point_poll(f->device, point), FM_ERROR_CANCELLED); // READ-5
    fm_failure failure;                                             // the program knows: it did this
    CT_STATUS(fm_device_take_failure(f->device, &failure), FM_NOT_READY);
}

// What it held goes at once, although its turn has not come: the list before it waits for the program.
static void cancelled_list_lets_go_of_its_memory_at_once(void **state)
{
    ct_fixture *f = *state;
    fm_buffer buffer = ct_buffer(f, 64), large = ct_buffer(f, 1 << 20);
    fm_point ready = host_point(f);
    ct_wait_idle(f);
    uint64_t with = ct_stats(f).bytes_in_use;
    fm_point first = commit_fill(f, f->stream, ready, buffer, 4);
    fm_point point = commit_fill(f, f->stream, nothing, large, 5);
    CT_OK(fm_buffer_destroy(f->device, large));
    assert_true(ct_stats(f).bytes_in_use >= with);
    CT_OK(fm_point_cancel(f->device, point));
    assert_true(ct_stats(f).bytes_in_use <= with - (1 << 20));
    CT_STATUS(fm_point_poll(f->device, point), FM_NOT_READY); // points of a stream complete in order (READ-3)
    CT_OK(fm_point_signal(f->device, ready));
    CT_STATUS(fm_point_wait(f->device, point, CT_TIMEOUT_NS), FM_ERROR_CANCELLED);
    CT_OK(fm_point_poll(f->device, first));
}

static void cancel_of_what_runs_is_too_late(void **state)
{
    ct_fixture *f = *state;
    fm_buffer door = ct_buffer(f, 64);
    CT_OK(fm_point_cancel(f->device, nothing));
    fm_point point = ct_commit_gate(f, f->stream, door);
    fm_status answer = fm_point_cancel(f->device, point);
    if (ct_gate_is_exact(f)) { // elsewhere it may be over
        CT_STATUS(answer, FM_NOT_READY);
        expect_said("will run");
    } else {
        CT_EITHER(answer, FM_NOT_READY, FM_OK);
    }
    ct_gate_open(f);
    CT_OK(fm_point_wait(f->device, point, CT_TIMEOUT_NS)); // as if nobody had asked
    CT_OK(fm_point_cancel(f->device, point));              // nothing of it will run from here on
    CT_OK(fm_point_poll(f->device, point));
    fm_commands *commands = ct_begin(f);
    ct_finish(f, commands); // the stream has not failed
}

static void cancel_of_bad_points_is_an_answer(void **state)
{
    ct_fixture *f = *state;
    fm_buffer buffer = ct_buffer(f, 64);
    fm_stream stream = stream_of(f);
    fm_point point = commit_fill(f, stream, nothing, buffer, 1);
    CT_STATUS(fm_point_cancel(f->device, (fm_point){stream, 2}), FM_ERROR_INVALID_ARGUMENT);
    CT_STATUS(fm_point_cancel(ct_other_device(f), point), FM_ERROR_FOREIGN_HANDLE);
    CT_OK(fm_stream_destroy(f->device, stream));
    CT_STATUS(fm_point_cancel(f->device, point), FM_ERROR_STALE_HANDLE);
    fm_point ready = host_point(f);
    fm_point waits = commit_fill(f, f->stream, ready, buffer, 2);
    CT_OK(fm_point_cancel(f->device, ready));
    CT_STATUS(fm_point_poll(f->device, ready), FM_ERROR_CANCELLED);
    CT_STATUS(fm_point_wait(f->device, waits, CT_TIMEOUT_NS), FM_ERROR_DEPENDENCY);
    expect_said("point 'ready' was cancelled before it was signalled");
    CT_OK(fm_point_cancel(f->device, ready));
}

static void cancelled_lists_call_back_once_and_in_order(void **state)
{
    ct_fixture *f = *state;
    fm_buffer buffer = ct_buffer(f, 64);
    ct_calls calls;
    ct_calls_init(&calls);
    fm_point ready = host_point(f), points[4];
    for (uint32_t i = 0; i < 4; i++) {
        points[i] = commit_fill(f, f->stream, i ? nothing : ready, buffer, i);
        CT_OK(fm_point_on_complete(f->device, points[i], ct_calls_record, &calls));
    }
    for (uint32_t i = 3; i >= 2; i--) CT_OK(fm_point_cancel(f->device, points[i]));
    assert_int_equal(ct_calls_count(&calls), 0);
    CT_OK(fm_point_signal(f->device, ready));
    assert_true(ct_calls_reach(&calls, 4));
    const fm_status expected[4] = {FM_OK, FM_OK, FM_ERROR_CANCELLED, FM_ERROR_CANCELLED};
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_equal(calls.statuses[i], expected[i]);
        assert_int_equal(calls.points[i].value, points[i].value);
    }
    CT_OK(fm_device_close(&f->device, CT_TIMEOUT_NS));
    assert_int_equal(ct_calls_count(&calls), 4);
    ct_calls_destroy(&calls);
}

// A synchronous write that waits behind a point is ended by whoever cancels it.
static void write_one_word(ct_worker *w)
{
    uint32_t word = 77;
    const fm_buffer *buffer = w->shared;
    fm_status status = fm_buffer_write(w->fixture->device, w->fixture->stream, *buffer, 0, 4, &word, CT_TIMEOUT_NS);
    CT_WORKER_TRUE(w, status == FM_ERROR_CANCELLED);
}

static void cancel_ends_a_synchronous_write(void **state)
{
    ct_fixture *f = *state;
    fm_buffer buffer = ct_buffer(f, 64);
    fm_point ready = host_point(f), newest = nothing;
    fm_point first = commit_fill(f, f->stream, ready, buffer, 4);
    ct_worker worker;
    ct_start_worker(f, &worker, write_one_word, &buffer);
    while (newest.value <= first.value) CT_OK(fm_stream_get_newest(f->device, f->stream, &newest));
    CT_OK(fm_point_cancel(f->device, newest));
    CT_OK(fm_point_signal(f->device, ready));
    ct_join_worker(&worker);
    CT_OK(fm_stream_reset(f->device, f->stream, CT_TIMEOUT_NS));
    ct_expect_words(f, buffer, 16, 4);
}

// Threads that commit and cancel at the same time, each on a stream of its own: a list has run or it has not, as the answers say.
static void commit_and_cancel(ct_worker *w)
{
    fm_device *device = w->fixture->device;
    fm_stream stream;
    fm_buffer buffer;
    ct_random random = {.state = w->index + 1};
    CT_WORKER_OK(w, fm_stream_create(device, NULL, &stream));
    CT_WORKER_OK(w, fm_buffer_create(device, &(fm_buffer_info){.size_bytes = 16}, &buffer));
    uint32_t expected = 0;
    for (uint32_t round = 1; round <= ct_scaled(150); round++) {
        enum { LISTS = 3 };
        fm_point points[LISTS];
        fm_status answers[LISTS];
        for (uint32_t i = 0; i < LISTS; i++) {
            fm_commands *commands = NULL;
            CT_WORKER_OK(w, fm_commands_begin(device, NULL, &commands));
            CT_WORKER_OK(w, fm_fill(commands, buffer, 4 * (uint64_t)i, 4, round));
            CT_WORKER_OK(w, fm_commit(&commands, &(fm_commit_info){.stream = stream}, &points[i]));
        }
        uint32_t from = ct_random_below(&random, LISTS + 1);
        for (uint32_t i = from; i < LISTS; i++) answers[i] = fm_point_cancel(device, points[i]);
        bool cut = false;
        for (uint32_t i = 0; i < LISTS; i++) {
            fm_status status = fm_point_wait(device, points[i], CT_TIMEOUT_NS);
            bool is_cancelled = status == FM_ERROR_CANCELLED;
            CT_WORKER_TRUE(w, status == FM_OK || is_cancelled || (cut && status == FM_ERROR_DEPENDENCY));
            CT_WORKER_TRUE(w, !is_cancelled || (i >= from && answers[i] == FM_OK));
            CT_WORKER_TRUE(w, i < from || answers[i] == FM_OK || (answers[i] == FM_NOT_READY && !is_cancelled));
            CT_WORKER_TRUE(w, !cut || status != FM_OK);
            cut = cut || is_cancelled;
            if (i == 0) expected = status == FM_OK ? round : expected;
        }
        CT_WORKER_OK(w, fm_stream_reset(device, stream, CT_TIMEOUT_NS));
        uint32_t word = 0;
        CT_WORKER_OK(w, fm_buffer_read(device, stream, buffer, 0, 4, &word, CT_TIMEOUT_NS));
        CT_WORKER_TRUE(w, word == expected);
    }
}

static void cancel_races_with_the_device_and_tells_the_truth(void **state)
{
    ct_run_workers(*state, 6, commit_and_cancel, NULL);
}

int ct_group_cancel(void)
{
    const struct CMUnitTest tests[] = {
        CT_TEST(cancelled_list_does_not_run_and_fails_what_builds_on_it),
        CT_TEST(cancelled_list_lets_go_of_its_memory_at_once),
        CT_TEST(cancel_of_what_runs_is_too_late),
        CT_TEST(cancel_of_bad_points_is_an_answer),
        CT_TEST(cancelled_lists_call_back_once_and_in_order),
        CT_TEST(cancel_ends_a_synchronous_write),
        CT_TEST(cancel_races_with_the_device_and_tells_the_truth),
    };
    return cmocka_run_group_tests_name("cancel", tests, NULL, NULL);
}
