// Heap. See heap.h. Two-level segregated fit: a size class is a power of two (row) and a sixteenth of it (column), two bitmaps say
// which classes have something, and every range knows its neighbours, so that taking, giving and joining never search far.
// Under the pool's lock.
#include "memory/heap.h"

#include "base/assert.h"

#include <stdlib.h>

typedef struct size_class {
    uint32_t row;
    uint32_t column;
} size_class;

// The class that a range of so many units is kept in: all ranges of a class are at least its lower end.
static size_class class_of(uint64_t units)
{
    if (units < FMI_HEAP_COLUMNS) {
        return (size_class){0, (uint32_t)units};
    }
    uint32_t power = 63 - (uint32_t)__builtin_clzll(units);
    return (size_class){power - 3, (uint32_t)(units >> (power - 4)) & (FMI_HEAP_COLUMNS - 1)};
}

// The lowest class of which every range fits so many units.
static size_class class_above(uint64_t units)
{
    if (units >= FMI_HEAP_COLUMNS) {
        uint32_t power = 63 - (uint32_t)__builtin_clzll(units);
        units += ((uint64_t)1 << (power - 4)) - 1;
    }
    return class_of(units);
}

fmi_memory *fmi_ranges_take(fmi_ranges *ranges)
{
    if (!ranges->spare) {
        if (ranges->chunk_count == ranges->chunk_capacity) {
            uint32_t capacity = ranges->chunk_capacity ? 2 * ranges->chunk_capacity : 16;
            fmi_memory **chunks = realloc(ranges->chunks, capacity * sizeof *chunks);
            if (!chunks) {
                return NULL;
            }
            ranges->chunks = chunks;
            ranges->chunk_capacity = capacity;
        }
        fmi_memory *chunk = calloc(FMI_HEAP_CHUNK, sizeof *chunk);
        if (!chunk) {
            return NULL;
        }
        for (uint32_t i = FMI_HEAP_CHUNK; i-- > 0;) {
            chunk[i].region = ranges->chunk_count * FMI_HEAP_CHUNK + i;
            chunk[i].next = ranges->spare;
            ranges->spare = &chunk[i];
        }
        ranges->chunks[ranges->chunk_count++] = chunk;
    }
    fmi_memory *range = ranges->spare;
    ranges->spare = range->next;
    return range;
}

void fmi_ranges_give(fmi_ranges *ranges, fmi_memory *range)
{
    range->block = NULL;
    range->is_free = false;
    range->next = ranges->spare;
    ranges->spare = range;
}

static void link_free(fmi_heap *heap, fmi_memory *range)
{
    size_class c = class_of(range->size_bytes / FMI_GRANULARITY_BYTES);
    fmi_memory **head = &heap->free[c.row][c.column];
    range->is_free = true;
    range->last = NULL;
    range->next = *head;
    if (*head) {
        (*head)->last = range;
    }
    *head = range;
    heap->rows |= (uint64_t)1 << c.row;
    heap->columns[c.row] |= (uint16_t)(1u << c.column);
}

static void unlink_free(fmi_heap *heap, fmi_memory *range)
{
    size_class c = class_of(range->size_bytes / FMI_GRANULARITY_BYTES);
    fmi_memory **head = &heap->free[c.row][c.column];
    if (range->last) {
        range->last->next = range->next;
    } else {
        *head = range->next;
    }
    if (range->next) {
        range->next->last = range->last;
    }
    if (!*head) {
        heap->columns[c.row] &= (uint16_t) ~(1u << c.column);
        heap->rows &= heap->columns[c.row] ? UINT64_MAX : ~((uint64_t)1 << c.row);
    }
    range->is_free = false;
    range->next = range->last = NULL;
}

// A free range of at least so many bytes, still linked; NULL: there is none.
static fmi_memory *find(const fmi_heap *heap, uint64_t size_bytes)
{
    uint64_t units = size_bytes / FMI_GRANULARITY_BYTES;
    size_class c = class_above(units);
    if (c.row < FMI_HEAP_ROWS) {
        uint32_t columns = heap->columns[c.row] & (~0u << c.column);
        if (columns) {
            return heap->free[c.row][__builtin_ctz(columns)];
        }
        uint64_t rows = c.row + 1 < 64 ? heap->rows & (~(uint64_t)0 << (c.row + 1)) : 0;
        if (rows) {
            uint32_t row = (uint32_t)__builtin_ctzll(rows);
            return heap->free[row][__builtin_ctz(heap->columns[row])];
        }
    }
    // Nothing larger is left. A range of the request's own class may still do: worth a look before more memory is asked for.
    c = class_of(units);
    for (fmi_memory *range = c.row < FMI_HEAP_ROWS ? heap->free[c.row][c.column] : NULL; range; range = range->next) {
        if (range->size_bytes >= size_bytes) {
            return range;
        }
    }
    return NULL;
}

