// Settling: a thread whose wait is over goes on at once, and what was retired is let go of a little later, by whoever has time. Never is it
// forgotten. On a fake device, in one thread and perhaps a keeper.
#include "retire/retire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

enum { SPIN_NS = 200000000, LISTS = 2, LIMIT = 100, LOOKS = 3, KEEPER_MS = 20000 };

typedef struct bench {
    uint32_t looks;              // times that the device was asked
    uint32_t outstanding_at_end; // when the last batch was found complete
    uint64_t waiters;            // counted then
    fmi_pool pool;
    fmi_record_room room;
    fmi_engine engine;
    fmi_retirement r;
} bench;

// A batch more is complete every LOOKS looks.
static fm_status completed(fmi_backend *backend, uint32_t queue, uint64_t *out)
{
    (void)queue;
    bench *b = (bench *)(void *)backend;
    *out = ++b->looks / LOOKS;
    b->outstanding_at_end = *out == LISTS ? atomic_load(&b->r.outstanding) : b->outstanding_at_end;
    b->waiters = atomic_load(&b->r.waiters);
    return FM_OK;
}

static fm_status block(fmi_backend *backend, const uint64_t values[FMI_MOST_QUEUES], uint64_t timeout_ns)
{
    (void)backend, (void)values, (void)timeout_ns;
    return FM_OK;
}

static fm_status submit(fmi_backend *backend, fmi_batch_plan *plan)
{
    (void)backend, (void)plan;
    return FM_OK;
}

static const fmi_backend_ops ops = {.prefix = "fake", .completed = completed, .wait = block, .submit = submit};

static void set_up(bench *b, uint64_t spin_ns, bool has_keeper)
{
    memset(b, 0, sizeof *b);
    fmi_engine_init(&b->engine, &ops, (fmi_backend *)(void *)b, NULL, NULL,
                    &(fmi_engine_settings){.depth = FMI_MOST_BATCHES, .queue_count = 1});
    const fmi_retirement_settings settings = {
        .spin_ns = spin_ns, .has_keeper = has_keeper, .failures_kept = 1, .most_bytes = UINT64_MAX};
    b->room.pool = &b->pool;
    fmi_record_room_init(&b->room);
    assert_int_equal(fmi_retirement_init(&b->r, &b->engine, &b->room, NULL, NULL, &settings), FM_OK);
    b->r.waiting.most_spinners = 2; // wherever the test runs
}

// A list that its committing thread has let go of.
static fmi_list *make_list(bench *b)
{
    fmi_list *list = fmi_lanes_take_list(b->room.lanes);
    assert_non_null(list);
    assert_non_null(fmi_list_append(list, FMI_COMMAND_DISPATCH, 0, 0));
    atomic_store(&list->parties, 1);
    assert_true(fmi_retirement_count_in(&b->r, LIMIT));
    return list;
}

// Each list in a batch of its own.
static void commit_lists(bench *b)
{
    for (uint32_t i = 0; i < LISTS; i++) {
        fmi_engine_push(&b->engine, make_list(b));
        fmi_engine_kick(&b->engine);
    }
    assert_int_equal(fmi_engine_in_flight(&b->engine), LISTS);
}

static void tear_down(bench *b)
{
    assert_int_equal(atomic_load(&b->r.outstanding), 0);
    assert_null(atomic_load(&b->r.unsettled));
    fmi_retirement_destroy(&b->r);
    fmi_engine_destroy(&b->engine);
    fmi_record_room_destroy(&b->room);
}

static bool all_are_retired(void *context)
{
    bench *b = context;
    return fmi_engine_retired(&b->engine) == LISTS;
}

static void settle_comes_after_a_wait_without_a_pause(void **state)
{
    (void)state;
    static bench b;
    set_up(&b, SPIN_NS, false);
    commit_lists(&b);
    assert_int_equal(fmi_wait_until(&b.r, all_are_retired, &b, FM_FOREVER), FM_OK);
    assert_int_equal(b.outstanding_at_end, 1); // while it waited it had time: the first list was let go of
    assert_int_equal(atomic_load(&b.r.outstanding), 1);
    assert_non_null(atomic_load(&b.r.unsettled));
    fmi_settle(&b.r);
    tear_down(&b);
}

// Somebody waits for a place under the in-flight limit, and sleeps: that is no time to hurry.
static void settle_does_not_keep_places_waiting(void **state)
{
    (void)state;
    static bench b;
    set_up(&b, SPIN_NS, false);
    commit_lists(&b);
    atomic_store(&b.r.places.waiting, 1); // and will have been granted one
    assert_int_equal(fmi_wait_until(&b.r, all_are_retired, &b, FM_FOREVER), FM_OK);
    assert_int_equal(atomic_load(&b.r.outstanding), 0);
    atomic_store(&b.r.places.waiting, 0);
    tear_down(&b);
}

