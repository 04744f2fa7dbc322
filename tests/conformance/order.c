// Order: a stream behaves as if its commands ran one by one in commit order (LEARNED-13). Plain chains first, then
// several hundred random programs against a model.
#include "groups.h"
#include "program.h"

static void order_of_read_after_write_chain_is_kept(void **state)
{
    ct_fixture *f = *state;
    fm_kernel add = ct_kernel_add(f);
    fm_buffer buffers[3] = {ct_buffer(f, 4096), ct_buffer(f, 4096), ct_buffer(f, 4096)};
    uint32_t expected = 0;
    fm_commands *commands = ct_begin(f);
    for (uint32_t i = 0; i < 300; i++) {
        CT_OK(ct_record_add(commands, add, buffers[i % 3], buffers[(i + 1) % 3], 1024, i));
        expected += i;
        if (i % 50 != 49) continue;
        ct_commit(&commands, f->stream);
        commands = ct_begin(f);
    }
    ct_finish(f, commands);
    ct_expect_words(f, buffers[0], 1024, expected);
}

// A later write must not overtake an earlier read of the same bytes.
static void order_of_write_after_read_is_kept(void **state)
{
    ct_fixture *f = *state;
    enum { ROUNDS = 100 };
    fm_kernel set = ct_kernel_set(f);
    fm_buffer source = ct_buffer(f, 1 << 16);
    fm_buffer targets[ROUNDS];
    for (uint32_t i = 0; i < ROUNDS; i++) targets[i] = ct_buffer(f, 1 << 16);
    fm_commands *commands = ct_begin(f);
    for (uint32_t i = 0; i < ROUNDS; i++) {
        CT_OK(ct_record_set(commands, set, source, 1 << 14, i));
        CT_OK(fm_copy(commands, source, 0, targets[i], 0, 1 << 16));
    }
    ct_finish(f, commands);
    for (uint32_t i = 0; i < ROUNDS; i++) ct_expect_words(f, targets[i], 1 << 14, i);
}

// Writes that overlap in part: the last one wins byte by byte.
static void order_of_overlapping_writes_is_kept(void **state)
{
    ct_fixture *f = *state;
    enum { WORDS = 4096 };
    static uint32_t model[WORDS];
    memset(model, 0, sizeof model);
    fm_buffer buffer = ct_buffer(f, sizeof model);
    ct_random random = {41};
    fm_commands *commands = ct_begin(f);
    for (uint32_t i = 1; i <= 400; i++) {
        uint32_t first = ct_random_below(&random, WORDS);
        uint32_t count = 1 + ct_random_below(&random, WORDS - first);
        CT_OK(fm_fill(commands, buffer, 4 * (uint64_t)first, 4 * (uint64_t)count, i));
        for (uint32_t k = 0; k < count; k++) model[first + k] = i;
    }
    ct_finish(f, commands);
    ct_expect_content(f, buffer, model, sizeof model);
}

// Neighbouring ranges do not conflict: one wave for all of them. A single overlap makes it two.
static void order_of_ranges_apart_needs_no_barrier(void **state)
{
    ct_fixture *f = *state;
    fm_buffer buffer = ct_buffer(f, 4096);
    ct_expect_words(f, buffer, 1024, 0);
    ct_wait_idle(f);
    uint64_t before = ct_stats(f).waves;
    fm_commands *commands = ct_begin(f);
    for (uint64_t i = 0; i < 4; i++) CT_OK(fm_fill(commands, buffer, 1024 * i, 1024, 1));
    ct_finish(f, commands);
    ct_wait_idle(f);
    uint64_t between = ct_stats(f).waves;
    assert_int_equal(between - before, 1);
    commands = ct_begin(f);
    for (uint64_t i = 0; i < 4; i++) CT_OK(fm_fill(commands, buffer, 1000 * i, i == 2 ? 1004 : 1000, 2));
    ct_finish(f, commands);
    ct_wait_idle(f);
    assert_int_equal(ct_stats(f).waves - between, 2);
}

