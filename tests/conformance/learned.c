// Failures seen in peers (LEARNED-*) that need real threads, a real device, or its counters. The exact orders of calls are in
// tests/regression/exact.c on the manual device; docs/requirements.md has the table of both.
#include "groups.h"
#include "threads.h"

enum { LISTS = 20000, WATCHERS = 3, WORDS = 256 };

// --- LEARNED-1: several threads drain at once --------------------------------------------------------------------------

typedef struct watched {
    fm_kernel step;
    fm_buffer buffer;
    fm_stream stream;
    _Atomic(uint32_t) committed; // points[0, committed) are there
    fm_point points[LISTS];
} watched;

static void commit_points(ct_worker *worker, watched *w)
{
    for (uint32_t i = 0; i < LISTS; i++) {
        fm_commands *commands = NULL;
        CT_WORKER_OK(worker, fm_commands_begin(worker->fixture->device, NULL, &commands));
        CT_WORKER_OK(worker, ct_record_set(commands, w->step, w->buffer, WORDS, 1));
        CT_WORKER_OK(worker, fm_commit(&commands, &(fm_commit_info){.stream = w->stream}, &w->points[i]));
        atomic_store(&w->committed, i + 1);
    }
}

// A point seen complete stays so, and so is every earlier one; the newest is asked first.
static void watch_points(ct_worker *worker, watched *w)
{
    fm_device *device = worker->fixture->device;
    uint32_t complete = 0; // points that were seen complete
    while (complete < LISTS) {
        uint32_t committed = atomic_load(&w->committed);
        uint32_t newest = committed;
        while (newest > complete && fm_point_poll(device, w->points[newest - 1]) == FM_NOT_READY) newest--;
        for (uint32_t i = newest; i-- > 0;) CT_WORKER_OK(worker, fm_point_poll(device, w->points[i]));
        complete = newest;
        if (complete < committed && worker->index > 1) { // the first asks without a pause, the others also wait
            CT_WORKER_OK(worker, fm_point_wait(device, w->points[complete], CT_TIMEOUT_NS));
        }
    }
}

static void commit_or_watch(ct_worker *worker)
{
    if (worker->index == 0) {
        commit_points(worker, worker->shared);
    } else {
        watch_points(worker, worker->shared);
    }
}

static void learned_1_points_of_a_stream_complete_in_order_for_all_who_look(void **state)
{
    ct_fixture *f = *state;
    CT_OK(fm_device_close(&f->device, CT_TIMEOUT_NS));
    CT_OK(fm_device_open(f->device_name,
                         &(fm_device_info){.batches_in_flight = 8, .lists_in_flight = 16, .log = ct_log_nothing},
                         &f->device));
    CT_OK(fm_stream_create(f->device, NULL, &f->stream));
    watched *w = calloc(1, sizeof *w);
    assert_non_null(w);
    w->step = ct_kernel_step(f);
    w->buffer = ct_buffer(f, 4 * WORDS);
    w->stream = f->stream;
    ct_run_workers(f, 1 + WATCHERS, commit_or_watch, w);
    free(w);
}

// --- LEARNED-4: a reader waits, others go on ---------------------------------------------------------------------------

typedef struct reading {
    fm_buffer buffer;
    uint32_t words[16];
    atomic_bool started;
    atomic_bool done;
} reading;

static void read_behind_the_gate(ct_worker *worker)
{
    reading *r = worker->shared;
    atomic_store(&r->started, true);
    CT_WORKER_OK(worker, fm_buffer_read(worker->fixture->device, worker->fixture->stream, r->buffer, 0, sizeof r->words,
                                        r->words, CT_TIMEOUT_NS));
    atomic_store(&r->done, true);
}

static void learned_4_commits_go_on_while_a_reader_waits(void **state)
{
    ct_fixture *f = *state;
    reading r = {.buffer = ct_buffer(f, 64)};
    fm_stream other;
    CT_OK(fm_stream_create(f->device, NULL, &other));
    fm_commands *commands = ct_begin(f);
    ct_record_gate(f, commands, r.buffer);
    CT_OK(fm_fill(commands, r.buffer, 0, FM_WHOLE_SIZE, 9));
    ct_commit(&commands, f->stream);
    ct_worker reader;
    ct_start_worker(f, &reader, read_behind_the_gate, &r);
    while (!atomic_load(&r.started)) { // from here on it waits, or is about to
    }
    fm_point last = {{0}, 0};
    for (uint32_t i = 0; i < 100; i++) {
        fm_buffer buffer = ct_buffer(f, 256);
        commands = ct_begin(f);
        CT_OK(fm_upload(commands, buffer, 0, 4, &i));
        last = ct_commit(&commands, i % 2 ? other : f->stream);
        CT_OK(fm_buffer_destroy(f->device, buffer));
    }
    if (ct_gate_is_exact(f)) assert_false(atomic_load(&r.done));
    ct_gate_open(f);
    ct_join_worker(&reader);
    for (uint32_t i = 0; i < 16; i++) assert_int_equal(r.words[i], 9);
    CT_OK(fm_point_wait(f->device, last, CT_TIMEOUT_NS));
}

