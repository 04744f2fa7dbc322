// Recorders: begin, finish, the owner check, holds and staging. See recorder.h.
// The list's owner calls; what recorders share is the room's free list, under its lock.
#include "record/recorder.h"

#include "base/assert.h"
#include "base/error.h"
#include "base/shell.h"
#include "record/label.h"

#include <stdlib.h>
#include <string.h>

enum { STAGING_CHUNK_BYTES = 64 << 10 };

void fmi_record_room_init(fmi_record_room *room)
{
    fmi_list_pool_init(&room->lists);
    pthread_mutex_init(&room->lock, NULL);
}

void fmi_record_room_destroy(fmi_record_room *room)
{
    while (room->free) {
        fm_commands *commands = room->free;
        room->free = commands->next;
        free(commands->buffer_stamps.entries);
        free(commands->kernel_stamps.entries);
        commands->buffer_stamps = commands->kernel_stamps = (fmi_stamps){0};
        commands->room = NULL;
        fmi_shell_give(FMI_SHELL_COMMANDS, commands);
    }
    fmi_list_pool_destroy(&room->lists);
    pthread_mutex_destroy(&room->lock);
}

void fmi_recorder_forget_stamps(fm_commands *commands)
{
    if (++commands->epoch == 0) { // stamps of 2^32 lists ago must not look new
        commands->epoch = 1;
        if (commands->buffer_stamps.capacity) {
            memset(commands->buffer_stamps.entries, 0, commands->buffer_stamps.capacity * sizeof(fmi_stamp));
        }
        if (commands->kernel_stamps.capacity) {
            memset(commands->kernel_stamps.entries, 0, commands->kernel_stamps.capacity * sizeof(fmi_stamp));
        }
    }
}

fm_status fmi_recorder_begin(fmi_record_room *room, const fm_commands_info *info, fm_commands **out)
{
    pthread_mutex_lock(&room->lock);
    fm_commands *commands = room->free;
    if (commands) {
        room->free = commands->next;
    }
    pthread_mutex_unlock(&room->lock);
    if (!commands) {
        commands = fmi_shell_take(FMI_SHELL_COMMANDS, sizeof *commands);
    }
    fmi_list *list = commands ? fmi_list_take(&room->lists) : NULL;
    if (list && info && info->label) {
        list->label = fmi_arena_text(&list->arena, info->label, strlen(info->label));
    }
    if (!list || (info && info->label && !list->label)) {
        if (list) {
            fmi_list_give(&room->lists, list);
        }
        if (commands) {
            pthread_mutex_lock(&room->lock);
            commands->next = room->free;
            room->free = commands;
            pthread_mutex_unlock(&room->lock);
        }
        return fmi_fail(FM_ERROR_OUT_OF_HOST_MEMORY, "no host memory for a command list");
    }
    list->untracked = info && (info->flags & FM_COMMANDS_UNTRACKED);
    list->reusable = info && (info->flags & FM_COMMANDS_REUSABLE);
    atomic_store_explicit(&list->copies, list->reusable, memory_order_relaxed);
    commands->room = room;
    commands->list = list;
    commands->staging = NULL;
    commands->labels = NULL;
    fmi_recorder_forget_stamps(commands);
    atomic_fetch_add_explicit(&room->recording, 1, memory_order_relaxed);
    fmi_recorder_leave(commands, FM_OK); // from here on the pointer is the caller's
    *out = commands;
    return FM_OK;
}

fmi_list *fmi_recorder_finish(fm_commands *commands)
{
    fmi_record_room *room = commands->room;
    fmi_list *list = commands->list;
    commands->list = NULL;
    // Release: pairs with the acquire of a late caller, which then sees a closed list and nothing else.
    atomic_store_explicit(&commands->state, FMI_RECORDER_CLOSED, memory_order_release);
    pthread_mutex_lock(&room->lock);
    commands->next = room->free;
    room->free = commands;
    pthread_mutex_unlock(&room->lock);
    atomic_fetch_sub_explicit(&room->recording, 1, memory_order_relaxed);
    return list;
}

void fmi_record_release_holds(fmi_record_room *room, fmi_list *list, bool buffers, bool kernels)
{
    if (buffers && !list->buffers_released) {
        fmi_holds_release(room->buffers, list->buffers);
        list->buffers_released = true;
    }
    if (kernels && !list->kernels_released) {
        fmi_holds_release(room->kernels, list->kernels);
        list->kernels_released = true;
    }
}

void fmi_record_drop_list(fmi_record_room *room, fmi_list *list)
{
    fmi_record_release_holds(room, list, true, true);
    fmi_list *original = list->reusable ? list : list->original;
    if (!list->reusable) {
        fmi_list_give(&room->lists, list);
    }
    // Acquire-release: whoever drops the last copy sees what the others did.
    if (original && atomic_fetch_sub_explicit(&original->copies, 1, memory_order_acq_rel) == 1) {
        fmi_holds_release(room->buffers, original->staging);
        fmi_list_give(&room->lists, original);
    }
}

fm_status fmi_recorder_refuse(const fm_commands *commands, uint32_t state, const char *caller)
{
    if (!commands) {
        return fmi_fail(FM_ERROR_INVALID_ARGUMENT, "%s: commands is NULL", caller);
    }
    if (state == FMI_RECORDER_INSIDE) {
        return fmi_fail(FM_ERROR_BUSY, "%s: another thread is inside this command list", caller);
    }
    return fmi_fail(FM_ERROR_INVALID_ARGUMENT, "%s: the command list is not being recorded (committed or cancelled)",
                    caller);
}

