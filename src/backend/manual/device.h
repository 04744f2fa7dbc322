// The manual device's state, shared by its parts: manual.c steps it, memory.c knows what is given back too early.
// Tests step it from one thread; completion may be asked from any, so its own lock guards the state.
#ifndef FMI_BACKEND_MANUAL_DEVICE_H
#define FMI_BACKEND_MANUAL_DEVICE_H

#include "backend/manual/manual.h"

#include <pthread.h>

enum { MANUAL_MOST_BATCHES = 16 };

// A kernel as this device knows it. The host's binary is embedded, so that a command's pointer serves both.
typedef struct fmi_manual_kernel {
    struct fmi_kernel_binary shown; // what commands point to: a copy of the host's
    fmi_kernel_binary *host;        // owns the code
    bool destroyed;
    struct fmi_manual_kernel *next; // all of the device's
} fmi_manual_kernel;

// A block that was freed while a command that had not run yet names it: kept, so that the command meets poison and not
// a fault.
typedef struct fmi_early_block {
    fmi_block block;
    struct fmi_early_block *next;
} fmi_early_block;

// A queue of the device: its batches, and how far they have run.
typedef struct fmi_manual_queue {
    fmi_batch_plan batches[MANUAL_MOST_BATCHES]; // batch of value v is [v % MANUAL_MOST_BATCHES]
    uint64_t numbers[MANUAL_MOST_BATCHES];       // of the same, among the batches of all queues
    uint64_t submitted;
    uint64_t completed;
    uint32_t done;        // commands of batch completed + 1 that have run
    fmi_command **order;  // that batch's commands in the order in which they run
    uint32_t order_count; // 0: not laid out yet
    uint32_t order_capacity;
    uint64_t lost_at; // completed value when the device was lost; the last that is ever reported
} fmi_manual_queue;

// The host's functions take an fmi_backend that they do not look at; this device's own state lies in its place.
typedef struct fmi_manual_device {
    pthread_mutex_t lock; // guards all below; completion is asked from any thread
    fmi_manual_queue queues[FMI_MOST_QUEUES];
    uint32_t queue_count;
    uint64_t batches;       // taken so far
    fmi_manual_queue *next; // whose command runs next; NULL: not chosen yet
    uint64_t turns;         // choices made
    uint64_t seed;
    uint32_t wave_ns;        // how long it says that each wave of a timed batch took; 0: it says nothing
    void (*run)(void *user); // called by waits, without the lock
    void *run_user;
    fmi_manual_kernel *kernels;
    uint64_t native_bytes; // of all blocks
    uint64_t native_most;  // more are refused; 0: none is
    uint32_t refusals;     // submits still to be refused
    fm_status refusal;     // with this status
    bool lost;
    bool quiet;             // quiesced: nothing runs any more
    fmi_early_block *early; // freed too early
    uint64_t early_frees;   // memory, blocks and kernels given back while commands that had not run named them
    uint64_t strange_calls; // made in a floating-point state that is the program's
    uint64_t races; // commands that ran before one of another queue that was taken before and uses the same memory
    // what batches of a lost device point to, once the library may forget them
    void *copies[4 * MANUAL_MOST_BATCHES * FMI_MOST_QUEUES];
    uint32_t copy_count;
    fm_testing_observer observer; // called without the lock
    void *observer_user;
} fmi_manual_device;

static inline fmi_manual_device *fmi_manual_device_of(fmi_backend *backend)
{
    return (fmi_manual_device *)(void *)backend;
}

// Each function of the waist begins with this: a driver is called in the default floating-point state, whatever the program's is.
void fmi_manual_look_at_state(fmi_backend *backend);

// Memory and kernels, as in fmi_backend_ops: the host's, poisoned, and watched when they are given back.
fm_status fmi_manual_allocate_block(fmi_backend *backend, fm_memory_kind kind, uint64_t size_bytes, fmi_block *out);
void fmi_manual_free_block(fmi_backend *backend, fmi_block *block);
fm_status fmi_manual_create_kernel(fmi_backend *backend, const fmi_kernel_code *code, fmi_kernel_binary **out,
                                   fmi_text *log);
void fmi_manual_destroy_kernel(fmi_backend *backend, fmi_kernel_binary *binary);

// The commands of the queue's batch of that value, in flight, that have not run.
fmi_command *const *fmi_manual_pending_locked(const fmi_manual_queue *queue, uint64_t value, uint32_t *out_count);

// Frees what is still kept of them. Nothing runs any more.
void fmi_manual_free_kept(fmi_manual_device *device);

#endif
