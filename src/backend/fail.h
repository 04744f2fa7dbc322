// How a backend fails one list of a batch that runs, or that is complete and not retired yet. See
// fmi_batch_plan.list_status. Knows no backend; any thread that has been given the command.
#ifndef FMI_BACKEND_FAIL_H
#define FMI_BACKEND_FAIL_H

#include "backend/backend.h"

enum { FMI_REASON_BYTES = 500 }; // of a sentence; the rest is cut

// Fails the list of a command that has failed. What its first failure says is kept: other threads may be running the
// same command, or another of the list. Any thread that has been given the command or the complete batch.
void __attribute__((cold, format(printf, 3, 4)))
fmi_fail_command(const fmi_command *command, const fmi_batch_plan *plan, const char *format, ...);

// An indirect dispatch of the kernel `name` found group counts that are over `most` or FM_MAX_ITEMS.
void fmi_fail_indirect(const fmi_command *command, const fmi_batch_plan *plan, const char *name,
                       const uint32_t found[3], const uint32_t most[3]);

#endif
