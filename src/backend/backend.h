// THE WAIST. All that a backend implements, and all that it knows of the library.
// Everything above has validated its input: a backend translates and assumes. A backend never takes a lock of the
// library, never calls up, and keeps no list of what is in flight beyond what it needs itself.
// A batch and all that it points to stays valid and unchanged until the batch has been retired.
#ifndef FMI_BACKEND_H
#define FMI_BACKEND_H

#include <fermata/device.h>
#include <fermata/kernel.h>

#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

typedef struct fmi_backend fmi_backend;             // an opened device; each backend defines its own
typedef struct fmi_kernel_binary fmi_kernel_binary; // a kernel that can be dispatched; each backend defines its own
// How long dispatches of a kernel binary take, by the power of two below their number of workgroups; 0 = unknown. Every backend's
// fmi_kernel_binary begins with one, zeroed; the schedule room fills it (schedule/cost.h), backends do not look at it.
enum { FMI_COST_CLASSES = 24 };
typedef struct fmi_cost {
    _Atomic(uint32_t)
        ns[FMI_COST_CLASSES + 1]; // the last: of dispatches whose number of workgroups only the device knows
} fmi_cost;

typedef struct fmi_text fmi_text; // growing text (base/text.h), for compiler messages

enum { FMI_MOST_QUEUES = 4 }; // native queues that are used at once

// Atomics that a device may have beside those of 32-bit integers; bits of fmi_backend_caps.atomics. Of elements of buffers and of shared arrays.
enum {
    FMI_ATOMIC_INT64 = 1u << 0,
    FMI_ATOMIC_SHARED_INT64 = 1u << 1,
    FMI_ATOMIC_FLOAT = 1u << 2, // atomic_add
    FMI_ATOMIC_SHARED_FLOAT = 1u << 3,
};

// What a device's kernels are made of. How a portable kernel becomes it is a row of kernel/target.c.
typedef enum fmi_code_kind {
    FMI_CODE_C = 0, // a text that ends in a zero byte; entry `fm_kernel_main` (backend/host/entry.h)
    FMI_CODE_SPIRV, // words; entry `main`
    FMI_CODE_CUDA,  // a text that ends in a zero byte; entries `fm_kernel_main` and `fm_kernel_indirect`
} fmi_code_kind;

// What a device keeps of floats where a kernel asks for it; bits of fmi_backend_caps.float_modes.
enum {
    FMI_FLOAT_NAN = 1u << 0,         // NaN, infinities and the signs of zeros, in 32 bits
    FMI_FLOAT_WIDE_NAN = 1u << 1,    // in 64 bits
    FMI_FLOAT_SUBNORMALS = 1u << 2,  // in 32 bits
    FMI_FLOAT_ROUNDS_HALF = 1u << 3, // conversions to 16 bits round to the nearest, to even from the middle
};

