// Order: who has used a range of memory, in one atomic word, so that a stream can take memory over that its own earlier work still uses.
// Memory is offered to its stream once no live handle names it (orphan), no list that is being recorded uses it, and every committed list
// that does is of that stream. What takes it over is committed later: on the same stream it stands behind the old use, on another one the
// commit adds the old use's point to its `after` points (order_stream, order_value). The planner knows the memory by its region, so the
// device finishes the old use first. Everyone else gets the memory when its lists have retired (HOLD-6, LEARNED-5). Any thread.
#ifndef FMI_MEMORY_ORDER_H
#define FMI_MEMORY_ORDER_H

#include "memory/heap.h"

// The word: uncommitted:20 | home:24 | commits:20.
#define FMI_USE_UNCOMMITTED ((uint64_t)1 << 44) // one list that is being recorded
#define FMI_USE_HOME_SHIFT 20
#define FMI_USE_MANY 0xffffffu // in `home`: more than one stream
#define FMI_USE_COMMITS 0xfffffu

// 1 + the index of the one stream that has used the memory, 0 for none, FMI_USE_MANY for several.
static inline uint32_t fmi_use_home(uint64_t use)
{
    return (uint32_t)(use >> FMI_USE_HOME_SHIFT) & FMI_USE_MANY;
}

static inline uint32_t fmi_use_uncommitted(uint64_t use)
{
    return (uint32_t)(use >> 44);
}

// A list that is being recorded uses the memory. Sequentially consistent: the caller then looks whether the handle is still alive, and whoever
// destroys it looks here afterwards; one of the two sees the other (see fmi_recorder_hold_slow).
static inline void fmi_memory_bind(fmi_memory *memory)
{
    atomic_fetch_add(&memory->use, FMI_USE_UNCOMMITTED);
}

// That list was cancelled, or undid the use. The caller then offers the memory.
static inline void fmi_memory_unbind(fmi_memory *memory)
{
    atomic_fetch_sub(&memory->use, FMI_USE_UNCOMMITTED);
}

// That list was committed, and stands in the queue. `home` is 1 + its stream's index, 0 for the library's own lists. The caller then offers
// the memory.
static inline void fmi_memory_commit(fmi_memory *memory, uint32_t home)
{
    uint64_t use = atomic_load_explicit(&memory->use, memory_order_relaxed), after;
    do {
        uint32_t own = fmi_use_home(use), commits = (uint32_t)(use + 1) & FMI_USE_COMMITS;
        uint32_t both = home == 0 ? own : own == 0 || own == home ? home : FMI_USE_MANY;
        after = (uint64_t)(fmi_use_uncommitted(use) - 1) << 44 | (uint64_t)both << FMI_USE_HOME_SHIFT | commits;
        // Sequentially consistent, with the look at `orphan` that follows: see fmi_pool_orphan.
    } while (!atomic_compare_exchange_weak(&memory->use, &use, after));
}

// A stream's name in a use word.
static inline uint32_t fmi_use_home_of(uint32_t stream_index)
{
    return stream_index + 1 < FMI_USE_MANY ? stream_index + 1 : FMI_USE_MANY;
}

#endif
