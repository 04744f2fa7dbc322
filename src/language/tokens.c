// The tokenizer of bodies and headers. See tokens.h.
// It also refuses what the language has no use for: directives in a body, strings, numbers that C and GLSL read
// differently (numbers.h).
#include "language/tokens.h"

#include "language/numbers.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

struct cutter {
    const char *text;
    size_t length;
    size_t at;
    uint32_t line;
    size_t line_start;
    bool is_header;
    bool is_line_start; // nothing but spaces since the last line end
    fmi_reading *reading;
    fmi_toks *out;
};

static bool is_name_start(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_name_part(char c)
{
    return is_name_start(c) || (c >= '0' && c <= '9');
}

static char look(const struct cutter *cutter, size_t ahead)
{
    return cutter->length - cutter->at > ahead ? cutter->text[cutter->at + ahead] : 0;
}

void fmi_toks_push(fmi_reading *reading, fmi_toks *tokens, const fmi_tok *token)
{
    if (tokens->count + 1 >= tokens->capacity) {
        uint32_t capacity = tokens->capacity ? tokens->capacity * 2 : 256;
        fmi_tok *list = realloc(tokens->list, capacity * sizeof *list);
        if (!list) {
            fmi_reading_fail_memory(reading);
            return;
        }
        tokens->list = list;
        tokens->capacity = capacity;
    }
    tokens->list[tokens->count++] = *token;
}

void fmi_toks_end(fmi_reading *reading, fmi_toks *tokens)
{
    const fmi_tok end = {.start = tokens->text ? tokens->text + tokens->length : "",
                         .line = 1,
                         .column = 1,
                         .kind = FMI_TOK_END,
                         .is_first = true};
    uint32_t count = tokens->count;
    fmi_toks_push(reading, tokens, &end);
    tokens->count = count;
}

bool fmi_tok_is(const fmi_tok *token, const char *text)
{
    return token->kind == FMI_TOK_NAME && strlen(text) == token->length &&
           memcmp(token->start, text, token->length) == 0;
}

static void end_line(struct cutter *cutter)
{
    cutter->line++;
    cutter->line_start = cutter->at;
    cutter->is_line_start = true;
}

// The bytes of a backslash and the line end that it hides, if they begin at `p`; else 0.
static size_t measure_hidden(const char *p, const char *end)
{
    size_t length = end - p > 2 && p[1] == '\r' ? 3 : 2;
    return (size_t)(end - p) >= length && *p == '\\' && p[length - 1] == '\n' ? length : 0;
}

// Where the comment that begins at `p` ends: behind its `*/`, or at the line end, which is no part of it; NULL: it has
// no end.
static const char *find_comment_end(const char *p, const char *end)
{
    if (p[1] == '*') {
        for (p += 2; end - p > 1 && (p[0] != '*' || p[1] != '/'); p++) {
        }
        return end - p > 1 ? p + 2 : NULL;
    }
    for (; p < end && *p != '\n'; p++) {
        size_t hidden = measure_hidden(p, end);
        p += hidden ? hidden - 1 : 0;
    }
    return p;
}

// Moves to `end`, past comments and hidden line ends, which leave the line's start what it is.
static void skip_lines(struct cutter *cutter, const char *end)
{
    bool was_line_start = cutter->is_line_start;
    while (cutter->text + cutter->at < end) {
        if (cutter->text[cutter->at++] == '\n') {
            end_line(cutter);
        }
    }
    cutter->is_line_start = was_line_start;
}

// Moves past blanks, line ends, comments and backslashes that continue a line; false if nothing follows.
static bool skip_space(struct cutter *cutter)
{
    const char *end = cutter->text + cutter->length;
    while (cutter->at < cutter->length) {
        const char *here = cutter->text + cutter->at;
        size_t hidden = measure_hidden(here, end);
        bool is_comment = *here == '/' && (look(cutter, 1) == '/' || look(cutter, 1) == '*');
        const char *behind = is_comment ? find_comment_end(here, end) : here + hidden;
        if (*here == '\n') {
            cutter->at++;
            end_line(cutter);
        } else if (*here == ' ' || (*here >= '\t' && *here <= '\r')) {
            cutter->at++;
        } else if (is_comment && !behind) {
            const fmi_tok place = {.line = cutter->line, .column = (uint32_t)(cutter->at - cutter->line_start + 1)};
            fmi_tok_fail(cutter->reading, &place, "a comment has no end");
            return false;
        } else if (behind != here) {
            skip_lines(cutter, behind);
        } else {
            return true;
        }
    }
    return false;
}

// Those that cut a token give a sentence that says what is wrong with it; NULL: nothing.
static const char *cut_number(struct cutter *cutter, fmi_tok *token)
{
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
    token->kind = is_float ? FMI_TOK_FLOAT : FMI_TOK_INTEGER;
    return is_float ? fmi_number_check_real(token->start, cutter->text + cutter->at, &token->type)
                    : fmi_number_read_integer(token->start, cutter->text + cutter->at, &token->number, &token->type);
}

// True if the name behind the `#` that is here is `name`.
static bool is_directive(const struct cutter *cutter, const char *name)
{
    const char *end = cutter->text + cutter->length, *here = cutter->text + cutter->at + 1;
    size_t length = strlen(name);
    for (bool is_space = true; here < end && is_space;) {
        bool is_comment = *here == '/' && end - here > 1 && here[1] == '*';
        const char *behind = is_comment ? find_comment_end(here, end) : here + measure_hidden(here, end);
        behind += behind == here && (*here == ' ' || *here == '\t');
        is_space = behind && behind != here;
        here = is_space ? behind : here;
    }
    return (size_t)(end - here) >= length && memcmp(here, name, length) == 0 &&
           !(end - here > (ptrdiff_t)length && is_name_part(here[length]));
}

static const char *check_directive(const struct cutter *cutter)
{
    static const char *const allowed[] = {"define", "undef", "if", "ifdef", "ifndef", "elif", "else", "endif"};
    for (size_t i = 0; i < sizeof allowed / sizeof allowed[0]; i++) {
        if (is_directive(cutter, allowed[i])) {
            return NULL;
        }
    }
    return is_directive(cutter, "pragma")
               ? "there are no pragmas: leave this line out, compilers unroll loops by themselves"
           : is_directive(cutter, "include")
               ? "there is no #include: all helper functions stand in fm_kernel_info.header"
               : "the only directives are #define, #undef, #if, #ifdef, #ifndef, #elif, #else and #endif";
}

// The operator that starts here, the longest that there is; its length, or 0 if there is none.
static size_t find_operator(const struct cutter *cutter, uint8_t *out_op)
{
    static const struct {
        char text[3];
        uint8_t op;
    } pairs[] = {
        {"++", FMI_OP_INCREMENT}, {"--", FMI_OP_DECREMENT}, {"<<", FMI_OP_SHIFT_LEFT}, {">>", FMI_OP_SHIFT_RIGHT},
        {"<=", FMI_OP_AT_MOST},   {">=", FMI_OP_AT_LEAST},  {"==", FMI_OP_EQUAL},      {"!=", FMI_OP_UNEQUAL},
        {"&&", FMI_OP_AND},       {"||", FMI_OP_OR},
    };
    const char first = look(cutter, 0), second = look(cutter, 1);
    uint8_t op = (uint8_t)first;
    size_t length = first && strchr("+-*/%&|^~!<>=?:;,.()[]{}", first) ? 1 : 0;
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        if (pairs[i].text[0] == first && pairs[i].text[1] == second) {
            op = pairs[i].op;
            length = 2;
        }
    }
    bool is_shift = op == FMI_OP_SHIFT_LEFT || op == FMI_OP_SHIFT_RIGHT;
    bool stores = length && look(cutter, length) == '=' && (is_shift || strchr("+-*/%&|^", op));
    *out_op = (uint8_t)(op | (stores ? FMI_OP_STORES : 0));
    return length + stores;
}

