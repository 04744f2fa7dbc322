// Points that the program ends itself: what waits for them, what passes, and what the end, a failure or none at all does to those who wait.
// Nothing here needs a device that can be made to fail: the program fails its own points on all of them.
#include "groups.h"
#include "threads.h"

static fm_point host_point(ct_fixture *f, const char *label)
{
    fm_point point = {{0}, 0};
    CT_OK(fm_point_create(f->device, &(fm_point_info){.label = label}, &point));
    assert_true(point.stream.id != 0);
    return point;
}

static fm_stream stream_of(ct_fixture *f)
{
    fm_stream stream = {0};
    CT_OK(fm_stream_create(f->device, NULL, &stream));
    return stream;
}

// Commits a list that fills the buffer, after a point; the null point is none.
static fm_point commit_fill(ct_fixture *f, fm_stream stream, fm_point after, fm_buffer buffer, uint32_t value)
{
    fm_commands *commands = ct_begin(f);
    fm_point point = {{0}, 0};
    CT_OK(fm_fill(commands, buffer, 0, FM_WHOLE_SIZE, value));
    CT_OK(fm_commit(&commands, &(fm_commit_info){.stream = stream, .after = &after, .after_count = 1}, &point));
    return point;
}

static const fm_point nothing = {{0}, 0};

static void expect_said(const char *words)
{
    if (!strstr(fm_last_error(), words)) fail_msg("'%s' does not say '%s'", fm_last_error(), words);
}

static void host_point_is_complete_when_signalled_and_once(void **state)
{
    ct_fixture *f = *state;
    fm_point point = host_point(f, "ready"), unlabelled = {{0}, 0}, newest;
    CT_OK(fm_point_create(f->device, NULL, &unlabelled));
    CT_STATUS(fm_point_poll(f->device, point), FM_NOT_READY);
    CT_STATUS(fm_point_wait(f->device, point, 0), FM_TIMEOUT);
    expect_said("point 'ready' has not been signalled");
    CT_STATUS(fm_point_wait(f->device, point, 1000000), FM_TIMEOUT); // never implies completion (LEARNED-3)
    CT_STATUS(fm_point_wait_all(f->device, (fm_point[]){unlabelled, point}, 2, 1000), FM_TIMEOUT);
    CT_STATUS(fm_point_wait_any(f->device, (fm_point[]){unlabelled, point}, 2, 1000, NULL), FM_TIMEOUT);
    CT_OK(fm_point_signal(f->device, point));
    uint32_t index = 9;
    CT_OK(fm_point_wait_any(f->device, (fm_point[]){unlabelled, point}, 2, 0, &index));
    assert_int_equal(index, 1);
    CT_OK(fm_point_poll(f->device, point));
    CT_OK(fm_point_wait(f->device, point, FM_FOREVER));
    CT_STATUS(fm_point_signal(f->device, point), FM_ERROR_INVALID_ARGUMENT);
    CT_STATUS(fm_point_fail(f->device, point, "late"), FM_ERROR_INVALID_ARGUMENT);
    expect_said("point 'ready' was signalled, failed or cancelled before");
    CT_OK(fm_point_poll(f->device, point));
    CT_OK(fm_stream_get_newest(f->device, point.stream, &newest));
    assert_int_equal(newest.value, point.value);
    CT_OK(fm_point_destroy(f->device, point));
    CT_STATUS(fm_point_poll(f->device, point), FM_ERROR_STALE_HANDLE);
    expect_said("'ready'");
    CT_OK(fm_point_destroy(f->device, unlabelled)); // never signalled
}

