// Dispatches whose group counts the device reads: what runs, what orders them with what writes the counts, what is held, and what counts
// beyond the limits come to.
#include "groups.h"
#include "support.h"

static fm_buffer counts_buffer(ct_fixture *f, uint32_t x, uint32_t y, uint32_t z)
{
    const uint32_t n[3] = {x, y, z};
    return ct_buffer_of(f, n, sizeof n);
}

// seen[0] counts workgroups, seen[1] sums a mix of what each work-item finds in its ids and in group_count.
static const char mixing[] = "if (local_id.x == 0u) atomic_add(seen[0], 1u);"
                             "atomic_add(seen[1], global_id.x + 3u * group_id.y + 5u * group_id.z + 7u * group_count.x "
                             "+ 11u * group_count.y + 13u * group_count.z);";

static uint32_t expected_mix(const uint32_t n[3])
{
    uint32_t sum = 0;
    for (uint32_t z = 0; z < n[2]; z++)
        for (uint32_t y = 0; y < n[1]; y++)
            for (uint32_t x = 0; x < 4 * n[0]; x++) sum += x + 3 * y + 5 * z + 7 * n[0] + 11 * n[1] + 13 * n[2];
    return sum;
}

static fm_kernel mixing_kernel(ct_fixture *f, const char *body, uint32_t constants)
{
    static char names[40][16];
    fm_kernel_constant list[40];
    for (uint32_t i = 0; i < constants; i++) {
        snprintf(names[i], sizeof names[i], "c%u", i);
        list[i] = (fm_kernel_constant){names[i], FM_DTYPE_U32};
    }
    fm_kernel_info info = {.name = "mixing",
                           .code = body,
                           .params = &(fm_kernel_param){"seen", FM_DTYPE_U32, FM_ACCESS_READ_WRITE},
                           .param_count = 1,
                           .constants = list,
                           .constant_count = constants,
                           .group_size = {4, 1, 1}};
    fm_kernel kernel = {0};
    CT_OK(fm_kernel_create(f->device, &info, &kernel));
    return kernel;
}

static void expect_seen(ct_fixture *f, fm_buffer seen, uint32_t groups, uint32_t mix)
{
    const uint32_t expected[2] = {groups, mix};
    ct_expect_content(f, seen, expected, sizeof expected);
}

static fm_status record(fm_commands *commands, fm_kernel kernel, fm_buffer seen, fm_buffer counts, uint64_t at)
{
    const fm_binding binding = {.buffer = seen};
    fm_dispatch_info info = {.kernel = kernel, .bindings = &binding, .binding_count = 1};
    return fm_dispatch_indirect(commands, &info, counts, at);
}

// With few constants arguments are pushed, with many they lie in memory; what is read is the same.
static void indirect_runs_as_many_groups_as_the_buffer_says(void **state)
{
    ct_fixture *f = *state;
    static const uint32_t cases[][3] = {{1, 1, 1}, {3, 5, 7}, {1, 9, 1}, {1, 1, 9}, {500, 1, 1}, {2, 300, 2}};
    static const uint32_t values[40] = {0};
    for (uint32_t constants = 0; constants <= 40; constants += 40) {
        fm_kernel kernel = mixing_kernel(f, mixing, constants);
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
            const uint32_t *n = cases[i];
            fm_buffer seen = ct_buffer(f, 8), counts = counts_buffer(f, n[0], n[1], n[2]);
            const fm_binding binding = {.buffer = seen};
            fm_dispatch_info info = ct_dispatch_info(kernel, 77, &binding, 1, values, 4 * constants);
            fm_commands *commands = ct_begin(f);
            CT_OK(fm_dispatch_indirect(commands, &info, counts, 0)); // the 77 is not looked at
            ct_finish(f, commands);
            expect_seen(f, seen, n[0] * n[1] * n[2], expected_mix(n));
        }
    }
}

