// Backlog and costs: streams take turns, order within a stream and `after` points hold, a batch is capped by work,
// short lists do not share one with long ones and neither starves, and durations are learned from the waves of timed
// batches.
#include "schedule/backlog.h"
#include "schedule/cost.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { STREAMS = 5, MOST_LISTS = 3000 };

typedef struct fixture {
    fmi_backlog backlog;
    fmi_stream streams[STREAMS];
    fmi_list lists[MOST_LISTS];
    fmi_after after[MOST_LISTS][2];
    uint32_t batch_of[MOST_LISTS]; // 0: in none yet
    uint32_t place_of[MOST_LISTS]; // counts up over all batches
    uint32_t count, batches, places;
    fmi_cost cost; // of the one kernel that there is
} fixture;

static fixture *new_fixture(void)
{
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    fmi_backlog_init(&f->backlog);
    return f;
}

static void free_fixture(fixture *f)
{
    for (uint32_t i = 0; i < f->count; i++) {
        fmi_arena_free(&f->lists[i].arena);
    }
    free(f);
}

// Adds a list of `commands` dispatches of `groups` workgroups to a stream, or to none.
static fmi_list *add_list(fixture *f, fmi_stream *stream, uint32_t commands, uint32_t groups)
{
    fmi_list *list = &f->lists[f->count++];
    list->stream = stream;
    if (stream) {
        uint64_t value = atomic_load(&stream->committed) + 1;
        atomic_store(&stream->committed, value);
        list->value = value;
    }
    for (uint32_t i = 0; i < commands; i++) {
        fmi_command *command = fmi_list_append(list, FMI_COMMAND_DISPATCH, 0, 0);
        assert_non_null(command);
        command->binary = (const fmi_kernel_binary *)(const void *)&f->cost;
        command->group_count[0] = groups;
        command->group_count[1] = command->group_count[2] = 1;
    }
    return list;
}

static void push(fixture *f, fmi_list *list)
{
    fmi_backlog_add(&f->backlog, list, UINT32_MAX);
}

static fmi_list *push_new(fixture *f, uint32_t stream, uint32_t commands, uint32_t groups)
{
    fmi_list *list = add_list(f, &f->streams[stream], commands, groups);
    push(f, list);
    return list;
}

static fmi_portion take_by(fixture *f, const fmi_pick *pick)
{
    fmi_portion portion;
    fmi_backlog_take(&f->backlog, pick, &portion);
    f->batches += portion.lists > 0;
    uint32_t lists = 0, commands = 0;
    for (const fmi_list *list = portion.first; list; list = list->next, lists++) {
        commands += list->command_count;
        f->batch_of[list - f->lists] = f->batches;
        f->place_of[list - f->lists] = ++f->places;
    }
    assert_int_equal(lists, portion.lists);
    assert_int_equal(commands, portion.commands);
    return portion;
}

static fmi_portion take(fixture *f, bool long_in_flight)
{
    return take_by(f, &(fmi_pick){.long_in_flight = long_in_flight});
}

// Of a device with several queues.
static fmi_portion take_on(fixture *f, uint32_t queue)
{
    return take_by(f, &(fmi_pick){.split = true, .queue = queue});
}

static uint32_t batch_of(const fixture *f, const fmi_list *list)
{
    return f->batch_of[list - f->lists];
}

// A list of the stream that stands for its values from `first` to `value`, which were taken before.
static fmi_list *add_part(fixture *f, uint32_t stream, uint64_t first, uint64_t value)
{
    uint64_t committed = atomic_load(&f->streams[stream].committed);
    fmi_list *list = add_list(f, &f->streams[stream], 1, 1);
    atomic_store(&f->streams[stream].committed, committed);
    list->first_value = first;
    list->value = value;
    list->in_turn = true;
    return list;
}

