// What must not stand in a target as the user wrote it: operations that targets leave undefined become the library's, and sums of literals
// become the number that they make in single precision. The grammar notes such places on the tokens, the translator writes them out.
// A note is text before a token or in its place; so lines stay the user's. Knows the targets' words for it, and no types of expressions.
// Part of a token list, so private to whoever owns that; nothing is locked.
#ifndef FMI_KERNEL_EDITS_H
#define FMI_KERNEL_EDITS_H

#include "base/text.h"
#include "kernel/tokens.h"
#include "kernel/types.h"

#include <stdint.h>

// Operations that get the library's words (docs/kernel-language.md, "Numbers").
typedef enum fmi_operation {
    FMI_OPERATION_DIVIDE = 0, // a / b of integers
    FMI_OPERATION_REST,       // a % b
    FMI_OPERATION_SHIFT,      // the right side of << and >>
    FMI_OPERATION_OPAQUE,     // a value that a target's compiler must not compute in double precision
} fmi_operation;

// One operation: tokens [first, end), the operator among them.
typedef struct fmi_operation_place {
    fmi_operation operation;
    fmi_type type;
    bool stores;      // `a /= b`
    bool is_storage;  // `a` is a converted element: element.c writes the store, and asks for the operator's words
    bool needs_check; // false: the divisor is known and harmless, so that only GLSL's `%` needs other words
    uint32_t first;
    uint32_t middle; // the operator
    uint32_t end;
} fmi_operation_place;

// A number that is known, of type float, bool or an integer.
typedef struct fmi_number {
    fmi_type type;
    int64_t whole;
    float real;
} fmi_number;

typedef enum fmi_edit_kind { FMI_EDIT_CLOSE = 0, FMI_EDIT_OPEN, FMI_EDIT_OPERATOR, FMI_EDIT_NUMBER } fmi_edit_kind;

// A note. Sorted by place, then by kind, then as they nest.
typedef struct fmi_edit {
    uint32_t at;    // the token before which the text stands, or in whose place
    uint32_t order; // in which it was noted: of operations that begin or end together the inner one comes first
    uint8_t kind;   // fmi_edit_kind
    fmi_operation_place place;
    fmi_number number; // FMI_EDIT_NUMBER: stands for tokens [at, place.end)
} fmi_edit;

// Notes an operation, or a number that stands for tokens [first, end) and for all numbers noted within. FM_ERROR_OUT_OF_HOST_MEMORY.
fm_status fmi_edits_add_operation(fmi_tokens *tokens, const fmi_operation_place *place);
fm_status fmi_edits_add_number(fmi_tokens *tokens, uint32_t first, uint32_t end, const fmi_number *number);

// Puts the notes in order; after the last was added, before the first is looked for.
void fmi_edits_sort(fmi_tokens *tokens);

// The notes of token `at`; NULL and 0 if it has none.
const fmi_edit *fmi_edits_find(const fmi_tokens *tokens, uint32_t at, uint32_t *out_count);

// The note that stands in the place of token `at`; NULL if there is none.
const fmi_edit *fmi_edits_find_replacement(const fmi_tokens *tokens, uint32_t at);

// True if the note has text for this target.
bool fmi_edit_is_for(const fmi_edit *edit, bool is_c);

// Appends a note's text. `part` is FMI_EDIT_OPEN, FMI_EDIT_OPERATOR or FMI_EDIT_CLOSE of an operation.
void fmi_edit_write(const fmi_operation_place *place, fmi_edit_kind part, bool is_c, fmi_text *out);
void fmi_edit_write_number(const fmi_number *number, bool is_c, fmi_text *out);

#endif
