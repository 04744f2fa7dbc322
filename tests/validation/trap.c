// Wrong on purpose: what scripts/validate runs first, to prove that the validation layer is loaded and sees what it must.
// It breaks a rule of one call (a fill whose size is no multiple of 4), and leaves out the barrier between two dispatches that
// add to the same number. Without the layer nothing is reported. Exits with 77 if there is no Vulkan device.
#include <vulkan/vulkan.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

// layout(set = 0, binding = 0) buffer B { uint x[]; }; void main() { x[0] += 1; }
static const uint32_t add_one[] = {
    // clang-format off
    0x07230203, 0x00010300, 0x00070000, 0x00000010, 0x00000000, 0x00020011, 0x00000001, 0x0003000e,
    0x00000000, 0x00000001, 0x0005000f, 0x00000005, 0x00000001, 0x6e69616d, 0x00000000, 0x00060010,
    0x00000001, 0x00000011, 0x00000001, 0x00000001, 0x00000001, 0x00040047, 0x00000002, 0x00000006,
    0x00000004, 0x00050048, 0x00000003, 0x00000000, 0x00000023, 0x00000000, 0x00030047, 0x00000003,
    0x00000002, 0x00040047, 0x00000004, 0x00000022, 0x00000000, 0x00040047, 0x00000004, 0x00000021,
    0x00000000, 0x00020013, 0x00000005, 0x00030021, 0x00000006, 0x00000005, 0x00040015, 0x00000007,
    0x00000020, 0x00000000, 0x0003001d, 0x00000002, 0x00000007, 0x0003001e, 0x00000003, 0x00000002,
    0x00040020, 0x00000008, 0x0000000c, 0x00000003, 0x0004003b, 0x00000008, 0x00000004, 0x0000000c,
    0x00040020, 0x00000009, 0x0000000c, 0x00000007, 0x0004002b, 0x00000007, 0x0000000a, 0x00000000,
    0x0004002b, 0x00000007, 0x0000000b, 0x00000001, 0x00050036, 0x00000005, 0x00000001, 0x00000000,
    0x00000006, 0x000200f8, 0x0000000c, 0x00060041, 0x00000009, 0x0000000d, 0x00000004, 0x0000000a,
    0x0000000a, 0x0004003d, 0x00000007, 0x0000000e, 0x0000000d, 0x00050080, 0x00000007, 0x0000000f,
    0x0000000e, 0x0000000b, 0x0003003e, 0x0000000d, 0x0000000f, 0x000100fd, 0x00010038,
    // clang-format on
};

enum { BUFFER_BYTES = 256 };

// What the two wrong commands need.
typedef struct trap {
    VkDevice device;
    VkQueue queue;
    VkCommandBuffer commands;
    VkBuffer buffer;
    VkPipelineLayout layout;
    VkPipeline pipeline;
    VkDescriptorSet set;
} trap;

static void must(VkResult result, const char *call)
{
    if (result != VK_SUCCESS) {
        fprintf(stderr, "validation-trap: %s: %d\n", call, (int)result);
        exit(EXIT_FAILURE);
    }
}
#define MUST(call) must(call, #call)

// The first compute queue of the first device. False: there is no device.
static bool open_device(trap *t, VkPhysicalDevice *out_physical)
{
    VkInstance instance;
    VkApplicationInfo app = {.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO, .apiVersion = VK_API_VERSION_1_2};
    VkInstanceCreateInfo info = {.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO, .pApplicationInfo = &app};
    uint32_t count = 1;
    if (vkCreateInstance(&info, NULL, &instance) != VK_SUCCESS ||
        vkEnumeratePhysicalDevices(instance, &count, out_physical) < 0 || count == 0) {
        return false;
    }
    VkQueueFamilyProperties families[16];
    count = 16;
    vkGetPhysicalDeviceQueueFamilyProperties(*out_physical, &count, families);
    uint32_t family = 0;
    while (family < count && !(families[family].queueFlags & VK_QUEUE_COMPUTE_BIT)) family++;
    float priority = 1;
    VkDeviceQueueCreateInfo queue = {.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
                                     .queueFamilyIndex = family,
                                     .queueCount = 1,
                                     .pQueuePriorities = &priority};
    VkDeviceCreateInfo device = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO, .queueCreateInfoCount = 1, .pQueueCreateInfos = &queue};
    MUST(vkCreateDevice(*out_physical, &device, NULL, &t->device));
    vkGetDeviceQueue(t->device, family, 0, &t->queue);
    VkCommandPoolCreateInfo pool_info = {.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
                                         .queueFamilyIndex = family};
    VkCommandPool pool;
    MUST(vkCreateCommandPool(t->device, &pool_info, NULL, &pool));
    VkCommandBufferAllocateInfo allocate = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
                                            .commandPool = pool,
                                            .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
                                            .commandBufferCount = 1};
    MUST(vkAllocateCommandBuffers(t->device, &allocate, &t->commands));
    return true;
}

