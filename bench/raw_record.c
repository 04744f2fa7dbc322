// Suite `record`, the floor: the same lists in Vulkan by hand. See record.h.
// It is the fastest of the ways to write this that we know (cached descriptor sets cost one call more a dispatch, pushed
// descriptors write more memory): buffer addresses travel in the push constants beside the 16 bytes, so a dispatch whose buffers
// change is vkCmdPushConstants + vkCmdDispatch, with one prepared vkCmdPipelineBarrier before it where it depends. The pipeline is
// bound once a list, the command buffer is of a transient pool that is reset as a whole, device functions are called past the
// loader. It checks nothing, holds nothing and finds no hazards: the author knows where barriers belong.
#include "null_driver.h"
#include "raw_vulkan.h"
#include "record.h"
#include "timing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char kernel_source[] =
    "#version 450\n"
    "#extension GL_EXT_buffer_reference : require\n"
    "layout(local_size_x = 64) in;\n"
    "layout(buffer_reference, std430, buffer_reference_align = 4) buffer floats { float at[]; };\n"
    "layout(push_constant) uniform block { floats a; floats b; floats c; float k; float scale; float offset; uint n; "
    "};\n"
    "void main() {\n"
    "    uint i = gl_GlobalInvocationID.x;\n"
    "    if (i < n) c.at[i] = c.at[i] + k * a.at[i] + scale * b.at[i] + offset;\n"
    "}\n";

enum { INPUT_BYTES = RECORD_ELEMENTS * sizeof(float) };

// The push constants, as the kernel declares them.
typedef struct push {
    VkDeviceAddress a;
    VkDeviceAddress b;
    VkDeviceAddress c;
    record_constants constants;
} push;

struct raw_record {
    raw_vulkan vulkan;
    raw_kernel kernel;
    raw_buffer inputs; // all, one behind the other
    raw_buffer outputs[RECORD_MOST];
    VkCommandPool pool;
    VkCommandBuffer commands;
    uint64_t submitted; // values given to the timeline
};

static bool create_buffers(raw_record *raw)
{
    bool good = raw_buffer_create(&raw->vulkan, RECORD_DISTINCT * INPUT_BYTES, &raw->inputs);
    for (uint32_t i = 0; i < RECORD_DISTINCT * RECORD_ELEMENTS && good; i++) {
        ((float *)raw->inputs.mapped)[i] = record_input_value(i / RECORD_ELEMENTS, i % RECORD_ELEMENTS);
    }
    for (uint32_t i = 0; i < RECORD_MOST && good; i++) {
        good = raw_buffer_create(&raw->vulkan, RECORD_ELEMENTS * sizeof(float), &raw->outputs[i]);
    }
    return good;
}

raw_record *raw_record_open(const char *description, uint32_t nth)
{
    raw_record *raw = calloc(1, sizeof *raw);
    if (!raw) {
        fprintf(stderr, "fermata-bench: no memory is left\n");
        return NULL;
    }
    if (!raw_open(&raw->vulkan, description, nth) ||
        !raw_kernel_create(&raw->vulkan, kernel_source, sizeof(push), &raw->kernel) || !create_buffers(raw) ||
        !raw_commands_create(&raw->vulkan, &raw->pool, &raw->commands)) {
        raw_record_close(raw);
        return NULL;
    }
    return raw;
}

void raw_record_close(raw_record *raw)
{
    raw_vulkan *v = &raw->vulkan;
    if (v->device) {
        (void)v->vk.vkDeviceWaitIdle(v->device);
        v->vk.vkDestroyCommandPool(v->device, raw->pool, NULL);
        raw_buffer_destroy(v, &raw->inputs);
        for (uint32_t i = 0; i < RECORD_MOST; i++) {
            raw_buffer_destroy(v, &raw->outputs[i]);
        }
        raw_kernel_destroy(v, &raw->kernel);
    }
    raw_close(v);
    free(raw);
}

bool raw_record_driver_is_nulled(const raw_record *raw)
{
    return raw_driver_is_nulled(&raw->vulkan);
}

