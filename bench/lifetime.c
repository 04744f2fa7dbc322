// Suite `lifetime`: what it costs that nothing is freed too early, read too early or forgotten. Holds against the number of distinct
// buffers in a list, buffers made and destroyed, memory used again in stream order without a wait, polls, and read-backs of 4 B to 64 MiB.
// Each has a floor by hand in the same run: counters and free lists in C, or Vulkan (raw_lifetime.c) with the driver's time in. Both sides
// take turns, so that drift of the machine hits both. Retirement against depth is measured by fermata-bench-retire. Main thread only.
#include "lifetime.h"

#include "nth_device.h"
#include "suite.h"
#include "watch.h"

#include <fermata/fermata.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    HOLD_MOST = 8192,       // distinct buffers in a list
    HOLD_DISPATCHES = 4096, // in a list, of two buffers each
    ALLOC_BATCH = 1024,
    REUSE_BATCH = 256,
    POLL_BATCH = 1000,
    MOST_SAMPLES = 2000,
    LEAST_SAMPLES = 10, // whatever the time
};

static const uint64_t case_ns = 800000000; // after which a case ends with the samples that it has
static const uint64_t rest_ns = 100000;    // idle before each read-back
static const uint64_t timeout_ns = 10000000000;
static const uint64_t gpu_poll_ns = 50000; // what fm_device_info.spin_ns is on a GPU unless set
static const uint64_t read_most_bytes = 64 << 20;

// A counter that a resource has when its holds are written by hand.
typedef struct counted {
    _Atomic(uint64_t) holds;
    uint32_t stamp; // of the list that has noted it
} counted;

typedef struct lifetime {
    report *report;
    fm_device *device;
    fm_device_properties properties;
    fm_stream stream;
    fm_kernel pair;  // binds two buffers
    fm_kernel write; // binds one, and sets it
    raw_lifetime *raw;
    fm_buffer *buffers; // HOLD_MOST
    counted *counters;  // HOLD_MOST
    counted **noted;    // HOLD_MOST; what a list of the floor's holds
    fm_binding *bound;  // 2 * HOLD_DISPATCHES; what a list of the floor's has copied
    uint32_t stamp;
    fm_buffer source;     // of read-backs
    uint8_t *destination; // read_most_bytes
    fm_point complete;
} lifetime;

// One case, and the function that takes one sample of it: nanoseconds of a unit.
typedef struct workload {
    const char *name;
    const char *unit;
    uint64_t amount; // distinct buffers, or bytes
    bool (*fermata)(lifetime *l, uint64_t amount, double *out_ns);
    bool (*floor)(lifetime *l, uint64_t amount, double *out_ns); // NULL: none
} workload;

static bool good(fm_status status)
{
    if (status != FM_OK) {
        fprintf(stderr, "fermata-bench: %s\n", fm_last_error());
    }
    return status == FM_OK;
}

// --- holds ------------------------------------------------------------------------------------------------------------

static bool hold_by_fermata(lifetime *l, uint64_t amount, double *out_ns)
{
    fm_commands *commands = NULL;
    bool fine = true;
    uint64_t begin = now_ns();
    fine = good(fm_commands_begin(l->device, NULL, &commands));
    for (uint32_t i = 0; i < HOLD_DISPATCHES && fine; i++) {
        fm_binding bindings[] = {{.buffer = l->buffers[2 * i % amount]}, {.buffer = l->buffers[(2 * i + 1) % amount]}};
        fm_dispatch_info info = {.kernel = l->pair, .group_count = {1, 1, 1}, .bindings = bindings, .binding_count = 2};
        fine = good(fm_dispatch(commands, &info));
    }
    fine = good(fm_commands_cancel(&commands)) && fine;
    *out_ns = (double)(now_ns() - begin) / HOLD_DISPATCHES;
    return fine;
}

