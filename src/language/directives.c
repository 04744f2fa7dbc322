// The lines of a header that start with `#`: which parts of it count. See preprocessor.h.
// A directive ends where its line does; backslashes and comments hide a line's end, which the tokenizer has noted.
#include "language/preprocessor.h"

enum { MAX_NESTED = 64 };

struct condition {
    const fmi_tok *start; // its `#if`
    bool is_active;       // the lines that follow count
    bool was_taken;       // one of its parts counted already, or none may
    bool has_else;
};

struct reader {
    fmi_reading *reading;
    struct condition stack[MAX_NESTED];
    uint32_t depth;
};

static bool is_active(const struct reader *reader)
{
    return reader->depth == 0 || reader->stack[reader->depth - 1].is_active;
}

// What stands behind `#if`, `#ifdef` and `#ifndef`.
static bool test(fmi_reading *reading, const fmi_tok *word, const fmi_tok *line, uint32_t count)
{
    if (fmi_tok_is(word, "if")) {
        return fmi_preprocess_evaluate(reading, line, count);
    }
    if (line->kind != FMI_TOK_NAME || count > 1) {
        fmi_tok_fail(reading, &line[count > 1], "one name stands here, and nothing else");
        return false;
    }
    return fmi_preprocess_is_defined(line) == fmi_tok_is(word, "ifdef");
}

// `#if`, `#ifdef`, `#ifndef`: opens a condition. `word` is the directive's name, `line` what stands behind it.
static void open_condition(struct reader *reader, const fmi_tok *word, const fmi_tok *line, uint32_t count)
{
    bool is_wanted = is_active(reader);
    if (reader->depth == MAX_NESTED) {
        fmi_tok_fail(reader->reading, word, "conditions are nested more than %d deep", (int)MAX_NESTED);
        return;
    }
    if (count == 0) {
        fmi_tok_fail(reader->reading, word, "#@ has nothing behind it");
        return;
    }
    bool is_true = is_wanted && test(reader->reading, word, line, count);
    reader->stack[reader->depth++] = (struct condition){word, is_true, !is_wanted || is_true, false};
}

// `#elif`, `#else`, `#endif`.
static void go_on(struct reader *reader, const fmi_tok *word, const fmi_tok *line, uint32_t count)
{
    bool is_elif = fmi_tok_is(word, "elif");
    struct condition *top = reader->depth ? &reader->stack[reader->depth - 1] : NULL;
    if (!top || (top->has_else && !fmi_tok_is(word, "endif"))) {
        fmi_tok_fail(reader->reading, word, "#@ belongs to no #if");
    } else if (is_elif ? count == 0 : count > 0) {
        fmi_tok_fail(reader->reading, is_elif ? word : line, "#%.*s has %s behind it", (int)word->length, word->start,
                     is_elif ? "nothing" : "too much");
    } else if (fmi_tok_is(word, "endif")) {
        reader->depth--;
    } else {
        top->has_else = !is_elif;
        top->is_active = !top->was_taken && (!is_elif || fmi_preprocess_evaluate(reader->reading, line, count));
        top->was_taken |= top->is_active;
    }
}

// Carries out the line whose `#` is `line`; it has a word, as the tokenizer has seen.
static void carry_out(struct reader *reader, const fmi_tok *line, const fmi_tok *end)
{
    const fmi_tok *word = line + 1, *rest = word + 1;
    uint32_t count = (uint32_t)(end - rest);
    if (fmi_tok_is(word, "if") || fmi_tok_is(word, "ifdef") || fmi_tok_is(word, "ifndef")) {
        open_condition(reader, word, rest, count);
    } else if (!fmi_tok_is(word, "define") && !fmi_tok_is(word, "undef")) {
        go_on(reader, word, rest, count);
    } else if (is_active(reader)) {
        fmi_toks_refuse_bad(reader->reading, line, end);
        if (count == 0) {
            fmi_tok_fail(reader->reading, word, "a macro's name is missing here");
        } else if (fmi_tok_is(word, "define")) {
            fmi_preprocess_define(reader->reading, rest, count);
        } else {
            fmi_preprocess_undefine(reader->reading, rest, count);
        }
    }
}

void fmi_preprocess_header(fmi_reading *reading, const fmi_toks *raw, fmi_toks *out)
{
    *out = (fmi_toks){.text = raw->text, .length = raw->length, .place = raw->place};
    struct reader reader = {.reading = reading};
    const fmi_tok *at = raw->list, *end = raw->list + raw->count;
    while (at < end && reading->status == FM_OK) {
        const fmi_tok *last = at + 1;
        if (at->op == '#') {
            while (last < end && !last->is_first) {
                last++;
            }
            carry_out(&reader, at, last);
        } else {
            while (last < end && last->op != '#') {
                last++;
            }
            if (is_active(&reader)) {
                fmi_toks_refuse_bad(reading, at, last);
                fmi_preprocess_expand(reading, at, (uint32_t)(last - at), out, 0);
            }
        }
        at = last;
    }
    if (reader.depth) {
        const fmi_tok *start = reader.stack[reader.depth - 1].start;
        fmi_tok_fail(reading, start, "#@ has no #endif");
    }
    fmi_toks_end(reading, out);
    reading->text = out;
}
