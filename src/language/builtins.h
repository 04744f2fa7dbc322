// The built-in functions, one row each in builtins.c: shape, arguments, and the word of each target, which is the target's own or that of a
// helper in prelude.c. Constant tables; any thread. docs/kernel-language.md describes the same functions for the user.
#ifndef FMI_LANGUAGE_BUILTINS_H
#define FMI_LANGUAGE_BUILTINS_H

#include "language/vtype.h"

#include <stdint.h>

// What a function takes and gives.
typedef enum fmi_shape {
    FMI_SHAPE_FLOATS,        // floats to float
    FMI_SHAPE_NUMBERS,       // numbers of one type to it: one function for each type
    FMI_SHAPE_REALS,         // floats or doubles to it
    FMI_SHAPE_REAL_TO_BOOL,  // a float or double
    FMI_SHAPE_FLOAT_TO_UINT, // …
    FMI_SHAPE_FLOAT_TO_INT,
    FMI_SHAPE_FLOAT_TO_LONG,
    FMI_SHAPE_FLOAT_TO_ULONG,
    FMI_SHAPE_INTEGER_TO_UINT, // one function for 32 bits, and one for 64
    FMI_SHAPE_UINT_TO_FLOAT,
    FMI_SHAPE_UINT_TO_UINT,
    FMI_SHAPE_LANES,  // a float, int or uint to it, and perhaps a uint behind it: of all work-items of a subgroup
    FMI_SHAPE_ATOMIC, // an element and values of its type, to it
} fmi_shape;

// Parts of the text that goes before a kernel's own; which of them a kernel needs, its functions and dtypes say. Bits of a mask.
typedef enum fmi_piece {
    FMI_PIECE_MATH = 1u << 0, // what C calls in a library
    FMI_PIECE_BITS = 1u << 1,
    FMI_PIECE_ORDER = 1u << 2,
    FMI_PIECE_ABS = 1u << 3,
    FMI_PIECE_FRACT = 1u << 4,
    FMI_PIECE_SIGN = 1u << 5,
    FMI_PIECE_MIX = 1u << 6,
    FMI_PIECE_CLASS = 1u << 7,
    FMI_PIECE_POPCOUNT = 1u << 8,
    FMI_PIECE_ATOMICS = 1u << 9,
    FMI_PIECE_HALF = 1u << 10,
    FMI_PIECE_BF16 = 1u << 11,
    FMI_PIECE_DIVISION = 1u << 12, // of integers, with a value for every divisor
    FMI_PIECE_LONG_DIVISION = 1u << 13,
    FMI_PIECE_SAME = 1u << 14, // GLSL: functions that give their argument, into which its compiler does not look
    FMI_PIECE_LONG_SAME = 1u << 15,
    FMI_PIECE_ROUND = 1u << 16, // round, fmod
    FMI_PIECE_EXP = 1u << 17,   // exp10, sinh, cosh, erf
    FMI_PIECE_ARCS = 1u << 18,  // atan2, asin, acos, atan
    FMI_PIECE_COUNT = 1u << 19, // clz, ctz
    FMI_PIECE_LONG_COUNT = 1u << 20,
    FMI_PIECE_LIMITS = 1u << 21, // min_nan, max_nan, casts that saturate
    FMI_PIECE_LONG_LIMITS = 1u << 22,
    FMI_PIECE_DOUBLE = 1u << 23, // what is there for doubles, too
    FMI_PIECE_LONG_ATOMICS = 1u << 24,
    FMI_PIECE_LANES = 1u << 25, // of subgroups; in GLSL one of the next two takes its place
    FMI_PIECE_LANES_TOGETHER = 1u << 26,
    FMI_PIECE_LANES_ALONE = 1u << 27,
    FMI_PIECE_ANGLES = 1u << 28, // GLSL: sin, cos, tan
    FMI_PIECE_POWERS = 1u << 29, // exp, exp2, log, log2, pow
    FMI_PIECE_TANH = 1u << 30,
} fmi_piece;

typedef struct fmi_builtin {
    const char *name;
    uint8_t shape; // fmi_shape
    uint8_t arity;
    bool is_same_if_unsigned;             // of an unsigned number it gives that number
    uint32_t pieces;                      // fmi_piece bits that its words need, in any target
    const char *words[FMI_DIALECT_COUNT]; // NULL: `name`; one that ends in `_` is followed by a letter for the type
} fmi_builtin;

// The functions one by one, from 0 on; NULL behind the last.
const fmi_builtin *fmi_builtin_get(size_t index);

const char *fmi_builtin_word(const fmi_builtin *builtin, fmi_dialect_kind dialect);

#endif
