// Cuts the user's text (a body or a header) into tokens, with line and column. Blanks, comments and line ends are no
// tokens: what the preprocessor needs of them is noted on the token behind them.
// Knows characters, not meaning: the parser gives the tokens meaning. No state; any thread.
#ifndef FMI_LANGUAGE_TOKENS_H
#define FMI_LANGUAGE_TOKENS_H

#include "language/reading.h"

#include <stdbool.h>

typedef enum fmi_tok_kind {
    FMI_TOK_NAME = 0,
    FMI_TOK_INTEGER,
    FMI_TOK_FLOAT,
    FMI_TOK_OPERATOR, // also brackets and, in a header, the `#` of a directive
    FMI_TOK_BAD,      // only in a header: what has no meaning, refused unless its `#if` leaves it out
    FMI_TOK_END,      // one past the last, so that looking ahead is always allowed
} fmi_tok_kind;

// What an operator is: its character, if it has one alone; else one of these. `+=` and the like are their operator and
// FMI_OP_STORES.
enum {
    FMI_OP_SHIFT_LEFT = 1,
    FMI_OP_SHIFT_RIGHT,
    FMI_OP_AT_MOST,
    FMI_OP_AT_LEAST,
    FMI_OP_EQUAL,
    FMI_OP_UNEQUAL,
    FMI_OP_AND,
    FMI_OP_OR,
    FMI_OP_INCREMENT,
    FMI_OP_DECREMENT,
    FMI_OP_STORES = 128,
};

typedef struct fmi_tok {
    const char *start; // borrowed: in the user's text
    uint32_t length;
    uint32_t line;   // from 1
    uint32_t column; // from 1, in bytes
    uint8_t kind;    // fmi_tok_kind
    uint8_t op;      // of an operator; 0: none
    uint8_t type;    // fmi_vtype of a number
    bool is_spaced;  // a blank, comment or line end is before it
    bool is_first;   // the first of its line; backslashes and comments hide a line's end
    bool is_final;   // came out of a macro's argument: not expanded again
    union {
        fmi_name_entry *name; // of a name
        uint64_t number;      // of an integer
        const char *mistake;  // of a bad token: the sentence
    };
    const fmi_name_entry *macro; // the macro that it comes from, whose use is at `line` and `column`; NULL: from none
} fmi_tok;

typedef struct fmi_toks {
    fmi_tok *list;  // owned
    uint32_t count; // without the END token
    uint32_t capacity;
    const char *text; // borrowed: what lines and columns count in
    size_t length;
    const char *place; // "" or "header ": how sentences name the text
} fmi_toks;

// Cuts `text`, and reads `out` from then on. A header may hold #define, #undef and conditionals; a body no directives.
void fmi_toks_cut(fmi_reading *reading, const char *text, size_t length, bool is_header, fmi_toks *out);
void fmi_toks_free(fmi_toks *tokens);

// Appends a token; the list stays without END until fmi_toks_end.
void fmi_toks_push(fmi_reading *reading, fmi_toks *tokens, const fmi_tok *token);
void fmi_toks_end(fmi_reading *reading, fmi_toks *tokens);

// Fails if one of these tokens has no meaning.
void fmi_toks_refuse_bad(fmi_reading *reading, const fmi_tok *list, const fmi_tok *end);

// Looks that each bracket has a partner, once macros are expanded.
void fmi_toks_match(fmi_reading *reading, const fmi_toks *tokens);

// True for `=`, `+=` and the like; true for `++` and `--`.
static inline bool fmi_tok_stores(const fmi_tok *token)
{
    return token->op == '=' || (token->op & FMI_OP_STORES) != 0;
}

static inline bool fmi_tok_steps(const fmi_tok *token)
{
    return token->op == FMI_OP_INCREMENT || token->op == FMI_OP_DECREMENT;
}

// True if the token is the name `text`.
bool fmi_tok_is(const fmi_tok *token, const char *text);

#endif
