// Waiting for several points: for all of them and for any, with timeouts, failures, streams that die meanwhile, and many threads.
#include "groups.h"
#include "threads.h"

enum { STREAMS = 6 };

// Streams with a list each behind one gate. `points[i]` is the list's, `buffers[i]` gets i + 1 by it.
typedef struct scene {
    fm_stream streams[STREAMS];
    fm_buffer buffers[STREAMS];
    fm_point points[STREAMS];
    fm_point gate;
} scene;

static void set_scene(ct_fixture *f, scene *s)
{
    s->gate = ct_commit_gate(f, f->stream, ct_buffer(f, 64));
    for (uint32_t i = 0; i < STREAMS; i++) {
        CT_OK(fm_stream_create(f->device, NULL, &s->streams[i]));
        s->buffers[i] = ct_buffer(f, 64);
        fm_commands *commands = ct_begin(f);
        CT_OK(fm_fill(commands, s->buffers[i], 0, FM_WHOLE_SIZE, i + 1));
        fm_commit_info info = {.stream = s->streams[i], .after = &s->gate, .after_count = 1};
        CT_OK(fm_commit(&commands, &info, &s->points[i]));
    }
}

// A point that is complete, of a stream of its own.
static fm_point complete_point(ct_fixture *f)
{
    fm_stream stream;
    CT_OK(fm_stream_create(f->device, NULL, &stream));
    fm_commands *commands = ct_begin(f);
    fm_point point = ct_commit(&commands, stream);
    CT_OK(fm_point_wait(f->device, point, CT_TIMEOUT_NS));
    return point;
}

static void points_none_are_all_complete_and_none_is_any(void **state)
{
    ct_fixture *f = *state;
    const fm_point null = {{0}, 0};
    uint32_t index = 7;
    CT_OK(fm_point_wait_all(f->device, NULL, 0, 0));
    CT_OK(fm_point_wait_all(f->device, &null, 0, FM_FOREVER));
    CT_STATUS(fm_point_wait_any(f->device, &null, 0, FM_FOREVER, &index), FM_ERROR_INVALID_ARGUMENT);
    assert_int_equal(index, FM_NO_POINT);
    CT_STATUS(fm_point_wait_all(f->device, NULL, 1, 0), FM_ERROR_INVALID_ARGUMENT);
    CT_STATUS(fm_point_wait_any(f->device, NULL, 1, 0, &index), FM_ERROR_INVALID_ARGUMENT);
    CT_REFUSED(fm_point_wait_all(NULL, &null, 1, 0));
    CT_REFUSED(fm_point_wait_any(NULL, &null, 1, 0, NULL));
}

static void points_that_are_complete_answer_at_once(void **state)
{
    ct_fixture *f = *state;
    const fm_point points[] = {{{0}, 0}, complete_point(f), complete_point(f)};
    const fm_point twice[] = {points[1], points[1]};
    uint32_t index = FM_NO_POINT;
    CT_OK(fm_point_wait_all(f->device, points, 3, 0));
    CT_OK(fm_point_wait_all(f->device, twice, 2, 0));
    CT_OK(fm_point_wait_any(f->device, points + 1, 2, 0, &index));
    assert_int_equal(index, 0);
    CT_OK(fm_point_wait_any(f->device, points, 3, 0, NULL)); // the null point
}

// LEARNED-3: a time-out never implies completion. Of several, one that is not complete is enough, and one that is.
static void points_in_flight_time_out(void **state)
{
    ct_fixture *f = *state;
    if (!ct_gate_is_exact(f)) return; // nothing else is certain to be in flight
    scene s;
    fm_point done = complete_point(f);
    set_scene(f, &s);
    const fm_point mixed[] = {s.points[0], done, s.points[1]};
    uint32_t index;
    for (uint64_t timeout_ns = 0; timeout_ns <= 200000; timeout_ns += 100000) {
        index = 0;
        CT_STATUS(fm_point_wait_all(f->device, s.points, STREAMS, timeout_ns), FM_TIMEOUT);
        CT_STATUS(fm_point_wait_any(f->device, s.points, STREAMS, timeout_ns, &index), FM_TIMEOUT);
        assert_int_equal(index, FM_NO_POINT);
        CT_STATUS(fm_point_wait_all(f->device, mixed, 3, timeout_ns), FM_TIMEOUT);
        assert_non_null(strstr(fm_last_error(), "1 of 3 points"));
        CT_OK(fm_point_wait_any(f->device, mixed, 3, timeout_ns, &index));
        assert_int_equal(index, 1);
    }
    ct_gate_open(f);
    CT_OK(fm_point_wait_all(f->device, s.points, STREAMS, CT_TIMEOUT_NS));
    for (uint32_t i = 0; i < STREAMS; i++) CT_OK(fm_point_poll(f->device, s.points[i]));
    CT_OK(fm_point_wait_all(f->device, mixed, 3, 0));
}

