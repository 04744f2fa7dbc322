// The variant cache by itself: keys are bytes of the test's, variants are numbers, and a gate stops a compile half-way,
// so that what other threads do meanwhile is a matter of order. Values are compared, not pointers alone (KEY-6).
#include "cache_fixture.h"

#include "base/error.h"

#include <pthread.h>
#include <stdio.h>

// What one look-up makes, if it has to.
typedef struct order {
    fixture *f;
    int value;
    uint64_t code_bytes;
    fm_status failure;
    const char *name; // of the kernel that asks; NULL: "k"
} order;

static const char *name_of(const order *o)
{
    return o->name ? o->name : "k";
}

static fm_status make(void *user, fmi_made *out)
{
    order *o = user;
    if (o->failure != FM_OK) {
        return fmi_fail(o->failure, "it has no %d today; kernel '%s' is a word of the text", o->value, name_of(o));
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
    char sentence[640];
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
    if (a->status != FM_OK) {
        fmi_error_about("kernel '%.100s'", name_of(&a->order)); // as kernel.c says it
    }
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

// Starts ASKERS threads that want one value, and returns when the first is in the compiler and the others wait for it.
static void start_askers(fixture *f, gate *g, asker *askers, pthread_t *threads, fm_status failure,
                         const char *const *names)
{
    for (int i = 0; i < ASKERS; i++) {
        askers[i] =
            (asker){.order = {.f = f, .value = 5, .failure = failure, .name = names ? names[i] : NULL}, .gate = g};
        assert_int_equal(pthread_create(&threads[i], NULL, run_asker, &askers[i]), 0);
        pthread_mutex_lock(&g->lock);
        while (g->inside == 0) {
            pthread_cond_wait(&g->changed, &g->lock);
        }
        pthread_mutex_unlock(&g->lock);
    }
    wait_for_waiters(f, ASKERS);
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
    start_askers(&f, &g, askers, threads, FM_OK, NULL);
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
    start_askers(&f, &g, askers, threads, FM_ERROR_COMPILE, NULL);
    open_gate(&g, askers, threads);
    assert_int_equal(g.inside, 1);
    for (int i = 0; i < ASKERS; i++) {
        assert_int_equal(askers[i].status, FM_ERROR_COMPILE);
        assert_string_equal(askers[i].sentence, "kernel 'k': it has no 5 today; kernel 'k' is a word of the text");
    }
    assert_int_equal(f.cache.counters.entries, 0);
    use(&f, 5);
    tear_down(&f);
}

// The first asker makes it, and the others read of kernels of their own, however long the names are, and of no other's.
static void cache_failure_names_the_kernel_of_whoever_is_told_key_4(void **state)
{
    (void)state;
    for (int makers_length = 3; makers_length <= 130; makers_length += 127) {
        fixture f;
        set_up(&f, 10, 1 << 20, NULL);
        gate g = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
        asker askers[ASKERS];
        pthread_t threads[ASKERS];
        char names[ASKERS][160];
        const char *of_names[ASKERS];
        for (int i = 0; i < ASKERS; i++) {
            memset(names[i], 'a' + i, sizeof names[i]);
            names[i][i == 0 ? makers_length : 30 * i - 29] = 0; // some are longer than what sentences show of them
            of_names[i] = names[i];
        }
        start_askers(&f, &g, askers, threads, FM_ERROR_COMPILE, of_names);
        open_gate(&g, askers, threads);
        assert_int_equal(g.inside, 1);
        for (int i = 1; i < ASKERS; i++) {
            char expected[1200];
            // What the text says of a kernel stays as it is, whatever the maker's is called.
            snprintf(expected, sizeof expected, "kernel '%.100s': it has no 5 today; kernel '%s' is a word of the text",
                     names[i], names[0]);
            assert_string_equal(askers[i].sentence, expected);
        }
        tear_down(&f);
    }
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
    start_askers(&f, &g, askers, threads, FM_OK, NULL);
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
        cmocka_unit_test(cache_failure_names_the_kernel_of_whoever_is_told_key_4),
#ifdef FERMATA_TESTING
        cmocka_unit_test(cache_without_single_flight_makes_a_variant_twice_key_4),
#endif
        cmocka_unit_test(cache_many_hits_of_8_threads_leave_one_variant_key_4),
        cmocka_unit_test(cache_churn_of_many_threads_gives_right_values_key_3),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
