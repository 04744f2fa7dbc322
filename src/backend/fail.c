// Failing a list while its batch runs, or once it is complete. See fail.h. The first failure of a list is the one
// that is told, from whichever thread; no state of its own.
#include "backend/fail.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void fmi_fail_command(const fmi_command *command, const fmi_batch_plan *plan, const char *format, ...)
{
    // Nobody looks at a command's wave any more when it runs.
    __atomic_store_n(&((fmi_command *)command)->wave, FMI_WAVE_FAILED, __ATOMIC_RELAXED);
    char text[FMI_REASON_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    char *reason = plan->list_reason ? strdup(text) : NULL, *none = NULL;
    // Release: pairs with the completion of the batch, behind which the reason is read.
    if (reason && !__atomic_compare_exchange_n(&plan->list_reason[command->list], &none, reason, false,
                                               __ATOMIC_RELEASE, __ATOMIC_RELAXED)) {
        free(reason);
    }
    __atomic_store_n(&plan->list_status[command->list], FM_ERROR_KERNEL_FAILED, __ATOMIC_RELAXED);
}

void fmi_fail_indirect(const fmi_command *command, const fmi_batch_plan *plan, const char *name,
                       const uint32_t found[3], const uint32_t most[3])
{
    fmi_fail_command(command, plan,
                     "kernel '%.100s': the group counts {%u, %u, %u} that its indirect dispatch found exceed "
                     "{%u, %u, %u} of this device and kernel, or 2^32 in all",
                     name, found[0], found[1], found[2], most[0], most[1], most[2]);
}
