// Finding, making and trimming the folder. See disk_folder.h.
// Other processes may add and delete files at any time: whatever is gone when it is its turn was deleted by somebody else.
#include "variant/disk_folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { TEMPORARY_LIFE_S = 600 }; // a writer takes milliseconds

char *fmi_disk_folder_default(void)
{
    // Not getenv: in a program with raised rights the caller's environment must not choose where it writes.
    const char *base = secure_getenv("XDG_CACHE_HOME");
    const char *middle = "";
    if (!base || base[0] != '/') { // relative paths are to be ignored, says the XDG specification
        base = secure_getenv("HOME");
        middle = "/.cache";
    }
    char path[PATH_MAX];
    if (!base || base[0] != '/' || snprintf(path, sizeof path, "%s%s/fermata", base, middle) >= PATH_MAX) {
        return NULL;
    }
    return strdup(path);
}

// Makes every missing folder of a path. Returns why that failed, 0 if it did not: what is not there then shows when the last is opened.
static int make_folders(const char *path)
{
    char part[PATH_MAX];
    size_t length = strlen(path);
    int cause = 0;
    for (size_t i = 1; i <= length && i < sizeof part; i++) {
        if (path[i] == '/' || path[i] == 0) {
            memcpy(part, path, i);
            part[i] = 0;
            if (mkdir(part, 0700) != 0 && errno != EEXIST && !cause) {
                cause = errno; // of the first: what should be in it cannot be there, either
            }
        }
    }
    return cause;
}

int fmi_disk_folder_open(const char *path, char *why, size_t why_size_bytes)
{
    // A relative one would be another folder in each working directory, perhaps one in which others plant files.
    if (path[0] != '/') {
        snprintf(why, why_size_bytes, "the kernel cache folder '%s' is not an absolute path: nothing is kept on disk",
                 path);
        return -1;
    }
    int cause = make_folders(path);
    int folder = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct stat info;
    if (folder < 0 || fstat(folder, &info) != 0) {
        snprintf(why, why_size_bytes, "the kernel cache folder '%s' cannot be opened: %s", path,
                 strerror(errno == ENOENT && cause ? cause : errno));
    } else if (info.st_uid != geteuid()) {
        snprintf(why, why_size_bytes, "the kernel cache folder '%s' belongs to another user", path);
    } else if (info.st_mode & (S_IWGRP | S_IWOTH)) {
        snprintf(why, why_size_bytes, "others can write into the kernel cache folder '%s'", path);
    } else {
        return folder;
    }
    if (folder >= 0) {
        close(folder);
    }
    return -1;
}

typedef struct file {
    struct timespec used;
    uint64_t size_bytes;
    char name[64];
} file;

typedef struct files {
    file *entries;
    size_t count;
    size_t capacity;
    uint64_t bytes;
} files;

static bool ends_in(const char *name, const char *ending)
{
    size_t length = strlen(name), tail = strlen(ending);
    return length >= tail && strcmp(name + length - tail, ending) == 0;
}

// Notes a file, unless it is not ours or there is no memory; deletes it if it is a writer's old leftover.
static void visit(int folder, const char *name, files *out)
{
    bool is_temporary = strncmp(name, FMI_DISK_TEMPORARY, strlen(FMI_DISK_TEMPORARY)) == 0;
    size_t length = strlen(name);
    struct stat info;
    if ((!is_temporary && !ends_in(name, FMI_DISK_ENDING)) || length >= sizeof out->entries->name ||
        fstatat(folder, name, &info, AT_SYMLINK_NOFOLLOW) != 0 || S_ISDIR(info.st_mode)) {
        return;
    }
    if (is_temporary && info.st_mtim.tv_sec + TEMPORARY_LIFE_S < time(NULL)) {
        unlinkat(folder, name, 0);
        return;
    }
    if (out->count == out->capacity) {
        size_t capacity = out->capacity ? 2 * out->capacity : 256;
        file *entries = realloc(out->entries, capacity * sizeof *entries);
        if (!entries) {
            return;
        }
        out->entries = entries;
        out->capacity = capacity;
    }
    file *entry = &out->entries[out->count++];
    *entry = (file){.used = info.st_mtim, .size_bytes = info.st_size > 0 ? (uint64_t)info.st_size : 0};
    memcpy(entry->name, name, length + 1);
    out->bytes += entry->size_bytes;
}

static int compare_uses(const void *a, const void *b)
{
    const struct timespec x = ((const file *)a)->used, y = ((const file *)b)->used;
    if (x.tv_sec != y.tv_sec) {
        return x.tv_sec < y.tv_sec ? -1 : 1;
    }
    return (x.tv_nsec > y.tv_nsec) - (x.tv_nsec < y.tv_nsec);
}

uint64_t fmi_disk_folder_trim(int folder, uint64_t limit_bytes)
{
    int again = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC); // a position of its own for reading names
    DIR *names = again >= 0 ? fdopendir(again) : NULL;
    if (!names) {
        if (again >= 0) {
            close(again);
        }
        return 0;
    }
    files all = {0};
    for (struct dirent *entry; (entry = readdir(names)) != NULL;) {
        visit(folder, entry->d_name, &all);
    }
    closedir(names);
    if (all.bytes > limit_bytes) {
        qsort(all.entries, all.count, sizeof *all.entries, compare_uses);
        for (size_t i = 0; i < all.count && all.bytes > limit_bytes / 4 * 3; i++) {
            unlinkat(folder, all.entries[i].name, 0);
            all.bytes -= all.entries[i].size_bytes;
        }
    }
    free(all.entries);
    return all.bytes;
}
