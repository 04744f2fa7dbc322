// Places under the in-flight limit, given in the order in which commits came (RETIRE-4). See wait.h.
// A place is granted by whichever thread makes one free, under the queue's lock, a leaf; so a stream that commits
// without pause cannot keep another from its turn.
#include "retire/retire.h"

void fmi_places_init(fmi_places *places, uint64_t most_bytes)
{
    places->most_bytes = most_bytes;
    places->first = NULL;
    places->end = &places->first;
    pthread_mutex_init(&places->lock, NULL);
}

void fmi_places_destroy(fmi_places *places)
{
    pthread_mutex_destroy(&places->lock);
}

bool fmi_retirement_count_in(fmi_retirement *r, uint32_t limit)
{
    uint32_t outstanding = atomic_load(&r->outstanding);
    while (outstanding < limit) {
        // Sequentially consistent: see the keeper's way to sleep.
        if (atomic_compare_exchange_weak(&r->outstanding, &outstanding, outstanding + 1)) {
            return true;
        }
    }
    return false;
}

bool fmi_places_too_many_bytes(const fmi_retirement *r)
{
    return atomic_load_explicit(&r->record->pool->orphan_bytes, memory_order_relaxed) > r->places.most_bytes;
}

// Counts a list in under both limits. With nothing in flight there is nothing to wait for: a list that keeps more than
// the limit runs alone (LEARNED-15).
static bool enter(fmi_retirement *r, uint32_t limit)
{
    if (fmi_places_too_many_bytes(r) && atomic_load(&r->outstanding) > 0) {
        return false;
    }
    return fmi_retirement_count_in(r, limit);
}

void fmi_places_grant(fmi_retirement *r)
{
    fmi_places *places = &r->places;
    // Store-then-load against fmi_place_wait: the count was lowered before this load, and there it is read after
    // `waiting` was raised.
    if (atomic_load(&places->waiting) == 0) {
        return;
    }
    bool any = false;
    pthread_mutex_lock(&places->lock);
    while (places->first && enter(r, places->first->limit)) {
        fmi_place *place = places->first;
        places->first = place->next;
        if (!places->first) {
            places->end = &places->first;
        }
        atomic_fetch_sub(&places->waiting, 1);
        atomic_store(&place->granted, 1); // last: from here on it is its thread's again
        any = true;
    }
    pthread_mutex_unlock(&places->lock);
    if (any) {
        fmi_waiting_wake(&r->waiting);
    }
}

void fmi_retirement_count_out(fmi_retirement *r)
{
    atomic_fetch_sub(&r->outstanding, 1);
    fmi_places_grant(r);
}

bool fmi_place_take(fmi_retirement *r, uint32_t limit)
{
    return atomic_load(&r->places.waiting) == 0 && enter(r, limit);
}

static bool is_granted(void *context)
{
    const fmi_place *place = context;
    return atomic_load(&place->granted) != 0;
}

// Leaves the queue. False: the place was granted meanwhile.
static bool leave_queue(fmi_places *places, fmi_place *place)
{
    bool waits = false;
    pthread_mutex_lock(&places->lock);
    for (fmi_place **link = &places->first; *link; link = &(*link)->next) {
        if (*link == place) {
            *link = place->next;
            places->end = place->next ? places->end : link;
            atomic_fetch_sub(&places->waiting, 1);
            waits = true;
            break;
        }
    }
    pthread_mutex_unlock(&places->lock);
    return waits;
}

fm_status fmi_place_wait(fmi_retirement *r, uint32_t limit, uint64_t timeout_ns)
{
    fmi_places *places = &r->places;
    fmi_place place = {.limit = limit};
    pthread_mutex_lock(&places->lock);
    *places->end = &place;
    places->end = &place.next;
    atomic_fetch_add(&places->waiting, 1);
    pthread_mutex_unlock(&places->lock);
    fmi_settle(r);       // whoever left something that was retired did not see this thread wait
    fmi_places_grant(r); // one may have come free meanwhile
    fm_status status = fmi_wait_until(r, is_granted, &place, timeout_ns);
    if (status != FM_OK && leave_queue(places, &place)) {
        fmi_places_grant(r); // the next in the queue may ask for less
        return status;
    }
    return FM_OK;
}
