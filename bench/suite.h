// What a suite is: one file that measures one thing and reports rows. This is the one list of them.
// A suite is called once, alone, from the main thread, before the process has touched any device.
#ifndef FERMATA_BENCH_SUITE_H
#define FERMATA_BENCH_SUITE_H

#include "report.h"

#include <stdbool.h>

// X(name, letters of the options that it takes beside those of all (main.c), what it measures), in the order in which they are listed.
#define BENCH_SUITES(X)                                                                                                \
    X(record, "wbmkr", "CPU time a dispatch: recording alone, and record + plan + encode + submit")                    \
    X(threads, "tbmkciru", "dispatches a second from many threads, beside Vulkan by hand and CUDA streams")            \
    X(latency, "mcir", "a small dispatch and its wait, alone and beside other work")                                   \
    X(lifetime, "", "what lifetime costs: holds, allocation, reuse in stream order, polls, read-backs")                \
    X(transfer, "sr", "GB/s of large writes and reads, in place and through bounded staging memory")                   \
    X(compute, "s", "GFLOP/s of the kernel library's matrix products, tiled beside naive")                             \
    X(kernels, "", "kernel set-up cold and from the disk cache, and the cost of finding a variant")

enum { BENCH_MOST_REPETITIONS = 101 }; // that --repetitions takes

enum { BENCH_MOST_SIZES = 8 }; // that --size takes

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
    // Lists of names, separated by commas, of what is measured, as far as a suite knows such names; NULL = all.
    const char *threads;
    const char *batch;
    const char *mode;
    const char *work;
    const char *contender;
    uint32_t time_ms;     // of one repetition; 0 = the suite's own
    uint32_t repetitions; // of each case; 0 = the suite's own
    uint32_t budget_s;    // after which no further case begins; 0 = all cases
    uint32_t limit_s;     // that one step may take (watch.h); 0 = the suite's own
    uint32_t sizes[BENCH_MOST_SIZES];
    uint32_t size_count; // 0: the suite's own
} bench_options;

// Is `name` in a list of the command line?
bool bench_wants(const char *list, const char *name);

// Is every name in the list one of these? Otherwise says on stderr which is not, and what there is.
bool bench_check_list(const char *option, const char *list, const char *const *names, uint32_t count);

#define BENCH_DECLARE(name, letters, summary) bench_result suite_##name(const bench_options *options, report *results);
BENCH_SUITES(BENCH_DECLARE)
#undef BENCH_DECLARE

#endif
