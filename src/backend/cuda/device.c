// CUDA devices: list, open with a context of our own, describe, close; and the table of the backend.
// Any thread for open; close runs alone. What NVIDIA's libraries have for the whole process is worked on in sections (base/process.h).
#include "backend/cuda/cuda.h"

#include "base/error.h"
#include "base/process.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    USUAL_QUEUES = 3, // one for short work, two for long
    SPARE_SLOTS = 2,  // beyond the batches in flight
    IMPORT_BYTES = 4096,
    CODE_REVISION = 1, // raised when the options of kernel.c change: it is in the disk cache's keys
};

bool fmi_cuda_is_sticky(fmi_cu_result result)
{
    switch (result) {
    case FMI_CU_ERROR_ECC_UNCORRECTABLE:
    case FMI_CU_ERROR_NVLINK_UNCORRECTABLE:
    case FMI_CU_ERROR_CONTAINED:
    case FMI_CU_ERROR_ILLEGAL_ADDRESS:
    case FMI_CU_ERROR_LAUNCH_TIMEOUT:
    case FMI_CU_ERROR_CONTEXT_IS_DESTROYED:
    case FMI_CU_ERROR_ASSERT:
    case FMI_CU_ERROR_HARDWARE_STACK_ERROR:
    case FMI_CU_ERROR_ILLEGAL_INSTRUCTION:
    case FMI_CU_ERROR_MISALIGNED_ADDRESS:
    case FMI_CU_ERROR_INVALID_ADDRESS_SPACE:
    case FMI_CU_ERROR_INVALID_PC:
    case FMI_CU_ERROR_LAUNCH_FAILED:
    case FMI_CU_ERROR_UNKNOWN: return true;
    default: return false;
    }
}

const char *fmi_cuda_result_name(const fmi_cuda_driver *cu, fmi_cu_result result)
{
    const char *name = NULL;
    return cu->GetErrorName(result, &name) == FMI_CU_SUCCESS && name ? name : "an unknown CUresult";
}

fm_status fmi_cuda_fail(fmi_backend *backend, fmi_cu_result result, const char *call, const char *purpose)
{
    fm_status status = result == FMI_CU_ERROR_OUT_OF_MEMORY ? FM_ERROR_OUT_OF_MEMORY : FM_ERROR_BACKEND;
    if (fmi_cuda_is_sticky(result)) {
        fmi_cu_result none = FMI_CU_SUCCESS;
        atomic_compare_exchange_strong_explicit(&backend->lost, &none, result, memory_order_relaxed,
                                                memory_order_relaxed);
        status = FM_ERROR_DEVICE_LOST;
    }
    return fmi_fail(status, "%s answered %s (%u) while %s on %s.", call, fmi_cuda_result_name(backend->cu, result),
                    result, purpose, backend->name);
}

bool fmi_cuda_enter(fmi_backend *backend, const char *purpose)
{
    fmi_cu_result result = backend->cu->CtxPushCurrent(backend->context);
    if (__builtin_expect(result != FMI_CU_SUCCESS, 0)) {
        (void)fmi_cuda_fail(backend, result, "cuCtxPushCurrent", purpose);
        return false;
    }
    return true;
}

static fm_status load(bool *out_loaded)
{
    char why[FMI_CUDA_WHY_BYTES];
    *out_loaded = fmi_cuda_driver_get(why) != NULL;
    return FM_OK;
}

static void unload(void)
{
} // the driver stays: see driver.c

static void explain(char *out, size_t size)
{
    char why[FMI_CUDA_WHY_BYTES] = "NVIDIA's driver has no such device";
    (void)fmi_cuda_driver_get(why);
    snprintf(out, size, "%s", why);
}

static int attribute(const fmi_cuda_driver *cu, fmi_cu_device device, unsigned int which)
{
    int value = 0;
    return cu->DeviceGetAttribute(&value, which, device) == FMI_CU_SUCCESS ? value : 0;
}

// Can the device be used? All since 2016 (compute capability 6.0) can.
static bool is_able(const fmi_cuda_driver *cu, fmi_cu_device device)
{
    return attribute(cu, device, FMI_CU_COMPUTE_CAPABILITY_MAJOR) >= 6 &&
           attribute(cu, device, FMI_CU_UNIFIED_ADDRESSING) &&
           attribute(cu, device, FMI_CU_CAN_USE_64_BIT_STREAM_MEM_OPS);
}