static void host_point_of_bad_arguments_is_an_answer(void **state)
{
    ct_fixture *f = *state;
    fm_point point = host_point(f, "own"), stale = host_point(f, NULL);
    fm_buffer buffer = ct_buffer(f, 64);
    fm_point committed = commit_fill(f, f->stream, nothing, buffer, 1);
    CT_STATUS(fm_point_create(f->device, NULL, NULL), FM_ERROR_INVALID_ARGUMENT);
    CT_STATUS(fm_point_signal(f->device, nothing), FM_ERROR_NULL_HANDLE);
    CT_STATUS(fm_point_signal(f->device, committed), FM_ERROR_INVALID_ARGUMENT);
    CT_STATUS(fm_point_fail(f->device, committed, "no"), FM_ERROR_INVALID_ARGUMENT);
    CT_STATUS(fm_point_destroy(f->device, committed), FM_ERROR_INVALID_ARGUMENT);
    CT_STATUS(fm_point_signal(f->device, (fm_point){point.stream, 2}), FM_ERROR_INVALID_ARGUMENT);
    CT_STATUS(fm_point_poll(f->device, (fm_point){point.stream, 2}), FM_ERROR_INVALID_ARGUMENT);
    CT_STATUS(fm_point_signal(ct_other_device(f), point), FM_ERROR_FOREIGN_HANDLE);
    CT_OK(fm_point_destroy(f->device, stale));
    CT_STATUS(fm_point_signal(f->device, stale), FM_ERROR_STALE_HANDLE);
    CT_STATUS(fm_point_destroy(f->device, stale), FM_ERROR_STALE_HANDLE);
    CT_OK(fm_point_destroy(f->device, nothing));
    // Its stream is no stream to work with.
    fm_commands *commands = ct_begin(f);
    CT_STATUS(fm_commit(&commands, &(fm_commit_info){.stream = point.stream}, NULL), FM_ERROR_INVALID_ARGUMENT);
    expect_said("point 'own' is signalled by the program");
    uint32_t word = 0;
    CT_STATUS(fm_buffer_read(f->device, point.stream, buffer, 0, 4, &word, 0), FM_ERROR_INVALID_ARGUMENT);
    CT_STATUS(fm_buffer_write(f->device, point.stream, buffer, 0, 4, &word, 0), FM_ERROR_INVALID_ARGUMENT);
    CT_STATUS(fm_stream_reset(f->device, point.stream, 0), FM_ERROR_INVALID_ARGUMENT);
    CT_STATUS(fm_stream_destroy(f->device, point.stream), FM_ERROR_INVALID_ARGUMENT);
    CT_STATUS(fm_point_poll(f->device, point), FM_NOT_READY); // none of this touched it
}

// Only what is behind the point waits: its list, and later ones of that stream, in their order.
static void host_point_holds_back_its_stream_and_no_other(void **state)
{
    ct_fixture *f = *state;
    fm_kernel step = ct_kernel_step(f);
    fm_buffer buffer = ct_buffer(f, 4096), beside = ct_buffer(f, 64);
    fm_stream other = stream_of(f);
    fm_point ready = host_point(f, "ready"), before = commit_fill(f, f->stream, nothing, buffer, 1);
    fm_point first = {{0}, 0}, last = {{0}, 0};
    for (uint32_t i = 0; i < 10; i++) {
        fm_commands *commands = ct_begin(f);
        CT_OK(ct_record_set(commands, step, buffer, 1024, i));
        fm_commit_info info = {.stream = f->stream, .after = &ready, .after_count = i == 0};
        CT_OK(fm_commit(&commands, &info, &last));
        first = i == 0 ? last : first;
    }
    CT_OK(fm_point_wait(f->device, before, CT_TIMEOUT_NS)); // what was committed before does not wait
    for (uint32_t i = 0; i < 100; i++) {                    // and others pass, however many
        fm_point point = commit_fill(f, i % 2 ? other : stream_of(f), nothing, beside, i);
        CT_OK(fm_point_wait(f->device, point, CT_TIMEOUT_NS));
    }
    CT_STATUS(fm_point_poll(f->device, first), FM_NOT_READY);
    CT_STATUS(fm_point_wait(f->device, last, 2000000), FM_TIMEOUT);
    expect_said("nothing is on the device, and point 'ready' has not been signalled");
    fm_point across = commit_fill(f, other, last, beside, 500); // waits for what waits
    CT_STATUS(fm_point_wait(f->device, across, 1000000), FM_TIMEOUT);
    CT_OK(fm_point_signal(f->device, ready));
    CT_OK(fm_point_wait(f->device, across, CT_TIMEOUT_NS));
    CT_OK(fm_point_poll(f->device, last));
    uint32_t expected = 1;
    for (uint32_t i = 0; i < 10; i++) expected = 2 * expected + i;
    ct_expect_words(f, buffer, 1024, expected);
    ct_expect_words(f, beside, 16, 500);
    fm_point late = commit_fill(f, other, ready, beside, 7); // named when it is complete
    CT_OK(fm_point_wait(f->device, late, CT_TIMEOUT_NS));
}