// The least that holds can be: one counter up and down a resource and list, found by a stamp; bindings are copied.
static bool hold_by_hand(lifetime *l, uint64_t amount, double *out_ns)
{
    uint32_t count = 0;
    uint64_t begin = now_ns();
    l->stamp++;
    for (uint32_t i = 0; i < 2 * HOLD_DISPATCHES; i++) {
        counted *c = &l->counters[i % amount];
        if (c->stamp != l->stamp) {
            c->stamp = l->stamp;
            atomic_fetch_add_explicit(&c->holds, 1, memory_order_relaxed);
            l->noted[count++] = c;
        }
        l->bound[i] = (fm_binding){.buffer = l->buffers[i % amount]};
    }
    for (uint32_t i = 0; i < count; i++) {
        atomic_fetch_sub_explicit(&l->noted[i]->holds, 1, memory_order_acq_rel);
    }
    *out_ns = (double)(now_ns() - begin) / HOLD_DISPATCHES;
    return true;
}

// --- allocation -------------------------------------------------------------------------------------------------------

static bool pair_by_fermata(lifetime *l, uint64_t amount, double *out_ns)
{
    const fm_buffer_info info = {.size_bytes = amount, .flags = FM_BUFFER_UNINITIALIZED};
    bool fine = true;
    uint64_t begin = now_ns();
    for (uint32_t i = 0; i < ALLOC_BATCH && fine; i++) {
        fm_buffer buffer;
        fine = good(fm_buffer_create(l->device, &info, &buffer)) && good(fm_buffer_destroy(l->device, buffer));
    }
    *out_ns = (double)(now_ns() - begin) / ALLOC_BATCH;
    return fine;
}

static bool pair_by_malloc(lifetime *l, uint64_t amount, double *out_ns)
{
    (void)l;
    uint64_t begin = now_ns();
    for (uint32_t i = 0; i < ALLOC_BATCH; i++) {
        void *volatile memory = malloc(amount); // volatile: the compiler may not leave the pair out
        free(memory);
    }
    *out_ns = (double)(now_ns() - begin) / ALLOC_BATCH;
    return true;
}

static bool pair_by_driver(lifetime *l, uint64_t amount, double *out_ns)
{
    uint64_t begin = now_ns();
    bool fine = raw_lifetime_allocate(l->raw, amount);
    *out_ns = (double)(now_ns() - begin);
    return fine;
}

// Which of a batch goes when: far from the order in which they came, the same each time.
static uint32_t shuffled(uint32_t i)
{
    return i * 389u % ALLOC_BATCH;
}

static bool many_by_fermata(lifetime *l, uint64_t amount, double *out_ns)
{
    const fm_buffer_info info = {.size_bytes = amount, .flags = FM_BUFFER_UNINITIALIZED};
    fm_buffer buffers[ALLOC_BATCH];
    bool fine = true;
    uint64_t begin = now_ns();
    for (uint32_t i = 0; i < ALLOC_BATCH && fine; i++) {
        fine = good(fm_buffer_create(l->device, &info, &buffers[i]));
    }
    for (uint32_t i = 0; i < ALLOC_BATCH && fine; i++) {
        fine = good(fm_buffer_destroy(l->device, buffers[shuffled(i)]));
    }
    *out_ns = (double)(now_ns() - begin) / ALLOC_BATCH;
    return fine;
}

// One size only, out of one block: a stack of free places.
static bool many_by_free_list(lifetime *l, uint64_t amount, double *out_ns)
{
    static uint64_t free_places[ALLOC_BATCH];
    static uint32_t free_count;
    static uint64_t used_bytes;
    uint64_t places[ALLOC_BATCH];
    (void)l;
    uint64_t begin = now_ns();
    for (uint32_t i = 0; i < ALLOC_BATCH; i++) {
        if (free_count > 0) {
            places[i] = free_places[--free_count];
        } else {
            places[i] = used_bytes;
            used_bytes += amount;
        }
    }
    for (uint32_t i = 0; i < ALLOC_BATCH; i++) {
        free_places[free_count++] = places[shuffled(i)];
    }
    *out_ns = (double)(now_ns() - begin) / ALLOC_BATCH;
    return free_count == ALLOC_BATCH;
}

// --- memory used again in stream order --------------------------------------------------------------------------------

