// Several native queues: short lists have the first and long ones the others, a batch waits for other queues' batches exactly where memory, a
// stream's order or an `after` point asks for it, and points are published in order. Exact orders of calls on the manual device, which
// runs the queue that is wrong first; each test fails with its guard taken out of the source.
#include "manual_fixture.h"

enum { WORDS = 64, BYTES = WORDS * 4, LONG_NS = 100000, FIRST_QUEUE_FIRST = 0, LAST_QUEUE_FIRST = 1 };

typedef struct fixture {
    md_fixture m; // first
    fm_stream c, reader;
    fm_kernel quick, slow;             // y = x + 1
    fm_kernel quick_stamp, slow_stamp; // y = how many stamps ran before, and one
    fm_buffer x, y, z;
    uint32_t stamps;
    int violations;
} fixture;

static fm_status run_add(const fm_host_call *call)
{
    const uint32_t *x = call->bindings[0];
    uint32_t *y = call->bindings[1];
    for (uint64_t i = 0; i < WORDS; i++) y[i] = x[i] + 1;
    return FM_OK;
}

static fm_status run_stamp(const fm_host_call *call)
{
    fixture *f = call->user;
    uint32_t *y = call->bindings[0];
    f->stamps++;
    for (uint64_t i = 0; i < WORDS; i++) y[i] = f->stamps;
    return FM_OK;
}

static fm_kernel make_kernel(fixture *f, const char *name, bool stamps)
{
    static const fm_kernel_param params[] = {{"x", FM_DTYPE_U32, FM_ACCESS_READ}, {"y", FM_DTYPE_U32, FM_ACCESS_WRITE}};
    fm_kernel_info info = {.name = name,
                           .language = FM_KERNEL_HOST_FUNCTION,
                           .params = stamps ? params + 1 : params,
                           .param_count = stamps ? 1 : 2,
                           .host_function = stamps ? run_stamp : run_add,
                           .user = f};
    fm_kernel kernel = {0};
    OK(fm_kernel_create(f->m.device, &info, &kernel));
    return kernel;
}

static void record(fm_commands *commands, fm_kernel kernel, uint32_t count, fm_buffer first, fm_buffer second)
{
    fm_binding bindings[] = {{.buffer = first}, {.buffer = second}};
    fm_dispatch_info info = {.kernel = kernel, .group_count = {1, 1, 1}, .bindings = bindings, .binding_count = count};
    OK(fm_dispatch(commands, &info));
}

static fm_point commit(fm_commands *commands, fm_stream stream, const fm_point *after)
{
    fm_point point = {{0}, 0};
    fm_commit_info info = {.stream = stream, .after = after, .after_count = after ? 1 : 0};
    OK(fm_commit(&commands, &info, &point));
    return point;
}

// to = from + 1
static fm_point add(fixture *f, fm_stream stream, fm_kernel kernel, fm_buffer from, fm_buffer to)
{
    fm_commands *commands = md_begin(&f->m, 0);
    record(commands, kernel, 2, from, to);
    return commit(commands, stream, NULL);
}

static fm_point stamp(fixture *f, fm_stream stream, fm_kernel kernel, fm_buffer on, const fm_point *after)
{
    fm_commands *commands = md_begin(&f->m, 0);
    record(commands, kernel, 1, on, on);
    return commit(commands, stream, after);
}

static fm_status poll(fixture *f, fm_point point)
{
    return fm_point_poll(f->m.device, point);
}

static void observe(void *user, fm_testing_event event, const char *text)
{
    (void)text;
    ((fixture *)user)->violations += event == FM_TESTING_VIOLATED;
}

// Opens the device again, with so many queues, and teaches the two slow kernels to be long.
static void reopen(fixture *f, uint32_t queues)
{
    md_reopen(&f->m, &(fm_device_info){.queues = queues, .batches_in_flight = 4});
    OK(fm_testing_observe(f->m.device, observe, f));
    OK(fm_stream_create(f->m.device, NULL, &f->c));
    OK(fm_stream_create(f->m.device, NULL, &f->reader));
    f->quick = make_kernel(f, "quick", false);
    f->slow = make_kernel(f, "slow", false);
    f->quick_stamp = make_kernel(f, "quick_stamp", true);
    f->slow_stamp = make_kernel(f, "slow_stamp", true);
    f->x = md_buffer(&f->m, BYTES);
    f->y = md_buffer(&f->m, BYTES);
    f->z = md_buffer(&f->m, BYTES);
    OK(fm_testing_set_wave_ns(f->m.device, LONG_NS));
    fm_commands *commands = md_begin(&f->m, 0);
    record(commands, f->slow, 2, f->x, f->y);
    OK(fm_barrier(commands));
    record(commands, f->slow_stamp, 1, f->z, f->z);
    fm_point taught = commit(commands, f->reader, NULL);
    md_step(&f->m, MD_ALL);
    OK(poll(f, taught));
    OK(fm_testing_set_wave_ns(f->m.device, 0));
    f->stamps = 0;
}

