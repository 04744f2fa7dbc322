// Exhaustive explorer: two clients with three submissions each, in every order in which their calls and the device's steps can follow each
// other. Each scenario is a small alphabet: what each client does, in its own order; the device runs one command at a time. The
// world and the model are the random explorer's. `exhaust [--ablate GUARD]`. Exit status 1: an order failed.
#include "operations.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MOST_STEPS_OF_A_CLIENT = 6,
    MOST_CALLS = 3,  // of a client's step
    MOST_DEPTH = 40, // choices in one schedule
    ORDERS_PER_DEVICE = 256,
};

// What a client does in one go: one to three operations.
typedef struct client_step {
    op calls[MOST_CALLS];
    int count;
} client_step;

typedef struct scenario {
    const char *name;
    uint64_t group; // of world_open: chooses the device's limits
    client_step clients[2][MOST_STEPS_OF_A_CLIENT];
    int counts[2];
} scenario;

// Client C records one command from buffer `from` to buffer `to`, all words, and commits to its stream.
#define RECORD(which, c, from, to)                                                                                     \
    {                                                                                                                  \
        .kind = OPERATION_##which, .client = (c), .a = (from), .b = (to), .value = 1                                   \
    }
#define COMMIT(c)                                                                                                      \
    {                                                                                                                  \
        .kind = OPERATION_commit, .client = (c), .stream = (c)                                                         \
    }
#define SUBMIT(which, c, from, to)                                                                                     \
    {                                                                                                                  \
        .calls = {RECORD(which, c, from, to), COMMIT(c)}, .count = 2                                                   \
    }
