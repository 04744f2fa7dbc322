// A child of fork: what it is told about its parent's device, and that it can open its own. FERMATA_TEST_DEVICE names the device.
// A child checks nothing by cmocka: it answers with a number, which the parent looks at, and ends with _exit.
#include "process.h"

#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#define PT_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define PT_ASAN 1
#endif
#endif

// What of the parent's a child tries to use.
static struct {
    fm_device *device;
    fm_stream stream;
    fm_buffer buffer;
    fm_kernel kernel;
    fm_commands *commands; // being recorded
    fm_point complete;
} parents;

static int open_parent(void **state)
{
    (void)state;
    return pt_open(&parents.device) && fm_stream_create(parents.device, NULL, &parents.stream) == FM_OK &&
                   fm_buffer_create(parents.device, &(fm_buffer_info){.size_bytes = 256}, &parents.buffer) == FM_OK &&
                   fm_kernel_create(parents.device, &pt_kernel, &parents.kernel) == FM_OK &&
                   pt_run(parents.device, parents.stream, parents.kernel, parents.buffer, &parents.complete) &&
                   fm_commands_begin(parents.device, NULL, &parents.commands) == FM_OK
               ? 0
               : 1;
}

// The parent's device has come through the test unharmed.
static int close_parent(void **state)
{
    (void)state;
    bool works = fm_commands_cancel(&parents.commands) == FM_OK &&
                 pt_run(parents.device, parents.stream, parents.kernel, parents.buffer, NULL) &&
                 fm_device_close(&parents.device, PT_TIMEOUT_NS) == FM_OK;
    return works ? 0 : 1;
}

#define LOST(call)                                                                                                     \
    do {                                                                                                               \
        if ((call) != FM_ERROR_LOST_IN_FORK || !strstr(fm_last_error(), "fork")) return __LINE__ % 256;                \
    } while (0)

static int call_device(void)
{
    fm_device *d = parents.device;
    fm_device_properties properties;
    fm_device_stats stats;
    fm_failure failure;
    LOST(fm_device_get_properties(d, &properties));
    LOST(fm_device_get_stats(d, &stats));
    LOST(fm_device_trim(d, NULL));
    LOST(fm_device_take_failure(d, &failure));
    return 0;
}

static int call_objects(void)
{
    fm_device *d = parents.device;
    fm_buffer buffer;
    fm_kernel kernel;
    fm_stream stream;
    uint64_t size_bytes;
    size_t text_bytes = 0;
    LOST(fm_buffer_create(d, &(fm_buffer_info){.size_bytes = 4096}, &buffer));
    LOST(fm_buffer_donate(d, parents.buffer, 256, NULL, &buffer));
    LOST(fm_buffer_get_size(d, parents.buffer, &size_bytes));
    LOST(fm_buffer_write(d, parents.stream, parents.buffer, 0, 4, "abc", PT_TIMEOUT_NS));
    LOST(fm_buffer_read(d, parents.stream, parents.buffer, 0, 4, &size_bytes, PT_TIMEOUT_NS));
    LOST(fm_buffer_destroy(d, parents.buffer));
    LOST(fm_kernel_create(d, &pt_kernel, &kernel));
    LOST(fm_kernel_get_source(d, &pt_kernel, NULL, &text_bytes));
    LOST(fm_kernel_prepare(d, parents.kernel, NULL, 0));
    LOST(fm_kernel_poll(d, parents.kernel, NULL, 0));
    LOST(fm_kernel_wait(d, parents.kernel, NULL, 0, PT_TIMEOUT_NS));
    LOST(fm_kernel_destroy(d, parents.kernel));
    LOST(fm_stream_create(d, NULL, &stream));
    LOST(fm_stream_reset(d, parents.stream, PT_TIMEOUT_NS));
    LOST(fm_stream_destroy(d, parents.stream));
    return 0;
}

static void never(void *user, fm_point point, fm_status status)
{
    (void)user, (void)point, (void)status;
    _exit(255);
}

static int call_points(void)
{
    fm_device *d = parents.device;
    uint32_t index;
    LOST(fm_point_poll(d, parents.complete));
    LOST(fm_point_wait(d, parents.complete, FM_FOREVER));
    LOST(fm_point_wait_all(d, &parents.complete, 1, FM_FOREVER));
    LOST(fm_point_wait_any(d, &parents.complete, 1, FM_FOREVER, &index));
    LOST(fm_point_on_complete(d, parents.complete, never, NULL));
    return 0;
}

static int call_commands(void)
{
    fm_commands *begun = NULL, *c = parents.commands;
    char bytes[4] = "abc";
    LOST(fm_commands_begin(parents.device, NULL, &begun));
    LOST(fm_fill(c, parents.buffer, 0, 4, 7));
    LOST(fm_copy(c, parents.buffer, 0, parents.buffer, 128, 4));
    LOST(fm_upload(c, parents.buffer, 0, 4, bytes));
    LOST(fm_read(c, parents.buffer, 0, 4, bytes));
    LOST(fm_dispatch(c, &(fm_dispatch_info){.kernel = parents.kernel, .group_count = {1, 1, 1}}));
    LOST(fm_barrier(c));
    LOST(fm_label_push(c, "child"));
    LOST(fm_label_pop(c));
    LOST(fm_commit(&c, &(fm_commit_info){.stream = parents.stream}, NULL));
    LOST(fm_commands_cancel(&c));
    return c == parents.commands ? 0 : 1;
}

static int close_lost(void)
{
    fm_device *d = parents.device;
    LOST(fm_device_close(&d, FM_FOREVER));
    LOST(fm_device_close(&d, 0));
    return d == parents.device ? 0 : 1;
}

