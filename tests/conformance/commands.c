// Command lists: begin, cancel, commit, labels and barriers, and who owns a list after each answer.
// Copies, fills, uploads and read-backs are in the transfer group, dispatches in the dispatch group.
#include "groups.h"
#include "support.h"

static void commands_begin_with_bad_arguments_is_invalid(void **state)
{
    ct_fixture *f = *state;
    fm_commands *commands = (fm_commands *)&state;
    fm_commands_info info = {.flags = 4};
    CT_STATUS(fm_commands_begin(f->device, &info, &commands), FM_ERROR_INVALID_ARGUMENT);
    assert_null(commands);
    CT_STATUS(fm_commands_begin(f->device, NULL, NULL), FM_ERROR_INVALID_ARGUMENT);
}

static void commands_label_is_copied(void **state)
{
    ct_fixture *f = *state;
    char label[] = "a list";
    fm_commands_info info = {.label = label, .flags = FM_COMMANDS_UNTRACKED};
    fm_commands *commands = NULL;
    CT_OK(fm_commands_begin(f->device, &info, &commands));
    memset(label, 'x', sizeof label);
    ct_finish(f, commands);
}

static void commands_cancel_of_nothing_does_nothing(void **state)
{
    (void)state;
    fm_commands *commands = NULL;
    CT_OK(fm_commands_cancel(&commands));
    assert_null(commands);
}

static void commands_cancelled_never_run(void **state)
{
    ct_fixture *f = *state;
    fm_buffer buffer = ct_buffer(f, 64);
    uint32_t word = 0xA5A5A5A5;
    fm_device_stats before = ct_stats(f);
    fm_commands *commands = ct_begin(f);
    CT_OK(fm_fill(commands, buffer, 0, FM_WHOLE_SIZE, 7));
    CT_OK(fm_read(commands, buffer, 0, 4, &word));
    CT_OK(fm_commands_cancel(&commands));
    assert_null(commands);
    assert_int_equal(ct_stats(f).commits, before.commits);
    ct_expect_words(f, buffer, 16, 0);
    assert_int_equal(word, 0xA5A5A5A5);
}

// HOLD-1 holds until cancelled, and not a moment longer.
static void commands_cancel_lets_go_of_what_the_list_held(void **state)
{
    ct_fixture *f = *state;
    fm_kernel kernel = ct_kernel_set(f);
    uint64_t before = ct_stats(f).bytes_in_use;
    fm_buffer buffer = ct_buffer(f, 1 << 20);
    ct_wait_idle(f); // the zeroing of new memory holds it too
    fm_commands *commands = ct_begin(f);
    CT_OK(ct_record_set(commands, kernel, buffer, 64, 1));
    CT_OK(fm_buffer_destroy(f->device, buffer));
    CT_OK(fm_kernel_destroy(f->device, kernel));
    assert_true(ct_stats(f).bytes_in_use >= before + (1 << 20));
    CT_OK(fm_commands_cancel(&commands));
    assert_true(ct_stats(f).bytes_in_use < before + (1 << 20));
}

static void commands_pointer_kept_after_the_end_is_refused(void **state)
{
    ct_fixture *f = *state;
    fm_commands *commands = ct_begin(f);
    fm_commands *kept = commands;
    CT_OK(fm_commands_cancel(&commands));
    CT_STATUS(fm_commands_cancel(&kept), FM_ERROR_INVALID_ARGUMENT);
    commands = ct_begin(f);
    kept = commands;
    ct_finish(f, commands);
    ct_wait_idle(f);
    fm_buffer buffer = ct_buffer(f, 64);
    CT_REFUSED(fm_fill(kept, buffer, 0, 4, 1));
    CT_REFUSED(fm_barrier(kept));
    CT_REFUSED(fm_commit(&kept, &(fm_commit_info){.stream = f->stream}, NULL));
    CT_STATUS(fm_commands_cancel(&kept), FM_ERROR_INVALID_ARGUMENT);
    ct_expect_words(f, buffer, 16, 0);
}