#define CALL(which, c, slot)                                                                                           \
    {                                                                                                                  \
        .calls = {{.kind = OPERATION_##which, .client = (c), .a = (slot), .b = (slot), .stream = (c)}}, .count = 1     \
    }
// A buffer that may take over what its client's stream still uses; zeroed, on device memory. Odd clients ask for it.
#define MAKE(slot)                                                                                                     \
    {                                                                                                                  \
        .calls = {{.kind = OPERATION_create, .a = (slot), .x = 1, .y = 1}}, .count = 1                                 \
    }
#define REMAKE(c, slot)                                                                                                \
    {                                                                                                                  \
        .calls = {{.kind = OPERATION_create, .client = 1, .a = (slot), .stream = (c), .x = 1, .y = 1}}, .count = 1     \
    }

static const scenario scenarios[] = {
    {.name = "lifetimes: inputs destroyed, remade in stream order, donated",
     .group = 8,
     .clients = {{SUBMIT(twice, 0, 0, 1), CALL(destroy, 0, 0), REMAKE(0, 0), SUBMIT(copy, 0, 0, 4),
                  SUBMIT(read_back, 0, 0, 1)},
                 {SUBMIT(twice, 1, 2, 3), SUBMIT(read_back, 1, 0, 3), CALL(donate, 1, 3), CALL(destroy, 1, 3),
                  SUBMIT(fill, 1, 0, 2)}},
     .counts = {5, 5}},
    {.name = "points: two streams through one buffer",
     .group = 8,
     .clients = {{SUBMIT(twice, 0, 0, 1), SUBMIT(fill, 0, 0, 0), CALL(poll, 0, 0), SUBMIT(twice, 0, 1, 0)},
                 {SUBMIT(copy, 1, 0, 2), SUBMIT(twice, 1, 2, 0), CALL(poll, 1, 0), SUBMIT(read_back, 1, 0, 0)}},
     .counts = {4, 4}},
    {.name = "queues: long lists and short ones of two streams through one buffer",
     .group = 17,
     .clients = {{SUBMIT(twice, 0, 0, 1), SUBMIT(fill, 0, 0, 0), CALL(poll, 0, 0), SUBMIT(twice, 0, 1, 0)},
                 {SUBMIT(copy, 1, 0, 2), SUBMIT(twice, 1, 2, 0), CALL(poll, 1, 0), SUBMIT(read_back, 1, 0, 0)}},
     .counts = {4, 4}},
    {.name = "failures: a list fails, its stream is reset, another stream builds on it",
     .group = 8,
     .clients = {{SUBMIT(broken, 0, 0, 1), SUBMIT(twice, 0, 1, 2), CALL(reset, 0, 0), SUBMIT(fill, 0, 0, 1)},
                 {SUBMIT(copy, 1, 1, 3), SUBMIT(read_back, 1, 0, 3), CALL(poll, 1, 0), SUBMIT(read_back, 1, 0, 2)}},
     .counts = {4, 4}},
    {.name = "limits: one batch and four lists in flight, a synchronous read, a buffer for nobody's stream",
     .group = 12,
     .clients = {{SUBMIT(twice, 0, 0, 1), SUBMIT(twice, 0, 0, 1), CALL(destroy, 0, 0), MAKE(0),
                  SUBMIT(read_back, 0, 0, 1)},
                 {SUBMIT(twice, 1, 2, 3), SUBMIT(twice, 1, 2, 3), CALL(read_now, 1, 3), SUBMIT(fill, 1, 0, 3)}},
     .counts = {5, 4}},
    {.name = "losses: a batch is refused, the device is lost",
     .group = 8,
     .clients = {{SUBMIT(twice, 0, 0, 1), CALL(refuse, 0, 0), SUBMIT(twice, 0, 0, 1), SUBMIT(read_back, 0, 0, 1)},
                 {SUBMIT(twice, 1, 2, 3), SUBMIT(copy, 1, 3, 1), CALL(lose, 1, 0), SUBMIT(read_back, 1, 0, 3)}},
     .counts = {4, 4}},
};
enum { SCENARIOS = sizeof scenarios / sizeof *scenarios };

// One schedule as the choices that made it: at each depth, which of how many.
typedef struct schedule {
    int chosen[MOST_DEPTH];
    int of[MOST_DEPTH];
    int depth;
} schedule;

// The next choice among `of`: the one that the schedule prescribes, or the first beyond its end.
static int choose(schedule *s, int depth, int of)
{
    if (depth == s->depth) {
        s->chosen[s->depth] = 0;
        s->depth++;
    }
    s->of[depth] = of;
    return s->chosen[depth];
}

// Makes the schedule the next in order; false: it was the last.
static bool advance(schedule *s)
{
    while (s->depth > 0 && s->chosen[s->depth - 1] + 1 == s->of[s->depth - 1]) {
        s->depth--;
    }
    if (s->depth == 0) {
        return false;
    }
    s->chosen[s->depth - 1]++;
    return true;
}

static int committed_commands(const world *w)
{
    int count = 0;
    for (int i = 0; i < w->model.list_count; i++) {
        const model_list *list = &w->model.lists[i];
        count += list->committed && list->commands > 0 ? list->commands : 0;
    }
    return count;
}

// The device runs a command; one that waits behind a batch that is done is submitted first.
static void step(world *w)
{
    uint32_t ran = 0;
    world_fails(w, fm_testing_step(w->device, 1, &ran), "fm_testing_step");
    if (ran == 0) {
        world_learn_all(w);
        world_fails(w, fm_testing_step(w->device, 1, NULL), "fm_testing_step");
    }
}

static void perform_all(world *w, const client_step *s)
{
    for (int i = 0; i < s->count; i++) {
        if (w->talks) {
            operation_print(&s->calls[i]);
        }
        operation_perform(w, &s->calls[i]);
    }
}

static bool run(world *w, const scenario *s, schedule *order)
{
    int at[2] = {0, 0}, steps = 0;
    world_start(w);
    for (uint8_t b = 0; b < 4; b++) {
        operation_perform(w, &(op){.kind = OPERATION_create, .a = b, .x = 1, .y = 1});
        operation_perform(w,
                          &(op){.kind = OPERATION_write_now, .b = b, .stream = b, .n = WORDS - 1, .value = 100u * b});
    }
    operation_perform(w, &(op){.kind = OPERATION_create, .a = 4, .x = 1, .y = 1});
    operation_perform(w, &(op){.kind = OPERATION_order, .value = 1});
    for (int depth = 0; depth < MOST_DEPTH && !w->failure[0]; depth++) {
        int enabled[3], count = 0;
        for (int c = 0; c < 2; c++) {
            if (at[c] < s->counts[c]) {
                enabled[count++] = c;
            }
        }
        if (count > 0 && steps < committed_commands(w)) {
            enabled[count++] = 2;
        }
        if (count == 0) {
            break; // what is left of the device's work has one order
        }
        int who = enabled[choose(order, depth, count)];
        if (who < 2) {
            perform_all(w, &s->clients[who][at[who]++]);
        } else {
            steps++;
            step(w);
        }
    }
    return world_finish(w);
}

// Runs every order of a scenario. False: one failed, and was printed.
static bool exhaust(world *w, const scenario *s, int ablate)
{
    schedule order = {.depth = 0};
    uint64_t count = 0;
    bool open = false, passed = true, more = true;
    for (; more && passed; count++) {
        if (!open) {
            world_open(w, s->group, ablate);
            open = true;
        }
        passed = run(w, s, &order);
        if (w->lost || !passed || count % ORDERS_PER_DEVICE == ORDERS_PER_DEVICE - 1) {
            passed = world_close(w) && passed;
            open = false;
        }
        more = passed && advance(&order);
    }
    if (open) {
        passed = world_close(w) && passed;
    }
    printf("%9llu orders  %s%s%s\n", (unsigned long long)count, s->name, passed ? "" : ": ", passed ? "" : w->failure);
    if (!passed && ablate < 0) {
        world_open(w, s->group, ablate);
        w->talks = true;
        run(w, s, &order);
        world_close(w);
        printf("      %s\n", w->failure[0] ? w->failure : "passes on a device of its own");
    }
    return passed;
}

int main(int argc, char **argv)
{
    static world w;
    int ablate = argc == 3 && strcmp(argv[1], "--ablate") == 0 ? atoi(argv[2]) : -1;
    if (argc != 1 && ablate < 0) {
        fprintf(stderr, "usage: exhaust [--ablate GUARD]\n");
        return 2;
    }
    bool passed = true;
    for (int i = 0; i < SCENARIOS; i++) {
        passed = exhaust(&w, &scenarios[i], ablate) && passed;
    }
    return passed ? EXIT_SUCCESS : EXIT_FAILURE;
}
