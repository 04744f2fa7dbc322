// Suite `record`: CPU time a dispatch. `record/` is recording alone (begin, dispatches, throw away); `commit/` is record + plan +
// encode + submit on an idle device, so that the committing thread leads; waiting for the device is outside the timed part.
// Both sides take turns repetition by repetition, so that drift of the machine hits both. By default a layer drops what reaches
// the driver (null_layer/): what remains is each side's own time. Main thread only.
#include "record.h"

#include "null_driver.h"
#include "suite.h"

#include <fermata/fermata.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SIDES = 2,               // Fermata and the floor
    MOST_REPETITIONS = 2000, // of short lists
    LONG_REPETITIONS = 400,  // of lists of RECORD_MOST
    LEAST_REPETITIONS = 20,  // whatever the time
    WARM_UP_SHARE = 10,      // one repetition in so many more runs first, unmeasured
};

static const uint64_t case_ns = 1200000000; // after which a case ends with the repetitions that it has
static const uint64_t rest_ns = 30000;      // between idle and the next repetition: a driver's own threads go to sleep
static const uint64_t timeout_ns = 10000000000;

// Fermata's side.
typedef struct fermata_side {
    fm_device *device;
    fm_device_properties properties;
    fm_stream stream;
    fm_kernel kernel;
    fm_buffer inputs[RECORD_INPUTS];
    fm_buffer outputs[RECORD_MOST];
    fm_point last; // of the newest commit
} fermata_side;

static bool good(fm_status status)
{
    if (status != FM_OK) {
        fprintf(stderr, "fermata-bench: %s\n", fm_last_error());
    }
    return status == FM_OK;
}

static bool create_kernel(fermata_side *side)
{
    const fm_kernel_info info = {
        .name = "bench_axpy",
        .code = "uint i = global_id.x; if (i < n) c[i] = c[i] + k * a[i] + scale * b[i] + offset;",
        .params = (fm_kernel_param[]){{"a", FM_DTYPE_F32, FM_ACCESS_READ},
                                      {"b", FM_DTYPE_F32, FM_ACCESS_READ},
                                      {"c", FM_DTYPE_F32, FM_ACCESS_READ_WRITE}},
        .param_count = 3,
        .constants =
            (fm_kernel_constant[]){
                {"k", FM_DTYPE_F32}, {"scale", FM_DTYPE_F32}, {"offset", FM_DTYPE_F32}, {"n", FM_DTYPE_U32}},
        .constant_count = 4,
    };
    return good(fm_kernel_create(side->device, &info, &side->kernel));
}

static bool create_buffers(fermata_side *side)
{
    const fm_buffer_info info = {.size_bytes = RECORD_ELEMENTS * sizeof(float)};
    for (uint32_t i = 0; i < RECORD_INPUTS; i++) {
        float values[RECORD_ELEMENTS];
        for (uint32_t e = 0; e < RECORD_ELEMENTS; e++) {
            values[e] = record_input_value(i, e);
        }
        if (!good(fm_buffer_create(side->device, &info, &side->inputs[i])) ||
            !good(fm_buffer_write(side->device, side->stream, side->inputs[i], 0, sizeof values, values, timeout_ns))) {
            return false;
        }
    }
    for (uint32_t i = 0; i < RECORD_MOST; i++) {
        if (!good(fm_buffer_create(side->device, &info, &side->outputs[i]))) {
            return false;
        }
    }
    return true;
}

static bench_result open_side(fermata_side *side, const char *device)
{
    *side = (fermata_side){0};
    fm_status status = fm_device_open(device, NULL, &side->device);
    if (!good(status)) {
        return status == FM_ERROR_NO_DEVICE ? BENCH_NO_DEVICE : BENCH_FAILED;
    }
    bool ready = good(fm_device_get_properties(side->device, &side->properties)) &&
                 good(fm_stream_create(side->device, NULL, &side->stream)) && create_kernel(side) &&
                 create_buffers(side);
    return ready ? BENCH_GOOD : BENCH_FAILED;
}

// Also closes what open_side has left half open.
static bool close_side(fermata_side *side)
{
    return good(fm_device_close(&side->device, timeout_ns));
}

