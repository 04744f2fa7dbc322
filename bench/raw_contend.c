// Contenders in Vulkan by hand: every thread records command buffers of its own. See contender.h.
// `vulkan-fence`: one queue under a mutex, a fence a submission, vkWaitForFences: what most programs do. `vulkan-poll`: the same with a
// timeline semaphore a thread, whose counter is polled. `vulkan-2q`, `vulkan-8q`: as vulkan-poll, threads spread over several queues.
// As fast as we know to write it: a command pool a slot that is reset as a whole, the pipeline bound once, the addresses in push
// constants, a barrier only between the links of a chain, device functions called past the loader. Chains of different slots have no
// barrier between them. The device's memory is its own; a mapped buffer beside it is for zeroing and looking.
#include "contender.h"
#include "raw_vulkan.h"
#include "report.h"
#include "watch.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint64_t wait_ns = WATCH_WAIT_S * UINT64_C(1000000000);
static const uint64_t poll_ns = 2000000; // that a wait polls before it blocks

// As the library writes it around the same statements: arguments are read once, into locals.
#define GLSL_START                                                                                                     \
    "#version 460\n"                                                                                                   \
    "#extension GL_EXT_buffer_reference : require\n"                                                                   \
    "layout(local_size_x = 64) in;\n"                                                                                  \
    "layout(buffer_reference, std430, buffer_reference_align = 4) buffer uints { uint at[]; };\n"                      \
    "layout(buffer_reference, std430, buffer_reference_align = 4) writeonly buffer floats { float at[]; };\n"          \
    "layout(buffer_reference, std430, buffer_reference_align = 4) readonly buffer inputs { float at[]; };\n"           \
    "#define local_id gl_LocalInvocationID\n"                                                                          \
    "#define global_id gl_GlobalInvocationID\n"                                                                        \
    "#define group_id gl_WorkGroupID\n"

static const char spin_source[] =
    GLSL_START "layout(push_constant) uniform block { uints p_counters; uint p_iterations; };\n"
               "#define counters r_counters.at\n"
               "void main() {\n"
               "uints r_counters = p_counters;\n"
               "const uint iterations = p_iterations;\n" WORK_SPIN_BODY "}\n";
static const char matmul_source[] = GLSL_START
    "layout(push_constant) uniform block { inputs p_a; inputs p_b; floats p_c; uints p_counters; uint p_n; };\n"
    "#define a r_a.at\n"
    "#define b r_b.at\n"
    "#define c r_c.at\n"
    "#define counters r_counters.at\n"
    "void main() {\n"
    "inputs r_a = p_a;\n"
    "inputs r_b = p_b;\n"
    "floats r_c = p_c;\n"
    "uints r_counters = p_counters;\n"
    "const uint n = p_n;\n" WORK_MATMUL_BODY "}\n";

// The push constants, as the kernels declare them.
typedef struct spin_push {
    VkDeviceAddress counters;
    uint32_t iterations;
} spin_push;

typedef struct matmul_push {
    VkDeviceAddress a, b, c, counters;
    uint32_t n;
} matmul_push;

enum { SPIN_PUSH_BYTES = 12, MATMUL_PUSH_BYTES = 36 }; // without C's padding behind the last member

typedef struct raw_slot {
    VkCommandPool pool;
    VkCommandBuffer commands;
    VkFence fence;
    uint64_t value; // of the thread's timeline, signalled by the newest submission
    bool submitted; // the fence has to be reset
} raw_slot;

// A thread's own, on cache lines of its own.
typedef struct raw_thread {
    _Alignas(128) VkSemaphore timeline;
    uint64_t submitted; // values given to it
    raw_slot slots[WORK_SLOTS];
} raw_thread;

// A mutex on a cache line of its own.
typedef struct raw_mutex {
    _Alignas(128) pthread_mutex_t mutex;
} raw_mutex;

typedef struct raw_contender {
    contender base;
    uint32_t queues; // threads take turns in
    bool polls;      // timelines, polled; else fences
    raw_vulkan vulkan;
    raw_kernel spin;
    raw_kernel matmul;
    raw_buffer matrices; // a, then b
    raw_buffer counters; // of all slots
    raw_buffer products; // of all slots that have one
    raw_buffer staging;  // mapped: both matrices, or one slot's counters and product
    VkCommandPool pool;  // of clear and fetch
    VkCommandBuffer commands;
    uint64_t served; // values given to vulkan.timeline by them
    raw_mutex locks[RAW_MOST_QUEUES];
    raw_thread threads[WORK_THREADS];
} raw_contender;

