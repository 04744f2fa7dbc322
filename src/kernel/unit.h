// A kernel's header and body as one text: cut, with macros expanded and brackets matched. What generators translate and errors are placed in.
// Reading it again gives the same tokens, so a token's index names it. Private to one caller; nothing is locked.
#ifndef FMI_KERNEL_UNIT_H
#define FMI_KERNEL_UNIT_H

#include "kernel/macros.h"

typedef struct fmi_unit {
    fmi_tokens header; // empty without one
    fmi_tokens body;
    fmi_tokens raw; // the header as it was cut; tokens that come from macros point into its text
    uint64_t steps; // names that look-ups of macros and of what the texts declare have come by
} fmi_unit;

// What to read; everything borrowed until fmi_unit_free.
typedef struct fmi_unit_input {
    const char *header; // NULL: none
    size_t header_length;
    const char *body;
    size_t body_length;
    const fmi_name *names; // specialisations last
    uint32_t name_count;
    uint32_t special_count;
} fmi_unit_input;

// FM_ERROR_COMPILE, FM_ERROR_OUT_OF_HOST_MEMORY; nothing needs to be freed then.
fm_status fmi_unit_read(const fmi_unit_input *input, fmi_unit *out);
void fmi_unit_free(fmi_unit *unit);

#endif