static fm_status dispatch_all(const fermata_side *side, fm_commands *commands, const record_list *list)
{
    const record_list what = *list;
    fm_status status = FM_OK;
    for (uint32_t i = 0; i < what.count && status == FM_OK; i++) {
        record_constants constants = record_constants_of(i);
        fm_binding bindings[] = {
            {.buffer = side->inputs[record_input_a(i)]},
            {.buffer = side->inputs[record_input_b(i)]},
            {.buffer = side->outputs[record_output(&what, i)]},
        };
        fm_dispatch_info info = {
            .kernel = side->kernel,
            .group_count = {1, 1, 1},
            .bindings = bindings,
            .binding_count = 3,
            .constants = &constants,
            .constants_size_bytes = sizeof constants,
        };
        status = fm_dispatch(commands, &info);
    }
    return status;
}

static bool record(void *self, const record_list *list)
{
    fermata_side *side = self;
    fm_commands *commands = NULL;
    if (!good(fm_commands_begin(side->device, NULL, &commands))) {
        return false;
    }
    bool recorded = good(dispatch_all(side, commands, list));
    return good(fm_commands_cancel(&commands)) && recorded;
}

static bool commit(void *self, const record_list *list)
{
    fermata_side *side = self;
    fm_commands *commands = NULL;
    if (!good(fm_commands_begin(side->device, NULL, &commands))) {
        return false;
    }
    bool committed = good(dispatch_all(side, commands, list)) &&
                     good(fm_commit(&commands, &(fm_commit_info){.stream = side->stream}, &side->last));
    return good(fm_commands_cancel(&commands)) && committed; // of a list that was committed nothing is left to cancel
}

static bool finish(void *self)
{
    const fermata_side *side = self;
    return good(fm_point_wait(side->device, side->last, timeout_ns));
}

static bool results(void *self, const record_list *list, float *out)
{
    fermata_side *side = self;
    const uint64_t size_bytes = RECORD_ELEMENTS * sizeof(float);
    uint32_t output_count = list->ordered ? 1 : list->count;
    fm_commands *commands = NULL;
    bool fine = good(fm_commands_begin(side->device, NULL, &commands));
    for (uint32_t i = 0; i < output_count && fine; i++) {
        fine = good(fm_fill(commands, side->outputs[i], 0, size_bytes, 0));
    }
    fine = fine && good(dispatch_all(side, commands, list));
    for (uint32_t i = 0; i < output_count && fine; i++) {
        fine = good(fm_read(commands, side->outputs[i], 0, size_bytes, out + (size_t)i * RECORD_ELEMENTS));
    }
    fine = fine && good(fm_commit(&commands, &(fm_commit_info){.stream = side->stream}, &side->last)) && finish(side);
    return good(fm_commands_cancel(&commands)) && fine;
}

// What is measured together.
typedef struct comparison {
    fermata_side fermata;
    raw_record *raw;          // NULL: no floor
    record_side sides[SIDES]; // Fermata, then the floor
    uint32_t side_count;
    bool verifies; // what is dispatched also runs
    report *report;
} comparison;

// Runs a list on one side and compares every element of every output.
static bool check_values(const record_side *side, const char *name, const record_list *list)
{
    float *found = calloc((size_t)RECORD_MOST * RECORD_ELEMENTS, sizeof *found);
    float *expected = calloc((size_t)RECORD_MOST * RECORD_ELEMENTS, sizeof *expected);
    bool right = found && expected && side->results(side->self, list, found);
    for (uint32_t i = 0; i < list->count && right; i++) {
        record_constants constants = record_constants_of(i);
        float *c = expected + (size_t)record_output(list, i) * RECORD_ELEMENTS;
        for (uint32_t e = 0; e < RECORD_ELEMENTS; e++) {
            c[e] = c[e] + constants.k * record_input_value(record_input_a(i), e) +
                   constants.scale * record_input_value(record_input_b(i), e) + constants.offset;
        }
    }
    for (uint32_t i = 0; i < RECORD_MOST * RECORD_ELEMENTS && right; i++) {
        right = found[i] == expected[i];
        if (!right) {
            fprintf(stderr, "fermata-bench: %s, %s list: output %u element %u is %g, not %g\n", name,
                    list->ordered ? "ordered" : "independent", i / RECORD_ELEMENTS, i % RECORD_ELEMENTS,
                    (double)found[i], (double)expected[i]);
        }
    }
    free(found);
    free(expected);
    return right;
}

