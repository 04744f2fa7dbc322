// Traces: a seed makes one; a failing one is shrunk to what is needed and printed.
#ifndef SIMULATION_TRACE_H
#define SIMULATION_TRACE_H

#include "operations.h"

enum {
    SEEDS_PER_DEVICE = 32
}; // schedules before the device is opened anew; the group of a seed chooses the device's limits

// Fills `ops` with the seed's trace of `count` operations.
void trace_make(uint64_t seed, op *ops, int count);

// Runs a trace on a device of its own. False: it failed.
bool trace_run_alone(uint64_t seed, const op *ops, int count, int ablate);

// Runs it once more and prints each operation, what follows from it, and what is wrong.
void trace_show(uint64_t seed, const op *ops, int count, int ablate);

// Drops operations as long as the rest still fails on a device of its own; returns how many are left.
int trace_shrink(uint64_t seed, op *ops, int count, int ablate);

#endif
