// Creation and dispatch of the library's kernels. See library.h; the texts are in library_*.c, one file a family.
#include "library.h"

#include "library_texts.h"

#include <stdbool.h>

static const library_text *find(library_id id)
{
    const struct {
        const library_text *texts;
        uint32_t count;
    } families[] = {
        {library_vector_texts, library_vector_count},       {library_row_texts, library_row_count},
        {library_matrix_texts, library_matrix_count},       {library_quant_texts, library_quant_count},
        {library_attention_texts, library_attention_count},
    };
    for (size_t f = 0; f < LIBRARY_LENGTH(families); f++) {
        for (uint32_t i = 0; i < families[f].count; i++) {
            if (families[f].texts[i].id == id) {
                return &families[f].texts[i];
            }
        }
    }
    return NULL;
}

fm_status library_create(fm_device *device, library_id id, fm_kernel *out)
{
    *out = (fm_kernel){0};
    const library_text *text = find(id);
    if (!text) {
        return FM_ERROR_INVALID_ARGUMENT;
    }
    fm_kernel_info info = {
        .name = text->name,
        .code = text->body,
        .params = text->params,
        .constants = text->constants,
        .shared = text->shared,
        .specials = text->specials,
        .group_size = {text->group_size[0], text->group_size[1], text->group_size[2]},
    };
    while (info.param_count < FM_MAX_BINDINGS && text->params[info.param_count].name) {
        info.param_count++;
    }
    while (info.constant_count < LIBRARY_MOST_CONSTANTS && text->constants[info.constant_count].name) {
        info.constant_count++;
    }
    while (info.shared_count < LIBRARY_MOST_SHARED && text->shared[info.shared_count].name) {
        info.shared_count++;
    }
    while (info.special_count < LIBRARY_MOST_SPECIALS && text->specials[info.special_count].name) {
        info.special_count++;
    }
    return fm_kernel_create(device, &info, out);
}

static uint32_t divide_up(uint32_t a, uint32_t b)
{
    return a / b + (a % b != 0);
}

fm_status library_dispatch(fm_commands *commands, library_id id, fm_kernel kernel, const fm_binding *bindings,
                           const void *constants, uint32_t x, uint32_t y)
{
    const library_text *text = find(id);
    if (!text) {
        return FM_ERROR_INVALID_ARGUMENT;
    }
    fm_dispatch_info info = {
        .kernel = kernel,
        .group_count = {divide_up(x, text->covers[0]), divide_up(y, text->covers[1]), 1},
        .bindings = bindings,
        .constants = constants,
    };
    while (info.binding_count < FM_MAX_BINDINGS && text->params[info.binding_count].name) {
        info.binding_count++;
    }
    uint32_t words = 0;
    while (words < LIBRARY_MOST_CONSTANTS && text->constants[words].name) {
        words++;
    }
    info.constants_size_bytes = 4 * words;
    return fm_dispatch(commands, &info);
}

const char *library_name(library_id id)
{
    const library_text *text = find(id);
    return text ? text->name : "none";
}

library_id library_choose_matmul(const fm_device_properties *properties, uint32_t rows, uint32_t columns)
{
    // A GPU wants a workgroup for each of its cores before it wants large tiles; a CPU has few cores. On the host device large tiles
    // gain nothing, because its compiler keeps no number in a register.
    uint64_t groups = (uint64_t)divide_up(rows, 128) * divide_up(columns, 128);
    bool is_gpu = properties->kind == FM_DEVICE_DISCRETE_GPU || properties->kind == FM_DEVICE_INTEGRATED_GPU;
    bool is_large = properties->kind != FM_DEVICE_HOST && groups >= (is_gpu ? 64 : 16);
    return is_large ? LIBRARY_MATMUL_128 : LIBRARY_MATMUL_64;
}