// Has an ordered list as many waves as dispatches, and an independent one a single wave? Otherwise the numbers mean nothing.
static bool check_waves(fermata_side *side, const record_list *list)
{
    fm_device_stats before, after;
    if (!good(fm_device_get_stats(side->device, &before)) || !commit(side, list) || !finish(side) ||
        !good(fm_device_get_stats(side->device, &after))) {
        return false;
    }
    uint64_t expected = list->ordered ? list->count : 1;
    uint64_t found = after.waves - before.waves;
    if (found != expected) {
        fprintf(stderr, "fermata-bench: the %s list has %llu waves, not %llu\n",
                list->ordered ? "ordered" : "independent", (unsigned long long)found, (unsigned long long)expected);
    }
    return found == expected;
}

static bool check(comparison *s)
{
    static const record_list lists[] = {{RECORD_MOST, true}, {RECORD_MOST, false}};
    static const char *const names[SIDES] = {"fermata", "floor"};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        if (!check_waves(&s->fermata, &lists[i])) {
            return false;
        }
        for (uint32_t side = 0; side < s->side_count && s->verifies; side++) {
            if (!check_values(&s->sides[side], names[side], &lists[i])) {
                return false;
            }
        }
    }
    if (s->verifies) {
        report_note("values verified on %s",
                    s->side_count == SIDES ? "both sides" : "Fermata's side; there is no floor");
    } else {
        report_note("values not verified: nothing runs when the driver is left out; --with-driver verifies");
    }
    return true;
}

// One repetition on one side; `*out_ns` is the time a list.
static bool repeat(const record_side *side, const record_list *list, bool commits, double *out_ns)
{
    // Short recordings are timed by the dozen, so that reading the clock does not show.
    uint32_t lists = commits ? 1 : RECORD_MOST / list->count;
    bool fine = true;
    uint64_t begin = now_ns();
    for (uint32_t i = 0; i < lists && fine; i++) {
        fine = commits ? side->commit(side->self, list) : side->record(side->self, list);
    }
    *out_ns = (double)(now_ns() - begin) / lists;
    fine = fine && (!commits || side->finish(side->self));
    // Whether a submit has to wake a driver's thread must not depend on how long the list was.
    for (begin = now_ns(); commits && now_ns() - begin < rest_ns;) {
    }
    return fine;
}

// Measures all sides in turns; `out[side]` is the time a list.
static bool measure(const comparison *s, const record_list *list, bool commits, spread out[SIDES])
{
    double samples[SIDES][MOST_REPETITIONS];
    uint32_t most = list->count < RECORD_MOST ? MOST_REPETITIONS : LONG_REPETITIONS;
    uint32_t warm_up = most / WARM_UP_SHARE;
    uint32_t kept = 0;
    uint64_t begin = now_ns();
    for (uint32_t i = 0; kept < most && (kept < LEAST_REPETITIONS || now_ns() - begin < case_ns); i++) {
        for (uint32_t side = 0; side < s->side_count; side++) {
            if (!repeat(&s->sides[side], list, commits, &samples[side][kept])) {
                return false;
            }
        }
        bool is_warm = i >= warm_up || now_ns() - begin > case_ns / WARM_UP_SHARE;
        kept += is_warm;
    }
    for (uint32_t side = 0; side < s->side_count; side++) {
        out[side] = spread_of(samples[side], kept);
    }
    return true;
}

static void add_row(const comparison *s, const char *name, const spread times[SIDES], double factor, bool has_spread)
{
    bool has_floor = s->side_count == SIDES;
    report_add(s->report, &(report_row){
                              .name = name,
                              .unit = "ns/dispatch",
                              .value = spread_scaled(times[0], factor),
                              .floor = has_floor ? spread_scaled(times[1], factor) : (spread){0},
                              .has_floor = has_floor,
                              .has_spread = has_spread,
                          });
}

