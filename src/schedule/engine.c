// Submit engine. See engine.h.
// Pushing is lock-free; everything between taking and giving up the seat is the leader's alone.
#include "schedule/engine.h"

#include "base/clock.h"
#include "base/error.h"
#include "schedule/cost.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MOST_GATHERED_NS = 250000, // lists are not kept back behind longer work: planning them meanwhile is worth more
    KNOWN_EVERY = 512,         // one batch in so many is timed where that costs much and nothing new would be learned
};

void fmi_engine_init(fmi_engine *engine, const fmi_backend_ops *ops, fmi_backend *backend, fmi_record_room *record,
                     const fmi_ablations *ablations, uint32_t depth)
{
    memset(engine, 0, sizeof *engine);
    engine->ops = ops;
    engine->backend = backend;
    engine->record = record;
    engine->ablations = ablations;
    engine->depth = depth;
    fmi_backlog_init(&engine->backlog);
}

void fmi_engine_destroy(fmi_engine *engine)
{
    fmi_planner_free(&engine->planner);
    for (uint32_t i = 0; i < FMI_MOST_BATCHES; i++) {
        fmi_plan_arrays_free(&engine->ring[i].arrays);
        free(engine->ring[i].list_status);
        engine->ring[i].list_status = NULL;
        free((void *)engine->ring[i].list_reason);
        engine->ring[i].list_reason = NULL;
    }
}

void fmi_engine_push(fmi_engine *engine, fmi_list *list)
{
    atomic_fetch_add(&engine->queued, 1);
    fmi_list *newest = atomic_load_explicit(&engine->incoming, memory_order_relaxed);
    do {
        list->next = newest;
        // Sequentially consistent, see fmi_engine_kick; its release part pairs with the drain's acquire.
    } while (!atomic_compare_exchange_weak(&engine->incoming, &newest, list));
}

// Moves all incoming lists into the backlog, oldest first.
static void drain(fmi_engine *engine)
{
    fmi_list *newest = atomic_exchange(&engine->incoming, NULL);
    fmi_list *oldest = NULL;
    while (newest) {
        fmi_list *older = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = older;
    }
    uint32_t slowest_ns = atomic_load_explicit(&engine->slowest_ns, memory_order_relaxed);
    while (oldest) {
        fmi_list *next = oldest->next;
        fmi_backlog_add(&engine->backlog, oldest, slowest_ns);
        oldest = next;
    }
}

// Is a batch in flight that holds a long list?
static bool long_in_flight(const fmi_engine *engine)
{
    uint64_t head = atomic_load_explicit(&engine->head, memory_order_relaxed);
    for (uint64_t i = atomic_load(&engine->tail); i != head; i++) {
        if (engine->ring[i % FMI_MOST_BATCHES].is_long) {
            return true;
        }
    }
    return false;
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
    }
    const char **reasons = realloc((void *)batch->list_reason, capacity * sizeof *reasons);
    if (reasons) {
        batch->list_reason = reasons;
    }
    if (!statuses || !reasons) {
        return false;
    }
    batch->list_capacity = capacity;
    return true;
}

