// The compiler of generated C: one call, behind which another compiler can take libtcc's place.
// Any thread. Private to this folder.
#ifndef FMI_BACKEND_HOST_COMPILE_H
#define FMI_BACKEND_HOST_COMPILE_H

#include "backend/backend.h"
#include "backend/host/entry.h"

// Compiled code of a kernel; all zero: none.
typedef struct fmi_host_code {
    fmi_host_entry entry;
    uint32_t stack_bytes; // of a work-item's own stack; 0: it needs none
    void *compiled;       // the compiler's; owns the code
} fmi_host_code;

// Compiles `code->code`. FM_ERROR_COMPILE: what the compiler says is in `log`. FM_ERROR_UNSUPPORTED: its work-items
// need too large stacks. FM_ERROR_OUT_OF_HOST_MEMORY.
fm_status fmi_host_compile_c(const fmi_kernel_code *code, fmi_text *log, fmi_host_code *out);
void fmi_host_free_code(fmi_host_code *code);

#endif
