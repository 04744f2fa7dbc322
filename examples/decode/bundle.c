// Bundled files. See bundle.h.
#include "bundle.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// Stores FOLDER/BETWEEN/NAME if that can be read.
static bool try_path(const char *folder, const char *between, const char *name, char out_path[PATH_MAX])
{
    int length = snprintf(out_path, PATH_MAX, "%s/%s%s", folder, between, name);
    return length > 0 && length < PATH_MAX && access(out_path, R_OK) == 0;
}

bool bundle_find(const char *name, char out_path[PATH_MAX])
{
#ifdef DECODE_MODEL_DIR
    if (try_path(DECODE_MODEL_DIR, "", name, out_path)) {
        return true;
    }
#endif
    char folder[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", folder, sizeof folder - 1);
    if (length <= 0) {
        return false;
    }
    folder[length] = '\0';
    *strrchr(folder, '/') = '\0';
    return try_path(folder, "model/", name, out_path) || try_path(folder, "../share/fermata/decode/", name, out_path);
}

// Turns UTF-8 whose characters are all below U+0100 into one byte each.
static bool take_latin1(gold_entry *entry, const json_t *value)
{
    const unsigned char *source = (const unsigned char *)json_string_value(value);
    size_t size_bytes = json_string_length(value);
    entry->greedy = malloc(size_bytes + 1);
    for (size_t i = 0; entry->greedy && i < size_bytes; i++) {
        unsigned char byte = source[i];
        if (byte >= 0xC4) {
            return false;
        }
        if (byte >= 0xC2) { // jansson has checked that one more byte follows
            byte = (unsigned char)((byte << 6) | (source[++i] & 0x3F));
        }
        entry->greedy[entry->greedy_bytes++] = byte;
    }
    return entry->greedy != NULL;
}

static bool take_entries(gold *g, const json_t *root)
{
    size_t count = json_array_size(root);
    g->entries = count > 0 ? calloc(count, sizeof *g->entries) : NULL;
    if (!g->entries) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        const json_t *prompt = json_object_get(json_array_get(root, i), "prompt");
        const json_t *greedy = json_object_get(json_array_get(root, i), "greedy");
        if (!json_is_string(prompt) || !json_is_string(greedy)) {
            return false;
        }
        gold_entry *entry = &g->entries[g->count++];
        entry->prompt = strdup(json_string_value(prompt));
        if (!entry->prompt || !take_latin1(entry, greedy)) {
            return false;
        }
    }
    return true;
}

bool gold_load(const char *path, gold *out, failure *f)
{
    *out = (gold){0};
    json_error_t error;
    json_t *root = json_load_file(path, 0, &error);
    if (!root) {
        return failure_set(f, EXIT_STATUS_BAD_INPUT, "'%s' cannot be read: %s", path, error.text);
    }
    bool good = take_entries(out, root);
    json_decref(root);
    if (!good) {
        gold_destroy(out);
        return failure_set(f, EXIT_STATUS_BAD_INPUT, "'%s' is no list of prompts and their continuations", path);
    }
    return true;
}

void gold_destroy(gold *g)
{
    for (size_t i = 0; i < g->count; i++) {
        free(g->entries[i].prompt);
        free(g->entries[i].greedy);
    }
    free(g->entries);
    *g = (gold){0};
}

const gold_entry *gold_find(const gold *g, const char *prompt)
{
    for (size_t i = 0; i < g->count; i++) {
        if (strcmp(g->entries[i].prompt, prompt) == 0) {
            return &g->entries[i];
        }
    }
    return NULL;
}
