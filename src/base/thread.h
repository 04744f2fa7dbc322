// Threads of the library's own, and the floating-point state in which it compiles and runs. What the program set up for a thread of its own
// (rounding, traps, flushing of subnormals) is no part of a kernel's meaning, and stays as it was (LAND-3). No state; any thread.
#ifndef FMI_BASE_THREAD_H
#define FMI_BASE_THREAD_H

#include <fenv.h>
#include <pthread.h>

// Starts a thread that takes no signals (they are the program's business), whose floating-point state is the default one, and whose stack
// has FMI_THREAD_STACK_BYTES at least, whatever `ulimit -s` says. Returns 0 or an errno; then nothing was started.
// `name` has 15 characters at most. The caller joins it.
enum { FMI_THREAD_STACK_BYTES = 2 << 20 };
int fmi_thread_start(pthread_t *out, const char *name, void *(*main)(void *), void *argument);

// Puts the calling thread's floating-point state aside and sets the default one, until fmi_float_leave: around whatever reads numbers,
// compiles, or starts a driver's threads, which inherit it. Pairs may be nested.
static inline void fmi_float_enter(fenv_t *saved)
{
    fegetenv(saved);
    fesetenv(FE_DFL_ENV);
}

static inline void fmi_float_leave(const fenv_t *saved)
{
    fesetenv(saved);
}

#endif
