// Handle table: chunked, type-stable slots addressed by index and generation.
// A slot's word is generation:32 | holds:32. A handle is alive while its generation stands in the word (odd numbers); destroying
// bumps the generation (even: dying) and drops the owner's hold; the last hold's drop frees the object and recycles the slot.
// Slots are never unmapped while the table lives, so a look-up with any old handle is safe. Any thread.
// Where many threads hold the same objects again and again, each would wait for the word's cache line. A table may have shares: counts
// beside the word. A share takes a hold with its first user and keeps it, used or not, until the handle dies.
#ifndef FMI_BASE_TABLE_H
#define FMI_BASE_TABLE_H

#include <fermata/status.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

enum {
    FMI_TABLE_CHUNK_SLOTS = 256,
    FMI_TABLE_MAX_CHUNKS = 1 << 16, // 16.7 million slots: what 24 bits of a handle can name
    FMI_TABLE_SHARES = 16,
    FMI_NO_SHARE = FMI_TABLE_SHARES, // in place of a share's number: held in the word
    FMI_SHARED_SLOTS = 4096,         // the first slots; what lies beyond is held in the word
    FMI_TABLE_EPITAPHS = 4096,       // 256 KiB a table, touched as they are used
};

// Head of every object in a table; the object's own fields follow in the same struct.
typedef struct fmi_slot {
    _Atomic(uint64_t) word; // generation:32 | holds:32
    uint32_t index;         // constant once the slot exists
    uint32_t next_free;     // index + 1 of the next free slot; guarded by the table's lock
} fmi_slot;

// Frees what the object owns; called by whichever thread drops the last hold, outside the table's lock.
typedef void (*fmi_slot_free)(void *user, fmi_slot *slot);

// What is remembered of an object that is gone, so that an old handle is refused by its label. As many as there are places: bounded,
// and written where a slot is freed anyway.
typedef struct fmi_epitaph {
    uint64_t id;    // its handle; 0: none
    char label[56]; // cut if it is longer
} fmi_epitaph;

typedef struct fmi_table {
    _Atomic(char *) *chunks; // FMI_TABLE_MAX_CHUNKS pointers; a chunk is published once, with release
    size_t object_bytes;
    const char *noun;          // "buffer", for sentences
    uint8_t tag;               // the device's tag: bits 56–63 of its handles
    uint32_t first_generation; // odd; differs from device to device, so that old handles rarely meet a live one
    fmi_slot_free free_object;
    void *user;
    // For sentences, of an object that is held; it may answer NULL. NULL: none has a label.
    const char *(*label_of)(const fmi_slot *slot);
    pthread_mutex_t lock;    // guards the three below and slots' next_free
    fmi_epitaph *epitaphs;   // that of slot i is [i % FMI_TABLE_EPITAPHS]; NULL until an object with a label was freed
    uint32_t free_head;      // index + 1; 0 = none
    uint32_t slot_count;     // slots that exist
    _Atomic(uint32_t) alive; // objects not yet freed
    _Atomic(uint32_t) *shares; // one behind the other (shares.c); NULL: there are none
    void *share_memory;        // where they lie
} fmi_table;

fm_status fmi_table_init(fmi_table *table, size_t object_bytes, const char *noun, uint8_t tag, uint32_t serial,
                         fmi_slot_free free_object, void *user);

// Gives a new table shares. FM_ERROR_OUT_OF_HOST_MEMORY: it has none, and everything is held in the word.
fm_status fmi_table_share(fmi_table *table);

// Frees every object still there, whatever its holds, and the table. One thread.
void fmi_table_destroy(fmi_table *table);

// Takes a free slot. Its object bytes behind the head are the last user's; the caller fills them, then publishes.
fmi_slot *fmi_table_reserve(fmi_table *table);

// Gives back a reserved slot that was never published.
void fmi_table_unreserve(fmi_table *table, fmi_slot *slot);

// The handle that publishing the slot will give.
uint64_t fmi_table_next_id(const fmi_table *table, const fmi_slot *slot);

// Makes the slot's object alive with one hold, the owner's, and returns its handle.
uint64_t fmi_table_publish(fmi_table *table, fmi_slot *slot);

