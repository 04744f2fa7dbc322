// The explorer's world. See world.h: opening, checking, settling.
#include "operations.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK_BYTES = 65536, LONG_WAVE_NS = 100000 };

void world_fail(world *w, const char *format, ...)
{
    if (!w->failure[0]) {
        va_list args;
        va_start(args, format);
        vsnprintf(w->failure, sizeof w->failure, format, args);
        va_end(args);
    }
}

void world_say(const world *w, const char *format, ...)
{
    if (w->talks) {
        va_list args;
        va_start(args, format);
        printf("      ");
        vprintf(format, args);
        printf("\n");
        va_end(args);
    }
}

bool world_fails(world *w, fm_status status, const char *what)
{
    if (status == FM_OK) {
        return false;
    }
    bool expected = (w->lost && status == FM_ERROR_DEVICE_LOST) || (w->tight && status == FM_ERROR_OUT_OF_MEMORY);
    if (!expected) {
        world_fail(w, "%s: %s: %.200s", what, fm_status_name(status), fm_last_error());
    }
    return true;
}

// A command of the list has run: everything that its commit named must have run before. Once something has failed, commands behind it may
// run before that is collected; what they write is void.
static void check_order(world *w, const model_list *list)
{
    bool calm = w->model.refusals == 0 && w->model.nameless_failed == 0;
    for (int i = 0; i < w->model.list_count; i++) {
        calm = calm && !w->model.lists[i].broken;
    }
    for (int i = 0; calm && i < list->after_count; i++) {
        const model_list *before = &w->model.lists[list->after[i]];
        if (list->committed && before->commands > before->ran) {
            world_fail(w, "a command ran before list %d, which its list comes after", list->after[i]);
        }
    }
}

// What the device tells: which list each command belongs to stands in its label.
static void observe(void *user, fm_testing_event event, const char *text)
{
    world *w = user;
    int number = text && event != FM_TESTING_VIOLATED ? atoi(text) : -1;
    model_list *list = number >= 0 && number < w->model.list_count ? &w->model.lists[number] : NULL;
    static const char *const names[] = {"ran", "a batch completed", "failed", "refused", "violated"};
    world_say(w, "%s %s", names[event], text ? text : "");
    switch (event) {
    case FM_TESTING_RAN:
        if (list) {
            list->ran++;
            check_order(w, list);
        }
        break;
    case FM_TESTING_COMPLETED: w->completed_batches++; break;
    case FM_TESTING_FAILED:
        if (list) {
            list->broken = true;
        } else {
            w->model.nameless_failed++;
        }
        break;
    case FM_TESTING_REFUSED:
        w->model.refusals++;
        if (list) {
            list->refused = true;
        }
        break;
    case FM_TESTING_VIOLATED: world_fail(w, "violation: %s", text); break;
    }
}

static fm_status run_twice(const fm_host_call *call)
{
    const uint32_t *x = call->bindings[0];
    uint32_t *y = call->bindings[1];
    for (uint64_t i = 0; i < call->size_bytes[1] / 4; i++) {
        y[i] += 2 * x[i] + 1;
    }
    return FM_OK;
}

static fm_status run_broken(const fm_host_call *call)
{
    memset(call->bindings[1], 0x77, (size_t)call->size_bytes[1]);
    return FM_ERROR_KERNEL_FAILED;
}

void world_make_kernel(world *w, const char *name, fm_kernel *out)
{
    static const fm_kernel_param params[] = {{"x", FM_DTYPE_U32, FM_ACCESS_READ},
                                             {"y", FM_DTYPE_U32, FM_ACCESS_READ_WRITE}};
    fm_kernel_info info = {.name = name,
                           .language = FM_KERNEL_HOST_FUNCTION,
                           .params = params,
                           .param_count = 2,
                           .host_function = strcmp(name, "broken") == 0 ? run_broken : run_twice};
    world_fails(w, fm_kernel_create(w->device, &info, out), "fm_kernel_create");
}

void world_make_stream(world *w, int slot)
{
    world_fails(w, fm_stream_create(w->device, NULL, &w->streams[slot]), "fm_stream_create");
    w->last_callback[slot] = 0;
}

void world_end_host(world *w, int host, bool fail)
{
    model_host *h = &w->model.hosts[host];
    if (h->ended) {
        return;
    }
    h->ended = true;
    h->failed = fail;
    world_fails(w,
                fail ? fm_point_fail(w->device, w->hosts[host], "as the trace has it")
                     : fm_point_signal(w->device, w->hosts[host]),
                "the end of a point of the program");
}

static void end_hosts(world *w)
{
    for (int i = 0; i < w->model.host_count; i++) {
        world_end_host(w, i, false);
    }
}

