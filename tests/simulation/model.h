// The plain model that the explorer holds the library against: what each buffer contains if committed lists run one by one in the order
// of their commits, and what each list must answer. Knows no device: the world tells it what was called and what was answered.
#ifndef SIMULATION_MODEL_H
#define SIMULATION_MODEL_H

#include <fermata/fermata.h>

#include <stdbool.h>

enum {
    MOST_OPS = 120,              // of a trace
    MOST_BUFFERS = MOST_OPS + 8, // ever created in a trace
    MOST_LISTS = 2 * MOST_OPS,   // ever begun in a trace
    MOST_AFTER = 8,              // points that a commit names
    STREAMS = 4,                 // alive at once
    WORDS = 32,                  // of each buffer that are modelled
};

typedef enum effect_kind {
    EFFECT_FILL,
    EFFECT_COPY,
    EFFECT_TWICE,
    EFFECT_BROKEN,
    EFFECT_UPLOAD,
    EFFECT_READ
} effect_kind;

// Words [first, first + count) of a buffer, named by its serial number; serial -1: nothing.
typedef struct words {
    int serial;
    int first;
    int count;
} words;

// A read-back and what it must give.
typedef struct model_read {
    uint32_t destination[WORDS];
    uint32_t expected[WORDS]; // as of the commit
    bool unknown[WORDS];      // nobody promised this word
    int count;                // words
    bool frozen;              // the destination is the caller's again: nothing may be written there any more
} model_read;

// What a recorded command does to memory; applied when its list is committed.
typedef struct effect {
    struct effect *next;
    effect_kind kind;
    words from;
    words to; // of a read: what is read
    uint32_t value;
    model_read *read;
} effect;

typedef struct model_buffer {
    uint32_t value[WORDS];
    int writer[WORDS];     // list that wrote it; -1: nobody
    bool unknown[WORDS];   // nobody promised what it holds
    int last_use[STREAMS]; // newest list of that stream slot that uses it; -1: none
    int fill;              // the library's own list that fills it first; -1: none
    bool orphan;           // a destroyed stream may still use it: no list may name it any more
} model_buffer;

// A list from its begin on. A synchronous read or write is a list as well.
typedef struct model_list {
    effect *first, *last;
    effect *barrier; // last effect before the newest barrier; NULL: none
    int commands;    // recorded; -1: a synchronous read or write, which carries no label
    int ran;         // of them, as the device told
    bool untracked;
    bool committed;
    bool broken;    // dispatches a kernel that fails, or the device was told to fail it
    bool taken;     // its record was taken with fm_device_take_failure
    bool refused;   // was in a batch that the device refused
    bool was_lost;  // was not complete when the device was lost
    bool dead;      // its stream was destroyed: its point cannot be asked for any more
    bool cancelled; // fm_point_cancel said that it does not run
    int host;       // point of the program that its commit named; -1: none
    bool known;     // its answer is known:
    fm_status status;
    int stream;   // slot
    int names;    // the buffer of a synchronous call; -1: none
    int previous; // list before it on its stream since the last reset; -1: none
    fm_point point;
    int after[MOST_AFTER]; // lists that its commit named
    int after_count;
    uint64_t refusals; // commands refused so far, when it was begun
} model_list;

// A point that the program ends.
typedef struct model_host {
    bool ended;
    bool failed;
} model_host;

typedef struct model {
    model_buffer buffers[MOST_BUFFERS];
    int buffer_count;
    model_list lists[MOST_LISTS];
    int list_count;
    effect effects[MOST_OPS];
    int effect_count;
    model_read reads[MOST_OPS];
    int read_count;
    model_host hosts[MOST_OPS];
    int host_count;
    int newest[STREAMS]; // newest list of the slot's stream since its creation or reset; -1: none
    uint64_t committed[STREAMS];
    uint64_t refusals; // commands refused so far
    bool several_queues;
    uint64_t nameless_failed; // synchronous reads and writes that the device was told to fail
} model;

void model_reset(model *m);
int model_add_buffer(model *m, bool zeroed);
int model_add_list(model *m, bool untracked);

// Adds a command to a list that is being recorded; false: the trace is full.
bool model_add_effect(model *m, model_list *list, const effect *e);

// Does `e` touch words that a command since the list's last barrier touches, one of them writing?
bool model_conflicts(const model_list *list, const effect *e);

// May the list be committed? Not if it names a buffer that a destroyed stream may still use.
bool model_may_commit(const model *m, const model_list *list);

// Fills the lists that a commit to `stream` must name so that the order of commits is the order of all uses; returns how many.
int model_needed_points(const model *m, const model_list *list, int stream, int *out);

// Notes the commit and does to memory what the list does. `list->after` is filled.
void model_commit(model *m, int list, int stream, fm_point point);

// Does the list use a buffer whose first fill failed, or perhaps did? Then nothing may use the buffer.
bool model_uses_unfilled(const model *m, const model_list *l);

// Judges an answer of a list whose predecessors are known, and notes it. NULL: it is right; otherwise what is wrong.
const char *model_judge(model *m, int list, fm_status status);

// A stream is gone, or was reset and goes on.
void model_stream_destroyed(model *m, int stream);
void model_stream_reset(model *m, int stream);

// What a read of the buffer as it is by now must give.
void model_expect(const model *m, const words *range, model_read *read);

// Are the bytes those that were promised?
bool model_read_is_right(const model_read *read);

#endif
