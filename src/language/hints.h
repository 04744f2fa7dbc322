// Hints: what a word of another language, or a misspelt one, is called here or how it is done here. For the end of a
// refusal's sentence.
// One constant table (hints.c) of what people write who come from CUDA, OpenCL, GLSL, HLSL, Metal, WGSL or C. No state;
// any thread.
#ifndef FMI_LANGUAGE_HINTS_H
#define FMI_LANGUAGE_HINTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FMI_MAX_HINT = 256 };

// "; here it is called 'local_id'" for "threadIdx"; "" where nothing is known of `name`, which need not end in a zero
// byte. Meaning alone counts: for what looks alike see fmi_nearest.
void fmi_hint_find(const char *name, size_t length, char out[FMI_MAX_HINT]);

// A row of the table, from 0 on; false behind the last. What is said, our word or advice, of the names, which have
// blanks between; a name that ends in `*` stands for all that begin so.
bool fmi_hint_at(size_t index, const char **out_text, const char **out_names);

// The most similar of the names that it has been shown. Start with { .name, .length, .edits = fmi_nearest_limit(length)
// }.
typedef struct fmi_nearest {
    const char *name; // what was written; borrowed
    size_t length;
    const char *best; // borrowed; NULL: none is near
    size_t best_length;
    uint32_t edits; // letters put in, left out or changed between the two; a candidate must have fewer
} fmi_nearest;

// At least half of the letters are right: one edit from three letters on, two from five.
uint32_t fmi_nearest_limit(size_t length);
void fmi_nearest_try(fmi_nearest *nearest, const char *name, size_t length);

// "; do you mean 'global_id'?" if a built-in id is near; else "". Capitals and underscores do not count.
void fmi_hint_find_id(const char *name, size_t length, char out[FMI_MAX_HINT]);

#endif
