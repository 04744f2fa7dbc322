// Buffers: allocation behind a handle. See buffer.h.
// Any thread. Frees run on whichever thread drops the last hold.
#include "memory/buffer.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

fm_status fmi_buffer_create(fmi_table *table, fmi_pool *pool, fm_memory_kind kind, uint64_t size_bytes,
                            const char *label, uint64_t *out_id, fmi_buffer **out)
{
    fmi_allocation memory;
    fm_status status = fmi_pool_alloc(pool, kind, size_bytes, &memory);
    if (status != FM_OK) {
        return status;
    }
    char *copy = label ? strdup(label) : NULL;
    fmi_buffer *buffer = label && !copy ? NULL : (fmi_buffer *)fmi_table_reserve(table);
    if (!buffer) {
        free(copy);
        fmi_pool_free(pool, &memory);
        return fmi_fail(FM_ERROR_OUT_OF_HOST_MEMORY, "no host memory for a buffer object");
    }
    buffer->size_bytes = size_bytes;
    buffer->memory = memory;
    buffer->label = copy;
    atomic_store_explicit(&buffer->unzeroed, 0, memory_order_relaxed);
    *out_id = fmi_table_publish(table, &buffer->slot);
    *out = buffer;
    return FM_OK;
}

void fmi_buffer_free(void *pool, fmi_slot *slot)
{
    fmi_buffer *buffer = (fmi_buffer *)slot;
    fmi_pool_free(pool, &buffer->memory);
    free(buffer->label);
    buffer->label = NULL;
}
