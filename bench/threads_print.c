// Tables and JSON of suite `threads`. See threads.h.
#include "threads.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// "12.3 k", five characters and the unit's.
static const char *short_number(double number, char *text, size_t size)
{
    double divisor = number >= 1e6 ? 1e6 : 1e3;
    double scaled = number / divisor;
    snprintf(text, size, "%.*f %c", scaled < 10 ? 2 : scaled < 100 ? 1 : 0, scaled, divisor > 1e3 ? 'M' : 'k');
    return text;
}

// The index of a contender of the contest; `count` when it does not take part.
static uint32_t index_of(const contest *c, const char *name)
{
    uint32_t i = 0;
    while (i < c->count && strcmp(c->contenders[i]->name, name) != 0) {
        i++;
    }
    return i;
}

// Fermata's rate divided by that of contender `other`: the median over the repetitions; 0 when one of them has none.
static double ratio_to(const contest *c, const threads_row *row, uint32_t other)
{
    return other < c->count ? row->ratios[other].median : 0;
}

// The fastest Vulkan contender by hand in this row; `count` when there is none.
static uint32_t best_by_hand(const contest *c, const threads_row *row)
{
    uint32_t best = c->count;
    for (uint32_t i = 0; i < c->count; i++) {
        if (strncmp(c->contenders[i]->name, "vulkan-", 7) == 0 && !row->failed[i] &&
            (best == c->count || row->rates[i].median > row->rates[best].median)) {
            best = i;
        }
    }
    return best;
}

static void print_ratio(double ratio)
{
    if (ratio > 0) {
        printf(" %8.2f", ratio);
    } else {
        printf(" %8s", "-");
    }
}

void threads_print_head(const contest *c)
{
    printf("\nDispatches a second: median [quartiles]; then Fermata's rate divided by that of vulkan-fence, of the "
           "best "
           "Vulkan by hand, of CUDA;\n"
           "merged: Fermata's chains a submission; barriers: its barriers a dispatch.\n"
           "each: wait for each chain; all: then for the whole device; pipelined: four chains in flight a thread.\n\n");
    printf("%-7s %5s %-9s %7s", "work", "batch", "mode", "threads");
    for (uint32_t i = 0; i < c->count; i++) {
        printf("  %-22s", c->contenders[i]->name);
    }
    printf(" %8s %8s %8s %9s %9s\n", "/fence", "/best", "/cuda", "merged", "barriers");
}

void threads_print_row(const contest *c, const threads_row *row)
{
    printf("%-7s %5u %-9s %7u", work_names[row->what.kind], row->what.batch, threads_mode_names[row->what.mode],
           row->what.threads);
    for (uint32_t i = 0; i < c->count; i++) {
        char median[16], q1[16], q3[16], cell[64];
        snprintf(cell, sizeof cell, "%s [%s, %s]", short_number(row->rates[i].median, median, sizeof median),
                 short_number(row->rates[i].q1, q1, sizeof q1), short_number(row->rates[i].q3, q3, sizeof q3));
        printf("  %-22s", row->failed[i] ? "ERROR" : cell);
    }
    print_ratio(ratio_to(c, row, index_of(c, "vulkan-fence")));
    print_ratio(ratio_to(c, row, best_by_hand(c, row)));
    print_ratio(ratio_to(c, row, index_of(c, "cuda-streams")));
    const contender_counts *counts = &row->counts;
    if (counts->submissions > 0 && counts->dispatches > 0) {
        printf(" %9.2f %9.2f", (double)counts->chains / (double)counts->submissions,
               (double)counts->barriers / (double)counts->dispatches);
    }
    printf("\n");
    fflush(stdout);
}

