// Names that header and body declare. See parser.h.
// Searched from the innermost outward. Names of the kernel itself cannot be declared again, because the translator takes each of them for the
// kernel's.
#include "kernel/parser.h"

#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_NAME = 255 };

static bool is_named(const fmi_symbol *symbol, const fmi_token *name)
{
    return symbol->length == name->length && memcmp(symbol->name, name->start, name->length) == 0;
}

fmi_symbol *fmi_scope_find(const fmi_parser *parser, const fmi_token *name)
{
    uint32_t i = fmi_index_first(&parser->index, name->start, name->length);
    while (i != FMI_INDEX_NONE && !is_named(&parser->symbols[i], name)) {
        i = fmi_index_next(&parser->index, i);
    }
    return i == FMI_INDEX_NONE ? NULL : &parser->symbols[i];
}

const fmi_name *fmi_scope_find_kernel_name(const fmi_parser *parser, const fmi_token *name)
{
    for (uint32_t i = 0; i < parser->input->name_count; i++) {
        if (fmi_token_equals(name, parser->input->names[i].name)) {
            return &parser->input->names[i];
        }
    }
    return NULL;
}

// Parameters of a helper and its variables may have the names of what the helper does not see.
static const fmi_name *find_taken(const fmi_parser *parser, const fmi_token *name)
{
    const fmi_name *taken = fmi_scope_find_kernel_name(parser, name);
    return taken && parser->is_header && parser->scope > 0 && taken->kind != FMI_NAME_SPECIAL ? NULL : taken;
}

static fm_status check_name(const fmi_parser *parser, uint32_t at, const fmi_symbol *symbol)
{
    static const char *const kinds[] = {[FMI_NAME_BUFFER] = "parameter",
                                        [FMI_NAME_CONSTANT] = "constant",
                                        [FMI_NAME_SHARED] = "shared array",
                                        [FMI_NAME_SPECIAL] = "specialisation"};
    const fmi_token *name = &parser->tokens->list[at];
    int length = (int)name->length;
    const fmi_name *taken = find_taken(parser, name);
    const fmi_word *word = fmi_word_find(name->start, name->length);
    if (word && word->kind != FMI_WORD_FUNCTION && word->kind != FMI_WORD_VALUE) {
        return fmi_token_fail(parser->tokens, at, "'%.*s' is a word of the language: this needs another name", length,
                              name->start);
    }
    if (!fmi_word_has_free_prefix(name->start, name->length)) {
        return fmi_token_fail(parser->tokens, at, "names that start with fm_ or gl_ are reserved");
    }
    if (name->length > MAX_NAME) {
        return fmi_token_fail(parser->tokens, at, "this name is longer than %d characters", (int)MAX_NAME);
    }
    if (taken) {
        return fmi_token_fail(parser->tokens, at, "'%.*s' is a %s of the kernel: a %s needs another name", length,
                              name->start, kinds[taken->kind],
                              symbol->kind == FMI_SYMBOL_HELPER ? "helper function" : "variable");
    }
    const fmi_symbol *old = fmi_scope_find(parser, name);
    if (old && (old->scope == parser->scope || old->kind == FMI_SYMBOL_HELPER)) {
        return fmi_token_fail(parser->tokens, at, "there is a %s '%.*s' here already",
                              old->kind == FMI_SYMBOL_HELPER ? "helper function" : "variable", length, name->start);
    }
    return FM_OK;
}

fm_status fmi_scope_declare(fmi_parser *parser, uint32_t at, const fmi_symbol *symbol)
{
    fm_status status = check_name(parser, at, symbol);
    if (status != FM_OK) {
        return status;
    }
    if (parser->symbol_count == parser->symbol_capacity) {
        uint32_t capacity = parser->symbol_capacity ? 2 * parser->symbol_capacity : 32;
        fmi_symbol *list = realloc(parser->symbols, capacity * sizeof *list);
        if (!list) {
            return fmi_fail(FM_ERROR_OUT_OF_HOST_MEMORY, "no host memory to read the kernel's text");
        }
        parser->symbols = list;
        parser->symbol_capacity = capacity;
    }
    status = fmi_index_add(&parser->index, parser->tokens->list[at].start, parser->tokens->list[at].length);
    if (status != FM_OK) {
        return status;
    }
    parser->tokens->list[at].note = FMI_NOTE_OWN;
    fmi_symbol *added = &parser->symbols[parser->symbol_count++];
    *added = *symbol;
    added->name = parser->tokens->list[at].start;
    added->length = parser->tokens->list[at].length;
    added->scope = parser->scope;
    return FM_OK;
}

void fmi_scope_close(fmi_parser *parser, uint32_t symbol_count)
{
    parser->symbol_count = symbol_count;
    fmi_index_cut(&parser->index, symbol_count);
}

void fmi_scope_suggest(const fmi_parser *parser, const fmi_token *name, bool is_function, char out[FMI_MAX_HINT])
{
    fmi_hint_find(name->start, name->length, out);
    fmi_nearest nearest = {.name = name->start, .length = name->length, .edits = fmi_nearest_limit(name->length)};
    for (uint32_t i = parser->symbol_count; i-- > 0 && !out[0];) {
        const fmi_symbol *symbol = &parser->symbols[i];
        if ((symbol->kind == FMI_SYMBOL_HELPER) == is_function) {
            fmi_nearest_try(&nearest, symbol->name, symbol->length);
        }
    }
    for (size_t i = 0; fmi_word_at(i) && is_function && !out[0]; i++) {
        const fmi_word *word = fmi_word_at(i);
        if (word->kind == FMI_WORD_FUNCTION || word->kind == FMI_WORD_ATOMIC || word->kind == FMI_WORD_BARRIER) {
            fmi_nearest_try(&nearest, word->name, strlen(word->name));
        }
    }
    for (uint32_t i = 0; i < parser->input->name_count && !is_function && !parser->is_header; i++) {
        fmi_nearest_try(&nearest, parser->input->names[i].name, strlen(parser->input->names[i].name));
    }
    if (!out[0] && nearest.best) {
        snprintf(out, FMI_MAX_HINT, "; do you mean '%.*s'?", (int)nearest.best_length, nearest.best);
    } else if (!out[0] && !is_function) {
        fmi_hint_find_id(name->start, name->length, out);
    }
}
