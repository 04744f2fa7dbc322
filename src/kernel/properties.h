// What can be asked of a kernel: its parameters, constants and sizes, and a parameter by its name.
// Any thread that holds the kernel; the count of variants takes the kernel's lock.
#ifndef FMI_KERNEL_PROPERTIES_H
#define FMI_KERNEL_PROPERTIES_H

#include "base/text.h"
#include "kernel/kernel.h"

void fmi_kernel_get_properties(fmi_kernel *kernel, fm_kernel_properties *out);

// Fills at most `room` entries; returns how many constants there are.
uint32_t fmi_kernel_get_constants(const fmi_kernel *kernel, fm_kernel_constant_properties *entries, uint32_t room);

// The place of a parameter. FM_ERROR_INVALID_ARGUMENT, with a sentence without the caller's name that lists those there are.
fm_status fmi_kernel_find_param(const fmi_kernel *kernel, const char *name, uint32_t *out_index);

// Appends "'x', 'y'": the names of all parameters in their order.
void fmi_kernel_append_param_names(const fmi_kernel *kernel, fmi_text *out);

#endif
