// Copies of rows: a rectangle, or slices of them, from one layout to another in one command. What turns out to be one
// piece on both sides is recorded as a plain copy. All run as the list's owner.
#include "base/error.h"
#include "base/phrase.h"
#include "record/calls.h"
#include "record/transfer.h"

#include <string.h>

// Where the rows of one side lie.
typedef struct layout {
    uint64_t row_pitch_bytes;   // from one row to the next, in a slice
    uint64_t slice_pitch_bytes; // from one slice to the next
    uint64_t extent_bytes;      // from the first row's first byte to the last row's end
} layout;

// The distance from the first of `count` things to the end of the last. False: it is beyond 64 bits.
static bool reach(uint64_t count, uint64_t pitch_bytes, uint64_t last_bytes, uint64_t *out)
{
    uint64_t last;
    return !__builtin_mul_overflow(count - 1, pitch_bytes, &last) && !__builtin_add_overflow(last, last_bytes, out);
}

static fm_status blame_side(fm_status status, const char *side)
{
    if (status != FM_OK) {
        fmi_error_about("%s", side);
    }
    return status;
}

// Lays out one side; there is a byte to copy.
static fm_status lay_out(const fm_copy_rect_info *info, uint64_t row_pitch_bytes, uint64_t slice_pitch_bytes,
                         layout *out)
{
    uint64_t slices = info->slice_count ? info->slice_count : 1, slice_bytes, packed;
    out->row_pitch_bytes = row_pitch_bytes ? row_pitch_bytes : info->row_size_bytes;
    if (out->row_pitch_bytes < info->row_size_bytes) {
        return fmi_fail_in("fm_copy_rect", FM_ERROR_INVALID_ARGUMENT,
                           "a row pitch of %s bytes is less than a row of %s bytes", fmi_number(row_pitch_bytes).text,
                           fmi_number(info->row_size_bytes).text);
    }
    bool fits = reach(info->row_count, out->row_pitch_bytes, info->row_size_bytes, &slice_bytes);
    if (fits && slice_pitch_bytes && slice_pitch_bytes < slice_bytes) {
        return fmi_fail_in("fm_copy_rect", FM_ERROR_INVALID_ARGUMENT,
                           "a slice pitch of %s bytes is less than a slice of %s bytes",
                           fmi_number(slice_pitch_bytes).text, fmi_number(slice_bytes).text);
    }
    out->slice_pitch_bytes = slice_pitch_bytes;
    if (fits && slice_pitch_bytes == 0) {
        fits = slices == 1 || !__builtin_mul_overflow(info->row_count, out->row_pitch_bytes, &packed);
        out->slice_pitch_bytes = fits && slices > 1 ? packed : slice_bytes;
    }
    if (!fits || !reach(slices, out->slice_pitch_bytes, slice_bytes, &out->extent_bytes) ||
        out->extent_bytes == FM_WHOLE_SIZE) {
        return fmi_fail_in("fm_copy_rect", FM_ERROR_OUT_OF_RANGE, "%s slices of %s rows reach beyond any buffer",
                           fmi_number(slices).text, fmi_number(info->row_count).text);
    }
    return FM_OK;
}

// Does a row that is read share a byte with one that is written? Both go through memory upwards, so one pass tells.
static bool rows_overlap(const fmi_rect *r, uint64_t source, uint64_t destination)
{
    uint64_t rows = r->row_count * r->slice_count, s = 0, d = 0; // no more than bytes, so it is within 64 bits
    while (s < rows && d < rows) {
        uint64_t from = source + s / r->row_count * r->slice_pitch_bytes[0] + s % r->row_count * r->row_pitch_bytes[0];
        uint64_t to =
            destination + d / r->row_count * r->slice_pitch_bytes[1] + d % r->row_count * r->row_pitch_bytes[1];
        if (from < to + r->row_size_bytes && to < from + r->row_size_bytes) {
            return true;
        }
        s += from < to;
        d += to < from;
    }
    return false;
}

