// Streams: creation and failures. See stream.h.
// The stream's lock guards failures; counters are atomics that retirement stores.
#include "schedule/stream.h"

#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_SENTENCES = 64 }; // kept a stream

// An object that no handle names yet; NULL: no host memory, and the last error says so.
static fmi_stream *make(fmi_table *table, const char *label, bool is_host)
{
    char *copy = label ? strdup(label) : NULL;
    fmi_stream *stream = label && !copy ? NULL : (fmi_stream *)fmi_table_reserve(table);
    if (!stream) {
        free(copy);
        fmi_fail(FM_ERROR_OUT_OF_HOST_MEMORY, "no host memory for a %s object", is_host ? "point" : "stream");
        return NULL;
    }
    stream->label = copy;
    stream->is_host = is_host;
    stream->next_host = NULL;
    stream->host_link = NULL;
    pthread_mutex_init(&stream->order, NULL);
    pthread_mutex_init(&stream->lock, NULL);
    stream->transfers = 0;
    atomic_store_explicit(&stream->committed, is_host, memory_order_relaxed);
    atomic_store_explicit(&stream->completed, 0, memory_order_relaxed);
    for (uint32_t i = 0; i < FMI_STREAM_BATCHES; i++) {
        atomic_store_explicit(&stream->batches[i], 0, memory_order_relaxed);
    }
    atomic_store_explicit(&stream->failed, is_host, memory_order_relaxed);
    atomic_store_explicit(&stream->failure_count, 0, memory_order_relaxed);
    atomic_store_explicit(&stream->callback_count, 0, memory_order_relaxed);
    stream->failures = &stream->first_failure;
    stream->failure_capacity = 1;
    stream->callbacks = NULL;
    stream->backlog_first = stream->backlog_last = NULL;
    stream->taken = 0;
    stream->queue = stream->last_queue = 0;
    stream->last_batch = stream->lost_value = 0;
    stream->skipped_from = stream->skipped_until = 0;
    stream->planned = stream->previous = stream->untracked = (fmi_batch_stamp){0, 0};
    stream->id =
        fmi_table_next_id(table, &stream->slot); // before others can hold the slot and look (fmi_table_hold_slot)
    return stream;
}

fm_status fmi_stream_create(fmi_table *table, const char *label, uint64_t *out_id)
{
    fmi_stream *stream = make(table, label, false);
    if (!stream) {
        return FM_ERROR_OUT_OF_HOST_MEMORY;
    }
    *out_id = fmi_table_publish(table, &stream->slot);
    return FM_OK;
}

fm_status fmi_stream_make_host(fmi_table *table, const char *label, fmi_stream **out)
{
    *out = make(table, label, true);
    return *out ? FM_OK : FM_ERROR_OUT_OF_HOST_MEMORY;
}

void fmi_stream_free(void *unused, fmi_slot *slot)
{
    (void)unused;
    fmi_stream *stream = (fmi_stream *)slot;
    for (uint32_t i = 0; i < atomic_load_explicit(&stream->failure_count, memory_order_relaxed); i++) {
        free(stream->failures[i].cause);
        free(stream->failures[i].root);
    }
    if (stream->failures != &stream->first_failure) {
        free(stream->failures);
    }
    free(stream->label);
    pthread_mutex_destroy(&stream->order);
    pthread_mutex_destroy(&stream->lock);
}

// Room for one more entry; false: no host memory.
static bool make_room_locked(fmi_stream *stream, uint32_t count)
{
    if (count < stream->failure_capacity) {
        return true;
    }
    uint32_t capacity = 4 * stream->failure_capacity;
    fmi_failure *failures = malloc(capacity * sizeof *failures);
    if (!failures) {
        return false;
    }
    memcpy(failures, stream->failures, count * sizeof *failures);
    if (stream->failures != &stream->first_failure) {
        free(stream->failures);
    }
    stream->failures = failures;
    stream->failure_capacity = capacity;
    return true;
}

static bool is_same_failure(const fmi_failure *f, uint64_t value, fm_status status, const fmi_root *root)
{
    return f->last + 1 == value && f->status == status && f->cause && strcmp(f->cause, root->cause) == 0 &&
           strcmp(f->root ? f->root : "", root->stream.text) == 0;
}

