// Builds one variant of a kernel: generates its source, compiles it, and has the backend make a binary of it.
// Private to the kernel room: kernel.c calls it, outside its lock, for as long as a compiler takes. Keeps no variants itself.
// Any thread; different variants of one kernel may be built at the same time.
#ifndef FMI_KERNEL_BUILD_H
#define FMI_KERNEL_BUILD_H

#include "kernel/source.h"

// Turns a kernel given as GLSL or SPIR-V into a checked module, and fills in what it binds. Called once, at creation.
fm_status fmi_kernel_read_module(fmi_kernel *kernel);

// Builds the variant for a checked key. The last error is set without the caller's name.
fm_status fmi_kernel_build(const fmi_kernel *kernel, uint64_t dtypes, fmi_variant **out);

#endif
