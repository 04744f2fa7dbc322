// Pool: ranges never overlap, come back whole, stay within the limit, and pressure loses nothing. Runs on a fake backend.
#include "memory/pool.h"

#include "base/clock.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { WHILE_LOOKS = 2000 };

typedef struct fake {
    uint64_t allocated_bytes;
    _Atomic(uint32_t) blocks;
    _Atomic(uint32_t) coming;          // threads that are about to ask for memory
    uint32_t awaited;                  // a native allocation takes until so many are, and a while longer
    uint64_t refuse_above;             // native allocations fail beyond this many bytes in all
    void (*while_freeing)(void *user); // called once, in the middle of giving a block back
    void *while_freeing_user;
} fake;

static fm_status allocate(fmi_backend *backend, fm_memory_kind kind, uint64_t size_bytes, fmi_block *out)
{
    fake *f = (fake *)(void *)backend;
    for (int i = 0; i < WHILE_LOOKS && (f->awaited > 0); i++) {
        i = atomic_load(&f->coming) < f->awaited ? 0 : i;
        sched_yield();
    }
    if (f->allocated_bytes + size_bytes > f->refuse_above) {
        return FM_ERROR_OUT_OF_MEMORY;
    }
    f->allocated_bytes += size_bytes;
    f->blocks++;
    *out = (fmi_block){.native = f, .size_bytes = size_bytes, .kind = kind};
    return FM_OK;
}

static void release(fmi_backend *backend, fmi_block *block)
{
    fake *f = (fake *)(void *)backend;
    void (*while_freeing)(void *) = f->while_freeing;
    f->while_freeing = NULL;
    if (while_freeing) {
        while_freeing(f->while_freeing_user);
    }
    f->allocated_bytes -= block->size_bytes;
    f->blocks--;
}

enum { BLOCK = 1 << 20 };

static const fmi_backend_ops ops = {.prefix = "fake", .allocate_block = allocate, .free_block = release};

static void open_pool(fmi_pool *pool, fake *f, uint64_t limit)
{
    *f = (fake){.refuse_above = UINT64_MAX / 2};
    fmi_backend_caps caps = {.max_block_bytes = (uint64_t)1 << 40};
    const fmi_pool_settings settings = {.limit_bytes = limit, .cache_bytes = 2 * BLOCK, .block_size_bytes = BLOCK};
    fmi_pool_init(pool, &ops, (fmi_backend *)(void *)f, &caps, &settings);
}

static uint32_t next_random(uint32_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    return *seed;
}

static bool overlap(const fmi_memory *a, const fmi_memory *b)
{
    return a->block == b->block && a->offset_bytes < b->offset_bytes + b->size_bytes &&
           b->offset_bytes < a->offset_bytes + a->size_bytes;
}

// POOL-1: whatever the order of taking and returning, no two ranges overlap and the sums are exact.
static void pool_random_use_never_overlaps(void **state)
{
    (void)state;
    enum { LIVE = 300 };
    static fmi_memory *live[LIVE];
    fake f;
    fmi_pool pool;
    open_pool(&pool, &f, (uint64_t)1 << 34);
    memset(live, 0, sizeof live);
    uint32_t seed = 7;
    uint64_t used = 0;
    for (int i = 0; i < 20000; i++) {
        uint32_t which = next_random(&seed) % LIVE;
        if (live[which]) {
            used -= live[which]->size_bytes;
            fmi_pool_release(&pool, live[which]);
            live[which] = NULL;
            continue;
        }
        uint64_t size = 1 + next_random(&seed) % (next_random(&seed) % 50 == 0 ? 3 * BLOCK : 20000);
        fmi_memory *a;
        assert_int_equal(fmi_pool_alloc(&pool, next_random(&seed) % 2, size, &a), FM_OK);
        live[which] = a;
        assert_true(a->size_bytes >= size && a->offset_bytes % 256 == 0);
        assert_true(a->offset_bytes + a->size_bytes <= a->block->native.size_bytes);
        assert_ptr_equal(fmi_ranges_find(&pool.ranges, a->region), a);
        assert_true(a->region < pool.region_count);
        used += a->size_bytes;
        for (int k = 0; k < LIVE; k++) {
            assert_false(live[k] != a && live[k] && overlap(live[k], a));
            assert_false(live[k] != a && live[k] && live[k]->region == a->region);
        }
        assert_int_equal(pool.used_bytes, used);
        assert_true(pool.peak_bytes >= used);
    }
    for (int k = 0; k < LIVE; k++) {
        if (live[k]) {
            fmi_pool_release(&pool, live[k]);
        }
    }
    assert_int_equal(pool.used_bytes, 0);
    assert_true(f.allocated_bytes <= 2 * BLOCK); // the cache's limit
    uint64_t kept = f.allocated_bytes;
    assert_int_equal(fmi_pool_trim(&pool), kept);
    assert_int_equal(f.blocks, 0);
    fmi_pool_destroy(&pool);
    assert_int_equal(f.blocks, 0);
}

