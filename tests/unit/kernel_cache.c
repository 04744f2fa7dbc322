// The variant cache by itself: keys are bytes of the test's, variants are numbers, and a gate stops a compile half-way, so that what
// other threads do meanwhile is a matter of order. Values are compared, not pointers alone (KEY-6).
#include "base/error.h"
#include "kernel/cache.h"
#include "kernel/key.h"
#include "kernel/variant_map.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct fmi_kernel_binary {
    int value;
};

struct fmi_backend {
    _Atomic(int) made;
    _Atomic(int) destroyed;
};

static void destroy_kernel(fmi_backend *backend, fmi_kernel_binary *binary)
{
    atomic_fetch_add(&backend->destroyed, 1);
    binary->value = -1;
    free(binary);
}

static const fmi_backend_ops ops = {.prefix = "test", .destroy_kernel = destroy_kernel};
static const fmi_backend_caps caps = {.description = "tester"};

typedef struct fixture {
    fmi_backend backend;
    fmi_cache cache;
} fixture;

static void set_up(fixture *f, uint64_t limit_count, uint64_t limit_bytes, const fmi_ablations *ablations)
{
    memset(f, 0, sizeof *f);
    const fmi_cache_info info = {.ops = &ops,
                                 .backend = &f->backend,
                                 .caps = &caps,
                                 .ablations = ablations,
                                 .limit_count = limit_count,
                                 .limit_bytes = limit_bytes,
                                 .tag = 1,
                                 .serial = 1};
    assert_int_equal(fmi_cache_init(&f->cache, &info), FM_OK);
}

static void tear_down(fixture *f)
{
    fmi_cache_destroy(&f->cache);
    assert_int_equal(f->backend.made, f->backend.destroyed);
}

// What one look-up makes, if it has to.
typedef struct order {
    fixture *f;
    int value;
    uint64_t code_bytes;
    fm_status failure;
} order;

static fm_status make(void *user, fmi_made *out)
{
    order *o = user;
    if (o->failure != FM_OK) {
        return fmi_fail(o->failure, "no %d today", o->value);
    }
    out->binary = malloc(sizeof *out->binary);
    out->binary->value = o->value;
    out->code_bytes = o->code_bytes;
    atomic_fetch_add(&o->f->backend.made, 1);
    return FM_OK;
}

static fm_status ask(order *o, fmi_cache_make how, fmi_variant **out)
{
    fmi_text key = {0};
    fmi_text_format(&key, "source of %d", o->value);
    fm_status status = fmi_cache_hold(&o->f->cache, &key, how, o, out);
    fmi_text_free(&key);
    return status;
}

// Asks for a value, checks it, and keeps the hold.
static fmi_variant *get(fixture *f, int value)
{
    order o = {.f = f, .value = value};
    fmi_variant *variant = NULL;
    assert_int_equal(ask(&o, make, &variant), FM_OK);
    assert_int_equal(variant->binary->value, value);
    return variant;
}

static void drop(fixture *f, fmi_variant *variant)
{
    fmi_table_release(&f->cache.variants, &variant->slot);
}

static void use(fixture *f, int value)
{
    drop(f, get(f, value));
}

static void cache_equal_keys_share_one_variant_key_2(void **state)
{
    (void)state;
    fixture f;
    set_up(&f, 100, 1 << 20, NULL);
    fmi_variant *first = get(&f, 1), *second = get(&f, 2), *again = get(&f, 1);
    assert_ptr_equal(first, again);
    assert_ptr_not_equal(first, second);
    assert_int_equal(f.backend.made, 2);
    assert_int_equal(f.cache.counters.hits, 1);
    assert_int_equal(f.cache.counters.misses, 2);
    assert_int_equal(f.cache.counters.entries, 2);
    drop(&f, first);
    drop(&f, second);
    drop(&f, again);
    assert_int_equal(f.backend.destroyed, 0); // the cache keeps them
    tear_down(&f);
}

static void cache_where_all_hashes_collide_tells_keys_apart_key_2(void **state)
{
    (void)state;
    fixture f;
    set_up(&f, 1000, 1 << 20, NULL);
    f.cache.hash_mask = 0;
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 300; i++) {
            use(&f, i);
        }
    }
    assert_int_equal(f.backend.made, 300);
    assert_int_equal(f.cache.counters.entries, 300);
    tear_down(&f);
}

