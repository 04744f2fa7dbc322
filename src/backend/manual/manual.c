// The manual device. See manual.h. Memory, kernels and commands are the host backend's.
// Tests step it from one thread; completion may be asked from any, so its own lock guards the state.
#include "backend/manual/manual.h"

#include "backend/host/host.h"
#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_BATCHES = 16 };

// A kernel as this device knows it. The host's binary is embedded, so that a command's pointer serves both.
typedef struct manual_kernel {
    struct fmi_kernel_binary shown; // what commands point to: a copy of the host's
    fmi_kernel_binary *host;        // owns the code
    bool destroyed;
    struct manual_kernel *next; // all of the device's
} manual_kernel;

// The host's functions take an fmi_backend that they do not look at; this device's own state lies in its place.
typedef struct manual_device {
    pthread_mutex_t lock;                 // guards all below; completion is asked from any thread
    fmi_batch_plan batches[MOST_BATCHES]; // batch of value v is [v % MOST_BATCHES]
    uint64_t submitted;
    uint64_t completed;
    uint32_t done;        // commands of batch completed + 1 that have run
    fmi_command **order;  // that batch's commands in the order in which they run
    uint32_t order_count; // 0: not laid out yet
    uint32_t order_capacity;
    uint64_t seed;
    void (*run)(void *user); // called by waits, without the lock
    void *run_user;
    manual_kernel *kernels;
} manual_device;

static manual_device *device_of(fmi_backend *backend)
{
    return (manual_device *)(void *)backend;
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
    (void)settings;
    manual_device *device = calloc(1, sizeof *device);
    if (!device) {
        return fmi_fail(FM_ERROR_OUT_OF_HOST_MEMORY, "no host memory for the manual device");
    }
    pthread_mutex_init(&device->lock, NULL);
    fmi_host_describe(out_caps);
    snprintf(out_caps->description, sizeof out_caps->description, "manual device for tests");
    out_caps->manual = true;
    *out = (fmi_backend *)(void *)device;
    return FM_OK;
}

static void close_manual(fmi_backend *backend)
{
    manual_device *device = device_of(backend);
    while (device->kernels) {
        manual_kernel *kernel = device->kernels;
        device->kernels = kernel->next;
        fmi_host_destroy_kernel(backend, kernel->host);
        free(kernel);
    }
    pthread_mutex_destroy(&device->lock);
    free(device->order);
    free(device);
}

static fm_status create_kernel(fmi_backend *backend, const fmi_kernel_code *code, fmi_kernel_binary **out,
                               fmi_text *log)
{
    manual_device *device = device_of(backend);
    manual_kernel *kernel = calloc(1, sizeof *kernel);
    if (!kernel) {
        return fmi_fail(FM_ERROR_OUT_OF_HOST_MEMORY, "no host memory for kernel '%s'", code->name);
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

static void destroy_kernel(fmi_backend *backend, fmi_kernel_binary *binary)
{
    (void)backend;
    ((manual_kernel *)(void *)binary)->destroyed = true;
}

bool fmi_manual_is_destroyed(const fmi_kernel_binary *binary)
{
    return ((const manual_kernel *)(const void *)binary)->destroyed;
}

static fm_status submit(fmi_backend *backend, fmi_batch_plan *plan)
{
    manual_device *device = device_of(backend);
    plan->barriers = plan->wave_count > 0 ? plan->wave_count - 1 : 0;
    pthread_mutex_lock(&device->lock);
    device->batches[plan->value % MOST_BATCHES] = *plan;
    device->submitted = plan->value;
    pthread_mutex_unlock(&device->lock);
    return FM_OK;
}

static fm_status completed(fmi_backend *backend, uint64_t *out_value)
{
    manual_device *device = device_of(backend);
    pthread_mutex_lock(&device->lock);
    *out_value = device->completed;
    pthread_mutex_unlock(&device->lock);
    return FM_OK;
}

// Nothing completes by itself: a wait steps the device once, if the test asked for that, and answers at once.
static fm_status wait_manual(fmi_backend *backend, uint64_t value, uint64_t timeout_ns)
{
    (void)timeout_ns;
    manual_device *device = device_of(backend);
    if (device->run) {
        device->run(device->run_user);
    }
    uint64_t reached;
    fm_status status = completed(backend, &reached);
    return status != FM_OK || reached >= value ? status : FM_TIMEOUT;
}

static uint64_t next_random(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return *seed >> 33;
}

// Lays out one wave, commands[0, count), in the order of the seed.
static void lay_out_wave(manual_device *device, fmi_command **commands, uint32_t count, uint64_t *seed)
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

// Lays out the next batch, if there is one. Called under the lock.
static bool lay_out(manual_device *device)
{
    if (device->order_count > 0 || device->completed == device->submitted) {
        return device->order_count > 0;
    }
    const fmi_batch_plan *plan = &device->batches[(device->completed + 1) % MOST_BATCHES];
    if (plan->command_count > device->order_capacity) {
        fmi_command **order = realloc(device->order, plan->command_count * sizeof(fmi_command *));
        if (!order) {
            return false;
        }
        device->order = order;
        device->order_capacity = plan->command_count;
    }
    memcpy(device->order, plan->commands, plan->command_count * sizeof(fmi_command *));
    uint64_t seed = device->seed + plan->value;
    uint32_t begin = 0;
    for (uint32_t w = 0; w < plan->wave_count; w++) {
        lay_out_wave(device, device->order + begin, plan->wave_ends[w] - begin, &seed);
        begin = plan->wave_ends[w];
    }
    device->order_count = plan->command_count;
    device->done = 0;
    return true;
}

const fmi_command *fmi_manual_peek(fmi_backend *backend)
{
    manual_device *device = device_of(backend);
    pthread_mutex_lock(&device->lock);
    const fmi_command *command = lay_out(device) ? device->order[device->done] : NULL;
    pthread_mutex_unlock(&device->lock);
    return command;
}

static void pass(fmi_backend *backend, bool run)
{
    manual_device *device = device_of(backend);
    pthread_mutex_lock(&device->lock);
    if (lay_out(device)) {
        if (run) {
            fmi_host_run(device->order[device->done], 0, 1, &device->batches[(device->completed + 1) % MOST_BATCHES]);
        }
        if (++device->done == device->order_count) {
            device->order_count = 0;
            device->completed++;
        }
    }
    pthread_mutex_unlock(&device->lock);
}

void fmi_manual_step(fmi_backend *backend)
{
    pass(backend, true);
}

void fmi_manual_skip(fmi_backend *backend)
{
    pass(backend, false);
}

void fmi_manual_set_order(fmi_backend *backend, uint64_t seed)
{
    manual_device *device = device_of(backend);
    pthread_mutex_lock(&device->lock);
    device->seed = seed;
    pthread_mutex_unlock(&device->lock);
}

void fmi_manual_set_waiter(fmi_backend *backend, void (*run)(void *user), void *user)
{
    device_of(backend)->run = run;
    device_of(backend)->run_user = user;
}

const fmi_backend_ops fmi_backend_manual = {
    .prefix = "manual",
    .list = list,
    .open = open_manual,
    .close = close_manual,
    .allocate_block = fmi_host_allocate_block,
    .free_block = fmi_host_free_block,
    .create_kernel = create_kernel,
    .destroy_kernel = destroy_kernel,
    .submit = submit,
    .completed = completed,
    .wait = wait_manual,
};
