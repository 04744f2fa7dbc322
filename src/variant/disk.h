// The disk cache: what compilers and the driver made for a key, kept in files for the next process.
// A file is an envelope (disk_format.h) under a name that is a hash. Everything that is wrong with folder or files means "not there"; nothing
// of a wrong file is handed on. Any number of threads and processes share a folder: files appear whole, by a rename.
#ifndef FMI_VARIANT_DISK_H
#define FMI_VARIANT_DISK_H

#include "variant/disk_format.h"

typedef struct fmi_disk fmi_disk;

// A file's bytes and what they hold.
typedef struct fmi_disk_record {
    uint8_t *bytes; // owned; NULL = none
    fmi_disk_content content;
} fmi_disk_record;

// What `fmi_disk_create` needs to know.
typedef struct fmi_disk_info {
    const char *
        folder; // NULL: "fermata" in the XDG cache folder; "": no disk cache; a relative path is warned about and not used
    uint64_t limit_bytes;
    fmi_disk_identity identity;
    void (*warn)(void *user,
                 const char
                     *sentence); // told, at most once, why there is no disk cache, or why nothing new gets into it
    void *warn_user;             // borrowed
} fmi_disk_info;

// NULL where there is to be no disk cache, or no host memory for one. Touches no file: the folder is made when it is first needed.
fmi_disk *fmi_disk_create(const fmi_disk_info *info);

// Closes and nulls; NULL is allowed.
void fmi_disk_destroy(fmi_disk **disk);

// Reads the file for a key and notes its use. False: there is none, or it is not to be trusted. Any thread.
bool fmi_disk_load(fmi_disk *disk, const fmi_text *key, fmi_disk_record *out);
void fmi_disk_release(fmi_disk_record *record);

// Writes, or replaces, the file for a key; then deletes the least recently used files over the limit. Failure leaves what was there,
// and is warned about once. Any thread.
void fmi_disk_store(fmi_disk *disk, const fmi_text *key, const fmi_disk_content *content);

#endif