// Takes the newest `count` holds of a chain back.
static void undo_chain(fmi_table *table, fmi_stamps *stamps, fmi_hold_chunk **chain, uint32_t count)
{
    for (; count > 0; count--) {
        fmi_hold_chunk *chunk = *chain;
        fmi_slot *slot = chunk->slots[--chunk->count];
        if (chunk->count == 0) {
            *chain = chunk->next; // its memory goes back with the list
        }
        stamps->entries[slot->index].epoch = 0; // no list's epoch
        fmi_table_release(table, slot);
    }
}

void fmi_recorder_undo(fm_commands *commands)
{
    fmi_record_room *room = commands->room;
    if (commands->new_buffers > 0) {
        commands->staging = NULL; // it may be among them
    }
    undo_chain(room->buffers, &commands->buffer_stamps, &commands->list->buffers, commands->new_buffers);
    undo_chain(room->kernels, &commands->kernel_stamps, &commands->list->kernels, commands->new_kernels);
}

// Makes room for stamps up to `index`.
static bool grow_stamps(fmi_stamps *stamps, uint32_t index)
{
    uint32_t capacity = stamps->capacity ? stamps->capacity : 256;
    while (capacity <= index) {
        capacity *= 2;
    }
    fmi_stamp *entries = realloc(stamps->entries, capacity * sizeof *entries);
    if (!entries) {
        return false;
    }
    memset(entries + stamps->capacity, 0, (capacity - stamps->capacity) * sizeof *entries);
    stamps->entries = entries;
    stamps->capacity = capacity;
    return true;
}

fm_status fmi_recorder_hold_slow(fm_commands *commands, fmi_table *table, fmi_stamps *stamps, fmi_hold_chunk **chain,
                                 uint64_t id, fmi_slot **out)
{
    fmi_slot *slot;
    fm_status status = fmi_table_hold(table, id, &slot);
    if (status != FM_OK) {
        return status;
    }
    if ((slot->index >= stamps->capacity && !grow_stamps(stamps, slot->index)) ||
        !fmi_list_note_hold(commands->list, chain, slot)) {
        fmi_table_release(table, slot);
        return fmi_fail(FM_ERROR_OUT_OF_HOST_MEMORY, "no host memory to hold a %s", table->noun);
    }
    *(table == commands->room->buffers ? &commands->new_buffers : &commands->new_kernels) += 1;
    stamps->entries[slot->index] = (fmi_stamp){slot, commands->epoch};
    stamps->tag_bits = (uint32_t)table->tag << 24;
    *out = slot;
    return FM_OK;
}

// A new staging buffer that only the list holds.
static fm_status new_staging(fm_commands *commands, uint64_t size_bytes, fmi_buffer **out)
{
    fmi_record_room *room = commands->room;
    uint64_t id;
    fmi_buffer *buffer;
    fm_status status = fmi_buffer_create(room->buffers, room->pool, FM_MEMORY_HOST, size_bytes, NULL, &id, &buffer);
    if (status != FM_OK) {
        return status;
    }
    fmi_list *list = commands->list;
    status = fmi_recorder_hold_slow(commands, room->buffers, &commands->buffer_stamps,
                                    list->reusable ? &list->staging : &list->buffers, id, (fmi_slot **)out);
    commands->new_buffers -= status == FM_OK && list->reusable; // stays, whatever becomes of the call
    fm_status killed = fmi_table_kill(room->buffers, id);       // frees it if the hold failed
    FMI_ASSERT("HANDLE-2", killed == FM_OK);
    return status;
}

fm_status fmi_recorder_stage(fm_commands *commands, uint64_t size_bytes, uint8_t **out_mapped, fmi_span *out_span)
{
    fmi_buffer *buffer = commands->staging;
    uint64_t offset = (commands->staging_used + 15) & ~(uint64_t)15;
    if (size_bytes > STAGING_CHUNK_BYTES / 2) {
        offset = 0;
        fm_status status = new_staging(commands, size_bytes, &buffer);
        if (status != FM_OK) {
            return status;
        }
    } else {
        if (!buffer || offset + size_bytes > buffer->size_bytes) {
            fm_status status = new_staging(commands, STAGING_CHUNK_BYTES, &buffer);
            if (status != FM_OK) {
                return status;
            }
            commands->staging = buffer;
            offset = 0;
        }
        commands->staging_used = offset + size_bytes;
    }
    *out_mapped = fmi_buffer_mapped(buffer) + offset;
    *out_span = fmi_buffer_span(buffer, offset, size_bytes, FMI_SPAN_PRIVATE);
    return FM_OK;
}

fm_status fmi_check_range(const char *what, const fmi_buffer *buffer, uint64_t offset_bytes, uint64_t size_bytes)
{
    if (offset_bytes <= buffer->size_bytes && size_bytes <= buffer->size_bytes - offset_bytes) {
        return FM_OK;
    }
    return fmi_fail(FM_ERROR_OUT_OF_RANGE, "%s: %llu bytes at offset %llu exceed buffer '%s' of %llu bytes", what,
                    (unsigned long long)size_bytes, (unsigned long long)offset_bytes, fmi_buffer_label(buffer),
                    (unsigned long long)buffer->size_bytes);
}
