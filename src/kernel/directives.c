// The lines of a header that start with `#`: which parts of it count, and the arithmetic of `#if`. See macros.h.
// `#if` counts in 64-bit integers. A name in it is a macro or an integer specialisation; anything else is an error, because C would take it
// for 0 and GLSL refuses it.
#include "kernel/macros.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_NESTED = 64 };

struct condition {
    const fmi_token *start; // its `#if`
    bool is_active;         // the lines that follow count
    bool was_taken;         // one of its parts counted already, or none may
    bool has_else;
};

struct reader {
    fmi_macros *macros;
    struct condition stack[MAX_NESTED];
    uint32_t depth;
};

// True if the space ends the line: a line end that neither a backslash nor a comment hides.
static bool ends_line(const fmi_token *space)
{
    const char *p = space->start, *end = p + space->length;
    while (p < end && *p != '\n') {
        size_t hidden = fmi_text_continues(p, end);
        p = *p == '/' ? fmi_text_skip_comment(p, end) : p + (hidden ? hidden : 1);
    }
    return p < end;
}

// Fails if one of these tokens has no meaning; they count.
static fm_status refuse_bad(const fmi_macros *macros, const fmi_token *list, const fmi_token *end)
{
    for (; list < end; list++) {
        if (list->kind == FMI_TOKEN_BAD) {
            return fmi_tokens_refuse(macros->where, list);
        }
    }
    return FM_OK;
}

// True for the `#` of a directive.
static bool is_directive(const fmi_token *token)
{
    return token->kind == FMI_TOKEN_OPERATOR && fmi_token_equals(token, "#");
}

// One value of an `#if`; `list` ends before `end`.
struct value_reader {
    fmi_macros *macros;
    const fmi_token *list;
    const fmi_token *end;
    const fmi_token *last; // for what is missing at the end
    bool is_dead;          // behind a decided `&&` or `||`: only grammar counts
    uint32_t depth;
};

static const fmi_token *skip(const fmi_token *at, const fmi_token *end)
{
    while (at < end && at->kind == FMI_TOKEN_SPACE) {
        at++;
    }
    return at;
}

static const fmi_token *peek(struct value_reader *reader)
{
    reader->list = skip(reader->list, reader->end);
    return reader->list < reader->end ? reader->list : NULL;
}

static bool take(struct value_reader *reader, const char *text)
{
    const fmi_token *token = peek(reader);
    bool is = token && fmi_token_equals(token, text);
    reader->list += is;
    return is;
}

static fm_status read_binary(struct value_reader *reader, int least, int64_t *out);

static fm_status read_name(struct value_reader *reader, const fmi_token *token, int64_t *out)
{
    const fmi_name *special = fmi_macros_find_special(reader->macros, token);
    if (special && special->dtype != FM_DTYPE_F32 && special->dtype != FM_DTYPE_F64) {
        *out = (int64_t)special->value;
        return FM_OK;
    }
    *out = 0;
    if (reader->is_dead) {
        return FM_OK;
    }
    return fmi_token_fail_at(reader->macros->where, token,
                             "'%.*s' is neither a macro nor an integer specialisation value", (int)token->length,
                             token->start);
}

static fm_status read_unary(struct value_reader *reader, int64_t *out)
{
    const fmi_token *token = peek(reader);
    if (!token) {
        return fmi_token_fail_at(reader->macros->where, reader->last, "a value is missing in this line");
    }
    if (++reader->depth > MAX_NESTED) {
        return fmi_token_fail_at(reader->macros->where, token, "this is nested more than %d deep", (int)MAX_NESTED);
    }
    reader->list++;
    fm_status status = FM_OK;
    if (fmi_token_equals(token, "(")) {
        status = read_binary(reader, 0, out);
        if (status == FM_OK && !take(reader, ")")) {
            status = fmi_token_fail_at(reader->macros->where, token, "'(' is never closed");
        }
    } else if (fmi_token_equals(token, "!") || fmi_token_equals(token, "-") || fmi_token_equals(token, "~") ||
               fmi_token_equals(token, "+")) {
        status = read_unary(reader, out);
        *out = *token->start == '!'   ? !*out
               : *token->start == '-' ? (int64_t)(0 - (uint64_t)*out)
               : *token->start == '~' ? ~*out
                                      : *out;
    } else if (token->kind == FMI_TOKEN_INTEGER) {
        *out = (int64_t)strtoull(token->start, NULL, 0); // the text goes on, the digits do not
    } else if (token->kind == FMI_TOKEN_NAME) {
        status = read_name(reader, token, out);
    } else {
        status = fmi_token_fail_at(reader->macros->where, token, "there is no integer here");
    }
    reader->depth--;
    return status;
}

