// The body translator: one pass over the tokens of a body or header. See body.h.
// Words and constants are handled here, elements of buffers and shared arrays in element.c. Whatever has no meaning of its own
// passes through as it is, on the user's line; the grammar judges it.
#include "kernel/body.h"

#include "base/error.h"
#include "kernel/flow.h"
#include "kernel/host_entry.h"
#include "kernel/rules.h"
#include "kernel/translator.h"
#include "kernel/types.h"
#include "language/hints.h"

#include <inttypes.h>
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

void fmi_translator_emit_number(fmi_translator *translator, const fmi_number *number)
{
    if (translator->input->target != FMI_BODY_CHECK) {
        fmi_edit_write_number(number, translator->input->target == FMI_BODY_C, translator->out);
    }
}

void fmi_translator_emit_edit(fmi_translator *translator, const fmi_operation_place *place, fmi_edit_kind part)
{
    bool is_division = place->operation == FMI_OPERATION_DIVIDE || place->operation == FMI_OPERATION_REST;
    translator->use->features |= is_division ? FMI_USES_DIVISION : 0;
    if (translator->input->target != FMI_BODY_CHECK) {
        fmi_edit_write(place, part, translator->input->target == FMI_BODY_C, translator->out);
    }
}

// Writes the notes that stand before a token: of operations that end here, then of those that begin.
static void emit_edits(fmi_translator *translator, uint32_t at, fmi_edit_kind kind, uint32_t from)
{
    uint32_t count;
    const fmi_edit *edits = fmi_edits_find(translator->tokens, at, &count);
    for (uint32_t i = 0; i < count; i++) {
        if (edits[i].kind == kind && edits[i].place.first >= from &&
            !(kind == FMI_EDIT_CLOSE && at == translator->closed_at &&
              edits[i].place.first >= translator->closed_from) &&
            fmi_edit_is_for(&edits[i], translator->input->target == FMI_BODY_C)) {
            fmi_translator_emit_edit(translator, &edits[i].place, kind);
        }
    }
}

void fmi_translator_close(fmi_translator *translator, uint32_t from, uint32_t at)
{
    emit_edits(translator, at, FMI_EDIT_CLOSE, from);
    translator->closed_from = from;
    translator->closed_at = at;
}

// Spaces keep their width and their line ends. A comment becomes a blank: no compiler reads the user's own words.
static void emit_space(fmi_translator *translator, const fmi_token *token)
{
    const char *p = token->start, *end = p + token->length;
    while (p < end) {
        const char *behind = *p == '/' ? fmi_text_skip_comment(p, end) : p + 1;
        fmi_text_append(translator->out, *p == '\n' ? "\n" : " ", 1);
        for (const char *inner = p + 1; inner < behind; inner++) {
            if (*inner == '\n') {
                fmi_text_append(translator->out, "\n", 1);
            }
        }
        p = behind;
    }
}

static void emit_token(fmi_translator *translator, uint32_t index)
{
    const fmi_token *token = &translator->tokens->list[index];
    if (translator->input->target == FMI_BODY_CHECK) {
        return;
    }
    if (translator->is_flat && token->kind == FMI_TOKEN_SPACE) {
        fmi_text_append(translator->out, " ", 1);
    } else if (token->kind == FMI_TOKEN_SPACE) {
        emit_space(translator, token);
    } else {
        fmi_text_append(translator->out, token->start, token->length);
    }
}

// A name of the user's own: with a prefix, so that it is no word, macro or library function of any target.
static void emit_name(fmi_translator *translator, uint32_t index)
{
    fmi_translator_emit(translator, "fm_v_");
    emit_token(translator, index);
}

// A literal: without its `f` one would be a double in C, where doubles have no suffix and long ones have another.
static void emit_number(fmi_translator *translator, uint32_t index)
{
    const fmi_token *token = &translator->tokens->list[index];
    char last = (char)(token->start[token->length - 1] | 32);
    if (token->kind == FMI_TOKEN_INTEGER && last == 'l') {
        bool is_unsigned = (token->start[token->length - 2] | 32) == 'u';
        translator->use->features |= FMI_USES_INT64;
        if (translator->input->target != FMI_BODY_CHECK) {
            fmi_text_append(translator->out, token->start, token->length - 1u - is_unsigned);
        }
        fmi_translator_emit(translator, "%s%s", is_unsigned ? "u" : "",
                            translator->input->target == FMI_BODY_C ? "ll" : "l");
        return;
    }
    if (fmi_token_is_double(token)) {
        translator->use->features |= FMI_USES_FLOAT64;
        if (translator->input->target != FMI_BODY_CHECK) {
            fmi_text_append(translator->out, token->start, token->length - 2u);
        }
        fmi_translator_emit(translator, "%s", translator->input->target == FMI_BODY_C ? "" : "lf");
        return;
    }
    emit_token(translator, index);
    if (token->kind == FMI_TOKEN_FLOAT && last != 'f') {
        fmi_translator_emit(translator, "f");
    }
}

