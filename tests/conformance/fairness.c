// Fairness: a stream that floods cannot starve one that trickles. Asserts on order and counts alone: every list of the flood adds to a
// clock in the device's memory, and a list of the trickle reads that clock where it runs. The same, command by command: tests/simulation.
#include "groups.h"
#include "threads.h"

enum {
    FLOODS = 4,   // streams that flood
    BATCH = 1024, // lists of a batch at most: one may be in flight already
    TURN = 64,    // commands of a stream's turn
    LISTS = 1000, // of each flood; all of them fit under the in-flight limit
    ROUNDS = 20,  // lists of the trickle
    COUNTED = 64, // that one dispatch adds to the clock
};

typedef struct flood {
    fm_kernel count;
    fm_buffer clock;
    fm_stream streams[FLOODS];
    _Atomic(uint32_t) committed; // lists of all floods
    _Atomic(bool) stop;
} flood;

static void open_with_one_batch(ct_fixture *f, flood *out)
{
    CT_OK(fm_device_close(&f->device, CT_TIMEOUT_NS));
    fm_device_info open = {.batches_in_flight = 1, .log = ct_log_nothing};
    CT_OK(fm_device_open(f->device_name, &open, &f->device));
    CT_OK(fm_stream_create(f->device, NULL, &f->stream));
    out->count = ct_kernel_count(f);
    out->clock = ct_buffer(f, 4);
    for (uint32_t i = 0; i < FLOODS; i++) CT_OK(fm_stream_create(f->device, NULL, &out->streams[i]));
}

static fm_status commit_tick(fm_device *device, const flood *all, fm_stream stream)
{
    fm_commands *commands = NULL;
    fm_dispatch_info info = ct_dispatch_info(all->count, 1, CT_BINDINGS({.buffer = all->clock}), NULL, 0);
    fm_status status = fm_commands_begin(device, NULL, &commands);
    if (status == FM_OK) status = fm_dispatch(commands, &info);
    if (status == FM_OK) status = fm_commit(&commands, &(fm_commit_info){.stream = stream}, NULL);
    return status;
}

// How many of the stream's `committed` lists are complete.
static uint32_t completed_of(ct_fixture *f, fm_stream stream, uint32_t committed)
{
    uint32_t complete = 0, open = committed + 1;
    while (open - complete > 1) {
        uint32_t middle = complete + (open - complete) / 2;
        *(fm_point_poll(f->device, (fm_point){stream, middle}) == FM_OK ? &complete : &open) = middle;
    }
    return complete;
}

// Where everything waits behind one batch, as it does on the host device for certain, a queue in the order of commits would run all 4,000
// lists first.
static void fairness_a_list_behind_a_flood_runs_after_a_turn_of_each_stream(void **state)
{
    ct_fixture *f = *state;
    flood all = {.stop = false};
    open_with_one_batch(f, &all);
    fm_buffer door = ct_buffer(f, 4);
    (void)ct_commit_gate(f, f->stream, door);
    for (uint32_t i = 0; i < FLOODS * LISTS; i++) CT_OK(commit_tick(f->device, &all, all.streams[i % FLOODS]));
    uint32_t complete = 0, seen = 0;
    fm_stream trickle;
    CT_OK(fm_stream_create(f->device, NULL, &trickle));
    fm_commands *commands = ct_begin(f);
    CT_OK(fm_read(commands, all.clock, 0, sizeof seen, &seen));
    fm_point point = ct_commit(&commands, trickle);
    for (uint32_t i = 0; i < FLOODS; i++) complete += completed_of(f, all.streams[i], LISTS);
    if (ct_gate_is_exact(f)) assert_int_equal(complete, 0);
    ct_gate_open(f);
    CT_OK(fm_point_wait(f->device, point, CT_TIMEOUT_NS));
    // Before it runs what was in flight when it was committed, and a turn of each stream. (A second batch is for devices that take two.)
    assert_true(seen / COUNTED <= complete + 2 * BATCH + FLOODS * TURN);
    ct_wait_idle(f);
    ct_expect_words(f, all.clock, 1, FLOODS * LISTS * COUNTED); // nor is the flood forgotten
}

static void flood_until_told(ct_worker *worker)
{
    flood *all = worker->shared;
    fm_device *device = worker->fixture->device;
    while (!atomic_load(&all->stop)) {
        CT_WORKER_OK(worker, commit_tick(device, all, all->streams[worker->index % FLOODS]));
        atomic_fetch_add(&all->committed, 1);
    }
}

static void trickle_beside(ct_worker *worker, flood *all)
{
    fm_device *device = worker->fixture->device;
    fm_stream stream;
    CT_WORKER_OK(worker, fm_stream_create(device, NULL, &stream));
    for (uint32_t k = 0; k < ROUNDS; k++) {
        fm_commands *commands = NULL;
        fm_point point;
        uint32_t seen = 0;
        CT_WORKER_OK(worker, fm_commands_begin(device, NULL, &commands));
        CT_WORKER_OK(worker, fm_read(commands, all->clock, 0, sizeof seen, &seen));
        CT_WORKER_OK(worker, fm_commit(&commands, &(fm_commit_info){.stream = stream}, &point));
        // Later lists may pass only in the turns before this stream's own; a flood thread counts its list after the commit.
        uint32_t earlier = atomic_load(&all->committed) + FLOODS;
        CT_WORKER_OK(worker, fm_point_wait(device, point, CT_TIMEOUT_NS));
        CT_WORKER_TRUE(worker, seen / COUNTED <= earlier + FLOODS * TURN);
    }
}

static void flood_or_trickle(ct_worker *worker)
{
    flood *all = worker->shared;
    if (worker->index < FLOODS) {
        flood_until_told(worker);
        return;
    }
    trickle_beside(worker, all);
    atomic_store(&all->stop, true);
}

// With threads that flood for as long as the trickle has not had all its lists: were they before it for ever, this would not end.
static void fairness_a_trickle_beside_threads_that_flood_is_passed_by_a_turn_at_most(void **state)
{
    ct_fixture *f = *state;
    flood all = {.stop = false};
    open_with_one_batch(f, &all);
    ct_run_workers(f, FLOODS + 1, flood_or_trickle, &all);
    ct_wait_idle(f);
    ct_expect_words(f, all.clock, 1, all.committed * COUNTED);
}

int ct_group_fairness(void)
{
    const struct CMUnitTest tests[] = {
        CT_TEST(fairness_a_list_behind_a_flood_runs_after_a_turn_of_each_stream),
        CT_TEST(fairness_a_trickle_beside_threads_that_flood_is_passed_by_a_turn_at_most),
    };
    return cmocka_run_group_tests_name("fairness", tests, NULL, NULL);
}
