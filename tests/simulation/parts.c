// Large synchronous transfers on the manual device: several parts, and one place in the stream's order. What other threads might do between
// two parts is done there by the same thread (fm_testing_come_in).
#include "manual_fixture.h"

enum { MIB = 1 << 20, PARTS = 20 * MIB, MANY = 40 * MIB, WORD_BYTES = 4 };

typedef struct fixture {
    md_fixture m;
    fm_buffer buffer; // of MANY bytes
    uint32_t *words;  // as many
    fm_point point;   // of what came in
    uint32_t came_in;
} fixture;

static int set_up(void **state)
{
    fixture *f = md_new(sizeof *f, &(fm_device_info){.batches_in_flight = 2, .lists_in_flight = 64});
    f->words = malloc(MANY);
    assert_non_null(f->words);
    f->buffer = md_buffer_with(&f->m, &(fm_buffer_info){.size_bytes = MANY, .flags = FM_BUFFER_UNINITIALIZED});
    // Lists of two streams have used it: nothing is read or written in place.
    md_commit_fill(&f->m, f->m.a, f->buffer, 1);
    md_commit_fill(&f->m, f->m.b, f->buffer, 1);
    md_run(&f->m);
    OK(fm_point_wait(f->m.device, (fm_point){f->m.b, 1}, MD_SECOND));
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    free(f->words);
    return md_delete(state);
}

static void set_words(fixture *f, uint32_t value)
{
    for (size_t i = 0; i < MANY / WORD_BYTES; i++) f->words[i] = value;
}

// The whole buffer, as stream b has it.
static void expect_words(fixture *f, size_t size_bytes, uint32_t value)
{
    set_words(f, 0xA5A5A5A5);
    OK(fm_buffer_read(f->m.device, f->m.b, f->buffer, 0, size_bytes, f->words, 30 * MD_SECOND));
    for (size_t i = 0; i < size_bytes / WORD_BYTES; i++) {
        if (f->words[i] != value) fail_msg("word %zu is %#x, not %#x", i, f->words[i], value);
    }
}

static uint64_t transfers(fixture *f)
{
    return md_stats(&f->m).transfers;
}

static void fill_on_a(void *user)
{
    fixture *f = user;
    f->point = md_commit_fill(&f->m, f->m.a, f->buffer, 7);
    f->came_in++;
}

static void write_in_parts_is_one_place_in_its_stream(void **state)
{
    fixture *f = *state;
    const size_t sizes[] = {PARTS, MANY}; // with and without waiting for the first parts before the last
    for (uint32_t i = 0; i < 2; i++) {
        set_words(f, 2);
        uint64_t before = transfers(f);
        OK(fm_testing_come_in(f->m.device, FM_TESTING_PUSHED, fill_on_a, f));
        OK(fm_buffer_write(f->m.device, f->m.a, f->buffer, 0, sizes[i], f->words, 30 * MD_SECOND));
        assert_int_equal(f->came_in, i + 1);
        OK(fm_point_wait(f->m.device, f->point, 30 * MD_SECOND));
        assert_true(transfers(f) >= before + 3 + 1);
        expect_words(f, sizes[i], 7); // the fill came behind all parts
    }
}

static void read_in_parts_is_one_place_in_its_stream(void **state)
{
    fixture *f = *state;
    OK(fm_testing_come_in(f->m.device, FM_TESTING_PUSHED, fill_on_a, f));
    set_words(f, 0xA5A5A5A5);
    OK(fm_buffer_read(f->m.device, f->m.a, f->buffer, 0, MANY, f->words, 30 * MD_SECOND));
    assert_int_equal(f->came_in, 1);
    for (size_t i = 0; i < MANY / WORD_BYTES; i++) assert_int_equal(f->words[i], 1);
    OK(fm_point_wait(f->m.device, f->point, 30 * MD_SECOND));
    expect_words(f, MANY, 7);
}

