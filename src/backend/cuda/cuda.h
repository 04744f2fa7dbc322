// Private header of the CUDA backend: what its files share. Nothing above the waist includes it; unit tests may.
// driver.c and nvrtc.c find NVIDIA's libraries, device.c opens and describes, memory.c allocates, kernel.c compiles, submit.c launches a batch
// on its queue's stream, transfer.c and indirect.c hold what runs as kernels of our own, complete.c asks and waits.
// A queue is a stream: what is on it runs in order, so waves need no barrier. Each call into the driver is made with the device's context,
// between fmi_cuda_enter and fmi_cuda_leave: the calling thread may have one of its own.
#ifndef FMI_BACKEND_CUDA_CUDA_H
#define FMI_BACKEND_CUDA_CUDA_H

#include "backend/cuda/driver.h"

#include <stdatomic.h>

enum {
    FMI_CUDA_NAME_BYTES = 104,
    FMI_CUDA_BLOCK_BYTES = 4096 + FM_MAX_BINDINGS * 8 + 6 * 4, // the largest argument block; a multiple of 8
    FMI_CUDA_WORD_STRIDE = 8,                                  // words between two queues': a line of the host's cache
};

struct fmi_kernel_binary {
    fmi_cost cost; // the schedule room's
    fmi_cu_module module;
    fmi_cu_function function;       // fm_kernel_main
    fmi_cu_function indirect;       // fm_kernel_indirect; NULL in kernels of our own
    uint32_t indirect_groups;       // that fill the device
    uint64_t serial;                // no other kernel of the device has or had it; not 0
    struct fmi_kernel_binary *next; // in the list of those that were destroyed
    uint32_t span_count;
    uint32_t constants_offset_bytes; // in the argument block
    uint32_t constants_size_bytes;
    uint32_t group_count_offset_bytes; // in the argument block
    uint32_t block_size_bytes;         // of the argument block; 0: the kernel takes nothing
    uint32_t group_size[3];
    uint32_t most_groups[3];        // that one launch may have: the device's limits, and FM_MAX_ITEMS
    bool wants_group_count;         // the argument block ends in the group counts
    bool wants_group_base;          // and then in the base of the part
    char name[FMI_CUDA_NAME_BYTES]; // for sentences about a failure; may be cut
};

// What a batch needs from its submission until it is retired.
typedef struct fmi_cuda_slot {
    fmi_cu_event
        times[FMI_TIMED_WAVES + 1]; // where the waves of a timed batch begin and end; made for the first of them
    uint32_t timed;                 // events recorded for the batch; 0: it was not timed
    fmi_block records;              // of the batch's indirect dispatches, by their order in it
    fmi_command **checked;          // those dispatches
    uint32_t check_count;
    uint32_t check_capacity; // of both
} fmi_cuda_slot;

typedef struct fmi_cuda_graphs fmi_cuda_graphs; // executable graphs by shape (graph.c)

enum { FMI_CUDA_GRAPH_WAVES = 64 }; // of a graph at most

// Waves that have dispatches alone, each within the limits of one launch.
typedef struct fmi_cuda_run {
    fmi_command *const *commands;
    uint32_t node_count;
    uint32_t wave_count;
    uint16_t widths[FMI_CUDA_GRAPH_WAVES]; // commands of each wave
} fmi_cuda_run;

typedef struct fmi_cuda_queue {
    fmi_cu_stream stream;
    _Atomic uint64_t
        *word; // mapped; the device writes the value of each batch that is done. Acquire: what the batch wrote is there
    fmi_cu_address word_address; // the same for the device
    _Atomic uint64_t submitted;  // the last value; relaxed: it only says whether to look after the device
    _Atomic uint32_t polls;      // without progress; relaxed, and some may be lost
    fmi_cuda_graphs *graphs;     // NULL until the first; guarded by "submit: one thread at a time"
    fmi_cuda_slot *slots;        // guarded by "submit: one thread at a time", or by their batch being complete
} fmi_cuda_queue;

// Kernels of the backend's own (transfer.c).
typedef enum fmi_cuda_own_kernel {
    FMI_CUDA_ROWS_OF_BYTES,
    FMI_CUDA_ROWS_OF_WORDS,
    FMI_CUDA_ROWS_OF_QUADS, // 16 bytes
    FMI_CUDA_PATTERN_OF_BYTES,
    FMI_CUDA_PATTERN_OF_WORDS,
    FMI_CUDA_PATTERN_OF_QUADS,
    FMI_CUDA_OWN_KERNELS,
} fmi_cuda_own_kernel;

// Constant once open, but for the fields that name their guard.
struct fmi_backend {
    const fmi_cuda_driver *cu;
    fmi_nvrtc nvrtc;
    fmi_cu_context context; // of our own: an error that sticks to it ends with it
    fmi_cu_device device;
    char name[256];        // the driver's
    uint32_t architecture; // 90: compute capability 9.0
    uint32_t compiled_for; // the same, or the newest below it that NVRTC knows: then kernels are PTX
    uint32_t multiprocessors;
    uint32_t max_group_count[3];
    uint32_t queue_count;
    uint32_t slot_count; // of each queue
    fmi_cuda_queue queues[FMI_MOST_QUEUES];
    void *words;              // all queues'; of cuMemHostAlloc
    fmi_cu_module own_module; // NULL until the first batch needs it. Guarded by "submit: one thread at a time"
    fmi_cu_function own_kernels[FMI_CUDA_OWN_KERNELS];
    _Atomic uint64_t serials; // of kernels; relaxed: nothing is published with it
    _Atomic(fmi_kernel_binary *)
        destroyed;              // kernels that graphs may name; freed by the next submit. Release and acquire
    _Atomic fmi_cu_result lost; // the error that sticks to the context; set once; relaxed: nothing is published with it
};

