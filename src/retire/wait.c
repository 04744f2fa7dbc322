// The library's one wait loop. See wait.h.
// Any thread. The poller's seat is a flag that nobody waits for; the list of sleepers has its own lock, a leaf.
//
// The roles: the poller asks the device for all who wait. A follower spins beside it and looks at its own counter. The
// deputy is a follower that looks at the device while the poller blocks or leads. A sleeper is woken by who retires its
// work. The keeper (keeper.c) does all of it when nobody waits.
//
// A wait (fmi_wait_until_batch), step by step:
//   1. Is the wait over? Then go to 8.
//   2. On a device that computes on this machine's processors, the thread blocks on the device for its own batch, if
//      somebody blocks for each batch before it (wait_directly). Else, or if the list is not there yet, it goes on.
//   3. Is the poller's seat free? The thread takes it and is the poller: it retires what is complete and kicks, at
//      every look, without a pause for as long as that pays (the budget) and a processor is to spare; then it blocks on
//      the device between looks. It gives up the seat when its own wait is over or has run out, and goes to 8.
//   4. Has the poller seen a device with nothing on it for a while? It gives up the seat, and sleeps as a waiter for
//      the host: whoever signals wakes it. Then 1.
//   5. Somebody else polls, and the time has run out: the thread makes progress once, looks once more, and goes to 8.
//   6. The thread is a follower, if a processor is to spare: it spins, and is the deputy while one is needed, until its
//      wait is over, the seat is free, or its budget is used up. Over or free: 1.
//   7. It is a sleeper until it is woken or its time has run out. Then 1.
//   8. Whoever spun stops; the last to do so kicks, since lists may have been kept back for it (ENGINE-1). It wakes a
//      sleeper if nobody polls now.
#include "retire/wait.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/thread.h"
#include "retire/retire.h"
#include "retire/sleep.h"

#include <errno.h>
#include <sched.h>
#include <string.h>

enum {
    BLOCK_NS = 5000000, // longest single block on the device, so that a waiter also helps others along
    PENDING_NS = 20000, // pause while the list is with another thread that leads
    PAUSES = 16,        // between two polls
    YIELDS = 16,        // looks at most whether the leader has submitted, before the wait goes another way
    LATENCY_WEIGHT = 8, // the newest latency counts one in so many
    LATENCIES = 3,      // polled for so many times the usual latency,
    LATENCY_SLACK_NS =
        // and so much longer: lists are kept back for others, a batch is submitted. Who blocks wakes later than that
    30000,
    BATCHES_AWAITED = 2, // who does not poll looks for so many budgets,
    FOLLOWERS_SHARE =
        4, // each with this part of the poller's limit: many may look, and each takes a processor from those who work
    HOPELESS_SHARE = 16, // looked where the usual latency is beyond the limit: this part of the limit
    IDLE_LOOKS = 16,     // at a device that has nothing, each PENDING_NS after the other: then the host has to act,
    HOST_SLEEP_NS = 50000000, // and is waited for asleep, so long at a stretch
};

uint64_t fmi_spin_budget_ns(uint64_t usual_ns, uint64_t most_ns)
{
    if (usual_ns > most_ns) {
        return most_ns / HOPELESS_SHARE;
    }
    uint64_t budget = LATENCIES * usual_ns + LATENCY_SLACK_NS;
    return usual_ns == 0 || budget > most_ns ? most_ns : budget;
}

static uint64_t spin_budget_ns(const fmi_waiting *waiting, uint64_t most_ns)
{
    return fmi_spin_budget_ns(atomic_load_explicit(&waiting->latency_ns, memory_order_relaxed), most_ns);
}

void fmi_waiting_note_latency_locked(fmi_waiting *waiting, uint64_t took_ns)
{
    uint64_t usual = atomic_load_explicit(&waiting->latency_ns, memory_order_relaxed);
    usual = usual ? usual - usual / LATENCY_WEIGHT + took_ns / LATENCY_WEIGHT : took_ns;
    atomic_store_explicit(&waiting->latency_ns, usual ? usual : 1, memory_order_relaxed);
}

