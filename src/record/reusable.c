// Reusable lists. See reusable.h.
// The list's owner calls. A copy shares nothing that changes with the list that it was made from, so copies may be in
// flight side by side.
#include "record/reusable.h"

#include "base/error.h"
#include "record/shape.h"

#include <string.h>

static fmi_mention *note(fmi_list *list, fmi_command *command, uint32_t buffer_count)
{
    fmi_mention *mention = fmi_arena_alloc(&list->arena, sizeof *mention + buffer_count * sizeof(uint64_t));
    if (mention) {
        *mention = (fmi_mention){.command = command, .buffer_count = buffer_count};
    }
    return mention;
}

static void link_mention(fmi_list *list, fmi_mention *mention)
{
    *(list->last_mention ? &list->last_mention->next : &list->mentions) = mention;
    list->last_mention = mention;
}

void fmi_reusable_name_dispatch(fmi_mention *mention, const fm_dispatch_info *info)
{
    mention->kernel = info->kernel.id;
    for (uint32_t i = 0; i < info->binding_count; i++) {
        mention->buffers[i] = info->bindings[i].buffer.id; // of one with names: the caller has put them in order
    }
}

bool fmi_reusable_note_dispatch(fmi_list *list, fmi_command *command, const fm_dispatch_info *info,
                                const fmi_counts *counts)
{
    if (list->dispatch_count == list->dispatch_capacity) {
        uint32_t capacity = list->dispatch_capacity ? 2 * list->dispatch_capacity : 32;
        fmi_mention **dispatches = fmi_arena_alloc(&list->arena, capacity * sizeof *dispatches);
        if (!dispatches) {
            return false;
        }
        for (uint32_t i = 0; i < list->dispatch_count; i++) {
            dispatches[i] = list->dispatches[i];
        }
        list->dispatches = dispatches; // the old ones go back with the list
        list->dispatch_capacity = capacity;
    }
    fmi_mention *mention = note(list, command, info->binding_count + (counts != NULL));
    if (!mention) {
        return false;
    }
    fmi_reusable_name_dispatch(mention, info);
    if (counts) {
        mention->buffers[info->binding_count] = counts->buffer.id;
        mention->counts_offset_bytes = counts->offset_bytes;
    }
    link_mention(list, mention);
    list->dispatches[list->dispatch_count] = mention;
    return true;
}

bool fmi_reusable_note_transfer(fmi_list *list, fmi_command *command, fm_buffer first, fm_buffer second)
{
    fmi_mention *mention = note(list, command, second.id ? 2 : 1);
    if (!mention) {
        return false;
    }
    mention->buffers[0] = first.id;
    if (second.id) {
        mention->buffers[1] = second.id;
    }
    link_mention(list, mention);
    return true;
}

// Holds everything that the list names for the copy, which stands in commands->list.
static fm_status hold_all(fm_commands *commands, const fmi_list *list)
{
    fmi_record_room *room = commands->room;
    fmi_list *copy = commands->list;
    for (const fmi_mention *mention = list->mentions; mention; mention = mention->next) {
        fmi_slot *slot;
        fmi_buffer *buffer;
        fm_status status = FM_OK;
        if (mention->kernel) {
            status = fmi_recorder_hold(commands, room->kernels, &commands->kernel_stamps, &copy->kernels,
                                       mention->kernel, &slot);
        }
        for (uint32_t i = 0; i < mention->buffer_count && status == FM_OK; i++) {
            status = fmi_recorder_hold_buffer(commands, (fm_buffer){mention->buffers[i]}, &buffer);
        }
        if (status != FM_OK) {
            return status;
        }
    }
    return FM_OK;
}

// A dispatch that is empty as it stands has its place in the list alone (FM_DISPATCH_MAY_BE_EMPTY).
static bool runs_nothing(const fmi_command *command)
{
    return command->kind == FMI_COMMAND_DISPATCH && fmi_shape_is_empty(command->group_count);
}

static fm_status copy_commands(const fmi_list *list, fmi_list *copy)
{
    for (const fmi_command *command = list->first; command; command = command->next) {
        if (runs_nothing(command)) {
            continue;
        }
        fmi_command *twin = fmi_list_new_command(copy, (fmi_command_kind)command->kind, command->span_count,
                                                 command->constants_size_bytes);
        if (!twin) {
            return fmi_fail(FM_ERROR_OUT_OF_HOST_MEMORY, "no host memory for a copy of the list");
        }
        memcpy(twin, command, sizeof *command + command->span_count * sizeof(fmi_span) + command->constants_size_bytes);
        twin->next = NULL;
        fmi_list_link(copy, twin);
    }
    return FM_OK;
}

fm_status fmi_reusable_copy(fm_commands *commands, fmi_list **out)
{
    fmi_record_room *room = commands->room;
    fmi_list *list = commands->list;
    fmi_list *copy = fmi_lanes_take_list(room->lanes);
    if (!copy) {
        return fmi_fail_in("fm_commit", FM_ERROR_OUT_OF_HOST_MEMORY, "no host memory for a copy of the list");
    }
    copy->label = list->label; // lies in the list, which lives as long as its copies
    copy->untracked = list->untracked;
    copy->original = list;
    atomic_fetch_add_explicit(&list->copies, 1, memory_order_relaxed);
    fmi_recorder_forget_stamps(commands);
    commands->list = copy;
    fm_status status = hold_all(commands, list);
    commands->list = list;
    commands->new_buffers = commands->new_kernels = 0; // they are the copy's
    fmi_recorder_forget_stamps(commands);              // and what is recorded next is the list's
    if (status == FM_OK) {
        status = copy_commands(list, copy);
    }
    if (status != FM_OK) {
        fmi_error_in("fm_commit");
        fmi_record_drop_list(room, copy);
        return status;
    }
    // What recording held has done its work: from now on copies hold. Variants, which no handle names, the list goes on
    // holding for them.
    fmi_record_release_holds(room, list, true, true);
    list->buffers = list->kernels = NULL;
    list->buffers_released = list->kernels_released = false;
    *out = copy;
    return FM_OK;
}
