// The copy of what the user gave. Private to the kernel room (fmi_kernel.source).
// Immutable once fmi_kernel_create has returned.
// Also the check of fm_kernel_info, which comes before the copy.
#ifndef FMI_KERNEL_SOURCE_H
#define FMI_KERNEL_SOURCE_H

#include "kernel/kernel.h"
#include "language/tree.h"

typedef struct fmi_kernel_source {
    char *body; // portable; owned
    size_t body_length;
    char *header; // portable, may be NULL; owned
    size_t header_length;
    char *glsl; // GLSL text, ends in a zero byte; owned until it is compiled
    size_t glsl_length;
    void *module; // GLSL, once it is compiled, and SPIR-V; owned
    size_t module_size_bytes;
    fmi_declared
        *names; // parameters, constants, shared arrays, specialisations, in this order; their texts are owned too
    uint32_t name_count;
    uint32_t constant_count;
    uint32_t constants_size_bytes; // of a portable kernel's constants, as a C struct
    uint32_t shared_count;
    uint32_t special_count;
    uint32_t *shared_sizes; // elements of each shared array; owned
    uint32_t group_size[3];
    uint32_t binding_numbers[FM_MAX_BINDINGS]; // GLSL and SPIR-V
    fm_host_function host_function;
    void *user; // borrowed until the kernel's last use is complete
} fmi_kernel_source;

// Copies a checked `info`; NULL without host memory.
fmi_kernel_source *fmi_kernel_source_create(const fm_kernel_info *info);
void fmi_kernel_source_destroy(fmi_kernel_source *source);

// Checks everything about `info` that needs no compiler. Sets the last error without the caller's name.
fm_status fmi_kernel_check_info(const fmi_backend_caps *caps, const fm_kernel_info *info);

// The most characters that a name of a parameter has.
enum { FMI_MAX_NAME_LENGTH = 64 };

// The bytes of a portable kernel's constants: those of a C struct with the same members.
uint32_t fmi_kernel_constants_size(const fm_kernel_info *info);

// The length of `info->code` as text, whether counted or ended by a zero byte.
size_t fmi_kernel_code_length(const fm_kernel_info *info);

#endif
