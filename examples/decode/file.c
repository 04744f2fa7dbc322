// A whole file in memory. See file.h.
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

bool file_map(const char *path, mapped_file *out, failure *f)
{
    *out = (mapped_file){0};
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); // O_NONBLOCK: a pipe must not hold us up
    if (descriptor < 0) {
        return failure_set(f, EXIT_STATUS_BAD_INPUT, "cannot open '%s': %s", path, strerror(errno));
    }
    struct stat status;
    if (fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode) || status.st_size <= 0) {
        close(descriptor);
        return failure_set(f, EXIT_STATUS_BAD_INPUT, "'%s' is empty or not a regular file", path);
    }
    size_t size_bytes = (size_t)status.st_size;
    void *bytes = mmap(NULL, size_bytes, PROT_READ, MAP_PRIVATE, descriptor, 0);
    int cause = errno;
    close(descriptor);
    if (bytes == MAP_FAILED) {
        return failure_set(f, EXIT_STATUS_FAILED, "cannot map '%s' into memory: %s", path, strerror(cause));
    }
    *out = (mapped_file){.bytes = bytes, .size_bytes = size_bytes};
    return true;
}

void file_unmap(mapped_file *file)
{
    if (file->bytes) {
        munmap((void *)file->bytes, file->size_bytes);
    }
    *file = (mapped_file){0};
}

bool file_equals(const mapped_file *file, const char *path)
{
    failure ignored;
    failure_init(&ignored);
    mapped_file other;
    bool equal = file_map(path, &other, &ignored) && file->size_bytes == other.size_bytes &&
                 memcmp(file->bytes, other.bytes, other.size_bytes) == 0;
    file_unmap(&other);
    failure_destroy(&ignored);
    return equal;
}