static void pool_small_ranges_share_one_block(void **state)
{
    (void)state;
    fake f;
    fmi_pool pool;
    open_pool(&pool, &f, (uint64_t)1 << 34);
    fmi_memory *a[100];
    for (int i = 0; i < 100; i++) {
        assert_int_equal(fmi_pool_alloc(&pool, FM_MEMORY_DEVICE, 1000, &a[i]), FM_OK);
    }
    assert_int_equal(f.blocks, 1);
    for (int i = 0; i < 100; i++) {
        fmi_pool_release(&pool, a[i]);
    }
    fmi_pool_destroy(&pool);
}

static void pool_over_the_limit_is_refused_and_smaller_is_served(void **state)
{
    (void)state;
    fake f;
    fmi_pool pool;
    open_pool(&pool, &f, 3 * BLOCK);
    fmi_memory *a, *b, *c;
    assert_int_equal(fmi_pool_alloc(&pool, FM_MEMORY_DEVICE, 2 * BLOCK, &a), FM_OK);
    assert_int_equal(fmi_pool_alloc(&pool, FM_MEMORY_DEVICE, 2 * BLOCK, &b), FM_ERROR_OUT_OF_MEMORY);
    assert_int_equal(fmi_pool_alloc(&pool, FM_MEMORY_DEVICE, BLOCK / 4, &c), FM_OK); // nothing was lost
    assert_true(f.allocated_bytes <= 3 * BLOCK);
    assert_int_equal(pool.reserved_bytes, f.allocated_bytes);
    fmi_pool_release(&pool, a);
    assert_int_equal(fmi_pool_alloc(&pool, FM_MEMORY_DEVICE, 2 * BLOCK, &b), FM_OK);
    fmi_pool_release(&pool, b);
    fmi_pool_release(&pool, c);
    fmi_pool_destroy(&pool);
}

typedef struct hoard {
    fmi_pool *pool;
    fmi_memory *held[2];
    uint32_t left;
    uint32_t calls;
} hoard;

// Two requests, one inside the other's last look, that the driver refuses: each is told, neither keeps the other at it.
static bool ask_in_between(void *user, uint32_t attempt, uint64_t deadline)
{
    (void)deadline;
    hoard *h = user;
    fmi_memory *none;
    if (attempt == 1 && h->calls++ == 0) {
        assert_int_equal(fmi_pool_alloc(h->pool, FM_MEMORY_HOST, 100, &none), FM_ERROR_OUT_OF_MEMORY);
    }
    return attempt == 0;
}

static void pool_driver_refusals_do_not_keep_each_other_at_it(void **state)
{
    (void)state;
    fake f;
    fmi_pool pool;
    open_pool(&pool, &f, 4 * BLOCK);
    f.refuse_above = 0;
    hoard h = {.pool = &pool};
    pool.reclaim = ask_in_between;
    pool.reclaim_user = &h;
    fmi_memory *none;
    assert_int_equal(fmi_pool_alloc(&pool, FM_MEMORY_DEVICE, 100, &none), FM_ERROR_OUT_OF_MEMORY);
    assert_int_equal(h.calls, 2);       // the second by the request in between
    assert_int_equal(pool.failures, 8); // two looks each, for a block to share and for one of the request's own size
    fmi_pool_destroy(&pool);
}

