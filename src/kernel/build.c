// From a kernel's source and one choice of dtypes to a binary. See build.h.
// The one place that knows the order: generate, compile, decorate, hand to the backend; and for given modules: compile,
// check, reflect. Compiler messages become one sentence with the kernel's name here. Nothing is locked.
#include "kernel/build.h"

#include "base/error.h"
#include "kernel/message.h"
#include "variant/disk.h"
#include "variant/key.h"

#ifdef FMI_HAVE_VULKAN
#include "kernel/spirv/compile.h"
#include "kernel/spirv/decorate.h"
#include "kernel/spirv/reflect.h"
#endif

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Puts "kernel 'name': " before what a lower layer said.
static fm_status blame(const fmi_kernel *kernel, fm_status status)
{
    char prefix[128];
    snprintf(prefix, sizeof prefix, "kernel '%.100s'", kernel->name);
    fmi_error_prefix(prefix);
    return status;
}

static fm_status fail_to_compile(const fmi_kernel *kernel, const fmi_text *log)
{
    fmi_text messages = {0};
    fmi_message_shorten(fmi_text_get(log), &messages);
    // What a portable text says wrong was found before: a compiler that refuses what was made of it has found our own
    // mistake.
    bool is_ours = kernel->language == FM_KERNEL_PORTABLE;
    fm_status status =
        fmi_fail(FM_ERROR_COMPILE, "kernel '%s' does not compile%s: %s", kernel->name,
                 is_ours ? ", which is a mistake of Fermata (fm_kernel_get_source gives the generated source)" : "",
                 fmi_text_get(&messages));
    fmi_text_free(&messages);
    return status;
}

static void count(_Atomic(uint64_t) *counter)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

// Only what becomes SPIR-V can be kept: code that libtcc has made is bound to the addresses of its process.
static bool uses_disk(const fmi_kernel *kernel)
{
    return kernel->cache->disk && kernel->caps->takes_spirv;
}

// Asks the disk cache. Nothing is handed out but what was written for exactly this key; generated code is as valid as
// it was when it was written, since its checksum binds it to the key, and given code is validated by whoever asked.
static bool load(const fmi_kernel *kernel, const fmi_text *key, bool with_code, fmi_disk_record *out)
{
    *out = (fmi_disk_record){0};
    if (!uses_disk(kernel)) {
        return false;
    }
    bool is_found = fmi_disk_load(kernel->cache->disk, key, out);
    if (is_found && (out->content.code != NULL) != with_code) {
        fmi_disk_release(out);
        is_found = false;
    }
    count(is_found ? &kernel->cache->counters.disk_hits : &kernel->cache->counters.disk_misses);
    return is_found;
}

// The SPIR-V of a file, as words; NULL if it cannot be any, or without memory.
static uint32_t *copy_words(const fmi_disk_content *content)
{
    uint32_t *words = content->code_size_bytes % 4 == 0 ? malloc(content->code_size_bytes) : NULL;
    if (words) {
        memcpy(words, content->code, content->code_size_bytes);
    }
    return words;
}

#ifdef FMI_HAVE_VULKAN

static fm_status compile_glsl(const fmi_kernel *kernel, const char *glsl, uint32_t **out_words, size_t *out_size_bytes)
{
    fmi_text log = {0};
    fm_status status = fmi_spirv_compile(glsl, &log, out_words, out_size_bytes);
    if (status == FM_ERROR_COMPILE) {
        fail_to_compile(kernel, &log);
    } else if (status != FM_OK) {
        blame(kernel, status);
    }
    fmi_text_free(&log);
    return status;
}

static fm_status compile_generated(const fmi_kernel *kernel, const char *glsl, uint32_t **out_words,
                                   size_t *out_size_bytes)
{
    fm_status status = compile_glsl(kernel, glsl, out_words, out_size_bytes);
    if (status == FM_OK && fmi_spirv_decorate(out_words, out_size_bytes) != FM_OK) {
        status = blame(kernel, FM_ERROR_OUT_OF_HOST_MEMORY);
    }
    return status;
}

