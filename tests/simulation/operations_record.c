// The explorer's operations on buffers and lists. See operations.h.
#include "operations.h"

#include <stdio.h>
#include <string.h>

enum { WHOLE_LIST = 24 }; // commands of a list at most

static shared_buffer *buffer_of(world *w, int slot)
{
    return &w->buffers[slot % w->buffer_slots];
}

static fm_device_stats stats_of(world *w)
{
    fm_device_stats stats = {0};
    world_fails(w, fm_device_get_stats(w->device, &stats), "fm_device_get_stats");
    return stats;
}

// Memory that was taken over is filled by a list of the library's own on the stream, which takes a value of it.
static void note_fill(world *w, int serial, int stream)
{
    fm_point point = {w->streams[stream], w->model.committed[stream] + 1};
    uint64_t refusals = w->model.refusals; // the poll may be what submits it
    int list = fm_point_poll(w->device, point) == FM_ERROR_INVALID_ARGUMENT ? -1 : model_add_list(&w->model, false);
    if (list < 0) {
        return; // there is no fill
    }
    w->model.lists[list].commands = -1;
    w->model.lists[list].refusals = refusals;
    world_say(w, "list %d, a fill, is value %llu of stream %d", list, (unsigned long long)point.value, stream);
    model_commit(&w->model, list, stream, point);
    w->model.lists[list].was_lost = w->lost;
    w->model.buffers[serial].fill = list;
    w->model.buffers[serial].last_use[stream] = list;
}

void operation_create(world *w, const op *o)
{
    static const uint64_t sizes[] = {WINDOW_BYTES, WINDOW_BYTES, 200, 1000, 4096, 20000, 40000, 100000};
    shared_buffer *b = buffer_of(w, o->a);
    if (b->serial >= 0) {
        return;
    }
    fm_buffer_info info = {.size_bytes = sizes[o->n % 8],
                           .memory = o->x % 4 == 0 ? FM_MEMORY_HOST : FM_MEMORY_DEVICE,
                           .flags = o->y % 4 == 0 ? FM_BUFFER_UNINITIALIZED : 0};
    if (o->client % 2) { // may take over what this stream's work still uses (HOLD-6)
        info.stream = w->streams[o->stream % STREAMS];
    }
    uint64_t reuses = stats_of(w).memory_reuses;
    world_step_in_waits(w, true); // under pressure the device may have to go on
    bool failed = world_fails(w, fm_buffer_create(w->device, &info, &b->handle), "fm_buffer_create");
    world_step_in_waits(w, false);
    if (!failed) {
        b->serial = model_add_buffer(&w->model, !(info.flags & FM_BUFFER_UNINITIALIZED));
        if (info.stream.id && stats_of(w).memory_reuses > reuses) {
            note_fill(w, b->serial, o->stream % STREAMS);
        }
        b->base_bytes = o->b % 2 ? (info.size_bytes - WINDOW_BYTES) & ~UINT64_C(15) : 0;
    }
}

void operation_destroy_buffer(world *w, int slot)
{
    shared_buffer *b = buffer_of(w, slot);
    if (b->serial >= 0) {
        world_fails(w, fm_buffer_destroy(w->device, b->handle), "fm_buffer_destroy");
        b->dead = b->handle;
        b->serial = -1;
    }
}

void operation_destroy(world *w, const op *o)
{
    operation_destroy_buffer(w, o->a);
}

// The output of an in-place step: the same memory under a new handle; lists that name the old one go on (HOLD-5).
void operation_donate(world *w, const op *o)
{
    shared_buffer *b = buffer_of(w, o->a);
    if (b->serial >= 0) {
        fm_buffer output;
        uint64_t size_bytes = o->n % 2 ? b->base_bytes + WINDOW_BYTES : FM_WHOLE_SIZE;
        if (!world_fails(w, fm_buffer_donate(w->device, b->handle, size_bytes, NULL, &output), "fm_buffer_donate")) {
            b->dead = b->handle;
            b->handle = output;
        }
    }
}

