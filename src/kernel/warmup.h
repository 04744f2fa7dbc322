// Variants asked for ahead of time, and the threads that make them. A thread exists once something was asked for, sleeps while nothing
// is, and ends when the device closes. Looks variants up as a dispatch does, so each is made once, whoever comes first (KEY-4).
// Any thread; `lock` is never held while something is compiled.
#ifndef FMI_KERNEL_WARMUP_H
#define FMI_KERNEL_WARMUP_H

#include "kernel/object.h"

enum {
    FMI_WARMUP_MOST_THREADS = 64,
    FMI_WARMUP_BUCKETS = 256,
    FMI_WARMUP_MOST_FAILURES = 64, // kept for whoever asks; the oldest is forgotten first
};

typedef struct fmi_warmup_job fmi_warmup_job; // a variant that was asked for (warmup.c)

typedef struct fmi_warmup {
    fmi_table *kernels;    // borrowed
    uint32_t thread_limit; // constant
    pthread_mutex_t lock;  // guards all below
    pthread_cond_t queued; // threads wait: a job or stop
    pthread_cond_t done;   // waiters wait: a job has ended
    pthread_t threads[FMI_WARMUP_MOST_THREADS];
    uint32_t thread_count;
    uint32_t idle;         // threads that wait, or have been woken and are on their way
    uint32_t queue_length; // jobs that nobody has begun
    bool stop;
    fmi_warmup_job *buckets[FMI_WARMUP_BUCKETS]; // every job by kernel and dtypes
    fmi_warmup_job *first;                       // jobs that nobody has begun, in the order in which they came
    fmi_warmup_job *last;
    fmi_warmup_job *oldest_failure; // failures, in the order in which they came
    fmi_warmup_job *newest_failure;
    uint32_t failure_count;
} fmi_warmup;

void fmi_warmup_init(fmi_warmup *warmup, fmi_table *kernels, uint32_t thread_limit);

// Ends the threads, each after the variant that it is making, and forgets the rest.
void fmi_warmup_destroy(fmi_warmup *warmup);

// Queues a variant, unless it is there or under way. `object` is held by the caller for the call; `id` is its handle. Without a thread to
// be had, the caller makes it. FM_ERROR_OUT_OF_HOST_MEMORY, FM_ERROR_STALE_HANDLE. What goes wrong with the variant is told to whoever polls or waits.
fm_status fmi_warmup_ask(fmi_warmup *warmup, fmi_kernel_object *object, uint64_t id, uint64_t dtypes);

// FM_OK: a dispatch would find the variant. FM_NOT_READY: it is under way. Else why not: its failure, or FM_ERROR_INVALID_ARGUMENT if
// nobody has asked for it. Never blocks for long.
fm_status fmi_warmup_poll(fmi_warmup *warmup, const fmi_kernel_object *object, uint64_t id, uint64_t dtypes);

// The same, but waits while it is under way; FM_TIMEOUT.
fm_status fmi_warmup_wait(fmi_warmup *warmup, const fmi_kernel_object *object, uint64_t id, uint64_t dtypes,
                          uint64_t timeout_ns);

#endif
