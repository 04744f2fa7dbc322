// Public functions of buffers: create with zeroed content, donate, destroy, size, and trim.
// Any thread; no state of their own. Writing is in write.c, reading in read.c.
#include "device/device.h"

#include "base/clock.h"
#include "base/phrase.h"

#include <stdio.h>
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
    status = fm_fill(commands, handle, 0, FM_WHOLE_SIZE, value);
    if (status != FM_OK) {
        fm_commands_cancel(&commands);
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
    fmi_device_post(device, list, stream);
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

// Creates a buffer, on memory that work of its stream still uses if that may be.
static fm_status create(fm_device *device, const fm_buffer_info *info, fm_buffer *out)
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
        (!fills || fmi_place_take(&device->retirement, device->config.info.lists_in_flight))) {
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

fm_status fm_buffer_create(fm_device *device, const fm_buffer_info *info, fm_buffer *out_buffer)
{
    if (out_buffer) {
        *out_buffer = (fm_buffer){0};
    }
    fm_status status = fmi_device_check(device, "fm_buffer_create");
    if (status != FM_OK) {
        return status;
    }
    if (!info || !out_buffer) {
        return fmi_fail(FM_ERROR_INVALID_ARGUMENT, "fm_buffer_create: %s is NULL", info ? "out_buffer" : "info");
    }
    if (info->size_bytes == 0) {
        return fmi_fail(FM_ERROR_INVALID_ARGUMENT, "fm_buffer_create: size_bytes is 0");
    }
    if (fmi_is_negative(info->size_bytes)) {
        return fmi_fail(FM_ERROR_OUT_OF_MEMORY, "fm_buffer_create: %s: size_bytes is %s, a negative number",
                        fmi_named("buffer", info->label).text, fmi_number(info->size_bytes).text);
    }
    if ((uint32_t)info->memory > FM_MEMORY_HOST || (info->flags & ~(uint32_t)FM_BUFFER_UNINITIALIZED)) {
        return fmi_fail(FM_ERROR_INVALID_ARGUMENT, "fm_buffer_create: memory kind %u or flags %#x are unknown",
                        (uint32_t)info->memory, info->flags);
    }
    if (atomic_load_explicit(&device->engine.lost, memory_order_acquire)) {
        return fmi_fail(FM_ERROR_DEVICE_LOST, "fm_buffer_create: the device is lost");
    }
    fm_buffer handle = {0};
    status = create(device, info, &handle);
    if (status != FM_OK) {
        char prefix[sizeof(fmi_phrase) + 32];
        snprintf(prefix, sizeof prefix, "fm_buffer_create: %s", fmi_named("buffer", info->label).text);
        fmi_error_prefix(prefix);
        return status;
    }
    *out_buffer = handle;
    return FM_OK;
}

fm_status fm_buffer_destroy(fm_device *device, fm_buffer buffer)
{
    fm_status status = fmi_device_check(device, "fm_buffer_destroy");
    if (status != FM_OK || buffer.id == 0) {
        return status;
    }
    status = fmi_buffer_destroy(&device->buffers, &device->pool, buffer.id);
    if (status != FM_OK) {
        fmi_error_prefix("fm_buffer_destroy");
    }
    return status;
}

// A new handle on the memory of `input`, which the caller holds; the old handle dies. When another thread destroyed it first, nothing is done.
static fm_status donate(fm_device *device, fm_buffer handle, fmi_buffer *input, uint64_t size_bytes, const char *label,
                        fm_buffer *out)
{
    fmi_memory *memory = input->memory;
    fmi_buffer *output;
    fmi_slot *dead;
    // The input's object keeps the memory for the lists that hold it; the output is one more owner (HOLD-5).
    fmi_pool_share(&device->pool, memory);
    fm_status status = fmi_buffer_create_on(&device->buffers, memory, size_bytes, label, &out->id, &output);
    if (status != FM_OK) {
        fmi_pool_release(&device->pool, memory);
        return status;
    }
    status = fmi_table_retract(&device->buffers, handle.id, &dead);
    if (status != FM_OK) {
        fmi_table_kill(&device->buffers, out->id);
        return status;
    }
    if (FMI_ABLATED(&device->ablations, FM_ABLATE_DONATION_KEEPS_HOLD)) {
        input->memory = NULL;
        fmi_pool_release(&device->pool, memory);
    }
    fmi_table_release(&device->buffers, dead);
    return FM_OK;
}

fm_status fm_buffer_donate(fm_device *device, fm_buffer input, uint64_t size_bytes, const char *label,
                           fm_buffer *out_buffer)
{
    if (out_buffer) {
        *out_buffer = (fm_buffer){0};
    }
    fm_status status = fmi_device_check(device, "fm_buffer_donate");
    if (status != FM_OK) {
        return status;
    }
    if (!out_buffer || size_bytes == 0) {
        return fmi_fail(FM_ERROR_INVALID_ARGUMENT, "fm_buffer_donate: %s",
                        out_buffer ? "size_bytes is 0" : "out_buffer is NULL");
    }
    fmi_slot *held;
    status = fmi_table_hold(&device->buffers, input.id, &held);
    if (status != FM_OK) {
        fmi_error_prefix("fm_buffer_donate: input");
        return status;
    }
    fmi_buffer *buffer = (fmi_buffer *)held;
    size_bytes = fmi_buffer_rest(buffer, 0, size_bytes);
    fm_buffer output = {0};
    status = fmi_check_range("input", buffer, 0, size_bytes);
    if (status == FM_OK) {
        status = donate(device, input, buffer, size_bytes, label, &output);
    }
    fmi_table_release(&device->buffers, held);
    if (status != FM_OK) {
        fmi_error_prefix("fm_buffer_donate");
        return status;
    }
    *out_buffer = output;
    return FM_OK;
}

fm_status fm_device_trim(fm_device *device, uint64_t *out_bytes)
{
    if (out_bytes) {
        *out_bytes = 0;
    }
    fm_status status = fmi_device_check(device, "fm_device_trim");
    if (status != FM_OK) {
        return status;
    }
    fmi_progress(&device->retirement);
    fmi_record_drop_staging(&device->record);
    uint64_t bytes = fmi_pool_trim(&device->pool);
    if (out_bytes) {
        *out_bytes = bytes;
    }
    return FM_OK;
}

fm_status fm_buffer_get_size(fm_device *device, fm_buffer buffer, uint64_t *out_size_bytes)
{
    fm_status status = fmi_device_check(device, "fm_buffer_get_size");
    if (status != FM_OK) {
        return status;
    }
    if (!out_size_bytes) {
        return fmi_fail(FM_ERROR_INVALID_ARGUMENT, "fm_buffer_get_size: out_size_bytes is NULL");
    }
    fmi_slot *held;
    status = fmi_table_hold(&device->buffers, buffer.id, &held);
    if (status != FM_OK) {
        fmi_error_prefix("fm_buffer_get_size");
        return status;
    }
    *out_size_bytes = ((fmi_buffer *)held)->size_bytes;
    fmi_table_release(&device->buffers, held);
    return FM_OK;
}
