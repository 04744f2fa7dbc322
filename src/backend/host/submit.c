// Host backend: the queue thread and its workers. A wave's commands are independent, so they are cut into tasks that whoever is
// free takes; the queue thread goes on when all are done. Small waves run on the queue thread alone.
#include "backend/host/host.h"

#include "base/clock.h"

enum {
    ALONE_ITEMS = 512,       // a wave of fewer work-items is not worth waking workers for
    ALONE_BYTES = 256 << 10, // or of fewer bytes to move
    PARTS_A_THREAD = 4,
};

static void run_tasks(fmi_host_wave *wave)
{
    uint32_t total = wave->command_count * wave->parts;
    for (;;) {
        uint32_t task = atomic_fetch_add_explicit(&wave->next, 1, memory_order_relaxed);
        if (task >= total) {
            return;
        }
        fmi_host_run(wave->commands[task / wave->parts], task % wave->parts, wave->parts, wave->plan);
    }
}

static bool worth_sharing(const fmi_host_wave *wave)
{
    uint64_t items = 0, bytes = 0;
    for (uint32_t i = 0; i < wave->command_count && items < ALONE_ITEMS && bytes < ALONE_BYTES; i++) {
        const fmi_command *command = wave->commands[i];
        if (fmi_command_is_dispatch(command)) {
            const uint32_t *n = command->group_count;
            // A host function says nothing about its size: it counts as worth a thread.
            items += command->binary->code.entry ? (uint64_t)n[0] * n[1] * n[2] * command->binary->group_items
                                                 : ALONE_ITEMS / 2;
        } else {
            bytes += command->spans[0].size_bytes;
        }
    }
    return items >= ALONE_ITEMS || (bytes >= ALONE_BYTES && wave->command_count > 1);
}

static void run_wave(fmi_backend *backend, const fmi_batch_plan *plan, uint32_t begin, uint32_t end)
{
    fmi_host_wave *wave = &backend->wave;
    wave->commands = plan->commands + begin;
    wave->command_count = end - begin;
    wave->plan = plan;
    wave->parts = 1;
    for (uint32_t i = 0; i < wave->command_count; i++) {
        if (wave->commands[i]->kind == FMI_COMMAND_DISPATCH_INDIRECT) {
            fmi_host_read_counts(wave->commands[i], plan);
        }
    }
    atomic_store_explicit(&wave->next, 0, memory_order_relaxed);
    if (backend->thread_count == 0 || !worth_sharing(wave)) {
        run_tasks(wave);
        return;
    }
    uint32_t tasks = (backend->thread_count + 1) * PARTS_A_THREAD;
    wave->parts = wave->command_count >= tasks ? 1 : (tasks + wave->command_count - 1) / wave->command_count;
    pthread_mutex_lock(&backend->lock);
    backend->wave_number++;
    backend->inside = backend->thread_count;
    pthread_cond_broadcast(&backend->wave_begins);
    pthread_mutex_unlock(&backend->lock);
    run_tasks(wave);
    pthread_mutex_lock(&backend->lock);
    while (backend->inside > 0) {
        pthread_cond_wait(&backend->wave_ends, &backend->lock);
    }
    pthread_mutex_unlock(&backend->lock);
}

void *fmi_host_worker_main(void *context)
{
    fmi_backend *backend = context;
    uint64_t seen = 0;
    pthread_mutex_lock(&backend->lock);
    for (;;) {
        while (backend->wave_number == seen && !backend->stop_workers) {
            pthread_cond_wait(&backend->wave_begins, &backend->lock);
        }
        if (backend->wave_number == seen) {
            break; // stopping, and no wave is left
        }
        seen = backend->wave_number;
        pthread_mutex_unlock(&backend->lock);
        run_tasks(&backend->wave);
        pthread_mutex_lock(&backend->lock);
        if (--backend->inside == 0) {
            pthread_cond_signal(&backend->wave_ends);
        }
    }
    pthread_mutex_unlock(&backend->lock);
    fmi_fibres_free();
    return NULL;
}

void *fmi_host_queue_main(void *context)
{
    fmi_backend *backend = context;
    uint64_t value = 0; // last batch run
    pthread_mutex_lock(&backend->lock);
    for (;;) {
        while (backend->submitted_value == value && !backend->stop) {
            pthread_cond_wait(&backend->submitted, &backend->lock);
        }
        if (backend->submitted_value == value) {
            break;
        }
        value++;
        fmi_batch_plan plan = backend->batches[value % FMI_HOST_MOST_BATCHES];
        pthread_mutex_unlock(&backend->lock);
        uint32_t begin = 0;
        for (uint32_t w = 0; w < plan.wave_count; w++) {
            uint64_t start = plan.wave_ns ? fmi_now_ns() : 0;
            run_wave(backend, &plan, begin, plan.wave_ends[w]);
            if (plan.wave_ns && w < FMI_TIMED_WAVES) {
                uint64_t took = fmi_now_ns() - start;
                plan.wave_ns[w] = took < UINT32_MAX ? (uint32_t)took : UINT32_MAX;
            }
            begin = plan.wave_ends[w];
        }
        pthread_mutex_lock(&backend->lock);
        // Release: who sees the value sees what the batch wrote.
        atomic_store_explicit(&backend->completed, value, memory_order_release);
        pthread_cond_broadcast(&backend->finished);
    }
    pthread_mutex_unlock(&backend->lock);
    fmi_fibres_free();
    return NULL;
}

fm_status fmi_host_submit(fmi_backend *backend, fmi_batch_plan *plan)
{
    plan->barriers = plan->wave_count > 0 ? plan->wave_count - 1 : 0;
    pthread_mutex_lock(&backend->lock);
    backend->batches[plan->value % FMI_HOST_MOST_BATCHES] = *plan;
    backend->submitted_value = plan->value;
    pthread_cond_signal(&backend->submitted);
    pthread_mutex_unlock(&backend->lock);
    return FM_OK;
}
