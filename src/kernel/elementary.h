// Elementary functions that drivers give too roughly, or with wrong values at the edges, written out in GLSL. The host device has them from libm.
// A table of texts; no state, any thread. docs/kernel-language.md has the bounds, docs/drivers.md what drivers would give.
#ifndef FMI_KERNEL_ELEMENTARY_H
#define FMI_KERNEL_ELEMENTARY_H

#include "base/text.h"

#include <stdint.h>

// Appends the functions that a text with these FMI_USES_* calls.
void fmi_elementary_append(uint32_t features, fmi_text *out);

#endif
