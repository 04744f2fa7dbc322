// Shortens compiler logs. See message.h.
// Each line is tried as a message of glslang, then of libtcc; what neither wrote, and what repeats the outcome, is dropped. What is left
// loses the compilers' own words: prefixes that the generators put before names, qualifiers of types that no body can write, functions of
// GLSL and C that the user knows by another name. Reads hostile text safely: nothing is assumed of a line but its end.
#include "kernel/message.h"

#include <string.h>

enum { MAX_MESSAGES = 4 };

static const char *skip_number(const char *p, const char *end, uint32_t *out)
{
    const char *start = p;
    uint32_t value = 0;
    while (p < end && *p >= '0' && *p <= '9' && p - start < 9) {
        value = value * 10 + (uint32_t)(*p++ - '0');
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

static bool is_name_part(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

// What replaces a word of a compiler, NULL: nothing does.
static const char *translate_word(const char *p, size_t length)
{
    // Tokens by the names that glslang's grammar has for them, and qualifiers of types.
    static const char *const replacements[][2] = {
        {"RIGHT_BRACE", "'}'"},
        {"LEFT_BRACE", "'{'"},
        {"RIGHT_PAREN", "')'"},
        {"LEFT_PAREN", "'('"},
        {"SEMICOLON", "';'"},
        {"COMMA", "','"},
        {"COLON", "':'"},
        {"EQUAL", "'='"},
        {"LEFT_BRACKET", "'['"},
        {"RIGHT_BRACKET", "']'"},
        {"PLUS", "'+'"},
        {"DASH", "'-'"},
        {"STAR", "'*'"},
        {"SLASH", "'/'"},
        {"IDENTIFIER", "a name"},
        {"INTCONSTANT", "a number"},
        {"UINTCONSTANT", "a number"},
        {"FLOATCONSTANT", "a number"},
        {"temp", ""},
        {"highp", ""},
        {"mediump", ""},
        {"lowp", ""},
        {"global", ""},
    };
    for (size_t i = 0; i < sizeof replacements / sizeof replacements[0]; i++) {
        if (strlen(replacements[i][0]) == length && memcmp(replacements[i][0], p, length) == 0) {
            return replacements[i][1];
        }
    }
    return NULL;
}

// Appends one character if there is room for it and the end. Of several blanks one is kept, and none at the start or behind the quote
// that opens.
static void put(fmi_message *out, size_t *at, bool *is_quote_open, char c)
{
    bool is_first = *at == 0 || out->text[*at - 1] == ' ' || (out->text[*at - 1] == '\'' && *is_quote_open);
    if ((c == ' ' && is_first) || *at + 1 >= sizeof out->text) {
        return;
    }
    if (c == '\'') {
        *is_quote_open = !*is_quote_open;
    }
    out->text[(*at)++] = c;
}

// Copies a message's text in the words of the language.
static void clean(const char *p, const char *end, fmi_message *out)
{
    size_t at = 0;
    bool is_quote_open = false;
    if (starts_with(p, end, "'' : ")) {
        p += strlen("'' : ");
    }
    while (p < end) {
        const char *start = p++;
        if (!is_name_part(*start)) {
            put(out, &at, &is_quote_open, *start);
            continue;
        }
        while (p < end && is_name_part(*p)) {
            p++;
        }
        size_t length = (size_t)(p - start);
        if (length == strlen("layout") && starts_with(start, p, "layout") && p < end && *p == '(') {
            while (p < end && *p++ != ')') { // of a type: what the generators, not the user, gave it
            }
            continue;
        }
        bool is_ours = length > 5 && starts_with(start, p, "fm_") && start[4] == '_' && strchr("bcsv", start[3]);
        const char *word = is_ours ? NULL : translate_word(start, length);
        start += is_ours ? strlen("fm_b_") : 0;
        for (const char *c = word ? word : start; word ? *c != 0 : c < p; c++) {
            put(out, &at, &is_quote_open, *c);
        }
    }
    while (at > 0 && out->text[at - 1] == ' ') {
        at--;
    }
    out->text[at] = 0;
}

// glslang: "ERROR: 0:3: 'foo' : undeclared identifier "
static bool read_glslang(const char *p, const char *end, fmi_message *out)
{
    static const fmi_message_place places[] = {FMI_MESSAGE_BODY, FMI_MESSAGE_HEADER, FMI_MESSAGE_GENERATED};
    if (!starts_with(p, end, "ERROR: ") || contains(p, end, "compilation terminated") ||
        contains(p, end, "No code generated")) {
        return false;
    }
    p += strlen("ERROR: ");
    *out = (fmi_message){0};
    uint32_t source = 0, line = 0;
    const char *q = skip_number(p, end, &source);
    if (q && q < end && *q == ':' && (q = skip_number(q + 1, end, &line)) && q < end && *q == ':' && source < 3) {
        out->place = places[source];
        out->line = line;
        p = q + 1;
        while (p < end && *p == ' ') {
            p++;
        }
    }
    clean(p, end, out);
    return true;
}

// libtcc: "body:3: error: ';' expected (got "}")". Warnings matter where the error names no line: a function that is nowhere.
static bool read_tcc(const char *p, const char *end, fmi_message *out)
{
    static const struct {
        const char *file;
        fmi_message_place place;
    } places[] = {{"body:", FMI_MESSAGE_BODY}, {"header:", FMI_MESSAGE_HEADER}, {"<string>:", FMI_MESSAGE_GENERATED}};
    if (!contains(p, end, "error: ") && !contains(p, end, "implicit declaration")) {
        return false;
    }
    const char *text = p;
    while (!starts_with(text, end, "error: ") && !starts_with(text, end, "warning: ") && text < end) {
        text++;
    }
    text += text < end ? strcspn(text, " ") : 0;
    *out = (fmi_message){0};
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        if (starts_with(p, end, places[i].file) && skip_number(p + strlen(places[i].file), end, &out->line)) {
            out->place = places[i].place;
        }
    }
    clean(text, end, out);
    return true;
}

// Reads the next message and moves `*log` behind it; false at the log's end.
static bool read_next(const char **log, fmi_message *out)
{
    while (**log) {
        const char *line = *log, *end = line + strcspn(line, "\n");
        *log = *end ? end + 1 : end;
        if (read_glslang(line, end, out) || read_tcc(line, end, out)) {
            return true;
        }
    }
    return false;
}

bool fmi_message_read_first(const char *log, fmi_message *out)
{
    *out = (fmi_message){0};
    return read_next(&log, out);
}

void fmi_message_shorten(const char *log, fmi_text *out)
{
    static const char *const places[] = {[FMI_MESSAGE_BODY] = "line ",
                                         [FMI_MESSAGE_HEADER] = "header line ",
                                         [FMI_MESSAGE_GENERATED] = "generated line "};
    fmi_message message;
    int count = 0;
    while (count < MAX_MESSAGES && read_next(&log, &message)) {
        fmi_text_append(out, "; ", count ? 2 : 0);
        if (message.place != FMI_MESSAGE_NOWHERE) {
            fmi_text_format(out, "%s%u: ", places[message.place], message.line);
        }
        fmi_text_append(out, message.text, strlen(message.text));
        count++;
    }
    if (count == 0) {
        fmi_text_format(out, "the compiler gives no reason");
    }
}
