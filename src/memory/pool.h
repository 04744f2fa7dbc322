// Pool: native blocks, sub-allocated by the heap, within limits in bytes; and memory on its way from one use to the
// next. Memory in use returns when the last buffer object that has it is freed, which is after completion (HOLD-6).
// Before that its own stream may take it over (memory/order.h). Knows no handles and no lists. Any thread. `lock`
// guards what the pool knows, and no driver is called under it; `growth`, one a kind, is held through the driver's call
// that adds a block.
#ifndef FMI_MEMORY_POOL_H
#define FMI_MEMORY_POOL_H

#include "base/ablation.h"
#include "memory/heap.h"
#include "memory/order.h"

#include <pthread.h>

enum { FMI_POISON = 0xDB }; // what memory that came back holds on manual devices, in every byte

// A kind of memory of the pool's own, beside those of buffers: staging memory. It lies in host memory, so it is outside
// of the limit.
#define FMI_POOL_STAGING ((fm_memory_kind)2)
enum { FMI_POOL_KINDS = 3 };

// A range of bytes.
typedef struct fmi_range {
    uint64_t offset_bytes;
    uint64_t size_bytes;
} fmi_range;

// Tries to make memory free again (retire what is complete; later attempts wait for the oldest work). False: nothing is
// in flight, and nothing is left that could be let go. Waits no longer than until the deadline. Called without the
// pool's lock.
typedef bool (*fmi_pool_reclaim)(void *user, uint32_t attempt, uint64_t deadline);

// Lets go of what complete work still holds. Called before memory is looked for, without the pool's lock.
typedef void (*fmi_pool_settle)(void *user);

// Adds to the last error, the sentence of a request that is refused, who holds the memory. Called without the pool's
// lock.
typedef void (*fmi_pool_explain)(void *user);

typedef struct fmi_pool_settings {
    uint64_t limit_bytes;      // native bytes of buffers, both kinds together
    uint64_t cache_bytes;      // native bytes of blocks that nothing uses, kept for later
    uint64_t block_size_bytes; // of a shared block
} fmi_pool_settings;

typedef struct fmi_pool {
    const fmi_backend_ops *ops;
    fmi_backend *backend;
    fmi_pool_settings settings;
    uint64_t max_block_bytes;
    bool poison; // fill memory that comes back, so that a late use shows (manual devices)
    // Told of each range that comes back, without the lock; NULL = nobody (all but manual devices).
    void (*watch)(fmi_backend *backend, const fmi_block *block, uint64_t offset_bytes, uint64_t size_bytes);
    fmi_pool_settle settle;                 // set once by the device room
    fmi_pool_reclaim reclaim;               // and this
    fmi_pool_explain explain;               // and this; NULL: nothing is added
    void *reclaim_user;                     // of all three, and this
    fmi_ablations *ablations;               // and this
    pthread_mutex_t growth[FMI_POOL_KINDS]; // by kind: held by who adds a block; taken before `lock`
    pthread_mutex_t lock;                   // guards the five below and every range's fields
    fmi_pool_block *blocks[FMI_POOL_KINDS]; // by kind
    fmi_heap heaps[FMI_POOL_KINDS];         // by kind
    fmi_ranges ranges;
    fmi_memory **orders; // by stream index: memory that the stream may take over, newest first
    uint32_t order_capacity;
    uint64_t empty_bytes;           // of blocks that nothing uses; guarded by the lock
    _Atomic(uint64_t) returns;      // times that a range came back to the heap or a block to the driver
    _Atomic(uint64_t) failures;     // times that bytes were reserved for a block and the driver had none
    _Atomic(uint32_t) leaving;      // blocks that are out of the heap and still count against the limit
    _Atomic(uint32_t) region_count; // every region is below this
    // times that memory which had been used before was handed out again; the engine compares
    _Atomic(uint64_t) recycled;
    _Atomic(uint64_t) reserved_bytes; // without staging memory, as the two below
    _Atomic(uint64_t) used_bytes;
    _Atomic(uint64_t) peak_bytes;
    _Atomic(uint64_t) staging_reserved_bytes; // the same of staging memory
    _Atomic(uint64_t) staging_used_bytes;
    _Atomic(uint64_t) staging_peak_bytes;
    // of memory that only committed lists keep: destroyed buffers, large staging (RETIRE-4)
    _Atomic(uint64_t) orphan_bytes;
    _Atomic(uint64_t) orphan_peak_bytes;
    _Atomic(uint64_t) reuses; // times that a stream took over memory which its work still used
} fmi_pool;

void fmi_pool_init(fmi_pool *pool, const fmi_backend_ops *ops, fmi_backend *backend, const fmi_backend_caps *caps,
                   const fmi_pool_settings *settings);

// Frees all blocks. The device is idle.
void fmi_pool_destroy(fmi_pool *pool);

// Takes memory that nothing uses, with one owner; of buffers' kinds or FMI_POOL_STAGING. Under pressure: trims,
// reclaims, and only then FM_ERROR_OUT_OF_MEMORY, with nothing lost. `deadline` (base/clock.h): what is not there by
// then is FM_TIMEOUT, if waiting longer could have helped.
fm_status fmi_pool_alloc_until(fmi_pool *pool, fm_memory_kind kind, uint64_t size_bytes, uint64_t deadline,
                               fmi_memory **out);

static inline fm_status fmi_pool_alloc(fmi_pool *pool, fm_memory_kind kind, uint64_t size_bytes, fmi_memory **out)
{
    return fmi_pool_alloc_until(pool, kind, size_bytes, UINT64_MAX, out);
}

// Takes memory over that earlier work of the stream `home` (see order.h) still uses. NULL: none fits. Only work that is
// committed later may touch it, and the host must not.
fmi_memory *fmi_pool_take_over(fmi_pool *pool, fm_memory_kind kind, uint64_t size_bytes, uint32_t home);

// One more buffer object has the memory (donation).
void fmi_pool_add_owner(fmi_pool *pool, fmi_memory *memory);

// A buffer object lets go of it; the last one returns it to the heap. The device no longer uses it for that object.
void fmi_pool_release(fmi_pool *pool, fmi_memory *memory);

// It is somebody's again, or nobody's at all: it is no orphan any more.
void fmi_pool_end_orphanhood_locked(fmi_pool *pool, fmi_memory *memory);

static inline void fmi_raise_peak(_Atomic(uint64_t) *peak, uint64_t value)
{
    uint64_t highest = atomic_load_explicit(peak, memory_order_relaxed);
    while (value > highest &&
           !atomic_compare_exchange_weak_explicit(peak, &highest, value, memory_order_relaxed, memory_order_relaxed)) {
    }
}

// Its handle was destroyed while lists still have it.
void fmi_pool_orphan(fmi_pool *pool, fmi_memory *memory);

// Offers orphaned memory to its stream, if everything that order.h asks is true.
void fmi_pool_offer_slow(fmi_pool *pool, fmi_memory *memory);

static inline void fmi_pool_offer(fmi_pool *pool, fmi_memory *memory)
{
    if (__builtin_expect(atomic_load(&memory->orphan), 0)) {
        fmi_pool_offer_slow(pool, memory);
    }
}

// Gives the driver back every block that nothing uses; returns their bytes.
uint64_t fmi_pool_trim(fmi_pool *pool);

#endif
