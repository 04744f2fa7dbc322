// Submit engine: takes the lists that wait, from all threads and streams, and gives them to the backend as one planned batch.
// Whoever finds room (fewer than `depth` batches in flight) and the leader's seat free leads: drains, plans, submits. Nobody
// waits for the seat. Batches stand in a ring from submit to retirement, in order; the leader alone adds, retirement alone removes.
#ifndef FMI_SCHEDULE_ENGINE_H
#define FMI_SCHEDULE_ENGINE_H

#include "base/ablation.h"
#include "record/recorder.h"
#include "schedule/backlog.h"
#include "schedule/planner.h"

enum {
    FMI_MOST_BATCHES = 16, // in flight at once
    FMI_TIMED_EVERY = 16,  // one batch in so many is timed
};

typedef struct fmi_batch {
    fmi_list *first;        // its lists, in commit order
    uint64_t value;         // complete when the device has reached this
    fm_status status;       // FM_OK, or why submit failed: then all its lists failed
    char sentence[256];     // the cause, when status is not FM_OK
    fm_status *list_status; // one a list, see fmi_batch_plan
    const char **list_reason;
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

typedef struct fmi_engine {
    const fmi_backend_ops *ops;
    fmi_backend *backend;
    fmi_record_room *record; // whose pool says when memory was recycled; NULL in tests without memory
    const fmi_ablations *ablations;
    uint32_t depth;               // batches in flight at most
    _Atomic(fmi_list *) incoming; // committed lists, newest first
    _Atomic(uint32_t) seat;       // 1: someone leads
    bool times_rarely;            // timing slows the device down: it is on a CPU. Constant
    uint64_t gather_ns;       // how long lists are kept back for others to join, on an idle device; 0: never. Constant
    _Atomic(uint32_t) queued; // lists pushed and not in a batch yet
    _Atomic(uint32_t) wanted; // threads that lately waited at the same time; stored by retirement
    _Atomic(uint64_t) gather_until;    // an idle device is kept waiting until then at most; stored by retirement
    _Atomic(uint32_t) polled;          // threads that wait without a pause: one of them polls, and kicks each time
    _Atomic(uint64_t) longest_ns;      // estimated work of the longest list of the last batch; stored by the leader
    fmi_backlog backlog;               // drained but not yet in a batch; the leader's
    _Atomic(uint32_t) slowest_ns;      // the longest dispatch known; stored by retirement
    fmi_planner planner;               // the leader's
    uint64_t recycled;                 // the pool's count when a batch last began with a barrier for it; the leader's
    _Atomic(uint64_t) submitted_value; // last value given to the backend; stored by the leader
    _Atomic(uint32_t) lost;            // 1: the device is lost; nothing is submitted any more
    _Atomic(uint64_t) head;            // batches added; stored by the leader with release
    _Atomic(uint64_t) tail;            // batches removed; stored by retirement with release
    fmi_batch ring
        [FMI_MOST_BATCHES]; // batch n is ring[n % FMI_MOST_BATCHES]; the leader's before head passes it, then retirement's
    fmi_engine_counters counters;
} fmi_engine;

void fmi_engine_init(fmi_engine *engine, const fmi_backend_ops *ops, fmi_backend *backend, fmi_record_room *record,
                     const fmi_ablations *ablations, uint32_t depth);

// Frees arrays. Nothing is pending or in flight.
void fmi_engine_destroy(fmi_engine *engine);

// Adds a list behind all that were added before. Lock-free; any thread. The caller then kicks.
void fmi_engine_push(fmi_engine *engine, fmi_list *list);

// Leads while there is work, room and a free seat. Any thread; never waits. A list pushed before is never left behind: either
// this call or the current leader takes it, or what is in flight keeps it waiting and retirement kicks again, or a thread that polls
// does, and who brings `polled` to 0 kicks after that.
void fmi_engine_kick(fmi_engine *engine);

// Retirement has found batches complete while so many threads wait: those whose lists they were will soon come back.
void fmi_engine_note_retired(fmi_engine *engine, uint32_t waiters);

// Learns from a batch that was timed, is complete and not yet retired. Called by retirement.
void fmi_engine_learn(fmi_engine *engine, const fmi_batch *batch);

static inline uint64_t fmi_engine_in_flight(const fmi_engine *engine)
{
    // Sequentially consistent: see fmi_engine_kick.
    uint64_t tail = atomic_load(&engine->tail);
    return atomic_load(&engine->head) - tail;
}

#endif
