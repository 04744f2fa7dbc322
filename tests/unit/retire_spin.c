// Polling: who waits polls the device for as long as that is worth it, then blocks, and while it blocks nobody may count on its looks.
// On a fake device, in one thread: what happens meanwhile happens when the device is asked, or waited for.
#include "retire/retire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SPIN_NS = 200000, MANY_PROCESSORS = 8 };

typedef struct bench {
    uint32_t others;             // counted as polling who are none of this test's threads
    uint32_t looks;              // times that the device was asked
    uint32_t polled_in_looks;    // the most that were counted as polling then
    uint32_t blocks;             // times that it was waited for
    uint32_t polled_in_blocks;   // the most that were counted then
    uint32_t complete_at_blocks; // the batch is complete after so many
    uint32_t most_polled;        // the most that were counted when the waiting thread looked at its own counter
    fmi_list *pushed;            // by another thread, once somebody is counted; NULL: nothing is
    uint32_t taken_polled;       // how many were counted when that was submitted
    fmi_pool pool;
    fmi_record_room room;
    fmi_engine engine;
    fmi_retirement r;
} bench;

static uint32_t larger(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

static fm_status completed(fmi_backend *backend, uint32_t queue, uint64_t *out)
{
    (void)queue;
    bench *b = (bench *)(void *)backend;
    b->looks++;
    b->polled_in_looks = larger(b->polled_in_looks, atomic_load(&b->engine.polled) - b->others);
    *out = b->blocks >= b->complete_at_blocks;
    return FM_OK;
}

static fm_status block(fmi_backend *backend, const uint64_t values[FMI_MOST_QUEUES], uint64_t timeout_ns)
{
    (void)values, (void)timeout_ns;
    bench *b = (bench *)(void *)backend;
    b->blocks++;
    b->polled_in_blocks = larger(b->polled_in_blocks, atomic_load(&b->engine.polled));
    return FM_OK;
}

static fm_status submit(fmi_backend *backend, fmi_batch_plan *plan)
{
    (void)plan;
    bench *b = (bench *)(void *)backend;
    b->taken_polled = atomic_load(&b->engine.polled);
    return FM_OK;
}

static const fmi_backend_ops ops = {.prefix = "fake", .completed = completed, .wait = block, .submit = submit};

static void set_up(bench *b, uint64_t spin_ns)
{
    memset(b, 0, sizeof *b);
    fmi_engine_init(&b->engine, &ops, (fmi_backend *)(void *)b, NULL, NULL,
                    &(fmi_engine_settings){.depth = FMI_MOST_BATCHES, .queue_count = 1});
    const fmi_retirement_settings settings = {.spin_ns = spin_ns, .failures_kept = 1, .most_bytes = UINT64_MAX};
    b->room.pool = &b->pool;
    assert_int_equal(fmi_retirement_init(&b->r, &b->engine, &b->room, NULL, NULL, &settings), FM_OK);
    b->r.waiting.most_spinners = MANY_PROCESSORS; // wherever the test runs
    fmi_queue *queue = &b->engine.queues[0];
    queue->ring[0].value = 1;
    atomic_store(&queue->submitted_value, 1);
    atomic_store(&queue->head, 1);
}

static void set_others(bench *b, uint32_t others)
{
    b->others = others;
    atomic_store(&b->engine.polled, others);
}

static void tear_down(bench *b)
{
    assert_int_equal(atomic_load(&b->engine.polled), b->others);
    fmi_retirement_destroy(&b->r);
    fmi_engine_destroy(&b->engine);
}

static bool is_retired(void *context)
{
    bench *b = context;
    uint32_t polled = atomic_load(&b->engine.polled) - b->others;
    b->most_polled = larger(b->most_polled, polled);
    if (b->pushed && polled > 0) {
        fmi_engine_push(&b->engine, b->pushed); // and that thread's own kick found the seat taken
        b->pushed = NULL;
    }
    return atomic_load(&b->engine.queues[0].tail) > 0;
}

// ENGINE-1: lists are kept back for the sake of who polls, because that thread kicks at every look. Once it blocks it does not.
static void spin_poller_that_blocks_is_no_poller(void **state)
{
    (void)state;
    static bench b;
    set_up(&b, SPIN_NS);
    b.complete_at_blocks = 2;
    assert_int_equal(fmi_wait_until(&b.r, is_retired, &b, FM_FOREVER), FM_OK);
    assert_int_equal(b.blocks, 2);
    assert_int_equal(b.polled_in_looks, 1); // it did poll
    assert_int_equal(b.polled_in_blocks, 0);
    tear_down(&b);
}

static void spin_none_where_it_is_switched_off(void **state)
{
    (void)state;
    static bench b;
    set_up(&b, 0);
    b.complete_at_blocks = 1;
    assert_int_equal(fmi_wait_until(&b.r, is_retired, &b, FM_FOREVER), FM_OK);
    assert_int_equal(b.polled_in_looks, 0);
    assert_int_equal(b.blocks, 1);
    tear_down(&b);
}

// Where no processor is to spare nobody polls, whatever the setting says.
static void spin_none_where_all_processors_poll(void **state)
{
    (void)state;
    static bench b;
    set_up(&b, SPIN_NS);
    b.complete_at_blocks = 1;
    set_others(&b, MANY_PROCESSORS);
    assert_int_equal(fmi_wait_until(&b.r, is_retired, &b, FM_FOREVER), FM_OK);
    assert_int_equal(b.polled_in_looks, 0);
    assert_int_equal(b.blocks, 1);
    tear_down(&b);
}

// Three times what is usual and a little more, never beyond the limit; next to nothing where that cannot be enough.
static void spin_budget_follows_what_is_usual(void **state)
{
    (void)state;
    static const struct {
        uint64_t usual_ns, most_ns, budget_ns;
    } cases[] = {
        {10000, 2000000, 60000},    {600000, 2000000, 1830000}, {700000, 2000000, 2000000}, {2000000, 2000000, 2000000},
        {2000001, 2000000, 125000}, {0, 2000000, 2000000},      {10000, 500000, 60000},     {500001, 500000, 31250},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(fmi_spin_budget_ns(cases[i].usual_ns, cases[i].most_ns), cases[i].budget_ns);
    }
}

// One place among those who wait without a pause is the poller's: a follower does not take it.
static void spin_followers_leave_the_poller_a_place(void **state)
{
    (void)state;
    static bench b;
    set_up(&b, SPIN_NS);
    b.complete_at_blocks = 1;
    atomic_store(&b.r.waiting.poller, 1); // somebody else's
    set_others(&b, MANY_PROCESSORS - 1);
    assert_int_equal(fmi_wait_until(&b.r, is_retired, &b, 2000000), FM_TIMEOUT);
    assert_int_equal(b.most_polled, 0); // it slept
    set_others(&b, MANY_PROCESSORS - 2);
    assert_int_equal(fmi_wait_until(&b.r, is_retired, &b, 2000000), FM_TIMEOUT);
    assert_int_equal(b.most_polled, 1);
    atomic_store(&b.r.waiting.poller, 0);
    set_others(&b, MANY_PROCESSORS - 1);
    assert_int_equal(fmi_wait_until(&b.r, is_retired, &b, FM_FOREVER), FM_OK);
    assert_int_equal(b.polled_in_looks, 1); // the seat was free, and so was its place
    tear_down(&b);
}

// ENGINE-1: the thread in the seat blocks, and another waits without a pause: so there is one that kicks.
static void spin_follower_kicks_while_the_poller_blocks(void **state)
{
    (void)state;
    for (uint32_t blocked = 0; blocked < 2; blocked++) {
        static bench b;
        set_up(&b, SPIN_NS);
        fmi_list list = {0};
        assert_non_null(fmi_list_append(&list, FMI_COMMAND_DISPATCH, 0, 0));
        b.pushed = &list;
        b.complete_at_blocks = 1;
        atomic_store(&b.r.waiting.poller, 1);
        atomic_store(&b.r.waiting.blocked, blocked);
        assert_int_equal(fmi_wait_until(&b.r, is_retired, &b, 20000000), FM_TIMEOUT);
        assert_null(b.pushed);
        assert_int_equal(atomic_load(&b.engine.queues[0].head), 2); // at the latest by the last look
        assert_int_equal(b.taken_polled, blocked);
        atomic_store(&b.engine.queues[0].tail, 2); // nothing is retired here
        fmi_arena_free(&list.arena);
        tear_down(&b);
    }
}

// While somebody leads, perhaps the thread in the seat, one of those who wait without a pause looks at the device: a submission may take
// long, and what is complete meanwhile is not noticed late. Not several at once.
static void spin_follower_looks_while_somebody_leads(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 4; i++) {
        static bench b;
        bool leads = i & 1, has_deputy = i & 2;
        set_up(&b, SPIN_NS);
        atomic_store(&b.r.waiting.poller, 1);
        atomic_store(&b.r.waiting.deputy, has_deputy);
        atomic_store(&b.engine.seat, leads);
        assert_int_equal(fmi_wait_until(&b.r, is_retired, &b, 20000000), FM_OK); // at the latest by the last look
        assert_int_equal(b.polled_in_looks, leads && !has_deputy);
        assert_int_equal(atomic_load(&b.r.waiting.deputy), has_deputy);
        tear_down(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spin_poller_that_blocks_is_no_poller),
        cmocka_unit_test(spin_none_where_it_is_switched_off),
        cmocka_unit_test(spin_none_where_all_processors_poll),
        cmocka_unit_test(spin_budget_follows_what_is_usual),
        cmocka_unit_test(spin_followers_leave_the_poller_a_place),
        cmocka_unit_test(spin_follower_kicks_while_the_poller_blocks),
        cmocka_unit_test(spin_follower_looks_while_somebody_leads),
    };
    return cmocka_run_group_tests_name("retire_spin", tests, NULL, NULL);
}
