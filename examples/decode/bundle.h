// The files that come with this program: where they are, and what the gold file says.
// Nothing here touches a device.
#ifndef DECODE_BUNDLE_H
#define DECODE_BUNDLE_H

#include "failure.h"

#include <limits.h>
#include <stddef.h>

// What the bundled model must say after a prompt, greedily and in float32.
typedef struct gold_entry {
    char *prompt;          // owned, ends in a zero byte
    unsigned char *greedy; // owned
    size_t greedy_bytes;
} gold_entry;

typedef struct gold {
    gold_entry *entries; // owned
    size_t count;
} gold;

// Stores the path of the bundled file `name`: in the source tree, or beside or under the program's own folder. False if
// it is in none of these places.
bool bundle_find(const char *name, char out_path[PATH_MAX]);

// Loads a gold file; one that is not what it should be is a bad input. On failure nothing is kept.
bool gold_load(const char *path, gold *out, failure *f);

void gold_destroy(gold *g);

// The entry of a prompt, or NULL.
const gold_entry *gold_find(const gold *g, const char *prompt);

#endif
