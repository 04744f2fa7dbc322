// Validation and reflection of SPIR-V. See reflect.h.
// Each step of the reflection reads one kind of thing into fmi_reflection and stops at the first that a dispatch could not bind.
// Strings of SPIRV-Cross are borrowed until its context goes; sentences copy them.
#include "kernel/spirv/reflect.h"

#include "base/error.h"
#include "base/process.h"

#include <spirv-tools/libspirv.h>
#include <spirv_cross/spirv_cross_c.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { MAX_ID_BOUND = 1 << 20 }; // SPIRV-Cross allocates in proportion to it; real modules stay far below

static fm_status check(const uint32_t *words, size_t size_bytes)
{
    if (size_bytes % 4 != 0 || size_bytes < 20) {
        return fmi_fail(FM_ERROR_COMPILE,
                        "%zu bytes are no SPIR-V module: its size is a multiple of 4, and at least 20", size_bytes);
    }
    if (words[0] != SpvMagicNumber) {
        return fmi_fail(FM_ERROR_COMPILE, "a SPIR-V module starts with 0x%08x, not 0x%08x", (unsigned)SpvMagicNumber,
                        (unsigned)words[0]);
    }
    if (words[3] > MAX_ID_BOUND) {
        return fmi_fail(FM_ERROR_COMPILE, "the SPIR-V module's id bound %u is over %d", (unsigned)words[3],
                        (int)MAX_ID_BOUND);
    }
    spv_context context = spvContextCreate(SPV_ENV_VULKAN_1_2);
    spv_validator_options options = spvValidatorOptionsCreate();
    if (!context || !options) {
        spvContextDestroy(context);
        spvValidatorOptionsDestroy(options);
        return fmi_fail(FM_ERROR_OUT_OF_HOST_MEMORY, "no host memory to check a SPIR-V module");
    }
    // What layouts a device takes is for its driver to say.
    spvValidatorOptionsSetScalarBlockLayout(options, true);
    spvValidatorOptionsSetWorkgroupScalarBlockLayout(options, true);
    spv_const_binary_t binary = {words, size_bytes / 4};
    spv_diagnostic diagnostic = NULL;
    fm_status status = FM_OK;
    if (spvValidateWithOptions(context, options, &binary, &diagnostic) != SPV_SUCCESS) {
        const char *reason = diagnostic && diagnostic->error ? diagnostic->error : "no reason given";
        status = fmi_fail(FM_ERROR_COMPILE, "the SPIR-V module is not valid: %.*s", (int)strcspn(reason, "\n"), reason);
    }
    spvDiagnosticDestroy(diagnostic);
    spvValidatorOptionsDestroy(options);
    spvContextDestroy(context);
    return status;
}

// A module being read.
struct reader {
    spvc_context context;
    spvc_compiler compiler;
    spvc_resources resources;
    fmi_reflection *out;
};

static fm_status fail_reading(const struct reader *reader)
{
    return fmi_fail(FM_ERROR_COMPILE, "the SPIR-V module cannot be read: %s",
                    spvc_context_get_last_error_string(reader->context));
}

static fm_status open_module(struct reader *reader, const uint32_t *words, size_t size_bytes)
{
    spvc_parsed_ir ir = NULL;
    if (spvc_context_parse_spirv(reader->context, words, size_bytes / 4, &ir) != SPVC_SUCCESS ||
        spvc_context_create_compiler(reader->context, SPVC_BACKEND_NONE, ir, SPVC_CAPTURE_MODE_TAKE_OWNERSHIP,
                                     &reader->compiler) != SPVC_SUCCESS) {
        return fail_reading(reader);
    }
    const spvc_entry_point *entries = NULL;
    size_t count = 0;
    if (spvc_compiler_get_entry_points(reader->compiler, &entries, &count) != SPVC_SUCCESS) {
        return fail_reading(reader);
    }
    bool is_found = false;
    for (size_t i = 0; i < count; i++) {
        is_found |= entries[i].execution_model == SpvExecutionModelGLCompute && strcmp(entries[i].name, "main") == 0;
    }
    if (!is_found) {
        return fmi_fail(FM_ERROR_COMPILE, "the SPIR-V module has no compute entry point 'main'");
    }
    if (spvc_compiler_set_entry_point(reader->compiler, "main", SpvExecutionModelGLCompute) != SPVC_SUCCESS ||
        spvc_compiler_create_shader_resources(reader->compiler, &reader->resources) != SPVC_SUCCESS) {
        return fail_reading(reader);
    }
    return FM_OK;
}

