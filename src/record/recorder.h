// The object behind an fm_commands pointer: a list being recorded, its owner check, and what makes binding cheap.
// One owner at a time (THREAD-2): each public call enters and leaves; a second thread inside is told so. Shells are
// type-stable, so an old pointer is never freed memory: it finds "not recording", or the list that its shell serves by
// then. The public recording functions are in dispatch.c and transfer.c.
#ifndef FMI_RECORD_RECORDER_H
#define FMI_RECORD_RECORDER_H

#include "base/ablation.h"
#include "base/shell.h"
#include "kernel/object.h"
#include "memory/buffer.h"
#include "record/lane.h"
#include "record/variants.h"

#include <fermata/commands.h>

typedef enum fmi_recorder_state {
    FMI_RECORDER_CLOSED = FMI_SHELL_CLOSED,
    FMI_RECORDER_IDLE = FMI_SHELL_USABLE, // being recorded, nobody inside a call
    FMI_RECORDER_INSIDE = 2,              // a call is in progress
    FMI_RECORDER_LOST = FMI_SHELL_LOST,
    FMI_RECORDER_ENDED = FMI_SHELL_ENDED,
} fmi_recorder_state;

// "Held already by this list?" by slot index: a stamp with the recorder's epoch and the handle's generation says yes,
// and where the slot is (HOLD-3).
typedef struct fmi_stamp {
    fmi_slot *slot;
    uint64_t key; // epoch:32 | generation:32, so that one compare answers; epoch 0 is no list's
} fmi_stamp;

typedef struct fmi_stamps {
    fmi_stamp *entries; // by slot index
    uint32_t capacity;
    uint32_t tag_bits; // the table's tag where it stands in the upper half of its handles
} fmi_stamps;

// What recorders of one device share; constant but for the lanes.
typedef struct fmi_record_room {
    fm_device *device;
    fmi_table *buffers;
    fmi_table *kernels;
    fmi_cache *cache; // of kernel variants; NULL where nothing is dispatched (tests)
    fmi_pool *pool;
    const fmi_backend_ops *ops;
    fmi_backend *backend;
    const fmi_backend_caps *caps;
    fmi_ablations *ablations;
    _Atomic(uint32_t) zero_failures; // buffers whose first fill failed, so far
    _Atomic(fm_commands *) made;     // every recorder of the room, newest first; none leaves before the room goes
    fmi_lane lanes[FMI_LANES];
} fmi_record_room;

struct fm_commands {
    _Atomic(uint32_t) state; // fmi_recorder_state, first as in every shell; entering acquires, leaving releases
    uint32_t epoch;          // counts lists of this recorder; a stamp of another epoch is void
    uint64_t epoch_key;      // the same, as it stands in the key of a stamp
    fmi_record_room *room;
    fmi_lane *lane; // which it goes back to
    fmi_list *list;
    uint32_t new_buffers; // holds that the call in progress has taken; undone when it fails
    uint32_t new_kernels;
    uint32_t new_variants;
    uint64_t variant_hits; // dispatches of variants that were there; flushed when the list ends
    fmi_stamps buffer_stamps;
    fmi_stamps kernel_stamps;
    // The variant of a kernel's own dtypes, which most dispatches name, by the kernel's slot index; as long as
    // kernel_stamps, and void where that has no stamp. NULL: not held yet.
    const fmi_kernel_binary **fixed_variants;
    fmi_variant_stamps variant_stamps;
    uint64_t deadline;        // of the memory that it stages (base/clock.h): a synchronous call's; UINT64_MAX = none
    fmi_buffer *staging;      // its chunk of staging memory, kept from list to list; NULL = none yet
    uint64_t staging_used;    // bytes of it given out
    uint32_t staging_epoch;   // the list that holds it already, by its epoch; 0 = none
    struct fmi_label *labels; // innermost open label
    fm_commands *next;        // in the lane, while not in use
    fm_commands *next_made;   // of the room's; constant
    int thread;               // the system's number of the thread that began the list
};

void fmi_record_room_init(fmi_record_room *room);

// Frees recorders and lists. None is in use.
void fmi_record_room_destroy(fmi_record_room *room);

