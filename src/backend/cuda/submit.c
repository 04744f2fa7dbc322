// Submission: a planned batch becomes launches, copies and fills on its queue's stream, which runs them in order, and a write of the batch's
// value behind them. Decides nothing: waves, order and hazards come with the plan. One thread at a time.
// A launch that the driver refuses fails its list alone, since what went before is on the stream already: the rest of that list does not run.
#include "backend/cuda/cuda.h"
#include "backend/fail.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_WIDTH = 1024 }; // of a wave that becomes part of a graph

// The state of one submission, on the stack of submit.
typedef struct cuda_encoder {
    fmi_backend *backend;
    const fmi_cuda_driver *cu;
    fmi_cu_stream stream;
    fmi_cuda_slot *slot;
    const fmi_batch_plan *plan;
    uint32_t checked; // indirect dispatches so far
} cuda_encoder;

// Fails the command's list, or where the error sticks to the context the device.
static void __attribute__((cold, noinline))
refuse(cuda_encoder *encoder, fmi_command *command, fmi_cu_result result, const char *call)
{
    const fmi_batch_plan *plan = encoder->plan;
    (void)fmi_cuda_fail(encoder->backend, result, call, "submitting a batch");
    if (fmi_cuda_is_sticky(result)) {
        return;
    }
    fmi_fail_command(command, plan, "%s%.100s%s: %s answered %s (%u)", command->binary ? "kernel '" : "a transfer",
                     command->binary ? command->binary->name : "", command->binary ? "'" : "", call,
                     fmi_cuda_result_name(encoder->cu, result), result);
}

void fmi_cuda_write_block(uint8_t *out, const fmi_command *command, const fmi_kernel_binary *binary,
                          const uint32_t base[3])
{
    uint64_t *addresses = (uint64_t *)(void *)out;
    for (uint32_t i = 0; i < binary->span_count; i++) {
        addresses[i] = command->spans[i].block->device_address + command->spans[i].offset_bytes;
    }
    fmi_copy_constants(out + binary->constants_offset_bytes, FMI_COMMAND_CONSTANTS(command),
                       binary->constants_size_bytes);
    uint8_t *end = out + binary->group_count_offset_bytes;
    if (binary->wants_group_count) {
        memcpy(end, command->group_count, sizeof command->group_count);
        end += sizeof command->group_count;
    }
    if (binary->wants_group_base) {
        memcpy(end, base, 3 * sizeof *base);
    }
}

static fmi_cu_result launch(cuda_encoder *encoder, const fmi_command *command, const uint32_t groups[3],
                            const uint32_t base[3])
{
    const fmi_kernel_binary *binary = command->binary;
    const uint32_t *size = binary->group_size;
    uint64_t block[FMI_CUDA_BLOCK_BYTES / sizeof(uint64_t)];
    fmi_cuda_write_block((uint8_t *)block, command, binary, base);
    void *parameters[] = {block};
    return encoder->cu->LaunchKernel(binary->function, groups[0], groups[1], groups[2], size[0], size[1], size[2], 0,
                                     encoder->stream, binary->block_size_bytes ? parameters : NULL, NULL);
}

static const uint32_t no_base[3] = {0, 0, 0};

// A dispatch over the device's limits, in parts that each know where they begin.
static fmi_cu_result __attribute__((cold, noinline)) launch_parts(cuda_encoder *encoder, const fmi_command *command)
{
    const uint32_t *most = command->binary->most_groups, *count = command->group_count;
    fmi_cu_result result = FMI_CU_SUCCESS;
    uint64_t at[3];
    for (at[2] = 0; at[2] < count[2]; at[2] += most[2]) {
        for (at[1] = 0; at[1] < count[1]; at[1] += most[1]) {
            for (at[0] = 0; at[0] < count[0] && result == FMI_CU_SUCCESS; at[0] += most[0]) {
                uint32_t part[3], base[3];
                for (uint32_t axis = 0; axis < 3; axis++) {
                    uint64_t left = count[axis] - at[axis];
                    part[axis] = left < most[axis] ? (uint32_t)left : most[axis];
                    base[axis] = (uint32_t)at[axis];
                }
                result = launch(encoder, command, part, base);
            }
        }
    }
    return result;
}

