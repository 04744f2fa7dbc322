// Where a barrier() stands in a kernel's text, in 32 bits: header or body, line, column. The printer writes it into
// generated C, and the host device reads it when work-items miss each other. Lines and columns that do not fit are the
// largest.
#ifndef FMI_BASE_BARRIER_H
#define FMI_BASE_BARRIER_H

#define FMI_BARRIER_IN_HEADER 0x80000000u
#define FMI_BARRIER_LINE(place) ((place) >> 11 & 0xfffffu)
#define FMI_BARRIER_COLUMN(place) ((place)&0x7ffu)
#define FMI_BARRIER_PLACE(in_header, line, column)                                                                     \
    (((in_header) ? FMI_BARRIER_IN_HEADER : 0u) | ((line) < 0xfffffu ? (line) : 0xffffeu) << 11 |                      \
     ((column) < 0x7ffu ? (column) : 0x7ffu))

#endif
