// The manual device. See manual.h. Commands are the host backend's; the device refuses, fails and gets lost when told.
// Its memory and kernels are in memory.c.
#include "backend/host/host.h"
#include "backend/manual/device.h"
#include "base/error.h"

#include <fenv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void tell(fmi_manual_device *device, fm_testing_event event, const char *text)
{
    if (device->observer) {
        device->observer(device->observer_user, event, text);
    }
}

void fmi_manual_look_at_state(fmi_backend *backend)
{
    if (fegetround() == FE_TONEAREST) {
        return;
    }
    fmi_manual_device *device = fmi_manual_device_of(backend);
    pthread_mutex_lock(&device->lock);
    device->strange_calls++;
    pthread_mutex_unlock(&device->lock);
    fmi_manual_tell(backend, FM_TESTING_VIOLATED, "the device is called in the program's floating-point state");
}

static fm_status import_block(fmi_backend *backend, void *pointer, uint64_t size_bytes, fmi_block *out)
{
    fmi_manual_look_at_state(backend);
    return fmi_host_import_block(backend, pointer, size_bytes, out);
}

static fm_status list(fmi_list_visitor visit, void *user)
{
    (void)visit;
    (void)user;
    return FM_OK;
}

static fm_status open_manual(const char *name, const fmi_backend_settings *settings, fmi_backend **out,
                             fmi_backend_caps *out_caps)
{
    (void)name;
    fmi_manual_device *device = calloc(1, sizeof *device);
    if (!device) {
        return fmi_fail(FM_ERROR_OUT_OF_HOST_MEMORY, "no host memory for the manual device");
    }
    pthread_mutex_init(&device->lock, NULL);
    fmi_host_describe(out_caps);
    snprintf(out_caps->description, sizeof out_caps->description, "manual device for tests");
    out_caps->manual = true;
    out_caps->queue_count = device->queue_count = settings->queues ? settings->queues : 1;
    *out = (fmi_backend *)(void *)device;
    return FM_OK;
}

static void close_manual(fmi_backend *backend)
{
    fmi_manual_look_at_state(backend);
    fmi_manual_device *device = fmi_manual_device_of(backend);
    fmi_manual_free_kept(device);
    for (uint32_t i = 0; i < device->copy_count; i++) {
        free(device->copies[i]);
    }
    pthread_mutex_destroy(&device->lock);
    for (uint32_t q = 0; q < device->queue_count; q++) {
        free(device->queues[q].order);
    }
    free(device);
}

static void quiesce(fmi_backend *backend)
{
    fmi_manual_look_at_state(backend);
    fmi_manual_device_of(backend)->quiet = true;
}

// Refuses a submit if the test asked for it, or for good once the device is lost.
static fm_status refuse(fmi_manual_device *device, const fmi_batch_plan *plan)
{
    pthread_mutex_lock(&device->lock);
    fm_status status = device->lost ? FM_ERROR_DEVICE_LOST : FM_OK;
    if (status == FM_OK && device->refusals > 0) {
        device->refusals--;
        status = device->refusal;
    }
    pthread_mutex_unlock(&device->lock);
    if (status == FM_OK) {
        return FM_OK;
    }
    for (uint32_t i = 0; i < plan->command_count; i++) {
        tell(device, FM_TESTING_REFUSED, plan->commands[i]->label);
    }
    if (plan->command_count == 0) {
        tell(device, FM_TESTING_REFUSED, NULL);
    }
    return fmi_fail(status, "the manual device was told to refuse the batch");
}

// May the queue's next batch start: is what it waits for complete?
static bool is_ready(const fmi_manual_device *device, const fmi_manual_queue *queue)
{
    if (queue->completed == queue->submitted) {
        return false;
    }
    const fmi_batch_plan *plan = &queue->batches[(queue->completed + 1) % MANUAL_MOST_BATCHES];
    for (uint32_t q = 0; q < device->queue_count; q++) {
        if (plan->waits[q] > device->queues[q].completed) {
            return false;
        }
    }
    return true;
}

// Completes batches without commands, which nobody steps.
static void complete_empty_locked(fmi_manual_device *device)
{
    bool any;
    do {
        any = false;
        for (uint32_t q = 0; q < device->queue_count; q++) {
            fmi_manual_queue *queue = &device->queues[q];
            while (is_ready(device, queue) &&
                   queue->batches[(queue->completed + 1) % MANUAL_MOST_BATCHES].command_count == 0) {
                queue->completed++;
                any = true;
            }
        }
    } while (any);
}

static fm_status submit(fmi_backend *backend, fmi_batch_plan *plan)
{
    fmi_manual_look_at_state(backend);
    fmi_manual_device *device = fmi_manual_device_of(backend);
    fm_status refused = refuse(device, plan);
    if (refused != FM_OK) {
        return refused;
    }
    plan->barriers = plan->wave_count > 0 ? plan->wave_count - 1 : 0;
    pthread_mutex_lock(&device->lock);
    fmi_manual_queue *queue = &device->queues[plan->queue];
    queue->batches[plan->value % MANUAL_MOST_BATCHES] = *plan;
    queue->numbers[plan->value % MANUAL_MOST_BATCHES] = ++device->batches;
    queue->submitted = plan->value;
    complete_empty_locked(device);
    pthread_mutex_unlock(&device->lock);
    return FM_OK;
}

