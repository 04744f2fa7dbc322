// Transfers that CUDA has no call for: fills with patterns that are no word, and copies of rows, whose pitches CUDA wants in a form that ours
// need not have. They run as small kernels of our own, which NVRTC makes when the first batch needs one.
// Called by submit.c, one thread at a time. Knows no waves.
#include "backend/cuda/cuda.h"

#include "base/error.h"
#include "base/text.h"

#include <string.h>

enum {
    GROUP_ITEMS = 256,
    MOST_GROUPS = 16384, // beyond, each work-item takes several units
};

// The only argument of a copy of rows; in units. As in the text below.
typedef struct rows {
    uint64_t to, from; // addresses
    uint64_t count, row, rows;
    uint64_t from_pitch, from_slice, to_pitch, to_slice;
} rows;

// The only argument of a pattern.
typedef struct pattern {
    uint64_t to, count; // units
    uint8_t bytes[FMI_PATTERN_BYTES];
} pattern;

// A unit has 1, 4 or 16 bytes. Indices are divided in 32 bits where that is enough.
static const char text[] =
    "typedef unsigned long long u64;\n"
    "struct alignas(16) quad { unsigned v[4]; };\n"
    "struct rows { u64 to, from, count, row, rows, from_pitch, from_slice, to_pitch, to_slice; };\n"
    "struct pattern { u64 to, count; unsigned char bytes[16]; };\n"
    "template <class unit, class index> static __device__ void copy(const rows &r)\n"
    "{\n"
    "    const index row = (index)r.row, rows = (index)r.rows;\n"
    "    for (u64 i = blockIdx.x * (u64)blockDim.x + threadIdx.x; i < r.count; i += gridDim.x * (u64)blockDim.x) {\n"
    "        const index line = (index)i / row, x = (index)i % row, slice = line / rows, y = line % rows;\n"
    "        ((unit *)r.to)[slice * r.to_slice + y * r.to_pitch + x] =\n"
    "            ((const unit *)r.from)[slice * r.from_slice + y * r.from_pitch + x];\n"
    "    }\n"
    "}\n"
    "template <class unit> static __device__ void copy_rows(const rows &r)\n"
    "{\n"
    "    if (r.count >> 32) copy<unit, u64>(r); else copy<unit, unsigned>(r);\n"
    "}\n"
    "template <class unit> static __device__ void fill(const pattern &p)\n"
    "{\n"
    "    unit units[16 / sizeof(unit)];\n"
    "    for (unsigned b = 0; b < 16; b++) ((unsigned char *)units)[b] = p.bytes[b];\n"
    "    for (u64 i = blockIdx.x * (u64)blockDim.x + threadIdx.x; i < p.count; i += gridDim.x * (u64)blockDim.x) {\n"
    "        ((unit *)p.to)[i] = units[i % (16 / sizeof(unit))];\n"
    "    }\n"
    "}\n"
    "extern \"C\" __global__ void rows_of_bytes(const rows r) { copy_rows<unsigned char>(r); }\n"
    "extern \"C\" __global__ void rows_of_words(const rows r) { copy_rows<unsigned>(r); }\n"
    "extern \"C\" __global__ void rows_of_quads(const rows r) { copy_rows<quad>(r); }\n"
    "extern \"C\" __global__ void pattern_of_bytes(const pattern p) { fill<unsigned char>(p); }\n"
    "extern \"C\" __global__ void pattern_of_words(const pattern p) { fill<unsigned>(p); }\n"
    "extern \"C\" __global__ void pattern_of_quads(const pattern p) { fill<quad>(p); }\n";

static fm_status make_module(fmi_backend *backend)
{
    static const char *const names[FMI_CUDA_OWN_KERNELS] = {
        [FMI_CUDA_ROWS_OF_BYTES] = "rows_of_bytes",       [FMI_CUDA_ROWS_OF_WORDS] = "rows_of_words",
        [FMI_CUDA_ROWS_OF_QUADS] = "rows_of_quads",       [FMI_CUDA_PATTERN_OF_BYTES] = "pattern_of_bytes",
        [FMI_CUDA_PATTERN_OF_WORDS] = "pattern_of_words", [FMI_CUDA_PATTERN_OF_QUADS] = "pattern_of_quads",
    };
    fmi_text image = {0}, log = {0};
    fm_status status =
        fmi_cuda_compile(&backend->nvrtc, backend->architecture, backend->compiled_for, "transfer", text, &image, &log);
    if (status == FM_OK) {
        fmi_cu_module module = NULL;
        const char *call = "cuModuleLoadData";
        fmi_cu_result result = backend->cu->ModuleLoadData(&module, fmi_text_get(&image));
        for (uint32_t i = 0; i < FMI_CUDA_OWN_KERNELS && result == FMI_CU_SUCCESS; i++) {
            call = "cuModuleGetFunction";
            result = backend->cu->ModuleGetFunction(&backend->own_kernels[i], module, names[i]);
        }
        if (result == FMI_CU_SUCCESS) {
            backend->own_module = module;
        } else {
            status = fmi_cuda_fail(backend, result, call, "preparing transfers");
        }
    }
    fmi_text_free(&image);
    fmi_text_free(&log);
    return status;
}

