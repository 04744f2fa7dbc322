// Copies between devices: values and order on both streams, one device named twice, and which side an error names.
#include "groups.h"
#include "support.h"

// Buffers and streams on the fixture's device and on the other one; the far side may also be of another kind (host beside vulkan).
typedef struct pair {
    fm_copy_side near;
    fm_copy_side far;
} pair;

static fm_buffer buffer_on(fm_device *device, uint64_t size_bytes)
{
    fm_buffer buffer;
    CT_OK(fm_buffer_create(device, &(fm_buffer_info){.size_bytes = size_bytes}, &buffer));
    return buffer;
}

static pair make_pair(ct_fixture *f, fm_device *other, uint64_t size_bytes)
{
    pair p = {.near = {.device = f->device, .stream = f->stream, .buffer = ct_buffer(f, size_bytes)},
              .far = {.device = other, .buffer = buffer_on(other, size_bytes)}};
    CT_OK(fm_stream_create(other, NULL, &p.far.stream));
    return p;
}

static void write_to(const fm_copy_side *side, const void *bytes, uint64_t size_bytes)
{
    CT_OK(fm_buffer_write(side->device, side->stream, side->buffer, 0, size_bytes, bytes, CT_TIMEOUT_NS));
}

static void expect_at(const fm_copy_side *side, const void *expected, uint64_t size_bytes)
{
    uint8_t *got = malloc(size_bytes);
    assert_non_null(got);
    CT_OK(fm_buffer_read(side->device, side->stream, side->buffer, 0, size_bytes, got, CT_TIMEOUT_NS));
    assert_memory_equal(got, expected, size_bytes);
    free(got);
}

static fm_copy_side at(fm_copy_side side, uint64_t offset_bytes)
{
    side.offset_bytes = offset_bytes;
    return side;
}

// There and back, over many pieces and of odd sizes, with neighbours that stay as they are.
static void cross_and_return(ct_fixture *f, fm_device *other, uint64_t size_bytes)
{
    uint8_t *bytes = malloc(size_bytes), *model = calloc(1, size_bytes);
    assert_true(bytes && model);
    ct_random random = {51};
    for (uint64_t i = 0; i < size_bytes; i++) bytes[i] = (uint8_t)ct_random_next(&random);
    pair p = make_pair(f, other, size_bytes);
    write_to(&p.near, bytes, size_bytes);
    fm_copy_side from = at(p.near, 3), to = at(p.far, 5);
    CT_OK(fm_buffer_copy_across(&from, &to, size_bytes - 9, CT_TIMEOUT_NS));
    memcpy(model + 5, bytes + 3, size_bytes - 9);
    expect_at(&p.far, model, size_bytes);
    from = at(p.far, 1), to = at(p.near, 0);
    CT_OK(fm_buffer_copy_across(&from, &to, FM_WHOLE_SIZE, CT_TIMEOUT_NS));
    memcpy(bytes, model + 1, size_bytes - 1);
    expect_at(&p.near, bytes, size_bytes);
    CT_OK(fm_buffer_destroy(p.near.device, p.near.buffer));
    CT_OK(fm_buffer_destroy(p.far.device, p.far.buffer));
    free(bytes);
    free(model);
}

static void across_moves_any_size_there_and_back(void **state)
{
    ct_fixture *f = *state;
    const uint64_t sizes[] = {10, 4099, 8 << 20, (8 << 20) + 9, (8 << 20) + 10, (33 << 20) + 77};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        cross_and_return(f, ct_other_device(f), sizes[i]);
    }
}

// Between backends, where there is more than one: the host device and the device under test.
static void across_moves_between_kinds_of_device(void **state)
{
    ct_fixture *f = *state;
    fm_device *host = NULL;
    fm_status status = fm_device_open("host", &(fm_device_info){.log = ct_log_nothing}, &host);
    // Not in this build, or the environment asks all devices for descriptors, which it does not have.
    if (status == FM_ERROR_NO_DEVICE || status == FM_ERROR_UNSUPPORTED) return;
    CT_OK(status);
    cross_and_return(f, host, (17 << 20) + 5);
    CT_OK(fm_device_close(&host, CT_TIMEOUT_NS));
}

