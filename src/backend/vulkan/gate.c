// The gate before the drivers, and the table of the backend. exit() destroys what drivers keep for the whole process while other threads run on,
// and a thread that is inside of a driver just then ends the process in a way of its own (an NVIDIA driver, 580.159, under our threads: 24
// of 60 exits). So every call of the waist that may reach a driver passes here: once exit.c has closed the gate nobody enters, and who is inside is
// waited for. Who comes late is held (base/process.h) and then told that the device is gone (LAND-4).
// Any thread, as the waist says. Calls on a device count on the device: an atomic add and a load on the way in, a subtraction on the
// way out. Calls without one (load, list, open, close) count under `all.lock`, a leaf inside a section.
#include "backend/vulkan/vulkan.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/process.h"

#include <pthread.h>
#include <stdio.h>
#include <time.h>

enum { LOOK_NS = 100000 }; // how often who exits looks whether the last has left

atomic_bool fmi_vulkan_gate_closed;

// Process-wide, because exit() is.
static struct {
    pthread_mutex_t lock; // guards what follows, and the devices' links
    fmi_backend *first;   // the open devices
    uint32_t inside;      // threads in calls without a device
    uint32_t generation;  // of the process that these are of (base/process.h)
} all = {.lock = PTHREAD_MUTEX_INITIALIZER};

// Calls that this thread is in: exit() may be called from one, by a handler of a signal.
static _Thread_local uint32_t inside_here;

static __attribute__((cold)) fm_status refuse(fm_status status, const char *name)
{
    if (inside_here == 0) { // else the end would wait for this thread
        fmi_process_hold();
    }
    return fmi_fail(status, "the process is ending, and nothing runs any more on %s", name);
}

static __attribute__((cold)) fm_status turn_back(fmi_backend *backend)
{
    atomic_fetch_sub(&backend->inside, 1);
    return refuse(FM_ERROR_DEVICE_LOST, backend->name);
}

static inline fm_status enter(fmi_backend *backend)
{
    atomic_fetch_add(&backend->inside, 1);
    if (__builtin_expect(atomic_load(&fmi_vulkan_gate_closed), 0)) {
        return turn_back(backend);
    }
    inside_here++;
    return FM_OK;
}

static inline void leave(fmi_backend *backend)
{
    inside_here--;
    // Release: pairs with the load of who exits, which then destroys what was used here.
    atomic_fetch_sub_explicit(&backend->inside, 1, memory_order_release);
}

static void lock_all(void)
{
    fmi_process_enter();
    pthread_mutex_lock(&all.lock);
    if (all.generation != fmi_process_generation()) { // the parent's devices, and its threads' calls
        all.first = NULL;
        all.inside = 0;
        all.generation = fmi_process_generation();
        atomic_store(&fmi_vulkan_gate_closed, false);
    }
}

static void unlock_all(void)
{
    pthread_mutex_unlock(&all.lock);
    fmi_process_leave();
}

static fm_status enter_without_device(void)
{
    lock_all();
    bool closed = atomic_load(&fmi_vulkan_gate_closed);
    all.inside += !closed;
    inside_here += !closed;
    unlock_all();
    return closed ? refuse(FM_ERROR_CLOSED, "Vulkan") : FM_OK;
}

static void leave_without_device(void)
{
    lock_all();
    all.inside--;
    inside_here--;
    unlock_all();
}

void fmi_vulkan_gate_add(fmi_backend *backend)
{
    lock_all();
    backend->next_open = all.first;
    all.first = backend;
    unlock_all();
}

void fmi_vulkan_gate_remove(fmi_backend *backend)
{
    lock_all();
    fmi_backend **link = &all.first;
    while (*link && *link != backend) {
        link = &(*link)->next_open;
    }
    if (*link) {
        *link = backend->next_open;
    }
    unlock_all();
}

// Is another thread in a call? Called with the lock.
static bool any_inside_locked(void)
{
    uint64_t count = all.inside;
    for (fmi_backend *backend = all.first; backend; backend = backend->next_open) {
        count += atomic_load(&backend->inside);
    }
    return count > inside_here;
}

bool fmi_vulkan_gate_drain(uint64_t deadline_ns, void (*each)(fmi_backend *backend, uint64_t deadline_ns))
{
    lock_all();
    while (any_inside_locked() && fmi_remaining_ns(deadline_ns) > 0) {
        unlock_all();
        nanosleep(&(struct timespec){.tv_nsec = LOOK_NS}, NULL);
        lock_all();
    }
    bool drained = !any_inside_locked();
    for (fmi_backend *backend = drained ? all.first : NULL; backend; backend = backend->next_open) {
        each(backend, deadline_ns);
    }
    unlock_all();
    return drained;
}

static fm_status gated_load(bool *out_loaded)
{
    *out_loaded = false;
    fm_status status = enter_without_device();
    if (status == FM_OK) {
        VkInstance instance = VK_NULL_HANDLE;
        status = fmi_vulkan_instance_hold(&instance);
        *out_loaded = instance != VK_NULL_HANDLE;
        if (instance && !fmi_vulkan_watches_exit()) {
            fmi_vulkan_watch_exit();
        }
        leave_without_device();
    }
    return status;
}

