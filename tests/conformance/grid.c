// How much a dispatch runs: limits of workgroups and work-items, counts in work-items, counts of 0, in lists of both kinds. What each
// workgroup sees of its place is in the dispatch group.
#include "groups.h"
#include "support.h"

// x[0] counts work-items, x[1] workgroups; x[2] is the largest global_id.x, x[3] the largest global_id.y.
static fm_kernel counting_kernel(ct_fixture *f, uint32_t x, uint32_t y, uint32_t z)
{
    fm_kernel_info info = {.name = "counting",
                           .code = "atomic_add(seen[0], 1u);"
                                   "if (local_id.x + local_id.y + local_id.z == 0u) atomic_add(seen[1], 1u);"
                                   "atomic_max(seen[2], global_id.x);"
                                   "atomic_max(seen[3], global_id.y);",
                           .params = &(fm_kernel_param){"seen", FM_DTYPE_U32, FM_ACCESS_READ_WRITE},
                           .param_count = 1,
                           .group_size = {x, y, z}};
    fm_kernel kernel = {0};
    CT_OK(fm_kernel_create(f->device, &info, &kernel));
    return kernel;
}

static fm_dispatch_info make_info(fm_kernel kernel, uint32_t x, uint32_t y, uint32_t z, uint32_t flags,
                                  const fm_binding *binding)
{
    return (fm_dispatch_info){
        .kernel = kernel, .group_count = {x, y, z}, .flags = flags, .bindings = binding, .binding_count = 1};
}

static void expect_seen(ct_fixture *f, fm_buffer seen, uint32_t items, uint32_t groups, uint32_t last_x,
                        uint32_t last_y)
{
    const uint32_t expected[4] = {items, groups, last_x, last_y};
    ct_expect_content(f, seen, expected, sizeof expected);
}

static fm_status try_counts(fm_commands *commands, fm_kernel kernel, uint32_t x, uint32_t y, uint32_t z, uint32_t flags,
                            fm_buffer seen)
{
    const fm_binding binding = {.buffer = seen};
    fm_dispatch_info info = make_info(kernel, x, y, z, flags, &binding);
    return fm_dispatch(commands, &info);
}

// Behind 2^32 work-items on an axis a global_id of 32 bits would begin again at 0, and two work-items be one.
static void grid_beyond_ids_of_32_bits_is_refused(void **state)
{
    ct_fixture *f = *state;
    static const uint32_t sizes[][3] = {{64, 1, 1}, {4, 8, 2}, {1, 1, 16}, {3, 5, 7}};
    fm_buffer seen = ct_buffer(f, 16);
    fm_commands *commands = ct_begin(f);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        fm_kernel kernel = counting_kernel(f, sizes[i][0], sizes[i][1], sizes[i][2]);
        for (int axis = 0; axis < 3; axis++) {
            uint64_t most = FM_MAX_ITEMS / sizes[i][axis];
            if (most > UINT32_MAX) continue; // any count will do
            uint32_t counts[3] = {1, 1, 1};
            counts[axis] = (uint32_t)most;
            CT_OK(try_counts(commands, kernel, counts[0], counts[1], counts[2], 0, seen));
            counts[axis]++;
            CT_STATUS(try_counts(commands, kernel, counts[0], counts[1], counts[2], 0, seen),
                      FM_ERROR_INVALID_ARGUMENT);
            assert_non_null(strstr(fm_last_error(), "4294967296"));
            const char name[] = {'a', 'x', 'i', 's', ' ', (char)('x' + axis), 0};
            assert_non_null(strstr(fm_last_error(), name));
        }
    }
    CT_OK(fm_commands_cancel(&commands)); // what was taken would run for minutes
}

static void grid_of_glsl_beyond_ids_of_32_bits_is_refused(void **state)
{
    ct_fixture *f = *state;
    fm_kernel_info create = {.name = "given",
                             .language = FM_KERNEL_GLSL,
                             .code = "#version 450\n"
                                     "layout(local_size_x = 128) in;\n"
                                     "layout(binding = 0) buffer Seen { uint seen[]; };\n"
                                     "void main() { atomicAdd(seen[0], 1u); }\n"};
    if (!f->properties.runs_glsl) {
        ct_expect_unsupported(f, &create);
        return;
    }
    fm_kernel kernel = {0};
    CT_OK(fm_kernel_create(f->device, &create, &kernel));
    fm_buffer seen = ct_buffer(f, 16);
    fm_commands *commands = ct_begin(f);
    CT_STATUS(try_counts(commands, kernel, (1u << 25) + 1, 1, 1, 0, seen), FM_ERROR_INVALID_ARGUMENT);
    assert_non_null(strstr(fm_last_error(), "4294967296"));
    CT_OK(try_counts(commands, kernel, 200, 1, 1, FM_DISPATCH_ITEMS, seen)); // its own group size: 2 of 128
    ct_finish(f, commands);
    uint32_t items = 0;
    ct_read(f, seen, 0, 4, &items);
    assert_int_equal(items, 256);
}

