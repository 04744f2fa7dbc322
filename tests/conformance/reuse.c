// Memory on its way from one buffer to the next: donation, reuse by a stream of what its own work still uses, reads that look at mapped
// memory beside writers, trimming, and the limit in bytes of what only work in flight keeps (HOLD-5, HOLD-6, LEARNED-5, RETIRE-4).
#include "groups.h"
#include "threads.h"

#include <sched.h>

enum { COUNT = 4096, BYTES = COUNT * 4, MANY = 1 << 20 };

static fm_buffer create_on(ct_fixture *f, fm_stream stream, uint64_t size_bytes, uint32_t flags)
{
    fm_buffer buffer = {0};
    CT_OK(fm_buffer_create(f->device, &(fm_buffer_info){.size_bytes = size_bytes, .flags = flags, .stream = stream},
                           &buffer));
    return buffer;
}

static fm_buffer donate(ct_fixture *f, fm_buffer input)
{
    fm_buffer output = {0};
    CT_OK(fm_buffer_donate(f->device, input, FM_WHOLE_SIZE, "output", &output));
    return output;
}

static fm_stream second_stream(ct_fixture *f)
{
    fm_stream stream;
    CT_OK(fm_stream_create(f->device, &(fm_stream_info){.label = "second"}, &stream));
    return stream;
}

// The fixture's device again, with other settings.
static void reopen(ct_fixture *f, const fm_device_info *info)
{
    CT_OK(fm_device_close(&f->device, CT_TIMEOUT_NS));
    CT_OK(fm_device_open(f->device_name, info, &f->device));
    CT_OK(fm_stream_create(f->device, NULL, &f->stream));
    f->gate_kernel.id = 0;
}

static void donation_keeps_the_content_and_kills_the_input(void **state)
{
    ct_fixture *f = *state;
    uint32_t words[COUNT];
    for (uint32_t i = 0; i < COUNT; i++) words[i] = i * 3;
    fm_buffer input = ct_buffer_of(f, words, sizeof words);
    uint64_t in_use = ct_stats(f).bytes_in_use;
    fm_buffer output = {0};
    CT_OK(fm_buffer_donate(f->device, input, BYTES / 2, NULL, &output));
    assert_true(output.id != input.id);
    assert_int_equal(ct_stats(f).bytes_in_use, in_use);
    uint64_t size = 0;
    CT_OK(fm_buffer_get_size(f->device, output, &size));
    assert_int_equal(size, BYTES / 2);
    ct_expect_content(f, output, words, BYTES / 2);
    CT_STATUS(fm_buffer_get_size(f->device, input, &size), FM_ERROR_STALE_HANDLE);
    CT_STATUS(fm_buffer_destroy(f->device, input), FM_ERROR_STALE_HANDLE);
    CT_OK(fm_buffer_destroy(f->device, output));
}

static void donation_of_what_is_not_there_is_refused_and_loses_nothing(void **state)
{
    ct_fixture *f = *state;
    fm_buffer input = ct_buffer(f, 64), output = {7};
    CT_STATUS(fm_buffer_donate(f->device, input, 65, NULL, &output), FM_ERROR_OUT_OF_RANGE);
    assert_true(output.id == 0);
    CT_STATUS(fm_buffer_donate(f->device, input, 0, NULL, &output), FM_ERROR_INVALID_ARGUMENT);
    CT_STATUS(fm_buffer_donate(f->device, input, 64, NULL, NULL), FM_ERROR_INVALID_ARGUMENT);
    CT_STATUS(fm_buffer_donate(f->device, (fm_buffer){0}, 64, NULL, &output), FM_ERROR_NULL_HANDLE);
    ct_expect_bytes(f, input, 0, 64, 0);
    CT_OK(fm_buffer_destroy(f->device, input));
    CT_STATUS(fm_buffer_donate(f->device, input, 64, NULL, &output), FM_ERROR_STALE_HANDLE);
}

