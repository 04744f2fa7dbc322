// Suite `threads` (THREAD-4, THREAD-5): dispatches a second that T threads get from the device, each submitting chains of `batch` dependent
// dispatches and waiting for them in one of three ways. Contenders take turns repetition by repetition, so that drift of the machine
// hits all; after every repetition the counters that the kernels keep must be right. Main thread only, but for the workers.
#include "threads.h"
#include "contest.h"
#include "watch.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum {
    REPETITIONS = 5,
    TIME_MS = 50,
    DEPTH = 4, // chains that a pipelining thread has in flight; WORK_MATRICES at most
};

const uint32_t threads_counts[THREADS_COUNTS] = {1, 2, 4, 8, 12};
const uint32_t threads_batches[THREADS_BATCHES] = {1, 16, 256};
static const char *const count_names[THREADS_COUNTS] = {"1", "2", "4", "8", "12"};
static const char *const batch_names[THREADS_BATCHES] = {"1", "16", "256"};
const char *const threads_mode_names[THREADS_MODES] = {"each", "all", "pipelined"};

// One repetition of one case by one contender.
typedef struct race {
    contender *who;
    const threads_case *what;
    threads_effort *effort;     // of the workers, from the start on
    uint64_t time_ns;           // after which no worker submits new chains
    _Atomic(uint32_t) ready;    // workers at the start
    _Atomic(uint64_t) begin_ns; // the start, for all; 0: not yet
    _Atomic(int) failed;        // 1: a worker could not go on, and the others stop. Relaxed: it carries nothing
} race;

// A worker of a race; what it writes, it writes to cache lines of its own.
typedef struct racer {
    _Alignas(128) race *race;
    uint32_t thread;
    uint64_t chains[DEPTH]; // submitted, by slot
    uint64_t timed;         // chains since the start
    uint64_t end_ns;        // when all of them were complete
} racer;

static bool run_chain(racer *r, uint32_t slot)
{
    contender *who = r->race->who;
    watch_thread(r->thread, WATCH_SUBMIT, slot);
    bool fine = who->ops->submit(who, r->thread, slot, r->race->what->kind, r->race->what->batch);
    r->chains[slot] += fine;
    r->timed += fine;
    return fine;
}

static bool wait_for_slot(const racer *r, uint64_t chain)
{
    contender *who = r->race->who;
    uint32_t slot = (uint32_t)(chain % DEPTH);
    watch_thread(r->thread, WATCH_WAIT, slot);
    return who->ops->wait(who, r->thread, slot);
}

static bool wait_in_mode(const racer *r)
{
    contender *who = r->race->who;
    if (r->race->what->mode != THREADS_ALL) {
        return wait_for_slot(r, 0);
    }
    watch_thread(r->thread, WATCH_WAIT_ALL, 0);
    return who->ops->wait_all(who, r->thread, r->race->what->threads);
}

// Each worker looks at the clock itself: beside threads that poll, a scheduler may leave a thread that would tell them to stop waiting
// for a processor, for seconds.
static bool has_time(const racer *r)
{
    return now_ns() - atomic_load_explicit(&r->race->begin_ns, memory_order_relaxed) < r->race->time_ns &&
           !atomic_load_explicit(&r->race->failed, memory_order_relaxed);
}

static bool run_waiting(racer *r)
{
    bool fine = true;
    while (fine && has_time(r)) {
        fine = run_chain(r, 0) && wait_in_mode(r);
    }
    return fine;
}

static bool run_pipelined(racer *r)
{
    bool fine = true;
    uint64_t begun = 0, done = 0; // chains; chain n is in slot n % DEPTH
    while (fine && has_time(r)) {
        if (begun - done == DEPTH) {
            fine = wait_for_slot(r, done++);
        }
        fine = fine && run_chain(r, (uint32_t)(begun++ % DEPTH));
    }
    while (fine && done < begun) {
        fine = wait_for_slot(r, done++);
    }
    return fine;
}

