// Pool. See pool.h. First fit over address-ordered free ranges; big requests get a block of their own.
// The lock guards blocks and ranges; native allocation and freeing happen outside it.
#include "memory/pool.h"

#include "base/assert.h"
#include "base/error.h"

#include <stdlib.h>
#include <string.h>

enum { POISON = 0xDB };
enum { GRANULARITY_BYTES = 256 }; // of offsets and sizes: above every device's binding alignment

void fmi_pool_init(fmi_pool *pool, const fmi_backend_ops *ops, fmi_backend *backend, const fmi_backend_caps *caps,
                   uint64_t limit_bytes, uint64_t block_size_bytes)
{
    *pool = (fmi_pool){
        .ops = ops,
        .backend = backend,
        .limit_bytes = limit_bytes,
        .block_size_bytes = block_size_bytes < caps->max_block_bytes ? block_size_bytes : caps->max_block_bytes,
        .max_block_bytes = caps->max_block_bytes,
    };
    pthread_mutex_init(&pool->lock, NULL);
}

static void free_block(fmi_pool *pool, fmi_pool_block *block)
{
    atomic_fetch_sub_explicit(&pool->reserved_bytes, block->native.size_bytes, memory_order_relaxed);
    pool->ops->free_block(pool->backend, &block->native);
    free(block->free_ranges);
    free(block);
}

void fmi_pool_destroy(fmi_pool *pool)
{
    for (int kind = 0; kind < 2; kind++) {
        while (pool->blocks[kind]) {
            fmi_pool_block *block = pool->blocks[kind];
            pool->blocks[kind] = block->next;
            free_block(pool, block);
        }
    }
    pthread_mutex_destroy(&pool->lock);
}

// Unlinks blocks that nothing uses, all but one shared block a kind unless `all`, and returns them as a chain.
static fmi_pool_block *take_empty_blocks(fmi_pool *pool, bool all)
{
    fmi_pool_block *taken = NULL;
    for (int kind = 0; kind < 2; kind++) {
        bool kept = false;
        fmi_pool_block **link = &pool->blocks[kind];
        while (*link) {
            fmi_pool_block *block = *link;
            bool shared = block->native.size_bytes == pool->block_size_bytes;
            if (block->used_bytes > 0 || (shared && !all && !kept)) {
                kept = kept || block->used_bytes == 0;
                link = &block->next;
                continue;
            }
            *link = block->next;
            block->next = taken;
            taken = block;
        }
    }
    return taken;
}

static void trim(fmi_pool *pool, bool all)
{
    pthread_mutex_lock(&pool->lock);
    fmi_pool_block *chain = take_empty_blocks(pool, all);
    pthread_mutex_unlock(&pool->lock);
    while (chain) {
        fmi_pool_block *block = chain;
        chain = block->next;
        free_block(pool, block);
    }
}

// Cuts `size_bytes` off the first free range that fits. Called under the lock.
static bool cut(fmi_pool_block *block, uint64_t size_bytes, fmi_allocation *out)
{
    for (uint32_t i = 0; i < block->free_count; i++) {
        fmi_range *range = &block->free_ranges[i];
        if (range->size_bytes < size_bytes) {
            continue;
        }
        *out = (fmi_allocation){block, range->offset_bytes, size_bytes};
        range->offset_bytes += size_bytes;
        range->size_bytes -= size_bytes;
        if (range->size_bytes == 0) {
            memmove(range, range + 1, (block->free_count - i - 1) * sizeof *range);
            block->free_count--;
        }
        block->used_bytes += size_bytes;
        return true;
    }
    return false;
}

static bool cut_from_any(fmi_pool *pool, fm_memory_kind kind, uint64_t size_bytes, fmi_allocation *out)
{
    bool found = false;
    pthread_mutex_lock(&pool->lock);
    for (fmi_pool_block *block = pool->blocks[kind]; block && !found; block = block->next) {
        found = cut(block, size_bytes, out);
    }
    pthread_mutex_unlock(&pool->lock);
    return found;
}

// Takes room for a block of `shared` bytes under the limit, else of `exact` bytes; returns the size taken, 0 for none. Only what fits is
// ever counted, so that no other thread is refused because of bytes that are given back a moment later.
static uint64_t reserve(fmi_pool *pool, uint64_t shared, uint64_t exact)
{
    uint64_t reserved = atomic_load_explicit(&pool->reserved_bytes, memory_order_relaxed);
    for (;;) {
        uint64_t room = reserved < pool->limit_bytes ? pool->limit_bytes - reserved : 0;
        uint64_t take = shared <= room ? shared : exact <= room ? exact : 0;
        if (take == 0 || atomic_compare_exchange_weak_explicit(&pool->reserved_bytes, &reserved, reserved + take,
                                                               memory_order_relaxed, memory_order_relaxed)) {
            return take;
        }
    }
}

