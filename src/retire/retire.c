// The ordered drainer. See retire.h. Per batch: status, read-backs, points, callbacks, holds, memory.
// Runs on whichever thread gets the lock by trying: no thread waits for it in order to retire. Threads that blocked for
// a batch queue for it behind the one that retires that (block_for in wait.c).
#include "retire/retire.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/thread.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// What a list fails with because of `stream`'s failure: the one root, through however many streams.
static fm_status fail_with_root(fmi_stream *stream, uint64_t value, fmi_root *out)
{
    fmi_stream_root(stream, value, out);
    if (!out->stream.text[0]) {
        out->stream = fmi_stream_named(stream);
    }
    if (!out->cause[0]) {
        snprintf(out->cause, sizeof out->cause, "the stream was stopped");
    }
    return FM_ERROR_DEPENDENCY;
}

// Was a buffer that the list uses never zeroed, because its fill failed? Looked at only after such a failure.
static bool uses_unzeroed(const fmi_retirement *r, const fmi_list *list)
{
    if (atomic_load_explicit(&r->record->zero_failures, memory_order_acquire) == 0) {
        return false;
    }
    for (const fmi_hold_chunk *chunk = list->buffers; chunk; chunk = chunk->next) {
        for (uint32_t i = 0; i < chunk->count; i++) {
            const fmi_memory *memory = ((fmi_buffer *)chunk->slots[i])->memory;
            if (memory && atomic_load_explicit(&memory->unzeroed, memory_order_relaxed)) {
                return true;
            }
        }
    }
    return false;
}

// What a list answers, and why, for its stream.
static fm_status list_outcome(const fmi_retirement *r, const fmi_batch *batch, const fmi_list *list, uint32_t index,
                              fmi_root *out)
{
    *out = (fmi_root){0};
    fmi_phrase named = fmi_named("list", list->label);
    if (list->cancelled) {
        snprintf(out->cause, sizeof out->cause, "%s was cancelled before it ran", named.text);
        return FM_ERROR_CANCELLED;
    }
    if (batch->status == FM_ERROR_DEVICE_LOST) { // each is told the cause, not that a list before it had the same
        snprintf(out->cause, sizeof out->cause, "%s was not run: %s", named.text, batch->sentence);
        return batch->status;
    }
    if (list->stream && atomic_load_explicit(&list->stream->failed, memory_order_relaxed)) {
        return fail_with_root(list->stream, list->value, out);
    }
    for (uint32_t i = 0; i < list->after_count; i++) {
        if (fmi_stream_status(list->after[i].stream, list->after[i].value, NULL) != FM_OK) {
            return fail_with_root(list->after[i].stream, list->after[i].value, out);
        }
    }
    if (batch->status != FM_OK) {
        snprintf(out->cause, sizeof out->cause, "%s was not run: %s", named.text, batch->sentence);
        return batch->status;
    }
    if (uses_unzeroed(r, list)) {
        snprintf(out->cause, sizeof out->cause, "%s uses a buffer whose memory could not be zeroed", named.text);
        return FM_ERROR_BACKEND;
    }
    fm_status status = list->status != FM_OK ? list->status : batch->list_status[index];
    if (status == FM_ERROR_DEPENDENCY) {
        snprintf(out->cause, sizeof out->cause, "it depends on work that failed");
    } else if (status != FM_OK) {
        fmi_failures_explain(list, batch->list_reason[index], out->cause, sizeof out->cause);
    }
    return status;
}

// Moves the callbacks that the stream's progress made due to the keeper, by rising value.
static void collect_callbacks(fmi_retirement *r, fmi_stream *stream)
{
    // Pairs with the count's increment in leave_with_stream (point.c): `completed` was stored before this load, the
    // count is raised before `completed` is loaded there, so one of the two sees the other.
    if (atomic_load(&stream->callback_count) == 0) {
        return;
    }
    fmi_callback *due = NULL;
    pthread_mutex_lock(&stream->lock);
    uint64_t completed = atomic_load_explicit(&stream->completed, memory_order_relaxed);
    fmi_callback **link = &stream->callbacks;
    while (*link) {
        fmi_callback *callback = *link;
        if (callback->point.value > completed) {
            link = &callback->next;
            continue;
        }
        *link = callback->next;
        atomic_fetch_sub(&stream->callback_count, 1);
        fmi_callback **place = &due;
        while (*place && (*place)->point.value <= callback->point.value) {
            place = &(*place)->next;
        }
        callback->next = *place;
        *place = callback;
        callback->status = fmi_stream_status_locked(stream, callback->point.value);
    }
    if (due) {
        fmi_keeper_queue(r, due); // under the lock: the stream's callbacks are queued in the order of their completion
    }
    pthread_mutex_unlock(&stream->lock);
}

