// The functions of fermata/testing.h. Only in builds with FERMATA_TESTING.
// One thread, a test's; see the header for each function.
#include "device/device.h"

#include "backend/manual/manual.h"

#include <fermata/testing.h>

fm_status fm_testing_ablate(fm_device *device, fm_ablation ablation, int on)
{
    fm_status status = fmi_device_check(device, "fm_testing_ablate");
    if (status != FM_OK) {
        return status;
    }
    if ((uint32_t)ablation >= FM_ABLATE_COUNT) {
        return fmi_fail(FM_ERROR_INVALID_ARGUMENT, "fm_testing_ablate: ablation %u is unknown", (uint32_t)ablation);
    }
    uint32_t bit = 1u << ablation;
    if (on) {
        atomic_fetch_or_explicit(&device->ablations.bits, bit, memory_order_relaxed);
    } else {
        atomic_fetch_and_explicit(&device->ablations.bits, ~bit, memory_order_relaxed);
    }
    return FM_OK;
}

static fm_status check_manual(const fm_device *device, const char *caller)
{
    fm_status status = fmi_device_check(device, caller);
    if (status == FM_OK && !device->caps.manual) {
        status = fmi_fail(FM_ERROR_UNSUPPORTED, "%s: '%s' is not a manual device", caller, device->name);
    }
    return status;
}

// Is every range that the command touches memory of an object that someone holds, and its kernel not destroyed?
static bool is_held(const fm_device *device, const fmi_command *command)
{
    if (command->binary && fmi_manual_is_destroyed(command->binary)) {
        return false;
    }
    for (uint32_t i = 0; i < command->span_count; i++) {
        const fmi_span *span = &command->spans[i];
        const fmi_memory *memory = fmi_ranges_find(&device->pool.ranges, span->region);
        if (!memory || !memory->block || memory->is_free || &memory->block->native != span->block ||
            span->offset_bytes < memory->offset_bytes ||
            span->offset_bytes + span->size_bytes > memory->offset_bytes + memory->size_bytes) {
            return false;
        }
    }
    return true;
}

fm_status fm_testing_step(fm_device *device, uint32_t most, uint32_t *out_count)
{
    fm_status status = check_manual(device, "fm_testing_step");
    if (status != FM_OK) {
        return status;
    }
    uint32_t count = 0;
    const fmi_command *command;
    while (count < most && (command = fmi_manual_peek(device->backend)) != NULL) {
        if (is_held(device, command)) {
            fmi_manual_step(device->backend);
        } else {
            device->violations++;
            fmi_manual_skip(device->backend); // a real device would read or write memory that is someone else's by now
        }
        count++;
    }
    if (out_count) {
        *out_count = count;
    }
    return FM_OK;
}

static void step_once(void *device)
{
    fm_testing_step(device, 1, NULL);
}

fm_status fm_testing_step_in_waits(fm_device *device, int on)
{
    fm_status status = check_manual(device, "fm_testing_step_in_waits");
    if (status == FM_OK) {
        fmi_manual_set_waiter(device->backend, on ? step_once : NULL, device);
    }
    return status;
}

fm_status fm_testing_set_order(fm_device *device, uint64_t seed)
{
    fm_status status = check_manual(device, "fm_testing_set_order");
    if (status == FM_OK) {
        fmi_manual_set_order(device->backend, seed);
    }
    return status;
}

fm_status fm_testing_run_callbacks(fm_device *device)
{
    fm_status status = check_manual(device, "fm_testing_run_callbacks");
    if (status == FM_OK) {
        fmi_keeper_run_due(&device->retirement);
    }
    return status;
}

fm_status fm_testing_violations(fm_device *device, uint64_t *out_count)
{
    fm_status status = fmi_device_check(device, "fm_testing_violations");
    if (status != FM_OK) {
        return status;
    }
    if (!out_count) {
        return fmi_fail(FM_ERROR_INVALID_ARGUMENT, "fm_testing_violations: out_count is NULL");
    }
    *out_count = device->violations;
    return FM_OK;
}
