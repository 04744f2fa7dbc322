// Planner: turns lists into waves. A command's wave is one more than the last wave that it conflicts with; commands of one
// wave are independent, and one barrier stands between two waves (LEARNED-13).
// Conflicts are on ranges of memory, whichever stream touches it: cheaper than state a stream, and work that two streams left
// unordered gets some order instead of a race. Used by the engine's leader alone; allocates, never blocks.
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
    uint32_t count;
    uint32_t
        before; // accesses (fm_access) that conflict with earlier batches which no barrier has covered; of the last batch's first use
    fmi_hazard hazards[FMI_HAZARD_RANGES];
} fmi_region_state;

// What one batch's plan needs; its arrays are reused from batch to batch.
typedef struct fmi_plan_arrays {
    fmi_command **planned; // in the order in which lists were added
    fmi_command **sorted;  // in wave order
    uint32_t *wave_ends;
    uint32_t capacity; // commands that fit all three
} fmi_plan_arrays;

typedef struct fmi_planner {
    fmi_region_state *regions; // by dense index
    uint32_t region_capacity;
    uint64_t batch;          // stamp of the batch being planned
    fmi_plan_arrays *arrays; // of that batch
    uint32_t count;          // commands planned so far
    uint32_t last_wave;      // highest wave so far
    bool sorted;             // waves have only risen so far: no sort is needed
    uint64_t covered;        // everything up to this batch lies before a barrier that all later commands are behind
    bool fence;              // the batch's first wave conflicts with an earlier batch that is not covered
    bool ignore_hazards;     // ablation: everything shares one wave (FERMATA_TESTING)
} fmi_planner;

// Starts a batch that will hold at most `most_commands`. FM_ERROR_OUT_OF_HOST_MEMORY.
fm_status fmi_planner_begin(fmi_planner *planner, fmi_plan_arrays *arrays, uint32_t most_commands);

// Gives the list's commands their waves. FM_ERROR_OUT_OF_HOST_MEMORY leaves the plan as it was.
fm_status fmi_planner_add(fmi_planner *planner, fmi_list *list, uint32_t list_index);

// Sorts by wave and fills the plan's commands and waves, and whether the first wave waits for earlier batches (`after_in_flight`).
void fmi_planner_finish(fmi_planner *planner, fmi_batch_plan *plan);

// Notes that the batch was submitted: its barriers, if it has any, cover the batches before it.
void fmi_planner_note_submitted(fmi_planner *planner, const fmi_batch_plan *plan);

void fmi_planner_free(fmi_planner *planner);
void fmi_plan_arrays_free(fmi_plan_arrays *arrays);

#endif
