// Keeping lists back for others to join: for how many, behind what, and until when. On the fake backend; one thread.
#include "engine_fixture.h"
#include "retire/retire.h"

// Lists of threads that all wait are worth more together: they are kept back behind work of some length, until as many are there as threads waited;
// on an idle device only while somebody polls. Retirement and the last look of who polled find what was kept back (ENGINE-1).
static void gather_keeps_lists_back_for_others_to_join(void **state)
{
    (void)state;
    static shared s;
    set_up(&s, 2);
    s.engine.gather_ns = 1000000000;
    fmi_engine_note_retired(&s.engine, 3, 3); // three threads waited
    push_alone(&s, 0);                        // idle, and nobody polls: at once
    assert_int_equal(atomic_load(&s.device.commands), 1);
    s.engine.queues[0].longest_ns = 30000; // of what is in flight, as if its kernel were known
    push_alone(&s, 1);
    push_alone(&s, 2);
    assert_int_equal(atomic_load(&s.device.commands), 1); // a batch is in flight, and one thread is missing
    push_alone(&s, 3);
    assert_int_equal(atomic_load(&s.device.commands), 4); // all three in one batch
    assert_int_equal(fmi_engine_in_flight(&s.engine), 2);
    assert_true(retire_one(&s.engine) && retire_one(&s.engine));
    s.engine.queues[0].longest_ns = 30000;
    atomic_store(&s.engine.polled, 1);
    fmi_engine_note_retired(&s.engine, 3, 3);
    push_alone(&s, 4);
    assert_int_equal(atomic_load(&s.device.commands), 4); // idle, but polled: others may come
    atomic_store(&s.engine.polled, 0);
    fmi_engine_kick(&s.engine); // the last look
    assert_int_equal(atomic_load(&s.device.commands), 5);
    s.engine.queues[0].longest_ns = 30000;
    push_alone(&s, 5);
    assert_int_equal(atomic_load(&s.device.commands), 5);
    assert_true(retire_one(&s.engine)); // retirement kicks
    assert_int_equal(atomic_load(&s.device.commands), 6);
    for (int i = 0; i < 40; i++) {
        fmi_engine_note_retired(&s.engine, 1, 1); // one thread alone is never kept waiting
    }
    atomic_store(&s.engine.polled, 1);
    s.engine.queues[0].longest_ns = 30000;
    push_alone(&s, 6);
    assert_int_equal(atomic_load(&s.device.commands), 7);
    tear_down(&s);
}