static void create_buffer(trap *t, VkPhysicalDevice physical)
{
    VkBufferCreateInfo info = {.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
                               .size = BUFFER_BYTES,
                               .usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT};
    MUST(vkCreateBuffer(t->device, &info, NULL, &t->buffer));
    VkMemoryRequirements needs;
    vkGetBufferMemoryRequirements(t->device, t->buffer, &needs);
    VkPhysicalDeviceMemoryProperties properties;
    vkGetPhysicalDeviceMemoryProperties(physical, &properties);
    uint32_t type = 0;
    while (type < properties.memoryTypeCount && !(needs.memoryTypeBits & (1u << type))) type++;
    VkMemoryAllocateInfo allocate = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO, .allocationSize = needs.size, .memoryTypeIndex = type};
    VkDeviceMemory memory;
    MUST(vkAllocateMemory(t->device, &allocate, NULL, &memory));
    MUST(vkBindBufferMemory(t->device, t->buffer, memory, 0));
}

static void create_pipeline(trap *t, VkDescriptorSetLayout set_layout)
{
    VkPipelineLayoutCreateInfo layout = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO, .setLayoutCount = 1, .pSetLayouts = &set_layout};
    MUST(vkCreatePipelineLayout(t->device, &layout, NULL, &t->layout));
    VkShaderModuleCreateInfo shader = {
        .sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO, .codeSize = sizeof add_one, .pCode = add_one};
    VkComputePipelineCreateInfo info = {.sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO, .layout = t->layout};
    info.stage = (VkPipelineShaderStageCreateInfo){.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
                                                   .stage = VK_SHADER_STAGE_COMPUTE_BIT,
                                                   .pName = "main"};
    MUST(vkCreateShaderModule(t->device, &shader, NULL, &info.stage.module));
    MUST(vkCreateComputePipelines(t->device, VK_NULL_HANDLE, 1, &info, NULL, &t->pipeline));
}

static void create_set(trap *t)
{
    VkDescriptorSetLayoutBinding binding = {.descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
                                            .descriptorCount = 1,
                                            .stageFlags = VK_SHADER_STAGE_COMPUTE_BIT};
    VkDescriptorSetLayoutCreateInfo layout_info = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO, .bindingCount = 1, .pBindings = &binding};
    VkDescriptorSetLayout layout;
    MUST(vkCreateDescriptorSetLayout(t->device, &layout_info, NULL, &layout));
    VkDescriptorPoolSize size = {VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, 1};
    VkDescriptorPoolCreateInfo pool_info = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO, .maxSets = 1, .poolSizeCount = 1, .pPoolSizes = &size};
    VkDescriptorPool pool;
    MUST(vkCreateDescriptorPool(t->device, &pool_info, NULL, &pool));
    VkDescriptorSetAllocateInfo allocate = {.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO,
                                            .descriptorPool = pool,
                                            .descriptorSetCount = 1,
                                            .pSetLayouts = &layout};
    MUST(vkAllocateDescriptorSets(t->device, &allocate, &t->set));
    VkDescriptorBufferInfo range = {t->buffer, 0, BUFFER_BYTES / 2}; // the fill is beside it
    VkWriteDescriptorSet write = {.sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
                                  .dstSet = t->set,
                                  .descriptorCount = 1,
                                  .descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
                                  .pBufferInfo = &range};
    vkUpdateDescriptorSets(t->device, 1, &write, 0, NULL);
    create_pipeline(t, layout);
}

int main(void)
{
    trap t = {0};
    VkPhysicalDevice physical = VK_NULL_HANDLE;
    if (!open_device(&t, &physical)) {
        fprintf(stderr, "validation-trap: skipped, there is no Vulkan device\n");
        return 77;
    }
    create_buffer(&t, physical);
    create_set(&t);
    VkCommandBufferBeginInfo begin = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO};
    MUST(vkBeginCommandBuffer(t.commands, &begin));
    vkCmdBindPipeline(t.commands, VK_PIPELINE_BIND_POINT_COMPUTE, t.pipeline);
    vkCmdBindDescriptorSets(t.commands, VK_PIPELINE_BIND_POINT_COMPUTE, t.layout, 0, 1, &t.set, 0, NULL);
    vkCmdDispatch(t.commands, 1, 1, 1);
    vkCmdDispatch(t.commands, 1, 1, 1);                            // wrong: no barrier between them
    vkCmdFillBuffer(t.commands, t.buffer, BUFFER_BYTES / 2, 6, 0); // wrong: 6
    MUST(vkEndCommandBuffer(t.commands));
    VkSubmitInfo submit = {
        .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO, .commandBufferCount = 1, .pCommandBuffers = &t.commands};
    MUST(vkQueueSubmit(t.queue, 1, &submit, VK_NULL_HANDLE));
    MUST(vkDeviceWaitIdle(t.device));
    return EXIT_SUCCESS; // the objects end with the process
}