static void cache_limit_of_count_lets_the_least_recently_used_go_key_3(void **state)
{
    (void)state;
    fixture f;
    set_up(&f, 3, 1 << 20, NULL);
    use(&f, 1);
    use(&f, 2);
    use(&f, 3);
    use(&f, 1);
    use(&f, 4); // 2 goes
    assert_int_equal(f.backend.destroyed, 1);
    use(&f, 1);
    use(&f, 3);
    use(&f, 4);
    assert_int_equal(f.backend.made, 4);
    use(&f, 2); // one of 1, 3 and 4 goes
    assert_int_equal(f.backend.made, 5);
    assert_int_equal(f.cache.counters.evictions, 2);
    assert_int_equal(f.cache.counters.entries, 3);
    tear_down(&f);
}

// Against a plain model: moments of last use in an array.
static void cache_random_uses_evict_as_a_plain_model_key_3(void **state)
{
    (void)state;
    enum { VALUES = 40, LIMIT = 9 };
    fixture f;
    set_up(&f, LIMIT, 1 << 20, NULL);
    uint64_t used[VALUES] = {0}; // 0: not there
    uint64_t now = 0;
    int count = 0, made = 0;
    srand(5);
    for (int step = 0; step < 20000; step++) {
        int value = rand() % VALUES;
        bool was_there = used[value] != 0;
        use(&f, value);
        assert_int_equal(f.backend.made, made + !was_there);
        made = f.backend.made;
        used[value] = was_there ? now : ++now; // the clock counts insertions
        count += !was_there;
        if (count > LIMIT) {
            uint64_t oldest = UINT64_MAX;
            for (int i = 0; i < VALUES; i++) {
                oldest = used[i] && used[i] < oldest ? used[i] : oldest;
            }
            // Several may share that moment; the one that went is the one that must be made anew.
            int gone = -1;
            for (int i = 0; i < VALUES; i++) {
                if (used[i] == oldest) {
                    bool is_there = false;
                    for (fmi_variant *v = f.cache.lru.newest; v; v = v->older) {
                        is_there |= v->binary->value == i;
                    }
                    gone = is_there ? gone : i;
                }
            }
            assert_true(gone >= 0);
            used[gone] = 0;
            count--;
        }
    }
    tear_down(&f);
}

static void cache_limit_of_bytes_counts_key_and_code_key_3(void **state)
{
    (void)state;
    fixture f;
    set_up(&f, 1000, 10000, NULL);
    for (int i = 0; i < 30; i++) {
        order o = {.f = &f, .value = i, .code_bytes = 2000};
        fmi_variant *variant;
        assert_int_equal(ask(&o, make, &variant), FM_OK);
        drop(&f, variant);
        assert_true(f.cache.counters.bytes <= 10000);
    }
    assert_int_equal(f.cache.counters.entries, 4);
    order big = {
        .f = &f, .value = 99, .code_bytes = 1 << 20}; // over the limit by itself: it stays until the next comes
    fmi_variant *variant;
    assert_int_equal(ask(&big, make, &variant), FM_OK);
    drop(&f, variant);
    assert_int_equal(f.cache.counters.entries, 1);
    use(&f, 99);
    use(&f, 1);
    assert_int_equal(f.cache.counters.entries, 1);
    assert_true(f.cache.counters.bytes <= 10000);
    tear_down(&f);
}

static void cache_evicted_variant_lives_until_its_last_hold_ends_key_3(void **state)
{
    (void)state;
    enum { HOLDS = 32 };
    fixture f;
    set_up(&f, 1, 1 << 20, NULL);
    fmi_variant *held[HOLDS];
    for (int i = 0; i < HOLDS; i++) {
        held[i] = get(&f, 7);
    }
    use(&f, 8);
    assert_int_equal(f.cache.counters.entries, 1);
    assert_int_equal(f.cache.counters.evictions, 1);
    for (int i = 0; i < HOLDS; i++) {
        assert_int_equal(f.backend.destroyed, 0);
        assert_int_equal(held[i]->binary->value, 7);
        drop(&f, held[i]);
    }
    assert_int_equal(f.backend.destroyed, 1);
    use(&f, 7); // made anew
    assert_int_equal(f.backend.made, 3);
    tear_down(&f);
}

// A door in the compiler.
typedef struct gate {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool open;
    int inside;
} gate;

typedef struct asker {
    order order; // first: `make_behind_the_gate` gets it
    gate *gate;
    int expected;
    fm_status status;
    bool is_right;
    char sentence[128];
} asker;

static fm_status make_behind_the_gate(void *user, fmi_made *out)
{
    asker *a = user;
    pthread_mutex_lock(&a->gate->lock);
    a->gate->inside++;
    pthread_cond_broadcast(&a->gate->changed);
    while (!a->gate->open) {
        pthread_cond_wait(&a->gate->changed, &a->gate->lock);
    }
    pthread_mutex_unlock(&a->gate->lock);
    return make(user, out);
}

