// Encoding: one planned batch becomes one command buffer.
// Decides nothing: waves, order and hazards come with the plan. One thread at a time.
// encode_* run once a command and are the hot path: no allocation in the steady state, no look-ups.
#include "backend/vulkan/vulkan.h"

#include "base/error.h"

#include <string.h>

enum { INDIRECT_INSIDE = 8 }; // a wave's bit beside those of fmi_vulkan_scope: some of its dispatches are indirect

// Parts of the hot path that have names for the reader alone. Without this a second caller elsewhere costs each dispatch the call.
#define HOT inline __attribute__((always_inline))

// The state of one encoding, on the stack of submit.
typedef struct vulkan_encoder {
    VkCommandBuffer commands;
    PFN_vkCmdPushConstants push_constants;
    PFN_vkCmdDispatch dispatch;
    uint32_t group_count_mask;          // a group count without other bits than these is within the limits
    uint32_t host_writes;               // kinds of command that wrote to memory which the host looks at
    const fmi_kernel_binary *bound;     // whose pipeline is bound
    const fmi_kernel_binary *described; // whose descriptors are bound, as they stand in backend->descriptors
    const char *label;                  // the one that is open
    fmi_backend *backend;
    fmi_vulkan_slot *slot;
    uint32_t checked;  // of the slot's checks, those whose dispatch is encoded
    uint32_t barriers; // encoded so far
    fm_status status;  // the first failure; what is encoded after it is never submitted
} vulkan_encoder;

static void encode_barrier(vulkan_encoder *encoder, uint32_t from, uint32_t to)
{
    encoder->barriers++;
    fmi_vulkan_encode_barrier(encoder->backend, encoder->commands, from, to);
}

static void switch_label(vulkan_encoder *encoder, const char *label)
{
    if (!encoder->backend->labels) {
        return;
    }
    if (encoder->label) {
        vkCmdEndDebugUtilsLabelEXT(encoder->commands);
    }
    encoder->label = label;
    if (label) {
        VkDebugUtilsLabelEXT info = {.sType = VK_STRUCTURE_TYPE_DEBUG_UTILS_LABEL_EXT, .pLabelName = label};
        vkCmdBeginDebugUtilsLabelEXT(encoder->commands, &info);
    }
}

// Is it a write to host-kind memory? 1 or 0.
static inline uint32_t writes_host(const fmi_span *span)
{
    return (uint32_t)(span->block->kind == FM_MEMORY_HOST) & span->access >> 1;
}

// Writes the argument block: addresses, constants, group counts, base. `out` is 8-byte aligned.
static HOT void write_block(uint8_t *out, const fmi_command *command, const fmi_kernel_binary *binary,
                            const uint32_t base[3])
{
    if (binary->takes_addresses) {
        uint64_t *addresses = (uint64_t *)(void *)out;
        for (uint32_t i = 0; i < binary->span_count; i++) {
            addresses[i] = command->spans[i].block->device_address + command->spans[i].offset_bytes;
        }
    }
    fmi_copy_constants(out + binary->constants_offset_bytes, FMI_COMMAND_CONSTANTS(command),
                       binary->constants_size_bytes);
    uint8_t *end = out + binary->group_count_offset_bytes;
    if (binary->wants_group_count) {
        memcpy(end, command->group_count, sizeof command->group_count);
        end += sizeof command->group_count;
    }
    if (binary->wants_group_base) {
        memcpy(end, base, 3 * sizeof *base);
    }
}

// Binds backend->descriptors by a set from a pool, where descriptors cannot be pushed.
static void bind_set(vulkan_encoder *encoder, const fmi_kernel_binary *binary)
{
    fmi_backend *backend = encoder->backend;
    VkDescriptorSet set = VK_NULL_HANDLE;
    fm_status status = fmi_vulkan_slot_take_set(backend, encoder->slot, binary->set_layout, &set);
    if (status != FM_OK) {
        encoder->status = status;
        return;
    }
    backend->vk.vkUpdateDescriptorSetWithTemplate(backend->device, set, binary->update_template, backend->descriptors);
    backend->vk.vkCmdBindDescriptorSets(encoder->commands, VK_PIPELINE_BIND_POINT_COMPUTE, binary->layout, 0, 1, &set,
                                        0, NULL);
}