static fm_device_kind kind_of(const fmi_cuda_driver *cu, fmi_cu_device device)
{
    return attribute(cu, device, FMI_CU_INTEGRATED) ? FM_DEVICE_INTEGRATED_GPU : FM_DEVICE_DISCRETE_GPU;
}

static fm_status list(fmi_list_visitor visit, void *user)
{
    char why[FMI_CUDA_WHY_BYTES];
    const fmi_cuda_driver *cu = fmi_cuda_driver_get(why);
    int count = 0;
    if (!cu || cu->DeviceGetCount(&count) != FMI_CU_SUCCESS) {
        return FM_OK;
    }
    for (int i = 0; i < count; i++) {
        fmi_cu_device device;
        char name[32], description[256] = "";
        snprintf(name, sizeof name, "cuda:%d", i);
        if (cu->DeviceGet(&device, i) == FMI_CU_SUCCESS && is_able(cu, device) &&
            cu->DeviceGetName(description, sizeof description, device) == FMI_CU_SUCCESS &&
            !visit(user, name, description, kind_of(cu, device))) {
            break;
        }
    }
    return FM_OK;
}

static void describe(const fmi_backend *backend, fmi_backend_caps *out)
{
    const fmi_cuda_driver *cu = backend->cu;
    fmi_cu_device device = backend->device;
    size_t memory_bytes = 0;
    int driver_version = 0;
    (void)cu->DeviceTotalMem(&memory_bytes, device);
    (void)cu->DriverGetVersion(&driver_version);
    uint32_t import_bytes = attribute(cu, device, FMI_CU_HOST_REGISTER_SUPPORTED) ? IMPORT_BYTES : 0;
    *out = (fmi_backend_caps){
        .kind = kind_of(cu, device),
        .memory_bytes = memory_bytes,
        .queue_count = backend->queue_count,
        .max_binding_bytes = UINT64_MAX,
        .max_block_bytes = UINT64_MAX / 4,
        .binding_alignment_bytes = 16,
        .import_alignment_bytes = import_bytes,
        .import_step_bytes = import_bytes,
        .max_group_invocations = (uint32_t)attribute(cu, device, FMI_CU_MAX_THREADS_PER_BLOCK),
        .max_shared_bytes = (uint32_t)attribute(cu, device, FMI_CU_MAX_SHARED_MEMORY_PER_BLOCK),
        .dtype_mask = 1u << FM_DTYPE_F32 | 1u << FM_DTYPE_F16 | 1u << FM_DTYPE_I32 | 1u << FM_DTYPE_U32 |
                      1u << FM_DTYPE_I8 | 1u << FM_DTYPE_U8 | 1u << FM_DTYPE_BF16 | 1u << FM_DTYPE_I64 |
                      1u << FM_DTYPE_U64 | 1u << FM_DTYPE_F64,
        .atomics = FMI_ATOMIC_INT64 | FMI_ATOMIC_SHARED_INT64 | FMI_ATOMIC_FLOAT | FMI_ATOMIC_SHARED_FLOAT,
        .subgroup_size = (uint32_t)attribute(cu, device, FMI_CU_WARP_SIZE),
        .binding_mode = FM_BINDING_ADDRESSES,
        .code_kind = FMI_CODE_CUDA,
        .times_are_dear = true, // it is launched one by one, with an event behind each wave
        .driver_version = (uint32_t)driver_version,
        .compiler_version = {(uint32_t)backend->nvrtc.version[0] << 16 | (uint32_t)backend->nvrtc.version[1],
                             backend->compiled_for, CODE_REVISION},
    };
    for (unsigned int axis = 0; axis < 3; axis++) {
        out->max_group_size[axis] = (uint32_t)attribute(cu, device, FMI_CU_MAX_BLOCK_DIM_X + axis);
        out->max_group_count[axis] = backend->max_group_count[axis];
    }
    (void)cu->DeviceGetUuid((struct CUuuid_st *)(void *)out->device_uuid, device);
    snprintf(out->description, sizeof out->description, "%s", backend->name);
}

