// Memory: what it holds when it is new or used again, by whom it may be used again, and what happens at the limit.
#include "groups.h"
#include "support.h"
#include "threads.h"

enum { DIRTY_BYTES = 1 << 20 };

static fm_buffer create(ct_fixture *f, uint64_t size_bytes, fm_memory_kind memory, uint32_t flags)
{
    fm_buffer buffer = {0};
    fm_buffer_info info = {.size_bytes = size_bytes, .memory = memory, .flags = flags};
    CT_OK(fm_buffer_create(f->device, &info, &buffer));
    return buffer;
}

// Leaves memory full of ones behind, its last use still in flight.
static void leave_dirty(ct_fixture *f, fm_stream stream, uint64_t size_bytes, fm_memory_kind memory)
{
    fm_buffer buffer = create(f, size_bytes, memory, FM_BUFFER_UNINITIALIZED);
    fm_commands *commands = ct_begin(f);
    CT_OK(fm_fill(commands, buffer, 0, FM_WHOLE_SIZE, UINT32_MAX));
    CT_OK(fm_buffer_destroy(f->device, buffer));
    ct_commit(&commands, stream);
}

static void memory_new_buffer_reads_as_zero(void **state)
{
    ct_fixture *f = *state;
    const uint64_t sizes[] = {1, 3, 16, 1000, 4096, 65537, 3 << 20};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        ct_expect_bytes(f, create(f, sizes[i], FM_MEMORY_DEVICE, 0), 0, sizes[i], 0);
        ct_expect_bytes(f, create(f, sizes[i], FM_MEMORY_HOST, 0), 0, sizes[i], 0);
    }
}

static void memory_used_again_reads_as_zero(void **state)
{
    ct_fixture *f = *state;
    const uint64_t sizes[] = {DIRTY_BYTES, 4096, 100, 7};
    for (uint32_t round = 0; round < 4; round++) {
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            fm_memory_kind memory = round % 2 ? FM_MEMORY_HOST : FM_MEMORY_DEVICE;
            leave_dirty(f, f->stream, sizes[i], memory);
            if (round >= 2) ct_wait_idle(f);
            ct_expect_bytes(f, create(f, sizes[i], memory, 0), 0, sizes[i], 0);
        }
    }
}

// Many small buffers with a bigger, dirty one beneath them.
static void memory_cut_from_dirty_memory_reads_as_zero(void **state)
{
    ct_fixture *f = *state;
    leave_dirty(f, f->stream, DIRTY_BYTES, FM_MEMORY_DEVICE);
    ct_wait_idle(f);
    for (uint32_t i = 0; i < 200; i++) {
        uint64_t size = 1 + (i * 37) % 5000;
        ct_expect_bytes(f, create(f, size, FM_MEMORY_DEVICE, 0), 0, size, 0);
    }
}

// A kernel that only reads its input must see zeroes too, whichever stream dispatches it first.
static void memory_first_used_by_a_kernel_on_another_stream_is_zero(void **state)
{
    ct_fixture *f = *state;
    fm_stream second;
    CT_OK(fm_stream_create(f->device, NULL, &second));
    fm_kernel add = ct_kernel_add(f);
    for (uint32_t i = 0; i < 20; i++) {
        leave_dirty(f, f->stream, 4096, FM_MEMORY_DEVICE);
        fm_buffer source = create(f, 4096, FM_MEMORY_DEVICE, 0);
        fm_buffer target = create(f, 4096, FM_MEMORY_DEVICE, 0);
        uint32_t words[1024];
        memset(words, CT_POISON, sizeof words);
        fm_commands *commands = ct_begin(f);
        CT_OK(ct_record_add(commands, add, source, target, 1024, i));
        CT_OK(fm_read(commands, target, 0, sizeof words, words));
        fm_point point = ct_commit(&commands, second);
        CT_OK(fm_point_wait(f->device, point, CT_TIMEOUT_NS));
        for (uint32_t k = 0; k < 1024; k++) assert_int_equal(words[k], i);
        CT_OK(fm_buffer_destroy(f->device, source));
        CT_OK(fm_buffer_destroy(f->device, target));
    }
}

