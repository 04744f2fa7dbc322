// Look-up, single flight and limits. See cache.h.
// A look-up under the lock ends in one of three: a variant that is held, a flight to wait for, or a flight of the
// caller's own. Evicted variants leave the cache under the lock and are let go outside it: destroying one may take a
// driver its time.
#include "variant/cache.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/thread.h"
#include "variant/disk.h"

#include <stdlib.h>
#include <string.h>

enum {
    FIRST_BUCKETS = 64,
};

// A variant being made, and who waits for it. On the heap: the last to leave frees it.
struct fmi_flight {
    fmi_flight *next;
    const fmi_text *key; // the maker's, as long as the flight is in the list
    uint64_t hash;
    uint32_t waiters; // guarded by the cache's lock, as is all below
    bool landed;
    pthread_cond_t has_landed;
    fmi_variant *variant; // once landed: held once for each waiter; NULL if it failed
    fm_status status;
    fmi_error_state *failure; // what the maker was told; NULL: it did not fail, or no host memory for it
};

// By whoever lets go last: also a thread of the program's.
static void destroy_binary(fmi_cache *cache, fmi_kernel_binary *binary)
{
    fmi_float_state environment;
    fmi_float_enter(&environment);
    cache->ops->destroy_kernel(cache->backend, binary);
    fmi_float_leave(&environment);
}

static void free_variant(void *user, fmi_slot *slot)
{
    fmi_cache *cache = user;
    fmi_variant *variant = (fmi_variant *)slot;
    if (variant->binary) {
        destroy_binary(cache, variant->binary);
    }
    variant->binary = NULL;
    fmi_text_free(&variant->key);
}

fm_status fmi_cache_init(fmi_cache *cache, const fmi_cache_info *info)
{
    *cache = (fmi_cache){
        .ops = info->ops,
        .backend = info->backend,
        .caps = info->caps,
        .ablations = info->ablations,
        .disk = info->disk,
        .limit_count = info->limit_count,
        .limit_bytes = info->limit_bytes,
        .hash_mask = UINT64_MAX,
        .bucket_count = FIRST_BUCKETS,
    };
    cache->buckets = calloc(FIRST_BUCKETS, sizeof(fmi_variant *));
    fm_status status = cache->buckets ? fmi_table_init(&cache->variants, sizeof(fmi_variant), "variant", info->tag,
                                                       info->serial, free_variant, cache)
                                      : fmi_fail(FM_ERROR_OUT_OF_HOST_MEMORY, "no host memory for the kernel cache");
    if (status == FM_OK && (status = fmi_table_share(&cache->variants)) != FM_OK) {
        fmi_table_destroy(&cache->variants);
    }
    if (status != FM_OK) {
        free((void *)cache->buckets);
        cache->buckets = NULL;
        fmi_disk_destroy(&cache->disk);
        return status;
    }
    pthread_mutex_init(&cache->lock, NULL);
    return FM_OK;
}

void fmi_cache_destroy(fmi_cache *cache)
{
    if (!cache->buckets) {
        return;
    }
    FMI_ASSERT("KEY-4", !cache->flights);
    fmi_table_destroy(&cache->variants);
    free((void *)cache->buckets);
    cache->buckets = NULL;
    pthread_mutex_destroy(&cache->lock);
    fmi_disk_destroy(&cache->disk);
}

// The hash decides where to look; only equal bytes are the same key (KEY-2).
static bool is_key(const fmi_text *a, uint64_t a_hash, const fmi_text *b, uint64_t b_hash)
{
    return a_hash == b_hash && a->length == b->length && memcmp(a->data, b->data, a->length) == 0;
}

bool fmi_variant_is_twin(const fmi_variant *a, const fmi_variant *b)
{
    return a->key.length > 0 && is_key(&a->key, a->hash, &b->key, b->hash);
}

static fmi_variant *find_locked(const fmi_cache *cache, const fmi_text *key, uint64_t hash)
{
    fmi_variant *variant = cache->buckets[hash & (cache->bucket_count - 1)];
    while (variant && !is_key(&variant->key, variant->hash, key, hash)) {
        variant = variant->next_in_bucket;
    }
    return variant;
}

static fmi_flight *find_flight_locked(const fmi_cache *cache, const fmi_text *key, uint64_t hash)
{
    fmi_flight *flight = FMI_ABLATED(cache->ablations, FM_ABLATE_COMPILE_ONCE) ? NULL : cache->flights;
    while (flight && !is_key(flight->key, flight->hash, key, hash)) {
        flight = flight->next;
    }
    return flight;
}

