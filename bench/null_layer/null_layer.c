// VK_LAYER_FERMATA_null: a Vulkan layer that drops what is recorded into command buffers, written into descriptors and submitted
// to queues. What remains is the CPU time of whoever calls Vulkan, without its driver's. Memory, pipelines, semaphores, and the
// begin, end and reset of command buffers stay real. Nothing computes, so nothing can be verified.
// Dropped are compute and transfer commands, barriers, binds and debug labels; queries and rendering pass through. A submit that
// only signals timeline semaphores becomes these signals, at once; any other reaches the driver with its empty command buffers, so
// one timeline must not see both.
// Notes when command buffers were last begun, ended and submitted, for whoever finds `fermata_null_marks` in the library.
// Any number of instances and devices, on any thread: `links.lock` guards the two maps, which creation, destruction, look-ups by
// name and submits use. A dropped command touches nothing at all.
#include <vulkan/vk_layer.h>
#include <vulkan/vulkan.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

// The next layer's entry points for one instance or device. Dispatchable handles start with a pointer to the loader's dispatch
// table; a physical device shares its instance's, queues and command buffers their device's.
typedef struct link {
    struct link *next;
    const void *key;     // that pointer
    VkInstance instance; // these three of an instance's link
    PFN_vkGetInstanceProcAddr get_instance_proc;
    PFN_vkDestroyInstance destroy_instance; // asked for at creation: later the loader answers with the first layer's
    VkDevice device;                        // these seven of a device's link
    PFN_vkGetDeviceProcAddr get_device_proc;
    PFN_vkDestroyDevice destroy_device;
    PFN_vkBeginCommandBuffer begin_commands;
    PFN_vkEndCommandBuffer end_commands;
    PFN_vkQueueSubmit queue_submit;
    PFN_vkSignalSemaphore signal_semaphore; // NULL below Vulkan 1.2
} link;

// Process-wide, since a layer is: the loader hands in nothing of ours that could carry it.
static struct {
    pthread_mutex_t lock; // guards the two below
    link *instances;
    link *devices;
} links = {.lock = PTHREAD_MUTEX_INITIALIZER};

// Times on CLOCK_MONOTONIC; relaxed. The same in null_driver.h.
typedef struct null_marks {
    _Atomic(uint64_t) begin_ns;     // vkBeginCommandBuffer, on the way in
    _Atomic(uint64_t) end_ns;       // vkEndCommandBuffer, on the way out
    _Atomic(uint64_t) submitted_ns; // vkQueueSubmit, on the way out
} null_marks;

VK_LAYER_EXPORT null_marks fermata_null_marks;

static void mark(_Atomic(uint64_t) *what)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    atomic_store_explicit(what, (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec, memory_order_relaxed);
}

static const void *key_of(const void *dispatchable)
{
    return *(const void *const *)dispatchable;
}

static void add_link(link **list, link *item)
{
    pthread_mutex_lock(&links.lock);
    item->next = *list;
    *list = item;
    pthread_mutex_unlock(&links.lock);
}

// Copies a handle's link. False: the handle is not one of ours.
static bool find_link(link *const *list, const void *dispatchable, link *out)
{
    bool found = false;
    pthread_mutex_lock(&links.lock);
    for (const link *item = *list; item && !found; item = item->next) {
        if (item->key == key_of(dispatchable)) {
            *out = *item;
            found = true;
        }
    }
    pthread_mutex_unlock(&links.lock);
    return found;
}

// Takes a handle's link out; the caller frees it.
static link *remove_link(link **list, const void *dispatchable)
{
    pthread_mutex_lock(&links.lock);
    while (*list && (*list)->key != key_of(dispatchable)) {
        list = &(*list)->next;
    }
    link *item = *list;
    if (item) {
        *list = item->next;
    }
    pthread_mutex_unlock(&links.lock);
    return item;
}

