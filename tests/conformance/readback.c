// Reading back: fm_read gives the bytes as they are at its place in the list, fm_buffer_read those after all earlier
// work of the stream (READ-*). That many threads can do both at once is tested in the concurrency group.
#include "groups.h"
#include "support.h"

static void read_gives_the_bytes_at_its_place_in_the_list(void **state)
{
    ct_fixture *f = *state;
    fm_kernel step = ct_kernel_step(f);
    fm_buffer buffer = ct_buffer(f, 256);
    uint32_t got[20][64];
    memset(got, CT_POISON, sizeof got);
    fm_commands *commands = ct_begin(f);
    for (uint32_t i = 0; i < 20; i++) {
        CT_OK(fm_read(commands, buffer, 0, sizeof got[i], got[i]));
        if (i % 2) {
            CT_OK(ct_record_set(commands, step, buffer, 64, 1));
        } else {
            CT_OK(fm_fill(commands, buffer, 0, FM_WHOLE_SIZE, i));
        }
    }
    ct_finish(f, commands);
    uint32_t expected = 0;
    for (uint32_t i = 0; i < 20; i++) {
        for (uint32_t k = 0; k < 64; k++) assert_int_equal(got[i][k], expected);
        expected = i % 2 ? 2 * expected + 1 : i;
    }
}

static void read_of_any_range_fills_exactly_its_destination(void **state)
{
    ct_fixture *f = *state;
    enum { SIZE = 997, ROUNDS = 60 };
    uint8_t bytes[SIZE];
    static uint8_t got[ROUNDS][SIZE + 2];
    uint32_t offsets[ROUNDS], sizes[ROUNDS];
    for (uint32_t i = 0; i < SIZE; i++) bytes[i] = (uint8_t)(i * 13 + (i >> 8));
    fm_buffer buffer = ct_buffer_of(f, bytes, SIZE);
    ct_random random = {31};
    memset(got, CT_POISON, sizeof got);
    fm_commands *commands = ct_begin(f);
    for (uint32_t i = 0; i < ROUNDS; i++) {
        offsets[i] = ct_random_below(&random, SIZE);
        sizes[i] = 1 + ct_random_below(&random, SIZE - offsets[i]);
        CT_OK(fm_read(commands, buffer, offsets[i], sizes[i], got[i] + 1));
    }
    ct_finish(f, commands);
    for (uint32_t i = 0; i < ROUNDS; i++) {
        assert_int_equal(got[i][0], CT_POISON);
        assert_memory_equal(got[i] + 1, bytes + offsets[i], sizes[i]);
        assert_int_equal(got[i][1 + sizes[i]], CT_POISON);
    }
}

// FM_WHOLE_SIZE stands for the bytes from the offset to the buffer's end wherever a size is taken.
static void whole_size_is_the_rest_of_the_buffer_everywhere(void **state)
{
    ct_fixture *f = *state;
    enum { SIZE = 1000, AT = 300 };
    uint8_t bytes[SIZE], got[SIZE + 1];
    for (uint32_t i = 0; i < SIZE; i++) bytes[i] = (uint8_t)(i * 7 + 1);
    fm_buffer x = ct_buffer(f, SIZE), y = ct_buffer(f, SIZE);
    fm_commands *commands = ct_begin(f);
    CT_OK(fm_upload(commands, x, AT, FM_WHOLE_SIZE, bytes + AT));
    CT_OK(fm_copy(commands, x, AT, y, 0, FM_WHOLE_SIZE)); // of the source
    CT_OK(fm_fill(commands, y, SIZE - AT, FM_WHOLE_SIZE, 0x07070707));
    memset(got, CT_POISON, sizeof got);
    CT_OK(fm_read(commands, x, AT, FM_WHOLE_SIZE, got));
    ct_finish(f, commands);
    assert_memory_equal(got, bytes + AT, SIZE - AT);
    assert_int_equal(got[SIZE - AT], CT_POISON);
    memset(got, CT_POISON, sizeof got);
    CT_OK(fm_buffer_read(f->device, f->stream, y, 0, FM_WHOLE_SIZE, got, CT_TIMEOUT_NS));
    assert_memory_equal(got, bytes + AT, SIZE - AT);
    for (uint32_t i = SIZE - AT; i < SIZE; i++) assert_int_equal(got[i], 7);
    assert_int_equal(got[SIZE], CT_POISON);
    CT_OK(fm_buffer_write(f->device, f->stream, x, SIZE - 1, FM_WHOLE_SIZE, "A", CT_TIMEOUT_NS));
    ct_expect_bytes(f, x, SIZE - 1, 1, 'A');
    ct_expect_bytes(f, x, 0, AT, 0);
}

