// Generated sources: the user's texts as a tree, printed for one choice of dtypes (language/).
// Compiles nothing. Any thread; the caller owns what is generated.
#ifndef FMI_KERNEL_GENERATE_H
#define FMI_KERNEL_GENERATE_H

#include "base/text.h"
#include "kernel/source.h"
#include "language/print.h"

// What to generate and, filled by the generator, how its arguments travel.
typedef struct fmi_generated {
    const fmi_kernel_source *source;
    uint32_t param_count;
    uint64_t dtypes; // 4 bits a parameter
    fm_binding_mode binding_mode;
    uint32_t max_push_constants_bytes;
    bool has_subgroups;      // the device has operations of subgroups
    uint32_t float_modes;    // fmi_float_mode
    bool ends_loops;         // the device ends loops that make many trips
    bool notes_loops;        // out
    bool indirect_arguments; // out
    bool wants_group_count;  // out
    bool wants_group_base;   // out
    uint32_t features;       // out: FMI_NEEDS_*
    fmi_text text;           // out: ends in a zero byte; freed by the caller, also on error
} fmi_generated;

// What generated kernels ask of the device's floats: fmi_float_mode bits.
uint32_t fmi_generate_float_modes(const fmi_backend_caps *caps);

// Fills `generated->text` with one of the printers of language/print.h. FM_ERROR_COMPILE with line and column for
// mistakes in the texts; FM_ERROR_OUT_OF_HOST_MEMORY.
fm_status fmi_generate(fmi_generated *generated, fmi_printer_function printer);

// Looks for mistakes in body and header that do not depend on dtypes not yet known, and notes what they use.
fm_status fmi_generate_check(const fmi_kernel_source *source, uint32_t *out_features);

// The dtype of parameter `index` in a key.
static inline fm_dtype fmi_key_dtype(uint64_t dtypes, uint32_t index)
{
    return (fm_dtype)((dtypes >> (4 * index)) & 15u);
}

#endif