static const struct {
    char text[3];
    int rank;
} operators[] = {{"||", 1}, {"&&", 2}, {"|", 3},  {"^", 4},  {"&", 5}, {"==", 6}, {"!=", 6}, {"<", 7},  {">", 7},
                 {"<=", 7}, {">=", 7}, {"<<", 8}, {">>", 8}, {"+", 9}, {"-", 9},  {"*", 10}, {"/", 10}, {"%", 10}};

static int64_t compute(const char *op, int64_t a, int64_t b)
{
    switch (op[0]) {
    case '|': return op[1] ? a || b : a | b;
    case '&': return op[1] ? a && b : a & b;
    case '^': return a ^ b;
    case '=': return a == b;
    case '!': return a != b;
    case '<': return op[1] == '<' ? (int64_t)((uint64_t)a << (b & 63)) : op[1] ? a <= b : a < b;
    case '>': return op[1] == '>' ? a >> (b & 63) : op[1] ? a >= b : a > b;
    case '+': return (int64_t)((uint64_t)a + (uint64_t)b);
    case '-': return (int64_t)((uint64_t)a - (uint64_t)b);
    case '*': return (int64_t)((uint64_t)a * (uint64_t)b);
    case '/': return b == 0 ? 0 : b == -1 ? (int64_t)(0 - (uint64_t)a) : a / b;
    default: return b == 0 || b == -1 ? 0 : a % b;
    }
}

static fm_status read_binary(struct value_reader *reader, int least, int64_t *out)
{
    fm_status status = read_unary(reader, out);
    while (status == FM_OK) {
        const fmi_token *token = peek(reader);
        size_t i = 0, count = sizeof operators / sizeof operators[0];
        while (token && i < count && !fmi_token_equals(token, operators[i].text)) {
            i++;
        }
        if (!token || i == count || operators[i].rank <= least) {
            return FM_OK;
        }
        reader->list++;
        bool was_dead = reader->is_dead;
        reader->is_dead |= (operators[i].rank == 1 && *out) || (operators[i].rank == 2 && !*out);
        int64_t right = 0;
        status = read_binary(reader, operators[i].rank, &right);
        bool divides = *token->start == '/' || *token->start == '%';
        if (status == FM_OK && divides && right == 0 && !reader->is_dead) {
            status = fmi_token_fail_at(reader->macros->where, token, "this divides by zero");
        }
        reader->is_dead = was_dead;
        *out = compute(operators[i].text, *out, right);
    }
    return status;
}

// Replaces `defined NAME` and `defined(NAME)` by numbers: the names in them are not expanded.
static fm_status resolve_defined(fmi_macros *macros, const fmi_token *line, uint32_t count, fmi_tokens *out)
{
    fm_status status = FM_OK;
    for (const fmi_token *at = line, *end = line + count; at < end && status == FM_OK; at++) {
        if (at->kind != FMI_TOKEN_NAME || !fmi_token_equals(at, "defined")) {
            status = fmi_tokens_push(out, at);
            continue;
        }
        const fmi_token *name = skip(at + 1, end);
        bool is_open = name < end && fmi_token_equals(name, "(");
        name = is_open ? skip(name + 1, end) : name;
        const fmi_token *close = is_open && name < end ? skip(name + 1, end) : name;
        if (name >= end || name->kind != FMI_TOKEN_NAME ||
            (is_open && (close >= end || !fmi_token_equals(close, ")")))) {
            return fmi_token_fail_at(macros->where, at, "write defined(NAME)");
        }
        bool is_defined = fmi_macros_find(macros, name) || fmi_macros_find_special(macros, name);
        fmi_token number = *at;
        number.start = is_defined ? "1" : "0";
        number.length = 1;
        number.kind = FMI_TOKEN_INTEGER;
        status = fmi_tokens_push(out, &number);
        at = close;
    }
    return status;
}