// Begins, without the public checks; `label` may be NULL.
fm_status fmi_recorder_begin(fmi_record_room *room, const fm_commands_info *info, fm_commands **out);

// Drops a list's holds on buffers, on kernels and their variants, or both, if it still has them.
void fmi_record_release_holds(fmi_record_room *room, fmi_list *list, bool buffers, bool kernels);

// The list stands in the queue of stream number `home` (memory/order.h; 0: the library's own): tells the memory that it
// uses.
void fmi_record_note_commit(fmi_record_room *room, fmi_list *list, uint32_t home);

// Drops all holds of a list that is done or will not run, and recycles it.
void fmi_record_drop_list(fmi_record_room *room, fmi_list *list);

// Ends recording: returns the recorder to the room and hands out its list. The caller is inside.
fmi_list *fmi_recorder_finish(fm_commands *commands);

// Cancels the list of a caller that is not inside, and nulls it; of NULL it does nothing.
fm_status fmi_recorder_cancel(fm_commands **commands, const char *caller);

// Cancels the list; the caller is inside. Its owner, should there be one, is told at its next call.
void fmi_recorder_give_up(fm_commands *commands);

// Why a list cannot be entered.
fm_status fmi_recorder_refuse(const fm_commands *commands, uint32_t state, const char *caller) __attribute__((cold));

// Enters the list for one call; every FM_OK is paired with fmi_recorder_leave.
static inline fm_status fmi_recorder_enter(fm_commands *commands, const char *caller)
{
    uint32_t expected = FMI_RECORDER_IDLE;
    // Acquire: pairs with the release in fmi_recorder_leave.
    if (__builtin_expect(!commands ||
                             !atomic_compare_exchange_strong_explicit(&commands->state, &expected, FMI_RECORDER_INSIDE,
                                                                      memory_order_acquire, memory_order_relaxed),
                         0)) {
        return fmi_recorder_refuse(commands, expected, caller);
    }
    commands->new_buffers = commands->new_kernels = commands->new_variants = 0;
    return FM_OK;
}

// Lets go of what the call in progress has newly held.
void fmi_recorder_undo(fm_commands *commands) __attribute__((cold));

// Leaves; a call that fails leaves the list holding what it held before.
static inline void fmi_recorder_leave(fm_commands *commands, fm_status status)
{
    if (__builtin_expect(status != FM_OK, 0)) {
        fmi_recorder_undo(commands);
    }
    // Pairs with the acquire in fmi_recorder_enter: the next call, on any thread, sees this one's writes.
    atomic_store_explicit(&commands->state, FMI_RECORDER_IDLE, memory_order_release);
}

// The library's own fill of new memory failed or will not run: nothing may use that buffer. More than once is once.
void fmi_record_note_unzeroed(fmi_record_room *room, const fmi_list *list);

// Finds a live object and holds it for the list, at most once a list however often it is bound.
fm_status fmi_recorder_hold_slow(fm_commands *commands, fmi_table *table, fmi_stamps *stamps, fmi_hold_chunk **chain,
                                 uint64_t id, fmi_slot **out);

// Finds the slot of a handle that the list holds and that is still alive. False: neither is known.
static inline bool fmi_stamps_find(const fmi_stamps *stamps, uint64_t epoch_key, uint64_t id, fmi_slot **out)
{
    // A handle of another table or device gets an index beyond every capacity.
    uint32_t index = (uint32_t)(id >> 32) ^ stamps->tag_bits;
    if (__builtin_expect(index >= stamps->capacity, 0)) {
        return false;
    }
    const fmi_stamp *stamp = &stamps->entries[index];
    if (__builtin_expect(stamp->key != (epoch_key | fmi_id_generation(id)), 0)) {
        return false;
    }
    // Held by this list, so the slot stays this object's; but its handle may have been destroyed meanwhile.
    *out = stamp->slot;
    uint64_t word = atomic_load_explicit(&stamp->slot->word, memory_order_relaxed);
    return __builtin_expect((uint32_t)(word >> 32) == fmi_id_generation(id), 1);
}