void fmi_retirement_publish(fmi_retirement *r, fmi_stream *stream, uint64_t value)
{
    // Release: who sees the value sees the read-back bytes and the failure (READ-3). Sequentially consistent for
    // collect_callbacks.
    atomic_store(&stream->completed, value);
    collect_callbacks(r, stream);
}

static void release_list(fmi_retirement *r, fmi_list *list)
{
    for (uint32_t i = 0; i < list->after_count; i++) {
        fmi_table_release(r->streams, &list->after[i].stream->slot);
    }
    fmi_stream *stream = list->stream;
    fmi_record_drop_list(r->record, list);
    if (stream) {
        fmi_table_release(r->streams, &stream->slot);
    }
}

// Is a failure lost, because a guard is missing? KEEP_FAILURES: any; KEEP_EVERY_FAILURE: all but the first.
static bool is_swept_away(const fmi_retirement *r)
{
    return FMI_ABLATED(r->ablations, FM_ABLATE_KEEP_FAILURES) ||
           (FMI_ABLATED(r->ablations, FM_ABLATE_KEEP_EVERY_FAILURE) &&
            atomic_load_explicit(&r->failures.total, memory_order_relaxed) > 0);
}

static void retire_list_locked(fmi_retirement *r, const fmi_batch *batch, fmi_list *list, uint32_t index,
                               bool keep_holds)
{
    fmi_root root;
    fm_status status = list_outcome(r, batch, list, index, &root);
    if (status == FM_OK) {
        for (fmi_readback *readback = list->readbacks; readback; readback = readback->next) {
            memcpy(readback->destination, readback->source, readback->size_bytes);
        }
    }
    fmi_stream *stream = list->stream;
    bool keep_failure = status != FM_OK && !is_swept_away(r);
    // A dependency's root has its own record; what the program cancelled was no failure.
    if (keep_failure && status != FM_ERROR_DEPENDENCY && status != FM_ERROR_CANCELLED) {
        fmi_failures_note(&r->failures, list, stream ? stream->id : 0, status, root.cause);
    }
    if (list->is_fill && status != FM_OK) {
        fmi_record_note_unzeroed(r->record, list); // before the point: who may take the memory over then sees it
    }
    if (stream) {
        if (keep_failure) {
            fmi_stream_note_failure(stream, list->value, status, &root);
        }
        FMI_ASSERT("RETIRE-9", list->value > atomic_load_explicit(&stream->completed, memory_order_relaxed) ||
                                   FMI_ABLATED(r->ablations, FM_ABLATE_ORDERED_PUBLISH));
        fmi_retirement_publish(r, stream, list->value);
    }
    bool keep = keep_holds || (FMI_ABLATED(r->ablations, FM_ABLATE_RETIRE_ON_READ) && atomic_load(&r->reading));
    if (keep) {
        list->next = r->lost;
        r->lost = list;
        atomic_fetch_sub(&r->outstanding, 1);
    } else {
        list->next = r->done; // let go of after the lock: freeing memory and kernels may take long
        r->done = list;
    }
}

static void retire_batch_locked(fmi_retirement *r, const fmi_queue *queue, fmi_batch *batch, bool lost)
{
    fmi_list *list = batch->first;
    for (uint32_t i = 0; list; i++) {
        fmi_list *next = list->next;
        // A batch that was never submitted holds nothing that the device could still use.
        retire_list_locked(r, batch, list, i,
                           lost && batch->value > atomic_load_explicit(&queue->retired_value, memory_order_relaxed));
        list = next;
    }
    atomic_fetch_sub(&r->engine->lists_in_flight, batch->lists);
}

