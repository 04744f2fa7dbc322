// Matrix products, naive and tiled. See library.h.
// The tiled product: a workgroup makes a TILE × TILE tile of c. It carries DEPTH columns of a and rows of b at a time into shared
// memory, where each work-item of SIDE × SIDE takes 8 + 8 numbers for 64 multiply-adds. A work-item's rows and columns lie SIDE apart, so
// that neighbours read neighbouring words: no two of them meet in one bank, and loads and stores of memory join up. `ta` is kept
// transposed, its rows STRIDE = TILE + 32 / DEPTH apart, so that 32 neighbours, who store DEPTH columns of 32 / DEPTH rows, hit 32 banks.
// The 64 sums are variables of their own, because not every compiler takes an array apart.
#include "library_texts.h"

// The unrolled text is longer than what ISO C asks every compiler to take; gcc and clang take it.
#pragma GCC diagnostic ignored "-Woverlength-strings"

// What stands between quotes is laid out by hand.
// clang-format off

static const char naive_body[] =
    "uint column = global_id.x, row = global_id.y;\n"
    "if (row >= rows || column >= columns) return;\n"
    "float sum = 0.0f;\n"
    "for (uint k = 0u; k < inner; k++) sum += a[row * inner + k] * b[k * columns + column];\n"
    "c[row * columns + column] = sum;\n";

// `each` for 0 to 7, with one more argument.
#define EIGHT(each, argument)                                               \
    each(argument, 0) each(argument, 1) each(argument, 2) each(argument, 3) \
    each(argument, 4) each(argument, 5) each(argument, 6) each(argument, 7)
// The same for a macro inside of one: a macro is not expanded within itself.
#define EIGHT_INNER(each, argument)                                         \
    each(argument, 0) each(argument, 1) each(argument, 2) each(argument, 3) \
    each(argument, 4) each(argument, 5) each(argument, 6) each(argument, 7)

#define DECLARE_SUM(i, j) "float s" #i #j " = 0.0f; "
#define DECLARE_ROW(unused, i) EIGHT_INNER(DECLARE_SUM, i) "\n"
#define LOAD_A(unused, i) "float a" #i " = ta[at + " #i "u * SIDE]; "
#define LOAD_B(unused, j) "float b" #j " = tb[bt + " #j "u * SIDE]; "
#define MULTIPLY(i, j) "s" #i #j " += a" #i " * b" #j "; "
#define MULTIPLY_ROW(unused, i) EIGHT_INNER(MULTIPLY, i) "\n"
#define STORE(i, j) "if (column + " #j "u * SIDE < columns) c[to + " #j "u * SIDE] = s" #i #j "; "
#define STORE_ROW(unused, i)                                                \
    "if (row + " #i "u * SIDE < rows) {\n"                                  \
    "    uint to = (row + " #i "u * SIDE) * columns + column;\n    "        \
    EIGHT_INNER(STORE, i) "\n}\n"

static const char tiled_body[] =
    "uint l = local_id.x, tx = l % SIDE, ty = l / SIDE;\n"
    "uint row0 = group_id.y * TILE, column0 = group_id.x * TILE;\n"
    EIGHT(DECLARE_ROW, 0)
    "for (uint k0 = 0u; k0 < inner; k0 += DEPTH) {\n"
    "    for (uint e = l; e < TILE * DEPTH; e += SIDE * SIDE) {\n"
    "        uint r = e / DEPTH, k = e % DEPTH;\n"
    "        float v = 0.0f;\n"
    "        if (row0 + r < rows && k0 + k < inner) v = a[(row0 + r) * inner + k0 + k];\n"
    "        ta[k * STRIDE + r] = v;\n"
    "    }\n"
    "    for (uint e = l; e < TILE * DEPTH; e += SIDE * SIDE) {\n"
    "        uint k = e / TILE, r = e % TILE;\n"
    "        float v = 0.0f;\n"
    "        if (k0 + k < inner && column0 + r < columns) v = b[(k0 + k) * columns + column0 + r];\n"
    "        tb[e] = v;\n"
    "    }\n"
    "    barrier();\n"
    "    for (uint k = 0u; k < DEPTH; k++) {\n"
    "        uint at = k * STRIDE + ty, bt = k * TILE + tx;\n"
    "        " EIGHT(LOAD_A, 0) "\n"
    "        " EIGHT(LOAD_B, 0) "\n"
    EIGHT(MULTIPLY_ROW, 0)
    "    }\n"
    "    barrier();\n"
    "}\n"
    "uint row = row0 + ty, column = column0 + tx;\n"
    EIGHT(STORE_ROW, 0);

// clang-format on

#define MATMUL                                                                                                         \
    .params = {READS_ANY("a"), READS_ANY("b"), WRITES_ANY("c")},                                                       \
    .constants = {UINT("rows"), UINT("columns"), UINT("inner")}
#define TILED(tile, depth, side)                                                                                       \
    .shared = {{"ta", FM_DTYPE_F32, (depth) * ((tile) + 32 / (depth))}, {"tb", FM_DTYPE_F32, (depth) * (tile)}},       \
    .specials = {{"TILE", FM_DTYPE_U32, tile},                                                                         \
                 {"DEPTH", FM_DTYPE_U32, depth},                                                                       \
                 {"SIDE", FM_DTYPE_U32, side},                                                                         \
                 {"STRIDE", FM_DTYPE_U32, (tile) + 32 / (depth)}},                                                     \
    .group_size = {(side) * (side), 1, 1}, .covers = {tile, tile}

const library_text library_matrix_texts[] = {
    {.id = LIBRARY_MATMUL_NAIVE,
     .name = "matmul_naive",
     .body = naive_body,
     MATMUL,
     .group_size = {16, 16, 1},
     .covers = {16, 16}},
    {.id = LIBRARY_MATMUL_64, .name = "matmul_64", .body = tiled_body, MATMUL, TILED(64, 16, 8)},
    {.id = LIBRARY_MATMUL_128, .name = "matmul_128", .body = tiled_body, MATMUL, TILED(128, 8, 16)},
};

const uint32_t library_matrix_count = LIBRARY_LENGTH(library_matrix_texts);
