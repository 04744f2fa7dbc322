// Byte strings and UTF-8. See text.h.
#include "text.h"

#include <stdlib.h>
#include <string.h>

bool text_push(text *t, const void *bytes, size_t size_bytes)
{
    if (size_bytes > t->room_bytes - t->size_bytes) {
        size_t room = t->room_bytes ? t->room_bytes : 64;
        while (room - t->size_bytes < size_bytes) {
            room *= 2;
        }
        unsigned char *grown = realloc(t->bytes, room);
        if (!grown) {
            return false;
        }
        t->bytes = grown;
        t->room_bytes = room;
    }
    if (size_bytes > 0) {
        memcpy(t->bytes + t->size_bytes, bytes, size_bytes);
        t->size_bytes += size_bytes;
    }
    return true;
}

void text_destroy(text *t)
{
    free(t->bytes);
    *t = (text){0};
}

// Length of the valid UTF-8 sequence that `bytes` begins with, 0 if there is none: no overlong forms, no surrogates,
// nothing above U+10FFFF.
static size_t sequence_length(const unsigned char *bytes, size_t size_bytes)
{
    unsigned char first = bytes[0];
    if (first < 0x80) {
        return 1;
    }
    size_t length = first >= 0xC2 && first <= 0xDF   ? 2
                    : first >= 0xE0 && first <= 0xEF ? 3
                    : first >= 0xF0 && first <= 0xF4 ? 4
                                                     : 0;
    if (length == 0 || length > size_bytes) {
        return 0;
    }
    for (size_t i = 1; i < length; i++) {
        if ((bytes[i] & 0xC0) != 0x80) {
            return 0;
        }
    }
    bool bad = (first == 0xE0 && bytes[1] < 0xA0) || (first == 0xED && bytes[1] > 0x9F) ||
               (first == 0xF0 && bytes[1] < 0x90) || (first == 0xF4 && bytes[1] > 0x8F);
    return bad ? 0 : length;
}

static bool is_control(unsigned char byte)
{
    return (byte < 0x20 && byte != '\t' && byte != '\n') || byte == 0x7F;
}

bool text_push_utf8(text *out, const void *bytes, size_t size_bytes, bool for_terminal)
{
    static const char replacement[] = "\xEF\xBF\xBD"; // U+FFFD
    const unsigned char *source = bytes;
    size_t at = 0;
    while (at < size_bytes) {
        size_t length = sequence_length(source + at, size_bytes - at);
        bool c1 = length == 2 && source[at] == 0xC2 &&
                  source[at + 1] < 0xA0; // the other control characters, U+0080 to U+009F
        bool replaced = length == 0 || (for_terminal && (is_control(source[at]) || c1));
        if (replaced ? !text_push(out, replacement, 3) : !text_push(out, source + at, length)) {
            return false;
        }
        at += length ? length : 1;
    }
    return true;
}
