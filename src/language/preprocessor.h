// The preprocessor of the portable language: carries out the directives of a header and puts the text of macros where they are used, in header
// and body. The targets' own preprocessors never see a macro, so one text means the same to all of them, and macros see what their use sees.
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

typedef struct fmi_preprocessor {
    fmi_arena *arena;      // borrowed; macros live in it
    const fmi_toks *where; // the text that is being expanded: what sentences count lines in
    uint32_t made;         // tokens that expansion has made, in all
} fmi_preprocessor;

// Puts what directives and macros leave of a header that was cut, `raw`, into `out`, which names the text that it counts in. Macros borrow `raw`.
// FM_ERROR_COMPILE with line and column, FM_ERROR_OUT_OF_HOST_MEMORY.
fm_status fmi_preprocess_header(fmi_preprocessor *preprocessor, const fmi_toks *raw, fmi_toks *out);

// The same for a body.
fm_status fmi_preprocess_body(fmi_preprocessor *preprocessor, const fmi_toks *raw, fmi_toks *out);

// Private to preprocessor.c and directives.c.

// Appends `list` to `out` with its macros expanded.
fm_status fmi_preprocess_expand(fmi_preprocessor *preprocessor, const fmi_tok *list, uint32_t count, fmi_toks *out,
                                uint32_t depth);

// Carries out a line `# …`: a `#define`, or `#undef`. `line` are its tokens behind the word.
fm_status fmi_preprocess_define(fmi_preprocessor *preprocessor, const fmi_tok *line, uint32_t count);
fm_status fmi_preprocess_undefine(fmi_preprocessor *preprocessor, const fmi_tok *line, uint32_t count);

// What `#if` makes of the tokens behind it (condition.c).
fm_status fmi_preprocess_evaluate(fmi_preprocessor *preprocessor, const fmi_tok *line, uint32_t count,
                                  bool *out_is_true);

// True if `defined(NAME)` holds.
bool fmi_preprocess_is_defined(const fmi_tok *name);

// True if the token is the name `text`.
bool fmi_tok_is(const fmi_tok *token, const char *text);

#endif