// LEARNED-5: what one stream still writes is not handed to another, so late writes never show up there.
static void memory_still_written_by_one_stream_is_not_given_to_another(void **state)
{
    ct_fixture *f = *state;
    fm_stream second;
    CT_OK(fm_stream_create(f->device, NULL, &second));
    fm_buffer door = ct_buffer(f, 64);
    fm_commands *commands = ct_begin(f);
    fm_buffer dirty = create(f, DIRTY_BYTES, FM_MEMORY_DEVICE, FM_BUFFER_UNINITIALIZED);
    ct_record_gate(f, commands, door);
    CT_OK(fm_copy(commands, door, 0, dirty, 0, 64)); // after the gate
    CT_OK(fm_barrier(commands));
    CT_OK(fm_fill(commands, dirty, 0, FM_WHOLE_SIZE, UINT32_MAX));
    CT_OK(fm_buffer_destroy(f->device, dirty));
    fm_point point = ct_commit(&commands, f->stream);
    fm_buffer fresh = create(f, DIRTY_BYTES, FM_MEMORY_DEVICE, 0);
    commands = ct_begin(f);
    CT_OK(fm_fill(commands, fresh, 0, FM_WHOLE_SIZE, 0x11111111));
    fm_point fresh_point = ct_commit(&commands, second);
    ct_gate_open(f);
    CT_OK(fm_point_wait(f->device, fresh_point, CT_TIMEOUT_NS));
    CT_OK(fm_point_wait(f->device, point, CT_TIMEOUT_NS));
    ct_expect_bytes(f, fresh, 0, DIRTY_BYTES, 0x11);
}

static void memory_uninitialized_buffer_holds_what_is_written(void **state)
{
    ct_fixture *f = *state;
    fm_buffer buffer = create(f, 1000, FM_MEMORY_DEVICE, FM_BUFFER_UNINITIALIZED);
    uint8_t bytes[1000];
    for (uint32_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)(i * 7);
    CT_OK(fm_buffer_write(f->device, f->stream, buffer, 0, sizeof bytes, bytes, CT_TIMEOUT_NS));
    ct_expect_content(f, buffer, bytes, sizeof bytes);
}

static void memory_of_destroyed_buffers_is_used_again(void **state)
{
    ct_fixture *f = *state;
    for (uint32_t i = 0; i < 200; i++) {
        fm_buffer buffer = create(f, DIRTY_BYTES, FM_MEMORY_DEVICE, 0);
        fm_commands *commands = ct_begin(f);
        CT_OK(fm_fill(commands, buffer, 0, FM_WHOLE_SIZE, i));
        CT_OK(fm_buffer_destroy(f->device, buffer));
        ct_finish(f, commands);
    }
    ct_wait_idle(f);
    fm_device_stats stats = ct_stats(f);
    assert_true(stats.bytes_in_use < DIRTY_BYTES);
    assert_true(stats.bytes_in_use_peak < UINT64_C(16) * DIRTY_BYTES);
    assert_true(stats.bytes_reserved < UINT64_C(200) * DIRTY_BYTES);
}

// The fixture's device again, with a memory limit.
static void limit_memory(ct_fixture *f, uint64_t limit_bytes, uint64_t block_bytes)
{
    CT_OK(fm_device_close(&f->device, CT_TIMEOUT_NS));
    fm_device_info info = {.memory_limit_bytes = limit_bytes, .block_size_bytes = block_bytes, .log = ct_log_nothing};
    CT_OK(fm_device_open(f->device_name, &info, &f->device));
    CT_OK(fm_stream_create(f->device, NULL, &f->stream));
}