void threads_report_row(const contest *c, const threads_row *row, report *results)
{
    for (uint32_t i = 0; i < c->count; i++) {
        char name[64];
        snprintf(name, sizeof name, "%s/%u/%s/%u", work_names[row->what.kind], row->what.batch,
                 threads_mode_names[row->what.mode], row->what.threads);
        json_t *object =
            json_pack("{s:s, s:s, s:s, s:i, s:s, s:i, s:s, s:i, s:b}", "case", name, "contender",
                      c->contenders[i]->name, "work", work_names[row->what.kind], "batch", (int)row->what.batch, "mode",
                      threads_mode_names[row->what.mode], "threads", (int)row->what.threads, "unit", "dispatches/s",
                      "repetitions", (int)row->repetitions, "verified", !row->failed[i]);
        if (object && !row->failed[i]) {
            (void)json_object_set_new(object, "value", json_real(row->rates[i].median));
            (void)json_object_set_new(object, "q1", json_real(row->rates[i].q1));
            (void)json_object_set_new(object, "q3", json_real(row->rates[i].q3));
            const threads_effort *effort = &row->efforts[i];
            (void)json_object_set_new(object, "cpu_us_per_chain", json_real(effort->cpu_ns / effort->chains / 1e3));
            (void)json_object_set_new(object, "sleeps_per_chain", json_real(effort->switches / effort->chains));
            (void)json_object_set_new(object, "ratio", json_real(row->ratios[i].median));
            (void)json_object_set_new(object, "ratio_q1", json_real(row->ratios[i].q1));
            (void)json_object_set_new(object, "ratio_q3", json_real(row->ratios[i].q3));
        }
        if (object && c->contenders[i]->ops->count && row->counts.submissions > 0 && row->counts.dispatches > 0) {
            const contender_counts *counts = &row->counts;
            (void)json_object_set_new(object, "chains_per_submission",
                                      json_real((double)counts->chains / (double)counts->submissions));
            (void)json_object_set_new(object, "barriers_per_dispatch",
                                      json_real((double)counts->barriers / (double)counts->dispatches));
        }
        report_add_object(results, object);
    }
}

static const threads_row *find_row(const threads_row *rows, uint32_t count, threads_case what)
{
    for (uint32_t i = 0; i < count; i++) {
        const threads_case *other = &rows[i].what;
        if (other->kind == what.kind && other->batch == what.batch && other->mode == what.mode &&
            other->threads == what.threads) {
            return &rows[i];
        }
    }
    return NULL;
}

// One contender's line of the table; nothing when its rate at one thread is not known.
static void print_efficiency_line(const contest *c, const threads_row *rows, uint32_t count, threads_case what,
                                  uint32_t who)
{
    what.threads = 1;
    const threads_row *one = find_row(rows, count, what);
    if (!one || one->failed[who]) {
        return;
    }
    printf("%-7s %5u %-9s %-13s", work_names[what.kind], what.batch, threads_mode_names[what.mode],
           c->contenders[who]->name);
    for (uint32_t t = 0; t < THREADS_COUNTS; t++) {
        what.threads = threads_counts[t];
        const threads_row *row = find_row(rows, count, what);
        if (row && !row->failed[who]) {
            printf(" %6.0f %%", row->rates[who].median / one->rates[who].median / what.threads * 100);
        } else {
            printf(" %8s", "-");
        }
    }
    printf("\n");
}

void threads_print_efficiency(const contest *c, const threads_row *rows, uint32_t count)
{
    printf("\nEfficiency: rate at T threads divided by T times the contender's own rate at one\n\n%-7s %5s %-9s %-13s",
           "work", "batch", "mode", "contender");
    for (uint32_t t = 0; t < THREADS_COUNTS; t++) {
        printf(" %8u", threads_counts[t]);
    }
    printf("\n");
    for (uint32_t i = 0; i < count; i++) {
        if (rows[i].what.threads == 1) {
            for (uint32_t who = 0; who < c->count; who++) {
                print_efficiency_line(c, rows, count, rows[i].what, who);
            }
        }
    }
}

// A case that Fermata lost, for sorting.
typedef struct loss {
    const threads_row *row;
    double ratio;
} loss;

static int compare_losses(const void *a, const void *b)
{
    return compare_samples(&((const loss *)a)->ratio, &((const loss *)b)->ratio);
}

void threads_print_losses(const contest *c, const threads_row *rows, uint32_t count)
{
    static loss losses[THREADS_CASES_MOST * CONTENDERS_MOST]; // the main thread's
    for (uint32_t other = 0; other < c->count; other++) {
        uint32_t found = 0, compared = 0;
        for (uint32_t i = 0; i < count; i++) {
            double ratio = ratio_to(c, &rows[i], other);
            compared += ratio > 0;
            if (ratio > 0 && ratio < 1) {
                losses[found++] = (loss){&rows[i], ratio};
            }
        }
        if (other == index_of(c, "fermata") || compared == 0) {
            continue;
        }
        qsort(losses, found, sizeof *losses, compare_losses);
        printf("\nSlower than %s in %u of %u cases", c->contenders[other]->name, found, compared);
        for (uint32_t i = 0; i < found; i++) {
            const threads_case *what = &losses[i].row->what;
            printf("%s %s/%u/%s/%u %.2f", i == 0 ? ":" : ",", work_names[what->kind], what->batch,
                   threads_mode_names[what->mode], what->threads, losses[i].ratio);
        }
        printf("\n");
    }
}
