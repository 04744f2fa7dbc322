// Shells. See shell.h. The lists below are one of the library's few process-wide states: pointer handles outlive their device.
// Called when a device or recorder is made or given up, never on a hot path.
#include "base/shell.h"

#include <pthread.h>
#include <stdlib.h>

enum { KEEP_BEFORE_REUSE = 64 };

// Kept in front of each shell.
typedef struct node {
    struct node *next_free; // in the queue of its kind
    struct node *next_all;  // every shell ever made stays reachable
    _Alignas(64) char shell[];
} node;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; // guards all below
static struct {
    node *all;
    node *oldest, *newest; // queue of free shells
    size_t free_count;
} kinds[FMI_SHELL_KINDS];

void *fmi_shell_take(fmi_shell_kind kind, size_t size_bytes)
{
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
    return n ? n->shell : NULL;
}

void fmi_shell_give(fmi_shell_kind kind, void *shell)
{
    node *n = (node *)((char *)shell - offsetof(node, shell));
    pthread_mutex_lock(&lock);
    n->next_free = NULL;
    if (kinds[kind].free_count++ == 0) {
        kinds[kind].oldest = n;
    } else {
        kinds[kind].newest->next_free = n;
    }
    kinds[kind].newest = n;
    pthread_mutex_unlock(&lock);
}