static void indirect_of_a_count_of_0_runs_nothing(void **state)
{
    ct_fixture *f = *state;
    static const uint32_t cases[][3] = {{0, 1, 1}, {1, 0, 1}, {1, 1, 0}, {0, 0, 0}, {UINT32_MAX, 0, UINT32_MAX}};
    fm_kernel kernel = mixing_kernel(f, mixing, 0);
    fm_buffer seen = ct_buffer(f, 8);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        fm_commands *commands = ct_begin(f);
        CT_OK(record(commands, kernel, seen, counts_buffer(f, cases[i][0], cases[i][1], cases[i][2]), 0));
        ct_finish(f, commands);
    }
    expect_seen(f, seen, 0, 0);
}

// Counts made by a kernel, then by a copy, then by a fill; each is read before the next one writes. Each step conflicts with the one before.
static void indirect_is_ordered_with_what_writes_its_counts(void **state)
{
    ct_fixture *f = *state;
    fm_kernel kernel = mixing_kernel(f, mixing, 0);
    fm_kernel make = ct_kernel(f, "if (global_id.x < 3u) n[global_id.x] = global_id.x + 2u;",
                               CT_PARAMS({"n", FM_DTYPE_U32, FM_ACCESS_WRITE}), NULL, 0);
    fm_buffer counts = ct_buffer(f, 12), other = counts_buffer(f, 5, 1, 1), seen[4];
    for (int i = 0; i < 4; i++) seen[i] = ct_buffer(f, 8);
    fm_dispatch_info made = ct_dispatch_info(make, 1, CT_BINDINGS({.buffer = counts}), NULL, 0);
    for (uint32_t flags = 0; flags < 2; flags++) { // tracked, and with the barriers of the caller
        const bool own = flags == FM_COMMANDS_UNTRACKED;
        fm_commands *commands = NULL;
        CT_OK(fm_commands_begin(f->device, &(fm_commands_info){.flags = flags}, &commands));
        for (int i = 0; i < 4; i++) CT_OK(fm_fill(commands, seen[i], 0, FM_WHOLE_SIZE, 0));
        CT_OK(fm_dispatch(commands, &made));
        if (own) CT_OK(fm_barrier(commands));
        CT_OK(record(commands, kernel, seen[0], counts, 0));
        if (own) CT_OK(fm_barrier(commands));
        CT_OK(fm_copy(commands, other, 0, counts, 0, 12));
        if (own) CT_OK(fm_barrier(commands));
        CT_OK(record(commands, kernel, seen[1], counts, 0));
        if (own) CT_OK(fm_barrier(commands));
        CT_OK(fm_fill(commands, counts, 0, FM_WHOLE_SIZE, 3));
        if (own) CT_OK(fm_barrier(commands));
        CT_OK(record(commands, kernel, seen[2], counts, 0));
        if (own) CT_OK(fm_barrier(commands));
        CT_OK(fm_fill(commands, counts, 0, FM_WHOLE_SIZE, 0));
        if (own) CT_OK(fm_barrier(commands));
        CT_OK(record(commands, kernel, seen[3], counts, 0));
        ct_finish(f, commands);
        expect_seen(f, seen[0], 24, expected_mix((const uint32_t[]){2, 3, 4}));
        expect_seen(f, seen[1], 5, expected_mix((const uint32_t[]){5, 1, 1}));
        expect_seen(f, seen[2], 27, expected_mix((const uint32_t[]){3, 3, 3}));
        expect_seen(f, seen[3], 0, 0);
    }
}

static void indirect_is_ordered_across_lists_and_streams(void **state)
{
    ct_fixture *f = *state;
    fm_kernel kernel = mixing_kernel(f, mixing, 0), set = ct_kernel_set(f);
    fm_stream other;
    CT_OK(fm_stream_create(f->device, NULL, &other));
    fm_buffer counts = ct_buffer(f, 12), seen = ct_buffer(f, 8);
    uint32_t groups = 0, mix = 0;
    for (uint32_t round = 1; round <= 12; round++) {
        fm_commands *writes = ct_begin(f);
        CT_OK(ct_record_set(writes, set, counts, 3, round % 4)); // 0 as well
        fm_point written = ct_commit(&writes, f->stream), read;
        fm_commands *reads = ct_begin(f);
        CT_OK(record(reads, kernel, seen, counts, 0));
        const bool apart = round % 2;
        CT_OK(fm_commit(&reads,
                        &(fm_commit_info){
                            .stream = apart ? other : f->stream, .after = &written, .after_count = apart ? 1 : 0},
                        &read));
        const uint32_t n[3] = {round % 4, round % 4, round % 4};
        groups += n[0] * n[1] * n[2];
        mix += expected_mix(n);
        fm_commands *next = ct_begin(f); // overwrites the counts behind it
        CT_OK(fm_fill(next, counts, 0, FM_WHOLE_SIZE, 1000));
        fm_point point;
        CT_OK(fm_commit(&next, &(fm_commit_info){.stream = f->stream, .after = &read, .after_count = 1}, &point));
        if (round == 12) CT_OK(fm_point_wait(f->device, point, CT_TIMEOUT_NS));
    }
    expect_seen(f, seen, groups, mix);
}

