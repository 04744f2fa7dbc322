// Pool. See pool.h. Native blocks under a limit, and what happens under pressure; big requests get a block of their
// own. The lock guards blocks and ranges; native allocation and freeing happen outside it.
#include "memory/pool.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/thread.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>

enum { STAGING_BLOCK_BYTES = 8 << 20 }; // most of a block that staging memory shares

// How long a request without a deadline is repeated while work ends and others take what comes free.
#define PATIENCE_NS UINT64_C(30000000000)

void fmi_pool_init(fmi_pool *pool, const fmi_backend_ops *ops, fmi_backend *backend, const fmi_backend_caps *caps,
                   const fmi_pool_settings *settings)
{
    *pool = (fmi_pool){
        .ops = ops,
        .backend = backend,
        .settings = *settings,
        .max_block_bytes = caps->max_block_bytes,
    };
    if (pool->settings.block_size_bytes > caps->max_block_bytes) {
        pool->settings.block_size_bytes = caps->max_block_bytes;
    }
    pthread_mutex_init(&pool->lock, NULL);
    for (int kind = 0; kind < FMI_POOL_KINDS; kind++) {
        pthread_mutex_init(&pool->growth[kind], NULL);
    }
}

// Native bytes that count with those of this kind.
static _Atomic(uint64_t) *reserved_of(fmi_pool *pool, fm_memory_kind kind)
{
    return kind == FMI_POOL_STAGING ? &pool->staging_reserved_bytes : &pool->reserved_bytes;
}

static _Atomic(uint64_t) *used_of(fmi_pool *pool, fm_memory_kind kind)
{
    return kind == FMI_POOL_STAGING ? &pool->staging_used_bytes : &pool->used_bytes;
}

// Bytes are no longer reserved.
static void unreserve(fmi_pool *pool, fm_memory_kind kind, uint64_t size_bytes)
{
    atomic_fetch_sub_explicit(reserved_of(pool, kind), size_bytes, memory_order_relaxed);
}

static void free_block(fmi_pool *pool, fmi_pool_block *block)
{
    uint64_t size_bytes = block->native.size_bytes;
    fmi_float_state environment;
    fmi_float_enter(&environment);
    pool->ops->free_block(pool->backend, &block->native);
    fmi_float_leave(&environment);
    unreserve(pool, block->kind, size_bytes); // behind the driver, so that both together never have more than the limit
    atomic_fetch_add(&pool->returns, 1);
    free(block);
}

// Frees what take_empty_blocks_locked took; returns its bytes.
static uint64_t free_chain(fmi_pool *pool, fmi_pool_block *chain)
{
    uint64_t bytes = 0;
    while (chain) {
        fmi_pool_block *block = chain;
        chain = block->next;
        bytes += block->native.size_bytes;
        free_block(pool, block);
        atomic_fetch_sub(&pool->leaving, 1); // last: see is_final
    }
    return bytes;
}

void fmi_pool_destroy(fmi_pool *pool)
{
    for (int kind = 0; kind < FMI_POOL_KINDS; kind++) {
        for (fmi_pool_block *block = pool->blocks[kind], *next; block; block = next) {
            next = block->next;
            free_block(pool, block);
        }
    }
    fmi_ranges_free(&pool->ranges);
    free(pool->orders);
    pthread_mutex_destroy(&pool->lock);
    for (int kind = 0; kind < FMI_POOL_KINDS; kind++) {
        pthread_mutex_destroy(&pool->growth[kind]);
    }
}

// Unlinks blocks that nothing uses until at most `keep_bytes` of them are left, and returns them as a chain.
static fmi_pool_block *take_empty_blocks_locked(fmi_pool *pool, uint64_t keep_bytes)
{
    fmi_pool_block *taken = NULL;
    for (int kind = 0; kind < FMI_POOL_KINDS; kind++) {
        fmi_pool_block *block = pool->blocks[kind], *next;
        for (; block && pool->empty_bytes > keep_bytes; block = next) {
            next = block->next;
            if (block->used_bytes > 0) {
                continue;
            }
            *(block->before ? &block->before->next : &pool->blocks[kind]) = block->next;
            if (block->next) {
                block->next->before = block->before;
            }
            fmi_heap_remove(&pool->heaps[kind], &pool->ranges, block);
            pool->empty_bytes -= block->native.size_bytes;
            block->next = taken;
            taken = block;
            atomic_fetch_add(&pool->leaving, 1);
        }
    }
    return taken;
}

