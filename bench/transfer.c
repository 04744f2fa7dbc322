// Suite `transfer`: large synchronous writes and reads, in GB/s, beside a ring of two staging buffers by hand in Vulkan (raw_transfer.c). Where
// the host reaches the memory Fermata moves bytes in place; the `staged` rows have a buffer that lists of two streams have used, which goes
// through staging memory everywhere. Both sides take turns and their bytes are looked at each time. Main thread only.
#include "transfer.h"

#include "nth_device.h"
#include "suite.h"
#include "watch.h"

#include <fermata/fermata.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LEAST_MIB = 32, DEFAULT_REPETITIONS = 9 };

static const uint32_t default_mib[] = {64, 256};
static const uint64_t timeout_ns = 60000000000;
static const uint64_t gpu_poll_ns = 50000; // as in suite `lifetime`

typedef struct transfer {
    report *report;
    fm_device *device;
    fm_device_properties properties;
    fm_stream streams[2];
    raw_transfer *raw;
    uint64_t most_bytes;
    uint64_t *source; // most_bytes
    uint64_t *destination;
} transfer;

// One of the two sides.
typedef struct mover {
    transfer *t;
    fm_buffer buffer; // Fermata's; null: by hand
} mover;

static bool good(fm_status status)
{
    if (status != FM_OK) {
        fprintf(stderr, "fermata-bench: %s\n", fm_last_error());
    }
    return status == FM_OK;
}

static bool move(const mover *m, uint64_t size_bytes, bool up, double *out_gb_s)
{
    transfer *t = m->t;
    uint64_t begin = now_ns();
    bool fine;
    if (!m->buffer.id) {
        fine =
            up ? raw_transfer_up(t->raw, size_bytes, t->source) : raw_transfer_down(t->raw, size_bytes, t->destination);
    } else if (up) {
        fine = good(fm_buffer_write(t->device, t->streams[0], m->buffer, 0, size_bytes, t->source, timeout_ns));
    } else {
        fine = good(fm_buffer_read(t->device, t->streams[0], m->buffer, 0, size_bytes, t->destination, timeout_ns));
    }
    *out_gb_s = (double)size_bytes / (double)(now_ns() - begin);
    return fine;
}

// New bytes go up and come down again. `out`: GB/s up and down.
static bool sample(const mover *m, uint64_t size_bytes, double out[2])
{
    transfer *t = m->t;
    const uint64_t page = 4096 / sizeof *t->source, count = size_bytes / sizeof *t->source;
    for (uint64_t i = 0; i < count; i += page) {
        t->source[i] += 0x9E3779B97F4A7C15;
        t->destination[i] = 0;
    }
    if (!move(m, size_bytes, true, &out[0]) || !move(m, size_bytes, false, &out[1])) {
        return false;
    }
    if (memcmp(t->source, t->destination, (size_t)size_bytes) != 0) {
        fprintf(stderr, "fermata-bench: %llu bytes did not come back as they were\n", (unsigned long long)size_bytes);
        return false;
    }
    return true;
}

// A buffer that only one stream uses, or that lists of two have used.
static bool create_buffer(transfer *t, uint64_t size_bytes, bool shared, fm_buffer *out)
{
    bool fine = good(fm_buffer_create(t->device, &(fm_buffer_info){.size_bytes = size_bytes}, out));
    for (uint32_t i = 0; i < 2 && shared && fine; i++) {
        fm_commands *commands = NULL;
        fm_point point;
        fine = good(fm_commands_begin(t->device, NULL, &commands)) && good(fm_fill(commands, *out, 0, 4, 0)) &&
               good(fm_commit(&commands, &(fm_commit_info){.stream = t->streams[i]}, &point)) &&
               good(fm_point_wait(t->device, point, timeout_ns));
    }
    return fine;
}