static void whole_size_from_behind_the_end_is_refused_everywhere(void **state)
{
    ct_fixture *f = *state;
    uint8_t byte = 0;
    fm_buffer x = ct_buffer(f, 64), small = ct_buffer(f, 32);
    fm_commands *commands = ct_begin(f);
    for (uint64_t at = 68; at <= 132; at += 64) { // (at the end itself it is 0 bytes: see the transfer group)
        CT_STATUS(fm_upload(commands, x, at, FM_WHOLE_SIZE, &byte), FM_ERROR_OUT_OF_RANGE);
        CT_STATUS(fm_read(commands, x, at, FM_WHOLE_SIZE, &byte), FM_ERROR_OUT_OF_RANGE);
        CT_STATUS(fm_fill(commands, x, at, FM_WHOLE_SIZE, 1), FM_ERROR_OUT_OF_RANGE);
        CT_STATUS(fm_copy(commands, x, at, small, 0, FM_WHOLE_SIZE), FM_ERROR_OUT_OF_RANGE);
        CT_STATUS(fm_buffer_read(f->device, f->stream, x, at, FM_WHOLE_SIZE, &byte, CT_TIMEOUT_NS),
                  FM_ERROR_OUT_OF_RANGE);
        CT_STATUS(fm_buffer_write(f->device, f->stream, x, at, FM_WHOLE_SIZE, &byte, CT_TIMEOUT_NS),
                  FM_ERROR_OUT_OF_RANGE);
    }
    CT_STATUS(fm_copy(commands, x, 0, small, 0, FM_WHOLE_SIZE), FM_ERROR_OUT_OF_RANGE); // larger than the destination
    CT_STATUS(fm_copy(commands, x, 0, x, 32, FM_WHOLE_SIZE), FM_ERROR_OUT_OF_RANGE);
    CT_STATUS(fm_copy(commands, x, 32, x, 16, FM_WHOLE_SIZE), FM_ERROR_INVALID_ARGUMENT); // they overlap
    CT_OK(fm_copy(commands, x, 32, x, 0, FM_WHOLE_SIZE));
    ct_finish(f, commands);
}

static void read_of_many_megabytes_matches(void **state)
{
    ct_fixture *f = *state;
    const uint32_t count = (5u << 20) / 4;
    fm_kernel kernel = ct_kernel(f, "uint i = global_id.x; x[i] = i * 2654435761u;",
                                 CT_PARAMS({"x", FM_DTYPE_U32, FM_ACCESS_WRITE}), NULL, 0);
    fm_buffer buffer = ct_buffer(f, 4 * (uint64_t)count);
    uint32_t *words = malloc(4 * (size_t)count);
    assert_non_null(words);
    memset(words, CT_POISON, 4 * (size_t)count);
    fm_commands *commands = ct_begin(f);
    fm_dispatch_info info = ct_dispatch_info(kernel, count / 64, CT_BINDINGS({.buffer = buffer}), NULL, 0);
    CT_OK(fm_dispatch(commands, &info));
    CT_OK(fm_read(commands, buffer, 0, 4 * (uint64_t)count, words));
    ct_finish(f, commands);
    uint32_t wrong = 0;
    while (wrong < count && words[wrong] == wrong * 2654435761u) wrong++;
    free(words);
    assert_int_equal(wrong, count);
}

// The destination belongs to the list until its point is complete, the buffer does not.
static void read_from_a_buffer_destroyed_at_once_matches(void **state)
{
    ct_fixture *f = *state;
    uint32_t got[50][16];
    memset(got, CT_POISON, sizeof got);
    fm_point last = {{0}, 0};
    for (uint32_t i = 0; i < 50; i++) {
        fm_buffer buffer = ct_buffer(f, 64);
        fm_commands *commands = ct_begin(f);
        CT_OK(fm_fill(commands, buffer, 0, FM_WHOLE_SIZE, i * 3 + 1));
        CT_OK(fm_read(commands, buffer, 0, 64, got[i]));
        CT_OK(fm_buffer_destroy(f->device, buffer));
        last = ct_commit(&commands, f->stream);
    }
    CT_OK(fm_point_wait(f->device, last, CT_TIMEOUT_NS));
    for (uint32_t i = 0; i < 50; i++) {
        for (uint32_t k = 0; k < 16; k++) assert_int_equal(got[i][k], i * 3 + 1);
    }
}

static void read_into_a_destination_is_not_done_before_the_point(void **state)
{
    ct_fixture *f = *state;
    if (!ct_gate_is_exact(f)) return;
    fm_buffer buffer = ct_buffer(f, 64);
    uint32_t word = 0xA5A5A5A5;
    fm_commands *commands = ct_begin(f);
    ct_record_gate(f, commands, buffer);
    CT_OK(fm_fill(commands, buffer, 0, 4, 5));
    CT_OK(fm_read(commands, buffer, 0, 4, &word));
    fm_point point = ct_commit(&commands, f->stream);
    CT_STATUS(fm_point_wait(f->device, point, 1000000), FM_TIMEOUT);
    assert_int_equal(word, 0xA5A5A5A5);
    ct_gate_open(f);
    CT_OK(fm_point_wait(f->device, point, CT_TIMEOUT_NS));
    assert_int_equal(word, 5);
}

