// Random explorer: a seed makes a trace of calls by several logical clients and of device steps, in any legal order, on the manual
// device; a plain model of memory says what every read must give and every list must answer. A failure prints its seed and the
// trace shrunk to what is needed. `explore [--seeds N] [--first SEED] [--ablate GUARD] [--prove N]`. Exit status 1: something failed.
#include "trace.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Explores up to `seeds` schedules; returns how many passed before the first that failed, whose trace is left in `ops`.
static uint64_t explore(uint64_t first, uint64_t seeds, int ablate, op *ops, char *failure, size_t failure_bytes)
{
    static world w;
    uint64_t done = 0;
    bool open = false, failed = false;
    for (; done < seeds && !failed; done++) {
        uint64_t seed = first + done;
        if (!open) {
            world_open(&w, seed / SEEDS_PER_DEVICE, ablate);
            open = true;
        }
        trace_make(seed, ops, MOST_OPS);
        failed = !world_run(&w, ops, MOST_OPS);
        if (failed || w.lost || seed % SEEDS_PER_DEVICE == SEEDS_PER_DEVICE - 1) {
            failed = !world_close(&w) || failed;
            open = false;
        }
    }
    if (open) {
        failed = !world_close(&w) || failed;
    }
    if (failed) {
        snprintf(failure, failure_bytes, "%s", w.failure);
    }
    return failed ? done - 1 : done;
}

static void report(uint64_t seed, op *ops, const char *failure, int ablate)
{
    printf("seed %llu fails: %s\n", (unsigned long long)seed, failure);
    if (trace_run_alone(seed, ops, MOST_OPS, ablate)) {
        printf("  it passes on a device of its own: run it with --first %llu\n",
               (unsigned long long)(seed - seed % SEEDS_PER_DEVICE));
        return;
    }
    int count = trace_shrink(seed, ops, MOST_OPS, ablate);
    printf("shrunk to %d operations:\n", count);
    trace_show(seed, ops, count, ablate);
}

// The proof that it catches: without each guard it must find a failure within `most` schedules.
static int prove(uint64_t first, uint64_t most)
{
    int missed = 0;
    for (int guard = 0; guard < FM_ABLATE_COUNT; guard++) {
        // The explorer's kernels are host functions, which have no variants: ablate_kernels.c proves these.
        if (guard >= FM_ABLATE_WHOLE_KEY && guard <= FM_ABLATE_COMPILE_ONCE) {
            continue;
        }
        op ops[MOST_OPS];
        char failure[320] = "";
        uint64_t passed = explore(first, most, guard, ops, failure, sizeof failure);
        if (passed == most) {
            printf("guard %2d: missed in %llu schedules\n", guard, (unsigned long long)most);
            missed++;
            continue;
        }
        printf("guard %2d: found in schedule %5llu: %s\n", guard, (unsigned long long)(passed + 1), failure);
    }
    return missed ? EXIT_FAILURE : EXIT_SUCCESS;
}

static uint64_t number(const char *text)
{
    char *end;
    uint64_t value = strtoull(text, &end, 10);
    if (end == text || *end || *text < '0' || *text > '9') { // no sign: strtoull takes "-1" for the largest number
        fprintf(stderr, "explore: '%s' is not a whole number\n", text);
        exit(2);
    }
    return value;
}

int main(int argc, char **argv)
{
    uint64_t seeds = 20000, first = 1, proof = 0;
    int ablate = -1;
    for (int i = 1; i < argc; i += 2) {
        uint64_t value = i + 1 < argc ? number(argv[i + 1]) : 0;
        if (i + 1 < argc && strcmp(argv[i], "--seeds") == 0) {
            seeds = value;
        } else if (i + 1 < argc && strcmp(argv[i], "--first") == 0) {
            first = value;
        } else if (i + 1 < argc && strcmp(argv[i], "--ablate") == 0) {
            ablate = (int)value;
        } else if (i + 1 < argc && strcmp(argv[i], "--prove") == 0) {
            proof = value;
        } else {
            fprintf(stderr, "usage: explore [--seeds N] [--first SEED] [--ablate GUARD] [--prove N]\n");
            return 2;
        }
    }
    if (proof) {
        return prove(first, proof);
    }
    op ops[MOST_OPS];
    char failure[320] = "";
    uint64_t passed = explore(first, seeds, ablate, ops, failure, sizeof failure);
    if (passed < seeds) {
        report(first + passed, ops, failure, ablate);
        return EXIT_FAILURE;
    }
    printf("%llu schedules from seed %llu: all right\n", (unsigned long long)passed, (unsigned long long)first);
    return EXIT_SUCCESS;
}
