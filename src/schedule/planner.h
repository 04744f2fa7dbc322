// Planner: turns lists into waves. A command's wave is one more than the last wave that it conflicts with; commands of
// one wave are independent, and one barrier stands between two waves (LEARNED-13). Conflicts are on ranges of memory,
// whichever stream touches it: cheaper than state a stream, and work that two streams left unordered gets some order
// instead of a race. Conflicts with earlier batches of the same queue ask for a barrier at the batch's start, conflicts
// with those of another queue for a wait. Used by the engine's leader alone; allocates, never blocks.
#ifndef FMI_SCHEDULE_PLANNER_H
#define FMI_SCHEDULE_PLANNER_H

#include "record/list.h"
#include "schedule/stream.h"

enum { FMI_HAZARD_RANGES = 4 }; // remembered a region before they are merged into one

// The last waves in which a range was read and written; 0 = not in this batch.
typedef struct fmi_hazard {
    uint64_t begin;
    uint64_t end;
    uint32_t read_wave;
    uint32_t write_wave;
} fmi_hazard;

typedef struct fmi_region_state {
    uint64_t batch;   // stamp: the last batch that used it; entries of another batch are void
    uint64_t written; // the last batch that wrote to it
    uint16_t count;
    uint16_t written_on; // that batch's queue; UINT16_MAX: it was not submitted, so whichever used it last wrote to it
    // Accesses (fm_access) that conflict with earlier batches which nothing has covered, of the last batch's first use:
    // two bits for its own queue, then two for each queue.
    uint32_t before;
    fmi_hazard hazards[FMI_HAZARD_RANGES];
} fmi_region_state;

// What one batch's plan needs; its arrays are reused from batch to batch.
typedef struct fmi_plan_arrays {
    fmi_command **planned; // in the order in which lists were added
    fmi_command **sorted;  // in wave order
    uint32_t *wave_ends;
    uint32_t capacity; // commands that fit all three
} fmi_plan_arrays;

// What one queue knows of batches before: stamps up to which all lies behind it.
typedef struct fmi_planner_queue {
    uint64_t covered;               // of its own batches: before a barrier that all later commands are behind
    uint64_t seen[FMI_MOST_QUEUES]; // of another queue's: a batch of this one has waited for them
    // Of another queue's: a batch of this one that was not submitted should have waited for them.
    uint64_t owed[FMI_MOST_QUEUES];
} fmi_planner_queue;

typedef struct fmi_planner {
    fmi_region_state *regions; // by dense index
    uint32_t region_capacity;
    uint64_t batch;          // stamp of the batch being planned
    fmi_plan_arrays *arrays; // of that batch
    uint32_t count;          // commands planned so far
    uint32_t last_wave;      // highest wave so far
    bool sorted;             // waves have only risen so far: no sort is needed
    uint32_t queue_count;    // constant
    uint32_t queue;          // of the batch being planned
    fmi_planner_queue queues[FMI_MOST_QUEUES];
    // by region: the last batch of each queue that used it; NULL where there is one queue
    uint64_t (*used)[FMI_MOST_QUEUES];
    bool fence; // the batch's first wave conflicts with an earlier batch of its queue that is not covered
    uint64_t after[FMI_MOST_QUEUES]; // stamps of other queues' batches that the batch must wait for; 0: none
    bool ignore_hazards;             // ablation: everything shares one wave (FERMATA_TESTING)
} fmi_planner;

// `planner` is zeroed.
void fmi_planner_init(fmi_planner *planner, uint32_t queue_count);

// Starts a batch of a queue that will hold at most `most_commands`. FM_ERROR_OUT_OF_HOST_MEMORY.
fm_status fmi_planner_begin(fmi_planner *planner, uint32_t queue, fmi_plan_arrays *arrays, uint32_t most_commands);

// Gives the list's commands their waves. FM_ERROR_OUT_OF_HOST_MEMORY leaves the plan as it was.
fm_status fmi_planner_add(fmi_planner *planner, fmi_list *list, uint32_t list_index);

// Sorts by wave and fills the plan's commands and waves, and whether the first wave waits for earlier batches
// (`after_in_flight`).
void fmi_planner_finish(fmi_planner *planner, fmi_batch_plan *plan);

// Must the batch wait for one of another queue?
bool fmi_planner_waits(const fmi_planner *planner);

// Notes that the batch was submitted: its barriers, if it has any, cover its queue's batches before it, its waits those
// of other queues.
void fmi_planner_note_submitted(fmi_planner *planner, const fmi_batch_plan *plan);

// Notes that the batch that was planned will not be submitted: what it would have waited for, each queue's next one
// waits for.
void fmi_planner_note_dropped(fmi_planner *planner);

void fmi_planner_free(fmi_planner *planner);
void fmi_plan_arrays_free(fmi_plan_arrays *arrays);

#endif
