// Staging memory: where uploads wait and read-backs arrive. Each recorder fills a chunk from its start and keeps it from list to list;
// every list that uses a part holds the chunk, so a full one is free again when the last of them has retired.
// The list's owner calls, inside the list; dropping what idle recorders keep takes each lane's lock.
#include "base/error.h"
#include "record/recorder.h"

#include <stdio.h>

enum { CHUNK_BYTES = 256 << 10, ALIGNMENT_BYTES = 16 };

// A new staging buffer; the caller owns the handle.
static fm_status new_staging(const fm_commands *commands, uint64_t size_bytes, fm_buffer *out)
{
    fmi_record_room *room = commands->room;
    fmi_buffer *buffer;
    fm_status status =
        fmi_buffer_create(room->buffers, room->pool, FM_MEMORY_HOST, size_bytes, commands->deadline, &out->id, &buffer);
    if (status == FM_OK) {
        // Never taken over before its lists have retired: the planner does not track staging memory (FMI_SPAN_PRIVATE).
        atomic_store(&buffer->memory->use, (uint64_t)FMI_USE_MANY << FMI_USE_HOME_SHIFT);
    }
    return status;
}

// Holds staging memory for the list: a reusable one until its last copy is done, whatever becomes of the call. In every build, also where
// buffers are not held (FMI_WITHOUT_HOLDS): nobody else keeps it.
static fm_status hold(fm_commands *commands, fm_buffer handle, fmi_buffer **out)
{
    fmi_list *list = commands->list;
    uint32_t new_buffers = commands->new_buffers;
    fm_status status = fmi_recorder_hold(commands, commands->room->buffers, &commands->buffer_stamps,
                                         list->reusable ? &list->staging : &list->buffers, handle.id, (fmi_slot **)out);
    commands->new_buffers = list->reusable ? new_buffers : commands->new_buffers;
    return status;
}

// Memory of its own for a large transfer; only the list keeps it.
static fm_status stage_alone(fm_commands *commands, uint64_t size_bytes, fmi_buffer **out)
{
    fmi_record_room *room = commands->room;
    fm_buffer handle;
    fm_status status = new_staging(commands, size_bytes, &handle);
    if (status != FM_OK) {
        return status;
    }
    status = hold(commands, handle, out);
    fmi_buffer_destroy(room->buffers, room->pool, handle.id); // frees it if the hold failed
    return status;
}

// The recorder's chunk, with room for so many bytes.
static fm_status stage_in_chunk(fm_commands *commands, uint64_t size_bytes, fmi_buffer **out, uint64_t *out_offset)
{
    fmi_record_room *room = commands->room;
    uint64_t offset = (commands->staging_used + ALIGNMENT_BYTES - 1) & ~(uint64_t)(ALIGNMENT_BYTES - 1);
    if (commands->staging.id == 0 || offset + size_bytes > CHUNK_BYTES) {
        fm_buffer fresh;
        fm_status status = new_staging(commands, CHUNK_BYTES, &fresh);
        if (status != FM_OK) {
            return status;
        }
        if (commands->staging.id) {
            fmi_buffer_destroy(room->buffers, room->pool, commands->staging.id);
        }
        commands->staging = fresh;
        offset = 0;
    }
    fm_status status = hold(commands, commands->staging, out);
    if (status == FM_OK) {
        commands->staging_used = offset + size_bytes;
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
        char prefix[128];
        snprintf(prefix, sizeof prefix, "staging memory for buffer '%.80s'", fmi_buffer_label(user));
        fmi_error_prefix(prefix);
    }
    return status;
}

// The staging memory of a recorder that is not in use; null: none has any.
static fm_buffer take_staging(fmi_lane *lane)
{
    fm_buffer chunk = {0};
    pthread_mutex_lock(&lane->lock);
    for (fm_commands *idle = lane->recorders; idle && chunk.id == 0; idle = idle->next) {
        chunk = idle->staging;
        idle->staging.id = 0;
    }
    pthread_mutex_unlock(&lane->lock);
    return chunk;
}

void fmi_record_drop_staging(fmi_record_room *room)
{
    for (uint32_t i = 0; i < FMI_LANES; i++) {
        fm_buffer chunk;
        while ((chunk = take_staging(&room->lanes[i])).id != 0) {
            fmi_buffer_destroy(room->buffers, room->pool, chunk.id);
        }
    }
}
