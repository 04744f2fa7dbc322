// Worker threads for the conformance suite, and a recorder of completion callbacks.
// A worker must not use the checks of support.h, which jump to the test's own stack: it notes its first failure here
// and returns; the test's thread reports it after all workers have been joined.
#ifndef FERMATA_TESTS_CONFORMANCE_THREADS_H
#define FERMATA_TESTS_CONFORMANCE_THREADS_H

#include "support.h"

#include <stdatomic.h>

// One thread of a test.
typedef struct ct_worker {
    ct_fixture *fixture;
    void *shared;   // the test's own; borrowed
    uint32_t index; // 0, 1, …
    uint32_t count; // workers of this run
    pthread_t thread;
    struct ct_start *start; // where all wait until the last has come
    void (*body)(struct ct_worker *worker);
    bool failed;
    char failure[640]; // the first failure's sentence
} ct_worker;

// In a worker's body: returns from it, noted as failed, unless the call answers FM_OK (or the condition holds).
#define CT_WORKER_OK(worker, call)                                                                                     \
    do {                                                                                                               \
        if (!ct_worker_check(worker, (call), FM_OK, #call, __LINE__)) return;                                          \
    } while (0)
#define CT_WORKER_TRUE(worker, condition)                                                                              \
    do {                                                                                                               \
        if (!ct_worker_true(worker, (condition), #condition, __LINE__)) return;                                        \
    } while (0)

bool ct_worker_check(ct_worker *worker, fm_status actual, fm_status expected, const char *call, int line);
bool ct_worker_true(ct_worker *worker, bool condition, const char *text, int line);

// Runs `body` on `count` threads that start together, joins them, and fails the test if any of them failed.
void ct_run_workers(ct_fixture *fixture, uint32_t count, void (*body)(ct_worker *worker), void *shared);

// For one worker beside the test's own thread: start it, and later join it and report.
void ct_start_worker(ct_fixture *fixture, ct_worker *worker, void (*body)(ct_worker *worker), void *shared);
void ct_join_worker(ct_worker *worker);

// --- completion callbacks -------------------------------------------------------------------------------------------

enum { CT_MAX_CALLS = 256 };

// Every call of ct_calls_record, in order.
typedef struct ct_calls {
    pthread_mutex_t lock;   // guards the rest
    pthread_cond_t changed; // signalled by each call
    uint32_t count;         // calls; the first CT_MAX_CALLS are kept
    fm_point points[CT_MAX_CALLS];
    fm_status statuses[CT_MAX_CALLS];
} ct_calls;

void ct_calls_init(ct_calls *calls);
void ct_calls_destroy(ct_calls *calls);
// A completion callback whose `user` is a ct_calls.
void ct_calls_record(void *user, fm_point point, fm_status status);
// True once there have been at least `count` calls; false if that takes longer than any wait here may. Any thread.
bool ct_calls_reach(ct_calls *calls, uint32_t count);
uint32_t ct_calls_count(ct_calls *calls);

#endif
