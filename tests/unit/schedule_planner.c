// Planner against a brute-force reference on random command sequences: every conflicting pair keeps its order, and as long as
// a region has few ranges no command waits longer than it must.
#include "schedule/planner.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MOST_LISTS = 12, MOST_COMMANDS = 400, MOST_SPANS = 4, REGIONS = 6, STREAMS = 3 };

typedef struct sequence {
    fmi_list lists[MOST_LISTS];
    fmi_stream streams[STREAMS];
    fmi_slot *regions[REGIONS];
    fmi_slot slots[REGIONS];
    fmi_after after[MOST_LISTS];
    fmi_command *commands[MOST_COMMANDS]; // barriers left out
    uint32_t list_of[MOST_COMMANDS];
    uint32_t expected[MOST_COMMANDS];
    uint32_t list_count, count;
} sequence;

static uint32_t next_random(uint32_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    return *seed;
}

static bool spans_conflict(const fmi_span *a, const fmi_span *b)
{
    return a->region == b->region && !((a->access | b->access) & FMI_SPAN_PRIVATE) &&
           ((a->access | b->access) & FM_ACCESS_WRITE) && a->offset_bytes < b->offset_bytes + b->size_bytes &&
           b->offset_bytes < a->offset_bytes + a->size_bytes;
}

static bool commands_conflict(const fmi_command *a, const fmi_command *b)
{
    for (uint32_t i = 0; i < a->span_count; i++) {
        for (uint32_t k = 0; k < b->span_count; k++) {
            if (spans_conflict(&a->spans[i], &b->spans[k])) {
                return true;
            }
        }
    }
    return false;
}

// `grid`: how many different ranges a region's spans can have.
static fmi_span random_span(uint32_t *seed, uint32_t grid)
{
    uint32_t place = next_random(seed) % grid;
    uint32_t cells = grid <= FMI_HAZARD_RANGES ? 1 : 1 + next_random(seed) % 3;
    uint32_t private = next_random(seed) % 20 == 0 ? FMI_SPAN_PRIVATE : 0;
    return (fmi_span){NULL, place * 64, cells * 64, next_random(seed) % REGIONS * 50,
                      (1 + next_random(seed) % 3) | private};
}

static void build(sequence *s, uint32_t *seed, uint32_t grid, bool untracked_too)
{
    memset(s, 0, sizeof *s);
    fmi_hold_chunk *all = calloc(1, sizeof *all);
    for (uint32_t i = 0; i < REGIONS; i++) {
        s->slots[i].index = i * 50; // sparse
        all->slots[all->count++] = &s->slots[i];
    }
    s->list_count = 1 + next_random(seed) % MOST_LISTS;
    for (uint32_t l = 0; l < s->list_count; l++) {
        fmi_list *list = &s->lists[l];
        list->stream = &s->streams[next_random(seed) % STREAMS];
        list->untracked = untracked_too && next_random(seed) % 3 == 0;
        if (next_random(seed) % 4 == 0) {
            s->after[l].stream = &s->streams[next_random(seed) % STREAMS];
            list->after = &s->after[l];
            list->after_count = 1;
        }
        list->buffers = all;
        list->highest_region = (REGIONS - 1) * 50;
        uint32_t commands = next_random(seed) % 25;
        for (uint32_t c = 0; c < commands && s->count < MOST_COMMANDS; c++) {
            bool barrier = next_random(seed) % 10 == 0;
            uint32_t spans = barrier ? 0 : next_random(seed) % (MOST_SPANS + 1);
            fmi_command *command =
                fmi_list_append(list, barrier ? FMI_COMMAND_BARRIER : FMI_COMMAND_DISPATCH, spans, 0);
            for (uint32_t i = 0; i < spans; i++) {
                command->spans[i] = random_span(seed, grid);
            }
            if (!barrier) {
                s->list_of[s->count] = l;
                s->commands[s->count++] = command;
            }
        }
    }
}

// What must come before command j: by the rules in words, with every pair looked at.
static bool must_precede(const sequence *s, uint32_t i, uint32_t j)
{
    const fmi_list *a = &s->lists[s->list_of[i]], *b = &s->lists[s->list_of[j]];
    if (a != b) {
        if (b->after_count && b->after[0].stream == a->stream) {
            return true;
        }
        if (a->stream == b->stream && (a->untracked || b->untracked)) {
            return true;
        }
        return commands_conflict(s->commands[i], s->commands[j]);
    }
    for (const fmi_command *c = s->commands[i]; c != s->commands[j]; c = c->next) {
        if (c->kind == FMI_COMMAND_BARRIER) {
            return true;
        }
    }
    return !a->untracked && commands_conflict(s->commands[i], s->commands[j]);
}

