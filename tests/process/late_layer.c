// VK_LAYER_FERMATA_late: a driver that takes its time, and does not forgive. Its calls are slow, and exit() destroys what it keeps for the whole
// process, as drivers do: a thread that is inside of it just then, or comes later, ends the process by SIGABRT. What a driver does by
// bad luck once in a hundred exits this layer does each time. For exit.c.
// Any thread; the pointers below are those of the last device that was created: all are of one driver.
#include <vulkan/vk_layer.h>
#include <vulkan/vulkan.h>

#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LATE_US = 100000 }; // for so long the end looks out for who comes later

static atomic_bool gone;
static atomic_int inside;
static pid_t owner; // the process that created the instance: a child of fork has none of the threads that are inside

static void sleep_us(long us)
{
    nanosleep(&(struct timespec){.tv_nsec = us * 1000}, NULL);
}

static void check(bool good, const char *sentence)
{
    if (!good) {
        (void)!write(STDERR_FILENO, sentence, strlen(sentence));
        abort();
    }
}

static void enter(long us)
{
    atomic_fetch_add(&inside, 1);
    check(!atomic_load(&gone), "late layer: a call of a driver that is gone\n");
    sleep_us(us);
}

static void leave(void)
{
    check(!atomic_load(&gone), "late layer: the driver went while a thread was inside\n");
    atomic_fetch_sub(&inside, 1);
}

static void end(void)
{
    if (getpid() != owner) return;
    atomic_store(&gone, true);
    check(atomic_load(&inside) == 0, "late layer: the driver goes while a thread is inside\n");
    sleep_us(LATE_US);
}

// What is slow: X(name, parameters, arguments, microseconds). All answer a VkResult.
#define SLOW(X)                                                                                                        \
    X(vkQueueSubmit, (VkQueue q, uint32_t n, const VkSubmitInfo *s, VkFence f), (q, n, s, f), 3000)                    \
    X(vkDeviceWaitIdle, (VkDevice d), (d), 1000)                                                                       \
    X(vkWaitSemaphores, (VkDevice d, const VkSemaphoreWaitInfo *i, uint64_t t), (d, i, t), 1000)                       \
    X(vkGetSemaphoreCounterValue, (VkDevice d, VkSemaphore s, uint64_t * v), (d, s, v), 300)                           \
    X(vkAllocateMemory,                                                                                                \
      (VkDevice d, const VkMemoryAllocateInfo *i, const VkAllocationCallbacks *a, VkDeviceMemory *m), (d, i, a, m),    \
      3000)                                                                                                            \
    X(vkCreateComputePipelines,                                                                                        \
      (VkDevice d, VkPipelineCache c, uint32_t n, const VkComputePipelineCreateInfo *i,                                \
       const VkAllocationCallbacks *a, VkPipeline *p),                                                                 \
      (d, c, n, i, a, p), 10000)

static struct {
    VkInstance instance;
    PFN_vkGetInstanceProcAddr get_instance_proc;
    PFN_vkGetDeviceProcAddr get_device_proc;
#define MEMBER(name, parameters, arguments, us) PFN_##name name;
    SLOW(MEMBER)
#undef MEMBER
} below;

#define FUNCTION(name, parameters, arguments, us)                                                                      \
    static VKAPI_ATTR VkResult VKAPI_CALL slow_##name parameters                                                       \
    {                                                                                                                  \
        enter(us);                                                                                                     \
        VkResult result = below.name arguments;                                                                        \
        leave();                                                                                                       \
        return result;                                                                                                 \
    }
SLOW(FUNCTION)
#undef FUNCTION

