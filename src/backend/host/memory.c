// Host backend: memory blocks are page-aligned host memory, always mapped. Their address is their device address.
// No state of its own: any thread. Knows no buffers and no limits; the pool above does.
#include "backend/host/host.h"

#include "base/error.h"

#include <stdlib.h>
#include <sys/mman.h>

enum {
    PAGE_BYTES = 4096,
    MAP_FROM_BYTES = 1 << 20, // smaller blocks come from the allocator, which has them at hand
};

fm_status fmi_host_allocate_block(fmi_backend *backend, fm_memory_kind kind, uint64_t size_bytes, fmi_block *out)
{
    (void)backend;
    size_t rounded = (size_t)((size_bytes + PAGE_BYTES - 1) & ~(uint64_t)(PAGE_BYTES - 1));
    bool map = size_bytes >= MAP_FROM_BYTES;
    // Straight from the system, which zeroes each page when it is first touched.
    void *memory = map ? mmap(NULL, rounded, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
                       : aligned_alloc(PAGE_BYTES, rounded);
    if (!memory || memory == MAP_FAILED) {
        return fmi_fail(FM_ERROR_OUT_OF_MEMORY, "the host has no %zu bytes of memory left", rounded);
    }
    *out = (fmi_block){
        .native = memory,
        .mapped = memory,
        .cached = true,
        .zeroed = map,
        .device_address = (uint64_t)(uintptr_t)memory,
        .size_bytes = size_bytes,
        .kind = kind,
    };
    return FM_OK;
}

fm_status fmi_host_import_block(fmi_backend *backend, void *pointer, uint64_t size_bytes, fmi_block *out)
{
    (void)backend;
    *out = (fmi_block){
        .native = pointer,
        .mapped = pointer,
        .cached = true,
        .device_address = (uint64_t)(uintptr_t)pointer,
        .size_bytes = size_bytes,
        .kind = FM_MEMORY_HOST,
        .imported = true,
    };
    return FM_OK;
}

void fmi_host_free_block(fmi_backend *backend, fmi_block *block)
{
    (void)backend;
    if (block->imported) {
        block->native = NULL; // its keeper has it
    } else if (block->native && block->size_bytes >= MAP_FROM_BYTES) {
        munmap(block->native, (size_t)((block->size_bytes + PAGE_BYTES - 1) & ~(uint64_t)(PAGE_BYTES - 1)));
    } else {
        free(block->native);
    }
    block->native = NULL;
}
