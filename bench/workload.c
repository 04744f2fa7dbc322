// The kernels' results, computed by the host. See workload.h.
#include "workload.h"

#include <stdio.h>
#include <stdlib.h>

const char *const work_names[WORK_KIND_COUNT] = {
#define NAME(identifier, name, summary) [WORK_##identifier] = (name),
    WORK_KINDS(NAME)
#undef NAME
};

const char *const work_summaries[WORK_KIND_COUNT] = {
#define SUMMARY(identifier, name, summary) [WORK_##identifier] = (summary),
    WORK_KINDS(SUMMARY)
#undef SUMMARY
};

bool workload_create(uint32_t n, workload *out)
{
    *out = (workload){.n = n};
    size_t count = (size_t)n * n;
    out->a = malloc(count * sizeof *out->a);
    out->b = malloc(count * sizeof *out->b);
    out->product = calloc(count, sizeof *out->product);
    if (!out->a || !out->b || !out->product) {
        fprintf(stderr, "fermata-bench: no memory is left\n");
        workload_destroy(out);
        return false;
    }
    // Sums stay whole and far below 2^24: exact in whatever order they are added.
    for (size_t i = 0; i < count; i++) {
        out->a[i] = (float)(i * 7 % 5);
        out->b[i] = (float)(i * 11 % 3);
    }
    for (size_t row = 0; row < n; row++) {
        for (size_t k = 0; k < n; k++) {
            float a = out->a[row * n + k];
            for (size_t column = 0; column < n; column++) {
                out->product[row * n + column] += a * out->b[k * n + column];
            }
        }
    }
    return true;
}

void workload_destroy(workload *w)
{
    free(w->a);
    free(w->b);
    free(w->product);
    *w = (workload){0};
}

void workload_settle(workload *w, work_kind kind, uint32_t iterations)
{
    w->iterations[kind] = iterations;
    for (uint32_t i = 0; i < WORK_CHECKED; i++) {
        uint32_t x = i * (WORK_GROUP / WORK_CHECKED);
        for (uint32_t k = 0; k < iterations; k++) {
            x = x * 1664525u + 1013904223u;
            x ^= x >> 15;
        }
        w->added[kind][i] = kind == WORK_MATMUL ? 1 : x | 1u;
    }
}

bool workload_check(const workload *w, work_kind kind, uint64_t dispatches, const uint32_t *counters, const float *c,
                    const char *who)
{
    const uint32_t share = WORK_GROUP / WORK_CHECKED;
    for (uint32_t i = 0; i < work_counters(w, kind); i += kind == WORK_MATMUL ? 1 : share) {
        uint32_t expected = w->added[kind][kind == WORK_MATMUL ? 0 : i / share] * (uint32_t)dispatches;
        if (counters[i] != expected) {
            fprintf(stderr, "fermata-bench: %s, %s: counter %u is %u after %llu dispatches, not %u\n", who,
                    work_names[kind], i, counters[i], (unsigned long long)dispatches, expected);
            return false;
        }
    }
    for (uint32_t i = 0; c && kind == WORK_MATMUL && dispatches > 0 && i < w->n * w->n; i++) {
        if (c[i] != w->product[i]) {
            fprintf(stderr, "fermata-bench: %s, %s: element %u of the product is %g, not %g\n", who, work_names[kind],
                    i, (double)c[i], (double)w->product[i]);
            return false;
        }
    }
    return true;
}
