// Sampling. See sample.h. The random numbers are SplitMix64: one addition and a mix per number.
#include "sample.h"

#include <math.h>

static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

sampler sampler_create(float temperature, uint64_t seed, uint64_t stream)
{
    uint64_t state = seed + stream; // neighbouring states give unrelated streams only after a mix
    return (sampler){.temperature = temperature, .state = next_random(&state)};
}

bool sampler_choose(sampler *s, const float *logits, uint32_t count, uint32_t *out_token)
{
    uint32_t best = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (isnan(logits[i])) {
            return false;
        }
        best = logits[i] > logits[best] ? i : best;
    }
    *out_token = best;
    if (!isfinite(logits[best])) {
        return false;
    }
    if (s->temperature <= 0.0f) {
        return true;
    }
    double total = 0.0;
    for (uint32_t i = 0; i < count; i++) {
        total += exp((double)(logits[i] - logits[best]) / (double)s->temperature);
    }
    double left = (double)(next_random(&s->state) >> 11) * 0x1p-53 * total;
    for (uint32_t i = 0; i < count; i++) {
        left -= exp((double)(logits[i] - logits[best]) / (double)s->temperature);
        if (left < 0.0) {
            *out_token = i;
            return true;
        }
    }
    return true; // rounding left a crumb: the most likely token
}