// Everything that a dispatch could not bind.
static fm_status refuse_other_kinds(const struct reader *reader)
{
    static const struct {
        spvc_resource_type type;
        const char *name;
    } kinds[] = {
        {SPVC_RESOURCE_TYPE_UNIFORM_BUFFER, "a uniform buffer"},
        {SPVC_RESOURCE_TYPE_STORAGE_IMAGE, "a storage image"},
        {SPVC_RESOURCE_TYPE_SAMPLED_IMAGE, "a sampled image"},
        {SPVC_RESOURCE_TYPE_SEPARATE_IMAGE, "an image"},
        {SPVC_RESOURCE_TYPE_SEPARATE_SAMPLERS, "a sampler"},
        {SPVC_RESOURCE_TYPE_SUBPASS_INPUT, "a subpass input"},
        {SPVC_RESOURCE_TYPE_ATOMIC_COUNTER, "an atomic counter"},
        {SPVC_RESOURCE_TYPE_ACCELERATION_STRUCTURE, "an acceleration structure"},
        {SPVC_RESOURCE_TYPE_SHADER_RECORD_BUFFER, "a shader record buffer"},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        const spvc_reflected_resource *list = NULL;
        size_t count = 0;
        if (spvc_resources_get_resource_list_for_type(reader->resources, kinds[i].type, &list, &count) !=
            SPVC_SUCCESS) {
            return fail_reading(reader);
        }
        if (count) {
            return fmi_fail(FM_ERROR_UNSUPPORTED,
                            "the module binds %s, '%s'; kernels bind storage buffers and push constants only",
                            kinds[i].name, list[0].name);
        }
    }
    return FM_OK;
}

static fm_status get_access(const struct reader *reader, spvc_variable_id id, uint8_t *out)
{
    const SpvDecoration *decorations = NULL;
    size_t count = 0;
    if (spvc_compiler_get_buffer_block_decorations(reader->compiler, id, &decorations, &count) != SPVC_SUCCESS) {
        return fail_reading(reader);
    }
    uint32_t access = FM_ACCESS_READ_WRITE;
    for (size_t i = 0; i < count; i++) {
        access &= decorations[i] == SpvDecorationNonWritable   ? FM_ACCESS_READ
                  : decorations[i] == SpvDecorationNonReadable ? FM_ACCESS_WRITE
                                                               : FM_ACCESS_READ_WRITE;
    }
    // Neither read nor written is still a binding; the order of commands is safe if it counts as read.
    *out = (uint8_t)(access ? access : FM_ACCESS_READ);
    return FM_OK;
}

// One view of a binding.
struct view {
    uint32_t number;
    uint8_t access;
    uint8_t dtype;
    uint32_t least_bytes;
    const char *name; // SPIRV-Cross's
};

// Inserts a binding in rising order. Two views of one binding are one binding, used in both ways.
static fm_status insert_binding(fmi_reflection *out, const struct view *view)
{
    uint32_t at = 0;
    while (at < out->binding_count && out->binding_numbers[at] < view->number) {
        at++;
    }
    if (at < out->binding_count && out->binding_numbers[at] == view->number) {
        out->access[at] |= view->access;
        out->dtype[at] = out->dtype[at] == view->dtype ? view->dtype : FM_DTYPE_NONE;
        out->least_bytes[at] = out->least_bytes[at] > view->least_bytes ? out->least_bytes[at] : view->least_bytes;
        return FM_OK;
    }
    if (out->binding_count == FM_MAX_BINDINGS) {
        return fmi_fail(FM_ERROR_UNSUPPORTED, "the module binds more than %d storage buffers", FM_MAX_BINDINGS);
    }
    for (uint32_t i = out->binding_count; i > at; i--) {
        out->binding_numbers[i] = out->binding_numbers[i - 1];
        out->access[i] = out->access[i - 1];
        out->dtype[i] = out->dtype[i - 1];
        out->least_bytes[i] = out->least_bytes[i - 1];
        memcpy(out->names[i], out->names[i - 1], sizeof out->names[i]);
    }
    out->binding_numbers[at] = view->number;
    out->access[at] = view->access;
    out->dtype[at] = view->dtype;
    out->least_bytes[at] = view->least_bytes;
    snprintf(out->names[at], sizeof out->names[at], "%s", view->name);
    out->binding_count++;
    return FM_OK;
}

