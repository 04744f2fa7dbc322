// A trace's world: one manual device, the clients that use it, and the model beside it. Operations change both; checks compare them.
// One thread. The first thing that is wrong is kept as a sentence and ends the trace.
#ifndef SIMULATION_WORLD_H
#define SIMULATION_WORLD_H

#include "model.h"

#include <fermata/testing.h>

enum {
    CLIENTS = 4, // each records one list at a time
    CROWD = 3,
    BUFFERS = 8, // handles that the clients share
    MOST_CALLBACKS = MOST_OPS,
    WINDOW_BYTES = WORDS * 4,
    ALIGNED_WORDS = 4, // a binding's offset is a multiple of this
};
// For waits in which the device runs: they end by themselves, this is for a bug that makes one endless.
#define LONG_NS UINT64_C(20000000000)

// One operation of a trace. What the numbers mean is the operation's own; each takes what it needs modulo what there is.
typedef struct op {
    uint8_t kind, client, a, b, stream, x, y, n;
    uint32_t value;
} op;

// A handle that the clients share.
typedef struct shared_buffer {
    fm_buffer handle;
    int serial;          // in the model; -1: no buffer here
    uint64_t base_bytes; // where the modelled window begins
    fm_buffer dead;      // a handle that was destroyed here; {0}: none yet
} shared_buffer;

typedef struct client {
    fm_commands *commands; // NULL: not recording
    int list;              // in the model
} client;

typedef struct world world;

typedef struct callback_record {
    world *world;
    int list;
    bool ordered; // registered before its point was complete: later points of the stream come after it
    int calls;
    fm_status status;
} callback_record;

struct world {
    model model;
    fm_device *device;
    bool talks;       // prints what happens
    bool tight;       // the device's memory limit is small: allocations may be refused
    int buffer_slots; // of `buffers` that the trace uses: few of them meet more often
    bool lost;
    fm_kernel twice, broken;
    fm_kernel
        slow; // does what `twice` does, and the device has been taught that it takes long; {0}: the device has one queue
    fm_stream streams[STREAMS];
    uint64_t last_callback[STREAMS];
    // The crowd: streams whose lists touch a few buffers in any order. The model knows none of it: the device tells if two of them race.
    fm_stream crowd_streams[CROWD];
    fm_buffer crowd_buffers[CROWD];
    bool crowded; // they exist
    shared_buffer buffers[BUFFERS];
    client clients[CLIENTS];
    fm_point hosts[MOST_OPS]; // points of the program, as numbered in the model
    callback_record callbacks[MOST_CALLBACKS];
    int callback_count;
    uint32_t completed_batches; // as the device told
    uint64_t limit_bytes;       // of device memory, if tight
    uint64_t in_flight_bytes;   // the device's limit
    uint32_t lists_in_flight;   // the device's limit
    char failure[320];
};

// Opens a device whose limits follow from `group`; a guard is missing if `ablate` is one.
void world_open(world *w, uint64_t group, int ablate);

// Closes the device, at the latest within a second. False: w->failure says what was wrong.
bool world_close(world *w);

// The two ends of a trace: fresh streams and kernels; then everything finishes, answers, is compared, and nothing is left over.
void world_start(world *w);
bool world_finish(world *w);

// Runs a trace on the open device. False: w->failure says what was wrong.
bool world_run(world *w, const op *ops, int count);

// Prints, if the world talks.
void world_say(const world *w, const char *format, ...) __attribute__((format(printf, 2, 3)));

// Notes what is wrong, if nothing was before.
void world_fail(world *w, const char *format, ...) __attribute__((format(printf, 2, 3)));

// Notes a call that had to succeed and did not. On a lost device FM_ERROR_DEVICE_LOST is an answer, and under a tight limit
// FM_ERROR_OUT_OF_MEMORY is. True: it did not succeed.
bool world_fails(world *w, fm_status status, const char *what);

// Asks for a list's point, after those of its predecessors, and compares. True: its answer is known.
bool world_learn(world *w, int list);

// The same for every list that was committed.
void world_learn_all(world *w);

// Steps in waits on and off: between the two, whoever waits runs the device, and the program has signalled all its points, so nobody waits for
// that.
void world_step_in_waits(world *w, bool on);

// Ends a point of the program, unless it has ended: signalled, or failed.
void world_end_host(world *w, int host, bool fail);

// Makes a stream in a slot.
void world_make_stream(world *w, int slot);

void world_make_kernel(world *w, const char *name, fm_kernel *out);

void world_callback(void *user, fm_point point, fm_status status);

#endif
