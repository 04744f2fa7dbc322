// How far the sequences are: threads report, one thread watches and shows a line on a terminal.
// Knows nothing of what the threads do.
#ifndef DECODE_PROGRESS_H
#define DECODE_PROGRESS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

typedef struct progress {
    pthread_mutex_t lock;     // guards `running`
    pthread_cond_t changed;   // signalled when `running` has become 0; on the monotonic clock
    uint32_t running;         // threads that have not called progress_end
    _Atomic(uint64_t) tokens; // generated so far; relaxed: a figure to show, pairs with nothing
    uint64_t started_ns;      // when progress_init was called, monotonic
} progress;

void progress_init(progress *p);
void progress_destroy(progress *p);

// Counts a thread that will call progress_end. Before the thread starts.
void progress_begin(progress *p);

// Counts one token.
void progress_push_token(progress *p);

// A thread's last word.
void progress_end(progress *p);

// Returns when every thread has ended, and shows a line on stderr meanwhile if that is a terminal.
// Returns the seconds since progress_init.
double progress_wait(progress *p);

#endif
