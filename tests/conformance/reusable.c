// Reusable lists: recorded once, committed often, also while earlier commits are in flight; patched between commits; and what each commit
// holds. Lists that are committed once are in the commands group.
#include "groups.h"
#include "support.h"

enum { WORDS = 64 };

static fm_commands *begin_reusable(ct_fixture *f)
{
    fm_commands *commands = NULL;
    CT_OK(fm_commands_begin(f->device, &(fm_commands_info){.flags = FM_COMMANDS_REUSABLE, .label = "again"},
                            &commands));
    return commands;
}

static fm_point commit(fm_commands *commands, fm_stream stream)
{
    fm_point point;
    fm_commands *kept = commands;
    CT_OK(fm_commit(&commands, &(fm_commit_info){.stream = stream}, &point));
    assert_ptr_equal(commands, kept); // stays the caller's
    return point;
}

static void patch_set(fm_commands *commands, uint32_t dispatch, fm_kernel kernel, fm_buffer buffer, uint32_t value)
{
    ct_set_constants constants = {WORDS, value};
    fm_binding binding = {.buffer = buffer};
    fm_dispatch_info info = ct_dispatch_info(kernel, 1, &binding, 1, &constants, sizeof constants);
    CT_OK(fm_patch(commands, dispatch, &info));
}

static void reusable_commits_back_to_back_run_in_order(void **state)
{
    ct_fixture *f = *state;
    fm_kernel step = ct_kernel_step(f);
    fm_buffer x = ct_buffer(f, WORDS * 4), y = ct_buffer(f, WORDS * 4);
    fm_commands *commands = begin_reusable(f);
    CT_OK(ct_record_set(commands, step, x, WORDS, 1)); // x = 2 x + 1
    CT_OK(fm_copy(commands, x, 0, y, 0, WORDS * 4));
    fm_point last = {0};
    for (uint32_t i = 0; i < 20; i++) last = commit(commands, f->stream);
    CT_OK(fm_point_wait(f->device, last, CT_TIMEOUT_NS));
    assert_int_equal(last.value, 20);
    ct_expect_words(f, x, WORDS, (1u << 20) - 1);
    ct_expect_words(f, y, WORDS, (1u << 20) - 1);
    CT_OK(fm_commands_cancel(&commands));
}

// What is in flight keeps the bindings and constants that it was committed with.
static void reusable_patch_changes_later_commits_alone(void **state)
{
    ct_fixture *f = *state;
    fm_kernel set = ct_kernel_set(f), step = ct_kernel_step(f);
    fm_buffer door = ct_buffer(f, 64), out[8];
    for (uint32_t i = 0; i < 8; i++) out[i] = ct_buffer(f, WORDS * 4);
    fm_point gate = ct_commit_gate(f, f->stream, door);
    fm_commands *commands = begin_reusable(f);
    CT_OK(ct_record_set(commands, set, out[0], WORDS, 100));
    CT_OK(ct_record_set(commands, step, out[0], WORDS, 1));
    fm_point last = {0};
    for (uint32_t i = 0; i < 8; i++) {
        if (i > 0) {
            patch_set(commands, 0, set, out[i], 100 + i);
            patch_set(commands, 1, step, out[i], i);
        }
        fm_point point;
        // After the gate: on a device that can wait exactly, nothing of this runs before the last patch.
        CT_OK(fm_commit(&commands, &(fm_commit_info){.stream = f->stream, .after = &gate, .after_count = 1}, &point));
        last = point;
    }
    ct_gate_open(f);
    CT_OK(fm_point_wait(f->device, last, CT_TIMEOUT_NS));
    for (uint32_t i = 0; i < 8; i++) ct_expect_words(f, out[i], WORDS, 2 * (100 + i) + (i ? i : 1));
    CT_OK(fm_commands_cancel(&commands));
}

// HOLD-1 holds for each commit; between commits the list holds nothing, and says so when something is gone.
static void reusable_commit_holds_until_it_is_complete_and_no_longer(void **state)
{
    ct_fixture *f = *state;
    enum { BYTES = 1 << 20 };
    fm_kernel set = ct_kernel_set(f);
    fm_buffer door = ct_buffer(f, 64), y = ct_buffer(f, WORDS * 4);
    ct_wait_idle(f);
    uint64_t before = ct_stats(f).bytes_in_use;
    fm_buffer x = ct_buffer(f, BYTES);
    fm_commands *commands = begin_reusable(f);
    CT_OK(ct_record_set(commands, set, x, WORDS, 7));
    CT_OK(fm_copy(commands, x, 0, y, 0, WORDS * 4));
    fm_point gate = ct_commit_gate(f, f->stream, door), point;
    CT_OK(fm_commit(&commands, &(fm_commit_info){.stream = f->stream, .after = &gate, .after_count = 1}, &point));
    CT_OK(fm_buffer_destroy(f->device, x));
    if (ct_gate_is_exact(f)) assert_true(ct_stats(f).bytes_in_use >= before + BYTES);
    CT_STATUS(fm_commit(&commands, &(fm_commit_info){.stream = f->stream}, NULL), FM_ERROR_STALE_HANDLE);
    assert_non_null(commands);
    ct_gate_open(f);
    CT_OK(fm_point_wait(f->device, point, CT_TIMEOUT_NS));
    ct_expect_words(f, y, WORDS, 7);
    ct_wait_idle(f);
    assert_true(ct_stats(f).bytes_in_use < before + BYTES); // the list, which is still there, does not keep it
    CT_STATUS(fm_commit(&commands, &(fm_commit_info){.stream = f->stream}, NULL), FM_ERROR_STALE_HANDLE);
    CT_OK(fm_commands_cancel(&commands));
}

