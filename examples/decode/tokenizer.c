// Tokenizer: the file, and tokens back to text. See tokenizer.h; text to tokens is in encode.c.
#include "tokenizer.h"

#include <stdlib.h>
#include <string.h>

// By bytes, then by length, then by number, so that the order is the same everywhere.
static int compare_pieces(const void *a, const void *b)
{
    const token_piece *left = *(const token_piece *const *)a, *right = *(const token_piece *const *)b;
    uint32_t shared = left->length < right->length ? left->length : right->length;
    int order = shared > 0 ? memcmp(left->bytes, right->bytes, shared) : 0;
    if (order != 0) {
        return order;
    }
    if (left->length != right->length) {
        return left->length < right->length ? -1 : 1;
    }
    return left < right ? -1 : left > right;
}

static bool read_pieces(tokenizer *t, const char *path, failure *f)
{
    const unsigned char *at = t->file.bytes, *end = at + t->file.size_bytes;
    int32_t longest = 0;
    if (t->file.size_bytes >= sizeof longest) {
        memcpy(&longest, at, sizeof longest);
        at += sizeof longest;
    }
    if (longest <= 0) {
        return failure_set(f, EXIT_STATUS_BAD_INPUT, "'%s' is no llama2.c tokenizer: it has no greatest token length",
                           path);
    }
    for (uint32_t i = 0; i < t->vocab_size; i++) {
        token_piece *piece = &t->pieces[i];
        int32_t length = 0;
        if (end - at < 8) {
            return failure_set(f, EXIT_STATUS_BAD_INPUT, "'%s' ends after %u of the model's %u tokens", path, i,
                               t->vocab_size);
        }
        memcpy(&piece->score, at, 4);
        memcpy(&length, at + 4, 4);
        at += 8;
        if (length < 0 || length > longest || length > end - at) {
            return failure_set(f, EXIT_STATUS_BAD_INPUT,
                               "'%s' is broken: token %u has a length of %d bytes, where %lld are left and %d are "
                               "allowed",
                               path, i, length, (long long)(end - at), longest);
        }
        piece->bytes = at;
        piece->length = (uint32_t)length;
        at += length;
        t->by_text[i] = piece;
    }
    if (at != end) {
        return failure_set(f, EXIT_STATUS_BAD_INPUT,
                           "'%s' does not fit the model: %lld bytes follow the last of its %u tokens", path,
                           (long long)(end - at), t->vocab_size);
    }
    qsort(t->by_text, t->vocab_size, sizeof *t->by_text, compare_pieces);
    return true;
}

bool tokenizer_load(const char *path, uint32_t vocab_size, tokenizer *out, failure *f)
{
    *out = (tokenizer){.vocab_size = vocab_size};
    if (!path) {
        if (vocab_size > 256) {
            return failure_set(f, EXIT_STATUS_BAD_INPUT,
                               "the model has %u tokens, more than there are bytes: name its tokenizer with "
                               "--tokenizer",
                               vocab_size);
        }
        return true;
    }
    if (vocab_size <= TOKEN_BOS) {
        return failure_set(f, EXIT_STATUS_BAD_INPUT,
                           "a model with %u tokens has none to begin a text and takes no tokenizer", vocab_size);
    }
    if (!file_map(path, &out->file, f)) {
        return false;
    }
    out->pieces = calloc(vocab_size, sizeof *out->pieces);
    out->by_text = calloc(vocab_size, sizeof *out->by_text);
    if (!out->pieces || !out->by_text) {
        tokenizer_destroy(out);
        return failure_set(f, EXIT_STATUS_FAILED, "no memory for %u tokens", vocab_size);
    }
    if (!read_pieces(out, path, f)) {
        tokenizer_destroy(out);
        return false;
    }
    return true;
}

void tokenizer_destroy(tokenizer *t)
{
    free(t->pieces);
    free((void *)t->by_text);
    file_unmap(&t->file);
    *t = (tokenizer){0};
}

static int hex_digit(unsigned char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                  : -1;
}

token_piece tokenizer_decode(const tokenizer *t, uint32_t previous, uint32_t token, unsigned char *byte)
{
    *byte = (unsigned char)token;
    if (!t->pieces) {
        return (token_piece){.bytes = byte, .length = 1};
    }
    token_piece piece = t->pieces[token];
    if (previous == TOKEN_BOS && piece.length > 0 && piece.bytes[0] == ' ') {
        piece.bytes++;
        piece.length--;
    }
    if (piece.length == 6 && memcmp(piece.bytes, "<0x", 3) == 0 && piece.bytes[5] == '>') {
        int high = hex_digit(piece.bytes[3]), low = hex_digit(piece.bytes[4]);
        if (high >= 0 && low >= 0) {
            *byte = (unsigned char)(high * 16 + low);
            return (token_piece){.bytes = byte, .length = 1};
        }
    }
    return piece;
}

bool tokenizer_is_end(const tokenizer *t, uint32_t token)
{
    return t->pieces && token == TOKEN_BOS;
}
