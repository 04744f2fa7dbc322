// CUDA's driver API and NVRTC as this backend uses them: declarations of our own, so that no toolkit is needed to build, and the functions as
// tables that are filled when the libraries are found at run time. tests/unit/cuda_declarations.c holds them against NVIDIA's headers.
// driver.c loads the driver, nvrtc.c the compiler. Both stay loaded: NVIDIA's libraries have threads and handlers of their own.
#ifndef FMI_BACKEND_CUDA_DRIVER_H
#define FMI_BACKEND_CUDA_DRIVER_H

#include "backend/backend.h"

typedef unsigned int fmi_cu_result; // CUresult, nvrtcResult
typedef int fmi_cu_device;
typedef unsigned long long fmi_cu_address; // CUdeviceptr
typedef struct CUctx_st *fmi_cu_context;
typedef struct CUmod_st *fmi_cu_module;
typedef struct CUfunc_st *fmi_cu_function;
typedef struct CUstream_st *fmi_cu_stream;
typedef struct CUevent_st *fmi_cu_event;
typedef struct CUgraph_st *fmi_cu_graph;
typedef struct CUgraphNode_st *fmi_cu_graph_node;
typedef struct CUgraphExec_st *fmi_cu_graph_exec;
typedef struct _nvrtcProgram *fmi_nvrtc_program;
struct CUuuid_st;                     // 16 bytes
struct CUDA_KERNEL_NODE_PARAMS_v2_st; // the following

// A kernel's node in a graph.
typedef struct fmi_cu_kernel_node {
    fmi_cu_function function;
    unsigned int grid[3];
    unsigned int block[3];
    unsigned int shared_bytes;
    void **parameters;
    void **extra;
    void *kernel;  // none: `function` is there
    void *context; // the same
} fmi_cu_kernel_node;

// Values of NVIDIA's enumerations, under their names without CU_ and CUDA_.
enum {
    FMI_CU_SUCCESS = 0,
    FMI_CU_ERROR_OUT_OF_MEMORY = 2,
    FMI_CU_ERROR_NO_DEVICE = 100,
    FMI_CU_ERROR_ECC_UNCORRECTABLE = 214,
    FMI_CU_ERROR_NVLINK_UNCORRECTABLE = 220,
    FMI_CU_ERROR_CONTAINED = 226,
    FMI_CU_ERROR_NOT_READY = 600,
    FMI_CU_ERROR_ILLEGAL_ADDRESS = 700,
    FMI_CU_ERROR_LAUNCH_TIMEOUT = 702,
    FMI_CU_ERROR_CONTEXT_IS_DESTROYED = 709,
    FMI_CU_ERROR_ASSERT = 710,
    FMI_CU_ERROR_HOST_MEMORY_ALREADY_REGISTERED = 712,
    FMI_CU_ERROR_HARDWARE_STACK_ERROR = 714,
    FMI_CU_ERROR_ILLEGAL_INSTRUCTION = 715,
    FMI_CU_ERROR_MISALIGNED_ADDRESS = 716,
    FMI_CU_ERROR_INVALID_ADDRESS_SPACE = 717,
    FMI_CU_ERROR_INVALID_PC = 718,
    FMI_CU_ERROR_LAUNCH_FAILED = 719,
    FMI_CU_ERROR_UNKNOWN = 999,

    FMI_CU_MAX_THREADS_PER_BLOCK = 1, // attributes of a device
    FMI_CU_MAX_BLOCK_DIM_X = 2,       // and 3, 4
    FMI_CU_MAX_GRID_DIM_X = 5,        // and 6, 7
    FMI_CU_MAX_SHARED_MEMORY_PER_BLOCK = 8,
    FMI_CU_WARP_SIZE = 10,
    FMI_CU_MULTIPROCESSOR_COUNT = 16,
    FMI_CU_INTEGRATED = 18,
    FMI_CU_UNIFIED_ADDRESSING = 41,
    FMI_CU_COMPUTE_CAPABILITY_MAJOR = 75,
    FMI_CU_COMPUTE_CAPABILITY_MINOR = 76,
    FMI_CU_HOST_REGISTER_SUPPORTED = 99,
    FMI_CU_CAN_USE_64_BIT_STREAM_MEM_OPS = 122,

    FMI_CU_CTX_SCHED_BLOCKING_SYNC = 4,
    FMI_CU_CTX_MAP_HOST = 8,
    FMI_CU_STREAM_NON_BLOCKING = 1,
    FMI_CU_STREAM_WAIT_VALUE_GEQ = 0,
    FMI_CU_STREAM_WRITE_VALUE_DEFAULT = 0,
    FMI_CU_EVENT_DEFAULT = 0,
    FMI_CU_MEMHOSTALLOC_PORTABLE = 1,
    FMI_CU_MEMHOSTALLOC_DEVICEMAP = 2,
    FMI_CU_MEMHOSTREGISTER_PORTABLE = 1,
    FMI_CU_MEMHOSTREGISTER_DEVICEMAP = 2,

