// Fibres as on machines without a switch of their own: the same source, compiled here with ucontext. The conformance suite's
// workgroup tests run the other form.
#define FMI_FIBRE_PORTABLE 1
#include "backend/host/fibre.c"

#include "base/barrier.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { ITEMS = 100, ROUNDS = 7 };

// What the work-items of a group share.
struct group {
    uint32_t values[ITEMS];
    uint32_t count;
    uint32_t missing; // the work-item that leaves after its third round; ITEMS: none does
    uint32_t visits;
};

// Each round every item takes its neighbour's value.
static void rotate(void *state, uint32_t number)
{
    struct group *group = state;
    group->values[number] = number;
    for (uint32_t round = 0; round < ROUNDS; round++) {
        if (number == group->missing && round == 3) {
            return;
        }
        fmi_fibre_barrier(FMI_BARRIER_PLACE(0, 1u, 1u));
        uint32_t next = group->values[(number + 1) % group->count];
        fmi_fibre_barrier(FMI_BARRIER_PLACE(0, 2u, 1u));
        group->values[number] = next;
    }
    group->visits++;
}

static void expect_rotated(uint32_t count)
{
    struct group group = {.count = count, .missing = ITEMS};
    assert_int_equal(fmi_fibre_run_group(rotate, &group, count), 0);
    assert_int_equal(group.visits, count);
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(group.values[i], (i + ROUNDS) % count);
    }
}

static void fibre_groups_of_any_size_meet_at_each_barrier(void **state)
{
    (void)state;
    const uint32_t counts[] = {1, 2, 64, 3, ITEMS, 64};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        expect_rotated(counts[i]);
    }
}

static void fibre_that_misses_a_barrier_ends_its_group_alone(void **state)
{
    (void)state;
    for (uint32_t missing = 0; missing < 5; missing++) {
        struct group group = {.count = 5, .missing = missing};
        assert_int_equal(fmi_fibre_run_group(rotate, &group, 5), 1);
        assert_int_equal(group.visits, 0);
        char why[200];
        fmi_fibre_explain(why, sizeof why);
        assert_non_null(strstr(why, missing == 0 ? "work-item 0 has ended, but work-item 1 waits at barrier() in line 1"
                                                 : "work-item 0 waits at barrier() in line 1, column 1, but"));
        expect_rotated(5);
    }
}

static void fibre_place_keeps_line_column_and_text(void **state)
{
    (void)state;
    uint32_t place = FMI_BARRIER_PLACE(1, 77u, 12u);
    assert_int_equal(FMI_BARRIER_LINE(place), 77);
    assert_int_equal(FMI_BARRIER_COLUMN(place), 12);
    assert_true((place & FMI_BARRIER_IN_HEADER) != 0);
    place = FMI_BARRIER_PLACE(0, UINT32_MAX, UINT32_MAX);
    assert_true(place != ENDED && (place & FMI_BARRIER_IN_HEADER) == 0);
    assert_true(FMI_BARRIER_PLACE(1, UINT32_MAX, UINT32_MAX) != ENDED);
}

static void *run_in_thread(void *unused)
{
    expect_rotated(ITEMS);
    fmi_fibres_free();
    return unused;
}

// Each thread has stacks of its own, and frees them before it ends.
static void fibres_of_threads_come_and_go(void **state)
{
    (void)state;
    for (int round = 0; round < 5; round++) {
        pthread_t threads[4];
        for (int i = 0; i < 4; i++) {
            assert_int_equal(pthread_create(&threads[i], NULL, run_in_thread, NULL), 0);
        }
        for (int i = 0; i < 4; i++) {
            pthread_join(threads[i], NULL);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fibre_groups_of_any_size_meet_at_each_barrier),
        cmocka_unit_test(fibre_that_misses_a_barrier_ends_its_group_alone),
        cmocka_unit_test(fibre_place_keeps_line_column_and_text),
        cmocka_unit_test(fibres_of_threads_come_and_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