// HOLD-5: a list in flight reads the input; the output is written and destroyed behind it; the list's bytes are the input's all the same.
static void donation_does_not_disturb_lists_that_hold_the_input(void **state)
{
    ct_fixture *f = *state;
    fm_kernel set = ct_kernel_set(f), add = ct_kernel_add(f);
    fm_buffer door = ct_buffer(f, 64), sum = ct_buffer(f, BYTES);
    for (uint32_t round = 0; round < 10; round++) {
        fm_buffer input = ct_buffer(f, BYTES);
        fm_commands *commands = ct_begin(f);
        CT_OK(ct_record_set(commands, set, input, COUNT, 100 + round));
        if (round == 0) ct_record_gate(f, commands, door); // later rounds race with the device
        CT_OK(ct_record_add(commands, add, input, sum, COUNT, 1));
        fm_buffer output = donate(f, input); // recorded, not committed
        ct_commit(&commands, f->stream);
        commands = ct_begin(f);
        CT_OK(ct_record_set(commands, set, output, COUNT, 7));
        fm_buffer last = donate(f, output);
        ct_commit(&commands, f->stream);
        CT_OK(fm_buffer_destroy(f->device, last));
        fm_buffer other = ct_buffer(f, BYTES); // would get the memory, if nothing held it
        commands = ct_begin(f);
        CT_OK(ct_record_set(commands, set, other, COUNT, 9));
        fm_point point = ct_commit(&commands, f->stream);
        ct_gate_open(f);
        CT_OK(fm_point_wait(f->device, point, CT_TIMEOUT_NS));
        ct_expect_words(f, sum, COUNT, 101 + round);
        ct_expect_words(f, other, COUNT, 9);
        CT_OK(fm_buffer_destroy(f->device, other));
    }
}

// In place: one buffer bound as input and output, handed on from step to step.
static void donation_chain_computes_in_place(void **state)
{
    ct_fixture *f = *state;
    fm_kernel step = ct_kernel_step(f);
    fm_buffer x = ct_buffer(f, BYTES);
    uint64_t peak = ct_stats(f).bytes_in_use_peak;
    uint32_t expected = 0;
    for (uint32_t i = 0; i < 20; i++) {
        fm_buffer y = donate(f, x);
        fm_commands *commands = ct_begin(f);
        CT_OK(ct_record_set(commands, step, y, COUNT, i));
        ct_commit(&commands, f->stream);
        expected = 2 * expected + i;
        x = y;
    }
    assert_int_equal(ct_stats(f).bytes_in_use_peak, peak); // no memory beyond the first buffer's
    ct_expect_words(f, x, COUNT, expected);
}

// Create, use, destroy, without ever waiting: a stream's next buffer takes the last one's memory over while the device still uses it.
static void reuse_by_the_same_stream_needs_no_completion(void **state)
{
    ct_fixture *f = *state;
    fm_kernel step = ct_kernel_step(f), add = ct_kernel_add(f);
    fm_buffer door = ct_buffer(f, 64), total = ct_buffer(f, 64);
    ct_commit_gate(f, f->stream, door);
    fm_device_stats before = ct_stats(f);
    fm_commands *commands = ct_begin(f);
    CT_OK(fm_copy(commands, door, 0, total, 0, 64)); // behind the gate: nothing below completes before it opens
    ct_commit(&commands, f->stream);
    enum { ROUNDS = 50 };
    for (uint32_t i = 0; i < ROUNDS; i++) {
        fm_buffer temporary = create_on(f, f->stream, BYTES, i % 2 ? FM_BUFFER_UNINITIALIZED : 0);
        commands = ct_begin(f);
        if (i % 2) CT_OK(fm_fill(commands, temporary, 0, FM_WHOLE_SIZE, 0));
        CT_OK(ct_record_set(commands, step, temporary, COUNT, i)); // 2 * 0 + i
        CT_OK(ct_record_add(commands, add, total, total, 1, 0));   // an order between the rounds
        CT_OK(fm_copy(commands, temporary, 0, total, 4 * (1 + i % 15), 4));
        CT_OK(fm_buffer_destroy(f->device, temporary));
        ct_commit(&commands, f->stream);
    }
    fm_device_stats after = ct_stats(f);
    if (ct_gate_is_exact(f)) {
        assert_int_equal(after.memory_reuses - before.memory_reuses, ROUNDS - 1);
        assert_true(after.bytes_in_use - before.bytes_in_use <= 2 * BYTES);
    }
    ct_gate_open(f);
    uint32_t words[16];
    ct_read(f, total, 0, sizeof words, words);
    for (uint32_t slot = 1; slot < 16; slot++) {
        uint32_t last = 0;
        for (uint32_t i = 0; i < ROUNDS; i++) {
            if (1 + i % 15 == slot) last = i;
        }
        assert_int_equal(words[slot], last);
    }
}