static void pool_driver_refusal_leaves_the_books_right(void **state)
{
    (void)state;
    fake f;
    fmi_pool pool;
    open_pool(&pool, &f, (uint64_t)1 << 34);
    f.refuse_above = BLOCK / 2;
    fmi_memory *a;
    assert_int_equal(fmi_pool_alloc(&pool, FM_MEMORY_HOST, BLOCK / 2 + 1, &a), FM_ERROR_OUT_OF_MEMORY);
    assert_int_equal(pool.reserved_bytes, 0);
    assert_int_equal(fmi_pool_alloc(&pool, FM_MEMORY_HOST, 100, &a), FM_OK); // there is no block to share, but enough
    assert_int_equal(pool.reserved_bytes, 256);
    fmi_pool_release(&pool, a);
    fmi_pool_trim(&pool);
    f.refuse_above = UINT64_MAX / 2;
    assert_int_equal(fmi_pool_alloc(&pool, FM_MEMORY_HOST, 100, &a), FM_OK);
    fmi_pool_release(&pool, a);
    fmi_pool_destroy(&pool);
}

// Lets one range go each time it is asked, as retirement would.
static bool let_go(void *user, uint32_t attempt, uint64_t deadline)
{
    (void)deadline;
    hoard *h = user;
    h->calls++;
    if (attempt == 0) {
        return true;
    }
    if (h->left == 0) {
        return false;
    }
    fmi_pool_release(h->pool, h->held[--h->left]);
    return true;
}

static void pool_pressure_reclaims_until_it_fits(void **state)
{
    (void)state;
    fake f;
    fmi_pool pool;
    open_pool(&pool, &f, 4 * BLOCK);
    hoard h = {.pool = &pool, .left = 2};
    assert_int_equal(fmi_pool_alloc(&pool, FM_MEMORY_DEVICE, 2 * BLOCK, &h.held[0]), FM_OK);
    assert_int_equal(fmi_pool_alloc(&pool, FM_MEMORY_DEVICE, 2 * BLOCK, &h.held[1]), FM_OK);
    pool.reclaim = let_go;
    pool.reclaim_user = &h;
    fmi_memory *a;
    assert_int_equal(fmi_pool_alloc(&pool, FM_MEMORY_DEVICE, 3 * BLOCK, &a), FM_OK); // needs both back
    assert_int_equal(h.left, 0);
    fmi_memory *b;
    assert_int_equal(fmi_pool_alloc(&pool, FM_MEMORY_DEVICE, 3 * BLOCK, &b), FM_ERROR_OUT_OF_MEMORY);
    fmi_pool_release(&pool, a);
    fmi_pool_destroy(&pool);
}

// What retirement does when the last work ends at the very moment of its look: it lets everything go, and says that nothing is in flight.
static bool let_go_of_the_last(void *user, uint32_t attempt, uint64_t deadline)
{
    (void)deadline;
    hoard *h = user;
    h->calls++;
    while (attempt > 0 && h->left > 0) {
        fmi_pool_release(h->pool, h->held[--h->left]);
    }
    return attempt == 0;
}

// LEARNED-23: what comes back after a look is looked at, even if nothing more is in flight.
static void pool_what_the_last_reclaim_frees_is_had(void **state)
{
    (void)state;
    fake f;
    fmi_pool pool;
    open_pool(&pool, &f, 4 * BLOCK);
    hoard h = {.pool = &pool, .left = 1};
    assert_int_equal(fmi_pool_alloc(&pool, FM_MEMORY_DEVICE, 3 * BLOCK, &h.held[0]), FM_OK);
    pool.reclaim = let_go_of_the_last;
    pool.reclaim_user = &h;
    fmi_memory *a, *b;
    assert_int_equal(fmi_pool_alloc(&pool, FM_MEMORY_HOST, 2 * BLOCK, &a), FM_OK);
    uint32_t calls = h.calls;
    assert_int_equal(fmi_pool_alloc(&pool, FM_MEMORY_HOST, 3 * BLOCK, &b), FM_ERROR_OUT_OF_MEMORY);
    assert_int_equal(h.calls, calls + 2); // it does not ask again and again where nothing comes back
    fmi_pool_release(&pool, a);
    fmi_pool_destroy(&pool);
}

typedef struct meanwhile {
    fmi_pool *pool;
    fm_status status;
} meanwhile;

static void ask_meanwhile(void *context)
{
    meanwhile *m = context;
    fmi_memory *none;
    uint64_t now = fmi_now_ns();
    m->status = fmi_pool_alloc_until(m->pool, FM_MEMORY_HOST, 4 * BLOCK, now + 2000000, &none);
}

