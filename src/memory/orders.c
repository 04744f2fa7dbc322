// The pool's orphans: memory whose handle is dead while lists still use it, counted, and offered to its own stream. See
// order.h. Under the pool's lock, which each function takes but the one that says otherwise.
#include "memory/pool.h"

#include <stdlib.h>
#include <string.h>

// Out of its stream's order.
static void unlink_order_locked(fmi_pool *pool, fmi_memory *memory)
{
    if (memory->order == 0) {
        return;
    }
    *(memory->last ? &memory->last->next : &pool->orders[memory->order - 1]) = memory->next;
    if (memory->next) {
        memory->next->last = memory->last;
    }
    memory->next = memory->last = NULL;
    memory->order = 0;
}

void fmi_pool_end_orphanhood_locked(fmi_pool *pool, fmi_memory *memory)
{
    unlink_order_locked(pool, memory);
    atomic_store_explicit(&memory->orphan, 0, memory_order_relaxed);
    if (memory->is_counted) {
        memory->is_counted = false;
        atomic_fetch_sub_explicit(&pool->orphan_bytes, memory->size_bytes, memory_order_relaxed);
    }
}

// Room for the order of this home.
static bool grow_orders_locked(fmi_pool *pool, uint32_t home)
{
    if (home <= pool->order_capacity) {
        return true;
    }
    uint32_t capacity = pool->order_capacity ? pool->order_capacity : 64;
    while (capacity < home) {
        capacity *= 2;
    }
    fmi_memory **orders = realloc(pool->orders, capacity * sizeof *orders);
    if (!orders) {
        return false;
    }
    memset(orders + pool->order_capacity, 0, (capacity - pool->order_capacity) * sizeof *orders);
    pool->orders = orders;
    pool->order_capacity = capacity;
    return true;
}

// Counts and offers orphaned memory once no list that is being recorded uses it.
static void offer_locked(fmi_pool *pool, fmi_memory *memory)
{
    uint64_t use = atomic_load(&memory->use);
    uint32_t home = fmi_use_home(use);
    if (!atomic_load(&memory->orphan) || fmi_use_uncommitted(use)) {
        return;
    }
    if (!memory->is_counted) { // from here on only work in flight keeps it; before, a list that somebody records
        memory->is_counted = true;
        fmi_raise_peak(&pool->orphan_peak_bytes,
                       atomic_fetch_add_explicit(&pool->orphan_bytes, memory->size_bytes, memory_order_relaxed) +
                           memory->size_bytes);
    }
    // Without host memory for the order it stays with its lists and returns when they retire.
    if (memory->order || home == 0 || home == FMI_USE_MANY || !grow_orders_locked(pool, home)) {
        return;
    }
    fmi_memory **head = &pool->orders[home - 1];
    memory->order = home;
    memory->last = NULL;
    memory->next = *head;
    if (*head) {
        (*head)->last = memory;
    }
    *head = memory;
}

void fmi_pool_offer_slow(fmi_pool *pool, fmi_memory *memory)
{
    pthread_mutex_lock(&pool->lock);
    offer_locked(pool, memory);
    pthread_mutex_unlock(&pool->lock);
}

void fmi_pool_orphan(fmi_pool *pool, fmi_memory *memory)
{
    pthread_mutex_lock(&pool->lock);
    // Sequentially consistent, before `use` is looked at: a commit changes `use` and then looks here. One of the two
    // offers it.
    atomic_store(&memory->orphan, 1);
    offer_locked(pool, memory);
    pthread_mutex_unlock(&pool->lock);
}

fmi_memory *fmi_pool_take_over(fmi_pool *pool, fm_memory_kind kind, uint64_t size_bytes, uint32_t home)
{
    enum { MOST_LOOKS = 64 };
    size_bytes = fmi_heap_round(size_bytes);
    fmi_memory *found = NULL;
    pthread_mutex_lock(&pool->lock);
    fmi_memory *memory = home && home <= pool->order_capacity ? pool->orders[home - 1] : NULL;
    for (int looks = 0; memory && !found && looks < MOST_LOOKS; looks++, memory = memory->next) {
        // At most an eighth is wasted, so that a small buffer does not keep a large one's memory.
        bool fits = memory->size_bytes >= size_bytes && memory->size_bytes - size_bytes <= memory->size_bytes / 8;
        // What could not be zeroed stays noted until the lists that use it have answered for it, so it is nobody else's
        // before.
        if (fits && memory->block->kind == kind && !atomic_load_explicit(&memory->unzeroed, memory_order_acquire)) {
            found = memory;
        }
    }
    if (found) {
        fmi_pool_end_orphanhood_locked(pool, found);
        atomic_fetch_add_explicit(&found->owners, 1, memory_order_relaxed);
        atomic_fetch_add_explicit(&pool->reuses, 1, memory_order_relaxed);
    }
    pthread_mutex_unlock(&pool->lock);
    return found;
}
