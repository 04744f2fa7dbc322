// Transfers that are more than one Vulkan command: fills with patterns that vkCmdFillBuffer does not know, and copies of rows. Where kernels
// address memory they run as dispatches of small ones of our own: a GPU takes 2 us for each region of a copy. Elsewhere they are copies: on
// a CPU, which does those as fast as it can, and where the caller wants descriptors, since layers see copies.
// Called by submit.c, one thread at a time. Knows no waves: what needs an order within one command brings its own barrier.
#include "backend/vulkan/vulkan.h"

#include "backend/vulkan/transfer_spv.h"
#include "base/error.h"
#include "base/text.h"

#include <string.h>

enum {
    GROUP_ITEMS = 256,     // of our kernels
    MOST_GROUPS = 16384,   // of one dispatch: beyond, each work-item takes several units
    SEED_BYTES = 16 << 10, // of a pattern that the host lays out; the device copies it on
    MOST_REGIONS = 64,     // of one vkCmdCopyBuffer
};

// Made when the first batch needs it: most programs never do. NULL: the driver would not, and transfers are copied.
static fmi_kernel_binary *find_kernel(fmi_backend *backend, fmi_vulkan_transfer_kernel which)
{
    static const fmi_kernel_code codes[FMI_VULKAN_TRANSFER_KERNELS] = {
#define CODE(words, spans, constants)                                                                                  \
    {                                                                                                                  \
        .name = "transfer",                                                                                            \
        .code = (words),                                                                                               \
        .code_size_bytes = sizeof(words),                                                                              \
        .binding_mode = FM_BINDING_ADDRESSES,                                                                          \
        .span_count = (spans),                                                                                         \
        .constants_size_bytes = (constants) * sizeof(uint32_t),                                                        \
        .group_size = {GROUP_ITEMS, 1, 1},                                                                             \
    }
        [FMI_VULKAN_ROWS_OF_WORDS] = CODE(rows_of_words_spv, 2, 7),
        [FMI_VULKAN_ROWS_OF_BYTES] = CODE(rows_of_bytes_spv, 2, 7),
        [FMI_VULKAN_PATTERN] = CODE(pattern_spv, 1, 5),
#undef CODE
    };
    fmi_kernel_binary **kernel = &backend->transfer_kernels[which];
    if (!*kernel && backend->computes_transfers) {
        fmi_text log = {0};
        fmi_error_state callers;
        fmi_error_save(&callers);
        backend->computes_transfers = fmi_vulkan_create_kernel(backend, &codes[which], kernel, &log) == FM_OK;
        fmi_error_restore(&callers);
        fmi_text_free(&log);
    }
    return backend->computes_transfers ? *kernel : NULL;
}

// A dispatch of one of our kernels over `count` units in place of a transfer. False: there is no such kernel.
static bool fill_dispatch(fmi_backend *backend, fmi_vulkan_transfer_kernel which, const fmi_command *transfer,
                          uint32_t count, const uint32_t *constants, fmi_vulkan_transfer_command *out)
{
    const fmi_kernel_binary *kernel = find_kernel(backend, which);
    if (!kernel) {
        return false;
    }
    uint32_t groups = (count + GROUP_ITEMS - 1) / GROUP_ITEMS;
    fmi_command *command = &out->command;
    *command = (fmi_command){
        .kind = FMI_COMMAND_DISPATCH,
        .span_count = transfer->span_count,
        .constants_size_bytes = (uint16_t)kernel->constants_size_bytes,
        .group_count = {groups < MOST_GROUPS ? groups : MOST_GROUPS, 1, 1},
        .binary = kernel,
        .label = transfer->label,
    };
    memcpy(command->spans, transfer->spans, transfer->span_count * sizeof *transfer->spans);
    memcpy(&command->spans[command->span_count], constants, kernel->constants_size_bytes);
    return true;
}

