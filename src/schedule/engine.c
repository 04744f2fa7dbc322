// Submit engine. See engine.h.
// Pushing is lock-free; everything between taking and giving up the seat is the leader's alone.
//
// A kick (fmi_engine_kick), step by step:
//   1. Is no list waiting, or no queue with room? Then the kick is over: retirement kicks when there is room again.
//   2. Does somebody sit in the leader's seat? Then the kick is over: the leader looks again before it goes (step 7).
//   3. The thread takes the seat and is the leader. It drains the incoming lists into the backlog, oldest first.
//   4. It gives the queue for short lists a batch, and one of the queues for long lists, unless lists are kept back for
//      others to join (keeps_back): a portion of the backlog, planned into waves, submitted, put at the ring's head.
//   5. It gives up the seat.
//   6. Has it led enough, with something in flight whose retirement kicks again (has_led_enough)? Then it goes.
//   7. Was anything pushed or retired meanwhile, did it submit something, or did the last poller leave behind what was
//      kept back for it? Then it begins again with 1. Else it goes.
#include "schedule/engine.h"

#include "base/clock.h"

#include <stdlib.h>
#include <string.h>

enum {
    LEAST_GATHERED_NS = 10000,  // behind shorter work than this lists are kept back for who was just served alone,
    RETURNING_SHARE = 2,        // for this part of gather_ns,
    MOST_GATHERED_NS = 5000000, // and behind longer not at all: who comes then plans its own meanwhile
    MOST_ROUNDS = 2, // in which a kick leads, where short lists that come now have something in flight to wait for,
    MOST_ROUNDS_ANYWHERE = 16, // and where they have not
};

void fmi_engine_init(fmi_engine *engine, const fmi_backend_ops *ops, fmi_backend *backend, fmi_record_room *record,
                     const fmi_ablations *ablations, const fmi_engine_settings *settings)
{
    memset(engine, 0, sizeof *engine);
    engine->ops = ops;
    engine->backend = backend;
    engine->record = record;
    engine->ablations = ablations;
    engine->depth = settings->depth;
    engine->queue_count = settings->queue_count;
    engine->times_rarely = settings->times_rarely;
    engine->gather_ns = settings->gather_ns;
    fmi_planner_init(&engine->planner, settings->queue_count);
    fmi_backlog_init(&engine->backlog);
}

void fmi_engine_destroy(fmi_engine *engine)
{
    fmi_planner_free(&engine->planner);
    for (uint32_t i = 0; i < FMI_MOST_QUEUES * FMI_MOST_BATCHES; i++) {
        fmi_batch *batch = &engine->queues[i / FMI_MOST_BATCHES].ring[i % FMI_MOST_BATCHES];
        fmi_plan_arrays_free(&batch->arrays);
        free(batch->list_status);
        batch->list_status = NULL;
        for (uint32_t k = 0; k < batch->list_capacity; k++) {
            free(batch->list_reason[k]);
        }
        free((void *)batch->list_reason);
        batch->list_capacity = 0;
        batch->list_reason = NULL;
    }
}

bool fmi_engine_next_values(const fmi_engine *engine, uint64_t out[FMI_MOST_QUEUES])
{
    bool any = false;
    for (uint32_t q = 0; q < FMI_MOST_QUEUES; q++) {
        const fmi_queue *queue = &engine->queues[q];
        uint64_t retired = atomic_load_explicit(&queue->retired_value, memory_order_acquire);
        // Who blocks for what is reached already does not block at all.
        bool waits = atomic_load_explicit(&queue->submitted_value, memory_order_acquire) > retired &&
                     !atomic_load_explicit(&queue->held, memory_order_relaxed);
        out[q] = waits ? retired + 1 : 0;
        any = any || waits;
    }
    return any;
}

void fmi_engine_push(fmi_engine *engine, fmi_list *list)
{
    fmi_list *newest = atomic_load_explicit(&engine->incoming, memory_order_relaxed);
    do {
        list->next = newest;
        // Sequentially consistent, see fmi_engine_kick; its release part pairs with the drain's acquire.
    } while (!atomic_compare_exchange_weak(&engine->incoming, &newest, list));
}