// The counts are read before the dispatch itself writes over them.
static void indirect_may_write_its_own_counts(void **state)
{
    ct_fixture *f = *state;
    fm_kernel next = ct_kernel(f, "if (global_id.x == 0u) n[0] = n[0] + 1u; atomic_add(n[3], local_id.x / 63u);",
                               CT_PARAMS({"n", FM_DTYPE_U32, FM_ACCESS_READ_WRITE}), NULL, 0);
    const uint32_t start[4] = {1, 1, 1, 0}, end[4] = {11, 1, 1, 1 + 2 + 3 + 4 + 5 + 6 + 7 + 8 + 9 + 10};
    fm_buffer counts = ct_buffer_of(f, start, sizeof start);
    fm_commands *commands = ct_begin(f);
    for (int i = 0; i < 10; i++) CT_OK(record(commands, next, counts, counts, 0));
    ct_finish(f, commands);
    ct_expect_content(f, counts, end, sizeof end);
}

// One buffer with the counts of many, at every place that is a multiple of 4, beside dispatches and copies of the usual kind.
static void indirect_dispatches_share_a_list_with_others(void **state)
{
    ct_fixture *f = *state;
    enum { MANY = 150 };
    fm_kernel kernel = mixing_kernel(f, mixing, 0);
    uint32_t words[MANY + 2];
    for (uint32_t i = 0; i < MANY + 2; i++) words[i] = i * 7 % 5; // overlapping triples, some with a 0
    fm_buffer counts = ct_buffer_of(f, words, sizeof words), seen[MANY], copy = ct_buffer(f, sizeof words);
    fm_commands *commands = ct_begin(f);
    for (uint32_t i = 0; i < MANY; i++) {
        seen[i] = ct_buffer(f, 8);
        if (i % 3 == 0) {
            const fm_binding binding = {.buffer = seen[i]};
            fm_dispatch_info info = ct_dispatch_info(kernel, 2, &binding, 1, NULL, 0);
            CT_OK(fm_dispatch(commands, &info));
        }
        CT_OK(record(commands, kernel, seen[i], counts, 4 * i));
        if (i % 10 == 0) CT_OK(fm_copy(commands, counts, 0, copy, 0, FM_WHOLE_SIZE));
    }
    ct_finish(f, commands);
    for (uint32_t i = 0; i < MANY; i++) {
        const uint32_t *n = &words[i], two[3] = {2, 1, 1};
        expect_seen(f, seen[i], n[0] * n[1] * n[2] + (i % 3 ? 0 : 2),
                    expected_mix(n) + (i % 3 ? 0 : expected_mix(two)));
    }
    ct_expect_content(f, copy, words, sizeof words);
}

static void indirect_holds_its_counts(void **state)
{
    ct_fixture *f = *state;
    enum { BYTES = 1 << 20 };
    fm_kernel kernel = mixing_kernel(f, mixing, 0);
    fm_buffer seen = ct_buffer(f, 8), counts = ct_buffer(f, BYTES);
    ct_wait_idle(f);
    uint64_t before = ct_stats(f).bytes_in_use;
    fm_commands *commands = ct_begin(f);
    CT_OK(fm_fill(commands, counts, BYTES - 12, 12, 2));
    CT_OK(record(commands, kernel, seen, counts, BYTES - 12));
    CT_OK(fm_buffer_destroy(f->device, counts));
    assert_true(ct_stats(f).bytes_in_use >= before);
    CT_STATUS(record(commands, kernel, seen, counts, 0), FM_ERROR_STALE_HANDLE);
    ct_finish(f, commands);
    expect_seen(f, seen, 8, expected_mix((const uint32_t[]){2, 2, 2}));
    ct_wait_idle(f);
    assert_true(ct_stats(f).bytes_in_use <= before - BYTES);
}

