// The calling convention between generated C kernels and the host backend. Included by both sides' C code; the
// generated source repeats the struct in text (language/print_c.c), because libtcc compiles it without any header.
#ifndef FMI_BACKEND_HOST_ENTRY_H
#define FMI_BACKEND_HOST_ENTRY_H

#include <stdint.h>

// One call: the workgroups [first, last) of a dispatch, numbered x fastest, then y, then z.
typedef struct fmi_host_entry_args {
    void *const *bindings;
    const void *constants;
    uint64_t first;
    uint64_t last;
    uint32_t group_count[3];
} fmi_host_entry_args;

// Returns 0; or, when a workgroup failed (its work-items did not meet at a barrier), its number + 1: those behind it
// have not run.
typedef uint64_t (*fmi_host_entry)(const fmi_host_entry_args *args);

#endif