static void plan(sequence *s, fmi_planner *planner, fmi_plan_arrays *arrays, fmi_batch_plan *out)
{
    assert_int_equal(fmi_planner_begin(planner, 0, arrays, s->count), FM_OK);
    for (uint32_t l = 0; l < s->list_count; l++) {
        assert_int_equal(fmi_planner_add(planner, &s->lists[l], l), FM_OK);
    }
    memset(out, 0, sizeof *out);
    fmi_planner_finish(planner, out);
}

static void release(sequence *s)
{
    free(s->lists[0].buffers);
    for (uint32_t l = 0; l < s->list_count; l++) {
        fmi_arena_free(&s->lists[l].arena);
    }
}

// Each command once, waves in order, and each command in the wave that it was given.
static void check_shape(const sequence *s, const fmi_batch_plan *p)
{
    assert_int_equal(p->command_count, s->count);
    uint32_t begin = 0, last_wave = 0;
    for (uint32_t w = 0; w < p->wave_count; w++) {
        assert_true(p->wave_ends[w] > begin); // no empty wave: no barrier for nothing
        for (uint32_t i = begin; i < p->wave_ends[w]; i++) {
            assert_int_equal(p->commands[i]->wave, p->commands[begin]->wave);
        }
        assert_true(p->commands[begin]->wave > last_wave);
        last_wave = p->commands[begin]->wave;
        begin = p->wave_ends[w];
    }
    assert_int_equal(begin, s->count);
    for (uint32_t i = 0; i < s->count; i++) {
        uint32_t seen = 0;
        for (uint32_t k = 0; k < p->command_count; k++) {
            seen += p->commands[k] == s->commands[i];
        }
        assert_int_equal(seen, 1);
        assert_int_equal(s->commands[i]->list, s->list_of[i]);
    }
}

static void check_order(const sequence *s, uint32_t seed)
{
    for (uint32_t j = 0; j < s->count; j++) {
        for (uint32_t i = 0; i < j; i++) {
            if (must_precede(s, i, j) && s->commands[i]->wave >= s->commands[j]->wave) {
                fail_msg("seed %u: command %u (wave %u) must precede %u (wave %u)", seed, i, s->commands[i]->wave, j,
                         s->commands[j]->wave);
            }
        }
    }
}

static void planner_random_sequences_keep_every_conflict_in_order(void **state)
{
    (void)state;
    static sequence s;
    fmi_planner planner = {.queue_count = 1};
    fmi_plan_arrays arrays = {0};
    for (uint32_t seed = 1; seed <= 1500; seed++) {
        uint32_t r = seed * 2654435761u;
        build(&s, &r, seed % 2 ? 24 : FMI_HAZARD_RANGES, true);
        fmi_batch_plan p;
        plan(&s, &planner, &arrays, &p);
        check_shape(&s, &p);
        check_order(&s, seed);
        release(&s);
    }
    fmi_planner_free(&planner);
    fmi_plan_arrays_free(&arrays);
}

// LEARNED-13: no barrier where nothing depends. With tracked lists of one stream and few ranges a region, waves are the
// longest chains of conflicts, no more.
static void planner_few_ranges_give_the_earliest_wave(void **state)
{
    (void)state;
    static sequence s;
    fmi_planner planner = {.queue_count = 1};
    fmi_plan_arrays arrays = {0};
    for (uint32_t seed = 1; seed <= 1500; seed++) {
        uint32_t r = seed * 2246822519u;
        build(&s, &r, FMI_HAZARD_RANGES, false);
        for (uint32_t l = 0; l < s.list_count; l++) {
            s.lists[l].after_count = 0;
        }
        fmi_batch_plan p;
        plan(&s, &planner, &arrays, &p);
        for (uint32_t j = 0; j < s.count; j++) {
            s.expected[j] = 1;
            for (uint32_t i = 0; i < j; i++) {
                if (must_precede(&s, i, j) && s.expected[i] >= s.expected[j]) {
                    s.expected[j] = s.expected[i] + 1;
                }
            }
            if (s.commands[j]->wave != s.expected[j]) {
                fail_msg("seed %u: command %u is in wave %u, could be in %u", seed, j, s.commands[j]->wave,
                         s.expected[j]);
            }
        }
        release(&s);
    }
    fmi_planner_free(&planner);
    fmi_plan_arrays_free(&arrays);
}

