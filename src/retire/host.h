// Points of the host: complete when the program says so. Each is a stream object of its own, of which value 1 is
// committed from the start, so that a point is polled, waited for, called back on and named in `after` like any other;
// no list is ever committed to it. A list that waits for one stays in the engine's backlog, off the device, and its
// stream's later lists behind it; others pass. Ended once: by the program, when its handle is destroyed, or when the
// device is closed by force. One lock, a leaf. Any thread.
#ifndef FMI_RETIRE_HOST_H
#define FMI_RETIRE_HOST_H

#include "schedule/stream.h"

struct fmi_retirement;

typedef struct fmi_host_points {
    pthread_mutex_t lock;    // guards `first` and the links
    fmi_stream *first;       // those that have not ended, newest first
    _Atomic(uint32_t) count; // of them; lets others skip the lock
} fmi_host_points;

// FM_ERROR_OUT_OF_HOST_MEMORY.
fm_status fmi_host_point_create(struct fmi_retirement *r, const char *label, uint64_t *out_id);

// Ends a point: complete where `status` is FM_OK, else failed with the sentence. What waited for it goes on. False: it
// had ended. The caller holds the stream.
bool fmi_host_point_end(struct fmi_retirement *r, fmi_stream *stream, fm_status status, const char *sentence);

// Ends it as cancelled, unless it has ended. `how`: "destroyed" or "cancelled", for the sentence.
void fmi_host_point_cancel(struct fmi_retirement *r, fmi_stream *stream, const char *how);

// Ends all that have not ended.
void fmi_host_points_cancel(struct fmi_retirement *r);

// Has one that has not ended a callback to call?
bool fmi_host_points_owe(struct fmi_retirement *r);

// "; nothing is on the device, and point 'x' has not been signalled" if that is so and something waits for it, for
// sentences about what did not come; else "".
fmi_phrase fmi_host_points_blame(struct fmi_retirement *r);

#endif