// What is dropped: X(name, parameters). The bodies are empty.
#define DROPPED(X)                                                                                                     \
    X(vkCmdBindPipeline, (VkCommandBuffer c, VkPipelineBindPoint p, VkPipeline l))                                     \
    X(vkCmdBindDescriptorSets, (VkCommandBuffer c, VkPipelineBindPoint p, VkPipelineLayout l, uint32_t f, uint32_t n,  \
                                const VkDescriptorSet *s, uint32_t m, const uint32_t *o))                              \
    X(vkCmdPushConstants,                                                                                              \
      (VkCommandBuffer c, VkPipelineLayout l, VkShaderStageFlags f, uint32_t o, uint32_t n, const void *v))            \
    X(vkCmdPushDescriptorSetKHR, (VkCommandBuffer c, VkPipelineBindPoint p, VkPipelineLayout l, uint32_t s,            \
                                  uint32_t n, const VkWriteDescriptorSet *w))                                          \
    X(vkCmdPushDescriptorSetWithTemplateKHR,                                                                           \
      (VkCommandBuffer c, VkDescriptorUpdateTemplate t, VkPipelineLayout l, uint32_t s, const void *d))                \
    X(vkCmdDispatch, (VkCommandBuffer c, uint32_t x, uint32_t y, uint32_t z))                                          \
    X(vkCmdDispatchBase, (VkCommandBuffer c, uint32_t i, uint32_t j, uint32_t k, uint32_t x, uint32_t y, uint32_t z))  \
    X(vkCmdDispatchIndirect, (VkCommandBuffer c, VkBuffer b, VkDeviceSize o))                                          \
    X(vkCmdPipelineBarrier, (VkCommandBuffer c, VkPipelineStageFlags s, VkPipelineStageFlags d, VkDependencyFlags f,   \
                             uint32_t n, const VkMemoryBarrier *m, uint32_t j, const VkBufferMemoryBarrier *b,         \
                             uint32_t k, const VkImageMemoryBarrier *i))                                               \
    X(vkCmdPipelineBarrier2, (VkCommandBuffer c, const VkDependencyInfo *i))                                           \
    X(vkCmdCopyBuffer, (VkCommandBuffer c, VkBuffer s, VkBuffer d, uint32_t n, const VkBufferCopy *r))                 \
    X(vkCmdCopyBuffer2, (VkCommandBuffer c, const VkCopyBufferInfo2 *i))                                               \
    X(vkCmdFillBuffer, (VkCommandBuffer c, VkBuffer b, VkDeviceSize o, VkDeviceSize n, uint32_t v))                    \
    X(vkCmdUpdateBuffer, (VkCommandBuffer c, VkBuffer b, VkDeviceSize o, VkDeviceSize n, const void *v))               \
    X(vkCmdBeginDebugUtilsLabelEXT, (VkCommandBuffer c, const VkDebugUtilsLabelEXT *l))                                \
    X(vkCmdInsertDebugUtilsLabelEXT, (VkCommandBuffer c, const VkDebugUtilsLabelEXT *l))                               \
    X(vkCmdEndDebugUtilsLabelEXT, (VkCommandBuffer c))                                                                 \
    X(vkUpdateDescriptorSets,                                                                                          \
      (VkDevice d, uint32_t n, const VkWriteDescriptorSet *w, uint32_t m, const VkCopyDescriptorSet *c))               \
    X(vkUpdateDescriptorSetWithTemplate, (VkDevice d, VkDescriptorSet s, VkDescriptorUpdateTemplate t, const void *v))

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"
#define DROP(name, parameters)                                                                                         \
    static VKAPI_ATTR void VKAPI_CALL drop_##name parameters                                                           \
    {                                                                                                                  \
    }
DROPPED(DROP)
#undef DROP
#pragma GCC diagnostic pop

typedef struct named_function {
    const char *name;
    PFN_vkVoidFunction function;
} named_function;