static void commit_with_bad_arguments_is_refused(void **state)
{
    ct_fixture *f = *state;
    fm_commit_info info = {.stream = f->stream};
    fm_commands *nothing = NULL;
    CT_STATUS(fm_commit(&nothing, &info, NULL), FM_ERROR_INVALID_ARGUMENT);
    CT_REFUSED(fm_commit(NULL, &info, NULL));
    fm_commands *commands = ct_begin(f);
    fm_commands *kept = commands;
    CT_STATUS(fm_commit(&commands, NULL, NULL), FM_ERROR_INVALID_ARGUMENT);
    info.after_count = 1;
    CT_STATUS(fm_commit(&commands, &info, NULL), FM_ERROR_INVALID_ARGUMENT);
    assert_ptr_equal(commands, kept);
    CT_OK(fm_commands_cancel(&commands));
}

static void commit_to_a_bad_stream_leaves_the_list_the_callers(void **state)
{
    ct_fixture *f = *state;
    fm_stream stale;
    fm_stream foreign;
    CT_OK(fm_stream_create(f->device, NULL, &stale));
    CT_OK(fm_stream_destroy(f->device, stale));
    CT_OK(fm_stream_create(ct_other_device(f), NULL, &foreign));
    fm_buffer buffer = ct_buffer(f, 64);
    fm_commands *commands = ct_begin(f);
    CT_OK(fm_fill(commands, buffer, 0, FM_WHOLE_SIZE, 3));
    fm_commands *kept = commands;
    fm_point point = {{UINT64_MAX}, UINT64_MAX};
    CT_STATUS(fm_commit(&commands, &(fm_commit_info){.stream = {0}}, &point), FM_ERROR_NULL_HANDLE);
    CT_STATUS(fm_commit(&commands, &(fm_commit_info){.stream = stale}, &point), FM_ERROR_STALE_HANDLE);
    CT_STATUS(fm_commit(&commands, &(fm_commit_info){.stream = foreign}, &point), FM_ERROR_FOREIGN_HANDLE);
    assert_ptr_equal(commands, kept);
    CT_OK(fm_fill(commands, buffer, 4, 4, 4)); // still being recorded
    ct_finish(f, commands);
    uint32_t words[3];
    ct_read(f, buffer, 0, sizeof words, words);
    assert_int_equal(words[0], 3);
    assert_int_equal(words[1], 4);
    assert_int_equal(words[2], 3);
}

static void commit_after_bad_points_is_refused(void **state)
{
    ct_fixture *f = *state;
    fm_stream second;
    CT_OK(fm_stream_create(f->device, NULL, &second));
    fm_commands *commands = ct_begin(f);
    fm_point good = ct_commit(&commands, f->stream);
    commands = ct_begin(f);
    fm_point stale = ct_commit(&commands, second);
    CT_OK(fm_stream_destroy(f->device, second));
    fm_stream foreign_stream;
    CT_OK(fm_stream_create(ct_other_device(f), NULL, &foreign_stream));
    CT_OK(fm_commands_begin(f->other, NULL, &commands));
    fm_point foreign = ct_commit(&commands, foreign_stream);
    fm_point future = {f->stream, good.value + 1};
    fm_point far_future = {f->stream, UINT64_MAX};
    const struct {
        fm_point point;
        fm_status expected;
    } cases[] = {{stale, FM_ERROR_STALE_HANDLE},
                 {foreign, FM_ERROR_FOREIGN_HANDLE},
                 {future, FM_ERROR_INVALID_ARGUMENT},
                 {far_future, FM_ERROR_INVALID_ARGUMENT}};
    commands = ct_begin(f);
    fm_commands *kept = commands;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const fm_point after[2] = {good, cases[i].point};
        fm_commit_info info = {.stream = f->stream, .after = after, .after_count = 2};
        CT_STATUS(fm_commit(&commands, &info, NULL), cases[i].expected);
        assert_ptr_equal(commands, kept);
    }
    const fm_point fine[3] = {good, {{0}, 0}, good}; // the null point is complete, and a point may come twice
    CT_OK(fm_commit(&commands, &(fm_commit_info){.stream = f->stream, .after = fine, .after_count = 3}, NULL));
}