// The dtype of a block whose only member is an array of scalars.
static uint8_t get_dtype(const struct reader *reader, spvc_type block)
{
    if (spvc_type_get_num_member_types(block) != 1) {
        return FM_DTYPE_NONE;
    }
    spvc_type member = spvc_compiler_get_type_handle(reader->compiler, spvc_type_get_member_type(block, 0));
    if (!member || spvc_type_get_num_array_dimensions(member) != 1 || spvc_type_get_vector_size(member) != 1 ||
        spvc_type_get_columns(member) != 1) {
        return FM_DTYPE_NONE;
    }
    switch (spvc_type_get_basetype(member)) {
    case SPVC_BASETYPE_FP32: return FM_DTYPE_F32;
    case SPVC_BASETYPE_FP16: return FM_DTYPE_F16;
    case SPVC_BASETYPE_INT32: return FM_DTYPE_I32;
    case SPVC_BASETYPE_UINT32: return FM_DTYPE_U32;
    case SPVC_BASETYPE_INT8: return FM_DTYPE_I8;
    case SPVC_BASETYPE_UINT8: return FM_DTYPE_U8;
    case SPVC_BASETYPE_FP64: return FM_DTYPE_F64;
    case SPVC_BASETYPE_INT64: return FM_DTYPE_I64;
    case SPVC_BASETYPE_UINT64: return FM_DTYPE_U64;
    default: return FM_DTYPE_NONE;
    }
}

// What the block of a binding asks of the range that is bound.
static fm_status read_block(const struct reader *reader, const spvc_reflected_resource *resource, struct view *out)
{
    spvc_type block = spvc_compiler_get_type_handle(reader->compiler, resource->base_type_id);
    size_t size_bytes = 0;
    if (!block ||
        spvc_compiler_get_declared_struct_size_runtime_array(reader->compiler, block, 0, &size_bytes) != SPVC_SUCCESS) {
        return fail_reading(reader);
    }
    if (size_bytes > UINT32_MAX) {
        return fmi_fail(FM_ERROR_UNSUPPORTED, "the module's storage buffer '%s' has %zu bytes", resource->name,
                        size_bytes);
    }
    out->least_bytes = (uint32_t)size_bytes;
    out->dtype = get_dtype(reader, block);
    return FM_OK;
}

// What the text calls it: "data" of `buffer Data { … } data;`, "Data" where there is no instance name. "" where the module keeps no names.
static const char *get_name(const struct reader *reader, const spvc_reflected_resource *resource)
{
    const char *instance = spvc_compiler_get_name(reader->compiler, resource->id);
    if (instance && instance[0]) {
        return instance;
    }
    const char *block = spvc_compiler_get_name(reader->compiler, resource->base_type_id);
    return block ? block : "";
}

static fm_status read_binding(const struct reader *reader, const spvc_reflected_resource *resource)
{
    spvc_type type = spvc_compiler_get_type_handle(reader->compiler, resource->type_id);
    if (!type) {
        return fail_reading(reader);
    }
    if (spvc_type_get_num_array_dimensions(type) != 0) {
        return fmi_fail(FM_ERROR_UNSUPPORTED,
                        "the module binds an array of storage buffers, '%s'; one binding is one buffer",
                        resource->name);
    }
    unsigned set = spvc_compiler_get_decoration(reader->compiler, resource->id, SpvDecorationDescriptorSet);
    unsigned number = spvc_compiler_get_decoration(reader->compiler, resource->id, SpvDecorationBinding);
    if (set != 0) {
        return fmi_fail(FM_ERROR_UNSUPPORTED, "the module binds '%s' in descriptor set %u; only set 0 is used",
                        resource->name, set);
    }
    struct view view = {.number = number, .name = get_name(reader, resource)};
    fm_status status = get_access(reader, resource->id, &view.access);
    if (status == FM_OK) {
        status = read_block(reader, resource, &view);
    }
    return status == FM_OK ? insert_binding(reader->out, &view) : status;
}