static const named_function dropped[] = {
#define NAME(name, parameters) {#name, (PFN_vkVoidFunction)drop_##name},
    DROPPED(NAME)
#undef NAME
    // The names that these had as extensions.
    {"vkCmdDispatchBaseKHR", (PFN_vkVoidFunction)drop_vkCmdDispatchBase},
    {"vkCmdPipelineBarrier2KHR", (PFN_vkVoidFunction)drop_vkCmdPipelineBarrier2},
    {"vkCmdCopyBuffer2KHR", (PFN_vkVoidFunction)drop_vkCmdCopyBuffer2},
    {"vkUpdateDescriptorSetWithTemplateKHR", (PFN_vkVoidFunction)drop_vkUpdateDescriptorSetWithTemplate},
};

// The loader's note of what stands below us, which we move on for the next layer; NULL if it is missing.
static VkLayerInstanceCreateInfo *instance_note(const VkInstanceCreateInfo *info)
{
    // The loader passes the chain as const and expects its own note to be written to.
    VkLayerInstanceCreateInfo *note = (VkLayerInstanceCreateInfo *)(uintptr_t)info->pNext;
    while (note &&
           (note->sType != VK_STRUCTURE_TYPE_LOADER_INSTANCE_CREATE_INFO || note->function != VK_LAYER_LINK_INFO)) {
        note = (VkLayerInstanceCreateInfo *)(uintptr_t)note->pNext;
    }
    return note;
}

static VkLayerDeviceCreateInfo *device_note(const VkDeviceCreateInfo *info)
{
    VkLayerDeviceCreateInfo *note = (VkLayerDeviceCreateInfo *)(uintptr_t)info->pNext;
    while (note &&
           (note->sType != VK_STRUCTURE_TYPE_LOADER_DEVICE_CREATE_INFO || note->function != VK_LAYER_LINK_INFO)) {
        note = (VkLayerDeviceCreateInfo *)(uintptr_t)note->pNext;
    }
    return note;
}

static VKAPI_ATTR VkResult VKAPI_CALL create_instance(const VkInstanceCreateInfo *info,
                                                      const VkAllocationCallbacks *allocator, VkInstance *out)
{
    VkLayerInstanceCreateInfo *note = instance_note(info);
    if (!note) {
        return VK_ERROR_INITIALIZATION_FAILED;
    }
    link *item = calloc(1, sizeof *item);
    if (!item) {
        return VK_ERROR_OUT_OF_HOST_MEMORY;
    }
    item->get_instance_proc = note->u.pLayerInfo->pfnNextGetInstanceProcAddr;
    note->u.pLayerInfo = note->u.pLayerInfo->pNext;
    PFN_vkCreateInstance create = (PFN_vkCreateInstance)item->get_instance_proc(VK_NULL_HANDLE, "vkCreateInstance");
    VkResult result = create ? create(info, allocator, out) : VK_ERROR_INITIALIZATION_FAILED;
    if (result != VK_SUCCESS) {
        free(item);
        return result;
    }
    item->key = key_of(*out);
    item->instance = *out;
    item->destroy_instance = (PFN_vkDestroyInstance)item->get_instance_proc(*out, "vkDestroyInstance");
    add_link(&links.instances, item);
    return VK_SUCCESS;
}

static VKAPI_ATTR void VKAPI_CALL destroy_instance(VkInstance instance, const VkAllocationCallbacks *allocator)
{
    link *item = instance ? remove_link(&links.instances, instance) : NULL;
    if (!item) {
        return;
    }
    item->destroy_instance(instance, allocator);
    free(item);
}

