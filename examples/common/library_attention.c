// Attention of one query over a cache of keys and values, in float or in 8 bits with a scale a head. See library.h.
// A score is one work-item; a work-item of mix makes four neighbouring elements of one head, so that it reads its scores once for four.
#include "library_texts.h"

enum { ITEMS = 32 }; // work-items in a workgroup

// What stands between quotes is laid out by hand.
// clang-format off

static const char scores_body[] =
    "uint t = global_id.x, h = global_id.y;\n"
    "if (t >= count) return;\n"
    "uint q = h * head_size;\n"
    "uint k = (t * kv_head_count + h / (head_count / kv_head_count)) * head_size;\n"
    "float s0 = 0.0f, s1 = 0.0f;\n"
    "for (uint i = 0u; i < head_size; i += 2u) {\n"
    "    s0 += query[q + i] * keys[k + i];\n"
    "    s1 += query[q + i + 1u] * keys[k + i + 1u];\n"
    "}\n"
    "scores[h * count + t] = (s0 + s1) * rsqrt(float(head_size));\n";

static const char scores_q8_body[] =
    "uint t = global_id.x, h = global_id.y;\n"
    "if (t >= count) return;\n"
    "uint q = h * head_size;\n"
    "uint kv = t * kv_head_count + h / (head_count / kv_head_count);\n"
    "uint k = kv * head_size;\n"
    "float s0 = 0.0f, s1 = 0.0f;\n"
    "for (uint i = 0u; i < head_size; i += 2u) {\n"
    "    s0 += query[q + i] * float(keys[k + i]);\n"
    "    s1 += query[q + i + 1u] * float(keys[k + i + 1u]);\n"
    "}\n"
    "scores[h * count + t] = (s0 + s1) * key_scales[kv] * rsqrt(float(head_size));\n";

// Where a work-item of mix stands: four elements of one head. Elements behind the head's last one repeat it.
#define MIX_BEGIN                                                                    \
    "uint parts = (head_size + 3u) / 4u;\n"                                          \
    "uint h = global_id.x / parts;\n"                                                \
    "if (h >= head_count) return;\n"                                                 \
    "uint e0 = global_id.x % parts * 4u, last = head_size - 1u;\n"                   \
    "uint e1 = min(e0 + 1u, last), e2 = min(e0 + 2u, last), e3 = min(e0 + 3u, last);\n" \
    "uint first = h * count;\n"                                                      \
    "uint kv_head = h / (head_count / kv_head_count);\n"                             \
    "float top = scores[first];\n"                                                   \
    "for (uint t = 1u; t < count; t++) top = max(top, scores[first + t]);\n"         \
    "float total = 0.0f, s0 = 0.0f, s1 = 0.0f, s2 = 0.0f, s3 = 0.0f;\n"

#define MIX_END                                                                      \
    "uint to = h * head_size;\n"                                                     \
    "float share = 1.0f / total;\n"                                                  \
    "mixed[to + e0] = s0 * share;\n"                                                 \
    "if (e1 > e0) mixed[to + e1] = s1 * share;\n"                                    \
    "if (e2 > e1) mixed[to + e2] = s2 * share;\n"                                    \
    "if (e3 > e2) mixed[to + e3] = s3 * share;\n"

static const char mix_body[] =
    MIX_BEGIN
    "for (uint t = 0u; t < count; t++) {\n"
    "    float p = exp(scores[first + t] - top);\n"
    "    uint v = (t * kv_head_count + kv_head) * head_size;\n"
    "    total += p;\n"
    "    s0 += p * values[v + e0];\n"
    "    s1 += p * values[v + e1];\n"
    "    s2 += p * values[v + e2];\n"
    "    s3 += p * values[v + e3];\n"
    "}\n"
    MIX_END;

static const char mix_q8_body[] =
    MIX_BEGIN
    "for (uint t = 0u; t < count; t++) {\n"
    "    float p = exp(scores[first + t] - top);\n"
    "    uint kv = t * kv_head_count + kv_head;\n"
    "    uint v = kv * head_size;\n"
    "    total += p;\n"
    "    p *= value_scales[kv];\n"
    "    s0 += p * float(values[v + e0]);\n"
    "    s1 += p * float(values[v + e1]);\n"
    "    s2 += p * float(values[v + e2]);\n"
    "    s3 += p * float(values[v + e3]);\n"
    "}\n"
    MIX_END;

static const char quantise_heads_body[] =
    "uint h = global_id.x;\n"
    "if (h >= kv_head_count) return;\n"
    "uint from = h * head_size;\n"
    "float top = 0.0f;\n"
    "for (uint i = 0u; i < head_size; i++) top = max(top, abs(source[from + i]));\n"
    "uint kv = position * kv_head_count + h;\n"
    "scales[kv] = top / 127.0f;\n"
    "float steps = top > 0.0f ? 127.0f / top : 0.0f;\n"
    "for (uint i = 0u; i < head_size; i++) cache[kv * head_size + i] = int(floor(source[from + i] * steps + 0.5f));\n";

// clang-format on

#define ATTENTION                                                                                                      \
    .constants = {UINT("head_size"), UINT("head_count"), UINT("kv_head_count"), UINT("count")},                        \
    .group_size = {ITEMS, 1, 1}, .covers = {ITEMS, 1}

const library_text library_attention_texts[] = {
    {.id = LIBRARY_SCORES,
     .name = "scores",
     .body = scores_body,
     .params = {READS("query"), READS("keys"), WRITES("scores")},
     ATTENTION},
    {.id = LIBRARY_MIX,
     .name = "mix_values",
     .body = mix_body,
     .params = {READS("scores"), READS("values"), WRITES("mixed")},
     ATTENTION},
    {.id = LIBRARY_SCORES_Q8,
     .name = "scores_q8",
     .body = scores_q8_body,
     .params = {READS("query"), {"keys", FM_DTYPE_I8, FM_ACCESS_READ}, READS("key_scales"), WRITES("scores")},
     ATTENTION},
    {.id = LIBRARY_MIX_Q8,
     .name = "mix_values_q8",
     .body = mix_q8_body,
     .params = {READS("scores"), {"values", FM_DTYPE_I8, FM_ACCESS_READ}, READS("value_scales"), WRITES("mixed")},
     ATTENTION},
    {.id = LIBRARY_QUANTISE_HEADS,
     .name = "quantise",
     .body = quantise_heads_body,
     .params = {READS("source"), {"cache", FM_DTYPE_I8, FM_ACCESS_WRITE}, WRITES("scales")},
     .constants = {UINT("head_size"), UINT("kv_head_count"), UINT("position")},
     .group_size = {ITEMS, 1, 1},
     .covers = {ITEMS, 1}},
};

const uint32_t library_attention_count = LIBRARY_LENGTH(library_attention_texts);
