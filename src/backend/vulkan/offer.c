// What there is: physical devices, what each offers, and the names under which they are listed.
// Any thread; keeps nothing. What drivers have for the whole process is asked for in sections that no fork cuts in two
// (base/process.h).
#include "backend/vulkan/vulkan.h"

#include "base/error.h"
#include "base/process.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NO_FAMILY UINT32_MAX

// The first family for computing alone, else the first that computes: queues of a family that also draws take turns of
// a millisecond on an NVIDIA device, those of the other kind run side by side (docs/performance.md).
static uint32_t find_queue_family(VkPhysicalDevice physical, uint32_t *out_timestamp_bits, uint32_t *out_queues)
{
    VkQueueFamilyProperties families[32];
    uint32_t count = sizeof families / sizeof families[0], found = NO_FAMILY;
    vkGetPhysicalDeviceQueueFamilyProperties(physical, &count, families);
    for (uint32_t i = 0; i < count; i++) {
        bool alone = !(families[i].queueFlags & VK_QUEUE_GRAPHICS_BIT);
        if ((families[i].queueFlags & VK_QUEUE_COMPUTE_BIT) && (alone || found == NO_FAMILY)) {
            *out_timestamp_bits = families[i].timestampValidBits;
            *out_queues = families[i].queueCount;
            found = i;
            if (alone) {
                break;
            }
        }
    }
    return found;
}

static bool has_extension(const VkExtensionProperties *extensions, uint32_t count, const char *name)
{
    for (uint32_t i = 0; i < count; i++) {
        if (strcmp(extensions[i].extensionName, name) == 0) {
            return true;
        }
    }
    return false;
}

// Which of the extensions that we use are there. Lack of memory counts as no.
static void ask_extensions(fmi_vulkan_offer *offer)
{
    uint32_t count = 0;
    if (vkEnumerateDeviceExtensionProperties(offer->physical, NULL, &count, NULL) != VK_SUCCESS || count == 0) {
        return;
    }
    VkExtensionProperties *extensions = calloc(count, sizeof *extensions);
    if (!extensions) {
        return;
    }
    VkResult result = vkEnumerateDeviceExtensionProperties(offer->physical, NULL, &count, extensions);
    if (result == VK_SUCCESS || result == VK_INCOMPLETE) {
        offer->push_descriptor = has_extension(extensions, count, VK_KHR_PUSH_DESCRIPTOR_EXTENSION_NAME);
        offer->external_memory_host = has_extension(extensions, count, VK_EXT_EXTERNAL_MEMORY_HOST_EXTENSION_NAME);
        offer->synchronization2_ext = has_extension(extensions, count, VK_KHR_SYNCHRONIZATION_2_EXTENSION_NAME);
        offer->atomic_float = has_extension(extensions, count, VK_EXT_SHADER_ATOMIC_FLOAT_EXTENSION_NAME);
    }
    free(extensions);
}

// Asks all that `open` needs. False where the device is too old or cannot compute.
static bool ask(VkPhysicalDevice physical, fmi_vulkan_offer *out)
{
    *out = (fmi_vulkan_offer){.physical = physical};
    vkGetPhysicalDeviceProperties(physical, &out->properties);
    out->queue_family = find_queue_family(physical, &out->timestamp_bits, &out->queue_count);
    if (out->properties.apiVersion < VK_API_VERSION_1_2 || out->queue_family == NO_FAMILY) {
        return false;
    }
    out->is_1_3 =
        out->properties.apiVersion >= VK_API_VERSION_1_3 && fmi_vulkan_instance_version() >= VK_API_VERSION_1_3;
    ask_extensions(out);

    out->maintenance4.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_4_PROPERTIES;
    out->maintenance3.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_3_PROPERTIES;
    out->maintenance3.pNext = out->is_1_3 ? &out->maintenance4 : NULL;
    VkPhysicalDeviceExternalMemoryHostPropertiesEXT host_memory = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_MEMORY_HOST_PROPERTIES_EXT,
        .pNext = out->maintenance3.pNext,
    };
    if (out->external_memory_host) {
        out->maintenance3.pNext = &host_memory;
    }
    out->subgroup.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_PROPERTIES;
    out->floats.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FLOAT_CONTROLS_PROPERTIES;
    out->floats.pNext = &out->maintenance3;
    out->subgroup.pNext = &out->floats;
    out->id.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_ID_PROPERTIES;
    out->id.pNext = &out->subgroup;
    VkPhysicalDeviceProperties2 properties = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
                                              .pNext = &out->id};
    vkGetPhysicalDeviceProperties2(physical, &properties);
    out->import_alignment_bytes = (uint32_t)host_memory.minImportedHostPointerAlignment;

    VkPhysicalDeviceSynchronization2Features synchronization2 = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SYNCHRONIZATION_2_FEATURES,
    };
    VkPhysicalDeviceShaderAtomicFloatFeaturesEXT atomic_float = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_ATOMIC_FLOAT_FEATURES_EXT,
        .pNext = out->is_1_3 || out->synchronization2_ext ? &synchronization2 : NULL,
    };
    out->features12.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES;
    out->features12.pNext = out->atomic_float ? &atomic_float : atomic_float.pNext;
    out->features11.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_FEATURES;
    out->features11.pNext = &out->features12;
    VkPhysicalDeviceFeatures2 features = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2,
                                          .pNext = &out->features11};
    vkGetPhysicalDeviceFeatures2(physical, &features);
    out->features = features.features;
    out->synchronization2 = synchronization2.synchronization2;
    out->synchronization2_ext = out->synchronization2_ext && !out->is_1_3;
    out->float_add = atomic_float.shaderBufferFloat32AtomicAdd;
    out->shared_float_add = atomic_float.shaderSharedFloat32AtomicAdd;
    return out->features12.timelineSemaphore;
}

