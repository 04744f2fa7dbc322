// Ablations: one bit a guard, set by tests. In builds without FERMATA_TESTING each look-up is the constant false, so guards cost nothing.
// Set through fermata/testing.h, read by the rooms whose guard it is; knows no guard itself.
#ifndef FMI_BASE_ABLATION_H
#define FMI_BASE_ABLATION_H

#include <stdatomic.h>
#include <stdint.h>

typedef struct fmi_ablations {
    _Atomic(uint32_t) bits; // (1 << fm_ablation); relaxed: tests set them before the work
} fmi_ablations;

#ifdef FERMATA_TESTING
#include <fermata/testing.h>
#define FMI_ABLATED(ablations, which)                                                                                  \
    ((ablations) && (atomic_load_explicit(&(ablations)->bits, memory_order_relaxed) >> (which)&1u))
#else
#define FMI_ABLATED(ablations, which) ((void)(ablations), 0)
#endif

#endif
