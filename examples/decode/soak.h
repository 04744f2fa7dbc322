// A long run: how the process's resident memory grows from round to round. Reads the clock and /proc/self/statm; knows nothing of sequences.
#ifndef DECODE_SOAK_H
#define DECODE_SOAK_H

#include <stdbool.h>
#include <stdint.h>

typedef struct soak {
    uint64_t start_ns;   // monotonic
    uint64_t length_ns;  // 0: one round
    uint32_t rounds;     // done
    uint64_t warm_bytes; // resident when the first fifth of the time, or the first round, was over; 0: not yet
    uint64_t end_bytes;  // resident after the last round
} soak;

void soak_begin(soak *s, uint32_t seconds);

// Notes the end of a round, on stderr as well in a long run. True: there is time for another.
bool soak_goes_on(soak *s);

#endif