static void fork_child_is_told_that_the_parents_device_is_lost(void **state)
{
    (void)state;
    static int (*const calls[])(void) = {call_device, call_objects, call_points, call_commands, close_lost};
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        assert_int_equal(pt_in_child(calls[i]), 0);
    }
}

// Other work than the parent's, with handles of the parent's beside it.
static int compute(const char *name)
{
    fm_device *device = NULL;
    fm_stream stream;
    fm_buffer buffer;
    fm_kernel kernel;
    if (fm_device_open(name, &(fm_device_info){.log = pt_log_nothing}, &device) != FM_OK) return 1;
    if (fm_stream_create(device, NULL, &stream) != FM_OK) return 2;
    if (fm_buffer_create(device, &(fm_buffer_info){.size_bytes = 256}, &buffer) != FM_OK) return 3;
    if (fm_kernel_create(device, &pt_kernel, &kernel) != FM_OK) return 4;
    if (!pt_run(device, stream, kernel, buffer, NULL)) return 5;
    if (fm_buffer_destroy(device, parents.buffer) != FM_ERROR_FOREIGN_HANDLE) return 6;
    return fm_device_close(&device, PT_TIMEOUT_NS) == FM_OK && !device ? 0 : 7;
}

static int compute_here(void)
{
    return compute(pt_device_name());
}

static int compute_on_host(void)
{
    return compute("host");
}

static int compute_in_grandchild(void)
{
    int status = compute_here();
    return status ? status : pt_in_child(compute_here);
}

static void fork_child_opens_a_device_of_its_own(void **state)
{
    (void)state;
    assert_int_equal(pt_in_child(compute_here), 0);
    assert_int_equal(pt_in_child(compute_on_host), 0);
    assert_int_equal(pt_in_child(compute_in_grandchild), 0);
}

// Without any device open in the parent: what it has loaded once must not be what the child relies on.
static void fork_child_of_a_parent_that_has_closed_opens_a_device(void **state)
{
    (void)state;
    fm_device *device = NULL;
    uint32_t count = 0;
    assert_int_equal(fm_device_list(NULL, &count), FM_OK);
    assert_int_equal(pt_in_child(compute_here), 0);
    assert_true(pt_open(&device));
    assert_int_equal(fm_device_close(&device, PT_TIMEOUT_NS), FM_OK);
    assert_int_equal(pt_in_child(compute_here), 0);
}

// Records, compiles, waits and opens until told to stop; the parent's side of the race.
static void *keep_busy(void *unused)
{
    (void)unused;
    static _Atomic(uint32_t) number;
    while (!atomic_load(&pt_stop)) {
        char body[96];
        snprintf(body, sizeof body, "barrier(); y[global_id.x] = local_id.x + %uu;", atomic_fetch_add(&number, 1));
        fm_kernel_info info = pt_kernel;
        info.code = body;
        fm_kernel kernel;
        fm_buffer buffer;
        bool good = fm_kernel_create(parents.device, &info, &kernel) == FM_OK &&
                    fm_buffer_create(parents.device, &(fm_buffer_info){.size_bytes = 256}, &buffer) == FM_OK &&
                    pt_run_any(parents.device, parents.stream, kernel, buffer) &&
                    fm_buffer_destroy(parents.device, buffer) == FM_OK &&
                    fm_kernel_destroy(parents.device, kernel) == FM_OK;
        if (!good) return "the parent's work failed";
    }
    return NULL;
}

static void *keep_opening(void *unused)
{
    (void)unused;
    while (!atomic_load(&pt_stop)) {
        fm_device *device = NULL;
        if (!pt_open(&device) || fm_device_close(&device, PT_TIMEOUT_NS) != FM_OK) return "the parent's open failed";
    }
    return NULL;
}

// A child needs the locks of the loader and of the instance that a listing thread may hold just then.
static void *keep_listing(void *unused)
{
    (void)unused;
    while (!atomic_load(&pt_stop)) {
        uint32_t count = 0;
        if (fm_device_list(NULL, &count) != FM_OK) return "the parent's listing failed";
    }
    return NULL;
}

static int use_and_close_lost(void)
{
    int status = call_points();
    return status ? status : close_lost();
}

static void __attribute__((unused)) fork_child_of_a_busy_parent_is_sound(void **state)
{
    (void)state;
    static void *(*const parts[])(void *) = {keep_busy, keep_busy, keep_opening, keep_listing};
    enum { THREADS = sizeof parts / sizeof parts[0] };
    pthread_t threads[THREADS];
    atomic_store(&pt_stop, false);
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, parts[i], NULL), 0);
    }
    uint32_t wrong = 0;
    for (int i = 0; i < 20; i++) {
        wrong += pt_in_child(compute_on_host) != 0;
        wrong += pt_in_child(use_and_close_lost) != 0;
        wrong += pt_in_child(compute_here) != 0;
    }
    atomic_store(&pt_stop, true);
    const char *failure = NULL;
    for (int i = 0; i < THREADS; i++) {
        void *answer;
        pthread_join(threads[i], &answer);
        failure = answer ? answer : failure;
    }
    assert_null(failure);
    assert_int_equal(wrong, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(fork_child_is_told_that_the_parents_device_is_lost, open_parent, close_parent),
        cmocka_unit_test_setup_teardown(fork_child_opens_a_device_of_its_own, open_parent, close_parent),
        cmocka_unit_test(fork_child_of_a_parent_that_has_closed_opens_a_device),
#ifndef PT_ASAN // its allocator's locks are not made whole in a child, in gcc 12 and clang 14
        cmocka_unit_test_setup_teardown(fork_child_of_a_busy_parent_is_sound, open_parent, close_parent),
#endif
    };
    return pt_device_is_there() ? cmocka_run_group_tests(tests, NULL, NULL) : PT_SKIPPED;
}
