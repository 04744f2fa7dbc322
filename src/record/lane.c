// Lanes. See lane.h.
// The owner of a list and whoever retires it meet at its lane's lock, and nobody else; so it spins for a moment before it sleeps.
#include "record/lane.h"

#include "record/recorder.h"

#include <stdlib.h>
#include <string.h>

static _Atomic(uint32_t) threads_seen;  // process-wide: which lane the next new thread gets
static _Thread_local uint32_t own_lane; // of this thread, counted from 1; 0: it has none yet

void fmi_lanes_init(fmi_lane lanes[FMI_LANES])
{
    memset(lanes, 0, FMI_LANES * sizeof *lanes);
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
    if (own_lane == 0) {
        own_lane = 1 + atomic_fetch_add_explicit(&threads_seen, 1, memory_order_relaxed) % FMI_LANES;
    }
    return &lanes[own_lane - 1];
}

// Of a count that changes under the lock alone, so that it needs no locked instruction of its own.
#define CHANGE(count, by)                                                                                              \
    atomic_store_explicit((count), atomic_load_explicit((count), memory_order_relaxed) + (by), memory_order_relaxed)

static fmi_list *pop_list(fmi_lane *lane)
{
    fmi_list *list = lane->lists;
    if (list) {
        lane->lists = list->next;
        CHANGE(&lane->kept_bytes, -list->kept_bytes);
    }
    return list;
}

// Makes a list of what was popped, if anything was.
static fmi_list *make_list(fmi_lane *lane, fmi_list *list)
{
    if (!list) {
        list = calloc(1, sizeof *list);
        if (list) {
            list->lane = lane;
        }
        return list;
    }
    fmi_arena arena = list->arena;
    *list = (fmi_list){.arena = arena, .lane = lane};
    return list;
}

fmi_list *fmi_lane_take_list(fmi_lane *lane)
{
    pthread_mutex_lock(&lane->lock);
    fmi_list *list = pop_list(lane);
    pthread_mutex_unlock(&lane->lock);
    return make_list(lane, list);
}

void fmi_lane_give_list(fmi_list *list)
{
    fmi_lane *lane = list->lane;
    size_t kept = atomic_load_explicit(&lane->kept_bytes, memory_order_relaxed);
    size_t room = kept < FMI_LANE_KEEPS ? FMI_LANE_KEEPS - kept : 0;
    list->kept_bytes =
        fmi_arena_reset(&list->arena, room > FMI_LIST_ALWAYS_KEEPS ? room : (size_t)FMI_LIST_ALWAYS_KEEPS);
    pthread_mutex_lock(&lane->lock);
    list->next = lane->lists;
    lane->lists = list;
    CHANGE(&lane->kept_bytes, list->kept_bytes);
    pthread_mutex_unlock(&lane->lock);
}

fmi_list *fmi_lane_begin(fmi_lane *lane, fm_commands **out_commands)
{
    pthread_mutex_lock(&lane->lock);
    fm_commands *commands = lane->recorders;
    if (commands) {
        lane->recorders = commands->next;
    }
    fmi_list *list = pop_list(lane);
    CHANGE(&lane->recording, 1u);
    pthread_mutex_unlock(&lane->lock);
    *out_commands = commands;
    return make_list(lane, list);
}

void fmi_lane_end(fmi_lane *lane, fm_commands *commands, uint64_t variant_hits)
{
    pthread_mutex_lock(&lane->lock);
    if (commands) {
        commands->next = lane->recorders;
        lane->recorders = commands;
    }
    CHANGE(&lane->variant_hits, variant_hits);
    CHANGE(&lane->recording, UINT32_MAX);
    pthread_mutex_unlock(&lane->lock);
}

uint32_t fmi_lanes_recording(const fmi_lane lanes[FMI_LANES])
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < FMI_LANES; i++) {
        count += atomic_load_explicit(&lanes[i].recording, memory_order_acquire);
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