// A handle that was destroyed is refused, by recording and by a second destruction.
void operation_use_dead(world *w, const op *o)
{
    const shared_buffer *b = buffer_of(w, o->a);
    const client *c = &w->clients[o->client % CLIENTS];
    if (b->dead.id == 0) {
        return;
    }
    fm_status status = c->commands && o->x % 2 ? fm_fill(c->commands, b->dead, 0, FM_WHOLE_SIZE, 1)
                                               : fm_buffer_destroy(w->device, b->dead);
    if (status != FM_ERROR_STALE_HANDLE) {
        world_fail(w, "a destroyed buffer's handle answers %s", fm_status_name(status));
    }
}

// The client's list, begun if it is not: labelled with its number, so that the device can tell whose command it is.
static model_list *list_of(world *w, const op *o)
{
    client *c = &w->clients[o->client % CLIENTS];
    if (c->commands) {
        return &w->model.lists[c->list];
    }
    char number[16];
    bool untracked = o->value % 4 == 0;
    c->list = model_add_list(&w->model, untracked);
    snprintf(number, sizeof number, "%d", c->list);
    if (c->list < 0 ||
        world_fails(w,
                    fm_commands_begin(w->device,
                                      &(fm_commands_info){.flags = untracked ? FM_COMMANDS_UNTRACKED : 0,
                                                          .label = number},
                                      &c->commands),
                    "fm_commands_begin") ||
        world_fails(w, fm_label_push(c->commands, number), "fm_label_push")) {
        return NULL;
    }
    return &w->model.lists[c->list];
}

void operation_barrier(world *w, const op *o)
{
    model_list *list = list_of(w, o);
    if (list && !world_fails(w, fm_barrier(w->clients[o->client % CLIENTS].commands), "fm_barrier")) {
        list->barrier = list->last;
    }
}

static uint64_t offset_of(const shared_buffer *b, const words *range)
{
    return b->base_bytes + (uint64_t)range->first * 4;
}

static fm_status dispatch(world *w, fm_commands *commands, const effect *e, const shared_buffer *a,
                          const shared_buffer *b)
{
    fm_binding bindings[] = {{.buffer = a->handle, .offset_bytes = offset_of(a, &e->from)},
                             {.buffer = b->handle, .offset_bytes = offset_of(b, &e->to)}};
    bindings[0].size_bytes = bindings[1].size_bytes = (uint64_t)e->to.count * 4;
    return fm_dispatch(commands, &(fm_dispatch_info){.kernel = e->kind == EFFECT_BROKEN          ? w->broken
                                                               : e->value % 4 == 1 && w->slow.id ? w->slow
                                                                                                 : w->twice,
                                                     .group_count = {1, 1, 1},
                                                     .bindings = bindings,
                                                     .binding_count = 2});
}

static fm_status record_effect(world *w, fm_commands *commands, effect *e, const shared_buffer *a,
                               const shared_buffer *b)
{
    uint64_t bytes = (uint64_t)e->to.count * 4;
    uint32_t source[WORDS];
    switch (e->kind) {
    case EFFECT_FILL: return fm_fill(commands, b->handle, offset_of(b, &e->to), bytes, e->value);
    case EFFECT_COPY:
        return fm_copy(commands, a->handle, offset_of(a, &e->from), b->handle, offset_of(b, &e->to), bytes);
    case EFFECT_TWICE:
    case EFFECT_BROKEN: return dispatch(w, commands, e, a, b);
    case EFFECT_UPLOAD: {
        for (int i = 0; i < e->to.count; i++) {
            source[i] = e->value + (uint32_t)i;
        }
        fm_status status = fm_upload(commands, b->handle, offset_of(b, &e->to), bytes, source);
        memset(source, 0xEE, sizeof source); // captured at the call (LEARNED-16)
        return status;
    }
    case EFFECT_READ:
        e->read = &w->model.reads[w->model.read_count++];
        memset(e->read, 0, sizeof *e->read);
        memset(e->read->destination, 0xA5, sizeof e->read->destination);
        e->read->count = e->to.count;
        return fm_read(commands, b->handle, offset_of(b, &e->to), bytes, e->read->destination);
    }
    return FM_OK;
}

