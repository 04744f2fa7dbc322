// Monotonic time in nanoseconds, deadlines, and the pause of a polling loop.
// No state; any thread.
#ifndef FMI_BASE_CLOCK_H
#define FMI_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t fmi_now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

// The moment `timeout_ns` from now; UINT64_MAX (never) stays so.
static inline uint64_t fmi_deadline(uint64_t timeout_ns)
{
    if (timeout_ns == UINT64_MAX) {
        return UINT64_MAX;
    }
    uint64_t now = fmi_now_ns();
    return timeout_ns > UINT64_MAX - 1 - now ? UINT64_MAX - 1 : now + timeout_ns;
}

// Nanoseconds left until the deadline; 0 when it has passed.
static inline uint64_t fmi_remaining_ns(uint64_t deadline)
{
    if (deadline == UINT64_MAX) {
        return UINT64_MAX;
    }
    uint64_t now = fmi_now_ns();
    return now >= deadline ? 0 : deadline - now;
}

static inline void fmi_cpu_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

#endif
