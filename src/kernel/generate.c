// What both generators share: translating header and body with one choice of dtypes. See generate.h.
// The key's dtypes take the place of the declared ones in a copy of the names, so that a kernel's source stays as it is while
// several threads generate from it.
#include "kernel/generate.h"

#include "base/error.h"
#include "kernel/grammar.h"

#include <stdlib.h>
#include <string.h>

static fmi_body_input make_input(const fmi_kernel_source *source, const fmi_name *names, const fmi_unit *unit,
                                 bool is_header)
{
    uint32_t count = source->name_count;
    fmi_body_input input = {.tokens = is_header ? &unit->header : &unit->body,
                            .is_header = is_header,
                            .names = is_header ? names + count - source->special_count : names,
                            .name_count = is_header ? source->special_count : count};
    memcpy(input.group_size, source->group_size, sizeof input.group_size);
    return input;
}

fm_status fmi_generate_read(const fmi_kernel_source *source, fmi_unit *out)
{
    const fmi_unit_input input = {.header = source->header,
                                  .header_length = source->header_length,
                                  .body = source->body,
                                  .body_length = source->body_length,
                                  .names = source->names,
                                  .name_count = source->name_count,
                                  .special_count = source->special_count};
    return fmi_unit_read(&input, out);
}

// What the translator refuses comes first: it knows the names best. Then the grammar, which counts on it.
static fm_status check(const fmi_kernel_source *source, const fmi_name *names, bool is_unchecked, fmi_unit *unit,
                       fmi_body_use *use)
{
    fmi_grammar_input grammar = {
        .names = names, .name_count = source->name_count, .special_count = source->special_count};
    memcpy(grammar.group_size, source->group_size, sizeof grammar.group_size);
    fmi_body_input header = make_input(source, names, unit, true), body = make_input(source, names, unit, false);
    fm_status status = fmi_body_translate(&header, NULL, use);
    if (status == FM_OK) {
        status = fmi_body_translate(&body, NULL, use);
    }
    if (status == FM_OK) {
        status = fmi_grammar_check(&grammar, unit);
        status = is_unchecked && status == FM_ERROR_COMPILE ? FM_OK : status;
    }
    return status;
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
    fmi_unit unit = {0};
    fm_status status = fmi_generate_read(source, &unit);
    fmi_body_use checked = {0};
    status = status == FM_OK ? check(source, names, generated->is_unchecked, &unit, &checked) : status;
    for (int i = 0; i < 2 && status == FM_OK; i++) {
        fmi_body_input input = make_input(source, names, &unit, i == 0);
        input.target = target;
        input.locates = generated->locates;
        status = fmi_body_translate(&input, i == 0 ? header : body, use);
    }
    fmi_unit_free(&unit);
    free(names);
    return status;
}

fm_status fmi_generate_check(const fmi_kernel_source *source, uint32_t *out_features)
{
    fmi_unit unit;
    fmi_body_use use = {0};
    fm_status status = fmi_generate_read(source, &unit);
    if (status == FM_OK) {
        status = check(source, source->names, false, &unit, &use);
        fmi_unit_free(&unit);
    }
    *out_features = use.features;
    return status;
}
