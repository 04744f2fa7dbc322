// Devices: open with exactly the features that the other files use, describe, close. The table of the backend is in gate.c.
// Any thread for open; close runs alone. The instance is shared and lives in volk.c; what a device offers is asked in
// offer.c. What the loader and drivers have for the whole process is made and destroyed here and in kernel.c, in
// sections that no fork cuts in two (base/process.h).
#include "backend/vulkan/vulkan.h"

#include "base/error.h"
#include "base/hash.h"
#include "base/process.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { USUAL_QUEUES = 3 }; // one for short work, two for long; more native queues share the device's time without gain

static uint64_t min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint32_t dtype_mask(const fmi_vulkan_offer *offer)
{
    uint32_t mask = 1u << FM_DTYPE_F32 | 1u << FM_DTYPE_I32 | 1u << FM_DTYPE_U32;
    if (offer->features11.storageBuffer16BitAccess && offer->features12.shaderFloat16) {
        mask |= 1u << FM_DTYPE_F16;
    }
    if (offer->features12.storageBuffer8BitAccess && offer->features12.shaderInt8) {
        mask |= 1u << FM_DTYPE_I8 | 1u << FM_DTYPE_U8;
    }
    if (offer->features11.storageBuffer16BitAccess) {
        mask |= 1u << FM_DTYPE_BF16;
    }
    if (offer->features.shaderInt64) {
        mask |= 1u << FM_DTYPE_I64 | 1u << FM_DTYPE_U64;
    }
    if (offer->features.shaderFloat64) {
        mask |= 1u << FM_DTYPE_F64;
    }
    return mask;
}

static uint32_t atomics(const fmi_vulkan_offer *offer)
{
    return (offer->features12.shaderBufferInt64Atomics ? FMI_ATOMIC_INT64 : 0u) |
           (offer->features12.shaderSharedInt64Atomics ? FMI_ATOMIC_SHARED_INT64 : 0u) |
           (offer->float_add ? FMI_ATOMIC_FLOAT : 0u) | (offer->shared_float_add ? FMI_ATOMIC_SHARED_FLOAT : 0u);
}

// Modes that can be asked for in one width alone.
static uint32_t float_modes(const fmi_vulkan_offer *offer)
{
    const VkPhysicalDeviceFloatControlsProperties *floats = &offer->floats;
    bool denorms_apart = floats->denormBehaviorIndependence != VK_SHADER_FLOAT_CONTROLS_INDEPENDENCE_NONE;
    bool rounding_apart = floats->roundingModeIndependence == VK_SHADER_FLOAT_CONTROLS_INDEPENDENCE_ALL;
    return (floats->shaderSignedZeroInfNanPreserveFloat32 ? FMI_FLOAT_NAN : 0u) |
           (floats->shaderSignedZeroInfNanPreserveFloat64 ? FMI_FLOAT_WIDE_NAN : 0u) |
           (floats->shaderDenormPreserveFloat32 && denorms_apart ? FMI_FLOAT_SUBNORMALS : 0u) |
           (floats->shaderRoundingModeRTEFloat16 && rounding_apart ? FMI_FLOAT_ROUNDS_HALF : 0u);
}

// 1 where compute shaders lack one of the operations that kernels use.
static uint32_t subgroup_size(const fmi_vulkan_offer *offer)
{
    const VkSubgroupFeatureFlags needed =
        VK_SUBGROUP_FEATURE_BASIC_BIT | VK_SUBGROUP_FEATURE_ARITHMETIC_BIT | VK_SUBGROUP_FEATURE_BALLOT_BIT;
    bool has_all = (offer->subgroup.supportedStages & VK_SHADER_STAGE_COMPUTE_BIT) &&
                   (offer->subgroup.supportedOperations & needed) == needed;
    return has_all ? offer->subgroup.subgroupSize : 1;
}

