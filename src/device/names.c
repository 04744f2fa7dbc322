// Device names: listing in order of preference, and what "auto", "vulkan" and "vulkan:TEXT" mean.
// Any thread; asks backends for their devices at each call and keeps nothing, so what is installed meanwhile is found.
// A backend that loads drivers is asked only when the name may mean a device of it: a driver can end the program.
#include "device/device.h"

#include "base/process.h"
#include "base/thread.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const fmi_backend_ops *const backends[] = {
#ifdef FMI_HAVE_VULKAN
    &fmi_backend_vulkan,
#endif
#ifdef FMI_HAVE_CUDA
    &fmi_backend_cuda,
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

enum { MOST_BACKENDS = sizeof backends / sizeof backends[0] };

// Everything listed so far, best kind first; equal kinds stay in the backend's order.
typedef struct listing {
    found *items;
    uint32_t count;
    bool out_of_memory;
    const fmi_backend_ops *ops; // the backend being asked
    bool asked[MOST_BACKENDS];  // each once
    bool loaded[MOST_BACKENDS]; // what it loaded for that stays loaded until the listing ends
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

// Lists the devices of one backend, if it has not been asked yet.
static fm_status ask(listing *l, size_t backend)
{
    if (l->asked[backend]) {
        return FM_OK;
    }
    l->asked[backend] = true;
    l->ops = backends[backend];
    if (l->ops->load) {
        fm_status status = l->ops->load(&l->loaded[backend]);
        if (!l->loaded[backend]) {
            return status;
        }
    }
    fmi_float_state environment; // a driver's own threads inherit it
    fmi_float_enter(&environment);
    fm_status status = l->ops->list(visit, l);
    fmi_float_leave(&environment);
    if (status == FM_OK && l->out_of_memory) {
        status = fmi_fail(FM_ERROR_OUT_OF_HOST_MEMORY, "no host memory to list devices");
    }
    return status;
}

static void end_listing(listing *l)
{
    for (size_t i = 0; backends[i]; i++) {
        if (l->loaded[i]) {
            backends[i]->unload();
        }
    }
    free(l->items);
}

fm_status fmi_device_list(fm_device_entry *entries, uint32_t *count)
{
    listing l = {0};
    fm_status status = FM_OK;
    for (size_t i = 0; backends[i] && status == FM_OK; i++) {
        status = ask(&l, i);
    }
    if (status == FM_OK) {
        for (uint32_t i = 0; entries && i < *count && i < l.count; i++) {
            entries[i] = l.items[i].entry;
        }
        *count = l.count;
    }
    end_listing(&l);
    return status;
}

// May `name` mean a device of this backend?
static bool speaks_of(const char *name, const fmi_backend_ops *ops)
{
    size_t length = strlen(ops->prefix);
    return strcmp(name, "auto") == 0 ||
           (strncmp(name, ops->prefix, length) == 0 && (!name[length] || name[length] == ':'));
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

// There is no such device: says which there are, of all backends if the name is of none; else of the one that was asked
// and of those that load nothing.
static fm_status refuse_name(listing *l, const char *name)
{
    bool known = false;
    char why[300] = "";
    for (size_t i = 0; backends[i]; i++) {
        if (l->asked[i] && l->count == 0 && backends[i]->explain) {
            backends[i]->explain(why, sizeof why);
        }
        known = known || l->asked[i];
    }
    for (size_t i = 0; backends[i]; i++) {
        if (!known || !backends[i]->load) {
            fm_status status = ask(l, i);
            if (status != FM_OK) {
                return status;
            }
        }
    }
    char names[1024] = "";
    append_names(names, sizeof names, l);
    return fmi_fail(FM_ERROR_NO_DEVICE, "there is no device '%s'%s%s%s; there are: %s", name, why[0] ? " (" : "", why,
                    why[0] ? ")" : "", names);
}

// Asks the backends that `name` speaks of. One that cannot answer does not keep "auto" from the others.
static fm_status look_for(listing *l, const char *name, const fmi_config *config)
{
    fm_status failed = FM_OK;
    for (size_t i = 0; backends[i]; i++) {
        fm_status status = speaks_of(name, backends[i]) ? ask(l, i) : FM_OK;
        if (status != FM_OK && strcmp(name, "auto") != 0) {
            return status;
        }
        if (status != FM_OK) {
            failed = status;
            char why[256];
            fmi_error_describe(why, sizeof why);
            fmi_device_warn(config, "fm_device_open: no device of kind '%s' can be listed: %s", backends[i]->prefix,
                            why);
        }
    }
    return l->count > 0 ? FM_OK : failed;
}

// Opens the first of the listed devices that `name` means and that opens.
static fm_status open_first(listing *l, const char *name, const fmi_backend_settings *settings, fm_device *device)
{
    bool tried = false;
    fm_status status = FM_ERROR_NO_DEVICE;
    for (uint32_t i = 0; i < l->count && status != FM_OK; i++) {
        if (matches(name, &l->items[i])) {
            tried = true;
            device->ops = l->items[i].ops;
            status = device->ops->open(l->items[i].entry.name, settings, &device->backend, &device->caps);
            snprintf(device->name, sizeof device->name, "%s", l->items[i].entry.name);
        }
    }
    return tried ? status : refuse_name(l, name);
}

fm_status fmi_open_backend(const char *name, const fmi_config *config, fm_device *device)
{
    const fmi_backend_settings settings = {
        .binding_mode = config->info.binding_mode,
        .batches_in_flight = config->info.batches_in_flight,
        .queues = config->info.queues,
        .host_threads = config->info.host_threads,
        .nvrtc = config->info.nvrtc,
    };
#if defined(FMI_HAVE_HOST) && defined(FERMATA_TESTING)
    if (strcmp(name, "manual") == 0) {
        snprintf(device->name, sizeof device->name, "%s", name);
        device->ops = &fmi_backend_manual;
        return device->ops->open(name, &settings, &device->backend, &device->caps);
    }
#endif
    listing l = {0};
    fm_status status = look_for(&l, name, config);
    if (status == FM_OK) {
        status = open_first(&l, name, &settings, device);
    }
    end_listing(&l);
    return status;
}