// Memory that was taken over in order may be used by any stream: it is made to wait for the old use.
static void reuse_then_another_stream_gets_the_new_content(void **state)
{
    ct_fixture *f = *state;
    fm_kernel set = ct_kernel_set(f), add = ct_kernel_add(f);
    fm_stream second = second_stream(f);
    for (uint32_t i = 0; i < 30; i++) {
        fm_buffer old = create_on(f, f->stream, BYTES, 0);
        fm_commands *commands = ct_begin(f);
        for (uint32_t k = 0; k < 5; k++) CT_OK(ct_record_set(commands, set, old, COUNT, 1000 + k));
        CT_OK(fm_buffer_destroy(f->device, old));
        ct_commit(&commands, f->stream);
        fm_buffer fresh = create_on(f, f->stream, BYTES, 0);
        fm_buffer sum = ct_buffer(f, BYTES);
        commands = ct_begin(f);
        CT_OK(ct_record_add(commands, add, fresh, sum, COUNT, i)); // zero, whatever the old lists still write
        fm_point point = ct_commit(&commands, second);
        CT_OK(fm_point_wait(f->device, point, CT_TIMEOUT_NS));
        ct_expect_words(f, sum, COUNT, i);
        CT_OK(fm_buffer_destroy(f->device, fresh));
        CT_OK(fm_buffer_destroy(f->device, sum));
    }
}

// What a list that is still being recorded uses is not taken over: that list could be committed anywhere, later.
static void reuse_waits_for_lists_that_are_still_recorded(void **state)
{
    ct_fixture *f = *state;
    fm_kernel set = ct_kernel_set(f), add = ct_kernel_add(f);
    fm_buffer sum = ct_buffer(f, BYTES), door = ct_buffer(f, 64);
    ct_commit_gate(f, f->stream, door);
    fm_buffer old = create_on(f, f->stream, BYTES, 0);
    fm_commands *first = ct_begin(f);
    CT_OK(ct_record_set(first, set, old, COUNT, 5));
    ct_commit(&first, f->stream);
    fm_commands *late = ct_begin(f);
    CT_OK(ct_record_add(late, add, old, sum, COUNT, 1));
    CT_OK(fm_buffer_destroy(f->device, old));
    uint64_t reuses = ct_stats(f).memory_reuses;
    fm_buffer fresh = create_on(f, f->stream, BYTES, 0);
    assert_int_equal(ct_stats(f).memory_reuses, reuses);
    fm_commands *commands = ct_begin(f);
    CT_OK(ct_record_set(commands, set, fresh, COUNT, 6));
    ct_commit(&commands, f->stream);
    ct_gate_open(f);
    ct_finish(f, late);
    ct_expect_words(f, sum, COUNT, 6);
    ct_expect_words(f, fresh, COUNT, 6);
}

static void reuse_wants_a_live_stream_of_this_device(void **state)
{
    ct_fixture *f = *state;
    fm_buffer buffer = {7};
    fm_stream gone = second_stream(f);
    CT_OK(fm_stream_destroy(f->device, gone));
    CT_STATUS(fm_buffer_create(f->device, &(fm_buffer_info){.size_bytes = 64, .stream = gone}, &buffer),
              FM_ERROR_STALE_HANDLE);
    assert_true(buffer.id == 0);
    fm_stream foreign;
    CT_OK(fm_stream_create(ct_other_device(f), NULL, &foreign));
    CT_STATUS(fm_buffer_create(f->device, &(fm_buffer_info){.size_bytes = 64, .stream = foreign}, &buffer),
              FM_ERROR_FOREIGN_HANDLE);
}

typedef struct churn {
    fm_kernel set;
    fm_kernel add;
    fm_stream streams[8];
} churn;