static void planner_empty_batch_has_no_wave(void **state)
{
    (void)state;
    static sequence s;
    memset(&s, 0, sizeof s);
    fmi_planner planner = {.queue_count = 1};
    fmi_plan_arrays arrays = {0};
    fmi_batch_plan p;
    s.list_count = 1;
    plan(&s, &planner, &arrays, &p);
    assert_int_equal(p.wave_count, 0);
    assert_int_equal(p.command_count, 0);
    fmi_planner_free(&planner);
    fmi_plan_arrays_free(&arrays);
}

// A run of batches, one sequence each, over the same regions and streams.
enum { BATCHES = 6 };

// Is there a barrier between command i of batch a and command j of batch b, as backends place them?
static bool barrier_between(const fmi_batch_plan *plans, uint32_t a, uint32_t b, const fmi_command *j)
{
    for (uint32_t k = a + 1; k < b; k++) {
        if (plans[k].after_in_flight || plans[k].wave_count > 1) {
            return true; // its first one orders everything before it against everything behind
        }
    }
    uint32_t first_end = plans[b].wave_ends[0];
    bool in_first_wave = false;
    for (uint32_t i = 0; i < first_end; i++) {
        in_first_wave = in_first_wave || plans[b].commands[i] == j;
    }
    return plans[b].after_in_flight || !in_first_wave;
}

static bool needs_order_across(const sequence *s, const sequence *t, uint32_t i, uint32_t j)
{
    const fmi_list *a = &s->lists[s->list_of[i]], *b = &t->lists[t->list_of[j]];
    uint32_t stream_a = (uint32_t)(a->stream - s->streams), stream_b = (uint32_t)(b->stream - t->streams);
    if (b->after_count && (uint32_t)(b->after[0].stream - t->streams) == stream_a) {
        return true;
    }
    return (stream_a == stream_b && (a->untracked || b->untracked)) ||
           commands_conflict(s->commands[i], t->commands[j]);
}

static uint32_t run_batches(uint32_t seed, fmi_planner *planner)
{
    static sequence s[BATCHES];
    static fmi_plan_arrays arrays[BATCHES];
    fmi_batch_plan plans[BATCHES];
    uint32_t built[BATCHES]; // lists, those that are left out too
    uint32_t elided = 0;
    for (uint32_t b = 0; b < BATCHES; b++) {
        uint32_t r = (seed * BATCHES + b) * 2654435761u + 1;
        build(&s[b], &r, 24, seed % 2);
        built[b] = s[b].list_count;
        s[b].list_count = s[b].list_count > 2 ? 2 : s[b].list_count; // small batches: most have one wave
        for (uint32_t i = 0; i < STREAMS && b > 0; i++) {
            s[b].streams[i] = s[b - 1].streams[i];
        }
        uint32_t count = 0;
        while (count < s[b].count && s[b].list_of[count] < s[b].list_count) {
            count++;
        }
        s[b].count = count;
        plan(&s[b], planner, &arrays[b], &plans[b]);
        if (plans[b].command_count > 0 && seed % 5 != b) { // now and then one is not submitted
            fmi_planner_note_submitted(planner, &plans[b]);
            elided += b > 0 && !plans[b].after_in_flight;
        } else {
            s[b].count = 0;
            plans[b].wave_count = 0;
            plans[b].after_in_flight = false;
        }
        for (uint32_t a = 0; a < b; a++) {
            for (uint32_t i = 0; i < s[a].count; i++) {
                for (uint32_t j = 0; j < s[b].count; j++) {
                    if (needs_order_across(&s[a], &s[b], i, j) && !barrier_between(plans, a, b, s[b].commands[j])) {
                        fail_msg("seed %u: command %u of batch %u must come after %u of batch %u", seed, j, b, i, a);
                    }
                }
            }
        }
    }
    for (uint32_t b = 0; b < BATCHES; b++) {
        s[b].list_count = built[b];
        release(&s[b]);
        fmi_plan_arrays_free(&arrays[b]);
    }
    return elided;
}