static void set_first(fixture *f, uint64_t order)
{
    OK(fm_testing_set_order(f->m.device, order));
}

static int set_up(void **state)
{
    fixture *f = md_new(sizeof *f, NULL);
    reopen(f, 2);
    *state = f;
    return 0;
}

// The device may be closed or lost: the observer has counted to the end.
static int tear_down(void **state)
{
    fixture *f = *state;
    if (f->m.device) {
        md_run(&f->m);
        OK(fm_device_close(&f->m.device, MD_SECOND));
    }
    assert_int_equal(f->violations, 0);
    return md_delete(state);
}

static void expect(fixture *f, fm_buffer buffer, uint32_t value)
{
    md_run(&f->m);
    md_expect(&f->m, f->reader, buffer, WORDS, value);
}

// With one queue the short list stands behind the long one.
static void queues_short_list_passes_a_long_one_in_flight(void **state)
{
    fixture *f = *state;
    for (uint32_t queues = 1; queues <= 2; queues++) {
        reopen(f, queues);
        fm_point slow = add(f, f->m.a, f->slow, f->x, f->y);
        fm_point quick = stamp(f, f->m.b, f->quick_stamp, f->z, NULL);
        md_step(&f->m, 1);
        STATUS(poll(f, quick), queues == 1 ? FM_NOT_READY : FM_OK);
        STATUS(poll(f, slow), queues == 1 ? FM_OK : FM_NOT_READY);
        md_step(&f->m, 1);
        OK(poll(f, quick));
        OK(poll(f, slow));
    }
}

// What a retired batch wrote is not waited for behind a later one of its queue.
static void queues_short_list_does_not_wait_behind_what_it_does_not_need(void **state)
{
    fixture *f = *state;
    fm_point slow = add(f, f->m.a, f->slow, f->x, f->y);
    md_step(&f->m, 1);
    OK(poll(f, slow));
    slow = stamp(f, f->m.a, f->slow_stamp, f->z, NULL);
    fm_point quick = add(f, f->m.b, f->quick, f->y, f->x);
    md_step(&f->m, 1);
    OK(poll(f, quick));
    STATUS(poll(f, slow), FM_NOT_READY);
    expect(f, f->x, 2);
}

// Each pair of uses of which one writes, first long and then short and the other way round.
static void queues_conflicts_are_ordered_in_both_directions(void **state)
{
    fixture *f = *state;
    for (int long_first = 0; long_first < 2; long_first++) {
        fm_kernel first = long_first ? f->slow : f->quick, second = long_first ? f->quick : f->slow;
        fm_kernel second_stamp = long_first ? f->quick_stamp : f->slow_stamp;
        set_first(f, long_first ? FIRST_QUEUE_FIRST : LAST_QUEUE_FIRST); // the queue of the second list
        fm_buffer p = md_buffer(&f->m, BYTES), q = md_buffer(&f->m, BYTES), r = md_buffer(&f->m, BYTES);
        add(f, f->m.a, first, p, q);
        add(f, f->m.b, second, q, r); // reads what is written
        expect(f, r, 2);
        OK(fm_testing_step_in_waits(f->m.device, 0));
        f->stamps = 40;
        add(f, f->m.a, first, p, q);
        stamp(f, f->m.b, second_stamp, p, NULL); // writes what is read
        expect(f, q, 1);
        OK(fm_testing_step_in_waits(f->m.device, 0));
        add(f, f->m.a, first, r, q);
        stamp(f, f->m.b, second_stamp, q, NULL); // writes what is written
        expect(f, q, 42);
        OK(fm_testing_step_in_waits(f->m.device, 0));
    }
}

