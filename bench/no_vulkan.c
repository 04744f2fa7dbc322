// Stands in for the hand-written floors in builds without Vulkan: there is no Vulkan device, so nobody opens one.
#include "contender.h"
#include "lifetime.h"
#include "null_driver.h"
#include "record.h"
#include "transfer.h"

#include <stddef.h>

bool null_driver_enable(void)
{
    return true; // nothing to leave out
}

const null_marks *null_driver_marks(void)
{
    return NULL;
}

raw_record *raw_record_open(const char *description, uint32_t nth)
{
    (void)description;
    (void)nth;
    return NULL;
}

void raw_record_close(raw_record *raw)
{
    (void)raw;
}

record_side raw_record_side(raw_record *raw)
{
    (void)raw;
    return (record_side){0};
}

bool raw_record_driver_is_nulled(const raw_record *raw)
{
    (void)raw;
    return true;
}

bool contender_open_vulkan(const contender_device *device, const workload *work, contender_wanted wanted,
                           const void *context, contender **out, uint32_t *count)
{
    (void)device;
    (void)work;
    (void)wanted;
    (void)context;
    (void)out;
    (void)count;
    return true; // none to add
}

raw_lifetime *raw_lifetime_open(const char *description, uint32_t nth, uint64_t poll_ns)
{
    (void)description;
    (void)nth;
    (void)poll_ns;
    return NULL;
}

void raw_lifetime_close(raw_lifetime *raw)
{
    (void)raw;
}

bool raw_lifetime_allocate(raw_lifetime *raw, uint64_t size_bytes)
{
    (void)raw;
    (void)size_bytes;
    return false;
}

bool raw_lifetime_reuse(raw_lifetime *raw)
{
    (void)raw;
    return false;
}

bool raw_lifetime_finish(raw_lifetime *raw)
{
    (void)raw;
    return false;
}

bool raw_lifetime_prepare_read(raw_lifetime *raw, uint64_t size_bytes)
{
    (void)raw;
    (void)size_bytes;
    return false;
}

bool raw_lifetime_read(raw_lifetime *raw, uint64_t size_bytes, void *destination)
{
    (void)raw;
    (void)size_bytes;
    (void)destination;
    return false;
}

raw_transfer *raw_transfer_open(const char *description, uint32_t nth, uint64_t poll_ns, uint64_t size_bytes)
{
    (void)description;
    (void)nth;
    (void)poll_ns;
    (void)size_bytes;
    return NULL;
}

void raw_transfer_close(raw_transfer *raw)
{
    (void)raw;
}

bool raw_transfer_up(raw_transfer *raw, uint64_t size_bytes, const void *source)
{
    (void)raw;
    (void)size_bytes;
    (void)source;
    return false;
}

bool raw_transfer_down(raw_transfer *raw, uint64_t size_bytes, void *destination)
{
    (void)raw;
    (void)size_bytes;
    (void)destination;
    return false;
}