static void leave_spin(fmi_retirement *r, bool spins)
{
    // A last look: what was kept back because this thread would kick again is not left behind (ENGINE-1).
    if (spins && atomic_fetch_sub(&r->engine->polled, 1) == 1) {
        fmi_engine_kick(r->engine);
    }
}

// May this thread spin, as one of `most`?
static bool enter_spin(fmi_retirement *r, uint32_t most)
{
    const fmi_waiting *waiting = &r->waiting;
    _Atomic(uint32_t) *polled = &r->engine->polled;
    if (waiting->most_spin_ns == 0 || atomic_load_explicit(polled, memory_order_relaxed) >= most) {
        return false;
    }
    if (atomic_fetch_add(polled, 1) < most) {
        return true;
    }
    leave_spin(r, true); // others came first
    return false;
}

static void pause_a_little(void)
{
    for (int i = 0; i < PAUSES; i++) {
        fmi_cpu_pause();
    }
}

// Blocks until the device has reached one of the values and whoever retires that is done, or for a while.
static void block_for(fmi_retirement *r, const uint64_t values[FMI_MOST_QUEUES], uint64_t most_ns)
{
    // On an error or time-out progress asks again, and a lost device shows there. When the batch is complete one thread
    // retires it, and the others queue for the lock behind it: their polling would keep it from the processor.
    uint64_t slice = most_ns < BLOCK_NS ? most_ns : BLOCK_NS;
    _Atomic(uint32_t) *watchers = &r->waiting.watchers[values[0] % FMI_MOST_BATCHES];
    fmi_error_state callers;
    fmi_error_save(&callers);
    atomic_fetch_add(watchers, 1);
    fmi_float_state environment;
    fmi_float_enter(&environment);
    fm_status status = r->engine->ops->wait(r->engine->backend, values, slice);
    fmi_float_leave(&environment);
    atomic_fetch_sub(watchers, 1);
    fmi_error_restore(&callers);
    if (status != FM_OK) {
        return;
    }
    if (pthread_mutex_trylock(&r->lock) != 0) {
        struct timespec until = fmi_moment_after(slice);
        if (FMI_LOCK_UNTIL(&r->lock, &until) != 0) {
            return;
        }
    }
    pthread_mutex_unlock(&r->lock);
}

// Blocks for a while in the way that suits what is under way: on the oldest batch in flight, or a short pause while the
// list is not on the device yet.
void fmi_wait_a_moment(fmi_retirement *r, uint64_t most_ns)
{
    uint64_t values[FMI_MOST_QUEUES];
    if (fmi_engine_next_values(r->engine, values)) {
        block_for(r, values, most_ns);
        return;
    }
    uint64_t pause = most_ns < PENDING_NS ? most_ns : PENDING_NS;
    nanosleep(&(struct timespec){0, (long)pause}, NULL);
}

// The value of the caller's own batch, if it may block for that one and not for the oldest: somebody blocks for each
// batch before it, and retires that when it is complete. 0: it may not, or the list is not on the device.
static uint64_t own_batch(fmi_retirement *r, fmi_wait_batch batch, void *context)
{
    const fmi_queue *queue = &r->engine->queues[0]; // the only one
    uint64_t retired = atomic_load_explicit(&queue->retired_value, memory_order_acquire);
    uint64_t submitted = atomic_load_explicit(&queue->submitted_value, memory_order_acquire);
    uint64_t value = batch(context, submitted);
    if (value <= retired || (value == retired + 1 && atomic_load(&r->waiting.poller))) {
        return 0;
    }
    for (uint64_t before = retired + 1; before < value; before++) {
        if (atomic_load(&r->waiting.watchers[before % FMI_MOST_BATCHES]) == 0) {
            return 0;
        }
    }
    return value;
}

