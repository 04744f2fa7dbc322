// What a dispatch may be beyond a plain one, and the recording of one for callers that are inside the list already.
// Who calls: patch.c; the way in from outside is in calls.h.
#ifndef FMI_RECORD_DISPATCH_H
#define FMI_RECORD_DISPATCH_H

#include "record/reusable.h"

// What a dispatch may be beyond a plain one.
typedef struct fmi_dispatch_way {
    bool keeps_empty;         // one of no workgroups becomes a command as well
    const fmi_counts *counts; // it is indirect; NULL: it is not
} fmi_dispatch_way;

// Records a dispatch; the caller is inside.
fm_status fmi_dispatch_inside(fm_commands *commands, const fm_dispatch_info *info, const fmi_dispatch_way *way);

#endif