static void *run_asker(void *user)
{
    asker *a = user;
    fmi_variant *variant = NULL;
    a->status = ask(&a->order, a->gate ? make_behind_the_gate : make, &variant);
    a->is_right = a->status != FM_OK || variant->binary->value == a->order.value;
    snprintf(a->sentence, sizeof a->sentence, "%s", a->status == FM_OK ? "" : fm_last_error());
    if (variant) {
        drop(a->order.f, variant);
    }
    return NULL;
}

// Waits until `count` threads wait for a flight: they have nothing more to do then but to get its answer.
static void wait_for_waiters(fixture *f, uint64_t misses)
{
    while (atomic_load(&f->cache.counters.misses) < misses) {
        sched_yield();
    }
    pthread_mutex_lock(&f->cache.lock); // the last to count itself leaves the lock only by waiting
    pthread_mutex_unlock(&f->cache.lock);
}

enum { ASKERS = 6 };

// Starts ASKERS threads that want one value, and returns when one is in the compiler and the others wait for it.
static void start_askers(fixture *f, gate *g, asker *askers, pthread_t *threads, fm_status failure)
{
    for (int i = 0; i < ASKERS; i++) {
        askers[i] = (asker){.order = {.f = f, .value = 5, .failure = failure}, .gate = g};
        assert_int_equal(pthread_create(&threads[i], NULL, run_asker, &askers[i]), 0);
    }
    wait_for_waiters(f, ASKERS);
    pthread_mutex_lock(&g->lock);
    while (g->inside == 0) {
        pthread_cond_wait(&g->changed, &g->lock);
    }
    pthread_mutex_unlock(&g->lock);
}

static void open_gate(gate *g, asker *askers, pthread_t *threads)
{
    pthread_mutex_lock(&g->lock);
    g->open = true;
    pthread_cond_broadcast(&g->changed);
    pthread_mutex_unlock(&g->lock);
    for (int i = 0; i < ASKERS; i++) {
        pthread_join(threads[i], NULL);
        assert_true(askers[i].is_right);
    }
}

static void cache_threads_that_want_one_variant_make_it_once_key_4(void **state)
{
    (void)state;
    fixture f;
    set_up(&f, 1, 1 << 20, NULL);
    gate g = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    asker askers[ASKERS];
    pthread_t threads[ASKERS];
    start_askers(&f, &g, askers, threads, FM_OK);
    use(&f, 6); // another variant is made meanwhile
    assert_int_equal(g.inside, 1);
    open_gate(&g, askers, threads); // and 6 is evicted
    assert_int_equal(f.backend.made, 2);
    for (int i = 0; i < ASKERS; i++) {
        assert_int_equal(askers[i].status, FM_OK);
    }
    tear_down(&f);
}

static void cache_failure_is_told_to_all_who_waited_and_tried_again_key_4(void **state)
{
    (void)state;
    fixture f;
    set_up(&f, 10, 1 << 20, NULL);
    gate g = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    asker askers[ASKERS];
    pthread_t threads[ASKERS];
    start_askers(&f, &g, askers, threads, FM_ERROR_COMPILE);
    open_gate(&g, askers, threads);
    assert_int_equal(g.inside, 1);
    for (int i = 0; i < ASKERS; i++) {
        assert_int_equal(askers[i].status, FM_ERROR_COMPILE);
        assert_string_equal(askers[i].sentence, "no 5 today");
    }
    assert_int_equal(f.cache.counters.entries, 0);
    use(&f, 5);
    tear_down(&f);
}

#ifdef FERMATA_TESTING
static void cache_without_single_flight_makes_a_variant_twice_key_4(void **state)
{
    (void)state;
    fixture f;
    fmi_ablations ablations = {.bits = 1u << FM_ABLATE_COMPILE_ONCE};
    set_up(&f, 10, 1 << 20, &ablations);
    gate g = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    asker askers[ASKERS];
    pthread_t threads[ASKERS];
    start_askers(&f, &g, askers, threads, FM_OK);
    open_gate(&g, askers, threads);
    assert_int_equal(f.backend.made, ASKERS);
    tear_down(&f);
}
#endif

static void *hit_many_times(void *user)
{
    asker *a = user;
    a->is_right = true;
    for (int i = 0; i < 100; i++) {
        fmi_variant *variant;
        a->is_right &= ask(&a->order, make, &variant) == FM_OK && variant->binary->value == a->order.value;
        drop(a->order.f, variant);
    }
    return NULL;
}

