// Copies, fills, uploads and read-backs: values for odd offsets and sizes, and every check of their arguments (a
// refused call leaves the list as it was).
#include "groups.h"
#include "support.h"

// A buffer of `size` bytes that count up from `first`.
static fm_buffer counting(ct_fixture *f, uint32_t size, uint8_t first)
{
    uint8_t *bytes = malloc(size);
    assert_non_null(bytes);
    for (uint32_t i = 0; i < size; i++) bytes[i] = (uint8_t)(first + i);
    fm_buffer buffer = ct_buffer_of(f, bytes, size);
    free(bytes);
    return buffer;
}

static void copy_of_any_offset_and_size_moves_exactly_those_bytes(void **state)
{
    ct_fixture *f = *state;
    enum { SIZE = 1021 };
    uint8_t source[SIZE];
    uint8_t target[SIZE] = {0};
    for (uint32_t i = 0; i < SIZE; i++) source[i] = (uint8_t)(i * 31 + 7);
    fm_buffer from = ct_buffer_of(f, source, SIZE);
    fm_buffer to = ct_buffer(f, SIZE);
    ct_random random = {21};
    fm_commands *commands = ct_begin(f);
    for (uint32_t round = 0; round < 300; round++) {
        uint32_t size = 1 + ct_random_below(&random, round % 3 ? 9 : SIZE);
        uint32_t source_at = ct_random_below(&random, SIZE - size + 1);
        uint32_t target_at = ct_random_below(&random, SIZE - size + 1);
        CT_OK(fm_copy(commands, from, source_at, to, target_at, size));
        memcpy(target + target_at, source + source_at, size);
    }
    ct_finish(f, commands);
    ct_expect_content(f, to, target, SIZE);
    ct_expect_content(f, from, source, SIZE);
}

static void copy_within_one_buffer_moves_between_ranges_apart(void **state)
{
    ct_fixture *f = *state;
    fm_buffer buffer = counting(f, 100, 0);
    fm_commands *commands = ct_begin(f);
    CT_OK(fm_copy(commands, buffer, 0, buffer, 50, 50)); // end to end, no overlap
    CT_OK(fm_copy(commands, buffer, 60, buffer, 1, 7));
    ct_finish(f, commands);
    uint8_t expected[100];
    for (uint32_t i = 0; i < 100; i++) expected[i] = (uint8_t)(i % 50);
    memmove(expected + 1, expected + 60, 7);
    ct_expect_content(f, buffer, expected, 100);
}

static void copy_with_bad_arguments_is_refused(void **state)
{
    ct_fixture *f = *state;
    fm_buffer from = counting(f, 100, 0);
    fm_buffer to = ct_buffer(f, 60);
    fm_commands *commands = ct_begin(f);
    CT_OK(fm_copy(commands, from, 0, to, 0, 10));
    CT_STATUS(fm_copy(commands, from, 0, from, 0, 10), FM_ERROR_INVALID_ARGUMENT);
    CT_STATUS(fm_copy(commands, from, 0, from, 9, 10), FM_ERROR_INVALID_ARGUMENT);
    CT_STATUS(fm_copy(commands, from, 9, from, 0, 10), FM_ERROR_INVALID_ARGUMENT);
    const struct {
        uint64_t source_at;
        uint64_t target_at;
        uint64_t size_bytes;
    } ranges[] = {
        {0, 0, 61},
        {0, 60, 1},
        {0, 61, 1},
        {100, 0, 1},
        {101, 0, 1},
        {90, 0, 11},
        {UINT64_MAX, 0, 2},
        {0, UINT64_MAX, 2},
        {2, 0, UINT64_MAX - 1},
        {0, 2, UINT64_MAX - 1},
        {UINT64_MAX, UINT64_MAX, UINT64_MAX - 1},
        {UINT64_C(1) << 63, 0, UINT64_C(1) << 63},
    };
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
        CT_STATUS(fm_copy(commands, from, ranges[i].source_at, to, ranges[i].target_at, ranges[i].size_bytes),
                  FM_ERROR_OUT_OF_RANGE);
    }
    CT_OK(fm_copy(commands, from, 90, to, 50, 10));
    ct_finish(f, commands);
    uint8_t expected[60] = {0};
    for (uint32_t i = 0; i < 10; i++) {
        expected[i] = (uint8_t)i;
        expected[50 + i] = (uint8_t)(90 + i);
    }
    ct_expect_content(f, to, expected, 60);
}