static bool rows_as_dispatch(fmi_backend *backend, const fmi_command *command, fmi_vulkan_transfer_command *out)
{
    const fmi_span *from = &command->spans[0], *to = &command->spans[1];
    fmi_rect r;
    memcpy(&r, FMI_COMMAND_CONSTANTS(command), sizeof r);
    uint64_t all = from->offset_bytes | to->offset_bytes | r.row_size_bytes | r.row_pitch_bytes[0] |
                   r.row_pitch_bytes[1] | r.slice_pitch_bytes[0] | r.slice_pitch_bytes[1];
    uint32_t unit = all % sizeof(uint32_t) == 0 ? sizeof(uint32_t) : 1;
    // Indices of units have 32 bits, and adding the number of work-items must not wrap them.
    bool fits = from->size_bytes / unit <= INT32_MAX && to->size_bytes / unit <= INT32_MAX;
    if (!fits || (unit == 1 && !backend->stores_bytes)) {
        return false;
    }
    const uint32_t constants[] = {
        (uint32_t)(r.row_size_bytes / unit * r.row_count * r.slice_count),
        (uint32_t)(r.row_size_bytes / unit),
        (uint32_t)r.row_count,
        (uint32_t)(r.row_pitch_bytes[0] / unit),
        (uint32_t)(r.slice_pitch_bytes[0] / unit),
        (uint32_t)(r.row_pitch_bytes[1] / unit),
        (uint32_t)(r.slice_pitch_bytes[1] / unit),
    };
    return fill_dispatch(backend, unit == 1 ? FMI_VULKAN_ROWS_OF_BYTES : FMI_VULKAN_ROWS_OF_WORDS, command,
                         constants[0], constants, out);
}

static bool is_word(const uint8_t pattern[FMI_PATTERN_BYTES])
{
    return memcmp(pattern, pattern + 4, FMI_PATTERN_BYTES - 4) == 0;
}

static bool pattern_as_dispatch(fmi_backend *backend, const fmi_command *command, fmi_vulkan_transfer_command *out)
{
    const fmi_span *to = &command->spans[0];
    if (is_word(FMI_COMMAND_CONSTANTS(command)) || (to->offset_bytes | to->size_bytes) % sizeof(uint32_t) != 0 ||
        to->size_bytes / sizeof(uint32_t) > INT32_MAX) {
        return false;
    }
    uint32_t constants[FMI_PATTERN_BYTES / sizeof(uint32_t) + 1];
    memcpy(constants, FMI_COMMAND_CONSTANTS(command), FMI_PATTERN_BYTES);
    constants[4] = (uint32_t)(to->size_bytes / sizeof(uint32_t));
    return fill_dispatch(backend, FMI_VULKAN_PATTERN, command, constants[4], constants, out);
}

bool fmi_vulkan_transfer_as_dispatch(fmi_backend *backend, const fmi_command *command, fmi_vulkan_transfer_command *out)
{
    if (!backend->computes_transfers) {
        return false;
    }
    return command->kind == FMI_COMMAND_COPY_RECT      ? rows_as_dispatch(backend, command, out)
           : command->kind == FMI_COMMAND_FILL_PATTERN ? pattern_as_dispatch(backend, command, out)
                                                       : false;
}

// Copies of one buffer to another, given to the driver MOST_REGIONS at a time.
typedef struct region_writer {
    const fmi_backend *backend;
    VkCommandBuffer commands;
    VkBuffer source;
    VkBuffer destination;
    uint32_t count;
    VkBufferCopy regions[MOST_REGIONS];
} region_writer;

static void flush(region_writer *w)
{
    if (w->count) {
        w->backend->vk.vkCmdCopyBuffer(w->commands, w->source, w->destination, w->count, w->regions);
    }
    w->count = 0;
}

static void add(region_writer *w, uint64_t from, uint64_t to, uint64_t size_bytes)
{
    if (size_bytes == 0) {
        return;
    }
    w->regions[w->count++] = (VkBufferCopy){from, to, size_bytes};
    if (w->count == MOST_REGIONS) {
        flush(w);
    }
}

// What was copied is there before it is copied on.
static void wait_for_copies(const fmi_backend *backend, VkCommandBuffer commands, uint32_t *barriers)
{
    const VkMemoryBarrier copies = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
        .srcAccessMask = VK_ACCESS_TRANSFER_WRITE_BIT,
        .dstAccessMask = VK_ACCESS_TRANSFER_READ_BIT | VK_ACCESS_TRANSFER_WRITE_BIT,
    };
    ++*barriers;
    backend->vk.vkCmdPipelineBarrier(commands, VK_PIPELINE_STAGE_TRANSFER_BIT, VK_PIPELINE_STAGE_TRANSFER_BIT, 0, 1,
                                     &copies, 0, NULL, 0, NULL);
}

