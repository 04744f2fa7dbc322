// The suites through the language room. Their programs are linked once more with the kernel room's front end replaced by what is here: each text is
// read as a tree and printed by the tree's printers, and what the kernels then compute is what the suites look at. Beside that every text is read the
// old way too, and both must agree: taken or refused alike, with the sentence at the same place, and with modules that are no larger.
// FERMATA_TEST_REPORT=1 prints the figures at the end. FERMATA_TEST_TEXTS names a folder for all.cu and all.metal: every distinct text that
// was taken, as CUDA and MSL, each in a namespace of its own, for compilers to look at.
#include "backend/backend.h"
#include "base/hash.h"
#include "kernel/generate.h"
#include "language/print.h"

#ifdef FMI_HAVE_VULKAN
#include "kernel/spirv/compile.h"
#endif

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

fm_status __real_fmi_generate_check(const fmi_kernel_source *source, uint32_t *out_features);
fm_status __real_fmi_generate_glsl(fmi_generated *generated);
fm_status __real_fmi_generate_c(fmi_generated *generated);
fm_status __wrap_fmi_generate_check(const fmi_kernel_source *source, uint32_t *out_features);
fm_status __wrap_fmi_generate_glsl(fmi_generated *generated);
fm_status __wrap_fmi_generate_c(fmi_generated *generated);

// What one run has seen.
static struct {
    atomic_uint taken;
    atomic_uint refused;
    atomic_uint same_sentence; // of those refused
    atomic_uint larger;        // modules
    atomic_ullong module_bytes[2];
    atomic_ullong nanoseconds[2]; // old, new
} seen;

static uint64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

__attribute__((destructor)) static void report(void)
{
    if (!getenv("FERMATA_TEST_REPORT")) {
        return;
    }
    fprintf(stderr,
            "{\"taken\": %u, \"refused\": %u, \"same_sentence\": %u, \"module_bytes\": [%llu, %llu], \"larger\": %u, "
            "\"front_end_us\": [%llu, %llu]}\n",
            seen.taken, seen.refused, seen.same_sentence, seen.module_bytes[0], seen.module_bytes[1], seen.larger,
            seen.nanoseconds[0] / 1000, seen.nanoseconds[1] / 1000);
}

// Ends the program, unless all differences are to be seen.
static void differ(const char *what, const fmi_kernel_source *source, const char *was, const char *is)
{
    fprintf(stderr, "compare: %s\n--- header\n%s\n--- body\n%s\n--- old\n%s\n--- new\n%s\n", what,
            source->header ? source->header : "", source->body, was, is);
    if (!getenv("FERMATA_TEST_REPORT")) {
        abort();
    }
}

static void compare_sentences(const fmi_kernel_source *source, const char *was, const char *is)
{
    const char *colon = strstr(was, ": ");
    size_t place = colon ? (size_t)(colon - was) : 0;
    const char *caret = strchr(was, '\n'), *own_caret = strchr(is, '\n');
    bool is_same_place = strncmp(was, is, place) == 0 && caret && own_caret && strcmp(caret, own_caret) == 0;
    if (!is_same_place) {
        differ("the place of a refusal", source, was, is);
    }
    atomic_fetch_add(&seen.same_sentence, strcmp(was, is) == 0);
}

// Sets the last error to what the new front end said.
static void settle(const fmi_kernel_source *source, fm_status was, const char *old, fm_status is, const char *said)
{
    if (was != is) {
        differ("a status", source, was == FM_OK ? "taken" : old, is == FM_OK ? "taken" : said);
    }
    if (is == FM_ERROR_COMPILE) {
        compare_sentences(source, old, said);
    }
    atomic_fetch_add(is == FM_OK ? &seen.taken : &seen.refused, 1);
}

static fmi_declared *make_names(const fmi_kernel_source *source, uint32_t param_count, uint64_t dtypes)
{
    fmi_declared *names = calloc(source->name_count + 1, sizeof *names);
    for (uint32_t i = 0; names && i < source->name_count; i++) {
        const fmi_name *name = &source->names[i];
        names[i] = (fmi_declared){name->name, name->kind, name->dtype, name->access, name->value, name->count};
        if (i < param_count) {
            names[i].dtype = (uint8_t)fmi_key_dtype(dtypes, i);
        }
    }
    if (!names) {
        abort();
    }
    return names;
}

static fmi_kernel_text make_text(const fmi_kernel_source *source, const fmi_declared *names)
{
    return (fmi_kernel_text){.header = source->header,
                             .header_length = source->header_length,
                             .body = source->body,
                             .body_length = source->body_length,
                             .names = names,
                             .name_count = source->name_count,
                             .group_size = {source->group_size[0], source->group_size[1], source->group_size[2]}};
}

static uint32_t translate_features(uint32_t features)
{
    const struct {
        uint32_t needs;
        uint32_t uses;
    } bits[] = {{FMI_NEEDS_BARRIER, FMI_USES_BARRIER},
                {FMI_NEEDS_INT64, FMI_USES_INT64},
                {FMI_NEEDS_FLOAT64, FMI_USES_FLOAT64},
                {FMI_NEEDS_ATOMIC_INT64, FMI_USES_ATOMIC * FMI_ATOMIC_INT64},
                {FMI_NEEDS_ATOMIC_SHARED_INT64, FMI_USES_ATOMIC * FMI_ATOMIC_SHARED_INT64},
                {FMI_NEEDS_ATOMIC_FLOAT, FMI_USES_ATOMIC * FMI_ATOMIC_FLOAT},
                {FMI_NEEDS_ATOMIC_SHARED_FLOAT, FMI_USES_ATOMIC * FMI_ATOMIC_SHARED_FLOAT}};
    uint32_t out = 0;
    for (size_t i = 0; i < sizeof bits / sizeof bits[0]; i++) {
        out |= features & bits[i].needs ? bits[i].uses : 0;
    }
    return out;
}

