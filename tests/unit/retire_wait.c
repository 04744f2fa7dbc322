// Waiting: one thread asks the device for all, a batch wakes those whose work it completed and nobody else, the seat is handed on,
// and places under the in-flight limit are given in turn (RETIRE-4). On a fake device whose batches are complete when the test says so.
#include "retire/retire.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

// The linker sends every question for the time through here (--wrap): a wait that asks a clock which can be set lasts shorter or longer
// when somebody sets it.
static _Atomic(uint32_t) asked_settable_clock;
int __real_clock_gettime(clockid_t clock, struct timespec *out);
int __wrap_clock_gettime(clockid_t clock, struct timespec *out);
int __wrap_clock_gettime(clockid_t clock, struct timespec *out)
{
    if (clock == CLOCK_REALTIME) {
        atomic_fetch_add(&asked_settable_clock, 1);
    }
    return __real_clock_gettime(clock, out);
}

enum { WAITERS = 6 };
#define TIMEOUT_NS UINT64_C(120000000000)

typedef struct fake {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint64_t completed; // guarded by `lock`, as is all below
    uint64_t others;    // what queues behind the first have reached
    uint32_t inside;    // threads that block on the device now
    uint32_t most_inside;
} fake;

static fake *fake_of(fmi_backend *backend)
{
    return (fake *)(void *)backend;
}

static fm_status completed(fmi_backend *backend, uint32_t queue, uint64_t *out)
{
    fake *f = fake_of(backend);
    pthread_mutex_lock(&f->lock);
    *out = queue ? f->others : f->completed;
    pthread_mutex_unlock(&f->lock);
    return FM_OK;
}

// Blocks without an end: who relies on looking again by itself hangs here, and the test with it.
static fm_status block(fmi_backend *backend, const uint64_t values[FMI_MOST_QUEUES], uint64_t timeout_ns)
{
    (void)timeout_ns;
    fake *f = fake_of(backend);
    pthread_mutex_lock(&f->lock);
    f->inside++;
    f->most_inside = f->inside > f->most_inside ? f->inside : f->most_inside;
    pthread_cond_broadcast(&f->changed);
    while (f->completed < values[0]) {
        pthread_cond_wait(&f->changed, &f->lock);
    }
    f->inside--;
    pthread_mutex_unlock(&f->lock);
    return FM_OK;
}

static const fmi_backend_ops ops = {.prefix = "fake", .completed = completed, .wait = block};

typedef struct bench {
    fake device;
    fmi_pool pool; // says how many bytes only work in flight keeps: none
    fmi_record_room room;
    fmi_engine engine;
    fmi_retirement r;
} bench;

static void set_up_on(bench *b, bool on_cpu)
{
    memset(b, 0, sizeof *b);
    pthread_mutex_init(&b->device.lock, NULL);
    pthread_cond_init(&b->device.changed, NULL);
    fmi_engine_init(&b->engine, &ops, (fmi_backend *)(void *)&b->device, NULL, NULL,
                    &(fmi_engine_settings){.depth = FMI_MOST_BATCHES, .queue_count = 1});
    // No keeper: what the waiters do not do, nobody does.
    const fmi_retirement_settings settings = {.waits_directly = on_cpu, .failures_kept = 1, .most_bytes = UINT64_MAX};
    b->room.pool = &b->pool;
    assert_int_equal(fmi_retirement_init(&b->r, &b->engine, &b->room, NULL, NULL, &settings), FM_OK);
}

static void set_up(bench *b)
{
    set_up_on(b, false);
}

static void tear_down(bench *b)
{
    fmi_retirement_destroy(&b->r);
    fmi_engine_destroy(&b->engine);
    pthread_mutex_destroy(&b->device.lock);
    pthread_cond_destroy(&b->device.changed);
}

// Puts `count` batches in flight.
static void submit(bench *b, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        fmi_queue *queue = &b->engine.queues[0];
        uint64_t head = atomic_load(&queue->head);
        queue->ring[head % FMI_MOST_BATCHES].value = head + 1;
        queue->ring[head % FMI_MOST_BATCHES].status = FM_OK;
        atomic_store(&queue->submitted_value, head + 1);
        atomic_store(&queue->head, head + 1);
    }
}

static void complete(bench *b, uint64_t value)
{
    pthread_mutex_lock(&b->device.lock);
    b->device.completed = value;
    pthread_cond_broadcast(&b->device.changed);
    pthread_mutex_unlock(&b->device.lock);
}

typedef struct waiter {
    bench *b;
    uint64_t value;
    pthread_t thread;
    _Atomic(uint32_t) own_looks; // times that the waiting thread itself looked
    fm_status status;
} waiter;

