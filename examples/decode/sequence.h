// One sequence: a prompt and what the model makes of it. Each has its own thread, stream, cache and random numbers, so
// that what it says does not depend on how many others there are.
#ifndef DECODE_SEQUENCE_H
#define DECODE_SEQUENCE_H

#include "forward.h"
#include "progress.h"
#include "sample.h"
#include "text.h"
#include "tokenizer.h"

typedef struct sequence {
    const network *net;         // borrowed; set by sequence_start
    const tokenizer *tokenizer; // borrowed
    failure *failure;           // borrowed
    progress *progress;         // borrowed
    uint32_t number;            // from 1, for sentences
    const char *prompt;         // borrowed
    token_list prompt_tokens;   // owned
    uint32_t limit;             // tokens to generate at most
    sampler sampler;            // its own random numbers
    pthread_t thread;           // meaningful while `started`
    bool started;               // `thread` is to be joined
    fm_stream stream;           // owned by the thread, as the cache is
    kv_cache cache;
    late_buffers late; // owned; capacity 0 unless temporaries are destroyed late

    float *logits;        // owned, [vocab_size]: where the device's answer arrives
    uint32_t *tokens;     // owned, [limit]: what was generated
    uint32_t token_count; // of `tokens`
    text text;            // owned: the bytes that these stand for
} sequence;

// What a new sequence is made of.
typedef struct sequence_info {
    const model *model;         // borrowed for the call
    const tokenizer *tokenizer; // borrowed until sequence_destroy, as all that follows
    const char *prompt;
    uint32_t number;      // from 1
    uint32_t token_count; // to generate at most; the model's context may end before
    float temperature;
    uint64_t seed;
    bool destroys_late; // temporaries live until the wait for their token
    progress *progress;
    failure *failure;
} sequence_info;

// Turns the prompt into tokens and makes room for the answer. The result is to be destroyed in either case.
bool sequence_create(const sequence_info *info, sequence *out);

// Starts the thread. `net` is borrowed until sequence_join.
bool sequence_start(sequence *s, const network *net);

// Waits for the thread, if there is one.
void sequence_join(sequence *s);

// Frees what the sequence owns. The device must be closed, or have done all that was committed: `logits` goes too.
void sequence_destroy(sequence *s);

#endif
