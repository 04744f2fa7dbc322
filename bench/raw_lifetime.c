// Suite `lifetime`, the floor: the same work in Vulkan by hand. See lifetime.h.
// It holds nothing and checks nothing: its author knows which slot of a ring is free and which bytes are there. A wait polls the timeline's
// counter for as long as Fermata's does on this device, then blocks in vkWaitSemaphores.
#include "lifetime.h"

#include "raw_vulkan.h"
#include "timing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char kernel_source[] =
    "#version 450\n"
    "#extension GL_EXT_buffer_reference : require\n"
    "layout(local_size_x = 64) in;\n"
    "layout(buffer_reference, std430, buffer_reference_align = 4) buffer words { uint at[]; };\n"
    "layout(push_constant) uniform block { words x; uint value; };\n"
    "void main() { x.at[gl_GlobalInvocationID.x] = value; }\n";

typedef struct push {
    VkDeviceAddress x;
    uint32_t value;
    uint32_t unused;
} push;

// A submission's own objects.
typedef struct slot {
    VkCommandPool pool; // of one command buffer, reset as a whole
    VkCommandBuffer commands;
    raw_buffer memory; // of the reuse workload
    uint64_t value;    // complete when the timeline has reached it
} slot;

struct raw_lifetime {
    raw_vulkan vulkan;
    raw_kernel kernel;
    uint64_t poll_ns;
    uint64_t submitted; // values given to the timeline
    uint32_t next;      // slot of the ring
    slot ring[LIFETIME_RING];
    raw_buffer source;  // of read-backs
    raw_buffer staging; // of read-backs
};

raw_lifetime *raw_lifetime_open(const char *description, uint32_t nth, uint64_t poll_ns)
{
    raw_lifetime *raw = calloc(1, sizeof *raw);
    if (!raw) {
        fprintf(stderr, "fermata-bench: no memory is left\n");
        return NULL;
    }
    raw->poll_ns = poll_ns;
    bool good = raw_open(&raw->vulkan, description, nth) &&
                raw_kernel_create(&raw->vulkan, kernel_source, sizeof(push), &raw->kernel);
    for (uint32_t i = 0; i < LIFETIME_RING && good; i++) {
        slot *s = &raw->ring[i];
        good = raw_commands_create(&raw->vulkan, &s->pool, &s->commands) &&
               raw_buffer_create_local(&raw->vulkan, LIFETIME_REUSE_BYTES, &s->memory);
    }
    if (!good) {
        raw_lifetime_close(raw);
        return NULL;
    }
    return raw;
}

void raw_lifetime_close(raw_lifetime *raw)
{
    raw_vulkan *v = &raw->vulkan;
    if (v->device) {
        (void)v->vk.vkDeviceWaitIdle(v->device);
        for (uint32_t i = 0; i < LIFETIME_RING; i++) {
            v->vk.vkDestroyCommandPool(v->device, raw->ring[i].pool, NULL);
            raw_buffer_destroy(v, &raw->ring[i].memory);
        }
        raw_buffer_destroy(v, &raw->source);
        raw_buffer_destroy(v, &raw->staging);
        raw_kernel_destroy(v, &raw->kernel);
    }
    raw_close(v);
    free(raw);
}

bool raw_lifetime_allocate(raw_lifetime *raw, uint64_t size_bytes)
{
    raw_buffer buffer;
    bool good = raw_buffer_create_local(&raw->vulkan, size_bytes, &buffer);
    if (good) {
        raw_buffer_destroy(&raw->vulkan, &buffer);
    }
    return good;
}

// Polls as Fermata does on this device, then blocks.
static bool wait_for(raw_lifetime *raw, uint64_t value)
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

static bool begin(raw_lifetime *raw, slot *s)
{
    const raw_vulkan *v = &raw->vulkan;
    VkCommandBufferBeginInfo info = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
        .flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT,
    };
    return raw_good(v->vk.vkResetCommandPool(v->device, s->pool, 0), "vkResetCommandPool") &&
           raw_good(v->vk.vkBeginCommandBuffer(s->commands, &info), "vkBeginCommandBuffer");
}

static bool end_and_submit(raw_lifetime *raw, slot *s)
{
    const raw_vulkan *v = &raw->vulkan;
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

static void barrier(raw_lifetime *raw, VkCommandBuffer commands, VkPipelineStageFlags from, VkPipelineStageFlags to,
                    VkAccessFlags wrote, VkAccessFlags reads)
{
    VkMemoryBarrier memory = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER, .srcAccessMask = wrote, .dstAccessMask = reads};
    raw->vulkan.vk.vkCmdPipelineBarrier(commands, from, to, 0, 1, &memory, 0, NULL, 0, NULL);
}

bool raw_lifetime_reuse(raw_lifetime *raw)
{
    const raw_vulkan *v = &raw->vulkan;
    slot *s = &raw->ring[raw->next++ % LIFETIME_RING];
    if ((s->value > 0 && !wait_for(raw, s->value)) || !begin(raw, s)) {
        return false;
    }
    push block = {s->memory.address, (uint32_t)raw->submitted, 0};
    barrier(raw, s->commands, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT,
            VK_ACCESS_SHADER_WRITE_BIT, VK_ACCESS_SHADER_WRITE_BIT);
    v->vk.vkCmdBindPipeline(s->commands, VK_PIPELINE_BIND_POINT_COMPUTE, raw->kernel.pipeline);
    v->vk.vkCmdPushConstants(s->commands, raw->kernel.layout, VK_SHADER_STAGE_COMPUTE_BIT, 0, sizeof block, &block);
    v->vk.vkCmdDispatch(s->commands, LIFETIME_REUSE_WORDS / 64, 1, 1);
    return end_and_submit(raw, s);
}

bool raw_lifetime_finish(raw_lifetime *raw)
{
    return wait_for(raw, raw->submitted);
}

static bool copy_and_wait(raw_lifetime *raw, const raw_buffer *from, const raw_buffer *to, uint64_t size_bytes)
{
    slot *s = &raw->ring[0];
    VkBufferCopy range = {0, 0, size_bytes};
    if (!begin(raw, s)) {
        return false;
    }
    raw->vulkan.vk.vkCmdCopyBuffer(s->commands, from->buffer, to->buffer, 1, &range);
    barrier(raw, s->commands, VK_PIPELINE_STAGE_TRANSFER_BIT,
            VK_PIPELINE_STAGE_HOST_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT, VK_ACCESS_TRANSFER_WRITE_BIT,
            VK_ACCESS_HOST_READ_BIT | VK_ACCESS_TRANSFER_READ_BIT);
    return end_and_submit(raw, s) && wait_for(raw, s->value);
}

bool raw_lifetime_prepare_read(raw_lifetime *raw, uint64_t size_bytes)
{
    if (!raw_lifetime_finish(raw) || !raw_buffer_create_local(&raw->vulkan, size_bytes, &raw->source) ||
        !raw_buffer_create_cached(&raw->vulkan, size_bytes, &raw->staging)) {
        return false;
    }
    for (uint64_t i = 0; i < size_bytes; i += 4) {
        ((uint32_t *)raw->staging.mapped)[i / 4] = lifetime_word(i);
    }
    return copy_and_wait(raw, &raw->staging, &raw->source, size_bytes);
}

bool raw_lifetime_read(raw_lifetime *raw, uint64_t size_bytes, void *destination)
{
    if (!copy_and_wait(raw, &raw->source, &raw->staging, size_bytes)) {
        return false;
    }
    memcpy(destination, raw->staging.mapped, (size_t)size_bytes);
    return true;
}