// Fills what follows from the device's number.
static fm_status adopt(fmi_backend *backend, const char *name, const fmi_backend_settings *settings)
{
    const fmi_cuda_driver *cu = backend->cu;
    if (cu->DeviceGet(&backend->device, atoi(name + strlen("cuda:"))) != FMI_CU_SUCCESS ||
        cu->DeviceGetName(backend->name, sizeof backend->name, backend->device) != FMI_CU_SUCCESS) {
        return fmi_fail(FM_ERROR_NO_DEVICE, "The CUDA device '%s' is not there any more.", name);
    }
    backend->architecture = (uint32_t)(10 * attribute(cu, backend->device, FMI_CU_COMPUTE_CAPABILITY_MAJOR) +
                                       attribute(cu, backend->device, FMI_CU_COMPUTE_CAPABILITY_MINOR));
    backend->compiled_for = fmi_cuda_choose_architecture(&backend->nvrtc, backend->architecture);
    if (!backend->compiled_for) {
        return fmi_fail(FM_ERROR_NO_DEVICE,
                        "NVRTC %d.%d compiles nothing that runs on %s, of compute capability %u.%u.",
                        backend->nvrtc.version[0], backend->nvrtc.version[1], backend->name, backend->architecture / 10,
                        backend->architecture % 10);
    }
    backend->multiprocessors = (uint32_t)attribute(cu, backend->device, FMI_CU_MULTIPROCESSOR_COUNT);
    for (unsigned int axis = 0; axis < 3; axis++) {
        backend->max_group_count[axis] = (uint32_t)attribute(cu, backend->device, FMI_CU_MAX_GRID_DIM_X + axis);
    }
    backend->queue_count = settings->queues ? settings->queues : USUAL_QUEUES;
    backend->slot_count = settings->batches_in_flight + SPARE_SLOTS;
    return FM_OK;
}

// Makes streams, words and slots; the context is current.
static fm_status prepare(fmi_backend *backend)
{
    const fmi_cuda_driver *cu = backend->cu;
    enum { WORD_BYTES = FMI_CUDA_WORD_STRIDE * sizeof(uint64_t) };
    fmi_cu_address address = 0;
    const char *call = "cuMemHostAlloc";
    fmi_cu_result result = cu->MemHostAlloc(&backend->words, FMI_MOST_QUEUES * WORD_BYTES,
                                            FMI_CU_MEMHOSTALLOC_PORTABLE | FMI_CU_MEMHOSTALLOC_DEVICEMAP);
    if (result == FMI_CU_SUCCESS) {
        memset(backend->words, 0, FMI_MOST_QUEUES * WORD_BYTES);
        call = "cuMemHostGetDevicePointer";
        result = cu->MemHostGetDevicePointer(&address, backend->words, 0);
    }
    for (uint32_t q = 0; q < backend->queue_count && result == FMI_CU_SUCCESS; q++) {
        fmi_cuda_queue *queue = &backend->queues[q];
        queue->word = (_Atomic uint64_t *)backend->words + q * FMI_CUDA_WORD_STRIDE;
        queue->word_address = address + q * WORD_BYTES;
        queue->slots = calloc(backend->slot_count, sizeof *queue->slots);
        if (!queue->slots) {
            return fmi_fail(FM_ERROR_OUT_OF_HOST_MEMORY, "No host memory is left to open %s.", backend->name);
        }
        call = "cuStreamCreate";
        result = cu->StreamCreate(&queue->stream, FMI_CU_STREAM_NON_BLOCKING);
    }
    return result == FMI_CU_SUCCESS ? FM_OK : fmi_cuda_fail(backend, result, call, "opening it");
}

static void destroy_slots(fmi_backend *backend, fmi_cuda_queue *queue)
{
    for (uint32_t i = 0; queue->slots && i < backend->slot_count; i++) {
        fmi_cuda_slot *slot = &queue->slots[i];
        for (uint32_t e = 0; e <= FMI_TIMED_WAVES && slot->times[e]; e++) {
            (void)backend->cu->EventDestroy(slot->times[e]);
        }
        fmi_cuda_free_block(backend, &slot->records);
        free(slot->checked);
    }
    free(queue->slots);
    fmi_cuda_graphs_drop(backend->cu, queue->graphs);
    free(queue->graphs);
}