static bool is_retired(void *context)
{
    waiter *w = context;
    if (pthread_equal(pthread_self(), w->thread)) {
        atomic_fetch_add(&w->own_looks, 1);
    }
    return atomic_load(&w->b->engine.queues[0].retired_value) >= w->value;
}

static void *wait_main(void *context)
{
    waiter *w = context;
    w->thread = pthread_self();
    w->status = fmi_wait_until(&w->b->r, is_retired, w, TIMEOUT_NS);
    return NULL;
}

// One thread blocks on the device, and `sleepers` sleep.
static void settle(bench *b, uint32_t sleepers)
{
    while (atomic_load(&b->r.waiting.sleeping) != sleepers) {
        sched_yield();
    }
    pthread_mutex_lock(&b->device.lock);
    while (b->device.inside == 0) {
        pthread_cond_wait(&b->device.changed, &b->device.lock);
    }
    pthread_mutex_unlock(&b->device.lock);
}

// Waiter i waits for value i + 2 (the first, who polls, for the last of all).
static void start(bench *b, waiter *waiters, pthread_t *threads)
{
    for (uint32_t i = 0; i < WAITERS; i++) {
        waiters[i].b = b;
        waiters[i].value = i == 0 ? WAITERS + 1 : i + 1;
        assert_int_equal(pthread_create(&threads[i], NULL, wait_main, &waiters[i]), 0);
        settle(b, i);
    }
}

static void wait_one_thread_asks_the_device_and_a_batch_wakes_its_own(void **state)
{
    (void)state;
    static bench b;
    static waiter waiters[WAITERS];
    pthread_t threads[WAITERS];
    memset(waiters, 0, sizeof waiters);
    set_up(&b);
    submit(&b, WAITERS + 1);
    start(&b, waiters, threads);
    uint32_t looks[WAITERS];
    for (uint32_t i = 0; i < WAITERS; i++) {
        looks[i] = atomic_load(&waiters[i].own_looks);
    }
    for (uint32_t i = 1; i < WAITERS; i++) {
        complete(&b, i + 1);
        pthread_join(threads[i], NULL);
        assert_int_equal(waiters[i].status, FM_OK);
        settle(&b, WAITERS - 1 - i);
        for (uint32_t k = i + 1; k < WAITERS; k++) {
            assert_int_equal(atomic_load(&waiters[k].own_looks), looks[k]); // sleeps on
        }
    }
    complete(&b, WAITERS + 1);
    pthread_join(threads[0], NULL);
    assert_int_equal(waiters[0].status, FM_OK);
    assert_int_equal(b.device.most_inside, 1);
    tear_down(&b);
}

// The one who polls is done first, again and again: each time a sleeper takes over, or the rest would sleep for ever.
static void wait_poller_that_leaves_hands_the_seat_on(void **state)
{
    (void)state;
    static bench b;
    static waiter waiters[WAITERS];
    pthread_t threads[WAITERS];
    memset(waiters, 0, sizeof waiters);
    set_up(&b);
    submit(&b, WAITERS);
    for (uint32_t i = 0; i < WAITERS; i++) {
        waiters[i].b = &b;
        waiters[i].value = i + 1;
        assert_int_equal(pthread_create(&threads[i], NULL, wait_main, &waiters[i]), 0);
        settle(&b, i);
    }
    for (uint32_t i = 0; i < WAITERS; i++) {
        complete(&b, i + 1);
        pthread_join(threads[i], NULL);
        assert_int_equal(waiters[i].status, FM_OK);
        if (i + 1 < WAITERS) {
            settle(&b, WAITERS - 2 - i);
        }
    }
    assert_int_equal(b.device.most_inside, 1);
    tear_down(&b);
}

static bool never(void *context)
{
    (void)context;
    return false;
}

static void *time_out_main(void *context)
{
    waiter *w = context;
    w->status = fmi_wait_until(&w->b->r, never, NULL, 1000000);
    return NULL;
}

