// Lanes: what a thread took and gives back it finds again, other threads do not get in its way, and what is kept stays within limits.
// Real threads, one after the other.
#include "record/recorder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { LONG_BYTES = 60000, MANY = 300 };

static const fmi_backend_caps caps;

typedef struct visitor {
    fmi_record_room *room;
    fmi_lane *lane;
    fmi_list *list;
    fm_commands *commands;
} visitor;

static void *visit(void *argument)
{
    visitor *v = argument;
    v->lane = fmi_lane_of_thread(v->room->lanes);
    v->list = fmi_lanes_take_list(v->room->lanes);
    assert_int_equal(fmi_recorder_begin(v->room, NULL, &v->commands), FM_OK);
    return NULL;
}

static void run_thread(visitor *v)
{
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, visit, v), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

static void lane_of_each_thread_is_another(void **state)
{
    (void)state;
    static fmi_record_room room = {.caps = &caps};
    fmi_record_room_init(&room);
    fmi_lane *own = fmi_lane_of_thread(room.lanes);
    assert_ptr_equal(own, fmi_lane_of_thread(room.lanes));
    bool used[FMI_THREAD_LANES] = {false};
    for (uint32_t i = 0; i < FMI_THREAD_LANES; i++) {
        visitor v = {.room = &room};
        run_thread(&v);
        assert_false(used[v.lane - room.lanes]);
        used[v.lane - room.lanes] = true;
        fmi_lanes_give_list(room.lanes, v.list);
        fmi_record_drop_list(&room, fmi_recorder_finish(v.commands));
    }
    fmi_record_room_destroy(&room);
}

// Whoever commits, cancels or retires.
static void lane_gets_back_what_was_taken_from_it(void **state)
{
    (void)state;
    static fmi_record_room room = {.caps = &caps};
    fmi_record_room_init(&room);
    visitor v = {.room = &room};
    do {
        run_thread(&v);
    } while (v.lane == fmi_lane_of_thread(room.lanes));
    assert_ptr_equal(v.list->lane, v.lane);
    fmi_list *recorded = v.commands->list;
    uint32_t recording = fmi_lanes_recording(room.lanes);
    assert_int_equal(fmi_recorder_finish(v.commands) == recorded, true);
    assert_int_equal(fmi_lanes_recording(room.lanes), recording - 1);
    assert_ptr_equal(v.lane->recorders, v.commands);
    fmi_record_drop_list(&room, recorded);
    fmi_lanes_give_list(room.lanes, v.list);
    assert_ptr_equal(v.lane->lists, v.list);
    assert_ptr_equal(v.lane->lists->next, recorded);
    assert_null(fmi_lane_of_thread(room.lanes)->lists);
    assert_null(fmi_lane_of_thread(room.lanes)->recorders);
    fmi_record_room_destroy(&room);
}

// A long list's memory serves the next long one: nothing is allocated and freed list after list.
static void lane_keeps_the_memory_of_long_lists(void **state)
{
    (void)state;
    static fmi_record_room room = {.caps = &caps};
    fmi_record_room_init(&room);
    fmi_lane *lane = fmi_lane_of_thread(room.lanes);
    fmi_list *list = fmi_lanes_take_list(room.lanes);
    assert_non_null(fmi_arena_alloc(&list->arena, 100));
    assert_non_null(fmi_arena_alloc(&list->arena, LONG_BYTES));
    fmi_arena_chunk *first = list->arena.first, *second = first->next;
    fmi_lanes_give_list(room.lanes, list);
    assert_int_equal(atomic_load(&lane->kept_bytes), first->size_bytes + second->size_bytes - FMI_LIST_ALWAYS_KEEPS);
    assert_ptr_equal(fmi_lanes_take_list(room.lanes), list);
    assert_int_equal(atomic_load(&lane->kept_bytes), 0);
    assert_non_null(fmi_arena_alloc(&list->arena, 100));
    assert_non_null(fmi_arena_alloc(&list->arena, LONG_BYTES));
    assert_ptr_equal(list->arena.first, first);
    assert_ptr_equal(list->arena.current, second);
    fmi_lanes_give_list(room.lanes, list);
    fmi_record_room_destroy(&room);
}

static size_t arena_bytes(const fmi_list *list)
{
    size_t sum = 0;
    for (const fmi_arena_chunk *chunk = list->arena.first; chunk; chunk = chunk->next) {
        sum += chunk->size_bytes;
    }
    return sum;
}

static uint32_t count_lists(const fmi_lane *lane, size_t *out_bytes)
{
    uint32_t count = 0;
    *out_bytes = 0;
    for (const fmi_list *list = lane->lists; list; list = list->next, count++) {
        *out_bytes += arena_bytes(list);
    }
    return count;
}

