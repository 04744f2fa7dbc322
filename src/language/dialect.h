// What the printers share: the walk over a tree, in which all targets are alike but for words, and the parts of a signature. Private to print_*.c,
// statements.c, values.c and prelude.c.
// A printer lives on the stack of the function that prints; nothing is locked. Recursion is bounded, since the parser bounds nesting.
#ifndef FMI_LANGUAGE_DIALECT_H
#define FMI_LANGUAGE_DIALECT_H

#include "language/print.h"

// A target's words.
typedef struct fmi_dialect {
    fmi_dialect_kind kind;
    bool casts_as_c;      // (float)(v), not float(v)
    bool has_long_long;   // 1ll, not 1l
    bool cuts_shifts;     // a shift takes the low bits of its right side
    const char *truth[2]; // false, true
    const char *ids[4];   // by fmi_id, without group_size
    const char *address;  // stands before the element of an atomic
    const char *function; // before a helper
    const char *table;    // before the type of a constant of the header
    const char *barrier;  // the call; NULL: the host's, which is told its place
    const char *array;    // behind a buffer's name: what has its elements
    const char *pointed;  // CUDA, MSL: before the type of a buffer's elements
    const char *shared;   // and before that of a shared array's
} fmi_dialect;

typedef struct fmi_printer {
    const fmi_dialect *dialect;
    const fmi_tree *tree;
    fmi_text *out;
    const char *access; // what stands before what the body can name: in C a struct that holds it; else nothing
    const char *leave;  // what a `return;` of the body becomes
    bool is_header;
    uint32_t indent;
} fmi_printer;

static inline void fmi_put_bytes(fmi_printer *printer, const char *bytes, size_t length)
{
    fmi_text_append(printer->out, bytes, length);
}

void fmi_put(fmi_printer *printer, const char *text);
void fmi_put_value(fmi_printer *printer, const fmi_node *node);
void fmi_put_symbol(fmi_printer *printer, const fmi_symbol *symbol);
// The form with a value in the place of each `@`; nothing, where the value is NULL.
void fmi_put_form(fmi_printer *printer, const char *form, ...);
// Statements, each on lines of its own; constants and helpers of the header.
void fmi_put_statements(fmi_printer *printer, const fmi_node *list);
void fmi_put_header(fmi_printer *printer);

// literals.c. A number as its token has it, and one that was computed.
void fmi_put_number(fmi_printer *printer, const fmi_node *node);
void fmi_put_known(fmi_printer *printer, const fmi_node *node);

// print.c. The kernel's names by kind: `[first, first + count)` of the tree's source.
typedef struct fmi_name_range {
    uint32_t first;
    uint32_t count;
} fmi_name_range;
fmi_name_range fmi_print_range(const fmi_tree *tree, fmi_declared_kind kind);
const fmi_dtype_row *fmi_print_row(const fmi_tree *tree, uint32_t index); // of name `index`
bool fmi_print_has_dtype(const fmi_tree *tree, fm_dtype dtype);           // a buffer has it
// Bytes of the constants, as of a C struct with the same members.
uint32_t fmi_print_constants_size(const fmi_tree *tree);
// Appends "fm_b_" and the like, and the name.
void fmi_print_name(fmi_text *out, const fmi_declared *declared);
// Appends the members of the argument block behind the addresses: constants (c0, …), counts (g0, …), base (o0, …). Returns their bytes.
uint32_t fmi_print_members(const fmi_print *print, fmi_dialect_kind dialect, fmi_text *out);
// Appends a local for each constant of the block `fm_args`.
void fmi_print_constants(const fmi_print *print, fmi_dialect_kind dialect, fmi_text *out);
// CUDA and MSL. Appends the block as a struct of addresses and members; returns its bytes. Appends a local for each buffer, shared array and constant.
uint32_t fmi_print_block(const fmi_print *print, const fmi_dialect *dialect, fmi_text *out);
void fmi_print_names(const fmi_print *print, const fmi_dialect *dialect, fmi_text *out);
void fmi_print_note_wants(fmi_print *print);
fm_status fmi_print_end(const fmi_print *print); // FM_ERROR_OUT_OF_HOST_MEMORY, if the text says so

// division.c. Integer division that a target leaves open, in the language's own words: what stands before, between and behind its parts.
bool fmi_division_is_own(const fmi_printer *printer, const fmi_node *node);
void fmi_division_begin(fmi_printer *printer, const fmi_node *node);
void fmi_division_separate(fmi_printer *printer, const fmi_node *node);
void fmi_division_end(fmi_printer *printer, const fmi_node *node);
// The same for `a /= b`, whose a stands between the two; b is printed with the end.
void fmi_division_begin_store(fmi_printer *printer, const fmi_node *node);
void fmi_division_end_store(fmi_printer *printer, const fmi_node *node);

// prelude.c. The helper functions that the tree's functions and dtypes need.
void fmi_prelude_write(const fmi_print *print, fmi_dialect_kind dialect, fmi_text *out);

#endif