// Makes the device's context the calling thread's, and back. False, with the last error: it is none any more.
bool fmi_cuda_enter(fmi_backend *backend, const char *purpose);
static inline void fmi_cuda_leave(fmi_backend *backend)
{
    fmi_cu_context ours;
    (void)backend->cu->CtxPopCurrent(&ours);
}

// device.c
// Turns a failed call into a status, with a sentence for the last error; remembers an error that sticks.
fm_status fmi_cuda_fail(fmi_backend *backend, fmi_cu_result result, const char *call, const char *purpose)
    __attribute__((cold));
const char *fmi_cuda_result_name(const fmi_cuda_driver *cu, fmi_cu_result result);
// Does the error end the context?
bool fmi_cuda_is_sticky(fmi_cu_result result);

// memory.c
fm_status fmi_cuda_allocate_block(fmi_backend *backend, fm_memory_kind kind, uint64_t size_bytes, fmi_block *out);
fm_status fmi_cuda_import_block(fmi_backend *backend, void *pointer, uint64_t size_bytes, fmi_block *out);
void fmi_cuda_free_block(fmi_backend *backend, fmi_block *block);

// kernel.c
fm_status fmi_cuda_create_kernel(fmi_backend *backend, const fmi_kernel_code *code, fmi_kernel_binary **out,
                                 fmi_text *log);
void fmi_cuda_destroy_kernel(fmi_backend *backend, fmi_kernel_binary *binary);
// Frees the kernels that were destroyed, behind all graphs. Inside submit, or when closing; the context is current.
void fmi_cuda_bury_kernels(fmi_backend *backend);
// Which of NVRTC's architectures kernels are compiled for; 0 where it knows none that the device runs.
uint32_t fmi_cuda_choose_architecture(const fmi_nvrtc *nvrtc, uint32_t architecture);
// Compiles `source` for the device: appends a cubin, or PTX that ends in a zero byte. What the compiler says of a mistake goes to `log`.
fm_status fmi_cuda_compile(const fmi_nvrtc *nvrtc, uint32_t architecture, uint32_t compiled_for, const char *name,
                           const char *source, fmi_text *out, fmi_text *log);

// transfer.c: each answers the driver's result, and names the call that did.
fmi_cu_result fmi_cuda_fill_pattern(fmi_backend *backend, fmi_cu_stream stream, const fmi_command *command,
                                    const char **out_call);
fmi_cu_result fmi_cuda_copy_rect(fmi_backend *backend, fmi_cu_stream stream, const fmi_command *command,
                                 const char **out_call);
// Makes the module of the kernels for both, if it is not there.
fm_status fmi_cuda_prepare_transfers(fmi_backend *backend);

// indirect.c
// Gives the batch's indirect dispatches their records in its slot.
fm_status fmi_cuda_prepare_indirect(fmi_backend *backend, fmi_cuda_slot *slot, const fmi_batch_plan *plan);
void fmi_cuda_read_failures(fmi_backend *backend, const fmi_batch_plan *plan);
enum { FMI_CUDA_RECORD_BYTES = 16 }; // the three counts that were refused, or zeros

// graph.c
// Launches the run as a graph. False: nothing of it was launched.
bool fmi_cuda_graph_launch(fmi_backend *backend, fmi_cuda_queue *queue, const fmi_cuda_run *run);
// Destroys all that are kept; NULL is allowed.
void fmi_cuda_graphs_drop(const fmi_cuda_driver *cu, fmi_cuda_graphs *graphs);

// submit.c
// Writes the argument block: addresses, constants, group counts, base. `out` is 8-byte aligned.
void fmi_cuda_write_block(uint8_t *out, const fmi_command *command, const fmi_kernel_binary *binary,
                          const uint32_t base[3]);
fm_status fmi_cuda_submit(fmi_backend *backend, fmi_batch_plan *plan);
void fmi_cuda_read_times(fmi_backend *backend, const fmi_batch_plan *plan);
static inline fmi_cuda_slot *fmi_cuda_slot_of(const fmi_backend *backend, const fmi_batch_plan *plan)
{
    return &backend->queues[plan->queue].slots[plan->value % backend->slot_count];
}

// complete.c
// FM_OK, or FM_ERROR_DEVICE_LOST with the cause.
fm_status fmi_cuda_check_lost(fmi_backend *backend);
fm_status fmi_cuda_completed(fmi_backend *backend, uint32_t queue, uint64_t *out_value);
fm_status fmi_cuda_wait(fmi_backend *backend, const uint64_t values[FMI_MOST_QUEUES], uint64_t timeout_ns);

#endif