static void memory_over_the_limit_is_out_of_memory_and_loses_nothing(void **state)
{
    ct_fixture *f = *state;
    limit_memory(f, 8 << 20, 1 << 20);
    fm_buffer buffers[64];
    uint32_t count = 0;
    fm_status status = FM_OK;
    while (count < 64) {
        status = fm_buffer_create(f->device, &(fm_buffer_info){.size_bytes = 1 << 20}, &buffers[count]);
        if (status != FM_OK) break;
        count++;
    }
    CT_STATUS(status, FM_ERROR_OUT_OF_MEMORY);
    assert_true(buffers[count].id == 0);
    assert_in_range(count, 1, 8);
    assert_true(ct_stats(f).bytes_reserved <= 8 << 20);
    fm_commands *commands = ct_begin(f);
    for (uint32_t i = 0; i < count; i++) CT_OK(fm_fill(commands, buffers[i], 0, FM_WHOLE_SIZE, 0x01010101u * (i + 1)));
    ct_finish(f, commands);
    CT_OK(fm_buffer_destroy(f->device, buffers[0]));
    CT_OK(fm_buffer_create(f->device, &(fm_buffer_info){.size_bytes = 1 << 20}, &buffers[0]));
    uint32_t word = 0xA5A5A5A5;
    for (uint32_t i = 0; i < count; i++) {
        commands = ct_begin(f);
        CT_OK(fm_copy(commands, buffers[i], 4096, buffers[i], 0, 4));
        ct_finish(f, commands);
        fm_status answer = fm_buffer_read(f->device, f->stream, buffers[i], 0, 4, &word, CT_TIMEOUT_NS);
        if (answer == FM_OK) assert_int_equal(word, i == 0 ? 0 : 0x01010101u * (i + 1));
        if (answer != FM_OK) CT_STATUS(answer, FM_ERROR_OUT_OF_MEMORY); // staging counts against the limit too
    }
}

// LEARNED-15: far more memory passes through than the limit allows at once; each step waits at most for what is in
// flight.
static void memory_small_limit_lets_many_operations_finish(void **state)
{
    ct_fixture *f = *state;
    enum { BYTES = 512 * 512 * 4 };
    limit_memory(f, 6 * BYTES, BYTES);
    fm_kernel set = ct_kernel_set(f);
    fm_buffer total;
    CT_OK(fm_buffer_create(f->device, &(fm_buffer_info){.size_bytes = 512}, &total));
    fm_point last = {{0}, 0};
    for (uint32_t i = 0; i < 80; i++) {
        fm_buffer array = {0};
        fm_buffer_info info = {.size_bytes = BYTES};
        fm_status status = fm_buffer_create(f->device, &info, &array);
        if (status == FM_ERROR_OUT_OF_MEMORY) { // allowed only while earlier arrays are in use
            CT_OK(fm_point_wait(f->device, last, CT_TIMEOUT_NS));
            ct_wait_idle(f);
            status = fm_buffer_create(f->device, &info, &array);
        }
        CT_OK(status);
        fm_commands *commands = ct_begin(f);
        CT_OK(ct_record_set(commands, set, array, 512 * 512, i + 1));
        CT_OK(fm_copy(commands, array, BYTES - 4, total, 4 * i, 4));
        CT_OK(fm_buffer_destroy(f->device, array));
        last = ct_commit(&commands, f->stream);
    }
    CT_OK(fm_point_wait(f->device, last, CT_TIMEOUT_NS));
    uint32_t words[80];
    ct_read(f, total, 0, sizeof words, words);
    for (uint32_t i = 0; i < 80; i++) assert_int_equal(words[i], i + 1);
}

// LEARNED-15 word for word: a limit of 1,000 bytes answers, it never hangs.
static void memory_tiny_limit_answers_and_never_hangs(void **state)
{
    ct_fixture *f = *state;
    limit_memory(f, 1000, 0);
    for (uint32_t i = 0; i < 80; i++) {
        fm_buffer buffer = {UINT64_MAX};
        fm_buffer_info info = {.size_bytes = 512 * 512 * 4};
        CT_STATUS(fm_buffer_create(f->device, &info, &buffer), FM_ERROR_OUT_OF_MEMORY);
        assert_true(buffer.id == 0);
    }
    fm_commands *commands = ct_begin(f);
    ct_finish(f, commands); // work that needs no memory goes on
}

// LEARNED-23: one buffer is alive at a time, and the next is asked for while the last one's work is in flight: never refused.
static void memory_at_the_limit_is_had_while_work_ends(void **state)
{
    ct_fixture *f = *state;
    enum { BYTES = 3 << 20 };
    limit_memory(f, 5 << 20, 1 << 20);
    ct_random random = {23};
    for (uint32_t i = 0; i < ct_scaled(2500); i++) {
        fm_buffer buffer = create(f, BYTES, FM_MEMORY_DEVICE, FM_BUFFER_UNINITIALIZED);
        fm_commands *commands = ct_begin(f);
        CT_OK(fm_fill(commands, buffer, 0, 4096 * (uint64_t)(1 + ct_random_below(&random, 64)), i));
        CT_OK(fm_buffer_destroy(f->device, buffer));
        ct_commit(&commands, f->stream);
    }
}