// Size of the heap that device-kind blocks come from.
static uint64_t memory_bytes(const fmi_backend *backend)
{
    VkPhysicalDeviceMemoryProperties memory;
    vkGetPhysicalDeviceMemoryProperties(backend->physical, &memory);
    return memory.memoryHeaps[memory.memoryTypes[backend->memory_type[FMI_VULKAN_FOR_DEVICE]].heapIndex].size;
}

// `chosen`: the mode is choose_binding_mode's, not the caller's.
static void describe(const fmi_backend *backend, const fmi_vulkan_offer *offer, fm_binding_mode binding_mode,
                     bool chosen, fmi_backend_caps *out)
{
    const VkPhysicalDeviceLimits *limits = &offer->properties.limits;
    *out = (fmi_backend_caps){
        .kind = fmi_vulkan_kind_of(offer->properties.deviceType),
        .memory_bytes = memory_bytes(backend),
        .queue_count = backend->queue_count,
        .max_binding_bytes = limits->maxStorageBufferRange,
        .max_block_bytes = backend->max_block_bytes,
        .binding_alignment_bytes = backend->argument_alignment_bytes,
        .import_alignment_bytes = backend->import_alignment_bytes,
        .import_step_bytes = backend->import_alignment_bytes,
        .group_count_mask = backend->group_count_mask,
        .max_group_invocations = limits->maxComputeWorkGroupInvocations,
        .max_shared_bytes = limits->maxComputeSharedMemorySize,
        .max_push_constants_bytes = backend->max_push_bytes,
        .dtype_mask = dtype_mask(offer),
        .atomics = atomics(offer),
        .float_modes = float_modes(offer),
        .most_loop_trips = backend->most_trips,
        .subgroup_size = subgroup_size(offer),
        .binding_mode = binding_mode,
        .addresses_large_bindings = chosen && binding_mode == FM_BINDING_DESCRIPTORS && backend->has_addresses,
        .code_kind = FMI_CODE_SPIRV,
        .on_cpu = offer->properties.deviceType == VK_PHYSICAL_DEVICE_TYPE_CPU,
        .ends_at_exit = true,
        .driver_version = offer->properties.driverVersion,
    };
    memcpy(out->max_group_size, limits->maxComputeWorkGroupSize, sizeof out->max_group_size);
    memcpy(out->max_group_count, backend->max_group_count, sizeof out->max_group_count);
    memcpy(out->device_uuid, offer->id.deviceUUID, sizeof out->device_uuid);
    snprintf(out->description, sizeof out->description, "%s", offer->properties.deviceName);
}

enum { MOST_EXTENSIONS = 4 };

static uint32_t choose_extensions(const fmi_vulkan_offer *offer, const char *out[MOST_EXTENSIONS])
{
    uint32_t count = 0;
    if (offer->push_descriptor) {
        out[count++] = VK_KHR_PUSH_DESCRIPTOR_EXTENSION_NAME;
    }
    if (offer->synchronization2 && offer->synchronization2_ext) {
        out[count++] = VK_KHR_SYNCHRONIZATION_2_EXTENSION_NAME;
    }
    if (offer->atomic_float) {
        out[count++] = VK_EXT_SHADER_ATOMIC_FLOAT_EXTENSION_NAME;
    }
    if (offer->external_memory_host) {
        out[count++] = VK_EXT_EXTERNAL_MEMORY_HOST_EXTENSION_NAME;
    }
    return count;
}

