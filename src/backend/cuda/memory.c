// Memory blocks: the device's own by cuMemAlloc, never mapped; host memory that the device reads and writes over the bus by cuMemHostAlloc;
// the caller's, registered. One address space for all. Knows nothing of sub-allocation, lifetimes or limits. Any thread, no lock.
#include "backend/cuda/cuda.h"

#include "base/error.h"

enum { SIZE_STEP_BYTES = 16 }; // blocks end on a multiple of this, so that a fill may run to the next multiple of 4

// A failed allocation, in either kind of memory, is the caller's to relieve: FM_ERROR_OUT_OF_MEMORY.
static fm_status allocate(fmi_backend *backend, fm_memory_kind kind, uint64_t size_bytes, fmi_block *out)
{
    const fmi_cuda_driver *cu = backend->cu;
    size_t rounded = (size_t)((size_bytes + SIZE_STEP_BYTES - 1) / SIZE_STEP_BYTES * SIZE_STEP_BYTES);
    fmi_cu_address address = 0;
    void *mapped = NULL;
    const char *call;
    fmi_cu_result result;
    if (kind == FM_MEMORY_HOST) {
        call = "cuMemHostAlloc";
        result = cu->MemHostAlloc(&mapped, rounded, FMI_CU_MEMHOSTALLOC_PORTABLE | FMI_CU_MEMHOSTALLOC_DEVICEMAP);
        if (result == FMI_CU_SUCCESS) {
            call = "cuMemHostGetDevicePointer";
            result = cu->MemHostGetDevicePointer(&address, mapped, 0);
        }
    } else {
        call = "cuMemAlloc";
        result = cu->MemAlloc(&address, rounded);
    }
    if (result != FMI_CU_SUCCESS) {
        if (mapped) {
            (void)cu->MemFreeHost(mapped);
        }
        return fmi_cuda_fail(backend, result, call, "allocating memory");
    }
    *out = (fmi_block){
        .native = mapped ? mapped : (void *)(uintptr_t)address,
        .mapped = mapped,
        .cached = mapped != NULL,
        .device_address = address,
        .size_bytes = size_bytes,
        .kind = kind,
    };
    return FM_OK;
}

fm_status fmi_cuda_allocate_block(fmi_backend *backend, fm_memory_kind kind, uint64_t size_bytes, fmi_block *out)
{
    *out = (fmi_block){0};
    fm_status status = fmi_cuda_check_lost(backend);
    if (status != FM_OK || !fmi_cuda_enter(backend, "allocating memory")) {
        return status != FM_OK ? status : FM_ERROR_BACKEND;
    }
    status = allocate(backend, kind, size_bytes, out);
    fmi_cuda_leave(backend);
    return status;
}

static fm_status import(fmi_backend *backend, void *pointer, uint64_t size_bytes, fmi_block *out)
{
    const fmi_cuda_driver *cu = backend->cu;
    fmi_cu_address address = 0;
    fmi_cu_result result = cu->MemHostRegister(pointer, (size_t)size_bytes,
                                               FMI_CU_MEMHOSTREGISTER_PORTABLE | FMI_CU_MEMHOSTREGISTER_DEVICEMAP);
    if (result == FMI_CU_SUCCESS) {
        result = cu->MemHostGetDevicePointer(&address, pointer, 0);
        if (result != FMI_CU_SUCCESS) {
            (void)cu->MemHostUnregister(pointer);
        }
    }
    if (result == FMI_CU_ERROR_OUT_OF_MEMORY || fmi_cuda_is_sticky(result)) {
        return fmi_cuda_fail(backend, result, "cuMemHostRegister", "importing memory");
    }
    if (result == FMI_CU_ERROR_HOST_MEMORY_ALREADY_REGISTERED) {
        return fmi_fail(FM_ERROR_INVALID_ARGUMENT,
                        "CUDA has some of the %llu bytes of host memory at %p already, for this device or another.",
                        (unsigned long long)size_bytes, pointer);
    }
    if (result != FMI_CU_SUCCESS) {
        return fmi_fail(FM_ERROR_UNSUPPORTED, "%s does not take the %llu bytes of host memory at %p: %s (%u).",
                        backend->name, (unsigned long long)size_bytes, pointer, fmi_cuda_result_name(cu, result),
                        result);
    }
    *out = (fmi_block){
        .native = pointer,
        .mapped = pointer,
        .cached = true,
        .device_address = address,
        .size_bytes = size_bytes,
        .kind = FM_MEMORY_HOST,
        .imported = true,
    };
    return FM_OK;
}

fm_status fmi_cuda_import_block(fmi_backend *backend, void *pointer, uint64_t size_bytes, fmi_block *out)
{
    *out = (fmi_block){0};
    fm_status status = fmi_cuda_check_lost(backend);
    if (status != FM_OK || !fmi_cuda_enter(backend, "importing memory")) {
        return status != FM_OK ? status : FM_ERROR_BACKEND;
    }
    status = import(backend, pointer, size_bytes, out);
    fmi_cuda_leave(backend);
    return status;
}

// On a lost device nothing is freed here: its context takes all with it.
void fmi_cuda_free_block(fmi_backend *backend, fmi_block *block)
{
    const fmi_cuda_driver *cu = backend->cu;
    if (block->native && fmi_cuda_enter(backend, "freeing memory")) {
        (void)(block->imported                 ? cu->MemHostUnregister(block->native)
               : block->kind == FM_MEMORY_HOST ? cu->MemFreeHost(block->native)
                                               : cu->MemFree(block->device_address));
        fmi_cuda_leave(backend);
    }
    *block = (fmi_block){0};
}
