// Suite `record`: CPU time a dispatch. `record/` is recording alone (begin, dispatches, throw away); `commit/` is record + plan +
// encode + submit on an idle device, so that the committing thread leads; waiting for the device is outside the timed part. `stage/` is
// such a commit taken apart, and `commit/call` the one call of fm_commit. `distinct` lists are long and go round ever more buffers.
// Both sides take turns repetition by repetition, so that drift of the machine hits both. By default a layer drops what reaches
// the driver (null_layer/): what remains is each side's own time. Main thread only.
#include "record.h"

#include "nth_device.h"
#include "null_driver.h"
#include "suite.h"
#include "watch.h"

#include <fermata/fermata.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    SIDES = 2,               // Fermata and the floor
    MOST_REPETITIONS = 2000, // of short lists
    LONG_REPETITIONS = 400,  // of lists of RECORD_MOST
    LEAST_REPETITIONS = 20,  // whatever the time
    WARM_UP_SHARE = 10,      // one repetition in so many more runs first, unmeasured
    MOST_ATTEMPTS = 50,      // at a repetition
};

static const uint64_t case_ns = 1200000000; // after which a case ends with the repetitions that it has
static const uint64_t rest_ns = 30000;      // between idle and the next repetition: a driver's own threads go to sleep
static const char *const kind_names[RECORD_KINDS] = {"ordered", "independent", "mixed", "distinct"};

static const char *const batch_names[] = {"1", "16", "256"};           // as --batch takes them
static const char *const part_names[] = {"record", "commit", "stage"}; // as --work takes them

static bool good(fm_status status)
{
    if (status != FM_OK) {
        fprintf(stderr, "fermata-bench: %s\n", fm_last_error());
    }
    return status == FM_OK;
}

// What is measured together.
typedef struct comparison {
    fm_device *device; // borrowed from `fermata`
    fm_device_properties properties;
    record_fermata *fermata;
    raw_record *raw;          // NULL: no floor
    record_side sides[SIDES]; // Fermata, then the floor
    uint32_t side_count;
    bool verifies; // what is dispatched also runs
    const bench_options *options;
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
            c[e] = c[e] + constants.k * record_input_value(record_input_a(list, i), e) +
                   constants.scale * record_input_value(record_input_b(list, i), e) + constants.offset;
        }
    }
    for (uint32_t i = 0; i < RECORD_MOST * RECORD_ELEMENTS && right; i++) {
        right = found[i] == expected[i];
        if (!right) {
            fprintf(stderr, "fermata-bench: %s, %s list: output %u element %u is %g, not %g\n", name,
                    kind_names[list->kind], i / RECORD_ELEMENTS, i % RECORD_ELEMENTS, (double)found[i],
                    (double)expected[i]);
        }
    }
    free(found);
    free(expected);
    return right;
}

// Has the list as many waves as its longest chain has links? Otherwise the numbers mean nothing.
static bool check_waves(const comparison *s, const record_list *list)
{
    fm_device_stats before, after;
    const record_side *side = &s->sides[0];
    if (!good(fm_device_get_stats(s->device, &before)) || !side->commit(side->self, list) ||
        !side->finish(side->self) || !good(fm_device_get_stats(s->device, &after))) {
        return false;
    }
    uint32_t width = record_width(list);
    uint64_t expected = (list->count + width - 1) / width;
    uint64_t found = after.waves - before.waves;
    if (found != expected) {
        fprintf(stderr, "fermata-bench: the %s list has %llu waves, not %llu\n", kind_names[list->kind],
                (unsigned long long)found, (unsigned long long)expected);
    }
    return found == expected;
}