fm_status fmi_macros_evaluate(fmi_macros *macros, const fmi_token *line, uint32_t count, bool *out_is_true)
{
    fmi_tokens resolved = {0}, expanded = {0};
    fm_status status = refuse_bad(macros, line, line + count);
    if (status == FM_OK) {
        status = resolve_defined(macros, line, count, &resolved);
    }
    if (status == FM_OK) {
        status = fmi_macros_expand(macros, resolved.list, resolved.count, &expanded, 1);
    }
    int64_t value = 0;
    struct value_reader reader = {
        .macros = macros, .list = expanded.list, .end = expanded.list + expanded.count, .last = line + count - 1};
    if (status == FM_OK) {
        status = read_binary(&reader, 0, &value);
    }
    if (status == FM_OK && peek(&reader)) {
        status = fmi_token_fail_at(macros->where, peek(&reader), "an operator is missing here, or this is too much");
    }
    *out_is_true = value != 0;
    fmi_tokens_free(&resolved);
    fmi_tokens_free(&expanded);
    return status;
}

static bool is_active(const struct reader *reader)
{
    return reader->depth == 0 || reader->stack[reader->depth - 1].is_active;
}

// `#ifdef NAME` and `#ifndef NAME`.
static fm_status test_name(const fmi_macros *macros, const fmi_token *line, uint32_t count, bool *out)
{
    if (line->kind != FMI_TOKEN_NAME || count > 1) {
        return fmi_token_fail_at(macros->where, &line[count > 1], "one name stands here, and nothing else");
    }
    *out = fmi_macros_find(macros, line) || fmi_macros_find_special(macros, line);
    return FM_OK;
}

// `#if`, `#ifdef`, `#ifndef`: opens a condition. `word` is the directive's name, `line` what stands behind it.
static fm_status open_condition(struct reader *reader, const fmi_token *word, const fmi_token *line, uint32_t count)
{
    if (reader->depth == MAX_NESTED) {
        return fmi_token_fail_at(reader->macros->where, word, "conditions are nested more than %d deep",
                                 (int)MAX_NESTED);
    }
    bool is_wanted = is_active(reader), is_true = false;
    fm_status status = FM_OK;
    if (count == 0) {
        status = fmi_token_fail_at(reader->macros->where, word, "#%.*s has nothing behind it", (int)word->length,
                                   word->start);
    } else if (is_wanted && fmi_token_equals(word, "if")) {
        status = fmi_macros_evaluate(reader->macros, line, count, &is_true);
    } else if (is_wanted) {
        status = test_name(reader->macros, line, count, &is_true);
        is_true = is_true == fmi_token_equals(word, "ifdef");
    }
    reader->stack[reader->depth++] = (struct condition){word, is_wanted && is_true, !is_wanted || is_true, false};
    return status;
}

