// Accesses to elements, `name[index]`: checks them against the parameter's access and turns loads and stores of storage dtypes
// into conversions. 32-bit elements stay lvalues of the target language. See body.h.
// An access is parsed only as far as a store needs: to the end of the value that is stored.
#include "kernel/translator.h"

#include "backend/backend.h"
#include "kernel/kernel.h"

#include <string.h>

// One access as it stands in the text; token indexes.
struct access {
    const fmi_name *name;
    uint32_t at;
    uint32_t open;
    uint32_t close;
    uint32_t after; // first token after `close`
    bool reads;
    bool writes;
};

// How storage dtypes are converted. `%s` of a load is the element, of a store the value.
struct conversion {
    const char *load_open;
    const char *load_close;
    const char *store_open;
    const char *store_close;
};

static const struct conversion *get_conversion(fmi_body_target target, uint8_t dtype)
{
    // GLSL's identity functions convert implicitly as an assignment to the 32-bit type would, and refuse what it would refuse.
    static const struct conversion glsl[] = {
        [FM_DTYPE_F16] = {"float(", ")", "float16_t(fm_float(", "))"},
        [FM_DTYPE_I8] = {"int(", ")", "int8_t(fm_int(", "))"},
        [FM_DTYPE_U8] = {"uint(", ")", "uint8_t(fm_uint(", "))"},
        [FM_DTYPE_BF16] = {"uintBitsToFloat(uint(", ") << 16)", "uint16_t(fm_bf16(", "))"},
    };
    static const struct conversion c[] = {
        [FM_DTYPE_F16] = {"fm_half_to_float(", ")", "fm_float_to_half(", ")"},
        [FM_DTYPE_I8] = {"((int)", ")", "(signed char)(int)(", ")"},
        [FM_DTYPE_U8] = {"((unsigned)", ")", "(unsigned char)(unsigned)(", ")"},
        [FM_DTYPE_BF16] = {"fm_bf16_to_float(", ")", "fm_float_to_bf16(", ")"},
    };
    return target == FMI_BODY_C ? &c[dtype] : &glsl[dtype];
}

static void find_use(const fmi_tokens *tokens, struct access *access)
{
    uint32_t first = access->at;
    uint32_t after = access->after;
    // Outward through parentheses that hold nothing but the element; a name before them makes it a call or an `if`.
    for (;;) {
        uint32_t open = fmi_token_previous(tokens, first);
        uint32_t before = open == UINT32_MAX ? UINT32_MAX : fmi_token_previous(tokens, open);
        bool is_argument = before != UINT32_MAX && tokens->list[before].kind == FMI_TOKEN_NAME;
        if (open == UINT32_MAX || !fmi_token_is(tokens, open, "(") || tokens->list[open].match != after ||
            is_argument) {
            break;
        }
        first = open;
        after = fmi_token_next(tokens, after);
    }
    bool is_step = fmi_token_is_step(tokens, after) || fmi_token_is_step(tokens, fmi_token_previous(tokens, first));
    access->writes = is_step || fmi_token_is_assignment(tokens, after);
    access->reads = is_step || !fmi_token_is(tokens, after, "=");
}

static fm_status find_access(const fmi_translator *translator, const fmi_name *name, uint32_t at, struct access *out)
{
    const fmi_tokens *tokens = translator->tokens;
    *out = (struct access){.name = name, .at = at, .open = fmi_token_next(tokens, at)};
    uint32_t before = fmi_token_previous(tokens, at);
    const fmi_word *type = before != UINT32_MAX && tokens->list[before].kind == FMI_TOKEN_NAME
                               ? fmi_word_find(tokens->list[before].start, tokens->list[before].length)
                               : NULL;
    if (type && type->kind == FMI_WORD_TYPE) {
        return fmi_token_fail(tokens, at, "'%s' is a %s of the kernel: a variable needs another name", name->name,
                              name->kind == FMI_NAME_BUFFER ? "parameter" : "shared array");
    }
    if (!fmi_token_is(tokens, out->open, "[")) {
        return fmi_token_fail(tokens, at, "'%s' is a %s and is used only as %s[index]", name->name,
                              name->kind == FMI_NAME_BUFFER ? "buffer" : "shared array", name->name);
    }
    out->close = tokens->list[out->open].match;
    out->after = fmi_token_next(tokens, out->close);
    if (fmi_token_next(tokens, out->open) == out->close) {
        return fmi_token_fail(tokens, at, "'%s[]' has no index", name->name);
    }
    find_use(tokens, out);
    return FM_OK;
}

