// The version, status names and the calling thread's last error. See error.h.
// All state is the calling thread's own; no locks.
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static _Thread_local fmi_error_state last;
static _Thread_local char sentence[FMI_SENTENCE_BYTES]; // what fm_last_error gave; "" until it is asked

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

// Appends a part and what stands behind it, as far as there is room; nothing for an empty part. Returns the new length.
static size_t append(char *out, size_t size_bytes, size_t used, const char *part, const char *behind)
{
    if (!*part || used >= size_bytes) {
        return used;
    }
    int length = snprintf(out + used, size_bytes - used, "%s%s", part, behind);
    return length < 0 ? used : used + (size_t)length;
}

const char *fm_last_error(void)
{
    if (!sentence[0]) {
        size_t used = append(sentence, sizeof sentence, 0, last.call, ": ");
        used = append(sentence, sizeof sentence, used, last.subject, ": ");
        append(sentence, sizeof sentence, used, last.cause, "");
    }
    return sentence;
}

void fmi_error_describe(char *out, size_t size_bytes)
{
    out[0] = 0;
    append(out, size_bytes, append(out, size_bytes, 0, last.subject, ": "), last.cause, "");
}

static void set(const char *call, fm_status status, const char *format, va_list args)
{
    // Arguments may point into the sentence or the error itself, so the cause is built beside them.
    char built[sizeof last.cause];
    vsnprintf(built, sizeof built, format, args);
    memcpy(last.cause, built, strlen(built) + 1);
    if (call != last.call) {
        snprintf(last.call, sizeof last.call, "%s", call);
    }
    last.subject[0] = 0;
    last.status = status;
    sentence[0] = 0;
}

fm_status fmi_fail(fm_status status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    set("", status, format, args);
    va_end(args);
    return status;
}

fm_status fmi_fail_in(const char *call, fm_status status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    set(call, status, format, args);
    va_end(args);
    return status;
}

fm_status fmi_fail_of(const char *noun, const char *name, fm_status status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    set("", status, format, args);
    va_end(args);
    fmi_error_about("%s '%.100s'", noun, name);
    return status;
}

fm_status fmi_answer(fm_status status)
{
    const char *text = fm_status_text(status);
    memcpy(last.cause, text, strlen(text) + 1);
    last.call[0] = last.subject[0] = sentence[0] = 0;
    last.status = status;
    return status;
}

void fmi_error_in(const char *call)
{
    snprintf(last.call, sizeof last.call, "%s", call);
    sentence[0] = 0;
}

void fmi_error_about(const char *format, ...)
{
    char built[sizeof last.subject];
    va_list args;
    va_start(args, format);
    vsnprintf(built, sizeof built, format, args);
    va_end(args);
    if (last.subject[0]) {
        size_t used = append(built, sizeof built, strlen(built), ": ", "");
        append(built, sizeof built, used, last.subject, "");
    }
    memcpy(last.subject, built, strlen(built) + 1);
    sentence[0] = 0;
}

void fmi_error_more(const char *format, ...)
{
    size_t used = strlen(last.cause);
    va_list args;
    va_start(args, format);
    if (used + 2 < sizeof last.cause) {
        memcpy(last.cause + used, ": ", 3);
        vsnprintf(last.cause + used + 2, sizeof last.cause - used - 2, format, args);
    }
    va_end(args);
    sentence[0] = 0;
}

fm_status fmi_error_as(fm_status status)
{
    last.status = status;
    return status;
}

static void copy(fmi_error_state *to, const fmi_error_state *from)
{
    to->status = from->status;
    memcpy(to->call, from->call, strlen(from->call) + 1);
    memcpy(to->subject, from->subject, strlen(from->subject) + 1);
    memcpy(to->cause, from->cause, strlen(from->cause) + 1);
}

void fmi_error_save(fmi_error_state *state)
{
    copy(state, &last);
}

void fmi_error_restore(const fmi_error_state *state)
{
    copy(&last, state);
    sentence[0] = 0;
}
