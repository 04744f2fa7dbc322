// A llama2.c checkpoint, version 0, read and checked: the model's shape and where its tensors lie in the file.
// Nothing here touches a device. The file's numbers are little endian, and so must the machine be.
#ifndef DECODE_MODEL_H
#define DECODE_MODEL_H

#include "file.h"

#include <stdint.h>

// All tensors are float32 and row-major; those of all layers lie one behind the other.
typedef struct model {
    mapped_file file; // owned; the tensors point into it
    float *rope;      // owned; NULL when the file's own tables are used

    uint32_t dim;        // floats in the residual stream
    uint32_t hidden_dim; // floats in a feed-forward layer
    uint32_t layer_count;
    uint32_t head_count;    // query heads
    uint32_t kv_head_count; // key/value heads; each serves head_count / kv_head_count query heads
    uint32_t vocab_size;
    uint32_t seq_len;   // positions there are
    uint32_t head_size; // dim / head_count, even
    uint32_t kv_dim;    // kv_head_count * head_size

    const float *embedding;      // [vocab_size][dim]
    const float *attention_norm; // [layer_count][dim]
    const float *wq;             // [layer_count][dim][dim]
    const float *wk;             // [layer_count][kv_dim][dim]
    const float *wv;             // [layer_count][kv_dim][dim]
    const float *wo;             // [layer_count][dim][dim]
    const float *ffn_norm;       // [layer_count][dim]
    const float *w1;             // [layer_count][hidden_dim][dim]
    const float *w2;             // [layer_count][dim][hidden_dim]
    const float *w3;             // [layer_count][hidden_dim][dim]
    const float *final_norm;     // [dim]
    const float *cosines;        // [seq_len][head_size / 2]
    const float *sines;          // [seq_len][head_size / 2]
    const float *classifier;     // [vocab_size][dim]; the embedding where the file shares it
} model;

// Maps and checks the checkpoint at `path`. A header that makes no sense, or one that does not fit the file's size, is
// a bad input. RoPE tables that are not finite are computed anew. On failure nothing stays open.
bool model_open(const char *path, model *out, failure *f);

void model_close(model *m);

#endif
