// Recorders: begin, finish, the owner check and holds. See recorder.h.
// The list's owner calls; what recorders share are the room's lanes.
#include "record/recorder.h"

#include "base/assert.h"
#include "base/error.h"
#include "base/phrase.h"
#include "base/process.h"
#include "record/label.h"

#include <stdlib.h>
#include <string.h>

void fmi_record_room_init(fmi_record_room *room)
{
    fmi_lanes_init(room->lanes);
}

static void drop_recorder(fm_commands *commands)
{
    free(commands->buffer_stamps.entries);
    free(commands->kernel_stamps.entries);
    commands->buffer_stamps = commands->kernel_stamps = (fmi_stamps){0};
    free((void *)commands->fixed_variants);
    commands->fixed_variants = NULL;
    fmi_variant_stamps_free(&commands->variant_stamps);
    commands->room = NULL;
    fmi_shell_give(FMI_SHELL_COMMANDS, commands);
}

void fmi_record_room_destroy(fmi_record_room *room)
{
    fmi_record_drop_staging(room);
    fm_commands *commands = atomic_load_explicit(&room->made, memory_order_relaxed);
    while (commands) {
        fm_commands *next = commands->next_made;
        drop_recorder(commands);
        commands = next;
    }
    fmi_lanes_destroy(room->lanes);
}

void fmi_recorder_forget_stamps(fm_commands *commands)
{
    if (++commands->epoch == 0) { // stamps of 2^32 lists ago must not look new
        commands->epoch = 1;
        if (commands->buffer_stamps.capacity) {
            memset(commands->buffer_stamps.entries, 0, commands->buffer_stamps.capacity * sizeof(fmi_stamp));
        }
        if (commands->kernel_stamps.capacity) {
            memset(commands->kernel_stamps.entries, 0, commands->kernel_stamps.capacity * sizeof(fmi_stamp));
        }
        fmi_variant_stamps_clear(&commands->variant_stamps);
    }
    commands->epoch_key = (uint64_t)commands->epoch << 32;
    commands->variant_stamps.used = 0;
}

// A recorder for the room; NULL: out of host memory.
static fm_commands *make_recorder(fmi_record_room *room)
{
    fm_commands *commands = fmi_shell_take(FMI_SHELL_COMMANDS, sizeof *commands);
    if (commands) {
        fmi_shell_set_ends_at_exit(commands, room->caps->ends_at_exit);
        commands->next_made = atomic_load_explicit(&room->made, memory_order_relaxed);
        // Release: who walks the chain sees the link.
        while (!atomic_compare_exchange_weak_explicit(&room->made, &commands->next_made, commands, memory_order_release,
                                                      memory_order_relaxed)) {
        }
    }
    return commands;
}

fm_status fmi_recorder_begin(fmi_record_room *room, const fm_commands_info *info, fm_commands **out)
{
    fmi_lane *lane;
    fm_commands *commands;
    int thread;
    fmi_list *list = fmi_lanes_begin(room->lanes, &lane, &commands, &thread);
    if (!commands) {
        commands = make_recorder(room);
    }
    if (list && info && info->label) {
        list->label = fmi_arena_text(&list->arena, info->label, strlen(info->label));
    }
    if (!commands || !list || (info && info->label && !list->label)) {
        if (list) {
            fmi_lanes_give_list(room->lanes, list);
        }
        fmi_lanes_end(room->lanes, lane, commands, 0);
        return fmi_fail(FM_ERROR_OUT_OF_HOST_MEMORY, "no host memory for a command list");
    }
    list->untracked = info && (info->flags & FM_COMMANDS_UNTRACKED);
    list->reusable = info && (info->flags & FM_COMMANDS_REUSABLE);
    atomic_store_explicit(&list->copies, list->reusable, memory_order_relaxed);
    commands->room = room;
    commands->lane = lane;
    commands->thread = thread;
    commands->list = list;
    commands->labels = NULL;
    commands->deadline = UINT64_MAX;
    commands->variant_hits = 0;
    fmi_recorder_forget_stamps(commands);
    fmi_recorder_leave(commands, FM_OK); // from here on the pointer is the caller's
    *out = commands;
    return FM_OK;
}

fmi_list *fmi_recorder_finish(fm_commands *commands)
{
    fmi_list *list = commands->list;
    commands->list = NULL;
    // Release: pairs with the acquire of a late caller, which then sees a closed list and nothing else.
    atomic_store_explicit(&commands->state, FMI_RECORDER_CLOSED, memory_order_release);
    fmi_lanes_end(commands->room->lanes, commands->lane, commands, commands->variant_hits);
    return list;
}