// Two ranges of equal length, aligned for bindings, that do not overlap where they lie in one buffer. False: there are none.
static bool choose_ranges(const op *o, effect *e)
{
    bool aligned = e->kind == EFFECT_TWICE || e->kind == EFFECT_BROKEN;
    int unit = aligned ? ALIGNED_WORDS : 1;
    e->to.first = o->y % (WORDS / unit) * unit;
    e->from.first = o->x % (WORDS / unit) * unit;
    int most = WORDS - (e->to.first > e->from.first ? e->to.first : e->from.first);
    int count = o->n % 3 == 0 ? most : 1 + o->n % most;
    if (e->from.serial == e->to.serial) {
        int apart = e->to.first > e->from.first ? e->to.first - e->from.first : e->from.first - e->to.first;
        count = count < apart ? count : apart;
    }
    e->from.count = e->to.count = count;
    return count > 0;
}

static void record(world *w, const op *o, effect_kind kind)
{
    bool has_source = kind == EFFECT_COPY || kind == EFFECT_TWICE || kind == EFFECT_BROKEN;
    const shared_buffer *a = buffer_of(w, o->a), *b = buffer_of(w, o->b);
    effect e = {.kind = kind, .value = o->value, .to = {.serial = b->serial}};
    e.from.serial = has_source ? a->serial : -1;
    if (b->serial < 0 || (has_source && a->serial < 0) || w->model.buffers[b->serial].orphan ||
        (has_source && w->model.buffers[a->serial].orphan) || w->model.effect_count == MOST_OPS ||
        w->model.read_count == MOST_OPS || !choose_ranges(o, &e)) {
        return;
    }
    model_list *list = list_of(w, o);
    if (!list || list->commands == WHOLE_LIST) {
        return;
    }
    if (list->untracked && model_conflicts(list, &e)) { // the caller's duty in such lists
        operation_barrier(w, o);
    }
    world_step_in_waits(w, true);
    fm_status status = record_effect(w, w->clients[o->client % CLIENTS].commands, &e, a, b);
    world_step_in_waits(w, false);
    if (!world_fails(w, status, "recording") && model_add_effect(&w->model, list, &e)) {
        list->commands++;
    }
}

void operation_fill(world *w, const op *o)
{
    record(w, o, EFFECT_FILL);
}

void operation_copy(world *w, const op *o)
{
    record(w, o, EFFECT_COPY);
}

void operation_twice(world *w, const op *o)
{
    record(w, o, EFFECT_TWICE);
}

void operation_broken(world *w, const op *o)
{
    record(w, o, EFFECT_BROKEN);
}

void operation_upload(world *w, const op *o)
{
    record(w, o, EFFECT_UPLOAD);
}

void operation_read_back(world *w, const op *o)
{
    record(w, o, EFFECT_READ);
}

void operation_cancel(world *w, const op *o)
{
    world_fails(w, fm_commands_cancel(&w->clients[o->client % CLIENTS].commands), "fm_commands_cancel");
}

// Has work failed that a commit to `stream` after these lists builds on?
static bool may_refuse(world *w, int stream, const int *after, int after_count, int host)
{
    world_learn_all(w);
    bool failed = host >= 0 && w->model.hosts[host].failed;
    for (int p = w->model.newest[stream]; p >= 0; p = w->model.lists[p].previous) {
        failed = failed || (w->model.lists[p].known && w->model.lists[p].status != FM_OK);
    }
    for (int i = 0; i < after_count; i++) {
        failed = failed || (w->model.lists[after[i]].known && w->model.lists[after[i]].status != FM_OK);
    }
    return failed;
}

// The newest point of the program; a new one if it has ended, now and then. -1: there is none.
static int pick_host(world *w, const op *o)
{
    model *m = &w->model;
    bool is_new = m->host_count == 0 || (m->hosts[m->host_count - 1].ended && o->n % 2);
    if (is_new && m->host_count < MOST_OPS &&
        !world_fails(w, fm_point_create(w->device, NULL, &w->hosts[m->host_count]), "fm_point_create")) {
        m->hosts[m->host_count++] = (model_host){false, false};
    }
    return m->host_count - 1;
}

