// What one of the target languages would take and another would not: pointers, members, labels, other words of C. One clear sentence each, before a
// compiler sees the text. Reads tokens and changes nothing. Any thread; no state.
#ifndef FMI_KERNEL_RULES_H
#define FMI_KERNEL_RULES_H

#include "kernel/tokens.h"

// FM_ERROR_COMPILE with line and column.
fm_status fmi_rules_check(const fmi_tokens *tokens);

// True if an operator behind token `index` (UINT32_MAX: none) has a value to its left, so that `*`, `&` and `-` are operators of two values.
bool fmi_rules_is_value_end(const fmi_tokens *tokens, uint32_t index);

// Refuses token `index`, a word of C or GLSL that the language lacks, and says what to write in its place.
fm_status fmi_rules_refuse_word(const fmi_tokens *tokens, uint32_t index);

#endif
