// Vulkan by hand: device, memory, kernels. See raw_vulkan.h.
#include "raw_vulkan.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_DEVICES = 64, MOST_FAMILIES = 32 };

static const uint64_t wait_ns = 10000000000;

// Instance functions that opening needs, asked of our own instance: X(name).
#define INSTANCE_FUNCTIONS(X)                                                                                          \
    X(vkDestroyInstance)                                                                                               \
    X(vkEnumeratePhysicalDevices)                                                                                      \
    X(vkGetPhysicalDeviceProperties)                                                                                   \
    X(vkGetPhysicalDeviceFeatures2)                                                                                    \
    X(vkGetPhysicalDeviceQueueFamilyProperties)                                                                        \
    X(vkGetPhysicalDeviceMemoryProperties)                                                                             \
    X(vkCreateDevice)

typedef struct instance_table {
#define MEMBER(name) PFN_##name name;
    INSTANCE_FUNCTIONS(MEMBER)
#undef MEMBER
} instance_table;

bool raw_good(VkResult result, const char *call)
{
    if (result != VK_SUCCESS) {
        fprintf(stderr, "fermata-bench: the floor's %s answered %d\n", call, (int)result);
    }
    return result == VK_SUCCESS;
}

static bool create_instance(raw_vulkan *raw, instance_table *out)
{
    VkApplicationInfo application = {
        .sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
        .pApplicationName = "fermata-bench floor",
        .apiVersion = VK_API_VERSION_1_2,
    };
    VkInstanceCreateInfo info = {.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO, .pApplicationInfo = &application};
    if (!raw_good(volkInitialize(), "volkInitialize") ||
        !raw_good(vkCreateInstance(&info, NULL, &raw->instance), "vkCreateInstance")) {
        return false;
    }
    volkLoadInstanceOnly(raw->instance); // volkLoadDeviceTable needs it
#define LOAD(name) out->name = (PFN_##name)vkGetInstanceProcAddr(raw->instance, #name);
    INSTANCE_FUNCTIONS(LOAD)
#undef LOAD
    raw->destroy_instance = out->vkDestroyInstance;
    return true;
}

static bool find_physical(const raw_vulkan *raw, const instance_table *vk, const char *description, uint32_t nth,
                          VkPhysicalDevice *out)
{
    VkPhysicalDevice devices[MOST_DEVICES];
    uint32_t count = MOST_DEVICES;
    VkResult result = vk->vkEnumeratePhysicalDevices(raw->instance, &count, devices);
    if (result != VK_INCOMPLETE && !raw_good(result, "vkEnumeratePhysicalDevices")) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        VkPhysicalDeviceProperties properties;
        vk->vkGetPhysicalDeviceProperties(devices[i], &properties);
        if (strcmp(properties.deviceName, description) == 0 && nth-- == 0) {
            *out = devices[i];
            return true;
        }
    }
    fprintf(stderr, "fermata-bench: the floor does not find the device '%s'\n", description);
    return false;
}

// The first family that computes, as most programs take it; with `several` the first for computing alone that has more than one queue, and
// failing that the one with most queues.
static bool find_queue_family(raw_vulkan *raw, const instance_table *vk, VkPhysicalDevice physical, bool several)
{
    VkQueueFamilyProperties families[MOST_FAMILIES];
    uint32_t count = MOST_FAMILIES;
    uint32_t best = 0;
    vk->vkGetPhysicalDeviceQueueFamilyProperties(physical, &count, families);
    for (uint32_t i = 0; i < count; i++) {
        if (families[i].queueFlags & VK_QUEUE_COMPUTE_BIT) {
            uint32_t queues = families[i].queueCount < RAW_MOST_QUEUES ? families[i].queueCount : RAW_MOST_QUEUES;
            bool alone = queues > 1 && !(families[i].queueFlags & VK_QUEUE_GRAPHICS_BIT);
            uint32_t rank = several ? queues + (alone ? RAW_MOST_QUEUES : 0) : 1;
            if (rank > best) {
                best = rank;
                raw->queue_family = i;
                raw->queue_count = several ? queues : 1;
            }
        }
    }
    if (best > 0) {
        return true;
    }
    fprintf(stderr, "fermata-bench: the floor's device has no compute queue\n");
    return false;
}

// Every buffer may lie in at least one of these, the specification promises.
static void find_memory_types(raw_vulkan *raw, const instance_table *vk, VkPhysicalDevice physical)
{
    const VkMemoryPropertyFlags wanted = VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
    VkPhysicalDeviceMemoryProperties memory;
    vk->vkGetPhysicalDeviceMemoryProperties(physical, &memory);
    for (uint32_t i = 0; i < memory.memoryTypeCount; i++) {
        if ((memory.memoryTypes[i].propertyFlags & wanted) == wanted) {
            raw->memory_types |= 1u << i;
            raw->cached_memory_types |=
                memory.memoryTypes[i].propertyFlags & VK_MEMORY_PROPERTY_HOST_CACHED_BIT ? 1u << i : 0;
        }
        if (memory.memoryTypes[i].propertyFlags & VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT) {
            raw->local_memory_types |= 1u << i;
        }
    }
}

