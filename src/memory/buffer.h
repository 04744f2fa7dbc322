// The object behind an fm_buffer handle: memory of the pool, with its size and label.
// Lives in the device's buffer table; lists hold the object, and the object keeps the memory (HOLD-4). Several objects may share one
// memory, of which at most one has a live handle: the others were donated or taken over and live as long as their lists. Staging
// memory of lists is made of the same objects, which no handle names: whoever guesses one finds nothing.
#ifndef FMI_MEMORY_BUFFER_H
#define FMI_MEMORY_BUFFER_H

#include "base/phrase.h"
#include "base/table.h"
#include "memory/pool.h"

typedef struct fmi_buffer {
    fmi_slot slot;
    uint64_t size_bytes;    // as the user asked
    const fmi_block *block; // of the memory, and the two below, too: so that binding looks at one struct
    uint64_t offset_bytes;
    uint32_t region;    // the planner's name for the memory
    bool is_staging;    // no handle names it; its owner knows it by its address
    fmi_memory *memory; // at least size_bytes; NULL once FM_ABLATE_DONATION_KEEPS_HOLD took it away
    char *label;        // NULL = none
} fmi_buffer;

// Creates a buffer without a label in `table` and returns its handle. The content is undefined. Errors as fm_buffer_create, and FM_TIMEOUT:
// see fmi_pool_alloc_until.
fm_status fmi_buffer_create(fmi_table *table, fmi_pool *pool, fm_memory_kind kind, uint64_t size_bytes,
                            uint64_t deadline, uint64_t *out_id, fmi_buffer **out);

// Creates a buffer on memory that the caller owns; on FM_OK the buffer owns it.
fm_status fmi_buffer_create_on(fmi_table *table, fmi_memory *memory, uint64_t size_bytes, const char *label,
                               uint64_t *out_id, fmi_buffer **out);

// Destroys a handle. Memory that lists still use is noted as orphaned and offered to its stream.
fm_status fmi_buffer_destroy(fmi_table *table, fmi_pool *pool, uint64_t id);

// A new handle on the memory of `input`, which the caller holds; the old handle dies. When another thread destroyed it first, nothing is done.
fm_status fmi_buffer_donate(fmi_table *table, fmi_pool *pool, fmi_buffer *input, uint64_t input_id, uint64_t size_bytes,
                            const char *label, uint64_t *out_id);

// Creates staging memory, which the host can reach and no handle names; the caller owns it. Errors as fmi_buffer_create.
fm_status fmi_buffer_create_staging(fmi_table *table, fmi_pool *pool, uint64_t size_bytes, uint64_t deadline,
                                    fmi_buffer **out);

// Its owner lets go of it. What lists still use is noted as orphaned.
void fmi_buffer_drop_staging(fmi_table *table, fmi_pool *pool, fmi_buffer *buffer);

// The table's free function: lets go of the memory. `pool` is the fmi_pool.
void fmi_buffer_free(void *pool, fmi_slot *slot);

// For sentences: "buffer 'x'" or "an unlabelled buffer".
static inline fmi_phrase fmi_buffer_named(const fmi_buffer *buffer)
{
    return fmi_named("buffer", buffer->label);
}

// Where the buffer's first byte is mapped; NULL if the host cannot reach it.
static inline uint8_t *fmi_buffer_mapped(const fmi_buffer *buffer)
{
    return buffer->block->mapped ? buffer->block->mapped + buffer->offset_bytes : NULL;
}

#endif
