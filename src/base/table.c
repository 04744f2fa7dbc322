// Handle table. See table.h for the rules; the word's transitions are all in this file, those of shares in shares.c.
// The lock guards the free list alone; handles are checked, held and dropped by atomics on the word.
#include "base/table.h"

#include "base/assert.h"
#include "base/error.h"
#include "base/phrase.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GENERATION(word) ((uint32_t)((word) >> 32))
#define HOLDS(word) ((uint32_t)(word))
#define WORD(generation, holds) ((uint64_t)(generation) << 32 | (holds))

fm_status fmi_table_init(fmi_table *table, size_t object_bytes, const char *noun, uint8_t tag, uint32_t serial,
                         fmi_slot_free free_object, void *user)
{
    *table = (fmi_table){
        .object_bytes = (object_bytes + 63) & ~(size_t)63, // whole cache lines: neighbours' words do not share one
        .noun = noun,
        .tag = tag,
        .first_generation = serial * 2654435761u | 1u,
        .free_object = free_object,
        .user = user,
    };
    // Zero pages cost nothing until they are touched.
    table->chunks = calloc(FMI_TABLE_MAX_CHUNKS, sizeof *table->chunks);
    if (!table->chunks) {
        return fmi_fail(FM_ERROR_OUT_OF_HOST_MEMORY, "no host memory for the table of %ss", noun);
    }
    pthread_mutex_init(&table->lock, NULL);
    return FM_OK;
}

fmi_slot *fmi_table_slot(const fmi_table *table, uint32_t index)
{
    char *chunk = atomic_load_explicit(&table->chunks[index / FMI_TABLE_CHUNK_SLOTS], memory_order_acquire);
    return (fmi_slot *)(chunk + (size_t)(index % FMI_TABLE_CHUNK_SLOTS) * table->object_bytes);
}

uint32_t fmi_table_slot_count(fmi_table *table)
{
    pthread_mutex_lock(&table->lock);
    uint32_t count = table->slot_count;
    pthread_mutex_unlock(&table->lock);
    return count;
}

void fmi_table_destroy(fmi_table *table)
{
    if (!table->chunks) {
        return;
    }
    for (uint32_t i = 0; i < table->slot_count; i++) {
        fmi_slot *slot = fmi_table_slot(table, i);
        if (HOLDS(atomic_load_explicit(&slot->word, memory_order_acquire)) > 0) {
            table->free_object(table->user, slot);
        }
    }
    for (uint32_t i = 0; i * FMI_TABLE_CHUNK_SLOTS < table->slot_count; i++) {
        free(atomic_load_explicit(&table->chunks[i], memory_order_relaxed));
    }
    free((void *)table->chunks);
    free(table->share_memory);
    free(table->epitaphs);
    table->chunks = NULL;
    table->shares = NULL;
    pthread_mutex_destroy(&table->lock);
}

// Adds one chunk of dead slots to the free list.
static bool grow_locked(fmi_table *table)
{
    uint32_t chunk_index = table->slot_count / FMI_TABLE_CHUNK_SLOTS;
    if (chunk_index >= FMI_TABLE_MAX_CHUNKS) {
        return false;
    }
    char *chunk = aligned_alloc(64, FMI_TABLE_CHUNK_SLOTS * table->object_bytes);
    if (!chunk) {
        return false;
    }
    memset(chunk, 0, FMI_TABLE_CHUNK_SLOTS * table->object_bytes);
    for (uint32_t i = FMI_TABLE_CHUNK_SLOTS; i-- > 0;) {
        fmi_slot *slot = (fmi_slot *)(chunk + i * table->object_bytes);
        slot->index = table->slot_count + i;
        // One before the first live generation: even, so no handle matches.
        atomic_store_explicit(&slot->word, WORD(table->first_generation - 1, 0), memory_order_relaxed);
        slot->next_free = table->free_head;
        table->free_head = slot->index + 1;
    }
    table->slot_count += FMI_TABLE_CHUNK_SLOTS;
    // Pairs with the acquire loads in fmi_table_find and fmi_table_slot.
    atomic_store_explicit(&table->chunks[chunk_index], chunk, memory_order_release);
    return true;
}

fmi_slot *fmi_table_reserve(fmi_table *table)
{
    fmi_slot *slot = NULL;
    pthread_mutex_lock(&table->lock);
    if (table->free_head || grow_locked(table)) {
        slot = fmi_table_slot(table, table->free_head - 1);
        table->free_head = slot->next_free;
    }
    pthread_mutex_unlock(&table->lock);
    if (slot) {
        atomic_fetch_add_explicit(&table->alive, 1, memory_order_relaxed);
    }
    return slot;
}

