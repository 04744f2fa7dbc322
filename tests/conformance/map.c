// Mapped buffers: the host and kernels see each other's bytes where they lie, and what the call refuses.
#include "groups.h"
#include "support.h"

static fm_buffer host_buffer(ct_fixture *f, uint64_t size_bytes)
{
    fm_buffer buffer;
    fm_buffer_info info = {.size_bytes = size_bytes, .memory = FM_MEMORY_HOST, .label = "shown"};
    CT_OK(fm_buffer_create(f->device, &info, &buffer));
    return buffer;
}

static uint32_t *map_words(ct_fixture *f, fm_buffer buffer)
{
    void *pointer = NULL;
    CT_OK(fm_buffer_map(f->device, buffer, 0, FM_WHOLE_SIZE, &pointer));
    assert_non_null(pointer);
    assert_int_equal((uintptr_t)pointer % 64, 0);
    return pointer;
}

static void map_shows_what_kernels_wrote_and_them_what_the_host_wrote(void **state)
{
    ct_fixture *f = *state;
    enum { COUNT = 1000 };
    fm_kernel step = ct_kernel_step(f);
    fm_buffer buffer = host_buffer(f, 4 * COUNT);
    uint32_t *words = map_words(f, buffer);
    for (uint32_t i = 0; i < COUNT; i++) assert_int_equal(words[i], 0); // as promised of new memory
    for (uint32_t round = 1; round <= 20; round++) {
        for (uint32_t i = 0; i < COUNT; i++) words[i] = i * round;
        fm_commands *commands = ct_begin(f);
        CT_OK(ct_record_set(commands, ct_kernel_set(f), buffer, 1, 7));
        CT_OK(ct_record_set(commands, step, buffer, COUNT, 3));
        CT_OK(fm_fill(commands, buffer, 4, 4, round));
        ct_finish(f, commands);
        assert_int_equal(words[0], 17);
        assert_int_equal(words[1], round);
        for (uint32_t i = 2; i < COUNT; i++) assert_int_equal(words[i], 2 * i * round + 3);
    }
    words[5] = 12345;
    uint32_t got = 0;
    CT_OK(fm_buffer_read(f->device, f->stream, buffer, 20, 4, &got, CT_TIMEOUT_NS));
    assert_int_equal(got, 12345);
}

static void map_of_a_range_is_that_far_into_the_buffer(void **state)
{
    ct_fixture *f = *state;
    fm_buffer buffer = host_buffer(f, 101);
    uint8_t *whole = (uint8_t *)map_words(f, buffer);
    for (uint32_t at = 0; at <= 101; at += 50) {
        void *pointer = NULL;
        CT_OK(fm_buffer_map(f->device, buffer, at, 1, &pointer));
        assert_ptr_equal(pointer, whole + at);
    }
    void *end = NULL;
    CT_OK(fm_buffer_map(f->device, buffer, 101, 0, &end));
    assert_ptr_equal(end, whole + 101);
}

static void map_with_bad_arguments_is_refused(void **state)
{
    ct_fixture *f = *state;
    fm_buffer buffer = host_buffer(f, 64);
    void *pointer = &pointer;
    CT_STATUS(fm_buffer_map(f->device, buffer, 0, 65, &pointer), FM_ERROR_OUT_OF_RANGE);
    assert_null(pointer);
    CT_STATUS(fm_buffer_map(f->device, buffer, 65, 0, &pointer), FM_ERROR_OUT_OF_RANGE);
    CT_STATUS(fm_buffer_map(f->device, buffer, 65, FM_WHOLE_SIZE, &pointer), FM_ERROR_OUT_OF_RANGE);
    CT_STATUS(fm_buffer_map(f->device, buffer, UINT64_MAX, 2, &pointer), FM_ERROR_OUT_OF_RANGE);
    CT_STATUS(fm_buffer_map(f->device, buffer, 0, 64, NULL), FM_ERROR_INVALID_ARGUMENT);
    CT_STATUS(fm_buffer_map(NULL, buffer, 0, 64, &pointer), FM_ERROR_INVALID_ARGUMENT);
    CT_STATUS(fm_buffer_map(f->device, (fm_buffer){0}, 0, 64, &pointer), FM_ERROR_NULL_HANDLE);
    CT_STATUS(fm_buffer_map(ct_other_device(f), buffer, 0, 64, &pointer), FM_ERROR_FOREIGN_HANDLE);
    CT_OK(fm_buffer_destroy(f->device, buffer));
    CT_STATUS(fm_buffer_map(f->device, buffer, 0, 64, &pointer), FM_ERROR_STALE_HANDLE);
    assert_null(pointer);
}

