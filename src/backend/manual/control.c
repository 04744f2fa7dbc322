// What a test tells the manual device: in which order, how long, what to refuse, when to be lost. See manual.h.
// One thread, a test's; the device's lock guards what completion may be asked about meanwhile.
#include "backend/host/host.h"
#include "backend/manual/device.h"

#include <stdlib.h>
#include <string.h>

void fmi_manual_set_order(fmi_backend *backend, uint64_t seed)
{
    fmi_manual_device *device = fmi_manual_device_of(backend);
    pthread_mutex_lock(&device->lock);
    device->seed = seed;
    pthread_mutex_unlock(&device->lock);
}

void fmi_manual_set_wave_ns(fmi_backend *backend, uint32_t ns)
{
    fmi_manual_device *device = fmi_manual_device_of(backend);
    pthread_mutex_lock(&device->lock);
    device->wave_ns = ns;
    pthread_mutex_unlock(&device->lock);
}

void fmi_manual_refuse_submits(fmi_backend *backend, uint32_t count, fm_status status)
{
    fmi_manual_device *device = fmi_manual_device_of(backend);
    pthread_mutex_lock(&device->lock);
    device->refusals = count;
    device->refusal = status;
    pthread_mutex_unlock(&device->lock);
}

// A copy that lives until the device is closed; NULL: out of host memory.
static void *keep_copy(fmi_manual_device *device, const void *bytes, size_t size_bytes)
{
    void *copy = malloc(size_bytes);
    if (copy) {
        memcpy(copy, bytes, size_bytes);
        device->copies[device->copy_count++] = copy;
    }
    return copy;
}

// Once the device is lost the library retires what is in flight, so the batches' arrays may be used again; commands
// stay until close.
static bool keep_batch(fmi_manual_device *device, fmi_batch_plan *plan)
{
    uint32_t lists = 0;
    for (uint32_t i = 0; i < plan->command_count; i++) {
        lists = plan->commands[i]->list >= lists ? plan->commands[i]->list + 1 : lists;
    }
    plan->commands = keep_copy(device, plan->commands, plan->command_count * sizeof(fmi_command *));
    plan->wave_ends = keep_copy(device, plan->wave_ends, plan->wave_count * sizeof *plan->wave_ends);
    plan->list_status = keep_copy(device, plan->list_status, lists * sizeof *plan->list_status);
    plan->list_reason = NULL; // nobody asks any more
    plan->wave_ns = NULL;
    return plan->commands && plan->wave_ends && plan->list_status;
}

void fmi_manual_lose(fmi_backend *backend)
{
    fmi_manual_device *device = fmi_manual_device_of(backend);
    pthread_mutex_lock(&device->lock);
    bool kept = true;
    for (uint32_t q = 0; q < device->queue_count && !device->lost; q++) {
        fmi_manual_queue *queue = &device->queues[q];
        for (uint64_t value = queue->completed + 1; value <= queue->submitted; value++) {
            kept = keep_batch(device, &queue->batches[value % MANUAL_MOST_BATCHES]) && kept;
        }
        queue->lost_at = queue->completed;
    }
    device->lost = true;
    device->quiet = device->quiet || !kept; // without the host memory it cannot go on running
    pthread_mutex_unlock(&device->lock);
}

void fmi_manual_set_observer(fmi_backend *backend, fm_testing_observer observer, void *user)
{
    fmi_manual_device_of(backend)->observer = observer;
    fmi_manual_device_of(backend)->observer_user = user;
}

void fmi_manual_tell(fmi_backend *backend, fm_testing_event event, const char *text)
{
    fmi_manual_device *device = fmi_manual_device_of(backend);
    if (device->observer) {
        device->observer(device->observer_user, event, text);
    }
}

void fmi_manual_set_waiter(fmi_backend *backend, void (*run)(void *user), void *user)
{
    fmi_manual_device_of(backend)->run = run;
    fmi_manual_device_of(backend)->run_user = user;
}
