// Leaves the driver out of a measurement: enables the Vulkan layer of null_layer/ for this process.
// Called before the process creates its first Vulkan instance; there is no way back.
#ifndef FERMATA_BENCH_NULL_DRIVER_H
#define FERMATA_BENCH_NULL_DRIVER_H

#include <stdbool.h>

// Tells the Vulkan loader of the layer that lies in ../lib beside this program. False, with a message on stderr: it is not there.
bool null_driver_enable(void);

#endif
