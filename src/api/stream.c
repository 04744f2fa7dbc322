// Public functions of kernels, streams and points: checks, then the room that knows.
// Any thread; no state of their own.
#include "device/device.h"

#include "base/clock.h"
#include "kernel/inspect.h"

#include <string.h>

fm_status fm_kernel_create(fm_device *device, const fm_kernel_info *info, fm_kernel *out_kernel)
{
    if (out_kernel) {
        *out_kernel = (fm_kernel){0};
    }
    fm_status status = fmi_device_check(device, "fm_kernel_create");
    if (status != FM_OK) {
        return status;
    }
    if (!info || !out_kernel) {
        return fmi_fail(FM_ERROR_INVALID_ARGUMENT, "fm_kernel_create: %s is NULL", info ? "out_kernel" : "info");
    }
    fmi_kernel *kernel;
    status = fmi_kernel_create(&device->cache, info, &kernel);
    if (status != FM_OK) {
        return status;
    }
    fmi_kernel_object *object = (fmi_kernel_object *)fmi_table_reserve(&device->kernels);
    if (!object) {
        fmi_kernel_destroy(kernel);
        return fmi_fail(FM_ERROR_OUT_OF_HOST_MEMORY, "fm_kernel_create: no host memory for a kernel object");
    }
    object->kernel = kernel;
    out_kernel->id = fmi_table_publish(&device->kernels, &object->slot);
    return FM_OK;
}

fm_status fm_kernel_get_source(fm_device *device, const fm_kernel_info *info, char *text, size_t *size_bytes)
{
    fm_status status = fmi_device_check(device, "fm_kernel_get_source");
    if (status != FM_OK) {
        return status;
    }
    if (!info || !size_bytes) {
        return fmi_fail(FM_ERROR_INVALID_ARGUMENT, "fm_kernel_get_source: %s is NULL", info ? "size_bytes" : "info");
    }
    fmi_text source = {0};
    status = fmi_kernel_write_source(&device->caps, info, &source);
    if (status == FM_OK) {
        size_t room = text ? *size_bytes : 0, copied = source.length < room ? source.length : room - 1;
        if (room > 0) {
            memcpy(text, fmi_text_get(&source), copied);
            text[copied] = 0;
        }
        *size_bytes = source.length + 1;
    } else {
        fmi_error_prefix("fm_kernel_get_source");
    }
    fmi_text_free(&source);
    return status;
}

// Destroys a handle of any table; the null handle does nothing.
static fm_status destroy_handle(fm_device *device, fmi_table *table, uint64_t id, const char *caller)
{
    fm_status status = fmi_device_check(device, caller);
    if (status != FM_OK || id == 0) {
        return status;
    }
    status = fmi_table_kill(table, id);
    if (status != FM_OK) {
        fmi_error_prefix(caller);
    }
    return status;
}

fm_status fm_kernel_destroy(fm_device *device, fm_kernel kernel)
{
    return destroy_handle(device, device ? &device->kernels : NULL, kernel.id, "fm_kernel_destroy");
}

// Refuses what belongs to a point of the program's own.
static fm_status refuse_host(const fmi_stream *stream, const char *caller)
{
    return !stream->is_host ? FM_OK
                            : fmi_fail(FM_ERROR_INVALID_ARGUMENT, "%s: %s is signalled by the program, and no stream",
                                       caller, fmi_stream_named(stream).text);
}

fm_status fm_stream_destroy(fm_device *device, fm_stream stream)
{
    fmi_slot *held;
    if (fmi_device_check(device, "fm_stream_destroy") == FM_OK &&
        fmi_table_try_hold(&device->streams, stream.id, &held)) {
        fm_status status = refuse_host((const fmi_stream *)held, "fm_stream_destroy"); // fm_point_destroy ends it first
        fmi_table_release(&device->streams, held);
        if (status != FM_OK) {
            return status;
        }
    }
    return destroy_handle(device, device ? &device->streams : NULL, stream.id, "fm_stream_destroy");
}

