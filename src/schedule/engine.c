// Submit engine. See engine.h.
// Pushing is lock-free; everything between taking and giving up the seat is the leader's alone.
#include "schedule/engine.h"

#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void fmi_engine_init(fmi_engine *engine, const fmi_backend_ops *ops, fmi_backend *backend, fmi_record_room *record,
                     const fmi_ablations *ablations, uint32_t depth)
{
    memset(engine, 0, sizeof *engine);
    engine->ops = ops;
    engine->backend = backend;
    engine->record = record;
    engine->ablations = ablations;
    engine->depth = depth;
}

void fmi_engine_destroy(fmi_engine *engine)
{
    fmi_planner_free(&engine->planner);
    for (uint32_t i = 0; i < FMI_MOST_BATCHES; i++) {
        fmi_plan_arrays_free(&engine->ring[i].arrays);
        free(engine->ring[i].list_status);
        engine->ring[i].list_status = NULL;
    }
}

void fmi_engine_push(fmi_engine *engine, fmi_list *list)
{
    fmi_list *newest = atomic_load_explicit(&engine->incoming, memory_order_relaxed);
    do {
        list->next = newest;
        // Sequentially consistent, see fmi_engine_kick; its release part pairs with the drain's acquire.
    } while (!atomic_compare_exchange_weak(&engine->incoming, &newest, list));
}

// Moves all incoming lists behind the backlog, oldest first.
static void drain(fmi_engine *engine)
{
    fmi_list *newest = atomic_exchange(&engine->incoming, NULL);
    fmi_list *oldest = NULL, *last = newest;
    uint32_t count = 0;
    while (newest) {
        fmi_list *older = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = older;
        count++;
    }
    if (!oldest) {
        return;
    }
    if (engine->backlog_last) {
        engine->backlog_last->next = oldest;
    } else {
        engine->backlog_first = oldest;
    }
    engine->backlog_last = last;
    atomic_store(&engine->backlog_count, atomic_load(&engine->backlog_count) + count);
}

// Does a list that waits for this value have to fail? Yes if the value failed, and also while the stream refuses work: what it has not
// completed by then fails, too.
static bool is_lost_cause(const fmi_engine *engine, fmi_stream *stream, uint64_t value)
{
    if (atomic_load_explicit(&stream->completed, memory_order_acquire) >= value) {
        return fmi_stream_status(stream, value, NULL) != FM_OK;
    }
    return atomic_load_explicit(&stream->failed, memory_order_acquire) ||
           (stream->skipped_batch == engine->planner.batch && value >= stream->skipped_value);
}

// Why a list must not run: its stream, or one that it waits for, has failed, or was found to in this batch.
static fm_status decide(const fmi_engine *engine, fmi_list *list)
{
    fmi_stream *stream = list->stream;
    if (stream && (atomic_load_explicit(&stream->failed, memory_order_acquire) ||
                   stream->skipped_batch == engine->planner.batch)) {
        return FM_ERROR_DEPENDENCY;
    }
    for (uint32_t i = 0; i < list->after_count; i++) {
        if (is_lost_cause(engine, list->after[i].stream, list->after[i].value)) {
            // Later lists of the batch that build on this one must not run, either; those that build on earlier ones may.
            stream->skipped_batch = engine->planner.batch;
            stream->skipped_value = list->value;
            return FM_ERROR_DEPENDENCY;
        }
    }
    return FM_OK;
}

static bool room_for_lists(fmi_batch *batch, uint32_t count)
{
    if (count <= batch->list_capacity) {
        return true;
    }
    uint32_t capacity = count < 64 ? 64 : FMI_BATCH_MOST_LISTS;
    fm_status *statuses = realloc(batch->list_status, capacity * sizeof *statuses);
    if (statuses) {
        batch->list_status = statuses;
        batch->list_capacity = capacity;
    }
    return statuses != NULL;
}

// How many lists of the backlog the next batch takes, and how many commands they have.
static uint32_t choose_count(const fmi_engine *engine, uint32_t *out_commands)
{
    uint32_t lists = 0, commands = 0;
    for (const fmi_list *list = engine->backlog_first; list && lists < FMI_BATCH_MOST_LISTS; list = list->next) {
        if (lists > 0 && commands + list->command_count > FMI_BATCH_MOST_COMMANDS) {
            break;
        }
        commands += list->command_count;
        lists++;
    }
    *out_commands = commands;
    return lists;
}

// Unlinks the first `count` lists of the backlog into the batch.
static void take_lists(fmi_engine *engine, fmi_batch *batch, uint32_t count)
{
    batch->first = engine->backlog_first;
    fmi_list *last = batch->first;
    for (uint32_t i = 1; i < count; i++) {
        last = last->next;
    }
    engine->backlog_first = last->next;
    if (!engine->backlog_first) {
        engine->backlog_last = NULL;
    }
    last->next = NULL;
    atomic_store(&engine->backlog_count, atomic_load(&engine->backlog_count) - count);
}

