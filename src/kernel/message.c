// Shortens compiler logs. See message.h.
// Each line is tried as a message of glslang, then of libtcc; what neither wrote, and what repeats the outcome, is dropped.
// Reads hostile text safely: nothing is assumed of a line but its end.
#include "kernel/message.h"

#include <string.h>

enum { MAX_MESSAGES = 4, MAX_MESSAGE_LENGTH = 300 };

// What a message says, and where.
struct message {
    const char *place; // "line ", "header line ", …; NULL if unknown
    unsigned line;
    const char *text;
    size_t length;
};

static const char *skip_number(const char *p, const char *end, unsigned *out)
{
    const char *start = p;
    unsigned value = 0;
    while (p < end && *p >= '0' && *p <= '9' && p - start < 9) {
        value = value * 10 + (unsigned)(*p++ - '0');
    }
    *out = value;
    return p == start ? NULL : p;
}

static bool starts_with(const char *p, const char *end, const char *word)
{
    size_t length = strlen(word);
    return (size_t)(end - p) >= length && memcmp(p, word, length) == 0;
}

static bool contains(const char *p, const char *end, const char *word)
{
    for (; p < end; p++) {
        if (starts_with(p, end, word)) {
            return true;
        }
    }
    return false;
}

// glslang: "ERROR: 0:3: 'foo' : undeclared identifier "
static bool read_glslang(const char *p, const char *end, struct message *out)
{
    static const char *const places[] = {"line ", "header line ", "generated line "};
    if (!starts_with(p, end, "ERROR: ") || contains(p, end, "compilation terminated") ||
        contains(p, end, "No code generated")) {
        return false;
    }
    p += strlen("ERROR: ");
    *out = (struct message){.text = p, .length = (size_t)(end - p)};
    unsigned source = 0;
    unsigned line = 0;
    const char *q = skip_number(p, end, &source);
    if (q && q < end && *q == ':' && (q = skip_number(q + 1, end, &line)) && q < end && *q == ':' && source < 3) {
        *out = (struct message){places[source], line, q + 1, (size_t)(end - q - 1)};
    }
    return true;
}

// libtcc: "body:3: error: ';' expected (got "}")". Warnings matter where the error names no line: a function that is nowhere.
static bool read_tcc(const char *p, const char *end, struct message *out)
{
    static const struct {
        const char *file;
        const char *place;
    } places[] = {{"body:", "line "}, {"header:", "header line "}, {"generated:", "generated line "}};
    if (!contains(p, end, "error: ") && !contains(p, end, "implicit declaration")) {
        return false;
    }
    const char *text = p;
    while (!starts_with(text, end, "error: ") && !starts_with(text, end, "warning: ") && text < end) {
        text++;
    }
    text += text < end ? strcspn(text, " ") : 0;
    *out = (struct message){.text = text, .length = (size_t)(end - text)};
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        if (starts_with(p, end, places[i].file) && skip_number(p + strlen(places[i].file), end, &out->line)) {
            out->place = places[i].place;
        }
    }
    return true;
}

static void append(const struct message *message, fmi_text *out)
{
    const char *text = message->text;
    size_t length = message->length;
    while (length && *text == ' ') {
        text++;
        length--;
    }
    while (length && text[length - 1] == ' ') {
        length--;
    }
    if (message->place) {
        fmi_text_format(out, "%s%u: ", message->place, message->line);
    }
    fmi_text_append(out, text, length < MAX_MESSAGE_LENGTH ? length : MAX_MESSAGE_LENGTH);
}

void fmi_message_shorten(const char *log, fmi_text *out)
{
    int count = 0;
    while (*log && count < MAX_MESSAGES) {
        const char *end = log + strcspn(log, "\n");
        struct message message;
        if (read_glslang(log, end, &message) || read_tcc(log, end, &message)) {
            fmi_text_append(out, "; ", count ? 2 : 0);
            append(&message, out);
            count++;
        }
        log = *end ? end + 1 : end;
    }
    if (count == 0) {
        fmi_text_format(out, "the compiler gives no reason");
    }
}
