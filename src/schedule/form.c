// Batches: a portion of the backlog, planned, submitted and put at the ring's head; and what is learned from one that is
// complete. See engine.h.
// The leader's alone, but for what retirement asks of a batch that is complete.
#include "schedule/engine.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/thread.h"
#include "schedule/cost.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KNOWN_EVERY = 512 }; // one batch in so many is timed where that costs much and nothing new would be learned

// Does a list that waits for this value have to fail? Yes if the value failed, and also while the stream refuses work:
// what it has not completed by then fails, too.
static bool is_lost_cause(fmi_stream *stream, uint64_t value)
{
    if (fmi_stream_is_over(stream, value)) {
        return fmi_stream_status(stream, value, NULL) != FM_OK;
    }
    // In this order: where the first finds its list retired, the second finds the failure that was noted before.
    return fmi_stream_loses(stream, value) || atomic_load_explicit(&stream->failed, memory_order_acquire);
}

// Why a list must not run: its stream, or one that it waits for, has failed or is known to, or it was cancelled
// (fmi_engine_cancel).
static fm_status decide(const fmi_list *list)
{
    fmi_stream *stream = list->stream;
    if (stream &&
        (fmi_stream_loses(stream, list->value) || atomic_load_explicit(&stream->failed, memory_order_acquire))) {
        return FM_ERROR_DEPENDENCY;
    }
    for (uint32_t i = 0; i < list->after_count; i++) {
        if (is_lost_cause(list->after[i].stream, list->after[i].value)) {
            // Later lists that build on this one must not run, either, in this batch or those after it; those that
            // build on earlier ones may.
            fmi_stream_note_lost(stream, list->value);
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
    }
    char **reasons = realloc((void *)batch->list_reason, capacity * sizeof *reasons);
    if (reasons) {
        memset((void *)(reasons + batch->list_capacity), 0, (capacity - batch->list_capacity) * sizeof *reasons);
        batch->list_reason = reasons;
    }
    if (!statuses || !reasons) {
        return false;
    }
    batch->list_capacity = capacity;
    return true;
}

static fm_status plan_lists(fmi_engine *engine, const fmi_queue *queue, fmi_batch *batch, fmi_batch_plan *plan)
{
    uint32_t index = 0;
    uint64_t next = atomic_load_explicit(&queue->submitted_value, memory_order_relaxed) + 1;
    for (fmi_list *list = batch->first; list; list = list->next, index++) {
        batch->list_status[index] = FM_OK;
        free(batch->list_reason[index]); // of the batch that was here before
        batch->list_reason[index] = NULL;
        list->status = decide(list);
        if (list->status != FM_OK) {
            // (The library's own lists, without a stream, always run.)
            fmi_stream_note_skipped(list->stream, list->in_turn ? list->first_value : list->value, list->value);
        }
        if (list->status == FM_OK) {
            if (list->stream) {
                fmi_stream_note_batch(list->stream, list->value, next);
            }
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

// One batch in FMI_TIMED_EVERY is timed. Where the device is this machine's processors a timestamp costs it dozens of
// microseconds, so there it is one in KNOWN_EVERY once the costs are known.
static bool is_timed(const fmi_engine *engine, const fmi_queue *queue, const fmi_batch_plan *plan)
{
    uint64_t number = atomic_load_explicit(&queue->head, memory_order_relaxed);
    return number % FMI_TIMED_EVERY == 0 &&
           (!engine->times_rarely || number % KNOWN_EVERY == 0 || !fmi_cost_knows(plan));
}

// The value that another queue reaches when its batch of that stamp is complete.
static uint64_t value_of(const fmi_queue *queue, uint64_t stamp)
{
    uint64_t head = atomic_load_explicit(&queue->head, memory_order_relaxed);
    for (uint64_t i = atomic_load(&queue->tail); i != head; i++) {
        const fmi_batch *batch = &queue->ring[i % FMI_MOST_BATCHES];
        if (batch->stamp == stamp) {
            return batch->value;
        }
    }
    // It was retired, and its value was stored before the tail; not a later batch's, which may be long.
    return atomic_load(&queue->retired_value);
}

// Fills what the batch waits for on other queues: what the plan needs, and after memory was recycled all that is
// retired there.
static void fill_waits(const fmi_engine *engine, bool recycled, fmi_batch_plan *plan)
{
    if (FMI_ABLATED(engine->ablations, FM_ABLATE_QUEUE_WAITS)) {
        return;
    }
    for (uint32_t q = 0; q < engine->queue_count; q++) {
        uint64_t stamp = engine->planner.after[q];
        uint64_t value = stamp ? value_of(&engine->queues[q], stamp) : 0;
        uint64_t retired = recycled ? atomic_load(&engine->queues[q].retired_value) : 0;
        plan->waits[q] = q == plan->queue ? 0 : value > retired ? value : retired;
    }
}

static fm_status submit(fmi_engine *engine, fmi_queue *queue, fmi_batch *batch, fmi_batch_plan *plan)
{
    uint64_t submitted = atomic_load_explicit(&queue->submitted_value, memory_order_relaxed);
    batch->value = submitted; // nothing to run: complete when everything before it is
    // Without commands it still stands between what it waits for and what waits for it.
    if (plan->command_count == 0 && !fmi_planner_waits(&engine->planner)) {
        return FM_OK;
    }
    plan->queue = (uint32_t)(queue - engine->queues);
    plan->value = submitted + 1;
    plan->list_status = batch->list_status;
    plan->list_reason = batch->list_reason;
    if (is_timed(engine, queue, plan)) {
        memset(batch->wave_ns, 0, sizeof batch->wave_ns);
        plan->wave_ns = batch->wave_ns;
    }
    // Regions name ranges, and recycled memory may be cut otherwise than before: its old uses are over, but only a
    // barrier orders them. Acquire: what came back before was retired before.
    uint64_t recycled =
        engine->record ? atomic_load_explicit(&engine->record->pool->recycled, memory_order_acquire) : 0;
    plan->after_in_flight |= submitted > 0 && recycled != queue->recycled;
    fill_waits(engine, recycled != queue->recycled, plan);
    fmi_float_state environment;
    fmi_float_enter(&environment);
    fm_status status = engine->ops->submit(engine->backend, plan);
    fmi_float_leave(&environment);
    if (status == FM_OK) {
        queue->recycled = recycled;
        batch->value = submitted + 1;
        fmi_planner_note_submitted(&engine->planner, plan);
        count_submission(engine, batch, plan);
        // Release: who waits for this value finds it submitted.
        atomic_store_explicit(&queue->submitted_value, submitted + 1, memory_order_release);
    } else if (status == FM_ERROR_DEVICE_LOST) {
        atomic_store_explicit(&engine->lost, 1, memory_order_release);
    }
    return status;
}

// The last batch with lists of the stream is retired before this one.
static void follow(const fmi_stream *stream, fmi_batch *batch)
{
    uint64_t *follows = &batch->follows[stream->last_queue];
    *follows = stream->last_batch > *follows ? stream->last_batch : *follows;
}

// Notes which batches of other queues are retired before this one, whether or not it can be submitted: points of a
// stream complete in order, and whoever waits for another's list learns of its failure.
static void note_order(fmi_engine *engine, uint32_t q, fmi_batch *batch)
{
    uint64_t number = atomic_load_explicit(&engine->queues[q].head, memory_order_relaxed) + 1;
    memset(batch->follows, 0, sizeof batch->follows);
    for (const fmi_list *list = batch->first; list && engine->queue_count > 1; list = list->next) {
        for (uint32_t i = 0; i < list->after_count; i++) {
            if (!fmi_stream_is_over(list->after[i].stream, list->after[i].value)) {
                follow(list->after[i].stream, batch);
            }
        }
        if (list->stream) {
            follow(list->stream, batch);
            list->stream->last_queue = q;
            list->stream->last_batch = number;
        }
    }
    batch->follows[q] = 0; // its own queue's are retired in order
}

// Plans and submits what the portion holds.
static fm_status build(fmi_engine *engine, uint32_t q, fmi_batch *batch, const fmi_portion *portion,
                       fmi_batch_plan *plan)
{
    fmi_queue *queue = &engine->queues[q];
    fm_status status = FM_OK;
    if (atomic_load_explicit(&engine->lost, memory_order_relaxed)) {
        // First: what ran here when the device was lost may still run, and stores into the arrays.
        status = fmi_fail(FM_ERROR_DEVICE_LOST, "the device was lost before the work was submitted");
    } else if (!room_for_lists(batch, portion->lists)) {
        // Retirement needs a status a list only where something was submitted.
        status = fmi_fail(FM_ERROR_OUT_OF_HOST_MEMORY, "no host memory for a batch of %u lists", portion->lists);
    }
    engine->planner.ignore_hazards = FMI_ABLATED(engine->ablations, FM_ABLATE_BARRIERS);
    if (status == FM_OK) {
        status = fmi_planner_begin(&engine->planner, q, &batch->arrays, portion->commands);
    }
    batch->stamp = engine->planner.batch;
    if (status == FM_OK) {
        status = plan_lists(engine, queue, batch, plan);
        batch->value = atomic_load_explicit(&queue->submitted_value, memory_order_relaxed);
        status = status == FM_OK ? submit(engine, queue, batch, plan) : status;
        if (batch->value != plan->value || status != FM_OK) {
            fmi_planner_note_dropped(&engine->planner);
        }
    }
    return status;
}

// So many lists were taken: theirs whom the engine waits for, as far as it can tell.
static void count_returned(fmi_engine *engine, uint32_t lists)
{
    uint32_t returning = atomic_load_explicit(&engine->returning, memory_order_relaxed);
    while (returning > 0 && !atomic_compare_exchange_weak_explicit(&engine->returning, &returning,
                                                                   returning > lists ? returning - lists : 0,
                                                                   memory_order_relaxed, memory_order_relaxed)) {
    }
}

// The leader builds and submits the next batch of a queue, in whose ring there is room. False: nothing may be taken.
bool fmi_engine_form(fmi_engine *engine, uint32_t q)
{
    fmi_queue *queue = &engine->queues[q];
    fmi_portion portion;
    bool lost = atomic_load_explicit(&engine->lost, memory_order_relaxed);
    fmi_backlog_take(&engine->backlog, &(fmi_pick){engine->queue_count > 1, q, fmi_queue_has_long(queue), lost},
                     &portion);
    if (portion.lists == 0) {
        return false;
    }
    uint64_t head = atomic_load_explicit(&queue->head, memory_order_relaxed);
    fmi_batch *batch = &queue->ring[head % FMI_MOST_BATCHES];
    atomic_fetch_add(&engine->lists_in_flight, portion.lists);
    if (q == 0) {
        count_returned(engine, portion.lists);
    }
    queue->longest_ns = portion.longest_ns;
    batch->first = portion.first;
    batch->lists = portion.lists;
    batch->is_long = portion.is_long;
    note_order(engine, q, batch);
    fmi_batch_plan plan = {0};
    batch->value = atomic_load_explicit(&queue->submitted_value, memory_order_relaxed);
    fmi_error_state callers; // the thread that leads works for others: its own last error stays
    fmi_error_save(&callers);
    batch->status = build(engine, q, batch, &portion, &plan);
    if (batch->status != FM_OK) {
        fmi_error_describe(batch->sentence, sizeof batch->sentence);
        fmi_error_restore(&callers);
    }
    // A list on another queue that uses the memory may be retired before this batch: it has to find this noted. Not of
    // memory that was taken over: what used it before must not find that, and whoever uses it next comes behind the
    // fill's stream.
    for (const fmi_list *list = batch->status != FM_OK && engine->record ? batch->first : NULL; list;
         list = list->next) {
        if (list->is_fill && !list->stream) {
            fmi_record_note_unzeroed(engine->record, list);
        }
    }
    for (fmi_list *list = batch->first; list && FMI_ABLATED(engine->ablations, FM_ABLATE_FREE_AFTER_DONE);
         list = list->next) {
        fmi_record_release_holds(engine->record, list, true, true);
    }
    batch->plan = plan;
    batch->submitted_ns = fmi_now_ns();
    atomic_store(&queue->head, head + 1);
    return true;
}

void fmi_engine_read_failures(const fmi_engine *engine, const fmi_batch *batch)
{
    if (batch->plan.asks_failures && batch->status == FM_OK && engine->ops->read_failures) {
        engine->ops->read_failures(engine->backend, &batch->plan);
    }
}

void fmi_engine_learn(fmi_engine *engine, const fmi_batch *batch)
{
    // Without the holds, as that ablation has it, the kernels may be gone.
    if (!batch->plan.wave_ns || batch->status != FM_OK || FMI_ABLATED(engine->ablations, FM_ABLATE_FREE_AFTER_DONE) ||
        FMI_ABLATED(engine->ablations, FM_ABLATE_HOLD_KERNELS)) {
        return;
    }
    if (engine->ops->read_times) {
        engine->ops->read_times(engine->backend, &batch->plan);
    }
    fmi_cost_learn(&batch->plan, &engine->slowest_ns);
}
