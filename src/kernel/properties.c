// Answers from what creation has copied or read. See properties.h.
// Everything but the map of variants is constant once the kernel exists.
#include "kernel/properties.h"

#include "base/error.h"
#include "kernel/source.h"

#include <stdio.h>
#include <string.h>

static void copy_name(char out[FM_MAX_NAME_BYTES], const char *name)
{
    snprintf(out, FM_MAX_NAME_BYTES, "%s", name);
}

static void get_param(const fmi_kernel *kernel, uint32_t i, fm_kernel_param_properties *out)
{
    bool is_module = kernel->language == FM_KERNEL_GLSL || kernel->language == FM_KERNEL_SPIRV;
    copy_name(out->name, fmi_kernel_param_name(kernel, i));
    out->dtype = (fm_dtype)kernel->dtype[i];
    out->access = (fm_access)kernel->access[i];
    out->binding_number = is_module ? kernel->source->binding_numbers[i] : i;
    out->least_size_bytes = kernel->least_bytes[i];
}

static uint32_t shared_size(const fmi_kernel *kernel)
{
    const fmi_kernel_source *source = kernel->source;
    uint32_t size_bytes = 0;
    if (kernel->language == FM_KERNEL_PORTABLE) {
        const fmi_declared *shared = source->names + kernel->param_count + source->constant_count;
        for (uint32_t i = 0; i < source->shared_count; i++) {
            size_bytes += source->shared_sizes[i] * fmi_dtype_size((fm_dtype)shared[i].dtype);
        }
    }
    return size_bytes;
}

static uint32_t count_variants(fmi_kernel *kernel)
{
    if (kernel->own) {
        return 1;
    }
    pthread_mutex_lock(&kernel->lock);
    uint32_t count = fmi_variant_map_count(&kernel->variants, &kernel->cache->variants);
    pthread_mutex_unlock(&kernel->lock);
    return count;
}

void fmi_kernel_get_properties(fmi_kernel *kernel, fm_kernel_properties *out)
{
    *out = (fm_kernel_properties){
        .language = kernel->language,
        .param_count = kernel->param_count,
        .constant_count = kernel->source->constant_count,
        .constants_size_bytes = kernel->constants_size_bytes,
        .shared_size_bytes = shared_size(kernel),
        .variant_count = count_variants(kernel),
    };
    copy_name(out->name, kernel->name);
    memcpy(out->group_size, kernel->group_size, sizeof out->group_size);
    for (uint32_t i = 0; i < kernel->param_count; i++) {
        get_param(kernel, i, &out->params[i]);
    }
}

uint32_t fmi_kernel_get_constants(const fmi_kernel *kernel, fm_kernel_constant_properties *entries, uint32_t room)
{
    const fmi_kernel_source *source = kernel->source;
    const fmi_declared *constants = source->names + kernel->param_count;
    uint32_t at_bytes = 0;
    for (uint32_t i = 0; i < source->constant_count; i++) {
        fm_dtype dtype = (fm_dtype)constants[i].dtype;
        uint32_t offset_bytes = fmi_dtype_place(dtype, &at_bytes);
        if (i < room) {
            entries[i] = (fm_kernel_constant_properties){.dtype = dtype, .offset_bytes = offset_bytes};
            copy_name(entries[i].name, constants[i].name);
        }
    }
    return source->constant_count;
}

void fmi_kernel_append_param_names(const fmi_kernel *kernel, fmi_text *out)
{
    for (uint32_t i = 0; i < kernel->param_count; i++) {
        const char *name = fmi_kernel_param_name(kernel, i);
        const char *quote = name[0] ? "'" : "";
        fmi_text_format(out, "%s%s%s%s", i ? ", " : "", quote, name[0] ? name : "one without a name", quote);
    }
}

fm_status fmi_kernel_find_param(const fmi_kernel *kernel, const char *name, uint32_t *out_index)
{
    uint32_t found = 0;
    for (uint32_t i = 0; i < kernel->param_count; i++) {
        // A name that a module does not keep is no parameter's.
        if (name[0] && strcmp(fmi_kernel_param_name(kernel, i), name) == 0) {
            *out_index = i;
            found++;
        }
    }
    if (found == 1) {
        return FM_OK;
    }
    if (found > 1) {
        return fmi_fail_of("kernel", kernel->name, FM_ERROR_INVALID_ARGUMENT, "it has %u parameters of the name '%s'",
                           found, name);
    }
    fmi_text names = {0};
    fmi_kernel_append_param_names(kernel, &names);
    fm_status status =
        fmi_fail_of("kernel", kernel->name, FM_ERROR_INVALID_ARGUMENT, "it has no parameter '%s'; it has %s", name,
                    kernel->param_count ? fmi_text_get(&names) : "none");
    fmi_text_free(&names);
    return status;
}
