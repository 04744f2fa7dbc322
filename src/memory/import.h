// Imports: memory that the caller keeps and the device uses where it lies, as buffers. Each is a block and a range of its own, beside the
// pool's: never recycled, never taken over, under no limit. The planner knows it by a region like any other memory.
// The last buffer object that lets go of it ends the import: the native block is given up first, then whoever made it is told.
// Any thread; the pool's lock guards the list. Knows no handles.
#ifndef FMI_MEMORY_IMPORT_H
#define FMI_MEMORY_IMPORT_H

#include "memory/pool.h"

typedef struct fmi_imports fmi_imports;

typedef struct fmi_import {
    fmi_pool_block block; // spans point here
    fmi_imports *room;
    fmi_memory *memory;      // the whole of it
    struct fmi_import *next; // all that have not ended; guarded by the pool's lock
    const uint8_t *pointer;  // the caller's
    uint64_t size_bytes;
    void *notice; // the device room's, for when it has ended; NULL: it wants no word
} fmi_import;

struct fmi_imports {
    fmi_pool *pool;    // whose regions and lock
    fmi_import *first; // guarded by the pool's lock
    _Atomic(uint64_t) bytes;
    // Takes an import that has ended; nothing uses it any more. Called without a lock, on the thread that let go of it last.
    void (*ended)(void *user, fmi_import *import);
    void *user;
};

// Imports `size_bytes` bytes at `pointer`, which the backend takes; the caller is the one owner of (*out)->memory. Errors: the backend's,
// FM_ERROR_INVALID_ARGUMENT (it overlaps an import that has not ended), FM_ERROR_OUT_OF_HOST_MEMORY.
fm_status fmi_import_create(fmi_imports *imports, void *pointer, uint64_t size_bytes, fmi_import **out);

// A buffer object lets go of imported memory.
void fmi_import_release(fmi_memory *memory);

#endif