static void grid_of_items_is_rounded_up_to_whole_groups(void **state)
{
    ct_fixture *f = *state;
    static const struct {
        uint32_t size[3], items[3], groups[3];
    } cases[] = {
        {{64, 1, 1}, {1, 0, 0}, {1, 1, 1}},    {{64, 1, 1}, {63, 1, 0}, {1, 1, 1}},
        {{64, 1, 1}, {64, 0, 1}, {1, 1, 1}},   {{64, 1, 1}, {65, 1, 1}, {2, 1, 1}},
        {{64, 1, 1}, {200, 3, 2}, {4, 3, 2}},  {{4, 4, 2}, {5, 9, 3}, {2, 3, 2}},
        {{3, 5, 7}, {30, 51, 1}, {10, 11, 1}}, {{1, 1, 1}, {7, 6, 5}, {7, 6, 5}},
        {{4, 4, 1}, {9, 0, 0}, {3, 1, 1}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const uint32_t *s = cases[i].size, *n = cases[i].items, *g = cases[i].groups;
        fm_kernel kernel = counting_kernel(f, s[0], s[1], s[2]);
        fm_buffer seen = ct_buffer(f, 16);
        fm_commands *commands = ct_begin(f);
        CT_OK(try_counts(commands, kernel, n[0], n[1], n[2], FM_DISPATCH_ITEMS, seen));
        ct_finish(f, commands);
        uint32_t groups = g[0] * g[1] * g[2];
        expect_seen(f, seen, groups * s[0] * s[1] * s[2], groups, g[0] * s[0] - 1, g[1] * s[1] - 1);
    }
}

// The last workgroup's rest counts: its ids must not begin again either.
static void grid_of_the_most_items_is_taken_where_whole_groups_fit(void **state)
{
    ct_fixture *f = *state;
    fm_buffer seen = ct_buffer(f, 16);
    fm_commands *commands = ct_begin(f);
    CT_OK(try_counts(commands, counting_kernel(f, 64, 1, 1), UINT32_MAX, 0, 0, FM_DISPATCH_ITEMS, seen));
    CT_STATUS(try_counts(commands, counting_kernel(f, 48, 1, 1), UINT32_MAX, 0, 0, FM_DISPATCH_ITEMS, seen),
              FM_ERROR_INVALID_ARGUMENT);
    assert_non_null(strstr(fm_last_error(), "4294967328 work-items"));
    CT_OK(fm_commands_cancel(&commands));
}

static void grid_with_a_count_of_0_is_refused_with_a_hint(void **state)
{
    ct_fixture *f = *state;
    static const struct {
        uint32_t n[3], flags;
        const char *axis;
    } cases[] = {
        {{4, 0, 0}, 0, "axis y is 0"},          {{4, 1, 0}, 0, "axis z is 0"},
        {{0, 1, 1}, 0, "axis x is 0"},          {{0, 0, 0}, 0, "axis x is 0"},
        {{0, 4, 4}, 1, "axis x is 0"},          {{0, 0, 0}, 1, "axis x is 0"},
        {{0, UINT32_MAX, 1}, 0, "axis x is 0"}, {{1u << 30, 0, 1u << 30}, 0, "axis y is 0"},
    };
    assert_int_equal(FM_DISPATCH_ITEMS, 1);
    fm_kernel kernel = counting_kernel(f, 64, 1, 1);
    fm_buffer seen = ct_buffer(f, 16);
    fm_commands *commands = ct_begin(f);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const uint32_t *n = cases[i].n;
        CT_STATUS(try_counts(commands, kernel, n[0], n[1], n[2], cases[i].flags, seen), FM_ERROR_INVALID_ARGUMENT);
        assert_non_null(strstr(fm_last_error(), cases[i].axis));
        assert_non_null(strstr(fm_last_error(), "FM_DISPATCH_MAY_BE_EMPTY"));
    }
    CT_STATUS(try_counts(commands, kernel, 1, 1, 1, 4, seen), FM_ERROR_INVALID_ARGUMENT);
    assert_non_null(strstr(fm_last_error(), "flags 0x4"));
    ct_finish(f, commands);
    expect_seen(f, seen, 0, 0, 0, 0);
}