// A list may wait for several, signalled in any order; the last lets it go.
static void host_points_are_signalled_in_any_order(void **state)
{
    ct_fixture *f = *state;
    enum { POINTS = 24 };
    ct_random random = {.state = 5};
    for (uint32_t round = 0; round < 10; round++) {
        fm_buffer buffer = ct_buffer(f, 4 * POINTS);
        fm_point points[POINTS], done[POINTS], all = {{0}, 0};
        uint32_t order[POINTS];
        fm_commands *commands;
        for (uint32_t i = 0; i < POINTS; i++) {
            points[i] = host_point(f, NULL);
            order[i] = i;
            commands = ct_begin(f);
            CT_OK(fm_fill(commands, buffer, 4 * (uint64_t)i, 4, i + round));
            CT_OK(fm_commit(&commands, &(fm_commit_info){.stream = stream_of(f), .after = &points[i], .after_count = 1},
                            &done[i]));
        }
        fm_point after[2 * POINTS];
        memcpy(after, points, sizeof points);
        memcpy(after + POINTS, done, sizeof done);
        commands = ct_begin(f);
        uint32_t words[POINTS] = {0};
        CT_OK(fm_read(commands, buffer, 0, sizeof words, words));
        CT_OK(fm_commit(&commands, &(fm_commit_info){.stream = f->stream, .after = after, .after_count = 2 * POINTS},
                        &all));
        for (uint32_t i = 0; i < POINTS; i++) {
            uint32_t k = i + ct_random_below(&random, POINTS - i), picked = order[k];
            order[k] = order[i];
            CT_STATUS(fm_point_poll(f->device, all), FM_NOT_READY);
            CT_STATUS(fm_point_poll(f->device, done[picked]), FM_NOT_READY);
            CT_OK(fm_point_signal(f->device, points[picked]));
            CT_OK(fm_point_wait(f->device, done[picked], CT_TIMEOUT_NS));
        }
        CT_OK(fm_point_wait(f->device, all, CT_TIMEOUT_NS));
        for (uint32_t i = 0; i < POINTS; i++) {
            assert_int_equal(words[i], i + round);
            CT_OK(fm_point_destroy(f->device, points[i]));
        }
    }
}

static void host_point_that_fails_fails_what_waits_with_its_sentence(void **state)
{
    ct_fixture *f = *state;
    fm_buffer buffer = ct_buffer(f, 64), beside = ct_buffer(f, 64);
    fm_stream second = stream_of(f), third = stream_of(f);
    fm_point loaded = host_point(f, "weights loaded"), quiet = host_point(f, NULL);
    commit_fill(f, f->stream, nothing, buffer, 3);
    fm_point first = commit_fill(f, f->stream, loaded, buffer, 4);
    fm_point behind = commit_fill(f, f->stream, nothing, buffer, 5);
    fm_point across = commit_fill(f, second, behind, buffer, 6);
    fm_point unharmed = commit_fill(f, third, nothing, beside, 7);
    CT_OK(fm_point_fail(f->device, loaded, "weights.bin is 3 bytes short"));
    CT_STATUS(fm_point_poll(f->device, loaded), FM_ERROR_HOST_FAILED);
    expect_said("point 'weights loaded'");
    expect_said("weights.bin is 3 bytes short");
    const fm_point dependent[] = {first, behind, across};
    for (size_t i = 0; i < sizeof dependent / sizeof dependent[0]; i++) {
        CT_STATUS(fm_point_wait(f->device, dependent[i], CT_TIMEOUT_NS), FM_ERROR_DEPENDENCY);
        expect_said("it depends on work of point 'weights loaded' that failed: weights.bin is 3 bytes short");
    }
    CT_OK(fm_point_wait(f->device, unharmed, CT_TIMEOUT_NS));
    fm_commands *commands = ct_begin(f);
    CT_STATUS(fm_commit(&commands, &(fm_commit_info){.stream = f->stream}, NULL), FM_ERROR_DEPENDENCY);
    expect_said("weights.bin is 3 bytes short");
    CT_STATUS(fm_commit(&commands, &(fm_commit_info){.stream = third, .after = &loaded, .after_count = 1}, NULL),
              FM_ERROR_DEPENDENCY); // it has failed already: refused, and the stream goes on
    expect_said("weights.bin is 3 bytes short");
    CT_OK(fm_commit(&commands, &(fm_commit_info){.stream = third}, NULL));
    uint32_t word = 0;
    CT_STATUS(fm_buffer_read(f->device, second, buffer, 0, 4, &word, CT_TIMEOUT_NS), FM_ERROR_DEPENDENCY);
    expect_said("weights.bin is 3 bytes short");
    CT_OK(fm_stream_reset(f->device, f->stream, CT_TIMEOUT_NS));
    ct_expect_words(f, buffer, 16, 3); // what waited has not run
    CT_OK(fm_point_fail(f->device, quiet, NULL));
    CT_STATUS(fm_point_wait(f->device, quiet, 0), FM_ERROR_HOST_FAILED);
    fm_failure failure; // the program knows: it did this
    CT_STATUS(fm_device_take_failure(f->device, &failure), FM_NOT_READY);
}

