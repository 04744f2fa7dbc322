// Settings: defaults, the FERMATA_* environment variables that override them, and their limits.
// Read once at open with secure_getenv; a variable of that prefix that nobody knows is warned about.
#include "device/device.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { DEFAULT_BATCHES = 2, DEFAULT_LISTS = 4096, DEFAULT_VARIANTS = 4096 };
#define DEFAULT_BLOCK_BYTES ((uint64_t)64 << 20)
#define DEFAULT_VARIANT_BYTES ((uint64_t)256 << 20)
#define DEFAULT_MEMORY_CACHE_BYTES ((uint64_t)256 << 20)
#define DEFAULT_DISK_CACHE_BYTES ((uint64_t)256 << 20)
#define DEFAULT_COMMIT_TIMEOUT_NS ((uint64_t)30 * 1000000000u)

// One numeric setting: where it lies in fm_device_info, and what it may be.
typedef struct setting {
    const char *variable;
    const char *field;
    size_t offset;
    bool wide;       // uint64_t; else uint32_t
    uint64_t normal; // what 0 means
    uint64_t least;
    uint64_t most;
} setting;

#define FIELD(name) #name, offsetof(fm_device_info, name)

static const setting settings[] = {
    {"FERMATA_BATCHES_IN_FLIGHT", FIELD(batches_in_flight), false, DEFAULT_BATCHES, 1, FMI_MOST_BATCHES},
    {"FERMATA_QUEUES", FIELD(queues), false, 0, 0, FMI_MOST_QUEUES},
    {"FERMATA_LISTS_IN_FLIGHT", FIELD(lists_in_flight), false, DEFAULT_LISTS, 1, UINT32_MAX / 2},
    {"FERMATA_FAILURES_KEPT", FIELD(failures_kept), false, 64, 1, 65536},
    {"FERMATA_HOST_THREADS", FIELD(host_threads), false, 0, 0, 256},
    {"FERMATA_MEMORY_LIMIT", FIELD(memory_limit_bytes), true, 0, 0, UINT64_MAX},
    {"FERMATA_MEMORY_CACHE", FIELD(memory_cache_bytes), true, DEFAULT_MEMORY_CACHE_BYTES, 1, UINT64_MAX},
    {"FERMATA_IN_FLIGHT_BYTES", FIELD(in_flight_bytes), true, 0, 0, UINT64_MAX},
    {"FERMATA_BLOCK_SIZE", FIELD(block_size_bytes), true, DEFAULT_BLOCK_BYTES, 4096, (uint64_t)1 << 40},
    {"FERMATA_SPIN_NS", FIELD(spin_ns), true, 0, 0, 1000000000u},
    {"FERMATA_GATHER_NS", FIELD(gather_ns), true, 0, 0, 1000000u},
    {"FERMATA_COMMIT_TIMEOUT_NS", FIELD(commit_timeout_ns), true, DEFAULT_COMMIT_TIMEOUT_NS, 1, UINT64_MAX},
    {"FERMATA_COMPILE_THREADS", FIELD(compile_threads), false, 0, 0, FMI_WARMUP_MOST_THREADS},
    {"FERMATA_VARIANT_LIMIT", FIELD(variant_limit), false, DEFAULT_VARIANTS, 1, 1 << 23},
    {"FERMATA_VARIANT_LIMIT_BYTES", FIELD(variant_limit_bytes), true, DEFAULT_VARIANT_BYTES, 1, UINT64_MAX},
    {"FERMATA_CACHE_LIMIT_BYTES", FIELD(cache_limit_bytes), true, DEFAULT_DISK_CACHE_BYTES, 1, UINT64_MAX},
};
#undef FIELD
enum { SETTING_COUNT = sizeof settings / sizeof *settings };

// Settings that are no numbers.
static const char binding_mode_variable[] = "FERMATA_BINDING_MODE";
static const char cache_dir_variable[] = "FERMATA_CACHE_DIR";
static const char nvrtc_variable[] = "FERMATA_NVRTC";
// Names with our prefix that are not settings: the project's own tests and tools read them.
static const char *const other_names[] = {"FERMATA_TEST_"};

void fmi_device_warn(const fmi_config *config, const char *format, ...)
{
    char message[512];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    if (config->info.log) {
        config->info.log(config->info.log_user, message);
    } else {
        fprintf(stderr, "fermata: %s\n", message);
    }
}