// The thread waits for its own batch on the device itself: the driver wakes it, and no other thread in between. False:
// it cannot, because the list is not on the device, or somebody must block for an older batch.
static bool wait_directly(fmi_retirement *r, fmi_wait_done done, fmi_wait_batch batch, void *context, uint64_t deadline)
{
    for (;;) {
        fmi_progress(r);
        if (done(context)) {
            return true;
        }
        uint64_t value = own_batch(r, batch, context);
        for (int i = 0; i < YIELDS && value == 0 && atomic_load_explicit(&r->engine->seat, memory_order_relaxed); i++) {
            sched_yield(); // a leader is about to submit it
            value = own_batch(r, batch, context);
        }
        uint64_t left = fmi_remaining_ns(deadline);
        if (value == 0 || left == 0) {
            return false;
        }
        block_for(r, (const uint64_t[FMI_MOST_QUEUES]){value}, left);
        if (done(context)) {
            return true;
        }
    }
}

// Only as many threads spin as leave the others a processor. One of these places is kept for the poller: it sees the
// device first, and while it blocks a follower has to look in its place (stand_in).
static bool enter_as_poller(fmi_retirement *r)
{
    return enter_spin(r, r->waiting.most_spinners);
}

static bool enter_as_follower(fmi_retirement *r)
{
    return r->waiting.most_spinners > 1 && enter_spin(r, r->waiting.most_spinners - 1);
}

// A commit that waits for a place under the in-flight limit is not kept waiting by a thread in a hurry.
static void settle_for_places(fmi_retirement *r)
{
    // Store-then-load against fmi_place_wait, which counts itself in and then settles.
    if (atomic_load(&r->places.waiting) > 0) {
        fmi_settle(r);
    }
}

// The poller looks whether its wait is over. If not there is time to settle, and that may end it: a wait for a place
// ends so.
static bool is_over(fmi_retirement *r, fmi_wait_done done, void *context)
{
    if (done(context)) {
        return true;
    }
    fmi_settle(r);
    return done(context);
}

// The poller asks the device for all, until its own wait is over or has run out, or, FM_NOT_READY, until there has been
// nothing on the device for a while. `*spins`: it spins, before this and after it.
static fm_status poll_for_all(fmi_retirement *r, fmi_wait_done done, void *context, uint64_t deadline, bool *spins)
{
    fmi_waiting *waiting = &r->waiting;
    *spins = *spins || enter_as_poller(r);
    uint64_t begin = fmi_now_ns(), budget = spin_budget_ns(waiting, waiting->most_spin_ns);
    uint64_t retired = fmi_engine_retired(r->engine);
    fm_status status = FM_OK;
    uint32_t idle_looks = 0;
    for (;;) {
        fmi_progress_unsettled(r);
        uint64_t now = fmi_now_ns();
        uint64_t reached = fmi_engine_retired(r->engine);
        if (reached != retired) {
            retired = reached;
            begin = now;
            budget = spin_budget_ns(waiting, waiting->most_spin_ns);
        }
        if (is_over(r, done, context)) {
            break;
        }
        if (now >= deadline) {
            status = FM_TIMEOUT; // never implies completion (LEARNED-3)
            break;
        }
        if (*spins && now - begin < budget) {
            pause_a_little();
            continue;
        }
        idle_looks = fmi_engine_is_idle(r->engine) ? idle_looks + 1 : 0;
        if (idle_looks > IDLE_LOOKS) {
            status = FM_NOT_READY;
            break;
        }
        // A poller that blocks does not kick: nothing is kept back for its sake meanwhile, and the deputy kicks for it.
        atomic_store_explicit(&waiting->blocked, 1, memory_order_relaxed);
        leave_spin(r, *spins);
        fmi_wait_a_moment(r, deadline - now);
        *spins = enter_as_poller(r);
        atomic_store_explicit(&waiting->blocked, !*spins, memory_order_relaxed);
    }
    atomic_store_explicit(&waiting->blocked, 0, memory_order_relaxed);
    if (!*spins) {
        fmi_settle(r); // else the next poller or commit does, while the device is at work
    }
    settle_for_places(r);
    return status;
}

// The poller blocks, or somebody leads, perhaps the poller: one follower is its deputy and looks in its place. A batch
// of many dispatches takes the driver dozens of microseconds.
static void stand_in(fmi_retirement *r)
{
    fmi_waiting *waiting = &r->waiting;
    if ((atomic_load_explicit(&waiting->blocked, memory_order_relaxed) ||
         atomic_load_explicit(&r->engine->seat, memory_order_relaxed)) &&
        !atomic_load_explicit(&waiting->deputy, memory_order_relaxed) &&
        !atomic_exchange_explicit(&waiting->deputy, 1, memory_order_acquire)) {
        fmi_progress_unsettled(r);
        settle_for_places(r);
        atomic_store_explicit(&waiting->deputy, 0, memory_order_release);
    }
}

