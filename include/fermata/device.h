// Devices: list, open, describe, count, close. Everything else belongs to one open device.
// Handles of one device used with another are an error, never undefined (FM_ERROR_FOREIGN_HANDLE).
//
// fork: a device belongs to the process that opened it. In a child every call on a device of the parent's, or on a command list of one,
// answers FM_ERROR_LOST_IN_FORK at once, fm_device_close too; it waits for nothing, frees nothing and leaves the parent's work alone. The
// child may open devices of its own, also while threads of the parent record, compile and wait: the fork waits for what must not be
// cut in two, two seconds at most; a child that it did not wait for can open none (FM_ERROR_LOST_IN_FORK). Fork while the
// parent's devices are idle if the child is to open a Vulkan device: what a driver's own threads hold is held for good in the child. A child that was made in
// a callback or a host function must not return from it.
//
// exit, or a return from main, with devices open and work in flight: the process ends with its own status. Calls that other threads make meanwhile are
// held and do not return, so nobody is told of failures that come of the end; only behind a handler that takes more than 3 seconds
// (because it waits for such a thread, perhaps) they answer FM_ERROR_CLOSED or FM_ERROR_DEVICE_LOST. Handlers of `atexit`, and destructors, that were
// registered before Vulkan was first used run when it has gone: there every call on a Vulkan device answers FM_ERROR_CLOSED at once, fm_device_close
// too; those registered later find all at work, and so do calls on the host device in any of them. exit waits for calls that are inside of a
// driver and for a CPU driver's compiler, for work in flight not; 10 seconds at most, should a driver hang. Completion callbacks and reads that are not
// due by then do not come. quick_exit and _exit need nothing.
//
// dlclose: with all devices closed nothing of the library stays, no thread, key or memory, and Vulkan, which stays loaded once a driver was found, goes as well.
#ifndef FERMATA_DEVICE_H
#define FERMATA_DEVICE_H

#include <fermata/status.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct fm_device fm_device;

// What a device is, in the order in which "auto" prefers them.
typedef enum fm_device_kind {
    FM_DEVICE_DISCRETE_GPU = 0,
    FM_DEVICE_INTEGRATED_GPU = 1,
    FM_DEVICE_CPU = 2,  // a Vulkan driver that runs on the CPU
    FM_DEVICE_HOST = 3, // the built-in host device: worker threads, no driver
} fm_device_kind;

// How generated kernels reach memory.
typedef enum fm_binding_mode {
    // On a GPU addresses where the device has them, else descriptors. On a CPU driver descriptors; dispatches with a binding over
    // max_binding_bytes take addresses there as well (but for kernels with FM_MAX_BINDINGS parameters).
    FM_BINDING_AUTO = 0,
    FM_BINDING_ADDRESSES = 1,   // buffer device address: fewest calls per dispatch
    FM_BINDING_DESCRIPTORS = 2, // descriptors with robust access: what validation layers can see
} fm_binding_mode;

// The element types that a kernel's parameters can have. 16- and 8-bit types are storage types: a kernel reads them as float, int or
// uint and its stores convert back. 64-bit types are there where the device computes with them (fm_device_properties.dtype_mask).
typedef enum fm_dtype {
    FM_DTYPE_NONE = 0,
    FM_DTYPE_F32 = 1,  // float
    FM_DTYPE_F16 = 2,  // half
    FM_DTYPE_I32 = 3,  // int
    FM_DTYPE_U32 = 4,  // uint
    FM_DTYPE_I8 = 5,   // int8
    FM_DTYPE_U8 = 6,   // uint8
    FM_DTYPE_BF16 = 7, // bfloat16: the upper half of a float
    FM_DTYPE_I64 = 8,  // long
    FM_DTYPE_U64 = 9,  // ulong
    FM_DTYPE_F64 = 10, // double
} fm_dtype;

// One device that could be opened.
typedef struct fm_device_entry {
    char name[32];         // what fm_device_open takes: "host", "vulkan:0", "cuda:0", …
    char description[256]; // the driver's own name for it
    fm_device_kind kind;
} fm_device_entry;

