// Suite `record`, Fermata's side: the lists through the public API. See record.h.
// Main thread only.
#include "null_driver.h"
#include "record.h"
#include "timing.h"

#include <fermata/fermata.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint64_t timeout_ns = 10000000000;

// Fermata's side.
struct record_fermata {
    fm_device *device;
    fm_stream stream;
    fm_kernel kernel;
    fm_buffer inputs[RECORD_DISTINCT];
    fm_buffer outputs[RECORD_MOST];
    fm_point last; // of the newest commit
};

static bool good(fm_status status)
{
    if (status != FM_OK) {
        fprintf(stderr, "fermata-bench: %s\n", fm_last_error());
    }
    return status == FM_OK;
}

static bool create_kernel(record_fermata *side)
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

// Writes the values of some inputs in one list.
static bool upload_inputs(record_fermata *side, uint32_t first, uint32_t count)
{
    fm_commands *commands = NULL;
    bool fine = good(fm_commands_begin(side->device, NULL, &commands));
    for (uint32_t i = first; i < first + count && fine; i++) {
        float values[RECORD_ELEMENTS];
        for (uint32_t e = 0; e < RECORD_ELEMENTS; e++) {
            values[e] = record_input_value(i, e);
        }
        fine = good(fm_upload(commands, side->inputs[i], 0, sizeof values, values));
    }
    fine = fine && good(fm_commit(&commands, &(fm_commit_info){.stream = side->stream}, &side->last)) &&
           good(fm_point_wait(side->device, side->last, timeout_ns));
    return good(fm_commands_cancel(&commands)) && fine;
}

static bool create_buffers(record_fermata *side)
{
    const fm_buffer_info info = {.size_bytes = RECORD_ELEMENTS * sizeof(float)};
    bool fine = true;
    for (uint32_t i = 0; i < RECORD_DISTINCT && fine; i++) {
        fine = good(fm_buffer_create(side->device, &info, &side->inputs[i]));
    }
    for (uint32_t i = 0; i < RECORD_DISTINCT && fine; i += RECORD_MOST) {
        fine = upload_inputs(side, i, RECORD_MOST);
    }
    for (uint32_t i = 0; i < RECORD_MOST && fine; i++) {
        fine = good(fm_buffer_create(side->device, &info, &side->outputs[i]));
    }
    return fine;
}

static fm_status dispatch_all(const record_fermata *side, fm_commands *commands, const record_list *list)
{
    const record_list what = *list;
    fm_status status = FM_OK;
    for (uint32_t i = 0; i < what.count && status == FM_OK; i++) {
        record_constants constants = record_constants_of(i);
        fm_binding bindings[] = {
            {.buffer = side->inputs[record_input_a(&what, i)]},
            {.buffer = side->inputs[record_input_b(&what, i)]},
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
    record_fermata *side = self;
    fm_commands *commands = NULL;
    if (!good(fm_commands_begin(side->device, NULL, &commands))) {
        return false;
    }
    bool recorded = good(dispatch_all(side, commands, list));
    return good(fm_commands_cancel(&commands)) && recorded;
}

static bool commit(void *self, const record_list *list)
{
    record_fermata *side = self;
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
    const record_fermata *side = self;
    return good(fm_point_wait(side->device, side->last, timeout_ns));
}

static double between(uint64_t from, uint64_t to)
{
    return (double)to - (double)from;
}

static bool stages(void *self, const record_list *list, const null_marks *marks, double out[RECORD_STAGES])
{
    record_fermata *side = self;
    fm_commands *commands = NULL;
    uint64_t begin = now_ns();
    bool fine = good(fm_commands_begin(side->device, NULL, &commands)) && good(dispatch_all(side, commands, list));
    uint64_t recorded = now_ns();
    fine = fine && good(fm_commit(&commands, &(fm_commit_info){.stream = side->stream}, &side->last));
    uint64_t committed = now_ns();
    fine = good(fm_commands_cancel(&commands)) && fine;
    uint64_t waiting = now_ns();
    fine = fine && finish(side);
    uint64_t finished = now_ns();
    memset(out, 0, RECORD_STAGES * sizeof *out);
    out[RECORD_STAGE_RECORD] = between(begin, recorded);
    out[RECORD_STAGE_CALL] = between(recorded, committed);
    out[RECORD_STAGE_RETIRE] = between(waiting, finished);
    if (marks) {
        uint64_t begun = atomic_load_explicit(&marks->begin_ns, memory_order_relaxed);
        uint64_t ended = atomic_load_explicit(&marks->end_ns, memory_order_relaxed);
        uint64_t submitted = atomic_load_explicit(&marks->submitted_ns, memory_order_relaxed);
        out[RECORD_STAGE_PLAN] = between(recorded, begun);
        out[RECORD_STAGE_ENCODE] = between(begun, ended);
        out[RECORD_STAGE_SUBMIT] = submitted > committed ? -1 : between(ended, submitted);
    }
    return fine;
}

static bool results(void *self, const record_list *list, float *out)
{
    record_fermata *side = self;
    const uint64_t size_bytes = RECORD_ELEMENTS * sizeof(float);
    const uint32_t output_count = record_width(list);
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

record_fermata *record_fermata_open(fm_device *device)
{
    record_fermata *side = calloc(1, sizeof *side);
    if (!side) {
        fprintf(stderr, "fermata-bench: no memory is left\n");
        (void)good(fm_device_close(&device, timeout_ns));
        return NULL;
    }
    side->device = device;
    if (!good(fm_stream_create(side->device, NULL, &side->stream)) || !create_kernel(side) || !create_buffers(side)) {
        (void)record_fermata_close(side);
        return NULL;
    }
    return side;
}

bool record_fermata_close(record_fermata *fermata)
{
    bool closed = good(fm_device_close(&fermata->device, timeout_ns));
    free(fermata);
    return closed;
}

record_side record_fermata_side(record_fermata *fermata)
{
    return (record_side){fermata, record, commit, finish, stages, results};
}