static fm_status check_access(const fmi_translator *translator, const struct access *access)
{
    const fmi_name *name = access->name;
    if (name->kind != FMI_NAME_BUFFER) {
        return FM_OK;
    }
    if (access->writes && !(name->access & FM_ACCESS_WRITE)) {
        return fmi_token_fail(translator->tokens, access->at, "'%s' is stored to, but its access is FM_ACCESS_READ",
                              name->name);
    }
    if (access->reads && !(name->access & FM_ACCESS_READ)) {
        return fmi_token_fail(translator->tokens, access->at, "'%s' is read, but its access is FM_ACCESS_WRITE",
                              name->name);
    }
    return FM_OK;
}

// The element itself, an lvalue in both targets. Spaces before the bracket are kept for their line ends.
static fm_status emit_element(fmi_translator *translator, const struct access *access)
{
    if (access->name->kind == FMI_NAME_SHARED) {
        translator->use->features |= FMI_USES_SHARED;
        fmi_translator_emit(translator, "fm_s_%s", access->name->name);
    } else {
        fmi_translator_emit(translator, "fm_b_%s%s", access->name->name,
                            translator->input->target == FMI_BODY_GLSL ? ".v" : "");
    }
    return fmi_translate_range(translator, access->at + 1, access->close + 1);
}

static fm_status emit_load(fmi_translator *translator, const struct access *access)
{
    const struct conversion *conversion = get_conversion(translator->input->target, access->name->dtype);
    fmi_translator_emit(translator, "%s", conversion->load_open);
    fm_status status = emit_element(translator, access);
    fmi_translator_emit(translator, "%s", conversion->load_close);
    return status;
}

// Where the value that is assigned after token `op` ends.
static uint32_t find_value_end(const fmi_tokens *tokens, uint32_t op)
{
    uint32_t questions = 0;
    for (uint32_t i = op + 1; i < tokens->count; i++) {
        const fmi_token *token = &tokens->list[i];
        if (token->kind != FMI_TOKEN_OPERATOR || token->length != 1) {
            continue;
        }
        switch (*token->start) {
        case '(':
        case '[':
        case '{': i = token->match; break;
        case '?': questions++; break;
        case ':':
            if (questions == 0) {
                return i;
            }
            questions--;
            break;
        case ',':
        case ';':
        case ')':
        case ']':
        case '}': return i;
        default: break;
        }
    }
    return tokens->count;
}

// The index of a compound store is written out twice, so that it must not change anything.
static fm_status check_repeatable(const fmi_translator *translator, const struct access *access)
{
    const fmi_tokens *tokens = translator->tokens;
    for (uint32_t i = access->open; i < access->close; i++) {
        const fmi_token *token = &tokens->list[i];
        const fmi_word *word = token->kind == FMI_TOKEN_NAME ? fmi_word_find(token->start, token->length) : NULL;
        if (fmi_token_is_assignment(tokens, i) || fmi_token_is_step(tokens, i) ||
            (word && word->kind == FMI_WORD_ATOMIC)) {
            return fmi_token_fail(tokens, i,
                                  "the index of a compound store to '%s', whose elements are %s, must have no side "
                                  "effect",
                                  access->name->name, fmi_dtype_name((fm_dtype)access->name->dtype));
        }
    }
    return FM_OK;
}

