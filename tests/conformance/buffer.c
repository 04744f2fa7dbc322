// Buffers: create, destroy, size, and the synchronous write and read, with good and bad arguments.
// What memory holds when it is new or used again is the memory group's subject.
#include "groups.h"
#include "support.h"

static void buffer_create_with_bad_arguments_is_invalid(void **state)
{
    ct_fixture *f = *state;
    const fm_buffer_info infos[] = {
        {.size_bytes = 0},
        {.size_bytes = 4, .flags = 2},
        {.size_bytes = 4, .flags = 0x80000000u | FM_BUFFER_UNINITIALIZED},
        {.size_bytes = 4, .memory = (fm_memory_kind)2},
        {.size_bytes = 4, .memory = (fm_memory_kind)-1},
    };
    for (size_t i = 0; i < sizeof infos / sizeof infos[0]; i++) {
        fm_buffer buffer = {UINT64_MAX};
        CT_STATUS(fm_buffer_create(f->device, &infos[i], &buffer), FM_ERROR_INVALID_ARGUMENT);
        assert_true(buffer.id == 0);
    }
    fm_buffer buffer = {UINT64_MAX};
    CT_STATUS(fm_buffer_create(f->device, NULL, &buffer), FM_ERROR_INVALID_ARGUMENT);
    assert_true(buffer.id == 0);
    CT_STATUS(fm_buffer_create(f->device, &(fm_buffer_info){.size_bytes = 4}, NULL), FM_ERROR_INVALID_ARGUMENT);
    assert_int_equal(ct_stats(f).bytes_in_use, 0);
}

static void buffer_create_of_a_huge_size_is_out_of_memory(void **state)
{
    ct_fixture *f = *state;
    const uint64_t sizes[] = {UINT64_C(1) << 60, UINT64_MAX, UINT64_MAX - 1, UINT64_MAX - 4096};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        fm_buffer buffer = {UINT64_MAX};
        CT_STATUS(fm_buffer_create(f->device, &(fm_buffer_info){.size_bytes = sizes[i]}, &buffer),
                  FM_ERROR_OUT_OF_MEMORY);
        assert_true(buffer.id == 0);
    }
    ct_expect_bytes(f, ct_buffer(f, 64), 0, 64, 0); // nothing was lost
}

static void buffer_size_is_the_created_one(void **state)
{
    ct_fixture *f = *state;
    const uint64_t sizes[] = {1, 2, 3, 4, 5, 63, 64, 65, 4095, 4097, 1 << 20, (3 << 20) + 1};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        fm_buffer buffer = ct_buffer(f, sizes[i]);
        uint64_t size = 0xA5A5A5A5;
        CT_OK(fm_buffer_get_size(f->device, buffer, &size));
        assert_int_equal(size, sizes[i]);
    }
}

static void buffer_get_size_refuses_bad_handles(void **state)
{
    ct_fixture *f = *state;
    fm_buffer buffer = ct_buffer(f, 16);
    uint64_t size = 0;
    CT_STATUS(fm_buffer_get_size(f->device, buffer, NULL), FM_ERROR_INVALID_ARGUMENT);
    CT_STATUS(fm_buffer_get_size(f->device, (fm_buffer){0}, &size), FM_ERROR_NULL_HANDLE);
    CT_STATUS(fm_buffer_get_size(ct_other_device(f), buffer, &size), FM_ERROR_FOREIGN_HANDLE);
    CT_OK(fm_buffer_destroy(f->device, buffer));
    CT_STATUS(fm_buffer_get_size(f->device, buffer, &size), FM_ERROR_STALE_HANDLE);
}

