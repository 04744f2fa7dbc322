// How long a thread leads: it serves others for a few rounds and goes its own way, and what it leaves is never left behind (ENGINE-1). What
// other threads do meanwhile happens while a batch is submitted: their own kicks find the leader's seat taken.
#include "engine_fixture.h"

enum { ROUNDS = 2, ROUNDS_ANYWHERE = 16, MANY = 100, LONG_LIST = LISTS - 1 };

static fmi_stream quick_stream, slow_stream;

// Pushes the next short list.
static void push_next(shared *s)
{
    if (s->pushed < s->most) {
        push_quietly(s, s->pushed, &quick_stream, s->pushed + 1, false);
        s->pushed++;
    }
}

// Others retire what was in flight before, and push.
static void go_on(shared *s)
{
    while (retire_quietly(&s->engine, 0)) {
    }
    push_next(s);
}

// Others retire the first queue's batch the moment that it is there, and push.
static void go_on_at_once(shared *s)
{
    if (s->device.last.queue == 0) {
        atomic_store(&s->engine.queues[0].tail, atomic_load(&s->engine.queues[0].head) + 1);
        push_next(s);
    }
}

static void set_up_flood(shared *s, uint32_t queues, void (*meanwhile)(shared *), uint32_t most)
{
    set_up_queues(s, 2, queues, NULL);
    memset(&quick_stream, 0, sizeof quick_stream);
    memset(&slow_stream, 0, sizeof slow_stream);
    s->device.meanwhile = meanwhile;
    s->most = most;
}

static void start(shared *s)
{
    push_next(s);
    fmi_engine_kick(&s->engine);
}

static void lead_thread_is_no_captive(void **state)
{
    (void)state;
    for (uint32_t polled = 0; polled < 2; polled++) {
        static shared s;
        set_up_flood(&s, 1, go_on, MANY);
        start(&s);
        assert_int_equal(atomic_load(&s.device.commands), ROUNDS);
        assert_int_equal(fmi_engine_in_flight(&s.engine), 1); // so there will be another kick
        assert_non_null(atomic_load(&s.engine.incoming));
        s.device.meanwhile = NULL;
        if (polled) {
            fmi_engine_kick(&s.engine); // who polls kicks at every look
        } else {
            assert_true(retire_one(&s.engine));
        }
        assert_int_equal(atomic_load(&s.device.commands), ROUNDS + 1);
        assert_null(atomic_load(&s.engine.incoming));
        tear_down(&s);
    }
}

// Nothing is in flight when the seat is given up: nobody would kick, so the leader goes on.
static void lead_leaves_nothing_behind_on_an_idle_device(void **state)
{
    (void)state;
    static shared s;
    set_up_flood(&s, 1, go_on_at_once, MANY);
    start(&s);
    assert_int_equal(atomic_load(&s.device.commands), MANY);
    assert_int_equal(fmi_engine_in_flight(&s.engine), 0);
    assert_null(atomic_load(&s.engine.incoming));
    tear_down(&s);
}

// Who polls kicks at every look, so one round is enough. Not on an idle device: who polls may be kept from its processor just then.
static void lead_leaves_the_rest_to_who_polls(void **state)
{
    (void)state;
    for (uint32_t idle = 0; idle < 2; idle++) {
        static shared s;
        set_up_flood(&s, 1, idle ? go_on_at_once : go_on, MANY);
        atomic_store(&s.engine.polled, 1);
        start(&s);
        assert_int_equal(atomic_load(&s.device.commands), idle ? MANY : 1);
        assert_int_equal(fmi_engine_in_flight(&s.engine), !idle);
        assert_true(idle || atomic_load(&s.engine.incoming));
        s.device.meanwhile = NULL;
        fmi_engine_kick(&s.engine); // its next look
        assert_int_equal(atomic_load(&s.device.commands), idle ? MANY : 2);
        assert_null(atomic_load(&s.engine.incoming));
        tear_down(&s);
    }
}

// A short list that is left waits for what is in flight, so that is no reason to leave where it is long. Only for long this is kept up.
static void lead_leaves_no_short_list_behind_a_long_one(void **state)
{
    (void)state;
    for (uint32_t most = 10; most <= MANY; most += MANY - 10) {
        static shared s;
        set_up_flood(&s, 2, NULL, most);
        push_list(&s, LONG_LIST, &slow_stream, 1, true);
        assert_int_equal(fmi_queue_in_flight(&s.engine.queues[1]), 1);
        s.device.meanwhile = go_on_at_once;
        start(&s);
        assert_int_equal(atomic_load(&s.device.commands), 1 + (most < ROUNDS_ANYWHERE ? most : ROUNDS_ANYWHERE));
        s.device.meanwhile = NULL;
        assert_true(retire_one_of(&s.engine, 1));
        assert_null(atomic_load(&s.engine.incoming));
        tear_down(&s);
    }
}

// Short lists come as fast as they are submitted. A long one has its queue for itself, and is not kept waiting by them.
static void lead_serves_long_lists_beside_a_flood_of_short_ones(void **state)
{
    (void)state;
    static shared s;
    set_up_flood(&s, 2, go_on_at_once, LISTS - 1);
    push_quietly(&s, LONG_LIST, &slow_stream, 1, true);
    start(&s);
    assert_int_equal(s.device.last_value[1], 1); // not only when no short one was left
    assert_int_equal(atomic_load(&s.device.commands), 1 + ROUNDS_ANYWHERE);
    tear_down(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lead_thread_is_no_captive),
        cmocka_unit_test(lead_leaves_nothing_behind_on_an_idle_device),
        cmocka_unit_test(lead_leaves_the_rest_to_who_polls),
        cmocka_unit_test(lead_leaves_no_short_list_behind_a_long_one),
        cmocka_unit_test(lead_serves_long_lists_beside_a_flood_of_short_ones),
    };
    return cmocka_run_group_tests_name("schedule_lead", tests, NULL, NULL);
}
