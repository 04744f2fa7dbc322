// Completion: what the timeline semaphore says, and waiting for it without spinning.
// Any thread. Knows no batches: values only. A lost device is remembered, and answered from then on.
#include "backend/vulkan/vulkan.h"

#include "base/error.h"

fm_status fmi_vulkan_check_lost(fmi_backend *backend)
{
    if (atomic_load_explicit(&backend->lost, memory_order_relaxed)) {
        return fmi_fail(FM_ERROR_DEVICE_LOST, "%s stopped responding (VK_ERROR_DEVICE_LOST).", backend->name);
    }
    return FM_OK;
}

// Raises `completed` to `value`; other threads may have seen less or more.
static void publish(fmi_backend *backend, uint64_t value)
{
    uint64_t seen = atomic_load_explicit(&backend->completed, memory_order_relaxed);
    while (value > seen && !atomic_compare_exchange_weak_explicit(&backend->completed, &seen, value,
                                                                  memory_order_release, memory_order_relaxed)) {
    }
}

fm_status fmi_vulkan_completed(fmi_backend *backend, uint64_t *out_value)
{
    fm_status status = fmi_vulkan_check_lost(backend);
    if (status != FM_OK) {
        return status;
    }
    uint64_t value = 0;
    VkResult result = backend->vk.vkGetSemaphoreCounterValue(backend->device, backend->timeline, &value);
    if (result != VK_SUCCESS) {
        return fmi_vulkan_fail(backend, result, "vkGetSemaphoreCounterValue", "asking how far it is");
    }
    // Some drivers raise the counter to its end when the device is lost, so that waits return: that is no completion.
    if (value == UINT64_MAX) {
        return fmi_vulkan_fail(backend, VK_ERROR_DEVICE_LOST, "vkGetSemaphoreCounterValue", "asking how far it is");
    }
    publish(backend, value);
    *out_value = value;
    return FM_OK;
}

fm_status fmi_vulkan_wait(fmi_backend *backend, uint64_t value, uint64_t timeout_ns)
{
    fm_status status = fmi_vulkan_check_lost(backend);
    if (status != FM_OK) {
        return status;
    }
    if (atomic_load_explicit(&backend->completed, memory_order_acquire) >= value) {
        return FM_OK;
    }
    // Drivers on a CPU wait for a timeline's values one after another, with a wake-up for each. A slot's own has one under way.
    const fmi_vulkan_slot *slot = &backend->slots[value % backend->slot_count];
    VkSemaphoreWaitInfo info = {
        .sType = VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO,
        .semaphoreCount = 1,
        .pSemaphores = slot->timeline ? &slot->timeline : &backend->timeline,
        .pValues = &value,
    };
    VkResult result = backend->vk.vkWaitSemaphores(backend->device, &info, timeout_ns);
    if (result == VK_TIMEOUT) {
        return FM_TIMEOUT;
    }
    if (result != VK_SUCCESS) {
        return fmi_vulkan_fail(backend, result, "vkWaitSemaphores", "waiting for it");
    }
    uint64_t reached = 0;
    return fmi_vulkan_completed(backend, &reached);
}
