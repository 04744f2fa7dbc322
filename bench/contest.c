// Opening, settling and closing. See contest.h.
#include "contest.h"

#include "nth_device.h"
#include "watch.h"

#include <fermata/fermata.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    GPU_MATRIX = 512, // rows of the product's matrices: 262,144 work-items fill a large device
    CPU_MATRIX = 64,
    TRIES = 7,   // of each duration; the shortest counts
    STRETCH = 8, // a longer loop or chain is this many times, or this much more than, the shorter
    FIRST_ITERATIONS = 1000,
    MOST_ITERATIONS = 64000, // lavapipe leaves every loop after 65,535 rounds, all loops of a work-item together
};

static const uint64_t warm_up_ns = 300000000; // a device's clocks rise
static const double long_enough_ns = 4e6;     // of a loop, to tell its speed
static const double short_ns = 2000, long_ns = 80000;

static const char *const contender_names[] = {"fermata",   "vulkan-fence", "vulkan-poll",
                                              "vulkan-2q", "vulkan-8q",    "cuda-streams"};

static bool good(fm_status status)
{
    if (status != FM_OK) {
        fprintf(stderr, "fermata-bench: %s\n", fm_last_error());
    }
    return status == FM_OK;
}

static bool wants_contender(const void *context, const char *name)
{
    return bench_wants(context, name);
}

// Time of one submission of `batch` and its wait, the shortest of some.
static bool time_chain(contender *c, work_kind kind, uint32_t batch, double *out_ns)
{
    *out_ns = 1e30;
    for (uint32_t i = 0; i < TRIES; i++) {
        uint64_t begin = now_ns();
        watch_thread(0, WATCH_SUBMIT, 0);
        bool fine = c->ops->submit(c, 0, 0, kind, batch);
        watch_thread(0, WATCH_WAIT, 0);
        if (!fine || !c->ops->wait(c, 0, 0)) {
            return false;
        }
        double took = (double)(now_ns() - begin);
        *out_ns = took < *out_ns ? took : *out_ns;
    }
    return true;
}

static bool time_loop(contender *c, workload *work, uint32_t iterations, double *out_ns)
{
    work->iterations[WORK_LONG] = iterations;
    return time_chain(c, WORK_LONG, 1, out_ns);
}

// Nanoseconds of one iteration: what a loop takes longer than a shorter one, so that submitting and waiting drop out.
static bool time_iteration(contender *c, workload *work, double *out_ns)
{
    uint32_t iterations = FIRST_ITERATIONS;
    double few = 0, many = 0;
    for (;;) {
        if (!time_loop(c, work, iterations, &few) || !time_loop(c, work, iterations * STRETCH, &many)) {
            return false;
        }
        if (many > long_enough_ns || iterations * 2 * STRETCH > MOST_ITERATIONS) {
            break;
        }
        iterations *= 2;
    }
    *out_ns = (many - few) / ((double)iterations * (STRETCH - 1));
    if (*out_ns <= 0) {
        fprintf(stderr, "fermata-bench: %s: a loop of %u iterations is no slower than one of %u\n", c->name,
                iterations * STRETCH, iterations);
    }
    return *out_ns > 0;
}

static bool warm_up(contender *c)
{
    double ignored;
    for (uint64_t begin = now_ns(); now_ns() - begin < warm_up_ns;) {
        if (!time_loop(c, (workload *)(uintptr_t)c->work, FIRST_ITERATIONS * STRETCH, &ignored)) {
            return false;
        }
    }
    return true;
}

static bool settle(contest *c)
{
    contender *reference = c->fence ? c->fence : c->contenders[0];
    double iteration_ns = 0;
    watch_step(reference, "the loops' length");
    if (!warm_up(reference) || !time_iteration(reference, &c->work, &iteration_ns)) {
        return false;
    }
    const double wanted[] = {[WORK_SHORT] = short_ns / iteration_ns, [WORK_LONG] = long_ns / iteration_ns};
    workload_settle(&c->work, WORK_TINY, 1);
    workload_settle(&c->work, WORK_SHORT, wanted[WORK_SHORT] < 1 ? 1 : (uint32_t)wanted[WORK_SHORT]);
    workload_settle(&c->work, WORK_LONG, wanted[WORK_LONG] < 1 ? 1 : (uint32_t)wanted[WORK_LONG]);
    workload_settle(&c->work, WORK_MATMUL, 0);
    report_note("loops: %.3f ns an iteration, by %s; %u iterations are 2 us, %u are 80 us", iteration_ns,
                reference->name, c->work.iterations[WORK_SHORT], c->work.iterations[WORK_LONG]);
    return true;
}

