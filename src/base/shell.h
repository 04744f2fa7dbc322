// Shells: type-stable memory for the two public pointer types, fm_device and fm_commands.
// A shell is never unmapped and is reused only after many others, so a call with an old pointer finds a shell that says
// "closed" instead of freed memory. In a child of fork it finds "lost": what belongs to the parent's devices is left alone there; behind
// exit() it finds "ended". The check that every call makes anyway says so. All are freed when the library is unloaded.
// The one process-wide list; guarded by its own lock; any thread.
#ifndef FMI_BASE_SHELL_H
#define FMI_BASE_SHELL_H

#include <stdbool.h>
#include <stddef.h>

typedef enum fmi_shell_kind {
    FMI_SHELL_DEVICE = 0,
    FMI_SHELL_COMMANDS = 1,
    FMI_SHELL_KINDS,
} fmi_shell_kind;

// A shell begins with its state, an _Atomic(uint32_t). Its kind has more values of its own, all of which mean that it is in use.
enum {
    FMI_SHELL_CLOSED = 0,
    FMI_SHELL_USABLE = 1, // in use, and nobody is inside
    FMI_SHELL_ENDED = 14, // exit() has ended what it stands for
    FMI_SHELL_LOST = 15,  // in use where the process was forked from
};

// Takes a shell of `size_bytes` (always the same for one kind). New memory is zeroed; reused memory is as it was given back.
// NULL: out of host memory.
void *fmi_shell_take(fmi_shell_kind kind, size_t size_bytes);

// Gives a shell back. Its state is closed.
void fmi_shell_give(fmi_shell_kind kind, void *shell);

// Does what the shell stands for end when exit() runs, with a driver? No, until it is said. Before the shell is usable.
void fmi_shell_set_ends_at_exit(void *shell, bool ends);

// In a child of fork, its one thread: all that are in use are lost from here on.
void fmi_shells_lose(void);

// When exit() runs: those that end then, and are usable, have ended from here on. Any thread, in a section.
void fmi_shells_end(void);

#endif
