// Keys and values. See cache.h. Never cleared: a position is read only after it was written.
#include "cache.h"

#include <stdlib.h>

static fm_status create_layer(fm_device *device, const model *m, uint64_t positions, bool quantised, layer_cache *out)
{
    uint64_t elements = positions * m->kv_dim, scales = quantised ? positions * m->kv_head_count : 0;
    uint64_t element_bytes = quantised ? 1 : sizeof(float);
    const struct {
        fm_buffer *buffer;
        const char *label;
        uint64_t size_bytes;
    } wanted[] = {
        {&out->keys, "keys", elements * element_bytes},
        {&out->values, "values", elements * element_bytes},
        {&out->key_scales, "key scales", scales * sizeof(float)},
        {&out->value_scales, "value scales", scales * sizeof(float)},
    };
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0] && wanted[i].size_bytes > 0; i++) {
        fm_buffer_info info = {
            .size_bytes = wanted[i].size_bytes, .flags = FM_BUFFER_UNINITIALIZED, .label = wanted[i].label};
        fm_status status = fm_buffer_create(device, &info, wanted[i].buffer);
        if (status != FM_OK) {
            return status;
        }
    }
    return FM_OK;
}

fm_status cache_create(fm_device *device, const model *m, uint32_t positions, bool quantised, kv_cache *out)
{
    *out = (kv_cache){.layers = calloc(m->layer_count, sizeof *out->layers), .layer_count = m->layer_count};
    if (!out->layers) {
        *out = (kv_cache){0};
        return FM_ERROR_OUT_OF_HOST_MEMORY;
    }
    for (uint32_t i = 0; i < m->layer_count; i++) {
        fm_status status = create_layer(device, m, positions, quantised, &out->layers[i]);
        if (status != FM_OK) {
            cache_destroy(device, out);
            return status;
        }
    }
    return FM_OK;
}

void cache_destroy(fm_device *device, kv_cache *cache)
{
    for (uint32_t i = 0; i < cache->layer_count; i++) {
        const layer_cache *layer = &cache->layers[i];
        fm_buffer_destroy(device, layer->keys);
        fm_buffer_destroy(device, layer->values);
        fm_buffer_destroy(device, layer->key_scales);
        fm_buffer_destroy(device, layer->value_scales);
    }
    free(cache->layers);
    *cache = (kv_cache){0};
}
