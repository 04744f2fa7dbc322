// The Vulkan backend beside submit: listing and opening from several threads, what open tells, memory, refused kernels,
// waiting with a timeout, and a lost device. Ordinary batches are in vulkan_submit.c.
#include "vulkan_fixture.h"

#include <pthread.h>

typedef struct listing {
    uint32_t count;
    uint32_t stop_after; // 0: never
    char last_name[32];
} listing;

static bool note_device(void *user, const char *name, const char *description, fm_device_kind kind)
{
    listing *seen = user;
    char expected[32];
    snprintf(expected, sizeof expected, "vulkan:%u", seen->count++);
    assert_string_equal(name, expected);
    assert_true(description[0] != 0);
    assert_in_range(kind, FM_DEVICE_DISCRETE_GPU, FM_DEVICE_CPU);
    snprintf(seen->last_name, sizeof seen->last_name, "%s", name);
    return seen->count != seen->stop_after;
}

static void list_devices_are_numbered_and_stop_on_request(void **state)
{
    (void)state;
    listing all = {0};
    must(fmi_backend_vulkan.list(note_device, &all));
    assert_true(all.count >= 1);
    listing one = {.stop_after = 1};
    must(fmi_backend_vulkan.list(note_device, &one));
    assert_int_equal(one.count, 1);
}

static bool open_inside(void *user, const char *name, const char *description, fm_device_kind kind)
{
    (void)description;
    (void)kind;
    fmi_backend_settings settings = {.batches_in_flight = IN_FLIGHT};
    fmi_backend *backend = NULL;
    fmi_backend_caps caps;
    must(fmi_backend_vulkan.open(name, &settings, &backend, &caps));
    fmi_backend_vulkan.close(backend);
    ++*(uint32_t *)user;
    return false;
}

static void list_visitor_may_open_what_it_is_shown(void **state)
{
    (void)state;
    uint32_t opened = 0;
    must(fmi_backend_vulkan.list(open_inside, &opened));
    assert_int_equal(opened, 1);
}

static void open_unknown_name_is_no_device(void **state)
{
    (void)state;
    static const char *const names[] = {"vulkan:99", "vulkan:", "vulkan", "vulkan:0x", "host"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        fmi_backend_settings settings = {.batches_in_flight = IN_FLIGHT};
        fmi_backend_caps caps;
        fmi_backend *backend = (fmi_backend *)&caps; // must be overwritten
        assert_int_equal(fmi_backend_vulkan.open(names[i], &settings, &backend, &caps), FM_ERROR_NO_DEVICE);
        assert_null(backend);
        assert_non_null(strstr(fm_last_error(), names[i]));
    }
}

static void open_tells_what_the_device_can_do(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, (test_variant){.mode = FM_BINDING_AUTO});
    const fmi_backend_caps *caps = &f.caps;
    assert_true(caps->description[0] != 0);
    assert_int_not_equal(caps->binding_mode, FM_BINDING_AUTO);
    assert_true(caps->memory_bytes > 0);
    assert_true(caps->max_block_bytes >= 1u << 30);
    assert_true(caps->max_binding_bytes >= 1u << 27);
    assert_true(caps->binding_alignment_bytes >= 16);
    assert_int_equal(caps->binding_alignment_bytes & (caps->binding_alignment_bytes - 1), 0);
    assert_in_range(caps->max_push_constants_bytes, 128, FMI_VULKAN_PUSH_BYTES);
    assert_true(caps->max_group_invocations >= 128);
    uint32_t always = 1u << FM_DTYPE_F32 | 1u << FM_DTYPE_I32 | 1u << FM_DTYPE_U32;
    assert_int_equal(caps->dtype_mask & always, always);
    assert_int_equal(caps->code_kind, FMI_CODE_SPIRV);
    assert_false(caps->takes_host_functions);
    assert_int_equal(caps->on_cpu, caps->kind == FM_DEVICE_CPU);
    fixture_close(&f);
}