// --- LEARNED-6: memory around recorded commands changes ----------------------------------------------------------------

static void learned_6_recorded_commands_reach_their_memory_when_all_around_changes(void **state)
{
    ct_fixture *f = *state;
    enum { COUNT = 64, BYTES = 1 << 14 };
    fm_kernel add = ct_kernel_add(f);
    fm_buffer kept[COUNT], gone[COUNT], source = ct_buffer(f, BYTES);
    for (uint32_t i = 0; i < COUNT; i++) {
        kept[i] = ct_buffer(f, BYTES);
        gone[i] = ct_buffer(f, 3 * BYTES);
    }
    fm_commands *commands = ct_begin(f);
    for (uint32_t i = 0; i < COUNT; i++) CT_OK(ct_record_add(commands, add, source, kept[i], BYTES / 8, i + 1));
    for (uint32_t i = 0; i < COUNT; i++) CT_OK(fm_buffer_destroy(f->device, gone[i]));
    fm_kernel set = ct_kernel_set(f);
    for (uint32_t i = 0; i < COUNT; i++) { // in the gaps and beyond, written by other work
        uint32_t words = BYTES / 4 * (i % 7 + 1);
        fm_buffer other = ct_buffer(f, 4 * (uint64_t)words);
        fm_commands *now = ct_begin(f);
        CT_OK(ct_record_set(now, set, other, words, UINT32_MAX));
        ct_commit(&now, f->stream);
        if (i % 2) CT_OK(fm_buffer_destroy(f->device, other));
    }
    ct_finish(f, commands);
    for (uint32_t i = 0; i < COUNT; i++) {
        uint32_t words[BYTES / 4];
        ct_read(f, kept[i], 0, sizeof words, words);
        for (uint32_t k = 0; k < BYTES / 4; k++) assert_int_equal(words[k], k < BYTES / 8 ? i + 1 : 0);
    }
}

// --- LEARNED-13: as few barriers as dependences need -------------------------------------------------------------------

static fm_device_stats run_adds(ct_fixture *f, fm_kernel add, const fm_buffer *buffers, uint32_t count, bool chained)
{
    ct_wait_idle(f);
    fm_device_stats before = ct_stats(f);
    fm_commands *commands = ct_begin(f);
    for (uint32_t i = 0; i < count; i++) {
        CT_OK(ct_record_add(commands, add, buffers[chained ? i : 0], buffers[i + 1], WORDS, 1));
    }
    ct_finish(f, commands);
    ct_wait_idle(f);
    fm_device_stats after = ct_stats(f);
    return (fm_device_stats){.waves = after.waves - before.waves, .barriers = after.barriers - before.barriers};
}

static void learned_13_barriers_stand_where_commands_depend_and_nowhere_else(void **state)
{
    ct_fixture *f = *state;
    enum { COUNT = 40 };
    fm_kernel add = ct_kernel_add(f);
    fm_buffer buffers[COUNT + 1];
    for (uint32_t i = 0; i <= COUNT; i++) buffers[i] = ct_buffer(f, 4 * WORDS);
    fm_device_stats independent = run_adds(f, add, buffers, COUNT, false);
    assert_int_equal(independent.waves, 1);
    assert_true(independent.barriers <= 1); // at most the one against earlier batches
    fm_device_stats chain = run_adds(f, add, buffers, COUNT, true);
    assert_int_equal(chain.waves, COUNT);
    ct_expect_words(f, buffers[COUNT], WORDS, COUNT);
}

int ct_group_learned(void)
{
    const struct CMUnitTest tests[] = {
        CT_TEST(learned_1_points_of_a_stream_complete_in_order_for_all_who_look),
        CT_TEST(learned_4_commits_go_on_while_a_reader_waits),
        CT_TEST(learned_6_recorded_commands_reach_their_memory_when_all_around_changes),
        CT_TEST(learned_13_barriers_stand_where_commands_depend_and_nowhere_else),
    };
    return cmocka_run_group_tests_name("learned", tests, NULL, NULL);
}