static void reusable_stale_dispatch_can_be_patched_and_committed(void **state)
{
    ct_fixture *f = *state;
    fm_kernel set = ct_kernel_set(f);
    fm_buffer x = ct_buffer(f, WORDS * 4), y = ct_buffer(f, WORDS * 4);
    fm_commands *commands = begin_reusable(f);
    CT_OK(ct_record_set(commands, set, x, WORDS, 3));
    CT_OK(fm_buffer_destroy(f->device, x));
    CT_STATUS(fm_commit(&commands, &(fm_commit_info){.stream = f->stream}, NULL), FM_ERROR_STALE_HANDLE);
    patch_set(commands, 0, set, y, 4);
    CT_OK(fm_point_wait(f->device, commit(commands, f->stream), CT_TIMEOUT_NS));
    ct_expect_words(f, y, WORDS, 4);
    CT_OK(fm_kernel_destroy(f->device, set));
    CT_STATUS(fm_commit(&commands, &(fm_commit_info){.stream = f->stream}, NULL), FM_ERROR_STALE_HANDLE);
    CT_OK(fm_commands_cancel(&commands));
}

// The captured bytes belong to the list and to each commit of it, whichever ends last (LEARNED-16).
static void reusable_upload_outlives_the_list_in_flight(void **state)
{
    ct_fixture *f = *state;
    uint32_t words[WORDS];
    for (uint32_t i = 0; i < WORDS; i++) words[i] = i * 3;
    fm_buffer door = ct_buffer(f, 64), x = ct_buffer(f, sizeof words), y = ct_buffer(f, sizeof words);
    fm_commands *commands = begin_reusable(f);
    CT_OK(fm_upload(commands, x, 0, sizeof words, words));
    CT_OK(fm_copy(commands, x, 0, y, 0, sizeof words));
    CT_OK(fm_fill(commands, x, 0, FM_WHOLE_SIZE, 9));
    fm_point gate = ct_commit_gate(f, f->stream, door), last = {0};
    for (uint32_t i = 0; i < 2; i++) {
        CT_OK(fm_commit(&commands, &(fm_commit_info){.stream = f->stream, .after = &gate, .after_count = 1}, &last));
    }
    CT_OK(fm_commands_cancel(&commands));
    memset(words, CT_POISON, sizeof words);
    fm_commands *other = ct_begin(f); // memory that was let go of too early would be given to this one
    CT_OK(fm_upload(other, door, 0, 64, words));
    CT_OK(fm_commands_cancel(&other));
    ct_gate_open(f);
    CT_OK(fm_point_wait(f->device, last, CT_TIMEOUT_NS));
    for (uint32_t i = 0; i < WORDS; i++) words[i] = i * 3;
    ct_expect_content(f, y, words, sizeof words);
    ct_expect_words(f, x, WORDS, 9);
}

// Takes the one place of a cache: what was there is held by lists alone.
static void evict(fm_device *device, uint32_t value)
{
    char body[64];
    fm_kernel kernel;
    snprintf(body, sizeof body, "x[global_id.x] = %uu;", value);
    CT_OK(fm_kernel_create(device,
                           &(fm_kernel_info){.name = "other",
                                             .code = body,
                                             .params = &(fm_kernel_param){"x", FM_DTYPE_U32, FM_ACCESS_WRITE},
                                             .param_count = 1},
                           &kernel));
}

// Commits, evicts while the commit may still run, and looks at the values.
static void expect_three(fm_device *device, fm_commands *commands, fm_stream stream, fm_buffer x, bool floats)
{
    static uint32_t other = 1000;
    uint32_t words[WORDS];
    fm_point point;
    CT_OK(fm_commit(&commands, &(fm_commit_info){.stream = stream}, &point));
    evict(device, other++);
    CT_OK(fm_point_wait(device, point, CT_TIMEOUT_NS));
    CT_OK(fm_buffer_read(device, stream, x, 0, sizeof words, words, CT_TIMEOUT_NS));
    const float three = 3;
    uint32_t expected = 3;
    if (floats) memcpy(&expected, &three, sizeof expected);
    for (uint32_t i = 0; i < WORDS; i++) assert_int_equal(words[i], expected);
}

