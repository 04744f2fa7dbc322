// The object behind an fm_buffer handle: a range of a pool block, with its size and label.
// Lives in the device's buffer table; the table's hold count is the hold on the memory (HOLD-4). Staging memory of lists is made
// of the same objects, without a public handle.
#ifndef FMI_MEMORY_BUFFER_H
#define FMI_MEMORY_BUFFER_H

#include "base/table.h"
#include "memory/pool.h"

typedef struct fmi_buffer {
    fmi_slot slot;         // slot.index is also the planner's region
    uint64_t size_bytes;   // as the user asked
    fmi_allocation memory; // at least size_bytes
    char *label;           // NULL = none
    _Atomic(uint32_t)
        unzeroed; // 1: its first fill failed, so its content is not what was promised; lists that use it fail
} fmi_buffer;

// Creates a buffer in `table` and returns its handle. The content is undefined. Errors as fm_buffer_create.
fm_status fmi_buffer_create(fmi_table *table, fmi_pool *pool, fm_memory_kind kind, uint64_t size_bytes,
                            const char *label, uint64_t *out_id, fmi_buffer **out);

// The table's free function: returns the memory to the pool. `pool` is the fmi_pool.
void fmi_buffer_free(void *pool, fmi_slot *slot);

// For sentences: the buffer's label or "(no label)".
static inline const char *fmi_buffer_label(const fmi_buffer *buffer)
{
    return buffer->label ? buffer->label : "(no label)";
}

// Where the buffer's first byte is mapped; NULL if the host cannot reach it.
static inline uint8_t *fmi_buffer_mapped(const fmi_buffer *buffer)
{
    uint8_t *base = buffer->memory.block->native.mapped;
    return base ? base + buffer->memory.offset_bytes : NULL;
}

#endif
