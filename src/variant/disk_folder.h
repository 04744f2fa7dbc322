// The folder of the disk cache: found, made, checked, and kept within its limit. Private to disk.c.
// Trusts a folder only if it is a folder, is ours, and nobody else can write into it. No state; any thread.
#ifndef FMI_VARIANT_DISK_FOLDER_H
#define FMI_VARIANT_DISK_FOLDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// What files under construction are called at first; the others end in FMI_DISK_ENDING.
#define FMI_DISK_TEMPORARY ".tmp-"
#define FMI_DISK_ENDING ".fermata"

// The default folder's path, to be freed; NULL where the environment names none.
char *fmi_disk_folder_default(void);

// Opens the folder, making it and those above it (mode 0700) where they are missing. -1: not usable; `why` gets a sentence.
int fmi_disk_folder_open(const char *path, char *why, size_t why_size_bytes);

// Deletes what a writer left half-done long ago and, if the files have more than `limit_bytes`, the least recently used ones until they
// have three quarters of it. Files of other names are not ours and stay. Returns the bytes of what is left.
uint64_t fmi_disk_folder_trim(int folder, uint64_t limit_bytes);

#endif
