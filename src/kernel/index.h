// An index of names: items are numbered as they come, and those of one name are found newest first. What a text declares is as many names as
// its writer likes, so a look-up takes the same time however many there are.
// Keeps no names: the owner compares. Belongs to one reader of one text; nothing is locked.
#ifndef FMI_KERNEL_INDEX_H
#define FMI_KERNEL_INDEX_H

#include <fermata/status.h>

#include <stddef.h>

#define FMI_INDEX_NONE UINT32_MAX

typedef struct fmi_index {
    uint32_t *heads; // owned: of each chain the newest item; one allocation with `links`
    struct fmi_index_link *links;
    uint32_t count;
    uint32_t capacity; // of `links`; as many chains
    uint64_t *steps;   // counts the items that look-ups have come by; NULL: nobody counts
} fmi_index;

// Adds item number `count` under this name. FM_ERROR_OUT_OF_HOST_MEMORY.
fm_status fmi_index_add(fmi_index *index, const char *name, size_t length);

// Forgets all items but the first `count`.
void fmi_index_cut(fmi_index *index, uint32_t count);

// The newest item that may have this name, then the next older one behind `item`; FMI_INDEX_NONE: there is no more. Few have another name.
uint32_t fmi_index_first(const fmi_index *index, const char *name, size_t length);
uint32_t fmi_index_next(const fmi_index *index, uint32_t item);

void fmi_index_free(fmi_index *index);

#endif