// Values that a transfer took: what was pushed meanwhile waits for all its parts, and so does who waits for that;
// others go on. Whatever the rounds in which they come.
static void backlog_parts_of_a_transfer_have_their_place(void **state)
{
    (void)state;
    for (int at_once = 0; at_once < 2; at_once++) {
        fixture *f = new_fixture();
        fmi_list *before = push_new(f, 0, 1, 1);
        atomic_store(&f->streams[0].committed, 4); // 2 to 4 are the transfer's
        fmi_list *behind = add_list(f, &f->streams[0], 1, 1);
        behind->first_value = behind->value;
        behind->in_turn = true;
        push(f, behind);
        fmi_list *follower = add_list(f, &f->streams[1], 1, 1);
        follower->after = f->after[0];
        follower->after[follower->after_count++] = (fmi_after){&f->streams[0], behind->value};
        push(f, follower);
        fmi_list *other = push_new(f, 2, 1, 1);
        fmi_list *parts[2];
        for (uint32_t i = 0; i < 2; i++) {
            if (!at_once) {
                while (take(f, false).lists > 0) {
                }
                assert_int_equal(batch_of(f, behind), 0);
                assert_int_equal(batch_of(f, follower), 0);
                assert_true(batch_of(f, before) > 0 && batch_of(f, other) > 0);
            }
            parts[i] =
                i == 0 ? add_part(f, 0, 2, 2) : add_part(f, 0, 3, 4); // the last stands for what was given up, too
            push(f, parts[i]);
        }
        fmi_list *later = push_new(f, 0, 1, 1);
        while (take(f, false).lists > 0) {
        }
        const fmi_list *order[] = {before, parts[0], parts[1], behind, later};
        for (uint32_t i = 1; i < 5; i++) {
            assert_true(f->place_of[order[i - 1] - f->lists] < f->place_of[order[i] - f->lists]);
        }
        assert_true(f->place_of[follower - f->lists] > f->place_of[behind - f->lists]);
        free_fixture(f);
    }
}

static void backlog_flood_does_not_keep_a_trickle_waiting(void **state)
{
    (void)state;
    fixture *f = new_fixture();
    for (uint32_t i = 0; i < 2500; i++) {
        push_new(f, 0, 1, 1);
    }
    assert_int_equal(take(f, false).lists, FMI_BATCH_MOST_LISTS); // nobody else waits: the flood may have all of it
    fmi_list *small = push_new(f, 1, 1, 1);
    fmi_list *other = push_new(f, 2, 1, 1);
    assert_int_equal(take(f, false).lists, FMI_BATCH_MOST_LISTS);
    assert_int_equal(batch_of(f, small), 2); // with 1476 lists before it
    assert_int_equal(batch_of(f, other), 2);
    free_fixture(f);
}

// A list too large for what is left of a batch is the first of the next one, however many small ones of others there
// are.
static void backlog_large_list_is_not_passed_for_ever(void **state)
{
    (void)state;
    fixture *f = new_fixture();
    push_new(f, 0, 11, 1);
    fmi_list *large = push_new(f, 1, FMI_BATCH_MOST_COMMANDS, 1);
    for (uint32_t i = 0; i < 900; i++) {
        push_new(f, 0, 11, 1);
        push_new(f, 2, 11, 1);
    }
    take(f, false);
    assert_int_equal(batch_of(f, large), 0);
    assert_int_equal(take(f, false).lists, 1);
    assert_int_equal(batch_of(f, large), 2);
    free_fixture(f);
}

static uint32_t next_random(uint32_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    return *seed;
}

