// The explorer's operations on points, streams and the device itself, and the table of all. See operations.h.
#include "operations.h"

#include <stdio.h>
#include <string.h>

#define LARGE_BYTES UINT64_C(200000) // more than one call can add to what is in flight

void operation_poll(world *w, const op *o)
{
    (void)o;
    world_learn_all(w);
}

// A list whose point can be asked for; -1: there is none.
static int pick_list(const world *w, const op *o)
{
    int count = w->model.list_count;
    for (int i = 0; i < count; i++) {
        int list = (int)((o->value + (uint32_t)i) % (uint32_t)count);
        if (w->model.lists[list].committed && !w->model.lists[list].dead) {
            return list;
        }
    }
    return -1;
}

void operation_signal(world *w, const op *o)
{
    if (w->model.host_count > 0) {
        world_end_host(w, w->model.host_count - 1, o->n % 6 == 0);
    }
}

// FM_OK: nothing of the list runs from here on. FM_NOT_READY: it was too late.
void operation_cancel_point(world *w, const op *o)
{
    int number = pick_list(w, o);
    if (number < 0) {
        return;
    }
    model_list *list = &w->model.lists[number];
    bool waits = list->host >= 0 && !w->model.hosts[list->host].ended && !w->lost;
    bool was_known = world_learn(w, number);
    fm_status status = fm_point_cancel(w->device, list->point);
    fm_status asked = fm_point_poll(w->device, list->point);
    if (status == FM_OK && !was_known && (asked == FM_NOT_READY || asked == FM_ERROR_CANCELLED)) {
        world_say(w, "list %d is cancelled", number);
        list->cancelled = true;
    }
    if (status != FM_OK && (status != FM_NOT_READY || was_known || waits || list->cancelled)) {
        world_fail(w, "a cancel of list %d answers %s: %.200s", number, fm_status_name(status), fm_last_error());
    }
    world_learn(w, number);
}

// Answers as a poll would, with FM_TIMEOUT for a point that is not complete (LEARNED-3).
static void wait_for(world *w, const op *o, bool step)
{
    int list = pick_list(w, o);
    if (list < 0) {
        return;
    }
    fm_point point = w->model.lists[list].point;
    bool known = w->model.lists[list].known;
    world_step_in_waits(w, step);
    fm_status status = fm_point_wait(w->device, point, step ? LONG_NS : 0);
    world_step_in_waits(w, false);
    fm_status asked = fm_point_poll(w->device, point);
    if (status == FM_TIMEOUT ? step || known
                             : asked != status) { // a poll may find what a refused batch settled meanwhile
        world_fail(w, "a wait for list %d answers %s, a poll %s", list, fm_status_name(status), fm_status_name(asked));
    }
    world_learn(w, list);
}

void operation_wait(world *w, const op *o)
{
    wait_for(w, o, true);
}

void operation_wait_no_time(world *w, const op *o)
{
    wait_for(w, o, false);
}

// The one stream on which a synchronous call is ordered after all uses of the buffer; -1: several streams use it, or none may.
static int stream_for(world *w, const shared_buffer *b, const op *o)
{
    int stream = -1;
    if (b->serial < 0 || w->model.buffers[b->serial].orphan) {
        return -1;
    }
    for (int s = 0; s < STREAMS; s++) {
        int used = w->model.buffers[b->serial].last_use[s];
        if (used >= 0 && !world_learn(w, used)) {
            if (stream >= 0) {
                return -1;
            }
            stream = s;
        }
    }
    return stream >= 0 ? stream : o->stream % STREAMS;
}

static bool has_failed(world *w, int stream)
{
    world_learn_all(w);
    for (int p = w->model.newest[stream]; p >= 0; p = w->model.lists[p].previous) {
        if (w->model.lists[p].known && w->model.lists[p].status != FM_OK) {
            return true;
        }
    }
    return false;
}

