// What a user asks about a portable kernel's text: the source that is generated from it.
// Private to the kernel room but for fmi_kernel_write_source. Nothing is locked; any thread.
#ifndef FMI_KERNEL_INSPECT_H
#define FMI_KERNEL_INSPECT_H

#include "kernel/generate.h"

// Appends to `out` the source that `info` becomes on a device with these caps. FM_ERROR_UNSUPPORTED for other languages than the portable
// one, errors of the text as fm_kernel_create, without the caller's name.
fm_status fmi_kernel_write_source(const fmi_backend_caps *caps, const fm_kernel_info *info, fmi_text *out);

#endif