// Each thread on its own stream: temporaries in and out, donated on the way, every sum checked.
static void churn_temporaries(ct_worker *w)
{
    churn *c = w->shared;
    fm_device *device = w->fixture->device;
    fm_stream stream = c->streams[w->index];
    ct_random random = {w->index + 1};
    for (uint32_t i = 0; i < ct_scaled(60); i++) {
        uint32_t value = w->index * 1000 + i, got[16];
        uint64_t bytes = 4096 + 256 * ct_random_below(&random, 40);
        fm_buffer a = {0}, b = {0}, d = {0};
        fm_commands *commands = NULL;
        CT_WORKER_OK(w, fm_buffer_create(device, &(fm_buffer_info){.size_bytes = bytes, .stream = stream}, &a));
        CT_WORKER_OK(w, fm_buffer_create(device, &(fm_buffer_info){.size_bytes = bytes, .stream = stream}, &b));
        CT_WORKER_OK(w, fm_commands_begin(device, NULL, &commands));
        CT_WORKER_OK(w, ct_record_add(commands, c->add, a, b, 1024, value)); // b = 0 + value
        CT_WORKER_OK(w, fm_buffer_donate(device, a, FM_WHOLE_SIZE, NULL, &d));
        CT_WORKER_OK(w, ct_record_add(commands, c->add, b, d, 1024, 1)); // d = value + 1
        CT_WORKER_OK(w, fm_buffer_destroy(device, b));
        fm_point point;
        CT_WORKER_OK(w, fm_commit(&commands, &(fm_commit_info){.stream = stream}, &point));
        CT_WORKER_OK(w, fm_buffer_create(device, &(fm_buffer_info){.size_bytes = bytes, .stream = stream}, &b));
        CT_WORKER_OK(w, fm_commands_begin(device, NULL, &commands));
        CT_WORKER_OK(w, ct_record_set(commands, c->set, b, 1024, UINT32_MAX)); // where d's input was a moment ago
        CT_WORKER_OK(w, fm_commit(&commands, &(fm_commit_info){.stream = stream}, &point));
        CT_WORKER_OK(w, fm_buffer_destroy(device, b));
        CT_WORKER_OK(w, fm_buffer_read(device, stream, d, 64, sizeof got, got, CT_TIMEOUT_NS));
        for (int k = 0; k < 16; k++) CT_WORKER_TRUE(w, got[k] == value + 1);
        CT_WORKER_OK(w, fm_buffer_destroy(device, d));
    }
}

static void reuse_and_donation_from_many_threads_keep_values_right(void **state)
{
    ct_fixture *f = *state;
    churn c = {.set = ct_kernel_set(f), .add = ct_kernel_add(f)};
    for (int i = 0; i < 8; i++) CT_OK(fm_stream_create(f->device, NULL, &c.streams[i]));
    ct_run_workers(f, 8, churn_temporaries, &c);
    ct_wait_idle(f);
    CT_OK(fm_device_trim(f->device, NULL));
    assert_int_equal(ct_stats(f).bytes_in_use, 0);
    assert_int_equal(ct_stats(f).bytes_in_flight, 0);
}

typedef struct beside {
    fm_buffer buffer;
    fm_kernel set;
    _Atomic(uint32_t) stop;
} beside;

// Commits writes of whole, equal words to the buffer, on the same stream as the reader.
static void write_whole_values(ct_worker *w)
{
    beside *b = w->shared;
    for (uint32_t i = 1; i <= ct_scaled(60); i++) {
        fm_commands *commands = NULL;
        CT_WORKER_OK(w, fm_commands_begin(w->fixture->device, NULL, &commands));
        CT_WORKER_OK(w, ct_record_set(commands, b->set, b->buffer, MANY, i));
        CT_WORKER_OK(w, fm_commit(&commands, &(fm_commit_info){.stream = w->fixture->stream}, NULL));
    }
    atomic_store(&b->stop, 1);
}

// READ-1: a read has a place in its stream's order: beside a writer it sees one list's words, never a mixture of two, and never older
// ones than an earlier read.
static void reads_beside_a_writer_of_the_same_stream_are_never_torn(void **state)
{
    ct_fixture *f = *state;
    beside b = {.buffer = ct_buffer(f, MANY * 4), .set = ct_kernel_set(f)};
    ct_worker writer = {.failed = false};
    ct_start_worker(f, &writer, write_whole_values, &b);
    static uint32_t words[MANY]; // large, so that copying takes long enough for a write to begin meanwhile
    uint32_t last = 0;
    bool torn = false, older = false;
    fm_status status = FM_OK;
    while (!atomic_load(&b.stop) && status == FM_OK && !torn && !older) {
        status = fm_buffer_read(f->device, f->stream, b.buffer, 0, sizeof words, words, CT_TIMEOUT_NS);
        for (uint32_t i = 1; i < MANY; i++) torn |= words[i] != words[0];
        older = words[0] < last;
        last = words[0];
    }
    ct_join_worker(&writer);
    CT_OK(status);
    assert_false(torn);
    assert_false(older);
}