// The follower looks at its own counter for as long as that pays, then sleeps. True: its wait is over or the seat is
// free, and it still spins: the next poller is there before the last one is forgotten.
static bool wait_for_poller(fmi_retirement *r, fmi_wait_done done, void *context, uint64_t deadline, bool spins)
{
    fmi_waiting *waiting = &r->waiting;
    if (spins || enter_as_follower(r)) {
        // Its list may be in the batch after the one that is polled for. A sleeper is late, and the next batch goes
        // without it.
        uint64_t end = fmi_deadline(BATCHES_AWAITED * spin_budget_ns(waiting, waiting->most_spin_ns / FOLLOWERS_SHARE));
        end = end < deadline ? end : deadline;
        bool over, seat_is_free;
        do {
            pause_a_little();
            stand_in(r);
            over = done(context); // it does not settle: threads whose wait is over begin their next lists now
            seat_is_free = !atomic_load_explicit(&waiting->poller, memory_order_relaxed);
        } while (!over && !seat_is_free && fmi_now_ns() < end);
        // Not for a mere change of the poller: a sleeper is late, and whoever gets the seat polls for the others, too.
        if (over || seat_is_free) {
            return true;
        }
        leave_spin(r, true);
    }
    fmi_fall_asleep(r, done, context, deadline, false);
    return false;
}

// Nothing is on the device, so what is waited for waits for the host: the thread sleeps, and nobody polls meanwhile. It
// is not counted among the waiters: the leader would keep lists back for it. For a while at most: what was pushed at
// this very moment is found then.
static void sleep_for_host(fmi_retirement *r, fmi_wait_done done, void *context, uint64_t deadline, uint64_t counted)
{
    uint64_t until = fmi_deadline(HOST_SLEEP_NS);
    atomic_fetch_sub(&r->waiters, counted);
    fmi_fall_asleep(r, done, context, until < deadline ? until : deadline, true);
    atomic_fetch_add(&r->waiters, counted);
}

fm_status fmi_wait_until_batch(fmi_retirement *r, fmi_wait_done done, fmi_wait_batch batch, void *context,
                               uint64_t timeout_ns)
{
    uint64_t deadline = fmi_deadline(timeout_ns);
    fm_status status = FM_OK;
    bool spins = false;
    const uint64_t counted = batch ? FMI_RETURNING_WAITER : FMI_WAITER;
    atomic_fetch_add(&r->waiters, counted);
    while (!done(context)) {
        if (batch && r->waiting.direct && wait_directly(r, done, batch, context, deadline)) {
            break;
        }
        if (!atomic_load_explicit(&r->waiting.poller, memory_order_relaxed) &&
            !atomic_exchange(&r->waiting.poller, 1)) {
            status = poll_for_all(r, done, context, deadline, &spins);
            atomic_store(&r->waiting.poller, 0);
            if (status != FM_NOT_READY) {
                break;
            }
            leave_spin(r, spins);
            spins = false;
            sleep_for_host(r, done, context, deadline, counted);
            status = FM_OK;
            continue;
        }
        if (fmi_remaining_ns(deadline) == 0) {
            fmi_progress(r); // asked once at least, whoever polls
            status = done(context) ? FM_OK : FM_TIMEOUT;
            break;
        }
        spins = wait_for_poller(r, done, context, deadline, spins);
    }
    leave_spin(r, spins); // after the seat is free: the last look may take a while
    atomic_fetch_sub(&r->waiters, counted);
    fmi_waiting_pass_on(&r->waiting);
    return status;
}

fm_status fmi_wait_until(fmi_retirement *r, fmi_wait_done done, void *context, uint64_t timeout_ns)
{
    return fmi_wait_until_batch(r, done, NULL, context, timeout_ns);
}
