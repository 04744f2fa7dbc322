// Fills with patterns of 1 to 16 bytes: every size of pattern at every alignment against a model, what lies beside them, their order among
// other commands, and what is refused.
#include "groups.h"
#include "support.h"

// What fm_fill_pattern promises.
static void model_fill(uint8_t *bytes, uint64_t size_bytes, const uint8_t *pattern, uint32_t n)
{
    for (uint64_t i = 0; i < size_bytes; i++) bytes[i] = pattern[i % n];
}

static void random_pattern(ct_random *random, uint8_t pattern[16])
{
    for (uint32_t i = 0; i < 16; i++) pattern[i] = (uint8_t)ct_random_next(random);
}

static const uint32_t pattern_sizes[] = {1, 2, 4, 8, 16};

enum { PATTERN_SIZES = sizeof pattern_sizes / sizeof pattern_sizes[0] };

// Ranges end to end, overlapping, of a few bytes and of many: each fill comes after what was recorded before.
static void pattern_of_any_range_fills_exactly_that(void **state)
{
    ct_fixture *f = *state;
    enum { SIZE = 1040 };
    uint8_t model[SIZE] = {0};
    fm_buffer buffer = ct_buffer(f, SIZE);
    ct_random random = {31};
    fm_commands *commands = ct_begin(f);
    for (uint32_t round = 0; round < 400; round++) {
        uint8_t pattern[16];
        uint32_t n = pattern_sizes[round % PATTERN_SIZES];
        random_pattern(&random, pattern);
        uint32_t first = ct_random_below(&random, SIZE / n);
        uint32_t count = 1 + ct_random_below(&random, round % 2 ? 5 : SIZE / n);
        count = count < SIZE / n - first ? count : SIZE / n - first;
        CT_OK(fm_fill_pattern(commands, buffer, (uint64_t)first * n, (uint64_t)count * n, pattern, n));
        model_fill(model + first * n, (uint64_t)count * n, pattern, n);
    }
    ct_finish(f, commands);
    ct_expect_content(f, buffer, model, SIZE);
}

