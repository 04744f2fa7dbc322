// Buffers: memory behind a handle. See buffer.h.
// Any thread. Frees run on whichever thread drops the last hold.
#include "memory/buffer.h"

#include "base/error.h"
#include "memory/import.h"

#include <stdlib.h>
#include <string.h>

// A slot for a buffer object on the memory. NULL: no host memory, which is the last error.
static fmi_buffer *fill_slot(fmi_table *table, fmi_memory *memory, uint64_t size_bytes, const char *label)
{
    char *copy = label ? strdup(label) : NULL;
    fmi_buffer *buffer = label && !copy ? NULL : (fmi_buffer *)fmi_table_reserve(table);
    if (!buffer) {
        free(copy);
        fmi_fail(FM_ERROR_OUT_OF_HOST_MEMORY, "no host memory for a buffer object");
        return NULL;
    }
    buffer->size_bytes = size_bytes;
    buffer->block = &memory->block->native;
    buffer->offset_bytes = memory->offset_bytes;
    buffer->region = memory->region;
    buffer->memory = memory;
    buffer->label = copy;
    buffer->is_staging = false;
    return buffer;
}

fm_status fmi_buffer_create_on(fmi_table *table, fmi_memory *memory, uint64_t size_bytes, const char *label,
                               uint64_t *out_id, fmi_buffer **out)
{
    fmi_buffer *buffer = fill_slot(table, memory, size_bytes, label);
    if (!buffer) {
        return FM_ERROR_OUT_OF_HOST_MEMORY;
    }
    *out_id = fmi_table_publish(table, &buffer->slot);
    *out = buffer;
    return FM_OK;
}

fm_status fmi_buffer_create(fmi_table *table, fmi_pool *pool, fm_memory_kind kind, uint64_t size_bytes,
                            uint64_t deadline, uint64_t *out_id, fmi_buffer **out)
{
    fmi_memory *memory;
    fm_status status = fmi_pool_alloc_until(pool, kind, size_bytes, deadline, &memory);
    if (status != FM_OK) {
        return status;
    }
    status = fmi_buffer_create_on(table, memory, size_bytes, NULL, out_id, out);
    if (status != FM_OK) {
        fmi_pool_release(pool, memory);
    }
    return status;
}

fm_status fmi_buffer_create_staging(fmi_table *table, fmi_pool *pool, uint64_t size_bytes, uint64_t deadline,
                                    fmi_buffer **out)
{
    fmi_memory *memory;
    fm_status status = fmi_pool_alloc_until(pool, FMI_POOL_STAGING, size_bytes, deadline, &memory);
    if (status != FM_OK) {
        return status;
    }
    fmi_buffer *buffer = fill_slot(table, memory, size_bytes, NULL);
    if (!buffer) {
        fmi_pool_release(pool, memory);
        return FM_ERROR_OUT_OF_HOST_MEMORY;
    }
    buffer->is_staging = true;
    // Never taken over before its lists have retired: the planner does not track staging memory (FMI_SPAN_PRIVATE).
    atomic_store(&memory->use, (uint64_t)FMI_USE_MANY << FMI_USE_HOME_SHIFT);
    fmi_table_publish_nameless(table, &buffer->slot);
    *out = buffer;
    return FM_OK;
}

void fmi_buffer_drop_staging(fmi_table *table, fmi_pool *pool, fmi_buffer *buffer)
{
    if (!fmi_slot_is_last_hold(&buffer->slot)) {
        fmi_pool_orphan(pool, buffer->memory);
    }
    fmi_table_release(table, &buffer->slot);
}

fm_status fmi_buffer_destroy(fmi_table *table, fmi_pool *pool, uint64_t id)
{
    fmi_slot *slot;
    fm_status status = fmi_table_retract(table, id, &slot);
    if (status != FM_OK) {
        return status;
    }
    fmi_memory *memory = ((fmi_buffer *)slot)->memory;
    // The last hold: nobody can take another, so the memory goes back right away. A donated memory may have older objects.
    // Imported memory passes to nobody.
    if (memory && !memory->import &&
        (!fmi_slot_is_last_hold(slot) || atomic_load_explicit(&memory->owners, memory_order_relaxed) > 1)) {
        fmi_pool_orphan(pool, memory);
    }
    fmi_table_release(table, slot);
    return FM_OK;
}

fm_status fmi_buffer_donate(fmi_table *table, fmi_pool *pool, fmi_buffer *input, uint64_t input_id, uint64_t size_bytes,
                            const char *label, uint64_t *out_id)
{
    fmi_memory *memory = input->memory;
    fmi_buffer *output;
    fmi_slot *dead;
    // The input's object keeps the memory for the lists that hold it; the output is one more owner (HOLD-5).
    fmi_pool_add_owner(pool, memory);
    fm_status status = fmi_buffer_create_on(table, memory, size_bytes, label, out_id, &output);
    if (status != FM_OK) {
        fmi_pool_release(pool, memory);
        return status;
    }
    status = fmi_table_retract(table, input_id, &dead);
    if (status != FM_OK) {
        fmi_table_kill(table, *out_id);
        return status;
    }
    if (FMI_ABLATED(pool->ablations, FM_ABLATE_DONATION_KEEPS_HOLD)) {
        input->memory = NULL;
        fmi_pool_release(pool, memory);
    }
    fmi_table_release(table, dead);
    return FM_OK;
}

void fmi_buffer_free(void *pool, fmi_slot *slot)
{
    fmi_buffer *buffer = (fmi_buffer *)slot;
    if (buffer->memory && buffer->memory->import) {
        fmi_import_release(buffer->memory);
    } else if (buffer->memory) {
        fmi_pool_release(pool, buffer->memory);
    }
    free(buffer->label);
    buffer->label = NULL;
}