// Allocates a block that holds at least `size_bytes` and cuts the range from it before anyone else can.
static fm_status add_block(fmi_pool *pool, fm_memory_kind kind, uint64_t size_bytes, fmi_allocation *out)
{
    uint64_t shared = size_bytes > pool->block_size_bytes / 2 ? size_bytes : pool->block_size_bytes;
    uint64_t block_bytes = reserve(pool, shared, size_bytes);
    if (block_bytes == 0) {
        return fmi_fail(FM_ERROR_OUT_OF_MEMORY,
                        "%llu bytes more would exceed the limit of %llu bytes; %llu are reserved",
                        (unsigned long long)size_bytes, (unsigned long long)pool->limit_bytes,
                        (unsigned long long)atomic_load_explicit(&pool->reserved_bytes, memory_order_relaxed));
    }
    fmi_pool_block *block = calloc(1, sizeof *block);
    fmi_range *ranges = malloc(16 * sizeof *ranges);
    fm_status status = block && ranges ? pool->ops->allocate_block(pool->backend, kind, block_bytes, &block->native)
                                       : fmi_fail(FM_ERROR_OUT_OF_HOST_MEMORY, "no host memory for a memory block");
    if (status != FM_OK) {
        atomic_fetch_sub_explicit(&pool->reserved_bytes, block_bytes, memory_order_relaxed);
        free(block);
        free(ranges);
        return status;
    }
    block->free_ranges = ranges;
    block->free_capacity = 16;
    block->free_count = 1;
    ranges[0] = (fmi_range){0, block_bytes};
    pthread_mutex_lock(&pool->lock);
    cut(block, size_bytes, out);
    block->next = pool->blocks[kind];
    pool->blocks[kind] = block;
    pthread_mutex_unlock(&pool->lock);
    return FM_OK;
}

fm_status fmi_pool_alloc(fmi_pool *pool, fm_memory_kind kind, uint64_t size_bytes, fmi_allocation *out)
{
    if (size_bytes > pool->max_block_bytes || size_bytes > pool->limit_bytes) {
        return fmi_fail(FM_ERROR_OUT_OF_MEMORY,
                        "%llu bytes exceed what the device or its memory limit allows at once (%llu)",
                        (unsigned long long)size_bytes,
                        (unsigned long long)(pool->max_block_bytes < pool->limit_bytes ? pool->max_block_bytes
                                                                                       : pool->limit_bytes));
    }
    size_bytes = (size_bytes + GRANULARITY_BYTES - 1) & ~(uint64_t)(GRANULARITY_BYTES - 1);
    fmi_error_state callers;
    fmi_error_save(&callers);
    for (uint32_t attempt = 0;; attempt++) {
        fm_status status = FM_OK;
        if (!cut_from_any(pool, kind, size_bytes, out)) {
            status = add_block(pool, kind, size_bytes, out);
        }
        if (status == FM_OK) {
            fmi_error_restore(&callers); // attempts that failed on the way are nobody's error
            uint64_t used = atomic_fetch_add_explicit(&pool->used_bytes, size_bytes, memory_order_relaxed) + size_bytes;
            uint64_t peak = atomic_load_explicit(&pool->peak_bytes, memory_order_relaxed);
            while (used > peak && !atomic_compare_exchange_weak_explicit(&pool->peak_bytes, &peak, used,
                                                                         memory_order_relaxed, memory_order_relaxed)) {
            }
            return FM_OK;
        }
        // Attempt 0 retires, 1 gives empty blocks back, later ones wait for the oldest work until none is left.
        if (status != FM_ERROR_OUT_OF_MEMORY) {
            return status;
        }
        bool more = pool->reclaim && pool->reclaim(pool->reclaim_user, attempt);
        trim(pool, true);
        if (!more && attempt > 0) {
            return status;
        }
    }
}

// Puts a range back in order and joins it with its neighbours. Called under the lock; false: no host memory to note it.
static bool put_back(fmi_pool_block *block, fmi_range range)
{
    uint32_t low = 0, high = block->free_count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (block->free_ranges[middle].offset_bytes < range.offset_bytes) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    fmi_range *ranges = block->free_ranges;
    bool joins_left = low > 0 && ranges[low - 1].offset_bytes + ranges[low - 1].size_bytes == range.offset_bytes;
    bool joins_right = low < block->free_count && range.offset_bytes + range.size_bytes == ranges[low].offset_bytes;
    if (joins_left && joins_right) {
        ranges[low - 1].size_bytes += range.size_bytes + ranges[low].size_bytes;
        memmove(&ranges[low], &ranges[low + 1], (block->free_count - low - 1) * sizeof *ranges);
        block->free_count--;
    } else if (joins_left) {
        ranges[low - 1].size_bytes += range.size_bytes;
    } else if (joins_right) {
        ranges[low].offset_bytes = range.offset_bytes;
        ranges[low].size_bytes += range.size_bytes;
    } else {
        if (block->free_count == block->free_capacity) {
            ranges = realloc(ranges, 2 * block->free_capacity * sizeof *ranges);
            if (!ranges) {
                return false;
            }
            block->free_ranges = ranges;
            block->free_capacity *= 2;
        }
        memmove(&ranges[low + 1], &ranges[low], (block->free_count - low) * sizeof *ranges);
        ranges[low] = range;
        block->free_count++;
    }
    return true;
}

void fmi_pool_free(fmi_pool *pool, const fmi_allocation *allocation)
{
    fmi_pool_block *block = allocation->block;
    if (pool->poison && block->native.mapped) {
        memset(block->native.mapped + allocation->offset_bytes, POISON, (size_t)allocation->size_bytes);
    }
    pthread_mutex_lock(&pool->lock);
    FMI_ASSERT("POOL-1", block->used_bytes >= allocation->size_bytes);
    // Without host memory to note the range, it stays out of use: lost for reuse, never handed out twice.
    put_back(block, (fmi_range){allocation->offset_bytes, allocation->size_bytes});
    block->used_bytes -= allocation->size_bytes;
    bool empty = block->used_bytes == 0;
    pthread_mutex_unlock(&pool->lock);
    atomic_fetch_sub_explicit(&pool->used_bytes, allocation->size_bytes, memory_order_relaxed);
    if (empty) {
        trim(pool, false);
    }
}
