// Checks of the library's own rules, kept in release builds: a broken lifetime rule must stop the program, not corrupt memory.
// The caller's mistakes never come here; they return an error with a sentence. `tag` names a line of docs/requirements.md or
// docs/invariants.md.
#ifndef FMI_BASE_ASSERT_H
#define FMI_BASE_ASSERT_H

#include <stdio.h>
#include <stdlib.h>

#define FMI_ASSERT(tag, expr)                                                                                          \
    do {                                                                                                               \
        if (__builtin_expect(!(expr), 0)) {                                                                            \
            fprintf(stderr, "fermata: %s:%d: invariant %s is broken: %s\n", __FILE__, __LINE__, tag, #expr);           \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

#endif