static bool measure(transfer *t, uint32_t mib, bool shared, uint32_t repetitions)
{
    static double samples[2][2][BENCH_MOST_REPETITIONS]; // by direction, by side
    uint64_t size_bytes = (uint64_t)mib << 20;
    mover sides[2] = {{.t = t}, {.t = t}};
    uint32_t side_count = t->raw ? 2 : 1;
    bool fine = create_buffer(t, size_bytes, shared, &sides[0].buffer);
    for (uint32_t i = 0; i <= repetitions && fine; i++) { // the first warms up
        for (uint32_t side = 0; side < side_count && fine; side++) {
            double gb_s[2];
            fine = sample(&sides[side], size_bytes, gb_s);
            for (uint32_t down = 0; down < 2 && i > 0; down++) {
                samples[down][side][i - 1] = gb_s[down];
            }
        }
    }
    for (uint32_t down = 0; down < 2 && fine; down++) {
        char name[64];
        snprintf(name, sizeof name, "%s%s/%uM", down ? "down" : "up", shared ? "/staged" : "", mib);
        report_row row = {.name = name, .unit = "GB/s", .has_floor = side_count == 2, .has_spread = true};
        row.value = spread_of(samples[down][0], repetitions);
        if (row.has_floor) {
            row.floor = spread_of(samples[down][1], repetitions);
        }
        report_add(t->report, &row);
    }
    return good(fm_buffer_destroy(t->device, sides[0].buffer)) && fine;
}

static bool open_floor(transfer *t)
{
    if (t->properties.kind == FM_DEVICE_HOST) {
        report_note("no floor by hand: the host device has no driver");
        return true;
    }
    bool polls = t->properties.kind != FM_DEVICE_CPU;
    report_note("by hand: two staging buffers of %d MiB; Fermata: 32 MiB of staging memory where it stages",
                TRANSFER_CHUNK_BYTES >> 20);
    uint32_t nth = 0;
    t->raw = nth_device(&t->properties, &nth)
                 ? raw_transfer_open(t->properties.description, nth, polls ? gpu_poll_ns : 0, t->most_bytes)
                 : NULL;
    return t->raw != NULL;
}

static bool run(transfer *t, const bench_options *options, const uint32_t *mib, uint32_t count)
{
    uint32_t repetitions = options->repetitions ? options->repetitions : DEFAULT_REPETITIONS;
    for (uint32_t i = 0; i < 2 * count; i++) {
        if (!measure(t, mib[i / 2], i % 2, repetitions)) {
            return false;
        }
    }
    fm_device_stats stats;
    bool fine = good(fm_device_get_stats(t->device, &stats));
    report_note("staging memory used at once: %.1f MiB", (double)stats.bytes_staging_peak / (1 << 20));
    return fine;
}

static bool allocate(transfer *t)
{
    t->source = malloc(t->most_bytes);
    t->destination = malloc(t->most_bytes);
    if (!t->source || !t->destination) {
        fprintf(stderr, "fermata-bench: no memory is left\n");
        return false;
    }
    for (uint64_t i = 0; i < t->most_bytes / sizeof *t->source; i++) {
        t->source[i] = i * 0x9E3779B97F4A7C15 + 1;
        t->destination[i] = 0; // every page is there before anything is timed
    }
    return true;
}

bench_result suite_transfer(const bench_options *options, report *results)
{
    transfer t = {.report = results};
    const uint32_t *mib = options->size_count ? options->sizes : default_mib;
    uint32_t count = options->size_count ? options->size_count : sizeof default_mib / sizeof default_mib[0];
    for (uint32_t i = 0; i < count; i++) {
        if (mib[i] < LEAST_MIB) {
            fprintf(stderr, "fermata-bench: --size is in MiB here, %d at least, not %u\n", LEAST_MIB, mib[i]);
            return BENCH_USAGE;
        }
        t.most_bytes = (uint64_t)mib[i] << 20 > t.most_bytes ? (uint64_t)mib[i] << 20 : t.most_bytes;
    }
    watch_suite("transfer");
    fm_status status = fm_device_open(options->device, NULL, &t.device);
    if (!good(status)) {
        return status == FM_ERROR_NO_DEVICE ? BENCH_NO_DEVICE : BENCH_FAILED;
    }
    bool fine = good(fm_device_get_properties(t.device, &t.properties)) &&
                good(fm_stream_create(t.device, NULL, &t.streams[0])) &&
                good(fm_stream_create(t.device, NULL, &t.streams[1])) && allocate(&t);
    if (fine) {
        report_begin(results, "transfer", t.properties.description);
        fine = open_floor(&t) && run(&t, options, mib, count);
    }
    if (t.raw) {
        raw_transfer_close(t.raw); // before Fermata's device: see raw_vulkan.h
    }
    fine = good(fm_device_close(&t.device, timeout_ns)) && fine;
    free(t.source);
    free(t.destination);
    return fine ? BENCH_GOOD : BENCH_FAILED;
}