void world_step_in_waits(world *w, bool on)
{
    if (on) {
        end_hosts(w);
    }
    world_fails(w, fm_testing_step_in_waits(w->device, on), "fm_testing_step_in_waits");
}

void world_callback(void *user, fm_point point, fm_status status)
{
    callback_record *record = user;
    world *w = record->world;
    const model_list *list = &w->model.lists[record->list];
    record->calls++;
    record->status = status;
    if (record->calls > 1) {
        world_fail(w, "the callback of list %d was called twice", record->list);
    }
    if (point.value != list->point.value || point.stream.id != list->point.stream.id) {
        world_fail(w, "the callback of list %d was told another point", record->list);
    }
    if (record->ordered && !list->dead && point.stream.id == w->streams[list->stream].id) {
        if (point.value < w->last_callback[list->stream]) {
            world_fail(w, "the callback of value %llu came after that of %llu", (unsigned long long)point.value,
                       (unsigned long long)w->last_callback[list->stream]);
        }
        w->last_callback[list->stream] = point.value;
    }
}

// A list that was cancelled, or does not run because of one that failed, waits for its stream alone.
static bool learn_predecessors(world *w, int list, fm_status status)
{
    const model_list *l = &w->model.lists[list];
    bool stream_alone = status == FM_ERROR_CANCELLED || status == FM_ERROR_DEPENDENCY;
    for (int i = -1; i < l->after_count; i++) {
        int p = i < 0 ? l->previous : l->after[i];
        if (p >= 0 && !w->model.lists[p].dead && !world_learn(w, p) && (i < 0 || !stream_alone)) {
            world_fail(w, "list %d is complete before list %d, which it comes after", list, p);
            return false;
        }
    }
    return true;
}

bool world_learn(world *w, int list)
{
    model_list *l = &w->model.lists[list];
    if (!l->committed || l->dead || w->failure[0]) {
        return l->known;
    }
    fm_status status = fm_point_poll(w->device, l->point);
    if (l->known) {
        if (status != l->status) {
            world_fail(w, "list %d answered %s before and answers %s now", list, fm_status_name(l->status),
                       fm_status_name(status));
        }
        return true;
    }
    if (status == FM_NOT_READY || !learn_predecessors(w, list, status)) {
        return false;
    }
    world_say(w, "list %d answers %s", list, fm_status_name(status));
    const char *wrong = model_judge(&w->model, list, status);
    if (wrong) {
        world_fail(w, "list %d (value %llu of stream %d) answers %s: %s", list, (unsigned long long)l->point.value,
                   l->stream, fm_status_name(status), wrong);
    }
    return true;
}

void world_learn_all(world *w)
{
    for (int i = 0; i < w->model.list_count && !w->failure[0]; i++) {
        world_learn(w, i);
    }
}

// The device's first batch teaches it how long a kernel takes: lists with that one go to other queues than those without.
static void teach_slow(world *w)
{
    fm_stream stream;
    fm_buffer buffers[2];
    fm_commands *commands = NULL;
    fm_point point = {{0}, 0};
    world_make_kernel(w, "slow", &w->slow);
    world_fails(w, fm_testing_set_wave_ns(w->device, LONG_WAVE_NS), "fm_testing_set_wave_ns");
    world_fails(w, fm_stream_create(w->device, NULL, &stream), "fm_stream_create");
    world_fails(w, fm_commands_begin(w->device, NULL, &commands), "fm_commands_begin");
    for (int i = 0; i < 2; i++) {
        world_fails(w, fm_buffer_create(w->device, &(fm_buffer_info){.size_bytes = WINDOW_BYTES}, &buffers[i]),
                    "fm_buffer_create");
    }
    fm_binding bindings[] = {{.buffer = buffers[0]}, {.buffer = buffers[1]}};
    fm_dispatch_info info = {.kernel = w->slow, .group_count = {1, 1, 1}, .bindings = bindings, .binding_count = 2};
    world_fails(w, fm_dispatch(commands, &info), "fm_dispatch");
    world_fails(w, fm_commit(&commands, &(fm_commit_info){.stream = stream}, &point), "fm_commit");
    world_fails(w, fm_testing_step(w->device, 1, NULL), "fm_testing_step");
    world_fails(w, fm_point_poll(w->device, point), "fm_point_poll");
    world_fails(w, fm_testing_set_wave_ns(w->device, 0), "fm_testing_set_wave_ns");
    for (int i = 0; i < 2; i++) {
        world_fails(w, fm_buffer_destroy(w->device, buffers[i]), "fm_buffer_destroy");
    }
    world_fails(w, fm_stream_destroy(w->device, stream), "fm_stream_destroy");
}

