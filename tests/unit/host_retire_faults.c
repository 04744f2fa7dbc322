// Retirement when the backend cannot say how far it is: nothing is let go of without proof that the device is done with it (LEARNED-9).
// A host device whose `completed` and `wait` fail on demand; everything else is real, threads included.
#include "device/device.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { BYTES = 1 << 20 };
#define SECOND UINT64_C(1000000000)
#define OK(call) assert_int_equal((call), FM_OK)

static _Atomic(int) fault; // an fm_status: what `completed` and `wait` answer; FM_OK: the truth

static fm_status completed(fmi_backend *backend, uint32_t queue, uint64_t *out_value)
{
    fm_status status = (fm_status)atomic_load(&fault);
    return status == FM_OK ? fmi_backend_host.completed(backend, queue, out_value) : fmi_fail(status, "asked to fail");
}

static fm_status wait_until(fmi_backend *backend, const uint64_t values[FMI_MOST_QUEUES], uint64_t timeout_ns)
{
    fm_status status = (fm_status)atomic_load(&fault);
    return status == FM_OK ? fmi_backend_host.wait(backend, values, timeout_ns) : fmi_fail(status, "asked to fail");
}

// As a backend whose device can be lost: returns when its one batch is over.
static void quiesce(fmi_backend *backend)
{
    OK(fmi_backend_host.wait(backend, (const uint64_t[FMI_MOST_QUEUES]){1}, 60 * SECOND));
}

// The device's work is shut in here until the door opens.
static pthread_mutex_t door = PTHREAD_MUTEX_INITIALIZER;

static fm_status pass_door(const fm_host_call *call)
{
    pthread_mutex_lock(&door);
    memset(call->bindings[0], 0x5A, (size_t)call->size_bytes[0]); // touches what must still be there
    pthread_mutex_unlock(&door);
    return FM_OK;
}

typedef struct scene {
    fm_device *device;
    fmi_backend_ops ops;
    fm_stream stream;
    fm_point point;
    uint8_t bytes[16];
    uint64_t held; // bytes in use while the list is in flight
} scene;

static uint64_t bytes_in_use(const scene *s)
{
    fm_device_stats stats;
    OK(fm_device_get_stats(s->device, &stats));
    return stats.bytes_in_use;
}

// A list in flight behind the door that alone holds its buffer and kernel.
static void set_scene(scene *s)
{
    static const fm_kernel_param param = {"x", FM_DTYPE_U32, FM_ACCESS_WRITE};
    const fm_kernel_info info = {.name = "door",
                                 .language = FM_KERNEL_HOST_FUNCTION,
                                 .params = &param,
                                 .param_count = 1,
                                 .host_function = pass_door};
    memset(s, 0, sizeof *s);
    atomic_store(&fault, FM_OK);
    OK(fm_device_open("host", NULL, &s->device));
    s->ops = fmi_backend_host;
    s->ops.completed = completed;
    s->ops.wait = wait_until;
    s->ops.quiesce = quiesce;
    s->device->ops = s->device->engine.ops = &s->ops;
    OK(fm_stream_create(s->device, NULL, &s->stream));
    fm_kernel kernel;
    fm_buffer buffer;
    fm_commands *commands;
    OK(fm_kernel_create(s->device, &info, &kernel));
    OK(fm_buffer_create(s->device, &(fm_buffer_info){.size_bytes = BYTES}, &buffer));
    OK(fm_commands_begin(s->device, NULL, &commands));
    fm_binding binding = {.buffer = buffer};
    OK(fm_dispatch(commands,
                   &(fm_dispatch_info){
                       .kernel = kernel, .group_count = {1, 1, 1}, .bindings = &binding, .binding_count = 1}));
    OK(fm_read(commands, buffer, BYTES - sizeof s->bytes, sizeof s->bytes, s->bytes));
    pthread_mutex_lock(&door);
    OK(fm_commit(&commands, &(fm_commit_info){.stream = s->stream}, &s->point));
    OK(fm_buffer_destroy(s->device, buffer));
    OK(fm_kernel_destroy(s->device, kernel));
    s->held = bytes_in_use(s);
    assert_true(s->held >= BYTES);
}

static void learned_9_no_memory_while_asking_frees_nothing_and_loses_nothing(void **state)
{
    (void)state;
    static scene s;
    set_scene(&s);
    atomic_store(&fault, FM_ERROR_OUT_OF_HOST_MEMORY);
    for (uint32_t i = 0; i < 100; i++) assert_int_equal(fm_point_poll(s.device, s.point), FM_NOT_READY);
    assert_int_equal(fm_point_wait(s.device, s.point, 1000000), FM_TIMEOUT);
    assert_int_equal(bytes_in_use(&s), s.held);
    assert_int_equal(s.bytes[0], 0);
    pthread_mutex_unlock(&door);
    assert_int_equal(fm_point_wait(s.device, s.point, 1000000), FM_TIMEOUT); // done by now perhaps, but nobody can know
    assert_int_equal(bytes_in_use(&s), s.held);
    atomic_store(&fault, FM_OK);
    OK(fm_point_wait(s.device, s.point, 60 * SECOND));
    for (uint32_t i = 0; i < sizeof s.bytes; i++) assert_int_equal(s.bytes[i], 0x5A);
    OK(fm_device_close(&s.device, 60 * SECOND));
}

// A lost device fails its points once, but what it may still touch stays until it is closed, which waits for it.
static void learned_9_lost_device_keeps_what_it_may_still_touch(void **state)
{
    (void)state;
    static scene s;
    set_scene(&s);
    atomic_store(&fault, FM_ERROR_DEVICE_LOST);
    assert_int_equal(fm_point_wait(s.device, s.point, 60 * SECOND), FM_ERROR_DEVICE_LOST);
    assert_int_equal(bytes_in_use(&s), s.held);
    assert_int_equal(s.bytes[0], 0); // a read-back of failed work is not delivered
    fm_commands *commands;
    OK(fm_commands_begin(s.device, NULL, &commands));
    assert_int_equal(fm_commit(&commands, &(fm_commit_info){.stream = s.stream}, NULL), FM_ERROR_DEVICE_LOST);
    OK(fm_commands_cancel(&commands));
    pthread_mutex_unlock(&door);
    OK(fm_device_close(&s.device, 60 * SECOND));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(learned_9_no_memory_while_asking_frees_nothing_and_loses_nothing),
        cmocka_unit_test(learned_9_lost_device_keeps_what_it_may_still_touch),
    };
    return cmocka_run_group_tests_name("host_retire_faults", tests, NULL, NULL);
}
