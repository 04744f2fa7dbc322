// Transfers beyond the plain ones, as exact orders of calls on the manual device: their place among other streams' work, and what they hold.
// Each test fails with its guard taken out of the source; none has a clock.
#include "manual_fixture.h"

enum { WORDS = 256, BYTES = WORDS * 4 };

static int set_up(void **state)
{
    *state = md_new(sizeof(md_fixture), &(fm_device_info){.batches_in_flight = 1});
    return 0;
}

static const uint32_t *look(md_fixture *f, fm_buffer buffer)
{
    void *pointer = NULL;
    OK(fm_buffer_map(f->device, buffer, 0, FM_WHOLE_SIZE, &pointer));
    return pointer;
}

// Nothing but the source's stream orders the copy behind the fill of another buffer; in one wave it would run first.
static void across_on_one_device_stands_behind_the_sources_stream(void **state)
{
    md_fixture *f = *state;
    OK(fm_testing_set_order(f->device, 1)); // of one wave, the last first
    fm_buffer busy = md_buffer(f, BYTES), other = md_buffer(f, BYTES);
    fm_copy_side from = {f->device, f->a, md_buffer(f, BYTES), 0}, to = {f->device, f->b, md_buffer(f, BYTES), 0};
    md_commit_fill(f, f->a, from.buffer, 5);
    md_run(f);
    md_expect(f, f->a, from.buffer, WORDS, 5);
    OK(fm_testing_step_in_waits(f->device, 0));
    md_commit_fill(f, f->b, busy, 1); // in flight: what follows shares the next batch
    md_commit_fill(f, f->a, other, 2);
    STATUS(fm_buffer_copy_across(&from, &to, FM_WHOLE_SIZE, 0), FM_TIMEOUT);
    md_step(f, 1);
    STATUS(fm_point_poll(f->device, (fm_point){f->a, 2}), FM_NOT_READY); // the next batch is submitted here
    md_step(f, 1);
    assert_int_equal(look(f, other)[0], 2);
    assert_int_equal(look(f, to.buffer)[0], 0);
    md_run(f);
    md_expect(f, f->b, to.buffer, WORDS, 5);
}

// HOLD-1: destroyed right after the commit; the tear-down finds no command that touched what nothing held.
static void patterns_and_rows_hold_their_buffers(void **state)
{
    md_fixture *f = *state;
    fm_buffer x = md_buffer(f, BYTES), y = md_buffer(f, BYTES), z = md_buffer(f, BYTES);
    const uint32_t pair[2] = {3, 4};
    fm_commands *commands = md_begin(f, 0);
    OK(fm_fill_pattern(commands, x, 0, FM_WHOLE_SIZE, pair, 8));
    OK(fm_copy_rect(commands, &(fm_copy_rect_info){.source = x,
                                                   .source_row_pitch_bytes = 16,
                                                   .destination = y,
                                                   .destination_row_pitch_bytes = 32,
                                                   .row_size_bytes = 8,
                                                   .row_count = 32}));
    OK(fm_copy(commands, y, 0, z, 0, FM_WHOLE_SIZE));
    md_commit(commands, f->a);
    OK(fm_buffer_destroy(f->device, x));
    OK(fm_buffer_destroy(f->device, y));
    fm_buffer thief = md_buffer(f, BYTES); // would get the memory, were it free
    md_run(f);
    uint32_t words[WORDS];
    OK(fm_buffer_read(f->device, f->a, z, 0, BYTES, words, MD_SECOND));
    for (uint32_t i = 0; i < WORDS; i++) assert_int_equal(words[i], i % 8 < 2 ? pair[i % 2] : 0);
    md_expect(f, f->a, thief, WORDS, 0);
}

// Memory that a test imports.
typedef struct memory {
    _Alignas(64) uint32_t words[WORDS];
    uint32_t releases;
} memory;

static void on_release(void *user, void *pointer)
{
    memory *m = user;
    assert_ptr_equal(pointer, m->words);
    m->releases++;
}

