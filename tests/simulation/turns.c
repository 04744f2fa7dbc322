// A stream that floods cannot starve one that trickles: how many of the flood's commands run before the trickle's, counted on the manual
// device, where one thread decides what runs when. All lists write one buffer, so they run in the order in which batches take them.
// Each test fails where streams do not take turns (schedule/backlog.c). None has a clock.
#include <fermata/testing.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
    TURN = 64,    // commands of a stream's turn
    FLOOD = 3000, // lists: more than fit into a batch
    ALL = 1 << 20,
    MOST_STREAMS = 4,
};
#define SECOND UINT64_C(1000000000)
#define OK(call) assert_int_equal((call), FM_OK)

typedef struct fixture {
    fm_device *device;
    fm_buffer shared;
    fm_stream floods[MOST_STREAMS];
    fm_stream trickle;
    uint32_t flood_ran;   // commands of the flood that have run
    uint32_t trickle_ran; // and of the trickle
    uint32_t before;      // flood_ran when the trickle's newest ran
} fixture;

static void observe(void *user, fm_testing_event event, const char *text)
{
    fixture *f = user;
    if (event != FM_TESTING_RAN || !text) return;
    if (strcmp(text, "flood") == 0) f->flood_ran++;
    if (strcmp(text, "trickle") == 0) {
        f->trickle_ran++;
        f->before = f->flood_ran;
    }
}

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    OK(fm_device_open("manual", &(fm_device_info){.batches_in_flight = 1, .lists_in_flight = 4 * FLOOD}, &f->device));
    OK(fm_testing_observe(f->device, observe, f));
    for (uint32_t i = 0; i < MOST_STREAMS; i++) OK(fm_stream_create(f->device, NULL, &f->floods[i]));
    OK(fm_stream_create(f->device, NULL, &f->trickle));
    OK(fm_buffer_create(f->device, &(fm_buffer_info){.size_bytes = 4}, &f->shared));
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    OK(fm_testing_step_in_waits(f->device, 1));
    OK(fm_testing_step(f->device, ALL, NULL));
    OK(fm_device_close(&f->device, SECOND));
    free(f);
    return 0;
}

// A list of so many commands, each of which needs the one before it, whichever list that is in.
static fm_point commit(fixture *f, fm_stream stream, const char *label, uint32_t commands_count)
{
    fm_commands *commands = NULL;
    fm_point point;
    OK(fm_commands_begin(f->device, NULL, &commands));
    OK(fm_label_push(commands, label));
    for (uint32_t i = 0; i < commands_count; i++) OK(fm_fill(commands, f->shared, 0, FM_WHOLE_SIZE, i));
    OK(fm_label_pop(commands));
    OK(fm_commit(&commands, &(fm_commit_info){.stream = stream}, &point));
    return point;
}

// Runs one command after the other until the point is complete.
static void run_until(fixture *f, fm_point point)
{
    uint32_t ran = 1;
    while (fm_point_poll(f->device, point) == FM_NOT_READY) {
        assert_int_equal(ran, 1); // else nothing is left that could complete it
        OK(fm_testing_step(f->device, 1, &ran));
    }
    OK(fm_point_poll(f->device, point));
}

static void fairness_a_list_behind_a_flood_runs_after_one_turn(void **state)
{
    fixture *f = *state;
    fm_point last = {{0}, 0};
    for (uint32_t i = 0; i < FLOOD; i++) last = commit(f, f->floods[0], "flood", 1); // the first is in flight, alone
    run_until(f, commit(f, f->trickle, "trickle", 1));
    assert_in_range(f->before, 1, 1 + TURN);
    run_until(f, last); // nor is the flood forgotten
    assert_int_equal(f->flood_ran, FLOOD);
}

// A turn is of commands, not of lists: long lists do not make it longer.
static void fairness_a_list_behind_a_flood_of_long_lists_runs_after_one_of_them(void **state)
{
    fixture *f = *state;
    for (uint32_t i = 0; i < 300; i++) (void)commit(f, f->floods[0], "flood", TURN);
    run_until(f, commit(f, f->trickle, "trickle", 1));
    assert_in_range(f->before, TURN, 2 * TURN);
}

static void fairness_a_list_behind_several_floods_runs_after_a_turn_of_each(void **state)
{
    fixture *f = *state;
    for (uint32_t i = 0; i < FLOOD; i++) (void)commit(f, f->floods[i % MOST_STREAMS], "flood", 1);
    run_until(f, commit(f, f->trickle, "trickle", 1));
    assert_in_range(f->before, 1, 1 + MOST_STREAMS * TURN);
}

// The flood goes on: what it commits between the trickle's lists is more than one turn, so its backlog grows without end.
static void fairness_a_trickle_keeps_pace_with_a_flood_that_never_ends(void **state)
{
    fixture *f = *state;
    for (uint32_t i = 0; i < FLOOD; i++) (void)commit(f, f->floods[0], "flood", 1);
    for (uint32_t k = 1; k <= 20; k++) {
        for (uint32_t i = 0; i < 2 * TURN; i++) (void)commit(f, f->floods[0], "flood", 1);
        fm_point point = commit(f, f->trickle, "trickle", 1);
        uint32_t ran = f->flood_ran;
        run_until(f, point);
        assert_int_equal(f->trickle_ran, k);
        // The batch that is in flight when it is committed, of 1,024 lists at most, and a turn.
        assert_in_range(f->before - ran, 0, 1024 + TURN);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
        TEST(fairness_a_list_behind_a_flood_runs_after_one_turn),
        TEST(fairness_a_list_behind_a_flood_of_long_lists_runs_after_one_of_them),
        TEST(fairness_a_list_behind_several_floods_runs_after_a_turn_of_each),
        TEST(fairness_a_trickle_keeps_pace_with_a_flood_that_never_ends),
    };
    return cmocka_run_group_tests_name("fairness", tests, NULL, NULL);
}
