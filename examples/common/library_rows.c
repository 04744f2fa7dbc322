// Kernels that reduce rows: a workgroup a row, whose work-items meet in shared memory. See library.h.
#include "library_texts.h"

enum { ITEMS = 128 }; // work-items in a workgroup, a power of two

// What stands between quotes is laid out by hand.
// clang-format off

// The row of this workgroup: elements [first, end) of x, of which this work-item takes every ITEMS-th.
#define ROW                                                                 \
    "uint l = local_id.x;\n"                                                \
    "uint first = group_id.x * columns;\n"                                  \
    "uint end = min(first + columns, count);\n"

// Leaves in part[0] what `combine` makes of all parts. All work-items go through it.
#define MEET(combine)                                                       \
    "barrier();\n"                                                          \
    "for (uint step = ITEMS / 2u; step > 0u; step >>= 1) {\n"               \
    "    if (l < step) { float p = part[l], q = part[l + step]; part[l] = " combine "; }\n" \
    "    barrier();\n"                                                      \
    "}\n"

// The lowest float: what the maximum of nothing is.
#define LOWEST "-3.402823466e38f"

static const char sum_body[] =
    ROW
    "float sum = 0.0f;\n"
    "for (uint i = first + l; i < end; i += ITEMS) sum += x[i];\n"
    "part[l] = sum;\n"
    MEET("p + q")
    "if (l == 0u) y[group_id.x] = part[0];\n";

static const char max_body[] =
    ROW
    "float top = " LOWEST ";\n"
    "for (uint i = first + l; i < end; i += ITEMS) top = max(top, x[i]);\n"
    "part[l] = top;\n"
    MEET("max(p, q)")
    "if (l == 0u) y[group_id.x] = part[0];\n";

static const char softmax_body[] =
    ROW
    "float top = " LOWEST ";\n"
    "for (uint i = first + l; i < end; i += ITEMS) top = max(top, x[i]);\n"
    "part[l] = top;\n"
    MEET("max(p, q)")
    "top = part[0];\n"
    "barrier();\n"
    "float sum = 0.0f;\n"
    "for (uint i = first + l; i < end; i += ITEMS) sum += exp(x[i] - top);\n"
    "part[l] = sum;\n"
    MEET("p + q")
    "float share = 1.0f / part[0];\n"
    "for (uint i = first + l; i < end; i += ITEMS) y[i] = exp(x[i] - top) * share;\n";

static const char rmsnorm_body[] =
    "uint l = local_id.x;\n"
    "uint first = group_id.x * columns;\n"
    "float sum = 0.0f;\n"
    "for (uint i = l; i < columns; i += ITEMS) { float v = x[first + i]; sum += v * v; }\n"
    "part[l] = sum;\n"
    MEET("p + q")
    "float scale = rsqrt(part[0] / float(columns) + epsilon);\n"
    "for (uint i = l; i < columns; i += ITEMS) y[first + i] = x[first + i] * scale * weight[i];\n";

static const char matvec_body[] =
    "uint l = local_id.x, first = group_id.x * columns;\n"
    "float sum = 0.0f;\n"
    "for (uint i = l; i < columns; i += ITEMS) sum += weight[first + i] * x[i];\n"
    "part[l] = sum;\n"
    MEET("p + q")
    "if (l == 0u) y[group_id.x] = part[0];\n";

// clang-format on

// What all of them share: a part for each work-item, and a row for each workgroup.
#define ROW_KERNEL                                                                                                     \
    .shared = {{"part", FM_DTYPE_F32, ITEMS}}, .specials = {{"ITEMS", FM_DTYPE_U32, ITEMS}},                           \
    .group_size = {ITEMS, 1, 1}, .covers = {1, 1}

const library_text library_row_texts[] = {
    {.id = LIBRARY_SUM,
     .name = "sum",
     .body = sum_body,
     .params = {READS_ANY("x"), WRITES("y")},
     .constants = {UINT("columns"), UINT("count")},
     ROW_KERNEL},
    {.id = LIBRARY_MAX,
     .name = "max_of_rows",
     .body = max_body,
     .params = {READS_ANY("x"), WRITES("y")},
     .constants = {UINT("columns"), UINT("count")},
     ROW_KERNEL},
    {.id = LIBRARY_SOFTMAX,
     .name = "softmax",
     .body = softmax_body,
     .params = {READS_ANY("x"), WRITES_ANY("y")},
     .constants = {UINT("columns"), UINT("count")},
     ROW_KERNEL},
    {.id = LIBRARY_RMSNORM,
     .name = "rmsnorm",
     .body = rmsnorm_body,
     .params = {READS_ANY("x"), READS_ANY("weight"), WRITES_ANY("y")},
     .constants = {UINT("columns"), FLOAT("epsilon")},
     ROW_KERNEL},
    {.id = LIBRARY_MATVEC,
     .name = "matvec",
     .body = matvec_body,
     .params = {READS_ANY("weight"), READS_ANY("x"), WRITES("y")},
     .constants = {UINT("rows"), UINT("columns")},
     ROW_KERNEL},
};

const uint32_t library_row_count = LIBRARY_LENGTH(library_row_texts);