fm_device_kind fmi_vulkan_kind_of(VkPhysicalDeviceType type)
{
    switch (type) {
    case VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU: return FM_DEVICE_DISCRETE_GPU;
    case VK_PHYSICAL_DEVICE_TYPE_CPU: return FM_DEVICE_CPU;
    default: return FM_DEVICE_INTEGRATED_GPU;
    }
}

// The physical devices of the shared instance, in the loader's order. `*out` is the caller's to free.
static fm_status enumerate(VkInstance instance, VkPhysicalDevice **out, uint32_t *out_count)
{
    *out = NULL;
    *out_count = 0;
    uint32_t count = 0;
    VkResult result = vkEnumeratePhysicalDevices(instance, &count, NULL);
    if (result == VK_ERROR_INITIALIZATION_FAILED || (result == VK_SUCCESS && count == 0)) {
        return FM_OK; // a driver is installed, its device is not there
    }
    VkPhysicalDevice *devices = result == VK_SUCCESS ? calloc(count, sizeof(VkPhysicalDevice)) : NULL;
    if (result == VK_SUCCESS && !devices) {
        return fmi_fail(FM_ERROR_OUT_OF_HOST_MEMORY, "no host memory is left to list the Vulkan devices");
    }
    if (devices) {
        result = vkEnumeratePhysicalDevices(instance, &count, devices);
    }
    if (result != VK_SUCCESS && result != VK_INCOMPLETE) {
        free(devices);
        return fmi_vulkan_fail(NULL, result, "vkEnumeratePhysicalDevices", "listing the Vulkan devices");
    }
    *out = devices;
    *out_count = count;
    return FM_OK;
}

fm_status fmi_vulkan_list(fmi_list_visitor visit, void *user)
{
    VkInstance instance = VK_NULL_HANDLE;
    fm_status status = fmi_vulkan_instance_hold(&instance);
    if (!instance) {
        return status;
    }
    VkPhysicalDevice *devices = NULL;
    uint32_t count = 0;
    fmi_process_enter();
    status = enumerate(instance, &devices, &count);
    uint32_t number = 0;
    for (uint32_t i = 0; i < count; i++) {
        fmi_vulkan_offer offer;
        if (!ask(devices[i], &offer)) {
            continue;
        }
        char name[32];
        snprintf(name, sizeof name, "vulkan:%u", number++);
        if (!visit(user, name, offer.properties.deviceName, fmi_vulkan_kind_of(offer.properties.deviceType))) {
            break;
        }
    }
    fmi_process_leave();
    free(devices);
    fmi_vulkan_instance_release();
    return status;
}

fm_status fmi_vulkan_find(VkInstance instance, const char *name, fmi_vulkan_offer *out)
{
    VkPhysicalDevice *devices = NULL;
    uint32_t count = 0;
    fm_status status = enumerate(instance, &devices, &count);
    uint32_t number = 0;
    bool found = false;
    for (uint32_t i = 0; i < count && !found; i++) {
        if (ask(devices[i], out)) {
            char listed[32];
            snprintf(listed, sizeof listed, "vulkan:%u", number++);
            found = strcmp(listed, name) == 0;
        }
    }
    free(devices);
    if (status == FM_OK && !found) {
        status = fmi_fail(FM_ERROR_NO_DEVICE, "there is no Vulkan device '%s'; %u can be opened", name, number);
    }
    return status;
}