// Creates the device with the features that kernels and submit.c use, as far as they are offered.
static fm_status create_device(fmi_backend *backend, const fmi_vulkan_offer *offer, fm_binding_mode binding_mode)
{
    VkPhysicalDeviceSynchronization2Features synchronization2 = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SYNCHRONIZATION_2_FEATURES,
        .synchronization2 = VK_TRUE,
    };
    VkPhysicalDeviceShaderAtomicFloatFeaturesEXT atomic_float = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_ATOMIC_FLOAT_FEATURES_EXT,
        .pNext = offer->synchronization2 ? &synchronization2 : NULL,
        .shaderBufferFloat32AtomicAdd = offer->float_add,
        .shaderSharedFloat32AtomicAdd = offer->shared_float_add,
    };
    VkPhysicalDeviceVulkan12Features features12 = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES,
        .pNext = offer->atomic_float ? &atomic_float : atomic_float.pNext,
        .shaderBufferInt64Atomics = offer->features12.shaderBufferInt64Atomics,
        .shaderSharedInt64Atomics = offer->features12.shaderSharedInt64Atomics,
        .timelineSemaphore = VK_TRUE,
        .bufferDeviceAddress = offer->features12.bufferDeviceAddress,
        .storageBuffer8BitAccess = offer->features12.storageBuffer8BitAccess,
        .shaderFloat16 = offer->features12.shaderFloat16,
        .shaderInt8 = offer->features12.shaderInt8,
    };
    VkPhysicalDeviceVulkan11Features features11 = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_FEATURES,
        .pNext = &features12,
        .storageBuffer16BitAccess = offer->features11.storageBuffer16BitAccess,
    };
    VkPhysicalDeviceFeatures2 features = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2,
        .pNext = &features11,
        .features =
            {
                .robustBufferAccess = binding_mode == FM_BINDING_DESCRIPTORS && offer->features.robustBufferAccess,
                .shaderFloat64 = offer->features.shaderFloat64,
                .shaderInt64 = offer->features.shaderInt64,
                .shaderInt16 = offer->features.shaderInt16,
            },
    };
    const char *extensions[MOST_EXTENSIONS];
    uint32_t extension_count = choose_extensions(offer, extensions);
    VkDeviceQueueCreateInfo queue = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
        .queueFamilyIndex = backend->queue_family,
        .queueCount = backend->native_queues,
        .pQueuePriorities = (const float[FMI_MOST_QUEUES]){1.0f, 1.0f, 1.0f, 1.0f},
    };
    VkDeviceCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
        .pNext = &features,
        .queueCreateInfoCount = 1,
        .pQueueCreateInfos = &queue,
        .enabledExtensionCount = extension_count,
        .ppEnabledExtensionNames = extensions,
    };
    VkResult result = vkCreateDevice(backend->physical, &info, NULL, &backend->device);
    return result == VK_SUCCESS ? FM_OK : fmi_vulkan_fail(backend, result, "vkCreateDevice", "opening it");
}

// See fmi_backend.group_count_mask.
static uint32_t group_count_mask(const uint32_t limit[3])
{
    uint64_t mask = 1;
    while (mask <= limit[0] && mask <= limit[1] && mask <= limit[2]) {
        mask = mask << 1 | 1;
    }
    return (uint32_t)(mask >> 1);
}

// Fills what follows from the offer alone.
static void adopt(fmi_backend *backend, const fmi_vulkan_offer *offer)
{
    const VkPhysicalDeviceLimits *limits = &offer->properties.limits;
    backend->physical = offer->physical;
    backend->queue_family = offer->queue_family;
    snprintf(backend->name, sizeof backend->name, "%s", offer->properties.deviceName);
    backend->has_addresses = offer->features12.bufferDeviceAddress;
    backend->pushes_descriptors = offer->push_descriptor;
    backend->labels = fmi_vulkan_instance_has_labels();
    backend->vendor_id = offer->properties.vendorID;
    backend->device_id = offer->properties.deviceID;
    memcpy(backend->pipeline_cache_uuid, offer->properties.pipelineCacheUUID, VK_UUID_SIZE);
    backend->max_push_bytes = (uint32_t)min_u64(limits->maxPushConstantsSize, FMI_VULKAN_PUSH_BYTES);
    backend->timestamp_mask = offer->timestamp_bits >= 64 ? UINT64_MAX
                              : offer->timestamp_bits > 0 ? ((uint64_t)1 << offer->timestamp_bits) - 1
                                                          : 0;
    backend->timestamp_period_ns = limits->timestampPeriod;
    memcpy(backend->max_group_count, limits->maxComputeWorkGroupCount, sizeof backend->max_group_count);
    backend->group_count_mask = group_count_mask(backend->max_group_count);
    backend->argument_alignment_bytes = (uint32_t)limits->minStorageBufferOffsetAlignment;
    if (backend->argument_alignment_bytes < 16) {
        backend->argument_alignment_bytes = 16;
    }
    backend->import_alignment_bytes = offer->import_alignment_bytes;
    backend->max_block_bytes = offer->maintenance3.maxMemoryAllocationSize;
    if (offer->maintenance4.maxBufferSize) {
        backend->max_block_bytes = min_u64(backend->max_block_bytes, offer->maintenance4.maxBufferSize);
    }
}

