// Private header of the Vulkan backend: what its files share. Nothing above the waist includes it; unit tests may.
// device.c opens and describes what offer.c finds, memory.c allocates, kernel.c builds pipelines, submit.c encodes a
// batch in one of the places of slot.c with the barriers of barrier.c, indirect.c sees to counts that the device reads,
// trips.c to loops that the driver ends, complete.c asks and waits, volk.c holds the loader, the shared instance and the
// names of results. Vulkan is reached through volk alone: instance functions through volk's pointers, device functions
// through `vk`.
#ifndef FMI_BACKEND_VULKAN_VULKAN_H
#define FMI_BACKEND_VULKAN_VULKAN_H

#include "backend/backend.h"

#include <stdatomic.h>
#include <volk.h>

enum {
    FMI_VULKAN_PUSH_BYTES = 256,                  // most push constants that we use, whatever the device offers
    FMI_VULKAN_DESCRIPTORS = FM_MAX_BINDINGS + 2, // the bindings, the argument block and the note
    FMI_VULKAN_NAME_BYTES = 104,
};

// What comes before a barrier, or after it: the kinds of command of a wave, as bits, and two more that come after only.
typedef enum fmi_vulkan_scope {
    FMI_VULKAN_DISPATCHES = 1,
    FMI_VULKAN_TRANSFERS = 2,
    FMI_VULKAN_BOTH = FMI_VULKAN_DISPATCHES | FMI_VULKAN_TRANSFERS,
    FMI_VULKAN_HOST = 4,
    FMI_VULKAN_INDIRECT = 5, // dispatches whose counts the device reads
    FMI_VULKAN_SCOPES = 6,
} fmi_vulkan_scope;

// The three uses of native memory, each with its own order of preference among the memory types.
typedef enum fmi_vulkan_purpose {
    FMI_VULKAN_FOR_DEVICE = 0,    // FM_MEMORY_DEVICE
    FMI_VULKAN_FOR_HOST = 1,      // FM_MEMORY_HOST: cached, for read-backs
    FMI_VULKAN_FOR_ARGUMENTS = 2, // written once by the host, read once by the device
    FMI_VULKAN_PURPOSES = 3,
} fmi_vulkan_purpose;

// What fmi_block.native points to.
typedef struct fmi_vulkan_memory {
    VkBuffer buffer; // spans the whole block
    VkDeviceMemory memory;
} fmi_vulkan_memory;

struct fmi_kernel_binary {
    fmi_cost cost; // the schedule room's
    VkPipeline pipeline;
    VkPipelineLayout layout;
    VkDescriptorSetLayout set_layout;           // VK_NULL_HANDLE when nothing is bound by descriptor
    VkDescriptorUpdateTemplate update_template; // only where descriptors are not pushed
    VkWriteDescriptorSet *writes; // descriptor_count writes to push; they read backend->descriptors. NULL: not pushed
    uint32_t descriptor_count;    // storage buffers, the argument block included
    uint32_t span_count;
    uint32_t constants_offset_bytes; // in the argument block
    uint32_t constants_size_bytes;
    uint32_t group_count_offset_bytes; // in the argument block
    uint32_t block_size_bytes;         // of the argument block; a multiple of 4
    uint32_t most_groups[3];           // that one native dispatch may have: the device's limits, and FM_MAX_ITEMS
    char name[FMI_VULKAN_NAME_BYTES];  // for sentences about a failure; may be cut
    bool takes_addresses;              // the argument block starts with addresses
    bool indirect_arguments;           // the argument block lies in a buffer
    bool notes_loops;                  // it has a note (trips.c)
    bool has_arguments_to_take;        // one of the last two: what a dispatch takes of the slot
    bool wants_group_count;            // the argument block ends in the group counts
    bool wants_group_base;             // and then in the base of the part
    bool runs_in_parts;                // group counts may be over the device's limits
    bool pushes_constants_as_recorded; // the argument block is just the constants, as they lie in the command
    uint32_t warm; // backend->warm: the driver has been given it to run. Guarded by "submit: one thread at a time"
};