// Makes the slot's object the library's own, with one hold: no handle names it and no look-up finds it. The last hold's drop frees it.
void fmi_table_publish_nameless(fmi_table *table, fmi_slot *slot);

// Makes a handle dead, drops what shares keep unused, and leaves the owner's hold with the caller, who looks at the object a last time and
// releases it. Sequentially consistent.
fm_status fmi_table_retract(fmi_table *table, uint64_t id, fmi_slot **out);

// Is the caller's hold the only one?
static inline bool fmi_slot_is_last_hold(const fmi_slot *slot)
{
    return (uint32_t)atomic_load(&slot->word) == 1;
}

// Is the object's handle still alive? For holders. Sequentially consistent.
static inline bool fmi_slot_is_alive(const fmi_slot *slot)
{
    return atomic_load(&slot->word) >> 32 & 1;
}

// Destroys a handle: dead at once; the object is freed when its last hold is dropped.
fm_status fmi_table_kill(fmi_table *table, uint64_t id);

// Takes a hold on a live handle's object.
fm_status fmi_table_hold(fmi_table *table, uint64_t id, fmi_slot **out);

// The same for a look-up that may well fail: false, and the last error stays as it is.
bool fmi_table_try_hold(fmi_table *table, uint64_t id, fmi_slot **out);

// Takes a hold on whatever object a slot has now, alive or dying; NULL: none. The caller looks whether it is the one that was meant.
fmi_slot *fmi_table_hold_slot(fmi_table *table, uint32_t index);

// Takes one more hold on an object that the caller holds.
static inline void fmi_table_hold_more(fmi_slot *slot)
{
    atomic_fetch_add_explicit(&slot->word, 1, memory_order_relaxed);
}

// Drops a hold. The last one frees the object.
void fmi_table_release(fmi_table *table, fmi_slot *slot);

// fmi_table_hold, fmi_table_try_hold and fmi_table_release by way of a share, 0 to FMI_TABLE_SHARES - 1, or FMI_NO_SHARE. What was held by way of
// a share must be released by way of that one; what was held in the word may be released by way of any.
fm_status fmi_table_hold_by(fmi_table *table, uint32_t share, uint64_t id, fmi_slot **out);
bool fmi_table_try_hold_by(fmi_table *table, uint32_t share, uint64_t id, fmi_slot **out);
void fmi_table_release_by(fmi_table *table, uint32_t share, fmi_slot *slot);

// For table.c: drops the holds that shares keep on a dead handle's object without a user. The caller holds it.
void fmi_shares_collect(fmi_table *table, fmi_slot *slot);

// Why an id has no live object: the status, with a sentence as the last error, which names what of the object is left.
fm_status fmi_table_refuse(fmi_table *table, uint64_t id) __attribute__((cold));

// So many slots exist; indices of objects are below this.
uint32_t fmi_table_slot_count(fmi_table *table);

// The slot of an index that a handle of this table has had; alive or not.
fmi_slot *fmi_table_slot(const fmi_table *table, uint32_t index);

static inline uint32_t fmi_id_generation(uint64_t id)
{
    return (uint32_t)id;
}

static inline uint32_t fmi_id_index(uint64_t id)
{
    return (uint32_t)(id >> 32) & 0xffffffu;
}

// The slot that an id names, if the id is of this table and alive at this moment; NULL otherwise. Holds nothing.
static inline fmi_slot *fmi_table_find(const fmi_table *table, uint64_t id)
{
    uint32_t index = fmi_id_index(id);
    if ((uint8_t)(id >> 56) != table->tag) {
        return NULL;
    }
    char *chunk = atomic_load_explicit(&table->chunks[index / FMI_TABLE_CHUNK_SLOTS], memory_order_acquire);
    if (!chunk) {
        return NULL;
    }
    fmi_slot *slot = (fmi_slot *)(chunk + (size_t)(index % FMI_TABLE_CHUNK_SLOTS) * table->object_bytes);
    // Pairs with the release store in fmi_table_publish: a live generation means that the object's fields are there.
    uint64_t word = atomic_load_explicit(&slot->word, memory_order_acquire);
    return (uint32_t)(word >> 32) == fmi_id_generation(id) && (id & 1) ? slot : NULL;
}

#endif
