// Failures of the work itself, provoked by host functions: what fails with it, what goes on, and who is told.
// Devices without host functions refuse them, which is what is tested there.
#include "groups.h"
#include "threads.h"

// A host function that fails when its constant says so, and else counts its calls.
static fm_status fail_on_demand(const fm_host_call *call)
{
    uint32_t wanted;
    memcpy(&wanted, call->constants, sizeof wanted);
    if (wanted) return (fm_status)(int32_t)wanted;
    uint32_t *word = call->bindings[0];
    (*word)++;
    return FM_OK;
}

typedef struct scene {
    fm_kernel kernel;
    fm_buffer buffer; // 64 bytes, one word counts the calls that succeeded
} scene;

// False on a device that rightly refuses host functions.
static bool set_scene(ct_fixture *f, scene *s)
{
    fm_kernel_param param = {"x", FM_DTYPE_U32, FM_ACCESS_READ_WRITE};
    fm_kernel_info info = {.name = "fails",
                           .language = FM_KERNEL_HOST_FUNCTION,
                           .params = &param,
                           .param_count = 1,
                           .constants_size_bytes = 4,
                           .host_function = fail_on_demand};
    if (!f->properties.runs_host_functions) {
        ct_expect_unsupported(f, &info);
        return false;
    }
    CT_OK(fm_kernel_create(f->device, &info, &s->kernel));
    s->buffer = ct_buffer(f, 64);
    return true;
}

static fm_status record_call(const scene *s, fm_commands *commands, fm_buffer buffer, fm_status answer)
{
    fm_dispatch_info info = ct_dispatch_info(s->kernel, 1, CT_BINDINGS({.buffer = buffer}), &answer, 4);
    return fm_dispatch(commands, &info);
}

// Commits one call that gives `answer`.
static fm_point commit_call(ct_fixture *f, const scene *s, fm_stream stream, fm_buffer buffer, fm_status answer)
{
    fm_commands *commands = ct_begin(f);
    CT_OK(record_call(s, commands, buffer, answer));
    return ct_commit(&commands, stream);
}

static void failure_of_a_host_function_fails_its_own_point(void **state)
{
    ct_fixture *f = *state;
    scene s;
    if (!set_scene(f, &s)) return;
    const fm_status answers[] = {FM_ERROR_KERNEL_FAILED, FM_ERROR_INVALID_ARGUMENT, FM_ERROR_DEVICE_LOST, FM_NOT_READY,
                                 (fm_status)12345};
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        fm_stream stream;
        CT_OK(fm_stream_create(f->device, NULL, &stream));
        fm_point point = commit_call(f, &s, stream, s.buffer, answers[i]);
        CT_STATUS(fm_point_wait(f->device, point, CT_TIMEOUT_NS), FM_ERROR_KERNEL_FAILED);
        assert_non_null(strstr(fm_last_error(), "host function 'fails' returned "));
        bool is_status = answers[i] != (fm_status)12345;
        assert_non_null(strstr(fm_last_error(), is_status ? fm_status_name(answers[i]) : "a value that is no status"));
        CT_STATUS(fm_point_wait(f->device, point, 0), FM_ERROR_KERNEL_FAILED); // READ-5: as often as asked
        CT_STATUS(fm_point_poll(f->device, point), FM_ERROR_KERNEL_FAILED);
    }
    ct_expect_words(f, s.buffer, 1, 0);
}