static void destroy_the_buffer(void *user)
{
    fixture *f = user;
    OK(fm_buffer_destroy(f->m.device, f->buffer));
    f->came_in++;
    fm_buffer fresh = md_buffer_with(&f->m, &(fm_buffer_info){.size_bytes = MANY, .stream = f->m.a});
    OK(fm_buffer_destroy(f->m.device, fresh)); // not on the same memory: the transfer still uses that
}

// HOLD-1: the handle dies between two parts; the transfer goes on, on memory that is still its own.
static void buffer_destroyed_between_parts_is_held(void **state)
{
    fixture *f = *state;
    uint64_t reuses = md_stats(&f->m).memory_reuses;
    set_words(f, 2);
    OK(fm_testing_come_in(f->m.device, FM_TESTING_PUSHED, destroy_the_buffer, f));
    OK(fm_buffer_write(f->m.device, f->m.a, f->buffer, 0, MANY, f->words, 30 * MD_SECOND));
    assert_int_equal(f->came_in, 1);
    assert_int_equal(md_stats(&f->m).memory_reuses, reuses);
    OK(fm_point_wait(f->m.device, md_commit(md_begin(&f->m, 0), f->m.a), MD_SECOND));
    assert_int_equal(md_stats(&f->m).bytes_in_use, 0);
    STATUS(fm_buffer_write(f->m.device, f->m.a, f->buffer, 0, MANY, f->words, MD_SECOND), FM_ERROR_STALE_HANDLE);
    STATUS(fm_buffer_read(f->m.device, f->m.a, f->buffer, 0, MANY, f->words, MD_SECOND), FM_ERROR_STALE_HANDLE);
}

static void fail_the_next_list(void *user)
{
    fixture *f = user;
    fm_point_poll(f->m.device, (fm_point){f->m.a, 2}); // whoever looks leads
    OK(fm_testing_fail_list(f->m.device));
    f->came_in++;
}

// A part that fails fails the transfer with its cause; the stream goes on when it is reset.
static void part_that_fails_fails_the_transfer(void **state)
{
    fixture *f = *state;
    set_words(f, 2);
    OK(fm_testing_come_in(f->m.device, FM_TESTING_PUSHED, fail_the_next_list, f));
    STATUS(fm_buffer_write(f->m.device, f->m.a, f->buffer, 0, MANY, f->words, 30 * MD_SECOND), FM_ERROR_KERNEL_FAILED);
    STATUS(fm_buffer_write(f->m.device, f->m.a, f->buffer, 0, MANY, f->words, 30 * MD_SECOND), FM_ERROR_DEPENDENCY);
    STATUS(fm_buffer_read(f->m.device, f->m.a, f->buffer, 0, MANY, f->words, 30 * MD_SECOND), FM_ERROR_DEPENDENCY);
    OK(fm_stream_reset(f->m.device, f->m.a, MD_SECOND));
    set_words(f, 3);
    OK(fm_buffer_write(f->m.device, f->m.a, f->buffer, 0, MANY, f->words, 30 * MD_SECOND));
    expect_words(f, MANY, 3);
}

// Up to 32 MiB are captured at once, so what runs out of time happens all the same; of more nothing is written before the earlier work is over.
static void time_that_runs_out_behind_earlier_work(void **state)
{
    fixture *f = *state;
    fm_device *d = f->m.device;
    OK(fm_testing_step_in_waits(d, 0));
    fm_point earlier = md_commit_fill(&f->m, f->m.a, f->buffer, 5);
    set_words(f, 2);
    STATUS(fm_buffer_write(d, f->m.a, f->buffer, 0, MANY, f->words, 0), FM_WOULD_BLOCK);
    STATUS(fm_buffer_write(d, f->m.a, f->buffer, 0, MANY, f->words, MD_MILLISECOND), FM_WOULD_BLOCK);
    STATUS(fm_buffer_read(d, f->m.a, f->buffer, 0, MANY, f->words, MD_MILLISECOND), FM_TIMEOUT);
    for (size_t i = 0; i < MANY / WORD_BYTES; i++) assert_int_equal(f->words[i], 2);
    STATUS(fm_point_poll(d, earlier), FM_NOT_READY);
    fm_point behind = md_commit(md_begin(&f->m, 0), f->m.a); // nobody is held up by what was given up
    md_run(&f->m);
    OK(fm_point_wait(d, behind, MD_SECOND));
    expect_words(f, MANY, 5);
    OK(fm_testing_step_in_waits(d, 0));
    md_commit_fill(&f->m, f->m.a, f->buffer, 5);
    set_words(f, 9);
    STATUS(fm_buffer_write(d, f->m.a, f->buffer, 0, PARTS, f->words, MD_MILLISECOND), FM_TIMEOUT);
    set_words(f, 0); // the bytes were taken
    md_run(&f->m);
    OK(fm_point_wait(d, md_commit(md_begin(&f->m, 0), f->m.a), MD_SECOND));
    expect_words(f, PARTS, 9);
}

