// fermata/buffer.h: checks, then the room that knows. What is new gets its memory and content in submit/fill.c, bytes
// move in submit/write.c, read.c and across.c. Any thread; no state of their own.
#include "submit/submit.h"

#include "base/phrase.h"

#include <stdio.h>

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
        return fmi_fail_in("fm_buffer_create", FM_ERROR_INVALID_ARGUMENT, "%s is NULL", info ? "out_buffer" : "info");
    }
    if (info->size_bytes == 0) {
        return fmi_fail_in("fm_buffer_create", FM_ERROR_INVALID_ARGUMENT, "size_bytes is 0");
    }
    if (fmi_is_negative(info->size_bytes)) {
        return fmi_fail_in("fm_buffer_create", FM_ERROR_OUT_OF_MEMORY, "%s: size_bytes is %s, a negative number",
                           fmi_named("buffer", info->label).text, fmi_number(info->size_bytes).text);
    }
    if ((uint32_t)info->memory > FM_MEMORY_HOST || (info->flags & ~(uint32_t)FM_BUFFER_UNINITIALIZED)) {
        return fmi_fail_in("fm_buffer_create", FM_ERROR_INVALID_ARGUMENT, "memory kind %u or flags %#x are unknown",
                           (uint32_t)info->memory, info->flags);
    }
    if (atomic_load_explicit(&device->engine.lost, memory_order_acquire)) {
        return fmi_fail_in("fm_buffer_create", FM_ERROR_DEVICE_LOST, "the device is lost");
    }
    fm_buffer handle = {0};
    status = fmi_submit_create_buffer(device, info, &handle);
    if (status != FM_OK) {
        fmi_error_about("%s", fmi_named("buffer", info->label).text);
        fmi_error_in("fm_buffer_create");
        return status;
    }
    *out_buffer = handle;
    return FM_OK;
}

fm_status fm_buffer_destroy(fm_device *device, fm_buffer buffer)
{
    fm_status status = fmi_device_check(device, "fm_buffer_destroy");
    if (status != FM_OK || buffer.id == 0) {
        return status;
    }
    status = fmi_buffer_destroy(&device->buffers, &device->pool, buffer.id);
    if (status != FM_OK) {
        fmi_error_in("fm_buffer_destroy");
    }
    return status;
}

fm_status fm_buffer_donate(fm_device *device, fm_buffer input, uint64_t size_bytes, const char *label,
                           fm_buffer *out_buffer)
{
    if (out_buffer) {
        *out_buffer = (fm_buffer){0};
    }
    fm_status status = fmi_device_check(device, "fm_buffer_donate");
    if (status != FM_OK) {
        return status;
    }
    if (!out_buffer || size_bytes == 0) {
        return fmi_fail_in("fm_buffer_donate", FM_ERROR_INVALID_ARGUMENT, "%s",
                           out_buffer ? "size_bytes is 0" : "out_buffer is NULL");
    }
    fmi_slot *held;
    status = fmi_table_hold(&device->buffers, input.id, &held);
    if (status != FM_OK) {
        fmi_error_about("input");
        fmi_error_in("fm_buffer_donate");
        return status;
    }
    fmi_buffer *buffer = (fmi_buffer *)held;
    size_bytes = fmi_buffer_rest(buffer, 0, size_bytes);
    fm_buffer output = {0};
    status = fmi_check_range("fm_buffer_donate", "input", buffer, 0, size_bytes);
    if (status == FM_OK) {
        status = fmi_buffer_donate(&device->buffers, &device->pool, buffer, input.id, size_bytes, label, &output.id);
    }
    fmi_table_release(&device->buffers, held);
    if (status != FM_OK) {
        fmi_error_in("fm_buffer_donate");
        return status;
    }
    *out_buffer = output;
    return FM_OK;
}

fm_status fm_buffer_get_size(fm_device *device, fm_buffer buffer, uint64_t *out_size_bytes)
{
    fm_status status = fmi_device_check(device, "fm_buffer_get_size");
    if (status != FM_OK) {
        return status;
    }
    if (!out_size_bytes) {
        return fmi_fail_in("fm_buffer_get_size", FM_ERROR_INVALID_ARGUMENT, "out_size_bytes is NULL");
    }
    fmi_slot *held;
    status = fmi_table_hold(&device->buffers, buffer.id, &held);
    if (status != FM_OK) {
        fmi_error_in("fm_buffer_get_size");
        return status;
    }
    *out_size_bytes = ((fmi_buffer *)held)->size_bytes;
    fmi_table_release(&device->buffers, held);
    return FM_OK;
}

fm_status fm_buffer_import_host(fm_device *device, const fm_buffer_import_info *info, fm_buffer *out_buffer)
{
    if (out_buffer) {
        *out_buffer = (fm_buffer){0};
    }
    fm_status status = fmi_device_check(device, "fm_buffer_import_host");
    if (status != FM_OK) {
        return status;
    }
    if (!info || !out_buffer) {
        return fmi_fail_in("fm_buffer_import_host", FM_ERROR_INVALID_ARGUMENT, "%s is NULL",
                           info ? "out_buffer" : "info");
    }
    if (atomic_load_explicit(&device->engine.lost, memory_order_acquire)) {
        return fmi_fail_in("fm_buffer_import_host", FM_ERROR_DEVICE_LOST, "the device is lost");
    }
    fmi_settle(&device->retirement); // what complete work still holds of an import of these bytes is over
    status = fmi_device_import_host(device, info, out_buffer);
    if (status != FM_OK) {
        fmi_error_about("%s", fmi_named("buffer", info->label).text);
        fmi_error_in("fm_buffer_import_host");
    }
    return status;
}

