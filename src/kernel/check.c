// Checks what the user gave to fm_kernel_create, one sentence a mistake. See source.h.
// Needs no compiler and keeps nothing: text is only measured here, and read by the parser (language/tree.h). Everything
// below this check assumes that names, counts and sizes are right.
#include "kernel/source.h"

#include "base/error.h"
#include "kernel/target.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

enum {
    MAX_CODE_BYTES = 16 << 20,
};

static bool is_identifier(const char *name)
{
    for (size_t i = 0; name[i]; i++) {
        char c = name[i];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        if (!is_letter && !(i > 0 && c >= '0' && c <= '9')) {
            return false;
        }
    }
    return name[0] != 0;
}

static fm_status check_name(const char *kernel, const char *what, uint32_t index, const char *name)
{
    if (!name) {
        return fmi_fail_of("kernel", kernel, FM_ERROR_INVALID_ARGUMENT, "%s %u has no name", what, index);
    }
    if (strlen(name) > FMI_MAX_NAME_LENGTH) {
        return fmi_fail_of("kernel", kernel, FM_ERROR_INVALID_ARGUMENT,
                           "the name of %s %u is longer than %d characters", what, index, (int)FMI_MAX_NAME_LENGTH);
    }
    if (!is_identifier(name)) {
        return fmi_fail_of("kernel", kernel, FM_ERROR_INVALID_ARGUMENT, "%s %u: '%s' is no identifier", what, index,
                           name);
    }
    if (!fmi_term_is_free(name, strlen(name))) {
        return fmi_fail_of("kernel", kernel, FM_ERROR_INVALID_ARGUMENT,
                           "%s %u: '%s' starts with fm_ or gl_, which are reserved", what, index, name);
    }
    // GLSL's own words are free: names are given a prefix before GLSL sees them. So are functions, which the body then
    // cannot call.
    fmi_term word = fmi_term_find(name, strlen(name));
    bool is_free = word.kind == FMI_TERM_NONE || word.kind == FMI_TERM_FUNCTION || word.kind == FMI_TERM_VALUE ||
                   (word.kind == FMI_TERM_FOREIGN && !word.is_of_c);
    if (!is_free) {
        return fmi_fail_of("kernel", kernel, FM_ERROR_INVALID_ARGUMENT, "%s %u: '%s' is a word of the kernel language",
                           what, index, name);
    }
    return FM_OK;
}

// The name of parameter, constant, shared array or specialisation `index`, counted through in this order.
static const char *get_name(const fm_kernel_info *info, uint32_t index)
{
    if (index < info->param_count) {
        return info->params[index].name;
    }
    index -= info->param_count;
    if (index < info->constant_count) {
        return info->constants[index].name;
    }
    index -= info->constant_count;
    if (index < info->shared_count) {
        return info->shared[index].name;
    }
    return info->specials[index - info->shared_count].name;
}

static fm_status check_unique(const fm_kernel_info *info)
{
    uint32_t count = info->param_count + info->constant_count + info->shared_count + info->special_count;
    for (uint32_t i = 1; i < count; i++) {
        for (uint32_t j = 0; j < i; j++) {
            if (strcmp(get_name(info, i), get_name(info, j)) == 0) {
                return fmi_fail_of("kernel", info->name, FM_ERROR_INVALID_ARGUMENT, "the name '%s' is given twice",
                                   get_name(info, i));
            }
        }
    }
    return FM_OK;
}

static fm_status check_dtype(const fmi_backend_caps *caps, const char *kernel, const char *name, fm_dtype dtype)
{
    if (!fmi_dtype_name(dtype)) {
        return fmi_fail_of("kernel", kernel, FM_ERROR_INVALID_ARGUMENT, "'%s' has dtype %d, which is none", name,
                           (int)dtype);
    }
    if (!(caps->dtype_mask & (1u << dtype))) {
        return fmi_fail_of("kernel", kernel, FM_ERROR_UNSUPPORTED, "'%s' is %s, which device '%s' does not offer", name,
                           fmi_dtype_name(dtype), caps->description);
    }
    return FM_OK;
}

