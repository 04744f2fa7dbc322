// Public functions of buffers: create with zeroed content, size, and the synchronous write and read.
// Any thread. Reads wait outside every lock, for their own list alone (READ-1, READ-2).
#include "device/device.h"

#include <string.h>

// Zeroes memory that the host cannot reach: a fill of its own in the queue, before anything that can name the buffer.
static fm_status fill_with_zero(fm_device *device, fm_buffer handle)
{
    fm_commands *commands;
    fm_status status = fmi_recorder_begin(&device->record, &(fm_commands_info){.label = "zero"}, &commands);
    if (status != FM_OK) {
        return status;
    }
    status = fm_fill(commands, handle, 0, FM_WHOLE_SIZE, 0);
    if (status != FM_OK) {
        fm_commands_cancel(&commands);
        return status;
    }
    status = fmi_recorder_enter(commands, "fm_buffer_create");
    if (status != FM_OK) {
        return status;
    }
    // Not kicked: the next commit, wait or the keeper carries it along, and hazards order it before the buffer's first use.
    fmi_retirement_count_in(&device->retirement, UINT32_MAX); // the limit is for the user's lists; this one is needed
    fmi_device_post(device, fmi_recorder_finish(commands), NULL);
    fmi_keeper_notify(&device->retirement);
    return FM_OK;
}

fm_status fm_buffer_create(fm_device *device, const fm_buffer_info *info, fm_buffer *out_buffer)
{
    if (out_buffer) {
        *out_buffer = (fm_buffer){0};
    }
    fm_status status = fmi_device_check(device, "fm_buffer_create");
    if (status != FM_OK) {
        return status;
    }
    if (!info || !out_buffer) {
        return fmi_fail(FM_ERROR_INVALID_ARGUMENT, "fm_buffer_create: %s is NULL", info ? "out_buffer" : "info");
    }
    if (info->size_bytes == 0) {
        return fmi_fail(FM_ERROR_INVALID_ARGUMENT, "fm_buffer_create: size_bytes is 0");
    }
    if ((uint32_t)info->memory > FM_MEMORY_HOST || (info->flags & ~(uint32_t)FM_BUFFER_UNINITIALIZED)) {
        return fmi_fail(FM_ERROR_INVALID_ARGUMENT, "fm_buffer_create: memory kind %u or flags %#x are unknown",
                        (uint32_t)info->memory, info->flags);
    }
    if (atomic_load_explicit(&device->engine.lost, memory_order_acquire)) {
        return fmi_fail(FM_ERROR_DEVICE_LOST, "fm_buffer_create: the device is lost");
    }
    fmi_buffer *buffer;
    fm_buffer handle;
    status = fmi_buffer_create(&device->buffers, &device->pool, info->memory, info->size_bytes, info->label, &handle.id,
                               &buffer);
    if (status == FM_OK && !(info->flags & FM_BUFFER_UNINITIALIZED)) {
        uint8_t *mapped = fmi_buffer_mapped(buffer);
        if (mapped) {
            memset(mapped, 0, (size_t)buffer->memory.size_bytes); // nothing on the device uses it yet
        } else {
            status = fill_with_zero(device, handle);
            if (status != FM_OK) {
                fmi_table_kill(&device->buffers, handle.id);
            }
        }
    }
    if (status != FM_OK) {
        fmi_error_prefix("fm_buffer_create");
        return status;
    }
    *out_buffer = handle;
    return FM_OK;
}

fm_status fm_buffer_get_size(fm_device *device, fm_buffer buffer, uint64_t *out_size_bytes)
{
    fm_status status = fmi_device_check(device, "fm_buffer_get_size");
    if (status != FM_OK) {
        return status;
    }
    if (!out_size_bytes) {
        return fmi_fail(FM_ERROR_INVALID_ARGUMENT, "fm_buffer_get_size: out_size_bytes is NULL");
    }
    fmi_slot *held;
    status = fmi_table_hold(&device->buffers, buffer.id, &held);
    if (status != FM_OK) {
        fmi_error_prefix("fm_buffer_get_size");
        return status;
    }
    *out_size_bytes = ((fmi_buffer *)held)->size_bytes;
    fmi_table_release(&device->buffers, held);
    return FM_OK;
}

// Commits the list, or cancels it when it could not be recorded.
static fm_status commit_or_cancel(fm_commands *commands, fm_status recorded, fm_stream stream, fm_point *out)
{
    fm_status status = recorded;
    if (status == FM_OK) {
        status = fm_commit(&commands, &(fm_commit_info){.stream = stream}, out);
    }
    if (status != FM_OK) {
        char sentence[1024];
        size_t length = strnlen(fm_last_error(), sizeof sentence - 1);
        memcpy(sentence, fm_last_error(), length);
        sentence[length] = 0;
        fm_commands_cancel(&commands);
        fmi_fail(status, "%s", sentence);
    }
    return status;
}

