// fermata/kernel.h: checks, then the kernel room.
// Any thread; the kernel is held for the length of a call. No state of their own.
#include "device/device.h"

#include "kernel/inspect.h"
#include "kernel/properties.h"

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
        return fmi_fail_in("fm_kernel_create", FM_ERROR_INVALID_ARGUMENT, "%s is NULL", info ? "out_kernel" : "info");
    }
    fmi_kernel *kernel;
    status = fmi_kernel_create(&device->cache, info, &kernel);
    if (status != FM_OK) {
        return status;
    }
    fmi_kernel_object *object = (fmi_kernel_object *)fmi_table_reserve(&device->kernels);
    if (!object) {
        fmi_kernel_destroy(kernel);
        return fmi_fail_in("fm_kernel_create", FM_ERROR_OUT_OF_HOST_MEMORY, "no host memory for a kernel object");
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
        return fmi_fail_in("fm_kernel_get_source", FM_ERROR_INVALID_ARGUMENT, "%s is NULL",
                           info ? "size_bytes" : "info");
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
        fmi_error_in("fm_kernel_get_source");
    }
    fmi_text_free(&source);
    return status;
}

fm_status fm_kernel_destroy(fm_device *device, fm_kernel kernel)
{
    fm_status status = fmi_device_check(device, "fm_kernel_destroy");
    if (status != FM_OK || kernel.id == 0) {
        return status;
    }
    status = fmi_table_kill(&device->kernels, kernel.id);
    if (status != FM_OK) {
        fmi_error_in("fm_kernel_destroy");
    }
    return status;
}

static fm_status hold(fm_device *device, fm_kernel kernel, const char *caller, fmi_kernel_object **out)
{
    fm_status status = fmi_device_check(device, caller);
    if (status != FM_OK) {
        return status;
    }
    fmi_slot *slot;
    status = fmi_table_hold(&device->kernels, kernel.id, &slot);
    if (status != FM_OK) {
        fmi_error_in(caller);
        return status;
    }
    *out = (fmi_kernel_object *)slot;
    return FM_OK;
}

fm_status fm_kernel_get_properties(fm_device *device, fm_kernel kernel, fm_kernel_properties *out)
{
    fmi_kernel_object *object;
    fm_status status = hold(device, kernel, "fm_kernel_get_properties", &object);
    if (status != FM_OK) {
        return status;
    }
    if (out) {
        fmi_kernel_get_properties(object->kernel, out);
    } else {
        status = fmi_fail_in("fm_kernel_get_properties", FM_ERROR_INVALID_ARGUMENT, "out is NULL");
    }
    fmi_table_release(&device->kernels, &object->slot);
    return status;
}

fm_status fm_kernel_get_constants(fm_device *device, fm_kernel kernel, fm_kernel_constant_properties *entries,
                                  uint32_t *count)
{
    fmi_kernel_object *object;
    fm_status status = hold(device, kernel, "fm_kernel_get_constants", &object);
    if (status != FM_OK) {
        return status;
    }
    if (count) {
        *count = fmi_kernel_get_constants(object->kernel, entries, entries ? *count : 0);
    } else {
        status = fmi_fail_in("fm_kernel_get_constants", FM_ERROR_INVALID_ARGUMENT, "count is NULL");
    }
    fmi_table_release(&device->kernels, &object->slot);
    return status;
}

fm_status fm_kernel_find_param(fm_device *device, fm_kernel kernel, const char *name, uint32_t *out_index)
{
    fmi_kernel_object *object;
    fm_status status = hold(device, kernel, "fm_kernel_find_param", &object);
    if (status != FM_OK) {
        return status;
    }
    if (name && out_index) {
        status = fmi_kernel_find_param(object->kernel, name, out_index);
    } else {
        status = fmi_fail(FM_ERROR_INVALID_ARGUMENT, "%s is NULL", name ? "out_index" : "name");
    }
    if (status != FM_OK) {
        fmi_error_in("fm_kernel_find_param");
    }
    fmi_table_release(&device->kernels, &object->slot);
    return status;
}

// What each of the calls starts with: the kernel, held, and the choice of dtypes.
typedef struct request {
    fmi_kernel_object *object;
    uint64_t dtypes;
} request;

static fm_status begin_request(fm_device *device, fm_kernel kernel, const fm_dtype *dtypes, uint32_t dtype_count,
                               const char *caller, request *out)
{
    fm_status status = fmi_device_check(device, caller);
    if (status != FM_OK) {
        return status;
    }
    fmi_slot *slot;
    status = fmi_table_hold(&device->kernels, kernel.id, &slot);
    if (status == FM_OK) {
        out->object = (fmi_kernel_object *)slot;
        status = fmi_kernel_choose_dtypes(out->object->kernel, dtypes, dtype_count, &out->dtypes);
        if (status != FM_OK) {
            fmi_table_release(&device->kernels, slot);
        }
    }
    if (status != FM_OK) {
        fmi_error_in(caller);
    }
    return status;
}

static fm_status end_request(fm_device *device, const request *r, fm_status status, const char *caller)
{
    fmi_table_release(&device->kernels, &r->object->slot);
    if (status < 0) {
        fmi_error_in(caller);
    }
    return status;
}

fm_status fm_kernel_prepare(fm_device *device, fm_kernel kernel, const fm_dtype *dtypes, uint32_t dtype_count)
{
    static const char caller[] = "fm_kernel_prepare";
    request r;
    fm_status status = begin_request(device, kernel, dtypes, dtype_count, caller, &r);
    return status == FM_OK
               ? end_request(device, &r, fmi_warmup_ask(&device->warmup, r.object, kernel.id, r.dtypes), caller)
               : status;
}

fm_status fm_kernel_poll(fm_device *device, fm_kernel kernel, const fm_dtype *dtypes, uint32_t dtype_count)
{
    static const char caller[] = "fm_kernel_poll";
    request r;
    fm_status status = begin_request(device, kernel, dtypes, dtype_count, caller, &r);
    return status == FM_OK
               ? end_request(device, &r, fmi_warmup_poll(&device->warmup, r.object, kernel.id, r.dtypes), caller)
               : status;
}

fm_status fm_kernel_wait(fm_device *device, fm_kernel kernel, const fm_dtype *dtypes, uint32_t dtype_count,
                         uint64_t timeout_ns)
{
    static const char caller[] = "fm_kernel_wait";
    request r;
    fm_status status = begin_request(device, kernel, dtypes, dtype_count, caller, &r);
    return status == FM_OK
               ? end_request(device, &r, fmi_warmup_wait(&device->warmup, r.object, kernel.id, r.dtypes, timeout_ns),
                             caller)
               : status;
}
