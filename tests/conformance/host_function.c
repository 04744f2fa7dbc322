// Host functions: called once a dispatch with what was bound, ordered like any kernel.
// How their failures spread is the failure group's subject.
#include "groups.h"
#include "threads.h"

#include <time.h>

// What a host function saw, checked after the list is complete.
typedef struct seen {
    _Atomic(uint32_t) calls;
    uint32_t binding_count;
    uint64_t size_bytes[2];
    uint32_t constants_size_bytes;
    uint32_t group_count[3];
    uint32_t constants[3];
    bool aligned;
    uint32_t first_word; // of binding 0
} seen;

static fm_status look_and_write(const fm_host_call *call)
{
    seen *s = call->user;
    s->binding_count = call->binding_count;
    for (uint32_t i = 0; i < 2; i++) s->size_bytes[i] = call->size_bytes[i];
    s->constants_size_bytes = call->constants_size_bytes;
    memcpy(s->group_count, call->group_count, sizeof s->group_count);
    memcpy(s->constants, call->constants, sizeof s->constants);
    s->aligned = (uintptr_t)call->constants % 8 == 0;
    memcpy(&s->first_word, call->bindings[0], 4);
    memset(call->bindings[1], 0x5A, (size_t)call->size_bytes[1]);
    atomic_fetch_add(&s->calls, 1);
    return FM_OK;
}

static const fm_kernel_param two_params[2] = {{"x", FM_DTYPE_U32, FM_ACCESS_READ}, {"y", FM_DTYPE_U8, FM_ACCESS_WRITE}};

static fm_kernel_info host_info(fm_host_function function, void *user)
{
    return (fm_kernel_info){.name = "host function",
                            .language = FM_KERNEL_HOST_FUNCTION,
                            .params = two_params,
                            .param_count = 2,
                            .constants_size_bytes = 12,
                            .host_function = function,
                            .user = user};
}

// The kernel, or the null handle on a device that rightly refuses it.
static fm_kernel host_kernel(ct_fixture *f, fm_host_function function, void *user)
{
    fm_kernel_info info = host_info(function, user);
    fm_kernel kernel = {0};
    if (f->properties.runs_host_functions) {
        CT_OK(fm_kernel_create(f->device, &info, &kernel));
    } else {
        ct_expect_unsupported(f, &info);
    }
    return kernel;
}

static void host_function_sees_what_was_bound(void **state)
{
    ct_fixture *f = *state;
    seen s = {0};
    fm_kernel kernel = host_kernel(f, look_and_write, &s);
    if (kernel.id == 0) return;
    uint32_t step = f->properties.binding_alignment_bytes;
    fm_buffer source = ct_buffer(f, 4096);
    fm_buffer target = ct_buffer(f, 4 * (uint64_t)step + 7);
    const fm_binding bindings[2] = {{.buffer = source, .offset_bytes = step, .size_bytes = 4},
                                    {.buffer = target, .offset_bytes = 4 * (uint64_t)step}};
    const uint32_t constants[3] = {11, 22, 33};
    fm_dispatch_info info = ct_dispatch_info(kernel, 7, bindings, 2, constants, sizeof constants);
    info.group_count[1] = 70000;
    info.group_count[2] = 9;
    fm_commands *commands = ct_begin(f);
    CT_OK(fm_fill(commands, source, step, 4, 0xCAFEF00D));
    CT_OK(fm_dispatch(commands, &info));
    ct_finish(f, commands);
    assert_int_equal(s.calls, 1); // once for all workgroups
    assert_int_equal(s.binding_count, 2);
    assert_int_equal(s.size_bytes[0], 4);
    assert_int_equal(s.size_bytes[1], 7);
    assert_int_equal(s.constants_size_bytes, 12);
    assert_memory_equal(s.constants, constants, sizeof constants);
    assert_true(s.aligned);
    assert_int_equal(s.group_count[0], 7);
    assert_int_equal(s.group_count[1], 70000);
    assert_int_equal(s.group_count[2], 9);
    assert_int_equal(s.first_word, 0xCAFEF00D);
    ct_expect_bytes(f, target, 0, 4 * (uint64_t)step, 0);
    ct_expect_bytes(f, target, 4 * (uint64_t)step, 7, 0x5A);
}

static fm_status append(const fm_host_call *call)
{
    uint32_t *words = call->bindings[1];
    uint32_t value;
    memcpy(&value, call->constants, 4);
    words[0]++;
    words[words[0]] = value;
    return FM_OK;
}