static bool create_device(raw_vulkan *raw, const instance_table *vk, VkPhysicalDevice physical)
{
    VkPhysicalDeviceVulkan12Features offered = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES};
    VkPhysicalDeviceFeatures2 features = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2, .pNext = &offered};
    vk->vkGetPhysicalDeviceFeatures2(physical, &features);
    if (!offered.timelineSemaphore || !offered.bufferDeviceAddress) {
        fprintf(stderr, "fermata-bench: the floor needs timeline semaphores and buffer device addresses\n");
        return false;
    }
    VkPhysicalDeviceVulkan12Features wanted = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES,
        .timelineSemaphore = VK_TRUE,
        .bufferDeviceAddress = VK_TRUE,
    };
    const float priorities[RAW_MOST_QUEUES] = {1.0f, 1.0f, 1.0f, 1.0f, 1.0f, 1.0f, 1.0f, 1.0f};
    VkDeviceQueueCreateInfo queue = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
        .queueFamilyIndex = raw->queue_family,
        .queueCount = raw->queue_count,
        .pQueuePriorities = priorities,
    };
    VkDeviceCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
        .pNext = &wanted,
        .queueCreateInfoCount = 1,
        .pQueueCreateInfos = &queue,
    };
    if (!raw_good(vk->vkCreateDevice(physical, &info, NULL, &raw->device), "vkCreateDevice")) {
        return false;
    }
    volkLoadDeviceTable(&raw->vk, raw->device);
    for (uint32_t i = 0; i < raw->queue_count; i++) {
        raw->vk.vkGetDeviceQueue(raw->device, raw->queue_family, i, &raw->queues[i]);
    }
    raw->queue = raw->queues[0];
    return true;
}

static bool create_timeline(raw_vulkan *raw)
{
    VkSemaphoreTypeCreateInfo type = {
        .sType = VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO,
        .semaphoreType = VK_SEMAPHORE_TYPE_TIMELINE,
    };
    VkSemaphoreCreateInfo info = {.sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO, .pNext = &type};
    return raw_good(raw->vk.vkCreateSemaphore(raw->device, &info, NULL, &raw->timeline), "vkCreateSemaphore");
}

static bool open_on(raw_vulkan *raw, const char *description, uint32_t nth, bool several)
{
    *raw = (raw_vulkan){0};
    instance_table vk;
    VkPhysicalDevice physical = VK_NULL_HANDLE;
    bool good = create_instance(raw, &vk) && find_physical(raw, &vk, description, nth, &physical) &&
                find_queue_family(raw, &vk, physical, several);
    if (good) {
        find_memory_types(raw, &vk, physical);
        good = create_device(raw, &vk, physical) && create_timeline(raw);
    }
    if (!good) {
        raw_close(raw);
    }
    return good;
}

bool raw_open(raw_vulkan *raw, const char *description, uint32_t nth)
{
    return open_on(raw, description, nth, false);
}

bool raw_open_queues(raw_vulkan *raw, const char *description, uint32_t nth)
{
    return open_on(raw, description, nth, true);
}

void raw_close(raw_vulkan *raw)
{
    if (raw->device) {
        raw->vk.vkDestroySemaphore(raw->device, raw->timeline, NULL);
        raw->vk.vkDestroyDevice(raw->device, NULL);
    }
    if (raw->instance) {
        raw->destroy_instance(raw->instance, NULL);
    }
    *raw = (raw_vulkan){0};
}

bool raw_driver_is_nulled(const raw_vulkan *raw)
{
    Dl_info where;
    void *function;
    memcpy(&function, &raw->vk.vkCmdDispatch, sizeof function); // ISO C has no cast from a function to an object
    return dladdr(function, &where) && where.dli_fname && strstr(where.dli_fname, "VkLayer_fermata_null");
}

// In the first of the memory types that the buffer may lie in; `maps`: the host sees them.
static bool create_buffer(const raw_vulkan *raw, uint64_t size_bytes, uint32_t types, bool maps, raw_buffer *out)
{
    VkBufferCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
        .size = size_bytes,
        .usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT |
                 VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT,
    };
    if (!raw_good(raw->vk.vkCreateBuffer(raw->device, &info, NULL, &out->buffer), "vkCreateBuffer")) {
        return false;
    }
    VkMemoryRequirements needs;
    raw->vk.vkGetBufferMemoryRequirements(raw->device, out->buffer, &needs);
    VkMemoryAllocateFlagsInfo flags = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO,
        .flags = VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT,
    };
    VkMemoryAllocateInfo allocation = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
        .pNext = &flags,
        .allocationSize = needs.size,
        .memoryTypeIndex = (uint32_t)__builtin_ctz(needs.memoryTypeBits & types),
    };
    if (!raw_good(raw->vk.vkAllocateMemory(raw->device, &allocation, NULL, &out->memory), "vkAllocateMemory") ||
        !raw_good(raw->vk.vkBindBufferMemory(raw->device, out->buffer, out->memory, 0), "vkBindBufferMemory") ||
        (maps &&
         !raw_good(raw->vk.vkMapMemory(raw->device, out->memory, 0, VK_WHOLE_SIZE, 0, &out->mapped), "vkMapMemory"))) {
        return false;
    }
    VkBufferDeviceAddressInfo address = {.sType = VK_STRUCTURE_TYPE_BUFFER_DEVICE_ADDRESS_INFO, .buffer = out->buffer};
    out->address = raw->vk.vkGetBufferDeviceAddress(raw->device, &address);
    return true;
}

