// A recorded list: commands, what they hold, and where read-backs go. Plain memory, no device object.
// Owned by one recorder (fm_commands) while it is recorded, by the engine from commit to retirement, then recycled.
// Never shared.
#ifndef FMI_RECORD_LIST_H
#define FMI_RECORD_LIST_H

#include "backend/backend.h"
#include "base/arena.h"
#include "base/table.h"

#include <pthread.h>

struct fmi_stream;

enum { FMI_HOLDS_PER_CHUNK = 62 };

typedef struct fmi_hold_chunk {
    struct fmi_hold_chunk *next;
    uint32_t count;
    fmi_slot *slots[FMI_HOLDS_PER_CHUNK];
} fmi_hold_chunk;

// Bytes to hand to the user at retirement.
typedef struct fmi_readback {
    struct fmi_readback *next;
    const uint8_t *source; // mapped staging memory, held by the list
    void *destination;     // the user's
    size_t size_bytes;
} fmi_readback;

// A point of another stream that the list waits for. Its stream is held.
typedef struct fmi_after {
    struct fmi_stream *stream;
    uint64_t value;
} fmi_after;

// What a command of a reusable list names, so that each commit can hold it anew (record/reusable.h).
typedef struct fmi_mention {
    struct fmi_mention *next; // of the next command that names anything
    fmi_command *command;
    uint64_t kernel;              // handles; 0 = none
    uint64_t counts_offset_bytes; // an indirect dispatch: where in the last of the buffers its group counts lie
    uint32_t buffer_count;
    uint64_t buffers[];
} fmi_mention;

typedef struct fmi_list {
    struct fmi_list *next; // engine's queue, then its batch, then its lane
    struct fmi_lane *lane; // where it is recycled
    size_t kept_bytes;     // of its arena, while it is there
    fmi_arena arena;       // commands, labels, hold chunks, read-backs, after points
    fmi_command *first;
    fmi_command *last;
    uint32_t command_count;  // without barriers
    uint32_t dispatch_count; // of both kinds
    fmi_hold_chunk *buffers; // held slots of the buffer table, each once (HOLD-3)
    fmi_hold_chunk *kernels; // held slots of the kernel table, each once
    // held slots of the variant table, each once a kernel; reusable: until the last copy is done
    fmi_hold_chunk *variants;
    fmi_readback *readbacks;
    uint32_t highest_region; // of the buffers above
    bool uses_taken_over; // memory of a buffer above was taken over: a commit to another stream waits for the old use
    bool is_fill;         // the library's own, for new memory that must read as zero
    bool cancelled; // it does not run, and its point fails so; stored by who has the engine's seat (schedule/cancel.c)
    bool bound;     // the memory of the buffers above counts this list as being recorded (memory/order.h)
    bool buffers_released; // the holds above were dropped early (ablations)
    bool kernels_released; // and the variants
    const char *label;     // NULL = none
    bool untracked;        // FM_COMMANDS_UNTRACKED
    bool reusable;         // FM_COMMANDS_REUSABLE: never in the queue itself, each commit puts a copy there
    fmi_mention *mentions; // reusable: what its commands name, in recorded order
    fmi_mention *last_mention;
    fmi_mention **dispatches; // reusable: its dispatches by number
    uint32_t dispatch_capacity;
    fmi_hold_chunk *staging;   // reusable: held slots of staging memory, until the last copy is done
    _Atomic(uint32_t) copies;  // reusable: copies in flight, and one for the recorder
    struct fmi_list *original; // a copy: the reusable list whose labels, staging memory and variants it uses
    // From commit on:
    _Atomic(uint32_t) parties; // that still need the list: the committing thread and retirement; the last lets go of it
    struct fmi_stream *stream; // held; NULL for the library's own fills
    uint64_t value;            // the stream's value that this list completes
    uint64_t first_value;      // of a part of a transfer: it stands for all values from here on (submit/parts.h)
    bool in_turn;              // its stream had values taken that lists before this one still had to come for
    fmi_after *after;
    uint32_t after_count;
    uint64_t cost_ns; // estimate of its work on the device (schedule/cost.h); the leader's
    fm_status status; // FM_OK, or why it does not run; decided by the engine's leader
} fmi_list;

// Notes a hold that was already taken. False: out of host memory, nothing noted.
bool fmi_list_note_hold(fmi_list *list, fmi_hold_chunk **chain, fmi_slot *slot);

// Takes the newest note back.
void fmi_list_forget_hold(fmi_hold_chunk **chain);

// A command with room for `span_count` spans and the constants, not in the list yet; its label, binary and spans are
// not set. NULL: out of host memory.
static inline fmi_command *fmi_list_reserve_command(fmi_list *list, fmi_command_kind kind, uint32_t span_count,
                                                    uint32_t constants_size_bytes)
{
    fmi_command *command =
        (fmi_command *)fmi_arena_alloc(&list->arena,
                                       sizeof *command + span_count * sizeof(fmi_span) + constants_size_bytes);
    if (command) {
        command->next = NULL;
        command->kind = (uint8_t)kind;
        command->span_count = (uint8_t)span_count;
        command->constants_size_bytes = (uint16_t)constants_size_bytes;
    }
    return command;
}

// The same, without label and binary.
static inline fmi_command *fmi_list_new_command(fmi_list *list, fmi_command_kind kind, uint32_t span_count,
                                                uint32_t constants_size_bytes)
{
    fmi_command *command = fmi_list_reserve_command(list, kind, span_count, constants_size_bytes);
    if (command) {
        command->binary = NULL;
        command->label = NULL;
    }
    return command;
}

// Puts a command of that kind behind the last.
static inline void fmi_list_link_kind(fmi_list *list, fmi_command *command, fmi_command_kind kind)
{
    if (list->last) {
        list->last->next = command;
    } else {
        list->first = command;
    }
    list->last = command;
    list->command_count += kind != FMI_COMMAND_BARRIER;
    list->dispatch_count += kind == FMI_COMMAND_DISPATCH || kind == FMI_COMMAND_DISPATCH_INDIRECT;
}

static inline void fmi_list_link(fmi_list *list, fmi_command *command)
{
    fmi_list_link_kind(list, command, (fmi_command_kind)command->kind);
}

// Both in one. NULL: out of host memory, list unchanged.
fmi_command *fmi_list_append(fmi_list *list, fmi_command_kind kind, uint32_t span_count, uint32_t constants_size_bytes);

// Drops every hold of a chain, by way of a share where there is one (FMI_NO_SHARE: there is none).
void fmi_holds_release(fmi_table *table, uint32_t share, const fmi_hold_chunk *chain);

#endif