static void failure_spreads_to_later_lists_of_its_stream_alone(void **state)
{
    ct_fixture *f = *state;
    scene s;
    if (!set_scene(f, &s)) return;
    fm_stream other;
    CT_OK(fm_stream_create(f->device, NULL, &other));
    fm_buffer untouched = ct_buffer(f, 64);
    fm_point before = commit_call(f, &s, f->stream, s.buffer, FM_OK);
    ct_commit_gate(f, f->stream, s.buffer); // so that all of the rest is committed before anything is known
    fm_point failed = commit_call(f, &s, f->stream, s.buffer, FM_ERROR_BACKEND);
    fm_point later[3];
    for (uint32_t i = 0; i < 3; i++) later[i] = commit_call(f, &s, f->stream, s.buffer, i ? FM_OK : FM_ERROR_BACKEND);
    fm_point beside = commit_call(f, &s, other, untouched, FM_OK);
    ct_gate_open(f);
    CT_OK(fm_point_wait(f->device, beside, CT_TIMEOUT_NS));
    CT_STATUS(fm_point_wait(f->device, failed, CT_TIMEOUT_NS), FM_ERROR_KERNEL_FAILED);
    for (uint32_t i = 0; i < 3; i++) CT_STATUS(fm_point_wait(f->device, later[i], CT_TIMEOUT_NS), FM_ERROR_DEPENDENCY);
    CT_OK(fm_point_poll(f->device, before)); // what was complete stays complete
    fm_commands *commands = ct_begin(f);
    ct_commit(&commands, other);
    uint32_t word = 0xA5A5A5A5;
    CT_OK(fm_buffer_read(f->device, other, untouched, 0, 4, &word, CT_TIMEOUT_NS));
    assert_int_equal(word, 1);
}

// Two failures on two streams: each is kept, each is told by its own points (LEARNED-7).
static void failures_on_two_streams_are_both_kept(void **state)
{
    ct_fixture *f = *state;
    scene s;
    if (!set_scene(f, &s)) return;
    fm_stream streams[8];
    fm_point points[8];
    for (uint32_t i = 0; i < 8; i++) {
        CT_OK(fm_stream_create(f->device, NULL, &streams[i]));
        points[i] = commit_call(f, &s, streams[i], ct_buffer(f, 64), i % 2 ? FM_ERROR_BACKEND : FM_OK);
    }
    for (uint32_t i = 0; i < 8; i++) {
        CT_STATUS(fm_point_wait(f->device, points[i], CT_TIMEOUT_NS), i % 2 ? FM_ERROR_KERNEL_FAILED : FM_OK);
    }
    for (uint32_t i = 0; i < 8; i++) {
        fm_commands *commands = ct_begin(f);
        fm_status status = fm_commit(&commands, &(fm_commit_info){.stream = streams[i]}, NULL);
        CT_STATUS(status, i % 2 ? FM_ERROR_DEPENDENCY : FM_OK);
        if (commands) CT_OK(fm_commands_cancel(&commands));
    }
}

static void failed_stream_refuses_commits_and_keeps_the_list(void **state)
{
    ct_fixture *f = *state;
    scene s;
    if (!set_scene(f, &s)) return;
    fm_stream failed;
    CT_OK(fm_stream_create(f->device, NULL, &failed));
    fm_point point = commit_call(f, &s, failed, s.buffer, FM_ERROR_BACKEND);
    CT_STATUS(fm_point_wait(f->device, point, CT_TIMEOUT_NS), FM_ERROR_KERNEL_FAILED);
    uint32_t word = 0xA5A5A5A5;
    CT_STATUS(fm_buffer_read(f->device, failed, s.buffer, 0, 4, &word, CT_TIMEOUT_NS), FM_ERROR_DEPENDENCY);
    CT_STATUS(fm_buffer_write(f->device, failed, s.buffer, 0, 4, &word, CT_TIMEOUT_NS), FM_ERROR_DEPENDENCY);
    assert_int_equal(word, 0xA5A5A5A5);
    fm_commands *commands = ct_begin(f);
    CT_OK(record_call(&s, commands, s.buffer, FM_OK));
    fm_commands *kept = commands;
    CT_STATUS(fm_commit(&commands, &(fm_commit_info){.stream = failed}, NULL), FM_ERROR_DEPENDENCY);
    assert_ptr_equal(commands, kept);
    ct_finish(f, commands); // on another stream it runs
    ct_expect_words(f, s.buffer, 1, 1);
}

