// What the tests of the disk cache share: keys and code that follow from a number, and the ways in which a file gets damaged.
// Included by the test programs alone.
#ifndef FMI_TESTS_DISK_FIXTURE_H
#define FMI_TESTS_DISK_FIXTURE_H

#include "variant/disk_format.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const fmi_disk_identity self = {"0123456789abcde", 7};

static inline fmi_text key_of(uint32_t number)
{
    fmi_text key = {0};
    fmi_text_format(&key, "the key with the number %u", number);
    return key;
}

// Code of a length and of bytes that follow from the number, so that whoever reads it can tell whether it is the right one.
static inline uint8_t *code_of(uint32_t number, size_t size_bytes)
{
    uint8_t *code = malloc(size_bytes);
    for (size_t i = 0; i < size_bytes; i++) {
        code[i] = (uint8_t)((i * 31 + number) * 2654435761u >> 11);
    }
    return code;
}

static inline void put_number(uint8_t *at, uint64_t number)
{
    for (int i = 0; i < 8; i++) {
        at[i] = (uint8_t)(number >> (8 * i));
    }
}

// One kind of damage; returns the size that is left.
static inline size_t damage(uint8_t *bytes, size_t size_bytes, uint32_t kind)
{
    static const uint64_t huge[] = {UINT64_MAX,        UINT64_MAX - 71, (uint64_t)1 << 63,
                                    (uint64_t)1 << 32, 64 << 20,        1 << 20};
    size_t at = (size_t)rand() % size_bytes;
    switch (kind) {
    case 0: return at; // truncated
    case 1: bytes[at] ^= (uint8_t)(1u << (rand() % 8)); return size_bytes;
    case 2: bytes[at] ^= (uint8_t)(1 + rand() % 255); return size_bytes;
    case 3: put_number(bytes + 32 + 8 * (rand() % 3), huge[rand() % 6]); return size_bytes; // a length
    case 4: // a length one off, another one off the other way: the sum is right
        bytes[32]++;
        bytes[40]--;
        return size_bytes;
    case 5: bytes[16 + rand() % 16] ^= 1; return size_bytes;           // another device
    case 6: bytes[12] ^= 1; return size_bytes;                         // another driver
    case 7: bytes[8] ^= 3; return size_bytes;                          // another format
    case 8: memset(bytes + at, 0, size_bytes - at); return size_bytes; // the end never reached the disk
    default:
        for (size_t i = 0; i < size_bytes; i++) {
            bytes[i] = (uint8_t)rand();
        }
        return size_bytes;
    }
}

#endif
