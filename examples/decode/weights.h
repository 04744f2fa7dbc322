// A model's tensors on a device, one buffer each, shared by all sequences: nothing writes to them once they are there.
// Knows files and buffers, not kernels.
#ifndef DECODE_WEIGHTS_H
#define DECODE_WEIGHTS_H

#include "model.h"

#include <fermata/fermata.h>

typedef struct layer_weights {
    fm_buffer attention_norm; // [dim]
    fm_buffer qkv;            // [dim + 2 kv_dim][dim]: wq, wk and wv
    fm_buffer wo;             // [dim][dim]
    fm_buffer ffn_norm;       // [dim]
    fm_buffer gate;           // [2 hidden_dim][dim]: w1 and w3
    fm_buffer w2;             // [dim][hidden_dim]
} layer_weights;

typedef struct weights {
    fm_buffer embedding;   // [vocab_size][dim]
    fm_buffer classifier;  // [vocab_size][dim]; the embedding's handle where the model shares it
    fm_buffer final_norm;  // [dim]
    fm_buffer cosines;     // [seq_len][head_size / 2]
    fm_buffer sines;       // [seq_len][head_size / 2]
    layer_weights *layers; // owned, [layer_count]
    uint32_t layer_count;
} weights;

// Checks that `device` can bind the model's largest tensor, and uploads all of them. A model too big for the device is
// a bad input. The result is to be destroyed in either case.
bool weights_create(fm_device *device, const model *m, weights *out, failure *f);

void weights_destroy(fm_device *device, weights *w);

#endif
