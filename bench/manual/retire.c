// fermata-bench-retire: what retiring one submission costs while D others are in flight (RETIRE-2, LEARNED-14). On the manual device, which
// runs only when told, so that a poll is retirement and nothing else: no device time, no submit, no other thread. Its library has the test
// switches compiled in, all off. Each submission fills a temporary of its own that is dropped at the commit; a poll retires it and lets go.
// The floor is a ring of counted allocations in C. `fermata-bench-retire [--json FILE] [--help]`
#include "report.h"

#include <fermata/testing.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    BATCHES = 16, // in flight at once
    BYTES = 64,   // of a temporary: small, for the manual device poisons what comes back
    DEEPEST = 4096,
    REPETITIONS = 60,
    ALL = 1 << 20,
};

static void must(fm_status status, int line)
{
    if (status != FM_OK) {
        fprintf(stderr, "fermata-bench-retire: line %d: %s\n", line, fm_last_error());
        exit(EXIT_FAILURE);
    }
}
#define MUST(call) must(call, __LINE__)

typedef struct bench {
    fm_device *device;
    fm_stream stream;
} bench;

static fm_point submit(bench *b)
{
    fm_buffer temporary;
    fm_commands *commands;
    fm_point point;
    MUST(fm_buffer_create(b->device, &(fm_buffer_info){.size_bytes = BYTES, .flags = FM_BUFFER_UNINITIALIZED},
                          &temporary));
    MUST(fm_commands_begin(b->device, NULL, &commands));
    MUST(fm_fill(commands, temporary, 0, 4, 1));
    MUST(fm_commit(&commands, &(fm_commit_info){.stream = b->stream}, &point));
    MUST(fm_buffer_destroy(b->device, temporary));
    return point;
}

static void check(bool fine, const char *what)
{
    if (!fine) {
        fprintf(stderr, "fermata-bench-retire: %s\n", what);
        exit(EXIT_FAILURE);
    }
}

// Times one poll of `point`, which the device has just completed.
static double time_poll(bench *b, fm_point point)
{
    uint64_t begin = now_ns();
    fm_status status = fm_point_poll(b->device, point);
    double ns = (double)(now_ns() - begin);
    check(status == FM_OK, "the poll retired nothing");
    return ns;
}

// One repetition: `depth` submissions in flight, all of them on the device, the oldest in a batch of its own. `*out_one`: retiring that one
// while the others stay; `*out_all`: retiring the others, each (0 if there are none).
static void retire(bench *b, uint32_t depth, double *out_one, double *out_all)
{
    fm_point first[BATCHES], last = {{0}, 0};
    fm_device_stats stats;
    for (uint32_t i = 0; i < BATCHES; i++) {
        first[i] = submit(b); // as many batches as may be in flight: what follows waits
    }
    fm_point oldest = submit(b);
    MUST(fm_testing_step(b->device, 1, NULL));
    MUST(fm_point_poll(b->device, first[0])); // makes room for one batch, of the one list that waits
    for (uint32_t i = 1; i < depth; i++) {
        last = submit(b);
    }
    MUST(fm_testing_step(b->device, BATCHES - 1, NULL));
    MUST(fm_point_poll(b->device, first[BATCHES - 1])); // now the others are on the device, too
    MUST(fm_testing_step(b->device, 1, NULL));
    *out_one = time_poll(b, oldest);
    MUST(fm_device_get_stats(b->device, &stats));
    check(stats.lists_in_flight == depth - 1, "more or less was retired than one submission");
    *out_all = 0;
    if (depth > 1) {
        MUST(fm_testing_step(b->device, ALL, NULL));
        *out_all = time_poll(b, last) / (depth - 1);
    }
}

// --- the floor: a ring of what is in flight, each with one counted allocation -----------------------------------------

typedef struct resource {
    _Atomic(uint32_t) holds; // the last one's end frees it
} resource;

typedef struct entry {
    uint64_t value;
    resource *held;
} entry;