// Binds backend->descriptors, whose first `count` are filled.
static HOT void bind_descriptors(vulkan_encoder *encoder, const fmi_kernel_binary *binary)
{
    if (__builtin_expect(binary->writes != NULL, 1)) {
        encoder->backend->vk.vkCmdPushDescriptorSetKHR(encoder->commands, VK_PIPELINE_BIND_POINT_COMPUTE,
                                                       binary->layout, 0, binary->descriptor_count, binary->writes);
    } else {
        bind_set(encoder, binary);
    }
}

// Describes the spans and binds them, unless they are bound as they are. `changed`: what stands behind them in the
// descriptors is new.
static HOT void encode_descriptors(vulkan_encoder *encoder, const fmi_command *command, const fmi_kernel_binary *binary,
                                   bool changed)
{
    VkDescriptorBufferInfo *descriptors = encoder->backend->descriptors;
    changed |= encoder->described != binary;
    for (uint32_t i = 0; i < binary->span_count; i++) {
        const fmi_span *span = &command->spans[i];
        VkBuffer buffer = fmi_vulkan_buffer_of(span);
        changed |= (descriptors[i].buffer != buffer) | (descriptors[i].offset != span->offset_bytes) |
                   (descriptors[i].range != span->size_bytes);
        descriptors[i] = (VkDescriptorBufferInfo){buffer, span->offset_bytes, span->size_bytes};
    }
    if (changed && binary->descriptor_count) {
        encoder->described = binary;
        bind_descriptors(encoder, binary);
    }
}

// Takes a place of the slot for the argument block or the note, and describes it behind what is described already.
static fm_status take_place(vulkan_encoder *encoder, fmi_command *command, const fmi_kernel_binary *binary,
                            bool is_note, fmi_vulkan_arguments *out)
{
    uint32_t size_bytes = is_note ? (uint32_t)sizeof(uint32_t) : binary->block_size_bytes;
    fm_status status = is_note ? fmi_vulkan_take_note(encoder->backend, encoder->slot, command, out)
                               : fmi_vulkan_slot_take_arguments(encoder->backend, encoder->slot, size_bytes, out);
    if (status == FM_OK && !binary->takes_addresses) {
        uint32_t place = binary->span_count + (is_note && binary->indirect_arguments ? 1 : 0);
        encoder->backend->descriptors[place] = (VkDescriptorBufferInfo){out->buffer, out->offset_bytes, size_bytes};
    }
    return status;
}

// Arguments of which some lie in a buffer. False when there is no room for them.
static bool __attribute__((cold, noinline))
encode_places(vulkan_encoder *encoder, fmi_command *command, const fmi_kernel_binary *binary, const uint32_t base[3])
{
    fmi_vulkan_arguments note = {0}, arguments = {0};
    fm_status status = binary->notes_loops ? take_place(encoder, command, binary, true, &note) : FM_OK;
    if (status == FM_OK && binary->indirect_arguments) {
        status = take_place(encoder, command, binary, false, &arguments);
    }
    if (status != FM_OK) {
        encoder->status = status;
        return false;
    }
    encoder->host_writes |= binary->notes_loops ? FMI_VULKAN_DISPATCHES : 0;
    uint64_t block[FMI_VULKAN_PUSH_BYTES / sizeof(uint64_t)];
    uint8_t *out = binary->indirect_arguments ? arguments.mapped : (uint8_t *)block;
    write_block(out, command, binary, base);
    if (binary->takes_addresses && binary->notes_loops) {
        memcpy(out + binary->span_count * sizeof(uint64_t), &note.device_address, sizeof note.device_address);
    }
    if (!binary->takes_addresses) {
        encode_descriptors(encoder, command, binary, true);
    }
    const void *push = binary->indirect_arguments ? (const void *)&arguments.device_address : block;
    uint32_t push_bytes = !binary->indirect_arguments ? binary->block_size_bytes
                          : binary->takes_addresses   ? (uint32_t)sizeof arguments.device_address
                                                      : 0;
    if (push_bytes) {
        encoder->push_constants(encoder->commands, binary->layout, VK_SHADER_STAGE_COMPUTE_BIT, 0, push_bytes, push);
    }
    return true;
}

