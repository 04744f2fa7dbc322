// Dispatches of which the counts, or whether there is anything to run, are data, on the manual device: the moment at which counts are read is
// the test's, and memory that was let go of too early is poisoned.
#include "manual_fixture.h"

typedef struct fixture {
    md_fixture m; // first
    fm_kernel counting;
    uint32_t calls;
    uint32_t groups[3]; // of the last call
} fixture;

static fm_status count_call(const fm_host_call *call)
{
    fixture *f = call->user;
    f->calls++;
    memcpy(f->groups, call->group_count, sizeof f->groups);
    return call->binding_count == 1 ? FM_OK : FM_ERROR_INVALID_ARGUMENT;
}

static int set_up(void **state)
{
    fixture *f = md_new(sizeof *f, NULL);
    f->counting = md_host_kernel(&f->m, "counting", 1, count_call, f);
    *state = f;
    return 0;
}

static void record(fixture *f, fm_commands *commands, fm_buffer used, fm_buffer counts)
{
    const fm_binding binding = {.buffer = used};
    fm_dispatch_info info = {.kernel = f->counting, .bindings = &binding, .binding_count = 1};
    OK(fm_dispatch_indirect(commands, &info, counts, 0));
}

static void expect_call(const fixture *f, uint32_t calls, uint32_t groups)
{
    assert_int_equal(f->calls, calls);
    md_expect_words(f->groups, 3, groups);
}

// Whatever order the device has for what it may overlap: the counts are those that the command before has written.
static void indirect_counts_are_read_when_the_command_runs(void **state)
{
    fixture *f = *state;
    for (uint64_t seed = 0; seed < 8; seed++) {
        OK(fm_testing_set_order(f->m.device, seed));
        fm_buffer counts = md_buffer(&f->m, 12), used = md_buffer(&f->m, 4);
        fm_commands *commands = md_begin(&f->m, 0);
        OK(fm_fill(commands, counts, 0, FM_WHOLE_SIZE, 2));
        record(f, commands, used, counts);
        OK(fm_fill(commands, counts, 0, FM_WHOLE_SIZE, 3)); // behind it, though nothing else orders them
        fm_point point = md_commit(commands, f->m.a);
        OK(fm_buffer_destroy(f->m.device, counts)); // held until then
        OK(fm_buffer_destroy(f->m.device, used));
        f->calls = 0;
        md_step(&f->m, MD_ALL);
        OK(fm_point_poll(f->m.device, point));
        expect_call(f, 1, 2);
    }
}

static void indirect_counts_of_0_call_nothing(void **state)
{
    fixture *f = *state;
    fm_buffer counts = md_buffer(&f->m, 12), used = md_buffer(&f->m, 4);
    fm_commands *commands = md_begin(&f->m, 0);
    record(f, commands, used, counts); // new memory reads as 0
    fm_point point = md_commit(commands, f->m.a);
    md_step(&f->m, MD_ALL);
    OK(fm_point_poll(f->m.device, point));
    assert_int_equal(f->calls, 0);
}

static void indirect_counts_over_a_limit_fail_the_list_alone(void **state)
{
    fixture *f = *state;
    fm_buffer counts = md_buffer(&f->m, 12), used = md_buffer(&f->m, 4);
    fm_commands *commands = md_begin(&f->m, 0);
    OK(fm_fill(commands, counts, 0, FM_WHOLE_SIZE, 1u << 16));
    record(f, commands, used, counts);
    fm_point point = md_commit(commands, f->m.a);
    md_step(&f->m, MD_ALL);
    STATUS(fm_point_poll(f->m.device, point), FM_ERROR_KERNEL_FAILED);
    assert_non_null(strstr(fm_last_error(), "{65536, 65536, 65536}"));
    assert_int_equal(f->calls, 0);
    commands = md_begin(&f->m, 0);
    OK(fm_fill(commands, counts, 0, FM_WHOLE_SIZE, 7));
    record(f, commands, used, counts);
    point = md_commit(commands, f->m.b);
    md_step(&f->m, MD_ALL);
    OK(fm_point_poll(f->m.device, point));
    expect_call(f, 1, 7);
}

// Nothing of an empty dispatch reaches the device, and it holds nothing.
static void empty_dispatch_leaves_the_list_as_it_was(void **state)
{
    fixture *f = *state;
    fm_buffer used = md_buffer(&f->m, 4), kept = md_buffer(&f->m, 4);
    const fm_binding first = {.buffer = used}, second = {.buffer = kept};
    fm_dispatch_info info = {.kernel = f->counting,
                             .group_count = {0, 1, 1},
                             .flags = FM_DISPATCH_MAY_BE_EMPTY,
                             .bindings = &first,
                             .binding_count = 1};
    fm_commands *commands = md_begin(&f->m, 0);
    OK(fm_dispatch(commands, &info));
    OK(fm_buffer_destroy(f->m.device, used));
    uint64_t before = md_stats(&f->m).dispatches;
    info.bindings = &second;
    info.group_count[0] = 5;
    OK(fm_dispatch(commands, &info));
    fm_point point = md_commit(commands, f->m.a);
    md_step(&f->m, MD_ALL);
    OK(fm_point_poll(f->m.device, point));
    assert_int_equal(f->calls, 1);
    assert_int_equal(f->groups[0], 5);
    assert_int_equal(md_stats(&f->m).dispatches - before, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(indirect_counts_are_read_when_the_command_runs, set_up, md_delete),
        cmocka_unit_test_setup_teardown(indirect_counts_of_0_call_nothing, set_up, md_delete),
        cmocka_unit_test_setup_teardown(indirect_counts_over_a_limit_fail_the_list_alone, set_up, md_delete),
        cmocka_unit_test_setup_teardown(empty_dispatch_leaves_the_list_as_it_was, set_up, md_delete),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
