// Memory and kernels of the manual device: the host backend's. Memory is poisoned, and what is given back is looked for
// in the commands that have not run. Any thread; the device's lock guards its state. See manual.h.
#include "backend/host/host.h"
#include "backend/manual/device.h"
#include "base/error.h"

#include <stdlib.h>
#include <string.h>

enum {
    FRESH = 0xA7,          // what a new block is filled with: content that nobody promised
    FREED = 0xDF,          // what a block is filled with when it is freed
    MOST_FILLED = 1 << 20, // bytes of a block that are filled: pages that nobody touches cost nothing
};

// What is given back: a range of a block, or a kernel.
typedef struct returned {
    const void *native; // of the block
    uint64_t begin, end;
    const fmi_kernel_binary *binary; // NULL: memory
} returned;

static bool names(const fmi_command *command, const returned *what)
{
    if (what->binary) {
        return command->binary == what->binary;
    }
    for (uint32_t i = 0; i < command->span_count; i++) {
        const fmi_span *span = &command->spans[i];
        if (span->block->native == what->native && span->offset_bytes < what->end &&
            what->begin < span->offset_bytes + span->size_bytes) {
            return true;
        }
    }
    return false;
}

fmi_command *const *fmi_manual_pending_locked(const fmi_manual_queue *queue, uint64_t value, uint32_t *out_count)
{
    const fmi_batch_plan *plan = &queue->batches[value % MANUAL_MOST_BATCHES];
    bool started = value == queue->completed + 1 && queue->order_count > 0;
    uint32_t done = started ? queue->done : 0;
    *out_count = plan->command_count - done;
    return (started ? queue->order : plan->commands) + done;
}

// Does a command that has not run yet use it?
static bool is_pending_on_locked(const fmi_manual_queue *queue, const returned *what)
{
    for (uint64_t value = queue->completed + 1; value <= queue->submitted; value++) {
        uint32_t count = 0;
        fmi_command *const *commands = fmi_manual_pending_locked(queue, value, &count);
        for (uint32_t i = 0; i < count; i++) {
            if (names(commands[i], what)) {
                return true;
            }
        }
    }
    return false;
}

static bool is_pending(const fmi_manual_device *device, const returned *what)
{
    for (uint32_t q = 0; q < device->queue_count && !device->quiet; q++) {
        if (is_pending_on_locked(&device->queues[q], what)) {
            return true;
        }
    }
    return false;
}

void fmi_manual_watch_free(fmi_backend *backend, const fmi_block *block, uint64_t offset_bytes, uint64_t size_bytes)
{
    fmi_manual_device *device = fmi_manual_device_of(backend);
    pthread_mutex_lock(&device->lock);
    bool pending = is_pending(device, &(returned){block->native, offset_bytes, offset_bytes + size_bytes, NULL});
    device->early_frees += pending;
    pthread_mutex_unlock(&device->lock);
    if (pending) {
        fmi_manual_tell(backend, FM_TESTING_VIOLATED, "memory came back to the pool that a command in flight names");
    }
}

static void fill_block(const fmi_block *block, int byte)
{
    memset(block->mapped, byte, block->size_bytes < MOST_FILLED ? (size_t)block->size_bytes : MOST_FILLED);
}

void fmi_manual_limit_memory(fmi_backend *backend, uint64_t size_bytes)
{
    fmi_manual_device *device = fmi_manual_device_of(backend);
    pthread_mutex_lock(&device->lock);
    device->native_most = size_bytes;
    pthread_mutex_unlock(&device->lock);
}

// Counts a block in. False: it would be too much.
static bool count_block(fmi_manual_device *device, uint64_t size_bytes)
{
    pthread_mutex_lock(&device->lock);
    bool fits = device->native_most == 0 || device->native_bytes + size_bytes <= device->native_most;
    device->native_bytes += fits ? size_bytes : 0;
    pthread_mutex_unlock(&device->lock);
    return fits;
}

static void uncount_block(fmi_manual_device *device, uint64_t size_bytes)
{
    pthread_mutex_lock(&device->lock);
    device->native_bytes -= size_bytes;
    pthread_mutex_unlock(&device->lock);
}