fm_status __wrap_fmi_generate_check(const fmi_kernel_source *source, uint32_t *out_features)
{
    char old[4096], said[4096];
    uint32_t features = 0;
    uint64_t start = now();
    fm_status was = __real_fmi_generate_check(source, &features);
    uint64_t middle = now();
    snprintf(old, sizeof old, "%s", fm_last_error());
    fmi_declared *names = make_names(source, 0, 0);
    fmi_kernel_text text = make_text(source, names);
    fmi_tree tree;
    uint64_t begin = now();
    fm_status is = fmi_tree_read(&text, &tree);
    atomic_fetch_add(&seen.nanoseconds[0], middle - start);
    atomic_fetch_add(&seen.nanoseconds[1], now() - begin);
    snprintf(said, sizeof said, "%s", fm_last_error());
    settle(source, was, old, is, said);
    if (is == FM_OK) {
        const uint32_t both = translate_features(UINT32_MAX);
        *out_features = translate_features(tree.features);
        if ((features & both) != *out_features) {
            differ("features", source, "", "");
        }
        fmi_tree_free(&tree);
    }
    free(names);
    return is;
}

#ifdef FMI_HAVE_VULKAN
static size_t measure_module(const fmi_kernel_source *source, const fmi_text *text)
{
    fmi_text log = {0};
    uint32_t *words = NULL;
    size_t size_bytes = 0;
    if (fmi_spirv_compile(fmi_text_get(text), &log, &words, &size_bytes) != FM_OK) {
        differ("a module", source, fmi_text_get(&log), fmi_text_get(text));
    }
    fmi_text_free(&log);
    free(words);
    return size_bytes;
}

static void compare_modules(const fmi_kernel_source *source, const fmi_text *old, const fmi_text *text)
{
    size_t was = measure_module(source, old), is = measure_module(source, text);
    atomic_fetch_add(&seen.module_bytes[0], was);
    atomic_fetch_add(&seen.module_bytes[1], is);
    atomic_fetch_add(&seen.larger, is > was);
}
#else
static void compare_modules(const fmi_kernel_source *source, const fmi_text *old, const fmi_text *text)
{
    (void)source, (void)old, (void)text;
}
#endif

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
        fprintf(out, "%s#define fm_kernel_main fm_kernel_%u\nnamespace fm_text_%u {\n%s}\n#undef fm_kernel_main\n",
                strstr(text, "metal_stdlib") && number == 0 ? "#include <metal_stdlib>\n" : "", number, number, text);
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

static fm_status generate(fmi_generated *generated, fm_status (*real)(fmi_generated *), bool is_glsl)
{
    if (generated->is_unchecked || generated->locates) {
        return real(generated); // a text that was refused has no tree
    }
    char old[4096], said[4096];
    fmi_generated before = *generated;
    uint64_t start = now();
    fm_status was = real(&before);
    uint64_t middle = now();
    snprintf(old, sizeof old, "%s", fm_last_error());
    fmi_declared *names = make_names(generated->source, generated->param_count, generated->dtypes);
    fmi_kernel_text text = make_text(generated->source, names);
    fmi_tree tree;
    uint64_t begin = now();
    fm_status is = fmi_tree_read(&text, &tree);
    fmi_print print = {.tree = &tree,
                       .binding_mode = generated->binding_mode,
                       .max_push_constants_bytes = generated->max_push_constants_bytes};
    if (is == FM_OK) {
        is = is_glsl ? fmi_print_glsl(&print) : fmi_print_c(&print);
    }
    atomic_fetch_add(&seen.nanoseconds[0], middle - start);
    atomic_fetch_add(&seen.nanoseconds[1], now() - begin);
    snprintf(said, sizeof said, "%s", fm_last_error());
    settle(generated->source, was, old, is, said);
    if (is == FM_OK && is_glsl) {
        compare_modules(generated->source, &before.text, &print.text);
        if (before.indirect_arguments != print.indirect_arguments ||
            before.wants_group_base != print.wants_group_base || before.wants_group_count != print.wants_group_count) {
            differ("arguments", generated->source, fmi_text_get(&before.text), fmi_text_get(&print.text));
        }
    }
    if (is == FM_OK) {
        write_texts(&print);
        generated->text = print.text;
        generated->indirect_arguments = print.indirect_arguments;
        generated->wants_group_count = print.wants_group_count;
        generated->wants_group_base = print.wants_group_base;
        generated->features = translate_features(tree.features);
        fmi_tree_free(&tree);
    }
    fmi_text_free(&before.text);
    free(names);
    return is;
}

fm_status __wrap_fmi_generate_glsl(fmi_generated *generated)
{
    return generate(generated, __real_fmi_generate_glsl, true);
}

fm_status __wrap_fmi_generate_c(fmi_generated *generated)
{
    return generate(generated, __real_fmi_generate_c, false);
}