// Readers on two queues share; a writer on a third waits for both.
static void queues_readers_share_and_a_writer_waits_for_all(void **state)
{
    fixture *f = *state;
    reopen(f, 3);
    for (int order = 0; order < 2; order++) { // which of the readers comes first
        fm_buffer p = md_buffer(&f->m, BYTES), q = md_buffer(&f->m, BYTES), r = md_buffer(&f->m, BYTES);
        set_first(f, FIRST_QUEUE_FIRST);
        fm_point slow = {{0}, 0};
        if (order == 0) slow = add(f, f->m.a, f->slow, p, q);
        fm_point quick = add(f, f->m.b, f->quick, p, r);
        if (order == 1) slow = add(f, f->m.a, f->slow, p, q);
        f->stamps = 70;
        fm_point written = stamp(f, f->c, f->slow_stamp, p, NULL);
        set_first(f, LAST_QUEUE_FIRST);
        md_step(&f->m, 1); // the writer's queue is preferred, and waits; the long reader's is next
        STATUS(poll(f, slow), FM_OK);
        STATUS(poll(f, quick), FM_NOT_READY);
        md_step(&f->m, 1);
        STATUS(poll(f, quick), FM_OK);
        STATUS(poll(f, written), FM_NOT_READY);
        expect(f, p, 71);
        md_expect(&f->m, f->reader, q, WORDS, 1);
        md_expect(&f->m, f->reader, r, WORDS, 1);
        OK(fm_testing_step_in_waits(f->m.device, 0));
        slow = add(f, f->m.a, f->slow, p, q);
        quick = add(f, f->m.b, f->quick, p, r);
        f->stamps = 80;
        stamp(f, f->c, f->quick_stamp, p, NULL); // on the short reader's own queue: waits for the long one, too
        set_first(f, FIRST_QUEUE_FIRST);
        expect(f, q, 72);
        md_expect(&f->m, f->reader, p, WORDS, 81);
        OK(fm_testing_step_in_waits(f->m.device, 0));
    }
}

// No memory in common, three streams.
static void queues_after_points_hold(void **state)
{
    fixture *f = *state;
    reopen(f, 3);
    set_first(f, LAST_QUEUE_FIRST);
    fm_point before = stamp(f, f->m.a, f->quick_stamp, f->x, NULL);
    before = stamp(f, f->m.b, f->slow_stamp, f->y, &before); // on the second queue
    stamp(f, f->c, f->quick_stamp, f->z, &before);           // as long as what it waits for: on the third
    expect(f, f->x, 1);
    md_expect(&f->m, f->reader, f->y, WORDS, 2);
    md_expect(&f->m, f->reader, f->z, WORDS, 3);
}

// An empty list between the two, on a queue of its own.
static void queues_after_points_hold_through_an_empty_list(void **state)
{
    fixture *f = *state;
    reopen(f, 4);
    set_first(f, LAST_QUEUE_FIRST);
    fm_point before = stamp(f, f->m.a, f->slow_stamp, f->x, NULL);
    before = commit(md_begin(&f->m, 0), f->m.b, &before);
    stamp(f, f->c, f->quick_stamp, f->y, &before);
    expect(f, f->x, 1);
    md_expect(&f->m, f->reader, f->y, WORDS, 2);
}

// From short to long and back, with what came before in flight; no memory in common.
static void queues_stream_keeps_its_order(void **state)
{
    fixture *f = *state;
    for (uint32_t queues = 2; queues <= 3; queues++) {
        reopen(f, queues);
        set_first(f, LAST_QUEUE_FIRST);
        fm_kernel kernels[] = {f->quick_stamp, f->slow_stamp, f->quick_stamp, f->slow_stamp, f->quick_stamp};
        enum { LISTS = sizeof kernels / sizeof *kernels };
        fm_buffer buffers[LISTS];
        fm_point points[LISTS];
        for (int i = 0; i < LISTS; i++) {
            buffers[i] = md_buffer(&f->m, BYTES);
            points[i] = stamp(f, f->m.a, kernels[i], buffers[i], NULL);
        }
        for (int i = 0; i < LISTS; i++) {
            md_step(&f->m, 1);
            for (int k = 0; k < LISTS; k++) STATUS(poll(f, points[k]), k <= i ? FM_OK : FM_NOT_READY);
        }
        for (uint32_t i = 0; i < LISTS; i++) expect(f, buffers[i], i + 1);
        OK(fm_testing_step_in_waits(f->m.device, 0));
    }
}

// LEARNED-8. The refused batch has nothing to wait for on the device; its point waits all the same.
static void queues_refused_batch_is_published_in_its_streams_order(void **state)
{
    fixture *f = *state;
    fm_point first = stamp(f, f->m.a, f->quick_stamp, f->x, NULL);
    OK(fm_testing_refuse_submits(f->m.device, 1, FM_ERROR_BACKEND));
    fm_point refused = stamp(f, f->m.a, f->slow_stamp, f->y, NULL);
    for (int i = 0; i < 2; i++) {
        STATUS(poll(f, refused), FM_NOT_READY);
        STATUS(poll(f, first), FM_NOT_READY);
    }
    md_step(&f->m, 1);
    STATUS(poll(f, refused), FM_ERROR_BACKEND);
    OK(poll(f, first));
    assert_int_equal(f->stamps, 1);
}

