// Arena. See arena.h.
// Only growing, resetting and freeing are here: the fast path is in the header.
#include "base/arena.h"

#include <stdlib.h>
#include <string.h>

enum {
    FIRST_CHUNK_BYTES = 4096 - sizeof(fmi_arena_chunk), // most lists are short
    NEXT_CHUNK_BYTES = 65536 - sizeof(fmi_arena_chunk),
};

static void use_chunk(fmi_arena *arena, fmi_arena_chunk *chunk)
{
    arena->current = chunk;
    arena->cursor = chunk->bytes;
    arena->end = chunk->bytes + chunk->size_bytes;
}

void *fmi_arena_grow(fmi_arena *arena, size_t size_bytes)
{
    fmi_arena_chunk *next = arena->current ? arena->current->next : arena->first;
    if (!next || next->size_bytes < size_bytes) {
        size_t room = arena->first ? NEXT_CHUNK_BYTES : FIRST_CHUNK_BYTES;
        if (size_bytes > room) {
            room = size_bytes;
        }
        fmi_arena_chunk *chunk = malloc(sizeof *chunk + room);
        if (!chunk) {
            return NULL;
        }
        chunk->size_bytes = room;
        chunk->next = next;
        if (arena->current) {
            arena->current->next = chunk;
        } else {
            arena->first = chunk;
        }
        next = chunk;
    }
    use_chunk(arena, next);
    void *p = arena->cursor;
    arena->cursor += size_bytes;
    return p;
}

char *fmi_arena_text(fmi_arena *arena, const char *text, size_t length)
{
    char *copy = fmi_arena_alloc(arena, length + 1);
    if (copy) {
        memcpy(copy, text, length);
        copy[length] = 0;
    }
    return copy;
}

size_t fmi_arena_reset(fmi_arena *arena, size_t keep_bytes)
{
    size_t kept = 0;
    fmi_arena_chunk **link = &arena->first;
    while (*link) {
        fmi_arena_chunk *chunk = *link;
        if (kept + chunk->size_bytes <= keep_bytes) {
            kept += chunk->size_bytes;
            link = &chunk->next;
        } else {
            *link = chunk->next;
            free(chunk);
        }
    }
    arena->current = NULL;
    arena->cursor = arena->end = NULL;
    return kept;
}

void fmi_arena_free(fmi_arena *arena)
{
    fmi_arena_reset(arena, 0);
}