uint64_t fmi_pool_trim(fmi_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    fmi_pool_block *chain = take_empty_blocks_locked(pool, 0);
    pthread_mutex_unlock(&pool->lock);
    return free_chain(pool, chain);
}

// Takes a range from the heap for its first owner. NULL: nothing fits.
static fmi_memory *take_locked(fmi_pool *pool, fm_memory_kind kind, uint64_t size_bytes)
{
    fmi_memory *memory = fmi_heap_take(&pool->heaps[kind], &pool->ranges, size_bytes);
    if (memory) {
        if (memory->block->used_bytes == size_bytes) { // nothing used its block before
            pool->empty_bytes -= memory->block->native.size_bytes;
        }
        atomic_store_explicit(&memory->owners, 1, memory_order_relaxed);
        atomic_fetch_add_explicit(&pool->recycled, !memory->is_clean, memory_order_release);
        memory->order = 0;
        memory->order_stream = memory->order_value = 0;
        memory->is_counted = false;
        atomic_store_explicit(&memory->orphan, 0, memory_order_relaxed);
        atomic_store_explicit(&memory->use, 0, memory_order_relaxed);
        atomic_store_explicit(&memory->unzeroed, 0, memory_order_relaxed);
        atomic_store_explicit(&pool->region_count, pool->ranges.chunk_count * FMI_HEAP_CHUNK, memory_order_relaxed);
    }
    return memory;
}

// Takes room for a block of `shared` bytes under the limit, else of `exact` bytes; returns the size taken, 0 for none.
// Only what fits is ever counted, so that no other thread is refused because of bytes that are given back a moment
// later. Staging memory has no limit here: it is bounded by who uses it.
static uint64_t reserve(fmi_pool *pool, fm_memory_kind kind, uint64_t shared, uint64_t exact)
{
    _Atomic(uint64_t) *counter = reserved_of(pool, kind);
    uint64_t limit = kind == FMI_POOL_STAGING ? UINT64_MAX : pool->settings.limit_bytes;
    uint64_t reserved = atomic_load_explicit(counter, memory_order_relaxed);
    for (;;) {
        uint64_t room = reserved < limit ? limit - reserved : 0;
        uint64_t bytes = shared <= room ? shared : exact <= room ? exact : 0;
        if (bytes == 0 || atomic_compare_exchange_weak_explicit(counter, &reserved, reserved + bytes,
                                                                memory_order_relaxed, memory_order_relaxed)) {
            return bytes;
        }
    }
}

// Links a new block and takes the range from it before anyone else can. NULL: no host memory to note it.
static fmi_memory *link_block(fmi_pool *pool, fm_memory_kind kind, fmi_pool_block *block, uint64_t size_bytes)
{
    fmi_memory *memory = NULL;
    pthread_mutex_lock(&pool->lock);
    block->kind = kind;
    if (fmi_heap_add(&pool->heaps[kind], &pool->ranges, block)) {
        block->next = pool->blocks[kind];
        if (block->next) {
            block->next->before = block;
        }
        pool->blocks[kind] = block;
        pool->empty_bytes += block->native.size_bytes;
        memory = take_locked(pool, kind, size_bytes);
    } else {
        pthread_mutex_unlock(&pool->lock);
        free_block(pool, block);
        return NULL;
    }
    pthread_mutex_unlock(&pool->lock);
    return memory;
}

// Bytes that were reserved for a block are not used for it.
static void give_up(fmi_pool *pool, fm_memory_kind kind, uint64_t size_bytes)
{
    unreserve(pool, kind, size_bytes);
    atomic_fetch_add(&pool->failures, 1);
}