static raw_contender *raw_of(contender *self)
{
    return (raw_contender *)(void *)self; // the base is its first member
}

static uint64_t counters_offset(const workload *w, uint32_t thread, uint32_t slot)
{
    return (thread * WORK_SLOTS + slot) * work_counter_bytes(w);
}

static uint64_t product_offset(const workload *w, uint32_t thread, uint32_t slot)
{
    return (thread * WORK_MATRICES + slot) * work_matrix_bytes(w);
}

static bool begin_commands(const raw_vulkan *v, VkCommandPool pool, VkCommandBuffer commands)
{
    VkCommandBufferBeginInfo begin = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
        .flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT,
    };
    return raw_good(v->vk.vkResetCommandPool(v->device, pool, 0), "vkResetCommandPool") &&
           raw_good(v->vk.vkBeginCommandBuffer(commands, &begin), "vkBeginCommandBuffer");
}

// A chain's dispatches with a barrier between each two.
static void encode(const raw_contender *raw, uint32_t thread, uint32_t slot, work_kind kind, uint32_t batch)
{
    static const VkMemoryBarrier barrier = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
        .srcAccessMask = VK_ACCESS_SHADER_WRITE_BIT,
        .dstAccessMask = VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT,
    };
    const workload *work = raw->base.work;
    const struct VolkDeviceTable *vk = &raw->vulkan.vk;
    const bool is_matmul = kind == WORK_MATMUL;
    const VkCommandBuffer commands = raw->threads[thread].slots[slot].commands;
    const raw_kernel *kernel = is_matmul ? &raw->matmul : &raw->spin;
    const VkDeviceAddress counters = raw->counters.address + counters_offset(work, thread, slot);
    const VkDeviceAddress a = raw->matrices.address, b = a + work_matrix_bytes(work);
    const matmul_push matmul = {a, b, raw->products.address + product_offset(work, thread, slot), counters, work->n};
    const spin_push spin = {counters, work->iterations[kind]};
    const void *push = is_matmul ? (const void *)&matmul : &spin;
    const uint32_t push_bytes = is_matmul ? MATMUL_PUSH_BYTES : SPIN_PUSH_BYTES;
    const uint32_t groups = work_groups(work, kind);
    vk->vkCmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_COMPUTE, kernel->pipeline);
    for (uint32_t i = 0; i < batch; i++) {
        if (i > 0) {
            vk->vkCmdPipelineBarrier(commands, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT,
                                     VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, 0, 1, &barrier, 0, NULL, 0, NULL);
        }
        vk->vkCmdPushConstants(commands, kernel->layout, VK_SHADER_STAGE_COMPUTE_BIT, 0, push_bytes, push);
        vk->vkCmdDispatch(commands, groups, 1, 1);
    }
}

static bool submit(contender *self, uint32_t thread, uint32_t slot, work_kind kind, uint32_t batch)
{
    raw_contender *raw = raw_of(self);
    const raw_vulkan *v = &raw->vulkan;
    raw_thread *t = &raw->threads[thread];
    raw_slot *s = &t->slots[slot];
    if (!begin_commands(v, s->pool, s->commands)) {
        return false;
    }
    encode(raw, thread, slot, kind, batch);
    if (!raw_good(v->vk.vkEndCommandBuffer(s->commands), "vkEndCommandBuffer")) {
        return false;
    }
    s->value = t->submitted + 1;
    const VkTimelineSemaphoreSubmitInfo values = {
        .sType = VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO,
        .signalSemaphoreValueCount = 1,
        .pSignalSemaphoreValues = &s->value,
    };
    const VkSubmitInfo info = {
        .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
        .pNext = raw->polls ? &values : NULL,
        .commandBufferCount = 1,
        .pCommandBuffers = &s->commands,
        .signalSemaphoreCount = raw->polls ? 1 : 0,
        .pSignalSemaphores = &t->timeline,
    };
    uint32_t queue = thread % raw->queues;
    pthread_mutex_lock(&raw->locks[queue].mutex);
    VkResult result = v->vk.vkQueueSubmit(v->queues[queue], 1, &info, raw->polls ? VK_NULL_HANDLE : s->fence);
    pthread_mutex_unlock(&raw->locks[queue].mutex);
    if (!raw_good(result, "vkQueueSubmit")) {
        return false;
    }
    t->submitted = s->value;
    s->submitted = true;
    return true;
}

// A wait's answer; one that ran out of time ends the process.
static bool waited(VkResult result, const char *call)
{
    if (result == VK_TIMEOUT) {
        watch_give_up(call);
    }
    return raw_good(result, call);
}

