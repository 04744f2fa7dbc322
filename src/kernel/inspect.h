// What a user asks about a portable kernel's text: the source that is generated from it, and where in it a compiler found an error.
// Private to the kernel room but for fmi_kernel_write_source. Nothing is locked; any thread.
#ifndef FMI_KERNEL_INSPECT_H
#define FMI_KERNEL_INSPECT_H

#include "kernel/generate.h"

// Appends to `out` the source that `info` becomes on a device with these caps. FM_ERROR_UNSUPPORTED for other languages than the portable
// one, errors of the text as fm_kernel_create, without the caller's name.
fm_status fmi_kernel_write_source(const fmi_backend_caps *caps, const fm_kernel_info *info, fmi_text *out);

// Called where `generated` has just failed with FM_ERROR_COMPILE, by its thread: puts line and column of the first error into the last
// error, with the line and a caret. Leaves it as it is where the place cannot be told. Compiles once more.
void fmi_kernel_locate_error(const fmi_kernel *kernel, const fmi_generated *generated);

#endif
