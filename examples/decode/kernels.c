// Kernel texts. See kernels.h.
// The matrix kernels begin alike: a work-item makes ROWS neighbouring rows, so that what it reads of the vector serves all of them; LANES
// work-items share these rows, each with every LANES-th column, and add up their parts in shared memory. RMSNorm costs no dispatch of
// its own: who reads all of x sums up its squares on the way, and scales its dot products by the result.
#include "kernels.h"

#include "library.h"

#include <stddef.h>

// What stands between quotes is laid out by hand.
// clang-format off

// Matrices and vectors are read as floats or, with PAIRS, as two floats in 64 bits: half the loads. `v0` and `v1` are the vector's.
static const char header[] =
    "#if PAIRS\n"
    "#define WIDTH 2u\n"
    "#define ELEMENT ulong\n"
    "#define LOW(e) as_float(uint(e))\n"
    "#define HIGH(e) as_float(uint((e) >> 32))\n"
    "#define VECTOR(e) float v0 = LOW(e), v1 = HIGH(e)\n"
    "#define NORM(e) v0 *= LOW(e); v1 *= HIGH(e)\n"
    "#define SQUARE (v0 * v0 + v1 * v1)\n"
    "#define ADD(s, w) e = w; s += LOW(e) * v0 + HIGH(e) * v1\n"
    "#else\n"
    "#define WIDTH 1u\n"
    "#define ELEMENT float\n"
    "#define VECTOR(e) float v0 = e\n"
    "#define NORM(e) v0 *= e\n"
    "#define SQUARE (v0 * v0)\n"
    "#define ADD(s, w) s += w * v0\n"
    "#endif\n"
    // Where a row lies: with TWINS the matrix is two, one behind the other, of which each gives every other row.
    "#if TWINS\n"
    "#define PLACE(r) ((r) / 2u + (r) % 2u * (rows / 2u))\n"
    "#else\n"
    "#define PLACE(r) (r)\n"
    "#endif\n"
    "#if NORMED\n"
    "#define IF_NORMED(text) text\n"
    "#else\n"
    "#define IF_NORMED(text)\n"
    "#endif\n"
    "#if ROWS == 8\n"
    "#define IF_EIGHT(text) text\n"
    "#else\n"
    "#define IF_EIGHT(text)\n"
    "#endif\n"
    // How many whole rows a work-item has in the end, and what only one that shares them does or does not do.
    "#if LANES == 1\n"
    "#define DONE ROWS\n"
    "#define IF_ALONE(text) text\n"
    "#define IF_SHARED(text)\n"
    "#else\n"
    "#define DONE 2u\n"
    "#define IF_ALONE(text)\n"
    "#define IF_SHARED(text) text\n"
    "#endif\n";

// A row's variables are no arrays, whose elements the host device's compiler would keep in memory.
#define EACH_ROW(DO)                                                                 \
    DO("0") "\n" DO("1") "\n" DO("2") "\n" DO("3") "\n"                              \
    "IF_EIGHT(" DO("4") ")\n" "IF_EIGHT(" DO("5") ")\n"                              \
    "IF_EIGHT(" DO("6") ")\n" "IF_EIGHT(" DO("7") ")\n"
#define BEGIN_ROW(n) "uint p" n " = PLACE(min(row + " n "u, rows - 1u)) * width; float s" n " = 0.0f;"
#define ADD_TO_ROW(n) "ADD(s" n ", weight[p" n " + i]);"
#define KEEP_ROW(n) "IF_ALONE(sums[" n "] = s" n ";)"
#define SHARE_ROW(n) "IF_SHARED(parts[" n "u * GROUP + local_id.x] = s" n ";)"

// `sums`: DONE rows' products with the vector, from `row` on. Rows behind the last one repeat it; they are not to be stored.
#define PRODUCTS                                                                     \
    "uint lane = local_id.x % LANES, slot = local_id.x / LANES;\n"                   \
    "uint row = (group_id.x * (GROUP / LANES) + slot) * ROWS;\n"                     \
    "IF_ALONE(if (row >= rows) return;)\n"                                           \
    "uint width = columns / WIDTH;\n"                                                \
    "ELEMENT e;\n"                                                                   \
    EACH_ROW(BEGIN_ROW)                                                              \
    "float squares = 0.0f;\n"                                                        \
    "for (uint i = lane; i < width; i += LANES) {\n"                                 \
    "    e = vector[i];\n"                                                           \
    "    VECTOR(e);\n"                                                               \
    "    IF_NORMED(squares += SQUARE; e = norm[i]; NORM(e);)\n"                      \
    EACH_ROW(ADD_TO_ROW)                                                             \
    "}\n"                                                                            \
    "float sums[DONE];\n"                                                            \
    EACH_ROW(KEEP_ROW)                                                               \
    EACH_ROW(SHARE_ROW)                                                              \
    "IF_SHARED(parts[ROWS * GROUP + local_id.x] = squares; barrier();)\n"            \
    "IF_SHARED(if (lane >= ROWS / 2u) return;)\n"                                    \
    "IF_SHARED(row += lane * 2u; sums[0] = sums[1] = squares = 0.0f;)\n"             \
    "IF_SHARED(for (uint i = slot * LANES; i < (slot + 1u) * LANES; i++) {)\n"       \
    "IF_SHARED(    sums[0] += parts[lane * 2u * GROUP + i];)\n"                      \
    "IF_SHARED(    sums[1] += parts[(lane * 2u + 1u) * GROUP + i];)\n"               \
    "IF_SHARED(    squares += parts[ROWS * GROUP + i];)\n"                           \
    "IF_SHARED(})\n"                                                                 \
    "IF_NORMED(float scale = rsqrt(squares / float(columns) + 1e-5f);)\n"            \
    "IF_NORMED(for (uint r = 0u; r < DONE; r++) sums[r] *= scale;)\n"

