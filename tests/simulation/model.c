// The explorer's model. See model.h. Plain arithmetic on plain memory.
#include "model.h"

#include <string.h>

void model_reset(model *m)
{
    m->buffer_count = m->list_count = m->effect_count = m->read_count = m->host_count = 0;
    m->refusals = m->nameless_failed = 0;
    for (int s = 0; s < STREAMS; s++) {
        m->newest[s] = -1;
        m->committed[s] = 0;
    }
}

int model_add_buffer(model *m, bool zeroed)
{
    if (m->buffer_count == MOST_BUFFERS) {
        return -1;
    }
    model_buffer *b = &m->buffers[m->buffer_count];
    memset(b, 0, sizeof *b);
    b->fill = -1;
    for (int i = 0; i < WORDS; i++) {
        b->writer[i] = -1;
        b->unknown[i] = !zeroed;
    }
    for (int s = 0; s < STREAMS; s++) {
        b->last_use[s] = -1;
    }
    return m->buffer_count++;
}

int model_add_list(model *m, bool untracked)
{
    if (m->list_count == MOST_LISTS) {
        return -1;
    }
    m->lists[m->list_count] =
        (model_list){.untracked = untracked, .previous = -1, .names = -1, .host = -1, .refusals = m->refusals};
    return m->list_count++;
}

bool model_add_effect(model *m, model_list *list, const effect *e)
{
    if (m->effect_count == MOST_OPS) {
        return false;
    }
    effect *added = &m->effects[m->effect_count++];
    *added = *e;
    added->next = NULL;
    if (list->last) {
        list->last->next = added;
    } else {
        list->first = added;
    }
    list->last = added;
    list->broken = list->broken || e->kind == EFFECT_BROKEN;
    return true;
}

static bool overlap(const words *a, const words *b)
{
    return a->serial >= 0 && a->serial == b->serial && a->first < b->first + b->count && b->first < a->first + a->count;
}

bool model_conflicts(const model_list *list, const effect *e)
{
    bool writes = e->kind != EFFECT_READ;
    for (const effect *o = list->barrier ? list->barrier->next : list->first; o; o = o->next) {
        bool other_writes = o->kind != EFFECT_READ;
        if (((writes || other_writes) && overlap(&e->to, &o->to)) || (other_writes && overlap(&e->from, &o->to)) ||
            (writes && overlap(&e->to, &o->from))) {
            return true;
        }
    }
    return false;
}

bool model_may_commit(const model *m, const model_list *list)
{
    for (const effect *e = list->first; e; e = e->next) {
        if (m->buffers[e->to.serial].orphan || (e->from.serial >= 0 && m->buffers[e->from.serial].orphan)) {
            return false;
        }
    }
    return true;
}

static void need(const model *m, int serial, int stream, int *newest)
{
    for (int s = 0; serial >= 0 && s < STREAMS; s++) {
        int used = m->buffers[serial].last_use[s];
        if (s != stream && used >= 0 && !m->lists[used].known &&
            (newest[s] < 0 || m->lists[used].point.value > m->lists[newest[s]].point.value)) {
            newest[s] = used;
        }
    }
}

int model_needed_points(const model *m, const model_list *list, int stream, int *out)
{
    int newest[STREAMS], count = 0;
    memset(newest, -1, sizeof newest);
    for (const effect *e = list->first; e; e = e->next) {
        need(m, e->to.serial, stream, newest);
        need(m, e->from.serial, stream, newest);
    }
    for (int s = 0; s < STREAMS; s++) {
        if (newest[s] >= 0) {
            out[count++] = newest[s];
        }
    }
    return count;
}

void model_expect(const model *m, const words *range, model_read *read)
{
    for (int i = 0; i < range->count; i++) {
        read->expected[i] = m->buffers[range->serial].value[range->first + i];
        read->unknown[i] = m->buffers[range->serial].unknown[range->first + i];
    }
}

static void apply(model *m, const effect *e, int list)
{
    if (e->kind == EFFECT_READ) {
        model_expect(m, &e->to, e->read);
        return;
    }
    model_buffer *to = &m->buffers[e->to.serial];
    uint32_t source[WORDS] = {0};
    bool unknown[WORDS] = {false};
    for (int i = 0; i < e->from.count && e->from.serial >= 0; i++) { // first all, as ranges may lie in one buffer
        source[i] = m->buffers[e->from.serial].value[e->from.first + i];
        unknown[i] = m->buffers[e->from.serial].unknown[e->from.first + i];
    }
    for (int i = 0; i < e->to.count; i++) {
        uint32_t *value = &to->value[e->to.first + i];
        bool *lost = &to->unknown[e->to.first + i];
        switch (e->kind) {
        case EFFECT_FILL: *value = e->value, *lost = false; break;
        case EFFECT_UPLOAD: *value = e->value + (uint32_t)i, *lost = false; break;
        case EFFECT_COPY: *value = source[i], *lost = unknown[i]; break;
        case EFFECT_TWICE: *value += 2 * source[i] + 1, *lost = *lost || unknown[i]; break;
        case EFFECT_BROKEN: *lost = true; break;
        case EFFECT_READ: break;
        }
        to->writer[e->to.first + i] = list;
    }
}

void model_commit(model *m, int list, int stream, fm_point point)
{
    model_list *l = &m->lists[list];
    l->committed = true;
    l->stream = stream;
    l->point = point;
    l->previous = m->newest[stream];
    m->newest[stream] = list;
    m->committed[stream]++;
    for (const effect *e = l->first; e; e = e->next) {
        apply(m, e, list);
        m->buffers[e->to.serial].last_use[stream] = list;
        if (e->from.serial >= 0) {
            m->buffers[e->from.serial].last_use[stream] = list;
        }
    }
}