// READ-1: each synchronous read sees all work of its stream that was committed before it, however much there is.
static void buffer_read_sees_all_earlier_work_of_its_stream(void **state)
{
    ct_fixture *f = *state;
    fm_kernel step = ct_kernel_step(f);
    fm_buffer buffer = ct_buffer(f, 4096);
    uint32_t expected = 0;
    for (uint32_t i = 0; i < 200; i++) {
        uint32_t lists = 1 + i % 4;
        for (uint32_t k = 0; k < lists; k++) {
            fm_commands *commands = ct_begin(f);
            CT_OK(ct_record_set(commands, step, buffer, 1024, i));
            ct_commit(&commands, f->stream);
            expected = 2 * expected + i;
        }
        uint32_t words[2] = {0xA5A5A5A5, 0xA5A5A5A5};
        CT_OK(fm_buffer_read(f->device, f->stream, buffer, 4 * (uint64_t)(i * 5), 8, words, CT_TIMEOUT_NS));
        assert_int_equal(words[0], expected);
        assert_int_equal(words[1], expected);
    }
}

// The same for a buffer that none of that work uses, in either kind of memory, whether any list has ever used it or not.
static void buffer_read_of_what_nothing_uses_waits_for_its_stream_too(void **state)
{
    ct_fixture *f = *state;
    fm_stream other;
    CT_OK(fm_stream_create(f->device, NULL, &other));
    fm_buffer door = ct_buffer(f, 64), used = ct_buffer(f, 64), unused = ct_buffer(f, 64), on_host = {0};
    CT_OK(fm_buffer_create(f->device, &(fm_buffer_info){.size_bytes = 64, .memory = FM_MEMORY_HOST}, &on_host));
    fm_commands *commands = ct_begin(f);
    CT_OK(fm_fill(commands, used, 0, FM_WHOLE_SIZE, 0));
    ct_finish(f, commands);
    const fm_buffer buffers[] = {unused, on_host, used};
    uint32_t word = 0xA5A5A5A5;
    if (ct_gate_is_exact(f)) {
        fm_point point = ct_commit_gate(f, f->stream, door);
        for (uint32_t i = 0; i < 3; i++) {
            CT_STATUS(fm_buffer_read(f->device, f->stream, buffers[i], 0, 4, &word, 1000000), FM_TIMEOUT);
            CT_STATUS(fm_buffer_read(f->device, f->stream, buffers[i], 0, 4, &word, 0), FM_TIMEOUT);
        }
        CT_OK(fm_buffer_read(f->device, other, unused, 0, 4, &word, CT_TIMEOUT_NS)); // a stream of its own
        assert_int_equal(word, 0);
        CT_STATUS(fm_point_poll(f->device, point), FM_NOT_READY);
        ct_gate_open(f);
    }
    for (uint32_t i = 0; i < 3; i++) {
        fm_point point = ct_commit_gate(f, f->stream, door);
        word = 0xA5A5A5A5;
        CT_OK(fm_buffer_read(f->device, f->stream, buffers[i], 0, 4, &word, CT_TIMEOUT_NS));
        CT_OK(fm_point_poll(f->device, point));
        assert_int_equal(word, 0);
    }
}

// READ-4: a program that only reads back collects what is complete as it goes, and so stays bounded.
static void buffer_read_alone_keeps_memory_bounded(void **state)
{
    ct_fixture *f = *state;
    fm_kernel set = ct_kernel_set(f);
    enum { BYTES = 1 << 16 };
    for (uint32_t i = 0; i < ct_scaled(500); i++) {
        fm_buffer buffer = ct_buffer(f, BYTES);
        fm_commands *commands = ct_begin(f);
        CT_OK(ct_record_set(commands, set, buffer, BYTES / 4, i));
        ct_commit(&commands, f->stream);
        uint32_t word = 0xA5A5A5A5;
        CT_OK(fm_buffer_read(f->device, f->stream, buffer, BYTES - 4, 4, &word, CT_TIMEOUT_NS));
        assert_int_equal(word, i);
        CT_OK(fm_buffer_destroy(f->device, buffer));
    }
    fm_device_stats stats = ct_stats(f);
    assert_true(stats.bytes_in_use_peak < UINT64_C(32) * BYTES);
    ct_wait_idle(f);
    assert_int_equal(ct_stats(f).lists_in_flight, 0);
}

int ct_group_readback(void)
{
    const struct CMUnitTest tests[] = {
        CT_TEST(read_gives_the_bytes_at_its_place_in_the_list),
        CT_TEST(read_of_any_range_fills_exactly_its_destination),
        CT_TEST(whole_size_is_the_rest_of_the_buffer_everywhere),
        CT_TEST(whole_size_from_behind_the_end_is_refused_everywhere),
        CT_TEST(read_of_many_megabytes_matches),
        CT_TEST(read_from_a_buffer_destroyed_at_once_matches),
        CT_TEST(read_into_a_destination_is_not_done_before_the_point),
        CT_TEST(buffer_read_sees_all_earlier_work_of_its_stream),
        CT_TEST(buffer_read_of_what_nothing_uses_waits_for_its_stream_too),
        CT_TEST(buffer_read_alone_keeps_memory_bounded),
    };
    return cmocka_run_group_tests_name("readback", tests, NULL, NULL);
}
