// What commands cost the device: durations learned from the waves of a few batches, kept with each kernel binary by
// size class. An estimate to compose batches by, nothing more: 0 means unknown, and counts as short. Retirement learns,
// the engine's leader asks.
#ifndef FMI_SCHEDULE_COST_H
#define FMI_SCHEDULE_COST_H

#include "record/list.h"

// Learns from a batch that was timed and is complete. Raises `*slowest_ns` to the longest dispatch known. One thread at
// a time.
void fmi_cost_learn(const fmi_batch_plan *plan, _Atomic(uint32_t) *slowest_ns);

// Has each kernel of the batch's waves that can be timed a duration?
bool fmi_cost_knows(const fmi_batch_plan *plan);

// Nanoseconds that the list takes if its commands run one by one; looks at each command only if, by `slowest_ns`, that
// could reach `matters_ns`.
uint64_t fmi_cost_of_list(const fmi_list *list, uint32_t slowest_ns, uint64_t matters_ns);

#endif