// Each on its own, so that a wrong byte beside it shows: all short ranges at all alignments.
static void pattern_of_a_few_bytes_spares_its_neighbours(void **state)
{
    ct_fixture *f = *state;
    enum { SIZE = 64 };
    const uint8_t pattern[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
    for (uint32_t k = 0; k < PATTERN_SIZES; k++) {
        uint32_t n = pattern_sizes[k];
        for (uint32_t first = 0; first < 8; first += n) {
            for (uint32_t size = n; size <= 20; size += n) {
                uint8_t model[SIZE] = {0};
                model_fill(model + first, size, pattern, n);
                fm_buffer buffer = ct_buffer(f, SIZE);
                fm_commands *commands = ct_begin(f);
                CT_OK(fm_fill_pattern(commands, buffer, first, size, pattern, n));
                ct_finish(f, commands);
                ct_expect_content(f, buffer, model, SIZE);
                CT_OK(fm_buffer_destroy(f->device, buffer));
            }
        }
    }
}

// The last part gets the pattern's first bytes, and what lies behind is someone else's.
static void pattern_to_the_end_covers_odd_sizes(void **state)
{
    ct_fixture *f = *state;
    const uint8_t pattern[16] = {21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36};
    for (uint32_t k = 0; k < PATTERN_SIZES; k++) {
        uint32_t n = pattern_sizes[k];
        for (uint32_t size = 1; size <= 40; size += 1 + size / 7) {
            uint8_t model[40] = {0};
            uint32_t at = size > n ? n : 0;
            model_fill(model + at, size - at, pattern, n);
            fm_buffer buffer = ct_buffer(f, size), neighbour = ct_buffer(f, size);
            fm_commands *commands = ct_begin(f);
            CT_OK(fm_fill_pattern(commands, buffer, at, FM_WHOLE_SIZE, pattern, n));
            ct_finish(f, commands);
            ct_expect_content(f, buffer, model, size);
            ct_expect_bytes(f, neighbour, 0, size, 0);
            CT_OK(fm_buffer_destroy(f->device, buffer));
            CT_OK(fm_buffer_destroy(f->device, neighbour));
        }
    }
}

// Large ranges are laid out in steps, where a device has no native fill: sizes around each of them.
static void pattern_of_many_megabytes_is_right_to_the_last_byte(void **state)
{
    ct_fixture *f = *state;
    const uint64_t sizes[] = {16368,   16384,          16400,          (1 << 20) - 16,
                              1 << 20, (1 << 20) + 16, (5 << 20) + 48, 67108864 + 32};
    uint8_t pattern[16];
    ct_random random = {32};
    for (size_t k = 0; k < sizeof sizes / sizeof sizes[0]; k++) {
        random_pattern(&random, pattern);
        uint8_t *model = calloc(1, sizes[k] + 48);
        assert_non_null(model);
        model_fill(model + 16, sizes[k], pattern, k % 2 ? 8 : 16);
        fm_buffer buffer = ct_buffer(f, sizes[k] + 48);
        fm_commands *commands = ct_begin(f);
        CT_OK(fm_fill_pattern(commands, buffer, 16, sizes[k], pattern, k % 2 ? 8 : 16));
        ct_finish(f, commands);
        ct_expect_content(f, buffer, model, sizes[k] + 48);
        CT_OK(fm_buffer_destroy(f->device, buffer));
        free(model);
    }
}

// Hazards are a fill's: kernels and copies before and behind it in one list, and in a list that is committed again.
static void pattern_keeps_its_place_among_other_commands(void **state)
{
    ct_fixture *f = *state;
    enum { COUNT = 4096 };
    fm_kernel add = ct_kernel_add(f), step = ct_kernel_step(f);
    fm_buffer x = ct_buffer(f, 4 * COUNT), y = ct_buffer(f, 4 * COUNT);
    const uint32_t pair[2] = {5, 70};
    fm_commands *commands;
    CT_OK(fm_commands_begin(f->device, &(fm_commands_info){.flags = FM_COMMANDS_REUSABLE}, &commands));
    CT_OK(ct_record_set(commands, ct_kernel_set(f), x, COUNT, 1));
    CT_OK(fm_fill_pattern(commands, x, 0, FM_WHOLE_SIZE, pair, 8));
    CT_OK(ct_record_add(commands, add, x, y, COUNT, 1));
    CT_OK(fm_fill_pattern(commands, x, 8, 16, pair, 8)); // reads before it, writes behind it
    CT_OK(ct_record_set(commands, step, x, COUNT, 0));
    for (uint32_t round = 0; round < 3; round++) {
        fm_point point;
        CT_OK(fm_commit(&commands, &(fm_commit_info){.stream = f->stream}, &point));
        CT_OK(fm_point_wait(f->device, point, CT_TIMEOUT_NS));
        uint32_t words[COUNT];
        ct_read(f, x, 0, sizeof words, words);
        for (uint32_t i = 0; i < COUNT; i++) assert_int_equal(words[i], 2 * pair[i % 2]);
        ct_read(f, y, 0, sizeof words, words);
        for (uint32_t i = 0; i < COUNT; i++) assert_int_equal(words[i], 1 + pair[i % 2]);
    }
    CT_OK(fm_commands_cancel(&commands));
}

static void pattern_with_bad_arguments_is_refused(void **state)
{
    ct_fixture *f = *state;
    fm_buffer buffer = ct_buffer(f, 40), stale = ct_buffer(f, 40);
    CT_OK(fm_buffer_destroy(f->device, stale));
    const uint8_t pattern[16] = {9};
    fm_commands *commands = ct_begin(f);
    const uint32_t no_sizes[] = {0, 3, 5, 12, 32, UINT32_MAX};
    for (size_t i = 0; i < sizeof no_sizes / sizeof no_sizes[0]; i++) {
        CT_STATUS(fm_fill_pattern(commands, buffer, 0, 0, pattern, no_sizes[i]), FM_ERROR_INVALID_ARGUMENT);
    }
    CT_STATUS(fm_fill_pattern(commands, buffer, 1, 2, pattern, 2), FM_ERROR_INVALID_ARGUMENT);
    CT_STATUS(fm_fill_pattern(commands, buffer, 4, 8, pattern, 8), FM_ERROR_INVALID_ARGUMENT);
    CT_STATUS(fm_fill_pattern(commands, buffer, 0, 12, pattern, 8), FM_ERROR_INVALID_ARGUMENT);
    CT_STATUS(fm_fill_pattern(commands, buffer, 8, FM_WHOLE_SIZE, pattern, 16), FM_ERROR_INVALID_ARGUMENT);
    CT_STATUS(fm_fill_pattern(commands, buffer, 0, 8, NULL, 8), FM_ERROR_INVALID_ARGUMENT);
    CT_STATUS(fm_fill_pattern(commands, buffer, 0, 48, pattern, 8), FM_ERROR_OUT_OF_RANGE);
    CT_STATUS(fm_fill_pattern(commands, buffer, 40, 1, pattern, 1), FM_ERROR_OUT_OF_RANGE);
    CT_STATUS(fm_fill_pattern(commands, buffer, UINT64_MAX - 7, 16, pattern, 8), FM_ERROR_OUT_OF_RANGE);
    CT_STATUS(fm_fill_pattern(commands, stale, 0, 8, pattern, 8), FM_ERROR_STALE_HANDLE);
    CT_STATUS(fm_fill_pattern(commands, (fm_buffer){0}, 0, 8, pattern, 8), FM_ERROR_NULL_HANDLE);
    CT_STATUS(fm_fill_pattern(NULL, buffer, 0, 8, pattern, 8), FM_ERROR_INVALID_ARGUMENT);
    uint64_t before = ct_stats(f).transfers;
    CT_OK(fm_fill_pattern(commands, buffer, 40, 0, NULL, 8)); // a no-op
    CT_OK(fm_fill_pattern(commands, buffer, 40, FM_WHOLE_SIZE, NULL, 4));
    ct_finish(f, commands);
    ct_wait_idle(f);
    assert_true(ct_stats(f).transfers - before <= 2); // at most the zeroing of new memory
    ct_expect_bytes(f, buffer, 0, 40, 0);
}

int ct_group_pattern(void)
{
    const struct CMUnitTest tests[] = {
        CT_TEST(pattern_of_any_range_fills_exactly_that),
        CT_TEST(pattern_of_a_few_bytes_spares_its_neighbours),
        CT_TEST(pattern_to_the_end_covers_odd_sizes),
        CT_TEST(pattern_of_many_megabytes_is_right_to_the_last_byte),
        CT_TEST(pattern_keeps_its_place_among_other_commands),
        CT_TEST(pattern_with_bad_arguments_is_refused),
    };
    return cmocka_run_group_tests_name("pattern", tests, NULL, NULL);
}
