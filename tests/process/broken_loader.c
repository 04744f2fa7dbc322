// A Vulkan loader whose driver is broken: it is there, and no instance can be made. Built as libvulkan.so.1 for the tests of broken.c.
#include <string.h>
#include <vulkan/vulkan.h>

static VKAPI_ATTR VkResult VKAPI_CALL tell_version(uint32_t *version)
{
    *version = VK_API_VERSION_1_3;
    return VK_SUCCESS;
}

static VKAPI_ATTR VkResult VKAPI_CALL list_extensions(const char *layer, uint32_t *count, VkExtensionProperties *out)
{
    (void)layer, (void)out;
    *count = 0;
    return VK_SUCCESS;
}

static VKAPI_ATTR VkResult VKAPI_CALL refuse_instance(const VkInstanceCreateInfo *info,
                                                      const VkAllocationCallbacks *callbacks, VkInstance *out)
{
    (void)info, (void)callbacks, (void)out;
    return VK_ERROR_UNKNOWN;
}

__attribute__((visibility("default"))) VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL
vkGetInstanceProcAddr(VkInstance instance, const char *name)
{
    (void)instance;
    if (strcmp(name, "vkEnumerateInstanceVersion") == 0) return (PFN_vkVoidFunction)tell_version;
    if (strcmp(name, "vkEnumerateInstanceExtensionProperties") == 0) return (PFN_vkVoidFunction)list_extensions;
    if (strcmp(name, "vkCreateInstance") == 0) return (PFN_vkVoidFunction)refuse_instance;
    return NULL;
}
