// Brings the contenders of suites `threads` and `latency` together on one device and makes their work comparable: the same matrices,
// and loops whose length is measured there, once, so that "80us" lasts 80 microseconds.
// Main thread only, while the watchdog is open (watch.h).
#ifndef FERMATA_BENCH_CONTEST_H
#define FERMATA_BENCH_CONTEST_H

#include "contender.h"
#include "suite.h"

typedef struct contest {
    char description[256]; // of the device
    workload work;
    contender *contenders[CONTENDERS_MOST]; // Fermata first, where it takes part
    uint32_t count;
    contender *fermata; // one of them, or NULL
    contender *fence;   // the floor that most programs are: `vulkan-fence`, or NULL
} contest;

// Opens the device and the contenders that the options want, names the suite in the report, settles the work and reports it. Whatever it
// answers, contest_close follows.
bench_result contest_open(contest *c, const char *suite, const bench_options *options, report *results);

// Closes everything.
void contest_close(contest *c);

#endif
