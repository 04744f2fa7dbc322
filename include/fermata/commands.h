// Command lists: record in plain memory without a lock, then commit to a stream.
// A list has one owner at a time; a second thread inside it gets FM_ERROR_BUSY (THREAD-2).
// Transfers of 0 bytes, whether the size is given as 0 or FM_WHOLE_SIZE leaves nothing, are no-ops, as with memcpy: handles and offsets are
// checked, host pointers may be NULL, nothing is recorded or held, and the answer is FM_OK.
#ifndef FERMATA_COMMANDS_H
#define FERMATA_COMMANDS_H

#include <fermata/buffer.h>
#include <fermata/kernel.h>
#include <fermata/stream.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct fm_commands fm_commands;

// Bits of fm_commands_info.flags.
enum {
    FM_COMMANDS_UNTRACKED = 1u, // no automatic barriers between this list's commands: fm_barrier places them
    FM_COMMANDS_REUSABLE =
        2u, // fm_commit leaves the list with the caller, who may commit it again; fm_patch changes dispatches
};

// Most workgroups of one dispatch, all axes multiplied: every workgroup has a number of 32 bits. The same on every device.
#define FM_MAX_GROUPS (UINT64_C(1) << 32)

// What to record.
typedef struct fm_commands_info {
    uint32_t flags;    // FM_COMMANDS_*
    const char *label; // for error sentences; copied; NULL = none
} fm_commands_info;

// A range of a buffer as one parameter of a dispatch.
typedef struct fm_binding {
    fm_buffer buffer;      // held until the list's point
    uint64_t offset_bytes; // a multiple of fm_device_properties.binding_alignment_bytes
    uint64_t
        size_bytes; // 0 or FM_WHOLE_SIZE: to the end of the buffer; of a portable kernel: whole elements of the dtype
    fm_dtype
        dtype; // for parameters created with FM_DTYPE_NONE; otherwise FM_DTYPE_NONE or the parameter's (or GLSL array's) own
    // NULL: the binding is of the parameter in its place. Otherwise the name of the parameter that it is of (fm_kernel_param_properties.name),
    // borrowed for the call; then all bindings of the dispatch have one, and their order does not matter. Costs a look-up each time.
    const char *param_name;
} fm_binding;

// Bits of fm_dispatch_info.flags.
enum {
    // group_count is in work-items: the library divides by the kernel's group size and rounds up, so that the last workgroup of an axis may
    // have work-items beyond the count, which the kernel must leave alone. y and z may stay unset: 0 is 1 there. x of 0 is refused. A host
    // function has no group size: its workgroups are work-items.
    FM_DISPATCH_ITEMS = 1u,
    // A count of 0 on any axis, y and z included, means that nothing is dispatched: everything else is checked, the answer is FM_OK, and the
    // list is as before. For counts that are data. In a reusable list such a dispatch keeps its number, and fm_patch can give it work.
    FM_DISPATCH_MAY_BE_EMPTY = 2u,
};

// One dispatch.
typedef struct fm_dispatch_info {
    fm_kernel kernel; // held until the list's point
    // Workgroups per axis (work-items with FM_DISPATCH_ITEMS), each 1 or more, FM_MAX_GROUPS in all; times the kernel's group size FM_MAX_ITEMS
    // at most on each axis; GLSL, SPIR-V: also within fm_device_properties.max_group_count. Without flags an axis that is left at 0 is an
    // error, never a 1: {n, 0, 0} is refused.
    uint32_t group_count[3];
    // In the order of the kernel's parameters (GLSL and SPIR-V: by rising binding number), or by name (fm_binding.param_name); copied.
    const fm_binding *bindings;
    uint32_t binding_count;        // exactly the kernel's
    const void *constants;         // copied
    uint32_t constants_size_bytes; // exactly the kernel's
    uint32_t flags;                // FM_DISPATCH_*
} fm_dispatch_info;

// A copy of rows: `slice_count` slices of `row_count` rows of `row_size_bytes` bytes.
typedef struct fm_copy_rect_info {
    fm_buffer source;                       // held until the list's point
    uint64_t source_offset_bytes;           // of the first row's first byte
    uint64_t source_row_pitch_bytes;        // from a row's first byte to the next row's; 0 = rows lie end to end
    uint64_t source_slice_pitch_bytes;      // from a slice's first byte to the next slice's; 0 = row pitch times rows
    fm_buffer destination;                  // held until the list's point
    uint64_t destination_offset_bytes;      // these four as above
    uint64_t destination_row_pitch_bytes;   //
    uint64_t destination_slice_pitch_bytes; //
    uint64_t row_size_bytes;                // 0: a no-op
    uint64_t row_count;                     // of a slice; 0: a no-op
    uint64_t slice_count;                   // 0 = 1
} fm_copy_rect_info;

