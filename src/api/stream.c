// fermata/stream.h, but its points (point.c): checks, then the room that knows.
// Any thread; no state of their own.
#include "device/device.h"

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
        return fmi_fail_in("fm_stream_create", FM_ERROR_INVALID_ARGUMENT, "out_stream is NULL");
    }
    status = fmi_stream_create(&device->streams, info ? info->label : NULL, &out_stream->id);
    if (status != FM_OK) {
        fmi_error_in("fm_stream_create");
    }
    return status;
}

// Refuses what belongs to a point of the program's own.
static fm_status refuse_host(const fmi_stream *stream, const char *caller)
{
    return !stream->is_host
               ? FM_OK
               : fmi_fail_in(caller, FM_ERROR_INVALID_ARGUMENT, "%s is signalled by the program, and no stream",
                             fmi_stream_named(stream).text);
}

fm_status fm_stream_destroy(fm_device *device, fm_stream stream)
{
    fm_status status = fmi_device_check(device, "fm_stream_destroy");
    if (status != FM_OK || stream.id == 0) {
        return status;
    }
    fmi_slot *held;
    if (fmi_table_try_hold(&device->streams, stream.id, &held)) {
        status = refuse_host((const fmi_stream *)held, "fm_stream_destroy"); // fm_point_destroy ends it first
        fmi_table_release(&device->streams, held);
        if (status != FM_OK) {
            return status;
        }
    }
    status = fmi_table_kill(&device->streams, stream.id);
    if (status != FM_OK) {
        fmi_error_in("fm_stream_destroy");
    }
    return status;
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
        return fmi_fail_in("fm_stream_get_newest", FM_ERROR_INVALID_ARGUMENT, "out_point is NULL");
    }
    fmi_slot *held;
    status = fmi_table_hold(&device->streams, stream.id, &held);
    if (status != FM_OK) {
        fmi_error_in("fm_stream_get_newest");
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
        fmi_error_in("fm_stream_reset");
        return status;
    }
    status = refuse_host((const fmi_stream *)held, "fm_stream_reset");
    status = status == FM_OK ? fmi_stream_reset(&device->retirement, (fmi_stream *)held, timeout_ns) : status;
    fmi_table_release(&device->streams, held);
    return status;
}
