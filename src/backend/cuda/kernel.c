// Kernels: CUDA C++ becomes a cubin for the device, by NVRTC, and a module of its context. What the compiler made is kept on disk by the rooms
// above, as the driver's data of a variant. Knows no templates, variants or caches. Any thread, no lock: creation shares nothing.
#include "backend/cuda/cuda.h"

#include "base/error.h"
#include "base/process.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_ARCHITECTURES = 128 };

uint32_t fmi_cuda_choose_architecture(const fmi_nvrtc *nvrtc, uint32_t architecture)
{
    int known[MOST_ARCHITECTURES], count = 0;
    if (nvrtc->GetNumSupportedArchs(&count) != FMI_CU_SUCCESS || count > MOST_ARCHITECTURES ||
        nvrtc->GetSupportedArchs(known) != FMI_CU_SUCCESS) {
        return 0;
    }
    uint32_t best = 0;
    for (int i = 0; i < count; i++) {
        uint32_t one = (uint32_t)known[i];
        best = one <= architecture && one > best ? one : best;
    }
    return best;
}

// Appends the compiler's messages.
static void get_log(const fmi_nvrtc *nvrtc, fmi_nvrtc_program program, fmi_text *log)
{
    size_t size_bytes = 0;
    if (nvrtc->GetProgramLogSize(program, &size_bytes) != FMI_CU_SUCCESS || size_bytes < 2) {
        return;
    }
    char *text = malloc(size_bytes);
    if (text && nvrtc->GetProgramLog(program, text) == FMI_CU_SUCCESS) {
        fmi_text_append(log, text, size_bytes - 1);
    }
    free(text);
}

// Appends the code of a program that compiled. `is_binary`: a cubin; else PTX with its zero byte.
static fmi_cu_result get_code(const fmi_nvrtc *nvrtc, fmi_nvrtc_program program, bool is_binary, fmi_text *out)
{
    size_t size_bytes = 0;
    fmi_cu_result result =
        is_binary ? nvrtc->GetCUBINSize(program, &size_bytes) : nvrtc->GetPTXSize(program, &size_bytes);
    char *code = result == FMI_CU_SUCCESS ? malloc(size_bytes + 1) : NULL;
    if (!code) {
        return result == FMI_CU_SUCCESS ? FMI_NVRTC_ERROR_OUT_OF_MEMORY : result;
    }
    result = is_binary ? nvrtc->GetCUBIN(program, code) : nvrtc->GetPTX(program, code);
    if (result == FMI_CU_SUCCESS) {
        fmi_text_append(out, code, size_bytes);
        result = out->failed ? FMI_NVRTC_ERROR_OUT_OF_MEMORY : result;
    }
    free(code);
    return result;
}

fm_status fmi_cuda_compile(const fmi_nvrtc *nvrtc, uint32_t architecture, uint32_t compiled_for, const char *name,
                           const char *source, fmi_text *out, fmi_text *log)
{
    // Machine code where NVRTC knows the device; else what the driver makes machine code of.
    bool is_binary = architecture == compiled_for;
    char target[40];
    snprintf(target, sizeof target, "--gpu-architecture=%s_%u", is_binary ? "sm" : "compute", compiled_for);
    const char *const options[] = {target, "--std=c++17", "--disable-warnings"};
    fmi_nvrtc_program program = NULL;
    fmi_process_enter(); // the compiler has state of the whole process
    fmi_cu_result result = nvrtc->CreateProgram(&program, source, "kernel.cu", 0, NULL, NULL);
    if (result == FMI_CU_SUCCESS) {
        result = nvrtc->CompileProgram(program, sizeof options / sizeof *options, options);
        get_log(nvrtc, program, log);
    }
    if (result == FMI_CU_SUCCESS) {
        result = get_code(nvrtc, program, is_binary, out);
    }
    if (program) {
        (void)nvrtc->DestroyProgram(&program);
    }
    fmi_process_leave();
    switch (result) {
    case FMI_CU_SUCCESS: return FM_OK;
    case FMI_NVRTC_ERROR_OUT_OF_MEMORY:
        return fmi_fail(FM_ERROR_OUT_OF_HOST_MEMORY, "No host memory is left to compile the kernel '%s'.", name);
    case FMI_NVRTC_ERROR_COMPILATION: return fmi_fail(FM_ERROR_COMPILE, "The kernel '%s' does not compile.", name);
    default:
        return fmi_fail(FM_ERROR_BACKEND, "NVRTC %d.%d answered error %u while compiling the kernel '%s' for %s.",
                        nvrtc->version[0], nvrtc->version[1], result, name, target + strlen("--gpu-architecture="));
    }
}

