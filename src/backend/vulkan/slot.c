// The ring of slots: what a batch needs from its encoding until it has run (command buffer, argument buffers,
// descriptor pools). Each queue has a ring; value v of it uses slot v modulo the ring's length. One thread at a time,
// the one inside submit.
#include "backend/vulkan/vulkan.h"

#include "base/assert.h"
#include "base/error.h"

#include <stdlib.h>

enum {
    SPARE_SLOTS = 2, // beyond the batches in flight, so that a slot is long done when its turn comes
    ARGUMENT_BUFFER_BYTES = 64 * 1024,
    POOL_SETS = 64, // descriptor sets of a slot's first pool; each further one has twice as many
    MOST_DOUBLINGS = 6,
};

static fm_status create_slot(fmi_backend *backend, fmi_vulkan_slot *slot)
{
    if (backend->on_cpu) {
        fm_status status = fmi_vulkan_create_timeline(backend, &slot->timeline);
        if (status != FM_OK) {
            return status;
        }
    }
    VkCommandPoolCreateInfo pool = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
        .flags = VK_COMMAND_POOL_CREATE_TRANSIENT_BIT,
        .queueFamilyIndex = backend->queue_family,
    };
    VkResult result = backend->vk.vkCreateCommandPool(backend->device, &pool, NULL, &slot->pool);
    if (result != VK_SUCCESS) {
        return fmi_vulkan_fail(backend, result, "vkCreateCommandPool", "opening it");
    }
    VkCommandBufferAllocateInfo info = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
        .commandPool = slot->pool,
        .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
        .commandBufferCount = 1,
    };
    result = backend->vk.vkAllocateCommandBuffers(backend->device, &info, &slot->commands);
    if (result != VK_SUCCESS || !backend->timestamp_mask) {
        return result == VK_SUCCESS ? FM_OK
                                    : fmi_vulkan_fail(backend, result, "vkAllocateCommandBuffers", "opening it");
    }
    VkQueryPoolCreateInfo times = {
        .sType = VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO,
        .queryType = VK_QUERY_TYPE_TIMESTAMP,
        .queryCount = FMI_TIMED_WAVES + 1,
    };
    result = backend->vk.vkCreateQueryPool(backend->device, &times, NULL, &slot->times);
    return result == VK_SUCCESS ? FM_OK : fmi_vulkan_fail(backend, result, "vkCreateQueryPool", "opening it");
}

fm_status fmi_vulkan_slots_create(fmi_backend *backend, uint32_t batches_in_flight)
{
    uint32_t count = batches_in_flight + SPARE_SLOTS;
    backend->slot_count = count;
    for (uint32_t q = 0; q < backend->queue_count; q++) {
        fmi_vulkan_slot *slots = backend->queues[q].slots = calloc(count, sizeof *slots);
        if (!slots) {
            return fmi_fail(FM_ERROR_OUT_OF_HOST_MEMORY, "no host memory is left to open %s", backend->name);
        }
        for (uint32_t i = 0; i < count; i++) {
            fm_status status = create_slot(backend, &slots[i]);
            if (status != FM_OK) {
                return status;
            }
        }
    }
    return FM_OK;
}

static void destroy_slot(fmi_backend *backend, fmi_vulkan_slot *slot)
{
    for (uint32_t i = 0; i < slot->argument_count; i++) {
        fmi_vulkan_free_block(backend, &slot->arguments[i]);
    }
    for (uint32_t i = 0; i < slot->pool_count; i++) {
        backend->vk.vkDestroyDescriptorPool(backend->device, slot->pools[i], NULL);
    }
    // Frees the command buffer too. A null handle is allowed.
    backend->vk.vkDestroyCommandPool(backend->device, slot->pool, NULL);
    backend->vk.vkDestroySemaphore(backend->device, slot->timeline, NULL);
    backend->vk.vkDestroyQueryPool(backend->device, slot->times, NULL);
    free(slot->arguments);
    free(slot->pools);
    free(slot->checks);
    free(slot->notes);
}

