// Transfers in parts. See parts.h.
// Everything that can fail comes before values are taken; from then on each exit goes through finish(), which posts
// what is left.
#include "submit/parts.h"

#include "base/clock.h"
#include "record/transfer.h"

#include <inttypes.h>
#include <string.h>

enum { LEAST_RING_BYTES = 1 << 20 };

// Staging memory for the transfer: less of it where the host has little.
static fm_status create_ring(fmi_parts *t)
{
    fm_device *device = t->device;
    uint64_t most = (uint64_t)FMI_PART_BYTES * FMI_PARTS_AHEAD;
    uint64_t size_bytes = t->range.size_bytes < most ? t->range.size_bytes : most;
    fm_status status;
    for (;;) {
        status = fmi_buffer_create_staging(&device->buffers, &device->pool, size_bytes, t->deadline, &t->ring);
        if (status != FM_ERROR_OUT_OF_MEMORY || size_bytes / 2 < LEAST_RING_BYTES) {
            break;
        }
        size_bytes /= 2;
    }
    if (status != FM_OK) {
        fmi_error_about("staging memory");
        return status;
    }
    bool fits = size_bytes == t->range.size_bytes;
    t->part_bytes = fits ? FMI_PART_BYTES : size_bytes / FMI_PARTS_AHEAD & ~(uint64_t)(FMI_GRANULARITY_BYTES - 1);
    t->parts = (t->range.size_bytes + t->part_bytes - 1) / t->part_bytes;
    return FM_OK;
}

// Keeps the buffer's memory from being offered to others, whatever becomes of the handle.
static fm_status bind(const fmi_parts *t)
{
    fmi_memory_bind(t->buffer->memory);
    // Pairs with fmi_buffer_destroy, as when a list binds it.
    if (fmi_slot_is_alive(&t->buffer->slot)) {
        return FM_OK;
    }
    fmi_memory_unbind(t->buffer->memory);
    fmi_pool_offer(&t->device->pool, t->buffer->memory);
    return fmi_table_refuse(&t->device->buffers, t->handle.id);
}

static void unbind(const fmi_parts *t)
{
    fmi_memory_unbind(t->buffer->memory);
    fmi_pool_offer(&t->device->pool, t->buffer->memory);
}

static void drop_ring(fmi_parts *t)
{
    if (t->ring) {
        fmi_buffer_drop_staging(&t->device->buffers, &t->device->pool, t->ring);
        t->ring = NULL;
    }
}

// Takes the transfer's place in the stream. On an error nothing of it happens.
static fm_status begin(fmi_parts *t, bool wants_ring)
{
    fm_device *device = t->device;
    t->ring = NULL;
    t->parts = 1;
    fm_status status = bind(t);
    if (status != FM_OK) {
        return status;
    }
    status = wants_ring ? create_ring(t) : FM_OK;
    if (status == FM_OK) {
        status = fmi_recorder_begin(&device->record, NULL, &t->last);
        if (status == FM_OK) {
            status = fmi_recorder_enter(t->last, "a transfer");
        }
        if (status == FM_OK) {
            status = fmi_submit_admit(device, t->stream, false, fmi_remaining_ns(t->deadline));
            if (status != FM_OK) {
                fmi_record_drop_list(&device->record, fmi_recorder_finish(t->last));
            }
        }
    }
    if (status != FM_OK) {
        drop_ring(t);
        unbind(t);
        return status;
    }
    atomic_fetch_add_explicit(&device->commits, 1, memory_order_relaxed);
    t->first = t->next = fmi_submit_take_values(t->stream, t->parts);
    t->value = t->first + t->parts - 1;
    return FM_OK;
}

// Posts a list for all values up to `value`.
static void post(fmi_parts *t, fm_commands *commands, uint64_t value)
{
    bool is_last = commands == t->last;
    if (!is_last) {
        fmi_retirement_count_in(&t->device->retirement, UINT32_MAX); // lists behind the transfer may have all places
    }
    uint64_t first = t->next;
    t->next = value + 1;
    t->last = is_last ? NULL : t->last;
    fmi_submit_post_part(t->device, fmi_recorder_finish(commands), t->stream, first, value, is_last);
}