static fm_status check_params(const fmi_backend_caps *caps, const fm_kernel_info *info)
{
    if (info->param_count > FM_MAX_BINDINGS) {
        return fmi_fail_of("kernel", info->name, FM_ERROR_INVALID_ARGUMENT, "%u parameters are more than %d",
                           info->param_count, FM_MAX_BINDINGS);
    }
    if (info->param_count && !info->params) {
        return fmi_fail_of("kernel", info->name, FM_ERROR_INVALID_ARGUMENT, "params is NULL, but param_count is %u",
                           info->param_count);
    }
    for (uint32_t i = 0; i < info->param_count; i++) {
        const fm_kernel_param *param = &info->params[i];
        fm_status status = check_name(info->name, "parameter", i, param->name);
        if (status == FM_OK && param->dtype != FM_DTYPE_NONE) {
            status = check_dtype(caps, info->name, param->name, param->dtype);
        }
        if (status != FM_OK) {
            return status;
        }
        if (param->access < FM_ACCESS_READ || param->access > FM_ACCESS_READ_WRITE) {
            return fmi_fail_of("kernel", info->name, FM_ERROR_INVALID_ARGUMENT,
                               "parameter '%s' has access %d, which is none", param->name, (int)param->access);
        }
    }
    return FM_OK;
}

// What constants, shared arrays and specialisations are made of. The other dtypes are for storage: only elements of
// buffers have them.
static fm_status check_value_dtype(const fmi_backend_caps *caps, const char *kernel, const char *what, const char *name,
                                   fm_dtype dtype)
{
    if (!fmi_dtype_name(dtype) || fmi_dtype_is_storage(dtype)) {
        return fmi_fail_of("kernel", kernel, FM_ERROR_INVALID_ARGUMENT,
                           "%s '%s' must be FM_DTYPE_F32, FM_DTYPE_I32, FM_DTYPE_U32, FM_DTYPE_I64, "
                           "FM_DTYPE_U64 or FM_DTYPE_F64; other dtypes are for elements of buffers",
                           what, name);
    }
    return check_dtype(caps, kernel, name, dtype);
}

static fm_status fail_constants(const fm_kernel_info *info)
{
    return fmi_fail_of("kernel", info->name, FM_ERROR_INVALID_ARGUMENT,
                       "%u constants are more than the %d bytes that a dispatch can carry", info->constant_count,
                       (int)FMI_MAX_CONSTANTS_BYTES);
}

static fm_status check_constants(const fmi_backend_caps *caps, const fm_kernel_info *info)
{
    if (info->constant_count > FMI_MAX_CONSTANTS_BYTES / 4) { // with the smallest ones; nothing beyond is read
        return fail_constants(info);
    }
    if (info->constant_count && !info->constants) {
        return fmi_fail_of("kernel", info->name, FM_ERROR_INVALID_ARGUMENT,
                           "constants is NULL, but constant_count is %u", info->constant_count);
    }
    for (uint32_t i = 0; i < info->constant_count; i++) {
        const fm_kernel_constant *constant = &info->constants[i];
        fm_status status = check_name(info->name, "constant", i, constant->name);
        if (status != FM_OK) {
            return status;
        }
        status = check_value_dtype(caps, info->name, "constant", constant->name, constant->dtype);
        if (status != FM_OK) {
            return status;
        }
    }
    return fmi_kernel_constants_size(info) > FMI_MAX_CONSTANTS_BYTES ? fail_constants(info) : FM_OK;
}

static fm_status check_shared(const fmi_backend_caps *caps, const fm_kernel_info *info)
{
    if (info->shared_count && caps->max_shared_bytes == 0) {
        return fmi_fail_of("kernel", info->name, FM_ERROR_UNSUPPORTED,
                           "device '%s' does not offer workgroup-shared arrays", caps->description);
    }
    if (info->shared_count > FMI_MAX_CONSTANTS_BYTES) {
        return fmi_fail_of("kernel", info->name, FM_ERROR_INVALID_ARGUMENT, "%u shared arrays are too many",
                           info->shared_count);
    }
    if (info->shared_count && !info->shared) {
        return fmi_fail_of("kernel", info->name, FM_ERROR_INVALID_ARGUMENT, "shared is NULL, but shared_count is %u",
                           info->shared_count);
    }
    uint64_t size_bytes = 0;
    for (uint32_t i = 0; i < info->shared_count; i++) {
        const fm_kernel_shared *shared = &info->shared[i];
        fm_status status = check_name(info->name, "shared array", i, shared->name);
        if (status != FM_OK) {
            return status;
        }
        status = check_value_dtype(caps, info->name, "shared array", shared->name, shared->dtype);
        if (status != FM_OK) {
            return status;
        }
        size_bytes += fmi_dtype_size(shared->dtype) * (uint64_t)shared->count;
        if (shared->count == 0) {
            return fmi_fail_of("kernel", info->name, FM_ERROR_INVALID_ARGUMENT, "shared array '%s' has 0 elements",
                               shared->name);
        }
    }
    if (size_bytes > caps->max_shared_bytes) {
        return fmi_fail_of("kernel", info->name, FM_ERROR_UNSUPPORTED,
                           "shared arrays of %" PRIu64 " bytes are over the %u of device '%s'", size_bytes,
                           caps->max_shared_bytes, caps->description);
    }
    return FM_OK;
}

