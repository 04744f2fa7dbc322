// From a kernel's source and one choice of dtypes to a binary. See build.h.
// The one place that knows the order: generate, ask the disk, compile, hand to the backend. Compiler messages become
// one sentence here; whose kernel it is, kernel.c says. Nothing is locked.
#include "kernel/build.h"

#include "base/error.h"
#include "kernel/message.h"
#include "kernel/target.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static fm_status fail_to_compile(const fmi_kernel *kernel, const fmi_text *log)
{
    fmi_text messages = {0};
    fmi_message_shorten(fmi_text_get(log), &messages);
    // What a portable text says wrong was found before: a compiler that refuses what was made of it has found our own
    // mistake.
    bool is_ours = kernel->language == FM_KERNEL_PORTABLE;
    fm_status status =
        fmi_fail(FM_ERROR_COMPILE, "it does not compile%s: %s",
                 is_ours ? ", which is a mistake of Fermata (fm_kernel_get_source gives the generated source)" : "",
                 fmi_text_get(&messages));
    fmi_text_free(&messages);
    return status;
}

static void count(_Atomic(uint64_t) *counter)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

static const fmi_target *target_of(const fmi_kernel *kernel)
{
    return fmi_target_of(kernel->caps->code_kind);
}

bool fmi_kernel_uses_disk(const fmi_kernel *kernel)
{
    return kernel->cache->disk && target_of(kernel)->may_be_kept;
}

fmi_key_makers fmi_kernel_makers(const fmi_kernel *kernel)
{
    fmi_key_makers makers = {.ops = kernel->ops, .caps = kernel->caps};
    const uint32_t *version =
        target_of(kernel)->compile ? target_of(kernel)->compiler_version : kernel->caps->compiler_version;
    memcpy(makers.compiler_version, version, sizeof makers.compiler_version);
    return makers;
}