// Rows that follow each other on both sides are one row, slices that do are one slice.
static void join_pieces(fmi_rect *r)
{
    if (r->row_count == 1 ||
        (r->row_pitch_bytes[0] == r->row_size_bytes && r->row_pitch_bytes[1] == r->row_size_bytes)) {
        r->row_size_bytes *= r->row_count;
        r->row_count = r->slice_count; // what were slices are rows now
        r->slice_count = 1;
        memcpy(r->row_pitch_bytes, r->slice_pitch_bytes, sizeof r->row_pitch_bytes);
        if (r->row_count > 1 && r->row_pitch_bytes[0] == r->row_size_bytes &&
            r->row_pitch_bytes[1] == r->row_size_bytes) {
            r->row_size_bytes *= r->row_count;
            r->row_count = 1;
        }
    }
}

static fm_status append_rect(fm_commands *commands, const fm_copy_rect_info *info, fmi_rect rect, fmi_span source,
                             fmi_span destination)
{
    join_pieces(&rect);
    if (rect.row_count == 1 && rect.slice_count == 1) {
        return fmi_transfer_copy(commands, "fm_copy_rect", source, destination, info->source, info->destination);
    }
    fmi_command *command = fmi_transfer_new(commands, FMI_COMMAND_COPY_RECT, 2, sizeof rect);
    fm_status status = fmi_transfer_link(commands, "fm_copy_rect", command, info->source, info->destination);
    if (status == FM_OK) {
        command->spans[0] = source;
        command->spans[1] = destination;
        memcpy(&command->spans[2], &rect, sizeof rect);
    }
    return status;
}

static fm_status copy_rect(fm_commands *commands, const fm_copy_rect_info *info)
{
    bool moves = info->row_size_bytes > 0 && info->row_count > 0;
    layout from = {0}, to = {0};
    fm_status status = FM_OK;
    if (moves) {
        status =
            blame_side(lay_out(info, info->source_row_pitch_bytes, info->source_slice_pitch_bytes, &from), "source");
    }
    if (status == FM_OK && moves) {
        status = blame_side(lay_out(info, info->destination_row_pitch_bytes, info->destination_slice_pitch_bytes, &to),
                            "destination");
    }
    fmi_span source, destination;
    fmi_buffer *buffer;
    if (status == FM_OK) {
        status = fmi_transfer_side(commands, "fm_copy_rect", "source", info->source,
                                   (fmi_range){info->source_offset_bytes, from.extent_bytes}, FM_ACCESS_READ, &source,
                                   &buffer);
    }
    if (status == FM_OK) {
        status = fmi_transfer_side(commands, "fm_copy_rect", "destination", info->destination,
                                   (fmi_range){info->destination_offset_bytes, to.extent_bytes}, FM_ACCESS_WRITE,
                                   &destination, &buffer);
    }
    if (status != FM_OK || !moves) {
        return status == FM_OK ? fmi_transfer_nothing(commands) : status;
    }
    const fmi_rect rect = {
        .row_size_bytes = info->row_size_bytes,
        .row_count = info->row_count,
        .slice_count = info->slice_count ? info->slice_count : 1,
        .row_pitch_bytes = {from.row_pitch_bytes, to.row_pitch_bytes},
        .slice_pitch_bytes = {from.slice_pitch_bytes, to.slice_pitch_bytes},
    };
    bool near = source.region == destination.region &&
                source.offset_bytes < destination.offset_bytes + destination.size_bytes &&
                destination.offset_bytes < source.offset_bytes + source.size_bytes;
    if (near && rows_overlap(&rect, source.offset_bytes, destination.offset_bytes)) {
        return fmi_fail_in("fm_copy_rect", FM_ERROR_INVALID_ARGUMENT,
                           "a row that is read overlaps one that is written");
    }
    return append_rect(commands, info, rect, source, destination);
}

fm_status fmi_record_copy_rect(fm_commands *commands, const fm_copy_rect_info *info)
{
    fm_status status = fmi_recorder_enter(commands, "fm_copy_rect");
    if (status == FM_OK) {
        status = copy_rect(commands, info);
        fmi_recorder_leave(commands, status);
    }
    return status;
}
