// Submit engine: takes the lists that wait, from all threads and streams, and gives them to the backend as one planned
// batch. Whoever finds room (fewer than `depth` batches in flight) and the leader's seat free is the leader: it drains,
// plans, submits; engine.c has the steps. Nobody waits for the seat. Batches stand in their queue's ring from submit to
// retirement, in order; the leader alone adds, retirement alone removes. Where the device has several native queues,
// short lists have the first, and long ones the others.
#ifndef FMI_SCHEDULE_ENGINE_H
#define FMI_SCHEDULE_ENGINE_H

#include "base/ablation.h"
#include "record/recorder.h"
#include "schedule/backlog.h"
#include "schedule/planner.h"

enum {
    FMI_MOST_BATCHES = 16, // in flight at once, a queue
    FMI_TIMED_EVERY = 16,  // one batch in so many is timed
};

typedef struct fmi_batch {
    fmi_list *first; // its lists, in commit order
    uint32_t lists;
    uint64_t submitted_ns; // when it was given to the backend
    uint64_t value;        // complete when its queue has reached this
    uint64_t stamp;        // the planner's
    // Retired only when so many batches of the other queues have been: what its lists follow, in their streams or by
    // `after` points.
    uint64_t follows[FMI_MOST_QUEUES];
    fm_status status;       // FM_OK, or why submit failed: then all its lists failed
    char sentence[256];     // the cause, when status is not FM_OK
    fm_status *list_status; // one a list, see fmi_batch_plan
    char **list_reason;     // one a list; of those below list_capacity, NULL or the batch's own
    uint32_t list_capacity;
    fmi_plan_arrays arrays;
    bool is_long;        // holds a list of FMI_LONG_NS or more
    fmi_batch_plan plan; // as submitted
    uint32_t wave_ns[FMI_TIMED_WAVES];
} fmi_batch;

// Counters for fm_device_stats; the leader stores, anyone loads.
typedef struct fmi_engine_counters {
    _Atomic(uint64_t) submissions;
    _Atomic(uint64_t) dispatches;
    _Atomic(uint64_t) transfers;
    _Atomic(uint64_t) waves;
    _Atomic(uint64_t) barriers;
} fmi_engine_counters;

typedef struct fmi_queue {
    _Atomic(uint64_t) submitted_value; // last value given to the backend; stored by the leader
    _Atomic(uint64_t) retired_value;   // last value retired; stored by retirement
    _Atomic(uint64_t) head;            // batches added; stored by the leader with release
    _Atomic(uint64_t) tail;            // batches removed; stored by retirement with release
    // 1: its next batch is complete, but one that it follows is not; stored by retirement. A hint
    _Atomic(uint32_t) held;
    uint64_t longest_ns; // estimated work of the longest list of its last batch; the leader's
    uint64_t recycled;   // the pool's count when a batch last began with a barrier for it; the leader's
    // batch n is ring[n % FMI_MOST_BATCHES]; the leader's before head passes it, then retirement's
    fmi_batch ring[FMI_MOST_BATCHES];
} fmi_queue;

// What an engine is told; resolved once, when the device is opened (device/settings.h).
typedef struct fmi_engine_settings {
    uint32_t depth; // batches in flight at most, a queue
    uint32_t queue_count;
    bool times_rarely;  // timing slows the device down: it is on a CPU
    uint64_t gather_ns; // how long lists are kept back for others to join, on an idle device; 0: never
} fmi_engine_settings;

// What many threads store stands on cache lines of its own, apart from what all of them load.
typedef struct fmi_engine {
    // Constant:
    const fmi_backend_ops *ops;
    fmi_backend *backend;
    fmi_record_room *record; // whose pool says when memory was recycled; NULL in tests without memory
    const fmi_ablations *ablations;
    uint32_t depth; // batches in flight at most, a queue
    uint32_t queue_count;
    bool times_rarely;  // timing slows the device down: it is on a CPU
    uint64_t gather_ns; // how long lists are kept back for others to join, on an idle device; 0: never
    _Alignas(64) _Atomic(fmi_list *) incoming; // committed lists, newest first
    // Threads that wait without a pause: while there are any, one of them kicks again and again.
    _Alignas(64) _Atomic(uint32_t) polled;
    _Alignas(64) _Atomic(uint32_t) seat;            // 1: someone leads
    _Alignas(64) _Atomic(uint32_t) lists_in_flight; // lists in batches that have not been retired
    _Atomic(uint32_t) wanted;                       // threads that lately waited at the same time; stored by retirement
    _Atomic(uint64_t) gather_until;    // an idle device is kept waiting until then at most; stored by retirement
    _Atomic(uint32_t) returning;       // threads whose lists were just retired and that are not back yet; a hint
    _Atomic(uint64_t) returning_until; // those that are not back by then are not counted on; stored by retirement
    _Atomic(uint32_t) slowest_ns;      // the longest dispatch known; stored by retirement
    _Alignas(64) fmi_backlog backlog;  // drained but not yet in a batch; the leader's
    fmi_planner planner;               // the leader's
    _Atomic(uint32_t) lost;            // 1: the device is lost; nothing is submitted any more
    fmi_queue queues[FMI_MOST_QUEUES];
    fmi_engine_counters counters;
} fmi_engine;

