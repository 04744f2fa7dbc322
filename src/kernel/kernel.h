// A kernel object: what the user gave, and which variants (one per choice of dtypes) it has asked the device's cache for.
// Knows languages and compilers, not lists or streams: the device room holds kernels in a handle table and destroys one when
// its last hold is dropped. Variants outlive it where something holds them. No lock is held while a compiler works (KEY-4).
#ifndef FMI_KERNEL_KERNEL_H
#define FMI_KERNEL_KERNEL_H

#include "backend/backend.h"
#include "variant/cache.h"
#include "variant/map.h"

#include <pthread.h>

// Of one dispatch of a generated kernel or host function: fm_device_properties.max_constants_bytes.
enum { FMI_MAX_CONSTANTS_BYTES = 4096 };

typedef struct fmi_kernel {
    char *name;
    fmi_cache *cache;           // borrowed
    const fmi_backend_ops *ops; // the cache's, as are the next two
    fmi_backend *backend;
    const fmi_backend_caps *caps;
    fm_kernel_language language;
    uint32_t param_count;
    uint32_t constants_size_bytes;
    uint32_t group_size[3]; // work-items in a workgroup; {1, 1, 1} of a host function
    // What every dispatch compares with, worked out once. Group counts that have none of these bits keep FM_MAX_ITEMS on each axis and the
    // device's own limits, and their product has 63 bits at most.
    uint32_t large_count_bits;
    uint32_t offset_bits;        // that no binding's offset has
    uint64_t most_binding_bytes; // of one binding; UINT64_MAX where only its buffer limits it
    // Sizes that have none of these bits are as they must be. Portable: those of parts of the widest element; modules: any, if a binding has
    // bytes that it must have at least.
    uint64_t checked_size_bits;
    uint8_t access[FM_MAX_BINDINGS]; // fm_access
    uint8_t dtype[FM_MAX_BINDINGS];  // fm_dtype; FM_DTYPE_NONE: from the binding, or not known (GLSL, SPIR-V)
    uint64_t fixed_dtypes;           // the key when every dtype is given
    bool dtypes_are_fixed;
    uint32_t least_bytes[FM_MAX_BINDINGS]; // GLSL and SPIR-V: bytes that a binding must have at least
    bool addresses_large_bindings;         // beyond most_binding_bytes there are variants with FMI_KEY_BY_ADDRESS
    fmi_variant *own;                      // a host function's only variant, held by the kernel; else NULL
    fmi_variant_map variants;              // by dtypes; changed under `lock`
    pthread_mutex_t lock;                  // a leaf
    struct fmi_kernel_source *source;      // private to the kernel room: texts and parameter names
} fmi_kernel;

// In the key of a variant beside its dtypes: it reaches memory by address although the device's mode is descriptors. The bit is the last
// parameter's, so kernels with FM_MAX_BINDINGS parameters have no such variant.
#define FMI_KEY_BY_ADDRESS (UINT64_C(1) << 63)

// Creates a kernel from checked-for-NULL `info`; validates names, dtypes and sizes, and compiles the first variant when
// all dtypes are given. On error sets the last error (prefixed "fm_kernel_create: ") and frees everything. Any thread.
fm_status fmi_kernel_create(fmi_cache *cache, const fm_kernel_info *info, fmi_kernel **out);

// Frees the kernel. Its variants stay in the cache, and with whoever holds them.
void fmi_kernel_destroy(fmi_kernel *kernel);

// Finds or makes the variant for a choice of dtypes and holds it for the caller, who releases it in cache->variants by way of `share`
// (FMI_NO_SHARE: there is none). Sets the last error (prefixed with `caller`, such as "fm_dispatch"). Any thread; waits at most for the making of this one variant (KEY-4).
// `hits`, which may be NULL, counts a variant that the kernel's own map had; the cache counts the rest.
fm_status fmi_kernel_hold_variant(fmi_kernel *kernel, uint64_t dtypes, uint32_t share, const char *caller,
                                  fmi_variant **out, uint64_t *hits);

// Is the variant made, so that a dispatch would find it?
bool fmi_kernel_has_variant(const fmi_kernel *kernel, uint64_t dtypes);

// FM_ERROR_UNSUPPORTED with what a text with these FMI_NEEDS_* needs and the device lacks.
fm_status fmi_kernel_check_features(const fmi_kernel *kernel, uint32_t features);

// Turns a list of dtypes, one a parameter (FM_DTYPE_NONE: the kernel's own), into the key of a variant and checks it; an empty list where
// the kernel has all dtypes itself. Sets the last error without the caller's name.
fm_status fmi_kernel_choose_dtypes(const fmi_kernel *kernel, const fm_dtype *dtypes, uint32_t count, uint64_t *out);

// Name of a parameter; "" where a module keeps none.
const char *fmi_kernel_param_name(const fmi_kernel *kernel, uint32_t index);

// Name of a dtype ("float", "half", …) and its size in bytes; NULL and 0 for no dtype.
const char *fmi_dtype_name(fm_dtype dtype);
uint32_t fmi_dtype_size(fm_dtype dtype);
bool fmi_dtype_is_storage(fm_dtype dtype); // its elements are converted at each load and store

#endif
