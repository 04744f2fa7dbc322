// Vulkan by hand: the device, memory and kernels that the hand-written floors are made of. It uses nothing of Fermata's.
// It has an instance and a device of its own and calls device functions through a table of its own. Only the loader comes from
// the benchmarks' own copy of volk, and only while a floor opens: floors open one after the other, and may then be used side by side.
// One thread at a time, unless a function says otherwise. Messages go to stderr.
#ifndef FERMATA_BENCH_RAW_VULKAN_H
#define FERMATA_BENCH_RAW_VULKAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <volk.h>

enum { RAW_MOST_QUEUES = 8 };

// An open device with one compute queue or several of one family.
typedef struct raw_vulkan {
    VkInstance instance;
    PFN_vkDestroyInstance destroy_instance;
    VkDevice device;
    uint32_t queue_family;
    VkQueue queue;                   // the first
    VkQueue queues[RAW_MOST_QUEUES]; // each is one thread's at a time
    uint32_t queue_count;
    uint32_t memory_types;        // bit i: type i is visible to the host without flushes
    uint32_t local_memory_types;  // bit i: type i is the device's own
    uint32_t cached_memory_types; // bit i: type i is visible without flushes, and the host reads it through its cache
    VkSemaphore timeline;         // signalled by the floor's submissions
    struct VolkDeviceTable vk;
} raw_vulkan;

// A storage buffer with memory of its own.
typedef struct raw_buffer {
    VkBuffer buffer;
    VkDeviceMemory memory;
    VkDeviceAddress address;
    void *mapped; // NULL: the device's own memory
} raw_buffer;

// A compute pipeline that takes all its arguments, buffer addresses included, in push constants.
typedef struct raw_kernel {
    VkPipelineLayout layout;
    VkPipeline pipeline;
} raw_kernel;

// Opens the physical device number `nth` (from 0) of those that are called `description`, with one queue of the first family that
// computes, as Fermata does.
bool raw_open(raw_vulkan *raw, const char *description, uint32_t nth);

// The same with several queues: RAW_MOST_QUEUES, or what the family has. A family for computing alone is taken before others.
bool raw_open_queues(raw_vulkan *raw, const char *description, uint32_t nth);

// Closes it; zero is allowed. All that was made of it has been destroyed and nothing runs.
void raw_close(raw_vulkan *raw);

// Does the null layer stand between the device's functions and its driver?
bool raw_driver_is_nulled(const raw_vulkan *raw);

// Creates a buffer that the host sees, mapped; its content is undefined. On failure `*out` is zero.
bool raw_buffer_create(const raw_vulkan *raw, uint64_t size_bytes, raw_buffer *out);

// The same in memory that the host is quick to read, where there is such.
bool raw_buffer_create_cached(const raw_vulkan *raw, uint64_t size_bytes, raw_buffer *out);

// The same in the device's own memory, not mapped.
bool raw_buffer_create_local(const raw_vulkan *raw, uint64_t size_bytes, raw_buffer *out);
void raw_buffer_destroy(const raw_vulkan *raw, raw_buffer *buffer);

// Creates a transient pool that is reset as a whole, with one primary command buffer. What was made is the caller's to destroy, also on
// failure: both are null before. Destroying the pool takes the buffer along.
bool raw_commands_create(const raw_vulkan *raw, VkCommandPool *out_pool, VkCommandBuffer *out_commands);

// Compiles GLSL with entry `main`. On failure `*out` is zero.
bool raw_kernel_create(const raw_vulkan *raw, const char *glsl, uint32_t push_bytes, raw_kernel *out);
void raw_kernel_destroy(const raw_vulkan *raw, raw_kernel *kernel);

// Waits until `timeline` has reached `value`, 10 seconds at most.
bool raw_wait(const raw_vulkan *raw, uint64_t value);

// Says on stderr what failed, unless `result` is VK_SUCCESS. Any thread.
bool raw_good(VkResult result, const char *call);

// Compiles GLSL for Vulkan 1.2 to `*out_words`, the caller's to free (raw_glsl.c). Any thread.
bool raw_compile(const char *glsl, uint32_t **out_words, size_t *out_size_bytes);

#endif
