// fm_buffer_copy_across: bytes from one device's buffer to another's, by way of the host, a bounded piece at a time.
// While a piece is on its way to the destination the next one is read. On one device it is a plain copy. Any thread.
// Waits outside every lock, for its own lists alone. What is in flight when it gives up keeps its staging memory
// itself, and touches nothing of the caller's.
#include "submit/submit.h"

#include "base/clock.h"
#include "record/calls.h"

enum { PIECE_BYTES = 8 << 20 }; // at most two are under way on each device

// One side, checked; its stream and buffer are held.
typedef struct side {
    const fm_copy_side *named;
    const char *what; // for sentences: which side it is
    fmi_stream *stream;
    fmi_buffer *buffer;
} side;

// A piece that is being read: staging memory of the source's device, held by this thread, and the source stream's
// value.
typedef struct piece {
    fmi_staged staged;
    uint64_t size_bytes; // 0: none
    uint64_t value;
} piece;

typedef struct crossing {
    side source;
    side destination;
    uint64_t size_bytes;
    uint64_t deadline;
} crossing;

// Names the side in the last error.
static fm_status blame(const side *s, fm_status status)
{
    if (status != FM_OK) {
        fmi_error_about("%s", s->what);
        fmi_error_in("fm_buffer_copy_across");
    }
    return status;
}

static fm_status open_side(const fm_copy_side *named, const char *what, side *out)
{
    *out = (side){.named = named, .what = what};
    fm_status status = fmi_device_check(named->device, "fm_buffer_copy_across");
    fmi_slot *held = NULL;
    if (status == FM_OK) {
        status = fmi_table_hold(&named->device->streams, named->stream.id, &held);
        out->stream = (fmi_stream *)held;
    }
    if (status == FM_OK) {
        status = fmi_table_hold(&named->device->buffers, named->buffer.id, &held);
    }
    if (status == FM_OK) {
        out->buffer = (fmi_buffer *)held;
    }
    return blame(out, status);
}

static void close_side(const side *s)
{
    if (s->buffer) {
        fmi_table_release(&s->named->device->buffers, &s->buffer->slot);
    }
    if (s->stream) {
        fmi_table_release(&s->named->device->streams, &s->stream->slot);
    }
}

static fm_status wait_for(const crossing *c, const side *s, uint64_t value)
{
    return blame(s, fmi_stream_wait(&s->named->device->retirement, s->stream, value, fmi_remaining_ns(c->deadline),
                                    "fm_buffer_copy_across"));
}

// A list that was not committed will not happen: the time ran out before there was room for it.
static fm_status commit(const crossing *c, const side *s, fm_commands *commands, fm_status recorded,
                        uint64_t *out_value)
{
    fm_point point = {{0}, 0};
    fm_status status =
        fmi_submit_commit_or_cancel(commands, recorded, s->named->stream, fmi_remaining_ns(c->deadline), &point);
    *out_value = point.value;
    return blame(s, status);
}

// Starts reading the piece at `at`.
static fm_status start_read(const crossing *c, uint64_t at, piece *out)
{
    const fm_copy_side *from = c->source.named;
    uint64_t left = c->size_bytes - at;
    out->size_bytes = 0;
    fm_commands *commands;
    fm_status status = fmi_recorder_begin(&from->device->record, NULL, &commands);
    if (status != FM_OK) {
        return blame(&c->source, status);
    }
    commands->deadline = c->deadline;
    fmi_range range = {from->offset_bytes + at, left < PIECE_BYTES ? left : PIECE_BYTES};
    status = fmi_recorder_enter(commands, "fm_buffer_copy_across");
    if (status == FM_OK) {
        status = fmi_record_copy_out(commands, from->buffer, range, &out->staged);
        fmi_recorder_leave(commands, status);
    }
    bool recorded = status == FM_OK;
    if (recorded) { // the list lets go of it when it retires, perhaps before this thread has looked
        fmi_table_hold_more(&out->staged.buffer->slot);
    }
    status = commit(c, &c->source, commands, status, &out->value);
    if (status == FM_OK) {
        out->size_bytes = range.size_bytes;
    } else if (recorded) {
        fmi_table_release(&from->device->buffers, &out->staged.buffer->slot);
    }
    return status;
}

static void drop(const crossing *c, piece *p)
{
    if (p->size_bytes) {
        fmi_table_release(&c->source.named->device->buffers, &p->staged.buffer->slot);
        p->size_bytes = 0;
    }
}

