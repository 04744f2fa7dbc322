// The submit engine on a fake backend, whose work is done as soon as it is submitted; a retiring thread only makes room and kicks, as
// retirement does. One thread, unless a test starts more.
#ifndef FERMATA_TESTS_ENGINE_FIXTURE_H
#define FERMATA_TESTS_ENGINE_FIXTURE_H

#include "schedule/engine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { THREADS = 4, LISTS = 2000 };

typedef struct shared shared;

typedef struct fake {
    _Atomic(uint64_t) commands;                       // submitted so far
    _Atomic(uint32_t) timed;                          // batches that are to be timed
    uint64_t last_value[FMI_MOST_QUEUES];             // the leader's, and so are the next two
    fmi_batch_plan last;                              // the last plan that it took
    uint64_t waits[FMI_MOST_QUEUES][FMI_MOST_QUEUES]; // of each queue's last batch
    uint32_t refuse;                                  // this many submits fail first
    void (*meanwhile)(shared *s);                     // what other threads do while a batch is submitted; NULL: nothing
} fake;

struct shared {
    fake device;
    fmi_engine engine;
    fmi_list *lists; // THREADS * LISTS
    _Atomic(uint32_t) pushing;
    uint32_t pushed; // lists, by `meanwhile`
    uint32_t most;   // that it pushes
};

static inline fm_status take(fmi_backend *backend, fmi_batch_plan *plan)
{
    fake *f = (fake *)(void *)backend;
    if (f->refuse > 0) {
        f->refuse--;
        return FM_ERROR_BACKEND;
    }
    assert_int_equal(plan->value, f->last_value[plan->queue] + 1); // no gaps
    f->last_value[plan->queue] = plan->value;
    f->last = *plan;
    memcpy(f->waits[plan->queue], plan->waits, sizeof plan->waits);
    atomic_fetch_add(&f->commands, plan->command_count);
    atomic_fetch_add(&f->timed, plan->wave_ns ? 1 : 0);
    if (f->meanwhile) {
        f->meanwhile((shared *)(void *)f); // its first member
    }
    return FM_OK;
}

static const fmi_backend_ops fake_ops = {.prefix = "fake", .submit = take};

static inline bool retire_quietly(fmi_engine *engine, uint32_t q)
{
    fmi_queue *queue = &engine->queues[q];
    uint64_t tail = atomic_load(&queue->tail);
    if (tail == atomic_load(&queue->head)) {
        return false;
    }
    atomic_fetch_sub(&engine->lists_in_flight, queue->ring[tail % FMI_MOST_BATCHES].lists);
    atomic_store(&queue->retired_value, queue->ring[tail % FMI_MOST_BATCHES].value);
    atomic_store(&queue->tail, tail + 1);
    return true;
}

// Retires one batch, then kicks: what fmi_progress does.
static inline bool retire_one_of(fmi_engine *engine, uint32_t q)
{
    bool any = retire_quietly(engine, q);
    if (any) {
        fmi_engine_kick(engine);
    }
    return any;
}

static inline bool retire_one(fmi_engine *engine)
{
    return retire_one_of(engine, 0);
}

static inline void set_up_queues(shared *s, uint32_t depth, uint32_t queues, fmi_record_room *record)
{
    memset(s, 0, sizeof *s);
    fmi_engine_init(&s->engine, &fake_ops, (fmi_backend *)(void *)&s->device, record, NULL,
                    &(fmi_engine_settings){.depth = depth, .queue_count = queues});
    s->lists = calloc(THREADS * LISTS, sizeof *s->lists);
    assert_non_null(s->lists);
    for (uint32_t i = 0; i < THREADS * LISTS; i++) {
        assert_non_null(fmi_list_append(&s->lists[i], FMI_COMMAND_DISPATCH, 0, 0));
    }
}

static inline void set_up(shared *s, uint32_t depth)
{
    set_up_queues(s, depth, 1, NULL);
}

static inline void tear_down(shared *s)
{
    for (uint32_t i = 0; i < THREADS * LISTS; i++) {
        fmi_arena_free(&s->lists[i].arena);
    }
    free(s->lists);
    fmi_engine_destroy(&s->engine);
}

// Pushes list `number`, of no stream, and kicks.
static inline void push_alone(shared *s, uint32_t number)
{
    fmi_engine_push(&s->engine, &s->lists[number]);
    fmi_engine_kick(&s->engine);
}

// Pushes list `number`, of a stream, as its value `value`. The caller kicks.
static inline void push_quietly(shared *s, uint32_t number, fmi_stream *stream, uint64_t value, bool slow)
{
    static fmi_cost quick_cost, slow_cost;
    fmi_list *list = &s->lists[number];
    atomic_store(&slow_cost.ns[0], FMI_LONG_NS);
    atomic_store(&s->engine.slowest_ns, FMI_LONG_NS);
    list->stream = stream;
    list->value = value;
    list->first->binary = (const fmi_kernel_binary *)(const void *)(slow ? &slow_cost : &quick_cost);
    list->first->group_count[0] = list->first->group_count[1] = list->first->group_count[2] = 1;
    fmi_engine_push(&s->engine, list);
}

static inline void push_list(shared *s, uint32_t number, fmi_stream *stream, uint64_t value, bool slow)
{
    push_quietly(s, number, stream, value, slow);
    fmi_engine_kick(&s->engine);
}

#endif
