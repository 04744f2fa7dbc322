// Names that header and body declare, and what is said of those that nobody did. See syntax.h.
// A spelling knows the innermost symbol that it names (names.h), so finding one is no search. Names of the kernel
// itself cannot be declared again.
#include "language/hints.h"
#include "language/syntax.h"

#include <stdio.h>
#include <string.h>

enum { MAX_NAME = 255 };

const fmi_declared *fmi_symbols_find_declared(const fmi_parser *parser, const fmi_tok *name)
{
    const fmi_declared *declared = name->name->declared;
    return declared && (!parser->is_header || declared->kind == FMI_DECLARED_SPECIAL) ? declared : NULL;
}

static void check_name(fmi_parser *parser, const fmi_tok *name, const fmi_symbol *symbol)
{
    static const char *const kinds[] = {[FMI_DECLARED_BUFFER] = "parameter",
                                        [FMI_DECLARED_CONSTANT] = "constant",
                                        [FMI_DECLARED_SHARED] = "shared array",
                                        [FMI_DECLARED_SPECIAL] = "specialisation"};
    static const char *const what[] = {[FMI_SYMBOL_VARIABLE] = "variable", [FMI_SYMBOL_HELPER] = "helper function"};
    // Parameters of a helper and its variables may have the names of what the helper does not see.
    const fmi_declared *taken = parser->scope > 0 ? fmi_symbols_find_declared(parser, name) : name->name->declared;
    fmi_term_kind term = fmi_syntax_term(name);
    if (taken) {
        fmi_syntax_fail(parser, name, "'@' is a %s of the kernel: a %s needs another name", kinds[taken->kind],
                        what[symbol->kind]);
    }
    if (!fmi_term_is_free(name->start, name->length) || term == FMI_TERM_FOREIGN) {
        fmi_syntax_check_token(parser, name);
    } else if (term != FMI_TERM_NONE && term != FMI_TERM_FUNCTION && term != FMI_TERM_VALUE) {
        fmi_syntax_fail(parser, name, "'@' is a word of the language: this needs another name");
    }
    if (name->length > MAX_NAME) {
        fmi_syntax_fail(parser, name, "this name is longer than %d characters", (int)MAX_NAME);
    }
    const fmi_symbol *old = name->name->symbol;
    if (old && (old->scope == parser->scope || old->kind == FMI_SYMBOL_HELPER)) {
        fmi_syntax_fail(parser, name, "there is a %s '@' here already", what[old->kind]);
    }
}

fmi_symbol *fmi_symbols_declare(fmi_parser *parser, const fmi_tok *token, const fmi_symbol *symbol)
{
    fmi_symbol *added = fmi_arena_alloc(parser->reading->names.arena, sizeof *added);
    check_name(parser, token, symbol);
    if (!added) {
        fmi_syntax_fail_memory(parser);
    }
    if (fmi_syntax_failed(parser)) {
        return &parser->no_symbol;
    }
    *added = *symbol;
    added->name = token->name;
    added->scope = parser->scope;
    added->outer = token->name->symbol;
    added->older = parser->symbols;
    token->name->symbol = added;
    parser->symbols = added;
    return added;
}

void fmi_symbols_close(fmi_parser *parser, const fmi_symbol *newest)
{
    while (parser->symbols != newest) {
        parser->symbols->name->symbol = parser->symbols->outer;
        parser->symbols = parser->symbols->older;
    }
}

// What another language's word means here, else the nearest word or symbol. `is_function`: what stands before
// parentheses.
static void suggest(const fmi_parser *parser, const fmi_tok *name, bool is_function, char out[FMI_MAX_HINT])
{
    const fmi_kernel_text *source = parser->tree->source;
    fmi_hint_find(name->start, name->length, out);
    if (out[0]) {
        return;
    }
    fmi_nearest nearest = {.name = name->start, .length = name->length, .edits = fmi_nearest_limit(name->length)};
    for (const fmi_symbol *symbol = parser->symbols; symbol; symbol = symbol->older) {
        if ((symbol->kind == FMI_SYMBOL_HELPER) == is_function) {
            fmi_nearest_try(&nearest, symbol->name->text, symbol->name->length);
        }
    }
    for (size_t i = 0; fmi_builtin_get(i) && is_function; i++) {
        fmi_nearest_try(&nearest, fmi_builtin_get(i)->name, strlen(fmi_builtin_get(i)->name));
    }
    if (is_function) {
        fmi_nearest_try(&nearest, "barrier", strlen("barrier"));
    }
    for (uint32_t i = 0; i < source->name_count && !is_function && !parser->is_header; i++) {
        fmi_nearest_try(&nearest, source->names[i].name, strlen(source->names[i].name));
    }
    if (nearest.best) {
        snprintf(out, FMI_MAX_HINT, "; do you mean '%.*s'?", (int)nearest.best_length, nearest.best);
    } else if (!is_function) {
        fmi_hint_find_id(name->start, name->length, out);
    }
}

const fmi_value *fmi_symbols_refuse(fmi_parser *parser, const fmi_tok *name, bool is_function)
{
    char hint[FMI_MAX_HINT];
    if (is_function && name->name->symbol) {
        return fmi_syntax_fail(parser, name, "'@' is a variable and no function");
    }
    suggest(parser, name, is_function, hint);
    if (is_function) {
        return fmi_syntax_fail(parser, name, "there is no function '@' in the language or before this in the header%s",
                               hint);
    }
    if (parser->is_header && name->name->declared) {
        return fmi_syntax_fail(parser, name, "a helper function does not see '@'; give it as an argument");
    }
    return fmi_syntax_fail(parser, name, "'@' is not declared%s", hint);
}