// LEARNED-2: neither waits for work that it was not asked about.
static void points_wait_for_nothing_else(void **state)
{
    ct_fixture *f = *state;
    scene s;
    fm_stream free_streams[2];
    fm_point free_points[3];
    for (uint32_t i = 0; i < 2; i++) { // before the gate: the host device runs one batch after the other
        CT_OK(fm_stream_create(f->device, NULL, &free_streams[i]));
        fm_buffer buffer = ct_buffer(f, 64);
        fm_commands *commands = ct_begin(f);
        CT_OK(fm_fill(commands, buffer, 0, FM_WHOLE_SIZE, i));
        free_points[i] = ct_commit(&commands, free_streams[i]);
    }
    set_scene(f, &s);
    uint32_t index = FM_NO_POINT;
    CT_OK(fm_point_wait_all(f->device, free_points, 2, CT_TIMEOUT_NS / 2)); // the gate is still shut
    free_points[2] = s.gate;
    CT_OK(fm_point_wait_any(f->device, free_points, 3, CT_TIMEOUT_NS / 2, &index));
    assert_int_equal(index, 0);
    if (ct_gate_is_exact(f)) CT_STATUS(fm_point_poll(f->device, s.gate), FM_NOT_READY);
    ct_gate_open(f);
    CT_OK(fm_point_wait_all(f->device, s.points, STREAMS, CT_TIMEOUT_NS));
}

// Refused before anything is waited for, although nothing of the rest is complete; the sentence says which point it is.
static void points_of_which_one_is_bad_are_refused_at_once(void **state)
{
    ct_fixture *f = *state;
    scene s;
    fm_point stale = complete_point(f), foreign;
    set_scene(f, &s);
    fm_point early = {f->stream, s.gate.value + 1};
    CT_OK(fm_stream_destroy(f->device, stale.stream));
    fm_stream stream;
    CT_OK(fm_stream_create(ct_other_device(f), NULL, &stream));
    foreign = (fm_point){stream, 1};
    const struct {
        fm_point point;
        fm_status status;
    } bad[] = {{stale, FM_ERROR_STALE_HANDLE}, {foreign, FM_ERROR_FOREIGN_HANDLE}, {early, FM_ERROR_INVALID_ARGUMENT}};
    for (uint32_t i = 0; i < 3; i++) {
        for (uint32_t place = 0; place < STREAMS; place++) {
            fm_point points[STREAMS];
            char named[32];
            uint32_t index = 0;
            memcpy(points, s.points, sizeof points);
            points[place] = bad[i].point;
            snprintf(named, sizeof named, ": point %u: ", place);
            CT_STATUS(fm_point_wait_all(f->device, points, STREAMS, FM_FOREVER), bad[i].status);
            assert_non_null(strstr(fm_last_error(), named));
            CT_STATUS(fm_point_wait_any(f->device, points, STREAMS, FM_FOREVER, &index), bad[i].status);
            assert_non_null(strstr(fm_last_error(), named));
            assert_int_equal(index, FM_NO_POINT);
        }
    }
    ct_gate_open(f);
    CT_OK(fm_point_wait_all(f->device, s.points, STREAMS, CT_TIMEOUT_NS));
}

static fm_status always_fail(const fm_host_call *call)
{
    (void)call;
    return FM_ERROR_BACKEND;
}

// READ-5: a failed point is complete for `any`, and `all` tells of it when the others are complete, too.
static void points_of_which_one_fails_answer_its_failure(void **state)
{
    ct_fixture *f = *state;
    if (!f->properties.runs_host_functions) skip(); // no other work can be made to fail
    const fm_kernel_info create = {.name = "fails", .language = FM_KERNEL_HOST_FUNCTION, .host_function = always_fail};
    fm_kernel kernel;
    fm_stream stream;
    scene s;
    CT_OK(fm_kernel_create(f->device, &create, &kernel));
    CT_OK(fm_stream_create(f->device, NULL, &stream));
    fm_commands *commands = ct_begin(f);
    fm_dispatch_info info = ct_dispatch_info(kernel, 1, NULL, 0, NULL, 0);
    CT_OK(fm_dispatch(commands, &info));
    fm_point points[STREAMS], failed = ct_commit(&commands, stream);
    set_scene(f, &s);
    memcpy(points, s.points, sizeof points);
    points[3] = failed;
    uint32_t index = FM_NO_POINT;
    CT_STATUS(fm_point_wait_any(f->device, points, STREAMS, CT_TIMEOUT_NS, &index), FM_ERROR_KERNEL_FAILED);
    assert_int_equal(index, 3);
    assert_non_null(strstr(fm_last_error(), "fm_point_wait_any: point 3"));
    CT_STATUS(fm_point_wait_all(f->device, points, STREAMS, 1000), FM_TIMEOUT);
    ct_gate_open(f);
    CT_STATUS(fm_point_wait_all(f->device, points, STREAMS, CT_TIMEOUT_NS), FM_ERROR_KERNEL_FAILED);
    assert_non_null(strstr(fm_last_error(), "fm_point_wait_all: point 3"));
    for (uint32_t i = 0; i < STREAMS; i++)
        ct_expect_words(f, s.buffers[i], 16, i + 1); // all the others were waited for
}

