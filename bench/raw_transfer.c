// Suite `transfer`, the floor: what a careful author writes for one large transfer. Two staging buffers in memory that the host reads and
// writes through its cache; the host copies one while the device copies the other. It checks nothing, and nothing else uses the buffer.
#include "transfer.h"

#include "raw_vulkan.h"
#include "timing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct slot {
    VkCommandPool pool; // of one command buffer, reset as a whole
    VkCommandBuffer commands;
    raw_buffer staging;
    uint64_t value; // complete when the timeline has reached it
} slot;

struct raw_transfer {
    raw_vulkan vulkan;
    uint64_t poll_ns;
    uint64_t submitted; // values given to the timeline
    slot ring[TRANSFER_RING];
    raw_buffer buffer;
};

raw_transfer *raw_transfer_open(const char *description, uint32_t nth, uint64_t poll_ns, uint64_t size_bytes)
{
    raw_transfer *raw = calloc(1, sizeof *raw);
    if (!raw) {
        fprintf(stderr, "fermata-bench: no memory is left\n");
        return NULL;
    }
    raw->poll_ns = poll_ns;
    bool good =
        raw_open(&raw->vulkan, description, nth) && raw_buffer_create_local(&raw->vulkan, size_bytes, &raw->buffer);
    for (uint32_t i = 0; i < TRANSFER_RING && good; i++) {
        slot *s = &raw->ring[i];
        good = raw_commands_create(&raw->vulkan, &s->pool, &s->commands) &&
               raw_buffer_create_cached(&raw->vulkan, TRANSFER_CHUNK_BYTES, &s->staging);
    }
    if (!good) {
        raw_transfer_close(raw);
        return NULL;
    }
    return raw;
}

void raw_transfer_close(raw_transfer *raw)
{
    raw_vulkan *v = &raw->vulkan;
    if (v->device) {
        (void)v->vk.vkDeviceWaitIdle(v->device);
        for (uint32_t i = 0; i < TRANSFER_RING; i++) {
            v->vk.vkDestroyCommandPool(v->device, raw->ring[i].pool, NULL);
            raw_buffer_destroy(v, &raw->ring[i].staging);
        }
        raw_buffer_destroy(v, &raw->buffer);
    }
    raw_close(v);
    free(raw);
}

// Polls as Fermata does on this device, then blocks.
static bool wait_for(raw_transfer *raw, uint64_t value)
{
    const raw_vulkan *v = &raw->vulkan;
    uint64_t end = raw->poll_ns ? now_ns() + raw->poll_ns : 0;
    do {
        uint64_t reached = 0;
        if (!raw_good(v->vk.vkGetSemaphoreCounterValue(v->device, v->timeline, &reached),
                      "vkGetSemaphoreCounterValue")) {
            return false;
        }
        if (reached >= value) {
            return true;
        }
    } while (end && now_ns() < end);
    return raw_wait(v, value);
}

// Submits one copy between the slot's staging buffer and the buffer, seen by the host and by later copies.
static bool copy(raw_transfer *raw, slot *s, uint64_t offset_bytes, uint64_t size_bytes, bool up)
{
    const raw_vulkan *v = &raw->vulkan;
    VkCommandBufferBeginInfo begin = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
        .flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT,
    };
    if (!raw_good(v->vk.vkResetCommandPool(v->device, s->pool, 0), "vkResetCommandPool") ||
        !raw_good(v->vk.vkBeginCommandBuffer(s->commands, &begin), "vkBeginCommandBuffer")) {
        return false;
    }
    VkBufferCopy range = {up ? 0 : offset_bytes, up ? offset_bytes : 0, size_bytes};
    v->vk.vkCmdCopyBuffer(s->commands, up ? s->staging.buffer : raw->buffer.buffer,
                          up ? raw->buffer.buffer : s->staging.buffer, 1, &range);
    VkMemoryBarrier memory = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
        .srcAccessMask = VK_ACCESS_TRANSFER_WRITE_BIT,
        .dstAccessMask = VK_ACCESS_HOST_READ_BIT | VK_ACCESS_TRANSFER_READ_BIT | VK_ACCESS_TRANSFER_WRITE_BIT,
    };
    v->vk.vkCmdPipelineBarrier(s->commands, VK_PIPELINE_STAGE_TRANSFER_BIT,
                               VK_PIPELINE_STAGE_HOST_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT, 0, 1, &memory, 0, NULL, 0,
                               NULL);
    uint64_t value = raw->submitted + 1;
    VkTimelineSemaphoreSubmitInfo values = {
        .sType = VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO,
        .signalSemaphoreValueCount = 1,
        .pSignalSemaphoreValues = &value,
    };
    VkSubmitInfo info = {
        .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
        .pNext = &values,
        .commandBufferCount = 1,
        .pCommandBuffers = &s->commands,
        .signalSemaphoreCount = 1,
        .pSignalSemaphores = &v->timeline,
    };
    if (!raw_good(v->vk.vkEndCommandBuffer(s->commands), "vkEndCommandBuffer") ||
        !raw_good(v->vk.vkQueueSubmit(v->queue, 1, &info, VK_NULL_HANDLE), "vkQueueSubmit")) {
        return false;
    }
    raw->submitted = s->value = value;
    return true;
}

static uint64_t chunk_at(uint64_t offset_bytes, uint64_t size_bytes)
{
    return size_bytes - offset_bytes < TRANSFER_CHUNK_BYTES ? size_bytes - offset_bytes : TRANSFER_CHUNK_BYTES;
}

bool raw_transfer_up(raw_transfer *raw, uint64_t size_bytes, const void *source)
{
    uint32_t next = 0;
    for (uint64_t at = 0; at < size_bytes; at += TRANSFER_CHUNK_BYTES) {
        slot *s = &raw->ring[next++ % TRANSFER_RING];
        uint64_t size = chunk_at(at, size_bytes);
        if (s->value > 0 && !wait_for(raw, s->value)) {
            return false;
        }
        memcpy(s->staging.mapped, (const uint8_t *)source + at, (size_t)size);
        if (!copy(raw, s, at, size, true)) {
            return false;
        }
    }
    return wait_for(raw, raw->submitted);
}

bool raw_transfer_down(raw_transfer *raw, uint64_t size_bytes, void *destination)
{
    uint64_t sent = 0;
    for (uint64_t at = 0; at < size_bytes; at += TRANSFER_CHUNK_BYTES) {
        for (; sent < size_bytes && sent < at + (uint64_t)TRANSFER_RING * TRANSFER_CHUNK_BYTES;
             sent += TRANSFER_CHUNK_BYTES) {
            slot *s = &raw->ring[sent / TRANSFER_CHUNK_BYTES % TRANSFER_RING];
            if (!copy(raw, s, sent, chunk_at(sent, size_bytes), false)) {
                return false;
            }
        }
        const slot *s = &raw->ring[at / TRANSFER_CHUNK_BYTES % TRANSFER_RING];
        if (!wait_for(raw, s->value)) {
            return false;
        }
        memcpy((uint8_t *)destination + at, s->staging.mapped, (size_t)chunk_at(at, size_bytes));
    }
    return true;
}
