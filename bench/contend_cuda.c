// Contender `cuda-streams`: the CUDA driver API, one stream a thread, one event a slot. See contender.h.
// libcuda is loaded at run time and declared here: neither its headers nor its library are needed to build, and where it is missing
// this contender is left out. A stream runs its kernels in order, so that a chain needs nothing between its links.
// cuEventSynchronize and cuCtxSynchronize have no time-out, and spin: a hang there is the watchdog's to end (watch.h).
#include "contender.h"

#include "contend_cuda_ptx.h"
#include "report.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef int cuda_result; // 0: success
typedef int cuda_device;
typedef uint64_t cuda_pointer; // CUdeviceptr
typedef struct CUctx_st *cuda_context;
typedef struct CUmod_st *cuda_module;
typedef struct CUfunc_st *cuda_function;
typedef struct CUstream_st *cuda_stream;
typedef struct CUevent_st *cuda_event;

enum {
    STREAM_NON_BLOCKING = 1,  // CU_STREAM_NON_BLOCKING
    EVENT_DISABLE_TIMING = 2, // CU_EVENT_DISABLE_TIMING
    MOST_DEVICES = 64,
};

// What is called, under the names that libcuda exports: X(member, symbol, parameters).
#define CUDA_FUNCTIONS(X)                                                                                              \
    X(init, "cuInit", (unsigned))                                                                                      \
    X(device_get_count, "cuDeviceGetCount", (int *))                                                                   \
    X(device_get, "cuDeviceGet", (cuda_device *, int))                                                                 \
    X(device_get_name, "cuDeviceGetName", (char *, int, cuda_device))                                                  \
    X(context_retain, "cuDevicePrimaryCtxRetain", (cuda_context *, cuda_device))                                       \
    X(context_release, "cuDevicePrimaryCtxRelease_v2", (cuda_device))                                                  \
    X(context_set, "cuCtxSetCurrent", (cuda_context))                                                                  \
    X(context_synchronize, "cuCtxSynchronize", (void))                                                                 \
    X(module_load, "cuModuleLoadData", (cuda_module *, const void *))                                                  \
    X(module_unload, "cuModuleUnload", (cuda_module))                                                                  \
    X(module_function, "cuModuleGetFunction", (cuda_function *, cuda_module, const char *))                            \
    X(memory_alloc, "cuMemAlloc_v2", (cuda_pointer *, size_t))                                                         \
    X(memory_free, "cuMemFree_v2", (cuda_pointer))                                                                     \
    X(memory_upload, "cuMemcpyHtoD_v2", (cuda_pointer, const void *, size_t))                                          \
    X(memory_fetch, "cuMemcpyDtoH_v2", (void *, cuda_pointer, size_t))                                                 \
    X(memory_fill, "cuMemsetD32_v2", (cuda_pointer, unsigned, size_t))                                                 \
    X(stream_create, "cuStreamCreate", (cuda_stream *, unsigned))                                                      \
    X(stream_destroy, "cuStreamDestroy_v2", (cuda_stream))                                                             \
    X(event_create, "cuEventCreate", (cuda_event *, unsigned))                                                         \
    X(event_destroy, "cuEventDestroy_v2", (cuda_event))                                                                \
    X(event_record, "cuEventRecord", (cuda_event, cuda_stream))                                                        \
    X(event_query, "cuEventQuery", (cuda_event))                                                                       \
    X(event_synchronize, "cuEventSynchronize", (cuda_event))                                                           \
    X(launch, "cuLaunchKernel",                                                                                        \
      (cuda_function, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, cuda_stream, void **,      \
       void **))

typedef struct cuda_slot {
    cuda_pointer counters;
    cuda_pointer c; // 0: this slot runs no product
    cuda_event done;
} cuda_slot;

typedef struct cuda_contender {
    contender base;
    void *library;
#define MEMBER(member, symbol, parameters) cuda_result(*member) parameters;
    CUDA_FUNCTIONS(MEMBER)
#undef MEMBER
    cuda_device device;
    cuda_context context;
    cuda_module module;
    cuda_function spin;
    cuda_function matmul;
    cuda_pointer a, b;
    cuda_stream streams[WORK_THREADS];
    cuda_slot slots[WORK_THREADS][WORK_SLOTS];
} cuda_contender;

