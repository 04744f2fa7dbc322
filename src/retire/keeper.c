// The keeper thread. See retire.h. It completes what nobody waits for and runs callbacks outside every lock; it sleeps
// without a timeout when nothing is outstanding, so an idle device costs no wake-up (LEARNED-10).
#include "base/clock.h"
#include "base/error.h"
#include "base/thread.h"
#include "retire/retire.h"

#include <stdlib.h>
#include <string.h>

enum {
    WATCH_NS = 1000000,  // pause while waiters do the work
    MOST_DOUBLINGS = 2,  // of that pause, while they have got on by themselves since the last look
    DEVICE_NS = 2000000, // longest block on the device
    IDLE_ROUNDS = 10,    // pauses with nothing outstanding before it sleeps: saves waking it for each commit
    HOST_NS = 100000000, // longest sleep while all that is outstanding waits for the host
};

static void pause_for_locked(fmi_keeper *keeper, uint64_t ns)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += (long)ns;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_cond_timedwait(&keeper->wake, &keeper->lock, &until);
    atomic_fetch_add_explicit(&keeper->wakeups, 1, memory_order_relaxed);
}

// Runs everything due. The lock is let go meanwhile (STYLE: callbacks run outside every lock).
static void run_callbacks_locked(fmi_keeper *keeper)
{
    fmi_callback *callback = keeper->due_first;
    keeper->due_first = keeper->due_last = NULL;
    keeper->running_callbacks = true;
    pthread_mutex_unlock(&keeper->lock);
    while (callback) {
        fmi_callback *next = callback->next;
        callback->function(callback->user, callback->point, callback->status);
        free(callback);
        callback = next;
    }
    pthread_mutex_lock(&keeper->lock);
    keeper->running_callbacks = false;
}

// Nothing is outstanding: linger, then sleep until there is something.
static void rest_locked(fmi_retirement *r, uint32_t *rounds)
{
    fmi_keeper *keeper = &r->keeper;
    if ((*rounds)++ < IDLE_ROUNDS) {
        pause_for_locked(keeper, WATCH_NS);
        return;
    }
    // Store-then-load against fmi_keeper_notify's: either it sees `asleep`, or this sees its list.
    atomic_store(&keeper->asleep, 1);
    // One wake is enough: if the work is done by the time this thread runs, it lingers again instead of costing the
    // next commit a wake.
    if (atomic_load(&r->outstanding) == 0 && !keeper->due_first && !keeper->stop) {
        pthread_cond_wait(&keeper->wake, &keeper->lock);
        atomic_fetch_add_explicit(&keeper->wakeups, 1, memory_order_relaxed);
    }
    atomic_store(&keeper->asleep, 0);
    *rounds = 0;
}

// What the keeper remembers from one look to the next.
typedef struct keeper_watch {
    uint64_t retired;   // batches retired by then
    uint32_t doublings; // of the pause
    uint32_t idle;      // looks one after the other at which nothing was on the device
} keeper_watch;

// All that is outstanding waits for the host, which wakes this thread, as commits do.
static void sleep_for_host_locked(fmi_retirement *r)
{
    // Store-then-load against fmi_keeper_notify's, as in rest_locked.
    atomic_store(&r->keeper.asleep, 1);
    if (fmi_engine_is_idle(r->engine) && !atomic_load(&r->unsettled)) {
        pause_for_locked(&r->keeper, HOST_NS);
    }
    atomic_store(&r->keeper.asleep, 0);
}