static void allocate_block_of_each_kind_is_as_promised(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, (test_variant){.mode = FM_BINDING_AUTO});
    fmi_block host = fixture_allocate(&f, FM_MEMORY_HOST, 1 << 20);
    assert_non_null(host.mapped);
    assert_int_equal(host.size_bytes, 1 << 20);
    assert_int_equal(host.kind, FM_MEMORY_HOST);
    memset(host.mapped, 0xA5, 1 << 20);
    fmi_block device = fixture_allocate(&f, FM_MEMORY_DEVICE, 1 << 20);
    assert_int_equal(device.kind, FM_MEMORY_DEVICE);
    if (f.caps.binding_mode == FM_BINDING_ADDRESSES) {
        assert_true(host.device_address != 0 && device.device_address != 0);
        assert_int_equal(device.device_address % f.caps.binding_alignment_bytes, 0);
    }
    if (f.caps.kind == FM_DEVICE_CPU) {
        assert_non_null(device.mapped);
    }
    f.ops->free_block(f.backend, &host);
    f.ops->free_block(f.backend, &device);
    assert_null(host.native);
    fixture_close(&f);
}

static void allocate_block_too_large_is_out_of_memory_without_harm(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, (test_variant){.mode = FM_BINDING_AUTO});
    fmi_block block;
    assert_int_equal(f.ops->allocate_block(f.backend, FM_MEMORY_DEVICE, f.caps.max_block_bytes + 1, &block),
                     FM_ERROR_OUT_OF_MEMORY);
    assert_null(block.native);
    block = fixture_allocate(&f, FM_MEMORY_DEVICE, 4096);
    f.ops->free_block(f.backend, &block);
    fixture_close(&f);
}

static void create_kernel_that_cannot_be_is_refused_with_a_sentence(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, (test_variant){.mode = FM_BINDING_DESCRIPTORS});
    fmi_text log = {0};
    fmi_kernel_binary *binary = NULL;
    fmi_kernel_code text = {.name = "c text"}; // as a host function
    assert_int_equal(f.ops->create_kernel(f.backend, &text, &binary, &log), FM_ERROR_UNSUPPORTED);
    assert_non_null(strstr(fm_last_error(), "it is not SPIR-V"));

    size_t size_bytes = 0;
    uint32_t *words = compile_glsl("#version 460\nlayout(local_size_x = 1) in;\nvoid main() {}\n", &size_bytes);
    fmi_kernel_code large = {
        .name = "large constants",
        .code = words,
        .code_size_bytes = size_bytes,
        .binding_mode = FM_BINDING_DESCRIPTORS,
        .constants_size_bytes = f.caps.max_push_constants_bytes + 4,
        .group_size = {1, 1, 1},
    };
    assert_int_equal(f.ops->create_kernel(f.backend, &large, &binary, &log), FM_ERROR_UNSUPPORTED);
    assert_null(binary);
    assert_true(log.length > 0);

    // The same without constants is fine, and is not split: it takes no base.
    large.constants_size_bytes = 0;
    must(f.ops->create_kernel(f.backend, &large, &binary, &log));
    const uint32_t *limit = f.backend->max_group_count;
    assert_true(f.ops->accepts_group_count(f.backend, binary, limit));
    assert_false(f.ops->accepts_group_count(f.backend, binary, (const uint32_t[]){1, limit[1] + 1, 1}));
    f.ops->destroy_kernel(f.backend, binary);
    free(words);
    fmi_text_free(&log);
    fixture_close(&f);
}

static VkResult make_no_pipeline(VkDevice device, VkPipelineCache cache, uint32_t count,
                                 const VkComputePipelineCreateInfo *infos, const VkAllocationCallbacks *allocator,
                                 VkPipeline *out)
{
    (void)device, (void)cache, (void)count, (void)infos, (void)allocator;
    *out = VK_NULL_HANDLE;
    return VK_ERROR_UNKNOWN;
}