static void indirect_with_bad_arguments_is_refused(void **state)
{
    ct_fixture *f = *state;
    fm_kernel kernel = mixing_kernel(f, mixing, 0);
    fm_buffer seen = ct_buffer(f, 8), counts = counts_buffer(f, 1, 1, 1), stale = ct_buffer(f, 12), foreign;
    CT_OK(fm_buffer_destroy(f->device, stale));
    CT_OK(fm_buffer_create(ct_other_device(f), &(fm_buffer_info){.size_bytes = 12}, &foreign));
    const struct {
        fm_buffer buffer;
        uint64_t at;
        fm_status status;
    } cases[] = {
        {{0}, 0, FM_ERROR_NULL_HANDLE},
        {stale, 0, FM_ERROR_STALE_HANDLE},
        {foreign, 0, FM_ERROR_FOREIGN_HANDLE},
        {counts, 2, FM_ERROR_INVALID_ARGUMENT},
        {counts, 1, FM_ERROR_INVALID_ARGUMENT},
        {counts, 4, FM_ERROR_OUT_OF_RANGE},
        {counts, 12, FM_ERROR_OUT_OF_RANGE},
        {counts, UINT64_MAX - 3, FM_ERROR_OUT_OF_RANGE},
        {counts, 1u << 30, FM_ERROR_OUT_OF_RANGE},
    };
    fm_commands *commands = ct_begin(f);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        CT_STATUS(record(commands, kernel, seen, cases[i].buffer, cases[i].at), cases[i].status);
        assert_true(strncmp(fm_last_error(), "fm_dispatch_indirect: the group counts: ", 40) == 0);
    }
    const fm_binding binding = {.buffer = seen};
    fm_dispatch_info info = ct_dispatch_info(kernel, 1, &binding, 1, NULL, 0);
    CT_STATUS(fm_dispatch_indirect(commands, NULL, counts, 0), FM_ERROR_INVALID_ARGUMENT);
    CT_REFUSED(fm_dispatch_indirect(NULL, &info, counts, 0));
    info.flags = FM_DISPATCH_ITEMS;
    CT_STATUS(fm_dispatch_indirect(commands, &info, counts, 0), FM_ERROR_INVALID_ARGUMENT);
    info.flags = 0;
    info.binding_count = 0;
    CT_STATUS(fm_dispatch_indirect(commands, &info, counts, 0), FM_ERROR_INVALID_ARGUMENT);
    assert_true(strncmp(fm_last_error(), "fm_dispatch_indirect: ", 22) == 0);
    ct_finish(f, commands);
    expect_seen(f, seen, 0, 0);
}

