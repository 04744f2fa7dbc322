// Chains of items by the hash of their names. See index.h.
// Items go in the order opposite to that in which they came, so the one that goes is always the head of its chain.
#include "kernel/index.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

typedef struct fmi_index_link {
    uint32_t hash;
    uint32_t older; // in its chain
} fmi_index_link;

static uint32_t hash_name(const char *name, size_t length)
{
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < length; i++) {
        hash = (hash ^ (uint8_t)name[i]) * 16777619u;
    }
    return hash ^ hash >> 15;
}

static void link_item(fmi_index *index, uint32_t item)
{
    uint32_t *head = &index->heads[index->links[item].hash & (index->capacity - 1)];
    index->links[item].older = *head;
    *head = item;
}

// Twice as many chains, and room for as many items.
static fm_status grow(fmi_index *index)
{
    uint32_t capacity = index->capacity ? 2 * index->capacity : 32;
    fmi_index_link *links = malloc(capacity * (sizeof *links + sizeof *index->heads));
    if (!links) {
        return fmi_fail(FM_ERROR_OUT_OF_HOST_MEMORY, "no host memory to read the kernel's text");
    }
    if (index->count) {
        memcpy(links, index->links, index->count * sizeof *links);
    }
    free(index->links);
    index->links = links;
    index->heads = (uint32_t *)(links + capacity);
    index->capacity = capacity;
    memset(index->heads, 0xff, capacity * sizeof *index->heads);
    for (uint32_t i = 0; i < index->count; i++) {
        link_item(index, i);
    }
    return FM_OK;
}

fm_status fmi_index_add(fmi_index *index, const char *name, size_t length)
{
    fm_status status = index->count == index->capacity ? grow(index) : FM_OK;
    if (status == FM_OK) {
        index->links[index->count].hash = hash_name(name, length);
        link_item(index, index->count++);
    }
    return status;
}

void fmi_index_cut(fmi_index *index, uint32_t count)
{
    while (index->count > count) {
        const fmi_index_link *link = &index->links[--index->count];
        index->heads[link->hash & (index->capacity - 1)] = link->older;
    }
}

// `item`, or the first one of its chain behind it with this hash.
static uint32_t find(const fmi_index *index, uint32_t item, uint32_t hash)
{
    while (item != FMI_INDEX_NONE) {
        if (index->steps) {
            ++*index->steps;
        }
        if (index->links[item].hash == hash) {
            return item;
        }
        item = index->links[item].older;
    }
    return FMI_INDEX_NONE;
}

uint32_t fmi_index_first(const fmi_index *index, const char *name, size_t length)
{
    uint32_t hash = hash_name(name, length);
    return index->count ? find(index, index->heads[hash & (index->capacity - 1)], hash) : FMI_INDEX_NONE;
}

uint32_t fmi_index_next(const fmi_index *index, uint32_t item)
{
    return find(index, index->links[item].older, index->links[item].hash);
}

void fmi_index_free(fmi_index *index)
{
    free(index->links);
    *index = (fmi_index){.steps = index->steps};
}