// Settings of an open device. All zero is the documented default. Each field but `log` and
// `log_user` has an environment variable that overrides it, read once at open with secure_getenv.
typedef struct fm_device_info {
    // How generated kernels reach memory. FERMATA_BINDING_MODE = auto | addresses | descriptors.
    fm_binding_mode binding_mode;
    // Batches given to the driver at once, a queue; 0 = 2, at most 16. FERMATA_BATCHES_IN_FLIGHT.
    uint32_t batches_in_flight;
    // Queues of the device that are used: short work has the first, long work the others. 0 = up to 3 on a GPU, 1 on a CPU; at most 4.
    // More than the device has share its queues; the host device has 1. FERMATA_QUEUES.
    uint32_t queues;
    // Committed lists not yet retired before a commit waits for the oldest; 0 = 4096. FERMATA_LISTS_IN_FLIGHT.
    uint32_t lists_in_flight;
    // Failures kept for fm_device_take_failure before the oldest is dropped; 0 = 64, at most 65536. FERMATA_FAILURES_KEPT.
    uint32_t failures_kept;
    // Worker threads of the host device; 0 = one per processor. FERMATA_HOST_THREADS.
    uint32_t host_threads;
    // Bytes of native allocations for buffers at most, of both kinds of memory; 0 = what the device reports. What transfers stage lies in
    // host memory and is not counted: fm_buffer_write and fm_buffer_read stage at most 32 MiB at a time, fm_upload and fm_read what they move,
    // until their list is complete. FERMATA_MEMORY_LIMIT.
    uint64_t memory_limit_bytes;
    // Bytes of native allocations that are kept for later although nothing uses them; 0 = 256 MiB; 1 = none. FERMATA_MEMORY_CACHE.
    uint64_t memory_cache_bytes;
    // Bytes that only work in flight keeps (destroyed buffers, staging) before a commit waits for the oldest; 0 = a quarter of the
    // memory limit. FERMATA_IN_FLIGHT_BYTES.
    uint64_t in_flight_bytes;
    // Bytes of one native allocation that buffers share; 0 = 64 MiB. FERMATA_BLOCK_SIZE.
    uint64_t block_size_bytes;
    // Nanoseconds that a wait polls at most before it blocks; 0 = 2,000,000 on a GPU, none on a CPU; 1 = never polls. One
    // thread polls for all that wait, and those behind it look for half as long at most; for less where the device answers sooner, and
    // only while a processor is to spare. FERMATA_SPIN_NS.
    uint64_t spin_ns;
    // Nanoseconds that an idle device is kept waiting so that lists of threads that all wait share a batch; half as long at most where
    // their work takes less than 10 us, and then only for threads whose lists were just completed together. 0 = 12,000 on a GPU, none
    // on a CPU; 1 = lists are never kept back. FERMATA_GATHER_NS.
    uint64_t gather_ns;
    // Nanoseconds that a commit waits at the in-flight limit; 0 = 30 seconds. FERMATA_COMMIT_TIMEOUT_NS.
    uint64_t commit_timeout_ns;
    // Kernel variants kept for the next use, whatever kernel they are of; the least recently used goes first. 0 = 4096. FERMATA_VARIANT_LIMIT.
    uint32_t variant_limit;
    // Bytes of source and code that those variants may have; the newest stays, whatever its size. 0 = 256 MiB. FERMATA_VARIANT_LIMIT_BYTES.
    uint64_t variant_limit_bytes;
    // Most threads that make variants asked for with fm_kernel_prepare; none exists before. 0 = one per processor up to 4; at most 64.
    // FERMATA_COMPILE_THREADS.
    uint32_t compile_threads;
    // Folder in which compiled kernels outlive the process; NULL = "fermata" in the XDG cache folder, "" = no disk cache. Copied. An
    // absolute path to a folder that is the user's own and writable by nobody else; it is made where it is missing. Anything else is not used,
    // and a folder that cannot be written is only read: `log` is told so once, with path and cause, and work goes on. FERMATA_CACHE_DIR.
    const char *cache_dir;
    // Bytes of that folder's files; over it the least recently used are deleted. 0 = 256 MiB. FERMATA_CACHE_LIMIT_BYTES.
    uint64_t cache_limit_bytes;
    // The file of NVRTC, NVIDIA's compiler, for CUDA devices; NULL = libnvrtc.so.13 or .12 where the loader looks, in the toolkit or in a Python
    // package. Read at open alone. FERMATA_NVRTC.
    const char *nvrtc;
    // Takes warnings, one sentence each; NULL = stderr. Called on any thread; must not call Fermata.
    void (*log)(void *log_user, const char *message);
    // Passed to `log`; borrowed until the device is closed.
    void *log_user;
} fm_device_info;

