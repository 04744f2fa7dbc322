// Shells. See shell.h. The lists below are one of the library's few process-wide states: pointer handles outlive their device.
// Called when a device or recorder is made or given up, never on a hot path.
#include "base/shell.h"

#include "base/process.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

enum { KEEP_BEFORE_REUSE = 64 };

// Kept in front of each shell.
typedef struct node {
    struct node *next_free; // in the queue of its kind
    struct node *next_all;  // every shell ever made stays reachable
    bool ends_at_exit;
    _Alignas(64) char shell[];
} node;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; // guards all below; held in a section
static struct {
    node *all;
    node *oldest, *newest; // queue of free shells
    size_t free_count;
} kinds[FMI_SHELL_KINDS];

void *fmi_shell_take(fmi_shell_kind kind, size_t size_bytes)
{
    fmi_process_enter();
    pthread_mutex_lock(&lock);
    node *n = NULL;
    if (kinds[kind].free_count > KEEP_BEFORE_REUSE) {
        n = kinds[kind].oldest;
        kinds[kind].oldest = n->next_free;
        kinds[kind].free_count--;
    } else {
        size_t total = (offsetof(node, shell) + size_bytes + 63) & ~(size_t)63;
        n = aligned_alloc(64, total);
        if (n) {
            __builtin_memset(n, 0, total);
            n->next_all = kinds[kind].all;
            kinds[kind].all = n;
        }
    }
    pthread_mutex_unlock(&lock);
    fmi_process_leave();
    return n ? n->shell : NULL;
}

void fmi_shell_give(fmi_shell_kind kind, void *shell)
{
    node *n = (node *)((char *)shell - offsetof(node, shell));
    fmi_process_enter();
    pthread_mutex_lock(&lock);
    n->next_free = NULL;
    if (kinds[kind].free_count++ == 0) {
        kinds[kind].oldest = n;
    } else {
        kinds[kind].newest->next_free = n;
    }
    kinds[kind].newest = n;
    pthread_mutex_unlock(&lock);
    fmi_process_leave();
}

static _Atomic(uint32_t) *state_of(node *n)
{
    return (_Atomic(uint32_t) *)(void *)n->shell;
}

static bool in_use(node *n)
{
    uint32_t state = atomic_load_explicit(state_of(n), memory_order_relaxed);
    return state != FMI_SHELL_CLOSED && state != FMI_SHELL_LOST;
}

void fmi_shells_lose(void)
{
    for (int kind = 0; kind < FMI_SHELL_KINDS; kind++) {
        for (node *n = kinds[kind].all; n; n = n->next_all) {
            if (in_use(n)) {
                atomic_store_explicit(state_of(n), FMI_SHELL_LOST, memory_order_relaxed);
            }
        }
    }
}

void fmi_shell_set_ends_at_exit(void *shell, bool ends)
{
    node *n = (node *)((char *)shell - offsetof(node, shell));
    fmi_process_enter();
    pthread_mutex_lock(&lock);
    n->ends_at_exit = ends;
    pthread_mutex_unlock(&lock);
    fmi_process_leave();
}

void fmi_shells_end(void)
{
    pthread_mutex_lock(&lock);
    for (int kind = 0; kind < FMI_SHELL_KINDS; kind++) {
        for (node *n = kinds[kind].all; n; n = n->next_all) {
            uint32_t usable = FMI_SHELL_USABLE;
            if (n->ends_at_exit) {
                // Relaxed: nothing is published with it.
                atomic_compare_exchange_strong_explicit(state_of(n), &usable, FMI_SHELL_ENDED, memory_order_relaxed,
                                                        memory_order_relaxed);
            }
        }
    }
    pthread_mutex_unlock(&lock);
}

static bool any_in_use(void)
{
    for (int kind = 0; kind < FMI_SHELL_KINDS; kind++) {
        for (node *n = kinds[kind].all; n; n = n->next_all) {
            if (in_use(n)) {
                return true;
            }
        }
    }
    return false;
}

// When the library is unloaded there are no calls any more, so no pointer is old. A device that is still open is left alone.
static void __attribute__((destructor)) free_all(void)
{
    if (!fmi_process_goes_on() || any_in_use()) {
        return;
    }
    for (int kind = 0; kind < FMI_SHELL_KINDS; kind++) {
        for (node *n = kinds[kind].all, *next; n; n = next) {
            next = n->next_all;
            free(n);
        }
    }
}
