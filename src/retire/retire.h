// Retirement: the one function that publishes completion and lets go of what a batch held, and everything that waits
// for it. Every path that learns of completion calls fmi_progress (RETIRE-5). One thread at a time retires, in batch
// order (LEARNED-1); the others leave. A wait polls briefly, then blocks (wait.c); no lock is held while it does
// (READ-2).
#ifndef FMI_RETIRE_RETIRE_H
#define FMI_RETIRE_RETIRE_H

#include "record/recorder.h"
#include "retire/failures.h"
#include "retire/host.h"
#include "retire/wait.h"
#include "schedule/engine.h"

// The keeper: one thread a device that completes work nobody waits for and runs callbacks. Asleep when nothing is
// outstanding.
typedef struct fmi_keeper {
    pthread_t thread;
    pthread_mutex_t lock; // guards the five below
    pthread_cond_t wake;
    fmi_callback *due_first; // callbacks to run, in order of completion
    fmi_callback *due_last;
    bool absent; // a manual device: no thread, callbacks run by fmi_keeper_run_due
    bool stop;
    bool running_callbacks;   // between taking the queue and having run it
    _Atomic(uint32_t) asleep; // 1: waits without a timeout; whoever makes work must wake it
    _Atomic(uint64_t) wakeups;
} fmi_keeper;

#define FMI_WAITER ((uint64_t)1)
#define FMI_RETURNING_WAITER ((uint64_t)1 << 32 | FMI_WAITER)

typedef struct fmi_retirement {
    fmi_engine *engine;
    fmi_record_room *record;
    fmi_table *streams;
    const fmi_ablations *ablations;
    _Atomic(uint32_t) reading; // synchronous reads that wait; counted for FM_ABLATE_RETIRE_ON_READ alone
    _Alignas(64) _Atomic(uint32_t) outstanding; // lists counted in and not yet retired
    // Threads inside fmi_wait_for, and in the upper half those of them that wait for their own work: they come back
    // with more.
    _Alignas(64) _Atomic(uint64_t) waiters;
    _Alignas(64) pthread_mutex_t lock; // held by whoever retires; guards the three below
    fmi_list *done;                    // retired under `lock`, still to be let go of; empty when nobody holds it
    uint32_t retired_short;            // lists that the newest look retired from the queue for short ones
    fmi_list *lost;                    // lists of a lost device: what they hold is freed when it is closed (LEARNED-9)
    // Retired and still to be let go of: by the next that settles, at the latest by the keeper. Counted in
    // `outstanding`.
    _Alignas(64) _Atomic(fmi_list *) unsettled;
    fmi_failures failures; // the last ones, until taken
    fmi_host_points hosts;
    fmi_waiting waiting;
    fmi_places places;
    fmi_keeper keeper;
} fmi_retirement;

// What the room is told; resolved once, when the device is opened (device/settings.h).
typedef struct fmi_retirement_settings {
    uint64_t spin_ns;    // how long a wait polls at most; 0: never polls
    bool waits_directly; // waits block on the device for their own batch (fmi_waiting.direct)
    bool has_keeper;     // else callbacks run by fmi_keeper_run_due
    uint32_t failures_kept;
    uint64_t most_bytes; // that only work in flight may keep
} fmi_retirement_settings;

// Fills the room and starts the keeper.
fm_status fmi_retirement_init(fmi_retirement *r, fmi_engine *engine, fmi_record_room *record, fmi_table *streams,
                              const fmi_ablations *ablations, const fmi_retirement_settings *settings);

// Stops the keeper and releases what lost lists hold. Nothing is outstanding and no callback is due.
void fmi_retirement_destroy(fmi_retirement *r);

// Retires what is complete, then submits what waits. Never blocks on the device. Any thread.
void fmi_progress(fmi_retirement *r);

// The same for a thread that is in a hurry: it leaves letting go to fmi_settle.
void fmi_progress_unsettled(fmi_retirement *r);

