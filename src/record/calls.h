// What the public functions of fermata/commands.h do once their pointers are there, a function each: enter the list, check and hold what is
// named, append, leave. A call that fails says why, naming its public function, and leaves the list as it was.
// For api/, and for submit/ where the library records lists of its own. The list's owner calls, from outside of the list.
#ifndef FMI_RECORD_CALLS_H
#define FMI_RECORD_CALLS_H

#include "record/recorder.h"

fm_status fmi_record_dispatch(fm_commands *commands, const fm_dispatch_info *info);
fm_status fmi_record_dispatch_indirect(fm_commands *commands, const fm_dispatch_info *info, fm_buffer buffer,
                                       uint64_t offset_bytes);
fm_status fmi_record_copy(fm_commands *commands, fm_buffer source, uint64_t source_offset_bytes, fm_buffer destination,
                          uint64_t destination_offset_bytes, uint64_t size_bytes);
fm_status fmi_record_copy_rect(fm_commands *commands, const fm_copy_rect_info *info);
fm_status fmi_record_fill(fm_commands *commands, fm_buffer buffer, fmi_range range, uint32_t value);
fm_status fmi_record_fill_pattern(fm_commands *commands, fm_buffer buffer, fmi_range range, const void *pattern,
                                  uint32_t pattern_size_bytes);
fm_status fmi_record_upload(fm_commands *commands, fm_buffer buffer, fmi_range range, const void *source);
fm_status fmi_record_read(fm_commands *commands, fm_buffer buffer, fmi_range range, void *destination);
fm_status fmi_record_barrier(fm_commands *commands);
fm_status fmi_record_push_label(fm_commands *commands, const char *label);
fm_status fmi_record_pop_label(fm_commands *commands);
fm_status fmi_record_patch(fm_commands *commands, uint32_t dispatch, const fm_dispatch_info *info);

#endif