static fmi_cu_result launch_dispatch(cuda_encoder *encoder, const fmi_command *command)
{
    const uint32_t *most = command->binary->most_groups, *count = command->group_count;
    if (__builtin_expect(count[0] > most[0] || count[1] > most[1] || count[2] > most[2], 0)) {
        return launch_parts(encoder, command);
    }
    return launch(encoder, command, count, no_base);
}

// As many workgroups as the device holds share what the counts ask for: fm_kernel_indirect (language/print_cuda.c).
static fmi_cu_result __attribute__((cold, noinline)) launch_indirect(cuda_encoder *encoder, const fmi_command *command)
{
    const fmi_kernel_binary *binary = command->binary;
    const uint32_t *size = binary->group_size;
    const fmi_span *span = &command->spans[command->span_count - 1];
    uint64_t block[FMI_CUDA_BLOCK_BYTES / sizeof(uint64_t)];
    fmi_cuda_write_block((uint8_t *)block, command, binary, no_base);
    fmi_cu_address counts = span->block->device_address + span->offset_bytes;
    fmi_cu_address record =
        encoder->slot->records.device_address + (uint64_t)encoder->checked++ * FMI_CUDA_RECORD_BYTES;
    void *parameters[] = {&counts, &record, block};
    return encoder->cu->LaunchKernel(binary->indirect, binary->indirect_groups, 1, 1, size[0], size[1], size[2], 0,
                                     encoder->stream, parameters, NULL);
}

static void encode(cuda_encoder *encoder, fmi_command *command)
{
    const fmi_span *spans = command->spans;
    const char *call = "cuLaunchKernel";
    fmi_cu_result result = FMI_CU_SUCCESS;
    switch ((fmi_command_kind)command->kind) {
    case FMI_COMMAND_DISPATCH: result = launch_dispatch(encoder, command); break;
    case FMI_COMMAND_DISPATCH_INDIRECT: result = launch_indirect(encoder, command); break;
    case FMI_COMMAND_COPY:
        call = "cuMemcpyAsync";
        result = encoder->cu->MemcpyAsync(spans[1].block->device_address + spans[1].offset_bytes,
                                          spans[0].block->device_address + spans[0].offset_bytes,
                                          (size_t)spans[0].size_bytes, encoder->stream);
        break;
    case FMI_COMMAND_FILL:
        call = "cuMemsetD32Async";
        result =
            encoder->cu->MemsetD32Async(spans[0].block->device_address + spans[0].offset_bytes, command->fill_value,
                                        (size_t)(spans[0].size_bytes / sizeof(uint32_t)), encoder->stream);
        break;
    case FMI_COMMAND_FILL_PATTERN:
        result = fmi_cuda_fill_pattern(encoder->backend, encoder->stream, command, &call);
        break;
    case FMI_COMMAND_COPY_RECT: result = fmi_cuda_copy_rect(encoder->backend, encoder->stream, command, &call); break;
    case FMI_COMMAND_BARRIER: break; // never here
    }
    if (__builtin_expect(result != FMI_CU_SUCCESS, 0)) {
        refuse(encoder, command, result, call);
    }
}

// Stamps the moment at which everything encoded so far is done. What cannot be stamped is not timed.
static void stamp(cuda_encoder *encoder)
{
    fmi_cuda_slot *slot = encoder->slot;
    fmi_cu_event *event = &slot->times[slot->timed];
    if ((*event || encoder->cu->EventCreate(event, FMI_CU_EVENT_DEFAULT) == FMI_CU_SUCCESS) &&
        encoder->cu->EventRecord(*event, encoder->stream) == FMI_CU_SUCCESS) {
        slot->timed++;
    }
}

