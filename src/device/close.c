// Closing: takes the rooms down from the top when nothing is left to do, and says what is left when something is. By
// force, what is not on the device is given up first. One thread closes a device; nothing else of it runs meanwhile,
// but calls that record when it is by force.
#include "device/device.h"

#include "base/clock.h"
#include "base/shell.h"
#include "base/thread.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { MOST_NAMED = 4 }; // lists that a sentence names

static bool all_done(fm_device *device)
{
    if (device->retirement.keeper.absent) {
        fmi_keeper_run_due(&device->retirement);
    }
    return atomic_load(&device->retirement.outstanding) == 0 && !fmi_keeper_has_callbacks(&device->retirement) &&
           atomic_load(&device->retirement.outstanding) == 0 && // a callback may have committed more
           !fmi_host_points_owe(&device->retirement);
}

// Waits until there is nothing left to do. Callbacks may run and commit meanwhile, so it looks by itself.
static fm_status drain(fm_device *device, uint64_t timeout_ns)
{
    uint64_t deadline = fmi_deadline(timeout_ns);
    for (;;) {
        fmi_progress(&device->retirement);
        if (all_done(device)) {
            return FM_OK;
        }
        uint64_t left = fmi_remaining_ns(deadline);
        if (left == 0) {
            return FM_TIMEOUT;
        }
        fmi_wait_a_moment(&device->retirement, left);
    }
}

static void take_down(fm_device *device)
{
    // Release: later calls see a closed device before anything is gone.
    atomic_store_explicit(&device->state, FMI_DEVICE_CLOSED, memory_order_release);
    fmi_float_state environment;
    fmi_float_enter(&environment);
    fmi_warmup_destroy(&device->warmup); // its threads use kernels
    if (device->ops->quiesce) {
        device->ops->quiesce(
            device->backend); // a lost device's work may still run: nothing is freed before that is over (LEARNED-9)
    }
    atomic_store(&device->closing, 1);
    fmi_retirement_destroy(&device->retirement);
    fmi_engine_destroy(&device->engine);
    fmi_record_room_destroy(&device->record);
    fmi_device_destroy_tables(device);
    fmi_pool_destroy(&device->pool);
    device->ops->close(device->backend);
    fmi_float_leave(&environment);
    fmi_device_run_releases(device);
    fmi_shell_give(FMI_SHELL_DEVICE, device);
}

// Is a thread of this process gone? Another thread may have its number by then: then it is not known to be.
static bool has_ended(int thread)
{
    return syscall(SYS_tgkill, getpid(), thread, 0) != 0;
}

static void append_list(char *text, size_t size_bytes, const fm_commands *commands)
{
    size_t used = strlen(text);
    const char *more = used ? ", " : "";
    fmi_phrase named = fmi_named("list", commands->list->label);
    if (commands->thread == fmi_lane_thread()) {
        snprintf(text + used, size_bytes - used, "%s%s begun by this thread", more, named.text);
    } else {
        snprintf(text + used, size_bytes - used, "%s%s begun by thread %d%s", more, named.text, commands->thread,
                 has_ended(commands->thread) ? ", which has ended" : "");
    }
}

// "2 command lists are being recorded (list 'x' begun by thread 12, which has ended, an unlabelled list begun by this
// thread)". The caller's threads use none of them meanwhile.
static void describe_recorded(fm_device *d, char *out, size_t size_bytes)
{
    char names[MOST_NAMED * (sizeof(fmi_phrase) + 64)] = "";
    uint32_t count = 0;
    for (fm_commands *c = atomic_load(&d->record.made); c; c = c->next_made) {
        uint32_t idle = FMI_RECORDER_IDLE;
        if (atomic_compare_exchange_strong(&c->state, &idle, FMI_RECORDER_INSIDE)) {
            if (count++ < MOST_NAMED) {
                append_list(names, sizeof names, c);
            }
            atomic_store(&c->state, FMI_RECORDER_IDLE);
        } else {
            count += idle == FMI_RECORDER_INSIDE;
        }
    }
    snprintf(out, size_bytes, "%u command list%s being recorded%s%s%s%s", count, count == 1 ? " is" : "s are",
             names[0] ? " (" : "", names, count > MOST_NAMED ? " and others" : "", names[0] ? ")" : "");
}

