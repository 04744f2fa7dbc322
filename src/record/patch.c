// fm_patch: another dispatch in the place of one that a reusable list has recorded.
// The list's owner calls. Copies that were committed before have commands of their own, so nothing that is in flight
// changes.
#include "base/error.h"
#include "record/calls.h"
#include "record/dispatch.h"

#include <string.h>

// What `list` holds already of a variant: itself, or its twin that has left the cache since; NULL if neither. Without
// looking for twins, a list that is patched again and again where little fits the cache would hold more with each
// patch.
static const fmi_variant *find_held(const fmi_list *list, const fmi_variant *variant)
{
    for (const fmi_hold_chunk *chunk = list->variants; chunk; chunk = chunk->next) {
        for (uint32_t i = 0; i < chunk->count; i++) {
            const fmi_variant *held = (const fmi_variant *)chunk->slots[i];
            if (held == variant || fmi_variant_is_twin(held, variant)) {
                return held;
            }
        }
    }
    return NULL;
}

// Has the list hold the variant of a dispatch that was recorded aside, as long as the list and its copies need it
// (KEY-3). False: out of host memory, nothing changed.
static bool keep_variant(fmi_list *list, const fmi_list *aside)
{
    fmi_slot *slot = aside->variants->slots[0]; // of one dispatch there is one
    const fmi_variant *held = find_held(list, (const fmi_variant *)slot);
    if (held) {
        aside->first->binary = held->binary;
        return true;
    }
    if (!fmi_list_note_hold(list, &list->variants, slot)) {
        return false;
    }
    fmi_table_hold_more(slot); // the other list's hold goes by the other list's share
    return true;
}

// Records the dispatch aside, with all its checks, and puts it in the place of the old one.
static fm_status replace(fm_commands *commands, fmi_mention *mention, const fm_dispatch_info *info)
{
    fmi_record_room *room = commands->room;
    fmi_list *list = commands->list;
    fmi_list *aside = fmi_lanes_take_list(room->lanes);
    if (!aside) {
        return fmi_fail_in("fm_patch", FM_ERROR_OUT_OF_HOST_MEMORY, "no host memory");
    }
    fmi_recorder_forget_stamps(commands);
    commands->list = aside;
    fmi_dispatch_way way = {.keeps_empty = true};
    fmi_counts counts;
    if (mention->command->kind == FMI_COMMAND_DISPATCH_INDIRECT) { // its counts stay where they are
        counts = (fmi_counts){{mention->buffers[mention->buffer_count - 1]}, mention->counts_offset_bytes};
        way.counts = &counts;
    }
    fm_status status = fmi_dispatch_inside(commands, info, &way);
    if (status != FM_OK) {
        fmi_error_in("fm_patch");
    }
    commands->list = list;
    commands->new_buffers = commands->new_kernels = commands->new_variants = 0;
    fmi_recorder_forget_stamps(commands);
    if (status == FM_OK && !keep_variant(list, aside)) {
        status = fmi_fail_in("fm_patch", FM_ERROR_OUT_OF_HOST_MEMORY, "no host memory to hold a kernel variant");
    }
    if (status == FM_OK) { // the same kernel takes as many bindings and as many bytes of constants
        fmi_command *old = mention->command, *new = aside->first;
        new->next = old->next;
        new->label = old->label;
        memcpy(old, new, sizeof *old + old->span_count * sizeof(fmi_span) + old->constants_size_bytes);
        fmi_reusable_name_dispatch(mention, info);
    }
    fmi_record_drop_list(room, aside);
    return status;
}

fm_status fmi_record_patch(fm_commands *commands, uint32_t dispatch, const fm_dispatch_info *info)
{
    fm_status status = fmi_recorder_enter(commands, "fm_patch");
    if (status != FM_OK) {
        return status;
    }
    fmi_list *list = commands->list;
    if (!list->reusable) {
        status = fmi_fail_in("fm_patch", FM_ERROR_INVALID_ARGUMENT, "the list was not begun as FM_COMMANDS_REUSABLE");
    } else if (dispatch >= list->dispatch_count) {
        status = fmi_fail_in("fm_patch", FM_ERROR_INVALID_ARGUMENT, "there is no dispatch %u; the list has %u",
                             dispatch, list->dispatch_count);
    } else if (info->kernel.id != list->dispatches[dispatch]->kernel) {
        status = fmi_fail_in("fm_patch", FM_ERROR_INVALID_ARGUMENT, "dispatch %u has another kernel", dispatch);
    } else {
        status = replace(commands, list->dispatches[dispatch], info);
    }
    fmi_recorder_leave(commands, status);
    return status;
}
