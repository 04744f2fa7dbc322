// The variant cache of one device: full key → compiled variant, each made once, the least recently used let go first.
// Knows keys as bytes and how to keep what they name; what a key means and how its code is made is build.c's.
// Any thread. `lock` guards the cache's shape, for a few instructions; nothing is compiled or destroyed under it
// (KEY-4).
#ifndef FMI_VARIANT_CACHE_H
#define FMI_VARIANT_CACHE_H

#include "backend/backend.h"
#include "base/ablation.h"
#include "base/table.h"
#include "base/text.h"

#include <pthread.h>

// One compiled variant. Everything but the cache's own fields is immutable once it is published. The cache has one hold
// on what it keeps, each list one on what it dispatches; the last hold's drop destroys the binary (KEY-3).
typedef struct fmi_variant {
    fmi_slot slot; // in fmi_cache.variants
    uint64_t id;   // its handle in that table
    fmi_kernel_binary *binary;
    fmi_text key;  // everything that makes the code; empty: not in the cache, owned by its kernel (host functions)
    uint64_t hash; // of the key
    uint64_t size_bytes; // what it counts against limit_bytes: key, code, and this struct
    // The cache's, guarded by its lock:
    struct fmi_variant *next_in_bucket;
    struct fmi_variant *newer; // in the order of use; NULL = newest
    struct fmi_variant *older;
    uint64_t queued_tick;        // the use that its place in that order stands for
    _Atomic(uint64_t) used_tick; // last use; relaxed, it is a hint to whoever evicts
} fmi_variant;

// Variants in the order of their last use, as far as it is known; settled when one must go. Guarded by the cache's
// lock.
typedef struct fmi_lru {
    fmi_variant *newest;
    fmi_variant *oldest;
} fmi_lru;

void fmi_lru_add_locked(fmi_lru *lru, fmi_variant *variant);
void fmi_lru_remove_locked(fmi_lru *lru, fmi_variant *variant);

// The variant whose last use is longest ago; NULL if there is none.
fmi_variant *fmi_lru_oldest_locked(fmi_lru *lru);

// Counters since the device was opened; relaxed, each exact.
typedef struct fmi_cache_counters {
    _Atomic(uint64_t) hits;   // of look-ups here; what recorders find for themselves their lanes count (record/lane.h)
    _Atomic(uint64_t) misses; // look-ups that made a variant or waited for its maker
    _Atomic(uint64_t) evictions;   // variants let go because of a limit
    _Atomic(uint64_t) compiled;    // variants that a compiler made
    _Atomic(uint64_t) compile_ns;  // spent in making variants, summed over threads
    _Atomic(uint64_t) disk_hits;   // look-ups in the disk cache that found what they looked for
    _Atomic(uint64_t) disk_misses; // those that found nothing, or nothing to be trusted
    _Atomic(uint64_t) entries;     // variants in the cache (now)
    _Atomic(uint64_t) bytes;       // their size_bytes (now)
} fmi_cache_counters;

// What making a variant gave.
typedef struct fmi_made {
    fmi_kernel_binary *binary;
    uint64_t code_bytes; // of the code that the backend was given
} fmi_made;

// Makes the binary for the key that is being looked up. Called outside every lock. Sets the last error.
typedef fm_status (*fmi_cache_make)(void *user, fmi_made *out);

struct fmi_disk;
typedef struct fmi_flight fmi_flight; // a variant being made (cache.c)

typedef struct fmi_cache {
    const fmi_backend_ops *ops; // these four: borrowed, constant
    fmi_backend *backend;
    const fmi_backend_caps *caps;
    const fmi_ablations *ablations; // may be NULL
    struct fmi_disk *disk;          // owned; NULL: nothing is kept on disk
    uint64_t limit_count;           // constant
    uint64_t limit_bytes;           // constant
    uint64_t hash_mask;             // of key hashes that count; all ones but in tests that want collisions
    fmi_table variants;
    fmi_cache_counters counters;
    _Atomic(uint64_t) tick; // counts insertions: the clock of used_tick
    pthread_mutex_t lock;   // guards all below, and the variants' own fields above
    fmi_variant **buckets;
    uint64_t bucket_count; // a power of two
    fmi_lru lru;
    fmi_flight *flights;
} fmi_cache;

// What `fmi_cache_init` needs to know.
typedef struct fmi_cache_info {
    const fmi_backend_ops *ops;
    fmi_backend *backend;
    const fmi_backend_caps *caps;
    const fmi_ablations *ablations;
    struct fmi_disk *disk; // transferred, also on error; may be NULL
    uint64_t limit_count;  // 1 or more
    uint64_t limit_bytes;  // 1 or more
    uint8_t tag;           // the device's, for the table of variants
    uint32_t serial;
} fmi_cache_info;

// FM_ERROR_OUT_OF_HOST_MEMORY, with nothing left behind.
fm_status fmi_cache_init(fmi_cache *cache, const fmi_cache_info *info);

// Frees everything, whatever still holds it. Nothing on the device uses a variant any more. One thread.
void fmi_cache_destroy(fmi_cache *cache);

// Finds the variant of `key` or makes it, and holds it for the caller. Threads that ask for one key while it is made
// wait and get the maker's answer, failure and cause included; the next asker after a failure tries again (KEY-2,
// KEY-4). `key` is emptied if it was kept. The last error names no kernel: the caller says which one it is about.
fm_status fmi_cache_hold(fmi_cache *cache, fmi_text *key, fmi_cache_make make, void *user, fmi_variant **out);

// Wraps a binary that no key can find: one hold, the caller's.
fm_status fmi_cache_wrap(fmi_cache *cache, fmi_kernel_binary *binary, fmi_variant **out);

// Have both the same key, so that either can stand for the other? False for what no key finds.
bool fmi_variant_is_twin(const fmi_variant *a, const fmi_variant *b);

// Notes a use, for the order in which variants go. Stores only where it changes something, so variants in use are not
// contended.
static inline void fmi_cache_touch(fmi_cache *cache, fmi_variant *variant)
{
    uint64_t tick = atomic_load_explicit(&cache->tick, memory_order_relaxed);
    if (atomic_load_explicit(&variant->used_tick, memory_order_relaxed) != tick) {
        atomic_store_explicit(&variant->used_tick, tick, memory_order_relaxed);
    }
}

#endif
