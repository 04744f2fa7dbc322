// Who is inside a command list: one thread at a time, and a second one is told so (THREAD-2).
// Nearly every list is recorded by the thread that began it, so a list is given to that thread: it enters and leaves by plain loads and stores.
// Another thread that comes takes this away for the rest of the list's life, with a barrier in all threads (membarrier), and from then on
// everyone enters by compare and exchange. Where the system has no such barrier, lists are nobody's from the start. Any thread.
#ifndef FMI_RECORD_OWNER_H
#define FMI_RECORD_OWNER_H

#include <fermata/status.h>

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

// What the word of an owner says; a thread's name is 4-byte aligned, and not 0.
#define FMI_OWNER_CLOSED ((uintptr_t)0) // not being recorded
#define FMI_OWNER_NOBODY ((uintptr_t)1) // being recorded, by whoever enters by compare and exchange
// name       given to that thread, which may be inside (`inside`)
// name | 2   being taken away by that thread
// name | 3   entered by that thread, by compare and exchange
#define FMI_OWNER_TAKING ((uintptr_t)2)
#define FMI_OWNER_INSIDE ((uintptr_t)3)

typedef struct fmi_owner {
    _Atomic(uintptr_t) word;
    // 1: the thread that the list is or was given to is inside. It alone writes it, and closing does. Its release pairs with the acquire of
    // whoever enters next.
    _Atomic(uint32_t) inside;
    uint32_t
        shared_lists; // so many more lists are nobody's from the start: a list of this recorder was used by two threads. The opener's
} fmi_owner;

// An address is a thread's name. In the thread's block itself, so that reading it needs no call.
extern _Thread_local char fmi_owner_name __attribute__((tls_model("initial-exec"), visibility("hidden"), aligned(4)));

static inline uintptr_t fmi_owner_self(void)
{
    return (uintptr_t)&fmi_owner_name;
}

// Opens a closed list, which nobody else knows yet, for the calling thread, which is not inside.
void fmi_owner_open(fmi_owner *owner);

// Closes it; the caller is inside, and is not afterwards.
static inline void fmi_owner_close(fmi_owner *owner)
{
    // Release: pairs with the acquire of a late caller, which then sees a closed list and nothing else.
    atomic_store_explicit(&owner->word, FMI_OWNER_CLOSED, memory_order_release);
    atomic_store_explicit(&owner->inside, 0, memory_order_release);
}

// The slow path of fmi_owner_enter.
fm_status fmi_owner_enter_shared(fmi_owner *owner);

// FM_OK: the caller is inside. FM_ERROR_BUSY: another thread is; FM_ERROR_INVALID_ARGUMENT: the list is closed. Sets no last error.
static inline fm_status fmi_owner_enter(fmi_owner *owner)
{
    uintptr_t self = fmi_owner_self();
    if (__builtin_expect(atomic_load_explicit(&owner->word, memory_order_relaxed) == self &&
                             !atomic_load_explicit(&owner->inside, memory_order_acquire),
                         1)) {
        atomic_store_explicit(&owner->inside, 1, memory_order_relaxed);
        // Pairs with the barrier in fmi_owner_enter_shared: either the other thread sees `inside`, or this one that the list is no longer its own.
        atomic_signal_fence(memory_order_seq_cst);
        if (__builtin_expect(atomic_load_explicit(&owner->word, memory_order_relaxed) == self, 1)) {
            return FM_OK;
        }
        atomic_store_explicit(&owner->inside, 0, memory_order_release);
    }
    return fmi_owner_enter_shared(owner);
}

// The caller is inside, and leaves.
static inline void fmi_owner_leave(fmi_owner *owner)
{
    // Both release: the next call, on any thread, sees this one's writes.
    if (__builtin_expect(atomic_load_explicit(&owner->inside, memory_order_relaxed), 1)) {
        atomic_store_explicit(&owner->inside, 0, memory_order_release);
    } else {
        atomic_store_explicit(&owner->word, FMI_OWNER_NOBODY, memory_order_release);
    }
}

#endif
