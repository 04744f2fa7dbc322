// From a kernel's source to generated text. See generate.h.
// The key's dtypes take the place of the declared ones in a copy of the names, so that a kernel's source stays as it is while
// several threads generate from it.
#include "kernel/generate.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

static fmi_kernel_text make_text(const fmi_kernel_source *source, const fmi_declared *names)
{
    fmi_kernel_text text = {.header = source->header,
                            .header_length = source->header_length,
                            .body = source->body,
                            .body_length = source->body_length,
                            .names = names,
                            .name_count = source->name_count};
    memcpy(text.group_size, source->group_size, sizeof text.group_size);
    return text;
}

uint32_t fmi_generate_float_modes(const fmi_backend_caps *caps)
{
    return (caps->float_modes & FMI_FLOAT_NAN ? FMI_KEEP_NAN : 0u) |
           (caps->float_modes & FMI_FLOAT_WIDE_NAN ? FMI_KEEP_WIDE_NAN : 0u) |
           (caps->float_modes & FMI_FLOAT_SUBNORMALS ? FMI_KEEP_SUBNORMALS : 0u) |
           (caps->float_modes & FMI_FLOAT_ROUNDS_HALF ? FMI_ROUND_HALF : 0u);
}

fm_status fmi_generate(fmi_generated *generated, fmi_printer_function printer)
{
    const fmi_kernel_source *source = generated->source;
    fmi_declared *names = malloc((source->name_count + 1) * sizeof *names);
    if (!names) {
        return fmi_fail(FM_ERROR_OUT_OF_HOST_MEMORY, "no host memory to generate the kernel");
    }
    memcpy(names, source->names, source->name_count * sizeof *names);
    for (uint32_t i = 0; i < generated->param_count; i++) {
        names[i].dtype = (uint8_t)fmi_key_dtype(generated->dtypes, i);
    }
    const fmi_kernel_text text = make_text(source, names);
    fmi_tree tree;
    fm_status status = fmi_tree_read(&text, &tree);
    if (status == FM_OK) {
        fmi_print print = {.tree = &tree,
                           .binding_mode = generated->binding_mode,
                           .max_push_constants_bytes = generated->max_push_constants_bytes,
                           .has_subgroups = generated->has_subgroups,
                           .float_modes = generated->float_modes,
                           .ends_loops = generated->ends_loops};
        status = printer(&print);
        generated->text = print.text;
        generated->notes_loops = print.notes_loops;
        generated->indirect_arguments = print.indirect_arguments;
        generated->wants_group_count = print.wants_group_count;
        generated->wants_group_base = print.wants_group_base;
        generated->features = tree.features;
        fmi_tree_free(&tree);
    }
    free(names);
    return status;
}

fm_status fmi_generate_check(const fmi_kernel_source *source, uint32_t *out_features)
{
    const fmi_kernel_text text = make_text(source, source->names);
    fmi_tree tree;
    fm_status status = fmi_tree_read(&text, &tree);
    if (status == FM_OK) {
        *out_features = tree.features;
        fmi_tree_free(&tree);
    }
    return status;
}
