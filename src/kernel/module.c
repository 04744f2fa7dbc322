// Kernels that are given as GLSL or as modules: compiled, checked, and asked what they bind. See build.h.
// Once a kernel, at its creation, by the thread that creates it. A text is compiled through the disk cache like any
// other.
#include "kernel/build.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

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
                            "its workgroup of %u × %u × %u work-items is over what device '%s' allows",
                            reflection->group_size[0], reflection->group_size[1], reflection->group_size[2],
                            caps->description);
        }
    }
    if (reflection->push_constants_bytes > caps->max_push_constants_bytes) {
        return fmi_fail(FM_ERROR_UNSUPPORTED, "%u bytes of push constants are over the %u of device '%s'",
                        reflection->push_constants_bytes, caps->max_push_constants_bytes, caps->description);
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
    const fmi_key_makers makers = fmi_kernel_makers(kernel);
    fmi_key_write(&key, FMI_KEY_MODULE, &makers, NULL, source->glsl, source->glsl_length);
    if (fmi_kernel_load(kernel, &key, true, &record)) {
        source->module = fmi_kernel_copy_code(&record.content);
        source->module_size_bytes = record.content.code_size_bytes;
        fmi_disk_release(&record);
    }
    fm_status status = FM_OK;
    if (!source->module) {
        status = fmi_kernel_compile(kernel, fmi_target_of(kernel->caps->code_kind)->compile_module, source->glsl,
                                    &source->module, &source->module_size_bytes);
        if (status == FM_OK && fmi_kernel_uses_disk(kernel)) {
            const fmi_disk_content content = {.code = source->module, .code_size_bytes = source->module_size_bytes};
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
    fmi_reflection reflection;
    status =
        fmi_target_of(kernel->caps->code_kind)->read_module(source->module, source->module_size_bytes, &reflection);
    return status == FM_OK ? take_reflection(kernel, &reflection) : status;
}