// A sleeper whose time runs out leaves the list, and the others are still found (LEARNED-3, LEARNED-11).
static void wait_sleeper_that_times_out_leaves_the_list(void **state)
{
    (void)state;
    static bench b;
    static waiter waiters[WAITERS], late[2];
    pthread_t threads[WAITERS], late_threads[2];
    memset(waiters, 0, sizeof waiters);
    set_up(&b);
    submit(&b, WAITERS + 1);
    start(&b, waiters, threads);
    for (uint32_t i = 0; i < 2; i++) {
        late[i].b = &b;
        assert_int_equal(pthread_create(&late_threads[i], NULL, time_out_main, &late[i]), 0);
    }
    for (uint32_t i = 0; i < 2; i++) {
        pthread_join(late_threads[i], NULL);
        assert_int_equal(late[i].status, FM_TIMEOUT);
    }
    assert_int_equal(atomic_load(&b.r.waiting.sleeping), WAITERS - 1);
    complete(&b, WAITERS + 1);
    for (uint32_t i = 0; i < WAITERS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(waiters[i].status, FM_OK);
    }
    assert_int_equal(atomic_load(&b.r.waiting.sleeping), 0);
    tear_down(&b);
}

typedef struct committer {
    bench *b;
    uint32_t number;
    _Atomic(uint32_t) *turn; // counts grants
    uint32_t my_turn;
} committer;

static void *commit_main(void *context)
{
    committer *c = context;
    if (fmi_place_wait(&c->b->r, 1, TIMEOUT_NS) == FM_OK) {
        c->my_turn = atomic_fetch_add(c->turn, 1);
    }
    return NULL;
}

// RETIRE-4: places come free one at a time and go to those who wait in the order in which they came; a newcomer never passes them.
static void places_are_given_in_turn(void **state)
{
    (void)state;
    static bench b;
    static committer committers[WAITERS];
    pthread_t threads[WAITERS];
    _Atomic(uint32_t) turn = 0;
    set_up(&b);
    assert_true(fmi_place_take(&b.r, 1)); // the limit is reached
    submit(&b, 1);                        // so that whoever polls blocks
    for (uint32_t i = 0; i < WAITERS; i++) {
        committers[i] = (committer){&b, i, &turn, UINT32_MAX};
        assert_int_equal(pthread_create(&threads[i], NULL, commit_main, &committers[i]), 0);
        settle(&b, i);
    }
    for (uint32_t i = 0; i < WAITERS; i++) {
        assert_false(fmi_place_take(&b.r, UINT32_MAX)); // there would be room for a newcomer, but others came before
        fmi_retirement_count_out(&b.r);
        if (i == 0) {
            complete(&b, 1); // the first is the one who polls: it returns when the device answers
            pthread_join(threads[0], NULL);
        } else {
            pthread_join(threads[i], NULL);
        }
        assert_int_equal(committers[i].my_turn, i);
        assert_int_equal(atomic_load(&b.r.places.waiting), WAITERS - 1 - i);
    }
    assert_true(fmi_place_take(&b.r, 2)); // nobody waits any more
    assert_int_equal(fmi_place_wait(&b.r, 1, 1000), FM_TIMEOUT);
    assert_int_equal(atomic_load(&b.r.places.waiting), 0);
    fmi_retirement_count_out(&b.r);
    fmi_retirement_count_out(&b.r);
    tear_down(&b);
}

typedef struct placed {
    bench *b;
    uint32_t limit;
    uint64_t timeout_ns;
    fm_status status;
    _Atomic(uint32_t) left;
} placed;

static void *place_main(void *context)
{
    placed *p = context;
    p->status = fmi_place_wait(&p->b->r, p->limit, p->timeout_ns);
    atomic_store(&p->left, 1);
    return NULL;
}

static void queue_up(placed *p, pthread_t *thread, uint32_t waiting)
{
    assert_int_equal(pthread_create(thread, NULL, place_main, p), 0);
    while (atomic_load(&p->b->r.places.waiting) < waiting && !atomic_load(&p->left)) {
        sched_yield();
    }
}

// Guard: who gives up its turn looks whether there is a place for the next (fmi_place_wait): what held the first one back need not hold
// the second, and nothing else may happen that would make anyone look (RETIRE-4, LEARNED-11).
static void place_that_the_first_gives_up_goes_to_the_second(void **state)
{
    (void)state;
    static bench b;
    set_up(&b);
    assert_true(fmi_place_take(&b.r, 1)); // one list is outstanding: no place for the first, one for the second
    bool both_waited = false;
    for (uint64_t patience_ns = 20000000; !both_waited; patience_ns *= 2) {
        placed first = {.b = &b, .limit = 1, .timeout_ns = patience_ns};
        placed second = {.b = &b, .limit = 2, .timeout_ns = TIMEOUT_NS / 6};
        pthread_t threads[2];
        queue_up(&first, &threads[0], 1);
        queue_up(&second, &threads[1], 2);
        both_waited =
            !atomic_load(&first.left); // else it gave up before the second came: once more, with more patience
        pthread_join(threads[0], NULL);
        pthread_join(threads[1], NULL);
        assert_int_equal(first.status, FM_TIMEOUT);
        assert_int_equal(second.status, FM_OK);
        fmi_retirement_count_out(&b.r);
    }
    assert_int_equal(atomic_load(&b.r.places.waiting), 0);
    tear_down(&b);
}

