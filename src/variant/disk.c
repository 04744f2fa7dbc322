// Files of the disk cache. See disk.h.
// The folder is opened once and all names are looked up in it, so nobody can put another in its place. Links are not followed, special
// files not opened, owners checked. A writer fills a file of a name that only it uses and renames it: readers see all of it or
// nothing, and who is killed half-way leaves a file that a trim removes. Use is noted in the files' times.
#include "variant/disk.h"

#include "variant/disk_folder.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WHY_BYTES = 512 };

struct fmi_disk {
    char *path; // constant, as are the next four
    uint64_t limit_bytes;
    fmi_disk_identity identity;
    void (*warn)(void *user, const char *sentence);
    void *warn_user;
    pthread_mutex_t lock;           // guards the opening of the folder
    bool is_tried;                  // under the lock: there is no second attempt
    _Atomic(int) folder;            // -1: not open, or not usable
    _Atomic(bool) is_ready;         // release store behind `folder`, acquire load by all who use it
    _Atomic(uint32_t) serial;       // of temporary names
    _Atomic(uint64_t) stored_bytes; // in the folder, as far as this process knows
    _Atomic(bool) is_trimming;      // one thread trims; the others go on
    _Atomic(bool) has_warned;       // once is enough
};

fmi_disk *fmi_disk_create(const fmi_disk_info *info)
{
    if (info->folder && !*info->folder) {
        return NULL;
    }
    fmi_disk *disk = calloc(1, sizeof *disk);
    char *path = info->folder ? strdup(info->folder) : fmi_disk_folder_default();
    if (!disk || !path) {
        free(disk);
        free(path);
        return NULL;
    }
    disk->path = path;
    disk->limit_bytes = info->limit_bytes;
    disk->identity = info->identity;
    disk->warn = info->warn;
    disk->warn_user = info->warn_user;
    atomic_store_explicit(&disk->folder, -1, memory_order_relaxed);
    pthread_mutex_init(&disk->lock, NULL);
    return disk;
}

void fmi_disk_destroy(fmi_disk **disk)
{
    if (*disk) {
        int folder = atomic_load_explicit(&(*disk)->folder, memory_order_relaxed);
        if (folder >= 0) {
            close(folder);
        }
        pthread_mutex_destroy(&(*disk)->lock);
        free((*disk)->path);
        free(*disk);
        *disk = NULL;
    }
}

// Tells why less is kept than wanted, once. No lock is held: it is the user's function.
static void warn_once(fmi_disk *disk, const char *why)
{
    if (disk->warn && !atomic_exchange_explicit(&disk->has_warned, true, memory_order_relaxed)) {
        disk->warn(disk->warn_user, why);
    }
}

// The open folder; -1 if it cannot be used.
static int get_folder(fmi_disk *disk)
{
    if (!atomic_load_explicit(&disk->is_ready, memory_order_acquire)) {
        char why[WHY_BYTES] = "";
        pthread_mutex_lock(&disk->lock);
        if (!disk->is_tried) {
            disk->is_tried = true;
            int folder = fmi_disk_folder_open(disk->path, why, sizeof why);
            atomic_store_explicit(&disk->folder, folder, memory_order_relaxed);
            if (folder >= 0) {
                atomic_store_explicit(&disk->stored_bytes, fmi_disk_folder_trim(folder, disk->limit_bytes),
                                      memory_order_relaxed);
            }
            atomic_store_explicit(&disk->is_ready, true, memory_order_release);
        }
        pthread_mutex_unlock(&disk->lock);
        if (*why) {
            warn_once(disk, why);
        }
    }
    return atomic_load_explicit(&disk->folder, memory_order_relaxed);
}

// Reads exactly `size_bytes`.
static bool read_all(int fd, uint8_t *bytes, size_t size_bytes)
{
    for (size_t done = 0; done < size_bytes;) {
        ssize_t count = read(fd, bytes + done, size_bytes - done);
        if (count <= 0 && !(count < 0 && errno == EINTR)) {
            return false;
        }
        done += count > 0 ? (size_t)count : 0;
    }
    return true;
}

static bool write_pieces(int fd, const char *bytes, size_t size_bytes)
{
    for (size_t done = 0; done < size_bytes;) {
        errno = ENOSPC; // a write of nothing gives no reason
        ssize_t count = write(fd, bytes + done, size_bytes - done);
        if (count <= 0 && !(count < 0 && errno == EINTR)) {
            return false;
        }
        done += count > 0 ? (size_t)count : 0;
    }
    return true;
}

// Writes everything. A write beyond a limit of the process (ulimit -f) raises a signal that would end the program: it is kept from this
// thread, and taken back if it was raised here. What the program does with that signal elsewhere stays its own.
static bool write_all(int fd, const char *bytes, size_t size_bytes)
{
    sigset_t too_large, callers, before;
    sigemptyset(&too_large);
    sigaddset(&too_large, SIGXFSZ);
    sigemptyset(&before);
    pthread_sigmask(SIG_BLOCK, &too_large, &callers);
    sigpending(&before);
    bool is_written = write_pieces(fd, bytes, size_bytes);
    int cause = errno;
    if (!is_written && cause == EFBIG && !sigismember(&before, SIGXFSZ)) {
        const struct timespec at_once = {0, 0};
        while (sigtimedwait(&too_large, NULL, &at_once) < 0 && errno == EINTR) {
        }
    }
    pthread_sigmask(SIG_SETMASK, &callers, NULL);
    errno = cause;
    return is_written;
}