// How many queues there are, and native ones under them. A processor gains nothing from a second one.
static void choose_queues(fmi_backend *backend, const fmi_vulkan_offer *offer, uint32_t asked)
{
    uint32_t usual = backend->on_cpu ? 1 : (uint32_t)min_u64(offer->queue_count, USUAL_QUEUES);
    backend->queue_count = asked ? asked : usual;
    backend->native_queues = (uint32_t)min_u64(backend->queue_count, offer->queue_count);
}

fm_status fmi_vulkan_create_timeline(fmi_backend *backend, VkSemaphore *out)
{
    VkSemaphoreTypeCreateInfo type = {
        .sType = VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO,
        .semaphoreType = VK_SEMAPHORE_TYPE_TIMELINE,
    };
    VkSemaphoreCreateInfo info = {.sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO, .pNext = &type};
    VkResult result = backend->vk.vkCreateSemaphore(backend->device, &info, NULL, out);
    return result == VK_SUCCESS ? FM_OK : fmi_vulkan_fail(backend, result, "vkCreateSemaphore", "opening it");
}

// Loads the device's own entry points and creates its timelines.
static fm_status set_up_queues(fmi_backend *backend, const fmi_vulkan_offer *offer)
{
    volkLoadDeviceTable(&backend->vk, backend->device);
    if (offer->synchronization2) {
        backend->pipeline_barrier2 =
            offer->synchronization2_ext ? backend->vk.vkCmdPipelineBarrier2KHR : backend->vk.vkCmdPipelineBarrier2;
    }
    fm_status status = FM_OK;
    for (uint32_t q = 0; q < backend->queue_count && status == FM_OK; q++) {
        fmi_vulkan_queue *queue = &backend->queues[q];
        backend->vk.vkGetDeviceQueue(backend->device, backend->queue_family, q % backend->native_queues,
                                     &queue->native);
        status = fmi_vulkan_create_timeline(backend, &queue->timeline);
    }
    return status;
}

// A lost device answers an error at once; either way nothing of it runs afterwards.
void fmi_vulkan_quiesce(fmi_backend *backend)
{
    (void)backend->vk.vkDeviceWaitIdle(backend->device);
}

void fmi_vulkan_close(fmi_backend *backend)
{
    if (backend->device) {
        fmi_vulkan_quiesce(backend);
        fmi_process_enter();
        fmi_vulkan_slots_destroy(backend);
        if (backend->mark.native) {
            fmi_vulkan_free_block(backend, &backend->mark);
        }
        if (backend->check_kernel) {
            fmi_vulkan_destroy_kernel(backend, backend->check_kernel);
        }
        for (uint32_t i = 0; i < FMI_VULKAN_TRANSFER_KERNELS; i++) {
            if (backend->transfer_kernels[i]) {
                fmi_vulkan_destroy_kernel(backend, backend->transfer_kernels[i]);
            }
        }
        for (uint32_t q = 0; q < backend->queue_count; q++) {
            backend->vk.vkDestroySemaphore(backend->device, backend->queues[q].timeline, NULL);
        }
        backend->vk.vkDestroyDevice(backend->device, NULL);
        fmi_process_leave();
    }
    free(backend);
    fmi_vulkan_instance_release();
}

