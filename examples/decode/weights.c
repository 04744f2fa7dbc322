// Tensors to the device. See weights.h.
// Written in pieces, each of which is waited for, so that a big checkpoint needs no second copy of itself as staging
// memory.
#include "weights.h"

#include <stdlib.h>

static const uint64_t piece_bytes = 16u << 20;
static const uint64_t write_timeout_ns = 60000000000;

// What one upload needs.
typedef struct uploader {
    fm_device *device;               // borrowed
    fm_stream stream;                // of the uploads
    fm_device_properties properties; // of the device
    failure *failure;                // borrowed
} uploader;

static bool create_tensor(uploader *u, const char *label, uint64_t elements, fm_buffer *out)
{
    uint64_t size_bytes = elements * sizeof(float);
    if (u->properties.binding_mode == FM_BINDING_DESCRIPTORS && size_bytes > u->properties.max_binding_bytes) {
        return failure_set(u->failure, EXIT_STATUS_BAD_INPUT,
                           "the model is too big for this device: tensor %s has %llu bytes, a kernel can bind %llu",
                           label, (unsigned long long)size_bytes, (unsigned long long)u->properties.max_binding_bytes);
    }
    fm_buffer_info info = {.size_bytes = size_bytes, .flags = FM_BUFFER_UNINITIALIZED, .label = label};
    fm_status status = fm_buffer_create(u->device, &info, out);
    return status == FM_OK || failure_set_from_library(u->failure, status, "cannot hold the model");
}

static bool write_tensor(uploader *u, fm_buffer buffer, uint64_t first_element, uint64_t elements, const float *source)
{
    const unsigned char *bytes = (const unsigned char *)source;
    uint64_t offset = first_element * sizeof(float), size_bytes = elements * sizeof(float);
    for (uint64_t done = 0; done < size_bytes; done += piece_bytes) {
        uint64_t piece = size_bytes - done < piece_bytes ? size_bytes - done : piece_bytes;
        fm_status status =
            fm_buffer_write(u->device, u->stream, buffer, offset + done, piece, bytes + done, write_timeout_ns);
        if (status != FM_OK) {
            return failure_set_from_library(u->failure, status, "cannot upload the model");
        }
    }
    return true;
}

static bool upload_tensor(uploader *u, const char *label, uint64_t elements, const float *source, fm_buffer *out)
{
    return create_tensor(u, label, elements, out) && write_tensor(u, *out, 0, elements, source);
}

static bool upload_layer(uploader *u, const model *m, uint32_t layer, layer_weights *out)
{
    uint64_t dim = m->dim, square = dim * dim, kv = dim * m->kv_dim, hidden = dim * m->hidden_dim;
    return upload_tensor(u, "rms_att", dim, m->attention_norm + layer * dim, &out->attention_norm) &&
           create_tensor(u, "wqkv", square + 2 * kv, &out->qkv) &&
           write_tensor(u, out->qkv, 0, square, m->wq + layer * square) &&
           write_tensor(u, out->qkv, square, kv, m->wk + layer * kv) &&
           write_tensor(u, out->qkv, square + kv, kv, m->wv + layer * kv) &&
           upload_tensor(u, "wo", square, m->wo + layer * square, &out->wo) &&
           upload_tensor(u, "rms_ffn", dim, m->ffn_norm + layer * dim, &out->ffn_norm) &&
           create_tensor(u, "w1 and w3", 2 * hidden, &out->gate) &&
           write_tensor(u, out->gate, 0, hidden, m->w1 + layer * hidden) &&
           write_tensor(u, out->gate, hidden, hidden, m->w3 + layer * hidden) &&
           upload_tensor(u, "w2", hidden, m->w2 + layer * hidden, &out->w2);
}

static bool upload_model(uploader *u, const model *m, weights *out)
{
    uint64_t vocab = (uint64_t)m->vocab_size * m->dim, angles = (uint64_t)m->seq_len * (m->head_size / 2);
    bool good = upload_tensor(u, "embedding", vocab, m->embedding, &out->embedding) &&
                upload_tensor(u, "rms_final", m->dim, m->final_norm, &out->final_norm) &&
                upload_tensor(u, "rope_cos", angles, m->cosines, &out->cosines) &&
                upload_tensor(u, "rope_sin", angles, m->sines, &out->sines);
    out->classifier = out->embedding;
    if (good && m->classifier != m->embedding) {
        good = upload_tensor(u, "classifier", vocab, m->classifier, &out->classifier);
    }
    for (uint32_t i = 0; i < m->layer_count && good; i++) {
        good = upload_layer(u, m, i, &out->layers[i]);
    }
    return good;
}

bool weights_create(fm_device *device, const model *m, weights *out, failure *f)
{
    *out = (weights){0};
    out->layers = calloc(m->layer_count, sizeof *out->layers);
    if (!out->layers) {
        return failure_set(f, EXIT_STATUS_FAILED, "no memory for %u layers", m->layer_count);
    }
    out->layer_count = m->layer_count;
    uploader u = {.device = device, .failure = f};
    fm_status status = fm_device_get_properties(device, &u.properties);
    if (status == FM_OK) {
        status = fm_stream_create(device, &(fm_stream_info){.label = "weights"}, &u.stream);
    }
    if (status != FM_OK) {
        return failure_set_from_library(f, status, "cannot upload the model");
    }
    bool good = upload_model(&u, m, out);
    fm_stream_destroy(device, u.stream);
    return good;
}

void weights_destroy(fm_device *device, weights *w)
{
    if (w->classifier.id != w->embedding.id) {
        fm_buffer_destroy(device, w->classifier);
    }
    fm_buffer_destroy(device, w->embedding);
    fm_buffer_destroy(device, w->final_norm);
    fm_buffer_destroy(device, w->cosines);
    fm_buffer_destroy(device, w->sines);
    for (uint32_t i = 0; i < w->layer_count; i++) {
        const layer_weights *layer = &w->layers[i];
        const fm_buffer buffers[] = {layer->attention_norm, layer->qkv,  layer->wo,
                                     layer->ffn_norm,       layer->gate, layer->w2};
        for (size_t j = 0; j < sizeof buffers / sizeof buffers[0]; j++) {
            fm_buffer_destroy(device, buffers[j]);
        }
    }
    free(w->layers);
    *w = (weights){0};
}
