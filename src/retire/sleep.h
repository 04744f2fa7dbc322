// Sleepers, and the clock that timed waits go by. Private to wait.c and sleep.c.
// A thread sleeps until whoever retires finds its wait over. The list of sleepers has its own lock, a leaf.
#ifndef FMI_RETIRE_SLEEP_H
#define FMI_RETIRE_SLEEP_H

#include "base/clock.h"
#include "retire/retire.h"

// Timed waits go by the clock that nobody sets. ThreadSanitizer (of gcc 12 and clang 14) knows neither of the two
// functions, so under it they go by the other clock.
#if defined(__SANITIZE_THREAD__)
#define FMI_UNDER_THREAD_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define FMI_UNDER_THREAD_SANITIZER 1
#endif
#endif

#ifdef FMI_UNDER_THREAD_SANITIZER
static const clockid_t fmi_wait_clock = CLOCK_REALTIME;
#define FMI_WAIT_FOR_POST(semaphore, until) sem_timedwait((semaphore), (until))
#define FMI_LOCK_UNTIL(mutex, until) pthread_mutex_timedlock((mutex), (until))
#else
static const clockid_t fmi_wait_clock = CLOCK_MONOTONIC;
#define FMI_WAIT_FOR_POST(semaphore, until) sem_clockwait((semaphore), CLOCK_MONOTONIC, (until))
#define FMI_LOCK_UNTIL(mutex, until) pthread_mutex_clocklock((mutex), CLOCK_MONOTONIC, (until))
#endif

// The moment `ns` from now, on that clock.
static inline struct timespec fmi_moment_after(uint64_t ns)
{
    struct timespec until;
    clock_gettime(fmi_wait_clock, &until);
    until.tv_sec += (time_t)(ns / 1000000000);
    until.tv_nsec += (long)(ns % 1000000000);
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    return until;
}

// Sleeps until the wait is over, the deadline has come, or somebody is needed who polls. `for_host`: nothing is on the
// device, so nobody is.
void fmi_fall_asleep(fmi_retirement *r, fmi_wait_done done, void *context, uint64_t deadline, bool for_host);

#endif
