// The last failures. See failures.h. Memory for all of them is there from the start: a failure is noted even without
// host memory. Under its own lock.
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

// The name of a held object: a kernel's name or a buffer's label; NULL or empty: it has none.
typedef const char *(*name_of)(const fmi_slot *slot);

static const char *kernel_name(const fmi_slot *slot)
{
    return ((const fmi_kernel_object *)slot)->kernel->name;
}

static const char *buffer_name(const fmi_slot *slot)
{
    return ((const fmi_buffer *)slot)->label;
}

// Makes "a, b, c and 5 more" of texts that come one by one.
typedef struct joiner {
    char *out;
    size_t size_bytes;
    size_t used;
    uint32_t left_out;
    uint32_t nameless; // what has no text is counted, and no text made up for it
} joiner;

static void join(joiner *j, const char *text)
{
    enum { TAIL_BYTES = 48 }; // room for both counts of end_join
    if (!text || !*text) {
        j->nameless++;
        return;
    }
    size_t length = strlen(text) + (j->used ? 2 : 0);
    if (j->left_out || j->used + length + TAIL_BYTES >= j->size_bytes) {
        j->left_out++;
        return;
    }
    j->used += (size_t)snprintf(j->out + j->used, j->size_bytes - j->used, "%s%s", j->used ? ", " : "", text);
}

static void end_join(joiner *j)
{
    if (j->left_out) {
        j->used += (size_t)snprintf(j->out + j->used, j->size_bytes - j->used, "%s%u more", j->used ? " and " : "",
                                    j->left_out);
    }
    if (j->nameless) {
        snprintf(j->out + j->used, j->size_bytes - j->used, "%s%u unlabelled", j->used ? " and " : "", j->nameless);
    }
}

// Everything that a chain holds, newest first. `out` is empty.
static void join_names(const fmi_hold_chunk *chain, name_of name, char *out, size_t size_bytes)
{
    joiner j = {.out = out, .size_bytes = size_bytes};
    for (; chain; chain = chain->next) {
        for (uint32_t i = chain->count; i-- > 0;) {
            join(&j, name(chain->slots[i]));
        }
    }
    end_join(&j);
}

// The command that the list failed with; NULL where the backend cannot tell. For lists that ran
// (FM_ERROR_KERNEL_FAILED).
static const fmi_command *find_failed(const fmi_list *list)
{
    const fmi_command *command = list->first;
    while (command && (command->kind == FMI_COMMAND_BARRIER ||
                       __atomic_load_n(&command->wave, __ATOMIC_RELAXED) != FMI_WAVE_FAILED)) {
        command = command->next;
    }
    return command;
}

// The label groups around the command that failed, or of all commands where nobody knows which one that is. `out` is
// empty.
static void join_groups(const fmi_list *list, fm_status status, char *out, size_t size_bytes)
{
    const fmi_command *failed = status == FM_ERROR_KERNEL_FAILED ? find_failed(list) : NULL;
    if (failed) {
        snprintf(out, size_bytes, "%s", failed->label ? failed->label : "");
        return;
    }
    joiner j = {.out = out, .size_bytes = size_bytes};
    const char *last = NULL;
    for (const fmi_command *command = list->first; command; command = command->next) {
        if (command->label && command->label != last) {
            join(&j, command->label);
            last = command->label;
        }
    }
    end_join(&j);
}

void fmi_failures_explain(const fmi_list *list, const char *reason, char *out, size_t size_bytes)
{
    const fmi_command *failed = find_failed(list);
    bool in_group = failed && failed->label;
    snprintf(out, size_bytes, "%s%s%.100s%s: %s", fmi_named("list", list->label).text, in_group ? ", group '" : "",
             in_group ? failed->label : "", in_group ? "'" : "", reason ? reason : "one of its kernels failed");
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
    join_groups(list, status, f->groups, sizeof f->groups);
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
