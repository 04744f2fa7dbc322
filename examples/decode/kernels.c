// Kernel texts. See kernels.h.
// RMSNorm costs no dispatch of its own: whoever writes four elements of x also writes the sum of their squares, and
// whoever reads x adds these sums up, a quarter of the numbers, and scales its dot products by the result.
#include "kernels.h"

#include "library.h"

#include <stddef.h>

// What stands between quotes is laid out by hand.
// clang-format off

// The scale of RMSNorm, from the sums of squares.
#define RMS_SCALE                                                                    \
    "float total = 0.0f;\n"                                                          \
    "for (uint i = 0u; i < (dim + 3u) / 4u; i++) total += squares[i];\n"             \
    "float scale = rsqrt(total / float(dim) + 1e-5f);\n"

// Four dot products of rows of `weight` with x * norm. Rows behind the last one repeat it, and are not stored.
#define FOUR_NORMED_ROWS                                                             \
    "uint last = rows - 1u;\n"                                                       \
    "uint p0 = row * dim, p1 = min(row + 1u, last) * dim;\n"                         \
    "uint p2 = min(row + 2u, last) * dim, p3 = min(row + 3u, last) * dim;\n"         \
    "float s0 = 0.0f, s1 = 0.0f, s2 = 0.0f, s3 = 0.0f;\n"                            \
    "for (uint i = 0u; i < dim; i++) {\n"                                            \
    "    float v = x[i] * norm[i];\n"                                                \
    "    s0 += weight[p0 + i] * v;\n"                                                \
    "    s1 += weight[p1 + i] * v;\n"                                                \
    "    s2 += weight[p2 + i] * v;\n"                                                \
    "    s3 += weight[p3 + i] * v;\n"                                                \
    "}\n"

static const char embed_body[] =
    "uint i = global_id.x * 4u;\n"
    "if (i >= dim) return;\n"
    "uint end = min(i + 4u, dim);\n"
    "float sum = 0.0f;\n"
    "for (; i < end; i++) {\n"
    "    float v = embedding[token * dim + i];\n"
    "    x[i] = v;\n"
    "    sum += v * v;\n"
    "}\n"
    "squares[global_id.x] = sum;\n";

// The rows of wq, wk and wv lie one behind the other. All three have an even number of rows, so that a pair of
// neighbours, which RoPE rotates, is of one kind.
static const char qkv_body[] =
    "uint rows = dim + 2u * kv_dim;\n"
    "uint row = global_id.x * 4u;\n"
    "if (row >= rows) return;\n"
    RMS_SCALE
    FOUR_NORMED_ROWS
    "for (uint pair = 0u; pair < 2u && row < rows; pair++) {\n"
    "    float a = scale * (pair == 0u ? s0 : s2);\n"
    "    float b = scale * (pair == 0u ? s1 : s3);\n"
    "    if (row >= dim + kv_dim) {\n"
    "        uint to = slot + row - dim - kv_dim;\n"
    "        values[to] = a;\n"
    "        values[to + 1u] = b;\n"
    "    } else {\n"
    "        uint within = row < dim ? row : row - dim;\n"
    "        uint angle = (position * head_size + within % head_size) / 2u;\n"
    "        float c = cosines[angle], s = sines[angle];\n"
    "        if (row < dim) {\n"
    "            query[within] = a * c - b * s;\n"
    "            query[within + 1u] = a * s + b * c;\n"
    "        } else {\n"
    "            keys[slot + within] = a * c - b * s;\n"
    "            keys[slot + within + 1u] = a * s + b * c;\n"
    "        }\n"
    "    }\n"
    "    row += 2u;\n"
    "}\n";

static const char residual_body[] =
    "uint row = global_id.x * 4u;\n"
    "if (row >= rows) return;\n"
    "uint last = rows - 1u;\n"
    "uint p0 = row * columns, p1 = min(row + 1u, last) * columns;\n"
    "uint p2 = min(row + 2u, last) * columns, p3 = min(row + 3u, last) * columns;\n"
    "float s0 = 0.0f, s1 = 0.0f, s2 = 0.0f, s3 = 0.0f;\n"
    "for (uint i = 0u; i < columns; i++) {\n"
    "    float v = vector[i];\n"
    "    s0 += weight[p0 + i] * v;\n"
    "    s1 += weight[p1 + i] * v;\n"
    "    s2 += weight[p2 + i] * v;\n"
    "    s3 += weight[p3 + i] * v;\n"
    "}\n"
    "float sum = 0.0f;\n"
    "uint end = min(row + 4u, rows);\n"
    "for (uint i = row; i < end; i++) {\n"
    "    float v = x[i] + (i == row ? s0 : i == row + 1u ? s1 : i == row + 2u ? s2 : s3);\n"
    "    x[i] = v;\n"
    "    sum += v * v;\n"
    "}\n"
    "squares[global_id.x] = sum;\n";