// Counts that are data may be 0: that is checked like any other dispatch, and then nothing.
static void grid_that_may_be_empty_runs_nothing(void **state)
{
    ct_fixture *f = *state;
    static const uint32_t counts[][3] = {{0, 1, 1}, {1, 0, 1}, {1, 1, 0}, {0, 0, 0}, {UINT32_MAX, UINT32_MAX, 0}};
    fm_kernel kernel = counting_kernel(f, 64, 1, 1);
    fm_buffer seen = ct_buffer(f, 16), gone = ct_buffer(f, 1 << 20);
    ct_wait_idle(f);
    fm_device_stats before = ct_stats(f);
    fm_commands *commands = ct_begin(f);
    for (uint32_t items = 0; items < 2; items++) {
        uint32_t flags = FM_DISPATCH_MAY_BE_EMPTY | (items ? FM_DISPATCH_ITEMS : 0);
        for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++)
            CT_OK(try_counts(commands, kernel, counts[i][0], counts[i][1], counts[i][2], flags, gone));
        CT_OK(try_counts(commands, kernel, 2, 3, 1, flags, seen)); // not empty: as ever
    }
    // The list is as it was before: what the empty ones named, it does not hold.
    CT_OK(fm_buffer_destroy(f->device, gone));
    assert_true(ct_stats(f).bytes_in_use <= before.bytes_in_use - (1 << 20));
    ct_finish(f, commands);
    expect_seen(f, seen, 64 * (2 * 3 + 3), 2 * 3 + 3, 127, 2);
    ct_wait_idle(f);
    assert_int_equal(ct_stats(f).dispatches - before.dispatches, 2);
}

static void grid_that_may_be_empty_is_checked_all_the_same(void **state)
{
    ct_fixture *f = *state;
    fm_kernel kernel = counting_kernel(f, 64, 1, 1);
    fm_buffer seen = ct_buffer(f, 16), stale = ct_buffer(f, 16);
    CT_OK(fm_buffer_destroy(f->device, stale));
    fm_commands *commands = ct_begin(f);
    const uint32_t flags = FM_DISPATCH_MAY_BE_EMPTY;
    CT_STATUS(try_counts(commands, kernel, 0, 1, 1, flags, stale), FM_ERROR_STALE_HANDLE);
    CT_STATUS(try_counts(commands, kernel, 0, 1, 1, flags | 8, seen), FM_ERROR_INVALID_ARGUMENT);
    const fm_binding outside = {.buffer = seen, .size_bytes = 17};
    fm_dispatch_info info = make_info(kernel, 0, 1, 1, flags, &outside);
    CT_STATUS(fm_dispatch(commands, &info), FM_ERROR_OUT_OF_RANGE);
    info.binding_count = 0;
    CT_STATUS(fm_dispatch(commands, &info), FM_ERROR_INVALID_ARGUMENT);
    CT_STATUS(try_counts(commands, kernel, (1u << 26) + 1, 1, 1, flags, seen), FM_ERROR_INVALID_ARGUMENT);
    CT_OK(try_counts(commands, kernel, 0, 1, 1, flags, seen));
    ct_finish(f, commands);
    expect_seen(f, seen, 0, 0, 0, 0);
}

static void commit_and_wait(ct_fixture *f, fm_commands *commands)
{
    fm_point point;
    CT_OK(fm_commit(&commands, &(fm_commit_info){.stream = f->stream}, &point));
    CT_OK(fm_point_wait(f->device, point, CT_TIMEOUT_NS));
}

