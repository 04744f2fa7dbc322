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

// Commits to `stream` the work that sends `token` through the model at `position` and, if `logits` is not NULL, reads
// the vocab_size logits back into it; `logits` is borrowed until `*out_point`. Every temporary of the token is created
// here, and destroyed here while the device still works with it.
fm_status forward_commit(const network *net, const kv_cache *cache, fm_stream stream, uint32_t token, uint32_t position,
                         float *logits, fm_point *out_point);

#endif