// The transfer leaves its place: what was not posted never will be, and whoever waits behind it goes on.
static void finish(fmi_parts *t)
{
    if (t->last) {
        post(t, t->last, t->value);
    }
    drop_ring(t);
    unbind(t);
    fmi_settle(&t->device->retirement);
}

// Part `index` of the range, and its place in the ring.
static fmi_range part_of(const fmi_parts *t, uint64_t index)
{
    uint64_t begin = index * t->part_bytes, left = t->range.size_bytes - begin;
    return (fmi_range){begin, left < t->part_bytes ? left : t->part_bytes};
}

static uint64_t slot_of(const fmi_parts *t, uint64_t index)
{
    return index % FMI_PARTS_AHEAD * t->part_bytes;
}

static fm_status record(fmi_parts *t, fm_commands *commands, uint64_t index, bool up)
{
    fmi_range part = part_of(t, index);
    fmi_span staged = fmi_buffer_span(t->ring, slot_of(t, index), part.size_bytes, FMI_SPAN_PRIVATE);
    fmi_span moved = fmi_buffer_span(t->buffer, t->range.offset_bytes + part.offset_bytes, part.size_bytes, 0);
    bool is_last = commands == t->last; // which the transfer is inside of all the time
    fm_status status = is_last ? FM_OK : fmi_recorder_enter(commands, "a transfer");
    if (status != FM_OK) {
        return status;
    }
    status = fmi_recorder_hold_object(commands, t->buffer);
    if (status == FM_OK) {
        status = fmi_recorder_hold_object(commands, t->ring);
    }
    if (status == FM_OK) {
        status = fmi_transfer_copy(commands, "a transfer", up ? staged : moved, up ? moved : staged, (fm_buffer){0},
                                   (fm_buffer){0});
    }
    if (!is_last) {
        fmi_recorder_leave(commands, status);
    } else if (status != FM_OK) {
        fmi_recorder_undo(commands);
    }
    return status;
}

// Records and posts part `index`.
static fm_status send(fmi_parts *t, uint64_t index, bool up)
{
    fm_commands *commands = t->last;
    fm_status status = FM_OK;
    if (index + 1 < t->parts) {
        status = fmi_recorder_begin(&t->device->record, NULL, &commands);
    }
    if (status != FM_OK) {
        return status;
    }
    status = record(t, commands, index, up);
    if (status == FM_OK) {
        post(t, commands, t->first + index);
    } else if (commands != t->last) {
        fmi_record_drop_list(&t->device->record, fmi_recorder_finish(commands));
    }
    return status;
}

static fm_status wait_for(const fmi_parts *t, uint64_t value, const char *caller)
{
    if (fmi_stream_is_over(t->stream, value)) {
        return fmi_stream_status(t->stream, value, caller);
    }
    return fmi_stream_wait(&t->device->retirement, t->stream, value, fmi_remaining_ns(t->deadline), caller);
}

bool fmi_parts_suit(const fmi_parts *t)
{
    const fmi_memory *memory = t->buffer->memory;
    return memory && (memory->order_stream == 0 || memory->order_stream == t->stream->id);
}

bool fmi_is_the_streams_alone(const fm_device *device, const fmi_stream *stream, const fmi_memory *memory, uint64_t use,
                              uint32_t lists)
{
    bool only_here = fmi_use_home(use) == fmi_use_home_of(stream->slot.index) && fmi_use_home(use) != FMI_USE_MANY;
    bool unused = fmi_use_home(use) == 0 && (use & FMI_USE_COMMITS) == 0;
    return fmi_use_uncommitted(use) == lists && (only_here || unused) &&
           !atomic_load_explicit(&stream->failed, memory_order_acquire) &&
           !atomic_load_explicit(&device->engine.lost, memory_order_acquire) &&
           !atomic_load_explicit(&memory->unzeroed, memory_order_acquire);
}

static bool is_alone(const fmi_parts *t, uint64_t use, uint32_t lists)
{
    return fmi_is_the_streams_alone(t->device, t->stream, t->buffer->memory, use, lists);
}

