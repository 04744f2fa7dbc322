// The lines of a header that start with `#`: which parts of it count. See preprocessor.h.
// A directive ends where its line does; backslashes and comments hide a line's end, which the tokenizer has noted.
#include "language/preprocessor.h"

#include "base/error.h"

enum { MAX_NESTED = 64 };

struct condition {
    const fmi_tok *start; // its `#if`
    bool is_active;       // the lines that follow count
    bool was_taken;       // one of its parts counted already, or none may
    bool has_else;
};

struct reader {
    fmi_preprocessor *preprocessor;
    struct condition stack[MAX_NESTED];
    uint32_t depth;
};

static bool is_active(const struct reader *reader)
{
    return reader->depth == 0 || reader->stack[reader->depth - 1].is_active;
}

// `#ifdef NAME` and `#ifndef NAME`.
static fm_status test_name(const fmi_preprocessor *preprocessor, const fmi_tok *line, uint32_t count, bool *out)
{
    if (line->kind != FMI_TOK_NAME || count > 1) {
        return fmi_tok_fail(preprocessor->where, &line[count > 1], "one name stands here, and nothing else");
    }
    *out = fmi_preprocess_is_defined(line);
    return FM_OK;
}

// `#if`, `#ifdef`, `#ifndef`: opens a condition. `word` is the directive's name, `line` what stands behind it.
static fm_status open_condition(struct reader *reader, const fmi_tok *word, const fmi_tok *line, uint32_t count)
{
    const fmi_toks *where = reader->preprocessor->where;
    if (reader->depth == MAX_NESTED) {
        return fmi_tok_fail(where, word, "conditions are nested more than %d deep", (int)MAX_NESTED);
    }
    bool is_wanted = is_active(reader), is_true = false;
    fm_status status = FM_OK;
    if (count == 0) {
        status = fmi_tok_fail(where, word, "#%.*s has nothing behind it", (int)word->length, word->start);
    } else if (is_wanted && fmi_tok_is(word, "if")) {
        status = fmi_preprocess_evaluate(reader->preprocessor, line, count, &is_true);
    } else if (is_wanted) {
        status = test_name(reader->preprocessor, line, count, &is_true);
        is_true = is_true == fmi_tok_is(word, "ifdef");
    }
    reader->stack[reader->depth++] = (struct condition){word, is_wanted && is_true, !is_wanted || is_true, false};
    return status;
}

// `#elif`, `#else`, `#endif`.
static fm_status go_on(struct reader *reader, const fmi_tok *word, const fmi_tok *line, uint32_t count)
{
    const fmi_toks *where = reader->preprocessor->where;
    bool is_elif = fmi_tok_is(word, "elif");
    struct condition *top = reader->depth ? &reader->stack[reader->depth - 1] : NULL;
    if (!top || (top->has_else && !fmi_tok_is(word, "endif"))) {
        return fmi_tok_fail(where, word, "#%.*s belongs to no #if", (int)word->length, word->start);
    }
    if (is_elif ? count == 0 : count > 0) {
        return fmi_tok_fail(where, is_elif ? word : line, "#%.*s has %s behind it", (int)word->length, word->start,
                            is_elif ? "nothing" : "too much");
    }
    if (fmi_tok_is(word, "endif")) {
        reader->depth--;
        return FM_OK;
    }
    bool is_true = true;
    fm_status status =
        is_elif && !top->was_taken ? fmi_preprocess_evaluate(reader->preprocessor, line, count, &is_true) : FM_OK;
    top->has_else = !is_elif;
    top->is_active = !top->was_taken && is_true;
    top->was_taken |= top->is_active;
    return status;
}

// Carries out the line whose `#` is `line`; it has a word, as the tokenizer has seen.
static fm_status carry_out(struct reader *reader, const fmi_tok *line, const fmi_tok *end)
{
    const fmi_tok *word = line + 1, *rest = word + 1;
    uint32_t count = (uint32_t)(end - rest);
    if (fmi_tok_is(word, "if") || fmi_tok_is(word, "ifdef") || fmi_tok_is(word, "ifndef")) {
        return open_condition(reader, word, rest, count);
    }
    if (!fmi_tok_is(word, "define") && !fmi_tok_is(word, "undef")) {
        return go_on(reader, word, rest, count);
    }
    if (!is_active(reader)) {
        return FM_OK;
    }
    fm_status status = fmi_toks_refuse_bad(reader->preprocessor->where, line, end);
    if (status != FM_OK) {
        return status;
    }
    if (count == 0) {
        return fmi_tok_fail(reader->preprocessor->where, word, "a macro's name is missing here");
    }
    return fmi_tok_is(word, "define") ? fmi_preprocess_define(reader->preprocessor, rest, count)
                                      : fmi_preprocess_undefine(reader->preprocessor, rest, count);
}

fm_status fmi_preprocess_header(fmi_preprocessor *preprocessor, const fmi_toks *raw, fmi_toks *out)
{
    *out = (fmi_toks){.text = raw->text, .length = raw->length, .place = raw->place};
    preprocessor->where = raw;
    struct reader reader = {.preprocessor = preprocessor};
    const fmi_tok *at = raw->list, *end = raw->list + raw->count;
    fm_status status = FM_OK;
    while (at < end && status == FM_OK) {
        const fmi_tok *last = at + 1;
        if (at->op == '#') {
            while (last < end && !last->is_first) {
                last++;
            }
            status = carry_out(&reader, at, last);
        } else {
            while (last < end && last->op != '#') {
                last++;
            }
            bool counts = is_active(&reader);
            status = counts ? fmi_toks_refuse_bad(raw, at, last) : FM_OK;
            if (status == FM_OK && counts) {
                status = fmi_preprocess_expand(preprocessor, at, (uint32_t)(last - at), out, 0);
            }
        }
        at = last;
    }
    if (status == FM_OK && reader.depth) {
        const fmi_tok *start = reader.stack[reader.depth - 1].start;
        status = fmi_tok_fail(raw, start, "#%.*s has no #endif", (int)start->length, start->start);
    }
    return status == FM_OK ? fmi_toks_end(out) : status;
}
