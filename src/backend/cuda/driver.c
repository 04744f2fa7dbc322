// The way into CUDA: libcuda.so.1, which comes with NVIDIA's driver, is opened and started once in a process.
// It stays: there is no call that ends it. A child of fork cannot use what its parent has started; it is told so.
// Any thread; `shared.lock` guards, in sections that no fork cuts in two (base/process.h).
#include "backend/cuda/driver.h"

#include "base/process.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { LEAST_VERSION = 12000 }; // CUDA 12.0: driver 525

// The one variable of this backend. Nothing of it changes once `is_started`.
static struct {
    pthread_mutex_t lock;
    void *library; // of dlopen
    bool is_started;
    uint32_t generation; // of the process that started it
    fmi_cuda_driver driver;
} shared = {.lock = PTHREAD_MUTEX_INITIALIZER};

// Finds the functions. Which one is missing? NULL: none.
static const char *find_functions(void *library, fmi_cuda_driver *driver)
{
    void *symbol;
#define FIND(field, name, arguments, version)                                                                          \
    symbol = dlsym(library, #name);                                                                                    \
    if (!symbol) {                                                                                                     \
        return #name;                                                                                                  \
    }                                                                                                                  \
    memcpy(&driver->field, &symbol, sizeof symbol); /* ISO C has no cast from object to function pointers */
    FMI_CUDA_FUNCTIONS(FIND)
#undef FIND
    return NULL;
}

// Opens the library and looks at its age. False: it cannot serve.
static bool open_library(char why[FMI_CUDA_WHY_BYTES])
{
    shared.library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!shared.library) {
        snprintf(why, FMI_CUDA_WHY_BYTES, "libcuda.so.1, which comes with NVIDIA's driver, was not found");
        return false;
    }
    const char *missing = find_functions(shared.library, &shared.driver);
    int version = 0;
    if (!missing && shared.driver.DriverGetVersion(&version) == FMI_CU_SUCCESS && version >= LEAST_VERSION) {
        return true;
    }
    if (missing) {
        snprintf(why, FMI_CUDA_WHY_BYTES, "libcuda.so.1 is too old, it lacks %s: CUDA 12.0 is the least", missing);
    } else {
        snprintf(why, FMI_CUDA_WHY_BYTES, "libcuda.so.1 is too old, it has CUDA %d.%d: 12.0 is the least",
                 version / 1000, version % 1000 / 10);
    }
    dlclose(shared.library); // nothing of it has been started: a newer one may be installed meanwhile
    shared.library = NULL;
    return false;
}

static bool start(char why[FMI_CUDA_WHY_BYTES])
{
    if (!shared.library && !open_library(why)) {
        return false;
    }
    fmi_cu_result result = shared.driver.Init(0);
    if (result != FMI_CU_SUCCESS) {
        const char *name = NULL;
        shared.driver.GetErrorName(result, &name);
        snprintf(why, FMI_CUDA_WHY_BYTES, "%s: cuInit answered %s (%u)",
                 result == FMI_CU_ERROR_NO_DEVICE ? "NVIDIA's driver has no device" : "NVIDIA's driver does not start",
                 name ? name : "an unknown error", result);
        return false;
    }
    shared.is_started = true;
    shared.generation = fmi_process_generation();
    return true;
}

const fmi_cuda_driver *fmi_cuda_driver_get(char why[FMI_CUDA_WHY_BYTES])
{
    fmi_process_enter();
    pthread_mutex_lock(&shared.lock);
    bool serves = shared.is_started ? shared.generation == fmi_process_generation() : start(why);
    if (shared.is_started && !serves) {
        snprintf(why, FMI_CUDA_WHY_BYTES, "CUDA was started before this process was forked, and cannot be used here");
    }
    pthread_mutex_unlock(&shared.lock);
    fmi_process_leave();
    return serves ? &shared.driver : NULL;
}
