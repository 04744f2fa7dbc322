// Staging memory: where uploads wait and read-backs arrive. Each recorder fills a chunk from its start and keeps it
// from list to list; every list that uses a part holds the chunk, so a full one is free again when the last of them has
// retired. The list's owner calls, inside the list; dropping what idle recorders keep takes each lane's lock.
#include "base/error.h"
#include "base/phrase.h"
#include "record/recorder.h"

#include <stdio.h>

enum { CHUNK_BYTES = 256 << 10, ALIGNMENT_BYTES = 16 };

// In every build, also where buffers are not held (FMI_WITHOUT_HOLDS): nobody else keeps staging memory.
fm_status fmi_recorder_hold_object(fm_commands *commands, fmi_buffer *buffer)
{
    fmi_list *list = commands->list;
    if (!fmi_list_note_hold(list, list->reusable ? &list->staging : &list->buffers, &buffer->slot)) {
        return fmi_fail(FM_ERROR_OUT_OF_HOST_MEMORY, "no host memory to hold a buffer");
    }
    fmi_table_hold_more(&buffer->slot);
    fmi_memory_bind(buffer->memory);
    list->bound = true;
    list->uses_taken_over |= buffer->memory->order_stream != 0;
    list->highest_region = buffer->region > list->highest_region ? buffer->region : list->highest_region;
    commands->new_buffers += !list->reusable;
    return FM_OK;
}

// Memory of its own for a large transfer; only the list keeps it.
static fm_status stage_alone(fm_commands *commands, uint64_t size_bytes, fmi_buffer **out)
{
    fmi_record_room *room = commands->room;
    fm_status status = fmi_buffer_create_staging(room->buffers, room->pool, size_bytes, commands->deadline, out);
    if (status != FM_OK) {
        return status;
    }
    status = fmi_recorder_hold_object(commands, *out);
    fmi_buffer_drop_staging(room->buffers, room->pool, *out); // frees it if the hold failed
    return status;
}

// The recorder's chunk, with room for so many bytes.
static fm_status stage_in_chunk(fm_commands *commands, uint64_t size_bytes, fmi_buffer **out, uint64_t *out_offset)
{
    fmi_record_room *room = commands->room;
    fm_status status = FM_OK;
    uint64_t offset = (commands->staging_used + ALIGNMENT_BYTES - 1) & ~(uint64_t)(ALIGNMENT_BYTES - 1);
    if (!commands->staging || offset + size_bytes > CHUNK_BYTES) {
        fmi_buffer *fresh;
        status = fmi_buffer_create_staging(room->buffers, room->pool, CHUNK_BYTES, commands->deadline, &fresh);
        if (status != FM_OK) {
            return status;
        }
        if (commands->staging) {
            fmi_buffer_drop_staging(room->buffers, room->pool, commands->staging);
        }
        commands->staging = fresh;
        commands->staging_epoch = 0;
        offset = 0;
    }
    if (commands->staging_epoch != commands->epoch) {
        status = fmi_recorder_hold_object(commands, commands->staging);
    }
    if (status == FM_OK) {
        commands->staging_epoch = commands->epoch;
        commands->staging_used = offset + size_bytes;
        *out = commands->staging;
        *out_offset = offset;
    }
    return status;
}

fm_status fmi_recorder_stage(fm_commands *commands, const fmi_buffer *user, uint64_t size_bytes, fmi_staged *out)
{
    uint64_t offset = 0;
    fm_status status = size_bytes > CHUNK_BYTES / 4 ? stage_alone(commands, size_bytes, &out->buffer)
                                                    : stage_in_chunk(commands, size_bytes, &out->buffer, &offset);
    if (status == FM_OK) {
        out->mapped = fmi_buffer_mapped(out->buffer) + offset;
        out->span = fmi_buffer_span(out->buffer, offset, size_bytes, FMI_SPAN_PRIVATE);
    } else {
        fmi_error_about("staging memory for %s", fmi_buffer_named(user).text);
    }
    return status;
}

// The staging memory of a recorder that is not in use; NULL: none has any.
static fmi_buffer *take_staging(fmi_lane *lane)
{
    fmi_buffer *chunk = NULL;
    pthread_mutex_lock(&lane->lock);
    for (fm_commands *idle = lane->recorders; idle && !chunk; idle = idle->next) {
        chunk = idle->staging;
        idle->staging = NULL;
    }
    pthread_mutex_unlock(&lane->lock);
    return chunk;
}

void fmi_record_drop_staging(fmi_record_room *room)
{
    for (uint32_t i = 0; i < FMI_LANES; i++) {
        fmi_buffer *chunk;
        while ((chunk = take_staging(&room->lanes[i])) != NULL) {
            fmi_buffer_drop_staging(room->buffers, room->pool, chunk);
        }
    }
}
