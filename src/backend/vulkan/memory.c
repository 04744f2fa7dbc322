// Memory blocks: one VkDeviceMemory, one VkBuffer over all of it, one mapping where the host can reach it.
// Knows nothing of sub-allocation, lifetimes or limits. Any thread, no lock: Vulkan allows it.
#include "backend/vulkan/vulkan.h"

#include "base/error.h"

#include <stdlib.h>

enum {
    HOST_COHERENT = VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT,
    SIZE_STEP_BYTES = 16, // buffers end on a multiple of this, so that a fill may run to the next multiple of 4
};

// What an import adds to each call: memory of the caller's, at an address that the driver takes.
static const VkExternalMemoryBufferCreateInfo import_buffer = {
    .sType = VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_BUFFER_CREATE_INFO,
    .handleTypes = VK_EXTERNAL_MEMORY_HANDLE_TYPE_HOST_ALLOCATION_BIT_EXT,
};

static VkBufferCreateInfo buffer_info(const fmi_backend *backend, uint64_t size_bytes)
{
    VkBufferUsageFlags usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | VK_BUFFER_USAGE_TRANSFER_SRC_BIT |
                               VK_BUFFER_USAGE_TRANSFER_DST_BIT | VK_BUFFER_USAGE_INDIRECT_BUFFER_BIT;
    return (VkBufferCreateInfo){
        .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
        .size = (size_bytes + SIZE_STEP_BYTES - 1) / SIZE_STEP_BYTES * SIZE_STEP_BYTES,
        .usage = usage | (backend->has_addresses ? VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT : 0u),
        .sharingMode = VK_SHARING_MODE_EXCLUSIVE,
    };
}

// How well a memory type serves a purpose: 0 not at all, else higher is better.
static uint32_t rate(VkMemoryPropertyFlags flags, fmi_vulkan_purpose purpose, bool is_discrete)
{
    // Kinds with rules of their own (protected, lazily allocated, device-coherent, remote) are never taken.
    VkMemoryPropertyFlags plain =
        VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT | HOST_COHERENT | VK_MEMORY_PROPERTY_HOST_CACHED_BIT;
    if (flags & ~plain) {
        return 0;
    }
    uint32_t local = (flags & VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT) != 0;
    uint32_t coherent = (flags & HOST_COHERENT) == HOST_COHERENT;
    uint32_t cached = (flags & VK_MEMORY_PROPERTY_HOST_CACHED_BIT) != 0;
    switch (purpose) {
    case FMI_VULKAN_FOR_DEVICE:
        // On a discrete GPU the host-visible part of its memory may be a small window: leave that to the arguments.
        return 1 + 4 * local +
               (is_discrete ? 2 * !(flags & VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT) : 2 * coherent + (coherent & cached));
    case FMI_VULKAN_FOR_HOST: return coherent ? 1 + 2 * cached + !local : 0;
    case FMI_VULKAN_FOR_ARGUMENTS: return coherent ? 1 + 2 * local + !cached : 0;
    case FMI_VULKAN_PURPOSES: break;
    }
    return 0;
}

fm_status fmi_vulkan_memory_types(fmi_backend *backend, bool is_discrete)
{
    // All our buffers have the same usage, so one stands for the memory types of all.
    VkBufferCreateInfo info = buffer_info(backend, SIZE_STEP_BYTES);
    VkBuffer buffer = VK_NULL_HANDLE;
    VkResult result = backend->vk.vkCreateBuffer(backend->device, &info, NULL, &buffer);
    if (result != VK_SUCCESS) {
        return fmi_vulkan_fail(backend, result, "vkCreateBuffer", "choosing memory types");
    }
    VkMemoryRequirements needs;
    backend->vk.vkGetBufferMemoryRequirements(backend->device, buffer, &needs);
    backend->vk.vkDestroyBuffer(backend->device, buffer, NULL);

    VkPhysicalDeviceMemoryProperties memory;
    vkGetPhysicalDeviceMemoryProperties(backend->physical, &memory);
    for (uint32_t purpose = 0; purpose < FMI_VULKAN_PURPOSES; purpose++) {
        uint32_t best = 0;
        for (uint32_t i = 0; i < memory.memoryTypeCount; i++) {
            uint32_t rating = rate(memory.memoryTypes[i].propertyFlags, (fmi_vulkan_purpose)purpose, is_discrete);
            if ((needs.memoryTypeBits >> i & 1) && rating > best) {
                best = rating;
                backend->memory_type[purpose] = i;
            }
        }
        if (best == 0) {
            return fmi_fail(FM_ERROR_UNSUPPORTED, "%s has no memory type that buffers and the host can share",
                            backend->name);
        }
        VkMemoryPropertyFlags flags = memory.memoryTypes[backend->memory_type[purpose]].propertyFlags;
        // A discrete GPU's own memory stays unmapped even where only visible types exist: reads through the bus are
        // slow.
        backend->maps[purpose] =
            (flags & HOST_COHERENT) == HOST_COHERENT && (purpose != FMI_VULKAN_FOR_DEVICE || !is_discrete);
        backend->caches[purpose] = backend->maps[purpose] && (flags & VK_MEMORY_PROPERTY_HOST_CACHED_BIT) != 0;
    }
    return FM_OK;
}

