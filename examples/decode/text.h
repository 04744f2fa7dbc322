// Byte strings that grow, and their way to valid UTF-8. Knows nothing of tokens.
#ifndef DECODE_TEXT_H
#define DECODE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

// Bytes in any encoding, or none. {0} is empty.
typedef struct text {
    unsigned char *bytes; // owned
    size_t size_bytes;    // in use
    size_t room_bytes;    // allocated
} text;

// Appends a copy of `size_bytes` bytes; false when no memory is left, and then nothing has changed.
bool text_push(text *t, const void *bytes, size_t size_bytes);

void text_destroy(text *t);

// Appends `size_bytes` bytes to `out` as valid UTF-8: each byte that is no part of a valid sequence becomes U+FFFD, and
// so does each control character but tab and newline if `for_terminal`. False when no memory is left.
bool text_push_utf8(text *out, const void *bytes, size_t size_bytes, bool for_terminal);

#endif