// LEARNED-23: blocks on their way back to the driver still count against the limit. Who asks meanwhile is not refused for good.
static void pool_block_on_its_way_back_is_waited_for(void **state)
{
    (void)state;
    fake f;
    fmi_pool pool;
    open_pool(&pool, &f, 4 * BLOCK);
    fmi_memory *a;
    assert_int_equal(fmi_pool_alloc(&pool, FM_MEMORY_DEVICE, 2 * BLOCK, &a), FM_OK);
    fmi_pool_release(&pool, a); // cached
    meanwhile m = {.pool = &pool, .status = FM_OK};
    f.while_freeing = ask_meanwhile;
    f.while_freeing_user = &m;
    fmi_pool_trim(&pool);
    assert_int_equal(m.status, FM_TIMEOUT); // not out of memory: a moment later there is enough
    assert_int_equal(fmi_pool_alloc(&pool, FM_MEMORY_HOST, 4 * BLOCK, &a), FM_OK);
    fmi_pool_release(&pool, a);
    fmi_pool_destroy(&pool);
}

static void give_back(void *user)
{
    hoard *h = user;
    while (h->left > 0) {
        fmi_pool_release(h->pool, h->held[--h->left]);
    }
}

// What complete work still holds comes back before memory is looked for, not only when there is none left: a program that waits, destroys and
// creates again needs one block, not two.
static void pool_settles_before_it_grows(void **state)
{
    (void)state;
    fake f;
    fmi_pool pool;
    open_pool(&pool, &f, 4 * BLOCK);
    hoard h = {.pool = &pool};
    pool.settle = give_back;
    pool.reclaim_user = &h;
    for (int i = 0; i < 3; i++) {
        fmi_memory *memory;
        assert_int_equal(fmi_pool_alloc(&pool, FM_MEMORY_DEVICE, BLOCK, &memory), FM_OK);
        assert_int_equal(pool.reserved_bytes, BLOCK);
        h.held[h.left++] = memory;
    }
    give_back(&h);
    fmi_pool_destroy(&pool);
}

// Staging memory lies in host memory: it is outside of the limit, never mixed with buffers, counted apart, and given back like theirs.
static void pool_staging_memory_is_outside_of_the_limit(void **state)
{
    (void)state;
    fake f;
    fmi_pool pool;
    open_pool(&pool, &f, 2 * BLOCK);
    fmi_memory *a, *b, *c, *d;
    assert_int_equal(fmi_pool_alloc(&pool, FM_MEMORY_HOST, 2 * BLOCK, &a), FM_OK);
    assert_int_equal(fmi_pool_alloc(&pool, FM_MEMORY_HOST, 4096, &b), FM_ERROR_OUT_OF_MEMORY);
    assert_int_equal(fmi_pool_alloc(&pool, FMI_POOL_STAGING, 4096, &b), FM_OK);
    assert_int_equal(fmi_pool_alloc(&pool, FMI_POOL_STAGING, 5 * BLOCK, &c), FM_OK);
    assert_int_equal(b->block->native.kind, FM_MEMORY_HOST);
    assert_int_equal(pool.reserved_bytes, 2 * BLOCK);
    assert_int_equal(pool.used_bytes, 2 * BLOCK);
    assert_int_equal(pool.peak_bytes, 2 * BLOCK);
    assert_int_equal(pool.staging_used_bytes, 5 * BLOCK + 4096);
    assert_int_equal(pool.staging_peak_bytes, 5 * BLOCK + 4096);
    assert_true(pool.staging_reserved_bytes >= 5 * BLOCK + 4096);
    fmi_pool_release(&pool, a);
    assert_int_equal(fmi_pool_alloc(&pool, FM_MEMORY_HOST, 256, &d), FM_OK);
    assert_ptr_not_equal(d->block, b->block);
    fmi_pool_release(&pool, b);
    fmi_pool_release(&pool, c);
    fmi_pool_release(&pool, d);
    fmi_pool_trim(&pool);
    assert_int_equal(pool.staging_used_bytes, 0);
    assert_int_equal(pool.staging_reserved_bytes, 0);
    assert_int_equal(f.blocks, 0);
    fmi_pool_destroy(&pool);
}