// Between batches too every conflict has its barrier; and some batches need none at their start.
static void planner_batches_wait_for_earlier_ones_that_they_conflict_with(void **state)
{
    (void)state;
    uint32_t elided = 0;
    for (uint32_t seed = 1; seed <= 2000; seed++) {
        fmi_planner planner = {.queue_count = 1};
        elided += run_batches(seed, &planner);
        fmi_planner_free(&planner);
    }
    assert_true(elided > 100);
}

// One batch of one command of one span, of a stream or of none. Returns whether it starts with a barrier; `planner->after` says which other
// queues it waits for.
static bool run_one(fmi_planner *planner, uint32_t queue, fmi_list *list, uint32_t region, uint32_t access,
                    bool submitted)
{
    static fmi_slot slots[4] = {{.index = 0}, {.index = 1}, {.index = 2}, {.index = 3}};
    fmi_hold_chunk all = {.count = 4, .slots = {&slots[0], &slots[1], &slots[2], &slots[3]}};
    list->buffers = &all;
    list->highest_region = 3;
    fmi_command *command = fmi_list_append(list, FMI_COMMAND_DISPATCH, 1, 0);
    command->spans[0] = (fmi_span){NULL, 0, 64, region, access};
    fmi_plan_arrays arrays = {0};
    fmi_batch_plan p = {0};
    assert_int_equal(fmi_planner_begin(planner, queue, &arrays, 1), FM_OK);
    assert_int_equal(fmi_planner_add(planner, list, 0), FM_OK);
    fmi_planner_finish(planner, &p);
    if (submitted) {
        fmi_planner_note_submitted(planner, &p);
    } else {
        fmi_planner_note_dropped(planner);
    }
    fmi_plan_arrays_free(&arrays);
    fmi_arena_free(&list->arena);
    return p.after_in_flight;
}

static bool starts_with_barrier(fmi_planner *planner, uint32_t region, uint32_t access)
{
    return run_one(planner, 0, &(fmi_list){0}, region, access, true);
}

// Which batches of the three queues a batch comes after; 0: none.
static void expect_after(const fmi_planner *planner, uint64_t first, uint64_t second, uint64_t third)
{
    assert_int_equal(planner->after[0], first);
    assert_int_equal(planner->after[1], second);
    assert_int_equal(planner->after[2], third);
}

static void run_on(fmi_planner *planner, uint32_t queue, uint32_t region, uint32_t access)
{
    run_one(planner, queue, &(fmi_list){0}, region, access, true);
}

// LEARNED-13: a batch waits for the other queues' batches that it conflicts with, once each, and for no others.
static void planner_waits_for_conflicts_on_other_queues(void **state)
{
    (void)state;
    fmi_planner planner = {0};
    fmi_planner_init(&planner, 3);
    run_on(&planner, 0, 0, FM_ACCESS_WRITE); // batch 1
    run_on(&planner, 1, 0, FM_ACCESS_READ);  // batch 2
    expect_after(&planner, 1, 0, 0);
    run_on(&planner, 1, 0, FM_ACCESS_READ); // behind that wait
    expect_after(&planner, 0, 0, 0);
    run_on(&planner, 2, 0, FM_ACCESS_READ); // batch 4: readers share, the writer does not
    expect_after(&planner, 1, 0, 0);
    run_on(&planner, 2, 1, FM_ACCESS_WRITE); // batch 5: other memory
    expect_after(&planner, 0, 0, 0);
    run_on(&planner, 0, 0, FM_ACCESS_WRITE); // batch 6: after the last reader of each queue
    expect_after(&planner, 0, 3, 4);
    run_on(&planner, 1, 0, FM_ACCESS_WRITE); // batch 7
    expect_after(&planner, 6, 0, 4);
    run_on(&planner, 0, 1, FM_ACCESS_READ_WRITE);
    expect_after(&planner, 0, 0, 5);
    fmi_planner_free(&planner);
}

