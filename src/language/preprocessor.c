// Macros: their definitions, and their text in place of their names. See preprocessor.h.
// Expansion is C's, without `#` and `##`. What it makes has the place of the macro's use, arguments their own. The user's text decides how much
// is made, so that is bounded.
#include "language/preprocessor.h"

#include "language/tree.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_PARAMS = 64, MAX_DEPTH = 64, MAX_MADE = 1 << 20 };

bool fmi_tok_is(const fmi_tok *token, const char *text)
{
    return token->kind == FMI_TOK_NAME && strlen(text) == token->length &&
           memcmp(token->start, text, token->length) == 0;
}

bool fmi_preprocess_is_defined(const fmi_tok *name)
{
    const fmi_declared *declared = name->name->declared;
    return name->name->macro || (declared && declared->kind == FMI_DECLARED_SPECIAL);
}

static bool is_same(const fmi_tok *a, const fmi_tok *b)
{
    return a->kind == b->kind && a->length == b->length && memcmp(a->start, b->start, a->length) == 0;
}

static bool is_same_text(const fmi_tok *a, const fmi_tok *b, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (!is_same(&a[i], &b[i]) || (i > 0 && a[i].is_spaced != b[i].is_spaced)) {
            return false;
        }
    }
    return true;
}

static fm_status check_name(const fmi_preprocessor *preprocessor, const fmi_tok *name)
{
    int length = (int)name->length;
    if (name->kind != FMI_TOK_NAME) {
        return fmi_tok_fail(preprocessor->where, name, "a macro's name is missing here");
    }
    uint8_t kind = name->name->term.kind;
    if ((kind != FMI_TERM_NONE && kind != FMI_TERM_FUNCTION && kind != FMI_TERM_VALUE) || fmi_tok_is(name, "defined")) {
        return fmi_tok_fail(preprocessor->where, name, "'%.*s' is a word of the language, which no macro may change",
                            length, name->start);
    }
    if (!fmi_term_is_free(name->start, name->length)) {
        return fmi_tok_fail(preprocessor->where, name, "names that start with fm_ or gl_ are reserved");
    }
    if (name->name->declared) {
        return fmi_tok_fail(preprocessor->where, name, "'%.*s' is a name of the kernel: a macro needs another name",
                            length, name->start);
    }
    return FM_OK;
}

// Reads `(a, b)` behind a macro's name; `*at` is the parenthesis, then the token behind the closing one.
static fm_status read_params(const fmi_preprocessor *preprocessor, const fmi_tok *line, uint32_t count, uint32_t *at,
                             fmi_macro *out)
{
    uint32_t i = *at + 1;
    bool wants_name = false;
    out->is_function = true;
    out->params = line + i;
    for (;; i++) {
        if (i == count) {
            return fmi_tok_fail(preprocessor->where, &line[*at], "the parameters of macro '%.*s' have no ')'",
                                (int)out->name->length, out->name->start);
        }
        const fmi_tok *token = &line[i];
        bool is_name = token->kind == FMI_TOK_NAME;
        bool expects_comma = out->param_count > 0 && !wants_name;
        if (token->op == ')' && !wants_name) {
            break;
        }
        if (expects_comma ? token->op != ',' : !is_name) {
            return fmi_tok_fail(preprocessor->where, token, "the parameters of a macro are names with commas between");
        }
        wants_name = !is_name;
        out->param_count += is_name;
        for (const fmi_tok *other = out->params; is_name && other < token; other++) {
            if (is_same(other, token)) {
                return fmi_tok_fail(preprocessor->where, token, "the macro has this parameter twice");
            }
        }
        if (out->param_count > MAX_PARAMS) {
            return fmi_tok_fail(preprocessor->where, token, "a macro has more than %d parameters", (int)MAX_PARAMS);
        }
    }
    out->param_tokens = (uint32_t)(line + i - out->params);
    *at = i + 1;
    return FM_OK;
}