// A module declares its own parameters: their names take the place of those that were given, of which there are none.
static bool take_names(fmi_kernel_source *source, const fmi_reflection *reflection)
{
    fmi_declared *names = calloc(reflection->binding_count + 1, sizeof *names); // + 1: no names is no failure
    if (!names) {
        return false;
    }
    free(source->names);
    source->names = names;
    for (uint32_t i = 0; i < reflection->binding_count; i++) {
        names[i].name = strdup(reflection->names[i]);
        if (!names[i].name) {
            return false;
        }
        source->name_count++;
    }
    return true;
}

static fm_status take_reflection(fmi_kernel *kernel, const fmi_reflection *reflection)
{
    fmi_kernel_source *source = kernel->source;
    const fmi_backend_caps *caps = kernel->caps;
    uint64_t product = 1;
    for (int axis = 0; axis < 3; axis++) {
        product *= reflection->group_size[axis];
        if (reflection->group_size[axis] > caps->max_group_size[axis] || product > caps->max_group_invocations) {
            return fmi_fail(FM_ERROR_UNSUPPORTED,
                            "kernel '%s': its workgroup of %u × %u × %u work-items is over what device '%s' allows",
                            kernel->name, reflection->group_size[0], reflection->group_size[1],
                            reflection->group_size[2], caps->description);
        }
    }
    if (reflection->push_constants_bytes > caps->max_push_constants_bytes) {
        return fmi_fail(FM_ERROR_UNSUPPORTED, "kernel '%s': %u bytes of push constants are over the %u of device '%s'",
                        kernel->name, reflection->push_constants_bytes, caps->max_push_constants_bytes,
                        caps->description);
    }
    if (!take_names(source, reflection)) {
        return fmi_fail(FM_ERROR_OUT_OF_HOST_MEMORY, "no host memory for a kernel");
    }
    kernel->param_count = reflection->binding_count;
    kernel->constants_size_bytes = reflection->push_constants_bytes;
    memcpy(kernel->access, reflection->access, sizeof kernel->access);
    memcpy(kernel->dtype, reflection->dtype, sizeof kernel->dtype);
    memcpy(kernel->least_bytes, reflection->least_bytes, sizeof kernel->least_bytes);
    for (uint32_t i = 0; i < reflection->binding_count; i++) {
        kernel->checked_size_bits |= reflection->least_bytes[i] > 0 ? UINT64_MAX : 0;
    }
    memcpy(source->binding_numbers, reflection->binding_numbers, sizeof source->binding_numbers);
    memcpy(source->group_size, reflection->group_size, sizeof source->group_size);
    return FM_OK;
}

// Compiles the user's GLSL to the kernel's module, or takes it from the disk cache.
static fm_status make_module(fmi_kernel *kernel)
{
    fmi_kernel_source *source = kernel->source;
    fmi_text key = {0};
    fmi_disk_record record;
    fmi_key_write(&key, FMI_KEY_MODULE, kernel->ops, kernel->caps, NULL, source->glsl, source->glsl_length);
    if (load(kernel, &key, true, &record)) {
        source->spirv = copy_words(&record.content);
        source->spirv_size_bytes = record.content.code_size_bytes;
        fmi_disk_release(&record);
    }
    fm_status status = FM_OK;
    if (!source->spirv) {
        status = compile_glsl(kernel, source->glsl, &source->spirv, &source->spirv_size_bytes);
        if (status == FM_OK && uses_disk(kernel)) {
            const fmi_disk_content content = {.code = (const uint8_t *)source->spirv,
                                              .code_size_bytes = source->spirv_size_bytes};
            fmi_disk_store(kernel->cache->disk, &key, &content);
        }
    }
    fmi_text_free(&key);
    return status;
}

fm_status fmi_kernel_read_module(fmi_kernel *kernel)
{
    fmi_kernel_source *source = kernel->source;
    fm_status status = FM_OK;
    if (kernel->language == FM_KERNEL_GLSL) {
        status = make_module(kernel);
        if (status != FM_OK) {
            return status;
        }
        free(source->glsl);
        source->glsl = NULL;
    }
    status = fmi_spirv_check(source->spirv, source->spirv_size_bytes);
    fmi_reflection reflection;
    if (status == FM_OK) {
        status = fmi_spirv_reflect(source->spirv, source->spirv_size_bytes, &reflection);
    }
    return status == FM_OK ? take_reflection(kernel, &reflection) : blame(kernel, status);
}