// What an open device is and can do. Constant while it is open.
typedef struct fm_device_properties {
    char name[32];         // the name that opens it again
    char description[256]; // the driver's name for it
    fm_device_kind kind;
    fm_binding_mode binding_mode; // the one in force, never FM_BINDING_AUTO
    uint64_t memory_bytes;        // device memory, as the driver reports it
    uint64_t
        max_binding_bytes; // largest binding of kernels that bind descriptors (GLSL, SPIR-V, or all where that mode was asked for)
    uint32_t max_group_size[3];     // work-items in one workgroup, per axis
    uint32_t max_group_invocations; // work-items in one workgroup, in all
    // Workgroups of one dispatch per axis, of kernels given as GLSL or SPIR-V. Others run in parts where the device wants it; for all of them
    // FM_MAX_GROUPS limits the product, and FM_MAX_ITEMS the work-items of an axis. Indirect dispatches of any kernel have this limit.
    uint32_t max_group_count[3];
    uint32_t max_shared_bytes;         // workgroup-shared arrays of one kernel
    uint32_t max_constants_bytes;      // constants of one dispatch of a generated kernel or host function
    uint32_t max_push_constants_bytes; // push constants of one dispatch of a kernel given as GLSL or SPIR-V
    uint32_t binding_alignment_bytes;  // every binding's offset is a multiple of this
    uint32_t dtype_mask;               // bit (1 << fm_dtype) is set for each dtype that buffers in kernels can have
    uint8_t runs_glsl;                 // 1: takes GLSL and SPIR-V kernels
    uint8_t runs_host_functions;       // 1: takes host functions
    uint8_t keeps_subnormals;          // 1: floats below 1.18e-38 are numbers like others; 0: they may count as 0
    uint8_t runs_shared_memory;        // 1: generated kernels may declare workgroup-shared arrays and call barrier()
    // Work-items of a subgroup, which subgroup_add and the like of the kernel language work on; 1 where the device has no such operations.
    uint32_t subgroup_size;
    // fm_buffer_import_host: the memory begins at a multiple of this, and on all devices but the host device its size is one. 0: none can be.
    uint32_t import_alignment_bytes;
} fm_device_properties;

// Counters since the device was opened. Each is exact; together they are not one instant.
typedef struct fm_device_stats {
    uint64_t commits;           // command lists committed
    uint64_t submissions;       // batches given to the driver
    uint64_t dispatches;        // dispatches submitted
    uint64_t transfers;         // copies, fills, uploads and read-backs submitted
    uint64_t waves;             // groups of commands that ran without a barrier between them
    uint64_t barriers;          // barriers given to the driver
    uint64_t lists_in_flight;   // committed, not yet retired (now); the library's own zero fills count, too
    uint64_t bytes_in_use;      // bytes of all buffers alive or held (now)
    uint64_t bytes_in_use_peak; // the most that bytes_in_use has been
    uint64_t bytes_reserved;    // bytes of native allocations for buffers (now)
    uint64_t bytes_cached;      // of these, bytes that nothing uses (now)
    uint64_t bytes_in_flight; // bytes that only work in flight keeps: destroyed buffers and large staging memory (now)
    uint64_t bytes_in_flight_peak; // the most that bytes_in_flight has been
    uint64_t
        bytes_staging; // host memory in which transfers wait, kept for later ones included; outside of memory_limit_bytes (now)
    uint64_t bytes_staging_peak; // the most that transfers have used of it at once
    uint64_t memory_reuses;      // buffers that took memory over which their stream's earlier work still used
    uint64_t limit_waits;      // commits that waited for the oldest list because of lists_in_flight or in_flight_bytes
    uint64_t full_drains;      // times that a commit or an allocation had to wait until nothing was in flight
    uint64_t failures;         // lists that failed for a reason of their own, not because of earlier work
    uint64_t failures_dropped; // of these, dropped before fm_device_take_failure took them
    uint64_t keeper_wakeups;   // times that the device's keeper thread woke
    uint64_t kernels_compiled; // kernel variants that a compiler made, not the disk cache
    uint64_t variant_hits; // dispatches and creations that found their variant made; those of a list count when it ends
    uint64_t variant_misses;       // those that made one, or waited for the thread that did
    uint64_t variant_evictions;    // variants let go because of variant_limit or variant_limit_bytes
    uint64_t variants_cached;      // variants kept (now); what lists still hold after an eviction is not among them
    uint64_t variant_bytes_cached; // their source and code, in bytes (now)
    uint64_t disk_hits;            // look-ups in the disk cache that found what they looked for
    uint64_t disk_misses;          // those that found nothing, or a file that is not to be trusted
    uint64_t compile_ns;           // nanoseconds spent making variants, summed over threads
    uint64_t bytes_imported;       // of host memory that the device has imported, in none of the above (now)
} fm_device_stats;

// Lists the devices that fm_device_open can open, best first (the order of "auto").
// Parameters: `entries`, room for `*count` entries, or NULL to only count; `count`, in: room, out: devices there are.
// Errors: FM_ERROR_INVALID_ARGUMENT (`count` is NULL), FM_ERROR_OUT_OF_HOST_MEMORY, FM_ERROR_BACKEND (a driver fails),
// FM_ERROR_LOST_IN_FORK (see above). More devices than room is no error. Where no driver was found, one that was installed since is found by the next call.
// Thread-safety: any thread. Lifetime: `entries` is filled with copies.
FM_API fm_status fm_device_list(fm_device_entry *entries, uint32_t *count);

