// For tests only: switches that take one guard away each, and a device that executes when told.
// Exists only in builds with FERMATA_TESTING=ON; without it these functions are not there. Not included by fermata.h.
#ifndef FERMATA_TESTING_H
#define FERMATA_TESTING_H

#include <fermata/fermata.h>

#ifdef __cplusplus
extern "C" {
#endif

// One guard each (ABLATE-1). All are off at open.
typedef enum fm_ablation {
    FM_ABLATE_HOLD_BUFFERS = 0,    // lists do not hold buffers after the commit (HOLD-1)
    FM_ABLATE_HOLD_KERNELS = 1,    // lists hold neither kernels nor variants after the commit (HOLD-1)
    FM_ABLATE_HOLD_IN_BIND = 2,    // only what a kernel declares as written is held, inputs are not (HOLD-2)
    FM_ABLATE_FREE_AFTER_DONE = 3, // a batch lets go of everything when it is submitted (RETIRE-1)
    FM_ABLATE_READ_OWN_LIST = 4,   // a read waits for what is in flight, not for its own list (READ-1)
    FM_ABLATE_BARRIERS = 5,        // hazards are not looked at: no barrier between dependent commands (LEARNED-13)
    FM_ABLATE_ORDERED_PUBLISH = 6, // complete batches are published newest first (LEARNED-1)
    FM_ABLATE_KEEP_FAILURES = 7,   // a failed list leaves no trace (READ-5)
    FM_ABLATE_RETIRE_ON_READ = 8,  // a read learns of completion but lets go of nothing (READ-4)
    FM_ABLATE_WAIT_FOR_OLDEST = 9, // at the in-flight limit a commit waits until nothing is in flight (RETIRE-4)
    FM_ABLATE_DEATH_POINTS = 10,   // memory that lists still use is handed out as if it were free (HOLD-6, LEARNED-5)
    FM_ABLATE_DONATION_KEEPS_HOLD = 11, // donation takes the memory away from the lists that hold the input (HOLD-5)
    FM_ABLATE_KEEP_EVERY_FAILURE = 12,  // of several failures only the first is kept (LEARNED-7)
    FM_ABLATE_WHOLE_KEY = 13,           // a variant is looked up by its kernel's name alone (KEY-2)
    FM_ABLATE_EVICT_UNHELD = 14,        // an evicted variant is destroyed at once, held or not (KEY-3)
    FM_ABLATE_COMPILE_ONCE = 15,        // a thread does not look whether another is making the same variant (KEY-4)
    FM_ABLATE_QUEUE_WAITS = 16,         // a batch does not wait for other queues' batches (LEARNED-13)
    FM_ABLATE_COUNT = 17,
} fm_ablation;

// Takes a guard away (`on` = 1) or gives it back.
// Parameters: `device`; `ablation`; `on`. Errors: FM_ERROR_INVALID_ARGUMENT, FM_ERROR_CLOSED.
// Thread-safety: any thread, before the work that it should affect. Lifetime: until the device is closed (ABLATE-1).
FM_API fm_status fm_testing_ablate(fm_device *device, fm_ablation ablation, int on);

// Runs up to `most` commands on a device opened as "manual" and stores how many ran. Before each, checks that what it touches is held.
// Parameters: `device`; `most`; `out_count`, may be NULL. Errors: FM_ERROR_UNSUPPORTED (not a manual device), FM_ERROR_CLOSED.
// Thread-safety: one thread. Lifetime: completion is published by the next call that asks for it, as on any device (RETIRE-5).
FM_API fm_status fm_testing_step(fm_device *device, uint32_t most, uint32_t *out_count);

// Has waits run a manual device: whoever would block runs one command instead. Without it a wait on a manual device runs out of time.
// Parameters: `device`; `on`. Errors: FM_ERROR_UNSUPPORTED, FM_ERROR_CLOSED. Thread-safety: one thread. Lifetime: until switched off.
FM_API fm_status fm_testing_step_in_waits(fm_device *device, int on);

// Chooses in which order a manual device runs the commands of one wave: 0 recorded, 1 reversed, else shuffled by the seed.
// Parameters: `device`; `seed`. Errors: FM_ERROR_UNSUPPORTED, FM_ERROR_CLOSED. Thread-safety: one thread. Lifetime: from the next batch on.
FM_API fm_status fm_testing_set_order(fm_device *device, uint64_t seed);

// Has a manual device say how long each wave of a batch took when it is asked; the first batch of each queue and every sixteenth are, so
// a test can teach a kernel to be long (40000 ns or more) with the first batch, and its lists then go to other queues than short ones.
// Parameters: `device`; `ns`, nanoseconds a wave, 0 (as at open): it says nothing. Errors: FM_ERROR_UNSUPPORTED, FM_ERROR_CLOSED.
// Thread-safety: one thread. Lifetime: for batches whose last command runs from now on.
FM_API fm_status fm_testing_set_wave_ns(fm_device *device, uint32_t ns);

// Has a manual device refuse native allocations that would bring it above `size_bytes` in all, as a driver does that has no more memory.
// Parameters: `device`; `size_bytes`, 0 (as at open): none is refused. Errors: FM_ERROR_UNSUPPORTED, FM_ERROR_CLOSED.
// Thread-safety: one thread. Lifetime: for allocations from now on.
FM_API fm_status fm_testing_limit_memory(fm_device *device, uint64_t size_bytes);

// Runs the completion callbacks that are due; a manual device has no keeper thread that would.
// Parameters: `device`. Errors: FM_ERROR_UNSUPPORTED, FM_ERROR_CLOSED. Thread-safety: one thread. Lifetime: each runs once.
FM_API fm_status fm_testing_run_callbacks(fm_device *device);

// How often a manual device was wronged: commands that touched memory or a kernel that nothing held any more, blocks and kernels given
// back while commands that had not run named them, commands that ran before one of another queue that was submitted before and conflicts
// with them. 0 unless a guard is missing (HOLD-1, RETIRE-1, LEARNED-13).
// Parameters: `device`; `out_count`, filled. Errors: FM_ERROR_INVALID_ARGUMENT, FM_ERROR_CLOSED. Thread-safety: one thread. Lifetime: a copy.
FM_API fm_status fm_testing_violations(fm_device *device, uint64_t *out_count);

// Has a manual device refuse the next `count` submits with `answer`: nothing of those batches runs.
// Parameters: `device`; `count`, 0 takes it back; `answer`, an error other than FM_ERROR_DEVICE_LOST. Errors: FM_ERROR_INVALID_ARGUMENT,
// FM_ERROR_UNSUPPORTED, FM_ERROR_CLOSED. Thread-safety: one thread. Lifetime: until so many were refused (LEARNED-8).
FM_API fm_status fm_testing_refuse_submits(fm_device *device, uint32_t count, fm_status answer);

// Fails the list of the command that the next step would run, as a failing host function would; the rest of the list will not run.
// Parameters: `device`. Errors: FM_NOT_READY (nothing is to run), FM_ERROR_UNSUPPORTED, FM_ERROR_CLOSED. Thread-safety: one thread.
// Lifetime: that list alone (READ-5).
FM_API fm_status fm_testing_fail_list(fm_device *device);

// Loses a manual device: it reports no completion and takes no batch any more. Steps still run what was in flight, as on a real device
// whose driver gave up, until the close has quiesced it: nothing may be freed before (LEARNED-9).
// Parameters: `device`. Errors: FM_ERROR_UNSUPPORTED, FM_ERROR_CLOSED. Thread-safety: one thread. Lifetime: until the device is closed.
FM_API fm_status fm_testing_lose_device(fm_device *device);

// What a manual device tells an observer.
typedef enum fm_testing_event {
    FM_TESTING_RAN = 0,       // a command ran; the text is its innermost label, NULL if none
    FM_TESTING_COMPLETED = 1, // the last command of a batch ran and the device reports it; no text
    FM_TESTING_FAILED = 2,    // fm_testing_fail_list failed a list; the text is the label of the command that was next
    FM_TESTING_REFUSED = 3,   // a batch was not taken: its label for each command; once without text if there is none
    FM_TESTING_VIOLATED = 4,  // counted by fm_testing_violations; the text is a sentence
} fm_testing_event;

typedef void (*fm_testing_observer)(void *user, fm_testing_event event, const char *text);

// Has `observer` told of every event of a manual device, on the thread that causes it; it must not call Fermata.
// Parameters: `device`; `observer`, NULL for none; `user`, passed to it. Errors: FM_ERROR_UNSUPPORTED, FM_ERROR_CLOSED.
// Thread-safety: one thread. Lifetime: until replaced; also told during fm_device_close.
FM_API fm_status fm_testing_observe(fm_device *device, fm_testing_observer observer, void *user);

// A place between two steps of a call, where another thread may come in.
typedef enum fm_testing_place {
    FM_TESTING_BOUND = 0,   // a list holds a buffer and has not told its memory that it uses it
    FM_TESTING_PUSHED = 1,  // a commit has queued its list and has not told its buffers' memory
    FM_TESTING_NO_ROOM = 2, // a request for memory has found none and has not looked yet at what is in flight
} fm_testing_place;

// Has `come_in` called once, by the next call that reaches `place`: what it does there is what another thread might do at that moment.
// Parameters: `device`; `place`; `come_in`, may call Fermata, NULL takes it back; `user`, passed to it.
// Errors: FM_ERROR_INVALID_ARGUMENT (no such place), FM_ERROR_CLOSED. Thread-safety: one thread. Lifetime: until it was called.
FM_API fm_status fm_testing_come_in(fm_device *device, fm_testing_place place, void (*come_in)(void *user), void *user);

#ifdef __cplusplus
}
#endif

#endif
