// The calling convention between generated C kernels and the host backend. Included by both sides' C code; the generated
// source repeats the struct in text (kernel/generate_c.c), because libtcc compiles it without any header.
#ifndef FMI_KERNEL_HOST_ENTRY_H
#define FMI_KERNEL_HOST_ENTRY_H

#include <stdint.h>

// One call: the workgroups [first, last) of a dispatch, numbered x fastest, then y, then z.
typedef struct fmi_host_entry_args {
    void *const *bindings;
    const void *constants;
    uint64_t first;
    uint64_t last;
    uint32_t group_count[3];
} fmi_host_entry_args;

typedef void (*fmi_host_entry)(const fmi_host_entry_args *args);

#endif
