// Streams: creating, destroying and resetting them, and what order there is within and between them.
// Polling, waiting and callbacks are in the point group; failures in the failure group.
#include "groups.h"
#include "threads.h"

static fm_stream stream_of(fm_device *device)
{
    fm_stream stream = {0};
    CT_OK(fm_stream_create(device, NULL, &stream));
    assert_true(stream.id != 0);
    return stream;
}

static void stream_create_without_a_place_to_store_is_invalid(void **state)
{
    ct_fixture *f = *state;
    CT_STATUS(fm_stream_create(f->device, NULL, NULL), FM_ERROR_INVALID_ARGUMENT);
    CT_STATUS(fm_stream_create(f->device, &(fm_stream_info){.label = "label"}, NULL), FM_ERROR_INVALID_ARGUMENT);
}

static void stream_destroy_of_bad_handles_is_an_answer(void **state)
{
    ct_fixture *f = *state;
    fm_stream stream = stream_of(f->device);
    CT_OK(fm_stream_destroy(f->device, (fm_stream){0}));
    CT_STATUS(fm_stream_destroy(ct_other_device(f), stream), FM_ERROR_FOREIGN_HANDLE);
    CT_OK(fm_stream_destroy(f->device, stream));
    CT_STATUS(fm_stream_destroy(f->device, stream), FM_ERROR_STALE_HANDLE);
    CT_REFUSED(fm_stream_destroy(f->device, (fm_stream){UINT64_MAX}));
}

static void stream_reset_of_bad_handles_is_an_answer(void **state)
{
    ct_fixture *f = *state;
    fm_stream stream = stream_of(f->device);
    CT_OK(fm_stream_reset(f->device, stream, 0)); // it has not failed
    CT_STATUS(fm_stream_reset(f->device, (fm_stream){0}, 0), FM_ERROR_NULL_HANDLE);
    CT_STATUS(fm_stream_reset(ct_other_device(f), stream, 0), FM_ERROR_FOREIGN_HANDLE);
    CT_OK(fm_stream_destroy(f->device, stream));
    CT_STATUS(fm_stream_reset(f->device, stream, 0), FM_ERROR_STALE_HANDLE);
}

static void stream_slots_are_used_again_and_old_handles_stay_stale(void **state)
{
    ct_fixture *f = *state;
    fm_buffer buffer = ct_buffer(f, 64);
    fm_stream old[200];
    for (uint32_t i = 0; i < 200; i++) {
        old[i] = stream_of(f->device);
        fm_commands *commands = ct_begin(f);
        CT_OK(fm_fill(commands, buffer, 0, FM_WHOLE_SIZE, i));
        fm_point point = ct_commit(&commands, old[i]);
        assert_int_equal(point.value, 1); // each stream counts from 1
        CT_OK(fm_point_wait(f->device, point, CT_TIMEOUT_NS));
        CT_OK(fm_stream_destroy(f->device, old[i]));
        CT_STATUS(fm_point_poll(f->device, point), FM_ERROR_STALE_HANDLE);
    }
    fm_stream live = stream_of(f->device);
    for (uint32_t i = 0; i < 200; i++) {
        assert_true(old[i].id != live.id);
        CT_STATUS(fm_stream_destroy(f->device, old[i]), FM_ERROR_STALE_HANDLE);
    }
    ct_expect_words(f, buffer, 16, 199);
}

// The newest point covers what was committed, by whichever call, and nothing else.
static void stream_newest_point_covers_what_was_committed(void **state)
{
    ct_fixture *f = *state;
    fm_stream stream = stream_of(f->device);
    fm_point newest = {{5}, 5};
    CT_OK(fm_stream_get_newest(f->device, stream, &newest));
    assert_true(newest.stream.id == 0 && newest.value == 0); // the null point, which is complete
    CT_OK(fm_point_poll(f->device, newest));
    fm_buffer buffer = ct_buffer(f, 64);
    fm_point gate = ct_commit_gate(f, stream, buffer);
    CT_OK(fm_stream_get_newest(f->device, stream, &newest));
    assert_true(newest.stream.id == stream.id && newest.value == gate.value);
    if (ct_gate_is_exact(f)) CT_STATUS(fm_point_poll(f->device, newest), FM_NOT_READY);
    fm_commands *commands = ct_begin(f);
    CT_OK(fm_fill(commands, buffer, 0, FM_WHOLE_SIZE, 3));
    fm_point point = ct_commit(&commands, stream);
    CT_OK(fm_stream_get_newest(f->device, stream, &newest));
    assert_true(newest.value == point.value && newest.value > gate.value);
    ct_gate_open(f);
    CT_OK(fm_point_wait(f->device, newest, CT_TIMEOUT_NS));
    CT_OK(fm_point_poll(f->device, point));
    uint32_t word = 8;
    CT_OK(fm_buffer_write(f->device, stream, buffer, 0, 4, &word, CT_TIMEOUT_NS));
    CT_OK(fm_stream_get_newest(f->device, stream, &newest));
    assert_true(newest.value > point.value); // the write's, which has returned no point
    CT_OK(fm_point_wait(f->device, newest, CT_TIMEOUT_NS));
    CT_OK(fm_stream_get_newest(f->device, f->stream, &newest));
    assert_true(newest.stream.id == 0); // another stream's commits are none of this one's
}

