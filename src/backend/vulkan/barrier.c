// Barriers: one table of memory barriers by what comes before and what comes after, in both forms of the call.
// Constant data; whoever encodes the command buffer calls.
#include "backend/vulkan/vulkan.h"

enum {
    DISPATCHES = FMI_VULKAN_DISPATCHES,
    TRANSFERS = FMI_VULKAN_TRANSFERS,
    BOTH = FMI_VULKAN_BOTH,
    HOST = FMI_VULKAN_HOST,
    INDIRECT = FMI_VULKAN_INDIRECT,
    SCOPES = FMI_VULKAN_SCOPES,
};

// Both forms of barrier use these: the bits have the same values in Vulkan 1.0 and in synchronization2.
#define COMPUTE_STAGE VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT
#define TRANSFER_STAGE VK_PIPELINE_STAGE_TRANSFER_BIT
#define SHADER_ACCESS (VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT)
#define TRANSFER_ACCESS (VK_ACCESS_TRANSFER_READ_BIT | VK_ACCESS_TRANSFER_WRITE_BIT)
#define MEMORY(stages, writes, to_stages, to_accesses)                                                                 \
    {                                                                                                                  \
        .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER_2, .srcStageMask = (stages), .srcAccessMask = (writes),              \
        .dstStageMask = (to_stages), .dstAccessMask = (to_accesses)                                                    \
    }
#define MEMORY_ROW(stages, writes)                                                                                     \
    {                                                                                                                  \
        [DISPATCHES] = MEMORY(stages, writes, COMPUTE_STAGE, SHADER_ACCESS),                                           \
        [TRANSFERS] = MEMORY(stages, writes, TRANSFER_STAGE, TRANSFER_ACCESS),                                         \
        [BOTH] = MEMORY(stages, writes, COMPUTE_STAGE | TRANSFER_STAGE, SHADER_ACCESS | TRANSFER_ACCESS),              \
        [HOST] =                                                                                                       \
            MEMORY(stages, writes, VK_PIPELINE_STAGE_HOST_BIT, VK_ACCESS_HOST_READ_BIT | VK_ACCESS_HOST_WRITE_BIT),    \
        [INDIRECT] = MEMORY(stages, writes, COMPUTE_STAGE | VK_PIPELINE_STAGE_DRAW_INDIRECT_BIT,                       \
                            SHADER_ACCESS | VK_ACCESS_INDIRECT_COMMAND_READ_BIT)                                       \
    }
#define INFO(from, to)                                                                                                 \
    [to] = {.sType = VK_STRUCTURE_TYPE_DEPENDENCY_INFO, .memoryBarrierCount = 1, .pMemoryBarriers = &memories[from][to]}
#define INFO_ROW(from)                                                                                                 \
    {                                                                                                                  \
        INFO(from, DISPATCHES), INFO(from, TRANSFERS), INFO(from, BOTH), INFO(from, HOST), INFO(from, INDIRECT)        \
    }

// By what comes before and what comes after.
static const VkMemoryBarrier2 memories[SCOPES][SCOPES] = {
    [DISPATCHES] = MEMORY_ROW(COMPUTE_STAGE, VK_ACCESS_SHADER_WRITE_BIT),
    [TRANSFERS] = MEMORY_ROW(TRANSFER_STAGE, VK_ACCESS_TRANSFER_WRITE_BIT),
    [BOTH] = MEMORY_ROW(COMPUTE_STAGE | TRANSFER_STAGE, VK_ACCESS_SHADER_WRITE_BIT | VK_ACCESS_TRANSFER_WRITE_BIT),
};
static const VkDependencyInfo dependencies[SCOPES][SCOPES] = {
    [DISPATCHES] = INFO_ROW(DISPATCHES),
    [TRANSFERS] = INFO_ROW(TRANSFERS),
    [BOTH] = INFO_ROW(BOTH),
};

void fmi_vulkan_encode_barrier(const fmi_backend *backend, VkCommandBuffer commands, uint32_t from, uint32_t to)
{
    if (__builtin_expect(backend->pipeline_barrier2 != NULL, 1)) {
        backend->pipeline_barrier2(commands, &dependencies[from][to]);
        return;
    }
    const VkMemoryBarrier2 *m = &memories[from][to];
    VkMemoryBarrier memory = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
        .srcAccessMask = (VkAccessFlags)m->srcAccessMask,
        .dstAccessMask = (VkAccessFlags)m->dstAccessMask,
    };
    backend->vk.vkCmdPipelineBarrier(commands, (VkPipelineStageFlags)m->srcStageMask,
                                     (VkPipelineStageFlags)m->dstStageMask, 0, 1, &memory, 0, NULL, 0, NULL);
}
