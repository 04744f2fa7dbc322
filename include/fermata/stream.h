// Streams and points: a logical order of work, and how far along it something is.
// A stream behaves as if its commands ran one by one in commit order. Between streams there is no order except `after` points. A point is
// that of a commit, or one that the program itself ends (fm_point_create).
// When a list fails, the lists after it on its stream and those that name its point fail with FM_ERROR_DEPENDENCY; those that were
// on the device already may have run, and what they wrote is void.
#ifndef FERMATA_STREAM_H
#define FERMATA_STREAM_H

#include <fermata/device.h>

#ifdef __cplusplus
extern "C" {
#endif

// A stream. Plain value; {0} is the null handle.
typedef struct fm_stream {
    uint64_t id;
} fm_stream;

// "This far along this stream": complete when every list committed up to it is. {0} is the null point, always complete.
typedef struct fm_point {
    fm_stream stream;
    uint64_t value; // rises with each commit of the stream
} fm_point;

// As the place of a point in an array: none of them.
#define FM_NO_POINT UINT32_MAX

// What to create.
typedef struct fm_stream_info {
    const char *label; // for error sentences; copied; NULL = none
} fm_stream_info;

// One list that failed. Texts that do not fit are cut.
typedef struct fm_failure {
    uint64_t number;     // counts the device's failures from 1
    fm_point point;      // of the list; its stream is null for a fill of new memory, which is the library's own
    fm_status status;    // why, never FM_ERROR_DEPENDENCY: what fails because of earlier work has no record of its own
    char cause[512];     // a full sentence
    char list_label[64]; // "" = none
    char stream_label[64]; // "" = none
    char kernels[256];     // names of the kernels that the list used, "a, b and 3 more"
    char buffers[256];     // labels of the buffers that it used, in the same way
    // The label groups (fm_label_push) around the command that failed, "outer/inner"; where the device cannot tell which one it was, those of
    // all the list's commands, "a, b/c and 3 more". "" = none
    char groups[256];
} fm_failure;

// Called once when a point is complete or has failed: `status` is FM_OK or the error that fm_point_wait would answer.
typedef void (*fm_completion_callback)(void *user, fm_point point, fm_status status);

// Creates a stream. Streams are cheap: one a thread or one a sequence is the intended use.
// Parameters: `device`; `info`, copied, NULL for none; `out_stream`, the null handle is stored on error.
// Errors: FM_ERROR_INVALID_ARGUMENT, FM_ERROR_OUT_OF_HOST_MEMORY, FM_ERROR_CLOSED.
// Thread-safety: any thread. Lifetime: until fm_stream_destroy and the end of its last commit.
FM_API fm_status fm_stream_create(fm_device *device, const fm_stream_info *info, fm_stream *out_stream);

// Destroys a stream: the handle is dead at once, its committed work runs to its end.
// Parameters: `device`; `stream`, transferred; the null handle does nothing.
// Errors: FM_ERROR_STALE_HANDLE, FM_ERROR_FOREIGN_HANDLE, FM_ERROR_CLOSED. Points of a destroyed stream answer FM_ERROR_STALE_HANDLE.
// Thread-safety: any thread, at any moment (LEARNED-12). Lifetime: never blocks.
FM_API fm_status fm_stream_destroy(fm_device *device, fm_stream stream);

// Gives the point of the newest list that was committed to a stream: complete when all that was committed so far is. For work whose commit
// another part of the program made, and for the synchronous calls, which return no point.
// Parameters: `device`; `stream`, borrowed; `out_point`, filled; the null point where nothing was committed yet, and on error.
// Errors: handle errors, FM_ERROR_INVALID_ARGUMENT (`out_point` is NULL), FM_ERROR_CLOSED. A failure of the work is none of this call.
// Thread-safety: any thread; never blocks. What other threads commit meanwhile may or may not be covered. Lifetime: a plain value.
FM_API fm_status fm_stream_get_newest(fm_device *device, fm_stream stream, fm_point *out_point);

// Clears a stream's failure: later commits run again. Waits for work committed before to be retired.
// Parameters: `device`; `stream`, borrowed; `timeout_ns`, for that wait.
// Errors: handle errors, FM_TIMEOUT, FM_ERROR_DEVICE_LOST (cannot be cleared), FM_ERROR_CLOSED. A stream that has not failed
// answers FM_OK when that work is retired.
// Thread-safety: any thread. Lifetime: points that failed before keep answering their failure (READ-5).
FM_API fm_status fm_stream_reset(fm_device *device, fm_stream stream, uint64_t timeout_ns);

// Says whether a point is complete, without ever blocking: one atomic load when it is (RETIRE-3).
// Parameters: `device`; `point`, the null point is complete.
// Errors: FM_NOT_READY (not complete), FM_ERROR_STALE_HANDLE (its stream was destroyed), FM_ERROR_FOREIGN_HANDLE,
// FM_ERROR_INVALID_ARGUMENT (no commit has returned this value yet), the failure of the point's own list with its cause
// in fm_last_error (READ-5), FM_ERROR_DEPENDENCY (an earlier list of the stream, or what this one waited for, failed: the sentence says the first
// cause), FM_ERROR_CANCELLED, FM_ERROR_HOST_FAILED, FM_ERROR_CLOSED.
// Thread-safety: any thread. Collects what is complete (RETIRE-5). Lifetime: `point` is a plain value.
FM_API fm_status fm_point_poll(fm_device *device, fm_point point);

// Waits until a point is complete.
// Parameters: `device`; `point`, the null point is complete; `timeout_ns`: 0 asks once, FM_FOREVER never gives up.
// Errors: FM_TIMEOUT (never implies completion, LEARNED-3), else as fm_point_poll.
// Thread-safety: any thread; holds no lock while it waits (READ-2, LEARNED-4), waits for this point alone (LEARNED-2, THREAD-3).
// Lifetime: `point` is a plain value.
FM_API fm_status fm_point_wait(fm_device *device, fm_point point, uint64_t timeout_ns);

// Waits until all of several points are complete, in whatever order they become so, and also if some have failed.
// Parameters: `device`; `points`, borrowed during the call, of any streams, null points and the same point twice allowed; `count`, 0 is
// complete; `timeout_ns`, for all together: 0 asks once, FM_FOREVER never gives up.
// Errors: FM_TIMEOUT (at least one is not complete), FM_ERROR_INVALID_ARGUMENT (`points` is NULL, a value that no commit has returned
// yet), FM_ERROR_OUT_OF_HOST_MEMORY, and of the first point in the array that has one: what fm_point_poll would answer, with its place in
// fm_last_error. Points that are refused are refused before anything is waited for; failures of work are told when all are complete.
// Thread-safety: any thread; holds no lock while it waits (READ-2, LEARNED-4), waits for these points alone (LEARNED-2, THREAD-3).
// Lifetime: `points` is the caller's again on return. Streams may be destroyed meanwhile: the call goes on.
FM_API fm_status fm_point_wait_all(fm_device *device, const fm_point *points, uint32_t count, uint64_t timeout_ns);

// Waits until one of several points is complete or has failed, and answers for that one; the first in the array, if there are more.
// Parameters: `device`; `points`, borrowed during the call, of any streams; a null point is complete; `count`, 1 or more; `timeout_ns`: 0
// asks once, FM_FOREVER never gives up; `out_index`, filled with that point's place in the array, FM_NO_POINT where none is complete or a
// point is refused; NULL if nobody asks.
// Errors: FM_TIMEOUT (none is complete), FM_ERROR_INVALID_ARGUMENT (`points` is NULL, `count` is 0, a value that no commit has returned
// yet), handle errors, FM_ERROR_OUT_OF_HOST_MEMORY, all before anything is waited for; then what fm_point_poll answers for that point.
// Thread-safety: any thread; holds no lock while it waits (READ-2, LEARNED-4), waits for these points alone (LEARNED-2, THREAD-3).
// Lifetime: `points` is the caller's again on return. Streams may be destroyed meanwhile: the call goes on.
FM_API fm_status fm_point_wait_any(fm_device *device, const fm_point *points, uint32_t count, uint64_t timeout_ns,
                                   uint32_t *out_index);

// What to create.
typedef struct fm_point_info {
    const char *label; // for error sentences; copied; NULL = none
} fm_point_info;

// Creates a point that is complete when the program says so: lists that name it in `after` stay in the library until then, off the device,
// and those behind them on their streams as well; other streams pass. It is polled, waited for and called back on like any other.
// Never signalled, it lets waits and fm_device_close run out of time, and the sentence names it; lists that wait for it count
// as in flight, so a commit at the in-flight limits, and memory that only they keep, wait for it, too: a thread that is to signal must not
// wait for a place behind them.
// Parameters: `device`; `info`, copied, NULL for none; `out_point`, filled; the null point on error.
// Errors: FM_ERROR_INVALID_ARGUMENT (`out_point` is NULL), FM_ERROR_OUT_OF_HOST_MEMORY, FM_ERROR_CLOSED.
// Thread-safety: any thread. Lifetime: until fm_point_destroy or fm_device_close. Its `stream` is the point's own: it takes no lists.
FM_API fm_status fm_point_create(fm_device *device, const fm_point_info *info, fm_point *out_point);

// Completes a point of fm_point_create. What waited for it alone goes to the device at once, in the order of each stream.
// Parameters: `device`; `point`, borrowed.
// Errors: FM_ERROR_INVALID_ARGUMENT (it was signalled, failed or cancelled before, or is a point of a commit), handle errors, FM_ERROR_CLOSED.
// Thread-safety: any thread, also a completion callback. Never waits for the device. Lifetime: the point stays valid.
FM_API fm_status fm_point_signal(fm_device *device, fm_point point);

// Fails a point of fm_point_create: it answers FM_ERROR_HOST_FAILED with the sentence, and what waits for it fails with
// FM_ERROR_DEPENDENCY, which says the sentence, too (READ-5).
// Parameters: `device`; `point`, borrowed; `sentence`: the cause, copied, cut at 511 bytes, NULL for none.
// Errors: as fm_point_signal. Thread-safety: as fm_point_signal. Lifetime: the point stays valid.
FM_API fm_status fm_point_fail(fm_device *device, fm_point point, const char *sentence);

// Destroys a point of fm_point_create: the handle is dead at once. If it was not signalled, it fails with FM_ERROR_CANCELLED before, so nothing
// waits for what can no longer come.
// Parameters: `device`; `point`, transferred; the null point does nothing.
// Errors: FM_ERROR_INVALID_ARGUMENT (it is a point of a commit), FM_ERROR_STALE_HANDLE, FM_ERROR_FOREIGN_HANDLE, FM_ERROR_CLOSED.
// Thread-safety: any thread, at any moment: lists and waits that name it go on (HOLD-1). Lifetime: never blocks.
FM_API fm_status fm_point_destroy(fm_device *device, fm_point point);

// Cancels the list of a point that was committed and not yet given to the device: it does not run, what it holds is let go, and its point
// fails with FM_ERROR_CANCELLED once the stream's earlier lists are over. A stream behaves as if its lists ran one by one, and what comes later may
// build on this one; so a cancelled list is a failed one: later lists of the stream and those that name the point fail with
// FM_ERROR_DEPENDENCY, until fm_stream_reset. Work that is to go on when other work is cancelled belongs on a stream of its own.
// A cancelled list makes no record for fm_device_take_failure. A point of fm_point_create fails with FM_ERROR_CANCELLED, too.
// Parameters: `device`; `point`, borrowed. FM_OK: nothing of the list will run from here on, because it is cancelled, was before, is
// complete, or fails already for another reason; the point says which.
// Errors: FM_NOT_READY (too late: the list was given to the device, and runs), handle errors, FM_ERROR_INVALID_ARGUMENT (no commit has
// returned this value yet), FM_ERROR_CLOSED.
// Thread-safety: any thread. Waits for nothing but a batch that another thread is just giving to the driver. Lifetime: callbacks run once, as
// for any failure.
FM_API fm_status fm_point_cancel(fm_device *device, fm_point point);

// Takes the oldest failure that nobody has taken, of any stream: for the place in a program that logs them. Waiters are told of theirs
// in any case, through their points.
// Parameters: `device`; `out_failure`, filled on FM_OK.
// Errors: FM_NOT_READY (there is none), FM_ERROR_INVALID_ARGUMENT (`out_failure` is NULL), FM_ERROR_CLOSED.
// Thread-safety: any thread; each failure is given to one caller. Collects what is complete (RETIRE-5).
// Lifetime: kept until taken, or until fm_device_info.failures_kept newer ones have come (READ-5).
FM_API fm_status fm_device_take_failure(fm_device *device, fm_failure *out_failure);

// Has `callback` called once when the point is complete or has failed; at once from the keeper thread if it already is.
// Parameters: `device`; `point`; `callback`, not NULL; `user`, passed to it, borrowed until it is called.
// Errors: as fm_point_poll without FM_NOT_READY and without failures of the work, FM_ERROR_OUT_OF_HOST_MEMORY.
// Thread-safety: any thread. The callback runs on the keeper thread, outside every lock, in order of completion within a
// stream; it may call anything but fm_device_close and waits with a long timeout.
// Lifetime: called exactly once, at the latest inside fm_device_close.
FM_API fm_status fm_point_on_complete(fm_device *device, fm_point point, fm_completion_callback callback, void *user);

#ifdef __cplusplus
}
#endif

#endif
