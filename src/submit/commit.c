// Commits: a place under the in-flight limits, the points that the list waits for, its value and place in the queue.
// See submit.h. Any thread that owns the list. What can fail comes first; from taking the value on nothing fails
// (LEARNED-8).
#include "submit/submit.h"

#include "record/reusable.h"

#include <stdio.h>
#include <string.h>

// Tells the list's memory that it stands in the queue.
static void note_posted(fm_device *device, fmi_list *list, const fmi_stream *stream)
{
    FMI_PLACE(&device->ablations, FM_TESTING_PUSHED);
    // After the push: what takes this list's memory over from now on stands behind it in the queue (HOLD-6).
    fmi_record_note_commit(&device->record, list, stream ? fmi_use_home_of(stream->slot.index) : 0);
    fmi_retirement_let_go(&device->retirement, list);
}

uint64_t fmi_submit_post(fm_device *device, fmi_list *list, fmi_stream *stream)
{
    uint64_t value = 0;
    list->stream = stream;
    // This thread and retirement: the list is retired perhaps before its memory has been told below.
    atomic_store_explicit(&list->parties, 2, memory_order_relaxed);
    if (stream) {
        // Value and place in the queue are one step: lists of a stream are queued in the order of their values (READ-2,
        // READ-3).
        pthread_mutex_lock(&stream->order);
        value = atomic_load_explicit(&stream->committed, memory_order_relaxed) + 1;
        list->first_value = list->value = value;
        list->in_turn = stream->transfers > 0;
        atomic_store_explicit(&stream->committed, value, memory_order_release);
        fmi_engine_push(&device->engine, list);
        pthread_mutex_unlock(&stream->order);
    } else {
        fmi_engine_push(&device->engine, list);
    }
    note_posted(device, list, stream);
    return value;
}

void fmi_submit_post_part(fm_device *device, fmi_list *list, fmi_stream *stream, uint64_t first, uint64_t value,
                          bool is_last)
{
    list->stream = stream;
    list->first_value = first;
    list->value = value;
    list->in_turn = true;
    atomic_store_explicit(&list->parties, 2, memory_order_relaxed);
    fmi_table_hold_more(&stream->slot); // the list's
    pthread_mutex_lock(&stream->order);
    stream->transfers -= is_last;
    fmi_engine_push(&device->engine, list);
    pthread_mutex_unlock(&stream->order);
    note_posted(device, list, stream);
    fmi_engine_kick(&device->engine);
    fmi_keeper_notify(&device->retirement);
}

uint64_t fmi_submit_take_values(fmi_stream *stream, uint64_t count)
{
    pthread_mutex_lock(&stream->order);
    uint64_t first = atomic_load_explicit(&stream->committed, memory_order_relaxed) + 1;
    atomic_store_explicit(&stream->committed, first + count - 1, memory_order_release);
    stream->transfers++;
    pthread_mutex_unlock(&stream->order);
    return first;
}

// "4096 lists" or "1000 bytes", whichever limit is reached.
static void name_limit(const fm_device *device, char out[64])
{
    bool bytes = fmi_places_too_many_bytes(&device->retirement);
    snprintf(out, 64, "%llu %s",
             bytes ? (unsigned long long)device->settings.retirement.most_bytes
                   : (unsigned long long)device->settings.lists_in_flight,
             bytes ? "bytes of destroyed memory" : "lists");
}

// Takes a place under the in-flight limit: waits in turn, for the oldest work alone (RETIRE-4).
static fm_status make_room(fm_device *device, bool no_wait, uint64_t timeout_ns)
{
    fmi_retirement *r = &device->retirement;
    const fm_device_info *info = &device->config.info;
    if (fmi_place_take(r, info->lists_in_flight)) {
        return FM_OK;
    }
    fmi_progress(r);
    // The ablation waits until nothing is in flight: a full drain.
    uint32_t limit = FMI_ABLATED(&device->ablations, FM_ABLATE_WAIT_FOR_OLDEST) ? 1 : info->lists_in_flight;
    if (fmi_place_take(r, limit)) {
        return FM_OK;
    }
    char reached[64];
    if (no_wait) {
        name_limit(device, reached);
        return fmi_fail_in("fm_commit", FM_WOULD_BLOCK, "%s are in flight, which is the limit", reached);
    }
    atomic_fetch_add_explicit(&device->limit_waits, 1, memory_order_relaxed);
    fm_status status = fmi_place_wait(r, limit, timeout_ns);
    if (status != FM_OK) {
        name_limit(device, reached);
        return fmi_fail_in("fm_commit", status,
                           "%s are in flight, which is the limit, and no place came free for this list within "
                           "the %llu ns that were left%s",
                           reached, (unsigned long long)timeout_ns, fmi_host_points_blame(r).text);
    }
    atomic_fetch_add_explicit(&device->full_drains, FMI_ABLATED(&device->ablations, FM_ABLATE_WAIT_FOR_OLDEST),
                              memory_order_relaxed);
    return FM_OK;
}

