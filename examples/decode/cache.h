// One sequence's keys and values, for each layer and position: float32, or 8-bit numbers with a scale for each head and
// position. Knows nothing of kernels.
#ifndef DECODE_CACHE_H
#define DECODE_CACHE_H

#include "model.h"

#include <fermata/fermata.h>

typedef struct layer_cache {
    fm_buffer keys;         // [positions][kv_dim]
    fm_buffer values;       // [positions][kv_dim]
    fm_buffer key_scales;   // [positions][kv_head_count]; null unless quantised
    fm_buffer value_scales; // [positions][kv_head_count]; null unless quantised
} layer_cache;

typedef struct kv_cache {
    layer_cache *layers; // owned, [layer_count]
    uint32_t layer_count;
} kv_cache;

// Creates a cache with room for `positions`. On error none is left.
fm_status cache_create(fm_device *device, const model *m, uint32_t positions, bool quantised, kv_cache *out);

void cache_destroy(fm_device *device, kv_cache *cache);

#endif