static void planner_stream_waits_for_the_queue_that_it_leaves(void **state)
{
    (void)state;
    static fmi_stream streams[2];
    memset(streams, 0, sizeof streams);
    fmi_planner planner = {0};
    fmi_planner_init(&planner, 3);
    fmi_after after = {.stream = &streams[0], .value = 2};
    run_one(&planner, 0, &(fmi_list){.stream = &streams[0]}, 0, FM_ACCESS_WRITE, true); // batch 1
    run_one(&planner, 1, &(fmi_list){.stream = &streams[0]}, 1, FM_ACCESS_WRITE, true); // batch 2
    expect_after(&planner, 1, 0, 0);
    assert_false(run_one(&planner, 1, &(fmi_list){.stream = &streams[0]}, 2, FM_ACCESS_WRITE, true)); // batch 3
    expect_after(&planner, 0, 0, 0);
    fmi_list follower = {.stream = &streams[1], .after = &after, .after_count = 1};
    assert_false(run_one(&planner, 2, &follower, 3, FM_ACCESS_WRITE, true));
    expect_after(&planner, 0, 3, 0);
    fmi_list again = {.stream = &streams[1], .after = &after, .after_count = 1}; // on the point's own queue: a barrier
    assert_true(run_one(&planner, 1, &again, 3, FM_ACCESS_READ, true));
    expect_after(&planner, 0, 0, 4);
    fmi_planner_free(&planner);
}

// LEARNED-13: no barrier at the start of a batch that conflicts with nothing before it.
static void planner_batch_without_conflict_starts_without_barrier(void **state)
{
    (void)state;
    fmi_planner planner = {.queue_count = 1};
    assert_false(starts_with_barrier(&planner, 0, FM_ACCESS_WRITE));
    assert_false(starts_with_barrier(&planner, 1, FM_ACCESS_READ));
    assert_false(starts_with_barrier(&planner, 2, FM_ACCESS_WRITE));
    assert_false(starts_with_barrier(&planner, 1, FM_ACCESS_READ)); // readers share
    assert_true(starts_with_barrier(&planner, 0, FM_ACCESS_READ));  // what another batch wrote
    assert_false(starts_with_barrier(&planner, 2, FM_ACCESS_READ)); // covered by that barrier
    assert_true(starts_with_barrier(&planner, 2, FM_ACCESS_WRITE)); // what another batch reads
    fmi_planner_free(&planner);
}

// Plans one command of one span on a queue of two or three; the batch is submitted, or refused.
static fmi_batch_plan plan_on(fmi_planner *planner, uint32_t queue, uint32_t access, bool refused)
{
    fmi_list list = {.highest_region = 0};
    fmi_command *command = fmi_list_append(&list, FMI_COMMAND_DISPATCH, 1, 0);
    command->spans[0] = (fmi_span){NULL, 0, 64, 0, access};
    fmi_plan_arrays arrays = {0};
    fmi_batch_plan p = {0};
    assert_int_equal(fmi_planner_begin(planner, queue, &arrays, 1), FM_OK);
    assert_int_equal(fmi_planner_add(planner, &list, 0), FM_OK);
    fmi_planner_finish(planner, &p);
    if (refused) {
        fmi_planner_note_dropped(planner);
    } else {
        fmi_planner_note_submitted(planner, &p);
    }
    fmi_plan_arrays_free(&arrays);
    fmi_arena_free(&list.arena);
    return p;
}

// A refused batch hides nobody: what its memory was written by before is still waited for, on the writer's queue and on others.
static void planner_refused_write_on_another_queue_hides_no_earlier_one(void **state)
{
    (void)state;
    fmi_planner planner = {0};
    fmi_planner_init(&planner, 3);
    plan_on(&planner, 1, FM_ACCESS_WRITE, false); // stamp 1
    plan_on(&planner, 0, FM_ACCESS_WRITE, true);
    assert_int_equal(planner.after[1], 1);
    plan_on(&planner, 2, FM_ACCESS_READ, false);
    assert_int_equal(planner.after[1], 1);
    assert_true(plan_on(&planner, 1, FM_ACCESS_READ, false).after_in_flight);
    plan_on(&planner, 0, FM_ACCESS_READ, false); // its own queue still owes the wait
    assert_int_equal(planner.after[1], 4);
    fmi_planner_free(&planner);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(planner_refused_write_on_another_queue_hides_no_earlier_one),
        cmocka_unit_test(planner_random_sequences_keep_every_conflict_in_order),
        cmocka_unit_test(planner_few_ranges_give_the_earliest_wave),
        cmocka_unit_test(planner_empty_batch_has_no_wave),
        cmocka_unit_test(planner_batches_wait_for_earlier_ones_that_they_conflict_with),
        cmocka_unit_test(planner_batch_without_conflict_starts_without_barrier),
        cmocka_unit_test(planner_waits_for_conflicts_on_other_queues),
        cmocka_unit_test(planner_stream_waits_for_the_queue_that_it_leaves),
    };
    return cmocka_run_group_tests_name("schedule_planner", tests, NULL, NULL);
}
