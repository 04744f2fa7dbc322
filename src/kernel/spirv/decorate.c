// Decorations for generated modules. See decorate.h.
// Without FPRoundingMode the rounding of a conversion is the driver's choice. It may stand only on a conversion whose every use is
// a store, so an assignment whose own value is used stays without. Without Aliased a driver may assume that two bindings are two buffers.
#include "kernel/spirv/decorate.h"

#include "base/error.h"

#include <spirv_cross/spirv.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { HEADER_WORDS = 5 };

// What is known of an id.
enum { IS_CONVERSION = 1, HAS_OTHER_USE = 2, IS_BUFFER = 4 };

struct module {
    const uint32_t *words;
    size_t count;
    uint32_t bound;
    uint32_t half;      // id of the 16-bit float type; 0: none
    size_t annotations; // where decorations may be inserted: before the first type
    uint8_t *ids;       // by id
};

static void read_definition(struct module *module, const uint32_t *at)
{
    switch (at[0] & SpvOpCodeMask) {
    case SpvOpTypeFloat: module->half = at[2] == 16 ? at[1] : module->half; break;
    case SpvOpFConvert:
        if (at[1] == module->half) {
            module->ids[at[2]] |= IS_CONVERSION;
        }
        break;
    case SpvOpVariable:
        if (at[3] == SpvStorageClassStorageBuffer) {
            module->ids[at[2]] |= IS_BUFFER;
        }
        break;
    default: break;
    }
}

// Any operand that equals the id of a conversion counts as a use: a literal that does so by chance only costs the decoration.
static void read_uses(const struct module *module, const uint32_t *at, uint32_t length)
{
    uint32_t op = at[0] & SpvOpCodeMask;
    for (uint32_t i = 1; i < length; i++) {
        bool is_definition = op == SpvOpFConvert && i == 2;
        bool is_stored = op == SpvOpStore && i == 2;
        if (!is_definition && !is_stored && at[i] < module->bound) {
            module->ids[at[i]] |= HAS_OTHER_USE;
        }
    }
}

// Walks the module: definitions first, then, from the first function on, uses.
static void read_module(struct module *module)
{
    bool in_function = false;
    for (size_t at = HEADER_WORDS; at < module->count; at += module->words[at] >> SpvWordCountShift) {
        uint32_t op = module->words[at] & SpvOpCodeMask;
        if (!module->annotations && op >= SpvOpTypeVoid && op <= SpvOpTypePipe) {
            module->annotations = at;
        }
        in_function |= op == SpvOpFunction;
        read_definition(module, module->words + at);
        if (in_function) {
            read_uses(module, module->words + at, module->words[at] >> SpvWordCountShift);
        }
    }
}

static size_t write_decorations(const struct module *module, uint32_t *out)
{
    size_t count = 0;
    for (uint32_t id = 0; id < module->bound; id++) {
        uint8_t what = module->ids[id];
        if ((what & (IS_CONVERSION | HAS_OTHER_USE)) == IS_CONVERSION) {
            const uint32_t words[] = {SpvOpDecorate | 4u << SpvWordCountShift, id, SpvDecorationFPRoundingMode,
                                      SpvFPRoundingModeRTE};
            memcpy(out + count, words, sizeof words);
            count += 4;
        } else if (what & IS_BUFFER) {
            const uint32_t words[] = {SpvOpDecorate | 3u << SpvWordCountShift, id, SpvDecorationAliased};
            memcpy(out + count, words, sizeof words);
            count += 3;
        }
    }
    return count;
}

static size_t count_candidates(const struct module *module)
{
    size_t count = 0;
    for (uint32_t id = 0; id < module->bound; id++) {
        count += (module->ids[id] & (IS_CONVERSION | IS_BUFFER)) != 0;
    }
    return count;
}

fm_status fmi_spirv_decorate(uint32_t **words, size_t *size_bytes)
{
    struct module module = {.words = *words, .count = *size_bytes / 4, .bound = (*words)[3]};
    module.ids = calloc(module.bound, 1);
    if (!module.ids) {
        return fmi_fail(FM_ERROR_OUT_OF_HOST_MEMORY, "no host memory to compile a kernel");
    }
    read_module(&module);
    uint32_t *out = malloc((module.count + 4 * count_candidates(&module)) * sizeof *out);
    if (!out) {
        free(module.ids);
        return fmi_fail(FM_ERROR_OUT_OF_HOST_MEMORY, "no host memory to compile a kernel");
    }
    memcpy(out, module.words, module.annotations * sizeof *out);
    size_t added = write_decorations(&module, out + module.annotations);
    memcpy(out + module.annotations + added, module.words + module.annotations,
           (module.count - module.annotations) * sizeof *out);
    free(module.ids);
    free(*words);
    *words = out;
    *size_bytes = (module.count + added) * sizeof *out;
    return FM_OK;
}
