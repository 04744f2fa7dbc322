// Waiting for several points on a fake device, in one thread: what happens while the wait is under way happens when the device is asked
// how far it is. So a stream dies at a moment that no test of threads could choose.
#include "retire/retire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { STREAMS = 40 }; // more than a wait has room for without asking for memory

typedef struct bench {
    uint32_t asked;         // times that the device was asked
    uint32_t complete_last; // streams that become complete by then, the last ones of the table
    uint32_t alive;         // of the streams, after their handles were destroyed
    fmi_table streams;
    uint64_t ids[STREAMS];
    fm_point points[STREAMS];
    fmi_pool pool;
    fmi_record_room room;
    fmi_engine engine;
    fmi_retirement r;
} bench;

static fmi_stream *stream_of(bench *b, uint32_t i)
{
    return (fmi_stream *)fmi_table_slot(&b->streams, fmi_id_index(b->ids[i]));
}

// The first time all handles die; the second time some streams' work is complete.
static fm_status completed(fmi_backend *backend, uint32_t queue, uint64_t *out)
{
    (void)queue;
    bench *b = (bench *)(void *)backend;
    b->asked++;
    for (uint32_t i = 0; i < STREAMS && b->asked == 1; i++) {
        assert_int_equal(fmi_table_kill(&b->streams, b->ids[i]), FM_OK);
        b->alive = atomic_load(&b->streams.alive);
    }
    for (uint32_t i = STREAMS - b->complete_last; i < STREAMS && b->asked == 2; i++) {
        atomic_store(&stream_of(b, i)->completed, 1);
    }
    *out = 0;
    return FM_OK;
}

static fm_status block(fmi_backend *backend, const uint64_t values[FMI_MOST_QUEUES], uint64_t timeout_ns)
{
    (void)backend, (void)values, (void)timeout_ns;
    return FM_TIMEOUT;
}

static const fmi_backend_ops ops = {.prefix = "fake", .completed = completed, .wait = block};

static void set_up(bench *b, uint32_t complete_last)
{
    memset(b, 0, sizeof *b);
    b->complete_last = complete_last;
    fmi_engine_init(&b->engine, &ops, (fmi_backend *)(void *)b, NULL, NULL,
                    &(fmi_engine_settings){.depth = FMI_MOST_BATCHES, .queue_count = 1});
    const fmi_retirement_settings settings = {.failures_kept = 1, .most_bytes = UINT64_MAX};
    b->room.pool = &b->pool;
    assert_int_equal(fmi_table_init(&b->streams, sizeof(fmi_stream), "stream", 1, 1, fmi_stream_free, NULL), FM_OK);
    assert_int_equal(fmi_retirement_init(&b->r, &b->engine, &b->room, &b->streams, NULL, &settings), FM_OK);
    for (uint32_t i = 0; i < STREAMS; i++) {
        assert_int_equal(fmi_stream_create(&b->streams, NULL, &b->ids[i]), FM_OK);
        atomic_store(&stream_of(b, i)->committed, 1);
        b->points[i] = (fm_point){{b->ids[i]}, 1};
    }
    fmi_queue *queue = &b->engine.queues[0];
    queue->ring[0].value = 1; // a batch in flight: else nobody asks the device
    atomic_store(&queue->submitted_value, 1);
    atomic_store(&queue->head, 1);
}

static void tear_down(bench *b)
{
    assert_int_equal(atomic_load(&b->streams.alive), 0); // nothing is held any more
    atomic_store(&b->engine.queues[0].tail, 1);
    fmi_retirement_destroy(&b->r);
    fmi_engine_destroy(&b->engine);
    fmi_table_destroy(&b->streams);
}

static void points_of_streams_that_die_meanwhile_are_held_until_all_are_complete_learned_12(void **state)
{
    (void)state;
    static bench b;
    set_up(&b, STREAMS);
    assert_int_equal(fmi_point_wait_several(&b.r, b.points, STREAMS, FM_FOREVER, NULL, "test"), FM_OK);
    assert_int_equal(b.alive, STREAMS);
    assert_int_equal(b.asked, 2);
    assert_int_equal(fmi_point_wait_several(&b.r, b.points, STREAMS, 0, NULL, "test"), FM_ERROR_STALE_HANDLE);
    tear_down(&b);
}

static void points_of_streams_that_die_meanwhile_are_held_until_one_is_complete_learned_12(void **state)
{
    (void)state;
    static bench b;
    set_up(&b, 3);
    uint32_t index = FM_NO_POINT;
    assert_int_equal(fmi_point_wait_several(&b.r, b.points, STREAMS, FM_FOREVER, &index, "test"), FM_OK);
    assert_int_equal(index, STREAMS - 3); // the first of those that are
    assert_int_equal(b.alive, STREAMS);
    tear_down(&b);
}

static void points_that_time_out_are_let_go_of_learned_3(void **state)
{
    (void)state;
    static bench b;
    set_up(&b, STREAMS - 1);
    assert_int_equal(fmi_point_wait_several(&b.r, b.points, STREAMS, 3000000, NULL, "test"), FM_TIMEOUT);
    tear_down(&b);
}

// The last is refused: those before it were held already.
static void points_before_a_refused_one_are_let_go_of(void **state)
{
    (void)state;
    static bench b;
    set_up(&b, 0);
    for (uint32_t round = 0; round < 2; round++) {
        b.points[STREAMS - 1] = round ? (fm_point){{b.ids[0] + 2}, 1} : (fm_point){{b.ids[0]}, 2};
        assert_int_equal(fmi_point_wait_several(&b.r, b.points, STREAMS, 3000000, NULL, "test"),
                         round ? FM_ERROR_STALE_HANDLE : FM_ERROR_INVALID_ARGUMENT);
        assert_int_equal(b.asked, 0);
    }
    for (uint32_t i = 0; i < STREAMS; i++) {
        assert_int_equal(fmi_table_kill(&b.streams, b.ids[i]), FM_OK);
    }
    tear_down(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(points_of_streams_that_die_meanwhile_are_held_until_all_are_complete_learned_12),
        cmocka_unit_test(points_of_streams_that_die_meanwhile_are_held_until_one_is_complete_learned_12),
        cmocka_unit_test(points_that_time_out_are_let_go_of_learned_3),
        cmocka_unit_test(points_before_a_refused_one_are_let_go_of),
    };
    return cmocka_run_group_tests_name("retire_points", tests, NULL, NULL);
}
