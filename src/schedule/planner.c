// Planner. See planner.h. ASAP levelling over ranges of memory regions (hazards.h).
// The leader's alone; no locks, no atomics.
#include "schedule/planner.h"

#include "base/error.h"
#include "schedule/hazards.h"

#include <stdlib.h>
#include <string.h>

static bool grow_arrays(fmi_plan_arrays *arrays, uint32_t capacity)
{
    if (capacity <= arrays->capacity) {
        return true;
    }
    uint32_t size = arrays->capacity ? arrays->capacity : 256;
    while (size < capacity) {
        size *= 2;
    }
    fmi_command **planned = malloc(size * sizeof(fmi_command *));
    fmi_command **sorted = malloc(size * sizeof(fmi_command *));
    uint32_t *wave_ends = malloc((size + 2) * sizeof *wave_ends); // wave numbers start at 1
    if (!planned || !sorted || !wave_ends) {
        free(planned);
        free(sorted);
        free(wave_ends);
        return false;
    }
    fmi_plan_arrays_free(arrays);
    *arrays = (fmi_plan_arrays){planned, sorted, wave_ends, size};
    return true;
}

void fmi_planner_init(fmi_planner *planner, uint32_t queue_count)
{
    planner->queue_count = queue_count;
}

fm_status fmi_planner_begin(fmi_planner *planner, uint32_t queue, fmi_plan_arrays *arrays, uint32_t most_commands)
{
    planner->queue = queue;
    memcpy(planner->after, planner->queues[queue].owed, sizeof planner->after);
    if (!grow_arrays(arrays, most_commands ? most_commands : 1)) {
        return fmi_fail(FM_ERROR_OUT_OF_HOST_MEMORY, "no host memory to plan %u commands", most_commands);
    }
    planner->batch++;
    planner->arrays = arrays;
    planner->count = 0;
    planner->last_wave = 0;
    planner->sorted = true;
    planner->fence = false;
    return FM_OK;
}

void fmi_plan_arrays_free(fmi_plan_arrays *arrays)
{
    free(arrays->planned);
    free(arrays->sorted);
    free(arrays->wave_ends);
    *arrays = (fmi_plan_arrays){0};
}

void fmi_planner_free(fmi_planner *planner)
{
    free(planner->regions);
    free(planner->used);
    planner->regions = NULL;
    planner->used = NULL;
    planner->region_capacity = 0;
}

// Makes room for the state of every region that the list names.
static bool grow_regions(fmi_planner *planner, uint32_t highest)
{
    uint32_t capacity = planner->region_capacity ? planner->region_capacity : 256;
    while (capacity <= highest) {
        capacity *= 2;
    }
    fmi_region_state *regions = realloc(planner->regions, capacity * sizeof *regions);
    if (!regions) {
        return false;
    }
    planner->regions = regions;
    for (uint32_t i = planner->region_capacity; i < capacity; i++) {
        regions[i].batch = regions[i].written = 0;
    }
    if (planner->queue_count > 1) {
        uint64_t(*used)[FMI_MOST_QUEUES] = realloc(planner->used, capacity * sizeof *used);
        if (!used) {
            return false;
        }
        planner->used = used;
        memset(used + planner->region_capacity, 0, (capacity - planner->region_capacity) * sizeof *used);
    }
    planner->region_capacity = capacity;
    return true;
}

static bool cover_regions(fmi_planner *planner, const fmi_list *list)
{
    return list->highest_region < planner->region_capacity || grow_regions(planner, list->highest_region);
}

static inline void append(fmi_planner *planner, fmi_command *command, uint32_t list_index, uint32_t wave)
{
    command->list = list_index;
    command->wave = wave;
    planner->sorted = planner->sorted && wave >= planner->last_wave;
    planner->last_wave = wave > planner->last_wave ? wave : planner->last_wave;
    planner->arrays->planned[planner->count++] = command;
}

