// Who sleeps and who is woken. See wait.h and sleep.h.
// Any thread; the list of sleepers has its own lock, a leaf, under which nothing is waited for.
#include "retire/sleep.h"

#include "base/thread.h"

#include <errno.h>
#include <sched.h>
#include <string.h>

enum { SLEEP_NS = 1000000000 }; // longest sleep at a stretch where its clock may jump

void fmi_waiting_init(fmi_waiting *waiting, uint64_t spin_ns, bool direct)
{
    cpu_set_t set;
    int processors = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    waiting->direct = direct;
    waiting->most_spin_ns = spin_ns;
    waiting->most_spinners = processors > 1 ? (uint32_t)processors - 1 : 0; // none to spare: no polling
    waiting->first = NULL;
    waiting->end = &waiting->first;
    pthread_mutex_init(&waiting->lock, NULL);
}

void fmi_waiting_destroy(fmi_waiting *waiting)
{
    pthread_mutex_destroy(&waiting->lock);
}

// Unlinks the sleeper at `link` into `*woken`.
static void take_off_locked(fmi_waiting *waiting, fmi_sleeper **link, fmi_sleeper **woken)
{
    fmi_sleeper *sleeper = *link;
    *link = sleeper->next;
    if (!sleeper->next) {
        waiting->end = link;
    }
    sleeper->woken = true;
    sleeper->next = *woken;
    *woken = sleeper;
    atomic_fetch_sub(&waiting->sleeping, 1);
}

static void post_all(fmi_sleeper *woken)
{
    while (woken) {
        fmi_sleeper *next = woken->next; // after the post it is gone
        sem_post(&woken->wake);
        woken = next;
    }
}

void fmi_waiting_wake(fmi_waiting *waiting)
{
    // Store-then-load against fall_asleep: what was published before this load is seen there, or the sleeper is seen
    // here.
    if (atomic_load(&waiting->sleeping) == 0) {
        return;
    }
    fmi_sleeper *woken = NULL;
    pthread_mutex_lock(&waiting->lock);
    fmi_sleeper **link = &waiting->first;
    while (*link) {
        if ((*link)->done((*link)->context)) {
            take_off_locked(waiting, link, &woken);
        } else {
            link = &(*link)->next;
        }
    }
    pthread_mutex_unlock(&waiting->lock);
    post_all(woken);
}

void fmi_waiting_pass_on(fmi_waiting *waiting)
{
    // Store-then-load, as above: the seat was given up before this.
    if (atomic_load(&waiting->sleeping) == 0 || atomic_load(&waiting->poller)) {
        return;
    }
    fmi_sleeper *woken = NULL;
    pthread_mutex_lock(&waiting->lock);
    if (waiting->first) {
        take_off_locked(waiting, &waiting->first, &woken);
    }
    pthread_mutex_unlock(&waiting->lock);
    post_all(woken);
}

// Waits for the post, for a while at most. False: it has not come.
static bool doze(fmi_sleeper *sleeper, uint64_t left_ns)
{
    const uint64_t longest = fmi_wait_clock == CLOCK_MONOTONIC ? INT64_MAX : SLEEP_NS;
    uint64_t slice = left_ns < longest ? left_ns : longest;
    struct timespec until = fmi_moment_after(slice);
    int failed;
    do {
        failed = FMI_WAIT_FOR_POST(&sleeper->wake, &until);
    } while (failed && errno == EINTR);
    return !failed;
}

// Sleeps until woken or the deadline, unless the wait is over or somebody must poll. `for_host`: nobody must while
// nothing is on the device.
void fmi_fall_asleep(fmi_retirement *r, fmi_wait_done done, void *context, uint64_t deadline, bool for_host)
{
    fmi_waiting *waiting = &r->waiting;
    fmi_sleeper self = {.done = done, .context = context};
    pthread_mutex_lock(&waiting->lock);
    atomic_fetch_add(&waiting->sleeping, 1);
    // Store-then-load, also against whoever signals for the host: it kicks, and then wakes a sleeper.
    if (done(context) || !(for_host ? fmi_engine_is_idle(r->engine) : atomic_load(&waiting->poller))) {
        atomic_fetch_sub(&waiting->sleeping, 1);
        pthread_mutex_unlock(&waiting->lock);
        return;
    }
    sem_init(&self.wake, 0, 0);
    *waiting->end = &self;
    waiting->end = &self.next;
    pthread_mutex_unlock(&waiting->lock);
    bool posted = false;
    uint64_t left;
    while (!posted && (left = fmi_remaining_ns(deadline)) > 0) {
        posted = doze(&self, left);
    }
    if (!posted) {
        pthread_mutex_lock(&waiting->lock);
        bool woken = self.woken;
        for (fmi_sleeper **link = &waiting->first; *link && !woken; link = &(*link)->next) {
            if (*link == &self) {
                fmi_sleeper *nobody = NULL;
                take_off_locked(waiting, link, &nobody);
                break;
            }
        }
        pthread_mutex_unlock(&waiting->lock);
        while (woken && sem_wait(&self.wake) != 0) { // the post is on its way and touches this stack
        }
    }
    sem_destroy(&self.wake);
}
