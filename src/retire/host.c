// Points of the host. See host.h.
// The lock is let go before anything is published: callbacks and kicks run outside it.
#include "retire/host.h"

#include "base/error.h"
#include "retire/retire.h"

#include <stdio.h>

fm_status fmi_host_point_create(fmi_retirement *r, const char *label, uint64_t *out_id)
{
    fmi_host_points *hosts = &r->hosts;
    fmi_stream *stream;
    fm_status status = fmi_stream_make_host(r->streams, label, &stream);
    if (status != FM_OK) {
        return status;
    }
    pthread_mutex_lock(&hosts->lock);
    stream->next_host = hosts->first;
    stream->host_link = &hosts->first;
    if (hosts->first) {
        hosts->first->host_link = &stream->next_host;
    }
    hosts->first = stream;
    atomic_fetch_add_explicit(&hosts->count, 1, memory_order_relaxed);
    *out_id = fmi_table_publish(r->streams, &stream->slot);
    pthread_mutex_unlock(&hosts->lock);
    return FM_OK;
}

// Called under the lock. False: it had ended.
static bool unlink_locked(fmi_host_points *hosts, fmi_stream *stream)
{
    if (!stream->host_link) {
        return false;
    }
    *stream->host_link = stream->next_host;
    if (stream->next_host) {
        stream->next_host->host_link = stream->host_link;
    }
    stream->host_link = NULL;
    atomic_fetch_sub_explicit(&hosts->count, 1, memory_order_relaxed);
    return true;
}

bool fmi_host_point_end(fmi_retirement *r, fmi_stream *stream, fm_status status, const char *sentence)
{
    pthread_mutex_lock(&r->hosts.lock);
    bool is_first = unlink_locked(&r->hosts, stream);
    pthread_mutex_unlock(&r->hosts.lock);
    if (!is_first) {
        return false;
    }
    if (status != FM_OK) {
        fmi_root root = {0};
        snprintf(root.cause, sizeof root.cause, "%s", sentence);
        fmi_stream_note_failure(stream, 1, status, &root);
    }
    fmi_retirement_publish(r, stream, 1);
    fmi_engine_kick(r->engine); // what waited for it
    fmi_waiting_wake(&r->waiting);
    fmi_waiting_pass_on(&r->waiting); // those who slept because nothing was on the device
    fmi_keeper_notify(r);
    return true;
}

void fmi_host_point_cancel(fmi_retirement *r, fmi_stream *stream, const char *how)
{
    char sentence[sizeof(fmi_phrase) + 64];
    snprintf(sentence, sizeof sentence, "%s was %s before it was signalled", fmi_stream_named(stream).text, how);
    fmi_host_point_end(r, stream, FM_ERROR_CANCELLED, sentence);
}

void fmi_host_points_cancel(fmi_retirement *r)
{
    fmi_host_points *hosts = &r->hosts;
    for (;;) {
        pthread_mutex_lock(&hosts->lock);
        fmi_stream *stream = hosts->first;
        if (stream) {
            fmi_table_hold_more(&stream->slot);
        }
        pthread_mutex_unlock(&hosts->lock);
        if (!stream) {
            return;
        }
        char sentence[sizeof(fmi_phrase) + 64];
        snprintf(sentence, sizeof sentence, "%s was not signalled before the device was closed",
                 fmi_stream_named(stream).text);
        fmi_host_point_end(r, stream, FM_ERROR_CANCELLED, sentence);
        fmi_table_release(r->streams, &stream->slot);
    }
}

bool fmi_host_points_owe(fmi_retirement *r)
{
    if (atomic_load_explicit(&r->hosts.count, memory_order_relaxed) == 0) {
        return false;
    }
    bool owe = false;
    pthread_mutex_lock(&r->hosts.lock);
    for (const fmi_stream *s = r->hosts.first; s && !owe; s = s->next_host) {
        owe = atomic_load(&s->callback_count) > 0;
    }
    pthread_mutex_unlock(&r->hosts.lock);
    return owe;
}

fmi_phrase fmi_host_points_blame(fmi_retirement *r)
{
    fmi_phrase phrase = {""};
    if (atomic_load_explicit(&r->hosts.count, memory_order_relaxed) == 0 || !fmi_engine_is_idle(r->engine)) {
        return phrase;
    }
    pthread_mutex_lock(&r->hosts.lock);
    for (const fmi_stream *s = r->hosts.first; s && !phrase.text[0]; s = s->next_host) {
        // A list that waits for it has the other hold.
        if (!fmi_slot_is_last_hold(&s->slot) || atomic_load(&s->callback_count) > 0) {
            snprintf(phrase.text, sizeof phrase.text, "; nothing is on the device, and %.80s has not been signalled",
                     fmi_stream_named(s).text);
        }
    }
    pthread_mutex_unlock(&r->hosts.lock);
    return phrase;
}