static cuda_contender *cuda_of(contender *self)
{
    return (cuda_contender *)(void *)self; // the base is its first member
}

static bool good(cuda_result result, const char *call)
{
    if (result != 0) {
        fprintf(stderr, "fermata-bench: CUDA's %s answered %d\n", call, result);
    }
    return result == 0;
}

static bool enter(contender *self)
{
    cuda_contender *cuda = cuda_of(self);
    return good(cuda->context_set(cuda->context), "cuCtxSetCurrent");
}

static bool submit(contender *self, uint32_t thread, uint32_t slot, work_kind kind, uint32_t batch)
{
    cuda_contender *cuda = cuda_of(self);
    cuda_slot *s = &cuda->slots[thread][slot];
    cuda_stream stream = cuda->streams[thread];
    uint32_t iterations = self->work->iterations[kind], n = self->work->n;
    void *spin[] = {&s->counters, &iterations};
    void *matmul[] = {&cuda->a, &cuda->b, &s->c, &s->counters, &n};
    bool is_matmul = kind == WORK_MATMUL;
    cuda_function function = is_matmul ? cuda->matmul : cuda->spin;
    uint32_t groups = work_groups(self->work, kind);
    cuda_result result = 0;
    for (uint32_t i = 0; i < batch && result == 0; i++) {
        result = cuda->launch(function, groups, 1, 1, WORK_GROUP, 1, 1, 0, stream, is_matmul ? matmul : spin, NULL);
    }
    return good(result, "cuLaunchKernel") && good(cuda->event_record(s->done, stream), "cuEventRecord");
}

static bool wait(contender *self, uint32_t thread, uint32_t slot)
{
    cuda_contender *cuda = cuda_of(self);
    return good(cuda->event_synchronize(cuda->slots[thread][slot].done), "cuEventSynchronize");
}

static bool wait_all(contender *self, uint32_t thread, uint32_t threads)
{
    (void)thread;
    (void)threads;
    return good(cuda_of(self)->context_synchronize(), "cuCtxSynchronize");
}

static bool clear(contender *self, uint32_t thread, uint32_t slot)
{
    cuda_contender *cuda = cuda_of(self);
    const cuda_slot *s = &cuda->slots[thread][slot];
    size_t counters = work_counter_bytes(self->work) / sizeof(uint32_t);
    size_t elements = work_matrix_bytes(self->work) / sizeof(uint32_t);
    return good(cuda->memory_fill(s->counters, 0, counters), "cuMemsetD32") &&
           (!s->c || good(cuda->memory_fill(s->c, 0, elements), "cuMemsetD32")) &&
           good(cuda->context_synchronize(), "cuCtxSynchronize");
}

static bool fetch(contender *self, uint32_t thread, uint32_t slot, uint32_t *counters, float *c)
{
    cuda_contender *cuda = cuda_of(self);
    const cuda_slot *s = &cuda->slots[thread][slot];
    return good(cuda->memory_fetch(counters, s->counters, work_counter_bytes(self->work)), "cuMemcpyDtoH") &&
           (!c || good(cuda->memory_fetch(c, s->c, work_matrix_bytes(self->work)), "cuMemcpyDtoH"));
}

static void describe(contender *self, uint32_t thread, uint32_t slot, char *text, size_t size)
{
    cuda_contender *cuda = cuda_of(self);
    cuda_result entered = cuda->context_set(cuda->context); // of the thread that asks
    snprintf(text, size, "cuCtxSetCurrent answers %d, cuEventQuery %d (600: not ready)", entered,
             cuda->event_query(cuda->slots[thread][slot].done));
}

static void close_contender(contender *self)
{
    cuda_contender *cuda = cuda_of(self);
    if (cuda->context) {
        (void)cuda->context_synchronize();
        for (uint32_t t = 0; t < WORK_THREADS; t++) {
            for (uint32_t i = 0; i < WORK_SLOTS; i++) {
                const cuda_slot *s = &cuda->slots[t][i];
                (void)(s->done && cuda->event_destroy(s->done));
                (void)(s->counters && cuda->memory_free(s->counters));
                (void)(s->c && cuda->memory_free(s->c));
            }
            (void)(cuda->streams[t] && cuda->stream_destroy(cuda->streams[t]));
        }
        (void)(cuda->a && cuda->memory_free(cuda->a));
        (void)(cuda->b && cuda->memory_free(cuda->b));
        (void)(cuda->module && cuda->module_unload(cuda->module));
        (void)cuda->context_release(cuda->device);
    }
    dlclose(cuda->library);
    free(cuda);
}

