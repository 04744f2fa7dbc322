// Who is inside a list (THREAD-2): never two threads, whoever the list was given to, and whoever takes it away when.
// The room's code is compiled in here once more, under other names, with a place between any two of its looks where other threads may pass.
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

static _Atomic(bool) pauses;
static _Thread_local uint32_t stop_at; // the moment, counted from now, at which the thread stops; 0: none
static sem_t stopped, go;

static void moment(void)
{
    if (stop_at > 0 && --stop_at == 0) {
        sem_post(&stopped);
        sem_wait(&go);
    }
    static _Thread_local uint32_t seed;
    seed = seed * 1103515245u + 12345u;
    if (atomic_load_explicit(&pauses, memory_order_relaxed) && (seed >> 16) % 3 == 0) {
        sched_yield();
    }
}

#define FMI_OWNER_MOMENT() moment()
#define fmi_owner_name moment_owner_name
#define fmi_owner_open moment_owner_open
#define fmi_owner_enter_shared moment_owner_enter_shared
#include "record/owner.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { ROUNDS = 4000, CALLS = 40, PATIENCE = 3000, THIEVES = 2 };

// A list that one thread opens and closes again and again, and others come into.
typedef struct shared {
    fmi_owner owner;
    uint32_t depth;             // threads inside; no atomic, because only one may be: ThreadSanitizer looks, too
    _Atomic(uint32_t) round;    // the list that is open
    _Atomic(uint32_t) tried;    // times that a thief has tried its luck with a list
    _Atomic(uint32_t) together; // times that somebody met somebody inside
    _Atomic(uint32_t) taken;    // calls of others than the opener that got in
    _Atomic(bool) over;
} shared;

// One call: enters, stays for a moment, leaves.
static fm_status call(shared *s)
{
    fm_status status = fmi_owner_enter(&s->owner);
    if (status == FM_OK) {
        volatile uint32_t *depth = &s->depth;
        uint32_t others = (*depth)++;
        for (volatile uint32_t i = 0; i < 10; i++) {
        }
        moment();
        if (others != 0 || *depth != 1) {
            atomic_fetch_add(&s->together, 1);
        }
        (*depth)--;
        fmi_owner_leave(&s->owner);
    }
    return status;
}

static void *steal(void *user)
{
    shared *s = user;
    uint32_t seen = 0, wait = 0;
    while (!atomic_load(&s->over)) {
        uint32_t round = atomic_load(&s->round);
        if (round == seen) {
            sched_yield();
            continue;
        }
        seen = round;
        wait = (wait * 1103515245u + 12345u) % 4096; // now at the beginning of a list's life, now later
        for (volatile uint32_t i = 0; i < wait; i++) {
        }
        for (uint32_t i = 0; i < 3; i++) {
            if (call(s) == FM_OK) {
                atomic_fetch_add(&s->taken, 1);
            }
        }
        atomic_fetch_add(&s->tried, 1);
    }
    return NULL;
}

// Closes the list as a commit does, which enters first. False: somebody else is inside.
static bool close_list(shared *s)
{
    if (fmi_owner_enter(&s->owner) != FM_OK) {
        return false;
    }
    for (uint32_t i = 0; i < 8; i++) { // so that some come while the list is closed
        moment();
    }
    bool alone = s->depth == 0;
    fmi_owner_close(&s->owner);
    moment();
    if (!alone || atomic_load(&s->owner.word) != FMI_OWNER_CLOSED) {
        atomic_fetch_add(&s->together, 1);
    }
    return true;
}