void fmi_table_unreserve(fmi_table *table, fmi_slot *slot)
{
    atomic_fetch_sub_explicit(&table->alive, 1, memory_order_relaxed);
    pthread_mutex_lock(&table->lock);
    slot->next_free = table->free_head;
    table->free_head = slot->index + 1;
    pthread_mutex_unlock(&table->lock);
}

uint64_t fmi_table_next_id(const fmi_table *table, const fmi_slot *slot)
{
    uint64_t word = atomic_load_explicit(&slot->word, memory_order_relaxed);
    return (uint64_t)table->tag << 56 | (uint64_t)slot->index << 32 | (GENERATION(word) + 1);
}

uint64_t fmi_table_publish(fmi_table *table, fmi_slot *slot)
{
    uint64_t word = atomic_load_explicit(&slot->word, memory_order_relaxed);
    FMI_ASSERT("HANDLE-1", HOLDS(word) == 0 && (GENERATION(word) & 1) == 0);
    uint64_t id = fmi_table_next_id(table, slot);
    // Pairs with the acquire load in fmi_table_find: who sees the generation sees the object's fields.
    atomic_store_explicit(&slot->word, WORD(fmi_id_generation(id), 1), memory_order_release);
    return id;
}

void fmi_table_publish_nameless(fmi_table *table, fmi_slot *slot)
{
    uint64_t word = atomic_load_explicit(&slot->word, memory_order_relaxed);
    FMI_ASSERT("HANDLE-1", HOLDS(word) == 0 && (GENERATION(word) & 1) == 0);
    (void)table;
    // HANDLE-4: the generation stays even, as of an object whose handle is dead: no id matches it. Release: see
    // fmi_table_hold_slot.
    atomic_store_explicit(&slot->word, WORD(GENERATION(word), 1), memory_order_release);
}

// An object's label; NULL: it has none.
static const char *label_of(const fmi_table *table, const fmi_slot *slot)
{
    const char *label = table->label_of ? table->label_of(slot) : NULL;
    return label && *label ? label : NULL;
}

static void quote(char *out, size_t size_bytes, const char *label)
{
    if (label) {
        snprintf(out, size_bytes, "'%.*s' ", FMI_MOST_LABEL, label);
    }
}

// Remembers the label of the slot's object, which is gone but for `e`.
static void remember_locked(fmi_table *table, const fmi_slot *slot, const fmi_epitaph *e)
{
    if (!table->epitaphs) {
        table->epitaphs = calloc(FMI_TABLE_EPITAPHS, sizeof *table->epitaphs); // without host memory: no label later
    }
    if (table->epitaphs) {
        table->epitaphs[slot->index % FMI_TABLE_EPITAPHS] = *e;
    }
}

// The label of an object that is gone, if it is remembered.
static void recall(fmi_table *table, uint64_t id, char *out, size_t size_bytes)
{
    pthread_mutex_lock(&table->lock);
    const fmi_epitaph *e = table->epitaphs ? &table->epitaphs[fmi_id_index(id) % FMI_TABLE_EPITAPHS] : NULL;
    if (e && e->id == id) {
        quote(out, size_bytes, e->label);
    }
    pthread_mutex_unlock(&table->lock);
}

// Refuses a handle of this table: its object is gone, or dying (lists hold it, and it still has its label), or never
// was.
static fm_status refuse_stale(fmi_table *table, uint64_t id)
{
    uint32_t index = fmi_id_index(id), generation = fmi_id_generation(id);
    bool exists = atomic_load_explicit(&table->chunks[index / FMI_TABLE_CHUNK_SLOTS], memory_order_acquire) != NULL;
    fmi_slot *held = exists ? fmi_table_hold_slot(table, index) : NULL;
    char label[FMI_MOST_LABEL + 4] = "";
    uint32_t now = table->first_generation - 1;
    if (exists) {
        now = GENERATION(atomic_load(&fmi_table_slot(table, index)->word));
    }
    if (held) {
        if (GENERATION(atomic_load(&held->word)) == generation + 1 && (generation & 1)) {
            quote(label, sizeof label, label_of(table, held));
        }
        fmi_table_release(table, held);
    }
    recall(table, id, label, sizeof label); // last: a dying object may have gone meanwhile
    // Counted from the table's first one, since generations go round.
    uint32_t first = table->first_generation;
    bool has_been = (generation & 1) && generation + 1 - first < now + 1 - first;
    return fmi_fail(FM_ERROR_STALE_HANDLE, "%s %s(handle %#llx: slot %u, generation %u) %s", table->noun, label,
                    (unsigned long long)id, index, generation,
                    has_been ? "has been destroyed" : "was never created: this device has never given it out");
}

