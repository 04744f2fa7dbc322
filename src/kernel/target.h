// Targets: how a portable kernel becomes what a device runs, a row a kind of code. Nobody else asks what kind a device
// takes. A new target is a row, a printer in language/, and what compiles its text, unless the backend does. Constant
// tables; any thread.
#ifndef FMI_KERNEL_TARGET_H
#define FMI_KERNEL_TARGET_H

#include "backend/backend.h"
#include "kernel/spirv/reflect.h"
#include "language/print.h"
#include "variant/key.h"

// Makes a device's code of a text that ends in a zero byte; `*out_code` is the caller's to free(). FM_ERROR_COMPILE:
// the compiler's log is in `log` and the last error is not set. FM_ERROR_OUT_OF_HOST_MEMORY, FM_ERROR_UNSUPPORTED.
typedef fm_status (*fmi_compile)(const char *text, fmi_text *log, void **out_code, size_t *out_size_bytes);

typedef struct fmi_target {
    fmi_printer_function print;
    fmi_compile compile;   // of what `print` has printed; NULL: the backend takes the text and compiles it
    fmi_key_kind key_kind; // of that text
    bool may_be_kept;      // on disk: the code means the same in another process
    // For kernels that are given as GLSL or as modules of this kind; NULL, both: the device runs none.
    fmi_compile compile_module;
    fm_status (*read_module)(const void *code, size_t size_bytes,
                             fmi_reflection *out); // FM_ERROR_COMPILE: no valid one
    uint32_t compiler_version[3];                  // what the two compilers are; part of every key
} fmi_target;

const fmi_target *fmi_target_of(fmi_code_kind kind);

#endif
