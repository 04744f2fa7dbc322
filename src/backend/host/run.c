// Host backend: runs one command on the calling thread. Knows no queue and no waves; the manual device (backend/manual) uses it, too.
// Any thread that has been given the command; the caller keeps waves apart.
#include "backend/fail.h"
#include "backend/host/host.h"

#include <fermata/commands.h>

#include <fenv.h>
#include <string.h>

// A workgroup failed on this thread.
static void fail_group(const fmi_command *command, const fmi_batch_plan *plan, uint64_t group)
{
    const uint32_t *n = command->group_count;
    char why[FMI_REASON_BYTES / 2];
    fmi_fibre_explain(why, sizeof why);
    fmi_fail_command(command, plan, "kernel '%.100s', workgroup (%u, %u, %u): %s", command->binary->name,
                     (uint32_t)(group % n[0]), (uint32_t)(group / n[0] % n[1]), (uint32_t)(group / n[0] / n[1]), why);
}

// A function of the user's may return any number.
static const char *name_answer(fm_status answer)
{
    switch (answer) {
#define STATUS(name, value, text) case name:
        FM_STATUS_LIST(STATUS)
#undef STATUS
        return fm_status_name(answer);
    }
    return "a value that is no status";
}

// Over which limit are counts that are not 0? NULL: none.
static const char *find_excess(const fmi_kernel_binary *binary, const uint32_t n[3])
{
    for (int axis = 0; axis < 3; axis++) {
        if ((uint64_t)n[axis] * binary->group_size[axis] > FM_MAX_ITEMS) {
            return "more than 2^32 work-items on an axis";
        }
    }
    // No product of more than 64 bits is formed.
    uint64_t plane = (uint64_t)n[0] * n[1];
    return plane > FM_MAX_GROUPS || plane * n[2] > FM_MAX_GROUPS ? "more than 2^32 workgroups" : NULL;
}

void fmi_host_read_counts(fmi_command *command, const fmi_batch_plan *plan)
{
    const fmi_span *span = &command->spans[command->span_count - 1];
    uint32_t n[3];
    memcpy(n, span->block->mapped + span->offset_bytes, sizeof n);
    memset(command->group_count, 0, sizeof command->group_count);
    if (n[0] == 0 || n[1] == 0 || n[2] == 0 ||
        __atomic_load_n(&plan->list_status[command->list], __ATOMIC_RELAXED) != FM_OK) {
        return;
    }
    const char *excess = find_excess(command->binary, n);
    if (excess) {
        fmi_fail_command(command, plan,
                         "kernel '%.100s': the group counts {%u, %u, %u} that its indirect dispatch found are %s",
                         command->binary->name, n[0], n[1], n[2], excess);
    } else {
        memcpy(command->group_count, n, sizeof n);
    }
}

static void run_dispatch(const fmi_command *command, uint32_t part, uint32_t parts, const fmi_batch_plan *plan)
{
    const fmi_kernel_binary *binary = command->binary;
    void *bindings[FM_MAX_BINDINGS];
    uint64_t sizes[FM_MAX_BINDINGS];
    uint32_t binding_count = command->span_count;
    binding_count -= command->kind == FMI_COMMAND_DISPATCH_INDIRECT; // the last span has the counts
    for (uint32_t i = 0; i < binding_count; i++) {
        bindings[i] = command->spans[i].block->mapped + command->spans[i].offset_bytes;
        sizes[i] = command->spans[i].size_bytes;
    }
    const uint32_t *n = command->group_count;
    if (binary->code.entry) {
        uint64_t groups = (uint64_t)n[0] * n[1] * n[2];
        fmi_host_entry_args args = {
            bindings, FMI_COMMAND_CONSTANTS(command), groups / parts * part, 0, {n[0], n[1], n[2]}};
        args.last = part + 1 == parts ? groups : groups / parts * (part + 1);
        if (args.first < args.last) {
            if (binary->code.stack_bytes) {
                fmi_fibres_want(binary->code.stack_bytes);
            }
            uint64_t failed = binary->code.entry(&args);
            if (failed) {
                fail_group(command, plan, failed - 1);
            }
        }
    } else if (part == 0 && n[0] != 0) {
        fm_host_call call = {bindings,
                             sizes,
                             binding_count,
                             FMI_COMMAND_CONSTANTS(command),
                             command->constants_size_bytes,
                             {n[0], n[1], n[2]},
                             binary->user};
        fenv_t environment; // what the function changes in it is no business of the next kernel's
        fegetenv(&environment);
        fm_status answer = binary->function(&call);
        fesetenv(&environment);
        if (answer != FM_OK) {
            fmi_fail_command(command, plan, "host function '%.100s' returned %s", binary->name, name_answer(answer));
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

static void run_fill_pattern(const fmi_command *command)
{
    const fmi_span *span = &command->spans[0];
    const void *pattern = FMI_COMMAND_CONSTANTS(command);
    uint8_t *at = span->block->mapped + span->offset_bytes, *end = at + span->size_bytes;
    for (; end - at >= FMI_PATTERN_BYTES; at += FMI_PATTERN_BYTES) {
        memcpy(at, pattern, FMI_PATTERN_BYTES);
    }
    memcpy(at, pattern, (size_t)(end - at));
}

static void run_copy_rect(const fmi_command *command)
{
    fmi_rect r;
    memcpy(&r, FMI_COMMAND_CONSTANTS(command), sizeof r);
    const uint8_t *from = command->spans[0].block->mapped + command->spans[0].offset_bytes;
    uint8_t *to = command->spans[1].block->mapped + command->spans[1].offset_bytes;
    for (uint64_t slice = 0; slice < r.slice_count; slice++) {
        for (uint64_t row = 0; row < r.row_count; row++) {
            memcpy(to + slice * r.slice_pitch_bytes[1] + row * r.row_pitch_bytes[1],
                   from + slice * r.slice_pitch_bytes[0] + row * r.row_pitch_bytes[0], (size_t)r.row_size_bytes);
        }
    }
}

// Everything but a dispatch: on one thread.
static void run_transfer(const fmi_command *command)
{
    const fmi_span *from = &command->spans[0], *to = &command->spans[1];
    switch ((fmi_command_kind)command->kind) {
    case FMI_COMMAND_COPY:
        memcpy(to->block->mapped + to->offset_bytes, from->block->mapped + from->offset_bytes, (size_t)to->size_bytes);
        break;
    case FMI_COMMAND_FILL: run_fill(command); break;
    case FMI_COMMAND_FILL_PATTERN: run_fill_pattern(command); break;
    case FMI_COMMAND_COPY_RECT: run_copy_rect(command); break;
    case FMI_COMMAND_DISPATCH:
    case FMI_COMMAND_DISPATCH_INDIRECT:
    case FMI_COMMAND_BARRIER: break; // never here
    }
}

void fmi_host_run(const fmi_command *command, uint32_t part, uint32_t parts, const fmi_batch_plan *plan)
{
    if (__atomic_load_n(&plan->list_status[command->list], __ATOMIC_RELAXED) != FM_OK) {
        return; // the list has failed already: the rest of it does not run
    }
    if (fmi_command_is_dispatch(command)) {
        run_dispatch(command, part, parts, plan);
    } else if (part == 0) {
        run_transfer(command);
    }
}
