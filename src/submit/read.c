// fm_buffer_read. Where the host can see the memory and nothing uses it any more it looks there; else it goes the way
// of fm_read (READ-6): a copy to staging memory is recorded, committed and waited for, a large one in parts (parts.h).
// Any thread. Waits outside every lock, for its own list or its stream's last alone (READ-1, READ-2). The bytes are
// copied by the reader itself, so a large read keeps nobody else from retiring, and one that gives up leaves nothing
// behind that could write later.
#include "submit/parts.h"

#include "base/clock.h"

#include <string.h>

// What a read is about; the stream is held, so its counters stay this stream's even if another thread destroys the
// handle.
typedef struct reader {
    fm_device *device;
    fmi_stream *stream;
    fm_stream stream_handle;
    fm_buffer buffer_handle;
    fmi_range range;
    void *destination;
    uint64_t deadline;
    uint64_t timeout_ns; // as asked, for sentences
} reader;

// What FM_ABLATE_READ_OWN_LIST waits for: everything that was in flight, whether or not the read's list was.
typedef struct retired_target {
    const fmi_engine *engine;
    uint64_t batches[FMI_MOST_QUEUES];
} retired_target;

static bool __attribute__((unused)) has_retired(void *context)
{
    const retired_target *t = context;
    bool all = true;
    for (uint32_t q = 0; q < FMI_MOST_QUEUES; q++) {
        all = all && atomic_load(&t->engine->queues[q].tail) >= t->batches[q];
    }
    return all;
}

static fm_status wait_for(const reader *r, uint64_t value)
{
    fmi_retirement *retirement = &r->device->retirement;
    if (FMI_ABLATED(&r->device->ablations, FM_ABLATE_READ_OWN_LIST)) {
        retired_target target = {.engine = &r->device->engine};
        for (uint32_t q = 0; q < FMI_MOST_QUEUES; q++) {
            target.batches[q] = atomic_load(&target.engine->queues[q].head);
        }
        return fmi_wait_until(retirement, has_retired, &target, r->timeout_ns);
    }
    if (fmi_stream_is_over(r->stream, value)) {
        return fmi_stream_status(r->stream, value, "fm_buffer_read");
    }
    atomic_fetch_add_explicit(&retirement->reading, 1, memory_order_relaxed);
    fm_status status = fmi_stream_wait(retirement, r->stream, value, fmi_remaining_ns(r->deadline), "fm_buffer_read");
    atomic_fetch_sub_explicit(&retirement->reading, 1, memory_order_relaxed);
    if (status == FM_TIMEOUT) {
        fmi_fail_in("fm_buffer_read", status, "%llu ns went by before earlier work of %s was complete%s",
                    (unsigned long long)r->timeout_ns, fmi_stream_named(r->stream).text,
                    fmi_host_points_blame(retirement).text);
    }
    return status;
}

// May the host read the buffer where it lies once the stream's committed work is complete? Only if that stream alone
// has used it, and no list that is being recorded does. A list that this look misses changes `use` before it is
// committed.
static bool may_look(const reader *r, const fmi_buffer *buffer, uint64_t use)
{
    return buffer->block->cached && fmi_is_the_streams_alone(r->device, r->stream, buffer->memory, use, 0) &&
           !FMI_ABLATED(&r->device->ablations, FM_ABLATE_READ_OWN_LIST);
}

// Copies bytes that a device may be writing, in which case the copy is thrown away: in small pieces that no sanitizer
// looks at.
__attribute__((no_sanitize("thread"))) static void copy_unwatched(uint8_t *to, const uint8_t *from, size_t size_bytes)
{
    enum { PIECE = 64 };
    size_t i = 0;
    for (; i + PIECE <= size_bytes; i += PIECE) {
        __builtin_memcpy(to + i, from + i, PIECE);
    }
    for (; i < size_bytes; i++) {
        to[i] = from[i];
    }
}

// Copies straight from mapped memory. False: somebody has used the buffer meanwhile, or may, and the bytes could be a
// later list's.
static bool look(const reader *r, const fmi_buffer *buffer, fm_status *out_status)
{
    uint64_t use = atomic_load(&buffer->memory->use);
    if (!may_look(r, buffer, use)) {
        return false;
    }
    // After `use`: every list that it counts has its value already.
    uint64_t last = atomic_load(&r->stream->committed);
    *out_status = wait_for(r, last); // also where none of it uses the buffer: the read has its place behind it all
    if (*out_status == FM_TIMEOUT) {
        return true;
    }
    if (*out_status != FM_OK) {
        return false; // the recorded way answers as for any list behind a failure
    }
    copy_unwatched(r->destination, fmi_buffer_mapped(buffer) + r->range.offset_bytes, (size_t)r->range.size_bytes);
    // After the copy: a list that could have written during it was recorded before, and shows here. A
    // read-modify-write, because its release part keeps the copy's loads before it, and it sees the newest value.
    return atomic_fetch_add(&buffer->memory->use, 0) == use;
}