static bool create_buffer_in(const raw_vulkan *raw, uint64_t size_bytes, uint32_t types, bool maps, raw_buffer *out)
{
    *out = (raw_buffer){0};
    bool good = create_buffer(raw, size_bytes, types, maps, out);
    if (!good) {
        raw_buffer_destroy(raw, out);
    }
    return good;
}

bool raw_buffer_create(const raw_vulkan *raw, uint64_t size_bytes, raw_buffer *out)
{
    return create_buffer_in(raw, size_bytes, raw->memory_types, true, out);
}

bool raw_buffer_create_cached(const raw_vulkan *raw, uint64_t size_bytes, raw_buffer *out)
{
    uint32_t types = raw->cached_memory_types ? raw->cached_memory_types : raw->memory_types;
    return create_buffer_in(raw, size_bytes, types, true, out);
}

bool raw_buffer_create_local(const raw_vulkan *raw, uint64_t size_bytes, raw_buffer *out)
{
    return create_buffer_in(raw, size_bytes, raw->local_memory_types, false, out);
}

void raw_buffer_destroy(const raw_vulkan *raw, raw_buffer *buffer)
{
    // Null handles are allowed; freed memory is unmapped.
    raw->vk.vkDestroyBuffer(raw->device, buffer->buffer, NULL);
    raw->vk.vkFreeMemory(raw->device, buffer->memory, NULL);
    *buffer = (raw_buffer){0};
}

bool raw_commands_create(const raw_vulkan *raw, VkCommandPool *out_pool, VkCommandBuffer *out_commands)
{
    VkCommandPoolCreateInfo pool = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
        .flags = VK_COMMAND_POOL_CREATE_TRANSIENT_BIT,
        .queueFamilyIndex = raw->queue_family,
    };
    if (!raw_good(raw->vk.vkCreateCommandPool(raw->device, &pool, NULL, out_pool), "vkCreateCommandPool")) {
        return false;
    }
    VkCommandBufferAllocateInfo info = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
        .commandPool = *out_pool,
        .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
        .commandBufferCount = 1,
    };
    return raw_good(raw->vk.vkAllocateCommandBuffers(raw->device, &info, out_commands), "vkAllocateCommandBuffers");
}

static bool create_pipeline(const raw_vulkan *raw, VkShaderModule module, uint32_t push_bytes, raw_kernel *out)
{
    VkPushConstantRange range = {VK_SHADER_STAGE_COMPUTE_BIT, 0, push_bytes};
    VkPipelineLayoutCreateInfo layout = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO,
        .pushConstantRangeCount = 1,
        .pPushConstantRanges = &range,
    };
    if (!raw_good(raw->vk.vkCreatePipelineLayout(raw->device, &layout, NULL, &out->layout), "vkCreatePipelineLayout")) {
        return false;
    }
    VkComputePipelineCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO,
        .stage = {.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
                  .stage = VK_SHADER_STAGE_COMPUTE_BIT,
                  .module = module,
                  .pName = "main"},
        .layout = out->layout,
    };
    return raw_good(raw->vk.vkCreateComputePipelines(raw->device, VK_NULL_HANDLE, 1, &info, NULL, &out->pipeline),
                    "vkCreateComputePipelines");
}

bool raw_kernel_create(const raw_vulkan *raw, const char *glsl, uint32_t push_bytes, raw_kernel *out)
{
    *out = (raw_kernel){0};
    uint32_t *words = NULL;
    VkShaderModuleCreateInfo info = {.sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO};
    if (!raw_compile(glsl, &words, &info.codeSize)) {
        return false;
    }
    info.pCode = words;
    VkShaderModule module = VK_NULL_HANDLE;
    bool good = raw_good(raw->vk.vkCreateShaderModule(raw->device, &info, NULL, &module), "vkCreateShaderModule") &&
                create_pipeline(raw, module, push_bytes, out);
    raw->vk.vkDestroyShaderModule(raw->device, module, NULL);
    free(words);
    if (!good) {
        raw_kernel_destroy(raw, out);
    }
    return good;
}

void raw_kernel_destroy(const raw_vulkan *raw, raw_kernel *kernel)
{
    raw->vk.vkDestroyPipeline(raw->device, kernel->pipeline, NULL);
    raw->vk.vkDestroyPipelineLayout(raw->device, kernel->layout, NULL);
    *kernel = (raw_kernel){0};
}

bool raw_wait(const raw_vulkan *raw, uint64_t value)
{
    VkSemaphoreWaitInfo info = {
        .sType = VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO,
        .semaphoreCount = 1,
        .pSemaphores = &raw->timeline,
        .pValues = &value,
    };
    return raw_good(raw->vk.vkWaitSemaphores(raw->device, &info, wait_ns), "vkWaitSemaphores");
}
