// Who holds the device's memory, as the end of the sentence of a request that was refused.
// Any thread, without a lock; the figures are those of one walk over the buffers, while others may create and destroy
// some.
#include "device/device.h"

#include <inttypes.h>
#include <stdio.h>

enum { MOST_NAMED = 3 };

// A live buffer, copied so that it may go meanwhile.
typedef struct holder {
    uint64_t size_bytes; // of its memory; 0: none
    char name[48];       // its label in quotes, "unlabelled" if it has none
} holder;

typedef struct holders {
    holder largest[MOST_NAMED]; // by falling size
    uint64_t alive_bytes;
    uint32_t alive;
} holders;

// Notes a live buffer, and names it if it is one of the largest.
static void note(holders *h, const fmi_buffer *buffer)
{
    uint64_t size_bytes = buffer->memory->size_bytes;
    h->alive_bytes += size_bytes;
    h->alive++;
    uint32_t place = MOST_NAMED;
    while (place > 0 && h->largest[place - 1].size_bytes < size_bytes) {
        place--;
    }
    if (place == MOST_NAMED) {
        return;
    }
    for (uint32_t i = MOST_NAMED - 1; i > place; i--) {
        h->largest[i] = h->largest[i - 1];
    }
    h->largest[place].size_bytes = size_bytes;
    bool named = buffer->label && *buffer->label;
    snprintf(h->largest[place].name, sizeof h->largest[place].name, "%s%.40s%s", named ? "'" : "",
             named ? buffer->label : "unlabelled", named ? "'" : "");
}

static void look(fm_device *device, holders *out)
{
    *out = (holders){0};
    uint32_t count = fmi_table_slot_count(&device->buffers);
    for (uint32_t i = 0; i < count; i++) {
        fmi_slot *slot = fmi_table_hold_slot(&device->buffers, i);
        if (slot) {
            if (fmi_slot_is_alive(slot)) {
                note(out, (const fmi_buffer *)slot);
            }
            fmi_table_release(&device->buffers, slot);
        }
    }
}

void fmi_device_explain_memory(void *user)
{
    fm_device *device = user;
    const fmi_pool *pool = &device->pool;
    holders h;
    look(device, &h);
    uint64_t used = atomic_load_explicit(&pool->used_bytes, memory_order_relaxed);
    uint64_t reserved = atomic_load_explicit(&pool->reserved_bytes, memory_order_relaxed);
    char named[256] = "";
    size_t length = 0;
    for (uint32_t i = 0; i < MOST_NAMED && h.largest[i].size_bytes > 0; i++) {
        length += (size_t)snprintf(named + length, sizeof named - length, "%s%s %" PRIu64,
                                   i ? ", " : " (the largest: ", h.largest[i].name, h.largest[i].size_bytes);
    }
    fmi_error_more("%u buffers that are alive have %" PRIu64 "%s%s, lists that are not complete keep %" PRIu64
                   " of destroyed ones, and %" PRIu64 " are free between them",
                   h.alive, h.alive_bytes, named, length ? ")" : "", used > h.alive_bytes ? used - h.alive_bytes : 0,
                   reserved > used ? reserved - used : 0);
}