static void stream_newest_point_of_bad_handles_is_an_answer(void **state)
{
    ct_fixture *f = *state;
    fm_stream stream = stream_of(f->device);
    fm_point newest = {{5}, 5};
    CT_STATUS(fm_stream_get_newest(f->device, stream, NULL), FM_ERROR_INVALID_ARGUMENT);
    CT_STATUS(fm_stream_get_newest(f->device, (fm_stream){0}, &newest), FM_ERROR_NULL_HANDLE);
    assert_true(newest.stream.id == 0 && newest.value == 0);
    CT_STATUS(fm_stream_get_newest(ct_other_device(f), stream, &newest), FM_ERROR_FOREIGN_HANDLE);
    CT_OK(fm_stream_destroy(f->device, stream));
    CT_STATUS(fm_stream_get_newest(f->device, stream, &newest), FM_ERROR_STALE_HANDLE);
}

// LEARNED-12: committed work runs to its end, and its callback comes, though the stream is gone.
static void stream_destroyed_with_work_in_flight_finishes_it(void **state)
{
    ct_fixture *f = *state;
    ct_calls calls;
    ct_calls_init(&calls);
    fm_kernel step = ct_kernel_step(f);
    fm_buffer buffer = ct_buffer(f, 4096);
    fm_stream stream = stream_of(f->device);
    uint32_t words[1024];
    memset(words, CT_POISON, sizeof words);
    ct_commit_gate(f, stream, buffer);
    fm_commands *commands = ct_begin(f);
    for (uint32_t i = 0; i < 10; i++) CT_OK(ct_record_set(commands, step, buffer, 1024, 1));
    CT_OK(fm_read(commands, buffer, 0, sizeof words, words));
    fm_point point = ct_commit(&commands, stream);
    CT_OK(fm_point_on_complete(f->device, point, ct_calls_record, &calls));
    CT_OK(fm_stream_destroy(f->device, stream));
    CT_STATUS(fm_point_poll(f->device, point), FM_ERROR_STALE_HANDLE);
    CT_STATUS(fm_point_wait(f->device, point, CT_TIMEOUT_NS), FM_ERROR_STALE_HANDLE);
    CT_STATUS(fm_point_on_complete(f->device, point, ct_calls_record, &calls), FM_ERROR_STALE_HANDLE);
    ct_gate_open(f);
    assert_true(ct_calls_reach(&calls, 1));
    for (uint32_t i = 0; i < 1024; i++) assert_int_equal(words[i], 1023); // written before the callback
    ct_wait_idle(f);
    CT_OK(fm_device_close(&f->device, CT_TIMEOUT_NS));
    assert_int_equal(ct_calls_count(&calls), 1);
    ct_calls_destroy(&calls);
}

static void stream_with_a_thousand_siblings_keeps_its_own_order(void **state)
{
    ct_fixture *f = *state;
    enum { STREAMS = 1000 };
    fm_buffer buffer = ct_buffer(f, 4 * STREAMS);
    fm_stream streams[STREAMS];
    fm_point points[STREAMS];
    for (uint32_t i = 0; i < STREAMS; i++) streams[i] = stream_of(f->device);
    for (uint32_t round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < STREAMS; i++) {
            fm_commands *commands = ct_begin(f);
            CT_OK(fm_fill(commands, buffer, 4 * (uint64_t)i, 4, i * 2 + round));
            points[i] = ct_commit(&commands, streams[i]);
            assert_int_equal(points[i].value, round + 1);
        }
    }
    for (uint32_t i = 0; i < STREAMS; i++) CT_OK(fm_point_wait(f->device, points[i], CT_TIMEOUT_NS));
    uint32_t words[STREAMS];
    ct_read(f, buffer, 0, sizeof words, words);
    for (uint32_t i = 0; i < STREAMS; i++) assert_int_equal(words[i], i * 2 + 1);
}