static void commit_counts_the_streams_commits_from_one(void **state)
{
    ct_fixture *f = *state;
    for (uint64_t i = 1; i <= 5; i++) {
        fm_commands *commands = ct_begin(f);
        fm_point point = ct_commit(&commands, f->stream);
        assert_int_equal(point.value, i);
    }
    fm_commands *commands = ct_begin(f);
    fm_commands *kept = commands;
    CT_REFUSED(fm_commit(&commands, &(fm_commit_info){.stream = {0}}, NULL)); // takes no value
    assert_ptr_equal(commands, kept);
    assert_int_equal(ct_commit(&commands, f->stream).value, 6);
}

static void commit_of_a_committed_list_is_invalid(void **state)
{
    ct_fixture *f = *state;
    fm_commands *commands = ct_begin(f);
    CT_OK(fm_commit(&commands, &(fm_commit_info){.stream = f->stream}, NULL));
    assert_null(commands);
    CT_STATUS(fm_commit(&commands, &(fm_commit_info){.stream = f->stream}, NULL), FM_ERROR_INVALID_ARGUMENT);
}

static void commit_without_a_point_runs_all_the_same(void **state)
{
    ct_fixture *f = *state;
    fm_buffer buffer = ct_buffer(f, 64);
    fm_commands *commands = ct_begin(f);
    CT_OK(fm_fill(commands, buffer, 0, FM_WHOLE_SIZE, 3));
    CT_OK(fm_commit(&commands, &(fm_commit_info){.stream = f->stream}, NULL));
    ct_expect_words(f, buffer, 16, 3);
}

static void commit_of_empty_lists_completes_each_in_its_turn(void **state)
{
    ct_fixture *f = *state;
    fm_point points[50];
    for (uint32_t i = 0; i < 50; i++) {
        fm_commands *commands = ct_begin(f);
        if (i % 3 == 1) CT_OK(fm_barrier(commands));
        points[i] = ct_commit(&commands, f->stream);
    }
    CT_OK(fm_point_wait(f->device, points[49], CT_TIMEOUT_NS));
    for (uint32_t i = 0; i < 50; i++) CT_OK(fm_point_poll(f->device, points[i])); // READ-3
}

static void commit_of_an_empty_list_behind_work_waits_for_it(void **state)
{
    ct_fixture *f = *state;
    if (!ct_gate_is_exact(f)) return;
    ct_commit_gate(f, f->stream, ct_buffer(f, 4));
    fm_commands *commands = ct_begin(f);
    fm_point point = ct_commit(&commands, f->stream);
    CT_STATUS(fm_point_poll(f->device, point), FM_NOT_READY);
    CT_STATUS(fm_point_wait(f->device, point, 1000000), FM_TIMEOUT);
    ct_gate_open(f);
    CT_OK(fm_point_wait(f->device, point, CT_TIMEOUT_NS));
}

// Lists run in the order of their commits, whatever the order in which they were begun and recorded.
static void commit_order_decides_not_record_order(void **state)
{
    ct_fixture *f = *state;
    fm_buffer buffer = ct_buffer(f, 64);
    fm_commands *first = ct_begin(f);
    fm_commands *second = ct_begin(f);
    fm_commands *third = ct_begin(f);
    CT_OK(fm_fill(third, buffer, 0, FM_WHOLE_SIZE, 3));
    CT_OK(fm_fill(first, buffer, 0, FM_WHOLE_SIZE, 1));
    CT_OK(fm_fill(second, buffer, 0, FM_WHOLE_SIZE, 2));
    ct_commit(&third, f->stream);
    ct_commit(&first, f->stream);
    ct_commit(&second, f->stream);
    ct_expect_words(f, buffer, 16, 2);
}

