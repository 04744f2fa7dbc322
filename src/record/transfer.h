// What all kinds of transfer are recorded with: one side checked and held, nothing recorded, a command put in the list.
// All run as the list's owner, inside the list. Who calls: transfer.c, fill.c and rect.c, and the device's transfers in
// parts.
#ifndef FMI_RECORD_TRANSFER_H
#define FMI_RECORD_TRANSFER_H

#include "record/recorder.h"

// Checks and holds one side of a transfer and makes its span, which has the size that FM_WHOLE_SIZE stands for; 0 is a
// size like any other.
fm_status fmi_transfer_side(fm_commands *commands, const char *call, const char *part, fm_buffer handle,
                            fmi_range range, uint32_t access, fmi_span *out, fmi_buffer **out_buffer);

// A transfer of no bytes: its handles and offsets are right, nothing is recorded, and what the checks held is let go.
fm_status fmi_transfer_nothing(fm_commands *commands);

// A command of that kind with the open label. NULL: out of host memory.
fmi_command *fmi_transfer_new(fm_commands *commands, fmi_command_kind kind, uint32_t span_count,
                              uint32_t constants_size_bytes);

// Puts a filled command in the list; a reusable list also notes the buffers that the caller named (null: none). Sets
// the last error.
fm_status fmi_transfer_link(fm_commands *commands, const char *caller, fmi_command *command, fm_buffer first,
                            fm_buffer second);

// Records a copy between two checked ranges of one size, 1 or more.
fm_status fmi_transfer_copy(fm_commands *commands, const char *caller, fmi_span source, fmi_span destination,
                            fm_buffer first, fm_buffer second);

#endif