// How long the two longer kernels run in each contender's hands: the same kernels must take the same time.
static bool report_kernels(contest *c, report *results)
{
    json_t *kernels = json_object();
    const uint32_t iterations = c->work.iterations[WORK_LONG];
    bool fine = kernels != NULL;
    for (uint32_t i = 0; i < c->count && fine; i++) {
        contender *who = c->contenders[i];
        double once = 0, often = 0, one = 0, many = 0;
        watch_step(who, "the kernels' length");
        fine = time_loop(who, &c->work, iterations, &once) &&
               time_loop(who, &c->work, iterations * (STRETCH + 1), &often) && time_chain(who, WORK_MATMUL, 1, &one) &&
               time_chain(who, WORK_MATMUL, 1 + STRETCH, &many);
        c->work.iterations[WORK_LONG] = iterations;
        double loop_us = (often - once) / STRETCH / 1e3, matmul_us = (many - one) / STRETCH / 1e3;
        if (fine) {
            report_note("%-13s %s: 80us runs %.1f us, matmul (n = %u) %.1f us", who->name, who->summary, loop_us,
                        c->work.n, matmul_us);
            fine = json_object_set_new(kernels, who->name,
                                       json_pack("{s:f, s:f}", "80us", loop_us, "matmul", matmul_us)) == 0;
        }
    }
    char processor[256], date[16];
    time_t now = time(NULL);
    struct tm day;
    report_read_processor(processor, sizeof processor);
    strftime(date, sizeof date, "%Y-%m-%d", gmtime_r(&now, &day));
    report_add_object(results, json_pack("{s:s, s:s, s:s, s:I, s:i, s:i, s:i, s:o}", "case", "run", "date", date, "cpu",
                                         processor, "processors", (json_int_t)sysconf(_SC_NPROCESSORS_ONLN),
                                         "iterations_2us", (int)c->work.iterations[WORK_SHORT], "iterations_80us",
                                         (int)iterations, "matmul_n", (int)c->work.n, "kernel_us", kernels));
    return fine;
}

static bool open_contenders(contest *c, const fm_device_properties *properties, fm_device *device,
                            const bench_options *options)
{
    contender_device which = {0};
    snprintf(which.description, sizeof which.description, "%s", properties->description);
    bool is_host = properties->kind == FM_DEVICE_HOST;
    if (!is_host && !nth_device(properties, &which.nth)) {
        (void)good(fm_device_close(&device, FM_FOREVER));
        return false;
    }
    // Fermata's device stays open also where it is no contender: the floors take theirs from the same loader.
    contender *fermata = contender_open_fermata(device, &c->work);
    if (!fermata) {
        return false;
    }
    c->contenders[c->count++] = fermata;
    if (is_host) {
        report_note("no floor: the host device has no driver to call by hand");
        return true;
    }
    if (!contender_open_vulkan(&which, &c->work, wants_contender, options->contender, c->contenders, &c->count)) {
        return false;
    }
    contender *cuda = NULL;
    bool fine = !bench_wants(options->contender, "cuda-streams") || contender_open_cuda(&which, &c->work, &cuda);
    if (cuda) {
        c->contenders[c->count++] = cuda;
    }
    return fine;
}

bench_result contest_open(contest *c, const char *suite, const bench_options *options, report *results)
{
    *c = (contest){0};
    if (!bench_check_list("contender", options->contender, contender_names,
                          sizeof contender_names / sizeof contender_names[0])) {
        return BENCH_USAGE;
    }
    fm_device *device = NULL;
    fm_device_properties properties;
    fm_status status = fm_device_open(options->device, NULL, &device);
    if (!good(status)) {
        return status == FM_ERROR_NO_DEVICE ? BENCH_NO_DEVICE : BENCH_FAILED;
    }
    (void)fm_device_get_properties(device, &properties); // of an open device: cannot fail
    snprintf(c->description, sizeof c->description, "%s", properties.description);
    report_begin(results, suite, c->description);
    bool is_gpu = properties.kind == FM_DEVICE_DISCRETE_GPU || properties.kind == FM_DEVICE_INTEGRATED_GPU;
    if (!workload_create(is_gpu ? GPU_MATRIX : CPU_MATRIX, &c->work)) {
        (void)good(fm_device_close(&device, FM_FOREVER));
        return BENCH_FAILED;
    }
    watch_step(NULL, "opening the contenders");
    if (!open_contenders(c, &properties, device, options)) {
        return BENCH_FAILED;
    }
    for (uint32_t i = 0; i < c->count; i++) {
        bool is_fermata = strcmp(c->contenders[i]->name, "fermata") == 0;
        c->fermata = is_fermata ? c->contenders[i] : c->fermata;
        c->fence = strcmp(c->contenders[i]->name, "vulkan-fence") == 0 ? c->contenders[i] : c->fence;
    }
    return settle(c) && report_kernels(c, results) ? BENCH_GOOD : BENCH_FAILED;
}

void contest_close(contest *c)
{
    // Fermata's device goes last: the floors' volk uses the loader that it holds.
    while (c->count > 0) {
        watch_step(NULL, "closing %s", c->contenders[c->count - 1]->name);
        contender_close(c->contenders[--c->count]);
    }
    workload_destroy(&c->work);
    *c = (contest){0};
}
