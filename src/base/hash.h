// Hashes of bytes, by xxHash: to find things and to notice damage, never to prove that two things are equal.
// No state; any thread.
#ifndef FMI_BASE_HASH_H
#define FMI_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

uint64_t fmi_hash64(const void *bytes, size_t size_bytes);

// 128 bits; another seed gives another hash of the same bytes.
void fmi_hash128(const void *bytes, size_t size_bytes, uint64_t seed, uint64_t out[2]);

#endif
