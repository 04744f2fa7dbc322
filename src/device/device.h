// fm_device: puts the rooms together. What is asked of one from outside stands in api/, what goes into its queue in submit/.
// The struct is a shell (base/shell.h): never unmapped, so a call with a closed device's pointer answers FM_ERROR_CLOSED.
#ifndef FMI_DEVICE_DEVICE_H
#define FMI_DEVICE_DEVICE_H

#include "base/error.h"
#include "base/shell.h"
#include "device/settings.h"
#include "kernel/warmup.h"
#include "memory/import.h"
#include "record/recorder.h"
#include "retire/retire.h"
#include "schedule/engine.h"

enum {
    FMI_DEVICE_CLOSED = FMI_SHELL_CLOSED,
    FMI_DEVICE_OPEN = FMI_SHELL_USABLE,
    FMI_DEVICE_LOST = FMI_SHELL_LOST,   // the parent's: nothing of it is touched
    FMI_DEVICE_ENDED = FMI_SHELL_ENDED, // exit() runs, and its driver goes
    FMI_DEVICE_CLOSING = 3,             // by force: calls answer as if it were closed
};

// Settings in force: fm_device_info with defaults and environment applied.
typedef struct fmi_config {
    fm_device_info info;
} fmi_config;

struct fm_device {
    _Atomic(uint32_t)
        state;             // FMI_DEVICE_*, first as in every shell; release store when open, acquire load by every call
    fmi_config config;     // as given, with defaults and environment
    fmi_settings settings; // in force
    char name[32];
    const fmi_backend_ops *ops;
    fmi_backend *backend;
    fmi_backend_caps caps;
    fmi_ablations ablations;
    uint64_t violations; // commands of a manual device that touched what nothing held
    fmi_table buffers;
    fmi_table kernels;
    fmi_table streams;
    fmi_pool pool;
    fmi_imports imports;
    _Atomic(uint32_t) closing; // 1: the keeper is about to leave, or has left
    fmi_callback *releases;    // of imports that have ended since; the closing thread's
    fmi_cache cache;           // of kernel variants
    fmi_warmup warmup;
    fmi_record_room record;
    fmi_engine engine;
    fmi_retirement retirement;
    _Atomic(uint64_t) commits;
    _Atomic(uint64_t) limit_waits;
    _Atomic(uint64_t) full_drains; // waits that ended because nothing was in flight any more
};

// FM_OK for an open device; otherwise the error with its sentence.
fm_status fmi_device_refuse(const fm_device *device, const char *caller) __attribute__((cold));

static inline fm_status fmi_device_check(const fm_device *device, const char *caller)
{
    if (__builtin_expect(device && atomic_load_explicit(&device->state, memory_order_acquire) == FMI_DEVICE_OPEN, 1)) {
        return FM_OK;
    }
    return fmi_device_refuse(device, caller);
}

// The public functions of the same names behind their checks of pointers.
fm_status fmi_device_list(fm_device_entry *entries, uint32_t *count);
fm_status fmi_device_open(const char *name, const fm_device_info *info, fm_device **out_device);
fm_status fmi_device_close(fm_device **device, uint64_t timeout_ns);
fm_status fmi_device_close_force(fm_device **device, uint64_t timeout_ns);

// Applies defaults and FERMATA_* variables to `info` (NULL = all default) and checks the result.
fm_status fmi_config_read(const fm_device_info *info, fmi_config *out);

// The caller's memory (import.c): fills the room; tells, at the end of a close, whose imports only that has ended.
void fmi_device_init_imports(fm_device *device);
void fmi_device_run_releases(fm_device *device);

// A buffer on the caller's memory. Errors: as of fm_buffer_import_host, without its name.
fm_status fmi_device_import_host(fm_device *device, const fm_buffer_import_info *info, fm_buffer *out);

// A warning through the configured log.
void fmi_device_warn(const fmi_config *config, const char *format, ...) __attribute__((format(printf, 2, 3)));

// Takes the handle tables and the variant cache down.
void fmi_device_destroy_tables(fm_device *device);

// Finds the devices that `name` may mean, best first, and opens the first that opens.
fm_status fmi_open_backend(const char *name, const fmi_config *config, fm_device *device);

// Adds to the last error, the sentence of a request for memory that is refused, who holds the memory. `device`: the fm_device.
void fmi_device_explain_memory(void *device);

#endif