static const char embed_body[] =
    "uint i = global_id.x;\n"
    "if (i < dim) x[i] = embedding[token * dim + i];\n";

// The rows of wq, wk and wv lie one behind the other. All three have an even number of rows, so that a pair of
// neighbours, which RoPE rotates, is of one kind.
static const char qkv_body[] =
    "uint rows = columns + 2u * kv_dim;\n"
    PRODUCTS
    "for (uint r = 0u; r < DONE && row < rows; r += 2u) {\n"
    "    float a = sums[r], b = sums[r + 1u];\n"
    "    if (row >= columns + kv_dim) {\n"
    "        uint to = first + row - columns - kv_dim;\n"
    "        values[to] = a;\n"
    "        values[to + 1u] = b;\n"
    "    } else {\n"
    "        uint within = row < columns ? row : row - columns;\n"
    "        uint angle = (position * head_size + within % head_size) / 2u;\n"
    "        float c = cosines[angle], s = sines[angle];\n"
    "        if (row < columns) {\n"
    "            query[within] = a * c - b * s;\n"
    "            query[within + 1u] = a * s + b * c;\n"
    "        } else {\n"
    "            keys[first + within] = a * c - b * s;\n"
    "            keys[first + within + 1u] = a * s + b * c;\n"
    "        }\n"
    "    }\n"
    "    row += 2u;\n"
    "}\n";

static const char residual_body[] =
    PRODUCTS
    "for (uint r = 0u; r < DONE && row + r < rows; r++) x[row + r] += sums[r];\n";

// Rows of w1 and w3 in turn.
static const char gate_body[] =
    PRODUCTS
    "for (uint r = 0u; r < DONE && row + r < rows; r += 2u) {\n"
    "    float gate = sums[r];\n"
    "    hidden[(row + r) / 2u] = gate / (1.0f + exp(-gate)) * sums[r + 1u];\n"
    "}\n";

static const char logits_body[] =
    PRODUCTS
    "for (uint r = 0u; r < DONE && row + r < rows; r++) logits[row + r] = sums[r];\n";

// One kernel of the decoder's own, as fm_kernel_create wants it. Lists end with a NULL name; all constants are U32.
typedef struct kernel_text {
    const char *name;
    const char *body;
    fm_kernel_param params[FM_MAX_BINDINGS]; // in the order of the bindings; with a dtype of NONE: floats or pairs of them
    const char *constants[6];                // names, in the order of the struct in kernels.h
    bool normed;                             // specialisation NORMED
    bool twins;                              // specialisation TWINS
} kernel_text;

#define READS(name) {name, FM_DTYPE_F32, FM_ACCESS_READ}
#define READS_ELEMENTS(name) {name, FM_DTYPE_NONE, FM_ACCESS_READ}
#define WRITES(name) {name, FM_DTYPE_F32, FM_ACCESS_WRITE}
#define UPDATES(name) {name, FM_DTYPE_F32, FM_ACCESS_READ_WRITE}

// clang-format on

static const kernel_text texts[KERNEL_COUNT] = {
    [KERNEL_EMBED] = {.name = "embed",
                      .body = embed_body,
                      .params = {READS("embedding"), WRITES("x")},
                      .constants = {"dim", "token"}},
    [KERNEL_QKV] = {.name = "qkv",
                    .body = qkv_body,
                    .params = {READS_ELEMENTS("vector"), READS_ELEMENTS("norm"), READS_ELEMENTS("weight"),
                               READS("cosines"), READS("sines"), WRITES("query"), WRITES("keys"), WRITES("values")},
                    .constants = {"columns", "kv_dim", "head_size", "position", "first"},
                    .normed = true},
    [KERNEL_RESIDUAL] = {.name = "residual",
                         .body = residual_body,
                         .params = {READS_ELEMENTS("vector"), READS_ELEMENTS("weight"), UPDATES("x")},
                         .constants = {"rows", "columns"}},
    [KERNEL_GATE] = {.name = "gate",
                     .body = gate_body,
                     .params = {READS_ELEMENTS("vector"), READS_ELEMENTS("norm"), READS_ELEMENTS("weight"),
                                WRITES("hidden")},
                     .constants = {"rows", "columns"},
                     .normed = true,
                     .twins = true},
    [KERNEL_LOGITS] = {.name = "logits",
                       .body = logits_body,
                       .params = {READS_ELEMENTS("vector"), READS_ELEMENTS("norm"), READS_ELEMENTS("weight"),
                                  WRITES("logits")},
                       .constants = {"rows", "columns"},
                       .normed = true},
};

