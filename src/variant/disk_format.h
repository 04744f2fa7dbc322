// The envelope of a file in the disk cache: what it is, whose it is, which key it answers, and a checksum seeded by that key.
// Bytes in, bytes out: knows no files. Nothing here trusts what it reads. No state; any thread.
#ifndef FMI_VARIANT_DISK_FORMAT_H
#define FMI_VARIANT_DISK_FORMAT_H

#include "base/text.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    FMI_DISK_FORMAT = 1,             // raised whenever the layout or the meaning of a file changes
    FMI_DISK_LEAST_BYTES = 72,       // an envelope around nothing
    FMI_DISK_MOST_BYTES = 64 << 20,  // larger files are neither written nor read
    FMI_DISK_NAME_BYTES = 32 + 8 + 1 // a file's name with its ending and the zero byte
};

// Whose files they are.
typedef struct fmi_disk_identity {
    uint8_t device_uuid[16];
    uint32_t driver_version;
} fmi_disk_identity;

// What a file holds, beside its key. Pointers are borrowed from whatever was parsed or is to be written.
typedef struct fmi_disk_content {
    const uint8_t *code; // SPIR-V; NULL = none
    size_t code_size_bytes;
    const uint8_t *driver_data; // what the driver wants to have back; NULL = none
    size_t driver_data_size_bytes;
} fmi_disk_content;

// The name of the file for a key: a hash in hexadecimal digits.
void fmi_disk_name(const fmi_disk_identity *identity, const fmi_text *key, char out[FMI_DISK_NAME_BYTES]);

// Appends a whole file. Out of memory shows in `out->failed`.
void fmi_disk_write(fmi_text *out, const fmi_disk_identity *identity, const fmi_text *key,
                    const fmi_disk_content *content);

// Checks a whole file and says where its content lies in `bytes`. False if anything about it is not what fmi_disk_write writes for
// exactly this identity and key.
bool fmi_disk_parse(const uint8_t *bytes, size_t size_bytes, const fmi_disk_identity *identity, const fmi_text *key,
                    fmi_disk_content *out);

#endif