// What a failed list wrote is void.
static void forget_writes(model *m, int list)
{
    for (int b = 0; b < m->buffer_count; b++) {
        for (int i = 0; i < WORDS; i++) {
            m->buffers[b].unknown[i] = m->buffers[b].unknown[i] || m->buffers[b].writer[i] == list;
        }
    }
}

// Has work that the list builds on failed? *unsure: some of it was on a stream that is gone.
static bool has_failed_predecessor(const model *m, const model_list *l, bool *unsure)
{
    bool failed = false;
    for (int i = -1; i < l->after_count; i++) {
        int p = i < 0 ? l->previous : l->after[i];
        if (p >= 0) {
            *unsure = *unsure || !m->lists[p].known;
            // A list that failed by the loss of the device alone has an answer of its own; so have those behind it, but on another queue they
            // may not have been in flight.
            failed = failed || (m->lists[p].known && m->lists[p].status != FM_OK &&
                                (m->lists[p].status != FM_ERROR_DEVICE_LOST || m->several_queues));
        }
    }
    return failed;
}

static bool is_unfilled(const model *m, int serial)
{
    const model_list *fill = serial >= 0 && m->buffers[serial].fill >= 0 ? &m->lists[m->buffers[serial].fill] : NULL;
    return fill && (!fill->known || fill->status != FM_OK);
}

bool model_uses_unfilled(const model *m, const model_list *l)
{
    bool unfilled = is_unfilled(m, l->names);
    for (const effect *e = l->first; e; e = e->next) {
        unfilled = unfilled || is_unfilled(m, e->to.serial) || is_unfilled(m, e->from.serial);
    }
    return unfilled;
}

static const char *check_status(const model *m, const model_list *l, fm_status status)
{
    bool unsure = false, nameless = l->commands < 0, all_ran = !nameless && l->ran == l->commands;
    bool may_be_refused = l->refused || ((nameless || l->commands == 0) && m->refusals > l->refusals);
    bool failed_before = has_failed_predecessor(m, l, &unsure);
    const model_host *host = l->host >= 0 ? &m->hosts[l->host] : NULL;
    failed_before = failed_before || (host && host->failed);
    if (l->cancelled || status == FM_ERROR_CANCELLED) { // or it was in a batch by then that does not run
        // In a batch already, but as one that does not run because of what it waits for: that is its answer, or the loss of the device.
        bool was_doomed = failed_before || unsure;
        bool is_told = status == FM_ERROR_CANCELLED || (status == FM_ERROR_DEPENDENCY && was_doomed) ||
                       (status == FM_ERROR_DEVICE_LOST && l->was_lost && was_doomed);
        return !l->cancelled ? "is cancelled, which nobody asked for"
               : !is_told    ? "was cancelled and does not say so"
               : l->ran > 0  ? "was cancelled and has run"
                             : NULL;
    }
    if (host && !host->ended && (status == FM_OK || l->ran > 0)) {
        return "has run before the point of the program that it waits for";
    }
    if (status == FM_OK && !nameless && !all_ran) {
        return "complete before all its commands ran";
    }
    if (l->was_lost && (status == FM_ERROR_DEVICE_LOST || (status == FM_ERROR_DEPENDENCY && failed_before))) {
        return NULL;
    }
    if (l->was_lost && may_be_refused && (status == FM_ERROR_BACKEND || status == FM_ERROR_DEPENDENCY)) {
        return NULL; // it failed before the device was lost, or after a list that failed by the loss
    }
    if (model_uses_unfilled(m, l) && (status == FM_ERROR_BACKEND || status == FM_ERROR_DEPENDENCY)) {
        return NULL;
    }
    if (unsure && (status == FM_ERROR_DEPENDENCY || status == FM_OK)) {
        return NULL;
    }
    if (failed_before) {
        return status == FM_ERROR_DEPENDENCY ? NULL : "builds on failed work and does not say so";
    }
    if (status == FM_ERROR_BACKEND) {
        return may_be_refused || model_uses_unfilled(m, l) ? NULL : "failed by a refusal that was another's";
    }
    if (l->refused) {
        return "was refused and does not say so";
    }
    if (status == FM_ERROR_KERNEL_FAILED) {
        return l->broken || (nameless && m->nameless_failed) ? NULL : "failed by a failure that was another's";
    }
    if (l->broken) {
        return "failed on the device and does not say so";
    }
    return status == FM_OK ? NULL : "an answer that nothing explains";
}

const char *model_judge(model *m, int list, fm_status status)
{
    model_list *l = &m->lists[list];
    const char *wrong = check_status(m, l, status);
    l->known = true;
    l->status = status;
    if (status != FM_OK) {
        forget_writes(m, list);
        return wrong;
    }
    for (const effect *e = l->first; e && !wrong; e = e->next) {
        if (e->kind == EFFECT_READ && !model_read_is_right(e->read)) {
            wrong = "a read gave other bytes than the model";
        }
    }
    return wrong;
}

void model_stream_destroyed(model *m, int stream)
{
    for (int i = 0; i < m->list_count; i++) {
        model_list *l = &m->lists[i];
        l->dead = l->dead || (l->committed && l->stream == stream);
    }
    for (int b = 0; b < m->buffer_count; b++) {
        int *used = &m->buffers[b].last_use[stream];
        m->buffers[b].orphan = m->buffers[b].orphan || (*used >= 0 && !m->lists[*used].known);
        *used = -1;
    }
    m->newest[stream] = -1;
    m->committed[stream] = 0;
}

void model_stream_reset(model *m, int stream)
{
    m->newest[stream] = -1;
}

bool model_read_is_right(const model_read *read)
{
    for (int i = 0; i < read->count; i++) {
        if (!read->unknown[i] && read->destination[i] != read->expected[i]) {
            return false;
        }
    }
    return true;
}
