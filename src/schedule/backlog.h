// Backlog: committed lists that are in no batch yet, one queue a stream, and the choice of what the next batch takes.
// Streams take turns, so one that floods cannot starve one that trickles. A batch is capped by commands and by
// estimated time, and short lists do not share one with long ones: where a device has several queues, each kind has its
// own. Order within a stream and `after` points hold, also where values of a stream were taken before their lists were
// pushed (submit/parts.h). The engine's leader's alone.
#ifndef FMI_SCHEDULE_BACKLOG_H
#define FMI_SCHEDULE_BACKLOG_H

#include "record/list.h"
#include "schedule/stream.h"

enum {
    FMI_BATCH_MOST_LISTS = 1024,    // a batch is capped, so that a short list is not chained to thousands
    FMI_BATCH_MOST_COMMANDS = 8192, // (one longer list still fits alone)
    FMI_TURN_COMMANDS = 64,         // a stream's turn ends after so many
    FMI_LONG_NS = 40000,            // a list of at least so much work is long
    FMI_BATCH_NS = 400000,          // most work of one stream in a batch (one longer list still fits)
    FMI_WARY_BATCHES = 32,          // for so many batches after a short list, long batches stay as short as they can be
};

typedef struct fmi_backlog {
    // the library's own lists, which have no stream: taken first, whoever uses that memory comes later
    fmi_list *fills_first;
    fmi_list *fills_last;
    fmi_stream *last_turn;        // the stream whose turn was last; its `next_turn` is next. NULL: no stream has lists
    uint32_t stream_count;        // streams that have lists
    uint32_t long_count;          // lists that are long
    _Atomic(uint32_t) count;      // lists; stored by the leader
    bool long_is_due;             // a short batch has passed waiting long lists
    uint32_t batches_since_short; // up to FMI_WARY_BATCHES
    // stream of the last short list taken, and of the last long one; compared, never looked into
    const void *last_short;
    const void *last_long;
} fmi_backlog;

// What a batch takes.
typedef struct fmi_portion {
    fmi_list *first; // in the order in which the batch plans them
    fmi_list *last;
    uint32_t lists;
    uint32_t commands;
    uint64_t longest_ns; // estimated work of its longest list
    bool is_long;        // a list of it is
    bool has_short;      // a list of it is not
} fmi_portion;

// For which queue a portion is taken, and what is under way there.
typedef struct fmi_pick {
    bool split; // short lists have queue 0 and long ones the others; else all go to one
    uint32_t queue;
    bool long_in_flight; // not split: a batch that holds a long list is in flight
    bool lost;           // the device is: nothing will run, so nothing waits for the host
} fmi_pick;

// Adds a chain of lists, oldest first, each behind its stream's others.
void fmi_backlog_add(fmi_backlog *backlog, fmi_list *oldest, uint32_t slowest_ns);

// Takes the lists of the next batch of `pick->queue`. None although there are some: each waits for a list that is yet
// to be pushed, for a point that the program has not signalled, belongs on another queue, or is long while a long batch
// is in flight. A stream keeps its queue while it has lists in flight there, unless that is for short ones and the next
// one is long. What follows long work that is under way, of its own stream or by an `after` point, counts as long: it
// would hold up a batch of short ones.
void fmi_backlog_take(fmi_backlog *backlog, const fmi_pick *pick, fmi_portion *out);

void fmi_backlog_init(fmi_backlog *backlog);

#endif
