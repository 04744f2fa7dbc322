// Attention of one query over a cache of keys and values, in float or in 8 bits with a scale a head. See library.h.
// A score is one work-item; a work-item of mix makes four neighbouring elements of one head, so that it reads its scores once for four.
#include "library_texts.h"

enum {
    ITEMS = 32,     // work-items in a workgroup
    PAIR_ITEMS = 8, // likewise, of the kernels that read pairs
};

#define READS_PAIRS(name)                                                                                              \
    {                                                                                                                  \
        name, FM_DTYPE_U64, FM_ACCESS_READ                                                                             \
    }

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

// The same from pairs of floats: half the loads, four positions and eight elements a work-item. Where a load costs a work-item much, as
// on a CPU driver.
#define LOW(e) "as_float(uint(" e "))"
#define HIGH(e) "as_float(uint(" e " >> 32))"

#define ADD_SCORE(n) "b = keys[k" n " + i]; s" n " += x * " LOW("b") " + y * " HIGH("b") ";\n"

static const char scores_pairs_body[] =
    "uint t = global_id.x * 4u, h = global_id.y;\n"
    "if (t >= count) return;\n"
    "uint pairs = head_size / 2u, step = kv_head_count * pairs, more = count - 1u - t;\n"
    "uint q = h * pairs;\n"
    "uint k0 = t * step + h / (head_count / kv_head_count) * pairs;\n"
    "uint k1 = k0 + min(1u, more) * step, k2 = k0 + min(2u, more) * step, k3 = k0 + min(3u, more) * step;\n"
    "float s0 = 0.0f, s1 = 0.0f, s2 = 0.0f, s3 = 0.0f;\n"
    "for (uint i = 0u; i < pairs; i++) {\n"
    "    ulong a = query[q + i], b;\n"
    "    float x = " LOW("a") ", y = " HIGH("a") ";\n"
    ADD_SCORE("0") ADD_SCORE("1") ADD_SCORE("2") ADD_SCORE("3")
    "}\n"
    "float scale = rsqrt(float(head_size));\n"
    "uint to = h * count + t;\n"
    "scores[to] = s0 * scale;\n"
    "if (more > 0u) scores[to + 1u] = s1 * scale;\n"
    "if (more > 1u) scores[to + 2u] = s2 * scale;\n"
    "if (more > 2u) scores[to + 3u] = s3 * scale;\n";

#define ADD_VALUE(n) "b = values[v + e" n "]; x" n " += p * " LOW("b") "; y" n " += p * " HIGH("b") ";\n"
#define STORE_VALUE(n) "mixed[to + e" n " * 2u] = x" n " * share; mixed[to + e" n " * 2u + 1u] = y" n " * share;\n"

static const char mix_pairs_body[] =
    "uint pairs = head_size / 2u, last = pairs - 1u, parts = (pairs + 3u) / 4u;\n"
    "uint h = global_id.x / parts;\n"
    "if (h >= head_count) return;\n"
    "uint e0 = global_id.x % parts * 4u, e1 = min(e0 + 1u, last), e2 = min(e0 + 2u, last), e3 = min(e0 + 3u, last);\n"
    "uint first = h * count, v = h / (head_count / kv_head_count) * pairs;\n"
    "float top = scores[first];\n"
    "for (uint t = 1u; t < count; t++) top = max(top, scores[first + t]);\n"
    "float total = 0.0f, x0 = 0.0f, x1 = 0.0f, x2 = 0.0f, x3 = 0.0f, y0 = 0.0f, y1 = 0.0f, y2 = 0.0f, y3 = 0.0f;\n"
    "for (uint t = 0u; t < count; t++) {\n"
    "    float p = exp(scores[first + t] - top);\n"
    "    ulong b;\n"
    "    total += p;\n"
    ADD_VALUE("0") ADD_VALUE("1") ADD_VALUE("2") ADD_VALUE("3")
    "    v += kv_head_count * pairs;\n"
    "}\n"
    "uint to = h * head_size;\n"
    "float share = 1.0f / total;\n"
    STORE_VALUE("0") STORE_VALUE("1") STORE_VALUE("2") STORE_VALUE("3");

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
#define ATTENTION_PAIRS(covered)                                                                                       \
    .constants = {UINT("head_size"), UINT("head_count"), UINT("kv_head_count"), UINT("count")},                        \
    .group_size = {PAIR_ITEMS, 1, 1}, .covers = {covered, 1}

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
    {.id = LIBRARY_SCORES_PAIRS,
     .name = "scores_pairs",
     .body = scores_pairs_body,
     .params = {READS_PAIRS("query"), READS_PAIRS("keys"), WRITES("scores")},
     ATTENTION_PAIRS(4 * PAIR_ITEMS)},
    {.id = LIBRARY_MIX_PAIRS,
     .name = "mix_values_pairs",
     .body = mix_pairs_body,
     .params = {READS("scores"), READS_PAIRS("values"), WRITES("mixed")},
     ATTENTION_PAIRS(PAIR_ITEMS)},
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