static bool is_same_macro(const fmi_macro *a, const fmi_macro *b)
{
    return a->is_function == b->is_function && a->param_tokens == b->param_tokens && a->text_count == b->text_count &&
           is_same_text(a->params, b->params, a->param_tokens) && is_same_text(a->text, b->text, a->text_count);
}

fm_status fmi_preprocess_define(fmi_preprocessor *preprocessor, const fmi_tok *line, uint32_t count)
{
    fmi_macro macro = {.name = line};
    fm_status status = check_name(preprocessor, line);
    uint32_t at = 1;
    if (status == FM_OK && count > 1 && line[1].op == '(' && !line[1].is_spaced) {
        status = read_params(preprocessor, line, count, &at, &macro);
    } else if (status == FM_OK && count > 1 && !line[1].is_spaced) {
        status =
            fmi_tok_fail(preprocessor->where, &line[1], "a blank is missing between the macro's name and its text");
    }
    if (status != FM_OK) {
        return status;
    }
    macro.text = line + at;
    macro.text_count = count - at;
    const fmi_macro *old = line->name->macro;
    if (old && !is_same_macro(old, &macro)) {
        return fmi_tok_fail(preprocessor->where, line,
                            "macro '%.*s' has another text already (line %u); #undef it first", (int)line->length,
                            line->start, old->name->line);
    }
    if (!old) {
        line->name->macro = fmi_arena_alloc(preprocessor->arena, sizeof macro);
        if (!line->name->macro) {
            return fmi_fail_memory();
        }
        *line->name->macro = macro;
    }
    return FM_OK;
}

fm_status fmi_preprocess_undefine(fmi_preprocessor *preprocessor, const fmi_tok *line, uint32_t count)
{
    fm_status status = check_name(preprocessor, line);
    if (status == FM_OK && count > 1) {
        status = fmi_tok_fail(preprocessor->where, &line[1], "nothing may stand behind the macro's name");
    }
    if (status == FM_OK) {
        line->name->macro = NULL;
    }
    return status;
}

static fm_status push(fmi_preprocessor *preprocessor, const fmi_tok *token, fmi_toks *out)
{
    if (++preprocessor->made > MAX_MADE) {
        return fmi_tok_fail(preprocessor->where, token, "macros make more than %d tokens of this text", (int)MAX_MADE);
    }
    return fmi_toks_push(out, token);
}

static uint32_t find_param(const fmi_macro *macro, const fmi_tok *name)
{
    uint32_t index = 0;
    for (uint32_t i = 0; i < macro->param_tokens; i++) {
        if (macro->params[i].kind == FMI_TOK_NAME) {
            if (macro->params[i].name == name->name) {
                return index;
            }
            index++;
        }
    }
    return UINT32_MAX;
}

// Puts the macro's text into `out`, arguments in the place of parameters, as it stands for the use at `place`.
static fm_status substitute(fmi_preprocessor *preprocessor, const fmi_macro *macro, const fmi_tok *place,
                            const fmi_toks *arguments, fmi_toks *out)
{
    fm_status status = FM_OK;
    for (uint32_t i = 0; i < macro->text_count && status == FM_OK; i++) {
        fmi_tok token = macro->text[i];
        uint32_t param = token.kind == FMI_TOK_NAME && arguments ? find_param(macro, &token) : UINT32_MAX;
        if (param != UINT32_MAX) {
            for (uint32_t k = 0; k < arguments[param].count && status == FM_OK; k++) {
                fmi_tok given = arguments[param].list[k];
                given.is_final = true;
                status = push(preprocessor, &given, out);
            }
            continue;
        }
        token.line = place->line;
        token.column = place->column;
        token.macro = place->macro ? place->macro : macro->name->name;
        status = push(preprocessor, &token, out);
    }
    return status;
}

