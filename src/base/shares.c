// Shares of a table's holds. See table.h.
// An entry is 0 where the share has no hold on the slot, else its users + 1. The word counts the owner, each share with an entry, and each hold
// that no entry counts. A release by way of a share drops a user of it if there is one, else a hold in the word: which of the two the
// caller once took makes no difference to the sum, as long as no user's hold is dropped elsewhere.
#include "base/error.h"
#include "base/table.h"

#include <stdlib.h>

typedef _Atomic(uint32_t) share_entry;

static share_entry *entry_of(const fmi_table *table, uint32_t share, uint32_t index)
{
    if (!table->shares || share >= FMI_TABLE_SHARES || index >= FMI_SHARED_SLOTS) {
        return NULL;
    }
    return &table->shares[share * FMI_SHARED_SLOTS + index];
}

fm_status fmi_table_share(fmi_table *table)
{
    // Most of it is zero pages, which cost nothing until they are touched. No two shares have a cache line in common.
    enum { LINE_BYTES = 64 };
    size_t size_bytes = (size_t)FMI_TABLE_SHARES * FMI_SHARED_SLOTS * sizeof(share_entry);
    table->share_memory = calloc(1, size_bytes + LINE_BYTES);
    if (!table->share_memory) {
        return fmi_fail(FM_ERROR_OUT_OF_HOST_MEMORY, "no host memory for the holds of %ss", table->noun);
    }
    uintptr_t address = ((uintptr_t)table->share_memory + LINE_BYTES - 1) / LINE_BYTES * LINE_BYTES;
    table->shares = (share_entry *)address;
    return FM_OK;
}

// Gives up the share's hold if nobody uses it. All here is sequentially consistent: a user that leaves, then looks whether the handle is
// alive, and fmi_shares_collect, which looks for users after the handle died, cannot both miss the other.
static void drop_unused(fmi_table *table, share_entry *entry, fmi_slot *slot)
{
    uint32_t unused = 1;
    if (atomic_compare_exchange_strong(entry, &unused, 0)) {
        fmi_table_release(table, slot);
    }
}

void fmi_shares_collect(fmi_table *table, fmi_slot *slot)
{
    for (uint32_t share = 0; share < FMI_TABLE_SHARES; share++) {
        share_entry *entry = entry_of(table, share, slot->index);
        if (entry && atomic_load(entry) == 1) {
            drop_unused(table, entry, slot);
        }
    }
}

bool fmi_table_try_hold_by(fmi_table *table, uint32_t share, uint64_t id, fmi_slot **out)
{
    share_entry *entry = entry_of(table, share, fmi_id_index(id));
    uint32_t count = entry ? atomic_load(entry) : 0;
    while (count > 0) {
        if (!atomic_compare_exchange_weak(entry, &count, count + 1)) {
            continue;
        }
        // The slot that stands there keeps its object now; but is that the one that was meant, and alive?
        *out = fmi_table_find(table, id);
        if (*out) {
            return true;
        }
        fmi_table_release_by(table, share, fmi_table_slot(table, fmi_id_index(id)));
        return false;
    }
    if (!fmi_table_try_hold(table, id, out)) {
        return false;
    }
    if (entry) { // the hold is the share's from now on, unless it has got one meanwhile
        atomic_compare_exchange_strong(entry, &count, 2);
    }
    return true;
}

fm_status fmi_table_hold_by(fmi_table *table, uint32_t share, uint64_t id, fmi_slot **out)
{
    return fmi_table_try_hold_by(table, share, id, out) ? FM_OK : fmi_table_refuse(table, id);
}

void fmi_table_release_by(fmi_table *table, uint32_t share, fmi_slot *slot)
{
    share_entry *entry = entry_of(table, share, slot->index);
    uint32_t count = entry ? atomic_load(entry) : 0;
    while (count > 1) {
        if (atomic_compare_exchange_weak(entry, &count, count - 1)) {
            if (count == 2 && !fmi_slot_is_alive(slot)) {
                drop_unused(table, entry, slot);
            }
            return;
        }
    }
    fmi_table_release(table, slot); // a hold of its own
}