static void fill_of_sub_ranges_repeats_the_value(void **state)
{
    ct_fixture *f = *state;
    fm_buffer buffer = ct_buffer(f, 400);
    uint32_t model[100] = {0};
    ct_random random = {22};
    fm_commands *commands = ct_begin(f);
    for (uint32_t round = 0; round < 100; round++) {
        uint32_t first = ct_random_below(&random, 100);
        uint32_t count = 1 + ct_random_below(&random, 100 - first);
        uint32_t value = (uint32_t)ct_random_next(&random);
        CT_OK(fm_fill(commands, buffer, 4 * (uint64_t)first, 4 * (uint64_t)count, value));
        for (uint32_t i = 0; i < count; i++) model[first + i] = value;
    }
    ct_finish(f, commands);
    ct_expect_content(f, buffer, model, sizeof model);
}

// The last part of under 4 bytes gets the value's first bytes.
static void fill_to_the_end_covers_odd_sizes(void **state)
{
    ct_fixture *f = *state;
    const uint32_t value = 0x44332211;
    for (uint32_t size = 1; size <= 70; size++) {
        for (uint32_t offset = 0; offset < size && offset <= 8; offset += 4) {
            uint8_t expected[70] = {0};
            for (uint32_t i = offset; i < size; i++) memcpy(expected + i, (const uint8_t *)&value + i % 4, 1);
            fm_buffer buffer = ct_buffer(f, size);
            fm_commands *commands = ct_begin(f);
            CT_OK(fm_fill(commands, buffer, offset, FM_WHOLE_SIZE, value));
            ct_finish(f, commands);
            ct_expect_content(f, buffer, expected, size);
            CT_OK(fm_buffer_destroy(f->device, buffer));
        }
    }
}

// What lies behind an odd-sized buffer belongs to someone else.
static void fill_to_the_end_spares_neighbours(void **state)
{
    ct_fixture *f = *state;
    fm_buffer buffers[40];
    for (uint32_t i = 0; i < 40; i++) buffers[i] = ct_buffer(f, 1 + i);
    fm_commands *commands = ct_begin(f);
    for (uint32_t i = 0; i < 40; i += 2) CT_OK(fm_fill(commands, buffers[i], 0, FM_WHOLE_SIZE, UINT32_MAX));
    ct_finish(f, commands);
    for (uint32_t i = 0; i < 40; i++) ct_expect_bytes(f, buffers[i], 0, 1 + i, i % 2 ? 0 : 0xFF);
}