static void host_point_destroyed_unsignalled_lets_nobody_wait(void **state)
{
    ct_fixture *f = *state;
    fm_buffer buffer = ct_buffer(f, 64);
    ct_calls calls;
    ct_calls_init(&calls);
    fm_point never = host_point(f, "never");
    fm_point waits = commit_fill(f, f->stream, never, buffer, 4);
    CT_OK(fm_point_on_complete(f->device, never, ct_calls_record, &calls));
    CT_OK(fm_point_destroy(f->device, never));
    CT_STATUS(fm_point_wait(f->device, waits, CT_TIMEOUT_NS), FM_ERROR_DEPENDENCY);
    expect_said("point 'never' was destroyed before it was signalled");
    CT_STATUS(fm_point_signal(f->device, never), FM_ERROR_STALE_HANDLE);
    assert_true(ct_calls_reach(&calls, 1));
    assert_int_equal(calls.statuses[0], FM_ERROR_CANCELLED);
    ct_calls_destroy(&calls);
}

// The point of a callback is another's cue, and nobody waits: the keeper carries all of it along.
typedef struct cue {
    fm_device *device;
    fm_point point;
    ct_calls *calls;
} cue;

static void signal_next(void *user, fm_point point, fm_status status)
{
    cue *c = user;
    ct_calls_record(c->calls, point, status);
    if (c->point.stream.id) fm_point_signal(c->device, c->point);
}

static void host_points_signalled_by_callbacks_need_no_waiter(void **state)
{
    ct_fixture *f = *state;
    enum { LINKS = 12 };
    fm_buffer buffer = ct_buffer(f, 64);
    ct_calls calls;
    ct_calls_init(&calls);
    fm_point points[LINKS + 1] = {{{0}, 0}};
    cue cues[LINKS];
    for (uint32_t i = 0; i < LINKS; i++) points[i] = host_point(f, NULL);
    for (uint32_t i = 0; i < LINKS; i++) {
        fm_point point = commit_fill(f, stream_of(f), points[i], buffer, i);
        cues[i] = (cue){f->device, points[i + 1], &calls};
        CT_OK(fm_point_on_complete(f->device, point, signal_next, &cues[i]));
    }
    CT_OK(fm_point_signal(f->device, points[0]));
    assert_true(ct_calls_reach(&calls, LINKS));
    for (uint32_t i = 0; i < LINKS; i++) assert_int_equal(calls.statuses[i], FM_OK);
    ct_expect_words(f, buffer, 16, LINKS - 1);
    CT_OK(fm_device_close(&f->device, CT_TIMEOUT_NS));
    assert_int_equal(ct_calls_count(&calls), LINKS);
    ct_calls_destroy(&calls);
}

static void close_with_a_point_that_somebody_waits_for_times_out_and_names_it(void **state)
{
    ct_fixture *f = *state;
    ct_calls calls;
    ct_calls_init(&calls);
    fm_point idle = host_point(f, "idle"), called = host_point(f, "called"), ready = host_point(f, "ready");
    fm_buffer buffer = ct_buffer(f, 64);
    fm_point waits = commit_fill(f, f->stream, ready, buffer, 4);
    CT_STATUS(fm_device_close(&f->device, 1000000), FM_TIMEOUT);
    expect_said("point 'ready' has not been signalled");
    assert_non_null(f->device);
    CT_OK(fm_point_signal(f->device, ready));
    CT_OK(fm_point_wait(f->device, waits, CT_TIMEOUT_NS));
    ct_wait_idle(f);
    CT_OK(fm_point_on_complete(f->device, called, ct_calls_record, &calls));
    CT_STATUS(fm_device_close(&f->device, 1000000), FM_TIMEOUT); // it owes a call
    expect_said("point 'called' has not been signalled");
    CT_OK(fm_point_signal(f->device, called));
    CT_STATUS(fm_point_poll(f->device, idle), FM_NOT_READY);
    CT_OK(fm_device_close(&f->device, CT_TIMEOUT_NS)); // nobody waits for that one
    assert_int_equal(ct_calls_count(&calls), 1);
    ct_calls_destroy(&calls);
}

