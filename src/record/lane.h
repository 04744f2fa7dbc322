// Lanes: what recording takes and gives back again and again, recorders and lists, kept in several parts. A thread uses one lane, so threads
// keep out of each other's way and find again what is in their caches; what was taken by way of a lane goes back to it, from whichever
// thread. A lane keeps little; what is beyond that goes to one more, the reserve, where a lane that has nothing looks before anything is
// made: so a burst of one thread serves the others. A lock is held for a few instructions. Any thread.
#ifndef FMI_RECORD_LANE_H
#define FMI_RECORD_LANE_H

#include "record/list.h"

#include <stdatomic.h>

struct fm_commands;

enum {
    FMI_THREAD_LANES = FMI_TABLE_SHARES, // with more threads than that, several share one
    FMI_RESERVE = FMI_THREAD_LANES,
    FMI_LANES,                      // and the reserve
    FMI_LANE_RECORDERS = 2,         // that a thread's lane keeps; the reserve keeps all
    FMI_LANE_LISTS = 64,            // the same
    FMI_LANE_ARENA_BYTES = 1 << 20, // of its lists' memory beyond their first chunks, about; the reserve's, too
    FMI_LIST_ALWAYS_KEEPS = 4096,   // a recycled list keeps its first chunk
};

typedef struct fmi_lane {
    _Alignas(64) pthread_mutex_t lock; // guards all below
    struct fm_commands *recorders;     // not in use, newest first
    fmi_list *lists;                   // not in use, newest first
    uint32_t recorder_count;           // of these
    uint32_t list_count;
    _Atomic(size_t) kept_bytes; // of their arenas, beyond the first chunks; read without the lock, too: a hint
    _Atomic(uint32_t)
        recording; // recorders taken by way of this lane, less those given back to it; read without the lock, too
    _Atomic(uint64_t) variant_hits; // of their lists, once those had ended; read without the lock, too
} fmi_lane;

void fmi_lanes_init(fmi_lane lanes[FMI_LANES]);

// Frees the lists. None is in use, and no recorder is kept.
void fmi_lanes_destroy(fmi_lane lanes[FMI_LANES]);

// The calling thread's.
fmi_lane *fmi_lane_of_thread(fmi_lane lanes[FMI_LANES]);

// The share that a list's holds on kernels and variants go by (base/table.h): its lane's number.
static inline uint32_t fmi_list_share(const fmi_lane lanes[FMI_LANES], const fmi_list *list)
{
    return (uint32_t)(list->lane - lanes);
}

// An empty list, by way of the calling thread's lane; NULL: out of host memory.
fmi_list *fmi_lanes_take_list(fmi_lane lanes[FMI_LANES]);

// Empties a list and recycles it. What it held has been released.
void fmi_lanes_give_list(fmi_lane lanes[FMI_LANES], fmi_list *list);

// A recorder that is not in use, or NULL, and an empty list, or NULL: out of host memory. Counts a recorder in, in the lane `*out_lane`.
// `*out_thread`: see fmi_lane_thread.
fmi_list *fmi_lanes_begin(fmi_lane lanes[FMI_LANES], fmi_lane **out_lane, struct fm_commands **out_commands,
                          int *out_thread);

// The system's number of the calling thread.
int fmi_lane_thread(void);

// Counts a recorder out, and keeps it; NULL: there is none. `variant_hits` of its list.
void fmi_lanes_end(fmi_lane lanes[FMI_LANES], fmi_lane *lane, struct fm_commands *commands, uint64_t variant_hits);

// Recorders in use, and variant hits of the lists that have ended, of all lanes. Exact where no other thread is at it.
uint32_t fmi_lanes_recording(const fmi_lane lanes[FMI_LANES]);

// Recorders in use, and whoever was ending one is done with the lanes: for a close beside threads that record.
uint32_t fmi_lanes_recording_now(fmi_lane lanes[FMI_LANES]);
uint64_t fmi_lanes_variant_hits(const fmi_lane lanes[FMI_LANES]);

#endif
