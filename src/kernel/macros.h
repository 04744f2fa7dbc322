// The preprocessor of the portable language: carries out the directives of a header and puts the text of macros where they are used, in header
// and body. The targets' own preprocessors never see a macro, so one text means the same to all of them, and macros see what their use sees.
// Knows tokens, not their meaning. No state; any thread.
#ifndef FMI_KERNEL_MACROS_H
#define FMI_KERNEL_MACROS_H

#include "kernel/body.h"
#include "kernel/index.h"

typedef struct fmi_macro {
    const fmi_token *name;   // borrowed, as are all tokens here: in the header as it was cut
    const fmi_token *params; // the parameters' names and the commas between them
    uint32_t param_tokens;
    uint32_t param_count;
    const fmi_token *text;
    uint32_t text_count;
    bool is_defined;  // false behind its #undef
    bool is_function; // is used with arguments
    bool is_active;   // is being expanded, and does not expand in its own text
} fmi_macro;

typedef struct fmi_macros {
    const fmi_tokens *where; // the text that is being expanded: what sentences count lines in
    const fmi_name *names;   // of the kernel; specialisations come last; borrowed
    uint32_t name_count;
    uint32_t special_count;
    fmi_macro *list; // owned; each name once, also those that are undefined by now
    uint32_t count;
    uint32_t capacity;
    fmi_index index; // of `list`, by the same numbers
    uint32_t made;   // tokens that expansion has made, in all
} fmi_macros;

// Replaces the tokens of `header` (cut, not matched) by what its directives and macros leave of it, line by line; `macros` knows its macros then
// and borrows `raw`, into which the old tokens go. FM_ERROR_COMPILE with line and column, FM_ERROR_OUT_OF_HOST_MEMORY.
fm_status fmi_macros_read(fmi_macros *macros, fmi_tokens *header, fmi_tokens *raw);

// Replaces the tokens of `body` by what macros make of them.
fm_status fmi_macros_apply(fmi_macros *macros, fmi_tokens *body);

void fmi_macros_free(fmi_macros *macros);

// Private to macros.c and directives.c.

// Appends `list` to `out` with its macros expanded.
fm_status fmi_macros_expand(fmi_macros *macros, const fmi_token *list, uint32_t count, fmi_tokens *out, uint32_t depth);

// The macro of this name; NULL if there is none.
fmi_macro *fmi_macros_find(const fmi_macros *macros, const fmi_token *name);

// Carries out a line `# …`: a `#define`, or `#undef`. `line` are its tokens behind the `#`.
fm_status fmi_macros_define(fmi_macros *macros, const fmi_token *line, uint32_t count);
fm_status fmi_macros_undefine(fmi_macros *macros, const fmi_token *line, uint32_t count);

// What `#if` makes of the tokens behind it.
fm_status fmi_macros_evaluate(fmi_macros *macros, const fmi_token *line, uint32_t count, bool *out_is_true);

// The specialisation of this name; NULL if it is none.
const fmi_name *fmi_macros_find_special(const fmi_macros *macros, const fmi_token *name);

bool fmi_token_equals(const fmi_token *token, const char *text);

#endif
