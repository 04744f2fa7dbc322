// Printers: a tree as the source of one target, with the signature, arguments and helper functions that go around it.
// Step by step: fill an fmi_print with a tree and how its device binds, call one printer, take the text and what is said of its arguments.
// Nothing is checked here and nothing compiled. Any thread; the caller owns what is printed.
#ifndef FMI_LANGUAGE_PRINT_H
#define FMI_LANGUAGE_PRINT_H

#include "base/text.h"
#include "language/tree.h"

// What a SPIR-V module may ask of a device, so that its compiler takes nothing for granted of floats.
typedef enum fmi_float_mode {
    FMI_KEEP_NAN = 1u << 0,        // NaN, infinities and the signs of zeros, in 32 bits
    FMI_KEEP_WIDE_NAN = 1u << 1,   // in 64 bits
    FMI_KEEP_SUBNORMALS = 1u << 2, // in 32 bits
    FMI_ROUND_HALF = 1u << 3,      // to the nearest, to even from the middle, in 16 bits
} fmi_float_mode;

// What to print and, filled by the printer, how its arguments travel. Arguments lie in one block: addresses of the buffers where they are bound by
// address, constants as in a C struct, then the counts of workgroups and the base of a part, where the kernel wants them.
typedef struct fmi_print {
    const fmi_tree *tree;              // borrowed; every buffer has a dtype
    fm_binding_mode binding_mode;      // GLSL alone has a choice
    uint32_t max_push_constants_bytes; // GLSL: what the block may have before it goes through memory
    bool has_subgroups;   // GLSL: the device has operations of subgroups; else each work-item is one by itself
    uint32_t float_modes; // GLSL: fmi_float_mode bits that the device takes
    bool ends_loops;      // GLSL: the driver ends loops that make many trips
    bool
        notes_loops; // out: GLSL: the kernel notes that they were: one more address, or binding, than its arguments need
    bool indirect_arguments; // out: GLSL: it does
    bool wants_group_count;  // out
    bool wants_group_base;   // out
    fmi_text text;           // out: ends in a zero byte; freed by the caller, also on error
} fmi_print;

// FM_ERROR_OUT_OF_HOST_MEMORY.
typedef fm_status (*fmi_printer_function)(fmi_print *print);

fm_status fmi_print_glsl(fmi_print *print);
fm_status fmi_print_c(fmi_print *print);    // for the host: `fm_kernel_main`, which runs a range of workgroups
fm_status fmi_print_cuda(fmi_print *print); // `fm_kernel_main`, which takes the block by value
fm_status fmi_print_msl(fmi_print *print);  // `fm_kernel_main`, whose block is at buffer index 0

#endif