// The lengths of one kind of list, and what each dispatch adds when the fixed cost of a list is taken out.
static bool measure_lengths(const comparison *s, bool commits, bool ordered)
{
    static const uint32_t counts[] = {1, 16, RECORD_MOST};
    enum { COUNTS = sizeof counts / sizeof counts[0] };
    spread times[COUNTS][SIDES] = {0};
    char prefix[32], name[64];
    snprintf(prefix, sizeof prefix, "%s/%s", commits ? "commit" : "record", ordered ? "ordered" : "independent");
    for (uint32_t i = 0; i < COUNTS; i++) {
        if (!measure(s, &(record_list){counts[i], ordered}, commits, times[i])) {
            return false;
        }
        snprintf(name, sizeof name, "%s/%u", prefix, counts[i]);
        add_row(s, name, times[i], 1.0 / counts[i], true);
    }
    spread added[SIDES] = {0};
    for (uint32_t side = 0; side < s->side_count; side++) {
        added[side].median = times[COUNTS - 1][side].median - times[0][side].median;
    }
    snprintf(name, sizeof name, "%s/marginal", prefix);
    add_row(s, name, added, 1.0 / (RECORD_MOST - 1), false);
    return true;
}

// Which of the devices that are called alike is Fermata's?
static bool find_nth(const fm_device_properties *properties, uint32_t *out)
{
    fm_device_entry entries[64];
    uint32_t count = sizeof entries / sizeof entries[0];
    if (!good(fm_device_list(entries, &count))) {
        return false;
    }
    *out = 0;
    for (uint32_t i = 0; i < count && i < sizeof entries / sizeof entries[0]; i++) {
        if (strcmp(entries[i].name, properties->name) == 0) {
            return true;
        }
        *out += strcmp(entries[i].description, properties->description) == 0;
    }
    return false;
}

// Opens the floor, where there is one, on the same device.
static bool open_floor(comparison *s, bool with_driver)
{
    s->sides[0] = (record_side){&s->fermata, record, commit, finish, results};
    s->side_count = 1;
    s->verifies = true;
    if (s->fermata.properties.kind == FM_DEVICE_HOST) {
        return true;
    }
    uint32_t nth = 0;
    s->raw = find_nth(&s->fermata.properties, &nth) ? raw_record_open(s->fermata.properties.description, nth) : NULL;
    if (!s->raw) {
        return false;
    }
    s->sides[1] = raw_record_side(s->raw);
    s->side_count = SIDES;
    s->verifies = with_driver;
    if (!with_driver && !raw_record_driver_is_nulled(s->raw)) {
        fprintf(stderr, "fermata-bench: the Vulkan loader did not take the null layer; try --with-driver\n");
        return false;
    }
    return true;
}

static void explain(const comparison *s, bool with_driver)
{
    static const char *const modes[] = {"auto", "addresses", "descriptors"};
    report_note("Fermata reaches memory by %s", modes[s->fermata.properties.binding_mode]);
    if (!s->raw) {
        report_note("no floor: the host device has no driver to call by hand");
    } else {
        report_note("floor: Vulkan by hand, addresses in push constants, one barrier between ordered dispatches, no "
                    "checks");
        report_note("driver: %s",
                    with_driver ? "in" : "left out on both sides: commands and submits are dropped by a layer");
    }
    report_note("record: begin, dispatches, throw away; commit: begin, dispatches, submit on an idle device, without "
                "the wait");
}

bench_result suite_record(const bench_options *options, report *results_out)
{
    if (!options->with_driver && !null_driver_enable()) {
        return BENCH_FAILED;
    }
    comparison s = {.report = results_out};
    bench_result result = open_side(&s.fermata, options->device);
    if (result == BENCH_GOOD) {
        report_begin(results_out, "record", s.fermata.properties.description);
        bool fine = open_floor(&s, options->with_driver);
        if (fine) {
            explain(&s, options->with_driver);
        }
        fine = fine && check(&s);
        for (int i = 0; i < 4 && fine; i++) {
            fine = measure_lengths(&s, i >= 2, i % 2 == 0);
        }
        result = fine ? BENCH_GOOD : BENCH_FAILED;
    }
    if (s.raw) {
        raw_record_close(s.raw); // before Fermata's device: see raw_vulkan.h
    }
    if (s.fermata.device && !close_side(&s.fermata)) {
        result = BENCH_FAILED;
    }
    return result;
}
