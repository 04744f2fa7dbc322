// The tokenizer of bodies and headers: from characters to tokens. See tokens.h.
// It also refuses what the language has no use for: directives in a body, strings, numbers that C and GLSL read differently. What the tokens
// say is for the translator (body.c) and the grammar (grammar.h).
#include "kernel/tokens.h"

#include "base/error.h"

#include <string.h>

struct cutter {
    const char *text;
    size_t length;
    size_t at;
    uint32_t line;
    size_t line_start;
    bool is_header;
    bool is_line_start; // nothing but spaces since the last line end
    bool is_quiet;      // mistakes are found, not said
    fmi_tokens *out;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_name_start(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_name_part(char c)
{
    return is_name_start(c) || is_digit(c);
}

static char look(const struct cutter *cutter, size_t ahead)
{
    return cutter->length - cutter->at > ahead ? cutter->text[cutter->at + ahead] : 0;
}

static fm_status fail_at(const struct cutter *cutter, size_t at, const char *sentence)
{
    const fmi_token place = {.line = cutter->line, .column = (uint32_t)(at - cutter->line_start + 1)};
    return cutter->is_quiet ? FM_ERROR_COMPILE : fmi_token_fail_at(cutter->out, &place, "%s", sentence);
}

static fm_status push(struct cutter *cutter, fmi_token_kind kind, uint8_t note, size_t start, uint32_t line,
                      size_t column)
{
    const fmi_token token = {.start = cutter->text + start,
                             .length = (uint32_t)(cutter->at - start),
                             .line = line,
                             .column = (uint32_t)column,
                             .kind = (uint8_t)kind,
                             .note = note};
    return fmi_tokens_push(cutter->out, &token);
}

static void end_line(struct cutter *cutter)
{
    cutter->line++;
    cutter->line_start = cutter->at;
    cutter->is_line_start = true;
}

size_t fmi_text_continues(const char *p, const char *end)
{
    size_t length = end - p > 2 && p[1] == '\r' ? 3 : 2;
    return (size_t)(end - p) >= length && *p == '\\' && p[length - 1] == '\n' ? length : 0;
}

const char *fmi_text_skip_comment(const char *p, const char *end)
{
    if (p[1] == '*') {
        for (p += 2; end - p > 1 && (p[0] != '*' || p[1] != '/'); p++) {
        }
        return end - p > 1 ? p + 2 : NULL;
    }
    for (; p < end && *p != '\n'; p++) {
        size_t hidden = fmi_text_continues(p, end);
        p += hidden ? hidden - 1 : 0;
    }
    return p;
}

// Moves past `length` bytes of comments and hidden line ends, which leave the line's start what it is.
static void skip_lines(struct cutter *cutter, size_t length)
{
    bool was_line_start = cutter->is_line_start;
    for (size_t end = cutter->at + length; cutter->at < end;) {
        if (cutter->text[cutter->at++] == '\n') {
            end_line(cutter);
        }
    }
    cutter->is_line_start = was_line_start;
}

// Moves past blanks, line ends, comments and backslashes that continue a line.
static fm_status skip_space(struct cutter *cutter)
{
    const char *end = cutter->text + cutter->length;
    while (cutter->at < cutter->length) {
        const char *here = cutter->text + cutter->at;
        char c = *here;
        size_t hidden = fmi_text_continues(here, end);
        if (c == '\n') {
            cutter->at++;
            end_line(cutter);
        } else if (c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v') {
            cutter->at++;
        } else if (c == '/' && (look(cutter, 1) == '/' || look(cutter, 1) == '*')) {
            const char *behind = fmi_text_skip_comment(here, end);
            if (!behind) {
                return fail_at(cutter, cutter->at, "a comment has no end");
            }
            skip_lines(cutter, (size_t)(behind - here));
        } else if (hidden) {
            skip_lines(cutter, hidden);
        } else {
            break;
        }
    }
    return FM_OK;
}

// An integer without `u` must fit an int: C would make it a long, GLSL a negative number.
static bool fits(const char *digits, size_t length, uint32_t base, uint64_t most)
{
    uint64_t value = 0;
    for (size_t i = 0; i < length; i++) {
        char c = digits[i];
        uint32_t digit = is_digit(c) ? (uint32_t)(c - '0') : (uint32_t)((c | 32) - 'a') + 10;
        if (digit >= base || value > (most - digit) / base) {
            return false;
        }
        value = value * base + digit;
    }
    return true;
}

static fm_status fail_number(const struct cutter *cutter, size_t start, size_t end)
{
    const char *text = cutter->text + start;
    bool is_binary = end - start > 2 && text[0] == '0' && (text[1] | 32) == 'b';
    bool is_half = !is_binary && (text[end - start - 1] | 32) == 'h';
    return fail_at(cutter, start,
                   is_binary ? "there are no binary numbers: write them as 0x…"
                   : is_half ? "there are no half numbers, half is a dtype of buffer elements: write a float (1.0f)"
                             : "a number is neither an int, a uint (1u), a long (1l), a ulong (1ul), a float (1.0f) "
                               "nor a double (1.0lf)");
}

static fm_status check_integer(const struct cutter *cutter, size_t start, size_t end)
{
    const char *text = cutter->text + start;
    size_t length = end - start;
    bool is_hex = length > 2 && text[0] == '0' && (text[1] | 32) == 'x';
    bool is_long = length > 1 && (text[length - 1] | 32) == 'l';
    bool is_unsigned = length > 1u + is_long && (text[length - 1 - is_long] | 32) == 'u';
    uint32_t base = is_hex ? 16 : text[0] == '0' ? 8 : 10;
    size_t skip = is_hex ? 2 : 0;
    size_t suffix = (size_t)is_long + is_unsigned;
    size_t digits = length > skip + suffix ? length - skip - suffix : 0;
    for (size_t i = 0; i < digits; i++) {
        char c = text[skip + i];
        if (!is_digit(c) && !(is_hex && (c | 32) >= 'a' && (c | 32) <= 'f')) {
            return fail_number(cutter, start, end);
        }
    }
    uint64_t most = is_long ? (is_unsigned ? UINT64_MAX : INT64_MAX) : (is_unsigned ? UINT32_MAX : INT32_MAX);
    for (size_t i = 0; base == 8 && i < digits; i++) {
        if (text[i] > '7') {
            return fail_at(cutter, start, "a number that begins with 0 is octal: its digits are 0 to 7");
        }
    }
    if (digits == 0 || !fits(text + skip, digits, base, most)) {
        return fail_at(cutter, start,
                       is_long ? "an integer does not fit 64 bits: a long (with the suffix l) is at most "
                                 "9223372036854775807, a ulong (with ul) 18446744073709551615"
                               : "an integer does not fit 32 bits: an int is at most 2147483647, a uint (with the "
                                 "suffix u) 4294967295");
    }
    return FM_OK;
}

static const char *skip_digits(const char *p, const char *end)
{
    while (p < end && is_digit(*p)) {
        p++;
    }
    return p;
}

// Digits, at most one point among them, an exponent, and perhaps `f` or `lf`: nothing else is a float.
static fm_status check_float(const struct cutter *cutter, size_t start, size_t end)
{
    const char *p = skip_digits(cutter->text + start, cutter->text + end);
    const char *last = cutter->text + end;
    if (p < last && *p == '.') {
        p = skip_digits(p + 1, last);
    }
    if (p < last && (*p | 32) == 'e') {
        p++;
        p += p < last && (*p == '+' || *p == '-');
        if (p == last || !is_digit(*p)) {
            return fail_at(cutter, start, "a float's exponent has no digits");
        }
        p = skip_digits(p, last);
    }
    bool is_double = last - p == 2 && (p[0] | 32) == 'l' && (p[1] | 32) == 'f';
    if (p != last && !is_double && !(p + 1 == last && (*p | 32) == 'f')) {
        return fail_number(cutter, start, end);
    }
    return FM_OK;
}

static fm_status cut_number(struct cutter *cutter, fmi_token_kind *out_kind)
{
    size_t start = cutter->at;
    bool is_hex = look(cutter, 0) == '0' && (look(cutter, 1) | 32) == 'x';
    bool is_float = false;
    while (is_name_part(look(cutter, 0)) || look(cutter, 0) == '.') {
        char c = look(cutter, 0);
        cutter->at++;
        is_float |= c == '.';
        if (!is_hex && (c | 32) == 'e') {
            is_float = true;
            cutter->at += look(cutter, 0) == '+' || look(cutter, 0) == '-';
        }
    }
    *out_kind = is_float ? FMI_TOKEN_FLOAT : FMI_TOKEN_INTEGER;
    return is_float ? check_float(cutter, start, cutter->at) : check_integer(cutter, start, cutter->at);
}

// True if the name behind a `#`, which has been read, is `name`.
static bool is_directive(const struct cutter *cutter, const char *name)
{
    const char *end = cutter->text + cutter->length;
    size_t at = cutter->at + (look(cutter, 0) == '#'), length = strlen(name);
    for (bool is_space = true; at < cutter->length && is_space;) {
        const char *here = cutter->text + at;
        bool is_comment = *here == '/' && end - here > 1 && here[1] == '*';
        const char *behind = is_comment ? fmi_text_skip_comment(here, end) : here + fmi_text_continues(here, end);
        behind += behind == here && (*here == ' ' || *here == '\t');
        is_space = behind && behind != here;
        at += is_space ? (size_t)(behind - here) : 0;
    }
    return cutter->length - at >= length && memcmp(cutter->text + at, name, length) == 0 &&
           !(at + length < cutter->length && is_name_part(cutter->text[at + length]));
}

static fm_status check_directive(const struct cutter *cutter)
{
    static const char *const allowed[] = {"define", "undef", "if", "ifdef", "ifndef", "elif", "else", "endif"};
    for (size_t i = 0; i < sizeof allowed / sizeof allowed[0]; i++) {
        if (is_directive(cutter, allowed[i])) {
            return FM_OK;
        }
    }
    return fail_at(cutter, cutter->at - 1,
                   is_directive(cutter, "pragma")
                       ? "there are no pragmas: leave this line out, compilers unroll loops by themselves"
                   : is_directive(cutter, "include")
                       ? "there is no #include: all helper functions stand in fm_kernel_info.header"
                       : "the only directives are #define, #undef, #if, #ifdef, #ifndef, #elif, #else and #endif");
}

static fm_status cut_operator(struct cutter *cutter)
{
    static const char *const operators[] = {"<<=", ">>=", "++", "--", "+=", "-=", "*=", "/=", "%=", "&=",
                                            "|=",  "^=",  "<<", ">>", "<=", ">=", "==", "!=", "&&", "||"};
    size_t left = cutter->length - cutter->at;
    const char *here = cutter->text + cutter->at;
    if (*here == '#') {
        if (!cutter->is_header && !is_directive(cutter, "pragma")) {
            return fail_at(cutter, cutter->at, "a body has no preprocessor lines; they belong into the header");
        }
        if (cutter->is_line_start) {
            cutter->at++;
            return check_directive(cutter);
        }
    }
    for (size_t i = 0; i < sizeof operators / sizeof operators[0]; i++) {
        size_t length = strlen(operators[i]);
        if (length <= left && memcmp(here, operators[i], length) == 0) {
            cutter->at += length;
            return FM_OK;
        }
    }
    if (*here && strchr("+-*/%&|^~!<>=?:;,.()[]{}", *here)) {
        cutter->at++;
        return FM_OK;
    }
    return fail_at(cutter, cutter->at,
                   *here == '"' || *here == '\'' ? "there are no strings and no character constants"
                   : *here == '\\'               ? "a backslash continues its line only as the last character of it"
                                                 : "this character has no meaning in a kernel");
}

static fm_status cut_token(struct cutter *cutter, fmi_token_kind *out_kind)
{
    char c = look(cutter, 0);
    if (is_name_start(c)) {
        while (is_name_part(look(cutter, 0))) {
            cutter->at++;
        }
        *out_kind = FMI_TOKEN_NAME;
        return FM_OK;
    }
    if (is_digit(c) || (c == '.' && is_digit(look(cutter, 1)))) {
        return cut_number(cutter, out_kind);
    }
    *out_kind = FMI_TOKEN_OPERATOR;
    return cut_operator(cutter);
}

// A header may leave parts of itself out, whatever stands in them, so a bad token is refused by whoever comes to it.
static fm_status cut_or_keep(struct cutter *cutter, fmi_token_kind *out_kind, uint8_t *out_note)
{
    size_t start = cutter->at;
    cutter->is_quiet = cutter->is_header;
    fm_status status = cut_token(cutter, out_kind);
    cutter->is_quiet = false;
    if (status == FM_OK || !cutter->is_header) {
        return status;
    }
    cutter->at += cutter->at == start;
    *out_kind = FMI_TOKEN_BAD;
    *out_note = cutter->is_line_start;
    return FM_OK;
}

fm_status fmi_tokens_refuse(const fmi_tokens *tokens, const fmi_token *bad)
{
    fmi_tokens where = *tokens;
    size_t at = (size_t)(bad->start - tokens->text);
    fmi_token_kind kind;
    struct cutter cutter = {.text = tokens->text,
                            .length = tokens->length,
                            .at = at,
                            .line = bad->line,
                            .line_start = at + 1 - bad->column,
                            .is_header = true,
                            .is_line_start = bad->note != 0,
                            .out = &where};
    return cut_token(&cutter, &kind);
}

static fm_status cut_all(struct cutter *cutter)
{
    while (cutter->at < cutter->length) {
        size_t start = cutter->at;
        uint32_t line = cutter->line;
        size_t column = start - cutter->line_start + 1;
        fmi_token_kind kind = FMI_TOKEN_SPACE;
        uint8_t note = 0;
        fm_status status = skip_space(cutter);
        if (status == FM_OK && cutter->at == start) {
            status = cut_or_keep(cutter, &kind, &note);
            cutter->is_line_start = false;
        }
        if (status == FM_OK) {
            status = push(cutter, kind, note, start, line, column);
        }
        if (status != FM_OK) {
            return status;
        }
    }
    return fmi_tokens_end(cutter->out);
}

fm_status fmi_tokens_cut(const char *text, size_t length, bool is_header, fmi_tokens *out)
{
    *out = (fmi_tokens){.text = text, .length = length, .place = is_header ? "header " : ""};
    struct cutter cutter = {
        .text = text, .length = length, .line = 1, .is_header = is_header, .is_line_start = true, .out = out};
    fm_status status = cut_all(&cutter);
    if (status != FM_OK) {
        fmi_tokens_free(out);
    }
    return status;
}
