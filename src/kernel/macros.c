// Macros: their definitions, and their text in place of their names. See macros.h.
// Expansion is C's, without `#` and `##`. What it makes has the place of the macro's use, arguments their own. The user's text decides how much
// is made, so that is bounded.
#include "kernel/macros.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_PARAMS = 64, MAX_DEPTH = 64, MAX_MADE = 1 << 20 };

bool fmi_token_equals(const fmi_token *token, const char *text)
{
    return strlen(text) == token->length && memcmp(token->start, text, token->length) == 0;
}

static bool is_same(const fmi_token *a, const fmi_token *b)
{
    return a->kind == b->kind &&
           (a->kind == FMI_TOKEN_SPACE || (a->length == b->length && memcmp(a->start, b->start, a->length) == 0));
}

// Also one that is undefined by now.
static fmi_macro *find_any(const fmi_macros *macros, const fmi_token *name)
{
    uint32_t i = fmi_index_first(&macros->index, name->start, name->length);
    while (i != FMI_INDEX_NONE && !is_same(macros->list[i].name, name)) {
        i = fmi_index_next(&macros->index, i);
    }
    return i == FMI_INDEX_NONE ? NULL : &macros->list[i];
}

fmi_macro *fmi_macros_find(const fmi_macros *macros, const fmi_token *name)
{
    fmi_macro *macro = find_any(macros, name);
    return macro && macro->is_defined ? macro : NULL;
}

const fmi_name *fmi_macros_find_special(const fmi_macros *macros, const fmi_token *name)
{
    for (uint32_t i = macros->name_count - macros->special_count; i < macros->name_count; i++) {
        if (fmi_token_equals(name, macros->names[i].name)) {
            return &macros->names[i];
        }
    }
    return NULL;
}

static fm_status check_name(const fmi_macros *macros, const fmi_token *name)
{
    int length = (int)name->length;
    if (name->kind != FMI_TOKEN_NAME) {
        return fmi_token_fail_at(macros->where, name, "a macro's name is missing here");
    }
    const fmi_word *word = fmi_word_find(name->start, name->length);
    if ((word && word->kind != FMI_WORD_FUNCTION && word->kind != FMI_WORD_VALUE) ||
        fmi_token_equals(name, "defined")) {
        return fmi_token_fail_at(macros->where, name, "'%.*s' is a word of the language, which no macro may change",
                                 length, name->start);
    }
    if (!fmi_word_has_free_prefix(name->start, name->length)) {
        return fmi_token_fail_at(macros->where, name, "names that start with fm_ or gl_ are reserved");
    }
    for (uint32_t i = 0; i < macros->name_count; i++) {
        if (fmi_token_equals(name, macros->names[i].name)) {
            return fmi_token_fail_at(macros->where, name, "'%.*s' is a name of the kernel: a macro needs another name",
                                     length, name->start);
        }
    }
    return FM_OK;
}

// Reads `(a, b)` behind a macro's name; `*at` is the parenthesis, then the token behind the closing one.
static fm_status read_params(const fmi_macros *macros, const fmi_token *line, uint32_t count, uint32_t *at,
                             fmi_macro *out)
{
    uint32_t i = *at + 1;
    bool wants_name = false;
    out->is_function = true;
    out->params = line + i;
    for (;; i++) {
        if (i == count) {
            return fmi_token_fail_at(macros->where, &line[*at], "the parameters of macro '%.*s' have no ')'",
                                     (int)out->name->length, out->name->start);
        }
        const fmi_token *token = &line[i];
        if (token->kind == FMI_TOKEN_SPACE) {
            continue;
        }
        bool is_name = token->kind == FMI_TOKEN_NAME;
        bool expects_comma = out->param_count > 0 && !wants_name;
        if (fmi_token_equals(token, ")") && !wants_name) {
            break;
        }
        if (expects_comma ? !fmi_token_equals(token, ",") : !is_name) {
            return fmi_token_fail_at(macros->where, token, "the parameters of a macro are names with commas between");
        }
        wants_name = !is_name;
        out->param_count += is_name;
        for (const fmi_token *other = out->params; is_name && other < token; other++) {
            if (is_same(other, token)) {
                return fmi_token_fail_at(macros->where, token, "the macro has this parameter twice");
            }
        }
        if (out->param_count > MAX_PARAMS) {
            return fmi_token_fail_at(macros->where, token, "a macro has more than %d parameters", (int)MAX_PARAMS);
        }
    }
    out->param_tokens = (uint32_t)(line + i - out->params);
    *at = i + 1;
    return FM_OK;
}

