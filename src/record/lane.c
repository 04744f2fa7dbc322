// Lanes. See lane.h.
// At a lane's lock meet the threads that use the lane and whoever retires their lists, for a moment; so it spins before
// it sleeps.
#include "record/lane.h"

#include "record/recorder.h"

#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { LINE_BYTES = 64 };

static _Atomic(uint32_t) threads_seen; // process-wide: which lane the next new thread gets
static _Thread_local struct own {
    uint32_t lane; // of this thread, counted from 1; 0: it has none yet
    int thread;    // the system's number of it
} own;

void fmi_lanes_init(fmi_lane lanes[FMI_LANES])
{
    memset(lanes, 0, FMI_LANES * sizeof *lanes);
    own.thread =
        fmi_lane_thread(); // anew: a thread that forked has another number in the child, which opens devices of its own
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ADAPTIVE_NP);
    for (uint32_t i = 0; i < FMI_LANES; i++) {
        pthread_mutex_init(&lanes[i].lock, &attributes);
    }
    pthread_mutexattr_destroy(&attributes);
}

void fmi_lanes_destroy(fmi_lane lanes[FMI_LANES])
{
    for (uint32_t i = 0; i < FMI_LANES; i++) {
        while (lanes[i].lists) {
            fmi_list *list = lanes[i].lists;
            lanes[i].lists = list->next;
            fmi_arena_free(&list->arena);
            free(list);
        }
        pthread_mutex_destroy(&lanes[i].lock);
    }
}

fmi_lane *fmi_lane_of_thread(fmi_lane lanes[FMI_LANES])
{
    if (own.lane == 0) {
        own.lane = 1 + atomic_fetch_add_explicit(&threads_seen, 1, memory_order_relaxed) % FMI_THREAD_LANES;
        own.thread = (int)syscall(SYS_gettid);
    }
    return &lanes[own.lane - 1];
}

int fmi_lane_thread(void)
{
    return (int)syscall(SYS_gettid);
}

// Of a count that changes under the lock alone, so that it needs no locked instruction of its own.
#define CHANGE(count, by)                                                                                              \
    atomic_store_explicit((count), atomic_load_explicit((count), memory_order_relaxed) + (by), memory_order_relaxed)

// The next two: NULL where the lane has none.
static fmi_list *pop_list_locked(fmi_lane *lane)
{
    fmi_list *list = lane->lists;
    if (list) {
        lane->lists = list->next;
        lane->list_count--;
        CHANGE(&lane->kept_bytes, -list->kept_bytes);
    }
    return list;
}

static fm_commands *pop_recorder_locked(fmi_lane *lane)
{
    fm_commands *commands = lane->recorders;
    if (commands) {
        lane->recorders = commands->next;
        lane->recorder_count--;
    }
    return commands;
}

// Makes a list of what was popped, or of the reserve, or a new one.
static fmi_list *make_list(fmi_lane lanes[FMI_LANES], fmi_lane *lane, fmi_list *list)
{
    if (!list) {
        pthread_mutex_lock(&lanes[FMI_RESERVE].lock);
        list = pop_list_locked(&lanes[FMI_RESERVE]);
        pthread_mutex_unlock(&lanes[FMI_RESERVE].lock);
    }
    fmi_arena arena = {0};
    if (list) {
        arena = list->arena;
    } else {
        // Whole cache lines: each command that is recorded is linked here, and another thread's list may lie beside it.
        list = aligned_alloc(LINE_BYTES, (sizeof *list + LINE_BYTES - 1) / LINE_BYTES * LINE_BYTES);
    }
    if (list) {
        *list = (fmi_list){.arena = arena, .lane = lane};
    }
    return list;
}

fmi_list *fmi_lanes_take_list(fmi_lane lanes[FMI_LANES])
{
    fmi_lane *lane = fmi_lane_of_thread(lanes);
    pthread_mutex_lock(&lane->lock);
    fmi_list *list = pop_list_locked(lane);
    pthread_mutex_unlock(&lane->lock);
    return make_list(lanes, lane, list);
}