// An untracked list has exactly the barriers that the caller places.
static void order_in_an_untracked_list_is_the_callers(void **state)
{
    ct_fixture *f = *state;
    fm_kernel step = ct_kernel_step(f);
    fm_buffer buffer = ct_buffer(f, 4096);
    ct_expect_words(f, buffer, 1024, 0);
    ct_wait_idle(f);
    uint64_t before = ct_stats(f).waves;
    fm_commands *commands = NULL;
    CT_OK(fm_commands_begin(f->device, &(fm_commands_info){.flags = FM_COMMANDS_UNTRACKED}, &commands));
    for (uint32_t i = 0; i < 10; i++) {
        CT_OK(ct_record_set(commands, step, buffer, 512, 1)); // two halves, which the caller knows to be apart
        fm_dispatch_info info = ct_dispatch_info(step, 8, CT_BINDINGS({.buffer = buffer, .offset_bytes = 2048}),
                                                 &(ct_set_constants){512, 1}, sizeof(ct_set_constants));
        CT_OK(fm_dispatch(commands, &info));
        CT_OK(fm_barrier(commands));
    }
    ct_finish(f, commands);
    ct_wait_idle(f);
    assert_int_equal(ct_stats(f).waves - before, 10);
    ct_expect_words(f, buffer, 1024, 1023);
}

// Tracked lists before and behind an untracked one are ordered with it as with any other.
static void order_between_tracked_and_untracked_lists_is_kept(void **state)
{
    ct_fixture *f = *state;
    fm_kernel step = ct_kernel_step(f);
    fm_buffer buffer = ct_buffer(f, 1 << 16);
    uint32_t expected = 0;
    for (uint32_t i = 0; i < 60; i++) {
        fm_commands_info info = {.flags = i % 2 ? FM_COMMANDS_UNTRACKED : 0};
        fm_commands *commands = NULL;
        CT_OK(fm_commands_begin(f->device, &info, &commands));
        CT_OK(ct_record_set(commands, step, buffer, 1 << 14, i));
        ct_commit(&commands, f->stream);
        expected = 2 * expected + i;
    }
    ct_expect_words(f, buffer, 1 << 14, expected);
}

// A barrier in a tracked list does no harm.
static void order_with_barriers_in_a_tracked_list_is_kept(void **state)
{
    ct_fixture *f = *state;
    fm_kernel step = ct_kernel_step(f);
    fm_buffer buffer = ct_buffer(f, 4096);
    fm_commands *commands = ct_begin(f);
    CT_OK(fm_barrier(commands));
    for (uint32_t i = 0; i < 20; i++) {
        CT_OK(ct_record_set(commands, step, buffer, 1024, 1));
        CT_OK(fm_barrier(commands));
        CT_OK(fm_barrier(commands));
    }
    ct_finish(f, commands);
    ct_expect_words(f, buffer, 1024, (1u << 20) - 1);
}

static void order_of_random_programs_on_one_stream_matches_the_model(void **state)
{
    program_run_many(*state, &(program_options){.streams = 1}, 1000, ct_scaled(300));
}

static void order_of_random_programs_across_streams_matches_the_model(void **state)
{
    program_run_many(*state, &(program_options){.streams = PROGRAM_STREAMS}, 200000, ct_scaled(300));
}

static void order_of_random_untracked_programs_matches_the_model(void **state)
{
    program_run_many(*state, &(program_options){.streams = 2, .untracked = true}, 300000, ct_scaled(200));
}

static void order_of_large_random_programs_matches_the_model(void **state)
{
    program_run_many(*state, &(program_options){.streams = 3, .untracked = true, .large = true}, 400000, ct_scaled(40));
}

int ct_group_order(void)
{
    const struct CMUnitTest tests[] = {
        CT_TEST(order_of_read_after_write_chain_is_kept),
        CT_TEST(order_of_write_after_read_is_kept),
        CT_TEST(order_of_overlapping_writes_is_kept),
        CT_TEST(order_of_ranges_apart_needs_no_barrier),
        CT_TEST(order_in_an_untracked_list_is_the_callers),
        CT_TEST(order_between_tracked_and_untracked_lists_is_kept),
        CT_TEST(order_with_barriers_in_a_tracked_list_is_kept),
        CT_TEST(order_of_random_programs_on_one_stream_matches_the_model),
        CT_TEST(order_of_random_programs_across_streams_matches_the_model),
        CT_TEST(order_of_random_untracked_programs_matches_the_model),
        CT_TEST(order_of_large_random_programs_matches_the_model),
    };
    return cmocka_run_group_tests_name("order", tests, NULL, NULL);
}
