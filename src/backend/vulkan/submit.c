// Submission: one planned batch becomes one command buffer (encode.c) and one vkQueueSubmit that signals the batch's
// value.
// Decides nothing: waves, order and hazards come with the plan. One thread at a time.
#include "backend/vulkan/vulkan.h"

// What the batch waits for on other queues. Whatever runs here after it in the queue's order is behind these waits, too.
typedef struct batch_waits {
    VkSemaphore timelines[FMI_MOST_QUEUES];
    uint64_t values[FMI_MOST_QUEUES];
    VkPipelineStageFlags stages[FMI_MOST_QUEUES];
    uint32_t count;
} batch_waits;

static void find_waits(const fmi_backend *backend, const fmi_batch_plan *plan, batch_waits *out)
{
    out->count = 0;
    for (uint32_t q = 0; q < backend->queue_count; q++) {
        if (plan->waits[q]) {
            out->timelines[out->count] = backend->queues[q].timeline;
            out->values[out->count] = plan->waits[q];
            out->stages[out->count++] = VK_PIPELINE_STAGE_ALL_COMMANDS_BIT;
        }
    }
}

fm_status fmi_vulkan_submit(fmi_backend *backend, fmi_batch_plan *plan)
{
    fmi_vulkan_slot *slot = NULL;
    fm_status status = fmi_vulkan_check_lost(backend);
    if (status == FM_OK) {
        status = fmi_vulkan_slot_begin(backend, plan, &slot);
    }
    if (status == FM_OK) {
        status = fmi_vulkan_encode(backend, slot, plan);
    }
    if (status != FM_OK) {
        fmi_vulkan_forget_marks(backend);
        return status;
    }
    fmi_vulkan_queue *queue = &backend->queues[plan->queue];
    batch_waits waits;
    find_waits(backend, plan, &waits);
    const VkSemaphore signals[] = {queue->timeline, slot->timeline};
    const uint64_t signal_values[] = {plan->value, plan->value};
    VkTimelineSemaphoreSubmitInfo values = {
        .sType = VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO,
        .waitSemaphoreValueCount = waits.count,
        .pWaitSemaphoreValues = waits.values,
        .signalSemaphoreValueCount = slot->timeline ? 2 : 1,
        .pSignalSemaphoreValues = signal_values,
    };
    VkSubmitInfo info = {
        .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
        .pNext = &values,
        .waitSemaphoreCount = waits.count,
        .pWaitSemaphores = waits.timelines,
        .pWaitDstStageMask = waits.stages,
        .commandBufferCount = 1,
        .pCommandBuffers = &slot->commands,
        .signalSemaphoreCount = slot->timeline ? 2 : 1,
        .pSignalSemaphores = signals,
    };
    VkResult result = backend->vk.vkQueueSubmit(queue->native, 1, &info, VK_NULL_HANDLE);
    if (result != VK_SUCCESS) {
        fmi_vulkan_forget_marks(backend);
        return fmi_vulkan_fail(backend, result, "vkQueueSubmit", "submitting a batch");
    }
    slot->value = plan->value;
    atomic_store_explicit(&backend->marks_submitted, backend->marks, memory_order_relaxed);
    return FM_OK;
}