void world_open(world *w, uint64_t group, int ablate)
{
    memset(w, 0, sizeof *w);
    w->tight = group % 4 == 3;
    w->buffer_slots = group % 5 == 1 ? 2 : BUFFERS;
    w->limit_bytes = w->tight ? 9 * BLOCK_BYTES : 0;
    w->lists_in_flight = 3 + (uint32_t)(group / 2 % 5);
    w->in_flight_bytes = group % 5 == 0 ? 4096 : w->tight ? 2 * BLOCK_BYTES : 64 * BLOCK_BYTES;
    static const uint32_t queues[] = {1, 2, 3, 2};
    fm_device_info info = {
        .queues = queues[group % 4],
        .in_flight_bytes = w->in_flight_bytes,
        .batches_in_flight = 1 + (uint32_t)(group % 3),
        .lists_in_flight = w->lists_in_flight,
        .block_size_bytes = BLOCK_BYTES,
        .commit_timeout_ns = LONG_NS,
        .memory_limit_bytes = w->limit_bytes,
    };
    if (fm_device_open("manual", &info, &w->device) != FM_OK ||
        (ablate >= 0 && fm_testing_ablate(w->device, (fm_ablation)ablate, 1) != FM_OK) ||
        fm_testing_observe(w->device, observe, w) != FM_OK) {
        fprintf(stderr, "simulation: %s\n", fm_last_error());
        exit(2);
    }
    if (info.queues > 1) {
        teach_slow(w);
    }
    if (w->failure[0]) {
        fprintf(stderr, "simulation: %s\n", w->failure);
        exit(2);
    }
}

bool world_close(world *w)
{
    end_hosts(w); // after a failure some may be left
    fm_testing_step_in_waits(w->device, 1);
    fm_status status = fm_device_close(&w->device, LONG_NS);
    if (status != FM_OK) {
        world_fail(w, "fm_device_close: %s: %.200s", fm_status_name(status), fm_last_error());
    }
    for (int i = 0; i < w->callback_count; i++) {
        if (w->callbacks[i].calls != 1) {
            world_fail(w, "a callback was called %d times when the device is closed", w->callbacks[i].calls);
        }
    }
    return status == FM_OK && !w->failure[0];
}

void world_start(world *w)
{
    model_reset(&w->model);
    w->crowded = false;
    w->model.several_queues = w->slow.id != 0;
    w->callback_count = 0;
    w->failure[0] = 0;
    for (int b = 0; b < BUFFERS; b++) {
        w->buffers[b] = (shared_buffer){.serial = -1};
    }
    for (int c = 0; c < CLIENTS; c++) {
        w->clients[c] = (client){NULL, -1};
    }
    for (int s = 0; s < STREAMS; s++) {
        world_make_stream(w, s);
    }
    world_make_kernel(w, "twice", &w->twice);
    world_make_kernel(w, "broken", &w->broken);
}

// A callback was told what the point answers.
static void check_callbacks(world *w)
{
    world_fails(w, fm_testing_run_callbacks(w->device), "fm_testing_run_callbacks");
    for (int i = 0; i < w->callback_count; i++) {
        const callback_record *record = &w->callbacks[i];
        const model_list *list = &w->model.lists[record->list];
        if (list->known && record->calls != 1) {
            world_fail(w, "the callback of list %d was called %d times", record->list, record->calls);
        }
        if (list->known && record->status != list->status) {
            world_fail(w, "the callback of list %d was told %s", record->list, fm_status_name(record->status));
        }
    }
}

// Runs the device until the point answers. Nothing needs more commands than a trace can record, so nobody needs a clock.
static fm_status run_until_complete(world *w, fm_point point)
{
    fm_status status = fm_point_poll(w->device, point);
    for (int i = 0; i < 8 * MOST_OPS && status == FM_NOT_READY; i++) {
        world_fails(w, fm_testing_step(w->device, 1, NULL), "fm_testing_step");
        status = fm_point_poll(w->device, point);
    }
    return status;
}

// An empty list runs to its end on a stream of its own; whatever else is complete is collected by then.
static void run_empty_list(world *w)
{
    fm_stream stream;
    fm_commands *commands = NULL;
    fm_point point = {{0}, 0};
    world_fails(w, fm_stream_create(w->device, NULL, &stream), "fm_stream_create");
    world_fails(w, fm_commands_begin(w->device, NULL, &commands), "fm_commands_begin");
    world_step_in_waits(w, true);
    if (!world_fails(w, fm_commit(&commands, &(fm_commit_info){.stream = stream}, &point), "the last commit")) {
        world_fails(w, run_until_complete(w, point), "the last point");
    }
    world_step_in_waits(w, false);
    world_fails(w, fm_commands_cancel(&commands), "fm_commands_cancel");
    world_fails(w, fm_stream_destroy(w->device, stream), "fm_stream_destroy");
}