static void buffer_handle_that_was_never_given_out_is_refused(void **state)
{
    ct_fixture *f = *state;
    uint64_t size = 0;
    fm_buffer buffer = ct_buffer(f, 16);
    CT_REFUSED(fm_buffer_get_size(f->device, (fm_buffer){UINT64_MAX}, &size));
    CT_REFUSED(fm_buffer_get_size(f->device, (fm_buffer){buffer.id ^ UINT64_C(0x8000000000000000)}, &size));
    CT_REFUSED(fm_buffer_get_size(f->device, (fm_buffer){buffer.id ^ UINT64_C(0x0000000080000000)}, &size));
    ct_random random = {7};
    for (uint32_t i = 0; i < 10000; i++) {
        fm_buffer guess = {ct_random_next(&random)};
        if (guess.id != buffer.id) CT_REFUSED(fm_buffer_destroy(f->device, guess));
    }
    CT_OK(fm_buffer_get_size(f->device, buffer, &size));
}

// HANDLE-4: every slot, with every generation near those that are in use and the low ones: only the user's own answer.
static void buffer_handle_that_is_guessed_finds_nothing(void **state)
{
    ct_fixture *f = *state;
    enum { SLOTS = 300, NEAR = 24, LARGE = 200000 };
    uint8_t *bytes = malloc(LARGE);
    assert_non_null(bytes);
    memset(bytes, 'S', LARGE);
    fm_buffer own[] = {ct_buffer(f, LARGE), ct_buffer(f, 64)};
    fm_commands *open = ct_begin(f), *committed = ct_begin(f);
    CT_OK(fm_upload(open, own[0], 0, 64, bytes)); // staged, in the recorder's chunk and alone
    CT_OK(fm_upload(open, own[0], 64, LARGE - 64, bytes));
    ct_record_gate(f, committed, own[1]);
    CT_OK(fm_upload(committed, own[1], 0, 4, "word"));
    uint32_t word = 0;
    CT_OK(fm_read(committed, own[1], 0, 4, &word));
    fm_point point = ct_commit(&committed, f->stream);
    uint32_t found = 0;
    for (uint64_t slot = 0; slot < SLOTS; slot++) {
        for (uint32_t g = 0; g < 3 * NEAR; g++) {
            uint32_t generation = g < 2 * NEAR ? (uint32_t)own[0].id - NEAR + g : g - 2 * NEAR;
            fm_buffer guess = {(own[0].id & ~UINT64_C(0xffffffffffffff)) | slot << 32 | generation};
            uint64_t size = 0;
            bool is_own = guess.id == own[0].id || guess.id == own[1].id;
            CT_STATUS(fm_buffer_get_size(f->device, guess, &size), is_own ? FM_OK : FM_ERROR_STALE_HANDLE);
            found += is_own;
            if (!is_own) CT_STATUS(fm_buffer_destroy(f->device, guess), FM_ERROR_STALE_HANDLE);
        }
    }
    assert_int_equal(found, 2);
    ct_gate_open(f);
    CT_OK(fm_point_wait(f->device, point, CT_TIMEOUT_NS));
    assert_memory_equal(&word, "word", 4);
    ct_finish(f, open);
    ct_expect_content(f, own[0], bytes, LARGE);
    free(bytes);
}

static void buffer_destroy_of_bad_handles_is_an_answer(void **state)
{
    ct_fixture *f = *state;
    fm_buffer buffer = ct_buffer(f, 16);
    CT_OK(fm_buffer_destroy(f->device, (fm_buffer){0}));
    CT_STATUS(fm_buffer_destroy(ct_other_device(f), buffer), FM_ERROR_FOREIGN_HANDLE);
    CT_OK(fm_buffer_destroy(f->device, buffer));
    CT_STATUS(fm_buffer_destroy(f->device, buffer), FM_ERROR_STALE_HANDLE);
    CT_STATUS(fm_buffer_destroy(f->device, buffer), FM_ERROR_STALE_HANDLE);
}

// However often a slot is used again, no old handle comes back to life.
static void buffer_old_handles_stay_stale(void **state)
{
    ct_fixture *f = *state;
    enum { COUNT = 300 };
    fm_buffer old[COUNT];
    for (uint32_t i = 0; i < COUNT; i++) {
        old[i] = ct_buffer(f, 16);
        CT_OK(fm_buffer_destroy(f->device, old[i]));
    }
    fm_buffer live = ct_buffer(f, 16);
    uint64_t size = 0;
    for (uint32_t i = 0; i < COUNT; i++) {
        assert_true(old[i].id != live.id);
        CT_STATUS(fm_buffer_get_size(f->device, old[i], &size), FM_ERROR_STALE_HANDLE);
    }
    CT_OK(fm_buffer_get_size(f->device, live, &size));
}

