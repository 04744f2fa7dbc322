// A long run: how the process's memory grows from round to round. Resident memory is what counts; bytes in use on the heap tell growth
// from holes that malloc keeps. Reads the clock, /proc/self/statm and malloc's own figures; knows nothing of sequences.
#ifndef DECODE_SOAK_H
#define DECODE_SOAK_H

#include <stdbool.h>
#include <stdint.h>

// The process's memory at one moment.
typedef struct soak_memory {
    uint64_t resident_bytes;
    uint64_t heap_bytes; // in use; 0 where the C library does not tell
} soak_memory;

typedef struct soak {
    uint64_t start_ns;  // monotonic
    uint64_t length_ns; // 0: one round
    uint32_t rounds;    // done
    soak_memory warm;   // when the first fifth of the time, or the first round, was over; zero: not yet
    soak_memory end;    // after the last round
} soak;

void soak_begin(soak *s, uint32_t seconds);

// Notes the end of a round, on stderr as well in a long run. True: there is time for another.
bool soak_goes_on(soak *s);

#endif