static const contender_ops cuda_ops = {enter, submit, wait, wait_all, clear, fetch, NULL, describe, close_contender};

static bool load(cuda_contender *cuda)
{
    cuda->library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!cuda->library) {
        return false;
    }
    bool found = true;
#define FIND(member, symbol, parameters)                                                                               \
    {                                                                                                                  \
        void *address = dlsym(cuda->library, symbol);                                                                  \
        memcpy(&cuda->member, &address, sizeof address); /* ISO C has no cast from an object to a function */          \
        found = found && address;                                                                                      \
    }
    CUDA_FUNCTIONS(FIND)
#undef FIND
    return found && cuda->init(0) == 0;
}

static bool find_device(cuda_contender *cuda, const char *description)
{
    int count = 0;
    if (cuda->device_get_count(&count) != 0) {
        return false;
    }
    for (int i = 0; i < count && i < MOST_DEVICES; i++) {
        char name[256] = "";
        if (cuda->device_get(&cuda->device, i) == 0 && cuda->device_get_name(name, sizeof name, cuda->device) == 0 &&
            strcmp(name, description) == 0) {
            return true;
        }
    }
    return false;
}

static bool create_slots(cuda_contender *cuda)
{
    const workload *work = cuda->base.work;
    bool fine = true;
    for (uint32_t t = 0; t < WORK_THREADS && fine; t++) {
        fine = good(cuda->stream_create(&cuda->streams[t], STREAM_NON_BLOCKING), "cuStreamCreate");
        for (uint32_t i = 0; i < WORK_SLOTS && fine; i++) {
            cuda_slot *s = &cuda->slots[t][i];
            fine = good(cuda->event_create(&s->done, EVENT_DISABLE_TIMING), "cuEventCreate") &&
                   good(cuda->memory_alloc(&s->counters, work_counter_bytes(work)), "cuMemAlloc") &&
                   (i >= WORK_MATRICES || good(cuda->memory_alloc(&s->c, work_matrix_bytes(work)), "cuMemAlloc"));
        }
    }
    return fine;
}

static bool prepare(cuda_contender *cuda)
{
    const workload *work = cuda->base.work;
    uint64_t bytes = work_matrix_bytes(work);
    return good(cuda->context_retain(&cuda->context, cuda->device), "cuDevicePrimaryCtxRetain") && enter(&cuda->base) &&
           good(cuda->module_load(&cuda->module, cuda_kernels), "cuModuleLoadData") &&
           good(cuda->module_function(&cuda->spin, cuda->module, "spin"), "cuModuleGetFunction") &&
           good(cuda->module_function(&cuda->matmul, cuda->module, "matmul"), "cuModuleGetFunction") &&
           good(cuda->memory_alloc(&cuda->a, bytes), "cuMemAlloc") &&
           good(cuda->memory_alloc(&cuda->b, bytes), "cuMemAlloc") &&
           good(cuda->memory_upload(cuda->a, work->a, bytes), "cuMemcpyHtoD") &&
           good(cuda->memory_upload(cuda->b, work->b, bytes), "cuMemcpyHtoD") && create_slots(cuda);
}

bool contender_open_cuda(const contender_device *device, const workload *work, contender **out)
{
    *out = NULL;
    cuda_contender *cuda = calloc(1, sizeof *cuda);
    if (!cuda) {
        fprintf(stderr, "fermata-bench: no memory is left\n");
        return false;
    }
    cuda->base = (contender){&cuda_ops, "cuda-streams", "CUDA driver API, one stream a thread", work};
    if (!load(cuda) || !find_device(cuda, device->description)) {
        report_note("cuda-streams is left out: %s",
                    cuda->library ? "CUDA does not know this device" : "libcuda.so.1 is not here");
        if (cuda->library) {
            dlclose(cuda->library);
        }
        free(cuda);
        return true;
    }
    if (!prepare(cuda)) {
        close_contender(&cuda->base);
        return false;
    }
    *out = &cuda->base;
    return true;
}
