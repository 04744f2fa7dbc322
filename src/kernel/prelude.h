// Built-in functions that GLSL lacks or leaves to the driver, written out in it. The host device has them from a library (host_symbols.c).
// A table of texts; no state, any thread.
#ifndef FMI_KERNEL_PRELUDE_H
#define FMI_KERNEL_PRELUDE_H

#include "base/text.h"

#include <stdbool.h>
#include <stdint.h>

// Appends the functions that a text with these FMI_USES_* calls.
void fmi_prelude_append(uint32_t features, fmi_text *out);

// Appends the functions of subgroups; where the device has none each work-item is one by itself.
void fmi_prelude_append_subgroups(bool has_subgroups, fmi_text *out);

#endif
