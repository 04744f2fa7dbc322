// Where a body's statements leave: finds `break` and `continue` outside of loops, and whether every `return` can become a
// `continue` of the generated loop over work-items (generate_c.c).
// Reads tokens and changes nothing. Any thread; no state.
#ifndef FMI_KERNEL_FLOW_H
#define FMI_KERNEL_FLOW_H

#include "kernel/tokens.h"

// `*out_is_simple`: every `return` stands outside the body's loops and is plain to see (no macro could hide a loop around it).
// FM_ERROR_COMPILE with line and column.
fm_status fmi_flow_check(const fmi_tokens *tokens, bool *out_is_simple);

#endif
