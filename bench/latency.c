// Suite `latency`: what one thread waits for a small dispatch, alone and while other threads keep the device busy. Its figures are those
// of the slowest of a hundred and of a thousand, too: a stream that floods must not starve one that trickles.
// Contenders and loads take turns. Main thread only, but for the load's threads.
#include "contest.h"
#include "watch.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    REPETITIONS = 5,
    TIME_MS = 200,
    MOST_SAMPLES = 1 << 20, // of one load and contender
};

// What runs beside the dispatch that is timed.
typedef struct load {
    const char *name;
    bool has_thread; // false: nothing runs
    work_kind kind;
    uint32_t batch; // dispatches in a chain
    uint32_t depth; // chains in flight
} load;

static const load loads[] = {
    {"alone", false, WORK_TINY, 1, 1},
    {"flood", true, WORK_TINY, 16, WORK_SLOTS},
    {"80us", true, WORK_LONG, 1, 4},
};

enum { LOAD_COUNT = sizeof loads / sizeof loads[0] };

// One load while it runs. Thread 0 of the contender is the one that is timed.
typedef struct pressure {
    contender *who;
    const load *what;
    _Atomic(int) stop;
    _Atomic(int) failed;
    _Atomic(int) filled;         // 1: all chains have been in flight, or the thread failed
    uint64_t chains[WORK_SLOTS]; // of the load's one thread, by slot
} pressure;

// The samples of one contender under one load.
typedef struct latencies {
    double *ns; // MOST_SAMPLES
    uint32_t count;
    bool failed;
} latencies;

static bool wait_for_slot(contender *who, uint32_t thread, uint32_t slot)
{
    watch_thread(thread, WATCH_WAIT, slot);
    return who->ops->wait(who, thread, slot);
}

static void *press(void *argument)
{
    pressure *p = argument;
    contender *who = p->who;
    const uint32_t depth = p->what->depth;
    watch_thread(1, WATCH_ENTER, 0);
    bool fine = !who->ops->enter || who->ops->enter(who);
    uint64_t begun = 0, done = 0;
    while (fine && !atomic_load_explicit(&p->stop, memory_order_relaxed)) {
        if (begun - done == depth) {
            atomic_store(&p->filled, 1);
            fine = wait_for_slot(who, 1, (uint32_t)(done++ % depth));
        }
        watch_thread(1, WATCH_SUBMIT, (uint32_t)(begun % depth));
        fine = fine && who->ops->submit(who, 1, (uint32_t)(begun % depth), p->what->kind, p->what->batch);
        p->chains[begun++ % depth] += fine;
    }
    while (fine && done < begun) {
        fine = wait_for_slot(who, 1, (uint32_t)(done++ % depth));
    }
    watch_thread(1, WATCH_DONE, 0);
    if (!fine) {
        atomic_store(&p->failed, 1);
    }
    atomic_store(&p->filled, 1);
    return NULL;
}

static bool sample(contender *who, latencies *out, uint64_t time_ns, uint64_t *dispatches)
{
    for (uint64_t start = now_ns(); now_ns() - start < time_ns && out->count < MOST_SAMPLES;) {
        uint64_t begin = now_ns();
        watch_thread(0, WATCH_SUBMIT, 0);
        if (!who->ops->submit(who, 0, 0, WORK_TINY, 1) || !wait_for_slot(who, 0, 0)) {
            return false;
        }
        out->ns[out->count++] = (double)(now_ns() - begin);
        ++*dispatches;
    }
    return true;
}

static bool check(contender *who, const pressure *p, uint64_t dispatches)
{
    uint32_t *counters = malloc(work_counter_bytes(who->work));
    bool fine = counters && who->ops->fetch(who, 0, 0, counters, NULL) &&
                workload_check(who->work, WORK_TINY, dispatches, counters, NULL, who->name);
    for (uint32_t i = 0; i < p->what->depth && p->what->has_thread && fine; i++) {
        fine = who->ops->fetch(who, 1, i, counters, NULL) &&
               workload_check(who->work, p->what->kind, p->chains[i] * p->what->batch, counters, NULL, who->name);
    }
    free(counters);
    return fine;
}

