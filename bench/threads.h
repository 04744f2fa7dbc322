// Suite `threads`: its cases, and how they are shown (threads_print.c). Main thread only.
#ifndef FERMATA_BENCH_THREADS_H
#define FERMATA_BENCH_THREADS_H

#include "contest.h"

enum {
    THREADS_COUNTS = 5,
    THREADS_BATCHES = 3,
    THREADS_MODES = 3,
    THREADS_CASES_MOST = THREADS_COUNTS * THREADS_BATCHES * THREADS_MODES * WORK_KIND_COUNT,
};

// How a thread waits.
typedef enum threads_mode {
    THREADS_EACH = 0,      // for each chain's own completion (event wait)
    THREADS_ALL = 1,       // after each chain for everything on the device (device wait)
    THREADS_PIPELINED = 2, // for the oldest of a few chains in flight
} threads_mode;

typedef struct threads_case {
    work_kind kind;
    uint32_t batch; // dispatches in a chain
    threads_mode mode;
    uint32_t threads;
} threads_case;

// What the process spent while a contender's workers ran, its driver's threads included.
typedef struct threads_effort {
    double cpu_ns;   // user and system
    double switches; // times that a thread went to sleep
    double chains;   // submitted meanwhile
} threads_effort;

// A case's result.
typedef struct threads_row {
    threads_case what;
    uint32_t repetitions;
    spread rates[CONTENDERS_MOST]; // dispatches a second, by contender of the contest
    spread ratios
        [CONTENDERS_MOST]; // Fermata's rate divided by the contender's, of each repetition; zero where there is none
    bool failed[CONTENDERS_MOST];            // an error, or a wrong counter: the rate is void
    contender_counts counts;                 // Fermata's, of all repetitions
    threads_effort efforts[CONTENDERS_MOST]; // of all repetitions
} threads_row;

extern const uint32_t threads_counts[THREADS_COUNTS];
extern const uint32_t threads_batches[THREADS_BATCHES];
extern const char *const threads_mode_names[THREADS_MODES];

// The table of all cases: dispatches a second, and Fermata's share of the floors'.
void threads_print_head(const contest *c);
void threads_print_row(const contest *c, const threads_row *row);

// Adds one object a contender to the JSON file.
void threads_report_row(const contest *c, const threads_row *row, report *results);

// Rates in per cent of linear from the contender's own rate at one thread, where that was measured.
void threads_print_efficiency(const contest *c, const threads_row *rows, uint32_t count);

// The cases in which Fermata is slower than a hand-written contender, the worst first.
void threads_print_losses(const contest *c, const threads_row *rows, uint32_t count);

#endif