static void failed_stream_works_again_after_reset(void **state)
{
    ct_fixture *f = *state;
    scene s;
    if (!set_scene(f, &s)) return;
    fm_point failed = commit_call(f, &s, f->stream, s.buffer, FM_ERROR_BACKEND);
    CT_STATUS(fm_point_wait(f->device, failed, CT_TIMEOUT_NS), FM_ERROR_KERNEL_FAILED);
    for (uint32_t round = 1; round <= 3; round++) {
        CT_OK(fm_stream_reset(f->device, f->stream, CT_TIMEOUT_NS));
        fm_point fine = commit_call(f, &s, f->stream, s.buffer, FM_OK);
        CT_OK(fm_point_wait(f->device, fine, CT_TIMEOUT_NS));
        ct_expect_words(f, s.buffer, 1, round);
        CT_STATUS(fm_point_poll(f->device, failed), FM_ERROR_KERNEL_FAILED); // READ-5: still its own answer
        CT_OK(fm_point_poll(f->device, fine));
        fm_point again = commit_call(f, &s, f->stream, s.buffer, FM_ERROR_BACKEND);
        CT_STATUS(fm_point_wait(f->device, again, CT_TIMEOUT_NS), FM_ERROR_KERNEL_FAILED);
        CT_OK(fm_point_poll(f->device, fine));
        CT_STATUS(fm_point_poll(f->device, failed), FM_ERROR_KERNEL_FAILED);
        failed = again;
    }
}

static void reset_waits_for_work_that_was_committed_before(void **state)
{
    ct_fixture *f = *state;
    scene s;
    if (!set_scene(f, &s)) return;
    ct_commit_gate(f, f->stream, s.buffer); // so that both are committed before anything is known
    fm_point failed = commit_call(f, &s, f->stream, s.buffer, FM_ERROR_BACKEND);
    fm_point last = commit_call(f, &s, f->stream, s.buffer, FM_OK);
    ct_gate_open(f);
    CT_OK(fm_stream_reset(f->device, f->stream, CT_TIMEOUT_NS));
    CT_STATUS(fm_point_poll(f->device, failed), FM_ERROR_KERNEL_FAILED); // all of it has been retired
    CT_STATUS(fm_point_poll(f->device, last), FM_ERROR_DEPENDENCY);
    fm_point fine = commit_call(f, &s, f->stream, s.buffer, FM_OK);
    CT_OK(fm_point_wait(f->device, fine, CT_TIMEOUT_NS));
}

static void failure_reaches_callbacks_in_order(void **state)
{
    ct_fixture *f = *state;
    scene s;
    if (!set_scene(f, &s)) return;
    ct_calls calls;
    ct_calls_init(&calls);
    ct_commit_gate(f, f->stream, s.buffer);
    const fm_status expected[4] = {FM_OK, FM_ERROR_KERNEL_FAILED, FM_ERROR_DEPENDENCY, FM_ERROR_DEPENDENCY};
    for (uint32_t i = 0; i < 4; i++) {
        fm_point point = commit_call(f, &s, f->stream, s.buffer, i == 1 ? FM_ERROR_BACKEND : FM_OK);
        CT_OK(fm_point_on_complete(f->device, point, ct_calls_record, &calls));
    }
    ct_gate_open(f);
    assert_true(ct_calls_reach(&calls, 4));
    fm_point failed = {f->stream, 3};
    CT_OK(fm_point_on_complete(f->device, failed, ct_calls_record, &calls)); // on a point that has failed already
    assert_true(ct_calls_reach(&calls, 5));
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_equal(calls.statuses[i], expected[i]);
        assert_int_equal(calls.points[i].value, i + 2);
    }
    assert_int_equal(calls.statuses[4], FM_ERROR_KERNEL_FAILED);
    CT_OK(fm_device_close(&f->device, CT_TIMEOUT_NS));
    assert_int_equal(ct_calls_count(&calls), 5);
    ct_calls_destroy(&calls);
}

// LEARNED-8: a failed list lets go of what it held, like any other.
static void failed_lists_let_go_of_what_they_held(void **state)
{
    ct_fixture *f = *state;
    scene s;
    if (!set_scene(f, &s)) return;
    uint64_t before = ct_stats(f).bytes_in_use;
    for (uint32_t i = 0; i < 10; i++) {
        fm_buffer buffer = ct_buffer(f, 1 << 20);
        fm_stream stream;
        CT_OK(fm_stream_create(f->device, NULL, &stream));
        commit_call(f, &s, stream, buffer, FM_ERROR_BACKEND);
        fm_commands *commands = ct_begin(f);
        CT_OK(record_call(&s, commands, buffer, FM_OK));
        fm_status status = fm_commit(&commands, &(fm_commit_info){.stream = stream}, NULL);
        CT_EITHER(status, FM_OK, FM_ERROR_DEPENDENCY); // the failure may be known already
        if (commands) CT_OK(fm_commands_cancel(&commands));
        CT_OK(fm_buffer_destroy(f->device, buffer));
        CT_OK(fm_stream_destroy(f->device, stream));
    }
    ct_wait_idle(f);
    assert_true(ct_stats(f).bytes_in_use < before + (1 << 20));
}

