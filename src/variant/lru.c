// The order in which variants leave the cache. See cache.h.
// A use only notes its moment in the variant, because uses are many and on every thread; the order is put right here,
// when one must go. Moments are counted in insertions: variants used since the same insertion are equally recent.
#include "variant/cache.h"

static void link_behind(fmi_lru *lru, fmi_variant *variant, fmi_variant *newer)
{
    variant->newer = newer;
    variant->older = newer ? newer->older : lru->newest;
    *(newer ? &newer->older : &lru->newest) = variant;
    *(variant->older ? &variant->older->newer : &lru->oldest) = variant;
}

void fmi_lru_add_locked(fmi_lru *lru, fmi_variant *variant)
{
    variant->queued_tick = atomic_load_explicit(&variant->used_tick, memory_order_relaxed);
    // Newer than nearly all: the walk is over those used at the same moment or later.
    fmi_variant *newer = NULL;
    for (fmi_variant *v = lru->newest; v && v->queued_tick > variant->queued_tick; v = v->older) {
        newer = v;
    }
    link_behind(lru, variant, newer);
}

void fmi_lru_remove_locked(fmi_lru *lru, fmi_variant *variant)
{
    *(variant->newer ? &variant->newer->older : &lru->newest) = variant->older;
    *(variant->older ? &variant->older->newer : &lru->oldest) = variant->newer;
    variant->newer = variant->older = NULL;
}

fmi_variant *fmi_lru_oldest_locked(fmi_lru *lru)
{
    for (fmi_variant *variant = lru->oldest; variant; variant = lru->oldest) {
        if (atomic_load_explicit(&variant->used_tick, memory_order_relaxed) == variant->queued_tick) {
            return variant;
        }
        // Used since it was queued. No moment is later than the last insertion, so each is moved once at most.
        fmi_lru_remove_locked(lru, variant);
        fmi_lru_add_locked(lru, variant);
    }
    return NULL;
}
