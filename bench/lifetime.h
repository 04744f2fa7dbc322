// The workloads of suite `lifetime` that have a hand-written Vulkan side (raw_lifetime.c; no_vulkan.c in builds without Vulkan): native
// allocation, work whose memory is used again in stream order, and read-backs. Main thread only.
#ifndef FERMATA_BENCH_LIFETIME_H
#define FERMATA_BENCH_LIFETIME_H

#include <stdbool.h>
#include <stdint.h>

enum {
    LIFETIME_REUSE_BYTES = 64 << 10, // a temporary of the reuse workload
    LIFETIME_REUSE_WORDS = 64,       // of it, that its dispatch writes: one workgroup
    LIFETIME_RING = 64,              // submissions that the floor keeps in flight
};

// The word that the byte at `offset` of a buffer for read-backs lies in, so that both sides can be checked.
static inline uint32_t lifetime_word(uint64_t offset_bytes)
{
    return (uint32_t)(offset_bytes / 4) * 2654435761u + 1;
}

typedef struct raw_lifetime raw_lifetime;

// Opens it on the physical device number `nth` (from 0) of those that are called `description`, while Fermata has a Vulkan device
// open. `poll_ns`: how long a wait polls before it blocks. NULL, with a message on stderr: it failed.
raw_lifetime *raw_lifetime_open(const char *description, uint32_t nth, uint64_t poll_ns);
void raw_lifetime_close(raw_lifetime *raw);

// vkAllocateMemory, a buffer over it, and both gone again.
bool raw_lifetime_allocate(raw_lifetime *raw, uint64_t size_bytes);

// One submission that writes a temporary, out of a ring of them, behind a barrier; waits only for the one LIFETIME_RING before.
bool raw_lifetime_reuse(raw_lifetime *raw);
// Waits for the last of them.
bool raw_lifetime_finish(raw_lifetime *raw);

// Makes the buffer that read-backs read: `size_bytes` bytes of lifetime_word.
bool raw_lifetime_prepare_read(raw_lifetime *raw, uint64_t size_bytes);
// Copies its first bytes to staging memory, waits, and copies them to `destination`.
bool raw_lifetime_read(raw_lifetime *raw, uint64_t size_bytes, void *destination);

#endif
