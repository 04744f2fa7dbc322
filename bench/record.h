// The workload of suite `record`, and its two sides: Fermata (record.c) and Vulkan by hand (raw_record.c).
// A list is a number of dispatches of one kernel, c[i] = c[i] + k * a[i] + scale * b[i] + offset, with 3 buffers and 16 bytes of
// constants each. Buffers and constants change from dispatch to dispatch. Main thread only.
#ifndef FERMATA_BENCH_RECORD_H
#define FERMATA_BENCH_RECORD_H

#include <stdbool.h>
#include <stdint.h>

enum {
    RECORD_ELEMENTS = 64,   // floats in a buffer: one workgroup
    RECORD_INPUTS = 8,      // buffers that a and b take turns in, unless a list says otherwise
    RECORD_DISTINCT = 8192, // inputs there are
    RECORD_MOST = 256,      // dispatches in a list that is not long, and outputs
    RECORD_LONG = 4096,     // dispatches in a list of many distinct buffers
    RECORD_CHAINS = 8,      // side by side in a mixed list
};

// What a list's dispatches have to do with each other.
typedef enum record_kind {
    RECORD_ORDERED = 0,     // all add to output 0, so that each depends on the one before
    RECORD_INDEPENDENT = 1, // each adds to an output of its own; at most RECORD_MOST of them
    RECORD_MIXED = 2,       // RECORD_CHAINS chains in turns
    RECORD_SPREAD = 3,      // RECORD_MOST chains in turns, whose inputs are `distinct` buffers
    RECORD_KINDS = 4,
} record_kind;

// One list.
typedef struct record_list {
    uint32_t count; // dispatches
    record_kind kind;
    uint32_t distinct; // inputs that a spread list goes round, 1 to RECORD_DISTINCT
} record_list;

// How many dispatches in a row depend on none of each other: the list's chains.
static inline uint32_t record_width(const record_list *list)
{
    static const uint32_t widths[RECORD_KINDS] = {1, RECORD_MOST, RECORD_CHAINS, RECORD_MOST};
    uint32_t width = widths[list->kind];
    return width < list->count ? width : list->count;
}

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

// Which buffers a dispatch uses. Without divisions where suites measure the recording of a few buffers.
static inline uint32_t record_input_a(const record_list *list, uint32_t dispatch)
{
    return list->kind == RECORD_SPREAD ? dispatch * 2 % list->distinct : dispatch % RECORD_INPUTS;
}

static inline uint32_t record_input_b(const record_list *list, uint32_t dispatch)
{
    return list->kind == RECORD_SPREAD ? (dispatch * 2 + 1) % list->distinct : (dispatch + 3) % RECORD_INPUTS;
}

static inline uint32_t record_output(const record_list *list, uint32_t dispatch)
{
    switch (list->kind) {
    case RECORD_ORDERED: return 0;
    case RECORD_MIXED: return dispatch % RECORD_CHAINS;
    default: return dispatch % RECORD_MOST;
    }
}

// Element of an input. All results are whole numbers below 2^24, so exact whatever the device fuses.
static inline float record_input_value(uint32_t input, uint32_t element)
{
    return (float)(input + 1 + element % 4);
}

// What committing one list took, in nanoseconds a list. Those that a side cannot tell apart are 0.
typedef enum record_stage {
    RECORD_STAGE_RECORD = 0, // begin and the dispatches
    RECORD_STAGE_PLAN = 1,   // from the commit to the first call of the driver
    RECORD_STAGE_ENCODE = 2, // the driver's command buffer, from its begin to its end
    RECORD_STAGE_SUBMIT = 3, // to the return of vkQueueSubmit
    RECORD_STAGE_RETIRE = 4, // the wait for what is complete already, or soon is
    RECORD_STAGE_CALL = 5,   // the whole call that commits: for Fermata, plan, encode, submit and the return
    RECORD_STAGES = 6,
} record_stage;

struct null_marks;

// One side's functions. Each returns false, with a message on stderr, when it fails.
typedef struct record_side {
    void *self;
    bool (*record)(void *self, const record_list *list); // records the list and throws it away
    bool (*commit)(void *self, const record_list *list); // records the list and gives it to the device
    bool (*finish)(void *self);                          // waits until the device is idle
    // Records, commits and waits, with a look at the clock between; `marks` are the layer's, NULL without it. A stage that took place
    // elsewhere than in this thread's commit is negative.
    bool (*stages)(void *self, const record_list *list, const struct null_marks *marks, double out[RECORD_STAGES]);
    // Runs the list on outputs of zeros; element e of output o goes to results[o * RECORD_ELEMENTS + e].
    bool (*results)(void *self, const record_list *list, float *results);
} record_side;

// Fermata's side (record_fermata.c).
typedef struct record_fermata record_fermata;
struct fm_device;

// Opens it on `device`, which is transferred. NULL, with a message on stderr: it failed.
record_fermata *record_fermata_open(struct fm_device *device);
bool record_fermata_close(record_fermata *fermata);
record_side record_fermata_side(record_fermata *fermata);

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
