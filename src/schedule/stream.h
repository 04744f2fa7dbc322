// The object behind an fm_stream handle: a counter of commits, a counter of completions, its failures and its
// callbacks. Lives in the device's stream table. Lists in flight hold their stream, so it outlives its handle
// (LEARNED-12). Any thread.
#ifndef FMI_SCHEDULE_STREAM_H
#define FMI_SCHEDULE_STREAM_H

#include "base/phrase.h"
#include "base/table.h"

#include <fermata/stream.h>

#include <pthread.h>

enum { FMI_STREAM_BATCHES = 4 }; // newest lists of a stream whose batches are known to those who wait

// Lists [first, last] of a stream failed with the same cause.
typedef struct fmi_failure {
    uint64_t first;
    uint64_t last;
    fm_status status;
    char *cause; // NULL: no host memory was left to say more
    char *root;  // the stream whose failure it goes back to, as sentences name it; NULL: its own
} fmi_failure;

enum { FMI_CAUSE_BYTES = sizeof((fm_failure *)0)->cause };

// What a failure goes back to, through however many streams.
typedef struct fmi_root {
    fmi_phrase stream; // as in fmi_failure; "": its own
    char cause[FMI_CAUSE_BYTES];
} fmi_root;

// A batch: its number among all, and its queue.
typedef struct fmi_batch_stamp {
    uint64_t batch;
    uint32_t queue;
} fmi_batch_stamp;

typedef struct fmi_callback {
    struct fmi_callback *next;
    fm_point point;
    fm_completion_callback function;
    void *user;
    fm_status status; // filled when it is due
} fmi_callback;

typedef struct fmi_stream {
    fmi_slot slot;
    uint64_t id;                 // its handle
    bool is_host;                // behind a point that the program signals: it takes no lists (retire/host.h); constant
    char *label;                 // NULL = none
    pthread_mutex_t order;       // held while a commit takes its value and its place in the queue (READ-2, READ-3)
    uint32_t transfers;          // whose values were taken and not all of whose parts were pushed; under `order`
    _Atomic(uint64_t) committed; // last value given out; stored under `order`
    // Last value retired; stored by retirement alone, or by who signals it for the host, with release (READ-3).
    _Atomic(uint64_t) completed;
    _Atomic(uint32_t) failed;        // not 0: refuses commits, until fm_stream_reset or, where it is the host's, always
    _Atomic(uint32_t) failure_count; // entries of `failures`; lets polls skip the lock
    _Atomic(uint32_t) callback_count; // entries of `callbacks`; lets retirement skip the lock
    pthread_mutex_t lock;             // guards the four below
    fmi_failure first_failure;        // so that noting the first needs no memory
    fmi_failure *failures;            // by rising value; &first_failure until a second comes
    uint32_t failure_capacity;
    fmi_callback *callbacks; // not due yet, in any order
    // The host's, under the lock of fmi_host_points: its place among those that are not signalled; `host_link` is NULL
    // once it is.
    struct fmi_stream *next_host;
    struct fmi_stream **host_link;
    // The batches of its newest lists, see fmi_stream_note_batch; stored by the leader, loaded by those who wait:
    _Atomic(uint64_t) batches[FMI_STREAM_BATCHES];
    // The backlog's, touched by the engine's leader alone:
    struct fmi_list *backlog_first; // lists in no batch yet, oldest first
    struct fmi_list *backlog_last;
    struct fmi_stream *next_turn; // the stream whose turn comes after this one's, while it has such lists
    uint64_t taken;               // value of the last list put in a batch
    uint32_t queue;               // that batch's queue
    // The engine's leader's:
    uint32_t last_queue; // of the last batch that has a list of it
    uint64_t last_batch; // how many batches that queue had had with that one
    uint64_t portion_ns; // estimated work that it has in the batch being composed
    // The planner's, touched by the engine's leader alone:
    // The first list that is known not to run and not retired: it and what builds on it is lost. Void once it is
    // retired; 0: none.
    uint64_t lost_value;
    uint64_t skipped_from; // the newest run of lists that are in batches and do not run
    uint64_t skipped_until;
    fmi_batch_stamp planned;   // the batch that the last two below belong to
    fmi_batch_stamp previous;  // the batch before that one in which it had lists
    fmi_batch_stamp untracked; // the last batch in which it had an untracked list
    uint32_t last_wave;        // highest wave of this stream's lists in that batch
    uint32_t floor;            // later lists of this stream start after this wave
} fmi_stream;