static void release(resource *r)
{
    if (atomic_fetch_sub_explicit(&r->holds, 1, memory_order_acq_rel) == 1) {
        free(r);
    }
}

static uint32_t pop_complete(entry *ring, uint64_t *tail, uint64_t head, uint64_t reached)
{
    uint32_t popped = 0;
    while (*tail != head && ring[*tail % DEEPEST].value <= reached) {
        release(ring[*tail % DEEPEST].held);
        ++*tail;
        popped++;
    }
    return popped;
}

static void retire_by_hand(uint32_t depth, double *out_one, double *out_all)
{
    static entry ring[DEEPEST];
    static uint64_t tail, head;
    for (uint32_t i = 0; i < depth; i++, head++) {
        resource *r = malloc(BYTES);
        check(r != NULL, "no memory is left");
        atomic_init(&r->holds, 1);
        ring[head % DEEPEST] = (entry){head + 1, r};
    }
    uint64_t begin = now_ns();
    uint32_t popped = pop_complete(ring, &tail, head, tail + 1);
    *out_one = (double)(now_ns() - begin);
    begin = now_ns();
    popped += pop_complete(ring, &tail, head, head);
    *out_all = depth > 1 ? (double)(now_ns() - begin) / (depth - 1) : 0;
    check(popped == depth, "the floor lost something");
}

static spread measure(bench *b, report *results, uint32_t depth)
{
    static double samples[4][REPETITIONS];
    double warm[4];
    for (uint32_t i = 0; i < 5; i++) {
        retire(b, depth, &warm[0], &warm[1]);
        retire_by_hand(depth, &warm[2], &warm[3]);
    }
    for (uint32_t i = 0; i < REPETITIONS; i++) {
        retire(b, depth, &samples[0][i], &samples[1][i]);
        retire_by_hand(depth, &samples[2][i], &samples[3][i]);
    }
    char name[48];
    snprintf(name, sizeof name, "retire/oldest/%u", depth);
    report_row row = {.name = name,
                      .unit = "ns/submission",
                      .value = spread_of(samples[0], REPETITIONS),
                      .floor = spread_of(samples[2], REPETITIONS),
                      .has_floor = true,
                      .has_spread = true};
    report_add(results, &row);
    spread one = row.value;
    if (depth > 1) {
        snprintf(name, sizeof name, "retire/others/%u", depth - 1);
        row.value = spread_of(samples[1], REPETITIONS);
        row.floor = spread_of(samples[3], REPETITIONS);
        report_add(results, &row);
    }
    return one;
}

int main(int argc, char **argv)
{
    bool wants_file = argc == 3 && strcmp(argv[1], "--json") == 0;
    bool wants_help = argc == 2 && strcmp(argv[1], "--help") == 0;
    if (argc != 1 && !wants_file) {
        fprintf(wants_help ? stdout : stderr, "usage: fermata-bench-retire [--json FILE] [--help]\n");
        return wants_help ? 0 : 2;
    }
    report *results = report_create(wants_file ? argv[2] : NULL);
    if (!results) {
        return 2;
    }
    bench b;
    MUST(fm_device_open("manual", &(fm_device_info){.batches_in_flight = BATCHES, .lists_in_flight = 2 * DEEPEST},
                        &b.device));
    MUST(fm_stream_create(b.device, NULL, &b.stream));
    report_begin(results, "retire", "the manual device");
    report_note("oldest/D: one submission is retired while D - 1 others are in flight; others/N: N at once, each");
    static const uint32_t depths[] = {1, 16, 256, DEEPEST};
    enum { DEPTHS = sizeof depths / sizeof depths[0] };
    spread one[DEPTHS];
    for (uint32_t i = 0; i < DEPTHS; i++) {
        one[i] = measure(&b, results, depths[i]);
    }
    report_note("depth %u against 1: %.2f times", depths[DEPTHS - 1], one[DEPTHS - 1].median / one[0].median);
    MUST(fm_device_close(&b.device, 1000000000));
    return report_end(&results) ? EXIT_SUCCESS : EXIT_FAILURE;
}