static bool reuse_by_fermata(lifetime *l, uint64_t amount, double *out_ns)
{
    const fm_buffer_info info = {.size_bytes = amount, .flags = FM_BUFFER_UNINITIALIZED};
    fm_point last = {{0}, 0};
    bool fine = true;
    uint64_t begin = now_ns();
    for (uint32_t i = 0; i < REUSE_BATCH && fine; i++) {
        fm_commands *commands = NULL;
        fm_buffer buffer;
        fine = good(fm_buffer_create(l->device, &info, &buffer)) && good(fm_commands_begin(l->device, NULL, &commands));
        fm_binding binding = {.buffer = buffer};
        fm_dispatch_info dispatch = {.kernel = l->write,
                                     .group_count = {LIFETIME_REUSE_WORDS / 64, 1, 1},
                                     .bindings = &binding,
                                     .binding_count = 1,
                                     .constants = &i,
                                     .constants_size_bytes = sizeof i};
        fine = fine && good(fm_dispatch(commands, &dispatch)) && good(fm_buffer_destroy(l->device, buffer)) &&
               good(fm_commit(&commands, &(fm_commit_info){.stream = l->stream}, &last));
    }
    fine = fine && good(fm_point_wait(l->device, last, timeout_ns));
    *out_ns = (double)(now_ns() - begin) / REUSE_BATCH;
    return fine;
}

static bool reuse_by_hand(lifetime *l, uint64_t amount, double *out_ns)
{
    (void)amount;
    bool fine = true;
    uint64_t begin = now_ns();
    for (uint32_t i = 0; i < REUSE_BATCH && fine; i++) {
        fine = raw_lifetime_reuse(l->raw);
    }
    fine = fine && raw_lifetime_finish(l->raw);
    *out_ns = (double)(now_ns() - begin) / REUSE_BATCH;
    return fine;
}

// --- polls ------------------------------------------------------------------------------------------------------------

static bool poll_by_fermata(lifetime *l, uint64_t amount, double *out_ns)
{
    (void)amount;
    bool fine = true;
    uint64_t begin = now_ns();
    for (uint32_t i = 0; i < POLL_BATCH; i++) {
        fine = fm_point_poll(l->device, l->complete) == FM_OK && fine;
    }
    *out_ns = (double)(now_ns() - begin) / POLL_BATCH;
    return fine;
}

static __attribute__((noinline)) bool is_past(_Atomic(uint64_t) *completed, uint64_t value)
{
    return atomic_load_explicit(completed, memory_order_acquire) >= value;
}

static bool poll_by_hand(lifetime *l, uint64_t amount, double *out_ns)
{
    (void)amount;
    bool fine = true;
    uint64_t begin = now_ns();
    for (uint32_t i = 0; i < POLL_BATCH; i++) {
        fine = is_past(&l->counters[0].holds, 0) && fine;
    }
    *out_ns = (double)(now_ns() - begin) / POLL_BATCH;
    return fine;
}

// --- read-backs -------------------------------------------------------------------------------------------------------

// Before each: a driver's own threads are asleep again, whatever ran last.
static void rest(lifetime *l)
{
    memset(l->destination, 0, 4);
    for (uint64_t begin = now_ns(); now_ns() - begin < rest_ns;) {
    }
}

// Both sides' bytes are looked at each time: the first word and the last.
static bool is_right(const lifetime *l, uint64_t size_bytes)
{
    uint32_t first, last;
    memcpy(&first, l->destination, sizeof first);
    memcpy(&last, l->destination + size_bytes - sizeof last, sizeof last);
    if (first == lifetime_word(0) && last == lifetime_word(size_bytes - sizeof last)) {
        return true;
    }
    fprintf(stderr, "fermata-bench: %llu bytes were not read back as they are\n", (unsigned long long)size_bytes);
    return false;
}

static bool read_by_fermata(lifetime *l, uint64_t amount, double *out_ns)
{
    rest(l);
    uint64_t begin = now_ns();
    bool fine = good(fm_buffer_read(l->device, l->stream, l->source, 0, amount, l->destination, timeout_ns));
    *out_ns = (double)(now_ns() - begin);
    return fine && is_right(l, amount);
}