static fm_status read_bindings(const struct reader *reader)
{
    const spvc_reflected_resource *list = NULL;
    size_t count = 0;
    if (spvc_resources_get_resource_list_for_type(reader->resources, SPVC_RESOURCE_TYPE_STORAGE_BUFFER, &list,
                                                  &count) != SPVC_SUCCESS) {
        return fail_reading(reader);
    }
    fm_status status = FM_OK;
    for (size_t i = 0; i < count && status == FM_OK; i++) {
        status = read_binding(reader, &list[i]);
    }
    return status;
}

static fm_status read_push_constants(const struct reader *reader)
{
    const spvc_reflected_resource *list = NULL;
    size_t count = 0;
    if (spvc_resources_get_resource_list_for_type(reader->resources, SPVC_RESOURCE_TYPE_PUSH_CONSTANT, &list, &count) !=
        SPVC_SUCCESS) {
        return fail_reading(reader);
    }
    for (size_t i = 0; i < count; i++) {
        spvc_type type = spvc_compiler_get_type_handle(reader->compiler, list[i].base_type_id);
        size_t size_bytes = 0;
        if (!type || spvc_compiler_get_declared_struct_size(reader->compiler, type, &size_bytes) != SPVC_SUCCESS) {
            return fail_reading(reader);
        }
        if (size_bytes > UINT16_MAX) {
            return fmi_fail(FM_ERROR_UNSUPPORTED, "the module has %zu bytes of push constants", size_bytes);
        }
        uint32_t rounded = ((uint32_t)size_bytes + 3) & ~3u;
        reader->out->push_constants_bytes =
            rounded > reader->out->push_constants_bytes ? rounded : reader->out->push_constants_bytes;
    }
    return FM_OK;
}

// The workgroup size: the constant that is decorated WorkgroupSize (with its default where it can be specialised), else LocalSize.
static fm_status read_group_size(const struct reader *reader)
{
    spvc_specialization_constant axes[3] = {{0, 0}, {0, 0}, {0, 0}};
    spvc_constant_id id =
        spvc_compiler_get_work_group_size_specialization_constants(reader->compiler, &axes[0], &axes[1], &axes[2]);
    spvc_constant constant = id ? spvc_compiler_get_constant_handle(reader->compiler, id) : NULL;
    for (unsigned axis = 0; axis < 3; axis++) {
        reader->out->group_size[axis] =
            constant
                ? spvc_constant_get_scalar_u32(constant, 0, axis)
                : spvc_compiler_get_execution_mode_argument_by_index(reader->compiler, SpvExecutionModeLocalSize, axis);
        if (reader->out->group_size[axis] == 0) {
            return fmi_fail(FM_ERROR_COMPILE, "the module's workgroup has no work-items on axis %u", axis);
        }
    }
    return FM_OK;
}

static fm_status reflect(const uint32_t *words, size_t size_bytes, fmi_reflection *out)
{
    static fm_status (*const steps[])(const struct reader *) = {refuse_other_kinds, read_bindings, read_push_constants,
                                                                read_group_size};
    *out = (fmi_reflection){0};
    struct reader reader = {.out = out};
    if (spvc_context_create(&reader.context) != SPVC_SUCCESS) {
        return fmi_fail(FM_ERROR_OUT_OF_HOST_MEMORY, "no host memory to read a SPIR-V module");
    }
    fm_status status = open_module(&reader, words, size_bytes);
    for (size_t i = 0; i < sizeof steps / sizeof steps[0] && status == FM_OK; i++) {
        status = steps[i](&reader);
    }
    spvc_context_destroy(reader.context);
    return status;
}

// Both libraries make tables for the whole process when they are first used.
fm_status fmi_spirv_check(const uint32_t *words, size_t size_bytes)
{
    fmi_process_enter();
    fm_status status = check(words, size_bytes);
    fmi_process_leave();
    return status;
}

fm_status fmi_spirv_reflect(const uint32_t *words, size_t size_bytes, fmi_reflection *out)
{
    fmi_process_enter();
    fm_status status = reflect(words, size_bytes, out);
    fmi_process_leave();
    return status;
}
