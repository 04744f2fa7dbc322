// Cancelling lists that are in no batch yet. See engine.h.
// Whoever cancels sits in the leader's seat meanwhile, so nothing is planned at the same time. A cancelled list stays
// where it is, since values of a stream are published in order (READ-3); but what it holds goes at once.
#include "schedule/engine.h"

#include "base/clock.h"

#include <sched.h>

enum { PATIENCE_NS = 1000000000 }; // a leader is in the driver for so long at most, or the list runs

static bool take_seat(fmi_engine *engine)
{
    uint64_t deadline = fmi_deadline(PATIENCE_NS);
    while (atomic_load(&engine->seat) || atomic_exchange(&engine->seat, 1)) {
        if (fmi_remaining_ns(deadline) == 0) {
            return false;
        }
        sched_yield();
    }
    return true;
}

static void cancel(fmi_engine *engine, fmi_list *list)
{
    list->cancelled = true;
    fmi_stream_note_lost(list->stream, list->value);
    // Acquire: pairs with the committing thread's letting go; until then it may look at what the list holds, and
    // retirement drops that.
    if (engine->record && atomic_load_explicit(&list->parties, memory_order_acquire) == 1) {
        fmi_record_release_holds(engine->record, list, true, true);
    }
}

bool fmi_engine_cancel(fmi_engine *engine, fmi_stream *stream, uint64_t value)
{
    if (!take_seat(engine)) {
        return false;
    }
    fmi_engine_drain(engine);
    fmi_list *list = stream->backlog_first;
    while (list && list->value != value) {
        list = list->next;
    }
    bool found = list && !list->is_fill; // a fill is the library's own: without it a buffer would not read as zero
    if (found && !list->cancelled) {
        cancel(engine, list);
    }
    // In a batch already, but as one that does not run: cancelled before, or behind one that was.
    found = found || (!list && value >= stream->skipped_from && value <= stream->skipped_until);
    atomic_store(&engine->seat, 0);
    return found;
}

bool fmi_engine_cancel_all(fmi_engine *engine)
{
    if (!take_seat(engine)) {
        return false;
    }
    fmi_engine_drain(engine);
    fmi_stream *stream = engine->backlog.last_turn;
    for (uint32_t i = 0; i < engine->backlog.stream_count; i++, stream = stream->next_turn) {
        for (fmi_list *list = stream->backlog_first; list; list = list->next) {
            if (!list->is_fill && !list->cancelled) {
                cancel(engine, list);
            }
        }
    }
    atomic_store(&engine->seat, 0);
    return true;
}
