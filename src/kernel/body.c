// The body translator: one pass over the tokens of a body or header. See body.h.
// Words and constants are handled here, elements of buffers and shared arrays in element.c. Whatever has no meaning of its own
// passes through as it is, so that the target's compiler judges it, on the user's line.
#include "kernel/body.h"

#include "base/error.h"
#include "kernel/flow.h"
#include "kernel/host_entry.h"
#include "kernel/rules.h"
#include "kernel/translator.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { MAX_DEPTH = 64 };

bool fmi_dtype_is_storage(fm_dtype dtype)
{
    return dtype == FM_DTYPE_F16 || dtype == FM_DTYPE_BF16 || dtype == FM_DTYPE_I8 || dtype == FM_DTYPE_U8;
}

void fmi_translator_emit(fmi_translator *translator, const char *format, ...)
{
    if (translator->input->target == FMI_BODY_CHECK) {
        return;
    }
    char piece[256]; // longer than any name with what stands around it
    va_list args;
    va_start(args, format);
    int length = vsnprintf(piece, sizeof piece, format, args);
    va_end(args);
    if (length > 0) {
        fmi_text_append(translator->out, piece, (size_t)length < sizeof piece ? (size_t)length : sizeof piece - 1);
    }
}

static void emit_token(fmi_translator *translator, uint32_t index)
{
    const fmi_token *token = &translator->tokens.list[index];
    if (translator->input->target == FMI_BODY_CHECK) {
        return;
    }
    if (translator->is_flat && token->kind == FMI_TOKEN_SPACE) {
        fmi_text_append(translator->out, " ", 1);
    } else {
        fmi_text_append(translator->out, token->start, token->length);
    }
}

bool fmi_token_is_assignment(const fmi_tokens *tokens, uint32_t index)
{
    if (index >= tokens->count || tokens->list[index].kind != FMI_TOKEN_OPERATOR) {
        return false;
    }
    const fmi_token *token = &tokens->list[index];
    if (token->start[token->length - 1] != '=') {
        return false;
    }
    return !fmi_token_is(tokens, index, "==") && !fmi_token_is(tokens, index, "!=") &&
           !fmi_token_is(tokens, index, "<=") && !fmi_token_is(tokens, index, ">=");
}

bool fmi_token_is_step(const fmi_tokens *tokens, uint32_t index)
{
    return fmi_token_is(tokens, index, "++") || fmi_token_is(tokens, index, "--");
}

const fmi_name *fmi_translator_find(const fmi_translator *translator, uint32_t index)
{
    const fmi_body_input *input = translator->input;
    for (uint32_t i = 0; i < input->name_count; i++) {
        if (fmi_token_is(&translator->tokens, index, input->names[i].name)) {
            return &input->names[i];
        }
    }
    return NULL;
}

// True if what ends before token `after` and starts at token `first` is assigned or stepped.
static bool is_changed(const fmi_tokens *tokens, uint32_t first, uint32_t after)
{
    return fmi_token_is_assignment(tokens, after) || fmi_token_is_step(tokens, after) ||
           fmi_token_is_step(tokens, fmi_token_previous(tokens, first));
}

static fm_status translate_constant(fmi_translator *translator, const fmi_name *name, uint32_t at)
{
    const fmi_tokens *tokens = &translator->tokens;
    if (is_changed(tokens, at, fmi_token_next(tokens, at))) {
        return fmi_token_fail(tokens, at, "'%s' is a constant and cannot be changed", name->name);
    }
    fmi_translator_emit(translator, "fm_c_%s", name->name);
    return FM_OK;
}

// A specialisation becomes its number; in a line of the preprocessor without the suffix, which GLSL's does not know.
static fm_status translate_special(fmi_translator *translator, const fmi_name *name, uint32_t at)
{
    const fmi_tokens *tokens = &translator->tokens;
    if (is_changed(tokens, at, fmi_token_next(tokens, at))) {
        return fmi_token_fail(tokens, at, "'%s' is a specialisation value and cannot be changed", name->name);
    }
    if (name->dtype == FM_DTYPE_U32) {
        fmi_translator_emit(translator, "%u%s", (unsigned)name->value, translator->is_directive ? "" : "u");
    } else if (name->dtype == FM_DTYPE_I32 && name->value == INT32_MIN) {
        fmi_translator_emit(translator, "(-2147483647 - 1)");
    } else if (name->dtype == FM_DTYPE_I32) {
        fmi_translator_emit(translator, "(%d)", (int)name->value);
    } else {
        // Nine digits tell every float from its neighbours.
        fmi_translator_emit(translator, "(%.8ef)", (double)(float)name->value);
    }
    return FM_OK;
}

