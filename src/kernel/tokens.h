// Cuts the user's text (a body or a header) into tokens, with line, column and matching brackets.
// Knows characters, not meaning: body.c gives the tokens meaning. Every byte of the text is in some token.
// No state; any thread.
#ifndef FMI_KERNEL_TOKENS_H
#define FMI_KERNEL_TOKENS_H

#include <fermata/status.h>

#include <stdbool.h>

typedef enum fmi_token_kind {
    FMI_TOKEN_SPACE = 0, // blanks, line ends and comments
    FMI_TOKEN_NAME,
    FMI_TOKEN_INTEGER,
    FMI_TOKEN_FLOAT,
    FMI_TOKEN_OPERATOR, // also brackets and, in a header, the `#` of a directive
    FMI_TOKEN_BAD,      // only in a header: what has no meaning, refused unless its `#if` leaves it out
    FMI_TOKEN_END,      // one past the last, so that looking ahead is always allowed
} fmi_token_kind;

typedef struct fmi_token {
    const char *start; // borrowed: in the user's text
    uint32_t length;
    uint32_t line;   // from 1
    uint32_t column; // from 1, in bytes
    uint32_t match;  // brackets: index of the partner; 0 elsewhere (and before fmi_tokens_match)
    uint8_t kind;    // fmi_token_kind
    uint8_t note; // of a name: what grammar.h found out about it (fmi_type or FMI_NOTE_OWN); of a bad token: 1 if it is
    // its line's first; else 0
    bool is_final;  // came out of a macro's argument: not expanded again
    bool is_edited; // edits.h has a note about it
    uint32_t macro_length;
    const char *macro; // the macro that it comes from, whose use is at `line` and `column`; NULL: from none; borrowed
} fmi_token;

typedef struct fmi_tokens {
    fmi_token *list; // owned
    uint32_t count;  // without the END token
    uint32_t capacity;
    const char *text; // borrowed: what lines and columns count in
    size_t length;
    const char *place;      // "" or "header ": how sentences name the text
    struct fmi_edit *edits; // owned: what the grammar has noted (edits.h)
    uint32_t edit_count;
    uint32_t edit_capacity;
} fmi_tokens;

// Cuts `text`. A header may hold #define, #undef and conditionals; a body no directives. On error the last error says
// where, and nothing needs to be freed. FM_ERROR_COMPILE, FM_ERROR_OUT_OF_HOST_MEMORY.
fm_status fmi_tokens_cut(const char *text, size_t length, bool is_header, fmi_tokens *out);
void fmi_tokens_free(fmi_tokens *tokens);

// Appends a token; the list stays without END until fmi_tokens_end. FM_ERROR_OUT_OF_HOST_MEMORY.
fm_status fmi_tokens_push(fmi_tokens *tokens, const fmi_token *token);
fm_status fmi_tokens_end(fmi_tokens *tokens);

// Finds each bracket's partner, once macros are expanded. FM_ERROR_COMPILE for one that has none.
fm_status fmi_tokens_match(const fmi_tokens *tokens);

// Fails with what is wrong with a bad token of this text.
fm_status fmi_tokens_refuse(const fmi_tokens *tokens, const fmi_token *bad);

// The bytes of a backslash and the line end that it hides, if they begin at `p`; else 0.
size_t fmi_text_continues(const char *p, const char *end);
// Where the comment that begins at `p` ends: behind its `*/`, or at the line end, which is no part of it; NULL: it has no end.
const char *fmi_text_skip_comment(const char *p, const char *end);

// True for a literal of 64 bits, `1.0lf`.
bool fmi_token_is_double(const fmi_token *token);

// True if token `index` is exactly `text`.
bool fmi_token_is(const fmi_tokens *tokens, uint32_t index, const char *text);

// True for `=`, `+=` and the like; true for `++` and `--`.
bool fmi_token_is_assignment(const fmi_tokens *tokens, uint32_t index);
bool fmi_token_is_step(const fmi_tokens *tokens, uint32_t index);

// The nearest token that is no space, after or before `index`; the END token's index, or UINT32_MAX, if there is none.
uint32_t fmi_token_next(const fmi_tokens *tokens, uint32_t index);
uint32_t fmi_token_previous(const fmi_tokens *tokens, uint32_t index);

// `return fmi_token_fail(tokens, index, "…", …)`: FM_ERROR_COMPILE with "line L, column C: " before the sentence, and the line with a caret behind
// it. The END token's place is behind the last token that is no space.
fm_status fmi_token_fail(const fmi_tokens *tokens, uint32_t index, const char *format, ...)
    __attribute__((format(printf, 3, 4), cold));

// The same for a token that stands in another list, but counts its place in the same text.
fm_status fmi_token_fail_at(const fmi_tokens *tokens, const fmi_token *token, const char *format, ...)
    __attribute__((format(printf, 3, 4), cold));

#endif