void fmi_engine_drain(fmi_engine *engine)
{
    fmi_list *newest = atomic_exchange(&engine->incoming, NULL);
    fmi_list *oldest = NULL;
    while (newest) {
        fmi_list *older = newest->next;
        // What is read below lies in other processors' caches: it is fetched while the chain is walked.
        __builtin_prefetch(&newest->first);
        __builtin_prefetch(&newest->stream, 1);
        newest->next = oldest;
        oldest = newest;
        newest = older;
    }
    uint32_t slowest_ns = atomic_load_explicit(&engine->slowest_ns, memory_order_relaxed);
    if (oldest) {
        fmi_backlog_add(&engine->backlog, oldest, slowest_ns);
    }
}

void fmi_engine_note_retired(fmi_engine *engine, uint32_t waiters, uint32_t lists)
{
    if (engine->gather_ns == 0) {
        return;
    }
    uint64_t now = fmi_now_ns();
    if (lists > 0) {
        uint64_t until = atomic_load_explicit(&engine->returning_until, memory_order_relaxed);
        uint32_t expected = now < until ? atomic_load_explicit(&engine->returning, memory_order_relaxed) : 0;
        // A leader may count somebody back meanwhile: then one too many is waited for, once.
        atomic_store_explicit(&engine->returning, expected + lists < waiters ? expected + lists : waiters,
                              memory_order_relaxed);
        atomic_store_explicit(&engine->returning_until, now + engine->gather_ns / RETURNING_SHARE,
                              memory_order_relaxed);
    }
    uint32_t wanted = atomic_load_explicit(&engine->wanted, memory_order_relaxed);
    // Rises at once, falls by a quarter of the difference.
    wanted = waiters >= wanted ? waiters : wanted - (wanted - waiters + 3) / 4;
    atomic_store_explicit(&engine->gather_until, now + engine->gather_ns, memory_order_relaxed);
    atomic_store(&engine->wanted, wanted);
}

static bool has_room(const fmi_engine *engine, uint32_t q)
{
    return fmi_queue_in_flight(&engine->queues[q]) < engine->depth;
}

// Behind short work: threads whose lists were in one batch come back within a moment of each other. Without this the
// first of them leaves alone, and the others have what is left of the driver's time for a submission. `queued`: lists
// that the queue for short ones might take.
static bool awaits_returning(const fmi_engine *engine, uint32_t queued)
{
    return queued < atomic_load_explicit(&engine->returning, memory_order_relaxed) && atomic_load(&engine->polled) &&
           fmi_now_ns() < atomic_load_explicit(&engine->returning_until, memory_order_relaxed);
}

// A queue takes one submission at a time, so lists of threads that all wait are worth more together. The leader keeps
// them back while all their queues are busy, and for a moment while one is idle, until as many lists are there as
// threads lately waited. Behind work that is shorter than a submission another rule holds, for the queue of short
// lists: that work is over before all of them come. Another kick follows: retirement's while something is in flight,
// else the poller's (ENGINE-1).
static bool keeps_back(const fmi_engine *engine, uint32_t q, bool busy)
{
    uint32_t wanted = engine->gather_ns ? atomic_load(&engine->wanted) : 0;
    uint32_t queued = atomic_load_explicit(&engine->backlog.count, memory_order_relaxed);
    uint64_t longest_ns = engine->queues[q].longest_ns;
    if (wanted < 2 || queued >= wanted) {
        return false;
    }
    if (longest_ns < LEAST_GATHERED_NS) {
        return q == 0 &&
               awaits_returning(engine, engine->queue_count > 1 ? queued - engine->backlog.long_count : queued);
    }
    if (busy) {
        return longest_ns <= MOST_GATHERED_NS;
    }
    return queued + atomic_load(&engine->lists_in_flight) < wanted && atomic_load(&engine->polled) &&
           fmi_now_ns() < atomic_load_explicit(&engine->gather_until, memory_order_relaxed);
}

