// A kernel that ends its CUDA context: everything pending fails with the cause, once; the device closes; CUDA is lost to the process, which goes on.
// Other backends promise nothing of a kernel that leaves its buffers, so this is for a real CUDA device alone.
#include "process.h"

enum { LATER = 4 };

static const fm_kernel_info astray = {
    .name = "astray",
    .code = "y[4000000000u + global_id.x] = ulong(1);", // 32 GB behind its buffer
    .params = &(const fm_kernel_param){"y", FM_DTYPE_U64, FM_ACCESS_WRITE},
    .param_count = 1,
};

typedef struct ends {
    _Atomic(uint32_t) calls;
    _Atomic(uint32_t) lost;
} ends;

static void count_end(void *user, fm_point point, fm_status status)
{
    ends *e = user;
    (void)point;
    atomic_fetch_add(&e->lost, status == FM_ERROR_DEVICE_LOST);
    atomic_fetch_add(&e->calls, 1);
}

static fm_point commit(fm_device *device, fm_stream stream, fm_kernel kernel, fm_buffer buffer)
{
    fm_commands *commands = NULL;
    fm_point point = {0};
    const fm_binding binding = {.buffer = buffer};
    const fm_dispatch_info info = {
        .kernel = kernel, .group_count = {1, 1, 1}, .bindings = &binding, .binding_count = 1};
    assert_int_equal(fm_commands_begin(device, NULL, &commands), FM_OK);
    assert_int_equal(fm_dispatch(commands, &info), FM_OK);
    fm_status status = fm_commit(&commands, &(fm_commit_info){.stream = stream}, &point);
    if (status == FM_OK) return point;
    assert_int_equal(status, FM_ERROR_DEVICE_LOST); // it was found out already
    assert_int_equal(fm_commands_cancel(&commands), FM_OK);
    return (fm_point){0};
}

static void lose(void)
{
    fm_device *device = NULL;
    fm_stream streams[2];
    fm_kernel bad, good;
    fm_buffer buffer;
    ends e = {0};
    assert_true(pt_open(&device));
    assert_int_equal(fm_stream_create(device, NULL, &streams[0]), FM_OK);
    assert_int_equal(fm_stream_create(device, NULL, &streams[1]), FM_OK);
    assert_int_equal(fm_buffer_create(device, &(fm_buffer_info){.size_bytes = 1024}, &buffer), FM_OK);
    assert_int_equal(fm_kernel_create(device, &astray, &bad), FM_OK);
    assert_int_equal(fm_kernel_create(device, &pt_kernel, &good), FM_OK);
    assert_true(pt_run(device, streams[1], good, buffer, NULL));
    fm_point points[1 + LATER] = {commit(device, streams[0], bad, buffer)};
    for (uint32_t i = 1; i <= LATER; i++) points[i] = commit(device, streams[i % 2], good, buffer);
    uint32_t committed = 0;
    for (uint32_t i = 0; i <= LATER; i++) {
        if (points[i].value == 0) continue;
        committed++;
        assert_int_equal(fm_point_on_complete(device, points[i], count_end, &e), FM_OK);
        fm_status status = fm_point_wait(device, points[i], PT_TIMEOUT_NS);
        if (status != FM_ERROR_DEVICE_LOST && (i == 0 || status != FM_ERROR_DEPENDENCY)) {
            fail_msg("point %u: %s: %s", i, fm_status_name(status), fm_last_error());
        }
        if (i == 0 && !strstr(fm_last_error(), "ILLEGAL_ADDRESS")) fail_msg("no cause: %s", fm_last_error());
    }
    assert_true(committed >= 1);
    assert_int_equal(fm_buffer_create(device, &(fm_buffer_info){.size_bytes = 1 << 28}, &buffer), FM_ERROR_DEVICE_LOST);
    assert_int_equal(fm_device_close(&device, PT_TIMEOUT_NS), FM_OK);
    assert_int_equal(atomic_load(&e.calls), committed); // close has called what was due
    assert_true(atomic_load(&e.lost) >= 1);
}

static void device_that_is_lost_closes_and_is_lost_to_its_process(void **state)
{
    (void)state;
    fm_device *device = NULL;
    lose();
    // NVIDIA's driver keeps the error for the process, whatever becomes of the context.
    assert_int_equal(fm_device_open("cuda", NULL, &device), FM_ERROR_DEVICE_LOST);
    assert_non_null(strstr(fm_last_error(), "ILLEGAL_ADDRESS"));
    assert_null(device);
    assert_int_equal(fm_device_open("host", NULL, &device), FM_OK);
    assert_int_equal(fm_device_close(&device, PT_TIMEOUT_NS), FM_OK);
}

int main(void)
{
    if (!pt_device_is_there()) return PT_SKIPPED;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(device_that_is_lost_closes_and_is_lost_to_its_process),
    };
    return cmocka_run_group_tests_name("cuda_lost", tests, NULL, NULL);
}