static uint64_t batch_of(void *context, uint64_t submitted)
{
    const waiter *w = context;
    return w->value <= submitted ? w->value : 0;
}

static void *wait_for_batch_main(void *context)
{
    waiter *w = context;
    w->thread = pthread_self();
    w->status = fmi_wait_until_batch(&w->b->r, is_retired, batch_of, w, TIMEOUT_NS);
    return NULL;
}

// `count` threads block on the device.
static void settle_inside(bench *b, uint32_t count)
{
    pthread_mutex_lock(&b->device.lock);
    while (b->device.inside != count) {
        pthread_cond_wait(&b->device.changed, &b->device.lock);
    }
    pthread_mutex_unlock(&b->device.lock);
}

// On a CPU each waits on the device for its own batch: nobody sleeps until another thread wakes it, and a batch wakes its own waiter.
static void wait_on_a_cpu_each_blocks_for_its_own_batch(void **state)
{
    (void)state;
    static bench b;
    static waiter waiters[WAITERS];
    pthread_t threads[WAITERS];
    uint32_t looks[WAITERS];
    memset(waiters, 0, sizeof waiters);
    set_up_on(&b, true);
    for (uint32_t i = 0; i < WAITERS; i++) {
        submit(&b, 1);
        waiters[i].b = &b;
        waiters[i].value = i + 1;
        assert_int_equal(pthread_create(&threads[i], NULL, wait_for_batch_main, &waiters[i]), 0);
        settle_inside(&b, i + 1);
        looks[i] = atomic_load(&waiters[i].own_looks);
    }
    assert_int_equal(atomic_load(&b.r.waiting.sleeping), 0);
    for (uint32_t i = 0; i < WAITERS; i++) {
        complete(&b, i + 1);
        pthread_join(threads[i], NULL);
        assert_int_equal(waiters[i].status, FM_OK);
        settle_inside(&b, WAITERS - 1 - i);
        for (uint32_t k = i + 1; k < WAITERS; k++) {
            assert_int_equal(atomic_load(&waiters[k].own_looks), looks[k]); // was not woken
        }
    }
    tear_down(&b);
}

// ENGINE-1, RETIRE-5: before who waits for a later batch nobody waits for the first. It is retired when it is complete all the same.
static void wait_on_a_cpu_watches_what_nobody_waits_for(void **state)
{
    (void)state;
    static bench b;
    static waiter w;
    pthread_t thread;
    memset(&w, 0, sizeof w);
    set_up_on(&b, true);
    submit(&b, 2);
    w.b = &b;
    w.value = 2;
    assert_int_equal(pthread_create(&thread, NULL, wait_for_batch_main, &w), 0);
    settle_inside(&b, 1);
    complete(&b, 1);
    while (atomic_load(&b.engine.queues[0].retired_value) < 1) { // by the waiting thread: nobody else is there
        sched_yield();
    }
    settle_inside(&b, 1);
    complete(&b, 2);
    pthread_join(thread, NULL);
    assert_int_equal(w.status, FM_OK);
    tear_down(&b);
}

// A thread that polls for sleepers wakes them; who came to wait for the same batch does not block on the device beside it.
static void wait_on_a_cpu_leaves_the_oldest_to_the_poller(void **state)
{
    (void)state;
    static bench b;
    static waiter waiters[2];
    pthread_t threads[2];
    memset(waiters, 0, sizeof waiters);
    set_up_on(&b, true);
    submit(&b, 2);
    for (uint32_t i = 0; i < 2; i++) {
        waiters[i].b = &b;
        waiters[i].value = 2 - i;
        assert_int_equal(pthread_create(&threads[i], NULL, wait_for_batch_main, &waiters[i]), 0);
        settle(&b, i); // the first polls for the oldest, which the second waits for
    }
    complete(&b, 1);
    pthread_join(threads[1], NULL);
    complete(&b, 2);
    pthread_join(threads[0], NULL);
    assert_int_equal(waiters[0].status, FM_OK);
    assert_int_equal(waiters[1].status, FM_OK);
    assert_int_equal(b.device.most_inside, 1);
    tear_down(&b);
}