static fm_status refuse_recorded(fm_device *d)
{
    char what[sizeof((fmi_error_state *)0)->cause / 2];
    describe_recorded(d, what, sizeof what);
    return fmi_fail_in("fm_device_close", FM_ERROR_BUSY,
                       "%s; commit or cancel first, or fm_device_close_force gives them up", what);
}

static fm_status refuse_unfinished(fm_device *d, fm_status status, uint64_t timeout_ns, const char *caller)
{
    uint32_t lists = atomic_load(&d->retirement.outstanding);
    return fmi_fail_in(caller, status, "after %llu ns %u command list%s not complete%s", (unsigned long long)timeout_ns,
                       lists, lists == 1 ? " is" : "s are", fmi_host_points_blame(&d->retirement).text);
}

// What every close begins with.
static fm_status check(fm_device *device, const char *caller)
{
    fm_status status = fmi_device_check(device, caller);
    if (status == FM_OK && !device->retirement.keeper.absent &&
        pthread_equal(pthread_self(), device->retirement.keeper.thread)) {
        status = fmi_fail_in(caller, FM_ERROR_BUSY, "called from a completion callback");
    }
    return status;
}

fm_status fmi_device_close(fm_device **device, uint64_t timeout_ns)
{
    fm_device *d = *device;
    fm_status status = check(d, "fm_device_close");
    if (status != FM_OK) {
        return status;
    }
    if (fmi_lanes_recording(d->record.lanes) > 0) {
        return refuse_recorded(d);
    }
    status = drain(d, timeout_ns);
    if (status != FM_OK) {
        return refuse_unfinished(d, status, timeout_ns, "fm_device_close");
    }
    if (fmi_lanes_recording(d->record.lanes) > 0) { // begun by a callback meanwhile
        return refuse_recorded(d);
    }
    take_down(d);
    *device = NULL;
    return FM_OK;
}

// Gives up every list that is being recorded. Calls of other threads inside one end first; false: one has not until the
// deadline.
static bool drop_recorded(fm_device *d, uint64_t deadline)
{
    while (fmi_lanes_recording_now(d->record.lanes) > 0) {
        for (fm_commands *c = atomic_load(&d->record.made); c; c = c->next_made) {
            uint32_t idle = FMI_RECORDER_IDLE;
            // Acquire: pairs with the release in fmi_recorder_leave, as if this were the list's next call.
            if (atomic_compare_exchange_strong_explicit(&c->state, &idle, FMI_RECORDER_INSIDE, memory_order_acquire,
                                                        memory_order_relaxed)) {
                fmi_recorder_give_up(c);
            }
        }
        if (fmi_lanes_recording_now(d->record.lanes) > 0 && fmi_remaining_ns(deadline) == 0) {
            return false;
        }
        sched_yield();
    }
    return true;
}

static fm_status give_up(fm_device *d, uint64_t timeout_ns)
{
    uint64_t deadline = fmi_deadline(timeout_ns);
    if (!drop_recorded(d, deadline)) {
        return fmi_fail_in("fm_device_close_force", FM_TIMEOUT,
                           "after %llu ns another thread is still inside a command list",
                           (unsigned long long)timeout_ns);
    }
    if (!fmi_engine_cancel_all(&d->engine)) {
        return fmi_fail_in("fm_device_close_force", FM_TIMEOUT,
                           "another thread is giving work to the driver, which does not "
                           "return");
    }
    fmi_host_points_cancel(&d->retirement); // behind the lists, or those that wait for one would fail because of it
    fm_status status = drain(d, fmi_remaining_ns(deadline));
    return status == FM_OK ? FM_OK : refuse_unfinished(d, status, timeout_ns, "fm_device_close_force");
}

fm_status fmi_device_close_force(fm_device **device, uint64_t timeout_ns)
{
    fm_device *d = *device;
    fm_status status = check(d, "fm_device_close_force");
    if (status != FM_OK) {
        return status;
    }
    // Nothing is begun or committed from here on, not even by callbacks.
    atomic_store_explicit(&d->state, FMI_DEVICE_CLOSING, memory_order_release);
    status = give_up(d, timeout_ns);
    if (status != FM_OK) {
        atomic_store_explicit(&d->state, FMI_DEVICE_OPEN, memory_order_release);
        return status;
    }
    take_down(d);
    *device = NULL;
    return FM_OK;
}