void fmi_recorder_give_up(fm_commands *commands)
{
    fmi_record_room *room = commands->room;
    fmi_list *list = commands->list;
    commands->list = NULL;
    fmi_record_drop_list(room, list);
    // Release: pairs with the acquire of a late caller. Last of all the lane is told: a close waits for that.
    atomic_store_explicit(&commands->state, FMI_RECORDER_CLOSED, memory_order_release);
    fmi_lanes_end(room->lanes, commands->lane, commands, commands->variant_hits);
}

fm_status fmi_recorder_cancel(fm_commands **commands, const char *caller)
{
    if (!*commands) {
        return FM_OK;
    }
    fm_status status = fmi_recorder_enter(*commands, caller);
    if (status == FM_OK) {
        fmi_recorder_give_up(*commands);
        *commands = NULL;
    }
    return status;
}

// The list will not use the memory after all.
static void forget_use(fmi_pool *pool, fmi_memory *memory)
{
    fmi_memory_unbind(memory);
    fmi_pool_offer(pool, memory);
}

// Tells the memory of every buffer of the list that it is no longer being recorded: committed to `home`, or not at all.
static void unbind(fmi_record_room *room, fmi_list *list, bool committed, uint32_t home)
{
    if (!list->bound) {
        return;
    }
    list->bound = false;
    for (const fmi_hold_chunk *chunk = list->buffers; chunk; chunk = chunk->next) {
        for (uint32_t i = 0; i < chunk->count; i++) {
            fmi_memory *memory = ((fmi_buffer *)chunk->slots[i])->memory;
            if (!memory) {
                continue; // taken away by FM_ABLATE_DONATION_KEEPS_HOLD
            }
            if (committed) {
                fmi_memory_commit(memory, home);
                fmi_pool_offer(room->pool, memory);
            } else {
                forget_use(room->pool, memory);
            }
        }
    }
}

void fmi_record_note_commit(fmi_record_room *room, fmi_list *list, uint32_t home)
{
    unbind(room, list, true, home);
}

void fmi_record_note_unzeroed(fmi_record_room *room, const fmi_list *list)
{
    fmi_memory *memory = ((fmi_buffer *)list->buffers->slots[0])->memory; // such a list holds its one buffer
    if (memory && atomic_exchange_explicit(&memory->unzeroed, 1, memory_order_relaxed) == 0) {
        atomic_fetch_add_explicit(&room->zero_failures, 1, memory_order_release);
    }
}

static void release_variants(fmi_record_room *room, const fmi_list *list)
{
    if (list->variants) { // without a cache there are none
        fmi_holds_release(&room->cache->variants, fmi_list_share(room->lanes, list), list->variants);
    }
}

void fmi_record_release_holds(fmi_record_room *room, fmi_list *list, bool buffers, bool kernels)
{
    if (buffers && !list->buffers_released) {
        unbind(room, list, false, 0);
        fmi_holds_release(room->buffers, FMI_NO_SHARE, list->buffers);
        list->buffers_released = true;
    }
    if (kernels && !list->kernels_released) {
        fmi_holds_release(room->kernels, fmi_list_share(room->lanes, list), list->kernels);
        if (!list->reusable) { // its variants are its copies' too
            release_variants(room, list);
        }
        list->kernels_released = true;
    }
}

void fmi_record_drop_list(fmi_record_room *room, fmi_list *list)
{
    fmi_record_release_holds(room, list, true, true);
    fmi_list *original = list->reusable ? list : list->original;
    if (!list->reusable) {
        fmi_lanes_give_list(room->lanes, list);
    }
    // Acquire-release: whoever drops the last copy sees what the others did.
    if (original && atomic_fetch_sub_explicit(&original->copies, 1, memory_order_acq_rel) == 1) {
        fmi_holds_release(room->buffers, FMI_NO_SHARE, original->staging);
        release_variants(room, original);
        fmi_lanes_give_list(room->lanes, original);
    }
}

fm_status fmi_recorder_refuse(const fm_commands *commands, uint32_t state, const char *caller)
{
    if (!commands) {
        return fmi_fail_in(caller, FM_ERROR_INVALID_ARGUMENT, "commands is NULL");
    }
    if (state == FMI_RECORDER_INSIDE) {
        return fmi_fail_in(caller, FM_ERROR_BUSY, "another thread is inside this command list");
    }
    if (state == FMI_RECORDER_LOST) {
        return fmi_fail_in(caller, FM_ERROR_LOST_IN_FORK,
                           "the command list was begun before this process was forked, and is the parent's; begin one "
                           "on a device that is opened here");
    }
    if (state == FMI_RECORDER_ENDED) {
        fmi_process_hold();
        return fmi_fail_in(caller, FM_ERROR_CLOSED, "the process is ending, and the command list's device has ended");
    }
    return fmi_fail_in(caller, FM_ERROR_INVALID_ARGUMENT,
                       "the command list is not being recorded (committed, cancelled, or its device closed)");
}

