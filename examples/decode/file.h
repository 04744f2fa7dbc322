// A whole file, mapped into memory for reading. Knows nothing of what is in it.
#ifndef DECODE_FILE_H
#define DECODE_FILE_H

#include "failure.h"

#include <stddef.h>

typedef struct mapped_file {
    const unsigned char *bytes; // owned mapping; NULL when nothing is mapped
    size_t size_bytes;
} mapped_file;

// Maps the regular, non-empty file at `path`; everything else is a bad input and says why.
bool file_map(const char *path, mapped_file *out, failure *f);

// Ends a mapping; does nothing where there is none.
void file_unmap(mapped_file *file);

// Says whether the file at `path` can be read and has the same bytes.
bool file_equals(const mapped_file *file, const char *path);

#endif