// The kernel's arguments for the part that begins at `base`. False when there is no room for them.
static HOT bool encode_arguments(vulkan_encoder *encoder, fmi_command *command, const fmi_kernel_binary *binary,
                                 const uint32_t base[3])
{
    if (binary->has_arguments_to_take) {
        return encode_places(encoder, command, binary, base);
    }
    if (!binary->takes_addresses) {
        encode_descriptors(encoder, command, binary, false);
    }
    uint64_t block[FMI_VULKAN_PUSH_BYTES / sizeof(uint64_t)];
    const void *push = block;
    if (binary->pushes_constants_as_recorded) {
        push = FMI_COMMAND_CONSTANTS(command);
    } else {
        write_block((uint8_t *)block, command, binary, base);
    }
    if (binary->block_size_bytes) {
        encoder->push_constants(encoder->commands, binary->layout, VK_SHADER_STAGE_COMPUTE_BIT, 0,
                                binary->block_size_bytes, push);
    }
    return true;
}

// A dispatch over the device's limits, in parts that each know where they begin. The parts bind the same ranges, so to a
// validation layer they conflict: a barrier between them costs nothing beside the limit's 65,535 workgroups or more.
static void __attribute__((cold, noinline))
dispatch_in_parts(vulkan_encoder *encoder, fmi_command *command, const fmi_kernel_binary *binary)
{
    const uint32_t *limit = encoder->backend->max_group_count, *count = command->group_count;
    bool first = true;
    uint64_t at[3];
    for (at[2] = 0; at[2] < count[2]; at[2] += limit[2]) {
        for (at[1] = 0; at[1] < count[1]; at[1] += limit[1]) {
            for (at[0] = 0; at[0] < count[0]; at[0] += limit[0]) {
                uint32_t part[3], base[3];
                for (uint32_t axis = 0; axis < 3; axis++) {
                    uint64_t left = count[axis] - at[axis];
                    part[axis] = left < limit[axis] ? (uint32_t)left : limit[axis];
                    base[axis] = (uint32_t)at[axis];
                }
                if (!first) {
                    encode_barrier(encoder, FMI_VULKAN_DISPATCHES, FMI_VULKAN_DISPATCHES);
                }
                first = false;
                if (!encode_arguments(encoder, command, binary, base)) {
                    return;
                }
                encoder->dispatch(encoder->commands, part[0], part[1], part[2]);
            }
        }
    }
}

static const uint32_t no_base[3] = {0, 0, 0};

// A kernel that was never submitted, on a CPU: has the driver compile it by a dispatch of no workgroups, with a mark behind it, so that exit()
// can wait for the compiler without waiting for the kernel (exit.c).
static void __attribute__((cold, noinline)) compile_first(vulkan_encoder *encoder, fmi_command *command)
{
    if (encode_arguments(encoder, command, command->binary, no_base)) {
        encoder->dispatch(encoder->commands, 0, 0, 0);
        fmi_vulkan_encode_mark(encoder->backend, encoder->commands);
        ((fmi_kernel_binary *)command->binary)->warm = encoder->backend->warm;
    }
}

// Binds the pipeline of a dispatch, and notes what it writes for the host.
static HOT void begin_dispatch(vulkan_encoder *encoder, fmi_command *command)
{
    const fmi_kernel_binary *binary = command->binary;
    if (binary != encoder->bound) {
        encoder->bound = binary;
        encoder->backend->vk.vkCmdBindPipeline(encoder->commands, VK_PIPELINE_BIND_POINT_COMPUTE, binary->pipeline);
        if (__builtin_expect(binary->warm != encoder->backend->warm, 0)) {
            compile_first(encoder, command);
        }
    }
    if (!(encoder->host_writes & FMI_VULKAN_DISPATCHES)) {
        uint32_t writes = 0;
        for (uint32_t i = 0; i < command->span_count; i++) {
            writes |= writes_host(&command->spans[i]);
        }
        encoder->host_writes |= writes * FMI_VULKAN_DISPATCHES;
    }
}

static HOT void encode_dispatch(vulkan_encoder *encoder, fmi_command *command)
{
    const fmi_kernel_binary *binary = command->binary;
    begin_dispatch(encoder, command);
    const uint32_t *count = command->group_count;
    if (__builtin_expect(((count[0] | count[1] | count[2]) & ~encoder->group_count_mask) != 0, 0)) {
        dispatch_in_parts(encoder, command, binary);
    } else if (encode_arguments(encoder, command, binary, no_base)) {
        encoder->dispatch(encoder->commands, count[0], count[1], count[2]);
    }
}

