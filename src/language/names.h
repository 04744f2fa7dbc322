// The names in a kernel's texts: each spelling is kept once, with all that it stands for, so that whoever has a token
// knows it without a search.
// One owner, the tree that is being read; nothing is locked. Memory is the arena's.
#ifndef FMI_LANGUAGE_NAMES_H
#define FMI_LANGUAGE_NAMES_H

#include "base/arena.h"
#include "language/vocabulary.h"

struct fmi_macro;
struct fmi_symbol;
struct fmi_declared;

// One spelling.
typedef struct fmi_name_entry {
    const char *text; // borrowed, no zero byte at its end
    uint32_t length;
    uint32_t hash;
    fmi_term term;                       // what it is as a word of the language, or of others
    const struct fmi_declared *declared; // what the kernel calls so; NULL: nothing
    struct fmi_macro *macro;             // NULL: no macro
    struct fmi_symbol *symbol;           // the innermost that text declares and that is seen here; NULL: none
} fmi_name_entry;

typedef struct fmi_names {
    fmi_arena *arena;       // borrowed
    fmi_name_entry **slots; // a hash table with open addressing; the arena's
    uint32_t capacity;      // a power of two, or 0
    uint32_t count;
} fmi_names;

// The entry of a spelling, made if it is new. NULL: out of host memory.
fmi_name_entry *fmi_names_intern(fmi_names *names, const char *text, size_t length);

#endif