// Lists that wait count as in flight: the limit holds, says what is the matter, and ends with the signal.
static void host_point_at_the_in_flight_limit_is_named_and_frees_it(void **state)
{
    ct_fixture *f = *state;
    fm_device *device = NULL;
    fm_stream stream, other;
    fm_point ready = {{0}, 0}, point = {{0}, 0};
    fm_device_info info = {.lists_in_flight = 4, .commit_timeout_ns = 2000000, .log = ct_log_nothing};
    CT_OK(fm_device_open(f->device_name, &info, &device));
    CT_OK(fm_stream_create(device, NULL, &stream));
    CT_OK(fm_stream_create(device, NULL, &other));
    CT_OK(fm_point_create(device, &(fm_point_info){.label = "ready"}, &ready));
    fm_commands *commands = NULL;
    for (int i = 0; i < 4; i++) {
        CT_OK(fm_commands_begin(device, NULL, &commands));
        CT_OK(fm_commit(&commands, &(fm_commit_info){.stream = stream, .after = &ready, .after_count = 1}, &point));
    }
    CT_OK(fm_commands_begin(device, NULL, &commands));
    CT_STATUS(fm_commit(&commands, &(fm_commit_info){.stream = other, .no_wait = true}, NULL), FM_WOULD_BLOCK);
    CT_STATUS(fm_commit(&commands, &(fm_commit_info){.stream = other}, NULL), FM_TIMEOUT);
    expect_said("point 'ready' has not been signalled");
    CT_OK(fm_point_signal(device, ready));
    CT_OK(fm_point_wait(device, point, CT_TIMEOUT_NS));
    fm_status status;
    while ((status = fm_commit(&commands, &(fm_commit_info){.stream = other}, &point)) == FM_TIMEOUT) {
    }
    CT_OK(status);
    CT_OK(fm_point_wait(device, point, CT_TIMEOUT_NS));
    CT_OK(fm_device_close(&device, CT_TIMEOUT_NS));
}

static void host_point_holds_up_the_synchronous_calls_of_its_stream(void **state)
{
    ct_fixture *f = *state;
    fm_buffer buffer = ct_buffer(f, 64);
    fm_point ready = host_point(f, "ready");
    commit_fill(f, f->stream, ready, buffer, 4);
    uint32_t word = 0xA5A5A5A5;
    CT_STATUS(fm_buffer_read(f->device, f->stream, buffer, 0, 4, &word, 1000000), FM_TIMEOUT);
    expect_said("point 'ready' has not been signalled");
    assert_int_equal(word, 0xA5A5A5A5);
    CT_STATUS(fm_stream_reset(f->device, f->stream, 1000000), FM_TIMEOUT);
    expect_said("point 'ready' has not been signalled");
    CT_OK(fm_point_signal(f->device, ready));
    CT_OK(fm_buffer_read(f->device, f->stream, buffer, 0, 4, &word, CT_TIMEOUT_NS));
    assert_int_equal(word, 4);
}

// Threads that wait, for the point, for what is behind it, and for something else, beside one that signals.
enum { WAITERS = 8, ROUNDS = 40 };

typedef struct waiter {
    fm_device *device;
    fm_stream stream;
    fm_point ready;
    fm_status answer;
} waiter;

static void *wait_behind(void *user)
{
    waiter *w = user;
    fm_commands *commands = NULL;
    fm_point point = {{0}, 0};
    w->answer = fm_commands_begin(w->device, NULL, &commands);
    if (w->answer == FM_OK) {
        w->answer =
            fm_commit(&commands, &(fm_commit_info){.stream = w->stream, .after = &w->ready, .after_count = 1}, &point);
    }
    if (w->answer == FM_OK) w->answer = fm_point_wait(w->device, point, CT_TIMEOUT_NS);
    if (w->answer == FM_OK) w->answer = fm_point_wait(w->device, w->ready, 0);
    return NULL;
}