void fmi_vulkan_slots_destroy(fmi_backend *backend)
{
    for (uint32_t q = 0; q < backend->queue_count; q++) {
        fmi_vulkan_slot *slots = backend->queues[q].slots;
        for (uint32_t i = 0; slots && i < backend->slot_count; i++) {
            destroy_slot(backend, &slots[i]);
        }
        free(slots);
        backend->queues[q].slots = NULL;
    }
}

fmi_vulkan_slot *fmi_vulkan_slot_of(const fmi_backend *backend, const fmi_batch_plan *plan)
{
    return &backend->queues[plan->queue].slots[plan->value % backend->slot_count];
}

fm_status fmi_vulkan_slot_begin(fmi_backend *backend, const fmi_batch_plan *plan, fmi_vulkan_slot **out)
{
    fmi_vulkan_slot *slot = fmi_vulkan_slot_of(backend, plan);
    if (slot->value > atomic_load_explicit(&backend->queues[plan->queue].completed, memory_order_acquire)) {
        uint64_t completed = 0;
        fm_status status = fmi_vulkan_completed(backend, plan->queue, &completed);
        if (status != FM_OK) {
            return status;
        }
        // The engine keeps to batches_in_flight, and there are more slots than that.
        FMI_ASSERT("RETIRE-4", slot->value <= completed);
    }
    slot->value = 0;
    VkResult result = backend->vk.vkResetCommandPool(backend->device, slot->pool, 0);
    if (result != VK_SUCCESS) {
        return fmi_vulkan_fail(backend, result, "vkResetCommandPool", "preparing a batch");
    }
    // The newest argument buffer is the largest: it alone stays.
    while (slot->argument_count > 1) {
        fmi_vulkan_free_block(backend, &slot->arguments[0]);
        slot->arguments[0] = slot->arguments[--slot->argument_count];
    }
    slot->argument_used_bytes = 0;
    for (uint32_t i = 0; i < slot->pool_count && i <= slot->pool_index; i++) {
        result = backend->vk.vkResetDescriptorPool(backend->device, slot->pools[i], 0);
        if (result != VK_SUCCESS) {
            return fmi_vulkan_fail(backend, result, "vkResetDescriptorPool", "preparing a batch");
        }
    }
    slot->pool_index = 0;
    slot->check_count = 0;
    slot->note_count = 0;
    *out = slot;
    return FM_OK;
}

void fmi_vulkan_read_times(fmi_backend *backend, const fmi_batch_plan *plan)
{
    const fmi_vulkan_slot *slot = fmi_vulkan_slot_of(backend, plan);
    uint32_t waves = plan->wave_count < FMI_TIMED_WAVES ? plan->wave_count : FMI_TIMED_WAVES;
    uint64_t stamps[FMI_TIMED_WAVES + 1];
    if (!slot->times ||
        backend->vk.vkGetQueryPoolResults(backend->device, slot->times, 0, waves + 1, sizeof stamps, stamps,
                                          sizeof *stamps, VK_QUERY_RESULT_64_BIT) != VK_SUCCESS) {
        return; // an estimate less
    }
    for (uint32_t w = 0; w < waves; w++) {
        uint64_t ticks = (stamps[w + 1] - stamps[w]) & backend->timestamp_mask;
        double ns = (double)ticks * backend->timestamp_period_ns;
        plan->wave_ns[w] = ns < 1e9 ? (uint32_t)ns : 0; // a clock that jumped tells nothing
    }
}

// Adds an argument buffer of twice the last one's size that holds `size_bytes` at least. Older ones stay: commands use
// them.
static fm_status grow_arguments(fmi_backend *backend, fmi_vulkan_slot *slot, uint32_t size_bytes)
{
    fmi_block *arguments = realloc(slot->arguments, (slot->argument_count + 1) * sizeof *arguments);
    if (!arguments) {
        return fmi_fail(FM_ERROR_OUT_OF_HOST_MEMORY, "no host memory is left for the arguments of a batch");
    }
    slot->arguments = arguments;
    uint64_t capacity =
        slot->argument_count ? 2 * arguments[slot->argument_count - 1].size_bytes : ARGUMENT_BUFFER_BYTES;
    while (capacity < size_bytes) {
        capacity *= 2;
    }
    fm_status status =
        fmi_vulkan_memory_allocate(backend, FMI_VULKAN_FOR_ARGUMENTS, capacity, &arguments[slot->argument_count]);
    if (status == FM_OK) {
        slot->argument_count++;
        slot->argument_used_bytes = 0;
    }
    return status;
}

