// A kernel object: what the user gave, and its compiled variants (one per choice of dtypes).
// Knows languages and compilers, not lists, streams or lifetimes: the device room holds kernels in a handle table and
// destroys one when its last hold is dropped. No lock is held while a compiler works (KEY-4).
#ifndef FMI_KERNEL_KERNEL_H
#define FMI_KERNEL_KERNEL_H

#include "backend/backend.h"

#include <pthread.h>
#include <stdatomic.h>

// Of one dispatch of a generated kernel or host function: fm_device_properties.max_constants_bytes.
enum { FMI_MAX_CONSTANTS_BYTES = 4096 };

// One compiled form of a kernel. Immutable once published; lives as long as its kernel.
typedef struct fmi_variant {
    struct fmi_variant *next; // older variant of the same kernel
    uint64_t dtypes;          // 4 bits a parameter: the key
    fmi_kernel_binary *binary;
    uint8_t element_bytes[FM_MAX_BINDINGS]; // size of one element; 1 where unknown (GLSL, SPIR-V, host function)
} fmi_variant;

typedef struct fmi_kernel {
    char *name;
    const fmi_backend_ops *ops;   // borrowed, constant
    fmi_backend *backend;         // borrowed
    const fmi_backend_caps *caps; // borrowed
    fm_kernel_language language;
    uint32_t param_count;
    uint32_t constants_size_bytes;
    uint8_t access[FM_MAX_BINDINGS]; // fm_access
    uint8_t dtype[FM_MAX_BINDINGS];  // fm_dtype; FM_DTYPE_NONE: from the binding
    uint64_t fixed_dtypes;           // the key when every dtype is given
    bool dtypes_are_fixed;
    bool binds_descriptors;              // binding sizes are limited by caps->max_binding_bytes
    _Atomic(fmi_variant *) variants;     // newest first; release store under `lock`, acquire load by look-ups
    pthread_mutex_t lock;                // guards what is compiling now, and stores to `variants`
    struct fmi_kernel_source *source;    // private to the kernel room: texts and parameter names
    _Atomic(uint64_t) *compiled_counter; // fm_device_stats.kernels_compiled; may be NULL
} fmi_kernel;

// Creates a kernel from checked-for-NULL `info`; validates names, dtypes and sizes, and compiles the first variant when
// all dtypes are given. On error sets the last error (prefixed "fm_kernel_create: ") and frees everything. Any thread.
fm_status fmi_kernel_create(const fmi_backend_ops *ops, fmi_backend *backend, const fmi_backend_caps *caps,
                            _Atomic(uint64_t) *compiled_counter, const fm_kernel_info *info, fmi_kernel **out);

// Frees the kernel and its variants. Nothing on the device may still use it.
void fmi_kernel_destroy(fmi_kernel *kernel);

// Finds or compiles the variant for a key. Sets the last error (prefixed with `caller`, such as "fm_dispatch"). Any thread.
fm_status fmi_kernel_get_variant(fmi_kernel *kernel, uint64_t dtypes, const char *caller, const fmi_variant **out);

// Name of a dtype ("float", "half", …) and its size in bytes; NULL and 0 for no dtype.
const char *fmi_dtype_name(fm_dtype dtype);
uint32_t fmi_dtype_size(fm_dtype dtype);

#endif
