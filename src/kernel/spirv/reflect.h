// What a SPIR-V module binds and is: asked with SPIRV-Tools' validator and SPIRV-Cross.
// Nothing here trusts its input: the validator reads a module before anything else does. Compiled only with the Vulkan backend.
// Any thread; no state.
#ifndef FMI_KERNEL_SPIRV_REFLECT_H
#define FMI_KERNEL_SPIRV_REFLECT_H

#include <fermata/kernel.h>

typedef struct fmi_reflection {
    uint32_t binding_count;
    uint32_t binding_numbers[FM_MAX_BINDINGS]; // rising
    uint8_t access[FM_MAX_BINDINGS];           // fm_access
    uint8_t dtype[FM_MAX_BINDINGS]; // fm_dtype of a block that is one array of scalars; FM_DTYPE_NONE: anything else
    uint32_t least_bytes[FM_MAX_BINDINGS]; // bytes of the block without an array that has no length
    char names[FM_MAX_BINDINGS]
              [FM_MAX_NAME_BYTES]; // the block's instance name, or the block's own; "" where there is none; may be cut
    uint32_t push_constants_bytes; // a multiple of 4
    uint32_t group_size[3];
} fmi_reflection;

// Checks that the words are a valid module for Vulkan 1.2. FM_ERROR_COMPILE with the reason, FM_ERROR_OUT_OF_HOST_MEMORY.
fm_status fmi_spirv_check(const uint32_t *words, size_t size_bytes);

// Reads what the compute entry point `main` of a valid module binds. FM_ERROR_COMPILE (no such entry, cannot be read),
// FM_ERROR_UNSUPPORTED (something other than storage buffers of set 0 and push constants), FM_ERROR_OUT_OF_HOST_MEMORY.
fm_status fmi_spirv_reflect(const uint32_t *words, size_t size_bytes, fmi_reflection *out);

#endif
