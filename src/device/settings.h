// Settings in force: each is resolved once at open, from fm_device_info and what the device is, into the structs that rooms
// take. Pure arithmetic: nothing is read here but its arguments. The opening thread's.
#ifndef FMI_DEVICE_SETTINGS_H
#define FMI_DEVICE_SETTINGS_H

#include "memory/pool.h"
#include "retire/retire.h"
#include "schedule/engine.h"

typedef struct fmi_settings {
    fmi_pool_settings pool;
    fmi_engine_settings engine;
    fmi_retirement_settings retirement;
    uint32_t compile_threads;
    // Committed lists not yet retired before a commit waits.
    uint32_t lists_in_flight;
    // How long it waits.
    uint64_t commit_timeout_ns;
} fmi_settings;

// `info`: with defaults and environment applied (fmi_config_read). `processors`: that this process may use.
fmi_settings fmi_settings_resolve(const fm_device_info *info, const fmi_backend_caps *caps, uint32_t processors);

#endif
