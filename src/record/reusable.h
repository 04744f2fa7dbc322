// Reusable lists: recorded once, committed often. The list itself never enters the queue: each commit puts a copy of its commands there,
// which holds anew, by handle, everything that they name (HOLD-1). Between commits a reusable list holds only its staging memory
// and the kernel variants that its commands run, which it holds for its copies as well.
// All run as the list's owner.
#ifndef FMI_RECORD_REUSABLE_H
#define FMI_RECORD_REUSABLE_H

#include "record/recorder.h"

// Where an indirect dispatch finds its group counts.
typedef struct fmi_counts {
    fm_buffer buffer;
    uint64_t offset_bytes;
} fmi_counts;

// Note what a new command names; `counts` of an indirect dispatch, else NULL. False: out of host memory, nothing noted.
bool fmi_reusable_note_dispatch(fmi_list *list, fmi_command *command, const fm_dispatch_info *info,
                                const fmi_counts *counts);
bool fmi_reusable_note_transfer(fmi_list *list, fmi_command *command, fm_buffer first, fm_buffer second);

// A noted dispatch names from now on what `info` names, but for where an indirect one finds its counts.
void fmi_reusable_name_dispatch(fmi_mention *mention, const fm_dispatch_info *info);

// A copy to commit. FM_ERROR_STALE_HANDLE where something that it names was destroyed, FM_ERROR_OUT_OF_HOST_MEMORY; the list is as before.
fm_status fmi_reusable_copy(fm_commands *commands, fmi_list **out);

#endif
