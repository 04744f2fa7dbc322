// What suites `threads` and `latency` compare: ways to get chains of dispatches from many threads to a device. Fermata
// (contend_fermata.c), Vulkan by hand in four forms (raw_contend.c) and CUDA streams (contend_cuda.c).
// A contender has WORK_THREADS threads with WORK_SLOTS slots each; a slot is memory for one chain and what its submission needs.
// Every function returns false, with a message on stderr, when it fails. A wait that ran out of time ends the process (watch.h).
#ifndef FERMATA_BENCH_CONTENDER_H
#define FERMATA_BENCH_CONTENDER_H

#include "workload.h"

#include <stddef.h>

typedef struct contender contender;

// What a contender has given its device so far.
typedef struct contender_counts {
    uint64_t chains;
    uint64_t submissions; // native ones
    uint64_t dispatches;
    uint64_t barriers;
} contender_counts;

// A contender's functions. submit, wait and wait_all may run on all threads at once, each thread with its own number; the others
// are called by one thread while nothing is in flight.
typedef struct contender_ops {
    // Makes the calling thread one that may submit and wait; NULL: nothing to do.
    bool (*enter)(contender *self);
    // Gives the device `batch` dispatches, each after the one before, on the slot's memory. Nothing of the slot is in flight.
    bool (*submit)(contender *self, uint32_t thread, uint32_t slot, work_kind kind, uint32_t batch);
    // Waits until the slot's chain is complete.
    bool (*wait)(contender *self, uint32_t thread, uint32_t slot);
    // Waits until everything that any of the first `threads` threads has submitted so far is complete, the device's idleness if
    // need be. Slots need no wait of their own then.
    bool (*wait_all)(contender *self, uint32_t thread, uint32_t threads);
    // Zeroes a slot's counters and product.
    bool (*clear)(contender *self, uint32_t thread, uint32_t slot);
    // Copies a slot's counters, and its product unless `c` is NULL.
    bool (*fetch)(contender *self, uint32_t thread, uint32_t slot, uint32_t *counters, float *c);
    // Stores the counts; NULL: a chain is a submission.
    void (*count)(contender *self, contender_counts *out);
    // Stores in words what the API knows of a slot's newest chain; for the report of a hang. Beside all others.
    void (*describe)(contender *self, uint32_t thread, uint32_t slot, char *text, size_t size);
    void (*close)(contender *self);
} contender_ops;

struct contender {
    const contender_ops *ops;
    const char *name;    // on the command line and in rows
    const char *summary; // a few words
    const workload *work;
};

enum { CONTENDERS_MOST = 8 };

// The device that all contenders run on.
typedef struct contender_device {
    char description[256]; // the driver's name for it
    uint32_t nth;          // among Vulkan devices of that name
} contender_device;

// Decides by its name whether a contender is opened.
typedef bool (*contender_wanted)(const void *context, const char *name);

// Makes Fermata a contender on `device`, which is transferred. NULL, with a message on stderr, if that fails.
struct fm_device;
contender *contender_open_fermata(struct fm_device *device, const workload *work);

// Opens those hand-written Vulkan contenders that are wanted and adds them to `out`; those that the device cannot run (it has no
// second queue) are left out with a note. False: failed; what is in `out` stays the caller's. Fermata's device is open.
bool contender_open_vulkan(const contender_device *device, const workload *work, contender_wanted wanted,
                           const void *context, contender **out, uint32_t *count);

// Opens CUDA streams on the device of that name, if libcuda and such a device are there; `*out` is NULL if not. False: failed.
bool contender_open_cuda(const contender_device *device, const workload *work, contender **out);

static inline void contender_close(contender *c)
{
    if (c) {
        c->ops->close(c);
    }
}

#endif