static const char *cut_operator(struct cutter *cutter, fmi_tok *token)
{
    char c = look(cutter, 0);
    token->kind = FMI_TOK_OPERATOR;
    if (c == '#' && !cutter->is_header && !is_directive(cutter, "pragma")) {
        return "a body has no preprocessor lines; they belong into the header";
    }
    if (c == '#' && cutter->is_line_start) {
        const char *mistake = check_directive(cutter);
        cutter->at++;
        token->op = '#';
        return mistake;
    }
    size_t length = find_operator(cutter, &token->op);
    cutter->at += length;
    return length                  ? NULL
           : c == '"' || c == '\'' ? "there are no strings and no character constants"
           : c == '\\'             ? "a backslash continues its line only as the last character of it"
                                   : "this character has no meaning in a kernel";
}

static const char *cut_name(struct cutter *cutter, fmi_tok *token)
{
    while (is_name_part(look(cutter, 0))) {
        cutter->at++;
    }
    size_t length = (size_t)(cutter->text + cutter->at - token->start);
    token->kind = FMI_TOK_NAME;
    token->name = fmi_names_intern(&cutter->reading->names, token->start, length);
    if (!token->name) {
        fmi_reading_fail_memory(cutter->reading);
    }
    return NULL;
}

// A header may leave parts of itself out, whatever stands in them, so a bad token of it is refused by whoever comes to
// it.
static void cut_token(struct cutter *cutter, size_t space_start)
{
    size_t start = cutter->at;
    char c = look(cutter, 0);
    fmi_tok token = {.start = cutter->text + start,
                     .line = cutter->line,
                     .column = (uint32_t)(start - cutter->line_start + 1),
                     .is_spaced = start > space_start,
                     .is_first = cutter->is_line_start};
    bool is_number = (c >= '0' && c <= '9') || (c == '.' && look(cutter, 1) >= '0' && look(cutter, 1) <= '9');
    const char *mistake = is_name_start(c) ? cut_name(cutter, &token)
                          : is_number      ? cut_number(cutter, &token)
                                           : cut_operator(cutter, &token);
    if (mistake) {
        token.kind = FMI_TOK_BAD;
        token.op = 0;
        token.mistake = mistake;
        cutter->at += cutter->at == start;
    }
    if (!cutter->is_header) {
        fmi_toks_refuse_bad(cutter->reading, &token, &token + 1);
    }
    token.length = (uint32_t)(cutter->at - start);
    cutter->is_line_start = false;
    fmi_toks_push(cutter->reading, cutter->out, &token);
}