// READ-3: completion of a point covers all earlier ones of its stream.
static void stream_points_complete_in_commit_order(void **state)
{
    ct_fixture *f = *state;
    fm_kernel step = ct_kernel_step(f);
    fm_buffer buffers[4];
    for (uint32_t i = 0; i < 4; i++) buffers[i] = ct_buffer(f, 4096);
    fm_point points[100];
    for (uint32_t i = 0; i < 100; i++) {
        fm_commands *commands = ct_begin(f);
        for (uint32_t k = 0; k <= i % 5; k++) CT_OK(ct_record_set(commands, step, buffers[i % 4], 1024, 1));
        points[i] = ct_commit(&commands, f->stream);
    }
    uint32_t done = 0;
    while (done < 100) {
        for (uint32_t i = 100; i-- > 0;) { // from the back, so that what is found complete covers the rest
            fm_status status = fm_point_poll(f->device, points[i]);
            CT_EITHER(status, FM_OK, FM_NOT_READY);
            if (status == FM_NOT_READY) continue;
            for (uint32_t k = 0; k < i; k++) CT_OK(fm_point_poll(f->device, points[k]));
            done = done > i + 1 ? done : i + 1;
            break;
        }
        if (done < 100) CT_OK(fm_point_wait(f->device, points[done], CT_TIMEOUT_NS));
    }
}

// Ping-pong between two streams by `after` points alone, without a wait on the CPU (RETIRE-7).
static void streams_chained_by_points_run_in_that_order(void **state)
{
    ct_fixture *f = *state;
    fm_stream streams[3] = {f->stream, stream_of(f->device), stream_of(f->device)};
    fm_kernel step = ct_kernel_step(f);
    fm_buffer buffer = ct_buffer(f, 1024);
    fm_point last = {{0}, 0};
    uint32_t expected = 0;
    for (uint32_t i = 0; i < 300; i++) {
        fm_commands *commands = ct_begin(f);
        CT_OK(ct_record_set(commands, step, buffer, 256, i));
        fm_commit_info info = {.stream = streams[i % 3], .after = &last, .after_count = 1};
        CT_OK(fm_commit(&commands, &info, &last));
        expected = 2 * expected + i;
    }
    CT_OK(fm_point_wait(f->device, last, CT_TIMEOUT_NS));
    ct_expect_words(f, buffer, 256, expected);
}

// A list after the points of many streams sees all their work.
static void stream_after_many_points_sees_all_of_them(void **state)
{
    ct_fixture *f = *state;
    enum { STREAMS = 40 };
    fm_kernel set = ct_kernel_set(f);
    fm_buffer target = ct_buffer(f, 4 * STREAMS);
    fm_buffer sources[STREAMS];
    fm_point points[STREAMS];
    for (uint32_t i = 0; i < STREAMS; i++) {
        sources[i] = ct_buffer(f, 1 << 16);
        fm_commands *commands = ct_begin(f);
        for (uint32_t k = 0; k < 4; k++) CT_OK(ct_record_set(commands, set, sources[i], 1 << 14, k * 100 + i));
        points[i] = ct_commit(&commands, stream_of(f->device));
    }
    fm_commands *commands = ct_begin(f);
    for (uint32_t i = 0; i < STREAMS; i++)
        CT_OK(fm_copy(commands, sources[i], (1 << 16) - 4, target, 4 * (uint64_t)i, 4));
    uint32_t words[STREAMS];
    memset(words, CT_POISON, sizeof words);
    CT_OK(fm_read(commands, target, 0, sizeof words, words));
    fm_point point;
    fm_commit_info info = {.stream = f->stream, .after = points, .after_count = STREAMS};
    CT_OK(fm_commit(&commands, &info, &point));
    memset(points, CT_POISON, sizeof points); // copied at the call
    CT_OK(fm_point_wait(f->device, point, CT_TIMEOUT_NS));
    for (uint32_t i = 0; i < STREAMS; i++) assert_int_equal(words[i], 300 + i);
}

int ct_group_stream(void)
{
    const struct CMUnitTest tests[] = {
        CT_TEST(stream_create_without_a_place_to_store_is_invalid),
        CT_TEST(stream_destroy_of_bad_handles_is_an_answer),
        CT_TEST(stream_reset_of_bad_handles_is_an_answer),
        CT_TEST(stream_slots_are_used_again_and_old_handles_stay_stale),
        CT_TEST(stream_newest_point_covers_what_was_committed),
        CT_TEST(stream_newest_point_of_bad_handles_is_an_answer),
        CT_TEST(stream_destroyed_with_work_in_flight_finishes_it),
        CT_TEST(stream_with_a_thousand_siblings_keeps_its_own_order),
        CT_TEST(stream_points_complete_in_commit_order),
        CT_TEST(streams_chained_by_points_run_in_that_order),
        CT_TEST(stream_after_many_points_sees_all_of_them),
    };
    return cmocka_run_group_tests_name("stream", tests, NULL, NULL);
}
