// Indirect dispatches. CUDA has no launch whose counts the device reads, so a second entry of each kernel does: as many workgroups as the device
// holds take turns at those that the counts ask for. Counts over a limit run nothing; the kernel notes them in a record of mapped memory,
// and whoever retires the batch finds out from there which lists failed.
// One thread at a time: inside submit, or with a complete batch whose slot has not been taken again.
#include "backend/cuda/cuda.h"
#include "backend/fail.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

static uint32_t count_indirect(const fmi_batch_plan *plan)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < plan->command_count; i++) {
        count += plan->commands[i]->kind == FMI_COMMAND_DISPATCH_INDIRECT;
    }
    return count;
}

// Room for `count` records; what the slot had is used by nobody any more.
static fm_status grow(fmi_backend *backend, fmi_cuda_slot *slot, uint32_t count)
{
    uint32_t capacity = slot->check_capacity ? slot->check_capacity : 64;
    while (capacity < count) {
        capacity *= 2;
    }
    fmi_command **checked = realloc(slot->checked, capacity * sizeof *checked);
    if (!checked) {
        return fmi_fail(FM_ERROR_OUT_OF_HOST_MEMORY, "No host memory is left for the indirect dispatches of a batch.");
    }
    slot->checked = checked;
    fmi_cuda_free_block(backend, &slot->records);
    slot->check_capacity = 0;
    fm_status status =
        fmi_cuda_allocate_block(backend, FM_MEMORY_HOST, (uint64_t)capacity * FMI_CUDA_RECORD_BYTES, &slot->records);
    slot->check_capacity = status == FM_OK ? capacity : 0;
    return status;
}

fm_status fmi_cuda_prepare_indirect(fmi_backend *backend, fmi_cuda_slot *slot, const fmi_batch_plan *plan)
{
    uint32_t count = count_indirect(plan);
    fm_status status = count > slot->check_capacity ? grow(backend, slot, count) : FM_OK;
    if (status != FM_OK) {
        return status;
    }
    memset(slot->records.mapped, 0, (size_t)count * FMI_CUDA_RECORD_BYTES);
    for (uint32_t i = 0; i < plan->command_count; i++) {
        if (plan->commands[i]->kind == FMI_COMMAND_DISPATCH_INDIRECT) {
            slot->checked[slot->check_count++] = plan->commands[i];
        }
    }
    return FM_OK;
}

void fmi_cuda_read_failures(fmi_backend *backend, const fmi_batch_plan *plan)
{
    const fmi_cuda_slot *slot = fmi_cuda_slot_of(backend, plan);
    for (uint32_t i = 0; i < slot->check_count; i++) {
        fmi_command *command = slot->checked[i];
        uint32_t refused[3];
        memcpy(refused, slot->records.mapped + (size_t)i * FMI_CUDA_RECORD_BYTES, sizeof refused);
        if (refused[0] == 0 || plan->list_status[command->list] != FM_OK) {
            continue;
        }
        fmi_fail_indirect(command, plan, command->binary->name, refused, command->binary->most_groups);
    }
}
