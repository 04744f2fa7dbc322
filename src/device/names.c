// Device names: listing in order of preference, and what "auto", "vulkan" and "vulkan:TEXT" mean.
// Any thread; asks each backend for its devices and keeps nothing.
#include "device/device.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const fmi_backend_ops *const backends[] = {
#ifdef FMI_HAVE_VULKAN
    &fmi_backend_vulkan,
#endif
#ifdef FMI_HAVE_HOST
    &fmi_backend_host,
#endif
    NULL,
};

typedef struct found {
    fm_device_entry entry;
    const fmi_backend_ops *ops;
} found;

// Everything listed so far, best kind first; equal kinds stay in the backend's order.
typedef struct listing {
    found *items;
    uint32_t count;
    bool out_of_memory;
    const fmi_backend_ops *ops; // the backend being asked
} listing;

static bool visit(void *user, const char *name, const char *description, fm_device_kind kind)
{
    listing *l = user;
    found *items = realloc(l->items, (l->count + 1) * sizeof *items);
    if (!items) {
        l->out_of_memory = true;
        return false;
    }
    l->items = items;
    uint32_t place = l->count++;
    while (place > 0 && items[place - 1].entry.kind > kind) {
        items[place] = items[place - 1];
        place--;
    }
    items[place] = (found){.entry = {.kind = kind}, .ops = l->ops};
    snprintf(items[place].entry.name, sizeof items[place].entry.name, "%s", name);
    snprintf(items[place].entry.description, sizeof items[place].entry.description, "%s", description);
    return true;
}

static fm_status list_all(listing *l)
{
    *l = (listing){0};
    for (size_t i = 0; backends[i]; i++) {
        l->ops = backends[i];
        fm_status status = backends[i]->list(visit, l);
        if (status == FM_OK && l->out_of_memory) {
            status = fmi_fail(FM_ERROR_OUT_OF_HOST_MEMORY, "no host memory to list devices");
        }
        if (status != FM_OK) {
            free(l->items);
            return status;
        }
    }
    return FM_OK;
}

fm_status fm_device_list(fm_device_entry *entries, uint32_t *count)
{
    if (!count) {
        return fmi_fail(FM_ERROR_INVALID_ARGUMENT, "fm_device_list: count is NULL");
    }
    listing l;
    fm_status status = list_all(&l);
    if (status != FM_OK) {
        fmi_error_prefix("fm_device_list");
        return status;
    }
    for (uint32_t i = 0; entries && i < *count && i < l.count; i++) {
        entries[i] = l.items[i].entry;
    }
    *count = l.count;
    free(l.items);
    return FM_OK;
}

// Does `name` mean this device?
static bool matches(const char *name, const found *f)
{
    const char *prefix = f->ops->prefix;
    size_t length = strlen(prefix);
    if (strcmp(name, "auto") == 0 || strcmp(name, prefix) == 0 || strcmp(name, f->entry.name) == 0) {
        return true;
    }
    if (strncmp(name, prefix, length) != 0 || name[length] != ':' || !name[length + 1]) {
        return false;
    }
    const char *text = name + length + 1;
    if (strspn(text, "0123456789") == strlen(text)) {
        return false; // a number names exactly one device
    }
    return strcasestr(f->entry.description, text) != NULL;
}

static void append_names(char *text, size_t size, const listing *l)
{
    for (uint32_t i = 0; i < l->count; i++) {
        size_t used = strlen(text);
        snprintf(text + used, size - used, "%s%s (%s)", i ? ", " : "", l->items[i].entry.name,
                 l->items[i].entry.description);
    }
}

fm_status fmi_open_backend(const char *name, const fmi_config *config, fm_device *device)
{
    fmi_backend_settings settings = {config->info.binding_mode, config->info.batches_in_flight, config->info.queues,
                                     config->info.host_threads};
#if defined(FMI_HAVE_HOST) && defined(FERMATA_TESTING)
    if (strcmp(name, "manual") == 0) {
        snprintf(device->name, sizeof device->name, "%s", name);
        device->ops = &fmi_backend_manual;
        return device->ops->open(name, &settings, &device->backend, &device->caps);
    }
#endif
    listing l;
    fm_status status = list_all(&l);
    if (status != FM_OK) {
        return status;
    }
    bool tried = false;
    status = FM_ERROR_NO_DEVICE;
    for (uint32_t i = 0; i < l.count && status != FM_OK; i++) {
        if (matches(name, &l.items[i])) {
            tried = true;
            device->ops = l.items[i].ops;
            status = device->ops->open(l.items[i].entry.name, &settings, &device->backend, &device->caps);
            snprintf(device->name, sizeof device->name, "%s", l.items[i].entry.name);
        }
    }
    if (!tried) {
        char names[1024] = "";
        append_names(names, sizeof names, &l);
        bool vulkan = strncmp(name, "vulkan", 6) == 0 && !strstr(names, "vulkan");
        status = fmi_fail(FM_ERROR_NO_DEVICE, "there is no device '%s'%s; there are: %s", name,
                          vulkan ? " (no Vulkan driver was found)" : "", names);
    }
    free(l.items);
    return status;
}
