// fm_device: puts the rooms together. Its public functions are thin bodies in this folder.
// The struct is a shell (base/shell.h): never unmapped, so a call with a closed device's pointer answers FM_ERROR_CLOSED.
#ifndef FMI_DEVICE_DEVICE_H
#define FMI_DEVICE_DEVICE_H

#include "base/error.h"
#include "base/shell.h"
#include "kernel/warmup.h"
#include "memory/import.h"
#include "record/recorder.h"
#include "retire/retire.h"
#include "schedule/engine.h"

enum {
    FMI_DEVICE_CLOSED = FMI_SHELL_CLOSED,
    FMI_DEVICE_OPEN = 1,
    FMI_DEVICE_LOST = FMI_SHELL_LOST, // the parent's: nothing of it is touched
    FMI_DEVICE_CLOSING = 3,           // by force: calls answer as if it were closed
};

// Settings in force: fm_device_info with defaults and environment applied.
typedef struct fmi_config {
    fm_device_info info;
} fmi_config;

struct fm_device {
    _Atomic(uint32_t)
        state; // FMI_DEVICE_*, first as in every shell; release store when open, acquire load by every call
    fmi_config config;
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

// Applies defaults and FERMATA_* variables to `info` (NULL = all default) and checks the result.
fm_status fmi_config_read(const fm_device_info *info, fmi_config *out);

// The caller's memory (import.c): fills the room; tells, at the end of a close, whose imports only that has ended.
void fmi_device_init_imports(fm_device *device);
void fmi_device_run_releases(fm_device *device);

// A warning through the configured log.
void fmi_device_warn(const fmi_config *config, const char *format, ...) __attribute__((format(printf, 2, 3)));

// Takes the handle tables and the variant cache down.
void fmi_device_destroy_tables(fm_device *device);

// Finds the devices that `name` may mean, best first, and opens the first that opens.
fm_status fmi_open_backend(const char *name, const fmi_config *config, fm_device *device);

// fm_commit, waiting at the in-flight limits for at most `timeout_ns` and what the settings allow.
fm_status fmi_device_commit(fm_commands **commands, const fm_commit_info *info, uint64_t timeout_ns,
                            fm_point *out_point);

// Commits a list of the library's own if `recorded` says that it was recorded; on an error it is cancelled, and the cause stays the last error.
fm_status fmi_device_commit_or_cancel(fm_commands *commands, fm_status recorded, fm_stream stream, uint64_t timeout_ns,
                                      fm_point *out_point);

// Adds to the last error, the sentence of a request for memory that is refused, who holds the memory. `device`: the fm_device.
void fmi_device_explain_memory(void *device);

// Gives a list, which has been counted in, to the engine: takes the stream's next value and a place in the queue in one step, and
// returns the value. `stream` is held for the list, or NULL for the library's own fills. The caller kicks and notifies the keeper.
uint64_t fmi_device_post(fm_device *device, fmi_list *list, fmi_stream *stream);

// What comes before a list is posted: takes a place under the in-flight limits, unless the stream or the device refuses work. On FM_OK the
// list is counted in. `no_wait`, errors: as of fm_commit; waits for at most `timeout_ns` and what the settings allow.
fm_status fmi_device_admit(fm_device *device, fmi_stream *stream, bool no_wait, uint64_t timeout_ns);

// Takes the stream's next `count` values in one step, for a transfer in parts, and returns the first. What is committed from here on comes
// behind the transfer; it waits until all these values have been posted, so the caller posts them all, whatever happens.
uint64_t fmi_device_take_values(fmi_stream *stream, uint64_t count);

// Posts a list, which has been counted in, for the values from `first` to `value` of those taken; lowest first. Holds the stream for it.
void fmi_device_post_part(fm_device *device, fmi_list *list, fmi_stream *stream, uint64_t first, uint64_t value,
                          bool is_last);

#endif
