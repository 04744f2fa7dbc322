// The end of the process: exit() closes the gate (gate.c), waits for who is in a driver, and has drivers and compilers be destroyed behind that (LAND-4).
// A driver that computes on this machine's processors needs more: it compiles a kernel where it first runs, on a thread of its own, and exit()
// destroys the compiler's objects (lavapipe 22.3: 2 of 80 exits with work in flight ended in libLLVM). So a batch uses such a kernel twice: first
// for no workgroups, with a mark behind that which the device leaves in memory, and exit() waits for the marks. Work in flight is left where it is.
//
// Handlers of exit() run newest first, and objects that a library makes when it is first used register theirs then. So ours is registered again behind
// whatever may have made some, and the first kernel that such a compiler sees is one of ours (trips.c), while the first device is opened. What is
// left open: an exit() of another thread just then.
// One thread exits; any thread opens and creates; one at a time submits.
#include "backend/vulkan/vulkan.h"

#include "base/clock.h"
#include "base/process.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

// How long exit() waits at most for all this together. A call of a hung driver, or a kernel that comes late in a batch which is longer, has no more
// protection than without.
#define PATIENCE_NS UINT64_C(10000000000)

enum {
    MOST_WATCHES = 64, // handlers that are registered; devices are opened without an end
    LOOK_NS = 100000,  // between two looks at a mark
};

// Process-wide, because exit() is. `_by`: 1 more than the process's number (base/process.h), for a child has to begin anew; 0: none. Sequentially
// consistent, never on a hot path.
static struct {
    _Atomic(uint32_t) count;      // handlers registered
    _Atomic(uint32_t) watched_by; // who has something to end
} watch;

static uint32_t this_process(void)
{
    return fmi_process_generation() + 1;
}

// The device's own thread may be in the compiler until it has come by the newest mark.
static void wait_for_marks(fmi_backend *backend, uint64_t deadline_ns)
{
    const _Atomic(uint32_t) *mark = (const _Atomic(uint32_t) *)(const void *)backend->mark.mapped;
    uint32_t wanted = atomic_load_explicit(&backend->marks_submitted, memory_order_relaxed);
    while (mark && atomic_load_explicit(mark, memory_order_acquire) < wanted && fmi_remaining_ns(deadline_ns) > 0) {
        nanosleep(&(struct timespec){.tv_nsec = LOOK_NS}, NULL);
    }
}

// The first of the handlers that exit() comes to does it all. A child of fork has nothing of its parent's to wait for. When the library is unloaded
// this is called as well, behind its destructors.
static void at_exit(void)
{
    if (!fmi_vulkan_watches_exit() || atomic_exchange(&fmi_vulkan_gate_closed, true)) {
        return;
    }
    fmi_process_end();
    const uint64_t deadline_ns = fmi_deadline(PATIENCE_NS);
    (void)fmi_vulkan_gate_drain(deadline_ns, wait_for_marks);
    fmi_process_end_sections(deadline_ns);
    fmi_process_end_done();
}

void fmi_vulkan_watch_exit(void)
{
    if (atomic_exchange(&watch.watched_by, this_process()) != this_process()) {
        atomic_store(&watch.count, 0);
    }
    if (atomic_fetch_add(&watch.count, 1) < MOST_WATCHES) {
        (void)atexit(at_exit); // out of memory: as without
    }
}

bool fmi_vulkan_watches_exit(void)
{
    return atomic_load(&watch.watched_by) == this_process();
}

// When the library is unloaded from a process that goes on nothing is to be ended any more.
static void __attribute__((destructor)) unwatch(void)
{
    if (fmi_process_goes_on()) {
        atomic_store(&watch.watched_by, 0);
    }
}

fm_status fmi_vulkan_make_mark(fmi_backend *backend)
{
    fm_status status = fmi_vulkan_memory_allocate(backend, FMI_VULKAN_FOR_HOST, sizeof(uint32_t), &backend->mark);
    if (status == FM_OK) {
        memset(backend->mark.mapped, 0, sizeof(uint32_t));
        backend->warm = 1;
    }
    return status;
}

void fmi_vulkan_encode_mark(fmi_backend *backend, VkCommandBuffer commands)
{
    VkBuffer buffer = ((const fmi_vulkan_memory *)backend->mark.native)->buffer;
    // Also before the dispatch that follows: the one of no workgroups writes nothing, but nobody is told so.
    fmi_vulkan_encode_barrier(backend, commands, FMI_VULKAN_BOTH, FMI_VULKAN_BOTH);
    backend->vk.vkCmdFillBuffer(commands, buffer, 0, sizeof(uint32_t), ++backend->marks);
}

void fmi_vulkan_forget_marks(fmi_backend *backend)
{
    backend->warm += backend->warm > 0;
}