    FMI_NVRTC_ERROR_OUT_OF_MEMORY = 1,
    FMI_NVRTC_ERROR_COMPILATION = 6,
};

// X(field, symbol, arguments, version): the symbol as libcuda.so.1 exports it, and the version of its type in <cudaTypedefs.h>.
#define FMI_CUDA_FUNCTIONS(X)                                                                                          \
    X(Init, cuInit, (unsigned int), 2000)                                                                              \
    X(DriverGetVersion, cuDriverGetVersion, (int *), 2020)                                                             \
    X(GetErrorName, cuGetErrorName, (fmi_cu_result, const char **), 6000)                                              \
    X(GetErrorString, cuGetErrorString, (fmi_cu_result, const char **), 6000)                                          \
    X(DeviceGetCount, cuDeviceGetCount, (int *), 2000)                                                                 \
    X(DeviceGet, cuDeviceGet, (fmi_cu_device *, int), 2000)                                                            \
    X(DeviceGetName, cuDeviceGetName, (char *, int, fmi_cu_device), 2000)                                              \
    X(DeviceGetUuid, cuDeviceGetUuid_v2, (struct CUuuid_st *, fmi_cu_device), 11040)                                   \
    X(DeviceTotalMem, cuDeviceTotalMem_v2, (size_t *, fmi_cu_device), 3020)                                            \
    X(DeviceGetAttribute, cuDeviceGetAttribute, (int *, unsigned int, fmi_cu_device), 2000)                            \
    X(CtxCreate, cuCtxCreate_v2, (fmi_cu_context *, unsigned int, fmi_cu_device), 3020)                                \
    X(CtxDestroy, cuCtxDestroy_v2, (fmi_cu_context), 4000)                                                             \
    X(CtxPushCurrent, cuCtxPushCurrent_v2, (fmi_cu_context), 4000)                                                     \
    X(CtxPopCurrent, cuCtxPopCurrent_v2, (fmi_cu_context *), 4000)                                                     \
    X(CtxSynchronize, cuCtxSynchronize, (void), 2000)                                                                  \
    X(MemAlloc, cuMemAlloc_v2, (fmi_cu_address *, size_t), 3020)                                                       \
    X(MemFree, cuMemFree_v2, (fmi_cu_address), 3020)                                                                   \
    X(MemHostAlloc, cuMemHostAlloc, (void **, size_t, unsigned int), 2020)                                             \
    X(MemFreeHost, cuMemFreeHost, (void *), 2000)                                                                      \
    X(MemHostGetDevicePointer, cuMemHostGetDevicePointer_v2, (fmi_cu_address *, void *, unsigned int), 3020)           \
    X(MemHostRegister, cuMemHostRegister_v2, (void *, size_t, unsigned int), 6050)                                     \
    X(MemHostUnregister, cuMemHostUnregister, (void *), 4000)                                                          \
    X(ModuleLoadData, cuModuleLoadData, (fmi_cu_module *, const void *), 2000)                                         \
    X(ModuleUnload, cuModuleUnload, (fmi_cu_module), 2000)                                                             \
    X(ModuleGetFunction, cuModuleGetFunction, (fmi_cu_function *, fmi_cu_module, const char *), 2000)                  \
    X(OccupancyMaxActiveBlocksPerMultiprocessor, cuOccupancyMaxActiveBlocksPerMultiprocessor,                          \
      (int *, fmi_cu_function, int, size_t), 6050)                                                                     \
    X(LaunchKernel, cuLaunchKernel,                                                                                    \
      (fmi_cu_function, unsigned int, unsigned int, unsigned int, unsigned int, unsigned int, unsigned int,            \
       unsigned int, fmi_cu_stream, void **, void **),                                                                 \
      4000)                                                                                                            \
    X(MemcpyAsync, cuMemcpyAsync, (fmi_cu_address, fmi_cu_address, size_t, fmi_cu_stream), 4000)                       \
    X(MemsetD8Async, cuMemsetD8Async, (fmi_cu_address, unsigned char, size_t, fmi_cu_stream), 3020)                    \
    X(MemsetD32Async, cuMemsetD32Async, (fmi_cu_address, unsigned int, size_t, fmi_cu_stream), 3020)                   \
    X(StreamCreate, cuStreamCreate, (fmi_cu_stream *, unsigned int), 2000)                                             \
    X(StreamDestroy, cuStreamDestroy_v2, (fmi_cu_stream), 4000)                                                        \
    X(StreamQuery, cuStreamQuery, (fmi_cu_stream), 2000)                                                               \
    X(StreamWriteValue64, cuStreamWriteValue64_v2, (fmi_cu_stream, fmi_cu_address, uint64_t, unsigned int), 11070)     \
    X(StreamWaitValue64, cuStreamWaitValue64_v2, (fmi_cu_stream, fmi_cu_address, uint64_t, unsigned int), 11070)       \
    X(EventCreate, cuEventCreate, (fmi_cu_event *, unsigned int), 2000)                                                \
    X(EventDestroy, cuEventDestroy_v2, (fmi_cu_event), 4000)                                                           \
    X(EventRecord, cuEventRecord, (fmi_cu_event, fmi_cu_stream), 2000)                                                 \
    X(EventElapsedTime, cuEventElapsedTime, (float *, fmi_cu_event, fmi_cu_event), 2000)                               \
    X(GraphCreate, cuGraphCreate, (fmi_cu_graph *, unsigned int), 10000)                                               \
    X(GraphDestroy, cuGraphDestroy, (fmi_cu_graph), 10000)                                                             \
    X(GraphAddKernelNode, cuGraphAddKernelNode_v2,                                                                     \
      (fmi_cu_graph_node *, fmi_cu_graph, const fmi_cu_graph_node *, size_t,                                           \
       const struct CUDA_KERNEL_NODE_PARAMS_v2_st *),                                                                  \
      12000)                                                                                                           \
    X(GraphAddEmptyNode, cuGraphAddEmptyNode, (fmi_cu_graph_node *, fmi_cu_graph, const fmi_cu_graph_node *, size_t),  \
      10000)                                                                                                           \
    X(GraphInstantiateWithFlags, cuGraphInstantiateWithFlags, (fmi_cu_graph_exec *, fmi_cu_graph, unsigned long long), \
      11040)                                                                                                           \
    X(GraphExecKernelNodeSetParams, cuGraphExecKernelNodeSetParams_v2,                                                 \
      (fmi_cu_graph_exec, fmi_cu_graph_node, const struct CUDA_KERNEL_NODE_PARAMS_v2_st *), 12000)                     \
    X(GraphLaunch, cuGraphLaunch, (fmi_cu_graph_exec, fmi_cu_stream), 10000)                                           \
    X(GraphExecDestroy, cuGraphExecDestroy, (fmi_cu_graph_exec), 10000)

