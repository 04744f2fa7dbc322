// Hashes. See hash.h.
// The one file that includes xxHash, whose functions are compiled in: nothing is linked, no symbol shows. No state.
#define XXH_INLINE_ALL
#include "base/hash.h"

#include <xxhash.h>

uint64_t fmi_hash64(const void *bytes, size_t size_bytes)
{
    return XXH3_64bits(bytes, size_bytes);
}

void fmi_hash128(const void *bytes, size_t size_bytes, uint64_t seed, uint64_t out[2])
{
    XXH128_hash_t hash = XXH3_128bits_withSeed(bytes, size_bytes, seed);
    out[0] = hash.low64;
    out[1] = hash.high64;
}