static void take_often(bool with_pauses, uint32_t rounds)
{
    shared s = {.depth = 0};
    atomic_store(&pauses, with_pauses);
    pthread_t thieves[THIEVES];
    for (uint32_t i = 0; i < THIEVES; i++) {
        assert_int_equal(pthread_create(&thieves[i], NULL, steal, &s), 0);
    }
    uint32_t in = 0;
    for (uint32_t round = 1; round <= rounds; round++) {
        s.owner.shared_lists = 0; // given to this thread each time, although the last one was taken away
        fmi_owner_open(&s.owner);
        atomic_store(&s.round, round);
        // Every other list stays open until a thief has come, so that some do on any machine; into the rest they run at any moment.
        uint32_t tried = atomic_load(&s.tried);
        for (uint32_t i = 0; i < CALLS || (round % 2 == 0 && atomic_load(&s.tried) == tried); i++) {
            in += call(&s) == FM_OK;
            if (i > PATIENCE) {
                sched_yield();
            }
        }
        while (!close_list(&s)) {
            sched_yield();
        }
    }
    atomic_store(&s.over, true);
    for (uint32_t i = 0; i < THIEVES; i++) {
        pthread_join(thieves[i], NULL);
    }
    assert_int_equal(s.together, 0);
    assert_int_equal(s.depth, 0);
    assert_true(in > 0);
    assert_true(s.taken > 0); // so it was tried
    atomic_store(&pauses, false);
}

static void owner_is_alone_whoever_takes_the_list_and_when(void **state)
{
    (void)state;
    take_often(false, ROUNDS);
}

// The same, held up anywhere: mistakes that take three threads at odd moments.
static void owner_is_alone_when_threads_are_held_up_anywhere(void **state)
{
    (void)state;
    take_often(true, ROUNDS);
}

// What another thread is told.
typedef struct question {
    fmi_owner *owner;
    fm_status answer;
    bool stays;       // inside, if it got in
    uint32_t stop_at; // the moment at which it stops on its way; 0: none
} question;

static void *ask(void *user)
{
    question *q = user;
    stop_at = q->stop_at;
    q->answer = fmi_owner_enter(q->owner);
    if (q->answer == FM_OK && !q->stays) {
        fmi_owner_leave(q->owner);
    }
    return NULL;
}

static fm_status ask_elsewhere(fmi_owner *owner, bool stays)
{
    question q = {owner, FM_OK, stays, 0};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, ask, &q), 0);
    pthread_join(thread, NULL);
    return q.answer;
}

static void owner_is_busy_while_its_thread_is_inside(void **state)
{
    (void)state;
    fmi_owner owner = {0};
    assert_int_equal(fmi_owner_enter(&owner), FM_ERROR_INVALID_ARGUMENT); // closed
    fmi_owner_open(&owner);
    assert_int_equal(fmi_owner_enter(&owner), FM_OK);
    assert_int_equal(fmi_owner_enter(&owner), FM_ERROR_BUSY);      // a signal handler would be told so
    assert_int_equal(ask_elsewhere(&owner, false), FM_ERROR_BUSY); // takes it away, although not for itself
    assert_int_equal(ask_elsewhere(&owner, false), FM_ERROR_BUSY); // and finds it nobody's
    fmi_owner_leave(&owner);
    assert_int_equal(fmi_owner_enter(&owner), FM_OK);
    fmi_owner_leave(&owner);
    assert_int_equal(ask_elsewhere(&owner, false), FM_OK);
    assert_int_equal(ask_elsewhere(&owner, true), FM_OK);
    assert_int_equal(fmi_owner_enter(&owner), FM_ERROR_BUSY);
}

static void owner_closed_by_whoever_is_inside_is_closed_for_all(void **state)
{
    (void)state;
    fmi_owner owner = {0};
    fmi_owner_open(&owner);
    assert_int_equal(fmi_owner_enter(&owner), FM_OK);
    assert_int_equal(ask_elsewhere(&owner, false), FM_ERROR_BUSY);
    fmi_owner_close(&owner);
    assert_int_equal(fmi_owner_enter(&owner), FM_ERROR_INVALID_ARGUMENT);
    assert_int_equal(ask_elsewhere(&owner, false), FM_ERROR_INVALID_ARGUMENT);
    fmi_owner_open(&owner);
    assert_int_equal(fmi_owner_enter(&owner), FM_OK);
}