bool fmi_parts_place(fmi_parts *t, const uint8_t *source, bool patient, fm_status *out_status)
{
    uint8_t *mapped = fmi_buffer_mapped(t->buffer);
    _Atomic(uint64_t) *use = &t->buffer->memory->use;
    *out_status = FM_OK;
    if (!mapped || !is_alone(t, atomic_load(use), 0) ||
        (!patient && !fmi_stream_is_over(t->stream, atomic_load(&t->stream->committed)))) {
        return false;
    }
    *out_status = begin(t, false);
    if (*out_status != FM_OK) {
        // No place came free under the limit: nothing was written, and nothing will be.
        *out_status = *out_status == FM_TIMEOUT ? fmi_error_as(FM_WOULD_BLOCK) : *out_status;
        return true;
    }
    fm_status waited = patient ? wait_for(t, t->first - 1, "fm_buffer_write") : FM_OK;
    bool is_idle = fmi_stream_is_over(t->stream, t->first - 1);
    uint64_t before = atomic_load(use);
    bool done = waited == FM_OK && is_idle && is_alone(t, before, 1);
    if (done) {
        memcpy(mapped + t->range.offset_bytes, source, (size_t)t->range.size_bytes);
        // Another stream's list may have come to use the buffer meanwhile: then the bytes go once more, in an order
        // with that one's.
        done = atomic_fetch_add(use, 0) == before;
    }
    finish(t);
    if (waited == FM_TIMEOUT) {
        *out_status = fmi_fail(FM_WOULD_BLOCK, "%" PRIu64 " ns went by before the stream's earlier work was complete",
                               t->timeout_ns);
        return true;
    }
    return done; // behind a failure the other way answers as for any list
}

fm_status fmi_parts_write(fmi_parts *t, const uint8_t *source)
{
    fm_status status = begin(t, true);
    if (status != FM_OK) {
        return status == FM_TIMEOUT ? FM_WOULD_BLOCK : status; // no part was posted: nothing of it will happen
    }
    if (t->parts > FMI_PARTS_AHEAD) {
        status = wait_for(t, t->first - 1, "fm_buffer_write");
        if (status == FM_TIMEOUT) {
            status =
                fmi_fail(FM_WOULD_BLOCK,
                         "%" PRIu64 " ns went by before the stream's earlier work was complete: nothing is written",
                         t->timeout_ns);
        } else {
            status = FM_OK; // what failed before it is told by the first part
        }
    }
    uint8_t *ring = fmi_buffer_mapped(t->ring);
    for (uint64_t i = 0; i < t->parts && status == FM_OK; i++) {
        if (i >= FMI_PARTS_AHEAD) { // the part that had this place is there
            status = wait_for(t, t->first + i - FMI_PARTS_AHEAD, "fm_buffer_write");
        }
        if (status == FM_OK) {
            fmi_range part = part_of(t, i);
            memcpy(ring + slot_of(t, i), source + part.offset_bytes, (size_t)part.size_bytes);
            status = send(t, i, true);
        }
    }
    finish(t);
    return status == FM_OK ? wait_for(t, t->value, "fm_buffer_write") : status;
}

fm_status fmi_parts_read(fmi_parts *t, uint8_t *destination)
{
    fm_status status = begin(t, true);
    if (status != FM_OK) {
        return status;
    }
    const uint8_t *ring = fmi_buffer_mapped(t->ring);
    uint64_t sent = 0;
    for (uint64_t i = 0; i < t->parts && status == FM_OK; i++) {
        for (; sent < t->parts && sent < i + FMI_PARTS_AHEAD && status == FM_OK; sent++) {
            status = send(t, sent, false);
        }
        if (status == FM_OK) {
            status = wait_for(t, t->first + i, "fm_buffer_read");
        }
        if (status == FM_OK) {
            fmi_range part = part_of(t, i);
            memcpy(destination + part.offset_bytes, ring + slot_of(t, i), (size_t)part.size_bytes);
        }
    }
    finish(t);
    return status;
}
