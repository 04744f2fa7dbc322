// Compiler messages made short: from the log of glslang or libtcc, the lines that help the user, as one sentence's end, in the words of
// the portable language. Knows the source names that the generators use (body, header, own text), so that line numbers are the user's.
// No state; any thread.
#ifndef FMI_KERNEL_MESSAGE_H
#define FMI_KERNEL_MESSAGE_H

#include "base/text.h"

#include <stdint.h>

enum { FMI_MESSAGE_BYTES = 300 };

// Which text a message is about.
typedef enum fmi_message_place {
    FMI_MESSAGE_NOWHERE = 0,
    FMI_MESSAGE_BODY, // of portable kernels; the whole text of GLSL ones
    FMI_MESSAGE_HEADER,
    FMI_MESSAGE_GENERATED,
} fmi_message_place;

typedef struct fmi_message {
    fmi_message_place place;
    uint32_t line; // from 1; 0 if unknown
    char text[FMI_MESSAGE_BYTES];
} fmi_message;

// Reads a log's first message; false, and an empty message, if there is none.
bool fmi_message_read_first(const char *log, fmi_message *out);

// Appends up to a few messages, "line 3: 'foo' : undeclared identifier; header line 2: …"; "the compiler gives no reason" for none.
void fmi_message_shorten(const char *log, fmi_text *out);

#endif