static inline void place(fmi_planner *planner, fmi_command *command, uint32_t list_index, uint32_t wave)
{
    for (uint32_t i = 0; i < command->span_count; i++) {
        fmi_hazard_mark(planner, &command->spans[i], wave);
    }
    append(planner, command, list_index, wave);
}

static inline uint32_t conflicts_of(const fmi_planner *planner, const fmi_command *command)
{
    uint32_t wave = 0;
    for (uint32_t i = 0; i < command->span_count; i++) {
        uint32_t w = fmi_hazard_wave(planner, &command->spans[i]);
        wave = w > wave ? w : wave;
    }
    return wave;
}

// One look at a span: raises `wave` to the last wave that it must come after, and returns the entry that is exactly its
// range, making it if the region is new to the batch. NULL: none is, and fmi_hazard_mark() must find room. Adds to
// `before` what
// conflicts with earlier batches.
static inline fmi_hazard *look(fmi_planner *planner, const fmi_span *span, uint32_t *wave, uint32_t *before)
{
    fmi_region_state *state = &planner->regions[span->region];
    uint64_t begin = span->offset_bytes, end = begin + span->size_bytes;
    bool is_new = state->batch != planner->batch;
    if (is_new) {
        fmi_region_enter(planner, state);
        state->count = 1;
        state->hazards[0] = (fmi_hazard){begin, end, 0, 0};
    }
    *before |= fmi_region_note_use(planner, state, span->access);
    if (is_new) {
        return &state->hazards[0];
    }
    fmi_hazard *exact = state->hazards;
    if (__builtin_expect(state->count == 1 && exact->begin == begin && exact->end == end, 1)) { // most often
        *wave = exact->write_wave > *wave ? exact->write_wave : *wave;
        if (span->access & FM_ACCESS_WRITE) {
            *wave = exact->read_wave > *wave ? exact->read_wave : *wave;
        }
        return exact;
    }
    exact = NULL;
    for (fmi_hazard *h = state->hazards, *last = h + state->count; h < last; h++) {
        if (begin < h->end && h->begin < end) {
            uint32_t read_wave = span->access & FM_ACCESS_WRITE ? h->read_wave : 0;
            uint32_t conflict = h->write_wave > read_wave ? h->write_wave : read_wave;
            *wave = conflict > *wave ? conflict : *wave;
            exact = h->begin == begin && h->end == end ? h : exact;
        }
    }
    return exact;
}

// Gives a tracked command the wave after `floor` and its conflicts, and remembers what it uses. The usual case, ranges
// that were seen before, costs one look at each span.
static inline uint32_t place_after_conflicts(fmi_planner *planner, fmi_command *command, uint32_t list_index,
                                             uint32_t floor)
{
    fmi_hazard *exact[FMI_MOST_SPANS];
    uint32_t wave = floor, before = 0;
    bool all = true;
    for (uint32_t i = 0; i < command->span_count; i++) {
        bool private = command->spans[i].access & FMI_SPAN_PRIVATE;
        exact[i] = private ? NULL : look(planner, &command->spans[i], &wave, &before);
        all = all && exact[i];
    }
    wave = 1 + (planner->ignore_hazards ? floor : wave);
    planner->fence |= wave == 1 && before;
    if (!all) {
        place(planner, command, list_index, wave);
        return wave;
    }
    for (uint32_t i = 0; i < command->span_count; i++) {
        fmi_hazard_use(exact[i], command->spans[i].access, wave);
    }
    append(planner, command, list_index, wave);
    return wave;
}

// Commands after `floor`, each as early as its hazards allow; returns the highest wave used.
static uint32_t add_tracked(fmi_planner *planner, fmi_list *list, uint32_t list_index, uint32_t floor)
{
    uint32_t highest = floor;
    for (fmi_command *command = list->first; command; command = command->next) {
        if (command->kind == FMI_COMMAND_BARRIER) {
            floor = highest;
            continue;
        }
        uint32_t wave = place_after_conflicts(planner, command, list_index, floor);
        highest = wave > highest ? wave : highest;
    }
    return highest;
}