// What a device can do, filled by `open`. Constant afterwards.
typedef struct fmi_backend_caps {
    char description[256]; // the driver's name for the device
    fm_device_kind kind;
    uint64_t memory_bytes;            // device memory
    uint32_t queue_count;             // queues that `submit` takes batches for; at least 1
    uint64_t max_binding_bytes;       // largest descriptor range; UINT64_MAX where there is no limit
    uint64_t max_block_bytes;         // largest memory block; UINT64_MAX where there is no limit
    uint32_t binding_alignment_bytes; // offsets of bindings are multiples of this; at least 16
    uint32_t import_alignment_bytes;  // imported memory begins at a multiple of this; 0: none can be imported
    uint32_t import_step_bytes;       // and its size is a multiple of this
    uint32_t max_group_size[3];
    uint32_t max_group_count[3]; // of kernels that do not run in parts
    uint32_t group_count_mask; // any kernel takes group counts without other bits than these; 0 where that is not known
    uint32_t max_group_invocations;
    uint32_t max_shared_bytes;         // workgroup-shared arrays of one kernel; 0: there are none, and no barrier()
    uint32_t max_push_constants_bytes; // for kernels that bind descriptors themselves (GLSL, SPIR-V)
    uint32_t dtype_mask;               // bit (1 << fm_dtype); of UINT32_MAX those that the library has are taken
    uint32_t atomics;                  // FMI_ATOMIC_*
    uint32_t float_modes;              // FMI_FLOAT_*
    uint32_t most_loop_trips; // of a work-item's loops together: the driver ends them all then, without a word; 0: none
    uint32_t subgroup_size;   // 1: there are no operations of subgroups
    fm_binding_mode binding_mode; // the one in force for generated kernels; FM_BINDING_ADDRESSES on host
    // Descriptors were the backend's own choice, and it can address memory as well: dispatches with a binding over max_binding_bytes do.
    bool addresses_large_bindings;
    fmi_code_kind code_kind;
    bool takes_host_functions;
    bool ends_at_exit;   // its driver is destroyed by exit(): then nothing of the device works any more
    bool manual;         // executes only when a test steps it: there is no keeper, and freed memory is poisoned
    bool on_cpu;         // the device computes on this machine's processors: waits must not spin
    bool times_are_dear; // a timed batch costs much more than another: few are timed
    uint8_t device_uuid[16];
    uint32_t driver_version;
    // Of the compiler that the backend finds at run time, and of what it asks of it: all zeros where there is none. Part of every key.
    uint32_t compiler_version[3];
} fmi_backend_caps;

// One native allocation. The memory room owns the struct; `allocate_block` fills it.
typedef struct fmi_block {
    void *native;    // the backend's own; NULL = not allocated
    uint8_t *mapped; // host address of its first byte; NULL if the host cannot reach it
    bool cached;     // mapped, and the host reads it as fast as its own memory
    bool zeroed;     // all its bytes are zero, at no cost so far: the system zeroes pages when they are first touched
    uint64_t device_address; // 0 where the device has none
    uint64_t size_bytes;
    fm_memory_kind kind;
    bool imported; // the caller's memory: freeing gives it up and leaves it as it is
} fmi_block;

// A range of memory that a command uses.
typedef struct fmi_span {
    const fmi_block *block;
    uint64_t offset_bytes; // in the block
    uint64_t size_bytes;
    uint32_t region; // dense index of the memory for the planner's hazards
    uint32_t access; // fm_access, and FMI_SPAN_PRIVATE
} fmi_span;

// In fmi_span.access: no other command touches this range, so it needs no hazard tracking (staging memory, used once).
#define FMI_SPAN_PRIVATE 4u

typedef enum fmi_command_kind {
    FMI_COMMAND_DISPATCH = 0, // spans: the bindings
    FMI_COMMAND_COPY = 1,     // spans: [0] source, [1] destination, equal sizes; also uploads and read-backs
    FMI_COMMAND_FILL = 2,     // spans: [0] destination; its offset and size are multiples of 4
    FMI_COMMAND_BARRIER = 3,  // for the planner; never reaches a backend
    // spans: [0] destination, of any offset and size; constants: FMI_PATTERN_BYTES, repeated from its first byte on
    FMI_COMMAND_FILL_PATTERN = 4,
    // spans: [0] source, [1] destination, each from the first row's first byte to the last row's end; constants: an fmi_rect
    FMI_COMMAND_COPY_RECT = 5,
    // Spans: the bindings, then the 12 bytes, at a multiple of 4, in which the device finds the group counts when the command runs. Counts of
    // which one is 0 run nothing. What the counts are is the device's to check: beyond FM_MAX_GROUPS, FM_MAX_ITEMS or what the device runs,
    // nothing of it runs and its list fails.
    FMI_COMMAND_DISPATCH_INDIRECT = 6,
} fmi_command_kind;

enum { FMI_MOST_SPANS = FM_MAX_BINDINGS + 1 }; // of one command

enum { FMI_PATTERN_BYTES = 16 };