// A built-in id: only with its member, and never changed.
static fm_status translate_id(fmi_translator *translator, const fmi_word *word, uint32_t *at)
{
    const fmi_tokens *tokens = &translator->tokens;
    if (translator->input->is_header) {
        return fmi_token_fail(tokens, *at, "a helper function does not see '%s'; give it as an argument", word->name);
    }
    uint32_t dot = fmi_token_next(tokens, *at);
    uint32_t member = dot < tokens->count ? fmi_token_next(tokens, dot) : dot;
    if (!fmi_token_is(tokens, dot, ".") || !(fmi_token_is(tokens, member, "x") || fmi_token_is(tokens, member, "y") ||
                                             fmi_token_is(tokens, member, "z"))) {
        return fmi_token_fail(tokens, *at, "'%s' is used only as %s.x, %s.y or %s.z", word->name, word->name,
                              word->name, word->name);
    }
    if (is_changed(tokens, *at, fmi_token_next(tokens, member))) {
        return fmi_token_fail(tokens, *at, "'%s' cannot be changed", word->name);
    }
    char axis = *tokens->list[member].start;
    if (word->c) {
        fmi_translator_emit(translator, "%s", translator->input->target == FMI_BODY_C ? word->c : word->glsl);
        fmi_translator_emit(translator, ".%c", axis);
    } else {
        fmi_translator_emit(translator, "%uu", (unsigned)translator->input->group_size[axis - 'x']);
    }
    for (uint32_t i = *at + 1; i < member; i++) {
        if (tokens->list[i].kind == FMI_TOKEN_SPACE) {
            emit_token(translator, i);
        }
    }
    translator->use->features |= word->feature;
    *at = member;
    return FM_OK;
}

// In C the body stands in a loop over work-items, or, if its flow is not plain to see, in a function of its own.
static fm_status translate_return(fmi_translator *translator, uint32_t at)
{
    if (translator->input->is_header) {
        emit_token(translator, at);
        return FM_OK;
    }
    uint32_t next = fmi_token_next(&translator->tokens, at);
    if (!fmi_token_is(&translator->tokens, next, ";")) {
        return fmi_token_fail(&translator->tokens, at, "a body returns nothing: write 'return;'");
    }
    bool is_in_loop = translator->input->target == FMI_BODY_C &&
                      !(translator->use->features & (FMI_USES_HIDDEN_FLOW | FMI_USES_BARRIER));
    fmi_translator_emit(translator, is_in_loop ? "continue" : "return");
    return FM_OK;
}

static void translate_plain(fmi_translator *translator, const fmi_word *word, uint32_t at)
{
    const char *replacement = translator->input->target == FMI_BODY_C ? word->c : word->glsl;
    bool is_call = fmi_token_is(&translator->tokens, fmi_token_next(&translator->tokens, at), "(");
    if (word->kind == FMI_WORD_TYPE || (word->kind == FMI_WORD_FUNCTION && is_call)) {
        translator->use->features |= word->feature;
    }
    if (!replacement || (word->kind == FMI_WORD_FUNCTION && !is_call)) {
        emit_token(translator, at);
    } else if (word->kind == FMI_WORD_TYPE && is_call && translator->input->target == FMI_BODY_C) {
        fmi_translator_emit(translator, "(%s)", replacement);
    } else {
        fmi_translator_emit(translator, "%s", replacement);
    }
}

// A call without arguments; in C it is given its place, by which missed barriers are found and named.
static fm_status translate_barrier(fmi_translator *translator, const fmi_word *word, uint32_t *at)
{
    const fmi_tokens *tokens = &translator->tokens;
    uint32_t open = fmi_token_next(tokens, *at);
    uint32_t close = open < tokens->count ? fmi_token_next(tokens, open) : open;
    if (!fmi_token_is(tokens, open, "(") || !fmi_token_is(tokens, close, ")")) {
        return fmi_token_fail(tokens, *at, "barrier is called without arguments: write 'barrier();'");
    }
    if (translator->input->target != FMI_BODY_C) {
        emit_token(translator, *at);
        return FM_OK;
    }
    const fmi_token *token = &tokens->list[*at];
    fmi_translator_emit(translator, "%s(%uu)", word->c,
                        FMI_BARRIER_PLACE(translator->input->is_header, token->line, token->column));
    for (uint32_t i = *at + 1; i < close; i++) {
        if (tokens->list[i].kind == FMI_TOKEN_SPACE) {
            emit_token(translator, i);
        }
    }
    *at = close;
    return FM_OK;
}

static fm_status translate_word(fmi_translator *translator, const fmi_word *word, uint32_t *at)
{
    const fmi_token *token = &translator->tokens.list[*at];
    switch (word->kind) {
    case FMI_WORD_C:
    case FMI_WORD_GLSL:
        return fmi_token_fail(&translator->tokens, *at, "'%.*s' is no word of the portable language",
                              (int)token->length, token->start);
    case FMI_WORD_RETURN: return translate_return(translator, *at);
    case FMI_WORD_ID: return translate_id(translator, word, at);
    case FMI_WORD_BARRIER: return translate_barrier(translator, word, at);
    case FMI_WORD_ATOMIC: return fmi_translate_atomic(translator, word, at);
    default: translate_plain(translator, word, *at); return FM_OK;
    }
}

