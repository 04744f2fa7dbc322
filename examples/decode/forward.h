// One token through the model: records a command list and commits it. The CPU's part ends there; nothing is waited for.
// A network is read-only and shared by all threads; a cache and a stream belong to one sequence.
#ifndef DECODE_FORWARD_H
#define DECODE_FORWARD_H

#include "cache.h"
#include "kernels.h"
#include "weights.h"

// What all sequences share.
typedef struct network {
    fm_device *device;  // borrowed
    const model *model; // borrowed
    weights weights;    // owned
    kernels kernels;    // owned
    bool quantised;     // keys and values are 8-bit numbers
} network;

// Uploads `m` and creates the kernels. A device that cannot run them is a bad input. The result is to be destroyed in
// either case.
bool network_create(fm_device *device, const model *m, bool quantised, network *out, failure *f);

void network_destroy(network *net);

// Temporaries that outlive their commit on purpose (--destroy-late): what a program must do whose library does not hold what its
// work uses. Without it each is destroyed as soon as its last command is recorded.
typedef struct late_buffers {
    fm_buffer *buffers; // owned, [capacity]
    uint32_t count;
    uint32_t capacity; // 0: nothing is kept
} late_buffers;

// Temporaries of one token at most.
uint32_t forward_most_temporaries(const model *m);

// Destroys what was kept. The work that uses it is done.
void forward_destroy_late(const network *net, late_buffers *late);

// Commits to `stream` the work that sends `token` through the model at `position` and, if `logits` is not NULL, reads
// the vocab_size logits back into it; `logits` is borrowed until `*out_point`. Every temporary of the token is created
// here, and destroyed here while the device still works with it, or else goes to `late`.
fm_status forward_commit(const network *net, const kv_cache *cache, fm_stream stream, uint32_t token, uint32_t position,
                         float *logits, late_buffers *late, fm_point *out_point);

#endif