// Where each part of the argument block lies. See fmi_kernel_code for the layout.
static void lay_out_arguments(fmi_backend *backend, const fmi_kernel_code *code, fmi_kernel_binary *binary)
{
    binary->span_count = code->span_count;
    binary->constants_offset_bytes = code->span_count * (uint32_t)sizeof(uint64_t);
    binary->constants_size_bytes = code->constants_size_bytes;
    binary->wants_group_count = code->wants_group_count;
    binary->wants_group_base = code->wants_group_base;
    binary->group_count_offset_bytes = (binary->constants_offset_bytes + code->constants_size_bytes + 3) / 4 * 4;
    binary->block_size_bytes =
        binary->group_count_offset_bytes +
        3 * (uint32_t)sizeof(uint32_t) * ((uint32_t)code->wants_group_count + (uint32_t)code->wants_group_base);
    for (int axis = 0; axis < 3; axis++) {
        uint64_t most = FM_MAX_ITEMS / code->group_size[axis];
        uint32_t limit = backend->max_group_count[axis];
        binary->most_groups[axis] = most < limit ? (uint32_t)most : limit;
        binary->group_size[axis] = code->group_size[axis];
    }
    binary->serial = 1 + atomic_fetch_add_explicit(&backend->serials, 1, memory_order_relaxed);
    snprintf(binary->name, sizeof binary->name, "%s", code->name);
}

// Makes the module of `image`, and finds its kernels.
static fmi_cu_result load_module(fmi_backend *backend, const void *image, fmi_kernel_binary *binary)
{
    const fmi_cuda_driver *cu = backend->cu;
    const uint32_t *size = binary->group_size;
    int blocks = 0;
    fmi_cu_result result = cu->ModuleLoadData(&binary->module, image);
    if (result != FMI_CU_SUCCESS) {
        binary->module = NULL;
        return result;
    }
    result = cu->ModuleGetFunction(&binary->function, binary->module, "fm_kernel_main");
    if (result == FMI_CU_SUCCESS) {
        result = cu->ModuleGetFunction(&binary->indirect, binary->module, "fm_kernel_indirect");
    }
    if (result == FMI_CU_SUCCESS) {
        result = cu->OccupancyMaxActiveBlocksPerMultiprocessor(&blocks, binary->indirect,
                                                               (int)(size[0] * size[1] * size[2]), 0);
        binary->indirect_groups = backend->multiprocessors * (uint32_t)(blocks > 0 ? blocks : 1);
    }
    return result;
}

// The module of what was made before, or now. What was made before and serves no more is made anew.
static fm_status make_module(fmi_backend *backend, const fmi_kernel_code *code, fmi_kernel_binary *binary,
                             fmi_text *log)
{
    if (code->driver_data && code->driver_data_size_bytes > 0 &&
        load_module(backend, code->driver_data, binary) == FMI_CU_SUCCESS) {
        return FM_OK;
    }
    if (binary->module) {
        (void)backend->cu->ModuleUnload(binary->module);
    }
    fmi_text image = {0};
    fm_status status = fmi_cuda_compile(&backend->nvrtc, backend->architecture, backend->compiled_for, code->name,
                                        code->code, &image, log);
    if (status == FM_OK) {
        fmi_cu_result result = load_module(backend, fmi_text_get(&image), binary);
        if (result != FMI_CU_SUCCESS) {
            status = fmi_cuda_fail(backend, result, "cuModuleLoadData", "creating a kernel");
        } else if (code->out_driver_data) {
            fmi_text_append(code->out_driver_data, image.data, image.length);
        }
    }
    fmi_text_free(&image);
    return status;
}

fm_status fmi_cuda_create_kernel(fmi_backend *backend, const fmi_kernel_code *code, fmi_kernel_binary **out,
                                 fmi_text *log)
{
    *out = NULL;
    fm_status status = fmi_cuda_check_lost(backend);
    if (status != FM_OK) {
        return status;
    }
    fmi_kernel_binary *binary = calloc(1, sizeof *binary);
    if (!binary) {
        return fmi_fail(FM_ERROR_OUT_OF_HOST_MEMORY, "No host memory is left for the kernel '%s'.", code->name);
    }
    lay_out_arguments(backend, code, binary);
    status = FM_ERROR_BACKEND;
    if (fmi_cuda_enter(backend, "creating a kernel")) {
        status = make_module(backend, code, binary, log);
        fmi_cuda_leave(backend);
    }
    if (status != FM_OK) {
        fmi_cuda_destroy_kernel(backend, binary);
        return status;
    }
    *out = binary;
    return FM_OK;
}

// A graph may name its function, and graphs are the leader's: the next one to submit frees it.
void fmi_cuda_destroy_kernel(fmi_backend *backend, fmi_kernel_binary *binary)
{
    binary->next = atomic_load_explicit(&backend->destroyed, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&backend->destroyed, &binary->next, binary, memory_order_release,
                                                  memory_order_relaxed)) {
    }
}

void fmi_cuda_bury_kernels(fmi_backend *backend)
{
    if (__builtin_expect(!atomic_load_explicit(&backend->destroyed, memory_order_relaxed), 1)) {
        return;
    }
    fmi_kernel_binary *binary = atomic_exchange_explicit(&backend->destroyed, NULL, memory_order_acquire);
    for (uint32_t q = 0; q < backend->queue_count; q++) {
        fmi_cuda_graphs_drop(backend->cu, backend->queues[q].graphs);
    }
    while (binary) {
        fmi_kernel_binary *next = binary->next;
        if (binary->module) {
            (void)backend->cu->ModuleUnload(binary->module);
        }
        free(binary);
        binary = next;
    }
}