#else

static fm_status compile_generated(const fmi_kernel *kernel, const char *glsl, uint32_t **out_words,
                                   size_t *out_size_bytes)
{
    (void)glsl, (void)out_words, (void)out_size_bytes;
    return fmi_fail(FM_ERROR_UNSUPPORTED, "kernel '%s': this build has no GLSL compiler", kernel->name);
}

fm_status fmi_kernel_read_module(fmi_kernel *kernel)
{
    return fmi_fail(FM_ERROR_UNSUPPORTED, "kernel '%s': this build has no GLSL compiler", kernel->name);
}

#endif

// Generates a portable kernel's source and how its arguments travel.
static fm_status write_portable(const fmi_kernel *kernel, fmi_recipe *recipe)
{
    fmi_generated *generated = &recipe->generated;
    fmi_kernel_code *code = &recipe->code;
    generated->source = kernel->source;
    generated->param_count = kernel->param_count;
    bool by_address = kernel->addresses_large_bindings && (generated->dtypes & FMI_KEY_BY_ADDRESS);
    generated->binding_mode = by_address ? FM_BINDING_ADDRESSES : kernel->caps->binding_mode;
    generated->has_subgroups = kernel->caps->subgroup_size > 1;
    generated->max_push_constants_bytes = kernel->caps->max_push_constants_bytes;
    fm_status status = kernel->caps->takes_spirv ? fmi_generate_glsl(generated) : fmi_generate_c(generated);
    if (status != FM_OK) {
        return blame(kernel, status);
    }
    status = fmi_kernel_check_features(kernel, generated->features);
    if (status != FM_OK) {
        return status;
    }
    code->binding_mode = generated->binding_mode;
    code->indirect_arguments = generated->indirect_arguments;
    code->wants_group_count = generated->wants_group_count;
    code->wants_group_base = generated->wants_group_base;
    code->runs_in_parts = true; // the body's only way to its group's number is the one that adds the base
    code->arguments_binding = kernel->param_count;
    for (uint32_t i = 0; i < kernel->param_count; i++) {
        code->binding_numbers[i] = i;
    }
    if (!kernel->caps->takes_spirv) {
        code->c_source = fmi_text_get(&generated->text);
        code->wants_barriers = (generated->features & FMI_NEEDS_BARRIER) != 0;
    }
    return FM_OK;
}

static void write_given(const fmi_kernel *kernel, fmi_kernel_code *code)
{
    const fmi_kernel_source *source = kernel->source;
    code->spirv = source->spirv;
    code->spirv_size_bytes = source->spirv_size_bytes;
    code->host_function = source->host_function;
    code->user = source->user;
    code->binding_mode = FM_BINDING_DESCRIPTORS;
    memcpy(code->binding_numbers, source->binding_numbers, sizeof code->binding_numbers);
}

static void write_key(const fmi_kernel *kernel, fmi_recipe *recipe)
{
    const fmi_kernel_code *code = &recipe->code;
    const fmi_text *text = &recipe->generated.text;
    bool is_portable = kernel->language == FM_KERNEL_PORTABLE;
    if (FMI_ABLATED(kernel->cache->ablations, FM_ABLATE_WHOLE_KEY)) {
        fmi_text_append(&recipe->key, kernel->name, strlen(kernel->name));
    } else if (kernel->language == FM_KERNEL_HOST_FUNCTION) {
        return; // nothing is compiled, so nothing is looked for
    } else if (is_portable) {
        fmi_key_write(&recipe->key, code->c_source ? FMI_KEY_C : FMI_KEY_GLSL, kernel->ops, kernel->caps, code,
                      fmi_text_get(text), text->length);
    } else {
        fmi_key_write(&recipe->key, FMI_KEY_SPIRV, kernel->ops, kernel->caps, code, code->spirv,
                      code->spirv_size_bytes);
    }
}