// Adds what the process has spent so far, times `sign`.
static void add_effort(threads_effort *effort, double sign)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    effort->cpu_ns += sign * ((double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e9 +
                              (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e3);
    effort->switches += sign * (double)usage.ru_nvcsw;
}

// The last to come gives the start. The others do not sleep meanwhile: a scheduler may leave one that it wakes beside a thread that polls for
// dozens of milliseconds, and the repetition would be of fewer threads than it says.
static void start_together(race *r)
{
    if (atomic_fetch_add(&r->ready, 1) + 1 == r->what->threads) {
        add_effort(r->effort, -1);
        atomic_store(&r->begin_ns, now_ns());
    }
    while (atomic_load(&r->begin_ns) == 0) {
        sched_yield();
    }
}

static void *work(void *argument)
{
    racer *r = argument;
    contender *who = r->race->who;
    // One chain first, so that nothing is done for the first time while the clock runs.
    watch_thread(r->thread, WATCH_ENTER, 0);
    bool fine = (!who->ops->enter || who->ops->enter(who)) && run_chain(r, 0) && wait_for_slot(r, 0);
    r->timed = 0;
    watch_thread(r->thread, WATCH_START, 0);
    start_together(r->race);
    fine = fine && (r->race->what->mode == THREADS_PIPELINED ? run_pipelined(r) : run_waiting(r));
    r->end_ns = now_ns();
    watch_thread(r->thread, WATCH_DONE, 0);
    if (!fine) {
        atomic_store(&r->race->failed, 1);
    }
    return NULL;
}

static bool clear_slots(const race *r, uint32_t slots)
{
    bool fine = true;
    for (uint32_t t = 0; t < r->what->threads && fine; t++) {
        for (uint32_t i = 0; i < slots && fine; i++) {
            fine = r->who->ops->clear(r->who, t, i);
        }
    }
    return fine;
}

// Has every dispatch run, once, after the one before it?
static bool check_slots(const race *r, const racer *racers, uint32_t slots)
{
    const workload *w = r->who->work;
    uint32_t *counters = malloc(work_counter_bytes(w));
    float *c = malloc(work_matrix_bytes(w));
    bool fine = counters && c;
    for (uint32_t t = 0; t < r->what->threads && fine; t++) {
        for (uint32_t i = 0; i < slots && fine; i++) {
            float *product = r->what->kind == WORK_MATMUL && i == 0 ? c : NULL;
            fine =
                r->who->ops->fetch(r->who, t, i, counters, product) &&
                workload_check(w, r->what->kind, racers[t].chains[i] * r->what->batch, counters, product, r->who->name);
        }
    }
    free(counters);
    free(c);
    return fine;
}

// Lets the workers run for the time; `*out` is dispatches a second. The workers are joined when it returns.
static bool run_workers(race *r, racer *racers, double *out)
{
    uint32_t threads = r->what->threads;
    pthread_t workers[WORK_THREADS];
    for (uint32_t t = 0; t < threads; t++) {
        racers[t] = (racer){.race = r, .thread = t};
        if (pthread_create(&workers[t], NULL, work, &racers[t]) != 0) {
            fprintf(stderr, "fermata-bench: no thread number %u\n", t);
            abort(); // those that run wait for it at the start
        }
    }
    watch_phase("joins the workers");
    uint64_t end = 0, chains = 0;
    for (uint32_t t = 0; t < threads; t++) {
        pthread_join(workers[t], NULL);
        end = racers[t].end_ns > end ? racers[t].end_ns : end;
        chains += racers[t].timed;
    }
    add_effort(r->effort, 1);
    r->effort->chains += (double)chains;
    *out = (double)(chains * r->what->batch) * 1e9 / (double)(end - atomic_load(&r->begin_ns));
    return !r->failed;
}

// `counts` and `effort` grow by what the workers made the contender submit, if it counts.
static bool repeat(contender *who, const threads_case *what, uint32_t time_ms, double *out, contender_counts *counts,
                   threads_effort *effort)
{
    contender_counts before = {0}, after = {0};
    race r = {.who = who, .what = what, .effort = effort, .time_ns = (uint64_t)time_ms * 1000000};
    racer racers[WORK_THREADS];
    uint32_t slots = what->mode == THREADS_PIPELINED ? DEPTH : 1;
    watch_step(who, "threads, %s/%u/%s/%u", work_names[what->kind], what->batch, threads_mode_names[what->mode],
               what->threads);
    watch_phase("clears the slots");
    bool fine = clear_slots(&r, slots);
    if (who->ops->count) {
        who->ops->count(who, &before);
    }
    fine = fine && run_workers(&r, racers, out);
    if (who->ops->count) {
        who->ops->count(who, &after);
        counts->chains += after.chains - before.chains;
        counts->submissions += after.submissions - before.submissions;
        counts->dispatches += after.dispatches - before.dispatches;
        counts->barriers += after.barriers - before.barriers;
    }
    watch_phase("checks the counters");
    return fine && check_slots(&r, racers, slots);
}

// Fermata's rate divided by each contender's, repetition by repetition: neighbours in time, so that what slows the machine slows both.
static void take_ratios(const contest *c, double samples[][BENCH_MOST_REPETITIONS], uint32_t repetitions,
                        threads_row *row)
{
    double ratios[BENCH_MOST_REPETITIONS];
    uint32_t own = 0;
    while (c->contenders[own] != c->fermata) {
        own++;
    }
    for (uint32_t who = 0; who < c->count; who++) {
        for (uint32_t i = 0; i < repetitions; i++) {
            ratios[i] = samples[own][i] / samples[who][i];
        }
        row->ratios[who] = row->failed[own] || row->failed[who] ? (spread){0} : spread_of(ratios, repetitions);
    }
}

// All repetitions of one case. A contender that fails one has failed the case; the others go on.
static void measure(const contest *c, const threads_case *what, const bench_options *options, threads_row *row)
{
    static double samples[CONTENDERS_MOST][BENCH_MOST_REPETITIONS]; // the main thread's
    uint32_t repetitions = options->repetitions ? options->repetitions : REPETITIONS;
    const uint32_t time_ms = options->time_ms ? options->time_ms : TIME_MS;
    *row = (threads_row){.what = *what};
    for (uint32_t i = 0; i < repetitions; i++) {
        for (uint32_t turn = 0; turn < c->count; turn++) {
            uint32_t who = (turn + i) % c->count; // nobody always comes first
            row->failed[who] = row->failed[who] || !repeat(c->contenders[who], what, time_ms, &samples[who][i],
                                                           &row->counts, &row->efforts[who]);
        }
    }
    take_ratios(c, samples, repetitions, row); // first: the others sort the samples
    for (uint32_t who = 0; who < c->count; who++) {
        row->rates[who] = row->failed[who] ? (spread){0} : spread_of(samples[who], repetitions);
    }
    row->repetitions = repetitions;
}

static bool check_lists(const bench_options *options)
{
    return bench_check_list("threads", options->threads, count_names, THREADS_COUNTS) &&
           bench_check_list("batch", options->batch, batch_names, THREADS_BATCHES) &&
           bench_check_list("mode", options->mode, threads_mode_names, THREADS_MODES) &&
           bench_check_list("work", options->work, work_names, WORK_KIND_COUNT);
}

// The cases that the options want, in the order of the table. `out` has room for all.
static uint32_t list_cases(const bench_options *options, threads_case *out)
{
    uint32_t count = 0;
    for (uint32_t kind = 0; kind < WORK_KIND_COUNT; kind++) {
        for (uint32_t batch = 0; batch < THREADS_BATCHES; batch++) {
            for (uint32_t mode = 0; mode < THREADS_MODES; mode++) {
                for (uint32_t t = 0; t < THREADS_COUNTS; t++) {
                    if (bench_wants(options->work, work_names[kind]) &&
                        bench_wants(options->batch, batch_names[batch]) &&
                        bench_wants(options->mode, threads_mode_names[mode]) &&
                        bench_wants(options->threads, count_names[t])) {
                        out[count++] = (threads_case){(work_kind)kind, threads_batches[batch], (threads_mode)mode,
                                                      threads_counts[t]};
                    }
                }
            }
        }
    }
    return count;
}

// Measures the cases in turn until the budget is over. Returns how many it has; `*result` is BENCH_FAILED when one of them failed.
static uint32_t measure_all(const contest *c, const threads_case *cases, uint32_t count, const bench_options *options,
                            threads_row *rows, report *results, bench_result *result)
{
    const uint64_t begin = now_ns(), budget_ns = options->budget_s * UINT64_C(1000000000);
    threads_print_head(c);
    for (uint32_t i = 0; i < count; i++) {
        if (budget_ns > 0 && now_ns() - begin > budget_ns) {
            report_note("%u of %u cases are left out: --budget-s %u is over", count - i, count, options->budget_s);
            return i;
        }
        measure(c, &cases[i], options, &rows[i]);
        threads_print_row(c, &rows[i]);
        threads_report_row(c, &rows[i], results);
        for (uint32_t who = 0; who < c->count; who++) {
            *result = rows[i].failed[who] ? BENCH_FAILED : *result;
        }
    }
    return count;
}

bench_result suite_threads(const bench_options *options, report *results)
{
    if (!check_lists(options)) {
        return BENCH_USAGE;
    }
    static threads_row rows[THREADS_CASES_MOST];
    static threads_case cases[THREADS_CASES_MOST];
    uint32_t count = list_cases(options, cases);
    contest c;
    bench_result result = contest_open(&c, "threads", options, results);
    if (result == BENCH_GOOD) {
        count = measure_all(&c, cases, count, options, rows, results, &result);
        threads_print_efficiency(&c, rows, count);
        threads_print_losses(&c, rows, count);
    }
    contest_close(&c);
    return result;
}