// More buckets, if there is memory; chains only grow without.
static void grow_buckets_locked(fmi_cache *cache)
{
    uint64_t count = 2 * cache->bucket_count;
    fmi_variant **buckets = calloc(count, sizeof(fmi_variant *));
    if (!buckets) {
        return;
    }
    for (uint64_t i = 0; i < cache->bucket_count; i++) {
        for (fmi_variant *variant = cache->buckets[i], *next; variant; variant = next) {
            next = variant->next_in_bucket;
            fmi_variant **bucket = &buckets[variant->hash & (count - 1)];
            variant->next_in_bucket = *bucket;
            *bucket = variant;
        }
    }
    free((void *)cache->buckets);
    cache->buckets = buckets;
    cache->bucket_count = count;
}

static uint64_t add_to(_Atomic(uint64_t) *counter, uint64_t more)
{
    return atomic_fetch_add_explicit(counter, more, memory_order_relaxed) + more;
}

static void insert_locked(fmi_cache *cache, fmi_variant *variant)
{
    if (add_to(&cache->counters.entries, 1) > cache->bucket_count) {
        grow_buckets_locked(cache);
    }
    fmi_variant **bucket = &cache->buckets[variant->hash & (cache->bucket_count - 1)];
    variant->next_in_bucket = *bucket;
    *bucket = variant;
    atomic_store_explicit(&variant->used_tick, add_to(&cache->tick, 1), memory_order_relaxed); // later than every use
    fmi_lru_add_locked(&cache->lru, variant);
    add_to(&cache->counters.bytes, variant->size_bytes);
}

static void take_out_locked(fmi_cache *cache, fmi_variant *variant)
{
    fmi_variant **link = &cache->buckets[variant->hash & (cache->bucket_count - 1)];
    while (*link != variant) {
        link = &(*link)->next_in_bucket;
    }
    *link = variant->next_in_bucket;
    fmi_lru_remove_locked(&cache->lru, variant);
    atomic_fetch_sub_explicit(&cache->counters.entries, 1, memory_order_relaxed);
    atomic_fetch_sub_explicit(&cache->counters.bytes, variant->size_bytes, memory_order_relaxed);
    add_to(&cache->counters.evictions, 1);
}

// Takes out what is over the limits, least recently used first; the newest stays, whatever its size. Returns them,
// chained.
static fmi_variant *evict_locked(fmi_cache *cache)
{
    fmi_variant *evicted = NULL;
    while (atomic_load_explicit(&cache->counters.entries, memory_order_relaxed) > 1 &&
           (atomic_load_explicit(&cache->counters.entries, memory_order_relaxed) > cache->limit_count ||
            atomic_load_explicit(&cache->counters.bytes, memory_order_relaxed) > cache->limit_bytes)) {
        fmi_variant *oldest = fmi_lru_oldest_locked(&cache->lru);
        take_out_locked(cache, oldest);
        oldest->next_in_bucket = evicted;
        evicted = oldest;
    }
    return evicted;
}

// Drops the cache's hold on each: those that no list holds are destroyed now, the others when their last list lets go
// (KEY-3).
static void let_go(fmi_cache *cache, fmi_variant *evicted)
{
    while (evicted) {
        fmi_variant *next = evicted->next_in_bucket;
        if (FMI_ABLATED(cache->ablations, FM_ABLATE_EVICT_UNHELD)) {
            destroy_binary(cache, evicted->binary);
            evicted->binary = NULL;
        }
        fm_status killed = fmi_table_kill(&cache->variants, evicted->id);
        FMI_ASSERT("KEY-3", killed == FM_OK);
        evicted = next;
    }
}

static void hold_locked(fmi_cache *cache, fmi_variant *variant)
{
    fmi_slot *slot;
    bool held = fmi_table_try_hold(&cache->variants, variant->id, &slot);
    FMI_ASSERT("KEY-3", held); // what is in the cache has the cache's hold
}

// Equal keys share a variant, whatever their kernels are called. So a failure to make one names no kernel: it is a
// cause, and each who is told adds its own kernel as the subject (KEY-4).
static void fail_as_flight(const fmi_flight *flight)
{
    if (flight->failure) {
        fmi_error_restore(flight->failure);
    } else {
        fmi_answer(flight->status);
    }
}

// Waits for a flight of another thread. Enters with the lock, leaves without it.
static fm_status wait_for(fmi_cache *cache, fmi_flight *flight, fmi_variant **out)
{
    flight->waiters++;
    while (!flight->landed) {
        pthread_cond_wait(&flight->has_landed, &cache->lock);
    }
    fm_status status = flight->status;
    *out = flight->variant;
    pthread_mutex_unlock(&cache->lock);
    if (status != FM_OK) {
        fail_as_flight(flight); // landed, it is constant, and lives until its last waiter has left
    }
    pthread_mutex_lock(&cache->lock);
    bool is_last = --flight->waiters == 0;
    pthread_mutex_unlock(&cache->lock);
    if (is_last) {
        pthread_cond_destroy(&flight->has_landed);
        free(flight->failure);
        free(flight);
    }
    return status;
}

