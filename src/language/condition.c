// The arithmetic of `#if`, in 64-bit integers. See preprocessor.h.
// A name in it is a macro or an integer specialisation; anything else is an error, because C would take it for 0 and GLSL refuses it.
#include "language/preprocessor.h"

#include "language/numbers.h"
#include "language/syntax.h"

enum { MAX_NESTED = 64 };

// One value of an `#if`; `list` ends before `end`.
struct value_reader {
    fmi_preprocessor *preprocessor;
    const fmi_tok *list;
    const fmi_tok *end;
    const fmi_tok *last; // for what is missing at the end
    bool is_dead;        // behind a decided `&&` or `||`: only grammar counts
    uint32_t depth;
};

static const fmi_tok *peek(const struct value_reader *reader)
{
    return reader->list < reader->end ? reader->list : NULL;
}

static fm_status read_binary(struct value_reader *reader, int least, int64_t *out);

static fm_status read_name(const struct value_reader *reader, const fmi_tok *token, int64_t *out)
{
    const fmi_declared *special = token->name->declared;
    if (special && special->kind == FMI_DECLARED_SPECIAL && special->dtype != FM_DTYPE_F32 &&
        special->dtype != FM_DTYPE_F64) {
        *out = (int64_t)special->value;
        return FM_OK;
    }
    *out = 0;
    if (reader->is_dead) {
        return FM_OK;
    }
    return fmi_tok_fail(reader->preprocessor->where, token,
                        "'%.*s' is neither a macro nor an integer specialisation value", (int)token->length,
                        token->start);
}

static fm_status read_unary(struct value_reader *reader, int64_t *out)
{
    const fmi_toks *where = reader->preprocessor->where;
    const fmi_tok *token = peek(reader);
    if (!token) {
        return fmi_tok_fail(where, reader->last, "a value is missing in this line");
    }
    if (++reader->depth > MAX_NESTED) {
        return fmi_tok_fail(where, token, "this is nested more than %d deep", (int)MAX_NESTED);
    }
    reader->list++;
    fm_status status = FM_OK;
    fmi_vtype type;
    if (token->op == '(') {
        status = read_binary(reader, 0, out);
        if (status == FM_OK && !(peek(reader) && reader->list++->op == ')')) {
            status = fmi_tok_fail(where, token, "'(' is never closed");
        }
    } else if (token->op == '!' || token->op == '-' || token->op == '~' || token->op == '+') {
        status = read_unary(reader, out);
        *out = token->op == '!'   ? !*out
               : token->op == '-' ? (int64_t)(0 - (uint64_t)*out)
               : token->op == '~' ? ~*out
                                  : *out;
    } else if (token->kind == FMI_TOK_INTEGER) {
        *out = (int64_t)fmi_number_read_integer(token->start, token->start + token->length, &type);
    } else if (token->kind == FMI_TOK_NAME) {
        status = read_name(reader, token, out);
    } else {
        status = fmi_tok_fail(where, token, "there is no integer here");
    }
    reader->depth--;
    return status;
}

// What `#if` does not look at has any value.
static int64_t compute(uint8_t op, int64_t a, int64_t b)
{
    bool is_open = (op == '/' || op == '%') && b == 0;
    return is_open ? 0 : fmi_known_compute_whole(op, FMI_VT_LONG, a, b);
}

static fm_status read_binary(struct value_reader *reader, int least, int64_t *out)
{
    fm_status status = read_unary(reader, out);
    while (status == FM_OK) {
        const fmi_tok *token = peek(reader);
        int rank = token ? fmi_syntax_rank(token->op) : 0;
        if (rank <= least) {
            return FM_OK;
        }
        reader->list++;
        bool was_dead = reader->is_dead;
        reader->is_dead |= (token->op == FMI_OP_OR && *out) || (token->op == FMI_OP_AND && !*out);
        int64_t right = 0;
        status = read_binary(reader, rank, &right);
        bool divides = token->op == '/' || token->op == '%';
        if (status == FM_OK && divides && right == 0 && !reader->is_dead) {
            status = fmi_tok_fail(reader->preprocessor->where, token, "this divides by zero");
        }
        reader->is_dead = was_dead;
        *out = compute(token->op, *out, right);
    }
    return status;
}

// Replaces `defined NAME` and `defined(NAME)` by numbers: the names in them are not expanded.
static fm_status resolve_defined(const fmi_preprocessor *preprocessor, const fmi_tok *line, uint32_t count,
                                 fmi_toks *out)
{
    fm_status status = FM_OK;
    for (const fmi_tok *at = line, *end = line + count; at < end && status == FM_OK; at++) {
        if (!fmi_tok_is(at, "defined")) {
            status = fmi_toks_push(out, at);
            continue;
        }
        bool is_open = at + 1 < end && at[1].op == '(';
        const fmi_tok *name = at + 1 + is_open, *close = name + is_open;
        if (close >= end || name->kind != FMI_TOK_NAME || (is_open && close->op != ')')) {
            return fmi_tok_fail(preprocessor->where, at, "write defined(NAME)");
        }
        fmi_tok number = *at;
        number.start = fmi_preprocess_is_defined(name) ? "1" : "0";
        number.length = 1;
        number.kind = FMI_TOK_INTEGER;
        status = fmi_toks_push(out, &number);
        at = close;
    }
    return status;
}

fm_status fmi_preprocess_evaluate(fmi_preprocessor *preprocessor, const fmi_tok *line, uint32_t count,
                                  bool *out_is_true)
{
    fmi_toks resolved = {0}, expanded = {0};
    fm_status status = fmi_toks_refuse_bad(preprocessor->where, line, line + count);
    if (status == FM_OK) {
        status = resolve_defined(preprocessor, line, count, &resolved);
    }
    if (status == FM_OK) {
        status = fmi_preprocess_expand(preprocessor, resolved.list, resolved.count, &expanded, 1);
    }
    int64_t value = 0;
    struct value_reader reader = {.preprocessor = preprocessor,
                                  .list = expanded.list,
                                  .end = expanded.list + expanded.count,
                                  .last = line + count - 1};
    if (status == FM_OK) {
        status = read_binary(&reader, 0, &value);
    }
    if (status == FM_OK && peek(&reader)) {
        status = fmi_tok_fail(preprocessor->where, peek(&reader), "an operator is missing here, or this is too much");
    }
    *out_is_true = value != 0;
    fmi_toks_free(&resolved);
    fmi_toks_free(&expanded);
    return status;
}
