// Traces of the explorer. See trace.h.
#include "trace.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint32_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33);
}

void trace_make(uint64_t seed, op *ops, int count)
{
    uint64_t r = seed * 0x9E3779B97F4A7C15u + 1;
    uint32_t total = 0;
    for (int k = 0; k < OPERATION_COUNT; k++) {
        total += operation_weight(k);
    }
    for (int i = 0; i < count; i++) {
        uint32_t pick = next_random(&r) % total;
        int kind = 0;
        while (pick >= operation_weight(kind)) {
            pick -= operation_weight(kind++);
        }
        uint32_t a = next_random(&r), b = next_random(&r);
        ops[i] = (op){.kind = (uint8_t)kind,
                      .client = (uint8_t)a,
                      .a = (uint8_t)(a >> 8),
                      .b = (uint8_t)(a >> 16),
                      .stream = (uint8_t)(b >> 3),
                      .x = (uint8_t)(b >> 8),
                      .y = (uint8_t)(b >> 16),
                      .n = (uint8_t)next_random(&r),
                      .value = next_random(&r)};
    }
}

static bool run_alone(uint64_t seed, const op *ops, int count, int ablate, bool talks)
{
    world *w = malloc(sizeof *w);
    if (!w) {
        fprintf(stderr, "simulation: no host memory\n");
        exit(2);
    }
    world_open(w, seed / SEEDS_PER_DEVICE, ablate);
    w->talks = talks;
    bool passed = world_run(w, ops, count);
    passed = world_close(w) && passed;
    world_say(w, "%s", passed ? "all right" : w->failure);
    free(w);
    return passed;
}

bool trace_run_alone(uint64_t seed, const op *ops, int count, int ablate)
{
    return run_alone(seed, ops, count, ablate, false);
}

void trace_show(uint64_t seed, const op *ops, int count, int ablate)
{
    run_alone(seed, ops, count, ablate, true);
}

// Tries the trace without [at, at + count); true: it still fails, and they are gone.
static bool drop(uint64_t seed, op *ops, int total, int at, int count, int ablate)
{
    op dropped[MOST_OPS];
    memcpy(dropped, &ops[at], (size_t)count * sizeof *ops);
    memmove(&ops[at], &ops[at + count], (size_t)(total - at - count) * sizeof *ops);
    if (!trace_run_alone(seed, ops, total - count, ablate)) {
        return true;
    }
    memmove(&ops[at + count], &ops[at], (size_t)(total - at - count) * sizeof *ops);
    memcpy(&ops[at], dropped, (size_t)count * sizeof *ops);
    return false;
}

int trace_shrink(uint64_t seed, op *ops, int count, int ablate)
{
    for (int size = count / 2; size > 0; size = size > 1 ? size / 2 : 0) {
        for (int at = count - size; at >= 0; at -= at > 0 && at < size ? at : size) {
            if (at + size <= count && drop(seed, ops, count, at, size, ablate)) {
                count -= size;
            }
        }
    }
    for (bool smaller = true; smaller;) { // what went later may have been what kept an earlier one
        smaller = false;
        for (int at = count - 1; at >= 0; at--) {
            if (drop(seed, ops, count, at, 1, ablate)) {
                count--;
                smaller = true;
            }
        }
    }
    return count;
}
