// What a dispatch's flags make of its counts, and one sentence for each shape that is refused. See shape.h.
// No state; nothing is locked.
#include "record/shape.h"

#include "base/error.h"
#include "kernel/properties.h"

#include <stdio.h>

bool fmi_shape_groups_fit_slowly(const fmi_kernel *kernel, const uint32_t n[3])
{
    for (int axis = 0; axis < 3; axis++) {
        if ((uint64_t)n[axis] * kernel->group_size[axis] > FM_MAX_ITEMS) {
            return false;
        }
    }
    // No product of more than 64 bits is formed.
    uint64_t plane = (uint64_t)n[0] * n[1];
    return plane - 1 < FM_MAX_GROUPS && plane * n[2] - 1 < FM_MAX_GROUPS;
}

fm_status fmi_shape_resolve(const fmi_kernel *kernel, const fm_dispatch_info *info, uint32_t out_groups[3],
                            bool *out_is_empty)
{
    const uint32_t known = FM_DISPATCH_ITEMS | FM_DISPATCH_MAY_BE_EMPTY;
    if (info->flags & ~known) {
        return fmi_fail_in("fm_dispatch", FM_ERROR_INVALID_ARGUMENT, "kernel '%s': flags %#x are unknown", kernel->name,
                           info->flags & ~known);
    }
    bool is_items = (info->flags & FM_DISPATCH_ITEMS) != 0;
    bool may_be_empty = (info->flags & FM_DISPATCH_MAY_BE_EMPTY) != 0;
    for (int axis = 0; axis < 3; axis++) {
        uint32_t count = info->group_count[axis];
        if (is_items && count == 0 && axis > 0 && !may_be_empty) {
            count = 1;
        }
        uint32_t size = kernel->group_size[axis];
        out_groups[axis] = is_items ? count / size + (count % size != 0) : count;
    }
    *out_is_empty = may_be_empty && fmi_shape_is_empty(out_groups);
    return FM_OK;
}

bool fmi_shape_is_named(const fm_dispatch_info *info)
{
    bool is_named = false;
    for (uint32_t i = 0; i < info->binding_count; i++) {
        is_named |= info->bindings[i].param_name != NULL;
    }
    return is_named;
}

fm_status fmi_shape_order_bindings(const fmi_kernel *kernel, const fm_dispatch_info *info,
                                   fm_binding out[FM_MAX_BINDINGS])
{
    uint32_t from[FM_MAX_BINDINGS], taken = 0;
    for (uint32_t i = 0; i < info->binding_count; i++) {
        const char *name = info->bindings[i].param_name;
        if (!name) {
            return fmi_fail_in("fm_dispatch", FM_ERROR_INVALID_ARGUMENT,
                               "binding %u of kernel '%s' has no param_name, others have one: it is all or "
                               "none",
                               i, kernel->name);
        }
        uint32_t place;
        fm_status status = fmi_kernel_find_param(kernel, name, &place);
        if (status != FM_OK) {
            fmi_error_about("binding %u", i);
            fmi_error_in("fm_dispatch");
            return status;
        }
        if (taken >> place & 1) {
            return fmi_fail_in("fm_dispatch", FM_ERROR_INVALID_ARGUMENT,
                               "bindings %u and %u are both of parameter '%s' of kernel '%s'", from[place], i, name,
                               kernel->name);
        }
        taken |= 1u << place;
        from[place] = i;
        out[place] = info->bindings[i];
        out[place].param_name = NULL;
    }
    return FM_OK;
}

// One binding more or less than there are parameters: which there are says which.
static fm_status refuse_binding_count(const fmi_kernel *kernel, const fm_dispatch_info *info)
{
    fmi_text names = {0};
    fmi_kernel_append_param_names(kernel, &names);
    fm_status status =
        fmi_fail_in("fm_dispatch", FM_ERROR_INVALID_ARGUMENT, "kernel '%s' takes %u bindings%s%s%s, not %u",
                    kernel->name, kernel->param_count, names.length ? " (" : "", fmi_text_get(&names),
                    names.length ? ")" : "", info->binding_count);
    fmi_text_free(&names);
    return status;
}

