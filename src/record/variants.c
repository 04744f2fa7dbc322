// The table behind variants.h: open addressing, at most three quarters full: small, because many variants have it leave a processor's nearest cache.
// Places are only ever filled while a list is recorded, but for the undo of the last, so a probe may end at the first that is free.
#include "record/variants.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_PLACES = 32 };

static void put(fmi_variant_stamps *stamps, const fmi_variant_stamp *stamp)
{
    uint32_t at = fmi_variant_place(stamps, stamp->kernel, stamp->dtypes);
    while (stamps->entries[at].epoch == stamp->epoch) {
        at = (at + 1) & stamps->mask;
    }
    stamps->entries[at] = *stamp;
    stamps->last = at;
}

bool fmi_variant_stamps_reserve(fmi_variant_stamps *stamps, uint32_t epoch)
{
    uint32_t places = stamps->entries ? stamps->mask + 1 : 0;
    if ((stamps->used + 1) * 4 <= places * 3) {
        return true;
    }
    uint32_t more = places ? 2 * places : FIRST_PLACES;
    fmi_variant_stamps grown = {.mask = more - 1, .shift = 64, .used = stamps->used};
    grown.entries = calloc(more, sizeof *grown.entries); // epoch 0 is no list's
    if (!grown.entries) {
        return false;
    }
    for (uint32_t i = more; i > 1; i /= 2) {
        grown.shift--;
    }
    for (uint32_t i = 0; i < places; i++) {
        if (stamps->entries[i].epoch == epoch) {
            put(&grown, &stamps->entries[i]);
        }
    }
    free(stamps->entries);
    *stamps = grown;
    return true;
}

void fmi_variant_stamps_add(fmi_variant_stamps *stamps, uint32_t kernel, uint64_t dtypes, uint32_t epoch,
                            const fmi_kernel_binary *binary)
{
    put(stamps, &(fmi_variant_stamp){dtypes, kernel, epoch, binary});
    stamps->used++;
}

void fmi_variant_stamps_undo(fmi_variant_stamps *stamps)
{
    stamps->entries[stamps->last].epoch = 0; // nothing was put behind it since
    stamps->used--;
}

void fmi_variant_stamps_clear(fmi_variant_stamps *stamps)
{
    if (stamps->entries) {
        memset(stamps->entries, 0, ((size_t)stamps->mask + 1) * sizeof *stamps->entries);
    }
    stamps->used = 0;
}

void fmi_variant_stamps_free(fmi_variant_stamps *stamps)
{
    free(stamps->entries);
    *stamps = (fmi_variant_stamps){0};
}
