// The process. See process.h. The gate below is one of the library's few process-wide states: a fork is the process's.
// `gate.lock` is held for a moment at each end of a section, and by a fork from the end of its wait to its end in
// parent and child.
#include "base/process.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/shell.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

enum {
    PATIENCE_S = 2, // how long a fork waits for sections to end
    HOLD_S =
        3, // how long threads are held behind the end's work: exit() needs milliseconds for the rest, unless it waits for one of them
    LOOK_NS = 5 * 1000000, // how often they look
};

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;       // under `lock`: `inside` fell, or `forking` ended
    uint32_t inside;              // threads in a section
    bool forking;                 // a thread forks: no other thread begins a section, or a fork
    bool cut;                     // a child's: sections of its parent will never end here
    bool unloads;                 // see `trim`
    bool watched;                 // the handlers below are in place; constant after loading
    _Atomic(uint32_t) generation; // relaxed: it changes where there is one thread
    _Atomic(bool) ends;           // exit() has been called; relaxed: the thread that unloads set it itself
    bool closed;                  // exit() has got so far that no other thread begins a section
    pthread_t exits;              // the thread that exits; constant once `held_until_ns` is not 0
    // 0: nothing ends; UINT64_MAX: it is under way; else the end of all holds. Release store, acquire load: publishes `exits`.
    _Atomic(uint64_t) held_until_ns;
} gate;

static _Thread_local uint32_t depth; // of this thread's sections

static void init_gate(void)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&gate.lock, NULL);
    pthread_cond_init(&gate.changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

void fmi_process_enter(void)
{
    if (depth++ > 0) {
        return;
    }
    pthread_mutex_lock(&gate.lock);
    if (gate.closed) {
        pthread_mutex_unlock(&gate.lock);
        fmi_process_hold();
        pthread_mutex_lock(&gate.lock);
    }
    while (gate.forking) {
        pthread_cond_wait(&gate.changed, &gate.lock);
    }
    gate.inside++;
    pthread_mutex_unlock(&gate.lock);
}

void fmi_process_leave(void)
{
    if (--depth > 0) {
        return;
    }
    pthread_mutex_lock(&gate.lock);
    gate.inside--;
    if (gate.forking || gate.closed) {
        pthread_cond_broadcast(&gate.changed);
    }
    pthread_mutex_unlock(&gate.lock);
}

// Sections of the thread that forks go on in the child, which has that thread.
static uint32_t own_sections(void)
{
    return depth > 0 ? 1 : 0;
}

static void prepare_fork(void)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += PATIENCE_S;
    pthread_mutex_lock(&gate.lock);
    while (gate.forking) { // another thread's fork, which ends
        pthread_cond_wait(&gate.changed, &gate.lock);
    }
    gate.forking = true;
    int waited = 0;
    while (gate.inside > own_sections() && waited != ETIMEDOUT) {
        waited = pthread_cond_timedwait(&gate.changed, &gate.lock, &until);
    }
}

static void end_fork_in_parent(void)
{
    gate.forking = false;
    pthread_cond_broadcast(&gate.changed);
    pthread_mutex_unlock(&gate.lock);
}

// The one thread of the child. Nobody waits at the gate, whatever it says; so it is made anew.
static void end_fork_in_child(void)
{
    init_gate();
    gate.cut = gate.cut || gate.inside > own_sections();
    gate.inside = own_sections();
    gate.forking = false;
    gate.closed = false; // who exits is the parent
    atomic_store_explicit(&gate.held_until_ns, 0, memory_order_relaxed);
    atomic_fetch_add_explicit(&gate.generation, 1, memory_order_relaxed);
    fmi_shells_lose();
}

void fmi_process_end(void)
{
    gate.exits = pthread_self();
    atomic_store_explicit(&gate.held_until_ns, UINT64_MAX, memory_order_release);
    fmi_process_enter();
    fmi_shells_end();
    fmi_process_leave();
}

void fmi_process_end_sections(uint64_t deadline_ns)
{
    const struct timespec until = {(time_t)(deadline_ns / 1000000000), (long)(deadline_ns % 1000000000)};
    pthread_mutex_lock(&gate.lock);
    gate.closed = true;
    int waited = 0;
    while (gate.inside > own_sections() && waited != ETIMEDOUT) {
        waited = pthread_cond_timedwait(&gate.changed, &gate.lock, &until);
    }
    pthread_mutex_unlock(&gate.lock);
}

void fmi_process_end_done(void)
{
    atomic_store_explicit(&gate.held_until_ns, fmi_now_ns() + HOLD_S * UINT64_C(1000000000), memory_order_release);
}

void fmi_process_hold(void)
{
    uint64_t until_ns = atomic_load_explicit(&gate.held_until_ns, memory_order_acquire);
    if (until_ns == 0 || pthread_equal(pthread_self(), gate.exits)) {
        return;
    }
    while (fmi_now_ns() < until_ns) {
        nanosleep(&(struct timespec){.tv_nsec = LOOK_NS}, NULL);
        until_ns = atomic_load_explicit(&gate.held_until_ns, memory_order_acquire);
    }
}

static void note_end(void)
{
    atomic_store_explicit(&gate.ends, true, memory_order_relaxed);
}

// When the library is loaded: later, a fork could come between. All three end with the library. exit() runs `note_end`
// before any destructor; unloading runs the library's destructors first.
static void __attribute__((constructor)) watch(void)
{
    init_gate();
    gate.watched = pthread_atfork(prepare_fork, end_fork_in_parent, end_fork_in_child) == 0 && atexit(note_end) == 0;
}

uint32_t fmi_process_generation(void)
{
    return atomic_load_explicit(&gate.generation, memory_order_relaxed);
}

fm_status fmi_process_check(const char *caller)
{
    if (!gate.watched) {
        return fmi_fail_in(caller, FM_ERROR_OUT_OF_HOST_MEMORY, "no host memory was left when the library was loaded");
    }
    if (gate.cut) {
        return fmi_fail_in(caller, FM_ERROR_LOST_IN_FORK,
                           "the parent process forked while another of its threads had been in a compiler or driver "
                           "for "
                           "%d s; this process can open no device unless it calls exec",
                           PATIENCE_S);
    }
    return FM_OK;
}

bool fmi_process_goes_on(void)
{
    return gate.watched && !atomic_load_explicit(&gate.ends, memory_order_relaxed);
}

// Before `note_end`, which unloading runs behind the destructors that have no number.
static void __attribute__((destructor)) note_unloading(void)
{
    gate.unloads = fmi_process_goes_on();
}

// The last of the library's destructors. Compilers and drivers leave thousands of freed pieces, with something of
// theirs between them that keeps the pages; whoever unloads wants those back.
static void __attribute__((destructor(101))) trim(void)
{
    if (gate.unloads) {
        malloc_trim(0);
    }
}