#define FMI_NVRTC_FUNCTIONS(X)                                                                                         \
    X(Version, nvrtcVersion, (int *, int *))                                                                           \
    X(GetNumSupportedArchs, nvrtcGetNumSupportedArchs, (int *))                                                        \
    X(GetSupportedArchs, nvrtcGetSupportedArchs, (int *))                                                              \
    X(CreateProgram, nvrtcCreateProgram,                                                                               \
      (fmi_nvrtc_program *, const char *, const char *, int, const char *const *, const char *const *))                \
    X(DestroyProgram, nvrtcDestroyProgram, (fmi_nvrtc_program *))                                                      \
    X(CompileProgram, nvrtcCompileProgram, (fmi_nvrtc_program, int, const char *const *))                              \
    X(GetPTXSize, nvrtcGetPTXSize, (fmi_nvrtc_program, size_t *))                                                      \
    X(GetPTX, nvrtcGetPTX, (fmi_nvrtc_program, char *))                                                                \
    X(GetCUBINSize, nvrtcGetCUBINSize, (fmi_nvrtc_program, size_t *))                                                  \
    X(GetCUBIN, nvrtcGetCUBIN, (fmi_nvrtc_program, char *))                                                            \
    X(GetProgramLogSize, nvrtcGetProgramLogSize, (fmi_nvrtc_program, size_t *))                                        \
    X(GetProgramLog, nvrtcGetProgramLog, (fmi_nvrtc_program, char *))

typedef struct fmi_cuda_driver {
#define FIELD(field, symbol, arguments, version) fmi_cu_result(*field) arguments;
    FMI_CUDA_FUNCTIONS(FIELD)
#undef FIELD
} fmi_cuda_driver;

typedef struct fmi_nvrtc {
#define FIELD(field, symbol, arguments) fmi_cu_result(*field) arguments;
    FMI_NVRTC_FUNCTIONS(FIELD)
#undef FIELD
    int version[2]; // major, minor
} fmi_nvrtc;

enum { FMI_CUDA_WHY_BYTES = 256 };

// Loads the driver and starts it, or finds it started; NULL where it cannot serve, with the reason as a clause in `why`. Any thread.
const fmi_cuda_driver *fmi_cuda_driver_get(char why[FMI_CUDA_WHY_BYTES]);

// Loads NVRTC: the file `name`; NULL: the one that is found. NULL where none is, with the reason as a clause in `why`. `*out` is filled. Any thread.
bool fmi_nvrtc_load(const char *name, fmi_nvrtc *out, char why[FMI_CUDA_WHY_BYTES]);

#endif