// A read that the library answered without a list of its own: from memory that it can see, once its stream's work was complete.
static void note_look(world *w, const effect *e, int stream)
{
    world_learn_all(w);
    int newest = w->model.newest[stream];
    if (newest >= 0 && w->model.buffers[e->to.serial].last_use[stream] >= 0 && !w->model.lists[newest].known) {
        world_fail(w, "a read looked at memory before its stream's work was complete");
    }
    model_expect(&w->model, &e->to, e->read);
    if (!model_read_is_right(e->read)) {
        world_fail(w, "a read that looked at memory gave other bytes than the model");
    }
    e->read->frozen = true;
    memcpy(e->read->expected, e->read->destination, sizeof e->read->expected);
    memset(e->read->unknown, 0, sizeof e->read->unknown);
}

// Notes a synchronous call as a list of its own and compares what it answered. FM_TIMEOUT: it is under way.
static void note_call(world *w, int list, const effect *e, int stream, fm_status status, bool may_time_out)
{
    model_list *l = &w->model.lists[list];
    uint64_t value = w->model.committed[stream] + 1;
    fm_point point = {w->streams[stream], value};
    fm_status asked = fm_point_poll(w->device, point);
    if (asked == FM_ERROR_INVALID_ARGUMENT) { // it was never committed
        bool refused = status == FM_ERROR_DEPENDENCY && has_failed(w, stream);
        if (status == FM_OK && e->kind == EFFECT_READ) {
            note_look(w, e, stream);
        } else if (status == FM_OK) {
            world_fail(w, "a write succeeded and committed nothing");
        } else if (!refused && !(status == FM_TIMEOUT && may_time_out)) {
            world_fails(w, status, "a synchronous call");
        }
        return;
    }
    world_say(w, "list %d is value %llu of stream %d", list, (unsigned long long)point.value, stream);
    model_commit(&w->model, list, stream, point);
    l->was_lost = w->lost;
    if (status == FM_TIMEOUT ? !may_time_out : asked != status) {
        world_fail(w, "a synchronous call answers %s, its list %s: %.100s", fm_status_name(status),
                   fm_status_name(asked), fm_last_error());
    }
    world_learn(w, list);
}

static void call_now(world *w, const op *o, effect_kind kind, bool step)
{
    const shared_buffer *b = &w->buffers[o->b % w->buffer_slots];
    int stream = stream_for(w, b, o);
    int first = o->y % WORDS, count = 1 + o->n % (WORDS - first);
    if (stream < 0 || w->model.effect_count == MOST_OPS || w->model.read_count == MOST_OPS) {
        return;
    }
    int list = model_add_list(&w->model, false);
    if (list < 0) {
        return;
    }
    effect e = {.kind = kind, .from = {.serial = -1}, .to = {b->serial, first, count}, .value = o->value};
    uint64_t offset = b->base_bytes + (uint64_t)first * 4, bytes = (uint64_t)count * 4;
    uint32_t source[WORDS];
    fm_status status;
    world_step_in_waits(w, step || kind == EFFECT_UPLOAD);
    if (kind == EFFECT_READ) {
        e.read = &w->model.reads[w->model.read_count++];
        memset(e.read, 0, sizeof *e.read);
        memset(e.read->destination, 0xA5, sizeof e.read->destination);
        e.read->count = count;
        status = fm_buffer_read(w->device, w->streams[stream], b->handle, offset, bytes, e.read->destination,
                                step ? LONG_NS : 0);
    } else {
        for (int i = 0; i < count; i++) {
            source[i] = o->value + (uint32_t)i;
        }
        status = fm_buffer_write(w->device, w->streams[stream], b->handle, offset, bytes, source, LONG_NS);
        memset(source, 0xEE, sizeof source);
    }
    world_step_in_waits(w, false);
    model_list *l = &w->model.lists[list];
    l->commands = -1;
    l->names = b->serial;
    if (kind == EFFECT_READ && status != FM_OK) { // the destination is ours again (READ-1)
        memset(e.read->expected, 0xA5, sizeof e.read->expected);
        e.read->frozen = true;
        l->first = l->last = NULL;
    } else {
        model_add_effect(&w->model, l, &e);
    }
    note_call(w, list, &e, stream, status, !step && kind == EFFECT_READ);
    if (kind == EFFECT_READ && status != FM_OK) {
        w->model.buffers[b->serial].last_use[stream] =
            l->committed ? list : w->model.buffers[b->serial].last_use[stream];
    }
}

void operation_read_now(world *w, const op *o)
{
    call_now(w, o, EFFECT_READ, true);
}

