// Fibres: the work-items of one workgroup, each on a stack of its own, so that barrier() can leave one in the middle and go on with
// the next. Only kernels that call barrier() come here; all others run in a plain loop (language/print_c.c).
// A set of fibres belongs to one thread, is made at its first such workgroup and freed by it before it ends. No thread-specific key does that:
// a process has few, and one would outlive the library when that is unloaded. Nothing is locked.
#ifndef FMI_BACKEND_HOST_FIBRE_H
#define FMI_BACKEND_HOST_FIBRE_H

#include <stddef.h>
#include <stdint.h>

enum {
    FMI_FIBRE_MOST = 1024,               // work-items in a workgroup (host caps)
    FMI_FIBRE_STACK_BYTES = 64 << 10,    // of one fibre, unless its kernel needs more
    FMI_FIBRE_MOST_BYTES = 320 << 10,    // of one fibre of any kernel
    FMI_FIBRE_RESERVED_BYTES = 16 << 10, // of these, for what a body calls outside of its kernel
};

// Body of a work-item: compiled by libtcc, called with the kernel's state and the work-item's number in its group.
typedef void (*fmi_fibre_item)(void *state, uint32_t number);

// Workgroups that the calling thread runs from now on have stacks of so many bytes or more; a multiple of the page size.
void fmi_fibres_want(uint32_t stack_bytes);

// Runs a workgroup: `item` once for each number below `count`, in step from barrier to barrier. Returns 0; or 1 when the work-items
// did not meet at one barrier, and 2 without memory for stacks: then the rest of the group has not run (fmi_fibre_explain).
// Compiled kernels know it as fm_run_group.
int fmi_fibre_run_group(fmi_fibre_item item, void *state, uint32_t count);

// Frees the calling thread's fibres, if it has any. Every thread that has run a workgroup calls it before it ends.
void fmi_fibres_free(void);

// Called by a body on its fibre: returns when every work-item of the group has called it. `place` says where in the kernel's text it
// stands (FMI_BARRIER_PLACE in base/barrier.h). Compiled kernels know it as fm_barrier_at.
void fmi_fibre_barrier(uint32_t place);

// Why the calling thread's last group failed, as the end of a sentence.
void fmi_fibre_explain(char *text, size_t size);

#endif