// `#elif`, `#else`, `#endif`.
static fm_status go_on(struct reader *reader, const fmi_token *word, const fmi_token *line, uint32_t count)
{
    bool is_elif = fmi_token_equals(word, "elif");
    struct condition *top = reader->depth ? &reader->stack[reader->depth - 1] : NULL;
    if (!top || (top->has_else && !fmi_token_equals(word, "endif"))) {
        return fmi_token_fail_at(reader->macros->where, word, "#%.*s belongs to no #if", (int)word->length,
                                 word->start);
    }
    if (is_elif ? count == 0 : count > 0) {
        return fmi_token_fail_at(reader->macros->where, is_elif ? word : line, "#%.*s has %s behind it",
                                 (int)word->length, word->start, is_elif ? "nothing" : "too much");
    }
    if (fmi_token_equals(word, "endif")) {
        reader->depth--;
        return FM_OK;
    }
    bool is_true = true;
    fm_status status = is_elif && !top->was_taken ? fmi_macros_evaluate(reader->macros, line, count, &is_true) : FM_OK;
    top->has_else = !is_elif;
    top->is_active = !top->was_taken && is_true;
    top->was_taken |= top->is_active;
    return status;
}

static fm_status carry_out(struct reader *reader, const fmi_token *line, const fmi_token *end)
{
    const fmi_token *word = skip(line + 1, end);
    const fmi_token *rest = skip(word + 1, end);
    while (end > rest && end[-1].kind == FMI_TOKEN_SPACE) {
        end--;
    }
    uint32_t count = end > rest ? (uint32_t)(end - rest) : 0;
    if (fmi_token_equals(word, "if") || fmi_token_equals(word, "ifdef") || fmi_token_equals(word, "ifndef")) {
        return open_condition(reader, word, rest, count);
    }
    if (!fmi_token_equals(word, "define") && !fmi_token_equals(word, "undef")) {
        return go_on(reader, word, rest, count);
    }
    if (!is_active(reader)) {
        return FM_OK;
    }
    fm_status status = refuse_bad(reader->macros, line, end);
    if (status != FM_OK) {
        return status;
    }
    if (count == 0) {
        return fmi_token_fail_at(reader->macros->where, word, "a macro's name is missing here");
    }
    return fmi_token_equals(word, "define") ? fmi_macros_define(reader->macros, rest, count)
                                            : fmi_macros_undefine(reader->macros, rest, count);
}

// Of tokens that do not count, the line ends stay.
static fm_status keep_line_ends(const fmi_token *list, const fmi_token *end, fmi_tokens *out)
{
    fm_status status = FM_OK;
    for (; list < end && status == FM_OK; list++) {
        const char *p = list->kind == FMI_TOKEN_SPACE ? list->start : NULL, *last = p ? p + list->length : NULL;
        for (; p < last && status == FM_OK; p++) {
            fmi_token line_end = {.start = "\n", .length = 1, .line = list->line, .column = list->column};
            status = *p == '\n' ? fmi_tokens_push(out, &line_end) : FM_OK;
        }
    }
    return status;
}

fm_status fmi_macros_read(fmi_macros *macros, fmi_tokens *header, fmi_tokens *raw)
{
    *raw = *header;
    *header = (fmi_tokens){.text = raw->text, .length = raw->length, .place = raw->place};
    macros->where = raw;
    struct reader reader = {.macros = macros};
    const fmi_token *at = raw->list, *end = raw->list + raw->count;
    fm_status status = FM_OK;
    while (at < end && status == FM_OK) {
        const fmi_token *last = at;
        if (is_directive(at)) {
            while (last < end && !(last->kind == FMI_TOKEN_SPACE && ends_line(last))) {
                last++;
            }
            status = carry_out(&reader, at, last);
            status = status == FM_OK ? keep_line_ends(at, last, header) : status;
        } else {
            while (last < end && !is_directive(last)) {
                last++;
            }
            status = is_active(&reader) ? refuse_bad(macros, at, last) : keep_line_ends(at, last, header);
            if (status == FM_OK && is_active(&reader)) {
                status = fmi_macros_expand(macros, at, (uint32_t)(last - at), header, 0);
            }
        }
        at = last;
    }
    if (status == FM_OK && reader.depth) {
        const fmi_token *start = reader.stack[reader.depth - 1].start;
        status = fmi_token_fail_at(raw, start, "#%.*s has no #endif", (int)start->length, start->start);
    }
    return status == FM_OK ? fmi_tokens_end(header) : status;
}