fm_status fm_stream_create(fm_device *device, const fm_stream_info *info, fm_stream *out_stream)
{
    if (out_stream) {
        *out_stream = (fm_stream){0};
    }
    fm_status status = fmi_device_check(device, "fm_stream_create");
    if (status != FM_OK) {
        return status;
    }
    if (!out_stream) {
        return fmi_fail(FM_ERROR_INVALID_ARGUMENT, "fm_stream_create: out_stream is NULL");
    }
    status = fmi_stream_create(&device->streams, info ? info->label : NULL, &out_stream->id);
    if (status != FM_OK) {
        fmi_error_prefix("fm_stream_create");
    }
    return status;
}

// A stream and how far it must come.
typedef struct reset_target {
    fmi_stream *stream;
    uint64_t value;
} reset_target;

static bool has_completed(void *context)
{
    const reset_target *t = context;
    return atomic_load(&t->stream->completed) >=
           t->value; // sequentially consistent: a sleeper's last look (fall_asleep)
}

// Clears the failure if nothing is under way. Under the order lock no list gets a value meanwhile, so no new failure can be wiped out.
static bool clear_failure(fmi_stream *stream)
{
    pthread_mutex_lock(&stream->order);
    bool idle = atomic_load_explicit(&stream->completed, memory_order_acquire) ==
                atomic_load_explicit(&stream->committed, memory_order_relaxed);
    if (idle) {
        atomic_store_explicit(&stream->failed, 0, memory_order_release);
    }
    pthread_mutex_unlock(&stream->order);
    return idle;
}

static fm_status reset(fm_device *device, fmi_stream *stream, uint64_t timeout_ns)
{
    uint64_t deadline = fmi_deadline(timeout_ns);
    do {
        if (atomic_load_explicit(&device->engine.lost, memory_order_acquire)) {
            char cause[1024] = "";
            if (atomic_load_explicit(&stream->failed, memory_order_relaxed)) {
                fmi_stream_root(stream, UINT64_MAX, cause, sizeof cause);
            }
            return fmi_fail(FM_ERROR_DEVICE_LOST, "fm_stream_reset: the device is lost, which nothing clears%s%s",
                            cause[0] ? ": " : "", cause);
        }
        // What is under way may fail yet. Later commits are not waited for.
        reset_target t = {stream, atomic_load_explicit(&stream->committed, memory_order_acquire)};
        if (fmi_wait_until(&device->retirement, has_completed, &t, fmi_remaining_ns(deadline)) != FM_OK) {
            return fmi_fail(FM_TIMEOUT, "fm_stream_reset: %llu ns went by before earlier work of %s was complete%s",
                            (unsigned long long)timeout_ns, fmi_stream_named(stream).text,
                            fmi_host_points_blame(&device->retirement).text);
        }
    } while (atomic_load_explicit(&stream->failed, memory_order_acquire) && !clear_failure(stream));
    return FM_OK;
}

fm_status fm_stream_get_newest(fm_device *device, fm_stream stream, fm_point *out_point)
{
    if (out_point) {
        *out_point = (fm_point){{0}, 0};
    }
    fm_status status = fmi_device_check(device, "fm_stream_get_newest");
    if (status != FM_OK) {
        return status;
    }
    if (!out_point) {
        return fmi_fail(FM_ERROR_INVALID_ARGUMENT, "fm_stream_get_newest: out_point is NULL");
    }
    fmi_slot *held;
    status = fmi_table_hold(&device->streams, stream.id, &held);
    if (status != FM_OK) {
        fmi_error_prefix("fm_stream_get_newest");
        return status;
    }
    uint64_t committed = atomic_load_explicit(&((fmi_stream *)held)->committed, memory_order_acquire);
    fmi_table_release(&device->streams, held);
    *out_point = committed ? (fm_point){stream, committed} : (fm_point){{0}, 0};
    return FM_OK;
}

