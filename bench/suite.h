// What a suite is: one file that measures one thing and reports rows. This is the one list of them.
// A suite is called once, alone, from the main thread, before the process has touched any device.
#ifndef FERMATA_BENCH_SUITE_H
#define FERMATA_BENCH_SUITE_H

#include "report.h"

#include <stdbool.h>

// X(name, what it measures), in the order in which they are listed.
#define BENCH_SUITES(X)                                                                                                \
    X(record, "CPU time a dispatch: recording alone, and record + plan + encode + submit")                             \
    X(kernels, "kernel set-up cold and from the disk cache, and the cost of finding a variant")

// Exit codes of the program, and what a suite answers.
typedef enum bench_result {
    BENCH_GOOD = 0,
    BENCH_FAILED = 1, // a check failed, or what was to be measured
    BENCH_USAGE = 2,
    BENCH_NO_DEVICE = 3,
} bench_result;

// The command line, as far as suites see it.
typedef struct bench_options {
    const char *device; // as fm_device_open takes it
    bool with_driver;   // measure with the driver's time in it
} bench_options;

#define BENCH_DECLARE(name, summary) bench_result suite_##name(const bench_options *options, report *results);
BENCH_SUITES(BENCH_DECLARE)
#undef BENCH_DECLARE

#endif