// An indirect dispatch of a batch and its record (indirect.c).
typedef struct fmi_vulkan_check {
    fmi_command *command;
    VkBuffer buffer; // holds the record; the dispatch reads its counts at the record's start
    uint64_t offset_bytes;
    const uint8_t *mapped; // of the record, for when the batch is complete
} fmi_vulkan_check;

// A dispatch that notes whether its loops were ended, and its note (trips.c).
typedef struct fmi_vulkan_note {
    fmi_command *command;
    const uint8_t *mapped; // a word: not 0 if they were
} fmi_vulkan_note;

// Room for the command that looks at the counts of another.
typedef union fmi_vulkan_check_command {
    fmi_command command;
    uint8_t bytes[sizeof(fmi_command) + 2 * sizeof(fmi_span) + 4 * sizeof(uint32_t)];
} fmi_vulkan_check_command;

// Kernels of the backend's own that transfers run as (transfer.c).
typedef enum fmi_vulkan_transfer_kernel {
    FMI_VULKAN_ROWS_OF_WORDS,
    FMI_VULKAN_ROWS_OF_BYTES,
    FMI_VULKAN_PATTERN,
    FMI_VULKAN_TRANSFER_KERNELS,
} fmi_vulkan_transfer_kernel;

// Room for a dispatch of one of them.
typedef union fmi_vulkan_transfer_command {
    fmi_command command;
    uint8_t bytes[sizeof(fmi_command) + 2 * sizeof(fmi_span) + 8 * sizeof(uint32_t)];
} fmi_vulkan_transfer_command;

// One of the ring's places: what one batch needs from its encoding until it has run.
typedef struct fmi_vulkan_slot {
    VkCommandPool pool;
    VkCommandBuffer commands;
    uint64_t value;    // of the batch last submitted from here; 0 = none
    VkQueryPool times; // where the waves of a timed batch begin and end; VK_NULL_HANDLE: the device has no timestamps
    fmi_block *arguments; // argument buffers; all but the last are full
    uint32_t argument_count;
    // on a CPU: signalled with the slot's values, so that who waits for one is not woken by others; else null
    VkSemaphore timeline;
    uint64_t argument_used_bytes; // of the last argument buffer
    VkDescriptorPool *pools;      // descriptor pools; those before `pool_index` are full
    uint32_t pool_count;
    uint32_t pool_index;
    fmi_vulkan_check *checks; // of the batch's indirect dispatches, in the order in which they are encoded
    uint32_t check_count;
    uint32_t check_capacity;
    fmi_vulkan_note *notes; // of the batch's dispatches that have one
    uint32_t note_count;
    uint32_t note_capacity;
} fmi_vulkan_slot;

// Room for one argument block.
typedef struct fmi_vulkan_arguments {
    const fmi_block *block; // until the slot takes more
    VkBuffer buffer;
    uint64_t offset_bytes;
    uint64_t device_address; // 0 where the device has none
    uint8_t *mapped;         // 16-byte aligned; written only, it may be uncached
} fmi_vulkan_arguments;

// A queue with its timeline and its ring of slots. Several of them share a native queue where the device has fewer.
typedef struct fmi_vulkan_queue {
    VkQueue native; // guarded by "submit: one thread at a time", as are the slots
    VkSemaphore timeline;
    fmi_vulkan_slot *slots;
    // Highest value seen complete; release store (complete.c) pairs with the acquire load where a slot is reused.
    _Atomic uint64_t completed;
} fmi_vulkan_queue;

