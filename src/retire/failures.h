// The last failures of a device, each until somebody has taken it: what failed, why, and what it was working with
// (READ-5). Filled by retirement while the list still holds its kernels and buffers; emptied by fm_device_take_failure.
// Knows nothing of waiters: they are told through their points. One lock, a leaf.
#ifndef FMI_RETIRE_FAILURES_H
#define FMI_RETIRE_FAILURES_H

#include "record/list.h"

#include <fermata/stream.h>

#include <pthread.h>

typedef struct fmi_failures {
    pthread_mutex_t lock;      // guards the four below
    fm_failure *ring;          // failure number n is ring[n % capacity]
    uint64_t noted;            // number of the newest
    uint64_t taken;            // number of the newest that was taken or dropped
    uint32_t capacity;         // constant
    _Atomic(uint64_t) total;   // = noted, for statistics
    _Atomic(uint64_t) dropped; // pushed out by newer ones before anyone took them
} fmi_failures;

// FM_ERROR_OUT_OF_HOST_MEMORY.
fm_status fmi_failures_init(fmi_failures *failures, uint32_t capacity);
void fmi_failures_destroy(fmi_failures *failures);

// The sentence of a list of which a command failed: with its label, and the label groups around the command where that
// is known. `reason`: the backend's; NULL: it has none.
void fmi_failures_explain(const fmi_list *list, const char *reason, char *out, size_t size_bytes);

// Notes that `list` failed. `handle` is the id of its stream; 0 for the library's own lists.
void fmi_failures_note(fmi_failures *failures, const fmi_list *list, uint64_t handle, fm_status status,
                       const char *cause);

// Takes the oldest. False: there is none.
bool fmi_failures_take(fmi_failures *failures, fm_failure *out);

#endif
