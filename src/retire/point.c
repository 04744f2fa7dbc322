// Points: poll, wait, callbacks, cancelling; and what a stream does beyond its last point to be of use again. See
// retire.h. Any thread. Holds no lock while it waits (READ-2, LEARNED-4).
#include "base/clock.h"
#include "base/error.h"
#include "retire/retire.h"

#include <stdlib.h>

static bool is_null(fm_point point)
{
    return point.stream.id == 0;
}

fm_status fmi_point_refuse_future(fm_point point, uint64_t committed, const char *caller)
{
    if (committed == 0) {
        return fmi_fail_in(caller, FM_ERROR_INVALID_ARGUMENT,
                           "no commit has returned value %s of this stream yet; nothing has been committed to it",
                           fmi_number(point.value).text);
    }
    return fmi_fail_in(caller, FM_ERROR_INVALID_ARGUMENT,
                       "no commit has returned value %s of this stream yet; the last is %llu",
                       fmi_number(point.value).text, (unsigned long long)committed);
}

static fm_status refuse_stream(fmi_retirement *r, fm_point point, const char *caller)
{
    fm_status status = fmi_table_refuse(r->streams, point.stream.id);
    fmi_error_in(caller);
    return status;
}

// One look at a point, without holding its stream: the generation is checked before and after.
static fm_status look(fmi_retirement *r, fm_point point, const char *caller)
{
    fmi_stream *stream = (fmi_stream *)fmi_table_find(r->streams, point.stream.id);
    if (!stream) {
        return refuse_stream(r, point, caller);
    }
    // Acquire: pairs with retirement's store; read-back bytes and failures are visible.
    uint64_t completed = atomic_load_explicit(&stream->completed, memory_order_acquire);
    uint64_t committed =
        completed < point.value ? atomic_load_explicit(&stream->committed, memory_order_acquire) : completed;
    // Acquire, all three: the second look at the generation comes after them.
    uint32_t failures = atomic_load_explicit(&stream->failure_count, memory_order_acquire);
    if (fmi_table_find(r->streams, point.stream.id) != &stream->slot) {
        return refuse_stream(r, point, caller);
    }
    if (completed < point.value) {
        return point.value > committed ? fmi_point_refuse_future(point, committed, caller) : FM_NOT_READY;
    }
    if (failures == 0) {
        return FM_OK;
    }
    fmi_slot *held;
    fm_status status = fmi_table_hold(r->streams, point.stream.id, &held);
    if (status == FM_OK) {
        status = fmi_stream_status((fmi_stream *)held, point.value, caller);
        fmi_table_release(r->streams, held);
    }
    return status;
}

fm_status fmi_point_poll(fmi_retirement *r, fm_point point, const char *caller)
{
    if (is_null(point)) {
        return FM_OK;
    }
    fm_status status = look(r, point, caller);
    if (status != FM_NOT_READY) {
        return status;
    }
    fmi_progress(r);
    status = look(r, point, caller);
    return status == FM_NOT_READY ? fmi_answer(FM_NOT_READY) : status; // asked often: no sentence of its own
}

typedef struct target {
    fmi_stream *stream;
    uint64_t value;
} target;

static bool is_complete(void *context)
{
    const target *t = context;
    return atomic_load(&t->stream->completed) >=
           t->value; // sequentially consistent: a sleeper's last look (fmi_fall_asleep)
}

static uint64_t batch_of(void *context, uint64_t submitted)
{
    const target *t = context;
    return fmi_stream_batch_of(t->stream, t->value, submitted);
}

fm_status fmi_stream_wait(fmi_retirement *r, fmi_stream *stream, uint64_t value, uint64_t timeout_ns,
                          const char *caller)
{
    target t = {stream, value};
    fm_status status = fmi_wait_until_batch(r, is_complete, batch_of, &t, timeout_ns);
    if (status == FM_OK) {
        return fmi_stream_status(stream, value, caller);
    }
    if (stream->is_host) {
        return fmi_fail_in(caller, status, "%llu ns went by, and %s has not been signalled",
                           (unsigned long long)timeout_ns, fmi_stream_named(stream).text);
    }
    return fmi_fail_in(caller, status, "%llu ns went by before value %llu of %s was complete%s",
                       (unsigned long long)timeout_ns, (unsigned long long)value, fmi_stream_named(stream).text,
                       fmi_host_points_blame(r).text);
}

fm_status fmi_point_wait(fmi_retirement *r, fm_point point, uint64_t timeout_ns, const char *caller)
{
    if (is_null(point)) {
        return FM_OK;
    }
    fm_status status = look(r, point, caller);
    if (status != FM_NOT_READY) {
        return status;
    }
    fmi_slot *held; // the stream may be destroyed while this thread waits
    status = fmi_table_hold(r->streams, point.stream.id, &held);
    if (status != FM_OK) {
        fmi_error_in(caller);
        return status;
    }
    status = fmi_stream_wait(r, (fmi_stream *)held, point.value, timeout_ns, caller);
    fmi_table_release(r->streams, held);
    return status;
}

// Calls back at once, through the keeper.
static void queue_now(fmi_retirement *r, fmi_callback *callback, fm_status status)
{
    callback->status = status;
    callback->next = NULL;
    fmi_keeper_queue(r, callback);
}