// Pushes random lists with random `after` points and takes batches in between, until nothing is left.
static void run_random(uint32_t seed)
{
    fixture *f = new_fixture();
    atomic_store(&f->cost.ns[0], 100);
    atomic_store(&f->cost.ns[4], 2 * FMI_LONG_NS);
    uint32_t left = 600;
    while (left > 0 || atomic_load(&f->backlog.count) > 0) {
        if (left > 0 && next_random(&seed) % 8) {
            left--;
            uint32_t s = next_random(&seed) % (STREAMS + 1);
            fmi_list *list = add_list(f, s < STREAMS ? &f->streams[s] : NULL, next_random(&seed) % 30,
                                      next_random(&seed) % 6 ? 1 : 16);
            list->after = f->after[list - f->lists];
            for (uint32_t i = 0; s < STREAMS && i < 2; i++) {
                fmi_stream *other = &f->streams[next_random(&seed) % STREAMS];
                uint64_t committed = atomic_load(&other->committed) - (other == list->stream);
                if (next_random(&seed) % 3 == 0 && committed > 0) {
                    list->after[list->after_count++] = (fmi_after){other, 1 + next_random(&seed) % committed};
                }
            }
            push(f, list);
        } else {
            bool long_in_flight = next_random(&seed) % 3 == 0;
            // Only where short lists of others came lately; otherwise long ones keep the device busy without a gap.
            bool is_wary =
                f->backlog.batches_since_short < FMI_WARY_BATCHES && f->backlog.last_short != f->backlog.last_long;
            fmi_portion portion = take(f, long_in_flight);
            assert_false(long_in_flight && is_wary && portion.is_long);
            assert_true(portion.lists <= FMI_BATCH_MOST_LISTS);
            assert_true(portion.lists == 1 || portion.commands <= FMI_BATCH_MOST_COMMANDS);
            assert_true(portion.lists > 0 || long_in_flight || atomic_load(&f->backlog.count) == 0);
        }
    }
    uint32_t last_place[STREAMS] = {0};
    for (uint32_t i = 0; i < f->count; i++) {
        const fmi_list *list = &f->lists[i];
        assert_true(f->place_of[i] > 0); // none was lost
        if (list->stream) {
            uint32_t *last = &last_place[list->stream - f->streams];
            assert_true(f->place_of[i] > *last); // commit order
            *last = f->place_of[i];
        }
        for (uint32_t k = 0; k < i; k++) {
            for (uint32_t a = 0; a < list->after_count; a++) {
                assert_false(f->lists[k].stream == list->after[a].stream && f->lists[k].value == list->after[a].value &&
                             f->place_of[k] > f->place_of[i]);
            }
        }
    }
    free_fixture(f);
}

static void backlog_random_lists_keep_their_order_and_points(void **state)
{
    (void)state;
    for (uint32_t seed = 1; seed <= 60; seed++) {
        run_random(seed * 7919);
    }
}

// A list that waits for one that is yet to be pushed stays, and does not keep others from going.
static void backlog_list_after_an_unpushed_one_waits(void **state)
{
    (void)state;
    fixture *f = new_fixture();
    fmi_list *late = add_list(f, &f->streams[0], 1, 1);
    fmi_list *list = add_list(f, &f->streams[1], 1, 1);
    list->after = f->after[0];
    list->after[list->after_count++] = (fmi_after){&f->streams[0], late->value};
    push(f, list);
    assert_int_equal(take(f, false).lists, 0);
    fmi_list *other = push_new(f, 2, 1, 1);
    assert_int_equal(take(f, false).lists, 1);
    assert_int_equal(batch_of(f, other), 1);
    push(f, late);
    assert_int_equal(take(f, false).lists, 2);
    assert_true(f->place_of[late - f->lists] < f->place_of[list - f->lists]);
    free_fixture(f);
}

static void backlog_short_list_is_not_chained_to_a_long_one(void **state)
{
    (void)state;
    fixture *f = new_fixture();
    atomic_store(&f->cost.ns[0], 1000);
    atomic_store(&f->cost.ns[4], 2 * FMI_LONG_NS);
    fmi_list *slow = push_new(f, 0, 1, 16);
    fmi_list *slow_too = push_new(f, 0, 1, 16);
    fmi_list *slow_other = push_new(f, 2, 1, 16);
    fmi_list *quick = push_new(f, 1, 1, 1);
    assert_int_equal(take(f, false).lists, 1); // the quick one goes first, alone
    assert_int_equal(batch_of(f, quick), 1);
    fmi_list *quick_too = push_new(f, 1, 1, 1);
    fmi_portion portion =
        take(f, false); // then the long ones have their turn, one a stream: a short one may come any time
    assert_true(portion.is_long);
    assert_int_equal(batch_of(f, slow), 2);
    assert_int_equal(batch_of(f, slow_other), 2);
    assert_int_equal(batch_of(f, slow_too), 0);
    assert_int_equal(batch_of(f, quick_too), 0);
    portion = take(f, true); // behind a long batch only short lists go
    assert_false(portion.is_long);
    assert_int_equal(batch_of(f, quick_too), 3);
    assert_int_equal(take(f, true).lists, 0);
    assert_int_equal(take(f, false).lists, 1);
    assert_int_equal(batch_of(f, slow_too), 4);
    free_fixture(f);
}