static fm_status refuse_bindings(const fmi_kernel *kernel, const fm_dispatch_info *info)
{
    if (info->bindings && info->binding_count == 0) {
        return fmi_fail_in("fm_dispatch", FM_ERROR_INVALID_ARGUMENT,
                           "bindings is given, but binding_count is 0; kernel '%s' takes %u", kernel->name,
                           kernel->param_count);
    }
    if (!info->bindings && info->binding_count) {
        return fmi_fail_in("fm_dispatch", FM_ERROR_INVALID_ARGUMENT,
                           "bindings is NULL, but binding_count is %u; kernel '%s' takes %u", info->binding_count,
                           kernel->name, kernel->param_count);
    }
    return refuse_binding_count(kernel, info);
}

static fm_status refuse_constants(const fmi_kernel *kernel, const fm_dispatch_info *info)
{
    if (info->constants && info->constants_size_bytes == 0) {
        return fmi_fail_in("fm_dispatch", FM_ERROR_INVALID_ARGUMENT,
                           "constants is given, but constants_size_bytes is 0; kernel '%s' takes %u bytes",
                           kernel->name, kernel->constants_size_bytes);
    }
    if (!info->constants && info->constants_size_bytes) {
        return fmi_fail_in("fm_dispatch", FM_ERROR_INVALID_ARGUMENT,
                           "constants is NULL, but constants_size_bytes is %u; kernel '%s' takes %u bytes",
                           info->constants_size_bytes, kernel->name, kernel->constants_size_bytes);
    }
    return fmi_fail_in("fm_dispatch", FM_ERROR_INVALID_ARGUMENT, "kernel '%s' takes %u bytes of constants, not %u",
                       kernel->name, kernel->constants_size_bytes, info->constants_size_bytes);
}

static fm_status refuse_groups(const fmi_kernel *kernel, const fm_dispatch_info *info, const uint32_t groups[3])
{
    bool is_items = (info->flags & FM_DISPATCH_ITEMS) != 0;
    for (int axis = 0; axis < 3; axis++) {
        if (groups[axis] == 0) {
            return fmi_fail_in("fm_dispatch", FM_ERROR_INVALID_ARGUMENT,
                               "kernel '%s': group_count is {%u, %u, %u}: axis %c is 0; an axis that is not "
                               "used is 1%s, and a count that may be 0 needs FM_DISPATCH_MAY_BE_EMPTY",
                               kernel->name, info->group_count[0], info->group_count[1], info->group_count[2],
                               "xyz"[axis], is_items ? "" : " (or unset with FM_DISPATCH_ITEMS)");
        }
    }
    for (int axis = 0; axis < 3; axis++) {
        uint64_t items = (uint64_t)groups[axis] * kernel->group_size[axis];
        if (items > FM_MAX_ITEMS) {
            return fmi_fail_in("fm_dispatch", FM_ERROR_INVALID_ARGUMENT,
                               "kernel '%s': %u workgroups of %u are %llu work-items on axis %c; %llu at "
                               "most have a number of 32 bits",
                               kernel->name, groups[axis], kernel->group_size[axis], (unsigned long long)items,
                               "xyz"[axis], (unsigned long long)FM_MAX_ITEMS);
        }
    }
    return fmi_fail_in("fm_dispatch", FM_ERROR_INVALID_ARGUMENT,
                       "kernel '%s': {%u, %u, %u} workgroups are too many; their product is %llu at most", kernel->name,
                       groups[0], groups[1], groups[2], (unsigned long long)FM_MAX_GROUPS);
}

fm_status fmi_shape_refuse(const fmi_kernel *kernel, const fm_dispatch_info *info, const uint32_t groups[3])
{
    if (info->binding_count != kernel->param_count || (!info->bindings && info->binding_count)) {
        return refuse_bindings(kernel, info);
    }
    return fmi_shape_arguments_fit(kernel, info) ? refuse_groups(kernel, info, groups) : refuse_constants(kernel, info);
}

// "binding 0 'x' of kernel 'axpy'"; a module may have no name for it.
void fmi_shape_name_binding(char out[FMI_BINDING_NAME_BYTES], const fmi_kernel *kernel, uint32_t index)
{
    const char *name = fmi_kernel_param_name(kernel, index), *quote = *name ? "'" : "";
    snprintf(out, FMI_BINDING_NAME_BYTES, "binding %u%s%s%.60s%s of kernel '%.60s'", index, *name ? " " : "", quote,
             name, quote, kernel->name);
}

fm_status fmi_shape_blame_binding(fm_status status, const fmi_kernel *kernel, uint32_t index)
{
    char what[FMI_BINDING_NAME_BYTES];
    fmi_shape_name_binding(what, kernel, index);
    fmi_error_about("%s", what);
    fmi_error_in("fm_dispatch");
    return status;
}
