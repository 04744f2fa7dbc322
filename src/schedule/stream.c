// Streams: creation and failures. See stream.h.
// The stream's lock guards failures; counters are atomics that retirement stores.
#include "schedule/stream.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

fm_status fmi_stream_create(fmi_table *table, const char *label, uint64_t *out_id)
{
    char *copy = label ? strdup(label) : NULL;
    fmi_stream *stream = label && !copy ? NULL : (fmi_stream *)fmi_table_reserve(table);
    if (!stream) {
        free(copy);
        return fmi_fail(FM_ERROR_OUT_OF_HOST_MEMORY, "no host memory for a stream object");
    }
    stream->label = copy;
    pthread_mutex_init(&stream->order, NULL);
    pthread_mutex_init(&stream->lock, NULL);
    atomic_store_explicit(&stream->committed, 0, memory_order_relaxed);
    atomic_store_explicit(&stream->completed, 0, memory_order_relaxed);
    atomic_store_explicit(&stream->failed, 0, memory_order_relaxed);
    atomic_store_explicit(&stream->failure_count, 0, memory_order_relaxed);
    atomic_store_explicit(&stream->callback_count, 0, memory_order_relaxed);
    stream->failures = NULL;
    stream->failure_capacity = 0;
    stream->callbacks = NULL;
    stream->planned_batch = 0;
    stream->id = 0;
    *out_id = fmi_table_publish(table, &stream->slot);
    return FM_OK;
}

void fmi_stream_free(void *unused, fmi_slot *slot)
{
    (void)unused;
    fmi_stream *stream = (fmi_stream *)slot;
    for (uint32_t i = 0; i < atomic_load_explicit(&stream->failure_count, memory_order_relaxed); i++) {
        free(stream->failures[i].sentence);
    }
    free(stream->failures);
    free(stream->label);
    pthread_mutex_destroy(&stream->order);
    pthread_mutex_destroy(&stream->lock);
}

// Room for one more entry. Called under the lock; false: no host memory.
static bool make_room(fmi_stream *stream, uint32_t count)
{
    if (count < stream->failure_capacity) {
        return true;
    }
    uint32_t capacity = stream->failure_capacity ? 2 * stream->failure_capacity : 4;
    fmi_failure *failures = realloc(stream->failures, capacity * sizeof *failures);
    if (failures) {
        stream->failures = failures;
        stream->failure_capacity = capacity;
    }
    return failures != NULL;
}

void fmi_stream_note_failure(fmi_stream *stream, uint64_t value, fm_status status, const char *sentence)
{
    pthread_mutex_lock(&stream->lock);
    uint32_t count = atomic_load_explicit(&stream->failure_count, memory_order_relaxed);
    fmi_failure *newest = count ? &stream->failures[count - 1] : NULL;
    if (newest && status == FM_ERROR_DEPENDENCY && newest->status == status && newest->last + 1 == value) {
        newest->last = value;
    } else {
        // Each failure stays until the stream goes (READ-5); a stream fails again only after its owner has reset it. Without host
        // memory for another entry the oldest gives way.
        if (!make_room(stream, count) && count > 0) {
            free(stream->failures[0].sentence);
            memmove(stream->failures, stream->failures + 1, (count - 1) * sizeof *stream->failures);
            count--;
        }
        if (count < stream->failure_capacity) {
            stream->failures[count++] = (fmi_failure){value, value, status, sentence ? strdup(sentence) : NULL};
        }
    }
    atomic_store_explicit(&stream->failure_count, count, memory_order_relaxed);
    pthread_mutex_unlock(&stream->lock);
    // Relaxed is enough: `completed` is published after this with release.
    atomic_store_explicit(&stream->failed, 1, memory_order_relaxed);
}

fm_status fmi_stream_status(fmi_stream *stream, uint64_t value, const char *caller)
{
    if (atomic_load_explicit(&stream->failure_count, memory_order_relaxed) == 0) {
        return FM_OK;
    }
    fm_status status = FM_OK;
    pthread_mutex_lock(&stream->lock);
    uint32_t count = atomic_load_explicit(&stream->failure_count, memory_order_relaxed);
    for (uint32_t i = 0; i < count; i++) {
        const fmi_failure *f = &stream->failures[i];
        if (f->first <= value && value <= f->last) {
            status = !caller
                         ? f->status
                         : fmi_fail(f->status, "%s: stream '%s': list %llu: %s", caller, fmi_stream_label(stream),
                                    (unsigned long long)value, f->sentence ? f->sentence : fm_status_text(f->status));
            break;
        }
    }
    pthread_mutex_unlock(&stream->lock);
    return status;
}