static void fill_with_bad_arguments_is_refused(void **state)
{
    ct_fixture *f = *state;
    fm_buffer buffer = ct_buffer(f, 40);
    fm_buffer odd = ct_buffer(f, 7);
    fm_commands *commands = ct_begin(f);
    CT_OK(fm_fill(commands, buffer, 0, 8, 1));
    const uint64_t misaligned[][2] = {{1, 4}, {2, 4}, {3, FM_WHOLE_SIZE}, {0, 1}, {0, 2}, {0, 3}, {4, 7}};
    for (size_t i = 0; i < sizeof misaligned / sizeof misaligned[0]; i++) {
        CT_STATUS(fm_fill(commands, buffer, misaligned[i][0], misaligned[i][1], 2), FM_ERROR_INVALID_ARGUMENT);
    }
    CT_STATUS(fm_fill(commands, odd, 0, 7, 2), FM_ERROR_INVALID_ARGUMENT);
    const uint64_t outside[][2] = {
        {0, 44}, {40, 4}, {44, 4}, {44, FM_WHOLE_SIZE}, {36, 8}, {8, UINT64_MAX - 7}, {UINT64_MAX - 3, 4}};
    for (size_t i = 0; i < sizeof outside / sizeof outside[0]; i++) {
        CT_STATUS(fm_fill(commands, buffer, outside[i][0], outside[i][1], 2), FM_ERROR_OUT_OF_RANGE);
    }
    CT_OK(fm_fill(commands, buffer, 36, 4, 3));
    ct_finish(f, commands);
    const uint32_t expected[10] = {1, 1, 0, 0, 0, 0, 0, 0, 0, 3};
    ct_expect_content(f, buffer, expected, sizeof expected);
    ct_expect_bytes(f, odd, 0, 7, 0);
}

// LEARNED-16: the source is overwritten between the call and the commit, and between the commit and the run.
static void upload_captures_its_bytes_at_the_call(void **state)
{
    ct_fixture *f = *state;
    const uint32_t sizes[] = {1, 3, 64, 4097, 70001, (3 << 20) + 5};
    for (size_t k = 0; k < sizeof sizes / sizeof sizes[0]; k++) {
        uint32_t size = sizes[k];
        fm_buffer buffer = ct_buffer(f, size + 10);
        uint8_t *source = malloc(size);
        assert_non_null(source);
        fm_commands *commands = ct_begin(f);
        for (uint8_t round = 1; round <= 3; round++) {
            memset(source, round, size);
            CT_OK(fm_upload(commands, buffer, 5, size - size / round / 2, source)); // each longer than the one before
            memset(source, CT_POISON, size);
        }
        fm_point point = ct_commit(&commands, f->stream);
        memset(source, 0x77, size);
        free(source);
        CT_OK(fm_point_wait(f->device, point, CT_TIMEOUT_NS));
        ct_expect_bytes(f, buffer, 0, 5, 0);
        ct_expect_bytes(f, buffer, 5, size - size / 6, 3);
        ct_expect_bytes(f, buffer, 5 + size - size / 6, size / 6 + 5, 0);
    }
}

static void upload_and_read_with_bad_arguments_are_refused(void **state)
{
    ct_fixture *f = *state;
    fm_buffer buffer = ct_buffer(f, 16);
    uint8_t bytes[32];
    memset(bytes, CT_POISON, sizeof bytes);
    fm_commands *commands = ct_begin(f);
    CT_OK(fm_fill(commands, buffer, 0, 16, 0x09090909));
    CT_STATUS(fm_upload(commands, buffer, 0, 4, NULL), FM_ERROR_INVALID_ARGUMENT);
    CT_STATUS(fm_read(commands, buffer, 0, 4, NULL), FM_ERROR_INVALID_ARGUMENT);
    const uint64_t ranges[][2] = {{0, 17},
                                  {16, 1},
                                  {17, 1},
                                  {15, 2},
                                  {UINT64_MAX, 1},
                                  {UINT64_MAX, 2},
                                  {2, UINT64_MAX - 1},
                                  {UINT64_C(1) << 63, UINT64_C(1) << 63}};
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
        CT_STATUS(fm_upload(commands, buffer, ranges[i][0], ranges[i][1], bytes), FM_ERROR_OUT_OF_RANGE);
        CT_STATUS(fm_read(commands, buffer, ranges[i][0], ranges[i][1], bytes), FM_ERROR_OUT_OF_RANGE);
    }
    ct_finish(f, commands);
    for (size_t i = 0; i < sizeof bytes; i++) assert_int_equal(bytes[i], CT_POISON);
    ct_expect_bytes(f, buffer, 0, 16, 9);
}