#define MAX_EXACT 9007199254740992.0 // 2^53

// True if `value` is one of the dtype's; no cast is undefined, because the range is looked at first.
static bool fits(fm_dtype dtype, double value)
{
    if (dtype == FM_DTYPE_F32) {
        return value >= -(double)FLT_MAX && value <= (double)FLT_MAX;
    }
    if (dtype == FM_DTYPE_F64) {
        return isfinite(value);
    }
    if (dtype == FM_DTYPE_I64 || dtype == FM_DTYPE_U64) { // what a double counts without a gap
        return value >= (dtype == FM_DTYPE_I64 ? -MAX_EXACT : 0) && value <= MAX_EXACT && value == trunc(value);
    }
    bool is_signed = dtype == FM_DTYPE_I32;
    return value >= (is_signed ? INT32_MIN : 0) && value <= (is_signed ? INT32_MAX : UINT32_MAX) &&
           value == (double)(int64_t)value;
}

static fm_status check_specials(const fmi_backend_caps *caps, const fm_kernel_info *info)
{
    if (info->special_count > FMI_MAX_CONSTANTS_BYTES) {
        return fmi_fail_of("kernel", info->name, FM_ERROR_INVALID_ARGUMENT, "%u specialisation values are too many",
                           info->special_count);
    }
    if (info->special_count && !info->specials) {
        return fmi_fail_of("kernel", info->name, FM_ERROR_INVALID_ARGUMENT, "specials is NULL, but special_count is %u",
                           info->special_count);
    }
    for (uint32_t i = 0; i < info->special_count; i++) {
        const fm_kernel_special *special = &info->specials[i];
        fm_status status = check_name(info->name, "specialisation", i, special->name);
        if (status != FM_OK) {
            return status;
        }
        status = check_value_dtype(caps, info->name, "specialisation", special->name, special->dtype);
        if (status != FM_OK) {
            return status;
        }
        if (!fits(special->dtype, special->value)) {
            return fmi_fail_of("kernel", info->name, FM_ERROR_INVALID_ARGUMENT,
                               "specialisation '%s' is %g, which is no %s", special->name, special->value,
                               fmi_dtype_name(special->dtype));
        }
    }
    return FM_OK;
}

static fm_status check_group_size(const fmi_backend_caps *caps, const fm_kernel_info *info)
{
    const uint32_t *size = info->group_size;
    if (size[0] == 0 && size[1] == 0 && size[2] == 0) {
        return FM_OK;
    }
    uint64_t product = 1;
    for (int axis = 0; axis < 3; axis++) {
        if (size[axis] == 0 || size[axis] > caps->max_group_size[axis]) {
            return fmi_fail_of("kernel", info->name, FM_ERROR_INVALID_ARGUMENT,
                               "group_size[%d] is %u; device '%s' allows 1 to %u%s", axis, size[axis],
                               caps->description, caps->max_group_size[axis],
                               size[axis] == 0 ? ", and an axis that is not used is 1" : "");
        }
        product *= size[axis];
        if (product > caps->max_group_invocations) {
            return fmi_fail_of("kernel", info->name, FM_ERROR_INVALID_ARGUMENT,
                               "a workgroup of %u × %u × %u work-items is over the %u that device '%s' "
                               "allows",
                               size[0], size[1], size[2], caps->max_group_invocations, caps->description);
        }
    }
    return FM_OK;
}

static fm_status check_text(const fm_kernel_info *info)
{
    if (!info->code) {
        return fmi_fail_of("kernel", info->name, FM_ERROR_INVALID_ARGUMENT, "it has no code");
    }
    size_t length = fmi_kernel_code_length(info);
    if (length > MAX_CODE_BYTES || (info->header && strlen(info->header) > MAX_CODE_BYTES)) {
        return fmi_fail_of("kernel", info->name, FM_ERROR_INVALID_ARGUMENT, "its text is longer than %d bytes",
                           (int)MAX_CODE_BYTES);
    }
    if (memchr(info->code, 0, length)) {
        return fmi_fail_of("kernel", info->name, FM_ERROR_INVALID_ARGUMENT,
                           "a zero byte lies within the %zu bytes of its text", length);
    }
    return FM_OK;
}