// Expands one use; `arguments` is NULL where the macro takes none.
static fm_status expand_use(fmi_preprocessor *preprocessor, fmi_macro *macro, const fmi_tok *place,
                            const fmi_toks *arguments, fmi_toks *out, uint32_t depth)
{
    fmi_toks text = {0};
    fm_status status = substitute(preprocessor, macro, place, arguments, &text);
    macro->is_active = true;
    if (status == FM_OK) {
        status = fmi_preprocess_expand(preprocessor, text.list, text.count, out, depth + 1);
    }
    macro->is_active = false;
    fmi_toks_free(&text);
    return status;
}

// Expands `name ( … )`, whose parenthesis is list[0]; `*out_close` is the closing one. The arguments are expanded first, each by itself.
static fm_status expand_call(fmi_preprocessor *preprocessor, fmi_macro *macro, const fmi_tok *name, const fmi_tok *list,
                             uint32_t count, uint32_t *out_close, fmi_toks *out, uint32_t depth)
{
    fmi_toks *arguments = calloc(macro->param_count + 1, sizeof *arguments);
    if (!arguments) {
        return fmi_fail_memory();
    }
    uint32_t given = 0, first = 1, nested = 0, i = 0;
    fm_status status = FM_OK;
    for (; i < count && status == FM_OK; i++) {
        bool is_end = nested == 1 && list[i].op == ')';
        if (is_end || (nested == 1 && list[i].op == ',')) {
            bool is_none = is_end && given == 0 && macro->param_count == 0 && i == first;
            if (!is_none && given++ < macro->param_count) {
                status = fmi_preprocess_expand(preprocessor, list + first, i - first, &arguments[given - 1], depth + 1);
            }
            first = i + 1;
        }
        if (is_end) {
            break;
        }
        nested += list[i].op == '(';
        nested -= list[i].op == ')';
    }
    *out_close = i;
    if (status == FM_OK && i == count) {
        status = fmi_tok_fail(preprocessor->where, name, "the arguments of macro '%.*s' have no ')'", (int)name->length,
                              name->start);
    } else if (status == FM_OK && given != macro->param_count) {
        status = fmi_tok_fail(preprocessor->where, name, "macro '%.*s' takes %u arguments, not %u", (int)name->length,
                              name->start, macro->param_count, given);
    }
    if (status == FM_OK) {
        status = expand_use(preprocessor, macro, name, arguments, out, depth);
    }
    for (uint32_t k = 0; k < macro->param_count; k++) {
        fmi_toks_free(&arguments[k]);
    }
    free(arguments);
    return status;
}

fm_status fmi_preprocess_expand(fmi_preprocessor *preprocessor, const fmi_tok *list, uint32_t count, fmi_toks *out,
                                uint32_t depth)
{
    fm_status status = FM_OK;
    if (depth > MAX_DEPTH && count) {
        return fmi_tok_fail(preprocessor->where, list, "macros are nested more than %d deep", (int)MAX_DEPTH);
    }
    for (uint32_t i = 0; i < count && status == FM_OK; i++) {
        const fmi_tok *token = &list[i];
        fmi_macro *macro = token->kind == FMI_TOK_NAME && !token->is_final ? token->name->macro : NULL;
        bool is_call = macro && macro->is_function && i + 1 < count && list[i + 1].op == '(';
        if (!macro || macro->is_active || (macro->is_function && !is_call)) {
            status = depth ? push(preprocessor, token, out) : fmi_toks_push(out, token);
        } else if (!is_call) {
            status = expand_use(preprocessor, macro, token, NULL, out, depth);
        } else {
            uint32_t close = 0;
            status = expand_call(preprocessor, macro, token, list + i + 1, count - i - 1, &close, out, depth);
            i += 1 + close;
        }
    }
    return status;
}

fm_status fmi_preprocess_body(fmi_preprocessor *preprocessor, const fmi_toks *raw, fmi_toks *out)
{
    *out = (fmi_toks){.text = raw->text, .length = raw->length, .place = raw->place};
    preprocessor->where = raw;
    fm_status status = fmi_preprocess_expand(preprocessor, raw->list, raw->count, out, 0);
    return status == FM_OK ? fmi_toks_end(out) : status;
}