static bool repeat(contender *who, const load *what, uint64_t time_ns, latencies *out)
{
    pressure p = {.who = who, .what = what};
    watch_step(who, "latency, %s", what->name);
    watch_phase("clears the slots");
    bool fine = who->ops->clear(who, 0, 0);
    for (uint32_t i = 0; i < what->depth && fine; i++) {
        fine = who->ops->clear(who, 1, i);
    }
    pthread_t thread;
    bool has_thread = fine && what->has_thread && pthread_create(&thread, NULL, press, &p) == 0;
    fine = fine && has_thread == what->has_thread;
    watch_phase("waits until the load is in flight");
    while (has_thread && !atomic_load(&p.filled)) {
        nanosleep(&(struct timespec){0, 100000}, NULL);
    }
    uint64_t dispatches = 0;
    watch_phase("is thread 0");
    fine = fine && sample(who, out, time_ns, &dispatches);
    atomic_store(&p.stop, 1);
    watch_phase("has told the load to stop and joins it");
    if (has_thread) {
        pthread_join(thread, NULL);
    }
    watch_phase("checks the counters");
    return fine && !p.failed && check(who, &p, dispatches);
}

// Prints and reports one contender's samples under one load, which it sorts.
static void show(const contender *who, const load *what, latencies *l, report *results)
{
    json_t *object = json_pack("{s:s, s:s, s:s, s:s, s:i, s:b}", "case", what->name, "contender", who->name, "load",
                               what->name, "unit", "us", "samples", (int)l->count, "verified", !l->failed);
    if (l->failed || l->count == 0) {
        printf("%-8s %-13s %9s\n", what->name, who->name, "ERROR");
    } else {
        qsort(l->ns, l->count, sizeof *l->ns, compare_samples);
        double p50 = sample_at(l->ns, l->count, 0.5) / 1e3, p99 = sample_at(l->ns, l->count, 0.99) / 1e3;
        double p999 = sample_at(l->ns, l->count, 0.999) / 1e3, most = l->ns[l->count - 1] / 1e3;
        printf("%-8s %-13s %9.1f %9.1f %9.1f %9.1f %9u\n", what->name, who->name, p50, p99, p999, most, l->count);
        if (object) {
            (void)json_object_set_new(object, "p50", json_real(p50));
            (void)json_object_set_new(object, "p99", json_real(p99));
            (void)json_object_set_new(object, "p99.9", json_real(p999));
            (void)json_object_set_new(object, "max", json_real(most));
        }
    }
    report_add_object(results, object);
    fflush(stdout);
}

static bool measure(contest *c, const load *what, const bench_options *options, report *results)
{
    latencies all[CONTENDERS_MOST] = {0};
    uint32_t repetitions = options->repetitions ? options->repetitions : REPETITIONS;
    uint64_t time_ns = (uint64_t)(options->time_ms ? options->time_ms : TIME_MS) * 1000000;
    bool fine = true;
    for (uint32_t i = 0; i < c->count; i++) {
        all[i].ns = malloc(MOST_SAMPLES * sizeof *all[i].ns);
        all[i].failed = !all[i].ns;
    }
    for (uint32_t i = 0; i < repetitions; i++) {
        for (uint32_t turn = 0; turn < c->count; turn++) {
            uint32_t who = (turn + i) % c->count;
            all[who].failed = all[who].failed || !repeat(c->contenders[who], what, time_ns, &all[who]);
        }
    }
    for (uint32_t i = 0; i < c->count; i++) {
        show(c->contenders[i], what, &all[i], results);
        fine = fine && !all[i].failed;
        free(all[i].ns);
    }
    return fine;
}

bench_result suite_latency(const bench_options *options, report *results)
{
    const char *names[LOAD_COUNT];
    for (uint32_t i = 0; i < LOAD_COUNT; i++) {
        names[i] = loads[i].name;
    }
    if (!bench_check_list("mode", options->mode, names, LOAD_COUNT)) {
        return BENCH_USAGE;
    }
    contest c;
    bench_result result = contest_open(&c, "latency", options, results);
    if (result == BENCH_GOOD) {
        printf("\nMicroseconds from submitting one small dispatch to knowing that it is complete. alone: nothing "
               "beside "
               "it; flood: a thread keeps\n16 chains of 16 dispatches in flight; 80us: a thread keeps 4 kernels of 80 "
               "us in flight.\n\n%-8s %-13s %9s %9s %9s %9s %9s\n",
               "load", "contender", "p50", "p99", "p99.9", "max", "samples");
        for (uint32_t i = 0; i < LOAD_COUNT; i++) {
            if (bench_wants(options->mode, loads[i].name) && !measure(&c, &loads[i], options, results)) {
                result = BENCH_FAILED;
            }
        }
    }
    contest_close(&c);
    return result;
}