typedef struct waits {
    const fm_point *points;
    uint32_t count;
    _Atomic(uint32_t) waiting; // workers that are about to wait
} waits;

// Every second worker waits for all, the others for any.
static void wait_for_several(ct_worker *worker)
{
    waits *w = worker->shared;
    fm_device *device = worker->fixture->device;
    uint32_t index = FM_NO_POINT;
    if (atomic_fetch_add(&w->waiting, 1) % 2) {
        CT_WORKER_OK(worker, fm_point_wait_all(device, w->points, w->count, CT_TIMEOUT_NS));
    } else {
        CT_WORKER_OK(worker, fm_point_wait_any(device, w->points, w->count, CT_TIMEOUT_NS, &index));
        CT_WORKER_TRUE(worker, index < w->count);
    }
}

// THREAD-3: commits of other threads go on while many wait for several points each; rounds of more points than fit on a stack.
static void commit_and_wait_for_several(ct_worker *worker)
{
    enum { MOST = 40, ROUNDS = 25 };
    fm_device *device = worker->fixture->device;
    fm_stream streams[4];
    fm_buffer buffer;
    CT_WORKER_OK(worker, fm_buffer_create(device, &(fm_buffer_info){.size_bytes = 256}, &buffer));
    for (uint32_t i = 0; i < 4; i++) CT_WORKER_OK(worker, fm_stream_create(device, NULL, &streams[i]));
    for (uint32_t round = 0; round < ROUNDS; round++) {
        fm_point points[MOST];
        uint32_t words[4] = {0}, count = round % 2 ? MOST : 3, index = FM_NO_POINT;
        for (uint32_t i = 0; i < count; i++) {
            fm_commands *commands = NULL;
            CT_WORKER_OK(worker, fm_commands_begin(device, NULL, &commands));
            CT_WORKER_OK(worker, fm_fill(commands, buffer, 16 * (i % 4), 16, round + 1));
            CT_WORKER_OK(worker, fm_read(commands, buffer, 16 * (i % 4), 4, &words[i % 4]));
            CT_WORKER_OK(worker, fm_commit(&commands, &(fm_commit_info){.stream = streams[i % 4]}, &points[i]));
        }
        CT_WORKER_OK(worker, fm_point_wait_any(device, points, count, CT_TIMEOUT_NS, &index));
        CT_WORKER_OK(worker, fm_point_poll(device, points[index]));
        CT_WORKER_OK(worker, fm_point_wait_all(device, points, count, CT_TIMEOUT_NS));
        for (uint32_t i = 0; i < 4 && i < count; i++) CT_WORKER_TRUE(worker, words[i] == round + 1);
    }
}

static void points_of_many_threads_are_waited_for_side_by_side(void **state)
{
    ct_run_workers(*state, 6, commit_and_wait_for_several, NULL);
}

// Sleepers are woken by whoever retires: some wait for the same points in both ways while the gate opens.
static void points_waited_for_by_many_threads_wake_them_all(void **state)
{
    ct_fixture *f = *state;
    for (uint32_t round = 0; round < 5; round++) {
        scene s;
        pthread_mutex_lock(&f->gate.lock);
        f->gate.open = false;
        pthread_mutex_unlock(&f->gate.lock);
        set_scene(f, &s);
        waits w = {.points = s.points, .count = STREAMS};
        ct_worker workers[6];
        for (uint32_t i = 0; i < 6; i++) {
            ct_start_worker(f, &workers[i], wait_for_several, &w);
        }
        while (atomic_load(&w.waiting) < 6) sched_yield();
        ct_gate_open(f);
        for (uint32_t i = 0; i < 6; i++) ct_join_worker(&workers[i]);
    }
}

int ct_group_points(void)
{
    const struct CMUnitTest tests[] = {
        CT_TEST(points_none_are_all_complete_and_none_is_any),
        CT_TEST(points_that_are_complete_answer_at_once),
        CT_TEST(points_in_flight_time_out),
        CT_TEST(points_wait_for_nothing_else),
        CT_TEST(points_of_which_one_is_bad_are_refused_at_once),
        CT_TEST(points_of_which_one_fails_answer_its_failure),
        CT_TEST(points_of_many_threads_are_waited_for_side_by_side),
        CT_TEST(points_waited_for_by_many_threads_wake_them_all),
    };
    return cmocka_run_group_tests_name("points", tests, NULL, NULL);
}
