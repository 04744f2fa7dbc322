// Indirect dispatches. Vulkan leaves it open what a count over the device's limit does, so a small kernel of our own
// looks at the counts first: it writes those that run, or zeros and what was wrong, into a record, and the dispatch
// reads the record. Whoever retires the batch finds out from there which lists failed. To all barriers of the plan the
// caller's buffer is thus read by a dispatch like any binding. One thread at a time: inside submit, or with a complete
// batch whose slot has not been taken again.
#include "backend/fail.h"
#include "backend/vulkan/vulkan.h"

#include "backend/vulkan/counts_spv.h"
#include "base/error.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

enum {
    COUNTS = 3,
    RECORD_WORDS = 2 * COUNTS, // the counts that run, then those that were refused; zeros: none were
    RECORD_BYTES = RECORD_WORDS * sizeof(uint32_t),
};

// What the kernel is pushed.
typedef struct check_constants {
    uint32_t at; // index of the first count in what is bound
    uint32_t most[COUNTS];
} check_constants;

// Made when the first batch needs it: most programs never do.
static fm_status make_kernel(fmi_backend *backend)
{
    const fmi_kernel_code code = {
        .name = "counts of an indirect dispatch",
        .code = counts_spv,
        .code_size_bytes = sizeof counts_spv,
        .binding_mode = FM_BINDING_DESCRIPTORS,
        .span_count = 2,
        .binding_numbers = {0, 1},
        .constants_size_bytes = sizeof(check_constants),
        .group_size = {1, 1, 1},
    };
    fmi_text log = {0};
    fm_status status = fmi_vulkan_create_kernel(backend, &code, &backend->check_kernel, &log);
    fmi_text_free(&log);
    return status;
}

static fm_status grow_checks(fmi_vulkan_slot *slot)
{
    if (slot->check_count < slot->check_capacity) {
        return FM_OK;
    }
    uint32_t capacity = slot->check_capacity ? 2 * slot->check_capacity : 16;
    fmi_vulkan_check *checks = realloc(slot->checks, capacity * sizeof *checks);
    if (!checks) {
        return fmi_fail(FM_ERROR_OUT_OF_HOST_MEMORY, "no host memory is left for the indirect dispatches of a batch");
    }
    slot->checks = checks;
    slot->check_capacity = capacity;
    return FM_OK;
}

// Fills the kernel's command: the counts' range from the place before it where a descriptor may begin, and the record.
static void write_command(const fmi_backend *backend, const fmi_command *command, const fmi_vulkan_arguments *record,
                          fmi_vulkan_check_command *out)
{
    const fmi_span *counts = &command->spans[command->span_count - 1];
    uint64_t begin = counts->offset_bytes & ~(uint64_t)(backend->argument_alignment_bytes - 1);
    check_constants constants = {.at = (uint32_t)((counts->offset_bytes - begin) / sizeof(uint32_t))};
    memcpy(constants.most, command->binary->most_groups, sizeof constants.most);
    fmi_command *check = &out->command;
    *check = (fmi_command){.kind = FMI_COMMAND_DISPATCH,
                           .span_count = 2,
                           .constants_size_bytes = sizeof constants,
                           .group_count = {1, 1, 1},
                           .binary = backend->check_kernel,
                           .label = command->label};
    check->spans[0] = (fmi_span){.block = counts->block,
                                 .offset_bytes = begin,
                                 .size_bytes = counts->offset_bytes - begin + counts->size_bytes,
                                 .access = FM_ACCESS_READ};
    check->spans[1] = (fmi_span){.block = record->block,
                                 .offset_bytes = record->offset_bytes,
                                 .size_bytes = RECORD_BYTES,
                                 .access = FM_ACCESS_WRITE};
    memcpy(&check->spans[2], &constants, sizeof constants);
}

fm_status fmi_vulkan_check_counts(fmi_backend *backend, fmi_vulkan_slot *slot, fmi_command *command,
                                  fmi_vulkan_check_command *out)
{
    fm_status status = backend->check_kernel ? FM_OK : make_kernel(backend);
    if (status == FM_OK) {
        status = grow_checks(slot);
    }
    fmi_vulkan_arguments record;
    if (status == FM_OK) {
        status = fmi_vulkan_slot_take_arguments(backend, slot, RECORD_BYTES, &record);
    }
    if (status != FM_OK) {
        return status;
    }
    slot->checks[slot->check_count++] = (fmi_vulkan_check){
        .command = command, .buffer = record.buffer, .offset_bytes = record.offset_bytes, .mapped = record.mapped};
    write_command(backend, command, &record, out);
    return FM_OK;
}

void fmi_vulkan_read_failures(fmi_backend *backend, const fmi_batch_plan *plan)
{
    const fmi_vulkan_slot *slot = fmi_vulkan_slot_of(backend, plan);
    fmi_vulkan_read_notes(backend, slot, plan);
    for (uint32_t i = 0; i < slot->check_count; i++) {
        const fmi_vulkan_check *check = &slot->checks[i];
        fmi_command *command = check->command;
        uint32_t refused[COUNTS];
        memcpy(refused, check->mapped + sizeof refused, sizeof refused);
        if (refused[0] == 0 || plan->list_status[command->list] != FM_OK) {
            continue;
        }
        fmi_fail_indirect(command, plan, command->binary->name, refused, command->binary->most_groups);
    }
}
