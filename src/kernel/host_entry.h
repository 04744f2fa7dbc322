// The calling convention between generated C kernels and the host backend. Included by both sides' C code; the generated
// source repeats the struct in text (language/print_c.c), because libtcc compiles it without any header.
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

// Returns 0; or, when a workgroup failed (its work-items did not meet at a barrier), its number + 1: those behind it have not run.
typedef uint64_t (*fmi_host_entry)(const fmi_host_entry_args *args);

// Where a barrier() stands in the user's text, in 32 bits: header or body, line, column. Lines and columns that do not fit are the largest.
#define FMI_BARRIER_IN_HEADER 0x80000000u
#define FMI_BARRIER_LINE(place) ((place) >> 11 & 0xfffffu)
#define FMI_BARRIER_COLUMN(place) ((place)&0x7ffu)
#define FMI_BARRIER_PLACE(in_header, line, column)                                                                     \
    (((in_header) ? FMI_BARRIER_IN_HEADER : 0u) | ((line) < 0xfffffu ? (line) : 0xffffeu) << 11 |                      \
     ((column) < 0x7ffu ? (column) : 0x7ffu))

#endif
