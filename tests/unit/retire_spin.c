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
    uint32_t looks;              // times that the device was asked
    uint32_t polled_in_looks;    // the most that were counted as polling then
    uint32_t blocks;             // times that it was waited for
    uint32_t polled_in_blocks;   // the most that were counted then
    uint32_t complete_at_blocks; // the batch is complete after so many
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
    b->polled_in_looks = larger(b->polled_in_looks, atomic_load(&b->engine.polled));
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

static const fmi_backend_ops ops = {.prefix = "fake", .completed = completed, .wait = block};

static void set_up(bench *b, uint64_t spin_ns)
{
    memset(b, 0, sizeof *b);
    fmi_engine_init(&b->engine, &ops, (fmi_backend *)(void *)b, NULL, NULL, FMI_MOST_BATCHES, 1);
    const fmi_backend_caps caps = {.manual = true}; // no keeper
    b->room.pool = &b->pool;
    assert_int_equal(fmi_retirement_init(&b->r, &b->engine, &b->room, NULL, NULL, &caps, spin_ns, 1, UINT64_MAX),
                     FM_OK);
    b->r.waiting.most_spinners = MANY_PROCESSORS; // wherever the test runs
    fmi_queue *queue = &b->engine.queues[0];
    queue->ring[0].value = 1;
    atomic_store(&queue->submitted_value, 1);
    atomic_store(&queue->head, 1);
}

static void tear_down(bench *b)
{
    assert_int_equal(atomic_load(&b->engine.polled), 0);
    assert_int_equal(atomic_load(&b->r.waiting.spinners), 0);
    fmi_retirement_destroy(&b->r);
    fmi_engine_destroy(&b->engine);
}

static bool is_retired(void *context)
{
    return atomic_load(&((bench *)context)->engine.queues[0].tail) == 1;
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
    assert_true(b.looks > b.blocks + 1);
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
    atomic_store(&b.r.waiting.spinners, MANY_PROCESSORS);
    assert_int_equal(fmi_wait_until(&b.r, is_retired, &b, FM_FOREVER), FM_OK);
    assert_int_equal(b.polled_in_looks, 0);
    assert_int_equal(b.blocks, 1);
    atomic_store(&b.r.waiting.spinners, 0);
    tear_down(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spin_poller_that_blocks_is_no_poller),
        cmocka_unit_test(spin_none_where_it_is_switched_off),
        cmocka_unit_test(spin_none_where_all_processors_poll),
    };
    return cmocka_run_group_tests_name("retire_spin", tests, NULL, NULL);
}
