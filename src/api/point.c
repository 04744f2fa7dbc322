// The points of fermata/stream.h: checks, then retire/point.c, and retire/host.c for those that the program itself
// ends. Any thread; no state of their own.
#include "device/device.h"

#include <stdio.h>

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
        return fmi_fail_in("fm_point_wait_all", FM_ERROR_INVALID_ARGUMENT, "points is NULL, but count is %u", count);
    }
    return fmi_point_wait_several(&device->retirement, points, count, timeout_ns, NULL, "fm_point_wait_all");
}

fm_status fm_point_wait_any(fm_device *device, const fm_point *points, uint32_t count, uint64_t timeout_ns,
                            uint32_t *out_index)
{
    uint32_t index = FM_NO_POINT;
    fm_status status = fmi_device_check(device, "fm_point_wait_any");
    if (status == FM_OK && count == 0) {
        status = fmi_fail_in("fm_point_wait_any", FM_ERROR_INVALID_ARGUMENT, "count is 0: none could ever be complete");
    } else if (status == FM_OK && !points) {
        status = fmi_fail_in("fm_point_wait_any", FM_ERROR_INVALID_ARGUMENT, "points is NULL, but count is %u", count);
    } else if (status == FM_OK) {
        status = fmi_point_wait_several(&device->retirement, points, count, timeout_ns, &index, "fm_point_wait_any");
    }
    if (out_index) {
        *out_index = index;
    }
    return status;
}

fm_status fm_point_on_complete(fm_device *device, fm_point point, fm_completion_callback callback, void *user)
{
    fm_status status = fmi_device_check(device, "fm_point_on_complete");
    if (status != FM_OK) {
        return status;
    }
    if (!callback) {
        return fmi_fail_in("fm_point_on_complete", FM_ERROR_INVALID_ARGUMENT, "callback is NULL");
    }
    return fmi_point_on_complete(&device->retirement, point, callback, user);
}

fm_status fm_point_create(fm_device *device, const fm_point_info *info, fm_point *out_point)
{
    if (out_point) {
        *out_point = (fm_point){{0}, 0};
    }
    fm_status status = fmi_device_check(device, "fm_point_create");
    if (status != FM_OK) {
        return status;
    }
    if (!out_point) {
        return fmi_fail_in("fm_point_create", FM_ERROR_INVALID_ARGUMENT, "out_point is NULL");
    }
    uint64_t id = 0;
    status = fmi_host_point_create(&device->retirement, info ? info->label : NULL, &id);
    if (status != FM_OK) {
        fmi_error_in("fm_point_create");
        return status;
    }
    *out_point = (fm_point){{id}, 1};
    return FM_OK;
}

// Holds the stream behind a point that fm_point_create gave.
static fm_status hold_host(fm_device *device, fm_point point, const char *caller, fmi_stream **out)
{
    fm_status status = fmi_device_check(device, caller);
    if (status != FM_OK) {
        return status;
    }
    fmi_slot *held;
    status = fmi_table_hold(&device->streams, point.stream.id, &held);
    if (status != FM_OK) {
        fmi_error_in(caller);
        return status;
    }
    *out = (fmi_stream *)held;
    if ((*out)->is_host && point.value == 1) {
        return FM_OK;
    }
    status = fmi_fail_in(caller, FM_ERROR_INVALID_ARGUMENT, "this point of %s is none that fm_point_create gave",
                         fmi_stream_named(*out).text);
    fmi_table_release(&device->streams, held);
    return status;
}

static fm_status end(fm_device *device, fm_point point, fm_status with, const char *sentence, const char *caller)
{
    fmi_stream *stream;
    fm_status status = hold_host(device, point, caller, &stream);
    if (status != FM_OK) {
        return status;
    }
    if (!fmi_host_point_end(&device->retirement, stream, with, sentence)) {
        status = fmi_fail_in(caller, FM_ERROR_INVALID_ARGUMENT, "%s was signalled, failed or cancelled before",
                             fmi_stream_named(stream).text);
    }
    fmi_table_release(&device->streams, &stream->slot);
    return status;
}

fm_status fm_point_signal(fm_device *device, fm_point point)
{
    return end(device, point, FM_OK, NULL, "fm_point_signal");
}

fm_status fm_point_fail(fm_device *device, fm_point point, const char *sentence)
{
    const char *cause = sentence && *sentence ? sentence : "the program failed it and gave no cause";
    char cut[sizeof((fm_failure *)0)->cause];
    snprintf(cut, sizeof cut, "%s", cause);
    return end(device, point, FM_ERROR_HOST_FAILED, cut, "fm_point_fail");
}

fm_status fm_point_destroy(fm_device *device, fm_point point)
{
    if (device && point.stream.id == 0) {
        return fmi_device_check(device, "fm_point_destroy");
    }
    fmi_stream *stream;
    fm_status status = hold_host(device, point, "fm_point_destroy", &stream);
    if (status != FM_OK) {
        return status;
    }
    fmi_host_point_cancel(&device->retirement, stream, "destroyed");
    status = fmi_table_kill(&device->streams, point.stream.id);
    if (status != FM_OK) { // another thread was faster
        fmi_error_in("fm_point_destroy");
    }
    fmi_table_release(&device->streams, &stream->slot);
    return status;
}

fm_status fm_point_cancel(fm_device *device, fm_point point)
{
    fm_status status = fmi_device_check(device, "fm_point_cancel");
    if (status != FM_OK || point.stream.id == 0) {
        return status;
    }
    fmi_slot *held;
    status = fmi_table_hold(&device->streams, point.stream.id, &held);
    if (status != FM_OK) {
        fmi_error_in("fm_point_cancel");
        return status;
    }
    status = fmi_point_cancel(&device->retirement, (fmi_stream *)held, point);
    fmi_table_release(&device->streams, held);
    return status;
}