static void labels_open_and_close(void **state)
{
    ct_fixture *f = *state;
    fm_buffer buffer = ct_buffer(f, 64);
    char label[] = "outer";
    fm_commands *commands = ct_begin(f);
    CT_STATUS(fm_label_pop(commands), FM_ERROR_INVALID_ARGUMENT);
    CT_OK(fm_label_push(commands, label));
    memset(label, 'x', sizeof label);
    CT_OK(fm_label_push(commands, "inner"));
    CT_STATUS(fm_label_push(commands, NULL), FM_ERROR_INVALID_ARGUMENT);
    CT_OK(fm_fill(commands, buffer, 0, FM_WHOLE_SIZE, 1));
    CT_OK(fm_label_pop(commands));
    CT_OK(fm_label_pop(commands));
    CT_STATUS(fm_label_pop(commands), FM_ERROR_INVALID_ARGUMENT);
    CT_OK(fm_label_push(commands, "open at the commit"));
    CT_OK(fm_fill(commands, buffer, 0, FM_WHOLE_SIZE, 2));
    ct_finish(f, commands);
    ct_expect_words(f, buffer, 16, 2);
}

// Pushes without a pop are a common mistake: the list runs, and costs what its commands cost.
static void labels_left_open_by_the_thousand_change_nothing(void **state)
{
    ct_fixture *f = *state;
    fm_buffer buffer = ct_buffer(f, 64);
    fm_commands *commands = ct_begin(f);
    for (uint32_t i = 0; i < 3000; i++) {
        CT_OK(fm_label_push(commands, i % 2 ? "layer.attention.qkv." : "layer.mlp"));
        CT_OK(fm_fill(commands, buffer, 0, FM_WHOLE_SIZE, i));
    }
    ct_finish(f, commands);
    ct_expect_words(f, buffer, 16, 2999);
}

static void recording_without_a_list_is_refused(void **state)
{
    ct_fixture *f = *state;
    fm_buffer buffer = ct_buffer(f, 64);
    uint32_t word = 0xA5A5A5A5;
    CT_REFUSED(fm_fill(NULL, buffer, 0, 4, 1));
    CT_REFUSED(fm_copy(NULL, buffer, 0, buffer, 4, 4));
    CT_REFUSED(fm_upload(NULL, buffer, 0, 4, &word));
    CT_REFUSED(fm_read(NULL, buffer, 0, 4, &word));
    CT_REFUSED(fm_barrier(NULL));
    CT_REFUSED(fm_label_push(NULL, "label"));
    CT_REFUSED(fm_label_pop(NULL));
    assert_int_equal(word, 0xA5A5A5A5);
}

// At the limit of two lists in flight a commit that must not wait says so and keeps the list (RETIRE-4).
static void commit_at_the_limit_blocks_or_says_so(void **state)
{
    ct_fixture *f = *state;
    CT_OK(fm_device_close(&f->device, CT_TIMEOUT_NS));
    fm_device_info open = {.lists_in_flight = 2, .log = ct_log_nothing};
    CT_OK(fm_device_open(f->device_name, &open, &f->device));
    CT_OK(fm_stream_create(f->device, NULL, &f->stream));
    fm_kernel count = ct_kernel_count(f);
    fm_buffer counter = ct_buffer(f, 64);
    fm_dispatch_info dispatch = ct_dispatch_info(count, 1, CT_BINDINGS({.buffer = counter}), NULL, 0);
    uint32_t refused = 0;
    for (uint32_t i = 0; i < 40; i++) {
        fm_commands *commands = ct_begin(f);
        if (!ct_gate_is_exact(f) && i < 4) ct_record_gate(f, commands, counter); // heavy work instead of a door
        CT_OK(fm_dispatch(commands, &dispatch));
        fm_commands *kept = commands;
        fm_status status = fm_commit(&commands, &(fm_commit_info){.stream = f->stream, .no_wait = 1}, NULL);
        CT_EITHER(status, FM_OK, FM_WOULD_BLOCK);
        assert_ptr_equal(commands, status == FM_OK ? NULL : kept);
        assert_true(ct_stats(f).lists_in_flight <= 2);
        if (status == FM_OK) continue;
        refused++;
        CT_OK(fm_commit(&commands, &(fm_commit_info){.stream = f->stream}, NULL));
        assert_null(commands);
    }
    ct_expect_words(f, counter, 1, 40 * 64);
    assert_true(ct_stats(f).limit_waits <= refused + 1); // and perhaps the read's own commit
}