// Only the device sees them, and answers with a failed list that names them; nothing of the dispatch has run.
static void indirect_of_counts_over_a_limit_fails_its_list(void **state)
{
    ct_fixture *f = *state;
    static const uint32_t cases[][3] = {{UINT32_MAX, UINT32_MAX, UINT32_MAX},
                                        {(1u << 30) + 1, 1, 1}, // times 4 work-items
                                        {65535, 65535, 2},      // 2^32 workgroups and more
                                        {1u << 31, 1u << 31, 4},
                                        {1, 1u << 16, (1u << 16) + 1}};
    fm_kernel kernel = mixing_kernel(f, mixing, 0);
    fm_buffer fine = counts_buffer(f, 1, 1, 1);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const uint32_t *n = cases[i];
        fm_buffer seen = ct_buffer(f, 8), counts = counts_buffer(f, n[0], n[1], n[2]);
        fm_commands *commands = NULL;
        CT_OK(fm_commands_begin(f->device, &(fm_commands_info){.label = "over"}, &commands));
        CT_OK(record(commands, kernel, seen, fine, 0));
        CT_OK(fm_label_push(commands, "too many"));
        CT_OK(record(commands, kernel, seen, counts, 0));
        fm_point point = ct_commit(&commands, f->stream);
        CT_STATUS(fm_point_wait(f->device, point, CT_TIMEOUT_NS), FM_ERROR_KERNEL_FAILED);
        char named[80];
        snprintf(named, sizeof named, "{%u, %u, %u}", n[0], n[1], n[2]);
        if (!strstr(fm_last_error(), named)) fail_msg("%s is not in: %s", named, fm_last_error());
        assert_non_null(strstr(fm_last_error(), "kernel 'mixing'"));
        assert_non_null(strstr(fm_last_error(), "group 'too many'"));
        fm_failure failure;
        CT_OK(fm_device_take_failure(f->device, &failure));
        assert_int_equal(failure.status, FM_ERROR_KERNEL_FAILED);
        assert_string_equal(failure.list_label, "over");
        CT_OK(fm_stream_reset(f->device, f->stream, CT_TIMEOUT_NS));
        expect_seen(f, seen, 1, expected_mix((const uint32_t[]){1, 1, 1}));
    }
    // Others of the same batch and later ones go on.
    fm_stream other;
    CT_OK(fm_stream_create(f->device, NULL, &other));
    fm_buffer seen = ct_buffer(f, 8), bad = counts_buffer(f, UINT32_MAX, 2, 2), lost = ct_buffer(f, 8);
    fm_commands *first = ct_begin(f), *second = ct_begin(f);
    CT_OK(record(first, kernel, lost, bad, 0));
    CT_OK(record(second, kernel, seen, fine, 0));
    fm_point failing = ct_commit(&first, other), good = ct_commit(&second, f->stream);
    CT_OK(fm_point_wait(f->device, good, CT_TIMEOUT_NS));
    CT_STATUS(fm_point_wait(f->device, failing, CT_TIMEOUT_NS), FM_ERROR_KERNEL_FAILED);
    CT_OK(fm_stream_reset(f->device, other, CT_TIMEOUT_NS));
    expect_seen(f, seen, 1, expected_mix((const uint32_t[]){1, 1, 1}));
    expect_seen(f, lost, 0, 0);
}

static void indirect_in_a_reusable_list_reads_anew_and_is_patched(void **state)
{
    ct_fixture *f = *state;
    fm_kernel kernel = mixing_kernel(f, mixing, 0);
    fm_buffer counts = ct_buffer(f, 16), first = ct_buffer(f, 8), second = ct_buffer(f, 8);
    fm_commands *commands = NULL;
    CT_OK(fm_commands_begin(f->device, &(fm_commands_info){.flags = FM_COMMANDS_REUSABLE}, &commands));
    CT_OK(record(commands, kernel, first, counts, 4));
    fm_point point;
    uint32_t mix = 0;
    for (uint32_t round = 0; round < 3; round++) {
        const uint32_t words[4] = {99, round, 2, 1};
        CT_OK(fm_buffer_write(f->device, f->stream, counts, 0, sizeof words, words, CT_TIMEOUT_NS));
        CT_OK(fm_commit(&commands, &(fm_commit_info){.stream = f->stream}, &point));
        mix += expected_mix(words + 1);
    }
    CT_OK(fm_point_wait(f->device, point, CT_TIMEOUT_NS));
    expect_seen(f, first, 2 + 4, mix);
    const fm_binding binding = {.buffer = second, .param_name = "seen"};
    fm_dispatch_info info = {.kernel = kernel, .bindings = &binding, .binding_count = 1};
    CT_OK(fm_patch(commands, 0, &info));
    CT_OK(fm_commit(&commands, &(fm_commit_info){.stream = f->stream}, &point));
    CT_OK(fm_point_wait(f->device, point, CT_TIMEOUT_NS));
    expect_seen(f, first, 2 + 4, mix);
    expect_seen(f, second, 4, expected_mix((const uint32_t[]){2, 2, 1}));
    info.flags = FM_DISPATCH_MAY_BE_EMPTY;
    CT_STATUS(fm_patch(commands, 0, &info), FM_ERROR_INVALID_ARGUMENT);
    assert_true(strncmp(fm_last_error(), "fm_patch: ", 10) == 0);
    CT_OK(fm_buffer_destroy(f->device, counts));
    CT_STATUS(fm_commit(&commands, &(fm_commit_info){.stream = f->stream}, NULL), FM_ERROR_STALE_HANDLE);
    info.flags = 0;
    CT_STATUS(fm_patch(commands, 0, &info), FM_ERROR_STALE_HANDLE);
    CT_OK(fm_commands_cancel(&commands));
}

