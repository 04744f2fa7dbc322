// Threads of the library's own, and the floating-point state in which it compiles and runs. What the program set up for a thread of its own
// (rounding, traps, flushing of subnormals) is no part of a kernel's meaning, and stays as it was (LAND-3). No state; any thread.
#ifndef FMI_BASE_THREAD_H
#define FMI_BASE_THREAD_H

#include <fenv.h>
#include <pthread.h>
#include <stdbool.h>

// Starts a thread that takes no signals (they are the program's business), whose floating-point state is the default one, and whose stack
// has FMI_THREAD_STACK_BYTES at least, whatever `ulimit -s` says. Returns 0 or an errno; then nothing was started.
// `name` has 15 characters at most. The caller joins it.
enum { FMI_THREAD_STACK_BYTES = 2 << 20 };
int fmi_thread_start(pthread_t *out, const char *name, void *(*main)(void *), void *argument);

// The calling thread's floating-point state, put aside.
typedef struct fmi_float_state {
    bool is_changed; // else there was nothing to put aside
    fenv_t environment;
} fmi_float_state;

// Is the state the one that a program starts with, but for the flags of what has happened? False where asking is not cheap.
static inline bool fmi_float_is_usual(void)
{
#if defined(__x86_64__)
    enum { MXCSR_FLAGS = 0x3f, MXCSR_USUAL = 0x1f80, CONTROL_USUAL = 0x37f };
    unsigned short control;
    __asm__ volatile("fnstcw %0" : "=m"(control));
    return (__builtin_ia32_stmxcsr() & ~(unsigned)MXCSR_FLAGS) == MXCSR_USUAL && control == CONTROL_USUAL;
#else
    return false;
#endif
}

// Puts the calling thread's floating-point state aside and sets the default one, until fmi_float_leave: around whatever reads numbers,
// compiles, enters a driver, or starts a driver's threads, which inherit it. Pairs may be nested. Where it is the default one: 2 ns.
static inline void fmi_float_enter(fmi_float_state *saved)
{
    saved->is_changed = !fmi_float_is_usual();
    if (saved->is_changed) {
        fegetenv(&saved->environment);
        fesetenv(FE_DFL_ENV);
    }
}

static inline void fmi_float_leave(const fmi_float_state *saved)
{
    if (saved->is_changed) {
        fesetenv(&saved->environment);
    }
}

#endif