bool fmi_heap_add(fmi_heap *heap, fmi_ranges *ranges, fmi_pool_block *block)
{
    fmi_memory *range = fmi_ranges_take(ranges);
    if (!range) {
        return false;
    }
    range->block = block;
    range->offset_bytes = 0;
    range->size_bytes = block->native.size_bytes & ~(uint64_t)(FMI_GRANULARITY_BYTES - 1);
    range->before = range->after = NULL;
    range->is_clean = block->native.zeroed;
    link_free(heap, range);
    return true;
}

fmi_memory *fmi_heap_take(fmi_heap *heap, fmi_ranges *ranges, uint64_t size_bytes)
{
    fmi_memory *range = find(heap, size_bytes);
    if (!range) {
        return NULL;
    }
    fmi_memory *rest = NULL;
    if (range->size_bytes > size_bytes) {
        rest = fmi_ranges_take(ranges);
        if (!rest) {
            return NULL;
        }
    }
    unlink_free(heap, range);
    if (rest) {
        rest->block = range->block;
        rest->offset_bytes = range->offset_bytes + size_bytes;
        rest->size_bytes = range->size_bytes - size_bytes;
        rest->is_clean = range->is_clean;
        rest->before = range;
        rest->after = range->after;
        if (rest->after) {
            rest->after->before = rest;
        }
        range->after = rest;
        range->size_bytes = size_bytes;
        link_free(heap, rest);
    }
    range->block->used_bytes += size_bytes;
    return range;
}

// Joins `right` onto its left neighbour; both are unlinked.
static void join(fmi_ranges *ranges, fmi_memory *left, fmi_memory *right)
{
    left->size_bytes += right->size_bytes;
    left->is_clean = left->is_clean && right->is_clean;
    left->after = right->after;
    if (left->after) {
        left->after->before = left;
    }
    fmi_ranges_give(ranges, right);
}

void fmi_heap_give(fmi_heap *heap, fmi_ranges *ranges, fmi_memory *memory)
{
    FMI_ASSERT("POOL-1", !memory->is_free && memory->block->used_bytes >= memory->size_bytes);
    memory->block->used_bytes -= memory->size_bytes;
    memory->is_clean = false;
    fmi_memory *left = memory->before, *right = memory->after;
    if (right && right->is_free) {
        unlink_free(heap, right);
        join(ranges, memory, right);
    }
    if (left && left->is_free) {
        unlink_free(heap, left);
        join(ranges, left, memory);
        memory = left;
    }
    link_free(heap, memory);
}

void fmi_heap_remove(fmi_heap *heap, fmi_ranges *ranges, fmi_pool_block *block)
{
    // The one free range that spans the block is the first of some class; it is found through its size alone.
    uint64_t size_bytes = block->native.size_bytes & ~(uint64_t)(FMI_GRANULARITY_BYTES - 1);
    size_class c = class_of(size_bytes / FMI_GRANULARITY_BYTES);
    fmi_memory *range = heap->free[c.row][c.column];
    while (range && range->block != block) {
        range = range->next;
    }
    FMI_ASSERT("POOL-1", block->used_bytes == 0 && range && range->size_bytes == size_bytes);
    unlink_free(heap, range);
    fmi_ranges_give(ranges, range);
}

fmi_memory *fmi_ranges_find(const fmi_ranges *ranges, uint32_t region)
{
    uint32_t chunk = region / FMI_HEAP_CHUNK;
    return chunk < ranges->chunk_count ? &ranges->chunks[chunk][region % FMI_HEAP_CHUNK] : NULL;
}

void fmi_ranges_free(fmi_ranges *ranges)
{
    for (uint32_t i = 0; i < ranges->chunk_count; i++) {
        free(ranges->chunks[i]);
    }
    free(ranges->chunks);
    *ranges = (fmi_ranges){0};
}
