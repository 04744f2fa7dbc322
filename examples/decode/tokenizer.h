// Text to tokens and back: with a llama2.c tokenizer file, or without one, when every byte is a token.
// Nothing here touches a device. A loaded tokenizer is read-only and may be used from any thread.
#ifndef DECODE_TOKENIZER_H
#define DECODE_TOKENIZER_H

#include "file.h"

#include <stdint.h>

enum { TOKEN_BOS = 1 }; // begins a text, and ends it when the model produces it; only with a tokenizer file

// The bytes that a token stands for.
typedef struct token_piece {
    const unsigned char *bytes; // borrowed from the file
    uint32_t length;            // in bytes
    float score;                // the best-scoring neighbours merge first
} token_piece;

typedef struct tokenizer {
    mapped_file file;            // owned; empty when bytes are tokens
    token_piece *pieces;         // owned, [vocab_size]; NULL when bytes are tokens
    const token_piece **by_text; // owned, [vocab_size]: the pieces in the order of their bytes
    uint32_t vocab_size;
} tokenizer;

// Tokens that a prompt became.
typedef struct token_list {
    uint32_t *tokens; // owned
    uint32_t count;
} token_list;

// Loads the tokenizer at `path`, which must have exactly `vocab_size` pieces; NULL: bytes are tokens, if the vocabulary
// is 256 or smaller. What is wrong with the file is a bad input.
bool tokenizer_load(const char *path, uint32_t vocab_size, tokenizer *out, failure *f);

void tokenizer_destroy(tokenizer *t);

// Turns `prompt` into tokens: BOS, a space, then whole characters or their bytes, merged pair by pair, best score
// first. Without a file: its bytes. A prompt that is empty without a file, that the vocabulary cannot spell, or that
// takes more than `room` tokens is a bad input.
bool tokenizer_encode(const tokenizer *t, const char *prompt, uint32_t room, token_list *out, failure *f);

void token_list_destroy(token_list *list);

// The text of `token` after `previous`: a space in front is dropped behind BOS, and "<0xNN>" is that byte, stored in
// `*byte`.
token_piece tokenizer_decode(const tokenizer *t, uint32_t previous, uint32_t token, unsigned char *byte);

// Says whether producing `token` ends a text.
bool tokenizer_is_end(const tokenizer *t, uint32_t token);

#endif