// What a driver answers to arrays that it has no room for.
static void create_kernel_over_the_drivers_private_memory_is_unsupported(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, (test_variant){.mode = FM_BINDING_DESCRIPTORS});
    static const struct {
        const char *text;
        fm_status status;
        const char *sentence;
    } cases[] = {
        {"uint t[16384]; t[gl_LocalInvocationID.x] = 1u;", FM_ERROR_UNSUPPORTED,
         "it has 65536 bytes of local variables"},
        {"uint t[64][64]; float v[2]; t[1][gl_LocalInvocationID.x] = 1u; v[gl_LocalInvocationID.y] = 1.0;",
         FM_ERROR_UNSUPPORTED, "has 16392 bytes"},
        {"uint t[64]; t[gl_LocalInvocationID.x] = 1u;", FM_ERROR_BACKEND, "VK_ERROR_UNKNOWN"},
    };
    f.backend->vk.vkCreateComputePipelines = make_no_pipeline;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char glsl[512];
        snprintf(glsl, sizeof glsl, "#version 460\nlayout(local_size_x = 1) in;\nvoid main() { %s }\n", cases[i].text);
        fmi_kernel_code code = {.name = "arrays", .binding_mode = FM_BINDING_DESCRIPTORS, .group_size = {1, 1, 1}};
        uint32_t *words = compile_glsl(glsl, &code.code_size_bytes);
        code.code = words;
        fmi_text log = {0};
        fmi_kernel_binary *binary = NULL;
        assert_int_equal(f.ops->create_kernel(f.backend, &code, &binary, &log), cases[i].status);
        assert_null(binary);
        assert_non_null(strstr(fm_last_error(), cases[i].sentence));
        fmi_text_free(&log);
        free(words);
    }
    fixture_close(&f);
}

// Creates the kernel with this driver data and appends what the driver gives back.
static void create_with_data(fixture *f, fmi_kernel_code *code, const void *data, size_t size_bytes, fmi_text *out)
{
    fmi_text log = {0};
    fmi_kernel_binary *binary = NULL;
    code->driver_data = data;
    code->driver_data_size_bytes = size_bytes;
    code->out_driver_data = out;
    must(f->ops->create_kernel(f->backend, code, &binary, &log));
    f->ops->destroy_kernel(f->backend, binary);
    fmi_text_free(&log);
}

static void create_kernel_takes_driver_data_of_its_own_device_only(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, (test_variant){.mode = FM_BINDING_DESCRIPTORS});
    fmi_kernel_code code = {.name = "data", .binding_mode = FM_BINDING_DESCRIPTORS, .group_size = {1, 1, 1}};
    uint32_t *words =
        compile_glsl("#version 460\nlayout(local_size_x = 1) in;\nvoid main() {}\n", &code.code_size_bytes);
    code.code = words;
    fmi_text data = {0}, again = {0};
    create_with_data(&f, &code, NULL, 0, &data);
    assert_true(data.length >= sizeof(VkPipelineCacheHeaderVersionOne));
    create_with_data(&f, &code, data.data, data.length, &again);
    assert_int_equal(again.length, 0); // it served: nothing is given back
    create_with_data(&f, &code, data.data, data.length, NULL);
    // Behind the header's length: a header of another length may be in order.
    for (size_t at = sizeof(uint32_t); at < sizeof(VkPipelineCacheHeaderVersionOne); at++) {
        char *other = malloc(data.length);
        memcpy(other, data.data, data.length);
        other[at] ^= 0x40;
        create_with_data(&f, &code, other, data.length, &again);
        assert_true(again.length > 0); // not taken, so there is something new to keep
        fmi_text_free(&again);
        create_with_data(&f, &code, data.data, at, &again); // cut off
        assert_true(again.length > 0);
        fmi_text_free(&again);
        free(other);
    }
    fmi_text_free(&data);
    free(words);
    fixture_close(&f);
}

static void wait_for_what_is_not_submitted_times_out(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, (test_variant){.mode = FM_BINDING_AUTO});
    uint64_t value = 7;
    must(f.ops->completed(f.backend, 0, &value));
    assert_int_equal(value, 0);
    assert_int_equal(wait_value(&f, 1, 0), FM_TIMEOUT);
    assert_int_equal(wait_value(&f, 1, SECOND_NS / 100), FM_TIMEOUT);
    // A time-out implies nothing: the same value completes later (LEARNED-3).
    must(submit(&f, false));
    must(wait_value(&f, 1, LONG_NS));
    must(f.ops->completed(f.backend, 0, &value));
    assert_int_equal(value, 1);
    assert_int_equal(wait_value(&f, 2, 0), FM_TIMEOUT);
    fixture_close(&f);
}

typedef struct waiter {
    fixture *f;
    uint64_t value;
    fm_status status;
} waiter;

static void *wait_on_thread(void *argument)
{
    waiter *w = argument;
    w->status = wait_value(w->f, w->value, UINT64_MAX);
    return NULL;
}

