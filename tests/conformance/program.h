// Random programs of dispatches, copies, fills, uploads and read-backs, run on the device and on a plain model of
// memory on the CPU. Used by the order group alone. A program is given by its seed; a failure names it, and
// FERMATA_TEST_SEED runs that one again.
#ifndef FERMATA_TESTS_CONFORMANCE_PROGRAM_H
#define FERMATA_TESTS_CONFORMANCE_PROGRAM_H

#include "support.h"

enum { PROGRAM_BUFFERS = 5, PROGRAM_STREAMS = 3, PROGRAM_READS = 24, PROGRAM_RANGES = 128 };

// The three kernels of all programs, compiled once a test.
typedef struct program_kernels {
    fm_kernel put;  // y (WRITE): y[i] = i * value + count
    fm_kernel step; // y (READ_WRITE): y[i] = 3 y[i] + value
    fm_kernel mix;  // x (READ), y (READ_WRITE): y[i] = y[i] * 5 + x[i] + value
} program_kernels;

// Which kind of programs.
typedef struct program_options {
    uint32_t
        streams; // 1 to PROGRAM_STREAMS; lists go to a random one, ordered by `after` points where they share buffers
    bool untracked; // some lists are untracked, with an fm_barrier wherever commands conflict
    bool large;     // some buffers are large enough that commands take a while
} program_options;

program_kernels program_create_kernels(ct_fixture *fixture);

// Runs programs from `first_seed` on and fails the test at the first that differs from the model.
void program_run_many(ct_fixture *fixture, const program_options *options, uint64_t first_seed, uint32_t count);

#endif