// The way by which the list that is being recorded takes and drops its holds: those on kernels and variants go by its
// share.
static uint32_t share_for(const fm_commands *commands, const fmi_table *table)
{
    const fmi_record_room *room = commands->room;
    return table == room->buffers ? FMI_NO_SHARE : fmi_list_share(room->lanes, commands->list);
}

static void drop_hold(const fm_commands *commands, fmi_table *table, fmi_slot *slot)
{
    fmi_table_release_by(table, share_for(commands, table), slot);
}

// Takes the newest `count` holds of a chain back. `pool` for buffers, else NULL.
static void undo_chain(const fm_commands *commands, fmi_table *table, fmi_stamps *stamps, fmi_hold_chunk **chain,
                       uint32_t count, fmi_pool *pool)
{
    for (; count > 0; count--) {
        fmi_slot *slot = (*chain)->slots[(*chain)->count - 1];
        fmi_list_forget_hold(chain);
        if (slot->index < stamps->capacity) {     // staging memory has no stamp
            stamps->entries[slot->index].key = 0; // no list's epoch
        }
        if (pool) {
            forget_use(pool, ((fmi_buffer *)slot)->memory);
        }
        drop_hold(commands, table, slot);
    }
}

void fmi_recorder_undo(fm_commands *commands)
{
    fmi_record_room *room = commands->room;
    undo_chain(commands, room->buffers, &commands->buffer_stamps, &commands->list->buffers, commands->new_buffers,
               room->pool);
    if (commands->new_buffers > 0) {
        commands->staging_epoch = 0; // one of them may be its hold
    }
    undo_chain(commands, room->kernels, &commands->kernel_stamps, &commands->list->kernels, commands->new_kernels,
               NULL);
    // A call holds one at most, and a fixed one with its kernel, without whose stamp its note is void.
    if (commands->new_variants > 0) {
        fmi_hold_chunk **variants = &commands->list->variants;
        fmi_slot *slot = (*variants)->slots[(*variants)->count - 1];
        fmi_list_forget_hold(variants);
        fmi_variant_stamps_undo(&commands->variant_stamps);
        drop_hold(commands, &room->cache->variants, slot);
    }
}

// How many stamps there should be for one at `index`.
static uint32_t stamps_for(const fmi_stamps *stamps, uint32_t index)
{
    uint32_t capacity = stamps->capacity ? stamps->capacity : 256;
    while (capacity <= index) {
        capacity *= 2;
    }
    return capacity;
}

// Makes room for stamps up to `index`.
static bool grow_stamps(fmi_stamps *stamps, uint32_t index)
{
    uint32_t capacity = stamps_for(stamps, index);
    fmi_stamp *entries = realloc(stamps->entries, capacity * sizeof *entries);
    if (!entries) {
        return false;
    }
    memset(entries + stamps->capacity, 0, (capacity - stamps->capacity) * sizeof *entries);
    stamps->entries = entries;
    stamps->capacity = capacity;
    return true;
}

// The same for kernels, whose fixed variants lie beside.
static bool grow_kernel_stamps(fm_commands *commands, uint32_t index)
{
    size_t size_bytes = stamps_for(&commands->kernel_stamps, index) * sizeof *commands->fixed_variants;
    const fmi_kernel_binary **fixed = realloc((void *)commands->fixed_variants, size_bytes);
    if (!fixed) {
        return false;
    }
    commands->fixed_variants = fixed; // more than there are stamps if the next fails, which does no harm
    return grow_stamps(&commands->kernel_stamps, index);
}

// Tells the memory that a list uses it. False: its handle was destroyed meanwhile.
static bool bind_memory(fmi_record_room *room, fmi_list *list, fmi_buffer *buffer)
{
    FMI_PLACE(room->ablations, FM_TESTING_BOUND);
    fmi_memory_bind(buffer->memory);
    // Pairs with fmi_buffer_destroy: the handle dies, then `use` is looked at. Either that look sees this list, or this
    // one a dead handle.
    if (!fmi_slot_is_alive(&buffer->slot)) {
        forget_use(room->pool, buffer->memory);
        return false;
    }
    list->bound = true;
    list->uses_taken_over |= buffer->memory->order_stream != 0;
    list->highest_region = buffer->region > list->highest_region ? buffer->region : list->highest_region;
    return true;
}

