// Host backend: completion. One atomic value; waiters sleep on a condition.
// Any thread may ask or wait; the queue thread alone raises the value, under the backend's lock.
#include "backend/host/host.h"

#include "base/clock.h"

fm_status fmi_host_completed(fmi_backend *backend, uint32_t queue, uint64_t *out_value)
{
    (void)queue; // there is one
    *out_value = atomic_load_explicit(&backend->completed, memory_order_acquire);
    return FM_OK;
}

fm_status fmi_host_wait(fmi_backend *backend, const uint64_t values[FMI_MOST_QUEUES], uint64_t timeout_ns)
{
    uint64_t value = values[0];
    uint64_t deadline = fmi_deadline(timeout_ns);
    struct timespec until = {(time_t)(deadline / 1000000000u), (long)(deadline % 1000000000u)};
    fm_status status = FM_OK;
    pthread_mutex_lock(&backend->lock);
    while (atomic_load_explicit(&backend->completed, memory_order_acquire) < value) {
        if (deadline == UINT64_MAX) {
            pthread_cond_wait(&backend->finished, &backend->lock);
        } else if (pthread_cond_timedwait(&backend->finished, &backend->lock, &until) != 0 &&
                   fmi_remaining_ns(deadline) == 0) {
            status = atomic_load_explicit(&backend->completed, memory_order_acquire) < value ? FM_TIMEOUT : FM_OK;
            break;
        }
    }
    pthread_mutex_unlock(&backend->lock);
    return status;
}