static void expect_refused(fm_commands *commands, fm_buffer good, fm_buffer bad, fm_status expected)
{
    uint32_t word = 0xA5A5A5A5;
    CT_STATUS(fm_copy(commands, bad, 0, good, 0, 4), expected);
    CT_STATUS(fm_copy(commands, good, 0, bad, 0, 4), expected);
    CT_STATUS(fm_fill(commands, bad, 0, 4, 1), expected);
    CT_STATUS(fm_upload(commands, bad, 0, 4, &word), expected);
    CT_STATUS(fm_read(commands, bad, 0, 4, &word), expected);
    assert_int_equal(word, 0xA5A5A5A5);
}

static void transfers_with_bad_buffers_are_refused(void **state)
{
    ct_fixture *f = *state;
    fm_buffer good = ct_buffer(f, 64);
    fm_buffer stale = ct_buffer(f, 64);
    CT_OK(fm_buffer_destroy(f->device, stale));
    fm_buffer foreign;
    CT_OK(fm_buffer_create(ct_other_device(f), &(fm_buffer_info){.size_bytes = 64}, &foreign));
    uint64_t before = ct_stats(f).transfers;
    fm_commands *commands = ct_begin(f);
    expect_refused(commands, good, (fm_buffer){0}, FM_ERROR_NULL_HANDLE);
    expect_refused(commands, good, stale, FM_ERROR_STALE_HANDLE);
    expect_refused(commands, good, foreign, FM_ERROR_FOREIGN_HANDLE);
    CT_OK(fm_fill(commands, good, 0, FM_WHOLE_SIZE, 4));
    ct_finish(f, commands);
    ct_wait_idle(f);
    assert_true(ct_stats(f).transfers - before <= 2); // the fill, and perhaps the zeroing of new memory
    ct_expect_words(f, good, 16, 4);
}

// Where a size is data, 0 is one: as memcpy, at every legal offset and with no host pointer.
static void transfers_of_nothing_record_nothing(void **state)
{
    ct_fixture *f = *state;
    fm_buffer from = counting(f, 100, 0);
    fm_buffer to = ct_buffer(f, 60);
    ct_wait_idle(f);
    uint64_t before = ct_stats(f).transfers;
    fm_commands *commands = ct_begin(f);
    CT_OK(fm_copy(commands, from, 0, to, 0, 0));
    CT_OK(fm_copy(commands, from, 100, to, 60, 0));
    CT_OK(fm_copy(commands, from, 100, to, 60, FM_WHOLE_SIZE));
    CT_OK(fm_copy(commands, from, 7, from, 7, 0)); // nothing overlaps nothing
    CT_OK(fm_fill(commands, to, 0, 0, 2));
    CT_OK(fm_fill(commands, to, 60, 0, 2));
    CT_OK(fm_fill(commands, to, 60, FM_WHOLE_SIZE, 2));
    CT_OK(fm_upload(commands, to, 0, 0, NULL));
    CT_OK(fm_upload(commands, to, 60, FM_WHOLE_SIZE, NULL));
    CT_OK(fm_read(commands, to, 60, 0, NULL));
    CT_OK(fm_read(commands, to, 60, FM_WHOLE_SIZE, NULL));
    CT_OK(fm_buffer_destroy(f->device, from)); // nobody holds it: its memory is free before the list ends
    uint64_t in_use = ct_stats(f).bytes_in_use;
    CT_OK(fm_buffer_destroy(f->device, to));
    assert_true(ct_stats(f).bytes_in_use < in_use);
    ct_finish(f, commands);
    ct_wait_idle(f);
    assert_int_equal(ct_stats(f).transfers, before);
}

