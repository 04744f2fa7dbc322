// Kernels: a portable body with a generated signature, GLSL, SPIR-V, or a host function.
// The portable language and its built-ins are described in docs/kernel-language.md.
#ifndef FERMATA_KERNEL_H
#define FERMATA_KERNEL_H

#include <fermata/buffer.h>
#include <fermata/device.h>

#ifdef __cplusplus
extern "C" {
#endif

// Most bindings that one kernel can have.
#define FM_MAX_BINDINGS 16

// Most work-items of one dispatch on one axis, so that each has a global_id of 32 bits. The same on every device.
#define FM_MAX_ITEMS (UINT64_C(1) << 32)

// A kernel. Plain value; {0} is the null handle.
typedef struct fm_kernel {
    uint64_t id;
} fm_kernel;

// How a kernel uses a binding. The planner orders commands by it, so a wrong one is a data race.
typedef enum fm_access {
    FM_ACCESS_READ = 1,
    FM_ACCESS_WRITE = 2,
    FM_ACCESS_READ_WRITE = 3,
} fm_access;

// What fm_kernel_info.code is.
typedef enum fm_kernel_language {
    FM_KERNEL_PORTABLE = 0,      // the body of a kernel in the portable language; every device
    FM_KERNEL_GLSL = 1,          // a whole GLSL compute shader with entry `main`; Vulkan devices
    FM_KERNEL_SPIRV = 2,         // a SPIR-V module with entry `main`; Vulkan devices
    FM_KERNEL_HOST_FUNCTION = 3, // `host_function`; the host device
} fm_kernel_language;

// One buffer parameter of a portable kernel or host function, bound by its place in the list.
typedef struct fm_kernel_param {
    const char *name; // an identifier; the body reads and writes name[index]
    fm_dtype dtype;   // element type; FM_DTYPE_NONE: chosen by fm_binding.dtype at each dispatch
    fm_access access;
} fm_kernel_param;

// One constant of a portable kernel. Constants lie one behind the other as in a C struct: 4 bytes each, or 8 at a multiple of 8.
typedef struct fm_kernel_constant {
    const char *name; // an identifier
    fm_dtype dtype;   // FM_DTYPE_F32, FM_DTYPE_I32, FM_DTYPE_U32, FM_DTYPE_I64, FM_DTYPE_U64 or FM_DTYPE_F64
} fm_kernel_constant;

// One workgroup-shared array of a portable kernel.
typedef struct fm_kernel_shared {
    const char *name; // an identifier
    fm_dtype dtype;   // FM_DTYPE_F32, FM_DTYPE_I32, FM_DTYPE_U32, FM_DTYPE_I64, FM_DTYPE_U64 or FM_DTYPE_F64
    uint32_t count;   // elements, 1 or more
} fm_kernel_shared;

// One specialisation value of a portable kernel: a name that stands for a number while it compiles. Body and header see it, also where
// the language wants a constant: array sizes, loop bounds that a compiler unrolls, #if.
typedef struct fm_kernel_special {
    const char *name; // an identifier
    fm_dtype dtype;   // FM_DTYPE_F32, FM_DTYPE_I32, FM_DTYPE_U32, FM_DTYPE_I64, FM_DTYPE_U64 or FM_DTYPE_F64
    double
        value; // finite, and exactly one of that dtype's values, of 64-bit integers up to ±2^53; to F32 it is rounded
} fm_kernel_special;

// One dispatch, as a host function sees it.
typedef struct fm_host_call {
    void *const *bindings;      // start of each bound range
    const uint64_t *size_bytes; // length of each bound range
    uint32_t binding_count;
    const void *constants; // the dispatch's constants, 8-byte aligned
    uint32_t constants_size_bytes;
    uint32_t group_count[3]; // the dispatch's group counts: the function is called once for all of them
    void *user;              // fm_kernel_info.user
} fm_host_call;

// A kernel in C, called once a dispatch on a worker thread. FM_OK: done; anything else fails the list (FM_ERROR_KERNEL_FAILED).
typedef fm_status (*fm_host_function)(const fm_host_call *call);

// For fm_kernel_info.flags.
enum {
    // Compile nothing at creation even if all dtypes are given: the first dispatch does, or fm_kernel_prepare. Mistakes that only a compiler
    // sees show there. GLSL is compiled all the same, because what it binds must be known.
    FM_KERNEL_COMPILE_LATER = 1,
};

// Room for a name that is asked for, its final zero byte included; a longer one is cut.
#define FM_MAX_NAME_BYTES 128

// One parameter of a kernel, in the order in which a dispatch binds them.
typedef struct fm_kernel_param_properties {
    // As given; GLSL and SPIR-V: the block's instance name, or the block's own where it has none; "" where a module keeps no names.
    char name[FM_MAX_NAME_BYTES];
    fm_dtype dtype; // FM_DTYPE_NONE: each binding names it; of GLSL and SPIR-V: the block is not one array of scalars
    fm_access access;
    uint32_t binding_number;   // GLSL, SPIR-V: `binding = N`; otherwise the place in the list
    uint32_t least_size_bytes; // GLSL, SPIR-V: a binding has so many bytes at least; otherwise 0
} fm_kernel_param_properties;

// What a kernel is, as fm_kernel_create understood it.
typedef struct fm_kernel_properties {
    char name[FM_MAX_NAME_BYTES];
    fm_kernel_language language;
    uint32_t param_count;
    fm_kernel_param_properties params[FM_MAX_BINDINGS]; // the first `param_count`
    uint32_t constant_count;                            // portable; fm_kernel_get_constants tells them
    uint32_t constants_size_bytes; // that each dispatch gives; of GLSL and SPIR-V: the push constants
    uint32_t group_size[3];        // work-items in a workgroup; {1, 1, 1} of a host function
    uint32_t shared_size_bytes;    // portable: of all workgroup-shared arrays
    uint32_t
        variant_count; // variants that dispatches of this kernel would find made (now); the device's cache may let go of some
} fm_kernel_properties;

// One constant of a portable kernel, and where it lies in what a dispatch gives.
typedef struct fm_kernel_constant_properties {
    char name[FM_MAX_NAME_BYTES];
    fm_dtype dtype;
    uint32_t offset_bytes;
} fm_kernel_constant_properties;

// What to create. Fields that the language does not use must be zero.
typedef struct fm_kernel_info {
    const char *name; // for error sentences and traces; copied; not NULL or empty
    fm_kernel_language language;
    const void *code;                    // portable and GLSL: text; SPIR-V: words; copied
    size_t code_size_bytes;              // length of `code`; 0 for text that ends in a zero byte
    const char *header;                  // portable: text put before the kernel (helpers, macros); NULL = none; copied
    const fm_kernel_param *params;       // portable, host function; GLSL and SPIR-V are asked what they bind
    uint32_t param_count;                // at most FM_MAX_BINDINGS
    const fm_kernel_constant *constants; // portable
    uint32_t constant_count;
    uint32_t constants_size_bytes;  // host function: bytes that each dispatch must give
    const fm_kernel_shared *shared; // portable
    uint32_t shared_count;
    const fm_kernel_special *specials; // portable
    uint32_t special_count;
    uint32_t group_size[3]; // portable: work-items in a workgroup, 1 on an axis that is not used; {0} = {64, 1, 1}
    fm_host_function host_function;
    void *user;     // passed to `host_function`; borrowed until the kernel's last use is complete
    uint32_t flags; // FM_KERNEL_COMPILE_LATER or 0
} fm_kernel_info;

// Creates a kernel and compiles it if its parameters' dtypes are all given (see FM_KERNEL_COMPILE_LATER). What an equal kernel has compiled
// before is found in the device's cache, whatever its name, or in the disk cache.
// Parameters: `device`; `info`, copied; `out_kernel`, the null handle is stored on error.
// Errors: FM_ERROR_INVALID_ARGUMENT (a NULL, a name that is no identifier or is taken, a size over the limit),
// FM_ERROR_COMPILE (fm_last_error has the message, line and column in the body or header, and that line with a caret), FM_ERROR_UNSUPPORTED (the device
// does not run this language, dtype, or shared memory), FM_ERROR_OUT_OF_HOST_MEMORY, FM_ERROR_BACKEND, FM_ERROR_CLOSED.
// Thread-safety: any thread; compiles outside every lock that other threads need. Lifetime: until fm_kernel_destroy and
// the end of the last submission that uses it (KEY-1, KEY-4).
FM_API fm_status fm_kernel_create(fm_device *device, const fm_kernel_info *info, fm_kernel *out_kernel);

// Writes the source that a portable kernel becomes on this device, GLSL or C: the generated signature and what is made of the body. Compiles
// nothing; of a text that fm_kernel_create refuses there is no source, and the error is the same.
// Parameters: `device`; `info`, borrowed, every parameter with its dtype; `text`, room for `*size_bytes` bytes, or NULL to only ask for the
// size; `size_bytes`, in: room, out: bytes of the whole text with its final zero byte. Too little room cuts the text and is no error.
// Errors: FM_ERROR_INVALID_ARGUMENT, FM_ERROR_COMPILE (as fm_kernel_create), FM_ERROR_UNSUPPORTED (the kernel is not portable, or
// the device lacks what it needs), FM_ERROR_OUT_OF_HOST_MEMORY, FM_ERROR_CLOSED.
// Thread-safety: any thread. Lifetime: `text` is filled with a copy.
FM_API fm_status fm_kernel_get_source(fm_device *device, const fm_kernel_info *info, char *text, size_t *size_bytes);

// Destroys a kernel: the handle is dead at once, its code is held until the last list that dispatches it is complete or cancelled.
// Parameters: `device`; `kernel`, transferred; the null handle does nothing.
// Errors: FM_ERROR_STALE_HANDLE, FM_ERROR_FOREIGN_HANDLE, FM_ERROR_CLOSED.
// Thread-safety: any thread, at any moment (HOLD-1, KEY-3). Lifetime: never blocks.
FM_API fm_status fm_kernel_destroy(fm_device *device, fm_kernel kernel);

// Fills `*out` with what the kernel is: its parameters, sizes and variants.
// Parameters: `device`; `kernel`; `out`, filled, not NULL.
// Errors: FM_ERROR_NULL_HANDLE, FM_ERROR_STALE_HANDLE, FM_ERROR_FOREIGN_HANDLE, FM_ERROR_INVALID_ARGUMENT (`out` is NULL), FM_ERROR_CLOSED.
// Thread-safety: any thread; waits for no compiler. Lifetime: copies; nothing is held after the call (HOLD-1).
FM_API fm_status fm_kernel_get_properties(fm_device *device, fm_kernel kernel, fm_kernel_properties *out);

// Tells the constants of a portable kernel, in their order; other kernels have none that are known by name.
// Parameters: `device`; `kernel`; `entries`, room for `*count` entries, or NULL to only count; `count`, in: room, out: constants there are.
// Errors: handle errors, FM_ERROR_INVALID_ARGUMENT (`count` is NULL), FM_ERROR_CLOSED. More constants than room is no error.
// Thread-safety: any thread. Lifetime: `entries` is filled with copies; nothing is held after the call (HOLD-1).
FM_API fm_status fm_kernel_get_constants(fm_device *device, fm_kernel kernel, fm_kernel_constant_properties *entries,
                                         uint32_t *count);

// Finds a parameter by its name: its place in fm_dispatch_info.bindings. (fm_binding.param_name binds by name.)
// Parameters: `device`; `kernel`; `name`, borrowed; `out_index`, filled on FM_OK.
// Errors: handle errors, FM_ERROR_INVALID_ARGUMENT (NULL; no parameter of that name: the sentence lists those there are; a module with two of
// that name), FM_ERROR_CLOSED.
// Thread-safety: any thread. Lifetime: nothing is held after the call (HOLD-1).
FM_API fm_status fm_kernel_find_param(fm_device *device, fm_kernel kernel, const char *name, uint32_t *out_index);

// Asks for one variant of a kernel ahead of time and returns; threads of the device make it. A dispatch that needs it meanwhile waits for this
// one alone, or makes it itself if nobody has begun.
// Parameters: `device`; `kernel`; `dtypes`, one for each parameter (FM_DTYPE_NONE: the kernel's own), copied; `dtype_count`, the number of
// parameters, or 0 if the kernel has all dtypes itself.
// Errors: handle errors, FM_ERROR_INVALID_ARGUMENT, FM_ERROR_UNSUPPORTED (a dtype that the device lacks), FM_ERROR_OUT_OF_HOST_MEMORY,
// FM_ERROR_CLOSED. What goes wrong with the variant itself, fm_kernel_poll and fm_kernel_wait report; asking again tries again.
// Thread-safety: any thread; never waits for a compiler where a thread can be had. Lifetime: the kernel is held until the variant is made; the
// variant stays in the cache within its limits (KEY-3, KEY-4). fm_device_close waits for what is being made and forgets the rest.
FM_API fm_status fm_kernel_prepare(fm_device *device, fm_kernel kernel, const fm_dtype *dtypes, uint32_t dtype_count);

// Asks whether a variant is made: FM_OK if a dispatch would find it, FM_NOT_READY while it is under way.
// Parameters: as fm_kernel_prepare. Errors: as there, and the variant's own failure, such as FM_ERROR_COMPILE, until it is asked for again;
// FM_ERROR_INVALID_ARGUMENT also if nobody has asked for it, or it has left the cache since.
// Thread-safety: any thread; never blocks. Lifetime: nothing is held.
FM_API fm_status fm_kernel_poll(fm_device *device, fm_kernel kernel, const fm_dtype *dtypes, uint32_t dtype_count);

// Waits until a variant that was asked for is made or has failed.
// Parameters: as fm_kernel_prepare; `timeout_ns`, at most so many nanoseconds, or FM_FOREVER.
// Errors: as fm_kernel_poll; FM_TIMEOUT, which implies nothing about the variant.
// Thread-safety: any thread; blocks without spinning (LEARNED-11). Lifetime: nothing is held after the call.
FM_API fm_status fm_kernel_wait(fm_device *device, fm_kernel kernel, const fm_dtype *dtypes, uint32_t dtype_count,
                                uint64_t timeout_ns);

#ifdef __cplusplus
}
#endif

#endif
