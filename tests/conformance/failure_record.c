// fm_device_take_failure: what failed, why and with what, each told once, the last N kept (READ-5, LEARNED-7).
// Failures come from host functions; devices without them have none, which is what is tested there.
#include "groups.h"
#include "threads.h"

enum { KEPT = 4 };

static fm_status always_fails(const fm_host_call *call)
{
    (void)call;
    return FM_ERROR_KERNEL_FAILED;
}

static fm_status never_fails(const fm_host_call *call)
{
    (void)call;
    return FM_OK;
}

static fm_kernel host_kernel(ct_fixture *f, const char *name, fm_host_function function)
{
    fm_kernel kernel = {0};
    fm_kernel_param param = {"x", FM_DTYPE_U32, FM_ACCESS_READ_WRITE};
    CT_OK(fm_kernel_create(f->device,
                           &(fm_kernel_info){.name = name,
                                             .language = FM_KERNEL_HOST_FUNCTION,
                                             .params = &param,
                                             .param_count = 1,
                                             .host_function = function},
                           &kernel));
    return kernel;
}

// False where nothing can be made to fail; then there is no failure to take.
static bool can_fail(ct_fixture *f)
{
    if (f->properties.runs_host_functions) return true;
    fm_failure failure;
    CT_STATUS(fm_device_take_failure(f->device, &failure), FM_NOT_READY);
    return false;
}

static void record(fm_commands *commands, fm_kernel kernel, fm_buffer buffer)
{
    fm_binding binding = {.buffer = buffer};
    CT_OK(fm_dispatch(commands,
                      &(fm_dispatch_info){
                          .kernel = kernel, .group_count = {1, 1, 1}, .bindings = &binding, .binding_count = 1}));
}

static fm_point commit_labelled(ct_fixture *f, fm_kernel kernel, fm_buffer buffer, fm_stream stream, const char *label)
{
    fm_commands *commands = NULL;
    CT_OK(fm_commands_begin(f->device, &(fm_commands_info){.label = label}, &commands));
    record(commands, kernel, buffer);
    return ct_commit(&commands, stream);
}

static fm_stream new_stream(ct_fixture *f, const char *label)
{
    fm_stream stream;
    CT_OK(fm_stream_create(f->device, &(fm_stream_info){.label = label}, &stream));
    return stream;
}

static void record_of_a_failure_says_what_failed_and_with_what(void **state)
{
    ct_fixture *f = *state;
    if (!can_fail(f)) return;
    fm_kernel good = host_kernel(f, "attention", never_fails), bad = host_kernel(f, "rope", always_fails);
    fm_buffer keys = {0}, plain = ct_buffer(f, 64);
    CT_OK(fm_buffer_create(f->device, &(fm_buffer_info){.size_bytes = 64, .label = "keys"}, &keys));
    fm_stream stream = new_stream(f, "sequence 3");
    fm_commands *commands = NULL;
    CT_OK(fm_commands_begin(f->device, &(fm_commands_info){.label = "token 17"}, &commands));
    record(commands, good, keys);
    record(commands, bad, plain);
    fm_point point = ct_commit(&commands, stream);
    CT_OK(fm_buffer_destroy(f->device, keys));
    CT_OK(fm_kernel_destroy(f->device, bad));
    CT_STATUS(fm_point_wait(f->device, point, CT_TIMEOUT_NS), FM_ERROR_KERNEL_FAILED);
    fm_failure failure;
    CT_OK(fm_device_take_failure(f->device, &failure));
    assert_int_equal(failure.number, 1);
    assert_true(failure.point.stream.id == stream.id && failure.point.value == point.value);
    assert_int_equal(failure.status, FM_ERROR_KERNEL_FAILED);
    assert_string_equal(failure.list_label, "token 17");
    assert_string_equal(failure.stream_label, "sequence 3");
    assert_non_null(strstr(failure.cause, "token 17"));
    assert_non_null(strstr(failure.kernels, "attention"));
    assert_non_null(strstr(failure.kernels, "rope"));
    assert_non_null(strstr(failure.buffers, "keys"));
    CT_STATUS(fm_device_take_failure(f->device, &failure), FM_NOT_READY); // once
    CT_STATUS(fm_point_poll(f->device, point), FM_ERROR_KERNEL_FAILED);   // the point still answers
    CT_STATUS(fm_device_take_failure(f->device, NULL), FM_ERROR_INVALID_ARGUMENT);
}

// Dependents have no record of their own: of one cause and a hundred lists behind it, the cause is what is found.
static void record_is_made_for_the_root_alone(void **state)
{
    ct_fixture *f = *state;
    if (!can_fail(f)) return;
    fm_kernel good = host_kernel(f, "good", never_fails), bad = host_kernel(f, "bad", always_fails);
    fm_buffer buffer = ct_buffer(f, 64), door = ct_buffer(f, 64);
    fm_point gate = ct_commit_gate(f, f->stream, door);
    fm_stream stream = new_stream(f, NULL);
    fm_commands *commands = ct_begin(f);
    record(commands, bad, buffer);
    fm_point first = {{0}, 0};
    CT_OK(fm_commit(&commands, &(fm_commit_info){.stream = stream, .after = &gate, .after_count = 1}, &first));
    fm_point last = {{0}, 0};
    for (int i = 0; i < 100; i++) last = commit_labelled(f, good, buffer, stream, NULL);
    ct_gate_open(f);
    CT_STATUS(fm_point_wait(f->device, last, CT_TIMEOUT_NS), FM_ERROR_DEPENDENCY);
    fm_failure failure;
    CT_OK(fm_device_take_failure(f->device, &failure));
    assert_int_equal(failure.point.value, first.value);
    CT_STATUS(fm_device_take_failure(f->device, &failure), FM_NOT_READY);
    assert_int_equal(ct_stats(f).failures, 1);
}

