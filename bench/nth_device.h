// Finds an open Fermata device for a hand-written floor: floors look for a driver's name, which several devices may share. Header only.
#ifndef FERMATA_BENCH_NTH_DEVICE_H
#define FERMATA_BENCH_NTH_DEVICE_H

#include <fermata/fermata.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

// Which, counted from 0, of its backend's devices that are called alike is the one with these properties? False, with a message on stderr.
static inline bool nth_device(const fm_device_properties *properties, uint32_t *out)
{
    fm_device_entry entries[64];
    uint32_t count = sizeof entries / sizeof entries[0];
    if (fm_device_list(entries, &count) != FM_OK) {
        fprintf(stderr, "fermata-bench: %s\n", fm_last_error());
        return false;
    }
    *out = 0;
    for (uint32_t i = 0; i < count && i < sizeof entries / sizeof entries[0]; i++) {
        if (strcmp(entries[i].name, properties->name) == 0) {
            return true;
        }
        *out += strncmp(entries[i].name, properties->name, strcspn(properties->name, ":")) == 0 &&
                strcmp(entries[i].description, properties->description) == 0;
    }
    return false;
}

#endif