static fm_status gated_list(fmi_list_visitor visit, void *user)
{
    fm_status status = enter_without_device();
    if (status == FM_OK) {
        status = fmi_vulkan_list(visit, user);
        leave_without_device();
    }
    return status;
}

static fm_status gated_open(const char *name, const fmi_backend_settings *settings, fmi_backend **out,
                            fmi_backend_caps *out_caps)
{
    *out = NULL;
    fm_status status = enter_without_device();
    if (status != FM_OK) {
        return status;
    }
    status = fmi_vulkan_open(name, settings, out, out_caps);
    if (status == FM_OK) {
        fmi_vulkan_gate_add(*out);
        fmi_vulkan_watch_exit();
    }
    leave_without_device();
    return status;
}

static void gated_close(fmi_backend *backend)
{
    bool entered = enter_without_device() == FM_OK;
    fmi_vulkan_gate_remove(backend);
    if (!entered) {
        backend->device = VK_NULL_HANDLE; // goes with the process
    }
    fmi_vulkan_close(backend);
    if (entered) {
        leave_without_device();
    }
}

static void gated_quiesce(fmi_backend *backend)
{
    if (enter(backend) == FM_OK) {
        fmi_vulkan_quiesce(backend);
        leave(backend);
    }
}

static fm_status gated_allocate_block(fmi_backend *backend, fm_memory_kind kind, uint64_t size_bytes, fmi_block *out)
{
    fm_status status = enter(backend);
    if (status == FM_OK) {
        status = fmi_vulkan_allocate_block(backend, kind, size_bytes, out);
        leave(backend);
    }
    return status;
}

static void gated_free_block(fmi_backend *backend, fmi_block *block)
{
    if (enter(backend) == FM_OK) {
        fmi_vulkan_free_block(backend, block);
        leave(backend);
    }
}

static fm_status gated_import_block(fmi_backend *backend, void *pointer, uint64_t size_bytes, fmi_block *out)
{
    fm_status status = enter(backend);
    if (status == FM_OK) {
        status = fmi_vulkan_import_block(backend, pointer, size_bytes, out);
        leave(backend);
    }
    return status;
}

static fm_status gated_create_kernel(fmi_backend *backend, const fmi_kernel_code *code, fmi_kernel_binary **out,
                                     fmi_text *log)
{
    *out = NULL;
    fm_status status = enter(backend);
    if (status == FM_OK) {
        status = fmi_vulkan_create_kernel(backend, code, out, log);
        if (status == FM_OK && !atomic_exchange_explicit(&backend->has_compiled, true, memory_order_relaxed)) {
            fmi_vulkan_watch_exit();
        }
        leave(backend);
    }
    return status;
}

static void gated_destroy_kernel(fmi_backend *backend, fmi_kernel_binary *binary)
{
    if (enter(backend) == FM_OK) {
        fmi_vulkan_destroy_kernel(backend, binary);
        leave(backend);
    }
}

static fm_status gated_submit(fmi_backend *backend, fmi_batch_plan *plan)
{
    fm_status status = enter(backend);
    if (status == FM_OK) {
        status = fmi_vulkan_submit(backend, plan);
        leave(backend);
    }
    return status;
}

static void gated_read_times(fmi_backend *backend, const fmi_batch_plan *plan)
{
    if (enter(backend) == FM_OK) {
        fmi_vulkan_read_times(backend, plan);
        leave(backend);
    }
}

static fm_status gated_completed(fmi_backend *backend, uint32_t queue, uint64_t *out_value)
{
    fm_status status = enter(backend);
    if (status == FM_OK) {
        status = fmi_vulkan_completed(backend, queue, out_value);
        leave(backend);
    }
    return status;
}

static fm_status gated_wait(fmi_backend *backend, const uint64_t values[FMI_MOST_QUEUES], uint64_t timeout_ns)
{
    fm_status status = enter(backend);
    if (status == FM_OK) {
        status = fmi_vulkan_wait(backend, values, timeout_ns);
        leave(backend);
    }
    return status;
}

static void explain(char *out, size_t size)
{
    snprintf(out, size, "no Vulkan driver was found");
}

const fmi_backend_ops fmi_backend_vulkan = {
    .prefix = "vulkan",
    .load = gated_load,
    .unload = fmi_vulkan_instance_release,
    .explain = explain,
    .list = gated_list,
    .open = gated_open,
    .close = gated_close,
    .allocate_block = gated_allocate_block,
    .free_block = gated_free_block,
    .import_block = gated_import_block,
    .create_kernel = gated_create_kernel,
    .destroy_kernel = gated_destroy_kernel,
    .quiesce = gated_quiesce,
    .accepts_group_count = fmi_vulkan_accepts_group_count,
    .submit = gated_submit,
    .read_times = gated_read_times,
    .read_failures = fmi_vulkan_read_failures,
    .completed = gated_completed,
    .wait = gated_wait,
};
