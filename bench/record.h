// The workload of suite `record`, and its two sides: Fermata (record.c) and Vulkan by hand (raw_record.c).
// A list is a number of dispatches of one kernel, c[i] = c[i] + k * a[i] + scale * b[i] + offset, with 3 buffers and 16 bytes of
// constants each. Buffers and constants change from dispatch to dispatch. Main thread only.
#ifndef FERMATA_BENCH_RECORD_H
#define FERMATA_BENCH_RECORD_H

#include <stdbool.h>
#include <stdint.h>

enum {
    RECORD_ELEMENTS = 64, // floats in a buffer: one workgroup
    RECORD_INPUTS = 8,    // buffers that a and b take turns in
    RECORD_MOST = 256,    // dispatches in a list, and outputs
};

// One list.
typedef struct record_list {
    uint32_t count; // dispatches
    bool ordered;   // all add to output 0, so that each depends on the one before; else dispatch i adds to output i
} record_list;

// The 16 bytes; the same in the kernels' sources.
typedef struct record_constants {
    float k;
    float scale;
    float offset;
    uint32_t n; // elements
} record_constants;

static inline record_constants record_constants_of(uint32_t dispatch)
{
    return (record_constants){(float)(dispatch % 4 + 1), 2.0f, 1.0f, RECORD_ELEMENTS};
}

// Which buffers a dispatch uses.
static inline uint32_t record_input_a(uint32_t dispatch)
{
    return dispatch % RECORD_INPUTS;
}

static inline uint32_t record_input_b(uint32_t dispatch)
{
    return (dispatch + 3) % RECORD_INPUTS;
}

static inline uint32_t record_output(const record_list *list, uint32_t dispatch)
{
    return list->ordered ? 0 : dispatch;
}

// Element of an input. All results are whole numbers below 2^24, so exact whatever the device fuses.
static inline float record_input_value(uint32_t input, uint32_t element)
{
    return (float)(input + 1 + element % 4);
}

// One side's functions. Each returns false, with a message on stderr, when it fails.
typedef struct record_side {
    void *self;
    bool (*record)(void *self, const record_list *list); // records the list and throws it away
    bool (*commit)(void *self, const record_list *list); // records the list and gives it to the device
    bool (*finish)(void *self);                          // waits until the device is idle
    // Runs the list on outputs of zeros; element e of output o goes to results[o * RECORD_ELEMENTS + e].
    bool (*results)(void *self, const record_list *list, float *results);
} record_side;

// The hand-written side (raw_record.c; no_vulkan.c in builds without Vulkan).
typedef struct raw_record raw_record;

// Opens it on the physical device number `nth` (from 0) of those that are called `description`, while Fermata has a Vulkan device
// open. NULL, with a message on stderr: it failed.
raw_record *raw_record_open(const char *description, uint32_t nth);
void raw_record_close(raw_record *raw);
record_side raw_record_side(raw_record *raw);

// Is its driver nulled?
bool raw_record_driver_is_nulled(const raw_record *raw);

#endif
