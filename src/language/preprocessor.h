// The preprocessor of the portable language: carries out the directives of a header and puts the text of macros where
// they are used, in header and body. The targets' own preprocessors never see a macro, so one text means the same to
// all of them, and macros see what their use sees.
// Knows tokens, not their meaning. No state; any thread.
#ifndef FMI_LANGUAGE_PREPROCESSOR_H
#define FMI_LANGUAGE_PREPROCESSOR_H

#include "language/tokens.h"

typedef struct fmi_macro {
    const fmi_tok *name;   // borrowed, as are all tokens here: in the header as it was cut
    const fmi_tok *params; // the parameters' names and the commas between them
    uint32_t param_tokens;
    uint32_t param_count;
    const fmi_tok *text;
    uint32_t text_count;
    bool is_function; // is used with arguments
    bool is_active;   // is being expanded, and does not expand in its own text
} fmi_macro;

// Puts what directives and macros leave of a header that was cut, `raw`, into `out`, which is read from then on. Macros
// borrow `raw`.
void fmi_preprocess_header(fmi_reading *reading, const fmi_toks *raw, fmi_toks *out);

// The same for a body.
void fmi_preprocess_body(fmi_reading *reading, const fmi_toks *raw, fmi_toks *out);

// Private to preprocessor.c, directives.c and condition.c.

// Appends `list` to `out` with its macros expanded.
void fmi_preprocess_expand(fmi_reading *reading, const fmi_tok *list, uint32_t count, fmi_toks *out, uint32_t depth);

// Carries out a line `# …`: a `#define`, or `#undef`. `line` are its tokens behind the word.
void fmi_preprocess_define(fmi_reading *reading, const fmi_tok *line, uint32_t count);
void fmi_preprocess_undefine(fmi_reading *reading, const fmi_tok *line, uint32_t count);

// What `#if` makes of the tokens behind it.
bool fmi_preprocess_evaluate(fmi_reading *reading, const fmi_tok *line, uint32_t count);

// True if `defined(NAME)` holds.
bool fmi_preprocess_is_defined(const fmi_tok *name);

#endif
