// Lanes: what a thread took and gives back it finds again, other threads do not get in its way, and what is kept stays within limits.
// Real threads, one after the other.
#include "record/recorder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { LONG_BYTES = 60000, MANY = 64 };

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
    v->list = fmi_lane_take_list(v->lane);
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
    static fmi_record_room room;
    fmi_record_room_init(&room);
    fmi_lane *own = fmi_lane_of_thread(room.lanes);
    assert_ptr_equal(own, fmi_lane_of_thread(room.lanes));
    bool used[FMI_LANES] = {false};
    for (uint32_t i = 0; i < FMI_LANES; i++) {
        visitor v = {.room = &room};
        run_thread(&v);
        assert_false(used[v.lane - room.lanes]);
        used[v.lane - room.lanes] = true;
        fmi_lane_give_list(v.list);
        fmi_record_drop_list(&room, fmi_recorder_finish(v.commands));
    }
    fmi_record_room_destroy(&room);
}

// Whoever commits, cancels or retires.
static void lane_gets_back_what_was_taken_from_it(void **state)
{
    (void)state;
    static fmi_record_room room;
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
    fmi_lane_give_list(v.list);
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
    static fmi_record_room room;
    fmi_record_room_init(&room);
    fmi_lane *lane = fmi_lane_of_thread(room.lanes);
    fmi_list *list = fmi_lane_take_list(lane);
    assert_non_null(fmi_arena_alloc(&list->arena, 100));
    assert_non_null(fmi_arena_alloc(&list->arena, LONG_BYTES));
    fmi_arena_chunk *first = list->arena.first, *second = first->next;
    fmi_lane_give_list(list);
    assert_int_equal(atomic_load(&lane->kept_bytes), first->size_bytes + second->size_bytes);
    assert_ptr_equal(fmi_lane_take_list(lane), list);
    assert_int_equal(atomic_load(&lane->kept_bytes), 0);
    assert_non_null(fmi_arena_alloc(&list->arena, 100));
    assert_non_null(fmi_arena_alloc(&list->arena, LONG_BYTES));
    assert_ptr_equal(list->arena.first, first);
    assert_ptr_equal(list->arena.current, second);
    fmi_lane_give_list(list);
    fmi_record_room_destroy(&room);
}

static void lane_keeps_no_more_than_its_share(void **state)
{
    (void)state;
    static fmi_record_room room;
    fmi_record_room_init(&room);
    fmi_lane *lane = fmi_lane_of_thread(room.lanes);
    fmi_list *lists[MANY];
    for (uint32_t i = 0; i < MANY; i++) {
        lists[i] = fmi_lane_take_list(lane);
        assert_non_null(fmi_arena_alloc(&lists[i]->arena, 100));
        assert_non_null(fmi_arena_alloc(&lists[i]->arena, LONG_BYTES));
    }
    size_t sum = 0;
    for (uint32_t i = 0; i < MANY; i++) {
        fmi_lane_give_list(lists[i]);
        sum += lists[i]->kept_bytes;
        assert_true(lists[i]->kept_bytes > 0); // its first chunk at least
    }
    assert_int_equal(atomic_load(&lane->kept_bytes), sum);
    assert_true(sum > FMI_LANE_KEEPS / 2);
    assert_true(sum <= FMI_LANE_KEEPS + MANY * FMI_LIST_ALWAYS_KEEPS);
    for (uint32_t i = 0; i < MANY; i++) {
        lists[i] = fmi_lane_take_list(lane);
    }
    assert_int_equal(atomic_load(&lane->kept_bytes), 0);
    for (uint32_t i = 0; i < MANY; i++) {
        fmi_lane_give_list(lists[i]);
    }
    fmi_record_room_destroy(&room);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lane_of_each_thread_is_another),
        cmocka_unit_test(lane_gets_back_what_was_taken_from_it),
        cmocka_unit_test(lane_keeps_the_memory_of_long_lists),
        cmocka_unit_test(lane_keeps_no_more_than_its_share),
    };
    return cmocka_run_group_tests_name("record_lane", tests, NULL, NULL);
}