const fmi_name *fmi_translator_find(const fmi_translator *translator, uint32_t index)
{
    const fmi_body_input *input = translator->input;
    for (uint32_t i = 0; i < input->name_count; i++) {
        if (fmi_token_is(translator->tokens, index, input->names[i].name)) {
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
    const fmi_tokens *tokens = translator->tokens;
    if (is_changed(tokens, at, fmi_token_next(tokens, at))) {
        return fmi_token_fail(tokens, at, "'%s' is a constant and cannot be changed", name->name);
    }
    fmi_translator_emit(translator, "fm_c_%s", name->name);
    return FM_OK;
}

// The least number of a type has no literal of its own.
static void emit_signed(fmi_translator *translator, const fmi_name *name)
{
    int64_t value = (int64_t)name->value;
    const char *suffix = name->dtype == FM_DTYPE_I32 ? "" : translator->input->target == FMI_BODY_C ? "ll" : "l";
    if (value < 0) {
        fmi_translator_emit(translator, "(-%" PRId64 "%s - 1%s)", -(value + 1), suffix, suffix);
    } else {
        fmi_translator_emit(translator, "(%" PRId64 "%s)", value, suffix);
    }
}

// A specialisation becomes its number.
static fm_status translate_special(fmi_translator *translator, const fmi_name *name, uint32_t at)
{
    const fmi_tokens *tokens = translator->tokens;
    if (is_changed(tokens, at, fmi_token_next(tokens, at))) {
        return fmi_token_fail(tokens, at, "'%s' is a specialisation value and cannot be changed", name->name);
    }
    bool is_long = name->dtype == FM_DTYPE_I64 || name->dtype == FM_DTYPE_U64;
    translator->use->features |= is_long ? FMI_USES_INT64 : name->dtype == FM_DTYPE_F64 ? FMI_USES_FLOAT64 : 0;
    if (name->dtype == FM_DTYPE_U32) {
        fmi_translator_emit(translator, "%uu", (unsigned)name->value);
    } else if (name->dtype == FM_DTYPE_U64) {
        fmi_translator_emit(translator, "%" PRIu64 "%s", (uint64_t)name->value,
                            translator->input->target == FMI_BODY_C ? "ull" : "ul");
    } else if (name->dtype == FM_DTYPE_I32 || name->dtype == FM_DTYPE_I64) {
        emit_signed(translator, name);
    } else if (name->dtype == FM_DTYPE_F64) {
        bool is_check = translator->input->target == FMI_BODY_CHECK;
        fmi_translator_emit(translator, "(");
        if (!is_check) {
            fmi_text_append_real(translator->out, name->value);
        }
        fmi_translator_emit(translator, "%s)", translator->input->target == FMI_BODY_C ? "" : "lf");
    } else {
        const fmi_number number = {.type = FMI_TYPE_FLOAT, .real = (float)name->value};
        fmi_translator_emit_number(translator, &number);
    }
    return FM_OK;
}

// A built-in id: only with its member, and never changed.
static fm_status translate_id(fmi_translator *translator, const fmi_word *word, uint32_t *at)
{
    const fmi_tokens *tokens = translator->tokens;
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
    uint32_t next = fmi_token_next(translator->tokens, at);
    if (!fmi_token_is(translator->tokens, next, ";")) {
        return fmi_token_fail(translator->tokens, at, "a body returns nothing: write 'return;'");
    }
    bool is_in_loop = translator->input->target == FMI_BODY_C &&
                      !(translator->use->features & (FMI_USES_HIDDEN_FLOW | FMI_USES_BARRIER));
    fmi_translator_emit(translator, is_in_loop ? "continue" : "return");
    return FM_OK;
}

// `min` and the like exist in C once for each type, and functions of bits in both; the grammar has noted which it is.
static const char *find_suffix(const fmi_translator *translator, const fmi_word *word, uint32_t at)
{
    static const char *const suffixes[] = {[FMI_TYPE_INT] = "_i",   [FMI_TYPE_UINT] = "_u",  [FMI_TYPE_LONG] = "_l",
                                           [FMI_TYPE_ULONG] = "_m", [FMI_TYPE_FLOAT] = "_f", [FMI_TYPE_DOUBLE] = "_d"};
    uint8_t note = translator->tokens->list[at].note;
    bool is_c = translator->input->target == FMI_BODY_C;
    bool has_types = word->shape == 'z' || (is_c && strchr("nwW", word->shape) && word->shape) ||
                     (is_c && word->shape == 'b' && note == FMI_TYPE_DOUBLE);
    return has_types && note < FMI_TYPE_COUNT && suffixes[note] ? suffixes[note] : "";
}

static void translate_plain(fmi_translator *translator, const fmi_word *word, uint32_t at)
{
    const fmi_tokens *tokens = translator->tokens;
    const char *replacement = translator->input->target == FMI_BODY_C ? word->c : word->glsl;
    if (word->shape == 'g' && tokens->list[at].note == FMI_TYPE_DOUBLE) {
        replacement = NULL; // doubles have the plain name in C, too
    }
    bool is_call = fmi_token_is(tokens, fmi_token_next(tokens, at), "(");
    bool is_own = tokens->list[at].note == FMI_NOTE_OWN || (word->kind == FMI_WORD_FUNCTION && !is_call);
    if (is_own) {
        emit_name(translator, at);
        return;
    }
    if (word->kind == FMI_WORD_TYPE || word->kind == FMI_WORD_FUNCTION || word->kind == FMI_WORD_VALUE) {
        translator->use->features |= word->feature;
    }
    if (!replacement) {
        emit_token(translator, at);
    } else if (word->kind == FMI_WORD_TYPE && is_call && translator->input->target == FMI_BODY_C) {
        fmi_translator_emit(translator, "(%s)", replacement);
    } else {
        fmi_translator_emit(translator, "%s%s", replacement, find_suffix(translator, word, at));
    }
}

// A call without arguments; in C it is given its place, by which missed barriers are found and named.
static fm_status translate_barrier(fmi_translator *translator, const fmi_word *word, uint32_t *at)
{
    const fmi_tokens *tokens = translator->tokens;
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
    switch (word->kind) {
    case FMI_WORD_C:
    case FMI_WORD_GLSL: return fmi_rules_refuse_word(translator->tokens, *at);
    case FMI_WORD_RETURN: return translate_return(translator, *at);
    case FMI_WORD_ID: return translate_id(translator, word, at);
    case FMI_WORD_BARRIER: return translate_barrier(translator, word, at);
    case FMI_WORD_ATOMIC: return fmi_translate_atomic(translator, word, at);
    default: translate_plain(translator, word, *at); return FM_OK;
    }
}

static fm_status translate_name(fmi_translator *translator, uint32_t *at)
{
    const fmi_tokens *tokens = translator->tokens;
    const fmi_token *token = &tokens->list[*at];
    const fmi_name *name = fmi_translator_find(translator, *at);
    if (name) {
        return name->kind == FMI_NAME_CONSTANT  ? translate_constant(translator, name, *at)
               : name->kind == FMI_NAME_SPECIAL ? translate_special(translator, name, *at)
                                                : fmi_translate_element(translator, name, at);
    }
    if (!fmi_word_has_free_prefix(token->start, token->length)) {
        char hint[FMI_MAX_HINT];
        fmi_hint_find(token->start, token->length, hint);
        return fmi_token_fail(tokens, *at, "names that start with fm_ or gl_ are reserved%s", hint);
    }
    const fmi_word *word = fmi_word_find(token->start, token->length);
    if (word) {
        return translate_word(translator, word, at);
    }
    emit_name(translator, *at);
    return FM_OK;
}

// `-INFINITY`: libtcc takes no minus before an infinity where a constant is wanted, so the minus moves into its cast. False: it is none.
static bool translate_negative(fmi_translator *translator, uint32_t *at)
{
    const fmi_tokens *tokens = translator->tokens;
    if (translator->input->target != FMI_BODY_C || !fmi_token_is(tokens, *at, "-")) {
        return false;
    }
    uint32_t next = fmi_token_next(tokens, *at);
    const fmi_token *name = &tokens->list[next];
    const fmi_word *word = name->kind == FMI_TOKEN_NAME ? fmi_word_find(name->start, name->length) : NULL;
    if (!word || word->kind != FMI_WORD_VALUE || word->shape != 'f' || name->note == FMI_NOTE_OWN ||
        fmi_translator_find(translator, next) || fmi_rules_is_value_end(tokens, fmi_token_previous(tokens, *at))) {
        return false;
    }
    for (uint32_t i = *at + 1; i < next; i++) {
        emit_token(translator, i);
    }
    const char *cast = "((float)";
    bool has_cast = strncmp(word->c, cast, strlen(cast)) == 0; // NaN has none, and no sign that counts
    fmi_translator_emit(translator, "%s%s%s", has_cast ? cast : "", has_cast ? "-" : "",
                        word->c + (has_cast ? strlen(cast) : 0));
    *at = next;
    return true;
}

// Starts a line that tells which token it holds. Written-out copies have no place.
static void mark_token(fmi_translator *translator, uint32_t index)
{
    const fmi_body_input *input = translator->input;
    if (!input->locates || translator->is_flat || translator->tokens->list[index].kind == FMI_TOKEN_SPACE) {
        return;
    }
    if (input->target == FMI_BODY_C) {
        fmi_translator_emit(translator, "\n#line %u \"%s\"\n", index + 1, input->is_header ? "header" : "body");
    } else {
        fmi_translator_emit(translator, "\n#line %u %d\n", index + 1, input->is_header ? 1 : 0);
    }
}

// Writes what stands in the place of token `*at` and those behind it, and leaves `*at` at the last of them. False: the token itself does.
static bool translate_replaced(fmi_translator *translator, uint32_t *at)
{
    const fmi_edit *edit = fmi_edits_find_replacement(translator->tokens, *at);
    if (!edit || !fmi_edit_is_for(edit, translator->input->target == FMI_BODY_C)) {
        return false;
    }
    if (edit->kind == FMI_EDIT_OPERATOR) {
        fmi_translator_emit_edit(translator, &edit->place, FMI_EDIT_OPERATOR);
        return true;
    }
    fmi_translator_emit_number(translator, &edit->number);
    for (; *at + 1 < edit->place.end; ++*at) {
        if (translator->tokens->list[*at + 1].kind == FMI_TOKEN_SPACE) {
            emit_token(translator, *at + 1);
        }
    }
    return true;
}

fm_status fmi_translate_range(fmi_translator *translator, uint32_t begin, uint32_t end)
{
    if (translator->depth == MAX_DEPTH) {
        return fmi_token_fail(translator->tokens, begin, "element accesses are nested more than %d deep",
                              (int)MAX_DEPTH);
    }
    translator->depth++;
    for (uint32_t i = begin; i < end; i++) {
        const fmi_token *token = &translator->tokens->list[i];
        emit_edits(translator, i, FMI_EDIT_CLOSE, 0);
        mark_token(translator, i);
        emit_edits(translator, i, FMI_EDIT_OPEN, 0);
        if (token->is_edited && translate_replaced(translator, &i)) {
            continue;
        }
        if (token->kind == FMI_TOKEN_NAME) {
            fm_status status = translate_name(translator, &i);
            if (status != FM_OK) {
                return status;
            }
            continue;
        }
        if (token->kind == FMI_TOKEN_INTEGER || token->kind == FMI_TOKEN_FLOAT) {
            emit_number(translator, i);
        } else if (!translate_negative(translator, &i)) {
            emit_token(translator, i);
        }
    }
    translator->depth--;
    return FM_OK;
}

// Notes what decides the form of the generated C: barriers, and a `return` that is hidden in a loop.
static fm_status check_flow(fmi_translator *translator)
{
    const fmi_tokens *tokens = translator->tokens;
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
    translator->use->features |= is_simple ? 0 : FMI_USES_HIDDEN_FLOW;
    return FM_OK;
}

fm_status fmi_body_translate(const fmi_body_input *input, fmi_text *out, fmi_body_use *use)
{
    fmi_translator translator = {.input = input, .tokens = input->tokens, .out = out, .use = use};
    fm_status status = check_flow(&translator);
    if (status == FM_OK) {
        status = fmi_translate_range(&translator, 0, input->tokens->count);
    }
    if (status == FM_OK && out && out->failed) {
        status = fmi_fail(FM_ERROR_OUT_OF_HOST_MEMORY, "no host memory to translate the kernel's text");
    }
    return status;
}