void fmi_engine_init(fmi_engine *engine, const fmi_backend_ops *ops, fmi_backend *backend, fmi_record_room *record,
                     const fmi_ablations *ablations, const fmi_engine_settings *settings);

// Frees arrays. Nothing is pending or in flight.
void fmi_engine_destroy(fmi_engine *engine);

// Adds a list behind all that were added before. Lock-free; any thread. The caller then kicks.
void fmi_engine_push(fmi_engine *engine, fmi_list *list);

// Leads while there is work, room and a free seat; while the device is busy a few rounds at most, or one where somebody
// polls: no thread works for others without end. Any thread; never waits. A list pushed before is never left behind:
// this call or the current leader takes it, or something is in flight and retirement kicks again, or the poller kicks,
// and the last to stop polling kicks after that.
void fmi_engine_kick(fmi_engine *engine);

// Moves all incoming lists into the backlog, oldest first. The caller has the seat.
void fmi_engine_drain(fmi_engine *engine);

// Builds and submits the next batch of a queue (form.c). The caller has the seat, and there is room in the queue's
// ring. False: there was nothing that may be taken.
bool fmi_engine_form(fmi_engine *engine, uint32_t q);

// Cancels list `value` of the stream if it is in no batch yet: it keeps its place, and fails with FM_ERROR_CANCELLED
// when its turn comes. Takes the leader's seat for that, and looks for at most a while whether it comes free. False: it
// was too late, and the list runs. The caller then kicks (cancel.c).
bool fmi_engine_cancel(fmi_engine *engine, fmi_stream *stream, uint64_t value);

// The same for everything that is in no batch yet, but fills of new memory. False: the seat did not come free.
bool fmi_engine_cancel_all(fmi_engine *engine);

// Batches were retired while so many threads waited: those whose lists they were will soon come back. `lists`: of the
// queue for short ones. Called by retirement, before it kicks.
void fmi_engine_note_retired(fmi_engine *engine, uint32_t waiters, uint32_t lists);

// Has the backend say which lists of a batch have failed in a way that only the device noted. Complete, not yet
// retired. Called by retirement.
void fmi_engine_read_failures(const fmi_engine *engine, const fmi_batch *batch);

// Learns from a batch that was timed, is complete and not yet retired. Called by retirement.
void fmi_engine_learn(fmi_engine *engine, const fmi_batch *batch);

static inline uint64_t fmi_queue_in_flight(const fmi_queue *queue)
{
    // Sequentially consistent: see fmi_engine_kick.
    uint64_t tail = atomic_load(&queue->tail);
    return atomic_load(&queue->head) - tail;
}

// Is a batch in flight that holds a long list?
static inline bool fmi_queue_has_long(const fmi_queue *queue)
{
    uint64_t head = atomic_load_explicit(&queue->head, memory_order_relaxed);
    for (uint64_t i = atomic_load(&queue->tail); i != head; i++) {
        if (queue->ring[i % FMI_MOST_BATCHES].is_long) {
            return true;
        }
    }
    return false;
}

static inline uint64_t fmi_engine_in_flight(const fmi_engine *engine)
{
    uint64_t batches = 0;
    for (uint32_t q = 0; q < engine->queue_count; q++) {
        batches += fmi_queue_in_flight(&engine->queues[q]);
    }
    return batches;
}

// Is nothing on the device, on its way there, or led by anybody? Then what is in the backlog waits for the host. A
// hint.
static inline bool fmi_engine_is_idle(fmi_engine *engine)
{
    return !atomic_load(&engine->incoming) && !atomic_load(&engine->seat) && fmi_engine_in_flight(engine) == 0;
}

// Batches that have been retired: rises whenever one is.
static inline uint64_t fmi_engine_retired(const fmi_engine *engine)
{
    uint64_t batches = 0;
    for (uint32_t q = 0; q < engine->queue_count; q++) {
        batches += atomic_load(&engine->queues[q].tail);
    }
    return batches;
}

// What each queue is to reach next, for fmi_backend_ops.wait; 0 where nothing of it is on the device, or where that is
// reached already and the batch waits for another queue's to be retired. False: nothing is at all.
bool fmi_engine_next_values(const fmi_engine *engine, uint64_t out[FMI_MOST_QUEUES]);

#endif
