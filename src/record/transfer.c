// Copies, uploads and read-backs, and barriers. Fills are in fill.c, copies of rows in rect.c.
// One check-hold-append a function; all run as the list's owner.
#include "record/transfer.h"

#include "base/error.h"
#include "record/calls.h"
#include "record/label.h"
#include "record/reusable.h"

#include <string.h>

fm_status fmi_transfer_side(fm_commands *commands, const char *call, const char *part, fm_buffer handle,
                            fmi_range range, uint32_t access, fmi_span *out, fmi_buffer **out_buffer)
{
    fmi_buffer *buffer;
    fm_status status = fmi_recorder_hold_buffer(commands, handle, &buffer);
    if (status != FM_OK) {
        if (part) {
            fmi_error_about("%s", part);
        }
        fmi_error_in(call);
        return status;
    }
    uint64_t size_bytes = fmi_buffer_rest(buffer, range.offset_bytes, range.size_bytes);
    status = fmi_check_range(call, part, buffer, range.offset_bytes, size_bytes);
    if (status == FM_OK) {
        *out = fmi_buffer_span(buffer, range.offset_bytes, size_bytes, access);
        *out_buffer = buffer;
    }
    return status;
}

fm_status fmi_transfer_nothing(fm_commands *commands)
{
    fmi_recorder_undo(commands);
    return FM_OK;
}

fmi_command *fmi_transfer_new(fm_commands *commands, fmi_command_kind kind, uint32_t span_count,
                              uint32_t constants_size_bytes)
{
    fmi_command *command = fmi_list_new_command(commands->list, kind, span_count, constants_size_bytes);
    if (command) {
        command->label = commands->labels ? commands->labels->path : NULL;
    }
    return command;
}

fm_status fmi_transfer_link(fm_commands *commands, const char *caller, fmi_command *command, fm_buffer first,
                            fm_buffer second)
{
    fmi_list *list = commands->list;
    if (!command || (list->reusable && !fmi_reusable_note_transfer(list, command, first, second))) {
        return fmi_fail_in(caller, FM_ERROR_OUT_OF_HOST_MEMORY, "no host memory for a command");
    }
    fmi_list_link(list, command);
    return FM_OK;
}

fm_status fmi_transfer_copy(fm_commands *commands, const char *caller, fmi_span source, fmi_span destination,
                            fm_buffer first, fm_buffer second)
{
    fmi_command *command = fmi_transfer_new(commands, FMI_COMMAND_COPY, 2, 0);
    fm_status status = fmi_transfer_link(commands, caller, command, first, second);
    if (status == FM_OK) {
        source.access |= FM_ACCESS_READ;
        destination.access |= FM_ACCESS_WRITE;
        command->spans[0] = source;
        command->spans[1] = destination;
    }
    return status;
}

fm_status fmi_record_copy(fm_commands *commands, fm_buffer source, uint64_t source_offset_bytes, fm_buffer destination,
                          uint64_t destination_offset_bytes, uint64_t size_bytes)
{
    fm_status status = fmi_recorder_enter(commands, "fm_copy");
    if (status != FM_OK) {
        return status;
    }
    fmi_span from, to;
    fmi_buffer *buffer;
    status = fmi_transfer_side(commands, "fm_copy", "source", source, (fmi_range){source_offset_bytes, size_bytes},
                               FM_ACCESS_READ, &from, &buffer);
    if (status == FM_OK) {
        size_bytes = from.size_bytes;
        status = fmi_transfer_side(commands, "fm_copy", "destination", destination,
                                   (fmi_range){destination_offset_bytes, size_bytes}, FM_ACCESS_WRITE, &to, &buffer);
    }
    if (status == FM_OK && from.region == to.region && source_offset_bytes < destination_offset_bytes + size_bytes &&
        destination_offset_bytes < source_offset_bytes + size_bytes) {
        status = fmi_fail_in("fm_copy", FM_ERROR_INVALID_ARGUMENT, "the ranges at %llu and %llu of one buffer overlap",
                             (unsigned long long)source_offset_bytes, (unsigned long long)destination_offset_bytes);
    }
    if (status == FM_OK) {
        status = size_bytes == 0 ? fmi_transfer_nothing(commands)
                                 : fmi_transfer_copy(commands, "fm_copy", from, to, source, destination);
    }
    fmi_recorder_leave(commands, status);
    return status;
}

fm_status fmi_record_upload(fm_commands *commands, fm_buffer buffer, fmi_range range, const void *source)
{
    fm_status status = fmi_recorder_enter(commands, "fm_upload");
    if (status != FM_OK) {
        return status;
    }
    fmi_span to;
    fmi_staged staged;
    fmi_buffer *target;
    status = fmi_transfer_side(commands, "fm_upload", NULL, buffer, range, FM_ACCESS_WRITE, &to, &target);
    bool moves = status == FM_OK && to.size_bytes > 0;
    if (moves && !source) {
        status = fmi_fail_in("fm_upload", FM_ERROR_INVALID_ARGUMENT, "source is NULL");
    } else if (moves) {
        status = fmi_recorder_stage(commands, target, to.size_bytes, &staged);
        if (status != FM_OK) {
            fmi_error_in("fm_upload");
        }
    } else if (status == FM_OK) {
        status = fmi_transfer_nothing(commands);
    }
    if (status == FM_OK && moves) {
        memcpy(staged.mapped, source, (size_t)to.size_bytes);
        status = fmi_transfer_copy(commands, "fm_upload", staged.span, to, buffer, (fm_buffer){0});
    }
    fmi_recorder_leave(commands, status);
    return status;
}

// The copy of a checked range to staging memory.
static fm_status copy_out(fm_commands *commands, fm_buffer buffer, const fmi_buffer *source, fmi_span from,
                          fmi_staged *out)
{
    fm_status status = fmi_recorder_stage(commands, source, from.size_bytes, out);
    return status == FM_OK ? fmi_transfer_copy(commands, "read-back", from, out->span, buffer, (fm_buffer){0}) : status;
}

fm_status fmi_record_copy_out(fm_commands *commands, fm_buffer buffer, fmi_range range, fmi_staged *out)
{
    fmi_span from = {0};
    fmi_buffer *source = NULL;
    fm_status status = fmi_transfer_side(commands, "fm_read", "source", buffer, range, FM_ACCESS_READ, &from, &source);
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
    fmi_span from = {0};
    fmi_buffer *source = NULL;
    fm_status status = fmi_transfer_side(commands, "fm_read", "source", buffer, range, FM_ACCESS_READ, &from, &source);
    if (status != FM_OK || from.size_bytes == 0) {
        return status == FM_OK ? fmi_transfer_nothing(commands) : status;
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

fm_status fmi_record_read(fm_commands *commands, fm_buffer buffer, fmi_range range, void *destination)
{
    fm_status status = fmi_recorder_enter(commands, "fm_read");
    if (status != FM_OK) {
        return status;
    }
    status = read_back(commands, buffer, range, destination);
    if (status != FM_OK) {
        fmi_error_in("fm_read");
    }
    fmi_recorder_leave(commands, status);
    return status;
}

fm_status fmi_record_barrier(fm_commands *commands)
{
    fm_status status = fmi_recorder_enter(commands, "fm_barrier");
    if (status != FM_OK) {
        return status;
    }
    if (!fmi_list_append(commands->list, FMI_COMMAND_BARRIER, 0, 0)) {
        status = fmi_fail_in("fm_barrier", FM_ERROR_OUT_OF_HOST_MEMORY, "no host memory for a command");
    }
    fmi_recorder_leave(commands, status);
    return status;
}