// The rows of a FMI_COMMAND_COPY_RECT; more than one, each of 1 byte or more. No row that is read overlaps one that is written.
typedef struct fmi_rect {
    uint64_t row_size_bytes;
    uint64_t row_count;            // of a slice
    uint64_t slice_count;          // 1 or more
    uint64_t row_pitch_bytes[2];   // by span: from one row's first byte to the next one's
    uint64_t slice_pitch_bytes[2]; // by span
} fmi_rect;

// One recorded command. Constants follow the spans (FMI_COMMAND_CONSTANTS).
typedef struct fmi_command {
    struct fmi_command *next; // in the list, in recorded order
    uint8_t kind;             // fmi_command_kind
    uint8_t span_count;
    uint16_t constants_size_bytes;
    uint32_t list; // index of its list in the batch (written by the planner)
    uint32_t wave; // (written by the planner; when the batch runs, by a backend: FMI_WAVE_FAILED)
    union {
        uint32_t group_count[3]; // dispatch; indirect: zeros, until a backend stores what it found
        uint32_t fill_value;     // fill
    };
    const fmi_kernel_binary *binary; // dispatch, of both kinds
    const char *label;               // innermost open label, NULL if none
    fmi_span spans[];
} fmi_command;

static inline bool fmi_command_is_dispatch(const fmi_command *command)
{
    return command->kind == FMI_COMMAND_DISPATCH || command->kind == FMI_COMMAND_DISPATCH_INDIRECT;
}

// In fmi_command.wave: it is this command that its list failed with. A backend that can tell stores it, atomically, before the status.
#define FMI_WAVE_FAILED UINT32_MAX

#define FMI_COMMAND_CONSTANTS(command) ((const void *)&(command)->spans[(command)->span_count])

// Copies constants, most often a few words, without a call.
static inline void fmi_copy_constants(void *to, const void *from, uint32_t size_bytes)
{
    uint8_t *out = (uint8_t *)to;
    const uint8_t *in = (const uint8_t *)from;
    if (size_bytes >= 8) {
        for (uint32_t at = 0; at < size_bytes - 8; at += 8) {
            memcpy(out + at, in + at, 8);
        }
        memcpy(out + size_bytes - 8, in + size_bytes - 8, 8); // overlaps, unless the size is a multiple of 8
    } else if (size_bytes >= 4) {
        memcpy(out, in, 4);
        memcpy(out + size_bytes - 4, in + size_bytes - 4, 4);
    } else {
        for (uint32_t i = 0; i < size_bytes; i++) {
            out[i] = in[i];
        }
    }
}

// Waves of a batch that are timed at most.
enum { FMI_TIMED_WAVES = 64 };

// A planned batch: commands in execution order, grouped in waves. Commands of one wave are independent; everything in a
// wave happens after everything in the wave before it. The device signals `value` when all of it is done.
typedef struct fmi_batch_plan {
    uint32_t queue; // below queue_count
    uint64_t value; // of its queue: counts up by 1 from 1, no gaps between successful submits
    // Nothing of the batch starts before these values of the other queues are complete, and it sees all that their batches wrote. 0: no
    // such wait. They were all submitted before.
    uint64_t waits[FMI_MOST_QUEUES];
    fmi_command *const *commands;
    uint32_t command_count;
    const uint32_t *wave_ends; // wave w is commands [wave_ends[w-1], wave_ends[w])
    uint32_t wave_count;
    // The first wave also waits for everything submitted to the same queue before. Later waves do so either way: where this is false, the first barrier
    // between two waves takes its place, and orders all commands before it against all behind it, of whatever batch of the
    // queue.
    bool after_in_flight;
    // One a list, FM_OK at submit. A backend stores FM_ERROR_KERNEL_FAILED for a list of which a kernel failed, before `value` is
    // signalled.
    fm_status *list_status;
    // One a list, NULL at submit. A backend may store why a list failed, once and before `value` is signalled: the end of a sentence, from
    // malloc; the batch's owner frees it. NULL: nobody asks.
    char **list_reason;
    // Where the backend stores how long each of the first FMI_TIMED_WAVES waves took, in nanoseconds, before `value` is signalled or in
    // `read_times`; zeroed, and left so for waves that it cannot time. NULL: nobody asks.
    uint32_t *wave_ns;
    uint32_t barriers;  // out: barriers that `submit` encoded
    bool asks_failures; // out: lists may have failed in a way that `read_failures` finds out
} fmi_batch_plan;