static fm_status read_number(const setting *s, const char *text, uint64_t *out)
{
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (errno || end == text || *end || *text < '0' || *text > '9') {
        return fmi_fail_in("fm_device_open", FM_ERROR_INVALID_ARGUMENT, "%s is '%s', not a whole number", s->variable,
                           text);
    }
    *out = value;
    return FM_OK;
}

static fm_status apply(const setting *s, fm_device_info *info)
{
    char *field = (char *)info + s->offset;
    uint64_t value = 0;
    uint32_t narrow = 0;
    if (s->wide) {
        memcpy(&value, field, sizeof value);
    } else {
        memcpy(&narrow, field, sizeof narrow);
        value = narrow;
    }
    const char *text = secure_getenv(s->variable);
    if (text) {
        fm_status status = read_number(s, text, &value);
        if (status != FM_OK) {
            return status;
        }
    }
    value = value ? value : s->normal;
    if (value < s->least || value > s->most) {
        return fmi_fail_in("fm_device_open", FM_ERROR_INVALID_ARGUMENT, "%s%s is %llu; allowed are %llu to %llu",
                           text ? "" : "fm_device_info.", text ? s->variable : s->field, (unsigned long long)value,
                           (unsigned long long)s->least, (unsigned long long)s->most);
    }
    narrow = (uint32_t)value;
    if (s->wide) {
        memcpy(field, &value, sizeof value);
    } else {
        memcpy(field, &narrow, sizeof narrow);
    }
    return FM_OK;
}

static fm_status read_binding_mode(fm_device_info *info)
{
    const char *text = secure_getenv(binding_mode_variable);
    if (text) {
        static const char *const names[] = {"auto", "addresses", "descriptors"};
        uint32_t mode = 0;
        while (mode < 3 && strcmp(text, names[mode]) != 0) {
            mode++;
        }
        info->binding_mode = (fm_binding_mode)mode;
        if (mode == 3) {
            return fmi_fail_in("fm_device_open", FM_ERROR_INVALID_ARGUMENT,
                               "%s is '%s', not auto, addresses or descriptors", binding_mode_variable, text);
        }
    }
    if ((uint32_t)info->binding_mode > FM_BINDING_DESCRIPTORS) {
        return fmi_fail_in("fm_device_open", FM_ERROR_INVALID_ARGUMENT,
                           "fm_device_info.binding_mode is %u, which is unknown", (uint32_t)info->binding_mode);
    }
    return FM_OK;
}

static bool is_named(const char *name, size_t length, const char *variable)
{
    return length == strlen(variable) && memcmp(name, variable, length) == 0;
}

static bool is_known(const char *name, size_t length)
{
    if (is_named(name, length, binding_mode_variable) || is_named(name, length, cache_dir_variable) ||
        is_named(name, length, nvrtc_variable)) {
        return true;
    }
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        if (is_named(name, length, settings[i].variable)) {
            return true;
        }
    }
    for (size_t i = 0; i < sizeof other_names / sizeof *other_names; i++) {
        if (strncmp(name, other_names[i], strlen(other_names[i])) == 0) {
            return true;
        }
    }
    return false;
}

static void warn_about_unknown_names(const fmi_config *config)
{
    for (char **entry = environ; entry && *entry; entry++) {
        const char *equals = strchr(*entry, '=');
        if (equals && strncmp(*entry, "FERMATA_", 8) == 0 && !is_known(*entry, (size_t)(equals - *entry))) {
            fmi_device_warn(config, "environment variable %.*s is not a setting of Fermata", (int)(equals - *entry),
                            *entry);
        }
    }
}

fm_status fmi_config_read(const fm_device_info *info, fmi_config *out)
{
    *out = (fmi_config){0};
    if (info) {
        out->info = *info;
    }
    const char *cache_dir = secure_getenv(cache_dir_variable);
    out->info.cache_dir = cache_dir ? cache_dir : out->info.cache_dir;
    const char *nvrtc = secure_getenv(nvrtc_variable);
    out->info.nvrtc = nvrtc ? nvrtc : out->info.nvrtc;
    fm_status status = read_binding_mode(&out->info);
    for (size_t i = 0; i < SETTING_COUNT && status == FM_OK; i++) {
        status = apply(&settings[i], &out->info);
    }
    if (status == FM_OK) {
        warn_about_unknown_names(out);
    }
    return status;
}