// Allocates a block that holds at least `size_bytes` and takes the range from it. `*by_limit`: it is the limit that has
// no room.
static fm_status add_block(fmi_pool *pool, fm_memory_kind kind, uint64_t size_bytes, bool *by_limit, fmi_memory **out)
{
    bool is_staging = kind == FMI_POOL_STAGING;
    uint64_t block_size = pool->settings.block_size_bytes;
    block_size = is_staging && block_size > STAGING_BLOCK_BYTES ? STAGING_BLOCK_BYTES : block_size;
    uint64_t shared = size_bytes > block_size / 2 ? size_bytes : block_size;
    uint64_t block_bytes = reserve(pool, kind, shared, size_bytes);
    *by_limit = block_bytes == 0;
    if (*by_limit) {
        return fmi_fail(FM_ERROR_OUT_OF_MEMORY,
                        "%llu bytes more would exceed the limit of %llu bytes; %llu are reserved",
                        (unsigned long long)size_bytes, (unsigned long long)pool->settings.limit_bytes,
                        (unsigned long long)atomic_load_explicit(&pool->reserved_bytes, memory_order_relaxed));
    }
    fmi_pool_block *block = calloc(1, sizeof *block);
    if (!block) {
        give_up(pool, kind, block_bytes);
        return fmi_fail(FM_ERROR_OUT_OF_HOST_MEMORY, "no host memory for a memory block");
    }
    fm_memory_kind native = is_staging ? FM_MEMORY_HOST : kind;
    fmi_float_state environment;
    fmi_float_enter(&environment);
    fm_status status = pool->ops->allocate_block(pool->backend, native, block_bytes, &block->native);
    if (status == FM_ERROR_OUT_OF_MEMORY && block_bytes > size_bytes) { // no room to share is better than none
        give_up(pool, kind, block_bytes - size_bytes);
        block_bytes = size_bytes;
        status = pool->ops->allocate_block(pool->backend, native, block_bytes, &block->native);
    }
    fmi_float_leave(&environment);
    if (status != FM_OK) {
        give_up(pool, kind, block_bytes);
        free(block);
        return status;
    }
    *out = link_block(pool, kind, block, size_bytes);
    return *out ? FM_OK : fmi_fail(FM_ERROR_OUT_OF_HOST_MEMORY, "no host memory for a memory block");
}

// What FM_ABLATE_DEATH_POINTS does: hands out memory that lists still use as if it were free.
static fmi_memory *steal(fmi_pool *pool, fm_memory_kind kind, uint64_t size_bytes)
{
    fmi_memory *memory = NULL;
    for (uint32_t i = 1; i <= pool->order_capacity && !memory; i++) {
        memory = fmi_pool_take_over(pool, kind, size_bytes, i);
    }
    return memory;
}

static fmi_memory *look(fmi_pool *pool, fm_memory_kind kind, uint64_t size_bytes)
{
    pthread_mutex_lock(&pool->lock);
    fmi_memory *memory = take_locked(pool, kind, size_bytes);
    pthread_mutex_unlock(&pool->lock);
    return memory;
}

// One thread adds a block at a time, and who comes behind it looks there first: many threads that find no room at once
// would reserve a block each, up to the limit, and leave nothing for the other kind.
static fm_status take_or_add(fmi_pool *pool, fm_memory_kind kind, uint64_t size_bytes, bool *by_limit, fmi_memory **out)
{
    *out = look(pool, kind, size_bytes);
    if (*out) {
        return FM_OK;
    }
    pthread_mutex_lock(&pool->growth[kind]);
    *out = look(pool, kind, size_bytes);
    fm_status status = *out ? FM_OK : add_block(pool, kind, size_bytes, by_limit, out);
    pthread_mutex_unlock(&pool->growth[kind]);
    return status;
}

// What a look depends on, as it was when the look began.
typedef struct outlook {
    uint64_t returns;
    uint64_t failures;
} outlook;

static outlook look_out(fmi_pool *pool)
{
    return (outlook){atomic_load(&pool->returns), atomic_load(&pool->failures)};
}

// Nothing is in flight, and a look found no room: would another look find none, too? Not if anything came back since it
// began, or if another thread is giving a block back at this moment. Where the limit stood in the way also not if
// another's allocation has failed since, whose bytes counted meanwhile; where the driver did, that changes nothing, and
// two such threads would keep each other at it.
static bool is_final(fmi_pool *pool, outlook before, bool by_limit)
{
    // In this order: who gives a block back raises `returns` before it lowers `leaving`.
    bool leaves = atomic_load(&pool->leaving) != 0;
    outlook now = look_out(pool);
    return !leaves && now.returns == before.returns && (!by_limit || now.failures == before.failures);
}

