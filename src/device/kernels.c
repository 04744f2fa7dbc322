// Public functions that ask what a kernel is: checks, then the kernel room.
// Any thread; the kernel is held for the length of a call. No state of their own.
#include "device/device.h"

#include "kernel/properties.h"

static fm_status hold(fm_device *device, fm_kernel kernel, const char *caller, fmi_kernel_object **out)
{
    fm_status status = fmi_device_check(device, caller);
    if (status != FM_OK) {
        return status;
    }
    fmi_slot *slot;
    status = fmi_table_hold(&device->kernels, kernel.id, &slot);
    if (status != FM_OK) {
        fmi_error_prefix(caller);
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
        status = fmi_fail(FM_ERROR_INVALID_ARGUMENT, "fm_kernel_get_properties: out is NULL");
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
        status = fmi_fail(FM_ERROR_INVALID_ARGUMENT, "fm_kernel_get_constants: count is NULL");
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
        fmi_error_prefix("fm_kernel_find_param");
    }
    fmi_table_release(&device->kernels, &object->slot);
    return status;
}