// What to build a kernel binary from.
typedef struct fmi_kernel_code {
    const char *name;
    // Exactly one of the two: code of the device's kind, aligned as malloc aligns; or a function.
    const void *code;
    size_t code_size_bytes; // a text's zero byte is not counted
    fm_host_function host_function;
    void *user;
    // How arguments travel, for code that is not C:
    //   FM_BINDING_ADDRESSES: the argument block is span_count 64-bit addresses, then the constants, then aligned to 4 (if
    //     wants_group_count) three 32-bit group counts and (if wants_group_base) three 32-bit group bases. `indirect_arguments`: the push constant holds only the 64-bit
    //     address of that block; else the block itself is the push constant.
    //   FM_BINDING_DESCRIPTORS: storage buffer i is (set 0, binding_numbers[i]); the push constants are the constants, then
    //     group counts and bases as above. `indirect_arguments`: that block is one more storage buffer, (set 0, arguments_binding).
    fm_binding_mode binding_mode;
    bool indirect_arguments;
    // Where there are most_loop_trips: the kernel stores to a word, its dispatch's note, whether its loops were ended, and then its list fails. By
    // address: one more address behind those of the spans. By descriptor: one more storage buffer, (set 0, note_binding).
    bool notes_loops;
    bool wants_barriers; // C: the body is `fm_item`, which calls fm_barrier_at
    bool wants_group_count;
    // A dispatch over the device's limits is split into parts. A kernel that asks for its group's number gets each part's base and adds it;
    // one that does not ask cannot tell the parts apart. Given code may ask without taking a base: it can only be dispatched within the limits.
    bool wants_group_base;
    bool runs_in_parts;
    uint32_t span_count;
    uint32_t binding_numbers[FM_MAX_BINDINGS];
    uint32_t arguments_binding;
    uint32_t note_binding;
    uint32_t constants_size_bytes;
    uint32_t group_size[3];
    // What the driver made of this code once before, on this device and driver; NULL where there is none. Comes from a file: a backend
    // checks that it is for its device before the driver sees it.
    const void *driver_data;
    size_t driver_data_size_bytes;
    // Where a backend that has such data appends it, unless `driver_data` served; NULL where nobody wants it.
    fmi_text *out_driver_data;
} fmi_kernel_code;

// Settings that `open` takes from fm_device_info, already defaulted and checked.
typedef struct fmi_backend_settings {
    fm_binding_mode binding_mode;
    uint32_t batches_in_flight; // most batches between submit and retirement, a queue
    uint32_t queues;            // to submit to; more than the device has share them. 0: as many as it gains from
    uint32_t host_threads;
    const char *nvrtc; // the file of NVIDIA's compiler; NULL: the one that is found
} fmi_backend_settings;

// Called by `list` for each device there is. `name` is the exact name that opens it. Returns false to stop.
typedef bool (*fmi_list_visitor)(void *user, const char *name, const char *description, fm_device_kind kind);

