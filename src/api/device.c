// fermata/device.h: checks, then the device room; what a device is, and its counters.
// Any thread; a close is the last call of all but those with an old pointer.
#include "device/device.h"

#include "base/process.h"
#include "kernel/target.h"

#include <stdio.h>
#include <string.h>

fm_status fm_device_list(fm_device_entry *entries, uint32_t *count)
{
    if (!count) {
        return fmi_fail_in("fm_device_list", FM_ERROR_INVALID_ARGUMENT, "count is NULL");
    }
    fm_status status = fmi_process_check("fm_device_list");
    if (status == FM_OK) {
        status = fmi_device_list(entries, count);
    }
    if (status != FM_OK) {
        fmi_error_in("fm_device_list");
    }
    return status;
}

fm_status fm_device_open(const char *name, const fm_device_info *info, fm_device **out_device)
{
    if (!out_device) {
        return fmi_fail_in("fm_device_open", FM_ERROR_INVALID_ARGUMENT, "out_device is NULL");
    }
    *out_device = NULL;
    return fmi_device_open(name ? name : "auto", info, out_device);
}

fm_status fm_device_close(fm_device **device, uint64_t timeout_ns)
{
    if (!device) {
        return fmi_fail_in("fm_device_close", FM_ERROR_INVALID_ARGUMENT, "device is NULL");
    }
    return *device ? fmi_device_close(device, timeout_ns) : FM_OK;
}

fm_status fm_device_close_force(fm_device **device, uint64_t timeout_ns)
{
    if (!device) {
        return fmi_fail_in("fm_device_close_force", FM_ERROR_INVALID_ARGUMENT, "device is NULL");
    }
    return *device ? fmi_device_close_force(device, timeout_ns) : FM_OK;
}

fm_status fm_device_get_properties(fm_device *device, fm_device_properties *out)
{
    fm_status status = fmi_device_check(device, "fm_device_get_properties");
    if (status != FM_OK) {
        return status;
    }
    if (!out) {
        return fmi_fail_in("fm_device_get_properties", FM_ERROR_INVALID_ARGUMENT, "out is NULL");
    }
    const fmi_backend_caps *caps = &device->caps;
    *out = (fm_device_properties){
        .kind = caps->kind,
        .binding_mode = caps->binding_mode,
        .memory_bytes = caps->memory_bytes,
        .max_binding_bytes = caps->max_binding_bytes,
        .max_group_invocations = caps->max_group_invocations,
        .max_shared_bytes = caps->max_shared_bytes,
        .max_constants_bytes = FMI_MAX_CONSTANTS_BYTES,
        .max_push_constants_bytes = caps->max_push_constants_bytes,
        .import_alignment_bytes = caps->import_alignment_bytes,
        .binding_alignment_bytes = caps->binding_alignment_bytes,
        .dtype_mask = caps->dtype_mask,
        .runs_glsl = fmi_target_of(caps->code_kind)->read_module != NULL,
        .runs_host_functions = caps->takes_host_functions,
        .keeps_subnormals = (caps->float_modes & FMI_FLOAT_SUBNORMALS) != 0,
        .runs_shared_memory = caps->max_shared_bytes > 0,
        .subgroup_size = caps->subgroup_size,
    };
    memcpy(out->max_group_size, caps->max_group_size, sizeof out->max_group_size);
    memcpy(out->max_group_count, caps->max_group_count, sizeof out->max_group_count);
    memcpy(out->name, device->name, sizeof out->name);
    memcpy(out->description, caps->description, sizeof out->description);
    return FM_OK;
}

fm_status fm_device_get_stats(fm_device *device, fm_device_stats *out)
{
    fm_status status = fmi_device_check(device, "fm_device_get_stats");
    if (status != FM_OK) {
        return status;
    }
    if (!out) {
        return fmi_fail_in("fm_device_get_stats", FM_ERROR_INVALID_ARGUMENT, "out is NULL");
    }
    fmi_settle(&device->retirement);
#define LOAD(field) atomic_load_explicit(&(field), memory_order_relaxed)
    const fmi_engine_counters *c = &device->engine.counters;
    const fmi_cache_counters *k = &device->cache.counters;
    *out = (fm_device_stats){
        .commits = LOAD(device->commits),
        .submissions = LOAD(c->submissions),
        .dispatches = LOAD(c->dispatches),
        .transfers = LOAD(c->transfers),
        .waves = LOAD(c->waves),
        .barriers = LOAD(c->barriers),
        .lists_in_flight = LOAD(device->retirement.outstanding),
        .bytes_in_use = LOAD(device->pool.used_bytes),
        .bytes_in_use_peak = LOAD(device->pool.peak_bytes),
        .bytes_reserved = LOAD(device->pool.reserved_bytes),
        .bytes_imported = LOAD(device->imports.bytes),
        .bytes_in_flight = LOAD(device->pool.orphan_bytes),
        .bytes_in_flight_peak = LOAD(device->pool.orphan_peak_bytes),
        .bytes_staging = LOAD(device->pool.staging_reserved_bytes),
        .bytes_staging_peak = LOAD(device->pool.staging_peak_bytes),
        .memory_reuses = LOAD(device->pool.reuses),
        .limit_waits = LOAD(device->limit_waits),
        .full_drains = LOAD(device->full_drains),
        .failures = LOAD(device->retirement.failures.total),
        .failures_dropped = LOAD(device->retirement.failures.dropped),
        .keeper_wakeups = LOAD(device->retirement.keeper.wakeups),
        .kernels_compiled = LOAD(k->compiled),
        .variant_hits = LOAD(k->hits) + fmi_lanes_variant_hits(device->record.lanes),
        .variant_misses = LOAD(k->misses),
        .variant_evictions = LOAD(k->evictions),
        .variants_cached = LOAD(k->entries),
        .variant_bytes_cached = LOAD(k->bytes),
        .disk_hits = LOAD(k->disk_hits),
        .disk_misses = LOAD(k->disk_misses),
        .compile_ns = LOAD(k->compile_ns),
    };
#undef LOAD
    out->bytes_cached = out->bytes_reserved > out->bytes_in_use ? out->bytes_reserved - out->bytes_in_use : 0;
    return FM_OK;
}

fm_status fm_device_trim(fm_device *device, uint64_t *out_bytes)
{
    if (out_bytes) {
        *out_bytes = 0;
    }
    fm_status status = fmi_device_check(device, "fm_device_trim");
    if (status != FM_OK) {
        return status;
    }
    fmi_progress(&device->retirement);
    fmi_record_drop_staging(&device->record);
    uint64_t bytes = fmi_pool_trim(&device->pool);
    if (out_bytes) {
        *out_bytes = bytes;
    }
    return FM_OK;
}

fm_status fm_device_take_failure(fm_device *device, fm_failure *out_failure)
{
    fm_status status = fmi_device_check(device, "fm_device_take_failure");
    if (status != FM_OK) {
        return status;
    }
    if (!out_failure) {
        return fmi_fail_in("fm_device_take_failure", FM_ERROR_INVALID_ARGUMENT, "out_failure is NULL");
    }
    fmi_progress(&device->retirement);
    return fmi_failures_take(&device->retirement.failures, out_failure)
               ? FM_OK
               : fmi_fail_in("fm_device_take_failure", FM_NOT_READY, "there is no failure to take");
}