// Fills the points that the commit names: those that memory asks for, now and then one more, or one of the program. Returns how many.
static uint32_t choose_points(world *w, const op *o, model_list *list, int stream, fm_point out[MOST_AFTER + 1])
{
    list->after_count = model_needed_points(&w->model, list, stream, list->after);
    int extra = (int)(o->value % (uint32_t)w->model.list_count);
    if (o->x % 4 == 0 && w->model.lists[extra].committed && !w->model.lists[extra].dead) {
        list->after[list->after_count++] = extra;
    }
    for (int i = 0; i < list->after_count; i++) {
        out[i] = w->model.lists[list->after[i]].point;
    }
    list->host = o->y % 5 == 0 ? pick_host(w, o) : -1;
    uint32_t count = (uint32_t)list->after_count;
    if (list->host >= 0) {
        out[count++] = w->hosts[list->host];
    }
    return count;
}

static void commit_with(world *w, const op *o, bool no_wait)
{
    client *c = &w->clients[o->client % CLIENTS];
    int stream = o->stream % STREAMS;
    if (!c->commands || !model_may_commit(&w->model, &w->model.lists[c->list])) {
        return;
    }
    model_list *list = &w->model.lists[c->list];
    fm_point after[MOST_AFTER + 1], point;
    uint32_t after_count = choose_points(w, o, list, stream, after);
    uint32_t completed = w->completed_batches;
    fm_device_stats before =
        stats_of(w); // the library's own fills may be over the limit; at the limit in bytes several may be needed
    uint64_t lists = before.lists_in_flight;
    // On several queues the first that is done may have to follow others.
    uint64_t enough = before.bytes_in_flight >= w->in_flight_bytes || w->slow.id ? lists
                      : lists > w->lists_in_flight                               ? lists - w->lists_in_flight + 1
                                                                                 : 1;
    world_step_in_waits(w, !no_wait);
    fm_commit_info info = {
        .stream = w->streams[stream], .after = after, .after_count = after_count, .no_wait = no_wait};
    fm_status status = fm_commit(&c->commands, &info, &point);
    world_step_in_waits(w, false);
    if (w->completed_batches > completed + enough) {
        world_fail(w, "a commit waited for %u batches; the oldest was enough", w->completed_batches - completed);
    }
    if (status == FM_WOULD_BLOCK) {
        fm_device_stats now = stats_of(w);
        if (!no_wait || (now.lists_in_flight < w->lists_in_flight && now.bytes_in_flight < w->in_flight_bytes)) {
            world_fail(w, "a commit answers FM_WOULD_BLOCK with %llu lists and %llu bytes in flight",
                       (unsigned long long)now.lists_in_flight, (unsigned long long)now.bytes_in_flight);
        }
    } else if (status == FM_ERROR_DEPENDENCY) {
        if (!may_refuse(w, stream, list->after, list->after_count, list->host) &&
            !model_uses_unfilled(&w->model, list)) {
            world_fail(w, "a commit is refused though nothing failed: %.200s", fm_last_error());
        }
    } else if (!world_fails(w, status, "fm_commit")) {
        if (point.value != w->model.committed[stream] + 1) {
            world_fail(w, "a commit returned value %llu after value %llu", (unsigned long long)point.value,
                       (unsigned long long)w->model.committed[stream]);
        }
        world_say(w, "list %d is value %llu of stream %d", c->list, (unsigned long long)point.value, stream);
        model_commit(&w->model, c->list, stream, point);
        list->was_lost = w->lost;
        return;
    }
    if (!c->commands) {
        world_fail(w, "a refused commit took the list");
    }
}

void operation_commit(world *w, const op *o)
{
    commit_with(w, o, true);
}

void operation_commit_waiting(world *w, const op *o)
{
    commit_with(w, o, false);
}
