// C to machine code with libtcc, which plays the part of a driver's compiler. See compile.h.
// libtcc keeps process-wide state while it compiles, so one compile runs at a time in the process, and no fork cuts it
// in two.
#include "backend/host/compile.h"

#include "backend/host/fibre.h"
#include "backend/host/symbols.h"
#include "base/error.h"
#include "base/process.h"
#include "base/text.h"

#include <inttypes.h>
#include <libtcc.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

// Debian's libtcc.a is not position-independent where it names these four objects of libc; the build renames them in
// its copy of the archive, and they are ours. libtcc only reads them to print and to look up an environment; it never
// gets that far here.
__attribute__((visibility("hidden"))) FILE *fmi_tcc_stdin;
__attribute__((visibility("hidden"))) FILE *fmi_tcc_stdout;
__attribute__((visibility("hidden"))) FILE *fmi_tcc_stderr;
__attribute__((visibility("hidden"))) char **fmi_tcc_environ;

// libtcc's own state, which the build shows under these names. After an error some of it points to what tcc_delete has
// freed, and the next compile would read it.
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

// What the functions of a kernel take of a stack.
typedef struct frames {
    uint64_t sum_bytes;
    uint32_t largest_bytes;
    char largest[80]; // its name
} frames;

// Bytes of stack that a compiled function takes: read from libtcc's only prologue on x86-64, push %rbp; mov %rsp, %rbp;
// sub $N, %rsp. 0 where it is not that: a table of the header.
static uint32_t read_frame_bytes(const uint8_t *code)
{
    static const uint8_t prologue[] = {0x55, 0x48, 0x89, 0xe5, 0x48, 0x81, 0xec};
    uint32_t size_bytes = 0;
    if (memcmp(code, prologue, sizeof prologue) == 0) {
        memcpy(&size_bytes, code + sizeof prologue, sizeof size_bytes);
    }
    return size_bytes;
}

// The body and the header's functions; what a call takes besides is its return address, the caller's frame pointer, and
// arguments on the stack, of which a function has 32 at most.
static void add_frame(void *context, const char *name, const void *code)
{
    static const uint32_t call_bytes = 16, arguments_bytes = 26 * 8;
    frames *all = context;
    bool is_helper = strncmp(name, "fm_v_", 5) == 0;
    uint32_t frame_bytes = is_helper || strcmp(name, "fm_item") == 0 ? read_frame_bytes(code) : 0;
    if (!frame_bytes) {
        return;
    }
    all->sum_bytes += frame_bytes + call_bytes + (is_helper ? arguments_bytes : 0);
    if (frame_bytes > all->largest_bytes) {
        all->largest_bytes = frame_bytes;
        snprintf(all->largest, sizeof all->largest, "%s%.60s", is_helper ? "function " : "body",
                 is_helper ? name + 5 : "");
    }
}

// A work-item of a kernel with barrier() runs on a stack of its own, with room for every function of the kernel: none
// calls itself, so no chain of calls has a function twice. Where frames cannot be read it is the largest stack, which
// has room for all variables that a kernel can have.
static fm_status choose_stack(TCCState *tcc, uint32_t *out_bytes)
{
    const uint32_t most = FMI_FIBRE_MOST_BYTES - FMI_FIBRE_RESERVED_BYTES;
    frames all = {0};
#if defined(__x86_64__)
    tcc_list_symbols(tcc, &all, add_frame);
#else
    (void)tcc;
    all.sum_bytes = most;
#endif
    if (all.sum_bytes > most) {
        return fmi_fail(FM_ERROR_UNSUPPORTED,
                        "its functions take %" PRIu64
                        " bytes of stack together (%s: %u); in a kernel with barrier() the "
                        "host device has %u",
                        all.sum_bytes, all.largest, all.largest_bytes, most);
    }
    uint32_t bytes = FMI_FIBRE_STACK_BYTES;
    while (bytes - FMI_FIBRE_RESERVED_BYTES < all.sum_bytes) {
        bytes = bytes < FMI_FIBRE_MOST_BYTES / 2 ? bytes * 2 : FMI_FIBRE_MOST_BYTES;
    }
    *out_bytes = bytes;
    return FM_OK;
}

static void note_message(void *context, const char *message)
{
    fmi_text_format(context, "%s\n", message);
}

static fm_status compile(const fmi_kernel_code *code, fmi_text *log, fmi_host_code *out)
{
    fmi_tcc_stdin = stdin;
    fmi_tcc_stdout = stdout;
    fmi_tcc_stderr = stderr;
    fmi_tcc_environ = environ;
    TCCState *tcc = tcc_new();
    if (!tcc) {
        return fmi_fail(FM_ERROR_OUT_OF_HOST_MEMORY, "no host memory for the kernel compiler");
    }
    out->compiled = tcc;
    tcc_set_error_func(tcc, log, note_message);
    tcc_set_options(tcc, "-nostdlib -nostdinc");
    tcc_set_output_type(tcc, TCC_OUTPUT_MEMORY);
    for (size_t i = 0; i < fmi_host_symbol_count; i++) {
        tcc_add_symbol(tcc, fmi_host_symbols[i].name, fmi_host_symbols[i].address);
    }
    tcc_add_symbol(tcc, "fm_run_group", (const void *)(uintptr_t)fmi_fibre_run_group);
    tcc_add_symbol(tcc, "fm_barrier_at", (const void *)(uintptr_t)fmi_fibre_barrier);
    // A helper that is used before it stands in the text would silently be taken for one that gives an int.
    if (tcc_compile_string(tcc, code->code) != 0 || strstr(fmi_text_get(log), "implicit declaration") ||
        tcc_relocate(tcc, TCC_RELOCATE_AUTO) < 0) {
        forget_failed_compile();
        return fmi_fail(FM_ERROR_COMPILE, "it does not compile");
    }
    void *entry = tcc_get_symbol(tcc, "fm_kernel_main");
    if (!entry) {
        return fmi_fail(FM_ERROR_COMPILE, "it has no entry");
    }
    memcpy(&out->entry, &entry, sizeof entry); // ISO C has no cast from object to function pointers
    return code->wants_barriers ? choose_stack(tcc, &out->stack_bytes) : FM_OK;
}

fm_status fmi_host_compile_c(const fmi_kernel_code *code, fmi_text *log, fmi_host_code *out)
{
    *out = (fmi_host_code){0};
    enter_compiler();
    fm_status status = compile(code, log, out);
    leave_compiler();
    if (status != FM_OK) {
        fmi_host_free_code(out);
    }
    return status;
}

void fmi_host_free_code(fmi_host_code *code)
{
    if (code->compiled) {
        enter_compiler();
        tcc_delete(code->compiled);
        leave_compiler();
        code->compiled = NULL;
    }
}