static fm_status plan_lists(fmi_engine *engine, fmi_batch *batch, fmi_batch_plan *plan)
{
    uint32_t index = 0;
    for (fmi_list *list = batch->first; list; list = list->next, index++) {
        batch->list_status[index] = FM_OK;
        list->status = decide(engine, list);
        if (list->status == FM_OK) {
            fm_status status = fmi_planner_add(&engine->planner, list, index);
            if (status != FM_OK) {
                return status;
            }
        }
    }
    fmi_planner_finish(&engine->planner, plan);
    return FM_OK;
}

static void count_submission(fmi_engine *engine, const fmi_batch *batch, const fmi_batch_plan *plan)
{
    uint64_t dispatches = 0;
    for (const fmi_list *list = batch->first; list; list = list->next) {
        dispatches += list->status == FM_OK ? list->dispatch_count : 0;
    }
    fmi_engine_counters *c = &engine->counters;
    atomic_fetch_add_explicit(&c->submissions, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&c->dispatches, dispatches, memory_order_relaxed);
    atomic_fetch_add_explicit(&c->transfers, plan->command_count - dispatches, memory_order_relaxed);
    atomic_fetch_add_explicit(&c->waves, plan->wave_count, memory_order_relaxed);
    atomic_fetch_add_explicit(&c->barriers, plan->barriers, memory_order_relaxed);
}

static fm_status submit(fmi_engine *engine, fmi_batch *batch, fmi_batch_plan *plan)
{
    uint64_t submitted = atomic_load_explicit(&engine->submitted_value, memory_order_relaxed);
    batch->value = submitted; // nothing to run: complete when everything before it is
    if (plan->command_count == 0) {
        return FM_OK;
    }
    plan->value = submitted + 1;
    plan->after_in_flight = submitted > 0;
    plan->list_status = batch->list_status;
    plan->barriers = 0;
    fm_status status = engine->ops->submit(engine->backend, plan);
    if (status == FM_OK) {
        batch->value = submitted + 1;
        count_submission(engine, batch, plan);
        // Release: who waits for this value finds it submitted.
        atomic_store_explicit(&engine->submitted_value, submitted + 1, memory_order_release);
    } else if (status == FM_ERROR_DEVICE_LOST) {
        atomic_store_explicit(&engine->lost, 1, memory_order_release);
    }
    return status;
}

// Builds and submits one batch. The caller has the seat and room in the ring. False: there was nothing to take.
static bool lead(fmi_engine *engine)
{
    fmi_error_state callers; // the thread that leads works for others: its own last error stays
    fmi_error_save(&callers);
    drain(engine);
    uint32_t commands;
    uint32_t count = choose_count(engine, &commands);
    if (count == 0) {
        return false;
    }
    uint64_t head = atomic_load_explicit(&engine->head, memory_order_relaxed);
    fmi_batch *batch = &engine->ring[head % FMI_MOST_BATCHES];
    fm_status status = FM_OK;
    if (!room_for_lists(batch, count)) {
        // Retirement needs a status a list only where something was submitted.
        status = fmi_fail(FM_ERROR_OUT_OF_HOST_MEMORY, "no host memory for a batch of %u lists", count);
    }
    take_lists(engine, batch, count);
    fmi_batch_plan plan = {0};
    if (status == FM_OK && atomic_load_explicit(&engine->lost, memory_order_relaxed)) {
        status = fmi_fail(FM_ERROR_DEVICE_LOST, "the device was lost before the work was submitted");
    }
    engine->planner.ignore_hazards = FMI_ABLATED(engine->ablations, FM_ABLATE_BARRIERS);
    if (status == FM_OK) {
        status = fmi_planner_begin(&engine->planner, &batch->arrays, commands);
    }
    if (status == FM_OK) {
        status = plan_lists(engine, batch, &plan);
    }
    batch->value = atomic_load_explicit(&engine->submitted_value, memory_order_relaxed);
    if (status == FM_OK) {
        status = submit(engine, batch, &plan);
    }
    for (fmi_list *list = batch->first; list && FMI_ABLATED(engine->ablations, FM_ABLATE_FREE_AFTER_DONE);
         list = list->next) {
        fmi_record_release_holds(engine->record, list, true, true);
    }
    batch->status = status;
    if (status != FM_OK) {
        snprintf(batch->sentence, sizeof batch->sentence, "%s", fm_last_error());
        fmi_error_restore(&callers);
    }
    atomic_store(&engine->head, head + 1);
    return true;
}

void fmi_engine_kick(fmi_engine *engine)
{
    // No list is left behind (ENGINE-1). A thread that pushes and then finds the seat taken leaves: the leader loads `incoming` after it
    // gave up the seat. One that pushes and finds no room leaves: retirement loads `incoming` after it made room. Both pairs
    // are store-then-load on each side, so push, seat, tail and the loads here are sequentially consistent.
    while (atomic_load(&engine->incoming) || atomic_load(&engine->backlog_count) > 0) {
        if (fmi_engine_in_flight(engine) >= engine->depth) {
            return;
        }
        if (atomic_exchange(&engine->seat, 1)) {
            return;
        }
        if (fmi_engine_in_flight(engine) < engine->depth) { // room may have gone while the seat changed hands
            lead(engine);
        }
        atomic_store(&engine->seat, 0);
    }
}