bool fmi_kernel_load(const fmi_kernel *kernel, const fmi_text *key, bool with_code, fmi_disk_record *out)
{
    *out = (fmi_disk_record){0};
    if (!fmi_kernel_uses_disk(kernel)) {
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

void *fmi_kernel_copy_code(const fmi_disk_content *content)
{
    void *code = content->code_size_bytes % 4 == 0 ? malloc(content->code_size_bytes) : NULL;
    if (code) {
        memcpy(code, content->code, content->code_size_bytes);
    }
    return code;
}

fm_status fmi_kernel_compile(const fmi_kernel *kernel, fmi_compile compile, const char *text, void **out_code,
                             size_t *out_size_bytes)
{
    fmi_text log = {0};
    fm_status status = compile(text, &log, out_code, out_size_bytes);
    if (status == FM_ERROR_COMPILE) {
        fail_to_compile(kernel, &log);
    }
    fmi_text_free(&log);
    return status;
}

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
    generated->float_modes = fmi_generate_float_modes(kernel->caps);
    generated->ends_loops = kernel->caps->most_loop_trips != 0;
    generated->max_push_constants_bytes = kernel->caps->max_push_constants_bytes;
    fm_status status = fmi_generate(generated, target_of(kernel)->print);
    if (status != FM_OK) {
        return status;
    }
    status = fmi_kernel_check_features(kernel, generated->features);
    if (status != FM_OK) {
        return status;
    }
    code->binding_mode = generated->binding_mode;
    code->indirect_arguments = generated->indirect_arguments;
    code->wants_group_count = generated->wants_group_count;
    code->wants_group_base = generated->wants_group_base;
    code->notes_loops = generated->notes_loops;
    code->note_binding = kernel->param_count + 1;
    code->runs_in_parts = true; // the body's only way to its group's number is the one that adds the base
    code->arguments_binding = kernel->param_count;
    for (uint32_t i = 0; i < kernel->param_count; i++) {
        code->binding_numbers[i] = i;
    }
    if (!target_of(kernel)->compile) {
        code->code = fmi_text_get(&generated->text);
        code->code_size_bytes = generated->text.length;
        code->wants_barriers = (generated->features & FMI_NEEDS_BARRIER) != 0;
    }
    return FM_OK;
}

static void write_given(const fmi_kernel *kernel, fmi_kernel_code *code)
{
    const fmi_kernel_source *source = kernel->source;
    code->code = source->module;
    code->code_size_bytes = source->module_size_bytes;
    code->host_function = source->host_function;
    code->user = source->user;
    code->binding_mode = FM_BINDING_DESCRIPTORS;
    memcpy(code->binding_numbers, source->binding_numbers, sizeof code->binding_numbers);
}

static void write_key(const fmi_kernel *kernel, fmi_recipe *recipe)
{
    const fmi_kernel_code *code = &recipe->code;
    const fmi_text *text = &recipe->generated.text;
    if (FMI_ABLATED(kernel->cache->ablations, FM_ABLATE_WHOLE_KEY)) {
        fmi_text_append(&recipe->key, kernel->name, strlen(kernel->name));
        return;
    }
    if (kernel->language == FM_KERNEL_HOST_FUNCTION) {
        return; // nothing is compiled, so nothing is looked for
    }
    const fmi_key_makers makers = fmi_kernel_makers(kernel);
    if (kernel->language == FM_KERNEL_PORTABLE) {
        fmi_key_write(&recipe->key, target_of(kernel)->key_kind, &makers, code, fmi_text_get(text), text->length);
    } else {
        fmi_key_write(&recipe->key, FMI_KEY_SPIRV, &makers, code, code->code, code->code_size_bytes);
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

// Has the backend make the binary of `made` (NULL: of the kernel's own module, or of its text), and keeps on disk what
// is new: that code, if `record` has none, and what the driver gave back.
static fm_status make_binary(const fmi_recipe *recipe, const void *made, size_t size_bytes,
                             const fmi_disk_record *record, fmi_made *out)
{
    const fmi_kernel *kernel = recipe->kernel;
    fmi_kernel_code code = recipe->code;
    fmi_text driver_data = {0};
    if (made) {
        code.code = made;
        code.code_size_bytes = size_bytes;
    }
    code.driver_data = record->content.driver_data;
    code.driver_data_size_bytes = record->content.driver_data_size_bytes;
    code.out_driver_data = fmi_kernel_uses_disk(kernel) ? &driver_data : NULL;
    out->code_bytes = code.code_size_bytes;
    fm_status status = create_binary(kernel, &code, &out->binary);
    bool is_new = (made && !record->bytes) || (driver_data.length && !driver_data.failed);
    if (status == FM_OK && fmi_kernel_uses_disk(kernel) && is_new) {
        const fmi_disk_content content = {
            .code = made,
            .code_size_bytes = made ? size_bytes : 0,
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
    // Where the backend compiles, what it made is the driver's data.
    bool is_generated = recipe->kernel->language == FM_KERNEL_PORTABLE && target_of(recipe->kernel)->compile;
    fmi_disk_record record;
    if (!fmi_kernel_load(recipe->kernel, &recipe->key, is_generated, &record)) {
        return false;
    }
    // A copy: in the file code need not lie where it may.
    void *code = is_generated ? fmi_kernel_copy_code(&record.content) : NULL;
    bool is_made =
        (code || !is_generated) && make_binary(recipe, code, record.content.code_size_bytes, &record, out) == FM_OK;
    free(code);
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
    fmi_compile compile = kernel->language == FM_KERNEL_PORTABLE ? target_of(kernel)->compile : NULL;
    void *code = NULL;
    size_t size_bytes = 0;
    fm_status status = FM_OK;
    if (compile) {
        status = fmi_kernel_compile(kernel, compile, fmi_text_get(&recipe->generated.text), &code, &size_bytes);
    }
    if (status == FM_OK) {
        status = make_binary(recipe, code, size_bytes, &(fmi_disk_record){0}, out);
    }
    free(code);
    if (status == FM_OK && kernel->language != FM_KERNEL_HOST_FUNCTION) {
        count(&kernel->cache->counters.compiled);
    }
    return status;
}