// Where little host memory is left the transfer takes what there is; where there is none nothing is written.
static void staging_memory_may_be_short(void **state)
{
    fixture *f = *state;
    fm_device *d = f->m.device;
    OK(fm_device_trim(d, NULL));
    fm_device_stats stats = md_stats(&f->m);
    const uint64_t all = stats.bytes_reserved + stats.bytes_staging;
    OK(fm_testing_limit_memory(d, all + 5 * MIB));
    set_words(f, 2);
    OK(fm_buffer_write(d, f->m.a, f->buffer, 0, MANY, f->words, 30 * MD_SECOND));
    expect_words(f, MANY, 2);
    OK(fm_device_trim(d, NULL));
    OK(fm_testing_limit_memory(d, all));
    set_words(f, 3);
    STATUS(fm_buffer_write(d, f->m.a, f->buffer, 0, MANY, f->words, MD_SECOND), FM_ERROR_OUT_OF_MEMORY);
    STATUS(fm_buffer_read(d, f->m.a, f->buffer, 0, MANY, f->words, MD_SECOND), FM_ERROR_OUT_OF_MEMORY);
    OK(fm_testing_limit_memory(d, 0));
    expect_words(f, MANY, 2);
}

// Where the host reaches the memory and the stream alone uses it nothing is staged; where a list is being recorded with it, it is.
static void write_in_place_needs_the_buffer_for_itself(void **state)
{
    fixture *f = *state;
    fm_device *d = f->m.device;
    fm_buffer own = md_buffer(&f->m, MIB);
    set_words(f, 2);
    md_commit_fill(&f->m, f->m.a, own, 1);
    md_run(&f->m);
    OK(fm_point_wait(d, md_commit(md_begin(&f->m, 0), f->m.a), MD_SECOND));
    uint64_t before = transfers(f);
    OK(fm_buffer_write(d, f->m.a, own, 0, MIB, f->words, MD_SECOND));
    assert_int_equal(transfers(f), before);
    md_expect(&f->m, f->m.a, own, MIB / WORD_BYTES, 2);
    fm_commands *open = md_begin(&f->m, 0);
    OK(fm_fill(open, own, 0, FM_WHOLE_SIZE, 4));
    OK(fm_buffer_write(d, f->m.a, own, 0, MIB, f->words, MD_SECOND));
    assert_int_equal(transfers(f), before + 1);
    md_commit(open, f->m.b);
    md_expect(&f->m, f->m.b, own, MIB / WORD_BYTES, 4);
    before = transfers(f);
    OK(fm_buffer_write(d, f->m.a, own, 0, MIB, f->words, MD_SECOND)); // two streams have used it
    assert_int_equal(transfers(f), before + 1);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(write_in_parts_is_one_place_in_its_stream),  TEST(read_in_parts_is_one_place_in_its_stream),
        TEST(buffer_destroyed_between_parts_is_held),     TEST(part_that_fails_fails_the_transfer),
        TEST(time_that_runs_out_behind_earlier_work),     TEST(staging_memory_may_be_short),
        TEST(write_in_place_needs_the_buffer_for_itself),
    };
    return cmocka_run_group_tests_name("parts", tests, NULL, NULL);
}
