// Copies, fills, uploads and read-backs, barriers and labels: everything that a list records but dispatches.
// One check-hold-append a function; all run as the list's owner.
#include "base/error.h"
#include "record/label.h"
#include "record/recorder.h"
#include "record/reusable.h"

#include <string.h>

// Checks and holds one side of a transfer and makes its span, which has the size that FM_WHOLE_SIZE stands for; 0 is a size like any other.
static fm_status side(fm_commands *commands, const char *what, fm_buffer handle, uint64_t offset_bytes,
                      uint64_t size_bytes, uint32_t access, fmi_span *out, fmi_buffer **out_buffer)
{
    fmi_buffer *buffer;
    fm_status status = fmi_recorder_hold_buffer(commands, handle, &buffer);
    if (status != FM_OK) {
        fmi_error_prefix(what);
        return status;
    }
    size_bytes = fmi_buffer_rest(buffer, offset_bytes, size_bytes);
    status = fmi_check_range(what, buffer, offset_bytes, size_bytes);
    if (status == FM_OK) {
        *out = fmi_buffer_span(buffer, offset_bytes, size_bytes, access);
        *out_buffer = buffer;
    }
    return status;
}

// A transfer of no bytes: its handles and offsets are right, nothing is recorded, and what the checks held is let go.
static fm_status record_nothing(fm_commands *commands)
{
    fmi_recorder_undo(commands);
    return FM_OK;
}

// Puts a filled command in the list; a reusable list also notes what it names.
static bool link_command(fmi_list *list, fmi_command *command, fm_buffer first, fm_buffer second)
{
    if (list->reusable && !fmi_reusable_note_transfer(list, command, first, second)) {
        return false;
    }
    fmi_list_link(list, command);
    return true;
}

// `first` and `second`: the buffers that the caller named; null: none.
static fm_status append_copy(fm_commands *commands, const char *caller, fmi_span source, fmi_span destination,
                             fm_buffer first, fm_buffer second)
{
    fmi_command *command = fmi_list_new_command(commands->list, FMI_COMMAND_COPY, 2, 0);
    if (!command || !link_command(commands->list, command, first, second)) {
        return fmi_fail(FM_ERROR_OUT_OF_HOST_MEMORY, "%s: no host memory for a command", caller);
    }
    command->label = commands->labels ? commands->labels->path : NULL;
    source.access |= FM_ACCESS_READ;
    destination.access |= FM_ACCESS_WRITE;
    command->spans[0] = source;
    command->spans[1] = destination;
    return FM_OK;
}

fm_status fm_copy(fm_commands *commands, fm_buffer source, uint64_t source_offset_bytes, fm_buffer destination,
                  uint64_t destination_offset_bytes, uint64_t size_bytes)
{
    fm_status status = fmi_recorder_enter(commands, "fm_copy");
    if (status != FM_OK) {
        return status;
    }
    fmi_span from, to;
    fmi_buffer *buffer;
    status = side(commands, "fm_copy: source", source, source_offset_bytes, size_bytes, FM_ACCESS_READ, &from, &buffer);
    if (status == FM_OK) {
        size_bytes = from.size_bytes;
        status = side(commands, "fm_copy: destination", destination, destination_offset_bytes, size_bytes,
                      FM_ACCESS_WRITE, &to, &buffer);
    }
    if (status == FM_OK && from.region == to.region && source_offset_bytes < destination_offset_bytes + size_bytes &&
        destination_offset_bytes < source_offset_bytes + size_bytes) {
        status = fmi_fail(FM_ERROR_INVALID_ARGUMENT, "fm_copy: the ranges at %llu and %llu of one buffer overlap",
                          (unsigned long long)source_offset_bytes, (unsigned long long)destination_offset_bytes);
    }
    if (status == FM_OK) {
        status = size_bytes == 0 ? record_nothing(commands)
                                 : append_copy(commands, "fm_copy", from, to, source, destination);
    }
    fmi_recorder_leave(commands, status);
    return status;
}