// What two threads that publish without an order can do: the newest complete batch first.
static void retire_backwards_locked(fmi_retirement *r, fmi_queue *queue, uint64_t reached)
{
    uint64_t tail = atomic_load(&queue->tail), end = tail;
    while (end != atomic_load(&queue->head) && queue->ring[end % FMI_MOST_BATCHES].value <= reached) {
        end++;
    }
    for (uint64_t i = end; i-- > tail;) {
        retire_batch_locked(r, queue, &queue->ring[i % FMI_MOST_BATCHES], false);
    }
    if (end > tail) {
        atomic_store(&queue->retired_value, queue->ring[(end - 1) % FMI_MOST_BATCHES].value);
        atomic_store(&queue->tail, end);
    }
}

// Have the batches of other queues that it follows been retired?
static bool is_next(const fmi_engine *engine, const fmi_batch *batch)
{
    for (uint32_t q = 0; q < engine->queue_count; q++) {
        if (batch->follows[q] > atomic_load_explicit(&engine->queues[q].tail, memory_order_relaxed)) {
            return false;
        }
    }
    return true;
}

// Retires a queue's batches that are complete and next, or that never will be complete, because the device is lost. `cause`: what the driver
// says of that, behind ": ", or nothing. False: none.
static bool retire_queue_locked(fmi_retirement *r, fmi_queue *queue, uint64_t reached, bool lost, const char *cause)
{
    uint64_t first = atomic_load_explicit(&queue->tail, memory_order_relaxed), tail = first;
    bool held = false;
    // Acquire: pairs with the leader's store of head; the batch's fields are there.
    while (tail != atomic_load_explicit(&queue->head, memory_order_acquire)) {
        fmi_batch *batch = &queue->ring[tail % FMI_MOST_BATCHES];
        bool done = batch->value <= reached;
        if ((!done && !lost) || !is_next(r->engine, batch)) {
            held = done;
            break;
        }
        if (!done && batch->status == FM_OK) {
            batch->status = FM_ERROR_DEVICE_LOST;
            snprintf(batch->sentence, sizeof batch->sentence, "the device was lost while the work ran%s", cause);
        }
        if (done) {
            fmi_engine_read_failures(r->engine, batch);
            fmi_engine_learn(r->engine, batch);
            fmi_waiting_note_latency_locked(&r->waiting, fmi_now_ns() - batch->submitted_ns);
        }
        uint64_t value = batch->value;
        r->retired_short += queue == &r->engine->queues[0] ? batch->lists : 0;
        retire_batch_locked(r, queue, batch, !done);
        atomic_store_explicit(&queue->retired_value, value, memory_order_release);
        tail++;
        // Sequentially consistent for fmi_engine_kick: room first, then the look for work.
        atomic_store(&queue->tail, tail);
    }
    atomic_store_explicit(&queue->held, held, memory_order_relaxed);
    return tail != first;
}

// Retires every batch that is complete. False: none was.
static bool retire_complete_locked(fmi_retirement *r)
{
    r->retired_short = 0;
    fmi_engine *engine = r->engine;
    uint64_t reached[FMI_MOST_QUEUES] = {0};
    char cause[200] = "";
    for (uint32_t q = 0; q < engine->queue_count; q++) {
        if (fmi_queue_in_flight(&engine->queues[q]) == 0) {
            continue;
        }
        fm_status status = engine->ops->completed(engine->backend, q, &reached[q]);
        if (status == FM_ERROR_DEVICE_LOST) {
            snprintf(cause, sizeof cause, ": %.190s", fm_last_error());
            atomic_store_explicit(&engine->lost, 1, memory_order_release);
        }
        if (FMI_ABLATED(r->ablations, FM_ABLATE_ORDERED_PUBLISH)) {
            retire_backwards_locked(r, &engine->queues[q], reached[q]);
        }
    }
    bool lost = atomic_load_explicit(&engine->lost, memory_order_acquire);
    // What one queue's batch followed may have been retired from another: round after round, until nothing more is.
    bool any = false, more = true;
    while (more) {
        more = false;
        for (uint32_t q = 0; q < engine->queue_count; q++) {
            more = retire_queue_locked(r, &engine->queues[q], reached[q], lost, cause) || more;
        }
        any = any || more;
        more = more && engine->queue_count > 1;
    }
    return any;
}

