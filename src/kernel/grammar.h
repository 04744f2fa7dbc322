// The grammar and the types of the portable language: what passes here means the same in GLSL and in C. One clear sentence, with its place, for
// what does not; so no compiler of a target is the judge, and no text is taken by one and refused by another.
// Reads a unit whose elements the translator has looked at (body.h), and notes on functions' names which they are. No state; any thread.
#ifndef FMI_KERNEL_GRAMMAR_H
#define FMI_KERNEL_GRAMMAR_H

#include "kernel/unit.h"

typedef struct fmi_grammar_input {
    const fmi_name *names; // parameters with the dtypes that are known, constants, shared arrays, specialisations
    uint32_t name_count;
    uint32_t special_count;
    uint32_t group_size[3];
} fmi_grammar_input;

// The most bytes that the local variables of a body and its helpers have together, and that the header's tables have.
enum { FMI_MAX_LOCAL_BYTES = 256 << 10 };

// FM_ERROR_COMPILE with line and column, FM_ERROR_OUT_OF_HOST_MEMORY.
fm_status fmi_grammar_check(const fmi_grammar_input *input, fmi_unit *unit);

#endif