void operation_read_no_time(world *w, const op *o)
{
    fm_device_stats stats = {0};
    world_fails(w, fm_device_get_stats(w->device, &stats), "fm_device_get_stats");
    // At the limits its commit would wait, as any commit does.
    bool room = stats.lists_in_flight < w->lists_in_flight &&
                stats.bytes_in_flight + LARGE_BYTES <= w->in_flight_bytes && !w->tight;
    if (room) {
        call_now(w, o, EFFECT_READ, false);
    }
}

void operation_write_now(world *w, const op *o)
{
    call_now(w, o, EFFECT_UPLOAD, true);
}

void operation_callback(world *w, const op *o)
{
    int list = pick_list(w, o);
    if (list < 0 || w->callback_count == MOST_CALLBACKS) {
        return;
    }
    callback_record *record = &w->callbacks[w->callback_count++];
    fm_point point = w->model.lists[list].point;
    *record = (callback_record){.world = w, .list = list, .ordered = fm_point_poll(w->device, point) == FM_NOT_READY};
    world_fails(w, fm_point_on_complete(w->device, point, world_callback, record), "fm_point_on_complete");
}

void operation_run_callbacks(world *w, const op *o)
{
    (void)o;
    world_fails(w, fm_testing_run_callbacks(w->device), "fm_testing_run_callbacks");
}

// Each record is of a list that failed for a reason of its own, and comes once (LEARNED-7).
void operation_take_failure(world *w, const op *o)
{
    fm_failure failure;
    (void)o;
    fm_status status = fm_device_take_failure(w->device, &failure);
    if (status == FM_NOT_READY || world_fails(w, status, "fm_device_take_failure")) {
        return;
    }
    for (int i = 0; i < w->model.list_count; i++) {
        model_list *list = &w->model.lists[i];
        if (!list->committed || list->dead || list->point.stream.id != failure.point.stream.id ||
            list->point.value != failure.point.value) {
            continue;
        }
        if (!world_learn(w, i) || list->status != failure.status || list->taken) {
            world_fail(w, "list %d: a record of %s, which it does not answer, or which was taken before", i,
                       fm_status_name(failure.status));
        }
        list->taken = true;
    }
}

void operation_replace_stream(world *w, const op *o)
{
    int stream = o->stream % STREAMS;
    if (o->n % 2) {
        world_learn_all(w);
    }
    world_fails(w, fm_stream_destroy(w->device, w->streams[stream]), "fm_stream_destroy");
    model_stream_destroyed(&w->model, stream);
    fm_stream old = w->streams[stream];
    world_make_stream(w, stream);
    if (fm_point_poll(w->device, (fm_point){old, 1}) != FM_ERROR_STALE_HANDLE) {
        world_fail(w, "a point of a destroyed stream is not refused");
    }
}

void operation_reset(world *w, const op *o)
{
    int stream = o->stream % STREAMS;
    bool step = o->n % 2;
    int newest = w->model.newest[stream];
    bool was_complete = newest < 0 || w->model.lists[newest].known;
    world_step_in_waits(w, step);
    fm_status status = fm_stream_reset(w->device, w->streams[stream], step ? LONG_NS : 0);
    world_step_in_waits(w, false);
    bool complete = newest < 0 || world_learn(w, newest);
    if (w->lost && status == FM_ERROR_DEVICE_LOST) {
        return; // cannot be cleared
    }
    if (status == FM_OK ? !complete : !(status == FM_TIMEOUT && !step && !was_complete)) {
        world_fail(w, "a reset answers %s, and the stream's newest list is %scomplete", fm_status_name(status),
                   complete ? "" : "not ");
    }
    if (status == FM_OK) {
        world_learn_all(w);
        model_stream_reset(&w->model, stream);
    }
}

void operation_replace_kernel(world *w, const op *o)
{
    bool broken = o->n % 4 == 0;
    fm_kernel *kernel = broken ? &w->broken : &w->twice;
    world_fails(w, fm_kernel_destroy(w->device, *kernel), "fm_kernel_destroy");
    world_make_kernel(w, broken ? "broken" : "twice", kernel);
}