// The loader passes the chain as const and expects its own note to be written to.
static VKAPI_ATTR VkResult VKAPI_CALL create_instance(const VkInstanceCreateInfo *info,
                                                      const VkAllocationCallbacks *allocator, VkInstance *out)
{
    VkLayerInstanceCreateInfo *note = (VkLayerInstanceCreateInfo *)(uintptr_t)info->pNext;
    while (note->sType != VK_STRUCTURE_TYPE_LOADER_INSTANCE_CREATE_INFO || note->function != VK_LAYER_LINK_INFO) {
        note = (VkLayerInstanceCreateInfo *)(uintptr_t)note->pNext;
    }
    below.get_instance_proc = note->u.pLayerInfo->pfnNextGetInstanceProcAddr;
    note->u.pLayerInfo = note->u.pLayerInfo->pNext;
    PFN_vkCreateInstance create = (PFN_vkCreateInstance)below.get_instance_proc(VK_NULL_HANDLE, "vkCreateInstance");
    VkResult result = create(info, allocator, out);
    below.instance = result == VK_SUCCESS ? *out : VK_NULL_HANDLE;
    owner = getpid();
    return result;
}

static VKAPI_ATTR VkResult VKAPI_CALL create_device(VkPhysicalDevice physical, const VkDeviceCreateInfo *info,
                                                    const VkAllocationCallbacks *allocator, VkDevice *out)
{
    VkLayerDeviceCreateInfo *note = (VkLayerDeviceCreateInfo *)(uintptr_t)info->pNext;
    while (note->sType != VK_STRUCTURE_TYPE_LOADER_DEVICE_CREATE_INFO || note->function != VK_LAYER_LINK_INFO) {
        note = (VkLayerDeviceCreateInfo *)(uintptr_t)note->pNext;
    }
    PFN_vkGetInstanceProcAddr get_instance_proc = note->u.pLayerInfo->pfnNextGetInstanceProcAddr;
    below.get_device_proc = note->u.pLayerInfo->pfnNextGetDeviceProcAddr;
    note->u.pLayerInfo = note->u.pLayerInfo->pNext;
    PFN_vkCreateDevice create = (PFN_vkCreateDevice)get_instance_proc(below.instance, "vkCreateDevice");
    enter(10000);
    VkResult result = create(physical, info, allocator, out);
    leave();
    if (result == VK_SUCCESS) {
#define FIND(name, parameters, arguments, us) below.name = (PFN_##name)below.get_device_proc(*out, #name);
        SLOW(FIND)
#undef FIND
    }
    return result;
}

static VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL get_device_proc(VkDevice device, const char *name)
{
    if (strcmp(name, "vkGetDeviceProcAddr") == 0) return (PFN_vkVoidFunction)get_device_proc;
#define OWN(function, parameters, arguments, us)                                                                       \
    if (strcmp(name, #function) == 0) return (PFN_vkVoidFunction)slow_##function;
    SLOW(OWN)
#undef OWN
    return below.get_device_proc(device, name);
}

static VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL get_instance_proc(VkInstance instance, const char *name)
{
    if (strcmp(name, "vkGetInstanceProcAddr") == 0) return (PFN_vkVoidFunction)get_instance_proc;
    if (strcmp(name, "vkCreateInstance") == 0) return (PFN_vkVoidFunction)create_instance;
    if (strcmp(name, "vkCreateDevice") == 0) return (PFN_vkVoidFunction)create_device;
    if (strcmp(name, "vkGetDeviceProcAddr") == 0) return (PFN_vkVoidFunction)get_device_proc;
    return instance ? below.get_instance_proc(instance, name) : NULL;
}

// The one function that the library shows: the loader asks what we implement.
VK_LAYER_EXPORT VKAPI_ATTR VkResult VKAPI_CALL
vkNegotiateLoaderLayerInterfaceVersion(VkNegotiateLayerInterface *interface);

VkResult vkNegotiateLoaderLayerInterfaceVersion(VkNegotiateLayerInterface *interface)
{
    static atomic_bool watched;
    if (!atomic_exchange(&watched, true)) {
        check(atexit(end) == 0, "late layer: no host memory\n");
    }
    interface->loaderLayerInterfaceVersion = 2;
    interface->pfnGetInstanceProcAddr = get_instance_proc;
    interface->pfnGetDeviceProcAddr = get_device_proc;
    interface->pfnGetPhysicalDeviceProcAddr = NULL;
    return VK_SUCCESS;
}
