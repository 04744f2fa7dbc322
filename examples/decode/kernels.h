// The kernels of the decoder, in Fermata's portable language, and the constants that each of them takes. Attention and the 8-bit
// cache come from the kernel library (examples/common); the fused products are the decoder's own.
// How rows and columns of the matrices are split goes by the kind of device. Knows nothing of sequences and layers: forward.c puts the
// kernels in order.
#ifndef DECODE_KERNELS_H
#define DECODE_KERNELS_H

#include <fermata/fermata.h>

#include <stdbool.h>

typedef enum kernel_id {
    KERNEL_EMBED,    // x = the token's row of the embedding
    KERNEL_QKV,      // query, key and value of a position: RMSNorm, three matrices, RoPE
    KERNEL_SCORES,   // query · key for each head and position
    KERNEL_MIX,      // softmax of the scores, and the values weighted by it
    KERNEL_RESIDUAL, // x += matrix · vector
    KERNEL_GATE,     // silu(w1 · x) * (w3 · x), after RMSNorm
    KERNEL_LOGITS,   // classifier · x, after RMSNorm
    KERNEL_COUNT_F32,
    KERNEL_QUANTISE = KERNEL_COUNT_F32, // one position's keys or values, to 8 bits and a scale for each head
    KERNEL_SCORES_Q8,                   // as KERNEL_SCORES, from 8-bit keys
    KERNEL_MIX_Q8,                      // as KERNEL_MIX, from 8-bit values
    KERNEL_COUNT,
} kernel_id;

// How the decoder's own kernels are split into work-items.
typedef struct tiling {
    uint32_t rows;       // of a matrix in a work-item: 4 or 8
    uint32_t lanes;      // work-items that share these rows
    uint32_t group_size; // work-items in a workgroup; a multiple of lanes
    bool pairs;          // two floats of a row are one 64-bit element, in attention, too
} tiling;

typedef struct kernels {
    tiling tiling;
    fm_kernel handles[KERNEL_COUNT]; // owned; null where not created
} kernels;

// Constants, as the kernels see them. Counts are in elements.
typedef struct embed_constants {
    uint32_t dim, token;
} embed_constants;

typedef struct qkv_constants {
    uint32_t columns; // of the matrices: dim
    uint32_t kv_dim, head_size, position;
    uint32_t first; // element of `keys` and `values` to begin at
} qkv_constants;

// For scores, mix, and their 8-bit forms.
typedef struct attention_constants {
    uint32_t head_size, head_count, kv_head_count;
    uint32_t count; // positions attended to
} attention_constants;

// For residual, gate and logits: the matrix; that of gate has the rows of w1 and w3.
typedef struct matrix_constants {
    uint32_t rows, columns;
} matrix_constants;

typedef struct quantise_constants {
    uint32_t head_size, kv_head_count, position;
} quantise_constants;

// What suits a device. `even`: all matrices have an even number of columns, as pairs want it.
tiling kernels_choose_tiling(const fm_device_properties *properties, bool even);

// Workgroups that make `rows` rows of a matrix.
uint32_t kernels_group_count(const kernels *k, uint32_t rows);

// Creates the kernels on `device`, those of 8-bit keys and values only if `quantised`. On error none is left.
fm_status kernels_create(fm_device *device, tiling t, bool quantised, kernels *out);

void kernels_destroy(fm_device *device, kernels *k);

#endif