static void backlog_long_list_is_not_starved_by_short_ones(void **state)
{
    (void)state;
    fixture *f = new_fixture();
    atomic_store(&f->cost.ns[0], 1000);
    atomic_store(&f->cost.ns[4], 2 * FMI_LONG_NS);
    fmi_list *slow = push_new(f, 0, 1, 16);
    for (uint32_t i = 0; i < 2; i++) {
        push_new(f, 1, 1, 1);
        take(f, false);
    }
    assert_int_equal(batch_of(f, slow), 2);
    free_fixture(f);
}

static void backlog_batch_is_capped_by_time_where_others_wait(void **state)
{
    (void)state;
    fixture *f = new_fixture();
    atomic_store(&f->cost.ns[0], FMI_LONG_NS / 2);
    for (uint32_t i = 0; i < 200; i++) {
        push_new(f, 0, 1, 1);
        push_new(f, 1, 1, 1);
    }
    assert_int_equal(take(f, false).lists, 2 * (FMI_BATCH_NS / (FMI_LONG_NS / 2)));
    free_fixture(f);
}

static fixture *new_split_fixture(void)
{
    fixture *f = new_fixture();
    atomic_store(&f->cost.ns[0], 1000);
    atomic_store(&f->cost.ns[4], FMI_LONG_NS);
    return f;
}

static void backlog_each_kind_has_its_own_queues(void **state)
{
    (void)state;
    fixture *f = new_split_fixture();
    fmi_list *slow = push_new(f, 0, 1, 16), *quick = push_new(f, 1, 1, 1), *other = push_new(f, 2, 1, 1);
    assert_int_equal(take_on(f, 0).lists, 2);
    assert_int_equal(batch_of(f, quick), 1);
    assert_int_equal(batch_of(f, other), 1);
    assert_int_equal(take_on(f, 0).lists, 0);
    fmi_portion portion = take_on(f, 2);
    assert_true(portion.is_long);
    assert_int_equal(batch_of(f, slow), 2);
    free_fixture(f);
}

// What a stream has under way on a queue for long lists keeps its next ones there; what it has on the first does not.
static void backlog_stream_stays_with_its_long_lists(void **state)
{
    (void)state;
    fixture *f = new_split_fixture();
    fmi_list *first = push_new(f, 0, 1, 1), *slow = push_new(f, 0, 1, 16), *last = push_new(f, 0, 1, 1);
    assert_int_equal(take_on(f, 1).lists, 0); // not before the short one
    assert_int_equal(take_on(f, 0).lists, 1);
    assert_int_equal(batch_of(f, first), 1);
    assert_int_equal(take_on(f, 1).lists, 2); // with the short one behind it
    assert_int_equal(batch_of(f, slow), 2);
    assert_int_equal(batch_of(f, last), 2);
    fmi_list *slow_too = push_new(f, 0, 1, 16);
    assert_int_equal(take_on(f, 2).lists, 0);
    assert_int_equal(take_on(f, 1).lists, 1);
    assert_int_equal(batch_of(f, slow_too), 3);
    atomic_store(&f->streams[0].completed, slow_too->value);
    push_new(f, 0, 1, 16);
    push_new(f, 0, 1, 1);
    assert_int_equal(take_on(f, 2).lists, 2);
    atomic_store(&f->streams[0].completed, slow_too->value + 2);
    push_new(f, 0, 1, 1);
    assert_int_equal(take_on(f, 1).lists, 0);
    assert_int_equal(take_on(f, 0).lists, 1);
    free_fixture(f);
}

static void backlog_list_after_a_long_one_goes_with_the_long(void **state)
{
    (void)state;
    fixture *f = new_split_fixture();
    fmi_list *slow = push_new(f, 0, 1, 16);
    assert_int_equal(take_on(f, 1).lists, 1);
    for (int complete = 0; complete < 2; complete++) {
        fmi_list *behind = add_list(f, &f->streams[1 + complete], 1, 1);
        fmi_after *after = f->after[behind - f->lists];
        after[0] = (fmi_after){.stream = slow->stream, .value = slow->value};
        behind->after = after;
        behind->after_count = 1;
        push(f, behind);
        assert_int_equal(take_on(f, complete ? 2 : 0).lists, 0);
        assert_int_equal(take_on(f, complete ? 0 : 2).lists, 1);
        atomic_store(&slow->stream->completed, slow->value);
    }
    free_fixture(f);
}

