// Waiting for several points at once. See retire.h.
// Every stream is held before anything is waited for, so a bad point is refused at once, and streams may be destroyed
// meanwhile. Then it is one wait of wait.c, whose question looks at all of them. Any thread; holds no lock while it
// waits (READ-2, LEARNED-4).
#include "base/error.h"
#include "retire/retire.h"

#include <stdio.h>
#include <stdlib.h>

enum { MOST_ON_STACK = 32 };

// A stream, held, and how far it must come; NULL for the null point, which is complete.
typedef struct target {
    fmi_stream *stream;
    uint64_t value;
} target;

// What a wait is about. Constant while it waits: whoever retires asks, too.
typedef struct several {
    const target *targets;
    uint32_t count;
} several;

static bool is_complete(const target *t)
{
    // Sequentially consistent: a sleeper's last look (fmi_fall_asleep).
    return !t->stream || atomic_load(&t->stream->completed) >= t->value;
}

static uint32_t count_complete(const several *s)
{
    uint32_t complete = 0;
    for (uint32_t i = 0; i < s->count; i++) {
        complete += is_complete(&s->targets[i]);
    }
    return complete;
}

// The first that is complete; `count` if none is.
static uint32_t first_complete(const several *s)
{
    uint32_t i = 0;
    while (i < s->count && !is_complete(&s->targets[i])) {
        i++;
    }
    return i;
}

static bool all_are_complete(void *context)
{
    const several *s = context;
    uint32_t i = 0;
    while (i < s->count && is_complete(&s->targets[i])) {
        i++;
    }
    return i == s->count;
}

static bool any_is_complete(void *context)
{
    const several *s = context;
    return first_complete(s) < s->count;
}

static void let_go(fmi_retirement *r, const target *targets, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (targets[i].stream) {
            fmi_table_release(r->streams, &targets[i].stream->slot);
        }
    }
}

// Holds the stream of each point. On an error nothing is held.
static fm_status hold_all(fmi_retirement *r, const fm_point *points, uint32_t count, const char *caller, target *out)
{
    for (uint32_t i = 0; i < count; i++) {
        fmi_slot *held = NULL;
        fm_status status = points[i].stream.id ? fmi_table_hold(r->streams, points[i].stream.id, &held) : FM_OK;
        out[i] = (target){(fmi_stream *)held, points[i].value};
        if (status != FM_OK) {
            fmi_error_about("point %u", i);
            fmi_error_in(caller);
            let_go(r, out, i);
            return status;
        }
        uint64_t committed = held ? atomic_load_explicit(&out[i].stream->committed, memory_order_acquire) : UINT64_MAX;
        if (points[i].value > committed) {
            status = fmi_point_refuse_future(points[i], committed, caller);
            fmi_error_about("point %u", i);
            let_go(r, out, i + 1);
            return status;
        }
    }
    return FM_OK;
}

// What a complete point answers.
static fm_status status_of(const target *t, const char *caller, uint32_t index)
{
    fm_status status = t->stream ? fmi_stream_status(t->stream, t->value, caller) : FM_OK;
    if (status != FM_OK) {
        fmi_error_about("point %u", index);
    }
    return status;
}

static fm_status wait_for_all(fmi_retirement *r, several *s, uint64_t timeout_ns, const char *caller)
{
    if (fmi_wait_until(r, all_are_complete, s, timeout_ns) != FM_OK) {
        return fmi_fail_in(caller, FM_TIMEOUT, "%llu ns went by, and %u of %u points were complete%s",
                           (unsigned long long)timeout_ns, count_complete(s), s->count, fmi_host_points_blame(r).text);
    }
    for (uint32_t i = 0; i < s->count; i++) {
        fm_status status = status_of(&s->targets[i], caller, i);
        if (status != FM_OK) {
            return status;
        }
    }
    return FM_OK;
}

static fm_status wait_for_any(fmi_retirement *r, several *s, uint64_t timeout_ns, const char *caller,
                              uint32_t *out_index)
{
    if (fmi_wait_until(r, any_is_complete, s, timeout_ns) != FM_OK) {
        return fmi_fail_in(caller, FM_TIMEOUT, "%llu ns went by before one of %u points was complete%s",
                           (unsigned long long)timeout_ns, s->count, fmi_host_points_blame(r).text);
    }
    *out_index = first_complete(s);
    return status_of(&s->targets[*out_index], caller, *out_index);
}

fm_status fmi_point_wait_several(fmi_retirement *r, const fm_point *points, uint32_t count, uint64_t timeout_ns,
                                 uint32_t *out_index, const char *caller)
{
    target few[MOST_ON_STACK];
    target *targets = count <= MOST_ON_STACK ? few : malloc(count * sizeof *targets);
    if (!targets) {
        return fmi_fail_in(caller, FM_ERROR_OUT_OF_HOST_MEMORY, "no host memory to wait for %u points", count);
    }
    several s = {targets, count};
    fm_status status = hold_all(r, points, count, caller, targets);
    if (status == FM_OK) {
        status =
            out_index ? wait_for_any(r, &s, timeout_ns, caller, out_index) : wait_for_all(r, &s, timeout_ns, caller);
        let_go(r, targets, count);
    }
    if (targets != few) {
        free(targets);
    }
    return status;
}