// Each appends behind the one before, so any change of order or overlap shows.
static void host_functions_on_one_buffer_run_in_order(void **state)
{
    ct_fixture *f = *state;
    fm_kernel_param params[2] = {two_params[0], {"y", FM_DTYPE_U32, FM_ACCESS_READ_WRITE}};
    fm_kernel_info create = host_info(append, NULL);
    create.params = params;
    if (!f->properties.runs_host_functions) {
        ct_expect_unsupported(f, &create);
        return;
    }
    fm_kernel kernel = {0};
    CT_OK(fm_kernel_create(f->device, &create, &kernel));
    fm_buffer source = ct_buffer(f, 4);
    fm_buffer log = ct_buffer(f, 4 * 101);
    const fm_binding bindings[2] = {{.buffer = source}, {.buffer = log}};
    fm_commands *commands = ct_begin(f);
    for (uint32_t i = 0; i < 100; i++) {
        const uint32_t constants[3] = {i * i, 0, 0};
        fm_dispatch_info info = ct_dispatch_info(kernel, 1, bindings, 2, constants, sizeof constants);
        CT_OK(fm_dispatch(commands, &info));
        if (i % 7 == 6) {
            ct_commit(&commands, f->stream);
            commands = ct_begin(f);
        }
    }
    ct_finish(f, commands);
    uint32_t words[101];
    ct_read(f, log, 0, sizeof words, words);
    assert_int_equal(words[0], 100);
    for (uint32_t i = 0; i < 100; i++) assert_int_equal(words[i + 1], i * i);
}

// Two host functions with no memory in common: only a point can order them.
typedef struct duet {
    pthread_mutex_t lock;   // guards the rest
    pthread_cond_t changed; // signalled when the second is called
    bool first_is_done;
    bool second_was_called;
    bool overtaken; // the second was called before the first was done
} duet;

// Stays inside for a while, so that a second that does not wait for it has the time to be seen.
static fm_status play_first(const fm_host_call *call)
{
    duet *d = call->user;
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += 20000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    int late = 0;
    pthread_mutex_lock(&d->lock);
    while (!d->second_was_called && !late) late = pthread_cond_timedwait(&d->changed, &d->lock, &until);
    d->first_is_done = true;
    pthread_mutex_unlock(&d->lock);
    return FM_OK;
}

static fm_status play_second(const fm_host_call *call)
{
    duet *d = call->user;
    pthread_mutex_lock(&d->lock);
    if (!d->first_is_done) d->overtaken = true;
    d->second_was_called = true;
    pthread_cond_broadcast(&d->changed);
    pthread_mutex_unlock(&d->lock);
    return FM_OK;
}

static fm_point commit_duet(ct_fixture *f, fm_host_function function, duet *d, fm_stream stream, fm_point after)
{
    fm_kernel_info create = {.name = "duet", .language = FM_KERNEL_HOST_FUNCTION, .host_function = function, .user = d};
    fm_kernel kernel = {0};
    CT_OK(fm_kernel_create(f->device, &create, &kernel));
    fm_commands *commands = ct_begin(f);
    fm_dispatch_info info = ct_dispatch_info(kernel, 1, NULL, 0, NULL, 0);
    CT_OK(fm_dispatch(commands, &info));
    CT_OK(fm_kernel_destroy(f->device, kernel));
    fm_point point = {{0}, 0};
    fm_commit_info commit = {.stream = stream, .after = &after, .after_count = 1};
    CT_OK(fm_commit(&commands, &commit, &point));
    return point;
}

// Directly, and through an empty list of a third stream. Lists are held back at first, so that all come into one batch.
static void host_functions_on_two_streams_run_in_the_order_of_their_points(void **state)
{
    ct_fixture *f = *state;
    if (!f->properties.runs_host_functions) return;
    fm_stream streams[3];
    fm_buffer doors[8];
    for (uint32_t i = 0; i < 3; i++) CT_OK(fm_stream_create(f->device, NULL, &streams[i]));
    for (uint32_t i = 0; i < 8; i++) {
        doors[i] = ct_buffer(f, 4);
        ct_commit_gate(f, f->stream, doors[i]);
    }
    duet duets[2] = {{.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER},
                     {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER}};
    fm_point last = {{0}, 0};
    for (uint32_t i = 0; i < 2; i++) {
        fm_point between = commit_duet(f, play_first, &duets[i], streams[0], last);
        if (i == 1) {
            fm_commands *commands = ct_begin(f);
            fm_commit_info commit = {.stream = streams[2], .after = &between, .after_count = 1};
            CT_OK(fm_commit(&commands, &commit, &between));
        }
        last = commit_duet(f, play_second, &duets[i], streams[1], between);
    }
    ct_gate_open(f);
    CT_OK(fm_point_wait(f->device, last, CT_TIMEOUT_NS));
    for (uint32_t i = 0; i < 2; i++) assert_true(duets[i].second_was_called && !duets[i].overtaken);
}

