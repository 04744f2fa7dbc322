// The arithmetic of `#if`, in 64-bit integers. See preprocessor.h.
// A name in it is a macro or an integer specialisation; anything else is an error, because C would take it for 0 and
// GLSL refuses it.
#include "language/preprocessor.h"
#include "language/syntax.h"

enum { MAX_NESTED = 64 };

// What stands behind an `#if`, with its macros expanded and an END token.
struct value_reader {
    fmi_reading *reading;
    const fmi_tok *at;
    const fmi_tok *last; // of the line: for what is missing at its end
    bool is_dead;        // behind a decided `&&` or `||`: only grammar counts
    uint32_t depth;
};

static int64_t read_binary(struct value_reader *reader, int least);

static int64_t read_name(const struct value_reader *reader, const fmi_tok *token)
{
    const fmi_declared *special = token->name->declared;
    if (special && special->kind == FMI_DECLARED_SPECIAL && special->dtype != FM_DTYPE_F32 &&
        special->dtype != FM_DTYPE_F64) {
        return (int64_t)special->value;
    }
    if (!reader->is_dead) {
        fmi_tok_fail(reader->reading, token, "'@' is neither a macro nor an integer specialisation value");
    }
    return 0;
}

static int64_t read_parentheses(struct value_reader *reader, const fmi_tok *open)
{
    int64_t value = read_binary(reader, 0);
    if (reader->at->op != ')') {
        fmi_tok_fail(reader->reading, open, "'(' is never closed");
    }
    reader->at += reader->at->op == ')';
    return value;
}

static int64_t read_unary(struct value_reader *reader)
{
    const fmi_tok *token = reader->at;
    int64_t value = 0;
    if (token->kind == FMI_TOK_END) {
        fmi_tok_fail(reader->reading, reader->last, "a value is missing in this line");
        return 0;
    }
    if (reader->depth == MAX_NESTED) {
        fmi_tok_fail(reader->reading, token, "this is nested more than %d deep", (int)MAX_NESTED);
        return 0;
    }
    reader->depth++;
    reader->at++;
    switch (token->op) {
    case '(': value = read_parentheses(reader, token); break;
    case '!': value = !read_unary(reader); break;
    case '-': value = (int64_t)(0 - (uint64_t)read_unary(reader)); break;
    case '~': value = ~read_unary(reader); break;
    case '+': value = read_unary(reader); break;
    default:
        if (token->kind == FMI_TOK_INTEGER) {
            value = (int64_t)token->number;
        } else if (token->kind == FMI_TOK_NAME) {
            value = read_name(reader, token);
        } else {
            fmi_tok_fail(reader->reading, token, "there is no integer here");
        }
    }
    reader->depth--;
    return value;
}

static int64_t read_binary(struct value_reader *reader, int least)
{
    int64_t value = read_unary(reader);
    for (;;) {
        const fmi_tok *token = reader->at;
        int rank = fmi_syntax_rank(token->op);
        if (rank <= least || reader->reading->status != FM_OK) {
            return value;
        }
        reader->at++;
        bool was_dead = reader->is_dead;
        reader->is_dead |= (token->op == FMI_OP_OR && value) || (token->op == FMI_OP_AND && !value);
        int64_t right = read_binary(reader, rank);
        bool is_open = (token->op == '/' || token->op == '%') && right == 0;
        if (is_open && !reader->is_dead) {
            fmi_tok_fail(reader->reading, token, "this divides by zero");
        }
        reader->is_dead = was_dead;
        value = is_open ? 0 : fmi_known_compute_whole(token->op, FMI_VT_LONG, value, right);
    }
}

// Replaces `defined NAME` and `defined(NAME)` by numbers: the names in them are not expanded.
static void resolve_defined(fmi_reading *reading, const fmi_tok *line, uint32_t count, fmi_toks *out)
{
    for (const fmi_tok *at = line, *end = line + count; at < end; at++) {
        if (!fmi_tok_is(at, "defined")) {
            fmi_toks_push(reading, out, at);
            continue;
        }
        bool is_open = at + 1 < end && at[1].op == '(';
        const fmi_tok *name = at + 1 + is_open, *close = name + is_open;
        if (close >= end || name->kind != FMI_TOK_NAME || (is_open && close->op != ')')) {
            fmi_tok_fail(reading, at, "write defined(NAME)");
            return;
        }
        fmi_tok number = *at;
        number.kind = FMI_TOK_INTEGER;
        number.number = fmi_preprocess_is_defined(name);
        fmi_toks_push(reading, out, &number);
        at = close;
    }
}

bool fmi_preprocess_evaluate(fmi_reading *reading, const fmi_tok *line, uint32_t count)
{
    fmi_toks resolved = {0}, expanded = {0};
    int64_t value = 0;
    fmi_toks_refuse_bad(reading, line, line + count);
    resolve_defined(reading, line, count, &resolved);
    fmi_preprocess_expand(reading, resolved.list, resolved.count, &expanded, 1);
    fmi_toks_end(reading, &expanded);
    if (reading->status == FM_OK) {
        struct value_reader reader = {.reading = reading, .at = expanded.list, .last = line + count - 1};
        value = read_binary(&reader, 0);
        if (reader.at->kind != FMI_TOK_END) {
            fmi_tok_fail(reading, reader.at, "an operator is missing here, or this is too much");
        }
    }
    fmi_toks_free(&resolved);
    fmi_toks_free(&expanded);
    return value != 0;
}
