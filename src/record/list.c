// Recorded lists. See list.h.
// A list has one owner at a time.
#include "record/list.h"

#include <stdlib.h>
#include <string.h>

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

void fmi_holds_release(fmi_table *table, uint32_t share, const fmi_hold_chunk *chain)
{
    for (; chain; chain = chain->next) {
        for (uint32_t i = 0; i < chain->count; i++) {
            if (share == FMI_NO_SHARE) {
                fmi_table_release(table, chain->slots[i]);
            } else {
                fmi_table_release_by(table, share, chain->slots[i]);
            }
        }
    }
}
