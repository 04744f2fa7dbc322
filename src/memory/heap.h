// Heap: which parts of the native blocks are free, and who their neighbours are (two-level segregated fit).
// Takes and gives back in constant time, whatever the number of blocks and ranges. Knows no device, no limits and no buffers; keeps its
// notes in host memory, never in the memory that it manages. Called by the pool, under the pool's lock.
#ifndef FMI_MEMORY_HEAP_H
#define FMI_MEMORY_HEAP_H

#include "backend/backend.h"

#include <stdatomic.h>

enum {
    FMI_GRANULARITY_BYTES = 256, // of offsets and sizes: above every device's binding alignment
    FMI_HEAP_ROWS = 54,          // powers of two, from 16 units of FMI_GRANULARITY_BYTES on: any 64-bit size
    FMI_HEAP_COLUMNS = 16,       // size classes in one power of two
    FMI_HEAP_CHUNK = 256,        // ranges are made so many at a time
};

// One native allocation.
typedef struct fmi_pool_block {
    fmi_block native; // first: spans point here
    struct fmi_pool_block *next;
    struct fmi_pool_block *before; // NULL: the first of its kind
    uint64_t used_bytes;           // of its ranges in use
    fm_memory_kind kind;           // of its heap
} fmi_pool_block;

// A range of a block: free, or in use by one or more buffer objects, of which at most one has a live handle.
// Structs are never unmapped while the heap lives. Fields without a note are guarded by the pool's lock.
typedef struct fmi_memory {
    fmi_pool_block *block;     // constant while in use, and so are the four below
    struct fmi_import *import; // whose memory it is (memory/import.h); NULL: the pool's
    uint64_t offset_bytes;
    uint64_t size_bytes; // a multiple of FMI_GRANULARITY_BYTES
    uint32_t region;     // this struct's number, for life: the planner's name for the memory
    bool is_free;
    bool is_clean;             // never used since its block came, zeroed, from the backend
    _Atomic(uint32_t) owners;  // buffer objects that have it; changed under the lock
    uint32_t order;            // 1 + the index of the stream whose later work may take it over; 0 = none
    struct fmi_memory *before; // neighbours in the block; NULL at its ends
    struct fmi_memory *after;
    struct fmi_memory
        *next; // in its size class while free, in its stream's order while waiting there, else among spare structs
    struct fmi_memory *last;
    uint64_t order_stream;    // handle of the stream whose work may still use memory that was taken over; 0 = none
    uint64_t order_value;     // that stream's value at which this use ends; both constant while in use
    bool is_counted;          // as an orphan in the pool's orphan_bytes
    _Atomic(uint32_t) orphan; // 1: no live handle names it; only lists keep it
    _Atomic(uint64_t) use;    // who has used it; see memory/order.h
    _Atomic(uint32_t)
        unzeroed; // 1: its first fill failed, so its content is not what was promised; lists that use it fail
} fmi_memory;

typedef struct fmi_heap {
    uint64_t rows;                                     // bit r: row r has a free range
    uint16_t columns[FMI_HEAP_ROWS];                   // bit c: class (r, c) has a free range
    fmi_memory *free[FMI_HEAP_ROWS][FMI_HEAP_COLUMNS]; // free ranges by size class
} fmi_heap;

// The structs of all ranges, of all heaps of a pool.
typedef struct fmi_ranges {
    fmi_memory **chunks;
    uint32_t chunk_count;
    uint32_t chunk_capacity;
    fmi_memory *spare; // structs of no range
} fmi_ranges;

// A size in whole units of the granularity.
static inline uint64_t fmi_heap_round(uint64_t size_bytes)
{
    return (size_bytes + FMI_GRANULARITY_BYTES - 1) & ~(uint64_t)(FMI_GRANULARITY_BYTES - 1);
}

// Makes a whole new block one free range. False: out of host memory, nothing changed.
bool fmi_heap_add(fmi_heap *heap, fmi_ranges *ranges, fmi_pool_block *block);

// Takes `size_bytes` (a multiple of the granularity) out of the block that a new free range is, or of any. NULL: nothing fits, or no host memory.
fmi_memory *fmi_heap_take(fmi_heap *heap, fmi_ranges *ranges, uint64_t size_bytes);

// Gives a range back and joins it with its free neighbours.
void fmi_heap_give(fmi_heap *heap, fmi_ranges *ranges, fmi_memory *memory);

// Takes a block that nothing uses out of the heap.
void fmi_heap_remove(fmi_heap *heap, fmi_ranges *ranges, fmi_pool_block *block);

// The range with this number; NULL: there is none.
fmi_memory *fmi_ranges_find(const fmi_ranges *ranges, uint32_t region);

// A struct of no range, for memory that is in no heap, and back. NULL: no host memory.
fmi_memory *fmi_ranges_take(fmi_ranges *ranges);
void fmi_ranges_give(fmi_ranges *ranges, fmi_memory *range);

void fmi_ranges_free(fmi_ranges *ranges);

#endif
