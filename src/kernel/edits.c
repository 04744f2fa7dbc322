// Notes on tokens. See edits.h.
// In C, an operation that needs its operands twice stands in a statement expression with variables of its own: libtcc puts no function in the
// place of its call. In GLSL it is a call of a function of generate_glsl.c, which every driver puts there.
#include "kernel/edits.h"

#include "base/error.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static fm_status push(fmi_tokens *tokens, const fmi_edit *edit)
{
    if (tokens->edit_count == tokens->edit_capacity) {
        uint32_t capacity = tokens->edit_capacity ? 2 * tokens->edit_capacity : 16;
        fmi_edit *list = realloc(tokens->edits, capacity * sizeof *list);
        if (!list) {
            return fmi_fail(FM_ERROR_OUT_OF_HOST_MEMORY, "no host memory to read the kernel's text");
        }
        tokens->edits = list;
        tokens->edit_capacity = capacity;
    }
    fmi_edit *own = &tokens->edits[tokens->edit_count];
    *own = *edit;
    own->order = tokens->edit_count++;
    tokens->list[edit->at].is_edited = true;
    return FM_OK;
}

fm_status fmi_edits_add_operation(fmi_tokens *tokens, const fmi_operation_place *place)
{
    bool has_operator = place->operation == FMI_OPERATION_DIVIDE || place->operation == FMI_OPERATION_REST;
    fm_status status = FM_OK;
    if (has_operator) {
        status = push(tokens, &(fmi_edit){.at = place->middle, .kind = FMI_EDIT_OPERATOR, .place = *place});
    }
    if (status == FM_OK && !place->is_storage) {
        status = push(tokens, &(fmi_edit){.at = place->first, .kind = FMI_EDIT_OPEN, .place = *place});
    }
    if (status == FM_OK && !place->is_storage) {
        status = push(tokens, &(fmi_edit){.at = place->end, .kind = FMI_EDIT_CLOSE, .place = *place});
    }
    return status;
}

fm_status fmi_edits_add_number(fmi_tokens *tokens, uint32_t first, uint32_t end, const fmi_number *number)
{
    // What was noted within was noted last, and is of numbers, too: an operation whose parts are known is a number.
    while (tokens->edit_count && tokens->edits[tokens->edit_count - 1].at >= first &&
           tokens->edits[tokens->edit_count - 1].kind == FMI_EDIT_NUMBER) {
        tokens->edit_count--;
    }
    return push(tokens,
                &(fmi_edit){
                    .at = first, .kind = FMI_EDIT_NUMBER, .place = {.first = first, .end = end}, .number = *number});
}

static int compare(const void *a, const void *b)
{
    const fmi_edit *x = a, *y = b;
    if (x->at != y->at) {
        return x->at < y->at ? -1 : 1;
    }
    if (x->kind != y->kind) {
        return x->kind < y->kind ? -1 : 1;
    }
    bool is_before = x->kind == FMI_EDIT_OPEN ? x->order > y->order : x->order < y->order;
    return is_before ? -1 : 1;
}

void fmi_edits_sort(fmi_tokens *tokens)
{
    if (tokens->edit_count) {
        qsort(tokens->edits, tokens->edit_count, sizeof *tokens->edits, compare);
    }
}

const fmi_edit *fmi_edits_find(const fmi_tokens *tokens, uint32_t at, uint32_t *out_count)
{
    *out_count = 0;
    if (!tokens->list[at].is_edited) {
        return NULL;
    }
    uint32_t first = 0, end = tokens->edit_count;
    while (first < end) {
        uint32_t middle = first + (end - first) / 2;
        if (tokens->edits[middle].at < at) {
            first = middle + 1;
        } else {
            end = middle;
        }
    }
    while (first + *out_count < tokens->edit_count && tokens->edits[first + *out_count].at == at) {
        ++*out_count;
    }
    return *out_count ? &tokens->edits[first] : NULL;
}

const fmi_edit *fmi_edits_find_replacement(const fmi_tokens *tokens, uint32_t at)
{
    uint32_t count;
    const fmi_edit *edits = fmi_edits_find(tokens, at, &count);
    const fmi_edit *last = count ? &edits[count - 1] : NULL;
    return last && last->kind >= FMI_EDIT_OPERATOR ? last : NULL;
}

bool fmi_edit_is_for(const fmi_edit *edit, bool is_c)
{
    if (edit->kind == FMI_EDIT_NUMBER) {
        return true;
    }
    // Processors that libtcc writes code for take a shift's low bits.
    bool is_for_both = edit->place.operation == FMI_OPERATION_DIVIDE || edit->place.operation == FMI_OPERATION_REST;
    return !is_c || (is_for_both && edit->place.needs_check);
}