// It comes after what both streams have committed, and before what they commit later.
static void across_stands_in_the_order_of_both_streams(void **state)
{
    ct_fixture *f = *state;
    enum { COUNT = 70000 };
    pair p = make_pair(f, ct_other_device(f), 4 * COUNT);
    fm_kernel step = ct_kernel_step(f);
    for (uint32_t round = 1; round <= 5; round++) {
        fm_commands *commands = ct_begin(f);
        CT_OK(fm_fill(commands, p.near.buffer, 0, FM_WHOLE_SIZE, round));
        for (int i = 0; i < 10; i++) CT_OK(ct_record_set(commands, step, p.near.buffer, COUNT, 1));
        ct_commit(&commands, f->stream);
        fm_commands *there;
        fm_point point;
        CT_OK(fm_commands_begin(p.far.device, NULL, &there));
        CT_OK(fm_fill(there, p.far.buffer, 0, FM_WHOLE_SIZE, 77));
        CT_OK(fm_commit(&there, &(fm_commit_info){.stream = p.far.stream}, &point));
        CT_OK(fm_buffer_copy_across(&p.near, &p.far, FM_WHOLE_SIZE, CT_TIMEOUT_NS));
        CT_OK(fm_point_poll(p.far.device, point));
        static uint32_t words[COUNT];
        for (uint32_t i = 0; i < COUNT; i++) words[i] = (round << 10) + 1023;
        expect_at(&p.far, words, sizeof words);
    }
}

static void across_on_one_device_is_a_copy(void **state)
{
    ct_fixture *f = *state;
    uint32_t words[64];
    for (uint32_t i = 0; i < 64; i++) words[i] = i * 3;
    fm_stream second;
    CT_OK(fm_stream_create(f->device, NULL, &second));
    fm_copy_side from = {f->device, f->stream, ct_buffer_of(f, words, sizeof words), 128};
    fm_copy_side to = {f->device, second, ct_buffer(f, 256), 4};
    CT_OK(fm_buffer_copy_across(&from, &to, 64, CT_TIMEOUT_NS));
    uint32_t got[64];
    ct_read(f, to.buffer, 0, sizeof got, got);
    for (uint32_t i = 0; i < 64; i++) assert_int_equal(got[i], i >= 1 && i < 17 ? words[31 + i] : 0);
    fm_copy_side within = from;
    within.offset_bytes = 0;
    CT_OK(fm_buffer_copy_across(&from, &within, FM_WHOLE_SIZE, CT_TIMEOUT_NS));
    ct_read(f, from.buffer, 0, sizeof got, got);
    assert_memory_equal(got, words + 32, 128);
    within.offset_bytes = 127;
    CT_STATUS(fm_buffer_copy_across(&from, &within, 64, CT_TIMEOUT_NS), FM_ERROR_INVALID_ARGUMENT); // they overlap
    if (!ct_gate_is_exact(f)) return;
    // The source's stream is waited for, not only the destination's, and not only for the sake of memory.
    ct_commit_gate(f, f->stream, ct_buffer(f, 4));
    CT_STATUS(fm_buffer_copy_across(&from, &to, 64, 1000000), FM_TIMEOUT);
    ct_gate_open(f);
}

static void across_names_the_side_that_failed(void **state)
{
    ct_fixture *f = *state;
    pair p = make_pair(f, ct_other_device(f), 64);
    const struct {
        fm_status status;
        int side; // 0: the source
        fm_buffer buffer;
        fm_stream stream;
        uint64_t offset_bytes;
    } cases[] = {
        {FM_ERROR_NULL_HANDLE, 0, {0}, p.near.stream, 0},
        {FM_ERROR_NULL_HANDLE, 1, {0}, p.far.stream, 0},
        {FM_ERROR_FOREIGN_HANDLE, 0, p.far.buffer, p.near.stream, 0},
        {FM_ERROR_FOREIGN_HANDLE, 1, p.near.buffer, p.far.stream, 0},
        {FM_ERROR_FOREIGN_HANDLE, 0, p.near.buffer, p.far.stream, 0},
        {FM_ERROR_NULL_HANDLE, 1, p.far.buffer, {0}, 0},
        {FM_ERROR_OUT_OF_RANGE, 0, p.near.buffer, p.near.stream, 1},
        {FM_ERROR_OUT_OF_RANGE, 1, p.far.buffer, p.far.stream, UINT64_MAX},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        pair bad = p;
        fm_copy_side *side = cases[i].side ? &bad.far : &bad.near;
        *side = (fm_copy_side){side->device, cases[i].stream, cases[i].buffer, cases[i].offset_bytes};
        CT_STATUS(fm_buffer_copy_across(&bad.near, &bad.far, 64, CT_TIMEOUT_NS), cases[i].status);
        assert_non_null(strstr(fm_last_error(), cases[i].side ? "fm_buffer_copy_across: destination: "
                                                              : "fm_buffer_copy_across: source: "));
    }
    CT_STATUS(fm_buffer_copy_across(NULL, &p.far, 64, 0), FM_ERROR_INVALID_ARGUMENT);
    CT_STATUS(fm_buffer_copy_across(&p.near, NULL, 64, 0), FM_ERROR_INVALID_ARGUMENT);
    fm_copy_side nowhere = {0};
    CT_STATUS(fm_buffer_copy_across(&p.near, &nowhere, 64, 0), FM_ERROR_INVALID_ARGUMENT);
    assert_non_null(strstr(fm_last_error(), "fm_buffer_copy_across: destination: "));
    CT_OK(fm_buffer_copy_across(&p.near, &p.far, 0, 0)); // nothing to do and to wait for
    p.near.offset_bytes = 64;
    CT_OK(fm_buffer_copy_across(&p.near, &p.far, FM_WHOLE_SIZE, 0));
    p.near.offset_bytes = 65;
    CT_STATUS(fm_buffer_copy_across(&p.near, &p.far, 0, 0), FM_ERROR_OUT_OF_RANGE);
}