static fm_status fill(fm_commands *commands, fm_buffer handle, uint64_t offset_bytes, uint64_t size_bytes,
                      uint32_t value)
{
    fmi_buffer *buffer;
    fm_status status = fmi_recorder_hold_buffer(commands, handle, &buffer);
    if (status != FM_OK) {
        fmi_error_prefix("fm_fill");
        return status;
    }
    if (size_bytes == FM_WHOLE_SIZE) {
        size_bytes = fmi_buffer_rest(buffer, offset_bytes, size_bytes);
    } else if (size_bytes % 4 != 0) {
        return fmi_fail(FM_ERROR_INVALID_ARGUMENT, "fm_fill: size_bytes %llu is not a multiple of 4",
                        (unsigned long long)size_bytes);
    }
    if (offset_bytes % 4 != 0) {
        return fmi_fail(FM_ERROR_INVALID_ARGUMENT, "fm_fill: offset_bytes %llu is not a multiple of 4",
                        (unsigned long long)offset_bytes);
    }
    status = fmi_check_range("fm_fill", buffer, offset_bytes, size_bytes);
    if (status != FM_OK || size_bytes == 0) {
        return status == FM_OK ? record_nothing(commands) : status;
    }
    fmi_command *command = fmi_list_new_command(commands->list, FMI_COMMAND_FILL, 1, 0);
    if (!command || !link_command(commands->list, command, handle, (fm_buffer){0})) {
        return fmi_fail(FM_ERROR_OUT_OF_HOST_MEMORY, "fm_fill: no host memory for a command");
    }
    command->label = commands->labels ? commands->labels->path : NULL;
    command->fill_value = value;
    // Rounded up to words: the allocation is, too, and the last word's rest is nobody's.
    command->spans[0] = fmi_buffer_span(buffer, offset_bytes, (size_bytes + 3) & ~(uint64_t)3, FM_ACCESS_WRITE);
    return FM_OK;
}

fm_status fm_fill(fm_commands *commands, fm_buffer buffer, uint64_t offset_bytes, uint64_t size_bytes, uint32_t value)
{
    fm_status status = fmi_recorder_enter(commands, "fm_fill");
    if (status == FM_OK) {
        status = fill(commands, buffer, offset_bytes, size_bytes, value);
        fmi_recorder_leave(commands, status);
    }
    return status;
}

fm_status fm_upload(fm_commands *commands, fm_buffer buffer, uint64_t offset_bytes, uint64_t size_bytes,
                    const void *source)
{
    fm_status status = fmi_recorder_enter(commands, "fm_upload");
    if (status != FM_OK) {
        return status;
    }
    fmi_span to;
    fmi_staged staged;
    fmi_buffer *target;
    status = side(commands, "fm_upload", buffer, offset_bytes, size_bytes, FM_ACCESS_WRITE, &to, &target);
    bool moves = status == FM_OK && to.size_bytes > 0;
    if (moves && !source) {
        status = fmi_fail(FM_ERROR_INVALID_ARGUMENT, "fm_upload: source is NULL");
    } else if (moves) {
        status = fmi_recorder_stage(commands, target, to.size_bytes, &staged);
        if (status != FM_OK) {
            fmi_error_prefix("fm_upload");
        }
    } else if (status == FM_OK) {
        status = record_nothing(commands);
    }
    if (status == FM_OK && moves) {
        memcpy(staged.mapped, source, (size_t)to.size_bytes);
        status = append_copy(commands, "fm_upload", staged.span, to, buffer, (fm_buffer){0});
    }
    fmi_recorder_leave(commands, status);
    return status;
}

// The copy of a checked range to staging memory.
static fm_status copy_out(fm_commands *commands, fm_buffer buffer, const fmi_buffer *source, fmi_span from,
                          fmi_staged *out)
{
    fm_status status = fmi_recorder_stage(commands, source, from.size_bytes, out);
    return status == FM_OK ? append_copy(commands, "read-back", from, out->span, buffer, (fm_buffer){0}) : status;
}

fm_status fmi_record_copy_out(fm_commands *commands, fm_buffer buffer, fmi_range range, fmi_staged *out)
{
    fmi_span from;
    fmi_buffer *source;
    fm_status status =
        side(commands, "source", buffer, range.offset_bytes, range.size_bytes, FM_ACCESS_READ, &from, &source);
    return status == FM_OK ? copy_out(commands, buffer, source, from, out) : status;
}

