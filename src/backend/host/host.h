// The host backend: an asynchronous queue on worker threads of this machine. The smallest backend; read it first.
// One queue thread takes batches in order and runs them wave by wave; workers share the work of a wave. Private to this folder.
#ifndef FMI_BACKEND_HOST_H
#define FMI_BACKEND_HOST_H

#include "backend/backend.h"
#include "backend/host/compile.h"
#include "backend/host/fibre.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
    FMI_HOST_MOST_BATCHES = 16, // the engine has no more in flight
    FMI_HOST_MOST_THREADS = 256,
    FMI_HOST_SHARED_BYTES = 64 << 10, // workgroup-shared arrays of one kernel: they lie on the worker's stack
};

struct fmi_kernel_binary {
    fmi_cost cost;      // the schedule room's
    fmi_host_code code; // of a generated kernel; none for a host function
    fm_host_function function;
    void *user;
    uint32_t constants_size_bytes;
    uint32_t group_items;   // work-items in a workgroup
    uint32_t group_size[3]; // {1, 1, 1} for a host function
    char *name;             // for sentences about a failure; owned
};

// The wave that runs now. Written by the queue thread while no worker is in it.
typedef struct fmi_host_wave {
    fmi_command *const *commands;
    uint32_t command_count;
    uint32_t parts;             // each dispatch is cut into so many tasks
    const fmi_batch_plan *plan; // its list_status and list_reason are stored and loaded atomically
    _Atomic(uint32_t) next;     // next task: command next / parts, part next % parts
} fmi_host_wave;

struct fmi_backend {
    uint32_t thread_count; // workers, the queue thread not counted
    pthread_t queue_thread;
    pthread_t workers[FMI_HOST_MOST_THREADS];
    pthread_mutex_t lock;                          // guards all below but the atomics
    pthread_cond_t submitted;                      // queue thread waits: a batch or stop
    pthread_cond_t finished;                       // waiters wait: `completed` rose
    pthread_cond_t wave_begins;                    // workers wait: `wave_number` rose or stop
    pthread_cond_t wave_ends;                      // queue thread waits: `inside` is 0
    fmi_batch_plan batches[FMI_HOST_MOST_BATCHES]; // batch of value v is [v % FMI_HOST_MOST_BATCHES]
    uint64_t submitted_value;
    bool stop;         // the queue thread ends when it has run what was submitted
    bool stop_workers; // set after the queue thread has ended
    uint64_t wave_number;
    uint32_t inside; // workers that work on the wave
    fmi_host_wave wave;
    _Atomic(uint64_t) completed; // last batch done; release store pairs with acquire loads
};

void fmi_host_describe(fmi_backend_caps *caps);
fm_status fmi_host_allocate_block(fmi_backend *backend, fm_memory_kind kind, uint64_t size_bytes, fmi_block *out);
fm_status fmi_host_import_block(fmi_backend *backend, void *pointer, uint64_t size_bytes, fmi_block *out);
void fmi_host_free_block(fmi_backend *backend, fmi_block *block);
fm_status fmi_host_create_kernel(fmi_backend *backend, const fmi_kernel_code *code, fmi_kernel_binary **out,
                                 fmi_text *log);
void fmi_host_destroy_kernel(fmi_backend *backend, fmi_kernel_binary *binary);
fm_status fmi_host_submit(fmi_backend *backend, fmi_batch_plan *plan);
fm_status fmi_host_completed(fmi_backend *backend, uint32_t queue, uint64_t *out_value);
fm_status fmi_host_wait(fmi_backend *backend, const uint64_t values[FMI_MOST_QUEUES], uint64_t timeout_ns);

// Finds the group counts of an indirect dispatch, when everything before it is done, and stores them in the command: zeros if nothing is to
// run. Counts over a limit fail its list. Once a command, before its parts run.
void fmi_host_read_counts(fmi_command *command, const fmi_batch_plan *plan);

// Runs part `part` of `parts` of a command on the calling thread, unless its list has failed (run.c). Only dispatches have more than
// one part. A host function that fails, or a workgroup whose work-items miss a barrier, marks its list in the plan.
void fmi_host_run(const fmi_command *command, uint32_t part, uint32_t parts, const fmi_batch_plan *plan);

// Thread bodies (submit.c).
void *fmi_host_queue_main(void *backend);
void *fmi_host_worker_main(void *backend);

#endif
