// The shape of a dispatch: how many bindings, constants and workgroups it has, what its flags make of the counts, and what is refused.
// Knows no buffer and no list. What every dispatch runs is inline here; the rest, and every sentence, is in shape.c.
#ifndef FMI_RECORD_SHAPE_H
#define FMI_RECORD_SHAPE_H

#include "kernel/kernel.h"

#include <fermata/commands.h>

// The same for counts that have bits of kernel->large_count_bits: each axis within FM_MAX_ITEMS, the product within FM_MAX_GROUPS, none 0.
bool fmi_shape_groups_fit_slowly(const fmi_kernel *kernel, const uint32_t n[3]) __attribute__((cold));

// Is each axis 1 or more, and are all limits kept? Without those bits no axis has too many work-items and no product more than 63 bits.
static inline bool fmi_shape_groups_fit(const fmi_kernel *kernel, const uint32_t n[3])
{
    if (__builtin_expect(((n[0] | n[1] | n[2]) & kernel->large_count_bits) != 0, 0)) {
        return fmi_shape_groups_fit_slowly(kernel, n);
    }
    return (uint64_t)n[0] * n[1] * n[2] - 1 < FM_MAX_GROUPS; // 0 - 1 is over it
}

// Are bindings and constants there, and as many as the kernel takes?
static inline bool fmi_shape_arguments_fit(const fmi_kernel *kernel, const fm_dispatch_info *info)
{
    return info->binding_count == kernel->param_count && info->constants_size_bytes == kernel->constants_size_bytes &&
           (info->bindings || !info->binding_count) && (info->constants || !info->constants_size_bytes);
}

static inline bool fmi_shape_is_empty(const uint32_t n[3])
{
    return n[0] == 0 || n[1] == 0 || n[2] == 0;
}

// The workgroups that a dispatch with flags stands for, and whether it may be and is empty. Counts that are to be refused come out as they
// are. Sets the last error where a flag is unknown.
fm_status fmi_shape_resolve(const fmi_kernel *kernel, const fm_dispatch_info *info, uint32_t out_groups[3],
                            bool *out_is_empty);

// Has any binding a name?
bool fmi_shape_is_named(const fm_dispatch_info *info) __attribute__((cold));

// Puts as many bindings as the kernel has parameters, which have names, in the order of the parameters, without their names. Sets the last
// error.
fm_status fmi_shape_order_bindings(const fmi_kernel *kernel, const fm_dispatch_info *info,
                                   fm_binding out[FM_MAX_BINDINGS]);

// Why a dispatch whose arguments or workgroups (`groups`) do not fit is refused.
fm_status fmi_shape_refuse(const fmi_kernel *kernel, const fm_dispatch_info *info, const uint32_t groups[3])
    __attribute__((cold));

// "binding 0 'x' of kernel 'axpy'", and the last error with that before it; returns `status`.
enum { FMI_BINDING_NAME_BYTES = 200 };
void fmi_shape_name_binding(char out[FMI_BINDING_NAME_BYTES], const fmi_kernel *kernel, uint32_t index)
    __attribute__((cold));
fm_status fmi_shape_blame_binding(fm_status status, const fmi_kernel *kernel, uint32_t index) __attribute__((cold));

#endif