// Waiters of several values while another thread submits: nothing blocks the submitter (LEARNED-4).
static void wait_from_several_threads_while_batches_are_submitted_ends(void **state)
{
    (void)state;
    enum { WAITERS = 4, BATCHES = 40 };
    fixture f;
    fixture_open(&f, (test_variant){.mode = FM_BINDING_AUTO});
    fmi_block data = fixture_allocate(&f, FM_MEMORY_HOST, 4096);
    waiter waiters[WAITERS];
    pthread_t threads[WAITERS];
    for (uint32_t i = 0; i < WAITERS; i++) {
        waiters[i] = (waiter){.f = &f, .value = BATCHES * (i + 1) / WAITERS, .status = FM_ERROR_BACKEND};
        assert_int_equal(pthread_create(&threads[i], NULL, wait_on_thread, &waiters[i]), 0);
    }
    for (uint32_t batch = 1; batch <= BATCHES; batch++) {
        add_fill(&f, &data, 0, 4096, batch);
        end_wave(&f);
        run_batch(&f);
        uint64_t value = 0;
        must(f.ops->completed(f.backend, 0, &value));
        assert_int_equal(value, batch);
        assert_int_equal(*(const uint32_t *)(const void *)data.mapped, batch);
    }
    for (uint32_t i = 0; i < WAITERS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(waiters[i].status, FM_OK);
    }
    f.ops->free_block(f.backend, &data);
    fixture_close(&f);
}

static void lost_device_is_remembered_by_every_call(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, (test_variant){.mode = FM_BINDING_AUTO});
    run_batch(&f);
    assert_int_equal(fmi_vulkan_fail(f.backend, VK_ERROR_DEVICE_LOST, "vkQueueSubmit", "testing"),
                     FM_ERROR_DEVICE_LOST);
    assert_non_null(strstr(fm_last_error(), "VK_ERROR_DEVICE_LOST"));
    uint64_t value = 0;
    assert_int_equal(f.ops->completed(f.backend, 0, &value), FM_ERROR_DEVICE_LOST);
    assert_int_equal(wait_value(&f, 1, LONG_NS), FM_ERROR_DEVICE_LOST);
    assert_int_equal(submit(&f, false), FM_ERROR_DEVICE_LOST);
    assert_true(fm_last_error()[0] != 0);
    fixture_close(&f);
}

static void *list_and_open_on_thread(void *argument)
{
    (void)argument;
    for (uint32_t round = 0; round < 3; round++) {
        uint32_t count = 0;
        if (fmi_backend_vulkan.list(count_device, &count) != FM_OK || count == 0) {
            return (void *)"list fails";
        }
        fmi_backend_settings settings = {.batches_in_flight = IN_FLIGHT};
        fmi_backend *backend = NULL;
        fmi_backend_caps caps;
        if (fmi_backend_vulkan.open("vulkan:0", &settings, &backend, &caps) != FM_OK) {
            return (void *)"open fails";
        }
        fmi_backend_vulkan.close(backend);
    }
    return NULL;
}

static void list_and_open_from_several_threads_do_not_disturb_each_other(void **state)
{
    (void)state;
    enum { THREADS = 4 };
    pthread_t threads[THREADS];
    for (uint32_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, list_and_open_on_thread, NULL), 0);
    }
    for (uint32_t i = 0; i < THREADS; i++) {
        void *failure = NULL;
        pthread_join(threads[i], &failure);
        assert_ptr_equal(failure, NULL);
    }
}

int main(void)
{
    skip_without_device();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(list_devices_are_numbered_and_stop_on_request),
        cmocka_unit_test(list_visitor_may_open_what_it_is_shown),
        cmocka_unit_test(list_and_open_from_several_threads_do_not_disturb_each_other),
        cmocka_unit_test(open_unknown_name_is_no_device),
        cmocka_unit_test(open_tells_what_the_device_can_do),
        cmocka_unit_test(allocate_block_of_each_kind_is_as_promised),
        cmocka_unit_test(allocate_block_too_large_is_out_of_memory_without_harm),
        cmocka_unit_test(create_kernel_that_cannot_be_is_refused_with_a_sentence),
        cmocka_unit_test(create_kernel_over_the_drivers_private_memory_is_unsupported),
        cmocka_unit_test(create_kernel_takes_driver_data_of_its_own_device_only),
        cmocka_unit_test(wait_for_what_is_not_submitted_times_out),
        cmocka_unit_test(wait_from_several_threads_while_batches_are_submitted_ends),
        cmocka_unit_test(lost_device_is_remembered_by_every_call),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
