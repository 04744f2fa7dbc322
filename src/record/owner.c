// Entering lists that are not, or no longer, the calling thread's own. See owner.h.
// Why nobody enters beside another: the word changes hands by compare and exchange alone, but for the closing store of whoever is inside. Only
// the thread in the word enters without one, and it looks at the word again once its `inside` is written. Whoever takes the list away
// changes the word, has every thread of the process pass a barrier, and only then makes the list nobody's. So the thread that had it has
// either seen the change and stayed outside, or its `inside` is visible, and whoever enters next sees it, steps back and is told "busy".
// A thread that is held up between its two looks writes `inside` late, when the recorder may serve another list: that one is nobody's
// (SHARED_LISTS), so nobody relies on `inside` there but to step back.
#include "record/owner.h"

#include <pthread.h>
#include <time.h>

#ifdef __linux__
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

enum {
    SHARED_LISTS = 64
}; // after which a recorder whose list was used by two threads tries again: a barrier costs microseconds

_Thread_local char fmi_owner_name;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static _Atomic(bool)
    has_barrier; // set once by `look`, cleared when the barrier fails; relaxed: a late reader only takes the slower way

static bool membarrier(bool registers)
{
#if defined(__linux__) && defined(SYS_membarrier)
    int command = registers ? MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED : MEMBARRIER_CMD_PRIVATE_EXPEDITED;
    return syscall(SYS_membarrier, command, 0, 0) == 0;
#else
    (void)registers;
    return false;
#endif
}

static void look(void)
{
    atomic_store_explicit(&has_barrier, membarrier(true) && membarrier(false), memory_order_relaxed);
}

// Returns when all threads have passed a full barrier since the call.
static void pass_barriers(void)
{
    if (membarrier(false) || (membarrier(true) && membarrier(false))) {
        return;
    }
    // Forbidden since `look` (a sandbox): no list is given to a thread any more, and those that are wait longer than a store stays unseen.
    atomic_store_explicit(&has_barrier, false, memory_order_relaxed);
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

void fmi_owner_open(fmi_owner *owner)
{
    pthread_once(&once, look);
    bool own = atomic_load_explicit(&has_barrier, memory_order_relaxed) && owner->shared_lists == 0;
    owner->shared_lists -= owner->shared_lists > 0;
    // Release: pairs with the acquire of a late caller with the pointer of the list before, which then sees this one.
    atomic_store_explicit(&owner->word, own ? fmi_owner_self() : FMI_OWNER_NOBODY, memory_order_release);
}

// The list is nobody's: enters unless another thread does, or the one that it was taken from is still inside.
static fm_status enter_nobodys(fmi_owner *owner)
{
    uintptr_t self = fmi_owner_self() | FMI_OWNER_INSIDE, word = FMI_OWNER_NOBODY;
    // Acquire: pairs with the release of the last to leave.
    if (!atomic_compare_exchange_strong_explicit(&owner->word, &word, self, memory_order_acquire,
                                                 memory_order_relaxed)) {
        return word == FMI_OWNER_CLOSED ? FM_ERROR_INVALID_ARGUMENT : FM_ERROR_BUSY;
    }
    if (!atomic_load_explicit(&owner->inside, memory_order_acquire)) {
        return FM_OK;
    }
    // Who is inside may close the list meanwhile.
    atomic_compare_exchange_strong_explicit(&owner->word, &self, FMI_OWNER_NOBODY, memory_order_relaxed,
                                            memory_order_relaxed);
    return FM_ERROR_BUSY;
}

fm_status fmi_owner_enter_shared(fmi_owner *owner)
{
    const uintptr_t self = fmi_owner_self();
    // Acquire: who sees a list opened sees the recorder as it then was.
    uintptr_t word = atomic_load_explicit(&owner->word, memory_order_acquire);
    if (word == FMI_OWNER_CLOSED) {
        return FM_ERROR_INVALID_ARGUMENT;
    }
    bool takes = word != FMI_OWNER_NOBODY;
    if (takes) {
        uintptr_t taking = self | FMI_OWNER_TAKING;
        // Its own but inside already: a signal handler. Being entered or taken away: that thread is in a call.
        if (word == self || (word & 3) != 0 || !atomic_compare_exchange_strong(&owner->word, &word, taking)) {
            return FM_ERROR_BUSY;
        }
        pass_barriers();
        // Fails if whoever was inside closed the list meanwhile.
        atomic_compare_exchange_strong(&owner->word, &taking, FMI_OWNER_NOBODY);
    }
    fm_status status = enter_nobodys(owner);
    if (status == FM_OK && takes) {
        owner->shared_lists = SHARED_LISTS;
    }
    return status;
}