static void gather_crowd(world *w)
{
    for (int i = 0; i < CROWD && !w->crowded; i++) {
        world_fails(w, fm_stream_create(w->device, NULL, &w->crowd_streams[i]), "fm_stream_create");
        world_fails(w, fm_buffer_create(w->device, &(fm_buffer_info){.size_bytes = WINDOW_BYTES}, &w->crowd_buffers[i]),
                    "fm_buffer_create");
    }
    w->crowded = true;
}

// On several queues alone: on one nothing runs beside another batch.
void operation_crowd(world *w, const op *o)
{
    if (!w->slow.id || w->lost || w->tight) {
        return;
    }
    gather_crowd(w);
    fm_stream stream = w->crowd_streams[o->stream % CROWD];
    fm_stream_reset(w->device, stream, 0); // whatever failed
    fm_commands *commands = NULL;
    fm_binding bindings[] = {{.buffer = w->crowd_buffers[o->a % CROWD]},
                             {.buffer = w->crowd_buffers[(o->a + 1 + o->b % (CROWD - 1)) % CROWD]}};
    fm_dispatch_info info = {.kernel = o->value % 2 ? w->slow : w->twice,
                             .group_count = {1, 1, 1},
                             .bindings = bindings,
                             .binding_count = 2};
    world_fails(w, fm_commands_begin(w->device, NULL, &commands), "fm_commands_begin");
    world_fails(w, fm_dispatch(commands, &info), "fm_dispatch");
    fm_commit(&commands, &(fm_commit_info){.stream = stream, .no_wait = true}, NULL); // at the limit it is not taken
    world_fails(w, fm_commands_cancel(&commands), "fm_commands_cancel");
}

void operation_step(world *w, const op *o)
{
    (void)o;
    world_fails(w, fm_testing_step(w->device, 1, NULL), "fm_testing_step");
}

void operation_step_many(world *w, const op *o)
{
    world_fails(w, fm_testing_step(w->device, o->n % 12, NULL), "fm_testing_step");
}

void operation_trim(world *w, const op *o)
{
    (void)o;
    fm_device_stats stats = {0};
    world_fails(w, fm_device_trim(w->device, NULL), "fm_device_trim");
    world_fails(w, fm_device_get_stats(w->device, &stats), "fm_device_get_stats");
    if (stats.bytes_in_use == 0 && stats.bytes_reserved > 0) {
        world_fail(w, "%llu bytes are reserved after a trim", (unsigned long long)stats.bytes_reserved);
    }
}

void operation_order(world *w, const op *o)
{
    world_fails(w, fm_testing_set_order(w->device, o->value % 6), "fm_testing_set_order");
}

void operation_refuse(world *w, const op *o)
{
    (void)o;
    world_fails(w, fm_testing_refuse_submits(w->device, 1, FM_ERROR_BACKEND), "fm_testing_refuse_submits");
}

void operation_fail_list(world *w, const op *o)
{
    (void)o;
    fm_status status = fm_testing_fail_list(w->device);
    if (status != FM_NOT_READY) {
        world_fails(w, status, "fm_testing_fail_list");
    }
}

void operation_lose(world *w, const op *o)
{
    if (o->n % 8) {
        return;
    }
    world_fails(w, fm_testing_lose_device(w->device), "fm_testing_lose_device");
    w->lost = true;
    for (int i = 0; i < w->model.list_count; i++) {
        model_list *list = &w->model.lists[i];
        list->was_lost = list->committed && !list->known;
    }
}

static const struct {
    const char *name;
    const char *text;
    uint32_t weight;
    void (*perform)(world *w, const op *o);
} operations[OPERATION_COUNT] = {
#define OPERATION_ROW(name, weight, text) {#name, text, weight, operation_##name},
    OPERATIONS(OPERATION_ROW)
#undef OPERATION_ROW
};

uint32_t operation_weight(int kind)
{
    return operations[kind].weight;
}

void operation_perform(world *w, const op *o)
{
    operations[o->kind].perform(w, o);
}

void operation_print(const op *o)
{
    printf("  %-14s client %u a %u b %u stream %u x %u y %u n %u value %u  # %s\n", operations[o->kind].name,
           o->client % CLIENTS, o->a, o->b, o->stream % STREAMS, o->x, o->y, o->n, o->value, operations[o->kind].text);
}