static inline fm_status fmi_recorder_hold(fm_commands *commands, fmi_table *table, fmi_stamps *stamps,
                                          fmi_hold_chunk **chain, uint64_t id, fmi_slot **out)
{
    if (__builtin_expect(fmi_stamps_find(stamps, commands->epoch_key, id, out), 1)) {
        return FM_OK;
    }
    fmi_slot *held = NULL; // not `out` itself, which then can stay in a register
    fm_status status = fmi_recorder_hold_slow(commands, table, stamps, chain, id, &held);
    *out = held;
    return status;
}

// The slow path of fmi_recorder_hold_buffer.
fm_status fmi_recorder_hold_new_buffer(fm_commands *commands, fm_buffer handle, fmi_buffer **out);

static inline fm_status fmi_recorder_hold_buffer(fm_commands *commands, fm_buffer handle, fmi_buffer **out)
{
#ifdef FMI_WITHOUT_HOLDS // only in the library that the cost of holds is measured against (HOLD-7): the handle is checked, and that is all
    if ((*out = (fmi_buffer *)fmi_table_find(commands->room->buffers, handle.id)) != NULL) {
        uint32_t *highest = &commands->list->highest_region;
        *highest = (*out)->region > *highest ? (*out)->region : *highest;
        return FM_OK;
    }
#endif
    fmi_slot *slot;
    if (__builtin_expect(fmi_stamps_find(&commands->buffer_stamps, commands->epoch_key, handle.id, &slot), 1)) {
        *out = (fmi_buffer *)slot;
        return FM_OK;
    }
    fmi_buffer *held = NULL; // not `out` itself, which then can stay in a register
    fm_status status = fmi_recorder_hold_new_buffer(commands, handle, &held);
    *out = held;
    return status;
}

// Finds or makes a variant of a held kernel and holds it for the list.
fm_status fmi_recorder_hold_variant(fm_commands *commands, fmi_kernel_object *object, uint64_t dtypes,
                                    const fmi_kernel_binary **out);

// Holds a buffer that the caller holds already, whether or not a handle names it: staging memory, or what a transfer
// moves. A reusable list holds it until its last copy is done, whatever becomes of the call.
fm_status fmi_recorder_hold_object(fm_commands *commands, fmi_buffer *buffer);

// A piece of staging memory, held by the list: mapped, device-reachable, 16-byte aligned, used once.
typedef struct fmi_staged {
    fmi_buffer *buffer;
    uint8_t *mapped; // its first byte
    fmi_span span;
} fmi_staged;

// `user`: the buffer that it is for, named in sentences. Errors: FM_ERROR_OUT_OF_MEMORY, FM_ERROR_OUT_OF_HOST_MEMORY,
// FM_TIMEOUT.
fm_status fmi_recorder_stage(fm_commands *commands, const fmi_buffer *user, uint64_t size_bytes, fmi_staged *out);

// Gives up the chunks that idle recorders keep.
void fmi_record_drop_staging(fmi_record_room *room);

// Records the copy of a range to staging memory: the first half of every recorded read-back (READ-6). The caller is
// inside.
fm_status fmi_record_copy_out(fm_commands *commands, fm_buffer buffer, fmi_range range, fmi_staged *out);

// Makes all stamps void: what is bound next is held anew.
void fmi_recorder_forget_stamps(fm_commands *commands);

// The size that FM_WHOLE_SIZE stands for: to the buffer's end, 0 bytes at it. At an offset behind the end it stays, and
// no check of a range lets it pass.
static inline uint64_t fmi_buffer_rest(const fmi_buffer *buffer, uint64_t offset_bytes, uint64_t size_bytes)
{
    return size_bytes == FM_WHOLE_SIZE && offset_bytes <= buffer->size_bytes ? buffer->size_bytes - offset_bytes
                                                                             : size_bytes;
}

// Checks [offset, offset + size) against a buffer; sets the last error.
fm_status fmi_check_range(const char *call, const char *part, const fmi_buffer *buffer, uint64_t offset_bytes,
                          uint64_t size_bytes);

static inline fmi_span fmi_buffer_span(const fmi_buffer *buffer, uint64_t offset_bytes, uint64_t size_bytes,
                                       uint32_t access)
{
    return (fmi_span){buffer->block, buffer->offset_bytes + offset_bytes, size_bytes, buffer->region, access};
}

#endif
