// How much memory of its own each work-item of a module asks for: the sizes of its functions' variables, read from SPIR-V. Vulkan has no limit to ask
// for; a driver that has one answers VK_ERROR_UNKNOWN when the pipeline is created, and the sentence about it needs the number.
// Walks a module that is valid. No state; any thread.
#include "backend/vulkan/vulkan.h"

#include <spirv_cross/spirv.h>
#include <stdlib.h>

enum { HEADER_WORDS = 5 };

// What is known of an id: bytes of a type, or the number that a constant is.
static uint64_t measure(const uint64_t *known, const uint32_t *at, uint32_t length)
{
    switch (at[0] & SpvOpCodeMask) {
    case SpvOpTypeBool: return 4;
    case SpvOpTypeInt:
    case SpvOpTypeFloat: return at[2] / 8;
    case SpvOpTypeVector: return known[at[2]] * at[3];
    case SpvOpTypeArray: return known[at[2]] * known[at[3]];
    case SpvOpTypePointer: return 8;
    case SpvOpTypeStruct: {
        uint64_t sum = 0;
        for (uint32_t i = 2; i < length; i++) {
            sum += known[at[i]];
        }
        return sum;
    }
    default: return 0;
    }
}

uint64_t fmi_vulkan_private_bytes(const uint32_t *words, size_t size_bytes)
{
    size_t count = size_bytes / sizeof *words;
    uint32_t bound = count > HEADER_WORDS ? words[3] : 0;
    uint64_t *known = calloc((size_t)bound + 1, sizeof *known), sum = 0;
    uint32_t *pointee = calloc((size_t)bound + 1, sizeof *pointee); // of pointer types
    for (size_t at = HEADER_WORDS; known && pointee && at < count && words[at] >> SpvWordCountShift;
         at += words[at] >> SpvWordCountShift) {
        const uint32_t *op = words + at;
        uint32_t code = op[0] & SpvOpCodeMask, length = op[0] >> SpvWordCountShift;
        if (code == SpvOpConstant) {
            known[op[2]] = op[3];
        } else if (code == SpvOpVariable && (op[3] == SpvStorageClassFunction || op[3] == SpvStorageClassPrivate)) {
            sum += known[pointee[op[1]]];
        } else if (code >= SpvOpTypeVoid && code <= SpvOpTypePointer) {
            known[op[1]] = measure(known, op, length);
            pointee[op[1]] = code == SpvOpTypePointer ? op[3] : 0;
        }
    }
    free(known);
    free(pointee);
    return sum;
}