fmi_stream *fmi_submit_hold_old_user(fm_device *device, const fmi_memory *memory)
{
    if (memory->order_stream == 0) {
        return NULL;
    }
    // The handle may be dead, but lists that are not complete hold their stream. When the slot is another stream's by
    // now, they are complete.
    fmi_slot *held = fmi_table_hold_slot(&device->streams, fmi_id_index(memory->order_stream));
    fmi_stream *user = (fmi_stream *)held;
    if (user && (user->id != memory->order_stream || fmi_stream_is_over(user, memory->order_value))) {
        fmi_table_release(&device->streams, held);
        user = NULL;
    }
    return user;
}

// Adds the end of the old use of a buffer's memory, if that was another stream's and is not over. (On its own stream
// the list stands behind the old use anyway.)
static void add_old_use(fm_device *device, fmi_list *list, const fmi_stream *stream, const fmi_memory *memory)
{
    fmi_stream *user = memory && memory->order_stream != stream->id ? fmi_submit_hold_old_user(device, memory) : NULL;
    if (user) {
        list->after[list->after_count++] = (fmi_after){user, memory->order_value};
    }
}

static void add_old_uses(fm_device *device, fmi_list *list, const fmi_stream *stream)
{
    for (const fmi_hold_chunk *chunk = list->buffers; chunk; chunk = chunk->next) {
        for (uint32_t i = 0; i < chunk->count; i++) {
            add_old_use(device, list, stream, ((const fmi_buffer *)chunk->slots[i])->memory);
        }
    }
}

// How many points the list may have to wait for.
static uint32_t count_after(const fmi_list *list, const fm_commit_info *info)
{
    uint32_t count = info->after_count;
    for (const fmi_hold_chunk *chunk = list->uses_taken_over ? list->buffers : NULL; chunk; chunk = chunk->next) {
        count += chunk->count;
    }
    return count;
}

// Holds the streams of the `after` points that are not complete, the caller's and those of memory that was taken over;
// complete ones that failed refuse the commit.
static fm_status take_after(fm_device *device, fmi_list *list, const fmi_stream *stream, const fm_commit_info *info)
{
    list->after_count = 0;
    uint32_t most = count_after(list, info);
    if (most == 0) {
        return FM_OK;
    }
    if (!info->after && info->after_count) {
        return fmi_fail_in("fm_commit", FM_ERROR_INVALID_ARGUMENT, "after is NULL");
    }
    list->after = fmi_arena_alloc(&list->arena, most * sizeof *list->after);
    if (!list->after) {
        return fmi_fail_in("fm_commit", FM_ERROR_OUT_OF_HOST_MEMORY, "no host memory for %u points", most);
    }
    if (list->uses_taken_over) {
        add_old_uses(device, list, stream);
    }
    for (uint32_t i = 0; i < info->after_count; i++) {
        fm_point point = info->after[i];
        if (point.stream.id == 0) {
            continue; // the null point is always complete
        }
        fmi_slot *held;
        fm_status status = fmi_table_hold(&device->streams, point.stream.id, &held);
        if (status != FM_OK) {
            fmi_error_about("after");
            fmi_error_in("fm_commit");
            return status;
        }
        fmi_stream *other = (fmi_stream *)held;
        list->after[list->after_count++] = (fmi_after){other, point.value}; // released with the list, or by drop_after
        uint64_t committed = atomic_load_explicit(&other->committed, memory_order_acquire);
        if (point.value > committed) {
            fm_status refused = fmi_point_refuse_future(point, committed, "fm_commit");
            fmi_error_about("after");
            return refused;
        }
        if (atomic_load_explicit(&other->completed, memory_order_acquire) >= point.value &&
            fmi_stream_status(other, point.value, "fm_commit") != FM_OK) {
            fmi_error_about("after");
            return fmi_error_as(FM_ERROR_DEPENDENCY);
        }
    }
    return FM_OK;
}

static void drop_after(fm_device *device, fmi_list *list)
{
    for (uint32_t i = 0; i < list->after_count; i++) {
        fmi_table_release(&device->streams, &list->after[i].stream->slot);
    }
    list->after_count = 0;
}