static void trim_gives_unused_memory_back_and_no_other(void **state)
{
    ct_fixture *f = *state;
    reopen(f, &(fm_device_info){.block_size_bytes = 1 << 20, .log = ct_log_nothing});
    fm_buffer kept = ct_buffer(f, BYTES);
    fm_buffer big[4];
    for (int i = 0; i < 4; i++) big[i] = create_on(f, (fm_stream){0}, 4 << 20, 0);
    ct_wait_idle(f);
    for (int i = 0; i < 4; i++) CT_OK(fm_buffer_destroy(f->device, big[i]));
    fm_device_stats before = ct_stats(f);
    assert_true(before.bytes_cached >= 16 << 20); // kept for later, within the default limit
    uint64_t bytes = 0;
    CT_OK(fm_device_trim(f->device, &bytes));
    assert_true(bytes >= 16 << 20);
    assert_int_equal(ct_stats(f).bytes_reserved, before.bytes_reserved - bytes);
    ct_expect_bytes(f, kept, 0, BYTES, 0);
    CT_OK(fm_device_trim(f->device, NULL));
}

static void trim_leaves_memory_in_flight_alone(void **state)
{
    ct_fixture *f = *state;
    fm_kernel set = ct_kernel_set(f), add = ct_kernel_add(f);
    fm_buffer door = ct_buffer(f, 64), sum = ct_buffer(f, BYTES), input = ct_buffer(f, BYTES);
    ct_commit_gate(f, f->stream, door);
    fm_commands *commands = ct_begin(f);
    CT_OK(ct_record_set(commands, set, input, COUNT, 3));
    CT_OK(ct_record_add(commands, add, input, sum, COUNT, 4));
    CT_OK(fm_buffer_destroy(f->device, input));
    fm_point point = ct_commit(&commands, f->stream);
    CT_OK(fm_device_trim(f->device, NULL));
    ct_gate_open(f);
    CT_OK(fm_point_wait(f->device, point, CT_TIMEOUT_NS));
    ct_expect_words(f, sum, COUNT, 7);
}

static void cache_limit_is_kept_when_buffers_go(void **state)
{
    ct_fixture *f = *state;
    reopen(f, &(fm_device_info){.block_size_bytes = 1 << 20, .memory_cache_bytes = 1, .log = ct_log_nothing});
    fm_buffer buffers[8];
    for (int i = 0; i < 8; i++) buffers[i] = create_on(f, (fm_stream){0}, 1 << 20, 0);
    ct_wait_idle(f);
    assert_true(ct_stats(f).bytes_reserved >= 8 << 20);
    for (int i = 0; i < 8; i++) CT_OK(fm_buffer_destroy(f->device, buffers[i]));
    assert_int_equal(ct_stats(f).bytes_cached, 0);
    assert_int_equal(ct_stats(f).bytes_reserved, 0);
}

// RETIRE-4: bytes that only work in flight keeps are limited. At the limit a commit that must not wait keeps its list; one that may waits.
static void limit_of_bytes_in_flight_holds_commits_back(void **state)
{
    ct_fixture *f = *state;
    reopen(f, &(fm_device_info){.in_flight_bytes = 3 * BYTES, .log = ct_log_nothing});
    fm_kernel set = ct_kernel_set(f);
    fm_buffer door = ct_buffer(f, 64), total = ct_buffer(f, 400);
    ct_commit_gate(f, f->stream, door);
    uint32_t refused = 0;
    for (uint32_t i = 0; i < 80; i++) {
        fm_buffer temporary = create_on(f, (fm_stream){0}, BYTES, 0);
        fm_commands *commands = ct_begin(f);
        CT_OK(ct_record_set(commands, set, temporary, COUNT, i + 1));
        CT_OK(fm_copy(commands, temporary, 0, total, 4 * i, 4));
        CT_OK(fm_buffer_destroy(f->device, temporary));
        fm_status status = fm_commit(&commands, &(fm_commit_info){.stream = f->stream, .no_wait = 1}, NULL);
        if (status != FM_OK) {
            CT_STATUS(status, FM_WOULD_BLOCK);
            assert_non_null(commands);
            refused++;
            ct_gate_open(f);
            ct_commit(&commands, f->stream); // waits for the oldest
        }
    }
    if (ct_gate_is_exact(f)) assert_true(refused > 0);
    uint32_t words[80];
    ct_read(f, total, 0, sizeof words, words);
    for (uint32_t i = 0; i < 80; i++) assert_int_equal(words[i], i + 1);
    assert_true(ct_stats(f).bytes_in_flight_peak >= BYTES);
}