static void write_then_read_everywhere(ct_fixture *f, fm_memory_kind memory)
{
    enum { SIZE = 777 };
    uint8_t model[SIZE] = {0};
    uint8_t bytes[SIZE];
    fm_buffer buffer;
    CT_OK(fm_buffer_create(f->device, &(fm_buffer_info){.size_bytes = SIZE, .memory = memory, .label = "odd"},
                           &buffer));
    ct_random random = {11};
    for (uint32_t round = 0; round < 100; round++) {
        uint32_t offset = ct_random_below(&random, SIZE);
        uint32_t size = 1 + ct_random_below(&random, SIZE - offset);
        for (uint32_t i = 0; i < size; i++) bytes[i] = model[offset + i] = (uint8_t)ct_random_next(&random);
        CT_OK(fm_buffer_write(f->device, f->stream, buffer, offset, size, bytes, CT_TIMEOUT_NS));
        offset = ct_random_below(&random, SIZE);
        size = 1 + ct_random_below(&random, SIZE - offset);
        ct_read(f, buffer, offset, size, bytes);
        assert_memory_equal(bytes, model + offset, size);
    }
    ct_expect_content(f, buffer, model, SIZE);
}

static void buffer_write_and_read_of_any_range_match(void **state)
{
    write_then_read_everywhere(*state, FM_MEMORY_DEVICE);
}

static void buffer_write_and_read_of_host_memory_match(void **state)
{
    write_then_read_everywhere(*state, FM_MEMORY_HOST);
}

static void buffer_write_and_read_of_many_megabytes_match(void **state)
{
    ct_fixture *f = *state;
    const uint32_t size = (9u << 20) + 13;
    uint8_t *bytes = malloc(size);
    assert_non_null(bytes);
    ct_random random = {3};
    for (uint32_t i = 0; i < size; i++) bytes[i] = (uint8_t)ct_random_next(&random);
    fm_buffer buffer = ct_buffer_of(f, bytes, size);
    ct_expect_content(f, buffer, bytes, size);
    free(bytes);
}

// Ranges that no 16-byte buffer has.
static const struct {
    uint64_t offset_bytes;
    uint64_t size_bytes;
} bad_ranges[] = {
    {0, 17},
    {16, 1},
    {17, 1},
    {1, 16},
    {UINT64_MAX, 1},
    {1, UINT64_MAX - 1},
    {UINT64_MAX, 16},
    {15, 2},
    {8, 9},
    {2, UINT64_MAX - 1},
    {UINT64_C(1) << 63, UINT64_C(1) << 63},
    {UINT64_MAX - 7, 16},
};

static void buffer_write_and_read_out_of_bounds_are_out_of_range(void **state)
{
    ct_fixture *f = *state;
    fm_buffer buffer = ct_buffer(f, 16);
    uint8_t bytes[32];
    memset(bytes, CT_POISON, sizeof bytes);
    for (size_t i = 0; i < sizeof bad_ranges / sizeof bad_ranges[0]; i++) {
        uint64_t offset = bad_ranges[i].offset_bytes;
        uint64_t size = bad_ranges[i].size_bytes;
        CT_STATUS(fm_buffer_write(f->device, f->stream, buffer, offset, size, bytes, 0), FM_ERROR_OUT_OF_RANGE);
        assert_non_null(strstr(fm_last_error(), "fm_buffer_write: "));
        assert_null(strstr(fm_last_error(), "fm_upload")); // the call that the user made is named, and no other
        CT_STATUS(fm_buffer_read(f->device, f->stream, buffer, offset, size, bytes, 0), FM_ERROR_OUT_OF_RANGE);
    }
    for (size_t i = 0; i < sizeof bytes; i++) assert_int_equal(bytes[i], CT_POISON);
    ct_expect_bytes(f, buffer, 0, 16, 0);
}