static void indirect_of_glsl_sees_the_counts_itself(void **state)
{
    ct_fixture *f = *state;
    fm_kernel_info create = {.name = "given",
                             .language = FM_KERNEL_GLSL,
                             .code = "#version 450\n"
                                     "layout(local_size_x = 4) in;\n"
                                     "layout(binding = 0) buffer Seen { uint seen[]; };\n"
                                     "void main() { if (gl_LocalInvocationID.x == 0u) atomicAdd(seen[0], 1u);\n"
                                     "atomicAdd(seen[1], gl_GlobalInvocationID.x + 3u * gl_WorkGroupID.y + 5u * "
                                     "gl_WorkGroupID.z + 7u * gl_NumWorkGroups.x + 11u * gl_NumWorkGroups.y + 13u * "
                                     "gl_NumWorkGroups.z); }\n"};
    if (!f->properties.runs_glsl) {
        ct_expect_unsupported(f, &create);
        return;
    }
    fm_kernel kernel = {0};
    CT_OK(fm_kernel_create(f->device, &create, &kernel));
    fm_buffer seen = ct_buffer(f, 8);
    fm_commands *commands = ct_begin(f);
    CT_OK(record(commands, kernel, seen, counts_buffer(f, 3, 4, 5), 0));
    ct_finish(f, commands);
    expect_seen(f, seen, 60, expected_mix((const uint32_t[]){3, 4, 5}));
}

static fm_status note_call(const fm_host_call *call)
{
    uint32_t *seen = call->bindings[0];
    seen[0] += 1;
    seen[1] += call->group_count[0] * 100 + call->group_count[1] * 10 + call->group_count[2];
    return call->binding_count == 1 ? FM_OK : FM_ERROR_INVALID_ARGUMENT;
}

static void indirect_host_function_is_called_with_the_counts(void **state)
{
    ct_fixture *f = *state;
    fm_kernel_info create = {.name = "called",
                             .language = FM_KERNEL_HOST_FUNCTION,
                             .params = &(fm_kernel_param){"seen", FM_DTYPE_U32, FM_ACCESS_READ_WRITE},
                             .param_count = 1,
                             .host_function = note_call};
    if (!f->properties.runs_host_functions) {
        ct_expect_unsupported(f, &create);
        return;
    }
    fm_kernel kernel = {0};
    CT_OK(fm_kernel_create(f->device, &create, &kernel));
    fm_buffer seen = ct_buffer(f, 8);
    fm_commands *commands = ct_begin(f);
    CT_OK(record(commands, kernel, seen, counts_buffer(f, 3, 4, 5), 0));
    CT_OK(record(commands, kernel, seen, counts_buffer(f, 3, 0, 5), 0)); // not called
    ct_finish(f, commands);
    expect_seen(f, seen, 1, 345);
}

int ct_group_indirect(void)
{
    const struct CMUnitTest tests[] = {
        CT_TEST(indirect_runs_as_many_groups_as_the_buffer_says),
        CT_TEST(indirect_of_a_count_of_0_runs_nothing),
        CT_TEST(indirect_is_ordered_with_what_writes_its_counts),
        CT_TEST(indirect_is_ordered_across_lists_and_streams),
        CT_TEST(indirect_may_write_its_own_counts),
        CT_TEST(indirect_dispatches_share_a_list_with_others),
        CT_TEST(indirect_holds_its_counts),
        CT_TEST(indirect_with_bad_arguments_is_refused),
        CT_TEST(indirect_of_counts_over_a_limit_fails_its_list),
        CT_TEST(indirect_in_a_reusable_list_reads_anew_and_is_patched),
        CT_TEST(indirect_of_glsl_sees_the_counts_itself),
        CT_TEST(indirect_host_function_is_called_with_the_counts),
    };
    return cmocka_run_group_tests_name("indirect", tests, NULL, NULL);
}