fm_status fmi_table_refuse(fmi_table *table, uint64_t id)
{
    const char *noun = table->noun;
    unsigned long long number = id;
    uint8_t tag = (uint8_t)(id >> 56);
    if (id == 0) {
        return fmi_fail(FM_ERROR_NULL_HANDLE, "the %s handle is null", noun);
    }
    if (tag == 0) { // no device has this tag
        return fmi_fail(FM_ERROR_FOREIGN_HANDLE, "%#llx is no %s handle: no device has ever given it out", number,
                        noun);
    }
    if (tag != table->tag) {
        return fmi_fail(FM_ERROR_FOREIGN_HANDLE, "%s handle %#llx belongs to another device", noun, number);
    }
    return refuse_stale(table, id);
}

bool fmi_table_try_hold(fmi_table *table, uint64_t id, fmi_slot **out)
{
    fmi_slot *slot = fmi_table_find(table, id);
    if (!slot) {
        return false;
    }
    uint64_t word = atomic_load_explicit(&slot->word, memory_order_relaxed);
    do {
        if (GENERATION(word) != fmi_id_generation(id)) {
            return false;
        }
        FMI_ASSERT("HANDLE-2", HOLDS(word) != UINT32_MAX);
        // Acquire on success pairs with fmi_table_publish; the increment itself publishes nothing.
    } while (!atomic_compare_exchange_weak_explicit(&slot->word, &word, word + 1, memory_order_acquire,
                                                    memory_order_relaxed));
    *out = slot;
    return true;
}

fm_status fmi_table_hold(fmi_table *table, uint64_t id, fmi_slot **out)
{
    return fmi_table_try_hold(table, id, out) ? FM_OK : fmi_table_refuse(table, id);
}

fmi_slot *fmi_table_hold_slot(fmi_table *table, uint32_t index)
{
    fmi_slot *slot = fmi_table_slot(table, index);
    uint64_t word = atomic_load_explicit(&slot->word, memory_order_relaxed);
    do {
        if (HOLDS(word) == 0) {
            return NULL;
        }
    } while (!atomic_compare_exchange_weak_explicit(&slot->word, &word, word + 1, memory_order_acquire,
                                                    memory_order_relaxed));
    return slot;
}

static void free_slot(fmi_table *table, fmi_slot *slot)
{
    uint32_t generation = GENERATION(atomic_load_explicit(&slot->word, memory_order_relaxed));
    const char *label = label_of(table, slot);
    fmi_epitaph epitaph;
    if (label) {
        epitaph.id = (uint64_t)table->tag << 56 | (uint64_t)slot->index << 32 | (generation - 1);
        size_t length = strnlen(label, sizeof epitaph.label - 1);
        memcpy(epitaph.label, label, length);
        epitaph.label[length] = 0;
    }
    table->free_object(table->user, slot);
    atomic_fetch_sub_explicit(&table->alive, 1, memory_order_relaxed);
    if (generation + 1 == table->first_generation) {
        return; // all generations are used up: this slot is never handed out again
    }
    pthread_mutex_lock(&table->lock);
    if (label) {
        remember_locked(table, slot, &epitaph);
    }
    slot->next_free = table->free_head;
    table->free_head = slot->index + 1;
    pthread_mutex_unlock(&table->lock);
}

fm_status fmi_table_retract(fmi_table *table, uint64_t id, fmi_slot **out)
{
    fmi_slot *slot = fmi_table_find(table, id);
    if (!slot) {
        return fmi_table_refuse(table, id);
    }
    uint64_t word = atomic_load_explicit(&slot->word, memory_order_relaxed);
    do {
        if (GENERATION(word) != fmi_id_generation(id)) {
            return fmi_table_refuse(table, id);
        }
    } while (!atomic_compare_exchange_weak(&slot->word, &word, WORD(GENERATION(word) + 1, HOLDS(word))));
    if (table->shares) {
        fmi_shares_collect(table, slot);
    }
    *out = slot;
    return FM_OK;
}

void fmi_table_release(fmi_table *table, fmi_slot *slot)
{
    // Acquire-release: pairs with the other holders' drops, so that whoever frees sees all their uses.
    uint64_t before = atomic_fetch_sub_explicit(&slot->word, 1, memory_order_acq_rel);
    FMI_ASSERT("HANDLE-2", HOLDS(before) > 0);
    if (HOLDS(before) == 1) {
        FMI_ASSERT("HANDLE-3", (GENERATION(before) & 1) == 0); // the owner's hold goes only with the generation
        free_slot(table, slot);
    }
}

fm_status fmi_table_kill(fmi_table *table, uint64_t id)
{
    fmi_slot *slot = NULL;
    fm_status status = fmi_table_retract(table, id, &slot);
    if (status == FM_OK) {
        fmi_table_release(table, slot);
    }
    return status;
}