// Takes MANY lists, makes them long, and gives them back.
static void burst(fmi_record_room *room, size_t bytes)
{
    fmi_list *lists[MANY];
    for (uint32_t i = 0; i < MANY; i++) {
        lists[i] = fmi_lanes_take_list(room->lanes);
        assert_non_null(lists[i]);
        assert_non_null(fmi_arena_alloc(&lists[i]->arena, 100));
        assert_non_null(fmi_arena_alloc(&lists[i]->arena, bytes));
    }
    for (uint32_t i = 0; i < MANY; i++) {
        fmi_lanes_give_list(room->lanes, lists[i]);
    }
}

// What a burst leaves: a share in the thread's lane, the rest in the reserve, little of either's memory; and all of it is used again.
static void lane_keeps_no_more_than_its_share(void **state)
{
    (void)state;
    static fmi_record_room room = {.caps = &caps};
    fmi_record_room_init(&room);
    fmi_lane *lane = fmi_lane_of_thread(room.lanes);
    for (int again = 0; again < 2; again++) {
        burst(&room, LONG_BYTES);
        size_t own_bytes, reserve_bytes;
        assert_int_equal(count_lists(lane, &own_bytes), FMI_LANE_LISTS);
        assert_int_equal(lane->list_count, FMI_LANE_LISTS);
        assert_int_equal(count_lists(&room.lanes[FMI_RESERVE], &reserve_bytes), MANY - FMI_LANE_LISTS);
        assert_true(own_bytes > FMI_LANE_ARENA_BYTES / 2);
        assert_true(own_bytes <= FMI_LANE_ARENA_BYTES + FMI_LANE_LISTS * FMI_LIST_ALWAYS_KEEPS);
        assert_true(reserve_bytes <= FMI_LANE_ARENA_BYTES + MANY * FMI_LIST_ALWAYS_KEEPS);
    }
    visitor v = {.room = &room};
    do {
        run_thread(&v);
        assert_int_equal(room.lanes[FMI_RESERVE].list_count, MANY - FMI_LANE_LISTS - (v.lane == lane ? 0 : 2));
        fmi_record_drop_list(&room, fmi_recorder_finish(v.commands));
        fmi_lanes_give_list(room.lanes, v.list);
    } while (v.lane == lane);
    fmi_record_room_destroy(&room);
}

// Short lists in whatever number do not keep a long one from keeping its memory.
static void lane_keeps_the_memory_of_long_lists_after_a_burst(void **state)
{
    (void)state;
    static fmi_record_room room = {.caps = &caps};
    fmi_record_room_init(&room);
    burst(&room, 100);
    assert_int_equal(atomic_load(&fmi_lane_of_thread(room.lanes)->kept_bytes), 0);
    fmi_list *list = fmi_lanes_take_list(room.lanes);
    assert_non_null(fmi_arena_alloc(&list->arena, 100));
    assert_non_null(fmi_arena_alloc(&list->arena, LONG_BYTES));
    fmi_lanes_give_list(room.lanes, list);
    assert_true(arena_bytes(list) > LONG_BYTES);
    fmi_record_room_destroy(&room);
}

// A recorder may keep staging memory: two stay with the thread, the rest serves whoever comes.
static void lane_shares_recorders(void **state)
{
    (void)state;
    enum { RECORDERS = 5 };
    static fmi_record_room room = {.caps = &caps};
    fmi_record_room_init(&room);
    fmi_lane *lane = fmi_lane_of_thread(room.lanes), *reserve = &room.lanes[FMI_RESERVE];
    fm_commands *commands[RECORDERS];
    for (int again = 0; again < 2; again++) {
        for (uint32_t i = 0; i < RECORDERS; i++) {
            assert_int_equal(fmi_recorder_begin(&room, NULL, &commands[i]), FM_OK);
        }
        assert_int_equal(fmi_lanes_recording(room.lanes), RECORDERS);
        for (uint32_t i = 0; i < RECORDERS; i++) {
            fmi_record_drop_list(&room, fmi_recorder_finish(commands[i]));
        }
        assert_int_equal(fmi_lanes_recording(room.lanes), 0);
        assert_int_equal(lane->recorder_count, FMI_LANE_RECORDERS);
        assert_int_equal(reserve->recorder_count, RECORDERS - FMI_LANE_RECORDERS);
    }
    for (uint32_t i = 0; i < 2 * FMI_THREAD_LANES; i++) {
        fm_commands *next = reserve->recorders;
        visitor v = {.room = &room};
        run_thread(&v);
        assert_true(v.lane == lane || v.lane->recorders || v.commands == next || !next);
        fmi_record_drop_list(&room, fmi_recorder_finish(v.commands));
        fmi_lanes_give_list(room.lanes, v.list);
    }
    assert_int_equal(reserve->recorder_count, 0);
    fmi_record_room_destroy(&room);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lane_of_each_thread_is_another),
        cmocka_unit_test(lane_gets_back_what_was_taken_from_it),
        cmocka_unit_test(lane_keeps_the_memory_of_long_lists),
        cmocka_unit_test(lane_keeps_no_more_than_its_share),
        cmocka_unit_test(lane_keeps_the_memory_of_long_lists_after_a_burst),
        cmocka_unit_test(lane_shares_recorders),
    };
    return cmocka_run_group_tests_name("record_lane", tests, NULL, NULL);
}
