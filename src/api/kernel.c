// Public functions of variants asked for ahead of time: checks, then the kernel room's queue.
// Any thread; the kernel is held for the length of a call. No state of their own.
#include "device/device.h"

// What each of the calls starts with: the kernel, held, and the choice of dtypes.
typedef struct request {
    fmi_kernel_object *object;
    uint64_t dtypes;
} request;

static fm_status begin(fm_device *device, fm_kernel kernel, const fm_dtype *dtypes, uint32_t dtype_count,
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
        fmi_error_prefix(caller);
    }
    return status;
}

static fm_status end(fm_device *device, const request *r, fm_status status, const char *caller)
{
    fmi_table_release(&device->kernels, &r->object->slot);
    if (status < 0) {
        fmi_error_prefix(caller);
    }
    return status;
}

fm_status fm_kernel_prepare(fm_device *device, fm_kernel kernel, const fm_dtype *dtypes, uint32_t dtype_count)
{
    static const char caller[] = "fm_kernel_prepare";
    request r;
    fm_status status = begin(device, kernel, dtypes, dtype_count, caller, &r);
    return status == FM_OK ? end(device, &r, fmi_warmup_ask(&device->warmup, r.object, kernel.id, r.dtypes), caller)
                           : status;
}

fm_status fm_kernel_poll(fm_device *device, fm_kernel kernel, const fm_dtype *dtypes, uint32_t dtype_count)
{
    static const char caller[] = "fm_kernel_poll";
    request r;
    fm_status status = begin(device, kernel, dtypes, dtype_count, caller, &r);
    return status == FM_OK ? end(device, &r, fmi_warmup_poll(&device->warmup, r.object, kernel.id, r.dtypes), caller)
                           : status;
}

fm_status fm_kernel_wait(fm_device *device, fm_kernel kernel, const fm_dtype *dtypes, uint32_t dtype_count,
                         uint64_t timeout_ns)
{
    static const char caller[] = "fm_kernel_wait";
    request r;
    fm_status status = begin(device, kernel, dtypes, dtype_count, caller, &r);
    return status == FM_OK
               ? end(device, &r, fmi_warmup_wait(&device->warmup, r.object, kernel.id, r.dtypes, timeout_ns), caller)
               : status;
}
