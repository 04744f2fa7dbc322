// Host backend: memory blocks are page-aligned host memory, always mapped. Their address is their device address.
// No state of its own: any thread. Knows no buffers and no limits; the pool above does.
#include "backend/host/host.h"

#include "base/error.h"

#include <stdlib.h>

enum { PAGE_BYTES = 4096 };

fm_status fmi_host_allocate_block(fmi_backend *backend, fm_memory_kind kind, uint64_t size_bytes, fmi_block *out)
{
    (void)backend;
    uint64_t rounded = (size_bytes + PAGE_BYTES - 1) & ~(uint64_t)(PAGE_BYTES - 1);
    void *memory = aligned_alloc(PAGE_BYTES, (size_t)rounded);
    if (!memory) {
        return fmi_fail(FM_ERROR_OUT_OF_MEMORY, "the host has no %llu bytes of memory left",
                        (unsigned long long)rounded);
    }
    *out = (fmi_block){
        .native = memory,
        .mapped = memory,
        .cached = true,
        .device_address = (uint64_t)(uintptr_t)memory,
        .size_bytes = size_bytes,
        .kind = kind,
    };
    return FM_OK;
}

void fmi_host_free_block(fmi_backend *backend, fmi_block *block)
{
    (void)backend;
    free(block->native);
    block->native = NULL;
}