// Device memory is shown where it is the host's; elsewhere the sentence says what to do.
static void map_of_device_memory_works_or_says_why_not(void **state)
{
    ct_fixture *f = *state;
    fm_buffer buffer = ct_buffer(f, 64);
    void *pointer = NULL;
    fm_status status = fm_buffer_map(f->device, buffer, 0, 64, &pointer);
    if (f->properties.kind == FM_DEVICE_HOST || f->properties.kind == FM_DEVICE_CPU) {
        CT_STATUS(status, FM_OK);
    }
    if (status == FM_OK) {
        memset(pointer, 0x5A, 64);
        ct_expect_bytes(f, buffer, 0, 64, 0x5A);
        return;
    }
    CT_STATUS(status, FM_ERROR_UNSUPPORTED);
    assert_null(pointer);
    assert_non_null(strstr(fm_last_error(), "FM_MEMORY_HOST"));
}

static void map_of_donated_memory_is_the_outputs(void **state)
{
    ct_fixture *f = *state;
    fm_buffer input = host_buffer(f, 64), output;
    uint32_t *words = map_words(f, input);
    words[3] = 9;
    CT_OK(fm_buffer_donate(f->device, input, 32, NULL, &output));
    assert_ptr_equal(map_words(f, output), words);
    assert_int_equal(words[3], 9);
    void *pointer;
    CT_STATUS(fm_buffer_map(f->device, output, 0, 64, &pointer), FM_ERROR_OUT_OF_RANGE); // it is smaller
}

// HOLD-6: memory that the stream's earlier work still uses is not the host's yet.
static void map_of_memory_that_is_taken_over_waits_for_its_stream(void **state)
{
    ct_fixture *f = *state;
    if (!ct_gate_is_exact(f)) return;
    fm_buffer first = host_buffer(f, 4096), second;
    uint32_t *words = map_words(f, first);
    words[1] = 5;
    fm_point point = ct_commit_gate(f, f->stream, first);
    CT_OK(fm_buffer_destroy(f->device, first));
    uint64_t reuses = ct_stats(f).memory_reuses;
    fm_buffer_info info = {.size_bytes = 4096, .memory = FM_MEMORY_HOST, .stream = f->stream};
    CT_OK(fm_buffer_create(f->device, &info, &second));
    assert_int_equal(ct_stats(f).memory_reuses, reuses + 1);
    void *pointer = NULL;
    CT_STATUS(fm_buffer_map(f->device, second, 0, FM_WHOLE_SIZE, &pointer), FM_WOULD_BLOCK);
    assert_null(pointer);
    ct_gate_open(f);
    CT_OK(fm_point_wait(f->device, point, CT_TIMEOUT_NS));
    ct_finish(f, ct_begin(f)); // behind the fill
    words = map_words(f, second);
    assert_int_equal(words[1], 0);
}

int ct_group_map(void)
{
    const struct CMUnitTest tests[] = {
        CT_TEST(map_shows_what_kernels_wrote_and_them_what_the_host_wrote),
        CT_TEST(map_of_a_range_is_that_far_into_the_buffer),
        CT_TEST(map_with_bad_arguments_is_refused),
        CT_TEST(map_of_device_memory_works_or_says_why_not),
        CT_TEST(map_of_donated_memory_is_the_outputs),
        CT_TEST(map_of_memory_that_is_taken_over_waits_for_its_stream),
    };
    return cmocka_run_group_tests_name("map", tests, NULL, NULL);
}
