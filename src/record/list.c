// Recorded lists and their recycling. See list.h.
// A list has one owner at a time; only the pool of free lists is shared, under its lock.
#include "record/list.h"

#include <stdlib.h>
#include <string.h>

enum { KEEP_ARENA_BYTES = 4096 }; // a recycled list keeps its first chunk; a long list's rest goes back

void fmi_list_pool_init(fmi_list_pool *pool)
{
    pool->free = NULL;
    pthread_mutex_init(&pool->lock, NULL);
}

void fmi_list_pool_destroy(fmi_list_pool *pool)
{
    while (pool->free) {
        fmi_list *list = pool->free;
        pool->free = list->next;
        fmi_arena_free(&list->arena);
        free(list);
    }
    pthread_mutex_destroy(&pool->lock);
}

fmi_list *fmi_list_take(fmi_list_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    fmi_list *list = pool->free;
    if (list) {
        pool->free = list->next;
    }
    pthread_mutex_unlock(&pool->lock);
    if (!list) {
        return calloc(1, sizeof *list);
    }
    fmi_arena arena = list->arena;
    *list = (fmi_list){.arena = arena};
    return list;
}

void fmi_list_give(fmi_list_pool *pool, fmi_list *list)
{
    fmi_arena_reset(&list->arena, KEEP_ARENA_BYTES);
    pthread_mutex_lock(&pool->lock);
    list->next = pool->free;
    pool->free = list;
    pthread_mutex_unlock(&pool->lock);
}

bool fmi_list_note_hold(fmi_list *list, fmi_hold_chunk **chain, fmi_slot *slot)
{
    fmi_hold_chunk *chunk = *chain;
    if (!chunk || chunk->count == FMI_HOLDS_PER_CHUNK) {
        chunk = fmi_arena_alloc(&list->arena, sizeof *chunk);
        if (!chunk) {
            return false;
        }
        chunk->next = *chain;
        chunk->count = 0;
        *chain = chunk;
    }
    chunk->slots[chunk->count++] = slot;
    return true;
}

void fmi_list_forget_hold(fmi_hold_chunk **chain)
{
    fmi_hold_chunk *chunk = *chain;
    if (--chunk->count == 0) {
        *chain = chunk->next; // its memory goes back with the list
    }
}

fmi_command *fmi_list_append(fmi_list *list, fmi_command_kind kind, uint32_t span_count, uint32_t constants_size_bytes)
{
    fmi_command *command = fmi_list_new_command(list, kind, span_count, constants_size_bytes);
    if (command) {
        fmi_list_link(list, command);
    }
    return command;
}

void fmi_holds_release(fmi_table *table, const fmi_hold_chunk *chain)
{
    for (; chain; chain = chain->next) {
        for (uint32_t i = 0; i < chain->count; i++) {
            fmi_table_release(table, chain->slots[i]);
        }
    }
}