fm_status fmi_vulkan_slot_take_arguments(fmi_backend *backend, fmi_vulkan_slot *slot, uint32_t size_bytes,
                                         fmi_vulkan_arguments *out)
{
    const fmi_block *block = slot->argument_count ? &slot->arguments[slot->argument_count - 1] : NULL;
    if (!block || block->size_bytes - slot->argument_used_bytes < size_bytes) {
        fm_status status = grow_arguments(backend, slot, size_bytes);
        if (status != FM_OK) {
            return status;
        }
        block = &slot->arguments[slot->argument_count - 1];
    }
    uint64_t offset = slot->argument_used_bytes;
    *out = (fmi_vulkan_arguments){
        .block = block,
        .buffer = ((const fmi_vulkan_memory *)block->native)->buffer,
        .offset_bytes = offset,
        .device_address = block->device_address + offset,
        .mapped = block->mapped + offset,
    };
    uint64_t step = backend->argument_alignment_bytes;
    uint64_t end = (offset + size_bytes + step - 1) / step * step;
    slot->argument_used_bytes = end < block->size_bytes ? end : block->size_bytes;
    return FM_OK;
}

static fm_status grow_pools(fmi_backend *backend, fmi_vulkan_slot *slot)
{
    VkDescriptorPool *pools = realloc(slot->pools, (slot->pool_count + 1) * sizeof(VkDescriptorPool));
    if (!pools) {
        return fmi_fail(FM_ERROR_OUT_OF_HOST_MEMORY, "no host memory is left for the descriptors of a batch");
    }
    slot->pools = pools;
    uint32_t sets = (uint32_t)POOL_SETS << (slot->pool_count < MOST_DOUBLINGS ? slot->pool_count : MOST_DOUBLINGS);
    // Every set may have the most descriptors, so a pool is full only when its sets are used up.
    VkDescriptorPoolSize size = {VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, sets * FMI_VULKAN_DESCRIPTORS};
    VkDescriptorPoolCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO,
        .maxSets = sets,
        .poolSizeCount = 1,
        .pPoolSizes = &size,
    };
    VkResult result = backend->vk.vkCreateDescriptorPool(backend->device, &info, NULL, &pools[slot->pool_count]);
    if (result != VK_SUCCESS) {
        return fmi_vulkan_fail(backend, result, "vkCreateDescriptorPool", "encoding a batch");
    }
    slot->pool_count++;
    return FM_OK;
}

fm_status fmi_vulkan_slot_take_set(fmi_backend *backend, fmi_vulkan_slot *slot, VkDescriptorSetLayout layout,
                                   VkDescriptorSet *out)
{
    for (;; slot->pool_index++) {
        bool is_new = slot->pool_index == slot->pool_count;
        if (is_new) {
            fm_status status = grow_pools(backend, slot);
            if (status != FM_OK) {
                return status;
            }
        }
        VkDescriptorSetAllocateInfo info = {
            .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO,
            .descriptorPool = slot->pools[slot->pool_index],
            .descriptorSetCount = 1,
            .pSetLayouts = &layout,
        };
        VkResult result = backend->vk.vkAllocateDescriptorSets(backend->device, &info, out);
        if (result == VK_SUCCESS) {
            return FM_OK;
        }
        bool is_full = result == VK_ERROR_OUT_OF_POOL_MEMORY || result == VK_ERROR_FRAGMENTED_POOL;
        if (!is_full || is_new) {
            return fmi_vulkan_fail(backend, result, "vkAllocateDescriptorSets", "encoding a batch");
        }
    }
}