// True if the assignment is a statement of its own, so that nobody takes its value.
static bool is_statement(const fmi_tokens *tokens, const struct access *access)
{
    uint32_t before = fmi_token_previous(tokens, access->at);
    return before == UINT32_MAX || fmi_token_is(tokens, before, ";") || fmi_token_is(tokens, before, "{") ||
           fmi_token_is(tokens, before, "}") || fmi_token_is(tokens, before, ")") ||
           fmi_token_is(tokens, before, "else");
}

// A part of the words for an operation that has its own; nothing without `edit`.
static void emit_operation(fmi_translator *translator, const fmi_edit *edit, fmi_edit_kind part)
{
    if (edit) {
        fmi_translator_emit_edit(translator, &edit->place, part);
    }
}

// x[i] = v, or x[i] op= v as x[i] = x[i] op (v); wrapped in a load where the assignment's own value is used.
static fm_status emit_store(fmi_translator *translator, const struct access *access, uint32_t *at)
{
    const fmi_tokens *tokens = translator->tokens;
    const struct conversion *conversion = get_conversion(translator->input->target, access->name->dtype);
    uint32_t op = access->after;
    uint32_t op_length = tokens->list[op].length - 1;
    uint32_t end = find_value_end(tokens, op);
    if (end == tokens->count) {
        return fmi_token_fail(tokens, access->at, "this store has no ';' behind it");
    }
    const fmi_edit *edit = op_length ? fmi_edits_find_replacement(tokens, op) : NULL;
    edit = edit && fmi_edit_is_for(edit, translator->input->target == FMI_BODY_C) ? edit : NULL;
    bool is_value = !is_statement(tokens, access);
    fmi_translator_emit(translator, "%s", is_value ? conversion->load_open : "");
    fmi_translator_emit(translator, "%s", is_value ? "(" : "");
    fm_status status = emit_element(translator, access);
    if (status == FM_OK) {
        status = fmi_translate_range(translator, access->close + 1, op);
    }
    fmi_translator_emit(translator, "= %s", conversion->store_open);
    if (status == FM_OK && op_length) {
        status = check_repeatable(translator, access);
        bool was_flat = translator->is_flat;
        translator->is_flat = true;
        emit_operation(translator, edit, FMI_EDIT_OPEN);
        status = status == FM_OK ? emit_load(translator, access) : status;
        translator->is_flat = was_flat;
        if (!edit) {
            fmi_translator_emit(translator, " %.*s ", (int)op_length, tokens->list[op].start);
        }
        emit_operation(translator, edit, FMI_EDIT_OPERATOR);
        fmi_translator_emit(translator, "(");
    }
    if (status == FM_OK) {
        status = fmi_translate_range(translator, op + 1, end);
    }
    fmi_translator_close(translator, op + 1, end);
    fmi_translator_emit(translator, "%s", op_length ? ")" : "");
    emit_operation(translator, edit, FMI_EDIT_CLOSE);
    fmi_translator_emit(translator, "%s", conversion->store_close);
    fmi_translator_emit(translator, "%s%s", is_value ? ")" : "", is_value ? conversion->load_close : "");
    *at = end - 1;
    return status;
}

static fm_status translate_storage(fmi_translator *translator, const struct access *access, uint32_t *at)
{
    const fmi_tokens *tokens = translator->tokens;
    if (!access->writes) {
        *at = access->close;
        return emit_load(translator, access);
    }
    if (!fmi_token_is_assignment(tokens, access->after)) {
        return fmi_token_fail(tokens, access->at,
                              "a store to '%s', whose elements are %s, is written %s[index] = value, without ++, -- or "
                              "parentheses",
                              access->name->name, fmi_dtype_name((fm_dtype)access->name->dtype), access->name->name);
    }
    return emit_store(translator, access, at);
}