fm_status fmi_kernel_write_recipe(const fmi_kernel *kernel, uint64_t dtypes, fmi_recipe *out)
{
    *out = (fmi_recipe){.kernel = kernel,
                        .generated = {.dtypes = dtypes},
                        .code = {.name = kernel->name,
                                 .span_count = kernel->param_count,
                                 .constants_size_bytes = kernel->constants_size_bytes}};
    memcpy(out->code.group_size, kernel->source->group_size, sizeof out->code.group_size);
    fm_status status = FM_OK;
    if (kernel->language == FM_KERNEL_PORTABLE) {
        status = write_portable(kernel, out);
    } else {
        write_given(kernel, &out->code);
    }
    if (status == FM_OK) {
        write_key(kernel, out);
    }
    return status;
}

void fmi_recipe_release(fmi_recipe *recipe)
{
    fmi_text_free(&recipe->generated.text);
    fmi_text_free(&recipe->key);
}

static fm_status create_binary(const fmi_kernel *kernel, const fmi_kernel_code *code, fmi_kernel_binary **out)
{
    fmi_text log = {0};
    fm_status status = kernel->ops->create_kernel(kernel->backend, code, out, &log);
    if (status == FM_ERROR_COMPILE && log.length) {
        fail_to_compile(kernel, &log);
    }
    fmi_text_free(&log);
    return status;
}

// Has the backend make the binary of `words` (NULL: the kernel's own module, or C), and keeps on disk what is new: the
// words, if `record` has none, and what the driver gave back.
static fm_status make_binary(const fmi_recipe *recipe, const uint32_t *words, size_t size_bytes,
                             const fmi_disk_record *record, fmi_made *out)
{
    const fmi_kernel *kernel = recipe->kernel;
    fmi_kernel_code code = recipe->code;
    fmi_text driver_data = {0};
    if (words) {
        code.spirv = words;
        code.spirv_size_bytes = size_bytes;
    }
    code.driver_data = record->content.driver_data;
    code.driver_data_size_bytes = record->content.driver_data_size_bytes;
    code.out_driver_data = uses_disk(kernel) ? &driver_data : NULL;
    out->code_bytes = code.c_source ? recipe->generated.text.length : code.spirv_size_bytes;
    fm_status status = create_binary(kernel, &code, &out->binary);
    bool is_new = (words && !record->bytes) || (driver_data.length && !driver_data.failed);
    if (status == FM_OK && uses_disk(kernel) && is_new) {
        const fmi_disk_content content = {
            .code = (const uint8_t *)words,
            .code_size_bytes = words ? size_bytes : 0,
            .driver_data = (const uint8_t *)driver_data.data,
            .driver_data_size_bytes = driver_data.failed ? 0 : driver_data.length,
        };
        fmi_disk_store(kernel->cache->disk, &recipe->key, &content);
    }
    fmi_text_free(&driver_data);
    return status;
}

// Makes the variant of what the disk cache has for the key. False: it has nothing that serves.
static bool make_from_disk(const fmi_recipe *recipe, fmi_made *out)
{
    bool is_generated = recipe->kernel->language == FM_KERNEL_PORTABLE;
    fmi_disk_record record;
    if (!load(recipe->kernel, &recipe->key, is_generated, &record)) {
        return false;
    }
    // A copy: in the file the words need not lie where words may.
    uint32_t *words = is_generated ? copy_words(&record.content) : NULL;
    bool is_made =
        (words || !is_generated) && make_binary(recipe, words, record.content.code_size_bytes, &record, out) == FM_OK;
    free(words);
    fmi_disk_release(&record);
    return is_made;
}

fm_status fmi_recipe_make(void *user, fmi_made *out)
{
    const fmi_recipe *recipe = user;
    const fmi_kernel *kernel = recipe->kernel;
    if (make_from_disk(recipe, out)) {
        return FM_OK;
    }
    uint32_t *words = NULL;
    size_t size_bytes = 0;
    fm_status status = FM_OK;
    if (kernel->language == FM_KERNEL_PORTABLE && kernel->caps->takes_spirv) {
        status = compile_generated(kernel, fmi_text_get(&recipe->generated.text), &words, &size_bytes);
    }
    if (status == FM_OK) {
        status = make_binary(recipe, words, size_bytes, &(fmi_disk_record){0}, out);
    }
    free(words);
    if (status == FM_OK && kernel->language != FM_KERNEL_HOST_FUNCTION) {
        count(&kernel->cache->counters.compiled);
    }
    return status;
}
