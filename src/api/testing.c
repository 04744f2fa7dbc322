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
        return fmi_fail_in("fm_testing_ablate", FM_ERROR_INVALID_ARGUMENT, "ablation %u is unknown",
                           (uint32_t)ablation);
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
        status = fmi_fail_in(caller, FM_ERROR_UNSUPPORTED, "'%s' is not a manual device", device->name);
    }
    return status;
}

// What of the command is not held by anything: NULL if every range that it touches is memory in use, at the place where
// the command expects it, and its kernel is not destroyed.
static const char *find_violation(const fm_device *device, const fmi_command *command)
{
    if (command->binary && fmi_manual_is_destroyed(command->binary)) {
        return "a command uses a kernel that was destroyed";
    }
    for (uint32_t i = 0; i < command->span_count; i++) {
        const fmi_span *span = &command->spans[i];
        const fmi_memory *memory = fmi_ranges_find(&device->pool.ranges, span->region);
        if (!memory || !memory->block || memory->is_free) {
            return "a command uses memory that nothing holds";
        }
        if (&memory->block->native != span->block || span->offset_bytes < memory->offset_bytes ||
            span->offset_bytes + span->size_bytes > memory->offset_bytes + memory->size_bytes) {
            return "a command uses memory that was its buffer's and is not any more";
        }
    }
    return NULL;
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
        const char *violation = find_violation(device, command);
        if (!violation) {
            fmi_manual_step(device->backend);
        } else {
            device->violations++;
            fmi_manual_tell(device->backend, FM_TESTING_VIOLATED, violation);
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

fm_status fm_testing_set_wave_ns(fm_device *device, uint32_t ns)
{
    fm_status status = check_manual(device, "fm_testing_set_wave_ns");
    if (status == FM_OK) {
        fmi_manual_set_wave_ns(device->backend, ns);
    }
    return status;
}

fm_status fm_testing_limit_memory(fm_device *device, uint64_t size_bytes)
{
    fm_status status = check_manual(device, "fm_testing_limit_memory");
    if (status == FM_OK) {
        fmi_manual_limit_memory(device->backend, size_bytes);
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
        return fmi_fail_in("fm_testing_violations", FM_ERROR_INVALID_ARGUMENT, "out_count is NULL");
    }
    *out_count = device->violations + (device->caps.manual ? fmi_manual_violations(device->backend) : 0);
    return FM_OK;
}

fm_status fm_testing_refuse_submits(fm_device *device, uint32_t count, fm_status answer)
{
    fm_status status = check_manual(device, "fm_testing_refuse_submits");
    if (status == FM_OK && (answer >= 0 || answer == FM_ERROR_DEVICE_LOST)) {
        status = fmi_fail_in("fm_testing_refuse_submits", FM_ERROR_INVALID_ARGUMENT, "%s is no error of a submit",
                             fm_status_name(answer));
    }
    if (status == FM_OK) {
        fmi_manual_refuse_submits(device->backend, count, answer);
    }
    return status;
}

fm_status fm_testing_fail_list(fm_device *device)
{
    fm_status status = check_manual(device, "fm_testing_fail_list");
    if (status == FM_OK && !fmi_manual_fail_list(device->backend)) {
        status = fmi_answer(FM_NOT_READY);
    }
    return status;
}

fm_status fm_testing_lose_device(fm_device *device)
{
    fm_status status = check_manual(device, "fm_testing_lose_device");
    if (status == FM_OK) {
        fmi_manual_lose(device->backend);
    }
    return status;
}

fm_status fm_testing_observe(fm_device *device, fm_testing_observer observer, void *user)
{
    fm_status status = check_manual(device, "fm_testing_observe");
    if (status == FM_OK) {
        fmi_manual_set_observer(device->backend, observer, user);
    }
    return status;
}

fm_status fm_testing_come_in(fm_device *device, fm_testing_place place, void (*come_in)(void *user), void *user)
{
    fm_status status = fmi_device_check(device, "fm_testing_come_in");
    if (status == FM_OK && (uint32_t)place > FM_TESTING_NO_ROOM) {
        status = fmi_fail_in("fm_testing_come_in", FM_ERROR_INVALID_ARGUMENT, "place %u is unknown", (uint32_t)place);
    }
    if (status == FM_OK) {
        device->ablations.user = user;
        device->ablations.place = (uint32_t)place;
        device->ablations.come_in = come_in;
    }
    return status;
}
