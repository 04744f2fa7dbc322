// Pieces of sentences: an object by its label, and numbers that may be negative ones in disguise.
// Values that live until the end of the full expression, so that they are made where they are used. Knows no objects. Any thread.
#ifndef FMI_BASE_PHRASE_H
#define FMI_BASE_PHRASE_H

#include <stdbool.h>
#include <stdint.h>

enum { FMI_MOST_LABEL = 64 }; // bytes of a label in a sentence; what is longer is cut

typedef struct fmi_phrase {
    char text[160];
} fmi_phrase;

// "buffer 'x'"; "an unlabelled buffer" where the label is NULL or empty: what is not known is not printed as a label.
fmi_phrase fmi_named(const char *noun, const char *label) __attribute__((cold));

// "-4" for a number that can only be a negative one that the caller computed, else the number itself: no wrapped number is printed.
fmi_phrase fmi_number(uint64_t number) __attribute__((cold));

// Can a size or an offset in bytes only be a negative number, converted? No device has half of the address space.
static inline bool fmi_is_negative(uint64_t bytes)
{
    return bytes > INT64_MAX;
}

#endif