// A request that only a range of exactly its size can serve gets it: nothing is kept back by the rounding of size classes.
static void pool_exact_fit_is_found_before_more_is_asked_for(void **state)
{
    (void)state;
    fake f;
    fmi_pool pool;
    open_pool(&pool, &f, BLOCK);
    const uint64_t odd = BLOCK / 2 - 3 * 256;
    fmi_memory *a, *b, *c;
    assert_int_equal(fmi_pool_alloc(&pool, FM_MEMORY_DEVICE, odd, &a), FM_OK);
    assert_int_equal(fmi_pool_alloc(&pool, FM_MEMORY_DEVICE, BLOCK - odd, &b), FM_OK);
    assert_int_equal(fmi_pool_alloc(&pool, FM_MEMORY_DEVICE, 256, &c), FM_ERROR_OUT_OF_MEMORY);
    fmi_pool_release(&pool, a);
    assert_int_equal(fmi_pool_alloc(&pool, FM_MEMORY_DEVICE, odd, &a), FM_OK);
    fmi_pool_release(&pool, a);
    fmi_pool_release(&pool, b);
    assert_int_equal(fmi_pool_alloc(&pool, FM_MEMORY_DEVICE, BLOCK, &a), FM_OK); // joined again, to the last byte
    fmi_pool_release(&pool, a);
    assert_int_equal(f.blocks, 1);
    fmi_pool_destroy(&pool);
}

// HOLD-6, LEARNED-5: memory that lists of one stream still use is taken over by that stream alone, and only once no list that is being recorded
// uses it.
static void pool_memory_in_use_goes_to_its_own_stream_alone(void **state)
{
    (void)state;
    fake f;
    fmi_pool pool;
    open_pool(&pool, &f, (uint64_t)1 << 34);
    fmi_memory *a;
    const uint32_t home = fmi_use_home_of(5), other = fmi_use_home_of(6);
    assert_int_equal(fmi_pool_alloc(&pool, FM_MEMORY_DEVICE, 4096, &a), FM_OK);
    fmi_memory_bind(a);
    fmi_memory_bind(a);
    fmi_memory_commit(a, home);
    fmi_pool_orphan(&pool, a);
    assert_int_equal(pool.orphan_bytes, 0); // whoever records keeps it, not work in flight
    assert_null(fmi_pool_take_over(&pool, FM_MEMORY_DEVICE, 4096, home)); // one list may still be committed anywhere
    fmi_memory_commit(a, home);
    fmi_pool_offer(&pool, a);
    assert_int_equal(pool.orphan_bytes, 4096);
    assert_null(fmi_pool_take_over(&pool, FM_MEMORY_DEVICE, 4096, other));
    assert_null(fmi_pool_take_over(&pool, FM_MEMORY_HOST, 4096, home));
    assert_null(fmi_pool_take_over(&pool, FM_MEMORY_DEVICE, 4097, home));
    assert_null(fmi_pool_take_over(&pool, FM_MEMORY_DEVICE, 2048, home)); // half of it would be wasted
    assert_ptr_equal(fmi_pool_take_over(&pool, FM_MEMORY_DEVICE, 4000, home), a);
    assert_null(fmi_pool_take_over(&pool, FM_MEMORY_DEVICE, 4096, home)); // once
    assert_int_equal(pool.orphan_bytes, 0);
    assert_int_equal(pool.orphan_peak_bytes, 4096);
    fmi_pool_release(&pool, a); // the first object, when its lists retire
    assert_int_equal(pool.used_bytes, 4096);
    fmi_memory_bind(a);
    fmi_memory_commit(a, other); // a second stream: from now on only completion frees it
    fmi_pool_orphan(&pool, a);
    assert_null(fmi_pool_take_over(&pool, FM_MEMORY_DEVICE, 4096, home));
    assert_null(fmi_pool_take_over(&pool, FM_MEMORY_DEVICE, 4096, other));
    fmi_pool_release(&pool, a);
    assert_int_equal(pool.used_bytes, 0);
    assert_int_equal(pool.orphan_bytes, 0);
    fmi_pool_destroy(&pool);
}

