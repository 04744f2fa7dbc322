// Learned durations. See cost.h.
// Cells are atomics, stored by one thread and loaded by another; nothing is published with them.
#include "schedule/cost.h"

enum {
    WEIGHT = 4,           // the newest duration counts one in so many
    COPY_BYTES_A_NS = 64, // what a transfer is taken to move; a guess that no decision hangs on but for large ones
    OVERLOOKED_SHARE = 2, // a wave so many times as long as anything known in it hides something unknown
};

static _Atomic(uint32_t) *cell_of(const fmi_command *command)
{
    // Every backend's binary begins with its cost (backend.h).
    fmi_cost *cost = (fmi_cost *)(uintptr_t)command->binary;
    if (command->kind == FMI_COMMAND_DISPATCH_INDIRECT) {
        return &cost->ns[FMI_COST_CLASSES];
    }
    uint64_t groups = (uint64_t)command->group_count[0] * command->group_count[1] * command->group_count[2];
    uint32_t class = 63 - (uint32_t)__builtin_clzll(groups | 1);
    return &cost->ns[class < FMI_COST_CLASSES ? class : FMI_COST_CLASSES - 1];
}

static uint32_t known(const fmi_command *command)
{
    return atomic_load_explicit(cell_of(command), memory_order_relaxed);
}

static void store(const fmi_command *command, uint32_t ns)
{
    atomic_store_explicit(cell_of(command), ns ? ns : 1, memory_order_relaxed);
}

// Work on another queue may hold a wave up for long: whatever was measured, a duration at most doubles.
static uint32_t at_most_doubled(uint32_t usual, uint32_t ns)
{
    return ns / 2 < usual ? ns : 2 * usual;
}

// A wave of one dispatch, or of several that are alike. They overlap as far as the device has room, so each takes
// between its share of the wave and the whole of it.
static void learn_alike(const fmi_command *command, uint32_t count, uint32_t ns)
{
    uint32_t usual = known(command);
    if (usual == 0) {
        store(command, ns);
    } else if (count == 1) {
        uint32_t newest = at_most_doubled(usual, ns);
        store(command, newest > usual ? usual + (newest - usual + WEIGHT - 1) / WEIGHT : usual - (usual - ns) / WEIGHT);
    } else if (usual > ns || usual < ns / count) {
        store(command, usual > ns ? ns : at_most_doubled(usual, ns / count));
    }
}

// A wave of different commands: none takes longer than the wave; what is unknown may be what took so long.
static void learn_mixed(fmi_command *const *commands, uint32_t count, uint32_t ns)
{
    uint32_t longest = 0;
    bool transfers = false;
    for (uint32_t i = 0; i < count; i++) {
        bool dispatch = fmi_command_is_dispatch(commands[i]);
        transfers = transfers || !dispatch;
        uint32_t usual = dispatch ? known(commands[i]) : 0;
        longest = usual > longest ? usual : longest;
    }
    bool overlooked = !transfers && (uint64_t)OVERLOOKED_SHARE * longest < ns;
    for (uint32_t i = 0; i < count; i++) {
        if (fmi_command_is_dispatch(commands[i])) {
            uint32_t usual = known(commands[i]);
            if (usual > ns || (usual == 0 && overlooked)) {
                store(commands[i], ns);
            }
        }
    }
}

void fmi_cost_learn(const fmi_batch_plan *plan, _Atomic(uint32_t) *slowest_ns)
{
    uint32_t begin = 0;
    for (uint32_t w = 0; w < plan->wave_count && w < FMI_TIMED_WAVES; w++) {
        fmi_command *const *commands = plan->commands + begin;
        uint32_t count = plan->wave_ends[w] - begin;
        begin = plan->wave_ends[w];
        uint32_t ns = plan->wave_ns[w];
        if (ns == 0) {
            continue;
        }
        bool alike = fmi_command_is_dispatch(commands[0]);
        for (uint32_t i = 1; i < count && alike; i++) {
            alike = fmi_command_is_dispatch(commands[i]) && cell_of(commands[i]) == cell_of(commands[0]);
        }
        if (alike) {
            learn_alike(commands[0], count, ns);
        } else {
            learn_mixed(commands, count, ns);
        }
        for (uint32_t i = 0; i < count; i++) {
            uint32_t usual = fmi_command_is_dispatch(commands[i]) ? known(commands[i]) : 0;
            if (usual > atomic_load_explicit(slowest_ns, memory_order_relaxed)) {
                atomic_store_explicit(slowest_ns, usual, memory_order_relaxed);
            }
        }
    }
}

bool fmi_cost_knows(const fmi_batch_plan *plan)
{
    uint32_t timed = plan->wave_count < FMI_TIMED_WAVES ? plan->wave_count : FMI_TIMED_WAVES;
    for (uint32_t i = 0; timed && i < plan->wave_ends[timed - 1]; i++) {
        if (fmi_command_is_dispatch(plan->commands[i]) && known(plan->commands[i]) == 0) {
            return false;
        }
    }
    return true;
}

uint64_t fmi_cost_of_list(const fmi_list *list, uint32_t slowest_ns, uint64_t matters_ns)
{
    bool only_dispatches = list->dispatch_count == list->command_count;
    if (only_dispatches && (uint64_t)list->dispatch_count * slowest_ns < matters_ns) {
        return (uint64_t)list->dispatch_count * slowest_ns;
    }
    uint64_t ns = 0;
    for (const fmi_command *command = list->first; command; command = command->next) {
        if (fmi_command_is_dispatch(command)) {
            ns += known(command);
        } else if (command->span_count > 0) {
            ns += command->spans[0].size_bytes / COPY_BYTES_A_NS;
        }
    }
    return ns;
}
