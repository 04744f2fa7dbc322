// Growing text: append formatted pieces, read the result. Used for generated sources and compiler messages.
// Not thread-safe; one owner. Running out of memory is remembered (`failed`) and further appends do nothing.
#ifndef FMI_BASE_TEXT_H
#define FMI_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

typedef struct fmi_text {
    char *data;      // always ends in a zero byte once anything was appended; NULL before
    size_t length;   // without the zero byte
    size_t capacity; // bytes allocated
    bool failed;     // out of host memory
} fmi_text;

void fmi_text_append(fmi_text *text, const char *bytes, size_t length);
void fmi_text_format(fmi_text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

// Appends `value`, which is finite, with the 17 digits that tell every double from its neighbours; a point stands in it in every locale.
void fmi_text_append_real(fmi_text *text, double value);

// The text so far, never NULL. Borrowed until the next append or fmi_text_free.
const char *fmi_text_get(const fmi_text *text);

// Frees the text; it can be used again, empty.
void fmi_text_free(fmi_text *text);

#endif