// Reads a whole file of ours, if it is one; NULL otherwise. The size is bounded before memory is taken for it.
static uint8_t *read_file(int fd, size_t *out_size_bytes)
{
    struct stat info;
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode) || info.st_uid != geteuid() ||
        (info.st_mode & (S_IWGRP | S_IWOTH)) || info.st_size < FMI_DISK_LEAST_BYTES ||
        info.st_size > FMI_DISK_MOST_BYTES) {
        return NULL;
    }
    size_t size_bytes = (size_t)info.st_size;
    uint8_t *bytes = malloc(size_bytes);
    if (bytes && !read_all(fd, bytes, size_bytes)) {
        free(bytes);
        return NULL;
    }
    *out_size_bytes = size_bytes;
    return bytes;
}

bool fmi_disk_load(fmi_disk *disk, const fmi_text *key, fmi_disk_record *out)
{
    *out = (fmi_disk_record){0};
    int folder = get_folder(disk);
    if (folder < 0) {
        return false;
    }
    char name[FMI_DISK_NAME_BYTES];
    fmi_disk_name(&disk->identity, key, name);
    int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    size_t size_bytes = 0;
    uint8_t *bytes = read_file(fd, &size_bytes);
    bool is_good = bytes && fmi_disk_parse(bytes, size_bytes, &disk->identity, key, &out->content);
    if (is_good) {
        futimens(fd, NULL);
        out->bytes = bytes;
    } else {
        free(bytes);
    }
    close(fd);
    return is_good;
}

void fmi_disk_release(fmi_disk_record *record)
{
    free(record->bytes);
    *record = (fmi_disk_record){0};
}

// Creates a file that nobody else has; -1 if that is not possible. A name may be taken by who was killed with our process id.
static int create_temporary(fmi_disk *disk, int folder, char *name, size_t name_size_bytes)
{
    for (int attempt = 0; attempt < 16; attempt++) {
        uint32_t serial = atomic_fetch_add_explicit(&disk->serial, 1, memory_order_relaxed);
        snprintf(name, name_size_bytes, FMI_DISK_TEMPORARY "%lx-%lx-%x", (unsigned long)getpid(),
                 (unsigned long)((uintptr_t)disk >> 4), serial);
        int fd = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd >= 0 || errno != EEXIST) {
            return fd;
        }
    }
    return -1;
}

static void trim(fmi_disk *disk, int folder)
{
    if (!atomic_exchange_explicit(&disk->is_trimming, true, memory_order_acquire)) {
        uint64_t left = fmi_disk_folder_trim(folder, disk->limit_bytes);
        atomic_store_explicit(&disk->stored_bytes, left, memory_order_relaxed);
        atomic_store_explicit(&disk->is_trimming, false, memory_order_release);
    }
}

// Writes the file under a name that only this call uses, then gives it its own. Returns 0 or why it is not there.
static int put_file(fmi_disk *disk, int folder, const char *name, const fmi_text *file)
{
    char temporary[64];
    int fd = create_temporary(disk, folder, temporary, sizeof temporary);
    if (fd < 0) {
        return errno;
    }
    int cause = write_all(fd, file->data, file->length) ? 0 : errno;
    if (close(fd) != 0 && !cause) {
        cause = errno;
    }
    if (!cause && renameat(folder, temporary, folder, name) != 0) {
        cause = errno;
    }
    if (cause) {
        unlinkat(folder, temporary, 0);
    }
    return cause;
}

void fmi_disk_store(fmi_disk *disk, const fmi_text *key, const fmi_disk_content *content)
{
    int folder = get_folder(disk);
    fmi_text file = {0};
    if (folder >= 0) {
        fmi_disk_write(&file, &disk->identity, key, content);
    }
    if (folder < 0 || file.failed || file.length > FMI_DISK_MOST_BYTES || file.length > disk->limit_bytes) {
        fmi_text_free(&file);
        return;
    }
    char name[FMI_DISK_NAME_BYTES];
    fmi_disk_name(&disk->identity, key, name);
    int cause = put_file(disk, folder, name, &file);
    if (cause) {
        char why[WHY_BYTES];
        snprintf(why, sizeof why, "the kernel cache folder '%.300s' cannot be written, so new kernels are not kept: %s",
                 disk->path, strerror(cause));
        warn_once(disk, why);
    } else if (atomic_fetch_add_explicit(&disk->stored_bytes, file.length, memory_order_relaxed) + file.length >
               disk->limit_bytes) {
        trim(disk, folder);
    }
    fmi_text_free(&file);
}