// The same by one who looks in the poller's place, because somebody leads. Without a waiter for a place it leaves settling to others.
static void settle_by_one_who_stands_in_is_for_places(void **state)
{
    (void)state;
    for (uint32_t waiting = 0; waiting < 2; waiting++) {
        static bench b;
        set_up(&b, SPIN_NS, false);
        commit_lists(&b);
        atomic_store(&b.r.waiting.poller, 1);
        atomic_store(&b.engine.seat, 1);
        atomic_store(&b.r.places.waiting, waiting);
        assert_int_equal(fmi_wait_until(&b.r, all_are_retired, &b, FM_FOREVER), FM_OK);
        assert_int_equal(atomic_load(&b.r.outstanding), waiting ? 0 : LISTS);
        atomic_store(&b.r.places.waiting, 0);
        fmi_settle(&b.r);
        tear_down(&b);
    }
}

// Who comes for a place too late to be seen by the one in a hurry settles for itself, before it sleeps.
static void settle_comes_before_a_wait_for_a_place(void **state)
{
    (void)state;
    static bench b;
    set_up(&b, SPIN_NS, false);
    atomic_store(&b.r.unsettled, make_list(&b));
    atomic_store(&b.r.waiting.poller, 1); // somebody else's
    b.r.waiting.most_spinners = 0;
    assert_int_equal(fmi_place_wait(&b.r, 1, FM_FOREVER), FM_OK); // else it sleeps for good
    fmi_retirement_count_out(&b.r);
    tear_down(&b);
}

// Where waits block nobody is in such a hurry.
static void settle_is_part_of_a_wait_that_blocks(void **state)
{
    (void)state;
    static bench b;
    set_up(&b, 0, false);
    commit_lists(&b);
    assert_int_equal(fmi_wait_until(&b.r, all_are_retired, &b, FM_FOREVER), FM_OK);
    tear_down(&b);
}

// Nor in a wait that cannot spin, and gives up unless the last look helps.
static void settle_is_part_of_a_last_look(void **state)
{
    (void)state;
    static bench b;
    set_up(&b, SPIN_NS, false);
    commit_lists(&b);
    b.looks = LISTS * LOOKS;
    atomic_store(&b.r.waiting.poller, 1);
    assert_int_equal(fmi_wait_until(&b.r, all_are_retired, &b, 0), FM_OK);
    assert_int_equal(b.waiters, FMI_WAITER);
    tear_down(&b);
}

static uint64_t batch_of(void *context, uint64_t submitted)
{
    (void)context;
    return submitted;
}

static void settle_is_part_of_a_direct_wait(void **state)
{
    (void)state;
    static bench b;
    set_up(&b, 0, false);
    commit_lists(&b);
    b.looks = LISTS * LOOKS;
    b.r.waiting.direct = true;
    assert_int_equal(fmi_wait_until_batch(&b.r, all_are_retired, batch_of, &b, FM_FOREVER), FM_OK);
    assert_int_equal(b.waiters,
                     FMI_RETURNING_WAITER); // a waiter, for the keeper, and one who comes back, for the engine
    assert_int_equal((uint32_t)b.waiters, 1);
    tear_down(&b);
}

static void settle_is_part_of_progress(void **state)
{
    (void)state;
    static bench b;
    set_up(&b, SPIN_NS, false);
    commit_lists(&b);
    for (uint32_t i = 0; i < LISTS * LOOKS; i++) {
        fmi_progress_unsettled(&b.r);
    }
    assert_true(all_are_retired(&b));
    assert_int_equal(atomic_load(&b.r.outstanding), LISTS);
    fmi_progress(&b.r); // though there is nothing to retire
    tear_down(&b);
}

// The program does nothing more: the keeper lets go.
static void settle_is_the_keepers_at_the_latest(void **state)
{
    (void)state;
    static bench b;
    set_up(&b, SPIN_NS, true);
    fmi_list *list = make_list(&b);
    atomic_store(&b.r.unsettled, list);
    fmi_keeper_notify(&b.r);
    for (int i = 0; i < KEEPER_MS && atomic_load(&b.r.outstanding) > 0; i++) {
        nanosleep(&(struct timespec){0, 1000000}, NULL);
    }
    tear_down(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(settle_comes_after_a_wait_without_a_pause),
        cmocka_unit_test(settle_does_not_keep_places_waiting),
        cmocka_unit_test(settle_by_one_who_stands_in_is_for_places),
        cmocka_unit_test(settle_comes_before_a_wait_for_a_place),
        cmocka_unit_test(settle_is_part_of_a_wait_that_blocks),
        cmocka_unit_test(settle_is_part_of_a_last_look),
        cmocka_unit_test(settle_is_part_of_a_direct_wait),
        cmocka_unit_test(settle_is_part_of_progress),
        cmocka_unit_test(settle_is_the_keepers_at_the_latest),
    };
    return cmocka_run_group_tests_name("retire_settle", tests, NULL, NULL);
}