static void commit_beyond_the_limit(ct_worker *w)
{
    fm_buffer *buffer = w->shared;
    fm_commands *commands = NULL;
    CT_WORKER_OK(w, fm_commands_begin(w->fixture->device, NULL, &commands));
    fm_status status = fm_fill(commands, *buffer, 0, FM_WHOLE_SIZE, 1);
    if (status == FM_OK) {
        status = fm_commit(&commands, &(fm_commit_info){.stream = w->fixture->stream}, NULL);
    }
    ct_worker_check(w, status, FM_OK, "fm_commit", __LINE__);
    fm_commands_cancel(&commands);
}

// Guard: whoever takes memory over looks whether a commit waits for fewer bytes in flight (submit/fill.c). Nothing else may
// happen for as long as the device is busy.
static void limit_of_bytes_lets_a_commit_go_when_memory_is_taken_over(void **state)
{
    ct_fixture *f = *state;
    reopen(f, &(fm_device_info){
                  .in_flight_bytes = BYTES - 1, .commit_timeout_ns = UINT64_C(5000000000), .log = ct_log_nothing});
    fm_buffer door = ct_buffer(f, 64), other = ct_buffer(f, BYTES), gone = ct_buffer(f, BYTES);
    ct_wait_idle(f);
    fm_commands *commands = ct_begin(f);
    ct_record_gate(f, commands, door);
    CT_OK(fm_fill(commands, gone, 0, FM_WHOLE_SIZE, 1));
    ct_commit(&commands, f->stream);
    CT_OK(fm_buffer_destroy(f->device, gone));
    ct_worker worker;
    ct_start_worker(f, &worker, commit_beyond_the_limit, &other);
    while (ct_gate_is_exact(f) && ct_stats(f).limit_waits == 0) sched_yield();
    create_on(f, f->stream, BYTES, FM_BUFFER_UNINITIALIZED); // of the bytes that it waits for
    ct_join_worker(&worker);
    if (ct_gate_is_exact(f)) assert_int_equal(ct_stats(f).memory_reuses, 1);
    ct_gate_open(f);
    ct_wait_idle(f);
}

// LEARNED-15: a limit of 1,000 bytes and 80 operations on 512 x 512 arrays, every one larger than the limit.
static void limit_below_every_list_lets_all_of_them_finish(void **state)
{
    ct_fixture *f = *state;
    reopen(f, &(fm_device_info){.in_flight_bytes = 1000, .log = ct_log_nothing});
    fm_kernel step = ct_kernel_step(f);
    enum { SIDE = 512 * 512 };
    fm_buffer x = ct_buffer(f, SIDE * 4);
    uint32_t expected = 0;
    for (uint32_t i = 0; i < 80; i++) {
        fm_buffer y = create_on(f, f->stream, SIDE * 4, FM_BUFFER_UNINITIALIZED);
        fm_commands *commands = ct_begin(f);
        CT_OK(fm_copy(commands, x, 0, y, 0, SIDE * 4));
        CT_OK(ct_record_set(commands, step, y, SIDE, i));
        CT_OK(fm_buffer_destroy(f->device, x));
        ct_commit(&commands, f->stream);
        expected = 2 * expected + i;
        x = y;
    }
    ct_expect_words(f, x, SIDE, expected);
}

int ct_group_reuse(void)
{
    const struct CMUnitTest tests[] = {
        CT_TEST(donation_keeps_the_content_and_kills_the_input),
        CT_TEST(donation_of_what_is_not_there_is_refused_and_loses_nothing),
        CT_TEST(donation_does_not_disturb_lists_that_hold_the_input),
        CT_TEST(donation_chain_computes_in_place),
        CT_TEST(reuse_by_the_same_stream_needs_no_completion),
        CT_TEST(reuse_then_another_stream_gets_the_new_content),
        CT_TEST(reuse_waits_for_lists_that_are_still_recorded),
        CT_TEST(reuse_wants_a_live_stream_of_this_device),
        CT_TEST(reuse_and_donation_from_many_threads_keep_values_right),
        CT_TEST(reads_beside_a_writer_of_the_same_stream_are_never_torn),
        CT_TEST(trim_gives_unused_memory_back_and_no_other),
        CT_TEST(trim_leaves_memory_in_flight_alone),
        CT_TEST(cache_limit_is_kept_when_buffers_go),
        CT_TEST(limit_of_bytes_in_flight_holds_commits_back),
        CT_TEST(limit_of_bytes_lets_a_commit_go_when_memory_is_taken_over),
        CT_TEST(limit_below_every_list_lets_all_of_them_finish),
    };
    return cmocka_run_group_tests_name("reuse", tests, NULL, NULL);
}