// LEARNED-7: of several failures all are kept, up to the number that was asked for, and each stream's waiters get their own.
static void record_of_the_last_failures_is_kept_and_each_waiter_gets_its_own(void **state)
{
    ct_fixture *f = *state;
    if (!can_fail(f)) return;
    CT_OK(fm_device_close(&f->device, CT_TIMEOUT_NS));
    CT_OK(fm_device_open(f->device_name, &(fm_device_info){.failures_kept = KEPT, .log = ct_log_nothing}, &f->device));
    CT_OK(fm_stream_create(f->device, NULL, &f->stream));
    fm_kernel good = host_kernel(f, "good", never_fails), bad = host_kernel(f, "bad", always_fails);
    enum { STREAMS = 10 };
    fm_point points[STREAMS];
    fm_buffer buffer = ct_buffer(f, 64);
    for (int i = 0; i < STREAMS; i++) {
        char label[32];
        snprintf(label, sizeof label, "list %d", i);
        points[i] = commit_labelled(f, i % 2 ? good : bad, buffer, new_stream(f, label), label);
        CT_EITHER(fm_point_wait(f->device, points[i], CT_TIMEOUT_NS), FM_OK, FM_ERROR_KERNEL_FAILED);
    }
    for (int i = 0; i < STREAMS; i++) {
        CT_STATUS(fm_point_poll(f->device, points[i]), i % 2 ? FM_OK : FM_ERROR_KERNEL_FAILED);
        char label[32];
        snprintf(label, sizeof label, "'list %d'", i);
        if (i % 2 == 0) assert_non_null(strstr(fm_last_error(), label));
    }
    fm_failure failure;
    for (int i = 0; i < KEPT; i++) { // five failed: 0, 2, 4, 6, 8; the first was dropped
        CT_OK(fm_device_take_failure(f->device, &failure));
        assert_int_equal(failure.number, i + 2);
        assert_true(failure.point.stream.id == points[2 * (i + 1)].stream.id);
    }
    CT_STATUS(fm_device_take_failure(f->device, &failure), FM_NOT_READY);
    assert_int_equal(ct_stats(f).failures, 5);
    assert_int_equal(ct_stats(f).failures_dropped, 1);
}

static void record_cuts_long_names_and_counts_the_rest(void **state)
{
    ct_fixture *f = *state;
    if (!can_fail(f)) return;
    fm_kernel bad = host_kernel(f, "bad", always_fails);
    fm_commands *commands = ct_begin(f);
    for (int i = 0; i < 100; i++) {
        fm_buffer buffer = {0};
        CT_OK(fm_buffer_create(f->device, &(fm_buffer_info){.size_bytes = 64, .label = "a label of some length"},
                               &buffer));
        record(commands, bad, buffer);
    }
    fm_point point = ct_commit(&commands, f->stream);
    CT_STATUS(fm_point_wait(f->device, point, CT_TIMEOUT_NS), FM_ERROR_KERNEL_FAILED);
    fm_failure failure;
    CT_OK(fm_device_take_failure(f->device, &failure));
    assert_true(strlen(failure.buffers) < sizeof failure.buffers);
    uint32_t named = 0, more = 0;
    for (const char *at = failure.buffers; (at = strstr(at, "a label of some length")) != NULL; at++) named++;
    const char *rest = strstr(failure.buffers, " and ");
    assert_non_null(rest);
    assert_int_equal(sscanf(rest, " and %u more", &more), 1);
    assert_int_equal(named + more, 100);
}

typedef struct taker {
    _Atomic(uint32_t) taken[64];
} taker;

static void take_all(ct_worker *w)
{
    taker *t = w->shared;
    fm_failure failure;
    fm_status status;
    while ((status = fm_device_take_failure(w->fixture->device, &failure)) == FM_OK) {
        atomic_fetch_add(&t->taken[failure.number], 1);
    }
    CT_WORKER_TRUE(w, status == FM_NOT_READY);
}

static void record_is_given_to_one_of_many_takers(void **state)
{
    ct_fixture *f = *state;
    if (!can_fail(f)) return;
    fm_kernel bad = host_kernel(f, "bad", always_fails);
    fm_buffer buffer = ct_buffer(f, 64);
    for (int i = 0; i < 40; i++) {
        fm_point point = commit_labelled(f, bad, buffer, new_stream(f, NULL), NULL);
        CT_STATUS(fm_point_wait(f->device, point, CT_TIMEOUT_NS), FM_ERROR_KERNEL_FAILED);
    }
    taker t = {0};
    ct_run_workers(f, 4, take_all, &t);
    for (int i = 1; i <= 40; i++) assert_int_equal(t.taken[i], 1);
}

int ct_group_failure_record(void)
{
    const struct CMUnitTest tests[] = {
        CT_TEST(record_of_a_failure_says_what_failed_and_with_what),
        CT_TEST(record_is_made_for_the_root_alone),
        CT_TEST(record_of_the_last_failures_is_kept_and_each_waiter_gets_its_own),
        CT_TEST(record_cuts_long_names_and_counts_the_rest),
        CT_TEST(record_is_given_to_one_of_many_takers),
    };
    return cmocka_run_group_tests_name("failure_record", tests, NULL, NULL);
}