static bool is_same_macro(const fmi_macro *a, const fmi_macro *b)
{
    bool is = a->is_function == b->is_function && a->param_tokens == b->param_tokens && a->text_count == b->text_count;
    for (uint32_t i = 0; is && i < a->param_tokens; i++) {
        is = is_same(&a->params[i], &b->params[i]);
    }
    for (uint32_t i = 0; is && i < a->text_count; i++) {
        is = is_same(&a->text[i], &b->text[i]);
    }
    return is;
}

static fm_status add(fmi_macros *macros, const fmi_macro *macro)
{
    if (macros->count == macros->capacity) {
        uint32_t capacity = macros->capacity ? 2 * macros->capacity : 16;
        fmi_macro *list = realloc(macros->list, capacity * sizeof *list);
        if (!list) {
            return fmi_fail(FM_ERROR_OUT_OF_HOST_MEMORY, "no host memory to read the kernel's text");
        }
        macros->list = list;
        macros->capacity = capacity;
    }
    fm_status status = fmi_index_add(&macros->index, macro->name->start, macro->name->length);
    if (status == FM_OK) {
        macros->list[macros->count++] = *macro;
    }
    return status;
}

fm_status fmi_macros_define(fmi_macros *macros, const fmi_token *line, uint32_t count)
{
    fmi_macro macro = {.name = line, .is_defined = true};
    fm_status status = check_name(macros, line);
    uint32_t at = 1;
    if (status == FM_OK && count > 1 && fmi_token_equals(&line[1], "(")) {
        status = read_params(macros, line, count, &at, &macro);
    } else if (status == FM_OK && count > 1 && line[1].kind != FMI_TOKEN_SPACE) {
        status = fmi_token_fail_at(macros->where, &line[1], "a blank is missing between the macro's name and its text");
    }
    if (status != FM_OK) {
        return status;
    }
    for (; at < count && line[at].kind == FMI_TOKEN_SPACE; at++) {
    }
    for (; count > at && line[count - 1].kind == FMI_TOKEN_SPACE; count--) {
    }
    macro.text = line + at;
    macro.text_count = count - at;
    fmi_macro *old = find_any(macros, line);
    if (old && !old->is_defined) {
        *old = macro;
        return FM_OK;
    }
    if (old && !is_same_macro(old, &macro)) {
        return fmi_token_fail_at(macros->where, line,
                                 "macro '%.*s' has another text already (line %u); #undef it first", (int)line->length,
                                 line->start, old->name->line);
    }
    return old ? FM_OK : add(macros, &macro);
}

fm_status fmi_macros_undefine(fmi_macros *macros, const fmi_token *line, uint32_t count)
{
    fm_status status = check_name(macros, line);
    if (status == FM_OK && count > 1) {
        status = fmi_token_fail_at(macros->where, &line[1], "nothing may stand behind the macro's name");
    }
    fmi_macro *macro = status == FM_OK ? fmi_macros_find(macros, line) : NULL;
    if (macro) {
        macro->is_defined = false;
    }
    return status;
}

static fm_status push(fmi_macros *macros, const fmi_token *token, fmi_tokens *out)
{
    if (++macros->made > MAX_MADE) {
        return fmi_token_fail_at(macros->where, token, "macros make more than %d tokens of this text", (int)MAX_MADE);
    }
    return fmi_tokens_push(out, token);
}