// The list holds what its commits run, also when the cache has let it go between them (KEY-3).
static void reusable_runs_what_was_evicted_between_commits_key_3(void **state)
{
    ct_fixture *f = *state;
    fm_device *device;
    fm_stream stream;
    fm_kernel kernel;
    fm_buffer x;
    fm_commands *commands;
    CT_OK(fm_device_open(ct_device_name(), &(fm_device_info){.variant_limit = 1, .log = ct_log_nothing}, &f->other));
    device = f->other;
    CT_OK(fm_stream_create(device, NULL, &stream));
    const fm_kernel_param param = {"x", FM_DTYPE_NONE, FM_ACCESS_WRITE};
    CT_OK(fm_kernel_create(device,
                           &(fm_kernel_info){
                               .name = "three", .code = "x[global_id.x] = 3;", .params = &param, .param_count = 1},
                           &kernel));
    CT_OK(fm_buffer_create(device, &(fm_buffer_info){.size_bytes = WORDS * 4}, &x));
    CT_OK(fm_commands_begin(device, &(fm_commands_info){.flags = FM_COMMANDS_REUSABLE}, &commands));
    fm_binding binding = {.buffer = x, .dtype = FM_DTYPE_U32};
    fm_dispatch_info info = ct_dispatch_info(kernel, 1, &binding, 1, NULL, 0);
    CT_OK(fm_fill(commands, x, 0, FM_WHOLE_SIZE, 0));
    CT_OK(fm_dispatch(commands, &info));
    evict(device, 1);
    for (int i = 0; i < 3; i++) expect_three(device, commands, stream, x, false);
    for (int i = 0; i < 4; i++) { // patched to another variant and back, each evicted meanwhile
        binding.dtype = i % 2 ? FM_DTYPE_U32 : FM_DTYPE_F32;
        CT_OK(fm_patch(commands, 0, &info));
        evict(device, 2 + (uint32_t)i);
        expect_three(device, commands, stream, x, i % 2 == 0);
        expect_three(device, commands, stream, x, i % 2 == 0);
    }
    fm_point point;
    CT_OK(fm_commit(&commands, &(fm_commit_info){.stream = stream}, &point));
    CT_OK(fm_commands_cancel(&commands)); // the commit in flight still needs what the list held
    evict(device, 10);
    CT_OK(fm_point_wait(device, point, CT_TIMEOUT_NS));
}

static void reusable_wrong_calls_are_refused_and_change_nothing(void **state)
{
    ct_fixture *f = *state;
    fm_kernel set = ct_kernel_set(f), step = ct_kernel_step(f);
    fm_buffer x = ct_buffer(f, WORDS * 4);
    uint32_t word;
    ct_set_constants constants = {WORDS, 8};
    fm_binding binding = {.buffer = x};
    fm_dispatch_info info = ct_dispatch_info(set, 1, &binding, 1, &constants, sizeof constants);
    fm_commands *plain = ct_begin(f);
    CT_OK(ct_record_set(plain, set, x, WORDS, 1));
    CT_STATUS(fm_patch(plain, 0, &info), FM_ERROR_INVALID_ARGUMENT);
    CT_OK(fm_commands_cancel(&plain));
    fm_commands *commands = begin_reusable(f);
    CT_OK(ct_record_set(commands, set, x, WORDS, 5));
    CT_STATUS(fm_patch(commands, 1, &info), FM_ERROR_INVALID_ARGUMENT);
    CT_STATUS(fm_patch(commands, 0, NULL), FM_ERROR_INVALID_ARGUMENT);
    info.kernel = step;
    CT_STATUS(fm_patch(commands, 0, &info), FM_ERROR_INVALID_ARGUMENT);
    info.kernel = set;
    info.constants_size_bytes = 4;
    CT_STATUS(fm_patch(commands, 0, &info), FM_ERROR_INVALID_ARGUMENT);
    info.constants_size_bytes = sizeof constants;
    binding.offset_bytes = WORDS * 4;
    CT_REFUSED(fm_patch(commands, 0, &info));
    CT_STATUS(fm_read(commands, x, 0, 4, &word), FM_ERROR_INVALID_ARGUMENT);
    CT_OK(fm_point_wait(f->device, commit(commands, f->stream), CT_TIMEOUT_NS));
    ct_expect_words(f, x, WORDS, 5);
    fm_device *device = f->device;
    CT_STATUS(fm_device_close(&device, CT_TIMEOUT_NS), FM_ERROR_BUSY); // it is still being recorded
    CT_OK(fm_commands_cancel(&commands));
}

int ct_group_reusable(void)
{
    const struct CMUnitTest tests[] = {
        CT_TEST(reusable_commits_back_to_back_run_in_order),
        CT_TEST(reusable_patch_changes_later_commits_alone),
        CT_TEST(reusable_commit_holds_until_it_is_complete_and_no_longer),
        CT_TEST(reusable_stale_dispatch_can_be_patched_and_committed),
        CT_TEST(reusable_upload_outlives_the_list_in_flight),
        CT_TEST(reusable_runs_what_was_evicted_between_commits_key_3),
        CT_TEST(reusable_wrong_calls_are_refused_and_change_nothing),
    };
    return cmocka_run_group_tests_name("reusable", tests, NULL, NULL);
}
