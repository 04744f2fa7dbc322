// The words of the portable language, and those of other languages that it lacks: a body that used one would run on one
// target only.
// Constant tables, no state; any thread.
#ifndef FMI_LANGUAGE_VOCABULARY_H
#define FMI_LANGUAGE_VOCABULARY_H

#include "language/builtins.h"

typedef enum fmi_term_kind {
    FMI_TERM_NONE = 0, // no word: an identifier like any other
    FMI_TERM_KEYWORD,  // `code`: fmi_keyword
    FMI_TERM_TYPE,     // `code`: fmi_vtype
    FMI_TERM_LITERAL,  // `code`: 1 for true
    FMI_TERM_VALUE,    // a number, unless the text gives the name to something of its own; `code`: fmi_word_value
    FMI_TERM_ID,       // a built-in with members x, y and z; `code`: fmi_id
    FMI_TERM_FUNCTION, // `builtin`
    FMI_TERM_ATOMIC,   // `builtin`; a function whose first argument is an element
    FMI_TERM_BARRIER,
    FMI_TERM_FOREIGN, // a word of C or GLSL that the language lacks
} fmi_term_kind;

typedef enum fmi_keyword {
    FMI_KEYWORD_NONE = 0,
    FMI_KEYWORD_IF,
    FMI_KEYWORD_ELSE,
    FMI_KEYWORD_FOR,
    FMI_KEYWORD_WHILE,
    FMI_KEYWORD_DO,
    FMI_KEYWORD_BREAK,
    FMI_KEYWORD_CONTINUE,
    FMI_KEYWORD_RETURN,
    FMI_KEYWORD_CONST,
} fmi_keyword;

typedef enum fmi_word_value {
    FMI_VALUE_NAN,
    FMI_VALUE_INFINITY,
    FMI_VALUE_SUBGROUP_SIZE,
    FMI_VALUE_SUBGROUP_LANE
} fmi_word_value;

typedef enum fmi_id { FMI_ID_GLOBAL, FMI_ID_LOCAL, FMI_ID_GROUP, FMI_ID_COUNT, FMI_ID_SIZE } fmi_id;

typedef struct fmi_term {
    uint8_t kind; // fmi_term_kind
    uint8_t code;
    bool is_of_c; // a foreign word that is C's, so that not even a parameter may have it for a name
    const fmi_builtin *builtin;
} fmi_term;

const char *fmi_id_name(fmi_id id);

// What a name is as a word. `name` need not end in a zero byte.
fmi_term fmi_term_find(const char *name, size_t length);

// The language's word for a function or type of a target ("inversesqrt", "sqrtf": "rsqrt", "sqrt"); NULL if it is none,
// or the same.
const char *fmi_term_of_target(const char *name, size_t length);

// True if `name` can be an identifier of the user: it does not start with fm_ or gl_.
bool fmi_term_is_free(const char *name, size_t length);

#endif