static bool wait_polling(const raw_vulkan *v, VkSemaphore timeline, uint64_t value)
{
    uint64_t reached = 0;
    uint64_t begin = now_ns();
    do {
        if (!raw_good(v->vk.vkGetSemaphoreCounterValue(v->device, timeline, &reached), "vkGetSemaphoreCounterValue")) {
            return false;
        }
    } while (reached < value && now_ns() - begin < poll_ns);
    VkSemaphoreWaitInfo info = {
        .sType = VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO,
        .semaphoreCount = 1,
        .pSemaphores = &timeline,
        .pValues = &value,
    };
    return reached >= value ||
           waited(v->vk.vkWaitSemaphores(v->device, &info, wait_ns), "vkWaitSemaphores ran out of time");
}

static bool reset_slot(const raw_contender *raw, raw_slot *s)
{
    bool needs_reset = s->submitted && !raw->polls;
    s->submitted = false;
    return !needs_reset || raw_good(raw->vulkan.vk.vkResetFences(raw->vulkan.device, 1, &s->fence), "vkResetFences");
}

static bool wait(contender *self, uint32_t thread, uint32_t slot)
{
    raw_contender *raw = raw_of(self);
    const raw_vulkan *v = &raw->vulkan;
    raw_thread *t = &raw->threads[thread];
    raw_slot *s = &t->slots[slot];
    bool fine = raw->polls ? wait_polling(v, t->timeline, s->value)
                           : waited(v->vk.vkWaitForFences(v->device, 1, &s->fence, VK_TRUE, wait_ns),
                                    "vkWaitForFences ran out of time");
    return fine && reset_slot(raw, s);
}

// vkDeviceWaitIdle wants all queues for itself. It has no time-out: a hang there is the watchdog's to end.
static bool wait_all(contender *self, uint32_t thread, uint32_t threads)
{
    (void)threads;
    raw_contender *raw = raw_of(self);
    const raw_vulkan *v = &raw->vulkan;
    for (uint32_t i = 0; i < raw->queues; i++) {
        pthread_mutex_lock(&raw->locks[i].mutex);
    }
    bool fine = raw_good(v->vk.vkDeviceWaitIdle(v->device), "vkDeviceWaitIdle");
    for (uint32_t i = raw->queues; i-- > 0;) {
        pthread_mutex_unlock(&raw->locks[i].mutex);
    }
    for (uint32_t i = 0; i < WORK_SLOTS && fine; i++) {
        fine = reset_slot(raw, &raw->threads[thread].slots[i]);
    }
    return fine;
}

// Ends, submits and waits for what clear or fetch has recorded.
static bool serve(raw_contender *raw)
{
    const raw_vulkan *v = &raw->vulkan;
    const VkMemoryBarrier barrier = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
        .srcAccessMask = VK_ACCESS_TRANSFER_WRITE_BIT,
        .dstAccessMask = VK_ACCESS_HOST_READ_BIT | VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT,
    };
    v->vk.vkCmdPipelineBarrier(raw->commands, VK_PIPELINE_STAGE_TRANSFER_BIT,
                               VK_PIPELINE_STAGE_HOST_BIT | VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, 0, 1, &barrier, 0,
                               NULL, 0, NULL);
    const uint64_t value = raw->served + 1;
    const VkTimelineSemaphoreSubmitInfo values = {
        .sType = VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO,
        .signalSemaphoreValueCount = 1,
        .pSignalSemaphoreValues = &value,
    };
    const VkSubmitInfo info = {
        .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
        .pNext = &values,
        .commandBufferCount = 1,
        .pCommandBuffers = &raw->commands,
        .signalSemaphoreCount = 1,
        .pSignalSemaphores = &v->timeline,
    };
    if (!raw_good(v->vk.vkEndCommandBuffer(raw->commands), "vkEndCommandBuffer") ||
        !raw_good(v->vk.vkQueueSubmit(v->queue, 1, &info, VK_NULL_HANDLE), "vkQueueSubmit")) {
        return false;
    }
    raw->served = value;
    return raw_wait(v, value);
}

static bool clear(contender *self, uint32_t thread, uint32_t slot)
{
    raw_contender *raw = raw_of(self);
    const raw_vulkan *v = &raw->vulkan;
    const workload *work = self->work;
    if (!begin_commands(v, raw->pool, raw->commands)) {
        return false;
    }
    v->vk.vkCmdFillBuffer(raw->commands, raw->counters.buffer, counters_offset(work, thread, slot),
                          work_counter_bytes(work), 0);
    if (slot < WORK_MATRICES) {
        v->vk.vkCmdFillBuffer(raw->commands, raw->products.buffer, product_offset(work, thread, slot),
                              work_matrix_bytes(work), 0);
    }
    return serve(raw);
}