// In a reusable list an empty dispatch has a number, so that those behind it keep theirs, and becomes one that runs, and back.
static void grid_that_may_be_empty_keeps_its_number_in_a_reusable_list(void **state)
{
    ct_fixture *f = *state;
    const uint32_t flags = FM_DISPATCH_ITEMS | FM_DISPATCH_MAY_BE_EMPTY;
    fm_kernel kernel = counting_kernel(f, 64, 1, 1);
    const fm_binding first = {.buffer = ct_buffer(f, 16)}, second = {.buffer = ct_buffer(f, 16)};
    fm_commands *commands = NULL;
    CT_OK(fm_commands_begin(f->device, &(fm_commands_info){.flags = FM_COMMANDS_REUSABLE}, &commands));
    fm_dispatch_info none = make_info(kernel, 0, 1, 1, flags, &first),
                     some = make_info(kernel, 65, 1, 1, flags, &first);
    fm_dispatch_info last = make_info(kernel, 1, 1, 1, 0, &second);
    CT_OK(fm_dispatch(commands, &none));
    CT_OK(fm_dispatch(commands, &last));
    uint64_t before = ct_stats(f).dispatches;
    commit_and_wait(f, commands);
    assert_int_equal(ct_stats(f).dispatches - before, 1); // the device never hears of the other
    expect_seen(f, first.buffer, 0, 0, 0, 0);
    expect_seen(f, second.buffer, 64, 1, 63, 0);
    CT_OK(fm_patch(commands, 0, &some));
    commit_and_wait(f, commands);
    expect_seen(f, first.buffer, 128, 2, 127, 0);
    CT_OK(fm_patch(commands, 0, &none));
    last.group_count[0] = 0;
    CT_STATUS(fm_patch(commands, 1, &last), FM_ERROR_INVALID_ARGUMENT); // without the flag it may not be empty
    assert_non_null(strstr(fm_last_error(), "fm_patch: "));
    last.group_count[0] = (1u << 26) + 1;
    CT_STATUS(fm_patch(commands, 1, &last), FM_ERROR_INVALID_ARGUMENT);
    assert_non_null(strstr(fm_last_error(), "4294967296"));
    commit_and_wait(f, commands);
    expect_seen(f, first.buffer, 128, 2, 127, 0);
    expect_seen(f, second.buffer, 192, 3, 63, 0);
    // It names its buffers all the same, and says so when one is gone.
    CT_OK(fm_buffer_destroy(f->device, first.buffer));
    CT_STATUS(fm_commit(&commands, &(fm_commit_info){.stream = f->stream}, NULL), FM_ERROR_STALE_HANDLE);
    CT_OK(fm_commands_cancel(&commands));
}

// A list that was given without its count is named as that.
static void dispatch_without_a_count_says_which(void **state)
{
    ct_fixture *f = *state;
    fm_kernel kernel = ct_kernel_set(f);
    const fm_binding binding = {.buffer = ct_buffer(f, 256)};
    const ct_set_constants constants = {64, 1};
    const fm_dispatch_info right = ct_dispatch_info(kernel, 1, &binding, 1, &constants, sizeof constants);
    fm_commands *commands = ct_begin(f);
    static const char *const sentences[] = {
        "bindings is given, but binding_count is 0", "bindings is NULL, but binding_count is 1",
        "constants is given, but constants_size_bytes is 0", "constants is NULL, but constants_size_bytes is 8"};
    for (size_t i = 0; i < sizeof sentences / sizeof sentences[0]; i++) {
        fm_dispatch_info info = right;
        if (i == 0) info.binding_count = 0;
        if (i == 1) info.bindings = NULL;
        if (i == 2) info.constants_size_bytes = 0;
        if (i == 3) info.constants = NULL;
        CT_STATUS(fm_dispatch(commands, &info), FM_ERROR_INVALID_ARGUMENT);
        assert_non_null(strstr(fm_last_error(), sentences[i]));
    }
    CT_OK(fm_dispatch(commands, &right));
    ct_finish(f, commands);
}

int ct_group_grid(void)
{
    const struct CMUnitTest tests[] = {
        CT_TEST(grid_beyond_ids_of_32_bits_is_refused),
        CT_TEST(grid_of_glsl_beyond_ids_of_32_bits_is_refused),
        CT_TEST(grid_of_items_is_rounded_up_to_whole_groups),
        CT_TEST(grid_of_the_most_items_is_taken_where_whole_groups_fit),
        CT_TEST(grid_with_a_count_of_0_is_refused_with_a_hint),
        CT_TEST(grid_that_may_be_empty_runs_nothing),
        CT_TEST(grid_that_may_be_empty_is_checked_all_the_same),
        CT_TEST(grid_that_may_be_empty_keeps_its_number_in_a_reusable_list),
        CT_TEST(dispatch_without_a_count_says_which),
    };
    return cmocka_run_group_tests_name("grid", tests, NULL, NULL);
}
