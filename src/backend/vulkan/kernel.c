// Kernels: a SPIR-V module becomes a compute pipeline, with everything that submit.c must know worked out beforehand.
// Knows no templates, variants or caches. Any thread, no lock: creation shares nothing.
#include "backend/vulkan/vulkan.h"

#include "base/error.h"
#include "base/process.h"
#include "base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint32_t round_up(uint32_t value, uint32_t step)
{
    return (value + step - 1) / step * step;
}

// Where each part of the argument block lies. See fmi_kernel_code for the layout.
static void lay_out_arguments(fmi_kernel_binary *binary, const fmi_kernel_code *code)
{
    binary->takes_addresses = code->binding_mode == FM_BINDING_ADDRESSES;
    binary->indirect_arguments = code->indirect_arguments;
    binary->wants_group_count = code->wants_group_count;
    binary->wants_group_base = code->wants_group_base;
    binary->runs_in_parts = code->runs_in_parts;
    binary->span_count = code->span_count;
    binary->notes_loops = code->notes_loops;
    binary->has_arguments_to_take = code->indirect_arguments || code->notes_loops;
    uint32_t addresses = binary->takes_addresses ? code->span_count + (code->notes_loops ? 1 : 0) : 0;
    binary->constants_offset_bytes = addresses * (uint32_t)sizeof(uint64_t);
    binary->constants_size_bytes = code->constants_size_bytes;
    binary->group_count_offset_bytes = round_up(binary->constants_offset_bytes + code->constants_size_bytes, 4);
    binary->block_size_bytes =
        binary->group_count_offset_bytes +
        3 * (uint32_t)sizeof(uint32_t) * ((uint32_t)code->wants_group_count + (uint32_t)code->wants_group_base);
    binary->pushes_constants_as_recorded = !binary->takes_addresses && !binary->has_arguments_to_take &&
                                           !binary->wants_group_count && !binary->wants_group_base &&
                                           code->constants_size_bytes % 4 == 0;
    binary->descriptor_count = 0;
    if (!binary->takes_addresses) {
        binary->descriptor_count = code->span_count + (code->indirect_arguments ? 1 : 0) + (code->notes_loops ? 1 : 0);
    }
}

// What one native dispatch may have. Ids of 32 bits reach no further than FM_MAX_ITEMS on an axis.
static void limit_groups(const fmi_backend *backend, const fmi_kernel_code *code, fmi_kernel_binary *binary)
{
    for (int axis = 0; axis < 3; axis++) {
        uint64_t most = FM_MAX_ITEMS / code->group_size[axis];
        uint32_t limit = backend->max_group_count[axis];
        binary->most_groups[axis] = most < limit ? (uint32_t)most : limit;
    }
}

static uint32_t binding_number(const fmi_kernel_code *code, uint32_t i)
{
    return i < code->span_count                                ? code->binding_numbers[i]
           : i == code->span_count && code->indirect_arguments ? code->arguments_binding
                                                               : code->note_binding;
}

static fm_status create_set_layout(fmi_backend *backend, const fmi_kernel_code *code, fmi_kernel_binary *binary)
{
    VkDescriptorSetLayoutBinding bindings[FMI_VULKAN_DESCRIPTORS];
    for (uint32_t i = 0; i < binary->descriptor_count; i++) {
        bindings[i] = (VkDescriptorSetLayoutBinding){
            .binding = binding_number(code, i),
            .descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
            .descriptorCount = 1,
            .stageFlags = VK_SHADER_STAGE_COMPUTE_BIT,
        };
    }
    VkDescriptorSetLayoutCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO,
        .flags = backend->pushes_descriptors ? VK_DESCRIPTOR_SET_LAYOUT_CREATE_PUSH_DESCRIPTOR_BIT_KHR : 0u,
        .bindingCount = binary->descriptor_count,
        .pBindings = bindings,
    };
    VkResult result = backend->vk.vkCreateDescriptorSetLayout(backend->device, &info, NULL, &binary->set_layout);
    return result == VK_SUCCESS ? FM_OK
                                : fmi_vulkan_fail(backend, result, "vkCreateDescriptorSetLayout", "creating a kernel");
}

// What a dispatch pushes: built once, so that a dispatch only fills backend->descriptors.
static fm_status create_writes(fmi_backend *backend, const fmi_kernel_code *code, fmi_kernel_binary *binary)
{
    binary->writes = calloc(binary->descriptor_count, sizeof *binary->writes);
    if (!binary->writes) {
        return fmi_fail(FM_ERROR_OUT_OF_HOST_MEMORY, "no host memory is left for it");
    }
    for (uint32_t i = 0; i < binary->descriptor_count; i++) {
        binary->writes[i] = (VkWriteDescriptorSet){
            .sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
            .dstBinding = binding_number(code, i),
            .descriptorCount = 1,
            .descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
            .pBufferInfo = &backend->descriptors[i],
        };
    }
    return FM_OK;
}

