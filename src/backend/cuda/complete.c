// Completion: the device writes the value of each batch that is done into a mapped word, so asking is one load; waiting sleeps.
// Any thread. Knows no batches: values only. A lost device writes no more; the driver tells, if it is asked, and it is asked now and then.
#include "backend/cuda/cuda.h"

#include "base/clock.h"
#include "base/error.h"

enum {
    POLLS_A_LOOK = 4096, // loads without progress between two questions to the driver
    LEAST_SLEEP_NS = 20000,
    MOST_SLEEP_NS = 1000000,
    SLEEP_SHARE = 8, // a wait is late by this part of its length at most
};

fm_status fmi_cuda_check_lost(fmi_backend *backend)
{
    fmi_cu_result lost = atomic_load_explicit(&backend->lost, memory_order_relaxed);
    if (__builtin_expect(lost != FMI_CU_SUCCESS, 0)) {
        return fmi_fail(FM_ERROR_DEVICE_LOST, "%s stopped: %s (%u).", backend->name,
                        fmi_cuda_result_name(backend->cu, lost), lost);
    }
    return FM_OK;
}

// Asks the driver for an error that stopped a queue.
static fm_status look(fmi_backend *backend, const fmi_cuda_queue *queue)
{
    if (!fmi_cuda_enter(backend, "asking how far it is")) {
        return FM_ERROR_BACKEND;
    }
    fmi_cu_result result = backend->cu->StreamQuery(queue->stream);
    fmi_cuda_leave(backend);
    return result == FMI_CU_SUCCESS || result == FMI_CU_ERROR_NOT_READY
               ? FM_OK
               : fmi_cuda_fail(backend, result, "cuStreamQuery", "asking how far it is");
}

fm_status fmi_cuda_completed(fmi_backend *backend, uint32_t queue, uint64_t *out_value)
{
    fmi_cuda_queue *q = &backend->queues[queue];
    fm_status status = fmi_cuda_check_lost(backend);
    uint64_t value = atomic_load_explicit(q->word, memory_order_acquire);
    if (status == FM_OK && value < atomic_load_explicit(&q->submitted, memory_order_relaxed)) {
        uint32_t polls = atomic_load_explicit(&q->polls, memory_order_relaxed) + 1;
        atomic_store_explicit(&q->polls, polls % POLLS_A_LOOK, memory_order_relaxed);
        if (polls == POLLS_A_LOOK) {
            status = look(backend, q);
        }
    }
    *out_value = value;
    return status;
}

// Is one of the values there?
static bool is_reached(const fmi_backend *backend, const uint64_t values[FMI_MOST_QUEUES])
{
    for (uint32_t q = 0; q < backend->queue_count; q++) {
        if (values[q] && atomic_load_explicit(backend->queues[q].word, memory_order_acquire) >= values[q]) {
            return true;
        }
    }
    return false;
}

// There is no call that waits for a word with a timeout, and an event's wait has none either: the waiter sleeps, longer each time.
fm_status fmi_cuda_wait(fmi_backend *backend, const uint64_t values[FMI_MOST_QUEUES], uint64_t timeout_ns)
{
    uint64_t begin = fmi_now_ns(), deadline = fmi_deadline(timeout_ns);
    for (;;) {
        fm_status status = fmi_cuda_check_lost(backend);
        if (status != FM_OK || is_reached(backend, values)) {
            return status;
        }
        for (uint32_t q = 0; q < backend->queue_count && status == FM_OK; q++) {
            status = values[q] ? look(backend, &backend->queues[q]) : FM_OK;
        }
        if (status != FM_OK) {
            return status;
        }
        uint64_t left = fmi_remaining_ns(deadline);
        if (left == 0) {
            return is_reached(backend, values) ? FM_OK : FM_TIMEOUT;
        }
        uint64_t sleep = (fmi_now_ns() - begin) / SLEEP_SHARE;
        sleep = sleep < LEAST_SLEEP_NS ? LEAST_SLEEP_NS : sleep > MOST_SLEEP_NS ? MOST_SLEEP_NS : sleep;
        struct timespec pause = {0, (long)(sleep < left ? sleep : left)};
        (void)clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
    }
}
