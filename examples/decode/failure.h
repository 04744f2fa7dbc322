// The one failure that ends the program: the first sentence wins, whichever thread says it, and decides the exit
// status. Knows nothing of what failed. Every function here may be called from any thread.
#ifndef DECODE_FAILURE_H
#define DECODE_FAILURE_H

#include <fermata/status.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

// Exit statuses of the program.
typedef enum exit_status {
    EXIT_STATUS_GOOD = 0,
    EXIT_STATUS_FAILED = 1,    // a check failed, or something went wrong at run time
    EXIT_STATUS_BAD_INPUT = 2, // usage, a hostile or unfit file, a prompt that cannot be used
    EXIT_STATUS_NO_DEVICE = 3, // no device of the name asked for
} exit_status;

typedef struct failure {
    pthread_mutex_t lock;    // guards the writing of the two fields below
    exit_status exit_status; // what the first failure asked for
    char sentence[768];      // what the first failure said
    atomic_bool happened;    // release store once both are written, acquire load in failure_happened
} failure;

void failure_init(failure *f);
void failure_destroy(failure *f);

// Notes a failure if it is the first one. Always returns false, so that callers can return it in turn.
bool failure_set(failure *f, exit_status status, const char *format, ...) __attribute__((format(printf, 3, 4)));

// Notes that a Fermata call answered `status`: "WHAT: " and the calling thread's fm_last_error(). Always returns false.
bool failure_set_from_library(failure *f, fm_status status, const char *what);

// Says whether anything has failed: one atomic load, for threads that should stop.
bool failure_happened(const failure *f);

#endif
