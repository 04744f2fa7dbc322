// Submit engine: no list is left behind, whoever pushes, leads and retires at the same time (ENGINE-1); what a batch holds, which queue it takes
// and what it waits for.
#include "engine_fixture.h"

#include <pthread.h>

typedef struct worker {
    shared *s;
    uint32_t number;
} worker;

static void *push_and_kick(void *context)
{
    worker *w = context;
    for (uint32_t i = 0; i < LISTS; i++) {
        fmi_engine_push(&w->s->engine, &w->s->lists[w->number * LISTS + i]);
        fmi_engine_kick(&w->s->engine);
    }
    atomic_fetch_sub(&w->s->pushing, 1);
    return NULL;
}

static void run_threads(uint32_t depth)
{
    static shared s;
    set_up(&s, depth);
    atomic_store(&s.pushing, THREADS);
    pthread_t threads[THREADS];
    worker workers[THREADS];
    for (uint32_t i = 0; i < THREADS; i++) {
        workers[i] = (worker){&s, i};
        assert_int_equal(pthread_create(&threads[i], NULL, push_and_kick, &workers[i]), 0);
    }
    while (atomic_load(&s.pushing) > 0) {
        retire_one(&s.engine);
    }
    for (uint32_t i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    while (retire_one(&s.engine)) {
    }
    // Nothing is in flight and nobody will kick again: whatever still waited here would wait for ever.
    assert_null(atomic_load(&s.engine.incoming));
    assert_int_equal(atomic_load(&s.engine.backlog.count), 0);
    assert_int_equal(atomic_load(&s.device.commands), THREADS * LISTS);
    tear_down(&s);
}

static void engine_threads_push_and_no_list_is_left(void **state)
{
    (void)state;
    for (int round = 0; round < 5; round++) {
        run_threads(1);
        run_threads(2);
    }
}

static void engine_full_leaves_the_list_for_retirement(void **state)
{
    (void)state;
    static shared s;
    set_up(&s, 1);
    for (uint32_t i = 0; i < 3; i++) {
        push_alone(&s, i);
    }
    assert_int_equal(atomic_load(&s.device.commands), 1); // depth 1: the other two wait
    assert_true(retire_one(&s.engine));
    assert_int_equal(atomic_load(&s.device.commands), 3); // and go together
    tear_down(&s);
}

// LEARNED-8: a submit that fails keeps its lists in the ring, with the cause, and takes no value.
static void engine_failed_submit_keeps_lists_and_value(void **state)
{
    (void)state;
    static shared s;
    set_up(&s, 2);
    s.device.refuse = 1;
    push_alone(&s, 0);
    assert_int_equal(s.engine.queues[0].ring[0].status, FM_ERROR_BACKEND);
    assert_ptr_equal(s.engine.queues[0].ring[0].first, &s.lists[0]);
    assert_int_equal(s.engine.queues[0].ring[0].value, 0); // complete when everything before it is
    push_alone(&s, 1);
    assert_int_equal(s.engine.queues[0].ring[1].status, FM_OK);
    assert_int_equal(s.engine.queues[0].ring[1].value, 1);
    tear_down(&s);
}

// LEARNED-9: what ran when the device was lost may run on, and stores the statuses of its lists: a ring entry's array stays where it is.
static void engine_lost_device_leaves_the_arrays_alone(void **state)
{
    (void)state;
    static shared s;
    set_up(&s, 1);
    push_alone(&s, 0);
    fmi_batch *batch = &s.engine.queues[0].ring[0];
    fm_status *before = batch->list_status;
    assert_non_null(before);
    atomic_store(&s.engine.lost, 1);
    for (uint32_t i = 1; i <= FMI_MOST_BATCHES * FMI_BATCH_MOST_LISTS;
         i++) { // until that entry comes again, with more lists
        assert_in_range(i, 1, THREADS * LISTS - 1);
        fmi_engine_push(&s.engine, &s.lists[i]);
        if (i % 100 == 0) {
            assert_true(retire_one(&s.engine));
            if (s.engine.queues[0].head % FMI_MOST_BATCHES == 1) {
                break;
            }
        }
    }
    assert_int_equal(batch->status, FM_ERROR_DEVICE_LOST);
    assert_true(batch->lists > 64); // more than the array has room for
    assert_ptr_equal(batch->list_status, before);
    tear_down(&s);
}

static void engine_batch_is_capped(void **state)
{
    (void)state;
    static shared s;
    set_up(&s, 1);
    for (uint32_t i = 0; i < FMI_BATCH_MOST_LISTS + 100; i++) {
        fmi_engine_push(&s.engine, &s.lists[i]);
    }
    fmi_engine_kick(&s.engine);
    assert_int_equal(atomic_load(&s.device.commands), FMI_BATCH_MOST_LISTS);
    assert_true(retire_one(&s.engine));
    assert_int_equal(atomic_load(&s.device.commands), FMI_BATCH_MOST_LISTS + 100);
    tear_down(&s);
}

// A list that must wait for a long batch in flight is not left behind: retirement kicks.
static void engine_long_list_waits_for_the_long_one_in_flight(void **state)
{
    (void)state;
    static shared s;
    static fmi_cost slow;
    static fmi_stream streams[3];
    set_up(&s, 2);
    const fmi_cost quick = {{0}};
    for (uint32_t i = 2; i < 4; i++) { // short ones
        s.lists[i].stream = &streams[2];
        s.lists[i].value = i - 1;
        s.lists[i].first->binary = (const fmi_kernel_binary *)(const void *)&quick;
        s.lists[i].first->group_count[0] = s.lists[i].first->group_count[1] = s.lists[i].first->group_count[2] = 1;
    }
    push_alone(&s, 2); // a stream of short lists is about
    assert_true(retire_one(&s.engine));
    atomic_store(&slow.ns[0], FMI_LONG_NS);
    atomic_store(&s.engine.slowest_ns, FMI_LONG_NS);
    for (uint32_t i = 0; i < 2; i++) {
        s.lists[i].stream = &streams[i];
        s.lists[i].value = 1;
        s.lists[i].first->binary = (const fmi_kernel_binary *)(const void *)&slow;
        s.lists[i].first->group_count[0] = s.lists[i].first->group_count[1] = s.lists[i].first->group_count[2] = 1;
        push_alone(&s, i);
    }
    assert_int_equal(atomic_load(&s.device.commands), 2);
    push_alone(&s, 3); // a short one passes
    assert_int_equal(atomic_load(&s.device.commands), 3);
    assert_true(retire_one(&s.engine));
    assert_int_equal(atomic_load(&s.device.commands), 4);
    tear_down(&s);
}

// Short lists have the first queue; of the others that with the least in flight takes a long one.
static void engine_chooses_the_queue_by_length_and_load(void **state)
{
    (void)state;
    static shared s;
    static fmi_stream streams[6];
    memset(streams, 0, sizeof streams);
    set_up_queues(&s, 2, 3, NULL);
    static const uint32_t expected[] = {1, 2, 1, 2, 0};
    for (uint32_t i = 0; i < 5; i++) {
        push_list(&s, i, &streams[i], 1, i < 4);
        assert_int_equal(atomic_load(&s.device.commands), i + 1);
        assert_int_equal(s.device.last.queue, expected[i]);
    }
    push_list(&s, 5, &streams[5], 1, true);
    assert_int_equal(atomic_load(&s.device.commands), 5); // both are full, and the first is not for it
    assert_true(retire_one_of(&s.engine, 2));
    assert_int_equal(atomic_load(&s.device.commands), 6);
    assert_int_equal(s.device.last.queue, 2);
    tear_down(&s);
}

// A batch waits for the batch of another queue that it comes after: not for those behind it, retired or not.
static void engine_waits_for_the_other_queues_batch_and_no_later_one(void **state)
{
    (void)state;
    static shared s;
    static fmi_stream streams[2];
    for (int retired = 0; retired < 2; retired++) {
        memset(streams, 0, sizeof streams);
        set_up_queues(&s, 4, 2, NULL);
        push_list(&s, 0, &streams[0], 1, true);
        push_list(&s, 1, &streams[0], 2, true); // of no matter to the short one below
        if (retired) {
            assert_true(retire_one_of(&s.engine, 1));
        }
        s.engine.planner.queues[0].owed[1] = 1; // what the first long batch did is needed
        push_list(&s, 2, &streams[1], 1, false);
        assert_int_equal(s.device.last.queue, 0);
        assert_int_equal(s.device.last.waits[1], 1);
        assert_int_equal(s.device.last.waits[0], 0);
        tear_down(&s);
    }
}

// Memory that was recycled may have been used on any queue: the next batch of each begins behind all that is retired on the others, once.
static void engine_recycled_memory_is_behind_what_other_queues_retired(void **state)
{
    (void)state;
    static shared s;
    static fmi_stream streams[3];
    static fmi_pool pool;
    static fmi_record_room record;
    memset(streams, 0, sizeof streams);
    record.pool = &pool;
    set_up_queues(&s, 4, 3, &record);
    push_list(&s, 0, &streams[0], 1, true);
    push_list(&s, 1, &streams[0], 2, true); // stays in flight
    assert_int_equal(s.device.last.queue, 1);
    assert_true(retire_one_of(&s.engine, 1));
    push_list(&s, 2, &streams[1], 1, false);
    assert_int_equal(s.device.last.waits[1], 0); // nothing was recycled
    atomic_fetch_add(&pool.recycled, 1);
    push_list(&s, 3, &streams[1], 2, false);
    assert_int_equal(s.device.last.waits[1], 1);
    assert_true(s.device.last.after_in_flight);
    push_list(&s, 4, &streams[1], 3, false);
    assert_int_equal(s.device.last.waits[1], 0);
    push_list(&s, 5, &streams[2], 1, true);
    assert_int_equal(s.device.last.queue, 2);
    assert_int_equal(s.device.last.waits[1], 1);
    tear_down(&s);
}

// LEARNED-8: that the fill of a fresh buffer was refused is noted at once. A list on another queue that uses the memory may be found complete before this
// batch is. Of memory that was taken over it is not: what used it before must not find that.
static void engine_notes_the_refused_fill_of_a_fresh_buffer_at_once(void **state)
{
    (void)state;
    for (uint32_t taken_over = 0; taken_over < 2; taken_over++) {
        static shared s;
        static fmi_stream stream;
        static fmi_pool pool;
        static fmi_record_room record;
        memset(&stream, 0, sizeof stream);
        memset(&record, 0, sizeof record);
        record.pool = &pool;
        fmi_memory memory = {0};
        fmi_buffer buffer = {.memory = &memory};
        fmi_hold_chunk chunk = {.slots = {&buffer.slot}, .count = 1};
        set_up_queues(&s, 2, 2, &record);
        s.lists[0].is_fill = true;
        s.lists[0].buffers = &chunk;
        s.lists[0].stream = taken_over ? &stream : NULL;
        s.lists[0].value = 1;
        s.device.refuse = 1;
        push_alone(&s, 0);
        assert_int_equal(s.engine.queues[0].ring[0].status, FM_ERROR_BACKEND);
        assert_int_equal(atomic_load(&memory.unzeroed), !taken_over);
        assert_int_equal(atomic_load(&record.zero_failures), !taken_over);
        s.lists[0].buffers = NULL;
        tear_down(&s);
    }
}

// Runs 33 batches of one list each and tells how many were timed.
static uint32_t count_timed(bool times_rarely, uint32_t known_ns)
{
    static shared s;
    set_up(&s, 1);
    fmi_cost cost = {{0}};
    atomic_store(&cost.ns[0], known_ns);
    s.engine.times_rarely = times_rarely;
    for (uint32_t i = 0; i < 2 * FMI_TIMED_EVERY + 1; i++) {
        s.lists[i].first->binary = (const fmi_kernel_binary *)(const void *)&cost;
        s.lists[i].first->group_count[0] = s.lists[i].first->group_count[1] = s.lists[i].first->group_count[2] = 1;
        push_alone(&s, i);
        assert_true(retire_one(&s.engine));
    }
    uint32_t timed = atomic_load(&s.device.timed);
    tear_down(&s);
    return timed;
}

// On a CPU a timestamp disturbs the work: what is known is timed rarely, what is new as soon as elsewhere.
static void engine_times_rarely_what_is_known_on_a_cpu(void **state)
{
    (void)state;
    assert_int_equal(count_timed(false, 1000), 3);
    assert_int_equal(count_timed(true, 0), 3);
    assert_int_equal(count_timed(true, 1000), 1);
}

// A list of one command that writes to a region.
static void make_list(fmi_list *list, fmi_stream *stream, uint64_t value, uint32_t region, const fmi_cost *cost)
{
    *list = (fmi_list){.stream = stream, .value = value, .highest_region = region};
    fmi_command *command = fmi_list_append(list, FMI_COMMAND_DISPATCH, 1, 0);
    assert_non_null(command);
    command->spans[0] = (fmi_span){NULL, 0, 64, region, FM_ACCESS_WRITE};
    command->binary = (const fmi_kernel_binary *)(const void *)cost;
    command->group_count[0] = command->group_count[1] = command->group_count[2] = 1;
}

// What retirement does for a queue's oldest batch, whose last list is `value` of its stream.
static void retire_on(fmi_engine *engine, uint32_t q, fmi_stream *stream, uint64_t value)
{
    fmi_queue *queue = &engine->queues[q];
    uint64_t tail = atomic_load(&queue->tail);
    assert_true(tail < atomic_load(&queue->head));
    const fmi_batch *batch = &queue->ring[tail % FMI_MOST_BATCHES];
    atomic_fetch_sub(&engine->lists_in_flight, batch->lists);
    atomic_store(&stream->completed, value);
    atomic_store(&queue->retired_value, batch->value);
    atomic_store(&queue->tail, tail + 1);
}

// LEARNED-2: what stands behind work that is over waits for nothing that came after it there, or all short lists would stand behind a long
// one: by an `after` point, and by its memory.
static void engine_short_list_waits_for_no_later_batch_of_a_long_queue(void **state)
{
    (void)state;
    for (int by_point = 0; by_point < 2; by_point++) {
        static fake device;
        static fmi_engine engine;
        static fmi_cost slow, quick;
        static fmi_stream streams[2];
        fmi_list lists[3];
        memset(&device, 0, sizeof device);
        memset(streams, 0, sizeof streams);
        atomic_store(&slow.ns[0], FMI_LONG_NS);
        atomic_store(&quick.ns[0], 1);
        fmi_engine_init(&engine, &fake_ops, (fmi_backend *)(void *)&device, NULL, NULL,
                        &(fmi_engine_settings){.depth = 2, .queue_count = 2});
        atomic_store(&engine.slowest_ns, FMI_LONG_NS);
        for (uint32_t i = 0; i < 2; i++) {
            make_list(&lists[i], &streams[0], i + 1, i, &slow);
            fmi_engine_push(&engine, &lists[i]);
            fmi_engine_kick(&engine);
        }
        assert_int_equal(device.last_value[1], 2);
        retire_on(&engine, 1, &streams[0], 1);
        make_list(&lists[2], &streams[1], 1, by_point ? 2 : 0, &quick);
        fmi_after after = {&streams[0], 1};
        lists[2].after = by_point ? &after : NULL;
        lists[2].after_count = by_point ? 1 : 0;
        fmi_engine_push(&engine, &lists[2]);
        fmi_engine_kick(&engine);
        assert_int_equal(device.last_value[0], 1);
        assert_int_equal(device.waits[0][1], by_point ? 0 : 1);
        assert_int_equal(engine.queues[0].ring[0].follows[1], 0);
        for (uint32_t i = 0; i < 3; i++) {
            fmi_arena_free(&lists[i].arena);
        }
        fmi_engine_destroy(&engine);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(engine_short_list_waits_for_no_later_batch_of_a_long_queue),
        cmocka_unit_test(engine_threads_push_and_no_list_is_left),
        cmocka_unit_test(engine_full_leaves_the_list_for_retirement),
        cmocka_unit_test(engine_failed_submit_keeps_lists_and_value),
        cmocka_unit_test(engine_lost_device_leaves_the_arrays_alone),
        cmocka_unit_test(engine_batch_is_capped),
        cmocka_unit_test(engine_long_list_waits_for_the_long_one_in_flight),
        cmocka_unit_test(engine_chooses_the_queue_by_length_and_load),
        cmocka_unit_test(engine_waits_for_the_other_queues_batch_and_no_later_one),
        cmocka_unit_test(engine_recycled_memory_is_behind_what_other_queues_retired),
        cmocka_unit_test(engine_notes_the_refused_fill_of_a_fresh_buffer_at_once),
        cmocka_unit_test(engine_times_rarely_what_is_known_on_a_cpu),
    };
    return cmocka_run_group_tests_name("schedule_engine", tests, NULL, NULL);
}