// Lets go of what was retired and is still held; next to nothing where there is none. Any thread. A thread whose wait
// is over goes on at once, and settles after its next commit, when the device has work; so does whoever takes memory or
// asks for what is in use, before that.
void fmi_settle(fmi_retirement *r);

// One of a list's two parties no longer needs it; the second lets go of what it holds and counts it out.
void fmi_retirement_let_go(fmi_retirement *r, fmi_list *list);

// Publishes that everything of the stream up to `value` is over, and makes its callbacks due. Called in the order of
// values, with their failures noted.
void fmi_retirement_publish(fmi_retirement *r, fmi_stream *stream, uint64_t value);

// Counts a list in before it is pushed, unless `limit` lists are outstanding (RETIRE-4); out again when it is not
// pushed after all.
bool fmi_retirement_count_in(fmi_retirement *r, uint32_t limit);
void fmi_retirement_count_out(fmi_retirement *r);

// The same in turn (places.c): at once unless others wait for a place; or after them, FM_OK or FM_TIMEOUT.
bool fmi_place_take(fmi_retirement *r, uint32_t limit);
// Does work keep more destroyed memory than the limit in bytes?
bool fmi_places_too_many_bytes(const fmi_retirement *r);
fm_status fmi_place_wait(fmi_retirement *r, uint32_t limit, uint64_t timeout_ns);

// Gives the places that came free to those who wait, in turn. Called after `outstanding` was lowered.
void fmi_places_grant(fmi_retirement *r);

// Waits until `done` says so: FM_OK or FM_TIMEOUT. The one wait of the library (wait.c); makes progress while it waits.
fm_status fmi_wait_until(fmi_retirement *r, fmi_wait_done done, void *context, uint64_t timeout_ns);

// The same for work whose batch `batch` tells; NULL: it is not known.
fm_status fmi_wait_until_batch(fmi_retirement *r, fmi_wait_done done, fmi_wait_batch batch, void *context,
                               uint64_t timeout_ns);

// Blocks for a moment, at most `most_ns`, in the way that suits what is under way. Any thread, no lock held.
void fmi_wait_a_moment(fmi_retirement *r, uint64_t most_ns);

// fm_point_poll, fm_point_wait and fm_point_on_complete without the device check.
fm_status fmi_point_poll(fmi_retirement *r, fm_point point, const char *caller);
fm_status fmi_point_wait(fmi_retirement *r, fm_point point, uint64_t timeout_ns, const char *caller);
// fm_point_wait_any where `out_index` is given, else fm_point_wait_all; without the checks of arguments (points.c).
fm_status fmi_point_wait_several(fmi_retirement *r, const fm_point *points, uint32_t count, uint64_t timeout_ns,
                                 uint32_t *out_index, const char *caller);
// Refuses a point beyond what its stream has committed.
fm_status fmi_point_refuse_future(fm_point point, uint64_t committed, const char *caller);

// The wait itself, for a stream that the caller holds.
fm_status fmi_stream_wait(fmi_retirement *r, fmi_stream *stream, uint64_t value, uint64_t timeout_ns,
                          const char *caller);
fm_status fmi_point_on_complete(fmi_retirement *r, fm_point point, fm_completion_callback callback, void *user);

// fm_point_cancel and fm_stream_reset, for a stream that the caller holds; the second not for a point of the host's.
fm_status fmi_point_cancel(fmi_retirement *r, fmi_stream *stream, fm_point point);
fm_status fmi_stream_reset(fmi_retirement *r, fmi_stream *stream, uint64_t timeout_ns);

// Keeper (keeper.c).
fm_status fmi_keeper_start(fmi_retirement *r);
void fmi_keeper_stop(fmi_retirement *r);
void fmi_keeper_queue(fmi_retirement *r, fmi_callback *callbacks); // a chain that is due, in order
void fmi_keeper_run_due(fmi_retirement *r);                        // on the calling thread; manual devices
bool fmi_keeper_has_callbacks(fmi_retirement *r);
void fmi_keeper_notify(fmi_retirement *r); // work was pushed

#endif