// Ends the caller's own flight and tells those who wait.
static void land_locked(fmi_cache *cache, fmi_flight *flight, fm_status status, fmi_variant *variant)
{
    fmi_flight **link = &cache->flights;
    while (*link != flight) {
        link = &(*link)->next;
    }
    *link = flight->next;
    if (flight->waiters == 0) {
        pthread_cond_destroy(&flight->has_landed);
        free(flight);
        return;
    }
    flight->landed = true;
    flight->status = status;
    flight->variant = variant;
    flight->failure = status == FM_OK ? NULL : malloc(sizeof *flight->failure);
    if (flight->failure) {
        fmi_error_save(flight->failure);
    }
    for (uint32_t i = 0; variant && i < flight->waiters; i++) {
        hold_locked(cache, variant); // now: it may be evicted before they wake
    }
    pthread_cond_broadcast(&flight->has_landed);
}

fm_status fmi_cache_wrap(fmi_cache *cache, fmi_kernel_binary *binary, fmi_variant **out)
{
    fmi_variant *variant = (fmi_variant *)fmi_table_reserve(&cache->variants);
    if (!variant) {
        return fmi_fail(FM_ERROR_OUT_OF_HOST_MEMORY, "no host memory for a kernel variant");
    }
    variant->binary = binary;
    variant->key = (fmi_text){0};
    variant->hash = variant->size_bytes = variant->queued_tick = 0;
    variant->next_in_bucket = variant->newer = variant->older = NULL;
    atomic_store_explicit(&variant->used_tick, 0, memory_order_relaxed);
    variant->id = fmi_table_publish(&cache->variants, &variant->slot); // nobody else knows it yet
    *out = variant;
    return FM_OK;
}

// Makes the variant, without the lock. On FM_OK it has one hold.
static fm_status make_variant(fmi_cache *cache, uint64_t hash, fmi_text *key, fmi_cache_make make, void *user,
                              fmi_variant **out)
{
    fmi_made made = {0};
    uint64_t begin = fmi_now_ns();
    fm_status status = make(user, &made);
    add_to(&cache->counters.compile_ns, fmi_now_ns() - begin);
    if (status != FM_OK) {
        return status;
    }
    status = fmi_cache_wrap(cache, made.binary, out);
    if (status != FM_OK) {
        destroy_binary(cache, made.binary);
        return status;
    }
    (*out)->hash = hash;
    (*out)->size_bytes = sizeof **out + key->length + made.code_bytes;
    return FM_OK;
}

// Makes the variant as the owner of a flight.
static fm_status fly(fmi_cache *cache, fmi_flight *flight, fmi_text *key, fmi_cache_make make, void *user,
                     fmi_variant **out)
{
    fmi_variant *variant = NULL, *evicted = NULL;
    fm_status status = make_variant(cache, flight->hash, key, make, user, &variant);
    pthread_mutex_lock(&cache->lock);
    if (variant) {
        hold_locked(cache, variant);
        variant->key = *key;
        *key = (fmi_text){0};
        insert_locked(cache, variant);
    }
    land_locked(cache, flight, status, variant);
    if (variant) {
        evicted = evict_locked(cache);
    }
    pthread_mutex_unlock(&cache->lock);
    let_go(cache, evicted);
    *out = variant;
    return status;
}

fm_status fmi_cache_hold(fmi_cache *cache, fmi_text *key, fmi_cache_make make, void *user, fmi_variant **out)
{
    *out = NULL;
    if (key->failed || !key->length) {
        return fmi_fail(FM_ERROR_OUT_OF_HOST_MEMORY, "no host memory for a kernel's key");
    }
    uint64_t hash = fmi_hash64(key->data, key->length) & cache->hash_mask;
    fmi_flight *own = calloc(1, sizeof *own);
    if (!own) {
        return fmi_fail(FM_ERROR_OUT_OF_HOST_MEMORY, "no host memory to make a kernel variant");
    }
    pthread_mutex_lock(&cache->lock);
    fmi_variant *variant = find_locked(cache, key, hash);
    if (variant) {
        hold_locked(cache, variant);
        fmi_cache_touch(cache, variant);
        pthread_mutex_unlock(&cache->lock);
        add_to(&cache->counters.hits, 1);
        free(own);
        *out = variant;
        return FM_OK;
    }
    add_to(&cache->counters.misses, 1);
    fmi_flight *flight = find_flight_locked(cache, key, hash);
    if (flight) {
        free(own);
        return wait_for(cache, flight, out);
    }
    *own = (fmi_flight){.next = cache->flights, .key = key, .hash = hash};
    pthread_cond_init(&own->has_landed, NULL);
    cache->flights = own;
    pthread_mutex_unlock(&cache->lock);
    return fly(cache, own, key, make, user, out);
}
