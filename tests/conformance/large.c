// Large transfers: of any size through bounded staging memory, in one place of their stream's order whatever other threads commit meanwhile,
// under a memory limit that has no room for a second copy.
#include "groups.h"
#include "support.h"
#include "threads.h"

enum { MIB = 1 << 20 };

static uint8_t *random_bytes(size_t size_bytes)
{
    uint64_t *words = malloc(size_bytes + 8);
    assert_non_null(words);
    ct_random random = {size_bytes};
    for (size_t i = 0; i < size_bytes / 8 + 1; i++) words[i] = ct_random_next(&random);
    return (uint8_t *)words;
}

// Lists of two streams use the buffer, so that nothing is read or written in place, wherever it lies.
static void share_buffer(ct_fixture *f, fm_buffer buffer)
{
    fm_stream other;
    CT_OK(fm_stream_create(f->device, NULL, &other));
    for (uint32_t i = 0; i < 2; i++) {
        fm_commands *commands = ct_begin(f);
        CT_OK(fm_fill(commands, buffer, 0, 4, 0));
        CT_OK(fm_point_wait(f->device, ct_commit(&commands, i ? other : f->stream), CT_TIMEOUT_NS));
    }
}

static void large_write_and_read_of_any_size_match(void **state)
{
    ct_fixture *f = *state;
    enum { PART = 8 * MIB, MOST = 41 * MIB };
    static const struct {
        uint64_t offset, size;
    } ranges[] = {{0, PART},         {1, PART + 1},     {3, 2 * PART}, {5, 3 * PART + 7}, {0, 4 * PART},
                  {9, 4 * PART + 1}, {7, 5 * PART - 1}, {0, MOST},     {2, MOST - 2},     {MOST - PART - 5, PART + 5}};
    uint8_t *bytes = random_bytes(MOST), *back = malloc(MOST);
    assert_non_null(back);
    for (uint32_t shared = 0; shared < 2; shared++) {
        fm_buffer buffer = ct_buffer(f, MOST);
        if (shared) share_buffer(f, buffer);
        for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
            uint64_t at = ranges[i].offset, size = ranges[i].size, rest = at + size == MOST ? FM_WHOLE_SIZE : size;
            const uint8_t *source = bytes + MOST - size; // other bytes for each size
            CT_OK(fm_buffer_write(f->device, f->stream, buffer, at, rest, source, CT_TIMEOUT_NS));
            memset(back, CT_POISON, MOST);
            CT_OK(fm_buffer_read(f->device, f->stream, buffer, at, rest, back, CT_TIMEOUT_NS));
            assert_memory_equal(back, source, size);
            if (size < MOST) assert_int_equal(back[size], CT_POISON);
        }
        CT_OK(fm_buffer_destroy(f->device, buffer));
    }
    free(bytes);
    free(back);
}

// The data takes most of the memory there is, and both forms of both directions work. Staging memory of the synchronous ones is bounded.
static void large_transfer_under_a_limit_needs_no_second_copy(void **state)
{
    ct_fixture *f = *state;
    enum { LIMIT = 72 * MIB, DATA = 60 * MIB, STAGED = 32 * MIB, SMALL = MIB };
    CT_OK(fm_device_close(&f->device, CT_TIMEOUT_NS));
    fm_device_info info = {.memory_limit_bytes = LIMIT, .block_size_bytes = 4 * MIB, .log = ct_log_nothing};
    CT_OK(fm_device_open(f->device_name, &info, &f->device));
    CT_OK(fm_stream_create(f->device, NULL, &f->stream));
    fm_buffer buffer = ct_buffer(f, DATA);
    share_buffer(f, buffer);
    uint8_t *bytes = random_bytes(DATA), *back = malloc(DATA);
    assert_non_null(back);
    CT_OK(fm_buffer_write(f->device, f->stream, buffer, 0, DATA, bytes, CT_TIMEOUT_NS));
    CT_OK(fm_buffer_read(f->device, f->stream, buffer, 0, DATA, back, CT_TIMEOUT_NS));
    assert_memory_equal(back, bytes, DATA);
    fm_device_stats stats = ct_stats(f);
    assert_true(stats.bytes_staging_peak >= 4 * MIB && stats.bytes_staging_peak <= STAGED + SMALL);
    assert_true(stats.bytes_reserved <= LIMIT);
    for (uint32_t i = 0; i < DATA; i += 4096) bytes[i] ^= 0xFF;
    memset(back, CT_POISON, DATA);
    fm_commands *commands = ct_begin(f);
    CT_OK(fm_upload(commands, buffer, 0, DATA, bytes));
    CT_OK(fm_read(commands, buffer, 0, DATA, back));
    ct_finish(f, commands);
    assert_memory_equal(back, bytes, DATA);
    assert_true(ct_stats(f).bytes_staging_peak >= 2 * DATA);
    assert_true(ct_stats(f).bytes_reserved <= LIMIT);
    ct_wait_idle(f);
    uint64_t given_back;
    CT_OK(fm_device_trim(f->device, &given_back));
    assert_int_equal(ct_stats(f).bytes_staging, 0);
    free(bytes);
    free(back);
}

enum { SHARED_BYTES = 20 * MIB + 4, SHARED_WORDS = SHARED_BYTES / 4, TURNS = 12 };