// The kernel finds zeros for its group counts, and asks the device for them instead (generate_glsl.c).
static void __attribute__((cold, noinline)) encode_dispatch_indirect(vulkan_encoder *encoder, fmi_command *command)
{
    const fmi_vulkan_check *check = &encoder->slot->checks[encoder->checked++];
    begin_dispatch(encoder, command);
    if (encode_arguments(encoder, command, command->binary, no_base)) {
        encoder->backend->vk.vkCmdDispatchIndirect(encoder->commands, check->buffer, check->offset_bytes);
    }
}

// Has the device look at the counts of the wave's indirect dispatches before any of the wave runs.
static void __attribute__((cold, noinline))
encode_checks(vulkan_encoder *encoder, fmi_command *const *commands, uint32_t count)
{
    for (uint32_t i = 0; i < count && encoder->status == FM_OK; i++) {
        if (commands[i]->kind == FMI_COMMAND_DISPATCH_INDIRECT) {
            fmi_vulkan_check_command check;
            encoder->status = fmi_vulkan_check_counts(encoder->backend, encoder->slot, commands[i], &check);
            if (encoder->status == FM_OK) {
                encode_dispatch(encoder, &check.command);
            }
        }
    }
    encode_barrier(encoder, FMI_VULKAN_DISPATCHES, FMI_VULKAN_INDIRECT);
}

static void encode_transfer(vulkan_encoder *encoder, const fmi_command *command)
{
    const fmi_span *spans = command->spans;
    fmi_vulkan_transfer_command own;
    if (fmi_vulkan_transfer_as_dispatch(encoder->backend, command, &own)) {
        encode_dispatch(encoder, &own.command);
        return;
    }
    switch ((fmi_command_kind)command->kind) {
    case FMI_COMMAND_COPY: {
        VkBufferCopy region = {spans[0].offset_bytes, spans[1].offset_bytes, spans[0].size_bytes};
        encoder->backend->vk.vkCmdCopyBuffer(encoder->commands, fmi_vulkan_buffer_of(&spans[0]),
                                             fmi_vulkan_buffer_of(&spans[1]), 1, &region);
        break;
    }
    case FMI_COMMAND_FILL:
        encoder->backend->vk.vkCmdFillBuffer(encoder->commands, fmi_vulkan_buffer_of(&spans[0]), spans[0].offset_bytes,
                                             spans[0].size_bytes, command->fill_value);
        break;
    case FMI_COMMAND_FILL_PATTERN: {
        fm_status status =
            fmi_vulkan_encode_pattern(encoder->backend, encoder->slot, encoder->commands, command, &encoder->barriers);
        encoder->status = status == FM_OK ? encoder->status : status;
        break;
    }
    case FMI_COMMAND_COPY_RECT: fmi_vulkan_encode_rect(encoder->backend, encoder->commands, command); break;
    case FMI_COMMAND_DISPATCH:
    case FMI_COMMAND_DISPATCH_INDIRECT:
    case FMI_COMMAND_BARRIER: return; // never here
    }
    encoder->host_writes |=
        writes_host(&spans[command->span_count - 1]) * FMI_VULKAN_TRANSFERS; // the last span is the destination
}

// Stamps the moment at which everything encoded so far is done.
static void encode_timestamp(vulkan_encoder *encoder, VkQueryPool times, uint32_t index)
{
    encoder->backend->vk.vkCmdWriteTimestamp(encoder->commands, VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT, times, index);
}

// Which kinds of command a wave has, as bits.
static HOT uint32_t kinds_of_wave(fmi_command *const *commands, uint32_t count)
{
    static const uint8_t bits[] = {
        [FMI_COMMAND_DISPATCH] = FMI_VULKAN_DISPATCHES,
        [FMI_COMMAND_DISPATCH_INDIRECT] = FMI_VULKAN_DISPATCHES | INDIRECT_INSIDE,
        [FMI_COMMAND_COPY] = FMI_VULKAN_TRANSFERS,
        [FMI_COMMAND_FILL] = FMI_VULKAN_TRANSFERS,
        [FMI_COMMAND_FILL_PATTERN] = FMI_VULKAN_BOTH, // one or the other
        [FMI_COMMAND_COPY_RECT] = FMI_VULKAN_BOTH,
    };
    uint32_t kinds = 0;
    for (uint32_t i = 0; i < count; i++) {
        kinds |= bits[commands[i]->kind];
    }
    return kinds;
}