// A blank at the place of `at`, so that what a macro gives never runs into its neighbours.
static fm_status push_blank(fmi_macros *macros, const fmi_token *at, fmi_tokens *out)
{
    fmi_token blank = *at;
    blank.start = " ";
    blank.length = 1;
    blank.kind = FMI_TOKEN_SPACE;
    return push(macros, &blank, out);
}

static uint32_t find_param(const fmi_macro *macro, const fmi_token *name)
{
    uint32_t index = 0;
    for (uint32_t i = 0; i < macro->param_tokens; i++) {
        if (macro->params[i].kind == FMI_TOKEN_NAME) {
            if (is_same(&macro->params[i], name)) {
                return index;
            }
            index++;
        }
    }
    return UINT32_MAX;
}

// Puts the macro's text into `out`, arguments in the place of parameters, as it stands for the use at `place`.
static fm_status substitute(fmi_macros *macros, const fmi_macro *macro, const fmi_token *place,
                            const fmi_tokens *arguments, fmi_tokens *out)
{
    fm_status status = FM_OK;
    for (uint32_t i = 0; i < macro->text_count && status == FM_OK; i++) {
        fmi_token token = macro->text[i];
        uint32_t param = token.kind == FMI_TOKEN_NAME && arguments ? find_param(macro, &token) : UINT32_MAX;
        if (param != UINT32_MAX) {
            for (uint32_t k = 0; k < arguments[param].count && status == FM_OK; k++) {
                fmi_token given = arguments[param].list[k];
                given.is_final = true;
                status = given.kind == FMI_TOKEN_SPACE ? push_blank(macros, &given, out) : push(macros, &given, out);
            }
            continue;
        }
        token.line = place->line;
        token.column = place->column;
        token.macro = place->macro ? place->macro : macro->name->start;
        token.macro_length = place->macro ? place->macro_length : macro->name->length;
        status = token.kind == FMI_TOKEN_SPACE ? push_blank(macros, &token, out) : push(macros, &token, out);
    }
    return status;
}

// Expands one use; `arguments` is NULL where the macro takes none.
static fm_status expand_use(fmi_macros *macros, fmi_macro *macro, const fmi_token *place, const fmi_tokens *arguments,
                            fmi_tokens *out, uint32_t depth)
{
    fmi_tokens text = {0};
    fm_status status = substitute(macros, macro, place, arguments, &text);
    if (status == FM_OK) {
        status = push_blank(macros, place, out);
    }
    macro->is_active = true;
    if (status == FM_OK) {
        status = fmi_macros_expand(macros, text.list, text.count, out, depth + 1);
    }
    macro->is_active = false;
    if (status == FM_OK) {
        status = push_blank(macros, place, out);
    }
    fmi_tokens_free(&text);
    return status;
}

static bool is_empty(const fmi_token *list, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (list[i].kind != FMI_TOKEN_SPACE) {
            return false;
        }
    }
    return true;
}

