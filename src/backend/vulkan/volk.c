// The way into Vulkan: volk itself, the one instance that all devices share, and the names of results.
// volk keeps its entry points in process-wide variables, so the instance is process-wide as well. Once made it stays
// until the library is unloaded: an NVIDIA driver (580.159) that is loaded and unloaded again and again is not found
// any more from the 15th time on. Where no device was found nothing stays, and the next user looks again. A child of
// fork leaves its parent's instance alone and makes its own. Any thread; `shared.lock` guards making and destroying, in
// sections that no fork cuts in two.
#include "backend/vulkan/vulkan.h"

#include "base/error.h"
#include "base/process.h"

#include <dlfcn.h>
#include <pthread.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define HAVE_LSAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAVE_LSAN 1
#endif
#endif
#ifdef HAVE_LSAN
#include <sanitizer/lsan_interface.h>
#endif

// Compiled here, once: Debian ships volk as source.
#include <volk.c>

// The one variable of this backend. Nothing of it but `users`, nor of volk's, changes while there is an instance, so
// whoever holds the instance may read them without the lock.
static struct {
    pthread_mutex_t lock;
    uint32_t users;      // that hold the instance
    uint32_t generation; // of the process that it was made in (base/process.h)
    bool has_labels;     // the instance has VK_EXT_debug_utils
    uint32_t version;    // of Vulkan, that the instance was created for
    void *loader;        // of dlopen; there while there is an instance
    VkInstance instance; // VK_NULL_HANDLE until a driver was found
} shared = {.lock = PTHREAD_MUTEX_INITIALIZER};

// Does the loader or a driver offer debug labels? Lack of memory counts as no.
static bool offers_labels(void)
{
    VkExtensionProperties extensions[128];
    uint32_t count = sizeof extensions / sizeof extensions[0];
    VkResult result = vkEnumerateInstanceExtensionProperties(NULL, &count, extensions);
    if (result != VK_SUCCESS && result != VK_INCOMPLETE) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (strcmp(extensions[i].extensionName, VK_EXT_DEBUG_UTILS_EXTENSION_NAME) == 0) {
            return true;
        }
    }
    return false;
}

// Not by volkInitialize, which never gives the loader back. False: there is none.
static bool open_loader(void)
{
    shared.loader = dlopen("libvulkan.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!shared.loader) {
        shared.loader = dlopen("libvulkan.so", RTLD_NOW | RTLD_LOCAL);
    }
    void *symbol = shared.loader ? dlsym(shared.loader, "vkGetInstanceProcAddr") : NULL;
    if (!symbol) {
        return false;
    }
    PFN_vkGetInstanceProcAddr entry;
    memcpy(&entry, &symbol, sizeof entry); // ISO C has no cast from object to function pointers
    volkInitializeCustom(entry);
    return true;
}

static void close_loader(void)
{
    if (shared.loader) {
        dlclose(shared.loader);
        shared.loader = NULL;
    }
}

// Has drivers find their devices: where LeakSanitizer does not look, for lavapipe (Mesa 22.3) leaves 128 bytes behind when it first does, and
// once it is unloaded they have no owner to suppress. False: there is none.
static bool find_devices(VkInstance instance)
{
    uint32_t count = 0;
#ifdef HAVE_LSAN
    __lsan_disable();
#endif
    VkResult result = vkEnumeratePhysicalDevices(instance, &count, NULL);
#ifdef HAVE_LSAN
    __lsan_enable();
#endif
    // What the loader (1.3.239) says where each driver has none; of another error those are told who ask next.
    return result != VK_ERROR_INITIALIZATION_FAILED && (result != VK_SUCCESS || count > 0);
}

// Creates the instance for a loader that is there; `shared.lock` is held.
static fm_status create_instance(void)
{
    uint32_t version = volkGetInstanceVersion();
    if (version < VK_API_VERSION_1_2) {
        return FM_OK;
    }
    shared.version = version >= VK_API_VERSION_1_3 ? VK_API_VERSION_1_3 : VK_API_VERSION_1_2;
    shared.has_labels = offers_labels();
    VkApplicationInfo application = {
        .sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
        .pEngineName = "Fermata",
        .apiVersion = shared.version,
    };
    VkInstanceCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
        .pApplicationInfo = &application,
        .enabledExtensionCount = shared.has_labels ? 1 : 0,
        .ppEnabledExtensionNames = (const char *const[]){VK_EXT_DEBUG_UTILS_EXTENSION_NAME},
    };
    VkInstance instance = VK_NULL_HANDLE;
    VkResult result = vkCreateInstance(&info, NULL, &instance);
    // Both mean that no installed driver found its device.
    if (result == VK_ERROR_INCOMPATIBLE_DRIVER || result == VK_ERROR_INITIALIZATION_FAILED) {
        return FM_OK;
    }
    if (result != VK_SUCCESS) {
        return fmi_vulkan_fail(NULL, result, "vkCreateInstance", "starting Vulkan");
    }
    volkLoadInstanceOnly(instance);
    if (find_devices(instance)) {
        shared.instance = instance;
    } else { // the driver of a card that is not there: the next user looks for others
        vkDestroyInstance(instance, NULL);
    }
    return FM_OK;
}