fm_status fm_stream_reset(fm_device *device, fm_stream stream, uint64_t timeout_ns)
{
    fm_status status = fmi_device_check(device, "fm_stream_reset");
    if (status != FM_OK) {
        return status;
    }
    fmi_slot *held;
    status = fmi_table_hold(&device->streams, stream.id, &held);
    if (status != FM_OK) {
        fmi_error_prefix("fm_stream_reset");
        return status;
    }
    status = refuse_host((const fmi_stream *)held, "fm_stream_reset");
    status = status == FM_OK ? reset(device, (fmi_stream *)held, timeout_ns) : status;
    fmi_table_release(&device->streams, held);
    return status;
}

fm_status fm_point_poll(fm_device *device, fm_point point)
{
    fm_status status = fmi_device_check(device, "fm_point_poll");
    return status == FM_OK ? fmi_point_poll(&device->retirement, point, "fm_point_poll") : status;
}

fm_status fm_point_wait(fm_device *device, fm_point point, uint64_t timeout_ns)
{
    fm_status status = fmi_device_check(device, "fm_point_wait");
    return status == FM_OK ? fmi_point_wait(&device->retirement, point, timeout_ns, "fm_point_wait") : status;
}

fm_status fm_point_wait_all(fm_device *device, const fm_point *points, uint32_t count, uint64_t timeout_ns)
{
    fm_status status = fmi_device_check(device, "fm_point_wait_all");
    if (status != FM_OK || count == 0) {
        return status;
    }
    if (!points) {
        return fmi_fail(FM_ERROR_INVALID_ARGUMENT, "fm_point_wait_all: points is NULL, but count is %u", count);
    }
    return fmi_point_wait_several(&device->retirement, points, count, timeout_ns, NULL, "fm_point_wait_all");
}

fm_status fm_point_wait_any(fm_device *device, const fm_point *points, uint32_t count, uint64_t timeout_ns,
                            uint32_t *out_index)
{
    uint32_t index = FM_NO_POINT;
    fm_status status = fmi_device_check(device, "fm_point_wait_any");
    if (status == FM_OK && count == 0) {
        status = fmi_fail(FM_ERROR_INVALID_ARGUMENT, "fm_point_wait_any: count is 0: none could ever be complete");
    } else if (status == FM_OK && !points) {
        status = fmi_fail(FM_ERROR_INVALID_ARGUMENT, "fm_point_wait_any: points is NULL, but count is %u", count);
    } else if (status == FM_OK) {
        status = fmi_point_wait_several(&device->retirement, points, count, timeout_ns, &index, "fm_point_wait_any");
    }
    if (out_index) {
        *out_index = index;
    }
    return status;
}

fm_status fm_device_take_failure(fm_device *device, fm_failure *out_failure)
{
    fm_status status = fmi_device_check(device, "fm_device_take_failure");
    if (status != FM_OK) {
        return status;
    }
    if (!out_failure) {
        return fmi_fail(FM_ERROR_INVALID_ARGUMENT, "fm_device_take_failure: out_failure is NULL");
    }
    fmi_progress(&device->retirement);
    return fmi_failures_take(&device->retirement.failures, out_failure)
               ? FM_OK
               : fmi_fail(FM_NOT_READY, "fm_device_take_failure: there is no failure to take");
}

fm_status fm_point_on_complete(fm_device *device, fm_point point, fm_completion_callback callback, void *user)
{
    fm_status status = fmi_device_check(device, "fm_point_on_complete");
    if (status != FM_OK) {
        return status;
    }
    if (!callback) {
        return fmi_fail(FM_ERROR_INVALID_ARGUMENT, "fm_point_on_complete: callback is NULL");
    }
    return fmi_point_on_complete(&device->retirement, point, callback, user);
}