// Constant once open, but for the fields that name their guard.
struct fmi_backend {
    VkPhysicalDevice physical;
    VkDevice device;
    uint32_t queue_family;
    uint32_t native_queues; // that the device was created with
    uint32_t queue_count;
    fmi_vulkan_queue queues[FMI_MOST_QUEUES];
    uint32_t slot_count; // of each queue
    struct VolkDeviceTable vk;
    PFN_vkCmdPipelineBarrier2 pipeline_barrier2; // NULL: vkCmdPipelineBarrier does it
    char name[VK_MAX_PHYSICAL_DEVICE_NAME_SIZE];
    bool has_addresses;      // bufferDeviceAddress is enabled
    bool pushes_descriptors; // VK_KHR_push_descriptor is enabled
    bool labels;             // VK_EXT_debug_utils is enabled
    uint64_t timestamp_mask; // the bits of a timestamp that count; 0: the queue has none
    double timestamp_period_ns;
    uint32_t vendor_id; // these three: whose pipeline data the driver takes
    uint32_t device_id;
    uint8_t pipeline_cache_uuid[VK_UUID_SIZE];
    uint32_t max_push_bytes;
    uint32_t most_trips; // of a work-item's loops, before the driver ends them all; 0: it does not
    uint32_t max_group_count[3];
    // all bits below the highest one such that every number made of them is within each limit
    uint32_t group_count_mask;
    uint32_t argument_alignment_bytes;
    uint64_t max_block_bytes;
    uint32_t import_alignment_bytes; // of the caller's memory; 0: VK_EXT_external_memory_host is not there
    uint32_t memory_type[FMI_VULKAN_PURPOSES];
    bool maps[FMI_VULKAN_PURPOSES];   // blocks of this use are mapped
    bool caches[FMI_VULKAN_PURPOSES]; // and the host reads them through its caches
    bool on_cpu;                      // the driver computes on this machine's processors
    bool maps_all_memory; // on a GPU: the host may look at any block, so each batch ends in a barrier to the host

    // Looks at the counts of indirect dispatches; NULL until the first. Guarded by "submit: one thread at a time".
    fmi_kernel_binary *check_kernel;
    fmi_kernel_binary *transfer_kernels[FMI_VULKAN_TRANSFER_KERNELS]; // the same
    bool computes_transfers; // the mode in force is FM_BINDING_ADDRESSES, and the driver has made every kernel so far
    bool stores_bytes;       // storageBuffer8BitAccess is enabled

    // What `writes` of every binary reads. Guarded by "submit: one thread at a time".
    VkDescriptorBufferInfo descriptors[FMI_VULKAN_DESCRIPTORS];

    // exit.c, where a kernel is compiled when it first runs; guarded by "submit: one thread at a time", but for the atomic.
    uint32_t warm;                     // what `warm` of a kernel is once it has been used; 0: not such a device
    uint32_t marks;                    // encoded so far
    fmi_block mark;                    // a word: how many the device has come by
    _Atomic(uint32_t) marks_submitted; // relaxed: stored inside the gate, read when that is closed

    // Threads in a call of the driver. Sequentially consistent: of a call and an exit one sees the other (gate.c).
    atomic_uint inside;
    atomic_bool has_compiled;      // a kernel was created; relaxed
    struct fmi_backend *next_open; // in the list of open devices; guarded by its lock

    atomic_bool lost; // the device is lost; set once, never cleared; relaxed: nothing is published with it
};

static inline VkBuffer fmi_vulkan_buffer_of(const fmi_span *span)
{
    return ((const fmi_vulkan_memory *)span->block->native)->buffer;
}

// What a physical device offers, asked once.
typedef struct fmi_vulkan_offer {
    VkPhysicalDevice physical;
    VkPhysicalDeviceProperties properties;
    VkPhysicalDeviceIDProperties id;
    VkPhysicalDeviceSubgroupProperties subgroup;
    VkPhysicalDeviceFloatControlsProperties floats;
    VkPhysicalDeviceMaintenance3Properties maintenance3;
    VkPhysicalDeviceMaintenance4Properties maintenance4; // zero below Vulkan 1.3
    VkPhysicalDeviceFeatures features;
    VkPhysicalDeviceVulkan11Features features11;
    VkPhysicalDeviceVulkan12Features features12;
    uint32_t queue_family;     // UINT32_MAX: none computes
    uint32_t timestamp_bits;   // of that family
    uint32_t queue_count;      // of that family
    bool is_1_3;               // device and instance
    bool synchronization2;     // the feature, core or extension
    bool synchronization2_ext; // it is the extension
    bool push_descriptor;
    bool external_memory_host;
    uint32_t import_alignment_bytes; // of the last, 0 without it
    bool atomic_float;               // the extension, and what it has:
    bool float_add;                  // of elements of buffers
    bool shared_float_add;           // of workgroup-shared arrays
} fmi_vulkan_offer;

// offer.c
// Lists the devices that can be opened. `visit` runs outside every lock: it may open what it is shown.
fm_status fmi_vulkan_list(fmi_list_visitor visit, void *user);
// Finds the device that is listed under `name`.
fm_status fmi_vulkan_find(VkInstance instance, const char *name, fmi_vulkan_offer *out);
fm_device_kind fmi_vulkan_kind_of(VkPhysicalDeviceType type);

