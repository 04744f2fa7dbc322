// Host backend: kernel binaries. Generated C is compiled (compile.h); host functions are called as they are.
// Any thread; a binary does not change.
#include "backend/host/host.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

fm_status fmi_host_create_kernel(fmi_backend *backend, const fmi_kernel_code *code, fmi_kernel_binary **out,
                                 fmi_text *log)
{
    fmi_kernel_binary *binary = calloc(1, sizeof *binary);
    char *name = strdup(code->name);
    if (!binary || !name) {
        free(binary);
        free(name);
        return fmi_fail(FM_ERROR_OUT_OF_HOST_MEMORY, "no host memory for it");
    }
    binary->name = name;
    binary->constants_size_bytes = code->constants_size_bytes;
    binary->group_items = code->group_size[0] * code->group_size[1] * code->group_size[2];
    for (int axis = 0; axis < 3; axis++) {
        binary->group_size[axis] = code->host_function ? 1 : code->group_size[axis];
    }
    if (code->host_function) {
        binary->function = code->host_function;
        binary->user = code->user;
        *out = binary;
        return FM_OK;
    }
    fm_status status = fmi_host_compile_c(code, log, &binary->code);
    if (status != FM_OK) {
        fmi_host_destroy_kernel(backend, binary);
        return status;
    }
    *out = binary;
    return FM_OK;
}

void fmi_host_destroy_kernel(fmi_backend *backend, fmi_kernel_binary *binary)
{
    (void)backend;
    fmi_host_free_code(&binary->code);
    free(binary->name);
    free(binary);
}
