// GLSL to SPIR-V with glslang. Compiled only into builds with the Vulkan backend.
// Any thread; glslang is initialised once a process and never taken down, since other users of it may live in the program.
// Knows no kernels: it takes text and gives words or a log.
#ifndef FMI_KERNEL_SPIRV_COMPILE_H
#define FMI_KERNEL_SPIRV_COMPILE_H

#include "base/text.h"

#include <fermata/status.h>

// Compiles a compute shader for Vulkan 1.2 (SPIR-V 1.5). `glsl` ends in a zero byte; `*out_words` is the caller's to free().
// FM_ERROR_COMPILE: glslang's log is in `log` and the last error is not set. FM_ERROR_OUT_OF_HOST_MEMORY.
fm_status fmi_spirv_compile(const char *glsl, fmi_text *log, uint32_t **out_words, size_t *out_size_bytes);

#endif
