// Fills: of 32-bit words, and of patterns of 1 to 16 bytes. What repeats every 32 bits and begins and ends on words is
// the native fill; the rest is a pattern of 16 bytes that a backend lays out from the range's first byte. All run as
// the list's owner.
#include "base/error.h"
#include "base/phrase.h"
#include "record/calls.h"
#include "record/transfer.h"

#include <string.h>

// A pattern written out to 16 bytes, which every size of pattern divides.
typedef struct pattern {
    uint32_t words[FMI_PATTERN_BYTES / 4];
} pattern;

static bool repeats_in_words(const pattern *p)
{
    return p->words[0] == p->words[1] && p->words[0] == p->words[2] && p->words[0] == p->words[3];
}

// Records the fill of a checked range, 1 byte or more.
static fm_status append_fill(fm_commands *commands, const char *caller, fm_buffer handle, fmi_span to, bool to_the_end,
                             const pattern *p)
{
    // To the buffer's end in whole words: the allocation goes on, and the last word's rest is nobody's.
    bool is_words = to.offset_bytes % 4 == 0 && (to.size_bytes % 4 == 0 || to_the_end);
    bool native = is_words && repeats_in_words(p);
    to.size_bytes = is_words ? (to.size_bytes + 3) & ~(uint64_t)3 : to.size_bytes;
    fmi_command *command = native ? fmi_transfer_new(commands, FMI_COMMAND_FILL, 1, 0)
                                  : fmi_transfer_new(commands, FMI_COMMAND_FILL_PATTERN, 1, sizeof *p);
    fm_status status = fmi_transfer_link(commands, caller, command, handle, (fm_buffer){0});
    if (status == FM_OK) {
        command->spans[0] = to;
        if (native) {
            command->fill_value = p->words[0];
        } else {
            memcpy(&command->spans[1], p, sizeof *p);
        }
    }
    return status;
}

// `unit_bytes`: what offset and size are multiples of; a size of FM_WHOLE_SIZE may end within a unit. `p`: NULL where
// the caller gave none.
static fm_status fill(fm_commands *commands, const char *caller, fm_buffer handle, fmi_range range, uint32_t unit_bytes,
                      const pattern *p)
{
    fmi_span to;
    fmi_buffer *buffer;
    fm_status status = fmi_transfer_side(commands, caller, NULL, handle, range, FM_ACCESS_WRITE, &to, &buffer);
    if (status != FM_OK) {
        return status;
    }
    if (range.offset_bytes % unit_bytes != 0) {
        return fmi_fail_in(caller, FM_ERROR_INVALID_ARGUMENT, "offset_bytes %s is not a multiple of %u",
                           fmi_number(range.offset_bytes).text, unit_bytes);
    }
    if (range.size_bytes != FM_WHOLE_SIZE && range.size_bytes % unit_bytes != 0) {
        return fmi_fail_in(caller, FM_ERROR_INVALID_ARGUMENT, "size_bytes %s is not a multiple of %u",
                           fmi_number(range.size_bytes).text, unit_bytes);
    }
    if (to.size_bytes == 0) {
        return fmi_transfer_nothing(commands);
    }
    if (!p) {
        return fmi_fail_in(caller, FM_ERROR_INVALID_ARGUMENT, "pattern is NULL");
    }
    // The caller's own memory ends where it ends.
    bool to_the_end = range.offset_bytes + to.size_bytes == buffer->size_bytes && !buffer->memory->import;
    return append_fill(commands, caller, handle, to, to_the_end, p);
}

fm_status fmi_record_fill(fm_commands *commands, fm_buffer buffer, fmi_range range, uint32_t value)
{
    fm_status status = fmi_recorder_enter(commands, "fm_fill");
    if (status == FM_OK) {
        const pattern p = {{value, value, value, value}};
        status = fill(commands, "fm_fill", buffer, range, sizeof value, &p);
        fmi_recorder_leave(commands, status);
    }
    return status;
}

fm_status fmi_record_fill_pattern(fm_commands *commands, fm_buffer buffer, fmi_range range, const void *pattern_bytes,
                                  uint32_t pattern_size_bytes)
{
    fm_status status = fmi_recorder_enter(commands, "fm_fill_pattern");
    if (status != FM_OK) {
        return status;
    }
    uint32_t n = pattern_size_bytes;
    if (n != 1 && n != 2 && n != 4 && n != 8 && n != 16) {
        status = fmi_fail_in("fm_fill_pattern", FM_ERROR_INVALID_ARGUMENT,
                             "pattern_size_bytes is %u; a pattern has 1, 2, 4, 8 or 16 bytes", n);
    } else {
        pattern p;
        for (uint32_t at = 0; pattern_bytes && at < sizeof p; at += n) {
            memcpy((uint8_t *)&p + at, pattern_bytes, n);
        }
        status = fill(commands, "fm_fill_pattern", buffer, range, n, pattern_bytes ? &p : NULL);
    }
    fmi_recorder_leave(commands, status);
    return status;
}