// fm_read without the owner check.
static fm_status read_back(fm_commands *commands, fm_buffer buffer, fmi_range range, void *destination)
{
    fmi_list *list = commands->list;
    if (list->reusable) {
        return fmi_fail(FM_ERROR_INVALID_ARGUMENT,
                        "a reusable list reads nothing back; commit a list of its own after it");
    }
    fmi_span from;
    fmi_buffer *source;
    fm_status status =
        side(commands, "source", buffer, range.offset_bytes, range.size_bytes, FM_ACCESS_READ, &from, &source);
    if (status != FM_OK || from.size_bytes == 0) {
        return status == FM_OK ? record_nothing(commands) : status;
    }
    if (!destination) {
        return fmi_fail(FM_ERROR_INVALID_ARGUMENT, "destination is NULL");
    }
    fmi_readback *readback = fmi_arena_alloc(&list->arena, sizeof *readback);
    if (!readback) {
        return fmi_fail(FM_ERROR_OUT_OF_HOST_MEMORY, "no host memory for a read-back");
    }
    fmi_staged staged;
    status = copy_out(commands, buffer, source, from, &staged);
    if (status == FM_OK) {
        *readback = (fmi_readback){list->readbacks, staged.mapped, destination, (size_t)from.size_bytes};
        list->readbacks = readback;
    }
    return status;
}

fm_status fm_read(fm_commands *commands, fm_buffer buffer, uint64_t offset_bytes, uint64_t size_bytes,
                  void *destination)
{
    fm_status status = fmi_recorder_enter(commands, "fm_read");
    if (status != FM_OK) {
        return status;
    }
    status = read_back(commands, buffer, (fmi_range){offset_bytes, size_bytes}, destination);
    if (status != FM_OK) {
        fmi_error_prefix("fm_read");
    }
    fmi_recorder_leave(commands, status);
    return status;
}

fm_status fm_barrier(fm_commands *commands)
{
    fm_status status = fmi_recorder_enter(commands, "fm_barrier");
    if (status != FM_OK) {
        return status;
    }
    if (!fmi_list_append(commands->list, FMI_COMMAND_BARRIER, 0, 0)) {
        status = fmi_fail(FM_ERROR_OUT_OF_HOST_MEMORY, "fm_barrier: no host memory for a command");
    }
    fmi_recorder_leave(commands, status);
    return status;
}

// What of the outer groups' path goes in front of a name of so many bytes: all of it, or behind ".../" the innermost groups that fit.
// `*out_length`: its bytes and the slash behind it; 0: no group fits.
static const char *outer_path(const char *path, size_t name_length, const char **out_prefix, size_t *out_length)
{
    static const char prefix[] = ".../";
    size_t length = strlen(path) + 1;
    if (length + name_length <= FMI_LABEL_PATH_BYTES) {
        *out_length = length;
        return path;
    }
    const char *from = path;
    while (length > 0 && sizeof prefix - 1 + length + name_length > FMI_LABEL_PATH_BYTES) {
        const char *slash = memchr(from, '/', length - 1);
        length = slash ? length - (size_t)(slash + 1 - from) : 0;
        from = slash ? slash + 1 : from;
    }
    *out_prefix = prefix;
    *out_length = length;
    return from;
}

fm_status fm_label_push(fm_commands *commands, const char *label)
{
    if (!label) {
        return fmi_fail(FM_ERROR_INVALID_ARGUMENT, "fm_label_push: label is NULL");
    }
    fm_status status = fmi_recorder_enter(commands, "fm_label_push");
    if (status != FM_OK) {
        return status;
    }
    size_t length = strlen(label), outer_length = 0;
    const char *prefix = "";
    const char *outer = commands->labels ? outer_path(commands->labels->path, length, &prefix, &outer_length) : "";
    size_t prefix_length = strlen(prefix);
    fmi_label *inner =
        fmi_arena_alloc(&commands->list->arena, sizeof *inner + prefix_length + outer_length + length + 1);
    if (inner) {
        memcpy(inner->path, prefix, prefix_length);
        memcpy(inner->path + prefix_length, outer, outer_length);
        memcpy(inner->path + prefix_length + outer_length, label, length + 1);
        if (outer_length > 0) {
            inner->path[prefix_length + outer_length - 1] = '/'; // in place of the outer path's zero byte
        }
        inner->outer = commands->labels;
        commands->labels = inner;
    } else {
        status = fmi_fail(FM_ERROR_OUT_OF_HOST_MEMORY, "fm_label_push: no host memory for a label");
    }
    fmi_recorder_leave(commands, status);
    return status;
}

fm_status fm_label_pop(fm_commands *commands)
{
    fm_status status = fmi_recorder_enter(commands, "fm_label_pop");
    if (status != FM_OK) {
        return status;
    }
    if (commands->labels) {
        commands->labels = commands->labels->outer;
    } else {
        status = fmi_fail(FM_ERROR_INVALID_ARGUMENT, "fm_label_pop: no label is open");
    }
    fmi_recorder_leave(commands, status);
    return status;
}
