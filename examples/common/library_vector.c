// Kernels over single elements. See library.h.
#include "library_texts.h"

// What stands between quotes is laid out by hand.
// clang-format off

static const char fill_body[] =
    "uint i = global_id.x;\n"
    "if (i < count) y[i] = value;\n";

static const char axpy_body[] =
    "uint i = global_id.x;\n"
    "if (i < count) y[i] = a * x[i] + y[i];\n";

static const char add_body[] =
    "uint i = global_id.x;\n"
    "if (i < count) z[i] = x[i] + y[i];\n";

static const char multiply_body[] =
    "uint i = global_id.x;\n"
    "if (i < count) z[i] = x[i] * y[i];\n";

static const char silu_body[] =
    "uint i = global_id.x;\n"
    "if (i < count) { float v = x[i]; y[i] = v / (1.0f + exp(-v)); }\n";

// Each pair of neighbours of a head, turned by its position's angle.
static const char rope_body[] =
    "uint pair = global_id.x;\n"
    "if (pair >= pair_count) return;\n"
    "uint pairs = head_size / 2u;\n"
    "uint position = first_position + pair / (pairs * head_count);\n"
    "uint angle = position * pairs + pair % pairs;\n"
    "float c = cosines[angle], s = sines[angle];\n"
    "float a = x[2u * pair], b = x[2u * pair + 1u];\n"
    "x[2u * pair] = a * c - b * s;\n"
    "x[2u * pair + 1u] = a * s + b * c;\n";

// clang-format on

const library_text library_vector_texts[] = {
    {.id = LIBRARY_FILL,
     .name = "fill",
     .body = fill_body,
     .params = {WRITES_ANY("y")},
     .constants = {FLOAT("value"), UINT("count")},
     .group_size = {64, 1, 1},
     .covers = {64, 1}},
    {.id = LIBRARY_AXPY,
     .name = "axpy",
     .body = axpy_body,
     .params = {READS_ANY("x"), UPDATES_ANY("y")},
     .constants = {FLOAT("a"), UINT("count")},
     .group_size = {64, 1, 1},
     .covers = {64, 1}},
    {.id = LIBRARY_ADD,
     .name = "add",
     .body = add_body,
     .params = {READS_ANY("x"), READS_ANY("y"), WRITES_ANY("z")},
     .constants = {UINT("count")},
     .group_size = {64, 1, 1},
     .covers = {64, 1}},
    {.id = LIBRARY_MULTIPLY,
     .name = "multiply",
     .body = multiply_body,
     .params = {READS_ANY("x"), READS_ANY("y"), WRITES_ANY("z")},
     .constants = {UINT("count")},
     .group_size = {64, 1, 1},
     .covers = {64, 1}},
    {.id = LIBRARY_SILU,
     .name = "silu",
     .body = silu_body,
     .params = {READS_ANY("x"), WRITES_ANY("y")},
     .constants = {UINT("count")},
     .group_size = {64, 1, 1},
     .covers = {64, 1}},
    {.id = LIBRARY_ROPE,
     .name = "rope",
     .body = rope_body,
     .params = {UPDATES_ANY("x"), READS("cosines"), READS("sines")},
     .constants = {UINT("head_count"), UINT("head_size"), UINT("first_position"), UINT("pair_count")},
     .group_size = {64, 1, 1},
     .covers = {64, 1}},
};

const uint32_t library_vector_count = LIBRARY_LENGTH(library_vector_texts);
