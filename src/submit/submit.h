// What goes into a device's queue, and under which conditions: commits with all that they wait for, the memory and the first content of new
// buffers, and synchronous transfers. The rooms below know how each is done; here stands when.
// For api/, and for the files of this room among themselves. Any thread.
#ifndef FMI_SUBMIT_SUBMIT_H
#define FMI_SUBMIT_SUBMIT_H

#include "device/device.h"

// fm_commit, waiting at the in-flight limits for at most `timeout_ns` and what the settings allow.
fm_status fmi_submit_commit(fm_commands **commands, const fm_commit_info *info, uint64_t timeout_ns,
                            fm_point *out_point);

// Commits a list of the library's own if `recorded` says that it was recorded; on an error it is cancelled, and the cause stays the last error.
fm_status fmi_submit_commit_or_cancel(fm_commands *commands, fm_status recorded, fm_stream stream, uint64_t timeout_ns,
                                      fm_point *out_point);

// Gives a list, which has been counted in, to the engine: takes the stream's next value and a place in the queue in one step, and
// returns the value. `stream` is held for the list, or NULL for the library's own fills. The caller kicks and notifies the keeper.
uint64_t fmi_submit_post(fm_device *device, fmi_list *list, fmi_stream *stream);

// What comes before a list is posted: takes a place under the in-flight limits, unless the stream or the device refuses work. On FM_OK the
// list is counted in. `no_wait`, errors: as of fm_commit; waits for at most `timeout_ns` and what the settings allow.
fm_status fmi_submit_admit(fm_device *device, fmi_stream *stream, bool no_wait, uint64_t timeout_ns);

// Takes the stream's next `count` values in one step, for a transfer in parts, and returns the first. What is committed from here on comes
// behind the transfer; it waits until all these values have been posted, so the caller posts them all, whatever happens.
uint64_t fmi_submit_take_values(fmi_stream *stream, uint64_t count);

// Posts a list, which has been counted in, for the values from `first` to `value` of those taken; lowest first. Holds the stream for it.
void fmi_submit_post_part(fm_device *device, fmi_list *list, fmi_stream *stream, uint64_t first, uint64_t value,
                          bool is_last);

// Holds the stream whose work still uses memory that a buffer took over (memory/order.h), its first fill included; NULL where that is over, or was
// never so. The caller releases it.
fmi_stream *fmi_submit_hold_old_user(fm_device *device, const fmi_memory *memory);

// A buffer on memory that may still be in use by work of `info->stream`, with the content that it was promised (fill.c).
fm_status fmi_submit_create_buffer(fm_device *device, const fm_buffer_info *info, fm_buffer *out);

// fm_buffer_write, fm_buffer_read and fm_buffer_copy_across on open devices. `stream` is held by the caller.
fm_status fmi_submit_write(fm_device *device, fmi_stream *stream, fm_buffer buffer, fmi_range range, const void *source,
                           uint64_t timeout_ns);
fm_status fmi_submit_read(fm_device *device, fmi_stream *stream, fm_buffer buffer, fmi_range range, void *destination,
                          uint64_t timeout_ns);
fm_status fmi_submit_copy_across(const fm_copy_side *source, const fm_copy_side *destination, uint64_t size_bytes,
                                 uint64_t timeout_ns);

#endif
