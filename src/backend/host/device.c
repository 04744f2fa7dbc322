// Host backend: what the device is, its threads, open and close.
// Open and close run on one thread; the threads started here live in submit.c.
#include "backend/host/host.h"

#include "base/error.h"
#include "base/thread.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char description[] = "host processors";

static fm_status list(fmi_list_visitor visit, void *user)
{
    visit(user, "host", description, FM_DEVICE_HOST);
    return FM_OK;
}

void fmi_host_describe(fmi_backend_caps *caps)
{
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGE_SIZE);
    *caps = (fmi_backend_caps){
        .kind = FM_DEVICE_HOST,
        .memory_bytes = pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page : UINT64_MAX,
        .max_binding_bytes = UINT64_MAX,
        .max_block_bytes = UINT64_MAX / 4,
        .binding_alignment_bytes = 16,
        .import_alignment_bytes = 16, // as bindings
        .import_step_bytes = 1,
        .max_group_size = {1024, 1024, 64},
        .max_group_count = {UINT32_MAX, UINT32_MAX, UINT32_MAX},
        .max_group_invocations = FMI_FIBRE_MOST,
        .max_shared_bytes = FMI_HOST_SHARED_BYTES,
        .max_push_constants_bytes = 0,
        .dtype_mask = UINT32_MAX, // all there are
        .atomics = FMI_ATOMIC_INT64 | FMI_ATOMIC_SHARED_INT64 | FMI_ATOMIC_FLOAT | FMI_ATOMIC_SHARED_FLOAT,
        .float_modes = FMI_FLOAT_NAN | FMI_FLOAT_WIDE_NAN | FMI_FLOAT_SUBNORMALS | FMI_FLOAT_ROUNDS_HALF,
        .subgroup_size = 1,
        .binding_mode = FM_BINDING_ADDRESSES,
        .takes_host_functions = true,
        .on_cpu = true,
        .queue_count = 1,
    };
    snprintf(caps->description, sizeof caps->description, "%s", description);
    memcpy(caps->device_uuid, "fermata-host", sizeof "fermata-host");
    caps->driver_version = 1;
}

// Stops and joins the threads that run.
static void stop_threads(fmi_backend *backend, bool queue_runs, uint32_t workers)
{
    pthread_mutex_lock(&backend->lock);
    backend->stop = true;
    pthread_cond_broadcast(&backend->submitted);
    pthread_mutex_unlock(&backend->lock);
    if (queue_runs) {
        pthread_join(backend->queue_thread, NULL); // finishes what was submitted; workers still help
    }
    pthread_mutex_lock(&backend->lock);
    backend->stop_workers = true;
    pthread_cond_broadcast(&backend->wave_begins);
    pthread_mutex_unlock(&backend->lock);
    for (uint32_t i = 0; i < workers; i++) {
        pthread_join(backend->workers[i], NULL);
    }
}

static void destroy(fmi_backend *backend)
{
    pthread_cond_destroy(&backend->submitted);
    pthread_cond_destroy(&backend->finished);
    pthread_cond_destroy(&backend->wave_begins);
    pthread_cond_destroy(&backend->wave_ends);
    pthread_mutex_destroy(&backend->lock);
    free(backend);
}

static void init_conditions(fmi_backend *backend)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&backend->lock, NULL);
    pthread_cond_init(&backend->submitted, NULL);
    pthread_cond_init(&backend->finished, &monotonic);
    pthread_cond_init(&backend->wave_begins, NULL);
    pthread_cond_init(&backend->wave_ends, NULL);
    pthread_condattr_destroy(&monotonic);
}

static fm_status open_host(const char *name, const fmi_backend_settings *settings, fmi_backend **out,
                           fmi_backend_caps *out_caps)
{
    (void)name;
    if (settings->binding_mode == FM_BINDING_DESCRIPTORS) {
        return fmi_fail(FM_ERROR_UNSUPPORTED, "the host device has no descriptors: use binding mode auto or addresses");
    }
    fmi_backend *backend = calloc(1, sizeof *backend);
    if (!backend) {
        return fmi_fail(FM_ERROR_OUT_OF_HOST_MEMORY, "no host memory for the host device");
    }
    uint32_t threads = settings->host_threads;
    if (threads == 0) {
        long online = sysconf(_SC_NPROCESSORS_ONLN);
        threads = online > 0 ? (uint32_t)online : 1;
    }
    threads = threads < FMI_HOST_MOST_THREADS ? threads : FMI_HOST_MOST_THREADS;
    init_conditions(backend);
    // The queue thread works, too.
    int failed = fmi_thread_start(&backend->queue_thread, "fm-host-queue", fmi_host_queue_main, backend);
    bool queue_runs = failed == 0;
    uint32_t workers = 0;
    while (!failed && workers + 1 < threads) {
        failed = fmi_thread_start(&backend->workers[workers], "fm-host-worker", fmi_host_worker_main, backend);
        workers += !failed;
    }
    if (failed) {
        stop_threads(backend, queue_runs, workers);
        destroy(backend);
        return fmi_fail(FM_ERROR_OUT_OF_HOST_MEMORY, "the host device's threads cannot be started: %s",
                        strerror(failed));
    }
    pthread_mutex_lock(&backend->lock);
    backend->thread_count = workers;
    pthread_mutex_unlock(&backend->lock);
    fmi_host_describe(out_caps);
    *out = backend;
    return FM_OK;
}

static void close_host(fmi_backend *backend)
{
    stop_threads(backend, true, backend->thread_count);
    destroy(backend);
}

const fmi_backend_ops fmi_backend_host = {
    .prefix = "host",
    .list = list,
    .open = open_host,
    .close = close_host,
    .allocate_block = fmi_host_allocate_block,
    .free_block = fmi_host_free_block,
    .import_block = fmi_host_import_block,
    .create_kernel = fmi_host_create_kernel,
    .destroy_kernel = fmi_host_destroy_kernel,
    .submit = fmi_host_submit,
    .completed = fmi_host_completed,
    .wait = fmi_host_wait,
};
