// The last failures. See failures.h. Memory for all of them is there from the start: a failure is noted even without host memory.
// Under its own lock.
#include "retire/failures.h"

#include "base/error.h"
#include "kernel/object.h"
#include "memory/buffer.h"
#include "schedule/stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

fm_status fmi_failures_init(fmi_failures *failures, uint32_t capacity)
{
    *failures = (fmi_failures){.capacity = capacity, .ring = calloc(capacity, sizeof *failures->ring)};
    if (!failures->ring) {
        return fmi_fail(FM_ERROR_OUT_OF_HOST_MEMORY, "no host memory for %u failure records", capacity);
    }
    pthread_mutex_init(&failures->lock, NULL);
    return FM_OK;
}

void fmi_failures_destroy(fmi_failures *failures)
{
    pthread_mutex_destroy(&failures->lock);
    free(failures->ring);
}

// The name of a held object: a kernel's name or a buffer's label.
typedef const char *(*name_of)(const fmi_slot *slot);

static const char *kernel_name(const fmi_slot *slot)
{
    return ((const fmi_kernel_object *)slot)->kernel->name;
}

static const char *buffer_name(const fmi_slot *slot)
{
    return fmi_buffer_label((const fmi_buffer *)slot);
}

// "a, b, c and 5 more" of everything that a chain holds, newest first.
static void join_names(const fmi_hold_chunk *chain, name_of name, char *out, size_t size_bytes)
{
    enum { TAIL_BYTES = 24 }; // room for " and 4294967295 more"
    size_t used = 0;
    uint32_t left_out = 0;
    out[0] = 0;
    for (; chain; chain = chain->next) {
        for (uint32_t i = chain->count; i-- > 0;) {
            const char *text = name(chain->slots[i]);
            size_t length = strlen(text) + (used ? 2 : 0);
            if (left_out || used + length + TAIL_BYTES >= size_bytes) {
                left_out++;
                continue;
            }
            used += (size_t)snprintf(out + used, size_bytes - used, "%s%s", used ? ", " : "", text);
        }
    }
    if (left_out) {
        snprintf(out + used, size_bytes - used, "%s%u more", used ? " and " : "", left_out);
    }
}

void fmi_failures_note(fmi_failures *failures, const fmi_list *list, uint64_t handle, fm_status status,
                       const char *cause)
{
    pthread_mutex_lock(&failures->lock);
    uint64_t number = failures->noted + 1;
    if (failures->noted - failures->taken == failures->capacity) {
        if (status == FM_ERROR_DEVICE_LOST) { // everything in flight fails with it: the oldest say most
            atomic_fetch_add_explicit(&failures->dropped, 1, memory_order_relaxed);
            pthread_mutex_unlock(&failures->lock);
            return;
        }
        failures->taken++;
        atomic_fetch_add_explicit(&failures->dropped, 1, memory_order_relaxed);
    }
    fm_failure *f = &failures->ring[number % failures->capacity];
    *f = (fm_failure){.number = number, .point = {{handle}, list->value}, .status = status};
    snprintf(f->cause, sizeof f->cause, "%s", cause);
    snprintf(f->list_label, sizeof f->list_label, "%s", list->label ? list->label : "");
    snprintf(f->stream_label, sizeof f->stream_label, "%s",
             list->stream && list->stream->label ? list->stream->label : "");
    if (!list->kernels_released) {
        join_names(list->kernels, kernel_name, f->kernels, sizeof f->kernels);
    }
    if (!list->buffers_released) {
        join_names(list->buffers, buffer_name, f->buffers, sizeof f->buffers);
    }
    failures->noted = number;
    atomic_store_explicit(&failures->total, number, memory_order_relaxed);
    pthread_mutex_unlock(&failures->lock);
}

bool fmi_failures_take(fmi_failures *failures, fm_failure *out)
{
    pthread_mutex_lock(&failures->lock);
    bool any = failures->taken < failures->noted;
    if (any) {
        failures->taken++;
        *out = failures->ring[failures->taken % failures->capacity];
    }
    pthread_mutex_unlock(&failures->lock);
    return any;
}