// How generated kernels reach memory where the caller leaves it open. A GPU does best with addresses: fewest calls a
// dispatch, and its loads cost the same. A CPU driver loads through descriptors up to 3 times as fast, and never slower
// (docs/performance.md, "Binding modes").
static fm_binding_mode choose_binding_mode(const fmi_backend *backend)
{
    return backend->has_addresses && !backend->on_cpu ? FM_BINDING_ADDRESSES : FM_BINDING_DESCRIPTORS;
}

static fm_status open_device(VkInstance instance, fmi_backend *backend, const char *name,
                             const fmi_backend_settings *settings, fmi_backend_caps *out_caps)
{
    fmi_vulkan_offer offer;
    fm_status status = fmi_vulkan_find(instance, name, &offer);
    if (status != FM_OK) {
        return status;
    }
    adopt(backend, &offer);
    backend->on_cpu = offer.properties.deviceType == VK_PHYSICAL_DEVICE_TYPE_CPU;
    choose_queues(backend, &offer, settings->queues);
    fm_binding_mode binding_mode = settings->binding_mode;
    bool chosen = binding_mode == FM_BINDING_AUTO;
    if (chosen) {
        binding_mode = choose_binding_mode(backend);
    }
    if (binding_mode == FM_BINDING_ADDRESSES && !backend->has_addresses) {
        return fmi_fail(FM_ERROR_UNSUPPORTED, "%s does not offer buffer device addresses; open it with descriptors",
                        backend->name);
    }
    backend->computes_transfers = binding_mode == FM_BINDING_ADDRESSES;
    backend->stores_bytes = offer.features12.storageBuffer8BitAccess;
    status = create_device(backend, &offer, binding_mode);
    if (status == FM_OK) {
        status = set_up_queues(backend, &offer);
    }
    if (status == FM_OK) {
        status = fmi_vulkan_memory_types(backend, offer.properties.deviceType == VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU);
    }
    // Where device and host are the same processor, waiting is enough.
    backend->maps_all_memory = backend->maps[FMI_VULKAN_FOR_DEVICE] && !backend->on_cpu;
    if (status == FM_OK) {
        status = fmi_vulkan_slots_create(backend, settings->batches_in_flight);
    }
    if (status == FM_OK && backend->on_cpu) {
        status = fmi_vulkan_make_mark(backend);
    }
    if (status == FM_OK) {
        const uint8_t *uuid = offer.id.deviceUUID;
        backend->most_trips =
            fmi_vulkan_most_trips(backend, (uint32_t)fmi_hash64(uuid, VK_UUID_SIZE) ^ offer.properties.driverVersion);
        describe(backend, &offer, binding_mode, chosen, out_caps);
    }
    return status;
}

fm_status fmi_vulkan_open(const char *name, const fmi_backend_settings *settings, fmi_backend **out,
                          fmi_backend_caps *out_caps)
{
    *out = NULL;
    VkInstance instance = VK_NULL_HANDLE;
    fm_status status = fmi_vulkan_instance_hold(&instance);
    if (!instance) {
        return status != FM_OK
                   ? status
                   : fmi_fail(FM_ERROR_NO_DEVICE, "there is no Vulkan loader, or no driver of version 1.2 or newer");
    }
    fmi_backend *backend = calloc(1, sizeof *backend);
    if (!backend) {
        fmi_vulkan_instance_release();
        return fmi_fail(FM_ERROR_OUT_OF_HOST_MEMORY, "no host memory is left to open '%s'", name);
    }
    fmi_process_enter();
    status = open_device(instance, backend, name, settings, out_caps);
    fmi_process_leave();
    if (status != FM_OK) {
        fmi_vulkan_close(backend);
        return status;
    }
    *out = backend;
    return FM_OK;
}