static void forget_words(fmi_failure *f)
{
    free(f->cause);
    free(f->root);
    f->cause = f->root = NULL;
}

void fmi_stream_note_failure(fmi_stream *stream, uint64_t value, fm_status status, const fmi_root *root)
{
    pthread_mutex_lock(&stream->lock);
    uint32_t count = atomic_load_explicit(&stream->failure_count, memory_order_relaxed);
    fmi_failure *newest = count ? &stream->failures[count - 1] : NULL;
    if (newest && is_same_failure(newest, value, status, root)) {
        newest->last = value;
    } else if (make_room_locked(stream, count)) {
        // Each failure stays until the stream goes (READ-5); a stream fails again only after its owner has reset it.
        stream->failures[count++] = (fmi_failure){value, value, status, strdup(root->cause),
                                                  root->stream.text[0] ? strdup(root->stream.text) : NULL};
        if (count > MOST_SENTENCES) { // older ones keep their status and lose their words
            forget_words(&stream->failures[count - 1 - MOST_SENTENCES]);
        }
    } else {
        // Without host memory the newest entry covers it: a failure too many is safe, one too few is not.
        newest->last = value;
    }
    atomic_store_explicit(&stream->failure_count, count, memory_order_relaxed);
    pthread_mutex_unlock(&stream->lock);
    // Relaxed is enough: `completed` is published after this with release.
    atomic_store_explicit(&stream->failed, 1, memory_order_relaxed);
}

// The entry that covers a value; NULL if it did not fail. Entries are by rising value.
static const fmi_failure *find_failure_locked(const fmi_stream *stream, uint64_t value)
{
    uint32_t low = 0, high = atomic_load_explicit(&stream->failure_count, memory_order_relaxed);
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (stream->failures[middle].last < value) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    bool found = low < atomic_load_explicit(&stream->failure_count, memory_order_relaxed) &&
                 stream->failures[low].first <= value;
    return found ? &stream->failures[low] : NULL;
}

fm_status fmi_stream_status_locked(const fmi_stream *stream, uint64_t value)
{
    const fmi_failure *f = find_failure_locked(stream, value);
    return f ? f->status : FM_OK;
}

static const char *cause_of(const fmi_failure *f)
{
    return f->cause ? f->cause : fm_status_text(f->status);
}

void fmi_stream_root(fmi_stream *stream, uint64_t value, fmi_root *out)
{
    *out = (fmi_root){0};
    pthread_mutex_lock(&stream->lock);
    uint32_t count = atomic_load_explicit(&stream->failure_count, memory_order_relaxed);
    const fmi_failure *f = find_failure_locked(stream, value);
    if (!f && count > 0) {
        f = &stream->failures[count - 1]; // not noted itself: it follows the newest
    }
    if (f) {
        snprintf(out->cause, sizeof out->cause, "%s", cause_of(f));
        snprintf(out->stream.text, sizeof out->stream.text, "%s", f->root ? f->root : "");
    }
    pthread_mutex_unlock(&stream->lock);
}

void fmi_root_describe(const char *stream, const char *cause, char *out, size_t size_bytes)
{
    if (stream && *stream) {
        snprintf(out, size_bytes, "it depends on work of %s that failed: %s", stream, cause);
    } else {
        snprintf(out, size_bytes, "%s", cause);
    }
}

fm_status fmi_stream_status(fmi_stream *stream, uint64_t value, const char *caller)
{
    if (atomic_load_explicit(&stream->failure_count, memory_order_relaxed) == 0) {
        return FM_OK;
    }
    pthread_mutex_lock(&stream->lock);
    const fmi_failure *f = find_failure_locked(stream, value);
    fm_status status = f ? f->status : FM_OK;
    if (f && caller) {
        char text[FMI_ROOT_BYTES];
        fmi_root_describe(f->root, cause_of(f), text, sizeof text);
        fmi_fail_in(caller, status, "%s", text);
        fmi_error_about("%s, value %llu", fmi_stream_named(stream).text, (unsigned long long)value);
    }
    pthread_mutex_unlock(&stream->lock);
    return status;
}
