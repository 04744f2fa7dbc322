// Numbers as they stand in a text: which are refused because C and GLSL read them differently, and what the others are.
// No state; any thread. No locale has a say in it.
#ifndef FMI_LANGUAGE_NUMBERS_H
#define FMI_LANGUAGE_NUMBERS_H

#include "language/vtype.h"

#include <stdint.h>

// Reads an integer: its value and fmi_vtype. A sentence that says what is wrong with [start, end); NULL: nothing.
const char *fmi_number_read_integer(const char *start, const char *end, uint64_t *out_value, uint8_t *out_type);

// The type of a float or double, and what is wrong with it.
const char *fmi_number_check_real(const char *start, const char *end, uint8_t *out_type);

// The numbers that a float or double that was checked gives. False: out of host memory. At most 256 characters.
bool fmi_number_read_real(const char *start, const char *end, float *out_float, double *out_double);

#endif
