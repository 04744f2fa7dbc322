// New buffers: memory that work of their stream may still use, and the content that they were promised. See submit.h.
// Any thread; no state of its own. What a fill is ordered behind is decided here, how memory is found in memory/pool.c.
#include "submit/submit.h"

#include "record/calls.h"

#include <string.h>

// Fills memory that the host cannot reach, or must not yet: a list of the library's own, before anything that can name the buffer.
// `stream`: NULL, or the stream whose work still uses the memory, behind which the fill must stand; held by the caller.
static fm_status fill_first(fm_device *device, fm_buffer handle, fmi_stream *stream, uint32_t value)
{
    fm_commands *commands;
    fm_status status = fmi_recorder_begin(&device->record, &(fm_commands_info){.label = "zero"}, &commands);
    if (status != FM_OK) {
        return status;
    }
    status = fmi_record_fill(commands, handle, (fmi_range){0, FM_WHOLE_SIZE}, value);
    if (status != FM_OK) {
        fmi_recorder_cancel(&commands, "fm_buffer_create");
        return status;
    }
    status = fmi_recorder_enter(commands, "fm_buffer_create");
    if (status != FM_OK) {
        return status;
    }
    // Not kicked: the next commit, wait or the keeper carries it along, and hazards order it before the buffer's first use.
    if (!stream) { // (the other kind has its place)
        fmi_retirement_count_in(&device->retirement,
                                UINT32_MAX); // the limit is for the user's lists; this one is needed
    }
    fmi_list *list = fmi_recorder_finish(commands);
    list->is_fill = true;
    if (stream) {
        fmi_table_hold_more(&stream->slot); // the list's
    }
    fmi_submit_post(device, list, stream);
    fmi_keeper_notify(&device->retirement);
    return FM_OK;
}

// Gives a new buffer the content that it was promised. `stream`: see fill_first; NULL where nothing uses the memory.
static fm_status fill_new(fm_device *device, const fm_buffer_info *info, fm_buffer handle, fmi_buffer *buffer,
                          fmi_stream *stream)
{
    const uint32_t poison = FMI_POISON * 0x01010101u;
    if (info->flags & FM_BUFFER_UNINITIALIZED) {
        // A manual device shows who reads what nobody has written.
        return stream && device->pool.poison ? fill_first(device, handle, stream, poison) : FM_OK;
    }
    uint8_t *mapped = fmi_buffer_mapped(buffer);
    if (!mapped || stream) {
        return fill_first(device, handle, stream, 0);
    }
    if (!buffer->memory->is_clean) {
        memset(mapped, 0, (size_t)buffer->memory->size_bytes); // nothing on the device uses it yet
    }
    return FM_OK;
}

// A buffer on memory that the caller owns; on an error the memory goes back.
static fm_status create_filled(fm_device *device, const fm_buffer_info *info, fmi_memory *memory, fmi_stream *stream,
                               fm_buffer *out)
{
    fmi_buffer *buffer;
    fm_status status = fmi_buffer_create_on(&device->buffers, memory, info->size_bytes, info->label, &out->id, &buffer);
    if (status != FM_OK) {
        fmi_pool_release(&device->pool, memory);
        return status;
    }
    if (stream) { // before the fill, which is a user of the memory like any other
        memory->order_stream = stream->id;
        memory->order_value = atomic_load_explicit(&stream->committed, memory_order_acquire);
    }
    status = fill_new(device, info, *out, buffer, stream);
    if (status != FM_OK) {
        fmi_table_kill(&device->buffers, out->id);
    } else if (stream) {
        memory->order_value = atomic_load_explicit(&stream->committed, memory_order_acquire); // the fill's, or later
    }
    return status;
}

fm_status fmi_submit_create_buffer(fm_device *device, const fm_buffer_info *info, fm_buffer *out)
{
    fmi_slot *held = NULL;
    fmi_memory *memory = NULL;
    fm_status status = FM_OK;
    fmi_settle(&device->retirement); // what complete work held is free, not taken over
    if (info->stream.id) {
        status = fmi_table_hold(&device->streams, info->stream.id, &held);
    }
    fmi_stream *stream = (fmi_stream *)held;
    // Behind a failure the fill would not run; and it needs a place under the in-flight limit like any list (RETIRE-4).
    bool fills = !(info->flags & FM_BUFFER_UNINITIALIZED) || device->pool.poison;
    if (stream && !atomic_load_explicit(&stream->failed, memory_order_acquire) &&
        (!fills || fmi_place_take(&device->retirement, device->settings.lists_in_flight))) {
        memory = fmi_pool_take_over(&device->pool, info->memory, info->size_bytes, fmi_use_home_of(held->index));
        if (fills && !memory) {
            fmi_retirement_count_out(&device->retirement);
        }
    }
    bool in_use = memory != NULL;
    if (in_use) {
        fmi_places_grant(&device->retirement); // fewer bytes are in flight for nobody: perhaps a commit waits for that
    }
    if (status == FM_OK && !in_use) {
        status = fmi_pool_alloc(&device->pool, info->memory, info->size_bytes, &memory);
    }
    if (status == FM_OK) {
        status = create_filled(device, info, memory, in_use ? stream : NULL, out);
        if (status != FM_OK && in_use && fills) {
            fmi_retirement_count_out(&device->retirement); // the fill was not posted
        }
    }
    if (held) {
        fmi_table_release(&device->streams, held);
    }
    return status;
}
