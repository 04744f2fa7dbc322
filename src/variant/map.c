// Open addressing, read without a lock. See variant_map.h.
// Setting fills an empty place or changes the handle in a place that has the same dtypes: a reader sees one or the other. Only when
// places change their dtypes could it take a neighbour's handle for its own; the version tells it, and it reports "none".
#include "variant/map.h"

#include <stdlib.h>

enum { FIRST_CAPACITY = 8 };

static uint32_t first_place(const fmi_variant_places *places, uint64_t dtypes)
{
    return (uint32_t)((dtypes + 1) * UINT64_C(0x9e3779b97f4a7c15) >> places->shift);
}

uint64_t fmi_variant_map_find(const fmi_variant_map *map, uint64_t dtypes)
{
    uint64_t version = atomic_load_explicit(&map->version, memory_order_acquire);
    const fmi_variant_places *places = atomic_load_explicit(&map->places, memory_order_acquire);
    if (!places || (version & 1)) {
        return 0;
    }
    for (uint32_t at = first_place(places, dtypes);; at = (at + 1) & (places->capacity - 1)) {
        const fmi_variant_entry *entry = &places->entries[at];
        uint64_t id = atomic_load_explicit(&entry->id, memory_order_acquire);
        if (id == 0) {
            return 0;
        }
        if (atomic_load_explicit(&entry->dtypes, memory_order_acquire) == dtypes) {
            // Acquire loads above: if one of them saw a reused place, this one sees the new version.
            return atomic_load_explicit(&map->version, memory_order_relaxed) == version ? id : 0;
        }
    }
}

// Release stores: pair with the acquire loads above, and put the version before them.
static void put(fmi_variant_places *places, uint64_t dtypes, uint64_t id)
{
    uint32_t at = first_place(places, dtypes);
    while (atomic_load_explicit(&places->entries[at].id, memory_order_relaxed) != 0) {
        at = (at + 1) & (places->capacity - 1);
    }
    atomic_store_explicit(&places->entries[at].dtypes, dtypes, memory_order_release);
    atomic_store_explicit(&places->entries[at].id, id, memory_order_release);
}

static fmi_variant_places *create_places(uint32_t capacity)
{
    fmi_variant_places *places = calloc(1, sizeof *places + capacity * sizeof(fmi_variant_entry));
    if (places) {
        places->capacity = capacity;
        places->shift = 64;
        for (uint32_t i = capacity; i > 1; i /= 2) {
            places->shift--;
        }
    }
    return places;
}

// A pair that survives a rebuild.
typedef struct pair {
    uint64_t dtypes;
    uint64_t id;
} pair;

// Collects the pairs whose variant is alive.
static uint32_t collect(const fmi_variant_places *places, const fmi_table *variants, pair *out)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < places->capacity; i++) {
        uint64_t id = atomic_load_explicit(&places->entries[i].id, memory_order_relaxed);
        if (id != 0 && fmi_table_find(variants, id)) {
            out[count++] = (pair){atomic_load_explicit(&places->entries[i].dtypes, memory_order_relaxed), id};
        }
    }
    return count;
}

// Empties the places and fills them again. Readers notice by the version.
static void refill(fmi_variant_map *map, fmi_variant_places *places, const pair *pairs, uint32_t count)
{
    uint64_t version = atomic_load_explicit(&map->version, memory_order_relaxed);
    atomic_store_explicit(&map->version, version + 1, memory_order_release);
    for (uint32_t i = 0; i < places->capacity; i++) {
        atomic_store_explicit(&places->entries[i].id, 0, memory_order_release);
    }
    for (uint32_t i = 0; i < count; i++) {
        put(places, pairs[i].dtypes, pairs[i].id);
    }
    atomic_store_explicit(&map->version, version + 2, memory_order_release);
}

// Makes room for one more: forgets dead handles, and grows if that is not enough. False: no memory.
static bool make_room(fmi_variant_map *map, const fmi_table *variants)
{
    fmi_variant_places *old = atomic_load_explicit(&map->places, memory_order_relaxed);
    uint32_t capacity = old ? old->capacity : FIRST_CAPACITY;
    pair *pairs = malloc(capacity * sizeof *pairs);
    if (!pairs) {
        return false;
    }
    uint32_t count = old ? collect(old, variants, pairs) : 0;
    if (old && count <= capacity / 2) {
        refill(map, old, pairs, count);
    } else {
        fmi_variant_places *places = create_places(old ? 2 * capacity : capacity);
        if (!places) {
            free(pairs);
            return false;
        }
        for (uint32_t i = 0; i < count; i++) {
            put(places, pairs[i].dtypes, pairs[i].id);
        }
        places->outgrown = old;
        atomic_store_explicit(&map->places, places, memory_order_release);
    }
    map->used = count;
    free(pairs);
    return true;
}

void fmi_variant_map_set(fmi_variant_map *map, const fmi_table *variants, uint64_t dtypes, uint64_t id)
{
    fmi_variant_places *places = atomic_load_explicit(&map->places, memory_order_relaxed);
    if (places) {
        for (uint32_t at = first_place(places, dtypes);; at = (at + 1) & (places->capacity - 1)) {
            fmi_variant_entry *entry = &places->entries[at];
            if (atomic_load_explicit(&entry->id, memory_order_relaxed) == 0) {
                break;
            }
            if (atomic_load_explicit(&entry->dtypes, memory_order_relaxed) == dtypes) {
                atomic_store_explicit(&entry->id, id, memory_order_release);
                return;
            }
        }
    }
    // A quarter stays empty, so that every probe ends.
    if ((!places || (map->used + 1) * 4 > places->capacity * 3) && !make_room(map, variants)) {
        return;
    }
    put(atomic_load_explicit(&map->places, memory_order_relaxed), dtypes, id);
    map->used++;
}

uint32_t fmi_variant_map_count(const fmi_variant_map *map, const fmi_table *variants)
{
    const fmi_variant_places *places = atomic_load_explicit(&map->places, memory_order_relaxed);
    uint32_t count = 0;
    for (uint32_t i = 0; places && i < places->capacity; i++) {
        uint64_t id = atomic_load_explicit(&places->entries[i].id, memory_order_relaxed);
        count += id != 0 && fmi_table_find(variants, id);
    }
    return count;
}

void fmi_variant_map_free(fmi_variant_map *map)
{
    fmi_variant_places *places = atomic_load_explicit(&map->places, memory_order_relaxed);
    while (places) {
        fmi_variant_places *outgrown = places->outgrown;
        free(places);
        places = outgrown;
    }
    atomic_store_explicit(&map->places, NULL, memory_order_relaxed);
}