// Looks for memory until it is there, or nothing is left that could come back, or it is too late; the last error says
// what the last look found.
static fm_status look_until(fmi_pool *pool, fm_memory_kind kind, uint64_t size_bytes, uint64_t deadline,
                            fmi_memory **out)
{
    uint64_t until = deadline;
    bool late = false;
    for (uint32_t attempt = 0;; attempt++) {
        outlook before = look_out(pool);
        bool by_limit = false;
        fm_status status = take_or_add(pool, kind, size_bytes, &by_limit, out);
        if (status != FM_ERROR_OUT_OF_MEMORY) {
            return status;
        }
        if (late && until < deadline) {
            fmi_error_about("for 30 seconds others took what came free");
            return status;
        }
        if (late) {
            fmi_error_about("the time ran out before work in flight had let go of enough memory");
            return fmi_error_as(FM_TIMEOUT);
        }
        FMI_PLACE(pool->ablations, FM_TESTING_NO_ROOM);
        if (attempt == 0) {
            uint64_t patience = fmi_deadline(PATIENCE_NS);
            until = patience < deadline ? patience : deadline;
        }
        // Attempt 0 retires and gives empty blocks back, later ones wait for the oldest work.
        bool more = pool->reclaim && pool->reclaim(pool->reclaim_user, attempt, until);
        fmi_pool_trim(pool);
        if (!more && is_final(pool, before, by_limit)) {
            return status;
        }
        if (!more) {
            sched_yield(); // another thread had what came back, or is giving it back
        }
        late = attempt > 0 && fmi_remaining_ns(until) == 0; // one more look, at what came back last
    }
}

fm_status fmi_pool_alloc_until(fmi_pool *pool, fm_memory_kind kind, uint64_t size_bytes, uint64_t deadline,
                               fmi_memory **out)
{
    uint64_t limit = kind == FMI_POOL_STAGING ? UINT64_MAX : pool->settings.limit_bytes;
    uint64_t most = pool->max_block_bytes < limit ? pool->max_block_bytes : limit;
    if (size_bytes > most) {
        return fmi_fail(FM_ERROR_OUT_OF_MEMORY,
                        "%llu bytes exceed what the device or its memory limit allows at once (%llu)",
                        (unsigned long long)size_bytes, (unsigned long long)most);
    }
    size_bytes = fmi_heap_round(size_bytes);
    if (pool->settle) {
        pool->settle(pool->reclaim_user);
    }
    if (FMI_ABLATED(pool->ablations, FM_ABLATE_DEATH_POINTS) && (*out = steal(pool, kind, size_bytes)) != NULL) {
        return FM_OK;
    }
    fmi_error_state callers;
    fmi_error_save(&callers);
    fm_status status = look_until(pool, kind, size_bytes, deadline, out);
    if (status == FM_OK) {
        fmi_error_restore(&callers); // attempts that failed on the way are nobody's error
        uint64_t used = atomic_fetch_add_explicit(used_of(pool, kind), size_bytes, memory_order_relaxed) + size_bytes;
        fmi_raise_peak(kind == FMI_POOL_STAGING ? &pool->staging_peak_bytes : &pool->peak_bytes, used);
    } else if (status == FM_ERROR_OUT_OF_MEMORY && pool->explain) {
        pool->explain(pool->reclaim_user);
    }
    return status;
}

void fmi_pool_add_owner(fmi_pool *pool, fmi_memory *memory)
{
    pthread_mutex_lock(&pool->lock);
    atomic_fetch_add_explicit(&memory->owners, 1, memory_order_relaxed);
    pthread_mutex_unlock(&pool->lock);
}

void fmi_pool_release(fmi_pool *pool, fmi_memory *memory)
{
    fmi_pool_block *chain = NULL;
    fmi_pool_block *watched = NULL; // of the range that became free, if a test wants to know
    fmi_range range = {memory->offset_bytes, memory->size_bytes};
    pthread_mutex_lock(&pool->lock);
    uint32_t owners = atomic_fetch_sub_explicit(&memory->owners, 1, memory_order_relaxed);
    FMI_ASSERT("POOL-1", owners > 0);
    if (owners == 1) {
        fmi_pool_end_orphanhood_locked(pool, memory);
        fmi_pool_block *block = memory->block;
        watched = pool->watch ? block : NULL;
        if (pool->poison && block->native.mapped) {
            memset(block->native.mapped + memory->offset_bytes, FMI_POISON, (size_t)memory->size_bytes);
        }
        atomic_fetch_sub_explicit(used_of(pool, block->kind), memory->size_bytes, memory_order_relaxed);
        fmi_heap_give(&pool->heaps[block->kind], &pool->ranges, memory);
        atomic_fetch_add(&pool->returns, 1);
        if (block->used_bytes == 0) {
            pool->empty_bytes += block->native.size_bytes;
            chain = take_empty_blocks_locked(pool, pool->settings.cache_bytes);
        }
    }
    pthread_mutex_unlock(&pool->lock);
    if (watched) {
        pool->watch(pool->backend, &watched->native, range.offset_bytes, range.size_bytes);
    }
    free_chain(pool, chain);
}