// Many failures, and every point keeps its own answer. The last N sentences are kept; the status is never forgotten.
static void failures_by_the_hundred_keep_their_status(void **state)
{
    ct_fixture *f = *state;
    scene s;
    if (!set_scene(f, &s)) return;
    enum { ROUNDS = 300 };
    fm_point failed[ROUNDS];
    fm_point fine[ROUNDS];
    for (uint32_t i = 0; i < ROUNDS; i++) {
        fine[i] = commit_call(f, &s, f->stream, s.buffer, FM_OK);
        failed[i] = commit_call(f, &s, f->stream, s.buffer, FM_ERROR_BACKEND);
        CT_OK(fm_stream_reset(f->device, f->stream, CT_TIMEOUT_NS));
    }
    for (uint32_t i = 0; i < ROUNDS; i++) {
        CT_OK(fm_point_poll(f->device, fine[i]));
        CT_STATUS(fm_point_poll(f->device, failed[i]), FM_ERROR_KERNEL_FAILED);
    }
    ct_expect_words(f, s.buffer, 1, ROUNDS);
}

// The contract leaves open how a list that comes after a failed point ends, but it ends, and its own stream is told.
static void failure_named_as_an_after_point_ends_the_list(void **state)
{
    ct_fixture *f = *state;
    scene s;
    if (!set_scene(f, &s)) return;
    fm_stream other;
    CT_OK(fm_stream_create(f->device, NULL, &other));
    fm_point failed = commit_call(f, &s, other, s.buffer, FM_ERROR_BACKEND);
    fm_commands *commands = ct_begin(f);
    fm_point point = {{0}, 0};
    fm_commit_info info = {.stream = f->stream, .after = &failed, .after_count = 1};
    fm_status status = fm_commit(&commands, &info, &point);
    CT_EITHER(status, FM_OK, FM_ERROR_DEPENDENCY);
    if (status == FM_OK) CT_EITHER(fm_point_wait(f->device, point, CT_TIMEOUT_NS), FM_OK, FM_ERROR_DEPENDENCY);
    if (commands) CT_OK(fm_commands_cancel(&commands));
    CT_STATUS(fm_point_poll(f->device, failed), FM_ERROR_KERNEL_FAILED);
}

static void close_with_failed_work_works(void **state)
{
    ct_fixture *f = *state;
    scene s;
    if (!set_scene(f, &s)) return;
    for (uint32_t i = 0; i < 3; i++) {
        fm_commands *commands = ct_begin(f);
        CT_OK(record_call(&s, commands, s.buffer, FM_ERROR_BACKEND));
        if (fm_commit(&commands, &(fm_commit_info){.stream = f->stream}, NULL) != FM_OK)
            CT_OK(fm_commands_cancel(&commands));
    }
    CT_OK(fm_device_close(&f->device, CT_TIMEOUT_NS));
}

int ct_group_failure(void)
{
    const struct CMUnitTest tests[] = {
        CT_TEST(failure_of_a_host_function_fails_its_own_point),
        CT_TEST(failure_spreads_to_later_lists_of_its_stream_alone),
        CT_TEST(failures_on_two_streams_are_both_kept),
        CT_TEST(failed_stream_refuses_commits_and_keeps_the_list),
        CT_TEST(failed_stream_works_again_after_reset),
        CT_TEST(reset_waits_for_work_that_was_committed_before),
        CT_TEST(failure_reaches_callbacks_in_order),
        CT_TEST(failed_lists_let_go_of_what_they_held),
        CT_TEST(failures_by_the_hundred_keep_their_status),
        CT_TEST(failure_named_as_an_after_point_ends_the_list),
        CT_TEST(close_with_failed_work_works),
    };
    return cmocka_run_group_tests_name("failure", tests, NULL, NULL);
}