static fm_status create_update_template(fmi_backend *backend, const fmi_kernel_code *code, fmi_kernel_binary *binary)
{
    VkDescriptorUpdateTemplateEntry entries[FMI_VULKAN_DESCRIPTORS];
    for (uint32_t i = 0; i < binary->descriptor_count; i++) {
        entries[i] = (VkDescriptorUpdateTemplateEntry){
            .dstBinding = binding_number(code, i),
            .descriptorCount = 1,
            .descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
            .offset = i * sizeof(VkDescriptorBufferInfo),
            .stride = sizeof(VkDescriptorBufferInfo),
        };
    }
    VkDescriptorUpdateTemplateCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_UPDATE_TEMPLATE_CREATE_INFO,
        .descriptorUpdateEntryCount = binary->descriptor_count,
        .pDescriptorUpdateEntries = entries,
        .templateType = VK_DESCRIPTOR_UPDATE_TEMPLATE_TYPE_DESCRIPTOR_SET,
        .descriptorSetLayout = binary->set_layout,
    };
    VkResult result =
        backend->vk.vkCreateDescriptorUpdateTemplate(backend->device, &info, NULL, &binary->update_template);
    return result == VK_SUCCESS
               ? FM_OK
               : fmi_vulkan_fail(backend, result, "vkCreateDescriptorUpdateTemplate", "creating a kernel");
}

static fm_status create_layout(fmi_backend *backend, const fmi_kernel_code *code, fmi_kernel_binary *binary)
{
    if (binary->descriptor_count) {
        fm_status status = create_set_layout(backend, code, binary);
        if (status == FM_OK) {
            status = backend->pushes_descriptors ? create_writes(backend, code, binary)
                                                 : create_update_template(backend, code, binary);
        }
        if (status != FM_OK) {
            return status;
        }
    }
    VkPushConstantRange push = {VK_SHADER_STAGE_COMPUTE_BIT, 0, binary->block_size_bytes};
    if (binary->indirect_arguments) {
        push.size = binary->takes_addresses ? (uint32_t)sizeof(uint64_t) : 0;
    }
    if (push.size > backend->max_push_bytes) {
        return fmi_fail(FM_ERROR_UNSUPPORTED, "it needs %u bytes of push constants; %s has %u", push.size,
                        backend->name, backend->max_push_bytes);
    }
    VkPipelineLayoutCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO,
        .setLayoutCount = binary->set_layout ? 1 : 0,
        .pSetLayouts = &binary->set_layout,
        .pushConstantRangeCount = push.size ? 1 : 0,
        .pPushConstantRanges = &push,
    };
    VkResult result = backend->vk.vkCreatePipelineLayout(backend->device, &info, NULL, &binary->layout);
    return result == VK_SUCCESS ? FM_OK
                                : fmi_vulkan_fail(backend, result, "vkCreatePipelineLayout", "creating a kernel");
}

// Is this pipeline data of this device and driver? The header is fixed by Vulkan; what follows is the driver's.
static bool is_own_data(const fmi_backend *backend, const void *data, size_t size_bytes)
{
    VkPipelineCacheHeaderVersionOne header;
    if (size_bytes < sizeof header) {
        return false;
    }
    memcpy(&header, data, sizeof header);
    return header.headerSize >= sizeof header && header.headerSize <= size_bytes &&
           header.headerVersion == VK_PIPELINE_CACHE_HEADER_VERSION_ONE && header.vendorID == backend->vendor_id &&
           header.deviceID == backend->device_id &&
           memcmp(header.pipelineCacheUUID, backend->pipeline_cache_uuid, VK_UUID_SIZE) == 0;
}

// A pipeline cache for this one pipeline; VK_NULL_HANDLE where none is wanted, or the driver makes none.
static VkPipelineCache create_pipeline_cache(fmi_backend *backend, const fmi_kernel_code *code, bool *out_is_filled)
{
    *out_is_filled = code->driver_data && is_own_data(backend, code->driver_data, code->driver_data_size_bytes);
    if (!*out_is_filled && !code->out_driver_data) {
        return VK_NULL_HANDLE;
    }
    VkPipelineCacheCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_CACHE_CREATE_INFO,
        .initialDataSize = *out_is_filled ? code->driver_data_size_bytes : 0,
        .pInitialData = *out_is_filled ? code->driver_data : NULL,
    };
    VkPipelineCache cache = VK_NULL_HANDLE;
    if (backend->vk.vkCreatePipelineCache(backend->device, &info, NULL, &cache) != VK_SUCCESS) {
        *out_is_filled = false;
        return VK_NULL_HANDLE;
    }
    return cache;
}

// Appends what the driver has put into the cache. Nothing, where it fails: the data only saves time.
static void get_driver_data(fmi_backend *backend, VkPipelineCache cache, fmi_text *out)
{
    size_t size_bytes = 0;
    if (backend->vk.vkGetPipelineCacheData(backend->device, cache, &size_bytes, NULL) != VK_SUCCESS) {
        return;
    }
    char *data = malloc(size_bytes + 1);
    if (data && backend->vk.vkGetPipelineCacheData(backend->device, cache, &size_bytes, data) == VK_SUCCESS) {
        fmi_text_append(out, data, size_bytes);
    }
    free(data);
}

