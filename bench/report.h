// Rows of results: a table on stdout as they come, and a JSON file at the end. Knows no device and no suite. Main thread only, but for report_save.
// A row is what Fermata took, what the floor (the same work by hand, in the same run) took, and their ratio.
#ifndef FERMATA_BENCH_REPORT_H
#define FERMATA_BENCH_REPORT_H

#include "timing.h"

#include <jansson.h>
#include <stdbool.h>

typedef struct report report;

// One result. Lower is better or higher is better as the unit says.
typedef struct report_row {
    const char *name; // the case, "record/ordered/256"; copied
    const char *unit; // "ns/dispatch"; copied
    spread value;     // Fermata
    spread floor;     // by hand
    bool has_floor;   // false: there is none, `floor` is void
    bool has_spread;  // false: only the medians count
} report_row;

// Creates a report; rows also go to the file `json_path` when it ends, unless that is NULL. NULL, with a message on stderr, when
// the file cannot be written or no memory is left.
report *report_create(const char *json_path);

// Names the suite and the device (borrowed until the report ends) of the rows that follow and prints both with the processor.
void report_begin(report *results, const char *suite, const char *device);

// Prints one line of explanation.
void report_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

// Adds a row and prints it; the table's head goes before the first.
void report_add(report *results, const report_row *row);

// Adds an object to the JSON file alone, with the suite's and the device's names; the suite prints what it means. `object` is transferred;
// NULL is a row that could not be kept.
void report_add_object(report *results, json_t *object);

// Stores the processor's name, as Linux tells it.
void report_read_processor(char *name, size_t size);

// Writes the JSON file, if there is one, with the rows so far: the process is about to end. Any thread, beside the main thread's calls.
void report_save(report *results);

// Writes the JSON file, if there is one, and destroys the report. False, with a message on stderr, when it could not be written.
bool report_end(report **results);

#endif