// False: the lane has enough of them.
static bool push_list(fmi_lane *lane, fmi_list *list, uint32_t most)
{
    size_t kept = atomic_load_explicit(&lane->kept_bytes, memory_order_relaxed);
    size_t room = kept < FMI_LANE_ARENA_BYTES ? FMI_LANE_ARENA_BYTES - kept : 0;
    size_t bytes = fmi_arena_reset(&list->arena, FMI_LIST_ALWAYS_KEEPS + room);
    list->kept_bytes = bytes > FMI_LIST_ALWAYS_KEEPS ? bytes - FMI_LIST_ALWAYS_KEEPS : 0;
    pthread_mutex_lock(&lane->lock);
    bool fits = lane->list_count < most;
    if (fits) {
        list->next = lane->lists;
        lane->lists = list;
        lane->list_count++;
        CHANGE(&lane->kept_bytes, list->kept_bytes);
    }
    pthread_mutex_unlock(&lane->lock);
    return fits;
}

void fmi_lanes_give_list(fmi_lane lanes[FMI_LANES], fmi_list *list)
{
    if (!push_list(list->lane, list, FMI_LANE_LISTS)) {
        push_list(&lanes[FMI_RESERVE], list, UINT32_MAX);
    }
}

fmi_list *fmi_lanes_begin(fmi_lane lanes[FMI_LANES], fmi_lane **out_lane, fm_commands **out_commands, int *out_thread)
{
    fmi_lane *lane = fmi_lane_of_thread(lanes);
    *out_thread = own.thread;
    pthread_mutex_lock(&lane->lock);
    fm_commands *commands = pop_recorder_locked(lane);
    fmi_list *list = pop_list_locked(lane);
    CHANGE(&lane->recording, 1u);
    pthread_mutex_unlock(&lane->lock);
    if (!commands) {
        pthread_mutex_lock(&lanes[FMI_RESERVE].lock);
        commands = pop_recorder_locked(&lanes[FMI_RESERVE]);
        pthread_mutex_unlock(&lanes[FMI_RESERVE].lock);
    }
    *out_lane = lane;
    *out_commands = commands;
    return make_list(lanes, lane, list);
}

static void push_recorder_locked(fmi_lane *lane, fm_commands *commands)
{
    commands->next = lane->recorders;
    lane->recorders = commands;
    lane->recorder_count++;
}

void fmi_lanes_end(fmi_lane lanes[FMI_LANES], fmi_lane *lane, fm_commands *commands, uint64_t variant_hits)
{
    pthread_mutex_lock(&lane->lock);
    if (commands && lane->recorder_count >= FMI_LANE_RECORDERS) {
        pthread_mutex_unlock(&lane->lock);
        lane = &lanes[FMI_RESERVE];
        pthread_mutex_lock(&lane->lock);
    }
    if (commands) {
        push_recorder_locked(lane, commands);
    }
    CHANGE(&lane->variant_hits, variant_hits);
    CHANGE(&lane->recording, UINT32_MAX); // the sum over all lanes is what counts; from here on a close may go on
    pthread_mutex_unlock(&lane->lock);
}

uint32_t fmi_lanes_recording(const fmi_lane lanes[FMI_LANES])
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < FMI_LANES; i++) {
        count += atomic_load_explicit(&lanes[i].recording, memory_order_relaxed);
    }
    return count;
}

uint32_t fmi_lanes_recording_now(fmi_lane lanes[FMI_LANES])
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < FMI_LANES; i++) {
        pthread_mutex_lock(&lanes[i].lock);
        count += atomic_load_explicit(&lanes[i].recording, memory_order_relaxed);
        pthread_mutex_unlock(&lanes[i].lock);
    }
    return count;
}

uint64_t fmi_lanes_variant_hits(const fmi_lane lanes[FMI_LANES])
{
    uint64_t count = 0;
    for (uint32_t i = 0; i < FMI_LANES; i++) {
        count += atomic_load_explicit(&lanes[i].variant_hits, memory_order_relaxed);
    }
    return count;
}
