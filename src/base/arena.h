// Arena: bump allocation from a chain of chunks, all freed or recycled at once.
// One owner at a time; no locks. Memory is 8-byte aligned and not zeroed.
#ifndef FMI_BASE_ARENA_H
#define FMI_BASE_ARENA_H

#include <stddef.h>
#include <stdint.h>

typedef struct fmi_arena_chunk {
    struct fmi_arena_chunk *next;
    size_t size_bytes; // of `bytes`
    _Alignas(16) char bytes[];
} fmi_arena_chunk;

typedef struct fmi_arena {
    fmi_arena_chunk *first;   // all chunks, in order of use
    fmi_arena_chunk *current; // the one being filled; those behind it are empty
    char *cursor;             // next free byte of `current`
    char *end;                // end of `current`
} fmi_arena;

// Slow path of fmi_arena_alloc: moves to the next chunk or allocates one. NULL: out of host memory, arena unchanged.
void *fmi_arena_grow(fmi_arena *arena, size_t size_bytes);

static inline void *fmi_arena_alloc(fmi_arena *arena, size_t size_bytes)
{
    size_bytes = (size_bytes + 7) & ~(size_t)7;
    if ((size_t)(arena->end - arena->cursor) >= size_bytes && arena->cursor) {
        void *p = arena->cursor;
        arena->cursor += size_bytes;
        return p;
    }
    return fmi_arena_grow(arena, size_bytes);
}

// Copies a text of `length` bytes and ends it with a zero byte. NULL: out of host memory.
char *fmi_arena_text(fmi_arena *arena, const char *text, size_t length);

// Forgets everything and keeps chunks up to `keep_bytes` for the next use. Returns how many bytes they are.
size_t fmi_arena_reset(fmi_arena *arena, size_t keep_bytes);

// Frees all chunks.
void fmi_arena_free(fmi_arena *arena);

#endif