static bool fetch(contender *self, uint32_t thread, uint32_t slot, uint32_t *counters, float *c)
{
    raw_contender *raw = raw_of(self);
    const raw_vulkan *v = &raw->vulkan;
    const workload *work = self->work;
    const uint64_t counter_bytes = work_counter_bytes(work), matrix_bytes = work_matrix_bytes(work);
    const VkMemoryBarrier barrier = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
        .srcAccessMask = VK_ACCESS_SHADER_WRITE_BIT,
        .dstAccessMask = VK_ACCESS_TRANSFER_READ_BIT,
    };
    if (!begin_commands(v, raw->pool, raw->commands)) {
        return false;
    }
    v->vk.vkCmdPipelineBarrier(raw->commands, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, VK_PIPELINE_STAGE_TRANSFER_BIT, 0,
                               1, &barrier, 0, NULL, 0, NULL);
    v->vk.vkCmdCopyBuffer(raw->commands, raw->counters.buffer, raw->staging.buffer, 1,
                          &(VkBufferCopy){counters_offset(work, thread, slot), 0, counter_bytes});
    if (c) {
        v->vk.vkCmdCopyBuffer(raw->commands, raw->products.buffer, raw->staging.buffer, 1,
                              &(VkBufferCopy){product_offset(work, thread, slot), counter_bytes, matrix_bytes});
    }
    if (!serve(raw)) {
        return false;
    }
    memcpy(counters, raw->staging.mapped, counter_bytes);
    if (c) {
        memcpy(c, (const uint8_t *)raw->staging.mapped + counter_bytes, matrix_bytes);
    }
    return true;
}

static void describe(contender *self, uint32_t thread, uint32_t slot, char *text, size_t size)
{
    raw_contender *raw = raw_of(self);
    const raw_vulkan *v = &raw->vulkan;
    const raw_thread *t = &raw->threads[thread];
    const raw_slot *s = &t->slots[slot];
    uint64_t reached = 0;
    if (raw->polls) {
        VkResult result = v->vk.vkGetSemaphoreCounterValue(v->device, t->timeline, &reached);
        snprintf(text, size, "queue %u, vkGetSemaphoreCounterValue answers %d: %llu, of %llu submitted, %llu wanted",
                 thread % raw->queues, (int)result, (unsigned long long)reached, (unsigned long long)t->submitted,
                 (unsigned long long)s->value);
    } else {
        snprintf(text, size, "vkGetFenceStatus answers %d (0: signalled, 1: not), %llu submitted",
                 (int)v->vk.vkGetFenceStatus(v->device, s->fence), (unsigned long long)t->submitted);
    }
}

static void close_thread(const raw_vulkan *v, raw_thread *t)
{
    v->vk.vkDestroySemaphore(v->device, t->timeline, NULL); // null handles are allowed
    for (uint32_t i = 0; i < WORK_SLOTS; i++) {
        v->vk.vkDestroyCommandPool(v->device, t->slots[i].pool, NULL);
        v->vk.vkDestroyFence(v->device, t->slots[i].fence, NULL);
    }
}

static void close_contender(contender *self)
{
    raw_contender *raw = raw_of(self);
    const raw_vulkan *v = &raw->vulkan;
    if (v->device) {
        (void)v->vk.vkDeviceWaitIdle(v->device);
        for (uint32_t i = 0; i < WORK_THREADS; i++) {
            close_thread(v, &raw->threads[i]);
        }
        v->vk.vkDestroyCommandPool(v->device, raw->pool, NULL);
        raw_buffer_destroy(v, &raw->matrices);
        raw_buffer_destroy(v, &raw->counters);
        raw_buffer_destroy(v, &raw->products);
        raw_buffer_destroy(v, &raw->staging);
        raw_kernel_destroy(v, &raw->spin);
        raw_kernel_destroy(v, &raw->matmul);
    }
    raw_close(&raw->vulkan);
    free(raw);
}

static const contender_ops raw_ops = {NULL, submit, wait, wait_all, clear, fetch, NULL, describe, close_contender};

