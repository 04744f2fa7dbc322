// The generated source. See inspect.h.
// It is what a kernel of these dtypes is compiled from, so that what a compiler says of it can be looked up.
#include "kernel/inspect.h"

#include "base/error.h"
#include "base/thread.h"
#include "kernel/target.h"

#include <stdio.h>

fm_status fmi_kernel_write_source(const fmi_backend_caps *caps, const fm_kernel_info *info, fmi_text *out)
{
    fm_status status = fmi_kernel_check_info(caps, info);
    if (status != FM_OK) {
        return status;
    }
    if (info->language != FM_KERNEL_PORTABLE) {
        return fmi_fail_of("kernel", info->name, FM_ERROR_UNSUPPORTED, "only portable kernels have a generated source");
    }
    fmi_generated generated = {.param_count = info->param_count,
                               .binding_mode = caps->binding_mode,
                               .max_push_constants_bytes = caps->max_push_constants_bytes,
                               .has_subgroups = caps->subgroup_size > 1,
                               .float_modes = fmi_generate_float_modes(caps),
                               .ends_loops = caps->most_loop_trips != 0};
    for (uint32_t i = 0; i < info->param_count; i++) {
        if (info->params[i].dtype == FM_DTYPE_NONE) {
            return fmi_fail_of("kernel", info->name, FM_ERROR_INVALID_ARGUMENT, "parameter '%s' must have a dtype here",
                               info->params[i].name);
        }
        generated.dtypes |= (uint64_t)info->params[i].dtype << (4 * i);
    }
    fmi_kernel_source *source = fmi_kernel_source_create(info);
    if (!source) {
        return fmi_fail(FM_ERROR_OUT_OF_HOST_MEMORY, "no host memory for a kernel");
    }
    generated.source = source;
    fmi_float_state environment;
    fmi_float_enter(&environment);
    status = fmi_generate(&generated, fmi_target_of(caps->code_kind)->print);
    fmi_float_leave(&environment);
    if (status == FM_OK) {
        fmi_text_append(out, fmi_text_get(&generated.text), generated.text.length);
        status = out->failed ? fmi_fail(FM_ERROR_OUT_OF_HOST_MEMORY, "no host memory for the source") : FM_OK;
    } else {
        fmi_error_about("kernel '%.100s'", info->name);
    }
    fmi_text_free(&generated.text);
    fmi_kernel_source_destroy(source);
    return status;
}
