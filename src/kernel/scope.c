// Names that header and body declare. See parser.h.
// Searched from the innermost outward, one by one: a kernel has some dozens. Names of the kernel itself cannot be declared again, because the
// translator takes each of them for the kernel's.
#include "kernel/parser.h"

#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_SUGGESTED = 24, MAX_NAME = 255 };

static bool is_named(const fmi_symbol *symbol, const fmi_token *name)
{
    return symbol->length == name->length && memcmp(symbol->name, name->start, name->length) == 0;
}

fmi_symbol *fmi_scope_find(const fmi_parser *parser, const fmi_token *name)
{
    for (uint32_t i = parser->symbol_count; i-- > 0;) {
        if (is_named(&parser->symbols[i], name)) {
            return &parser->symbols[i];
        }
    }
    return NULL;
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
    if (word && word->kind != FMI_WORD_FUNCTION) {
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
}

// Edits that turn one name into the other: letters put in, left out or changed.
static uint32_t measure(const char *a, size_t a_length, const char *b, size_t b_length)
{
    uint32_t row[MAX_SUGGESTED + 1];
    for (uint32_t j = 0; j <= b_length; j++) {
        row[j] = j;
    }
    for (uint32_t i = 1; i <= a_length; i++) {
        uint32_t corner = row[0];
        row[0] = i;
        for (uint32_t j = 1; j <= b_length; j++) {
            uint32_t least = corner + (a[i - 1] != b[j - 1]);
            corner = row[j];
            least = row[j] + 1 < least ? row[j] + 1 : least;
            row[j] = row[j - 1] + 1 < least ? row[j - 1] + 1 : least;
        }
    }
    return row[b_length];
}

struct nearest {
    const fmi_token *name;
    const char *best;
    size_t length;
    uint32_t edits;
};

static void try_name(struct nearest *nearest, const char *name, size_t length)
{
    if (length > MAX_SUGGESTED || nearest->name->length > MAX_SUGGESTED) {
        return;
    }
    uint32_t edits = measure(nearest->name->start, nearest->name->length, name, length);
    if (edits < nearest->edits) {
        *nearest = (struct nearest){nearest->name, name, length, edits};
    }
}

void fmi_scope_suggest(const fmi_parser *parser, const fmi_token *name, bool is_function, char *out, size_t size)
{
    out[0] = 0;
    const char *translated = is_function ? fmi_word_of_target(name->start, name->length) : NULL;
    translated = translated ? translated : fmi_word_of_others(name->start, name->length);
    // At least half of the letters are right: one edit from three letters on, two from five.
    struct nearest nearest = {.name = name, .edits = 1u + (name->length > 2) + (name->length > 4)};
    for (uint32_t i = parser->symbol_count; i-- > 0 && !translated;) {
        const fmi_symbol *symbol = &parser->symbols[i];
        if ((symbol->kind == FMI_SYMBOL_HELPER) == is_function) {
            try_name(&nearest, symbol->name, symbol->length);
        }
    }
    for (size_t i = 0; fmi_word_at(i) && is_function && !translated; i++) {
        const fmi_word *word = fmi_word_at(i);
        if (word->kind == FMI_WORD_FUNCTION || word->kind == FMI_WORD_ATOMIC || word->kind == FMI_WORD_BARRIER) {
            try_name(&nearest, word->name, strlen(word->name));
        }
    }
    for (uint32_t i = 0; i < parser->input->name_count && !is_function && !parser->is_header; i++) {
        try_name(&nearest, parser->input->names[i].name, strlen(parser->input->names[i].name));
    }
    if (translated) {
        snprintf(out, size, "; here it is called '%s'", translated);
    } else if (nearest.best) {
        snprintf(out, size, "; do you mean '%.*s'?", (int)nearest.length, nearest.best);
    }
}
