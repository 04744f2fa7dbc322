// Waiting: the poller asks the device for all who wait, and publishes; followers look at their own counter, and sleep
// until whoever retires finds them done. So a batch wakes those whose work it completed and nobody else, and one thread
// asks the driver. wait.c has the steps.
// Also the queue for places under the in-flight limit, served in turn. Any thread; no lock is held while a thread
// sleeps (READ-2).
#ifndef FMI_RETIRE_WAIT_H
#define FMI_RETIRE_WAIT_H

#include "schedule/engine.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>

// Says whether a wait is over. Changes nothing, takes no lock: it is asked by whichever thread retires, too.
typedef bool (*fmi_wait_done)(void *context);

// Says what to block on: the device value of the batch whose work the wait is for, once that is submitted; 0: not
// known. A hint.
typedef uint64_t (*fmi_wait_batch)(void *context, uint64_t submitted);

// A thread that sleeps; lives on its stack.
typedef struct fmi_sleeper {
    struct fmi_sleeper *next;
    fmi_wait_done done;
    void *context;
    bool woken; // taken off the list: a post of `wake` is on its way
    sem_t wake; // posted once, by whoever takes it off the list
} fmi_sleeper;

typedef struct fmi_waiting {
    // Waits block on the device for their own batch: it computes on this machine's processors, and each thread more
    // that has to be woken costs them. Only where there is one queue.
    bool direct;
    _Atomic(uint32_t) watchers[FMI_MOST_BATCHES]; // threads that block for value v of queue 0: [v % FMI_MOST_BATCHES]

    uint64_t most_spin_ns;  // how long a wait polls at most before it blocks; 0: never polls
    uint32_t most_spinners; // threads that may wait without a pause at once: one less than there are processors
    // 1: the poller blocks, so a follower is its deputy; a hint
    _Alignas(64) _Atomic(uint32_t) blocked;
    _Atomic(uint32_t) deputy;     // 1: a follower looks in the poller's place
    _Atomic(uint64_t) latency_ns; // how long batches lately took, from submission to retirement; stored by who retires
    _Atomic(uint32_t) poller;     // 1: somebody has the poller's seat
    _Atomic(uint32_t) sleeping;   // entries of `first`, and threads about to become one
    pthread_mutex_t lock;         // guards the two below
    fmi_sleeper *first;           // in the order in which they came
    fmi_sleeper **end;            // where the next one goes
} fmi_waiting;

// A commit that waits for a place under the in-flight limit; lives on its thread's stack.
typedef struct fmi_place {
    struct fmi_place *next;
    uint32_t limit;            // lists outstanding before it gets its place
    _Atomic(uint32_t) granted; // 1: counted in
} fmi_place;

typedef struct fmi_places {
    uint64_t most_bytes;       // that only work in flight may keep; constant
    _Atomic(uint32_t) waiting; // entries of `first`; lets others skip the lock, and keeps newcomers from passing
    pthread_mutex_t lock;      // guards the two below
    fmi_place *first;          // oldest first
    fmi_place **end;
} fmi_places;

// How long to look, `most_ns` at most: what the device usually takes, amply, or next to nothing where that is beyond
// the limit. 0: it is not known what is usual.
uint64_t fmi_spin_budget_ns(uint64_t usual_ns, uint64_t most_ns);

// `spin_ns` 0: waits never poll.
void fmi_waiting_init(fmi_waiting *waiting, uint64_t spin_ns, bool direct);
void fmi_waiting_destroy(fmi_waiting *waiting);

// A batch took so long from its submission until it was retired. The lock is that of whoever retires.
void fmi_waiting_note_latency_locked(fmi_waiting *waiting, uint64_t took_ns);

// Wakes every sleeper whose wait is over. Called after something was published.
void fmi_waiting_wake(fmi_waiting *waiting);

// Makes sure that somebody polls for those who sleep: wakes the first of them if nobody does.
void fmi_waiting_pass_on(fmi_waiting *waiting);

void fmi_places_init(fmi_places *places, uint64_t most_bytes);
void fmi_places_destroy(fmi_places *places);

#endif
