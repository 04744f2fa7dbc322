// The manual device: a host device that executes only when a test says so, one command at a time, on the calling thread.
// Only in builds with FERMATA_TESTING. It makes every race a matter of call order: what a real device might do late, early or
// side by side, the test does on purpose. Opened by its exact name "manual"; never listed, never chosen by "auto".
#ifndef FMI_BACKEND_MANUAL_H
#define FMI_BACKEND_MANUAL_H

#include "backend/backend.h"

#include <fermata/testing.h>

// The command that the next step would run; NULL if the device has nothing to do. One thread.
const fmi_command *fmi_manual_peek(fmi_backend *backend);

// Runs that command. When it is the last of its batch, the batch is complete. One thread.
void fmi_manual_step(fmi_backend *backend);

// Passes over that command without running it.
void fmi_manual_skip(fmi_backend *backend);

// Chooses in which order the commands of a wave run: 0 is recorded order, 1 is reversed, others are shuffled by that seed.
void fmi_manual_set_order(fmi_backend *backend, uint64_t seed);

// From now on, says that each wave of a timed batch took so long; 0: says nothing.
void fmi_manual_set_wave_ns(fmi_backend *backend, uint32_t ns);

// Refuses native allocations above so many bytes in all; 0: none.
void fmi_manual_limit_memory(fmi_backend *backend, uint64_t size_bytes);

// Has waits run the device: each blocking wait calls `run` once, which steps. NULL: waits only look.
void fmi_manual_set_waiter(fmi_backend *backend, void (*run)(void *user), void *user);

// Refuses the next `count` submits with `status`; nothing of them runs.
void fmi_manual_refuse_submits(fmi_backend *backend, uint32_t count, fm_status status);

// Fails the list of the command that the next step would run; what is left of the list will not run. False: nothing is to run.
bool fmi_manual_fail_list(fmi_backend *backend);

// Loses the device: no completion is reported any more and nothing is taken. What is in flight may still be stepped, as on a real
// device whose driver gave up, until it is quiesced.
void fmi_manual_lose(fmi_backend *backend);

// A range of memory came back to the pool: nothing that has not run may name it.
void fmi_manual_watch_free(fmi_backend *backend, const fmi_block *block, uint64_t offset_bytes, uint64_t size_bytes);

// Memory that came back, blocks that were freed and kernels that were destroyed while commands that had not run named them; commands that
// ran before one of another queue that they conflict with and that was taken before.
uint64_t fmi_manual_violations(fmi_backend *backend);

// Has `observer` told of every event; NULL: of none. Called without a lock of this device.
void fmi_manual_set_observer(fmi_backend *backend, fm_testing_observer observer, void *user);

// Tells the observer.
void fmi_manual_tell(fmi_backend *backend, fm_testing_event event, const char *text);

// Kernel binaries that were destroyed are kept, marked, until the device closes, so that a test can see one being used. True:
// this one was destroyed.
bool fmi_manual_is_destroyed(const fmi_kernel_binary *binary);

#endif