// Leaves the callback with its stream, unless the point completes meanwhile.
static void leave_with_stream(fmi_retirement *r, fmi_stream *stream, fmi_callback *callback)
{
    pthread_mutex_lock(&stream->lock);
    callback->next = stream->callbacks;
    stream->callbacks = callback;
    // Sequentially consistent: see collect_callbacks in retire.c.
    atomic_fetch_add(&stream->callback_count, 1);
    if (atomic_load(&stream->completed) >= callback->point.value) {
        stream->callbacks = callback->next;
        atomic_fetch_sub(&stream->callback_count, 1);
        // Under the lock, so that no later completion's callback is queued before it.
        queue_now(r, callback, fmi_stream_status_locked(stream, callback->point.value));
    }
    pthread_mutex_unlock(&stream->lock);
}

fm_status fmi_point_on_complete(fmi_retirement *r, fm_point point, fm_completion_callback function, void *user)
{
    fmi_slot *held = NULL;
    if (!is_null(point)) {
        fm_status status = fmi_table_hold(r->streams, point.stream.id, &held);
        if (status != FM_OK) {
            fmi_error_in("fm_point_on_complete");
            return status;
        }
        uint64_t committed = atomic_load_explicit(&((fmi_stream *)held)->committed, memory_order_acquire);
        if (point.value > committed) {
            fmi_table_release(r->streams, held);
            return fmi_point_refuse_future(point, committed, "fm_point_on_complete");
        }
    }
    fmi_callback *callback = malloc(sizeof *callback);
    if (!callback) {
        if (held) {
            fmi_table_release(r->streams, held);
        }
        return fmi_fail_in("fm_point_on_complete", FM_ERROR_OUT_OF_HOST_MEMORY, "no host memory for a callback");
    }
    *callback = (fmi_callback){.point = point, .function = function, .user = user};
    if (held) {
        leave_with_stream(r, (fmi_stream *)held, callback);
        fmi_table_release(r->streams, held);
    } else {
        queue_now(r, callback, FM_OK);
    }
    return FM_OK;
}

// Clears the failure if nothing is under way. Under the order lock no list gets a value meanwhile, so no new failure
// can be wiped out.
static bool clear_failure(fmi_stream *stream)
{
    pthread_mutex_lock(&stream->order);
    bool idle = atomic_load_explicit(&stream->completed, memory_order_acquire) ==
                atomic_load_explicit(&stream->committed, memory_order_relaxed);
    if (idle) {
        atomic_store_explicit(&stream->failed, 0, memory_order_release);
    }
    pthread_mutex_unlock(&stream->order);
    return idle;
}

fm_status fmi_stream_reset(fmi_retirement *r, fmi_stream *stream, uint64_t timeout_ns)
{
    uint64_t deadline = fmi_deadline(timeout_ns);
    do {
        if (atomic_load_explicit(&r->engine->lost, memory_order_acquire)) {
            char cause[FMI_ROOT_BYTES] = "";
            if (atomic_load_explicit(&stream->failed, memory_order_relaxed)) {
                fmi_root root;
                fmi_stream_root(stream, UINT64_MAX, &root);
                fmi_root_describe(root.stream.text, root.cause, cause, sizeof cause);
            }
            return fmi_fail_in("fm_stream_reset", FM_ERROR_DEVICE_LOST, "the device is lost, which nothing clears%s%s",
                               cause[0] ? ": " : "", cause);
        }
        // What is under way may fail yet. Later commits are not waited for.
        target t = {stream, atomic_load_explicit(&stream->committed, memory_order_acquire)};
        if (fmi_wait_until(r, is_complete, &t, fmi_remaining_ns(deadline)) != FM_OK) {
            return fmi_fail_in("fm_stream_reset", FM_TIMEOUT,
                               "%llu ns went by before earlier work of %s was complete%s",
                               (unsigned long long)timeout_ns, fmi_stream_named(stream).text,
                               fmi_host_points_blame(r).text);
        }
    } while (atomic_load_explicit(&stream->failed, memory_order_acquire) && !clear_failure(stream));
    return FM_OK;
}

fm_status fmi_point_cancel(fmi_retirement *r, fmi_stream *stream, fm_point point)
{
    uint64_t committed = atomic_load_explicit(&stream->committed, memory_order_acquire);
    if (point.value > committed) {
        return fmi_point_refuse_future(point, committed, "fm_point_cancel");
    }
    if (stream->is_host) {
        fmi_host_point_cancel(r, stream, "cancelled");
        return FM_OK;
    }
    if (fmi_stream_is_over(stream, point.value)) {
        return FM_OK;
    }
    bool is_cancelled = fmi_engine_cancel(r->engine, stream, point.value);
    fmi_places_grant(r); // what only that list kept is free
    fmi_progress(r);     // gives up nothing that others pushed meanwhile, and retires the list if its turn has come
    fmi_keeper_notify(r);
    if (is_cancelled || fmi_stream_is_over(stream, point.value)) {
        return FM_OK;
    }
    return fmi_fail_in("fm_point_cancel", FM_NOT_READY, "value %llu of %s was given to the device before, and will run",
                       (unsigned long long)point.value, fmi_stream_named(stream).text);
}
