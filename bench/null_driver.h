// Leaves the driver out of a measurement: enables the Vulkan layer of null_layer/ for this process.
// Called before the process creates its first Vulkan instance; there is no way back.
#ifndef FERMATA_BENCH_NULL_DRIVER_H
#define FERMATA_BENCH_NULL_DRIVER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

// When, on the clock of timing.h, the process last called the driver; relaxed. The same in null_layer.c.
typedef struct null_marks {
    _Atomic(uint64_t) begin_ns;     // vkBeginCommandBuffer, on the way in
    _Atomic(uint64_t) end_ns;       // vkEndCommandBuffer, on the way out
    _Atomic(uint64_t) submitted_ns; // vkQueueSubmit, on the way out
} null_marks;

// Tells the Vulkan loader of the layer that lies in ../lib beside this program. False, with a message on stderr: it is not there.
bool null_driver_enable(void);

// The layer's marks, once the loader has loaded it; NULL: it has not.
const null_marks *null_driver_marks(void);

#endif