// The first user: loads Vulkan. No loader, no driver, or only old ones: FM_OK and no instance.
static fm_status start(void)
{
    fm_status status = open_loader() ? create_instance() : FM_OK;
    if (!shared.instance) {
        close_loader();
    }
    return status;
}

fm_status fmi_vulkan_instance_hold(VkInstance *out)
{
    fm_status status = FM_OK;
    fmi_process_enter();
    pthread_mutex_lock(&shared.lock);
    if (shared.generation != fmi_process_generation()) {
        // The parent's instance and its reference to the loader: not even given back, for the driver's threads are not
        // here.
        shared.instance = VK_NULL_HANDLE;
        shared.users = 0;
        shared.generation = fmi_process_generation();
    }
    if (!shared.instance) {
        status = start();
    }
    *out = shared.instance;
    shared.users += shared.instance != VK_NULL_HANDLE;
    pthread_mutex_unlock(&shared.lock);
    fmi_process_leave();
    return status;
}

void fmi_vulkan_instance_release(void)
{
    fmi_process_enter();
    pthread_mutex_lock(&shared.lock);
    shared.users--; // the instance stays: see above
    pthread_mutex_unlock(&shared.lock);
    fmi_process_leave();
}

// When the library is unloaded from a process that goes on. Who unloads it has closed its devices.
static void __attribute__((destructor)) end(void)
{
    if (shared.instance && shared.users == 0 && shared.generation == fmi_process_generation() &&
        fmi_process_goes_on()) {
        vkDestroyInstance(shared.instance, NULL);
        shared.instance = VK_NULL_HANDLE;
        close_loader();
    }
}

bool fmi_vulkan_instance_has_labels(void)
{
    return shared.has_labels;
}

uint32_t fmi_vulkan_instance_version(void)
{
    return shared.version;
}

const char *fmi_vulkan_result_name(VkResult result)
{
    switch (result) {
#define CASE(name)                                                                                                     \
    case name: return #name;
        CASE(VK_SUCCESS)
        CASE(VK_NOT_READY)
        CASE(VK_TIMEOUT)
        CASE(VK_EVENT_SET)
        CASE(VK_EVENT_RESET)
        CASE(VK_INCOMPLETE)
        CASE(VK_ERROR_OUT_OF_HOST_MEMORY)
        CASE(VK_ERROR_OUT_OF_DEVICE_MEMORY)
        CASE(VK_ERROR_INITIALIZATION_FAILED)
        CASE(VK_ERROR_DEVICE_LOST)
        CASE(VK_ERROR_MEMORY_MAP_FAILED)
        CASE(VK_ERROR_LAYER_NOT_PRESENT)
        CASE(VK_ERROR_EXTENSION_NOT_PRESENT)
        CASE(VK_ERROR_FEATURE_NOT_PRESENT)
        CASE(VK_ERROR_INCOMPATIBLE_DRIVER)
        CASE(VK_ERROR_TOO_MANY_OBJECTS)
        CASE(VK_ERROR_FORMAT_NOT_SUPPORTED)
        CASE(VK_ERROR_FRAGMENTED_POOL)
        CASE(VK_ERROR_UNKNOWN)
        CASE(VK_ERROR_OUT_OF_POOL_MEMORY)
        CASE(VK_ERROR_INVALID_EXTERNAL_HANDLE)
        CASE(VK_ERROR_FRAGMENTATION)
        CASE(VK_ERROR_INVALID_OPAQUE_CAPTURE_ADDRESS)
        CASE(VK_PIPELINE_COMPILE_REQUIRED)
        CASE(VK_ERROR_VALIDATION_FAILED_EXT)
        CASE(VK_ERROR_INVALID_SHADER_NV)
        CASE(VK_ERROR_NOT_PERMITTED_KHR)
#undef CASE
    default: return "an unknown VkResult";
    }
}

static fm_status status_of(VkResult result)
{
    switch (result) {
    case VK_ERROR_DEVICE_LOST: return FM_ERROR_DEVICE_LOST;
    case VK_ERROR_OUT_OF_HOST_MEMORY: return FM_ERROR_OUT_OF_HOST_MEMORY;
    case VK_ERROR_OUT_OF_DEVICE_MEMORY:
    case VK_ERROR_OUT_OF_POOL_MEMORY:
    case VK_ERROR_FRAGMENTED_POOL:
    case VK_ERROR_FRAGMENTATION:
    case VK_ERROR_TOO_MANY_OBJECTS: return FM_ERROR_OUT_OF_MEMORY;
    case VK_ERROR_INVALID_SHADER_NV: return FM_ERROR_COMPILE;
    case VK_ERROR_FEATURE_NOT_PRESENT:
    case VK_ERROR_EXTENSION_NOT_PRESENT: return FM_ERROR_UNSUPPORTED;
    default: return FM_ERROR_BACKEND;
    }
}

fm_status fmi_vulkan_fail(fmi_backend *backend, VkResult result, const char *call, const char *purpose)
{
    if (backend && result == VK_ERROR_DEVICE_LOST) {
        atomic_store_explicit(&backend->lost, true, memory_order_relaxed);
    }
    return fmi_fail(status_of(result), "%s answered %s (%d) while %s%s%s", call, fmi_vulkan_result_name(result),
                    (int)result, purpose, backend ? " on " : "", backend ? backend->name : "");
}
