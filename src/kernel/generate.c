// What both generators share: translating header and body with one choice of dtypes. See generate.h.
// The key's dtypes take the place of the declared ones in a copy of the names, so that a kernel's source stays as it is while
// several threads generate from it.
#include "kernel/generate.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

static fm_status translate(const fmi_kernel_source *source, const fmi_name *names, uint32_t name_count,
                           fmi_body_target target, bool locates, fmi_text *header, fmi_text *body, fmi_body_use *use)
{
    fmi_body_input input = {.target = target,
                            .locates = locates,
                            .is_header = true,
                            .text = source->header,
                            .length = source->header_length};
    memcpy(input.group_size, source->group_size, sizeof input.group_size);
    input.names = names + name_count - source->special_count;
    input.name_count = source->special_count;
    if (source->header) {
        fm_status status = fmi_body_translate(&input, header, use);
        if (status != FM_OK) {
            return status;
        }
    }
    input.is_header = false;
    input.text = source->body;
    input.length = source->body_length;
    input.names = names;
    input.name_count = name_count;
    return fmi_body_translate(&input, body, use);
}

fm_status fmi_generate_texts(const fmi_generated *generated, fmi_body_target target, fmi_text *header, fmi_text *body,
                             fmi_body_use *use)
{
    const fmi_kernel_source *source = generated->source;
    uint32_t count = source->name_count;
    fmi_name *names = malloc((count + 1) * sizeof *names);
    if (!names) {
        return fmi_fail(FM_ERROR_OUT_OF_HOST_MEMORY, "no host memory to generate the kernel");
    }
    memcpy(names, source->names, count * sizeof *names);
    for (uint32_t i = 0; i < generated->param_count; i++) {
        names[i].dtype = (uint8_t)fmi_key_dtype(generated->dtypes, i);
    }
    fm_status status = translate(source, names, count, target, generated->locates, header, body, use);
    free(names);
    return status;
}

fm_status fmi_generate_check(const fmi_kernel_source *source, uint32_t *out_features)
{
    fmi_body_use use = {0};
    fm_status status = translate(source, source->names, source->name_count, FMI_BODY_CHECK, false, NULL, NULL, &use);
    *out_features = use.features;
    return status;
}