static VKAPI_ATTR VkResult VKAPI_CALL create_device(VkPhysicalDevice physical, const VkDeviceCreateInfo *info,
                                                    const VkAllocationCallbacks *allocator, VkDevice *out)
{
    VkLayerDeviceCreateInfo *note = device_note(info);
    link of_instance;
    if (!note || !find_link(&links.instances, physical, &of_instance)) {
        return VK_ERROR_INITIALIZATION_FAILED;
    }
    link *item = calloc(1, sizeof *item);
    if (!item) {
        return VK_ERROR_OUT_OF_HOST_MEMORY;
    }
    item->get_device_proc = note->u.pLayerInfo->pfnNextGetDeviceProcAddr;
    PFN_vkGetInstanceProcAddr below = note->u.pLayerInfo->pfnNextGetInstanceProcAddr;
    note->u.pLayerInfo = note->u.pLayerInfo->pNext;
    PFN_vkCreateDevice create = (PFN_vkCreateDevice)below(of_instance.instance, "vkCreateDevice");
    VkResult result = create ? create(physical, info, allocator, out) : VK_ERROR_INITIALIZATION_FAILED;
    if (result != VK_SUCCESS) {
        free(item);
        return result;
    }
    item->key = key_of(*out);
    item->device = *out;
    item->destroy_device = (PFN_vkDestroyDevice)item->get_device_proc(*out, "vkDestroyDevice");
    item->begin_commands = (PFN_vkBeginCommandBuffer)item->get_device_proc(*out, "vkBeginCommandBuffer");
    item->end_commands = (PFN_vkEndCommandBuffer)item->get_device_proc(*out, "vkEndCommandBuffer");
    item->queue_submit = (PFN_vkQueueSubmit)item->get_device_proc(*out, "vkQueueSubmit");
    item->signal_semaphore = (PFN_vkSignalSemaphore)item->get_device_proc(*out, "vkSignalSemaphore");
    add_link(&links.devices, item);
    return VK_SUCCESS;
}

static VKAPI_ATTR void VKAPI_CALL destroy_device(VkDevice device, const VkAllocationCallbacks *allocator)
{
    link *item = device ? remove_link(&links.devices, device) : NULL;
    if (!item) {
        return;
    }
    item->destroy_device(device, allocator);
    free(item);
}

// The values that a submit gives to its timeline semaphores, one or more; NULL: it does something else as well. Values of 0 are
// taken for binary semaphores'.
static const uint64_t *values_signalled(const VkSubmitInfo *info)
{
    const VkTimelineSemaphoreSubmitInfo *values = info->pNext;
    bool signals = values && values->sType == VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO && !values->pNext &&
                   info->waitSemaphoreCount == 0 && info->signalSemaphoreCount > 0 &&
                   values->signalSemaphoreValueCount == info->signalSemaphoreCount;
    for (uint32_t i = 0; signals && i < info->signalSemaphoreCount; i++) {
        signals = values->pSignalSemaphoreValues[i] > 0;
    }
    return signals ? values->pSignalSemaphoreValues : NULL;
}

static VKAPI_ATTR VkResult VKAPI_CALL begin_commands(VkCommandBuffer commands, const VkCommandBufferBeginInfo *info)
{
    mark(&fermata_null_marks.begin_ns);
    link item;
    return find_link(&links.devices, commands, &item) ? item.begin_commands(commands, info) : VK_ERROR_DEVICE_LOST;
}

static VKAPI_ATTR VkResult VKAPI_CALL end_commands(VkCommandBuffer commands)
{
    link item;
    VkResult result = find_link(&links.devices, commands, &item) ? item.end_commands(commands) : VK_ERROR_DEVICE_LOST;
    mark(&fermata_null_marks.end_ns);
    return result;
}

static VkResult submit(VkQueue queue, uint32_t count, const VkSubmitInfo *infos, VkFence fence)
{
    link item;
    if (!find_link(&links.devices, queue, &item)) {
        return VK_ERROR_DEVICE_LOST;
    }
    const uint64_t *values = count == 1 && !fence && item.signal_semaphore ? values_signalled(infos) : NULL;
    if (!values) {
        return item.queue_submit(queue, count, infos, fence);
    }
    VkResult result = VK_SUCCESS;
    for (uint32_t i = 0; i < infos->signalSemaphoreCount && result == VK_SUCCESS; i++) {
        VkSemaphoreSignalInfo signal = {
            .sType = VK_STRUCTURE_TYPE_SEMAPHORE_SIGNAL_INFO,
            .semaphore = infos->pSignalSemaphores[i],
            .value = values[i],
        };
        result = item.signal_semaphore(item.device, &signal);
    }
    return result;
}