// No bytes: checked, and over at once, whatever the stream is at.
static void buffer_write_and_read_of_nothing_wait_for_nothing(void **state)
{
    ct_fixture *f = *state;
    fm_buffer buffer = ct_buffer(f, 16);
    uint32_t word = 1;
    uint64_t commits = ct_stats(f).commits;
    CT_OK(fm_buffer_write(f->device, f->stream, buffer, 0, 0, &word, 0));
    CT_OK(fm_buffer_write(f->device, f->stream, buffer, 16, 0, NULL, 0));
    CT_OK(fm_buffer_write(f->device, f->stream, buffer, 16, FM_WHOLE_SIZE, NULL, 0));
    CT_OK(fm_buffer_read(f->device, f->stream, buffer, 0, 0, &word, 0));
    CT_OK(fm_buffer_read(f->device, f->stream, buffer, 16, 0, NULL, 0));
    CT_OK(fm_buffer_read(f->device, f->stream, buffer, 16, FM_WHOLE_SIZE, NULL, 0));
    assert_int_equal(ct_stats(f).commits, commits);
    assert_int_equal(word, 1);
    CT_STATUS(fm_buffer_write(f->device, f->stream, buffer, 17, 0, &word, 0), FM_ERROR_OUT_OF_RANGE);
    CT_STATUS(fm_buffer_read(f->device, f->stream, buffer, 17, 0, &word, 0), FM_ERROR_OUT_OF_RANGE);
    CT_STATUS(fm_buffer_write(f->device, (fm_stream){0}, buffer, 0, 0, &word, 0), FM_ERROR_NULL_HANDLE);
    CT_STATUS(fm_buffer_read(f->device, (fm_stream){0}, buffer, 0, 0, &word, 0), FM_ERROR_NULL_HANDLE);
    CT_STATUS(fm_buffer_write(f->device, f->stream, buffer, 0, 4, NULL, 0), FM_ERROR_INVALID_ARGUMENT);
    CT_STATUS(fm_buffer_read(f->device, f->stream, buffer, 0, 4, NULL, 0), FM_ERROR_INVALID_ARGUMENT);
    if (ct_gate_is_exact(f)) {
        ct_commit_gate(f, f->stream, buffer);
        CT_OK(fm_buffer_write(f->device, f->stream, buffer, 0, 0, NULL, 0));
        CT_OK(fm_buffer_read(f->device, f->stream, buffer, 0, 0, NULL, 0));
        ct_gate_open(f);
    }
    CT_OK(fm_buffer_destroy(f->device, buffer));
    CT_STATUS(fm_buffer_write(f->device, f->stream, buffer, 0, 0, NULL, 0), FM_ERROR_STALE_HANDLE);
    CT_STATUS(fm_buffer_read(f->device, f->stream, buffer, 0, 0, NULL, 0), FM_ERROR_STALE_HANDLE);
}

static void expect_write_and_read(ct_fixture *f, fm_stream stream, fm_buffer buffer, fm_status expected)
{
    uint32_t word = 0xA5A5A5A5;
    CT_STATUS(fm_buffer_write(f->device, stream, buffer, 0, 4, &word, CT_TIMEOUT_NS), expected);
    CT_STATUS(fm_buffer_read(f->device, stream, buffer, 0, 4, &word, CT_TIMEOUT_NS), expected);
    assert_int_equal(word, 0xA5A5A5A5);
}

