// What compiled C kernels call: math, half conversions, atomics, and the helpers that libtcc's code needs.
// The host backend gives each to tcc_add_symbol; language/prelude.c declares them in the generated text.
// A constant table, and the two half conversions for our own code. Any thread.
#ifndef FMI_BACKEND_HOST_SYMBOLS_H
#define FMI_BACKEND_HOST_SYMBOLS_H

#include <stddef.h>
#include <stdint.h>

typedef struct fmi_host_symbol {
    const char *name;
    const void *address;
} fmi_host_symbol;

extern const fmi_host_symbol fmi_host_symbols[];
extern const size_t fmi_host_symbol_count;

// IEEE half to float: exact, also subnormals, infinities and NaNs.
float fmi_half_to_float(uint16_t half);

// Float to IEEE half, rounded to nearest even; too large gives an infinity, NaN stays NaN.
uint16_t fmi_float_to_half(float value);

#endif
