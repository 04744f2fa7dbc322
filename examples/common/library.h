// A small kernel library in Fermata's portable language, shared by examples, tests and benchmarks. Not part of the installed library:
// take what you need. Each kernel states its bindings in order, its constants as a struct, and what one unit of work is; matrices are
// row-major, sizes are in elements and may be anything (no multiple of a tile). `float*` marks a binding whose dtype the dispatch
// chooses: f32, f16 or bf16; sums are made in float.
#ifndef EXAMPLES_LIBRARY_H
#define EXAMPLES_LIBRARY_H

#include <fermata/fermata.h>

typedef enum library_id {
    // Elements. Work: elements.
    LIBRARY_FILL,     // y[i] = value                        y float* (write)                     library_fill_constants
    LIBRARY_AXPY,     // y[i] += a x[i]                      x float*, y float*                   library_axpy_constants
    LIBRARY_ADD,      // z[i] = x[i] + y[i]                  x, y, z float*                       uint32_t count
    LIBRARY_MULTIPLY, // z[i] = x[i] y[i]                    x, y, z float*                       uint32_t count
    LIBRARY_SILU,     // y[i] = x[i] / (1 + exp(-x[i]))      x, y float*                          uint32_t count
    // Rows. Work: rows.
    LIBRARY_SUM, // y[row] = sum of a row; the last row may be short         x float*, y f32   library_rows_constants
    LIBRARY_MAX, // y[row] = largest of a row, likewise                      x float*, y f32   library_rows_constants
    LIBRARY_SOFTMAX, // y = exp(x) / sum of the row's exp(x)                     x, y float*       library_rows_constants
    LIBRARY_RMSNORM, // y = x weight / sqrt(mean of the row's squares + epsilon) x, weight, y float*  library_rmsnorm_constants
    // Rotary embedding of pairs of neighbours. Work: pairs. x float* (read, write), cosines and sines f32, one a position and pair.
    LIBRARY_ROPE, // library_rope_constants
    // c = a b. Work: columns, rows. a, b, c float*. library_matmul_constants
    LIBRARY_MATMUL_NAIVE, // a work-item an element, straight from memory
    LIBRARY_MATMUL_64,    // tiles of 64 × 64 in shared memory, 8 × 8 elements a work-item
    LIBRARY_MATMUL_128,   // tiles of 128 × 128, likewise
    // y[row] = sum of weight[row][i] x[i]. Work: rows. weight, x float*, y f32. library_matvec_constants
    LIBRARY_MATVEC,
    // Blocks of 32 elements with one scale each, by llama.cpp's arithmetic. The last block may be short. uint32_t count (elements)
    LIBRARY_QUANTISE_Q8_0,   // work: blocks. x f32, quants i8 (count), scales float* (one a block)
    LIBRARY_DEQUANTISE_Q8_0, // work: elements. quants, scales, y float*
    LIBRARY_QUANTISE_Q4_0,   // work: blocks. x f32, quants u8 (16 a block, two elements each), scales float*
    LIBRARY_DEQUANTISE_Q4_0, // work: elements. quants, scales, y float*
    // Attention of one query over `count` positions; heads may share keys and values. library_attention_constants
    LIBRARY_SCORES, // work: positions, heads. query, keys, scores f32
    LIBRARY_MIX, // softmax of the scores, values weighted by it. Work: heads × quarters of a head. scores, values, mixed f32
    // The same with query, keys and values bound as u64, two floats an element; head_size is even. For devices where loads are dear.
    LIBRARY_SCORES_PAIRS, // work: positions, heads
    LIBRARY_MIX_PAIRS,    // work: heads × eighths of a head, rounded up
    LIBRARY_SCORES_Q8,    // query f32, keys i8, key_scales f32 (one a position and head), scores f32
    LIBRARY_MIX_Q8,       // scores f32, values i8, value_scales f32, mixed f32
    // One position's keys or values to 8 bits and a scale a head. Work: heads. library_quantise_heads_constants
    LIBRARY_QUANTISE_HEADS, // source f32, cache i8, scales f32
    LIBRARY_COUNT,
} library_id;

typedef struct library_fill_constants {
    float value;
    uint32_t count;
} library_fill_constants;

typedef struct library_axpy_constants {
    float a;
    uint32_t count;
} library_axpy_constants;

typedef struct library_rows_constants {
    uint32_t columns; // of a row
    uint32_t count;   // of all rows
} library_rows_constants;

typedef struct library_rmsnorm_constants {
    uint32_t columns;
    float epsilon;
} library_rmsnorm_constants;

typedef struct library_rope_constants {
    uint32_t head_count;     // of one position in x
    uint32_t head_size;      // even
    uint32_t first_position; // of x's first, in the tables
    uint32_t pair_count;     // of x
} library_rope_constants;

typedef struct library_matmul_constants {
    uint32_t rows, columns; // of c
    uint32_t inner;         // columns of a, rows of b
} library_matmul_constants;

typedef struct library_matvec_constants {
    uint32_t rows, columns;
} library_matvec_constants;

typedef struct library_attention_constants {
    uint32_t head_size, head_count, kv_head_count;
    uint32_t count; // positions attended to
} library_attention_constants;

typedef struct library_quantise_heads_constants {
    uint32_t head_size, kv_head_count, position;
} library_quantise_heads_constants;

// Creates one kernel. Errors and lifetime as fm_kernel_create. Any thread.
fm_status library_create(fm_device *device, library_id id, fm_kernel *out);

// Records a dispatch over `x` by `y` units of the kernel's work (y = 1 where it has one axis). `bindings` and `constants` are the
// kernel's. Errors as fm_dispatch. The thread that owns `commands`.
fm_status library_dispatch(fm_commands *commands, library_id id, fm_kernel kernel, const fm_binding *bindings,
                           const void *constants, uint32_t x, uint32_t y);

// The kernel's name, "matmul_128". Static.
const char *library_name(library_id id);

// Which of the tiled products suits a device and a size best.
library_id library_choose_matmul(const fm_device_properties *properties, uint32_t rows, uint32_t columns);

#endif