// How to commit.
typedef struct fm_commit_info {
    fm_stream stream; // where the list is ordered
    const fm_point
        *after; // the list runs after these too, whatever their streams, and points of fm_point_create; copied
    uint32_t after_count;
    uint8_t no_wait; // 1: answer FM_WOULD_BLOCK instead of waiting at the in-flight limit
} fm_commit_info;

// Begins a command list and stores it in `*out_commands`.
// Parameters: `device`; `info`, copied, NULL for the defaults; `out_commands`, NULL is stored on error.
// Errors: FM_ERROR_INVALID_ARGUMENT, FM_ERROR_OUT_OF_HOST_MEMORY, FM_ERROR_CLOSED.
// Thread-safety: any thread; shares nothing with other threads' lists (THREAD-1).
// Lifetime: the caller's until fm_commit or fm_commands_cancel. Its memory is recycled from retired lists.
FM_API fm_status fm_commands_begin(fm_device *device, const fm_commands_info *info, fm_commands **out_commands);

// Cancels a list: nothing of it runs, everything that it held is let go, and `*commands` is nulled.
// Parameters: `commands`, transferred; a pointer to NULL does nothing.
// Errors: FM_ERROR_BUSY (another thread is inside the list, which stays the caller's), FM_ERROR_INVALID_ARGUMENT (not being recorded).
// Thread-safety: the list's owner. Lifetime: `*commands` is gone on FM_OK.
FM_API fm_status fm_commands_cancel(fm_commands **commands);

// Records a dispatch of `info->kernel` with its bindings and constants.
// Parameters: `commands`, borrowed; `info`, copied.
// Errors: FM_ERROR_NULL_HANDLE, FM_ERROR_STALE_HANDLE, FM_ERROR_FOREIGN_HANDLE (which binding is in fm_last_error),
// FM_ERROR_OUT_OF_RANGE (a binding exceeds its buffer, or has fewer bytes than a GLSL or SPIR-V block of fixed size), FM_ERROR_INVALID_ARGUMENT (wrong count, size, alignment or dtype, a binding that
// ends within an element of a portable kernel's, a group count of 0 without FM_DISPATCH_MAY_BE_EMPTY, more than FM_MAX_GROUPS workgroups, more than
// FM_MAX_ITEMS work-items on an axis, unknown flags, a param_name that the kernel does not have, that is given twice or only to some bindings), FM_ERROR_COMPILE or FM_ERROR_UNSUPPORTED (a variant chosen by dtypes,
// or a GLSL or SPIR-V kernel beyond the device's group counts), FM_ERROR_BUSY, FM_ERROR_OUT_OF_HOST_MEMORY.
// On error nothing is recorded and the list is as before.
// Thread-safety: the list's owner (THREAD-2). Lifetime: everything bound is held from here until the list is complete or
// cancelled, once however often it is bound (HOLD-1, HOLD-2, HOLD-3).
FM_API fm_status fm_dispatch(fm_commands *commands, const fm_dispatch_info *info);

// Records a dispatch whose group counts the device reads when it runs: what an earlier command of the same or another list wrote decides how
// much there is to do, and nobody waits for it.
// Parameters: `commands`, borrowed; `info`, copied, as for fm_dispatch, but its group_count is not looked at and its flags are 0; `buffer`, in
// which three uint32_t lie, the workgroups on x, y and z, at `offset_bytes`, a multiple of 4. It is read like a binding, so what writes
// it before comes before, and may be one of the bindings as well.
// A count of 0 runs nothing. Counts over FM_MAX_GROUPS, FM_MAX_ITEMS or, of any kernel, fm_device_properties.max_group_count run
// nothing either, and the list fails with FM_ERROR_KERNEL_FAILED and a sentence that has the counts; what comes after in the list may have run.
// `group_count` in kernels is what was read.
// Errors: as fm_dispatch; handle errors, FM_ERROR_OUT_OF_RANGE and FM_ERROR_INVALID_ARGUMENT also of `buffer` and `offset_bytes`.
// On error nothing is recorded and the list is as before.
// Thread-safety: the list's owner (THREAD-2). Lifetime: as fm_dispatch; `buffer` is held as well (HOLD-1). In a reusable list fm_patch
// changes bindings and constants; the counts stay where they are.
FM_API fm_status fm_dispatch_indirect(fm_commands *commands, const fm_dispatch_info *info, fm_buffer buffer,
                                      uint64_t offset_bytes);

