// Blocks of 32 elements in 8 or 4 bits with a scale. See library.h.
// q8_0: scale = largest magnitude / 127, quants rounded to nearest. q4_0: scale = the element of largest magnitude / -8, so that it
// becomes the quant 0 exactly; quant q stands for (q - 8) × scale; element i and i + 16 of a block share a byte, i in the low half.
#include "library_texts.h"

// What stands between quotes is laid out by hand.
// clang-format off

#define BLOCK                                                               \
    "uint block = global_id.x;\n"                                           \
    "uint first = block * 32u;\n"                                           \
    "if (first >= count) return;\n"                                         \
    "uint end = min(first + 32u, count);\n"

static const char quantise_q8_0_body[] =
    BLOCK
    "float top = 0.0f;\n"
    "for (uint i = first; i < end; i++) top = max(top, abs(x[i]));\n"
    "scales[block] = top / 127.0f;\n"
    "float steps = top > 0.0f ? 127.0f / top : 0.0f;\n"
    "for (uint i = first; i < end; i++) quants[i] = int(floor(x[i] * steps + 0.5f));\n";

static const char dequantise_q8_0_body[] =
    "uint i = global_id.x;\n"
    "if (i < count) y[i] = float(quants[i]) * scales[i / 32u];\n";

static const char quantise_q4_0_body[] =
    BLOCK
    "float top = 0.0f;\n"
    "for (uint i = first; i < end; i++) { float v = x[i]; if (abs(v) > abs(top)) top = v; }\n"
    "scales[block] = top / -8.0f;\n"
    "float steps = top != 0.0f ? -8.0f / top : 0.0f;\n"
    "for (uint i = 0u; i < 16u; i++) {\n"
    "    uint low = 8u, high = 8u;\n"
    "    if (first + i < end) low = min(15u, uint(x[first + i] * steps + 8.5f));\n"
    "    if (first + i + 16u < end) high = min(15u, uint(x[first + i + 16u] * steps + 8.5f));\n"
    "    quants[block * 16u + i] = low | high << 4;\n"
    "}\n";

static const char dequantise_q4_0_body[] =
    "uint i = global_id.x;\n"
    "if (i >= count) return;\n"
    "uint pair = quants[i / 32u * 16u + i % 16u];\n"
    "int q = int(i % 32u < 16u ? pair & 15u : pair >> 4) - 8;\n"
    "y[i] = float(q) * scales[i / 32u];\n";

// clang-format on

const library_text library_quant_texts[] = {
    {.id = LIBRARY_QUANTISE_Q8_0,
     .name = "quantise_q8_0",
     .body = quantise_q8_0_body,
     .params = {READS("x"), {"quants", FM_DTYPE_I8, FM_ACCESS_WRITE}, WRITES_ANY("scales")},
     .constants = {UINT("count")},
     .group_size = {64, 1, 1},
     .covers = {64, 1}},
    {.id = LIBRARY_DEQUANTISE_Q8_0,
     .name = "dequantise_q8_0",
     .body = dequantise_q8_0_body,
     .params = {{"quants", FM_DTYPE_I8, FM_ACCESS_READ}, READS_ANY("scales"), WRITES_ANY("y")},
     .constants = {UINT("count")},
     .group_size = {64, 1, 1},
     .covers = {64, 1}},
    {.id = LIBRARY_QUANTISE_Q4_0,
     .name = "quantise_q4_0",
     .body = quantise_q4_0_body,
     .params = {READS("x"), {"quants", FM_DTYPE_U8, FM_ACCESS_WRITE}, WRITES_ANY("scales")},
     .constants = {UINT("count")},
     .group_size = {64, 1, 1},
     .covers = {64, 1}},
    {.id = LIBRARY_DEQUANTISE_Q4_0,
     .name = "dequantise_q4_0",
     .body = dequantise_q4_0_body,
     .params = {{"quants", FM_DTYPE_U8, FM_ACCESS_READ}, READS_ANY("scales"), WRITES_ANY("y")},
     .constants = {UINT("count")},
     .group_size = {64, 1, 1},
     .covers = {64, 1}},
};

const uint32_t library_quant_count = LIBRARY_LENGTH(library_quant_texts);