typedef struct told {
    fm_status status;
    int calls;
} told;

static void note(void *user, fm_point point, fm_status status)
{
    told *t = user;
    (void)point;
    t->status = status;
    t->calls++;
}

// LEARNED-9. Both queues have work in flight and more behind it; what runs on until the close finds its memory and kernels.
static void queues_lost_device_tells_every_point_once(void **state)
{
    fixture *f = *state;
    enum { LISTS = 6 };
    fm_point points[LISTS];
    told tolds[LISTS] = {0};
    for (int i = 0; i < LISTS; i++) {
        fm_stream streams[] = {f->m.a, f->m.b, f->c};
        points[i] = i % 2 ? add(f, streams[i % 3], f->slow, f->x, f->y) : add(f, streams[i % 3], f->quick, f->y, f->z);
        OK(fm_point_on_complete(f->m.device, points[i], note, &tolds[i]));
    }
    OK(fm_buffer_destroy(f->m.device, f->x));
    OK(fm_buffer_destroy(f->m.device, f->y));
    OK(fm_buffer_destroy(f->m.device, f->z));
    OK(fm_kernel_destroy(f->m.device, f->slow));
    OK(fm_kernel_destroy(f->m.device, f->quick));
    md_step(&f->m, 1);
    OK(fm_testing_lose_device(f->m.device));
    int complete = 0;
    for (int round = 0; round < 2; round++) {
        for (int i = LISTS - 1; i >= 0; i--) {
            fm_status status = poll(f, points[i]);
            complete += status == FM_OK;
            if (status != FM_OK) STATUS(status, FM_ERROR_DEVICE_LOST);
        }
    }
    assert_int_equal(complete, 2); // the one that had run, asked twice
    md_step(&f->m, MD_ALL);        // the driver gave up, the device did not
    OK(fm_testing_run_callbacks(f->m.device));
    OK(fm_device_close(&f->m.device, MD_SECOND));
    for (int i = 0; i < LISTS; i++) {
        assert_int_equal(tolds[i].calls, 1);
        assert_int_equal(tolds[i].status, i == 0 ? FM_OK : FM_ERROR_DEVICE_LOST);
    }
}

// A refused batch would have waited for a long one of another queue. Who comes behind the refused one, on whichever queue, waits in its place.
static void queues_what_a_refused_batch_waited_for_is_waited_for(void **state)
{
    fixture *f = *state;
    for (int kind = 0; kind < 3; kind++) {
        reopen(f, 3);
        fm_point slow = add(f, f->m.a, f->slow, f->x, f->y); // on the second queue
        OK(fm_testing_refuse_submits(f->m.device, 1, FM_ERROR_BACKEND));
        // Writes y: on the third queue, or on the first.
        fm_point refused = stamp(f, f->m.b, kind == 0 ? f->slow_stamp : f->quick_stamp, f->y, NULL);
        set_first(f, kind == 2 ? LAST_QUEUE_FIRST : FIRST_QUEUE_FIRST);
        fm_point last = add(f, f->c, kind == 2 ? f->slow : f->quick, f->y, f->z); // on the first queue, or on the third
        md_step(&f->m, 1);
        OK(poll(f, slow));
        STATUS(poll(f, refused), FM_ERROR_BACKEND);
        STATUS(poll(f, last), FM_NOT_READY);
        expect(f, f->z, 2);
        OK(fm_testing_step_in_waits(f->m.device, 0));
    }
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(queues_short_list_passes_a_long_one_in_flight),
        TEST(queues_short_list_does_not_wait_behind_what_it_does_not_need),
        TEST(queues_conflicts_are_ordered_in_both_directions),
        TEST(queues_readers_share_and_a_writer_waits_for_all),
        TEST(queues_after_points_hold),
        TEST(queues_after_points_hold_through_an_empty_list),
        TEST(queues_stream_keeps_its_order),
        TEST(queues_refused_batch_is_published_in_its_streams_order),
        TEST(queues_lost_device_tells_every_point_once),
        TEST(queues_what_a_refused_batch_waited_for_is_waited_for),
    };
    return cmocka_run_group_tests_name("queues", tests, NULL, NULL);
}