// volk.c: the loader and the one instance that all devices share.
// Holds the instance, which the first user makes and which stays until the library is unloaded; VK_NULL_HANDLE with
// FM_OK where there is no loader or driver. Only what was stored is released.
fm_status fmi_vulkan_instance_hold(VkInstance *out);
void fmi_vulkan_instance_release(void);
// Has the instance VK_EXT_debug_utils? Which version of Vulkan was it created for? Only for who holds it.
bool fmi_vulkan_instance_has_labels(void);
uint32_t fmi_vulkan_instance_version(void);
const char *fmi_vulkan_result_name(VkResult result);
// Turns a failed call into a status, with a sentence for the last error; remembers a lost device. `backend` may be
// NULL.
fm_status fmi_vulkan_fail(fmi_backend *backend, VkResult result, const char *call, const char *purpose)
    __attribute__((cold));

// memory.c
fm_status fmi_vulkan_memory_types(fmi_backend *backend, bool is_discrete);
fm_status fmi_vulkan_memory_allocate(fmi_backend *backend, fmi_vulkan_purpose purpose, uint64_t size_bytes,
                                     fmi_block *out);
fm_status fmi_vulkan_allocate_block(fmi_backend *backend, fm_memory_kind kind, uint64_t size_bytes, fmi_block *out);
fm_status fmi_vulkan_import_block(fmi_backend *backend, void *pointer, uint64_t size_bytes, fmi_block *out);
void fmi_vulkan_free_block(fmi_backend *backend, fmi_block *block);

// kernel.c
fm_status fmi_vulkan_create_kernel(fmi_backend *backend, const fmi_kernel_code *code, fmi_kernel_binary **out,
                                   fmi_text *log);
void fmi_vulkan_destroy_kernel(fmi_backend *backend, fmi_kernel_binary *binary);
bool fmi_vulkan_accepts_group_count(fmi_backend *backend, const fmi_kernel_binary *binary,
                                    const uint32_t group_count[3]);

// private_bytes.c: of the variables of a module's functions, together; 0 without host memory to count.
uint64_t fmi_vulkan_private_bytes(const uint32_t *words, size_t size_bytes);

// gate.c: before every call of the driver's.
// Has exit() closed the gate? Of this process; never reset, but in a child of fork.
extern atomic_bool fmi_vulkan_gate_closed;
// A device becomes one that the end looks at, or is none any more. In a call without a device.
void fmi_vulkan_gate_add(fmi_backend *backend);
void fmi_vulkan_gate_remove(fmi_backend *backend);
// For who exits, behind the closing: waits until no other thread is in a call, and calls `each` on every open device. False: until
// `deadline_ns` some thread was, and nothing was called.
bool fmi_vulkan_gate_drain(uint64_t deadline_ns, void (*each)(fmi_backend *backend, uint64_t deadline_ns));

// exit.c
// Has exit() wait for calls, and for the compiler. It must come behind what drivers have for the end; so it is called when one has been loaded, and again
// when something ran in it for the first time. Any thread.
void fmi_vulkan_watch_exit(void);
// Has this process called that? A child of fork begins anew.
bool fmi_vulkan_watches_exit(void);
// For a device on a CPU, when it is opened: makes room for its marks.
fm_status fmi_vulkan_make_mark(fmi_backend *backend);
// Behind the first use of a kernel that may have to be compiled there: exit() waits until the device has come by. One thread at a time, as submit.
void fmi_vulkan_encode_mark(fmi_backend *backend, VkCommandBuffer commands);
// The batch that was encoded last will not run: all kernels may have to be compiled again.
void fmi_vulkan_forget_marks(fmi_backend *backend);

// device.c
fm_status fmi_vulkan_open(const char *name, const fmi_backend_settings *settings, fmi_backend **out,
                          fmi_backend_caps *out_caps);
// Frees what there is of a device, and lets go of the instance.
void fmi_vulkan_close(fmi_backend *backend);
void fmi_vulkan_quiesce(fmi_backend *backend);
fm_status fmi_vulkan_create_timeline(fmi_backend *backend, VkSemaphore *out);

