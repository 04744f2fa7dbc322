// The version, status names and the calling thread's last error. See error.h.
// All state is the calling thread's own; no locks.
#include "base/error.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { SENTENCE_BYTES = sizeof((fmi_error_state *)0)->text };

static _Thread_local char sentence[SENTENCE_BYTES];

uint32_t fm_version(void)
{
    return FERMATA_VERSION;
}

const char *fm_status_name(fm_status status)
{
    switch (status) {
#define CASE(name, value, text)                                                                                        \
    case name: return #name;
        FM_STATUS_LIST(CASE)
#undef CASE
    }
    return "FM_UNKNOWN";
}

const char *fm_status_text(fm_status status)
{
    switch (status) {
#define CASE(name, value, text)                                                                                        \
    case name: return text;
        FM_STATUS_LIST(CASE)
#undef CASE
    }
    return "no status of this library";
}

const char *fm_last_error(void)
{
    return sentence;
}

fm_status fmi_fail(fm_status status, const char *format, ...)
{
    // Arguments may point into the sentence itself, so it is built beside it.
    char built[SENTENCE_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(built, sizeof built, format, args);
    va_end(args);
    memcpy(sentence, built, strlen(built) + 1);
    return status;
}

fm_status fmi_answer(fm_status status)
{
    const char *text = fm_status_text(status);
    memcpy(sentence, text, strlen(text) + 1);
    return status;
}

void fmi_error_save(fmi_error_state *state)
{
    memcpy(state->text, sentence, strlen(sentence) + 1);
}

void fmi_error_restore(const fmi_error_state *state)
{
    memcpy(sentence, state->text, strlen(state->text) + 1);
}

// The text behind the name of a public function, if it begins with one.
static const char *without_function(const char *text)
{
    size_t name = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_");
    bool is_function = strncmp(text, "fm_", 3) == 0 && strncmp(text + name, ": ", 2) == 0;
    return is_function ? text + name + 2 : text;
}

void fmi_error_prefix(const char *prefix)
{
    char old[SENTENCE_BYTES];
    const char *text = without_function(sentence); // one that the caller was called by, not the user
    memcpy(old, text, strlen(text) + 1);
    size_t used = (size_t)snprintf(sentence, sizeof sentence, "%s: ", prefix);
    if (used < sizeof sentence) {
        snprintf(sentence + used, sizeof sentence - used, "%.*s", (int)(sizeof sentence - used - 1), old);
    }
}
