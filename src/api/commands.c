// fermata/commands.h: checks of pointers, then the recording room, or for a commit submit/commit.c.
// A list has one owner at a time: a second thread in it is refused by whoever enters it (record/recorder.h).
#include "record/calls.h"
#include "submit/submit.h"

fm_status fm_commands_begin(fm_device *device, const fm_commands_info *info, fm_commands **out_commands)
{
    if (out_commands) {
        *out_commands = NULL;
    }
    fm_status status = fmi_device_check(device, "fm_commands_begin");
    if (status != FM_OK) {
        return status;
    }
    if (!out_commands) {
        return fmi_fail_in("fm_commands_begin", FM_ERROR_INVALID_ARGUMENT, "out_commands is NULL");
    }
    if (info && (info->flags & ~(uint32_t)(FM_COMMANDS_UNTRACKED | FM_COMMANDS_REUSABLE))) {
        return fmi_fail_in("fm_commands_begin", FM_ERROR_INVALID_ARGUMENT, "flags %#x are unknown", info->flags);
    }
    return fmi_recorder_begin(&device->record, info, out_commands);
}

fm_status fm_commands_cancel(fm_commands **commands)
{
    if (!commands) {
        return fmi_fail_in("fm_commands_cancel", FM_ERROR_INVALID_ARGUMENT, "commands is NULL");
    }
    return fmi_recorder_cancel(commands, "fm_commands_cancel");
}

fm_status fm_dispatch(fm_commands *commands, const fm_dispatch_info *info)
{
    if (!info) {
        return fmi_fail_in("fm_dispatch", FM_ERROR_INVALID_ARGUMENT, "info is NULL");
    }
    return fmi_record_dispatch(commands, info);
}

fm_status fm_dispatch_indirect(fm_commands *commands, const fm_dispatch_info *info, fm_buffer buffer,
                               uint64_t offset_bytes)
{
    if (!info) {
        return fmi_fail_in("fm_dispatch_indirect", FM_ERROR_INVALID_ARGUMENT, "info is NULL");
    }
    return fmi_record_dispatch_indirect(commands, info, buffer, offset_bytes);
}

fm_status fm_copy(fm_commands *commands, fm_buffer source, uint64_t source_offset_bytes, fm_buffer destination,
                  uint64_t destination_offset_bytes, uint64_t size_bytes)
{
    return fmi_record_copy(commands, source, source_offset_bytes, destination, destination_offset_bytes, size_bytes);
}

fm_status fm_fill(fm_commands *commands, fm_buffer buffer, uint64_t offset_bytes, uint64_t size_bytes, uint32_t value)
{
    return fmi_record_fill(commands, buffer, (fmi_range){offset_bytes, size_bytes}, value);
}

fm_status fm_fill_pattern(fm_commands *commands, fm_buffer buffer, uint64_t offset_bytes, uint64_t size_bytes,
                          const void *pattern, uint32_t pattern_size_bytes)
{
    return fmi_record_fill_pattern(commands, buffer, (fmi_range){offset_bytes, size_bytes}, pattern,
                                   pattern_size_bytes);
}

fm_status fm_copy_rect(fm_commands *commands, const fm_copy_rect_info *info)
{
    if (!info) {
        return fmi_fail_in("fm_copy_rect", FM_ERROR_INVALID_ARGUMENT, "info is NULL");
    }
    return fmi_record_copy_rect(commands, info);
}

fm_status fm_upload(fm_commands *commands, fm_buffer buffer, uint64_t offset_bytes, uint64_t size_bytes,
                    const void *source)
{
    return fmi_record_upload(commands, buffer, (fmi_range){offset_bytes, size_bytes}, source);
}

fm_status fm_read(fm_commands *commands, fm_buffer buffer, uint64_t offset_bytes, uint64_t size_bytes,
                  void *destination)
{
    return fmi_record_read(commands, buffer, (fmi_range){offset_bytes, size_bytes}, destination);
}

fm_status fm_barrier(fm_commands *commands)
{
    return fmi_record_barrier(commands);
}

fm_status fm_label_push(fm_commands *commands, const char *label)
{
    if (!label) {
        return fmi_fail_in("fm_label_push", FM_ERROR_INVALID_ARGUMENT, "label is NULL");
    }
    return fmi_record_push_label(commands, label);
}

fm_status fm_label_pop(fm_commands *commands)
{
    return fmi_record_pop_label(commands);
}

fm_status fm_patch(fm_commands *commands, uint32_t dispatch, const fm_dispatch_info *info)
{
    if (!info) {
        return fmi_fail_in("fm_patch", FM_ERROR_INVALID_ARGUMENT, "info is NULL");
    }
    return fmi_record_patch(commands, dispatch, info);
}

fm_status fm_commit(fm_commands **commands, const fm_commit_info *info, fm_point *out_point)
{
    if (!commands || !info) {
        return fmi_fail_in("fm_commit", FM_ERROR_INVALID_ARGUMENT, "%s is NULL", commands ? "info" : "commands");
    }
    return fmi_submit_commit(commands, info, FM_FOREVER, out_point);
}