// Those that are not the decoder's own.
static const library_id shared_ids[KERNEL_COUNT] = {
    [KERNEL_SCORES] = LIBRARY_SCORES,           [KERNEL_MIX] = LIBRARY_MIX,
    [KERNEL_QUANTISE] = LIBRARY_QUANTISE_HEADS, [KERNEL_SCORES_Q8] = LIBRARY_SCORES_Q8,
    [KERNEL_MIX_Q8] = LIBRARY_MIX_Q8,
};

static const library_id paired_ids[KERNEL_COUNT] = {
    [KERNEL_SCORES] = LIBRARY_SCORES_PAIRS,     [KERNEL_MIX] = LIBRARY_MIX_PAIRS,
    [KERNEL_QUANTISE] = LIBRARY_QUANTISE_HEADS, [KERNEL_SCORES_Q8] = LIBRARY_SCORES_Q8,
    [KERNEL_MIX_Q8] = LIBRARY_MIX_Q8,
};

static fm_status create_kernel(fm_device *device, kernel_id id, const tiling *t, fm_kernel *out)
{
    const kernel_text *text = &texts[id];
    if (!text->name) {
        return library_create(device, (t->pairs ? paired_ids : shared_ids)[id], out);
    }
    fm_kernel_param params[FM_MAX_BINDINGS];
    fm_kernel_constant constants[sizeof text->constants / sizeof text->constants[0]];
    const fm_kernel_special specials[] = {
        {"ROWS", FM_DTYPE_U32, t->rows},        {"LANES", FM_DTYPE_U32, t->lanes},
        {"GROUP", FM_DTYPE_U32, t->group_size}, {"PAIRS", FM_DTYPE_U32, t->pairs},
        {"NORMED", FM_DTYPE_U32, text->normed}, {"TWINS", FM_DTYPE_U32, text->twins},
    };
    const fm_kernel_shared parts = {"parts", FM_DTYPE_F32, (t->rows + 1) * t->group_size};
    fm_kernel_info info = {
        .name = text->name,
        .code = text->body,
        .header = header,
        .params = params,
        .constants = constants,
        .shared = &parts,
        .shared_count = t->lanes > 1,
        .specials = specials,
        .special_count = sizeof specials / sizeof specials[0],
        .group_size = {t->group_size, 1, 1},
    };
    for (; text->params[info.param_count].name; info.param_count++) {
        fm_kernel_param *param = &params[info.param_count];
        *param = text->params[info.param_count];
        if (param->dtype == FM_DTYPE_NONE) {
            param->dtype = t->pairs ? FM_DTYPE_U64 : FM_DTYPE_F32;
        }
    }
    for (; text->constants[info.constant_count]; info.constant_count++) {
        constants[info.constant_count] = (fm_kernel_constant){text->constants[info.constant_count], FM_DTYPE_U32};
    }
    return fm_kernel_create(device, &info, out);
}

// On a CPU a load costs more than arithmetic, on a CPU driver by far: a work-item with many rows and pairs has the fewest.
// A driver's cores want small workgroups; the host device, which shares them out itself, wants fewer. A GPU wants
// neighbouring work-items that read neighbouring columns, and many of them.
tiling kernels_choose_tiling(const fm_device_properties *properties, bool even)
{
    switch (properties->kind) {
    case FM_DEVICE_DISCRETE_GPU:
    case FM_DEVICE_INTEGRATED_GPU: return (tiling){.rows = 4, .lanes = 32, .group_size = 128};
    case FM_DEVICE_CPU:
        return (tiling){
            .rows = 8, .lanes = 1, .group_size = 8, .pairs = even && (properties->dtype_mask >> FM_DTYPE_U64 & 1) != 0};
    case FM_DEVICE_HOST: break;
    }
    return (tiling){.rows = 8, .lanes = 1, .group_size = 16};
}

uint32_t kernels_group_count(const kernels *k, uint32_t rows)
{
    uint32_t rows_per_group = k->tiling.group_size / k->tiling.lanes * k->tiling.rows;
    return rows / rows_per_group + (rows % rows_per_group != 0);
}

fm_status kernels_create(fm_device *device, tiling t, bool quantised, kernels *out)
{
    *out = (kernels){.tiling = t};
    for (int i = 0; i < (quantised ? (int)KERNEL_COUNT : (int)KERNEL_COUNT_F32); i++) {
        fm_status status = create_kernel(device, (kernel_id)i, &t, &out->handles[i]);
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