static fm_status completed(fmi_backend *backend, uint32_t queue, uint64_t *out_value)
{
    fmi_manual_look_at_state(backend);
    fmi_manual_device *device = fmi_manual_device_of(backend);
    pthread_mutex_lock(&device->lock);
    bool lost = device->lost;
    *out_value = lost ? device->queues[queue].lost_at : device->queues[queue].completed;
    pthread_mutex_unlock(&device->lock);
    return lost ? fmi_fail(FM_ERROR_DEVICE_LOST, "the manual device was told to be lost") : FM_OK;
}

// Nothing completes by itself: a wait steps the device once, if the test asked for that, and answers at once.
static fm_status wait_manual(fmi_backend *backend, const uint64_t values[FMI_MOST_QUEUES], uint64_t timeout_ns)
{
    fmi_manual_look_at_state(backend);
    (void)timeout_ns;
    fmi_manual_device *device = fmi_manual_device_of(backend);
    if (device->run) {
        device->run(device->run_user);
    }
    fm_status status = FM_TIMEOUT;
    for (uint32_t q = 0; q < device->queue_count && status == FM_TIMEOUT; q++) {
        uint64_t reached = 0;
        fm_status answer = values[q] ? completed(backend, q, &reached) : FM_TIMEOUT;
        status = answer == FM_OK && reached < values[q] ? FM_TIMEOUT : answer;
    }
    return status;
}

static uint64_t next_random(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return *seed >> 33;
}

// Lays out one wave, commands[0, count), in the order of the seed.
static void lay_out_wave(fmi_manual_device *device, fmi_command **commands, uint32_t count, uint64_t *seed)
{
    if (device->seed == 0) {
        return;
    }
    for (uint32_t i = count; i > 1; i--) {
        uint32_t k = device->seed == 1 ? 0 : (uint32_t)(next_random(seed) % i);
        fmi_command *moved = commands[k];
        if (device->seed == 1) { // reversed: the first goes last, then the first of the rest
            memmove(commands, commands + 1, (i - 1) * sizeof *commands);
        } else {
            commands[k] = commands[i - 1];
        }
        commands[i - 1] = moved;
    }
}

// Lays out the queue's next batch, unless that is done. The queue is ready.
static bool lay_out_locked(fmi_manual_device *device, fmi_manual_queue *queue)
{
    if (queue->order_count > 0) {
        return true;
    }
    const fmi_batch_plan *plan = &queue->batches[(queue->completed + 1) % MANUAL_MOST_BATCHES];
    if (plan->command_count > queue->order_capacity) {
        fmi_command **order = realloc(queue->order, plan->command_count * sizeof(fmi_command *));
        if (!order) {
            return false;
        }
        queue->order = order;
        queue->order_capacity = plan->command_count;
    }
    memcpy(queue->order, plan->commands, plan->command_count * sizeof(fmi_command *));
    uint64_t seed = device->seed + plan->value;
    uint32_t begin = 0;
    for (uint32_t w = 0; w < plan->wave_count; w++) {
        lay_out_wave(device, queue->order + begin, plan->wave_ends[w] - begin, &seed);
        begin = plan->wave_ends[w];
    }
    queue->order_count = plan->command_count;
    queue->done = 0;
    return true;
}

// The queue whose command runs next; NULL: none has one. Ready queues take turns as the seed has it, the later ones
// first where it is 1.
static fmi_manual_queue *choose_locked(fmi_manual_device *device)
{
    if (device->next || device->quiet) {
        return device->quiet ? NULL : device->next;
    }
    uint64_t random = device->seed + device->turns * 7919;
    uint32_t skip = device->seed > 1 ? (uint32_t)(next_random(&random) % device->queue_count) : 0;
    for (uint32_t i = 0; i < device->queue_count && !device->next; i++) {
        uint32_t q = device->seed == 1 ? device->queue_count - 1 - i : (i + skip) % device->queue_count;
        fmi_manual_queue *queue = &device->queues[q];
        device->next = is_ready(device, queue) && lay_out_locked(device, queue) ? queue : NULL;
    }
    device->turns += device->next != NULL;
    return device->next;
}

const fmi_command *fmi_manual_peek(fmi_backend *backend)
{
    fmi_manual_device *device = fmi_manual_device_of(backend);
    pthread_mutex_lock(&device->lock);
    const fmi_manual_queue *queue = choose_locked(device);
    const fmi_command *command = queue ? queue->order[queue->done] : NULL;
    pthread_mutex_unlock(&device->lock);
    return command;
}