// Starts writing a piece that has been read; its bytes are captured.
static fm_status start_write(const crossing *c, uint64_t at, const piece *p, uint64_t *out_value)
{
    const fm_copy_side *to = c->destination.named;
    fm_commands *commands;
    fm_status status = fmi_recorder_begin(&to->device->record, NULL, &commands);
    if (status != FM_OK) {
        return blame(&c->destination, status);
    }
    commands->deadline = c->deadline;
    status =
        fmi_record_upload(commands, to->buffer, (fmi_range){to->offset_bytes + at, p->size_bytes}, p->staged.mapped);
    return commit(c, &c->destination, commands, status, out_value);
}

// The steps of each piece: it has been read; the next is asked for; it is sent on; the one before has arrived.
static fm_status cross(const crossing *c)
{
    piece now = {0}, next = {0};
    uint64_t at = 0, arriving = 0; // the destination stream's value of the piece before; 0: none
    fm_status status = start_read(c, 0, &now);
    while (status == FM_OK && now.size_bytes) {
        uint64_t value = 0, behind = at + now.size_bytes;
        status = wait_for(c, &c->source, now.value);
        if (status == FM_OK && behind < c->size_bytes) {
            status = start_read(c, behind, &next);
        }
        if (status == FM_OK) {
            status = start_write(c, at, &now, &value);
        }
        if (status == FM_OK && arriving) {
            status = wait_for(c, &c->destination, arriving);
        }
        drop(c, &now);
        now = next;
        next.size_bytes = 0;
        at = behind;
        arriving = value;
    }
    drop(c, &now);
    return status == FM_OK ? wait_for(c, &c->destination, arriving) : status;
}

// Both sides on one device: one list, behind what both streams have committed. An empty list marks the place in the
// source's.
static fm_status copy_within(const crossing *c)
{
    const fm_copy_side *from = c->source.named, *to = c->destination.named;
    fm_commands *commands;
    fm_point after = {from->stream, 0}, point = {{0}, 0};
    fm_status status = fmi_recorder_begin(&from->device->record, NULL, &commands);
    status = status == FM_OK ? commit(c, &c->source, commands, FM_OK, &after.value) : blame(&c->source, status);
    if (status == FM_OK) {
        status = blame(&c->destination, fmi_recorder_begin(&to->device->record, NULL, &commands));
    }
    if (status != FM_OK) {
        return status;
    }
    const fm_commit_info info = {.stream = to->stream, .after = &after, .after_count = 1};
    status = fmi_record_copy(commands, from->buffer, from->offset_bytes, to->buffer, to->offset_bytes, c->size_bytes);
    if (status == FM_OK) {
        status = blame(&c->destination, fmi_submit_commit(&commands, &info, fmi_remaining_ns(c->deadline), &point));
    } else {
        fmi_error_in("fm_buffer_copy_across"); // it names the side itself
    }
    if (status != FM_OK) {
        fmi_error_state cause;
        fmi_error_save(&cause);
        fmi_recorder_cancel(&commands, "fm_buffer_copy_across");
        fmi_error_restore(&cause);
        return status;
    }
    return wait_for(c, &c->destination, point.value);
}

fm_status fmi_submit_copy_across(const fm_copy_side *source, const fm_copy_side *destination, uint64_t size_bytes,
                                 uint64_t timeout_ns)
{
    crossing c = {.size_bytes = size_bytes, .deadline = fmi_deadline(timeout_ns)};
    fm_status status = open_side(source, "source", &c.source);
    if (status == FM_OK) {
        status = open_side(destination, "destination", &c.destination);
    }
    if (status == FM_OK) {
        c.size_bytes = fmi_buffer_rest(c.source.buffer, source->offset_bytes, size_bytes);
        status = fmi_check_range("fm_buffer_copy_across", c.source.what, c.source.buffer, source->offset_bytes,
                                 c.size_bytes);
    }
    if (status == FM_OK) {
        status = fmi_check_range("fm_buffer_copy_across", c.destination.what, c.destination.buffer,
                                 destination->offset_bytes, c.size_bytes);
    }
    if (status == FM_OK && c.size_bytes > 0) {
        status = source->device == destination->device ? copy_within(&c) : cross(&c);
    }
    close_side(&c.destination);
    close_side(&c.source);
    return status;
}