typedef struct fmi_backend_ops {
    const char *prefix; // "host", "vulkan"

    // Optional, both or none (NULL: to list and open loads nothing that is not the library's own). Any thread. Between `load` and its `unload`
    // drivers stay loaded, so that `list` and `open` need not load them twice; an open device keeps them by itself. Where no driver is found, or
    // on an error, `*out_loaded` is false and there is nothing to list or to unload.
    fm_status (*load)(bool *out_loaded);
    void (*unload)(void);

    // Optional. Any thread. Why there is no device of it, or none of the name that was asked for: a clause for a sentence.
    void (*explain)(char *out, size_t size);

    // Required. Any thread. Visits the devices; none is no error.
    fm_status (*list)(fmi_list_visitor visit, void *user);

    // Required. Any thread. Opens the device whose exact listed name is `name`. On error sets the last error.
    fm_status (*open)(const char *name, const fmi_backend_settings *settings, fmi_backend **out,
                      fmi_backend_caps *out_caps);

    // Required. One thread, nothing else running. Waits until the device is idle (or gone) and frees everything.
    void (*close)(fmi_backend *backend);

    // Optional (NULL: nothing runs that has not been reported complete). One thread. Returns when the device is idle or gone, before
    // anything is freed.
    void (*quiesce)(fmi_backend *backend);

    // Required. Any thread. Content is undefined. Host-kind blocks are always mapped; device-kind ones where it costs nothing.
    // FM_ERROR_OUT_OF_MEMORY without harm.
    fm_status (*allocate_block)(fmi_backend *backend, fm_memory_kind kind, uint64_t size_bytes, fmi_block *out);
    void (*free_block)(fmi_backend *backend, fmi_block *block);

    // Optional (NULL: none can be imported). Any thread. Makes a host-kind block, mapped and coherent, of memory that somebody else keeps for as
    // long as the block lives; `free_block` gives it up. FM_ERROR_UNSUPPORTED, FM_ERROR_OUT_OF_MEMORY; FM_ERROR_INVALID_ARGUMENT: a driver has some of it already.
    fm_status (*import_block)(fmi_backend *backend, void *pointer, uint64_t size_bytes, fmi_block *out);

    // Required. Any thread. Compiler messages go to `log`; sets the last error. FM_ERROR_COMPILE, FM_ERROR_UNSUPPORTED, FM_ERROR_BACKEND.
    fm_status (*create_kernel)(fmi_backend *backend, const fmi_kernel_code *code, fmi_kernel_binary **out,
                               fmi_text *log);
    void (*destroy_kernel)(fmi_backend *backend, fmi_kernel_binary *binary);

    // Optional (NULL: any count runs). Any thread. Can this kernel be dispatched with these group counts?
    bool (*accepts_group_count)(fmi_backend *backend, const fmi_kernel_binary *binary, const uint32_t group_count[3]);

    // Required. One thread at a time. Starts the batch and returns; at most `batches_in_flight` of its queue are unretired. It may have no
    // commands. On error nothing of it runs, and the same `value` comes again.
    fm_status (*submit)(fmi_backend *backend, fmi_batch_plan *plan);

    // Required. Any thread, never blocks. The queue's highest value such that it and all before are done. FM_ERROR_DEVICE_LOST.
    fm_status (*completed)(fmi_backend *backend, uint32_t queue, uint64_t *out_value);

    // Optional (NULL: `wave_ns` is filled by then, or never). One thread at a time. Fills `plan->wave_ns` of a batch that is complete and
    // not retired; never blocks.
    void (*read_times)(fmi_backend *backend, const fmi_batch_plan *plan);

    // Optional (NULL: `asks_failures` is never set). One thread at a time. Stores list_status and list_reason where the device has noted that a
    // list of a batch failed, which is complete and not retired; never blocks.
    void (*read_failures)(fmi_backend *backend, const fmi_batch_plan *plan);

    // Required. Any thread. Blocks without spinning until `completed` would give a queue's entry or more, for any queue whose entry is not
    // 0; there is one. FM_TIMEOUT, FM_ERROR_DEVICE_LOST.
    fm_status (*wait)(fmi_backend *backend, const uint64_t values[FMI_MOST_QUEUES], uint64_t timeout_ns);
} fmi_backend_ops;

#ifdef FMI_HAVE_HOST
extern const fmi_backend_ops fmi_backend_host;
#endif
#if defined(FMI_HAVE_HOST) && defined(FERMATA_TESTING)
extern const fmi_backend_ops fmi_backend_manual;
#endif
#ifdef FMI_HAVE_VULKAN
extern const fmi_backend_ops fmi_backend_vulkan;
#endif
#ifdef FMI_HAVE_CUDA
extern const fmi_backend_ops fmi_backend_cuda;
#endif

#endif