// What was in flight when the time ran out keeps what it needs, and the caller's buffers may go.
static void across_that_times_out_says_where_and_leaves_nothing_behind(void **state)
{
    ct_fixture *f = *state;
    if (!ct_gate_is_exact(f)) return;
    pair p = make_pair(f, ct_other_device(f), 20 << 20);
    ct_commit_gate(f, f->stream, p.near.buffer);
    CT_STATUS(fm_buffer_copy_across(&p.near, &p.far, FM_WHOLE_SIZE, 1000000), FM_TIMEOUT);
    assert_non_null(strstr(fm_last_error(), "source: "));
    // So little that the free side is done long before the time is up, whatever else the machine does.
    CT_STATUS(fm_buffer_copy_across(&p.far, &p.near, 64, 2000000000), FM_TIMEOUT);
    assert_non_null(strstr(fm_last_error(), "destination: "));
    CT_OK(fm_buffer_destroy(p.near.device, p.near.buffer));
    CT_OK(fm_buffer_destroy(p.far.device, p.far.buffer));
    ct_gate_open(f);
    ct_wait_idle(f);
}

static fm_status fail_always(const fm_host_call *call)
{
    (void)call;
    return FM_ERROR_BACKEND;
}

// Commits a list that fails to the fixture's stream, and waits for it.
static void fail_stream(ct_fixture *f)
{
    fm_kernel_param param = {"x", FM_DTYPE_U32, FM_ACCESS_READ_WRITE};
    fm_kernel_info info = {.name = "fails",
                           .language = FM_KERNEL_HOST_FUNCTION,
                           .params = &param,
                           .param_count = 1,
                           .host_function = fail_always};
    fm_kernel kernel;
    CT_OK(fm_kernel_create(f->device, &info, &kernel));
    fm_commands *commands = ct_begin(f);
    fm_dispatch_info dispatch = ct_dispatch_info(kernel, 1, CT_BINDINGS({.buffer = ct_buffer(f, 4)}), NULL, 0);
    CT_OK(fm_dispatch(commands, &dispatch));
    CT_STATUS(fm_point_wait(f->device, ct_commit(&commands, f->stream), CT_TIMEOUT_NS), FM_ERROR_KERNEL_FAILED);
}

// A stream that has failed refuses, on either side, and is named.
static void across_a_failed_stream_is_refused(void **state)
{
    ct_fixture *f = *state;
    if (!f->properties.runs_host_functions) return;
    pair p = make_pair(f, ct_other_device(f), 64);
    fail_stream(f);
    CT_STATUS(fm_buffer_copy_across(&p.near, &p.far, 64, CT_TIMEOUT_NS), FM_ERROR_DEPENDENCY);
    assert_non_null(strstr(fm_last_error(), "source: "));
    CT_STATUS(fm_buffer_copy_across(&p.far, &p.near, 64, CT_TIMEOUT_NS), FM_ERROR_DEPENDENCY);
    assert_non_null(strstr(fm_last_error(), "destination: "));
    fm_copy_side beside = {.device = f->device, .buffer = ct_buffer(f, 64)}; // on one device, too
    CT_OK(fm_stream_create(f->device, NULL, &beside.stream));
    CT_STATUS(fm_buffer_copy_across(&p.near, &beside, 64, CT_TIMEOUT_NS), FM_ERROR_DEPENDENCY);
    CT_STATUS(fm_buffer_copy_across(&beside, &p.near, 64, CT_TIMEOUT_NS), FM_ERROR_DEPENDENCY);
    CT_OK(fm_stream_reset(f->device, f->stream, CT_TIMEOUT_NS));
    CT_OK(fm_buffer_copy_across(&p.near, &beside, 64, CT_TIMEOUT_NS));
    CT_OK(fm_buffer_copy_across(&p.near, &p.far, 64, CT_TIMEOUT_NS));
}

int ct_group_across(void)
{
    const struct CMUnitTest tests[] = {
        CT_TEST(across_moves_any_size_there_and_back),
        CT_TEST(across_moves_between_kinds_of_device),
        CT_TEST(across_stands_in_the_order_of_both_streams),
        CT_TEST(across_on_one_device_is_a_copy),
        CT_TEST(across_names_the_side_that_failed),
        CT_TEST(across_that_times_out_says_where_and_leaves_nothing_behind),
        CT_TEST(across_a_failed_stream_is_refused),
    };
    return cmocka_run_group_tests_name("across", tests, NULL, NULL);
}
