// "Which variants does this list hold?" by kernel and choice of dtypes: what makes a dispatch that repeats one cost a probe and a
// compare, in memory that only the recorder's owner touches, however many variants and threads there are (KEY-3, LEARNED-14).
// A place is taken if it has the recorder's epoch, so an emptied table needs no clearing. One owner at a time.
#ifndef FMI_RECORD_VARIANTS_H
#define FMI_RECORD_VARIANTS_H

#include "variant/cache.h"

typedef struct fmi_variant_stamp {
    uint64_t dtypes;
    uint32_t kernel; // index of the kernel's slot, which the list holds as well
    uint32_t epoch;  // of the list that holds the variant
    const fmi_kernel_binary *binary;
} fmi_variant_stamp;

typedef struct fmi_variant_stamps {
    fmi_variant_stamp *entries;
    uint32_t mask;  // places - 1; a power of two of them
    uint32_t shift; // 64 - log2(places)
    uint32_t used;  // places with the present epoch
    uint32_t last;  // the place that was filled last
} fmi_variant_stamps;

static inline uint32_t fmi_variant_place(const fmi_variant_stamps *stamps, uint32_t kernel, uint64_t dtypes)
{
    return (uint32_t)((dtypes * UINT64_C(0xd6e8feb86659fd93) + kernel + 1) * UINT64_C(0x9e3779b97f4a7c15) >>
                      stamps->shift);
}

// The binary of a variant that the list holds already; NULL if it does not.
static inline const fmi_kernel_binary *fmi_variant_stamps_find(const fmi_variant_stamps *stamps, uint32_t kernel,
                                                               uint64_t dtypes, uint32_t epoch)
{
    if (__builtin_expect(!stamps->entries, 0)) {
        return NULL;
    }
    for (uint32_t at = fmi_variant_place(stamps, kernel, dtypes);; at = (at + 1) & stamps->mask) {
        const fmi_variant_stamp *stamp = &stamps->entries[at];
        if (stamp->epoch != epoch) {
            return NULL;
        }
        if (stamp->dtypes == dtypes && stamp->kernel == kernel) {
            return stamp->binary;
        }
    }
}

// Makes room for one more. False: out of host memory, nothing changed.
bool fmi_variant_stamps_reserve(fmi_variant_stamps *stamps, uint32_t epoch);

// Notes a variant that is not noted yet. There is room for it.
void fmi_variant_stamps_add(fmi_variant_stamps *stamps, uint32_t kernel, uint64_t dtypes, uint32_t epoch,
                            const fmi_kernel_binary *binary);

// Forgets the one that was noted last.
void fmi_variant_stamps_undo(fmi_variant_stamps *stamps);

// Forgets all, because epochs begin anew.
void fmi_variant_stamps_clear(fmi_variant_stamps *stamps);

void fmi_variant_stamps_free(fmi_variant_stamps *stamps);

#endif