static bool read_by_hand(lifetime *l, uint64_t amount, double *out_ns)
{
    rest(l);
    uint64_t begin = now_ns();
    bool fine = raw_lifetime_read(l->raw, amount, l->destination);
    *out_ns = (double)(now_ns() - begin);
    return fine && is_right(l, amount);
}

// --- the suite --------------------------------------------------------------------------------------------------------

static const workload workloads[] = {
    {"hold/distinct/2", "ns/dispatch", 2, hold_by_fermata, hold_by_hand},
    {"hold/distinct/32", "ns/dispatch", 32, hold_by_fermata, hold_by_hand},
    {"hold/distinct/512", "ns/dispatch", 512, hold_by_fermata, hold_by_hand},
    {"hold/distinct/2048", "ns/dispatch", 2048, hold_by_fermata, hold_by_hand},
    {"hold/distinct/8192", "ns/dispatch", HOLD_MOST, hold_by_fermata, hold_by_hand},
    {"alloc/pair/256 (malloc)", "ns/pair", 256, pair_by_fermata, pair_by_malloc},
    {"alloc/pair/64K (malloc)", "ns/pair", 64 << 10, pair_by_fermata, pair_by_malloc},
    {"alloc/pair/1M (driver)", "ns/pair", 1 << 20, pair_by_fermata, pair_by_driver},
    {"alloc/many/4K (free list)", "ns/pair", 4 << 10, many_by_fermata, many_by_free_list},
    {"reuse/64K", "ns/iteration", LIFETIME_REUSE_BYTES, reuse_by_fermata, reuse_by_hand},
    {"poll/complete", "ns/poll", 0, poll_by_fermata, poll_by_hand},
    {"read/4", "ns/read", 4, read_by_fermata, read_by_hand},
    {"read/4K", "ns/read", 4 << 10, read_by_fermata, read_by_hand},
    {"read/64K", "ns/read", 64 << 10, read_by_fermata, read_by_hand},
    {"read/1M", "ns/read", 1 << 20, read_by_fermata, read_by_hand},
    {"read/16M", "ns/read", 16 << 20, read_by_fermata, read_by_hand},
    {"read/64M", "ns/read", 64 << 20, read_by_fermata, read_by_hand},
};

enum { WORKLOADS = sizeof workloads / sizeof workloads[0] };

static bool needs_driver(const workload *w)
{
    return w->floor == pair_by_driver || w->floor == reuse_by_hand || w->floor == read_by_hand;
}

static bool measure(lifetime *l, const workload *w, double *out_median)
{
    static double samples[2][MOST_SAMPLES];
    bool has_floor = !needs_driver(w) || l->raw;
    uint32_t kept = 0;
    bool is_warm = false;
    uint64_t begin = now_ns();
    while (kept < MOST_SAMPLES && (kept < LEAST_SAMPLES || now_ns() - begin < case_ns)) {
        if (!w->fermata(l, w->amount, &samples[0][kept]) || (has_floor && !w->floor(l, w->amount, &samples[1][kept]))) {
            fprintf(stderr, "fermata-bench: case %s failed\n", w->name);
            return false;
        }
        is_warm = is_warm || now_ns() - begin > case_ns / 10;
        kept += is_warm;
    }
    report_row row = {.name = w->name, .unit = w->unit, .has_floor = has_floor, .has_spread = true};
    row.value = spread_of(samples[0], kept);
    if (has_floor) {
        row.floor = spread_of(samples[1], kept);
    }
    report_add(l->report, &row);
    *out_median = row.value.median;
    return true;
}

static bool create_kernels(lifetime *l)
{
    const fm_kernel_info pair = {
        .name = "bench_pair",
        .code = "y[global_id.x] = x[global_id.x];",
        .params = (fm_kernel_param[]){{"x", FM_DTYPE_U32, FM_ACCESS_READ}, {"y", FM_DTYPE_U32, FM_ACCESS_WRITE}},
        .param_count = 2,
    };
    const fm_kernel_info write = {
        .name = "bench_write",
        .code = "x[global_id.x] = value;",
        .params = &(fm_kernel_param){"x", FM_DTYPE_U32, FM_ACCESS_WRITE},
        .param_count = 1,
        .constants = &(fm_kernel_constant){"value", FM_DTYPE_U32},
        .constant_count = 1,
    };
    return good(fm_kernel_create(l->device, &pair, &l->pair)) && good(fm_kernel_create(l->device, &write, &l->write));
}