// Fields that the language does not use must be zero, so that a mistaken language is found here.
static fm_status check_unused(const fm_kernel_info *info)
{
    bool is_portable = info->language == FM_KERNEL_PORTABLE;
    bool is_host = info->language == FM_KERNEL_HOST_FUNCTION;
    const struct {
        const char *field;
        bool is_wrong;
    } rules[] = {
        {"code", is_host && info->code},
        {"code_size_bytes", is_host && info->code_size_bytes},
        {"header", !is_portable && info->header},
        {"params", !is_portable && !is_host && info->params},
        {"param_count", !is_portable && !is_host && info->param_count},
        {"constants", !is_portable && info->constants},
        {"constant_count", !is_portable && info->constant_count},
        {"constants_size_bytes", !is_host && info->constants_size_bytes},
        {"shared", !is_portable && info->shared},
        {"shared_count", !is_portable && info->shared_count},
        {"specials", !is_portable && info->specials},
        {"special_count", !is_portable && info->special_count},
        {"group_size", !is_portable && (info->group_size[0] || info->group_size[1] || info->group_size[2])},
        {"host_function", !is_host && info->host_function},
        {"user", !is_host && info->user},
    };
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        if (rules[i].is_wrong) {
            return fmi_fail_of("kernel", info->name, FM_ERROR_INVALID_ARGUMENT,
                               "its language does not use '%s', which must be zero", rules[i].field);
        }
    }
    return FM_OK;
}

static fm_status check_portable(const fmi_backend_caps *caps, const fm_kernel_info *info)
{
    fm_status status = check_text(info);
    if (status == FM_OK) {
        status = check_params(caps, info);
    }
    if (status == FM_OK) {
        status = check_constants(caps, info);
    }
    if (status == FM_OK) {
        status = check_shared(caps, info);
    }
    if (status == FM_OK) {
        status = check_specials(caps, info);
    }
    if (status == FM_OK) {
        status = check_unique(info);
    }
    return status == FM_OK ? check_group_size(caps, info) : status;
}

static fm_status check_module(const fmi_backend_caps *caps, const fm_kernel_info *info)
{
    bool is_glsl = info->language == FM_KERNEL_GLSL;
    if (!fmi_target_of(caps->code_kind)->read_module) {
        return fmi_fail_of("kernel", info->name, FM_ERROR_UNSUPPORTED, "device '%s' does not run kernels given as %s",
                           caps->description, is_glsl ? "GLSL" : "SPIR-V");
    }
    if (is_glsl) {
        return check_text(info);
    }
    if (!info->code || info->code_size_bytes == 0) {
        return fmi_fail_of("kernel", info->name, FM_ERROR_INVALID_ARGUMENT,
                           "it has no code, or its code_size_bytes is 0");
    }
    if (info->code_size_bytes > MAX_CODE_BYTES) {
        return fmi_fail_of("kernel", info->name, FM_ERROR_INVALID_ARGUMENT, "its module is longer than %d bytes",
                           (int)MAX_CODE_BYTES);
    }
    return FM_OK;
}

static fm_status check_host_function(const fmi_backend_caps *caps, const fm_kernel_info *info)
{
    if (!caps->takes_host_functions) {
        return fmi_fail_of("kernel", info->name, FM_ERROR_UNSUPPORTED, "device '%s' does not run host functions",
                           caps->description);
    }
    if (!info->host_function) {
        return fmi_fail_of("kernel", info->name, FM_ERROR_INVALID_ARGUMENT, "host_function is NULL");
    }
    if (info->constants_size_bytes > FMI_MAX_CONSTANTS_BYTES) {
        return fmi_fail_of("kernel", info->name, FM_ERROR_INVALID_ARGUMENT,
                           "constants_size_bytes is %u, over the limit of %d", info->constants_size_bytes,
                           (int)FMI_MAX_CONSTANTS_BYTES);
    }
    fm_status status = check_params(caps, info);
    return status == FM_OK ? check_unique(info) : status;
}

fm_status fmi_kernel_check_info(const fmi_backend_caps *caps, const fm_kernel_info *info)
{
    if (!info->name || !info->name[0]) {
        return fmi_fail(FM_ERROR_INVALID_ARGUMENT, "the kernel has no name");
    }
    if ((unsigned)info->language > FM_KERNEL_HOST_FUNCTION) {
        return fmi_fail_of("kernel", info->name, FM_ERROR_INVALID_ARGUMENT, "language %d is none", (int)info->language);
    }
    fm_status status = check_unused(info);
    if (status != FM_OK) {
        return status;
    }
    switch (info->language) {
    case FM_KERNEL_PORTABLE: return check_portable(caps, info);
    case FM_KERNEL_HOST_FUNCTION: return check_host_function(caps, info);
    default: return check_module(caps, info);
    }
}
