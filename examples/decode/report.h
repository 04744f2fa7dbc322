// What the program prints when all sequences are done: for people, or as one JSON object.
// Reads results and changes none.
#ifndef DECODE_REPORT_H
#define DECODE_REPORT_H

#include "bundle.h"
#include "sequence.h"
#include "soak.h"

typedef struct report {
    const sequence *sequences; // borrowed
    uint32_t sequence_count;
    double seconds; // from the first thread's start to the last one's end
    fm_device_properties device;
    fm_device_stats stats; // after the last sequence
    const soak *soak;      // borrowed; how memory grew, in a run of several rounds
    uint32_t checked;      // sequences that the gold file knows
    uint32_t matched;      // of these, those that say what it says
} report;

// Counts `checked` and `matched`: as many bytes as were generated must be those of the gold file.
void report_check(report *r, const gold *g);

// Print to stdout, all of it valid UTF-8: bytes that are not become U+FFFD. False: could not be written.
bool report_print(const report *r);
bool report_print_json(const report *r);

#endif