// The whole list after everything that any of its commands conflicts with; inside it only its own barriers order.
static uint32_t add_untracked(fmi_planner *planner, fmi_list *list, uint32_t list_index, uint32_t floor)
{
    for (fmi_command *command = list->first; command; command = command->next) {
        uint32_t conflict = conflicts_of(planner, command);
        floor = conflict > floor ? conflict : floor;
    }
    uint32_t wave = floor + 1, highest = floor;
    for (fmi_command *command = list->first; command; command = command->next) {
        if (command->kind == FMI_COMMAND_BARRIER) {
            wave = highest + 1;
            continue;
        }
        place(planner, command, list_index, wave);
        highest = wave;
    }
    return highest;
}

// The wave after which the list may start: what its stream and its after points demand beyond memory hazards.
static uint32_t list_floor(fmi_planner *planner, const fmi_list *list)
{
    fmi_stream *stream = list->stream;
    uint32_t floor = 0;
    if (stream) {
        if (stream->planned.batch != planner->batch) {
            stream->previous = stream->planned;
            stream->planned = (fmi_batch_stamp){planner->batch, planner->queue};
            stream->last_wave = stream->floor = 0;
        }
        floor = list->untracked ? stream->last_wave : stream->floor;
    }
    for (uint32_t i = 0; i < list->after_count; i++) {
        const fmi_stream *other = list->after[i].stream;
        if (other->planned.batch == planner->batch && other->last_wave > floor) {
            floor = other->last_wave;
        }
    }
    return floor;
}

// The last earlier batch in which the stream had lists.
static fmi_batch_stamp earlier_batch(const fmi_planner *planner, const fmi_stream *stream)
{
    return stream->planned.batch == planner->batch ? stream->previous : stream->planned;
}

// The batch must come after an earlier one. True: that takes a barrier; what lies on another queue is waited for.
static bool is_uncovered(fmi_planner *planner, fmi_batch_stamp earlier)
{
    const fmi_planner_queue *self = &planner->queues[planner->queue];
    if (earlier.queue == planner->queue) {
        return earlier.batch > self->covered;
    }
    if (earlier.batch > self->seen[earlier.queue]) {
        fmi_stamp_raise(&planner->after[earlier.queue], earlier.batch);
    }
    return false;
}

// Must a list that may start in the first wave wait for earlier batches, whatever its memory? For `after` points there,
// and around untracked lists, whose kernels may touch more than their bindings. A stream that changes its queue always
// waits.
static bool follows_uncovered(fmi_planner *planner, const fmi_list *list)
{
    bool follows = false;
    for (uint32_t i = 0; i < list->after_count; i++) {
        const fmi_after *after = &list->after[i];
        fmi_batch_stamp earlier = earlier_batch(planner, after->stream);
        // What is over on another queue needs no wait for that stream's later lists; memory that it bound brings its
        // own.
        bool is_tracked = !list->untracked && after->stream->untracked.batch == 0;
        if (earlier.queue == planner->queue || !is_tracked || !fmi_stream_is_over(after->stream, after->value)) {
            follows |= is_uncovered(planner, earlier);
        }
    }
    const fmi_stream *stream = list->stream;
    if (!stream) {
        return follows;
    }
    bool after_earlier = is_uncovered(planner, earlier_batch(planner, stream));
    bool after_untracked = stream->untracked.batch != planner->batch && is_uncovered(planner, stream->untracked);
    return follows || (list->untracked && after_earlier) || after_untracked;
}

