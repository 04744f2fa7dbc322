// Opening: builds the rooms from the ground up. Closing is in close.c.
// One thread opens a device; nothing else of it runs meanwhile.
#include "device/device.h"

#include "backend/manual/manual.h"
#include "base/clock.h"
#include "base/process.h"
#include "base/thread.h"
#include "kernel/target.h"
#include "language/dtype.h"
#include "variant/disk.h"

#include <string.h>
#include <unistd.h>

enum { RECLAIM_NS = 5000000 };

// Counts devices opened by this process: makes handles of different devices differ.
static _Atomic(uint32_t) device_serial;

fm_status fmi_device_refuse(const fm_device *device, const char *caller)
{
    if (!device) {
        return fmi_fail_in(caller, FM_ERROR_INVALID_ARGUMENT, "device is NULL");
    }
    if (atomic_load_explicit(&device->state, memory_order_relaxed) == FMI_DEVICE_LOST) {
        return fmi_fail_in(caller, FM_ERROR_LOST_IN_FORK,
                           "the device was opened before this process was forked, and is the parent's; open one here");
    }
    if (atomic_load_explicit(&device->state, memory_order_relaxed) == FMI_DEVICE_ENDED) {
        fmi_process_hold();
        return fmi_fail_in(caller, FM_ERROR_CLOSED, "the process is ending, and the device has ended with its driver");
    }
    return fmi_fail_in(caller, FM_ERROR_CLOSED, "the device has been closed");
}

static void free_kernel(void *unused, fmi_slot *slot)
{
    (void)unused;
    fmi_kernel_destroy(((fmi_kernel_object *)slot)->kernel);
}

static const char *buffer_label(const fmi_slot *slot)
{
    const fmi_buffer *buffer = (const fmi_buffer *)slot;
    return buffer->is_staging ? NULL : buffer->label; // that one is nobody's who has a handle
}

static const char *kernel_name(const fmi_slot *slot)
{
    return ((const fmi_kernel_object *)slot)->kernel->name;
}

static const char *stream_label(const fmi_slot *slot)
{
    return ((const fmi_stream *)slot)->label;
}

static void settle(void *device)
{
    fmi_settle(&((fm_device *)device)->retirement);
}

// The pool's way to make memory free: retire, then wait for the oldest work.
static bool reclaim(void *user, uint32_t attempt, uint64_t deadline)
{
    fm_device *device = user;
    fmi_retirement *r = &device->retirement;
    fmi_progress(r);
    fmi_record_drop_staging(&device->record);
    if (attempt == 0) {
        return true;
    }
    if (atomic_load(&r->outstanding) == 0) {
        atomic_fetch_add_explicit(&device->full_drains, attempt > 1, memory_order_relaxed);
        return false;
    }
    uint64_t left = fmi_remaining_ns(deadline);
    fmi_wait_a_moment(r, left < RECLAIM_NS ? left : RECLAIM_NS);
    fmi_progress(r);
    return true;
}

static void warn(void *device, const char *sentence)
{
    fmi_device_warn(&((fm_device *)device)->config, "%s", sentence);
}

// The variant cache, with a disk cache behind it where there is something to keep on disk.
static fm_status init_cache(fm_device *device, uint8_t tag, uint32_t serial)
{
    const fm_device_info *info = &device->config.info;
    fmi_disk_info disk_info = {
        .folder = info->cache_dir,
        .limit_bytes = info->cache_limit_bytes,
        .identity = {.driver_version = device->caps.driver_version},
        .warn = warn,
        .warn_user = device,
    };
    memcpy(disk_info.identity.device_uuid, device->caps.device_uuid, sizeof disk_info.identity.device_uuid);
    const fmi_cache_info cache_info = {
        .ops = device->ops,
        .backend = device->backend,
        .caps = &device->caps,
        .ablations = &device->ablations,
        .disk = fmi_target_of(device->caps.code_kind)->may_be_kept ? fmi_disk_create(&disk_info) : NULL,
        .limit_count = info->variant_limit,
        .limit_bytes = info->variant_limit_bytes,
        .tag = tag,
        .serial = serial,
    };
    device->config.info.cache_dir = device->config.info.nvrtc = NULL; // they were the caller's
    return fmi_cache_init(&device->cache, &cache_info);
}

