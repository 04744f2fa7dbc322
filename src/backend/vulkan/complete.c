// Completion: what the timeline semaphores say, and waiting for it without spinning.
// Any thread. Knows no batches: values only. A lost device is remembered, and answered from then on.
#include "backend/vulkan/vulkan.h"

#include "base/error.h"

fm_status fmi_vulkan_check_lost(fmi_backend *backend)
{
    if (atomic_load_explicit(&backend->lost, memory_order_relaxed)) {
        return fmi_fail(FM_ERROR_DEVICE_LOST, "%s stopped responding (VK_ERROR_DEVICE_LOST)", backend->name);
    }
    return FM_OK;
}

// Raises `completed` to `value`; other threads may have seen less or more.
static void publish(fmi_vulkan_queue *queue, uint64_t value)
{
    uint64_t seen = atomic_load_explicit(&queue->completed, memory_order_relaxed);
    while (value > seen && !atomic_compare_exchange_weak_explicit(&queue->completed, &seen, value, memory_order_release,
                                                                  memory_order_relaxed)) {
    }
}

fm_status fmi_vulkan_completed(fmi_backend *backend, uint32_t queue, uint64_t *out_value)
{
    fm_status status = fmi_vulkan_check_lost(backend);
    if (status != FM_OK) {
        return status;
    }
    uint64_t value = 0;
    VkResult result = backend->vk.vkGetSemaphoreCounterValue(backend->device, backend->queues[queue].timeline, &value);
    if (result != VK_SUCCESS) {
        return fmi_vulkan_fail(backend, result, "vkGetSemaphoreCounterValue", "asking how far it is");
    }
    // Some drivers raise the counter to its end when the device is lost, so that waits return: that is no completion.
    if (value == UINT64_MAX) {
        return fmi_vulkan_fail(backend, VK_ERROR_DEVICE_LOST, "vkGetSemaphoreCounterValue", "asking how far it is");
    }
    publish(&backend->queues[queue], value);
    *out_value = value;
    return FM_OK;
}

fm_status fmi_vulkan_wait(fmi_backend *backend, const uint64_t values[FMI_MOST_QUEUES], uint64_t timeout_ns)
{
    fm_status status = fmi_vulkan_check_lost(backend);
    if (status != FM_OK) {
        return status;
    }
    VkSemaphore timelines[FMI_MOST_QUEUES];
    uint64_t wanted[FMI_MOST_QUEUES];
    uint32_t count = 0;
    for (uint32_t q = 0; q < backend->queue_count; q++) {
        if (values[q] == 0) {
            continue;
        }
        if (atomic_load_explicit(&backend->queues[q].completed, memory_order_acquire) >= values[q]) {
            return FM_OK;
        }
        // Drivers on a CPU wait for a timeline's values one after another, with a wake-up for each. A slot's own has
        // one under way.
        const fmi_vulkan_slot *slot = &backend->queues[q].slots[values[q] % backend->slot_count];
        timelines[count] = slot->timeline ? slot->timeline : backend->queues[q].timeline;
        wanted[count++] = values[q];
    }
    VkSemaphoreWaitInfo info = {
        .sType = VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO,
        .flags = count > 1 ? VK_SEMAPHORE_WAIT_ANY_BIT : 0,
        .semaphoreCount = count,
        .pSemaphores = timelines,
        .pValues = wanted,
    };
    VkResult result = backend->vk.vkWaitSemaphores(backend->device, &info, timeout_ns);
    if (result == VK_TIMEOUT) {
        return FM_TIMEOUT;
    }
    if (result != VK_SUCCESS) {
        return fmi_vulkan_fail(backend, result, "vkWaitSemaphores", "waiting for it");
    }
    for (uint32_t q = 0; q < backend->queue_count && status == FM_OK; q++) {
        uint64_t reached = 0; // asking also shows a lost device
        status = values[q] ? fmi_vulkan_completed(backend, q, &reached) : FM_OK;
    }
    return status;
}
