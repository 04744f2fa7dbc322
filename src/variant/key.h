// The full key of a variant: as bytes, everything that makes its code (KEY-2). Two variants are the same if and only if their keys are.
// The kernel's name is not in it: what has equal code is shared, whatever it is called. Only C with barrier() has its name in it, because
// it names itself when it fails. No state; any thread.
#ifndef FMI_VARIANT_KEY_H
#define FMI_VARIANT_KEY_H

#include "backend/backend.h"
#include "base/text.h"

// What the text or words in a key are.
typedef enum fmi_key_kind {
    FMI_KEY_GLSL = 1,   // generated GLSL, of which a variant is made
    FMI_KEY_C = 2,      // generated C, of which a variant is made
    FMI_KEY_SPIRV = 3,  // a module, given or compiled from given GLSL, of which a variant is made
    FMI_KEY_MODULE = 4, // given GLSL, of which a module is made
    FMI_KEY_CUDA = 5,   // generated CUDA C++, of which a variant is made
} fmi_key_kind;

// Which programs turn the source into code, beside this library: the driver, and a compiler of the library's.
typedef struct fmi_key_makers {
    const fmi_backend_ops *ops;
    const fmi_backend_caps *caps;
    uint32_t compiler_version[3];
} fmi_key_makers;

// Appends the key of `size_bytes` of source. `code`: how its arguments travel; NULL for FMI_KEY_MODULE, which has none yet.
// Out of memory shows in `out->failed`.
void fmi_key_write(fmi_text *out, fmi_key_kind kind, const fmi_key_makers *makers, const fmi_kernel_code *code,
                   const void *source, size_t size_bytes);

#endif
