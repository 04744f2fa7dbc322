// Turns a portable body into GLSL or C: element accesses, constants, built-ins and literals become the target's words;
// everything else passes through, line by line, so that a compiler's line numbers are the user's.
// Knows names, dtypes and access, not how the target declares them: that is generate_glsl.c and generate_c.c.
#ifndef FMI_KERNEL_BODY_H
#define FMI_KERNEL_BODY_H

#include "base/text.h"
#include "kernel/tokens.h"
#include "kernel/words.h"

#include <fermata/kernel.h>

typedef enum fmi_body_target {
    FMI_BODY_CHECK = 0, // look for mistakes only: dtypes may be FM_DTYPE_NONE
    FMI_BODY_GLSL = 1,
    FMI_BODY_C = 2,
} fmi_body_target;

typedef enum fmi_name_kind {
    FMI_NAME_BUFFER = 0,
    FMI_NAME_CONSTANT = 1,
    FMI_NAME_SHARED = 2,
    FMI_NAME_SPECIAL = 3,
} fmi_name_kind;

// A name that the kernel declares.
typedef struct fmi_name {
    const char *name;
    uint8_t kind;   // fmi_name_kind
    uint8_t dtype;  // fm_dtype
    uint8_t access; // fm_access of a buffer
    double value;   // of a specialisation
    uint32_t count; // elements of a shared array; 0: not known
} fmi_name;

typedef struct fmi_body_input {
    const fmi_tokens *tokens; // borrowed: cut, with macros expanded and brackets matched (unit.h)
    bool is_header;           // helper functions: no names but specialisations, no ids
    const fmi_name *names;    // borrowed
    uint32_t name_count;
    uint32_t group_size[3];
    fmi_body_target target;
    bool locates; // put each token on a line of its own, numbered by its index + 1, for the search of an error's place
} fmi_body_input;

typedef struct fmi_body_use {
    uint32_t features; // FMI_USES_*; a second body adds its own
} fmi_body_use;

// Appends the translated text to `out` (nothing for FMI_BODY_CHECK) and notes what it uses. Names come out as
// fm_b_<name> (buffers; `fm_b_<name>.v` in GLSL), fm_c_<name> (constants), fm_s_<name> (shared arrays), and fm_v_<name>: what the text itself
// declares.
// Stores to half call `fm_float` (GLSL) or `fm_float_to_half` (C). On error the last error is "line L, column C: …".
// FM_ERROR_COMPILE, FM_ERROR_OUT_OF_HOST_MEMORY. Any thread.
fm_status fmi_body_translate(const fmi_body_input *input, fmi_text *out, fmi_body_use *use);

// True for dtypes whose elements are converted at each load and store.
bool fmi_dtype_is_storage(fm_dtype dtype);

#endif