// Expands `name ( … )`, whose parenthesis is list[open]; `*out_close` is the closing one. The arguments are expanded first, each by itself.
static fm_status expand_call(fmi_macros *macros, fmi_macro *macro, const fmi_token *name, const fmi_token *list,
                             uint32_t count, uint32_t *out_close, fmi_tokens *out, uint32_t depth)
{
    fmi_tokens *arguments = calloc(MAX_PARAMS, sizeof *arguments);
    if (!arguments) {
        return fmi_fail(FM_ERROR_OUT_OF_HOST_MEMORY, "no host memory to read the kernel's text");
    }
    uint32_t given = 0, first = 1, nested = 0, i = 0;
    fm_status status = FM_OK;
    for (; i < count && status == FM_OK; i++) {
        bool is_end = nested == 1 && fmi_token_equals(&list[i], ")");
        if (is_end || (nested == 1 && fmi_token_equals(&list[i], ","))) {
            bool is_none = is_end && given == 0 && macro->param_count == 0 && is_empty(list + first, i - first);
            if (!is_none && given++ < macro->param_count) {
                status = fmi_macros_expand(macros, list + first, i - first, &arguments[given - 1], depth + 1);
            }
            first = i + 1;
        }
        if (is_end) {
            break;
        }
        nested += fmi_token_equals(&list[i], "(");
        nested -= fmi_token_equals(&list[i], ")");
    }
    *out_close = i;
    if (status == FM_OK && i == count) {
        status = fmi_token_fail_at(macros->where, name, "the arguments of macro '%.*s' have no ')'", (int)name->length,
                                   name->start);
    } else if (status == FM_OK && given != macro->param_count) {
        status = fmi_token_fail_at(macros->where, name, "macro '%.*s' takes %u arguments, not %u", (int)name->length,
                                   name->start, macro->param_count, given);
    }
    if (status == FM_OK) {
        status = expand_use(macros, macro, name, arguments, out, depth);
    }
    for (uint32_t k = 0; k < MAX_PARAMS; k++) {
        fmi_tokens_free(&arguments[k]);
    }
    free(arguments);
    return status;
}

// What stands between a macro's name and its `)` also ends lines: they follow the macro's text.
static fm_status push_line_ends(fmi_macros *macros, const fmi_token *list, uint32_t count, fmi_tokens *out)
{
    fm_status status = FM_OK;
    for (uint32_t i = 0; i < count && status == FM_OK; i++) {
        if (list[i].kind == FMI_TOKEN_SPACE && memchr(list[i].start, '\n', list[i].length)) {
            status = push(macros, &list[i], out);
        }
    }
    return status;
}

fm_status fmi_macros_expand(fmi_macros *macros, const fmi_token *list, uint32_t count, fmi_tokens *out, uint32_t depth)
{
    fm_status status = FM_OK;
    if (depth > MAX_DEPTH && count) {
        return fmi_token_fail_at(macros->where, list, "macros are nested more than %d deep", (int)MAX_DEPTH);
    }
    for (uint32_t i = 0; i < count && status == FM_OK; i++) {
        const fmi_token *token = &list[i];
        fmi_macro *macro = token->kind == FMI_TOKEN_NAME && !token->is_final ? fmi_macros_find(macros, token) : NULL;
        uint32_t open = i + 1;
        for (; macro && macro->is_function && open < count && list[open].kind == FMI_TOKEN_SPACE; open++) {
        }
        bool is_call = macro && macro->is_function && open < count && fmi_token_equals(&list[open], "(");
        if (!macro || macro->is_active || (macro->is_function && !is_call)) {
            status = depth ? push(macros, token, out) : fmi_tokens_push(out, token);
        } else if (!is_call) {
            status = expand_use(macros, macro, token, NULL, out, depth);
        } else {
            uint32_t close = 0;
            status = expand_call(macros, macro, token, list + open, count - open, &close, out, depth);
            close += open;
            if (status == FM_OK && depth == 0) {
                status = push_line_ends(macros, list + i, close - i, out);
            }
            i = close;
        }
    }
    return status;
}

fm_status fmi_macros_apply(fmi_macros *macros, fmi_tokens *body)
{
    fmi_tokens out = {.text = body->text, .length = body->length, .place = body->place};
    macros->where = body;
    fm_status status = fmi_macros_expand(macros, body->list, body->count, &out, 0);
    if (status == FM_OK) {
        status = fmi_tokens_end(&out);
    }
    if (status != FM_OK) {
        fmi_tokens_free(&out);
        return status;
    }
    fmi_tokens_free(body);
    *body = out;
    return FM_OK;
}

void fmi_macros_free(fmi_macros *macros)
{
    fmi_index_free(&macros->index);
    free(macros->list);
    *macros = (fmi_macros){0};
}