static void encode_wave(vulkan_encoder *encoder, fmi_command *const *commands, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        fmi_command *command = commands[i];
        if (command->label != encoder->label) {
            switch_label(encoder, command->label);
        }
        if (command->kind == FMI_COMMAND_DISPATCH) {
            encode_dispatch(encoder, command);
        } else if (command->kind == FMI_COMMAND_DISPATCH_INDIRECT) {
            encode_dispatch_indirect(encoder, command);
        } else {
            encode_transfer(encoder, command);
        }
    }
}

// Encodes the waves with the barriers between them. A barrier names the kinds of the two waves at its sides only; older
// waves are ordered through the barriers before it, each of which ends in the scope where the next begins (LEARNED-13).
static void encode_waves(vulkan_encoder *encoder, const fmi_batch_plan *plan)
{
    if (plan->after_in_flight) {
        encode_barrier(encoder, FMI_VULKAN_BOTH, FMI_VULKAN_BOTH);
    }
    if (encoder->backend->maps_all_memory && plan->command_count) {
        encoder->host_writes = FMI_VULKAN_BOTH;
    }
    VkQueryPool times = plan->wave_ns ? encoder->slot->times : VK_NULL_HANDLE;
    if (times) {
        encoder->backend->vk.vkCmdResetQueryPool(encoder->commands, times, 0, FMI_TIMED_WAVES + 1);
        encode_timestamp(encoder, times, 0);
    }
    uint32_t first = 0;
    uint32_t before = 0;
    // The batch's first barrier, wherever it stands, is between everything before it and everything behind.
    uint32_t wide = plan->after_in_flight ? 0 : FMI_VULKAN_BOTH;
    for (uint32_t wave = 0; wave < plan->wave_count && encoder->status == FM_OK; wave++) {
        fmi_command *const *commands = plan->commands + first;
        uint32_t count = plan->wave_ends[wave] - first;
        uint32_t all = kinds_of_wave(commands, count), kinds = all & FMI_VULKAN_BOTH;
        if (before && kinds) {
            encode_barrier(encoder, before | wide, kinds | wide);
            wide = 0;
        }
        if (__builtin_expect(all & INDIRECT_INSIDE, 0)) {
            encode_checks(encoder, commands, count);
        }
        encode_wave(encoder, commands, count);
        if (times && wave < FMI_TIMED_WAVES) {
            encode_timestamp(encoder, times, wave + 1);
        }
        first += count;
        before = kinds ? kinds : before;
    }
    if (encoder->label) {
        switch_label(encoder, NULL);
    }
    if (encoder->host_writes) {
        encode_barrier(encoder, encoder->host_writes, FMI_VULKAN_HOST);
    }
}

fm_status fmi_vulkan_encode(fmi_backend *backend, fmi_vulkan_slot *slot, fmi_batch_plan *plan)
{
    VkCommandBufferBeginInfo begin = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
        .flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT,
    };
    VkResult result = backend->vk.vkBeginCommandBuffer(slot->commands, &begin);
    if (result != VK_SUCCESS) {
        return fmi_vulkan_fail(backend, result, "vkBeginCommandBuffer", "encoding a batch");
    }
    vulkan_encoder encoder = {
        .commands = slot->commands,
        .push_constants = backend->vk.vkCmdPushConstants,
        .dispatch = backend->vk.vkCmdDispatch,
        .group_count_mask = backend->group_count_mask,
        .backend = backend,
        .slot = slot,
    };
    encode_waves(&encoder, plan);
    plan->barriers = encoder.barriers;
    plan->asks_failures = slot->check_count + slot->note_count > 0;
    result = backend->vk.vkEndCommandBuffer(slot->commands);
    if (encoder.status != FM_OK) {
        return encoder.status;
    }
    return result == VK_SUCCESS ? FM_OK : fmi_vulkan_fail(backend, result, "vkEndCommandBuffer", "encoding a batch");
}