// Two rows of w1 and the same two of w3.
static const char gate_body[] =
    "uint row = global_id.x * 2u;\n"
    "if (row >= rows) return;\n"
    RMS_SCALE
    "uint p0 = row * dim, p1 = min(row + 1u, rows - 1u) * dim;\n"
    "float a0 = 0.0f, a1 = 0.0f, b0 = 0.0f, b1 = 0.0f;\n"
    "for (uint i = 0u; i < dim; i++) {\n"
    "    float v = x[i] * norm[i];\n"
    "    a0 += w1[p0 + i] * v;\n"
    "    a1 += w1[p1 + i] * v;\n"
    "    b0 += w3[p0 + i] * v;\n"
    "    b1 += w3[p1 + i] * v;\n"
    "}\n"
    "a0 *= scale;\n"
    "hidden[row] = a0 / (1.0f + exp(-a0)) * (b0 * scale);\n"
    "if (row + 1u < rows) {\n"
    "    a1 *= scale;\n"
    "    hidden[row + 1u] = a1 / (1.0f + exp(-a1)) * (b1 * scale);\n"
    "}\n";

static const char logits_body[] =
    "uint row = global_id.x * 4u;\n"
    "if (row >= rows) return;\n"
    RMS_SCALE
    FOUR_NORMED_ROWS
    "logits[row] = s0 * scale;\n"
    "if (row + 1u < rows) logits[row + 1u] = s1 * scale;\n"
    "if (row + 2u < rows) logits[row + 2u] = s2 * scale;\n"
    "if (row + 3u < rows) logits[row + 3u] = s3 * scale;\n";

// One kernel of the decoder's own, as fm_kernel_create wants it. Lists end with a NULL name; all constants are U32.
typedef struct kernel_text {
    const char *name;
    const char *body;
    fm_kernel_param params[FM_MAX_BINDINGS]; // in the order of the bindings
    const char *constants[6];                // names, in the order of the struct in kernels.h
} kernel_text;

#define READS(name) {name, FM_DTYPE_F32, FM_ACCESS_READ}
#define WRITES(name) {name, FM_DTYPE_F32, FM_ACCESS_WRITE}
#define UPDATES(name) {name, FM_DTYPE_F32, FM_ACCESS_READ_WRITE}

// clang-format on

static const kernel_text texts[KERNEL_COUNT] = {
    [KERNEL_EMBED] = {"embed", embed_body, {READS("embedding"), WRITES("x"), WRITES("squares")}, {"dim", "token"}},
    [KERNEL_QKV] = {"qkv",
                    qkv_body,
                    {READS("x"), READS("squares"), READS("norm"), READS("weight"), READS("cosines"), READS("sines"),
                     WRITES("query"), WRITES("keys"), WRITES("values")},
                    {"dim", "kv_dim", "head_size", "position", "slot"}},
    [KERNEL_RESIDUAL] = {"residual",
                         residual_body,
                         {READS("vector"), READS("weight"), UPDATES("x"), WRITES("squares")},
                         {"rows", "columns"}},
    [KERNEL_GATE] = {"gate",
                     gate_body,
                     {READS("x"), READS("squares"), READS("norm"), READS("w1"), READS("w3"), WRITES("hidden")},
                     {"rows", "dim"}},
    [KERNEL_LOGITS] = {"logits",
                       logits_body,
                       {READS("x"), READS("squares"), READS("norm"), READS("weight"), WRITES("logits")},
                       {"rows", "dim"}},
};

// Those that are not the decoder's own.
static const library_id shared_ids[KERNEL_COUNT] = {
    [KERNEL_SCORES] = LIBRARY_SCORES,           [KERNEL_MIX] = LIBRARY_MIX,
    [KERNEL_QUANTISE] = LIBRARY_QUANTISE_HEADS, [KERNEL_SCORES_Q8] = LIBRARY_SCORES_Q8,
    [KERNEL_MIX_Q8] = LIBRARY_MIX_Q8,
};

static fm_status create_kernel(fm_device *device, kernel_id id, fm_kernel *out)
{
    const kernel_text *text = &texts[id];
    if (!text->name) {
        return library_create(device, shared_ids[id], out);
    }
    fm_kernel_constant constants[sizeof text->constants / sizeof text->constants[0]];
    fm_kernel_info info = {
        .name = text->name,
        .code = text->body,
        .params = text->params,
        .constants = constants,
        .group_size = {KERNEL_GROUP_SIZE, 1, 1},
    };
    while (text->params[info.param_count].name) {
        info.param_count++;
    }
    for (; text->constants[info.constant_count]; info.constant_count++) {
        constants[info.constant_count] = (fm_kernel_constant){text->constants[info.constant_count], FM_DTYPE_U32};
    }
    return fm_kernel_create(device, &info, out);
}

fm_status kernels_create(fm_device *device, bool quantised, kernels *out)
{
    *out = (kernels){0};
    for (int i = 0; i < (quantised ? (int)KERNEL_COUNT : (int)KERNEL_COUNT_F32); i++) {
        fm_status status = create_kernel(device, (kernel_id)i, &out->handles[i]);
        if (status != FM_OK) {
            kernels_destroy(device, out);
            return status;
        }
    }
    return FM_OK;
}

void kernels_destroy(fm_device *device, kernels *k)
{
    for (int i = 0; i < KERNEL_COUNT; i++) {
        fm_kernel_destroy(device, k->handles[i]);
    }
    *k = (kernels){0};
}
