// Host backend: generated C is compiled by libtcc, which plays the part of a driver's compiler; host functions are called as they are.
// libtcc keeps process-wide state while it compiles, so one compile runs at a time in the process, and no fork cuts it in two.
#include "backend/host/host.h"

#include "base/error.h"
#include "base/process.h"
#include "base/text.h"
#include "kernel/host_symbols.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// Debian's libtcc.a is not position-independent where it names these four objects of libc; the build renames them in its copy of
// the archive, and they are ours. libtcc only reads them to print and to look up an environment; it never gets that far here.
__attribute__((visibility("hidden"))) FILE *fmi_tcc_stdin;
__attribute__((visibility("hidden"))) FILE *fmi_tcc_stdout;
__attribute__((visibility("hidden"))) FILE *fmi_tcc_stderr;
__attribute__((visibility("hidden"))) char **fmi_tcc_environ;

// libtcc's own state, which the build shows under these names. After an error some of it points to what tcc_delete has freed, and
// the next compile would read it.
extern void *fmi_tcc_global_label_stack, *fmi_tcc_local_label_stack, *fmi_tcc_cur_switch, *fmi_tcc_pending_gotos;
extern void *fmi_tcc_cur_scope, *fmi_tcc_root_scope, *fmi_tcc_loop_scope, *fmi_tcc_all_cleanups;
extern int fmi_tcc_in_sizeof, fmi_tcc_in_generic;

static void forget_failed_compile(void)
{
    fmi_tcc_global_label_stack = fmi_tcc_local_label_stack = fmi_tcc_cur_switch = fmi_tcc_pending_gotos = NULL;
    fmi_tcc_cur_scope = fmi_tcc_root_scope = fmi_tcc_loop_scope = fmi_tcc_all_cleanups = NULL;
    fmi_tcc_in_sizeof = fmi_tcc_in_generic = 0;
}

static pthread_mutex_t compiler = PTHREAD_MUTEX_INITIALIZER; // held while libtcc works; in a section

static void enter_compiler(void)
{
    fmi_process_enter();
    pthread_mutex_lock(&compiler);
}

static void leave_compiler(void)
{
    pthread_mutex_unlock(&compiler);
    fmi_process_leave();
}

// Bytes of stack that the compiled body of a work-item takes, read from libtcc's only prologue on x86-64:
// push %rbp; mov %rsp, %rbp; sub $N, %rsp. 0 where it is not that.
static uint32_t read_frame_bytes(const uint8_t *code)
{
    static const uint8_t prologue[] = {0x55, 0x48, 0x89, 0xe5, 0x48, 0x81, 0xec};
    uint32_t size_bytes = 0;
    if (memcmp(code, prologue, sizeof prologue) == 0) {
        memcpy(&size_bytes, code + sizeof prologue, sizeof size_bytes);
    }
    return size_bytes;
}

// A work-item of a kernel with barrier() runs on a small stack of its own.
static fm_status check_frame(const char *name, const uint8_t *item)
{
    const uint32_t most = FMI_FIBRE_STACK_BYTES - FMI_FIBRE_RESERVED_BYTES;
    uint32_t frame_bytes = item ? read_frame_bytes(item) : 0;
    if (frame_bytes > most) {
        return fmi_fail(FM_ERROR_UNSUPPORTED,
                        "kernel '%s': its local variables take %u bytes; in a kernel with barrier() the host device "
                        "has %u",
                        name, frame_bytes, most);
    }
    return FM_OK;
}

static void note_message(void *context, const char *message)
{
    fmi_text_format(context, "%s\n", message);
}

static fm_status compile(const fmi_kernel_code *code, fmi_kernel_binary *binary, fmi_text *log)
{
    fmi_tcc_stdin = stdin;
    fmi_tcc_stdout = stdout;
    fmi_tcc_stderr = stderr;
    fmi_tcc_environ = environ;
    TCCState *tcc = tcc_new();
    if (!tcc) {
        return fmi_fail(FM_ERROR_OUT_OF_HOST_MEMORY, "no host memory for the kernel compiler");
    }
    binary->compiled = tcc;
    tcc_set_error_func(tcc, log, note_message);
    tcc_set_options(tcc, "-nostdlib -nostdinc");
    tcc_set_output_type(tcc, TCC_OUTPUT_MEMORY);
    for (size_t i = 0; i < fmi_host_symbol_count; i++) {
        tcc_add_symbol(tcc, fmi_host_symbols[i].name, fmi_host_symbols[i].address);
    }
    tcc_add_symbol(tcc, "fm_run_group", (const void *)(uintptr_t)fmi_fibre_run_group);
    tcc_add_symbol(tcc, "fm_barrier_at", (const void *)(uintptr_t)fmi_fibre_barrier);
    // A helper that is used before it stands in the text would silently be taken for one that gives an int.
    if (tcc_compile_string(tcc, code->c_source) != 0 || strstr(fmi_text_get(log), "implicit declaration") ||
        tcc_relocate(tcc, TCC_RELOCATE_AUTO) < 0) {
        forget_failed_compile();
        return fmi_fail(FM_ERROR_COMPILE, "kernel '%s' does not compile", code->name);
    }
    void *entry = tcc_get_symbol(tcc, "fm_kernel_main");
    if (!entry) {
        return fmi_fail(FM_ERROR_COMPILE, "kernel '%s' has no entry", code->name);
    }
    memcpy(&binary->entry, &entry, sizeof entry); // ISO C has no cast from object to function pointers
    return code->wants_barriers ? check_frame(code->name, tcc_get_symbol(tcc, "fm_item")) : FM_OK;
}

fm_status fmi_host_create_kernel(fmi_backend *backend, const fmi_kernel_code *code, fmi_kernel_binary **out,
                                 fmi_text *log)
{
    fmi_kernel_binary *binary = calloc(1, sizeof *binary);
    char *name = strdup(code->name);
    if (!binary || !name) {
        free(binary);
        free(name);
        return fmi_fail(FM_ERROR_OUT_OF_HOST_MEMORY, "no host memory for kernel '%s'", code->name);
    }
    binary->name = name;
    binary->constants_size_bytes = code->constants_size_bytes;
    binary->group_items = code->group_size[0] * code->group_size[1] * code->group_size[2];
    if (code->host_function) {
        binary->function = code->host_function;
        binary->user = code->user;
        *out = binary;
        return FM_OK;
    }
    enter_compiler();
    fm_status status = compile(code, binary, log);
    leave_compiler();
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
    if (binary->compiled) {
        enter_compiler();
        tcc_delete(binary->compiled);
        leave_compiler();
    }
    free(binary->name);
    free(binary);
}
