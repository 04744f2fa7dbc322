// Writes keys. See key.h.
// Numbers are written one by one, never as a struct: padding would make equal keys differ. A field added to fmi_kernel_code that
// changes the code, or how its arguments travel, is written here as well. No state; any thread.
#include "variant/key.h"

#include <fermata/status.h>

#include <string.h>

static void write_number(fmi_text *out, uint64_t number)
{
    char bytes[8];
    for (int i = 0; i < 8; i++) {
        bytes[i] = (char)(number >> (8 * i) & 255u);
    }
    fmi_text_append(out, bytes, sizeof bytes);
}

static void write_makers(fmi_text *out, const fmi_key_makers *makers)
{
    const fmi_backend_ops *ops = makers->ops;
    const fmi_backend_caps *caps = makers->caps;
    const uint64_t versions[] = {FERMATA_VERSION_MAJOR,       FERMATA_VERSION_MINOR,       FERMATA_VERSION_PATCH,
                                 makers->compiler_version[0], makers->compiler_version[1], makers->compiler_version[2],
                                 caps->driver_version};
    for (size_t i = 0; i < sizeof versions / sizeof versions[0]; i++) {
        write_number(out, versions[i]);
    }
    write_number(out, strlen(ops->prefix));
    fmi_text_append(out, ops->prefix, strlen(ops->prefix));
    fmi_text_append(out, (const char *)caps->device_uuid, sizeof caps->device_uuid);
}

static void write_arguments(fmi_text *out, const fmi_kernel_code *code)
{
    write_number(out, code->binding_mode);
    write_number(out, (uint64_t)code->indirect_arguments | (uint64_t)code->wants_group_count << 1 |
                          (uint64_t)code->wants_group_base << 2 | (uint64_t)code->wants_barriers << 3 |
                          (uint64_t)code->notes_loops << 4);
    if (code->wants_barriers || code->notes_loops) { // when it fails, the code itself says whose it is
        write_number(out, strlen(code->name));
        fmi_text_append(out, code->name, strlen(code->name));
    }
    write_number(out, code->span_count);
    for (uint32_t i = 0; i < code->span_count; i++) {
        write_number(out, code->binding_numbers[i]);
    }
    write_number(out, code->arguments_binding);
    write_number(out, code->constants_size_bytes);
    for (int axis = 0; axis < 3; axis++) {
        write_number(out, code->group_size[axis]);
    }
}

void fmi_key_write(fmi_text *out, fmi_key_kind kind, const fmi_key_makers *makers, const fmi_kernel_code *code,
                   const void *source, size_t size_bytes)
{
    write_number(out, kind);
    write_makers(out, makers);
    if (code) {
        write_arguments(out, code);
    }
    write_number(out, size_bytes);
    fmi_text_append(out, source, size_bytes);
}