static fm_buffer import_memory(md_fixture *f, memory *m)
{
    memset(m->words, 0x11, BYTES);
    m->releases = 0;
    fm_buffer buffer;
    fm_buffer_import_info info = {.pointer = m->words, .size_bytes = BYTES, .release = on_release, .release_user = m};
    OK(fm_buffer_import_host(f->device, &info, &buffer));
    return buffer;
}

// HOLD-6: a list in flight and one that is being recorded keep it; nothing but their end gives it back, as it is.
static void import_is_released_after_the_last_list_that_uses_it(void **state)
{
    md_fixture *f = *state;
    static memory m;
    fm_buffer x = import_memory(f, &m);
    fm_point point = md_commit_fill(f, f->a, x, 5);
    fm_commands *open = md_begin(f, 0);
    OK(fm_fill(open, x, 0, 4, 6));
    OK(fm_buffer_destroy(f->device, x));
    OK(fm_testing_run_callbacks(f->device));
    assert_int_equal(m.releases, 0);
    assert_int_equal(m.words[0], 0x11111111);
    md_step(f, MD_ALL);
    OK(fm_point_wait(f->device, point, 0));
    (void)md_stats(f); // what is complete is let go of
    OK(fm_testing_run_callbacks(f->device));
    assert_int_equal(m.releases, 0);
    OK(fm_commands_cancel(&open));
    assert_int_equal(m.releases, 0); // never on the thread that lets go of it
    OK(fm_testing_run_callbacks(f->device));
    assert_int_equal(m.releases, 1);
    md_expect_words(m.words, WORDS, 5);
}

// What a stream's work still uses passes to its next buffer at once, but not the caller's memory.
static void import_is_never_taken_over(void **state)
{
    md_fixture *f = *state;
    static memory m;
    fm_buffer x = import_memory(f, &m);
    md_commit_fill(f, f->a, x, 5);
    OK(fm_buffer_destroy(f->device, x));
    assert_int_equal(md_stats(f).bytes_in_flight, 0); // nor does it count there
    fm_buffer y = md_buffer_with(f, &(fm_buffer_info){.size_bytes = BYTES, .memory = FM_MEMORY_HOST, .stream = f->a});
    assert_int_equal(md_stats(f).memory_reuses, 0);
    md_commit_fill(f, f->a, y, 9);
    md_run(f);
    md_expect(f, f->a, y, WORDS, 9);
    OK(fm_testing_run_callbacks(f->device));
    assert_int_equal(m.releases, 1);
    md_expect_words(m.words, WORDS, 5);
}

// LEARNED-9: work of a lost device may still run, so only the close gives the memory back, once the device is quiet.
static void import_that_a_lost_device_uses_is_released_by_the_close(void **state)
{
    md_fixture *f = *state;
    static memory m;
    fm_buffer x = import_memory(f, &m);
    fm_point point = md_commit_fill(f, f->a, x, 5);
    OK(fm_testing_lose_device(f->device));
    STATUS(fm_point_wait(f->device, point, 0), FM_ERROR_DEVICE_LOST);
    OK(fm_buffer_destroy(f->device, x));
    OK(fm_testing_run_callbacks(f->device));
    assert_int_equal(m.releases, 0);
    md_step(f, MD_ALL); // it does
    uint64_t violations = 1;
    OK(fm_testing_violations(f->device, &violations));
    assert_int_equal(violations, 0);
    OK(fm_device_close(&f->device, MD_SECOND));
    assert_int_equal(m.releases, 1);
    md_expect_words(m.words, WORDS, 5);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, md_delete)
    const struct CMUnitTest tests[] = {
        TEST(across_on_one_device_stands_behind_the_sources_stream),   TEST(patterns_and_rows_hold_their_buffers),
        TEST(import_is_released_after_the_last_list_that_uses_it),     TEST(import_is_never_taken_over),
        TEST(import_that_a_lost_device_uses_is_released_by_the_close),
    };
    return cmocka_run_group_tests_name("transfers", tests, NULL, NULL);
}