static void cache_many_hits_of_8_threads_leave_one_variant_key_4(void **state)
{
    (void)state;
    enum { THREADS = 8 };
    fixture f;
    set_up(&f, 10, 1 << 20, NULL);
    asker askers[THREADS];
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        askers[i] = (asker){.order = {.f = &f, .value = 3}};
        assert_int_equal(pthread_create(&threads[i], NULL, hit_many_times, &askers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_true(askers[i].is_right);
    }
    assert_int_equal(f.backend.made, 1);
    assert_int_equal(f.cache.counters.entries, 1);
    assert_int_equal(f.cache.counters.hits + f.cache.counters.misses, 100 * THREADS);
    tear_down(&f);
}

// Threads that use more values than the cache keeps: whatever is evicted, everybody has the value that he asked for.
static void *churn(void *user)
{
    asker *a = user;
    a->is_right = true;
    for (int i = 0; i < 2000; i++) {
        a->order.value = (i * 7 + a->expected) % 12;
        fmi_variant *variant;
        a->is_right &= ask(&a->order, make, &variant) == FM_OK;
        a->is_right &= variant->binary->value == a->order.value;
        drop(a->order.f, variant);
    }
    return NULL;
}

static void cache_churn_of_many_threads_gives_right_values_key_3(void **state)
{
    (void)state;
    enum { THREADS = 4 };
    fixture f;
    set_up(&f, 3, 1 << 20, NULL);
    f.cache.hash_mask = 1;
    asker askers[THREADS];
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        askers[i] = (asker){.order = {.f = &f}, .expected = i};
        assert_int_equal(pthread_create(&threads[i], NULL, churn, &askers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_true(askers[i].is_right);
    }
    assert_int_equal(f.cache.counters.entries, 3);
    assert_int_equal(f.cache.variants.alive, 3);
    tear_down(&f);
}

static void key_changes_with_everything_that_makes_the_code_key_2(void **state)
{
    (void)state;
    enum { CODES = 11, KEYS = CODES + 6 };
    fmi_kernel_code codes[CODES];
    fmi_backend_caps devices[3] = {caps, caps, caps};
    for (int i = 0; i < CODES; i++) {
        codes[i] = (fmi_kernel_code){.name = "k", .span_count = 2, .binding_numbers = {0, 1}, .group_size = {64, 1, 1}};
    }
    codes[1].binding_mode = FM_BINDING_DESCRIPTORS;
    codes[2].indirect_arguments = true;
    codes[3].wants_group_count = true;
    codes[4].wants_group_base = true;
    codes[5].binding_numbers[1] = 2;
    codes[6].arguments_binding = 3;
    codes[7].constants_size_bytes = 4;
    codes[8].group_size[2] = 2;
    codes[9].wants_barriers = true;
    codes[10].wants_barriers = true;
    codes[10].name = "named_in_its_failures";
    devices[1].driver_version++;
    devices[2].device_uuid[15]++;
    fmi_text keys[KEYS] = {0};
    for (int i = 0; i < CODES; i++) {
        fmi_key_write(&keys[i], FMI_KEY_GLSL, &ops, &caps, &codes[i], "text", 4);
    }
    fmi_key_write(&keys[CODES], FMI_KEY_GLSL, &ops, &devices[1], &codes[0], "text", 4);
    fmi_key_write(&keys[CODES + 1], FMI_KEY_GLSL, &ops, &devices[2], &codes[0], "text", 4);
    fmi_key_write(&keys[CODES + 2], FMI_KEY_C, &ops, &caps, &codes[0], "text", 4);
    fmi_key_write(&keys[CODES + 3], FMI_KEY_GLSL, &ops, &caps, &codes[0], "test", 4);
    fmi_key_write(&keys[CODES + 4], FMI_KEY_GLSL, &(fmi_backend_ops){.prefix = "best"}, &caps, &codes[0], "text", 4);
    fmi_key_write(&keys[CODES + 5], FMI_KEY_GLSL, &ops, &caps, NULL, "text", 4);
    for (int i = 0; i < KEYS; i++) {
        for (int j = 0; j < i; j++) {
            assert_false(keys[i].length == keys[j].length && memcmp(keys[i].data, keys[j].data, keys[i].length) == 0);
        }
    }
    for (int i = 0; i < KEYS; i++) {
        fmi_text_free(&keys[i]);
    }
}

static void key_of_code_without_barriers_has_no_name_in_it_key_2(void **state)
{
    (void)state;
    fmi_text keys[2] = {0};
    for (int i = 0; i < 2; i++) {
        const fmi_kernel_code code = {.name = i ? "one" : "another", .group_size = {64, 1, 1}};
        fmi_key_write(&keys[i], FMI_KEY_C, &ops, &caps, &code, "text", 4);
    }
    assert_int_equal(keys[0].length, keys[1].length);
    assert_memory_equal(keys[0].data, keys[1].data, keys[0].length);
    fmi_text_free(&keys[0]);
    fmi_text_free(&keys[1]);
}

static void map_random_changes_match_a_plain_array(void **state)
{
    (void)state;
    enum { KEYS = 500 };
    fixture f;
    set_up(&f, 1 << 20, UINT64_MAX, NULL);
    fmi_variant_map map = {.used = 0};
    fmi_variant *variants[KEYS] = {NULL};
    srand(17);
    for (int step = 0; step < 20000; step++) {
        uint32_t k = (uint32_t)rand() % KEYS;
        uint64_t dtypes = (uint64_t)k << 40 | k % 7;
        uint64_t found = fmi_variant_map_find(&map, dtypes);
        if (variants[k]) {
            assert_int_equal(found, variants[k]->id);
            if (rand() % 3 == 0) { // dies behind the map's back
                assert_int_equal(fmi_table_kill(&f.cache.variants, variants[k]->id), FM_OK);
                variants[k] = NULL;
            }
        } else {
            assert_true(found == 0 || !fmi_table_find(&f.cache.variants, found));
            fmi_kernel_binary *binary = malloc(sizeof *binary);
            f.backend.made++;
            assert_int_equal(fmi_cache_wrap(&f.cache, binary, &variants[k]), FM_OK);
            fmi_variant_map_set(&map, &f.cache.variants, dtypes, variants[k]->id);
        }
    }
    assert_true(map.places->capacity <= 1024); // the dead are forgotten before it grows
    fmi_variant_map_free(&map);
    tear_down(&f);
}

typedef struct map_reader {
    fmi_variant_map *map;
    _Atomic(bool) stop;
    _Atomic(bool) is_wrong;
} map_reader;

static void *read_map(void *user)
{
    map_reader *r = user;
    for (uint64_t k = 0; !atomic_load(&r->stop); k = (k + 1) % 64) {
        uint64_t id = fmi_variant_map_find(r->map, k);
        if (id != 0 && (id >> 32) != k + 1) { // every handle tells its own key here
            atomic_store(&r->is_wrong, true);
        }
    }
    return NULL;
}

static void map_readers_never_take_another_keys_handle_key_2(void **state)
{
    (void)state;
    fixture f;
    set_up(&f, 10, 1 << 20, NULL);
    fmi_variant_map map = {.used = 0};
    map_reader r = {.map = &map};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, read_map, &r), 0);
    // No such handle is alive, so the map forgets all whenever it is full, and fills the same places with other keys.
    for (uint32_t i = 0; i < 3000000; i++) {
        uint64_t k = i * UINT64_C(2654435761) >> 7 & 63;
        fmi_variant_map_set(&map, &f.cache.variants, k, (k + 1) << 32 | 2);
    }
    atomic_store(&r.stop, true);
    pthread_join(thread, NULL);
    assert_false(atomic_load(&r.is_wrong));
    assert_true(map.version > 1000);
    fmi_variant_map_free(&map);
    tear_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cache_equal_keys_share_one_variant_key_2),
        cmocka_unit_test(cache_where_all_hashes_collide_tells_keys_apart_key_2),
        cmocka_unit_test(cache_limit_of_count_lets_the_least_recently_used_go_key_3),
        cmocka_unit_test(cache_random_uses_evict_as_a_plain_model_key_3),
        cmocka_unit_test(cache_limit_of_bytes_counts_key_and_code_key_3),
        cmocka_unit_test(cache_evicted_variant_lives_until_its_last_hold_ends_key_3),
        cmocka_unit_test(cache_threads_that_want_one_variant_make_it_once_key_4),
        cmocka_unit_test(cache_failure_is_told_to_all_who_waited_and_tried_again_key_4),
#ifdef FERMATA_TESTING
        cmocka_unit_test(cache_without_single_flight_makes_a_variant_twice_key_4),
#endif
        cmocka_unit_test(cache_many_hits_of_8_threads_leave_one_variant_key_4),
        cmocka_unit_test(cache_churn_of_many_threads_gives_right_values_key_3),
        cmocka_unit_test(key_changes_with_everything_that_makes_the_code_key_2),
        cmocka_unit_test(key_of_code_without_barriers_has_no_name_in_it_key_2),
        cmocka_unit_test(map_random_changes_match_a_plain_array),
        cmocka_unit_test(map_readers_never_take_another_keys_handle_key_2),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