// The moments of a thread that takes a list away.
enum { BEFORE_BARRIER = 1, ENTERED = 4, STEPS_BACK = 5 };

// Has another thread try to enter, and stops it there.
static pthread_t start_and_stop(question *q)
{
    pthread_t thread;
    sem_init(&stopped, 0, 0);
    sem_init(&go, 0, 0);
    assert_int_equal(pthread_create(&thread, NULL, ask, q), 0);
    sem_wait(&stopped);
    return thread;
}

static void resume(pthread_t thread)
{
    sem_post(&go);
    pthread_join(thread, NULL);
    sem_destroy(&stopped);
    sem_destroy(&go);
}

static void owner_is_nobodys_only_after_the_barrier(void **state)
{
    (void)state;
    fmi_owner owner = {0};
    fmi_owner_open(&owner);
    if (owner.word == FMI_OWNER_NOBODY) {
        skip(); // this system has no barrier, so lists are nobody's
    }
    question q = {&owner, FM_OK, true, BEFORE_BARRIER};
    pthread_t thread = start_and_stop(&q);
    assert_int_equal(ask_elsewhere(&owner, false), FM_ERROR_BUSY);
    assert_int_equal(fmi_owner_enter(&owner), FM_ERROR_BUSY);
    resume(thread);
    assert_int_equal(q.answer, FM_OK);
}

static void owner_closed_while_another_thread_comes_stays_closed(void **state)
{
    (void)state;
    static const uint32_t moments[] = {ENTERED, STEPS_BACK};
    for (size_t i = 0; i < sizeof moments / sizeof moments[0]; i++) {
        fmi_owner owner = {0};
        fmi_owner_open(&owner);
        if (owner.word == FMI_OWNER_NOBODY) {
            skip(); // this system has no barrier, so lists are nobody's
        }
        assert_int_equal(fmi_owner_enter(&owner), FM_OK);
        question q = {&owner, FM_OK, true, moments[i]};
        pthread_t thread = start_and_stop(&q);
        fmi_owner_close(&owner);
        resume(thread);
        assert_int_equal(q.answer, moments[i] == ENTERED ? FM_ERROR_INVALID_ARGUMENT : FM_ERROR_BUSY);
        assert_int_equal(owner.word, FMI_OWNER_CLOSED);
    }
}

// Two threads used a list of this recorder: the next ones are nobody's, so that each costs no barrier, and then it is tried again.
static void owner_of_a_taken_list_gets_the_next_ones_only_later(void **state)
{
    (void)state;
    fmi_owner owner = {0};
    fmi_owner_open(&owner);
    bool gives = owner.word != FMI_OWNER_NOBODY; // this system has the barrier
    assert_int_equal(ask_elsewhere(&owner, false), FM_OK);
    uint32_t shared_lists = 0;
    for (;; shared_lists++) {
        assert_int_equal(fmi_owner_enter(&owner), FM_OK);
        fmi_owner_close(&owner);
        fmi_owner_open(&owner);
        if (owner.word != FMI_OWNER_NOBODY || !gives) {
            break;
        }
    }
    assert_int_equal(shared_lists, gives ? 64 : 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(owner_is_alone_whoever_takes_the_list_and_when),
        cmocka_unit_test(owner_is_alone_when_threads_are_held_up_anywhere),
        cmocka_unit_test(owner_is_busy_while_its_thread_is_inside),
        cmocka_unit_test(owner_closed_by_whoever_is_inside_is_closed_for_all),
        cmocka_unit_test(owner_is_nobodys_only_after_the_barrier),
        cmocka_unit_test(owner_closed_while_another_thread_comes_stays_closed),
        cmocka_unit_test(owner_of_a_taken_list_gets_the_next_ones_only_later),
    };
    return cmocka_run_group_tests_name("record_owner", tests, NULL, NULL);
}