static void buffer_write_and_read_refuse_bad_handles(void **state)
{
    ct_fixture *f = *state;
    fm_buffer buffer = ct_buffer(f, 16);
    fm_buffer stale = ct_buffer(f, 16);
    CT_OK(fm_buffer_destroy(f->device, stale));
    fm_buffer foreign;
    CT_OK(fm_buffer_create(ct_other_device(f), &(fm_buffer_info){.size_bytes = 16}, &foreign));
    fm_stream stale_stream;
    CT_OK(fm_stream_create(f->device, NULL, &stale_stream));
    CT_OK(fm_stream_destroy(f->device, stale_stream));
    fm_stream foreign_stream;
    CT_OK(fm_stream_create(ct_other_device(f), NULL, &foreign_stream));
    expect_write_and_read(f, f->stream, (fm_buffer){0}, FM_ERROR_NULL_HANDLE);
    expect_write_and_read(f, f->stream, stale, FM_ERROR_STALE_HANDLE);
    expect_write_and_read(f, f->stream, foreign, FM_ERROR_FOREIGN_HANDLE);
    expect_write_and_read(f, (fm_stream){0}, buffer, FM_ERROR_NULL_HANDLE);
    expect_write_and_read(f, stale_stream, buffer, FM_ERROR_STALE_HANDLE);
    expect_write_and_read(f, foreign_stream, buffer, FM_ERROR_FOREIGN_HANDLE);
    expect_write_and_read(f, f->stream, buffer, FM_OK);
}

// A write that timed out still happens, with the bytes as they were at the call (LEARNED-16).
static void buffer_write_that_times_out_still_happens(void **state)
{
    ct_fixture *f = *state;
    if (!ct_gate_is_exact(f)) return;
    fm_buffer buffer = ct_buffer(f, 64);
    ct_commit_gate(f, f->stream, buffer);
    uint32_t *source = malloc(64);
    assert_non_null(source);
    for (uint32_t i = 0; i < 16; i++) source[i] = 0x01020304;
    CT_STATUS(fm_buffer_write(f->device, f->stream, buffer, 0, 64, source, 1000000), FM_TIMEOUT);
    memset(source, CT_POISON, 64);
    free(source);
    ct_gate_open(f);
    ct_expect_words(f, buffer, 16, 0x01020304);
}

// A read that timed out leaves the destination alone, then and later (LEARNED-3).
static void buffer_read_that_times_out_never_touches_its_destination(void **state)
{
    ct_fixture *f = *state;
    if (!ct_gate_is_exact(f)) return;
    fm_buffer buffer = ct_buffer(f, 64);
    uint8_t bytes[64];
    memset(bytes, CT_POISON, sizeof bytes);
    ct_commit_gate(f, f->stream, buffer);
    CT_STATUS(fm_buffer_read(f->device, f->stream, buffer, 0, 64, bytes, 1000000), FM_TIMEOUT);
    CT_STATUS(fm_buffer_read(f->device, f->stream, buffer, 0, 64, bytes, 0), FM_TIMEOUT);
    ct_gate_open(f);
    ct_expect_bytes(f, buffer, 0, 64, 0);
    ct_wait_idle(f);
    for (size_t i = 0; i < sizeof bytes; i++) assert_int_equal(bytes[i], CT_POISON);
}

int ct_group_buffer(void)
{
    const struct CMUnitTest tests[] = {
        CT_TEST(buffer_create_with_bad_arguments_is_invalid),
        CT_TEST(buffer_create_of_a_huge_size_is_out_of_memory),
        CT_TEST(buffer_size_is_the_created_one),
        CT_TEST(buffer_get_size_refuses_bad_handles),
        CT_TEST(buffer_handle_that_was_never_given_out_is_refused),
        CT_TEST(buffer_handle_that_is_guessed_finds_nothing),
        CT_TEST(buffer_destroy_of_bad_handles_is_an_answer),
        CT_TEST(buffer_old_handles_stay_stale),
        CT_TEST(buffer_write_and_read_of_any_range_match),
        CT_TEST(buffer_write_and_read_of_host_memory_match),
        CT_TEST(buffer_write_and_read_of_many_megabytes_match),
        CT_TEST(buffer_write_and_read_out_of_bounds_are_out_of_range),
        CT_TEST(buffer_write_and_read_of_nothing_wait_for_nothing),
        CT_TEST(buffer_write_and_read_refuse_bad_handles),
        CT_TEST(buffer_write_that_times_out_still_happens),
        CT_TEST(buffer_read_that_times_out_never_touches_its_destination),
    };
    return cmocka_run_group_tests_name("buffer", tests, NULL, NULL);
}