// Behind short work it is those whose lists were just retired that are waited for, no longer than they take to come back, and only while
// somebody polls.
static void gather_keeps_short_lists_back_for_those_just_served(void **state)
{
    (void)state;
    static const struct {
        uint32_t waiters, lists, polled;
        uint64_t gather_ns;
        uint32_t alone; // lists taken when the first of two comes
    } cases[] = {
        {3, 2, 1, 1000000000, 0},        {3, 1, 1, 1000000000, 1}, {2, 8, 1, 1000000000, 0},
        {3, 2, 0, UINT64_C(1) << 60, 1}, {3, 2, 1, 2, 1},          {1, 8, 1, 1000000000, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        static shared s;
        set_up(&s, 2);
        s.engine.gather_ns = cases[i].gather_ns;
        s.engine.queues[0].longest_ns = 2000;
        atomic_store(&s.engine.polled, cases[i].polled);
        fmi_engine_note_retired(&s.engine, cases[i].waiters, cases[i].lists);
        push_alone(&s, 0);
        assert_int_equal(atomic_load(&s.device.commands), cases[i].alone);
        push_alone(&s, 1);
        assert_int_equal(atomic_load(&s.device.commands), 2);
        assert_int_equal(fmi_engine_in_flight(&s.engine), 1 + cases[i].alone);
        assert_true(retire_one(&s.engine));
        s.engine.queues[0].longest_ns = 2000;
        push_alone(&s, 2); // they are back: nobody else is waited for
        assert_int_equal(atomic_load(&s.device.commands), 3);
        tear_down(&s);
    }
}

// Behind long work lists are kept back, too, so that those that could run side by side do; but not behind work that lasts and lasts.
static void gather_keeps_nothing_back_behind_very_long_work(void **state)
{
    (void)state;
    static const struct {
        uint64_t longest_ns;
        uint64_t taken;
    } cases[] = {{1000000, 0}, {5000000, 0}, {5000001, 1}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        static shared s;
        set_up(&s, 2);
        s.engine.gather_ns = 1000000000;
        fmi_engine_note_retired(&s.engine, 3, 3);
        push_alone(&s, 0);
        s.engine.queues[0].longest_ns = cases[i].longest_ns;
        push_alone(&s, 1);
        assert_int_equal(atomic_load(&s.device.commands), 1 + cases[i].taken);
        tear_down(&s);
    }
}

// What is expected does not pile up: who was expected and did not come in time is forgotten, no more are expected than wait, and who comes in
// greater numbers than expected leaves nothing behind.
static void gather_counts_who_is_expected(void **state)
{
    (void)state;
    static shared s;
    set_up(&s, 2);
    s.engine.gather_ns = 1000000000;
    fmi_engine_note_retired(&s.engine, 5, 2);
    fmi_engine_note_retired(&s.engine, 5, 1);
    assert_int_equal(atomic_load(&s.engine.returning), 3);
    fmi_engine_note_retired(&s.engine, 5, 4);
    assert_int_equal(atomic_load(&s.engine.returning), 5);
    uint64_t until = atomic_load(&s.engine.returning_until);
    assert_int_equal(atomic_load(&s.engine.gather_until) - until, s.engine.gather_ns / 2);
    fmi_engine_note_retired(&s.engine, 5, 0); // of other queues
    assert_int_equal(atomic_load(&s.engine.returning), 5);
    assert_int_equal(atomic_load(&s.engine.returning_until), until);
    atomic_store(&s.engine.returning_until, 0); // their time is over
    fmi_engine_note_retired(&s.engine, 5, 1);
    assert_int_equal(atomic_load(&s.engine.returning), 1);
    fmi_engine_push(&s.engine, &s.lists[0]);
    push_alone(&s, 1);
    assert_int_equal(fmi_engine_in_flight(&s.engine), 1); // both in one batch
    assert_int_equal(atomic_load(&s.engine.returning), 0);
    tear_down(&s);
}

// Where long lists have queues of their own, those who wait for short ones are expected at the first queue, and nowhere else.
static void gather_expects_short_lists_at_the_first_queue(void **state)
{
    (void)state;
    static shared s;
    enum { LONG = 3 }; // one more than there is room for
    static fmi_stream streams[LONG + 2];
    memset(streams, 0, sizeof streams);
    set_up_queues(&s, 1, 3, NULL);
    s.engine.gather_ns = 1000000000;
    atomic_store(&s.engine.polled, 1);
    fmi_engine_note_retired(&s.engine, 9, 2);
    for (uint32_t i = 0; i < LONG; i++) {
        push_list(&s, i, &streams[i], 1, true); // its queue waits for nobody, and nobody is back
        assert_int_equal(atomic_load(&s.device.commands), i + 1 < LONG ? i + 1 : i);
    }
    assert_int_equal(atomic_load(&s.engine.returning), 2);
    push_list(&s, LONG, &streams[LONG], 1, false); // the long one that is queued is not who is expected
    assert_int_equal(atomic_load(&s.device.commands), LONG - 1);
    push_list(&s, LONG + 1, &streams[LONG + 1], 1, false);
    assert_int_equal(atomic_load(&s.device.commands), LONG + 1);
    assert_int_equal(s.device.last.queue, 0);
    tear_down(&s);
}

static fm_status all_done(fmi_backend *backend, uint32_t queue, uint64_t *out)
{
    *out = ((fake *)(void *)backend)->last_value[queue];
    return FM_OK;
}

// Retirement says how many lists of the first queue it has retired.
static void gather_learns_of_lists_from_retirement(void **state)
{
    (void)state;
    static const fmi_backend_ops ops = {.prefix = "fake", .submit = take, .completed = all_done};
    static shared s;
    static fmi_stream streams[3];
    static fmi_record_room room;
    static fmi_retirement r;
    memset(streams, 0, sizeof streams);
    set_up_queues(&s, 2, 3, NULL);
    s.engine.ops = &ops;
    const fmi_retirement_settings settings = {.failures_kept = 1, .most_bytes = UINT64_MAX};
    assert_int_equal(fmi_retirement_init(&r, &s.engine, &room, NULL, NULL, &settings), FM_OK);
    for (uint32_t i = 0; i < 3; i++) {
        atomic_store(&s.lists[i].parties, 2); // the test's, which nobody else frees
        push_quietly(&s, i, &streams[i], 1, i == 2);
    }
    fmi_engine_kick(&s.engine);
    assert_int_equal(fmi_engine_in_flight(&s.engine), 2);
    s.engine.gather_ns = 1000000000;
    atomic_store(&r.waiters, 5 * FMI_RETURNING_WAITER);
    fmi_progress(&r);
    assert_int_equal(fmi_engine_in_flight(&s.engine), 0);
    assert_int_equal(atomic_load(&s.engine.returning), 2);
    fmi_retirement_destroy(&r);
    tear_down(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gather_keeps_lists_back_for_others_to_join),
        cmocka_unit_test(gather_keeps_short_lists_back_for_those_just_served),
        cmocka_unit_test(gather_keeps_nothing_back_behind_very_long_work),
        cmocka_unit_test(gather_counts_who_is_expected),
        cmocka_unit_test(gather_expects_short_lists_at_the_first_queue),
        cmocka_unit_test(gather_learns_of_lists_from_retirement),
    };
    return cmocka_run_group_tests_name("schedule_gather", tests, NULL, NULL);
}