// Records and commits the copy; on FM_OK the caller holds the staging memory.
static fm_status commit_copy(const reader *r, fmi_staged *out, uint64_t *out_value)
{
    fm_commands *commands;
    fm_status status = fmi_recorder_begin(&r->device->record, NULL, &commands);
    if (status != FM_OK) {
        return status;
    }
    commands->deadline = r->deadline;
    status = fmi_recorder_enter(commands, "fm_buffer_read");
    if (status == FM_OK) {
        status = fmi_record_copy_out(commands, r->buffer_handle, r->range, out);
        fmi_recorder_leave(commands, status);
    }
    bool recorded = status == FM_OK;
    if (recorded) { // the list lets go of it when it retires, perhaps before this thread has looked
        fmi_table_hold_more(&out->buffer->slot);
    }
    fm_point point = {{0}, 0};
    status = fmi_submit_commit_or_cancel(commands, status, r->stream_handle, fmi_remaining_ns(r->deadline), &point);
    *out_value = point.value;
    if (recorded && status != FM_OK) {
        fmi_table_release(&r->device->buffers, &out->buffer->slot);
    }
    return status;
}

static fm_status read_through_staging(const reader *r)
{
    fmi_staged staged;
    uint64_t value;
    fm_status status = commit_copy(r, &staged, &value);
    if (status != FM_OK) {
        fmi_error_in("fm_buffer_read");
        return status;
    }
    status = wait_for(r, value);
    if (status == FM_OK) {
        memcpy(r->destination, staged.mapped, (size_t)r->range.size_bytes);
    }
    fmi_table_release(&r->device->buffers, &staged.buffer->slot);
    return status;
}

// False: it cannot go in parts.
static bool read_in_parts(const reader *r, fmi_buffer *buffer, fm_status *out_status)
{
    fmi_parts t = {
        .device = r->device,
        .stream = r->stream,
        .buffer = buffer,
        .handle = r->buffer_handle,
        .range = r->range,
        .deadline = r->deadline,
        .timeout_ns = r->timeout_ns,
    };
    if (!fmi_parts_suit(&t)) {
        return false;
    }
    *out_status = fmi_parts_read(&t, r->destination);
    if (*out_status != FM_OK) {
        fmi_error_in("fm_buffer_read");
    }
    return true;
}

static fm_status read_now(reader *r)
{
    fmi_slot *held;
    fm_status status = fmi_table_hold(&r->device->buffers, r->buffer_handle.id, &held);
    if (status != FM_OK) {
        fmi_error_about("source");
        fmi_error_in("fm_buffer_read");
        return status;
    }
    fmi_buffer *buffer = (fmi_buffer *)held;
    r->range.size_bytes = fmi_buffer_rest(buffer, r->range.offset_bytes, r->range.size_bytes);
    status = fmi_check_range("fm_buffer_read", "source", buffer, r->range.offset_bytes, r->range.size_bytes);
    bool moves = status == FM_OK && r->range.size_bytes > 0;
    if (moves && !r->destination) {
        status = fmi_fail_in("fm_buffer_read", FM_ERROR_INVALID_ARGUMENT, "destination is NULL");
        moves = false;
    }
    bool done = !moves || look(r, buffer, &status);
    if (!done && r->range.size_bytes > FMI_PART_BYTES) {
        done = read_in_parts(r, buffer, &status);
    }
    fmi_table_release(&r->device->buffers, held);
    return done ? status : read_through_staging(r);
}

fm_status fmi_submit_read(fm_device *device, fmi_stream *stream, fm_buffer buffer, fmi_range range, void *destination,
                          uint64_t timeout_ns)
{
    reader r = {
        .device = device,
        .stream = stream,
        .stream_handle = {stream->id},
        .buffer_handle = buffer,
        .range = range,
        .destination = destination,
        .deadline = fmi_deadline(timeout_ns),
        .timeout_ns = timeout_ns,
    };
    return read_now(&r);
}