fm_status fmi_cuda_prepare_transfers(fmi_backend *backend)
{
    return backend->own_module ? FM_OK : make_module(backend);
}

// The largest unit that divides all: 16, 4 or 1 bytes. Its place among three kernels goes to `out_step`.
static uint32_t choose_unit(uint64_t all, uint32_t *out_step)
{
    *out_step = all % 16 == 0 ? 2 : all % 4 == 0 ? 1 : 0;
    return *out_step == 2 ? 16 : *out_step == 1 ? 4 : 1;
}

static fmi_cu_result launch(fmi_backend *backend, fmi_cu_stream stream, uint32_t kernel, void *argument, uint64_t count)
{
    uint64_t groups = (count + GROUP_ITEMS - 1) / GROUP_ITEMS;
    void *parameters[] = {argument};
    return backend->cu->LaunchKernel(backend->own_kernels[kernel],
                                     groups < MOST_GROUPS ? (uint32_t)groups : MOST_GROUPS, 1, 1, GROUP_ITEMS, 1, 1, 0,
                                     stream, parameters, NULL);
}

fmi_cu_result fmi_cuda_fill_pattern(fmi_backend *backend, fmi_cu_stream stream, const fmi_command *command,
                                    const char **out_call)
{
    const fmi_span *to = &command->spans[0];
    const uint8_t *bytes = FMI_COMMAND_CONSTANTS(command);
    fmi_cu_address address = to->block->device_address + to->offset_bytes;
    if (to->size_bytes == 0) {
        return FMI_CU_SUCCESS;
    }
    if (memcmp(bytes, bytes + 1, FMI_PATTERN_BYTES - 1) == 0) {
        *out_call = "cuMemsetD8Async";
        return backend->cu->MemsetD8Async(address, bytes[0], (size_t)to->size_bytes, stream);
    }
    if (memcmp(bytes, bytes + 4, FMI_PATTERN_BYTES - 4) == 0 && (address | to->size_bytes) % sizeof(uint32_t) == 0) {
        uint32_t word;
        memcpy(&word, bytes, sizeof word);
        *out_call = "cuMemsetD32Async";
        return backend->cu->MemsetD32Async(address, word, (size_t)(to->size_bytes / sizeof word), stream);
    }
    uint32_t step, unit = choose_unit(address | to->size_bytes, &step);
    pattern argument = {.to = address, .count = to->size_bytes / unit};
    memcpy(argument.bytes, bytes, sizeof argument.bytes);
    return launch(backend, stream, FMI_CUDA_PATTERN_OF_BYTES + step, &argument, argument.count);
}

fmi_cu_result fmi_cuda_copy_rect(fmi_backend *backend, fmi_cu_stream stream, const fmi_command *command,
                                 const char **out_call)
{
    (void)out_call; // it is the one that was expected
    const fmi_span *from = &command->spans[0], *to = &command->spans[1];
    fmi_rect r;
    memcpy(&r, FMI_COMMAND_CONSTANTS(command), sizeof r);
    rows argument = {.to = to->block->device_address + to->offset_bytes,
                     .from = from->block->device_address + from->offset_bytes};
    uint32_t step, unit = choose_unit(argument.to | argument.from | r.row_size_bytes | r.row_pitch_bytes[0] |
                                          r.row_pitch_bytes[1] | r.slice_pitch_bytes[0] | r.slice_pitch_bytes[1],
                                      &step);
    argument.row = r.row_size_bytes / unit;
    argument.rows = r.row_count;
    argument.count = argument.row * r.row_count * r.slice_count;
    argument.from_pitch = r.row_pitch_bytes[0] / unit;
    argument.to_pitch = r.row_pitch_bytes[1] / unit;
    argument.from_slice = r.slice_pitch_bytes[0] / unit;
    argument.to_slice = r.slice_pitch_bytes[1] / unit;
    return launch(backend, stream, FMI_CUDA_ROWS_OF_BYTES + step, &argument, argument.count);
}