// Creates a stream and returns its handle. Errors as fm_stream_create.
fm_status fmi_stream_create(fmi_table *table, const char *label, uint64_t *out_id);

// Makes the object for a point of the host: value 1 is committed, not complete. No handle names it before
// fmi_table_publish. The same errors.
fm_status fmi_stream_make_host(fmi_table *table, const char *label, fmi_stream **out);

// The table's free function.
void fmi_stream_free(void *unused, fmi_slot *slot);

// Notes that list `value` failed; a neighbour with the same status, root and cause is extended. Called by retirement,
// before `completed` is published.
void fmi_stream_note_failure(fmi_stream *stream, uint64_t value, fm_status status, const fmi_root *root);

// The status of a value that is complete: FM_OK, or its failure, with the sentence as the last error unless `caller` is
// NULL.
fm_status fmi_stream_status(fmi_stream *stream, uint64_t value, const char *caller);

// The same for a caller that holds the stream's lock; sets no last error.
fm_status fmi_stream_status_locked(const fmi_stream *stream, uint64_t value);

// What the failure of `value`, which failed or follows a failure, goes back to; a cause of "" if there is none.
void fmi_stream_root(fmi_stream *stream, uint64_t value, fmi_root *out);

// The root as one text: its cause, behind the stream that had it if it is another's.
void fmi_root_describe(const char *stream, const char *cause, char *out, size_t size_bytes);
enum { FMI_ROOT_BYTES = FMI_CAUSE_BYTES + sizeof(fmi_phrase) + 48 }; // holds every such text

// Notes that list `value` is in the batch that the device signals with `batch`. Called by the leader before it submits.
static inline void fmi_stream_note_batch(fmi_stream *stream, uint64_t value, uint64_t batch)
{
    // Both in one word, half of each: a reader sees whose batch it is. Relaxed: a hint of what to block on, nothing is
    // published.
    atomic_store_explicit(&stream->batches[value % FMI_STREAM_BATCHES], value << 32 | (uint32_t)batch,
                          memory_order_relaxed);
}

// The device value of list `value`'s batch, if it is `submitted` or one before that; 0: not yet, or newer lists took
// its place.
static inline uint64_t fmi_stream_batch_of(const fmi_stream *stream, uint64_t value, uint64_t submitted)
{
    uint64_t noted = atomic_load_explicit(&stream->batches[value % FMI_STREAM_BATCHES], memory_order_relaxed);
    uint32_t behind = (uint32_t)submitted - (uint32_t)noted;
    return noted >> 32 == (uint32_t)value && behind <= INT32_MAX && behind < submitted ? submitted - behind : 0;
}

// Is list `value` one that will not run, or one behind such a list, and that list not retired yet? The leader's.
static inline bool fmi_stream_loses(const fmi_stream *stream, uint64_t value)
{
    return stream->lost_value && value >= stream->lost_value &&
           atomic_load_explicit(&stream->completed, memory_order_acquire) < stream->lost_value;
}

// List `value`, which is not retired, will not run. The leader's.
static inline void fmi_stream_note_lost(fmi_stream *stream, uint64_t value)
{
    if (!fmi_stream_loses(stream, value)) { // else an earlier one is noted
        stream->lost_value = value;
    }
}

// The list that stands for the values [first, value] is in a batch and does not run. The leader's, in the order of
// values.
static inline void fmi_stream_note_skipped(fmi_stream *stream, uint64_t first, uint64_t value)
{
    stream->skipped_from = first == stream->skipped_until + 1 ? stream->skipped_from : first;
    stream->skipped_until = value;
}

// Is list `value` retired? Its failure is noted then.
static inline bool fmi_stream_is_over(const fmi_stream *stream, uint64_t value)
{
    // Acquire: pairs with retirement's store.
    return atomic_load_explicit(&stream->completed, memory_order_acquire) >= value;
}

// For sentences: "stream 'x'" or "an unlabelled stream"; "point 'x'" for one of the host.
static inline fmi_phrase fmi_stream_named(const fmi_stream *stream)
{
    return fmi_named(stream->is_host ? "point" : "stream", stream->label);
}

#endif