static bool create_buffers(lifetime *l)
{
    l->buffers = calloc(HOLD_MOST, sizeof *l->buffers);
    l->counters = calloc(HOLD_MOST, sizeof *l->counters);
    l->noted = calloc(HOLD_MOST, sizeof *l->noted);
    l->bound = calloc(2 * HOLD_DISPATCHES, sizeof *l->bound);
    l->destination = malloc(read_most_bytes);
    bool fine = l->buffers && l->counters && l->noted && l->bound && l->destination;
    for (uint32_t i = 0; i < HOLD_MOST && fine; i++) {
        fine = good(fm_buffer_create(l->device, &(fm_buffer_info){.size_bytes = 256}, &l->buffers[i]));
    }
    fine = fine && good(fm_buffer_create(l->device, &(fm_buffer_info){.size_bytes = read_most_bytes}, &l->source));
    for (uint64_t i = 0; i < read_most_bytes && fine; i += 4) {
        uint32_t word = lifetime_word(i);
        memcpy(l->destination + i, &word, sizeof word);
    }
    return fine &&
           good(fm_buffer_write(l->device, l->stream, l->source, 0, read_most_bytes, l->destination, timeout_ns));
}

static bool complete_a_point(lifetime *l)
{
    fm_commands *commands = NULL;
    return good(fm_commands_begin(l->device, NULL, &commands)) &&
           good(fm_commit(&commands, &(fm_commit_info){.stream = l->stream}, &l->complete)) &&
           good(fm_point_wait(l->device, l->complete, timeout_ns));
}

static bool open_floor(lifetime *l)
{
    if (l->properties.kind == FM_DEVICE_HOST) {
        report_note("no floor by hand where a driver is needed: the host device has none");
        return true;
    }
    bool polls = l->properties.kind != FM_DEVICE_CPU;
    report_note("waits by hand do as Fermata's on this device: they %s",
                polls ? "poll the timeline for 50 us, then block"
                      : "block, for a poll would take the time of a device that is this CPU");
    uint32_t nth = 0;
    l->raw = nth_device(&l->properties, &nth)
                 ? raw_lifetime_open(l->properties.description, nth, polls ? gpu_poll_ns : 0)
                 : NULL;
    return l->raw && raw_lifetime_prepare_read(l->raw, read_most_bytes);
}

static bool run(lifetime *l)
{
    double medians[WORKLOADS];
    for (uint32_t i = 0; i < WORKLOADS; i++) {
        if (!measure(l, &workloads[i], &medians[i])) {
            return false;
        }
    }
    report_note("8,192 distinct buffers a list against 2: %.2f times", medians[4] / medians[0]);
    return true;
}

bench_result suite_lifetime(const bench_options *options, report *results)
{
    lifetime l = {.report = results};
    watch_suite("lifetime");
    fm_status status = fm_device_open(options->device, NULL, &l.device);
    if (!good(status)) {
        return status == FM_ERROR_NO_DEVICE ? BENCH_NO_DEVICE : BENCH_FAILED;
    }
    bool fine = good(fm_device_get_properties(l.device, &l.properties)) &&
                good(fm_stream_create(l.device, NULL, &l.stream)) && create_kernels(&l) && create_buffers(&l) &&
                complete_a_point(&l);
    if (fine) {
        report_begin(results, "lifetime", l.properties.description);
        fine = open_floor(&l) && run(&l);
    }
    if (l.raw) {
        raw_lifetime_close(l.raw); // before Fermata's device: see raw_vulkan.h
    }
    fine = good(fm_device_close(&l.device, timeout_ns)) && fine;
    free(l.buffers);
    free(l.counters);
    free(l.noted);
    free(l.bound);
    free(l.destination);
    return fine ? BENCH_GOOD : BENCH_FAILED;
}
