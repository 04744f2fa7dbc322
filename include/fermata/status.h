// Status codes, the calling thread's last error, and the few constants that every header shares.
// Nothing here needs a device. Included by every other public header.
#ifndef FERMATA_STATUS_H
#define FERMATA_STATUS_H

#include <stddef.h>
#include <stdint.h>

#define FM_API __attribute__((visibility("default")))

#ifdef __cplusplus
extern "C" {
#endif

#define FERMATA_VERSION_MAJOR 0
#define FERMATA_VERSION_MINOR 1
#define FERMATA_VERSION_PATCH 0
// The three as one number that rises from version to version: 1002003 is 1.2.3.
#define FERMATA_VERSION (FERMATA_VERSION_MAJOR * 1000000 + FERMATA_VERSION_MINOR * 1000 + FERMATA_VERSION_PATCH)

// As a timeout: wait until it is done, however long it takes.
#define FM_FOREVER UINT64_MAX

// As a size in bytes: from the offset to the end of the buffer.
#define FM_WHOLE_SIZE UINT64_MAX

// The one list of status codes: X(name, value, sentence). Zero is success, positive values are answers
// that are no error, negative values are errors. Values never change between versions.
#define FM_STATUS_LIST(X)                                                                                              \
    X(FM_OK, 0, "success")                                                                                             \
    X(FM_WOULD_BLOCK, 1, "the call would have to wait and was asked not to")                                           \
    X(FM_NOT_READY, 2, "it is not complete yet")                                                                       \
    X(FM_TIMEOUT, 3, "the time ran out before the work was complete")                                                  \
    X(FM_ERROR_INVALID_ARGUMENT, -1, "an argument is not allowed")                                                     \
    X(FM_ERROR_OUT_OF_RANGE, -2, "a range exceeds the object that it names")                                           \
    X(FM_ERROR_NULL_HANDLE, -3, "the handle is null")                                                                  \
    X(FM_ERROR_STALE_HANDLE, -4, "the handle's object has been destroyed")                                             \
    X(FM_ERROR_FOREIGN_HANDLE, -5, "the handle belongs to another device")                                             \
    X(FM_ERROR_BUSY, -6, "the object is in use by another thread")                                                     \
    X(FM_ERROR_CLOSED, -7, "the device has been closed")                                                               \
    X(FM_ERROR_NO_DEVICE, -8, "no such device")                                                                        \
    X(FM_ERROR_UNSUPPORTED, -9, "the device or this build does not offer what was asked for")                          \
    X(FM_ERROR_COMPILE, -10, "the kernel's source does not compile")                                                   \
    X(FM_ERROR_OUT_OF_MEMORY, -11, "no device memory is left within the limit")                                        \
    X(FM_ERROR_OUT_OF_HOST_MEMORY, -12, "no host memory is left")                                                      \
    X(FM_ERROR_DEVICE_LOST, -13, "the device stopped responding")                                                      \
    X(FM_ERROR_DEPENDENCY, -14, "earlier work on the same stream failed")                                              \
    X(FM_ERROR_KERNEL_FAILED, -15, "a kernel failed while it ran")                                                     \
    X(FM_ERROR_BACKEND, -16, "the driver reported an error")                                                           \
    X(FM_ERROR_CANCELLED, -17, "it was cancelled, or the device was closed, before it could run")                      \
    X(FM_ERROR_LOST_IN_FORK, -18, "it belongs to the process that this one was forked from")                           \
    X(FM_ERROR_HOST_FAILED, -19, "the program failed a point of its own")

// What a call answered. Every function that can fail returns one.
typedef enum fm_status {
#define FM_STATUS_ENUM(name, value, sentence) name = (value),
    FM_STATUS_LIST(FM_STATUS_ENUM)
#undef FM_STATUS_ENUM
} fm_status;

// Returns the version of the library that runs, as FERMATA_VERSION was when it was built; the macro is that of the headers.
// Parameters: none. Errors: none. Thread-safety: any thread; needs no device. Lifetime: constant.
FM_API uint32_t fm_version(void);

// Returns the code's name, such as "FM_ERROR_STALE_HANDLE"; "FM_UNKNOWN" for a value that is no status.
// Parameters: `status`, any value. Errors: none. Thread-safety: any thread.
// Lifetime: the text is static.
FM_API const char *fm_status_name(fm_status status);

// Returns what the code means in a few words, such as "the handle's object has been destroyed".
// Parameters: `status`, any value. Errors: none. Thread-safety: any thread.
// Lifetime: the text is static.
FM_API const char *fm_status_text(fm_status status);

// Returns a full sentence about the calling thread's most recent call that did not return FM_OK; "" if there was none.
// Parameters: none. Errors: none. Thread-safety: each thread has its own.
// Lifetime: the text is borrowed until the same thread's next call that does not return FM_OK.
FM_API const char *fm_last_error(void);

#ifdef __cplusplus
}
#endif

#endif
