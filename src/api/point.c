// Public functions of points that the program itself ends, and of cancelling. See retire/host.h and schedule/cancel.c.
// Any thread; no state of their own.
#include "device/device.h"

#include <stdio.h>

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
        return fmi_fail(FM_ERROR_INVALID_ARGUMENT, "fm_point_create: out_point is NULL");
    }
    uint64_t id = 0;
    status = fmi_host_point_create(&device->retirement, info ? info->label : NULL, &id);
    if (status != FM_OK) {
        fmi_error_prefix("fm_point_create");
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
        fmi_error_prefix(caller);
        return status;
    }
    *out = (fmi_stream *)held;
    if ((*out)->is_host && point.value == 1) {
        return FM_OK;
    }
    status = fmi_fail(FM_ERROR_INVALID_ARGUMENT, "%s: this point of %s is none that fm_point_create gave", caller,
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
        status = fmi_fail(FM_ERROR_INVALID_ARGUMENT, "%s: %s was signalled, failed or cancelled before", caller,
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

static void cancel_host(fm_device *device, fmi_stream *stream, const char *how)
{
    char sentence[sizeof(fmi_phrase) + 64];
    snprintf(sentence, sizeof sentence, "%s was %s before it was signalled", fmi_stream_named(stream).text, how);
    fmi_host_point_end(&device->retirement, stream, FM_ERROR_CANCELLED, sentence);
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
    cancel_host(device, stream, "destroyed");
    status = fmi_table_kill(&device->streams, point.stream.id);
    if (status != FM_OK) { // another thread was faster
        fmi_error_prefix("fm_point_destroy");
    }
    fmi_table_release(&device->streams, &stream->slot);
    return status;
}

// Of a stream that the caller holds.
static fm_status cancel(fm_device *device, fmi_stream *stream, fm_point point)
{
    fmi_retirement *r = &device->retirement;
    uint64_t committed = atomic_load_explicit(&stream->committed, memory_order_acquire);
    if (point.value > committed) {
        return fmi_point_refuse_future(point, committed, "fm_point_cancel");
    }
    if (stream->is_host) {
        cancel_host(device, stream, "cancelled");
        return FM_OK;
    }
    if (fmi_stream_is_over(stream, point.value)) {
        return FM_OK;
    }
    bool is_cancelled = fmi_engine_cancel(&device->engine, stream, point.value);
    fmi_places_grant(r); // what only that list kept is free
    fmi_progress(r);     // gives up nothing that others pushed meanwhile, and retires the list if its turn has come
    fmi_keeper_notify(r);
    if (is_cancelled || fmi_stream_is_over(stream, point.value)) {
        return FM_OK;
    }
    return fmi_fail(FM_NOT_READY, "fm_point_cancel: value %llu of %s was given to the device before, and will run",
                    (unsigned long long)point.value, fmi_stream_named(stream).text);
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
        fmi_error_prefix("fm_point_cancel");
        return status;
    }
    status = cancel(device, (fmi_stream *)held, point);
    fmi_table_release(&device->streams, held);
    return status;
}