// A pattern of one word: the words are filled, and up to 3 bytes before and behind them copied.
static void encode_words(region_writer *w, const fmi_span *to, const uint8_t *pattern, uint64_t seed)
{
    uint64_t head = -to->offset_bytes & 3;
    head = head < to->size_bytes ? head : to->size_bytes;
    uint64_t middle = (to->size_bytes - head) & ~(uint64_t)3, tail = to->size_bytes - head - middle;
    if (middle) {
        uint32_t word;
        memcpy(&word, pattern + head, sizeof word);
        w->backend->vk.vkCmdFillBuffer(w->commands, w->destination, to->offset_bytes + head, middle, word);
    }
    add(w, seed, to->offset_bytes, head);
    add(w, seed + head, to->offset_bytes + head + middle, tail);
    flush(w);
}

// Any other: the seed, `unit` bytes at `from`, is copied to the range's first part, that part to the next ones, and so on; each step makes it MOST_REGIONS times as much.
static void encode_steps(region_writer *w, const fmi_span *to, uint64_t from, uint64_t unit, uint32_t *barriers)
{
    uint64_t done = 0;
    while (done < to->size_bytes) {
        uint64_t first = done, left = to->size_bytes - first;
        uint64_t end = left / MOST_REGIONS < unit ? to->size_bytes : first + unit * MOST_REGIONS;
        for (; done < end; done += unit) {
            add(w, from, to->offset_bytes + done, end - done < unit ? end - done : unit);
        }
        flush(w);
        done = end;
        if (done < to->size_bytes) {
            wait_for_copies(w->backend, w->commands, barriers);
            w->source = w->destination;
            from = to->offset_bytes;
            unit = done;
        }
    }
}

fm_status fmi_vulkan_encode_pattern(fmi_backend *backend, fmi_vulkan_slot *slot, VkCommandBuffer commands,
                                    const fmi_command *command, uint32_t *barriers)
{
    const fmi_span *to = &command->spans[0];
    const uint8_t *pattern = FMI_COMMAND_CONSTANTS(command);
    bool words = is_word(pattern);
    uint64_t rounded = (to->size_bytes + FMI_PATTERN_BYTES - 1) & ~(uint64_t)(FMI_PATTERN_BYTES - 1);
    uint64_t seed_bytes = words ? FMI_PATTERN_BYTES : rounded < SEED_BYTES ? rounded : SEED_BYTES;
    fmi_vulkan_arguments seed;
    fm_status status = fmi_vulkan_slot_take_arguments(backend, slot, (uint32_t)seed_bytes, &seed);
    if (status != FM_OK) {
        return status;
    }
    for (uint64_t at = 0; at < seed_bytes; at += FMI_PATTERN_BYTES) {
        memcpy(seed.mapped + at, pattern, FMI_PATTERN_BYTES);
    }
    region_writer w = {
        .backend = backend,
        .commands = commands,
        .source = seed.buffer,
        .destination = fmi_vulkan_buffer_of(to),
    };
    if (words) {
        encode_words(&w, to, pattern, seed.offset_bytes);
    } else {
        encode_steps(&w, to, seed.offset_bytes, seed_bytes, barriers);
    }
    return FM_OK;
}

void fmi_vulkan_encode_rect(const fmi_backend *backend, VkCommandBuffer commands, const fmi_command *command)
{
    const fmi_span *from = &command->spans[0], *to = &command->spans[1];
    fmi_rect r;
    memcpy(&r, FMI_COMMAND_CONSTANTS(command), sizeof r);
    region_writer w = {
        .backend = backend,
        .commands = commands,
        .source = fmi_vulkan_buffer_of(from),
        .destination = fmi_vulkan_buffer_of(to),
    };
    for (uint64_t slice = 0; slice < r.slice_count; slice++) {
        for (uint64_t row = 0; row < r.row_count; row++) {
            add(&w, from->offset_bytes + slice * r.slice_pitch_bytes[0] + row * r.row_pitch_bytes[0],
                to->offset_bytes + slice * r.slice_pitch_bytes[1] + row * r.row_pitch_bytes[1], r.row_size_bytes);
        }
    }
    flush(&w);
}