// Offered memory whose lists retire first leaves the offer: it is free for anyone, and nobody gets it twice.
static void pool_offer_ends_when_its_lists_retire(void **state)
{
    (void)state;
    fake f;
    fmi_pool pool;
    open_pool(&pool, &f, (uint64_t)1 << 34);
    fmi_memory *a[3];
    for (int i = 0; i < 3; i++) {
        assert_int_equal(fmi_pool_alloc(&pool, FM_MEMORY_DEVICE, 4096, &a[i]), FM_OK);
        fmi_memory_bind(a[i]);
        fmi_memory_commit(a[i], 1);
        fmi_pool_orphan(&pool, a[i]);
    }
    fmi_pool_release(&pool, a[1]);
    assert_ptr_equal(fmi_pool_take_over(&pool, FM_MEMORY_DEVICE, 4096, 1), a[2]); // newest first
    assert_ptr_equal(fmi_pool_take_over(&pool, FM_MEMORY_DEVICE, 4096, 1), a[0]);
    assert_null(fmi_pool_take_over(&pool, FM_MEMORY_DEVICE, 4096, 1));
    assert_int_equal(pool.reuses, 2);
    for (int i = 0; i < 2; i++) { // each has its first object and the one that took it over
        fmi_pool_release(&pool, a[0]);
        fmi_pool_release(&pool, a[2]);
    }
    assert_int_equal(pool.used_bytes, 0);
    fmi_pool_destroy(&pool);
}

typedef struct taker {
    fmi_pool *pool;
    fake *device;
    pthread_t thread;
    fmi_memory *memory;
    fm_status status;
} taker;

static void *take_main(void *context)
{
    taker *t = context;
    atomic_fetch_add(&t->device->coming, 1);
    t->status = fmi_pool_alloc_until(t->pool, FM_MEMORY_DEVICE, 4096, UINT64_MAX, &t->memory);
    return NULL;
}

// LEARNED-15: threads that find an empty pool at once get one block together. With one each, the limit would be reached by blocks of which nothing is
// used, and memory of the other kind could not be had.
static void pool_threads_that_find_no_room_add_one_block(void **state)
{
    (void)state;
    enum { TAKERS = 8 };
    taker takers[TAKERS];
    fake f;
    fmi_pool pool;
    open_pool(&pool, &f, TAKERS * BLOCK);
    f.awaited = TAKERS;
    for (int i = 0; i < TAKERS; i++) {
        takers[i] = (taker){.pool = &pool, .device = &f};
        assert_int_equal(pthread_create(&takers[i].thread, NULL, take_main, &takers[i]), 0);
    }
    for (int i = 0; i < TAKERS; i++) {
        pthread_join(takers[i].thread, NULL);
        assert_int_equal(takers[i].status, FM_OK);
    }
    assert_int_equal(atomic_load(&f.blocks), 1);
    fmi_memory *other;
    assert_int_equal(fmi_pool_alloc_until(&pool, FM_MEMORY_HOST, 4096, UINT64_MAX, &other), FM_OK);
    fmi_pool_release(&pool, other);
    for (int i = 0; i < TAKERS; i++) {
        fmi_pool_release(&pool, takers[i].memory);
    }
    fmi_pool_destroy(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pool_random_use_never_overlaps),
        cmocka_unit_test(pool_threads_that_find_no_room_add_one_block),
        cmocka_unit_test(pool_small_ranges_share_one_block),
        cmocka_unit_test(pool_over_the_limit_is_refused_and_smaller_is_served),
        cmocka_unit_test(pool_driver_refusal_leaves_the_books_right),
        cmocka_unit_test(pool_driver_refusals_do_not_keep_each_other_at_it),
        cmocka_unit_test(pool_pressure_reclaims_until_it_fits),
        cmocka_unit_test(pool_what_the_last_reclaim_frees_is_had),
        cmocka_unit_test(pool_block_on_its_way_back_is_waited_for),
        cmocka_unit_test(pool_settles_before_it_grows),
        cmocka_unit_test(pool_staging_memory_is_outside_of_the_limit),
        cmocka_unit_test(pool_exact_fit_is_found_before_more_is_asked_for),
        cmocka_unit_test(pool_memory_in_use_goes_to_its_own_stream_alone),
        cmocka_unit_test(pool_offer_ends_when_its_lists_retire),
    };
    return cmocka_run_group_tests_name("memory_pool", tests, NULL, NULL);
}