// Holds the stream of a synchronous transfer: another thread may destroy the handle while this one waits.
static fm_status hold_stream(fm_device *device, fm_stream stream, const char *caller, fmi_stream **out)
{
    fmi_slot *held;
    fm_status status = fmi_device_check(device, caller);
    if (status != FM_OK) {
        return status;
    }
    status = fmi_table_hold(&device->streams, stream.id, &held);
    if (status != FM_OK) {
        fmi_error_in(caller);
        return status;
    }
    *out = (fmi_stream *)held;
    return FM_OK;
}

fm_status fm_buffer_write(fm_device *device, fm_stream stream, fm_buffer buffer, uint64_t offset_bytes,
                          uint64_t size_bytes, const void *source, uint64_t timeout_ns)
{
    fmi_stream *held;
    fm_status status = hold_stream(device, stream, "fm_buffer_write", &held);
    if (status == FM_OK) {
        status = fmi_submit_write(device, held, buffer, (fmi_range){offset_bytes, size_bytes}, source, timeout_ns);
        fmi_table_release(&device->streams, &held->slot);
    }
    return status;
}

fm_status fm_buffer_read(fm_device *device, fm_stream stream, fm_buffer buffer, uint64_t offset_bytes,
                         uint64_t size_bytes, void *destination, uint64_t timeout_ns)
{
    fmi_stream *held;
    fm_status status = hold_stream(device, stream, "fm_buffer_read", &held);
    if (status == FM_OK) {
        status = fmi_submit_read(device, held, buffer, (fmi_range){offset_bytes, size_bytes}, destination, timeout_ns);
        fmi_table_release(&device->streams, &held->slot);
    }
    return status;
}

fm_status fm_buffer_copy_across(const fm_copy_side *source, const fm_copy_side *destination, uint64_t size_bytes,
                                uint64_t timeout_ns)
{
    if (!source || !destination) {
        return fmi_fail_in("fm_buffer_copy_across", FM_ERROR_INVALID_ARGUMENT, "%s is NULL",
                           source ? "destination" : "source");
    }
    return fmi_submit_copy_across(source, destination, size_bytes, timeout_ns);
}

static fm_status map(fm_device *device, const fmi_buffer *buffer, fmi_range range, void **out)
{
    range.size_bytes = fmi_buffer_rest(buffer, range.offset_bytes, range.size_bytes);
    fm_status status = fmi_check_range("fm_buffer_map", NULL, buffer, range.offset_bytes, range.size_bytes);
    if (status != FM_OK) {
        return status;
    }
    uint8_t *mapped = fmi_buffer_mapped(buffer);
    if (!mapped) {
        return fmi_fail_in("fm_buffer_map", FM_ERROR_UNSUPPORTED,
                           "%s lies in device memory that the host cannot reach; create it with "
                           "FM_MEMORY_HOST, or use fm_buffer_read and fm_buffer_write",
                           fmi_buffer_named(buffer).text);
    }
    fmi_stream *old_user = fmi_submit_hold_old_user(device, buffer->memory);
    if (old_user) {
        fmi_table_release(&device->streams, &old_user->slot);
        return fmi_fail_in("fm_buffer_map", FM_WOULD_BLOCK,
                           "%s took over memory that earlier work of its stream still uses; wait "
                           "for what the stream has committed, then map it",
                           fmi_buffer_named(buffer).text);
    }
    if (atomic_load_explicit(&buffer->memory->unzeroed, memory_order_acquire)) {
        return fmi_fail_in("fm_buffer_map", FM_ERROR_BACKEND, "the memory of %s could not be zeroed",
                           fmi_buffer_named(buffer).text);
    }
    *out = mapped + range.offset_bytes;
    return FM_OK;
}

fm_status fm_buffer_map(fm_device *device, fm_buffer buffer, uint64_t offset_bytes, uint64_t size_bytes,
                        void **out_pointer)
{
    if (out_pointer) {
        *out_pointer = NULL;
    }
    fm_status status = fmi_device_check(device, "fm_buffer_map");
    if (status != FM_OK) {
        return status;
    }
    if (!out_pointer) {
        return fmi_fail_in("fm_buffer_map", FM_ERROR_INVALID_ARGUMENT, "out_pointer is NULL");
    }
    fmi_slot *held;
    status = fmi_table_hold(&device->buffers, buffer.id, &held);
    if (status != FM_OK) {
        fmi_error_in("fm_buffer_map");
        return status;
    }
    status = map(device, (const fmi_buffer *)held, (fmi_range){offset_bytes, size_bytes}, out_pointer);
    fmi_table_release(&device->buffers, held);
    return status;
}
