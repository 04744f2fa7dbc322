// The hand-written Vulkan side of suite `transfer` (raw_transfer.c; no_vulkan.c in builds without Vulkan): large uploads and read-backs
// through a ring of two staging buffers. Main thread only.
#ifndef FERMATA_BENCH_TRANSFER_H
#define FERMATA_BENCH_TRANSFER_H

#include <stdbool.h>
#include <stdint.h>

enum {
    TRANSFER_RING = 2,              // staging buffers of the floor
    TRANSFER_CHUNK_BYTES = 8 << 20, // each
};

typedef struct raw_transfer raw_transfer;

// Opens it on the physical device number `nth` (from 0) of those that are called `description`, with a buffer of `size_bytes` in the device's
// own memory, while Fermata has a Vulkan device open. `poll_ns`: how long a wait polls before it blocks. NULL, with a message on
// stderr: it failed.
raw_transfer *raw_transfer_open(const char *description, uint32_t nth, uint64_t poll_ns, uint64_t size_bytes);
void raw_transfer_close(raw_transfer *raw);

// Moves the first `size_bytes` bytes to the buffer or from it, and returns when they are there.
bool raw_transfer_up(raw_transfer *raw, uint64_t size_bytes, const void *source);
bool raw_transfer_down(raw_transfer *raw, uint64_t size_bytes, void *destination);

#endif