// The waves from `wave` on that have dispatches alone, whose first command is `at`.
static void find_run(const fmi_batch_plan *plan, uint32_t wave, uint32_t at, fmi_cuda_run *out)
{
    uint32_t end = at;
    out->commands = plan->commands + at;
    out->wave_count = out->node_count = 0;
    for (; wave < plan->wave_count && out->wave_count < FMI_CUDA_GRAPH_WAVES; wave++) {
        for (; end < plan->wave_ends[wave]; end++) {
            const fmi_command *command = plan->commands[end];
            const uint32_t *count = command->group_count;
            if (command->kind != FMI_COMMAND_DISPATCH || plan->list_status[command->list] != FM_OK) {
                return;
            }
            const uint32_t *most = command->binary->most_groups;
            if (count[0] > most[0] || count[1] > most[1] || count[2] > most[2]) {
                return;
            }
        }
        uint32_t width = end - at - out->node_count;
        if (width > MOST_WIDTH) {
            return;
        }
        out->widths[out->wave_count++] = (uint16_t)width;
        out->node_count += width;
    }
}

static void encode_wave(cuda_encoder *encoder, uint32_t wave, uint32_t at)
{
    const fmi_batch_plan *plan = encoder->plan;
    for (; at < plan->wave_ends[wave]; at++) {
        fmi_command *command = plan->commands[at];
        if (__builtin_expect(plan->list_status[command->list] == FM_OK, 1)) {
            encode(encoder, command);
        } else {
            encoder->checked += command->kind == FMI_COMMAND_DISPATCH_INDIRECT; // its record stays zero
        }
    }
}

static void encode_waves(cuda_encoder *encoder)
{
    const fmi_batch_plan *plan = encoder->plan;
    fmi_cuda_queue *queue = &encoder->backend->queues[plan->queue];
    uint32_t wave = 0, at = 0;
    while (wave < plan->wave_count) {
        fmi_cuda_run run;
        find_run(plan, wave, at, &run);
        if (run.node_count > 1 && fmi_cuda_graph_launch(encoder->backend, queue, &run)) {
            wave += run.wave_count;
            at += run.node_count;
            continue;
        }
        uint32_t end = wave + (run.wave_count ? run.wave_count : 1);
        for (; wave < end; wave++) {
            encode_wave(encoder, wave, at);
            at = plan->wave_ends[wave];
        }
    }
}

// Launches one by one, so that each wave's end can be stamped.
static void encode_timed_waves(cuda_encoder *encoder)
{
    const fmi_batch_plan *plan = encoder->plan;
    stamp(encoder);
    for (uint32_t wave = 0; wave < plan->wave_count; wave++) {
        encode_wave(encoder, wave, wave ? plan->wave_ends[wave - 1] : 0);
        if (wave < FMI_TIMED_WAVES && encoder->slot->timed == wave + 1) {
            stamp(encoder);
        }
    }
}

void fmi_cuda_read_times(fmi_backend *backend, const fmi_batch_plan *plan)
{
    const fmi_cuda_slot *slot = fmi_cuda_slot_of(backend, plan);
    if (!fmi_cuda_enter(backend, "reading times")) {
        return; // an estimate less
    }
    for (uint32_t wave = 0; wave + 1 < slot->timed; wave++) {
        float ms = 0.0f;
        if (backend->cu->EventElapsedTime(&ms, slot->times[wave], slot->times[wave + 1]) == FMI_CU_SUCCESS &&
            ms >= 0.0f && ms < 1e3f) { // a clock that jumped tells nothing
            plan->wave_ns[wave] = (uint32_t)((double)ms * 1e6);
        }
    }
    fmi_cuda_leave(backend);
}