// Records a copy of `size_bytes` bytes between buffers, or within one if the ranges do not overlap.
// Parameters: `commands`, borrowed; `source`, `destination` and their offsets in bytes; `size_bytes`, 0 or more (0: a
// no-op), or FM_WHOLE_SIZE: to the end of `source`.
// Errors: handle errors, FM_ERROR_OUT_OF_RANGE, FM_ERROR_INVALID_ARGUMENT (ranges overlap), FM_ERROR_BUSY, FM_ERROR_OUT_OF_HOST_MEMORY.
// Thread-safety: the list's owner. Lifetime: both buffers are held until the list is complete or cancelled (HOLD-1).
FM_API fm_status fm_copy(fm_commands *commands, fm_buffer source, uint64_t source_offset_bytes, fm_buffer destination,
                         uint64_t destination_offset_bytes, uint64_t size_bytes);

// Records a fill of a range with a repeated 32-bit value.
// Parameters: `commands`, borrowed; `buffer`; `offset_bytes`, a multiple of 4; `size_bytes`, a multiple of 4 (0: a
// no-op), or FM_WHOLE_SIZE: to the end (a last part of under 4 bytes gets the value's first bytes); `value`.
// Errors: handle errors, FM_ERROR_OUT_OF_RANGE, FM_ERROR_INVALID_ARGUMENT (not a multiple of 4), FM_ERROR_BUSY, FM_ERROR_OUT_OF_HOST_MEMORY.
// Thread-safety: the list's owner. Lifetime: the buffer is held until the list is complete or cancelled (HOLD-1).
FM_API fm_status fm_fill(fm_commands *commands, fm_buffer buffer, uint64_t offset_bytes, uint64_t size_bytes,
                         uint32_t value);

// Records a fill of a range with a repeated pattern of 1, 2, 4, 8 or 16 bytes, which begins anew at the range's first byte. What repeats
// every 4 bytes, in a range that begins and ends on a multiple of 4, costs what fm_fill costs.
// Parameters: `commands`, borrowed; `buffer`; `offset_bytes` and `size_bytes`, multiples of the pattern's size (a size of 0: a no-op), or
// FM_WHOLE_SIZE: to the end (a last part gets the pattern's first bytes); `pattern`, copied, NULL only for a no-op; `pattern_size_bytes`.
// Errors: handle errors, FM_ERROR_OUT_OF_RANGE, FM_ERROR_INVALID_ARGUMENT (another size of pattern, not a multiple of it, a NULL), FM_ERROR_BUSY,
// FM_ERROR_OUT_OF_HOST_MEMORY.
// Thread-safety: the list's owner. Lifetime: the buffer is held until the list is complete or cancelled (HOLD-1).
FM_API fm_status fm_fill_pattern(fm_commands *commands, fm_buffer buffer, uint64_t offset_bytes, uint64_t size_bytes,
                                 const void *pattern, uint32_t pattern_size_bytes);

// Records a copy of rows of bytes, which may lie at different distances in source and destination: a rectangle of a matrix, or slices of such
// rectangles. Source and destination may be one buffer if no row that is read overlaps one that is written.
// Parameters: `commands`, borrowed; `info`, copied.
// Errors: handle errors, FM_ERROR_OUT_OF_RANGE (the last row's end exceeds its buffer), FM_ERROR_INVALID_ARGUMENT (a pitch that is less than
// a row or slice, rows overlap, a NULL), FM_ERROR_BUSY, FM_ERROR_OUT_OF_HOST_MEMORY.
// Thread-safety: the list's owner. Lifetime: both buffers are held until the list is complete or cancelled (HOLD-1).
FM_API fm_status fm_copy_rect(fm_commands *commands, const fm_copy_rect_info *info);

// Records a write of host bytes into a buffer; the bytes are captured at this call: in host memory that the device can reach, as many as there are,
// until the list is complete, beside the buffer's own and outside of memory_limit_bytes. fm_buffer_write needs 32 MiB for any size.
// Parameters: `commands`, borrowed; `buffer`; `offset_bytes`; `size_bytes`, 0 or more (0: a no-op), or FM_WHOLE_SIZE: to
// the end of `buffer`; `source`, so many bytes, copied now (LEARNED-16).
// Errors: handle errors, FM_ERROR_OUT_OF_RANGE, FM_ERROR_INVALID_ARGUMENT, FM_ERROR_OUT_OF_MEMORY (staging), FM_ERROR_BUSY, FM_ERROR_OUT_OF_HOST_MEMORY.
// Thread-safety: the list's owner. Lifetime: `source` is the caller's again on return; buffer and staging memory are held until
// the list is complete or cancelled (HOLD-1).
FM_API fm_status fm_upload(fm_commands *commands, fm_buffer buffer, uint64_t offset_bytes, uint64_t size_bytes,
                           const void *source);

