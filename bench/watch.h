// Watchdog: some waits of the APIs that are compared have no time-out (vkDeviceWaitIdle, cuEventSynchronize,
// a start that a hung thread never reaches), so a step that takes too long ends the process instead. It says on stderr what each thread
// was doing and what the API says of it, keeps the rows so far, and exits with BENCH_FAILED. One for the process.
#ifndef FERMATA_BENCH_WATCH_H
#define FERMATA_BENCH_WATCH_H

#include "report.h"

struct contender;

enum {
    WATCH_WAIT_S = 30,     // a contender's wait that has a time-out gives up after so long
    WATCH_STEP_S = 60,     // a repetition without --limit-s: longer, so that such a wait speaks first
    WATCH_MOST_S = 3600,   // that --limit-s takes, and a suite that is one step
    WATCH_DESCRIBE_S = 10, // for the APIs to say what they know; one that hangs does not keep the process
};

// What a thread does.
typedef enum watch_doing {
    WATCH_NOTHING = 0,
    WATCH_ENTER,    // makes itself known to the API
    WATCH_SUBMIT,   // gives a slot's chain to the device
    WATCH_WAIT,     // waits for a slot's chain
    WATCH_WAIT_ALL, // waits for everything
    WATCH_START,    // waits at the start for the others
    WATCH_DONE,
} watch_doing;

// Opens the watchdog; `results` is borrowed until watch_close. A step may take `limit_s`; 0: as above. Main thread.
// Its thread starts with the first step.
void watch_open(report *results, uint32_t limit_s);

// Begins a step, whose time counts from now: one repetition of one case by `who`, or something of nobody's in particular (NULL). Main thread.
void watch_step(struct contender *who, const char *format, ...) __attribute__((format(printf, 2, 3)));

// Begins a step that is a whole suite, or the rest of it. Main thread.
void watch_suite(const char *name);

// Says what the main thread does within the step; the text lives for ever.
void watch_phase(const char *phase);

// Says what thread `thread` of the contender does, on the slot where that matters. That thread alone.
void watch_thread(uint32_t thread, watch_doing doing, uint32_t slot);

// Ends the process because of a wait that ran out of time: `why` names it. Any thread.
_Noreturn void watch_give_up(const char *why);

// Stops the watchdog.
void watch_close(void);

#endif