// Says how long the batch's waves took, if it is asked and the test said.
static void report_times_locked(const fmi_manual_device *device, const fmi_batch_plan *plan)
{
    for (uint32_t w = 0; plan->wave_ns && device->wave_ns && w < plan->wave_count && w < FMI_TIMED_WAVES; w++) {
        plan->wave_ns[w] = device->wave_ns;
    }
}

static bool conflict(const fmi_command *a, const fmi_command *b)
{
    for (uint32_t i = 0; i < a->span_count; i++) {
        for (uint32_t k = 0; k < b->span_count; k++) {
            const fmi_span *x = &a->spans[i], *y = &b->spans[k];
            if (((x->access | y->access) & FM_ACCESS_WRITE) && !((x->access | y->access) & FMI_SPAN_PRIVATE) &&
                x->block->native == y->block->native && x->offset_bytes < y->offset_bytes + y->size_bytes &&
                y->offset_bytes < x->offset_bytes + x->size_bytes) {
                return true;
            }
        }
    }
    return false;
}

// Has a command that has not run, of another queue's batch that was taken before the one at hand, to come before this
// one?
static bool is_race(const fmi_manual_device *device, const fmi_manual_queue *own, const fmi_command *command)
{
    uint64_t number = own->numbers[(own->completed + 1) % MANUAL_MOST_BATCHES];
    for (uint32_t q = 0; q < device->queue_count; q++) {
        const fmi_manual_queue *queue = &device->queues[q];
        for (uint64_t value = queue->completed + 1; queue != own && value <= queue->submitted; value++) {
            if (queue->numbers[value % MANUAL_MOST_BATCHES] > number) {
                break;
            }
            uint32_t count = 0;
            fmi_command *const *pending = fmi_manual_pending_locked(queue, value, &count);
            for (uint32_t i = 0; i < count; i++) {
                if (conflict(pending[i], command)) {
                    return true;
                }
            }
        }
    }
    return false;
}

static void pass(fmi_backend *backend, bool run)
{
    fmi_manual_device *device = fmi_manual_device_of(backend);
    bool ran = false, completes = false, races = false;
    const char *label = NULL;
    pthread_mutex_lock(&device->lock);
    fmi_manual_queue *queue = choose_locked(device);
    if (queue) {
        fmi_command *command = queue->order[queue->done];
        label = command->label;
        ran = run;
        races = is_race(device, queue, command);
        device->races += races;
        if (run) {
            const fmi_batch_plan *plan = &queue->batches[(queue->completed + 1) % MANUAL_MOST_BATCHES];
            if (command->kind == FMI_COMMAND_DISPATCH_INDIRECT) {
                fmi_host_read_counts(command, plan);
            }
            fmi_host_run(command, 0, 1, plan);
            fmi_fibres_free(); // the thread is the test's, and may end at any time
        }
        if (++queue->done == queue->order_count) {
            report_times_locked(device, &queue->batches[(queue->completed + 1) % MANUAL_MOST_BATCHES]);
            queue->order_count = 0;
            queue->completed++;
            completes = !device->lost;
            complete_empty_locked(device);
        }
        device->next = NULL;
    }
    pthread_mutex_unlock(&device->lock);
    if (races) {
        tell(device, FM_TESTING_VIOLATED, "a command ran before one of another queue that it conflicts with");
    }
    if (ran) {
        tell(device, FM_TESTING_RAN, label);
    }
    if (completes) {
        tell(device, FM_TESTING_COMPLETED, NULL);
    }
}

void fmi_manual_step(fmi_backend *backend)
{
    pass(backend, true);
}

void fmi_manual_skip(fmi_backend *backend)
{
    pass(backend, false);
}

bool fmi_manual_fail_list(fmi_backend *backend)
{
    fmi_manual_device *device = fmi_manual_device_of(backend);
    pthread_mutex_lock(&device->lock);
    const fmi_manual_queue *queue = choose_locked(device);
    bool found = queue != NULL;
    const char *label = NULL;
    if (found) {
        fmi_command *command = queue->order[queue->done];
        label = command->label;
        command->wave = FMI_WAVE_FAILED;
        fm_status *statuses = queue->batches[(queue->completed + 1) % MANUAL_MOST_BATCHES].list_status;
        __atomic_store_n(&statuses[command->list], FM_ERROR_KERNEL_FAILED, __ATOMIC_RELAXED);
    }
    pthread_mutex_unlock(&device->lock);
    if (found) {
        tell(device, FM_TESTING_FAILED, label);
    }
    return found;
}

const fmi_backend_ops fmi_backend_manual = {
    .prefix = "manual",
    .list = list,
    .open = open_manual,
    .close = close_manual,
    .quiesce = quiesce,
    .allocate_block = fmi_manual_allocate_block,
    .free_block = fmi_manual_free_block,
    .import_block = import_block,
    .create_kernel = fmi_manual_create_kernel,
    .destroy_kernel = fmi_manual_destroy_kernel,
    .submit = submit,
    .completed = completed,
    .wait = wait_manual,
};