static fm_status init_tables(fm_device *device)
{
    uint32_t serial = atomic_fetch_add_explicit(&device_serial, 1, memory_order_relaxed) + 1;
    uint8_t tag = (uint8_t)(serial % 255 + 1);
    fm_status status =
        fmi_table_init(&device->buffers, sizeof(fmi_buffer), "buffer", tag, 4 * serial, fmi_buffer_free, &device->pool);
    if (status == FM_OK) {
        status = fmi_table_init(&device->kernels, sizeof(fmi_kernel_object), "kernel", tag, 4 * serial + 1, free_kernel,
                                NULL);
    }
    if (status == FM_OK) {
        status = fmi_table_share(&device->kernels);
    }
    if (status == FM_OK) {
        status =
            fmi_table_init(&device->streams, sizeof(fmi_stream), "stream", tag, 4 * serial + 2, fmi_stream_free, NULL);
    }
    device->buffers.label_of = buffer_label;
    device->kernels.label_of = kernel_name;
    device->streams.label_of = stream_label;
    if (status == FM_OK) {
        status = init_cache(device, tag, 4 * serial + 3);
    }
    return status;
}

void fmi_device_destroy_tables(fm_device *device)
{
    fmi_table_destroy(&device->streams);
    fmi_table_destroy(&device->kernels);
    fmi_cache_destroy(&device->cache); // behind the kernels, which hold some of its variants
    fmi_table_destroy(&device->buffers);
}

// Builds the rooms above the backend, which is open.
static fm_status build(fm_device *device)
{
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    device->settings = fmi_settings_resolve(&device->config.info, &device->caps, online > 0 ? (uint32_t)online : 1);
    const fmi_settings *settings = &device->settings;
    fmi_pool_init(&device->pool, device->ops, device->backend, &device->caps, &settings->pool);
    fmi_device_init_imports(device);
    device->pool.ablations = &device->ablations;
    device->pool.poison = device->caps.manual;
#if defined(FMI_HAVE_HOST) && defined(FERMATA_TESTING)
    device->pool.watch = device->caps.manual ? fmi_manual_watch_free : NULL;
#endif
    device->pool.settle = settle;
    device->pool.reclaim = reclaim;
    device->pool.explain = fmi_device_explain_memory;
    device->pool.reclaim_user = device;
    fm_status status = init_tables(device);
    if (status != FM_OK) {
        fmi_device_destroy_tables(device);
        fmi_pool_destroy(&device->pool);
        return status;
    }
    fmi_warmup_init(&device->warmup, &device->kernels, settings->compile_threads);
    device->record = (fmi_record_room){
        .device = device,
        .buffers = &device->buffers,
        .kernels = &device->kernels,
        .cache = &device->cache,
        .pool = &device->pool,
        .ops = device->ops,
        .backend = device->backend,
        .caps = &device->caps,
        .ablations = &device->ablations,
    };
    fmi_record_room_init(&device->record);
    fmi_engine_init(&device->engine, device->ops, device->backend, &device->record, &device->ablations,
                    &settings->engine);
    status = fmi_retirement_init(&device->retirement, &device->engine, &device->record, &device->streams,
                                 &device->ablations, &settings->retirement);
    if (status != FM_OK) {
        fmi_engine_destroy(&device->engine);
        fmi_record_room_destroy(&device->record);
        fmi_warmup_destroy(&device->warmup);
        fmi_device_destroy_tables(device);
        fmi_pool_destroy(&device->pool);
    }
    return status;
}

fm_status fmi_device_open(const char *name, const fm_device_info *info, fm_device **out_device)
{
    fmi_config config;
    fm_status status = fmi_process_check("fm_device_open");
    if (status == FM_OK) {
        status = fmi_config_read(info, &config);
    }
    if (status != FM_OK) {
        return status;
    }
    fm_device *device = fmi_shell_take(FMI_SHELL_DEVICE, sizeof *device);
    if (!device) {
        return fmi_fail_in("fm_device_open", FM_ERROR_OUT_OF_HOST_MEMORY, "no host memory for a device");
    }
    device->config = config;
    atomic_store_explicit(&device->ablations.bits, 0, memory_order_relaxed);
    device->ablations.come_in = NULL;
    device->violations = 0;
    atomic_store_explicit(&device->commits, 0, memory_order_relaxed);
    atomic_store_explicit(&device->limit_waits, 0, memory_order_relaxed);
    atomic_store_explicit(&device->full_drains, 0, memory_order_relaxed);
    fmi_float_state environment; // a driver's own threads inherit it
    fmi_float_enter(&environment);
    status = fmi_open_backend(name, &config, device);
    fmi_float_leave(&environment);
    device->caps.dtype_mask &= FMI_DTYPE_MASK;
    if (status == FM_OK) {
        status = build(device);
        if (status != FM_OK) {
            device->ops->close(device->backend);
        }
    }
    if (status != FM_OK) {
        fmi_error_in("fm_device_open");
        fmi_shell_give(FMI_SHELL_DEVICE, device);
        return status;
    }
    fmi_shell_set_ends_at_exit(device, device->caps.ends_at_exit);
    // Release: pairs with the acquire in fmi_device_check.
    atomic_store_explicit(&device->state, FMI_DEVICE_OPEN, memory_order_release);
    *out_device = device;
    return FM_OK;
}
