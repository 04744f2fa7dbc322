// fm_buffer_write: in one of three ways. Where the host can reach the memory and nothing uses it, in place; else a
// small write is one list with its own staging memory, and a large one goes in parts (parts.h). Any thread. Waits
// outside every lock, for its own lists or its stream's earlier work alone (READ-1).
#include "submit/parts.h"

#include "base/clock.h"
#include "record/calls.h"

#include <inttypes.h>

enum { IN_PLACE_BYTES = 64 << 10 }; // from so many bytes on; a smaller write is not worth another way

static fm_status write_as_one_list(const fmi_parts *t, fmi_range range, const void *source)
{
    fm_device *device = t->device;
    fm_commands *commands;
    fm_point point;
    fm_status status = fmi_recorder_begin(&device->record, NULL, &commands);
    if (status == FM_OK) {
        commands->deadline = t->deadline;
        status = fmi_record_upload(commands, t->handle, range, source);
        if (status == FM_OK && commands->list->command_count == 0) { // no bytes: nothing to commit or to wait for
            return fmi_recorder_cancel(&commands, "fm_buffer_write");
        }
        status = fmi_submit_commit_or_cancel(commands, status, (fm_stream){t->stream->id},
                                             fmi_remaining_ns(t->deadline), &point);
        status = status == FM_TIMEOUT ? FM_WOULD_BLOCK : status; // it was not committed: nothing of it will happen
    }
    if (status == FM_OK) {
        status = fmi_stream_wait(&device->retirement, t->stream, point.value, fmi_remaining_ns(t->deadline),
                                 "fm_buffer_write");
    } else {
        fmi_error_in("fm_buffer_write");
    }
    return status;
}

// Writes a valid range, in place or in parts. False: it is to be one list.
static bool write_held(fmi_parts *t, const void *source, fm_status *out_status)
{
    const uint64_t captured = (uint64_t)FMI_PART_BYTES * FMI_PARTS_AHEAD;
    uint64_t size_bytes = t->range.size_bytes;
    if (size_bytes < IN_PLACE_BYTES || !fmi_parts_suit(t)) {
        return false;
    }
    bool done = fmi_parts_place(t, source, size_bytes > captured, out_status);
    if (!done && size_bytes <= FMI_PART_BYTES) {
        return false;
    }
    if (!done) {
        *out_status = fmi_parts_write(t, source);
        if (*out_status == FM_TIMEOUT && t->parts > FMI_PARTS_AHEAD) {
            fmi_fail(FM_TIMEOUT,
                     "%" PRIu64 " ns went by while the write was under way: a part of its %" PRIu64
                     " bytes is written, the rest will not be",
                     t->timeout_ns, size_bytes);
        }
    }
    if (*out_status != FM_OK) {
        fmi_error_in("fm_buffer_write");
    }
    return true;
}

static fm_status write_now(fmi_parts *t, fmi_range range, const void *source)
{
    fmi_slot *held;
    fm_status status = FM_OK;
    bool done = false;
    if (source && fmi_table_try_hold(&t->device->buffers, t->handle.id, &held)) {
        t->buffer = (fmi_buffer *)held;
        t->range = (fmi_range){range.offset_bytes, fmi_buffer_rest(t->buffer, range.offset_bytes, range.size_bytes)};
        bool is_inside = t->range.offset_bytes <= t->buffer->size_bytes &&
                         t->range.size_bytes <= t->buffer->size_bytes - t->range.offset_bytes;
        done = is_inside && write_held(t, source, &status);
        fmi_table_release(&t->device->buffers, held);
    }
    return done ? status : write_as_one_list(t, range, source); // which also says what is wrong with the arguments
}

fm_status fmi_submit_write(fm_device *device, fmi_stream *stream, fm_buffer buffer, fmi_range range, const void *source,
                           uint64_t timeout_ns)
{
    fmi_parts t = {
        .device = device,
        .stream = stream,
        .handle = buffer,
        .deadline = fmi_deadline(timeout_ns),
        .timeout_ns = timeout_ns,
    };
    return write_now(&t, range, source);
}