static void learn(fixture *f, const fmi_list *list, uint32_t wave_ns, _Atomic(uint32_t) *slowest)
{
    (void)f;
    fmi_command *commands[8];
    uint32_t count = 0;
    for (fmi_command *command = list->first; command; command = command->next) {
        commands[count++] = command;
    }
    uint32_t times[FMI_TIMED_WAVES] = {wave_ns};
    const fmi_batch_plan plan = {
        .commands = commands, .command_count = count, .wave_ends = &count, .wave_count = 1, .wave_ns = times};
    fmi_cost_learn(&plan, slowest);
}

static void cost_is_learned_by_size_and_bounded_by_shared_waves(void **state)
{
    (void)state;
    fixture *f = new_fixture();
    _Atomic(uint32_t) slowest = 0;
    fmi_list *one = add_list(f, NULL, 1, 1);
    fmi_list *large = add_list(f, NULL, 1, 100);
    fmi_list *four = add_list(f, NULL, 4, 1);
    learn(f, one, 8000, &slowest);
    assert_int_equal(atomic_load(&f->cost.ns[0]), 8000);
    assert_int_equal(atomic_load(&f->cost.ns[6]), 0); // another size is another matter
    learn(f, one, 4000, &slowest);
    assert_int_equal(atomic_load(&f->cost.ns[0]), 7000);
    learn(f, one, 200000, &slowest); // held up: a quarter of twice as long
    assert_int_equal(atomic_load(&f->cost.ns[0]), 8750);
    learn(f, one, 1750, &slowest);
    assert_int_equal(atomic_load(&f->cost.ns[0]), 7000);
    learn(f, large, 90000, &slowest);
    assert_int_equal(atomic_load(&f->cost.ns[6]), 90000);
    assert_int_equal(atomic_load(&slowest), 90000);
    learn(f, four, 20000, &slowest); // four took 20 µs together: each takes 5 to 20
    assert_int_equal(atomic_load(&f->cost.ns[0]), 7000);
    learn(f, four, 6000, &slowest);
    assert_int_equal(atomic_load(&f->cost.ns[0]), 6000);
    learn(f, four, 80000, &slowest);
    assert_int_equal(atomic_load(&f->cost.ns[0]), 12000); // not 20000: it may have been held up, too
    learn(f, four, 80000, &slowest);
    assert_int_equal(atomic_load(&f->cost.ns[0]), 20000);
    assert_int_equal(fmi_cost_of_list(four, 90000, FMI_LONG_NS), 80000);
    assert_int_equal(fmi_cost_of_list(four, 25000, 1000000), 100000); // cannot matter: not looked at
    free_fixture(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(backlog_parts_of_a_transfer_have_their_place),
        cmocka_unit_test(backlog_flood_does_not_keep_a_trickle_waiting),
        cmocka_unit_test(backlog_large_list_is_not_passed_for_ever),
        cmocka_unit_test(backlog_random_lists_keep_their_order_and_points),
        cmocka_unit_test(backlog_list_after_an_unpushed_one_waits),
        cmocka_unit_test(backlog_short_list_is_not_chained_to_a_long_one),
        cmocka_unit_test(backlog_long_list_is_not_starved_by_short_ones),
        cmocka_unit_test(backlog_batch_is_capped_by_time_where_others_wait),
        cmocka_unit_test(backlog_each_kind_has_its_own_queues),
        cmocka_unit_test(backlog_stream_stays_with_its_long_lists),
        cmocka_unit_test(backlog_list_after_a_long_one_goes_with_the_long),
        cmocka_unit_test(cost_is_learned_by_size_and_bounded_by_shared_waves),
    };
    return cmocka_run_group_tests_name("schedule_backlog", tests, NULL, NULL);
}