// What C calls a type, its suffix in names of functions, and what a division gives when it has no value of its own.
static const struct {
    const char *c;
    const char *glsl; // the identity's name
    char suffix;
    const char *quotient;
    const char *rest;
} types[] = {
    [FMI_TYPE_INT] = {"int", "int", 'i',
                      "(unsigned)fm_d + 1u > 1u ? fm_n / fm_d : fm_d ? (int)(0u - (unsigned)fm_n) : -1",
                      "(unsigned)fm_d + 1u > 1u ? fm_n % fm_d : fm_d ? 0 : fm_n"},
    [FMI_TYPE_UINT] = {"unsigned", "uint", 'u', "fm_d ? fm_n / fm_d : ~0u", "fm_d ? fm_n % fm_d : fm_n"},
    [FMI_TYPE_LONG] = {"long long", "long", 'l',
                       "(unsigned long long)fm_d + 1ull > 1ull ? fm_n / fm_d : fm_d ? "
                       "(long long)(0ull - (unsigned long long)fm_n) : -1ll",
                       "(unsigned long long)fm_d + 1ull > 1ull ? fm_n % fm_d : fm_d ? 0ll : fm_n"},
    [FMI_TYPE_ULONG] = {"unsigned long long", "ulong", 'm', "fm_d ? fm_n / fm_d : ~0ull", "fm_d ? fm_n % fm_d : fm_n"},
    [FMI_TYPE_FLOAT] = {"float", "float", 'f', NULL, NULL},
};

static void write_division_in_c(const fmi_operation_place *place, fmi_edit_kind part, fmi_text *out)
{
    const char *type = types[place->type].c;
    const char *value = place->operation == FMI_OPERATION_REST ? types[place->type].rest : types[place->type].quotient;
    bool is_pointer = place->stores && !place->is_storage;
    switch (part) {
    case FMI_EDIT_OPEN: fmi_text_format(out, is_pointer ? "({ %s *fm_p = &(" : "({ %s fm_n = ", type); break;
    case FMI_EDIT_OPERATOR: fmi_text_format(out, is_pointer ? "); %s fm_d = " : "; %s fm_d = ", type); break;
    default:
        if (is_pointer) {
            fmi_text_format(out, "; %s fm_n = *fm_p; *fm_p = %s; })", type, value);
        } else {
            fmi_text_format(out, "; %s; })", value);
        }
        break;
    }
}

static void write_division_in_glsl(const fmi_operation_place *place, fmi_edit_kind part, fmi_text *out)
{
    if (part == FMI_EDIT_OPEN) {
        fmi_text_format(out, "fm_%s%s_%c(", place->operation == FMI_OPERATION_REST ? "rest" : "divide",
                        place->stores && !place->is_storage ? "_into" : "", types[place->type].suffix);
    } else {
        fmi_text_append(out, part == FMI_EDIT_OPERATOR ? "," : ")", 1);
    }
}

void fmi_edit_write(const fmi_operation_place *place, fmi_edit_kind part, bool is_c, fmi_text *out)
{
    switch (place->operation) {
    case FMI_OPERATION_DIVIDE:
    case FMI_OPERATION_REST:
        if (is_c) {
            write_division_in_c(place, part, out);
        } else {
            write_division_in_glsl(place, part, out);
        }
        break;
    case FMI_OPERATION_SHIFT:
        if (part == FMI_EDIT_OPEN) {
            fmi_text_append(out, "((", 2);
        } else {
            fmi_text_format(out, ") & %d)", fmi_type_is_64_bit(place->type) ? 63 : 31);
        }
        break;
    case FMI_OPERATION_OPAQUE:
        if (part == FMI_EDIT_OPEN) {
            fmi_text_format(out, "fm_%s(", types[place->type].glsl);
        } else {
            fmi_text_append(out, ")", 1);
        }
        break;
    }
}

void fmi_edit_write_number(const fmi_number *number, bool is_c, fmi_text *out)
{
    switch (number->type) {
    case FMI_TYPE_BOOL: fmi_text_format(out, is_c ? "%d" : number->whole ? "true" : "false", (int)number->whole); break;
    case FMI_TYPE_INT:
    case FMI_TYPE_LONG: {
        const char *suffix = number->type == FMI_TYPE_INT ? "" : is_c ? "ll" : "l";
        if (number->whole < 0) { // the least number has no literal of its own
            fmi_text_format(out, "(-%" PRId64 "%s - 1%s)", -(number->whole + 1), suffix, suffix);
        } else {
            fmi_text_format(out, "%" PRId64 "%s", number->whole, suffix);
        }
        break;
    }
    case FMI_TYPE_UINT: fmi_text_format(out, "%" PRIu64 "u", (uint64_t)number->whole); break;
    case FMI_TYPE_ULONG: fmi_text_format(out, "%" PRIu64 "%s", (uint64_t)number->whole, is_c ? "ull" : "ul"); break;
    default:
        if (isnan(number->real) || isinf(number->real)) {
            fmi_text_format(out, "(%s.0f / 0.0f)", isnan(number->real) ? "0" : number->real > 0 ? "1" : "-1");
        } else { // all digits: it may become a double
            fmi_text_append(out, "(", 1);
            fmi_text_append_real(out, (double)number->real);
            fmi_text_append(out, "f)", 2);
        }
        break;
    }
}