static void write_whole(ct_worker *worker, fm_buffer buffer, uint32_t *words)
{
    ct_fixture *f = worker->fixture;
    for (uint32_t turn = 0; turn < TURNS; turn++) {
        for (uint32_t i = 0; i < SHARED_WORDS; i++) words[i] = turn + 1;
        CT_WORKER_OK(worker, fm_buffer_write(f->device, f->stream, buffer, 0, SHARED_BYTES, words, CT_TIMEOUT_NS));
    }
}

static void fill_whole(ct_worker *worker, fm_buffer buffer)
{
    ct_fixture *f = worker->fixture;
    for (uint32_t turn = 0; turn < 4 * TURNS; turn++) {
        fm_commands *commands;
        uint32_t seen[3] = {0};
        fm_point point;
        CT_WORKER_OK(worker, fm_commands_begin(f->device, NULL, &commands));
        CT_WORKER_OK(worker, fm_read(commands, buffer, 0, 4, &seen[0]));
        CT_WORKER_OK(worker, fm_read(commands, buffer, SHARED_BYTES / 2 & ~3u, 4, &seen[1]));
        CT_WORKER_OK(worker, fm_read(commands, buffer, SHARED_BYTES - 4, 4, &seen[2]));
        CT_WORKER_OK(worker, fm_fill(commands, buffer, 0, FM_WHOLE_SIZE, 1000 + turn));
        CT_WORKER_OK(worker, fm_commit(&commands, &(fm_commit_info){.stream = f->stream}, &point));
        CT_WORKER_OK(worker, fm_point_wait(f->device, point, CT_TIMEOUT_NS));
        CT_WORKER_TRUE(worker, seen[0] == seen[1] && seen[1] == seen[2]); // no list comes between two parts of a write
    }
}

static void read_whole(ct_worker *worker, fm_buffer buffer, uint32_t *words)
{
    ct_fixture *f = worker->fixture;
    for (uint32_t turn = 0; turn < TURNS; turn++) {
        CT_WORKER_OK(worker, fm_buffer_read(f->device, f->stream, buffer, 0, SHARED_BYTES, words, CT_TIMEOUT_NS));
        for (uint32_t i = 1; i < SHARED_WORDS; i++) CT_WORKER_TRUE(worker, words[i] == words[0]); // nor of a read
    }
}

static void use_the_stream(ct_worker *worker)
{
    const fm_buffer *buffer = worker->shared;
    uint32_t *words = worker->index % 2 == 0 ? malloc(SHARED_BYTES) : NULL;
    switch (worker->index) {
    case 0: write_whole(worker, *buffer, words); break;
    case 2: read_whole(worker, *buffer, words); break;
    default: fill_whole(worker, *buffer); break;
    }
    free(words);
}

// READ-1, READ-3: one stream, used by many threads: a list is before or behind a whole write and a whole read, never in the middle. With few
// places under the in-flight limit, which those who wait behind a transfer may all have.
static void large_transfers_are_one_place_in_their_stream(void **state)
{
    ct_fixture *f = *state;
    CT_OK(fm_device_close(&f->device, CT_TIMEOUT_NS));
    fm_device_info info = {.lists_in_flight = 3, .log = ct_log_nothing};
    CT_OK(fm_device_open(f->device_name, &info, &f->device));
    CT_OK(fm_stream_create(f->device, NULL, &f->stream));
    fm_buffer buffer = ct_buffer(f, SHARED_BYTES);
    share_buffer(f, buffer);
    ct_run_workers(f, 4, use_the_stream, &buffer);
}

// Time that runs out behind earlier work: of what is captured at once it happens all the same, of more nothing is written.
static void large_write_that_runs_out_of_time_is_whole_or_nothing(void **state)
{
    ct_fixture *f = *state;
    if (!ct_gate_is_exact(f)) return;
    enum { CAPTURED = 24 * MIB, MORE = 40 * MIB };
    uint8_t *bytes = random_bytes(MORE), *kept = malloc(CAPTURED);
    assert_non_null(kept);
    memcpy(kept, bytes, CAPTURED);
    fm_buffer door = ct_buffer(f, 64), first = ct_buffer(f, MORE), second = ct_buffer(f, MORE);
    fm_point gate = ct_commit_gate(f, f->stream, door);
    CT_STATUS(fm_buffer_write(f->device, f->stream, first, 0, CAPTURED, bytes, 1000000), FM_TIMEOUT);
    CT_STATUS(fm_buffer_write(f->device, f->stream, second, 0, MORE, bytes, 1000000), FM_WOULD_BLOCK);
    CT_STATUS(fm_buffer_read(f->device, f->stream, second, 0, MORE, bytes, 1000000), FM_TIMEOUT);
    memset(bytes, CT_POISON, MORE);
    CT_STATUS(fm_point_poll(f->device, gate), FM_NOT_READY);
    ct_gate_open(f);
    uint8_t *back = malloc(CAPTURED);
    assert_non_null(back);
    CT_OK(fm_buffer_read(f->device, f->stream, first, 0, CAPTURED, back, CT_TIMEOUT_NS));
    assert_memory_equal(back, kept, CAPTURED);
    ct_expect_bytes(f, second, 0, MORE, 0);
    free(bytes);
    free(kept);
    free(back);
}

int ct_group_large(void)
{
    const struct CMUnitTest tests[] = {
        CT_TEST(large_write_and_read_of_any_size_match),
        CT_TEST(large_transfer_under_a_limit_needs_no_second_copy),
        CT_TEST(large_transfers_are_one_place_in_their_stream),
        CT_TEST(large_write_that_runs_out_of_time_is_whole_or_nothing),
    };
    return cmocka_run_group_tests_name("large", tests, NULL, NULL);
}
