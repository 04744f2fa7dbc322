// Imports. See import.h. One list, walked once an import, so that no byte has two regions: the planner would not see
// what conflicts. The backend is called outside the lock.
#include "memory/import.h"

#include "base/assert.h"
#include "base/error.h"
#include "base/thread.h"

#include <stdlib.h>

// An import that has not ended and shares a byte with the range; NULL: none.
static const fmi_import *find_overlap_locked(const fmi_imports *imports, const uint8_t *pointer, uint64_t size_bytes)
{
    const fmi_import *import = imports->first;
    uintptr_t begin = (uintptr_t)pointer;
    while (import && !(begin < (uintptr_t)import->pointer + import->size_bytes &&
                       (uintptr_t)import->pointer < begin + size_bytes)) {
        import = import->next;
    }
    return import;
}

// Makes a range the one whose memory the import is, with one owner.
static void own_locked(fmi_pool *pool, fmi_import *import, fmi_memory *memory)
{
    memory->block = &import->block;
    memory->offset_bytes = 0;
    memory->size_bytes = import->size_bytes;
    memory->import = import;
    memory->is_clean = memory->is_counted = false;
    memory->order = 0;
    memory->order_stream = memory->order_value = 0;
    memory->before = memory->after = memory->next = memory->last = NULL;
    atomic_store_explicit(&memory->owners, 1, memory_order_relaxed);
    atomic_store_explicit(&memory->orphan, 0, memory_order_relaxed);
    atomic_store_explicit(&memory->use, 0, memory_order_relaxed);
    atomic_store_explicit(&memory->unzeroed, 0, memory_order_relaxed);
    atomic_store_explicit(&pool->region_count, pool->ranges.chunk_count * FMI_HEAP_CHUNK, memory_order_relaxed);
    // The same bytes may have been another region's before: like memory that is handed out again.
    atomic_fetch_add_explicit(&pool->recycled, 1, memory_order_release);
}

// Gives it a region and a place in the list.
static fm_status enter_locked(fmi_imports *imports, fmi_import *import)
{
    const fmi_import *other = find_overlap_locked(imports, import->pointer, import->size_bytes);
    if (other) {
        return fmi_fail(FM_ERROR_INVALID_ARGUMENT,
                        "the %llu bytes at %p overlap %llu bytes at %p that were imported before and have not been "
                        "released",
                        (unsigned long long)import->size_bytes, (const void *)import->pointer,
                        (unsigned long long)other->size_bytes, (const void *)other->pointer);
    }
    fmi_memory *memory = fmi_ranges_take(&imports->pool->ranges);
    if (!memory) {
        return fmi_fail(FM_ERROR_OUT_OF_HOST_MEMORY, "no host memory for a range of memory");
    }
    own_locked(imports->pool, import, memory);
    import->memory = memory;
    import->next = imports->first;
    imports->first = import;
    return FM_OK;
}

static void free_block(fmi_pool *pool, fmi_import *import)
{
    fmi_float_state environment;
    fmi_float_enter(&environment);
    pool->ops->free_block(pool->backend, &import->block.native);
    fmi_float_leave(&environment);
}

fm_status fmi_import_create(fmi_imports *imports, void *pointer, uint64_t size_bytes, fmi_import **out)
{
    fmi_pool *pool = imports->pool;
    fmi_import *import = calloc(1, sizeof *import);
    if (!import) {
        return fmi_fail(FM_ERROR_OUT_OF_HOST_MEMORY, "no host memory to note an import");
    }
    import->room = imports;
    import->pointer = pointer;
    import->size_bytes = size_bytes;
    import->block.kind = FM_MEMORY_HOST;
    fmi_float_state environment;
    fmi_float_enter(&environment);
    fm_status status = pool->ops->import_block(pool->backend, pointer, size_bytes, &import->block.native);
    fmi_float_leave(&environment);
    if (status != FM_OK) {
        free(import);
        return status;
    }
    pthread_mutex_lock(&pool->lock);
    status = enter_locked(imports, import);
    pthread_mutex_unlock(&pool->lock);
    if (status != FM_OK) {
        free_block(pool, import);
        free(import);
        return status;
    }
    atomic_fetch_add_explicit(&imports->bytes, size_bytes, memory_order_relaxed);
    *out = import;
    return FM_OK;
}

void fmi_import_release(fmi_memory *memory)
{
    fmi_import *import = memory->import;
    fmi_imports *imports = import->room;
    fmi_pool *pool = imports->pool;
    pthread_mutex_lock(&pool->lock);
    uint32_t owners = atomic_fetch_sub_explicit(&memory->owners, 1, memory_order_acq_rel);
    FMI_ASSERT("POOL-1", owners > 0);
    pthread_mutex_unlock(&pool->lock);
    if (owners > 1) {
        return;
    }
    // Before its bytes can be imported again: the driver must not have them twice.
    free_block(pool, import);
    pthread_mutex_lock(&pool->lock);
    fmi_import **link = &imports->first;
    while (*link != import) {
        link = &(*link)->next;
    }
    *link = import->next;
    memory->import = NULL;
    fmi_ranges_give(&pool->ranges, memory);
    pthread_mutex_unlock(&pool->lock);
    atomic_fetch_sub_explicit(&imports->bytes, import->size_bytes, memory_order_relaxed);
    imports->ended(imports->user, import);
}