void fmi_toks_refuse_bad(fmi_reading *reading, const fmi_tok *list, const fmi_tok *end)
{
    for (; list < end; list++) {
        if (list->kind == FMI_TOK_BAD) {
            fmi_tok_fail(reading, list, "%s", list->mistake);
        }
    }
}

void fmi_toks_cut(fmi_reading *reading, const char *text, size_t length, bool is_header, fmi_toks *out)
{
    *out = (fmi_toks){.text = text, .length = length, .place = is_header ? "header " : ""};
    struct cutter cutter = {.text = text,
                            .length = length,
                            .line = 1,
                            .is_header = is_header,
                            .is_line_start = true,
                            .reading = reading,
                            .out = out};
    reading->text = out;
    for (size_t start = 0; reading->status == FM_OK && skip_space(&cutter); start = cutter.at) {
        cut_token(&cutter, start);
    }
    fmi_toks_end(reading, out);
}

void fmi_toks_free(fmi_toks *tokens)
{
    free(tokens->list);
    *tokens = (fmi_toks){0};
}

static char partner(uint8_t c)
{
    return (char)(c == ')' ? '(' : c == ']' ? '[' : c == '}' ? '{' : 0);
}

// Open brackets stand in a stack that is as deep as the text nests.
void fmi_toks_match(fmi_reading *reading, const fmi_toks *tokens)
{
    const fmi_tok **open = malloc((tokens->count + 1) * sizeof(fmi_tok *));
    if (!open) {
        fmi_reading_fail_memory(reading);
    }
    uint32_t depth = 0;
    for (uint32_t i = 0; i < tokens->count && reading->status == FM_OK; i++) {
        const fmi_tok *token = &tokens->list[i];
        uint8_t op = token->op;
        if (op == '(' || op == '[' || op == '{') {
            open[depth++] = token;
        } else if (partner(op) && (depth == 0 || open[--depth]->op != partner(op))) {
            fmi_tok_fail(reading, token, "'%c' closes nothing", op);
        }
    }
    if (open && depth) {
        fmi_tok_fail(reading, open[depth - 1], "'%c' is never closed", open[depth - 1]->op);
    }
    free(open);
}