// Waits until nothing of the device runs. A lost one answers an error at once.
static void quiesce(fmi_backend *backend)
{
    if (fmi_cuda_enter(backend, "closing it")) {
        (void)backend->cu->CtxSynchronize();
        fmi_cuda_leave(backend);
    }
}

// Frees what there is of a device. Its context takes with it what an error left behind.
static void close_backend(fmi_backend *backend)
{
    const fmi_cuda_driver *cu = backend->cu;
    if (backend->context) {
        fmi_process_enter();
        quiesce(backend);
        if (fmi_cuda_enter(backend, "closing it")) {
            fmi_cuda_bury_kernels(backend);
            for (uint32_t q = 0; q < backend->queue_count; q++) {
                destroy_slots(backend, &backend->queues[q]);
                if (backend->queues[q].stream) {
                    (void)cu->StreamDestroy(backend->queues[q].stream);
                }
            }
            if (backend->own_module) {
                (void)cu->ModuleUnload(backend->own_module);
            }
            if (backend->words) {
                (void)cu->MemFreeHost(backend->words);
            }
            fmi_cuda_leave(backend);
        }
        (void)cu->CtxDestroy(backend->context);
        fmi_process_leave();
    }
    free(backend);
}

static fm_status open_device(fmi_backend *backend, const char *name, const fmi_backend_settings *settings)
{
    char why[FMI_CUDA_WHY_BYTES] = "";
    backend->cu = fmi_cuda_driver_get(why);
    fmi_process_enter();
    bool serves = backend->cu && fmi_nvrtc_load(settings->nvrtc, &backend->nvrtc, why);
    fmi_process_leave();
    if (!serves) {
        return fmi_fail(FM_ERROR_NO_DEVICE, "The device '%s' cannot be opened: %s.", name, why);
    }
    fm_status status = adopt(backend, name, settings);
    if (status != FM_OK) {
        return status;
    }
    fmi_process_enter();
    fmi_cu_result result =
        backend->cu->CtxCreate(&backend->context, FMI_CU_CTX_SCHED_BLOCKING_SYNC | FMI_CU_CTX_MAP_HOST,
                               backend->device);
    if (result == FMI_CU_SUCCESS) {
        status = prepare(backend);
        fmi_cuda_leave(backend); // creating it made it current
    } else {
        backend->context = NULL;
        status = fmi_cuda_fail(backend, result, "cuCtxCreate", "opening it");
    }
    fmi_process_leave();
    return status;
}

static fm_status open_cuda(const char *name, const fmi_backend_settings *settings, fmi_backend **out,
                           fmi_backend_caps *out_caps)
{
    if (settings->binding_mode == FM_BINDING_DESCRIPTORS) {
        return fmi_fail(FM_ERROR_UNSUPPORTED, "CUDA has no descriptors: open '%s' with binding mode auto or addresses.",
                        name);
    }
    fmi_backend *backend = calloc(1, sizeof *backend);
    if (!backend) {
        return fmi_fail(FM_ERROR_OUT_OF_HOST_MEMORY, "No host memory is left to open '%s'.", name);
    }
    fm_status status = open_device(backend, name, settings);
    if (status != FM_OK) {
        fmi_error_state first;
        fmi_error_save(&first);
        close_backend(backend);
        fmi_error_restore(&first);
        return status;
    }
    describe(backend, out_caps);
    *out = backend;
    return FM_OK;
}

const fmi_backend_ops fmi_backend_cuda = {
    .prefix = "cuda",
    .load = load,
    .unload = unload,
    .explain = explain,
    .list = list,
    .open = open_cuda,
    .close = close_backend,
    .quiesce = quiesce,
    .allocate_block = fmi_cuda_allocate_block,
    .free_block = fmi_cuda_free_block,
    .import_block = fmi_cuda_import_block,
    .create_kernel = fmi_cuda_create_kernel,
    .destroy_kernel = fmi_cuda_destroy_kernel,
    .submit = fmi_cuda_submit,
    .completed = fmi_cuda_completed,
    .read_times = fmi_cuda_read_times,
    .read_failures = fmi_cuda_read_failures,
    .wait = fmi_cuda_wait,
};