static void transfers_of_nothing_check_handles_and_offsets(void **state)
{
    ct_fixture *f = *state;
    fm_buffer good = ct_buffer(f, 60);
    fm_buffer stale = ct_buffer(f, 60);
    CT_OK(fm_buffer_destroy(f->device, stale));
    fm_commands *commands = ct_begin(f);
    CT_STATUS(fm_copy(commands, stale, 0, good, 0, 0), FM_ERROR_STALE_HANDLE);
    CT_STATUS(fm_copy(commands, good, 0, stale, 0, 0), FM_ERROR_STALE_HANDLE);
    CT_STATUS(fm_copy(commands, good, 61, good, 0, 0), FM_ERROR_OUT_OF_RANGE);
    CT_STATUS(fm_copy(commands, good, 61, good, 0, FM_WHOLE_SIZE), FM_ERROR_OUT_OF_RANGE);
    CT_STATUS(fm_copy(commands, good, 0, good, UINT64_MAX, 0), FM_ERROR_OUT_OF_RANGE);
    CT_STATUS(fm_fill(commands, stale, 0, 0, 1), FM_ERROR_STALE_HANDLE);
    CT_STATUS(fm_fill(commands, good, 2, 0, 1), FM_ERROR_INVALID_ARGUMENT);
    CT_STATUS(fm_fill(commands, good, 64, 0, 1), FM_ERROR_OUT_OF_RANGE);
    CT_STATUS(fm_upload(commands, stale, 0, 0, NULL), FM_ERROR_STALE_HANDLE);
    CT_STATUS(fm_upload(commands, good, 61, 0, NULL), FM_ERROR_OUT_OF_RANGE);
    CT_STATUS(fm_read(commands, (fm_buffer){0}, 0, 0, NULL), FM_ERROR_NULL_HANDLE);
    CT_STATUS(fm_read(commands, good, 61, 0, NULL), FM_ERROR_OUT_OF_RANGE);
    ct_finish(f, commands);
}

// Device memory, host memory, and from each to the other.
static void copy_between_kinds_of_memory_moves_the_bytes(void **state)
{
    ct_fixture *f = *state;
    fm_buffer buffers[4];
    for (uint32_t i = 0; i < 4; i++) {
        fm_buffer_info info = {.size_bytes = 5003, .memory = i % 2 ? FM_MEMORY_HOST : FM_MEMORY_DEVICE};
        CT_OK(fm_buffer_create(f->device, &info, &buffers[i]));
    }
    uint8_t bytes[5003];
    for (uint32_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)(i ^ i >> 8);
    fm_commands *commands = ct_begin(f);
    CT_OK(fm_upload(commands, buffers[0], 0, sizeof bytes, bytes));
    CT_OK(fm_copy(commands, buffers[0], 0, buffers[1], 0, sizeof bytes));
    CT_OK(fm_copy(commands, buffers[1], 0, buffers[3], 0, sizeof bytes));
    CT_OK(fm_copy(commands, buffers[3], 0, buffers[2], 0, sizeof bytes));
    ct_finish(f, commands);
    for (uint32_t i = 0; i < 4; i++) ct_expect_content(f, buffers[i], bytes, sizeof bytes);
}

int ct_group_transfer(void)
{
    const struct CMUnitTest tests[] = {
        CT_TEST(copy_of_any_offset_and_size_moves_exactly_those_bytes),
        CT_TEST(copy_within_one_buffer_moves_between_ranges_apart),
        CT_TEST(copy_with_bad_arguments_is_refused),
        CT_TEST(fill_of_sub_ranges_repeats_the_value),
        CT_TEST(fill_to_the_end_covers_odd_sizes),
        CT_TEST(fill_to_the_end_spares_neighbours),
        CT_TEST(fill_with_bad_arguments_is_refused),
        CT_TEST(upload_captures_its_bytes_at_the_call),
        CT_TEST(upload_and_read_with_bad_arguments_are_refused),
        CT_TEST(transfers_with_bad_buffers_are_refused),
        CT_TEST(transfers_of_nothing_record_nothing),
        CT_TEST(transfers_of_nothing_check_handles_and_offsets),
        CT_TEST(copy_between_kinds_of_memory_moves_the_bytes),
    };
    return cmocka_run_group_tests_name("transfer", tests, NULL, NULL);
}