typedef enum led {
    LED_NOTHING, // nothing may be taken before a push or retirement
    LED_BACK,    // something was kept back although its queue is idle
    LED_BATCH,
} led;

// Queues [begin, end) of one kind of lists: the one with least in flight takes a batch. Streams stay with a queue that
// has work of theirs, so the others may have something, too.
static led lead_among(fmi_engine *engine, uint32_t begin, uint32_t end)
{
    uint32_t first = begin;
    for (uint32_t q = begin + 1; q < end; q++) {
        if (fmi_queue_in_flight(&engine->queues[q]) < fmi_queue_in_flight(&engine->queues[first])) {
            first = q;
        }
    }
    bool busy = fmi_queue_in_flight(&engine->queues[first]) > 0;
    if (!has_room(engine, first)) {
        return LED_NOTHING;
    }
    if (keeps_back(engine, first, busy)) {
        return busy ? LED_NOTHING : LED_BACK;
    }
    for (uint32_t i = 0; i < end - begin; i++) {
        uint32_t q = first + i < end ? first + i : first + i - (end - begin);
        if (has_room(engine, q) && fmi_engine_form(engine, q)) {
            return LED_BATCH;
        }
    }
    return LED_NOTHING;
}

// The leader builds and submits a batch of short lists and one of long ones, so that neither kind waits for the other
// to run dry.
static led lead(fmi_engine *engine)
{
    fmi_engine_drain(engine);
    led shorts = lead_among(engine, 0, 1);
    led longs = engine->queue_count > 1 ? lead_among(engine, 1, engine->queue_count) : LED_NOTHING;
    return longs > shorts ? longs : shorts;
}

static bool any_room(const fmi_engine *engine)
{
    bool any = false;
    for (uint32_t q = 0; q < engine->queue_count && !any; q++) {
        any = has_room(engine, q);
    }
    return any;
}

// Others may push and retire as fast as the leader submits. It would lead for them without end, in the middle of its
// own commit or wait. It asks after it gave up the seat: what is in flight now will be retired later, and then somebody
// kicks. What is left waits for that, so not behind a long batch if it may be short. A poller kicks at every look, so
// beside one the leader goes sooner. An idle device is left to nobody.
static bool has_led_enough(const fmi_engine *engine, uint32_t rounds)
{
    return (rounds >= MOST_ROUNDS && fmi_queue_in_flight(&engine->queues[0]) > 0) ||
           (rounds >= (atomic_load(&engine->polled) ? 1 : MOST_ROUNDS_ANYWHERE) && fmi_engine_in_flight(engine) > 0);
}

void fmi_engine_kick(fmi_engine *engine)
{
    uint32_t rounds = 0; // that led something
    // The steps stand at the top of this file. No list is left behind (ENGINE-1), since the leader gives up the seat
    // before its last look, and each of these comes before a look at the seat:
    // - A pusher stores `incoming`. The leader loads `incoming`.
    // - Retirement stores a tail. The leader loads the tails, or it found something in flight, whose retirement is
    //   still to come.
    // - The last poller lowers `polled`. A leader that kept lists back loads `polled`.
    // So push, seat, tails, `polled` and the loads here are sequentially consistent.
    while (atomic_load(&engine->incoming) || atomic_load(&engine->backlog.count) > 0) {
        uint64_t retired = fmi_engine_retired(engine);
        if (!any_room(engine) || atomic_load(&engine->seat) || atomic_exchange(&engine->seat, 1)) {
            return;
        }
        led did = lead(engine);
        atomic_store(&engine->seat, 0);
        rounds += did == LED_BATCH;
        bool poller_left = did == LED_BACK && !atomic_load(&engine->polled);
        if (!poller_left && has_led_enough(engine, rounds)) {
            return;
        }
        // What is left waits for a push, for retirement or for the poller, and each kicks.
        if (did != LED_BATCH && !poller_left && !atomic_load(&engine->incoming) &&
            fmi_engine_retired(engine) == retired) {
            return;
        }
    }
}
