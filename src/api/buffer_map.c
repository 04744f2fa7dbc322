// fm_buffer_map: where a buffer lies in the host's address space. Blocks that the host can reach are mapped and coherent for as long as they
// live, so this looks up and checks, and nothing has to be undone.
// Any thread; waits for nothing and takes no lock.
#include "device/device.h"

// Does earlier work of the stream whose memory the buffer took over still use it, or its first fill? What is not known any more is over.
static bool is_still_used(fm_device *device, const fmi_memory *memory)
{
    if (memory->order_stream == 0) {
        return false;
    }
    fmi_slot *held = fmi_table_hold_slot(&device->streams, fmi_id_index(memory->order_stream));
    if (!held) {
        return false;
    }
    const fmi_stream *user = (const fmi_stream *)held;
    bool used = user->id == memory->order_stream && !fmi_stream_is_over(user, memory->order_value);
    fmi_table_release(&device->streams, held);
    return used;
}

static fm_status map(fm_device *device, const fmi_buffer *buffer, fmi_range range, void **out)
{
    range.size_bytes = fmi_buffer_rest(buffer, range.offset_bytes, range.size_bytes);
    fm_status status = fmi_check_range("fm_buffer_map", buffer, range.offset_bytes, range.size_bytes);
    if (status != FM_OK) {
        return status;
    }
    uint8_t *mapped = fmi_buffer_mapped(buffer);
    if (!mapped) {
        return fmi_fail(FM_ERROR_UNSUPPORTED,
                        "fm_buffer_map: %s lies in device memory that the host cannot reach; create it with "
                        "FM_MEMORY_HOST, or use fm_buffer_read and fm_buffer_write",
                        fmi_buffer_named(buffer).text);
    }
    if (is_still_used(device, buffer->memory)) {
        return fmi_fail(FM_WOULD_BLOCK,
                        "fm_buffer_map: %s took over memory that earlier work of its stream still uses; wait "
                        "for what the stream has committed, then map it",
                        fmi_buffer_named(buffer).text);
    }
    if (atomic_load_explicit(&buffer->memory->unzeroed, memory_order_acquire)) {
        return fmi_fail(FM_ERROR_BACKEND, "fm_buffer_map: the memory of %s could not be zeroed",
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
        return fmi_fail(FM_ERROR_INVALID_ARGUMENT, "fm_buffer_map: out_pointer is NULL");
    }
    fmi_slot *held;
    status = fmi_table_hold(&device->buffers, buffer.id, &held);
    if (status != FM_OK) {
        fmi_error_prefix("fm_buffer_map");
        return status;
    }
    status = map(device, (const fmi_buffer *)held, (fmi_range){offset_bytes, size_bytes}, out_pointer);
    fmi_table_release(&device->buffers, held);
    return status;
}
