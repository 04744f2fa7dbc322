// Every text of the suite for targets that no device here runs: the conformance suite, whose kernels are also written as CUDA and MSL into the folder
// FERMATA_TEST_TEXTS, all.cu and all.metal, each distinct one in a namespace of its own. compile-texts has compilers look at them.
#include "base/hash.h"
#include "kernel/generate.h"
#include "language/print.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

fm_status __real_fmi_print_c(fmi_print *print);
fm_status __wrap_fmi_print_c(fmi_print *print);

enum { MOST_TEXTS = 1 << 14 };

// Writes the text for another target unless it was written before; a hash tells.
static void write_text(const fmi_print *from, const char *file, uint64_t *known, fm_status (*print)(fmi_print *))
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    fmi_print one = {.tree = from->tree, .binding_mode = FM_BINDING_ADDRESSES};
    fm_status status = print(&one);
    const char *text = fmi_text_get(&one.text);
    uint64_t hash = fmi_hash64(text, one.text.length);
    pthread_mutex_lock(&lock);
    uint32_t number = 0;
    while (number < MOST_TEXTS && known[number] && known[number] != hash) {
        number++;
    }
    if (status != FM_OK || number == MOST_TEXTS) {
        abort();
    }
    FILE *out = known[number] ? NULL : fopen(file, number ? "a" : "w");
    if (out) {
        known[number] = hash;
        fprintf(out,
                "%s#define fm_kernel_main fm_kernel_%u\n#define fm_kernel_indirect fm_indirect_%u\nnamespace "
                "fm_text_%u "
                "{\n%s}\n#undef fm_kernel_main\n#undef fm_kernel_indirect\n",
                strstr(text, "metal_stdlib") && number == 0 ? "#include <metal_stdlib>\n" : "", number, number, number,
                text);
        fclose(out);
    }
    pthread_mutex_unlock(&lock);
    fmi_text_free(&one.text);
}

static void write_texts(const fmi_print *print)
{
    static uint64_t known[2][MOST_TEXTS];
    const char *folder = getenv("FERMATA_TEST_TEXTS");
    char file[1024];
    if (folder) {
        snprintf(file, sizeof file, "%s/all.cu", folder);
        write_text(print, file, known[0], fmi_print_cuda);
        snprintf(file, sizeof file, "%s/all.metal", folder);
        const uint32_t lacks = FMI_NEEDS_FLOAT64 | FMI_NEEDS_ATOMIC_INT64 | FMI_NEEDS_ATOMIC_SHARED_INT64;
        if (!(print->tree->features & lacks)) {
            write_text(print, file, known[1], fmi_print_msl);
        }
    }
}

fm_status __wrap_fmi_print_c(fmi_print *print)
{
    write_texts(print);
    return __real_fmi_print_c(print);
}