// Something is outstanding: help it along. Called without the lock.
static void watch(fmi_retirement *r, keeper_watch *w)
{
    uint64_t seen = fmi_engine_retired(r->engine);
    w->doublings = seen == w->retired ? 0 : w->doublings < MOST_DOUBLINGS ? w->doublings + 1 : MOST_DOUBLINGS;
    fmi_progress(r);
    uint64_t values[FMI_MOST_QUEUES];
    bool on_device = fmi_engine_next_values(r->engine, values);
    w->retired = fmi_engine_retired(r->engine); // what this thread retires does not count
    if (on_device && atomic_load(&r->waiters) == 0) {
        (void)r->engine->ops->wait(r->engine->backend, values, DEVICE_NS);
        fmi_progress(r);
        w->retired = fmi_engine_retired(r->engine);
        return;
    }
    if (on_device) { // those who fell asleep while nothing was
        fmi_waiting_pass_on(&r->waiting);
    }
    w->idle = fmi_engine_is_idle(r->engine) ? w->idle + 1 : 0;
    pthread_mutex_lock(&r->keeper.lock);
    if (!r->keeper.due_first && !r->keeper.stop && atomic_load(&r->outstanding) > 0) {
        if (w->idle > IDLE_ROUNDS) {
            sleep_for_host_locked(r);
        } else {
            pause_for_locked(&r->keeper, (uint64_t)WATCH_NS << w->doublings);
        }
    }
    pthread_mutex_unlock(&r->keeper.lock);
}

static void *keeper_main(void *context)
{
    fmi_retirement *r = context;
    fmi_keeper *keeper = &r->keeper;
    uint32_t rounds = 0;
    keeper_watch looked = {0};
    pthread_mutex_lock(&keeper->lock);
    while (!keeper->stop) {
        if (keeper->due_first) {
            run_callbacks_locked(keeper);
        } else if (atomic_load(&r->outstanding) == 0) {
            rest_locked(r, &rounds);
        } else {
            rounds = 0;
            pthread_mutex_unlock(&keeper->lock);
            watch(r, &looked);
            pthread_mutex_lock(&keeper->lock);
        }
    }
    pthread_mutex_unlock(&keeper->lock);
    return NULL;
}

fm_status fmi_keeper_start(fmi_retirement *r)
{
    fmi_keeper *keeper = &r->keeper;
    pthread_mutex_init(&keeper->lock, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&keeper->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    if (keeper->absent) {
        return FM_OK;
    }
    int failed = fmi_thread_start(&keeper->thread, "fm-keeper", keeper_main, r);
    if (failed) {
        pthread_cond_destroy(&keeper->wake);
        pthread_mutex_destroy(&keeper->lock);
        return fmi_fail(FM_ERROR_OUT_OF_HOST_MEMORY, "the keeper thread cannot be started: %s", strerror(failed));
    }
    return FM_OK;
}

void fmi_keeper_stop(fmi_retirement *r)
{
    fmi_keeper *keeper = &r->keeper;
    pthread_mutex_lock(&keeper->lock);
    keeper->stop = true;
    pthread_cond_signal(&keeper->wake);
    pthread_mutex_unlock(&keeper->lock);
    if (!keeper->absent) {
        pthread_join(keeper->thread, NULL);
    }
    pthread_cond_destroy(&keeper->wake);
    pthread_mutex_destroy(&keeper->lock);
}

void fmi_keeper_queue(fmi_retirement *r, fmi_callback *callbacks)
{
    fmi_keeper *keeper = &r->keeper;
    fmi_callback *last = callbacks;
    while (last->next) {
        last = last->next;
    }
    pthread_mutex_lock(&keeper->lock);
    if (keeper->due_last) {
        keeper->due_last->next = callbacks;
    } else {
        keeper->due_first = callbacks;
    }
    keeper->due_last = last;
    pthread_cond_signal(&keeper->wake);
    pthread_mutex_unlock(&keeper->lock);
}

void fmi_keeper_run_due(fmi_retirement *r)
{
    pthread_mutex_lock(&r->keeper.lock);
    while (r->keeper.due_first) {
        run_callbacks_locked(&r->keeper);
    }
    pthread_mutex_unlock(&r->keeper.lock);
}

bool fmi_keeper_has_callbacks(fmi_retirement *r)
{
    pthread_mutex_lock(&r->keeper.lock);
    bool any = r->keeper.due_first || r->keeper.running_callbacks;
    pthread_mutex_unlock(&r->keeper.lock);
    return any;
}

void fmi_keeper_notify(fmi_retirement *r)
{
    if (atomic_load(&r->keeper.asleep)) {
        pthread_mutex_lock(&r->keeper.lock);
        pthread_cond_signal(&r->keeper.wake);
        pthread_mutex_unlock(&r->keeper.lock);
    }
}
