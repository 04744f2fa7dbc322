// Starting threads. See thread.h.
// A thread inherits its creator's signal mask and floating-point state, so both are set before and put back after.
#include "base/thread.h"

#include <signal.h>

int fmi_thread_start(pthread_t *out, const char *name, void *(*main)(void *), void *argument)
{
    pthread_attr_t attributes;
    int failed = pthread_attr_init(&attributes);
    if (failed) {
        return failed;
    }
    size_t usual = 0;
    pthread_attr_getstacksize(&attributes, &usual);
    if (usual < FMI_THREAD_STACK_BYTES) {
        failed = pthread_attr_setstacksize(&attributes, FMI_THREAD_STACK_BYTES);
    }
    sigset_t all, old;
    fmi_float_state environment;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    fmi_float_enter(&environment);
    if (!failed) {
        failed = pthread_create(out, &attributes, main, argument);
    }
    fmi_float_leave(&environment);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attributes);
    if (!failed) {
        pthread_setname_np(*out, name);
    }
    return failed;
}
