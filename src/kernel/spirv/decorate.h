// Adds to a generated module what GLSL cannot say: stores to half round to nearest even, and storage buffers may alias.
// Works on modules that glslang has just made, never on the user's. Compiled only with the Vulkan backend.
// Any thread; no state.
#ifndef FMI_KERNEL_SPIRV_DECORATE_H
#define FMI_KERNEL_SPIRV_DECORATE_H

#include <fermata/status.h>

// Replaces `*words` (from malloc) by the decorated module. FM_ERROR_OUT_OF_HOST_MEMORY: `*words` stays as it is.
fm_status fmi_spirv_decorate(uint32_t **words, size_t *size_bytes);

#endif