fm_status fm_buffer_write(fm_device *device, fm_stream stream, fm_buffer buffer, uint64_t offset_bytes,
                          uint64_t size_bytes, const void *source, uint64_t timeout_ns)
{
    fm_status status = fmi_device_check(device, "fm_buffer_write");
    if (status != FM_OK) {
        return status;
    }
    fm_commands *commands;
    status = fmi_recorder_begin(&device->record, NULL, &commands);
    if (status != FM_OK) {
        return status;
    }
    fm_point point;
    status = commit_or_cancel(commands, fm_upload(commands, buffer, offset_bytes, size_bytes, source), stream, &point);
    if (status == FM_OK) {
        return fmi_point_wait(&device->retirement, point, timeout_ns, "fm_buffer_write");
    }
    fmi_error_prefix("fm_buffer_write");
    return status;
}

// Takes the destination back from a list in flight, so that nothing is written there later. False: the list is retired already.
static bool withdraw(fm_device *device, fmi_stream *stream, uint64_t value, fmi_readback *readback)
{
    // Under this lock nothing is retired: the list of an incomplete value is still there, and its read-back with it.
    pthread_mutex_lock(&device->retirement.lock);
    bool pending = atomic_load_explicit(&stream->completed, memory_order_acquire) < value;
    if (pending) {
        readback->destination = NULL;
    }
    pthread_mutex_unlock(&device->retirement.lock);
    return pending;
}

// What FM_ABLATE_READ_OWN_LIST waits for: everything that was in flight, whether or not the read's list was.
typedef struct retired_target {
    fmi_retirement *retirement;
    uint64_t value;
} retired_target;

static bool __attribute__((unused)) has_retired(void *context)
{
    const retired_target *t = context;
    return atomic_load(&t->retirement->retired_value) >= t->value;
}

// Reads with the stream held, so that its counters stay this stream's even if another thread destroys the handle.
static fm_status read_on(fm_device *device, fm_stream handle, fmi_stream *stream, fm_commands *commands,
                         fm_buffer buffer, fmi_range range, void *destination, uint64_t timeout_ns)
{
    fmi_readback *readback = NULL;
    fm_point point;
    fm_status status = fmi_recorder_enter(commands, "fm_buffer_read");
    if (status == FM_OK) {
        status = fmi_record_readback(commands, buffer, range.offset_bytes, range.size_bytes, destination, &readback);
        fmi_recorder_leave(commands, status);
    }
    status = commit_or_cancel(commands, status, handle, &point);
    if (status != FM_OK) {
        fmi_error_prefix("fm_buffer_read");
        return status;
    }
    fmi_retirement *r = &device->retirement;
    if (FMI_ABLATED(&device->ablations, FM_ABLATE_READ_OWN_LIST)) {
        uint64_t in_flight = atomic_load(&device->engine.submitted_value);
        return fmi_wait_until(r, has_retired, &(retired_target){r, in_flight}, timeout_ns);
    }
    atomic_fetch_add_explicit(&r->reading, 1, memory_order_relaxed);
    status = fmi_stream_wait(r, stream, point.value, timeout_ns, "fm_buffer_read");
    atomic_fetch_sub_explicit(&r->reading, 1, memory_order_relaxed);
    if (status == FM_TIMEOUT && !withdraw(device, stream, point.value, readback)) {
        status = fmi_stream_status(stream, point.value, "fm_buffer_read"); // it completed at the last moment
    }
    return status;
}

fm_status fm_buffer_read(fm_device *device, fm_stream stream, fm_buffer buffer, uint64_t offset_bytes,
                         uint64_t size_bytes, void *destination, uint64_t timeout_ns)
{
    fm_status status = fmi_device_check(device, "fm_buffer_read");
    if (status != FM_OK) {
        return status;
    }
    if (!destination) {
        return fmi_fail(FM_ERROR_INVALID_ARGUMENT, "fm_buffer_read: destination is NULL");
    }
    fmi_slot *held;
    status = fmi_table_hold(&device->streams, stream.id, &held);
    if (status != FM_OK) {
        fmi_error_prefix("fm_buffer_read");
        return status;
    }
    fm_commands *commands;
    status = fmi_recorder_begin(&device->record, NULL, &commands);
    if (status == FM_OK) {
        status = read_on(device, stream, (fmi_stream *)held, commands, buffer, (fmi_range){offset_bytes, size_bytes},
                         destination, timeout_ns);
    }
    fmi_table_release(&device->streams, held);
    return status;
}
