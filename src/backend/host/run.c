// Host backend: runs one command on the calling thread. Knows no queue and no waves; the manual device (backend/manual) uses it, too.
// Any thread that has been given the command; the caller keeps waves apart.
#include "backend/host/host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const fm_status statuses[] = {
#define STATUS(name, value, text) name,
    FM_STATUS_LIST(STATUS)
#undef STATUS
};
enum { STATUS_COUNT = sizeof statuses / sizeof statuses[0] };

char (*fmi_host_make_answers(const char *name))[FMI_HOST_ANSWER_BYTES]
{
    char(*answers)[FMI_HOST_ANSWER_BYTES] = calloc(STATUS_COUNT + 1, sizeof *answers);
    for (uint32_t i = 0; answers && i <= STATUS_COUNT; i++) { // the last is for what is no status
        snprintf(answers[i], sizeof *answers, "host function '%.100s' returned %s", name,
                 i < STATUS_COUNT ? fm_status_name(statuses[i]) : "a value that is no status");
    }
    return answers;
}

static const char *answer_of(const fmi_kernel_binary *binary, fm_status status)
{
    uint32_t i = 0;
    while (i < STATUS_COUNT && statuses[i] != status) {
        i++;
    }
    return binary->answers[i];
}

static void fail_list(const fmi_command *command, const fmi_batch_plan *plan, const char *reason)
{
    // Nobody looks at a command's wave any more when it runs.
    __atomic_store_n(&((fmi_command *)command)->wave, FMI_WAVE_FAILED, __ATOMIC_RELAXED);
    if (reason) {
        __atomic_store_n(&plan->list_reason[command->list], reason, __ATOMIC_RELAXED);
    }
    __atomic_store_n(&plan->list_status[command->list], FM_ERROR_KERNEL_FAILED, __ATOMIC_RELAXED);
}

// A workgroup failed on this thread. The first failure of a kernel leaves its sentence; a thread that fails while another writes it has none.
static void fail_group(const fmi_command *command, const fmi_batch_plan *plan, uint64_t group)
{
    fmi_kernel_binary *binary = (fmi_kernel_binary *)command->binary;
    int untouched = 0;
    if (atomic_compare_exchange_strong(&binary->reason_state, &untouched, 1)) {
        const uint32_t *n = command->group_count;
        char why[FMI_HOST_REASON_BYTES / 2];
        fmi_fibre_explain(why, sizeof why);
        snprintf(binary->reason, sizeof binary->reason, "kernel '%.100s', workgroup (%u, %u, %u): %s", binary->name,
                 (uint32_t)(group % n[0]), (uint32_t)(group / n[0] % n[1]), (uint32_t)(group / n[0] / n[1]), why);
        atomic_store_explicit(&binary->reason_state, 2, memory_order_release); // pairs with the load below
    }
    bool is_written = atomic_load_explicit(&binary->reason_state, memory_order_acquire) == 2;
    fail_list(command, plan, is_written ? binary->reason : "work-items of a workgroup did not meet at one barrier()");
}

static void run_dispatch(const fmi_command *command, uint32_t part, uint32_t parts, const fmi_batch_plan *plan)
{
    const fmi_kernel_binary *binary = command->binary;
    void *bindings[FM_MAX_BINDINGS];
    uint64_t sizes[FM_MAX_BINDINGS];
    for (uint32_t i = 0; i < command->span_count; i++) {
        bindings[i] = command->spans[i].block->mapped + command->spans[i].offset_bytes;
        sizes[i] = command->spans[i].size_bytes;
    }
    const uint32_t *n = command->group_count;
    if (binary->entry) {
        uint64_t groups = (uint64_t)n[0] * n[1] * n[2];
        fmi_host_entry_args args = {
            bindings, FMI_COMMAND_CONSTANTS(command), groups / parts * part, 0, {n[0], n[1], n[2]}};
        args.last = part + 1 == parts ? groups : groups / parts * (part + 1);
        if (args.first < args.last) {
            uint64_t failed = binary->entry(&args);
            if (failed) {
                fail_group(command, plan, failed - 1);
            }
        }
    } else if (part == 0) {
        fm_host_call call = {bindings,
                             sizes,
                             command->span_count,
                             FMI_COMMAND_CONSTANTS(command),
                             command->constants_size_bytes,
                             {n[0], n[1], n[2]},
                             binary->user};
        fm_status status = binary->function(&call);
        if (status != FM_OK) {
            fail_list(command, plan, answer_of(binary, status));
        }
    }
}

static void run_fill(const fmi_command *command)
{
    const fmi_span *span = &command->spans[0];
    uint8_t *at = span->block->mapped + span->offset_bytes;
    for (uint64_t i = 0; i < span->size_bytes; i += sizeof command->fill_value) {
        memcpy(at + i, &command->fill_value, sizeof command->fill_value);
    }
}

void fmi_host_run(const fmi_command *command, uint32_t part, uint32_t parts, const fmi_batch_plan *plan)
{
    if (__atomic_load_n(&plan->list_status[command->list], __ATOMIC_RELAXED) != FM_OK) {
        return; // the list has failed already: the rest of it does not run
    }
    if (command->kind == FMI_COMMAND_DISPATCH) {
        run_dispatch(command, part, parts, plan);
    } else if (part > 0) {
        return;
    } else if (command->kind == FMI_COMMAND_COPY) {
        const fmi_span *from = &command->spans[0], *to = &command->spans[1];
        memcpy(to->block->mapped + to->offset_bytes, from->block->mapped + from->offset_bytes, (size_t)to->size_bytes);
    } else {
        run_fill(command);
    }
}