// Collects what destroyed streams left behind. On the device's only queue an empty list comes after all of it; on several the rest may take
// as many rounds as there are lists.
static void flush(world *w)
{
    fm_device_stats stats = {0};
    run_empty_list(w);
    world_fails(w, fm_device_get_stats(w->device, &stats), "fm_device_get_stats");
    for (int i = 0; i < MOST_OPS && w->slow.id && !w->lost && stats.lists_in_flight > 0; i++) {
        world_fails(w, fm_testing_step(w->device, 8 * MOST_OPS, NULL), "fm_testing_step");
        run_empty_list(w);
        world_fails(w, fm_device_get_stats(w->device, &stats), "fm_device_get_stats");
    }
}

// Everything finishes and answers.
static void finish(world *w)
{
    end_hosts(w);
    for (int c = 0; c < CLIENTS; c++) {
        world_fails(w, fm_commands_cancel(&w->clients[c].commands), "fm_commands_cancel");
    }
    world_fails(w, fm_testing_refuse_submits(w->device, 0, FM_ERROR_BACKEND), "fm_testing_refuse_submits");
    for (int i = 0; i < w->model.list_count && !w->failure[0]; i++) {
        const model_list *list = &w->model.lists[i];
        if (list->committed && !list->dead && !list->known && run_until_complete(w, list->point) == FM_NOT_READY) {
            world_fail(w, "list %d never completes", i);
        }
    }
    world_learn_all(w);
    flush(w);
    check_callbacks(w);
    for (int i = 0; i < w->model.host_count; i++) {
        world_fails(w, fm_point_destroy(w->device, w->hosts[i]), "fm_point_destroy");
    }
    w->model.host_count = 0;
}

// Reads that answered something else than success gave their destinations back.
static void check_reads(world *w)
{
    for (int i = 0; i < w->model.read_count && !w->failure[0]; i++) {
        if (w->model.reads[i].frozen && !model_read_is_right(&w->model.reads[i])) {
            world_fail(w, "a read that had answered wrote its destination later");
        }
    }
}

// Nothing is held and no memory is left over.
static void check_left_over(world *w)
{
    for (int s = 0; s < STREAMS; s++) {
        world_fails(w, fm_stream_destroy(w->device, w->streams[s]), "fm_stream_destroy");
    }
    for (int i = 0; i < CROWD && w->crowded; i++) {
        world_fails(w, fm_stream_destroy(w->device, w->crowd_streams[i]), "fm_stream_destroy");
        world_fails(w, fm_buffer_destroy(w->device, w->crowd_buffers[i]), "fm_buffer_destroy");
    }
    for (int b = 0; b < w->buffer_slots; b++) {
        operation_destroy_buffer(w, b);
    }
    world_fails(w, fm_kernel_destroy(w->device, w->twice), "fm_kernel_destroy");
    world_fails(w, fm_kernel_destroy(w->device, w->broken), "fm_kernel_destroy");
    fm_buffer large;
    if (w->tight && !w->lost &&
        !world_fails(w, fm_buffer_create(w->device, &(fm_buffer_info){.size_bytes = w->limit_bytes / 2}, &large),
                     "fm_buffer_create")) {
        world_fails(w, fm_buffer_destroy(w->device, large), "fm_buffer_destroy");
    } else if (w->tight && !w->lost) {
        world_fail(w, "nothing is in use, and half of the memory limit is refused: %.200s", fm_last_error());
    }
    uint64_t violations = 0;
    fm_device_stats stats = {0};
    world_fails(w, fm_device_trim(w->device, NULL), "fm_device_trim"); // what idle recorders keep for their next list
    world_fails(w, fm_testing_violations(w->device, &violations), "fm_testing_violations");
    world_fails(w, fm_device_get_stats(w->device, &stats), "fm_device_get_stats");
    if (violations || (!w->lost && (stats.bytes_in_use || stats.lists_in_flight))) {
        world_fail(w, "%llu violations; %llu bytes and %llu lists are left over", (unsigned long long)violations,
                   (unsigned long long)stats.bytes_in_use, (unsigned long long)stats.lists_in_flight);
    }
}

bool world_finish(world *w)
{
    finish(w);
    check_reads(w);
    check_left_over(w);
    return w->failure[0] == 0;
}

bool world_run(world *w, const op *ops, int count)
{
    world_start(w);
    for (int i = 0; i < count && !w->failure[0]; i++) {
        if (w->talks) {
            operation_print(&ops[i]);
        }
        operation_perform(w, &ops[i]);
    }
    return world_finish(w);
}
