// Settings in force. See settings.h.
// What a device is decides what a field of 0 means where that differs: spinning pays beside a GPU, and costs a device that
// computes on this machine's processors.
#include "device/settings.h"

#define GPU_SPIN_NS UINT64_C(2000000)
#define GPU_GATHER_NS UINT64_C(12000)

// More compiling threads than this gain little: drivers have their own.
enum { USUAL_COMPILE_THREADS = 4 };

// A duration of which 0 is the device's own, and 1 is none.
static uint64_t resolve_ns(uint64_t given, uint64_t on_gpu, bool on_cpu)
{
    if (given == 0) {
        return on_cpu ? 0 : on_gpu;
    }
    return given == 1 ? 0 : given;
}

fmi_settings fmi_settings_resolve(const fm_device_info *info, const fmi_backend_caps *caps, uint32_t processors)
{
    uint64_t limit = info->memory_limit_bytes ? info->memory_limit_bytes : caps->memory_bytes;
    uint64_t spin_ns = resolve_ns(info->spin_ns, GPU_SPIN_NS, caps->on_cpu);
    uint32_t usual = processors < USUAL_COMPILE_THREADS ? processors : USUAL_COMPILE_THREADS;
    return (fmi_settings){
        .pool = {.limit_bytes = limit,
                 .cache_bytes = info->memory_cache_bytes,
                 .block_size_bytes = info->block_size_bytes},
        .engine = {.depth = info->batches_in_flight,
                   .queue_count = caps->queue_count,
                   .gather_ns = resolve_ns(info->gather_ns, GPU_GATHER_NS, caps->on_cpu),
                   .times_rarely = caps->on_cpu || caps->times_are_dear},
        .retirement = {.spin_ns = spin_ns,
                       .waits_directly = caps->on_cpu && caps->queue_count == 1 && spin_ns == 0,
                       .has_keeper = !caps->manual,
                       .failures_kept = info->failures_kept,
                       .most_bytes = info->in_flight_bytes ? info->in_flight_bytes : limit / 4},
        .compile_threads = info->compile_threads ? info->compile_threads : usual,
        .lists_in_flight = info->lists_in_flight,
        .commit_timeout_ns = info->commit_timeout_ns,
    };
}
