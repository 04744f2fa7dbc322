// Reads header and body. See unit.h.
// The order is that of the text: the header's directives are carried out first, and the body sees the macros that are left at its end.
#include "kernel/unit.h"

#include "kernel/rules.h"

void fmi_unit_free(fmi_unit *unit)
{
    fmi_tokens_free(&unit->header);
    fmi_tokens_free(&unit->body);
    fmi_tokens_free(&unit->raw);
}

static fm_status read_header(const fmi_unit_input *input, fmi_macros *macros, fmi_unit *out)
{
    fm_status status = fmi_tokens_cut(input->header ? input->header : "", input->header ? input->header_length : 0,
                                      true, &out->header);
    if (status == FM_OK) {
        status = fmi_macros_read(macros, &out->header, &out->raw);
    }
    if (status == FM_OK) {
        status = fmi_tokens_match(&out->header);
    }
    return status == FM_OK ? fmi_rules_check(&out->header) : status;
}

static fm_status read_body(const fmi_unit_input *input, fmi_macros *macros, fmi_unit *out)
{
    fm_status status = fmi_tokens_cut(input->body, input->body_length, false, &out->body);
    if (status == FM_OK) {
        status = fmi_macros_apply(macros, &out->body);
    }
    if (status == FM_OK) {
        status = fmi_tokens_match(&out->body);
    }
    return status == FM_OK ? fmi_rules_check(&out->body) : status;
}

fm_status fmi_unit_read(const fmi_unit_input *input, fmi_unit *out)
{
    *out = (fmi_unit){0};
    fmi_macros macros = {.names = input->names,
                         .name_count = input->name_count,
                         .special_count = input->special_count,
                         .index = {.steps = &out->steps}};
    fm_status status = read_header(input, &macros, out);
    if (status == FM_OK) {
        status = read_body(input, &macros, out);
    }
    fmi_macros_free(&macros);
    if (status != FM_OK) {
        fmi_unit_free(out);
    }
    return status;
}
