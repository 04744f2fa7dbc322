// Writes and checks envelopes. See disk_format.h.
// Layout, numbers little-endian: magic (8), format (4), driver version (4), device UUID (16), key, code and driver data bytes
// (8 each), then key, code, driver data, then the checksum (16) of all before it, seeded by a hash of the key. The key is there in full, so
// that two keys of one file name are told apart (KEY-2). No state; any thread.
#include "variant/disk_format.h"

#include "base/hash.h"

#include <stdio.h>
#include <string.h>

static const uint8_t magic[8] = "FERMATA";

enum { HEADER_BYTES = 56, CHECKSUM_BYTES = 16 };

_Static_assert(HEADER_BYTES + CHECKSUM_BYTES == FMI_DISK_LEAST_BYTES, "an envelope is a header and a checksum");

static void put_number(uint8_t *out, uint64_t number, int bytes)
{
    for (int i = 0; i < bytes; i++) {
        out[i] = (uint8_t)(number >> (8 * i));
    }
}

static uint64_t get_number(const uint8_t *bytes, int count)
{
    uint64_t number = 0;
    for (int i = 0; i < count; i++) {
        number |= (uint64_t)bytes[i] << (8 * i);
    }
    return number;
}

static void sum(const void *bytes, size_t size_bytes, const fmi_text *key, uint8_t out[CHECKSUM_BYTES])
{
    uint64_t hash[2];
    fmi_hash128(bytes, size_bytes, fmi_hash64(key->data, key->length), hash);
    put_number(out, hash[0], 8);
    put_number(out + 8, hash[1], 8);
}

// Everything of the header but the three lengths.
static void write_identity(uint8_t header[HEADER_BYTES], const fmi_disk_identity *identity)
{
    memcpy(header, magic, sizeof magic);
    put_number(header + 8, FMI_DISK_FORMAT, 4);
    put_number(header + 12, identity->driver_version, 4);
    memcpy(header + 16, identity->device_uuid, sizeof identity->device_uuid);
}

void fmi_disk_name(const fmi_disk_identity *identity, const fmi_text *key, char out[FMI_DISK_NAME_BYTES])
{
    uint8_t header[HEADER_BYTES] = {0};
    uint64_t seed, hash[2];
    write_identity(header, identity);
    seed = fmi_hash64(header, sizeof header);
    fmi_hash128(key->data, key->length, seed, hash);
    snprintf(out, FMI_DISK_NAME_BYTES, "%016llx%016llx.fermata", (unsigned long long)hash[0],
             (unsigned long long)hash[1]);
}

void fmi_disk_write(fmi_text *out, const fmi_disk_identity *identity, const fmi_text *key,
                    const fmi_disk_content *content)
{
    uint8_t header[HEADER_BYTES], checksum[CHECKSUM_BYTES];
    size_t begin = out->length;
    write_identity(header, identity);
    put_number(header + 32, key->length, 8);
    put_number(header + 40, content->code_size_bytes, 8);
    put_number(header + 48, content->driver_data_size_bytes, 8);
    fmi_text_append(out, (const char *)header, sizeof header);
    fmi_text_append(out, key->data, key->length);
    if (content->code_size_bytes) {
        fmi_text_append(out, (const char *)content->code, content->code_size_bytes);
    }
    if (content->driver_data_size_bytes) {
        fmi_text_append(out, (const char *)content->driver_data, content->driver_data_size_bytes);
    }
    if (!out->failed) {
        sum(out->data + begin, out->length - begin, key, checksum);
        fmi_text_append(out, (const char *)checksum, sizeof checksum);
    }
}

bool fmi_disk_parse(const uint8_t *bytes, size_t size_bytes, const fmi_disk_identity *identity, const fmi_text *key,
                    fmi_disk_content *out)
{
    *out = (fmi_disk_content){0};
    if (size_bytes < FMI_DISK_LEAST_BYTES || size_bytes > FMI_DISK_MOST_BYTES) {
        return false;
    }
    uint8_t header[HEADER_BYTES], checksum[CHECKSUM_BYTES];
    write_identity(header, identity);
    uint64_t key_bytes = get_number(bytes + 32, 8);
    uint64_t code_bytes = get_number(bytes + 40, 8);
    uint64_t driver_bytes = get_number(bytes + 48, 8);
    // Each length is checked against what is left, so that no sum of lengths can wrap.
    uint64_t left = size_bytes - FMI_DISK_LEAST_BYTES;
    if (memcmp(bytes, header, 32) != 0 || key_bytes != key->length || key_bytes > left ||
        code_bytes > left - key_bytes || driver_bytes != left - key_bytes - code_bytes) {
        return false;
    }
    const uint8_t *rest = bytes + HEADER_BYTES;
    sum(bytes, size_bytes - CHECKSUM_BYTES, key, checksum);
    if (memcmp(rest, key->data, key->length) != 0 ||
        memcmp(bytes + size_bytes - CHECKSUM_BYTES, checksum, CHECKSUM_BYTES) != 0) {
        return false;
    }
    *out = (fmi_disk_content){
        .code = code_bytes ? rest + key_bytes : NULL,
        .code_size_bytes = (size_t)code_bytes,
        .driver_data = driver_bytes ? rest + key_bytes + code_bytes : NULL,
        .driver_data_size_bytes = (size_t)driver_bytes,
    };
    return true;
}