// Records a read-back: `destination` holds the bytes, as they are at this place in the list, once the list's point is complete. Until then
// they have as much host memory of their own, as with fm_upload. fm_buffer_read needs 32 MiB for any size.
// Parameters: `commands`, borrowed; `buffer`; `offset_bytes`; `size_bytes`, 0 or more (0: a no-op), or FM_WHOLE_SIZE: to
// the end of `buffer`; `destination`, room for so many bytes, borrowed until the list's point is complete, failed, or the list is cancelled.
// Errors: handle errors, FM_ERROR_OUT_OF_RANGE, FM_ERROR_INVALID_ARGUMENT, FM_ERROR_OUT_OF_MEMORY (staging), FM_ERROR_BUSY, FM_ERROR_OUT_OF_HOST_MEMORY.
// Thread-safety: the list's owner; the bytes are written by whichever thread retires the list, before its point is published.
// Lifetime: buffer and staging memory are held until the list is complete or cancelled (READ-1, READ-6, HOLD-1).
FM_API fm_status fm_read(fm_commands *commands, fm_buffer buffer, uint64_t offset_bytes, uint64_t size_bytes,
                         void *destination);

// Records a barrier: every command recorded after it runs after every command recorded before it in this list.
// Parameters: `commands`, borrowed. Errors: FM_ERROR_BUSY, FM_ERROR_INVALID_ARGUMENT, FM_ERROR_OUT_OF_HOST_MEMORY.
// Thread-safety: the list's owner. Needed only in lists that are untracked. Lifetime: nothing is held.
FM_API fm_status fm_barrier(fm_commands *commands);

// Opens a named group of commands, for error sentences and GPU debuggers. They show the open groups as "outer/inner"; where that has more than
// 255 bytes, the innermost ones behind ".../".
// Parameters: `commands`, borrowed; `label`, copied, not NULL. Errors: FM_ERROR_BUSY, FM_ERROR_INVALID_ARGUMENT, FM_ERROR_OUT_OF_HOST_MEMORY.
// Thread-safety: the list's owner. Lifetime: open until fm_label_pop or the commit.
FM_API fm_status fm_label_push(fm_commands *commands, const char *label);

// Closes the group that the last fm_label_push opened.
// Parameters: `commands`, borrowed. Errors: FM_ERROR_INVALID_ARGUMENT (none is open), FM_ERROR_BUSY.
// Thread-safety: the list's owner. Lifetime: nothing is held.
FM_API fm_status fm_label_pop(fm_commands *commands);

// Replaces bindings, group counts and constants of a dispatch of a reusable list, for the commits that follow.
// Parameters: `commands`, borrowed, begun with FM_COMMANDS_REUSABLE; `dispatch`, its number in the list, counted from 0;
// `info`, copied: the whole dispatch as it is to be, of the same kernel.
// Errors: as fm_dispatch, FM_ERROR_INVALID_ARGUMENT (not reusable, no such dispatch, another kernel). On error the dispatch is as before.
// Thread-safety: the list's owner (THREAD-2), also while earlier commits of the list are in flight: they keep what they had.
// Lifetime: each commit holds what the dispatches bind then (HOLD-1); what was recorded is held until the first commit as well.
FM_API fm_status fm_patch(fm_commands *commands, uint32_t dispatch, const fm_dispatch_info *info);

// Commits `*commands` to `info->stream` and nulls it; everything it binds is held until `*out_point`.
// A list begun with FM_COMMANDS_REUSABLE stays the caller's and may be committed again at once, to any stream, also while earlier commits
// of it are in flight: each commit runs the commands as they are then. Between commits it holds none of its buffers and kernels:
// FM_ERROR_STALE_HANDLE if one of them was destroyed. It cannot fm_read, and ends with fm_commands_cancel.
// Parameters: `commands`, transferred on FM_OK; `info`, copied; `out_point`, filled on FM_OK, may be NULL.
// Errors: handle errors of the stream and of each `after` point, FM_ERROR_INVALID_ARGUMENT (a point that no commit has returned, or a stream that
// is the own one of a point of fm_point_create), FM_WOULD_BLOCK (in-flight limit reached and info->no_wait), FM_TIMEOUT (limit reached and no place came free within
// fm_device_info.commit_timeout_ns), FM_ERROR_BUSY, FM_ERROR_DEPENDENCY (the stream or an `after`
// point has failed; the sentence says the first cause, and see fm_stream_reset), FM_ERROR_DEVICE_LOST. On error `*commands` stays the caller's and nothing is lost (LEARNED-8).
// Thread-safety: the list's owner; any thread may commit to any stream (THREAD-1). Never blocks on the device unless the
// in-flight limit is reached, and then for the oldest lists only, as many as it takes (RETIRE-4). An empty list completes in its turn.
// Lifetime: point and place in the stream's order are chosen in one step (READ-2, READ-3). A copy of the old pointer must not be used:
// a later fm_commands_begin may return the same address.
FM_API fm_status fm_commit(fm_commands **commands, const fm_commit_info *info, fm_point *out_point);

#ifdef __cplusplus
}
#endif

#endif