// A failed allocation, in either kind of memory, is the caller's to relieve: FM_ERROR_OUT_OF_MEMORY.
static fm_status fail_allocation(fmi_backend *backend, VkResult result, const char *call)
{
    fm_status status = fmi_vulkan_fail(backend, result, call, "allocating memory");
    return status == FM_ERROR_OUT_OF_HOST_MEMORY ? FM_ERROR_OUT_OF_MEMORY : status;
}

// `import`: NULL, or the caller's memory.
static VkResult allocate_memory(fmi_backend *backend, uint32_t memory_type, uint64_t size_bytes,
                                const VkImportMemoryHostPointerInfoEXT *import, fmi_vulkan_memory *native)
{
    VkMemoryAllocateFlagsInfo flags = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO,
        .pNext = import,
        .flags = VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT,
    };
    VkMemoryAllocateInfo info = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
        .pNext = backend->has_addresses ? (const void *)&flags : import,
        .allocationSize = size_bytes,
        .memoryTypeIndex = memory_type,
    };
    return backend->vk.vkAllocateMemory(backend->device, &info, NULL, &native->memory);
}

static void destroy(fmi_backend *backend, fmi_vulkan_memory *native)
{
    // Freeing unmaps. Null handles are allowed.
    backend->vk.vkDestroyBuffer(backend->device, native->buffer, NULL);
    backend->vk.vkFreeMemory(backend->device, native->memory, NULL);
    free(native);
}

static uint64_t address_of(const fmi_backend *backend, const fmi_vulkan_memory *native)
{
    VkBufferDeviceAddressInfo info = {.sType = VK_STRUCTURE_TYPE_BUFFER_DEVICE_ADDRESS_INFO, .buffer = native->buffer};
    return backend->has_addresses ? backend->vk.vkGetBufferDeviceAddress(backend->device, &info) : 0;
}

fm_status fmi_vulkan_memory_allocate(fmi_backend *backend, fmi_vulkan_purpose purpose, uint64_t size_bytes,
                                     fmi_block *out)
{
    *out = (fmi_block){0};
    if (size_bytes > backend->max_block_bytes) {
        return fmi_fail(FM_ERROR_OUT_OF_MEMORY, "%s allocates at most %llu bytes at once, not %llu", backend->name,
                        (unsigned long long)backend->max_block_bytes, (unsigned long long)size_bytes);
    }
    fmi_vulkan_memory *native = calloc(1, sizeof *native);
    if (!native) {
        return fmi_fail(FM_ERROR_OUT_OF_HOST_MEMORY, "no host memory is left to describe a block of device memory");
    }
    VkBufferCreateInfo info = buffer_info(backend, size_bytes);
    const char *call = "vkCreateBuffer";
    VkResult result = backend->vk.vkCreateBuffer(backend->device, &info, NULL, &native->buffer);
    if (result == VK_SUCCESS) {
        call = "vkAllocateMemory";
        VkMemoryRequirements needs;
        backend->vk.vkGetBufferMemoryRequirements(backend->device, native->buffer, &needs);
        result = allocate_memory(backend, backend->memory_type[purpose], needs.size, NULL, native);
    }
    if (result == VK_SUCCESS) {
        call = "vkBindBufferMemory";
        result = backend->vk.vkBindBufferMemory(backend->device, native->buffer, native->memory, 0);
    }
    void *mapped = NULL;
    if (result == VK_SUCCESS && backend->maps[purpose]) {
        call = "vkMapMemory";
        result = backend->vk.vkMapMemory(backend->device, native->memory, 0, VK_WHOLE_SIZE, 0, &mapped);
    }
    if (result != VK_SUCCESS) {
        destroy(backend, native);
        return fail_allocation(backend, result, call);
    }
    *out = (fmi_block){
        .native = native,
        .mapped = mapped,
        .cached = backend->caches[purpose],
        .device_address = address_of(backend, native),
        .size_bytes = size_bytes,
        .kind = purpose == FMI_VULKAN_FOR_DEVICE ? FM_MEMORY_DEVICE : FM_MEMORY_HOST,
    };
    return FM_OK;
}