// slot.c
fm_status fmi_vulkan_slots_create(fmi_backend *backend, uint32_t batches_in_flight);
void fmi_vulkan_slots_destroy(fmi_backend *backend);
// Makes the slot for the plan's value ready to encode into: everything that its last batch used may be used again.
fm_status fmi_vulkan_slot_begin(fmi_backend *backend, const fmi_batch_plan *plan, fmi_vulkan_slot **out);
// Takes room for an argument block; it is the slot's until its batch has run.
fm_status fmi_vulkan_slot_take_arguments(fmi_backend *backend, fmi_vulkan_slot *slot, uint32_t size_bytes,
                                         fmi_vulkan_arguments *out);
fm_status fmi_vulkan_slot_take_set(fmi_backend *backend, fmi_vulkan_slot *slot, VkDescriptorSetLayout layout,
                                   VkDescriptorSet *out);

// The slot of a batch that has been submitted.
fmi_vulkan_slot *fmi_vulkan_slot_of(const fmi_backend *backend, const fmi_batch_plan *plan);

// Fills the durations of a timed batch that is complete and whose slot has not been taken again.
void fmi_vulkan_read_times(fmi_backend *backend, const fmi_batch_plan *plan);

// transfer.c
// Fills the dispatch that a FMI_COMMAND_FILL_PATTERN or FMI_COMMAND_COPY_RECT runs as. False: it is copied, by the two
// below.
bool fmi_vulkan_transfer_as_dispatch(fmi_backend *backend, const fmi_command *command,
                                     fmi_vulkan_transfer_command *out);
// Encodes a FMI_COMMAND_FILL_PATTERN, with barriers of its own inside, which are added to `*barriers`.
fm_status fmi_vulkan_encode_pattern(fmi_backend *backend, fmi_vulkan_slot *slot, VkCommandBuffer commands,
                                    const fmi_command *command, uint32_t *barriers);
void fmi_vulkan_encode_rect(const fmi_backend *backend, VkCommandBuffer commands, const fmi_command *command);

// barrier.c
void fmi_vulkan_encode_barrier(const fmi_backend *backend, VkCommandBuffer commands, uint32_t from, uint32_t to);

// trips.c
// Trips of a work-item's loops together, after which the driver ends them all without a word; 0: it does not. `driver_mark` tells devices and
// drivers apart. While the device is opened, with its slots and its mark. Runs a kernel, once a process and driver: then
// a compiler that the driver keeps has made the objects that it makes when it is first used, which exit() needs (exit.c).
uint32_t fmi_vulkan_most_trips(fmi_backend *backend, uint32_t driver_mark);
// A note of the slot, which says no so far, for a dispatch that is about to be encoded.
fm_status fmi_vulkan_take_note(fmi_backend *backend, fmi_vulkan_slot *slot, fmi_command *command,
                               fmi_vulkan_arguments *out);
// Fails the lists of a complete batch whose notes say so.
void fmi_vulkan_read_notes(const fmi_backend *backend, const fmi_vulkan_slot *slot, const fmi_batch_plan *plan);

// indirect.c
// Gives an indirect dispatch a record in the slot, and fills the command that runs before it.
fm_status fmi_vulkan_check_counts(fmi_backend *backend, fmi_vulkan_slot *slot, fmi_command *command,
                                  fmi_vulkan_check_command *out);
void fmi_vulkan_read_failures(fmi_backend *backend, const fmi_batch_plan *plan);

// submit.c
fm_status fmi_vulkan_submit(fmi_backend *backend, fmi_batch_plan *plan);
fm_status fmi_vulkan_encode(fmi_backend *backend, fmi_vulkan_slot *slot, fmi_batch_plan *plan);

// complete.c
fm_status fmi_vulkan_completed(fmi_backend *backend, uint32_t queue, uint64_t *out_value);
fm_status fmi_vulkan_wait(fmi_backend *backend, const uint64_t values[FMI_MOST_QUEUES], uint64_t timeout_ns);
// Answers FM_ERROR_DEVICE_LOST with its sentence once the device is lost, else FM_OK.
fm_status fmi_vulkan_check_lost(fmi_backend *backend);

#endif