enum { SHARE_BYTES = 1 << 20, SHARERS = 5, SHARE_ROUNDS = 60 };

// Each has one buffer alive at most; the sizes vary for every second thread.
static void have_a_share(ct_worker *worker)
{
    ct_fixture *f = worker->fixture;
    ct_random random = {worker->index + 1};
    fm_stream stream;
    CT_WORKER_OK(worker, fm_stream_create(f->device, NULL, &stream));
    for (uint32_t i = 0; i < SHARE_ROUNDS; i++) {
        uint64_t size = worker->index % 2 ? SHARE_BYTES : 1024 * (uint64_t)(1 + ct_random_below(&random, 1024));
        fm_buffer buffer;
        fm_commands *commands;
        fm_buffer_info info = {.size_bytes = size, .flags = FM_BUFFER_UNINITIALIZED};
        CT_WORKER_OK(worker, fm_buffer_create(f->device, &info, &buffer));
        CT_WORKER_OK(worker, fm_commands_begin(f->device, NULL, &commands));
        CT_WORKER_OK(worker, fm_fill(commands, buffer, 0, FM_WHOLE_SIZE, i + worker->index));
        CT_WORKER_OK(worker, fm_commit(&commands, &(fm_commit_info){.stream = stream}, NULL));
        uint32_t word = 0;
        CT_WORKER_OK(worker, fm_buffer_read(f->device, stream, buffer, size - 4, 4, &word, CT_TIMEOUT_NS));
        CT_WORKER_TRUE(worker, word == i + worker->index);
        CT_WORKER_OK(worker, fm_buffer_destroy(f->device, buffer));
    }
}

// LEARNED-23: threads whose live buffers fit into the limit together are never refused, whatever the others' work still keeps.
static void memory_of_threads_that_fit_together_is_never_refused(void **state)
{
    ct_fixture *f = *state;
    limit_memory(f, (SHARERS + 1) * SHARE_BYTES, SHARE_BYTES / 2);
    ct_run_workers(f, SHARERS, have_a_share, NULL);
    assert_true(ct_stats(f).bytes_reserved <= (SHARERS + 1) * SHARE_BYTES);
}

static void memory_refused_says_who_holds_it(void **state)
{
    ct_fixture *f = *state;
    limit_memory(f, 8 << 20, 1 << 20);
    fm_buffer small, large, none;
    CT_OK(fm_buffer_create(f->device, &(fm_buffer_info){.size_bytes = 1 << 20, .label = "small"}, &small));
    CT_OK(fm_buffer_create(f->device, &(fm_buffer_info){.size_bytes = 5 << 20, .label = "weights"}, &large));
    fm_buffer_info more = {.size_bytes = 4 << 20, .label = "activations"};
    CT_STATUS(fm_buffer_create(f->device, &more, &none), FM_ERROR_OUT_OF_MEMORY);
    const char *said = fm_last_error();
    const char *first = strstr(said, "'weights' 5242880"), *second = strstr(said, "'small' 1048576");
    if (!first || !second || first > second || !strstr(said, "'activations'")) fail_msg("%s", said);
    CT_OK(fm_buffer_destroy(f->device, large));
    CT_OK(fm_buffer_create(f->device, &more, &none));
}

int ct_group_memory(void)
{
    const struct CMUnitTest tests[] = {
        CT_TEST(memory_new_buffer_reads_as_zero),
        CT_TEST(memory_used_again_reads_as_zero),
        CT_TEST(memory_cut_from_dirty_memory_reads_as_zero),
        CT_TEST(memory_first_used_by_a_kernel_on_another_stream_is_zero),
        CT_TEST(memory_still_written_by_one_stream_is_not_given_to_another),
        CT_TEST(memory_uninitialized_buffer_holds_what_is_written),
        CT_TEST(memory_of_destroyed_buffers_is_used_again),
        CT_TEST(memory_over_the_limit_is_out_of_memory_and_loses_nothing),
        CT_TEST(memory_small_limit_lets_many_operations_finish),
        CT_TEST(memory_tiny_limit_answers_and_never_hangs),
        CT_TEST(memory_at_the_limit_is_had_while_work_ends),
        CT_TEST(memory_of_threads_that_fit_together_is_never_refused),
        CT_TEST(memory_refused_says_who_holds_it),
    };
    return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
