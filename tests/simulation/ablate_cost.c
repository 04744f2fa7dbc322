// What each guard costs: one workload in pairs, with the guard and without it, in one process and by turns. See ablate.h.
// The workload uses every guard and none of them matters to it: nothing is dropped before it is done. Figures, never a verdict.
#include "ablate.h"

#include <stdlib.h>
#include <time.h>

enum { PAIRS = 31, SUBMISSIONS = 100, DISPATCHES = 8 };

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t); // other programs' work is not counted
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

// A buffer is made, donated and used by eight dispatches with a kernel; the list is committed to one stream or the other, by turns, and
// runs; a buffer that both streams use is read in the list or, if `reads_now`, by a list of a synchronous read's own.
static void submit(scene *b, fm_stream stream, bool reads_now)
{
    fm_buffer made = scene_make_buffer(b), output;
    fm_point point;
    MUST(fm_buffer_donate(b->device, made, FM_WHOLE_SIZE, NULL, &output));
    fm_commands *commands = scene_begin(b);
    fm_binding bindings[] = {{.buffer = b->x}, {.buffer = output}};
    for (int i = 0; i < DISPATCHES; i++) {
        bindings[i % 2].buffer = b->x;
        bindings[(i + 1) % 2].buffer = output;
        fm_dispatch_info info = {
            .kernel = b->twice, .group_count = {1, 1, 1}, .bindings = bindings, .binding_count = 2};
        MUST(fm_dispatch(commands, &info));
    }
    if (!reads_now) {
        MUST(fm_read(commands, b->x, 0, sizeof b->out, b->out));
    }
    MUST(fm_commit(&commands, &(fm_commit_info){.stream = stream}, &point));
    MUST(fm_testing_step(b->device, ALL, NULL));
    MUST(fm_point_wait(b->device, point, 1000000000));
    if (reads_now) {
        MUST(fm_buffer_read(b->device, stream, b->x, 0, sizeof b->out, b->out, 1000000000));
    }
    MUST(fm_testing_step(b->device, ALL, NULL));
    MUST(fm_buffer_destroy(b->device, output));
}

static double run(fm_ablation ablation, bool ablate)
{
    scene b;
    scene_set_up(&b, ablation, ablate, &(fm_device_info){.block_size_bytes = 1 << 20});
    MUST(fm_testing_step_in_waits(b.device, 1));
    fm_stream streams[] = {b.stream, {0}};
    MUST(fm_stream_create(b.device, NULL, &streams[1]));
    bool reads_now = ablation == FM_ABLATE_READ_OWN_LIST || ablation == FM_ABLATE_RETIRE_ON_READ;
    submit(&b, streams[0], reads_now); // the first ones make what the others use again
    submit(&b, streams[1], reads_now);
    double begin = now_ns();
    for (int i = 0; i < SUBMISSIONS; i++) {
        submit(&b, streams[i % 2], reads_now);
    }
    double taken = (now_ns() - begin) / SUBMISSIONS;
    scene_tear_down(&b);
    return taken;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

guard_cost ablate_measure(fm_ablation ablation)
{
    double with[PAIRS], difference[PAIRS];
    for (int i = 0; i < PAIRS; i++) {
        double without = i % 2 ? run(ablation, true) : 0; // by turns which comes first
        with[i] = run(ablation, false);
        without = i % 2 ? without : run(ablation, true);
        difference[i] = with[i] - without;
    }
    qsort(with, PAIRS, sizeof *with, by_value);
    qsort(difference, PAIRS, sizeof *difference, by_value);
    return (guard_cost){difference[PAIRS / 2], difference[PAIRS / 4], difference[PAIRS - 1 - PAIRS / 4],
                        with[PAIRS / 2]};
}