static void host_function_missing_or_with_bad_fields_is_invalid(void **state)
{
    ct_fixture *f = *state;
    if (!f->properties.runs_host_functions) return;
    fm_kernel_info infos[4];
    for (int i = 0; i < 4; i++) infos[i] = host_info(look_and_write, NULL);
    infos[0].host_function = NULL;
    infos[1].constants_size_bytes = f->properties.max_constants_bytes + 1;
    infos[2].code = "x[0] = 1u;";
    infos[3].param_count = FM_MAX_BINDINGS + 1;
    for (int i = 0; i < 4; i++) {
        fm_kernel kernel = {UINT64_MAX};
        CT_STATUS(fm_kernel_create(f->device, &infos[i], &kernel), FM_ERROR_INVALID_ARGUMENT);
        assert_true(kernel.id == 0);
    }
}

static void host_function_dispatch_with_wrong_counts_is_invalid(void **state)
{
    ct_fixture *f = *state;
    seen s = {0};
    fm_kernel kernel = host_kernel(f, look_and_write, &s);
    if (kernel.id == 0) return;
    fm_buffer buffer = ct_buffer(f, 64);
    fm_buffer target = ct_buffer(f, 64);
    const fm_binding bindings[2] = {{.buffer = buffer}, {.buffer = target}};
    const uint32_t constants[4] = {0};
    fm_commands *commands = ct_begin(f);
    fm_dispatch_info info = ct_dispatch_info(kernel, 1, bindings, 2, constants, 16);
    CT_STATUS(fm_dispatch(commands, &info), FM_ERROR_INVALID_ARGUMENT);
    info.constants_size_bytes = 12;
    info.binding_count = 1;
    CT_STATUS(fm_dispatch(commands, &info), FM_ERROR_INVALID_ARGUMENT);
    ct_finish(f, commands);
    assert_int_equal(s.calls, 0);
}

// HOLD-1: the function and its `user` are needed until the last dispatch is done, the handle is not.
static void host_function_destroyed_after_dispatch_still_runs(void **state)
{
    ct_fixture *f = *state;
    seen s = {0};
    fm_kernel kernel = host_kernel(f, look_and_write, &s);
    if (kernel.id == 0) return;
    fm_buffer source = ct_buffer(f, 64);
    fm_buffer target = ct_buffer(f, 64);
    const uint32_t constants[3] = {1, 2, 3};
    fm_commands *commands = ct_begin(f);
    ct_record_gate(f, commands, source);
    fm_dispatch_info info =
        ct_dispatch_info(kernel, 1, CT_BINDINGS({.buffer = source}, {.buffer = target}), constants, sizeof constants);
    CT_OK(fm_dispatch(commands, &info));
    CT_OK(fm_kernel_destroy(f->device, kernel));
    CT_STATUS(fm_dispatch(commands, &info), FM_ERROR_STALE_HANDLE);
    fm_point point = ct_commit(&commands, f->stream);
    ct_gate_open(f);
    CT_OK(fm_point_wait(f->device, point, CT_TIMEOUT_NS));
    assert_int_equal(s.calls, 1);
    ct_expect_bytes(f, target, 0, 64, 0x5A);
}

int ct_group_host_function(void)
{
    const struct CMUnitTest tests[] = {
        CT_TEST(host_function_sees_what_was_bound),
        CT_TEST(host_functions_on_one_buffer_run_in_order),
        CT_TEST(host_functions_on_two_streams_run_in_the_order_of_their_points),
        CT_TEST(host_function_missing_or_with_bad_fields_is_invalid),
        CT_TEST(host_function_dispatch_with_wrong_counts_is_invalid),
        CT_TEST(host_function_destroyed_after_dispatch_still_runs),
    };
    return cmocka_run_group_tests_name("host_function", tests, NULL, NULL);
}