// Lists are kept back for threads that come back with more. A commit that waits for a place is none of these.
static void wait_for_a_place_promises_no_list(void **state)
{
    (void)state;
    static bench b;
    static committer committers[2];
    static waiter w;
    pthread_t threads[2], thread;
    _Atomic(uint32_t) turn = 0;
    memset(&w, 0, sizeof w);
    set_up(&b);
    b.engine.gather_ns = 1;
    assert_true(fmi_place_take(&b.r, 1));
    submit(&b, 2);
    for (uint32_t i = 0; i < 2; i++) {
        committers[i] = (committer){&b, i, &turn, UINT32_MAX};
        assert_int_equal(pthread_create(&threads[i], NULL, commit_main, &committers[i]), 0);
        settle(&b, i);
    }
    w.b = &b;
    w.value = 2;
    assert_int_equal(pthread_create(&thread, NULL, wait_for_batch_main, &w), 0);
    settle(&b, 2);
    complete(&b, 1);
    while (atomic_load(&b.engine.wanted) == 0) {
        sched_yield();
    }
    assert_int_equal(atomic_load(&b.engine.wanted), 1);
    complete(&b, 2);
    pthread_join(thread, NULL);
    fmi_retirement_count_out(&b.r);
    pthread_join(threads[0], NULL);
    fmi_retirement_count_out(&b.r);
    pthread_join(threads[1], NULL);
    fmi_retirement_count_out(&b.r);
    tear_down(&b);
}

// Guard: no wait asks a clock that can be set (wait.c, moment_after): neither a sleeper's nor that of a thread behind whoever retires.
static void waits_ask_no_clock_that_can_be_set(void **state)
{
    (void)state;
    static bench b;
    static waiter first, late;
    pthread_t thread;
    memset(&first, 0, sizeof first);
#if defined(__SANITIZE_THREAD__)
    skip(); // it does not know the functions that wait by the other clock
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
    skip();
#endif
#endif
    set_up(&b);
    submit(&b, 1);
    first.b = late.b = &b;
    first.value = 1;
    assert_int_equal(pthread_create(&thread, NULL, wait_main, &first), 0);
    settle(&b, 0);
    atomic_store(&asked_settable_clock, 0);
    time_out_main(&late); // sleeps behind the one who polls
    assert_int_equal(late.status, FM_TIMEOUT);
    complete(&b, 1);
    pthread_join(thread, NULL); // found the device done, and went by the lock of whoever retires
    assert_int_equal(first.status, FM_OK);
    assert_int_equal(atomic_load(&asked_settable_clock), 0);
    tear_down(&b);
}

// LEARNED-10: a batch that is complete and must not be published before another queue's is nothing to block for: that would not block.
static void wait_blocks_for_no_batch_that_only_follows_another(void **state)
{
    (void)state;
    static bench b;
    set_up(&b);
    b.engine.queue_count = 2;
    for (uint32_t q = 0; q < 2; q++) {
        fmi_queue *queue = &b.engine.queues[q];
        queue->ring[0].value = 1;
        queue->ring[0].follows[1] = q == 0 ? 1 : 0;
        atomic_store(&queue->submitted_value, 1);
        atomic_store(&queue->head, 1);
    }
    uint64_t values[FMI_MOST_QUEUES];
    complete(&b, 1);
    fmi_progress(&b.r);
    assert_int_equal(atomic_load(&b.engine.queues[0].tail), 0);
    assert_true(fmi_engine_next_values(&b.engine, values));
    assert_int_equal(values[0], 0);
    assert_int_equal(values[1], 1);
    b.device.others = 1;
    fmi_progress(&b.r);
    assert_int_equal(atomic_load(&b.engine.queues[0].tail), 1);
    assert_false(fmi_engine_next_values(&b.engine, values));
    b.engine.queue_count = 1;
    tear_down(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wait_blocks_for_no_batch_that_only_follows_another),
        cmocka_unit_test(wait_one_thread_asks_the_device_and_a_batch_wakes_its_own),
        cmocka_unit_test(wait_poller_that_leaves_hands_the_seat_on),
        cmocka_unit_test(wait_sleeper_that_times_out_leaves_the_list),
        cmocka_unit_test(places_are_given_in_turn),
        cmocka_unit_test(waits_ask_no_clock_that_can_be_set),
        cmocka_unit_test(place_that_the_first_gives_up_goes_to_the_second),
        cmocka_unit_test(wait_on_a_cpu_each_blocks_for_its_own_batch),
        cmocka_unit_test(wait_on_a_cpu_watches_what_nobody_waits_for),
        cmocka_unit_test(wait_on_a_cpu_leaves_the_oldest_to_the_poller),
        cmocka_unit_test(wait_for_a_place_promises_no_list),
    };
    return cmocka_run_group_tests_name("retire_wait", tests, NULL, NULL);
}
