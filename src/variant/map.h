// One kernel's map from its choice of dtypes to the handle of a variant. A hint: the handle may be dead, because the cache lets
// go of variants without telling kernels; then whoever asks finds out when it tries to hold it, and has the variant made again.
// Look-ups take no lock, from any thread; changes are made under the kernel's lock.
#ifndef FMI_VARIANT_MAP_H
#define FMI_VARIANT_MAP_H

#include "base/table.h"

#include <stdatomic.h>
#include <stdint.h>

// One place. Empty until `id` is not 0. A place keeps its dtypes until the map is rebuilt.
typedef struct fmi_variant_entry {
    _Atomic(uint64_t) dtypes;
    _Atomic(uint64_t) id; // release store pairs with the acquire load of look-ups: who sees it sees `dtypes`
} fmi_variant_entry;

typedef struct fmi_variant_places {
    struct fmi_variant_places
        *outgrown;     // the one that it replaced; look-ups may still be in there, so it lives as long as the map
    uint32_t capacity; // a power of two
    uint32_t shift;    // 64 - log2(capacity)
    fmi_variant_entry entries[];
} fmi_variant_places;

typedef struct fmi_variant_map {
    _Atomic(fmi_variant_places *) places; // NULL = none yet; release store pairs with the acquire load of look-ups
    _Atomic(uint64_t) version;            // odd while places are being reused
    uint32_t used;                        // places that are not empty; guarded by the kernel's lock
} fmi_variant_map;

// The handle that was last set for these dtypes; 0 if there is none, or none can be told just now.
uint64_t fmi_variant_map_find(const fmi_variant_map *map, uint64_t dtypes);

// Sets the handle. Out of memory, it is not kept. Dead handles of `variants` are forgotten when the map is full.
void fmi_variant_map_set(fmi_variant_map *map, const fmi_table *variants, uint64_t dtypes, uint64_t id);

// How many of its handles are alive. Under the kernel's lock.
uint32_t fmi_variant_map_count(const fmi_variant_map *map, const fmi_table *variants);

void fmi_variant_map_free(fmi_variant_map *map);

#endif