static bool create_thread(const raw_vulkan *v, raw_thread *t)
{
    const VkSemaphoreTypeCreateInfo type = {
        .sType = VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO,
        .semaphoreType = VK_SEMAPHORE_TYPE_TIMELINE,
    };
    const VkSemaphoreCreateInfo semaphore = {.sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO, .pNext = &type};
    const VkFenceCreateInfo fence = {.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
    bool fine = raw_good(v->vk.vkCreateSemaphore(v->device, &semaphore, NULL, &t->timeline), "vkCreateSemaphore");
    for (uint32_t i = 0; i < WORK_SLOTS && fine; i++) {
        raw_slot *s = &t->slots[i];
        fine = raw_commands_create(v, &s->pool, &s->commands) &&
               raw_good(v->vk.vkCreateFence(v->device, &fence, NULL, &s->fence), "vkCreateFence");
    }
    return fine;
}

static bool upload_matrices(raw_contender *raw)
{
    const workload *work = raw->base.work;
    const uint64_t bytes = work_matrix_bytes(work);
    memcpy(raw->staging.mapped, work->a, bytes);
    memcpy((uint8_t *)raw->staging.mapped + bytes, work->b, bytes);
    if (!begin_commands(&raw->vulkan, raw->pool, raw->commands)) {
        return false;
    }
    raw->vulkan.vk.vkCmdCopyBuffer(raw->commands, raw->staging.buffer, raw->matrices.buffer, 1,
                                   &(VkBufferCopy){0, 0, 2 * bytes});
    return serve(raw);
}

static bool prepare(raw_contender *raw)
{
    const raw_vulkan *v = &raw->vulkan;
    const workload *work = raw->base.work;
    const uint64_t counters = work_counter_bytes(work), matrix = work_matrix_bytes(work);
    bool fine = raw_kernel_create(v, spin_source, SPIN_PUSH_BYTES, &raw->spin) &&
                raw_kernel_create(v, matmul_source, MATMUL_PUSH_BYTES, &raw->matmul) &&
                raw_buffer_create_local(v, 2 * matrix, &raw->matrices) &&
                raw_buffer_create_local(v, WORK_THREADS * WORK_SLOTS * counters, &raw->counters) &&
                raw_buffer_create_local(v, WORK_THREADS * WORK_MATRICES * matrix, &raw->products) &&
                raw_buffer_create(v, counters + 2 * matrix, &raw->staging) &&
                raw_commands_create(v, &raw->pool, &raw->commands) && upload_matrices(raw);
    for (uint32_t i = 0; i < WORK_THREADS && fine; i++) {
        fine = create_thread(v, &raw->threads[i]);
    }
    return fine;
}

// One of the four forms.
typedef struct raw_form {
    const char *name;
    const char *summary;
    uint32_t queues;
    bool polls;
} raw_form;

// Opens one form; `*out` is NULL when the device has too few queues for it. False: failed.
static bool open_form(const raw_form *form, const contender_device *device, const workload *work, contender **out)
{
    *out = NULL;
    raw_contender *raw = aligned_alloc(_Alignof(raw_contender), sizeof *raw);
    if (!raw) {
        fprintf(stderr, "fermata-bench: no memory is left\n");
        return false;
    }
    memset(raw, 0, sizeof *raw);
    raw->base = (contender){&raw_ops, form->name, form->summary, work};
    raw->queues = form->queues;
    raw->polls = form->polls;
    for (uint32_t i = 0; i < RAW_MOST_QUEUES; i++) {
        pthread_mutex_init(&raw->locks[i].mutex, NULL);
    }
    bool fine = form->queues == 1 ? raw_open(&raw->vulkan, device->description, device->nth)
                                  : raw_open_queues(&raw->vulkan, device->description, device->nth);
    if (fine && raw->vulkan.queue_count < form->queues) {
        report_note("%s is left out: the device's queue family has %u", form->name, raw->vulkan.queue_count);
        close_contender(&raw->base);
        return true;
    }
    if (!fine || !prepare(raw)) {
        close_contender(&raw->base);
        return false;
    }
    *out = &raw->base;
    return true;
}

bool contender_open_vulkan(const contender_device *device, const workload *work, contender_wanted wanted,
                           const void *context, contender **out, uint32_t *count)
{
    static const raw_form forms[] = {
        {"vulkan-fence", "command buffers a thread, one mutexed queue, fence waits", 1, false},
        {"vulkan-poll", "the same, polled timeline semaphores", 1, true},
        {"vulkan-2q", "polled timeline semaphores, two queues", 2, true},
        {"vulkan-8q", "polled timeline semaphores, eight queues", 8, true},
    };
    bool fine = true;
    for (size_t i = 0; i < sizeof forms / sizeof forms[0] && fine; i++) {
        contender *opened = NULL;
        fine = !wanted(context, forms[i].name) || open_form(&forms[i], device, work, &opened);
        if (opened) {
            out[(*count)++] = opened;
        }
    }
    return fine;
}