// Opens a device and stores it in `*out_device`.
// Parameters: `name`: "auto" or NULL (discrete GPU, integrated GPU, CPU Vulkan, host: the first that opens), "host",
// "vulkan" (the best Vulkan device), "vulkan:N" (by number), "vulkan:TEXT" (part of the driver's device name, any case),
// "cuda", "cuda:N", "cuda:TEXT" alike;
// `info`: settings, NULL for the defaults, copied; `out_device`: NULL is stored on error. Only drivers that `name` speaks of are loaded: "host"
// loads none.
// Errors: FM_ERROR_NO_DEVICE (no device of that name), FM_ERROR_UNSUPPORTED (it lacks what Fermata or `info` needs),
// FM_ERROR_INVALID_ARGUMENT (a setting or environment variable out of range), FM_ERROR_OUT_OF_MEMORY, FM_ERROR_BACKEND,
// FM_ERROR_LOST_IN_FORK (see above).
// Thread-safety: any thread. Lifetime: until fm_device_close, in the process that opened it.
FM_API fm_status fm_device_open(const char *name, const fm_device_info *info, fm_device **out_device);

// Closes a device: waits for all committed work, frees everything that belongs to it, and nulls `*device`.
// Parameters: `device`, transferred; a pointer to NULL is allowed and does nothing; `timeout_ns`: how long to wait for work.
// Errors: FM_ERROR_BUSY (command lists are still being recorded, which the sentence names: commit or cancel them first, or use
// fm_device_close_force; or the call came from a completion callback), FM_TIMEOUT (work is not done, or waits for a point that was not
// signalled), FM_ERROR_CLOSED, FM_ERROR_LOST_IN_FORK. On error the device stays open and the caller's.
// Work that a failed or lost device can no longer finish does not keep it open.
// Thread-safety: no other call on this device may run at the same time. Later calls with the old pointer answer
// FM_ERROR_CLOSED, and handles of the device are dead.
// Lifetime: callbacks that are due run before this returns (RETIRE-5, LEARNED-11).
FM_API fm_status fm_device_close(fm_device **device, uint64_t timeout_ns);

// Closes a device and gives up what is not on it yet: lists that are being recorded are cancelled, also those of a thread that ended without
// committing; committed lists that were not given to the device fail with FM_ERROR_CANCELLED, and so does each point of fm_point_create
// that was not signalled. Then as fm_device_close; callbacks that run meanwhile find the device closed (FM_ERROR_CLOSED).
// Parameters: `device`, transferred; a pointer to NULL is allowed and does nothing; `timeout_ns`: how long to wait for what is on the device.
// Errors: FM_ERROR_BUSY (the call came from a completion callback), FM_TIMEOUT (what the device works on is not done, or a thread is still
// inside a call that records), FM_ERROR_CLOSED. On error the device stays open and the caller's, without what was given up.
// Thread-safety: as fm_device_close, but other threads may be recording: a call that is inside a list ends first, and later calls with the
// list's pointer answer FM_ERROR_INVALID_ARGUMENT, or FM_ERROR_BUSY just then. They may not commit meanwhile.
// Lifetime: as fm_device_close. Everything is given back.
FM_API fm_status fm_device_close_force(fm_device **device, uint64_t timeout_ns);

// Fills `*out` with what the device is and can do.
// Parameters: `device`; `out`, filled. Errors: FM_ERROR_INVALID_ARGUMENT (`out` is NULL), FM_ERROR_CLOSED.
// Thread-safety: any thread. Lifetime: a copy.
FM_API fm_status fm_device_get_properties(fm_device *device, fm_device_properties *out);

// Gives memory that nothing uses back to the driver, after collecting what is complete.
// Parameters: `device`; `out_bytes`, filled with the bytes given back, NULL for none.
// Errors: FM_ERROR_CLOSED. Thread-safety: any thread; never waits for the device.
// Lifetime: buffers, and memory that lists in flight still hold, are untouched (HOLD-6).
FM_API fm_status fm_device_trim(fm_device *device, uint64_t *out_bytes);

// Fills `*out` with the device's counters.
// Parameters: `device`; `out`, filled. Errors: FM_ERROR_INVALID_ARGUMENT (`out` is NULL), FM_ERROR_CLOSED.
// Thread-safety: any thread; lets go of what complete work still holds, and takes no lock that a commit or wait holds for long.
// Lifetime: a copy.
FM_API fm_status fm_device_get_stats(fm_device *device, fm_device_stats *out);

#ifdef __cplusplus
}
#endif

#endif
