// The table of spellings. See names.h.
// It grows by doubling and keeps at least half of its slots empty; entries never move.
#include "language/names.h"

#include <string.h>

static uint32_t hash(const char *text, size_t length)
{
    uint32_t value = 2166136261u;
    for (size_t i = 0; i < length; i++) {
        value = (value ^ (unsigned char)text[i]) * 16777619u;
    }
    return value;
}

static fmi_name_entry **find(const fmi_names *names, const char *text, size_t length, uint32_t value)
{
    uint32_t at = value & (names->capacity - 1);
    for (; names->slots[at]; at = (at + 1) & (names->capacity - 1)) {
        const fmi_name_entry *entry = names->slots[at];
        if (entry->hash == value && entry->length == length && memcmp(entry->text, text, length) == 0) {
            break;
        }
    }
    return &names->slots[at];
}

static bool grow(fmi_names *names)
{
    fmi_names grown = {.arena = names->arena, .capacity = names->capacity ? 2 * names->capacity : 128};
    grown.slots = fmi_arena_alloc(grown.arena, grown.capacity * sizeof(fmi_name_entry *));
    if (!grown.slots) {
        return false;
    }
    memset(grown.slots, 0, grown.capacity * sizeof(fmi_name_entry *));
    for (uint32_t i = 0; i < names->capacity; i++) {
        fmi_name_entry *entry = names->slots[i];
        if (entry) {
            *find(&grown, entry->text, entry->length, entry->hash) = entry;
        }
    }
    grown.count = names->count;
    *names = grown;
    return true;
}

fmi_name_entry *fmi_names_intern(fmi_names *names, const char *text, size_t length)
{
    if (2 * names->count >= names->capacity && !grow(names)) {
        return NULL;
    }
    uint32_t value = hash(text, length);
    fmi_name_entry **slot = find(names, text, length, value);
    if (!*slot) {
        fmi_name_entry *entry = fmi_arena_alloc(names->arena, sizeof *entry);
        if (!entry) {
            return NULL;
        }
        *entry = (fmi_name_entry){
            .text = text, .length = (uint32_t)length, .hash = value, .term = fmi_term_find(text, length)};
        *slot = entry;
        names->count++;
    }
    return *slot;
}