// The dispatches of a list. What the loop calls and reads is in locals: a call could change what it points to.
static void encode(const raw_record *raw, const record_list *list)
{
    static const VkMemoryBarrier barrier = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
        .srcAccessMask = VK_ACCESS_SHADER_WRITE_BIT,
        .dstAccessMask = VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT,
    };
    const PFN_vkCmdPushConstants push_constants = raw->vulkan.vk.vkCmdPushConstants;
    const PFN_vkCmdPipelineBarrier pipeline_barrier = raw->vulkan.vk.vkCmdPipelineBarrier;
    const PFN_vkCmdDispatch dispatch = raw->vulkan.vk.vkCmdDispatch;
    const VkCommandBuffer commands = raw->commands;
    const VkPipelineLayout layout = raw->kernel.layout;
    const record_list what = *list;
    const uint32_t width = record_width(list);
    const VkDeviceAddress inputs = raw->inputs.address;
    uint32_t side_by_side = 0; // dispatches since the last barrier
    raw->vulkan.vk.vkCmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_COMPUTE, raw->kernel.pipeline);
    for (uint32_t i = 0; i < what.count; i++) {
        push block = {
            inputs + record_input_a(&what, i) * INPUT_BYTES,
            inputs + record_input_b(&what, i) * INPUT_BYTES,
            raw->outputs[record_output(&what, i)].address,
            record_constants_of(i),
        };
        push_constants(commands, layout, VK_SHADER_STAGE_COMPUTE_BIT, 0, sizeof block, &block);
        if (side_by_side++ == width) {
            side_by_side = 1;
            pipeline_barrier(commands, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, 0, 1,
                             &barrier, 0, NULL, 0, NULL);
        }
        dispatch(commands, 1, 1, 1);
    }
}

// Records the list; `for_host`: the host will look at the outputs.
static bool record_for(raw_record *raw, const record_list *list, bool for_host)
{
    const raw_vulkan *v = &raw->vulkan;
    VkCommandBufferBeginInfo begin = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
        .flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT,
    };
    if (!raw_good(v->vk.vkResetCommandPool(v->device, raw->pool, 0), "vkResetCommandPool") ||
        !raw_good(v->vk.vkBeginCommandBuffer(raw->commands, &begin), "vkBeginCommandBuffer")) {
        return false;
    }
    encode(raw, list);
    if (for_host) {
        VkMemoryBarrier barrier = {
            .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
            .srcAccessMask = VK_ACCESS_SHADER_WRITE_BIT,
            .dstAccessMask = VK_ACCESS_HOST_READ_BIT,
        };
        v->vk.vkCmdPipelineBarrier(raw->commands, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, VK_PIPELINE_STAGE_HOST_BIT, 0,
                                   1, &barrier, 0, NULL, 0, NULL);
    }
    return raw_good(v->vk.vkEndCommandBuffer(raw->commands), "vkEndCommandBuffer");
}

static bool record(void *self, const record_list *list)
{
    return record_for(self, list, false);
}

static bool submit(raw_record *raw)
{
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
        .pCommandBuffers = &raw->commands,
        .signalSemaphoreCount = 1,
        .pSignalSemaphores = &raw->vulkan.timeline,
    };
    if (!raw_good(raw->vulkan.vk.vkQueueSubmit(raw->vulkan.queue, 1, &info, VK_NULL_HANDLE), "vkQueueSubmit")) {
        return false;
    }
    raw->submitted = value;
    return true;
}

static bool commit(void *self, const record_list *list)
{
    return record_for(self, list, false) && submit(self);
}

static bool finish(void *self)
{
    raw_record *raw = self;
    return raw_wait(&raw->vulkan, raw->submitted);
}

static bool stages(void *self, const record_list *list, const null_marks *marks, double out[RECORD_STAGES])
{
    (void)marks; // the clock tells what the layer would
    raw_record *raw = self;
    uint64_t begin = now_ns();
    bool fine = record_for(raw, list, false);
    uint64_t recorded = now_ns();
    fine = fine && submit(raw);
    uint64_t submitted = now_ns();
    fine = fine && finish(raw);
    uint64_t finished = now_ns();
    memset(out, 0, RECORD_STAGES * sizeof *out);
    out[RECORD_STAGE_ENCODE] = (double)(recorded - begin);
    out[RECORD_STAGE_SUBMIT] = (double)(submitted - recorded);
    out[RECORD_STAGE_RETIRE] = (double)(finished - submitted);
    out[RECORD_STAGE_CALL] = (double)(submitted - begin);
    return fine;
}

static bool results(void *self, const record_list *list, float *out)
{
    raw_record *raw = self;
    const uint32_t output_count = record_width(list);
    for (uint32_t i = 0; i < output_count; i++) {
        memset(raw->outputs[i].mapped, 0, RECORD_ELEMENTS * sizeof(float));
    }
    if (!record_for(raw, list, true) || !submit(raw) || !finish(raw)) {
        return false;
    }
    for (uint32_t i = 0; i < output_count; i++) {
        memcpy(out + (size_t)i * RECORD_ELEMENTS, raw->outputs[i].mapped, RECORD_ELEMENTS * sizeof(float));
    }
    return true;
}

record_side raw_record_side(raw_record *raw)
{
    return (record_side){raw, record, commit, finish, stages, results};
}
