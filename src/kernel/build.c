// From a kernel's source and one choice of dtypes to a binary. See build.h.
// The one place that knows the order: generate, compile, decorate, hand to the backend; and for given modules: compile, check,
// reflect. Compiler messages become one sentence with the kernel's name here. Nothing is locked.
#include "kernel/build.h"

#include "base/error.h"
#include "kernel/generate.h"
#include "kernel/inspect.h"
#include "kernel/message.h"

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
    fm_status status =
        fmi_fail(FM_ERROR_COMPILE, "kernel '%s' does not compile: %s", kernel->name, fmi_text_get(&messages));
    fmi_text_free(&messages);
    return status;
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
    kernel->param_count = reflection->binding_count;
    kernel->constants_size_bytes = reflection->push_constants_bytes;
    memcpy(kernel->access, reflection->access, sizeof kernel->access);
    memcpy(source->binding_numbers, reflection->binding_numbers, sizeof source->binding_numbers);
    memcpy(source->group_size, reflection->group_size, sizeof source->group_size);
    return FM_OK;
}

fm_status fmi_kernel_read_module(fmi_kernel *kernel)
{
    fmi_kernel_source *source = kernel->source;
    fm_status status = FM_OK;
    if (kernel->language == FM_KERNEL_GLSL) {
        status = compile_glsl(kernel, source->glsl, &source->spirv, &source->spirv_size_bytes);
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

// Generates and, for SPIR-V, compiles a portable kernel. `*out_words` and `generated->text` are the caller's to free.
static fm_status prepare_portable(const fmi_kernel *kernel, fmi_generated *generated, fmi_kernel_code *code,
                                  uint32_t **out_words)
{
    generated->source = kernel->source;
    generated->param_count = kernel->param_count;
    generated->binding_mode = kernel->caps->binding_mode;
    generated->max_push_constants_bytes = kernel->caps->max_push_constants_bytes;
    fm_status status = kernel->caps->takes_spirv ? fmi_generate_glsl(generated) : fmi_generate_c(generated);
    if (status != FM_OK) {
        return blame(kernel, status);
    }
    code->binding_mode = generated->binding_mode;
    code->indirect_arguments = generated->indirect_arguments;
    code->wants_group_count = generated->wants_group_count;
    code->wants_group_base = generated->wants_group_base;
    code->arguments_binding = kernel->param_count;
    for (uint32_t i = 0; i < kernel->param_count; i++) {
        code->binding_numbers[i] = i;
    }
    if (!kernel->caps->takes_spirv) {
        code->c_source = fmi_text_get(&generated->text);
        code->wants_barriers = (generated->features & FMI_USES_BARRIER) != 0;
        return FM_OK;
    }
    status = compile_generated(kernel, fmi_text_get(&generated->text), out_words, &code->spirv_size_bytes);
    code->spirv = *out_words;
    return status;
}

static void prepare_given(const fmi_kernel *kernel, fmi_kernel_code *code)
{
    const fmi_kernel_source *source = kernel->source;
    code->spirv = source->spirv;
    code->spirv_size_bytes = source->spirv_size_bytes;
    code->host_function = source->host_function;
    code->user = source->user;
    code->binding_mode = FM_BINDING_DESCRIPTORS;
    memcpy(code->binding_numbers, source->binding_numbers, sizeof code->binding_numbers);
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

fm_status fmi_kernel_build(const fmi_kernel *kernel, uint64_t dtypes, fmi_variant **out)
{
    fmi_variant *variant = calloc(1, sizeof *variant);
    if (!variant) {
        return fmi_fail(FM_ERROR_OUT_OF_HOST_MEMORY, "no host memory for kernel '%s'", kernel->name);
    }
    variant->dtypes = dtypes;
    bool is_portable = kernel->language == FM_KERNEL_PORTABLE;
    for (uint32_t i = 0; i < FM_MAX_BINDINGS; i++) {
        uint32_t size_bytes = is_portable ? fmi_dtype_size(fmi_key_dtype(dtypes, i)) : 0;
        variant->element_bytes[i] = (uint8_t)(size_bytes ? size_bytes : 1);
    }
    fmi_kernel_code code = {
        .name = kernel->name, .span_count = kernel->param_count, .constants_size_bytes = kernel->constants_size_bytes};
    memcpy(code.group_size, kernel->source->group_size, sizeof code.group_size);
    fmi_generated generated = {.dtypes = dtypes};
    uint32_t *words = NULL;
    fm_status status = FM_OK;
    if (is_portable) {
        status = prepare_portable(kernel, &generated, &code, &words);
    } else {
        prepare_given(kernel, &code);
    }
    if (status == FM_OK) {
        status = create_binary(kernel, &code, &variant->binary);
    }
    free(words);
    if (status == FM_ERROR_COMPILE && generated.text.length) {
        fmi_kernel_locate_error(kernel, &generated);
    }
    fmi_text_free(&generated.text);
    if (status != FM_OK) {
        free(variant);
        return status;
    }
    *out = variant;
    return FM_OK;
}
