// decode: a Llama decoder on Fermata, in which every sequence has its own thread, stream and cache. This file reads the
// inputs, opens the device, starts the sequences, waits for them and reports. The work is in sequence.c (one sequence),
// forward.c (one token) and kernels.c (the arithmetic).
#include "bundle.h"
#include "options.h"
#include "report.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const uint64_t close_timeout_ns = 60000000000;

// Everything that main owns.
typedef struct program {
    options options;
    failure failure;   // the first one, whoever met it
    progress progress; // alive while run_sequences is
    model model;
    tokenizer tokenizer;
    gold gold;           // empty where the file was not found
    bool checks_itself;  // the answers are known: they are in `gold`
    sequence *sequences; // owned, [options.sequence_count]
    soak soak;
    fm_device *device;
    network network;
} program;

static bool open_inputs(program *p)
{
    failure *f = &p->failure;
    const options *o = &p->options;
    char bundled_model[PATH_MAX], bundled_gold[PATH_MAX];
    bool has_model = bundle_find("moby.bin", bundled_model), has_gold = bundle_find("moby.gold.json", bundled_gold);
    if (!o->model_path && !has_model) {
        return failure_set(f, EXIT_STATUS_BAD_INPUT, "the bundled model was not found: name one with --model");
    }
    if (o->prompt_count == 0 && !has_gold) {
        return failure_set(f, EXIT_STATUS_BAD_INPUT, "the bundled prompts were not found: give one with --prompt");
    }
    if (!model_open(o->model_path ? o->model_path : bundled_model, &p->model, f) ||
        !tokenizer_load(o->tokenizer_path, p->model.vocab_size, &p->tokenizer, f) ||
        (has_gold && !gold_load(bundled_gold, &p->gold, f))) {
        return false;
    }
    p->checks_itself = has_gold && !o->tokenizer_path && !o->quantise_kv && o->temperature <= 0.0f &&
                       (!o->model_path || (has_model && file_equals(&p->model.file, bundled_model)));
    return true;
}

static bool create_sequences(program *p)
{
    const options *o = &p->options;
    p->sequences = calloc(o->sequence_count, sizeof *p->sequences);
    if (!p->sequences) {
        return failure_set(&p->failure, EXIT_STATUS_FAILED, "no memory for %u sequences", o->sequence_count);
    }
    for (uint32_t i = 0; i < o->sequence_count; i++) {
        sequence_info info = {
            .model = &p->model,
            .tokenizer = &p->tokenizer,
            .prompt = o->prompt_count > 0 ? o->prompts[i % o->prompt_count] : p->gold.entries[i % p->gold.count].prompt,
            .number = i + 1,
            .token_count = o->token_count,
            .temperature = o->temperature,
            .seed = o->seed,
            .destroys_late = o->destroys_late,
            .progress = &p->progress,
            .failure = &p->failure,
        };
        if (!sequence_create(&info, &p->sequences[i])) {
            return false;
        }
    }
    return true;
}

static bool open_device(program *p)
{
    fm_status status = fm_device_open(p->options.device_name, NULL, &p->device);
    if (status != FM_OK) {
        return failure_set_from_library(&p->failure, status, "cannot open the device");
    }
    return network_create(p->device, &p->model, p->options.quantise_kv, &p->network, &p->failure);
}

// Starts all sequences, waits for them, and stores the seconds that took.
static bool run_sequences(program *p, double *out_seconds)
{
    uint32_t count = p->options.sequence_count;
    progress_init(&p->progress);
    for (uint32_t i = 0; i < count && sequence_start(&p->sequences[i], &p->network); i++) {
    }
    *out_seconds = progress_wait(&p->progress);
    for (uint32_t i = 0; i < count; i++) {
        sequence_join(&p->sequences[i]);
    }
    progress_destroy(&p->progress);
    return !failure_happened(&p->failure);
}

static void destroy_sequences(program *p)
{
    for (uint32_t i = 0; p->sequences && i < p->options.sequence_count; i++) {
        sequence_destroy(&p->sequences[i]);
    }
    free(p->sequences);
    p->sequences = NULL;
}

// Do all sequences say what the gold file says? True where it does not know.
static bool round_is_right(program *p)
{
    report r = {.sequences = p->sequences, .sequence_count = p->options.sequence_count};
    if (p->checks_itself) {
        report_check(&r, &p->gold);
    }
    return r.matched == r.checked ||
           failure_set(&p->failure, EXIT_STATUS_FAILED, "self-check: only %u of %u sequences match in round %u",
                       r.matched, r.checked, p->soak.rounds);
}

// One round, or as many as the soak has time for; `*out_seconds` are the last one's.
static bool run_rounds(program *p, double *out_seconds)
{
    soak_begin(&p->soak, p->options.soak_seconds);
    bool good = run_sequences(p, out_seconds);
    while (good && soak_goes_on(&p->soak)) {
        good = round_is_right(p);
        if (good) {
            destroy_sequences(p);
            good = create_sequences(p) && run_sequences(p, out_seconds);
        }
    }
    return good;
}

static bool report_results(program *p, double seconds)
{
    report r = {
        .sequences = p->sequences, .sequence_count = p->options.sequence_count, .seconds = seconds, .soak = &p->soak};
    fm_status status = fm_device_get_properties(p->device, &r.device);
    if (status == FM_OK) {
        status = fm_device_get_stats(p->device, &r.stats);
    }
    if (status != FM_OK) {
        return failure_set_from_library(&p->failure, status, "cannot describe the device");
    }
    if (p->checks_itself) {
        report_check(&r, &p->gold);
    }
    if (!(p->options.json ? report_print_json(&r) : report_print(&r))) {
        return failure_set(&p->failure, EXIT_STATUS_FAILED, "cannot write the results");
    }
    if (r.matched < r.checked) {
        return failure_set(&p->failure, EXIT_STATUS_FAILED, "self-check: only %u of %u sequences match", r.matched,
                           r.checked);
    }
    return true;
}

// Closes the device, then frees what its work may have used.
static void clean_up(program *p)
{
    network_destroy(&p->network);
    fm_status status = fm_device_close(&p->device, close_timeout_ns);
    if (status != FM_OK) {
        failure_set_from_library(&p->failure, status, "cannot close the device");
        return; // it may still write to what the sequences own: the process ends with all of it
    }
    destroy_sequences(p);
    gold_destroy(&p->gold);
    tokenizer_destroy(&p->tokenizer);
    model_close(&p->model);
    options_destroy(&p->options);
}

int main(int argc, char **argv)
{
    program p = {0};
    failure_init(&p.failure);
    if (options_parse(argc, argv, &p.options, &p.failure)) {
        double seconds = 0.0;
        if (p.options.help) {
            fputs(options_usage(), stdout);
        } else if (open_inputs(&p) && create_sequences(&p) && open_device(&p) && run_rounds(&p, &seconds)) {
            report_results(&p, seconds);
        }
    }
    clean_up(&p);
    int status = (int)p.failure.exit_status;
    if (failure_happened(&p.failure)) {
        fprintf(stderr, "decode: %s\n", p.failure.sentence);
    }
    failure_destroy(&p.failure);
    return status;
}