fm_status fmi_manual_allocate_block(fmi_backend *backend, fm_memory_kind kind, uint64_t size_bytes, fmi_block *out)
{
    fmi_manual_look_at_state(backend);
    if (!count_block(fmi_manual_device_of(backend), size_bytes)) {
        return fmi_fail(FM_ERROR_OUT_OF_MEMORY, "the manual device has no %llu bytes left",
                        (unsigned long long)size_bytes);
    }
    fm_status status = fmi_host_allocate_block(backend, kind, size_bytes, out);
    if (status == FM_OK) {
        fill_block(out, FRESH);
        out->zeroed = false;
    } else {
        uncount_block(fmi_manual_device_of(backend), size_bytes);
    }
    return status;
}

void fmi_manual_free_block(fmi_backend *backend, fmi_block *block)
{
    fmi_manual_look_at_state(backend);
    fmi_manual_device *device = fmi_manual_device_of(backend);
    if (!block->imported) {
        fill_block(block, FREED);
    }
    pthread_mutex_lock(&device->lock);
    bool pending = is_pending(device, &(returned){block->native, 0, block->size_bytes, NULL});
    fmi_early_block *kept = pending && !block->imported ? malloc(sizeof *kept) : NULL;
    if (kept) {
        *kept = (fmi_early_block){*block, device->early};
        device->early = kept;
    }
    device->early_frees += pending;
    device->native_bytes -= block->size_bytes;
    pthread_mutex_unlock(&device->lock);
    if (pending) {
        fmi_manual_tell(backend, FM_TESTING_VIOLATED, "a memory block was freed that a command in flight names");
    }
    if (!kept) {
        fmi_host_free_block(backend, block);
    }
    block->native = NULL;
}

fm_status fmi_manual_create_kernel(fmi_backend *backend, const fmi_kernel_code *code, fmi_kernel_binary **out,
                                   fmi_text *log)
{
    fmi_manual_look_at_state(backend);
    fmi_manual_device *device = fmi_manual_device_of(backend);
    fmi_manual_kernel *kernel = calloc(1, sizeof *kernel);
    if (!kernel) {
        return fmi_fail(FM_ERROR_OUT_OF_HOST_MEMORY, "no host memory for it");
    }
    fm_status status = fmi_host_create_kernel(backend, code, &kernel->host, log);
    if (status != FM_OK) {
        free(kernel);
        return status;
    }
    kernel->shown = *kernel->host;
    pthread_mutex_lock(&device->lock);
    kernel->next = device->kernels;
    device->kernels = kernel;
    pthread_mutex_unlock(&device->lock);
    *out = &kernel->shown;
    return FM_OK;
}

void fmi_manual_destroy_kernel(fmi_backend *backend, fmi_kernel_binary *binary)
{
    fmi_manual_look_at_state(backend);
    fmi_manual_device *device = fmi_manual_device_of(backend);
    pthread_mutex_lock(&device->lock);
    bool pending = is_pending(device, &(returned){NULL, 0, 0, binary});
    ((fmi_manual_kernel *)(void *)binary)->destroyed = true;
    device->early_frees += pending;
    pthread_mutex_unlock(&device->lock);
    if (pending) {
        fmi_manual_tell(backend, FM_TESTING_VIOLATED, "a kernel was destroyed that a command in flight names");
    }
}

bool fmi_manual_is_destroyed(const fmi_kernel_binary *binary)
{
    return ((const fmi_manual_kernel *)(const void *)binary)->destroyed;
}

void fmi_manual_free_kept(fmi_manual_device *device)
{
    fmi_backend *backend = (fmi_backend *)(void *)device;
    while (device->early) {
        fmi_early_block *block = device->early;
        device->early = block->next;
        fmi_host_free_block(backend, &block->block);
        free(block);
    }
    while (device->kernels) {
        fmi_manual_kernel *kernel = device->kernels;
        device->kernels = kernel->next;
        fmi_host_destroy_kernel(backend, kernel->host);
        free(kernel);
    }
}

uint64_t fmi_manual_violations(fmi_backend *backend)
{
    fmi_manual_device *device = fmi_manual_device_of(backend);
    pthread_mutex_lock(&device->lock);
    uint64_t count = device->early_frees + device->races + device->strange_calls;
    pthread_mutex_unlock(&device->lock);
    return count;
}