fm_status fmi_planner_add(fmi_planner *planner, fmi_list *list, uint32_t list_index)
{
    if (!cover_regions(planner, list)) {
        return fmi_fail(FM_ERROR_OUT_OF_HOST_MEMORY, "no host memory for the planner's regions");
    }
    uint32_t floor = list_floor(planner, list);
    // Of an empty list, too: it may stand between two others.
    planner->fence |= follows_uncovered(planner, list) && floor == 0;
    uint32_t highest = list->untracked ? add_untracked(planner, list, list_index, floor)
                                       : add_tracked(planner, list, list_index, floor);
    if (list->stream) {
        list->stream->last_wave = highest > list->stream->last_wave ? highest : list->stream->last_wave;
        // What an untracked list's kernels touch beyond their bindings is the caller's to order: nothing slips past it.
        list->stream->floor = list->untracked ? list->stream->last_wave : list->stream->floor;
        list->stream->floor = floor > list->stream->floor ? floor : list->stream->floor;
        list->stream->untracked =
            list->untracked ? (fmi_batch_stamp){planner->batch, planner->queue} : list->stream->untracked;
    }
    return FM_OK;
}

// Puts the planned commands in wave order.
static fmi_command **sort_by_wave(fmi_planner *planner)
{
    fmi_plan_arrays *arrays = planner->arrays;
    if (planner->sorted) {
        return arrays->planned;
    }
    uint32_t *ends = arrays->wave_ends; // for now: where wave w's next command goes
    memset(ends, 0, (planner->last_wave + 2) * sizeof *ends);
    for (uint32_t i = 0; i < planner->count; i++) {
        ends[arrays->planned[i]->wave]++;
    }
    uint32_t total = 0;
    for (uint32_t w = 1; w <= planner->last_wave; w++) {
        uint32_t count = ends[w];
        ends[w] = total;
        total += count;
    }
    for (uint32_t i = 0; i < planner->count; i++) {
        fmi_command *command = arrays->planned[i];
        arrays->sorted[ends[command->wave]++] = command;
    }
    return arrays->sorted;
}

void fmi_planner_finish(fmi_planner *planner, fmi_batch_plan *plan)
{
    fmi_command **commands = sort_by_wave(planner);
    uint32_t *ends = planner->arrays->wave_ends;
    // Waves that only a floor made are empty and do not count: there is no barrier for nothing.
    uint32_t waves = 0, current = planner->count ? commands[0]->wave : 0;
    for (uint32_t i = 0; i < planner->count; i++) {
        if (commands[i]->wave != current) {
            ends[waves++] = i;
            current = commands[i]->wave;
        }
    }
    if (planner->count) {
        ends[waves++] = planner->count;
    }
    plan->commands = commands;
    plan->command_count = planner->count;
    plan->wave_ends = ends;
    plan->wave_count = waves;
    plan->after_in_flight = planner->fence;
}

bool fmi_planner_waits(const fmi_planner *planner)
{
    uint64_t any = 0;
    for (uint32_t q = 0; q < planner->queue_count; q++) {
        any |= planner->after[q];
    }
    return any != 0;
}

void fmi_planner_note_submitted(fmi_planner *planner, const fmi_batch_plan *plan)
{
    fmi_planner_queue *self = &planner->queues[planner->queue];
    if (plan->after_in_flight || plan->wave_count > 1) {
        self->covered = planner->batch - 1;
    }
    for (uint32_t q = 0; q < planner->queue_count; q++) {
        fmi_stamp_raise(&self->seen[q], planner->after[q]);
        self->owed[q] = 0;
    }
}

void fmi_planner_note_dropped(fmi_planner *planner)
{
    memcpy(planner->queues[planner->queue].owed, planner->after, sizeof planner->after);
    // What it would have written has an older last writer, which is not known any more: any batch that used it may be
    // that one.
    for (uint32_t i = 0; planner->queue_count > 1 && i < planner->count; i++) {
        const fmi_command *command = planner->arrays->planned[i];
        for (uint32_t k = 0; k < command->span_count; k++) {
            const fmi_span *span = &command->spans[k];
            if ((span->access & FM_ACCESS_WRITE) && !(span->access & FMI_SPAN_PRIVATE)) {
                planner->regions[span->region].written_on = FMI_ANY_WRITER;
            }
        }
    }
}