// Behind a failure a stream takes nothing until it is reset; says what failed first.
static fm_status __attribute__((cold)) refuse_failed(fmi_stream *stream)
{
    if (stream->is_host) {
        return fmi_fail_in("fm_commit", FM_ERROR_INVALID_ARGUMENT,
                           "%s is signalled by the program, and no stream to commit to", fmi_stream_named(stream).text);
    }
    fmi_root root;
    char cause[FMI_ROOT_BYTES];
    fmi_stream_root(stream, UINT64_MAX, &root);
    fmi_root_describe(root.stream.text, root.cause, cause, sizeof cause);
    return fmi_fail_in("fm_commit", FM_ERROR_DEPENDENCY,
                       "%s has failed, and fm_stream_reset clears that; the cause: %s", fmi_stream_named(stream).text,
                       cause);
}

fm_status fmi_submit_admit(fm_device *device, fmi_stream *stream, bool no_wait, uint64_t timeout_ns)
{
    if (atomic_load_explicit(&device->engine.lost, memory_order_acquire)) {
        return fmi_fail_in("fm_commit", FM_ERROR_DEVICE_LOST, "the device is lost");
    }
    if (atomic_load_explicit(&stream->failed, memory_order_acquire)) {
        return refuse_failed(stream);
    }
    uint64_t most_ns = device->settings.commit_timeout_ns;
    fm_status status = make_room(device, no_wait, timeout_ns < most_ns ? timeout_ns : most_ns);
    if (status == FM_OK && atomic_load_explicit(&device->engine.lost, memory_order_acquire)) {
        fmi_retirement_count_out(&device->retirement);
        status =
            fmi_fail_in("fm_commit", FM_ERROR_DEVICE_LOST, "the device was lost while the list waited for a place");
    }
    return status;
}

// Everything of a commit that can fail. The caller is inside the list.
static fm_status prepare(fm_device *device, fmi_list *list, const fm_commit_info *info, uint64_t timeout_ns,
                         fmi_stream **out_stream)
{
    fmi_slot *held;
    fm_status status = fmi_table_hold(&device->streams, info->stream.id, &held);
    if (status != FM_OK) {
        fmi_error_in("fm_commit");
        return status;
    }
    fmi_stream *stream = (fmi_stream *)held;
    status = fmi_submit_admit(device, stream, info->no_wait, timeout_ns);
    if (status == FM_OK) {
        status = take_after(device, list, stream, info);
        if (status != FM_OK) {
            drop_after(device, list);
            fmi_retirement_count_out(&device->retirement);
        }
    }
    if (status != FM_OK) {
        fmi_table_release(&device->streams, held);
        return status;
    }
    *out_stream = stream;
    return FM_OK;
}

fm_status fmi_submit_commit(fm_commands **commands, const fm_commit_info *info, uint64_t timeout_ns,
                            fm_point *out_point)
{
    fm_status status = fmi_recorder_enter(*commands, "fm_commit");
    if (status != FM_OK) {
        return status;
    }
    fm_device *device = (*commands)->room->device;
    fmi_stream *stream = NULL;
    fmi_list *list = (*commands)->list;
    bool reusable = list->reusable;
    if (reusable) {
        status = fmi_reusable_copy(*commands, &list);
    }
    if (status == FM_OK) {
        status = prepare(device, list, info, timeout_ns, &stream);
        if (status != FM_OK && reusable) {
            fmi_record_drop_list(&device->record, list);
        }
    }
    if (status != FM_OK || reusable) {
        fmi_recorder_leave(*commands, status);
        if (status != FM_OK) {
            return status;
        }
    } else {
        list = fmi_recorder_finish(*commands);
        *commands = NULL;
    }
    fmi_record_release_holds(&device->record, list, FMI_ABLATED(&device->ablations, FM_ABLATE_HOLD_BUFFERS),
                             FMI_ABLATED(&device->ablations, FM_ABLATE_HOLD_KERNELS));
    atomic_fetch_add_explicit(&device->commits, 1, memory_order_relaxed);
    uint64_t value = fmi_submit_post(device, list, stream);
    if (out_point) {
        *out_point = (fm_point){info->stream, value};
    }
    fmi_engine_kick(&device->engine);
    fmi_keeper_notify(&device->retirement);
    fmi_settle(&device->retirement); // now that the device has work
    return FM_OK;
}

fm_status fmi_submit_commit_or_cancel(fm_commands *commands, fm_status recorded, fm_stream stream, uint64_t timeout_ns,
                                      fm_point *out_point)
{
    fm_status status = recorded;
    if (status == FM_OK) {
        status = fmi_submit_commit(&commands, &(fm_commit_info){.stream = stream}, timeout_ns, out_point);
    }
    if (status != FM_OK) {
        fmi_error_state cause;
        fmi_error_save(&cause);
        fmi_recorder_cancel(&commands, "fm_commit");
        fmi_error_restore(&cause);
    }
    return status;
}