// The wait at the limit ends too: nothing waits without an end (LEARNED-11).
static void commit_at_the_limit_times_out_and_keeps_the_list(void **state)
{
    ct_fixture *f = *state;
    if (!ct_gate_is_exact(f)) return; // nothing else is certain to stay in flight
    CT_OK(fm_device_close(&f->device, CT_TIMEOUT_NS));
    fm_device_info open = {.lists_in_flight = 1, .commit_timeout_ns = 1000000, .log = ct_log_nothing};
    CT_OK(fm_device_open(f->device_name, &open, &f->device));
    CT_OK(fm_stream_create(f->device, NULL, &f->stream));
    fm_buffer buffer = ct_buffer(f, 64);
    fm_point gate = ct_commit_gate(f, f->stream, buffer);
    fm_commands *commands = ct_begin(f);
    CT_OK(fm_fill(commands, buffer, 0, FM_WHOLE_SIZE, 6));
    fm_commands *kept = commands;
    fm_point point = {{0}, 0};
    CT_STATUS(fm_commit(&commands, &(fm_commit_info){.stream = f->stream}, &point), FM_TIMEOUT);
    assert_ptr_equal(commands, kept);
    CT_STATUS(fm_point_poll(f->device, gate), FM_NOT_READY);
    ct_gate_open(f);
    CT_OK(fm_point_wait(f->device, gate, CT_TIMEOUT_NS));
    ct_wait_idle(f);
    point = ct_commit(&commands, f->stream);
    assert_int_equal(point.value, gate.value + 1); // the refused commit took no value
    CT_OK(fm_point_wait(f->device, point, CT_TIMEOUT_NS));
    ct_wait_idle(f);
    ct_expect_words(f, buffer, 16, 6);
}

int ct_group_commands(void)
{
    const struct CMUnitTest tests[] = {
        CT_TEST(commands_begin_with_bad_arguments_is_invalid),
        CT_TEST(commands_label_is_copied),
        CT_TEST(commands_cancel_of_nothing_does_nothing),
        CT_TEST(commands_cancelled_never_run),
        CT_TEST(commands_cancel_lets_go_of_what_the_list_held),
        CT_TEST(commands_pointer_kept_after_the_end_is_refused),
        CT_TEST(commit_with_bad_arguments_is_refused),
        CT_TEST(commit_to_a_bad_stream_leaves_the_list_the_callers),
        CT_TEST(commit_after_bad_points_is_refused),
        CT_TEST(commit_counts_the_streams_commits_from_one),
        CT_TEST(commit_of_a_committed_list_is_invalid),
        CT_TEST(commit_without_a_point_runs_all_the_same),
        CT_TEST(commit_of_empty_lists_completes_each_in_its_turn),
        CT_TEST(commit_of_an_empty_list_behind_work_waits_for_it),
        CT_TEST(commit_order_decides_not_record_order),
        CT_TEST(labels_open_and_close),
        CT_TEST(labels_left_open_by_the_thousand_change_nothing),
        CT_TEST(recording_without_a_list_is_refused),
        CT_TEST(commit_at_the_limit_blocks_or_says_so),
        CT_TEST(commit_at_the_limit_times_out_and_keeps_the_list),
    };
    return cmocka_run_group_tests_name("commands", tests, NULL, NULL);
}