// Behind the values of other queues that the batch waits for.
static fmi_cu_result encode_waits(cuda_encoder *encoder)
{
    const fmi_backend *backend = encoder->backend;
    fmi_cu_result result = FMI_CU_SUCCESS;
    for (uint32_t q = 0; q < backend->queue_count && result == FMI_CU_SUCCESS; q++) {
        uint64_t value = encoder->plan->waits[q];
        if (value > atomic_load_explicit(backend->queues[q].word, memory_order_acquire)) {
            result = encoder->cu->StreamWaitValue64(encoder->stream, backend->queues[q].word_address, value,
                                                    FMI_CU_STREAM_WAIT_VALUE_GEQ);
        }
    }
    return result;
}

// Makes what some kinds of command need.
static fm_status prepare(cuda_encoder *encoder)
{
    const fmi_batch_plan *plan = encoder->plan;
    uint32_t kinds = 0;
    for (uint32_t i = 0; i < plan->command_count; i++) {
        kinds |= 1u << plan->commands[i]->kind;
    }
    fm_status status = FM_OK;
    encoder->slot->check_count = 0;
    if (kinds & 1u << FMI_COMMAND_DISPATCH_INDIRECT) {
        status = fmi_cuda_prepare_indirect(encoder->backend, encoder->slot, plan);
    }
    if (status == FM_OK && kinds & (1u << FMI_COMMAND_FILL_PATTERN | 1u << FMI_COMMAND_COPY_RECT)) {
        status = fmi_cuda_prepare_transfers(encoder->backend);
    }
    return status;
}

// What can fail comes before the first command: what the commands need, and the waits.
static fm_status submit(cuda_encoder *encoder, fmi_batch_plan *plan)
{
    fmi_backend *backend = encoder->backend;
    fmi_cuda_queue *queue = &backend->queues[plan->queue];
    fmi_cuda_bury_kernels(backend);
    fm_status status = prepare(encoder);
    if (status != FM_OK) {
        return status;
    }
    fmi_cu_result result = encode_waits(encoder);
    if (result != FMI_CU_SUCCESS) {
        return fmi_cuda_fail(backend, result, "cuStreamWaitValue64", "submitting a batch");
    }
    encoder->slot->timed = 0;
    if (plan->wave_ns) {
        encode_timed_waves(encoder);
    } else {
        encode_waves(encoder);
    }
    plan->barriers = plan->wave_count > 0 ? plan->wave_count - 1 : 0;
    plan->asks_failures = encoder->slot->check_count > 0;
    atomic_store_explicit(&queue->submitted, plan->value, memory_order_relaxed);
    result = encoder->cu->StreamWriteValue64(encoder->stream, queue->word_address, plan->value,
                                             FMI_CU_STREAM_WRITE_VALUE_DEFAULT);
    if (result != FMI_CU_SUCCESS) {
        // Its commands are on the stream, and their end would never be seen.
        (void)fmi_cuda_fail(backend, result, "cuStreamWriteValue64", "submitting a batch");
        fmi_cu_result none = FMI_CU_SUCCESS;
        atomic_compare_exchange_strong_explicit(&backend->lost, &none, result, memory_order_relaxed,
                                                memory_order_relaxed);
    }
    return fmi_cuda_check_lost(backend);
}

fm_status fmi_cuda_submit(fmi_backend *backend, fmi_batch_plan *plan)
{
    fm_status status = fmi_cuda_check_lost(backend);
    if (status != FM_OK) {
        return status;
    }
    if (!fmi_cuda_enter(backend, "submitting a batch")) {
        return FM_ERROR_BACKEND;
    }
    cuda_encoder encoder = {
        .backend = backend,
        .cu = backend->cu,
        .stream = backend->queues[plan->queue].stream,
        .slot = fmi_cuda_slot_of(backend, plan),
        .plan = plan,
    };
    status = submit(&encoder, plan);
    fmi_cuda_leave(backend);
    return status;
}