static void host_point_wakes_all_threads_that_wait_behind_it(void **state)
{
    ct_fixture *f = *state;
    fm_stream streams[WAITERS];
    for (int i = 0; i < WAITERS; i++) streams[i] = stream_of(f);
    for (uint32_t round = 0; round < ct_scaled(ROUNDS); round++) {
        fm_point ready = host_point(f, NULL);
        waiter waiters[WAITERS];
        pthread_t threads[WAITERS];
        for (int i = 0; i < WAITERS; i++) {
            waiters[i] = (waiter){f->device, streams[i], ready, FM_OK};
            assert_int_equal(pthread_create(&threads[i], NULL, wait_behind, &waiters[i]), 0);
        }
        if (round % 4 == 3) { // all of them sleep by then, as far as that can be brought about
            CT_STATUS(fm_point_wait(f->device, ready, 3000000), FM_TIMEOUT);
        }
        if (round % 2) { // other work goes on beside them
            fm_commands *commands = ct_begin(f);
            ct_finish(f, commands);
        }
        CT_OK(fm_point_signal(f->device, ready));
        for (int i = 0; i < WAITERS; i++) {
            pthread_join(threads[i], NULL);
            assert_int_equal(waiters[i].answer, FM_OK);
        }
        CT_OK(fm_point_destroy(f->device, ready));
    }
}

// Every place is taken by a list that waits for the program: no size may say that its bytes are on their way.
static void host_point_of_the_list_with_the_last_place_has_writes_say_would_block(void **state)
{
    ct_fixture *f = *state;
    CT_OK(fm_device_close(&f->device, CT_TIMEOUT_NS));
    CT_OK(fm_device_open(f->device_name, &(fm_device_info){.lists_in_flight = 1, .log = ct_log_nothing}, &f->device));
    fm_stream one, two;
    fm_point release, point;
    fm_buffer small = ct_buffer(f, 4096), large;
    CT_OK(fm_stream_create(f->device, NULL, &one));
    CT_OK(fm_stream_create(f->device, NULL, &two));
    CT_OK(fm_buffer_create(f->device, &(fm_buffer_info){.size_bytes = 9 << 20, .memory = FM_MEMORY_HOST}, &large));
    CT_OK(fm_point_create(f->device, NULL, &release));
    fm_commands *commands = ct_begin(f);
    CT_OK(fm_fill(commands, small, 0, FM_WHOLE_SIZE, 1));
    CT_OK(fm_commit(&commands, &(fm_commit_info){.stream = one, .after = &release, .after_count = 1}, &point));
    static const size_t sizes[] = {1000, 64 << 10, 9 << 20};
    uint8_t *bytes = calloc(1, 9 << 20);
    assert_non_null(bytes);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        CT_STATUS(fm_buffer_write(f->device, two, large, 0, sizes[i], bytes, 20000000), FM_WOULD_BLOCK);
    }
    free(bytes);
    CT_OK(fm_point_signal(f->device, release));
    CT_OK(fm_point_wait(f->device, point, CT_TIMEOUT_NS));
}

int ct_group_host_point(void)
{
    const struct CMUnitTest tests[] = {
        CT_TEST(host_point_is_complete_when_signalled_and_once),
        CT_TEST(host_point_of_bad_arguments_is_an_answer),
        CT_TEST(host_point_holds_back_its_stream_and_no_other),
        CT_TEST(host_points_are_signalled_in_any_order),
        CT_TEST(host_point_that_fails_fails_what_waits_with_its_sentence),
        CT_TEST(host_point_destroyed_unsignalled_lets_nobody_wait),
        CT_TEST(host_points_signalled_by_callbacks_need_no_waiter),
        CT_TEST(close_with_a_point_that_somebody_waits_for_times_out_and_names_it),
        CT_TEST(host_point_at_the_in_flight_limit_is_named_and_frees_it),
        CT_TEST(host_point_holds_up_the_synchronous_calls_of_its_stream),
        CT_TEST(host_point_wakes_all_threads_that_wait_behind_it),
        CT_TEST(host_point_of_the_list_with_the_last_place_has_writes_say_would_block),
    };
    return cmocka_run_group_tests_name("host_point", tests, NULL, NULL);
}
