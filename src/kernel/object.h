// The object behind an fm_kernel handle. Lives in the device's kernel table; its hold count keeps the kernel, not its variants.
// Made by fm_kernel_create, freed by the table when the last hold is dropped.
#ifndef FMI_KERNEL_OBJECT_H
#define FMI_KERNEL_OBJECT_H

#include "base/table.h"
#include "kernel/kernel.h"

typedef struct fmi_kernel_object {
    fmi_slot slot;
    fmi_kernel *kernel; // owned
} fmi_kernel_object;

#endif