static bool check(comparison *s)
{
    static const record_list lists[] = {{RECORD_MOST, RECORD_ORDERED, 0},
                                        {RECORD_MOST, RECORD_INDEPENDENT, 0},
                                        {RECORD_MOST, RECORD_MIXED, 0},
                                        {RECORD_LONG, RECORD_SPREAD, RECORD_DISTINCT}};
    static const char *const names[SIDES] = {"fermata", "floor"};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        if (!check_waves(s, &lists[i])) {
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

// Lets the device's and the driver's threads go to sleep.
static void rest(void)
{
    for (uint64_t begin = now_ns(); now_ns() - begin < rest_ns;) {
    }
}

// One repetition on one side; `*out_ns` is the time a list.
static bool repeat(const record_side *side, const record_list *list, bool commits, double *out_ns)
{
    // Short recordings are timed by the dozen, so that reading the clock does not show.
    uint32_t lists = commits || list->count >= RECORD_MOST ? 1 : RECORD_MOST / list->count;
    bool fine = true;
    uint64_t begin = now_ns();
    for (uint32_t i = 0; i < lists && fine; i++) {
        fine = commits ? side->commit(side->self, list) : side->record(side->self, list);
    }
    *out_ns = (double)(now_ns() - begin) / lists;
    fine = fine && (!commits || side->finish(side->self));
    if (commits) {
        rest(); // whether a submit has to wake a driver's thread must not depend on how long the list was
    }
    return fine;
}

// What --repetitions says, or as many as are quick.
static uint32_t repetitions_of(const comparison *s, const record_list *list)
{
    if (s->options->repetitions) {
        return s->options->repetitions;
    }
    return list->count < RECORD_MOST ? MOST_REPETITIONS : LONG_REPETITIONS;
}

// Measures all sides in turns; `out[side]` is the time a list.
static bool measure(const comparison *s, const record_list *list, bool commits, spread out[SIDES])
{
    double samples[SIDES][MOST_REPETITIONS];
    uint32_t most = repetitions_of(s, list);
    uint32_t warm_up = most / WARM_UP_SHARE;
    uint32_t kept = 0;
    uint64_t begin = now_ns();
    const bool is_fixed = s->options->repetitions > 0;
    for (uint32_t i = 0; kept < most && (is_fixed || kept < LEAST_REPETITIONS || now_ns() - begin < case_ns); i++) {
        for (uint32_t side = 0; side < s->side_count; side++) {
            if (!repeat(&s->sides[side], list, commits, &samples[side][kept])) {
                return false;
            }
        }
        bool is_warm = i >= warm_up || (!is_fixed && now_ns() - begin > case_ns / WARM_UP_SHARE);
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
static bool measure_lengths(const comparison *s, bool commits, record_kind kind)
{
    static const uint32_t counts[] = {1, 16, RECORD_MOST};
    enum { COUNTS = sizeof counts / sizeof counts[0] };
    spread times[COUNTS][SIDES] = {0};
    char prefix[32], name[64];
    snprintf(prefix, sizeof prefix, "%s/%s", commits ? "commit" : "record", kind_names[kind]);
    bool has_all = true;
    for (uint32_t i = 0; i < COUNTS; i++) {
        snprintf(name, sizeof name, "%u", counts[i]);
        if (!bench_wants(s->options->batch, name)) {
            has_all = false;
            continue;
        }
        if (!measure(s, &(record_list){counts[i], kind, 0}, commits, times[i])) {
            return false;
        }
        snprintf(name, sizeof name, "%s/%u", prefix, counts[i]);
        add_row(s, name, times[i], 1.0 / counts[i], true);
    }
    if (!has_all) {
        return true;
    }
    spread added[SIDES] = {0};
    for (uint32_t side = 0; side < s->side_count; side++) {
        added[side].median = times[COUNTS - 1][side].median - times[0][side].median;
    }
    snprintf(name, sizeof name, "%s/marginal", prefix);
    add_row(s, name, added, 1.0 / (RECORD_MOST - 1), false);
    return true;
}

// Long lists over ever more buffers: the cost of a dispatch must not rise with them (HOLD-3).
static bool measure_distinct(const comparison *s, bool commits)
{
    static const uint32_t counts[] = {1, 2, 32, 128, 512, 2048, RECORD_DISTINCT};
    for (uint32_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        spread times[SIDES] = {0};
        char name[64];
        if (!measure(s, &(record_list){RECORD_LONG, RECORD_SPREAD, counts[i]}, commits, times)) {
            return false;
        }
        snprintf(name, sizeof name, "%s/distinct/%u", commits ? "commit" : "record", counts[i]);
        add_row(s, name, times, 1.0 / RECORD_LONG, true);
    }
    return true;
}

static bool measure_kind(const comparison *s, bool commits, record_kind kind)
{
    return kind == RECORD_SPREAD ? measure_distinct(s, commits) : measure_lengths(s, commits, kind);
}

// One commit of a side taken apart; once more where another thread, such as the one that completes what nobody waits for, was just submitting and
// took the list along. `*own`: it submitted the list itself at last. False: failed.
static bool take_own(const comparison *s, uint32_t side, const record_list *list, bool rests, const null_marks *marks,
                     double stages[RECORD_STAGES], bool *own)
{
    bool fine = true;
    *own = false;
    for (int i = 0; i < MOST_ATTEMPTS && fine && !*own; i++) {
        if (rests) {
            rest();
        }
        fine = s->sides[side].stages(s->sides[side].self, list, marks, stages);
        *own = true;
        for (uint32_t stage = 0; stage < RECORD_STAGES; stage++) {
            *own = *own && stages[stage] >= 0;
        }
    }
    return fine;
}

// Takes commits of one list apart; `out[side][stage]` is the time a list, untouched where the stages took place elsewhere. False: failed.
static bool take_apart(const comparison *s, const record_list *list, bool rests, spread out[SIDES][RECORD_STAGES])
{
    static double samples[SIDES][RECORD_STAGES][MOST_REPETITIONS]; // the main thread's
    const null_marks *marks = s->verifies ? NULL : null_driver_marks();
    const uint32_t most = repetitions_of(s, list), warm_up = most / WARM_UP_SHARE;
    for (uint32_t i = 0; i < most + warm_up; i++) {
        for (uint32_t side = 0; side < s->side_count; side++) {
            double stages[RECORD_STAGES];
            bool own;
            if (!take_own(s, side, list, rests, marks, stages, &own)) {
                return false;
            }
            if (!own) {
                report_note("no stages: other threads submit the list");
                return true;
            }
            for (uint32_t stage = 0; stage < RECORD_STAGES; stage++) {
                samples[side][stage][i < warm_up ? 0 : i - warm_up] = stages[stage];
            }
        }
    }
    for (uint32_t side = 0; side < s->side_count; side++) {
        for (uint32_t stage = 0; stage < RECORD_STAGES; stage++) {
            out[side][stage] = spread_of(samples[side][stage], most);
        }
    }
    return true;
}

static bool measure_stages(const comparison *s, record_kind kind)
{
    static const char *const names[RECORD_STAGES] = {"record", "plan", "encode", "submit", "retire", NULL};
    spread times[SIDES][RECORD_STAGES] = {0};
    if (!take_apart(s, &(record_list){RECORD_MOST, kind, 0}, false, times)) {
        return false;
    }
    for (uint32_t stage = 0; stage < RECORD_STAGES; stage++) {
        if (names[stage] && times[0][stage].median > 0) {
            char name[64];
            snprintf(name, sizeof name, "stage/%s/%s", kind_names[kind], names[stage]);
            bool has_floor = times[1][stage].median > 0;
            report_add(s->report, &(report_row){
                                      .name = name,
                                      .unit = "ns/dispatch",
                                      .value = spread_scaled(times[0][stage], 1.0 / RECORD_MOST),
                                      .floor = spread_scaled(times[1][stage], 1.0 / RECORD_MOST),
                                      .has_floor = has_floor,
                                      .has_spread = true,
                                  });
        }
    }
    return true;
}

// The call of fm_commit alone, for a list of one dispatch on an idle device; by hand: encoding and vkQueueSubmit. With `rests` the
// threads that run it sleep and have to be woken.
static bool measure_call(const comparison *s, bool rests)
{
    spread times[SIDES][RECORD_STAGES] = {0};
    if (!take_apart(s, &(record_list){1, RECORD_ORDERED, 0}, rests, times)) {
        return false;
    }
    if (times[0][RECORD_STAGE_CALL].median <= 0) {
        return true; // a note says why
    }
    report_add(s->report, &(report_row){
                              .name = rests ? "commit/call/asleep" : "commit/call",
                              .unit = "ns/commit",
                              .value = times[0][RECORD_STAGE_CALL],
                              .floor = times[1][RECORD_STAGE_CALL],
                              .has_floor = s->side_count == SIDES,
                              .has_spread = true,
                          });
    return true;
}

// All parts that the options want.
static bool measure_parts(const comparison *s)
{
    bool fine = true;
    for (uint32_t part = 0; part < 2; part++) {
        for (uint32_t kind = 0; kind < RECORD_KINDS && fine; kind++) {
            fine = !bench_wants(s->options->work, part_names[part]) ||
                   !bench_wants(s->options->mode, kind_names[kind]) || measure_kind(s, part == 1, (record_kind)kind);
        }
    }
    for (uint32_t kind = 0; kind < RECORD_SPREAD && fine; kind++) {
        fine = !bench_wants(s->options->work, "stage") || !bench_wants(s->options->mode, kind_names[kind]) ||
               measure_stages(s, (record_kind)kind);
    }
    return fine && (!bench_wants(s->options->work, "stage") || (measure_call(s, false) && measure_call(s, true)));
}

// Opens the floor, where there is one, on the same device.
static bool open_floor(comparison *s, bool with_driver)
{
    s->sides[0] = record_fermata_side(s->fermata);
    s->side_count = 1;
    s->verifies = true;
    if (s->properties.kind == FM_DEVICE_HOST) {
        return true;
    }
    uint32_t nth = 0;
    s->raw = nth_device(&s->properties, &nth) ? raw_record_open(s->properties.description, nth) : NULL;
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
    report_note("Fermata reaches memory by %s", modes[s->properties.binding_mode]);
    if (!s->raw) {
        report_note("no floor: the host device has no driver to call by hand");
    } else {
        report_note("floor: Vulkan by hand, addresses in push constants, one barrier between ordered dispatches, no "
                    "checks");
        report_note("driver: %s",
                    with_driver ? "in" : "left out on both sides: commands and submits are dropped by a layer");
    }
    report_note("distinct: lists of %d dispatches; stage: a commit of %d, by the calls that reach the driver",
                RECORD_LONG, RECORD_MOST);
    report_note("record: begin, dispatches, throw away; commit: begin, dispatches, submit on an idle device, without "
                "the wait");
}

// Which driver stood below, for who reads the rows.
static void report_run(const comparison *s)
{
    char processor[256], date[16];
    time_t now = time(NULL);
    struct tm day;
    report_read_processor(processor, sizeof processor);
    strftime(date, sizeof date, "%Y-%m-%d", gmtime_r(&now, &day));
    const char *driver = !s->raw ? "none" : s->verifies ? "in" : "left out";
    report_add_object(s->report, json_pack("{s:s, s:s, s:s, s:I, s:s}", "case", "run", "date", date, "cpu", processor,
                                           "processors", (json_int_t)sysconf(_SC_NPROCESSORS_ONLN), "driver", driver));
}

static bench_result open_fermata(comparison *s)
{
    // One queue, as the floor: a submit that waits for another queue would reach the driver past the null layer.
    const fm_device_info info = {.queues = 1};
    fm_status status = fm_device_open(s->options->device, &info, &s->device);
    if (!good(status)) {
        return status == FM_ERROR_NO_DEVICE ? BENCH_NO_DEVICE : BENCH_FAILED;
    }
    (void)fm_device_get_properties(s->device, &s->properties); // of an open device: cannot fail
    s->fermata = record_fermata_open(s->device);
    return s->fermata ? BENCH_GOOD : BENCH_FAILED;
}

bench_result suite_record(const bench_options *options, report *results_out)
{
    if (!bench_check_list("mode", options->mode, kind_names, RECORD_KINDS) ||
        !bench_check_list("batch", options->batch, batch_names, sizeof batch_names / sizeof batch_names[0]) ||
        !bench_check_list("work", options->work, part_names, sizeof part_names / sizeof part_names[0])) {
        return BENCH_USAGE;
    }
    if (!options->with_driver && !null_driver_enable()) {
        return BENCH_FAILED;
    }
    comparison s = {.options = options, .report = results_out};
    watch_suite("record");
    bench_result result = open_fermata(&s);
    if (result == BENCH_GOOD) {
        report_begin(results_out, "record", s.properties.description);
        bool fine = open_floor(&s, options->with_driver);
        if (fine) {
            explain(&s, options->with_driver);
            report_run(&s);
        }
        fine = fine && check(&s) && measure_parts(&s);
        result = fine ? BENCH_GOOD : BENCH_FAILED;
    }
    if (s.raw) {
        raw_record_close(s.raw); // before Fermata's device: see raw_vulkan.h
    }
    if (s.fermata && !record_fermata_close(s.fermata)) {
        result = BENCH_FAILED;
    }
    return result;
}