static VKAPI_ATTR VkResult VKAPI_CALL queue_submit(VkQueue queue, uint32_t count, const VkSubmitInfo *infos,
                                                   VkFence fence)
{
    VkResult result = submit(queue, count, infos, fence);
    mark(&fermata_null_marks.submitted_ns);
    return result;
}

static PFN_vkVoidFunction find_name(const named_function *functions, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(name, functions[i].name) == 0) {
            return functions[i].function;
        }
    }
    return NULL;
}

static VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL get_device_proc(VkDevice device, const char *name)
{
    static const named_function own[] = {
        {"vkGetDeviceProcAddr", (PFN_vkVoidFunction)get_device_proc},
        {"vkDestroyDevice", (PFN_vkVoidFunction)destroy_device},
        {"vkBeginCommandBuffer", (PFN_vkVoidFunction)begin_commands},
        {"vkEndCommandBuffer", (PFN_vkVoidFunction)end_commands},
        {"vkQueueSubmit", (PFN_vkVoidFunction)queue_submit},
    };
    PFN_vkVoidFunction found = find_name(own, sizeof own / sizeof own[0], name);
    link item;
    if (found || !find_link(&links.devices, device, &item)) {
        return found;
    }
    // Only where there is one below: a command that the device lacks stays absent.
    PFN_vkVoidFunction below = item.get_device_proc(device, name);
    found = below ? find_name(dropped, sizeof dropped / sizeof dropped[0], name) : NULL;
    return found ? found : below;
}

static VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL get_instance_proc(VkInstance instance, const char *name)
{
    static const named_function own[] = {
        {"vkGetInstanceProcAddr", (PFN_vkVoidFunction)get_instance_proc},
        {"vkCreateInstance", (PFN_vkVoidFunction)create_instance},
        {"vkDestroyInstance", (PFN_vkVoidFunction)destroy_instance},
        {"vkCreateDevice", (PFN_vkVoidFunction)create_device},
        {"vkGetDeviceProcAddr", (PFN_vkVoidFunction)get_device_proc},
        {"vkDestroyDevice", (PFN_vkVoidFunction)destroy_device},
        {"vkBeginCommandBuffer", (PFN_vkVoidFunction)begin_commands},
        {"vkEndCommandBuffer", (PFN_vkVoidFunction)end_commands},
        {"vkQueueSubmit", (PFN_vkVoidFunction)queue_submit},
    };
    PFN_vkVoidFunction found = find_name(own, sizeof own / sizeof own[0], name);
    link item;
    if (found || !instance || !find_link(&links.instances, instance, &item)) {
        return found;
    }
    PFN_vkVoidFunction below = item.get_instance_proc(instance, name);
    found = below ? find_name(dropped, sizeof dropped / sizeof dropped[0], name) : NULL;
    return found ? found : below;
}

// The one function that the library shows: the loader asks what we implement.
VK_LAYER_EXPORT VKAPI_ATTR VkResult VKAPI_CALL
vkNegotiateLoaderLayerInterfaceVersion(VkNegotiateLayerInterface *interface);

VkResult vkNegotiateLoaderLayerInterfaceVersion(VkNegotiateLayerInterface *interface)
{
    if (interface->sType != LAYER_NEGOTIATE_INTERFACE_STRUCT || interface->loaderLayerInterfaceVersion < 2) {
        return VK_ERROR_INITIALIZATION_FAILED;
    }
    interface->loaderLayerInterfaceVersion = 2;
    interface->pfnGetInstanceProcAddr = get_instance_proc;
    interface->pfnGetDeviceProcAddr = get_device_proc;
    interface->pfnGetPhysicalDeviceProcAddr = NULL; // nothing of a physical device's is changed
    return VK_SUCCESS;
}