fm_status fmi_translate_element(fmi_translator *translator, const fmi_name *name, uint32_t *at)
{
    struct access access;
    fm_status status = find_access(translator, name, *at, &access);
    if (status == FM_OK) {
        status = check_access(translator, &access);
    }
    if (status != FM_OK) {
        return status;
    }
    if (name->kind == FMI_NAME_BUFFER && fmi_dtype_is_storage((fm_dtype)name->dtype)) {
        return translate_storage(translator, &access, at);
    }
    *at = access.close;
    return emit_element(translator, &access);
}

static const char *const atomic_suffixes[FMI_DTYPE_END] = {[FM_DTYPE_I32] = "i32",
                                                           [FM_DTYPE_U32] = "u32",
                                                           [FM_DTYPE_I64] = "i64",
                                                           [FM_DTYPE_U64] = "u64",
                                                           [FM_DTYPE_F32] = "f32"};

// Of which elements there are atomics, and whether the device must have them for this. `at`: the name.
static fm_status check_atomic(fmi_translator *translator, const fmi_word *word, const fmi_name *name, uint32_t at)
{
    bool is_float = name->dtype == FM_DTYPE_F32, is_shared = name->kind == FMI_NAME_SHARED;
    bool is_long = name->dtype == FM_DTYPE_I64 || name->dtype == FM_DTYPE_U64;
    if (name->dtype != FM_DTYPE_NONE && !atomic_suffixes[name->dtype]) {
        return fmi_token_fail(translator->tokens, at,
                              "%s works on int, uint, long and ulong elements%s; those of '%s' are %s", word->name,
                              strcmp(word->name, "atomic_add") == 0 ? ", and on float" : "", name->name,
                              fmi_dtype_name((fm_dtype)name->dtype));
    }
    if (is_float && strcmp(word->name, "atomic_add") != 0) {
        return fmi_token_fail(translator->tokens, at,
                              "of float elements there is atomic_add alone; those of '%s' are float", name->name);
    }
    uint32_t needed = is_float  ? (is_shared ? FMI_ATOMIC_SHARED_FLOAT : FMI_ATOMIC_FLOAT)
                      : is_long ? (is_shared ? FMI_ATOMIC_SHARED_INT64 : FMI_ATOMIC_INT64)
                                : 0u;
    translator->use->features |= FMI_USES_ATOMIC * needed;
    return FM_OK;
}

fm_status fmi_translate_atomic(fmi_translator *translator, const fmi_word *word, uint32_t *at)
{
    const fmi_tokens *tokens = translator->tokens;
    uint32_t open = fmi_token_next(tokens, *at);
    uint32_t first = open < tokens->count ? fmi_token_next(tokens, open) : open;
    const fmi_name *name = fmi_translator_find(translator, first);
    if (!fmi_token_is(tokens, open, "(") || !name || name->kind == FMI_NAME_CONSTANT ||
        name->kind == FMI_NAME_SPECIAL) {
        return fmi_token_fail(tokens, *at, "the first argument of %s is an element, such as x[i]", word->name);
    }
    struct access access;
    fm_status status = find_access(translator, name, first, &access);
    if (status != FM_OK) {
        return status;
    }
    if (!fmi_token_is(tokens, access.after, ",")) {
        return fmi_token_fail(tokens, *at, "the first argument of %s is an element, such as x[i]", word->name);
    }
    status = check_atomic(translator, word, name, first);
    if (status != FM_OK) {
        return status;
    }
    access.reads = access.writes = true;
    status = check_access(translator, &access);
    if (status != FM_OK) {
        return status;
    }
    if (translator->input->target == FMI_BODY_C) {
        fmi_translator_emit(translator, "%s_%s", word->c, atomic_suffixes[name->dtype]);
    } else {
        fmi_translator_emit(translator, "%s", word->glsl);
    }
    status = fmi_translate_range(translator, *at + 1, first); // the parenthesis and the spaces around it
    fmi_translator_emit(translator, "%s", translator->input->target == FMI_BODY_C ? "&" : "");
    *at = access.close;
    return status == FM_OK ? emit_element(translator, &access) : status;
}
