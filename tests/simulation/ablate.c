// The ablations: each guard's scenario run both ways, as tests or as the table that `make ablate` shows. See ablate.h.
#include "ablate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef struct guard {
    fm_ablation ablation; // what its scenario switches
    const char *name;
    const char *requirement;
    const char *failure; // what happens without it
    bool (*passes)(bool ablate);
    bool has_no_cost; // in the workload of ablate_cost.c, whose kernels have no variants
} guard;

static const guard guards[] = {
    {FM_ABLATE_HOLD_BUFFERS, "hold buffers", "HOLD-1 HOLD-8", "another buffer's bytes are read", ablate_hold_buffers,
     false},
    {FM_ABLATE_HOLD_KERNELS, "hold kernels", "HOLD-1 KEY-3", "a destroyed kernel is run", ablate_hold_kernels, false},
    {FM_ABLATE_HOLD_IN_BIND, "hold in the bind path", "HOLD-2", "a temporary's memory is reused", ablate_hold_in_bind,
     false},
    {FM_ABLATE_FREE_AFTER_DONE, "free after done", "RETIRE-1", "memory is freed at submit", ablate_free_after_done,
     false},
    {FM_ABLATE_DONATION_KEEPS_HOLD, "donation keeps the hold", "HOLD-5", "a donated input's memory is reused",
     ablate_donation, false},
    {FM_ABLATE_DEATH_POINTS, "reuse after death points", "HOLD-6 LEARNED-5", "memory in use is handed out",
     ablate_death_points, false},
    {FM_ABLATE_READ_OWN_LIST, "read waits for its own list", "READ-1", "stale bytes are read", ablate_read_own_list,
     false},
    {FM_ABLATE_BARRIERS, "barriers", "LEARNED-13", "dependent commands run in any order", ablate_barriers, false},
    {FM_ABLATE_QUEUE_WAITS, "waits between queues", "LEARNED-13", "another queue's work is not waited for",
     ablate_queue_waits, false},
    {FM_ABLATE_ORDERED_PUBLISH, "ordered publishing", "LEARNED-1", "a complete point turns incomplete",
     ablate_ordered_publish, false},
    {FM_ABLATE_KEEP_FAILURES, "failures are kept", "READ-5", "a failure reads as success", ablate_keep_failures, false},
    {FM_ABLATE_KEEP_EVERY_FAILURE, "each of several failures is kept", "LEARNED-7",
     "the second failure reads as success", ablate_keep_every_failure, false},
    {FM_ABLATE_RETIRE_ON_READ, "reads retire", "READ-4", "memory grows with each read", ablate_retire_on_read, false},
    {FM_ABLATE_WAIT_FOR_OLDEST, "limit waits for the oldest", "RETIRE-4", "the commit waits for everything",
     ablate_wait_for_oldest, false},
    {FM_ABLATE_WHOLE_KEY, "whole key", "KEY-2 KEY-5", "floats are read as halves", ablate_whole_key, true},
    {FM_ABLATE_EVICT_UNHELD, "eviction spares held variants", "KEY-3", "an evicted variant is run", ablate_evict_unheld,
     true},
    {FM_ABLATE_EVICT_UNHELD, "eviction spares what a reusable list holds", "KEY-3", "an evicted variant is run",
     ablate_evict_reusable, true},
    {FM_ABLATE_HOLD_KERNELS, "lists hold variants", "HOLD-1 KEY-3", "an evicted variant is run", ablate_hold_variants,
     true},
};
enum { GUARDS = sizeof guards / sizeof guards[0] };

// ABLATE-2. Each scene opens a device of its own, on which nothing is switched off before it says so (ABLATE-1).
static void guard_present_passes_and_absent_fails(void **state)
{
    const guard *g = *state;
    for (int run = 0; run < 10; run++) {
        assert_true(g->passes(false));
        assert_false(g->passes(true));
    }
}

static int print_table(void)
{
    enum { RUNS = 100 };
    int bad = 0;
    double submission_ns = 0;
    printf("| guard | requirement | without it | failed without, of %d | failed with, of %d | cost, ns (quartiles) |\n"
           "|---|---|---|---|---|---|\n",
           RUNS, RUNS);
    for (int i = 0; i < GUARDS; i++) {
        int without = 0, with = 0;
        for (int run = 0; run < RUNS; run++) {
            without += !guards[i].passes(true);
            with += !guards[i].passes(false);
        }
        bad += without != RUNS || with != 0;
        printf("| %s | %s | %s | %d | %d |", guards[i].name, guards[i].requirement, guards[i].failure, without, with);
        if (guards[i].has_no_cost) {
            printf(" not measured |\n");
            continue;
        }
        guard_cost cost = ablate_measure(guards[i].ablation);
        submission_ns = cost.submission_ns;
        printf(" %+.0f (%+.0f to %+.0f) |\n", cost.median_ns, cost.low_ns, cost.high_ns);
    }
    printf("\nCost: processor time of one submission with the guard minus without it, same build, 31 pairs of 100 "
           "submissions. A\n"
           "submission makes and donates a buffer, records eight dispatches, commits, runs and reads: %.0f ns with all "
           "guards.\n",
           submission_ns);
    return bad ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--table") == 0) {
        return print_table();
    }
    if (argc > 1) {
        fprintf(stderr, "usage: ablate [--table]\n");
        return 2;
    }
    struct CMUnitTest tests[GUARDS];
    for (int i = 0; i < GUARDS; i++) {
        tests[i] =
            (struct CMUnitTest){guards[i].name, guard_present_passes_and_absent_fails, NULL, NULL, (void *)&guards[i]};
    }
    return cmocka_run_group_tests_name("ablate", tests, NULL, NULL);
}