// No pipeline. A driver that lacks room for a work-item's variables does not say so: it knows of no error.
static fm_status fail_pipeline(fmi_backend *backend, const fmi_kernel_code *code, VkResult result)
{
    enum { MUCH_BYTES = 4 << 10 };
    uint64_t bytes = fmi_vulkan_private_bytes(code->code, code->code_size_bytes);
    if (result != VK_ERROR_UNKNOWN || bytes < MUCH_BYTES) {
        return fmi_vulkan_fail(backend, result, "vkCreateComputePipelines", "creating a kernel");
    }
    return fmi_fail(FM_ERROR_UNSUPPORTED,
                    "it has %" PRIu64
                    " bytes of local variables and arrays in each work-item, and the driver of %s makes no "
                    "pipeline of it (%s): it has no room for so many",
                    bytes, backend->name, fmi_vulkan_result_name(result));
}

static fm_status create_pipeline(fmi_backend *backend, const fmi_kernel_code *code, fmi_kernel_binary *binary)
{
    VkShaderModuleCreateInfo module_info = {
        .sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO,
        .codeSize = code->code_size_bytes,
        .pCode = code->code,
    };
    VkShaderModule module = VK_NULL_HANDLE;
    VkResult result = backend->vk.vkCreateShaderModule(backend->device, &module_info, NULL, &module);
    if (result != VK_SUCCESS) {
        return fmi_vulkan_fail(backend, result, "vkCreateShaderModule", "creating a kernel");
    }
    VkComputePipelineCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO,
        .stage =
            {
                .sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
                .stage = VK_SHADER_STAGE_COMPUTE_BIT,
                .module = module,
                .pName = "main",
            },
        .layout = binary->layout,
    };
    bool is_filled;
    VkPipelineCache cache = create_pipeline_cache(backend, code, &is_filled);
    fmi_process_enter(); // a driver's compiler has state of the whole process
    result = backend->vk.vkCreateComputePipelines(backend->device, cache, 1, &info, NULL, &binary->pipeline);
    fmi_process_leave();
    if (result == VK_SUCCESS && cache && !is_filled) {
        get_driver_data(backend, cache, code->out_driver_data);
    }
    backend->vk.vkDestroyPipelineCache(backend->device, cache, NULL);
    backend->vk.vkDestroyShaderModule(backend->device, module, NULL);
    return result == VK_SUCCESS ? FM_OK : fail_pipeline(backend, code, result);
}

fm_status fmi_vulkan_create_kernel(fmi_backend *backend, const fmi_kernel_code *code, fmi_kernel_binary **out,
                                   fmi_text *log)
{
    *out = NULL;
    if (!code->code) {
        return fmi_fail(FM_ERROR_UNSUPPORTED, "it is not SPIR-V, which is all that %s runs", backend->name);
    }
    if (code->binding_mode == FM_BINDING_ADDRESSES && !backend->has_addresses) {
        return fmi_fail(FM_ERROR_UNSUPPORTED, "it takes buffer addresses, which %s does not have", backend->name);
    }
    fmi_kernel_binary *binary = calloc(1, sizeof *binary);
    if (!binary) {
        return fmi_fail(FM_ERROR_OUT_OF_HOST_MEMORY, "no host memory is left for it");
    }
    lay_out_arguments(binary, code);
    limit_groups(backend, code, binary);
    snprintf(binary->name, sizeof binary->name, "%s", code->name);
    fm_status status = create_layout(backend, code, binary);
    if (status == FM_OK) {
        status = create_pipeline(backend, code, binary);
    }
    if (status != FM_OK) {
        char why[512];
        fmi_error_describe(why, sizeof why);
        fmi_text_format(log, "%s\n", why);
        fmi_vulkan_destroy_kernel(backend, binary);
        return status;
    }
    *out = binary;
    return FM_OK;
}

void fmi_vulkan_destroy_kernel(fmi_backend *backend, fmi_kernel_binary *binary)
{
    // Null handles are allowed.
    backend->vk.vkDestroyPipeline(backend->device, binary->pipeline, NULL);
    backend->vk.vkDestroyPipelineLayout(backend->device, binary->layout, NULL);
    backend->vk.vkDestroyDescriptorUpdateTemplate(backend->device, binary->update_template, NULL);
    backend->vk.vkDestroyDescriptorSetLayout(backend->device, binary->set_layout, NULL);
    free(binary->writes);
    free(binary);
}

bool fmi_vulkan_accepts_group_count(fmi_backend *backend, const fmi_kernel_binary *binary,
                                    const uint32_t group_count[3])
{
    const uint32_t *limit = backend->max_group_count;
    return binary->runs_in_parts ||
           (group_count[0] <= limit[0] && group_count[1] <= limit[1] && group_count[2] <= limit[2]);
}
