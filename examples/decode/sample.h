// Chooses the next token from logits. Nothing here touches a device; a sampler belongs to one thread.
#ifndef DECODE_SAMPLE_H
#define DECODE_SAMPLE_H

#include <stdbool.h>
#include <stdint.h>

typedef struct sampler {
    float temperature; // 0: always the most likely token
    uint64_t state;    // of the random numbers
} sampler;

// A sampler whose choices depend on these three values and the logits alone. Streams of one seed are independent.
sampler sampler_create(float temperature, uint64_t seed, uint64_t stream);

// Chooses from `count` logits, the lowest of equals at temperature 0. False: the logits are no numbers to choose by.
bool sampler_choose(sampler *s, const float *logits, uint32_t count, uint32_t *out_token);

#endif
