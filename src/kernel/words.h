// The words of the portable language: what each becomes in GLSL and in C, and which words a portable body must not use.
// One constant table, no state; any thread. Used by the body rewriter and by the check of parameter names.
// docs/kernel-language.md describes the same words for the user.
#ifndef FMI_KERNEL_WORDS_H
#define FMI_KERNEL_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum fmi_word_kind {
    FMI_WORD_NONE = 0, // not in the table: an identifier like any other
    FMI_WORD_KEYWORD,  // the same in all languages
    FMI_WORD_TYPE,     // a type; before `(` a cast
    FMI_WORD_LITERAL,  // true, false
    FMI_WORD_VALUE, // INFINITY, NAN, subgroup_size: what `shape` says, unless the text gives the name to something of its own
    FMI_WORD_RETURN,
    FMI_WORD_ID,       // a built-in with members x, y, z
    FMI_WORD_FUNCTION, // a function; replaced only before `(`
    FMI_WORD_ATOMIC,   // a function whose first argument is an element
    FMI_WORD_BARRIER,  // barrier
    FMI_WORD_C,        // a keyword of C that the language lacks
    FMI_WORD_GLSL,     // a word of GLSL that the language lacks
} fmi_word_kind;

// What a body uses; bits of fmi_body_use.features.
enum {
    FMI_USES_GLOBAL_ID = 1u << 0,
    FMI_USES_LOCAL_ID = 1u << 1,
    FMI_USES_GROUP_ID = 1u << 2,
    FMI_USES_GROUP_COUNT = 1u << 3,
    FMI_USES_BARRIER = 1u << 4,
    FMI_USES_SHARED = 1u << 5,
    FMI_USES_ABS = 1u << 6,
    FMI_USES_INT64 = 1u << 8,
    FMI_USES_HIDDEN_FLOW = 1u << 7, // a return inside a loop
    FMI_USES_DIVISION = 1u << 10,   // divisions whose divisor is not known
    FMI_USES_MATH = 1u << 9,        // functions that GLSL is given in its own words
    // Functions of prelude.h.
    FMI_USES_ROUNDING = 1u << 16,    // round, fmod
    FMI_USES_EXPONENTIAL = 1u << 17, // exp10, sinh, cosh, erf
    FMI_USES_ATAN2 = 1u << 18,
    FMI_USES_BITS = 1u << 19,   // clz, ctz
    FMI_USES_LIMITS = 1u << 20, // min_nan, max_nan and casts that saturate
    FMI_USES_FLOAT64 = 1u << 21,
    FMI_USES_SUBGROUPS = 1u << 26,
    FMI_USES_ATOMIC = 1u << 22, // times FMI_ATOMIC_*: four bits for atomics that a device may lack
    // Functions of elementary.h.
    FMI_USES_ANGLES = 1u << 11, // sin, cos, tan
    FMI_USES_POWERS = 1u << 12, // exp, exp2, log, log2, pow
    FMI_USES_TANH = 1u << 13,
    FMI_USES_ARCS = 1u << 14, // asin, acos, atan
};

typedef struct fmi_word {
    const char *name;
    const char *glsl; // NULL: as it is
    const char *c;    // NULL: as it is
    uint32_t feature; // FMI_USES_* or 0
    uint8_t kind;     // fmi_word_kind
    uint8_t arity;    // arguments of a function
    char
        shape; // of a function: 'f' floats to float, 'g' floats or doubles to it, 'n' numbers of one type to it, 'b' float or double to bool, 'u' float to uint, 'i' float to int,
    // 'v' uint to float, 'c' uint to uint, 'z' integer to uint, 'I', 'U', 'L' and 'M' float to int, uint, long and ulong, 'w' a float,
    // int or uint to it, 'W' the same with a uint behind it; of a value 'f' float, 'u' uint
} fmi_word;

// Finds a word; NULL if it is none. `name` need not end in a zero byte.
const fmi_word *fmi_word_find(const char *name, size_t length);

// The words of the table one by one, from 0 on; NULL behind the last.
const fmi_word *fmi_word_at(size_t index);

// The language's word for a function, atomic or type of a target ("inversesqrt", "sqrtf": "rsqrt", "sqrt"); NULL if it is none, or the same.
const char *fmi_word_of_target(const char *name, size_t length);

// The most characters that a parameter's name has.
enum { FMI_MAX_NAME_LENGTH = 64 };

// True if `name` can be the first bytes of an identifier of the user: it does not start with fm_ or gl_.
bool fmi_word_has_free_prefix(const char *name, size_t length);

#endif