fm_status fmi_vulkan_allocate_block(fmi_backend *backend, fm_memory_kind kind, uint64_t size_bytes, fmi_block *out)
{
    return fmi_vulkan_memory_allocate(backend, kind == FM_MEMORY_HOST ? FMI_VULKAN_FOR_HOST : FMI_VULKAN_FOR_DEVICE,
                                      size_bytes, out);
}

// The best of the memory types that `bits` allows, for memory that host and device share; UINT32_MAX: none is coherent.
// `out_cached`: the host reads it through its caches.
static uint32_t shared_type(const fmi_backend *backend, uint32_t bits, bool *out_cached)
{
    VkPhysicalDeviceMemoryProperties memory;
    vkGetPhysicalDeviceMemoryProperties(backend->physical, &memory);
    uint32_t best = 0, type = UINT32_MAX;
    for (uint32_t i = 0; i < memory.memoryTypeCount; i++) {
        VkMemoryPropertyFlags flags = memory.memoryTypes[i].propertyFlags;
        uint32_t rating = bits >> i & 1 ? rate(flags, FMI_VULKAN_FOR_HOST, false) : 0;
        if (rating > best) {
            best = rating;
            type = i;
            *out_cached = (flags & VK_MEMORY_PROPERTY_HOST_CACHED_BIT) != 0;
        }
    }
    return type;
}

// Allocates and binds imported memory to native->buffer. Sets `*call` to the call that answered.
static VkResult import_memory(fmi_backend *backend, const VkImportMemoryHostPointerInfoEXT *import, uint64_t size_bytes,
                              fmi_vulkan_memory *native, bool *out_cached, const char **call)
{
    VkMemoryHostPointerPropertiesEXT properties = {.sType = VK_STRUCTURE_TYPE_MEMORY_HOST_POINTER_PROPERTIES_EXT};
    *call = "vkGetMemoryHostPointerPropertiesEXT";
    VkResult result = backend->vk.vkGetMemoryHostPointerPropertiesEXT(backend->device, import->handleType,
                                                                      import->pHostPointer, &properties);
    if (result != VK_SUCCESS) {
        return result;
    }
    VkMemoryRequirements needs;
    backend->vk.vkGetBufferMemoryRequirements(backend->device, native->buffer, &needs);
    uint32_t type = shared_type(backend, properties.memoryTypeBits & needs.memoryTypeBits, out_cached);
    if (type == UINT32_MAX || needs.size > size_bytes) {
        return VK_ERROR_INVALID_EXTERNAL_HANDLE;
    }
    *call = "vkAllocateMemory";
    result = allocate_memory(backend, type, size_bytes, import, native);
    if (result != VK_SUCCESS) {
        return result;
    }
    *call = "vkBindBufferMemory";
    return backend->vk.vkBindBufferMemory(backend->device, native->buffer, native->memory, 0);
}

fm_status fmi_vulkan_import_block(fmi_backend *backend, void *pointer, uint64_t size_bytes, fmi_block *out)
{
    *out = (fmi_block){0};
    fmi_vulkan_memory *native = calloc(1, sizeof *native);
    if (!native) {
        return fmi_fail(FM_ERROR_OUT_OF_HOST_MEMORY, "no host memory is left to describe a block of device memory");
    }
    VkImportMemoryHostPointerInfoEXT import = {
        .sType = VK_STRUCTURE_TYPE_IMPORT_MEMORY_HOST_POINTER_INFO_EXT,
        .handleType = VK_EXTERNAL_MEMORY_HANDLE_TYPE_HOST_ALLOCATION_BIT_EXT,
        .pHostPointer = pointer,
    };
    VkBufferCreateInfo info = buffer_info(backend, size_bytes);
    info.pNext = &import_buffer;
    bool cached = false;
    const char *call = "vkCreateBuffer";
    VkResult result = backend->vk.vkCreateBuffer(backend->device, &info, NULL, &native->buffer);
    if (result == VK_SUCCESS) {
        result = import_memory(backend, &import, size_bytes, native, &cached, &call);
    }
    if (result != VK_SUCCESS) {
        destroy(backend, native);
        return result == VK_ERROR_INVALID_EXTERNAL_HANDLE
                   ? fmi_fail(FM_ERROR_UNSUPPORTED, "%s does not take the %llu bytes of host memory at %p",
                              backend->name, (unsigned long long)size_bytes, pointer)
                   : fail_allocation(backend, result, call);
    }
    *out = (fmi_block){
        .native = native,
        .mapped = pointer,
        .cached = cached,
        .device_address = address_of(backend, native),
        .size_bytes = size_bytes,
        .kind = FM_MEMORY_HOST,
        .imported = true,
    };
    return FM_OK;
}

void fmi_vulkan_free_block(fmi_backend *backend, fmi_block *block)
{
    if (block->native) {
        destroy(backend, block->native);
        *block = (fmi_block){0};
    }
}
