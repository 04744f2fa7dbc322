// Copies and frees what the user gave. See source.h.
// Everything is copied, so that nothing of fm_kernel_info is borrowed after fm_kernel_create but `user`. A copy that runs out of
// memory half-way is freed here.
#include "kernel/source.h"

#include <stdlib.h>
#include <string.h>

static char *copy_text(const char *text, size_t length)
{
    char *copy = malloc(length + 1);
    if (copy) {
        memcpy(copy, text, length);
        copy[length] = 0;
    }
    return copy;
}

size_t fmi_kernel_code_length(const fm_kernel_info *info)
{
    return info->code_size_bytes ? info->code_size_bytes : strlen(info->code);
}

uint32_t fmi_kernel_constants_size(const fm_kernel_info *info)
{
    uint32_t size_bytes = 0, alignment = 1;
    for (uint32_t i = 0; i < info->constant_count; i++) {
        uint32_t size = fmi_dtype_size(info->constants[i].dtype);
        fmi_dtype_place(info->constants[i].dtype, &size_bytes);
        alignment = size > alignment ? size : alignment;
    }
    return (size_bytes + alignment - 1) / alignment * alignment;
}

static bool copy_code(fmi_kernel_source *source, const fm_kernel_info *info)
{
    switch (info->language) {
    case FM_KERNEL_PORTABLE:
        source->body_length = fmi_kernel_code_length(info);
        source->body = copy_text(info->code, source->body_length);
        if (info->header) {
            source->header_length = strlen(info->header);
            source->header = copy_text(info->header, source->header_length);
        }
        return source->body && (source->header || !info->header);
    case FM_KERNEL_GLSL:
        source->glsl_length = fmi_kernel_code_length(info);
        source->glsl = copy_text(info->code, source->glsl_length);
        return source->glsl != NULL;
    case FM_KERNEL_SPIRV:
        source->module_size_bytes = info->code_size_bytes;
        source->module = malloc(info->code_size_bytes);
        if (source->module) {
            memcpy(source->module, info->code, info->code_size_bytes);
        }
        return source->module != NULL;
    case FM_KERNEL_HOST_FUNCTION:
        source->host_function = info->host_function;
        source->user = info->user;
        return true;
    }
    return false;
}

static bool copy_names(fmi_kernel_source *source, const fm_kernel_info *info)
{
    size_t count = (size_t)info->param_count + info->constant_count + info->shared_count + info->special_count;
    source->names = calloc(count + 1, sizeof *source->names); // + 1: no names is no failure
    source->shared_sizes = calloc((size_t)info->shared_count + 1, sizeof *source->shared_sizes);
    if (!source->names || !source->shared_sizes) {
        return false;
    }
    source->name_count = (uint32_t)count;
    source->constant_count = info->constant_count;
    source->constants_size_bytes = fmi_kernel_constants_size(info);
    source->shared_count = info->shared_count;
    source->special_count = info->special_count;
    fmi_declared *name = source->names;
    for (uint32_t i = 0; i < info->param_count; i++) {
        const fm_kernel_param *param = &info->params[i];
        *name++ = (fmi_declared){.name = copy_text(param->name, strlen(param->name)),
                                 .kind = FMI_DECLARED_BUFFER,
                                 .dtype = (uint8_t)param->dtype,
                                 .access = (uint8_t)param->access};
    }
    for (uint32_t i = 0; i < info->constant_count; i++) {
        const fm_kernel_constant *constant = &info->constants[i];
        *name++ = (fmi_declared){.name = copy_text(constant->name, strlen(constant->name)),
                                 .kind = FMI_DECLARED_CONSTANT,
                                 .dtype = (uint8_t)constant->dtype};
    }
    for (uint32_t i = 0; i < info->shared_count; i++) {
        const fm_kernel_shared *shared = &info->shared[i];
        *name++ = (fmi_declared){.name = copy_text(shared->name, strlen(shared->name)),
                                 .kind = FMI_DECLARED_SHARED,
                                 .dtype = (uint8_t)shared->dtype,
                                 .count = shared->count};
        source->shared_sizes[i] = shared->count;
    }
    for (uint32_t i = 0; i < info->special_count; i++) {
        const fm_kernel_special *special = &info->specials[i];
        *name++ = (fmi_declared){.name = copy_text(special->name, strlen(special->name)),
                                 .kind = FMI_DECLARED_SPECIAL,
                                 .dtype = (uint8_t)special->dtype,
                                 .value = special->value};
    }
    for (size_t i = 0; i < count; i++) {
        if (!source->names[i].name) {
            return false;
        }
    }
    return true;
}

fmi_kernel_source *fmi_kernel_source_create(const fm_kernel_info *info)
{
    fmi_kernel_source *source = calloc(1, sizeof *source);
    if (!source) {
        return NULL;
    }
    bool is_default = info->group_size[0] == 0;
    for (int axis = 0; axis < 3; axis++) {
        source->group_size[axis] = is_default ? (axis == 0 ? 64 : 1) : info->group_size[axis];
    }
    if (!copy_code(source, info) || !copy_names(source, info)) {
        fmi_kernel_source_destroy(source);
        return NULL;
    }
    return source;
}

void fmi_kernel_source_destroy(fmi_kernel_source *source)
{
    for (uint32_t i = 0; i < source->name_count; i++) {
        free((char *)source->names[i].name);
    }
    free(source->names);
    free(source->shared_sizes);
    free(source->body);
    free(source->header);
    free(source->glsl);
    free(source->module);
    free(source);
}
