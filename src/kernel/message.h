// Compiler messages made short: from the log of glslang or libtcc, the lines that help the user, as one sentence's end.
// Knows the source names that the generators use (body, header, own text), so that line numbers are the user's.
// No state; any thread.
#ifndef FMI_KERNEL_MESSAGE_H
#define FMI_KERNEL_MESSAGE_H

#include "base/text.h"

// Appends up to a few messages, "line 3: 'foo' : undeclared identifier; header line 2: …"; "no message" for an empty log.
void fmi_message_shorten(const char *log, fmi_text *out);

#endif