static fm_status translate_name(fmi_translator *translator, uint32_t *at)
{
    const fmi_tokens *tokens = &translator->tokens;
    const fmi_token *token = &tokens->list[*at];
    const fmi_name *name = fmi_translator_find(translator, *at);
    if (name) {
        return name->kind == FMI_NAME_CONSTANT  ? translate_constant(translator, name, *at)
               : name->kind == FMI_NAME_SPECIAL ? translate_special(translator, name, *at)
                                                : fmi_translate_element(translator, name, at);
    }
    if (!fmi_word_has_free_prefix(token->start, token->length)) {
        return fmi_token_fail(tokens, *at, "names that start with fm_ or gl_ are reserved");
    }
    const fmi_word *word = fmi_word_find(token->start, token->length);
    if (word) {
        return translate_word(translator, word, at);
    }
    emit_token(translator, *at);
    return FM_OK;
}

// Follows where lines of the preprocessor begin and end; a body has none. A `#` in one is no beginning.
static void note_directive(fmi_translator *translator, uint32_t index)
{
    const fmi_token *token = &translator->tokens.list[index];
    if (!translator->input->is_header) {
        return;
    }
    if (!translator->is_directive) {
        translator->is_directive = fmi_token_is(&translator->tokens, index, "#");
    } else if (token->kind == FMI_TOKEN_SPACE) {
        const char *line_end = memchr(token->start, '\n', token->length);
        translator->is_directive = !line_end || (line_end > token->start && line_end[-1] == '\\');
    }
}

// Starts a line that tells which token it holds. Lines of the preprocessor cannot be broken, and written-out copies have no place.
static void mark_token(fmi_translator *translator, uint32_t index)
{
    const fmi_body_input *input = translator->input;
    if (!input->locates || translator->is_flat || translator->is_directive ||
        translator->tokens.list[index].kind == FMI_TOKEN_SPACE) {
        return;
    }
    if (input->target == FMI_BODY_C) {
        fmi_translator_emit(translator, "\n#line %u \"%s\"\n", index + 1, input->is_header ? "header" : "body");
    } else {
        fmi_translator_emit(translator, "\n#line %u %d\n", index + 1, input->is_header ? 1 : 0);
    }
}

fm_status fmi_translate_range(fmi_translator *translator, uint32_t begin, uint32_t end)
{
    if (translator->depth == MAX_DEPTH) {
        return fmi_token_fail(&translator->tokens, begin, "element accesses are nested more than %d deep",
                              (int)MAX_DEPTH);
    }
    translator->depth++;
    for (uint32_t i = begin; i < end; i++) {
        const fmi_token *token = &translator->tokens.list[i];
        note_directive(translator, i);
        mark_token(translator, i);
        if (token->kind == FMI_TOKEN_NAME) {
            fm_status status = translate_name(translator, &i);
            if (status != FM_OK) {
                return status;
            }
            continue;
        }
        emit_token(translator, i);
        // Without its `f` a literal would be a double in C.
        if (token->kind == FMI_TOKEN_FLOAT && (token->start[token->length - 1] | 32) != 'f') {
            fmi_translator_emit(translator, "f");
        }
    }
    translator->depth--;
    return FM_OK;
}

// Notes what decides the form of the generated C: barriers, and what hides flow. In a header any macro could hide either.
static fm_status check_flow(fmi_translator *translator)
{
    const fmi_tokens *tokens = &translator->tokens;
    bool is_simple = true;
    for (uint32_t i = 0; i < tokens->count; i++) {
        translator->use->features |= fmi_token_is(tokens, i, "barrier") ? FMI_USES_BARRIER : 0;
    }
    if (!translator->input->is_header) {
        fm_status status = fmi_flow_check(tokens, &is_simple);
        if (status != FM_OK) {
            return status;
        }
    }
    for (uint32_t i = 0; i < tokens->count && translator->input->is_header; i++) {
        is_simple &= !fmi_token_is(tokens, i, "#");
    }
    translator->use->features |= is_simple ? 0 : FMI_USES_HIDDEN_FLOW;
    return FM_OK;
}

fm_status fmi_body_translate(const fmi_body_input *input, fmi_text *out, fmi_body_use *use)
{
    fmi_translator translator = {.input = input, .out = out, .use = use};
    fm_status status = fmi_tokens_cut(input->text, input->length, input->is_header, &translator.tokens);
    if (status != FM_OK) {
        return status;
    }
    status = fmi_rules_check(&translator.tokens, input->is_header);
    if (status == FM_OK) {
        status = check_flow(&translator);
    }
    if (status == FM_OK) {
        status = fmi_translate_range(&translator, 0, translator.tokens.count);
    }
    fmi_tokens_free(&translator.tokens);
    if (status == FM_OK && out && out->failed) {
        status = fmi_fail(FM_ERROR_OUT_OF_HOST_MEMORY, "no host memory to translate the kernel's text");
    }
    return status;
}
