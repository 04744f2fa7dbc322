// Labels: groups of a list's commands, opened and closed. See label.h.
// The list's owner calls; a label lies in the list's arena and goes with it.
#include "record/label.h"

#include "base/error.h"
#include "record/calls.h"

#include <string.h>

// What of the outer groups' path goes in front of a name of so many bytes: all of it, or behind ".../" the innermost
// groups that fit. `*out_length`: its bytes and the slash behind it; 0: no group fits.
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

fm_status fmi_record_push_label(fm_commands *commands, const char *label)
{
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
        status = fmi_fail_in("fm_label_push", FM_ERROR_OUT_OF_HOST_MEMORY, "no host memory for a label");
    }
    fmi_recorder_leave(commands, status);
    return status;
}

fm_status fmi_record_pop_label(fm_commands *commands)
{
    fm_status status = fmi_recorder_enter(commands, "fm_label_pop");
    if (status != FM_OK) {
        return status;
    }
    if (commands->labels) {
        commands->labels = commands->labels->outer;
    } else {
        status = fmi_fail_in("fm_label_pop", FM_ERROR_INVALID_ARGUMENT, "no label is open");
    }
    fmi_recorder_leave(commands, status);
    return status;
}