void fmi_settle(fmi_retirement *r)
{
    if (!atomic_load(&r->unsettled)) {
        return;
    }
    fmi_list *list = atomic_exchange(&r->unsettled, NULL);
    while (list) {
        fmi_list *next = list->next;
        fmi_retirement_let_go(r, list);
        list = next;
    }
}

static void add_unsettled(fmi_retirement *r, fmi_list *first)
{
    fmi_list *last = first;
    while (last->next) {
        last = last->next;
    }
    last->next = atomic_load_explicit(&r->unsettled, memory_order_relaxed);
    // Sequentially consistent: whoever retires in a hurry then looks whether somebody waits for a place.
    while (!atomic_compare_exchange_weak(&r->unsettled, &last->next, first)) {
    }
}

void fmi_progress_unsettled(fmi_retirement *r)
{
    // Whoever holds the lock retires for all and kicks afterwards; this thread goes on.
    if (fmi_engine_in_flight(r->engine) > 0 && pthread_mutex_trylock(&r->lock) == 0) {
        fmi_error_state callers; // retiring is work for others: this thread's own last error stays
        fmi_error_save(&callers);
        fmi_float_state environment;
        fmi_float_enter(&environment);
        uint32_t returning =
            (uint32_t)(atomic_load(&r->waiters) >> 32); // before the first of them sees that it may leave
        bool any = retire_complete_locked(r);
        if (any) {
            fmi_engine_note_retired(r->engine, returning, r->retired_short);
        }
        fmi_float_leave(&environment);
        fmi_error_restore(&callers);
        fmi_list *done = r->done;
        r->done = NULL;
        pthread_mutex_unlock(&r->lock);
        fmi_engine_kick(r->engine); // the device gets work before threads are woken and memory is put in order
        if (any) {
            fmi_waiting_wake(&r->waiting);
            fmi_places_grant(r); // a lost device's lists are counted out and kept
        }
        if (done) {
            add_unsettled(r, done);
        }
        return;
    }
    fmi_engine_kick(r->engine);
}

void fmi_progress(fmi_retirement *r)
{
    fmi_progress_unsettled(r);
    fmi_settle(r);
}

void fmi_retirement_let_go(fmi_retirement *r, fmi_list *list)
{
    // Acquire-release: the second party sees what the first did with the list.
    if (atomic_fetch_sub_explicit(&list->parties, 1, memory_order_acq_rel) == 1) {
        release_list(r, list);
        atomic_fetch_sub(&r->outstanding, 1); // last: until here a close waits
        fmi_places_grant(r);
    }
}

fm_status fmi_retirement_init(fmi_retirement *r, fmi_engine *engine, fmi_record_room *record, fmi_table *streams,
                              const fmi_ablations *ablations, const fmi_retirement_settings *settings)
{
    memset(r, 0, sizeof *r);
    r->engine = engine;
    r->record = record;
    r->streams = streams;
    r->ablations = ablations;
    r->keeper.absent = !settings->has_keeper;
    fm_status status = fmi_failures_init(&r->failures, settings->failures_kept);
    if (status != FM_OK) {
        return status;
    }
    pthread_mutex_init(&r->lock, NULL);
    fmi_waiting_init(&r->waiting, settings->spin_ns, settings->waits_directly);
    fmi_places_init(&r->places, settings->most_bytes);
    pthread_mutex_init(&r->hosts.lock, NULL);
    status = fmi_keeper_start(r);
    if (status != FM_OK) {
        pthread_mutex_destroy(&r->hosts.lock);
        fmi_places_destroy(&r->places);
        fmi_waiting_destroy(&r->waiting);
        pthread_mutex_destroy(&r->lock);
        fmi_failures_destroy(&r->failures);
    }
    return status;
}

void fmi_retirement_destroy(fmi_retirement *r)
{
    fmi_keeper_stop(r);
    while (r->lost) {
        fmi_list *list = r->lost;
        r->lost = list->next;
        release_list(r, list);
    }
    pthread_mutex_destroy(&r->hosts.lock);
    fmi_places_destroy(&r->places);
    fmi_waiting_destroy(&r->waiting);
    fmi_failures_destroy(&r->failures);
    pthread_mutex_destroy(&r->lock);
}
