// Transfers in parts: a synchronous write or read of any size through a few MiB of staging memory, pipelined, in one place of its stream's order.
// The transfer takes as many of the stream's values as it has parts in one step; lists that others commit meanwhile have later values and wait
// behind it (schedule/backlog.h). So nothing of the stream comes between two parts, and each part is waited for by its own value.
// For this room; any thread. Holds no lock while it copies or waits.
#ifndef FMI_SUBMIT_PARTS_H
#define FMI_SUBMIT_PARTS_H

#include "submit/submit.h"

enum {
    FMI_PART_BYTES = 8 << 20,
    FMI_PARTS_AHEAD = 4, // parts of which staging memory holds the bytes: 32 MiB a transfer
};

// What is moved, and the transfer's state while it is under way.
typedef struct fmi_parts {
    fm_device *device;
    fmi_stream *stream; // held by the caller, as is the buffer
    fmi_buffer *buffer;
    fm_buffer handle; // the buffer's, for sentences
    fmi_range range;  // inside the buffer, not empty
    uint64_t deadline;
    uint64_t timeout_ns; // as asked, for sentences
    fmi_buffer *ring;    // staging memory; NULL: none is needed
    uint64_t part_bytes;
    uint64_t parts;
    fm_commands
        *last;      // begun before values are taken, so that nothing keeps its list from being posted; NULL once it is
    uint64_t first; // of the stream's values that are the transfer's
    uint64_t next;  // the first for which nothing was posted
    uint64_t value; // the last
} fmi_parts;

// Does nothing but the stream's own committed work use the memory, whose `use` is this, and may the host touch it behind that work? `lists`:
// how many that are being recorded are the caller's own.
bool fmi_is_the_streams_alone(const fm_device *device, const fmi_stream *stream, const fmi_memory *memory, uint64_t use,
                              uint32_t lists);

// Can the buffer be moved in parts? Not while its memory waits for another stream's old use (memory/order.h): one list does then.
bool fmi_parts_suit(const fmi_parts *t);

// Writes `source` where the memory lies, if the host can reach it and nothing else uses it. False: the caller goes another way, and the
// bytes are undefined. Waits for the stream's earlier work if `patient`, else only looks whether there is any.
bool fmi_parts_place(fmi_parts *t, const uint8_t *source, bool patient, fm_status *out_status);

// Writes and reads in parts. A write of up to FMI_PARTS_AHEAD parts waits for nothing before all of them are posted: what times out happens all the
// same. A larger one waits for the stream's earlier work first, and FM_WOULD_BLOCK says that the time ran out there and nothing is written.
fm_status fmi_parts_write(fmi_parts *t, const uint8_t *source);
fm_status fmi_parts_read(fmi_parts *t, uint8_t *destination);

#endif
