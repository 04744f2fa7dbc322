// The CUDA backend's own declarations against NVIDIA's headers: built where the toolkit is.
#include "backend/cuda/driver.h"

#include <cuda.h>
#include <cudaTypedefs.h>
#include <nvrtc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define SAME(a, b) _Static_assert(__builtin_types_compatible_p(__typeof__(a), __typeof__(b)), #a " is not " #b)
#define CHECK(field, symbol, arguments, version) SAME(((fmi_cuda_driver *)0)->field, (PFN_cu##field##_v##version)0);
FMI_CUDA_FUNCTIONS(CHECK)
#undef CHECK
#define CHECK(field, symbol, arguments) SAME(((fmi_nvrtc *)0)->field, &symbol);
FMI_NVRTC_FUNCTIONS(CHECK)
#undef CHECK

#define VALUE(ours, theirs) _Static_assert((int)ours == (int)theirs, #ours)
#define ERROR_VALUE(name) VALUE(FMI_CU_ERROR_##name, CUDA_ERROR_##name)
#define ATTRIBUTE(name) VALUE(FMI_CU_##name, CU_DEVICE_ATTRIBUTE_##name)
#define FLAG(name) VALUE(FMI_CU_##name, CU_##name)
VALUE(FMI_CU_SUCCESS, CUDA_SUCCESS);
ERROR_VALUE(OUT_OF_MEMORY);
ERROR_VALUE(NO_DEVICE);
ERROR_VALUE(ECC_UNCORRECTABLE);
ERROR_VALUE(NVLINK_UNCORRECTABLE);
ERROR_VALUE(CONTAINED);
ERROR_VALUE(NOT_READY);
ERROR_VALUE(ILLEGAL_ADDRESS);
ERROR_VALUE(LAUNCH_TIMEOUT);
ERROR_VALUE(CONTEXT_IS_DESTROYED);
ERROR_VALUE(ASSERT);
ERROR_VALUE(HOST_MEMORY_ALREADY_REGISTERED);
ERROR_VALUE(HARDWARE_STACK_ERROR);
ERROR_VALUE(ILLEGAL_INSTRUCTION);
ERROR_VALUE(MISALIGNED_ADDRESS);
ERROR_VALUE(INVALID_ADDRESS_SPACE);
ERROR_VALUE(INVALID_PC);
ERROR_VALUE(LAUNCH_FAILED);
ERROR_VALUE(UNKNOWN);
ATTRIBUTE(MAX_THREADS_PER_BLOCK);
ATTRIBUTE(MAX_BLOCK_DIM_X);
ATTRIBUTE(MAX_GRID_DIM_X);
VALUE(FMI_CU_MAX_BLOCK_DIM_X + 2, CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Z);
VALUE(FMI_CU_MAX_GRID_DIM_X + 2, CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Z);
ATTRIBUTE(MAX_SHARED_MEMORY_PER_BLOCK);
ATTRIBUTE(WARP_SIZE);
ATTRIBUTE(MULTIPROCESSOR_COUNT);
ATTRIBUTE(INTEGRATED);
ATTRIBUTE(UNIFIED_ADDRESSING);
ATTRIBUTE(COMPUTE_CAPABILITY_MAJOR);
ATTRIBUTE(COMPUTE_CAPABILITY_MINOR);
ATTRIBUTE(HOST_REGISTER_SUPPORTED);
ATTRIBUTE(CAN_USE_64_BIT_STREAM_MEM_OPS);
FLAG(CTX_SCHED_BLOCKING_SYNC);
FLAG(CTX_MAP_HOST);
FLAG(STREAM_NON_BLOCKING);
FLAG(STREAM_WAIT_VALUE_GEQ);
FLAG(STREAM_WRITE_VALUE_DEFAULT);
FLAG(EVENT_DEFAULT);
FLAG(MEMHOSTALLOC_PORTABLE);
FLAG(MEMHOSTALLOC_DEVICEMAP);
FLAG(MEMHOSTREGISTER_PORTABLE);
FLAG(MEMHOSTREGISTER_DEVICEMAP);
VALUE(FMI_NVRTC_ERROR_OUT_OF_MEMORY, NVRTC_ERROR_OUT_OF_MEMORY);
VALUE(FMI_NVRTC_ERROR_COMPILATION, NVRTC_ERROR_COMPILATION);

#define MEMBER(ours, theirs)                                                                                           \
    _Static_assert(offsetof(fmi_cu_kernel_node, ours) == offsetof(CUDA_KERNEL_NODE_PARAMS_v2, theirs), #ours)
_Static_assert(sizeof(fmi_cu_kernel_node) == sizeof(CUDA_KERNEL_NODE_PARAMS_v2), "another size");
MEMBER(function, func);
MEMBER(grid, gridDimX);
MEMBER(block, blockDimX);
MEMBER(shared_bytes, sharedMemBytes);
MEMBER(parameters, kernelParams);
MEMBER(extra, extra);
MEMBER(kernel, kern);
MEMBER(context, ctx);

// The compiler has checked all; this counts that there was something to check.
static void declarations_are_those_of_the_toolkit(void **state)
{
    (void)state;
    assert_true(sizeof(fmi_cuda_driver) >= 30 * sizeof(void (*)(void)));
    assert_int_equal(sizeof(CUuuid), 16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(declarations_are_those_of_the_toolkit),
    };
    return cmocka_run_group_tests_name("cuda_declarations", tests, NULL, NULL);
}
