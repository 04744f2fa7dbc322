// Buffers: ranges of device memory named by value handles.
// A handle may be destroyed at any moment; the memory lives until the last submission that uses it is complete (HOLD-1).
#ifndef FERMATA_BUFFER_H
#define FERMATA_BUFFER_H

#include <fermata/device.h>
#include <fermata/stream.h>

#ifdef __cplusplus
extern "C" {
#endif

// A buffer. Plain value; {0} is the null handle.
typedef struct fm_buffer {
    uint64_t id;
} fm_buffer;

// Where a buffer's memory lies.
typedef enum fm_memory_kind {
    FM_MEMORY_DEVICE = 0, // fastest for kernels
    FM_MEMORY_HOST = 1,   // in host memory that the device can reach
} fm_memory_kind;

// Bits of fm_buffer_info.flags.
enum {
    FM_BUFFER_UNINITIALIZED = 1u, // the first content is undefined; without it, memory reads as zero
};

// What to create.
typedef struct fm_buffer_info {
    uint64_t size_bytes; // 1 or more
    fm_memory_kind memory;
    uint32_t flags;    // FM_BUFFER_*
    const char *label; // for error sentences; copied; NULL = none
    // A stream whose destroyed buffers' memory may be taken over at once, before their work is complete: for buffers that this stream's
    // next commits use. Another stream's use is made to wait for that work, and fails with it. Null = only memory that nothing uses any more.
    fm_stream stream;
} fm_buffer_info;

// Host memory to import.
typedef struct fm_buffer_import_info {
    // A multiple of fm_device_properties.import_alignment_bytes; readable and writable; borrowed until `release` is called.
    void *pointer;
    uint64_t size_bytes; // 1 or more; on all devices but the host device a multiple of the same number
    const char *label;   // for error sentences; copied; NULL = none
    // Called once when the device has done with the memory, with `pointer`; NULL = nobody is told, and the memory must outlive the device.
    void (*release)(void *user, void *pointer);
    void *release_user; // passed to `release`; borrowed until then
} fm_buffer_import_info;

// One side of a copy between devices.
typedef struct fm_copy_side {
    fm_device *device;
    fm_stream stream; // after whose earlier work
    fm_buffer buffer;
    uint64_t offset_bytes;
} fm_copy_side;

// Creates a buffer whose content reads as zero (unless FM_BUFFER_UNINITIALIZED).
// Parameters: `device`; `info`, copied; `out_buffer`, the null handle is stored on error.
// Errors: FM_ERROR_INVALID_ARGUMENT (a NULL, a size of 0, unknown flags or kind), FM_ERROR_OUT_OF_MEMORY (over the
// device's limit although nothing is in flight any more that would make room; fm_last_error says who holds the memory, and nothing is lost), FM_ERROR_OUT_OF_HOST_MEMORY,
// FM_ERROR_DEVICE_LOST, FM_ERROR_CLOSED.
// Thread-safety: any thread. Lifetime: until fm_buffer_destroy and the end of the last submission that uses it (HOLD-6).
FM_API fm_status fm_buffer_create(fm_device *device, const fm_buffer_info *info, fm_buffer *out_buffer);

// Makes a buffer of memory that the caller has, without a copy: the device works on it where it lies, and its content stays as it is. It counts
// in fm_device_stats.bytes_imported and under no limit, and never passes to another buffer.
// The caller may read and write the bytes as those of a mapped buffer (fm_buffer_map), and keeps them until `info->release` is called: when
// the buffer is destroyed and the last list that uses it is complete or cancelled, or the device is closed.
// Parameters: `device`; `info`, copied; `out_buffer`, the null handle is stored on error.
// Errors: FM_ERROR_INVALID_ARGUMENT (a NULL, a size of 0, not a multiple of the alignment, bytes that are imported already and not released),
// FM_ERROR_UNSUPPORTED (the driver lacks VK_EXT_external_memory_host, or does not take this memory, as it may be with mapped files),
// FM_ERROR_OUT_OF_MEMORY, FM_ERROR_OUT_OF_HOST_MEMORY, FM_ERROR_DEVICE_LOST, FM_ERROR_CLOSED. On error `release` is not called.
// Thread-safety: any thread. `release` runs on the device's keeper thread with no lock held and may call Fermata, but not close the device; what
// only fm_device_close ends is released by the thread that closes, before it returns, when the device is closed already.
// Lifetime: as of a buffer made by fm_buffer_create (HOLD-1, HOLD-6); after fm_buffer_donate the output's.
FM_API fm_status fm_buffer_import_host(fm_device *device, const fm_buffer_import_info *info, fm_buffer *out_buffer);

// Turns a buffer into another one on the same memory, for an output that takes over its input: `input` is dead at once, `*out_buffer`
// has its first `size_bytes` bytes. Lists that use `input` go on, and the memory is held for them as before (HOLD-5).
// Parameters: `device`; `input`, transferred on FM_OK; `size_bytes`, 1 to the input's size, or FM_WHOLE_SIZE; `label`, copied, NULL for
// none; `out_buffer`, the null handle is stored on error.
// Errors: handle errors, FM_ERROR_INVALID_ARGUMENT (size 0 or a NULL), FM_ERROR_OUT_OF_RANGE (more than the input's size),
// FM_ERROR_OUT_OF_HOST_MEMORY, FM_ERROR_CLOSED. On error `input` stays the caller's.
// Thread-safety: any thread, at any moment; of several threads that donate or destroy one buffer, one succeeds.
// Lifetime: as of a buffer made by fm_buffer_create. Costs no device work.
FM_API fm_status fm_buffer_donate(fm_device *device, fm_buffer input, uint64_t size_bytes, const char *label,
                                  fm_buffer *out_buffer);

// Destroys a buffer: the handle is dead at once, the memory is held until the last list that binds it is complete or cancelled.
// Parameters: `device`; `buffer`, transferred; the null handle does nothing.
// Errors: FM_ERROR_STALE_HANDLE (destroyed before), FM_ERROR_FOREIGN_HANDLE, FM_ERROR_CLOSED.
// Thread-safety: any thread, at any moment, also while other threads record or run work with it (HOLD-1, HOLD-4).
// Lifetime: never blocks, never waits for the device.
FM_API fm_status fm_buffer_destroy(fm_device *device, fm_buffer buffer);

// Stores the size that the buffer was created with, in bytes.
// Parameters: `device`; `buffer`, borrowed; `out_size_bytes`, filled.
// Errors: FM_ERROR_NULL_HANDLE, FM_ERROR_STALE_HANDLE, FM_ERROR_FOREIGN_HANDLE, FM_ERROR_INVALID_ARGUMENT, FM_ERROR_CLOSED.
// Thread-safety: any thread. Lifetime: the answer is a copy.
FM_API fm_status fm_buffer_get_size(fm_device *device, fm_buffer buffer, uint64_t *out_size_bytes);

// Writes `size_bytes` bytes from `source` into the buffer, after all earlier work on `stream`, and returns when they are there.
// A write of any size has one place in the stream's order: what others commit to `stream` meanwhile is behind it. Where the host can reach the
// memory and `stream` alone uses it a write goes there directly; else through staging memory of 32 MiB at most, in parts. Lists of other streams
// that nothing orders against the write may find a part of it.
// Parameters: `device`; `stream` and `buffer`, borrowed; `offset_bytes` and `size_bytes`, the range (FM_WHOLE_SIZE: to the
// buffer's end; 0 bytes: handles and offset are checked, and nothing is written or waited for); `source`, copied, NULL for 0 bytes;
// `timeout_ns`, for the wait, also at an in-flight limit and for staging memory.
// Errors: handle errors, FM_ERROR_OUT_OF_RANGE, FM_ERROR_INVALID_ARGUMENT (a NULL), FM_TIMEOUT (up to 32 MiB: the write is still under way
// and will happen; more: a part of it is written, the rest will not be), FM_WOULD_BLOCK (the time ran out at an in-flight limit, before staging
// memory came free or, with more than 32 MiB, before the stream's earlier work was complete: nothing is written), FM_ERROR_DEPENDENCY,
// FM_ERROR_OUT_OF_MEMORY (no host memory to stage in; nothing is written), FM_ERROR_CLOSED; after a failure while it is under way, as of any
// list, the range's content is undefined.
// Thread-safety: any thread; waits for its own submissions and, with more than 32 MiB, the stream's earlier work alone, outside every lock (READ-1,
// LEARNED-16).
// Lifetime: `source` is the caller's again on return, whatever the answer. The buffer is held until then (HOLD-1).
FM_API fm_status fm_buffer_write(fm_device *device, fm_stream stream, fm_buffer buffer, uint64_t offset_bytes,
                                 uint64_t size_bytes, const void *source, uint64_t timeout_ns);

// Reads `size_bytes` bytes of the buffer into `destination`, after all earlier work on `stream`. A read of any size has one place in the
// stream's order, as a write has, and stages 32 MiB at most.
// Parameters: `device`; `stream` and `buffer`, borrowed; `offset_bytes` and `size_bytes`, the range (FM_WHOLE_SIZE: to the
// buffer's end; 0 bytes: handles and offset are checked, and nothing is read or waited for); `destination`, NULL for 0 bytes, filled on
// FM_OK; after any other answer its bytes are undefined; `timeout_ns`, for the wait, also at an in-flight limit and for staging memory.
// Errors: handle errors, FM_ERROR_OUT_OF_RANGE, FM_ERROR_INVALID_ARGUMENT (a NULL), FM_TIMEOUT,
// FM_ERROR_DEPENDENCY, FM_ERROR_OUT_OF_MEMORY (no host memory to stage in), FM_ERROR_CLOSED.
// Thread-safety: any thread; waits outside every lock, for its own submissions or, where the host can look at the memory, for what
// `stream` has committed so far, and for nothing else (READ-1, READ-2, READ-6).
// Lifetime: `destination` is the caller's again on return, whatever the answer: nothing is written there later. The buffer is held until then.
FM_API fm_status fm_buffer_read(fm_device *device, fm_stream stream, fm_buffer buffer, uint64_t offset_bytes,
                                uint64_t size_bytes, void *destination, uint64_t timeout_ns);

// Copies bytes between buffers of two devices, after all earlier work on both sides' streams, and returns when they are there. They go
// through the host in pieces: about 32 MiB of staging memory in all, whatever the size. What other threads commit to the streams
// meanwhile may stand between two pieces. Both sides on one device is one copy on the device, as fm_copy.
// Parameters: `source` and `destination`, copied, and what they name borrowed; `size_bytes` (FM_WHOLE_SIZE: to the end of the source's buffer; 0
// bytes: handles and offsets are checked, and nothing is waited for); `timeout_ns`, for the whole.
// Errors: as fm_buffer_read for the source and as fm_buffer_write for the destination, and the sentence says which side it was;
// FM_ERROR_INVALID_ARGUMENT also for ranges of one buffer that overlap. After any error part of the destination's range may have been
// written, and after FM_TIMEOUT part of it still may be.
// Thread-safety: any thread; waits for its own lists alone, outside every lock (READ-1).
// Lifetime: the buffers may be destroyed meanwhile; FM_ERROR_STALE_HANDLE then ends the copy.
FM_API fm_status fm_buffer_copy_across(const fm_copy_side *source, const fm_copy_side *destination, uint64_t size_bytes,
                                       uint64_t timeout_ns);

// Stores the host address of a range of a buffer, for the caller to read and write where it lies. Nothing is copied and nothing has to be
// undone: the memory is mapped for as long as it lives, and it is coherent.
// The library does not know when the host looks or writes; the caller orders that by points. Bytes that a list writes may be read, and
// bytes that it uses may be written, once its point is complete. What was written before a list's commit, the list sees.
// Parameters: `device`; `buffer`, borrowed; `offset_bytes` and `size_bytes`, the range (FM_WHOLE_SIZE: to the buffer's end); `out_pointer`,
// NULL is stored on error. A buffer's first byte is aligned to 64 bytes at least.
// Errors: handle errors, FM_ERROR_OUT_OF_RANGE, FM_ERROR_INVALID_ARGUMENT (`out_pointer` is NULL), FM_ERROR_UNSUPPORTED (device memory that the
// host cannot reach: FM_MEMORY_HOST is always reached, FM_MEMORY_DEVICE where it is the host's own), FM_WOULD_BLOCK (the buffer was
// created for a stream, and took over memory that this stream's earlier work still uses: wait for the stream first),
// FM_ERROR_BACKEND (memory that was taken over could not be zeroed), FM_ERROR_CLOSED.
// Thread-safety: any thread. Lifetime: the pointer may be used until the caller destroys the buffer or closes the device; after
// fm_buffer_donate it is the output's, until that is destroyed. Lists that hold the memory longer do not prolong it.
FM_API fm_status fm_buffer_map(fm_device *device, fm_buffer buffer, uint64_t offset_bytes, uint64_t size_bytes,
                               void **out_pointer);

#ifdef __cplusplus
}
#endif

#endif
