// Pool: native blocks, sub-allocated into ranges, within a limit in bytes.
// Gives out a range only when nothing on the device uses it: buffers return theirs when their last hold is dropped, which is
// after completion (HOLD-6). Knows no buffers and no streams. Any thread; one lock, held for no driver call.
#ifndef FMI_MEMORY_POOL_H
#define FMI_MEMORY_POOL_H

#include "backend/backend.h"

#include <pthread.h>
#include <stdatomic.h>

typedef struct fmi_range {
    uint64_t offset_bytes;
    uint64_t size_bytes;
} fmi_range;

// One native allocation and its free ranges.
typedef struct fmi_pool_block {
    fmi_block native; // first: spans point here
    struct fmi_pool_block *next;
    fmi_range *free_ranges; // by rising offset, never adjacent
    uint32_t free_count;
    uint32_t free_capacity;
    uint64_t used_bytes;
} fmi_pool_block;

// A range in use. Owned by one buffer.
typedef struct fmi_allocation {
    fmi_pool_block *block;
    uint64_t offset_bytes;
    uint64_t size_bytes; // rounded up to the pool's granularity
} fmi_allocation;

// Tries to make memory free again (retire what is complete; later attempts wait for the oldest work). False: nothing is left to try.
// Called without the pool's lock.
typedef bool (*fmi_pool_reclaim)(void *user, uint32_t attempt);

typedef struct fmi_pool {
    const fmi_backend_ops *ops;
    fmi_backend *backend;
    uint64_t limit_bytes;      // native bytes of both kinds together
    uint64_t block_size_bytes; // of a shared block
    uint64_t max_block_bytes;
    bool poison;              // fill memory that comes back, so that a late use shows (manual devices)
    fmi_pool_reclaim reclaim; // set once by the device room
    void *reclaim_user;
    pthread_mutex_t lock;      // guards blocks and everything in them
    fmi_pool_block *blocks[2]; // by fm_memory_kind
    _Atomic(uint64_t) reserved_bytes;
    _Atomic(uint64_t) used_bytes;
    _Atomic(uint64_t) peak_bytes;
} fmi_pool;

void fmi_pool_init(fmi_pool *pool, const fmi_backend_ops *ops, fmi_backend *backend, const fmi_backend_caps *caps,
                   uint64_t limit_bytes, uint64_t block_size_bytes);

// Frees all blocks. The device is idle.
void fmi_pool_destroy(fmi_pool *pool);

// Takes a range. Under pressure: trims, reclaims, and only then FM_ERROR_OUT_OF_MEMORY, with nothing lost.
fm_status fmi_pool_alloc(fmi_pool *pool, fm_memory_kind kind, uint64_t size_bytes, fmi_allocation *out);

// Returns a range. The device no longer uses it.
void fmi_pool_free(fmi_pool *pool, const fmi_allocation *allocation);

#endif
