// Ablations: one bit a guard, set by tests. In builds without FERMATA_TESTING each look-up is the constant false, so guards cost nothing.
// Set through fermata/testing.h, read by the rooms whose guard it is; knows no guard itself.
// Also the places between two steps where another thread may come in: a test has itself called there and does what that thread would do.
#ifndef FMI_BASE_ABLATION_H
#define FMI_BASE_ABLATION_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

typedef struct fmi_ablations {
    _Atomic(uint32_t) bits;      // (1 << fm_ablation); relaxed: tests set them before the work
    void (*come_in)(void *user); // called once at `place`; NULL: nobody waits there. One thread, a test's
    void *user;
    uint32_t place; // fm_testing_place
} fmi_ablations;

#ifdef FERMATA_TESTING
#include <fermata/testing.h>
#define FMI_ABLATED(ablations, which)                                                                                  \
    ((ablations) && (atomic_load_explicit(&(ablations)->bits, memory_order_relaxed) >> (which)&1u))
#define FMI_PLACE(ablations, which) fmi_come_in((ablations), (which))

static inline void fmi_come_in(fmi_ablations *ablations, uint32_t place)
{
    if (ablations && ablations->come_in && ablations->place == place) {
        void (*come_in)(void *) = ablations->come_in;
        ablations->come_in = NULL; // once: what it does passes here, too
        come_in(ablations->user);
    }
}
#else
#define FMI_ABLATED(ablations, which) ((void)(ablations), 0)
#define FMI_PLACE(ablations, which) ((void)(ablations))
#endif

#endif
