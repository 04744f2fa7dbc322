// One sequence on its own thread. See sequence.h.
// Each generated token costs one list, one read-back, and one wait for the point of that list.
#include "sequence.h"

#include <stdio.h>
#include <stdlib.h>

enum { PROMPT_TOKENS_IN_FLIGHT = 4 }; // committed before one is waited for
static const uint64_t wait_timeout_ns = 60000000000;

static bool check(sequence *s, fm_status status, uint32_t position)
{
    if (status == FM_OK) {
        return true;
    }
    char what[64];
    snprintf(what, sizeof what, "sequence %u at position %u", s->number, position);
    return failure_set_from_library(s->failure, status, what);
}

// Sends a token through the model; with `reads` the logits are there on return.
static bool feed(sequence *s, uint32_t token, uint32_t position, bool reads)
{
    fm_point point;
    fm_status status =
        forward_commit(s->net, &s->cache, s->stream, token, position, reads ? s->logits : NULL, &s->late, &point);
    if (!check(s, status, position) || failure_happened(s->failure)) {
        return false;
    }
    if (reads || position % PROMPT_TOKENS_IN_FLIGHT == PROMPT_TOKENS_IN_FLIGHT - 1) {
        bool good = check(s, fm_point_wait(s->net->device, point, wait_timeout_ns), position);
        forward_destroy_late(s->net, &s->late);
        return good;
    }
    return true;
}

static bool push_token(sequence *s, uint32_t previous, uint32_t token)
{
    unsigned char byte;
    token_piece piece = tokenizer_decode(s->tokenizer, previous, token, &byte);
    if (!text_push(&s->text, piece.bytes, piece.length)) {
        return failure_set(s->failure, EXIT_STATUS_FAILED, "no memory for the text of sequence %u", s->number);
    }
    s->tokens[s->token_count++] = token;
    progress_push_token(s->progress);
    return true;
}

static bool generate(sequence *s)
{
    uint32_t position = 0, last = s->prompt_tokens.count - 1;
    for (; position < last; position++) {
        if (!feed(s, s->prompt_tokens.tokens[position], position, false)) {
            return false;
        }
    }
    uint32_t token = s->prompt_tokens.tokens[last];
    while (s->token_count < s->limit) {
        uint32_t previous = token;
        if (!feed(s, token, position++, true)) {
            return false;
        }
        if (!sampler_choose(&s->sampler, s->logits, s->net->model->vocab_size, &token)) {
            return failure_set(s->failure, EXIT_STATUS_FAILED, "sequence %u: the model's logits are not finite numbers",
                               s->number);
        }
        if (tokenizer_is_end(s->tokenizer, token)) {
            return true;
        }
        if (!push_token(s, previous, token)) {
            return false;
        }
    }
    return true;
}

static void *sequence_main(void *argument)
{
    sequence *s = argument;
    fm_device *device = s->net->device;
    char label[32];
    snprintf(label, sizeof label, "sequence %u", s->number);
    uint32_t positions = s->prompt_tokens.count + s->limit - 1; // the last token is never fed
    if (check(s, fm_stream_create(device, &(fm_stream_info){.label = label}, &s->stream), 0) &&
        check(s, cache_create(device, s->net->model, positions, s->net->quantised, &s->cache), 0)) {
        generate(s);
    }
    forward_destroy_late(s->net, &s->late); // of a failed run
    cache_destroy(device, &s->cache);
    fm_stream_destroy(device, s->stream);
    progress_end(s->progress);
    return NULL;
}

bool sequence_create(const sequence_info *info, sequence *out)
{
    *out = (sequence){
        .tokenizer = info->tokenizer,
        .failure = info->failure,
        .progress = info->progress,
        .number = info->number,
        .prompt = info->prompt,
        .sampler = sampler_create(info->temperature, info->seed, info->number),
    };
    uint32_t room = info->model->seq_len;
    if (!tokenizer_encode(info->tokenizer, info->prompt, room, &out->prompt_tokens, info->failure)) {
        return false;
    }
    uint32_t left = room - out->prompt_tokens.count + 1; // the last position gives one token more
    out->limit = info->token_count < left ? info->token_count : left;
    out->logits = malloc(info->model->vocab_size * sizeof *out->logits);
    out->tokens = malloc(out->limit * sizeof *out->tokens);
    if (info->destroys_late) {
        out->late.capacity = forward_most_temporaries(info->model) * PROMPT_TOKENS_IN_FLIGHT;
        out->late.buffers = malloc(out->late.capacity * sizeof *out->late.buffers);
    }
    if (!out->logits || !out->tokens || (info->destroys_late && !out->late.buffers)) {
        return failure_set(info->failure, EXIT_STATUS_FAILED, "no memory for sequence %u", info->number);
    }
    return true;
}

bool sequence_start(sequence *s, const network *net)
{
    s->net = net;
    progress_begin(s->progress);
    if (pthread_create(&s->thread, NULL, sequence_main, s) != 0) {
        progress_end(s->progress);
        return failure_set(s->failure, EXIT_STATUS_FAILED, "cannot start a thread for sequence %u", s->number);
    }
    s->started = true;
    return true;
}

void sequence_join(sequence *s)
{
    if (s->started) {
        pthread_join(s->thread, NULL);
        s->started = false;
    }
}

void sequence_destroy(sequence *s)
{
    token_list_destroy(&s->prompt_tokens);
    free(s->logits);
    free(s->tokens);
    free(s->late.buffers);
    text_destroy(&s->text);
    *s = (sequence){0};
}