static fm_status plan_lists(fmi_engine *engine, fmi_batch *batch, fmi_batch_plan *plan)
{
    uint32_t index = 0;
    uint64_t next = atomic_load_explicit(&engine->submitted_value, memory_order_relaxed) + 1;
    for (fmi_list *list = batch->first; list; list = list->next, index++) {
        batch->list_status[index] = FM_OK;
        batch->list_reason[index] = NULL;
        list->status = decide(engine, list);
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

// One batch in FMI_TIMED_EVERY is timed. Where the device is this machine's processors a timestamp costs it dozens of microseconds, so there it is one
// in KNOWN_EVERY once the costs are known.
static bool is_timed(const fmi_engine *engine, const fmi_batch_plan *plan)
{
    uint64_t number = atomic_load_explicit(&engine->head, memory_order_relaxed);
    return number % FMI_TIMED_EVERY == 0 &&
           (!engine->times_rarely || number % KNOWN_EVERY == 0 || !fmi_cost_knows(plan));
}

static fm_status submit(fmi_engine *engine, fmi_batch *batch, fmi_batch_plan *plan)
{
    uint64_t submitted = atomic_load_explicit(&engine->submitted_value, memory_order_relaxed);
    batch->value = submitted; // nothing to run: complete when everything before it is
    if (plan->command_count == 0) {
        return FM_OK;
    }
    plan->value = submitted + 1;
    plan->list_status = batch->list_status;
    plan->list_reason = batch->list_reason;
    if (is_timed(engine, plan)) {
        memset(batch->wave_ns, 0, sizeof batch->wave_ns);
        plan->wave_ns = batch->wave_ns;
    }
    // Regions name ranges, and recycled memory may be cut otherwise than before: its old uses are over, but only a barrier orders them.
    uint64_t recycled =
        engine->record ? atomic_load_explicit(&engine->record->pool->recycled, memory_order_relaxed) : 0;
    plan->after_in_flight |= submitted > 0 && recycled != engine->recycled;
    fm_status status = engine->ops->submit(engine->backend, plan);
    if (status == FM_OK) {
        engine->recycled = recycled;
        batch->value = submitted + 1;
        fmi_planner_note_submitted(&engine->planner, plan);
        count_submission(engine, batch, plan);
        // Release: who waits for this value finds it submitted.
        atomic_store_explicit(&engine->submitted_value, submitted + 1, memory_order_release);
    } else if (status == FM_ERROR_DEVICE_LOST) {
        atomic_store_explicit(&engine->lost, 1, memory_order_release);
    }
    return status;
}

// Builds and submits one batch. The caller has the seat and room in the ring. False: there was nothing that may be taken.
static bool lead(fmi_engine *engine)
{
    fmi_error_state callers; // the thread that leads works for others: its own last error stays
    fmi_error_save(&callers);
    drain(engine);
    fmi_share share;
    fmi_backlog_take(&engine->backlog, long_in_flight(engine), &share);
    if (share.lists == 0) {
        return false;
    }
    uint64_t head = atomic_load_explicit(&engine->head, memory_order_relaxed);
    fmi_batch *batch = &engine->ring[head % FMI_MOST_BATCHES];
    fm_status status = FM_OK;
    if (!room_for_lists(batch, share.lists)) {
        // Retirement needs a status a list only where something was submitted.
        status = fmi_fail(FM_ERROR_OUT_OF_HOST_MEMORY, "no host memory for a batch of %u lists", share.lists);
    }
    atomic_fetch_sub(&engine->queued, share.lists);
    atomic_store_explicit(&engine->longest_ns, share.longest_ns, memory_order_relaxed);
    batch->first = share.first;
    batch->is_long = share.is_long;
    fmi_batch_plan plan = {0};
    if (status == FM_OK && atomic_load_explicit(&engine->lost, memory_order_relaxed)) {
        status = fmi_fail(FM_ERROR_DEVICE_LOST, "the device was lost before the work was submitted");
    }
    engine->planner.ignore_hazards = FMI_ABLATED(engine->ablations, FM_ABLATE_BARRIERS);
    if (status == FM_OK) {
        status = fmi_planner_begin(&engine->planner, &batch->arrays, share.commands);
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
    batch->plan = plan;
    batch->status = status;
    if (status != FM_OK) {
        snprintf(batch->sentence, sizeof batch->sentence, "%s", fm_last_error());
        fmi_error_restore(&callers);
    }
    atomic_store(&engine->head, head + 1);
    return true;
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

void fmi_engine_note_retired(fmi_engine *engine, uint32_t waiters)
{
    if (engine->gather_ns == 0) {
        return;
    }
    uint32_t wanted = atomic_load_explicit(&engine->wanted, memory_order_relaxed);
    // Rises at once, falls by a quarter of the difference.
    wanted = waiters >= wanted ? waiters : wanted - (wanted - waiters + 3) / 4;
    atomic_store_explicit(&engine->gather_until, fmi_now_ns() + engine->gather_ns, memory_order_relaxed);
    atomic_store(&engine->wanted, wanted);
}

// A queue takes a submission at a time and runs one after the other, so lists of threads that all wait are worth more together: they are kept
// back while short work is in flight, and for a moment after it, until as many lists are there as threads lately waited. Whoever keeps
// back is followed by another kick: retirement's while something is in flight, else that of the thread that polls (ENGINE-1).
static bool keeps_back(const fmi_engine *engine)
{
    uint32_t wanted = engine->gather_ns ? atomic_load(&engine->wanted) : 0;
    if (wanted < 2 || atomic_load(&engine->queued) >= wanted) {
        return false;
    }
    if (fmi_engine_in_flight(engine) > 0) {
        return atomic_load_explicit(&engine->longest_ns, memory_order_relaxed) <= MOST_GATHERED_NS;
    }
    return atomic_load(&engine->polled) &&
           fmi_now_ns() < atomic_load_explicit(&engine->gather_until, memory_order_relaxed);
}

void fmi_engine_kick(fmi_engine *engine)
{
    // No list is left behind (ENGINE-1). A thread that pushes and then finds the seat taken leaves: the leader loads `incoming` after it
    // gave up the seat. Retirement that makes room and finds the seat taken leaves: the leader loads `tail` after it gave up the
    // seat. Both pairs are store-then-load on each side, so push, seat, tail and the loads here are sequentially consistent.
    while (atomic_load(&engine->incoming) || atomic_load(&engine->backlog.count) > 0) {
        uint64_t tail = atomic_load(&engine->tail);
        if (fmi_engine_in_flight(engine) >= engine->depth || keeps_back(engine) || atomic_exchange(&engine->seat, 1)) {
            return;
        }
        // Room may have gone while the seat changed hands.
        bool led = fmi_engine_in_flight(engine) < engine->depth && lead(engine);
        atomic_store(&engine->seat, 0);
        // What is left waits for a push or for retirement, and either kicks.
        if (!led && !atomic_load(&engine->incoming) && atomic_load(&engine->tail) == tail) {
            return;
        }
    }
}
