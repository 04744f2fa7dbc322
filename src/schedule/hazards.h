// What conflicts with what: for each region of memory, the ranges that the batch uses and in which waves, and the batches
// that used it before.
// Private to planner.c, which asks once a span: inline, in a header of its own. The leader's alone; no locks, no atomics.
#ifndef FMI_SCHEDULE_HAZARDS_H
#define FMI_SCHEDULE_HAZARDS_H

#include "schedule/planner.h"

enum {
    FMI_EITHER_ACCESS = FM_ACCESS_READ | FM_ACCESS_WRITE,
    FMI_ACCESS_BITS = 2,
    FMI_ANY_QUEUE = 0x155,       // fm_access times this: its bits in fmi_region_state.before, of all queues
    FMI_OTHER_QUEUES = 0x3fc,    // what of them is not the batch's own queue's
    FMI_ANY_WRITER = UINT16_MAX, // in fmi_region_state.written_on
};

// The last wave that a use of the span must come after.
static inline uint32_t fmi_hazard_wave(const fmi_planner *planner, const fmi_span *span)
{
    if (span->access & FMI_SPAN_PRIVATE) {
        return 0;
    }
    const fmi_region_state *state = &planner->regions[span->region];
    if (state->batch != planner->batch) {
        return 0;
    }
    uint32_t wave = 0;
    uint64_t end = span->offset_bytes + span->size_bytes;
    for (uint32_t i = 0; i < state->count; i++) {
        const fmi_hazard *h = &state->hazards[i];
        if (span->offset_bytes < h->end && h->begin < end) {
            wave = h->write_wave > wave ? h->write_wave : wave;
            if (span->access & FM_ACCESS_WRITE) {
                wave = h->read_wave > wave ? h->read_wave : wave;
            }
        }
    }
    return wave;
}

// All ranges of a region become one: coarser, never wrong.
static void fmi_hazards_merge(fmi_region_state *state)
{
    fmi_hazard all = state->hazards[0];
    for (uint32_t i = 1; i < state->count; i++) {
        const fmi_hazard *h = &state->hazards[i];
        all.begin = h->begin < all.begin ? h->begin : all.begin;
        all.end = h->end > all.end ? h->end : all.end;
        all.read_wave = h->read_wave > all.read_wave ? h->read_wave : all.read_wave;
        all.write_wave = h->write_wave > all.write_wave ? h->write_wave : all.write_wave;
    }
    state->hazards[0] = all;
    state->count = 1;
}

// Uses that conflict with batches of a queue of which everything up to `covered` is ordered before.
static inline uint32_t fmi_hazard_access(uint64_t written, uint64_t used, uint64_t covered)
{
    return written > covered ? FMI_EITHER_ACCESS : used > covered ? FM_ACCESS_WRITE : 0;
}

// The same for each queue, where there are several.
static uint32_t fmi_hazards_by_queue(const fmi_planner *planner, const fmi_region_state *state, uint32_t region)
{
    const fmi_planner_queue *self = &planner->queues[planner->queue];
    uint64_t *used = planner->used[region];
    uint32_t before = 0;
    for (uint32_t q = 0; q < planner->queue_count; q++) {
        bool own = q == planner->queue;
        uint64_t written = state->written_on == q ? state->written : state->written_on == FMI_ANY_WRITER ? used[q] : 0;
        uint32_t access = fmi_hazard_access(written, used[q], own ? self->covered : self->seen[q]);
        before |= own ? access : access << (FMI_ACCESS_BITS * (q + 1));
    }
    used[planner->queue] = planner->batch;
    return before;
}

// The region's first use in this batch: notes which uses conflict with earlier batches. The region is taken as a whole
// there.
static inline void fmi_region_enter(const fmi_planner *planner, fmi_region_state *state)
{
    state->before = planner->queue_count == 1
                        ? fmi_hazard_access(state->written, state->batch, planner->queues[0].covered)
                        : fmi_hazards_by_queue(planner, state, (uint32_t)(state - planner->regions));
    state->batch = planner->batch;
    state->count = 0;
}

static void fmi_stamp_raise(uint64_t *stamp, uint64_t to)
{
    *stamp = to > *stamp ? to : *stamp;
}

static inline void fmi_hazard_use(fmi_hazard *h, uint32_t access, uint32_t wave)
{
    if ((access & FM_ACCESS_READ) && wave > h->read_wave) {
        h->read_wave = wave;
    }
    if ((access & FM_ACCESS_WRITE) && wave > h->write_wave) {
        h->write_wave = wave;
    }
}

// A use conflicts with batches of other queues: the whole batch waits for them. Called before the use is noted.
static inline void __attribute__((cold))
fmi_region_wait_for_queues(fmi_planner *planner, fmi_region_state *state, uint32_t conflicts)
{
    const uint64_t *used = planner->used[state - planner->regions];
    for (uint32_t q = 0; q < planner->queue_count; q++) {
        uint32_t access = conflicts >> (FMI_ACCESS_BITS * (q + 1));
        if (access & FM_ACCESS_WRITE) {
            fmi_stamp_raise(&planner->after[q], used[q]);
        } else if (access & FM_ACCESS_READ) {
            if (state->written_on == q) {
                fmi_stamp_raise(&planner->after[q], state->written);
            } else if (state->written_on == FMI_ANY_WRITER) {
                fmi_stamp_raise(&planner->after[q], used[q]);
            }
        }
    }
    state->before &= ~(conflicts & FMI_OTHER_QUEUES);
}

// Notes a use of a region that the batch has entered; returns the access that conflicts with earlier batches of the
// batch's own queue.
static inline uint32_t fmi_region_note_use(fmi_planner *planner, fmi_region_state *state, uint32_t access)
{
    uint32_t conflicts = state->before & (access * FMI_ANY_QUEUE);
    if (__builtin_expect(conflicts & FMI_OTHER_QUEUES, 0)) {
        fmi_region_wait_for_queues(planner, state, conflicts);
    }
    if (access & FM_ACCESS_WRITE) {
        state->written = planner->batch;
        state->written_on = (uint16_t)planner->queue;
    }
    return conflicts & FMI_EITHER_ACCESS;
}

// Remembers that the span is used in `wave`.
static inline void fmi_hazard_mark(fmi_planner *planner, const fmi_span *span, uint32_t wave)
{
    if (span->access & FMI_SPAN_PRIVATE) {
        return;
    }
    fmi_region_state *state = &planner->regions[span->region];
    if (state->batch != planner->batch) {
        fmi_region_enter(planner, state);
    }
    planner->fence |= fmi_region_note_use(planner, state, span->access) && wave == 1;
    uint64_t end = span->offset_bytes + span->size_bytes;
    fmi_hazard *found = NULL;
    for (uint32_t i = 0; i < state->count; i++) {
        fmi_hazard *h = &state->hazards[i];
        if (h->begin == span->offset_bytes && h->end == end) {
            found = h;
            break;
        }
    }
    if (!found) {
        if (state->count == FMI_HAZARD_RANGES) {
            fmi_hazards_merge(state);
        }
        found = &state->hazards[state->count++];
        *found = (fmi_hazard){span->offset_bytes, end, 0, 0};
    }
    fmi_hazard_use(found, span->access, wave);
}

#endif
