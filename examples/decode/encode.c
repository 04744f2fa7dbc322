// Text to tokens. See tokenizer.h for what comes out; this is llama2.c's way of getting there.
// The token that each pair of neighbours would merge into is remembered, so that a merge looks up two pairs, not all.
#include "tokenizer.h"

#include <stdlib.h>
#include <string.h>

enum {
    FIRST_BYTE_TOKEN = 3,    // the token of byte 0; those of all bytes follow
    SHOWN_PROMPT_BYTES = 40, // of a prompt, in a sentence about it
};

// Tokens on their way to a token_list.
typedef struct encoder {
    const tokenizer *tokenizer; // borrowed
    uint32_t *tokens;           // owned
    const token_piece **merged; // owned: what token i and the next one would become, NULL: nothing
    size_t count;               // of both
    unsigned char *joined;      // owned: room for two pieces
    size_t joined_room;         // in bytes
} encoder;

static const token_piece *find_piece(const tokenizer *t, const unsigned char *bytes, size_t length)
{
    size_t low = 0, high = t->vocab_size;
    while (low < high) { // the first piece that is not below
        size_t middle = low + (high - low) / 2;
        const token_piece *piece = t->by_text[middle];
        size_t shared = piece->length < length ? piece->length : length;
        int order = shared > 0 ? memcmp(piece->bytes, bytes, shared) : 0;
        if (order < 0 || (order == 0 && piece->length < length)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    const token_piece *found = low < t->vocab_size ? t->by_text[low] : NULL;
    return found && found->length == length && memcmp(found->bytes, bytes, length) == 0 ? found : NULL;
}

// Appends the token of a whole character, or else those of its bytes.
static bool push_character(encoder *e, const unsigned char *bytes, size_t length, failure *f)
{
    const token_piece *piece = find_piece(e->tokenizer, bytes, length);
    if (piece) {
        e->tokens[e->count++] = (uint32_t)(piece - e->tokenizer->pieces);
        return true;
    }
    for (size_t i = 0; i < length; i++) {
        uint32_t token = bytes[i] + (uint32_t)FIRST_BYTE_TOKEN;
        if (token >= e->tokenizer->vocab_size) {
            return failure_set(f, EXIT_STATUS_BAD_INPUT, "the tokenizer cannot spell byte 0x%02X of the prompt",
                               bytes[i]);
        }
        e->tokens[e->count++] = token;
    }
    return true;
}

static bool push_prompt(encoder *e, const char *prompt, failure *f)
{
    e->tokens[e->count++] = TOKEN_BOS;
    if (*prompt && !push_character(e, (const unsigned char *)" ", 1, f)) {
        return false;
    }
    for (const unsigned char *at = (const unsigned char *)prompt; *at;) {
        size_t length = 1;
        while (length < 4 && (at[length] & 0xC0) == 0x80) { // the bytes that continue a UTF-8 character
            length++;
        }
        if (!push_character(e, at, length, f)) {
            return false;
        }
        at += length;
    }
    return true;
}

// Looks up what token i and its right neighbour would become.
static void look_up_pair(encoder *e, size_t i)
{
    e->merged[i] = NULL;
    if (i + 1 >= e->count) {
        return;
    }
    const token_piece *left = &e->tokenizer->pieces[e->tokens[i]], *right = &e->tokenizer->pieces[e->tokens[i + 1]];
    size_t length = (size_t)left->length + right->length;
    if (length == 0 || length > e->joined_room) {
        return;
    }
    memcpy(e->joined, left->bytes, left->length);
    memcpy(e->joined + left->length, right->bytes, right->length);
    e->merged[i] = find_piece(e->tokenizer, e->joined, length);
}

// Merges the best-scoring neighbours, the leftmost of equals, until no two of them are a piece.
static void merge(encoder *e)
{
    for (size_t i = 0; i < e->count; i++) {
        look_up_pair(e, i);
    }
    for (;;) {
        float best_score = -1e10f;
        size_t best = e->count;
        for (size_t i = 0; i < e->count; i++) {
            if (e->merged[i] && e->merged[i]->score > best_score) {
                best_score = e->merged[i]->score;
                best = i;
            }
        }
        if (best == e->count) {
            return;
        }
        e->tokens[best] = (uint32_t)(e->merged[best] - e->tokenizer->pieces);
        size_t rest = e->count - best - 2;
        memmove(&e->tokens[best + 1], &e->tokens[best + 2], rest * sizeof *e->tokens);
        memmove((void *)&e->merged[best + 1], (const void *)&e->merged[best + 2], rest * sizeof *e->merged);
        e->count--;
        look_up_pair(e, best);
        if (best > 0) {
            look_up_pair(e, best - 1);
        }
    }
}

static uint32_t longest_piece(const tokenizer *t)
{
    uint32_t longest = 0;
    for (uint32_t i = 0; i < t->vocab_size; i++) {
        longest = t->pieces[i].length > longest ? t->pieces[i].length : longest;
    }
    return longest;
}

static bool too_long(const char *prompt, size_t count, uint32_t room, failure *f)
{
    return failure_set(f, EXIT_STATUS_BAD_INPUT,
                       "the prompt '%.*s%s' takes %zu tokens or more, the model has %u positions", SHOWN_PROMPT_BYTES,
                       prompt, strlen(prompt) > SHOWN_PROMPT_BYTES ? "..." : "", count, room);
}

static bool encode_bytes(const tokenizer *t, const char *prompt, uint32_t room, token_list *out, failure *f)
{
    size_t count = strlen(prompt);
    if (count == 0) {
        return failure_set(f, EXIT_STATUS_BAD_INPUT,
                           "an empty prompt needs a tokenizer: without one there is no token to begin with");
    }
    if (count > room) {
        return too_long(prompt, count, room, f);
    }
    out->tokens = malloc(count * sizeof *out->tokens);
    if (!out->tokens) {
        return failure_set(f, EXIT_STATUS_FAILED, "no memory for %zu tokens", count);
    }
    for (size_t i = 0; i < count; i++) {
        out->tokens[i] = (unsigned char)prompt[i];
        if (out->tokens[i] >= t->vocab_size) {
            return failure_set(f, EXIT_STATUS_BAD_INPUT,
                               "byte 0x%02X of the prompt is no token of the model, which has %u", out->tokens[i],
                               t->vocab_size);
        }
    }
    out->count = (uint32_t)count;
    return true;
}

bool tokenizer_encode(const tokenizer *t, const char *prompt, uint32_t room, token_list *out, failure *f)
{
    *out = (token_list){0};
    if (!t->pieces) {
        return encode_bytes(t, prompt, room, out, f);
    }
    size_t length = strlen(prompt), longest = longest_piece(t);
    if (longest > 0 && length / longest > room) { // before any work: merged as well as can be, it is still too long
        return too_long(prompt, length / longest, room, f);
    }
    encoder e = {.tokenizer = t, .joined_room = longest};
    e.tokens = malloc((length + 2) * sizeof *e.tokens);
    e.merged = malloc((length + 2) * sizeof *e.merged);
    e.joined = malloc(longest + 1);
    bool good = e.tokens && e.merged && e.joined;
    if (!good) {
        failure_set(f, EXIT_STATUS_FAILED, "no memory for a prompt of %zu bytes", length);
    } else if ((good = push_prompt(&e, prompt, f))) {
        merge(&e);
        good = e.count <= room || too_long(prompt, e.count, room, f);
    }
    free((void *)e.merged);
    free(e.joined);
    *out = (token_list){.tokens = e.tokens, .count = (uint32_t)e.count};
    return good;
}

void token_list_destroy(token_list *list)
{
    free(list->tokens);
    *list = (token_list){0};
}