fm_status fmi_recorder_hold_slow(fm_commands *commands, fmi_table *table, fmi_stamps *stamps, fmi_hold_chunk **chain,
                                 uint64_t id, fmi_slot **out)
{
    bool is_buffer = table == commands->room->buffers;
    fmi_slot *slot;
    fm_status status = fmi_table_hold_by(table, share_for(commands, table), id, &slot);
    if (status != FM_OK) {
        return status;
    }
    if ((slot->index >= stamps->capacity &&
         !(is_buffer ? grow_stamps(stamps, slot->index) : grow_kernel_stamps(commands, slot->index))) ||
        !fmi_list_note_hold(commands->list, chain, slot)) {
        drop_hold(commands, table, slot);
        return fmi_fail(FM_ERROR_OUT_OF_HOST_MEMORY, "no host memory to hold a %s", table->noun);
    }
    if (!is_buffer) {
        commands->fixed_variants[slot->index] = NULL;
        commands->new_kernels++;
    } else if (bind_memory(commands->room, commands->list, (fmi_buffer *)slot)) {
        commands->new_buffers++;
    } else {
        fmi_list_forget_hold(chain);
        fmi_table_release(table, slot);
        return fmi_table_refuse(table, id);
    }
    stamps->entries[slot->index] = (fmi_stamp){slot, commands->epoch_key | fmi_id_generation(id)};
    stamps->tag_bits = (uint32_t)table->tag << 24;
    *out = slot;
    return FM_OK;
}

fm_status fmi_recorder_hold_new_buffer(fm_commands *commands, fm_buffer handle, fmi_buffer **out)
{
    fmi_slot *slot = NULL;
    fm_status status = fmi_recorder_hold_slow(commands, commands->room->buffers, &commands->buffer_stamps,
                                              &commands->list->buffers, handle.id, &slot);
    *out = (fmi_buffer *)slot;
    return status;
}

fm_status fmi_recorder_hold_variant(fm_commands *commands, fmi_kernel_object *object, uint64_t dtypes,
                                    const fmi_kernel_binary **out)
{
    fmi_variant *variant;
    uint32_t share = share_for(commands, &commands->room->cache->variants);
    fm_status status =
        fmi_kernel_hold_variant(object->kernel, dtypes, share, "fm_dispatch", &variant, &commands->variant_hits);
    if (status != FM_OK) {
        return status;
    }
    if (!fmi_variant_stamps_reserve(&commands->variant_stamps, commands->epoch) ||
        !fmi_list_note_hold(commands->list, &commands->list->variants, &variant->slot)) {
        drop_hold(commands, &commands->room->cache->variants, &variant->slot);
        return fmi_fail_in("fm_dispatch", FM_ERROR_OUT_OF_HOST_MEMORY, "no host memory to hold a kernel variant");
    }
    fmi_variant_stamps_add(&commands->variant_stamps, object->slot.index, dtypes, commands->epoch, variant->binary);
    commands->new_variants = 1;
    *out = variant->binary;
    return FM_OK;
}

static void __attribute__((cold, noinline))
refuse_range(const char *call, const fmi_buffer *buffer, uint64_t offset_bytes, uint64_t size_bytes)
{
    fmi_phrase named = fmi_buffer_named(buffer), offset = fmi_number(offset_bytes);
    unsigned long long buffer_bytes = buffer->size_bytes;
    if (fmi_is_negative(offset_bytes) || (fmi_is_negative(size_bytes) && size_bytes != FM_WHOLE_SIZE)) {
        bool is_offset = fmi_is_negative(offset_bytes);
        fmi_fail_in(call, FM_ERROR_OUT_OF_RANGE, "the %s in %s of %llu bytes is %s, a negative number",
                    is_offset ? "offset" : "size", named.text, buffer_bytes,
                    is_offset ? offset.text : fmi_number(size_bytes).text);
    } else if (size_bytes == FM_WHOLE_SIZE) {
        fmi_fail_in(call, FM_ERROR_OUT_OF_RANGE, "offset %s is not inside %s of %llu bytes", offset.text, named.text,
                    buffer_bytes);
    } else {
        fmi_fail_in(call, FM_ERROR_OUT_OF_RANGE, "%llu bytes at offset %s exceed %s of %llu bytes",
                    (unsigned long long)size_bytes, offset.text, named.text, buffer_bytes);
    }
}

fm_status fmi_check_range(const char *call, const char *part, const fmi_buffer *buffer, uint64_t offset_bytes,
                          uint64_t size_bytes)
{
    if (offset_bytes <= buffer->size_bytes && size_bytes <= buffer->size_bytes - offset_bytes) {
        return FM_OK;
    }
    refuse_range(call, buffer, offset_bytes, size_bytes);
    if (part) {
        fmi_error_about("%s", part);
    }
    return FM_ERROR_OUT_OF_RANGE;
}
