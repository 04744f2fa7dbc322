// The first failure. See failure.h.
#include "failure.h"

#include <fermata/fermata.h>

#include <stdarg.h>
#include <stdio.h>

void failure_init(failure *f)
{
    *f = (failure){.exit_status = EXIT_STATUS_GOOD};
    pthread_mutex_init(&f->lock, NULL);
    atomic_init(&f->happened, false);
}

void failure_destroy(failure *f)
{
    pthread_mutex_destroy(&f->lock);
}

bool failure_set(failure *f, exit_status status, const char *format, ...)
{
    pthread_mutex_lock(&f->lock);
    if (!atomic_load_explicit(&f->happened, memory_order_relaxed)) {
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(f->sentence, sizeof f->sentence, format, arguments);
        va_end(arguments);
        f->exit_status = status;
        atomic_store_explicit(&f->happened, true, memory_order_release);
    }
    pthread_mutex_unlock(&f->lock);
    return false;
}

bool failure_set_from_library(failure *f, fm_status status, const char *what)
{
    exit_status code = status == FM_ERROR_NO_DEVICE ? EXIT_STATUS_NO_DEVICE : EXIT_STATUS_FAILED;
    return failure_set(f, code, "%s: %s (%s)", what, fm_last_error(), fm_status_name(status));
}

bool failure_happened(const failure *f)
{
    return atomic_load_explicit(&f->happened, memory_order_acquire);
}
