// Drivers that end loops. lavapipe ends all loops of a work-item once they have made 65,535 trips together, without a word. Whether the driver does
// is found out when a device is opened, once a process. There a kernel with loops has a last one of its own, of two trips, behind its body: ended
// as well, it makes one, and the kernel stores that into its dispatch's note. Whoever retires the batch looks at the notes.
// Notes: one thread at a time, inside submit, or with a complete batch whose slot has not been taken again. The rest: while a device is opened.
#include "backend/fail.h"
#include "backend/vulkan/vulkan.h"

#include "backend/vulkan/trips_spv.h"
#include "base/error.h"
#include "base/process.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

enum {
    TRIED = 1 << 18, // trips of the loop that is tried
    TRY_BYTES = 2 * sizeof(uint32_t),
};

// What was found out last: the driver's mark in the upper half, its trips in the lower; 0: nothing yet. For the process, since it is true of a
// driver, not of a device. Relaxed: the word is all there is to it.
static _Atomic uint64_t found;
// 1 more than the number of the process that found it out (base/process.h): a child of fork has a driver of its own.
static _Atomic uint32_t found_by;

// Runs one command on its own and waits for it; nothing else was submitted yet.
static fm_status run_alone(fmi_backend *backend, fmi_vulkan_slot *slot, fmi_command *command)
{
    enum { TIMEOUT_NS = 2000000000 };
    const uint32_t end = 1;
    fmi_batch_plan plan = {.commands = &command, .command_count = 1, .wave_ends = &end, .wave_count = 1};
    fm_status status = fmi_vulkan_encode(backend, slot, &plan);
    if (status != FM_OK) {
        return status;
    }
    const VkFenceCreateInfo fence_info = {.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
    VkFence fence = VK_NULL_HANDLE;
    VkResult result = backend->vk.vkCreateFence(backend->device, &fence_info, NULL, &fence);
    if (result == VK_SUCCESS) {
        VkSubmitInfo info = {
            .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO, .commandBufferCount = 1, .pCommandBuffers = &slot->commands};
        result = backend->vk.vkQueueSubmit(backend->queues[0].native, 1, &info, fence);
    }
    if (result == VK_SUCCESS) {
        result = backend->vk.vkWaitForFences(backend->device, 1, &fence, VK_TRUE, TIMEOUT_NS);
        if (result == VK_TIMEOUT) {
            (void)backend->vk.vkDeviceWaitIdle(backend->device);
        }
    }
    backend->vk.vkDestroyFence(backend->device, fence, NULL);
    return result == VK_SUCCESS ? FM_OK : fmi_vulkan_fail(backend, result, "vkQueueSubmit", "counting a loop's trips");
}

// Has a loop make TRIED trips, and counts those that it made.
static fm_status count_trips(fmi_backend *backend, const fmi_kernel_binary *binary, uint32_t *out)
{
    fmi_vulkan_slot *slot = &backend->queues[0].slots[0];
    fmi_vulkan_arguments words;
    fm_status status = fmi_vulkan_slot_take_arguments(backend, slot, TRY_BYTES, &words);
    if (status != FM_OK) {
        return status;
    }
    uint32_t values[2] = {TRIED, 0};
    memcpy(words.mapped, values, sizeof values);
    union {
        fmi_command command;
        uint8_t bytes[sizeof(fmi_command) + sizeof(fmi_span)];
    } room = {.command = {.kind = FMI_COMMAND_DISPATCH, .span_count = 1, .group_count = {1, 1, 1}, .binary = binary}};
    room.command.spans[0] = (fmi_span){.block = words.block,
                                       .offset_bytes = words.offset_bytes,
                                       .size_bytes = TRY_BYTES,
                                       .access = FM_ACCESS_READ_WRITE};
    status = run_alone(backend, slot, &room.command);
    memcpy(values, words.mapped, sizeof values);
    *out = values[1];
    return status;
}

uint32_t fmi_vulkan_most_trips(fmi_backend *backend, uint32_t driver_mark)
{
    if (!backend->on_cpu) {
        return 0;
    }
    const uint32_t this_process = fmi_process_generation() + 1;
    uint64_t known = atomic_load_explicit(&found, memory_order_relaxed);
    if (known >> 32 == driver_mark && known != 0 &&
        atomic_load_explicit(&found_by, memory_order_relaxed) == this_process) {
        return (uint32_t)known;
    }
    const fmi_kernel_code code = {
        .name = "trips of a loop",
        .code = trips_spv,
        .code_size_bytes = sizeof trips_spv,
        .binding_mode = FM_BINDING_DESCRIPTORS,
        .span_count = 1,
        .group_size = {1, 1, 1},
    };
    fmi_text log = {0};
    fmi_kernel_binary *binary = NULL;
    uint32_t trips = TRIED;
    if (fmi_vulkan_create_kernel(backend, &code, &binary, &log) == FM_OK) {
        if (count_trips(backend, binary, &trips) != FM_OK) {
            trips = TRIED; // what cannot be found out is left to the first batch that fails
        }
        fmi_vulkan_destroy_kernel(backend, binary);
    }
    fmi_text_free(&log);
    trips = trips < TRIED ? trips : 0;
    atomic_store_explicit(&found, (uint64_t)driver_mark << 32 | trips, memory_order_relaxed);
    atomic_store_explicit(&found_by, this_process, memory_order_relaxed);
    return trips;
}

fm_status fmi_vulkan_take_note(fmi_backend *backend, fmi_vulkan_slot *slot, fmi_command *command,
                               fmi_vulkan_arguments *out)
{
    if (slot->note_count == slot->note_capacity) {
        uint32_t capacity = slot->note_capacity ? 2 * slot->note_capacity : 64;
        fmi_vulkan_note *notes = realloc(slot->notes, capacity * sizeof *notes);
        if (!notes) {
            return fmi_fail(FM_ERROR_OUT_OF_HOST_MEMORY, "No host memory is left for the loops of a batch.");
        }
        slot->notes = notes;
        slot->note_capacity = capacity;
    }
    fm_status status = fmi_vulkan_slot_take_arguments(backend, slot, sizeof(uint32_t), out);
    if (status == FM_OK) {
        memset(out->mapped, 0, sizeof(uint32_t));
        slot->notes[slot->note_count++] = (fmi_vulkan_note){.command = command, .mapped = out->mapped};
    }
    return status;
}

void fmi_vulkan_read_notes(const fmi_backend *backend, const fmi_vulkan_slot *slot, const fmi_batch_plan *plan)
{
    for (uint32_t i = 0; i < slot->note_count; i++) {
        fmi_command *command = slot->notes[i].command;
        uint32_t ended;
        memcpy(&ended, slot->notes[i].mapped, sizeof ended);
        if (!ended || plan->list_status[command->list] != FM_OK) {
            continue;
        }
        fmi_fail_command(command, plan,
                         "kernel '%.100s': a work-item's loops made %u trips together, and there the driver of %.100s "
                         "ends them all: what the kernel wrote may be wrong. Spread the work over more work-items, or "
                         "use the host device",
                         command->binary->name, backend->most_trips, backend->name);
    }
}
